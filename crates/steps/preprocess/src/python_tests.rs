//! Pickles as every Python writes them, and what must not pass for one.

use crate::python::{class_names, records};
use cifar::{IMAGE, Images};

/// Two images with the labels 3 and 7, every byte value among their pixels.
pub fn pixels() -> Vec<u8> {
    (0..2 * IMAGE)
        .map(|place| (place * 7 % 257) as u8)
        .collect()
}

fn expected() -> Vec<u8> {
    let mut images = Images::default();
    for (label, image) in [3, 7].into_iter().zip(pixels().chunks(IMAGE)) {
        images.push(label, image).unwrap();
    }
    images.to_records()
}

/// As Python 2 writes it, with all entries of the published files.
pub fn python2(labels: &[u8], pixels: &[u8]) -> Vec<u8> {
    let rows = u8::try_from(labels.len()).unwrap();
    let labels: Vec<u8> = labels.iter().flat_map(|&label| [b'K', label]).collect();
    [
        b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x05batchq\x03U\x06labelsq\x04]q\x05(",
        &labels[..],
        b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09(K\x01K",
        &[rows],
        b"M\x00\x0c\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T",
        &u32::try_from(pixels.len()).unwrap().to_le_bytes(),
        pixels,
        b"tbU\x09filenamesq\x0c]q\x0d(U\x05a.pngq\x0eU\x05b.pngq\x0feu.",
    ]
    .concat()
}

/// The published `batches.meta`.
pub const META: &[u8] = b"\x80\x02}q\x01(U\x13num_cases_per_batchq\x02M\x10'U\x0blabel_namesq\x03]q\x04(U\x08airplaneq\x05U\nautomobileq\x06U\x04birdq\x07U\x03catq\x08U\x04deerq\x09U\x03dogq\nU\x04frogq\x0bU\x05horseq\x0cU\x04shipq\rU\x05truckq\x0eeU\x07num_visq\x0fM\x00\x0cu.";

/// `pickle.dumps({b"labels": [3, 7], b"data": …}, protocol)` of Python 3.11 with numpy 2.4.
fn protocol(number: u8) -> Vec<u8> {
    let pixels = pixels();
    match number {
        2 => {
            let text: String = pixels.iter().map(|&byte| char::from(byte)).collect();
            let length = u32::try_from(text.len()).unwrap().to_le_bytes();
            [
                b"\x80\x02}q\x00(c_codecs\nencode\nq\x01X\x06\x00\x00\x00labelsq\x02X\x06\x00\x00\x00latin1q\x03\x86q\x04Rq\x05]q\x06(K\x03K\x07eh\x01X\x04\x00\x00\x00dataq\x07h\x03\x86q\x08Rq\x09cnumpy._core.multiarray\n_reconstruct\nq\ncnumpy\nndarray\nq\x0bK\x00\x85q\x0ch\x01X\x01\x00\x00\x00bq\x0dh\x03\x86q\x0eRq\x0f\x87q\x10Rq\x11(K\x01K\x02M\x00\x0c\x86q\x12cnumpy\ndtype\nq\x13X\x02\x00\x00\x00u1q\x14\x89\x88\x87q\x15Rq\x16(K\x03X\x01\x00\x00\x00|q\x17NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x18b\x89h\x01X",
                &length[..],
                text.as_bytes(),
                b"q\x19h\x03\x86q\x1aRq\x1btq\x1cbu.",
            ]
            .concat()
        }
        4 => [
            b"\x80\x04\x95\xab\x18\x00\x00\x00\x00\x00\x00}\x94(C\x06labels\x94]\x94(K\x03K\x07eC\x04data\x94\x8c\x16numpy._core.multiarray\x94\x8c\x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94\x8c\x07ndarray\x94\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01K\x02M\x00\x0c\x86\x94h\x07\x8c\x05dtype\x94\x93\x94\x8c\x02u1\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01|\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x89B\x00\x18\x00\x00",
            &pixels[..],
            b"\x94t\x94bu.",
        ]
        .concat(),
        _ => [
            b"\x80\x05\x95\x93\x18\x00\x00\x00\x00\x00\x00}\x94(C\x06labels\x94]\x94(K\x03K\x07eC\x04data\x94\x8c\x13numpy._core.numeric\x94\x8c\x0b_frombuffer\x94\x93\x94(\x96\x00\x18\x00\x00\x00\x00\x00\x00",
            &pixels[..],
            b"\x94\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94\x8c\x02u1\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01|\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94bK\x02M\x00\x0c\x86\x94\x8c\x01C\x94t\x94R\x94u.",
        ]
        .concat(),
    }
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let place = bytes.windows(old.len()).position(|part| part == old);
    let (before, rest) = bytes.split_at(place.unwrap());
    [before, new, &rest[old.len()..]].concat()
}

fn refused(bytes: &[u8]) -> String {
    format!("{:#}", records(bytes).unwrap_err())
}

#[test]
fn every_protocol_and_python_gives_the_same_records() {
    assert_eq!(records(&python2(&[3, 7], &pixels())).unwrap(), expected());
    for number in [2, 4, 5] {
        assert_eq!(records(&protocol(number)).unwrap(), expected(), "{number}");
    }
    assert_eq!(class_names(META).unwrap(), cifar::CLASS_NAMES);
}

#[test]
fn an_array_by_columns_is_turned() {
    let rows = pixels();
    let columns: Vec<u8> = (0..IMAGE)
        .flat_map(|at| [rows[at], rows[IMAGE + at]])
        .collect();
    let bytes = replaced(&python2(&[3, 7], &columns), b"tb\x89T", b"tb\x88T");
    assert_eq!(records(&bytes).unwrap(), expected());
    let bytes = replaced(&protocol(5), &rows, &columns);
    let bytes = replaced(&bytes, b"\x8c\x01C\x94", b"\x8c\x01F\x94");
    assert_eq!(records(&bytes).unwrap(), expected());
}

#[test]
fn what_is_no_batch_is_refused_with_the_reason() {
    let sound = python2(&[3, 7], &pixels());
    let message = refused(&python2(&[3, 7, 1], &pixels()));
    assert!(
        message.contains("'data' is 3 × 3072 in 6144 bytes"),
        "{message}"
    );
    let message = refused(&replaced(&sound, b"K\x03K\x07", b"K\x03"));
    assert!(
        message.contains("'labels' is no list of 2 labels"),
        "{message}"
    );
    let message = refused(&replaced(&sound, b"K\x03K\x07", b"NK\x07"));
    assert!(
        message.contains("record 0: the label is no small"),
        "{message}"
    );
    let message = refused(&replaced(&sound, b"U\x02u1", b"U\x02f8"));
    assert!(message.contains("array of bytes (uint8)"), "{message}");
    assert!(refused(META).contains("no dictionary with 'data'"));
    assert!(refused(b"record").starts_with("starts with \"record\": expected a pickle"));
}

#[test]
fn a_pickle_that_calls_anything_is_never_run() {
    let bytes = b"\x80\x02cos\nsystem\nU\x0ctouch /tmp/x\x85R.";
    assert!(refused(bytes).contains("no dictionary with 'data'"));
    let bytes = replaced(&python2(&[3, 7], &pixels()), b"_reconstruct", b"fromfile");
    assert!(refused(&bytes).contains("array of bytes"));
    // An operation that would look up an object outside the file.
    assert!(refused(b"\x80\x02U\x01aQ.").contains("the operation \"Q\" is none"));
}

#[test]
fn a_batch_cut_short_at_any_byte_is_refused_and_a_damaged_one_never_panics() {
    for whole in [
        python2(&[3, 7], &pixels()),
        protocol(2),
        protocol(4),
        protocol(5),
    ] {
        let edges = (0..600).chain(whole.len() - 200..whole.len());
        for place in edges {
            assert!(records(&whole[..place]).is_err(), "{place}");
            for flip in [0x01, 0x20, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[place] ^= flip;
                let _ = records(&damaged);
            }
        }
    }
}

#[test]
fn a_pickle_of_endless_operations_is_given_up() {
    let bytes = [b"\x80\x02", &[b'N'; 3 << 20][..], b"."].concat();
    assert!(refused(&bytes).contains("more than 2097152 operations"));
}
