//! What the tests of all crates share: folders, how much to do, and how to wait.
//!
//! No test's verdict may depend on how fast the machine is. So a test never sleeps and hopes: it waits
//! [`until`] something holds, or tries again, at most [`TRIES`] times, until it has seen what it wants to
//! see. Unaware of fig6.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{StatVfsMountFlags, statvfs};
use tempfile::TempDir;

/// How long something may take before the test calls it a hang: far more than any machine needs.
pub const HANG: Duration = Duration::from_secs(600);

/// How often a test tries to see something: a fast machine may be through before anybody looks.
pub const TRIES: usize = 200;

/// Memory that must be free for folders in it.
const ROOM: u64 = 1 << 30;

/// A folder that is removed with the value. It lies in memory where the system has a file system there and
/// `TMPDIR` names no other place: the tests flush thousands of small files, which takes a disk minutes.
///
/// # Panics
/// If it cannot be created.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let chosen = std::env::var_os("TMPDIR").is_some_and(|place| !place.is_empty());
    let made = match !chosen && is_roomy(memory) {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.expect("a temporary folder can be created")
}

/// Whether a file system has room, and lets programs and devices be used.
fn is_roomy(place: &Path) -> bool {
    let barred = StatVfsMountFlags::NOEXEC | StatVfsMountFlags::NODEV | StatVfsMountFlags::RDONLY;
    statvfs(place).is_ok_and(|found| {
        found.f_bavail.saturating_mul(found.f_frsize) >= ROOM && !found.f_flag.intersects(barred)
    })
}

/// How much a test does: `few` by default, `many` with `FIG6_TESTS=long` (`.ci/run`), `all` with
/// `FIG6_TESTS=soak` (`tools/soak`).
///
/// # Panics
/// If the variable says something else.
pub fn amount<T>(few: T, many: T, all: T) -> T {
    match std::env::var("FIG6_TESTS").as_deref() {
        Err(_) | Ok("") => few,
        Ok("long") => many,
        Ok("soak") => all,
        Ok(other) => panic!("FIG6_TESTS={other}: expected long or soak"),
    }
}

/// Waits for something that will be.
///
/// # Panics
/// If it is not so for [`HANG`].
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < HANG, "hangs: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Starts a command whose output is read later.
///
/// # Panics
/// If it cannot be started.
pub fn start(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command can be started")
}
