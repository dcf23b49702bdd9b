use std::fs;
use std::path::Path;

use super::*;
use crate::Store;
use crate::tests::{claim, commit, commit_with_evidence, found, inputs, store};

const KEEP_NOTHING: GcLimits = GcLimits {
    runs: 0,
    max_bytes: None,
    interrupted: false,
    set_aside: false,
    snapshots: false,
};

fn needs(keys: &[Digest]) -> Needs {
    Needs {
        keys: keys.iter().copied().collect(),
        ..Needs::default()
    }
}

/// Removes what these needs and limits leave over, as another process would.
fn collect(folder: &Path, needs: &Needs, limits: GcLimits) -> Survey {
    let store = Store::at(folder, false);
    let alone = store
        .exclude(&mut || panic!("somebody uses the store"))
        .unwrap();
    let survey = store.survey(needs, &limits).unwrap();
    survey.remove(&store, &alone).unwrap();
    survey
}

fn keys_in(folder: &Path) -> BTreeSet<Digest> {
    let found = Store::at(folder, false).list("manifests").unwrap();
    found
        .iter()
        .map(|found| found.digest(".json").unwrap())
        .collect()
}

fn objects_in(folder: &Path) -> usize {
    Store::at(folder, false).list_objects().unwrap().len()
}

#[test]
fn a_result_that_nobody_needs_goes_with_its_contents_and_what_others_share_stays() {
    let folder = testing::folder();
    let first = store(folder.path());
    let kept = commit(&first, 0, "shared");
    let same = commit(&first, 1, "shared");
    let other = commit(&first, 2, "own");
    let survey = collect(folder.path(), &needs(&[kept]), KEEP_NOTHING);
    let gone: BTreeSet<Digest> = survey.removed().map(|artifact| artifact.key).collect();
    assert_eq!(gone, BTreeSet::from([same, other]));
    assert_eq!((survey.bytes, survey.bytes_kept), (9, 6));
    assert_eq!(keys_in(folder.path()), BTreeSet::from([kept]));
    assert_eq!(objects_in(folder.path()), 1);
    assert!(!first.log_path(&other).exists() && first.log_path(&kept).exists());
    // It showed the one that is gone.
    assert!(!folder.path().join("by-step/train").exists());
    found(&Store::at(folder.path(), false), &kept);
    let again = collect(folder.path(), &needs(&[kept]), KEEP_NOTHING);
    assert_eq!((again.removed().count(), again.others()), (0, 0));
}

#[test]
fn what_led_to_a_content_in_a_report_is_kept_and_only_the_newest_of_several() {
    let artifact = |key: u8, started: &str, contents: &[u8], inputs: &[u8]| {
        let digests = |numbers: &[u8]| {
            numbers
                .iter()
                .map(|number| Digest::of(&[*number]))
                .collect()
        };
        Artifact {
            key: Digest::of(&[100 + key]),
            step: key.to_string(),
            started: started.into(),
            seconds: 1.0,
            bytes: 1,
            fate: Fate::Unneeded,
            contents: digests(contents),
            evidence: BTreeSet::new(),
            inputs: digests(inputs),
            listings: BTreeSet::new(),
            damaged: false,
        }
    };
    let mut artifacts = [
        artifact(0, "2026-01-01", &[1], &[]),
        artifact(1, "2026-01-02", &[2], &[1]),
        artifact(2, "2026-01-03", &[2], &[7]),
        artifact(3, "2026-01-04", &[3], &[2]),
        artifact(4, "2026-01-05", &[4], &[2]),
    ];
    let needs = Needs {
        contents: [Digest::of(&[3])].into(),
        ..Needs::default()
    };
    choice::keep(&mut artifacts, &needs, &HashSet::new(), &HashSet::new());
    let report = Fate::Kept(WhyKept::Report);
    let fates = artifacts.clone().map(|artifact| artifact.fate);
    let unneeded = Fate::Unneeded;
    assert_eq!(fates, [unneeded, unneeded, report, report, unneeded]);
    // One that is kept anyway will do.
    let needs = Needs {
        keys: [artifacts[1].key].into(),
        ..needs
    };
    choice::keep(&mut artifacts, &needs, &HashSet::new(), &HashSet::new());
    let fates = artifacts.map(|artifact| artifact.fate);
    let pipeline = Fate::Kept(WhyKept::Pipeline);
    assert_eq!(fates, [report, pipeline, unneeded, report, unneeded]);
}

