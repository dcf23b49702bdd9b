//! Parts of trainings once more, from the snapshots that they have left, with the code of now: whether
//! what has changed since then matters.
//!
//! Unaware of how a part of a training is computed and compared, and of the terminal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use super::again::{Setting, find, task};
use super::check::{Check, Level, Status};
use super::two_runs;
use crate::plan::is_of_code;
use crate::report::provenance::StepRecord;
use crate::run::replay::{self, Distance, Kept, Verdict};
use crate::run::{Stopped, Task};
use crate::steps::Params;
use nn::checkpoint;
use nn::device::Backend;
use nn::fit::TwoRuns;
use nn::trace::{Stretch, Trace};
use random::Draw;
use store::key::{Change, Digest, KeyPart};
use store::{Manifest, Output};

/// Whole stretches, from one snapshot to the next, that are computed beside the windows.
#[derive(Clone, Copy, Debug)]
pub struct Segments {
    /// Of each training.
    pub count: usize,
    /// What they are drawn with.
    pub seed: u64,
}

/// Computes the windows of a training again, and stretches if they are wanted, and compares.
///
/// # Errors
/// [`Stopped`] if everything is to end.
pub fn replay(name: &str, segments: Option<Segments>, setting: &Setting) -> Result<Check> {
    let shown = Training::find(name, setting).and_then(|it| it.replay(segments, setting));
    let (status, message) = match shown {
        Ok(found) => found,
        Err(error) if error.is::<Stopped>() => return Err(error),
        Err(error) => (Status::Undecided, format!("cannot be shown: {error:#}")),
    };
    Ok(Check::new(Level::Replay, name, status, message))
}

/// How many stretches there are from one snapshot of a training to the next, by its trace or, where that
/// cannot be used, by its recipe; none if it is no training.
pub fn stretches(name: &str, setting: &Setting) -> Option<usize> {
    let step = setting.graph.steps().iter().find(|step| step.name == name);
    let Params::Train(params) = &step?.params else {
        return None;
    };
    let recipe = &params.recipe;
    let record = setting.statement.internal().step(name);
    let trace = record.and_then(|record| record.outputs.get(TRACE));
    let trace = trace.and_then(|trace| find(&trace.blake3, &setting.stores).ok()?);
    let trace = trace.and_then(|path| Trace::parse(&std::fs::read(path).ok()?).ok());
    let trace = trace.filter(|trace| trace.expect_complete(recipe).is_ok());
    Some(match trace {
        Some(trace) => trace.segments(recipe).len(),
        None => recipe.snapshots.iterations(&recipe.schedule).len() + 1,
    })
}

const TRACE: &str = "trace.json";

/// A training with what it has left.
struct Training {
    name: String,
    task: Task,
    kept: Kept,
    /// What it has left in files, without its snapshots.
    files: usize,
    /// Iterations whose snapshots cannot be used, and why.
    missing: BTreeMap<u64, String>,
    /// The processor that computed it.
    cpu: String,
    /// What its record says of the GPUs that computed it.
    two_runs: Vec<TwoRuns>,
}

impl Training {
    /// Finds all that a replay takes.
    fn find(name: &str, setting: &Setting) -> Result<Training> {
        let step = setting.graph.steps().iter().find(|step| step.name == name);
        let record = setting.statement.internal().step(name);
        let (Some(step), Some(record)) = (step, record) else {
            bail!("there is no such step in the provenance and in the pipeline");
        };
        let Params::Train(params) = &step.params else {
            bail!("it is no training");
        };
        let task = task(step, record, setting)?;
        expect_same_computation(record, &task, setting)?;
        for file in [TRACE, "metrics.jsonl"] {
            let output = record.outputs.get(file).with_context(|| {
                format!(
                    "the training has left no {file}; `--level execute` computes all of it again"
                )
            })?;
            if find(&output.blake3, &setting.stores)?.is_none() {
                let what = whereabouts(&output.blake3, setting)?;
                bail!(
                    "its {file} is {what}; `fig6 reproduce` makes it again, or name artifacts that have it \
                     with --artifacts"
                );
            }
        }
        let manifest = manifest(record, setting)?;
        let outputs = record.outputs.iter();
        let outputs = outputs.map(|(name, made)| (name.clone(), made.blake3));
        let outputs: BTreeMap<String, Digest> = outputs.collect();
        let look = |digest: &Digest| find(digest, &setting.stores);
        let kept = Kept::find(params, &outputs, &manifest.evidence, &look)?;
        let mut missing = BTreeMap::new();
        for at in kept.missing() {
            let why = match manifest.evidence.get(&checkpoint::snapshot(at)) {
                Some(Output { digest, .. }) => whereabouts(digest, setting)?,
                None => "not in its record".to_owned(),
            };
            missing.insert(at, why);
        }
        Ok(Training {
            name: name.to_owned(),
            task,
            kept,
            files: outputs.len(),
            missing,
            two_runs: two_runs::recorded(&manifest, &setting.stores),
            cpu: manifest.run.cpu,
        })
    }

