//! All that is known about an item without regard to who reaches it: its digest, and what it
//! reaches in turn.
//!
//! The digest covers the item's tokens and everything that gives them their meaning from outside:
//! where their paths lead, what the macros that they call mention, the files and variables that
//! the compiler reads into them, and whether the features are on that they name. Unaware of steps.

use std::collections::BTreeSet;

use super::attribute::Attributes;
use super::clean::clean;
use super::import::{Import, Path};
use super::item::{Item, Kind};
use super::known;
use super::plain::Plain;
use super::scan::{Mention, Mentions, scan};
use super::scope::{Scopes, Target};
use super::source::{Crate, ItemId, ModuleId, join, parent_folder};
use super::token::{self, lex};
use super::{Files, Settings};

#[derive(Default)]
pub struct Facts {
    pub digest: String,
    pub items: BTreeSet<ItemId>,
    /// Modules of which any item may be meant.
    pub whole_modules: BTreeSet<ModuleId>,
    /// Modules in which a macro may have defined what is meant.
    pub entered: BTreeSet<ModuleId>,
    /// Every name in it, those of the methods that it calls included.
    pub names: BTreeSet<String>,
    pub crates: BTreeSet<String>,
    /// Whether it may reach anything at all.
    pub everything: bool,
    /// Whether a macro of which nothing is known may make anything of it.
    pub unknown: bool,
    /// Why it cannot be digested, if so.
    pub unclear: Option<String>,
}

/// The code with all that gives it a meaning.
pub struct Code<'a> {
    pub scopes: Scopes<'a>,
    pub files: &'a dyn Files,
    pub settings: &'a Settings<'a>,
    pub plain: Plain,
    /// Crates that paths may begin with by other names (see `foreign`).
    pub nameless: BTreeSet<String>,
}

impl Code<'_> {
    pub fn krate(&self) -> &Crate {
        self.scopes.krate
    }

    /// The item's digest, and what it reaches.
    pub fn facts(&self, id: ItemId) -> Facts {
        let item = self.krate().item(id);
        let tokens = clean(&item.tokens, self.audit(item).docs, &self.plain);
        let mentions = scan(&tokens, &self.plain);
        let mut study = Study {
            code: self,
            item,
            imports: item.imports.clone(),
            own_macros: mentions.own_macros.clone(),
            expanded: BTreeSet::new(),
            any_macro: false,
            external: BTreeSet::new(),
            lines: BTreeSet::new(),
            facts: Facts::default(),
        };
        study.add(mentions, &item.file);
        study.attributes(&item.attributes);
        study.handed_macros();
        study.local_scope();
        // Modules of one path under different conditions share a listing.
        let conditions = self.module_conditions(item.module);
        let conditions = conditions.into_iter().map(|line| format!("module {line}"));
        study.lines.extend(conditions);
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"fig6 item 1\n");
        token::hash(&tokens, &mut hasher);
        for line in &study.lines {
            hasher.update(line.as_bytes()).update(b"\n");
        }
        study.facts.digest = hasher.finalize().to_hex().to_string();
        study.facts
    }

    /// The crate that a path begins with, if it is not the compiler's.
    pub fn crate_of(&self, path: &Path) -> Option<String> {
        let is_crate = |name: &&String| {
            let mut crates = self.scopes.crates.values();
            crates.any(|crates| crates.contains(*name))
        };
        path.segments.first().filter(is_crate).cloned()
    }

    /// The state of features, but for those that stand for a backend.
    pub fn features(&self, names: &BTreeSet<String>) -> Vec<String> {
        let Settings {
            features,
            backend_features,
            ..
        } = self.settings;
        let counts = |name: &&String| !backend_features.contains(&name.as_str());
        let line = |name: &String| format!("feature {name} = {}", features.contains(name));
        names.iter().filter(counts).map(line).collect()
    }
}

/// The way to an item's facts.
pub struct Study<'a> {
    pub code: &'a Code<'a>,
    pub item: &'a Item,
    /// Those within the item, in the function around it, and in macros that it calls.
    pub imports: Vec<Import>,
    pub own_macros: BTreeSet<String>,
    /// Macros whose mentions are the item's already.
    pub expanded: BTreeSet<ItemId>,
    /// Whether it calls a macro by a name that a macro is given.
    pub any_macro: bool,
    /// What it mentions of other crates.
    pub external: BTreeSet<Path>,
    /// What the digest covers beside the tokens.
    pub lines: BTreeSet<String>,
    pub facts: Facts,
}

