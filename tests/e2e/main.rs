//! The whole program as a person or a CI job uses it, on a pipeline of seconds.

#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use common::Project;
use nn::trained_on::TrainedOn;
use nn::weights::parse_with_metadata;
use serde_json::Value;

const TINY: &str = include_str!("../pipelines/tiny.ron");
const OURS: &str = include_str!("../../pipeline.ron");

const NONE: [&str; 0] = [];

fn finished() -> Project {
    let project = Project::new(TINY);
    let done = project.reproduce(&[]);
    assert_eq!(
        (done.code, done.ran.len(), done.failed.len()),
        (0, 18, 0),
        "{done:?}"
    );
    project
}

/// The object behind an output.
fn object(project: &Project, output: &str) -> PathBuf {
    fs::canonicalize(project.path("artifacts/by-step").join(output)).unwrap()
}

#[test]
fn a_second_run_does_nothing_and_a_deleted_or_edited_report_comes_back() {
    let project = finished();
    let before = project.results();
    assert!(
        before
            .iter()
            .any(|(path, _)| path.ends_with("tiny/fig6.svg"))
    );
    let again = project.reproduce(&[]);
    assert_eq!(again.ran, NONE);
    assert_eq!(again.up_to_date.len(), 18);
    fs::remove_dir_all(project.path("reports")).unwrap();
    assert_eq!(project.reproduce(&[]).ran, NONE);
    assert_eq!(project.results(), before);

    let table = project.path("reports/tiny/results.md");
    fs::write(table, "a better number").unwrap();
    assert_eq!(project.reproduce(&[]).ran, NONE);
    assert_eq!(project.results(), before);
}

