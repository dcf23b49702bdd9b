//! A table in a file that is searched as it lies there: rows of one width under 32-byte keys,
//! sorted, behind a fan-out as in git's pack index. To load one costs reading it, however many rows
//! it has and however few are asked for.
//!
//! Unaware of what the rows mean.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::key::Digest;

/// Bytes of a key.
const KEY: usize = 32;

/// Most bits of a key that the fan-out tells apart.
const MOST_BITS: u32 = 16;

/// Where a table lies in some bytes: `bits`, the width, the number of rows; where the rows of each
/// prefix begin; the rows.
#[derive(Clone, Debug)]
pub struct Table {
    bits: u32,
    width: usize,
    fan_out: Range<usize>,
    rows: Range<usize>,
}

impl Table {
    /// Writes a table of these rows, all of which are `width` bytes wide.
    pub fn write(rows: &BTreeMap<Digest, Vec<u8>>, width: usize, bytes: &mut Vec<u8>) {
        let bits = rows.len().checked_ilog2().unwrap_or(0).min(MOST_BITS);
        for number in [bits, width as u32, rows.len() as u32] {
            bytes.extend(number.to_le_bytes());
        }
        let mut begins = vec![0_u32; (1 << bits) + 1];
        for key in rows.keys() {
            begins[prefix(key, bits) + 1] += 1;
        }
        let mut sum = 0;
        for begin in begins {
            sum += begin;
            bytes.extend(sum.to_le_bytes());
        }
        for (key, row) in rows {
            bytes.extend(key.as_bytes());
            bytes.extend(row);
        }
    }

    /// Finds the table of this width that begins at `*start`, and moves `*start` behind it; `None` if
    /// there is none that fits into the bytes.
    pub fn find(bytes: &[u8], start: &mut usize, width: usize) -> Option<Table> {
        let mut numbers = [0; 3];
        for number in &mut numbers {
            *number = word(bytes, *start)?;
            *start += 4;
        }
        let [bits, found, count] = numbers;
        let count = count as usize;
        let prefixes = 1_usize.checked_shl(bits).filter(|_| bits <= MOST_BITS)?;
        let fan_out = *start..*start + 4 * (prefixes + 1);
        let end = count.checked_mul(KEY + width)?.checked_add(fan_out.end)?;
        *start = end;
        (end <= bytes.len() && found as usize == width).then_some(Table {
            bits,
            width,
            rows: fan_out.end..end,
            fan_out,
        })
    }

    /// The row under a key.
    pub fn get<'b>(&self, bytes: &'b [u8], key: &Digest) -> Option<&'b [u8]> {
        let at = self.fan_out.start + 4 * prefix(key, self.bits);
        let (begin, end) = (word(bytes, at)? as usize, word(bytes, at + 4)? as usize);
        let rows = bytes.get(self.rows.clone())?;
        let row = |index: usize| &rows[index * (KEY + self.width)..][..KEY + self.width];
        let (mut low, mut high) = (begin, end.min(rows.len() / (KEY + self.width)));
        while low < high {
            let middle = (low + high) / 2;
            let (found, value) = row(middle).split_at(KEY);
            match found.cmp(key.as_bytes()) {
                std::cmp::Ordering::Equal => return Some(value),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// All rows with their keys, in the keys' order.
    pub fn iter<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = (Digest, &'b [u8])> + use<'b> {
        let rows = bytes[self.rows.clone()].chunks_exact(KEY + self.width);
        rows.filter_map(|row| {
            let (key, value) = row.split_first_chunk()?;
            Some((Digest::from_bytes(*key), value))
        })
    }
}

/// The first bits of a key.
fn prefix(key: &Digest, bits: u32) -> usize {
    let [first, second, ..] = key.as_bytes();
    usize::from(u16::from_be_bytes([*first, *second])) >> (16 - bits)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u32) -> BTreeMap<Digest, Vec<u8>> {
        let number = |number: u32| {
            (
                Digest::of(&number.to_le_bytes()),
                number.to_le_bytes().to_vec(),
            )
        };
        (0..count).map(number).collect()
    }

    #[test]
    fn every_row_is_found_in_tables_of_any_size_and_nothing_else() {
        let mut bytes = b"before".to_vec();
        let sizes = [0, 1, 2, 3, 100, 1000, 70_000];
        for size in sizes {
            Table::write(&rows(size), 4, &mut bytes);
        }
        let mut start = "before".len();
        for size in sizes {
            let table = Table::find(&bytes, &mut start, 4).unwrap();
            for (key, row) in rows(size) {
                assert_eq!(table.get(&bytes, &key), Some(&row[..]));
            }
            assert_eq!(table.get(&bytes, &Digest::of(b"other")), None);
            let all = table.iter(&bytes).map(|(key, row)| (key, row.to_vec()));
            assert_eq!(all.collect::<BTreeMap<_, _>>(), rows(size));
        }
        assert_eq!(start, bytes.len());
    }

    #[test]
    fn bytes_that_are_no_table_are_refused_or_hold_nothing() {
        let mut bytes = Vec::new();
        Table::write(&rows(20), 4, &mut bytes);
        for end in 0..bytes.len() {
            assert!(
                Table::find(&bytes[..end], &mut 0, 4).is_none(),
                "{end} bytes"
            );
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0xff;
            if let Some(table) = Table::find(&bytes, &mut 0, 4) {
                for key in rows(20).keys() {
                    let _ = table.get(&bytes, key);
                }
                let _ = table.iter(&bytes).count();
            }
        }
    }
}
