//! The crate as modules and items: every file that `src/lib.rs` leads to, parsed, without what is
//! compiled for tests only. Packages that are followed (see `member`) are further roots, in which
//! `crate` means themselves.
//!
//! All variants behind `#[cfg]` are read, active or not: a result must not depend on where the
//! fingerprint was made. Which of them are active is digested for features alone:
//! `debug_assertions`, `--cfg` of one's own and the settings of a profile (`overflow-checks`,
//! `panic`) are in no digest, so a build that changes them for results must say so elsewhere.
//! Unaware of which names mean what.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::ToTokens;

use super::attribute;
use super::body::Bodies;
use super::clean::clean;
use super::import::{Frame, Import, Path, imports};
use super::item::{Item, Kind, items};
use super::member::Member;
use super::plain::Plain;
use super::token::{self, Token};
use super::{Error, Files};

/// Where a library begins.
pub const ROOT_FILE: &str = "src/lib.rs";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(pub usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub usize);

/// What a name stands for in the module that declares it.
#[derive(Clone, Debug)]
pub enum Name {
    Item(ItemId),
    Module(ModuleId),
    Import(Import),
}

pub struct Module {
    /// `nn::resnet`; the root is `crate`, and that of another package its crate's name.
    pub path: String,
    pub parent: Option<ModuleId>,
    /// Attributes of the module and of those around it that are not inert, features included.
    pub attributes: Vec<Token>,
    /// Whether its own attributes leave open that it is there.
    pub conditional: bool,
    /// Whether a macro is called in an item's place, which may declare any name.
    pub calls_macros: bool,
    /// Several variants of a name, and a type and a function of one name, stand side by side.
    pub names: BTreeMap<String, Vec<Name>>,
    /// Imports without a name: globs, and those as `_`.
    pub nameless: Vec<Import>,
}

/// The library's modules and items.
#[derive(Default)]
pub struct Crate {
    pub modules: Vec<Module>,
    pub items: Vec<Item>,
    /// `macro_rules!` by name, wherever they stand: their scope is textual.
    pub macros: BTreeMap<String, Vec<ItemId>>,
    /// The roots of packages that are followed, by the crate's name.
    pub members: BTreeMap<String, ModuleId>,
    /// What `extern crate` in the root makes known everywhere.
    pub extern_crates: BTreeMap<String, Path>,
}

impl Crate {
    /// The module of [`ROOT_FILE`].
    pub const ROOT: ModuleId = ModuleId(0);

    /// Reads the crate from its root on, and these from theirs.
    pub fn read(files: &dyn Files, members: &BTreeMap<String, Member>) -> Result<Crate, Error> {
        let mut reader = Reader {
            files,
            krate: Crate::default(),
        };
        let root = reader.module(None, "crate", Vec::new());
        reader.file(root, ROOT_FILE, parent_folder(ROOT_FILE))?;
        for (name, member) in members {
            let meanings = reader.krate.module(Crate::ROOT).names.get(name);
            let mut meanings = meanings.into_iter().flatten();
            if meanings.any(|meaning| !matches!(meaning, Name::Import(_))) {
                let message = format!("has something of its own by the name of the crate {name}");
                return Err(Error::new(ROOT_FILE, &message));
            }
            let root = reader.module(None, name, Vec::new());
            reader.krate.members.insert(name.clone(), root);
            let file = member.root_file();
            reader.file(root, &file, parent_folder(&file))?;
        }
        Ok(reader.krate)
    }

    /// The root of a module's crate.
    pub fn root(&self, mut module: ModuleId) -> ModuleId {
        while let Some(parent) = self.module(module).parent {
            module = parent;
        }
        module
    }

    pub fn module(&self, id: ModuleId) -> &Module {
        &self.modules[id.0]
    }

    pub fn item(&self, id: ItemId) -> &Item {
        &self.items[id.0]
    }

    pub fn item_ids(&self) -> impl Iterator<Item = ItemId> + use<> {
        (0..self.items.len()).map(ItemId)
    }
}

/// Where items stand.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: &'a str,
    bodies: &'a Bodies,
    /// Where the files of child modules lie.
    folder: &'a str,
    /// Whether in `mod x { … }`.
    inline: bool,
}

struct Reader<'a> {
    files: &'a dyn Files,
    krate: Crate,
}

