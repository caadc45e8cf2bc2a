//! A profile of a display on a serial port: a QR box or a pole display.
//!
//! What a QR box is sent is data: each command is a [`Template`]. A pole display's dialect is code, since
//! cursor modes and acknowledgements are procedures; its code page and the bytes that select it are data,
//! because they differ by maker.

use serde::{Deserialize, Serialize};

use super::schema::{Kind, Match, Status, validate_fixed, validate_head};
use super::template::Template;
use crate::devices::mode::Mode;
use crate::model::line::LineSettings;

/// What a QR code of the largest version holds, bytes: the limit of a box whose own is not known.
pub(crate) const QR_BYTES: u16 = 2953;
/// Most bytes of a template, filled with the longest payload.
const MAX_BYTES: usize = 4096;

/// One model of display, or one kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DisplayProfile {
    pub schema: u32,
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
    /// USB numbers that only this display has; they give it rights and a stable name.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,
    /// The port's settings; those of oplati.conf override them.
    #[serde(default)]
    pub line: LineSettings,
    /// A box that draws QR codes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qr_box: Option<QrBox>,
    /// A display of two lines of twenty characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pole: Option<Pole>,
    /// Executable proof: a scene, and the bytes that show it.
    #[serde(default, rename = "vector", skip_serializing_if = "Vec::is_empty")]
    pub vectors: Vec<Shown>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QrBox {
    /// Longest payload, bytes; without it only a QR code's own limit is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_max: Option<u16>,
    /// Texts that a payload must not hold, since they would end it.
    #[serde(default)]
    pub payload_without: Vec<String>,
    /// Shows nothing, or a welcome.
    pub clear: Template,
    /// Shows a code.
    pub qr: Template,
    /// Shows that it is paid.
    pub paid: Template,
    /// Shows that it is not.
    pub failed: Template,
    /// Shows that it was cancelled; without it, as `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<Template>,
    /// Asks for the firmware; sent once the box is cleared after the opening.
    #[serde(default)]
    pub firmware_query: Template,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pole {
    pub dialect: Dialect,
    pub code_page: CodePage,
    /// Selects the code page, after the display was initialised.
    #[serde(default)]
    pub select: Template,
    /// Letters of the page that the display's font lacks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lacks: String,
}

/// Command sets of pole displays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dialect {
    /// Epson ESC/POS.
    Epson,
    /// PTC, Partner and many clones.
    Cd5220,
    /// UTC, Logic Controls.
    Utc,
    /// AEDEX, EMAX.
    Aedex,
    /// DSP-800, which acknowledges.
    Dsp800,
    /// Wincor BA63, BA66.
    Wincor,
}

/// Encodings of pole displays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CodePage {
    Cp866,
    Cp1251,
    /// Latin letters only: Russian words are transliterated.
    Ascii,
}

/// A vector: a scene of the samples in Russian, or `ready` for what follows the opening, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shown {
    /// `ready`, `paid`, `qr` and so on.
    pub scene: String,
    /// All bytes that are sent, with nothing to be filled in.
    pub bytes: Template,
}

impl DisplayProfile {
    /// Checks what goes beyond the form; the error names the first fault, in English.
    pub fn validate(&self) -> Result<(), String> {
        validate_head(self.schema, &self.id, &self.sources)?;
        self.line.validate("line")?;
        for claim in &self.matches {
            claim.validate()?;
            let exact = claim.mode == Mode::Serial && claim.pid_mask.is_none();
            if !exact || claim.generic_bridge {
                return Err(
                    "[[match]] of a display: mode = \"serial\" with vid and pid only".to_owned(),
                );
            }
        }
        match (&self.qr_box, &self.pole) {
            (Some(qr_box), None) => qr_box.validate()?,
            (None, Some(pole)) => pole.validate()?,
            (Some(_), Some(_)) | (None, None) => {
                return Err("exactly one of [qr_box] and [pole] is needed".to_owned());
            }
        }
        let open = self.vectors.iter().find(|one| one.bytes.fixed().is_none());
        if let Some(vector) = open {
            let scene = &vector.scene;
            return Err(format!(
                "[[vector]] of scene {scene}: bytes with nothing to be filled in"
            ));
        }
        Ok(())
    }
}

impl QrBox {
    /// Longest payload, bytes.
    pub fn limit(&self) -> u16 {
        self.payload_max.unwrap_or(QR_BYTES)
    }

    fn validate(&self) -> Result<(), String> {
        let limit = self.limit();
        if !(20..=QR_BYTES).contains(&limit) {
            return Err(format!(
                "[qr_box] payload_max = {limit}: 20 to {QR_BYTES} bytes are allowed"
            ));
        }
        let longest = vec![b'x'; limit.into()];
        let filled = self.qr.filled(&longest, "", "").ok_or_else(|| {
            format!("[qr_box] qr: {limit} bytes of payload_max have no room in its length")
        })?;
        if !self.qr.has_payload() || filled.len() > MAX_BYTES {
            return Err(format!(
                "[qr_box] qr: {{payload}}, and at most {MAX_BYTES} bytes"
            ));
        }
        let others = [
            ("clear", Some(&self.clear)),
            ("paid", Some(&self.paid)),
            ("failed", Some(&self.failed)),
            ("cancelled", self.cancelled.as_ref()),
        ];
        for (name, template) in others {
            let Some(template) = template else { continue };
            let filled = template.filled(b"", "", "").unwrap_or_default();
            if template.has_payload() || filled.is_empty() || filled.len() > MAX_BYTES {
                return Err(format!(
                    "[qr_box] {name}: 1 to {MAX_BYTES} bytes without {{payload}}"
                ));
            }
        }
        validate_fixed("[qr_box] firmware_query", &self.firmware_query)?;
        if self.payload_without.iter().any(String::is_empty) {
            return Err("[qr_box] payload_without: no empty text".to_owned());
        }
        Ok(())
    }
}

impl Pole {
    fn validate(&self) -> Result<(), String> {
        validate_fixed("[pole] select", &self.select)?;
        if self.lacks.chars().any(|letter| letter.is_ascii()) {
            return Err("[pole] lacks: letters beyond ASCII only".to_owned());
        }
        Ok(())
    }
}
