//! Keeps the bodies of functions while syn parses the items around them: most of the source, of
//! which only tokens are wanted. A name stands where a body stood.
//!
//! Unaware of what bodies hold.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use super::token::{self, Token};

/// What the names of bodies begin with.
const PREFIX: &str = "__fig6_body_";

/// The bodies of a file's functions.
#[derive(Default)]
pub struct Bodies(Vec<TokenStream>);

impl Bodies {
    /// A file's tokens with a name in place of each body, and without `#[cfg(test)] mod x { … }`.
    pub fn put_aside(&mut self, stream: TokenStream) -> TokenStream {
        // Between `fn` and its body, and between `impl` and its block.
        let (mut in_signature, mut in_header) = (false, false);
        let mut kept: Vec<TokenTree> = Vec::new();
        for tree in stream {
            let tree = match tree {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    let inner = match (in_signature, in_header) {
                        (true, _) => self.put(group.stream()),
                        (false, true) => self.put_aside(group.stream()),
                        (false, false) => group.stream(),
                    };
                    (in_signature, in_header) = (false, false);
                    TokenTree::Group(Group::new(Delimiter::Brace, inner))
                }
                tree => tree,
            };
            match &tree {
                TokenTree::Ident(ident) => {
                    // A type such as `fn(u32)` has no name.
                    in_signature |=
                        matches!(kept.last(), Some(TokenTree::Ident(before)) if before == "fn");
                    in_header |= ["impl", "mod", "trait"]
                        .iter()
                        .any(|keyword| ident == keyword);
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => {
                    (in_signature, in_header) = (false, false);
                }
                _ => {}
            }
            kept.push(tree);
            if is_test_module(&kept) {
                kept.truncate(kept.len() - 5);
            }
        }
        kept.into_iter().collect()
    }

    fn put(&mut self, body: TokenStream) -> TokenStream {
        let name = format!("{PREFIX}{}", self.0.len());
        self.0.push(body);
        TokenTree::Ident(Ident::new(&name, Span::call_site())).into()
    }

    fn get(&self, name: &str) -> Option<&TokenStream> {
        let index: usize = name.strip_prefix(PREFIX)?.parse().ok()?;
        self.0.get(index)
    }

    /// The tokens of an item, its bodies included.
    pub fn tokens(&self, stream: TokenStream) -> Vec<Token> {
        let mut tokens = token::tokens(stream);
        self.fill(&mut tokens);
        tokens
    }

    fn fill(&self, tokens: &mut [Token]) {
        for token in tokens {
            let Token::Group(_, inner) = token else {
                continue;
            };
            let body = match &inner[..] {
                [Token::Ident(name)] => self.get(name),
                _ => None,
            };
            match body {
                Some(body) => *inner = token::tokens(body.clone()),
                None => self.fill(inner),
            }
        }
    }

    /// The same for syn, where an item must be parsed with its bodies.
    pub fn stream(&self, stream: TokenStream) -> TokenStream {
        let whole = |tree: TokenTree| match tree {
            TokenTree::Group(group) => {
                let name = group.stream().to_string();
                let inner = match self.get(&name) {
                    Some(body) => body.clone(),
                    None => self.stream(group.stream()),
                };
                TokenTree::Group(Group::new(group.delimiter(), inner))
            }
            leaf => leaf,
        };
        stream.into_iter().map(whole).collect()
    }
}

/// Whether the last of these is the block of a module for tests. Left out before it is parsed: it
/// is a good third of the source.
fn is_test_module(kept: &[TokenTree]) -> bool {
    let [.., hash, attribute, keyword, _, TokenTree::Group(_)] = kept else {
        return false;
    };
    let is = |tree: &TokenTree, text: &str| tree.to_string() == text;
    is(keyword, "mod") && is(hash, "#") && is(attribute, "[cfg (test)]")
}
