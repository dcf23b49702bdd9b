//! Folders in every layout, sound and broken, against archives of the same files.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::archive::ArchiveLimits;
use crate::layout::{self, Data};
use crate::python_tests::{META, pixels, python2};
use crate::tests::{Members, binary, folders, gzip, member, records, tar, with_validation};
use cifar::CLASS_NAMES;

fn folder(members: &[(String, Vec<u8>)]) -> tempfile::TempDir {
    let folder = testing::folder();
    for (path, content) in members {
        let place = folder.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content).unwrap();
    }
    folder
}

fn read(path: &Path) -> Result<Data> {
    layout::read(path, ArchiveLimits::default(), &mut |_, _| ())
}

fn refused(members: &[(String, Vec<u8>)]) -> String {
    message(folder(members).path())
}

fn message(path: &Path) -> String {
    format!("{:#}", read(path).unwrap_err())
}

/// The Python version: three batches of two images.
fn python() -> Members {
    let mut members = vec![member("py/batches.meta", META)];
    for name in ["data_batch_1", "data_batch_2", "test_batch"] {
        members.push(member(format!("py/{name}"), python2(&[3, 7], &pixels())));
    }
    members
}

#[test]
fn a_folder_an_archive_and_an_archive_in_a_folder_give_the_same() {
    for members in [binary(), folders(), python()] {
        let unpacked = read(folder(&members).path()).unwrap();
        assert_eq!(unpacked.classes, CLASS_NAMES);
        let archive = gzip(&tar(&members));
        for name in ["archive", "cifar.tgz", "CIFAR.tar.GZ"] {
            let beside = [
                member(name, &archive[..]),
                member("notes", "a text"),
                member("labels.txt.gz", "\x1f"),
                member("src/test/java/Main.java", "class Main"),
            ];
            let beside = folder(&beside);
            assert_eq!(read(beside.path()).unwrap(), unpacked, "{name}");
            assert_eq!(read(&beside.path().join(name)).unwrap(), unpacked);
        }
        let plain = [member("cifar.tar", tar(&members))];
        assert_eq!(read(folder(&plain).path()).unwrap(), unpacked);
    }
}

#[test]
fn data_may_lie_directly_in_the_folder() {
    for (members, root) in [(binary(), "c"), (folders(), "cifar10"), (python(), "py")] {
        let folder = folder(&members);
        let inner = read(&folder.path().join(root)).unwrap();
        assert_eq!(inner, read(folder.path()).unwrap());
    }
}

#[test]
fn the_python_version_is_the_binary_one_in_other_words() {
    let image = &pixels()[..];
    let batch: Vec<u8> = [&[3][..], &image[..3072], &[7], &image[3072..]].concat();
    let names = ["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"];
    let binary = names.map(|name| member(name, &batch[..]));
    let found = read(folder(&python()).path()).unwrap();
    assert_eq!(found, read(folder(&binary).path()).unwrap());
}

#[test]
fn what_systems_leave_behind_changes_nothing_wherever_it_lies() {
    for members in [binary(), with_validation("val"), python()] {
        let clean = read(folder(&members).path()).unwrap();
        let root = members[0].0.split('/').next().unwrap();
        let mut littered = members.clone();
        for name in [
            "Thumbs.db",
            "thumbs.DB",
            "ehthumbs.db",
            "desktop.ini",
            "Desktop.ini",
            "Icon\r",
            ".DS_Store",
            "._1.png",
            "@eaDir/1.png",
            "__MACOSX/train/cat/1.png",
            "$RECYCLE.BIN/2.png",
        ] {
            for place in [
                "",
                "train",
                "train/cat",
                "test",
                "test/dog",
                "val",
                "val/cat",
            ] {
                littered.push(member(format!("{root}/{place}/{name}"), "rubbish"));
                littered.push(member(name, "rubbish"));
            }
        }
        assert_eq!(read(folder(&littered).path()).unwrap(), clean);
        let archive = folder(&[member("c.tgz", gzip(&tar(&littered)))]);
        assert_eq!(read(archive.path()).unwrap(), clean);
        // Nor is it named among what is there instead of images.
        let error = refused(&[member("Thumbs.db", ""), member("a.txt", "")]);
        assert!(error.contains("but a.txt: expected"), "{error}");
    }
}

#[test]
fn strangers_among_the_images_are_named_with_what_to_do() {
    let without = |members: &[(String, Vec<u8>)], path, content: &[u8]| {
        let members = [members, &[member(path, content)]].concat();
        refused(&members)
    };
    for (path, content, said) in [
        (
            "cifar10/train/cat/notes.txt",
            &b"notes"[..],
            "is no image: expected PNG or JPEG files only",
        ),
        (
            "cifar10/train/cat/3.webp",
            b"RIFF\x24\0\0\0WEBPVP8 ",
            "is a WebP image: expected PNG or JPEG, so convert it",
        ),
        (
            "cifar10/test/cat/3.bmp",
            b"BM\x46\0\0\0\0\0",
            "is a BMP image: expected PNG or JPEG, so convert it",
        ),
        (
            "cifar10/train/3.png",
            b"",
            "lies in no class folder: expected train/<class>/<image>",
        ),
        (
            "cifar10/train/3.gif",
            b"",
            "lies in no class folder: expected train/<class>/<image>",
        ),
    ] {
        let error = without(&folders(), path, content);
        assert!(error.contains(path) && error.contains(said), "{error}");
    }
    let folder = folder(&with_validation("valid"));
    for path in ["cifar10/train/none", "cifar10/valid/none"] {
        let path_there = folder.path().join(path);
        fs::create_dir(&path_there).unwrap();
        fs::write(path_there.join("Thumbs.db"), "").unwrap();
        let error = message(folder.path());
        assert!(
            error.contains(&format!("{path}/ holds no images: put")),
            "{error}"
        );
        fs::remove_dir_all(path_there).unwrap();
    }
    read(folder.path()).unwrap();
}

