use super::*;
use crate::nn::resnet::Shortcut;
use crate::nn::schedule::WarmUp;

/// The repository's own file, on which the edits below are made.
const OURS: &str = include_str!("../../pipeline.ron");

/// The complaint about our file after one edit.
fn complaint(from: &str, to: &str) -> String {
    assert!(OURS.contains(from), "the file has no {from:?} to edit");
    let text = OURS.replacen(from, to, 1);
    Pipeline::parse(&text, "pipeline.ron")
        .unwrap_err()
        .to_string()
}

/// `pipeline.ron:line:column:` of `needle`'s first occurrence in our file, `skip` characters in.
fn place(needle: &str, skip: usize) -> String {
    let at = OURS.find(needle).unwrap() + skip;
    let line = OURS[..at].matches('\n').count() + 1;
    let start = OURS[..at].rfind('\n').map_or(0, |newline| newline + 1);
    format!(
        "pipeline.ron:{line}:{}:",
        OURS[start..at].chars().count() + 1
    )
}

#[test]
fn our_own_file_holds_the_paper_and_its_short_cuts() {
    let pipeline = Pipeline::parse(OURS, "pipeline.ron").unwrap();
    assert_eq!(
        pipeline.profiles().collect::<Vec<_>>(),
        ["core", "deep", "paper", "quick", "slip", "smoke"]
    );
    let paper = pipeline.experiment(Some("paper")).unwrap();
    assert_eq!(paper.caveats, [] as [&str; 0]);
    assert_eq!(
        (paper.models.len(), paper.seeds.len(), paper.panels.len()),
        (9, 5, 2)
    );
    let schedule = &paper.models[8].recipe.schedule;
    assert_eq!(
        (schedule.iterations, &schedule.milestones[..]),
        (64000, &[32000, 48000][..])
    );
    assert_eq!(
        schedule.warm_up,
        WarmUp::UntilError {
            learning_rate: 0.01,
            train_error: 80.0
        }
    );
    assert_eq!(paper.models[0].recipe.schedule.warm_up, WarmUp::None);
    assert_eq!(paper.models[0].architecture.shortcut, Shortcut::None);
    assert_eq!(paper.models[8].label, "ResNet-110");
}

#[test]
fn a_profile_overrides_what_it_names_and_says_what_that_costs() {
    let pipeline = Pipeline::parse(OURS, "pipeline.ron").unwrap();
    let smoke = pipeline.experiment(None).unwrap();
    assert_eq!(smoke.profile, "smoke");
    let recipe = &smoke.models[0].recipe;
    assert_eq!((recipe.batch_size, recipe.momentum), (32, 0.9));
    assert_eq!(
        (recipe.schedule.iterations, &recipe.schedule.milestones[..]),
        (100, &[50, 75][..])
    );
    let expected = [
        "the images are generated",
        "100 of 64,000 iterations",
        "batch size 32 instead of 128",
    ];
    assert_eq!(smoke.caveats, expected);
    let quick = pipeline.experiment(Some("quick")).unwrap();
    assert_eq!(quick.caveats, ["1,000 of 64,000 iterations"]);
}

#[test]
fn an_unknown_field_is_refused_with_its_place_and_the_nearest_name() {
    let error = complaint("weight_decay: 0.0001", "weight_deca: 0.0001");
    assert!(
        error.starts_with(&place("weight_decay: 0.0001", 0)),
        "{error}"
    );
    assert!(error.contains("did you mean `weight_decay`?"), "{error}");
}

#[test]
fn a_wrong_type_is_refused_with_its_place_and_what_was_found() {
    let error = complaint("batch_size: 128", "batch_size: \"128\"");
    assert!(error.starts_with(&place("batch_size: 128", 12)), "{error}");
    assert!(
        error.contains("integer") && error.contains("\"128\""),
        "{error}"
    );
}

