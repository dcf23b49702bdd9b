//! No room, no permission, no file descriptors, no locks: one clear error, nothing half-written, and once
//! there is what was missing, the next run goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::common::{Answer, Project, answer, run_as_nobody};
use super::{PIPELINE, crashes, recovered, stride, trace};
use testing::amount;

/// Checks that a run which lacked something said so in one error, or did without.
///
/// Returns whether it failed.
fn said_clearly(output: Output, causes: &[&str], what: &str) -> bool {
    let Answer { code, out, err } = answer(output);
    assert!(
        !err.contains("panicked") && !out.contains("panicked"),
        "{what}: {err}"
    );
    if code == 0 {
        return false;
    }
    assert_eq!(code, 1, "{what}: {out}{err}");
    // A step that failed is said on standard output, with its cause; all else on standard error.
    let lines = out.lines().chain(err.lines());
    let errors: Vec<&str> = lines.filter(|line| line.starts_with("error: ")).collect();
    // Two steps may run at once, and what there is of the report is published.
    assert!((1..=3).contains(&errors.len()), "{what}:\n{out}{err}");
    let named = |error: &&str| causes.iter().any(|cause| error.contains(cause));
    assert!(
        errors.iter().all(named),
        "{what}: another cause:\n{out}{err}"
    );
    true
}

/// A small file system in memory; gone at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Needs the superuser's rights; says so where they are missing.
    fn mount(folder: PathBuf, kilobytes: usize) -> Option<SmallDisk> {
        fs::create_dir_all(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kilobytes}k"), "none"])
            .arg(&folder)
            .output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            println!("skipped: may not mount a file system");
            return None;
        }
        Some(SmallDisk(folder))
    }

    fn remount(&self, options: &str) {
        let mounted = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.0)
            .output()
            .unwrap();
        assert!(mounted.status.success(), "{mounted:?}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_at_any_stage_is_one_error_and_with_more_room_the_run_goes_on() {
    let mut failed = 0;
    let mut sizes = 0;
    let stride = stride();
    for folder in ["artifacts", "reports"] {
        for kilobytes in (4..=1024).step_by(4 * stride) {
            let project = Project::new(PIPELINE);
            let Some(disk) = SmallDisk::mount(project.path(folder), kilobytes) else {
                return;
            };
            sizes += 1;
            let what = format!("{folder} of {kilobytes} kB");
            let output = crashes::run(&project).output().unwrap();
            let full = said_clearly(output, &["No space left on device"], &what);
            failed += usize::from(full);
            disk.remount("size=100m");
            recovered(&project, &what);
            if !full {
                break;
            }
        }
    }
    println!("{sizes} sizes of a disk, too small {failed} times");
    assert!(failed * stride > 50, "{failed}");
}

#[test]
fn a_disk_that_may_not_be_written_to_is_said_and_what_is_there_can_be_looked_at() {
    let project = Project::new(PIPELINE);
    let Some(disk) = SmallDisk::mount(project.path("artifacts"), 100_000) else {
        return;
    };
    assert_eq!(project.reproduce(&["train"]).code, 0);
    disk.remount("ro");
    let steps = project.status(&["train"]);
    assert!(
        steps.iter().all(|step| step["state"] == "up-to-date"),
        "{steps:?}"
    );
    assert_eq!(project.reproduce(&["train"]).ran.len(), 0);
    let output = crashes::run(&project).output().unwrap();
    assert!(said_clearly(
        output,
        &["Read-only file system"],
        "a read-only store"
    ));
    disk.remount("rw");
    recovered(&project, "writable again");
}

/// What the kernel says when something is missing.
const ERRORS: [(&str, &str); 5] = [
    ("ENOSPC", "No space left on device"),
    ("EDQUOT", "quota exceeded"),
    ("EROFS", "Read-only file system"),
    ("EACCES", "Permission denied"),
    ("EIO", "Input/output error"),
];

