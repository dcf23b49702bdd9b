//! Draws and mutations. A case is addressed by seed, target and number, so each can be repeated alone.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Bytes at which parsers turn.
const BYTES: [u8; 10] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'(', b'\n', b'.', b'/'];

/// Numbers at which lengths and counts turn.
const NUMBERS: [u64; 18] = [
    0,
    1,
    127,
    128,
    255,
    256,
    32_767,
    32_768,
    65_535,
    65_536,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
];

/// Numbers as texts write them, and other values behind them.
const WORDS: [&str; 24] = [
    "0",
    "-1",
    "1",
    "255",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "-1e-320",
    "1e999",
    "NaN",
    "inf",
    "0x7f",
    "\"\"",
    "\"../x\"",
    "[]",
    "{}",
    "()",
    "null",
    "true",
    "\"\\u0000\"",
];

/// How many of [`WORDS`] are numbers.
const NUMERIC: usize = 16;

/// Pieces of pickles: containers, marks, memo, calls, numbers that claim lengths.
const OPERATIONS: [&[u8]; 32] = [
    b"]",
    b"}",
    b")",
    b"(",
    b"t",
    b"l",
    b"d",
    b"0",
    b"1",
    b"2",
    b"a",
    b"e",
    b"s",
    b"u",
    b"b",
    b"R",
    b"N",
    b".",
    b"q\x00",
    b"h\x00",
    b"r\xff\xff\xff\xff",
    b"\x94",
    b"\x85",
    b"\x87",
    b"Q",
    b"Pa\n",
    b"cos\nsystem\n",
    b"X\xff\xff\xff\x7f",
    b"B\xff\xff\xff\xff",
    b"\x8a\xff",
    b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"J\xff\xff\xff\xff",
];

/// The draws of one case.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Those of the case with this number.
    pub fn new(seed: u64, target: &str, case: u64) -> Dice {
        let text = format!("fig6 hostile\n{target}\n{seed}\n{case}");
        Dice(ChaCha8Rng::from_seed(
            *blake3::hash(text.as_bytes()).as_bytes(),
        ))
    }

    /// A number below `limit`; 0 where there is none.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.0.next_u64()) * limit as u128) >> 64) as usize
    }

    /// Whether one of `times` came up.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => self.0.next_u64() >> self.below(64),
            _ => *self.pick(&NUMBERS),
        }
    }

    /// A range of the bytes, usually a short one.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let longest = length - start;
        let most = if self.one_in(4) {
            longest
        } else {
            longest.min(40)
        };
        start..start + self.below(most + 1)
    }

    /// Damages the bytes in one to eight places; `other` lends some of its own.
    pub fn damage(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..1 << self.below(4) {
            self.once(bytes, other);
        }
        // Growth beyond that tests nothing but patience.
        bytes.truncate(1 << 20);
    }

    fn once(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let length = bytes.len();
        let at = self.below(length);
        match self.below(10) {
            0 | 1 if length > 0 => bytes[at] ^= 1 << self.below(8),
            2 | 3 if length > 0 => bytes[at] = *self.pick(&BYTES),
            4 | 5 => {
                let number = self.number();
                let width = *self.pick(&[2, 4, 8]);
                let mut word = number.to_le_bytes()[..width].to_vec();
                if self.one_in(2) {
                    word.reverse();
                }
                for (byte, new) in bytes.iter_mut().skip(at).zip(word) {
                    *byte = new;
                }
            }
            6 => bytes.truncate(at),
            7 => {
                let range = self.range(length);
                let copy = bytes[range].to_vec();
                let to = self.below(length + 1);
                bytes.splice(to..to, copy);
            }
            8 => {
                let range = self.range(length);
                bytes.drain(range);
            }
            _ => {
                let range = self.range(other.len());
                let to = self.range(length);
                bytes.splice(to, other[range].iter().copied());
            }
        }
    }

    /// As [`Dice::damage`], for texts with brackets: whole values are exchanged too.
    pub fn damage_text(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..1 << self.below(3) {
            match self.below(16) {
                0 | 1 => self.once(bytes, other),
                2..=8 => {
                    let value = self.value(bytes);
                    // A number for a number: what is of another type is refused at once.
                    let is_number = bytes[value.clone()]
                        .iter()
                        .all(|byte| byte.is_ascii_digit() || b" .e-".contains(byte));
                    let words = if is_number { &WORDS[..NUMERIC] } else { &WORDS };
                    let word = self.pick(words).as_bytes().to_vec();
                    bytes.splice(value, word);
                }
                9..=14 => {
                    let (from, to) = (self.value(other), self.value(bytes));
                    bytes.splice(to, other[from].iter().copied());
                }
                _ => {
                    let value = self.value(bytes);
                    let depth = 1 << self.below(12);
                    let (open, close) = *self.pick(&[("[", "]"), ("(", ")"), ("{\"a\":", "}")]);
                    let new = [
                        open.repeat(depth).as_bytes(),
                        &bytes[value.clone()],
                        close.repeat(depth).as_bytes(),
                    ]
                    .concat();
                    bytes.splice(value, new);
                }
            }
        }
        bytes.truncate(1 << 20);
    }

    /// As [`Dice::damage`], for pickles: operations are put in, some of them many times.
    pub fn damage_pickle(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..1 << self.below(3) {
            if self.one_in(2) {
                self.once(bytes, other);
                continue;
            }
            let times = match self.below(4) {
                0 => 1 << self.below(14),
                _ => 1,
            };
            let operation = self.pick(&OPERATIONS).repeat(times);
            let at = self.below(bytes.len() + 1);
            bytes.splice(at..at, operation);
        }
        bytes.truncate(1 << 20);
    }

    /// Where a value stands in a text: between delimiters, often behind a colon.
    fn value(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let delimits = |byte: &u8| b",:()[]{}\n".contains(byte);
        let mut at = self.below(bytes.len());
        if self.one_in(2) {
            let colon = bytes[at..].iter().position(|&byte| byte == b':');
            at += colon.map_or(0, |colon| colon + 1);
        }
        let start = bytes[..at]
            .iter()
            .rposition(delimits)
            .map_or(0, |at| at + 1);
        let end = bytes[start..].iter().position(delimits);
        start..end.map_or(bytes.len(), |length| start + length)
    }
}
