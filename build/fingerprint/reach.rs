//! Which items a step reaches: those that its roots name, those that these name, and so on, with
//! all that acts on them without being named.
//!
//! Unnamed act: a trait's implementation, once its trait and its type are reached; a method, once
//! its type is and anything bears its name; a macro called in an item's place, once its module is
//! entered; and what any other attribute may have registered, always (`facts` refuses those that
//! are not the compiler's).

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::dormant::Audit;
use super::facts::{Code, Facts};
use super::import::Path;
use super::item::Kind;
use super::scope::Target;
use super::source::{Crate, ItemId, ModuleId, ROOT_FILE};
use super::surroundings::Surroundings;
use super::token;
use super::{Error, Listing, Reach};

/// The code with what is known of each item, found when it is first asked for.
pub struct Reaches<'a> {
    code: &'a Code<'a>,
    facts: Vec<OnceCell<Facts>>,
    dormant: Vec<Dormant>,
}

/// An item that may be reached without being named.
struct Dormant {
    id: ItemId,
    audit: Audit,
    /// For an `impl`: the types and traits that it is for.
    subjects: Option<BTreeSet<ItemId>>,
}

impl<'a> Reaches<'a> {
    pub fn new(code: &'a Code<'a>) -> Reaches<'a> {
        let krate = code.krate();
        let dormant = krate.item_ids().filter_map(|id| {
            let item = krate.item(id);
            // What a macro makes acts where it is called.
            if item.is_macro() {
                return None;
            }
            let audit = code.audit(item);
            let subjects = match item.header() {
                Some(header) => Some(code.subjects(item, header)?),
                None => None,
            };
            let acts = subjects.is_some() || audit.always || audit.opaque;
            acts.then_some(Dormant {
                id,
                audit,
                subjects,
            })
        });
        Reaches {
            code,
            dormant: dormant.collect(),
            facts: krate.items.iter().map(|_| OnceCell::new()).collect(),
        }
    }

    /// All that is reached from items named by their paths.
    ///
    /// # Errors
    /// If a path names no item, or something is reached that cannot be digested.
    pub fn from(&self, roots: &[&str]) -> Result<Reach, Error> {
        let mut walk = Walk {
            reaches: self,
            waiting: Vec::new(),
            reached: BTreeSet::new(),
            entered: BTreeSet::new(),
            inhabited: BTreeMap::new(),
            whole: BTreeSet::new(),
            names: BTreeSet::new(),
            reach: Reach::default(),
        };
        for root in roots {
            let path = Path::parse(&format!("crate::{root}"));
            let resolution = self.code.scopes.resolve(Crate::ROOT, &path, &[]);
            let items = resolution
                .targets
                .into_iter()
                .filter_map(|target| match target {
                    Target::Item(id, rest) if rest.is_empty() => Some(id),
                    _ => None,
                });
            let before = walk.waiting.len();
            walk.waiting.extend(items);
            if walk.waiting.len() == before {
                let message = format!("has no {root}, which the fingerprint starts from");
                return Err(Error::new(ROOT_FILE, &message));
            }
        }
        walk.run()?;
        Ok(walk.reach)
    }

    fn facts(&self, id: ItemId) -> &Facts {
        self.facts[id.0].get_or_init(|| self.code.facts(id))
    }
}

struct Walk<'a> {
    reaches: &'a Reaches<'a>,
    waiting: Vec<ItemId>,
    reached: BTreeSet<ItemId>,
    /// Modules that a path leads through, or a glob takes in.
    entered: BTreeSet<ModuleId>,
    /// Modules with a reached item, and whether one of them is code.
    inhabited: BTreeMap<ModuleId, bool>,
    /// Modules that are reached as a whole.
    whole: BTreeSet<ModuleId>,
    names: BTreeSet<&'a str>,
    reach: Reach,
}

impl<'a> Walk<'a> {
    /// Goes on until nothing is left that would be reached.
    fn run(&mut self) -> Result<(), Error> {
        loop {
            while let Some(id) = self.waiting.pop() {
                if self.reached.insert(id) {
                    self.visit(id)?;
                }
            }
            for dormant in &self.reaches.dormant {
                if !self.reached.contains(&dormant.id) && self.wakes(dormant) {
                    self.waiting.push(dormant.id);
                }
            }
            if self.waiting.is_empty() {
                return Ok(());
            }
        }
    }

