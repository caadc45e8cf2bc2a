//! The core with its journal: takes what happens, makes what follows from it durable, and only then
//! hands out what is to be done.
//!
//! Two designs were weighed. The carrying out of steps could stay in the daemon's async loop, which
//! performs the effects too: one place less, but then "nothing is seen before it is durable" is
//! spread over awaits, and a simulation of faults drives a copy of it and proves the copy. The other
//! is this: a machine without clock, socket, thread or task, which owns the [`Core`] and its
//! [`Storage`]. The daemon gives it the time and performs what it hands out; the simulation does the
//! same with a virtual time and a disk that fails.
//!
//! When a write fails, the engine stays with it ("Storage."): nothing that follows from it may be
//! seen before it is durable. It gives up the journal's reserve and is asked to [`Engine::retry`]
//! every second; what is handed in meanwhile waits in its order. A creation is the exception: it is
//! refused with `storage` and forgotten.
//!
//! - [`storage`]: what it needs of a journal · `retention`: when old operations leave it
//! - `condition`: how it is · `problems`: what people get when it does not serve them

mod condition;
mod problems;
mod retention;
pub mod storage;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::clock::Now;
use crate::base::error_chain::with_causes;
use crate::core::event::{self, Effect, Event, Reply, Step, Ticket, Write};
use crate::core::record::Record;
use crate::core::{Core, shift};
use crate::journal::{JournalError, Trouble};
use crate::model::operation::OperationRequest;

use condition::Condition;
use problems::{log_unreadable, unreadable};
pub(crate) use problems::{reason, refusal};
use retention::Retention;
pub use storage::Storage;

/// Between two tries of a write that failed.
const WRITE_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How often the engine looks after its storage, see [`Engine::pulse`].
pub const PULSE_INTERVAL: Duration = Duration::from_secs(5);

/// Random bytes of an [`order_prefix`].
pub const ORDER_PREFIX_BYTES: usize = 11;

/// What every order number of a process begins with, made of random bytes: no other process has it.
pub fn order_prefix(random: [u8; ORDER_PREFIX_BYTES]) -> String {
    let digits = random.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

/// What the engine is given at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The core's.
    pub core: event::Settings,
    /// `journalDays`: how long an operation that has ended is kept.
    pub journal_days: u32,
}

/// What became of one input. The writes are durable; the effects are to be performed now, in order.
#[derive(Debug, Default)]
pub struct Outcome {
    /// When its step happened.
    pub at: Timestamp,
    /// The same moment by the process's clock: how long the writes took follows from it.
    pub since: Duration,
    /// What was written.
    pub writes: Vec<Write>,
    /// What is to be done.
    pub effects: Vec<Effect>,
}

impl Outcome {
    fn nothing(now: Now) -> Outcome {
        Outcome {
            at: now.wall,
            since: now.mono,
            ..Outcome::default()
        }
    }

    fn reply(now: Now, ticket: Ticket, reply: Reply) -> Outcome {
        let reply = Box::new(reply);
        Outcome {
            effects: vec![Effect::Reply { ticket, reply }],
            ..Outcome::nothing(now)
        }
    }

    /// Whether an operation was made.
    pub fn has_begun(&self) -> bool {
        self.effects.iter().any(|effect| {
            matches!(effect, Effect::Reply { reply, .. } if matches!(**reply, Reply::Begun(Ok((true, _)))))
        })
    }
}

/// What comes in.
#[derive(Debug)]
enum Input {
    Begin {
        ticket: Ticket,
        id: String,
        requested: OperationRequest,
    },
    Abort {
        ticket: Ticket,
        id: String,
    },
    Recheck {
        id: String,
        second: Option<i64>,
    },
    Event(Event),
}

/// A step whose writes fail, and which is not over before they are durable.
#[derive(Debug)]
struct Stall {
    step: Step,
    since: Duration,
    retry_at: Duration,
}

/// The core and its journal. See the module's documentation.
#[derive(Debug)]
pub struct Engine<S> {
    core: Core,
    storage: S,
    retention: Retention,
    stall: Option<Stall>,
    /// What was handed in while a write was stalled.
    waiting: VecDeque<Input>,
    condition: Condition,
    /// The write-ahead log may hold what the journal does not: the codes of an operation that is over,
    /// a creation that was refused.
    log_is_stale: bool,
    pulse_at: Duration,
}

