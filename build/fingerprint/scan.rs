//! What tokens mention: paths, macros, names of any kind, and what lies outside of the code.
//!
//! Tokens that nobody has parsed, such as a macro's arguments, are read like any others: what looks
//! like a path counts as one. Too much is mentioned that way, never too little. Unaware of scopes.

use std::collections::BTreeSet;

use super::attribute;
use super::import::{Frame, Import, Path, imports};
use super::known;
use super::plain::Plain;
use super::token::{self, Delimiter, Token, lex, macro_arguments};

/// Where tokens stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Code,
    /// Arguments of a macro that takes them like a function: a text may capture names.
    Arguments,
    /// What a macro may put together with other tokens: a path may go on, a name may become a
    /// macro's.
    Spliced,
    /// An attribute: texts may hold code.
    Attribute,
    /// An attribute of which it is known which texts do not.
    KnownAttribute,
}

/// A path that tokens mention.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    pub path: Path,
    /// Whether it may go on in a way that cannot be seen, so that a module means all in it.
    pub open: bool,
}

/// All that tokens mention.
#[derive(Default)]
pub struct Mentions {
    pub paths: BTreeSet<Mention>,
    /// Macros that are called.
    pub macros: BTreeSet<Path>,
    /// Every name anywhere, those of methods and fields included.
    pub names: BTreeSet<String>,
    /// `use` within the tokens.
    pub imports: Vec<Import>,
    /// `macro_rules!` within the tokens.
    pub own_macros: BTreeSet<String>,
    pub features: BTreeSet<String>,
    pub environment: BTreeSet<String>,
    /// Files of `include_str!` and `include_bytes!`, as written.
    pub files: BTreeSet<String>,
    /// Files of `include!`, whose tokens belong here.
    pub sources: BTreeSet<String>,
    /// Whether the line or the column enters the code.
    pub knows_its_place: bool,
    /// What says something that only the compiler can know.
    pub unclear: Option<String>,
    /// Whether there is a module within the tokens, which has a scope of its own.
    pub has_module: bool,
}

/// All that `tokens` mention.
pub fn scan(tokens: &[Token], plain: &Plain) -> Mentions {
    let mut scan = Scan {
        plain,
        found: Mentions::default(),
    };
    scan.walk(tokens, Place::Code);
    scan.found
}

struct Scan<'a> {
    plain: &'a Plain,
    found: Mentions,
}

