//! Pole displays: two lines of twenty columns.
//!
//! Every line is sent whole, twenty columns each and each from its own position, so that neither the
//! wrap after the fortieth character nor what stood there before can be seen. No dialect is ever asked
//! to scroll.

use std::time::Duration;

use super::code_page::encoded;
use super::port::{After, Step};
use crate::devices::profile::display::{Dialect, Pole};

/// After a display changed its mode; one driver of CD5220 waits as long.
const MODE_PAUSE: Duration = Duration::from_millis(200);

/// What makes a display ready after it was opened: cleared, its cursor hidden, its code page selected.
/// Initialising resets the code page, so that its selection comes after.
pub(super) fn ready(pole: &Pole) -> Vec<Step> {
    let select = pole.select.fixed().unwrap_or_default();
    let select = select.as_slice();
    let bytes = match pole.dialect {
        // Initialised, not scrolling, without a cursor.
        Dialect::Epson => [b"\x1b\x40", select, b"\x1f\x01\x1f\x43\x00"].concat(),
        // 0C first: it leaves the string mode of an earlier run, in which no other command works.
        Dialect::Cd5220 => [b"\x0c\x1b\x40", select, b"\x1b\x5f\x00"].concat(),
        // Cleared, not scrolling, without a cursor.
        Dialect::Utc => [b"\x1f\x11\x14", select].concat(),
        // There is no command that clears: whatever stood there is overwritten with spaces.
        Dialect::Aedex => {
            let select = vec![Step::plain(select.to_vec())];
            return [select, shown(pole, &[String::new(), String::new()])].concat();
        }
        Dialect::Dsp800 => {
            let clear = Step::answered(b"\x04\x01\x43\x31\x58\x17");
            return vec![clear, Step::plain(select.to_vec())];
        }
        Dialect::Wincor => [b"\x1b\x5b\x32\x4a", select].concat(),
    };
    let after = match pole.dialect {
        Dialect::Cd5220 => After::Pause(MODE_PAUSE),
        Dialect::Epson | Dialect::Utc | Dialect::Aedex | Dialect::Dsp800 | Dialect::Wincor => {
            After::Nothing
        }
    };
    vec![Step { bytes, after }]
}

/// What shows two lines.
pub(super) fn shown(pole: &Pole, lines: &[String; 2]) -> Vec<Step> {
    let [upper, lower] = lines.each_ref().map(|line| columns(encoded(line, pole)));
    let (upper, lower) = (upper.as_slice(), lower.as_slice());
    let bytes = match pole.dialect {
        // Column first.
        Dialect::Epson => [b"\x1f\x24\x01\x01", upper, b"\x1f\x24\x01\x02", lower].concat(),
        // String mode throughout: only it and nothing else.
        Dialect::Cd5220 => [b"\x1b\x51\x41", upper, b"\r\x1b\x51\x42", lower, b"\r"].concat(),
        Dialect::Utc => [b"\x10\x00", upper, b"\x10\x14", lower].concat(),
        Dialect::Aedex => [b"\x21\x23\x31", upper, b"\r\x21\x23\x32", lower, b"\r"].concat(),
        Dialect::Dsp800 => {
            return vec![
                Step::answered(b"\x04\x01\x50\x31\x17"),
                Step::plain(upper.to_vec()),
                Step::answered(b"\x04\x01\x50\x45\x17"),
                Step::plain(lower.to_vec()),
            ];
        }
        // Row first, in digits.
        Dialect::Wincor => [b"\x1b\x5b1;1H", upper, b"\x1b\x5b2;1H", lower].concat(),
    };
    vec![Step::plain(bytes)]
}

/// Exactly the columns of a line.
fn columns(mut line: Vec<u8>) -> Vec<u8> {
    line.resize(super::lines::COLUMNS, b' ');
    line
}

#[cfg(test)]
mod tests {
    use super::super::code_page::tests::pole;
    use super::*;
    use crate::devices::profile::display::CodePage;
    use crate::devices::profile::template::Template;

