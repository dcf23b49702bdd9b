//! The items of a module: what is digested and reached as one.
//!
//! A trait's implementation is one item, but each function, constant and type of an inherent
//! `impl` is one of its own: it acts only where it is named. Implementations within functions act
//! outside of them, so they are items as well. Unaware of scopes.

use std::collections::BTreeSet;

use quote::ToTokens;

use super::attribute::{Attributes, is_conditional, strip_tests};
use super::body::Bodies;
use super::import::Import;
use super::nested::{Calls, Nested, holds_impl};
use super::plain::Plain;
use super::scan::scan;
use super::source::ModuleId;
use super::token::{self, Token, tokens};

pub struct Item {
    pub module: ModuleId,
    /// The file that it stands in.
    pub file: String,
    /// For people: `impl Display for Network`.
    pub name: String,
    /// What other code calls it by, if it can.
    pub ident: Option<String>,
    pub kind: Kind,
    /// Whether its own attributes leave open that it is there.
    pub conditional: bool,
    pub tokens: Vec<Token>,
    /// Those within it, and those of the function around it.
    pub imports: Vec<Import>,
    pub attributes: Attributes,
    /// Names of the macros that it calls, as far as they can be told from the tokens alone.
    pub calls: BTreeSet<String>,
    /// `macro_rules!` within it, its own if it is one.
    pub own_macros: BTreeSet<String>,
    /// Whether the arguments of a macro hold an `impl`.
    pub hides_impl: bool,
}

pub enum Kind {
    /// A function, a constant or a static.
    Value,
    /// A struct, an enum (with its variants' names) or a union.
    Type {
        variants: BTreeSet<String>,
    },
    Alias,
    Trait,
    /// `macro_rules!`
    Macro,
    /// Of an inherent `impl`.
    Member(Header),
    TraitImpl(Header),
    /// A call of a macro in an item's place, or what syn does not know: it may define any name and
    /// implement any trait.
    Opaque,
}

/// What an `impl` is for.
pub struct Header {
    /// Trait and type, without generics and bounds.
    pub subject: Vec<Token>,
    /// Names of the type and constant parameters.
    pub parameters: BTreeSet<String>,
    /// Types and traits that only the function around the `impl` can name.
    pub enclosed: BTreeSet<String>,
}

impl Item {
    pub fn is_macro(&self) -> bool {
        matches!(self.kind, Kind::Macro)
    }

    pub fn header(&self) -> Option<&Header> {
        match &self.kind {
            Kind::Member(header) | Kind::TraitImpl(header) => Some(header),
            _ => None,
        }
    }

    /// Whether a method or a function of a type may be called in it, so that the traits in scope
    /// matter to it. In types only attributes can do that.
    pub fn is_code(&self) -> bool {
        match self.kind {
            Kind::Macro | Kind::Alias => false,
            Kind::Type { .. } => attributes_hold_code(&self.tokens),
            _ => ["!", ".", "::"]
                .iter()
                .any(|call| token::contains(&self.tokens, call)),
        }
    }
}

fn attributes_hold_code(tokens: &[Token]) -> bool {
    (0..tokens.len()).any(|at| match token::attribute(&tokens[at..]) {
        Some((_, [name, ..])) if name.is("derive") || name.is("doc") => false,
        Some((_, inner)) => token::any(inner, &|token| {
            token.is(".")
                || token.is("::")
                || token.string().is_some_and(|text| text.contains("::"))
        }),
        None => match &tokens[at] {
            Token::Group(_, inner) => attributes_hold_code(inner),
            _ => false,
        },
    })
}

/// The items that one item of the source is made of.
pub fn items(module: ModuleId, file: &str, bodies: &Bodies, mut item: syn::Item) -> Vec<Item> {
    let mut out = Items {
        module,
        file,
        bodies,
        items: Vec::new(),
    };
    strip_tests(&mut item);
    let all = bodies.tokens(item.to_token_stream());
    if !matches!(item, syn::Item::Macro(_)) && holds_impl(&all) {
        out.nested(&item, &all);
    }
    match &item {
        syn::Item::Impl(block) => out.block(block, all, Vec::new(), &BTreeSet::new()),
        item => {
            let (kind, name, ident) = describe(item);
            out.push(kind, name, ident, all, Vec::new());
        }
    }
    out.items
}

struct Items<'a> {
    module: ModuleId,
    file: &'a str,
    bodies: &'a Bodies,
    items: Vec<Item>,
}

