//! Single inputs that are as bad as they can be: what unpacks to far more than it is, nests without
//! end, or claims what is not there. Each has its reason and its bound.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use fig6::pipeline::Pipeline;
use preprocess::archive::ArchiveLimits;
use preprocess::layout;
use tar::{Builder, EntryType};

use super::records::read;
use super::seeds::{binary, folders, gzip, header, records, tar, zip};
use super::target::{MB, alone, measured};
use testing::amount;
use testing::folder;

/// Reads an archive; gives what is wrong with it, if anything, and the memory that it took.
fn refused(bytes: &[u8], limits: ArchiveLimits) -> (String, usize) {
    let place = folder();
    let file = place.path().join("input");
    fs::write(&file, bytes).unwrap();
    let (result, peak) = measured(|| layout::read(&file, limits, &mut |_, _| {}));
    let error = result.map_or_else(|error| format!("{error:#}"), |_| String::new());
    (error, peak)
}

#[track_caller]
fn assert_refused(bytes: &[u8], said: &str, bound: usize) {
    let (error, peak) = refused(bytes, ArchiveLimits::default());
    assert!(error.contains(said), "{error}");
    assert!(error.len() < 10_000, "an error of {} bytes", error.len());
    assert!(peak < bound, "{error}: {peak} bytes");
}

/// A tar with a member of this kind before the others, its size as it is said.
fn with(path: &[u8], kind: EntryType, size: u64, link: Option<&str>) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    let mut bad = header(path, size);
    bad.set_entry_type(kind);
    if let Some(link) = link {
        bad.set_link_name(link).unwrap();
    }
    if kind == EntryType::GNUSparse {
        // One byte at the very end of 8 GiB.
        bad.set_size(1);
        let sparse = bad.as_gnu_mut().unwrap();
        sparse.realsize = *b"100000000000";
        sparse.sparse[0].offset = *b"077777777777";
        sparse.sparse[0].numbytes = *b"000000000001";
    }
    bad.set_cksum();
    builder.append(&bad, &[][..]).unwrap();
    [
        builder.into_inner().unwrap()[..512].to_vec(),
        tar(&binary()),
    ]
    .concat()
}

#[test]
fn members_that_lead_outside_are_refused_whatever_they_are() {
    let _alone = alone();
    for kind in [EntryType::Regular, EntryType::Directory] {
        for (path, said) in [
            (&b"../evil"[..], "leads outside"),
            (b"c/../../evil", "leads outside"),
            (b"..", "leads outside"),
            (b"/etc/evil", "absolute path"),
            (b"//etc/evil", "absolute path"),
            (b"c/\xff\xfe.png", "a name that is not UTF-8"),
        ] {
            assert_refused(&gzip(&with(path, kind, 0, None)), said, MB);
        }
    }
    let place = b"c/data_batch_2.bin";
    for (kind, said) in [
        (EntryType::Symlink, "is a link"),
        (EntryType::Link, "is a link"),
        (EntryType::Char, "is a device"),
        (EntryType::Block, "is a device"),
        (EntryType::Fifo, "is a device"),
        (EntryType::GNUSparse, "of a kind that no data set needs"),
        (EntryType::new(b'V'), "of a kind that no data set needs"),
        (EntryType::new(b'M'), "of a kind that no data set needs"),
    ] {
        assert_refused(&with(place, kind, 0, Some("/etc/passwd")), said, MB);
    }
}

#[test]
fn a_path_in_an_extended_header_is_no_safer_than_another() {
    let _alone = alone();
    for (key, value, said) in [
        ("path", &b"../../evil"[..], "leads outside"),
        ("path", b"/etc/evil", "absolute path"),
        ("path", b"\xff\xfe", "not UTF-8"),
        // The size that counts, whatever the member's own header says.
        (
            "size",
            b"8589934592",
            "unpacks to 8589934592 bytes: expected at most",
        ),
    ] {
        let mut builder = Builder::new(Vec::new());
        builder.append_pax_extensions([(key, value)]).unwrap();
        let content = records(&[1]);
        let own = header(b"c/data_batch_2.bin", content.len() as u64);
        builder.append(&own, &content[..]).unwrap();
        for (path, content) in binary() {
            let header = header(path.as_bytes(), content.len() as u64);
            builder.append(&header, &content[..]).unwrap();
        }
        assert_refused(&builder.into_inner().unwrap(), said, 2 * MB);
    }
    // Sizes that tar passes over because they are none, or that only a sparse file has.
    for (key, value) in [
        ("size", &b"99999999999999999999"[..]),
        ("size", b"-1"),
        ("GNU.sparse.realsize", b"8589934592"),
    ] {
        let mut builder = Builder::new(Vec::new());
        builder.append_pax_extensions([(key, value)]).unwrap();
        let bytes = [
            builder.into_inner().unwrap()[..1024].to_vec(),
            tar(&binary()),
        ]
        .concat();
        let (error, peak) = refused(&bytes, ArchiveLimits::default());
        assert!(error.is_empty() && peak < 2 * MB, "{error}: {peak} bytes");
    }
    for kind in [
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::XHeader,
    ] {
        // Declared and not there, declared and there.
        assert_refused(&with(b"long", kind, 1 << 40, None), "", 4 * MB);
        let mut long = header(b"long", 8 << 20);
        long.set_entry_type(kind);
        long.set_cksum();
        let bytes = [&long.as_bytes()[..], &vec![b'a'; 8 << 20]].concat();
        assert_refused(&gzip(&bytes), "of names and headers", 8 * MB);
    }
    let name = [&b"c/"[..], &[b'n'; 900_000]].concat();
    let mut builder = Builder::new(Vec::new());
    builder
        .append_pax_extensions([("path", &name[..])])
        .unwrap();
    builder.append(&header(b"short", 0), &[][..]).unwrap();
    assert_refused(
        &gzip(&builder.into_inner().unwrap()),
        "has a name of 900002 bytes",
        8 * MB,
    );
}

