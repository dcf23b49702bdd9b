//! The digest of a Rust file: of its tokens, without what cannot change what they compute.
//!
//! Left out are comments, documentation, what is `#[cfg(test)]`, and commas that rustfmt adds before
//! closing brackets. Layout is no token. A token is digested with its kind and its length, so that
//! different sequences stay different.

use blake3::Hasher;
use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, File, ImplItem, Item};

use super::Result;
use super::sources::{TEST, condition};

/// The digest of a file.
///
/// # Errors
/// If its code would read something that is not digested.
pub fn digest(mut file: File) -> Result<String> {
    strip(&mut file.items);
    let tokens = file.into_token_stream();
    check(&tokens)?;
    let mut hasher = Hasher::new();
    feed(&mut hasher, &tokens, Commas::Idle);
    Ok(hasher.finalize().to_hex().to_string())
}

/// Takes out what is compiled for tests only, if it is of a usual kind.
fn strip(items: &mut Vec<Item>) {
    let is_test = |attributes: &[Attribute]| condition(attributes) == TEST;
    items.retain_mut(|item| match item {
        Item::Const(syn::ItemConst { attrs, .. })
        | Item::Enum(syn::ItemEnum { attrs, .. })
        | Item::Fn(syn::ItemFn { attrs, .. })
        | Item::Macro(syn::ItemMacro { attrs, .. })
        | Item::Static(syn::ItemStatic { attrs, .. })
        | Item::Struct(syn::ItemStruct { attrs, .. })
        | Item::Trait(syn::ItemTrait { attrs, .. })
        | Item::Type(syn::ItemType { attrs, .. })
        | Item::Use(syn::ItemUse { attrs, .. }) => !is_test(attrs),
        Item::Mod(module) => {
            module
                .content
                .iter_mut()
                .for_each(|(_, items)| strip(items));
            !is_test(&module.attrs)
        }
        Item::Impl(block) => {
            block
                .items
                .retain(|item| !matches!(item, ImplItem::Fn(it) if is_test(&it.attrs)));
            !is_test(&block.attrs)
        }
        _ => true,
    });
}

/// Tokens without documentation.
fn trees(stream: &TokenStream) -> Vec<TokenTree> {
    let mut trees = Vec::new();
    for tree in stream.clone() {
        trees.push(tree);
        let length = match &trees[..] {
            [.., hash, it] if is(hash, "#") && attribute(it).starts_with("doc =") => 2,
            [.., hash, _, it] if is(hash, "#") && attribute(it).starts_with("doc =") => 3,
            _ => 0,
        };
        trees.truncate(trees.len() - length);
    }
    trees
}

/// Whether a token is this name or mark.
fn is(tree: &TokenTree, text: &str) -> bool {
    match tree {
        TokenTree::Ident(ident) => ident == text,
        TokenTree::Punct(punct) => text.starts_with(punct.as_char()),
        _ => false,
    }
}

/// The text within an attribute's brackets.
fn attribute(tree: &TokenTree) -> String {
    match tree {
        TokenTree::Group(group) => group.stream().to_string(),
        _ => String::new(),
    }
}

/// Finds what would read more than the files that are digested.
fn check(stream: &TokenStream) -> Result<()> {
    let trees = trees(stream);
    for (at, tree) in trees.iter().enumerate() {
        match (tree, &trees[at + 1..]) {
            (TokenTree::Punct(_), [next, ..]) if is(tree, "#") => {
                let text = attribute(next);
                let is_conditional = text.starts_with("cfg_attr") && text.contains("path =");
                if is_conditional || text.starts_with("path =") {
                    let todo = "name the file as the module";
                    return Err(format!("`#[{text}]` cannot be followed: {todo}"));
                }
            }
            (TokenTree::Ident(name), [bang, TokenTree::Group(arguments), ..]) if is(bang, "!") => {
                check_macro(&name.to_string(), arguments.stream())?;
            }
            // Another name would hide calls.
            (TokenTree::Ident(name), [next, ..]) if is(next, "as") => {
                check_macro(&name.to_string(), TokenStream::new())?;
            }
            (TokenTree::Group(group), _) => check(&group.stream())?,
            _ => {}
        }
    }
    Ok(())
}

