//! The core's two vocabularies: what happens to it, and what it wants done.

use std::time::Duration;

use crate::core::record::{Account, Record, SaleRecord, UndoingRecord};
use crate::display::Scene;
use crate::operation::{Mode, Operation, QueueItem, SaleRequest};
use crate::problem::Problem;
use crate::secret::Secret;
use crate::service::call::{Answer, Call};
use jiff::Timestamp;

/// Names one question of the outside, answered exactly once.
pub type Ticket = u64;

/// Names one request to the service, answered exactly once.
pub type RequestId = u64;

/// What the core is told at its start.
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
    /// Prefixes of buyers' codes; empty: the default rule.
    pub buyer_code: Vec<String>,
    /// Begins every order number of this process: letters, digits and `-`, 1 to 24 characters, never
    /// used by another process.
    pub order_prefix: String,
}

/// What the journal holds at the start.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Sales that are not final.
    pub sales: Vec<SaleRecord>,
    /// Undoings that are live or watched, oldest first, each with its sale.
    pub undoings: Vec<(UndoingRecord, SaleRecord)>,
    /// The number of the next undoing.
    pub next_undoing: u64,
    /// The newest time in the journal.
    pub newest: Option<Timestamp>,
}

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// The till begins a sale. `existing` is what the journal holds under that id, `set_aside` a
    /// set-aside undoing of a sale with the same receipt number and shift.
    Begin {
        /// For the reply.
        ticket: Ticket,
        /// Not yet checked.
        id: String,
        /// Not yet checked.
        request: SaleRequest,
        /// From the journal.
        existing: Option<Record>,
        /// From the journal.
        set_aside: Option<String>,
    },
    /// The journal could not keep what [`Event::Begin`] wrote: forget it.
    BeginFailed {
        /// Which.
        id: String,
    },
    /// The cashier stops waiting.
    Abort {
        /// For the reply.
        ticket: Ticket,
        /// Which.
        id: String,
        /// From the journal.
        existing: Option<Record>,
    },
    /// A code was read.
    Scan {
        /// For the reply, when a program handed it in.
        ticket: Option<Ticket>,
        /// Which scanner, `api` for a program.
        device: String,
        /// What it read.
        code: Secret,
    },
    /// A person wants an undoing tried now.
    Retry {
        /// For the reply.
        ticket: Ticket,
        /// Which.
        id: String,
    },
    /// A person closes a set-aside undoing.
    Settle {
        /// For the reply.
        ticket: Ticket,
        /// Which.
        id: String,
        /// Why.
        reason: String,
    },
    /// A request ended; its connection is closed.
    Answered {
        /// Which.
        request: RequestId,
        /// How.
        answer: Answer,
    },
    /// No display can show the QR of the present sale.
    SceneRefused {
        /// English.
        reason: String,
    },
    /// Time has passed.
    Tick,
}

/// One change that must be durable before the effects of its step.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The row as it is from now on.
    pub record: Record,
    /// English, for the operation's time line; no secret.
    pub what: String,
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
        /// What.
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
    /// A code was read: tell the listeners.
    Scanned {
        /// Which scanner.
        device: String,
        /// What it read; listeners get length and tail.
        code: Secret,
        /// The operation that took it.
        used_by: Option<String>,
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
#[derive(Debug, Default)]
pub struct Step {
    /// Durable together or not at all.
    pub writes: Vec<Write>,
    /// Nothing of it happens before the writes are durable.
    pub effects: Vec<Effect>,
    /// The operation that this step makes, if it makes one: should the writes fail, the till is
    /// told `storage`, the core gets [`Event::BeginFailed`], and nothing is left.
    pub creates: Option<String>,
}

impl Step {
    pub(crate) fn write_sale(&mut self, sale: &SaleRecord, what: impl Into<String>) {
        self.writes.push(Write {
            record: Record::Sale(Box::new(sale.clone())),
            what: what.into(),
        });
    }

    pub(crate) fn write_undoing(&mut self, undoing: &UndoingRecord, what: impl Into<String>) {
        let record = Record::Undoing(Box::new(undoing.clone()));
        self.writes.push(Write {
            record,
            what: what.into(),
        });
    }

    /// The sale as this step leaves it.
    pub(crate) fn written_sale(&self) -> Option<Operation> {
        self.written_sale_record().map(|sale| sale.operation)
    }

    /// The sale's row as this step leaves it.
    pub(crate) fn written_sale_record(&self) -> Option<SaleRecord> {
        self.writes
            .iter()
            .rev()
            .find_map(|write| match &write.record {
                Record::Sale(sale) => Some(sale.as_ref().clone()),
                Record::Undoing(_) => None,
            })
    }

    pub(crate) fn show(&mut self, scene: Scene) {
        self.effects.push(Effect::Show(scene));
    }

    pub(crate) fn reply(&mut self, ticket: Ticket, reply: Reply) {
        let reply = Box::new(reply);
        self.effects.push(Effect::Reply { ticket, reply });
    }
}
