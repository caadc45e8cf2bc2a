//! What the journal keeps of an operation: the part that the till sees and what the core needs to
//! finish it after a crash. The JSON form is versioned by the journal's `user_version`; new fields
//! need a `#[serde(default)]`, so that an older journal stays readable.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::operation::{Operation, QueueItem, SaleRequest};

/// The till's account at the service. An operation keeps the one that it began with: nothing is
/// ever sent to another till's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Address of the service, as configured.
    pub url: String,
    /// Registration number of the till.
    pub reg_num: String,
}

/// Why the cashier's side stopped waiting for the buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The cashier aborted.
    Abort,
    /// `waitBuyer` is over.
    Expiry,
}

/// A sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleRecord {
    /// What the till sees.
    pub operation: Operation,
    /// What the till asked for, to compare a repeated `PUT` and to fill the wire's `details`.
    pub request: SaleRequest,
    /// Where it is paid.
    pub account: Account,
    /// Nobody waits for the buyer after this moment.
    pub deadline: Timestamp,
    /// Set before `POST payments` leaves: from then on a payment may exist.
    pub payment_sent: bool,
    /// Set before the abort is answered: from then on no `POST payments` leaves.
    pub ending: Option<Ending>,
}

/// How far the reversal of a payment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reversal {
    /// Not sent, or definitely denied: another may leave.
    NotSent,
    /// Sent under the undoing's order number, its fate unknown.
    Sent,
    /// The service knows it under this number.
    Known(i64),
}

/// The undoing of a sale: an operation `~N` of kind `cancel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoingRecord {
    /// What the till sees. Its order number is the reversal's present one; `payment_id` is the
    /// reversal's, once known.
    pub operation: Operation,
    /// The service's number of the payment that is undone, once known.
    pub target: Option<i64>,
    /// How far the reversal has come.
    pub reversal: Reversal,
    /// A reversal left once: its shift is that day's, and later ones keep it.
    pub sent_once: bool,
    /// The reversal was refused while the payment was pending: the next one waits for status 1.
    pub denied_while_pending: bool,
    /// Tries that did not settle it.
    pub tries: u32,
    /// What the last try met.
    pub last_error: Option<String>,
    /// When it is tried again; `None` when it is not live.
    pub next_try: Option<Timestamp>,
    /// Answered errors in a row, and since when.
    pub answered_errors: u32,
    /// When the first of those came.
    pub errors_since: Option<Timestamp>,
    /// Refused for good: waits for a person.
    pub set_aside: bool,
    /// After a conclusive absence: when the number is asked for once more.
    pub rechecks: Vec<Timestamp>,
    /// Why a person closed it.
    pub settled: Option<String>,
}

impl UndoingRecord {
    /// Whether it is an entry of the queue.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.operation.state.is_final()
    }

    /// As `GET /v1/queue` shows it.
    #[must_use]
    pub fn queue_item(&self) -> QueueItem {
        QueueItem {
            id: self.operation.id.clone(),
            of: self.operation.of.clone().unwrap_or_default(),
            kind: self.operation.kind,
            amount: self.operation.amount,
            since: self.operation.created_at,
            tries: self.tries,
            last_error: self.last_error.clone(),
            next_try: if self.set_aside { None } else { self.next_try },
            set_aside: self.set_aside,
        }
    }
}

/// One row of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A sale.
    Sale(Box<SaleRecord>),
    /// An undoing.
    Undoing(Box<UndoingRecord>),
}

impl Record {
    /// What the till sees.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        match self {
            Record::Sale(sale) => &sale.operation,
            Record::Undoing(undoing) => &undoing.operation,
        }
    }

    /// Whether a restart must take it up again.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Record::Sale(sale) => !sale.operation.state.is_final(),
            Record::Undoing(undoing) => undoing.is_live() || !undoing.rechecks.is_empty(),
        }
    }
}
