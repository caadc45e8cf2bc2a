//! A display's port: bytes on their way, with bounds.
//!
//! A display takes what it is sent at its own pace, and most never answer. A hang-up, an I/O error and
//! a read of nothing all mean that it was unplugged.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::termios::{QueueSelector, tcflush};
use serialport::TTYPort;

use crate::base::poll::wait_for;
use crate::devices::discovery::identity;
use crate::devices::discovery::port::{self, PortError};
use crate::devices::display::panel::PanelError;
use crate::model::line::LineSettings;

/// What is handed to the kernel at once.
const CHUNK: usize = 64;
/// What one read takes.
const READ: usize = 256;
/// Reads at once, so that a port that never falls silent holds nobody.
const MAX_READS: usize = 16;
/// A display that takes nothing for so long, beyond the time that its line needs, hangs.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// For the answer to a command.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);
const ACK: u8 = 0x06;
const NAK: u8 = 0x15;
/// A display answers the firmware query within this time or not at all: mertech_qr waits a second, and
/// the port is looked at twice a second.
const FIRMWARE_LIMIT: Duration = Duration::from_secs(2);
/// Most bytes of that answer (mertech_qr reads so many).
const MAX_FIRMWARE: usize = 128;
/// A command that was refused is sent again so often.
const MAX_REPEATS: u32 = 2;

/// Bytes that are sent together, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) bytes: Vec<u8>,
    pub(super) after: After,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The next.
    Nothing,
    /// The display needs some time.
    Pause(Duration),
    /// The display sends ACK or NAK.
    Answer,
    /// The next; what the display sends soon is its firmware.
    Firmware,
}

impl Step {
    pub(super) fn plain(bytes: Vec<u8>) -> Step {
        Step {
            bytes,
            after: After::Nothing,
        }
    }

    pub(super) fn answered(bytes: &[u8]) -> Step {
        Step {
            bytes: bytes.to_vec(),
            after: After::Answer,
        }
    }
}

/// An open port.
#[derive(Debug)]
pub(super) struct Port {
    port: TTYPort,
    /// As oplati.conf names it.
    name: String,
    baud: u32,
    firmware: Firmware,
}

/// The answer to the firmware query, which is not waited for: it is among what the display sends.
#[derive(Debug, Default)]
struct Firmware {
    asked: Option<Instant>,
    received: Vec<u8>,
    /// Since it was returned last.
    has_more: bool,
}

impl Firmware {
    fn receive(&mut self, bytes: &[u8]) {
        if self.asked.is_some_and(|at| at.elapsed() < FIRMWARE_LIMIT) {
            let room = MAX_FIRMWARE.saturating_sub(self.received.len());
            self.received
                .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            self.has_more = true;
        }
    }
}

impl Port {
    pub(super) fn open(path: &Path, line: &LineSettings) -> Result<Port, PanelError> {
        let name = path.display().to_string();
        let node: PathBuf =
            std::fs::canonicalize(path).map_err(|error| PanelError::of_io(&name, &error))?;
        let port = port::open(&node, line).map_err(|error| match error {
            PortError::Missing(reason) => PanelError::Missing(format!("{name}: {reason}")),
            PortError::NoPermission(_) => PanelError::NoPermission(name.clone()),
            PortError::Busy { holder, .. } => PanelError::Busy {
                what: name.clone(),
                holder,
            },
            PortError::Failed(reason) => PanelError::Failed(format!("{name}: {reason}")),
        })?;
        let baud = line.baud;
        let port = Port {
            port,
            name,
            baud,
            firmware: Firmware::default(),
        };
        // A write that has no room must return an error and not wait.
        rustix::io::ioctl_fionbio(port::descriptor(&port.port), true)
            .map_err(|error| PanelError::of_io(&port.name, &error.into()))?;
        Ok(port)
    }

    /// The display's answer to the firmware query, once when more of it has come.
    pub(super) fn firmware(&mut self) -> Option<String> {
        if !std::mem::take(&mut self.firmware.has_more) {
            return None;
        }
        identity::firmware(&self.firmware.received)
    }

    /// Sends all steps. What was half sent when that fails is thrown away, so that the rest of a code
    /// never comes out later.
    pub(super) fn send(&mut self, steps: &[Step]) -> Result<(), PanelError> {
        let sent = steps.iter().try_for_each(|step| self.send_one(step));
        if sent.is_err() {
            // A device that is gone keeps nothing.
            tcflush(port::descriptor(&self.port), QueueSelector::OFlush).ok();
        }
        sent
    }

