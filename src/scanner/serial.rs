//! A serial port: RS-232, CDC-ACM, a USB bridge, a pseudo-terminal.
//!
//! A hang-up, an I/O error and a read of nothing all mean that the device has gone; a terminal without
//! a device gives "nothing" for ever, and a reader that asks again at once would keep a core busy.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use serialport::TTYPort;

use super::DeviceState;
use super::frame::{Frame, Framer, Framing};
use super::source::{Original, Piece, Source, is_passing};
use super::text::{Aim, decode};
use crate::discover::port::{self, PortError};
use crate::profile::schema::Serial;

/// What one read takes.
const CHUNK: usize = 1024;
const ACK: u8 = 0x06;
const NAK: u8 = 0x15;
/// A scanner repeats a code after each NAK; one that cannot be taken three times is given up.
const MOST_NAKS: u8 = 2;

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
        Ok(SerialSource {
            port,
            framer: Framer::new(Framing::of(settings)),
            acknowledge: settings.acknowledge,
            naks: 0,
            unreadable: 0,
        })
    }

    fn piece(&mut self, frame: Frame) -> Piece {
        if frame.code.is_empty() {
            return Piece::Rest(Original::Bytes(frame.end));
        }
        let code = decode(&frame.code, Aim::Strip);
        self.unreadable += u64::from(code.is_none());
        Piece::Code {
            code,
            original: Original::Bytes([frame.code, frame.end].concat()),
        }
    }
}

impl Source for SerialSource {
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        vec![descriptor(&self.port)]
    }

    fn read(&mut self, now: Duration) -> Result<Vec<Piece>, String> {
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
                Ok(frames.into_iter().map(|frame| self.piece(frame)).collect())
            }
            Err(error) if is_passing(&error) => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.framer.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Duration) -> Vec<Piece> {
        let before = self.framer.discarded();
        let frame = self.framer.handle_timeout(now);
        if self.framer.discarded() > before {
            self.acknowledge(false);
        }
        frame.into_iter().map(|frame| self.piece(frame)).collect()
    }

    fn acknowledge(&mut self, taken: bool) {
        if !self.acknowledge {
            return;
        }
        let answer = if taken || self.naks == MOST_NAKS {
            self.naks = 0;
            ACK
        } else {
            self.naks += 1;
            NAK
        };
        // A scanner that does not hear it repeats the code.
        if let Err(error) = self.port.write_all(&[answer]) {
            tracing::debug!(%error, "The scanner's code is not acknowledged");
        }
    }

    fn discarded(&self) -> u64 {
        self.framer.discarded() + self.unreadable
    }
}

/// The port lends its descriptor only as a number.
#[expect(
    unsafe_code,
    reason = "serialport implements no AsFd, and poll needs the descriptor"
)]
fn descriptor(port: &TTYPort) -> BorrowedFd<'_> {
    // SAFETY: the descriptor belongs to `port`, which stays borrowed as long as the result lives.
    unsafe { BorrowedFd::borrow_raw(port.as_raw_fd()) }
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