    const ALL: [Dialect; 6] = [
        Dialect::Epson,
        Dialect::Cd5220,
        Dialect::Utc,
        Dialect::Aedex,
        Dialect::Dsp800,
        Dialect::Wincor,
    ];

    fn with_select(dialect: Dialect) -> Pole {
        Pole {
            select: Template::try_from("1B 74 11".to_owned()).unwrap(),
            ..pole(dialect, CodePage::Cp866)
        }
    }

    fn bytes(steps: &[Step]) -> Vec<u8> {
        steps.iter().flat_map(|step| step.bytes.clone()).collect()
    }

    #[test]
    fn each_dialect_is_that_of_its_documents() {
        let both = ["A".repeat(20), "B".repeat(20)];
        let (a, b) = (both[0].as_bytes(), both[1].as_bytes());
        let shown = |dialect| bytes(&shown(&with_select(dialect), &both));
        let expected: [&[&[u8]]; 6] = [
            &[&[0x1f, 0x24, 1, 1], a, &[0x1f, 0x24, 1, 2], b],
            &[
                &[0x1b, 0x51, 0x41],
                a,
                &[0x0d, 0x1b, 0x51, 0x42],
                b,
                &[0x0d],
            ],
            &[&[0x10, 0x00], a, &[0x10, 0x14], b],
            &[
                &[0x21, 0x23, 0x31],
                a,
                &[0x0d, 0x21, 0x23, 0x32],
                b,
                &[0x0d],
            ],
            &[&[4, 1, 0x50, 0x31, 0x17], a, &[4, 1, 0x50, 0x45, 0x17], b],
            &[
                &[0x1b, 0x5b, 0x31, 0x3b, 0x31, 0x48],
                a,
                &[0x1b, 0x5b, 0x32, 0x3b, 0x31, 0x48],
                b,
            ],
        ];
        for (dialect, expected) in ALL.into_iter().zip(expected) {
            assert_eq!(shown(dialect), expected.concat(), "{dialect:?}");
        }
    }

    #[test]
    fn a_display_is_cleared_without_a_cursor_and_its_page_is_selected_after_the_reset() {
        let ready = |dialect| bytes(&ready(&with_select(dialect)));
        let spaces = " ".repeat(20);
        let aedex = format!("\x1b\x74\x11!#1{spaces}\r!#2{spaces}\r");
        let expected: [&[u8]; 6] = [
            &[0x1b, 0x40, 0x1b, 0x74, 0x11, 0x1f, 0x01, 0x1f, 0x43, 0x00],
            &[0x0c, 0x1b, 0x40, 0x1b, 0x74, 0x11, 0x1b, 0x5f, 0x00],
            &[0x1f, 0x11, 0x14, 0x1b, 0x74, 0x11],
            aedex.as_bytes(),
            &[4, 1, 0x43, 0x31, 0x58, 0x17, 0x1b, 0x74, 0x11],
            &[0x1b, 0x5b, 0x32, 0x4a, 0x1b, 0x74, 0x11],
        ];
        for (dialect, expected) in ALL.into_iter().zip(expected) {
            assert_eq!(ready(dialect), expected, "{dialect:?}");
        }
    }

    #[test]
    fn lines_of_any_length_become_twenty_columns_and_only_dsp_800_is_waited_for() {
        for dialect in ALL {
            let pole = with_select(dialect);
            let whole = bytes(&shown(&pole, &["x".repeat(20), "x".repeat(20)])).len();
            let odd = ["x".repeat(33), String::new()];
            let steps = shown(&pole, &odd);
            assert_eq!(bytes(&steps).len(), whole);
            let answered = steps
                .iter()
                .filter(|step| step.after == After::Answer)
                .count();
            assert_eq!(answered, if dialect == Dialect::Dsp800 { 2 } else { 0 });
        }
    }
}
