//! What the files of an archive or a folder are for, by their paths.
//!
//! Unaware of contents, and of whether a path is an archive's or a folder's.

use std::path::Path;

/// The layouts, for a message.
pub const EXPECTED: &str = "data_batch_<number>.bin and test_batch.bin (CIFAR-10's \"binary version\"), the same without .bin (its \"python version\"), or train/<class>/ and test/<class>/ with PNG or JPEG files";

/// What a folder of class folders is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Train,
    /// Counts only beside the other two.
    Validation,
    Test,
}

impl Part {
    /// The part of a folder with this name, in whatever letter case.
    fn of(name: &str) -> Option<Part> {
        match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Part::Train),
            "val" | "valid" | "validation" => Some(Part::Validation),
            "test" | "testing" => Some(Part::Test),
            _ => None,
        }
    }
}

/// How CIFAR's own files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Binary,
    Python,
}

/// What a file is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Role<'a> {
    /// `data_batch_<number>.bin` or, of the Python version, `data_batch_<number>`, in this folder.
    Training {
        folder: &'a str,
        number: u64,
        version: Version,
    },
    /// `test_batch.bin` or `test_batch`, in this folder.
    Test { folder: &'a str, version: Version },
    /// `batches.meta.txt` or `batches.meta`, in this folder: the classes' names.
    Names { folder: &'a str, version: Version },
    /// A file in a class folder.
    Image(ClassFolder<'a>),
    /// An image that is somewhere else in the folder of a split.
    Stray(SplitFolder<'a>),
    /// Read-me files and the like.
    Other,
}

/// `<root>/<name>`, where the name is that of a part: `train`, `Test`, `valid` …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitFolder<'a> {
    pub root: &'a str,
    pub name: &'a str,
    pub part: Part,
}

/// `<root>/<split>/<class>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassFolder<'a> {
    pub split: SplitFolder<'a>,
    pub class: &'a str,
}

/// What the file with this path, relative and separated by `/`, is for.
pub fn role(path: &str) -> Role<'_> {
    if path.split('/').any(is_rubbish) {
        return Role::Other;
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let (stem, version) = match name.strip_suffix(".bin") {
        Some(stem) => (stem, Version::Binary),
        None => (name, Version::Python),
    };
    let number = stem
        .strip_prefix("data_batch_")
        .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(Ok(number)) = number.map(str::parse) {
        return Role::Training {
            folder,
            number,
            version,
        };
    }
    match name {
        "test_batch.bin" | "test_batch" => return Role::Test { folder, version },
        "batches.meta.txt" => {
            let version = Version::Binary;
            return Role::Names { folder, version };
        }
        "batches.meta" => return Role::Names { folder, version },
        _ => {}
    }
    if let Some(found) = class_folder(folder) {
        return Role::Image(found);
    }
    let stray = is_picture(name).then(|| split_above(folder)).flatten();
    stray.map_or(Role::Other, Role::Stray)
}

/// What the folder with this path is for, if it is that of a split.
pub fn split_folder(path: &str) -> Option<SplitFolder<'_>> {
    if path.split('/').any(is_rubbish) {
        return None;
    }
    let (root, name) = path.rsplit_once('/').unwrap_or(("", path));
    let part = Part::of(name)?;
    Some(SplitFolder { root, name, part })
}

/// What the folder with this path is for, if it is a class folder.
pub fn class_folder(path: &str) -> Option<ClassFolder<'_>> {
    let (above, class) = path.rsplit_once('/')?;
    let split = split_folder(above).filter(|_| !is_rubbish(class))?;
    Some(ClassFolder { split, class })
}

/// The folder of a split that is this one or the nearest above it.
fn split_above(path: &str) -> Option<SplitFolder<'_>> {
    let ends = path.rmatch_indices('/').map(|(end, _)| end);
    let mut folders = std::iter::once(path.len()).chain(ends);
    folders.find_map(|end| split_folder(&path[..end]))
}

/// Whether a file or folder is what desktop systems, file servers and archivers leave behind, by its
/// name: hidden ones, and those of a list, in whatever letter case.
pub fn is_rubbish(name: &str) -> bool {
    const LEFT_BEHIND: [&str; 14] = [
        // Windows
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "$recycle.bin",
        "recycler",
        "system volume information",
        // macOS
        "__macosx",
        "icon\r",
        "network trash folder",
        "temporary items",
        // Synology's and other file servers
        "@eadir",
        "#recycle",
        "lost+found",
    ];
    name.starts_with('.') || LEFT_BEHIND.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether a file holds images, by its path: where one does, its folder is taken for a data set.
pub fn is_data(path: &str) -> bool {
    match role(path) {
        Role::Training { .. } | Role::Test { .. } => true,
        // Source code lies in `test/<folder>/` as well.
        Role::Image(folder) => folder.split.part != Part::Validation && is_picture(path),
        Role::Names { .. } | Role::Stray(_) | Role::Other => false,
    }
}

/// Whether a file is an image by its name, also one of a format that is not read.
fn is_picture(path: &str) -> bool {
    const EXTENSIONS: [&str; 9] = [
        "png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "ppm",
    ];
    let extension = Path::new(path).extension().and_then(|text| text.to_str());
    extension.is_some_and(|text| {
        let mut known = EXTENSIONS.iter();
        known.any(|known| text.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systems_leave_behind_is_of_no_use_anywhere_and_in_any_letter_case() {
        for name in [
            ".DS_Store",
            "._1.png",
            "Thumbs.db",
            "THUMBS.DB",
            "ehthumbs.db",
            "Desktop.ini",
            "Icon\r",
            "@eaDir/1.png",
            "__MACOSX/1.png",
            "$Recycle.Bin/1.png",
        ] {
            for folder in ["", "cifar/", "cifar/train/", "train/cat/", "test/cat/sub/"] {
                let path = format!("{folder}{name}");
                assert_eq!(role(&path), Role::Other, "{path}");
            }
        }
        assert_eq!(role("__MACOSX/train/cat/1.png"), Role::Other);
        assert_eq!(class_folder("__MACOSX/train/cat"), None);
        // What only looks like it is none.
        assert!(matches!(role("train/cat/Thumbs.db.png"), Role::Image(_)));
    }

    #[test]
    fn a_split_goes_by_its_usual_names_in_any_letter_case() {
        for (name, part) in [
            ("train", Part::Train),
            ("Train", Part::Train),
            ("training", Part::Train),
            ("TEST", Part::Test),
            ("testing", Part::Test),
            ("val", Part::Validation),
            ("Valid", Part::Validation),
            ("validation", Part::Validation),
        ] {
            let path = format!("c/{name}/cat/1.png");
            let Role::Image(found) = role(&path) else {
                panic!("{path}");
            };
            let root = "c";
            assert_eq!(found.split, SplitFolder { root, name, part });
            assert_eq!(found.class, "cat");
        }
        for name in ["trained", "tests", "eval", "validate", "dev"] {
            assert_eq!(role(&format!("{name}/cat/1.png")), Role::Other, "{name}");
        }
    }
}
