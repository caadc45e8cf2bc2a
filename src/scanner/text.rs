//! A frame into text.
//!
//! QR codes hold bytes; О!плати's hold ASCII, but goods' codes may hold anything. Scanners hand on
//! UTF-8, or transcode to the Windows page of their country: what is no UTF-8 is read as CP1251.
//! An AIM identifier (`]Q1`, ISO/IEC 15424) in front is not part of the code.

use crate::secret::Secret;

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

/// AIM code characters whose identifier is taken off: QR, DataMatrix, EAN, Code 128, PDF417, Aztec.
/// Others stay, since a code may itself begin with a bracket.
const AIM_SYMBOLOGIES: &[u8] = b"QdECLz";

/// Whether an AIM identifier may stand in front of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// It may, and is taken off.
    Strip,
    /// It comes apart from the code: what stands in front is the code's own.
    Keep,
}

/// The text of a frame; `None` when nothing printable is in it.
///
/// GS (0x1D) stays, since it tells goods' marks; other control characters are noise of the line.
#[must_use]
pub fn decode(frame: &[u8], aim: Aim) -> Option<Secret> {
    let frame = match aim {
        Aim::Strip => strip_aim(frame),
        Aim::Keep => frame,
    };
    let text = match std::str::from_utf8(frame) {
        Ok(text) => text.to_owned(),
        Err(_) => frame.iter().map(|byte| cp1251(*byte)).collect(),
    };
    let text: String = text
        .chars()
        .filter(|c| !c.is_control() || *c == '\u{1d}')
        .collect();
    let text = text.trim_matches(' ');
    (!text.is_empty()).then(|| Secret::new(text))
}

/// A byte of CP1251.
#[must_use]
pub fn cp1251(byte: u8) -> char {
    match byte.checked_sub(0x80) {
        None => char::from(byte),
        Some(upper) => CP1251
            .get(usize::from(upper))
            .copied()
            .unwrap_or('\u{fffd}'),
    }
}

fn strip_aim(frame: &[u8]) -> &[u8] {
    match frame {
        [b']', symbology, modifier, rest @ ..]
            if AIM_SYMBOLOGIES.contains(symbology)
                && modifier.is_ascii_alphanumeric()
                && !rest.is_empty() =>
        {
            rest
        }
        _ => frame,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(frame: &[u8]) -> Option<String> {
        decode(frame, Aim::Strip).map(|text| text.expose().to_owned())
    }

    #[test]
    fn utf8_and_cp1251_give_the_same_text() {
        assert_eq!(
            text("Нарочанский №1 ўЎіІёЁ".as_bytes()).as_deref(),
            Some("Нарочанский №1 ўЎіІёЁ")
        );
        let cp1251 = [
            0xcd, 0xe0, 0xf0, 0x20, 0xb9, 0x31, 0x20, 0xa2, 0xa1, 0xb3, 0xb2, 0xb8, 0xa8,
        ];
        assert_eq!(text(&cp1251).as_deref(), Some("Нар №1 ўЎіІёЁ"));
        assert_eq!(CP1251[0xc0 - 0x80], 'А');
        assert_eq!(CP1251[0xff - 0x80], 'я');
    }

    #[test]
    fn aim_identifiers_are_no_part_of_the_code() {
        assert_eq!(text(b"]Q1https://x").as_deref(), Some("https://x"));
        assert_eq!(text(b"]d2010481").as_deref(), Some("010481"));
        assert_eq!(text(b"]X0abc").as_deref(), Some("]X0abc"));
        assert_eq!(text(b"]Q1").as_deref(), Some("]Q1"));
        assert_eq!(text(b"]").as_deref(), Some("]"));
    }

    #[test]
    fn noise_goes_and_gs_stays() {
        assert_eq!(
            text(b"\x00\x02 AB\x1d12\x03 ").as_deref(),
            Some("AB\u{1d}12")
        );
        assert_eq!(text(b"\x00\x01"), None);
        assert_eq!(text(b"   "), None);
    }

    proptest! {
        #[test]
        fn every_frame_decodes_or_is_nothing(frame in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(text) = text(&frame) {
                let clean = text.chars().all(|c| !c.is_control() || c == '\u{1d}');
                prop_assert!(!text.is_empty() && clean);
            }
        }
    }
}
