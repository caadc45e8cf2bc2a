//! Row by row: the service's report past the journal.

use std::collections::{BTreeMap, HashSet};

use super::{Difference, MAX_DIFFERENCES, Side, Totals, What};
use crate::core::call::{PaymentInfo, PaymentStatus, PaymentType};
use crate::core::record::{Account, Record, ReversalProgress, ReversalRecord, ReversalRequest};
use crate::model::money::Kopecks;
use crate::model::operation::{Kind, Operation, Outcome, State, word};
use crate::texts::cashier;

/// Whether the journal's operation moved money, as far as it was reported to the till.
fn moved_here(record: &Record) -> bool {
    let done = record.operation().state == State::Done;
    match record {
        Record::Sale(sale) => done && sale.operation.kind == Kind::Sale,
        // An undoing that found nothing to undo moved nothing.
        Record::Entry(entry) => done && matches!(entry.reversal, ReversalProgress::Known(_)),
    }
}

/// Whether a sale was reported to the till as not paid.
fn is_unpaid(operation: &Operation) -> bool {
    operation.kind == Kind::Sale && operation.state.is_final() && operation.state != State::Done
}

/// Whether it does not matter that the payment of an unpaid sale took money: it moved back by reversals that
/// the service knows, is being brought back, or a person has taken it over. That the payment was once seen
/// in a status that took nothing is no such reason: no final status stays ("What nothing may assume").
fn is_brought_back(sale: &Operation, undoings: &[ReversalRecord]) -> bool {
    let newest = undoings.iter().rfind(|entry| !entry.was_dropped());
    if newest.is_some_and(|entry| entry.is_live() || takes_over(entry)) {
        return true;
    }
    // A cancellation that ended as not made, and was, brings it back as well, unless a person says otherwise.
    let is_carried_out = |entry: &&ReversalRecord| {
        let is_late = entry.operation.state == State::Failed
            && !entry.is_refund()
            && entry.outcome != Some(Outcome::NotCarriedOut);
        (entry.operation.state == State::Done || is_late)
            && matches!(entry.reversal, ReversalProgress::Known(_))
    };
    let back = undoings.iter().filter(is_carried_out);
    let back = back.fold(Kopecks::ZERO, |sum, entry| {
        Kopecks(sum.0.saturating_add(entry.operation.amount.0))
    });
    back >= sale.amount
}

/// Whether a row is of the operation's own kind, as everywhere else where the service's word is taken.
fn fits(record: &Record, payment_type: PaymentType) -> bool {
    match record {
        Record::Sale(_) => payment_type == PaymentType::Sale,
        Record::Entry(_) => matches!(
            payment_type,
            PaymentType::ReversalOfSale | PaymentType::ReversalOfPurchase
        ),
    }
}

/// A further row under an operation's number, of which nobody knows.
#[derive(Debug)]
struct Further {
    operation: String,
    payment_id: i64,
    /// What was reported to the till, where it stands: the row proves nothing in a report that lacks it.
    beside: Option<i64>,
}

/// One comparison in progress.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Operations of another account are none of it; `None`: all are of one.
    account: Option<Account>,
    /// Which shift is compared; `None`: all operations are of one.
    shift: Option<String>,
    till: Totals,
    service: Totals,
    differences: Vec<Difference>,
    more: u64,
    settled: Vec<String>,
    /// What a person has said was carried out, and a row of the report has borne out.
    said: HashSet<String>,
    unmoved: Vec<String>,
    seconds: Vec<Further>,
    /// The payment numbers of the rows so far, by their status: a set of plain numbers takes half the memory of
    /// a set of pairs, and a shift may have a hundred thousand rows.
    rows: BTreeMap<i64, HashSet<i64>>,
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
    /// Operations that ended as not carried out, and that the report shows paid or pending: they must be looked into
    /// again.
    pub unmoved: Vec<String>,
    /// Sales and refunds under whose number the report holds a further row that nobody knows of, with the
    /// service's number of it.
    pub seconds: Vec<(String, i64)>,
}

impl Compared {
    /// How many differences there are, those that are not named included.
    pub fn count(&self) -> u64 {
        let named = u64::try_from(self.differences.len()).unwrap_or(u64::MAX);
        named.saturating_add(self.more)
    }
}

