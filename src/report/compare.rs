//! Row by row: the service's report past the journal.

use super::{Difference, MAX_DIFFERENCES, Side, Totals, What};
use crate::core::record::{EntryRecord, Record, Reversal};
use crate::money::Kopecks;
use crate::operation::{Kind, Operation, State, Undo, word};
use crate::service::call::{PaymentInfo, PaymentStatus, PaymentType};

/// Whether the journal's operation moved money, as far as the till was told.
fn moved_here(record: &Record) -> bool {
    let done = record.operation().state == State::Done;
    match record {
        Record::Sale(sale) => done && sale.operation.kind == Kind::Sale,
        // An undoing that found nothing to undo moved nothing.
        Record::Entry(entry) => done && matches!(entry.reversal, Reversal::Known(_)),
    }
}

/// Whether it does not matter that money moved: it moved back, or is being brought back.
fn is_undone(record: &Record) -> bool {
    let operation = record.operation();
    match record {
        Record::Sale(_) => operation.undo.is_some() && operation.payment_id.is_some(),
        Record::Entry(_) => false,
    }
}

/// One comparison in progress.
#[derive(Debug, Default)]
pub struct Comparison {
    till: Totals,
    service: Totals,
    differences: Vec<Difference>,
    more: u64,
    settled: Vec<String>,
    absent: Vec<String>,
}

/// What a comparison found.
#[derive(Debug)]
pub struct Compared {
    /// By the journal.
    pub till: Totals,
    /// By the service.
    pub service: Totals,
    /// At most [`MAX_DIFFERENCES`].
    pub differences: Vec<Difference>,
    /// How many more.
    pub more: u64,
    /// Entries that a person closed.
    pub settled: Vec<String>,
    /// Operations that were concluded absent, and are in the report: they must be looked into again.
    pub absent: Vec<String>,
}

impl Compared {
    /// How many differences there are, those that are not named included.
    #[must_use]
    pub fn count(&self) -> u64 {
        let named = u64::try_from(self.differences.len()).unwrap_or(u64::MAX);
        named.saturating_add(self.more)
    }
}

impl Comparison {
    /// A row of the service's report, and what the journal knows under its number.
    pub fn reported(&mut self, info: &PaymentInfo, known: Option<&Record>) {
        let moved_there = info.status == PaymentStatus::Ok;
        if moved_there {
            add(&mut self.service, service_kind(info, known), info.sum);
        }
        let Some(record) = known else {
            if moved_there {
                self.differ(What::UnknownHere, None, Some(info));
            }
            return;
        };
        if !record.is_reported_as(info.payment_id) {
            // What moved nothing is a try that failed; the operation's own row tells how it ended.
            if moved_there {
                self.differ(What::UnknownHere, None, Some(info));
            }
            return;
        }
        let amount = record.operation().amount;
        if info.sum != amount {
            return self.differ(What::SumDiffers, Some(record.operation()), Some(info));
        }
        // What is pending may move money yet.
        let is_absent = !info.status.took_nothing() && self.is_absent(record);
        if is_absent {
            self.absent.push(record.operation().id.clone());
        }
        let here = moved_here(record);
        if here == moved_there {
            return;
        }
        if is_absent {
            return self.differ(What::StatusDiffers, Some(record.operation()), Some(info));
        }
        if moved_there && (is_undone(record) || !record.operation().state.is_final()) {
            // The till knows that it moved, and what becomes of it; its totals count it as well.
            add(&mut self.till, till_kind(record), info.sum);
            return;
        }
        self.differ(What::StatusDiffers, Some(record.operation()), Some(info));
    }

    /// Whether the till was told that nothing had happened, for want of any trace.
    fn is_absent(&self, record: &Record) -> bool {
        let operation = record.operation();
        match record {
            Record::Sale(sale) => {
                let is_over = operation.state.is_final() && operation.state != State::Done;
                let is_undone = operation.undo.is_none_or(|undo| undo == Undo::Done);
                is_over && is_undone && sale.payment_sent && operation.payment_id.is_none()
            }
            // One that was found late is known, and counted.
            Record::Entry(entry) => {
                entry.is_refund()
                    && operation.state == State::Failed
                    && !matches!(entry.reversal, Reversal::Known(_))
            }
        }
    }

    /// An operation of the shift in the journal; `reported`: whether the report held it.
    pub fn journalled(&mut self, record: &Record, reported: bool) {
        if moved_here(record) {
            add(&mut self.till, till_kind(record), record.operation().amount);
            if !reported {
                self.differ(What::UnknownThere, Some(record.operation()), None);
            }
        }
        if let Record::Entry(entry) = record
            && was_settled(entry)
        {
            self.settled.push(entry.operation.id.clone());
        }
    }

    fn differ(&mut self, what: What, here: Option<&Operation>, there: Option<&PaymentInfo>) {
        if self.differences.len() >= MAX_DIFFERENCES {
            self.more += 1;
            return;
        }
        self.differences.push(Difference {
            what,
            operation: here.map(|operation| operation.id.clone()),
            payment_id: there
                .map(|info| info.payment_id)
                .or_else(|| here.and_then(|operation| operation.payment_id)),
            till: here.map(|operation| Side {
                amount: operation.amount,
                state: word(operation.state),
            }),
            service: there.map(|info| Side {
                amount: info.sum,
                state: status_number(info.status).to_string(),
            }),
        });
    }

    /// All of it was seen.
    #[must_use]
    pub fn finish(mut self) -> Compared {
        self.till.close();
        self.service.close();
        Compared {
            till: self.till,
            service: self.service,
            differences: self.differences,
            more: self.more,
            settled: self.settled,
            absent: self.absent,
        }
    }
}

fn was_settled(entry: &EntryRecord) -> bool {
    entry.settled.is_some()
}

fn status_number(status: PaymentStatus) -> i64 {
    match status {
        PaymentStatus::InProgress => 0,
        PaymentStatus::Ok => 1,
        PaymentStatus::Decline => 2,
        PaymentStatus::NotEnough => 3,
        PaymentStatus::Timeout => 4,
        PaymentStatus::TechnicalCancelling => 5,
        PaymentStatus::Unknown(number) => number,
    }
}

fn till_kind(record: &Record) -> Kind {
    record.operation().kind
}

/// The service does not tell a refund from a cancellation: the journal does, where it can.
fn service_kind(info: &PaymentInfo, known: Option<&Record>) -> Kind {
    if let Some(record) = known {
        return record.operation().kind;
    }
    match info.payment_type {
        PaymentType::Sale | PaymentType::Unknown(_) => Kind::Sale,
        PaymentType::Purchase | PaymentType::ReversalOfSale => Kind::Refund,
        PaymentType::ReversalOfPurchase => Kind::CancelRefund,
    }
}

fn add(totals: &mut Totals, kind: Kind, amount: Kopecks) {
    match kind {
        Kind::Sale => totals.sales.add(amount),
        Kind::Refund => totals.refunds.add(amount),
        Kind::Cancel | Kind::Annul => totals.cancellations.add(amount),
        Kind::CancelRefund => totals.cancelled_refunds.add(amount),
        Kind::Card => {}
    }
}
