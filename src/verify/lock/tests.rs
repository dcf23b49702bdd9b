use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::pipeline::Pipeline;
use crate::report::made_up_tests::{Project, TINY, edit};
use crate::verify::overall;

fn published() -> Project {
    let project = Project::new(TINY, 1);
    project.publish();
    project
}

fn checked(project: &Project) -> Vec<Check> {
    lock(&project.experiment, &project.report())
}

fn failed(checks: &[Check]) -> Vec<(&str, &str)> {
    let failed = checks.iter();
    let failed = failed.filter(|check| check.status == Status::Failed);
    failed
        .map(|check| (check.name.as_str(), check.message.as_str()))
        .collect()
}

/// Changes `provenance.json` by its JSON, keeping parameters as they are written.
fn alter(project: &Project, change: impl FnOnce(&mut Statement)) {
    let path = project.report().join("provenance.json");
    let mut statement = Statement::read(&project.report()).unwrap();
    change(&mut statement);
    fs::write(path, statement.text()).unwrap();
}

fn record<'a>(statement: &'a mut Statement, name: &str) -> &'a mut StepRecord {
    let internal = &mut statement.predicate.build_definition.internal_parameters;
    let mut steps = internal.steps.iter_mut();
    steps.find(|step| step.step == name).unwrap()
}

/// The report was altered in this way: verification fails at this name, with these words.
#[track_caller]
fn expect_failure(what: &str, alteration: impl FnOnce(&Project), name: &str, words: &str) {
    let project = published();
    alteration(&project);
    let checks = checked(&project);
    let failed = failed(&checks);
    let found = failed
        .iter()
        .any(|(at, said)| *at == name && said.contains(words));
    assert!(found, "{what}: {failed:?}");
}

#[test]
fn an_unchanged_report_passes_with_a_check_for_each_step_and_file() {
    let project = published();
    let checks = checked(&project);
    assert_eq!(overall(&checks), Status::Passed, "{checks:?}");
    for name in project.graph.steps().iter().map(|step| step.name.as_str()) {
        assert!(checks.iter().any(|check| check.name == name), "{name}");
    }
    for name in [
        "provenance.json",
        "results.md",
        "results.json",
        "fig6.svg",
        "pipeline.ron",
    ] {
        assert!(checks.iter().any(|check| check.name == name), "{name}");
    }
    let training = checks
        .iter()
        .find(|check| check.name == "train/plain8/seed0");
    let said = &training.unwrap().message;
    assert!(
        said.contains("computed by") && said.contains("rustc"),
        "{said}"
    );
}

#[test]
fn a_changed_digit_in_any_file_of_the_report_fails_there() {
    for name in ["results.md", "results.json", "fig6.svg"] {
        let change = |project: &Project| edit(&project.report().join(name), "12.34", "12.33");
        expect_failure(name, change, name, "it was edited");
    }
    let change = |project: &Project| {
        edit(
            &project.report().join("pipeline.ron"),
            "iterations: 4",
            "iterations: 5",
        );
    };
    expect_failure(
        "the pipeline's copy",
        change,
        "pipeline.ron",
        "it was edited",
    );
    let remove = |project: &Project| {
        fs::remove_file(project.report().join("results.md")).unwrap();
    };
    expect_failure("no file", remove, "results.md", "cannot read");
}

#[test]
fn a_page_that_says_anything_else_than_the_rest_of_the_report_fails() {
    let other = "it is not what the rest of the report gives";
    let not_made = "is not what that step is recorded to have made";
    for (what, from, to, said) in [
        ("a number of the table", ">12.50<", ">11.50<", other),
        (
            "a number of a curve",
            "[12.34,12.34]",
            "[12.34,11.34]",
            not_made,
        ),
        ("an evaluation", "\"errors\":1,", "\"errors\":0,", not_made),
        ("a time", "\"seconds\":61.5", "\"seconds\":1.5", other),
        ("the style", "--ink: #", "--inc: #", other),
        (
            "the data",
            "\"runs\":[",
            "\"walks\":[",
            "its data is cut short or altered",
        ),
        (
            "what stands before the data",
            page_data(),
            "<i>",
            "it carries no data",
        ),
        (
            "the seal",
            "BLAKE3 of all above",
            "BLAKE3 of all below",
            other,
        ),
    ] {
        let change = |project: &Project| edit(&project.report().join(page::FILE), from, to);
        expect_failure(what, change, page::FILE, said);
    }
    let remove = |project: &Project| {
        fs::remove_file(project.report().join(page::FILE)).unwrap();
    };
    expect_failure("no page", remove, page::FILE, "cannot read");
}

