//! A scanner's thread: opens its device, reads it until it is gone, and opens it again.
//!
//! It sleeps in `poll` on the device and on an event counter by which it is woken to stop or to look
//! again, so that an idle scanner costs no wake-ups. The dead device is closed *before* another is
//! looked for: while it is held, a replugged one gets another number. Names are resolved anew each
//! time, with growing pauses; a uevent begins the short pauses again, since the node is there some
//! 100 ms before udev has set its rights and names. What is wrong for that while only is not logged.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use super::find::{DeviceLocator, NotOpened, Opened};
use super::share::Forwarder;
use super::source::{Decoded, Source};
use super::{DeviceState, ScannerEvent, Settings, Snapshot};
use crate::base::lock::lock;
use crate::base::poll::{timespec, wait_for};
use crate::devices::discovery::Candidate;
use crate::devices::mode::Mode;
use crate::model::scan::{RawScan, Scan};

/// First pause before a device is looked for again; doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A replugged scanner is back within a second, even where no uevent reports it.
const MAX_PAUSE: Duration = Duration::from_millis(800);

/// Until udev has given a node its rights and names, what can be reported of it may be wrong.
const UDEV_TAKES: Duration = Duration::from_secs(1);

/// Wakes a thread that sleeps in `poll`, to look again or to stop.
#[derive(Debug)]
pub(super) struct Wake {
    counter: OwnedFd,
    stop: AtomicBool,
}

impl Wake {
    pub(super) fn new() -> std::io::Result<Wake> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Wake {
            counter: eventfd(0, flags)?,
            stop: AtomicBool::new(false),
        })
    }

    /// Look again.
    pub(super) fn wake(&self) {
        // A counter that is full has woken the thread already.
        let _ = rustix::io::write(&self.counter, &1_u64.to_ne_bytes());
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn clear(&self) {
        let _ = rustix::io::read(&self.counter, &mut [0; 8]);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.counter.as_fd()
    }
}

/// A running scanner.
#[derive(Debug)]
pub struct ScannerHandle {
    facts: Arc<Mutex<Snapshot>>,
    wake: Arc<Wake>,
    share: Arc<Mutex<Option<Forwarder>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl ScannerHandle {
    pub fn snapshot(&self) -> Snapshot {
        let facts = lock(&self.facts);
        let share = lock(&self.share);
        Snapshot {
            not_shared: share.as_ref().map_or(0, Forwarder::missed),
            ..facts.clone()
        }
    }

    /// Something was plugged or unplugged: look again, if the device is not there.
    pub fn wake(&self) {
        self.wake.wake();
    }

    /// Looks again if the till's end could not be made; a worker that has what it needs sleeps on.
    pub fn wake_unshared(&self) {
        let share = lock(&self.share);
        if share.as_ref().is_some_and(Forwarder::has_failed) {
            self.wake.wake();
        }
    }

    /// Hands what was read on to the till program, if the scanner is shared.
    pub fn pass_on(&self, raw: RawScan) {
        let share = lock(&self.share);
        if let Some(forwarder) = share.as_ref() {
            forwarder.pass_on(raw);
        }
    }

    /// Stops the thread; it wakes at once and closes its device.
    pub fn stop(mut self) {
        self.wake.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("A scanner's thread died");
        }
    }
}

/// Starts a scanner's thread; it fails when the system has no more descriptors or threads.
pub fn start(settings: Settings) -> std::io::Result<ScannerHandle> {
    let wake = Arc::new(Wake::new()?);
    let facts = Arc::new(Mutex::new(Snapshot {
        name: settings.name.clone(),
        node: settings.place(),
        ..Snapshot::default()
    }));
    let share = Arc::default();
    let worker = Worker {
        facts: Arc::clone(&facts),
        wake: Arc::clone(&wake),
        share: Arc::clone(&share),
        began: Instant::now(),
        logged: None,
        settings,
    };
    let name = format!("oplati-{}", worker.settings.name);
    let thread = std::thread::Builder::new()
        .name(name)
        .spawn(move || worker.run())?;
    Ok(ScannerHandle {
        facts,
        wake,
        share,
        thread: Some(thread),
    })
}

/// Why reading ended.
enum Ended {
    Stopped,
    Gone(String),
    /// It has more nodes now: it is opened again at once, with all of them.
    Grown,
}

enum Ready {
    Stop,
    Device,
    Silence,
    HangUp,
}

struct Worker {
    settings: Settings,
    facts: Arc<Mutex<Snapshot>>,
    wake: Arc<Wake>,
    share: Arc<Mutex<Option<Forwarder>>>,
    began: Instant,
    logged: Option<DeviceState>,
}

