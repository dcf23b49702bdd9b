//! What a path means in a module: the items, modules and other crates that it may lead to.
//!
//! Visibility, order and namespaces are left out: a name means everything that bears it. What an
//! item is digested with says what its names lead to, so that the same tokens with another meaning
//! have another digest.

use std::collections::{BTreeMap, BTreeSet};

use super::import::{Import, Path};
use super::item::Kind;
use super::known;
use super::plain::Plain;
use super::scan::scan;
use super::source::{Crate, ItemId, ModuleId, Name};
use super::token;

/// What a path may lead to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Module(ModuleId),
    /// An item, and what the path goes on with.
    Item(ItemId, Vec<String>),
    /// A path of another crate.
    External(Path),
}

/// Everything that a path may lead to.
#[derive(Default)]
pub struct Resolution {
    pub targets: BTreeSet<Target>,
    /// Modules that the path leads through: a macro called in one may have defined the name.
    pub entered: BTreeSet<ModuleId>,
    /// What the imports on the way depend on.
    pub conditions: Conditions,
    /// Whether an item or a module on the way may not be there.
    pub conditional: bool,
    /// Whether it may begin with a crate of which only its package knows the name.
    pub foreign: bool,
}

/// What decides whether imports hold: their attributes and, behind a glob, their visibility.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    pub texts: BTreeSet<String>,
    pub features: BTreeSet<String>,
}

impl Conditions {
    pub fn add(&mut self, import: &Import) {
        let attributes = &import.frame.attributes;
        if !attributes.is_empty() {
            self.texts.insert(token::text(attributes));
            self.features
                .extend(scan(attributes, &Plain::NONE).features);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    pub fn extend(&mut self, other: Conditions) {
        self.texts.extend(other.texts);
        self.features.extend(other.features);
    }
}

/// The scopes of all modules.
pub struct Scopes<'a> {
    pub krate: &'a Crate,
    /// Crates that paths may begin with, by the root's path.
    pub crates: &'a BTreeMap<String, BTreeSet<String>>,
}

impl Scopes<'_> {
    /// What `path` means in `module`; `local` are imports of the function around it.
    pub fn resolve(&self, module: ModuleId, path: &Path, local: &[Import]) -> Resolution {
        let mut search = Search {
            scopes: self,
            local,
            active: Vec::new(),
            found: Resolution::default(),
        };
        let targets = search.path(module, path);
        Resolution {
            targets,
            ..search.found
        }
    }

    /// A target's path from the crate's root, or from another crate's.
    pub fn canonical(&self, target: &Target) -> String {
        match target {
            Target::Module(module) => format!("mod {}", self.krate.module(*module).path),
            Target::Item(id, rest) => {
                let item = self.krate.item(*id);
                let module = &self.krate.module(item.module).path;
                let mut path = format!("{module}::{}", item.name);
                for segment in rest {
                    path += "::";
                    path += segment;
                }
                path
            }
            Target::External(path) => path.text(),
        }
    }
}

struct Search<'a> {
    scopes: &'a Scopes<'a>,
    local: &'a [Import],
    /// The imports that are being followed: none leads to itself.
    active: Vec<&'a Import>,
    found: Resolution,
}

impl<'a> Search<'a> {
    fn path(&mut self, module: ModuleId, path: &Path) -> BTreeSet<Target> {
        let Some((first, rest)) = path.segments.split_first() else {
            return BTreeSet::new();
        };
        let mut targets = match first.as_str() {
            _ if path.global => {
                // What follows `Vec::<u8>` looks like a path of one name.
                let qualifies = !rest.is_empty() || !self.active.is_empty();
                self.external(module, first, qualifies)
            }
            "crate" | "$crate" => self.root(module),
            "self" => BTreeSet::from([Target::Module(module)]),
            "super" => self.parent(module),
            _ => self.first(module, first, !rest.is_empty()),
        };
        for segment in rest {
            let mut next = BTreeSet::new();
            for target in targets {
                next.extend(self.below(target, segment));
            }
            targets = next;
        }
        targets
    }

