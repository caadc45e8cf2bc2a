//! The closed loop without the daemon: scanners and displays are opened here, by the same modules.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::super::{CliError, Context};
use super::interactive::{missing, note, untried};
use super::prompt::{Person, Typed};
use crate::base::clock::Clock;
use crate::base::random::random_byte;
use crate::core::scene::Scene;
use crate::devices::device_test::{ClosedLoop, Next, Pair};
use crate::devices::display::{Displays, Theme};
use crate::devices::profile::Registry;
use crate::devices::scanner::find::DeviceLocator;
use crate::devices::scanner::supervisor::SupervisorSettings;
use crate::devices::scanner::{DeviceState, ScannerEvent, Scanners};
use crate::model::check::Check;
use crate::selftest::Environment;
use crate::texts::technician;

/// Devices open within this, or are not there.
const OPEN_TIMEOUT: Duration = Duration::from_secs(3);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const EVENTS: usize = 64;

/// What is open.
struct Bench {
    displays: Displays,
    scanners: Arc<Scanners>,
    events: Receiver<ScannerEvent>,
    clock: Clock,
}

pub(super) fn run(
    context: &Context,
    ground: &Environment,
    scans: usize,
    person: &mut Person,
) -> Result<Vec<Check>, CliError> {
    let Ok(loaded) = &ground.settings else {
        let why = technician::SETTINGS_NOT_READ;
        let remedy = technician::OFFLINE_MEND_SETTINGS;
        return Ok(vec![untried(why, remedy)]);
    };
    let config = &loaded.config;
    let (registry, _) = Registry::load(&ground.paths.profiles());
    let look = Theme::of(config, None);
    let system = |source| CliError::System {
        what: "thread",
        source,
    };
    let displays =
        Displays::start_with(&config.display.devices, &look, &registry).map_err(system)?;
    let (sender, events) = sync_channel(EVENTS);
    let scanners = Scanners::start(SupervisorSettings {
        devices: config.scanner.devices.clone(),
        locator: DeviceLocator::new(Arc::new(registry), &config.scanner),
        share: None,
        events: sender,
    });
    let scanners = scanners.map_err(system)?;
    let bench = Bench {
        displays,
        scanners,
        events,
        clock: Clock::start(),
    };
    bench
        .displays
        .show(&Scene::Idle)
        .map_err(|refusal| CliError::Data(refusal.to_string()))?;
    bench.wait_for_devices(person);
    let checks = bench.all(context, scans, person);
    bench.scanners.stop();
    bench.displays.stop();
    Ok(checks)
}

impl Bench {
    fn connected_scanners(&self) -> Vec<String> {
        let snapshots = self.scanners.snapshots().into_iter();
        let open = snapshots.filter(|one| one.state == DeviceState::Connected);
        open.map(|one| one.name).collect()
    }

    fn connected_displays(&self) -> Vec<String> {
        let states = self.displays.state().into_iter();
        let open = states.filter(|one| one.state == "connected");
        open.map(|one| one.name).collect()
    }

    fn wait_for_devices(&self, person: &Person) {
        let until = Instant::now() + OPEN_TIMEOUT;
        let is_open = || {
            let displays = self.displays.state();
            let scanners = self.scanners.snapshots();
            displays.iter().all(|one| one.shows.is_some())
                && scanners
                    .iter()
                    .all(|one| one.state == DeviceState::Connected)
        };
        while Instant::now() < until && !is_open() && !person.has_stopped() {
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    fn all(&self, context: &Context, scans: usize, person: &mut Person) -> Vec<Check> {
        let (displays, scanners) = (self.connected_displays(), self.connected_scanners());
        let mut checks: Vec<Check> = missing(&displays, &scanners).into_iter().collect();
        for display in displays {
            let shows_codes = self.displays.shows_codes(&display) == Some(true);
            let readers: Vec<Option<String>> = if shows_codes && !scanners.is_empty() {
                scanners.iter().cloned().map(Some).collect()
            } else {
                // A person reads digits off it.
                vec![None]
            };
            for scanner in readers {
                if person.has_stopped() {
                    return checks;
                }
                let pair = Pair {
                    scanner,
                    display: display.clone(),
                };
                checks.extend(self.one(context, pair, scans, person));
            }
        }
        checks
    }

    fn one(&self, context: &Context, pair: Pair, scans: usize, person: &mut Person) -> Vec<Check> {
        let display = pair.display.clone();
        let scanner = pair.scanner.clone().unwrap_or_default();
        let before = self.scanners.unterminated(&scanner);
        let mut test = ClosedLoop::new(pair, scans, self.clock.now().mono, random_byte);
        let mut next = Next::Show;
        if scanner.is_empty() && person.ask().is_err() {
            test.stop();
        }
        while !test.is_over() {
            if person.has_stopped()
                || next == Next::Show && !self.show(context, &display, &mut test)
            {
                test.stop();
                break;
            }
            next = self.step(&mut test, person);
        }
        drop(self.displays.show_on(&display, &Scene::Idle));
        let after = self.scanners.unterminated(&scanner);
        test.note_unterminated(after.saturating_sub(before));
        note(context, &test.message());
        test.checks()
    }

    /// Whether the display shows the code that stands.
    fn show(&self, context: &Context, display: &str, test: &mut ClosedLoop) -> bool {
        while let Err(refusal) = self.displays.show_on(display, &test.scene()) {
            if !test.shorten() {
                context.output.note(&refusal.to_string());
                return false;
            }
        }
        note(context, &test.message());
        true
    }

    fn step(&self, test: &mut ClosedLoop, person: &Person) -> Next {
        let now = self.clock.now().mono;
        if test.pair().scanner.is_none() {
            match person.typed() {
                Typed::NotYet => {
                    std::thread::sleep(POLL_INTERVAL);
                    return test.tick(now);
                }
                Typed::Line(line) => {
                    test.read(&line, now);
                    return test.tick(now + crate::devices::device_test::QUIET);
                }
                Typed::Nobody => {
                    test.stop();
                    return Next::Ended;
                }
            }
        }
        // Ctrl-C is looked for meanwhile.
        let wait = test.wakeup().map_or(POLL_INTERVAL, |at| {
            at.saturating_sub(now).min(POLL_INTERVAL)
        });
        match self.events.recv_timeout(wait) {
            Ok(ScannerEvent::Scan(scan)) if test.wants(&scan.device) => {
                test.read(scan.code.expose(), self.clock.now().mono)
            }
            Ok(_) => Next::Wait,
            Err(RecvTimeoutError::Timeout) => test.tick(self.clock.now().mono),
            Err(RecvTimeoutError::Disconnected) => {
                test.stop();
                Next::Ended
            }
        }
    }
}
