//! Every file of a store damaged, one at a time, in every way.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rayon::prelude::*;

use super::common::{Project, run_as_nobody};
use super::disk::{Disk, Loss};
use super::trace::{self, Call};
use super::{PIPELINE, crashes, recovered, set_aside, stride};

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Cut to so many percent of its length.
    Cut(usize),
    /// Its last two bytes are missing: the last one may be a line break, which nobody misses.
    Shortened,
    /// One bit is another, so many percent into the file.
    Flip(usize),
    Emptied,
    Deleted,
    /// A folder lies in its place.
    Folder,
    /// A file lies in the place of a link.
    NoLink,
    /// It has the content of another file, or leads to another one.
    Swapped,
}

const OF_FILES: [Damage; 10] = [
    Damage::Cut(0),
    Damage::Cut(50),
    Damage::Shortened,
    Damage::Flip(0),
    Damage::Flip(37),
    Damage::Flip(99),
    Damage::Emptied,
    Damage::Deleted,
    Damage::Folder,
    Damage::Swapped,
];

const OF_LINKS: [Damage; 4] = [
    Damage::Deleted,
    Damage::Folder,
    Damage::NoLink,
    Damage::Swapped,
];

impl Damage {
    fn applies_to_empty(self) -> bool {
        matches!(self, Damage::Deleted | Damage::Folder | Damage::Swapped)
    }

    /// Does it to a file, in place where that can be; `other` is another file of the store.
    fn apply(self, path: &Path, other: &Path) {
        let link = path.is_symlink();
        if !link {
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        let length = fs::metadata(path).map_or(0, |metadata| metadata.len() as usize);
        match self {
            Damage::Cut(percent) => set_length(path, (length * percent / 100).max(1)),
            Damage::Shortened => set_length(path, length.saturating_sub(2)),
            Damage::Emptied => set_length(path, 0),
            Damage::Flip(percent) => flip(path, (length * percent / 100) as u64),
            Damage::Deleted => fs::remove_file(path).unwrap(),
            Damage::Folder => {
                fs::remove_file(path).unwrap();
                fs::create_dir_all(path.join("inside")).unwrap();
            }
            Damage::NoLink => {
                fs::remove_file(path).unwrap();
                fs::write(path, "no link").unwrap();
            }
            Damage::Swapped if link => {
                fs::remove_file(path).unwrap();
                symlink(fs::canonicalize(other).unwrap(), path).unwrap();
            }
            Damage::Swapped => {
                let bytes = fs::read(other).unwrap();
                fs::remove_file(path).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
    }
}

fn set_length(path: &Path, length: usize) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(length as u64).unwrap();
}

fn flip(path: &Path, at: u64) {
    let mut file = fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    // White space between the values of a manifest may change, for they are the same values; with this
    // bit it becomes none.
    byte[0] ^= 0x40;
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&byte).unwrap();
}

/// All files and links below a folder, by their names from there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name();
    let entries = entries.into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| !entry.file_type().is_dir());
    files
        .map(|entry| entry.path().strip_prefix(folder).unwrap().to_owned())
        .collect()
}

/// Every damage of every file in a folder, or every nth of them.
fn cases(folder: &Path) -> Vec<(PathBuf, Damage)> {
    let mut cases = Vec::new();
    for file in files(folder) {
        let damages = if folder.join(&file).is_symlink() {
            &OF_LINKS[..]
        } else {
            &OF_FILES[..]
        };
        let empty = fs::metadata(folder.join(&file)).is_ok_and(|metadata| metadata.len() == 0);
        let damages = damages
            .iter()
            .filter(|damage| !empty || damage.applies_to_empty());
        cases.extend(damages.map(|damage| (file.clone(), *damage)));
    }
    let stride = stride().div_ceil(2);
    cases.into_iter().step_by(stride).collect()
}

/// What `fig6 fsck` says of a store without changing it, and whether it found anything wrong.
fn inspected(project: &Project) -> (bool, String) {
    let answer = project.fig6(&["fsck", "--dry-run"]);
    assert!(
        answer.code < 2 && !answer.err.contains("panicked"),
        "{}",
        answer.err
    );
    (answer.code == 1, answer.out + &answer.err)
}

#[test]
fn every_damaged_file_is_named_set_aside_and_made_again() {
    let workers = rayon::current_num_threads();
    let count = |worker: usize| {
        let project = Project::new(PIPELINE);
        recovered(&project, "undisturbed");
        let cases = cases(&project.path("artifacts"));
        let own = cases.iter().skip(worker).step_by(workers);
        own.map(|(file, damage)| damage_and_recover(&project, file, *damage))
            .count()
    };
    let count: usize = (0..workers).into_par_iter().map(count).sum();
    println!("{count} damages to files of a finished run");
}