    fn visit(&mut self, id: ItemId) -> Result<(), Error> {
        let krate = self.reaches.code.krate();
        let item = krate.item(id);
        let facts = self.reaches.facts(id);
        if let Some(unclear) = &facts.unclear {
            let message = format!(
                "{} has {unclear}, which the fingerprint cannot follow",
                item.name
            );
            return Err(Error::new(&item.file, &message));
        }
        self.listing(item.module).add(&item.name, &facts.digest);
        self.waiting.extend(&facts.items);
        for module in &facts.entered {
            self.enter(*module);
        }
        self.names.extend(facts.names.iter().map(String::as_str));
        self.reach.crates.extend(facts.crates.iter().cloned());
        self.surround(item.module, item.is_code());
        for module in &facts.whole_modules {
            self.take_whole(*module);
        }
        if facts.everything {
            self.waiting.extend(krate.item_ids());
        }
        Ok(())
    }

    fn listing(&mut self, module: ModuleId) -> &mut Listing {
        let path = &self.reaches.code.krate().module(module).path;
        self.reach.modules.entry(path.clone()).or_default()
    }

    /// Takes in what acts in a module of which an item is reached.
    fn surround(&mut self, module: ModuleId, code: bool) {
        let known = self.inhabited.get(&module);
        if known.is_some_and(|known| *known >= code) {
            return;
        }
        self.inhabited.insert(module, code);
        self.entered.insert(module);
        let surroundings = self.reaches.code.surroundings(module, code);
        self.take(module, surroundings);
    }

    /// A module that a path leads through: its own conditions are the path's.
    fn enter(&mut self, module: ModuleId) {
        if self.entered.insert(module) {
            self.take(module, self.reaches.code.conditions_of(module));
        }
    }

    /// A module of which any item may be meant, with the modules in it.
    fn take_whole(&mut self, module: ModuleId) {
        if !self.whole.insert(module) {
            return;
        }
        let krate = self.reaches.code.krate();
        let in_it = |id: &ItemId| krate.item(*id).module == module;
        self.waiting.extend(krate.item_ids().filter(in_it));
        let names = self.reaches.code.all_names(module);
        let below: Vec<ModuleId> = names.entered.iter().copied().collect();
        self.take(module, names);
        for module in below {
            self.take_whole(module);
        }
    }

    fn take(&mut self, module: ModuleId, surroundings: Surroundings) {
        for (name, digest) in &surroundings.entries {
            self.listing(module).note(name, digest);
        }
        self.waiting.extend(surroundings.items);
        self.reach.crates.extend(surroundings.crates);
        for module in surroundings.entered {
            self.enter(module);
        }
    }

    /// Whether what is reached so far makes an item act.
    fn wakes(&self, dormant: &Dormant) -> bool {
        let item = self.reaches.code.krate().item(dormant.id);
        let subjects = dormant.subjects.as_ref();
        let acts_on_them = subjects.is_some_and(|subjects| subjects.is_subset(&self.reached));
        let is_called = |ident: &String| self.names.contains(ident.as_str());
        dormant.audit.always
            || (acts_on_them && item.ident.as_ref().is_none_or(is_called))
            || (dormant.audit.opaque && self.may_act(dormant.id))
    }

    /// Whether an item whose names and `impl`s nobody knows may act on what is reached so far.
    fn may_act(&self, id: ItemId) -> bool {
        let krate = self.reaches.code.krate();
        let (item, facts) = (krate.item(id), self.reaches.facts(id));
        let is_subject = |id: &ItemId| match krate.item(*id).kind {
            Kind::Type { .. } | Kind::Trait => self.reached.contains(id),
            // It may stand for any type.
            Kind::Alias => true,
            _ => false,
        };
        self.entered.contains(&item.module)
            || facts.items.iter().any(is_subject)
            // A projection may stand for any type, and an unknown macro may put names together.
            || (matches!(item.kind, Kind::Opaque)
                && (facts.everything || facts.unknown || token::contains(&item.tokens, "as")))
    }
}
