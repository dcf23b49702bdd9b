use super::*;

#[test]
fn a_report_that_is_as_it_was_made_passes_every_level() {
    let project = finished();
    for level in [
        "lock",
        "integrity",
        "claims",
        "evaluate",
        "replay",
        "execute",
    ] {
        let answer = verify(&project, &["--level", level]);
        assert_eq!(answer.code, 0, "{level}: {}{}", answer.out, answer.err);
        assert!(answer.out.contains(level), "{}", answer.out);
    }
    let whole = checks(&project, &["--level", "execute"]);
    let of = |level: &str| whole.iter().filter(|check| check["level"] == level).count();
    // Four trainings, an evaluation and responses of each, and the six steps around them.
    assert_eq!((of("evaluate"), of("replay"), of("execute")), (8, 4, 18));
    assert!(of("lock") >= 18 && of("integrity") >= 18 && of("claims") >= 5);
}

#[test]
fn each_level_says_what_it_did_not_look_at() {
    let project = finished();
    let answer = verify(&project, &["--level", "lock"]);
    let expected = "not checked: integrity, claims, evaluate, replay, execute";
    assert!(answer.out.contains(expected), "{}", answer.out);
    let answer = verify(&project, &[]);
    assert!(
        answer
            .out
            .contains("not checked: evaluate, replay, execute"),
        "{}",
        answer.out
    );
}

#[test]
fn a_lock_needs_neither_artifacts_nor_data() {
    let project = finished();
    fs::remove_dir_all(project.path("artifacts")).unwrap();
    assert_eq!(verify(&project, &["--level", "lock"]).code, 0);
    let answer = verify(&project, &["--level", "integrity"]);
    assert_eq!(answer.code, 3, "{}", answer.out);
    assert!(!project.path("artifacts").exists());
}

#[test]
fn single_steps_and_samples_are_run_again_and_leave_nothing_behind() {
    let project = finished();
    let before = project.results();
    let again = checks(&project, &["--rebuild", "train/plain8/seed0"]);
    let executed: Vec<&Value> = again
        .iter()
        .filter(|check| check["level"] == "execute")
        .collect();
    assert_eq!(executed.len(), 1);
    assert_eq!(executed[0]["name"], "train/plain8/seed0");
    assert!(
        executed[0]["message"]
            .as_str()
            .unwrap()
            .contains("the same bytes")
    );
    let sample = |seed: &str| {
        let checks = checks(&project, &["--sample", "3", "--sample-seed", seed]);
        let executed = checks
            .into_iter()
            .filter(|check| check["level"] == "execute");
        executed
            .map(|check| check["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (one, other) = (sample("1"), sample("2"));
    assert_eq!((one.len(), other.len()), (3, 3));
    assert_eq!(one, sample("1"));
    // Also beside a level that does not go so deep; and an empty sample shows nothing.
    let lock = checks(&project, &["--level", "lock", "--rebuild", "table"]);
    assert!(
        lock.iter().any(|check| check["level"] == "execute"),
        "{lock:?}"
    );
    assert!(
        lock.iter().all(|check| check["level"] != "claims"),
        "{lock:?}"
    );
    assert_eq!(verify(&project, &["--sample", "0"]).code, 3);
    assert_ne!(one, other);
    assert!(before == project.results());
}

#[test]
fn a_step_that_does_not_exist_is_wrong_usage() {
    let project = finished();
    let answer = verify(&project, &["--rebuild", "train/plain9"]);
    assert_eq!(answer.code, 2, "{}", answer.err);
    assert!(answer.err.contains("did you mean"), "{}", answer.err);
}
