use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::pipeline::Pipeline;
use records::{ClassErrors, Dataset, Evaluation, Metrics};
use summary::{SeedResult, spread};
use table::{ResultRow, Results};

const TINY: &str = include_str!("../../tests/pipelines/tiny.ron");

/// What a text from outside would use to get out of the place that it is put into.
const HOSTILE: &str = "</script><script>alert(1)</script><b title=\"x\" y='z'>&amp;";

fn metrics(seed: u64) -> Vec<Metrics> {
    let lines = (1..=2).map(|line| Metrics {
        iteration: 2 * line,
        epoch: line,
        learning_rate: 0.1,
        train_loss: 2.345_678_9 / (seed + line) as f64,
        train_error: 80.0 - (seed + line) as f64 / 3.0,
        validation_error: (seed > 0).then_some(60.0),
        test_error: 70.0 - (seed + line) as f64,
    });
    lines.collect()
}

fn evaluation() -> Evaluation {
    let class = |class: &str, errors| ClassErrors {
        class: class.to_owned(),
        images: 10,
        errors,
        test_error: Some(errors as f64 * 10.0),
    };
    Evaluation {
        images: 20,
        errors: 5,
        test_error: 25.0,
        classes: vec![class(HOSTILE, 2), class("cat", 3)],
        confusion: vec![vec![8, 2], vec![3, 7]],
    }
}

fn results() -> Results {
    let row = |model: &str, errors: [f64; 2]| ResultRow {
        model: model.to_owned(),
        label: format!("{model} {HOSTILE}"),
        layers: 8,
        parameters: 75_290,
        multiply_adds: 12_239_488,
        iterations: 4,
        backends: vec!["flex".to_owned()],
        test_error: spread(&errors).unwrap(),
        train_error: spread(&errors).unwrap(),
        runs: vec![0, 1]
            .into_iter()
            .map(|seed| SeedResult {
                seed,
                test_error: errors[seed as usize],
                train_error: errors[seed as usize] + 1.0 / 3.0,
            })
            .collect(),
        he: None,
        reproduction: None,
        difference_to_he: None,
        difference_to_reproduction: None,
    };
    Results {
        profile: "tiny".to_owned(),
        comparable: false,
        caveats: vec![HOSTILE.to_owned()],
        dataset: Dataset {
            archive_sha256: "5".repeat(64),
            train: 50,
            validation: 10,
            test: 20,
        },
        rows: vec![row("plain8", [25.0, 25.5]), row("resnet8", [14.1, 13.7])],
        missing: Vec::new(),
    }
}

fn read(step: &str, output: &str) -> Result<Option<Vec<u8>>> {
    let seed = u64::from(step.ends_with('1'));
    Ok(match output {
        "metrics.jsonl" => {
            let lines = metrics(seed);
            let lines = lines.iter().map(|line| json!(line).to_string() + "\n");
            Some(lines.collect::<String>().into_bytes())
        }
        "evaluation.json" => Some(serde_json::to_vec(&evaluation())?),
        "results.json" => Some(serde_json::to_vec(&results())?),
        "fig9.svg" => Some(b"<svg><title>drawn</title></svg>\n".to_vec()),
        _ => None,
    })
}

fn step(name: &str, outputs: &[&str]) -> StepLine {
    StepLine {
        step: name.to_owned(),
        kind: name.split('/').next().unwrap().to_owned(),
        standing: Standing::UpToDate,
        said: format!("made {HOSTILE}"),
        seconds: Some(61.5),
        progress: None,
        key: None,
        basis: None,
        parameters: HOSTILE.to_owned(),
        inputs: BTreeMap::from([(
            HOSTILE.to_owned(),
            InputLine {
                from: "download".to_owned(),
                output: "archive".to_owned(),
                content: None,
            },
        )]),
        outputs: outputs.iter().map(ToString::to_string).collect(),
    }
}

