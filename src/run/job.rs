//! A computation under way, and how its result is added to the store: compared with an earlier one
//! where there is one, and with a record of when, where and why it ran.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow};

use super::executor::Finished;
use crate::plan::{Reason, Step};
use store::key::{Digest, KeyInputs};
use store::{Claim, Entry, Lookup, Manifest, Output, RunRecord, Store, Watched};

/// A computation under way.
#[derive(Debug)]
pub struct Job {
    pub key: Digest,
    pub key_inputs: KeyInputs,
    /// The inputs as they looked before the step read them.
    pub inputs: Watched,
    pub reasons: Vec<Reason>,
    pub claim: Claim,
    pub started_at: jiff::Timestamp,
    pub started: Instant,
    pub threads: usize,
}

impl Job {
    /// Adds the result to the store; also says whether the step's newest earlier result had the same
    /// bytes.
    ///
    /// # Errors
    /// If an output is missing, an input was written to meanwhile, the store cannot be written, or there
    /// is a result under this key already and it has other bytes.
    pub fn commit(
        &self,
        step: &Step,
        finished: Finished,
        store: &Store,
    ) -> Result<(Arc<Entry>, Option<bool>)> {
        let outputs = self.claim.collect(step.params.outputs())?;
        store.expect_unchanged(&self.inputs)?;
        // For a remark only, which is no reason to lose the result.
        let earlier = store.newest(&step.name).unwrap_or_default();
        if let Lookup::Found(earlier) = store.lookup(&self.key)? {
            // A forced step, or one whose lost output another step has made meanwhile: to be compared.
            let differing = differing(&earlier, &outputs);
            if !differing.is_empty() {
                return Err(anyhow!(
                    "not deterministic: {} came out with other bytes than in the result of {}, which is kept; \
                     the new outputs lie in {}",
                    differing.join(", "),
                    earlier.started,
                    store.keep_aside(&self.claim)?.display()
                ));
            }
            store.discard(&self.claim)?;
            return Ok((earlier, Some(true)));
        }
        let manifest = Manifest {
            step: step.name.clone(),
            key: self.key,
            key_inputs: self.key_inputs.clone(),
            outputs,
            summary: finished.summary,
            run: RunRecord {
                started: format!("{:.3}", self.started_at),
                seconds: self.started.elapsed().as_secs_f64(),
                work_seconds: finished.work_seconds,
                amount: step.params.amount(),
                threads: self.threads,
                because: self.reasons.iter().map(ToString::to_string).collect(),
                host: host(),
                cpu: cpu(),
                fig6: env!("CARGO_PKG_VERSION").to_owned(),
                log: Some(self.claim.collect_log()?),
            },
        };
        let entry = store.commit(&self.claim, &manifest)?;
        let same_bytes = earlier.map(|earlier| earlier.outputs == entry.outputs);
        Ok((entry, same_bytes))
    }
}

/// Names of the outputs that differ from an earlier result's.
fn differing(earlier: &Entry, outputs: &BTreeMap<String, Output>) -> Vec<String> {
    outputs
        .iter()
        .filter(|(name, output)| earlier.outputs.get(*name) != Some(output))
        .map(|(name, _)| name.clone())
        .collect()
}

/// This machine's name, for the record.
pub fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_else(|_| "unknown".to_owned())
}

/// This machine's processor, for the record.
pub fn cpu() -> String {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or_else(
            || std::env::consts::ARCH.to_owned(),
            |(_, name)| name.to_owned(),
        )
}
