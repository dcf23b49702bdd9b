//! One step by itself in a store of its own: to see whether it comes out as before. Nothing is
//! committed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::executor::Executor;
use super::task::Task;
use step::Progress;
use store::{Claim, Claimed, Output, Store};

/// What a step made, in a store that goes with this value.
#[derive(Debug)]
pub struct Computed {
    /// By name.
    pub outputs: BTreeMap<String, Output>,
    pub seconds: f64,
    claim: Claim,
    _root: TempDir,
}

impl Computed {
    /// Where an output lies.
    pub fn path(&self, output: &str) -> PathBuf {
        self.claim.output().join(output)
    }
}

/// Computes a step in a fresh store below `folder`.
///
/// # Errors
/// [`super::Stopped`] if everything is to end; if the store cannot be written or the step fails, with
/// the end of its log.
pub fn compute(
    task: &Task,
    folder: &Path,
    executor: &dyn Executor,
    threads: usize,
    report: &mut dyn FnMut(Progress),
) -> Result<Computed> {
    let root = tempfile::Builder::new()
        .prefix("fig6-again-")
        .tempdir_in(folder)
        .with_context(|| format!("cannot write in {}", folder.display()))?;
    let store = Store::at(root.path(), true);
    store.prepare()?;
    let Claimed::Ours(claim) = store.claim(&task.key)? else {
        bail!("someone else works in {}", root.path().display());
    };
    store.begin(&claim, &task.step)?;
    task.write(claim.folder())?;
    let finished = executor.run(claim.folder(), &claim.log(), threads, report)?;
    Ok(Computed {
        outputs: claim.collect(task.params.outputs())?,
        seconds: finished.work_seconds,
        claim,
        _root: root,
    })
}
