//! Files that are none, given to the program itself: pipes that nobody writes to, devices without an
//! end, folders that cannot be read. It must answer, soon, in little memory, and leave alone all that
//! lies around.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use walkdir::WalkDir;

use super::common::{Answer, Project, answer, pictures};
use super::seeds::{folders, tar};
use super::target::alone;
use testing::HANG;

const PIPELINE: &str = include_str!("../pipelines/tiny.ron");

/// Most memory that the program may ask for, in KiB: far more than an answer needs, far less than a
/// file without end would take.
const MEMORY: u32 = 3 << 20;

/// Runs the program with bounds.
#[track_caller]
fn fig6(project: &Project, arguments: &[&str]) -> Answer {
    let program = project.command();
    let mut command = Command::new("timeout");
    command
        .arg(HANG.as_secs().to_string())
        .args(["sh", "-c"])
        .arg(format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\""))
        .arg(program.get_program())
        .args(arguments)
        .current_dir(program.get_current_dir().unwrap())
        .stdin(Stdio::null())
        .env("NO_COLOR", "1")
        .env_remove("FIG6_MIRROR");
    let output = command.output().unwrap();
    let code = output.status.code();
    assert!(code.is_some(), "fig6 {arguments:?}: {output:?}");
    assert_ne!(code, Some(124), "fig6 {arguments:?} hangs");
    answer(output)
}

/// The error of a command that must end with this code.
#[track_caller]
fn error(project: &Project, arguments: &[&str], code: i32) -> String {
    let answer = fig6(project, arguments);
    assert_eq!(answer.code, code, "fig6 {arguments:?}: {}", answer.err);
    assert!(!answer.err.contains("panicked"), "{}", answer.err);
    assert!(answer.err.len() < 10_000, "{}", answer.err);
    answer.err
}

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Everything below a folder, and how long it is.
fn tree(folder: &Path) -> Vec<(PathBuf, u64)> {
    let walk = WalkDir::new(folder).sort_by_file_name().into_iter();
    walk.filter_map(Result::ok)
        .map(|entry| {
            let length = entry.metadata().map_or(0, |about| about.len());
            (entry.into_path(), if length == 4096 { 0 } else { length })
        })
        .collect()
}

#[test]
fn a_pipeline_file_that_is_none_is_refused_at_once() {
    let _alone = alone();
    let project = Project::new(PIPELINE);
    pipe(&project.path("pipe"));
    fs::create_dir(project.path("folder")).unwrap();
    fs::write(project.path("bytes"), [0xff, 0xfe, 0, 1]).unwrap();
    let large = fs::File::create(project.path("large")).unwrap();
    large.set_len(20 << 30).unwrap();
    fs::write(project.path("deep"), "(".repeat(900_000)).unwrap();
    symlink("loop", project.path("loop")).unwrap();
    for (name, said) in [
        ("pipe", "is no regular file"),
        ("/dev/zero", "is no regular file"),
        ("/dev/null", "is no regular file"),
        ("folder", "is no regular file"),
        ("large", "more than 1048576 bytes"),
        ("bytes", "UTF-8"),
        ("deep", "deep:1:"),
        ("loop", "cannot read the pipeline file loop"),
        ("none", "cannot read the pipeline file none"),
    ] {
        for command in ["status", "graph", "reproduce"] {
            let error = error(&project, &[command, "--pipeline", name], 2);
            assert!(error.contains(said) && error.contains(name), "{error}");
        }
    }
}

#[test]
fn images_that_are_no_folder_and_no_archive_are_refused_at_once() {
    let _alone = alone();
    let project = Project::new(PIPELINE);
    pipe(&project.path("pipe"));
    symlink(project.path("pipe"), project.path("link")).unwrap();
    symlink("loop", project.path("loop")).unwrap();
    let weights = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/resnet8-zeropad-init.safetensors");
    let weights = weights.to_str().unwrap();
    let evaluate = ["evaluate", weights, "--shortcut", "zeropad", "--data"];
    let train = [
        "train",
        "--n",
        "1",
        "--iterations",
        "1",
        "--exp-name",
        "e",
        "--data-dir",
    ];
    for data in [
        "pipe",
        "link",
        "/dev/zero",
        "/dev/null",
        "loop",
        "/dev/stdin",
    ] {
        for command in [&evaluate[..], &train] {
            let error = error(&project, &[command, &[data]].concat(), 1);
            assert!(error.contains(data), "{error}");
        }
    }
    // The other way round: images are there, weights are not.
    pictures(&project.path("."), 20, 20);
    fs::create_dir(project.path("folder")).unwrap();
    for file in ["pipe", "link", "/dev/zero", "/dev/null", "folder", "loop"] {
        let error = error(&project, &["evaluate", file], 1);
        assert!(error.contains(file), "{error}");
    }
}

