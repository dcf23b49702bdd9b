//! What is hidden in an item and acts outside of it: `impl`s in the bodies of functions, and calls
//! of macros that may make some.
//!
//! Unaware of scopes, and so of which macro is called.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use super::known;
use super::token::{self, Delimiter, Token};

/// Whether there may be an `impl` in a block among these tokens.
pub fn holds_impl(tokens: &[Token]) -> bool {
    token::any(tokens, &|token| match token {
        Token::Group(Delimiter::Brace, inner) => inner.iter().any(|token| token.is("impl")),
        _ => false,
    })
}

/// `impl`s within an item's blocks, and the types and traits declared there.
#[derive(Default)]
pub struct Nested<'ast> {
    pub blocks: Vec<&'ast syn::ItemImpl>,
    pub types: BTreeSet<String>,
}

impl<'ast> Nested<'ast> {
    /// Walks through an item without taking it for nested in itself.
    pub fn outermost(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::Impl(block) => visit::visit_item_impl(self, block),
            syn::Item::Trait(item) => visit::visit_item_trait(self, item),
            syn::Item::Struct(item) => visit::visit_item_struct(self, item),
            syn::Item::Enum(item) => visit::visit_item_enum(self, item),
            syn::Item::Union(item) => visit::visit_item_union(self, item),
            other => visit::visit_item(self, other),
        }
    }
}

impl<'ast> Visit<'ast> for Nested<'ast> {
    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        self.blocks.push(block);
        visit::visit_item_impl(self, block);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.types.insert(token::name(&item.ident));
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.types.insert(token::name(&item.ident));
        visit::visit_item_enum(self, item);
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.types.insert(token::name(&item.ident));
        visit::visit_item_union(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.types.insert(token::name(&item.ident));
        visit::visit_item_trait(self, item);
    }
}

/// The macros that tokens call, also within the arguments of others.
#[derive(Default)]
pub struct Calls {
    pub names: BTreeSet<String>,
    /// `macro_rules!` among the tokens themselves.
    pub own: BTreeSet<String>,
    /// Whether the arguments of one hold an `impl`.
    pub hide_impl: bool,
}

impl Calls {
    pub fn find(&mut self, tokens: &[Token]) {
        for at in 0..tokens.len() {
            if let Token::Ident(name) = &tokens[at]
                && let Some((_, arguments)) = token::macro_arguments(&tokens[at + 1..])
                && !known::is_keyword(name)
            {
                match &tokens[at + 2] {
                    Token::Ident(own) if name == "macro_rules" => self.own.insert(own.clone()),
                    _ => self.names.insert(name.clone()),
                };
                self.hide_impl |= token::contains(std::slice::from_ref(arguments), "impl");
            }
            match &tokens[at] {
                Token::Group(_, inner) => self.find(inner),
                // `macro_rules! $name` makes macros of any name, as calling it by itself would.
                Token::Punct("$") if at >= 2 && tokens[at - 2].is("macro_rules") => {
                    self.names.insert("macro_rules".to_owned());
                }
                _ => {}
            }
        }
    }
}