impl<S: Storage> Engine<S> {
    /// Takes up what the storage holds.
    pub fn start(
        settings: Settings,
        storage: S,
        now: Now,
    ) -> Result<(Engine<S>, Outcome), JournalError> {
        let restored = storage.restore()?;
        let (core, first) = Core::new(settings.core, restored, now);
        let mut engine = Engine {
            core,
            storage,
            retention: Retention::of(settings.journal_days),
            stall: None,
            waiting: VecDeque::new(),
            condition: Condition::default(),
            log_is_stale: true,
            pulse_at: Duration::ZERO,
        };
        let outcome = engine.carry_out(first, now.mono, now);
        Ok((engine, outcome))
    }

    /// A till's `PUT`.
    pub fn begin(
        &mut self,
        ticket: Ticket,
        id: String,
        requested: OperationRequest,
        now: Now,
    ) -> Outcome {
        self.take(
            Input::Begin {
                ticket,
                id,
                requested,
            },
            now,
        )
    }

    /// The cashier stops waiting.
    pub fn abort(&mut self, ticket: Ticket, id: String, now: Now) -> Outcome {
        self.take(Input::Abort { ticket, id }, now)
    }

    /// A report holds what the entry has concluded absent: it is asked for once more.
    /// `second`: the number of a further payment under that of a sale.
    pub fn recheck(&mut self, id: String, second: Option<i64>, now: Now) -> Outcome {
        self.take(Input::Recheck { id, second }, now)
    }

    /// Anything else that happens. [`Event::Begin`], [`Event::Abort`] and [`Event::Recheck`] need what the journal knows
    /// of the journal: [`Engine::begin`], [`Engine::abort`] and [`Engine::recheck`] add them.
    pub fn event(&mut self, event: Event, now: Now) -> Outcome {
        self.take(Input::Event(event), now)
    }

    /// When a write that failed is to be tried again: the caller hands in nothing before
    /// [`Engine::retry`] has brought it through.
    pub fn stalled(&self) -> Option<Duration> {
        self.stall.as_ref().map(|stall| stall.retry_at)
    }

    /// Tries the write that failed once more.
    pub fn retry(&mut self, now: Now) -> Outcome {
        match self.stall.take() {
            Some(stall) if !self.condition.is_gone() => {
                let outcome = self.carry_out(stall.step, stall.since, now);
                if self.stall.is_none() {
                    tracing::info!("The journal can be written again");
                }
                outcome
            }
            stall => {
                self.stall = stall;
                Outcome::nothing(now)
            }
        }
    }

    /// When [`Event::Tick`] is due, and why; in the past: at once. While a write is stalled, the time
    /// of [`Engine::retry`].
    pub fn next_wakeup(&self) -> Option<(Duration, &'static str)> {
        if let Some(stall) = &self.stall {
            return Some((stall.retry_at, "write again"));
        }
        if !self.waiting.is_empty() {
            return Some((Duration::ZERO, "waited for the disk"));
        }
        self.core.next_wakeup()
    }

    /// What is looked after every [`PULSE_INTERVAL`], whatever else happens: room, old operations, the
    /// write-ahead log. Whether it was due.
    pub fn pulse(&mut self, now: Now) -> bool {
        if now.mono < self.pulse_at || self.stall.is_some() {
            return false;
        }
        self.pulse_at = now.mono + PULSE_INTERVAL;
        self.secure_room();
        self.look();
        if self.condition.is_unusable() {
            return true;
        }
        self.retention
            .pass(&mut self.storage, self.core.service_clock(), now);
        if self.log_is_stale {
            self.log_is_stale = !self.storage.empty_log();
        }
        true
    }

    /// The core, to look at.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The storage, to look at.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The storage alone: what the engine knew is forgotten, as in a crash.
    pub fn into_storage(self) -> S {
        self.storage
    }

    /// Why no other operation can begin, as far as the journal is concerned.
    pub fn trouble(&self) -> Option<Trouble> {
        self.condition.trouble()
    }