    fn send_one(&mut self, step: &Step) -> Result<(), PanelError> {
        let limit = WRITE_TIMEOUT + self.time_on_the_line(step.bytes.len());
        for _ in 0..=MAX_REPEATS {
            // Whatever it sent unasked, or late, answers nothing that is asked now.
            self.drain()?;
            self.write(&step.bytes, Instant::now() + limit)?;
            match step.after {
                After::Nothing => return Ok(()),
                After::Firmware => {
                    self.firmware.asked = Some(Instant::now());
                    return Ok(());
                }
                After::Pause(pause) => {
                    std::thread::sleep(pause);
                    return Ok(());
                }
                After::Answer => match self.answer()? {
                    Some(ACK) => return Ok(()),
                    Some(_) => {}
                    None => {
                        return Err(self.failed(&format!(
                            "no answer (06 or 15) within {} ms; is the display switched on and set to this command set and {} baud?",
                            ANSWER_LIMIT.as_millis(),
                            self.baud
                        )));
                    }
                },
            }
        }
        let times = MAX_REPEATS + 1;
        Err(self.failed(&format!(
            "the display refused a command (NAK 15) {times} times"
        )))
    }

    /// Twice the time of ten bits a byte.
    fn time_on_the_line(&self, bytes: usize) -> Duration {
        let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(20);
        Duration::from_millis(bits.saturating_mul(1000) / u64::from(self.baud.max(1)))
    }

