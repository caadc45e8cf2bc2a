//! A frame into text.
//!
//! QR codes hold bytes; О!плати's hold ASCII, but goods' codes may hold anything. Scanners hand on
//! UTF-8, or transcode to the Windows page of their country: what is no UTF-8 is read as CP1251.
//! An AIM identifier (`]Q1`, ISO/IEC 15424) in front is not part of the code, and it shows whether the code is in the
//! protocol of extended channel interpretations (ECI): `\000026` then announces a coding, and a backslash of the code
//! comes twice. A byte order mark in front is no part of the code either.

use std::borrow::Cow;

use crate::base::secret::Secret;
use crate::base::text::cp1251;

/// The code characters of ISO/IEC 15424 and of the symbologies that were registered since, such as `J` for `DotCode`
/// and `h` for Han Xin. What stands behind another bracket is the code's own.
const AIM_SYMBOLOGIES: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUXYZcdeghopsuz";

/// The modifiers of each symbology that show that the code is in the protocol of ECI: QR, `DataMatrix`, Aztec, PDF417,
/// `MaxiCode`, `DotCode`, Han Xin.
const ECI_MODIFIERS: [(u8, &[u8]); 7] = [
    (b'Q', b"246"),
    (b'd', b"456"),
    (b'z', b"3459AB"),
    (b'L', b"1"),
    (b'U', b"23"),
    (b'J', b"345"),
    (b'h', b"1"),
];

/// How many digits name a coding behind the backslash of ECI.
const ECI_DIGITS: usize = 6;

/// `]`, the symbology, the modifier.
pub(crate) type AimId = [u8; 3];

/// Whether an AIM identifier may stand in front of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// It may, and is taken off.
    Strip,
    /// It comes apart from the code: what stands in front is the code's own.
    Keep,
    /// It came apart from the code, and is this one.
    Apart(AimId),
}

/// The text of a frame; `None` when nothing printable is in it.
///
/// GS (0x1D) stays, since it marks goods' codes; other control characters are noise of the line.
pub fn decode(frame: &[u8], aim: Aim) -> Option<Secret> {
    let (aim, frame) = match aim {
        Aim::Strip => split_aim(frame),
        Aim::Keep => (None, frame),
        Aim::Apart(aim) => (Some(aim), frame),
    };
    let frame = match aim {
        Some(aim) if is_eci(aim) => without_eci(frame),
        Some(_) | None => Cow::Borrowed(frame),
    };
    let text = match std::str::from_utf8(&frame) {
        Ok(text) => text.to_owned(),
        Err(_) => frame.iter().map(|byte| cp1251(*byte)).collect(),
    };
    let text: String = text
        .chars()
        .filter(|c| !c.is_control() || *c == '\u{1d}')
        .collect();
    let text = text
        .trim_start_matches(['\u{feff}', ' '])
        .trim_end_matches(' ');
    (!text.is_empty()).then(|| Secret::new(text))
}

fn split_aim(frame: &[u8]) -> (Option<AimId>, &[u8]) {
    match frame {
        [b']', symbology, modifier, rest @ ..]
            if AIM_SYMBOLOGIES.contains(symbology)
                && modifier.is_ascii_alphanumeric()
                && !rest.is_empty() =>
        {
            (Some([b']', *symbology, *modifier]), rest)
        }
        _ => (None, frame),
    }
}

fn is_eci([_, symbology, modifier]: AimId) -> bool {
    ECI_MODIFIERS
        .iter()
        .any(|(known, modifiers)| *known == symbology && modifiers.contains(&modifier))
}

/// The code without the names of codings, and with each doubled backslash single. Which coding it is need not be
/// known: bytes are distinguished as those of scanners that announce none.
fn without_eci(frame: &[u8]) -> Cow<'_, [u8]> {
    let mut code = Vec::with_capacity(frame.len());
    let mut rest = frame;
    while let Some((byte, after)) = rest.split_first() {
        let name = after.get(..ECI_DIGITS);
        rest = if *byte == b'\\' && name.is_some_and(|name| name.iter().all(u8::is_ascii_digit)) {
            after.get(ECI_DIGITS..).unwrap_or_default()
        } else if *byte == b'\\' && after.first() == Some(&b'\\') {
            code.push(*byte);
            after.get(1..).unwrap_or_default()
        } else {
            code.push(*byte);
            after
        };
    }
    Cow::Owned(code)
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
        let bytes = [
            0xcd, 0xe0, 0xf0, 0x20, 0xb9, 0x31, 0x20, 0xa2, 0xa1, 0xb3, 0xb2, 0xb8, 0xa8,
        ];
        assert_eq!(text(&bytes).as_deref(), Some("Нар №1 ўЎіІёЁ"));
        assert_eq!(cp1251(0xc0), 'А');
        assert_eq!(cp1251(0xff), 'я');
    }

    #[test]
    fn aim_identifiers_are_no_part_of_the_code() {
        assert_eq!(text(b"]Q1https://x").as_deref(), Some("https://x"));
        assert_eq!(text(b"]d2010481").as_deref(), Some("010481"));
        assert_eq!(
            text(b"]I114810268012348").as_deref(),
            Some("14810268012348")
        );
        assert_eq!(text(b"]X0abc").as_deref(), Some("abc"));
        assert_eq!(text(b"]W0abc").as_deref(), Some("]W0abc"));
        assert_eq!(text(b"]Q-abc").as_deref(), Some("]Q-abc"));
        assert_eq!(text(b"]Q1").as_deref(), Some("]Q1"));
        assert_eq!(text(b"]").as_deref(), Some("]"));
    }

    #[test]
    fn codings_that_a_code_announces_are_no_part_of_it() {
        for (frame, code) in [
            (br"]Q2\000026OPL-2".as_slice(), "OPL-2"),
            (br"]Q2\000026A\\B", r"A\B"),
            (br"]Q2\000026A\\000026B", r"A\000026B"),
            (br"]d4\000003A\000026B", "AB"),
            (br"]L1\000026A\12", r"A\12"),
            (br"]Q1\000026A\\B", r"\000026A\\B"),
            (br"]Q2A\", r"A\"),
        ] {
            assert_eq!(text(frame).as_deref(), Some(code));
        }
        let apart = |aim: &AimId| decode(br"\000026A", Aim::Apart(*aim));
        assert_eq!(apart(b"]Q2"), Some(Secret::new("A")));
        assert_eq!(apart(b"]Q1"), Some(Secret::new(r"\000026A")));
        assert_eq!(text(br"]Q2\000026"), None);
    }

    #[test]
    fn a_mark_of_utf_8_in_front_is_no_part_of_the_code() {
        assert_eq!(text("\u{feff}OPL-1".as_bytes()).as_deref(), Some("OPL-1"));
        assert_eq!(
            text("]Q2\\000026\u{feff}OPL-1".as_bytes()).as_deref(),
            Some("OPL-1")
        );
        assert_eq!(text("\u{feff}".as_bytes()), None);
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