impl Comparison {
    /// A comparison of that shift, by the account that the service's report is of.
    #[must_use]
    pub fn new(shift: &str, account: Account) -> Comparison {
        Comparison {
            account: Some(account),
            shift: Some(shift.to_owned()),
            ..Comparison::default()
        }
    }

    fn is_of_another_account(&self, record: &Record) -> bool {
        let account = self.account.as_ref();
        account.is_some_and(|account| account != record.account())
    }

    /// A row of the service's report, what the journal knows under its number, and what was done to undo it, oldest
    /// first: of a sale that ended as not paid, or of a further payment under a sale's number.
    pub fn reported(
        &mut self,
        info: &PaymentInfo,
        known: Option<&Record>,
        undoings: &[ReversalRecord],
    ) {
        let known = known.filter(|record| !self.is_of_another_account(record));
        let moved_there = info.status == PaymentStatus::Ok;
        let numbers = self.rows.entry(status_number(info.status)).or_default();
        if !numbers.insert(info.payment_id) {
            return self.repeated(info, known);
        }
        if moved_there {
            let known = known.filter(|record| fits(record, info.payment_type));
            add(&mut self.service, service_kind(info, known), info.sum);
        }
        let Some(record) = known else {
            if moved_there {
                self.differ(What::UnknownHere, None, Some(info));
            }
            return;
        };
        if !record.is_reported_as(info.payment_id) {
            // What moved nothing is a try that failed; the operation's own row shows how it ended.
            if !info.status.took_nothing() {
                self.further(info, record, undoings);
            }
            return;
        }
        if moved_there && !fits(record, info.payment_type) {
            // Money moved, and not as the till knows it: each side has what the other lacks.
            self.differ(What::UnknownHere, None, Some(info));
            let is_own = record.operation().payment_id == Some(info.payment_id);
            if is_own && moved_here(record) {
                self.differ(What::UnknownThere, Some(record.operation()), None);
            }
            return;
        }
        let amount = match record {
            Record::Sale(sale) => Some(sale.operation.amount),
            // Under an earlier number it may have asked for another sum.
            Record::Entry(entry) => entry.amount_under(&info.order_number),
        };
        if info.sum != amount.unwrap_or(record.operation().amount) {
            return self.differ(What::SumDiffers, Some(record.operation()), Some(info));
        }
        // The books follow a person's word, and the service bears it out.
        if moved_there && is_said_carried_out(record) {
            if !self.said.insert(record.operation().id.clone()) {
                return self.further(info, record, undoings);
            }
            return add(&mut self.till, till_kind(record), info.sum);
        }
        // The service may file what belongs to a sale under the sale's shift, or under its own day.
        let is_elsewhere = self
            .shift
            .as_deref()
            .is_some_and(|shift| shift != record.operation().shift);
        if is_elsewhere && moved_there && moved_here(record) {
            return add(&mut self.till, till_kind(record), info.sum);
        }
        // What is pending may move money yet.
        let is_unmoved = !info.status.took_nothing() && ended_unmoved(record, undoings);
        if is_unmoved {
            self.unmoved.push(record.operation().id.clone());
        }
        if moved_here(record) == moved_there {
            return;
        }
        let operation = record.operation();
        let is_under_way = !operation.state.is_final();
        if moved_there && !is_unmoved && (is_unpaid(operation) || is_under_way) {
            // The till knows that it moved, and what becomes of it; its totals count it as well.
            add(&mut self.till, till_kind(record), info.sum);
            return;
        }
        self.differ(What::StatusDiffers, Some(operation), Some(info));
    }

