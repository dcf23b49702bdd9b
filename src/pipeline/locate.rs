//! Finds where in a RON text a value stands, so that a check of its meaning can point at it.
//!
//! RON reports a position with every error. A walk along a path that fails on purpose at its end
//! therefore finds the value, without a second parser.

use std::fmt;

use ron::error::{Error, Position};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One step down into a value: a field or key, or the place in a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Segment {
    Key(String),
    Index(usize),
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

/// A path from keys and indices.
macro_rules! place {
    ($($segment:expr),*) => { [$(Segment::from($segment)),*] };
}
pub(super) use place;

/// Position (line and column, from 1) of the value at `path`, or of the last part of the path that
/// exists.
pub fn locate(text: &str, path: &[Segment]) -> Option<Position> {
    (0..=path.len())
        .rev()
        .find_map(|depth| find(text, &path[..depth]))
}

/// Position of the value at `path`, if there is one.
pub fn find(text: &str, path: &[Segment]) -> Option<Position> {
    let mut deserializer = ron::Deserializer::from_str(text).ok()?;
    match (Seek { path }).deserialize(&mut deserializer) {
        Err(Error::Message(message)) if message == FOUND => {
            Some(deserializer.span_error(Error::Eof).span.end)
        }
        _ => None,
    }
}

/// Says that the walk ended where it should.
const FOUND: &str = "the value that was looked for";

struct Seek<'p> {
    path: &'p [Segment],
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            return Err(serde::de::Error::custom(FOUND));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a map, a struct or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if self.path.first() == Some(&Segment::Key(key)) {
                map.next_value_seed(Seek {
                    path: &self.path[1..],
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        loop {
            let found = if self.path.first() == Some(&Segment::Index(index)) {
                list.next_element_seed(Seek {
                    path: &self.path[1..],
                })?
                .is_some()
            } else {
                list.next_element::<IgnoredAny>()?.is_some()
            };
            if !found {
                return Ok(());
            }
            index += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "(\n    a: 1,\n    b: {\n        \"x\": (c: [10, 20,\n            30]),\n    },\n    d: archives([(url: \"u\")]),\n)\n";

    #[test]
    fn a_value_is_found_by_its_path() {
        let at = |path: &[Segment]| {
            let position = locate(TEXT, path).unwrap();
            (position.line, position.col)
        };
        assert_eq!(at(&["a".into()]), (2, 8));
        assert_eq!(at(&["b".into(), "x".into(), "c".into(), 1.into()]), (4, 23));
        assert_eq!(at(&["b".into(), "x".into(), "c".into(), 2.into()]), (5, 13));
        assert_eq!(at(&["d".into(), 0.into(), 0.into(), "url".into()]), (7, 24));
    }

    #[test]
    fn what_does_not_exist_is_placed_at_its_parent() {
        let position = locate(TEXT, &["b".into(), "y".into()]).unwrap();
        assert_eq!((position.line, position.col), (3, 8));
    }
}
