//! What an attribute says: nothing that matters, that its item is for tests only, or that its item
//! acts without being named.
//!
//! Unaware of scopes: the paths of derives are handed on as written.

use super::known;
use super::token::{Token, attribute, by_comma, text, tokens};

/// Lints and notes for people, which change no code.
const INERT: &[&str] = &[
    "allow",
    "deny",
    "deprecated",
    "expect",
    "forbid",
    "must_use",
    "warn",
];
/// Families of the same.
const INERT_TOOLS: &[&str] = &["clippy", "diagnostic", "rustdoc", "rustfmt"];

/// The compiler's own attributes that matter only where their item does.
const LOCAL: &[&str] = &[
    "automatically_derived",
    "cfg",
    "cold",
    "doc",
    "feature",
    "inline",
    "macro_export",
    "macro_use",
    "non_exhaustive",
    "path",
    "recursion_limit",
    "repr",
    "target_feature",
    "track_caller",
    "type_length_limit",
];

/// The compiler's own attributes by which an item acts wherever it stands.
const ACTING: &[&str] = &[
    "export_name",
    "global_allocator",
    "link",
    "link_name",
    "link_section",
    "no_mangle",
    "panic_handler",
    "unsafe",
    "used",
];

/// Keys of known attributes whose value is a text, never the path of something.
const TEXTS: &[&str] = &[
    "about",
    "alias",
    "content",
    "env",
    "expecting",
    "feature",
    "help",
    "long",
    "long_about",
    "name",
    "note",
    "reason",
    "rename",
    "rename_all",
    "rename_all_fields",
    "since",
    "tag",
    "target_arch",
    "target_family",
    "target_os",
    "value_name",
    "version",
];

/// Whether the attribute belongs to rustc or to a derive that is known.
pub fn is_known(inner: &[Token]) -> bool {
    let mut helpers = known::DERIVES.iter().flat_map(|derive| derive.helpers);
    match inner {
        [Token::Ident(name), ..] => {
            LOCAL.contains(&&**name) || helpers.any(|helper| helper == name)
        }
        _ => false,
    }
}

/// Whether an attribute of [`Attributes::others`] is the compiler's own.
pub fn is_builtin(name: &str) -> bool {
    ACTING.contains(&name)
}

/// Whether the value behind this key of a known attribute cannot name an item.
pub fn is_text(key: &str) -> bool {
    TEXTS.contains(&key)
}

/// Whether what stands in an attribute's brackets can be left out.
pub fn is_inert(inner: &[Token], docs: bool) -> bool {
    match inner {
        [Token::Ident(tool), colons, ..] if colons.is("::") => INERT_TOOLS.contains(&&**tool),
        [Token::Ident(name), ..] => INERT.contains(&&**name) || (name == "doc" && !docs),
        _ => false,
    }
}

/// Whether an attribute among these makes what it stands on depend on a condition.
pub fn is_conditional(tokens: &[Token]) -> bool {
    let at = |at: usize| attribute(&tokens[at..]);
    (0..tokens.len()).filter_map(at).any(|(_, inner)| {
        let first = inner.first();
        first.is_some_and(|first| first.is("cfg") || first.is("cfg_attr"))
    })
}

/// Whether one of the attributes keeps its item out of everything but tests.
pub fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    // The common case costs no token.
    let may_be = |attribute: &syn::Attribute| {
        attribute.path().is_ident("cfg") || attribute.path().is_ident("test")
    };
    attributes
        .iter()
        .filter(|attribute| may_be(attribute))
        .any(|attribute| match &inner(attribute)[..] {
            [name] => name.is("test"),
            [_, Token::Group(_, condition)] => implies_test(condition),
            _ => false,
        })
}

/// `test`, and `all(…)` with such a part.
fn implies_test(condition: &[Token]) -> bool {
    match condition {
        [name] => name.is("test"),
        [all, Token::Group(_, parts)] => all.is("all") && by_comma(parts).any(implies_test),
        _ => false,
    }
}

