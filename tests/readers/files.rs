//! Files that a user names for output.

use std::fs::File;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Child;

use super::*;
use common::run_as_nobody;

/// How a report of checks begins.
const JUNIT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"fig6 verify\" ";

/// Commands that write a file, whose name comes last, and what it begins with.
const WRITERS: [(&[&str], &[u8]); 3] = [
    (&["verify", "--level=lock", "--junit"], JUNIT.as_bytes()),
    (&["bundle", "--output"], b"\x1f\x8b"),
    (&["export", "good.safetensors", "--output"], b""),
];

fn with<'a>(arguments: &[&'a str], file: &'a str) -> Vec<&'a str> {
    [arguments, &[file]].concat()
}

fn expect(answer: &Answer, code: i32, said: &str) {
    assert_eq!(answer.code, code, "{}{}", answer.out, answer.err);
    assert!(answer.err.contains(said), "{said}: {}", answer.err);
}

fn pipe(project: &Project, name: &str) -> PathBuf {
    let path = project.path(name);
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    path
}

/// Makes `full` a device that is always full, one of the test's own where the user could replace the
/// system's; says so where that cannot be.
fn full(project: &Project) -> bool {
    let path = project.path("full");
    if !rustix::process::geteuid().is_root() {
        symlink("/dev/full", path).unwrap();
        return true;
    }
    let made = Command::new("mknod")
        .arg(&path)
        .args(["c", "1", "7"])
        .output();
    let made = made.is_ok_and(|output| output.status.success());
    if !made || File::options().write(true).open(path).is_err() {
        println!("skipped: no device can be made");
        return false;
    }
    true
}

