//! Reports with a training that was carried over.

use std::fs;

use super::{alter, checked, expect_failure, failed, record};
use crate::report::carried_over::CarriedOverRecord;
use crate::report::made_up_tests::{Project, TINY, edit};
use crate::report::provenance::{Digests, Statement};
use crate::verify::{Status, overall};
use store::key::Digest;

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
            of_its_bytes(project, page);
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

#[test]
fn a_table_whose_footer_or_text_was_altered_fails_also_where_its_digest_was_altered_too() {
    let path = |project: &Project| project.report().join("results.md");
    let made = |project: &Project| {
        let text = project.read("results.md");
        let end = text.find("\n**Carried over").unwrap();
        text[..end].to_owned()
    };
    type Edit<'a> = (&'a str, &'a dyn Fn(&Project));
    let edits: [Edit; 5] = [
        ("a number", &|it| edit(&path(it), "12.34", "12.33")),
        ("a name", &|it| {
            edit(&path(it), CARRIED, "train/plain8/seed1")
        }),
        ("no footer", &|it| fs::write(path(it), made(it)).unwrap()),
        ("more", &|it| {
            edit(&path(it), "states: see", "states: also see")
        }),
        ("twice", &|it| {
            let text = it.read("results.md");
            let footer = text.strip_prefix(&made(it)).unwrap();
            fs::write(path(it), format!("{text}{footer}")).unwrap();
        }),
    ];
    for (what, alteration) in edits {
        let said = |alteration: &dyn Fn(&Project)| {
            let project = with_a_carried_over_training();
            alteration(&project);
            let checks = checked(&project);
            let failed = failed(&checks);
            let found = failed.iter().find(|(name, _)| *name == "results.md");
            let said = found.map(|(_, said)| (*said).to_owned());
            said.unwrap_or_default()
        };
        assert!(said(alteration).contains("it was edited"), "{what}");
        let with_digest = |project: &Project| {
            alteration(project);
            of_its_bytes(project, "results.md");
        };
        let said = said(&with_digest);
        let expected = "not that of what its step is recorded to have made and a footer";
        assert!(said.contains(expected), "{what}: {said}");
    }
    let invent = |project: &Project| {
        let footer = "\n**Carried over from earlier code: nothing.**\n";
        let text = project.read("results.md") + footer;
        fs::write(path(project), text).unwrap();
        of_its_bytes(project, "results.md");
    };
    let words = "what its step is recorded to have made";
    expect_failure("a footer without reason", invent, "results.md", words);
}

/// Makes the provenance say that a file was made as it is.
fn of_its_bytes(project: &Project, name: &str) {
    let digest = Digests::of(&fs::read(project.report().join(name)).unwrap());
    alter(project, |statement| {
        let mut subjects = statement.subject.iter_mut();
        subjects.find(|it| it.name == name).unwrap().digest = digest;
    });
}
