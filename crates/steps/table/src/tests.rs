//! The step as a whole: its files for a small summary.

use std::collections::BTreeMap;
use std::fs;

use super::*;
use step::Progress;

fn model(name: &str, layers: u32, parameters: u64, test_errors: &[f64]) -> ModelSummary {
    let spread = |mean: f64, std: Option<f64>| Spread {
        n: test_errors.len() as u64,
        mean,
        std,
        half_width: std.map(|std| 2.5 * std),
        min: mean,
        max: mean,
    };
    ModelSummary {
        model: name.into(),
        layers,
        parameters,
        multiply_adds: 40_551_040,
        iterations: 64_000,
        backends: vec!["flex 0.22.1".into()],
        runs: (0..)
            .zip(test_errors)
            .map(|(seed, &test_error)| SeedResult {
                seed,
                test_error,
                train_error: 0.5,
                response: 0.75,
            })
            .collect(),
        test_error: spread(
            test_errors.iter().sum::<f64>() / test_errors.len() as f64,
            (test_errors.len() > 1).then_some(0.2),
        ),
        train_error: spread(0.5, None),
        response: spread(0.75, None),
    }
}

fn summary() -> Summary {
    Summary {
        models: vec![
            model("resnet110", 110, 1_727_962, &[6.5, 6.4]),
            model("resnet20", 20, 269_722, &[9.0]),
            model("plain8", 8, 75_290, &[40.0]),
        ],
    }
}

fn published(mean: f64, std: Option<f64>, runs: Option<u32>) -> Option<Published> {
    Some(Published {
        mean,
        std,
        runs,
        note: None,
    })
}

fn params(caveats: &[&str]) -> Params {
    let row = |model: &str, label: &str, he, reproduction| Row {
        model: model.into(),
        label: label.into(),
        he,
        reproduction,
        missing: vec![],
    };
    Params {
        rows: vec![
            row(
                "resnet20",
                "ResNet-20",
                published(8.75, None, None),
                published(8.51, Some(0.22), Some(5)),
            ),
            row(
                "resnet110",
                "ResNet-110",
                published(6.61, Some(0.16), Some(5)),
                None,
            ),
            row("plain8", "Plain-8", None, None),
        ],
        profile: "core".into(),
        caveats: caveats.iter().map(|&caveat| caveat.to_owned()).collect(),
        sources: Sources::default(),
    }
}

/// Runs the step and returns its message, its page and its record.
fn tabulate(params: &Params, summary: &str) -> Result<(String, String, Results)> {
    let (message, page, results, _) = all_files(params, summary)?;
    Ok((message, page, results))
}

/// The same, and the rows of its CSV.
fn all_files(params: &Params, summary: &str) -> Result<(String, String, Results, String)> {
    let folder = testing::folder();
    let dataset = Dataset {
        archive_sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd".into(),
        train: 45_000,
        validation: 5_000,
        test: 10_000,
    };
    let place = |name: &str, text: &str| {
        let path = folder.path().join(format!("in-{name}"));
        fs::write(&path, text).unwrap();
        (name.to_owned(), path)
    };
    let mut context = Context {
        inputs: BTreeMap::from([
            place("summary.json", summary),
            place("dataset.json", &serde_json::to_string(&dataset).unwrap()),
        ]),
        output: folder.path().to_owned(),
        evidence: folder.path().to_owned(),
        scratch: folder.path().to_owned(),
        stop: &std::sync::atomic::AtomicBool::new(false),
        progress: &mut |_: Progress| {},
    };
    let message = run(params, &mut context)?;
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let json = serde_json::from_str(&read("results.json")).unwrap();
    Ok((message, read("results.md"), json, read("results.csv")))
}

fn json(summary: &Summary) -> String {
    serde_json::to_string(summary).unwrap()
}