    /// Whether the journal was taken away: only a new start opens what is there now.
    pub fn is_gone(&self) -> bool {
        self.condition.is_gone()
    }

    /// Another reader of the journal has met this.
    pub fn note(&mut self, error: JournalError) {
        drop(self.unread(error));
    }

    /// An error of the journal, as it is in the end: damage that is not confirmed is a fault of the disk, and
    /// nothing is kept of it.
    fn judged(&mut self, error: JournalError) -> JournalError {
        let error = self.storage.judge(error);
        let was_damaged = self.condition.is_damaged();
        if error.trouble() == Trouble::Gone && !self.condition.is_gone() {
            // What only this process still has would end with it.
            let secured = self.storage.secure_log();
            if !self.condition.note_secured(secured) {
                return error;
            }
        }
        self.condition.note(&error);
        if self.condition.is_damaged() && !was_damaged {
            self.storage.note_damage();
        }
        error
    }

    /// A reading has failed. Health shows at once whether the journal is of use now, and not at the next pulse.
    fn unread(&mut self, error: JournalError) -> JournalError {
        let error = self.judged(error);
        if !self.condition.is_unusable() && self.stall.is_none() {
            self.look();
        }
        error
    }

    /// One input at a time, and none while a write is stalled.
    fn take(&mut self, input: Input, now: Now) -> Outcome {
        // Buyers would be charged for what nobody can report to their till; a write that never comes through is not
        // waited for.
        if let Input::Begin { ticket, .. } = &input
            && self.condition.is_damaged()
        {
            let reply = Reply::Begun(Err(refusal(Trouble::Damaged)));
            return Outcome::reply(now, *ticket, reply);
        }
        let is_tick = matches!(input, Input::Event(Event::Tick));
        // A tick that comes too early is only one more look at the clock, later.
        if !(is_tick && (self.stall.is_some() || !self.waiting.is_empty())) {
            self.waiting.push_back(input);
        }
        if self.stall.is_some() {
            return Outcome::nothing(now);
        }
        match self.waiting.pop_front() {
            Some(input) => self.handle(input, now),
            None => Outcome::nothing(now),
        }
    }

    fn handle(&mut self, input: Input, now: Now) -> Outcome {
        let event = match input {
            Input::Event(event) => Ok(event),
            Input::Begin {
                ticket,
                id,
                requested,
            } => self.begun(ticket, id, requested, now),
            Input::Abort { ticket, id } => self.aborted(ticket, id, now),
            Input::Recheck { id, second } => self.rechecked(&id, second, now),
        };
        match event {
            Ok(event) => {
                let step = self.core.handle(event, now);
                self.carry_out(step, now.mono, now)
            }
            Err(outcome) => *outcome,
        }
    }

    /// A `PUT` with what the journal knows of it; else what its caller is answered at once.
    fn begun(
        &mut self,
        ticket: Ticket,
        id: String,
        requested: OperationRequest,
        now: Now,
    ) -> Result<Event, Box<Outcome>> {
        let refuse = |problem| Box::new(Outcome::reply(now, ticket, Reply::Begun(Err(problem))));
        let read = self.storage.find(&id).and_then(|existing| {
            let context = self.storage.context(&requested, &shift::of_day(now.wall))?;
            Ok((existing, context))
        });
        let (existing, context) = read.map_err(|error| refuse(unreadable(&self.unread(error))))?;
        // "Room for an operation's end is secured before its first request."
        if existing.is_none() && !self.secure_room() {
            let trouble = self.trouble().unwrap_or(Trouble::Full);
            return Err(refuse(refusal(trouble)));
        }
        Ok(Event::Begin {
            ticket,
            id,
            requested,
            existing,
            context: Box::new(context),
        })
    }

    fn aborted(&mut self, ticket: Ticket, id: String, now: Now) -> Result<Event, Box<Outcome>> {
        match self.storage.find(&id) {
            Ok(existing) => Ok(Event::Abort {
                ticket,
                id,
                existing,
            }),
            Err(error) => {
                let reply = Reply::Aborted(Err(unreadable(&self.unread(error))));
                Err(Box::new(Outcome::reply(now, ticket, reply)))
            }
        }
    }