impl Reader<'_> {
    fn module(&mut self, parent: Option<ModuleId>, name: &str, attributes: Vec<Token>) -> ModuleId {
        let path = match parent {
            None | Some(Crate::ROOT) => name.to_owned(),
            Some(parent) => format!("{}::{name}", self.krate.module(parent).path),
        };
        let id = ModuleId(self.krate.modules.len());
        self.krate.modules.push(Module {
            path,
            parent,
            attributes,
            conditional: false,
            calls_macros: false,
            names: BTreeMap::new(),
            nameless: Vec::new(),
        });
        if let Some(parent) = parent {
            self.name(parent, name, Name::Module(id));
        }
        id
    }

    fn condition(&mut self, module: ModuleId, attributes: &[Token]) {
        self.krate.modules[module.0].conditional |= attribute::is_conditional(attributes);
    }

    fn name(&mut self, module: ModuleId, name: &str, meaning: Name) {
        let names = &mut self.krate.modules[module.0].names;
        names.entry(name.to_owned()).or_default().push(meaning);
    }

    /// Reads a module's file; those of its child modules lie in `folder`.
    fn file(&mut self, module: ModuleId, path: &str, folder: &str) -> Result<(), Error> {
        let bytes = self.files.read(path);
        let bytes = bytes.ok_or_else(|| Error::new(path, "cannot be read"))?;
        let text = String::from_utf8(bytes).map_err(|_| Error::new(path, "is no UTF-8"))?;
        let stream = text.parse::<TokenStream>();
        let stream = stream.map_err(|error| Error::new(path, &error.to_string()))?;
        let mut bodies = Bodies::default();
        let parsed = syn::parse2::<syn::File>(bodies.put_aside(stream));
        let parsed = parsed.map_err(|error| Error::new(path, &error.to_string()))?;
        let attributes = kept(&parsed.attrs);
        self.condition(module, &attributes);
        self.krate.modules[module.0].attributes.extend(attributes);
        let place = Place {
            file: path,
            bodies: &bodies,
            folder,
            inline: false,
        };
        self.contents(module, parsed.items, place)
    }

    fn contents(
        &mut self,
        module: ModuleId,
        contents: Vec<syn::Item>,
        place: Place,
    ) -> Result<(), Error> {
        for item in contents {
            if attribute::is_test_only(attribute::of_item(&item)) {
                continue;
            }
            match item {
                syn::Item::Mod(child) => self.child(module, child, place)?,
                syn::Item::Use(import) => self.imports(module, &import),
                syn::Item::ExternCrate(import) => self.extern_crate(module, &import, place)?,
                syn::Item::Macro(call) if is_include(&call.mac) => {
                    self.include(module, call, place)?
                }
                item => self.items(module, place, item),
            }
        }
        Ok(())
    }

    /// `mod x;` and `mod x { … }`.
    fn child(&mut self, parent: ModuleId, child: syn::ItemMod, place: Place) -> Result<(), Error> {
        let name = &token::name(&child.ident);
        let Place {
            file,
            folder,
            inline,
            ..
        } = place;
        let attributes = kept(&child.attrs);
        let mut audit = attribute::Attributes::default();
        audit.add_all(&attributes);
        // What may rename or rewrite a module cannot be followed.
        if let Some(other) = audit.others.first() {
            let message = format!(
                "mod {name} has the attribute {other}, which the fingerprint cannot follow"
            );
            return Err(Error::new(file, &message));
        }
        let elsewhere = path_attribute(file, &child)?;
        let inherited = [&self.krate.module(parent).attributes[..], &attributes].concat();
        if let Some((_, items)) = child.content {
            let folder = join(folder, elsewhere.as_deref().unwrap_or(name));
            let id = self.module(Some(parent), name, inherited);
            self.condition(id, &attributes);
            let place = Place {
                folder: &folder,
                inline: true,
                ..place
            };
            return self.contents(id, items, place);
        }
        let (path, folder) = match elsewhere {
            // Relative to the file's own folder, or within an inline module to that module's.
            Some(elsewhere) => {
                let folder = if inline { folder } else { parent_folder(file) };
                let path = join(folder, &elsewhere);
                let folder = parent_folder(&path).to_owned();
                (path, folder)
            }
            None => {
                let plain = format!("{}.rs", join(folder, name));
                let nested = join(folder, &format!("{name}/mod.rs"));
                let is_plain = self.files.read(&plain).is_some();
                (if is_plain { plain } else { nested }, join(folder, name))
            }
        };
        let id = self.module(Some(parent), name, inherited);
        self.condition(id, &attributes);
        self.file(id, &path, &folder)
    }

    fn imports(&mut self, module: ModuleId, import: &syn::ItemUse) {
        let frame = frame(&import.vis, &import.attrs);
        let mut tree = token::tokens(import.tree.to_token_stream());
        if import.leading_colon.is_some() {
            tree.insert(0, Token::Punct("::"));
        }
        let imports = imports(&tree, &frame).expect("syn has parsed the tree");
        for import in imports {
            self.import(module, import);
        }
    }

    fn extern_crate(
        &mut self,
        module: ModuleId,
        import: &syn::ItemExternCrate,
        place: Place,
    ) -> Result<(), Error> {
        // Of another package's names only one set is known everywhere.
        if self.krate.root(module) != Crate::ROOT {
            let message = format!(
                "has extern crate {}, which the fingerprint follows only in {ROOT_FILE}",
                import.ident
            );
            return Err(Error::new(place.file, &message));
        }
        // Any name may be one of its macros.
        let attributes = kept(&import.attrs);
        if token::contains(&attributes, "macro_use") {
            let message = format!(
                "extern crate {} has the attribute macro_use, which the fingerprint cannot follow",
                import.ident
            );
            return Err(Error::new(place.file, &message));
        }
        let renamed = import.rename.as_ref();
        let name = token::name(renamed.map_or(&import.ident, |(_, name)| name));
        let path = match token::name(&import.ident).as_str() {
            "self" => Path::parse("crate"),
            other => Path {
                global: true,
                ..Path::parse(other)
            },
        };
        if module == Crate::ROOT {
            self.krate.extern_crates.insert(name.clone(), path.clone());
        }
        let frame = frame(&import.vis, &import.attrs);
        let name = Some(name);
        self.import(module, Import { name, path, frame });
        Ok(())
    }

    fn import(&mut self, module: ModuleId, import: Import) {
        match import.name.clone() {
            Some(name) if name != "_" => self.name(module, &name, Name::Import(import)),
            _ => self.krate.modules[module.0].nameless.push(import),
        }
    }

    /// `include!` of a file with items. One without a literal, or under a condition, is an item
    /// that nothing names.
    fn include(
        &mut self,
        module: ModuleId,
        call: syn::ItemMacro,
        place: Place,
    ) -> Result<(), Error> {
        match call.mac.parse_body::<syn::LitStr>() {
            Ok(literal) if kept(&call.attrs).is_empty() => {
                let path = join(parent_folder(place.file), &literal.value());
                self.file(module, &path, place.folder)
            }
            _ => {
                self.items(module, place, syn::Item::Macro(call));
                Ok(())
            }
        }
    }

    fn items(&mut self, module: ModuleId, place: Place, item: syn::Item) {
        for item in items(module, place.file, place.bodies, item) {
            let id = ItemId(self.krate.items.len());
            self.krate.modules[module.0].calls_macros |= matches!(item.kind, Kind::Opaque);
            if let Some(ident) = item.ident.clone().filter(|_| item.header().is_none()) {
                self.name(module, &ident, Name::Item(id));
                if item.is_macro() {
                    // Where `#[macro_export]` puts it.
                    let root = self.krate.root(module);
                    if module != root {
                        self.name(root, &ident, Name::Item(id));
                    }
                    self.krate.macros.entry(ident).or_default().push(id);
                }
            }
            self.krate.items.push(item);
        }
    }
}

