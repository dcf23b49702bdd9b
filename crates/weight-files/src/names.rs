//! Where the tensors of the nets are, by name: fig6's own names and those that other code gives
//! to the same nets. A scheme is one entry of [`SCHEMES`].
//!
//! Unaware of files and of names in no scheme (see `structure`).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use nn::architecture::{Architecture, FILTERS, MAX_N, NAMES, Names, Shortcut};
use nn::weights::State;

/// The shortcuts without weights: files that differ in them are the same.
const WEIGHTLESS: &[Shortcut] = &[
    Shortcut::None,
    Shortcut::Zeropad,
    Shortcut::ZeropadBothSides,
    Shortcut::ZeropadMaxpool,
];

/// What is known of a tensor before it is read.
pub struct Seen<'a> {
    pub shape: &'a [usize],
    /// Where its name stands among the file's, if the file keeps an order.
    pub rank: Option<usize>,
}

/// A file's tensors by their names in it.
pub type Listing<'a> = BTreeMap<&'a str, Seen<'a>>;

/// Which of a file's tensors is which of a net's.
pub struct Mapping {
    pub n: u32,
    /// The shortcuts that the tensors allow.
    pub shortcuts: Vec<Shortcut>,
    /// Those of them that the code with these names has.
    pub usual: Vec<Shortcut>,
    /// For people: whose names they are.
    pub scheme: &'static str,
    /// The scheme's [`Scheme::id`]; nothing where none has these names.
    pub id: &'static str,
    /// The names in the file by fig6's names.
    pub names: BTreeMap<String, String>,
}

/// How one code base names the layers.
pub struct Scheme {
    /// What a person calls it by (`torchvision`); nothing for one that is only read.
    pub id: &'static str,
    /// What it is called in a sentence.
    pub name: &'static str,
    pub layers: Names,
    /// What the code can do where there is no projection.
    otherwise: &'static [Shortcut],
}

/// fig6's own names.
const OWN: Scheme = Scheme {
    id: "fig6",
    name: "fig6's names",
    layers: NAMES,
    otherwise: WEIGHTLESS,
};

/// The names in use; the first that fits is taken.
pub const SCHEMES: [Scheme; 5] = [
    OWN,
    Scheme {
        id: "torchvision",
        name: "torchvision's names",
        layers: Names {
            projection: Some(["downsample.0", "downsample.1"]),
            ..NAMES
        },
        ..OWN
    },
    Scheme {
        // Its option A pads on both sides.
        id: "akamaster",
        name: "akamaster's names",
        layers: Names {
            projection: Some(["shortcut.0", "shortcut.1"]),
            linear: "linear",
            ..NAMES
        },
        otherwise: &[Shortcut::ZeropadBothSides],
    },
    Scheme {
        id: "",
        name: "names between torchvision's and akamaster's",
        layers: Names {
            projection: Some(["shortcut.0", "shortcut.1"]),
            ..NAMES
        },
        ..OWN
    },
    Scheme {
        // The same for its plain nets.
        id: "a-martyn",
        name: "a-martyn's names",
        layers: Names {
            stem: ["convIn", "bnIn"],
            block: |stage, index| match (stage, index) {
                (0, _) => format!("stack1.{index}"),
                (_, 0) => format!("stack{}a", stage + 1),
                _ => format!("stack{}b.{}", stage + 1, index - 1),
            },
            projection: None,
            linear: "fcOut",
        },
        otherwise: &[Shortcut::None, Shortcut::Zeropad],
    },
];

