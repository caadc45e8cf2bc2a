//! How a sale ends: for the cashier at once, and for the money as long as it takes.

use std::time::Duration;

use crate::base::clock::Now;
use crate::base::secret::Secret;
use crate::core::call::{Failure, Heard, PaymentInfo, PaymentStatus, PaymentType, SessionMode};
use crate::core::event::{RequestId, Step, Turn};
use crate::core::record::{Record, SaleRecord, StopReason};
use crate::core::reversal::active::ActiveReversal;
use crate::core::reversal::plan_rechecks_of_refusal;
use crate::core::sale::{ActiveSale, Phase};
use crate::core::scene::Scene;
use crate::core::{Core, words};
use crate::model::operation::{ErrorCode, Kind, Mode, OperationError, State, Undo};
use crate::texts::cashier;

impl ActiveSale {
    /// Whether this request's answer is the one that the sale waits for.
    pub(in crate::core) fn awaits(&self, id: RequestId) -> bool {
        match &self.phase {
            Phase::Opening(opening) => opening.request == Some(id),
            Phase::AwaitingBuyer(invitation) => invitation.awaits(id),
            Phase::Paying(paying) => paying.awaits(id),
            Phase::Confirming { request, .. } => *request == Some(id),
            Phase::InDoubt(doubt) => doubt.request == Some(id),
            Phase::Starting | Phase::AwaitingScan | Phase::Undoing { .. } => false,
        }
    }
}

impl Core {
    /// The sale is over, and no money is in doubt.
    pub(in crate::core) fn finish(
        &mut self,
        mut sale: ActiveSale,
        state: State,
        error: Option<OperationError>,
        what: &str,
        turn: &mut Turn,
    ) {
        sale.set_state(state, turn.now);
        if let Some(error) = &error {
            sale.record.operation.message.clone_from(&error.message);
            // What answers otherwise than the service does, a router's login page or a proxy, is not the service:
            // the next sale asks first whether it is there.
            if matches!(
                error.code,
                ErrorCode::NoConnection | ErrorCode::ServiceProtocol
            ) {
                self.link.went_down(error.code);
            }
        }
        sale.record.operation.error = error;
        self.note_witness(&sale.record, turn.now);
        self.held_answers.follow_record(&sale.record);
        turn.write_sale(&mut sale.record, what);
        self.screen.show_result(final_scene(&sale.record), turn);
    }

    /// The sale ends, and no payment was made.
    pub(in crate::core) fn fail(&mut self, sale: ActiveSale, failure: &Failure, turn: &mut Turn) {
        let error = words::of_failure(failure);
        self.finish(
            sale,
            State::Failed,
            Some(error),
            "failed before a payment was made",
            turn,
        );
    }

    /// The sale ends for the cashier while its payment may exist: the undoing is journalled with it.
    pub(in crate::core) fn release(
        &mut self,
        mut sale: ActiveSale,
        lost_at: Duration,
        error: OperationError,
        turn: &mut Turn,
    ) {
        sale.record.operation.undo = Some(Undo::Pending);
        let id = sale.record.operation.id.clone();
        self.finish(
            sale,
            State::Failed,
            Some(error),
            "released with an undoing",
            turn,
        );
        let Some(Record::Sale(record)) = turn.written(&id).cloned() else {
            return;
        };
        let mut entry = self.new_own(&record, lost_at, turn.now);
        turn.write_entry(&mut entry.record, "queued");
        self.queue.set_target(Record::Sale(record));
        self.queue.push(entry);
    }

    /// The service has a payment under a sale's number that the sale does not stand on: it is brought back
    /// by itself, and people are told.
    pub(in crate::core) fn undo_second_payment(
        &mut self,
        sale: &SaleRecord,
        info: &PaymentInfo,
        turn: &mut Turn,
    ) {
        if info.status.took_nothing() || self.queue.is_answered_for(info.payment_id) {
            return;
        }
        let entry = self.new_own_of_second(sale, info.payment_id, turn);
        self.queue_second_undoing(entry, &sale.operation.id, turn);
    }

