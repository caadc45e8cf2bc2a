//! How entries come into being: undoings of the daemon's own, refunds and cancellations of the till, and what a
//! restart takes up again.

use std::time::Duration;

use jiff::SignedDuration;

use crate::core::admission::AdmittedRequest;
use crate::core::call::PaymentInfo;
use crate::core::event::Reply as TillReply;
use crate::core::record::{
    Account, Record, ReversalProgress, ReversalRecord, ReversalRequest, SaleRecord, Target,
};
use crate::core::reversal::active::{ActiveReversal, BACKOFF, LOOK_UP_PAUSE, Stage};
use crate::core::reversal::queue::ReversalQueue;
use crate::core::reversal::target::take_from_left;
use crate::core::turn::Turn;
use crate::core::{messages, shift};
use crate::model::money::Kopecks;
use crate::model::operation::{
    CancellationRequest, Kind, Operation, OperationRequest, Receipt, RefundRequest, State, Undo,
};
use crate::texts::{cashier, original};

/// What distinguishes one new entry from another.
struct New {
    id: String,
    kind: Kind,
    request: ReversalRequest,
    account: Account,
    target: Target,
    of: Option<String>,
    amount: Kopecks,
    receipt: Option<Receipt>,
    shift: String,
    mode: crate::model::operation::Mode,
}

impl ActiveReversal {
    /// The daemon's own undoing of a sale that may have taken money.
    pub(in crate::core) fn own(sale: &SaleRecord, lost_at: Duration, turn: &mut Turn) -> Self {
        let operation = &sale.operation;
        let target = Record::Sale(Box::new(sale.clone())).as_target();
        let new = New {
            id: turn.numbers.own_id(),
            kind: Kind::Cancel,
            request: ReversalRequest::Own,
            account: sale.account.clone(),
            target,
            of: Some(operation.id.clone()),
            amount: operation.amount,
            receipt: sale.request.receipt().cloned(),
            shift: operation.shift.clone(),
            mode: operation.mode,
        };
        Self::queued(new, lost_at, turn)
    }

    /// An undoing that waits in the queue from its beginning.
    fn queued(new: New, lost_at: Duration, turn: &mut Turn) -> Self {
        let mut record = new_record(new, turn);
        record.operation.state = State::Queued;
        record.operation.undo = Some(Undo::Pending);
        original::CANCEL_QUEUED.clone_into(&mut record.operation.message);
        Self::live(record, lost_at, turn)
    }

    /// The undoing of another payment under the number of the one that an entry undoes.
    pub(in crate::core) fn own_beside(
        beside: &ActiveReversal,
        payment_id: i64,
        turn: &mut Turn,
    ) -> Self {
        let id = turn.numbers.own_id();
        let record = &beside.record;
        let target = record.target.clone();
        let new = New {
            id,
            kind: Kind::Cancel,
            request: ReversalRequest::Own,
            account: record.account.clone(),
            of: None,
            amount: target.sum,
            receipt: record.receipt.clone(),
            shift: target.shift.clone(),
            mode: record.operation.mode,
            target: Target {
                payment_id: Some(payment_id),
                ..target
            },
        };
        Self::queued(new, turn.now.mono, turn)
    }

    /// The undoing of the daemon's own that takes up what a cancellation of the till's was to bring back: that one
    /// is over and stays so. It goes on under the same number.
    pub(super) fn own_instead_of(over: &ReversalRecord, turn: &mut Turn) -> Self {
        let id = turn.numbers.own_id();
        let operation = &over.operation;
        let new = New {
            id,
            kind: match operation.kind {
                Kind::CancelRefund => Kind::CancelRefund,
                Kind::Sale | Kind::Refund | Kind::Cancel | Kind::Annul | Kind::Card => Kind::Cancel,
            },
            request: ReversalRequest::Own,
            account: over.account.clone(),
            target: over.target.clone(),
            of: operation.of.clone(),
            amount: operation.amount,
            receipt: over.receipt.clone(),
            shift: operation.shift.clone(),
            mode: operation.mode,
        };
        let mut entry = Self::queued(new, turn.now.mono, turn);
        take_over(&mut entry.record, over);
        entry
    }

    /// An entry that is taken up from its record.
    pub(in crate::core) fn live(record: ReversalRecord, lost_at: Duration, turn: &Turn) -> Self {
        let now = turn.now;
        let mut entry = ActiveReversal {
            is_of_other_account: turn.settings.account.as_ref() != Some(&record.account),
            stage: Stage::Waiting,
            lost_at,
            reversal_lost_at: lost_at,
            next_at: now.mono,
            pause: if record.is_refund() {
                LOOK_UP_PAUSE
            } else {
                BACKOFF
            },
            wants_connection: false,
            answered_from: Some(record.operation.created_at),
            stuck_since: None,
            silent_since: None,
            lost_since: None,
            line_is_well: false,
            is_overdue: false,
            may_have_left: false,
            was_refused_for_token: false,
            retry_asked: false,
            is_last_try: false,
            has_sent_anew: false,
            pending_since: None,
            asks_report: false,
            refusal: None,
            // Tills cancel and refund what is paid; our own undoings look first.
            saw_paid: record.request != ReversalRequest::Own,
            record,
        };
        if entry.is_watched() {
            entry.plan_recheck(now);
        }
        entry
    }
}

