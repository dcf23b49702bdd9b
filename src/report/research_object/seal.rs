//! The crate's identifier: which results it describes, and a digest of its own text.
//!
//! By it one can tell of a crate that an earlier run has left whether it describes the same results as
//! the one that this run would write, and is still what that run wrote: then it stays, for it is as true
//! as the new one. All that two such crates differ in is when, where and how fast the steps ran.

use super::super::provenance::TERMS;
use store::key::Digest;

/// The identifier of a crate that describes what has this digest, without the digest of its text.
pub fn open(described: &Digest) -> String {
    format!("{TERMS}report/{described}/run/")
}

/// A crate's text, in which an [`open`] identifier stands once, with the identifier in full.
pub fn seal(text: &str, described: &Digest) -> String {
    let open = open(described);
    let own = Digest::of(text.as_bytes());
    text.replacen(&open, &format!("{open}{own}"), 1)
}

/// Whether this is a sealed text that describes what has this digest, unaltered.
pub fn is_sealed(text: &str, described: &Digest) -> bool {
    let open = open(described);
    let Some((before, after)) = text.split_once(&open) else {
        return false;
    };
    let Some((own, after)) = after.split_at_checked(Digest::of(&[]).to_hex().len()) else {
        return false;
    };
    Digest::of(format!("{before}{open}{after}").as_bytes()).to_string() == own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_byte_or_other_results_break_the_seal() {
        let described = Digest::of(b"results");
        let text = format!("{{\"identifier\": {:?}, \"x\": 1}}\n", open(&described));
        let sealed = seal(&text, &described);
        assert!(is_sealed(&sealed, &described));
        assert!(!is_sealed(&text, &described));
        assert!(!is_sealed(&sealed, &Digest::of(b"other results")));
        for place in 0..sealed.len() {
            let mut altered = sealed.clone().into_bytes();
            altered[place] ^= 1;
            let altered = String::from_utf8(altered).unwrap();
            assert!(!is_sealed(&altered, &described), "{altered}");
            assert!(!is_sealed(&sealed[..place], &described), "{place}");
        }
    }
}
