//! Each mutant is one thing altered in a finished project; none may pass.

use std::path::PathBuf;

use serde_json::json;
use store::key::Digest;
use store::{Manifest, Output};

use super::*;

/// One alteration, how it is looked for, and what must come of it.
struct Mutant {
    what: &'static str,
    alter: fn(&Project),
    arguments: &'static [&'static str],
    /// 1 broken or refuted, 2 a wrong pipeline file, 3 not to be decided.
    code: i32,
    /// Part of what is said about it.
    said: &'static str,
}

const LOCK: &[&str] = &["--level", "lock"];
const INTEGRITY: &[&str] = &["--level", "integrity"];
const CLAIMS_LEVEL: &[&str] = &["--level", "claims"];
const EVALUATE: &[&str] = &["--level", "evaluate"];
const DOCUMENT_LEVEL: &[&str] = &["--docs", "PAPER.md"];

/// Checks a list of mutants, and says which survived.
fn none_survives(mutants: &[Mutant]) {
    let mut survivors = Vec::new();
    for mutant in mutants {
        let project = finished();
        (mutant.alter)(&project);
        let answer = verify(&project, mutant.arguments);
        let all = format!("{}{}", answer.out, answer.err);
        if answer.code != mutant.code || !all.contains(mutant.said) {
            let Mutant {
                what, code, said, ..
            } = mutant;
            survivors.push(format!(
                "{what}: exit code {} instead of {code}, expected to read {said:?} in\n{all}",
                answer.code
            ));
        }
    }
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
}

/// A file of the report.
fn report(project: &Project, name: &str) -> PathBuf {
    project.path("reports/tiny").join(name)
}

/// The object behind an output.
pub fn object(project: &Project, step: &str, output: &str) -> PathBuf {
    let link = project.path("artifacts/by-step").join(step).join(output);
    fs::canonicalize(link).unwrap()
}

/// Raises the last digit of the first number with decimals behind a text.
fn next_digit(text: &str, behind: &str) -> String {
    let start = text.find(behind).unwrap_or_else(|| panic!("no {behind:?}")) + behind.len();
    let point = start + text[start..].find('.').unwrap();
    let digits = text[point + 1..]
        .bytes()
        .take_while(u8::is_ascii_digit)
        .count();
    let last = point + digits;
    let digit = (text.as_bytes()[last] - b'0' + 1) % 10;
    format!("{}{digit}{}", &text[..last], &text[last + 1..])
}

/// What lies in a manifest's file beside its checksum.
#[derive(serde::Deserialize)]
struct Sealed {
    manifest: Manifest,
}

/// Replaces an output of a result, and all that the store says of it, as a forger would.
pub fn forge(project: &Project, step: &str, output: &str, content: &[u8]) {
    let digest = Digest::of(content);
    let hex = digest.to_string();
    let path = project.path("artifacts/objects");
    let path = path.join(&hex[..2]).join(&hex[2..]);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    let bytes = content.len() as u64;
    reseal(project, step, |manifest| {
        let output = output.to_owned();
        manifest.outputs.insert(output, Output { digest, bytes });
    });
}

/// Changes a manifest together with its checksum.
pub fn reseal(project: &Project, step: &str, change: impl FnOnce(&mut Manifest)) {
    let path = object(project, step, "manifest.json");
    let sealed = fs::read_to_string(&path).unwrap();
    let Sealed { mut manifest } = serde_json::from_str(&sealed).unwrap();
    change(&mut manifest);
    // As text: parameters are kept to the letter.
    let manifest = serde_json::to_string(&manifest).unwrap();
    let checksum = Digest::of(manifest.as_bytes());
    let sealed = format!("{{\"checksum\":\"{checksum}\",\"manifest\":{manifest}}}");
    fs::write(&path, sealed).unwrap();
    let _ = fs::remove_file(project.path("artifacts/index"));
}

/// Makes the rest of the store, the report and its provenance fit a forged result.
fn cover_up(project: &Project, step: &str) {
    let done = project.reproduce(&[]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.up_to_date.contains(&step.to_owned()), "{done:?}");
    let answer = verify(project, INTEGRITY);
    assert_eq!(
        answer.code, 0,
        "the forgery is not covered up: {}",
        answer.out
    );
}

/// Changes the text of a pipeline file.
fn pipeline(project: &Project, from: &str, to: &str) {
    project.edit(from, to);
}

