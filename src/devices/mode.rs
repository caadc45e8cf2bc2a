//! How a scanner speaks to the computer.

use serde::{Deserialize, Serialize};

use crate::texts::technician::{self, Text};

/// How a scanner speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// RS-232, CDC-ACM or a USB bridge: `/dev/tty*`.
    Serial,
    /// Usage page 8C: `/dev/hidraw*`.
    HidPos,
    /// It types: `/dev/input/event*`.
    Keyboard,
}

impl Mode {
    /// The word that `[Scanner] device` has for it.
    pub fn word(self) -> &'static str {
        match self {
            Mode::Serial => "serial",
            Mode::HidPos => "hid",
            Mode::Keyboard => "keyboard",
        }
    }

    /// For people, in Russian in the genitive.
    pub fn words(self) -> Text {
        match self {
            Mode::Serial => technician::MODE_SERIAL,
            Mode::HidPos => technician::MODE_HID,
            Mode::Keyboard => technician::MODE_KEYBOARD,
        }
    }
}
