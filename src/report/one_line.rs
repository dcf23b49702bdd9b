//! Small values on a line of their own in a file that is otherwise indented, so that it stays short and
//! a difference between two of them is a difference of lines.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A map with each of its values on one line.
pub fn values<T: Serialize, S: Serializer>(
    map: &BTreeMap<String, T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let lines: BTreeMap<&String, Box<RawValue>> = map
        .iter()
        .map(|(name, value)| Ok((name, serde_json::value::to_raw_value(value)?)))
        .collect::<Result<_, serde_json::Error>>()
        .map_err(serde::ser::Error::custom)?;
    lines.serialize(serializer)
}
