//! The core's thread: takes what happens from bounded queues, hands it to the engine one at a time, and
//! does what comes out.
//!
//! While a write is stalled, the thread stays with it and takes nothing from its queues: callers get
//! `storage` when their patience ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::api::notices::EventLog;
use crate::api::till::{Answer, Command, Watch as _};
use crate::base::clock::Clock;
use crate::base::secret::Secret;
use crate::core::event::{Effect, Event, Reply, RequestId, Ticket};
use crate::daemon::device_test::{self, DeviceTestRunner};
use crate::daemon::devices::ScanForwarder;
use crate::daemon::status_board::StatusBoard;
use crate::daemon::turns::Turns;
use crate::daemon::watchdog::Watchdog;
use crate::devices::display::Displays;
use crate::engine::{Engine, Outcome};
use crate::journal::{Journal, Lock};
use crate::model::device::{Device, DeviceTest};
use crate::model::operation::{Operation, OperationRequest, QueueItem};
use crate::model::problem::Problem;
use crate::model::scan::{RawScan, Scan};
use crate::service::{Client, Exchange};

/// What comes in beside the till's commands.
#[derive(Debug)]
pub(super) enum CoreInput {
    /// A scanner read a code.
    Scan(Scan),
    /// A scanner sent what is no code.
    Unread { device: String, raw: RawScan },
    /// What belongs to the scanner's code before.
    Rest { device: String, raw: RawScan },
    /// A device came, went or failed.
    DeviceChanged,
    /// No display can show the present QR.
    SceneRefused { reason: String },
    /// A request to the service ended.
    Exchanged {
        request: RequestId,
        operation: String,
        /// Its name.
        call: &'static str,
        exchange: Box<Exchange>,
    },
}

/// Who waits for the answer to a question.
pub(super) enum PendingReply {
    Begin(Answer<(bool, Operation)>),
    Abort(Answer<Operation>),
    Scan(Answer<Option<String>>),
    Queue(Answer<QueueItem>),
}

/// The thread's belongings.
pub(super) struct CoreLoop {
    pub(super) parts: CoreLoopDeps,
    pub(super) askers: BTreeMap<Ticket, PendingReply>,
    tickets: Ticket,
    pub(super) pass_on: ScanForwarder,
    pub(super) published_health: Option<serde_json::Value>,
    /// State, last error and test of each device, as listeners know them.
    pub(super) published_devices: BTreeMap<String, (String, Option<String>, Option<DeviceTest>)>,
    pub(super) device_test: DeviceTestRunner,
    /// Requests to the service that have been sent.
    pub(super) requests: u64,
    saving: Arc<AtomicBool>,
    /// What was written so late that its caller had got an error meanwhile.
    withdrawn: Vec<String>,
}

/// A creation whose write took so long may have been answered as refused.
const SLOW_WRITE: Duration = Duration::from_secs(1);

/// What the loop is built of.
pub(super) struct CoreLoopDeps {
    pub engine: Engine<Journal>,
    pub clock: Clock,
    pub client: Option<Arc<Client>>,
    pub io: tokio::runtime::Handle,
    pub inbound: mpsc::Sender<CoreInput>,
    pub displays: Arc<Displays>,
    pub notices: Arc<EventLog>,
    pub shared: Arc<StatusBoard>,
    pub watchdog: Watchdog,
    /// Every few seconds, whatever else happens.
    pub pulse: Arc<Notify>,
    pub stop: watch::Receiver<bool>,
}

impl CoreLoop {
    pub(super) fn new(parts: CoreLoopDeps) -> CoreLoop {
        let pass_on = ScanForwarder::new(parts.shared.scanners());
        CoreLoop {
            device_test: DeviceTestRunner::new(
                Arc::clone(&parts.displays),
                &parts.shared,
                parts.clock,
            ),
            parts,
            pass_on,
            askers: BTreeMap::new(),
            tickets: 0,
            published_health: None,
            published_devices: BTreeMap::new(),
            requests: 0,
            saving: Arc::default(),
            withdrawn: Vec::new(),
        }
    }