#[test]
fn ten_thousand_empty_members_are_passed_over_and_too_many_refused() {
    let _alone = alone();
    let empty = |count: usize, path: &dyn Fn(usize) -> String, sound: &[(String, Vec<u8>)]| {
        let mut builder = Builder::new(Vec::new());
        for number in 0..count {
            let header = header(path(number).as_bytes(), 0);
            builder.append(&header, &[][..]).unwrap();
        }
        let mut bytes = builder.into_inner().unwrap();
        bytes.truncate(512 * count);
        [bytes, tar(sound)].concat()
    };
    let (error, peak) = refused(
        &gzip(&empty(10_000, &|n| format!("c/{n}"), &binary())),
        ArchiveLimits::default(),
    );
    assert_eq!(error, "");
    assert!(peak < 2 * MB, "{peak} bytes");
    let members = amount(
        20_000,
        ArchiveLimits::default().members,
        ArchiveLimits::default().members,
    );
    let limits = ArchiveLimits {
        members,
        ..ArchiveLimits::default()
    };
    let many = gzip(&empty(
        members as usize + 1,
        &|n| format!("c/{n}"),
        &binary(),
    ));
    let (error, peak) = refused(&many, limits);
    let said = format!("holds more than {members} members");
    assert!(error.contains(&said), "{error}");
    assert!(peak < 2 * MB, "{peak} bytes");
    let pictures = empty(10_000, &|n| format!("c/train/cat/{n}.png"), &folders());
    let pictures = gzip(&pictures);
    // 5.3 million, and a little more where two threads look at pictures at the same moment.
    assert_refused(&pictures, "c/train/cat/0.png", 9 * MB);
    let batches = gzip(&empty(10_000, &|n| format!("c/data_batch_{n}"), &binary()));
    assert_refused(&batches, "c/data_batch_0 is empty", 2 * MB);
}

#[test]
fn what_unpacks_to_too_much_is_refused_whether_it_says_so_or_not() {
    let _alone = alone();
    // It says so.
    let large = with(b"c/data_batch_2.bin", EntryType::Regular, 8 << 30, None);
    assert_refused(&gzip(&large), "unpacks to 8589934592 bytes", MB);
    // It says so and has nothing.
    let hollow = with(b"c/data_batch_2.bin", EntryType::Regular, 500 << 20, None);
    assert_refused(&gzip(&hollow), "of its 524288000 bytes", 2 * MB);
    // It does not: gzip streams one after the other, behind a tar's end, to more than 2 GiB.
    let zeros = gzip(&vec![0; 8 * MB]);
    let total = amount(
        64 << 20,
        ArchiveLimits::default().total,
        ArchiveLimits::default().total,
    );
    let pieces = total as usize / (8 * MB) + 1;
    let bomb = [gzip(&tar(&binary())), zeros.repeat(pieces)].concat();
    let limits = ArchiveLimits {
        total,
        ..ArchiveLimits::default()
    };
    let (error, peak) = refused(&bomb, limits);
    let said = format!("unpacks to more than {total} bytes");
    assert!(error.contains(&said), "{error}");
    assert!(peak < 2 * MB, "{peak} bytes");
    // A file name and an extra field of the gzip header itself.
    let mut head = vec![0x1f, 0x8b, 8, 4 | 8, 0, 0, 0, 0, 0, 3, 0xff, 0xff];
    head.resize(head.len() + 0xffff, b'e');
    head.resize(head.len() + 8 * MB, b'n');
    assert_refused(&head, "cannot be read", 2 * MB);
}

