//! Tests of devices while the daemon runs: `POST /v1/devices/{name}/test`.
//!
//! A plain test is over at once: it reports what is known of the device. An interactive one has a display and
//! the scans that come, one at a time in the whole till. It is the core's thread that drives it, between
//! two events of the core, so that a scan is either the test's or the core's and never both, and a
//! sale that begins ends the test before its first scene.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::status_board::StatusBoard;
use crate::base::clock::{Clock, Now};
use crate::base::random::random_byte;
use crate::core::scene::Scene;
use crate::devices::device_test::checks;
use crate::devices::device_test::{ClosedLoop, Next, Pair};
use crate::devices::display::Displays;
use crate::devices::scanner::Scanners;
use crate::model::device::{Device, DeviceTest, InteractiveTest, TestState};
use crate::model::operation::rfc3339_ms;
use crate::model::problem::{Code, Problem};
use crate::texts::{cashier, technician};

/// Results by device, for who asks about devices.
#[derive(Debug, Default)]
pub(super) struct Results(Mutex<BTreeMap<String, DeviceTest>>);

impl Results {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, DeviceTest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn of(&self, device: &str) -> Option<DeviceTest> {
        self.lock().get(device).cloned()
    }
}

/// What runs.
#[derive(Debug)]
pub(super) struct DeviceTestRunner {
    displays: Arc<Displays>,
    scanners: Arc<Scanners>,
    results: Arc<Results>,
    clock: Clock,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    device: String,
    test: ClosedLoop,
    began: Now,
    /// Codes of the scanner before that only silence has ended.
    unterminated: u64,
}

impl DeviceTestRunner {
    pub(super) fn new(
        displays: Arc<Displays>,
        shared: &StatusBoard,
        clock: Clock,
    ) -> DeviceTestRunner {
        let (scanners, results) = (shared.scanners(), Arc::clone(&shared.tests));
        DeviceTestRunner {
            displays,
            scanners,
            results,
            clock,
            running: None,
        }
    }

    /// Begins the test of a device; a plain one is over then.
    pub(super) fn start(
        &mut self,
        name: &str,
        interactive: Option<InteractiveTest>,
        devices: &[Device],
        is_occupied: bool,
    ) -> Result<(), Problem> {
        let device = devices.iter().find(|device| device.name == name);
        let device = device.ok_or_else(|| unknown(name))?;
        if self
            .running
            .as_ref()
            .is_some_and(|running| running.device == name || interactive.is_some())
        {
            return Err(
                Code::Busy.problem(cashier::DEVICE_TEST_RUNS, cashier::DEVICE_TEST_RUNS_REMEDY)
            );
        }
        let now = self.clock.now();
        let Some(requested) = interactive else {
            self.results
                .lock()
                .insert(name.to_owned(), plain(device, now));
            return Ok(());
        };
        if is_occupied {
            return Err(Code::Busy.problem(
                cashier::DEVICE_TEST_DISTURBS,
                cashier::DEVICE_TEST_DISTURBS_REMEDY,
            ));
        }
        let pair = self.pair(device, requested.display.as_deref(), devices)?;
        let test = ClosedLoop::new(pair, requested.scans, now.mono, random_byte);
        let mut running = Running {
            device: name.to_owned(),
            test,
            began: now,
            unterminated: self.scanners.unterminated(name),
        };
        self.show(&mut running.test)?;
        self.publish(&running);
        tracing::info!(device = name, "An interactive test begins");
        self.running = Some(running);
        Ok(())
    }

    fn pair(
        &self,
        device: &Device,
        display: Option<&str>,
        devices: &[Device],
    ) -> Result<Pair, Problem> {
        if device.kind == "display" {
            return Ok(Pair {
                scanner: None,
                display: device.name.clone(),
            });
        }
        let shows_codes = |name: &str| self.displays.shows_codes(name) == Some(true);
        let display = match display {
            Some(name) if self.displays.shows_codes(name).is_none() => return Err(unknown(name)),
            Some(name) if !shows_codes(name) => {
                return Err(Problem::unprocessable(
                    cashier::display_without_qr(name),
                    cashier::DISPLAY_OTHER_REMEDY,
                ));
            }
            Some(name) => name.to_owned(),
            None => {
                let mut fit = devices
                    .iter()
                    .filter(|one| one.kind == "display" && shows_codes(&one.name));
                let first = fit.next().ok_or_else(|| {
                    Problem::unprocessable(
                        cashier::NO_DISPLAY_WITH_QR,
                        cashier::NO_DISPLAY_WITH_QR_REMEDY,
                    )
                })?;
                first.name.clone()
            }
        };
        Ok(Pair {
            scanner: Some(device.name.clone()),
            display,
        })
    }

