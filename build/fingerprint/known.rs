//! What the analysis takes for granted about Rust, its standard library and a few crates: which
//! names cannot act behind a step's back. A macro, a derive or an attribute that is in none of
//! these tables (nor in `attribute`'s) may read any file and make anything, so reaching it is an
//! error. One may be added if it reads nothing but its input and, as a derive, only implements
//! traits for its own type.
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

/// Macros of the standard library (no other crate's glob is expected to bring one of these names)
/// that take expressions as a function does, or types and patterns, and make no names.
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

/// Of the standard library, what tells code where it or its caller stands.
const LOCATORS: &[&str] = &["Backtrace", "Location", "set_hook", "update_hook"];

/// Whether the path may lead to such a thing, so that the lines of any code count.
pub fn locates(path: &Path) -> bool {
    let mut segments = path.segments.iter();
    segments.any(|segment| LOCATORS.contains(&segment.as_str()))
}

/// Whether something of this name may be taken for a known macro or for the crate of one.
pub fn names_macro(name: &str) -> bool {
    is_plain_macro(name) || is_macro_root(name)
}

/// Whether this is the crate of a known macro.
pub fn is_macro_root(name: &str) -> bool {
    let mut roots = CRATE_MACROS
        .iter()
        .filter_map(|path| path.split("::").next());
    is_std(name) || roots.any(|root| root == name)
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
    is_crate_macro(path) || std.is_some_and(is_std_macro)
}

/// The same without those of the standard library.
pub fn is_crate_macro(path: &str) -> bool {
    CRATE_MACROS.contains(&path)
}

/// Whether the macro of this name reads something from outside of the code.
pub fn reads(name: &str) -> bool {
    matches!(
        name,
        "column"
            | "env"
            | "file"
            | "include"
            | "include_bytes"
            | "include_str"
            | "line"
            | "option_env"
    )
}

/// Whether a path of another crate may be a macro that is not known.
pub fn may_be_macro(path: &Path) -> bool {
    let std = path.segments.first().is_some_and(|root| is_std(root));
    path.segments.len() > 1 && !std && !is_crate_macro(&path.text())
}

/// Crates that come with the compiler.
pub fn is_std(name: &str) -> bool {
    matches!(name, "std" | "core" | "alloc" | "proc_macro")
}

/// Whether something is known of a crate by its name, and this package is another one.
pub fn is_taken(name: &str, package: &str) -> bool {
    let of_derives = |derive: &Derive| derive.path.split("::").next() == Some(name);
    let is_known = is_macro_root(name) || DERIVES.iter().any(of_derives);
    // What burn has under its name is this package's.
    is_known && (name, package) != ("burn", "burn-core")
}

/// Whether a library may have this name. Names of libraries have no capital letters: rustc warns of
/// others.
pub fn may_be_library(name: &str) -> bool {
    let plain = name.starts_with(|c: char| c == '_' || c.is_alphabetic());
    plain && !is_primitive(name) && !is_keyword(name) && !name.contains(char::is_uppercase)
}

#[rustfmt::skip]
fn is_primitive(name: &str) -> bool {
    matches!(
        name,
        "bool" | "char" | "f32" | "f64" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "str"
        | "u8" | "u16" | "u32" | "u64" | "u128" | "usize"
    )
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