impl Items<'_> {
    fn push(
        &mut self,
        kind: Kind,
        name: String,
        ident: Option<String>,
        tokens: Vec<Token>,
        mut imports: Vec<Import>,
    ) {
        if token::contains(&tokens, "use") {
            imports.extend(scan(&tokens, &Plain::NONE).imports);
        }
        let mut attributes = Attributes::default();
        let mut calls = Calls::default();
        attributes.add_all(&tokens);
        calls.find(&tokens);
        self.items.push(Item {
            module: self.module,
            file: self.file.to_owned(),
            name,
            ident,
            kind,
            conditional: is_conditional(&tokens),
            tokens,
            imports,
            attributes,
            calls: &calls.names - &calls.own,
            own_macros: calls.own,
            hides_impl: calls.hide_impl,
        });
    }

    /// The `impl`s within an item's blocks.
    fn nested(&mut self, item: &syn::Item, all: &[Token]) {
        let whole = self.bodies.stream(item.to_token_stream());
        // What cannot be parsed is left to rustc to refuse.
        let Ok(whole) = syn::parse2::<syn::Item>(whole) else {
            return;
        };
        let mut nested = Nested::default();
        nested.outermost(&whole);
        let imports = scan(all, &Plain::NONE).imports;
        for block in nested.blocks {
            let all = tokens(block.to_token_stream());
            self.block(block, all, imports.clone(), &nested.types);
        }
    }

    /// An `impl`: one item if it is a trait's, else one for each of its parts.
    /// `all` are its tokens.
    fn block(
        &mut self,
        block: &syn::ItemImpl,
        mut all: Vec<Token>,
        imports: Vec<Import>,
        enclosed: &BTreeSet<String>,
    ) {
        let parameters: BTreeSet<String> = block
            .generics
            .params
            .iter()
            .filter_map(|parameter| match parameter {
                syn::GenericParam::Type(parameter) => Some(token::name(&parameter.ident)),
                syn::GenericParam::Const(parameter) => Some(token::name(&parameter.ident)),
                syn::GenericParam::Lifetime(_) => None,
            })
            .collect();
        let own = tokens(block.self_ty.to_token_stream());
        let header = |subject: Vec<Token>| Header {
            subject,
            parameters: parameters.clone(),
            enclosed: enclosed.clone(),
        };
        if let Some((_, path, _)) = &block.trait_ {
            let last = path.segments.last().to_token_stream();
            let name = format!(
                "impl {} for {}",
                token::text(&tokens(last)),
                token::text(&own)
            );
            let subject = [tokens(path.to_token_stream()), vec![Token::Punct(";")], own].concat();
            self.push(Kind::TraitImpl(header(subject)), name, None, all, imports);
            return;
        }
        // What is left is generics and bounds.
        all.pop();
        for item in &block.items {
            let ident = match item {
                syn::ImplItem::Const(item) => Some(token::name(&item.ident)),
                syn::ImplItem::Fn(item) => Some(token::name(&item.sig.ident)),
                syn::ImplItem::Type(item) => Some(token::name(&item.ident)),
                _ => None,
            };
            let what = ident.clone().unwrap_or_else(|| "macro".to_owned());
            let name = format!("impl {}::{what}", token::text(&own));
            let both = [all.clone(), self.bodies.tokens(item.to_token_stream())].concat();
            self.push(
                Kind::Member(header(own.clone())),
                name,
                ident,
                both,
                imports.clone(),
            );
        }
    }
}

/// Kind, name for people, and name for code.
fn describe(item: &syn::Item) -> (Kind, String, Option<String>) {
    let named = |kind: Kind, what: &str, ident: &syn::Ident| {
        let ident = token::name(ident);
        (
            kind,
            format!("{what} {ident}"),
            Some(ident).filter(|ident| ident != "_"),
        )
    };
    let no_variants = || Kind::Type {
        variants: BTreeSet::new(),
    };
    match item {
        syn::Item::Const(item) => named(Kind::Value, "const", &item.ident),
        syn::Item::Enum(item) => {
            let variants = item
                .variants
                .iter()
                .map(|variant| token::name(&variant.ident))
                .collect();
            named(Kind::Type { variants }, "enum", &item.ident)
        }
        syn::Item::Fn(item) => named(Kind::Value, "fn", &item.sig.ident),
        syn::Item::Static(item) => named(Kind::Value, "static", &item.ident),
        syn::Item::Struct(item) => named(no_variants(), "struct", &item.ident),
        syn::Item::Trait(item) => named(Kind::Trait, "trait", &item.ident),
        syn::Item::TraitAlias(item) => named(Kind::Trait, "trait", &item.ident),
        syn::Item::Type(item) => named(Kind::Alias, "type", &item.ident),
        syn::Item::Union(item) => named(no_variants(), "union", &item.ident),
        syn::Item::Macro(item) => match &item.ident {
            Some(ident) if item.mac.path.is_ident("macro_rules") => {
                named(Kind::Macro, "macro", ident)
            }
            _ => {
                let path = token::text(&tokens(item.mac.path.to_token_stream()));
                (Kind::Opaque, format!("macro call {path}!"), None)
            }
        },
        syn::Item::ForeignMod(_) => (Kind::Opaque, "extern block".to_owned(), None),
        _ => (Kind::Opaque, "unknown item".to_owned(), None),
    }
}
