//! Which profiles have used a result, as far as the lists of runs tell.

use anyhow::Result;

use super::{ENDED, FOLDER, OPEN, Run, is_called};
use crate::key::Digest;
use crate::{Store, disk};

impl Store {
    /// Whether only runs of other profiles have used a result. One that is on no list may be anybody's.
    ///
    /// # Errors
    /// If the folder of lists cannot be read.
    pub fn is_of_others(&self, key: &Digest, profile: &str) -> Result<bool> {
        let mut of_others = false;
        for run in self.lists()?.iter().filter(|run| run.keys.contains(key)) {
            if run.profile == profile {
                return Ok(false);
            }
            of_others = true;
        }
        Ok(of_others)
    }

    /// All lists as they were when they were first asked for. Whether their runs are under way is left
    /// out, so nobody's lock is touched.
    fn lists(&self) -> Result<&[Run]> {
        if let Some(lists) = self.lists.get() {
            return Ok(lists);
        }
        let mut lists = Vec::new();
        for found in self.list(FOLDER)? {
            let ended = is_called(&found.path, ENDED);
            if !ended && !is_called(&found.path, OPEN) {
                continue;
            }
            // One that cannot be read says nothing.
            if let Ok(bytes) = disk::read(&found.path) {
                let mut run = Run::default();
                run.take(&bytes, ended);
                lists.push(run);
            }
        }
        Ok(self.lists.get_or_init(|| lists))
    }
}