    /// Ends the test of a device.
    pub(super) fn stop(&mut self, name: &str) {
        if self
            .running
            .as_ref()
            .is_some_and(|running| running.device == name)
        {
            self.interrupt();
        }
    }

    /// A buyer comes. Whether a test was ended by it.
    pub(super) fn interrupt(&mut self) -> bool {
        let Some(running) = &mut self.running else {
            return false;
        };
        running.test.stop();
        self.end();
        true
    }

    /// Whether the running test takes this code.
    pub(super) fn read(&mut self, device: &str, text: &str) -> bool {
        let now = self.clock.now().mono;
        let Some(running) = &mut self.running else {
            return false;
        };
        if !running.test.wants(device) {
            return false;
        }
        let next = running.test.read(text, now);
        self.go_on(next);
        true
    }

    /// Whether something changed.
    pub(super) fn tick(&mut self) -> bool {
        let now = self.clock.now().mono;
        let Some(running) = &mut self.running else {
            return false;
        };
        let next = running.test.tick(now);
        self.go_on(next);
        next != Next::Wait
    }

    /// When [`DeviceTestRunner::tick`] has something to do.
    pub(super) fn wakeup(&self) -> Option<Duration> {
        self.running.as_ref()?.test.wakeup()
    }

    /// Whether a display is the test's: the idle scene after a sale would wipe its code away.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    fn go_on(&mut self, next: Next) {
        match next {
            Next::Wait => {}
            Next::Ended => self.end(),
            Next::Show => {
                let Some(mut running) = self.running.take() else {
                    return;
                };
                match self.show(&mut running.test) {
                    Ok(()) => {
                        self.publish(&running);
                        self.running = Some(running);
                    }
                    Err(problem) => {
                        tracing::warn!(error = %problem.detail, "The test's display shows nothing more");
                        running.test.stop();
                        self.running = Some(running);
                        self.end();
                    }
                }
            }
        }
    }

    /// Shows the code that stands, as short as the display needs it.
    fn show(&self, test: &mut ClosedLoop) -> Result<(), Problem> {
        let display = test.pair().display.clone();
        loop {
            match self.displays.show_on(&display, &test.scene()) {
                Ok(()) => return Ok(()),
                Err(_) if test.shorten() => {}
                Err(refusal) => {
                    return Err(Problem::unprocessable(
                        cashier::display_refuses_qr(display, refusal),
                        cashier::DISPLAY_OTHER_REMEDY,
                    ));
                }
            }
        }
    }

    fn end(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        let unterminated = self.scanners.unterminated(&running.device);
        running
            .test
            .note_unterminated(unterminated.saturating_sub(running.unterminated));
        if let Err(error) = self
            .displays
            .show_on(&running.test.pair().display, &Scene::Idle)
        {
            tracing::debug!(%error, "No idle scene after the test");
        }
        tracing::info!(device = %running.device, "The interactive test has ended");
        self.publish(&running);
    }

    fn publish(&self, running: &Running) {
        let (step, of) = running.test.progress();
        let is_over = running.test.is_over();
        let message = running.test.message();
        let published = DeviceTest {
            state: if is_over {
                TestState::Done
            } else {
                TestState::Running
            },
            interactive: true,
            step,
            of,
            says: message.ru.into_owned(),
            says_english: message.en.into_owned(),
            checks: running.test.checks(),
            started_at: rfc3339_ms::text(running.began.wall),
            finished_at: is_over.then(|| rfc3339_ms::text(self.clock.now().wall)),
        };
        self.results
            .lock()
            .insert(running.device.clone(), published);
    }
}

pub(super) fn unknown(name: &str) -> Problem {
    Code::NotFound.problem(
        cashier::device_unknown(name),
        cashier::BAD_DEVICE_NAME_REMEDY,
    )
}

/// What is known of a device, without touching it.
fn plain(device: &Device, now: Now) -> DeviceTest {
    let checks = checks::of(device);
    let at = rfc3339_ms::text(now.wall);
    let worst = checks.iter().find(|check| check.remedy.is_some());
    let message = worst.map_or_else(
        || technician::DEVICE_TEST_NO_REMARKS,
        |check| check.detail.clone(),
    );
    DeviceTest {
        state: TestState::Done,
        interactive: false,
        step: checks.len(),
        of: checks.len(),
        says: message.ru.into_owned(),
        says_english: message.en.into_owned(),
        checks,
        started_at: at.clone(),
        finished_at: Some(at),
    }
}
