//! Dependencies by path, whose library is followed item by item like this package's own.
//!
//! Only where nothing but its source and its dependencies makes a library what it is. One with a
//! build script, features, a library elsewhere than cargo looks for it, dependencies by path of its
//! own, or an edition in which paths mean something else is known by all of its files instead (see
//! `lock`).

use super::manifest::Manifest;
use super::source::{ROOT_FILE, join};
use super::{Error, Files};

pub struct Member {
    pub folder: String,
    pub manifest: Manifest,
}

impl Member {
    /// The package in a folder, if it can be followed.
    ///
    /// # Errors
    /// If its `Cargo.toml` is not there or not as cargo writes it.
    pub fn at(files: &dyn Files, folder: &str) -> Result<Option<Member>, Error> {
        let folder = join("", folder);
        let has = |file: &str| files.read(&join(&folder, file)).is_some();
        let manifest = Manifest::read(files, &join(&folder, "Cargo.toml"))?;
        if !has(ROOT_FILE) || has("build.rs") {
            return Ok(None);
        }
        let member = Member { folder, manifest };
        Ok(Some(member).filter(Member::is_plain))
    }

    fn is_plain(&self) -> bool {
        let Manifest {
            package,
            lib,
            features,
            ..
        } = &self.manifest;
        let mut direct = self.manifest.direct().into_values();
        package.build.is_none()
            && !["", "2015"].contains(&package.edition.as_str())
            && lib.is_none()
            && features.is_empty()
            && direct.all(|direct| direct.path.is_none() && !direct.optional)
    }

    /// The file that its library begins with.
    pub fn root_file(&self) -> String {
        join(&self.folder, ROOT_FILE)
    }
}
