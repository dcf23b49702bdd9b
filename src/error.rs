//! The one kind of error that code tells apart from others: what the user asked for cannot be,
//! as opposed to something that failed. The command line gives it an exit code of its own.

use std::fmt;

/// Longest message, in bytes.
const LONGEST: usize = 4000;

/// Longest name that is compared with others, in bytes: comparing takes time by the product
/// of both lengths.
const COMPARED: usize = 200;

/// A wrong pipeline file, or a profile, target or device that does not exist.
#[derive(Debug)]
pub struct Invalid(String);

impl Invalid {
    /// An error that says `message` to the user. It may cite a file, whose names can be of any
    /// length: of a message that nobody would read the beginning is kept.
    pub fn new(message: impl Into<String>) -> Invalid {
        let mut message = message.into();
        let end = message.floor_char_boundary(LONGEST);
        if end < message.len() {
            message.truncate(end);
            message.push('…');
        }
        Invalid(message)
    }

    /// An error for a `name` that is not among the `known` ones: `unknown profile "smok"; did you
    /// mean "smoke"?`, with all known names where none is near.
    pub fn unknown<'a>(
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Invalid {
        Invalid::new(unknown(what, name, known))
    }
}

/// The message of [`Invalid::unknown`].
pub fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("unknown {what} {name:?}; did you mean {near:?}?"),
        None => format!("unknown {what} {name:?}; known: {}", known.join(", ")),
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

/// The candidate that `name` is most likely a misspelling of, if one is near enough. Names of more
/// than 200 bytes are misspellings of nothing.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > COMPARED {
        return None;
    }
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= COMPARED)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|&(distance, candidate)| {
            distance <= 2.max(name.len() / 3) && distance < candidate.len()
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_neighbour_and_a_strange_one_does_not() {
        assert_eq!(nearest("smok", ["smoke", "quick"]), Some("smoke"));
        assert_eq!(
            nearest("resnet21", ["plain20", "resnet20"]),
            Some("resnet20")
        );
        assert_eq!(nearest("zebra", ["smoke", "quick"]), None);
    }

    #[test]
    fn endless_names_are_neither_compared_nor_cited_to_their_end() {
        let long = "ä".repeat(1 << 20);
        assert_eq!(nearest(&long, [&long[2..]]), None);
        let error = Invalid::unknown("profile", &long, ["smoke"]).to_string();
        assert!(error.starts_with("unknown profile \"ää") && error.ends_with("ä…"));
        assert!(error.len() < LONGEST + 4, "{}", error.len());
    }
}