#[test]
fn impossible_values_are_refused_with_their_place() {
    for (from, to, skip, said) in [
        (
            "learning_rate: 0.1,",
            "learning_rate: -0.1,",
            15,
            "expected above 0, found -0.1",
        ),
        (
            "batch_size: 128",
            "batch_size: 0",
            12,
            "expected at least 1, found 0",
        ),
        (
            "momentum: 0.9",
            "momentum: 1.0",
            10,
            "expected from 0 to below 1, found 1",
        ),
        (
            "[32000, 48000]",
            "[32000, 32000]",
            8,
            "ascending iterations, found 32000 after 32000",
        ),
        (
            "[32000, 48000]",
            "[32000, 64000]",
            8,
            "below 64000, found 64000",
        ),
        (
            "(n: 1, shortcut",
            "(n: 0, shortcut",
            4,
            "expected n from 1 to 1000, found 0",
        ),
        ("bytes: 170052171", "bytes: 0", 7, "found 0"),
        (
            "\"c4a38c50",
            "\"C4A38C50",
            0,
            "expected 64 lower-case hexadecimal digits",
        ),
        (
            "\"https://www.cs",
            "\"ftp://www.cs",
            0,
            "expected an https, http or file URL",
        ),
        (
            "seeds: [0, 1, 2, 3, 4]",
            "seeds: [0, 1, 2, 3, 1]",
            20,
            "seed 1 stands here twice, first at pipeline.ron:",
        ),
        (
            "shorten: 640",
            "shorten: 0",
            9,
            "expected a divisor from 1 to 64000",
        ),
        (
            "validation: 200",
            "validation: 2000",
            12,
            "fewer than the 2000 training images",
        ),
        (
            "mean: 9.67",
            "mean: 967.0",
            6,
            "a percentage from 0 to 100, found 967",
        ),
    ] {
        let error = complaint(from, to);
        assert!(error.starts_with(&place(from, skip)), "{to}: {error}");
        assert!(error.contains(said), "{to}: {error}");
    }
}

#[test]
fn a_name_that_leads_nowhere_is_refused_with_the_nearest_one() {
    for (from, to, said) in [
        (
            "models: [\"plain8\", \"resnet8\"]",
            "models: [\"plain8\", \"resnet9\"]",
            "unknown model \"resnet9\"; did you mean \"resnet8\"?",
        ),
        (
            "data: \"generated\"",
            "data: \"generatd\"",
            "did you mean \"generated\"?",
        ),
        (
            "figure: [\"deep\"]",
            "figure: [\"deeper\"]",
            "did you mean \"deep\"?",
        ),
        (
            "warm_up: \"paper\"",
            "warm_up: \"papers\"",
            "did you mean \"paper\"?",
        ),
        ("shortcut: \"zeropad\"", "shortcut: \"zeropda\"", "zeropad"),
        (
            "default_profile: \"smoke\"",
            "default_profile: \"smoky\"",
            "did you mean \"smoke\"?",
        ),
        (
            "\"plain32\":    (he",
            "\"plain21\":    (he",
            "unknown model \"plain21\"",
        ),
    ] {
        let error = complaint(from, to);
        assert!(
            error.starts_with("pipeline.ron:") && error.contains(said),
            "{to}: {error}"
        );
    }
}

#[test]
fn no_text_whatever_makes_the_parser_panic() {
    // Whole once its last parenthesis is there.
    for end in (0..OURS.trim_end().len())
        .filter(|end| OURS.is_char_boundary(*end))
        .step_by(7)
    {
        assert!(Pipeline::parse(&OURS[..end], "p").is_err());
    }
    for text in [
        "",
        "()",
        "(((((",
        "\u{0}",
        "(data: {\"x\": (from: generated(train: 10",
        "[1, 2]",
    ] {
        assert!(Pipeline::parse(text, "p").is_err());
    }
}

#[test]
fn a_name_that_stands_twice_is_refused_with_both_places() {
    for (from, to, said) in [
        (
            "\"plain56\":  (n: 9",
            "\"plain20\":  (n: 9",
            "\"plain20\" stands here twice, first at pipeline.ron:32:",
        ),
        (
            "\"deep\": (\n",
            "\"core\": (\n",
            "\"core\" stands here twice, first at pipeline.ron:",
        ),
        (
            "momentum: 0.9,",
            "momentum: 0.9, pad: 4,",
            "\"pad\" stands here twice, first at pipeline.ron:",
        ),
    ] {
        let text = OURS.replace(from, to);
        assert_ne!(text, OURS, "{from}");
        let error = Pipeline::parse(&text, "pipeline.ron")
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{error}");
        assert!(error.starts_with("pipeline.ron:"), "{error}");
    }
}