/// Checks a call of a macro that may read something.
fn check_macro(name: &str, arguments: TokenStream) -> Result<()> {
    let text = syn::parse2(arguments).map(|text: syn::LitStr| text.value());
    let is_below = |path: &str| {
        let is_plain = |name: &str| !name.is_empty() && !name.starts_with('.');
        !path.contains(['\\', ':']) && path.split('/').all(is_plain)
    };
    let (is_followed, todo) = match name {
        "include" => (false, "make the file a module"),
        "include_bytes" | "include_str" => (
            // A Rust file counts by its tokens only.
            text.is_ok_and(|path| is_below(&path) && !path.ends_with(".rs")),
            "put the file beside this one or below, and name it by a literal",
        ),
        "env" | "option_env" => (
            text.is_ok_and(|name| name.starts_with("CARGO_PKG_")),
            "make the value a constant or a parameter",
        ),
        _ => return Ok(()),
    };
    match is_followed {
        true => Ok(()),
        false => Err(format!("this use of `{name}` cannot be followed: {todo}")),
    }
}

/// Macros that take a comma behind their last argument as functions do.
#[rustfmt::skip]
const LIKE_FUNCTIONS: &[&str] = &[
    "anyhow", "assert", "assert_eq", "assert_ne", "bail", "concat", "debug_assert",
    "debug_assert_eq", "debug_assert_ne", "ensure", "eprint", "eprintln", "format", "format_args",
    "panic", "print", "println", "todo", "unimplemented", "unreachable", "vec", "write", "writeln",
];

/// What commas mean in a group of tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Commas {
    /// All may be seen, here and further in: these are a macro's or an attribute's arguments.
    Seen,
    /// The last may make a tuple of one.
    Tuple,
    /// The last means nothing.
    Idle,
}

impl Commas {
    /// In a group behind these tokens. In doubt, all count.
    fn within(self, group: &Group, before: &[TokenTree]) -> Commas {
        let is_keyword = |name: &TokenTree| syn::parse2::<syn::Ident>(name.clone().into()).is_err();
        let is_known = |name: &TokenTree| LIKE_FUNCTIONS.iter().any(|known| is(name, known));
        match before {
            _ if self == Commas::Seen => Commas::Seen,
            [.., hash] | [.., hash, _] if is(hash, "#") => Commas::Seen,
            [.., name, bang] if is(bang, "!") && is_known(name) => Commas::Idle,
            [.., bang] if is(bang, "!") => Commas::Seen,
            [.., name, _, _] if is(name, "macro_rules") => Commas::Seen,
            _ if group.delimiter() != Delimiter::Parenthesis => Commas::Idle,
            // `'a: loop { break 'a (1,) }`
            [.., quote, _] if is(quote, "'") => Commas::Tuple,
            [.., name @ TokenTree::Ident(_)] if !is_keyword(name) => Commas::Idle,
            _ => Commas::Tuple,
        }
    }
}

/// Digests tokens, but for commas that mean nothing.
fn feed(hasher: &mut Hasher, stream: &TokenStream, commas: Commas) {
    let trees = trees(stream);
    for (at, tree) in trees.iter().enumerate() {
        let next = trees.get(at + 1);
        let closes = next.map_or(commas == Commas::Idle, |next| is(next, ">"));
        if is(tree, ",") && closes && commas != Commas::Seen {
            continue;
        }
        let (kind, text) = match tree {
            TokenTree::Group(group) => {
                // A kind each, and one for the end.
                hasher.update(format!("{:?}", group.delimiter()).as_bytes());
                feed(hasher, &group.stream(), commas.within(group, &trees[..at]));
                ("e", String::new())
            }
            TokenTree::Ident(ident) => ("i", ident.to_string()),
            TokenTree::Literal(literal) => ("l", literal.to_string()),
            TokenTree::Punct(punct) => {
                let is_joint = punct.spacing() == Spacing::Joint;
                let joins = is_joint && matches!(next, Some(TokenTree::Punct(_)));
                (if joins { "j" } else { "p" }, punct.to_string())
            }
        };
        hasher.update(kind.as_bytes());
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
}
