//! What the files of an archive or a folder are for, by their paths.
//!
//! Unaware of contents, and of whether a path is an archive's or a folder's.

use std::path::Path;

/// The layouts, for a message.
pub const EXPECTED: &str = "data_batch_<number>.bin and test_batch.bin (CIFAR-10's \"binary version\"), the same without .bin (its \"python version\"), or train/<class>/ and test/<class>/ with PNG or JPEG files";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Train,
    Test,
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
    /// `<root>/train/<class>/<file>` or `<root>/test/<class>/<file>`.
    Image {
        root: &'a str,
        part: Part,
        class: &'a str,
    },
    /// A file where only class folders should be.
    Stray,
    /// Read-me files and the like.
    Other,
}

/// What the file with this path, relative and separated by `/`, is for.
pub fn role(path: &str) -> Role<'_> {
    // Hidden files are what desktop systems leave behind.
    if path.split('/').any(|part| part.starts_with('.')) {
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
    let part = |name| match name {
        "train" => Some(Part::Train),
        "test" => Some(Part::Test),
        _ => None,
    };
    let (above, class) = folder.rsplit_once('/').unwrap_or(("", folder));
    let (root, split) = above.rsplit_once('/').unwrap_or(("", above));
    if let Some(part) = part(split) {
        return Role::Image { root, part, class };
    }
    if is_picture(name) && folder.split('/').any(|name| part(name).is_some()) {
        return Role::Stray;
    }
    Role::Other
}

/// Whether a file holds images, by its path: where one does, its folder is taken for a data set.
pub fn is_data(path: &str) -> bool {
    match role(path) {
        Role::Training { .. } | Role::Test { .. } => true,
        // Source code lies in `test/<folder>/` as well.
        Role::Image { .. } => is_picture(path),
        Role::Names { .. } | Role::Stray | Role::Other => false,
    }
}

fn is_picture(path: &str) -> bool {
    let extension = Path::new(path).extension().and_then(|text| text.to_str());
    extension.is_some_and(|text| {
        ["png", "jpg", "jpeg"]
            .iter()
            .any(|known| text.eq_ignore_ascii_case(known))
    })
}
