//! Dependencies whose crate code may know by a name that neither `Cargo.toml` nor `Cargo.lock`
//! has: a package may call its library as it likes (`md-5` is `md5`).
//!
//! A dependency by whose name a path begins anywhere is known by that name, and so is one that
//! `Cargo.toml` renames. Any of the others may be meant by a path that begins with nothing known,
//! so such a path counts all of them.

use std::collections::BTreeSet;

use super::import::{Import, Path};
use super::scope::{Scopes, Target};
use super::source::{ModuleId, Name};
use super::token::Token;

/// Those of `guessed` by whose name no path in the crate begins.
pub fn nameless(scopes: &Scopes, guessed: BTreeSet<String>) -> BTreeSet<String> {
    let krate = scopes.krate;
    let mut search = Search {
        scopes,
        left: guessed,
    };
    for at in 0..krate.modules.len() {
        let module = krate.module(ModuleId(at));
        for meaning in module.names.values().flatten() {
            if let Name::Import(import) = meaning {
                search.path(ModuleId(at), &import.path, &[]);
            }
        }
        for import in &module.nameless {
            search.path(ModuleId(at), &import.path, &[]);
        }
    }
    for item in &krate.items {
        search.tokens(item.module, &item.tokens, &item.imports);
        for import in &item.imports {
            search.path(item.module, &import.path, &[]);
        }
    }
    search.left
}

struct Search<'a> {
    scopes: &'a Scopes<'a>,
    left: BTreeSet<String>,
}

impl Search<'_> {
    fn tokens(&mut self, module: ModuleId, tokens: &[Token], imports: &[Import]) {
        for (at, token) in tokens.iter().enumerate() {
            match token {
                Token::Group(_, inner) => self.tokens(module, inner, imports),
                Token::Ident(name)
                    if tokens.get(at + 1).is_some_and(|next| next.is("::"))
                        && self.left.contains(name) =>
                {
                    self.path(module, &Path::parse(&format!("{name}::_")), imports);
                }
                _ => {}
            }
        }
    }

    /// The crate that a path certainly begins with is known by its name.
    fn path(&mut self, module: ModuleId, path: &Path, imports: &[Import]) {
        let Some(first) = path
            .segments
            .first()
            .filter(|first| self.left.contains(*first))
        else {
            return;
        };
        let targets = self.scopes.resolve(module, path, imports).targets;
        let is_crate = |target: &Target| match target {
            Target::External(path) => path.segments.first() == Some(first),
            _ => false,
        };
        if !targets.is_empty() && targets.iter().all(is_crate) {
            self.left.remove(first);
        }
    }
}