#[test]
fn what_is_missing_is_named() {
    assert!(refused(&[]).starts_with("holds nothing: expected an archive (*.tar.gz,"));
    assert!(message(Path::new("/no/such")).starts_with("it does not exist: expected"));
    let error = refused(&[member("notes.txt", "x"), member("models/a.pt", "x")]);
    assert!(
        error.starts_with("holds no images in a known layout but models/, notes.txt: expected"),
        "{error}"
    );
    let without = |name: &str| {
        let mut members = binary();
        members.retain(|(path, _)| !path.ends_with(name));
        members
    };
    let error = refused(&without("test_batch.bin"));
    assert!(error.contains("expected test_batch.bin beside"), "{error}");
    let error = refused(&without("data_batch_10.bin"));
    let expected = "data_batch_10 is missing between c/data_batch_9.bin and c/data_batch_11.bin";
    assert!(error.contains(expected), "{error}");
    let mut members = without("test_batch.bin");
    members.push(member("c/test_batch.bin", ""));
    let error = refused(&members);
    assert!(error.contains("c/test_batch.bin is empty"), "{error}");
}

#[test]
fn unpacked_files_come_before_an_archive_and_two_archives_are_none() {
    let mut members = vec![member("c.tar.gz", gzip(&tar(&binary())))];
    members.push(member("test_batch.bin", records(&[1])));
    let error = refused(&members);
    assert!(
        error.starts_with(
            "in its unpacked files (without them, c.tar.gz would be read): holds no training images"
        ),
        "{error}"
    );
    members[1] = member("old.tgz", "");
    let error = refused(&members);
    assert!(
        error.contains("holds 2 archives (c.tar.gz, old.tgz): expected one"),
        "{error}"
    );
    let error = refused(&members[1..]);
    assert!(
        error.starts_with("in its archive old.tgz: expected a tar"),
        "{error}"
    );
    let error = refused(&[binary(), python()].concat());
    assert!(error.contains("expected one data set, so name"), "{error}");
}

#[test]
fn limits_hold_for_what_is_wanted_and_for_the_walk() {
    let folder = folder(&binary());
    let over = |limits| {
        let error = layout::read(folder.path(), limits, &mut |_, _| ()).unwrap_err();
        format!("{error:#}")
    };
    let limits = ArchiveLimits::default();
    let error = over(ArchiveLimits {
        members: 5,
        ..limits
    });
    assert!(error.contains("more than 5 files and folders"), "{error}");
    let error = over(ArchiveLimits {
        member: 8000,
        ..limits
    });
    assert!(
        error.contains("c/data_batch_10.bin has 9219 bytes"),
        "{error}"
    );
    let error = over(ArchiveLimits {
        total: 20_000,
        ..limits
    });
    assert!(error.contains("more than 20000 bytes of images"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_unless_in_a_circle_or_to_nowhere() {
    use std::os::unix::fs::symlink;
    let real = folder(&binary());
    let linked = testing::folder();
    symlink(real.path().join("c"), linked.path().join("data")).unwrap();
    symlink("nowhere", linked.path().join(".#lock")).unwrap();
    assert_eq!(read(linked.path()).unwrap(), read(real.path()).unwrap());
    symlink("nowhere", linked.path().join("dangling")).unwrap();
    let error = message(linked.path());
    assert!(
        error.starts_with("dangling is gone, or a link that leads nowhere"),
        "{error}"
    );
    symlink(real.path(), real.path().join("c/circle")).unwrap();
    let error = message(real.path());
    assert!(
        error.starts_with("c/circle is a link to a folder that it lies in"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_name_that_is_not_utf8_is_refused_where_it_matters() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = folder(&folders());
    let name = |text: &[u8]| folder.path().join(std::ffi::OsStr::from_bytes(text));
    fs::write(name(b"\xff.txt"), "").unwrap();
    read(folder.path()).unwrap();
    fs::write(name(b"cifar10/train/cat/\xff.png"), "").unwrap();
    let error = message(folder.path());
    assert!(
        error.contains("\u{fffd}.png has a name that is not UTF-8"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_name_with_control_characters_is_refused_where_it_matters() {
    let folder = folder(&folders());
    fs::write(folder.path().join("a\nb.txt"), "").unwrap();
    read(folder.path()).unwrap();
    fs::write(folder.path().join("cifar10/train/cat/a\nb.png"), "").unwrap();
    let error = message(folder.path());
    let said = r#""cifar10/train/cat/a\nb.png" has a name with control characters: rename it"#;
    assert!(error.contains(said), "{error}");
}