impl ReversalQueue {
    /// A refund or a cancellation that the till asked for. Stands alone in its step.
    pub(in crate::core) fn begin(
        &mut self,
        admitted: AdmittedRequest,
        known: Option<PaymentInfo>,
        turn: &mut Turn,
    ) {
        let Some(account) = turn.settings.account.clone() else {
            return;
        };
        let target = admitted.context.target.as_ref();
        let held = target.and_then(|target| self.target(&target.operation().id).cloned());
        let old = self.take_set_aside(&admitted, held.as_ref());
        let record = match (&admitted.requested, held, old.as_ref()) {
            (OperationRequest::Cancellation(request), Some(target), Some(old)) => {
                repeated_record(admitted.id.clone(), request, &target, &old.record, turn)
            }
            (OperationRequest::Cancellation(request), Some(target), None) => {
                let new = cancellation(admitted.id.clone(), request, &target, account);
                new_record(new, turn)
            }
            (OperationRequest::Refund(request), target, _) => {
                let of_receipt = request.receipt.shift.as_ref();
                let shift = of_receipt.or(turn.own_shift.as_ref());
                let present = Present {
                    account,
                    mode: turn.settings.mode,
                    shift: shift.map_or_else(|| shift::of_day(turn.now.wall), String::clone),
                };
                let new = refund(&admitted.id, request, target.as_ref(), known, present);
                new_record(new, turn)
            }
            (
                OperationRequest::Cancellation(_)
                | OperationRequest::Sale(_)
                | OperationRequest::Card(_),
                _,
                _,
            ) => return,
        };
        self.begin_creation(old.as_ref().map(|old| old.record.clone()));
        self.enter(record, old, &admitted, turn);
    }

    /// Journals the entry with what it takes from its target, and answers the till.
    fn enter(
        &mut self,
        mut record: ReversalRecord,
        old: Option<ActiveReversal>,
        admitted: &AdmittedRequest,
        turn: &mut Turn,
    ) {
        let waits = self.blocking().next().is_some();
        // What repeats a set-aside entry owes what that one owed: nobody waits for it at the till, so it can
        // neither be aborted nor refused like a request of which nothing has left.
        if waits || old.is_some() {
            record.queued_once = true;
            record.operation.state = State::Queued;
            // The original's message blames the connection, which only others of the queue wait for.
            let message = if waits {
                original::CANCEL_QUEUED
            } else {
                cashier::REPEATS
            };
            message.clone_into(&mut record.operation.message);
        }
        let (amount, is_refund) = (record.operation.amount, record.is_refund());
        let resumed = old.is_some() && record.reversal != ReversalProgress::NotSent;
        turn.write_entry(&mut record, "asked for by the till");
        if let Some(mut old) = old {
            let reason = format!("repeated as {}", record.operation.id);
            old.record.settled = Some(reason.clone());
            old.record.rechecks.clear();
            old.record.next_try = None;
            old.set(State::Failed, cashier::REPEATED, turn.now);
            turn.write_entry(&mut old.record, reason);
        }
        self.change_target(
            record.operation.of.as_deref(),
            "a reversal was asked for",
            turn,
            |target| {
                if !resumed {
                    take_from_left(target, amount);
                }
                if !is_refund {
                    target.undo = Some(Undo::Pending);
                }
            },
        );
        turn.creates = Some(record.operation.id.clone());
        for ticket in &admitted.tickets {
            let answer = Ok((true, record.operation.clone()));
            turn.reply(*ticket, TillReply::Begun(answer));
        }
        if !waits {
            turn.screen.occupy();
        }
        let entry = ActiveReversal::live(record, turn.now.mono, turn);
        self.push(entry);
    }

    /// The set-aside entry of the same target, which a new cancellation repeats.
    fn take_set_aside(
        &mut self,
        admitted: &AdmittedRequest,
        target: Option<&Record>,
    ) -> Option<ActiveReversal> {
        let (OperationRequest::Cancellation(_), Some(target)) = (&admitted.requested, target)
        else {
            return None;
        };
        let id = &target.operation().id;
        let is_it = |entry: &ActiveReversal| {
            entry.record.set_aside && !entry.record.is_refund() && entry.undoes(id)
        };
        self.take(is_it).map(|(_, entry)| entry)
    }

    /// After a restart: every connection of the process before is closed by now, not earlier.
    pub(in crate::core) fn restore(&mut self, record: ReversalRecord, turn: &mut Turn) {
        let mut entry = ActiveReversal::live(record, turn.now.mono, turn);
        // The time for which no process ran does not count as one of getting nowhere.
        entry.answered_from = None;
        entry.may_have_left = entry.record.is_live();
        if let Some(since) = entry.record.errors_since {
            let spent = entry.record.operation.updated_at.duration_since(since);
            let spent = spent.max(SignedDuration::ZERO);
            entry.record.errors_since = turn.now.wall.checked_sub(spent).ok();
        }
        let sent_refund =
            entry.record.is_refund() && entry.record.reversal != ReversalProgress::NotSent;
        if sent_refund && entry.record.operation.state == State::InProgress {
            entry.doubt(turn.now);
            turn.write_entry(&mut entry.record, "in doubt after a restart");
        }
        self.push(entry);
    }
}

