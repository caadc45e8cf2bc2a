//! What the journal keeps of an operation: the part that the till sees and what the core needs to
//! finish it after a crash. The JSON form is versioned by the journal's `user_version`; new fields
//! need a `#[serde(default)]`, so that an older journal stays readable.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::core::call::{PaymentInfo, PaymentType};
use crate::model::money::Kopecks;
use crate::model::operation::{
    CancellationRequest, CardRequest, Kind, Operation, OperationRequest, Outcome, QueueItem,
    Receipt, RefundRequest, SaleRequest, State,
};

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
pub enum StopReason {
    /// The cashier aborted.
    Abort,
    /// `waitBuyer` is over.
    Expiry,
}

/// What was asked of a buyer who stands at the till.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum BuyerRequest {
    /// To pay.
    Sale(SaleRequest),
    /// To show the loyalty card: the same steps without the payment.
    Card(CardRequest),
}

impl BuyerRequest {
    /// The receipt, if something is sold.
    #[must_use]
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            BuyerRequest::Sale(sale) => Some(&sale.receipt),
            BuyerRequest::Card(_) => None,
        }
    }
}

/// A sale, or the identification of a buyer's card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleRecord {
    /// What the till sees.
    pub operation: Operation,
    /// What the till asked for, to compare a repeated `PUT` and to fill the wire's `details`.
    pub request: BuyerRequest,
    /// Where it is paid.
    pub account: Account,
    /// Nobody waits for the buyer after this moment.
    pub deadline: Timestamp,
    /// Set before `POST payments` leaves: from then on a payment may exist.
    pub payment_sent: bool,
    /// Set before the abort is answered: from then on no `POST payments` leaves.
    pub ending: Option<StopReason>,
    /// When it ended by the service's clock; `None` where the service had not stated the time.
    #[serde(default)]
    pub ended_by_service: Option<Timestamp>,
}

/// What an entry reverses, as the service knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The service's number, once known.
    pub payment_id: Option<i64>,
    /// Our order number of it.
    pub order_number: String,
    /// Kopecks of the whole of it.
    pub sum: Kopecks,
    /// The shift under which it is reported; empty when nobody here knows.
    pub shift: String,
    /// Of a refund: the shift of its sale, under which the service may report all that belongs to that sale.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sale_shift: String,
    /// A refund and not a sale.
    pub refund: bool,
}

impl Target {
    /// Whether the service speaks of this very payment.
    #[must_use]
    pub fn is(&self, info: &PaymentInfo) -> bool {
        let direction = if self.refund {
            PaymentType::ReversalOfSale
        } else {
            PaymentType::Sale
        };
        info.order_number == self.order_number
            && info.sum == self.sum
            && info.payment_type == direction
    }
}

/// How far a reversal has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReversalProgress {
    /// Not sent, or definitely denied: another may leave.
    NotSent,
    /// Sent under the entry's order number, its fate unknown.
    Sent,
    /// The service knows it under this number.
    Known(i64),
}

/// What the till asked for, if it was the till.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReversalRequest {
    /// The daemon's own undoing of a sale that did not end well.
    Own,
    /// A refund.
    Refund(RefundRequest),
    /// A cancellation.
    Cancellation(CancellationRequest),
}