#[test]
fn a_deleted_or_damaged_output_runs_its_own_step_alone() {
    let project = finished();
    let before = project.results();
    fs::remove_file(object(&project, "evaluate/resnet8/seed0/evaluation.json")).unwrap();
    assert_eq!(project.reproduce(&[]).ran, ["evaluate/resnet8/seed0"]);

    let weights = object(&project, "train/plain8/seed1/weights.safetensors");
    fs::set_permissions(&weights, fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    let plan = project.status(&["train/plain8/seed1"]);
    assert_eq!(
        plan[2]["reasons"][0]["what"],
        "weights.safetensors was altered"
    );
    assert_eq!(project.reproduce(&[]).ran, ["train/plain8/seed1"]);
    assert_eq!(project.results(), before);
}

#[test]
fn the_number_of_jobs_leaves_no_trace_in_the_results() {
    let (one, two) = (Project::new(TINY), Project::new(TINY));
    assert_eq!(one.reproduce(&["--jobs", "1"]).code, 0);
    assert_eq!(two.reproduce(&["--jobs", "2"]).code, 0);
    let (one, two) = (one.results(), two.results());
    assert!(one.len() > 30, "{} files", one.len());
    assert!(one == two);
}

#[test]
fn a_forced_step_runs_again_and_is_held_against_its_result() {
    let project = finished();
    let answer = project.fig6(&["reproduce", "--json", "--force", "train/resnet8/seed0"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let events: Vec<Value> = answer
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let finished = events
        .iter()
        .find(|event| event["event"] == "finished")
        .unwrap();
    let done = events.last().unwrap();
    assert_eq!(finished["same_bytes"], true);
    assert_eq!(done["ran"], serde_json::json!(["train/resnet8/seed0"]));
    assert_eq!(done["up_to_date"].as_array().unwrap().len(), 17);
    // The time is this run's, not that of the result which is kept.
    assert!(
        finished["seconds"].as_f64() <= done["seconds"].as_f64(),
        "{finished}"
    );
}

#[test]
fn an_edit_runs_what_reads_it_and_undoing_it_runs_nothing() {
    let project = finished();
    project.edit("learning_rate: 0.1", "learning_rate: 0.05");
    let states = project.status(&[]);
    assert_eq!(
        (&states[0]["state"], &states[1]["state"]),
        (&"up-to-date".into(), &"up-to-date".into())
    );
    assert_eq!(
        (&states[2]["state"], &states[3]["state"]),
        (&"must-run".into(), &"may-run".into())
    );
    let reason = &states[2]["reasons"][0];
    assert_eq!(reason["name"], "recipe.schedule.learning_rate");
    assert_eq!(
        (&reason["old"], &reason["new"]),
        (&"0.1".into(), &"0.05".into())
    );
    let done = project.reproduce(&[]);
    assert_eq!(done.up_to_date, ["download", "preprocess"]);
    project.edit("learning_rate: 0.05", "learning_rate: 0.1");
    assert_eq!(project.reproduce(&[]).ran, NONE);

    project.edit("mean: 12.5", "mean: 12.25");
    assert_eq!(project.reproduce(&[]).ran, ["table"]);
    project.edit("seeds: [0, 1]", "seeds: [0, 1, 2]");
    let ran = project.reproduce(&[]).ran;
    let expected = [
        "train/plain8/seed2",
        "evaluate/plain8/seed2",
        "responses/plain8/seed2",
        "train/resnet8/seed2",
        "evaluate/resnet8/seed2",
        "responses/resnet8/seed2",
        "aggregate",
        "plot/fig6",
        "plot/fig7",
        "table",
    ];
    assert_eq!(ran, expected);
}

#[test]
fn targets_run_what_they_need_and_no_more() {
    let project = Project::new(TINY);
    let done = project.reproduce(&["train/plain8"]);
    assert_eq!(
        done.ran,
        [
            "download",
            "preprocess",
            "train/plain8/seed0",
            "train/plain8/seed1"
        ]
    );
}

#[test]
fn a_dry_run_lists_the_paper_without_touching_anything() {
    let project = Project::new(OURS);
    let answer = project.fig6(&["reproduce", "--profile", "paper", "--dry-run"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    // How fast this machine trains was measured; all else never ran here.
    let last = answer.out.lines().last().unwrap();
    assert!(
        last.starts_with("0 up to date, 141 must run (about ")
            && last.ends_with(", and 96 that never ran here), 0 may run"),
        "{last}"
    );
    assert!(answer.out.contains("train/resnet110/seed4"));
    assert!(!project.path("artifacts").exists() && !project.path("reports").exists());
}

#[test]
fn the_networks_have_the_papers_size_and_cost() {
    let project = Project::new(OURS);
    let mut steps = project.status(&["--profile", "paper", "train"]);
    steps.extend(project.status(&["--profile", "deep", "train"]));
    let expected = [
        (20, 269_722_u64, 40_551_040_u64),
        (32, 464_154, 68_862_592),
        (44, 658_586, 97_174_144),
        (56, 853_018, 125_485_696),
        (110, 1_727_962, 252_887_680),
        (1202, 19_421_274, 2_829_238_912),
    ];
    let mut seen = 0;
    for step in steps.iter().filter(|step| step.get("network").is_some()) {
        let network = &step["network"];
        let number = |name: &str| network[name].as_u64().unwrap();
        let found = (
            number("layers"),
            number("parameters"),
            number("multiply_adds"),
        );
        assert!(expected.contains(&found), "{found:?}");
        let name = step["step"].as_str().unwrap();
        assert!(
            name.contains(&format!("t{}/seed", found.0))
                || name.contains(&format!("n{}/seed", found.0)),
            "{name}"
        );
        seen += 1;
    }
    assert_eq!(seen, 9 * 5 + 2);
}

#[test]
fn wrong_usage_and_wrong_files_say_so_and_touch_nothing() {
    let project = Project::new(TINY);
    for (arguments, said) in [
        (
            &["reproduce", "--profile", "tinny"][..],
            "unknown profile \"tinny\"; did you mean \"tiny\"?",
        ),
        (
            &["reproduce", "train/resnet9"],
            "unknown target \"train/resnet9\"; did you mean \"train/resnet8\"?",
        ),
        (&["reproduce", "--device", "flexx"], "did you mean flex?"),
        (&["reproduce", "--device", "cuda:0"], "--features"),
        (
            &["reproduce", "--pipeline", "none.ron"],
            "cannot read the pipeline file none.ron; `fig6 init` writes one",
        ),
        (&["reproduce", "--jobs", "0"], "--jobs"),
        (&["reproduce", "--frobnicate"], "--frobnicate"),
        (&["log", "trian"], "unknown step"),
    ] {
        let answer = project.fig6(arguments);
        assert_eq!(answer.code, 2, "{arguments:?}: {}", answer.err);
        assert!(answer.err.contains(said), "{arguments:?}: {}", answer.err);
    }
    project.edit("momentum:", "momentun:");
    let answer = project.fig6(&["reproduce"]);
    assert_eq!(answer.code, 2);
    assert!(
        answer.err.contains("pipeline.ron:11:") && answer.err.contains("`momentum`"),
        "{}",
        answer.err
    );
    assert!(!project.path("artifacts").exists() && !project.path("reports").exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_said_before_anything_runs() {
    for folder in ["artifacts", "reports"] {
        let project = Project::new(TINY);
        fs::write(project.path(folder), "a file").unwrap();
        let answer = project.fig6(&["reproduce"]);
        assert_eq!(answer.code, 1);
        assert!(
            answer.err.contains(&format!("--{folder}")),
            "{}",
            answer.err
        );
        assert_eq!(answer.err.lines().count(), 1, "{}", answer.err);
        assert!(!project.path("artifacts/objects").exists());
    }
}

/// A project whose images are an archive that only a mirror could have.
fn with_archive() -> Project {
    let project = Project::new(TINY);
    project.edit(
        "generated(train: 60, test: 20, seed: 6)",
        &format!(
            "archives([(url: \"file:///nowhere/images.tar.gz\", bytes: 5, sha256: \"{}\")])",
            "0".repeat(64)
        ),
    );
    project
}

#[test]
fn a_failing_step_names_itself_its_cause_and_its_log() {
    let project = with_archive();
    let answer = project.fig6(&["reproduce"]);
    assert_eq!(answer.code, 1);
    for said in [
        "download:",
        "/nowhere/images.tar.gz: no such file",
        "--mirror",
        "log: ",
    ] {
        assert!(answer.err.contains(said), "{said} is not in {}", answer.err);
    }
    assert!(
        answer.out.contains("1 failed, 17 skipped"),
        "{}",
        answer.out
    );
    let log = project.fig6(&["log", "download"]);
    assert!(log.out.contains("images.tar.gz"), "{}", log.out);
    assert!(project.fig6(&["log", "table"]).err.contains("never ran"));
    assert_eq!(
        fs::read_dir(project.path("artifacts/objects"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_wrong_digest_shows_both_and_where_the_file_came_from() {
    let project = with_archive();
    fs::create_dir(project.path("mirror")).unwrap();
    fs::write(project.path("mirror/images.tar.gz"), "other").unwrap();
    let done = project.fig6(&["reproduce", "--mirror", "mirror"]);
    assert_eq!(done.code, 1);
    let found = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";
    for said in [found, &"0".repeat(64), "mirror/images.tar.gz"] {
        assert!(done.err.contains(said), "{said} is not in {}", done.err);
    }
}

#[test]
fn the_graph_is_drawn_in_every_language() {
    let project = Project::new(TINY);
    let graph: Value = serde_json::from_str(&project.fig6(&["graph", "--json"]).out).unwrap();
    assert_eq!(graph["steps"].as_array().unwrap().len(), 18);
    let steps = graph["steps"].as_array().unwrap();
    for format in ["dot", "mermaid", "svg"] {
        let drawing = project.fig6(&["graph", "--format", format]).out;
        for step in steps {
            let name = step["step"].as_str().unwrap();
            assert!(
                drawing.contains(name),
                "{name} is not in {format}: {drawing}"
            );
        }
    }
    assert!(project.fig6(&["completions", "bash"]).out.contains("fig6"));
    assert!(project.fig6(&["devices"]).out.contains("flex"));
}

#[test]
fn two_runs_at_once_share_the_work() {
    let project = Project::new(TINY);
    let (one, two) = std::thread::scope(|scope| {
        let other = scope.spawn(|| project.reproduce(&[]));
        (project.reproduce(&[]), other.join().unwrap())
    });
    assert_eq!((one.code, two.code), (0, 0));
    assert_eq!(one.ran.len() + two.ran.len(), 18, "{one:?} {two:?}");
}

#[test]
fn an_output_that_nobody_reads_is_no_crash() {
    let project = Project::new(TINY);
    for arguments in [
        &["reproduce"][..],
        &["reproduce", "--json"],
        &["status"],
        &["status", "--json"],
        &["graph"],
        &["completions", "bash"],
    ] {
        let (code, said) = project.unread(arguments);
        assert_eq!((code, said.as_str()), (0, ""), "{arguments:?}");
    }
    assert_eq!(project.reproduce(&[]).ran, NONE);
}

/// A project in which the plain nets' training cannot succeed.
fn diverging() -> Project {
    let project = Project::new(TINY);
    project.edit(
        "(n: 1, shortcut: \"none\")",
        "(n: 1, shortcut: \"none\", warm_up: \"mad\")",
    );
    let mad = "    warm_ups: { \"mad\": iterations(learning_rate: 1e30, iterations: 4, slip: false) },\n    seeds";
    project.edit("    seeds", mad);
    project
}

#[test]
fn a_failure_stops_the_run_or_only_what_needs_the_failed_step() {
    let project = diverging();
    let done = project.reproduce(&["--jobs", "1"]);
    assert_eq!(
        (done.code, &done.failed[..]),
        (1, &["train/plain8/seed0".to_owned()][..])
    );
    assert_eq!(done.ran, ["download", "preprocess"]);

    let done = project.reproduce(&["--keep-going"]);
    assert_eq!(done.code, 1);
    assert_eq!(done.failed, ["train/plain8/seed0", "train/plain8/seed1"]);
    let expected = [
        "train/resnet8/seed0",
        "evaluate/resnet8/seed0",
        "responses/resnet8/seed0",
        "train/resnet8/seed1",
        "evaluate/resnet8/seed1",
        "responses/resnet8/seed1",
        "aggregate",
        "plot/fig6",
        "plot/fig7",
        "table",
    ];
    assert_eq!(done.ran, expected);
    assert_eq!(
        done.skipped,
        [
            "evaluate/plain8/seed0",
            "responses/plain8/seed0",
            "evaluate/plain8/seed1",
            "responses/plain8/seed1"
        ]
    );
}

#[test]
fn a_run_that_keeps_going_marks_what_is_missing_in_table_and_figure() {
    let project = diverging();
    let answer = project.fig6(&["reproduce", "--keep-going"]);
    assert_eq!(answer.code, 1);
    let said = "the loss is NaN at iteration ";
    assert!(answer.err.contains(said), "{}", answer.err);
    assert!(
        answer.err.contains("with learning rate 1e30"),
        "{}",
        answer.err
    );
    assert!(
        answer.err.contains("there is no checkpoint yet"),
        "{}",
        answer.err
    );
    let table = project.read("reports/tiny/results.md");
    let said = "holes, because trainings or evaluations have failed: Plain-8 (seeds 0, 1).";
    assert!(table.contains(said), "{table}");
    let row = table
        .lines()
        .find(|line| line.contains("Plain-8 "))
        .unwrap();
    assert!(row.contains(" failed |"), "{table}");
    let figure = project.read("reports/tiny/fig6.svg");
    assert!(figure.contains("Missing, because training failed: Plain-8 (seeds 0, 1)."));
    let figure = project.read("reports/tiny/fig7.svg");
    assert!(
        figure.contains("Missing, because training or evaluation failed: Plain-8 (seeds 0, 1).")
    );
    assert!(figure.contains("ResNet-8") && !figure.contains("\nPlain-8"));
    let results: Value = serde_json::from_str(&project.read("reports/tiny/results.json")).unwrap();
    assert_eq!(results["missing"][0]["seeds"], serde_json::json!([0, 1]));
    assert_eq!(results["rows"].as_array().unwrap().len(), 1);

    // Once the trainings succeed the holes are gone, and only what they touch has run.
    project.edit("learning_rate: 1e30", "learning_rate: 0.1");
    let done = project.reproduce(&[]);
    assert_eq!(done.code, 0);
    assert!(done.up_to_date.contains(&"train/resnet8/seed1".to_owned()));
    assert!(!project.read("reports/tiny/results.md").contains("holes"));
    assert!(!project.read("reports/tiny/fig6.svg").contains("Missing"));
}

#[test]
fn an_evaluation_counts_what_its_predictions_say_and_confirms_the_training() {
    let project = finished();
    let folder = "artifacts/by-step/evaluate/resnet8/seed1";
    let evaluation: Value =
        serde_json::from_str(&project.read(&format!("{folder}/evaluation.json"))).unwrap();
    let predictions = project.read(&format!("{folder}/predictions.csv"));
    let mut confusion = vec![vec![0_u64; 10]; 10];
    for (index, line) in predictions.lines().skip(1).enumerate() {
        let fields: Vec<usize> = line
            .split(',')
            .map(|field| field.parse().unwrap())
            .collect();
        assert_eq!(fields[0], index);
        confusion[fields[1]][fields[2]] += 1;
    }
    assert_eq!(evaluation["confusion"], serde_json::json!(confusion));
    let right: u64 = (0..10).map(|class| confusion[class][class]).sum();
    assert_eq!(
        (&evaluation["images"], &evaluation["errors"]),
        (&20.into(), &(20 - right).into())
    );
    for (class, record) in evaluation["classes"].as_array().unwrap().iter().enumerate() {
        let images: u64 = confusion[class].iter().sum();
        assert_eq!(record["images"], images);
        assert_eq!(record["errors"], images - confusion[class][class]);
    }
    let training = project.read("artifacts/by-step/train/resnet8/seed1/training.json");
    let training: Value = serde_json::from_str(&training).unwrap();
    assert_eq!(training["last"]["test_error"], evaluation["test_error"]);
}

#[test]
fn weights_say_which_classes_and_moments_they_were_trained_with() {
    let project = finished();
    let json = |name: &str| -> Value {
        let text = project.read(&format!("artifacts/by-step/preprocess/{name}"));
        serde_json::from_str(&text).unwrap()
    };
    let weights = project.path("artifacts/by-step/train/resnet8/seed1/weights.safetensors");
    let (_, header) = parse_with_metadata(&fs::read(weights).unwrap()).unwrap();
    let known = TrainedOn::from_metadata(&header);
    assert_eq!(serde_json::json!(known.classes), json("classes.json"));
    let moments = serde_json::json!({ "mean": known.mean, "std": known.std });
    assert_eq!(moments, json("statistics.json"));
}

/// The one object of `explain --json`.
fn explain(project: &Project, step: &str) -> Value {
    let answer = project.fig6(&["explain", step, "--json"]);
    serde_json::from_str(&answer.out).unwrap_or_else(|_| panic!("{}", answer.err))
}

#[test]
fn an_explanation_names_what_changed_old_and_new_back_to_the_root() {
    let project = finished();
    let nothing = explain(&project, "table");
    assert_eq!(nothing["state"], "up-to-date");
    assert_eq!(nothing["reasons"], serde_json::json!([]));
    let because = &nothing["compared_with"]["run"]["because"];
    assert_eq!(because, &serde_json::json!(["no result yet"]));
    let text = project.fig6(&["explain", "table"]).out;
    assert!(
        text.contains("nothing that it depends on has changed"),
        "{text}"
    );

    project.edit("validation: 10", "validation: 12");
    let train = explain(&project, "train/resnet8/seed0");
    assert_eq!(train["state"], "may-run");
    assert_eq!(train["open"].as_array().unwrap().len(), 5);
    let cause = &train["causes"][0];
    assert_eq!(cause["steps"], serde_json::json!(["preprocess"]));
    assert_eq!(cause["state"], "must-run");
    let reason = &cause["reasons"][0];
    assert_eq!(
        (&reason["name"], &reason["old"], &reason["new"]),
        (&"validation".into(), &"10".into(), &"12".into())
    );

    // After the producer has run, its consumer's input has changed, for that same reason.
    assert_eq!(project.reproduce(&["preprocess"]).ran, ["preprocess"]);
    let train = explain(&project, "train/resnet8/seed0");
    assert_eq!(train["state"], "must-run");
    let input = &train["reasons"][0];
    assert_eq!(
        (&input["part"], &input["from"]),
        (&"input".into(), &"preprocess".into())
    );
    assert_eq!(train["causes"][0]["state"], "changed");
    assert_eq!(train["causes"][0]["reasons"][0]["name"], "validation");
    let text = project.fig6(&["explain", "aggregate"]).out;
    assert!(
        text.contains(
            "train/plain8/seed0, train/plain8/seed1, train/resnet8/seed0 and 1 more must run"
        ),
        "{text}"
    );
    let text = project.fig6(&["explain", "train/resnet8/seed0"]).out;
    for said in [
        "preprocess made other bytes than before",
        "validation: 10 → 12",
        "made by preprocess",
    ] {
        assert!(text.contains(said), "{said} is not in {text}");
    }
}

#[test]
fn a_step_that_makes_the_same_bytes_again_stops_the_wave() {
    let project = finished();
    fs::remove_file(object(&project, "preprocess/split.json")).unwrap();
    let answer = project.fig6(&["reproduce"]);
    assert!(
        answer
            .out
            .contains("preprocess ran again, same bytes: 16 steps stay valid"),
        "{}",
        answer.out
    );
    assert!(
        answer.out.contains("1 ran, 17 up to date"),
        "{}",
        answer.out
    );
    assert!(
        answer.out.contains("split.json is missing"),
        "{}",
        answer.out
    );
}

#[test]
fn a_plan_says_how_long_it_will_take_and_every_start_says_why() {
    let project = finished();
    project.edit("learning_rate: 0.1", "learning_rate: 0.05");
    let status: Value = serde_json::from_str(&project.fig6(&["status", "--json"]).out).unwrap();
    let train = &status["steps"][2];
    assert!(train["expected_seconds"].as_f64().unwrap() > 0.0, "{train}");
    assert!(status["expected_seconds"]["must_run"].as_f64().unwrap() > 0.0);
    let text = project.fig6(&["reproduce", "--dry-run"]).out;
    assert!(text.contains("2 up to date, 4 must run (about "), "{text}");
    assert!(text.contains("), 12 may run (up to "), "{text}");
    let run = project.fig6(&["reproduce"]).out;
    let starts: Vec<&str> = run
        .lines()
        .filter(|line| line.starts_with("start "))
        .collect();
    assert_eq!(starts.len(), 16, "{run}");
    assert!(
        starts[0].ends_with("recipe.schedule.learning_rate: 0.1 → 0.05"),
        "{run}"
    );
    let table = "start table: input summary.json: ";
    assert!(starts.iter().any(|start| start.starts_with(table)), "{run}");
}

#[test]
fn a_manifest_of_another_version_is_named_and_its_step_runs_again() {
    let project = finished();
    let manifest = fs::canonicalize(project.path("artifacts/by-step/table/manifest.json")).unwrap();
    for (version, text) in [(1, "\"schema\": 1"), (99, "\"schema\": 99")] {
        let whole = fs::read_to_string(&manifest).unwrap();
        fs::write(&manifest, whole.replace("\"schema\": 3", text)).unwrap();
        let answer = project.fig6(&["reproduce"]);
        let said = format!("it has schema version {version}, and this fig6 reads 3");
        assert!(answer.out.contains(&said), "{}", answer.out);
        assert!(
            answer.out.contains("1 ran, 17 up to date"),
            "{}",
            answer.out
        );
    }
}

/// Copies a folder, links as links; every file gets a new time stamp.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, new) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&path, &new),
            kind if kind.is_symlink() => {
                std::os::unix::fs::symlink(fs::read_link(&path).unwrap(), new).unwrap();
            }
            _ => drop(fs::copy(&path, &new).unwrap()),
        }
    }
}

#[test]
fn a_copy_of_the_artifacts_is_used_as_it_is_with_a_torn_index_too() {
    let project = finished();
    let other = Project::new(TINY);
    copy(&project.path("artifacts"), &other.path("artifacts"));
    assert_eq!(other.reproduce(&[]).ran, NONE);
    assert_eq!(other.results(), project.results());
    // Files that changed a moment ago are not remembered.
    std::thread::sleep(std::time::Duration::from_millis(60));
    assert_eq!(other.reproduce(&[]).ran, NONE);
    let index = other.path("artifacts/index");
    let whole = fs::read(&index).unwrap();
    for torn in [
        &whole[..whole.len() / 2],
        &whole[..10],
        b"",
        b"fig6 index 1\n",
    ] {
        fs::write(&index, torn).unwrap();
        assert_eq!(other.reproduce(&[]).ran, NONE);
        assert!(
            fs::read(&index).unwrap().len() > 1000,
            "the index was not made again"
        );
    }
    // An index that says that all is well, and artifacts that are not.
    let damaged = object(&other, "table/results.md");
    fs::remove_file(&damaged).unwrap();
    fs::write(&damaged, "| a better table |").unwrap();
    assert_eq!(other.reproduce(&[]).ran, ["table"]);
    assert_eq!(other.results(), project.results());
}