    /// Runs until it is stopped, or nobody can send any more. Returns the journal's lock.
    pub(super) async fn run(
        mut self,
        first: Outcome,
        mut commands: mpsc::Receiver<Command>,
        mut inbound: mpsc::Receiver<CoreInput>,
    ) -> Option<Lock> {
        self.turns().begin();
        self.let_out(first).await;
        while !self.is_over() {
            self.turns().begin();
            self.publish_status();
            self.announce_requests();
            self.parts.watchdog.notify();
            self.pass_on_service_clock().await;
            self.drop_gone_callers().await;
            self.pulse();
            if self.device_test.tick() {
                self.publish_changes();
            }
            let wait = self.time_until_wakeup();
            // However much comes in, what is due happens.
            if wait.is_some_and(|wait| wait.is_zero()) {
                self.feed(Event::Tick).await;
                tokio::task::yield_now().await;
                if let Ok(inbound) = inbound.try_recv() {
                    self.take_inbound(inbound).await;
                }
                continue;
            }
            let (mut stop, pulse) = (self.parts.stop.clone(), Arc::clone(&self.parts.pulse));
            self.turns().rest();
            tokio::select! {
                biased;
                _ = stop.changed() => {}
                () = until_a_caller_is_gone(&mut self.askers) => {}
                Some(inbound) = inbound.recv() => self.take_inbound(inbound).await,
                Some(command) = commands.recv() => self.take_command(command).await,
                () = pulse.notified() => {}
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
        if self.parts.engine.is_gone() {
            self.parts.shared.starts_anew.store(true, Ordering::Release);
        }
        if let Some(client) = &self.parts.client {
            client.end_lookups();
        }
        // Who still waits gets the answer now, and not after the journal is closed.
        drop(std::mem::take(&mut self.askers));
        drop(commands);
        let lock = self.parts.engine.into_storage().close();
        self.parts.shared.turns.rest();
        lock
    }

    fn turns(&self) -> &Turns {
        &self.parts.shared.turns
    }

    /// Callers who read the journal may meet its damage before the core does.
    fn pass_on_doubt(&mut self) {
        if let Some(doubt) = self.parts.shared.take_doubt() {
            self.parts.engine.note(doubt);
            self.publish_storage();
        }
    }

    /// What is looked after every few seconds, whatever else happens.
    fn pulse(&mut self) {
        self.pass_on_doubt();
        if self.parts.engine.pulse(self.parts.clock.now()) {
            self.publish_storage();
            self.publish_changes();
            self.save_tallies();
        }
    }

    /// "A caller that goes frees its place; what was not begun by then is not begun."
    async fn drop_gone_callers(&mut self) {
        let mut gone = Vec::new();
        self.askers.retain(|ticket, asker| {
            let is_gone = matches!(asker, PendingReply::Begin(answer) if answer.is_closed());
            if is_gone {
                gone.push(*ticket);
            }
            !is_gone
        });
        for ticket in gone {
            tracing::warn!(ticket, "Not begun: its caller is gone");
            self.feed(Event::CallerGone { ticket }).await;
        }
    }

    /// Not in this thread: no counter makes a buyer wait for a slow disk.
    fn save_tallies(&self) {
        if !self.parts.shared.has_unsaved_tallies() || self.saving.swap(true, Ordering::Relaxed) {
            return;
        }
        let (shared, saving) = (Arc::clone(&self.parts.shared), Arc::clone(&self.saving));
        self.parts.io.spawn_blocking(move || {
            shared.save_tallies();
            saving.store(false, Ordering::Relaxed);
        });
    }

    /// `None` while nothing is due.
    fn time_until_wakeup(&self) -> Option<Duration> {
        let now = self.parts.clock.now().mono;
        let due = self.parts.engine.next_wakeup().map(|(at, why)| {
            tracing::trace!(why, at_ms = at.as_millis(), "Next wake-up");
            at.saturating_sub(now)
        });
        let test = self.device_test.wakeup().map(|at| {
            // A test that is due is no tick of the core.
            at.saturating_sub(now).max(Duration::from_millis(1))
        });
        [due, test].into_iter().flatten().min()
    }

    /// Passes the service's newest `Date` to the core; the daily check gets answers, too.
    async fn pass_on_service_clock(&mut self) {
        let newest = self.parts.shared.service_clock();
        if let Some(clock) = newest
            && newest != self.parts.engine.core().service_clock()
        {
            self.feed(Event::ServiceClock(clock)).await;
        }
    }

    async fn feed(&mut self, event: Event) {
        let outcome = self.parts.engine.event(event, self.parts.clock.now());
        self.let_out(outcome).await;
    }

    async fn take_inbound(&mut self, inbound: CoreInput) {
        self.turns().begin();
        match inbound {
            CoreInput::Scan(scan) => {
                if self.device_test.read(&scan.device, scan.code.expose()) {
                    self.pass_on.code(&scan.device, None, true);
                    return self.publish_changes();
                }
                let (scanned_at, before) = (self.parts.clock.now().mono, self.requests);
                self.feed(Event::Scan { ticket: None, scan }).await;
                if self.requests != before {
                    let took = self.parts.clock.now().mono.saturating_sub(scanned_at);
                    self.parts.shared.metrics.scan_led_to_request(took);
                }
            }
            CoreInput::Unread { device, raw } => {
                // What cannot be read may be a buyer's code.
                let withheld = self.parts.engine.core().awaits_scan();
                self.pass_on.code(&device, Some(raw), withheld);
            }
            CoreInput::Rest { device, raw } => self.pass_on.rest(&device, raw),
            CoreInput::DeviceChanged => self.publish_changes(),
            CoreInput::SceneRefused { reason } => self.feed(Event::SceneRefused { reason }).await,
            CoreInput::Exchanged {
                request,
                operation,
                call,
                exchange,
            } => {
                self.note_exchange(call, &exchange);
                self.pass_on_service_clock().await;
                self.trace_request(&operation, call, &exchange);
                self.feed(Event::Answered {
                    request,
                    answer: exchange.answer,
                })
                .await;
            }
        }
    }

    fn note_exchange(&mut self, call: &str, exchange: &Exchange) {
        use crate::core::call::Failure;
        let reachable = !matches!(
            exchange.answer,
            Err(Failure::NotSent { .. } | Failure::Lost { .. })
        );
        if let Some(date) = exchange.server_date {
            self.parts.shared.note_server_clock(date);
        }
        // An answer that the service held until the buyer had decided shows nothing of the line.
        let latency = (call != crate::core::call::PAY).then_some(exchange.elapsed);
        if self.parts.shared.note_service(reachable, latency) {
            self.publish_health();
        }
    }

    async fn take_command(&mut self, command: Command) {
        self.turns().begin();
        self.tickets += 1;
        let ticket = self.tickets;
        match command {
            Command::Begin {
                id,
                requested,
                answer,
            } => self.begin(ticket, id, requested, answer).await,
            Command::Abort { id, answer } => {
                self.askers.insert(ticket, PendingReply::Abort(answer));
                let outcome = self.parts.engine.abort(ticket, id, self.parts.clock.now());
                self.let_out(outcome).await;
            }
            Command::Scan { text, answer } => self.take_scan(ticket, text, answer).await,
            Command::Test {
                name,
                interactive,
                answer,
            } => {
                let devices = self.parts.shared.devices();
                let is_occupied = self.parts.engine.core().is_occupied();
                let begun = self
                    .device_test
                    .start(&name, interactive, &devices, is_occupied);
                send_reply(answer, begun.and_then(|()| self.device(&name)));
                self.publish_changes();
            }
            Command::StopTest { name, answer } => {
                self.device_test.stop(&name);
                send_reply(answer, self.device(&name));
                self.publish_changes();
            }
            Command::Recheck { id, second } => {
                let now = self.parts.clock.now();
                let outcome = self.parts.engine.recheck(id, second, now);
                self.let_out(outcome).await;
            }
            Command::ServiceAnswered => self.service_answered().await,
            Command::Retry { id, answer } => {
                self.askers.insert(ticket, PendingReply::Queue(answer));
                self.feed(Event::Retry { ticket, id }).await;
            }
            Command::Settle {
                id,
                verdict,
                answer,
            } => {
                self.askers.insert(ticket, PendingReply::Queue(answer));
                self.feed(Event::Settle {
                    ticket,
                    id,
                    verdict,
                })
                .await;
            }
        }
    }

    /// A code that a till program has read.
    async fn take_scan(&mut self, ticket: Ticket, text: Secret, answer: Answer<Option<String>>) {
        if self.device_test.read("api", text.expose()) {
            self.publish_changes();
            return send_reply(answer, Ok(None));
        }
        self.askers.insert(ticket, PendingReply::Scan(answer));
        let scan = Scan {
            device: "api".to_owned(),
            code: text,
            raw: None,
        };
        let ticket = Some(ticket);
        self.feed(Event::Scan { ticket, scan }).await;
    }

    async fn service_answered(&mut self) {
        self.pass_on_service_clock().await;
        if self.parts.shared.note_service(true, None) {
            self.publish_health();
        }
        self.feed(Event::ServiceAnswered).await;
    }

    async fn begin(
        &mut self,
        ticket: Ticket,
        id: String,
        requested: OperationRequest,
        answer: Answer<(bool, Operation)>,
    ) {
        // Who got the answer meanwhile that nothing was begun, or has hung up, must not find it begun.
        if answer.is_closed() {
            return tracing::warn!(operation = %id, "Not begun: its caller is gone");
        }
        self.askers.insert(ticket, PendingReply::Begin(answer));
        self.pass_on_doubt();
        let now = self.parts.clock.now();
        let outcome = self.parts.engine.begin(ticket, id, requested, now);
        self.publish_storage();
        // A buyer comes first.
        let is_wanted = outcome.has_begun() || self.parts.engine.core().is_occupied();
        if is_wanted && self.device_test.interrupt() {
            self.publish_changes();
        }
        self.let_out(outcome).await;
    }

    fn device(&self, name: &str) -> Result<Device, Problem> {
        let devices = self.parts.shared.devices();
        let found = devices.into_iter().find(|device| device.name == name);
        found.ok_or_else(|| device_test::unknown(name))
    }

    /// Publishes and does what comes of an input; stays with a write that is stalled.
    async fn let_out(&mut self, outcome: Outcome) {
        self.publish_and_perform(outcome);
        while let Some(retry_at) = self.parts.engine.stalled() {
            if self.is_over() {
                return;
            }
            self.wait_for_disk(retry_at).await;
            if self.is_over() {
                return;
            }
            let outcome = self.parts.engine.retry(self.parts.clock.now());
            self.publish_and_perform(outcome);
        }
        self.withdraw();
    }

    /// "Leaves no operation": the buyer of what its till takes for refused pays nothing, and is given nothing.
    /// Nothing of it has left yet; what cannot be stopped any more answers a repeated `PUT` as it stands.
    fn withdraw(&mut self) {
        for id in std::mem::take(&mut self.withdrawn) {
            tracing::warn!(operation = %id, "Taken back: its caller was refused meanwhile, since the journal did not answer");
            self.tickets += 1;
            let (answer, _nobody_waits) = oneshot::channel();
            self.askers
                .insert(self.tickets, PendingReply::Abort(answer));
            let now = self.parts.clock.now();
            let outcome = self.parts.engine.abort(self.tickets, id, now);
            self.publish_and_perform(outcome);
        }
    }

    fn note_withdrawn(&mut self, outcome: &Outcome) {
        let now = self.parts.clock.now();
        if now.mono.saturating_sub(outcome.since) < SLOW_WRITE {
            return;
        }
        for effect in &outcome.effects {
            if let Effect::Reply { ticket, reply } = effect
                && let Reply::Begun(Ok((true, operation))) = &**reply
                && let Some(PendingReply::Begin(answer)) = self.askers.get(ticket)
                && answer.is_closed()
            {
                self.withdrawn.push(operation.id.clone());
            }
        }
    }

    fn publish_and_perform(&mut self, mut outcome: Outcome) {
        // A buyer waits for what is asked of the service, and nobody for the news of it; its answer comes in by the
        // queue, after all of this.
        let is_request = |effect: &mut Effect| matches!(effect, Effect::Request { .. });
        for request in outcome.effects.extract_if(.., is_request) {
            self.perform(request);
        }
        self.publish_storage();
        if self.parts.engine.stalled().is_none() {
            if !outcome.writes.is_empty() {
                let took = self.parts.clock.now().mono.saturating_sub(outcome.since);
                self.parts.shared.metrics.journal_written(took);
            }
            // Who gets an event of an operation and then asks for health gets what follows from it.
            self.publish_status();
        }
        for write in &outcome.writes {
            self.publish_record(&write.record, &write.what);
        }
        self.count_ends(&outcome);
        self.note_withdrawn(&outcome);
        for effect in outcome.effects {
            self.perform(effect);
        }
    }

    /// How the journal is, for health.
    fn publish_storage(&mut self) {
        let (engine, shared) = (&self.parts.engine, &self.parts.shared);
        let operations = engine.storage().operations();
        shared.operations.store(operations, Ordering::Relaxed);
        let stalled = engine.stalled().is_some();
        let was_stalled = shared.stalled.swap(stalled, Ordering::Relaxed);
        if shared.set_trouble(engine.trouble()) || was_stalled != stalled {
            self.publish_health();
        }
    }

    /// Whether the loop must end: it was stopped, or the journal was taken away.
    fn is_over(&self) -> bool {
        self.parts.engine.is_gone() || *self.parts.stop.borrow()
    }

    async fn wait_for_disk(&mut self, retry_at: Duration) {
        self.parts.watchdog.notify();
        let wait = retry_at.saturating_sub(self.parts.clock.now().mono);
        let mut stop = self.parts.stop.clone();
        self.turns().rest();
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
        self.turns().begin();
    }
}

/// Waits until somebody whose `PUT` waits has hung up.
async fn until_a_caller_is_gone(askers: &mut BTreeMap<Ticket, PendingReply>) {
    std::future::poll_fn(|context| {
        let mut gone = false;
        for asker in askers.values_mut() {
            if let PendingReply::Begin(answer) = asker {
                gone |= answer.poll_closed(context).is_ready();
            }
        }
        if gone { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A till that does not listen any more will ask again.
pub(super) fn send_reply<T>(answer: Answer<T>, result: Result<T, Problem>) {
    drop(answer.send(result));
}
