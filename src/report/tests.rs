use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::made_up_tests::{Project, TINY, edit};
use super::provenance::{InputRecord, Statement, Unusable};
use crate::pipeline::{Hole, Pipeline};

fn names(project: &Project) -> BTreeSet<String> {
    let entries = fs::read_dir(project.report()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn the_provenance_is_the_same_from_run_to_run_and_only_the_crate_tells_when_and_where() {
    let [morning, evening] = [7, 19].map(|hour| Project::new(TINY, hour));
    morning.publish();
    evening.publish();
    for name in names(&morning) {
        let same = morning.read(&name) == evening.read(&name);
        assert_eq!(same, name != "ro-crate-metadata.json", "{name}");
    }
    let provenance = morning.read("provenance.json");
    for passing in ["2026-01-01", "host7", "T07:", "/tmp"] {
        assert!(!provenance.contains(passing), "{passing}");
    }
    let crate_ = morning.read("ro-crate-metadata.json");
    assert!(crate_.contains("host7") && crate_.contains("2026-01-01T07:01:01.500+00:00"));
}

#[test]
fn a_fresh_store_that_comes_to_the_same_results_changes_no_byte_of_a_report() {
    let [morning, evening] = [7, 19].map(|hour| Project::new(TINY, hour));
    morning.publish();
    fs::create_dir_all(evening.report()).unwrap();
    let hand_over = |to: &Project| {
        for name in names(&morning) {
            fs::write(to.report().join(&name), morning.read(&name)).unwrap();
        }
    };
    hand_over(&evening);
    for _ in 0..2 {
        evening.publish();
        assert_eq!(names(&evening), names(&morning));
        for name in names(&morning) {
            assert!(evening.read(&name) == morning.read(&name), "{name}");
        }
    }

    // A crate that is no more what that run wrote, or not all of it, gives way to that of this run.
    let name = super::research_object::FILE;
    let path = evening.report().join(name);
    let damages: [&dyn Fn(); 6] = [
        &|| edit(&path, "host7", "host8"),
        &|| edit(&path, "T07:01:", "T07:02:"),
        &|| edit(&path, "made up", "made anew"),
        &|| fs::write(&path, "").unwrap(),
        &|| fs::remove_file(&path).unwrap(),
        &|| fs::write(&path, &morning.read(name)[1..]).unwrap(),
    ];
    for (place, damage) in damages.into_iter().enumerate() {
        hand_over(&evening);
        evening.publish();
        damage();
        evening.publish();
        let crate_ = evening.read(name);
        assert!(
            crate_.contains("host19") && !crate_.contains("host7"),
            "{place}"
        );
    }

    // As does one of other results.
    let other = Project::new(&TINY.replace("rate: 0.1", "rate: 0.2"), 19);
    fs::create_dir_all(other.report()).unwrap();
    hand_over(&other);
    other.publish();
    assert!(!other.read(name).contains("host7"));
}

#[test]
fn a_page_stays_as_it_is_when_only_times_differ_and_gives_way_when_anything_else_does() {
    let project = Project::new(TINY, 1);
    project.publish();
    let ours = project.read(super::page::FILE);
    let statement = Statement::read(&project.report()).unwrap();
    let outputs = |step: &str| {
        let results = project.results.iter().flatten();
        let mut results = results.filter(|entry| entry.step == step);
        results.next().unwrap().outputs.clone()
    };
    let read = |step: &str, output: &str| {
        let outputs = outputs(step);
        let output = outputs.get(output);
        output.map(|it| project.store.read(it)).transpose()
    };
    let other_times = [("download".to_owned(), 7.25)].into();
    let earlier = super::page::text(TINY, &statement, &other_times, &read).unwrap();
    assert_ne!(earlier, ours);
    let path = project.report().join(super::page::FILE);
    for (found, expected) in [
        (earlier.clone(), &earlier),
        (earlier.replace("7.25", "8.25"), &ours),
        (earlier.replace(">12.50<", ">12.51<"), &ours),
        (String::new(), &ours),
    ] {
        fs::write(&path, found).unwrap();
        project.publish();
        assert!(project.read(super::page::FILE) == *expected);
    }
}

#[test]
fn every_key_can_be_worked_out_from_the_provenance_alone() {
    let project = Project::new(TINY, 1);
    project.publish();
    let statement = Statement::read(&project.report()).unwrap();
    let internal = statement.internal();
    assert_eq!(internal.steps.len(), project.graph.steps().len());
    for step in &internal.steps {
        let manifest = project.store.expect_manifest(&step.key).unwrap();
        let inputs = internal.key_inputs(step).unwrap();
        assert_eq!(inputs, manifest.key_inputs, "{}", step.step);
        assert_eq!(inputs.key(), step.key, "{}", step.step);
    }
    let read = statement.internal().step("evaluate/plain8/seed1").unwrap();
    let weights = &read.inputs["weights.safetensors"];
    let made = internal.step("train/plain8/seed1").unwrap();
    let expected = InputRecord {
        from: made.step.clone(),
        output: "weights.safetensors".to_owned(),
        blake3: made.outputs["weights.safetensors"].blake3,
    };
    assert_eq!(*weights, expected);
}

#[test]
fn the_statement_reads_as_what_was_written_and_names_each_file_of_the_report() {
    let project = Project::new(TINY, 1);
    let files = project.publish();
    let statement = Statement::read(&project.report()).unwrap();
    assert_eq!(statement.text(), project.read("provenance.json"));
    let mut named: BTreeSet<String> = statement
        .subject
        .iter()
        .map(|subject| subject.name.clone())
        .collect();
    named.extend(["provenance.json", "report.html", "ro-crate-metadata.json"].map(str::to_owned));
    assert_eq!(named, names(&project));
    assert_eq!(files.len(), named.len());
}

#[test]
fn evidence_that_was_deleted_or_edited_comes_back_and_what_is_right_stays_untouched() {
    let project = Project::new(TINY, 1);
    project.publish();
    let looks = |name: &str| fs::metadata(project.report().join(name)).unwrap();
    let before: Vec<_> = super::EVIDENCE.map(|name| project.read(name)).into();
    for name in super::EVIDENCE {
        fs::remove_file(project.report().join(name)).unwrap();
        project.publish();
        edit(&project.report().join(name), "1", "2");
        project.publish();
    }
    let after: Vec<_> = super::EVIDENCE.map(|name| project.read(name)).into();
    assert_eq!(before, after);
    let untouched = super::EVIDENCE.map(|name| looks(name).modified().unwrap());
    project.publish();
    let again = super::EVIDENCE.map(|name| looks(name).modified().unwrap());
    assert_eq!(untouched, again);
}

#[test]
fn an_idle_run_does_not_read_manifests_once_it_knows_what_the_provenance_is_made_of() {
    let project = Project::new(TINY, 1);
    project.publish();
    // What is younger than a moment is not remembered.
    std::thread::sleep(std::time::Duration::from_millis(100));
    project.publish();
    for entry in fs::read_dir(project.path("artifacts/manifests")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    project.publish();
}

#[test]
fn a_run_of_some_steps_leaves_the_provenance_alone() {
    let project = Project::new(TINY, 1);
    let some = |name: &str| name != "plot/fig6";
    project.publish_with(some);
    let expected = ["results.csv", "results.json", "results.md"].map(str::to_owned);
    assert_eq!(names(&project), expected.into());
    project.publish();
    let path = project.report().join("provenance.json");
    fs::write(&path, "of before").unwrap();
    project.publish_with(some);
    assert_eq!(fs::read_to_string(path).unwrap(), "of before");
}

#[test]
fn a_report_with_holes_records_them() {
    let pipeline = Pipeline::parse(TINY, "tiny.ron").unwrap();
    let mut experiment = pipeline.experiment(None).unwrap().clone();
    let holes = experiment.holes.entry("plain8".to_owned()).or_default();
    holes.insert(1, Hole::Untrained);
    let project = Project::of(testing::folder(), TINY, experiment, 1);
    project.publish();
    let statement: Value = serde_json::from_str(&project.read("provenance.json")).unwrap();
    let internal = &statement["predicate"]["buildDefinition"]["internalParameters"];
    let expected = serde_json::json!([{ "model": "plain8", "seed": 1, "lacks": "training" }]);
    assert_eq!(internal["holes"], expected);
}

#[test]
fn another_version_is_told_from_damage() {
    let project = Project::new(TINY, 1);
    project.publish();
    let text = project.read("provenance.json");
    let said = |text: &str| match Statement::parse(text.as_bytes()) {
        Ok(_) => "fine",
        Err(Unusable::OtherVersion(_)) => "version",
        Err(Unusable::Wrong(_)) => "wrong",
        Err(Unusable::Absent) => "absent",
    };
    assert_eq!(said(&text), "fine");
    for (from, to, expected) in [
        ("reproduce/v1", "reproduce/v2", "version"),
        ("\"schema\": 3", "\"schema\": 2", "version"),
        ("Statement/v1", "Statement/v2", "wrong"),
        ("slsa.dev", "slsa.invalid", "wrong"),
        ("reproduce/v1", "reproduce", "wrong"),
        ("\"subject\"", "\"subjects\"", "wrong"),
        ("{", "", "wrong"),
    ] {
        assert!(text.contains(from), "{from}");
        assert_eq!(said(&text.replacen(from, to, 1)), expected, "{from} → {to}");
    }
    let later =
        r#"{"predicate":{"buildDefinition":{"buildType":"https://fig6.invalid/reproduce/v9"}}}"#;
    assert_eq!(said(later), "version");
    assert_eq!(said(""), "wrong");
    fs::remove_file(project.report().join("provenance.json")).unwrap();
    assert!(matches!(
        Statement::read(&project.report()),
        Err(Unusable::Absent)
    ));
}

#[test]
fn what_was_carried_over_is_named_by_provenance_crate_and_a_page_of_its_own() {
    let train = "train/plain8/seed0";
    let mut project = Project::new(TINY, 1);
    project.publish();
    let before = names(&project);
    project.carry_over(train, true);
    let files = project.publish();
    assert!(files.contains(&project.report().join("carried-over.md")));
    let statement = Statement::read(&project.report()).unwrap();
    let internal = statement.internal();
    let step = internal.step(train).unwrap();
    let it = step.carried_over.as_ref().unwrap();
    let original = internal.original_key_inputs(step, it).unwrap();
    assert_eq!(original.key(), it.original);
    assert_ne!(it.original, step.key);
    assert_eq!((it.iterations(), it.changes.len()), (4, 1));
    let page = project.read("carried-over.md");
    let row = format!(
        "| {train} | {} | 4 in 2 stretches | {} |\n",
        it.original.short(),
        it.changes[0]
    );
    assert!(page.ends_with(&row), "{page}");
    assert!(it.changes[0].starts_with("code nn: "), "{}", it.changes[0]);
    for name in [
        "provenance.json",
        "carried-over.md",
        "ro-crate-metadata.json",
    ] {
        let text = project.read(name);
        for passing in ["2026-07-07", "7.25", "host77"] {
            assert!(!text.contains(passing), "{name}: {passing}");
        }
        assert!(text.contains(&it.original.short()), "{name}");
    }
    let crate_: Value = serde_json::from_str(&project.read("ro-crate-metadata.json")).unwrap();
    let mut entities = crate_["@graph"].as_array().unwrap().iter();
    let key = entities.find(|entity| entity["@id"] == format!("#original-key/{train}"));
    assert_eq!(key.unwrap()["value"], it.original.to_string());

    // It comes back like any other file, and goes with what it is about.
    fs::remove_file(project.report().join("carried-over.md")).unwrap();
    project.publish();
    assert_eq!(project.read("carried-over.md"), page);
    project.carry_over(train, false);
    project.publish();
    assert_eq!(names(&project), before);
}

#[test]
fn every_reference_in_the_crate_leads_to_an_entity() {
    let mut project = Project::new(TINY, 1);
    project.carry_over("train/plain8/seed1", true);
    project.publish();
    let crate_: Value = serde_json::from_str(&project.read("ro-crate-metadata.json")).unwrap();
    let graph = crate_["@graph"].as_array().unwrap();
    let ids: BTreeSet<&str> = graph.iter().filter_map(|it| it["@id"].as_str()).collect();
    assert_eq!(ids.len(), graph.len(), "an id stands twice");
    let references = graph.iter().flat_map(|entity| {
        let values = entity.as_object().unwrap().values();
        values.flat_map(|value| match value {
            Value::Array(values) => values.iter().collect(),
            value => vec![value],
        })
    });
    let mut count = 0;
    for id in references.filter_map(|value| value["@id"].as_str()) {
        count += 1;
        let outside = ["https://w3id.org/ro/crate/1.1"].contains(&id);
        assert!(outside || ids.contains(id), "{id}");
    }
    assert!(count > 200, "{count}");
    let action = graph
        .iter()
        .find(|entity| entity["@id"] == "#action/train/plain8/seed1");
    let said = action.unwrap()["description"].as_str().unwrap();
    let command = "fig6 verify --rebuild train/plain8/seed1 --profile tiny";
    assert!(said.ends_with(command), "{said}");
}