fn is_include(call: &syn::Macro) -> bool {
    let last = call.path.segments.last();
    last.is_some_and(|last| last.ident == "include")
}

fn frame(visibility: &syn::Visibility, attributes: &[syn::Attribute]) -> Frame {
    Frame {
        visibility: token::text(&token::tokens(visibility.to_token_stream())),
        attributes: kept(attributes),
    }
}

/// The attributes that can matter, as tokens.
fn kept(attributes: &[syn::Attribute]) -> Vec<Token> {
    let mut all = Vec::new();
    for attribute in attributes {
        all.extend(token::tokens(attribute.to_token_stream()));
    }
    clean(&all, false, &Plain::NONE)
}

/// The value of `#[path = "…"]`.
fn path_attribute(file: &str, module: &syn::ItemMod) -> Result<Option<String>, Error> {
    for attribute in &module.attrs {
        let inner = attribute::inner(attribute);
        let conditional = attribute.path().is_ident("cfg_attr") && token::contains(&inner, "path");
        if conditional {
            let message = format!(
                "mod {} has a path that depends on a condition, which the fingerprint cannot follow",
                module.ident
            );
            return Err(Error::new(file, &message));
        }
        if let [path, _, literal] = &inner[..]
            && path.is("path")
        {
            return Ok(literal.string());
        }
    }
    Ok(None)
}

/// The folder of a file, without a slash at its end.
pub fn parent_folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path relative to a folder, with `.` and `..` resolved.
pub fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}