    fn root(&self, module: ModuleId) -> BTreeSet<Target> {
        BTreeSet::from([Target::Module(self.scopes.krate.root(module))])
    }

    fn parent(&self, module: ModuleId) -> BTreeSet<Target> {
        let parent = self.scopes.krate.module(module).parent;
        parent.into_iter().map(Target::Module).collect()
    }

    /// A crate by its own name, or by that of an `extern crate`.
    ///
    /// Of another name it may still be a crate's, for a package may call its library as it likes;
    /// so it is where more follows or it is imported (`qualifies`).
    fn external(&mut self, module: ModuleId, name: &str, qualifies: bool) -> BTreeSet<Target> {
        let krate = self.scopes.krate;
        let root = krate.root(module);
        // No member depends on another.
        let members = (root == Crate::ROOT).then_some(&krate.members);
        let member = |name: &str| members?.get(name).copied().map(Target::Module);
        if let Some(root) = member(name) {
            return BTreeSet::from([root]);
        }
        let crates = &self.scopes.crates[&krate.module(root).path];
        let is_crate = |name: &str| crates.contains(name) || known::is_std(name);
        if is_crate(name) {
            return BTreeSet::from([Target::External(Path::parse(name))]);
        }
        match krate.extern_crates.get(name).map(Path::last) {
            Some("crate") => self.root(module),
            Some(other) if let Some(root) = member(other) => BTreeSet::from([root]),
            Some(other) if is_crate(other) => {
                BTreeSet::from([Target::External(Path::parse(other))])
            }
            _ => {
                self.found.foreign |= qualifies && known::may_be_library(name);
                BTreeSet::new()
            }
        }
    }

    /// The first segment: a name in scope, or a crate's unless a type or a module hides it.
    fn first(&mut self, module: ModuleId, name: &str, more: bool) -> BTreeSet<Target> {
        let mut targets = BTreeSet::new();
        for import in self.local {
            targets.extend(self.through(module, import, name));
        }
        let (meanings, hides) = self.declared(module, name);
        targets.extend(meanings);
        if !hides {
            let leads_out = targets.iter().any(|to| matches!(to, Target::External(_)));
            let qualifies = (more || !self.active.is_empty()) && !leads_out;
            targets.extend(self.external(module, name, qualifies));
        }
        targets
    }

    /// What `name` means in `module`, seen from within or from outside.
    fn name(&mut self, module: ModuleId, name: &str) -> BTreeSet<Target> {
        self.declared(module, name).0
    }

    /// What `name` means in `module`, and whether it certainly is no crate's there: for it is
    /// declared as a module or a type, without a condition. What a glob brings may depend on one
    /// (and what a block imports holds only there).
    fn declared(&mut self, module: ModuleId, name: &str) -> (BTreeSet<Target>, bool) {
        let krate = self.scopes.krate;
        let scope = krate.module(module);
        let (mut targets, mut hides) = (BTreeSet::new(), false);
        for meaning in scope.names.get(name).into_iter().flatten() {
            let (meanings, conditional) = match meaning {
                Name::Item(id) => {
                    let target = Target::Item(*id, Vec::new());
                    (BTreeSet::from([target]), krate.item(*id).conditional)
                }
                Name::Module(id) => {
                    let target = Target::Module(*id);
                    (BTreeSet::from([target]), krate.module(*id).conditional)
                }
                Name::Import(import) => {
                    let conditional = !import.frame.attributes.is_empty();
                    (self.through(module, import, name), conditional)
                }
            };
            self.found.conditional |= conditional;
            hides |= !conditional && meanings.iter().any(|target| self.hides(target));
            targets.extend(meanings);
        }
        for import in &scope.nameless {
            targets.extend(self.through(module, import, name));
        }
        (targets, hides)
    }