    /// A further row under the number of an operation that has one of its own: "one number has one row" is false
    /// ("What nothing may assume").
    fn further(&mut self, info: &PaymentInfo, record: &Record, undoings: &[ReversalRecord]) {
        let operation = record.operation();
        let moved_there = info.status == PaymentStatus::Ok;
        let is_alike = fits(record, info.payment_type) && info.sum == operation.amount;
        let (is_known, is_wanted) = match record {
            // An entry of its own brings it back. Until it has done so, and where a person has left it, it stays a
            // difference.
            Record::Sale(_) => {
                // A refund that names the payment by its number is none of its undoings.
                let own = || {
                    let own = undoings.iter();
                    own.filter(|entry| entry.request == ReversalRequest::Own)
                };
                let is_undone = |entry: &ReversalRecord| {
                    takes_over(entry)
                        || matches!(entry.reversal, ReversalProgress::Known(_)) && !entry.is_live()
                };
                let is_tried = |entry: &ReversalRecord| {
                    entry.is_live() || was_settled(entry) || is_undone(entry)
                };
                (
                    own().any(is_undone),
                    operation.state.is_final() && !own().any(is_tried),
                )
            }
            // It counts off what is left of its sale, and a person has seen it.
            Record::Entry(entry) => {
                let is_counted = entry.copies.contains(&info.payment_id);
                let is_seen = entry.settled.is_some() && !entry.needs_review;
                let is_wanted = entry.is_refund() && !is_counted && moved_there;
                (is_counted && is_seen, is_wanted)
            }
        };
        if moved_there && is_alike && is_known {
            return add(&mut self.till, till_kind(record), info.sum);
        }
        if moved_there {
            self.differ(What::UnknownHere, Some(operation), Some(info));
        }
        if is_alike && is_wanted {
            let stands = operation.state == State::Done;
            self.seconds.push(Further {
                operation: operation.id.clone(),
                payment_id: info.payment_id,
                beside: operation.payment_id.filter(|_| stands),
            });
        }
    }

    /// A row that was there before counts once, and brings something new only where it is not the same.
    fn repeated(&mut self, info: &PaymentInfo, known: Option<&Record>) {
        let own = known.filter(|record| record.is_reported_as(info.payment_id));
        if let Some(record) = own
            && info.sum != record.operation().amount
        {
            self.differ(What::SumDiffers, Some(record.operation()), Some(info));
        }
    }

    /// An operation of the shift in the journal; `reported`: whether the report held it.
    pub fn journalled(&mut self, record: &Record, reported: bool) {
        if self.is_of_another_account(record) {
            return;
        }
        if moved_here(record) && !is_said_carried_out(record) {
            add(&mut self.till, till_kind(record), record.operation().amount);
            if !reported {
                self.differ(What::UnknownThere, Some(record.operation()), None);
            }
        }
        if let Record::Entry(entry) = record
            && was_settled(entry)
            // What another cancellation repeats was closed by nobody.
            && entry.operation.message != cashier::REPEATED
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
            // What is unknown here is so under the operation's number, too.
            till: here
                .filter(|_| what != What::UnknownHere)
                .map(|operation| Side {
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
        let paid = self.rows.get(&status_number(PaymentStatus::Ok));
        let stands = |further: &Further| {
            let beside = further.beside;
            beside.is_none_or(|own| paid.is_some_and(|paid| paid.contains(&own)))
        };
        let seconds = self.seconds.into_iter().filter(stands);
        let seconds = seconds
            .map(|further| (further.operation, further.payment_id))
            .collect();
        Compared {
            till: self.till,
            service: self.service,
            differences: self.differences,
            more: self.more,
            settled: self.settled,
            unmoved: self.unmoved,
            seconds,
        }
    }
}

/// Whether it was reported to the till that nothing had moved, and nothing brings back what has.
fn ended_unmoved(record: &Record, undoings: &[ReversalRecord]) -> bool {
    let operation = record.operation();
    match record {
        Record::Sale(_) => is_unpaid(operation) && !is_brought_back(operation, undoings),
        // One that was found late is known, and counted. One that is set aside asks once more, and so do a cancellation
        // that ended as refused while its number is watched, and what a person has closed as not carried out: that was
        // true when he looked.
        Record::Entry(entry) => {
            let is_failed = operation.state == State::Failed
                && (entry.is_refund() || entry.is_refused_cancellation())
                || entry.set_aside && entry.is_live();
            let is_known = matches!(entry.reversal, ReversalProgress::Known(_));
            is_failed && !is_known || entry.is_closed_as_not_carried_out()
        }
    }
}

fn was_settled(entry: &ReversalRecord) -> bool {
    entry.settled.is_some()
}

/// Whether a person has closed it, and not as left undone: that stays a difference until the money is back.
fn takes_over(entry: &ReversalRecord) -> bool {
    was_settled(entry) && entry.outcome != Some(Outcome::NotCarriedOut)
}

/// Whether a person has said that it was carried out.
fn is_said_carried_out(record: &Record) -> bool {
    matches!(record, Record::Entry(entry) if entry.outcome == Some(Outcome::CarriedOut))
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

/// The service does not distinguish a refund from a cancellation: the journal does, where it can.
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