    /// Windows first: they say best where something differs.
    fn replay(&self, wanted: Option<Segments>, setting: &Setting) -> Result<(Status, String)> {
        let started = Instant::now();
        let folder = tempfile::Builder::new()
            .prefix("fig6-replay-")
            .tempdir_in(setting.folder)
            .with_context(|| format!("cannot write in {}", setting.folder.display()))?;
        let within = replay::Setting {
            task: &self.task,
            executor: setting.executor,
            folder: folder.path(),
            log: &folder.path().join("log"),
            // Those on a GPU would only wait for each other.
            processes: if setting.backend.is_cpu() {
                setting.threads
            } else {
                1
            },
            threads: setting.threads,
        };
        let windows = self.kept.windows();
        let all = self.kept.segments();
        let segments = wanted.map_or(Vec::new(), |wanted| draw(&self.name, &all, wanted));
        for stretches in [&windows, &segments] {
            let usable = stretches.iter().copied();
            let usable = usable.filter(|it| !self.missing.contains_key(&it.from));
            let usable: Vec<Stretch> = usable.collect();
            if let Verdict::Different(what) = self.kept.replay(&usable, &within, &|_| {})? {
                if !setting.backend.is_cpu() {
                    let again = folder.path().join("again");
                    if let Some(distance) = self.kept.distance(&usable, &within, &again)? {
                        let excuse = self.excuse(setting);
                        return Ok(judge(setting.backend, excuse, &what, distance));
                    }
                }
                return Ok(self.different(&what, setting));
            }
        }
        if !self.missing.is_empty() {
            return Ok((Status::Undecided, self.lacking(windows.len(), setting)));
        }
        let iterations: u64 = windows.iter().map(|it| it.to - it.from).sum();
        let message = format!(
            "{} windows, {iterations} iterations{}: the same states, and the same bytes in {} files, after {:.1} s",
            windows.len(),
            in_words(&segments, all.len()),
            self.files,
            started.elapsed().as_secs_f64()
        );
        Ok((Status::Passed, message))
    }

    /// What a difference means where it was found.
    fn different(&self, what: &str, setting: &Setting) -> (Status, String) {
        match self.excuse(setting) {
            None => (Status::Failed, format!("not the same: {what}")),
            Some(excuse) => (
                Status::Undecided,
                format!("cannot be shown: {excuse} ({what})"),
            ),
        }
    }

    /// Why numbers may differ here although the code computes the same; none if they may not.
    fn excuse(&self, setting: &Setting) -> Option<String> {
        if setting.backend.is_cpu() {
            let (here, then) = (&setting.cpu, &self.cpu);
            return (here != then).then(|| format!("{here} instead of {then} may round otherwise"));
        }
        let here = setting.backend.identity();
        let here = here.unwrap_or_else(|_| setting.backend.to_string());
        two_runs::excuse(&self.two_runs, &here)
    }

    /// What cannot be shown without the snapshots that are missing, and what to do.
    fn lacking(&self, windows: usize, setting: &Setting) -> String {
        let advice = match setting.is_bundle {
            true => "pack them with `fig6 bundle --snapshots`, or name artifacts that have them with --artifacts"
                .to_owned(),
            false => format!("`--rebuild {}` computes the whole training again", self.name),
        };
        format!(
            "cannot be shown: {}; {advice}; {} of {windows} windows came to the same states",
            missing_in_words(&self.missing),
            windows - self.missing.len()
        )
    }
}