#[test]
fn to_make_room_the_cheapest_results_go_and_no_more_than_needed() {
    let artifact = |key: u8, seconds: f64, content: u8, fate: WhyKept| Artifact {
        key: Digest::of(&[key]),
        step: key.to_string(),
        started: String::new(),
        seconds,
        bytes: 1,
        fate: Fate::Kept(fate),
        contents: [Digest::of(&[content])].into(),
        evidence: BTreeSet::new(),
        inputs: BTreeSet::new(),
        listings: BTreeSet::new(),
        damaged: false,
    };
    // Contents 0 to 5 have 100 bytes each, 6 has 1.
    let sizes: BTreeMap<Digest, u64> = (0..7)
        .map(|number| (Digest::of(&[number]), if number == 6 { 1 } else { 100 }))
        .collect();
    let evicted = |most: u64, artifacts: &[Artifact]| -> Vec<String> {
        let mut artifacts = artifacts.to_vec();
        choice::evict(&mut artifacts, &sizes, most);
        let gone = artifacts
            .into_iter()
            .filter(|artifact| artifact.fate == Fate::Evicted);
        gone.map(|artifact| artifact.step).collect()
    };
    let run = WhyKept::Run;
    let separate = [
        artifact(0, 3.0, 0, run),
        artifact(1, 1.0, 1, WhyKept::Pipeline),
        artifact(2, 2.0, 2, WhyKept::Report),
        artifact(3, 0.5, 3, WhyKept::Live),
        artifact(4, 0.1, 6, run),
    ];
    assert!(evicted(401, &separate).is_empty());
    // The cheapest one is small: it alone is not enough, and beside the next it is not needed.
    assert_eq!(evicted(301, &separate), ["1"]);
    assert_eq!(evicted(300, &separate), ["1", "4"]);
    assert_eq!(evicted(201, &separate), ["1", "2"]);
    // What a run under way uses stays at any price.
    assert_eq!(evicted(0, &separate), ["0", "1", "2", "4"]);
    // A shared content goes with its last result.
    let shared = [
        artifact(0, 1.0, 0, run),
        artifact(1, 2.0, 0, run),
        artifact(2, 3.0, 1, run),
    ];
    assert_eq!(evicted(100, &shared), ["0", "1"]);
}

