//! Codes that no operation here awaits go on to the till program, exactly as the scanner sent them.
//!
//! - `pty`: a pseudo-terminal with a stable name, for serial and HID POS scanners
//! - `virtual_keyboard`: a virtual keyboard, for keyboard scanners, and for HID POS if the shop wants it
//!
//! What is passed on waits in a short queue of a thread of its own: typing is paced, and a till that
//! reads slowly or not at all holds up nothing. A code that does not fit is dropped and counted; of one that
//! a till has begun to read, the piece is a line of its own.
//! An end that cannot be made, for example because `uinput` is loaded later, is tried again at each uevent and at
//! each slow rescan.

mod pty;
mod virtual_keyboard;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use crate::devices::mode::Mode;
use crate::model::scan::RawScan;

/// Codes that may wait.
const QUEUE: usize = 16;

/// What a shop set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Where the names of pseudo-terminals are.
    pub folder: PathBuf,
    /// HID POS codes are typed, and not written to a pseudo-terminal.
    pub types_reports: bool,
}

/// Removes what an earlier daemon has left in the folder of shared scanners; to be called before any is shared.
pub fn remove_stale(folder: &Path) {
    pty::remove_stale(folder);
}

/// A till's end of a scanner.
#[derive(Debug)]
pub(super) struct Forwarder {
    /// The kind of scanner that it was made for; `None` when it could not be made: then nobody takes from
    /// the queue, and each code counts as missed.
    made_for: Option<Mode>,
    /// Why it could not be made; logged once, however often it is tried.
    failure: Option<String>,
    /// The name of its terminal, which is gone before the terminal is: the fields fall in this order.
    _link: Option<pty::Link>,
    queue: SyncSender<RawScan>,
    missed: Missed,
}

/// Counts codes that the till program did not get.
type Missed = Arc<AtomicU64>;

impl Forwarder {
    /// Makes the till's end, which goes on counting where the one before ended; when that is impossible it
    /// is logged, and codes are dropped.
    pub(super) fn start(
        name: &str,
        mode: Mode,
        sharing: &Sharing,
        before: Option<&Forwarder>,
    ) -> Forwarder {
        let (queue, waiting) = sync_channel(QUEUE);
        let types = mode == Mode::Keyboard || mode == Mode::HidPos && sharing.types_reports;
        let missed = before.map_or_else(Missed::default, |forwarder| Arc::clone(&forwarder.missed));
        let count = Arc::clone(&missed);
        let begun = if types {
            virtual_keyboard::start(name, waiting, count).map(|place| (place, None))
        } else {
            pty::start(name, &sharing.folder, waiting, count)
                .map(|link| (link.path().display().to_string(), Some(link)))
        };
        let made_for = begun.is_ok().then_some(mode);
        let (link, failure) = match begun {
            Ok((place, link)) => {
                tracing::info!(device = name, place, "Codes for the till program go here");
                (link, None)
            }
            Err(error) => (None, Some(error.to_string())),
        };
        if let Some(error) = &failure
            && before.and_then(|forwarder| forwarder.failure.as_ref()) != Some(error)
        {
            tracing::error!(device = name, error, "The scanner cannot be shared");
        }
        Forwarder {
            made_for,
            failure,
            _link: link,
            queue,
            missed,
        }
    }

    /// Whether it was made, and for this kind of scanner.
    pub(super) fn serves(&self, mode: Mode) -> bool {
        self.made_for == Some(mode)
    }

    /// Whether it could not be made and is to be tried again.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Takes it, or counts it as missed.
    pub(super) fn pass_on(&self, raw: RawScan) {
        if self.queue.try_send(raw).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Codes that the till program did not get so far.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}
