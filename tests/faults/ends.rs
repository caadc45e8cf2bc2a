//! The table of ends: how often each kind of operation reached each end that the contract allows. What the
//! simulation never reaches, it proves nothing about.

use std::collections::BTreeMap;

use oplati::core::record::{Record, ReversalProgress, ReversalRecord, ReversalRequest};
use oplati::model::operation::{ErrorCode, Kind, Operation, State, Undo};

/// A kind of operation, and an end that it reached.
type Cell = (&'static str, &'static str);

/// Every end that the contract allows, by kind.
const TABLE: [(&str, &[&str]); 7] = [
    (
        "sale",
        &[
            "done",
            "done, its cancellation is set aside",
            "done, then undone",
            "declined",
            "not enough money",
            "expired, nothing was paid",
            "expired, undone",
            "cancelled, nothing was paid",
            "cancelled, undone",
            "failed: no_connection",
            "failed: no_connection, being undone",
            "failed: no_connection, undone",
            "failed: no_connection, its undoing is set aside",
            "failed: token_needed",
            "failed: token_exists",
            "failed: service_rejected",
            "failed: service_rejected, found after all",
            "failed: service_rejected, its undoing is set aside",
            "failed: service_protocol",
            "failed: invalid",
            "failed for another reason, undone",
        ],
    ),
    (
        "card",
        &[
            "done, with a card",
            "done, without a card",
            "expired",
            "cancelled",
            "failed: no_connection",
            "failed: token_needed",
            "failed: token_exists",
            "failed: service_rejected",
            "failed: service_protocol",
            "failed: invalid",
        ],
    ),
    (
        "refund",
        &[
            "done",
            "done, more than once",
            "done, then cancelled",
            "done, its cancellation is set aside",
            "cancelled",
            "failed: no_connection",
            "failed: service_rejected",
            "failed: token_needed",
            "failed: token_exists",
            "failed: invalid",
            "failed, and given after all",
            "set aside",
            "settled: carried out",
            "settled: not carried out",
        ],
    ),
    ("cancel", &CANCELLATION),
    ("annul", &CANCELLATION),
    ("cancel_refund", &CANCELLATION),
    (
        "own undoing",
        &[
            "done: reversed",
            "done: nothing to undo",
            "done: the payment took no money",
            "done: a second payment reversed",
            "found after all, live again",
            "set aside",
            "settled: carried out",
            "settled: not carried out",
            "repeated by a person",
            "cancelled: the buyer was quicker",
        ],
    ),
];

const CANCELLATION: [&str; 8] = [
    "done",
    "cancelled",
    "failed: token_needed",
    "failed: token_exists",
    "set aside",
    "settled: carried out",
    "settled: not carried out",
    "repeated by a person",
];

/// Every end must have been reached once in so many histories …
const RARE: u64 = 10;
/// … when so many were played: fewer prove nothing.
const ENOUGH: u64 = 20_000;

/// How often each end was reached.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    counts: BTreeMap<Cell, u64>,
    /// Sales whose end was reported to the till.
    pub sales: u64,
}

impl Ends {
    pub fn add(&mut self, other: &Ends) {
        self.sales += other.sales;
        for (cell, count) in &other.counts {
            *self.counts.entry(*cell).or_default() += count;
        }
    }

    /// Counts the end that a write brings an operation to, if it does.
    pub fn note(&mut self, old: Option<&Record>, new: &Record) {
        let kind = new.operation().kind;
        self.sales += u64::from(old.is_none() && kind == Kind::Sale);
        let end = end_of(new);
        if let Some(end) = end.filter(|end| old.and_then(end_of) != Some(*end)) {
            self.count(new, end);
        }
        if let (Some(Record::Entry(old)), Record::Entry(entry)) = (old, new)
            && entry.request == ReversalRequest::Own
            && old.operation.state == State::Done
            && entry.is_live()
        {
            self.count(new, "found after all, live again");
        }
    }

    /// A person has closed it, and said what happened.
    pub fn note_settled(&mut self, record: &Record, carried_out: bool) {
        let end = if carried_out {
            "settled: carried out"
        } else {
            "settled: not carried out"
        };
        self.count(record, end);
    }

    fn count(&mut self, record: &Record, end: &'static str) {
        *self.counts.entry((kind_of(record), end)).or_default() += 1;
    }

    fn of(&self, kind: &'static str, end: &'static str) -> u64 {
        self.counts.get(&(kind, end)).copied().unwrap_or_default()
    }

    /// Prints the table; returns whether each cell has what `histories` should bring, and half of the sales are done.
    pub fn print(&self, histories: u64) -> bool {
        let (mut is_full, least) = (true, histories / RARE);
        for (kind, ends) in TABLE {
            for end in ends {
                let count = self.of(kind, end);
                let mark = if count < least { "  TOO FEW" } else { "" };
                is_full &= count >= least;
                println!("  {count:>9}  {kind}: {end}{mark}");
            }
        }
        let known = |cell: &Cell| {
            let ends = TABLE.iter().find(|(kind, _)| *kind == cell.0);
            ends.is_some_and(|(_, ends)| ends.contains(&cell.1))
        };
        for ((kind, end), count) in self.counts.iter().filter(|(cell, _)| !known(cell)) {
            println!("  {count:>9}  {kind}: {end}, which the table does not ask for");
        }
        let done = self.of("sale", "done");
        println!(
            "  {done} of {} sales are done, in {histories} histories",
            self.sales
        );
        histories < ENOUGH || is_full && done * 2 >= self.sales
    }
}