pub fn provenance(project: &Project, change: impl Fn(&mut Value)) {
    edit(&report(project, "provenance.json"), |text| {
        let mut value: Value = serde_json::from_str(text).unwrap();
        change(&mut value);
        serde_json::to_string_pretty(&value).unwrap() + "\n"
    });
}

/// The records of the steps in a provenance.
fn steps(provenance: &mut Value) -> &mut Vec<Value> {
    let definition = &mut provenance["predicate"]["buildDefinition"];
    definition["internalParameters"]["steps"]
        .as_array_mut()
        .unwrap()
}

/// The record of a step.
pub fn step<'v>(provenance: &'v mut Value, name: &str) -> &'v mut Value {
    let mut steps = steps(provenance).iter_mut();
    steps.find(|step| step["step"] == name).unwrap()
}

#[test]
fn no_altered_report_passes() {
    none_survives(&[
        Mutant {
            what: "a digit of results.md",
            alter: |project| {
                edit(&report(project, "results.md"), |text| {
                    next_digit(text, "| Plain-8")
                });
            },
            arguments: LOCK,
            code: 1,
            said: "results.md",
        },
        Mutant {
            what: "a digit of results.json",
            alter: |project| {
                edit(&report(project, "results.json"), |text| {
                    next_digit(text, "\"mean\"")
                });
            },
            arguments: LOCK,
            code: 1,
            said: "results.json",
        },
        Mutant {
            what: "a digit of results.csv",
            alter: |project| {
                edit(&report(project, "results.csv"), |text| {
                    next_digit(text, "\n")
                });
            },
            arguments: LOCK,
            code: 1,
            said: "results.csv",
        },
        Mutant {
            what: "a point of the figure",
            alter: |project| {
                edit(&report(project, "fig6.svg"), |text| {
                    let at = text.rfind("points=\"").unwrap() + "points=\"".len();
                    let end = at + text[at..].find(',').unwrap();
                    let x: u32 = text[at..end].parse().unwrap();
                    format!("{}{}{}", &text[..at], x + 1, &text[end..])
                });
            },
            arguments: LOCK,
            code: 1,
            said: "fig6.svg",
        },
        Mutant {
            what: "a digit of results.md, found by the artifacts alone",
            alter: |project| {
                edit(&report(project, "results.md"), |text| {
                    next_digit(text, "| Plain-8")
                });
            },
            arguments: INTEGRITY,
            code: 1,
            said: "is not what the artifacts give, from line 3 on",
        },
        Mutant {
            what: "results.json and its digest in the provenance",
            alter: |project| {
                let path = report(project, "results.json");
                edit(&path, |text| next_digit(text, "\"mean\""));
                let digest = Digest::of(&fs::read(&path).unwrap()).to_string();
                provenance(project, |value| {
                    for subject in value["subject"].as_array_mut().unwrap() {
                        if subject["name"] == "results.json" {
                            subject["digest"]["blake3"] = json!(digest);
                        }
                    }
                });
            },
            arguments: LOCK,
            code: 1,
            said: "results.json",
        },
        Mutant {
            what: "a file of the report deleted",
            alter: |project| fs::remove_file(report(project, "fig6.svg")).unwrap(),
            arguments: LOCK,
            code: 1,
            said: "fig6.svg",
        },
        Mutant {
            what: "a number that the mean does not bear out",
            alter: |project| {
                edit(&report(project, "results.json"), |text| {
                    next_digit(text, "\"mean\"")
                });
            },
            arguments: CLAIMS_LEVEL,
            code: 1,
            said: "is not that of the runs",
        },
        Mutant {
            what: "no results at all",
            alter: |project| fs::remove_file(report(project, "results.json")).unwrap(),
            arguments: CLAIMS_LEVEL,
            code: 1,
            said: "results.json",
        },
    ]);
}