#[test]
fn what_runs_under_way_and_the_last_ones_use_is_kept() {
    let folder = testing::folder();
    let first = store(folder.path());
    let keys = [
        commit(&first, 0, "a"),
        commit(&first, 1, "b"),
        commit(&first, 2, "c"),
    ];
    for (name, key) in ["old", "last"].iter().zip(keys) {
        let run = store(folder.path());
        run.begin_run(name, [key]).unwrap();
        run.end_run("done").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    first.begin_run("live", []).unwrap();
    first.may_rely_on(vec![keys[2]]).unwrap();
    let limits = GcLimits {
        runs: 1,
        ..KEEP_NOTHING
    };
    let survey = collect(folder.path(), &Needs::default(), limits);
    assert_eq!(
        survey.kept(),
        BTreeMap::from([(WhyKept::Run, 1), (WhyKept::Live, 1)])
    );
    assert_eq!(keys_in(folder.path()), BTreeSet::from([keys[1], keys[2]]));
    assert_eq!(first.runs().unwrap().len(), 2);
    first.end_run("done").unwrap();
    // What a run may have used is of no interest once it is over.
    collect(
        folder.path(),
        &Needs::default(),
        GcLimits { runs: 2, ..limits },
    );
    assert_eq!(keys_in(folder.path()), BTreeSet::from([keys[1]]));
    collect(folder.path(), &Needs::default(), KEEP_NOTHING);
    assert!(keys_in(folder.path()).is_empty());
    assert_eq!(objects_in(folder.path()), 0);
}

#[test]
fn work_under_way_stays_and_a_checkpoint_goes_only_when_that_is_asked_for() {
    let folder = testing::folder();
    let first = store(folder.path());
    let under_way = claim(&first, &inputs(0).key());
    fs::write(under_way.scratch().join("checkpoint"), "1").unwrap();
    let interrupted = claim(&first, &inputs(1).key());
    fs::write(interrupted.scratch().join("checkpoint"), "12345").unwrap();
    let nothing = claim(&first, &inputs(2).key());
    fs::write(nothing.output().join("half"), "written").unwrap();
    let paths = [&under_way, &interrupted, &nothing].map(|claim| claim.folder().to_owned());
    drop((interrupted, nothing));
    let survey = collect(folder.path(), &Needs::default(), KEEP_NOTHING);
    assert_eq!(survey.under_way, 1);
    let [left] = &survey.interrupted[..] else {
        panic!("{survey:?}");
    };
    assert_eq!(
        (left.bytes, left.goes, left.key),
        (5, false, inputs(1).key())
    );
    assert_eq!(
        paths.each_ref().map(|path| path.exists()),
        [true, true, false]
    );
    assert!(paths[1].join("log").exists());
    let limits = GcLimits {
        interrupted: true,
        ..KEEP_NOTHING
    };
    collect(folder.path(), &Needs::default(), limits);
    assert_eq!(
        paths.each_ref().map(|path| path.exists()),
        [true, false, false]
    );
    assert!(under_way.scratch().join("checkpoint").exists());
}

#[test]
fn contents_that_a_damaged_manifest_mentions_are_kept() {
    let folder = testing::folder();
    let first = store(folder.path());
    let key = commit(&first, 0, "days of work");
    let path = first.manifest_path(&key);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"threads\": 1", "\"threads\": 2")).unwrap();
    let survey = collect(folder.path(), &Needs::default(), KEEP_NOTHING);
    assert_eq!(survey.kept(), BTreeMap::from([(WhyKept::Damaged, 1)]));
    assert_eq!(objects_in(folder.path()), 1);
    // One of another version is in order; nobody needs it.
    fs::write(&path, text.replace("\"schema\": 3", "\"schema\": 1")).unwrap();
    collect(folder.path(), &Needs::default(), KEEP_NOTHING);
    assert_eq!(objects_in(folder.path()), 0);
}

#[test]
fn listings_that_results_refer_to_stay_and_what_killed_processes_left_goes() {
    let folder = testing::folder();
    let first = store(folder.path());
    let text = "fn a\t1\n";
    first.keep_listing(text).unwrap();
    first.keep_listing("fn b\t1\n").unwrap();
    for name in [
        ".index.partial",
        "manifests/.a.partial",
        "logs/.b.partial",
        "work/.c.partial",
    ] {
        fs::write(folder.path().join(name), "half").unwrap();
    }
    fs::write(folder.path().join(".gitignore"), "*").unwrap();
    let needs = Needs {
        listings: [crate::key::Listing::digest(text)].into(),
        ..Needs::default()
    };
    let survey = collect(folder.path(), &needs, KEEP_NOTHING);
    assert_eq!(survey.others(), 5);
    assert_eq!(first.list("listings").unwrap().len(), 1);
    assert!(folder.path().join(".gitignore").exists());
    assert!(!folder.path().join(".index.partial").exists());
}

