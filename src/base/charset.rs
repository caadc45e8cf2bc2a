//! The coding of the terminal, as the locale names it.
//!
//! Old tills run in KOI8-R or CP1251: UTF-8 would be rubbish there. Our own words are English in such a locale, and
//! what the daemon sends in Russian is put into its coding, as far as it has the letters.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::OnceLock;

use super::text::cp1251;

/// A coding of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    Utf8,
    Cp1251,
    Koi8R,
    /// Any other: ASCII is right in each.
    Ascii,
}

/// The letters of KOI8-R from 0xC0 on, by RFC 1489.
const KOI8_R_LETTERS: &str = "юабцдефгхийклмнопярстужвьызшэщчъЮАБЦДЕФГХИЙКЛМНОПЯРСТУЖВЬЫЗШЭЩЧЪ";

/// Stands for a letter that the coding lacks.
const SUBSTITUTE: u8 = b'?';

impl Charset {
    /// Of this process's environment.
    pub(crate) fn of_environment() -> Charset {
        static CHARSET: OnceLock<Charset> = OnceLock::new();
        *CHARSET.get_or_init(|| {
            let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
            let locale = set("LC_ALL")
                .or_else(|| set("LC_CTYPE"))
                .or_else(|| set("LANG"));
            Charset::of(locale.as_deref())
        })
    }

    /// Where a locale names no coding, UTF-8 is taken for granted, as in each distribution of today.
    pub(crate) fn of(locale: Option<&str>) -> Charset {
        let Some((_, name)) = locale.and_then(|locale| locale.split_once('.')) else {
            return Charset::Utf8;
        };
        let name = name.split('@').next().unwrap_or_default();
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        let name: String = letters.map(|c| c.to_ascii_lowercase()).collect();
        match name.as_str() {
            "utf8" => Charset::Utf8,
            "cp1251" | "windows1251" => Charset::Cp1251,
            "koi8r" | "koi8u" => Charset::Koi8R,
            _ => Charset::Ascii,
        }
    }

    /// The text in this coding.
    pub(crate) fn encode(self, text: &str) -> Cow<'_, [u8]> {
        if self == Charset::Utf8 || text.is_ascii() {
            return Cow::Borrowed(text.as_bytes());
        }
        let mut bytes = Vec::with_capacity(text.len());
        for letter in text.chars() {
            self.push(letter, &mut bytes);
        }
        Cow::Owned(bytes)
    }

    fn push(self, letter: char, bytes: &mut Vec<u8>) {
        let known = match self {
            _ if letter.is_ascii() => u8::try_from(letter).ok(),
            Charset::Utf8 | Charset::Ascii => None,
            Charset::Cp1251 => (0x80..=u8::MAX).find(|byte| cp1251(*byte) == letter),
            Charset::Koi8R => koi8_r(letter),
        };
        match (known, letter) {
            (Some(byte), _) => bytes.push(byte),
            (None, '«' | '»' | '“' | '”' | '„') => bytes.push(b'"'),
            (None, '–' | '—' | '−') => bytes.push(b'-'),
            (None, '…') => bytes.extend(b"..."),
            (None, '№') => bytes.extend(b"No."),
            (None, '\u{a0}') => bytes.push(b' '),
            (None, _) => bytes.push(SUBSTITUTE),
        }
    }
}

/// Writes a line of a text for people, in the coding of the environment.
///
/// # Errors
/// When nobody takes it.
pub fn write_line(to: &mut impl Write, text: &str) -> io::Result<()> {
    let mut line = Charset::of_environment().encode(text).into_owned();
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

fn koi8_r(letter: char) -> Option<u8> {
    match letter {
        'ё' => Some(0xa3),
        'Ё' => Some(0xb3),
        _ => {
            let place = KOI8_R_LETTERS.chars().position(|other| other == letter)?;
            u8::try_from(0xc0 + place).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_name_their_coding() {
        for (locale, charset) in [
            (None, Charset::Utf8),
            (Some("C"), Charset::Utf8),
            (Some("ru_RU"), Charset::Utf8),
            (Some("ru_RU.UTF-8"), Charset::Utf8),
            (Some("be_BY.utf8@latin"), Charset::Utf8),
            (Some("ru_RU.KOI8-R"), Charset::Koi8R),
            (Some("ru_RU.CP1251"), Charset::Cp1251),
            (Some("ru_RU.ISO-8859-5"), Charset::Ascii),
        ] {
            assert_eq!(Charset::of(locale), charset, "{locale:?}");
        }
    }

    #[test]
    fn russian_in_the_codings_of_old_tills() {
        let text = "Оплата ё №1 «а»…";
        assert_eq!(Charset::Utf8.encode(text), text.as_bytes());
        assert_eq!(
            Charset::Koi8R.encode(text).as_ref(),
            b"\xef\xd0\xcc\xc1\xd4\xc1 \xa3 No.1 \"\xc1\"..."
        );
        assert_eq!(
            Charset::Cp1251.encode(text).as_ref(),
            b"\xce\xef\xeb\xe0\xf2\xe0 \xb8 \xb91 \xab\xe0\xbb\x85"
        );
        assert_eq!(Charset::Ascii.encode("Да\u{1f4a9}!").as_ref(), b"???!");
    }
}