impl Scan<'_> {
    fn walk(&mut self, tokens: &[Token], place: Place) {
        let mut at = 0;
        while at < tokens.len() {
            at += self.step(&tokens[at..], place);
        }
    }

    /// Takes note of what `tokens` begin with; returns how many tokens that was.
    fn step(&mut self, tokens: &[Token], place: Place) -> usize {
        if let Some((length, inner)) = token::attribute(tokens) {
            match inner {
                _ if attribute::is_inert(inner, true) => {}
                _ if attribute::is_known(inner) => self.walk(inner, Place::KnownAttribute),
                _ => self.walk(inner, Place::Attribute),
            }
            return length;
        }
        match tokens {
            [key, bang, Token::Ident(name), Token::Group(_, rules), ..]
                if key.is("macro_rules") && bang.is("!") =>
            {
                self.found.own_macros.insert(name.clone());
                self.walk(rules, Place::Spliced);
                4
            }
            [key, Token::Group(Delimiter::Parenthesis, inner), ..]
                if key.is("pub") && is_visibility(inner) =>
            {
                2
            }
            [key, rest @ ..] if key.is("use") => 1 + self.import(rest),
            [key, Token::Ident(_), Token::Group(Delimiter::Brace, _), ..] if key.is("mod") => {
                self.found.has_module = true;
                1
            }
            [key, dollar, ..] if key.is("mod") && dollar.is("$") => {
                self.found.has_module = true;
                1
            }
            // A macro's variable; with `!`, any macro.
            [dollar, Token::Ident(name), bang, ..] if dollar.is("$") && bang.is("!") => {
                self.found.macros.insert(Path::parse(&format!("${name}")));
                3
            }
            [dollar, Token::Ident(_), ..] if dollar.is("$") => 2,
            [dot, Token::Ident(name), ..] if dot.is(".") => {
                self.found.names.insert(name.clone());
                2
            }
            [key, equals, literal @ Token::Literal(_), ..]
                if equals.is("=") && key.is("feature") =>
            {
                self.found.features.extend(literal.string());
                3
            }
            [Token::Ident(key), equals, Token::Literal(_), ..]
                if place == Place::KnownAttribute && equals.is("=") && attribute::is_text(key) =>
            {
                3
            }
            [literal @ Token::Literal(_), ..] => {
                match place {
                    Place::Code => {}
                    Place::Arguments | Place::Spliced => {
                        // The value, for `\u{57}` is a letter like any other.
                        self.captures(&literal.string().unwrap_or_default());
                    }
                    Place::Attribute | Place::KnownAttribute => {
                        let text = literal.string().unwrap_or_default();
                        self.walk(&lex(&text), Place::Spliced);
                    }
                }
                1
            }
            [Token::Group(_, inner), ..] => {
                self.walk(inner, place);
                1
            }
            _ => match Path::at(tokens) {
                Some((length, path)) => length + self.path(path, &tokens[length..], place),
                None => 1,
            },
        }
    }

    /// A path and what follows it; returns how many tokens of that belong to it.
    fn path(&mut self, path: Path, after: &[Token], place: Place) -> usize {
        self.found.names.extend(path.segments.iter().cloned());
        if let [single] = &path.segments[..]
            && known::is_keyword(single)
        {
            return 0;
        }
        if let Some((length, arguments)) = macro_arguments(after) {
            self.call(path, arguments);
            return length;
        }
        match after {
            // A `use` that a macro makes, or a list in a macro's own language.
            [colons, Token::Group(Delimiter::Brace, parts), ..] if colons.is("::") => {
                for part in token::by_comma(parts) {
                    let (length, mut inner) = Path::at(part).unwrap_or_default();
                    inner.global = path.global;
                    inner.segments.splice(0..0, path.segments.iter().cloned());
                    let used = self.path(inner, &part[length..], Place::Spliced);
                    self.walk(&part[length + used..], Place::Spliced);
                }
                self.mention(path, false);
                2
            }
            [colons, star, ..] if colons.is("::") && star.is("*") => {
                self.mention(path, true);
                2
            }
            // `crate::$name` in a macro.
            [colons, dollar, ..] if colons.is("::") && dollar.is("$") => {
                self.mention(path, true);
                0
            }
            // `self.x` is the value.
            [dot, ..] if dot.is(".") && path.text() == "self" => 0,
            _ => {
                self.mention(path, place == Place::Spliced);
                0
            }
        }
    }

    fn mention(&mut self, path: Path, open: bool) {
        self.found.paths.insert(Mention { path, open });
    }

    /// A `use` up to its semicolon; returns how many tokens that was. What is none, as `use<'a>`
    /// or in a macro, is read like anything else.
    fn import(&mut self, tokens: &[Token]) -> usize {
        let Some(end) = tokens.iter().position(|token| token.is(";")) else {
            return 0;
        };
        let Some(imports) = imports(&tokens[..end], &Frame::default()) else {
            return 0;
        };
        for import in imports {
            self.found
                .names
                .extend(import.path.segments.iter().cloned());
            self.mention(import.path.clone(), false);
            self.found.imports.push(import);
        }
        end
    }

    /// A macro with its arguments.
    fn call(&mut self, path: Path, arguments: &Token) {
        let Token::Group(_, inner) = arguments else {
            return;
        };
        let name = path.last().to_owned();
        let literal = match &inner[..] {
            [literal, ..] => literal.string(),
            [] => None,
        };
        let read = match name.as_str() {
            "include_str" | "include_bytes" => Some(&mut self.found.files),
            "include" => Some(&mut self.found.sources),
            "env" | "option_env" => Some(&mut self.found.environment),
            _ => None,
        };
        match (read, literal) {
            (Some(read), Some(text)) => drop(read.insert(text)),
            (Some(_), None) => {
                self.found.unclear = Some(format!("{name}! of something that is no literal"));
            }
            (None, _) => {}
        }
        match name.as_str() {
            "line" | "column" | "file" => self.found.knows_its_place = true,
            // They call this method of whatever they are given.
            "write" | "writeln" => {
                self.found.names.insert("write_fmt".to_owned());
            }
            _ => {}
        }
        let place = match self.plain.is_plain(&path) {
            true => Place::Arguments,
            false => Place::Spliced,
        };
        self.found.macros.insert(path);
        self.walk(inner, place);
    }

    /// The names within braces in a text, as `format!` takes them from around itself.
    fn captures(&mut self, text: &str) {
        for part in text.split('{').skip(1) {
            let inside = part.split('}').next().unwrap_or("");
            for name in inside.split(|c: char| !c.is_alphanumeric() && c != '_') {
                if name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                    self.found.names.insert(name.to_owned());
                    self.mention(Path::parse(name), false);
                }
            }
        }
    }
}

/// Whether parentheses behind `pub` are part of it: `(crate)`, `(in …)`.
fn is_visibility(inner: &[Token]) -> bool {
    match inner {
        [single] => single.is("crate") || single.is("self") || single.is("super"),
        [first, ..] => first.is("in"),
        [] => false,
    }
}