/// Names in the project's folder.
fn names(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_files_of_a_verification_are_written_whoever_reads_it() {
    let project = refuted();
    for arguments in [
        &["verify", "--junit", "j.xml", "--summary", "s.md"][..],
        &["verify", "--json", "--junit", "j.xml", "--summary", "s.md"],
    ] {
        for output in ["", ">/dev/full", ">&-", "| true"] {
            assert_eq!(
                names(&project)
                    .iter()
                    .filter(|name| *name == "j.xml")
                    .count(),
                0
            );
            let code = match output {
                "| true" => project.unread(arguments).0,
                output => redirected(&project, output, arguments).code,
            };
            assert_eq!(code, 1, "{arguments:?} {output}");
            let junit = project.read("j.xml");
            assert!(junit.starts_with(JUNIT), "{junit}");
            assert!(junit.contains("failures=\"1\""), "{junit}");
            assert!(project.read("s.md").contains("## fig6 verify: failed"));
            fs::remove_file(project.path("j.xml")).unwrap();
            fs::remove_file(project.path("s.md")).unwrap();
        }
    }
}

#[test]
fn a_file_that_cannot_be_written_is_said_beside_the_verdict_and_is_never_success() {
    for (project, code) in [(finished(), 1), (undecided(), 3), (refuted(), 1)] {
        if !full(&project) {
            return;
        }
        for option in ["--junit", "--summary"] {
            for (file, cause) in [("full", "No space left"), ("bad.pt/x", "Not a directory")] {
                let answer = project.fig6(&["verify", option, file]);
                // What can be known before is said before.
                match file {
                    "full" => {
                        expect(&answer, code, &format!("cannot write full: {cause}"));
                        assert!(answer.out.contains(" failed, "), "{}", answer.out);
                    }
                    _ => expect(&answer, 1, cause),
                }
            }
        }
        // One that cannot be written keeps no other from being written.
        let arguments = ["verify", "--junit", "full", "--summary", "s.md"];
        expect(&project.fig6(&arguments), code, "cannot write full");
        assert!(project.read("s.md").contains("## fig6 verify: "));
    }
}

#[test]
fn another_programs_file_is_refused_before_any_work_and_replaced_by_force() {
    for (arguments, begins) in WRITERS {
        let project = finished();
        let before = project.read("pipeline.ron");
        let answer = project.fig6(&with(arguments, "pipeline.ron"));
        expect(&answer, 2, "pipeline.ron is there already");
        assert_eq!(answer.out, "");
        assert_eq!(project.read("pipeline.ron"), before);
        symlink("WRONG.md", project.path("link.md")).unwrap();
        expect(&project.fig6(&with(arguments, "link.md")), 2, "--force");
        expect(
            &project.fig6(&with(arguments, "artifacts")),
            2,
            "is a folder",
        );

        let forced = [arguments, &["WRONG.md", "--force"]].concat();
        expect(&project.fig6(&forced), 0, "");
        assert!(
            fs::read(project.path("WRONG.md"))
                .unwrap()
                .starts_with(begins)
        );
        // Its own, again and again; nothing tells an export from other weights.
        let again = project.fig6(&with(arguments, "WRONG.md"));
        let code = if arguments[0] == "export" { 2 } else { 0 };
        assert_eq!(again.code, code, "{}", again.err);
    }
}

#[test]
fn pipes_links_and_names_of_a_file_stay_what_they_are() {
    for (arguments, begins) in WRITERS {
        let project = finished();
        let path = pipe(&project, "pipe");
        let reader = {
            let path = path.clone();
            std::thread::spawn(move || fs::read(path).unwrap())
        };
        expect(&project.fig6(&with(arguments, "pipe")), 0, "");
        assert!(path.metadata().unwrap().file_type().is_fifo());
        let content = reader.join().unwrap();
        assert!(content.len() > 100 && content.starts_with(begins));

        symlink("new", project.path("link")).unwrap();
        expect(&project.fig6(&with(arguments, "link")), 0, "");
        assert!(project.path("link").is_symlink());
        assert_eq!(fs::read(project.path("new")).unwrap(), content);

        fs::hard_link(project.path("new"), project.path("name")).unwrap();
        fs::write(project.path("new"), "").unwrap();
        fs::set_permissions(project.path("new"), fs::Permissions::from_mode(0o640)).unwrap();
        expect(&project.fig6(&with(arguments, "new")), 0, "");
        assert_eq!(fs::read(project.path("name")).unwrap(), content);
        let about = project.path("name").metadata().unwrap();
        assert_eq!((about.nlink(), about.mode() & 0o7777), (2, 0o640));
        assert!(!names(&project).iter().any(|name| name.contains("partial")));
    }
}

#[test]
fn a_document_stays_the_users_own_file() {
    let project = finished();
    let right = project.read("WRONG.md").replace(">9<", ">8<");
    fs::hard_link(project.path("WRONG.md"), project.path("name.md")).unwrap();
    fs::set_permissions(project.path("WRONG.md"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("WRONG.md", project.path("link.md")).unwrap();
    for document in ["WRONG.md", "link.md"] {
        let wrong = right.replace(">8<", ">9<");
        fs::write(project.path("name.md"), wrong).unwrap();
        let answer = project.fig6(&["verify", "--docs", document, "--write"]);
        expect(&answer, 0, "");
        assert_eq!(project.read("name.md"), right);
        let about = project.path("WRONG.md").metadata().unwrap();
        assert_eq!((about.nlink(), about.mode() & 0o7777), (2, 0o640));
        assert!(project.path("link.md").is_symlink());
    }
}

#[test]
fn standard_output_carries_a_file_and_no_word_beside_it() {
    let project = finished();
    // As /dev/stdout, which a wrong program could replace.
    symlink("/dev/fd/1", project.path("stdout")).unwrap();
    for (arguments, begins) in WRITERS {
        expect(&project.fig6(&with(arguments, "file")), 0, "");
        let file = fs::read(project.path("file")).unwrap();
        assert!(file.starts_with(begins));
        fs::remove_file(project.path("file")).unwrap();
        for name in ["-", "stdout"] {
            let output = project
                .command()
                .args(with(arguments, name))
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            assert!(output.stdout == file, "{arguments:?} {name}");
            assert!(!output.stderr.is_empty());
            // A file that the shell has opened is not opened again.
            let answer = redirected(&project, ">file", &with(arguments, name));
            expect(&answer, 0, "");
            assert!(fs::read(project.path("file")).unwrap() == file);
            let full = redirected(&project, ">/dev/full", &with(arguments, "-"));
            expect(
                &full,
                1,
                "error: cannot write to standard output: No space left",
            );
            assert_eq!(project.unread(&with(arguments, name)).0, 0);
            fs::remove_file(project.path("file")).unwrap();
        }
        assert!(!names(&project).contains(&"-".to_owned()));
    }
    let both = ["verify", "--junit", "-", "--summary", "-"];
    expect(&project.fig6(&both), 2, "only one file");
    let answer = project.fig6(&["verify", "--summary", "-", "--json"]);
    assert!(answer.out.starts_with("## fig6 verify: "), "{}", answer.out);
    assert!(answer.err.starts_with('{'), "{}", answer.err);
}

/// Whether a process waits for the reader of a pipe that it opens; `true` where that cannot be seen.
fn opens(child: &Child) -> bool {
    let openat = match std::env::consts::ARCH {
        "x86_64" => "257 ",
        "aarch64" => "56 ",
        _ => return true,
    };
    let call = fs::read_to_string(format!("/proc/{}/syscall", child.id()));
    call.map_or(true, |call| call.starts_with(openat))
}

#[test]
fn a_pipe_without_a_reader_is_waited_for_until_the_first_term() {
    let project = finished();
    pipe(&project, "pipe");
    let bundle = project.fig6(&["bundle", "--output", "tiny.tar.gz"]);
    expect(&bundle, 0, "");
    fs::create_dir(project.path("tmp")).unwrap();
    for (arguments, ends) in [
        (&["bundle", "--output", "pipe"][..], Some(130)),
        (&["verify", "--junit", "pipe"], Some(130)),
        (&["verify", "tiny.tar.gz", "--summary", "pipe"], Some(130)),
        (&["export", "good.safetensors", "--output", "pipe"], None),
    ] {
        let before = names(&project);
        let child = project
            .heeding_command()
            .args(arguments)
            .env("TMPDIR", project.path("tmp"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // A call that opens a file does not last, but for this one.
        let mut seen = 0;
        until("its pipe is opened", || {
            seen = if opens(&child) { seen + 1 } else { 0 };
            seen == 20
        });
        let output = terminated(child);
        assert_eq!(output.status.code(), ends, "{arguments:?}: {output:?}");
        assert_eq!(names(&project), before);
        assert_eq!(fs::read_dir(project.path("tmp")).unwrap().count(), 0);
    }
}

#[test]
fn a_file_that_there_is_no_room_for_leaves_nothing_and_alters_nothing() {
    let project = finished();
    let limited = |arguments: &[&str]| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -f 1; exec \"$0\" \"$@\""]);
        let mut command = project.command();
        command.args(arguments);
        answer(below(shell, &command).output().unwrap())
    };
    let before = names(&project);
    for (arguments, _) in WRITERS {
        expect(&limited(&with(arguments, "new")), 1, "File too large");
        assert_eq!(names(&project), before, "{arguments:?}");
    }
    fs::write(project.path("old"), JUNIT).unwrap();
    fs::hard_link(project.path("old"), project.path("name")).unwrap();
    for arguments in [["verify", "--junit", "old"], ["verify", "--summary", "old"]] {
        expect(&limited(&arguments), 1, "cannot write old: File too large");
        assert_eq!(project.read("name"), JUNIT);
    }
}

#[test]
fn who_may_write_a_file_but_not_beside_it_writes_into_it_and_nobody_else_does() {
    let Some(nobody) = run_as_nobody() else {
        return;
    };
    let project = nobody.project(CLAIMS);
    assert_eq!(project.reproduce(&[]).code, 0);
    fs::copy(project.path(WEIGHTS), project.path("good.safetensors")).unwrap();
    let (folder, file) = (project.path("folder"), project.path("folder/file"));
    fs::create_dir(&folder).unwrap();
    fs::write(&file, "").unwrap();
    let set = |path: &PathBuf, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for (arguments, begins) in WRITERS {
        set(&folder, 0o755);
        fs::write(&file, "").unwrap();
        set(&file, 0o666);
        set(&folder, 0o555);
        expect(&project.fig6(&with(arguments, "folder/file")), 0, "");
        let content = fs::read(&file).unwrap();
        assert!(content.starts_with(begins));
        expect(
            &project.fig6(&with(arguments, "folder/new")),
            1,
            "cannot write folder/new: Permission denied",
        );
        set(&folder, 0o777);
        set(&file, 0o444);
        let forced = [arguments, &["folder/file", "--force"]].concat();
        expect(
            &project.fig6(&forced),
            1,
            "cannot write folder/file: Permission denied",
        );
        assert!(fs::read(&file).unwrap() == content);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        set(&file, 0o666);
    }
}