    /// The sale's own books do not change by it.
    fn new_own_of_second(
        &mut self,
        sale: &SaleRecord,
        payment_id: i64,
        turn: &Turn,
    ) -> ActiveReversal {
        let mut entry = self.new_own(sale, turn.now.mono, turn.now);
        entry.record.operation.of = None;
        entry.record.target.payment_id = Some(payment_id);
        entry
    }

    /// A report shows a second payment under the number of a sale that is over. "A second live row is undone" ("What
    /// nothing may assume"), but here a report is the only witness, and it may be wrong of the sale's own row as
    /// well: then the payment that stands would be the one that is reversed. So a person decides, and has it undone
    /// by trying the entry.
    fn show_second_payment(&mut self, sale: &SaleRecord, payment_id: i64, turn: &mut Turn) {
        if self.queue.is_answered_for(payment_id) {
            return;
        }
        self.queue.answers_for(payment_id);
        let mut entry = self.new_own_of_second(sale, payment_id, turn);
        entry.record.beside = Some(sale.operation.id.clone());
        entry.record.last_error = Some(format!("payment {payment_id} beside the sale's own"));
        let what = "a second payment under the number of a sale";
        self.set_aside(&mut entry, what, turn);
        self.queue.push(entry);
    }

    /// The same for what an undoing finds under its number when it finds its own payment there: "a second live
    /// row is undone" ("What nothing may assume").
    pub(in crate::core) fn undo_others(
        &mut self,
        undoing: &ActiveReversal,
        rows: &[PaymentInfo],
        turn: &mut Turn,
    ) {
        let target = &undoing.record.target;
        let is_other =
            |row: &&PaymentInfo| target.is(row) && target.payment_id != Some(row.payment_id);
        for other in rows.iter().filter(is_other) {
            if other.status.took_nothing() || self.queue.is_answered_for(other.payment_id) {
                continue;
            }
            let entry = self.new_own_beside(undoing, other.payment_id, turn.now);
            let operation = &undoing.record.operation;
            let beside = operation.of.as_ref().unwrap_or(&operation.id);
            self.queue_second_undoing(entry, beside, turn);
        }
    }

