//! The core's thread: takes what happens from bounded queues, one at a time, asks the core, makes
//! its writes durable, and only then lets its effects out.
//!
//! When a write fails, the thread stays with it: nothing that follows from it may be seen before it
//! is durable. It gives up the journal's reserve, tries again every second, and meanwhile every new
//! sale gets `storage`. A creation is the exception: it is refused and forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::api::notices::Notices;
use crate::api::till::{Answer, Command, Device, DeviceTest, Watch as _};
use crate::causes::with_causes;
use crate::clock::Clock;
use crate::core::Core;
use crate::core::event::{Effect, Event, Reply, RequestId, Step, Ticket, Write};
use crate::daemon::bench::{self, Bench};
use crate::daemon::devices::PassOn;
use crate::daemon::shared::Shared;
use crate::display::Displays;
use crate::journal::{Journal, JournalError};
use crate::operation::{Operation, QueueItem, Wish};
use crate::problem::{Code, Problem};
use crate::scanner::Original;
use crate::secret::Secret;
use crate::service::{Client, Exchange};

/// Between two tries of a write that failed.
const WRITE_AGAIN: Duration = Duration::from_secs(1);
/// How often old operations are looked for.
const RETAIN_EVERY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// At least this often the thread shows that it lives, whatever else happens.
const PULSE: Duration = Duration::from_secs(5);

/// What comes in beside the till's commands.
#[derive(Debug)]
pub(super) enum Inbound {
    /// A scanner read a code.
    Scan {
        device: String,
        code: Secret,
        /// As it came, where the till program shares the scanner.
        original: Option<Original>,
    },
    /// A scanner sent what is no code.
    Unread { device: String, original: Original },
    /// What belongs to the scanner's code before.
    Rest { device: String, original: Original },
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
pub(super) enum Asker {
    Begin(Answer<(bool, Operation)>),
    Abort(Answer<Operation>),
    Scan(Answer<Option<String>>),
    Queue(Answer<QueueItem>),
}

/// The thread's belongings.
pub(super) struct CoreLoop {
    pub(super) parts: Parts,
    pub(super) askers: BTreeMap<Ticket, Asker>,
    tickets: Ticket,
    /// The journal's file was removed.
    gone: bool,
    /// An operation is over whose codes still stand in the journal's write-ahead log.
    codes_remain: bool,
    pulse_at: Duration,
    /// When nothing old was left in the journal.
    purged_at: Option<jiff::Timestamp>,
    /// The code that the core is deciding on, as it came.
    pub(super) original: Option<Original>,
    pub(super) pass_on: PassOn,
    pub(super) told_health: Option<serde_json::Value>,
    /// State, last error and test of each device, as listeners know them.
    pub(super) told_devices: BTreeMap<String, (String, Option<String>, Option<DeviceTest>)>,
    pub(super) bench: Bench,
    /// A code came at this moment, and has let no request out yet.
    pub(super) scanned_at: Option<Duration>,
    saving: Arc<AtomicBool>,
}

/// What the loop is built of.
pub(super) struct Parts {
    pub core: Core,
    pub clock: Clock,
    pub journal: Journal,
    /// How long an operation that has ended is kept.
    pub journal_days: u32,
    pub client: Option<Arc<Client>>,
    pub io: tokio::runtime::Handle,
    pub inbound: mpsc::Sender<Inbound>,
    pub displays: Arc<Displays>,
    pub notices: Arc<Notices>,
    pub shared: Arc<Shared>,
    pub stop: watch::Receiver<bool>,
}

impl CoreLoop {
    pub(super) fn new(parts: Parts) -> CoreLoop {
        let pass_on = PassOn::new(parts.shared.scanners());
        CoreLoop {
            bench: Bench::new(Arc::clone(&parts.displays), &parts.shared, parts.clock),
            parts,
            original: None,
            pass_on,
            askers: BTreeMap::new(),
            tickets: 0,
            gone: false,
            codes_remain: true,
            pulse_at: Duration::ZERO,
            purged_at: None,
            told_health: None,
            told_devices: BTreeMap::new(),
            scanned_at: None,
            saving: Arc::default(),
        }
    }

