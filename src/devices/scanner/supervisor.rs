//! All scanners of the till, and the thread that is notified what is plugged in and out.
//!
//! With `auto` the number of scanners follows what is there: one more worker is started whenever a
//! device is there that can be nothing but a scanner, no worker has it and none is free. A scanner
//! that is replaced by another finds its worker again, so that `scanner1` stays `scanner1`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::find::{DeviceLocator, Target};
use super::share::Sharing;
use super::worker::{Events, ScannerHandle, Wake, start};
use super::{DeviceState, Settings, Snapshot};
use crate::base::lock::lock;
use crate::base::poll::timespec;
use crate::config::ScannerDevice;
use crate::devices::discovery::uevent::Uevents;
use crate::model::scan::RawScan;

/// Uevents can be lost, and come late behind some hubs.
const RESCAN: Duration = Duration::from_secs(4);
/// The same while each scanner is there: one that goes is noticed where it is read.
const CONNECTED_RESCAN: Duration = Duration::from_secs(15);
/// Most scanners of one till.
const MOST: usize = 8;

/// What all scanners are started with.
#[derive(Clone, Debug)]
pub struct SupervisorSettings {
    /// As oplati.conf has them.
    pub devices: Vec<ScannerDevice>,
    /// What is known about devices.
    pub locator: DeviceLocator,
    /// How codes go on to the till program, if they do.
    pub share: Option<Sharing>,
    pub events: Events,
}

/// The running scanners.
#[derive(Debug)]
pub struct Scanners {
    handles: Mutex<Vec<ScannerHandle>>,
    plug: Mutex<Option<Plug>>,
}

#[derive(Debug)]
struct Plug {
    wake: Arc<Wake>,
    thread: std::thread::JoinHandle<()>,
}

impl Scanners {
    /// Starts them all, and listens for what is plugged in.
    pub fn start(settings: SupervisorSettings) -> std::io::Result<Arc<Scanners>> {
        let mut handles = Vec::new();
        for (index, device) in settings.devices.iter().enumerate() {
            handles.push(start(
                settings.worker_settings(index, Target::Named(device.clone())),
            )?);
        }
        let scanners = Arc::new(Scanners {
            handles: Mutex::new(handles),
            plug: Mutex::new(None),
        });
        if !settings.devices.is_empty() {
            let plug = Plug::start(settings, Arc::clone(&scanners))?;
            *lock(&scanners.plug) = Some(plug);
        }
        Ok(scanners)
    }

    /// Each one's present facts, in the order of oplati.conf.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        lock(&self.handles)
            .iter()
            .map(ScannerHandle::snapshot)
            .collect()
    }

    /// Codes of a scanner that only silence has ended; 0 of one that there is not.
    pub fn unterminated(&self, device: &str) -> u64 {
        let snapshots = self.snapshots().into_iter();
        let mut whose = snapshots.filter(|one| one.name == device);
        whose.next().map_or(0, |one| one.unterminated)
    }

    /// Hands what a scanner read on to the till program, if it is shared.
    pub fn pass_on(&self, device: &str, raw: RawScan) {
        let handles = lock(&self.handles);
        let whose = handles
            .iter()
            .find(|handle| handle.snapshot().name == device);
        if let Some(handle) = whose {
            handle.pass_on(raw);
        }
    }

    /// Stops every thread.
    pub fn stop(&self) {
        let plug = lock(&self.plug).take();
        if let Some(plug) = plug {
            plug.stop();
        }
        // Joined without the lock, which whoever asks for the scanners' state needs.
        let handles = std::mem::take(&mut *lock(&self.handles));
        for handle in handles {
            handle.stop();
        }
    }

    fn wake(&self) {
        for handle in lock(&self.handles).iter() {
            handle.wake();
        }
    }

    fn wake_unshared(&self) {
        for handle in lock(&self.handles).iter() {
            handle.wake_unshared();
        }
    }

    fn rescan_interval(&self) -> Duration {
        let handles = lock(&self.handles);
        let mut states = handles.iter().map(|handle| handle.snapshot().state);
        if !handles.is_empty() && states.all(|state| state == DeviceState::Connected) {
            CONNECTED_RESCAN
        } else {
            RESCAN
        }
    }

    /// With `auto`: a worker for each device that none has and none is free for.
    fn grow(&self, settings: &SupervisorSettings) {
        if settings.devices != [ScannerDevice::Auto] {
            return;
        }
        let waiting = settings.locator.unclaimed().len();
        let mut handles = lock(&self.handles);
        let free = handles
            .iter()
            .filter(|handle| handle.snapshot().state != DeviceState::Connected);
        if waiting <= free.count() || handles.len() >= MOST {
            return;
        }
        match start(settings.worker_settings(handles.len(), Target::Any)) {
            Ok(handle) => handles.push(handle),
            Err(error) => tracing::error!(%error, "No thread for another scanner"),
        }
    }
}

impl SupervisorSettings {
    fn worker_settings(&self, index: usize, target: Target) -> Settings {
        Settings {
            name: format!("scanner{}", index + 1),
            target,
            locator: self.locator.clone(),
            share: self.share.clone(),
            events: self.events.clone(),
        }
    }
}

impl Plug {
    fn start(settings: SupervisorSettings, scanners: Arc<Scanners>) -> std::io::Result<Plug> {
        let uevents = Uevents::open()
            .inspect_err(
                |error| tracing::info!(%error, "No uevents: devices are looked for slowly"),
            )
            .ok();
        let wake = Arc::new(Wake::new()?);
        let listens = Arc::clone(&wake);
        let thread = std::thread::Builder::new()
            .name("oplati-plug".to_owned())
            .spawn(move || listen(uevents, &listens, &settings, &scanners))?;
        Ok(Plug { wake, thread })
    }

    fn stop(self) {
        self.wake.stop();
        if self.thread.join().is_err() {
            tracing::error!("The thread that hears of devices died");
        }
    }
}

fn listen(
    mut uevents: Option<Uevents>,
    wake: &Wake,
    settings: &SupervisorSettings,
    scanners: &Scanners,
) {
    let mut rescanned = Instant::now();
    while !wake.is_stopped() {
        scanners.grow(settings);
        let rescan = match uevents {
            Some(_) => scanners.rescan_interval(),
            None => RESCAN,
        };
        if rescanned.elapsed() >= rescan {
            rescanned = Instant::now();
            scanners.wake_unshared();
        }
        let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
        fds.extend(
            uevents
                .as_ref()
                .map(|uevents| PollFd::new(uevents, PollFlags::IN)),
        );
        if poll(&mut fds, Some(&timespec(rescan))).is_err() {
            // Interrupted, or short of memory: never a loop without a pause.
            std::thread::sleep(Duration::from_millis(50));
        }
        match uevents.as_ref().map(Uevents::drain) {
            Some(Ok(true)) => scanners.wake(),
            Some(Err(error)) => {
                tracing::warn!(%error, "No more uevents: devices are looked for slowly");
                uevents = None;
            }
            Some(Ok(false)) | None => {}
        }
    }
}