    fn queue_second_undoing(&mut self, mut entry: ActiveReversal, beside: &str, turn: &mut Turn) {
        if let Some(payment_id) = entry.record.target.payment_id {
            self.queue.answers_for(payment_id);
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
        self.queue.push(entry);
    }

    /// The sale is over without a payment, as far as the journal knows, but another copy of its request may have
    /// been carried out, or the disk may have lost that it was sent. The number is asked for again, as one that
    /// was absent is, and the sale learns what is found.
    pub(in crate::core) fn watch_end(&mut self, id: &str, what: &str, turn: &mut Turn) {
        let Some(Record::Sale(record)) = turn.written(id).cloned() else {
            return;
        };
        let mut entry = self.new_own(&record, turn.now.mono, turn.now);
        plan_rechecks_of_refusal(&mut entry.record, self.settings.settle, turn.now);
        self.watch(entry, what, turn);
        self.queue.set_target(Record::Sale(record));
    }

    /// A number under which nothing was sent, as far as the journal knows, is asked for again later. The
    /// sale goes on without it, so what is found under it is brought back and changes nothing of the sale.
    pub(in crate::core) fn watch_number(&mut self, sale: &SaleRecord, turn: &mut Turn) {
        let mut entry = self.new_own(sale, turn.now.mono, turn.now);
        entry.record.operation.of = None;
        plan_rechecks_of_refusal(&mut entry.record, self.settings.settle, turn.now);
        let what = "a number from before a restart is asked for again later";
        self.watch(entry, what, turn);
    }

    /// The report shows the payment of a sale that was told as not paid, though nothing was ever undone of
    /// it: no final status stays ("What nothing may assume"). It is asked for at once, and reversed if it is
    /// there.
    pub(in crate::core) fn recheck_sale(
        &mut self,
        sale: SaleRecord,
        second: Option<i64>,
        turn: &mut Turn,
    ) {
        let operation = &sale.operation;
        let is_unpaid = operation.state.is_final() && operation.state != State::Done;
        let is_ours = self.settings.account.as_ref() == Some(&sale.account);
        if let Some(payment_id) = second {
            if is_ours && operation.state.is_final() && operation.payment_id.is_some() {
                self.show_second_payment(&sale, payment_id, turn);
            }
            return;
        }
        let is_watched = self.queue.iter().any(|entry| entry.reverses(&operation.id));
        if operation.kind != Kind::Sale || !is_unpaid || !is_ours || is_watched {
            return;
        }
        let mut entry = self.new_own(&sale, turn.now.mono, turn.now);
        entry.record.rechecks = vec![turn.now.wall];
        self.hold(Record::Sale(Box::new(sale)));
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
        self.queue.push(entry);
    }

    /// The cashier stops waiting for an existing payment: it is reversed at once, and the sale waits
    /// for the reversal at most `timeout`.
    pub(in crate::core) fn start_undoing(
        &mut self,
        sale: &mut ActiveSale,
        payment_id: i64,
        ending: StopReason,
        turn: &mut Turn,
    ) {
        sale.record.ending = Some(ending);
        sale.record.operation.payment_id = Some(payment_id);
        sale.record.operation.undo = Some(Undo::Pending);
        sale.set(State::InProgress, cashier::CANCELLING, turn.now);
        sale.phase = Phase::Undoing {
            ending,
            until: turn.now.mono + self.patience(),
        };
        turn.write_sale(
            &mut sale.record,
            match ending {
                StopReason::Abort => "aborted by the cashier, being reversed",
                StopReason::Expiry => "nobody confirmed in time, being reversed",
            },
        );
        turn.show(Scene::Checking);
        let entry = self.new_own(&sale.record, turn.now.mono, turn.now);
        self.queue.push(entry);
        self.reverse_at_once(turn);
    }

    /// `timeout` is over, the undoing goes on alone.
    pub(in crate::core) fn release_attached(&mut self, mut sale: ActiveSale, turn: &mut Turn) {
        let id = sale.record.operation.id.clone();
        let entry = self.queue.iter().find(|entry| entry.undoes(&id));
        let detail = entry.and_then(|entry| entry.record.last_error.clone());
        let error = words::no_connection(
            detail
                .as_deref()
                .unwrap_or("the reversal was not confirmed in time"),
        );
        sale.record.operation.undo = Some(Undo::Pending);
        self.finish(
            sale,
            State::Failed,
            Some(error),
            "released, its undoing goes on",
            turn,
        );
        self.hold_written(&id, turn);
    }

    /// The undoing that a sale waited for is over.
    pub(in crate::core) fn finish_attached(
        &mut self,
        sale: ActiveSale,
        ending: StopReason,
        turn: &mut Turn,
    ) {
        let mut sale = sale;
        sale.record.operation.undo = Some(Undo::Done);
        let id = sale.record.operation.id.clone();
        self.finish(
            sale,
            words::ended(ending),
            None,
            "the payment was seen undone",
            turn,
        );
        self.hold_written(&id, turn);
    }

    /// The service refuses for good to reverse what a sale waits for.
    pub(in crate::core) fn refuse_attached(&mut self, mut sale: ActiveSale, turn: &mut Turn) {
        sale.record.operation.undo = Some(Undo::SetAside);
        let id = sale.record.operation.id.clone();
        let error = OperationError {
            code: ErrorCode::ServiceRejected,
            message: cashier::SET_ASIDE.to_owned(),
            detail: "the service refused the reversal of a paid payment".to_owned(),
            remedy: cashier::SET_ASIDE_SALE_REMEDY.to_owned(),
        };
        self.finish(
            sale,
            State::Failed,
            Some(error),
            "the reversal was refused",
            turn,
        );
        self.hold_written(&id, turn);
    }

    /// From now on the entry tells the sale what becomes of it.
    fn hold_written(&mut self, id: &str, step: &Step) {
        if let Some(record) = step.written(id) {
            self.queue.set_target(record.clone());
        }
    }

    /// After a restart only: the payment was made so late that the cashier has gone.
    pub(in crate::core) fn nobody_waits(
        &self,
        sale: &ActiveSale,
        info: &PaymentInfo,
        now: Now,
    ) -> bool {
        if !sale.restored || sale.deadline > now.mono {
            return false;
        }
        let took = info
            .created
            .zip(info.paid)
            .map(|(created, paid)| paid.duration_since(created));
        let wait = jiff::SignedDuration::try_from(self.settings.wait_buyer).unwrap_or_default();
        took.is_none_or(|took| took > wait)
    }
}

/// What the buyer sees at the end.
fn final_scene(record: &SaleRecord) -> Scene {
    let operation = &record.operation;
    match operation.state {
        State::Done if operation.kind == Kind::Card => match &operation.card {
            Some(card) => Scene::CardFound {
                name: card.name.clone(),
            },
            None => Scene::Idle,
        },
        State::Done => Scene::Paid {
            amount: operation.amount,
        },
        State::Declined => Scene::Declined,
        State::NotEnoughMoney => Scene::NotEnoughMoney,
        State::Expired => Scene::TimeIsUp,
        State::Cancelled => Scene::Cancelled,
        State::New
        | State::InProgress
        | State::AwaitingScan
        | State::AwaitingBuyer
        | State::AwaitingConfirmation
        | State::InDoubt
        | State::Queued
        | State::Failed => {
            let no_connection =
                matches!(&operation.error, Some(error) if error.code == ErrorCode::NoConnection);
            if no_connection && operation.undo.is_none() {
                Scene::NoConnection
            } else {
                Scene::NotCompleted
            }
        }
    }
}

/// The row that decides, should a number have several: what is paid before what is pending before what
/// took nothing.
pub(in crate::core) fn deciding<'a>(
    rows: impl Iterator<Item = &'a PaymentInfo>,
) -> Option<&'a PaymentInfo> {
    rows.min_by_key(|info| (info.status != PaymentStatus::Ok, info.status.took_nothing()))
}

