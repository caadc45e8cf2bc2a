//! The till program gets the scanner's keys from a virtual keyboard (uinput).
//!
//! Strokes are repeated as they were struck, so that layout, Caps Lock and terminator mean to the till
//! what they meant before. They are paced: a reader of the desktop has room for some sixty events, and
//! what it misses is lost.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use evdev::uinput::VirtualDevice;
use evdev::{AttributeSet, BusType, InputEvent, InputId, KeyCode};

use super::super::keyboard::keymap::key_of;
use super::Missed;
use crate::devices::discovery::sysfs::OWN_KEYBOARD;
use crate::model::scan::RawScan;
use crate::model::scan::Stroke;

/// Between two strokes. The fastest scanners take as long for a character; a desktop that is busy for
/// longer than 30 ms loses keys of theirs as well.
const PACE: Duration = Duration::from_millis(1);
/// GS.
const SEPARATOR: u8 = 0x1d;
const LEFT_CTRL: u16 = 29;
const LEFT_SHIFT: u16 = 42;
const ENTER: u16 = 28;
/// Keys of a keyboard: buttons of mice and joysticks begin above.
const LAST_KEY: u16 = 248;

pub(super) fn start(name: &str, waiting: Receiver<RawScan>, missed: Missed) -> io::Result<String> {
    let mut keys = AttributeSet::<KeyCode>::new();
    for key in 1..=LAST_KEY {
        keys.insert(KeyCode::new(key));
    }
    let title = format!("{OWN_KEYBOARD} {name}");
    let mut keyboard = VirtualDevice::builder()?
        .name(&title)
        .input_id(InputId::new(BusType::BUS_VIRTUAL, 0, 0, 1))
        .with_keys(&keys)?
        .build()?;
    let device = name.to_owned();
    std::thread::Builder::new()
        .name(format!("oplati-share-{name}"))
        .spawn(move || {
            for raw in waiting {
                if let Err(error) = strike(&mut keyboard, raw) {
                    missed.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(device, %error, "A code is not typed for the till program");
                }
            }
        })?;
    Ok(title)
}

fn strike(keyboard: &mut VirtualDevice, raw: RawScan) -> io::Result<()> {
    let strokes = match raw {
        RawScan::Keys(strokes) => strokes,
        RawScan::Report(code) => strokes_of(&code)
            .ok_or_else(|| io::Error::other("a character has no key in the US layout"))?,
        RawScan::Bytes(_) => return Ok(()),
    };
    for (key, pressed) in strokes {
        let value = i32::from(pressed);
        keyboard.emit(&[InputEvent::new(evdev::EventType::KEY.0, key, value)])?;
        std::thread::sleep(PACE);
    }
    Ok(())
}

/// The strokes that type a code in the US layout, and Enter. The separator of goods' marks is Ctrl and
/// `]`, as scanners type it; no other control character is typed: to a desktop they are commands.
fn strokes_of(code: &[u8]) -> Option<Vec<Stroke>> {
    let mut strokes = Vec::new();
    for byte in code {
        if *byte == SEPARATOR {
            let (key, _) = key_of(']')?;
            strokes.extend([
                (LEFT_CTRL, true),
                (key, true),
                (key, false),
                (LEFT_CTRL, false),
            ]);
            continue;
        }
        let (key, shift) = key_of(char::from(*byte))?;
        if shift {
            strokes.push((LEFT_SHIFT, true));
        }
        strokes.extend([(key, true), (key, false)]);
        if shift {
            strokes.push((LEFT_SHIFT, false));
        }
    }
    strokes.extend([(ENTER, true), (ENTER, false)]);
    Some(strokes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_typed_with_shift_and_enter() {
        let strokes = strokes_of(b"aB").unwrap();
        let expected = [
            (30, true),
            (30, false),
            (42, true),
            (48, true),
            (48, false),
            (42, false),
            (28, true),
            (28, false),
        ];
        assert_eq!(strokes, expected);
        assert_eq!(strokes_of("я".as_bytes()), None);
        let separator = [(29, true), (27, true), (27, false), (29, false)];
        assert_eq!(strokes_of(b"\x1d").unwrap()[..4], separator);
        assert_eq!(strokes_of(b"a\x03"), None, "Ctrl+C is a command");
    }
}