#[test]
fn an_archive_takes_a_small_multiple_of_its_limits() {
    let _alone = alone();
    let limits = ArchiveLimits {
        total: 16 << 20,
        member: 4 << 20,
        members: 1000,
    };
    // All that is kept at once: batches to the limit, and images made of them.
    let batch = records(&[7]).repeat(1300);
    let mut members: Vec<_> = (1..4)
        .map(|n| (format!("data_batch_{n}.bin"), batch.clone()))
        .collect();
    members.push(("test_batch.bin".to_owned(), records(&[1])));
    let sound = tar(&members);
    let (error, peak) = refused(&gzip(&sound), limits);
    assert_eq!(error, "");
    println!("an archive of {} bytes takes {peak}", sound.len());
    assert!(peak < 4 * sound.len(), "{peak} bytes for {}", sound.len());
    // Image files are decoded as they come; a file that is none is as large as a member may be.
    let mut members = folders();
    members.push(("c/train/cat/z.png".to_owned(), vec![0; 4 << 20]));
    let (error, peak) = refused(&gzip(&tar(&members)), limits);
    assert!(error.contains("z.png"), "{error}");
    assert!(peak < 32 * MB, "{peak} bytes");
}

/// Refuses a pipeline text, in bounded memory and few words.
#[track_caller]
fn bad_pipeline(text: &str, bound: usize) {
    let (result, peak) = measured(|| Pipeline::parse(text, "pipeline.ron").unwrap_err());
    let error = result.to_string();
    assert!(error.len() < 10_000, "an error of {} bytes", error.len());
    assert!(peak < bound, "{error}: {peak} bytes");
}

#[test]
fn pipeline_texts_that_nest_without_end_or_have_endless_names_are_refused() {
    let _alone = alone();
    for [open, close] in [
        ["(", ")"],
        ["[", "]"],
        ["{\"a\":", "}"],
        ["Some(", ")"],
        ["x(", ")"],
    ] {
        for before in ["", "(data: ", "(seeds: ", "(seeds: [0], models: {\"a\": "] {
            let text = format!("{before}{}{}", open.repeat(100_000), close.repeat(100_000));
            bad_pipeline(&text, 8 * MB);
        }
    }
    bad_pipeline(&"/*".repeat(300_000), 8 * MB);
    bad_pipeline(&format!("(data: \"{}\")", "x".repeat(900_000)), 8 * MB);
    // Names are compared with names to suggest the nearest one.
    let ours = include_str!("../../pipeline.ron");
    let (long, like) = ("x".repeat(100_000), "x".repeat(99_990));
    let text = ours
        .replacen("\"cifar10\": (", &format!("\"{long}\": ("), 1)
        .replacen("data: \"cifar10\"", &format!("data: \"{like}\""), 1);
    assert!(text.contains(&long) && text.contains(&like));
    bad_pipeline(&text, 8 * MB);
    let text = format!("({like}: 1, {long}: 2)");
    bad_pipeline(&text, 8 * MB);
}

/// Reads weights; what is wrong with them, and the memory that it took.
fn weights(bytes: &[u8]) -> (String, usize) {
    let place = folder();
    let file = place.path().join("input");
    fs::write(&file, bytes).unwrap();
    let (result, peak) = measured(|| weight_files::read(&file));
    (format!("{:#}", result.unwrap_err()), peak)
}

/// A file of PyTorch with this pickle.
fn pytorch(pickle: &[u8]) -> Vec<u8> {
    let member = |name: &str, content: &[u8]| (format!("a/{name}"), content.to_vec());
    let members = [
        member("data.pkl", pickle),
        member("byteorder", b"little"),
        member("version", b"3\n"),
    ];
    zip(&members, true)
}

#[test]
fn pickles_that_nest_without_end_or_double_are_refused() {
    let _alone = alone();
    let nested = |open: &[u8], close: &[u8], depth: usize| {
        [
            b"\x80\x02",
            &open.repeat(depth)[..],
            &close.repeat(depth),
            b".",
        ]
        .concat()
    };
    for depth in [900, 2000, 400_000] {
        for pickle in [
            nested(b"]", b"a", depth),
            nested(b"(", b"t", depth),
            nested(b"}K\x01", b"s", depth),
            nested(b"}K\x01", b"s0", depth),
            nested(b"N", b"\x85", depth),
        ] {
            let (error, peak) = weights(&pytorch(&pickle));
            assert!(error.len() < 2000, "{error}");
            assert!(peak < 400 * MB, "{error}: {peak} bytes");
        }
    }
    // Each list holds the one before it a thousand times.
    let mut doubling = b"\x80\x02]q\x00".to_vec();
    for _ in 0..40 {
        doubling.extend(b"](");
        doubling.extend(b"h\x00".repeat(1000));
        doubling.extend(b"eq\x00");
    }
    doubling.push(b'.');
    let (_, peak) = weights(&pytorch(&doubling));
    assert!(peak < 400 * MB, "{peak} bytes");
}

