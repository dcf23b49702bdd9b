use super::*;
use nn::architecture::Shortcut;
use nn::schedule::WarmUp;

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
    assert_eq!((recipe.batch_size, recipe.momentum), (16, 0.9));
    assert_eq!(
        (recipe.schedule.iterations, &recipe.schedule.milestones[..]),
        (80, &[60, 75][..])
    );
    let expected = [
        "the images are generated",
        "80 of 64,000 iterations",
        "batch size 16 instead of 128",
        "learning rate 0.02 instead of 0.1",
        "another schedule",
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
            "momentum: 1.00",
            10,
            "expected from 0 to below 1, found 1.00",
        ),
        (
            "[32000, 48000]",
            "[32000, 32000]",
            8,
            "expected an iteration above 32000 and below 64000, found 32000",
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
            "shorten: 800",
            "shorten: 0",
            9,
            "expected a divisor from 1 to 64000",
        ),
        (
            "validation: 50,",
            "validation: 2000,",
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
            "models: [\"plain8\", \"plain20\", \"resnet8\", \"resnet20\"]",
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
            "\"plain20\" stands here twice, first at pipeline.ron:33:",
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

#[test]
fn a_number_out_of_range_is_shown_as_it_is_written() {
    for (from, to, skip, said) in [
        (
            "seeds: [0",
            "seeds: [-1",
            8,
            "expected a whole number, at least 0, found -1",
        ),
        (
            "seeds: [0",
            "seeds: [18446744073709551616",
            8,
            "expected a whole number up to 18446744073709551615, found 18446744073709551616",
        ),
        (
            "seeds: [0",
            "seeds: [1.5",
            8,
            "expected a whole number, found 1.5",
        ),
        (
            "seeds: [0",
            "seeds: [1e3",
            8,
            "expected a whole number, found 1e3",
        ),
        (
            "batch_size: 128",
            "batch_size: 4294967296",
            12,
            "expected a whole number up to 4294967295, found 4294967296",
        ),
        (
            "batch_size: 128",
            "batch_size: 0x1_FFFF_FFFF",
            12,
            "expected a whole number up to 4294967295, found 0x1_FFFF_FFFF",
        ),
        (
            "batch_size: 128",
            "batch_size: -0.5",
            12,
            "expected a whole number, found -0.5",
        ),
        (
            "batch_size: 128",
            "batch_size: 0x0",
            12,
            "expected at least 1, found 0x0",
        ),
        (
            "validation: 5000",
            "validation: 1.5",
            12,
            "expected a whole number, found 1.5",
        ),
        (
            "iterations: 64000",
            "iterations: 6.4e4",
            12,
            "expected a whole number, found 6.4e4",
        ),
        (
            "iterations: 64000",
            "iterations: 000",
            12,
            "expected at least 1, found 000",
        ),
        (
            "learning_rate: 0.1,",
            "learning_rate: 1e400,",
            15,
            "expected a finite number above 0, found 1e400",
        ),
        (
            "learning_rate: 0.1,",
            "learning_rate: -0.10,",
            15,
            "expected above 0, found -0.10",
        ),
        (
            "learning_rate: 0.1,",
            "learning_rate: NaN,",
            15,
            "expected a finite number above 0, found NaN",
        ),
        (
            "learning_rate: 0.1,",
            "learning_rate: 0x1,",
            15,
            "expected a number, found 0x1",
        ),
        (
            "divide_by: 10.0",
            "divide_by: 0.50",
            11,
            "expected at least 1, found 0.50",
        ),
        (
            "pad: 4",
            "pad: 033",
            5,
            "expected at most 32 pixels, found 033",
        ),
        (
            "(n: 1, shortcut",
            "(n: -3, shortcut",
            4,
            "at least 0, found -3",
        ),
        (
            "(n: 1, shortcut",
            "(n: 1_001, shortcut",
            4,
            "expected n from 1 to 1000, found 1_001",
        ),
        ("bytes: 170052171", "bytes: -1", 7, "at least 0, found -1"),
        (
            "train: 2000",
            "train: 1_000_001",
            7,
            "images, found 1_000_001",
        ),
        (
            "mean: 9.67",
            "mean: 1e999",
            6,
            "a percentage from 0 to 100, found 1e999",
        ),
        (
            "shorten: 800",
            "shorten: 1e9",
            9,
            "expected a whole number, found 1e9",
        ),
    ] {
        let error = complaint(from, to);
        assert!(error.starts_with(&place(from, skip)), "{to}: {error}");
        assert!(error.ends_with(said), "{to}: {error}");
    }
    // A value that a profile takes over from elsewhere is shown all the same.
    let error = complaint("(evaluate_every: 100)", "(iterations: 10)");
    assert!(error.contains("below 10, found 32000"), "{error}");
}

#[test]
fn texts_that_people_read_are_one_line_of_visible_letters() {
    for (from, to, said) in [
        (
            "label: \"ResNet-20, pad both\"",
            "label: \"\"",
            "expected a label, found \"\"",
        ),
        (
            "label: \"ResNet-20, pad both\"",
            "label: \"  \"",
            "expected a label, found \"  \"",
        ),
        (
            "label: \"ResNet-20, pad both\"",
            "label: \" a\"",
            "without blanks around it",
        ),
        (
            "label: \"ResNet-20, pad both\"",
            "label: \"a\\nb\"",
            "in one line, without control",
        ),
        (
            "label: \"ResNet-20, pad both\"",
            "label: \"a\nb\"",
            "in one line, without control",
        ),
        (
            "label: \"ResNet-20, pad both\"",
            "label: \"\\u{1b}[31m\"",
            "in one line, without control",
        ),
        (
            "label: \"ResNet-20, pad both\"",
            "label: \"\\u{202e}a\"",
            "in one line, without control",
        ),
        (
            "label: \"ResNet-20, pad both\"",
            "label: \"ResNet-20, max-pool\"",
            "label \"ResNet-20, max-pool\" stands here twice, first at pipeline.ron:",
        ),
        (
            "label: \"ResNet-20, pad both\"",
            "label: \"a label that is much longer than anything that one could put at a curve's end\"",
            "expected a label of at most 60 letters",
        ),
        (
            "label: \"ResNet-20, pad both\"",
            "label: \"\\u{7}\"",
            "in one line",
        ),
        (
            "title: \"plain nets\"",
            "title: \"\"",
            "expected a title, found",
        ),
        (
            "title: \"plain nets\"",
            "title: \"a\\tb\"",
            "expected a title in one line",
        ),
        (
            "title: \"plain nets\"",
            "title: \"residual nets\"",
            "is that of two panels",
        ),
        (
            "note: \"read off",
            "note: \"\\n",
            "expected a text without blanks",
        ),
        (
            "note: \"best 6.43\"",
            "note: \"\"",
            "expected a text, found",
        ),
        (
            "at: \"Table 6\"",
            "at: \"a\\rb\"",
            "expected a text in one line",
        ),
        (
            "cite: \"He,",
            "cite: \"\\u{0}He,",
            "expected a text in one line",
        ),
        (
            "cite: \"nabla0001/resnet\"",
            "cite: \"\"",
            "expected a text, found",
        ),
        (
            "disputed: \"",
            "disputed: \"\\u{9b}",
            "expected why it is wrong in one line",
        ),
        (
            "\"generated\": (",
            "\"gene\\nrated\": (",
            "expected a name in one line",
        ),
        (
            "\"400 iterations\": it",
            "\"\": it",
            "expected a name, found",
        ),
        (
            "\"plain8\":   (n",
            "\"pla/in8\":   (n",
            "expected a name of letters, digits",
        ),
    ] {
        let error = complaint(from, to);
        assert!(error.starts_with("pipeline.ron:"), "{to}: {error}");
        assert!(error.contains(said), "{to}: {error}");
        assert!(!error.contains(char::is_control), "{error:?}");
    }
    let error = complaint("label: \"ResNet-20, pad both\"", "label: \"\"");
    assert!(
        error.starts_with(&place("label: \"ResNet-20, pad both\"", 7)),
        "{error}"
    );
}

#[test]
fn models_of_a_profile_never_share_a_label_that_they_get_by_themselves() {
    let error = complaint(
        "\"resnet8\":  (n: 1, shortcut: \"zeropad\")",
        "\"resnet8\":  (n: 1, shortcut: \"none\")",
    );
    let said = "label \"Plain-8\" is plain8's and resnet8's: give one of them another label";
    assert!(error.contains(said), "{error}");
    assert!(error.starts_with("pipeline.ron:"), "{error}");
}

#[test]
fn a_mark_in_front_and_line_ends_of_windows_are_accepted() {
    let ours = Pipeline::parse(OURS, "pipeline.ron").unwrap();
    let windows = format!("\u{feff}{}", OURS.replace('\n', "\r\n"));
    let parsed = Pipeline::parse(&windows, "pipeline.ron").unwrap();
    for name in ours.profiles() {
        let pair = [&ours, &parsed].map(|pipeline| pipeline.experiment(Some(name)).unwrap());
        assert_eq!(pair[0], pair[1]);
    }
    for (from, to, skip) in [
        ("momentum: 0.9,", "momentum: 1.0,", 10),
        ("batch_size: 128", "batch_size: -1", 12),
        ("weight_decay: 0.0001", "weight_deca: 0.0001", 0),
    ] {
        let text = windows.replacen(from, to, 1);
        let error = Pipeline::parse(&text, "pipeline.ron")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(&place(from, skip)), "{error}");
        assert!(!error.contains('\r'), "{error:?}");
    }
    // In the first line the mark is no column.
    let error = Pipeline::parse("\u{feff}(dat: {})", "p")
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("p:1:2:"), "{error}");
}

