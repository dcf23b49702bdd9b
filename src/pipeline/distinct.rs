//! Finds a name that stands twice in one map or struct of a RON text. Reading the text into a map
//! would keep the second value and say nothing.

use std::collections::BTreeSet;
use std::fmt;

use ron::error::{Error, Position};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::locate::Segment;

/// The path of a name that stands twice in the same map, and the place behind the second one.
pub fn repeated(text: &str) -> Option<(Vec<Segment>, Position)> {
    let mut deserializer = ron::Deserializer::from_str(text).ok()?;
    let mut path = Vec::new();
    let walk = Walk { path: &mut path };
    match walk.deserialize(&mut deserializer) {
        Err(Error::Message(message)) if message == FOUND => {
            let position = deserializer.span_error(Error::Eof).span.end;
            Some((path, position))
        }
        // Anything else that is wrong is for the real parser to say.
        _ => None,
    }
}

/// Says that the walk ended at a repeated name.
const FOUND: &str = "a name that stands twice";

struct Walk<'p> {
    path: &'p mut Vec<Segment>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            self.path.push(Segment::Key(name.clone()));
            if !names.insert(name) {
                return Err(serde::de::Error::custom(FOUND));
            }
            map.next_value_seed(Walk { path: self.path })?;
            self.path.pop();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for index in 0.. {
            self.path.push(Segment::Index(index));
            let more = list.next_element_seed(Walk { path: self.path })?;
            self.path.pop();
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_that_stands_twice_in_one_map_only() {
        let text = "(\n  a: { \"x\": 1, \"y\": [(n: 1), (n: 2,\n    n: 3)] },\n)";
        let (path, position) = repeated(text).unwrap();
        assert_eq!(
            path,
            ["a".into(), "y".into(), Segment::Index(1), "n".into()]
        );
        assert_eq!((position.line, position.col), (3, 6));
        assert_eq!(
            repeated("(a: { \"x\": 1 }, b: { \"x\": some(u(2.5), None) })"),
            None
        );
        assert_eq!(repeated("(a: {"), None);
    }

    #[test]
    fn no_name_stands_twice_in_our_own_file() {
        assert_eq!(repeated(include_str!("../../pipeline.ron")), None);
        let twice = include_str!("../../pipeline.ron")
            .replace("\"plain56\":  (n: 9", "\"plain20\":  (n: 9");
        let (path, _) = repeated(&twice).unwrap();
        assert_eq!(path, ["models".into(), "plain20".into()]);
        // The last values of the file are reached as well.
        let twice = include_str!("../../pipeline.ron")
            .replace("default_profile:", "profiles: {}, default_profile:");
        assert_eq!(repeated(&twice).unwrap().0, ["profiles".into()]);
    }
}
