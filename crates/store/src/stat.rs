//! How a file looked, to tell later whether it is still the one that was read.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file that changed less than this before it was read may have changed again since without looking
/// different, because time stamps have a grain; it is not remembered. Nor is one of our own making
/// that is younger when the index is saved.
const GRAIN: Duration = Duration::from_millis(50);

/// Size, inode, and seconds and nanoseconds of a file's last change of content and of status, the
/// second of which no program can set back.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    numbers: [i64; 6],
    /// Whether nobody can have changed the file since without its looking different.
    certain: bool,
}

impl PartialEq for Stat {
    fn eq(&self, other: &Stat) -> bool {
        self.numbers == other.numbers
    }
}

impl Eq for Stat {}

impl Stat {
    /// Of a file that is read afterwards.
    pub fn of(metadata: &Metadata) -> Stat {
        let mut stat = Stat::of_new(metadata);
        stat.certain = stat.is_settled();
        stat
    }

    /// Of a file that this process has just made.
    pub fn of_new(metadata: &Metadata) -> Stat {
        let numbers = [
            metadata.len().cast_signed(),
            metadata.ino().cast_signed(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ];
        let certain = true;
        Stat { numbers, certain }
    }

    /// Whether nobody wrote to the file between two looks at it; its links and permissions may differ.
    pub fn same_writes(&self, other: &Stat) -> bool {
        self.numbers[..4] == other.numbers[..4]
    }

    /// The form in a file.
    pub fn to_bytes(self) -> [u8; 48] {
        let mut bytes = [0; 48];
        for (bytes, number) in bytes.as_chunks_mut().0.iter_mut().zip(self.numbers) {
            *bytes = number.to_le_bytes();
        }
        bytes
    }

    /// Whether nobody can have changed the file since without its looking different.
    pub fn is_certain(&self) -> bool {
        self.certain
    }

    /// Whether another process may rely on it.
    pub fn lasts(&self) -> bool {
        self.certain && self.is_settled()
    }

    /// Whether the file has been left alone for a while.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().saturating_sub(GRAIN);
        let now = (now.as_secs().cast_signed(), i64::from(now.subsec_nanos()));
        let [.., modified, modified_nanos, changed, changed_nanos] = self.numbers;
        (modified, modified_nanos).max((changed, changed_nanos)) < now
    }
}
