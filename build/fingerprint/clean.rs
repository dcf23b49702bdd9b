//! Takes out of tokens what rustfmt adds and removes and what no code can see.
//!
//! Sound where it holds that two sequences with one cleaned form mean the same. A trailing comma
//! goes only where it is no part of a tuple of one: in brackets and braces, in what is certainly
//! the arguments of something, and in what certainly has two elements. In doubt it stays.
//! Unaware of items and names.

use super::attribute;
use super::known;
use super::plain::Plain;
use super::token::{Delimiter, Token, attribute, macro_arguments};

/// Tokens without inert attributes, trailing commas, and, unless `docs`, documentation.
///
/// What stands in the arguments of a macro stays as it is, for the macro may see all of it, except
/// for macros that take arguments like a function.
pub fn clean(tokens: &[Token], docs: bool, plain: &Plain) -> Vec<Token> {
    let mut clean: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        if let Some((length, inner)) = attribute(rest) {
            if !attribute::is_inert(inner, docs) {
                clean.extend(rest[..length].iter().cloned());
            }
            at += length;
            continue;
        }
        if let Token::Ident(name) = &rest[0]
            && let Some((length, arguments)) = macro_arguments(&rest[1..])
            && !known::is_keyword(name)
        {
            let is_plain = plain.is_plain_after(&clean, name);
            clean.extend(rest[..length].iter().cloned());
            clean.push(match arguments {
                Token::Group(delimiter, inner) if is_plain => {
                    let mut inner = self::clean(inner, docs, plain);
                    inner.pop_if(|token| token.is(","));
                    Token::Group(*delimiter, inner)
                }
                verbatim => verbatim.clone(),
            });
            at += length + 1;
            continue;
        }
        match &rest[0] {
            Token::Punct(",") if is_idle_comma(&clean, &rest[1..]) => {}
            Token::Group(delimiter, inner) => {
                let mut inner = self::clean(inner, docs, plain);
                let is_idle = |inner: &[Token]| {
                    *delimiter != Delimiter::Parenthesis
                        || has_two_elements(inner)
                        || takes_arguments(&clean)
                };
                if inner.last().is_some_and(|last| last.is(",")) && is_idle(&inner) {
                    inner.pop();
                }
                clean.push(Token::Group(*delimiter, inner));
            }
            token => clean.push(token.clone()),
        }
        at += 1;
    }
    clean
}

/// Whether a comma after `before` means nothing: before `>`, and after a match arm's block.
fn is_idle_comma(before: &[Token], after: &[Token]) -> bool {
    let closes = matches!(after.first(), Some(Token::Punct(punct)) if punct.starts_with('>'));
    let arm = matches!(before, [.., arrow, Token::Group(Delimiter::Brace, _)] if arrow.is("=>"));
    closes || arm
}

/// Whether what ends with a comma is more than a tuple of one with it: a second comma parts two
/// elements, unless it may stand among generics or the parameters of a closure.
fn has_two_elements(inner: &[Token]) -> bool {
    let commas = inner.iter().filter(|token| token.is(",")).count();
    let may_part = |token: &Token| match token {
        Token::Punct(punct) => punct.starts_with('<') || *punct == "|",
        _ => false,
    };
    commas > 1 && !inner.iter().any(may_part)
}

/// Whether parentheses after `before` hold arguments or parameters, not a tuple. In doubt, no.
fn takes_arguments(before: &[Token]) -> bool {
    match before {
        [.., hash, Token::Group(Delimiter::Bracket, _)] if hash.is("#") => false,
        // `struct S(pub(crate) (u8,))`
        [.., public, Token::Group(Delimiter::Parenthesis, _)] if public.is("pub") => false,
        // `&'static (u8,)` and `break 'a (1,)`
        [.., Token::Ident(name)] => !known::is_keyword(name) && !name.starts_with('\''),
        [
            ..,
            Token::Group(Delimiter::Parenthesis | Delimiter::Bracket, _),
        ] => true,
        // `f::<T>(x,)` and `fn f<T>(x: T,)`, but not `a > (x,)`.
        [.., close] if close.is(">") || close.is(">>") => match before_generics(before) {
            Some([.., colons]) if colons.is("::") => true,
            Some([.., keyword, Token::Ident(_)]) => keyword.is("fn"),
            _ => false,
        },
        _ => false,
    }
}

/// What stands before the `<` that the last token closes, if it closes one.
fn before_generics(tokens: &[Token]) -> Option<&[Token]> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().rev() {
        depth = match token {
            Token::Punct(">") => depth + 1,
            Token::Punct(">>") => depth + 2,
            Token::Punct("<") => depth.checked_sub(1)?,
            Token::Punct("<<") => depth.checked_sub(2)?,
            // Nothing within generics ends a statement.
            Token::Punct(";") => return None,
            _ => depth,
        };
        if depth == 0 {
            return Some(&tokens[..at]);
        }
    }
    None
}