/// Every operation that reverses another: refund, cancel, annul, cancellation of a refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReversalRecord {
    /// What the till sees. Its order number is the reversal's present one; `payment_id` is the
    /// reversal's, once known.
    pub operation: Operation,
    /// Who asked, and for what.
    pub request: ReversalRequest,
    /// Where it is carried out.
    pub account: Account,
    /// What is reversed.
    pub target: Target,
    /// What the reversal's details repeat; without one its single line.
    pub receipt: Option<Receipt>,
    /// How far the reversal has come.
    pub reversal: ReversalProgress,
    /// Order numbers of this entry whose requests were denied or declared absent: a late one may
    /// have been carried out all the same.
    pub earlier: Vec<String>,
    /// What each of them asked for, in the same order; an older journal lacks it, and what is asked for now holds.
    #[serde(default)]
    pub earlier_amounts: Vec<Kopecks>,
    /// A reversal left once: its shift is that day's, and later ones keep it.
    pub sent_once: bool,
    /// The present order number was sent more than once.
    pub resent: bool,
    /// The reversal was refused while the payment was pending: the next one waits for status 1.
    pub denied_while_pending: bool,
    /// It was reported to the till as waiting in the queue.
    pub queued_once: bool,
    /// Tries that did not settle it.
    pub tries: u32,
    /// What the last try met.
    pub last_error: Option<String>,
    /// When it is tried again; `None` when it is not live.
    pub next_try: Option<Timestamp>,
    /// Answers in a row that brought it no further.
    pub answered_errors: u32,
    /// When the first of those came.
    pub errors_since: Option<Timestamp>,
    /// Refused for good, or not final for too long: waits for a person.
    pub set_aside: bool,
    /// After a conclusive absence: when the number is asked for once more.
    pub rechecks: Vec<Timestamp>,
    /// Why a person closed it.
    pub settled: Option<String>,
    /// What that person said had happened; older journals do not hold it.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// A refund that was not found keeps its part of what is left of its sale until no more than so
    /// many rechecks remain: it may have reached the buyer all the same.
    #[serde(default)]
    pub left_held_until: Option<usize>,
    /// It went otherwise than was reported to the till: made though it ended as not made, or made twice. It stays in
    /// the queue until a person has seen it.
    #[serde(default)]
    pub needs_review: bool,
    /// The service's numbers of further copies of this refund that were carried out, at most [`MAX_COPIES`].
    #[serde(default)]
    pub copies: Vec<i64>,
    /// The operation under whose number the payment was found that this entry reverses, while that operation itself
    /// stands: its own books do not change, so `of` does not name it.
    #[serde(default)]
    pub beside: Option<String>,
    /// When it ended by the service's clock; `None` where the service had not stated the time.
    #[serde(default)]
    pub ended_by_service: Option<Timestamp>,
}

/// Further copies of one refund that are remembered by number.
pub const MAX_COPIES: usize = 16;

impl ReversalRecord {
    /// Whether it is an entry of the queue.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.operation.state.is_final()
    }

    /// Whether the queue shows it: it is live, or a person has to see how it went.
    #[must_use]
    pub fn is_in_queue(&self) -> bool {
        self.is_live() || self.needs_review
    }

    /// Whether a restart must take it up again.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_in_queue() || !self.rechecks.is_empty()
    }

    /// Whether it is a refund: owed to the buyer, sent at most once.
    #[must_use]
    pub fn is_refund(&self) -> bool {
        self.operation.kind == Kind::Refund
    }

    /// Whether it is a cancellation that ended as not made: its target is as if nobody had asked for it, and it is
    /// never taken up again.
    #[must_use]
    pub fn was_dropped(&self) -> bool {
        matches!(self.operation.state, State::Cancelled | State::Failed)
            && !self.is_refund()
            && self.request != ReversalRequest::Own
            && self.settled.is_none()
            && self.rechecks.is_empty()
    }

    /// Whether its rechecks ask for the reversal, and not for the payment that it was to undo.
    #[must_use]
    pub fn watches_reversal(&self) -> bool {
        self.is_refund()
            || self.set_aside
            || self.is_refused_cancellation()
            || self.is_closed_as_not_carried_out()
    }

    /// Whether a person has closed it as not carried out, and the service has shown nothing else since.
    #[must_use]
    pub fn is_closed_as_not_carried_out(&self) -> bool {
        self.outcome == Some(Outcome::NotCarriedOut) && !self.needs_review
    }

    /// Whether it is a cancellation that ended as not made because the service refused it.
    #[must_use]
    pub fn is_refused_cancellation(&self) -> bool {
        self.operation.state == State::Failed
            && !self.is_refund()
            && self.request != ReversalRequest::Own
            && self.settled.is_none()
    }

    /// Every number under which its reversal may be known, the present one first.
    #[must_use]
    pub fn order_numbers(&self) -> Vec<String> {
        let mut numbers = vec![self.operation.order_number.clone()];
        numbers.extend(self.earlier.iter().cloned());
        numbers
    }

    /// What its reversal asks for, or asked for, under one of its numbers; `None`: the number is none of its own.
    #[must_use]
    pub fn amount_under(&self, order_number: &str) -> Option<Kopecks> {
        let present = self.operation.amount;
        if self.operation.order_number == order_number {
            return Some(present);
        }
        let place = self.earlier.iter().position(|one| one == order_number)?;
        Some(self.earlier_amounts.get(place).copied().unwrap_or(present))
    }

    /// Whether the cashier stands and waits for it: it has not been put off to the queue.
    #[must_use]
    pub fn is_attended(&self) -> bool {
        matches!(self.operation.state, State::New | State::InProgress)
            && self.request != ReversalRequest::Own
            && !self.queued_once
    }

    /// As `GET /v1/queue` shows it.
    #[must_use]
    pub fn queue_item(&self) -> QueueItem {
        QueueItem {
            id: self.operation.id.clone(),
            of: self
                .operation
                .of
                .clone()
                .or_else(|| self.beside.clone())
                .unwrap_or_default(),
            kind: self.operation.kind,
            amount: self.operation.amount,
            since: self.operation.created_at,
            tries: self.tries,
            last_error: if self.needs_review {
                Some(self.operation.message.clone())
            } else {
                self.last_error.clone()
            },
            next_try: if self.set_aside { None } else { self.next_try },
            set_aside: self.set_aside || self.needs_review,
        }
    }
}