fn kind_of(record: &Record) -> &'static str {
    match (record, record.operation().kind) {
        (Record::Entry(entry), _) if entry.request == ReversalRequest::Own => "own undoing",
        (_, Kind::Sale) => "sale",
        (_, Kind::Card) => "card",
        (_, Kind::Refund) => "refund",
        (_, Kind::Cancel) => "cancel",
        (_, Kind::Annul) => "annul",
        (_, Kind::CancelRefund) => "cancel_refund",
    }
}

fn end_of(record: &Record) -> Option<&'static str> {
    match record {
        Record::Sale(sale) if sale.operation.kind == Kind::Card => end_of_card(&sale.operation),
        Record::Sale(sale) => end_of_sale(&sale.operation),
        Record::Entry(entry) if entry.settled.is_some() => {
            let by_repeating = entry
                .settled
                .as_deref()
                .is_some_and(|why| why.starts_with("repeated as"));
            by_repeating.then_some("repeated by a person")
        }
        Record::Entry(entry) if entry.set_aside => Some("set aside"),
        Record::Entry(entry) if entry.request == ReversalRequest::Own => end_of_own(entry),
        Record::Entry(entry) if entry.is_refund() => end_of_refund(entry),
        // It was closed too early and was made after all: a person has to see it before it is over.
        Record::Entry(entry) if entry.needs_review => None,
        Record::Entry(entry) => end_of_cancellation(&entry.operation),
    }
}

fn code(operation: &Operation) -> Option<ErrorCode> {
    operation.error.as_ref().map(|error| error.code)
}

fn failed(operation: &Operation) -> &'static str {
    match code(operation) {
        Some(ErrorCode::NoConnection) => "failed: no_connection",
        Some(ErrorCode::TokenNeeded) => "failed: token_needed",
        Some(ErrorCode::TokenExists) => "failed: token_exists",
        Some(ErrorCode::ServiceRejected) => "failed: service_rejected",
        Some(ErrorCode::ServiceProtocol) => "failed: service_protocol",
        Some(ErrorCode::Invalid) => "failed: invalid",
        None => "failed without an error",
    }
}

fn end_of_card(card: &Operation) -> Option<&'static str> {
    Some(match card.state {
        State::Done if card.card.is_some() => "done, with a card",
        State::Done => "done, without a card",
        State::Expired => "expired",
        State::Cancelled => "cancelled",
        State::Failed => failed(card),
        _ => return None,
    })
}

fn end_of_sale(sale: &Operation) -> Option<&'static str> {
    let is_rejected = code(sale) == Some(ErrorCode::ServiceRejected);
    Some(match (sale.state, sale.undo) {
        (State::Done, None) => "done",
        (State::Done, Some(Undo::SetAside)) => "done, its cancellation is set aside",
        (State::Done, Some(Undo::Done)) => "done, then undone",
        (State::Declined, None) => "declined",
        (State::NotEnoughMoney, None) => "not enough money",
        (State::Expired, None) => "expired, nothing was paid",
        (State::Expired, Some(Undo::Done)) => "expired, undone",
        (State::Cancelled, None) => "cancelled, nothing was paid",
        (State::Cancelled, Some(Undo::Done)) => "cancelled, undone",
        (State::Failed, None) => failed(sale),
        (State::Failed, Some(Undo::SetAside)) if is_rejected => {
            "failed: service_rejected, its undoing is set aside"
        }
        (State::Failed, Some(Undo::Pending)) if is_rejected => {
            "failed: service_rejected, found after all"
        }
        (State::Failed, Some(undo)) if code(sale) == Some(ErrorCode::NoConnection) => match undo {
            Undo::Pending => "failed: no_connection, being undone",
            Undo::Done => "failed: no_connection, undone",
            Undo::SetAside => "failed: no_connection, its undoing is set aside",
        },
        (State::Failed, Some(Undo::Pending)) => "failed for another reason, being undone",
        (State::Failed, Some(Undo::Done)) => "failed for another reason, undone",
        (State::Failed, Some(Undo::SetAside)) => "failed for another reason, set aside",
        _ => return None,
    })
}

fn end_of_refund(entry: &ReversalRecord) -> Option<&'static str> {
    let refund = &entry.operation;
    Some(match (refund.state, refund.undo) {
        (State::Done, None) if !entry.copies.is_empty() => "done, more than once",
        (State::Done, None) => "done",
        (State::Done, Some(Undo::Done)) => "done, then cancelled",
        (State::Done, Some(Undo::SetAside)) => "done, its cancellation is set aside",
        (State::Cancelled, _) => "cancelled",
        (State::Failed, _) if matches!(entry.reversal, ReversalProgress::Known(_)) => {
            "failed, and given after all"
        }
        (State::Failed, _) => failed(refund),
        _ => return None,
    })
}

fn end_of_cancellation(cancellation: &Operation) -> Option<&'static str> {
    Some(match cancellation.state {
        State::Done => "done",
        State::Cancelled => "cancelled",
        State::Failed => failed(cancellation),
        _ => return None,
    })
}

fn end_of_own(entry: &ReversalRecord) -> Option<&'static str> {
    let is_reversed = matches!(entry.reversal, ReversalProgress::Known(_));
    Some(match entry.operation.state {
        State::Done if is_reversed && entry.operation.of.is_none() => {
            "done: a second payment reversed"
        }
        State::Done if is_reversed => "done: reversed",
        State::Done if entry.target.payment_id.is_none() => "done: nothing to undo",
        State::Done => "done: the payment took no money",
        State::Cancelled => "cancelled: the buyer was quicker",
        State::Failed => failed(&entry.operation),
        _ => return None,
    })
}
