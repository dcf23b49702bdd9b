//! What a verification writes for others, documents that are brought up to date, and bundles.

use super::*;

/// A finished project in which one claim is wrong and one cannot be decided.
fn with_a_wrong_claim() -> Project {
    let project = finished();
    project.edit("= 75290", "= 75291");
    project.edit(", profiles: [\"tiny\"]", "");
    project
}

#[test]
fn programs_get_every_check_and_what_was_not_checked() {
    let project = with_a_wrong_claim();
    let answer = verify(&project, &["--json"]);
    assert_eq!(answer.code, 1);
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(report["status"], "failed");
    assert_eq!(
        report["levels"],
        serde_json::json!(["lock", "integrity", "claims"])
    );
    assert_eq!(
        report["not_checked"],
        serde_json::json!(["evaluate", "replay", "execute"])
    );
    let checks = report["checks"].as_array().unwrap();
    let wrong = checks
        .iter()
        .find(|check| check["status"] == "failed")
        .unwrap();
    assert_eq!(wrong["name"], "parameters(resnet8) = 75291 [he]");
    assert_eq!(wrong["details"]["verdict"], "refuted");
    assert_eq!(wrong["details"]["url"], "https://arxiv.org/abs/1512.03385");
    let tested = checks
        .iter()
        .find(|check| check["name"].as_str().unwrap().contains("±"));
    let test = &tested.unwrap()["details"]["test"];
    assert!(test["p_confirm"].as_f64().unwrap() <= 0.05, "{tested:?}");
}

#[test]
fn other_systems_get_files_and_annotations_that_are_as_red_as_the_exit_code() {
    let project = with_a_wrong_claim();
    fs::write(project.path("summary.md"), "# Before\n").unwrap();
    let answer = verify(
        &project,
        &[
            "--github",
            "--junit",
            "junit.xml",
            "--summary",
            "summary.md",
        ],
    );
    assert_eq!(answer.code, 1);
    let junit = project.read("junit.xml");
    assert!(junit.contains("failures=\"1\" errors=\"1\""), "{junit}");
    let summary = project.read("summary.md");
    assert!(
        summary.starts_with("# Before\n## fig6 verify: failed\n"),
        "{summary}"
    );
    assert!(answer.out.contains("::error title="), "{}", answer.out);
    assert!(answer.out.contains("::warning title="), "{}", answer.out);
}

#[test]
fn a_document_is_brought_up_to_date_and_then_passes() {
    let project = finished();
    let right = project.read("PAPER.md");
    assert!(right.contains("| Plain-8 "), "{right}");
    edit(&project.path("PAPER.md"), |text| {
        text.replacen(".mean -->8", ".mean -->9", 1)
    });
    assert_eq!(verify(&project, &["--docs", "PAPER.md"]).code, 1);
    assert_eq!(verify(&project, &["--docs", "PAPER.md", "--write"]).code, 0);
    assert_eq!(project.read("PAPER.md"), right);
    // Documents beside a level: both are looked at.
    let levels: Vec<Value> = checks(&project, &["--level", "lock", "--docs", "PAPER.md"])
        .into_iter()
        .map(|check| check["level"].clone())
        .collect();
    assert!(levels.contains(&Value::from("lock")) && levels.contains(&Value::from("documents")));
}

#[test]
fn what_keeps_documents_from_being_written_is_said_in_every_output() {
    let project = finished();
    fs::write(project.path("WRONG.md"), "<!-- fig6: layers(plain8) -->8").unwrap();
    fs::write(
        project.path("FIXED.md"),
        "<!-- fig6: layers(plain8) -->9<!-- /fig6 -->\n",
    )
    .unwrap();
    let fixed = project.path("FIXED.md");
    fs::set_permissions(&fixed, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
    for (documents, cause) in [
        (&["PAPER.md", "WRONG.md"][..], "WRONG.md:1"),
        (&["FIXED.md"], "FIXED.md may not be written to"),
        (&["PAPER.md", "ABSENT.md"], "ABSENT.md"),
    ] {
        edit(&project.path("PAPER.md"), |text| {
            text.replacen(".mean -->", ".mean -->9", 1)
        });
        let before = project.read("PAPER.md");
        let outputs = ["--write", "--junit", "j.xml", "--summary", "s.md", "--docs"];
        let answer = verify(&project, &[&outputs, documents].concat());
        assert_eq!(answer.code, 1, "{cause}: {}{}", answer.out, answer.err);
        for said in [answer.out, project.read("j.xml"), project.read("s.md")] {
            assert!(said.contains(cause), "{cause}: {said}");
        }
        assert_eq!(project.read("PAPER.md"), before);
        for file in ["j.xml", "s.md"] {
            fs::remove_file(project.path(file)).unwrap();
        }
    }
}

/// A bundle of a finished project, in a folder of its own.
fn bundled() -> (Project, Project) {
    let project = finished();
    let answer = project.fig6(&["bundle", "--output", "tiny.tar.gz"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let elsewhere = Project::new(CLAIMS);
    fs::remove_file(elsewhere.path("pipeline.ron")).unwrap();
    fs::copy(project.path("tiny.tar.gz"), elsewhere.path("tiny.tar.gz")).unwrap();
    (project, elsewhere)
}

#[test]
fn a_bundle_is_verified_where_nothing_else_is() {
    let (project, elsewhere) = bundled();
    let answer = verify(&elsewhere, &["tiny.tar.gz"]);
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
    assert!(
        answer
            .out
            .contains("the bundle leaves the images out: 4 files"),
        "{}",
        answer.out
    );
    let answer = verify(&elsewhere, &["tiny.tar.gz", "--verbose"]);
    assert!(
        answer
            .out
            .contains("which the bundle leaves out: not checked"),
        "{}",
        answer.out
    );
    // What is in it is in it.
    let answer = verify(&elsewhere, &["tiny.tar.gz", "--profile", "other"]);
    assert_eq!(answer.code, 2, "{}", answer.err);
    // Without the images there is no evaluating again; with them there is.
    assert_eq!(
        verify(&elsewhere, &["tiny.tar.gz", "--level", "evaluate"]).code,
        3
    );
    let artifacts = project.path("artifacts");
    let artifacts = artifacts.to_str().unwrap();
    let again = &[
        "tiny.tar.gz",
        "--level",
        "evaluate",
        "--artifacts",
        artifacts,
    ];
    let answer = verify(&elsewhere, again);
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
}

#[test]
fn no_bundle_that_is_cut_short_or_altered_passes() {
    let (_, elsewhere) = bundled();
    let path = elsewhere.path("tiny.tar.gz");
    let whole = fs::read(&path).unwrap();
    let refused = |what: &str| {
        let answer = verify(&elsewhere, &["tiny.tar.gz"]);
        assert_eq!(answer.code, 1, "{what}: {}{}", answer.out, answer.err);
        assert!(answer.out.contains("tiny.tar.gz"), "{what}: {}", answer.out);
    };
    for part in 0..16 {
        let length = whole.len() * part / 16;
        fs::write(&path, &whole[..length]).unwrap();
        refused(&format!("cut at {length}"));
        let mut altered = whole.clone();
        altered[length] ^= 0x10;
        fs::write(&path, altered).unwrap();
        refused(&format!("altered at {length}"));
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(verify(&elsewhere, &["tiny.tar.gz"]).code, 0);
    fs::remove_file(&path).unwrap();
    assert_eq!(verify(&elsewhere, &["tiny.tar.gz"]).code, 2);
}