impl Scheme {
    /// The schemes that weights can be written in.
    pub fn all() -> impl Iterator<Item = &'static Scheme> {
        SCHEMES.iter().filter(|scheme| !scheme.id.is_empty())
    }

    /// A net's tensors under the scheme's names.
    ///
    /// # Errors
    /// If the scheme has no names for projections and the net has some, or a tensor is missing.
    pub fn rename(&self, architecture: &Architecture, state: &State) -> Result<State> {
        ensure!(
            !architecture.projects() || self.layers.projection.is_some(),
            "{} have none for the convolutions of learned shortcuts: choose others",
            self.name
        );
        self.tensors(architecture)
            .map(|(own, name, _)| {
                let tensor = state.get(&own);
                let tensor = tensor.with_context(|| format!("tensor {own} is missing"))?;
                Ok((name, tensor.clone()))
            })
            .collect()
    }

    /// Whether the scheme's own code gives nets with this shortcut.
    pub fn has(&self, shortcut: Shortcut) -> bool {
        match shortcut {
            Shortcut::Conv1x1Proj => self.layers.projection.is_some(),
            other => self.otherwise.contains(&other),
        }
    }

    /// Every tensor of a net: fig6's name, the scheme's name and the shape.
    pub fn tensors(
        &self,
        architecture: &Architecture,
    ) -> impl Iterator<Item = (String, String, Vec<usize>)> {
        let own = architecture.tensors(&NAMES);
        own.zip(architecture.tensors(&self.layers))
            .map(|((own, shape), (name, _))| (own, name, shape))
    }

    /// Tries the scheme on a file's tensors.
    fn fit(&self, seen: &Listing) -> Fit {
        let has = |name: &str| seen.keys().any(|key| key.starts_with(name));
        let n = (0..MAX_N)
            .take_while(|&index| {
                (0..FILTERS.len()).any(|stage| {
                    let block = (self.layers.block)(stage, index);
                    seen.range(format!("{block}.").as_str()..)
                        .next()
                        .is_some_and(|(key, _)| key.starts_with(&format!("{block}.")))
                })
            })
            .count() as u32;
        let projections = self.layers.projection.is_some_and(|[conv, _]| {
            (1..FILTERS.len())
                .any(|stage| has(&format!("{}.{conv}.", (self.layers.block)(stage, 0))))
        });
        let mut fit = Fit {
            mapping: Mapping {
                n,
                shortcuts: any_shortcut(projections),
                usual: shortcuts(projections, self.otherwise),
                scheme: self.name,
                id: self.id,
                names: BTreeMap::new(),
            },
            expected: 0,
            differences: Vec::new(),
        };
        let mut used = Vec::new();
        for (own, name, shape) in self.tensors(&with_projections(n, projections)) {
            fit.expected += 1;
            match seen.get(name.as_str()) {
                None => fit.differences.push(format!("{name} is missing")),
                Some(tensor) => {
                    if tensor.shape != shape {
                        let shapes = format!("{:?}, not {shape:?}", tensor.shape);
                        fit.differences.push(format!("{name} has shape {shapes}"));
                    }
                    used.push(name.clone());
                    fit.mapping.names.insert(own, name);
                }
            }
        }
        used.sort_unstable();
        let left_over = seen.keys().filter(|key| {
            let key: &str = key;
            used.binary_search_by(|name| name.as_str().cmp(key))
                .is_err()
        });
        fit.differences
            .extend(left_over.map(|name| format!("{name}{LEFT_OVER}")));
        fit
    }
}

/// What is said after the name of a tensor that the net does not have.
const LEFT_OVER: &str = " is left over";

/// How well a scheme fits a file's tensors.
struct Fit {
    mapping: Mapping,
    /// Tensors of the net.
    expected: usize,
    differences: Vec<String>,
}

/// Why no scheme fits.
pub enum Unfit {
    /// The names are in none.
    Unknown,
    /// They are those of one, but not of one net.
    Differs {
        /// What differs, for people.
        why: String,
        /// Whether some of the names are in no scheme.
        renamed: bool,
    },
}

/// A net with or without projections, as far as its tensors tell.
pub fn with_projections(n: u32, projections: bool) -> Architecture {
    let shortcut = match projections {
        true => Shortcut::Conv1x1Proj,
        false => Shortcut::None,
    };
    Architecture { n, shortcut }
}

/// The shortcuts of a net with or without projections.
fn shortcuts(projections: bool, otherwise: &[Shortcut]) -> Vec<Shortcut> {
    match projections {
        true => vec![Shortcut::Conv1x1Proj],
        false => otherwise.to_vec(),
    }
}

/// The shortcuts of a net of which only the tensors are known.
pub fn any_shortcut(projections: bool) -> Vec<Shortcut> {
    shortcuts(projections, WEIGHTLESS)
}

/// The scheme that fits.
///
/// # Errors
/// If none does.
pub fn known(seen: &Listing) -> Result<Mapping, Unfit> {
    let mut best: Option<Fit> = None;
    for scheme in &SCHEMES {
        let fit = scheme.fit(seen);
        if fit.mapping.n > 0 && fit.differences.is_empty() {
            return Ok(fit.mapping);
        }
        let found = |fit: &Fit| (fit.mapping.names.len(), usize::MAX - fit.differences.len());
        if best.as_ref().is_none_or(|best| found(&fit) > found(best)) {
            best = Some(fit);
        }
    }
    match best {
        // Half of the names are no accident: what the other half should be helps most.
        Some(fit) if fit.mapping.n > 0 && 2 * fit.mapping.names.len() >= fit.expected => {
            let mapping = &fit.mapping;
            let with = match mapping.shortcuts[..] {
                [Shortcut::Conv1x1Proj] => " with projections",
                _ => "",
            };
            let why = format!(
                "the tensors have {}, but are not those of a net of {} layers{with}: {}",
                mapping.scheme,
                with_projections(mapping.n, false).layers(),
                shorten(&fit.differences, "; ")
            );
            let renamed = fit.differences.iter().any(|what| what.ends_with(LEFT_OVER));
            Err(Unfit::Differs { why, renamed })
        }
        _ => Err(Unfit::Unknown),
    }
}

/// A list as text, or as much of it as one wants to read.
pub fn shorten(items: &[impl AsRef<str>], separator: &str) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<&str> = items.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match items.len().saturating_sub(SHOWN) {
        0 => shown.join(separator),
        more => format!("{}{separator}and {more} more", shown.join(separator)),
    }
}
