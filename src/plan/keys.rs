//! From a step and its inputs to its key: the one place where the parts come together, for the
//! process that plans as for the one that works.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fingerprint::{self, Part};
use crate::steps::Params;
use nn::device::Backend;
use store::key::{Basis, Digest, KeyInputs, Numeric, Parameters, SCHEMA, settings};

/// The bases of the keys that count: what the running binary is made of, on each backend whose results
/// are as good as another's.
#[derive(Debug)]
pub struct Bases {
    /// By the step's kind, those that results are added under, each with its hash.
    chosen: BTreeMap<String, (Arc<Basis>, blake3::Hasher)>,
    /// Where else numeric steps may have been computed; worked out only for a step that has no result
    /// on the chosen basis.
    elsewhere: Vec<Numeric>,
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
        let elsewhere = everywhere.filter(|there| *there != here).collect();
        let chosen = fingerprint::kinds()
            .map(|kind| basis(kind, Params::is_numeric_kind(kind).then_some(&here)));
        Bases {
            elsewhere,
            ..Bases::of(chosen)
        }
    }

    /// One basis of each kind, and no other.
    pub fn of(chosen: impl IntoIterator<Item = Basis>) -> Bases {
        let chosen = chosen.into_iter().map(|basis| {
            let hasher = basis.hasher();
            (basis.kind.clone(), (Arc::new(basis), hasher))
        });
        Bases {
            chosen: chosen.collect(),
            elsewhere: Vec::new(),
        }
    }

    /// Settings under which a result of a step with these parameters counts, those under which it
    /// is added first.
    pub fn settings(&self, params: &Params) -> impl Iterator<Item = blake3::Hasher> {
        let parameters = Parameters::from(params.to_json());
        let kind = params.kind();
        let chosen = settings(&self.chosen(kind).1, &parameters);
        let elsewhere = self.elsewhere.iter().filter(|_| params.is_numeric());
        let elsewhere = elsewhere.map(move |place| {
            let there = basis(kind, Some(place));
            settings(&there.hasher(), &parameters)
        });
        std::iter::once(chosen).chain(elsewhere)
    }

    /// Key inputs of a step with these parameters and inputs, on the basis that results are added
    /// under, or on that of an earlier result if it counts as well.
    pub fn key_inputs(
        &self,
        params: &Params,
        inputs: BTreeMap<String, Digest>,
        earlier: Option<&Basis>,
    ) -> KeyInputs {
        let (chosen, _) = self.chosen(params.kind());
        let place = earlier.and_then(|earlier| earlier.numeric.as_ref());
        let place = place.filter(|place| params.is_numeric() && self.elsewhere.contains(place));
        let there = place.map(|place| Arc::new(basis(params.kind(), Some(place))));
        KeyInputs {
            basis: there.unwrap_or_else(|| chosen.clone()),
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
        (known && fits).then(|| basis(kind, numeric))
    }

    /// The texts behind all digests in the basis that results of this kind are added under.
    pub fn listings_of(&self, kind: &str) -> impl Iterator<Item = &'static str> {
        let (basis, _) = self.chosen(kind);
        let digests = basis.code.values().chain(basis.crates.values());
        digests.filter_map(listing)
    }

    fn chosen(&self, kind: &str) -> &(Arc<Basis>, blake3::Hasher) {
        let chosen = self.chosen.get(kind);
        chosen.expect("every kind of step has a fingerprint, which a test checks")
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

/// What steps of a kind are made of: also by the backend, if one computes them.
fn basis(kind: &str, numeric: Option<&Numeric>) -> Basis {
    let mut basis = Basis {
        schema: SCHEMA,
        kind: kind.to_owned(),
        code: digests(fingerprint::code(kind)).collect(),
        crates: digests(fingerprint::crates(kind)).collect(),
        numeric: numeric.cloned(),
    };
    let named =
        |backend: &Backend| numeric.is_some_and(|numeric| numeric.backend == backend.name());
    let backend = Backend::ALL.into_iter().find(named);
    if let Some(own) = backend.and_then(|backend| fingerprint::backend(backend.feature())) {
        basis.code.extend(digests(own.code));
        basis.crates.extend(digests(own.crates));
    }
    basis
}

/// Parts by their names.
fn digests(parts: &'static [Part]) -> impl Iterator<Item = (String, Digest)> {
    let parts = parts.iter();
    parts.map(|part| (part.name.to_owned(), part.digest()))
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