    /// Runs until it is told to stop, or nobody can send any more.
    pub(super) async fn run(
        mut self,
        first: Step,
        mut commands: mpsc::Receiver<Command>,
        mut inbound: mpsc::Receiver<Inbound>,
    ) {
        self.carry_out(first).await;
        while !self.is_over() {
            self.publish_status();
            notify_watchdog();
            self.pulse();
            if self.bench.tick() {
                self.publish_changes();
            }
            let wait = self.time_until_wakeup();
            // However much comes in, what is due happens.
            if wait.is_zero() {
                self.feed(Event::Tick).await;
                tokio::task::yield_now().await;
                if let Ok(inbound) = inbound.try_recv() {
                    self.take_inbound(inbound).await;
                }
                continue;
            }
            let mut stop = self.parts.stop.clone();
            tokio::select! {
                biased;
                _ = stop.changed() => {}
                Some(inbound) = inbound.recv() => self.take_inbound(inbound).await,
                Some(command) = commands.recv() => self.take_command(command).await,
                () = tokio::time::sleep(wait) => {}
            }
        }
        // Who still waits hears now, and not after the journal is closed.
        drop(std::mem::take(&mut self.askers));
        drop(commands);
        self.parts.journal.close();
    }

    /// What is looked after every few seconds, whatever else happens.
    fn pulse(&mut self) {
        let now = self.parts.clock.now();
        if now.mono < self.pulse_at {
            return;
        }
        self.pulse_at = now.mono + PULSE;
        self.has_room();
        self.retain(now.wall);
        self.publish_changes();
        self.save_tallies();
        if self.codes_remain {
            self.codes_remain = !self.parts.journal.empty_log();
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

    /// Removes operations that are older than the journal keeps them.
    fn retain(&mut self, now: jiff::Timestamp) {
        if !self.retention_due(now) {
            return;
        }
        let keep = jiff::SignedDuration::from_hours(24 * i64::from(self.parts.journal_days));
        let Ok(before) = now.checked_sub(keep) else {
            return;
        };
        match self.parts.journal.purge(before) {
            Ok(more) => {
                self.purged_at = (!more).then_some(now);
                let operations = self.parts.journal.operations();
                let shared = &self.parts.shared;
                shared.operations.store(operations, Ordering::Relaxed);
            }
            Err(error) => {
                self.purged_at = Some(now);
                tracing::warn!(error = %with_causes(&error), "Old operations are not removed");
            }
        }
    }

    fn retention_due(&self, now: jiff::Timestamp) -> bool {
        self.purged_at
            .is_none_or(|last| now.duration_since(last).abs() >= RETAIN_EVERY)
    }

    fn time_until_wakeup(&self) -> Duration {
        let now = self.parts.clock.now().mono;
        let due = self.parts.core.next_wakeup().map(|(at, why)| {
            tracing::trace!(why, at_ms = at.as_millis(), "Next wake-up");
            at.saturating_sub(now)
        });
        let test = self.bench.wakeup().map(|at| {
            // A test that is due is no tick of the core.
            at.saturating_sub(now).max(Duration::from_millis(1))
        });
        // A pulse that is due is no tick: the loop comes by in any case.
        due.unwrap_or(PULSE).min(test.unwrap_or(PULSE)).min(PULSE)
    }

    async fn feed(&mut self, event: Event) {
        let step = self.parts.core.handle(event, self.parts.clock.now());
        self.carry_out(step).await;
    }

    async fn take_inbound(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Scan {
                device,
                code,
                original,
            } => {
                if self.bench.read(&device, code.expose()) {
                    self.pass_on.code(&device, None, true);
                    return self.publish_changes();
                }
                self.original = original;
                self.scanned_at = Some(self.parts.clock.now().mono);
                self.feed(Event::Scan {
                    ticket: None,
                    device,
                    code,
                })
                .await;
                self.scanned_at = None;
            }
            Inbound::Unread { device, original } => {
                // What cannot be read may be a buyer's code.
                let withheld = self.parts.core.awaits_scan();
                self.pass_on.code(&device, Some(original), withheld);
            }
            Inbound::Rest { device, original } => self.pass_on.rest(&device, original),
            Inbound::DeviceChanged => self.publish_changes(),
            Inbound::SceneRefused { reason } => self.feed(Event::SceneRefused { reason }).await,
            Inbound::Exchanged {
                request,
                operation,
                call,
                exchange,
            } => {
                self.note_exchange(call, &exchange);
                self.tell_request(&operation, call, &exchange);
                self.feed(Event::Answered {
                    request,
                    answer: exchange.answer,
                })
                .await;
            }
        }
    }

    fn note_exchange(&mut self, call: &str, exchange: &Exchange) {
        use crate::service::call::Failure;
        let reachable = !matches!(
            exchange.answer,
            Err(Failure::NotSent { .. } | Failure::Lost { .. })
        );
        if let Some(date) = exchange.server_date {
            self.parts.shared.note_server_clock(date);
        }
        // An answer that the service held until the buyer had decided tells nothing of the line.
        let latency = (call != crate::service::call::PAY).then_some(exchange.elapsed);
        if self.parts.shared.note_service(reachable, latency) {
            self.publish_health();
        }
    }

    async fn take_command(&mut self, command: Command) {
        self.tickets += 1;
        let ticket = self.tickets;
        match command {
            Command::Begin { id, wish, answer } => self.begin(ticket, id, wish, answer).await,
            Command::Abort { id, answer } => match self.parts.journal.find(&id) {
                Ok(existing) => {
                    self.askers.insert(ticket, Asker::Abort(answer));
                    self.feed(Event::Abort {
                        ticket,
                        id,
                        existing,
                    })
                    .await;
                }
                Err(error) => tell(answer, Err(unreadable(&error))),
            },
            Command::Scan { text, answer } => {
                if self.bench.read("api", text.expose()) {
                    self.publish_changes();
                    return tell(answer, Ok(None));
                }
                self.askers.insert(ticket, Asker::Scan(answer));
                let event = Event::Scan {
                    ticket: Some(ticket),
                    device: "api".to_owned(),
                    code: text,
                };
                self.feed(event).await;
            }
            Command::Test {
                name,
                interactive,
                answer,
            } => {
                let devices = self.parts.shared.devices();
                let is_occupied = self.parts.core.is_occupied();
                let begun = self.bench.start(&name, interactive, &devices, is_occupied);
                tell(answer, begun.and_then(|()| self.device(&name)));
                self.publish_changes();
            }
            Command::StopTest { name, answer } => {
                self.bench.stop(&name);
                tell(answer, self.device(&name));
                self.publish_changes();
            }
            Command::Recheck { id } => match self.parts.journal.entry(&id) {
                Ok(Some((entry, target))) => {
                    let entry = Box::new(entry);
                    self.feed(Event::Recheck { entry, target }).await;
                }
                Ok(None) => {}
                Err(error) => drop(unreadable(&error)),
            },
            Command::Retry { id, answer } => {
                self.askers.insert(ticket, Asker::Queue(answer));
                self.feed(Event::Retry { ticket, id }).await;
            }
            Command::Settle {
                id,
                verdict,
                answer,
            } => {
                self.askers.insert(ticket, Asker::Queue(answer));
                self.feed(Event::Settle {
                    ticket,
                    id,
                    verdict,
                })
                .await;
            }
        }
    }

    async fn begin(
        &mut self,
        ticket: Ticket,
        id: String,
        wish: Wish,
        answer: Answer<(bool, Operation)>,
    ) {
        // Who was told meanwhile that nothing was begun, or has hung up, must not find it begun.
        if answer.is_closed() {
            return tracing::warn!(operation = %id, "Not begun: its caller is gone");
        }
        let shift = crate::core::shift::of_day(self.parts.clock.now().wall);
        let journal = &self.parts.journal;
        let read = journal
            .find(&id)
            .and_then(|existing| Ok((existing, journal.facts(&wish, &shift)?)));
        let (existing, facts) = match read {
            Ok(read) => read,
            Err(error) => return tell(answer, Err(unreadable(&error))),
        };
        if existing.is_none() && !self.has_room() {
            return tell(answer, Err(no_room()));
        }
        // A buyer comes first.
        if existing.is_none() && self.bench.interrupt() {
            self.publish_changes();
        }
        self.askers.insert(ticket, Asker::Begin(answer));
        self.feed(Event::Begin {
            ticket,
            id,
            wish,
            existing,
            facts: Box::new(facts),
        })
        .await;
    }

    fn device(&self, name: &str) -> Result<Device, Problem> {
        let devices = self.parts.shared.devices();
        let found = devices.into_iter().find(|device| device.name == name);
        found.ok_or_else(|| bench::unknown(name))
    }

    /// Whether the end of another operation can be written; said once when that changes.
    fn has_room(&mut self) -> bool {
        let secured = self.parts.journal.secure_room();
        if let Err(error) = &secured {
            self.note_gone(error);
        }
        let lacking = secured.is_err();
        if self.parts.shared.no_room.swap(lacking, Ordering::Relaxed) != lacking {
            match secured {
                Ok(()) => tracing::info!("There is room for operations again"),
                Err(error) => {
                    tracing::error!(error = %with_causes(&error), "No room for another operation");
                }
            }
            self.publish_health();
        }
        !lacking
    }

    /// Writes first, effects after.
    async fn carry_out(&mut self, step: Step) {
        let mut step = step;
        let begun = self.parts.clock.now().mono;
        while let Err(error) = self.parts.journal.commit(&step.writes) {
            self.note_gone(&error);
            if let Some(id) = step.creates.take() {
                tracing::error!(operation = %id, error = %with_causes(&error), "The operation was not begun");
                self.refuse_creation(step, &error);
                step = self
                    .parts
                    .core
                    .handle(Event::BeginFailed { id }, self.parts.clock.now());
                continue;
            }
            self.wait_for_disk(&error).await;
            if self.is_over() {
                return;
            }
        }
        if !step.writes.is_empty() {
            let took = self.parts.clock.now().mono.saturating_sub(begun);
            self.parts.shared.metrics.journal_written(took);
        }
        let operations = self.parts.journal.operations();
        self.parts
            .shared
            .operations
            .store(operations, Ordering::Relaxed);
        if self.parts.shared.stalled.swap(false, Ordering::Relaxed) {
            tracing::info!("The journal can be written again");
            self.publish_health();
        }
        // Who hears of an operation and then asks for health hears what follows from it.
        self.publish_status();
        for write in &step.writes {
            self.tell_listeners(&write.record, &write.what);
        }
        self.count_ends(&step);
        for effect in step.effects {
            self.perform(effect);
        }
        let is_over = |write: &Write| write.record.operation().state.is_final();
        self.codes_remain |= step.writes.iter().any(is_over);
    }

    /// A journal that is gone takes no writes any more: only a new start opens what is there now.
    fn note_gone(&mut self, error: &JournalError) {
        if matches!(error, JournalError::Gone { .. }) && !self.gone {
            tracing::error!(error = %with_causes(error), "The daemon ends, to be started anew");
            self.gone = true;
        }
    }

    /// Whether the loop must end.
    fn is_over(&self) -> bool {
        self.gone || *self.parts.stop.borrow()
    }

    async fn wait_for_disk(&mut self, error: &JournalError) {
        if self.gone {
            return;
        }
        if !self.parts.shared.stalled.swap(true, Ordering::Relaxed) {
            tracing::error!(error = %with_causes(error), "The journal cannot be written, waiting for the disk");
            self.publish_health();
        }
        if error.is_full() {
            self.parts.journal.use_reserve();
        }
        notify_watchdog();
        let mut stop = self.parts.stop.clone();
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(WRITE_AGAIN) => {}
        }
    }

