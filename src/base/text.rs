//! Foreign text: what may be shown of it, and bytes of a code page.

/// The upper half of CP1251, from <https://www.unicode.org/Public/MAPPINGS/VENDORS/MICSFT/WINDOWS/CP1251.TXT>;
/// 0x98 is not assigned.
const CP1251: [char; 128] = [
    'Ђ', 'Ѓ', '‚', 'ѓ', '„', '…', '†', '‡', '€', '‰', 'Љ', '‹', 'Њ', 'Ќ', 'Ћ', 'Џ', 'ђ', '‘', '’',
    '“', '”', '•', '–', '—', '\u{fffd}', '™', 'љ', '›', 'њ', 'ќ', 'ћ', 'џ', '\u{a0}', 'Ў', 'ў',
    'Ј', '¤', 'Ґ', '¦', '§', 'Ё', '©', 'Є', '«', '¬', '\u{ad}', '®', 'Ї', '°', '±', 'І', 'і', 'ґ',
    'µ', '¶', '·', 'ё', '№', 'є', '»', 'ј', 'Ѕ', 'ѕ', 'ї', 'А', 'Б', 'В', 'Г', 'Д', 'Е', 'Ж', 'З',
    'И', 'Й', 'К', 'Л', 'М', 'Н', 'О', 'П', 'Р', 'С', 'Т', 'У', 'Ф', 'Х', 'Ц', 'Ч', 'Ш', 'Щ', 'Ъ',
    'Ы', 'Ь', 'Э', 'Ю', 'Я', 'а', 'б', 'в', 'г', 'д', 'е', 'ж', 'з', 'и', 'й', 'к', 'л', 'м', 'н',
    'о', 'п', 'р', 'с', 'т', 'у', 'ф', 'х', 'ц', 'ч', 'ш', 'щ', 'ъ', 'ы', 'ь', 'э', 'ю', 'я',
];

/// Whether a character of foreign text would move a terminal's cursor, or turn or hide what stands beside it.
pub(crate) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A byte of CP1251.
pub fn cp1251(byte: u8) -> char {
    match byte.checked_sub(0x80) {
        None => char::from(byte),
        Some(upper) => CP1251
            .get(usize::from(upper))
            .copied()
            .unwrap_or('\u{fffd}'),
    }
}

/// A byte of CP866; its frames, boxes and signs stand for themselves.
/// <https://www.unicode.org/Public/MAPPINGS/VENDORS/MICSFT/PC/CP866.TXT>
pub fn cp866(byte: u8) -> char {
    let letter = |first: u32, from: u8| {
        char::from_u32(first + u32::from(byte.saturating_sub(from))).unwrap_or('\u{fffd}')
    };
    match byte {
        0..=0x7f => char::from(byte),
        0x80..=0xaf => letter(0x410, 0x80),
        0xe0..=0xef => letter(0x440, 0xe0),
        0xf0 => 'Ё',
        0xf1 => 'ё',
        0xf2 => 'Є',
        0xf3 => 'є',
        0xf4 => 'Ї',
        0xf5 => 'ї',
        0xf6 => 'Ў',
        0xf7 => 'ў',
        0xb0..=0xdf => letter(0x2500, 0xb0),
        0xf8..=0xff => letter(0x2580, 0xf8),
    }
}

/// For tests: that a text has each of these parts.
#[cfg(test)]
#[track_caller]
pub(crate) fn assert_has<const N: usize>(text: &str, parts: [&str; N]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}