fn page_data() -> &'static str {
    crate::page::DATA
}

#[test]
fn a_seed_left_out_fails_wherever_it_is_missed() {
    for name in [
        "train/plain8/seed1",
        "evaluate/resnet8/seed0",
        "aggregate",
        "table",
    ] {
        let remove = |project: &Project| {
            alter(project, |statement| {
                let internal = &mut statement.predicate.build_definition.internal_parameters;
                internal.steps.retain(|step| step.step != name);
            });
        };
        expect_failure(name, remove, name, "the report was made without");
    }
}

#[test]
fn an_edited_record_is_altered_whatever_is_edited_in_it() {
    let zero = Digest::from_bytes([0; 32]);
    type Edit = Box<dyn Fn(&mut Statement)>;
    fn of(name: &'static str, edit: impl Fn(&mut StepRecord) + 'static) -> Edit {
        Box::new(move |statement| edit(record(statement, name)))
    }
    let train = "train/plain8/seed0";
    let edits: Vec<(&str, Edit, &str, &str)> = vec![
        (
            "key",
            of(train, move |step| step.key = zero),
            train,
            "not the hash",
        ),
        (
            "output",
            of(train, move |step| {
                step.outputs.get_mut("weights.safetensors").unwrap().blake3 = zero;
            }),
            "evaluate/plain8/seed0",
            "its input weights.safetensors is not what",
        ),
        (
            "output that nobody reads",
            of("table", move |step| {
                step.outputs.get_mut("results.md").unwrap().blake3 = zero
            }),
            "results.md",
            "its digest is not that of what its step",
        ),
        (
            "parameter",
            of(train, |step| {
                let text = step.parameters.text().replace("\"seed\":0", "\"seed\":7");
                step.parameters = Parameters::from(text);
            }),
            train,
            "not the hash",
        ),
        (
            "kind",
            of(train, |step| step.kind = "plot".into()),
            train,
            "its kind is not",
        ),
        (
            "input",
            of(train, move |step| {
                step.inputs.get_mut("train.bin").unwrap().blake3 = zero
            }),
            train,
            "not the hash",
        ),
        (
            "producer",
            of(train, |step| {
                step.inputs.get_mut("train.bin").unwrap().from = "table".into()
            }),
            train,
            "its input train.bin is not what table",
        ),
        (
            "basis",
            of(train, |step| step.basis = 99),
            train,
            "is not recorded",
        ),
        (
            "a step twice",
            Box::new(|statement| {
                let again = record(statement, "table").clone();
                let internal = &mut statement.predicate.build_definition.internal_parameters;
                internal.steps.push(again);
            }),
            "table",
            "recorded twice",
        ),
        (
            "another basis",
            of(train, |step| step.basis = 0),
            train,
            "its kind is not",
        ),
    ];
    for (what, edit, name, words) in edits {
        expect_failure(what, |project| alter(project, edit), name, words);
    }
}

#[test]
fn other_parameters_in_the_pipeline_are_named_with_both_values() {
    let project = published();
    let said = |from: &str, to: &str| -> Vec<(String, String)> {
        assert!(TINY.contains(from), "{from}");
        let pipeline = Pipeline::parse(&TINY.replacen(from, to, 1), "p").unwrap();
        let experiment = pipeline.experiment(Some("tiny")).unwrap();
        let checks = lock(experiment, &project.report());
        let failed = failed(&checks).into_iter();
        failed
            .map(|(name, said)| (name.to_owned(), said.to_owned()))
            .collect()
    };
    let other = said("momentum: 0.9", "momentum: 0.8");
    let names: Vec<&str> = other.iter().map(|(name, _)| name.as_str()).collect();
    let trainings = [
        "plain8/seed0",
        "plain8/seed1",
        "resnet8/seed0",
        "resnet8/seed1",
    ];
    assert_eq!(names, trainings.map(|run| format!("train/{run}")));
    assert_eq!(other[0].1, "recipe.momentum: 0.9 → 0.8");
    let more = said("seeds: [0, 1]", "seeds: [0, 1, 2]");
    let missing = (
        "train/plain8/seed2".to_owned(),
        "the pipeline has it, and the report was made without".to_owned(),
    );
    assert!(more.contains(&missing), "{more:?}");
    let fewer = said("seeds: [0, 1]", "seeds: [0]");
    assert!(
        fewer
            .iter()
            .any(|(name, said)| name == "evaluate/plain8/seed1" && said.contains("no such step"))
    );
    let data = said("train: 60", "train: 61");
    assert!(
        data.iter()
            .any(|(name, said)| name == "download" && said.contains("60 → 61")),
        "{data:?}"
    );
    assert_eq!(said("\"tiny\": (models", "\"tiny\": ( models"), []);
}

