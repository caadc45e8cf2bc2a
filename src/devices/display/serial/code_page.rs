//! Letters for a pole display: first transliterated with those that it has, then a byte for each column.
//!
//! What a page lacks is replaced by what a reader understands: the Belarusian І of CP866 by the Latin I,
//! quotation marks and dashes by those of ASCII. A display without Cyrillic gets Russian in Latin
//! letters, since its buyers read that rather than nothing.

use crate::base::text::{cp866, cp1251};
use crate::devices::profile::display::{CodePage, Dialect, Pole};
use crate::devices::profile::template::Template;

/// The text with only letters that the display has; at most `room` characters if that can be had by
/// spelling shorter.
pub(super) fn transliterated(text: &str, pole: &Pole, room: usize) -> String {
    let transliterated = |latin| {
        let letters = text.chars().map(|letter| one(letter, pole, latin));
        letters.collect::<String>()
    };
    let mut transliterated = match transliterated(LONG) {
        long if long.chars().count() <= room => long,
        _ => transliterated(SHORT),
    };
    // ОПЛАЧЕНО is OPLACHENO and not OPLAChENO.
    if pole.code_page == CodePage::Ascii && !text.chars().any(char::is_lowercase) {
        transliterated.make_ascii_uppercase();
    }
    transliterated
}

/// A text in ASCII, for displays that are set to no code page.
pub(super) fn in_latin(text: &str) -> String {
    let ascii = Pole {
        dialect: Dialect::Epson,
        code_page: CodePage::Ascii,
        select: Template::default(),
        lacks: String::new(),
    };
    transliterated(text, &ascii, usize::MAX)
}

/// One byte for each character of a text that was [`transliterated`]; anything else becomes a question mark.
pub(super) fn encoded(text: &str, pole: &Pole) -> Vec<u8> {
    let bytes = text.chars().map(|letter| byte(letter, pole));
    bytes.map(|byte| byte.unwrap_or(b'?')).collect()
}

fn one(letter: char, pole: &Pole, latin: [&str; 33]) -> String {
    let has = |text: &str| text.chars().all(|letter| byte(letter, pole).is_some());
    if letter.is_control() {
        return " ".to_owned();
    }
    // The attention code !# begins a command.
    if letter == '#' && pole.dialect == Dialect::Aedex {
        return "N".to_owned();
    }
    if byte(letter, pole).is_some() {
        return letter.to_string();
    }
    let alike = alike(letter);
    if !alike.is_empty() && has(alike) {
        return alike.to_owned();
    }
    let transliterated = romanised(letter, latin);
    transliterated
        .filter(|transliterated| has(transliterated))
        .unwrap_or_else(|| "?".to_owned())
}

/// What stands in for a letter that a page or a font lacks.
fn alike(letter: char) -> &'static str {
    match letter {
        'І' => "I",
        'і' => "i",
        'Ў' => "У",
        'ў' => "у",
        'Ё' => "Е",
        'ё' => "е",
        'Ґ' => "Г",
        'ґ' => "г",
        '«' | '»' | '“' | '”' | '„' => "\"",
        '—' | '–' | '−' => "-",
        '’' | '‘' => "'",
        '…' => ".",
        '\u{a0}' | '\u{202f}' => " ",
        '№' => "N",
        '₽' => "руб",
        _ => "",
    }
}

const LETTERS: &str = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя";
const LONG: [&str; 33] = [
    "a", "b", "v", "g", "d", "e", "e", "zh", "z", "i", "y", "k", "l", "m", "n", "o", "p", "r", "s",
    "t", "u", "f", "kh", "ts", "ch", "sh", "shch", "", "y", "", "e", "yu", "ya",
];
/// A letter for a letter, where there is no room for more.
const SHORT: [&str; 33] = [
    "a", "b", "v", "g", "d", "e", "e", "z", "z", "i", "y", "k", "l", "m", "n", "o", "p", "r", "s",
    "t", "u", "f", "h", "c", "c", "s", "s", "", "y", "", "e", "u", "a",
];

fn romanised(letter: char, latin: [&str; 33]) -> Option<String> {
    let lower = letter.to_lowercase().next()?;
    let transliterated = match lower {
        'ў' => "u",
        'ґ' => "g",
        '₽' => "rub",
        _ => {
            let place = LETTERS.chars().position(|one| one == lower)?;
            latin.get(place)?
        }
    };
    if lower == letter {
        return Some(transliterated.to_owned());
    }
    let mut letters = transliterated.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    Some(first.into_iter().chain(letters).collect())
}

