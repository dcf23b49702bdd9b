//! Archives of images, with tar's checksums made good, in gzip or not.

use std::path::Path;

use super::dice::Dice;
use super::records::{check, read};
use super::seeds::{gzip, headers, seal_tar, tars};
use super::target::{Bound, MB, Target, alone};

/// Kinds of member that tar knows, and some that it does not.
const KINDS: &[u8] = b"\x00012345678KLNSVXgxZ\xff";

/// Paths that lead somewhere else, or are none.
const PATHS: [&[u8]; 9] = [
    b"../evil",
    b"/etc/evil",
    b"c/../../evil",
    b"",
    b"c/train/../..",
    b"c/\xff\xfe/data_batch_2.bin",
    b"./c//data_batch_1.bin",
    b"c/data_batch_99999999999999999999.bin",
    b"c\\..\\..\\evil",
];

/// Sizes, as the twelve bytes of their field: octal digits, or a binary number.
const SIZES: [&[u8; 12]; 6] = [
    b"00000000000\0",
    b"77777777777\0",
    b"100000000000",
    b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"-0000000001\0",
];

/// Says something else in a header.
fn lie(dice: &mut Dice, bytes: &mut [u8]) {
    let headers = headers(bytes);
    if headers.is_empty() {
        return;
    }
    let at = *dice.pick(&headers);
    match dice.below(4) {
        0 => bytes[at + 156] = *dice.pick(KINDS),
        1 => {
            let path = *dice.pick(&PATHS);
            bytes[at..at + 100].fill(0);
            bytes[at..at + path.len()].copy_from_slice(path);
        }
        2 => bytes[at + 124..at + 136].copy_from_slice(*dice.pick(&SIZES)),
        _ => {
            let field = dice.below(500);
            bytes[at + field] = *dice.pick(&[0, b'0', b'7', 0x80, 0xff]);
        }
    }
}

#[test]
fn archives_whatever_they_hold_are_read_or_refused_and_nothing_is_unpacked() {
    let _alone = alone();
    // Where members that lead outside would end up.
    let outside = || {
        ["/etc/evil", "evil", "../evil"]
            .iter()
            .any(|path| Path::new(path).exists())
    };
    Target {
        name: "archive",
        // Members as they are, twice while one grows; unpacked, a byte may be a thousand.
        bound: Bound {
            fixed: 2 * MB,
            per_byte: 1000,
        },
        seeds: tars(),
        damage: &|dice, bytes, other| {
            match dice.below(3) {
                0 => dice.damage(bytes, other),
                _ => lie(dice, bytes),
            }
            if !dice.one_in(8) {
                seal_tar(bytes);
            }
            if dice.one_in(2) {
                *bytes = gzip(bytes);
                if dice.one_in(4) {
                    dice.damage(bytes, other);
                }
            }
        },
        parse: &|path, _| {
            let data = read(path);
            assert!(!outside());
            data.map(|data| check(&data))
        },
    }
    .run();
}
