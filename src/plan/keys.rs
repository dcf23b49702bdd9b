//! From a step and its inputs to its key: the one place where the parts come together, for the
//! process that plans as for the one that works.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fingerprint::{self, Part};
use crate::steps::Params;
use nn::device::Backend;
use store::key::{Basis, Digest, KeyInputs, Numeric, Parameters, SCHEMA, settings};

/// The bases of the keys that count, by the step's kind: what the running binary is made of, on
/// each backend whose results are as good as another's.
#[derive(Debug)]
pub struct Bases {
    /// First the basis that results are added under.
    kinds: BTreeMap<String, Vec<Hashed>>,
}

/// A basis with its hash.
#[derive(Debug)]
struct Hashed {
    basis: Arc<Basis>,
    hasher: blake3::Hasher,
}

impl From<Basis> for Hashed {
    fn from(basis: Basis) -> Hashed {
        Hashed {
            hasher: basis.hasher(),
            basis: Arc::new(basis),
        }
    }
}

impl Bases {
    /// Only results of this backend count.
    pub fn only(backend: &Backend) -> Bases {
        Bases::of_binary(backend, &[])
    }

    /// Results of every backend that is known count, compiled in or not, on every architecture
    /// that fig6 is built for; what is missing is computed by `backend`.
    pub fn any(backend: &Backend) -> Bases {
        Bases::of_binary(backend, &["x86_64", "aarch64"])
    }

    /// Results of `backend` here count, and those of all backends on these architectures.
    fn of_binary(backend: &Backend, architectures: &[&str]) -> Bases {
        let here = numeric(backend, std::env::consts::ARCH);
        let everywhere = architectures.iter();
        let everywhere =
            everywhere.flat_map(|place| Backend::ALL.map(|other| numeric(&other, place)));
        let elsewhere: Vec<Numeric> = everywhere.filter(|there| *there != here).collect();
        let places = || std::iter::once(&here).chain(&elsewhere);
        Bases::of(fingerprint::kinds().map(|kind| {
            let basis = basis(kind);
            match Params::is_numeric_kind(kind) {
                true => places().map(|place| on(&basis, place)).collect(),
                false => vec![basis],
            }
        }))
    }

    /// These bases of each kind, first the one that results are added under.
    pub fn of(kinds: impl IntoIterator<Item = Vec<Basis>>) -> Bases {
        let kinds = kinds.into_iter().map(|bases| {
            let kind = bases[0].kind.clone();
            (kind, bases.into_iter().map(Hashed::from).collect())
        });
        Bases {
            kinds: kinds.collect(),
        }
    }

    /// Settings under which a result of a step with these parameters counts, those under which it
    /// is added first.
    pub fn settings(&self, params: &Params) -> impl Iterator<Item = blake3::Hasher> {
        let parameters = Parameters::from(params.to_json());
        let bases = self.of_kind(params.kind()).iter();
        bases.map(move |base| settings(&base.hasher, &parameters))
    }

    /// Key inputs of a step with these parameters and inputs, on the basis that results are added
    /// under, or on that of an earlier result if it counts as well.
    pub fn key_inputs(
        &self,
        params: &Params,
        inputs: BTreeMap<String, Digest>,
        earlier: Option<&Basis>,
    ) -> KeyInputs {
        let bases = self.of_kind(params.kind());
        let same = earlier.and_then(|earlier| {
            let mut bases = bases.iter();
            bases.find(|base| base.basis.numeric == earlier.numeric)
        });
        KeyInputs {
            basis: same.unwrap_or(&bases[0]).basis.clone(),
            parameters: Parameters::from(params.to_json()),
            inputs,
        }
    }

    /// What a result of this kind would be made of today, had the same backend, compiler and
    /// architecture computed it as an earlier one; `None` for a kind that is unknown or that these do
    /// not fit.
    pub fn today(kind: &str, numeric: Option<&Numeric>) -> Option<Basis> {
        let known = fingerprint::kinds().any(|known| known == kind);
        let fits = Params::is_numeric_kind(kind) == numeric.is_some();
        let basis = (known && fits).then(|| basis(kind))?;
        Some(numeric.map_or_else(|| basis.clone(), |numeric| on(&basis, numeric)))
    }

    /// The texts behind all digests in the basis that results of this kind are added under.
    pub fn listings_of(&self, kind: &str) -> impl Iterator<Item = &'static str> {
        let basis = &self.of_kind(kind)[0].basis;
        let digests = basis.code.values().chain(basis.crates.values());
        digests.filter_map(listing)
    }

    fn of_kind(&self, kind: &str) -> &[Hashed] {
        let bases = self.kinds.get(kind);
        bases.expect("every kind of step has a fingerprint, which a test checks")
    }
}

/// The text behind a digest of code or crates, if it is what this binary is made of.
pub fn listing(digest: &Digest) -> Option<&'static str> {
    let kinds = fingerprint::kinds();
    let kinds = kinds.flat_map(|kind| [fingerprint::code(kind), fingerprint::crates(kind)]);
    let backends = Backend::ALL.iter();
    let backends = backends.filter_map(|backend| fingerprint::backend(backend.feature()));
    let backends = backends.flat_map(|backend| [backend.code, backend.crates]);
    let mut parts = kinds.chain(backends).flatten();
    parts
        .find(|part| part.digest() == *digest)
        .map(|part| part.listing)
}

/// What steps of a kind are made of, whatever computes them.
fn basis(kind: &str) -> Basis {
    Basis {
        schema: SCHEMA,
        kind: kind.to_owned(),
        code: digests(fingerprint::code(kind)).collect(),
        crates: digests(fingerprint::crates(kind)).collect(),
        numeric: None,
    }
}

/// Parts by their names.
fn digests(parts: &'static [Part]) -> impl Iterator<Item = (String, Digest)> {
    let parts = parts.iter();
    parts.map(|part| (part.name.to_owned(), part.digest()))
}

/// A basis on this backend.
fn on(basis: &Basis, numeric: &Numeric) -> Basis {
    let mut basis = basis.clone();
    for backend in Backend::ALL {
        let Some(parts) = fingerprint::backend(backend.feature()) else {
            continue;
        };
        // What another backend adds makes way for what this one does.
        let is_part = |name: &String| {
            let parts = parts.code.iter().chain(parts.crates);
            parts.into_iter().any(|part| part.name == name)
        };
        basis.code.retain(|name, _| !is_part(name));
        basis.crates.retain(|name, _| !is_part(name));
    }
    let mut backends = Backend::ALL.iter();
    let backend = backends.find(|backend| backend.name() == numeric.backend);
    if let Some(parts) = backend.and_then(|backend| fingerprint::backend(backend.feature())) {
        basis.code.extend(digests(parts.code));
        basis.crates.extend(digests(parts.crates));
    }
    basis.numeric = Some(numeric.clone());
    basis
}

/// What a numeric result of this binary depends on when this backend computes it.
fn numeric(backend: &Backend, architecture: &str) -> Numeric {
    Numeric {
        backend: backend.name().to_owned(),
        version: fingerprint::burn_version().to_owned(),
        float: "f32".to_owned(),
        architecture: architecture.to_owned(),
        compiler: fingerprint::compiler().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_step_has_a_fingerprint() {
        let found: Vec<&str> = fingerprint::kinds().collect();
        let mut known = Params::KINDS.to_vec();
        known.sort();
        assert_eq!(found, known);
    }

    #[test]
    fn every_backend_has_parts_of_its_own() {
        for backend in Backend::ALL {
            assert!(
                fingerprint::backend(backend.feature()).is_some(),
                "{backend}"
            );
        }
    }
}
