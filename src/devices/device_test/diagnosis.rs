//! From what a scanner sent to what is wrong with it.
//!
//! The code that was shown is known, so that a fault need not be guessed from what arrived: each known
//! fault is applied to the code, and the one that makes exactly what arrived is the finding. What no
//! single fault makes is reported as lost, doubled or foreign characters.

use crate::base::text::{cp866, cp1251};
use crate::model::check::{Text, Verdict};
use crate::texts::technician;

/// What came back for a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The code, byte for byte.
    Exact,
    Nothing,
    /// Letters of the other keyboard layout.
    Layout {
        /// Russian letters came for Latin ones; else Latin ones for Russian.
        russian: bool,
    },
    /// Capitals for small letters and the reverse.
    CapsLock,
    /// All letters in one case.
    Case,
    /// Two codes came as one: nothing ended the first.
    Glued,
    /// One code came as several.
    Split(usize),
    /// Cyrillic letters of another code page.
    CodePage {
        /// In which page the scanner wrote.
        sent: Page,
        /// In which it was read.
        read: Page,
    },
    /// Latin letters and digits are right, Cyrillic ones are gone or replaced.
    CyrillicLost,
    /// Something stands in front.
    Prefix {
        /// Characters of it.
        length: usize,
        /// It is an AIM identifier (ISO/IEC 15424).
        aim: bool,
    },
    /// Something stands behind; so many characters.
    Suffix(usize),
    /// Only so many characters came, from the beginning.
    Truncated(usize),
    /// So many characters are missing in between.
    Swallowed(usize),
    /// So many characters came twice.
    Doubled(usize),
    /// Another code altogether.
    Other,
}

/// How Cyrillic letters are written in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Utf8,
    Cp1251,
    Cp866,
}

impl Page {
    const ALL: [Page; 3] = [Page::Utf8, Page::Cp1251, Page::Cp866];

    fn name(self) -> &'static str {
        match self {
            Page::Utf8 => "UTF-8",
            Page::Cp1251 => "CP1251",
            Page::Cp866 => "CP866",
        }
    }

    /// A scanner writes a question mark for a letter that the page lacks, such as і in that of DOS.
    fn write(self, text: &str) -> Vec<u8> {
        let in_page = |page: fn(u8) -> char| -> Vec<u8> {
            let letters = text.chars();
            letters.map(|c| byte_of(c, page).unwrap_or(b'?')).collect()
        };
        match self {
            Page::Utf8 => text.as_bytes().to_vec(),
            Page::Cp1251 => in_page(cp1251),
            Page::Cp866 => in_page(cp866),
        }
    }

    fn read(self, bytes: &[u8]) -> Option<String> {
        match self {
            Page::Utf8 => String::from_utf8(bytes.to_vec()).ok(),
            Page::Cp1251 => Some(bytes.iter().map(|byte| cp1251(*byte)).collect()),
            Page::Cp866 => Some(bytes.iter().map(|byte| cp866(*byte)).collect()),
        }
    }
}

fn byte_of(letter: char, page: fn(u8) -> char) -> Option<u8> {
    (0..=u8::MAX).find(|byte| page(*byte) == letter)
}

/// The keys of both layouts, in the same order.
const US: &str = "qwertyuiop[]asdfghjkl;'zxcvbnm,./`QWERTYUIOP{}ASDFGHJKL:\"ZXCVBNM<>?~@#$^&|";
const RU: &str = "йцукенгшщзхъфывапролджэячсмитьбю.ёЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮ,Ё\"№;:?/";

fn retyped(text: &str, from: &str, to: &str) -> String {
    let typed = |c: char| {
        let place = from.chars().position(|key| key == c);
        place.and_then(|place| to.chars().nth(place)).unwrap_or(c)
    };
    text.chars().map(typed).collect()
}

fn swapped_case(text: &str) -> String {
    let swap = |c: char| -> Vec<char> {
        if c.is_lowercase() {
            c.to_uppercase().collect()
        } else {
            c.to_lowercase().collect()
        }
    };
    text.chars().flat_map(swap).collect()
}

