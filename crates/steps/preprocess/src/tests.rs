//! The whole step on archives made here, sound and broken, and on a sample of the real images.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use tar::{Builder, EntryType, Header};

use super::*;
use crate::archive::ArchiveLimits;
use cifar::{CLASS_NAMES, IMAGE, Images, RECORD};
use records::Statistics;

/// What the step wrote.
struct Outcome {
    summary: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Outcome {
    fn images(&self, name: &str) -> Images {
        let mut images = Images::default();
        images.push_records(&self.files[name]).unwrap();
        images
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> T {
        serde_json::from_slice(&self.files[name]).unwrap()
    }
}

fn step(archive: &Path, validation: u32, split_seed: u64) -> Result<Outcome> {
    let folder = testing::folder();
    let params = Params {
        validation,
        split_seed,
    };
    let mut context = Context {
        inputs: BTreeMap::from([("archive".to_owned(), archive.to_owned())]),
        output: folder.path().to_owned(),
        evidence: folder.path().to_owned(),
        scratch: folder.path().to_owned(),
        stop: &std::sync::atomic::AtomicBool::new(false),
        progress: &mut |_| (),
    };
    let summary = run(&params, &mut context)?;
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder.path())? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap();
        files.insert(name, fs::read(entry.path())?);
    }
    Ok(Outcome { summary, files })
}

fn step_on(bytes: &[u8], validation: u32) -> Result<Outcome> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(bytes)?;
    step(file.path(), validation, 0)
}

/// The error of an archive that must be refused.
fn refused(bytes: &[u8]) -> String {
    match step_on(bytes, 0) {
        Ok(outcome) => panic!("accepted: {}", outcome.summary),
        Err(error) => format!("{error:#}"),
    }
}

pub type Members = Vec<(String, Vec<u8>)>;

pub fn member(path: impl Into<String>, content: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    (path.into(), content.into())
}

fn header(path: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    // Written as it is: the builder would refuse the paths that we must refuse ourselves.
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_size(size);
    header.set_mode(0o644);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    header
}