/// The row that decides about a sale's payment.
pub(in crate::core) fn best_payment<'a>(
    found: &'a [PaymentInfo],
    record: &SaleRecord,
) -> Option<&'a PaymentInfo> {
    deciding(found.iter().filter(|info| is_payment_of(info, record)))
}

/// Whether the service speaks of this very payment.
pub(in crate::core) fn is_payment_of(info: &PaymentInfo, record: &SaleRecord) -> bool {
    info.order_number == record.operation.order_number
        && info.sum == record.operation.amount
        && info.payment_type == PaymentType::Sale
}

/// The state that a payment's refusal leads to.
pub(in crate::core) fn refused_state(status: PaymentStatus) -> State {
    match status {
        PaymentStatus::Decline => State::Declined,
        PaymentStatus::NotEnough => State::NotEnoughMoney,
        PaymentStatus::Timeout => State::Expired,
        PaymentStatus::TechnicalCancelling => State::Cancelled,
        PaymentStatus::InProgress | PaymentStatus::Ok | PaymentStatus::Unknown(_) => {
            State::AwaitingConfirmation
        }
    }
}

/// For the time line.
pub(in crate::core) fn status_fact(status: PaymentStatus) -> String {
    format!("the service says {status:?}")
}

pub(in crate::core) fn session_mode(mode: Mode, code: Option<Secret>) -> SessionMode {
    match (mode, code) {
        (Mode::ConsumerQr, Some(code)) => SessionMode::ConsumerQr(code),
        (Mode::DynamicQr, _) => SessionMode::DynamicQr,
        (Mode::StaticQr | Mode::ConsumerQr, _) => SessionMode::StaticQr,
    }
}

/// A poll that is still under way when the patience with polls is over.
pub(in crate::core) fn silence() -> Failure {
    Failure::Lost {
        detail: "no poll was answered".to_owned(),
        heard: Heard::Nothing,
    }
}

/// An answer of another kind than was asked for: a bug or a foreign body.
pub(in crate::core) fn foreign_reply() -> Failure {
    Failure::Lost {
        detail: "the answer does not fit the question".to_owned(),
        heard: Heard::Nonsense,
    }
}