/// What is wrong, from the code that was shown and all that came for it, in order.
pub fn diagnose(expected: &str, scans: &[String]) -> Finding {
    let all: String = scans.concat();
    match scans {
        [] => return Finding::Nothing,
        [one] if one == expected => return Finding::Exact,
        [_, _, ..] if all == expected => return Finding::Split(scans.len()),
        _ => {}
    }
    // Of several codes the one that is most like the shown one shows most.
    let findings = scans.iter().map(|came| one(expected, came));
    findings
        .min_by_key(|finding| matches!(finding, Finding::Other))
        .unwrap_or(Finding::Nothing)
}

fn one(expected: &str, came: &str) -> Finding {
    if came == expected {
        return Finding::Exact;
    }
    whole(expected, came)
        .or_else(|| Some(around(expected, came)).flatten())
        .unwrap_or_else(|| characters(expected, came))
}

/// Faults of the whole text.
fn whole(expected: &str, came: &str) -> Option<Finding> {
    if retyped(expected, US, RU) == came {
        return Some(Finding::Layout { russian: true });
    }
    if retyped(expected, RU, US) == came {
        return Some(Finding::Layout { russian: false });
    }
    if swapped_case(expected) == came {
        return Some(Finding::CapsLock);
    }
    if expected.to_uppercase() == came || expected.to_lowercase() == came {
        return Some(Finding::Case);
    }
    for sent in Page::ALL {
        for read in Page::ALL {
            let read_as = || Some(visible(&read.read(&sent.write(expected))?));
            if sent != read && read_as().is_some_and(|text| text == visible(came)) {
                return Some(Finding::CodePage { sent, read });
            }
        }
    }
    (!expected.is_ascii() && without_cyrillic(expected) == without_cyrillic(came))
        .then_some(Finding::CyrillicLost)
}

/// What a scanner's text goes through before it comes here.
fn visible(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.trim_matches(' ').to_owned()
}

/// What is left when everything that may stand for Cyrillic letters is taken out.
fn without_cyrillic(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii() && *c != '?').collect()
}

/// Faults before and behind.
fn around(expected: &str, came: &str) -> Option<Finding> {
    let length = |text: &str| text.chars().count();
    if let Some(before) = came.strip_suffix(expected) {
        if before.ends_with(expected) {
            return Some(Finding::Glued);
        }
        let aim = matches!(before.as_bytes(), [b']', symbology, modifier]
            if symbology.is_ascii_alphabetic() && modifier.is_ascii_alphanumeric());
        let length = length(before);
        return Some(Finding::Prefix { length, aim });
    }
    if let Some(behind) = came.strip_prefix(expected) {
        // A second reading whose end is missing is no suffix that somebody set.
        let starts_again = expected.starts_with(behind) && length(behind) > 4;
        return Some(if starts_again {
            Finding::Glued
        } else {
            Finding::Suffix(length(behind))
        });
    }
    if came.contains(expected) {
        return Some(Finding::Glued);
    }
    (!came.is_empty() && expected.starts_with(came)).then(|| Finding::Truncated(length(came)))
}

/// Faults of single characters.
fn characters(expected: &str, came: &str) -> Finding {
    let lengths = (expected.chars().count(), came.chars().count());
    // Half of a code in the right order is still that code; less may be chance.
    if lengths.0 > lengths.1 && lengths.1 * 2 >= lengths.0 && is_within(came, expected) {
        return Finding::Swallowed(lengths.0 - lengths.1);
    }
    if lengths.1 > lengths.0 && is_doubled(expected, came) {
        return Finding::Doubled(lengths.1 - lengths.0);
    }
    Finding::Other
}

/// Whether all of `part` stands in `text`, in order.
fn is_within(part: &str, text: &str) -> bool {
    let mut text = text.chars();
    part.chars().all(|c| text.any(|other| other == c))
}

/// Whether `came` is `expected` with characters that repeat the one before.
fn is_doubled(expected: &str, came: &str) -> bool {
    let mut expected = expected.chars().peekable();
    let mut before = None;
    for c in came.chars() {
        if expected.peek() == Some(&c) {
            expected.next();
        } else if before != Some(c) {
            return false;
        }
        before = Some(c);
    }
    expected.peek().is_none()
}

