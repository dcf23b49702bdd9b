//! What a run of the real program does to the disk, system call by system call, as strace sees it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One system call that changed the disk, or made a change durable. Paths start at the project's folder.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// A file that is opened to be written to, and created if it is not there.
    Open {
        path: PathBuf,
        truncate: bool,
    },
    /// Bytes at a file's end.
    Write {
        path: PathBuf,
        bytes: Vec<u8>,
    },
    WriteAt {
        path: PathBuf,
        offset: usize,
        bytes: Vec<u8>,
    },
    SetLength {
        path: PathBuf,
        length: usize,
    },
    Sync {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Link {
        path: PathBuf,
        target: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
    },
    SetMode {
        path: PathBuf,
        mode: u32,
    },
}

/// The calls that [`record`] looks at. Any other one that changes files is traced as well, and is an error
/// of the test: the model of the disk would not know it.
const KNOWN: &str = "openat,write,writev,pwrite64,fsync,fdatasync,rename,renameat,symlink,unlink,unlinkat,ftruncate,mkdir,rmdir,fchmod,chmod";
const UNKNOWN: &str = "open,creat,pwritev,pwritev2,copy_file_range,sendfile,splice,link,linkat,\
                       symlinkat,renameat2,truncate,mkdirat,fallocate,fchmodat,mknod,mknodat,sync_file_range";

/// What strace is asked to stop at, or to spoil: the calls that change the disk, without opening files,
/// for that cannot be told from reading.
pub const CHANGES: &str = "write,pwrite64,fsync,fdatasync,rename,renameat,symlink,unlink,unlinkat,ftruncate,mkdir,rmdir,fchmod,chmod";

/// Whether strace is there and may trace; says so if not.
pub fn possible() -> bool {
    let traced = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .output();
    let possible = traced.is_ok_and(|output| output.status.success());
    if !possible {
        println!("skipped: no strace, or it may not trace");
    }
    possible
}

/// Runs a command below strace, in its folder, and gives all that it and its children did to the disk
/// there.
pub fn record(command: &Command) -> Vec<Call> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut traced = Command::new("strace");
    traced
        .args([
            "-f",
            "-y",
            "-xx",
            "-s",
            "1000000000",
            "-e",
            "signal=none",
            "-o",
        ])
        .arg(log.path())
        .args(["-e", &format!("trace={KNOWN},{UNKNOWN}")]);
    let output = super::common::below(traced, command).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let folder = fs::canonicalize(command.get_current_dir().unwrap()).unwrap();
    parse(&fs::read_to_string(log.path()).unwrap(), &folder)
}

fn parse(log: &str, folder: &Path) -> Vec<Call> {
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut calls = Vec::new();
    for line in log.lines() {
        let (thread, rest) = line.split_once(' ').unwrap();
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(head) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, head);
            continue;
        }
        let whole = match rest.strip_prefix("<... ") {
            Some(resumed) => {
                let tail = resumed.split_once(" resumed>").unwrap().1;
                format!("{}{tail}", begun.remove(thread).unwrap())
            }
            None => rest.to_owned(),
        };
        calls.extend(call(&whole, folder));
    }
    calls
}

/// A finished call, if it changed something below the folder.
fn call(line: &str, folder: &Path) -> Option<Call> {
    let (name, rest) = line.split_once('(').unwrap();
    let (arguments, result) = rest
        .rsplit_once(") = ")
        .or_else(|| rest.rsplit_once(") "))?;
    let result = result.trim_start_matches("= ").trim_start();
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let arguments: Vec<&str> = arguments.split(", ").map(str::trim).collect();
    let inside = |path: PathBuf| path.strip_prefix(folder).ok().map(Path::to_owned);
    // A path by itself, from the current folder on.
    let plain = |place: usize| inside(folder.join(text(arguments[place])));
    // A path that starts at an open folder.
    let at = |place: usize| inside(opened(arguments[place])?.join(text(arguments[place + 1])));
    let file = |place: usize| inside(opened(arguments[place])?);
    Some(match name {
        "openat" => {
            let flags = arguments[2];
            if flags.contains("O_TMPFILE")
                || !(flags.contains("O_WRONLY") || flags.contains("O_RDWR"))
            {
                return None;
            }
            let truncate = flags.contains("O_TRUNC");
            Call::Open {
                path: at(0)?,
                truncate,
            }
        }
        "write" => Call::Write {
            path: file(0)?,
            bytes: bytes(arguments[1]),
        },
        "writev" => {
            let pieces = arguments
                .iter()
                .filter_map(|part| part.split_once("iov_base=\""));
            let pieces = pieces.map(|(_, piece)| bytes(&format!("\"{piece}")));
            Call::Write {
                path: file(0)?,
                bytes: pieces.flatten().collect(),
            }
        }
        "pwrite64" => Call::WriteAt {
            path: file(0)?,
            bytes: bytes(arguments[1]),
            offset: arguments[3].parse().unwrap(),
        },
        "fsync" | "fdatasync" => Call::Sync { path: file(0)? },
        "rename" => Call::Rename {
            from: plain(0)?,
            to: plain(1)?,
        },
        "renameat" => Call::Rename {
            from: at(0)?,
            to: at(2)?,
        },
        "symlink" => Call::Link {
            target: text(arguments[0]).into(),
            path: plain(1)?,
        },
        "unlink" | "rmdir" => Call::Remove { path: plain(0)? },
        "unlinkat" => Call::Remove { path: at(0)? },
        "ftruncate" => Call::SetLength {
            path: file(0)?,
            length: arguments[1].parse().unwrap(),
        },
        "mkdir" => Call::MakeFolder { path: plain(0)? },
        "fchmod" => Call::SetMode {
            path: file(0)?,
            mode: octal(arguments[1]),
        },
        "chmod" => Call::SetMode {
            path: plain(0)?,
            mode: octal(arguments[1]),
        },
        other => {
            let touched = arguments.iter().any(|argument| {
                opened(argument).and_then(inside).is_some()
                    || (argument.starts_with('"') && inside(folder.join(text(argument))).is_some())
            });
            assert!(
                !touched,
                "the model of the disk does not know {other}: {line}"
            );
            return None;
        }
    })
}

/// The path of an open file: `3<\x2f…>`; none where it has no name any more.
fn opened(argument: &str) -> Option<PathBuf> {
    let (_, rest) = argument.split_once('<')?;
    let path = rest.strip_suffix('>')?;
    Some(String::from_utf8(unescaped(path)).unwrap().into())
}

fn text(argument: &str) -> String {
    String::from_utf8(bytes(argument)).unwrap()
}

/// The content of a string: `"\x2f…"`.
fn bytes(argument: &str) -> Vec<u8> {
    let inner = argument.split('"').nth(1);
    unescaped(inner.unwrap_or_else(|| panic!("no string: {argument}")))
}

fn unescaped(text: &str) -> Vec<u8> {
    let pairs = text.split("\\x").skip(1);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

fn octal(argument: &str) -> u32 {
    u32::from_str_radix(argument, 8).unwrap() & 0o777
}
