//! `remote.json`: that this is a remote, and which collection of garbage was the last one.
//!
//! It is there for two reasons. Whoever remembers what was seen in a remote has to notice that something was
//! removed since. And whoever adds a result has to notice a collection at the same time, which might remove a
//! content that the result names:
//!
//! | who collects | who adds |
//! |---|---|
//! | says so in the marker | reads the marker, waits until nobody collects |
//! | reads all manifests, removes what none names | adds contents that are missing, then manifests |
//! | writes a new generation | reads the marker again: if it is another one, looks for all contents once more |
//!
//! A manifest that was added before a collection began is read by it; one that was added later finds the
//! marker changed.

use std::hash::{BuildHasher as _, RandomState};

use serde::{Deserialize, Serialize};

use crate::place::{Place, read_small};
use crate::{Failure, Trouble};

const FILE: &str = "remote.json";

/// Of the layout of a remote.
const VERSION: u32 = 1;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    #[serde(rename = "type")]
    kind: String,
    version: u32,
    /// Drawn anew with each collection.
    pub generation: String,
    /// Whether one is under way.
    #[serde(default)]
    pub collecting: bool,
}

impl Marker {
    /// A new generation.
    pub fn new(collecting: bool) -> Marker {
        let draw = || RandomState::new().hash_one(0);
        Marker {
            kind: "fig6 remote".to_owned(),
            version: VERSION,
            generation: format!("{:016x}{:016x}", draw(), draw()),
            collecting,
        }
    }

    /// What stands in a remote.
    ///
    /// # Errors
    /// If it cannot be read, or is not of a remote that this fig6 knows.
    pub fn read(place: &dyn Place) -> Result<Option<Marker>, Failure> {
        let Some(bytes) = read_small(place, FILE, 1 << 16)? else {
            return Ok(None);
        };
        let wrong = |what: String| Failure::new(Trouble::Failed, what);
        let marker: Marker = serde_json::from_slice(&bytes)
            .map_err(|_| wrong(format!("its {FILE} is not what fig6 writes")))?;
        match marker.version {
            VERSION => Ok(Some(marker)),
            other => Err(wrong(format!(
                "it has the layout {other}, and this fig6 knows {VERSION}"
            ))),
        }
    }

    pub fn write(&self, place: &dyn Place) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).expect("plain data has a JSON form") + "\n";
        place.write(FILE, text.into_bytes())
    }
}
