//! A serial port: RS-232, CDC-ACM, a USB bridge, a pseudo-terminal.
//!
//! A hang-up, an I/O error and a read of nothing all mean that the device has gone; a terminal without
//! a device gives "nothing" for ever, and a reader that asks again at once would keep a core busy.

use std::io::{Read as _, Write as _};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use serialport::TTYPort;

use super::DeviceState;
use super::frame::{Frame, Framer, Framing};
use super::source::{Decoded, Source};
use super::text::{Aim, decode};
use crate::base::poll::wait_for;
use crate::devices::discovery::port::{self, PortError, is_passing};
use crate::devices::profile::schema::Serial;
use crate::model::scan::RawScan;

/// What one read takes.
const CHUNK: usize = 1024;
/// Start, data, parity and stop.
const BITS_OF_CHARACTER: u64 = 11;
/// A port on USB gives what a scanner is sending in packets.
const MIN_FIRST_LOOK: Duration = Duration::from_millis(5);
/// A line that is never silent is read as it is.
const MAX_CUT_CODE: Duration = Duration::from_secs(2);
const ACK: u8 = 0x06;
const NAK: u8 = 0x15;
/// A scanner repeats a code after each NAK; one that cannot be taken three times is given up.
const MAX_NAKS: u8 = 2;

/// An open port.
#[derive(Debug)]
pub(super) struct SerialSource {
    port: TTYPort,
    framer: Framer,
    acknowledge: bool,
    naks: u8,
    /// Codes in which nothing is printable.
    unreadable: u64,
}

impl SerialSource {
    pub(super) fn open(
        node: &Path,
        settings: &Serial,
    ) -> Result<SerialSource, (DeviceState, String)> {
        let port = port::open(node, &settings.line())
            .map_err(|error| (state_of(&error), error.to_string()))?;
        let mut source = SerialSource {
            port,
            framer: Framer::new(Framing::of(settings)),
            acknowledge: settings.acknowledge,
            naks: 0,
            unreadable: 0,
        };
        source.skip_cut_code(node, settings);
        Ok(source)
    }

    /// Lets a code go whose beginning came before the port was opened: what is left of it would pass for a code. A
    /// scanner that is sending gives its next character within the time that one takes on the line; what has come
    /// and is followed by nothing may be whole, and is taken.
    fn skip_cut_code(&mut self, node: &Path, settings: &Serial) {
        let character = Duration::from_secs(BITS_OF_CHARACTER) / settings.line().baud.max(1);
        let before = self.waiting_bytes();
        std::thread::sleep((character * 2).max(MIN_FIRST_LOOK));
        if self.waiting_bytes() == before {
            return;
        }
        let began = Instant::now();
        let mut lost = 0;
        while began.elapsed() < MAX_CUT_CODE && self.is_readable(settings.quiet()) {
            match self.port.read(&mut [0; CHUNK]) {
                Ok(count) if count > 0 => lost += count,
                // Whatever it is, the first regular read meets it, too.
                Ok(_) | Err(_) => break,
            }
        }
        self.unreadable += 1;
        tracing::info!(node = %node.display(), bytes = lost, "A code that was under way when the port was opened is not taken");
    }

    /// What the port has received and nobody has read; a port that does not report it has none.
    fn waiting_bytes(&self) -> u64 {
        rustix::io::ioctl_fionread(port::descriptor(&self.port)).unwrap_or_default()
    }

    fn is_readable(&self, wait: Duration) -> bool {
        wait_for(port::descriptor(&self.port), PollFlags::IN, wait)
            .is_ok_and(|seen| seen.contains(PollFlags::IN))
    }

    fn decoded(&mut self, frame: Frame) -> Decoded {
        if frame.code.is_empty() {
            return Decoded::Trailing(RawScan::Bytes(frame.end));
        }
        let code = decode(&frame.code, Aim::Strip);
        self.unreadable += u64::from(code.is_none());
        Decoded::Code {
            code,
            raw: RawScan::Bytes([frame.code, frame.end].concat()),
        }
    }
}

impl Source for SerialSource {
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        vec![port::descriptor(&self.port)]
    }

    fn read(&mut self, now: Duration) -> Result<Vec<Decoded>, String> {
        let mut chunk = [0; CHUNK];
        match self.port.read(&mut chunk) {
            Ok(0) => Err("the port gives nothing any more".to_owned()),
            Ok(count) => {
                let bytes = chunk.get(..count).unwrap_or_default();
                let before = self.framer.discarded();
                let frames = self.framer.push(bytes, now);
                // The scanner waits for an answer to an over-long code, too.
                for _ in before..self.framer.discarded() {
                    self.acknowledge(false);
                }
                Ok(frames
                    .into_iter()
                    .map(|frame| self.decoded(frame))
                    .collect())
            }
            Err(error) if is_passing(&error) => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.framer.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Duration) -> Vec<Decoded> {
        let before = self.framer.discarded();
        let frame = self.framer.handle_timeout(now);
        if self.framer.discarded() > before {
            self.acknowledge(false);
        }
        frame.into_iter().map(|frame| self.decoded(frame)).collect()
    }

    fn acknowledge(&mut self, taken: bool) {
        if !self.acknowledge {
            return;
        }
        let answer = if taken || self.naks == MAX_NAKS {
            self.naks = 0;
            ACK
        } else {
            self.naks += 1;
            NAK
        };
        // A scanner that does not get it repeats the code.
        if let Err(error) = self.port.write_all(&[answer]) {
            tracing::debug!(%error, "The scanner's code is not acknowledged");
        }
    }

    fn discarded(&self) -> u64 {
        self.framer.discarded() + self.unreadable
    }
}

fn state_of(error: &PortError) -> DeviceState {
    match error {
        PortError::Missing(_) => DeviceState::Missing,
        PortError::NoPermission(_) => DeviceState::NoPermission,
        PortError::Busy { holder, .. } => DeviceState::Busy {
            holder: holder.clone(),
        },
        PortError::Failed(reason) => DeviceState::Failed(reason.clone()),
    }
}