    fn rechecked(
        &mut self,
        id: &str,
        second: Option<i64>,
        now: Now,
    ) -> Result<Event, Box<Outcome>> {
        let read = self.storage.entry(id).and_then(|entry| {
            let is_entry = entry.is_some();
            let record = if is_entry {
                None
            } else {
                self.storage.find(id)?
            };
            Ok((entry, record))
        });
        match read {
            Ok((Some((entry, targets)), _)) => {
                let entry = Box::new(entry);
                Ok(Event::Recheck { entry, targets })
            }
            // A report holds the payment of a sale that has no undoing.
            Ok((None, Some(Record::Sale(sale)))) => Ok(Event::RecheckSale { sale, second }),
            Ok((None, _)) => Err(Box::new(Outcome::nothing(now))),
            Err(error) => {
                // Nobody waits for an answer: the next reconciliation asks again.
                log_unreadable(&self.unread(error));
                Err(Box::new(Outcome::nothing(now)))
            }
        }
    }

    /// Writes first, effects after.
    fn carry_out(&mut self, mut step: Step, since: Duration, now: Now) -> Outcome {
        let mut refusals = Vec::new();
        while let Err(error) = self.storage.commit(&step.writes) {
            let error = self.judged(error);
            self.condition.note_failed_write(&error);
            let Some(id) = step.creates.take() else {
                self.stall(step, since, &error, now);
                return Outcome {
                    effects: refusals,
                    ..Outcome::nothing(now)
                };
            };
            if self.is_written(&step, &id) {
                tracing::warn!(operation = %id, error = %with_causes(&error), "The disk reports a failure of what it has kept");
                break;
            }
            tracing::error!(operation = %id, error = %with_causes(&error), "The operation was not begun");
            self.log_is_stale = true;
            refusals.extend(refusals_of(step, &error));
            step = self.core.handle(Event::BeginFailed { id }, now);
        }
        if !step.writes.is_empty() {
            self.condition.note_written();
        }
        let is_over = |write: &Write| write.record.operation().state.is_final();
        self.log_is_stale |= step.writes.iter().any(is_over);
        refusals.extend(step.effects);
        Outcome {
            at: step.at,
            since,
            writes: step.writes,
            effects: refusals,
        }
    }

    /// Whether a creation is in the journal although its write failed: then it stands, since a restart
    /// would begin it.
    fn is_written(&self, step: &Step, id: &str) -> bool {
        let found = self.storage.find(id).ok().flatten();
        found.is_some_and(|found| step.written(id) == Some(&found))
    }

    fn stall(&mut self, step: Step, since: Duration, error: &JournalError, now: Now) {
        // Once, and not at every try again.
        if since == now.mono && !self.is_gone() {
            tracing::error!(error = %with_causes(error), "The journal cannot be written, waiting for the disk");
        }
        if error.is_full() {
            self.storage.use_reserve();
        }
        self.stall = Some(Stall {
            step,
            since,
            retry_at: now.mono + WRITE_RETRY_INTERVAL,
        });
    }

    /// Whether the end of another operation can be written.
    fn secure_room(&mut self) -> bool {
        let secured = self.storage.secure_room();
        let secured = secured.map_err(|error| self.judged(error));
        self.condition.note_room(secured)
    }

    /// Whether operations could be written, before a buyer's would meet that they cannot.
    fn look(&mut self) {
        let look = self.storage.look(self.condition.has_failed_to_write());
        let look = look.map_err(|error| self.judged(error));
        self.condition.note_look(look);
    }
}

/// The answers to those whose creation could not be written.
fn refusals_of(step: Step, error: &JournalError) -> impl Iterator<Item = Effect> {
    let problem = refusal(error.trouble());
    step.effects.into_iter().filter_map(move |effect| {
        let Effect::Reply { ticket, reply } = effect else {
            return None;
        };
        matches!(*reply, Reply::Begun(Ok(_))).then(|| Effect::Reply {
            ticket,
            reply: Box::new(Reply::Begun(Err(problem.clone()))),
        })
    })
}
