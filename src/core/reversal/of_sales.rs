//! What sales want of the queue: payments brought back, and numbers asked for again.

use std::time::Duration;

use crate::core::call::PaymentInfo;
use crate::core::record::{Record, ReversalRequest, SaleRecord};
use crate::core::reversal::active::{ActiveReversal, Stage};
use crate::core::reversal::plan_rechecks_of_refusal;
use crate::core::reversal::queue::ReversalQueue;
use crate::core::turn::Turn;
use crate::model::operation::{Kind, State, Undo};
use crate::texts::cashier;

/// What a sale wants of the queue.
#[derive(Debug)]
pub(in crate::core) enum QueueTask {
    /// The sale is over for the cashier while its payment may exist: it is undone. `lost_at`: since when its fate is
    /// unknown.
    Undo {
        sale: Box<SaleRecord>,
        lost_at: Duration,
    },
    /// The cashier stops waiting for a payment that exists: it is reversed in this very turn, and the sale waits for
    /// that.
    UndoAtOnce { sale: Box<SaleRecord> },
    /// The sale that waited for its undoing is over: from now on the entry passes on to it what becomes of it.
    Hold { sale: Box<SaleRecord> },
    /// The sale is over without a payment, as far as anybody knows: its number is asked for again.
    WatchEnd {
        sale: Box<SaleRecord>,
        what: &'static str,
    },
    /// The sale goes on under another number: the one that it had is asked for again.
    WatchNumber { sale: Box<SaleRecord> },
    /// The service has another payment under the sale's number.
    UndoSecond {
        sale: Box<SaleRecord>,
        payment: Box<PaymentInfo>,
    },
    /// A held answer came after the sale was over, or its connection broke without one.
    HeldAnswer {
        sale: Box<SaleRecord>,
        payment: Option<Box<PaymentInfo>>,
    },
}

impl QueueTask {
    pub(in crate::core) fn hold(sale: SaleRecord) -> QueueTask {
        let sale = Box::new(sale);
        QueueTask::Hold { sale }
    }

    pub(in crate::core) fn watch_end(sale: SaleRecord, what: &'static str) -> QueueTask {
        let sale = Box::new(sale);
        QueueTask::WatchEnd { sale, what }
    }
}

impl ReversalQueue {
    pub(in crate::core) fn carry_out(&mut self, task: QueueTask, turn: &mut Turn) {
        match task {
            QueueTask::Undo { sale, lost_at } => {
                let mut entry = ActiveReversal::own(&sale, lost_at, turn);
                turn.write_entry(&mut entry.record, "queued");
                self.set_target(Record::Sale(sale));
                self.push(entry);
            }
            QueueTask::UndoAtOnce { sale } => {
                let entry = ActiveReversal::own(&sale, turn.now.mono, turn);
                self.push(entry);
                self.reverse_at_once(turn);
            }
            QueueTask::Hold { sale } => self.set_target(Record::Sale(sale)),
            QueueTask::WatchEnd { sale, what } => self.watch_end(sale, what, turn),
            QueueTask::WatchNumber { sale } => self.watch_number(&sale, turn),
            QueueTask::UndoSecond { sale, payment } => {
                self.undo_second_payment(&sale, &payment, turn);
            }
            QueueTask::HeldAnswer { sale, payment } => {
                self.held_answer_came(&sale, payment.as_deref(), turn);
            }
        }
    }

    /// The sale is over. Whatever end was reported to the till, a payment that lives and that it does not stand on is
    /// brought back.
    fn held_answer_came(
        &mut self,
        record: &SaleRecord,
        info: Option<&PaymentInfo>,
        turn: &mut Turn,
    ) {
        let operation = &record.operation;
        let is_of_entry = self.note_payment(&operation.id, info, turn);
        let Some(info) = info.filter(|_| !is_of_entry) else {
            return;
        };
        let stands = operation.state == State::Done || operation.undo.is_some();
        if !(stands && operation.payment_id == Some(info.payment_id)) {
            self.undo_second_payment(record, info, turn);
        }
    }

    /// Takes what a held answer brought of the payment that an entry undoes; without one its connection is closed.
    /// Returns whether the payment is that entry's.
    fn note_payment(&mut self, sale: &str, info: Option<&PaymentInfo>, turn: &mut Turn) -> bool {
        let looks = |entry: &&mut ActiveReversal| {
            entry.undoes(sale) && entry.record.request == ReversalRequest::Own
        };
        let Some(entry) = self.iter_mut().find(looks) else {
            return false;
        };
        entry.lost_at = turn.now.mono;
        if entry.stage == Stage::Waiting {
            entry.next_at = turn.now.mono;
        }
        let Some(info) = info.filter(|info| entry.record.target.is(info)) else {
            return false;
        };
        if let Some(known) = entry.record.target.payment_id {
            return known == info.payment_id;
        }
        let payment_id = info.payment_id;
        entry.record.target.payment_id = Some(payment_id);
        let what = "the held answer brought the payment";
        turn.write_entry(&mut entry.record, what);
        self.change_target(Some(sale), what, turn, |sale| {
            sale.payment_id = Some(payment_id);
        });
        true
    }

    /// The service has a payment under a sale's number that the sale does not stand on: it is brought back
    /// by itself, and people are told.
    fn undo_second_payment(&mut self, sale: &SaleRecord, info: &PaymentInfo, turn: &mut Turn) {
        if info.status.took_nothing() || self.is_answered_for(info.payment_id) {
            return;
        }
        let entry = own_of_second(sale, info.payment_id, turn);
        self.queue_second_undoing(entry, &sale.operation.id, turn);
    }