#[test]
fn pickles_of_two_million_objects_take_what_is_stated_and_no_more() {
    let _alone = alone();
    let check = |pickle: &[u8]| {
        let packed = pytorch(pickle);
        let (error, peak) = weights(&packed);
        println!("{} bytes take {} MB: {error}", packed.len(), peak / MB);
        assert!(peak < 600 * MB, "{error}: {peak} bytes");
    };
    // A dictionary of as many keys, and one in another in which each holds an empty one.
    let mut keys = b"\x80\x02}(".to_vec();
    for number in 0..660_000_u32 {
        keys.extend(b"U\x04");
        keys.extend(
            number
                .to_le_bytes()
                .map(|byte| byte & 0x7f | (number >> 21) as u8),
        );
        keys.extend(if number % 2 == 0 { b"}" } else { b"]" });
    }
    if amount(false, true, true) {
        check(&[&keys[..], b"u."].concat());
    }
    let pieces = [&b"}q\x01"[..], b"}", b"K\x01"];
    for piece in &pieces[..amount(1, 3, 3)] {
        let count = 2_000_000 / piece.iter().filter(|&&byte| byte > 1).count() - 8;
        let pickle = [b"\x80\x02(", &piece.repeat(count)[..], b"l."].concat();
        // As the only entry of a dictionary, which is what a file holds.
        check(&[b"\x80\x02}U\x01a", &pickle[2..pickle.len() - 1], b"s."].concat());
    }
}

#[test]
fn names_in_a_zip_archive_lead_nowhere_for_nothing_is_unpacked() {
    let _alone = alone();
    let outside = folder();
    let inside = outside.path().join("inside");
    fs::create_dir(&inside).unwrap();
    let bytes =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights/fig6-f64.pt"))
            .unwrap();
    let mut members = super::seeds::unzip(&bytes).unwrap();
    let written = format!("{}/evil", outside.path().display());
    for name in ["../evil", "../../evil", &written, "a/../../evil"] {
        members.push((name.to_owned(), b"evil".to_vec()));
    }
    let path = inside.join("weights.pt");
    fs::write(&path, zip(&members, true)).unwrap();
    weight_files::read(&path).unwrap();
    let here: Vec<_> = fs::read_dir(outside.path()).unwrap().collect();
    assert_eq!(here.len(), 1);
    assert_eq!(fs::read_dir(&inside).unwrap().count(), 1);
}

#[test]
fn a_safetensors_header_that_claims_too_much_is_refused_before_memory_is_taken() -> Result<()> {
    let _alone = alone();
    for (claimed, header) in [
        (100_000_000, "{"),
        (u64::MAX, "{}"),
        (
            60,
            r#"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,8]}}"#,
        ),
        (
            80,
            r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
        ),
        (
            80,
            r#"{"a":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]}}"#,
        ),
    ] {
        let length = if claimed == 80 || claimed == 60 {
            header.len() as u64
        } else {
            claimed
        };
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(&length.to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        file.write_all(&[0; 8])?;
        let bytes = fs::read(file.path())?;
        let (_, peak) = weights(&bytes);
        assert!(peak < MB, "{header}: {peak} bytes");
        assert!(nn::checkpoint::Checkpoint::read(file.path()).is_err());
    }
    // JSON that nests without end.
    let header = format!("{{\"a\":{}", "[".repeat(1_000_000));
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    let (_, peak) = weights(&bytes);
    assert!(peak < 8 * MB, "{peak} bytes");
    Ok(())
}

#[test]
fn a_pickled_batch_of_two_million_operations_takes_what_is_stated_and_no_more() {
    let _alone = alone();
    let folder = folder();
    fs::write(folder.path().join("test_batch"), records(&[1])).unwrap();
    let pieces = [&b"]\x94"[..], b"]", b"K\x01", b"h\x00", b"]]a"];
    for piece in &pieces[..amount(1, 5, 5)] {
        let mut batch = File::create(folder.path().join("data_batch_1")).unwrap();
        batch.write_all(b"\x80\x02]q\x00(").unwrap();
        batch.write_all(&piece.repeat(2_200_000)).unwrap();
        batch.write_all(b"e.").unwrap();
        let (result, peak) = measured(|| read(folder.path()));
        let error = format!("{:#}", result.unwrap_err());
        println!("{}: {} MB, {error}", piece.escape_ascii(), peak / MB);
        assert!(peak < 200 * MB, "{error}: {peak} bytes");
    }
}