pub fn tar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, content) in members {
        let header = header(path, content.len() as u64);
        builder.append(&header, &content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Records with these labels; the pixels tell them apart.
pub fn records(labels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, &label) in labels.iter().enumerate() {
        bytes.push(label);
        bytes.extend(
            (0..IMAGE).map(|place| (place * 7 % (90 + number) + 9 * usize::from(label)) as u8),
        );
    }
    assert_eq!(bytes.len(), labels.len() * RECORD);
    bytes
}

/// An image file whose pixels depend on `shade`.
pub fn picture(format: ImageFormat, shade: u8) -> Vec<u8> {
    let image = RgbImage::from_fn(32, 32, |x, y| Rgb([x as u8 * 8, y as u8 * 8, shade]));
    encode(image.into(), format)
}

pub fn encode(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A sound archive in the binary layout: 7 training images, 2 test images.
pub fn binary() -> Members {
    vec![
        member("c/data_batch_11.bin", records(&[5, 6])),
        member("c/readme.html", "<html>"),
        member("c/data_batch_10.bin", records(&[2, 3, 4])),
        member("c/test_batch.bin", records(&[9, 0])),
        member("c/data_batch_9.bin", records(&[0, 1])),
    ]
}

/// A sound archive of image folders: two training images and one test image of each class.
pub fn folders() -> Members {
    let mut members = vec![
        member("cifar10/labels.txt", "names"),
        member("cifar10/train/.DS_Store", "junk"),
        member("cifar10/train/cat/._1.png", "junk"),
    ];
    for (label, class) in CLASS_NAMES.iter().enumerate().rev() {
        let image = |shade| picture(ImageFormat::Png, 10 * label as u8 + shade);
        members.push(member(format!("cifar10/train/{class}/2.png"), image(2)));
        members.push(member(format!("cifar10/test/{class}/1.PNG"), image(3)));
        members.push(member(format!("./cifar10/train/{class}/1.png"), image(1)));
    }
    members
}

/// The archive with a member's content replaced, or with one more member.
fn with(mut members: Members, path: &str, content: impl Into<Vec<u8>>) -> Vec<u8> {
    members.retain(|(other, _)| other != path);
    members.push(member(path, content));
    gzip(&tar(&members))
}

fn without(mut members: Members, start: &str) -> Vec<u8> {
    let before = members.len();
    members.retain(|(path, _)| !path.starts_with(start));
    assert!(members.len() < before);
    gzip(&tar(&members))
}

#[test]
fn binary_files_are_read_in_the_order_of_their_numbers() {
    let outcome = step_on(&gzip(&tar(&binary())), 0).unwrap();
    let names: Vec<&str> = outcome.files.keys().map(String::as_str).collect();
    let mut outputs = OUTPUTS.to_vec();
    outputs.sort_unstable();
    assert_eq!(names, outputs);
    assert_eq!(outcome.images("train.bin").labels(), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(outcome.files["test.bin"], records(&[9, 0]));
    assert!(outcome.files["validation.bin"].is_empty());
    assert_eq!(outcome.json::<Vec<String>>("classes.json"), CLASS_NAMES);
    assert_eq!(outcome.summary, "7 training and 2 test images");
}

#[test]
fn a_plain_tar_and_a_gzip_of_it_give_the_same_but_for_the_digest() {
    let plain = tar(&binary());
    let mut first = step_on(&plain, 2).unwrap().files;
    let mut second = step_on(&gzip(&plain), 2).unwrap().files;
    let dataset: Dataset = serde_json::from_slice(&first["dataset.json"]).unwrap();
    let digest = sha256::of_reader(&plain[..]).unwrap();
    assert_eq!(dataset.archive_sha256, digest);
    assert_ne!(first.remove("dataset.json"), second.remove("dataset.json"));
    assert_eq!(first, second);
}

#[test]
fn the_archive_may_name_its_classes() {
    let names = "a\nb\nc\nd\ne\nf\ng\nh\ni\nten words\n\n";
    let outcome = step_on(&with(binary(), "c/batches.meta.txt", names), 0).unwrap();
    let classes: Vec<String> = outcome.json("classes.json");
    assert_eq!(classes.join(""), "abcdefghiten words");
    let error = refused(&with(binary(), "c/batches.meta.txt", "cat\ndog\n"));
    assert!(
        error.contains("c/batches.meta.txt: names 2 classes (cat, dog): expected 10"),
        "{error}"
    );
}

#[test]
fn image_folders_are_read_by_path_whatever_the_archives_order_and_the_threads() {
    let outcome = step_on(&gzip(&tar(&folders())), 0).unwrap();
    let train = outcome.images("train.bin");
    let labels: Vec<u8> = (0..10).flat_map(|label| [label, label]).collect();
    assert_eq!(train.labels(), labels);
    for index in 0..train.len() {
        // The blue plane is the shade: ten times the label, plus the file's number.
        let expected = 10 * train.label(index) as usize + 1 + index % 2;
        assert_eq!(usize::from(train.image(index)[IMAGE - 1]), expected);
    }
    assert_eq!(outcome.images("test.bin").image(9)[IMAGE - 1], 93);
    assert_eq!(outcome.json::<Vec<String>>("classes.json"), CLASS_NAMES);

    let mut members = folders();
    members.reverse();
    let threads = rayon::ThreadPoolBuilder::new().num_threads(1);
    let reversed = threads
        .build()
        .unwrap()
        .install(|| step_on(&gzip(&tar(&members)), 0).unwrap());
    for name in OUTPUTS.iter().filter(|&&name| name != "dataset.json") {
        assert_eq!(outcome.files[*name], reversed.files[*name], "{name}");
    }
}

#[test]
fn a_seed_draws_the_same_images_in_every_version() {
    let params = Params {
        validation: 12,
        split_seed: 7,
    };
    let expected = [10, 94, 108, 258, 303, 520, 531, 674, 684, 716, 886, 961];
    assert_eq!(Split::draw(1000, &params).unwrap().validation, expected);
}

#[test]
fn the_split_keeps_every_image_once_and_depends_on_its_seed_alone() {
    let archive = gzip(&tar(&binary()));
    let outcome = step_on(&archive, 3).unwrap();
    assert_eq!(outcome.summary, "7 training (3 held out) and 2 test images");
    let split: Split = outcome.json("split.json");
    let all = step_on(&archive, 0).unwrap().images("train.bin");
    for (name, indices) in [
        ("train.bin", &split.train),
        ("validation.bin", &split.validation),
    ] {
        assert!(indices.is_sorted());
        assert_eq!(outcome.images(name), all.select(indices));
    }
    let mut union = [split.train.clone(), split.validation.clone()].concat();
    union.sort_unstable();
    assert_eq!(union, [0, 1, 2, 3, 4, 5, 6]);

    let draw = |images, validation, split_seed| {
        let params = Params {
            validation,
            split_seed,
        };
        Split::draw(images, &params)
    };
    let first = draw(50_000, 5_000, 0).unwrap();
    assert_eq!(draw(50_000, 5_000, 0).unwrap(), first);
    assert_ne!(draw(50_000, 5_000, 1).unwrap(), first);
    // Spread over the whole range: the mean of 5,000 draws is within 4 standard errors.
    let mean = first.validation.iter().sum::<usize>() as f64 / 5000.0;
    assert!((mean - 25_000.0).abs() < 4.0 * 14_434.0 / 5000_f64.sqrt());
    // These very images, whatever the version of the generator.
    assert_eq!(draw(20, 5, 7).unwrap().validation, [2, 5, 10, 14, 19]);
    let error = draw(7, 7, 0).unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot hold out 7 of 7 training images: at least one must be left to train on"
    );
}

#[test]
fn held_out_images_count_for_the_statistics() {
    let archive = gzip(&tar(&binary()));
    let [none, some] = [0, 3].map(|count| step_on(&archive, count).unwrap());
    assert_eq!(none.files["statistics.json"], some.files["statistics.json"]);
}

/// Image folders with a folder of this name for validation: one image of each class.
pub fn with_validation(name: &str) -> Members {
    let mut members = folders();
    for (label, class) in CLASS_NAMES.iter().enumerate() {
        let picture = picture(ImageFormat::Jpeg, 10 * label as u8 + 4);
        members.push(member(format!("cifar10/{name}/{class}/1.jpg"), picture));
    }
    members
}

#[test]
fn a_folder_for_validation_is_the_validation_set_whatever_number_is_asked_for() {
    let plain = step_on(&gzip(&tar(&folders())), 0).unwrap();
    for name in ["val", "valid", "validation", "Val"] {
        let archive = gzip(&tar(&with_validation(name)));
        let outcome = step_on(&archive, 3).unwrap();
        let summary = format!("20 training, 10 validation (of {name}/) and 10 test images");
        assert_eq!(outcome.summary, summary);
        let validation = outcome.images("validation.bin");
        assert_eq!(validation.labels(), (0..10).collect::<Vec<u8>>());
        for same in ["train.bin", "test.bin", "classes.json", "statistics.json"] {
            assert_eq!(outcome.files[same], plain.files[same], "{same}");
        }
        let split: Split = outcome.json("split.json");
        assert_eq!(split, Split::given(20, 10));
        assert_eq!(split.validation, (20..30).collect::<Vec<_>>());
        let dataset: Dataset = outcome.json("dataset.json");
        let counts = (dataset.train, dataset.validation, dataset.test);
        assert_eq!(counts, (20, 10, 10));
        for asked in [0, 10, 1000] {
            let other = step_on(&archive, asked).unwrap();
            assert_eq!(other.files, outcome.files, "{asked}");
        }
    }
}

#[test]
fn a_run_says_that_the_number_of_held_out_images_does_not_apply() {
    let given = Validation {
        folder: "val".to_owned(),
        images: Images::default(),
    };
    let said = |validation| {
        let split_seed = 0;
        let params = Params {
            validation,
            split_seed,
        };
        remark(&given, &params)
    };
    let plain = "the 0 images of val/ are the validation set, so no training images are held out";
    assert_eq!(said(0), plain);
    assert!(said(5000).starts_with(plain));
    assert!(
        said(5000).contains("`validation: 5,000` would draw"),
        "{}",
        said(5000)
    );
    assert!(said(5000).ends_with("does not apply)"));
}

#[test]
fn a_validation_set_has_the_same_ten_classes_and_one_folder() {
    let error = refused(&without(with_validation("val"), "cifar10/val/frog"));
    assert!(
        error.contains("val/frog is missing: expected the same classes in train and val"),
        "{error}"
    );
    let image = || picture(ImageFormat::Png, 1);
    for (path, said) in [
        ("cifar10/val/wolf/1.png", "train/wolf is missing"),
        (
            "cifar10/valid/cat/1.png",
            "holds both val/ and valid/: expected one",
        ),
        (
            "cifar10/val/1.png",
            "cifar10/val/1.png lies in no class folder: expected val/<class>/",
        ),
        (
            "cifar10/val/cat/old/1.png",
            "expected val/<class>/<image>, so move it",
        ),
        (
            "cifar10/Train/cat/9.png",
            "holds both train/ and Train/: expected one",
        ),
        (
            "cifar10/testing/cat/9.png",
            "holds both test/ and testing/: expected one",
        ),
    ] {
        let error = refused(&with(with_validation("val"), path, image()));
        assert!(error.contains(said), "{path}: {error}");
    }
    let error = refused(&with(
        with_validation("val"),
        "cifar10/val/cat/a.txt",
        "notes",
    ));
    assert!(
        error.contains("cifar10/val/cat/a.txt: is no image"),
        "{error}"
    );
}

#[test]
fn images_for_validation_elsewhere_are_none_of_the_data_set() {
    let plain = step_on(&gzip(&tar(&folders())), 3).unwrap();
    for path in [
        "runs/val/cat/1.png",
        "cifar10/runs/val/cat/1.png",
        "validation/1.png",
    ] {
        let outcome = step_on(&with(folders(), path, "no image"), 3).unwrap();
        assert_eq!(outcome.summary, plain.summary);
        assert_eq!(outcome.files["train.bin"], plain.files["train.bin"]);
    }
    let outcome = step_on(&with(binary(), "c/val/cat/1.png", "no image"), 0).unwrap();
    assert_eq!(outcome.summary, "7 training and 2 test images");
}

#[test]
fn splits_may_be_called_as_people_call_them() {
    let plain = step_on(&gzip(&tar(&folders())), 0).unwrap();
    for (train, test) in [
        ("Train", "Test"),
        ("training", "testing"),
        ("TRAIN", "test"),
    ] {
        let mut members = folders();
        for (path, _) in &mut members {
            *path = path
                .replace("/train/", &format!("/{train}/"))
                .replace("/test/", &format!("/{test}/"));
        }
        let outcome = step_on(&gzip(&tar(&members)), 0).unwrap();
        for name in OUTPUTS.iter().filter(|&&name| name != "dataset.json") {
            assert_eq!(outcome.files[*name], plain.files[*name], "{train} {name}");
        }
    }
}

#[test]
fn an_empty_folder_of_a_class_is_named() {
    for path in ["train/unlabelled", "test/cat2", "val/cat", "val"] {
        let mut builder = Builder::new(Vec::new());
        for (path, content) in folders() {
            builder
                .append(&header(&path, content.len() as u64), &content[..])
                .unwrap();
        }
        let mut header = header(&format!("cifar10/{path}/"), 0);
        header.set_entry_type(EntryType::Directory);
        header.set_cksum();
        builder.append(&header, &[][..]).unwrap();
        let error = refused(&gzip(&builder.into_inner().unwrap()));
        let said = format!("cifar10/{path}/ holds no images: put PNG or JPEG files");
        assert!(error.contains(&said), "{error}");
    }
}

#[test]
fn an_archive_cut_short_anywhere_is_refused() {
    let plain = tar(&binary());
    let packed = gzip(&plain);
    for length in (0..packed.len()).step_by(packed.len() / 40 + 1) {
        let error = refused(&packed[..length]);
        assert!(error.contains("cannot use the archive"), "{error}");
    }
    // Up to the two blocks of zeros that end it, also between members.
    for length in (0..plain.len() - 1024).step_by(512) {
        refused(&plain[..length]);
        refused(&plain[..length + 100]);
    }
    let error = refused(&packed[..packed.len() - 4]);
    assert!(error.contains("it was cut short"), "{error}");
    let error = refused(&gzip(&plain[..plain.len() - 1024 - 5000]));
    assert!(error.contains("c/data_batch_9.bin has"), "{error}");
    let mut damaged = packed.clone();
    damaged[packed.len() - 6] ^= 1;
    assert!(refused(&damaged).contains("is damaged"));
}

#[test]
fn no_single_damaged_byte_makes_it_panic() {
    let members = vec![
        member("c/data_batch_1.bin", records(&[1])),
        member("c/test_batch.bin", records(&[2])),
    ];
    for bytes in [tar(&members), gzip(&tar(&members))] {
        for place in (0..bytes.len().min(1100)).chain(bytes.len() - 20..bytes.len()) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x41;
            let _ = read(&damaged, ArchiveLimits::default());
        }
    }
}

#[test]
fn what_is_no_archive_is_shown_by_its_first_bytes() {
    let error = refused(b"<!DOCTYPE html><html>");
    assert!(
        error.contains(
            "expected a tar, gzip'd or not, and found a file that starts with \"<!DOCTYPE html><\""
        ),
        "{error}"
    );
    assert!(refused(b"").contains("starts with \"\""));
    let error = refused(&gzip(b"no tar at all"));
    assert!(
        error.contains("cannot be read beyond its beginning"),
        "{error}"
    );
}

#[test]
fn records_of_a_wrong_length_or_label_are_refused_with_their_file() {
    let error = refused(&with(binary(), "c/data_batch_10.bin", vec![1; RECORD + 1]));
    assert!(
        error.contains("c/data_batch_10.bin: 3074 bytes are no whole number of records"),
        "{error}"
    );
    let error = refused(&with(binary(), "c/test_batch.bin", records(&[3, 10])));
    assert!(
        error.contains("c/test_batch.bin: record 1: label 10 is above 9"),
        "{error}"
    );
}

#[test]
fn images_of_another_size_or_broken_ones_are_refused_with_their_path() {
    let path = "cifar10/train/cat/2.png";
    let large = encode(RgbImage::new(64, 64).into(), ImageFormat::Png);
    let error = refused(&with(folders(), path, large));
    assert!(
        error.contains("cifar10/train/cat/2.png: is 64 × 64 pixels: expected 32 × 32"),
        "{error}"
    );
    for (format, name) in [(ImageFormat::Png, "PNG"), (ImageFormat::Jpeg, "JPEG")] {
        let mut broken = picture(format, 1);
        broken.truncate(broken.len() / 2);
        let error = refused(&with(folders(), path, broken));
        let expected = format!("{path}: is no valid {name}");
        assert!(error.contains(&expected), "{error}");
    }
    let error = refused(&with(folders(), "cifar10/test/dog/2.gif", "GIF89a"));
    assert!(
        error.contains("cifar10/test/dog/2.gif: is a GIF image: expected PNG or JPEG"),
        "{error}"
    );
}

#[test]
fn missing_or_surplus_classes_are_named() {
    for split in ["train", "test"] {
        let members = folders()
            .into_iter()
            .map(|(path, content)| member(path.trim_start_matches("./"), content))
            .collect();
        let error = refused(&without(members, &format!("cifar10/{split}/frog")));
        assert!(
            error.contains(&format!("{split}/frog is missing")),
            "{error}"
        );
    }
    let mut members = folders();
    for split in ["train", "test"] {
        let path = format!("cifar10/{split}/zebra/1.png");
        members.push(member(path, picture(ImageFormat::Png, 0)));
    }
    let error = refused(&gzip(&tar(&members)));
    assert!(error.contains("train holds 11 class folders (airplane,"));
    let error = refused(&with(folders(), "cifar10/train/1.png", "x"));
    assert!(
        error.contains("cifar10/train/1.png lies in no class folder"),
        "{error}"
    );
}

#[test]
fn a_missing_split_or_layout_is_named() {
    let error = refused(&without(binary(), "c/test_batch.bin"));
    assert!(error.contains("holds no test images"), "{error}");
    let error = refused(&without(binary(), "c/data_batch_"));
    assert!(error.contains("holds no training images"), "{error}");
    let error = refused(&without(folders(), "cifar10/test/"));
    assert!(error.contains("holds no test images"), "{error}");
    let error = refused(&with(vec![], "data_batch_1.mat", "MATLAB"));
    assert!(
        error.contains("holds no images in a known layout: expected data_batch_"),
        "{error}"
    );
    let both = [binary(), folders()].concat();
    let error = refused(&gzip(&tar(&both)));
    assert!(error.contains("expected one data set"), "{error}");
    let mut both = folders();
    both.push(member("cifar10/test_batch.bin", records(&[1])));
    let error = refused(&gzip(&tar(&both)));
    assert!(error.contains("expected one of the two layouts"), "{error}");
}

#[test]
fn the_same_file_twice_is_refused() {
    let mut members = folders();
    members.push(members[4].clone());
    let error = refused(&gzip(&tar(&members)));
    assert!(error.contains("is there twice"), "{error}");
    let error = refused(&with(binary(), "c/data_batch_09.bin", records(&[1])));
    assert!(
        error.contains("c/data_batch_09.bin has the same number as c/data_batch_9.bin"),
        "{error}"
    );
    let mut members = binary();
    members.push(member("c/test_batch.bin", records(&[1])));
    let error = refused(&gzip(&tar(&members)));
    assert!(error.contains("c/test_batch.bin is there twice"), "{error}");
}

#[test]
fn members_that_lead_outside_are_refused_even_where_they_are_not_needed() {
    for (path, reason) in [
        ("../evil.txt", "leads outside the archive"),
        ("c/../../evil.txt", "leads outside the archive"),
        ("/etc/passwd", "has an absolute path"),
    ] {
        let error = refused(&with(binary(), path, "x"));
        let expected = format!("the member \"{path}\" {reason}");
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn names_with_control_characters_are_refused_and_shown_in_letters() {
    for (path, shown) in [
        ("c/\u{1b}[31mred.txt", r"c/\x1b[31mred.txt"),
        ("c/a\nok: all is well", r"c/a\nok: all is well"),
        ("c/a\rb", r"c/a\rb"),
    ] {
        let error = refused(&with(binary(), path, "x"));
        let said = format!("the member \"{shown}\" has a name with control characters");
        assert!(error.contains(&said), "{error}");
        assert!(!error.contains(char::is_control), "{error:?}");
    }
    step_on(&with(binary(), "c/Icon\r", "x"), 0).unwrap();
}

#[test]
fn links_and_devices_are_refused() {
    for (kind, reason) in [
        (EntryType::Symlink, "is a link"),
        (EntryType::Link, "is a link"),
        (EntryType::Char, "is a device"),
        (EntryType::Block, "is a device"),
        (EntryType::Fifo, "is a device"),
        (EntryType::new(b'V'), "is of a kind"),
    ] {
        let mut builder = Builder::new(Vec::new());
        let mut header = header("c/data_batch_1.bin", 0);
        header.set_entry_type(kind);
        header.set_link_name("elsewhere").unwrap();
        header.set_cksum();
        builder.append(&header, &[][..]).unwrap();
        let error = refused(&builder.into_inner().unwrap());
        let expected = format!("c/data_batch_1.bin {reason}");
        assert!(error.contains(&expected), "{kind:?}: {error}");
    }
}

/// Reads an archive, no more.
fn read(bytes: &[u8], limits: ArchiveLimits) -> Result<layout::Data> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(bytes)?;
    layout::read(file.path(), limits, &mut |_, _| ())
}

#[test]
fn an_archive_that_unpacks_to_too_much_is_refused() {
    let mut members = binary();
    members.push(member("c/zeros", vec![0; 1 << 20]));
    let bomb = gzip(&tar(&members));
    let over = |bytes: &[u8], total, member| {
        let limits = ArchiveLimits {
            total,
            member,
            ..ArchiveLimits::default()
        };
        format!("{:#}", read(bytes, limits).unwrap_err())
    };
    let error = over(&bomb, 1 << 19, 1 << 30);
    assert!(
        error.contains("unpacks to more than 524288 bytes, in c/zeros"),
        "{error}"
    );
    let error = over(&bomb, 1 << 30, 1 << 19);
    assert!(
        error.contains("c/zeros unpacks to 1048576 bytes: expected at most 524288 for one member"),
        "{error}"
    );
    // What follows the end of the tar counts as well.
    let tail = [tar(&binary()), vec![0; 1 << 20]].concat();
    let error = over(&gzip(&tail), 1 << 19, 1 << 30);
    assert!(error.contains("unpacks to more than"), "{error}");
    let few = ArchiveLimits {
        members: 4,
        ..ArchiveLimits::default()
    };
    let error = format!("{:#}", read(&gzip(&tar(&binary())), few).unwrap_err());
    assert!(error.contains("holds more than 4 members"), "{error}");
    // A name of 2 MiB.
    let mut builder = Builder::new(Vec::new());
    let mut header = header("././@LongLink", 2 << 20);
    header.set_entry_type(EntryType::GNULongName);
    header.set_cksum();
    builder.append(&header, &vec![b'a'; 2 << 20][..]).unwrap();
    let error = over(&builder.into_inner().unwrap(), 1 << 30, 1 << 30);
    assert!(error.contains("of names and headers"), "{error}");
}

/// The sample of the real images, where this machine has it.
fn sample() -> Option<PathBuf> {
    let shared = std::env::var_os("FIG6_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared"),
        PathBuf::from,
    );
    Some(shared.join("data/cifar10-sample-binary.tar.gz")).filter(|path| path.is_file())
}

#[test]
fn the_real_samples_statistics_are_numpys() {
    let Some(archive) = sample() else {
        println!("skipped: no data/cifar10-sample-binary.tar.gz under FIG6_SHARED or ../shared");
        return;
    };
    let outcome = step(&archive, 400, 0).unwrap();
    assert_eq!(
        outcome.summary,
        "4,000 training (400 held out) and 1,000 test images"
    );
    let dataset: Dataset = outcome.json("dataset.json");
    assert_eq!(
        dataset,
        Dataset {
            archive_sha256: "b4abade764d19fcd8f2e0d3a6dffe9e17237efd83ca30067da9380e338b0adc5"
                .to_owned(),
            train: 3600,
            validation: 400,
            test: 1000,
        }
    );
    // numpy 2.4: (pixels / 255.0).mean((0, 2)) and .std((0, 2)) over all 4,000 × 3 × 1024.
    let expected = Statistics {
        mean: [0.4915966844745703, 0.48175927925858053, 0.44465670094209636],
        std: [0.2471137835529701, 0.2439722298787571, 0.2625002570836881],
    };
    let statistics: Statistics = outcome.json("statistics.json");
    for (found, expected) in [
        (statistics.mean, expected.mean),
        (statistics.std, expected.std),
    ] {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }
    // The archive's order: the first labels of data_batch_1.bin, the sum of the last record.
    let all = step(&archive, 0, 0).unwrap().images("train.bin");
    assert_eq!(all.labels()[..12], [6, 9, 9, 4, 1, 1, 2, 7, 8, 3, 4, 7]);
    let last = &all.to_records()[3999 * RECORD..];
    assert_eq!(
        last.iter().map(|&byte| u32::from(byte)).sum::<u32>(),
        235_979
    );
}
