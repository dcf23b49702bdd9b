//! Asking a store elsewhere for a result that is about to be computed. Unaware of the scheduler.

use remote_store::{Fetched, Remote, Trouble, Wanted};
use store::Store;
use store::key::Digest;

/// Brings the first result that a store elsewhere has under one of these keys; says what is to be told.
/// Whatever goes wrong, the step can be computed here.
pub fn ask(remote: &Remote, store: &Store, keys: &[Digest], outputs: &[&str]) -> Vec<String> {
    let mut notes = Vec::new();
    for &key in keys {
        let wanted = Wanted {
            key,
            outputs,
            snapshots: false,
        };
        match remote.fetch(store, &wanted) {
            Ok(Fetched::Brought(_)) => {
                notes.push(format!("its result is in {}", remote.address()));
                break;
            }
            Ok(Fetched::Absent | Fetched::Busy) => {}
            Ok(Fetched::Refused(what)) => {
                notes.push(format!("what {} has is not used: {what}", remote.address()));
            }
            Err(failure) if failure.trouble == Trouble::Stopped => break,
            Err(failure) => {
                // Each step would wait for it in vain.
                remote.stop();
                notes.push(format!("{failure}; it is not asked again in this run"));
                break;
            }
        }
    }
    notes
}