#[test]
fn every_system_call_that_fails_is_one_error_and_the_next_run_goes_on() {
    if !trace::possible() {
        return;
    }
    let stride = stride() * 2;
    let changes = trace::CHANGES.strip_prefix("write,pwrite64,").unwrap();
    // From some call on, nothing can be changed any more; a single write fails, for the error is written
    // as well.
    let mut failed = 0;
    for (number, (calls, more)) in [(changes, "+"), ("write,pwrite64", "")]
        .into_iter()
        .enumerate()
    {
        for (count, place) in (1 + number..).step_by(stride).enumerate() {
            let (error, cause) = ERRORS[count % ERRORS.len()];
            let project = Project::new(PIPELINE);
            let mut strace = Command::new("strace");
            strace.args(["-o", "/dev/null", "-e", &format!("trace={calls}")]);
            strace.args([
                "-e",
                &format!("inject={calls}:error={error}:when={place}{more}"),
            ]);
            let output = super::common::below(strace, &crashes::run(&project))
                .output()
                .unwrap();
            let what = format!("{error} at {calls} {place}");
            let succeeded = output.status.success();
            // The write that failed may have been the one of the error.
            if more == "+" || output.status.code() != Some(1) {
                failed += usize::from(said_clearly(output, &[cause], &what));
            }
            recovered(&project, &what);
            if succeeded && place > 100 {
                break;
            }
        }
    }
    println!("{failed} runs with a system call that failed, every {stride}th");
    assert!(failed * stride > 100, "{failed}");
}

#[test]
fn too_few_file_descriptors_or_too_small_files_are_one_error() {
    let limited = |project: &Project, limit: &str| {
        let mut prlimit = Command::new("prlimit");
        prlimit.arg(limit);
        super::common::below(prlimit, &crashes::run(project)).output()
    };
    let (mut tried, mut failed) = (0, 0);
    for (option, limits, cause) in [
        (
            "nofile",
            [8, 10, 12, 14, 16, 18, 20, 24, 32],
            "Too many open files",
        ),
        (
            "fsize",
            [0, 1, 500, 3000, 20_000, 40_000, 100_000, 300_000, 600_000],
            "File too large",
        ),
    ] {
        for limit in limits.into_iter().step_by(amount(3, 1, 1)) {
            let project = Project::new(PIPELINE);
            let Ok(output) = limited(&project, &format!("--{option}={limit}:{limit}")) else {
                println!("skipped: no prlimit");
                return;
            };
            let what = format!("{option} {limit}");
            tried += 1;
            failed += usize::from(said_clearly(output, &[cause], &what));
            recovered(&project, &what);
        }
    }
    println!("{tried} limits, too low {failed} times");
    assert!(failed >= 2, "{failed}");
}

#[test]
fn folders_without_permission_are_one_error_and_with_it_the_run_goes_on() {
    let Some(nobody) = run_as_nobody() else {
        return;
    };
    let mode = |path: &PathBuf, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for folder in [
        "artifacts",
        "artifacts/objects",
        "artifacts/manifests",
        "artifacts/work",
        "artifacts/by-step",
        "reports/one",
    ] {
        for rights in [0o555, 0o000] {
            let project = nobody.project(PIPELINE);
            assert_eq!(project.reproduce(&["train"]).code, 0);
            let path = project.path(folder);
            fs::create_dir_all(&path).unwrap();
            if rustix::process::geteuid().is_root() {
                std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
                std::os::unix::fs::chown(path.parent().unwrap(), Some(65534), Some(65534)).unwrap();
            }
            mode(&path, rights);
            let output = crashes::run(&project).output().unwrap();
            let what = format!("{folder} with mode {rights:o}");
            let failed = said_clearly(output, &["Permission denied"], &what);
            // What lies in the folder itself is not needed.
            let spared = folder == "artifacts" && rights == 0o555;
            assert!(failed || spared, "{what}: did without");
            mode(&path, 0o755);
            recovered(&project, &what);
        }
    }
}

#[test]
fn a_file_system_without_locks_is_said_plainly() {
    if !trace::possible() {
        return;
    }
    for error in ["ENOLCK", "ENOSYS", "EOPNOTSUPP"] {
        let project = Project::new(PIPELINE);
        let mut strace = Command::new("strace");
        strace.args(["-o", "/dev/null", "-e", "trace=flock", "-e"]);
        strace.arg(format!("inject=flock:error={error}"));
        let output = super::common::below(strace, &crashes::run(&project))
            .output()
            .unwrap();
        assert!(said_clearly(
            output,
            &["the file system has no locks"],
            error
        ));
        recovered(&project, error);
    }
}