/// Of the tiny pipeline, with a claim and all results.
fn data() -> Data {
    let claims = "claims: [(says: \"test_error(plain8) > test_error(resnet8)\", source: \"he\", \
                  profiles: [\"tiny\"])],\n    profiles:";
    let text = TINY.replacen("profiles:", claims, 1);
    let pipeline = Pipeline::parse(&text, "tiny.ron").unwrap();
    let experiment = pipeline.experiment(None).unwrap();
    let subject = Subject {
        experiment,
        claims: &pipeline.claims(experiment),
        significance: 0.05,
    };
    let steps = vec![
        step("download", &["archive"]),
        step("train/plain8/seed0", &["metrics.jsonl"]),
        step("plot/fig9", &["fig9.svg"]),
        step("table", &["results.md", "results.json"]),
    ];
    subject.gather(steps, Vec::new(), &read).unwrap()
}

/// The JSON that a page carries.
fn carried(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_page_is_the_same_from_the_same_data() {
    assert_eq!(
        render(&data(), None).unwrap(),
        render(&data(), None).unwrap()
    );
}

#[test]
fn a_page_carries_the_results_and_every_line_of_every_training() {
    let page = render(&data(), None).unwrap();
    let carried = carried(&page);
    assert_eq!(carried["results"], json!(results()));
    let runs = carried["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 4);
    for (run, seed) in runs.iter().zip([0, 1, 0, 1]) {
        let curve: Curve = serde_json::from_value(run["curve"].clone()).unwrap();
        assert_eq!(curve.lines().unwrap(), metrics(seed));
        assert_eq!(run["evaluation"], json!(evaluation()));
    }
}

#[test]
fn columns_of_other_lengths_are_no_lines() {
    let mut curve = Curve::of(&metrics(0));
    assert_eq!(curve.lines().unwrap(), metrics(0));
    curve.train_loss.pop();
    assert_eq!(curve.lines(), None);
}

#[test]
fn without_scripts_a_page_shows_figures_tables_verdicts_classes_and_steps() {
    let page = render(&data(), None).unwrap();
    let (html, _) = page.split_once("<script").unwrap();
    for shown in [
        "<svg><title>drawn</title></svg>",
        "fig9.svg",
        "25.25 <span class=\"pm\">± 0.35</span>",
        ">14.10<",
        ">13.70<",
        "75,290",
        "test_error(plain8) &gt; test_error(resnet8)",
        "confirmed",
        ">cat<",
        "30.00",
        "Confusion matrix of",
        "train/plain8/seed0",
        "1 min 02 s",
        "fig6 reproduce --force train/plain8/seed0 --profile tiny",
    ] {
        assert!(html.contains(shown), "{shown} is not in {html}");
    }
}

#[test]
fn no_text_from_outside_becomes_markup() {
    for page in [
        render(&data(), None).unwrap(),
        render(&data(), Some(HOSTILE)).unwrap(),
        message(&data()).unwrap(),
    ] {
        assert!(!page.contains("alert(1)</script>"));
        assert!(!page.contains("<b title"));
        assert!(page.contains("alert(1)"));
    }
    let page = render(&data(), None).unwrap();
    // The data and two scripts.
    assert_eq!(page.matches("<script").count(), 3);
    assert_eq!(page.matches("</script").count(), 3);
    assert_eq!(carried(&page)["results"]["caveats"][0], HOSTILE);
}

#[test]
fn a_page_loads_nothing() {
    let page = render(&data(), None).unwrap();
    for loads in [" src=", "url(", "@import", "<link", "<img", "<iframe"] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(!page.contains("<body data-events"));
    let live = render(&data(), Some("/events")).unwrap();
    assert!(live.contains("<body data-events=\"/events\">"));
}

#[test]
fn a_message_brings_the_data_and_the_sections_that_show_it() {
    let message: Value = serde_json::from_str(&message(&data()).unwrap()).unwrap();
    let page = render(&data(), None).unwrap();
    assert_eq!(message["runs"], carried(&page)["runs"]);
    let sections = message["sections"].as_object().unwrap();
    assert_eq!(sections.len(), 6);
    for (name, html) in sections {
        assert!(page.contains(html.as_str().unwrap()), "{name}");
        assert!(page.contains(&format!("<div id=\"{name}\">")), "{name}");
    }
}

#[test]
fn a_page_of_an_experiment_without_any_result_says_so() {
    let nothing = Data {
        profile: "tiny".to_owned(),
        ..Data::default()
    };
    let page = render(&nothing, Some("/events")).unwrap();
    for said in [
        "Not drawn yet",
        "No table yet",
        "No verdicts yet",
        "Nothing is evaluated yet",
    ] {
        assert!(page.contains(said), "{said}");
    }
}
