//! Items that act without being named, and what has to be reached for them to act.
//!
//! Unaware of what is reached, and why.

use std::collections::BTreeSet;

use super::attribute::{self, Attributes};
use super::facts::Code;
use super::import::{Import, Path};
use super::item::{Header, Item, Kind};
use super::known;
use super::plain::Plain;
use super::scan::{Mention, scan};
use super::scope::Target;
use super::source::{ItemId, ModuleId};
use super::token::{self, Token};

/// What an item's attributes and macros say about it.
#[derive(Default)]
pub struct Audit {
    /// It may act as soon as the program runs.
    pub always: bool,
    /// It may define names and implement traits.
    pub opaque: bool,
    /// A derive in it reads documentation.
    pub docs: bool,
}

impl Code<'_> {
    /// What the attributes and macros in an item make of it.
    pub fn audit(&self, item: &Item) -> Audit {
        let mut audit = Audit {
            opaque: matches!(item.kind, Kind::Opaque) || item.hides_impl,
            ..Audit::default()
        };
        let mut helpers: Vec<&str> = Vec::new();
        for written in &item.attributes.derives {
            match self.derive(item.module, &item.imports, written) {
                Some(known) => {
                    helpers.extend(known.helpers);
                    audit.docs |= known.reads_docs;
                }
                None => audit.opaque = true,
            }
        }
        let mut others = item.attributes.others.iter();
        audit.always = others.any(|name| !helpers.contains(&name.as_str()));
        let mut calls = item.calls.iter();
        // The file of an `include!` may hold an `impl`.
        audit.opaque |=
            calls.any(|name| name == "include" || self.may_implement(name, &mut Vec::new()));
        audit
    }

    /// A derive or an attribute that may be a macro of which nothing is known: it may read any
    /// file and any variable, and make anything of what it is given.
    pub fn unknown(
        &self,
        attributes: &Attributes,
        module: ModuleId,
        imports: &[Import],
    ) -> Option<String> {
        let mut helpers: Vec<&str> = Vec::new();
        for written in &attributes.derives {
            match self.derive(module, imports, written) {
                Some(known) => helpers.extend(known.helpers),
                None => return Some(format!("the derive {}", token::text(written))),
            }
        }
        let known = |name: &str| helpers.contains(&name) || attribute::is_builtin(name);
        let name = attributes.others.iter().find(|name| !known(name))?;
        Some(match name.as_str() {
            "" => "an attribute that a macro is given".to_owned(),
            name => format!("the attribute {name}"),
        })
    }

    fn derive(
        &self,
        module: ModuleId,
        imports: &[Import],
        written: &[Token],
    ) -> Option<&'static known::Derive> {
        let (_, path) = Path::at(written)?;
        let resolution = self.scopes.resolve(module, &path, imports);
        let mut targets = resolution.targets.into_iter();
        let path = match (targets.next(), targets.next()) {
            (None, _) => path.text(),
            (Some(Target::External(path)), None) => path.text(),
            _ => return None,
        };
        known::DERIVES.iter().find(|known| known.path == path)
    }

    /// Whether a macro of this name may make an `impl`, which acts wherever the macro is called.
    fn may_implement(&self, name: &str, seen: &mut Vec<String>) -> bool {
        if seen.iter().any(|seen| seen == name) {
            return false;
        }
        seen.push(name.to_owned());
        let Some(macros) = self.krate().macros.get(name) else {
            return !known::is_plain_macro(name) && !known::is_std_macro(name);
        };
        macros.iter().any(|id| {
            let item = self.krate().item(*id);
            let tokens = &item.tokens;
            let unknown = self.unknown(&item.attributes, item.module, &item.imports);
            let calls = scan(tokens, &Plain::NONE).macros;
            let mut calls = calls.iter().map(Path::last);
            unknown.is_some()
                || token::contains(tokens, "impl")
                || calls.any(|name| self.may_implement(name, seen))
        })
    }

    /// Whether a macro called in the module may make what the path begins with, and so hide what a
    /// glob brings.
    fn may_be_made(&self, module: ModuleId, path: &Path) -> bool {
        let module = self.krate().module(module);
        let first = path.segments.first();
        module.calls_macros && !first.is_some_and(|first| module.names.contains_key(first))
    }

    /// The types and traits of this crate that an `impl` is for: it acts only where all of them
    /// are. `None` if it acts only through the function around it.
    ///
    /// A name that may stand for anything but one type (a parameter, an alias, a projection, what
    /// is there or imported under a condition, what a macro may hide) is left out, so that the
    /// `impl` is reached too early at most.
    pub fn subjects(&self, item: &Item, header: &Header) -> Option<BTreeSet<ItemId>> {
        let mut subjects = BTreeSet::new();
        let mentions = scan(&header.subject, &Plain::NONE);
        if token::contains(&header.subject, "as") || !mentions.macros.is_empty() {
            return Some(subjects);
        }
        for Mention { path, .. } in mentions.paths {
            let single = path.segments.len() == 1;
            if single && header.parameters.contains(path.last()) {
                continue;
            }
            let resolution = self.scopes.resolve(item.module, &path, &item.imports);
            let conditional = resolution.conditional
                || !resolution.conditions.is_empty()
                || self.may_be_made(item.module, &path);
            let meanings = resolution.targets.iter().filter_map(|target| match target {
                Target::Item(id, rest) => match self.krate().item(*id).kind {
                    Kind::Type { .. } | Kind::Trait => {
                        Some((rest.is_empty() && !conditional).then_some(*id))
                    }
                    Kind::Alias => Some(None),
                    _ => None,
                },
                Target::External(path) => (path.segments.len() > 1).then_some(None),
                Target::Module(_) => None,
            });
            match meanings.collect::<Vec<_>>()[..] {
                [] if single && header.enclosed.contains(path.last()) => return None,
                [Some(id)] => {
                    subjects.insert(id);
                }
                _ => {}
            }
        }
        Some(subjects)
    }
}
