//! Facts about the daemon's parts, written by the parts, read by health. No part waits for another
//! to report how it is.

mod reasons;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::device_counters::DeviceCounters;
use super::device_test::Results;
use super::reconciled::Reconciled;
use super::schedule::Trust;
use super::turns::Turns;
use super::without_journal::NoJournal;
use crate::api::notices::{EventLog, NoticeKind};
use crate::api::till::Watch;
use crate::base::clock::{Clock, MAX_CONFIRMED_SKEW, ServiceClock};
use crate::core::Status;
use crate::core::call::TokenProblem;
use crate::devices::display::{DisplayState, Displays};
use crate::devices::scanner::{DeviceState, Scanners, Snapshot};
use crate::engine;
use crate::journal::{JournalError, Reader, Trouble};
use crate::metrics::Metrics;
use crate::model::archive::{Archive, OperationStep, OperationsQuery};
use crate::model::device::{Device, DeviceHealth};
use crate::model::health::{Health, HealthStatus, JournalHealth, ServiceHealth};
use crate::model::operation::{Mode, Operation, QueueItem, rfc3339_ms};
use crate::model::problem::Problem;
use crate::service::{Client, ServerDate};
use crate::texts::cashier;

/// A smaller difference between both clocks cannot be measured.
const MIN_CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(2);

/// How often a token.conf that is not right is read again.
const TOKEN_FILE_INTERVAL: Duration = Duration::from_secs(10);

/// How often the end looks whether calls are under way.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What the parts report.
#[derive(Debug)]
pub(super) struct StatusBoard {
    clock: Clock,
    started_at: Timestamp,
    status: Mutex<Status>,
    service: Mutex<ServiceHealth>,
    /// As the newest answer had it.
    service_clock: Mutex<Option<ServiceClock>>,
    /// The journal could not be written; the core waits for its disk.
    pub(super) stalled: AtomicBool,
    /// Whether the core's thread gets on.
    pub(super) turns: Turns,
    /// The daemon ends on purpose: a new start finds another journal.
    pub(super) starts_anew: AtomicBool,
    /// Why no other operation can begin, as far as the journal is concerned.
    trouble: Mutex<Option<Trouble>>,
    /// How many operations the journal holds.
    pub(super) operations: AtomicU64,
    /// Calls to the service that are under way.
    pub(super) calls: Calls,
    /// Tests of devices.
    pub(super) tests: Arc<Results>,
    /// What is counted.
    pub(super) metrics: Arc<Metrics>,
    /// What is wrong with token.conf, before a buyer's payment meets it.
    token_file: Mutex<Option<TokenProblem>>,
    /// What devices have counted before.
    counters: DeviceCounters,
    /// What the daily check has found.
    reconciled: Arc<Reconciled>,
    /// The journal, or why there is none, Russian.
    reader: Result<Reader, NoJournal>,
    displays: Arc<Displays>,
    scanners: Arc<Scanners>,
    /// Of oplati.conf.
    mode: Mode,
    /// Warnings of the configuration that a person should know, Russian.
    advice: Vec<String>,
}