#[test]
fn other_code_and_other_crates_are_named_by_module_and_crate() {
    let project = published();
    alter(&project, |statement| {
        let internal = &mut statement.predicate.build_definition.internal_parameters;
        for basis in &mut internal.bases {
            if basis.kind == "train" {
                let basis = std::sync::Arc::make_mut(basis);
                *basis.code.get_mut("nn").unwrap() = Digest::of(b"other code");
                let crates = basis.crates.get_mut("dependencies");
                *crates.unwrap() = Digest::of(b"other crate");
            }
        }
        let keys: Vec<_> = internal
            .steps
            .iter()
            .map(|step| internal.key_inputs(step).unwrap().key())
            .collect();
        for (step, key) in internal.steps.iter_mut().zip(keys) {
            step.key = key;
        }
        let digest = statement.internal().code_digest().to_string();
        let dependencies = &mut statement.predicate.build_definition.resolved_dependencies;
        let fig6 = dependencies
            .iter_mut()
            .find(|it| it.name == "fig6")
            .unwrap();
        fig6.digest.insert("blake3".into(), digest);
    });
    let checks = checked(&project);
    let failed = failed(&checks);
    assert_eq!(failed.len(), 5, "{failed:?}");
    // The page is that of the record as it was.
    for (name, said) in failed.into_iter().filter(|(name, _)| *name != page::FILE) {
        assert!(name.starts_with("train/"), "{name}");
        assert!(
            said.contains("code nn: ") && said.contains("dependencies: "),
            "{said}"
        );
    }
}

#[test]
fn another_backend_and_compiler_of_the_numbers_are_no_difference() {
    let project = published();
    alter(&project, |statement| {
        let internal = &mut statement.predicate.build_definition.internal_parameters;
        for basis in &mut internal.bases {
            if let Some(numeric) = &basis.numeric {
                let mut elsewhere = numeric.clone();
                elsewhere.architecture = "riscv64".into();
                elsewhere.compiler = "rustc 9".into();
                *basis = Bases::today(&basis.kind, Some(&elsewhere)).unwrap().into();
            }
        }
        let keys: Vec<_> = internal
            .steps
            .iter()
            .map(|step| internal.key_inputs(step).unwrap().key())
            .collect();
        for (step, key) in internal.steps.iter_mut().zip(keys) {
            step.key = key;
        }
        let digest = statement.internal().code_digest().to_string();
        let dependencies = &mut statement.predicate.build_definition.resolved_dependencies;
        let fig6 = dependencies
            .iter_mut()
            .find(|it| it.name == "fig6")
            .unwrap();
        fig6.digest.insert("blake3".into(), digest);
    });
    let mut checks = checked(&project);
    // The page is that of the record as it was.
    checks.retain(|check| check.name != page::FILE);
    assert_eq!(overall(&checks), Status::Passed, "{:?}", failed(&checks));
    assert!(checks.iter().any(|check| check.message.contains("riscv64")));
}

#[test]
fn a_report_without_provenance_is_undecided_and_one_that_cannot_be_read_fails() {
    let project = published();
    let path = project.report().join("provenance.json");
    let text = fs::read_to_string(&path).unwrap();
    let only = |text: &str| {
        fs::write(&path, text).unwrap();
        let mut checks = checked(&project);
        assert_eq!(checks.len(), 1, "{checks:?}");
        checks.remove(0)
    };
    for wrong in ["", "{", "[]", "null", "no JSON", &text[..text.len() / 2]] {
        assert_eq!(only(wrong).status, Status::Failed, "{wrong}");
    }
    let old = only(&text.replace("reproduce/v1", "reproduce/v0"));
    assert_eq!(old.status, Status::Undecided);
    assert!(
        old.message.contains("fig6 reproduce --profile tiny"),
        "{}",
        old.message
    );
    fs::remove_file(&path).unwrap();
    let none = checked(&project).remove(0);
    assert_eq!(none.status, Status::Undecided);
    assert!(
        none.message.contains("fig6 reproduce --profile tiny"),
        "{}",
        none.message
    );
    let nowhere = lock(&project.experiment, &project.path("nowhere"));
    assert_eq!(overall(&nowhere), Status::Undecided);
    fs::create_dir(&path).unwrap();
    assert_eq!(overall(&checked(&project)), Status::Failed);
}

