//! How a sale ends: for the cashier at once, and for the money as long as it takes.

use std::time::Duration;

use crate::base::secret::Secret;
use crate::core::call::{Failure, PaymentInfo, PaymentStatus, PaymentType, Received, SessionMode};
use crate::core::event::RequestId;
use crate::core::messages;
use crate::core::record::{SaleRecord, StopReason};
use crate::core::reversal::of_sales::QueueTask;
use crate::core::reversal::queue::ReversalQueue;
use crate::core::sale::{ActiveSale, Phase, UndoingEnd};
use crate::core::scene::Scene;
use crate::core::turn::Turn;
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

impl ActiveSale {
    /// The sale is over, and no money is in doubt.
    pub(super) fn finish(
        mut self,
        state: State,
        error: Option<OperationError>,
        what: &str,
        turn: &mut Turn,
    ) -> SaleRecord {
        self.set_state(state, turn.now);
        if let Some(error) = &error {
            self.record.operation.message.clone_from(&error.message);
            // What answers otherwise than the service does, a router's login page or a proxy, is not the service:
            // the next sale asks first whether it is there.
            if matches!(
                error.code,
                ErrorCode::NoConnection | ErrorCode::ServiceProtocol
            ) {
                turn.link.went_down(error.code);
            }
        }
        self.record.operation.error = error;
        turn.witnesses.note_sale(&self.record, turn.now);
        turn.held_answers.follow_record(&self.record);
        turn.write_sale(&mut self.record, what);
        turn.show_result(final_scene(&self.record));
        self.record
    }

    /// The sale ends, and no payment was made.
    pub(super) fn fail(self, failure: &Failure, turn: &mut Turn) -> Option<ActiveSale> {
        self.finish_failed(failure, turn);
        None
    }

    /// [`ActiveSale::fail`], for who wants to know how it has ended.
    pub(super) fn finish_failed(self, failure: &Failure, turn: &mut Turn) -> SaleRecord {
        let error = Some(messages::of_failure(failure));
        let what = "failed before a payment was made";
        self.finish(State::Failed, error, what, turn)
    }

    /// The sale ends for the cashier while its payment may exist: the undoing is journalled with it.
    pub(super) fn release(
        self,
        lost_at: Duration,
        error: OperationError,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        self.end_with_undoing(lost_at, error, turn);
        None
    }

    /// [`ActiveSale::release`], for who wants to know how it has ended.
    pub(super) fn end_with_undoing(
        mut self,
        lost_at: Duration,
        error: OperationError,
        turn: &mut Turn,
    ) -> SaleRecord {
        self.record.operation.undo = Some(Undo::Pending);
        let what = "released with an undoing";
        let record = self.finish(State::Failed, Some(error), what, turn);
        turn.for_queue.push(QueueTask::Undo {
            sale: Box::new(record.clone()),
            lost_at,
        });
        record
    }

    /// The cashier stops waiting for an existing payment: it is reversed at once, and the sale waits
    /// for the reversal at most `timeout`.
    pub(super) fn start_undoing(&mut self, payment_id: i64, ending: StopReason, turn: &mut Turn) {
        self.record.ending = Some(ending);
        self.record.operation.payment_id = Some(payment_id);
        self.record.operation.undo = Some(Undo::Pending);
        self.set(State::InProgress, cashier::CANCELLING, turn.now);
        self.phase = Phase::Undoing {
            ending,
            until: turn.now.mono + turn.settings.patience(),
        };
        turn.write_sale(
            &mut self.record,
            match ending {
                StopReason::Abort => "aborted by the cashier, being reversed",
                StopReason::Expiry => "nobody confirmed in time, being reversed",
            },
        );
        turn.show(Scene::Checking);
        let sale = Box::new(self.record.clone());
        turn.for_queue.push(QueueTask::UndoAtOnce { sale });
    }

    /// `timeout` is over, the undoing goes on alone.
    pub(super) fn release_attached(
        mut self,
        queue: &ReversalQueue,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        let id = &self.record.operation.id;
        let entry = queue.iter().find(|entry| entry.undoes(id));
        let detail = entry.and_then(|entry| entry.record.last_error.clone());
        let error = messages::no_connection(
            detail
                .as_deref()
                .unwrap_or("the reversal was not confirmed in time"),
        );
        self.record.operation.undo = Some(Undo::Pending);
        let what = "released, its undoing goes on";
        let record = self.finish(State::Failed, Some(error), what, turn);
        turn.for_queue.push(QueueTask::hold(record));
        None
    }

    /// The undoing that the sale waits for is over; answers the sale, if it waits for none.
    pub(in crate::core) fn undoing_ended(
        self,
        end: UndoingEnd,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        let Phase::Undoing { ending, .. } = self.phase else {
            return Some(self);
        };
        match end {
            UndoingEnd::Undone => self.finish_undone(ending, turn),
            UndoingEnd::SetAside => self.finish_set_aside(turn),
            UndoingEnd::PaidFirst => self.finish_paid_before_reversal(turn),
        }
        None
    }

    fn finish_undone(mut self, ending: StopReason, turn: &mut Turn) {
        self.record.operation.undo = Some(Undo::Done);
        let what = "the payment was seen undone";
        let record = self.finish(messages::ended(ending), None, what, turn);
        turn.for_queue.push(QueueTask::hold(record));
    }

    /// The service refuses for good to reverse what the sale waits for.
    fn finish_set_aside(mut self, turn: &mut Turn) {
        self.record.operation.undo = Some(Undo::SetAside);
        let error = OperationError {
            code: ErrorCode::ServiceRejected,
            message: cashier::SET_ASIDE.to_owned(),
            detail: "the service refused the reversal of a paid payment".to_owned(),
            remedy: cashier::SET_ASIDE_SALE_REMEDY.to_owned(),
        };
        let what = "the reversal was refused";
        let record = self.finish(State::Failed, Some(error), what, turn);
        turn.for_queue.push(QueueTask::hold(record));
    }

    /// Paid, although the till had stopped waiting: it may cancel the sale.
    fn finish_paid_before_reversal(mut self, turn: &mut Turn) {
        self.record.operation.left = Some(self.record.operation.amount);
        self.record.operation.undo = None;
        self.finish(State::Done, None, "paid before the reversal", turn);
    }

    /// After a restart only: the payment was made so late that the cashier has gone.
    pub(super) fn nobody_waits(&self, info: &PaymentInfo, turn: &Turn) -> bool {
        if !self.restored || self.deadline > turn.now.mono {
            return false;
        }
        let took = info
            .created
            .zip(info.paid)
            .map(|(created, paid)| paid.duration_since(created));
        let wait = jiff::SignedDuration::try_from(turn.settings.wait_buyer).unwrap_or_default();
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
    format!("the service answers {status:?}")
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
        received: Received::Nothing,
    }
}

/// An answer of another kind than was asked for: a bug or a foreign body.
pub(in crate::core) fn foreign_reply() -> Failure {
    Failure::Lost {
        detail: "the answer does not fit the question".to_owned(),
        received: Received::Malformed,
    }
}
