//! Which macros take their arguments like a function, so that rustfmt's commas in them mean nothing
//! and what they mention is what they use.
//!
//! A name of `known` does so only where it cannot mean another macro. Which is meant depends on the
//! order of the text, so a name to which the crate gives another meaning anywhere is plain nowhere.

use std::collections::BTreeSet;

use super::import::{Import, Path};
use super::item::Kind;
use super::known;
use super::scope::{Scopes, Target};
use super::source::{ModuleId, Name};
use super::token::Token;

pub struct Plain {
    /// Names that may mean something else.
    hidden: BTreeSet<String>,
    /// Whether any name may, for a macro makes macros of names that cannot be seen.
    none: bool,
}

impl Plain {
    /// No macro is: for what does not depend on it.
    pub const NONE: Plain = Plain {
        hidden: BTreeSet::new(),
        none: true,
    };

    pub fn new(scopes: &Scopes) -> Plain {
        let krate = scopes.krate;
        let mut plain = Plain {
            hidden: krate.macros.keys().cloned().collect(),
            none: false,
        };
        for item in &krate.items {
            plain.hidden.extend(item.own_macros.iter().cloned());
            plain.none |= item.calls.contains("macro_rules");
            for import in &item.imports {
                plain.import(scopes, item.module, import);
            }
        }
        for at in 0..krate.modules.len() {
            let module = krate.module(ModuleId(at));
            for (name, meanings) in &module.names {
                for meaning in meanings {
                    match meaning {
                        Name::Import(import) => plain.import(scopes, ModuleId(at), import),
                        // `std::vec!` of a module `std`.
                        Name::Module(_) if known::is_macro_root(name) => {
                            plain.hidden.insert(name.clone());
                        }
                        Name::Item(_) | Name::Module(_) => {}
                    }
                }
            }
        }
        plain
    }

    /// An import may bring a macro, or a crate of another name.
    fn import(&mut self, scopes: &Scopes, module: ModuleId, import: &Import) {
        let Some(name) = import
            .name
            .as_deref()
            .filter(|name| known::names_macro(name))
        else {
            return;
        };
        let targets = scopes.resolve(module, &import.path, &[]).targets;
        let harmless = |target: &Target| match target {
            Target::External(path) if path.segments.len() == 1 => path.last() == name,
            Target::External(path) => known::is_external_macro(&path.text()) && path.last() == name,
            Target::Item(id, _) => !matches!(scopes.krate.item(*id).kind, Kind::Macro),
            Target::Module(_) => true,
        };
        if targets.is_empty() || !targets.iter().all(harmless) {
            self.hidden.insert(name.to_owned());
        }
    }

    /// Whether the macro at this path is plain. `stringify!` is not: it sees every token.
    pub fn is_plain(&self, path: &Path) -> bool {
        let known = match &path.segments[..] {
            [name] => known::is_plain_macro(name),
            [.., name] => known::is_plain_macro(name) && known::is_external_macro(&path.text()),
            [] => false,
        };
        let mut segments = path.segments.iter();
        known && !self.none && !segments.any(|name| self.hidden.contains(name))
    }

    /// The same for the path that ends in `name` after `before`.
    pub fn is_plain_after(&self, before: &[Token], name: &str) -> bool {
        match before {
            [.., dollar] if dollar.is("$") => false,
            [first @ .., Token::Ident(root), colons] if colons.is("::") => {
                let deeper = matches!(first, [.., colons] if colons.is("::"));
                !deeper && self.is_plain(&Path::parse(&format!("{root}::{name}")))
            }
            [.., colons] if colons.is("::") => false,
            _ => self.is_plain(&Path::parse(name)),
        }
    }
}
