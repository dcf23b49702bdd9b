//! What acts in a module without being named: the traits in scope, other crates' globs, and the
//! conditions that the module is under.
//!
//! A call of a method means that of any trait in scope, so the traits in scope are part of all code
//! in the module: those of other crates by their paths, those of this crate as items as well.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Code;
use super::import::{Import, Path};
use super::item::Kind;
use super::known;
use super::plain::Plain;
use super::scan::scan;
use super::scope::{Conditions, Resolution, Scopes, Target};
use super::source::{ItemId, ModuleId, Name};
use super::token;

/// What a scope holds that needs no name.
#[derive(Default)]
pub struct InScope {
    /// The scope's own module, and those that globs take in.
    pub modules: BTreeSet<ModuleId>,
    /// Those in which a macro may have defined what an import means.
    pub entered: BTreeSet<ModuleId>,
    pub traits: BTreeSet<ItemId>,
    /// Imports of other crates that may be traits.
    pub external_traits: BTreeSet<Path>,
    pub external_globs: BTreeSet<Path>,
    /// Imports that lead to nothing known.
    pub unknown: BTreeSet<Path>,
    pub conditions: Conditions,
    /// Whether one of these may be a crate of which only the package knows the name.
    pub foreign: bool,
}

impl Scopes<'_> {
    /// What acts in a module.
    pub fn in_module(&self, module: ModuleId) -> InScope {
        let mut found = InScope::default();
        self.take_in(module, &mut found);
        found
    }

    /// What imports within an item of the module bring into scope.
    pub fn in_imports(&self, module: ModuleId, imports: &[Import]) -> InScope {
        let mut found = InScope::default();
        for import in imports {
            self.import(module, import, &mut found);
        }
        found
    }

    fn take_in(&self, module: ModuleId, found: &mut InScope) {
        if !found.modules.insert(module) {
            return;
        }
        let scope = self.krate.module(module);
        for meaning in scope.names.values().flatten() {
            match meaning {
                Name::Import(import) => self.import(module, import, found),
                Name::Item(id) if self.is_trait(*id) => {
                    found.traits.insert(*id);
                }
                Name::Item(_) | Name::Module(_) => {}
            }
        }
        for import in &scope.nameless {
            self.import(module, import, found);
        }
    }

    fn import(&self, module: ModuleId, import: &Import, found: &mut InScope) {
        let Resolution {
            targets,
            entered,
            conditions,
            foreign,
            ..
        } = self.resolve(module, &import.path, &[]);
        let mut acts = targets.is_empty();
        if acts {
            found.foreign |= foreign;
            found.unknown.insert(import.path.clone());
            found.entered.extend(entered);
        }
        for target in targets {
            match (target, &import.name) {
                (Target::Module(glob), None) => {
                    acts = true;
                    self.take_in(glob, found);
                }
                (Target::External(path), None) => {
                    acts = true;
                    found.external_globs.insert(path);
                }
                (Target::External(path), Some(name)) if known::may_be_trait(&path, name) => {
                    acts = true;
                    found.external_traits.insert(path);
                }
                (Target::Item(id, rest), _) if rest.is_empty() && self.is_trait(id) => {
                    acts = true;
                    found.traits.insert(id);
                }
                _ => {}
            }
        }
        if acts {
            found.conditions.add(import);
            found.conditions.extend(conditions);
        }
    }

    fn is_trait(&self, id: ItemId) -> bool {
        matches!(self.krate.item(id).kind, Kind::Trait)
    }
}

/// Entries of a module's listing that stand for no item, and what they reach.
#[derive(Default)]
pub struct Surroundings {
    /// What the module depends on. Part of each entry: modules of one path under different
    /// conditions share a listing.
    conditions: Vec<String>,
    pub entries: BTreeMap<String, String>,
    pub crates: BTreeSet<String>,
    pub items: BTreeSet<ItemId>,
    pub entered: BTreeSet<ModuleId>,
}

impl Surroundings {
    /// Adds an entry for these lines, if there are any.
    fn enter(&mut self, name: &str, lines: &[String]) {
        if !lines.is_empty() {
            let lines = [&self.conditions, lines].concat();
            let digest = blake3::hash(lines.join("\n").as_bytes());
            self.entries
                .insert(name.to_owned(), digest.to_hex().to_string());
        }
    }
}

