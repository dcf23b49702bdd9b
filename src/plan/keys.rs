//! From a step and its inputs to key inputs: the one place where the parts come together, for the
//! process that plans as for the one that works.

use std::collections::BTreeMap;

use crate::fingerprint;
use crate::key::{Digest, KeyInputs, Numeric, SCHEMA, flatten};
use crate::nn::device::Backend;
use crate::steps::Params;

/// Key inputs of a step with these parameters and inputs; `numeric` for steps that want it.
pub fn key_inputs(
    params: &Params,
    numeric: Option<&Numeric>,
    inputs: BTreeMap<String, Digest>,
) -> KeyInputs {
    let kind = params.kind();
    KeyInputs {
        schema: SCHEMA,
        kind: kind.to_owned(),
        parameters: flatten(&params.to_json()),
        code: fingerprint::code(kind),
        crates: fingerprint::crates(kind),
        numeric: params.is_numeric().then(|| numeric.cloned()).flatten(),
        inputs,
    }
}

/// What a result of this binary depends on when `backend` computes it.
pub fn numeric(backend: &Backend) -> Numeric {
    Numeric {
        backend: backend.name().to_owned(),
        version: fingerprint::burn_version().to_owned(),
        float: "f32".to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        compiler: fingerprint::compiler().to_owned(),
    }
}

/// The backends whose results count.
#[derive(Clone, Debug, PartialEq)]
pub struct Backends {
    /// The one that computes what is missing.
    pub chosen: Numeric,
    /// Others whose results are as good where the user did not name a device.
    pub others: Vec<Numeric>,
}

impl Backends {
    /// Only results of this backend count.
    pub fn only(backend: &Backend) -> Backends {
        Backends {
            chosen: numeric(backend),
            others: Vec::new(),
        }
    }

    /// Results of every backend that is known count, compiled in or not, on every architecture
    /// that fig6 is built for; what is missing is computed by `backend`.
    pub fn any(backend: &Backend) -> Backends {
        let chosen = numeric(backend);
        let others = Backend::ALL
            .iter()
            .flat_map(|backend| {
                ["x86_64", "aarch64"].map(|architecture| Numeric {
                    architecture: architecture.to_owned(),
                    ..numeric(backend)
                })
            })
            .filter(|other| *other != chosen)
            .collect();
        Backends { chosen, others }
    }

    /// All of them, the chosen one first.
    pub fn all(&self) -> impl Iterator<Item = &Numeric> {
        std::iter::once(&self.chosen).chain(&self.others)
    }
}
