//! Keyboard scanners: they type, and evdev gives their keys before any desktop sees them.
//!
//! - [`keymap`]: keys into characters · [`decode`]: strokes into codes
//!
//! Every event node of the device is grabbed: a device may have several and type on any. A node is
//! grabbed when no key of it is down; the release of a key that was pressed before would never reach
//! the desktop, and the key would repeat there for ever.
//!
//! A cordless scanner that wakes is plugged in and types at once, and what it typed before its node was
//! grabbed is lost here (`partial_first_code`). The USB host asks other scanners for a code only when somebody
//! opens them, so that they keep it.

pub mod decode;
pub mod keymap;
mod partial_first_code;

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use evdev::raw_stream::RawDevice;
use evdev::{EventType, InputEvent};
use rustix::fs::{Mode, OFlags};

use super::source::{Decoded, Source};
use super::text::{Aim, decode as text_of};
use super::{DeviceState, not_opened};
use crate::devices::discovery::port::is_passing;
use crate::devices::profile::schema::Keyboard;
use crate::model::scan::RawScan;
use decode::{Decoder, Typed};
use partial_first_code::FirstCode;

/// How long keys that are down are waited for before their nodes are grabbed all the same.
const LET_GO: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
const MILLISECOND: Duration = Duration::from_millis(1);
/// `SYN_DROPPED`.
const DROPPED: u16 = 3;

/// Open, grabbed nodes of one device.
#[derive(Debug)]
pub(super) struct KeyboardSource {
    nodes: Vec<RawDevice>,
    decoder: Decoder,
    first_code: FirstCode,
    /// Codes without their beginning.
    cut: u64,
}

impl KeyboardSource {
    pub(super) fn open(
        nodes: &[PathBuf],
        settings: Keyboard,
    ) -> Result<KeyboardSource, (DeviceState, String)> {
        let patience = Instant::now() + LET_GO;
        let nodes = nodes.iter().map(|node| grabbed(node, patience));
        let nodes = nodes.collect::<Result<_, _>>()?;
        let quiet = Duration::from_millis(settings.quiet_ms.into());
        // The clock gives whole milliseconds that have passed: the present one has not.
        let since_epoch = crate::base::clock::wall().as_duration().unsigned_abs() + MILLISECOND;
        let first_code = FirstCode::new(SystemTime::UNIX_EPOCH + since_epoch, quiet);
        Ok(KeyboardSource {
            nodes,
            decoder: Decoder::new(settings),
            first_code,
            cut: 0,
        })
    }

    /// A code whose beginning nobody read here is none. It goes on to the till, which has read the beginning
    /// while nobody had grabbed the node.
    fn decoded(&mut self, typed: Typed) -> Decoded {
        let is_cut = self.first_code.ends_cut() && typed.text.is_some();
        self.cut += u64::from(is_cut);
        let text = typed.text.filter(|_| !is_cut);
        Decoded::Code {
            code: text.and_then(|text| text_of(text.as_bytes(), Aim::Strip)),
            raw: RawScan::Keys(typed.strokes),
        }
    }

    fn push(&mut self, event: InputEvent, now: Duration) -> Option<Decoded> {
        match (event.event_type(), event.code()) {
            (EventType::KEY, key) => {
                if event.value() == 1 {
                    self.first_code.key(event.timestamp());
                }
                let typed = self.decoder.push(key, event.value(), now)?;
                return Some(self.decoded(typed));
            }
            (EventType::SYNCHRONIZATION, DROPPED) => self.decoder.dropped(now),
            _ => {}
        }
        None
    }
}

/// The node, grabbed; a key that is down is waited for until `patience` at most.
fn grabbed(node: &Path, patience: Instant) -> Result<RawDevice, (DeviceState, String)> {
    let open = || -> io::Result<RawDevice> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        RawDevice::from_fd(rustix::fs::open(node, flags, Mode::empty())?)
    };
    let mut device = open().map_err(|error| not_opened(&error))?;
    let failed = |error: io::Error| {
        // EBUSY: somebody else has grabbed it. Who, the kernel does not report: the desktop has it open, too.
        if error.kind() == io::ErrorKind::ResourceBusy {
            return (DeviceState::Busy { holder: None }, error.to_string());
        }
        not_opened(&error)
    };
    while Instant::now() < patience {
        // Each look drops the keys that wait for us (`evdev_handle_get_val`): listening begins after it.
        let held = device.get_key_state().map_err(failed)?;
        if held.iter().next().is_none() {
            break;
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    device.grab().map_err(failed)?;
    Ok(device)
}

impl Source for KeyboardSource {
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.nodes.iter().map(|node| node.as_fd()).collect()
    }

    fn read(&mut self, now: Duration) -> Result<Vec<Decoded>, String> {
        let mut decoded = Vec::new();
        for index in 0..self.nodes.len() {
            let Some(node) = self.nodes.get_mut(index) else {
                break;
            };
            match node.fetch_events().map(Iterator::collect::<Vec<_>>) {
                Ok(events) => {
                    decoded.extend(events.into_iter().filter_map(|event| self.push(event, now)));
                }
                Err(error) if is_passing(&error) => {}
                Err(_) if !decoded.is_empty() => break,
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(decoded)
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.decoder.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Duration) -> Vec<Decoded> {
        let typed = self.decoder.handle_timeout(now);
        typed.into_iter().map(|typed| self.decoded(typed)).collect()
    }

    fn discarded(&self) -> u64 {
        self.decoder.discarded() + self.cut
    }
}
