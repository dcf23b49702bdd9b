//! Whether other bytes of a training on a GPU can be the GPU's: by what the training's record says of two runs of
//! the same steps.
//!
//! Unaware of how they are measured, and of what else a difference may mean.

use nn::fit::TwoRuns;
use store::{Manifest, Store};

use super::again::find;

/// What a training's record says of the devices that it was computed on; nothing where it says nothing, or
/// what it says is not there.
pub fn recorded(manifest: &Manifest, stores: &[&Store]) -> Vec<TwoRuns> {
    let kept = manifest.evidence.get(train::TWO_RUNS);
    let path = kept.and_then(|kept| find(&kept.digest, stores).ok()?);
    let text = path.and_then(|path| std::fs::read(path).ok());
    let runs = text.and_then(|text| serde_json::from_slice(&text).ok());
    runs.unwrap_or_default()
}

/// Why a device that calls itself `here` may give other bytes; none if it must give the recorded ones.
pub fn excuse(recorded: &[TwoRuns], here: &str) -> Option<String> {
    if recorded.is_empty() {
        return Some(format!("nothing is recorded of two runs on {here}"));
    }
    if let Some(runs) = recorded.iter().find(|runs| !runs.are_equal()) {
        let TwoRuns {
            device, distance, ..
        } = runs;
        return Some(format!("two runs on {device} differed by {distance:.1e}"));
    }
    let other = recorded.iter().find(|runs| runs.device != here);
    other.map(|runs| format!("{here} instead of {} may round otherwise", runs.device))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(device: &str, distance: f64) -> TwoRuns {
        TwoRuns {
            device: device.to_owned(),
            steps: 5,
            distance,
        }
    }

    #[test]
    fn only_a_device_of_the_same_kind_that_computes_the_same_twice_has_no_excuse() {
        assert_eq!(excuse(&[runs("a", 0.0)], "a"), None);
        assert_eq!(excuse(&[runs("a", 0.0), runs("a", 0.0)], "a"), None);
        let said = |recorded: &[TwoRuns]| excuse(recorded, "a").unwrap();
        assert_eq!(said(&[]), "nothing is recorded of two runs on a");
        assert_eq!(
            said(&[runs("b", 0.0)]),
            "a instead of b may round otherwise"
        );
        assert_eq!(said(&[runs("a", 1e-7)]), "two runs on a differed by 1.0e-7");
        let both = [runs("a", 0.0), runs("b", 0.0)];
        assert_eq!(said(&both), "a instead of b may round otherwise");
    }
}