#[test]
fn no_altered_provenance_passes() {
    none_survives(&[
        Mutant {
            what: "no provenance",
            alter: |project| fs::remove_file(report(project, "provenance.json")).unwrap(),
            arguments: LOCK,
            code: 3,
            said: "provenance.json",
        },
        Mutant {
            what: "a provenance cut short",
            alter: |project| {
                edit(&report(project, "provenance.json"), |text| {
                    text[..text.len() / 2].to_owned()
                });
            },
            arguments: LOCK,
            code: 1,
            said: "cut short or altered",
        },
        Mutant {
            what: "an empty provenance",
            alter: |project| {
                edit(&report(project, "provenance.json"), |_| String::new());
            },
            arguments: LOCK,
            code: 1,
            said: "provenance.json",
        },
        Mutant {
            what: "a seed left out of the provenance",
            alter: |project| {
                provenance(project, |value| {
                    steps(value).retain(|step| step["step"] != "evaluate/plain8/seed1");
                });
            },
            arguments: LOCK,
            code: 1,
            said: "evaluate/plain8/seed1",
        },
        Mutant {
            what: "no steps in the provenance",
            alter: |project| provenance(project, |value| steps(value).clear()),
            arguments: LOCK,
            code: 1,
            said: "",
        },
        Mutant {
            what: "no files in the provenance",
            alter: |project| provenance(project, |value| value["subject"] = json!([])),
            arguments: LOCK,
            code: 1,
            said: "",
        },
        Mutant {
            what: "another key in the provenance",
            alter: |project| {
                provenance(project, |value| {
                    let key = step(value, "table")["key"].clone();
                    step(value, "aggregate")["key"] = key;
                });
            },
            arguments: LOCK,
            code: 1,
            said: "aggregate",
        },
        Mutant {
            what: "another output in the provenance",
            alter: |project| {
                provenance(project, |value| {
                    let other = step(value, "train/plain8/seed1")["outputs"].clone();
                    step(value, "train/plain8/seed0")["outputs"] = other;
                });
            },
            arguments: LOCK,
            code: 1,
            said: "train/plain8/seed0",
        },
        Mutant {
            what: "another parameter in the provenance",
            alter: |project| {
                edit(&report(project, "provenance.json"), |text| {
                    text.replacen("\"momentum\":0.9", "\"momentum\":0.8", 1)
                });
            },
            arguments: LOCK,
            code: 1,
            said: "train/",
        },
        Mutant {
            what: "other code in the provenance",
            alter: |project| {
                edit(&report(project, "provenance.json"), |text| {
                    let at = text.find("\"nn\": \"").unwrap();
                    let at = at + text[at..].find("\": \"").unwrap() + 4;
                    let digit = if text.as_bytes()[at] == b'0' {
                        '1'
                    } else {
                        '0'
                    };
                    format!("{}{digit}{}", &text[..at], &text[at + 1..])
                });
            },
            arguments: LOCK,
            code: 1,
            said: "provenance.json was altered",
        },
    ]);
}

