//! A profile's file. Unknown keys are errors: a misspelt one would be a default that nobody meant.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::template::Template;
use crate::devices::mode::Mode;
use crate::model::line::{Layout, LineSettings, Parity};

/// The only version there is.
pub(crate) const SCHEMA: u32 = 1;

/// One model, or one kind of devices.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub schema: u32,
    /// The file's name without its ending; stable, used in oplati.conf and by the API.
    pub id: String,
    pub kind: Kind,
    pub vendor: String,
    pub model: String,
    pub status: Status,
    /// Where each fact comes from.
    pub sources: Vec<String>,
    /// For the technician, Russian.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What it is known by; any one is enough. Without any it is used by name only.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Serial>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hid: Option<Hid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyboard: Option<Keyboard>,
    /// Executable proof: what comes in, what is read.
    #[serde(default, rename = "vector", skip_serializing_if = "Vec::is_empty")]
    pub vectors: Vec<Vector>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Scanner,
    Display,
}

/// How sure a profile is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// A capture of the real device is among the tests.
    Tested,
    /// Two sources that do not depend on each other agree.
    Reported,
    /// One source.
    Untested,
}

/// What a device is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Match {
    pub mode: Mode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vid: Option<u16>,
    /// USB product; without it, any product of the vendor, which is enough for HID POS only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u16>,
    /// The bits of the product that count, for makers who number by a pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_mask: Option<u16>,
    /// A USB bridge that all sorts of devices have: listed, and never taken unasked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub generic_bridge: bool,
}

/// What ends a code on a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Terminator {
    /// CR, LF or CRLF, or else silence.
    Line,
    /// CR and LF together, or else silence; either alone is part of the code.
    Crlf,
    /// Silence only: CR and LF are part of the code.
    Quiet,
}

/// The settings of a serial port, and how codes end on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Serial {
    /// Bits a second.
    pub baud: u32,
    /// 7 or 8.
    pub data_bits: u8,
    /// The parity bit of each character.
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
    /// What ends a code beside silence.
    pub terminator: Terminator,
    /// Silence that ends a code, milliseconds.
    pub quiet_ms: u16,
    /// The scanner waits for ACK (06) after each code, and repeats it after NAK (15).
    pub acknowledge: bool,
}

impl Default for Serial {
    fn default() -> Serial {
        Serial {
            baud: 9600,
            data_bits: 8,
            parity: Parity::None,
            stop_bits: 1,
            terminator: Terminator::Line,
            quiet_ms: 100,
            acknowledge: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hid {
    /// How long the next report of the same code may take, milliseconds.
    pub continuation_ms: u16,
    /// A feature report that is sent when the device is opened; a device that refuses it is fine.
    pub open_feature: Vec<u8>,
    /// An output report that asks for the firmware, its number first; sent when the device is opened,
    /// if its descriptor has such a report. The answer comes as one to a command.
    pub firmware_query: Template,
}

impl Default for Hid {
    fn default() -> Hid {
        Hid {
            continuation_ms: 500,
            open_feature: Vec::new(),
            firmware_query: Template::default(),
        }
    }
}

/// How a keyboard scanner types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keyboard {
    /// The layout that the scanner types in; `[Scanner] layout` overrides it.
    pub layout: Layout,
    /// Silence that ends a code, milliseconds.
    pub quiet_ms: u16,
}

impl Default for Keyboard {
    fn default() -> Keyboard {
        Keyboard {
            layout: Layout::Us,
            quiet_ms: 100,
        }
    }
}

/// What comes in, and the codes that are read from it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    pub mode: Mode,
    /// HID POS: the report descriptor, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<String>,
    /// Serial: bytes; HID POS: one report each; hexadecimal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hex: Vec<String>,
    /// Keyboard: key codes of Linux in the order of events, `+42` pressed, `-42` released, `30` both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    pub codes: Vec<String>,
}

impl Hid {
    /// Whether it has a command, so that it may answer one.
    pub fn answers_commands(&self) -> bool {
        self.firmware_query != Template::default()
    }
}

impl Serial {
    /// Silence that ends a code.
    pub fn quiet(&self) -> Duration {
        Duration::from_millis(self.quiet_ms.into())
    }

