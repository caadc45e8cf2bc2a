//! Scanners as oplati.conf names them, and the way of their codes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use tokio::sync::mpsc;

use super::DaemonError;
use super::core_loop::CoreInput;
use crate::base::error_chain::with_causes;
use crate::config::{Config, Paths, ScannerSettings, Share};
use crate::devices::profile::{Registry, UnknownProfile};
use crate::devices::scanner::find::DeviceLocator;
use crate::devices::scanner::share::Sharing;
use crate::devices::scanner::supervisor::SupervisorSettings;
use crate::devices::scanner::{ScannerEvent, Scanners};
use crate::model::scan::RawScan;
use crate::texts::cashier;

/// Events of scanners that may wait.
const SCANS: usize = 64;

/// Profiles, the shop's own among them, once all that oplati.conf names are there; with what health reports of those
/// that cannot be used.
pub(super) fn registry(
    paths: &Paths,
    config: &Config,
) -> Result<(Arc<Registry>, Vec<String>), UnknownProfile> {
    let (registry, errors) = Registry::load(&paths.profiles());
    let mut advice = Vec::new();
    for error in errors {
        tracing::error!(error = %with_causes(&error), "A device profile is left out");
        let name = error.path().file_name().unwrap_or_default();
        advice.push(cashier::profile_reason(name.to_string_lossy()));
    }
    registry.check_use(&config.scanner, &config.display)?;
    Ok((Arc::new(registry), advice))
}

pub(super) type ScannerEvents = std::sync::mpsc::Receiver<ScannerEvent>;

pub(super) fn start_scanners(
    settings: &ScannerSettings,
    paths: &Paths,
    registry: Arc<Registry>,
) -> Result<(Arc<Scanners>, ScannerEvents), DaemonError> {
    let (events, queue) = sync_channel(SCANS);
    let locator = DeviceLocator::new(registry, settings);
    // Whether scanners are shared now or not.
    crate::devices::scanner::share::remove_stale(&paths.shared_scanners());
    let share = (settings.share != Share::No).then(|| Sharing {
        folder: paths.shared_scanners(),
        types_reports: settings.share == Share::Keyboard,
    });
    let scanners = Scanners::start(SupervisorSettings {
        devices: settings.devices.clone(),
        locator,
        share,
        events,
    });
    let scanners = scanners.map_err(|source| DaemonError::System {
        what: "a scanner's thread",
        source,
    })?;
    Ok((scanners, queue))
}

/// Ends when every scanner has stopped.
pub(super) fn carry_scans(events: &ScannerEvents, inbound: &mpsc::Sender<CoreInput>) {
    while let Ok(event) = events.recv() {
        let input = match event {
            ScannerEvent::Scan(scan) => CoreInput::Scan(scan),
            ScannerEvent::Unread { device, raw } => CoreInput::Unread { device, raw },
            ScannerEvent::Trailing { device, raw } => CoreInput::Rest { device, raw },
            ScannerEvent::State { .. } => CoreInput::DeviceChanged,
        };
        if inbound.blocking_send(input).is_err() {
            return;
        }
    }
}

/// Sends what scanners read on to the till program, or keeps it away.
#[derive(Debug)]
pub(super) struct ScanForwarder {
    scanners: Arc<Scanners>,
    /// Where the last code of each scanner went.
    went_on: BTreeMap<String, bool>,
}

impl ScanForwarder {
    pub(super) fn new(scanners: Arc<Scanners>) -> ScanForwarder {
        ScanForwarder {
            scanners,
            went_on: BTreeMap::new(),
        }
    }

    /// A code; one that is a buyer's, or a test's, is not for the till.
    pub(super) fn code(&mut self, device: &str, raw: Option<RawScan>, withheld: bool) {
        self.went_on.insert(device.to_owned(), !withheld);
        if let Some(raw) = raw
            && !withheld
        {
            self.scanners.pass_on(device, raw);
        }
    }

    /// The rest of a code goes where the code went.
    pub(super) fn rest(&mut self, device: &str, raw: RawScan) {
        if self.went_on.get(device) == Some(&true) {
            self.scanners.pass_on(device, raw);
        }
    }
}