#[test]
fn a_file_in_another_encoding_is_refused_with_its_line() {
    let folder = testing::folder();
    let path = folder.path().join("p.ron");
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Pipeline::text(&path).unwrap_err().to_string()
    };
    let wide: Vec<u8> = OURS.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = OURS.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [
        wide.clone(),
        big.clone(),
        [&[0xff, 0xfe], &wide[..]].concat(),
        [&[0xfe, 0xff], &big[..]].concat(),
    ] {
        let error = refused(&bytes);
        assert!(
            error.contains("p.ron") && error.contains("it is in UTF-16"),
            "{error}"
        );
    }
    let error = refused(b"(\n  // caf\xe9\n)");
    assert!(
        error.contains("line 2 is not in UTF-8: save the file as UTF-8"),
        "{error}"
    );
    // Whatever is read is kept byte for byte.
    let windows = format!("\u{feff}{}", OURS.replace('\n', "\r\n"));
    std::fs::write(&path, &windows).unwrap();
    assert_eq!(Pipeline::text(&path).unwrap(), windows);
}

#[test]
fn it_is_known_whose_numbers_the_file_has() {
    let published = |text: &str| {
        let pipeline = Pipeline::parse(text, "p").unwrap();
        let published = pipeline.experiment(None).unwrap().published;
        (published.he, published.s)
    };
    assert_eq!(published(OURS), (true, true));
    let start = OURS.find("        results: {").unwrap();
    let end = start + OURS[start..].find("    ),\n\n").unwrap();
    let without = format!("{}{}", &OURS[..start], &OURS[end..]);
    assert_eq!(published(&without), (false, false));
    let he = "results: { \"plain8\": (he: (mean: 9.67)) },";
    let one = format!("{}{he}{}", &OURS[..start], &OURS[end..]);
    assert_eq!(published(&one), (true, false));
}