/// What a difference on a GPU means: nothing, as long as it is no larger than what two runs here differ by.
/// Two runs that are equal excuse nothing.
fn judge(
    backend: Backend,
    excuse: Option<String>,
    what: &str,
    distance: Distance,
) -> (Status, String) {
    let Distance { recorded, runs } = distance;
    let measured = format!(
        "norms are up to {recorded:.1e} from the record, and two runs here up to {runs:.1e} from each other"
    );
    match (runs > 0.0 && recorded <= runs, excuse) {
        (true, _) => (
            Status::Passed,
            format!(
                "not to the bit, for {backend} is not bit-exact, but within what it differs by itself; files are not compared: {measured}"
            ),
        ),
        (false, Some(excuse)) => (
            Status::Undecided,
            format!("cannot be shown: {excuse}, and {measured} ({what})"),
        ),
        (false, None) => (Status::Failed, format!("not the same: {what}; {measured}")),
    }
}

/// Snapshots that cannot be used, in as many words as a person reads.
fn missing_in_words(missing: &BTreeMap<u64, String>) -> String {
    const NAMED: usize = 3;
    let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (at, why) in missing {
        by_reason.entry(why).or_default().push(at.to_string());
    }
    let reasons = by_reason.iter().take(NAMED).map(|(why, all)| {
        let named = all[..all.len().min(NAMED)].join(", ");
        match all.len() {
            1 => format!("its snapshot after iteration {named} is {why}"),
            ..=NAMED => format!("its snapshots after iterations {named} are {why}"),
            _ => format!(
                "its snapshots after iterations {named} and {} others are {why}",
                all.len() - NAMED
            ),
        }
    });
    let mut reasons: Vec<String> = reasons.collect();
    if by_reason.len() > NAMED {
        reasons.push("others cannot be used either".to_owned());
    }
    reasons.join(", ")
}

/// Makes sure that nothing differs from the recorded computation that a replay cannot make up for.
fn expect_same_computation(record: &StepRecord, task: &Task, setting: &Setting) -> Result<()> {
    let recorded = setting.statement.internal().key_inputs(record);
    let recorded = recorded.context("what it was made of is not recorded")?;
    let changes = recorded.changes(&task.key_inputs).into_iter();
    let others = changes.filter(|change| !is_of_code(change));
    let others: Vec<Change> = others.collect();
    let words = others.iter().map(ToString::to_string);
    let words: Vec<String> = words.collect();
    let elsewhere = others.iter().all(|change| change.part == KeyPart::Numeric);
    let advice = match elsewhere {
        true => "; choose the recorded one with --device, or verify on such a machine",
        false => "",
    };
    ensure!(
        others.is_empty(),
        "here it is another computation ({}){advice}",
        words.join("; ")
    );
    Ok(())
}

/// The manifest under the recorded key, which names the snapshots.
fn manifest(record: &StepRecord, setting: &Setting) -> Result<Manifest> {
    for store in &setting.stores {
        if let Some(manifest) = store.manifest(&record.key)? {
            return Ok(manifest);
        }
    }
    bail!(
        "its manifest ({}), which names its snapshots, is missing or damaged; name artifacts that have it with \
         --artifacts, or `fig6 reproduce` computes it again",
        record.key.short()
    )
}

/// What is to be said of a content that was not found whole.
fn whereabouts(digest: &Digest, setting: &Setting) -> Result<String> {
    let mut damaged: Option<PathBuf> = None;
    for store in &setting.stores {
        damaged = damaged.or(store.object(digest)?);
    }
    Ok(match damaged {
        Some(path) => format!("damaged ({})", path.display()),
        None => "not there".to_owned(),
    })
}

/// So many stretches of all that a training has, in their order.
fn draw(training: &str, all: &[Stretch], wanted: Segments) -> Vec<Stretch> {
    let purpose = format!("verify segments of {training}");
    let order = Draw::at(&purpose, &[wanted.seed]).permutation(all.len());
    let drawn = order.into_iter().take(wanted.count);
    let mut drawn: Vec<Stretch> = drawn.map(|place| all[place]).collect();
    drawn.sort();
    drawn
}