/// What stands in an attribute's brackets.
pub fn inner(attribute: &syn::Attribute) -> Vec<Token> {
    tokens(quote::ToTokens::to_token_stream(&attribute.meta))
}

/// What the attributes within an item, at any depth, say about it.
#[derive(Default)]
pub struct Attributes {
    /// Paths of the derives, as written.
    pub derives: Vec<Vec<Token>>,
    /// Names of all that is neither inert nor known to matter only where the item does.
    pub others: Vec<String>,
}

impl Attributes {
    /// Takes note of what stands in an attribute's brackets.
    pub fn add(&mut self, inner: &[Token]) {
        match inner {
            _ if is_inert(inner, false) => {}
            [Token::Ident(name), Token::Group(_, list)] if name == "derive" => {
                self.derives.extend(by_comma(list).map(<[Token]>::to_vec));
            }
            // The condition comes first; whether it holds is left open.
            [Token::Ident(name), Token::Group(_, list)] if name == "cfg_attr" => {
                by_comma(list).skip(1).for_each(|inner| self.add(inner));
            }
            [Token::Ident(name)] | [Token::Ident(name), Token::Group(..)]
                if LOCAL.contains(&&**name) => {}
            [Token::Ident(name), equals, ..] if equals.is("=") && LOCAL.contains(&&**name) => {}
            _ => {
                let path = inner
                    .iter()
                    .take_while(|token| token.is("::") || matches!(token, Token::Ident(_)));
                self.others.push(text(&path.cloned().collect::<Vec<_>>()));
            }
        }
    }

    /// Takes note of all attributes among tokens that nobody has parsed.
    pub fn add_all(&mut self, tokens: &[Token]) {
        for at in 0..tokens.len() {
            if let Some((_, inner)) = attribute(&tokens[at..]) {
                self.add(inner);
            } else if let Token::Group(_, inner) = &tokens[at] {
                self.add_all(inner);
            }
        }
    }
}

/// The attributes of an item.
pub fn of_item(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::TraitAlias(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Takes out what is compiled for tests only: fields, variants, and parts of traits and `impl`s.
pub fn strip_tests(item: &mut syn::Item) {
    let fields = |fields: &mut syn::Fields| {
        let list = match fields {
            syn::Fields::Named(fields) => &mut fields.named,
            syn::Fields::Unnamed(fields) => &mut fields.unnamed,
            syn::Fields::Unit => return,
        };
        if list.iter().any(|field| is_test_only(&field.attrs)) {
            let all = std::mem::take(list);
            *list = all
                .into_iter()
                .filter(|field| !is_test_only(&field.attrs))
                .collect();
        }
    };
    match item {
        syn::Item::Struct(item) => fields(&mut item.fields),
        syn::Item::Enum(item) => {
            if item
                .variants
                .iter()
                .any(|variant| is_test_only(&variant.attrs))
            {
                let all = std::mem::take(&mut item.variants);
                let kept = all
                    .into_iter()
                    .filter(|variant| !is_test_only(&variant.attrs));
                item.variants = kept.collect();
            }
            item.variants
                .iter_mut()
                .for_each(|variant| fields(&mut variant.fields));
        }
        syn::Item::Impl(item) => item.items.retain(|part| match part {
            syn::ImplItem::Const(part) => !is_test_only(&part.attrs),
            syn::ImplItem::Fn(part) => !is_test_only(&part.attrs),
            syn::ImplItem::Type(part) => !is_test_only(&part.attrs),
            _ => true,
        }),
        syn::Item::Trait(item) => item.items.retain(|part| match part {
            syn::TraitItem::Const(part) => !is_test_only(&part.attrs),
            syn::TraitItem::Fn(part) => !is_test_only(&part.attrs),
            syn::TraitItem::Type(part) => !is_test_only(&part.attrs),
            _ => true,
        }),
        _ => {}
    }
}
