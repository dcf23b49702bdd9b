//! A step's parameters as they enter its key: JSON, kept to the letter.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// The parameters that a step reads, as JSON on one line. The text is never made anew from what it
/// says, so that it stays the one that was hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters(String);

impl Parameters {
    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Scalars by dotted path (`recipe.schedule.milestones[0]`); empty lists and maps stand as
    /// themselves.
    pub fn scalars(&self) -> BTreeMap<String, Value> {
        flatten(&serde_json::from_str(&self.0).unwrap_or_default())
    }
}

/// From JSON on one line.
impl From<String> for Parameters {
    fn from(json: String) -> Parameters {
        Parameters(json)
    }
}

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Parameters, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Parameters(raw.get().to_owned()))
    }
}

/// A value's scalars by dotted path; empty lists and maps stand as themselves.
fn flatten(value: &Value) -> BTreeMap<String, Value> {
    fn walk(path: String, value: &Value, flat: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (name, value) in fields {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    walk(path, value, flat);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (index, value) in items.iter().enumerate() {
                    walk(format!("{path}[{index}]"), value, flat);
                }
            }
            scalar => {
                flat.insert(path, scalar.clone());
            }
        }
    }
    let mut flat = BTreeMap::new();
    walk(String::new(), value, &mut flat);
    flat
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_and_maps_are_flattened_to_scalars() {
        let parameters =
            Parameters(json!({ "a": { "b": [1, { "c": null }] }, "d": [], "e": "x" }).to_string());
        let expected = [
            ("a.b[0]", json!(1)),
            ("a.b[1].c", json!(null)),
            ("d", json!([])),
            ("e", json!("x")),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(parameters.scalars(), expected.into());
    }

    #[test]
    fn the_text_survives_the_way_through_json_to_the_letter() {
        let parameters = Parameters(r#"{"z":1e-4,"a":[1.0,18446744073709551615]}"#.to_owned());
        let text = serde_json::to_string_pretty(&[&parameters]).unwrap();
        let read: [Parameters; 1] = serde_json::from_str(&text).unwrap();
        assert_eq!(read, [parameters]);
    }
}