#[test]
fn no_altered_artifact_passes() {
    none_survives(&[
        Mutant {
            what: "a weight",
            alter: |project| {
                flip(&object(
                    project,
                    "train/plain8/seed0",
                    "weights.safetensors",
                ))
            },
            arguments: INTEGRITY,
            code: 1,
            said: "train/plain8/seed0",
        },
        Mutant {
            what: "a byte of an evaluation",
            alter: |project| {
                flip(&object(
                    project,
                    "evaluate/resnet8/seed1",
                    "evaluation.json",
                ))
            },
            arguments: INTEGRITY,
            code: 1,
            said: "evaluate/resnet8/seed1",
        },
        Mutant {
            what: "a byte of the images",
            alter: |project| flip(&object(project, "preprocess", "test.bin")),
            arguments: INTEGRITY,
            code: 1,
            said: "preprocess",
        },
        Mutant {
            what: "a manifest edited",
            alter: |project| {
                edit(&object(project, "aggregate", "manifest.json"), |text| {
                    text.replacen("models: 2", "models: 3", 1)
                });
            },
            arguments: INTEGRITY,
            code: 1,
            said: "checksum does not match",
        },
        Mutant {
            what: "a manifest deleted",
            alter: |project| {
                fs::remove_file(object(project, "train/resnet8/seed0", "manifest.json")).unwrap();
            },
            arguments: INTEGRITY,
            code: 3,
            said: "train/resnet8/seed0",
        },
        Mutant {
            what: "an object deleted",
            alter: |project| {
                fs::remove_file(object(project, "train/resnet8/seed0", "training.json")).unwrap();
            },
            arguments: INTEGRITY,
            code: 1,
            said: "training.json is missing",
        },
        Mutant {
            what: "no artifacts",
            alter: |project| fs::remove_dir_all(project.path("artifacts")).unwrap(),
            arguments: INTEGRITY,
            code: 3,
            said: "not in the store",
        },
        Mutant {
            what: "a result replaced together with its manifest",
            alter: |project| {
                let path = object(project, "evaluate/plain8/seed0", "evaluation.json");
                let text = fs::read_to_string(path).unwrap();
                let forged = next_digit(&text, "\"test_error\"");
                forge(
                    project,
                    "evaluate/plain8/seed0",
                    "evaluation.json",
                    forged.as_bytes(),
                );
            },
            arguments: INTEGRITY,
            code: 1,
            said: "evaluation.json differs",
        },
        Mutant {
            what: "a result replaced, and all that follows made to fit",
            alter: |project| {
                let path = object(project, "evaluate/plain8/seed0", "evaluation.json");
                let text = fs::read_to_string(path).unwrap();
                let forged = next_digit(&text, "\"test_error\"");
                forge(
                    project,
                    "evaluate/plain8/seed0",
                    "evaluation.json",
                    forged.as_bytes(),
                );
                cover_up(project, "evaluate/plain8/seed0");
            },
            arguments: EVALUATE,
            code: 1,
            said: "evaluation.json came out with other bytes",
        },
        Mutant {
            what: "a seed's error replaced in the summary, and all that follows made to fit",
            alter: |project| {
                let path = object(project, "aggregate", "summary.json");
                let text = fs::read_to_string(path).unwrap();
                let forged = next_digit(&text, "\"test_error\"");
                forge(project, "aggregate", "summary.json", forged.as_bytes());
                let done = project.reproduce(&[]);
                assert!(
                    done.up_to_date.contains(&"aggregate".to_owned()),
                    "{done:?}"
                );
            },
            arguments: INTEGRITY,
            code: 1,
            said: "gives other bytes than recorded: summary.json",
        },
        Mutant {
            what: "weights replaced, and all that follows made to fit",
            alter: |project| {
                let other = object(project, "train/plain8/seed1", "weights.safetensors");
                let other = fs::read(other).unwrap();
                forge(project, "train/plain8/seed0", "weights.safetensors", &other);
                cover_up(project, "train/plain8/seed0");
            },
            arguments: &["--rebuild", "train/plain8/seed0"],
            code: 1,
            said: "weights.safetensors came out with other bytes",
        },
    ]);
}