#[test]
fn a_warm_up_out_of_range_is_refused_with_its_place() {
    for (from, to, said) in [
        (
            "train_error: 80.0",
            "train_error: 100.0",
            "expected a percentage between 0 and 100, found 100.0",
        ),
        (
            "learning_rate: 0.01, train_error",
            "learning_rate: 0.0, train_error",
            "expected above 0, found 0.0",
        ),
    ] {
        let error = complaint(from, to);
        let skip = from.find(": ").unwrap() + 2;
        assert!(error.starts_with(&place(from, skip)), "{error}");
        assert!(error.ends_with(said), "{error}");
    }
}

#[test]
fn a_divisor_that_leaves_no_room_for_a_milestone_is_refused_with_its_place() {
    let error = complaint("shorten: 800", "shorten: 64000");
    assert!(error.starts_with(&place("shorten: 800", 9)), "{error}");
    assert!(
        error.contains("divided by 64000, milestones must be"),
        "{error}"
    );
}

#[test]
fn a_name_that_stands_twice_is_found_however_the_rest_is_written() {
    for (from, to) in [
        ("(\n", "#![enable(implicit_some)]\n(\n"),
        ("    recipe: (", "    recipe: Recipe("),
        ("warm_up: \"paper\"", "warm_up: Some(\"paper\")"),
        ("label: \"ResNet-20, pad both\"", "label: r#\"ResNet-20\"#"),
        ("momentum: 0.9,", "momentum: /* one */ 9e-1,"),
        ("batch_size: 128", "batch_size: 0x80"),
    ] {
        assert!(OURS.contains(from), "{from}");
        let text = OURS.replacen(from, to, 1);
        let parsed = Pipeline::parse(&text, "p");
        assert!(parsed.is_ok(), "{to}: {}", parsed.unwrap_err());
        // The last name of the file, so that all before it was walked through.
        let twice = text.replace("\"core\": (", "\"smoke\": (");
        assert_ne!(twice, text);
        let error = Pipeline::parse(&twice, "p").unwrap_err().to_string();
        assert!(error.contains("\"smoke\" stands here twice"), "{error}");
    }
}