    /// A report shows a second payment under the number of a sale that is over. "A second live row is undone" ("What
    /// nothing may assume"), but here a report is the only witness, and it may be wrong of the sale's own row as
    /// well: then the payment that stands would be the one that is reversed. So a person decides, and has it undone
    /// by trying the entry.
    fn show_second_payment(&mut self, sale: &SaleRecord, payment_id: i64, turn: &mut Turn) {
        if self.is_answered_for(payment_id) {
            return;
        }
        self.answers_for(payment_id);
        let mut entry = own_of_second(sale, payment_id, turn);
        entry.record.beside = Some(sale.operation.id.clone());
        entry.record.last_error = Some(format!("payment {payment_id} beside the sale's own"));
        let what = "a second payment under the number of a sale";
        self.set_aside(&mut entry, what, turn);
        self.push(entry);
    }

    /// The same for what an undoing finds under its number when it finds its own payment there: "a second live
    /// row is undone" ("What nothing may assume").
    pub(super) fn undo_others(
        &mut self,
        undoing: &ActiveReversal,
        rows: &[PaymentInfo],
        turn: &mut Turn,
    ) {
        let target = &undoing.record.target;
        let is_other =
            |row: &&PaymentInfo| target.is(row) && target.payment_id != Some(row.payment_id);
        for other in rows.iter().filter(is_other) {
            if other.status.took_nothing() || self.is_answered_for(other.payment_id) {
                continue;
            }
            let entry = ActiveReversal::own_beside(undoing, other.payment_id, turn);
            let operation = &undoing.record.operation;
            let beside = operation.of.as_ref().unwrap_or(&operation.id);
            self.queue_second_undoing(entry, beside, turn);
        }
    }

    fn queue_second_undoing(&mut self, mut entry: ActiveReversal, beside: &str, turn: &mut Turn) {
        if let Some(payment_id) = entry.record.target.payment_id {
            self.answers_for(payment_id);
        }
        entry.record.beside = Some(beside.to_owned());
        let what = "a second payment under the number of a sale";
        turn.write_entry(&mut entry.record, what);
        turn.alarm(
            &entry.record.operation.id,
            format!(
                "the service has a second payment under the number of {beside}, and it is reversed"
            ),
        );
        self.push(entry);
    }

    /// The sale is over without a payment, as far as the journal knows, but another copy of its request may have been
    /// carried out, or the disk may have lost that it was sent. The number is asked for again, as one that was absent
    /// is, and the sale gets what is found.
    fn watch_end(&mut self, sale: Box<SaleRecord>, what: &str, turn: &mut Turn) {
        let mut entry = ActiveReversal::own(&sale, turn.now.mono, turn);
        plan_rechecks_of_refusal(&mut entry.record, turn.settings.settle, turn.now);
        self.watch(entry, what, turn);
        self.set_target(Record::Sale(sale));
    }

    /// A number under which nothing was sent, as far as the journal knows, is asked for again later. The
    /// sale goes on without it, so what is found under it is brought back and changes nothing of the sale.
    fn watch_number(&mut self, sale: &SaleRecord, turn: &mut Turn) {
        let mut entry = ActiveReversal::own(sale, turn.now.mono, turn);
        entry.record.operation.of = None;
        plan_rechecks_of_refusal(&mut entry.record, turn.settings.settle, turn.now);
        let what = "a number from before a restart is asked for again later";
        self.watch(entry, what, turn);
    }

    /// The report shows the payment of a sale that ended as not paid, though nothing was ever undone of it: no final
    /// status stays ("What nothing may assume"). It is asked for at once, and reversed if it is there.
    pub(in crate::core) fn recheck_sale(
        &mut self,
        sale: SaleRecord,
        second: Option<i64>,
        turn: &mut Turn,
    ) {
        let operation = &sale.operation;
        let is_unpaid = operation.state.is_final() && operation.state != State::Done;
        let is_ours = turn.settings.account.as_ref() == Some(&sale.account);
        if let Some(payment_id) = second {
            if is_ours && operation.state.is_final() && operation.payment_id.is_some() {
                self.show_second_payment(&sale, payment_id, turn);
            }
            return;
        }
        let is_watched = self.iter().any(|entry| entry.reverses(&operation.id));
        if operation.kind != Kind::Sale || !is_unpaid || !is_ours || is_watched {
            return;
        }
        let mut entry = ActiveReversal::own(&sale, turn.now.mono, turn);
        entry.record.rechecks = vec![turn.now.wall];
        self.hold(Record::Sale(Box::new(sale)), turn);
        let what = "a payment that took nothing is reported paid, and asked for again";
        self.watch(entry, what, turn);
    }

    /// An undoing that has nothing to undo, as far as anybody knows, and asks for its number again.
    fn watch(&mut self, mut entry: ActiveReversal, what: &str, turn: &mut Turn) {
        entry.record.operation.undo = Some(Undo::Done);
        entry.record.next_try = None;
        entry.set(State::Done, cashier::NOTHING_TO_UNDO, turn.now);
        turn.write_entry(&mut entry.record, what);
        entry.plan_recheck(turn.now);
        self.push(entry);
    }
}

/// The sale's own books do not change by it.
fn own_of_second(sale: &SaleRecord, payment_id: i64, turn: &mut Turn) -> ActiveReversal {
    let mut entry = ActiveReversal::own(sale, turn.now.mono, turn);
    entry.record.operation.of = None;
    entry.record.target.payment_id = Some(payment_id);
    entry
}
