//! Scanners: bytes, reports and keys of a device become codes.
//!
//! - [`supervisor`]: all scanners of the till, and what is plugged in meanwhile · `worker`: one scanner's
//!   thread: open, read, notice the unplugged, open again · [`find`]: which node and profile it is
//! - `source`: an open device · `serial`, [`hid`], [`keyboard`]: its kinds
//! - [`frame`]: bytes into frames · [`text`]: a frame into text
//! - [`vectors`]: the proof that each profile brings, run
//! - `share`: codes that nobody here awaits go on to the till program
//!
//! A scanner's thread hands its codes to one bounded queue. When nobody takes them, the oldest stay
//! and the newest are dropped and counted: a cashier who scans a hundred codes into a stopped till
//! would rather not have them all at once later.

pub(crate) mod find;
pub mod frame;
pub mod hid;
pub mod keyboard;
mod serial;
pub(crate) mod share;
mod source;
pub(crate) mod supervisor;
pub mod text;
pub(crate) mod vectors;
mod worker;

use crate::devices::discovery::access;
use crate::devices::mode::Mode;
use crate::model::scan::{RawScan, Scan};
use crate::texts::cashier;

use find::{DeviceLocator, Target};
pub(crate) use supervisor::Scanners;
pub(crate) use worker::{Events, ScannerHandle, start};

/// The state of a scanner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum DeviceState {
    Connected,
    /// No such node.
    #[default]
    Missing,
    /// Another process has it.
    Busy {
        /// That process as `name (pid)`, if it can be known.
        holder: Option<String>,
    },
    /// The node does not let us.
    NoPermission,
    /// The scanner is there, but speaks otherwise than oplati.conf states.
    WrongMode {
        /// How it speaks.
        is: Mode,
    },
    /// It cannot be used for another reason, as the system reports it.
    Failed(String),
}

impl DeviceState {
    /// The contract's word.
    pub fn word(&self) -> &'static str {
        match self {
            DeviceState::Connected => "connected",
            DeviceState::Missing => "missing",
            DeviceState::Busy { .. } => "busy",
            DeviceState::NoPermission => "no_permission",
            DeviceState::WrongMode { .. } => "wrong_mode",
            DeviceState::Failed(_) => "failed",
        }
    }

    /// Whether it is so, too, while udev has yet to set rights and names.
    fn may_be_udevs_delay(&self) -> bool {
        matches!(
            self,
            DeviceState::NoPermission | DeviceState::WrongMode { .. }
        )
    }

    /// What a person can do, Russian.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            DeviceState::Connected => return None,
            DeviceState::Missing => cashier::CHECK_CABLE_REMEDY.to_owned(),
            DeviceState::Busy {
                holder: Some(holder),
            } => cashier::scanner_held_remedy(holder),
            DeviceState::Busy { holder: None } => cashier::SCANNER_BUSY_REMEDY.to_owned(),
            DeviceState::NoPermission => cashier::SCANNER_NO_PERMISSION_REMEDY.to_owned(),
            DeviceState::WrongMode { is } => {
                cashier::scanner_wrong_mode_remedy(is.words().ru, is.word())
            }
            DeviceState::Failed(_) => cashier::SCANNER_FAILED_REMEDY.to_owned(),
        })
    }
}

/// What a scanner has read, and how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScannerEvent {
    Scan(Scan),
    /// It sent what is no code; the till program may know better.
    Unread {
        device: String,
        raw: RawScan,
    },
    /// What belongs to the code before: it goes where that went.
    Trailing {
        device: String,
        raw: RawScan,
    },
    /// It came or went.
    State {
        device: String,
        state: DeviceState,
    },
}

/// A scanner's present facts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub name: String,
    /// The node, as configured, or as found.
    pub node: String,
    pub state: DeviceState,
    /// The profile that holds.
    pub profile: Option<String>,
    /// What the device reports of itself: maker, product, serial number, release.
    pub identity: Option<String>,
    /// Its answer to a firmware query, where its profile has one.
    pub firmware: Option<String>,
    /// Codes handed on.
    pub scans: u64,
    /// Codes dropped: over-long, spoilt, not text, or nobody took them.
    pub discarded: u64,
    /// Codes that only silence has ended: the scanner sends no terminator.
    pub unterminated: u64,
    /// Codes that should have gone on to the till program and could not: it does not listen.
    pub not_shared: u64,
    /// Times it was opened after the first.
    pub reconnects: u64,
    /// The last thing that went wrong, English.
    pub last_error: Option<String>,
}

/// What a scanner's thread is started with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub name: String,
    pub target: Target,
    /// What is known about devices.
    pub locator: DeviceLocator,
    /// How codes go on to the till program, if they do.
    pub share: Option<share::Sharing>,
    /// Where its events go; a full queue drops codes.
    pub events: Events,
}

impl Settings {
    /// The node as configured.
    fn place(&self) -> String {
        let named = self.target.named();
        named.map_or_else(|| "auto".to_owned(), |(path, _)| path.display().to_string())
    }

    /// Whether no setting names one.
    fn is_optional(&self) -> bool {
        self.target.named().is_none()
    }
}

/// Why a node could not be opened.
fn not_opened(error: &std::io::Error) -> (DeviceState, String) {
    let why = error.to_string();
    let state = if access::is_gone(error) {
        DeviceState::Missing
    } else if error.kind() == std::io::ErrorKind::PermissionDenied {
        DeviceState::NoPermission
    } else {
        DeviceState::Failed(why.clone())
    };
    (state, why)
}
