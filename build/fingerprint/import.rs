//! What `use` brings into scope: one import per name, or a glob.
//!
//! Unaware of what paths lead to.

use super::token::{Delimiter, Token, by_comma};

/// A path as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// Whether it begins with `::`, which only a crate's name can follow.
    pub global: bool,
    pub segments: Vec<String>,
}

impl Path {
    /// The path of a text such as `steps::train::run`.
    pub fn parse(text: &str) -> Path {
        Path {
            global: false,
            segments: text.split("::").map(str::to_owned).collect(),
        }
    }

    pub fn text(&self) -> String {
        let global = if self.global { "::" } else { "" };
        format!("{global}{}", self.segments.join("::"))
    }

    pub fn last(&self) -> &str {
        self.segments.last().map_or("", String::as_str)
    }

    /// The path at the start of `tokens`, and how many of them it takes.
    pub fn at(tokens: &[Token]) -> Option<(usize, Path)> {
        let mut path = Path::default();
        let mut length = 0;
        if tokens.first()?.is("::") {
            path.global = true;
            length = 1;
        }
        let Some(Token::Ident(first)) = tokens.get(length) else {
            return None;
        };
        path.segments.push(first.clone());
        length += 1;
        while let [colons, Token::Ident(next), ..] = &tokens[length..]
            && colons.is("::")
        {
            path.segments.push(next.clone());
            length += 2;
        }
        Some((length, path))
    }
}

/// One name, or all names, that a `use` brings into scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The name in this scope; `_` for none; absent for a glob.
    pub name: Option<String>,
    pub path: Path,
    pub frame: Frame,
}

/// What stands around a `use`, and decides whether and for whom it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// As written: it decides whether a glob of the module takes the name along.
    pub visibility: String,
    /// Attributes that are not inert: conditions.
    pub attributes: Vec<Token>,
}

/// The imports of a `use`'s tree (what stands between `use` and `;`), or `None` if it is none, as
/// may be in a macro.
pub fn imports(tree: &[Token], frame: &Frame) -> Option<Vec<Import>> {
    let mut imports = Vec::new();
    collect(&Path::default(), tree, frame, &mut imports)?;
    Some(imports)
}

fn collect(prefix: &Path, tree: &[Token], frame: &Frame, imports: &mut Vec<Import>) -> Option<()> {
    let (length, mut path) = Path::at(tree).unwrap_or_default();
    path.global |= prefix.global;
    path.segments.splice(0..0, prefix.segments.iter().cloned());
    let mut import = |name: Option<&str>, path: Path| {
        imports.push(Import {
            name: name.map(str::to_owned),
            path,
            frame: frame.clone(),
        });
    };
    // `a::{self as b}` means a itself.
    let itself = |mut path: Path| {
        if path.segments.len() > 1 {
            path.segments.pop_if(|last| last == "self");
        }
        path
    };
    match &tree[length..] {
        [] if length > 0 => {
            let path = itself(path);
            let name = path.last().to_owned();
            import(Some(&name), path);
        }
        [keyword, Token::Ident(name)] if keyword.is("as") => import(Some(name), itself(path)),
        [star] if star.is("*") => import(None, path),
        [colons, star] if colons.is("::") && star.is("*") => import(None, path),
        [.., Token::Group(Delimiter::Brace, parts)] if tree.len() - length <= 2 => {
            for part in by_comma(parts) {
                collect(&path, part, frame, imports)?;
            }
        }
        _ => return None,
    }
    Some(())
}
