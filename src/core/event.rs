//! The core's two vocabularies: what happens to it, and what it wants done.

use std::time::Duration;

use crate::base::clock::{Now, ServiceClock};
use crate::core::call::{Answer, Call};
use crate::core::record::{Account, Record, ReversalRecord, SaleRecord};
use crate::core::scene::Scene;
use crate::model::operation::{Mode, Operation, OperationRequest, QueueItem, Verdict};
use crate::model::problem::Problem;
use crate::model::scan::Scan;
use jiff::Timestamp;

/// Names one question of the outside, answered exactly once.
pub type Ticket = u64;

/// Names one request to the service, answered exactly once.
pub type RequestId = u64;

/// What the core is given at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `None`: not configured, payments are refused.
    pub account: Option<Account>,
    /// For sales that name none.
    pub mode: Mode,
    /// `timeout`: the bound of one request and of looking up.
    pub timeout: Duration,
    /// `waitBuyer`.
    pub wait_buyer: Duration,
    /// `settle`.
    pub settle: Duration,
    /// `pollPayment`: least pause between two questions for the status of one payment or reversal.
    pub poll_payment: Duration,
    /// `pollSession`: least pause between two questions for one session.
    pub poll_session: Duration,
    /// `valutcode`: the payment type's number in the till; `None`: any.
    pub valutcode: Option<u32>,
    /// Prefixes of buyers' codes; empty: the default rule.
    pub buyer_code: Vec<String>,
    /// Begins every order number of this process: letters, digits and `-`, 1 to 24 characters, never
    /// used by another process.
    pub order_prefix: String,
}

impl Settings {
    /// How long every question may fail before the service counts as unreachable: `timeout`, but where
    /// questions may be asked more seldom than that, never before a second one was possible.
    pub(super) fn patience(&self) -> Duration {
        let Settings {
            timeout,
            poll_payment,
            ..
        } = *self;
        if poll_payment < timeout {
            timeout
        } else {
            poll_payment + timeout
        }
    }
}

/// What the journal holds at the start.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Sales and cards that are not final.
    pub sales: Vec<SaleRecord>,
    /// Entries of the queue that are live or watched, oldest first.
    pub entries: Vec<ReversalRecord>,
    /// What those entries reverse, and the sales of the refunds among that.
    pub targets: Vec<Record>,
    /// Sales that were seen paid, a few of each shift that may be asked for, oldest first.
    pub witnesses: Vec<SaleRecord>,
    /// The number of the daemon's next own operation.
    pub next_own: u64,
    /// The newest time in the journal.
    pub newest: Option<Timestamp>,
    /// The shift that the newest sale named.
    pub own_shift: Option<String>,
}

/// What the journal knows of a request.
#[derive(Clone, Debug, Default)]
pub struct JournalContext {
    /// A set-aside entry whose sale has the same receipt number and shift.
    pub set_aside: Option<String>,
    /// What a refund or a cancellation is of.
    pub target: Option<Record>,
    /// The sale of a refund that is to be cancelled.
    pub sale: Option<Record>,
    /// Reversals of the target, oldest first.
    pub reversals: Vec<ReversalRecord>,
}

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// The till asks for an operation.
    Begin {
        /// For the reply.
        ticket: Ticket,
        /// Not yet checked.
        id: String,
        /// Not yet checked.
        requested: OperationRequest,
        /// What the journal holds under that id.
        existing: Option<Record>,
        /// What else the journal knows.
        context: Box<JournalContext>,
    },
    /// The journal could not keep what [`Event::Begin`] wrote: forget it.
    BeginFailed {
        /// The operation's identifier.
        id: String,
    },
    /// The cashier stops waiting.
    Abort {
        /// For the reply.
        ticket: Ticket,
        /// The operation's identifier.
        id: String,
        /// From the journal.
        existing: Option<Record>,
    },
    /// A code was read.
    Scan {
        /// For the reply, when a program handed it in.
        ticket: Option<Ticket>,
        /// What was read, and by which scanner.
        scan: Scan,
    },
    /// A person wants an entry tried now.
    Retry {
        /// For the reply.
        ticket: Ticket,
        /// The operation's identifier.
        id: String,
    },
    /// A shift was compared with the service's report: a number that was absent or took nothing is asked
    /// for once more.
    Recheck {
        /// The entry that concluded so.
        entry: Box<ReversalRecord>,
        /// What it reverses, and the sale of a refund that it reverses.
        targets: Vec<Record>,
    },
    /// The same for a sale that ended as not paid, and that nothing has been undone of, or under whose number the
    /// report holds a further payment.
    RecheckSale {
        /// The sale as the journal keeps it.
        sale: Box<SaleRecord>,
        /// The number of a further payment that the report holds under the sale's order number.
        second: Option<i64>,
    },
    /// A person closes a set-aside entry.
    Settle {
        /// For the reply.
        ticket: Ticket,
        /// The operation's identifier.
        id: String,
        /// Why, and what has happened.
        verdict: Verdict,
    },
    /// A request ended; its connection is closed.
    Answered {
        /// The request that has ended.
        request: RequestId,
        /// How it has ended.
        answer: Answer,
    },
    /// An answer of the service stated its time. Comes before the [`Event::Answered`] of that answer.
    ServiceClock(ServiceClock),
    /// The service has given a valid answer to somebody beside the core, a reconciliation for example.
    ServiceAnswered,
    /// Who asked with this ticket does not wait for the answer any more.
    CallerGone {
        /// Of [`Event::Begin`].
        ticket: Ticket,
    },
    /// No display can show the QR of the present sale.
    SceneRefused {
        /// English.
        reason: String,
    },
    /// Time has passed.
    Tick,
}