#[test]
fn strange_files_in_an_image_folder_are_refused_or_passed_over_and_never_waited_for() {
    let _alone = alone();
    let project = Project::new(PIPELINE);
    let data = project.path("data");
    for (path, content) in folders() {
        let path = data.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let weights = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/resnet8-zeropad-init.safetensors");
    let arguments = [
        "evaluate",
        weights.to_str().unwrap(),
        "--shortcut",
        "zeropad",
    ];
    assert_eq!(fig6(&project, &arguments).code, 0);

    // Of no use: passed over, wherever they lie.
    pipe(&data.join("pipe"));
    pipe(&data.join("images.tar"));
    symlink("/dev/zero", data.join("zero")).unwrap();
    symlink("/dev/zero", data.join("c/zero.txt")).unwrap();
    assert_eq!(fig6(&project, &arguments).code, 0);

    // Where an image should be.
    let place = data.join("c/train/cat/z.png");
    pipe(&place);
    let device = "c/train/cat/z.png is a device or the like: expected a file";
    assert!(error(&project, &arguments, 1).contains(device));
    for target in ["/dev/zero", "/dev/null", "/dev/tty", "../../../pipe"] {
        fs::remove_file(&place).unwrap();
        symlink(target, &place).unwrap();
        assert!(error(&project, &arguments, 1).contains(device), "{target}");
    }
    fs::remove_file(&place).unwrap();
    symlink("z.png", &place).unwrap();
    assert!(error(&project, &arguments, 1).contains("c/train/cat/z.png"));
    fs::remove_file(&place).unwrap();
    symlink("/", data.join("c/train/cat/root")).unwrap();
    let said = error(&project, &arguments, 1);
    assert!(said.contains("data"), "{said}");
    fs::remove_file(data.join("c/train/cat/root")).unwrap();

    // A file of 20 GiB that takes no room, and a folder that nobody may read.
    let large = fs::File::create(&place).unwrap();
    large.set_len(20 << 30).unwrap();
    assert!(error(&project, &arguments, 1).contains("expected at most 536870912 for one file"));
    fs::remove_file(&place).unwrap();
    let closed = data.join("c/train/dog");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read it all the same.
    let answer = fig6(&project, &arguments);
    assert!(
        answer.code == 0 || answer.err.contains("c/train/dog"),
        "{}",
        answer.err
    );
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn no_archive_makes_the_program_write_outside() {
    let _alone = alone();
    let project = Project::new(PIPELINE);
    let around = project.path("around");
    let work = around.join("a/b/c");
    fs::create_dir_all(&work).unwrap();
    let evil = around.join("evil");
    let weights = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/resnet8-zeropad-init.safetensors");
    for path in [
        "../evil",
        "../../../evil",
        evil.to_str().unwrap(),
        "c/../../evil",
    ] {
        let mut members = folders();
        members.insert(0, (path.to_owned(), b"evil".to_vec()));
        fs::write(work.join("data.tar"), tar(&members)).unwrap();
        let before = tree(project.path(".").as_path());
        let data = work.join("data.tar");
        let arguments = [
            "evaluate",
            weights.to_str().unwrap(),
            "--shortcut",
            "zeropad",
            "--data",
            data.to_str().unwrap(),
        ];
        let said = error(&project, &arguments, 1);
        assert!(said.contains(path), "{said}");
        assert_eq!(tree(project.path(".").as_path()), before);
    }
}

#[test]
fn an_experiment_whose_record_is_a_pipe_or_a_device_is_refused_at_once() {
    let _alone = alone();
    let project = Project::new(PIPELINE);
    pictures(&project.path("."), 20, 20);
    let folder = project.path("experiments/e");
    fs::create_dir_all(&folder).unwrap();
    let record = folder.join("experiment.json");
    let train = [
        "train",
        "--n",
        "1",
        "--batch-size",
        "4",
        "--exp-name",
        "e",
        "--data-dir",
        "data",
    ];
    pipe(&record);
    let said = error(&project, &train, 1);
    assert!(
        said.contains("experiment.json is no regular file"),
        "{said}"
    );
    fs::remove_file(&record).unwrap();
    symlink("/dev/zero", &record).unwrap();
    let said = error(&project, &train, 1);
    assert!(
        said.contains("experiment.json is no regular file"),
        "{said}"
    );
}

#[test]
fn a_log_that_is_a_pipe_is_not_waited_for() {
    let _alone = alone();
    let project = Project::new(PIPELINE);
    assert_eq!(fig6(&project, &["reproduce", "download"]).code, 0);
    let log = project.path("artifacts/by-step/download/log");
    let log = log.canonicalize().unwrap();
    fs::remove_file(&log).unwrap();
    pipe(&log);
    let said = error(&project, &["log", "download"], 1);
    assert!(said.contains("download/log is no regular file"), "{said}");
}

#[test]
fn a_checkpoint_that_is_a_pipe_or_a_folder_is_set_aside() {
    let _alone = alone();
    let project = Project::new(PIPELINE);
    pictures(&project.path("."), 20, 20);
    let train = [
        "train",
        "--n",
        "1",
        "--batch-size",
        "4",
        "--iterations",
        "2",
        "--exp-name",
        "e",
        "--data-dir",
        "data",
    ];
    // Begun and stopped before its first step.
    assert_eq!(fig6(&project, &train).code, 0);
    let folder = project.path("experiments/e");
    fs::remove_file(folder.join("training.json")).unwrap();
    pipe(&folder.join("checkpoint-000000001.safetensors"));
    fs::create_dir(folder.join("checkpoint-000000002.safetensors")).unwrap();
    let zero = folder.join("checkpoint-000000003.safetensors");
    symlink("/dev/zero", zero).unwrap();
    let answer = fig6(&project, &[&train[..], &["--resume"]].concat());
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(folder.join("training.json").exists());
}
