//! What a training leaves of its way, and parts of it again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::tests::{Pictures, Short, bytes};
use super::*;
use crate::checkpoint;
use crate::schedule::WarmUp;
use crate::snapshots::Snapshots;

/// A short training on flex with snapshots in `folder/snapshots`.
fn short(folder: &Path) -> Short {
    let mut short = Short::with_checkpoints(Backend::Flex, folder);
    let snapshots = folder.join("snapshots");
    fs::create_dir_all(&snapshots).unwrap();
    short.checkpoints.as_mut().unwrap().snapshots = Some(snapshots);
    short
}

/// The contents of the snapshots by their names.
fn kept(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = checkpoint::snapshots(&folder.join("snapshots")).unwrap();
    let read = |(iteration, path)| (checkpoint::snapshot(iteration), fs::read(path).unwrap());
    files.into_iter().map(read).collect()
}

/// Computes a stretch of a short training again.
fn again(short: &Short, folder: &Path, stretch: Stretch) -> Result<Replayed> {
    let pictures = Pictures::new();
    let path = folder
        .join("snapshots")
        .join(checkpoint::snapshot(stretch.from));
    let snapshot = (stretch.from > 0).then_some(&*path);
    let mut env = TrainEnv {
        backend: short.backend,
        checkpoints: None,
        stop: &AtomicBool::new(false),
        observe: &mut |_| {},
    };
    replay(
        &short.config(),
        pictures.data(),
        stretch,
        snapshot,
        &mut env,
    )
}

#[test]
fn every_window_and_every_segment_of_a_training_gives_its_states_again() {
    let folder = testing::folder();
    let short = short(folder.path());
    let trained = short.train().0.unwrap();
    let trace = &trained.trace;
    assert_eq!(Vec::from_iter(&trace.snapshots), [&2, &5]);
    // The beginning, the windows of two iterations behind it and behind each snapshot, the evaluations,
    // and the end.
    let states: Vec<u64> = trace.states.keys().copied().collect();
    assert_eq!(states, [0, 1, 2, 3, 4, 5, 6, 7]);
    trace.expect_complete(&short.recipe).unwrap();
    assert_eq!(trace.learning_rates, [(0, 0.1)]);
    assert_eq!(trace.other_learning_rates(&short.recipe), None);
    let (windows, segments) = (trace.windows(&short.recipe), trace.segments(&short.recipe));
    assert_eq!((windows.len(), segments.len()), (3, 3));
    for stretch in windows.into_iter().chain(segments) {
        let replayed = again(&short, folder.path(), stretch).unwrap();
        assert_eq!(
            trace.difference(&stretch, &replayed.trace),
            None,
            "{stretch}"
        );
        assert_eq!(replayed.trained.is_some(), stretch.to == 7);
        if let Some(last) = replayed.trained {
            assert!(bytes(&last) == bytes(&trained));
            assert!((&last.metrics, &last.trace) == (&trained.metrics, trace));
        }
    }
}

#[test]
fn a_training_stopped_after_any_iteration_leaves_the_same_snapshots_and_trace() {
    let whole = testing::folder();
    let trained = short(whole.path()).train().0.unwrap();
    for stop_after in 1..=7 {
        let folder = testing::folder();
        let stopped = short(folder.path()).stopped_after(stop_after).train();
        assert!(stopped.0.is_err());
        let resumed = short(folder.path()).train().0.unwrap();
        assert!(resumed.trace == trained.trace, "{stop_after}");
        assert!(kept(folder.path()) == kept(whole.path()), "{stop_after}");
    }
}

#[test]
fn a_training_with_a_damaged_snapshot_goes_on_from_before_it_and_makes_it_again() {
    let whole = testing::folder();
    let trained = short(whole.path()).train().0.unwrap();
    for damaged in [2, 5] {
        let folder = testing::folder();
        let stopped = short(folder.path()).stopped_after(6).train();
        assert!(stopped.0.is_err());
        let snapshot = folder
            .path()
            .join("snapshots")
            .join(checkpoint::snapshot(damaged));
        fs::write(&snapshot, "torn").unwrap();
        let (resumed, notes) = short(folder.path()).train();
        let said = format!("the snapshot after iteration {damaged} is not whole");
        assert!(notes[0].contains(&said), "{notes:?}");
        let resumed = resumed.unwrap();
        assert!(bytes(&resumed) == bytes(&trained));
        assert!(resumed.trace == trained.trace);
        assert!(kept(folder.path()) == kept(whole.path()), "{damaged}");
    }
}

#[test]
fn the_end_of_a_warm_up_by_error_is_a_snapshot_and_its_judgement_can_be_made_again() {
    let folder = testing::folder();
    let mut short = short(folder.path());
    short.recipe.schedule.warm_up = WarmUp::UntilError {
        learning_rate: 0.001,
        train_error: 99.9,
    };
    short.recipe.schedule.iterations = WINDOW + 9;
    short.recipe.evaluate_every = WINDOW + 9;
    short.recipe.snapshots = Snapshots {
        count: 1,
        window: 2,
    };
    short.checkpoints.as_mut().unwrap().every = std::time::Duration::MAX;
    let trace = short.train().0.unwrap().trace;
    assert_eq!(Vec::from_iter(&trace.snapshots), [&WINDOW, &(WINDOW + 7)]);
    trace.expect_complete(&short.recipe).unwrap();
    assert_eq!(trace.learning_rates, [(0, 0.001), (WINDOW, 0.1)]);
    assert_eq!(trace.other_learning_rates(&short.recipe), None);
    let from_its_end = trace.windows(&short.recipe)[1];
    let replayed = again(&short, folder.path(), from_its_end).unwrap();
    assert_eq!(trace.difference(&from_its_end, &replayed.trace), None);
    // The same judgement with another threshold.
    short.recipe.schedule.warm_up = WarmUp::UntilError {
        learning_rate: 0.001,
        train_error: 1.0,
    };
    let said = "the learning rate of iteration 100 is 0.001 today and was 0.1";
    assert_eq!(trace.other_learning_rates(&short.recipe).unwrap(), said);
}

