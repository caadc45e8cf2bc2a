//! A serial scanner's thread.
//!
//! It sleeps in `poll` on two descriptors, the port's and a pipe that wakes it to stop, so that an
//! idle scanner costs no wake-ups. A hang-up, an I/O error and a read of nothing all mean that the
//! device has gone; a terminal without a device gives "nothing" for ever, and a reader that asks
//! again at once would keep a core busy. The dead port is closed *before* another is looked for:
//! while it is held, a replugged device gets another number. It is then opened by its path, symlinks
//! resolved anew, with growing pauses.

use std::io::Read as _;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::mpsc::TrySendError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serialport::{SerialPort as _, TTYPort};

use super::frame::Framer;
use super::text::decode;
use super::{DeviceState, ScannerEvent, ScannerHandle, Settings, Snapshot};
use crate::config::Parity;

/// First pause before a port is looked for again; doubles up to [`MOST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// A replugged scanner is back within a second.
const MOST_PAUSE: Duration = Duration::from_millis(800);
/// What one read takes.
const CHUNK: usize = 1024;

/// Wakes the thread to stop.
#[derive(Debug)]
pub(super) struct Wake {
    write: Mutex<Option<OwnedFd>>,
}

impl Wake {
    /// Closing the pipe's end is seen by `poll` at once and for ever.
    pub(super) fn stop(&self) {
        drop(
            self.write
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

/// Starts a scanner's thread.
///
/// # Errors
/// When the system has no more descriptors or threads.
pub fn start(settings: Settings) -> std::io::Result<ScannerHandle> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let wake = Arc::new(Wake {
        write: Mutex::new(Some(write)),
    });
    let facts = Arc::new(Mutex::new(Snapshot {
        name: settings.name.clone(),
        node: settings.node().display().to_string(),
        ..Snapshot::default()
    }));
    let reader = Reader {
        framer: Framer::new(settings.framing),
        settings,
        facts: facts.clone(),
        stop: read,
        began: Instant::now(),
        told: None,
        overlong: 0,
    };
    let name = format!("oplati-{}", reader.settings.name);
    let thread = std::thread::Builder::new()
        .name(name)
        .spawn(move || reader.run())?;
    Ok(ScannerHandle {
        facts,
        wake,
        thread: Some(thread),
    })
}

/// Why reading ended.
enum Ended {
    Stopped,
    Gone(String),
}

struct Reader {
    settings: Settings,
    framer: Framer,
    facts: Arc<Mutex<Snapshot>>,
    stop: OwnedFd,
    began: Instant,
    told: Option<DeviceState>,
    /// Over-long codes that are counted already.
    overlong: u64,
}

impl Reader {
    fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        let mut opened = false;
        loop {
            match self.open() {
                Ok(port) => {
                    pause = FIRST_PAUSE;
                    if std::mem::replace(&mut opened, true) {
                        self.change(|facts| facts.reconnects += 1);
                    }
                    self.tell(DeviceState::Connected, None);
                    match self.read_until_gone(port) {
                        Ended::Stopped => return,
                        Ended::Gone(why) => self.tell(DeviceState::Missing, Some(why)),
                    }
                }
                Err((state, why)) => self.tell(state, Some(why)),
            }
            self.framer.reset();
            if self.stopped_within(pause) {
                return;
            }
            pause = (pause * 2).min(MOST_PAUSE);
        }
    }

    fn open(&self) -> Result<TTYPort, (DeviceState, String)> {
        let line = &self.settings.line;
        let Ok(node) = std::fs::canonicalize(&line.path) else {
            return Err((DeviceState::Missing, "no such node".to_owned()));
        };
        let parity = match line.parity {
            Parity::None => serialport::Parity::None,
            Parity::Even => serialport::Parity::Even,
            Parity::Odd => serialport::Parity::Odd,
        };
        let port = serialport::new(node.to_string_lossy(), line.baud)
            .data_bits(if line.data_bits == 7 {
                serialport::DataBits::Seven
            } else {
                serialport::DataBits::Eight
            })
            .parity(parity)
            .stop_bits(if line.stop_bits == 2 {
                serialport::StopBits::Two
            } else {
                serialport::StopBits::One
            })
            .flow_control(serialport::FlowControl::None)
            .timeout(Duration::ZERO);
        let mut port =
            TTYPort::open(&port).map_err(|error| (state_of(&error, &node), error.to_string()))?;
        // Many scanners send only while the host shows that it listens. A pseudo-terminal has no
        // such lines, and says so.
        for raised in [
            port.write_data_terminal_ready(true),
            port.write_request_to_send(true),
        ] {
            if let Err(error) = raised {
                tracing::debug!(device = %self.settings.name, %error, "A control line cannot be raised");
            }
        }
        Ok(port)
    }

    fn read_until_gone(&mut self, mut port: TTYPort) -> Ended {
        loop {
            let wait = self
                .framer
                .poll_timeout()
                .map(|at| at.saturating_sub(self.began.elapsed()));
            match self.wait_for(&port, wait) {
                Ok(Ready::Stop) => return Ended::Stopped,
                Ok(Ready::Silence) => {
                    let frame = self.framer.handle_timeout(self.began.elapsed());
                    self.hand_on(frame);
                }
                Ok(Ready::Bytes) => {
                    let mut chunk = [0; CHUNK];
                    match port.read(&mut chunk) {
                        Ok(0) => return Ended::Gone("the port gives nothing any more".to_owned()),
                        Ok(count) => {
                            let bytes = chunk.get(..count).unwrap_or_default();
                            let frames = self.framer.push(bytes, self.began.elapsed());
                            self.hand_on(frames);
                        }
                        Err(error) if is_passing(&error) => {}
                        Err(error) => return Ended::Gone(error.to_string()),
                    }
                }
                Ok(Ready::HangUp) => return Ended::Gone("the device hung up".to_owned()),
                Err(error) => return Ended::Gone(error.to_string()),
            }
        }
    }

    fn wait_for(&self, port: &TTYPort, wait: Option<Duration>) -> rustix::io::Result<Ready> {
        let timeout = wait.map(timespec);
        let port = descriptor(port);
        let mut fds = [
            PollFd::new(&self.stop, PollFlags::IN),
            PollFd::new(&port, PollFlags::IN),
        ];
        match poll(&mut fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(Ready::Silence),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let [stop, port] = fds;
        let seen = port.revents();
        Ok(if !stop.revents().is_empty() {
            Ready::Stop
        } else if seen.contains(PollFlags::IN) {
            Ready::Bytes
        } else if seen.is_empty() {
            Ready::Silence
        } else {
            Ready::HangUp
        })
    }

    fn stopped_within(&self, pause: Duration) -> bool {
        let mut fds = [PollFd::new(&self.stop, PollFlags::IN)];
        let seen = poll(&mut fds, Some(&timespec(pause)));
        matches!(seen, Ok(count) if count > 0)
    }

    fn hand_on(&mut self, frames: impl IntoIterator<Item = Vec<u8>>) {
        let overlong = std::mem::replace(&mut self.overlong, self.framer.discarded());
        let overlong = self.framer.discarded() - overlong;
        self.change(|facts| facts.discarded += overlong);
        for frame in frames {
            let device = self.settings.name.clone();
            let Some(code) = decode(&frame) else {
                self.change(|facts| facts.discarded += 1);
                continue;
            };
            match self
                .settings
                .events
                .try_send(ScannerEvent::Scan { device, code })
            {
                Ok(()) => self.change(|facts| facts.scans += 1),
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                    tracing::warn!(device = %self.settings.name, "A scan was dropped: nobody takes them");
                    self.change(|facts| facts.discarded += 1);
                }
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A change is told once, not at every try.
    fn tell(&mut self, state: DeviceState, why: Option<String>) {
        self.change(|facts| {
            facts.state = state.clone();
            facts.last_error = why.clone().or(facts.last_error.take());
        });
        if self.told.as_ref() == Some(&state) {
            return;
        }
        let (device, node) = (&self.settings.name, self.settings.node());
        match why {
            None => tracing::info!(device = %device, node = %node.display(), "Scanner connected"),
            Some(why) => {
                tracing::warn!(device = %device, node = %node.display(), state = state.word(), why, "Scanner not available");
            }
        }
        self.told = Some(state.clone());
        let event = ScannerEvent::State {
            device: device.clone(),
            state,
        };
        if self.settings.events.try_send(event).is_err() {
            tracing::debug!(device = %device, "Nobody hears of the scanner's state");
        }
    }
}

enum Ready {
    Stop,
    Bytes,
    Silence,
    HangUp,
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

fn timespec(wait: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(wait.subsec_nanos()),
    }
}

fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::Interrupted | ErrorKind::TimedOut | ErrorKind::WouldBlock
    )
}

fn state_of(error: &serialport::Error, node: &Path) -> DeviceState {
    match error.kind() {
        serialport::ErrorKind::NoDevice => {
            if rustix::fs::access(
                node,
                rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK,
            )
            .is_err()
            {
                return DeviceState::NoPermission;
            }
            DeviceState::Busy {
                holder: holder_of(node),
            }
        }
        serialport::ErrorKind::Io(std::io::ErrorKind::PermissionDenied) => {
            DeviceState::NoPermission
        }
        serialport::ErrorKind::Io(std::io::ErrorKind::NotFound) => DeviceState::Missing,
        serialport::ErrorKind::Io(_)
        | serialport::ErrorKind::InvalidInput
        | serialport::ErrorKind::Unknown => DeviceState::Failed(error.to_string()),
    }
}

/// The first other process that has the node open, as `name (pid)`; only root sees all of them.
fn holder_of(node: &Path) -> Option<String> {
    let own = std::process::id().to_string();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let pid = process.file_name().to_string_lossy().into_owned();
        if pid == own || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = descriptors
            .flatten()
            .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|open| open == node));
        if holds {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} ({pid})", name.trim()));
        }
    }
    None
}

#[cfg(test)]
mod tests;