/// One row of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A sale or a card.
    Sale(Box<SaleRecord>),
    /// A reversal.
    Entry(Box<ReversalRecord>),
}

impl Record {
    /// What the till sees.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        match self {
            Record::Sale(sale) => &sale.operation,
            Record::Entry(entry) => &entry.operation,
        }
    }

    /// The same, to change it.
    pub fn operation_mut(&mut self) -> &mut Operation {
        match self {
            Record::Sale(sale) => &mut sale.operation,
            Record::Entry(entry) => &mut entry.operation,
        }
    }

    /// When it ended by the service's clock, where that was known.
    #[must_use]
    pub fn ended_by_service(&self) -> Option<Timestamp> {
        match self {
            Record::Sale(sale) => sale.ended_by_service,
            Record::Entry(entry) => entry.ended_by_service,
        }
    }

    /// The same, to write it down.
    pub(super) fn ended_by_service_mut(&mut self) -> &mut Option<Timestamp> {
        match self {
            Record::Sale(sale) => &mut sale.ended_by_service,
            Record::Entry(entry) => &mut entry.ended_by_service,
        }
    }

    /// Where it is carried out.
    #[must_use]
    pub fn account(&self) -> &Account {
        match self {
            Record::Sale(sale) => &sale.account,
            Record::Entry(entry) => &entry.account,
        }
    }

    /// Whether a row of the service's report that has our order number or payment number is this very
    /// operation. Where a used order number was taken again, an earlier request of ours may have made
    /// a payment of its own under it.
    #[must_use]
    pub fn is_reported_as(&self, payment_id: i64) -> bool {
        let own = self.operation().payment_id;
        own.is_none_or(|own| own == payment_id)
    }

    /// Whether a restart must take it up again.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Record::Sale(sale) => !sale.operation.state.is_final(),
            Record::Entry(entry) => entry.is_open(),
        }
    }

    /// Whether it was asked for with these words.
    #[must_use]
    pub fn was_asked_for(&self, requested: &OperationRequest) -> bool {
        match (self, requested) {
            (Record::Sale(record), OperationRequest::Sale(requested)) => {
                matches!(&record.request, BuyerRequest::Sale(request) if request == requested)
            }
            (Record::Sale(record), OperationRequest::Card(requested)) => {
                matches!(&record.request, BuyerRequest::Card(request) if request == requested)
            }
            (Record::Entry(record), OperationRequest::Refund(requested)) => {
                matches!(&record.request, ReversalRequest::Refund(request) if request == requested)
            }
            (Record::Entry(record), OperationRequest::Cancellation(requested)) => {
                matches!(&record.request, ReversalRequest::Cancellation(request) if request == requested)
            }
            (Record::Sale(_), OperationRequest::Refund(_) | OperationRequest::Cancellation(_))
            | (Record::Entry(_), OperationRequest::Sale(_) | OperationRequest::Card(_)) => false,
        }
    }

    /// As a target of a reversal.
    #[must_use]
    pub fn as_target(&self) -> Target {
        let operation = self.operation();
        let sale_shift = match self {
            Record::Entry(refund) => refund.target.shift.clone(),
            Record::Sale(_) => String::new(),
        };
        Target {
            payment_id: operation.payment_id,
            order_number: operation.order_number.clone(),
            sum: operation.amount,
            shift: operation.shift.clone(),
            sale_shift,
            refund: operation.kind == Kind::Refund,
        }
    }
}
