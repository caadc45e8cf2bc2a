//! Serial lines and keyboard layouts, as settings and device profiles name them.

use serde::{Deserialize, Serialize};

/// Speeds that serial ports of tills have, bits a second.
pub const BAUDS: [u32; 10] = [
    1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800,
];

/// Bits of a character and their parity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parity {
    /// N.
    #[default]
    None,
    /// E.
    Even,
    /// O.
    Odd,
}

/// A serial port's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LineSettings {
    /// Bits a second.
    pub baud: u32,
    /// 7 or 8.
    pub data_bits: u8,
    /// Parity.
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
}

/// 9600 8N1.
impl Default for LineSettings {
    fn default() -> LineSettings {
        LineSettings {
            baud: 9600,
            data_bits: 8,
            parity: Parity::None,
            stop_bits: 1,
        }
    }
}

/// Layouts that keyboard scanners type in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// US.
    #[default]
    Us,
    /// Russian (Windows).
    Ru,
}

impl LineSettings {
    /// Whether a port can be set so; `place` is the table of the file that states it.
    ///
    /// # Errors
    /// What is wrong, English, with what is allowed.
    pub fn validate(&self, place: &str) -> Result<(), String> {
        if !BAUDS.contains(&self.baud) {
            return Err(format!(
                "[{place}] baud = {}: one of {BAUDS:?} is allowed",
                self.baud
            ));
        }
        if !matches!(self.data_bits, 7 | 8) || !matches!(self.stop_bits, 1 | 2) {
            return Err(format!(
                "[{place}] data_bits 7 or 8 and stop_bits 1 or 2 are allowed"
            ));
        }
        Ok(())
    }
}