#[test]
fn no_altered_pipeline_passes() {
    none_survives(&[
        Mutant {
            what: "another learning rate",
            alter: |project| pipeline(project, "learning_rate: 0.1", "learning_rate: 0.2"),
            arguments: LOCK,
            code: 1,
            said: "0.1 → 0.2",
        },
        Mutant {
            what: "a seed more",
            alter: |project| pipeline(project, "seeds: [0, 1]", "seeds: [0, 1, 2]"),
            arguments: LOCK,
            code: 1,
            said: "seed2",
        },
        Mutant {
            what: "a seed less",
            alter: |project| pipeline(project, "seeds: [0, 1]", "seeds: [0]"),
            arguments: LOCK,
            code: 1,
            said: "seed1",
        },
        Mutant {
            what: "a seed whose result is not there",
            alter: |project| pipeline(project, "seeds: [0, 1]", "seeds: [0, 1, 2]"),
            arguments: CLAIMS_LEVEL,
            code: 1,
            said: "seeds without a result: 2",
        },
        Mutant {
            what: "no seeds",
            alter: |project| pipeline(project, "seeds: [0, 1]", "seeds: []"),
            arguments: CLAIMS_LEVEL,
            code: 2,
            said: "at least one seed",
        },
        Mutant {
            what: "one seed where two are needed",
            alter: |project| {
                pipeline(project, "seeds: [0, 1]", "seeds: [0]");
                assert_eq!(project.reproduce(&[]).code, 0);
            },
            arguments: CLAIMS_LEVEL,
            code: 3,
            said: "at least two runs are needed",
        },
        Mutant {
            what: "a claim that does not hold",
            alter: |project| pipeline(project, "test_error(plain8) > 1", "test_error(plain8) < 1"),
            arguments: CLAIMS_LEVEL,
            code: 1,
            said: "refuted",
        },
        Mutant {
            what: "another published number of parameters",
            alter: |project| pipeline(project, "= 75290", "= 75291"),
            arguments: CLAIMS_LEVEL,
            code: 1,
            said: "refuted",
        },
        Mutant {
            what: "a disputed claim that is none",
            alter: |project| pipeline(project, ", disputed: \"it was counted with biases\"", ""),
            arguments: CLAIMS_LEVEL,
            code: 1,
            said: "refuted",
        },
        Mutant {
            what: "a dispute of what holds",
            alter: |project| {
                pipeline(
                    project,
                    "= 75290\", source: \"he\"",
                    "= 75290\", source: \"he\", disputed: \"no\"",
                );
            },
            arguments: CLAIMS_LEVEL,
            code: 1,
            said: "disputes it",
        },
        Mutant {
            what: "a margin that is too narrow to confirm",
            alter: |project| pipeline(project, "within: \"90 points\"", "within: \"0.1 points\""),
            arguments: CLAIMS_LEVEL,
            code: 3,
            said: "undecided",
        },
        Mutant {
            what: "a margin without a unit",
            alter: |project| pipeline(project, "within: \"90 points\"", "within: \"90\""),
            arguments: CLAIMS_LEVEL,
            code: 2,
            said: "with its unit",
        },
        Mutant {
            what: "a claim without its source",
            alter: |project| pipeline(project, "= 75290\", source: \"he\"", "= 75290\""),
            arguments: CLAIMS_LEVEL,
            code: 2,
            said: "source",
        },
        Mutant {
            what: "a source that is not there",
            alter: |project| pipeline(project, "\"he\": (cite", "\"she\": (cite"),
            arguments: CLAIMS_LEVEL,
            code: 2,
            said: "unknown source \"he\"",
        },
        Mutant {
            what: "an empty list of claims",
            alter: |project| {
                edit(&project.path("pipeline.ron"), |text| {
                    let start = text.find("claims: [").unwrap();
                    let end = start + text[start..].find("    ],").unwrap();
                    format!("{}claims: [\n{}", &text[..start], &text[end..])
                });
            },
            arguments: CLAIMS_LEVEL,
            code: 3,
            said: "claims nothing",
        },
        Mutant {
            what: "claims about other models only",
            alter: |project| {
                edit(&project.path("pipeline.ron"), |text| {
                    let others = "\"other\": (n: 2, shortcut: \"none\"), \"deep\": (n: 3, shortcut: \"none\"),";
                    let text = text.replacen("models: {", &format!("models: {{ {others}"), 1);
                    let start = text.find("claims: [").unwrap();
                    let (head, claims) = text.split_at(start);
                    let end = claims.find("    ],").unwrap();
                    let (claims, tail) = claims.split_at(end);
                    let claims = claims.replace(", profiles: [\"tiny\"]", "");
                    let claims = claims.replace("plain8", "other").replace("resnet8", "deep");
                    format!("{head}{claims}{tail}")
                });
            },
            arguments: CLAIMS_LEVEL,
            code: 3,
            said: "none of the 5 claims",
        },
        Mutant {
            what: "a claim about a model that does not exist",
            alter: |project| pipeline(project, "test_error(plain8) > 1", "test_error(plain9) > 1"),
            arguments: CLAIMS_LEVEL,
            code: 2,
            said: "did you mean \"plain8\"?",
        },
        Mutant {
            what: "a claim about a metric that does not exist",
            alter: |project| pipeline(project, "test_error(plain8) > 1", "tets_error(plain8) > 1"),
            arguments: CLAIMS_LEVEL,
            code: 2,
            said: "unknown metric",
        },
        Mutant {
            what: "a profile that does not exist",
            alter: |_| {},
            arguments: &["--profile", "tny"],
            code: 2,
            said: "did you mean \"tiny\"?",
        },
        Mutant {
            what: "results that cannot be compared with what was published",
            alter: |project| pipeline(project, ", profiles: [\"tiny\"]", ""),
            arguments: CLAIMS_LEVEL,
            code: 3,
            said: "not comparable with what was published: the images are generated",
        },
    ]);
}

