//! The bounds of a pickle: how many objects it may make, read off its opcodes without making one.
//!
//! The reader of PyTorch's files executes nothing and checks every length, but it puts no bound
//! on the number of objects: one byte of a pickle makes one of a hundred bytes, and a compressed
//! pickle is a thousandth of its size. So it is asked only for pickles that were counted before.
//! On the way the strings are noted, for the reader forgets the order of a dictionary's keys.
//!
//! Unaware of what the objects mean.

use std::collections::HashMap;
use std::io::{BufRead, Read as _};

use anyhow::{Context as _, Result, bail, ensure};

/// Opcodes of one file's pickles. The weights of 1,202 layers with momentum and a running average
/// beside them take a million; each costs the reader some 300 bytes at the very worst.
const MAX_OPCODES: usize = 2_000_000;

/// Bytes of one file's pickles, without the tensors' values.
const MAX_BYTES: u64 = 64 << 20;

/// Longer strings are no tensor's name.
const MAX_NAME: usize = 1_000;

/// What the pickles of one file may still cost, and what was seen in them.
pub struct Scan {
    opcodes: usize,
    bytes: u64,
    /// Each string with its rank among all of them, by first appearance.
    pub strings: HashMap<String, usize>,
}

/// What follows an opcode.
enum Argument {
    Fixed(u64),
    Lines(u32),
    /// Bytes as counted by a little-endian number of so many bytes.
    Counted(usize),
}

impl Scan {
    pub fn new() -> Scan {
        Scan {
            opcodes: MAX_OPCODES,
            bytes: MAX_BYTES,
            strings: HashMap::new(),
        }
    }

    /// Walks over one pickle and leaves `reader` behind it.
    ///
    /// # Errors
    /// If it ends too early, holds what is no opcode, or is too large.
    pub fn pickle(&mut self, reader: &mut impl BufRead) -> Result<()> {
        loop {
            let [opcode] = self.take(reader)?;
            self.opcodes = self.opcodes.checked_sub(1).with_context(|| {
                format!("its pickle makes more than {MAX_OPCODES} objects: save only the weights")
            })?;
            match argument(opcode)? {
                Argument::Fixed(bytes) => {
                    self.text(reader, bytes)?;
                }
                Argument::Lines(lines) => {
                    for _ in 0..lines {
                        self.line(reader)?;
                    }
                }
                Argument::Counted(size) => {
                    let mut count = [0; 8];
                    for byte in count.iter_mut().take(size) {
                        [*byte] = self.take(reader)?;
                    }
                    let text = self.text(reader, u64::from_le_bytes(count))?;
                    if let Ok(text) = String::from_utf8(text)
                        && text.len() <= MAX_NAME
                    {
                        let rank = self.strings.len();
                        self.strings.entry(text).or_insert(rank);
                    }
                }
            }
            if opcode == b'.' {
                return Ok(());
            }
        }
    }

    /// The next `N` bytes.
    fn take<const N: usize>(&mut self, reader: &mut impl BufRead) -> Result<[u8; N]> {
        self.spend(N as u64)?;
        let mut bytes = [0; N];
        reader
            .read_exact(&mut bytes)
            .context("it ends inside its pickle: it was cut short")?;
        Ok(bytes)
    }

    /// The next `len` bytes; what is read is never more than what is there.
    fn text(&mut self, reader: &mut impl BufRead, len: u64) -> Result<Vec<u8>> {
        self.spend(len)?;
        let mut bytes = Vec::new();
        reader.take(len).read_to_end(&mut bytes)?;
        ensure!(
            bytes.len() as u64 == len,
            "it ends inside its pickle: it was cut short"
        );
        Ok(bytes)
    }

    fn line(&mut self, reader: &mut impl BufRead) -> Result<()> {
        let mut line = Vec::new();
        let left = self.bytes;
        reader.take(left).read_until(b'\n', &mut line)?;
        ensure!(
            line.ends_with(b"\n"),
            "a line of its pickle does not end: it was cut short or is too large"
        );
        self.spend(line.len() as u64)
    }

    fn spend(&mut self, bytes: u64) -> Result<()> {
        self.bytes = self.bytes.checked_sub(bytes).with_context(|| {
            format!("its pickle is larger than {MAX_BYTES} bytes or damaged: save only the weights")
        })?;
        Ok(())
    }
}

/// Python's `pickletools` lists them; those that nothing written by PyTorch holds are refused.
fn argument(opcode: u8) -> Result<Argument> {
    Ok(match opcode {
        b'.' | b'0' | b'1' | b'2' | b'N' | b'R' | b'b' | b'd' | b'l' | b't' | b's' | b'a'
        | b')' | b']' | b'}' | b'e' | b'u' | b'Q' | b'(' => Argument::Fixed(0),
        0x81 | 0x85..=0x89 | 0x8f..=0x94 => Argument::Fixed(0),
        b'K' | b'h' | b'q' | 0x80 => Argument::Fixed(1),
        b'M' => Argument::Fixed(2),
        b'J' | b'j' | b'r' => Argument::Fixed(4),
        b'G' | 0x95 => Argument::Fixed(8),
        b'I' | b'L' | b'F' | b'V' | b'g' | b'p' | b'P' => Argument::Lines(1),
        b'c' => Argument::Lines(2),
        b'U' | b'C' | 0x8a | 0x8c => Argument::Counted(1),
        b'T' | b'X' | b'B' | 0x8b => Argument::Counted(4),
        0x8d | 0x8e | 0x96 => Argument::Counted(8),
        _ => bail!("its pickle holds 0x{opcode:02x}, which is no opcode: it is damaged"),
    })
}
