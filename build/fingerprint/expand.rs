//! The macros, derives and attributes that an item uses, as far as they can be followed.
//!
//! Those of this crate are read like the item itself, and those of `known` do what is known of
//! them. Any other may read files and variables that nobody can list: there is no fingerprint then.

use std::collections::BTreeSet;

use super::attribute::Attributes;
use super::facts::Study;
use super::import::Path;
use super::known;
use super::scan::scan;
use super::scope::Target;
use super::source::{ItemId, Name};

impl Study<'_> {
    /// A macro of this crate is reached, and mentions for the item what it mentions. One that
    /// nothing is known of cannot be followed: it may read any file, and any variable.
    pub fn call(&mut self, path: &Path, file: &str) {
        let code = self.code;
        let (name, single) = (path.last(), path.segments.len() == 1);
        if single && self.own_macros.contains(name) {
            return;
        }
        // By name, for a macro's scope is that of the text, and by where an import leads.
        let named = code.krate().macros.get(name).into_iter().flatten();
        let mut macros: BTreeSet<ItemId> = named.copied().collect();
        if macros.len() + usize::from(known::is_std_macro(name)) > 1 {
            // Which of them is meant depends on the order of all files.
            self.place(!macros.is_empty());
        }
        let mut known = single && known::is_std_macro(name) && !self.is_imported(name);
        let resolution = code.scopes.resolve(self.item.module, path, &self.imports);
        for target in &resolution.targets {
            match target {
                Target::Item(id, _) if code.krate().item(*id).is_macro() => {
                    macros.insert(*id);
                }
                Target::External(path) if path.segments.len() > 1 => {
                    known = known::is_external_macro(&path.text());
                    self.lines.insert(format!("macro {name} = {}", path.text()));
                    self.facts.crates.extend(code.crate_of(path));
                    self.unknown((!known).then(|| format!("a call of {}!", path.text())));
                }
                _ => {}
            }
        }
        if single && name.starts_with('$') {
            self.any_macro = true;
            self.facts.everything = true;
        } else if !known && macros.is_empty() {
            self.unknown(Some(format!("a call of {}!", path.text())));
        }
        for id in macros {
            self.facts.items.insert(id);
            if self.expanded.insert(id) {
                let called = code.krate().item(id);
                self.add(scan(&called.tokens, &code.plain), file);
                self.attributes(&called.attributes);
            }
        }
    }

    /// Derives and attributes act where they stand in the item, or where a macro puts them into it.
    pub fn attributes(&mut self, attributes: &Attributes) {
        let unknown = self
            .code
            .unknown(attributes, self.item.module, &self.imports);
        self.unknown(unknown);
    }

    fn unknown(&mut self, what: Option<String>) {
        self.facts.unknown |= what.is_some();
        let unclear = what.map(|what| format!("{what} (not in build/fingerprint/known.rs)"));
        self.facts.unclear = self.facts.unclear.take().or(unclear);
    }

    /// What a macro may call by a name that it is given: all of this crate counts, but another
    /// crate's macro, or one that reads something, cannot be followed.
    pub fn handed_macros(&mut self) {
        if !self.any_macro {
            return;
        }
        let mut external = self
            .external
            .iter()
            .filter(|path| known::may_be_macro(path));
        let mut names = self.facts.names.iter();
        let read = names.find(|name| known::reads(name)).cloned();
        let handed = external.next().map(Path::text).or(read);
        self.unknown(handed.map(|name| format!("{name}, which a macro may call as a macro")));
    }

    /// Whether a `use` brings this name into scope.
    fn is_imported(&self, name: &str) -> bool {
        let names = &self.code.krate().module(self.item.module).names;
        let mut meanings = names.get(name).into_iter().flatten();
        let mut local = self.imports.iter();
        meanings.any(|meaning| matches!(meaning, Name::Import(_)))
            || local.any(|import| import.name.as_deref() == Some(name))
    }
}