    fn hides(&self, target: &Target) -> bool {
        match target {
            Target::Module(_) => true,
            Target::Item(id, _) => {
                let kind = &self.scopes.krate.item(*id).kind;
                matches!(kind, Kind::Type { .. } | Kind::Alias | Kind::Trait)
            }
            // It may be a function.
            Target::External(_) => false,
        }
    }

    /// What `name` means by way of an import in `module`.
    fn through(&mut self, module: ModuleId, import: &'a Import, name: &str) -> BTreeSet<Target> {
        let is_glob = import.name.is_none();
        let fits = is_glob || import.name.as_deref() == Some(name);
        if !fits || self.is_active(import) {
            return BTreeSet::new();
        }
        self.active.push(import);
        let sources = self.path(module, &import.path);
        let targets = match is_glob {
            false => sources,
            true => sources
                .into_iter()
                .flat_map(|source| self.within(source, name))
                .collect(),
        };
        if !targets.is_empty() {
            self.found.conditions.add(import);
        }
        self.active.pop();
        targets
    }

    fn is_active(&self, import: &Import) -> bool {
        self.active
            .iter()
            .any(|active| std::ptr::eq(*active, import))
    }

    /// What a glob of `source` makes of a name. That of another crate is digested with the module
    /// (see `surroundings`).
    fn within(&mut self, source: Target, name: &str) -> BTreeSet<Target> {
        match source {
            Target::Module(module) => {
                self.found.entered.insert(module);
                let targets = self.name(module, name);
                if !targets.is_empty() {
                    self.note_visibility(module, name);
                }
                targets
            }
            Target::Item(id, rest) => match &self.scopes.krate.item(id).kind {
                Kind::Type { variants } if variants.contains(name) => {
                    BTreeSet::from([Target::Item(id, [rest, vec![name.to_owned()]].concat())])
                }
                _ => BTreeSet::new(),
            },
            Target::External(_) => BTreeSet::new(),
        }
    }

    /// What a glob takes along of an import depends on how visible that is.
    fn note_visibility(&mut self, module: ModuleId, name: &str) {
        let names = &self.scopes.krate.module(module).names;
        for meaning in names.get(name).into_iter().flatten() {
            if let Name::Import(import) = meaning {
                self.found
                    .conditions
                    .texts
                    .insert(import.frame.visibility.clone());
            }
        }
    }

    /// What `segment` means behind a target.
    fn below(&mut self, target: Target, segment: &str) -> BTreeSet<Target> {
        match target {
            Target::Module(module) => match segment {
                "self" => BTreeSet::from([Target::Module(module)]),
                "super" => self.parent(module),
                _ => {
                    self.found.entered.insert(module);
                    let mut targets = self.name(module, segment);
                    if targets.is_empty() {
                        targets = self.external_globs(module, segment);
                    }
                    targets
                }
            },
            Target::Item(id, mut rest) => {
                rest.push(segment.to_owned());
                BTreeSet::from([Target::Item(id, rest)])
            }
            // A macro such as `anyhow::anyhow` has nothing in it: the crate of its name is meant.
            // (`std::vec` is a module as well.)
            Target::External(path) if known::is_crate_macro(&path.text()) => BTreeSet::new(),
            Target::External(mut path) => {
                path.segments.push(segment.to_owned());
                BTreeSet::from([Target::External(path)])
            }
        }
    }

    /// Where a name may come from that a module has by way of another crate's glob.
    fn external_globs(&mut self, module: ModuleId, name: &str) -> BTreeSet<Target> {
        let mut targets = BTreeSet::new();
        for import in &self.scopes.krate.module(module).nameless {
            if import.name.is_some() || self.is_active(import) {
                continue;
            }
            self.active.push(import);
            for source in self.path(module, &import.path) {
                match source {
                    Target::Module(source) => targets.extend(self.external_globs(source, name)),
                    Target::External(mut path) => {
                        path.segments.extend(["*".to_owned(), name.to_owned()]);
                        targets.insert(Target::External(path));
                    }
                    Target::Item(..) => {}
                }
            }
            self.active.pop();
        }
        targets
    }
}
