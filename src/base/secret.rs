//! Text that must not be seen: tokens, passwords, buyers' codes.

use std::fmt;

use crate::base::text::is_unsafe;

/// A text whose `Debug` shows nothing of it. There is no `Display`: whoever needs the text calls [`Secret::expose`],
/// and is easy to find.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text out of sight.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Codes shorter than this show no characters at all: four of eight would be half of it.
const SHORTEST_WITH_TAIL: usize = 12;

/// What logs and events may show of a code: its length and, if it is long enough, its last four characters.
pub fn tail(text: &str) -> String {
    let length = text.chars().count();
    if length < SHORTEST_WITH_TAIL {
        return format!("{length} characters");
    }
    let last: String = text
        .chars()
        .skip(length - 4)
        .filter(|c| !is_unsafe(*c))
        .collect();
    format!("{length} characters, …{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }

    #[test]
    fn a_tail_is_four_characters_of_a_long_code_only() {
        assert_eq!(tail("https://x/c/AB12"), "16 characters, …AB12");
        assert_eq!(tail("12345678"), "8 characters");
        assert_eq!(tail("привет, мир!"), "12 characters, …мир!");
        assert_eq!(tail("0123456789a\u{202e}\u{1b}b"), "14 characters, …ab");
    }
}
