//! Killed at every write, and power lost at every write.
//!
//! One run is recorded, call by call. What the disk holds after any number of these calls is known then,
//! and so is what is left of it if the power goes: each such state is put on a real disk, and the next
//! run must make of it what an undisturbed run makes. `FIG6_TESTS=soak` takes every call instead of some.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use rayon::prelude::*;

use super::common::Project;
use super::disk::{Disk, Loss, Tree};
use super::trace::{self, Call};
use super::{PIPELINE, recovered, set_aside, stride};
use testing::amount;

/// A run with a checkpoint after every iteration.
pub fn run(project: &Project) -> Command {
    let mut command = project.command();
    command.args(["reproduce", "--checkpoint-every", "0", "--jobs", "2"]);
    command
}

/// A state to recover from.
struct State {
    tree: Tree,
    /// Steps whose results must not be lost.
    finished: BTreeSet<String>,
    after: usize,
    loss: Loss,
}

/// For each step, after how many calls its manifest has its name, and after how many it keeps it.
fn commits(project: &Project, calls: &[Call]) -> BTreeMap<String, (usize, usize)> {
    let mut commits = BTreeMap::new();
    for step in project.status(&[]) {
        let manifest = format!("artifacts/manifests/{}.json", step["key"].as_str().unwrap());
        let named =
            |call: &Call| matches!(call, Call::Rename { to, .. } if to == Path::new(&manifest));
        let named = calls.iter().position(named).unwrap();
        let folder = Call::Sync {
            path: "artifacts/manifests".into(),
        };
        let kept = calls[named..]
            .iter()
            .position(|call| *call == folder)
            .unwrap();
        let step = step["step"].as_str().unwrap().to_owned();
        commits.insert(step, (named + 1, named + kept + 1));
    }
    commits
}

#[test]
fn a_run_killed_or_without_power_at_any_write_is_continued_to_the_same_bytes() {
    if !trace::possible() {
        return;
    }
    let project = Project::new(PIPELINE);
    let calls = trace::record(&run(&project));
    let real = Tree::of(&project.path(""));
    let commits = commits(&project, &calls);
    assert_eq!(commits.len(), 9);

    let mut disk = Disk::default();
    // Eight states for each call.
    let stride = amount(240, 12, 1);
    let mut seen = HashSet::new();
    let mut states = Vec::new();
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    let mut run_again = 0;
    let mut check = |states: &mut Vec<State>| {
        let ran: Vec<usize> = states.par_drain(..).map(|state| recover(&state)).collect();
        run_again += ran.iter().sum::<usize>();
    };
    for after in 0..=calls.len() {
        if let Some(call) = after.checked_sub(1) {
            disk.apply(&calls[call]);
        }
        let losses = [
            Loss::None,
            Loss::All,
            Loss::Contents,
            Loss::Halves,
            Loss::Zeros,
            Loss::Names,
            Loss::Some(2 * after as u64),
            Loss::Some(2 * after as u64 + 1),
        ];
        for (place, loss) in losses.into_iter().enumerate() {
            // Other calls for each kind of loss.
            if (after + place * 3) % stride != 0 {
                continue;
            }
            let tree = disk.after(loss);
            let finished = commits.iter().filter(|(_, (named, kept))| {
                after >= if loss == Loss::None { *named } else { *kept }
            });
            let finished: BTreeSet<String> = finished.map(|(step, _)| step.clone()).collect();
            let mut hasher = DefaultHasher::new();
            (&tree, &finished, loss == Loss::None).hash(&mut hasher);
            if !seen.insert(hasher.finish()) {
                continue;
            }
            let kind = format!("{loss:?}");
            let kind = kind.split('(').next().unwrap().to_owned();
            *tally.entry(kind).or_default() += 1;
            states.push(State {
                tree,
                finished,
                after,
                loss,
            });
        }
        if states.len() > 100 {
            check(&mut states);
        }
    }
    check(&mut states);
    // The model is right: in the end it holds what the real disk does.
    let model = disk.after(Loss::None);
    let pipeline = PathBuf::from("pipeline.ron");
    let names: BTreeSet<&Path> = real
        .names("")
        .into_iter()
        .filter(|path| *path != pipeline)
        .collect();
    assert_eq!(names, model.names("").into_iter().collect());
    for name in names {
        let name = name.to_str().unwrap();
        assert!(
            real.file(name) == model.file(name),
            "{name} is not what the model says"
        );
    }
    println!(
        "{} calls; every {stride}th; states by what was lost: {tally:?}; {} in all; {run_again} steps ran again",
        calls.len(),
        seen.len(),
    );
}

/// Recovers from one state; gives how many steps ran.
fn recover(state: &State) -> usize {
    let project = Project::new(PIPELINE);
    state.tree.put(&project.path(""));
    let what = format!("after {} calls, losing {:?}", state.after, state.loss);
    let ran = recovered(&project, &what);
    let lost: Vec<_> = ran
        .iter()
        .filter(|step| state.finished.contains(*step))
        .collect();
    assert!(lost.is_empty(), "{what}: {lost:?} ran again");
    if state.loss == Loss::None {
        assert!(
            set_aside(&project).is_empty(),
            "{what}: {:?}",
            set_aside(&project)
        );
    }
    ran.len()
}

#[test]
fn a_run_that_really_dies_at_a_write_is_continued_to_the_same_bytes() {
    if !trace::possible() {
        return;
    }
    // Only the main process is traced: it dies at its nth change, and with it its children.
    let die_at = |project: &Project, place: usize| {
        let mut strace = Command::new("strace");
        strace.args([
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={}", trace::CHANGES),
            "-e",
        ]);
        strace.arg(format!(
            "inject={}:signal=KILL:when={place}",
            trace::CHANGES
        ));
        super::common::below(strace, &run(project))
            .output()
            .unwrap()
            .status
    };
    let stride = stride();
    let mut deaths = 0;
    for place in (1..).step_by(stride) {
        let project = Project::new(PIPELINE);
        let status = die_at(&project, place);
        if status.success() {
            break;
        }
        deaths += 1;
        recovered(&project, &format!("died at its change {place}"));
    }
    println!("died at {deaths} changes, every {stride}th");
    assert!(deaths * stride > 100);
}