    fn refuse_creation(&mut self, step: Step, error: &JournalError) {
        let problem = if error.is_full() {
            no_room()
        } else {
            unwritable()
        };
        for effect in step.effects {
            if let Effect::Reply { ticket, reply } = effect
                && matches!(*reply, Reply::Begun(Ok(_)))
            {
                self.reply(ticket, Reply::Begun(Err(problem.clone())));
            }
        }
    }
}

/// A till that does not listen any more will ask again.
pub(super) fn tell<T>(answer: Answer<T>, result: Result<T, Problem>) {
    drop(answer.send(result));
}

fn unreadable(error: &JournalError) -> Problem {
    tracing::error!(error = %with_causes(error), "The journal cannot be read");
    Problem::new(
        Code::Storage,
        "Журнал операций не читается",
        "Проверьте диск кассы",
    )
}

fn unwritable() -> Problem {
    Problem::new(
        Code::Storage,
        "Журнал операций не записывается, новые операции невозможны",
        "Проверьте диск кассы и журнал terminal.log",
    )
}

fn no_room() -> Problem {
    Problem::new(
        Code::Storage,
        "Журнал операций не записывается, новые операции невозможны",
        "Освободите место на диске кассы",
    )
}

/// Only the core shows that it lives: a stuck core must be restarted.
pub(super) fn notify_watchdog() {
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]) {
        tracing::trace!(%error, "No watchdog");
    }
}