#[test]
fn a_comparable_table_reads_exactly_so() {
    let (message, page, _) = tabulate(&params(&[]), &json(&summary())).unwrap();
    assert_eq!(message, "rows: 3");
    assert_eq!(
        page,
        "\
| model      | layers | parameters |   test error, % |    He et al., % | nabla0001/resnet, % | ours − He et al. | ours − nabla0001 |
| ---------- | -----: | ---------: | --------------: | --------------: | ------------------: | ---------------: | ---------------: |
| ResNet-20  |     20 |    269,722 |        9.00 (1) |            8.75 |     8.51 ± 0.22 (5) |            +0.25 |            +0.49 |
| ResNet-110 |    110 |  1,727,962 | 6.45 ± 0.20 (2) | 6.61 ± 0.16 (5) |                   – |            −0.16 |                – |
| Plain-8    |      8 |     75,290 |       40.00 (1) |               – |                   – |                – |                – |

Final test error as mean ± sample standard deviation (runs); differences of the means in percentage points.

- profile: core
- images: 45,000 to train on, 5,000 held out, 10,000 to test on; archive sha256 c4a38c50a1bc…
- iterations: 64,000
- backend: flex 0.22.1
"
    );
}

#[test]
fn caveats_make_one_sentence_and_take_the_differences_away() {
    let caveats = ["the images are generated", "100 of 64,000 iterations"];
    let (_, page, results) = tabulate(&params(&caveats), &json(&summary())).unwrap();
    let sentence = "**These numbers are not comparable with the published ones: \
                    the images are generated; 100 of 64,000 iterations.**\n";
    assert_eq!(page.matches(sentence).count(), 1);
    let row = page
        .lines()
        .find(|line| line.starts_with("| ResNet-20 "))
        .unwrap();
    assert!(row.contains(" 8.75 |") && row.contains("8.51 ± 0.22 (5)"));
    assert!(row.ends_with(" – |                – |"), "{row}");
    assert!(!results.comparable);
    assert_eq!(results.rows[0].difference_to_he, None);
    assert_eq!(results.rows[0].difference_to_reproduction, None);
}

#[test]
fn the_json_holds_the_numbers_in_full_precision() {
    let (_, _, results) = tabulate(&params(&[]), &json(&summary())).unwrap();
    assert!(results.comparable);
    let row = &results.rows[0];
    assert_eq!((row.model.as_str(), row.parameters), ("resnet20", 269_722));
    assert_eq!(row.test_error.mean, 9.0);
    assert_eq!(row.difference_to_he, Some(0.25));
    assert_eq!(row.runs[0].test_error, 9.0);
    assert_eq!(results.rows[1].difference_to_reproduction, None);
    assert_eq!(results.dataset.archive_sha256.len(), 64);
}

#[test]
fn the_csv_has_a_row_for_each_number_with_its_uncertainty() {
    let mut params = params(&["a caveat"]);
    params.rows[1].missing = vec![2, 4];
    params.rows[2].label = "Plain-8, \"odd\"".into();
    params.rows[2].missing = vec![0];
    let mut summary = summary();
    summary.models.pop();
    let (_, _, results, file) = all_files(&params, &json(&summary)).unwrap();
    // t(0.975; 4) = 2.776445 and 0.22 / √5, 0.16 / √5.
    let expected = "\
profile,comparable,model,label,source,metric,n,mean,std,half_width,min,max,failed
core,false,resnet20,ResNet-20,fig6,test_error,1,9.0,,,9.0,9.0,
core,false,resnet20,ResNet-20,fig6,train_error,1,0.5,,,0.5,0.5,
core,false,resnet20,ResNet-20,fig6,response,1,0.75,,,0.75,0.75,
core,false,resnet20,ResNet-20,he,test_error,,8.75,,,,,
core,false,resnet20,ResNet-20,reproduction,test_error,5,8.51,0.22,0.2732,,,
core,false,resnet110,ResNet-110,fig6,test_error,2,6.45,0.2,0.5,6.45,6.45,2 4
core,false,resnet110,ResNet-110,fig6,train_error,2,0.5,,,0.5,0.5,2 4
core,false,resnet110,ResNet-110,fig6,response,2,0.75,,,0.75,0.75,2 4
core,false,resnet110,ResNet-110,he,test_error,5,6.61,0.16,0.1987,,,
core,false,plain8,\"Plain-8, \"\"odd\"\"\",fig6,test_error,0,,,,,,0
core,false,plain8,\"Plain-8, \"\"odd\"\"\",fig6,train_error,0,,,,,,0
core,false,plain8,\"Plain-8, \"\"odd\"\"\",fig6,response,0,,,,,,0
";
    let (of, of_expected) = (file.lines(), expected.lines());
    assert_eq!(of.clone().count(), of_expected.clone().count(), "{file}");
    for (row, expected) in of.zip(of_expected) {
        for (cell, expected) in row.split(',').zip(expected.split(',')) {
            let numbers = cell.parse::<f64>().ok().zip(expected.parse::<f64>().ok());
            match numbers {
                Some((number, expected)) => assert!((number - expected).abs() < 5e-4, "{row}"),
                None => assert_eq!(cell, expected, "{row}"),
            }
        }
    }
    assert_eq!(results.missing.len(), 2);
}