/// Cyrillic letters that the scanner sends in one code page while another is expected.
fn other_code_page(sent: Page, read: Page) -> Text {
    let (sent, read) = (sent.name(), read.name());
    technician::diagnosis_code_page(read, sent)
}

impl Finding {
    /// How grave it is. О!плати's codes are Latin letters and digits: Cyrillic alone is worth a warning.
    pub fn verdict(&self) -> Verdict {
        match self {
            Finding::Exact => Verdict::Pass,
            Finding::CodePage { .. } | Finding::CyrillicLost => Verdict::Warn,
            Finding::Layout { .. }
            | Finding::Nothing
            | Finding::CapsLock
            | Finding::Case
            | Finding::Glued
            | Finding::Split(_)
            | Finding::Prefix { .. }
            | Finding::Suffix(_)
            | Finding::Truncated(_)
            | Finding::Swallowed(_)
            | Finding::Doubled(_)
            | Finding::Other => Verdict::Fail,
        }
    }

    /// What is wrong.
    pub fn message(&self) -> Text {
        match self {
            Finding::Exact => technician::DIAGNOSIS_EXACT,
            Finding::Nothing => technician::DIAGNOSIS_NOTHING,
            Finding::Layout { russian: true } => technician::DIAGNOSIS_RUSSIAN_LAYOUT,
            Finding::Layout { russian: false } => technician::DIAGNOSIS_US_LAYOUT,
            Finding::CapsLock => technician::DIAGNOSIS_CAPS_LOCK,
            Finding::Case => technician::DIAGNOSIS_CASE,
            Finding::Glued => technician::DIAGNOSIS_GLUED,
            Finding::CodePage { sent, read } => other_code_page(*sent, *read),
            Finding::CyrillicLost => technician::DIAGNOSIS_CYRILLIC_LOST,
            Finding::Prefix { aim: true, .. } => technician::DIAGNOSIS_AIM,
            Finding::Split(parts) => technician::diagnosis_split(parts),
            Finding::Prefix { length, .. } => technician::diagnosis_prefix(length),
            Finding::Suffix(length) => technician::diagnosis_suffix(length),
            Finding::Truncated(length) => technician::diagnosis_truncated(length),
            Finding::Swallowed(count) => technician::diagnosis_swallowed(count),
            Finding::Doubled(count) => technician::diagnosis_doubled(count),
            Finding::Other => technician::DIAGNOSIS_OTHER,
        }
    }

    pub fn remedy(&self) -> Option<Text> {
        Some(match self {
            Finding::Exact => return None,
            Finding::Nothing => technician::DIAGNOSIS_NOTHING_REMEDY,
            Finding::Layout { russian: true } => technician::DIAGNOSIS_RUSSIAN_LAYOUT_REMEDY,
            Finding::Layout { russian: false } => technician::DIAGNOSIS_US_LAYOUT_REMEDY,
            Finding::CapsLock => technician::DIAGNOSIS_CAPS_LOCK_REMEDY,
            Finding::Case => technician::DIAGNOSIS_CASE_REMEDY,
            Finding::Glued => technician::DIAGNOSIS_GLUED_REMEDY,
            Finding::Split(_) => technician::DIAGNOSIS_SPLIT_REMEDY,
            Finding::CodePage { .. } => technician::DIAGNOSIS_CODE_PAGE_REMEDY,
            Finding::CyrillicLost => technician::DIAGNOSIS_CYRILLIC_LOST_REMEDY,
            Finding::Prefix { aim: true, .. } => technician::DIAGNOSIS_AIM_REMEDY,
            Finding::Prefix { .. } => technician::DIAGNOSIS_PREFIX_REMEDY,
            Finding::Suffix(_) => technician::DIAGNOSIS_SUFFIX_REMEDY,
            Finding::Truncated(_) => technician::DIAGNOSIS_TRUNCATED_REMEDY,
            Finding::Swallowed(_) => technician::DIAGNOSIS_SWALLOWED_REMEDY,
            Finding::Doubled(_) => technician::DIAGNOSIS_DOUBLED_REMEDY,
            Finding::Other => technician::DIAGNOSIS_OTHER_REMEDY,
        })
    }
}

#[cfg(test)]
mod tests;