fn new_record(new: New, turn: &mut Turn) -> ReversalRecord {
    let now = turn.now;
    let operation = Operation {
        id: new.id,
        version: 0,
        kind: new.kind,
        state: State::New,
        amount: new.amount,
        mode: new.mode,
        shift: new.shift,
        order_number: turn.numbers.order_number(),
        payment_id: None,
        of: new.of,
        left: None,
        overdrawn: Kopecks::ZERO,
        undo: None,
        shows: None,
        message: messages::of_entry(new.kind, State::New).to_owned(),
        error: None,
        card: None,
        slip: None,
        created_at: now.wall,
        updated_at: now.wall,
        finished_at: None,
    };
    ReversalRecord {
        operation,
        request: new.request,
        account: new.account,
        target: new.target,
        receipt: new.receipt,
        reversal: ReversalProgress::NotSent,
        earlier: Vec::new(),
        earlier_amounts: Vec::new(),
        sent_once: false,
        resent: false,
        denied_while_pending: false,
        queued_once: false,
        tries: 0,
        last_error: None,
        next_try: Some(now.wall),
        answered_errors: 0,
        errors_since: None,
        set_aside: false,
        rechecks: Vec::new(),
        settled: None,
        outcome: None,
        left_held_until: None,
        needs_review: false,
        copies: Vec::new(),
        beside: None,
        ended_by_service: None,
    }
}

/// A person asks once more for what was set aside, which is taken over with its number.
fn repeated_record(
    id: String,
    request: &CancellationRequest,
    target: &Record,
    old: &ReversalRecord,
    turn: &mut Turn,
) -> ReversalRecord {
    let mut new = cancellation(id, request, target, old.account.clone());
    if old.request == ReversalRequest::Own || old.reversal != ReversalProgress::NotSent {
        new.amount = old.operation.amount;
    }
    new.target.clone_from(&old.target);
    new.receipt.clone_from(&old.receipt);
    let mut record = new_record(new, turn);
    take_over(&mut record, old);
    record
}

/// One entry goes on where another has ended.
fn take_over(record: &mut ReversalRecord, old: &ReversalRecord) {
    record.reversal = old.reversal;
    record.earlier.clone_from(&old.earlier);
    record.earlier_amounts.clone_from(&old.earlier_amounts);
    record.sent_once = old.sent_once;
    record.resent = old.resent;
    record.denied_while_pending = old.denied_while_pending;
    record.operation.payment_id = old.operation.payment_id;
    // Under its present number it may have left, though the disk has lost that, and no other has.
    record
        .operation
        .order_number
        .clone_from(&old.operation.order_number);
    record.operation.shift.clone_from(&old.operation.shift);
}

fn cancellation(
    id: String,
    request: &CancellationRequest,
    target: &Record,
    account: Account,
) -> New {
    let operation = target.operation();
    let left = operation.left.unwrap_or(operation.amount);
    let whole = left == operation.amount;
    let (kind, receipt) = match target {
        Record::Sale(sale) if request.annul => (Kind::Annul, sale.request.receipt()),
        Record::Sale(sale) => (Kind::Cancel, sale.request.receipt()),
        Record::Entry(refund) => (Kind::CancelRefund, refund.receipt.as_ref()),
    };
    New {
        id,
        kind,
        request: ReversalRequest::Cancellation(request.clone()),
        account,
        target: target.as_target(),
        of: Some(operation.id.clone()),
        amount: left,
        receipt: receipt.filter(|_| whole).cloned(),
        // The day of its first sending takes its place.
        shift: request.shift.as_ref().unwrap_or(&operation.shift).clone(),
        mode: operation.mode,
    }
}

/// Where and how a refund is made now.
struct Present {
    account: Account,
    mode: crate::model::operation::Mode,
    /// What the till names; else its present shift, if it names its shifts; else the day.
    shift: String,
}

fn refund(
    id: &str,
    request: &RefundRequest,
    sale: Option<&Record>,
    known: Option<PaymentInfo>,
    present: Present,
) -> New {
    let target = match (sale, known) {
        (Some(sale), _) => sale.as_target(),
        (None, known) => Target {
            payment_id: request.payment_id,
            order_number: known
                .as_ref()
                .map(|info| info.order_number.clone())
                .unwrap_or_default(),
            sum: known.map_or(request.amount, |info| info.sum),
            shift: String::new(),
            sale_shift: String::new(),
            refund: false,
        },
    };
    New {
        id: id.to_owned(),
        kind: Kind::Refund,
        request: ReversalRequest::Refund(request.clone()),
        account: present.account,
        target,
        of: sale.map(|sale| sale.operation().id.clone()),
        amount: request.amount,
        receipt: Some(request.receipt.clone()),
        shift: present.shift,
        mode: sale.map_or(present.mode, |sale| sale.operation().mode),
    }
}
