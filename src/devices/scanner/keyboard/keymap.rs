//! Key codes into characters, by the layout that the scanner types in, whatever the system's is.
//!
//! Key codes are those of Linux (`input-event-codes.h`), which number the keys of a US keyboard by
//! their place.

use crate::model::line::Layout;

/// What is held down with a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Either Shift.
    pub shift: bool,
    /// Either Ctrl.
    pub ctrl: bool,
    /// The right Alt.
    pub alt_gr: bool,
}

/// Rows of keys: the first key code, plain characters, characters with Shift.
type Row = (u16, &'static str, &'static str);

const US: [Row; 6] = [
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", "ASDFGHJKL:\"~"),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (57, " ", " "),
    (86, "\\", "|"),
];

/// Russian as Windows has it.
const RU: [Row; 6] = [
    (2, "1234567890-=", "!\"№;%:?*()_+"),
    (16, "йцукенгшщзхъ", "ЙЦУКЕНГШЩЗХЪ"),
    (30, "фывапролджэё", "ФЫВАПРОЛДЖЭЁ"),
    (43, "\\ячсмитьбю.", "/ЯЧСМИТЬБЮ,"),
    (57, " ", " "),
    (86, "\\", "/"),
];

/// The keypad, whatever the state of Num Lock: a scanner means the digit.
const KEYPAD: [(u16, char); 16] = [
    (55, '*'),
    (71, '7'),
    (72, '8'),
    (73, '9'),
    (74, '-'),
    (75, '4'),
    (76, '5'),
    (77, '6'),
    (78, '+'),
    (79, '1'),
    (80, '2'),
    (81, '3'),
    (82, '0'),
    (83, '.'),
    (98, '/'),
    (117, '='),
];

/// `KEY_8`, which with AltGr is the rouble sign of the Russian layout.
const EIGHT: u16 = 9;

/// What a key means; `None` for keys that mean nothing in this layout.
pub fn character(key: u16, held: Held, layout: Layout) -> Option<char> {
    if held.ctrl {
        // Control characters are those of the Latin letters and signs, in every layout.
        return control(in_rows(&US, key, held.shift)?);
    }
    if held.alt_gr {
        return (layout == Layout::Ru && key == EIGHT).then_some('₽');
    }
    if let Some((_, sign)) = KEYPAD.iter().find(|(code, _)| *code == key) {
        return Some(*sign);
    }
    match layout {
        Layout::Us => in_rows(&US, key, held.shift),
        Layout::Ru => in_rows(&RU, key, held.shift),
    }
}

/// The key of a character of the US layout, and whether it needs Shift.
pub fn key_of(character: char) -> Option<(u16, bool)> {
    let place = |row: &str| row.chars().position(|one| one == character);
    US.iter().find_map(|(first, plain, shifted)| {
        let (at, shift) = match place(plain) {
            Some(at) => (at, false),
            None => (place(shifted)?, true),
        };
        Some((first + u16::try_from(at).ok()?, shift))
    })
}

/// The digit of a keypad key.
pub fn keypad_digit(key: u16) -> Option<u32> {
    let (_, sign) = KEYPAD.iter().find(|(code, _)| *code == key)?;
    sign.to_digit(10)
}

fn in_rows(rows: &[Row], key: u16, shift: bool) -> Option<char> {
    rows.iter().find_map(|(first, plain, shifted)| {
        let row = if shift { shifted } else { plain };
        row.chars().nth(usize::from(key.checked_sub(*first)?))
    })
}

/// Ctrl with a character of the columns `@` to `_` of ASCII: GS, the separator of goods' marks, is
/// Ctrl and `]`.
fn control(sign: char) -> Option<char> {
    let sign = match sign.to_ascii_uppercase() {
        '2' | ' ' => '@',
        '6' => '^',
        '-' => '_',
        sign => sign,
    };
    let code = u32::from(sign);
    (0x40..=0x5f)
        .contains(&code)
        .then(|| char::from_u32(code & 0x1f))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIFT: Held = Held {
        shift: true,
        ctrl: false,
        alt_gr: false,
    };
    const CTRL: Held = Held {
        shift: false,
        ctrl: true,
        alt_gr: false,
    };
    const ALT_GR: Held = Held {
        shift: false,
        ctrl: false,
        alt_gr: true,
    };

    #[test]
    fn every_printable_character_of_ascii_has_its_key() {
        for sign in ' '..='~' {
            let (key, shift) = key_of(sign).unwrap();
            let held = Held {
                shift,
                ..Held::default()
            };
            assert_eq!(character(key, held, Layout::Us), Some(sign));
        }
        assert_eq!(key_of('Ж'), None);
    }

    #[test]
    fn russian_keys_type_russian() {
        let typed: String = [34_u16, 48, 22, 36]
            .iter()
            .filter_map(|key| character(*key, Held::default(), Layout::Ru))
            .collect();
        assert_eq!(typed, "пиго");
        assert_eq!(character(4, SHIFT, Layout::Ru), Some('№'));
        assert_eq!(character(41, SHIFT, Layout::Ru), Some('Ё'));
        assert_eq!(character(53, Held::default(), Layout::Ru), Some('.'));
        assert_eq!(character(9, ALT_GR, Layout::Ru), Some('₽'));
    }

    #[test]
    fn control_characters_and_the_keypad_are_the_same_in_each_layout() {
        for layout in [Layout::Us, Layout::Ru] {
            assert_eq!(character(27, CTRL, layout), Some('\u{1d}'));
            assert_eq!(character(50, CTRL, layout), Some('\r'));
            assert_eq!(character(7, CTRL, layout), Some('\u{1e}'));
            assert_eq!(character(12, CTRL, layout), Some('\u{1f}'));
            assert_eq!(character(79, SHIFT, layout), Some('1'));
            assert_eq!(character(98, Held::default(), layout), Some('/'));
        }
    }

    #[test]
    fn keys_without_meaning_have_none() {
        for key in [0, 1, 29, 58, 59, 103, 700, u16::MAX] {
            assert_eq!(character(key, Held::default(), Layout::Us), None, "{key}");
        }
        assert_eq!(character(30, ALT_GR, Layout::Us), None);
    }
}
