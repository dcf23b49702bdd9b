//! From a step and its inputs to its key: the one place where the parts come together, for the
//! process that plans as for the one that works.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fingerprint::{self, Part};
use crate::key::{Basis, Digest, KeyInputs, Listing, Numeric, SCHEMA, key};
use crate::nn::device::Backend;
use crate::steps::Params;

/// The bases of the keys that count, by the step's kind: what the running binary is made of, on
/// each backend whose results are as good as another's.
#[derive(Clone, Debug)]
pub struct Bases {
    kinds: BTreeMap<String, Vec<Hashed>>,
    /// Texts of the listings that the chosen bases refer to.
    listings: BTreeMap<Digest, &'static str>,
}

/// A basis with its hash.
#[derive(Clone, Debug)]
struct Hashed {
    basis: Arc<Basis>,
    hasher: blake3::Hasher,
}

impl Bases {
    /// Only results of this backend count.
    pub fn only(backend: &Backend) -> Bases {
        Bases::of_binary(&[(*backend, std::env::consts::ARCH)])
    }

    /// Results of every backend that is known count, compiled in or not, on every architecture
    /// that fig6 is built for; what is missing is computed by `backend`.
    pub fn any(backend: &Backend) -> Bases {
        let here = std::env::consts::ARCH;
        let mut places = vec![(*backend, here)];
        for other in Backend::ALL {
            for architecture in ["x86_64", "aarch64"] {
                if other.name() != backend.name() || architecture != here {
                    places.push((other, architecture));
                }
            }
        }
        Bases::of_binary(&places)
    }

    fn of_binary(places: &[(Backend, &str)]) -> Bases {
        let bases = fingerprint::kinds().flat_map(|kind| {
            let count = if Params::is_numeric_kind(kind) {
                places.len()
            } else {
                1
            };
            places[..count]
                .iter()
                .map(move |place| of_kind(kind, place))
        });
        let parts = fingerprint::kinds()
            .flat_map(|kind| {
                fingerprint::code(kind)
                    .iter()
                    .chain(fingerprint::crates(kind))
            })
            .chain(fingerprint::backend_crates(places[0].0.crate_name()));
        Bases {
            listings: parts.map(|part| (part.digest(), part.listing)).collect(),
            ..Bases::of(bases)
        }
    }

    /// These bases; the first one of each kind is that of the keys under which results are added.
    pub fn of(bases: impl IntoIterator<Item = Basis>) -> Bases {
        let mut kinds: BTreeMap<String, Vec<Hashed>> = BTreeMap::new();
        for basis in bases {
            let (kind, hasher) = (basis.kind.clone(), basis.hasher());
            let basis = Arc::new(basis);
            kinds
                .entry(kind)
                .or_default()
                .push(Hashed { basis, hasher });
        }
        Bases {
            kinds,
            listings: BTreeMap::new(),
        }
    }

    /// Keys under which a result of a step with these parameters and inputs counts, the one under
    /// which it is added first.
    pub fn keys(
        &self,
        params: &Params,
        inputs: &BTreeMap<&str, Digest>,
    ) -> impl Iterator<Item = Digest> {
        let parameters = params.to_json();
        let bases = self.bases(params.kind());
        bases
            .iter()
            .map(move |base| key(&base.hasher, &parameters, inputs))
    }

    /// Key inputs of a step with these parameters and inputs, on the basis that results are added
    /// under, or on that of an earlier result if it counts as well.
    pub fn key_inputs(
        &self,
        params: &Params,
        inputs: BTreeMap<String, Digest>,
        earlier: Option<&Basis>,
    ) -> KeyInputs {
        let bases = self.bases(params.kind());
        let same = bases
            .iter()
            .find(|base| Some(&base.basis.numeric) == earlier.map(|basis| &basis.numeric));
        KeyInputs {
            basis: same.unwrap_or(&bases[0]).basis.clone(),
            parameters: params.to_json(),
            inputs,
        }
    }

    /// The text behind a digest in the bases that results are added under.
    pub fn listing(&self, digest: &Digest) -> Option<Listing> {
        Listing::parse(self.listings.get(digest)?)
    }

    /// The texts behind all digests in the basis that results of this kind are added under.
    pub fn listings_of(&self, kind: &str) -> impl Iterator<Item = &'static str> {
        let basis = &self.bases(kind)[0].basis;
        let digests = basis.code.values().chain(basis.crates.values());
        digests.filter_map(|digest| self.listings.get(digest).copied())
    }

    fn bases(&self, kind: &str) -> &[Hashed] {
        self.kinds
            .get(kind)
            .expect("every kind of step has a fingerprint, which a test checks")
    }
}

fn of_kind(kind: &str, &(backend, architecture): &(Backend, &str)) -> Basis {
    let digests = |parts: &'static [Part]| {
        parts
            .iter()
            .map(|part| (part.name.to_owned(), part.digest()))
    };
    let mut crates: BTreeMap<String, Digest> = digests(fingerprint::crates(kind)).collect();
    let numeric = Params::is_numeric_kind(kind).then(|| {
        let own = fingerprint::backend_crates(backend.crate_name());
        crates.extend(own.map(|part| (part.name.to_owned(), part.digest())));
        Numeric {
            backend: backend.name().to_owned(),
            version: fingerprint::burn_version().to_owned(),
            float: "f32".to_owned(),
            architecture: architecture.to_owned(),
            compiler: fingerprint::compiler().to_owned(),
        }
    });
    Basis {
        schema: SCHEMA,
        kind: kind.to_owned(),
        code: digests(fingerprint::code(kind)).collect(),
        crates,
        numeric,
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
    fn every_backend_has_the_listing_of_its_crates() {
        for backend in Backend::ALL {
            assert!(
                fingerprint::backend_crates(backend.crate_name()).is_some(),
                "{backend}"
            );
        }
    }
}
