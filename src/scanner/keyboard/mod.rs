//! Keyboard scanners: they type, and evdev gives their keys before any desktop sees them.
//!
//! - [`keymap`]: keys into characters · [`decode`]: strokes into codes
//!
//! Every event node of the device is grabbed: a device may have several and type on any. A node is
//! grabbed when no key of it is down; the release of a key that was pressed before would never reach
//! the desktop, and the key would repeat there for ever.

pub mod decode;
pub mod keymap;

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use evdev::EventType;
use evdev::raw_stream::RawDevice;
use rustix::fs::{Mode, OFlags};

use super::source::{Original, Piece, Source, is_passing};
use super::text::{Aim, decode as text_of};
use super::{DeviceState, not_opened};
use crate::profile::schema::Keyboard;
use decode::{Decoder, Typed};

/// How long a key that is down is waited for before its node is grabbed all the same.
const LET_GO: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// `SYN_DROPPED`.
const DROPPED: u16 = 3;

/// Open, grabbed nodes of one device.
#[derive(Debug)]
pub(super) struct KeyboardSource {
    nodes: Vec<RawDevice>,
    decoder: Decoder,
}

impl KeyboardSource {
    pub(super) fn open(
        nodes: &[PathBuf],
        settings: Keyboard,
    ) -> Result<KeyboardSource, (DeviceState, String)> {
        let nodes = nodes.iter().map(|node| grabbed(node));
        Ok(KeyboardSource {
            nodes: nodes.collect::<Result<_, _>>()?,
            decoder: Decoder::new(settings),
        })
    }
}

fn grabbed(node: &Path) -> Result<RawDevice, (DeviceState, String)> {
    let open = || -> io::Result<RawDevice> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        RawDevice::from_fd(rustix::fs::open(node, flags, Mode::empty())?)
    };
    let mut device = open().map_err(|error| not_opened(&error))?;
    let failed = |error: io::Error| {
        // EBUSY: somebody else has grabbed it.
        if error.kind() == io::ErrorKind::ResourceBusy {
            let holder = crate::discover::access::holder(node);
            return (DeviceState::Busy { holder }, error.to_string());
        }
        not_opened(&error)
    };
    let patience = Instant::now() + LET_GO;
    while Instant::now() < patience {
        let held = device.get_key_state().map_err(failed)?;
        if held.iter().next().is_none() {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    device.grab().map_err(failed)?;
    Ok(device)
}

fn piece(typed: Typed) -> Piece {
    let text = typed.text.as_deref();
    Piece::Code {
        code: text.and_then(|text| text_of(text.as_bytes(), Aim::Strip)),
        original: Original::Keys(typed.strokes),
    }
}

impl Source for KeyboardSource {
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.nodes.iter().map(|node| node.as_fd()).collect()
    }

    fn read(&mut self, now: Duration) -> Result<Vec<Piece>, String> {
        let KeyboardSource { nodes, decoder } = self;
        let mut pieces = Vec::new();
        for node in nodes {
            match node.fetch_events() {
                Ok(events) => {
                    for event in events {
                        let kind = event.event_type();
                        if kind == EventType::KEY {
                            let typed = decoder.push(event.code(), event.value(), now);
                            pieces.extend(typed.map(piece));
                        } else if kind == EventType::SYNCHRONIZATION && event.code() == DROPPED {
                            decoder.dropped(now);
                        }
                    }
                }
                Err(error) if is_passing(&error) => {}
                Err(_) if !pieces.is_empty() => break,
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(pieces)
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.decoder.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Duration) -> Vec<Piece> {
        let typed = self.decoder.handle_timeout(now);
        typed.into_iter().map(piece).collect()
    }

    fn discarded(&self) -> u64 {
        self.decoder.discarded()
    }
}