#[test]
fn evidence_stays_as_long_as_its_result_and_goes_by_itself_only_when_that_is_asked_for() {
    let folder = testing::folder();
    let first = store(folder.path());
    let shared = [("10", "shared"), ("20", "curve"), ("30", "of its own")];
    let kept = commit_with_evidence(&first, 0, "curve", &shared);
    let other = commit_with_evidence(&first, 1, "other", &[("10", "shared"), ("20", "lost")]);
    assert_eq!(objects_in(folder.path()), 5);
    let survey = collect(folder.path(), &needs(&[kept]), KEEP_NOTHING);
    // What is an output as well is not counted.
    assert_eq!(survey.snapshots, (1, 16));
    assert_eq!((survey.bytes, survey.bytes_kept), (30, 21));
    assert_eq!(survey.removed().next().map(|gone| gone.key), Some(other));
    assert_eq!(objects_in(folder.path()), 3);
    let limits = GcLimits {
        snapshots: true,
        ..KEEP_NOTHING
    };
    let survey = collect(folder.path(), &needs(&[kept]), limits);
    assert_eq!(survey.snapshots, (1, 16));
    assert_eq!((survey.removed().count(), survey.bytes_kept), (0, 5));
    let store = Store::at(folder.path(), false);
    found(&store, &kept);
    let evidence = store.expect_manifest(&kept).unwrap().evidence;
    let there = evidence.values().map(|it| store.evidence_file(it).unwrap());
    assert_eq!(there.filter(Option::is_some).count(), 1);
    let again = collect(folder.path(), &needs(&[kept]), limits);
    assert_eq!(again.snapshots, (0, 0));
}

#[test]
fn to_make_room_evidence_counts_unless_it_goes_anyway() {
    let folder = testing::folder();
    let first = store(folder.path());
    let key = commit_with_evidence(&first, 0, "curve", &[("10", "state of some size")]);
    let survey = |snapshots, most| {
        let limits = GcLimits {
            snapshots,
            max_bytes: Some(most),
            ..KEEP_NOTHING
        };
        let store = Store::at(folder.path(), false);
        store.survey(&needs(&[key]), &limits).unwrap()
    };
    assert_eq!(survey(false, 22).removed().count(), 1);
    assert_eq!(survey(false, 23).removed().count(), 0);
    assert_eq!(survey(true, 5).removed().count(), 0);
    assert_eq!(survey(true, 4).removed().count(), 1);
}

#[test]
fn evidence_that_a_damaged_manifest_mentions_stays() {
    let folder = testing::folder();
    let first = store(folder.path());
    let key = commit_with_evidence(&first, 0, "curve", &[("10", "state")]);
    let path = first.manifest_path(&key);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"threads\": 1", "\"threads\": 2")).unwrap();
    let limits = GcLimits {
        snapshots: true,
        ..KEEP_NOTHING
    };
    let survey = collect(folder.path(), &Needs::default(), limits);
    assert_eq!((survey.snapshots, objects_in(folder.path())), ((0, 0), 2));
}

#[test]
fn listings_of_what_a_result_was_carried_over_from_stay() {
    let folder = testing::folder();
    let first = store(folder.path());
    let text = "fn a\t1\n";
    first.keep_listing(text).unwrap();
    let mut original_inputs = inputs(0);
    let code = &mut std::sync::Arc::make_mut(&mut original_inputs.basis).code;
    code.insert("nn".into(), crate::key::Listing::digest(text));
    let made = commit(&first, 1, "curve");
    let manifest = crate::Manifest {
        key: inputs(0).key(),
        key_inputs: inputs(0),
        carried_over: Some(crate::CarriedOver {
            original: original_inputs.key(),
            original_inputs,
            shown: String::new(),
            seconds: 0.0,
            host: String::new(),
            cpu: String::new(),
            stretches: Vec::new(),
        }),
        ..first.expect_manifest(&made).unwrap()
    };
    first
        .commit(&claim(&first, &manifest.key), &manifest)
        .unwrap();
    collect(folder.path(), &needs(&[manifest.key]), KEEP_NOTHING);
    assert_eq!(first.list("listings").unwrap().len(), 1);
    collect(folder.path(), &Needs::default(), KEEP_NOTHING);
    assert_eq!(first.list("listings").unwrap().len(), 0);
}

#[test]
fn evidence_that_is_another_results_output_stays() {
    let folder = testing::folder();
    let first = store(folder.path());
    let with = commit_with_evidence(&first, 0, "curve", &[("10", "other")]);
    let other = commit(&first, 1, "other");
    let limits = GcLimits {
        snapshots: true,
        ..KEEP_NOTHING
    };
    let survey = collect(folder.path(), &needs(&[with, other]), limits);
    assert_eq!((survey.snapshots, objects_in(folder.path())), ((0, 0), 2));
}