/// The stretches that were computed beside the windows, out of so many.
fn in_words(segments: &[Stretch], all: usize) -> String {
    match segments.len() {
        0 => String::new(),
        some if some == all => format!(", and the whole training, in {all} stretches"),
        some => {
            let named = segments.iter().map(ToString::to_string);
            let named: Vec<String> = named.collect();
            format!(
                ", and {some} of {all} stretches between snapshots ({})",
                named.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Stretch> {
        let stretch = |from| Stretch {
            from,
            to: from + 10,
            evaluated: true,
        };
        [0, 10, 20, 30].map(stretch).into()
    }

    fn drawn(training: &str, count: usize, seed: u64) -> Vec<Stretch> {
        draw(training, &all(), Segments { count, seed })
    }

    #[test]
    fn every_stretch_is_drawn_for_some_seed_and_the_same_ones_for_the_same_seed() {
        let mut times: BTreeMap<u64, u32> = BTreeMap::new();
        for seed in 0..400 {
            let two = drawn("train/a", 2, seed);
            assert!(two.len() == 2 && two.is_sorted() && two[0] != two[1]);
            assert_eq!(two, drawn("train/a", 2, seed));
            for stretch in two {
                *times.entry(stretch.from).or_default() += 1;
            }
        }
        // Each in half of the draws: 200 with a standard deviation of 10.
        assert_eq!(times.len(), 4);
        assert!(times.values().all(|n| (150..250).contains(n)), "{times:?}");
        assert!((0..20).any(|seed| drawn("train/a", 1, seed) != drawn("train/b", 1, seed)));
    }

    #[test]
    fn what_was_computed_beside_the_windows_is_named_so_that_it_can_be_repeated() {
        assert_eq!(drawn("train/a", 4, 7), all());
        let said = |count| in_words(&all()[..count], 4);
        assert_eq!(said(0), "");
        let two =
            ", and 2 of 4 stretches between snapshots (iterations 0 to 10, iterations 10 to 20)";
        assert_eq!(said(2), two);
        assert_eq!(said(4), ", and the whole training, in 4 stretches");
    }

    #[test]
    fn a_difference_on_a_gpu_passes_only_within_what_two_runs_there_differ_by() {
        let judged = |recorded, runs| {
            let distance = Distance { recorded, runs };
            let excuse = Some("a instead of b".to_owned());
            judge(Backend::TchCuda(0), excuse, "other numbers", distance)
        };
        let (status, said) = judged(1e-7, 2e-7);
        assert_eq!(status, Status::Passed);
        assert!(
            said.starts_with("not to the bit, for tch:cuda:0 is not bit-exact"),
            "{said}"
        );
        let (status, said) = judged(2e-7, 1e-7);
        assert_eq!(status, Status::Undecided);
        assert!(
            said.contains("norms are up to 2.0e-7 from the record, and two runs here up to 1.0e-7"),
            "{said}"
        );
        assert_eq!(judged(1e-9, 0.0).0, Status::Undecided);
        assert_eq!(judged(0.0, 0.0).0, Status::Undecided);
        assert_eq!(judged(f64::INFINITY, 1.0).0, Status::Undecided);
    }

    #[test]
    fn a_difference_fails_on_a_gpu_that_gave_the_same_bytes_twice_and_gives_them_here() {
        let judged = |recorded, runs| {
            let distance = Distance { recorded, runs };
            judge(Backend::Wgpu, None, "other numbers", distance)
        };
        let (status, said) = judged(1e-9, 0.0);
        assert_eq!(status, Status::Failed);
        assert!(
            said.starts_with("not the same: other numbers; norms"),
            "{said}"
        );
        // Here two runs differ after all.
        assert_eq!(judged(1e-9, 1e-8).0, Status::Passed);
        assert_eq!(judged(1e-7, 1e-8).0, Status::Failed);
    }

    #[test]
    fn however_many_snapshots_are_missing_the_message_stays_short() {
        let of = |missing: &[(u64, &str)]| {
            let missing = missing.iter().map(|(at, why)| (*at, (*why).to_owned()));
            missing_in_words(&missing.collect())
        };
        assert_eq!(
            of(&[(3, "not there")]),
            "its snapshot after iteration 3 is not there"
        );
        assert_eq!(
            of(&[(3, "not there"), (5, "damaged (x)"), (7, "not there")]),
            "its snapshot after iteration 5 is damaged (x), its snapshots after iterations 3, 7 are not there"
        );
        let gone: Vec<(u64, &str)> = (1..=9).map(|at| (at, "not there")).collect();
        assert_eq!(
            of(&gone),
            "its snapshots after iterations 1, 2, 3 and 6 others are not there"
        );
        let each = (0..9999).map(|at| (at, format!("damaged ({at})")));
        let said = missing_in_words(&each.collect());
        assert!(said.ends_with(", others cannot be used either") && said.len() < 250);
    }
}