#[test]
fn what_leads_out_of_the_folder_or_belongs_to_no_step_is_refused() {
    for name in [
        "../results.md",
        "/etc/passwd",
        "..",
        "a/b",
        ".hidden",
        "",
        "other.md",
    ] {
        let rename = |project: &Project| {
            alter(project, |statement| {
                let mut subjects = statement.subject.iter_mut();
                let table = subjects.find(|subject| subject.name == "results.md");
                table.unwrap().name = name.to_owned();
            });
        };
        expect_failure(name, rename, name, "no step makes it");
        expect_failure(name, rename, "results.md", "does not name it");
    }
    let twice = |project: &Project| {
        alter(project, |statement| {
            let first = statement.subject[0].clone();
            statement.subject.push(first);
        });
    };
    expect_failure("twice", twice, "fig6.svg", "names it twice");
    let folder = |project: &Project| {
        let path = project.report().join("results.md");
        fs::remove_file(&path).unwrap();
        fs::create_dir(path).unwrap();
    };
    expect_failure("a folder", folder, "results.md", "is no regular file");
}

#[test]
fn a_provenance_without_trainings_of_another_profile_or_of_other_data_fails() {
    let empty = |project: &Project| {
        alter(project, |statement| {
            let internal = &mut statement.predicate.build_definition.internal_parameters;
            internal.steps.clear();
        });
    };
    expect_failure("no steps", empty, "provenance.json", "no training");
    let path = |project: &Project| project.report().join("provenance.json");
    let other = |project: &Project| {
        edit(
            &path(project),
            "\"profile\": \"tiny\"",
            "\"profile\": \"core\"",
        )
    };
    expect_failure("profile", other, "provenance.json", "of profile core");
    let dependency = |name: &'static str| {
        move |project: &Project| {
            alter(project, |statement| {
                let all = &mut statement.predicate.build_definition.resolved_dependencies;
                let found = all.iter_mut().find(|it| it.name == name).unwrap();
                found.digest.insert("blake3".into(), "0".repeat(64));
            });
        }
    };
    expect_failure(
        "code",
        dependency("fig6"),
        "provenance.json",
        "digest of fig6",
    );
    expect_failure(
        "archive",
        dependency("archive"),
        "provenance.json",
        "archive's digest",
    );
}

#[test]
fn a_report_with_holes_is_undecided_and_holes_of_nothing_fail() {
    let pipeline = Pipeline::parse(TINY, "tiny.ron").unwrap();
    let whole = pipeline.experiment(None).unwrap().clone();
    let mut experiment = whole.clone();
    for (model, hole) in [("plain8", Hole::Untrained), ("resnet8", Hole::Unevaluated)] {
        let holes = experiment.holes.entry(model.to_owned()).or_default();
        holes.insert(1, hole);
    }
    let project = Project::of(testing::folder(), TINY, experiment, 1);
    project.publish();
    let checks = lock(&whole, &project.report());
    assert_eq!(failed(&checks), []);
    let undecided = checks
        .iter()
        .filter(|check| check.status == Status::Undecided);
    let names: Vec<&str> = undecided.map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["train/plain8/seed1", "evaluate/resnet8/seed1"]);

    let invent = |project: &Project| {
        alter(project, |statement| {
            let internal = &mut statement.predicate.build_definition.internal_parameters;
            internal.holes.push(HoleRecord {
                model: "vgg".into(),
                seed: 0,
                lacks: Hole::Untrained,
            });
        });
    };
    expect_failure("a hole", invent, "train/vgg/seed0", "no such model or seed");
    let hide = |project: &Project| {
        alter(project, |statement| {
            let internal = &mut statement.predicate.build_definition.internal_parameters;
            internal
                .steps
                .retain(|step| step.step != "evaluate/plain8/seed1");
            internal.holes.push(HoleRecord {
                model: "plain8".into(),
                seed: 1,
                lacks: Hole::Unevaluated,
            });
        });
    };
    expect_failure("a result hidden as a hole", hide, "aggregate", "input");
}

#[test]
fn reformatted_json_is_told_as_altered_and_never_passes() {
    let project = published();
    let path = project.report().join("provenance.json");
    let value: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    fs::write(&path, json!(value).to_string()).unwrap();
    assert_eq!(overall(&checked(&project)), Status::Failed);
}

