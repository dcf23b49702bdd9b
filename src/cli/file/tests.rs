use std::ffi::OsString;
use std::os::unix::fs::{chown, symlink};
use std::process::Command;

use rustix::process::geteuid;

use super::*;

/// What our own files begin with.
fn is_ours(beginning: &[u8]) -> bool {
    beginning.starts_with(b"ours")
}

fn find(path: &Path) -> Result<UserFile> {
    UserFile::find(path, false, is_ours)
}

fn write(path: &Path, content: &str) -> Result<()> {
    find(path)?.write(content.as_bytes())
}

fn write_by(path: &Path, content: &str) -> Result<()> {
    find(path)?.write_by(|mut file| Ok(file.write_all(content.as_bytes())?))
}

/// Both ways to write a file.
const WAYS: [fn(&Path, &str) -> Result<()>; 2] = [write, write_by];

fn folder() -> tempfile::TempDir {
    testing::folder()
}

fn names(folder: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<OsString> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

fn make(program: &str, arguments: &[&str], path: &Path) -> bool {
    let mut command = Command::new(program);
    let made = command.arg(path).args(arguments).output();
    made.is_ok_and(|output| output.status.success())
}

fn pipe(path: &Path) {
    assert!(make("mkfifo", &[], path));
}

fn refused(error: &anyhow::Error, what: &str) {
    let said = format!("{error:#}");
    assert!(error.is::<Invalid>() && said.contains(what), "{said}");
}

#[test]
fn a_new_file_appears_with_the_mode_that_any_new_file_has() {
    for write in WAYS {
        let folder = folder();
        fs::write(folder.path().join("any"), "").unwrap();
        write(&folder.path().join("new"), "ours").unwrap();
        assert_eq!(fs::read(folder.path().join("new")).unwrap(), b"ours");
        assert_eq!(names(folder.path()), ["any", "new"]);
        assert_eq!(
            mode(&folder.path().join("new")),
            mode(&folder.path().join("any"))
        );
    }
}

#[test]
fn an_existing_file_keeps_mode_and_owner_and_is_replaced_at_once() {
    for write in WAYS {
        let folder = folder();
        let path = folder.path().join("it");
        fs::write(&path, "ours, and long").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        if geteuid().is_root() {
            chown(&path, Some(1234), Some(4321)).unwrap();
        }
        let before = path.metadata().unwrap();
        let mut old = File::open(&path).unwrap();
        write(&path, "ours").unwrap();
        let after = path.metadata().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"ours");
        assert_eq!(mode(&path), 0o640);
        assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
        assert_eq!(names(folder.path()), ["it"]);
        // Whoever reads the old one reads it to its end.
        let mut text = String::new();
        old.read_to_string(&mut text).unwrap();
        assert_eq!(text, "ours, and long");
    }
}

#[test]
fn a_file_with_several_names_keeps_them_whether_it_grows_or_shrinks() {
    for write in WAYS {
        let folder = folder();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "ours, once").unwrap();
        fs::hard_link(&one, &other).unwrap();
        for content in ["ours", "ours, longer than before", "ours, again"] {
            write(&one, content).unwrap();
            assert_eq!(fs::read_to_string(&other).unwrap(), content);
        }
        assert_eq!(names(folder.path()), ["one", "other"]);
    }
}

#[test]
fn a_link_stays_one_and_its_file_is_written_or_created() {
    for write in WAYS {
        let folder = folder();
        let (link, file) = (folder.path().join("link"), folder.path().join("file"));
        symlink("file", &link).unwrap();
        for content in ["ours, new", "ours", "ours, and longer"] {
            write(&link, content).unwrap();
            assert!(link.is_symlink() && !file.is_symlink());
            assert_eq!(fs::read_to_string(&file).unwrap(), content);
        }
        assert_eq!(names(folder.path()), ["file", "link"]);

        let astray = folder.path().join("astray");
        symlink("nowhere/file", &astray).unwrap();
        let error = write(&astray, "ours").unwrap_err();
        assert!(format!("{error:#}").contains("cannot write"), "{error:#}");
        let loops = folder.path().join("loop");
        symlink("loop", &loops).unwrap();
        assert!(write(&loops, "ours").is_err());
        assert_eq!(names(folder.path()), ["astray", "file", "link", "loop"]);
    }
}

#[test]
fn a_pipe_and_a_device_are_written_to_and_stay_what_they_are() {
    for write in WAYS {
        let folder = folder();
        let path = folder.path().join("pipe");
        pipe(&path);
        // More than a pipe holds.
        let content = "ours".repeat(100_000);
        let reader = {
            let path = path.clone();
            std::thread::spawn(move || fs::read_to_string(path).unwrap())
        };
        write(&path, &content).unwrap();
        assert!(path.metadata().unwrap().file_type().is_fifo());
        assert_eq!(reader.join().unwrap(), content);

        // Devices of the test's own: a wrong program could replace the system's.
        let (null, full) = (folder.path().join("null"), folder.path().join("full"));
        if geteuid().is_root()
            && make("mknod", &["c", "1", "3"], &null)
            && make("mknod", &["c", "1", "7"], &full)
            && File::options().write(true).open(&null).is_ok()
        {
            write(&null, "ours").unwrap();
            let said = format!("{:#}", write(&full, "ours").unwrap_err());
            assert!(said.contains("full: No space left on device"), "{said}");
            for (device, number) in [(null, 0x103), (full, 0x107)] {
                let about = device.metadata().unwrap();
                assert!(about.file_type().is_char_device() && about.rdev() == number);
            }
        }
    }
}

