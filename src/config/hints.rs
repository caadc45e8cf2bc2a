//! What a person cannot see in a value: letters of another alphabet, characters that show nothing, and a comment that
//! became part of the value.

use super::names::SECRET_KEYS;
use crate::base::text::is_unsafe;

/// Keys whose values are for people, or are paths, and may hold any letter.
const ANY_LETTER: [&str; 5] = ["shopName", "walletName", "logo", "socket", "tokenFile"];

/// Keys whose values are for people: `#` with a number is usual there.
const FOR_PEOPLE: [&str; 2] = ["shopName", "walletName"];

/// What is odd about the value of a key; nothing is reported of a secret.
pub(super) fn of_value(key: &str, value: &str) -> Vec<String> {
    if SECRET_KEYS.contains(&key) {
        return Vec::new();
    }
    let any_letter = ANY_LETTER.contains(&key);
    let mut hints: Vec<String> = odd_character(value, any_letter).into_iter().collect();
    hints.extend(comment(value, FOR_PEOPLE.contains(&key)));
    hints
}

/// What is odd about a value that was taken: a path outside of `/dev` may hold any letter.
pub(super) fn of_taken_value(key: &str, value: &str) -> Vec<String> {
    let mut hints = of_value(key, value);
    if !value.contains("/dev/") {
        hints.retain(|hint| !hint.ends_with(FOREIGN));
    }
    hints
}

/// What is odd about the name of a key or of a section, each of which is ASCII.
pub(super) fn of_name(name: &str) -> Option<String> {
    odd_character(name, false)
}

const FOREIGN: &str = "which is no Latin letter";

fn odd_character(text: &str, any_letter: bool) -> Option<String> {
    let is_odd = |c: char| is_unsafe(c) || (!any_letter && !c.is_ascii());
    let (index, odd) = text.chars().enumerate().find(|(_, c)| is_odd(*c))?;
    let (place, code) = (index + 1, u32::from(odd));
    Some(if is_unsafe(odd) {
        format!("character {place} is U+{code:04X}, which shows nothing")
    } else {
        format!("character {place} is U+{code:04X} ({odd}), {FOREIGN}")
    })
}

/// Only whole lines are comments, since a value may hold both characters.
fn comment(value: &str, for_people: bool) -> Option<String> {
    let marks: &[char] = if for_people { &[';'] } else { &[';', '#'] };
    let mut before = None;
    let mark = value.chars().find(|c| {
        let begins = marks.contains(c) && before.is_some_and(char::is_whitespace);
        before = Some(*c);
        begins
    })?;
    Some(format!(
        "{mark} and what follows it are part of the value; a comment stands on a line of its own"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_only_look_right_are_named() {
        assert_eq!(
            of_value("regNum", "\u{41e}PL000011111"),
            ["character 1 is U+041E (\u{41e}), which is no Latin letter"]
        );
        assert_eq!(
            of_value("url", "\u{200b}https://h"),
            ["character 1 is U+200B, which shows nothing"]
        );
        assert_eq!(of_value("password", "п\u{200b} ;"), [""; 0]);
        assert_eq!(of_value("shopName", "Ромашка"), [""; 0]);
        assert_eq!(of_value("shopName", "Ромашка\u{ad}").len(), 1);
    }

    #[test]
    fn a_path_may_hold_any_letter_but_a_device_node_has_none() {
        assert_eq!(of_taken_value("device", "png:/home/Иван/qr.png"), [""; 0]);
        assert_eq!(
            of_taken_value("device", "serial:/dev/tty\u{410}CM0").len(),
            1
        );
    }

    #[test]
    fn a_comment_behind_a_value_is_reported() {
        for (key, value, is_reported) in [
            ("device", "serial:/dev/ttyACM0 ; left", true),
            ("socket", "/run/till.sock\t# till", true),
            ("url", "http://h/?a=b;c#d", false),
            ("shopName", "Магазин #5", false),
            ("shopName", "Магазин ; наш", true),
        ] {
            assert_eq!(!of_value(key, value).is_empty(), is_reported, "{value}");
        }
    }
}
