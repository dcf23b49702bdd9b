//! Places in a RON text: the path to a value, and the line and column where it stands.
//!
//! RON reports a position with every error. A walk that fails on purpose at a value therefore finds
//! it, without a second parser. Unaware of what may stand in the file.

use std::collections::BTreeSet;
use std::fmt;

use ron::error::{Error, Position};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The way to a value, from the outside in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place(Vec<Segment>);

/// One step down into a value: a field or key, or the index in a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Segment {
    Key(String),
    Index(usize),
}

impl Place {
    /// The place of a field of the whole file.
    pub fn of(field: &str) -> Place {
        Place::default().at(field)
    }

    /// The place of a part of this value.
    pub fn at(&self, part: impl Into<Segment>) -> Place {
        let mut place = self.clone();
        place.0.push(part.into());
        place
    }

    /// Line and column, from 1, of the value, if it is there.
    pub fn find(&self, text: &str) -> Option<Position> {
        find(text, &self.0)
    }

    /// Line and column, from 1, of the value, or of the innermost one around it that is there.
    pub fn find_nearest(&self, text: &str) -> Option<Position> {
        let depths = (0..=self.0.len()).rev();
        let mut ways = depths.map(|depth| &self.0[..depth]);
        ways.find_map(|way| find(text, way))
    }

    /// A name that stands twice in one map or struct, and the position behind the second one.
    /// Reading the text into a map would keep the second value and say nothing.
    pub fn repeated(text: &str) -> Option<(Place, Position)> {
        let mut way = Vec::new();
        let position = walk(text, &mut way, None)?;
        Some((Place(way), position))
    }

    /// The innermost name or index.
    pub fn last(&self) -> Option<&Segment> {
        self.0.last()
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Segment::Key(key) => write!(formatter, "{key:?}"),
            Segment::Index(index) => write!(formatter, "number {}", index + 1),
        }
    }
}

impl From<&str> for Segment {
    fn from(key: &str) -> Segment {
        Segment::Key(key.to_owned())
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Segment {
        Segment::Index(index)
    }
}

fn find(text: &str, target: &[Segment]) -> Option<Position> {
    walk(text, &mut Vec::new(), Some(target))
}

/// Walks through the text up to the target or, without one, to a name that stands twice; leaves the
/// way there in `way` and gives the position.
fn walk(text: &str, way: &mut Vec<Segment>, target: Option<&[Segment]>) -> Option<Position> {
    let mut deserializer = ron::Deserializer::from_str(text).ok()?;
    match (Walk { way, target }).deserialize(&mut deserializer) {
        Err(Error::Message(message)) if message == FOUND => {
            Some(deserializer.span_error(Error::Eof).span.end)
        }
        // Anything else that is wrong is for the real parser to say.
        _ => None,
    }
}

/// Says that the walk ended where it should.
const FOUND: &str = "the value that was looked for";

/// Visits of values without parts.
macro_rules! pass_over {
    ($($visit:ident($($value:tt: $type:ty)?)),*) => {
        $(fn $visit<E>(self, $($value: $type)?) -> Result<(), E> {
            Ok(())
        })*
    };
}

struct Walk<'w> {
    way: &'w mut Vec<Segment>,
    target: Option<&'w [Segment]>,
}

impl Walk<'_> {
    /// The walk through a part of the value.
    fn part(&mut self, part: Segment) -> Walk<'_> {
        self.way.push(part);
        Walk {
            way: self.way,
            target: self.target,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.target == Some(self.way) {
            return Err(serde::de::Error::custom(FOUND));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let part = self.part(Segment::Key(name.clone()));
            if !names.insert(name) && part.target.is_none() {
                return Err(serde::de::Error::custom(FOUND));
            }
            map.next_value_seed(part)?;
            self.way.pop();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        for index in 0.. {
            let more = list.next_element_seed(self.part(Segment::Index(index)))?;
            self.way.pop();
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    pass_over!(visit_bool(_: bool), visit_i64(_: i64), visit_u64(_: u64), visit_f64(_: f64));
    pass_over!(visit_str(_: &str), visit_unit(), visit_none());

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

    const TEXT: &str = "(\n    a: 1,\n    b: {\n        \"x\": (c: [10, 20,\n            30]),\n    },\n    d: archives([(url: \"u\")]),\n)\n";

    #[test]
    fn a_value_is_found_by_its_path() {
        let at = |path: &[Segment]| {
            let position = Place(path.to_vec()).find(TEXT).unwrap();
            (position.line, position.col)
        };
        assert_eq!(at(&["a".into()]), (2, 8));
        assert_eq!(at(&["b".into(), "x".into(), "c".into(), 1.into()]), (4, 23));
        assert_eq!(at(&["b".into(), "x".into(), "c".into(), 2.into()]), (5, 13));
        assert_eq!(at(&["d".into(), 0.into(), 0.into(), "url".into()]), (7, 24));
    }

    #[test]
    fn what_does_not_exist_is_placed_at_its_parent() {
        let place = Place::of("b").at("y");
        assert_eq!(place.find(TEXT), None);
        let position = place.find_nearest(TEXT).unwrap();
        assert_eq!((position.line, position.col), (3, 8));
    }

    #[test]
    fn a_name_is_found_that_stands_twice_in_one_map_only() {
        let text = "(\n  a: { \"x\": 1, \"y\": [(n: 1), (n: 2,\n    n: 3)] },\n)";
        let (place, position) = Place::repeated(text).unwrap();
        assert_eq!(place, Place::of("a").at("y").at(1).at("n"));
        assert_eq!((position.line, position.col), (3, 6));
        assert_eq!(
            Place::repeated("(a: { \"x\": 1 }, b: { \"x\": some(u(2.5), None) })"),
            None
        );
        assert_eq!(Place::repeated("(a: {"), None);
    }

    #[test]
    fn no_name_stands_twice_in_our_own_file() {
        assert_eq!(Place::repeated(include_str!("../../pipeline.ron")), None);
        let twice = include_str!("../../pipeline.ron")
            .replace("\"plain56\":  (n: 9", "\"plain20\":  (n: 9");
        let (place, _) = Place::repeated(&twice).unwrap();
        assert_eq!(place, Place::of("models").at("plain20"));
        // The last values of the file are reached as well.
        let twice = include_str!("../../pipeline.ron")
            .replace("default_profile:", "profiles: {}, default_profile:");
        assert_eq!(Place::repeated(&twice).unwrap().0, Place::of("profiles"));
    }
}
