//! Scanners: bytes of a device become codes.
//!
//! - `serial`: one thread for each port: open, read, notice the unplugged, open again
//! - [`frame`]: bytes into frames · [`text`]: a frame into text
//!
//! A scanner's thread hands its codes to one bounded queue. When nobody takes them, the oldest stay
//! and the newest are dropped and counted: a cashier who scans a hundred codes into a stopped till
//! would rather not have them all at once later.

pub mod frame;
mod serial;
pub mod text;

use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::SerialLine;
use crate::secret::Secret;

pub use serial::start;

/// How a device is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceState {
    /// Open.
    Connected,
    /// No such node.
    #[default]
    Missing,
    /// Another process has it.
    Busy {
        /// Which, if it can be known.
        holder: Option<String>,
    },
    /// The node does not let us.
    NoPermission,
    /// Anything else.
    Failed(String),
}

impl DeviceState {
    /// The contract's word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            DeviceState::Connected => "connected",
            DeviceState::Missing => "missing",
            DeviceState::Busy { .. } => "busy",
            DeviceState::NoPermission => "no_permission",
            DeviceState::Failed(_) => "failed",
        }
    }
}

/// What a scanner tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannerEvent {
    /// It read a code.
    Scan {
        /// `scanner1`.
        device: String,
        /// What it read.
        code: Secret,
    },
    /// It came or went.
    State {
        /// `scanner1`.
        device: String,
        /// How it is now.
        state: DeviceState,
    },
}

/// A scanner's present facts.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// `scanner1`.
    pub name: String,
    /// The node, as configured.
    pub node: String,
    /// How it is.
    pub state: DeviceState,
    /// Codes handed on.
    pub scans: u64,
    /// Codes dropped: over-long, not text, or nobody took them.
    pub discarded: u64,
    /// Times it was opened after the first.
    pub reconnects: u64,
    /// The last thing that went wrong, English.
    pub last_error: Option<String>,
}

/// A running scanner.
#[derive(Debug)]
pub struct ScannerHandle {
    facts: Arc<Mutex<Snapshot>>,
    wake: Arc<serial::Wake>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl ScannerHandle {
    /// Its present facts.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Stops the thread; it wakes at once and closes its port.
    pub fn stop(mut self) {
        self.wake.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("A scanner's thread died");
        }
    }
}

/// What a scanner is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `scanner1`.
    pub name: String,
    /// Port and line.
    pub line: SerialLine,
    /// How codes end.
    pub framing: frame::Framing,
    /// Where its events go; a full queue drops codes.
    pub events: SyncSender<ScannerEvent>,
}

impl Settings {
    fn node(&self) -> PathBuf {
        self.line.path.clone()
    }
}