/// When a change must have reached the disk.
///
/// What a power cut takes is never more than the deferred changes since the last immediate one: they stand in the
/// journal in the order in which they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before the effects of its step: money may move by them, or a caller is promised something.
    Immediate,
    /// With the next change that is immediate, or when the system writes it: what follows from it can be learned
    /// anew. A crash of the process alone keeps it.
    Deferred,
}

/// One change, which is in the journal before the effects of its step.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The row as it is from now on.
    pub record: Record,
    /// English, for the operation's time line; no secret.
    pub what: String,
    /// When: the operation's own `updated_at` shows only when the till's view of it changed.
    pub at: Timestamp,
    /// When it must have reached the disk.
    pub durability: Durability,
}

/// What the core wants done, after the step's writes are durable.
#[derive(Debug)]
pub enum Effect {
    /// Perform a request and report [`Event::Answered`].
    Request {
        /// For the report.
        id: RequestId,
        /// For the log.
        operation: String,
        /// What is asked of the service.
        call: Box<Call>,
    },
    /// Show it to the buyer.
    Show(Scene),
    /// Answer a question.
    Reply {
        /// Of the question.
        ticket: Ticket,
        /// The answer.
        reply: Box<Reply>,
    },
    /// Something needs a person: it is logged as an error.
    Alarm {
        /// The operation.
        operation: String,
        /// English, for the log.
        what: String,
    },
    /// A code was read: it is published to the listeners.
    Scanned {
        /// What was read; listeners get length and tail.
        scan: Scan,
        /// The operation that took it.
        used_by: Option<String>,
        /// It is a buyer's and not for the till program.
        withheld: bool,
    },
}

/// Answers to the outside's questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Event::Begin`]; `true` = made now.
    Begun(Result<(bool, Operation), Problem>),
    /// To [`Event::Abort`].
    Aborted(Result<Operation, Problem>),
    /// To [`Event::Scan`].
    ScanUsed(Option<String>),
    /// To [`Event::Retry`] and [`Event::Settle`].
    Queue(Result<QueueItem, Problem>),
}

/// One step of the core: first the writes, in one transaction, then the effects in order.
#[derive(Debug)]
pub struct Step {
    /// When it happens.
    pub at: Timestamp,
    /// Durable together or not at all.
    pub writes: Vec<Write>,
    /// Nothing of it happens before the writes are durable.
    pub effects: Vec<Effect>,
    /// The operation that this step makes, if it makes one: should the writes fail, the till is answered `storage`, the
    /// core gets [`Event::BeginFailed`], and nothing is left.
    pub creates: Option<String>,
}

impl Step {
    pub(crate) fn new(now: Now) -> Step {
        Step {
            at: now.wall,
            writes: Vec::new(),
            effects: Vec::new(),
            creates: None,
        }
    }

    /// Writes a sale or a card as it is from now on.
    pub(crate) fn write_sale(&mut self, sale: &mut SaleRecord, what: impl Into<String>) {
        self.push_sale(sale, what.into(), Durability::Immediate);
    }

    /// The same for a change that a power cut may take: neither has money moved by it, nor will a restart do anything
    /// else without it than look for what the service has, or begin the sale anew.
    pub(crate) fn defer_sale(&mut self, sale: &mut SaleRecord, what: impl Into<String>) {
        self.push_sale(sale, what.into(), Durability::Deferred);
    }

    fn push_sale(&mut self, sale: &mut SaleRecord, what: String, durability: Durability) {
        count_change(&mut sale.operation);
        let record = Record::Sale(Box::new(sale.clone()));
        self.push(record, what, durability);
    }

    /// The same for an entry of the queue.
    pub(crate) fn write_entry(&mut self, entry: &mut ReversalRecord, what: impl Into<String>) {
        count_change(&mut entry.operation);
        let record = Record::Entry(Box::new(entry.clone()));
        self.push(record, what.into(), Durability::Immediate);
    }

    /// The same for what a reversal is of.
    pub(crate) fn write_target(&mut self, target: &mut Record, what: impl Into<String>) {
        count_change(target.operation_mut());
        self.push(target.clone(), what.into(), Durability::Immediate);
    }

    fn push(&mut self, record: Record, what: String, durability: Durability) {
        self.writes.push(Write {
            record,
            what,
            at: self.at,
            durability,
        });
    }

    /// The record as this step leaves it.
    pub(crate) fn written(&self, id: &str) -> Option<&Record> {
        self.writes
            .iter()
            .rev()
            .map(|write| &write.record)
            .find(|record| record.operation().id == id)
    }

    pub(crate) fn alarm(&mut self, operation: &str, what: impl Into<String>) {
        self.effects.push(Effect::Alarm {
            operation: operation.to_owned(),
            what: what.into(),
        });
    }

    pub(crate) fn show(&mut self, scene: Scene) {
        self.effects.push(Effect::Show(scene));
    }

    pub(crate) fn reply(&mut self, ticket: Ticket, reply: Reply) {
        let reply = Box::new(reply);
        self.effects.push(Effect::Reply { ticket, reply });
    }
}

/// A version for each write: memory has the one that the journal will hold, or what the till is answered from memory
/// would be another one than it reads.
fn count_change(operation: &mut Operation) {
    operation.version = operation.version.saturating_add(1);
}