#[test]
fn a_trace_with_a_snapshot_or_a_state_too_few_or_a_snapshot_too_many_is_refused() {
    let folder = testing::folder();
    let short = short(folder.path());
    let whole = short.train().0.unwrap().trace;
    let said = |edit: &dyn Fn(&mut Trace) -> bool| {
        let mut trace = whole.clone();
        assert!(edit(&mut trace));
        let refused = trace.expect_complete(&short.recipe).unwrap_err();
        refused.to_string()
    };
    let lacks = |what| format!("the trace has no {what} after iteration 5");
    let less = said(&|trace| trace.snapshots.remove(&5));
    assert_eq!(less, lacks("snapshot"));
    let less = said(&|trace| trace.states.remove(&5).is_some());
    assert_eq!(less, lacks("state"));
    for at in [0, 3, 7, u64::MAX] {
        let more = said(&|trace| trace.snapshots.insert(at));
        let expected = format!("the trace has a snapshot after iteration {at} of 7, where");
        assert!(more.starts_with(&expected), "{more}");
    }
}

#[test]
fn another_computation_is_told_by_its_first_iteration_and_tensor() {
    let folder = testing::folder();
    let short = short(folder.path());
    let trace = short.train().0.unwrap().trace;
    let window = trace.windows(&short.recipe)[1];
    let today = again(&short, folder.path(), window).unwrap().trace;
    let mut other = today.clone();
    other.states.insert(3, "another".to_owned());
    other.norms.get_mut(&3).unwrap()[1] *= 2.0;
    let said = trace.difference(&window, &other).unwrap();
    let expected = "other numbers from iteration 3 on; 1 of ";
    assert!(said.starts_with(expected), "{said}");
    assert!(
        said.contains(&format!("{} first: norm", trace.tensors[1])),
        "{said}"
    );
    other = today;
    other.states.remove(&4);
    let said = trace.difference(&window, &other).unwrap();
    assert!(
        said.contains("from iteration 4 on; no norm of its"),
        "{said}"
    );
}

#[test]
fn a_snapshot_that_is_damaged_of_another_training_or_another_iteration_is_refused() {
    let folder = testing::folder();
    let mut short = short(folder.path());
    let trace = short.train().0.unwrap().trace;
    let window = trace.windows(&short.recipe)[1];
    let snapshot = |at| {
        folder
            .path()
            .join("snapshots")
            .join(checkpoint::snapshot(at))
    };
    let said = |short: &Short| {
        let refused = again(short, folder.path(), window).err();
        format!("{:#}", refused.unwrap())
    };
    let whole = fs::read(snapshot(2)).unwrap();
    short.recipe.momentum = 0.8;
    assert!(said(&short).contains("it is of another training: recipe.momentum"));
    short.recipe.momentum = 0.9;
    fs::copy(snapshot(5), snapshot(2)).unwrap();
    assert!(said(&short).contains("the snapshot is of iteration 5, not of 2"));
    fs::write(snapshot(2), &whole[..whole.len() - 1]).unwrap();
    assert!(said(&short).contains("snapshot-000000002.safetensors"));
    fs::remove_file(snapshot(2)).unwrap();
    assert!(said(&short).contains("cannot read it"));
}

#[test]
fn what_a_forged_snapshot_says_of_its_state_and_of_what_follows_is_not_believed() {
    let folder = testing::folder();
    let mut short = short(folder.path());
    // An evaluation that is said to have been made is not made again.
    short.recipe.evaluate_every = 7;
    let trained = short.train().0.unwrap();
    let (trace, last) = (&trained.trace, trained.trace.segments(&short.recipe)[2]);
    assert_eq!((last.from, last.to), (5, 7));
    let place = folder.path().join("snapshots");
    let mut forged = Checkpoint::read(&place.join(checkpoint::snapshot(5))).unwrap();
    let weight = forged.weights.values_mut().next().unwrap();
    weight.values[0] += 1.0;
    forged.progress.trace = trace.clone();
    let mut invented = trained.metrics.last().unwrap().clone();
    invented.test_error = 0.0;
    forged.progress.metrics.push(invented.clone());
    let checkpoints = short.checkpoints.clone().unwrap();
    checkpoints.keep(&forged).unwrap();
    let replayed = again(&short, folder.path(), last).unwrap();
    let said = trace.difference(&last, &replayed.trace).unwrap();
    assert!(
        said.starts_with("other numbers from iteration 5 on"),
        "{said}"
    );
    assert_ne!(replayed.metrics.last(), Some(&invented));
    // Also where the recipe has no snapshot.
    let mut elsewhere = forged;
    elsewhere.progress.iteration = 6;
    elsewhere.progress.trace.snapshots.clear();
    checkpoints.keep(&elsewhere).unwrap();
    let last = Stretch { from: 6, ..last };
    let replayed = again(&short, folder.path(), last).unwrap();
    assert_ne!(replayed.trace.states[&6], trace.states[&6]);
    assert_ne!(replayed.trace.states[&7], trace.states[&7]);
}
