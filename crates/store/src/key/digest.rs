//! BLAKE3 digests as values: with a text form, compared, sorted and hashed.

use std::fmt;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read as _};
use std::path::Path;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A BLAKE3 digest: the address of a content, or a step's key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of a file's content, computed by all threads of the current pool.
    ///
    /// The file is read, not mapped: a bad sector is an error then, and a file that somebody cuts short
    /// meanwhile has another digest, where a mapped one would end the process.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of_file(path: &Path) -> io::Result<Digest> {
        Digest::of_file_watched(path, &|_| {})
    }

    /// As [`Digest::of_file`]; `watch` is told how many bytes were read since it was told last.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of_file_watched(path: &Path, watch: &dyn Fn(usize)) -> io::Result<Digest> {
        let mut file = File::open(path)?;
        let mut hasher = blake3::Hasher::new();
        let mut piece = next_piece(&mut file, Vec::new())?;
        let mut spare = Vec::new();
        while piece.len() == PIECE {
            let buffer = std::mem::take(&mut spare);
            let (_, read) = rayon::join(
                || hasher.update_rayon(&piece).count(),
                || next_piece(&mut file, buffer),
            );
            watch(piece.len());
            spare = std::mem::replace(&mut piece, read?);
        }
        hasher.update_rayon(&piece);
        watch(piece.len());
        Ok(Digest(*hasher.finalize().as_bytes()))
    }

    /// The 64 hexadecimal digits, without an allocation.
    pub fn to_hex(&self) -> impl std::ops::Deref<Target = str> + use<> {
        blake3::Hash::from_bytes(self.0).to_hex()
    }

    /// The first ten hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..10].to_owned()
    }
}

/// Bytes that are read while as many are hashed.
const PIECE: usize = 4 << 20;

/// The next [`PIECE`] bytes of a file, or fewer at its end, in a buffer that is used again.
fn next_piece(file: &mut File, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    buffer.clear();
    file.take(PIECE as u64).read_to_end(&mut buffer)?;
    Ok(buffer)
}

/// For tables in memory: eight bytes of a hash are spread well enough.
impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0[..8]);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Digest {
    type Err = blake3::HexError;

    fn from_str(text: &str) -> Result<Digest, Self::Err> {
        blake3::Hash::from_hex(text).map(|hash| Digest(*hash.as_bytes()))
    }
}

/// As hexadecimal digits where people may read it, as bytes where not.
impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.serialize_str(&self.to_hex()),
            false => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        if !deserializer.is_human_readable() {
            return Deserialize::deserialize(deserializer).map(Digest);
        }
        let text = String::deserialize(deserializer)?;
        let digest = text.parse();
        digest.map_err(|error| D::Error::custom(format!("{text:?} is no BLAKE3 digest: {error}")))
    }
}