#[test]
fn a_pipe_whose_reader_goes_away_is_no_error() {
    for write in WAYS {
        let folder = folder();
        let path = folder.path().join("pipe");
        pipe(&path);
        let reader = {
            let path = path.clone();
            std::thread::spawn(move || File::open(path).unwrap().read(&mut [0]).unwrap())
        };
        write(&path, &"ours".repeat(100_000)).unwrap();
        assert!(path.metadata().unwrap().file_type().is_fifo());
        assert_eq!(reader.join().unwrap(), 1);
    }
}

#[test]
fn what_another_program_wrote_is_replaced_only_by_force() {
    for write in WAYS {
        let folder = folder();
        let path = folder.path().join("pipeline.ron");
        fs::write(&path, "another's").unwrap();
        let link = folder.path().join("link");
        symlink("pipeline.ron", &link).unwrap();
        for path in [&path, &link] {
            refused(&write(path, "ours").unwrap_err(), "--force replaces it");
        }
        assert_eq!(fs::read(&path).unwrap(), b"another's");
        let forced = UserFile::find(&path, true, is_ours).unwrap();
        forced.write(b"ours").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"ours");
        // Our own, and one that has nothing to lose.
        write(&path, "ours, too").unwrap();
        fs::write(&path, "").unwrap();
        write(&path, "ours").unwrap();
        assert_eq!(names(folder.path()), ["link", "pipeline.ron"]);
    }
}

#[test]
fn a_file_that_another_program_wrote_meanwhile_is_kept_as_well() {
    let folder = folder();
    let path = folder.path().join("it");
    let file = find(&path).unwrap();
    fs::write(&path, "another's").unwrap();
    refused(&file.write(b"ours").unwrap_err(), "--force");
    assert_eq!(fs::read(&path).unwrap(), b"another's");
}

#[test]
fn a_folder_is_refused_whether_it_is_there_or_only_meant() {
    let folder = folder();
    let meant = folder.path().join("reports/");
    refused(&find(&meant).unwrap_err(), "is a folder");
    for force in [false, true] {
        let found = UserFile::find(folder.path(), force, is_ours);
        refused(&found.unwrap_err(), "is a folder");
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_missing_folder_is_created_or_an_error_but_not_by_looking() {
    let folder = folder();
    let path = folder.path().join("a/b/it");
    let file = find(&path).unwrap();
    assert!(names(folder.path()).is_empty());
    let error = write_by(&path, "ours").unwrap_err();
    assert!(format!("{error:#}").contains("cannot write"), "{error:#}");
    assert!(names(folder.path()).is_empty());
    file.write(b"ours").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"ours");
}

#[test]
fn a_content_that_cannot_be_made_changes_nothing() {
    let folder = folder();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let link = folder.path().join("link");
    fs::write(&old, "ours").unwrap();
    symlink("old", &link).unwrap();
    for path in [&old, &new, &link] {
        let made: Result<()> = find(path).unwrap().write_by(|mut file| {
            file.write_all(b"half of it")?;
            anyhow::bail!("no more")
        });
        let error = made.unwrap_err();
        assert!(format!("{error:#}").ends_with("no more"), "{error:#}");
    }
    assert_eq!(names(folder.path()), ["link", "old"]);
    assert_eq!(fs::read(&old).unwrap(), b"ours");
}

#[test]
fn a_text_is_added_to_whatever_is_there() {
    let folder = folder();
    let path = folder.path().join("summary.md");
    let link = folder.path().join("link");
    symlink("summary.md", &link).unwrap();
    for text in ["one\n", "two\n"] {
        let file = UserFile::find(&link, true, |_| false).unwrap();
        file.append(text).unwrap();
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let file = UserFile::find(&path, true, |_| false).unwrap();
    file.append("three\n").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
    assert_eq!(mode(&path), 0o640);
    assert!(link.is_symlink());
    let nowhere = folder.path().join("nowhere/summary.md");
    assert!(find(&nowhere).unwrap().append("text").is_err());
    assert_eq!(names(folder.path()), ["link", "summary.md"]);
}

#[test]
fn only_a_pipe_or_a_device_lets_its_writer_wait() {
    let folder = folder();
    let path = folder.path().join("it");
    assert!(!find(&path).unwrap().may_wait().unwrap());
    fs::write(&path, "ours").unwrap();
    assert!(!find(&path).unwrap().may_wait().unwrap());
    fs::remove_file(&path).unwrap();
    pipe(&path);
    assert!(find(&path).unwrap().may_wait().unwrap());
    assert!(find(Path::new("-")).unwrap().may_wait().unwrap());
}