impl Study<'_> {
    /// Takes in what the item mentions, or a macro that it calls: a macro's paths are resolved
    /// here as well, where they may mean something else than where the macro stands.
    ///
    /// `file` is where they are read from.
    pub fn add(&mut self, mentions: Mentions, file: &str) {
        for import in &mentions.imports {
            if !self.imports.contains(import) {
                self.imports.push(import.clone());
            }
        }
        self.lines.extend(self.code.features(&mentions.features));
        for mention in &mentions.paths {
            self.path(mention);
        }
        for path in &mentions.macros {
            self.call(path, file);
        }
        let root = self.code.krate().root(self.item.module);
        for name in &mentions.environment {
            // Cargo gives each package values of its own, and tells only ours.
            if root != Crate::ROOT && name.starts_with("CARGO_") {
                self.facts.unclear = Some(format!("the variable {name} of another package"));
            }
            let value = (self.code.settings.environment)(name);
            self.lines.insert(format!("variable {name} = {value:?}"));
        }
        self.facts.everything |= mentions.has_module;
        // A macro reads files, and has a place, where it is called.
        if !self.item.is_macro() {
            self.files(&mentions, file);
        }
        self.facts.unclear = self.facts.unclear.take().or(mentions.unclear);
        self.facts.names.extend(mentions.names);
    }

    fn path(&mut self, mention: &Mention) {
        let path = &mention.path;
        // What a macro in an item's place imports may be used all over its module.
        let open = mention.open || matches!(self.item.kind, Kind::Opaque);
        let resolution = self
            .code
            .scopes
            .resolve(self.item.module, path, &self.imports);
        self.facts.entered.extend(&resolution.entered);
        self.foreign(resolution.foreign);
        // A type of one's own by that name has a meaning here.
        self.place(resolution.targets.is_empty() && known::locates(path));
        let mut meanings = Vec::new();
        for target in &resolution.targets {
            match target {
                Target::Item(id, _) => drop(self.facts.items.insert(*id)),
                Target::Module(id) if open => drop(self.facts.whole_modules.insert(*id)),
                Target::Module(_) => {}
                // The name of a crate by itself is most likely that of a variable.
                Target::External(path) if path.segments.len() == 1 && !open => continue,
                Target::External(path) => {
                    self.place(known::locates(path));
                    self.external.insert(path.clone());
                    self.facts.crates.extend(self.code.crate_of(path));
                }
            }
            meanings.push(self.code.scopes.canonical(target));
        }
        if !meanings.is_empty() {
            let path = path.text();
            self.lines
                .insert(format!("{path} = {}", meanings.join(" | ")));
            let conditions = self.code.conditions(&resolution.conditions);
            self.lines
                .extend(conditions.map(|condition| format!("{path} {condition}")));
        }
    }

    /// The content of what the compiler reads into the item.
    fn files(&mut self, mentions: &Mentions, file: &str) {
        let folder = parent_folder(file);
        if mentions.knows_its_place {
            self.file(file);
        }
        for path in &mentions.files {
            self.file(&join(folder, path));
        }
        for path in &mentions.sources {
            let path = join(folder, path);
            if let Some(content) = self.file(&path) {
                let tokens = lex(&String::from_utf8_lossy(&content));
                self.add(scan(&tokens, &self.code.plain), &path);
                let mut attributes = Attributes::default();
                attributes.add_all(&tokens);
                self.attributes(&attributes);
            }
        }
    }

    /// Takes all of the source, if what the item does depends on where something stands.
    pub fn place(&mut self, depends: bool) {
        if depends {
            let items = self.code.krate().items.iter();
            let files: BTreeSet<&str> = items.map(|item| item.file.as_str()).collect();
            files.into_iter().for_each(|file| drop(self.file(file)));
        }
    }

    /// Takes all crates that a name which nothing explains may mean.
    fn foreign(&mut self, foreign: bool) {
        if foreign {
            self.facts.crates.extend(self.code.nameless.iter().cloned());
        }
    }

    fn file(&mut self, path: &str) -> Option<Vec<u8>> {
        let content = self.code.files.read(path);
        match &content {
            Some(content) => {
                let digest = blake3::hash(content).to_hex();
                self.lines.insert(format!("file {path} = {digest}"));
            }
            None => self.facts.unclear = Some(format!("the file {path}, which cannot be read")),
        }
        content
    }

    /// What a `use` within the item brings into scope without its being named.
    fn local_scope(&mut self) {
        let scope = self.code.scopes.in_imports(self.item.module, &self.imports);
        let lines = [self.code.traits(&scope), self.code.globs(&scope)].concat();
        self.lines
            .extend(lines.into_iter().map(|line| format!("in scope {line}")));
        let external = scope.external_traits.union(&scope.external_globs);
        self.facts
            .crates
            .extend(external.filter_map(|path| self.code.crate_of(path)));
        self.foreign(scope.foreign);
        self.facts.items.extend(scope.traits);
        self.facts.entered.extend(&scope.modules | &scope.entered);
    }
}