#[test]
fn no_altered_document_passes() {
    none_survives(&[
        Mutant {
            what: "a digit of a bound number",
            alter: |project| {
                edit(&project.path("PAPER.md"), |text| {
                    next_digit(text, ".mean -->")
                });
            },
            arguments: DOCUMENT_LEVEL,
            code: 1,
            said: "PAPER.md:3",
        },
        Mutant {
            what: "a digit of a bound table",
            alter: |project| {
                edit(&project.path("PAPER.md"), |text| {
                    next_digit(text, "| ResNet-8")
                });
            },
            arguments: DOCUMENT_LEVEL,
            code: 1,
            said: "PAPER.md:5",
        },
        Mutant {
            what: "a mark that is not closed",
            alter: |project| {
                edit(&project.path("PAPER.md"), |text| {
                    text.replacen("<!-- /fig6 -->", "", 1)
                });
            },
            arguments: DOCUMENT_LEVEL,
            code: 1,
            said: "PAPER.md:3",
        },
        Mutant {
            what: "a number of a model that does not exist",
            alter: |project| {
                edit(&project.path("PAPER.md"), |text| {
                    text.replacen("(plain8)", "(plain9)", 1)
                });
            },
            arguments: DOCUMENT_LEVEL,
            code: 1,
            said: "plain8",
        },
        Mutant {
            what: "a document in which nothing is bound",
            alter: |project| {
                edit(&project.path("PAPER.md"), |_| "# Results\n".to_owned());
            },
            arguments: DOCUMENT_LEVEL,
            code: 3,
            said: "PAPER.md",
        },
        Mutant {
            what: "no document",
            alter: |project| fs::remove_file(project.path("PAPER.md")).unwrap(),
            arguments: DOCUMENT_LEVEL,
            code: 1,
            said: "PAPER.md",
        },
        Mutant {
            what: "a document that quotes a report which nobody locked",
            alter: |project| {
                let other = project.path("reports/other");
                fs::create_dir(&other).unwrap();
                for name in ["results.json", "results.md"] {
                    let text = fs::read_to_string(report(project, name)).unwrap();
                    let text = text.replace("\"profile\": \"tiny\"", "\"profile\": \"other\"");
                    fs::write(other.join(name), text).unwrap();
                }
                edit(&project.path("PAPER.md"), |text| {
                    text.replace(").mean -->", ").mean in other -->")
                });
            },
            arguments: DOCUMENT_LEVEL,
            code: 3,
            said: "other/provenance.json",
        },
        Mutant {
            what: "other results under a right document",
            alter: |project| {
                edit(&report(project, "results.json"), |text| {
                    let rows = text.find("\"plain8\"").unwrap();
                    let (head, tail) = text.split_at(rows);
                    let tail = tail.replacen("\"mean\": ", "\"mean\": 1", 1);
                    format!("{head}{tail}")
                });
            },
            arguments: DOCUMENT_LEVEL,
            code: 1,
            said: "PAPER.md:3",
        },
    ]);
}

#[test]
fn on_another_processor_a_training_may_differ_within_a_tolerance_and_no_further() {
    let step = "train/plain8/seed0";
    let again = |project: &Project, more: &[&str]| {
        verify(
            project,
            &[&["--level", "lock", "--rebuild", step], more].concat(),
        )
    };
    let project = finished();
    let other = fs::read(object(
        &project,
        "train/plain8/seed1",
        "weights.safetensors",
    ))
    .unwrap();
    forge(&project, step, "weights.safetensors", &other);
    cover_up(&project, step);
    let answer = again(&project, &[]);
    assert_eq!(answer.code, 1, "{}", answer.out);
    reseal(&project, step, |manifest| {
        manifest.run.cpu = "another".to_owned()
    });
    let answer = again(&project, &["--verbose"]);
    assert_eq!(answer.code, 0, "{}", answer.out);
    assert!(answer.out.contains("instead of another"), "{}", answer.out);
    assert!(answer.out.contains("tolerance 1 points"), "{}", answer.out);
    let text = fs::read_to_string(object(&project, step, "training.json")).unwrap();
    let mut training: records::Training = serde_json::from_str(&text).unwrap();
    training.last.test_error -= 5.0;
    let forged = serde_json::to_string(&training).unwrap();
    forge(&project, step, "training.json", forged.as_bytes());
    cover_up(&project, step);
    assert_eq!(again(&project, &[]).code, 1);
    assert_eq!(again(&project, &["--within", "4.9"]).code, 1);
    assert_eq!(again(&project, &["--within", "5"]).code, 0);
}
