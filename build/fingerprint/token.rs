//! Source text as rustc's parser sees it: a tree of tokens without white space and comments, in a
//! form that slice patterns can match.
//!
//! Unaware of items, names and modules.

use proc_macro2::{Ident, Spacing, TokenStream, TokenTree};

pub use proc_macro2::Delimiter;

/// One token, or a group of them in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A name, a keyword, or a lifetime with its apostrophe; raw names without `r#`. The macro
    /// variable `$crate` is one name.
    Ident(String),
    /// An operator or a separator, whole: `::`, not `:` twice.
    Punct(&'static str),
    Literal(String),
    Group(Delimiter, Vec<Token>),
}

impl Token {
    pub fn is(&self, text: &str) -> bool {
        match self {
            Token::Ident(ident) => ident == text,
            Token::Punct(punct) => *punct == text,
            _ => false,
        }
    }

    /// The text between the quotes of a string literal.
    pub fn string(&self) -> Option<String> {
        match self {
            Token::Literal(literal) => {
                let literal: syn::LitStr = syn::parse_str(literal).ok()?;
                Some(literal.value())
            }
            _ => None,
        }
    }
}

/// Punctuation of several characters, longest first: rustc's lexer takes the longest that fits.
const LONG: &[&str] = &[
    "<<=", ">>=", "...", "..=", "::", "->", "=>", "==", "!=", "<=", ">=", "&&", "||", "+=", "-=",
    "*=", "/=", "%=", "^=", "&=", "|=", "<<", ">>", "..",
];
const SHORT: &str = "+-*/%^!&|=<>@.,;:#$?~'";

/// The tokens of a stream.
pub fn tokens(stream: TokenStream) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut run = String::new();
    for tree in stream {
        if let TokenTree::Punct(punct) = &tree {
            run.push(punct.as_char());
            if punct.spacing() == Spacing::Joint {
                continue;
            }
        }
        split(&mut run, &mut tokens);
        match tree {
            TokenTree::Punct(_) => {}
            TokenTree::Ident(ident) => push_ident(&ident, &mut tokens),
            TokenTree::Literal(literal) => tokens.push(Token::Literal(literal.to_string())),
            // Delimiters that only a macro's expansion has and nobody sees.
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                tokens.extend(self::tokens(group.stream()));
            }
            TokenTree::Group(group) => {
                let inner = self::tokens(group.stream());
                tokens.push(Token::Group(group.delimiter(), inner));
            }
        }
    }
    split(&mut run, &mut tokens);
    tokens
}

/// The tokens of a text that may be anything: if it is not Rust, its words.
pub fn lex(text: &str) -> Vec<Token> {
    text.parse().map(tokens).unwrap_or_else(|_| {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.map(|word| Token::Ident(word.to_owned())).collect()
    })
}

fn push_ident(ident: &Ident, tokens: &mut Vec<Token>) {
    let name = name(ident);
    let prefix = match tokens.last() {
        Some(Token::Punct("'")) => "'",
        Some(Token::Punct("$")) if name == "crate" => "$",
        _ => return tokens.push(Token::Ident(name)),
    };
    tokens.pop();
    tokens.push(Token::Ident(format!("{prefix}{name}")));
}

/// A name as it is known by: `r#try` is `try`.
pub fn name(ident: &Ident) -> String {
    let text = ident.to_string();
    match text.strip_prefix("r#") {
        Some(name) => name.to_owned(),
        None => text,
    }
}

/// Splits a run of punctuation without white space as rustc's lexer does, so that `x=-1` and
/// `x = -1` are the same tokens and `& &x` and `&&x` are not.
fn split(run: &mut String, tokens: &mut Vec<Token>) {
    let mut rest = run.as_str();
    while let Some(first) = rest.chars().next() {
        let long = LONG
            .iter()
            .filter(|_| rest.len() > 1)
            .find(|long| rest.starts_with(**long));
        let punct = long.copied().unwrap_or_else(|| {
            let at = SHORT
                .find(first)
                .expect("proc-macro2 knows no other punctuation");
            &SHORT[at..=at]
        });
        tokens.push(Token::Punct(punct));
        rest = &rest[punct.len()..];
    }
    run.clear();
}

/// The parts between the commas at the top level.
pub fn by_comma(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    tokens
        .split(|token| token.is(","))
        .filter(|part| !part.is_empty())
}

/// A call of a macro at the start of `tokens`, behind the macro's name: how many tokens it is
/// long, and the last of them, its arguments.
pub fn macro_arguments(tokens: &[Token]) -> Option<(usize, &Token)> {
    match tokens {
        [bang, group @ Token::Group(..), ..] if bang.is("!") => Some((2, group)),
        [bang, Token::Ident(_), group @ Token::Group(..), ..] if bang.is("!") => Some((3, group)),
        _ => None,
    }
}

/// An attribute at the start of `tokens`: how many tokens it is long, and what is in its brackets.
pub fn attribute(tokens: &[Token]) -> Option<(usize, &[Token])> {
    match tokens {
        [hash, Token::Group(Delimiter::Bracket, inner), ..] if hash.is("#") => Some((2, inner)),
        [hash, bang, Token::Group(Delimiter::Bracket, inner), ..]
            if hash.is("#") && bang.is("!") =>
        {
            Some((3, inner))
        }
        _ => None,
    }
}

/// Feeds tokens to a hasher so that no two different sequences look alike.
pub fn hash(tokens: &[Token], hasher: &mut blake3::Hasher) {
    for token in tokens {
        let (tag, text) = match token {
            Token::Ident(text) => (b'i', text.as_str()),
            Token::Punct(text) => (b'p', *text),
            Token::Literal(text) => (b'l', text.as_str()),
            Token::Group(delimiter, inner) => {
                let (open, close) = brackets(*delimiter);
                hasher.update(open.as_bytes());
                hash(inner, hasher);
                hasher.update(close.as_bytes());
                continue;
            }
        };
        hasher.update(&[tag]);
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
}

fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

/// Tokens for people: as close to rustfmt's form as a name in a listing needs.
pub fn text(tokens: &[Token]) -> String {
    let mut text = String::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Ident(ident) => {
                if index > 0 && matches!(tokens[index - 1], Token::Ident(_)) {
                    text.push(' ');
                }
                text.push_str(ident);
            }
            Token::Punct(punct @ ("," | ":" | ";")) => {
                text.push_str(punct);
                text.push(' ');
            }
            Token::Punct(punct @ ("+" | "=" | "->")) => {
                text.push(' ');
                text.push_str(punct);
                text.push(' ');
            }
            Token::Punct(punct) => text.push_str(punct),
            Token::Literal(literal) => text.push_str(literal),
            Token::Group(delimiter, inner) => {
                let (open, close) = brackets(*delimiter);
                text.push_str(open);
                text.push_str(&self::text(inner));
                text.push_str(close);
            }
        }
    }
    text
}

/// Whether any token, at any depth, is as wanted.
pub fn any(tokens: &[Token], wanted: &dyn Fn(&Token) -> bool) -> bool {
    tokens.iter().any(|token| match token {
        Token::Group(_, inner) => wanted(token) || any(inner, wanted),
        leaf => wanted(leaf),
    })
}

/// Whether a name or a punctuation mark occurs at any depth.
pub fn contains(tokens: &[Token], text: &str) -> bool {
    any(tokens, &|token| token.is(text))
}