#[test]
fn a_row_whose_model_was_not_summarized_is_refused() {
    let mut summary = summary();
    summary.models.remove(0);
    let error = tabulate(&params(&[]), &json(&summary)).unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "input summary.json has no model resnet110"
    );
}

#[test]
fn malformed_input_is_an_error_that_names_it() {
    let error = tabulate(&params(&[]), "{\"models\": 3}").unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("summary.json"), "{text}");
}

#[test]
fn a_source_without_any_number_has_no_column() {
    let summary = serde_json::to_string(&summary()).unwrap();
    let header = |he, reproduction| {
        let mut params = params(&[]);
        params.sources = Sources { he, reproduction };
        for row in &mut params.rows {
            row.he = row.he.take().filter(|_| he);
            row.reproduction = row.reproduction.take().filter(|_| reproduction);
        }
        let (_, page, _) = tabulate(&params, &summary).unwrap();
        let rows: Vec<&str> = page
            .lines()
            .take_while(|line| line.starts_with('|'))
            .collect();
        assert_eq!(rows.len(), 5);
        let cells = rows[0].trim_matches('|').split('|').map(str::trim);
        cells.collect::<Vec<_>>().join(", ")
    };
    let ours = "model, layers, parameters, test error, %";
    assert_eq!(header(false, false), ours);
    assert_eq!(
        header(true, false),
        format!("{ours}, He et al., %, ours − He et al.")
    );
    assert_eq!(
        header(false, true),
        format!("{ours}, nabla0001/resnet, %, ours − nabla0001")
    );
    assert_eq!(
        header(true, true),
        format!("{ours}, He et al., %, nabla0001/resnet, %, ours − He et al., ours − nabla0001")
    );
}

#[test]
fn parameters_name_sources_only_where_one_has_no_numbers() {
    let all = serde_json::to_string(&params(&[])).unwrap();
    assert!(!all.contains("sources"), "{all}");
    assert_eq!(serde_json::from_str::<Params>(&all).unwrap(), params(&[]));
    let mut some = params(&[]);
    some.sources.he = false;
    let text = serde_json::to_string(&some).unwrap();
    assert_eq!(serde_json::from_str::<Params>(&text).unwrap(), some);
}

#[test]
fn labels_and_caveats_are_plain_text_in_the_page() {
    let mut params = params(&["the data is <img src=x>, not *real*"]);
    params.rows[0].label = "ResNet|20 `a` <b>".to_owned();
    let summary = serde_json::to_string(&summary()).unwrap();
    let (_, page, results) = tabulate(&params, &summary).unwrap();
    assert!(page.contains(r"| ResNet\|20 \`a\` &lt;b&gt; |"), "{page}");
    assert!(
        page.contains(r"the data is &lt;img src=x&gt;, not \*real\*."),
        "{page}"
    );
    assert_eq!(results.rows[0].label, "ResNet|20 `a` <b>");
}
