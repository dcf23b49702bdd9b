//! Whether anything may have come or gone since an earlier look, without looking at it all.
//!
//! Unaware of what came or went.

use super::Store;
use super::stat::Stat;

/// How the folders looked in which every result and every computation under way leaves a trace.
#[derive(Clone, Debug)]
pub struct Traces([Option<Stat>; 3]);

impl Traces {
    /// Whether nothing came or went since these were taken, as far as later ones tell. Where something did
    /// a moment before they were taken, more may have followed without a trace.
    pub fn still_hold(&self, now: &Traces) -> bool {
        let certain = self.0.iter().flatten().all(Stat::is_certain);
        certain && self.0 == now.0
    }
}

impl Store {
    /// How the folders look now; to be taken before what is in them is looked at.
    pub fn traces(&self) -> Traces {
        let folders = [
            self.root.clone(),
            self.root.join("manifests"),
            self.root.join("work"),
        ];
        Traces(folders.map(|folder| {
            let metadata = folder.metadata().ok()?;
            Some(Stat::of(&metadata))
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use testing::until;

    use super::*;

    /// Traces of a store that was left alone for long enough.
    fn settled(root: &Path) -> Traces {
        let store = Store::at(root, false);
        let mut traces = store.traces();
        until("the folders have settled", || {
            traces = store.traces();
            traces.still_hold(&traces)
        });
        traces
    }

    #[test]
    fn what_comes_and_goes_is_noticed_and_nothing_else() {
        let folder = testing::folder();
        let root = &folder.path().join("artifacts");
        let store = Store::at(root, false);
        let before = settled(root);
        assert!(before.still_hold(&store.traces()));
        for path in ["", "manifests", "work", "manifests/a.json", "work/b"] {
            let before = settled(root);
            fs::create_dir(root.join(path)).unwrap();
            assert!(!before.still_hold(&store.traces()), "{path}");
        }
        let before = settled(root);
        fs::write(root.join("work/b/progress.json"), "").unwrap();
        assert!(before.still_hold(&store.traces()));
        fs::remove_dir_all(root).unwrap();
        assert!(!before.still_hold(&store.traces()));
    }

    #[test]
    fn a_change_a_moment_ago_may_have_been_followed_by_another() {
        let folder = testing::folder();
        let store = Store::at(folder.path(), false);
        fs::create_dir(folder.path().join("work")).unwrap();
        let just_made = store.traces();
        let is_recent = store
            .traces()
            .0
            .iter()
            .flatten()
            .any(|stat| !stat.is_certain());
        // A slow machine may have let it settle.
        assert!(!is_recent || !just_made.still_hold(&just_made));
    }
}