fn with_a_carried_over_training() -> Project {
    let mut project = Project::new(TINY, 1);
    project.carry_over(CARRIED, true);
    project.publish();
    project
}

const CARRIED: &str = "train/plain8/seed0";

#[test]
fn a_carried_over_training_passes_and_is_called_that() {
    let project = with_a_carried_over_training();
    let checks = checked(&project);
    assert_eq!(overall(&checks), Status::Passed, "{:?}", failed(&checks));
    let said = |name: &str| {
        &checks
            .iter()
            .find(|check| check.name == name)
            .unwrap()
            .message
    };
    assert!(
        said(CARRIED).contains(", carried over from key "),
        "{}",
        said(CARRIED)
    );
    assert!(
        said(CARRIED).ends_with(" after 4 iterations"),
        "{}",
        said(CARRIED)
    );
    assert!(said("carried-over.md").contains("as it was made"));
}

#[test]
fn a_record_of_what_was_carried_over_that_does_not_fit_fails() {
    type Edit = fn(&mut Statement);
    fn origin(statement: &mut Statement) -> &mut CarriedOverRecord {
        record(statement, CARRIED).carried_over.as_mut().unwrap()
    }
    let edits: [(Edit, &str); 7] = [
        (
            |it| origin(it).original = Digest::from_bytes([0; 32]),
            "is not the hash",
        ),
        (|it| origin(it).basis = 99, "is not recorded"),
        (
            |it| origin(it).stretches.clear(),
            "nothing was computed again",
        ),
        (
            |it| origin(it).stretches[0].to = 0,
            "nothing was computed again",
        ),
        (
            |it| origin(it).changes.clear(),
            "said to have changed is not what has",
        ),
        (
            |it| {
                let (own, key) = (record(it, CARRIED).basis, record(it, CARRIED).key);
                (origin(it).basis, origin(it).original) = (own, key);
            },
            "from another computation or from itself",
        ),
        (
            |it| {
                let place = origin(it).basis;
                let internal = &mut it.predicate.build_definition.internal_parameters;
                let basis = std::sync::Arc::make_mut(&mut internal.bases[place]);
                basis.numeric.as_mut().unwrap().backend = "another".to_owned();
                let (step, own) = internal.carried_over().next().unwrap();
                let key = internal.original_key_inputs(step, own).unwrap().key();
                origin(it).original = key;
            },
            "from another computation or from itself",
        ),
    ];
    for (edit, words) in edits {
        let project = with_a_carried_over_training();
        alter(&project, edit);
        let checks = checked(&project);
        let failed = failed(&checks);
        let found = failed
            .iter()
            .any(|(name, said)| *name == CARRIED && said.contains(words));
        assert!(found, "{words}: {failed:?}");
    }
}

#[test]
fn the_page_of_what_was_carried_over_is_what_the_provenance_gives_and_there_only_then() {
    let page = "carried-over.md";
    let fails = |alteration: &dyn Fn(&Project), words: &str| {
        let project = with_a_carried_over_training();
        alteration(&project);
        let checks = checked(&project);
        let failed = failed(&checks);
        let found = failed
            .iter()
            .any(|(name, said)| *name == page && said.contains(words));
        assert!(found, "{words}: {failed:?}");
    };
    let path = |project: &Project| project.report().join(page);
    fails(
        &|project| edit(&path(project), "4 in 2", "5 in 2"),
        "it was edited",
    );
    fails(
        &|project| fs::remove_file(path(project)).unwrap(),
        "cannot read",
    );
    fails(
        &|project| {
            edit(&path(project), "4 in 2", "5 in 2");
            let digest = Digests::of(&fs::read(path(project)).unwrap());
            alter(project, |statement| {
                let mut subjects = statement.subject.iter_mut();
                subjects.find(|it| it.name == page).unwrap().digest = digest;
            });
        },
        "is not that of what the provenance gives",
    );
    fails(
        &|project| {
            alter(project, |it| {
                it.subject.retain(|subject| subject.name != page)
            })
        },
        "does not name it",
    );
    fails(
        &|project| alter(project, |it| record(it, CARRIED).carried_over = None),
        "no step makes it",
    );
    let stray = |project: &Project| fs::write(path(project), "").unwrap();
    expect_failure(
        "stray",
        stray,
        page,
        "says of no step that it was carried over",
    );
}
