//! Texts of any length, as a message cites them.

/// Most letters of a document that a message cites.
const CITED: usize = 80;

/// A text in a message: in quotation marks, in one line, and not too long.
pub fn cite(text: &str) -> String {
    format!("{:?}", short(text))
}

/// The beginning of a text, in one line.
pub fn short(text: &str) -> String {
    let blank = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut letters = text.trim().chars().map(blank);
    let mut short: String = letters.by_ref().take(CITED).collect();
    short.extend(letters.next().map(|_| '…'));
    short
}