impl Worker {
    fn run(mut self) {
        let mut woken = true;
        let mut pause = FIRST_PAUSE;
        let mut was_open = false;
        let mut unsettled: Option<Instant> = None;
        loop {
            // The till program looks for its end when it starts, whether the scanner is there or not.
            if let Some((_, mode)) = self.settings.target.named().filter(|_| woken) {
                self.share_as(mode);
            }
            match self.open() {
                Ok(opened) => {
                    pause = FIRST_PAUSE;
                    unsettled = None;
                    if std::mem::replace(&mut was_open, true) {
                        self.change(|facts| facts.reconnects += 1);
                    }
                    let ended = self.attend(opened);
                    self.locator().release(&self.settings.name);
                    match ended {
                        Ended::Stopped => return,
                        Ended::Grown => {
                            was_open = false;
                            continue;
                        }
                        Ended::Gone(why) => self.publish(DeviceState::Missing, Some(why)),
                    }
                }
                Err((state, why)) => {
                    if state.may_be_udevs_delay() {
                        let since = *unsettled.get_or_insert_with(Instant::now);
                        if since.elapsed() >= UDEV_TAKES {
                            self.publish(state, Some(why));
                        }
                    } else {
                        unsettled = None;
                        self.publish(state, Some(why));
                    }
                }
            }
            woken = self.woken_within(pause);
            if self.wake.is_stopped() {
                return;
            }
            pause = if woken {
                FIRST_PAUSE
            } else {
                (pause * 2).min(MAX_PAUSE)
            };
        }
    }

    fn locator(&self) -> &DeviceLocator {
        &self.settings.locator
    }

    fn open(&self) -> Result<Opened, NotOpened> {
        self.locator()
            .open(&self.settings.name, &self.settings.target)
    }

    fn attend(&mut self, opened: Opened) -> Ended {
        let Opened {
            mut source,
            node,
            profile,
            mode,
            candidate,
            nodes,
        } = opened;
        let is_optional = self.settings.is_optional();
        self.change(|facts| {
            facts.profile = Some(profile);
            facts.identity = candidate.as_ref().and_then(Candidate::identity);
            facts.firmware = None;
            if is_optional {
                facts.node = node.display().to_string();
            }
        });
        self.share_as(mode);
        self.publish(DeviceState::Connected, None);
        self.read_until_gone(source.as_mut(), mode, &(candidate, nodes))
    }

    /// Makes the till's end for a scanner of this kind, if the scanner is shared and it is not there.
    fn share_as(&self, mode: Mode) {
        if let Some(sharing) = &self.settings.share {
            let mut share = lock(&self.share);
            if !share
                .as_ref()
                .is_some_and(|forwarder| forwarder.serves(mode))
            {
                let made = Forwarder::start(&self.settings.name, mode, sharing, share.as_ref());
                *share = Some(made);
            }
        }
    }

    fn read_until_gone(
        &mut self,
        source: &mut dyn Source,
        mode: Mode,
        opened: &(Option<Candidate>, usize),
    ) -> Ended {
        let mut discarded = 0;
        // What came between the first look and now counts.
        let mut woken = true;
        loop {
            // Not in mid-code: to open the device again is to lose what is under way.
            if woken && source.poll_timeout().is_none() {
                woken = false;
                self.share_as(mode);
                if self.locator().has_more_nodes(opened) {
                    return Ended::Grown;
                }
            }
            let wait = source
                .poll_timeout()
                .map(|at| at.saturating_sub(self.began.elapsed()));
            let ready = self.wait_for(source, wait, &mut woken);
            let by_silence = matches!(ready, Ok(Ready::Silence));
            let decoded = match ready {
                Ok(Ready::Stop) => return Ended::Stopped,
                Ok(Ready::Silence) => source.handle_timeout(self.began.elapsed()),
                Ok(Ready::Device) => match source.read(self.began.elapsed()) {
                    Ok(decoded) => decoded,
                    Err(why) => return self.gone(source, why),
                },
                Ok(Ready::HangUp) => return self.gone(source, "the device hung up".to_owned()),
                Err(error) => return self.gone(source, error.to_string()),
            };
            if let Some(firmware) = source.firmware() {
                tracing::info!(device = %self.settings.name, firmware, "Scanner's firmware");
                self.change(|facts| facts.firmware = Some(firmware));
            }
            let more = source.discarded().saturating_sub(discarded);
            discarded += more;
            if more > 0 {
                tracing::debug!(device = %self.settings.name, more, "Codes that cannot be read");
                self.change(|facts| facts.discarded += more);
            }
            for one in decoded {
                let is_code = matches!(one, Decoded::Code { .. });
                let unterminated = by_silence && has_terminators(&one);
                self.change(|facts| facts.unterminated += u64::from(unterminated));
                let taken = self.hand_on(one);
                if is_code {
                    source.acknowledge(taken);
                }
            }
        }
    }