impl Code<'_> {
    /// What acts on the items of a module; `code` if one of them may call methods.
    pub fn surroundings(&self, module: ModuleId, code: bool) -> Surroundings {
        let scope = self.scopes.in_module(module);
        let mut surroundings = self.conditions_of(module);
        surroundings.enter("globs of crates", &self.globs(&scope));
        let globs = scope.external_globs.iter();
        surroundings
            .crates
            .extend(globs.filter_map(|path| self.crate_of(path)));
        if scope.foreign {
            surroundings.crates.extend(self.nameless.iter().cloned());
        }
        if code {
            surroundings.enter("traits in scope", &self.traits(&scope));
            let traits = scope.external_traits.iter();
            surroundings
                .crates
                .extend(traits.filter_map(|path| self.crate_of(path)));
            surroundings.items = scope.traits;
        }
        surroundings.entered = &scope.modules | &scope.entered;
        surroundings
    }

    /// A module's attributes, and the state of the features that they name.
    pub fn conditions_of(&self, module: ModuleId) -> Surroundings {
        let lines = self.module_conditions(module);
        let mut surroundings = Surroundings::default();
        surroundings.enter("attributes", &lines);
        surroundings.conditions = lines;
        surroundings
    }

    /// The same as lines of what is digested.
    pub fn module_conditions(&self, module: ModuleId) -> Vec<String> {
        let attributes = &self.krate().module(module).attributes;
        if attributes.is_empty() {
            return Vec::new();
        }
        let features = self.features(&scan(attributes, &Plain::NONE).features);
        [vec![token::text(attributes)], features].concat()
    }

    /// Everything that a module's names lead to, for one of which any may be meant.
    pub fn all_names(&self, module: ModuleId) -> Surroundings {
        let mut surroundings = Surroundings {
            conditions: self.module_conditions(module),
            ..Surroundings::default()
        };
        let mut lines = Vec::new();
        for id in self.scopes.in_module(module).modules {
            surroundings.entered.insert(id);
            let module = self.krate().module(id);
            let names = module
                .names
                .keys()
                .map(|name| Path::parse(&format!("self::{name}")));
            let nameless = module.nameless.iter().map(|import| import.path.clone());
            for path in names.chain(nameless) {
                let resolution = self.scopes.resolve(id, &path, &[]);
                for target in &resolution.targets {
                    let meaning = self.scopes.canonical(target);
                    lines.push(format!("{} = {meaning}", path.text()));
                    match target {
                        Target::Item(id, _) => drop(surroundings.items.insert(*id)),
                        Target::Module(id) => drop(surroundings.entered.insert(*id)),
                        Target::External(path) => surroundings.crates.extend(self.crate_of(path)),
                    }
                }
                lines.extend(self.conditions(&resolution.conditions));
                if resolution.foreign {
                    surroundings.crates.extend(self.nameless.iter().cloned());
                }
            }
        }
        surroundings.enter("all names", &lines);
        surroundings
    }

    /// The traits in a scope and what may be one, with the conditions of their imports.
    pub fn traits(&self, scope: &InScope) -> Vec<String> {
        let own = scope.traits.iter().map(|id| Target::Item(*id, Vec::new()));
        let own = own.map(|target| self.scopes.canonical(&target));
        let others = scope.external_traits.union(&scope.unknown).map(Path::text);
        self.under_conditions(own.chain(others).collect(), scope)
    }

    /// Other crates' globs in a scope, with the conditions of their imports.
    pub fn globs(&self, scope: &InScope) -> Vec<String> {
        let globs = scope.external_globs.iter().map(Path::text);
        self.under_conditions(globs.collect(), scope)
    }

    fn under_conditions(&self, mut lines: Vec<String>, scope: &InScope) -> Vec<String> {
        if !lines.is_empty() {
            lines.extend(self.conditions(&scope.conditions));
        }
        lines
    }

    /// Conditions of imports, as lines of what is digested.
    pub fn conditions(&self, conditions: &Conditions) -> impl Iterator<Item = String> {
        let features = self.features(&conditions.features);
        let texts = conditions.texts.iter().map(|text| format!("under {text}"));
        texts.chain(features)
    }
}
