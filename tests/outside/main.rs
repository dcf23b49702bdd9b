//! What surrounds the program: paths of any bytes, environment variables, and texts that others wrote.

#[path = "../common/mod.rs"]
mod common;

mod folders;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const TINY: &str = include_str!("../pipelines/tiny.ron");

/// What a folder's name may hold on Linux: no UTF-8, and what a terminal would obey.
const NAME: &[u8] = b"p\xff\x1b[31m";

fn name(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

/// The program in a folder, with no setting of ours in its environment.
fn fig6(folder: &Path, arguments: &[&OsStr], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fig6"));
    command.current_dir(folder).args(arguments);
    for variable in ["FIG6_MIRROR", "FIG6_CHECKPOINT_EVERY", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command.envs(variables.iter().copied());
    command.output().unwrap()
}

/// Arguments that are all UTF-8.
fn words(text: &str) -> Vec<&OsStr> {
    text.split(' ').map(OsStr::new).collect()
}

fn text(output: &Output) -> String {
    let out = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(out).expect("what is printed is UTF-8")
}

/// Control characters that a terminal would obey.
fn is_obeyed(letter: char) -> bool {
    letter.is_control() && letter != '\n' && letter != '\t'
}

/// A folder with that name and a small pipeline in it.
fn unreadable_name() -> (tempfile::TempDir, PathBuf) {
    let above = testing::folder();
    let folder = above.path().join(OsStr::from_bytes(NAME));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("pipeline.ron"), TINY).unwrap();
    (above, folder)
}

#[test]
fn every_command_works_in_a_folder_whose_name_is_not_utf8() {
    let (_above, folder) = unreadable_name();
    let out = |arguments: &[&OsStr], code: i32| -> String {
        let output = fig6(&folder, arguments, &[]);
        let text = text(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(!text.contains(is_obeyed), "{arguments:?}: {text:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let run = |arguments: &[&OsStr], code: i32| drop(out(arguments, code));
    let json = |arguments: &[&OsStr], code: i32| -> Value {
        let text = out(&[arguments, &["--json".as_ref()]].concat(), code);
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    };
    let pipeline = folder.join("pipeline.ron");
    let mut whole_path = words("reproduce --pipeline");
    whole_path.push(pipeline.as_os_str());
    run(&whole_path, 0);
    for command in ["status", "fsck", "gc", "devices", "graph", "explain table"] {
        run(&words(command), 0);
        json(&words(command), 0);
    }
    run(&words("log preprocess"), 0);
    run(&words("verify --level integrity"), 0);

    // In places of their own, which are not UTF-8 either.
    let [
        store,
        reports,
        bundle,
        document,
        junit,
        summary,
        data,
        experiments,
        weights,
    ] = [
        &b"a\xff"[..],
        b"r\xff",
        b"b\xff",
        b"d\xff.md",
        b"j\xff",
        b"s\xff",
        b"images\xff",
        b"e\xff",
        b"w\xff.safetensors",
    ]
    .map(name);
    let places: [&OsStr; 4] = [
        "--artifacts".as_ref(),
        &store,
        "--reports".as_ref(),
        &reports,
    ];
    let with = |command: &str, more: &[&OsStr]| -> Value {
        json(&[&words(command)[..], &places, more].concat(), 0)
    };
    let done = with("reproduce", &[]);
    assert_eq!(done["report"][0], "r\u{fffd}/tiny/fig6.svg");
    assert_eq!(with("gc --dry-run", &[])["bytes_removed"], 0);
    let packed = with("bundle", &["--output".as_ref(), &bundle]);
    assert_eq!(packed["file"], "b\u{fffd}");
    let again = [
        &[OsStr::new("verify"), &bundle][..],
        &words("--level integrity --rebuild download"),
    ];
    run(&again.concat(), 0);
    let marked = "<!-- fig6: layers(resnet8) in tiny -->9<!-- /fig6 -->\n";
    fs::write(folder.join(&document), marked).unwrap();
    let documents: [&OsStr; 7] = [
        "verify".as_ref(),
        "--docs".as_ref(),
        &document,
        "--junit".as_ref(),
        &junit,
        "--summary".as_ref(),
        &summary,
    ];
    let verdict = json(&documents, 1);
    let checks = verdict["checks"].as_array().unwrap();
    assert_eq!(checks.last().unwrap()["place"]["file"], "d\u{fffd}.md");
    assert!(folder.join(&junit).is_file() && folder.join(&summary).is_file());
    run(&[&documents[..3], &["--write".as_ref()]].concat(), 0);

    common::pictures(&folder, 40, 20);
    fs::rename(folder.join("data"), folder.join(&data)).unwrap();
    let mut train =
        words("train --n 1 --iterations 2 --batch-size 10 --evaluate-every 2 --exp-name");
    train.extend([OsStr::from_bytes(NAME), "--exp-dir".as_ref(), &experiments]);
    train.extend(["--data-dir".as_ref(), data.as_os_str()]);
    let trained = json(&train, 0);
    assert_eq!(trained["folder"], "e\u{fffd}/p\u{fffd}\u{1b}[31m");
    let own = Path::new(&experiments)
        .join(OsStr::from_bytes(NAME))
        .join("weights.safetensors");
    let evaluate: [&OsStr; 5] = [
        "evaluate".as_ref(),
        own.as_ref(),
        &weights,
        "--data".as_ref(),
        &data,
    ];
    let evaluated = json(&evaluate, 1);
    assert_eq!(evaluated["files"][1]["file"], "w\u{fffd}.safetensors");
    run(
        &[
            "export".as_ref(),
            own.as_ref(),
            "--output".as_ref(),
            &weights,
        ],
        0,
    );
    json(&evaluate, 0);
}

#[test]
fn a_mirror_is_a_folder_or_the_archive_itself_and_need_not_be_utf8() {
    let (_above, folder) = unreadable_name();
    let run = |arguments: &[&OsStr], variables: &[(&str, &str)]| {
        let output = fig6(&folder, arguments, variables);
        (output.status.code(), text(&output))
    };
    assert_eq!(run(&words("reproduce download"), &[]).0, Some(0));
    let archive = fs::read(folder.join("artifacts/by-step/download/archive")).unwrap();
    let mirror = folder.join(OsStr::from_bytes(b"m\xff"));
    fs::create_dir(&mirror).unwrap();
    fs::write(mirror.join("c.tar.gz"), &archive).unwrap();
    fs::write(folder.join("other"), &archive).unwrap();
    let digest = sha256::of(&archive);
    let source = format!(
        "archives([(url: \"http://127.0.0.1:1/c.tar.gz\", bytes: {}, sha256: \"{digest}\")])",
        archive.len()
    );
    let pipeline = TINY.replace("generated(train: 60, test: 20, seed: 6)", &source);
    fs::write(folder.join("pipeline.ron"), pipeline).unwrap();
    let itself = mirror.join("c.tar.gz");
    for mirror in [
        mirror.as_os_str(),
        itself.as_os_str(),
        "other".as_ref(),
        "./m2/c.tar.gz".as_ref(),
    ] {
        let store = testing::folder();
        let mut arguments = words("reproduce preprocess --artifacts");
        arguments.extend([store.path().as_os_str(), "--mirror".as_ref(), mirror]);
        let (code, said) = run(&arguments, &[]);
        let is_there = !mirror.as_bytes().starts_with(b"./m2");
        assert_eq!(code, Some(i32::from(!is_there)), "{mirror:?}: {said}");
        if !is_there {
            assert!(said.contains("./m2/c.tar.gz: no such file"), "{said}");
        }
    }
}

#[test]
fn an_empty_variable_counts_as_not_set_and_an_error_names_the_variable() {
    let folder = testing::folder();
    fs::write(folder.path().join("pipeline.ron"), TINY).unwrap();
    let empty = [
        ("FIG6_MIRROR", ""),
        ("FIG6_CHECKPOINT_EVERY", ""),
        ("NO_COLOR", ""),
        ("CLICOLOR_FORCE", ""),
        ("TMPDIR", ""),
        ("SSL_CERT_FILE", ""),
        ("http_proxy", ""),
    ];
    let output = fig6(folder.path(), &words("reproduce --dry-run"), &empty);
    assert!(output.status.success(), "{}", text(&output));
    // Neither a terminal nor forced.
    assert!(!text(&output).contains('\u{1b}'), "{}", text(&output));
    let source = "archives([(url: \"http://127.0.0.1:1/c.tgz\", bytes: 1, sha256: \"x\")])"
        .replace("\"x\"", &format!("{:?}", "0".repeat(64)));
    let archives = TINY.replace("generated(train: 60, test: 20, seed: 6)", &source);
    fs::write(folder.path().join("pipeline.ron"), archives).unwrap();
    let output = fig6(folder.path(), &words("reproduce download"), &empty);
    let said = text(&output);
    // The first place tried is the source itself, not a mirror in the current folder.
    assert!(
        said.contains("tried:\n  http://127.0.0.1:1/c.tgz: "),
        "{said}"
    );
    fs::write(folder.path().join("pipeline.ron"), TINY).unwrap();

    let before = fs::read_dir(folder.path()).unwrap().count();
    fig6(folder.path(), &words("verify --rebuild download"), &empty);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before);

    let wrong = [("FIG6_CHECKPOINT_EVERY", "soon")];
    for command in ["reproduce", "train --exp-name x"] {
        let output = fig6(folder.path(), &words(command), &wrong);
        let said =
            "error: FIG6_CHECKPOINT_EVERY is \"soon\": expected seconds, from 0 to 1000000000\n";
        assert_eq!((output.status.code(), &*text(&output)), (Some(2), said));
        // An option goes first.
        let command = format!("{command} --checkpoint-every -1");
        let output = fig6(folder.path(), &words(&command), &wrong);
        let said = "invalid value '-1' for '--checkpoint-every <SECONDS>'";
        assert!(text(&output).contains(said), "{}", text(&output));
    }
}

#[test]
fn numbers_out_of_range_are_shown_as_they_were_written() {
    let folder = testing::folder();
    for (arguments, said) in [
        (
            "train --exp-name x --learning-rate 1e400",
            "invalid value '1e400'",
        ),
        (
            "train --exp-name x --learning-rate -0.10",
            "invalid value '-0.10'",
        ),
        ("train --exp-name x --seed -1", "invalid value '-1'"),
        (
            "train --exp-name x --n 4294967296",
            "invalid value '4294967296'",
        ),
        ("train --exp-name x --iterations 1.5", "invalid value '1.5'"),
        ("train --exp-name x --batch-size -1", "invalid value '-1'"),
        ("train --exp-name x --validation -5", "invalid value '-5'"),
        (
            "train --exp-name x --evaluate-every 1e3",
            "invalid value '1e3'",
        ),
        ("reproduce --jobs -1", "invalid value '-1'"),
        ("gc --keep-runs -1", "invalid value '-1'"),
        ("verify --within 1e400", "invalid value '1e400'"),
        ("verify --within -1", "invalid value '-1'"),
        ("verify --sample -1", "invalid value '-1'"),
        ("verify --sample 1 --sample-seed -1", "invalid value '-1'"),
    ] {
        let output = fig6(folder.path(), &words(arguments), &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(
            text(&output).contains(said),
            "{arguments}: {}",
            text(&output)
        );
    }
}

#[test]
fn only_colours_of_our_own_reach_a_terminal() {
    let folder = testing::folder();
    let hostile = "no\u{1b}[31m\u{9b}2J\u{202e}\nok lock: forged";
    let arguments = [
        "--color", "always", "evaluate", hostile, "b", "--data", "data",
    ];
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    common::pictures(folder.path(), 20, 10);
    let output = fig6(folder.path(), &arguments, &[]);
    let said = text(&output);
    let expected = concat!(
        "\u{1b}[31merror:\u{1b}[0m cannot take weights from ",
        r"no\u001b[31m\u009b2J\u202e",
        "\n  ok lock: forged: No such file"
    );
    assert!(said.starts_with(expected), "{said:?}");
    // Other errors, and JSON.
    let mut command = words("status --color always --pipeline");
    command.push(OsStr::new(hostile));
    let output = fig6(folder.path(), &command, &[]);
    assert!(text(&output).contains(r"no\u001b[31m"), "{}", text(&output));
    let arguments = ["evaluate", hostile, "b", "--data", "data", "--json"];
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    let output = fig6(folder.path(), &arguments, &[]);
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(
        !out.contains(is_obeyed) && !out.contains('\u{202e}'),
        "{out:?}"
    );
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["files"][0]["file"], hostile);

    // Wrong arguments.
    for arguments in [
        &["--\u{9b}31mred"][..],
        &["stat\u{1b}[31mus"],
        &["gc", "--max-size", "\u{1b}c\u{9d}1"],
    ] {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        let output = fig6(folder.path(), &arguments, &[("CLICOLOR_FORCE", "1")]);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!said.contains(is_obeyed), "{said:?}");
    }

    // A log is our own text, but may cite others'.
    fs::write(folder.path().join("pipeline.ron"), TINY).unwrap();
    assert!(
        fig6(folder.path(), &words("reproduce download"), &[])
            .status
            .success()
    );
    let log = fs::canonicalize(folder.path().join("artifacts/by-step/download/log")).unwrap();
    fs::remove_file(&log).unwrap();
    fs::write(&log, "a\u{1b}]0;title\u{7}\nb\tc\r\n").unwrap();
    let output = fig6(folder.path(), &words("log download"), &[]);
    assert_eq!(text(&output), "a\\u001b]0;title\\u0007\nb\tc\\u000d\n");
}

#[test]
fn an_empty_folder_gets_the_pipeline_file_of_the_program_and_can_go_on_from_there() {
    let folder = testing::folder();
    let run = |arguments: &str| {
        let output = fig6(folder.path(), &words(arguments), &[]);
        (output.status.code(), text(&output))
    };
    let path = folder.path().join("pipeline.ron");
    let (code, said) = run("status");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("`fig6 init` writes one"), "{said}");
    let (code, said) = run("init");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\nnext: `fig6 status` says"), "{said}");
    let ours = include_str!("../../pipeline.ron");
    assert_eq!(fs::read_to_string(&path).unwrap(), ours);
    let (code, said) = run("status");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 up to date, "), "{said}");

    let edited = ours.replace("seeds: [0, 1, 2, 3, 4]", "seeds: [5]");
    assert_ne!(edited, ours);
    fs::write(&path, &edited).unwrap();
    let (code, said) = run("init");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("pipeline.ron is there already"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), edited);
    assert_eq!(run("init --force").0, Some(0));
    assert_eq!(fs::read_to_string(&path).unwrap(), ours);

    let (code, said) = run("init a/b");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\nnext, in a/b: "), "{said}");
    assert_eq!(
        fs::read_to_string(folder.path().join("a/b/pipeline.ron")).unwrap(),
        ours
    );
}
