//! Expressions, and what they are in a small record of results.

use super::*;
use crate::verify::prose::example_tests::results;

fn value(text: &str) -> Result<Value> {
    match text.parse::<Expression>()?.what {
        Quoted::Number(number) => number.value(&results()),
        Quoted::Table { .. } => panic!("{text} is a table"),
    }
}

fn refusal(text: &str) -> String {
    value(text).unwrap_err().to_string()
}

#[test]
fn every_number_of_a_model_has_a_name() {
    for (text, expected) in [
        ("test_error(resnet20)", Value::MeanAndStd(8.515, 0.25)),
        ("test_error(plain20)", Value::Percent(9.75)),
        ("test_error(resnet20).mean", Value::Percent(8.515)),
        ("test_error(resnet20).std", Value::Percent(0.25)),
        ("test_error(resnet20).half_width", Value::Percent(0.625)),
        ("test_error(resnet20).min", Value::Percent(8.25)),
        ("test_error(resnet20).max", Value::Percent(8.75)),
        ("test_error(resnet20).n", Value::Count(3)),
        ("test_error(resnet20).runs", Value::Count(3)),
        ("test_error(resnet20).seed3", Value::Percent(8.75)),
        ("train_error(resnet20).seed3", Value::Percent(0.75)),
        ("train_error(resnet20).mean", Value::Percent(0.5)),
        ("layers(resnet20)", Value::Count(20)),
        ("parameters(resnet20)", Value::Count(269_722)),
        ("multiply_adds(resnet20)", Value::Count(40_551_040)),
        ("iterations(resnet20)", Value::Count(64_000)),
    ] {
        assert_eq!(value(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn what_is_written_is_read_back_as_the_same() {
    for text in [
        "test_error(resnet20)",
        "train_error(resnet110-400).seed12 in core",
        "multiply_adds(plain20) in a.b_c-1",
        "table",
        "table smoke",
        "table: model",
        "table smoke: model, test error",
    ] {
        let expression: Expression = text.parse().unwrap();
        assert_eq!(expression.to_string(), text);
    }
    let loose: Expression = "  test_error( resnet20 ).mean   in  core ".parse().unwrap();
    assert_eq!(loose.to_string(), "test_error(resnet20).mean in core");
    let runs: Expression = "test_error(resnet20).runs".parse().unwrap();
    assert_eq!(runs.to_string(), "test_error(resnet20).n");
}

#[test]
fn a_name_that_does_not_exist_is_refused_with_its_neighbour() {
    for (text, expected) in [
        (
            "tset_error(resnet20)",
            "unknown metric \"tset_error\"; did you mean \"test_error\"?",
        ),
        (
            "test_error(resnet21)",
            "unknown model \"resnet21\"; did you mean \"resnet20\"?",
        ),
        (
            "test_error(resnet20).meam",
            "unknown field \"meam\"; did you mean \"mean\"?",
        ),
        (
            "test_error(resnet20).seed",
            "unknown field \"seed\"; did you mean \"seed0\"?",
        ),
        (
            "test_error(resnet20).seed+1",
            "unknown field \"seed+1\"; did you mean \"seed0\"?",
        ),
        (
            "test_error(resnet20).seed7",
            "resnet20 has no seed 7; its seeds: 0, 1, 3",
        ),
        (
            "test_error(resnet20).seed2",
            "seed 2 of resnet20 has no result, because it has failed",
        ),
        (
            "test_error(lost)",
            "lost has no result, because its trainings or evaluations have failed",
        ),
        (
            "test_error(plain20).std",
            "plain20 has a single run, which has no standard deviation",
        ),
        (
            "test_error(plain20).half_width",
            "plain20 has a single run, which has no confidence interval",
        ),
        (
            "layers(resnet20).mean",
            "\".mean\" is not understood: layers is one number, without fields",
        ),
        (
            "test_error()",
            "no model is named; expected test_error(resnet20)",
        ),
        (
            "test_error(resnet20) of core",
            "\"of core\" is not understood; expected `in PROFILE` or nothing",
        ),
        (
            "test_error(resnet20).mean in ../x",
            "\"../x\" cannot be the name of a profile",
        ),
        ("table ..", "\"..\" cannot be the name of a profile"),
        (
            "table smoke: model,,",
            "a column has no name; expected `table PROFILE: model, test error`",
        ),
        (
            "tables",
            "\"tables\" is not understood; expected a number like test_error(resnet20).mean, or a \
             table",
        ),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
    assert!(refusal(" ").starts_with("it names nothing"));
}
