//! What the files of an archive or a folder are for, by their paths.
//!
//! Unaware of contents, and of whether a path is an archive's or a folder's.

use std::iter;
use std::path::Path;

/// The layouts, for a message.
pub const EXPECTED: &str = "data_batch_<number>.bin and test_batch.bin (CIFAR-10's \"binary version\"), the same without .bin (its \"python version\"), or train/<class>/ and test/<class>/ with PNG or JPEG files";

/// What a folder of class folders is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subset {
    Train,
    Test,
    /// Counts only beside the other two.
    Validation,
}

impl Subset {
    /// The part of a folder with this name, in whatever letter case.
    fn of(name: &str) -> Option<Subset> {
        match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Subset::Train),
            "val" | "valid" | "validation" => Some(Subset::Validation),
            "test" | "testing" => Some(Subset::Test),
            _ => None,
        }
    }
}

/// What a file is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Role<'a> {
    /// `data_batch_<number>.bin` or, of the Python version, `data_batch_<number>`, in this folder.
    Training { folder: &'a str, number: u64 },
    /// `test_batch.bin` or `test_batch`, in this folder.
    Test { folder: &'a str },
    /// `batches.meta.txt` or `batches.meta`, in this folder: the classes' names.
    Names { folder: &'a str },
    /// A file in the folder of a class.
    Image { split: Split<'a>, class: &'a str },
    /// An image that is somewhere else in the folder of a split.
    Stray(Split<'a>),
    /// Read-me files and the like.
    Other,
}

/// The folder `<root>/<name>`, where the name is that of a part: `train`, `Test`, `valid` …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    pub root: &'a str,
    pub name: &'a str,
    pub part: Subset,
}

impl Split<'_> {
    /// The split whose folder has this path.
    fn at(path: &str) -> Option<Split<'_>> {
        let (root, name) = parent(path);
        let part = Subset::of(name)?;
        Some(Split { root, name, part })
    }
}

/// The split whose folder, or the folder of one of whose classes, has this path.
pub fn split_of_folder(path: &str) -> Option<Split<'_>> {
    if path.split('/').any(is_rubbish) {
        return None;
    }
    Split::at(path).or_else(|| Split::at(path.rsplit_once('/')?.0))
}

/// What the file with this path, relative and separated by `/`, is for.
pub fn role(path: &str) -> Role<'_> {
    if path.split('/').any(is_rubbish) {
        return Role::Other;
    }
    let (folder, name) = parent(path);
    let stem = name.strip_suffix(".bin").unwrap_or(name);
    if let Some(digits) = stem.strip_prefix("data_batch_")
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(number) = digits.parse()
    {
        return Role::Training { folder, number };
    }
    if stem == "test_batch" {
        return Role::Test { folder };
    }
    if matches!(name, "batches.meta" | "batches.meta.txt") {
        return Role::Names { folder };
    }
    if let Some((above, class)) = folder.rsplit_once('/')
        && let Some(split) = Split::at(above)
    {
        return Role::Image { split, class };
    }
    let above = folder.rmatch_indices('/').map(|(end, _)| &folder[..end]);
    let mut folders = iter::once(folder).chain(above);
    let stray = is_picture(name).then(|| folders.find_map(Split::at));
    stray.flatten().map_or(Role::Other, Role::Stray)
}

/// The folder that a path lies in, which may be the empty one, and its name there.
fn parent(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
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
        Role::Image { split, .. } => split.part != Subset::Validation && is_picture(path),
        Role::Names { .. } | Role::Stray(_) | Role::Other => false,
    }
}

/// Whether a file is an image by its name, also one of a format that is not read.
fn is_picture(path: &str) -> bool {
    const EXTENSIONS: [&str; 9] = [
        "png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "ppm",
    ];
    let extension = Path::new(path).extension();
    extension.is_some_and(|text| {
        EXTENSIONS
            .iter()
            .any(|known| text.eq_ignore_ascii_case(known))
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
        assert_eq!(split_of_folder("__MACOSX/train/cat"), None);
        // What only looks like it is none.
        assert!(matches!(
            role("train/cat/Thumbs.db.png"),
            Role::Image { .. }
        ));
    }

    #[test]
    fn a_split_goes_by_its_usual_names_in_any_letter_case() {
        for (name, part) in [
            ("train", Subset::Train),
            ("Train", Subset::Train),
            ("training", Subset::Train),
            ("TEST", Subset::Test),
            ("testing", Subset::Test),
            ("val", Subset::Validation),
            ("Valid", Subset::Validation),
            ("validation", Subset::Validation),
        ] {
            let path = format!("c/{name}/cat/1.png");
            let (root, class) = ("c", "cat");
            let split = Split { root, name, part };
            assert_eq!(role(&path), Role::Image { split, class });
        }
        for name in ["trained", "tests", "eval", "validate", "dev"] {
            assert_eq!(role(&format!("{name}/cat/1.png")), Role::Other, "{name}");
        }
    }
}
