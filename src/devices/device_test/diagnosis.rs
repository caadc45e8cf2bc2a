//! From what a scanner sent to what is wrong with it.
//!
//! The code that was shown is known, so that a fault need not be guessed from what arrived: each known
//! fault is applied to the code, and the one that makes exactly what arrived is the finding. What no
//! single fault makes is told as lost, doubled or foreign characters.

use crate::base::text::{cp866, cp1251};
use crate::model::check::{Text, Verdict};

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
    /// UTF-8.
    Utf8,
    /// Windows.
    Cp1251,
    /// DOS.
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
    // Of several codes the one that is most like the shown one tells most.
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
    Text::new(
        format!("кириллица в другой кодировке: сканер передаёт {sent}, прочитано как {read}"),
        format!("Cyrillic of another code page: sent in {sent}, read as {read}"),
    )
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
    pub fn says(&self) -> Text {
        match self {
            Finding::Exact => Text::new("код прочитан точно", "the code came back byte for byte"),
            Finding::Nothing => Text::new("ничего не пришло", "nothing came"),
            Finding::Layout { russian: true } => Text::new(
                "буквы русской раскладки вместо латинских",
                "letters of the Russian layout for Latin ones",
            ),
            Finding::Layout { russian: false } => Text::new(
                "латинские буквы вместо русских: раскладка US",
                "Latin letters for Russian ones: the US layout",
            ),
            Finding::CapsLock => Text::new(
                "большие и маленькие буквы перепутаны: включён Caps Lock",
                "capitals and small letters are swapped: Caps Lock is on",
            ),
            Finding::Case => Text::new(
                "все буквы одного размера: сканер меняет регистр",
                "all letters in one case: the scanner converts it",
            ),
            Finding::Glued => Text::new(
                "два кода слиплись: сканер не посылает конец кода",
                "two codes came as one: the scanner sends no terminator",
            ),
            Finding::CodePage { sent, read } => other_code_page(*sent, *read),
            Finding::CyrillicLost => Text::new(
                "кириллица потеряна, остальное верно",
                "Cyrillic letters are lost, the rest is right",
            ),
            Finding::Prefix { aim: true, .. } => Text::new(
                "перед кодом стоит идентификатор AIM",
                "an AIM identifier stands in front",
            ),
            Finding::Split(parts) => Text::new(
                format!("один код пришёл частями: {parts}"),
                format!("one code came in {parts} parts"),
            ),
            Finding::Prefix { length, .. } => Text::new(
                format!("перед кодом лишние символы: {length}"),
                format!("{length} characters stand in front"),
            ),
            Finding::Suffix(length) => Text::new(
                format!("после кода лишние символы: {length}"),
                format!("{length} characters stand behind"),
            ),
            Finding::Truncated(length) => Text::new(
                format!("код обрезан после {length} символов"),
                format!("the code is cut after {length} characters"),
            ),
            Finding::Swallowed(count) => Text::new(
                format!("потеряно символов: {count}"),
                format!("{count} characters are lost"),
            ),
            Finding::Doubled(count) => Text::new(
                format!("символов пришло дважды: {count}"),
                format!("{count} characters came twice"),
            ),
            Finding::Other => Text::new("прочитан другой код", "another code was read"),
        }
    }

    pub fn remedy(&self) -> Option<Text> {
        let (ru, en) = match self {
            Finding::Exact => return None,
            Finding::Nothing => (
                "Наведите сканер на код на дисплее; сканер молчит — проверьте кабель и режим: oplati devices",
                "Point the scanner at the code on the display; if it stays silent, check its cable and mode: oplati devices",
            ),
            Finding::Layout { russian: true } => (
                "Прочитайте код «USA keyboard» из инструкции сканера и уберите layout = ru из oplati.conf",
                "Read the code \"USA keyboard\" of the scanner's manual and remove layout = ru from oplati.conf",
            ),
            Finding::Layout { russian: false } => (
                "Впишите layout = ru в раздел [Scanner] файла oplati.conf, если сканер набирает русскими клавишами",
                "Put layout = ru into [Scanner] of oplati.conf if the scanner types with Russian keys",
            ),
            Finding::CapsLock => (
                "Выключите Caps Lock: прочитайте код «Caps Lock off» из инструкции сканера",
                "Turn Caps Lock off: read the code \"Caps Lock off\" of the scanner's manual",
            ),
            Finding::Case => (
                "Прочитайте код «No case conversion» из инструкции сканера",
                "Read the code \"No case conversion\" of the scanner's manual",
            ),
            Finding::Glued => (
                "Прочитайте код «Add suffix CR» (Enter) из инструкции сканера",
                "Read the code \"Add suffix CR\" (Enter) of the scanner's manual",
            ),
            Finding::Split(_) => (
                "Прочитайте код заводских настроек сканера; для клавиатурного — «межсимвольная задержка 0»",
                "Read the code of the scanner's factory settings; of a keyboard scanner, \"inter-character delay 0\"",
            ),
            Finding::CodePage { .. } => (
                "Прочитайте код «UTF-8» из инструкции сканера",
                "Read the code \"UTF-8\" of the scanner's manual",
            ),
            Finding::CyrillicLost => (
                "Для кодов О!плати это не мешает; нужна кириллица — переведите сканер в режим USB-COM или HID POS",
                "No harm for О!плати's codes; for Cyrillic put the scanner into USB-COM or HID POS mode",
            ),
            Finding::Prefix { aim: true, .. } => (
                "Прочитайте код «AIM ID off» из инструкции сканера",
                "Read the code \"AIM ID off\" of the scanner's manual",
            ),
            Finding::Prefix { .. } => (
                "Прочитайте код «Clear prefix» из инструкции сканера",
                "Read the code \"Clear prefix\" of the scanner's manual",
            ),
            Finding::Suffix(_) => (
                "Прочитайте код «Clear suffix», затем «Add suffix CR» из инструкции сканера",
                "Read the codes \"Clear suffix\", then \"Add suffix CR\" of the scanner's manual",
            ),
            Finding::Truncated(_) => (
                "Уберите ограничение длины кода: прочитайте код заводских настроек сканера",
                "Remove the limit of length: read the code of the scanner's factory settings",
            ),
            Finding::Swallowed(_) => (
                "Подключите сканер напрямую, без разветвителя; для клавиатурного прочитайте код «межсимвольная задержка 5 мс»",
                "Plug the scanner in without a hub; of a keyboard scanner read \"inter-character delay 5 ms\"",
            ),
            Finding::Doubled(_) => (
                "Проверьте, не читает ли сканер ещё одна программа, и прочитайте код заводских настроек",
                "Check whether another program reads the scanner too, and read the code of its factory settings",
            ),
            Finding::Other => (
                "Прочитайте код с дисплея, а не другой",
                "Read the code on the display and no other",
            ),
        };
        Some(Text::new(ru, en))
    }
}

#[cfg(test)]
mod tests;