    /// A code that was under way has no end now.
    fn gone(&self, source: &dyn Source, why: String) -> Ended {
        let is_cut = source.poll_timeout().is_some();
        self.change(|facts| facts.discarded += u64::from(is_cut));
        Ended::Gone(why)
    }

    fn wait_for(
        &self,
        source: &dyn Source,
        wait: Option<Duration>,
        woken: &mut bool,
    ) -> rustix::io::Result<Ready> {
        let timeout = wait.map(timespec);
        let devices = source.descriptors();
        let mut fds = vec![PollFd::new(&*self.wake, PollFlags::IN)];
        fds.extend(devices.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
        match poll(&mut fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(Ready::Silence),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let mut seen = fds.iter().map(PollFd::revents);
        if seen.next().is_some_and(|seen| !seen.is_empty()) {
            self.wake.clear();
            *woken = true;
        }
        let seen = seen.fold(PollFlags::empty(), |all, seen| all | seen);
        Ok(if self.wake.is_stopped() {
            Ready::Stop
        } else if seen.contains(PollFlags::IN) {
            Ready::Device
        } else if seen.is_empty() {
            Ready::Silence
        } else {
            Ready::HangUp
        })
    }

    /// Whether something was plugged meanwhile, or the end has come.
    fn woken_within(&self, pause: Duration) -> bool {
        let seen = wait_for(&*self.wake, PollFlags::IN, pause);
        let woken = seen.is_ok_and(|seen| !seen.is_empty());
        self.wake.clear();
        woken
    }

    /// Whether it was taken.
    fn hand_on(&self, decoded: Decoded) -> bool {
        let device = self.settings.name.clone();
        let is_shared = self.settings.share.is_some();
        let keep = |raw: RawScan| is_shared.then_some(raw);
        let (event, is_scan) = match decoded {
            Decoded::Code {
                code: Some(code),
                raw,
            } => {
                let raw = keep(raw);
                (ScannerEvent::Scan(Scan { device, code, raw }), true)
            }
            Decoded::Code { code: None, raw } => match keep(raw) {
                Some(raw) => (ScannerEvent::Unread { device, raw }, false),
                None => return true,
            },
            Decoded::Trailing(raw) => match keep(raw) {
                Some(raw) => (ScannerEvent::Trailing { device, raw }, false),
                None => return true,
            },
        };
        match self.settings.events.try_send(event) {
            Ok(()) => {
                self.change(|facts| facts.scans += u64::from(is_scan));
                true
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                tracing::warn!(device = %self.settings.name, "A scan was dropped: nobody takes them");
                // What cannot be read is counted already.
                self.change(|facts| facts.discarded += u64::from(is_scan));
                false
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut lock(&self.facts));
    }

    /// A change is logged and sent once, not at every try.
    fn publish(&mut self, state: DeviceState, why: Option<String>) {
        self.change(|facts| {
            facts.state = state.clone();
            facts.last_error = why.clone().or(facts.last_error.take());
        });
        if self.logged.as_ref() == Some(&state) {
            return;
        }
        let device = &self.settings.name;
        let (node, profile) = {
            let facts = lock(&self.facts);
            (facts.node.clone(), facts.profile.clone())
        };
        match why {
            None => tracing::info!(device, node, profile, "Scanner connected"),
            // Nothing was there from the start: no news for a shop that has none.
            Some(why) if self.logged.is_none() && self.settings.is_optional() => {
                tracing::info!(device, node, why, "No scanner yet");
            }
            Some(why) => {
                tracing::warn!(
                    device,
                    node,
                    state = state.word(),
                    why,
                    remedy = state.remedy(),
                    "Scanner not available"
                );
            }
        }
        self.logged = Some(state.clone());
        let event = ScannerEvent::State {
            device: device.clone(),
            state,
        };
        if self.settings.events.try_send(event).is_err() {
            tracing::debug!(device, "Nobody gets the scanner's state");
        }
    }
}

/// Where scanners' events go.
pub type Events = SyncSender<ScannerEvent>;

/// Whether such a scanner should end its codes; reports of HID POS scanners end by themselves.
fn has_terminators(decoded: &Decoded) -> bool {
    match decoded {
        Decoded::Code { code, raw } => {
            code.is_some() && matches!(raw, RawScan::Bytes(_) | RawScan::Keys(_))
        }
        Decoded::Trailing(_) => false,
    }
}

#[cfg(test)]
mod tests;