fn damage_and_recover(project: &Project, file: &Path, damage: Damage) {
    let what = format!("{} {damage:?}", file.display());
    if project
        .path("artifacts")
        .join(file)
        .symlink_metadata()
        .is_err()
    {
        // The list of a run that was set aside.
        return;
    }
    let top = file
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    // Young files are not remembered by the index; here they are to be.
    std::thread::sleep(Duration::from_millis(60));
    project.status(&[]);
    let artifacts = project.path("artifacts");
    let mut others = files(&artifacts.join("objects")).into_iter();
    let other = others.find(|other| !file.ends_with(other)).unwrap();
    let log = fs::read(artifacts.join(file)).unwrap_or_default();
    damage.apply(
        &artifacts.join(file),
        &artifacts.join("objects").join(other),
    );

    let (wrong, said) = inspected(project);
    let name = file.to_str().unwrap();
    // Nobody misses a cache, a lock or the record of a run; of a log and a listing it is said.
    // What is in a lock does not matter.
    let unmissed = damage == Damage::Deleted && matches!(top, "index" | "runs")
        || damage != Damage::Folder && top == "lock";
    if !unmissed {
        let missed = damage == Damage::Deleted && matches!(top, "logs" | "listings");
        assert!(wrong || missed, "{what}: fsck finds nothing:\n{said}");
        let folder = Path::new(name).parent().unwrap().to_str().unwrap();
        let hex = name
            .strip_prefix("objects/")
            .map(|hex| hex.replace('/', ""));
        let named = said.contains(name)
            || top == "by-step" && said.contains(folder)
            || top == "manifests" && said.contains(&name["manifests/".len()..][..10])
            || hex.is_some_and(|hex| said.contains(&hex));
        assert!(named, "{what}: fsck does not name it:\n{said}");
    }
    if is_evidence(project, file) {
        // No step reads it: all results stay, and a replay or `fsck` notices.
        assert_eq!(recovered_results(project), Vec::<String>::new(), "{what}");
        restore(&artifacts.join(file), &log);
        return;
    }
    let noticed = project.status(&[]);
    let reasons = |step: &serde_json::Value| !step["reasons"].as_array().unwrap().is_empty();
    if matches!(top, "objects" | "manifests") {
        assert!(noticed.iter().any(reasons), "{what}: status says nothing");
    }
    if matches!(top, "logs" | "listings" | "runs" | "lock") {
        // Nothing is computed from these, so only fsck reads them.
        let answer = project.fig6(&["fsck"]);
        assert!(answer.code < 2, "{what}: {}", answer.err);
        assert_eq!(project.reproduce(&["--paranoid"]).code, 0, "{what}");
        if top == "logs" {
            // What was printed once does not come back.
            fs::write(artifacts.join(file), log).unwrap();
        }
    }
    let ran = recovered(project, &what);
    if matches!(top, "objects" | "manifests") {
        assert!(!ran.is_empty(), "{what}: nothing ran");
        if damage != Damage::Deleted {
            let aside = set_aside(project);
            assert!(aside.contains(&name.replace('/', "-")), "{what}: {aside:?}");
        }
    } else {
        assert!(ran.is_empty(), "{what}: {ran:?} ran");
    }
    let (wrong, said) = inspected(project);
    assert!(!wrong, "{what}: still damaged:\n{said}");
    let _ = fs::remove_dir_all(project.path("artifacts/set-aside"));
}

/// Whether a content is a training's snapshot.
fn is_evidence(project: &Project, file: &Path) -> bool {
    let Some(hex) = file.to_str().unwrap().strip_prefix("objects/") else {
        return false;
    };
    let hex = hex.replace('/', "");
    files(&project.path("artifacts/manifests"))
        .iter()
        .any(|name| {
            let path = project.path("artifacts/manifests").join(name);
            let manifest: serde_json::Value =
                serde_json::from_slice(&fs::read(path).unwrap()).unwrap_or_default();
            let evidence = manifest["manifest"]["evidence"].as_object();
            let mut all = evidence.into_iter().flatten();
            all.any(|(_, evidence)| evidence["digest"] == *hex)
        })
}

/// Runs, and gives the steps that ran; the results must be as in an undisturbed run.
fn recovered_results(project: &Project) -> Vec<String> {
    let done = project.reproduce(&[]);
    assert_eq!(done.code, 0);
    assert!(project.results() == super::expected().results);
    done.ran
}

/// Puts a content back as it was.
fn restore(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_dir_all(path);
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
}

#[test]
fn damaged_files_of_an_interrupted_run_change_nothing() {
    if !trace::possible() {
        return;
    }
    let project = Project::new(PIPELINE);
    let calls = trace::record(&crashes::run(&project));
    // Just after the second checkpoint of the training.
    let is_checkpoint = |call: &Call| matches!(call, Call::Rename { to, .. } if to.to_string_lossy().contains("scratch/checkpoint-"));
    let checkpoints = calls
        .iter()
        .enumerate()
        .filter(|(_, call)| is_checkpoint(call));
    let (second, _) = checkpoints.take(2).last().unwrap();
    let mut disk = Disk::default();
    calls[..=second].iter().for_each(|call| disk.apply(call));
    let tree = disk.after(Loss::None);
    let interrupted = Project::new(PIPELINE);
    tree.put(&interrupted.path(""));
    let cases = cases(&interrupted.path("artifacts/work"));
    assert!(!cases.is_empty());
    cases.par_iter().for_each(|(file, damage)| {
        let project = Project::new(PIPELINE);
        tree.put(&project.path(""));
        let work = project.path("artifacts/work");
        damage.apply(&work.join(file), &project.path("pipeline.ron"));
        recovered(&project, &format!("work/{} {damage:?}", file.display()));
    });
    println!("{} damages to files of an interrupted run", cases.len());
}

#[test]
fn files_that_cannot_be_read_are_made_again() {
    let Some(nobody) = run_as_nobody() else {
        return;
    };
    let project = nobody.project(PIPELINE);
    assert_eq!(project.reproduce(&[]).code, 0);
    let artifacts = project.path("artifacts");
    let mut count = 0;
    let stride = stride().div_ceil(2);
    for file in files(&artifacts).iter().step_by(stride) {
        let path = artifacts.join(file);
        if path.is_symlink() {
            continue;
        }
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
        recovered(&project, &format!("{} unreadable", file.display()));
        count += stride;
        if path.exists() {
            fs::set_permissions(&path, before).unwrap();
        }
        let _ = fs::remove_dir_all(project.path("artifacts/set-aside"));
    }
    println!("one in {stride} of {count} files made unreadable");
    assert!(count > 30);
}
