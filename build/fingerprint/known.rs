//! What the analysis takes for granted about Rust, its standard library and a few crates: which
//! names cannot act behind a step's back. What is in none of these tables counts as something that
//! may do anything.
//!
//! Unaware of this crate's own items.

use super::import::Path;

/// Keywords after which an expression, a pattern or a type may begin, so that what looks like a
/// call or a macro's name is none.
#[rustfmt::skip]
pub fn is_keyword(name: &str) -> bool {
    matches!(
        name,
        "as" | "async" | "await" | "box" | "break" | "const" | "continue" | "dyn" | "else" | "enum"
        | "extern" | "fn" | "for" | "if" | "impl" | "in" | "let" | "loop" | "match" | "mod" | "move"
        | "mut" | "pub" | "ref" | "return" | "static" | "struct" | "trait" | "type" | "unsafe"
        | "use" | "where" | "while" | "yield"
    )
}

/// Macros of the standard library that take expressions as a function does, or types and patterns,
/// and make no names.
const STD_MACROS: &[&str] = &[
    "assert",
    "assert_eq",
    "assert_ne",
    "cfg",
    "column",
    "compile_error",
    "concat",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "env",
    "eprint",
    "eprintln",
    "file",
    "format",
    "format_args",
    "include",
    "include_bytes",
    "include_str",
    "line",
    "matches",
    "module_path",
    "option_env",
    "panic",
    "print",
    "println",
    "stringify",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

/// The same of other crates, by the path that an import leads to.
const CRATE_MACROS: &[&str] = &[
    "anyhow::anyhow",
    "anyhow::bail",
    "anyhow::ensure",
    "serde_json::json",
];

/// Whether a macro of this name, if it is no macro of this crate, is one of the known ones.
/// `stringify!` is not plain: it sees every token.
pub fn is_plain_macro(name: &str) -> bool {
    let crates = || {
        CRATE_MACROS
            .iter()
            .filter_map(|path| path.rsplit("::").next())
    };
    name != "stringify" && (STD_MACROS.contains(&name) || crates().any(|known| known == name))
}

/// Whether a macro that no import and no item of this crate names is the standard library's.
pub fn is_std_macro(name: &str) -> bool {
    STD_MACROS.contains(&name) || name == "thread_local"
}

/// Whether the macro at this path of another crate is one of the known ones.
pub fn is_external_macro(path: &str) -> bool {
    let std = path
        .strip_prefix("std::")
        .or_else(|| path.strip_prefix("core::"));
    CRATE_MACROS.contains(&path) || std.is_some_and(is_std_macro)
}

/// Crates that come with the compiler.
pub fn is_std(name: &str) -> bool {
    matches!(name, "std" | "core" | "alloc" | "proc_macro")
}

/// Modules of the standard library that hold no trait that stable code can import, nor do the
/// modules in them. (`std::process::Termination` keeps `process` out.)
const WITHOUT_TRAITS: &[&str] = &[
    "cell",
    "char",
    "collections",
    "env",
    "fs",
    "mem",
    "num",
    "path",
    "rc",
    "sync",
    "thread",
    "time",
];

/// Whether a path of another crate, imported as `name`, may be a trait, which then acts without
/// being named. Traits begin with a capital letter: rustc warns of others.
pub fn may_be_trait(path: &Path, name: &str) -> bool {
    if let [root, module, ..] = &path.segments[..]
        && is_std(root)
        && WITHOUT_TRAITS.contains(&module.as_str())
    {
        return false;
    }
    name == "_" || path.last().starts_with(char::is_uppercase)
}

/// A derive macro that only implements traits for its own type.
pub struct Derive {
    /// The path that an import leads to; a single name is the standard library's.
    pub path: &'static str,
    /// Attributes that mean something to it.
    pub helpers: &'static [&'static str],
    /// Whether documentation changes what it makes.
    pub reads_docs: bool,
}

const fn derive(path: &'static str, helpers: &'static [&'static str]) -> Derive {
    Derive {
        path,
        helpers,
        reads_docs: false,
    }
}

const fn clap(path: &'static str) -> Derive {
    Derive {
        path,
        helpers: &["arg", "clap", "command", "group", "value"],
        reads_docs: true,
    }
}

pub const DERIVES: &[Derive] = &[
    derive("Clone", &[]),
    derive("Copy", &[]),
    derive("Debug", &[]),
    derive("Default", &["default"]),
    derive("Eq", &[]),
    derive("Hash", &[]),
    derive("Ord", &[]),
    derive("PartialEq", &[]),
    derive("PartialOrd", &[]),
    derive("serde::Deserialize", &["serde"]),
    derive("serde::Serialize", &["serde"]),
    derive("burn::module::Module", &["module"]),
    clap("clap::Args"),
    clap("clap::Parser"),
    clap("clap::Subcommand"),
    clap("clap::ValueEnum"),
];