    /// The settings of the port alone.
    pub fn line(&self) -> LineSettings {
        LineSettings {
            baud: self.baud,
            data_bits: self.data_bits,
            parity: self.parity,
            stop_bits: self.stop_bits,
        }
    }
}

/// The settings of each mode, those of the defaults where the file has none.
impl Profile {
    pub fn serial(&self) -> Serial {
        self.serial.unwrap_or_default()
    }

    pub fn hid(&self) -> Hid {
        self.hid.clone().unwrap_or_default()
    }

    pub fn keyboard(&self) -> Keyboard {
        self.keyboard.unwrap_or_default()
    }

    /// Checks what goes beyond the form; the error names the first fault, its place and what is allowed, in English.
    pub fn validate(&self) -> Result<(), String> {
        validate_head(self.schema, &self.id, &self.sources)?;
        self.matches.iter().try_for_each(Match::validate)?;
        if let Some(serial) = &self.serial {
            serial.validate()?;
        }
        let times = [
            self.hid.as_ref().map(|hid| ("hid", hid.continuation_ms)),
            self.keyboard.map(|keys| ("keyboard", keys.quiet_ms)),
        ];
        for (place, ms) in times.into_iter().flatten() {
            if !(10..=5000).contains(&ms) {
                return Err(format!(
                    "[{place}] {ms} ms: 10 to 5000 milliseconds are allowed"
                ));
            }
        }
        if let Some(hid) = &self.hid {
            if hid.open_feature.len() > 64 {
                return Err("[hid] open_feature: at most 64 bytes".to_owned());
            }
            validate_fixed("[hid] firmware_query", &hid.firmware_query)?;
        }
        Ok(())
    }
}

/// Bytes that are sent as they are; `place` is the table and the key in the file.
pub(super) fn validate_fixed(place: &str, bytes: &Template) -> Result<(), String> {
    if bytes.fixed().is_none_or(|bytes| bytes.len() > 64) {
        return Err(format!(
            "{place}: at most 64 bytes with nothing to be filled in"
        ));
    }
    Ok(())
}

/// What every profile has, whatever its kind.
pub(super) fn validate_head(schema: u32, id: &str, sources: &[String]) -> Result<(), String> {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if schema != SCHEMA {
        return Err(format!("schema = {schema}: this version reads {SCHEMA}"));
    }
    if id.is_empty() || id.len() > 64 || !id.bytes().all(fine) {
        return Err(format!("id = {id:?}: 1 to 64 of a-z 0-9 - are allowed"));
    }
    if sources.is_empty() {
        return Err("sources: at least one is needed".to_owned());
    }
    Ok(())
}

impl Match {
    pub(super) fn validate(&self) -> Result<(), String> {
        let exact = self.vid.is_some() && self.pid.is_some();
        if self.pid.is_some() && self.vid.is_none() || self.pid_mask.is_some() && !exact {
            return Err("[[match]] pid needs vid, and pid_mask needs both".to_owned());
        }
        if let (Some(pid), Some(mask)) = (self.pid, self.pid_mask)
            && (pid & !mask != 0 || !matches!(mask, 0x00ff | 0xff00 | 0x0fff | 0xfff0))
        {
            return Err(format!(
                "[[match]] pid_mask = {mask:#06x}: 0x00ff, 0xff00, 0x0fff or 0xfff0, and no bit of pid outside it"
            ));
        }
        if self.generic_bridge && (self.mode != Mode::Serial || self.vid.is_none()) {
            return Err(
                "[[match]] generic_bridge: for mode = \"serial\" with a vid only".to_owned(),
            );
        }
        if !exact && !self.generic_bridge && self.mode != Mode::HidPos {
            return Err(
                "[[match]] vid and pid are needed: only HID POS is known by its descriptor"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

impl Serial {
    fn validate(&self) -> Result<(), String> {
        self.line().validate("serial")?;
        if !(10..=5000).contains(&self.quiet_ms) {
            return Err(format!(
                "[serial] quiet_ms = {}: 10 to 5000 are allowed",
                self.quiet_ms
            ));
        }
        Ok(())
    }
}