    /// In chunks, as fast as they are taken.
    fn write(&mut self, bytes: &[u8], until: Instant) -> Result<(), PanelError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let chunk = rest.get(..CHUNK).unwrap_or(rest);
            match rustix::io::write(port::descriptor(&self.port), chunk) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    if !self.waits_for(PollFlags::OUT, until)? {
                        return Err(self.failed("the display takes no more bytes"));
                    }
                }
                Err(error) => return Err(self.gone(&error.into())),
            }
        }
        Ok(())
    }

    /// The first ACK or NAK; anything else is noise.
    fn answer(&mut self) -> Result<Option<u8>, PanelError> {
        let until = Instant::now() + ANSWER_LIMIT;
        while self.waits_for(PollFlags::IN, until)? {
            let mut one = [0; 1];
            match self.read(&mut one)? {
                Some(_) if matches!(one, [ACK | NAK]) => return Ok(one.first().copied()),
                Some(_) | None => {}
            }
        }
        Ok(None)
    }

    /// Whether the display is still plugged in; what it sends unasked is thrown away.
    pub(super) fn watch(&mut self) -> Result<(), PanelError> {
        self.waits_for(PollFlags::IN, Instant::now())?;
        self.drain()
    }

    fn drain(&mut self) -> Result<(), PanelError> {
        let mut bytes = [0; READ];
        for _ in 0..MAX_READS {
            let Some(count) = self.read(&mut bytes)? else {
                break;
            };
            self.firmware
                .receive(bytes.get(..count).unwrap_or_default());
        }
        Ok(())
    }

    /// `None` when there is nothing to read.
    fn read(&mut self, into: &mut [u8]) -> Result<Option<usize>, PanelError> {
        match self.port.read(into) {
            Ok(0) => Err(self.unplugged()),
            Ok(count) => Ok(Some(count)),
            Err(error) if port::is_passing(&error) => Ok(None),
            Err(error) => Err(self.gone(&error)),
        }
    }

    /// Whether the port is ready before the time; a hang-up is an error.
    fn waits_for(&self, event: PollFlags, until: Instant) -> Result<bool, PanelError> {
        let left = until.saturating_duration_since(Instant::now());
        let seen = match wait_for(port::descriptor(&self.port), event, left) {
            Ok(seen) if seen.is_empty() => return Ok(false),
            Ok(seen) => seen,
            Err(rustix::io::Errno::INTR) => return Ok(Instant::now() < until),
            Err(error) => return Err(self.gone(&error.into())),
        };
        if seen.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return Err(self.unplugged());
        }
        Ok(seen.contains(event))
    }

    fn unplugged(&self) -> PanelError {
        PanelError::Missing(format!("{}: unplugged", self.name))
    }

    /// EIO is what a port returns whose device is gone.
    fn gone(&self, error: &io::Error) -> PanelError {
        use rustix::io::Errno;
        let is_unplugged = matches!(Errno::from_io_error(error), Some(Errno::IO | Errno::PIPE));
        if is_unplugged || error.kind() == io::ErrorKind::BrokenPipe {
            self.unplugged()
        } else {
            PanelError::of_io(&self.name, error)
        }
    }

    fn failed(&self, reason: &str) -> PanelError {
        PanelError::Failed(format!("{}: {reason}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::testing::{Pty, wait_until};

    fn port(pty: &Pty) -> Port {
        Port::open(&pty.node, &LineSettings::default()).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[test]
    fn a_slow_reader_gets_every_byte() {
        let mut pty = Pty::open();
        let mut port = port(&pty);
        // More than any pseudo-terminal holds.
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let length = bytes.len();
        let sent = bytes.clone();
        let writer = std::thread::spawn(move || {
            port.write(&bytes, Instant::now() + Duration::from_secs(60))?;
            Ok::<Port, PanelError>(port)
        });
        let mut read = Vec::new();
        let mut size = 1;
        while read.len() < length {
            read.extend(pty.read(size.min(length - read.len())));
            size = size % 97 + 3;
        }
        assert!(read == sent);
        assert!(writer.join().unwrap().is_ok());
    }

    #[test]
    fn a_reader_that_hangs_fails_in_time_and_the_rest_is_thrown_away() {
        let pty = Pty::open();
        let mut port = port(&pty);
        let error = port.write(&vec![b'x'; 300_000], soon()).unwrap_err();
        assert_eq!(error.word(), "failed");
        assert!(error.to_string().contains("takes no more bytes"), "{error}");
    }

    #[test]
    fn a_display_that_is_unplugged_half_way_is_missing() {
        let pty = Pty::open();
        let mut port = port(&pty);
        let writer = std::thread::spawn(move || {
            let until = Instant::now() + Duration::from_secs(60);
            let error = port.write(&vec![b'x'; 300_000], until).unwrap_err();
            (error, port.watch().unwrap_err(), port)
        });
        let mut pty = pty;
        pty.read(1000);
        drop(pty);
        let (on_write, on_watch, mut port) = writer.join().unwrap();
        assert_eq!((on_write.word(), on_watch.word()), ("missing", "missing"));
        assert_eq!(port.drain().unwrap_err().word(), "missing");
        let opened = Port::open(Path::new(&port.name), &LineSettings::default());
        assert_eq!(opened.unwrap_err().word(), "missing");
    }

    #[test]
    fn what_a_display_sends_unasked_is_no_answer() {
        let mut pty = Pty::open();
        let mut port = port(&pty);
        pty.write(&[ACK, ACK, b'?']);
        // It is there before the command is sent.
        assert!(
            port.waits_for(PollFlags::IN, Instant::now() + WRITE_TIMEOUT)
                .unwrap()
        );
        let error = port.send(&[Step::answered(b"?")]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("no answer (06 or 15) within 500 ms"),
            "{error}"
        );
        assert_eq!(pty.read(1), b"?");
        port.watch().unwrap();
    }

    #[test]
    fn only_what_follows_the_query_is_the_firmware() {
        let mut pty = Pty::open();
        let mut port = port(&pty);
        let query = Step {
            bytes: b"?".to_vec(),
            after: After::Firmware,
        };
        for (step, expected) in [
            (Step::plain(b"C".to_vec()), None),
            (query, Some("V1".to_owned())),
        ] {
            port.send(&[step]).unwrap();
            pty.write(b"V1");
            let until = Instant::now() + WRITE_TIMEOUT;
            assert!(port.waits_for(PollFlags::IN, until).unwrap());
            port.watch().unwrap();
            assert_eq!(port.firmware(), expected);
            assert_eq!(port.firmware(), None, "it is returned once");
        }
    }

    #[test]
    fn a_refused_command_is_repeated_twice_and_no_more() {
        for (refusals, accepted) in [(0, true), (1, true), (2, true), (3, false)] {
            let mut pty = Pty::open();
            let mut port = port(&pty);
            let sender = std::thread::spawn(move || {
                let steps = [Step::answered(b"C"), Step::plain(b"T".to_vec())];
                (port.send(&steps), port)
            });
            for round in 0..=2 {
                assert_eq!(pty.read(1), b"C");
                let is_refused = round < refusals;
                pty.write(&[b'~', if is_refused { NAK } else { ACK }]);
                if !is_refused {
                    break;
                }
            }
            if accepted {
                assert_eq!(pty.read(1), b"T");
            }
            let (sent, _port) = sender.join().unwrap();
            assert_eq!(sent.is_ok(), accepted, "{refusals} refusals");
            if let Err(error) = sent {
                assert!(error.to_string().contains("NAK 15) 3 times"), "{error}");
            }
        }
    }

    #[test]
    fn a_port_that_another_process_holds_names_it() {
        let pty = Pty::open();
        let mut holder = std::process::Command::new("flock")
            .args(["--no-fork", "--exclusive"])
            .arg(&pty.node)
            .args(["sleep", "600"])
            .spawn()
            .unwrap();
        let mut busy = None;
        wait_until("the holder", || {
            crate::devices::discovery::access::holder(&pty.node).is_some()
        });
        wait_until("the lock", || {
            let opened = Port::open(&pty.node, &LineSettings::default());
            if let Err(PanelError::Busy { holder, .. }) = opened {
                busy = holder;
            }
            busy.is_some()
        });
        let expected = format!(" ({})", holder.id());
        assert!(busy.unwrap().ends_with(&expected));
        holder.kill().unwrap();
        holder.wait().unwrap();
        let opened = Port::open(&pty.node, &LineSettings::default());
        assert!(opened.is_ok());
    }
}