fn byte(letter: char, pole: &Pole) -> Option<u8> {
    if matches!(letter, ' '..='~') {
        return u8::try_from(u32::from(letter)).ok();
    }
    if pole.lacks.contains(letter) {
        return None;
    }
    match pole.code_page {
        CodePage::Cp866 => in_cp866(letter),
        CodePage::Cp1251 => in_cp1251(letter),
        CodePage::Ascii => None,
    }
}

/// Not the page's second space and its invisible hyphen, which a font may draw as anything.
fn in_cp1251(letter: char) -> Option<u8> {
    if matches!(letter, '\u{fffd}' | '\u{a0}' | '\u{ad}') {
        return None;
    }
    (0x80..=0xff).find(|byte| cp1251(*byte) == letter)
}

/// The letters of the page, and two of its signs.
fn in_cp866(letter: char) -> Option<u8> {
    match letter {
        '°' => Some(0xf8),
        '№' => Some(0xfc),
        _ if letter.is_alphabetic() => (0x80..=0xff).find(|byte| cp866(*byte) == letter),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn pole(dialect: Dialect, code_page: CodePage) -> Pole {
        Pole {
            dialect,
            code_page,
            select: Template::default(),
            lacks: String::new(),
        }
    }

    fn page(code_page: CodePage) -> Pole {
        pole(Dialect::Epson, code_page)
    }

    fn bytes(text: &str, pole: &Pole) -> Vec<u8> {
        encoded(&transliterated(text, pole, 100), pole)
    }

    #[test]
    fn pages_are_those_of_their_tables() {
        let (dos, windows) = (page(CodePage::Cp866), page(CodePage::Cp1251));
        let hello = [0x87, 0xa4, 0xe0, 0xa0, 0xa2, 0xe1, 0xe2, 0xa2, 0xe3, 0xa9];
        assert_eq!(bytes("Здравствуй", &dos), hello);
        let letters = [0xf0, 0xf1, 0x20, 0xf6, 0xf7, 0x20, 0xfc];
        assert_eq!(bytes("Ёё Ўў №", &dos), letters);
        let letters = [0xa1, 0xa2, 0xb2, 0xb3, 0xa8, 0xb8, 0xb9, 0xab, 0xbb, 0x97];
        assert_eq!(bytes("ЎўІіЁё№«»—", &windows), letters);
    }

    #[test]
    fn what_a_page_or_a_font_lacks_is_replaced() {
        let dos = page(CodePage::Cp866);
        assert_eq!(
            transliterated("Ігар «А» — 5\u{a0}₽", &dos, 20),
            "Iгар \"А\" - 5 руб"
        );
        let poor = Pole {
            lacks: "ЎўЁё№".to_owned(),
            ..dos
        };
        assert_eq!(transliterated("Ўсё №1 ў", &poor, 20), "Усе N1 у");
        let none = page(CodePage::Ascii);
        assert_eq!(
            transliterated("Оплачено. Щи, вьюга", &none, 40),
            "Oplacheno. Shchi, vyuga"
        );
        assert_eq!(transliterated("Ўсё «ЁЖ» ₽", &none, 20), "Use \"EZh\" rub");
        assert_eq!(transliterated("ЧАЙ", &none, 20), "CHAY");
    }

    #[test]
    fn where_room_is_short_the_transliteration_is_short() {
        let none = page(CodePage::Ascii);
        assert_eq!(
            transliterated("Недостаточно средств", &none, 20),
            "Nedostatocno sredstv"
        );
        assert_eq!(
            transliterated("Час скончыўся", &none, 20),
            "Chas skonchyusya"
        );
    }

    #[test]
    fn no_text_holds_what_would_be_a_command() {
        for dialect in [Dialect::Epson, Dialect::Aedex] {
            for code_page in [CodePage::Cp866, CodePage::Cp1251, CodePage::Ascii] {
                let pole = pole(dialect, code_page);
                let text = "А\u{1b}\u{0}\r\n\u{7f}\u{9b}漢€\u{ad}\u{fffd}!#1";
                let bytes = bytes(text, &pole);
                assert!(bytes.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f));
                let attention = bytes.windows(2).any(|pair| pair == b"!#");
                assert_eq!(attention, dialect == Dialect::Epson);
            }
        }
    }
}