/// What health is drawn from besides what the parts report.
pub(super) struct Sources {
    /// The journal, or why there is none, Russian.
    pub reader: Result<Reader, NoJournal>,
    pub displays: Arc<Displays>,
    pub scanners: Arc<Scanners>,
    /// Of oplati.conf.
    pub mode: Mode,
    /// Warnings of the configuration that a person should know, Russian.
    pub advice: Vec<String>,
    /// What devices have counted before.
    pub counters: DeviceCounters,
    /// What the daily check has found.
    pub reconciled: Arc<Reconciled>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StatusBoard {
    pub(super) fn new(clock: Clock, sources: Sources) -> StatusBoard {
        StatusBoard {
            clock,
            started_at: clock.now().wall,
            status: Mutex::default(),
            service: Mutex::default(),
            service_clock: Mutex::default(),
            stalled: AtomicBool::new(false),
            turns: Turns::new(clock),
            starts_anew: AtomicBool::new(false),
            trouble: Mutex::default(),
            operations: AtomicU64::new(0),
            calls: Calls::default(),
            tests: Arc::default(),
            metrics: Arc::default(),
            token_file: Mutex::default(),
            counters: sources.counters,
            reconciled: sources.reconciled,
            reader: sources.reader,
            displays: sources.displays,
            scanners: sources.scanners,
            mode: sources.mode,
            advice: sources.advice,
        }
    }

    pub(super) fn scanners(&self) -> Arc<Scanners> {
        Arc::clone(&self.scanners)
    }

    /// Whether anything changed.
    pub(super) fn set_trouble(&self, trouble: Option<Trouble>) -> bool {
        std::mem::replace(&mut *lock(&self.trouble), trouble) != trouble
    }

    fn trouble(&self) -> Option<Trouble> {
        *lock(&self.trouble)
    }

    /// What those who read the journal have met that shows damage.
    pub(super) fn note_doubt(&self, error: JournalError) {
        if let Ok(reader) = &self.reader {
            reader.note_doubt(error);
        }
    }

    pub(super) fn take_doubt(&self) -> Option<JournalError> {
        self.reader.as_ref().ok()?.take_doubt()
    }

    /// Whether anything changed.
    pub(super) fn set_status(&self, status: Status) -> bool {
        let mut old = lock(&self.status);
        let changed = *old != status;
        *old = status;
        changed
    }

    /// Whether it was otherwise before.
    pub(super) fn note_service(&self, reachable: bool, latency: Option<Duration>) -> bool {
        let mut service = lock(&self.service);
        let changed = service.reachable != Some(reachable);
        if changed {
            service.reachable = Some(reachable);
            service.since = Some(rfc3339_ms::text(self.clock.now().wall));
        }
        if let Some(latency) = latency.filter(|_| reachable) {
            service.latency_ms = u64::try_from(latency.as_millis()).ok();
        }
        changed
    }

    /// Answers may be noted in another order than they came.
    pub(super) fn note_server_clock(&self, server: ServerDate) {
        let received = self.clock.mono_of(server.received);
        let clock = ServiceClock::new(server.date, received);
        let mut newest = lock(&self.service_clock);
        if newest.is_none_or(|newest| newest.received() <= received) {
            *newest = Some(clock);
        }
    }

    /// Looks at token.conf before a buyer does, and again until it is right: a person may mend it meanwhile.
    pub(super) async fn watch_token_file(
        self: Arc<Self>,
        client: Arc<Client>,
        mut stop: watch::Receiver<bool>,
    ) {
        while let Some(problem) = client.token_file_problem().await {
            *lock(&self.token_file) = Some(problem);
            let again = tokio::time::sleep(TOKEN_FILE_INTERVAL);
            tokio::select! {
                () = again => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
        *lock(&self.token_file) = None;
    }

    /// Notifies listeners when the core hangs and when it gets on again: it cannot do so itself.
    pub(super) fn look_at_core(&self, was_stuck: &mut bool, notices: &EventLog) {
        let is_stuck = self.turns.is_stuck();
        if is_stuck == *was_stuck {
            return;
        }
        *was_stuck = is_stuck;
        if is_stuck {
            tracing::error!("The core hangs: the journal's disk does not answer");
        } else {
            tracing::info!("The core gets on again");
        }
        match serde_json::to_value(self.health()) {
            Ok(health) => notices.publish(NoticeKind::Health, health),
            Err(error) => tracing::error!(%error, "An event cannot be sent"),
        }
    }

    /// Whether what has happened may be missing in the journal.
    fn is_unwritten(&self) -> bool {
        self.stalled.load(Ordering::Relaxed) || self.turns.is_stuck()
    }

    /// The service's clock, once an answer has shown it.
    pub(super) fn service_clock(&self) -> Option<ServiceClock> {
        *lock(&self.service_clock)
    }

    /// How far the service's clock is ahead of the till's.
    fn skew(&self) -> Option<SignedDuration> {
        let clock = self.service_clock()?;
        Some(clock.skew(self.clock.now()))
    }

    /// Whether the till's clock can be relied on, as far as the service's last answer shows.
    pub(super) fn clock_trust(&self) -> Trust {
        match self.skew() {
            None => Trust::Unknown,
            Some(skew) if skew.abs() <= MAX_CONFIRMED_SKEW => Trust::Confirmed,
            Some(_) => Trust::Wrong,
        }
    }

    /// A sale was paid at this moment of the service's clock, and the till could get `done` now.
    pub(super) fn note_done(&self, paid_at: Timestamp, now: Timestamp) {
        // `Date` has whole seconds: what is less is no difference.
        let skew = self.skew().filter(|skew| skew.abs() >= MIN_CLOCK_SKEW);
        let took = now.duration_since(paid_at) + skew.unwrap_or_default();
        let took = Duration::try_from(took).unwrap_or_default();
        self.metrics.confirmation_became_done(took);
    }

    /// Keeps what devices have counted, if they have.
    pub(super) fn save_tallies(&self) {
        self.counters.save(|| self.devices());
    }

    /// Whether they have, which costs no look at the disk.
    pub(super) fn has_unsaved_tallies(&self) -> bool {
        self.counters.is_behind(&self.devices())
    }
}

impl Watch for StatusBoard {
    fn refusal(&self) -> Option<Problem> {
        let is_lost = self.trouble() == Some(Trouble::Damaged) && self.is_unwritten();
        is_lost.then(|| engine::refusal(Trouble::Damaged))
    }

    fn health(&self) -> Health {
        let status = lock(&self.status).clone();
        let devices = self.devices();
        let blocked = self.blocked(&status);
        let degraded = self.degraded(&status, &devices);
        let word = match (blocked.is_empty(), degraded.is_empty()) {
            (false, _) => HealthStatus::Blocked,
            (true, false) => HealthStatus::Degraded,
            (true, true) => HealthStatus::Ok,
        };
        let reasons = blocked.into_iter().chain(degraded);
        let (reason_codes, reasons) = reasons.map(|reason| (reason.code, reason.text)).unzip();
        Health {
            status: word,
            reasons,
            reason_codes,
            service: lock(&self.service).clone(),
            queue_depth: status.queue_depth,
            devices: devices
                .into_iter()
                .map(|device| DeviceHealth {
                    name: device.name,
                    state: device.state,
                    shows: device.shows,
                })
                .collect(),
            journal: JournalHealth {
                ok: self.reader.is_ok()
                    && !self.is_unwritten()
                    && !matches!(self.trouble(), Some(Trouble::Damaged | Trouble::Disk)),
                operations: self.operations.load(Ordering::Relaxed),
            },
            reconciliation: self.reconciled.health(),
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: self.clock.now().mono.as_secs(),
            started_at: rfc3339_ms::text(self.started_at),
        }
    }

    fn devices(&self) -> Vec<Device> {
        let scanners = self.scanners.snapshots().into_iter();
        let mut devices: Vec<Device> = scanners.map(scanner_device).collect();
        devices.extend(self.displays.state().into_iter().map(display_device));
        devices.sort_by(|a, b| (&b.kind, &a.name).cmp(&(&a.kind, &b.name)));
        for device in &mut devices {
            device.test = self.tests.of(&device.name);
        }
        self.counters.complete(&mut devices, self.clock.now().wall);
        devices
    }
}

fn display_device(display: DisplayState) -> Device {
    Device {
        name: display.name,
        kind: "display".to_owned(),
        state: display.state.to_owned(),
        profile: display.profile,
        identity: display.identity,
        firmware: display.firmware,
        node: Some(display.node),
        shows: display.shows.map(str::to_owned),
        since: None,
        last_error: display.last_error,
        last_error_at: None,
        counters: BTreeMap::from([
            ("frames".to_owned(), display.frames),
            ("reconnects".to_owned(), display.reconnects),
            ("unproven".to_owned(), display.unproven),
        ]),
        recent: BTreeMap::new(),
        test: None,
    }
}

fn scanner_device(snapshot: Snapshot) -> Device {
    // What nobody named and nobody plugged in is not missed.
    let state = if snapshot.state == DeviceState::Missing && snapshot.node == "auto" {
        "none"
    } else {
        snapshot.state.word()
    };
    Device {
        name: snapshot.name,
        kind: "scanner".to_owned(),
        state: state.to_owned(),
        profile: snapshot.profile,
        identity: snapshot.identity,
        firmware: snapshot.firmware,
        node: Some(snapshot.node),
        shows: None,
        since: None,
        last_error: snapshot.last_error,
        last_error_at: None,
        counters: BTreeMap::from([
            ("scans".to_owned(), snapshot.scans),
            ("discarded".to_owned(), snapshot.discarded),
            ("unterminated".to_owned(), snapshot.unterminated),
            ("reconnects".to_owned(), snapshot.reconnects),
            ("not_shared".to_owned(), snapshot.not_shared),
        ]),
        recent: BTreeMap::new(),
        test: None,
    }
}

/// Counts what is under way, so that the end can wait for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls(Arc<AtomicUsize>);

/// One call; dropped when it has ended.
#[derive(Debug)]
pub(super) struct Call(Arc<AtomicUsize>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Calls {
    pub(super) fn enter(&self) -> Call {
        self.0.fetch_add(1, Ordering::Relaxed);
        Call(Arc::clone(&self.0))
    }

    /// Waits until none is left.
    pub(super) async fn quiet(&self) {
        while self.0.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}

impl StatusBoard {
    fn reader(&self) -> Result<&Reader, Problem> {
        self.reader.as_ref().map_err(NoJournal::problem)
    }

    fn as_far_as_known(&self, mut operation: Operation) -> Operation {
        if self.is_unwritten() && !operation.state.is_final() {
            cashier::CHECK_IN_ACCOUNT.clone_into(&mut operation.message);
        }
        operation
    }
}

/// Reads the journal; while it cannot be written, what is not final may have ended unseen, and the
/// cashier is told to look in the merchant's account.
impl Archive for StatusBoard {
    fn operation(&self, id: &str) -> Result<Option<Operation>, Problem> {
        let operation = self.reader()?.operation(id)?;
        Ok(operation.map(|operation| self.as_far_as_known(operation)))
    }

    fn steps(&self, id: &str) -> Result<Option<Vec<OperationStep>>, Problem> {
        self.reader()?.steps(id)
    }

    fn operations(&self, query: &OperationsQuery) -> Result<Vec<Operation>, Problem> {
        let operations = self.reader()?.operations(query)?;
        let known = operations
            .into_iter()
            .map(|operation| self.as_far_as_known(operation));
        Ok(known.collect())
    }

    fn queue(&self) -> Result<Vec<QueueItem>, Problem> {
        self.reader()?.queue()
    }
}
