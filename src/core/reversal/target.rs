//! What a refund or a cancellation is of: whether it can be reversed, and what of it is left.
//!
//! The rule for `left`: what an entry asks for is taken from
//! it when the entry is journalled, and given back only when the service has definitely denied it.

use crate::core::admission::AdmittedRequest;
use crate::core::call::{PaymentInfo, PaymentStatus, PaymentType};
use crate::core::event::JournalContext;
use crate::core::record::{ReversalProgress, ReversalRecord};
use crate::core::reversal::active::ActiveReversal;
use crate::core::reversal::queue::ReversalQueue;
use crate::model::money::Kopecks;
use crate::model::operation::{
    Kind, Operation, OperationRequest, Outcome, RefundRequest, State, Undo,
};
use crate::model::problem::{Code, Problem};
use crate::texts::cashier;

impl ReversalQueue {
    /// Whether what a request is of can be reversed now. `target` is the operation as it is now, which may be newer
    /// than what the journal knew at the `PUT`.
    pub(in crate::core) fn check(
        &self,
        request: &OperationRequest,
        target: Option<&Operation>,
        context: &JournalContext,
    ) -> Result<(), Problem> {
        match (request, target) {
            (OperationRequest::Sale(_) | OperationRequest::Card(_), _) => Ok(()),
            (OperationRequest::Refund(refund), Some(sale)) => {
                self.check_refund(refund, sale, context)
            }
            (OperationRequest::Refund(refund), None) if refund.sale.is_none() => Ok(()),
            (OperationRequest::Cancellation(_), Some(target)) => {
                self.check_cancellation(target, context)
            }
            (OperationRequest::Refund(_) | OperationRequest::Cancellation(_), None) => {
                Err(Problem::no_operation())
            }
        }
    }

    fn check_refund(
        &self,
        refund: &RefundRequest,
        sale: &Operation,
        context: &JournalContext,
    ) -> Result<(), Problem> {
        if sale.kind != Kind::Sale {
            return Err(Problem::unprocessable(
                cashier::not_a_sale(&sale.id),
                cashier::NOT_A_SALE_REMEDY,
            ));
        }
        if !sale.state.is_final() {
            return Err(unfinished(&sale.id));
        }
        if sale.state != State::Done {
            return Err(match sale.undo {
                Some(Undo::Pending | Undo::SetAside) => Problem::unprocessable(
                    cashier::only_cancelled(&sale.id),
                    cashier::only_cancelled_remedy(&sale.id),
                ),
                Some(Undo::Done) | None => without_money(&sale.id),
            });
        }
        self.check_no_doubt(&sale.id)?;
        if matches!(sale.undo, Some(Undo::Pending | Undo::Done)) {
            return Err(self.already_undone(sale, context));
        }
        self.check_no_repetition(refund, &sale.id, context)?;
        let left = sale.left.unwrap_or(Kopecks::ZERO);
        if refund.amount > left {
            return Err(more_than_left(refund.amount, left));
        }
        Ok(())
    }

    fn check_cancellation(
        &self,
        target: &Operation,
        context: &JournalContext,
    ) -> Result<(), Problem> {
        let has_money = matches!(target.kind, Kind::Sale | Kind::Refund);
        if !has_money {
            return Err(without_money(&target.id));
        }
        if matches!(target.undo, Some(Undo::Pending | Undo::Done)) {
            return Err(self.already_undone(target, context));
        }
        if !target.state.is_final() {
            return Err(unfinished(&target.id));
        }
        self.check_reviewed(target)?;
        self.check_no_doubt(&target.id)?;
        self.check_nothing_held(&target.id)?;
        if let Some(sale) = self.undone_sale_of(target) {
            return Err(sale_undone(sale));
        }
        let nothing_left = target.left == Some(Kopecks::ZERO);
        let holds = |entry: &ActiveReversal| entry.undoes(&target.id) && entry.is_in_doubt();
        if target.undo == Some(Undo::SetAside) && (!nothing_left || self.iter().any(holds)) {
            // A person asks once more for what was refused, unless nothing is left to bring back.
            return Ok(());
        }
        // A refund that failed has something left only when it was made after all.
        let is_late_refund = target.kind == Kind::Refund && target.left.is_some();
        if target.state != State::Done && !is_late_refund {
            return Err(without_money(&target.id));
        }
        if target.left.unwrap_or(Kopecks::ZERO) == Kopecks::ZERO {
            return Err(self.already_undone(target, context));
        }
        Ok(())
    }

    /// A refund of which people do not know yet how it went is cancelled only afterwards: they may have paid the
    /// buyer otherwise, or he may have it twice.
    fn check_reviewed(&self, target: &Operation) -> Result<(), Problem> {
        match self.find(&target.id) {
            Some(entry) if entry.record.needs_review => Err(Code::Busy.problem(
                cashier::refund_to_review(&target.id),
                cashier::refund_to_review_remedy(&target.id),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The sale of a refund, when it is being undone as a whole or was: what was refunded then stays
    /// with the buyer.
    pub(in crate::core) fn undone_sale_of(&self, refund: &Operation) -> Option<&str> {
        let sale = self.target(refund.of.as_deref()?)?.operation();
        let undone = matches!(sale.undo, Some(Undo::Pending | Undo::Done));
        (refund.kind == Kind::Refund && undone).then_some(sale.id.as_str())
    }

    /// A reversal whose fate is unknown bars another one of the same target, also when it waits for a person.
    pub(in crate::core) fn check_no_doubt(&self, id: &str) -> Result<(), Problem> {
        let in_doubt = || self.iter().filter(|entry| entry.is_in_doubt());
        let of_its_refund = |entry: &&ActiveReversal| {
            let refund = entry.record.operation.of.as_deref();
            let refund = refund.and_then(|refund| self.target(refund));
            refund.is_some_and(|refund| refund.operation().of.as_deref() == Some(id))
        };
        if let Some(entry) = in_doubt().find(of_its_refund) {
            return Err(undecided(cashier::cancel_refund_undecided, entry));
        }
        let of_it = |entry: &&ActiveReversal| entry.reverses(id) && entry.record.is_refund();
        match in_doubt().find(of_it) {
            Some(entry) => Err(undecided(cashier::refund_undecided, entry)),
            None => Ok(()),
        }
    }

    /// A refund that was not found may have reached the buyer all the same: until it was asked for last,
    /// nobody knows how much is left to cancel.
    pub(in crate::core) fn check_nothing_held(&self, id: &str) -> Result<(), Problem> {
        let holds =
            |entry: &&ActiveReversal| entry.record.left_held_until.is_some() && entry.reverses(id);
        match self.iter().find(holds) {
            Some(entry) => Err(Code::Busy.problem(
                cashier::refund_held(&entry.record.operation.id),
                if entry.is_overdue {
                    cashier::REFUND_HELD_OVERDUE_REMEDY
                } else {
                    cashier::REFUND_HELD_REMEDY
                },
            )),
            None => Ok(()),
        }
    }

    /// The same sum once more, while nobody knows whether it has reached the buyer, or when it has although it was
    /// reported to the till as failed: most likely the cashier repeats it, and the buyer would have it twice. Another
    /// sum is another refund.
    fn check_no_repetition(
        &self,
        refund: &RefundRequest,
        sale: &str,
        context: &JournalContext,
    ) -> Result<(), Problem> {
        let here = self.iter().filter(|entry| entry.reverses(sale));
        let here = here.map(|entry| &entry.record);
        // What was found late is watched no more: the journal alone knows it.
        let found_late = context
            .reversals
            .iter()
            .filter(|entry| was_found_late(entry));
        let mut earlier = here.chain(found_late);
        match earlier.find(|earlier| is_repeated(earlier, refund)) {
            Some(earlier) => Err(repetition(earlier)),
            None => Ok(()),
        }
    }

    fn already_undone(&self, target: &Operation, context: &JournalContext) -> Problem {
        let live = self.iter().filter(|entry| entry.undoes(&target.id));
        let live = live.map(|entry| &entry.record);
        let journalled = context.reversals.iter().rev();
        let made = journalled.filter(|reversal| may_be_gone(reversal));
        // The undoing of the whole comes before refunds of parts, and what is under way before both.
        let by = live
            .chain(made)
            .min_by_key(|reversal| (reversal.is_refund(), !reversal.is_live()));
        Problem::already_undone(
            &target.id,
            by.map(|reversal| reversal.operation.id.as_str()),
        )
    }
}

/// Whether the service's payment, which the journal lacks, may be refunded.
pub(in crate::core) fn check_payment(
    admitted: &AdmittedRequest,
    known: Option<&PaymentInfo>,
) -> Result<(), Problem> {
    let (OperationRequest::Refund(refund), Some(info)) = (&admitted.requested, known) else {
        return Ok(());
    };
    if info.payment_type != PaymentType::Sale || info.status != PaymentStatus::Ok {
        return Err(Problem::unprocessable(
            cashier::not_a_paid_sale(info.payment_id),
            cashier::NO_PAYMENT_REMEDY,
        ));
    }
    let reversals = &admitted.context.reversals;
    if let Some(repeated) = reversals.iter().find(|entry| is_repeated(entry, refund)) {
        return Err(repetition(repeated));
    }
    let gone = reversals
        .iter()
        .filter(|entry| may_be_gone(entry))
        .flat_map(|entry| std::iter::repeat_n(entry, 1 + entry.copies.len()))
        .try_fold(Kopecks::ZERO, |sum, entry| {
            sum.checked_add(entry.operation.amount)
        });
    let left = gone.map_or(Kopecks::ZERO, |gone| info.sum.saturating_sub(gone));
    if refund.amount > left {
        return Err(more_than_left(refund.amount, left));
    }
    Ok(())
}

/// Whether a refund asks once more for what may have been given already.
fn is_repeated(earlier: &ReversalRecord, refund: &RefundRequest) -> bool {
    let may_be_given = earlier.left_held_until.is_some() || was_found_late(earlier);
    may_be_given && earlier.operation.amount == refund.amount
}

/// Whether the buyer has a refund that was reported to the till as failed. Of what a person has closed, his word
/// counts.
fn was_found_late(refund: &ReversalRecord) -> bool {
    refund.is_refund()
        && refund.operation.state == State::Failed
        && matches!(refund.reversal, ReversalProgress::Known(_))
        && refund.settled.is_none()
}

/// Whether the buyer has the money of a reversal, or may have it: `left` counts every reversal that was not
/// definitely denied.
fn may_be_gone(refund: &ReversalRecord) -> bool {
    match refund.operation.state {
        State::Done => refund.operation.undo != Some(Undo::Done),
        State::Failed => {
            refund.operation.undo != Some(Undo::Done)
                && (refund.left_held_until.is_some()
                    || refund.outcome == Some(Outcome::CarriedOut)
                    || matches!(refund.reversal, ReversalProgress::Known(_))
                        && refund.outcome != Some(Outcome::NotCarriedOut))
        }
        State::Cancelled => false,
        State::New
        | State::InProgress
        | State::AwaitingScan
        | State::AwaitingBuyer
        | State::AwaitingConfirmation
        | State::InDoubt
        | State::Queued
        | State::Declined
        | State::NotEnoughMoney
        | State::Expired => true,
    }
}

/// Takes `amount` from what is left; what does not apply stays so.
pub(in crate::core) fn take_from_left(operation: &mut Operation, amount: Kopecks) {
    if let Some(left) = operation.left {
        // What was found late may take more than is left while another refund holds its part.
        let beyond = amount.saturating_sub(left);
        operation.overdrawn = operation.overdrawn.saturating_add(beyond);
        operation.left = Some(left.saturating_sub(amount));
    }
}

/// The same of a reversal that was not made. A refund gives nothing back to a sale that has been undone as a
/// whole meanwhile: a cancellation that turned out late to be carried out had taken that part, too, which counts as
/// overdrawn until then.
pub(in crate::core) fn give_back_unless_undone(
    operation: &mut Operation,
    amount: Kopecks,
    is_refund: bool,
) {
    if is_refund && operation.undo == Some(Undo::Done) {
        operation.overdrawn = operation.overdrawn.saturating_sub(amount);
    } else {
        give_back_to_left(operation, amount);
    }
}

/// Counts a cancellation that a person calls carried out. What another one has brought back already is the same money
/// and counts once. `is_taken`: its amount has been taken since it was asked for. Answers what it has brought back.
pub(in crate::core) fn count_cancellation(
    operation: &mut Operation,
    amount: Kopecks,
    is_taken: bool,
) -> Kopecks {
    if is_taken {
        let twice = operation.overdrawn.min(amount);
        operation.overdrawn = operation.overdrawn.saturating_sub(twice);
        return amount.saturating_sub(twice);
    }
    let amount = operation.left.map_or(amount, |left| left.min(amount));
    take_from_left(operation, amount);
    amount
}

/// What `undo` shows when a cancellation has ended without effect. "No end ever leaves `undo: null` where something was
/// owed": a sale that ended as not paid keeps the word until it is cancelled. And what another cancellation has undone
/// stays so; nothing but a cancellation takes from a refund.
pub(in crate::core) fn undo_without(target: &Operation, is_cancelled_late: bool) -> Option<Undo> {
    let is_known = target.undo == Some(Undo::Done) || is_cancelled_late;
    let is_undone = match target.left {
        Some(left) => left.is_zero() && (is_known || target.kind == Kind::Refund),
        None => is_known,
    };
    if is_undone {
        return Some(Undo::Done);
    }
    // A refund that ended as failed and was made after all owes nothing: nobody but the till wants it cancelled.
    let is_owed = target.kind == Kind::Sale && target.state != State::Done;
    is_owed.then_some(Undo::SetAside)
}

/// Gives `amount` back to what is left, at most all of it.
pub(in crate::core) fn give_back_to_left(operation: &mut Operation, amount: Kopecks) {
    if let Some(left) = operation.left {
        let paid = operation.overdrawn.min(amount);
        operation.overdrawn = operation.overdrawn.saturating_sub(paid);
        let amount = amount.saturating_sub(paid);
        let grown = left.checked_add(amount).unwrap_or(operation.amount);
        let grown = grown.min(operation.amount);
        operation.left = Some(grown);
        // What is undone has nothing left: the rest can be refunded or cancelled again.
        if grown > Kopecks::ZERO && operation.undo == Some(Undo::Done) {
            operation.undo = None;
        }
    }
}

pub(in crate::core) fn sale_undone(id: &str) -> Problem {
    Code::AlreadyUndone.problem(cashier::sale_undone(id), cashier::CHECK_OPERATIONS_REMEDY)
}

fn repetition(earlier: &ReversalRecord) -> Problem {
    let id = &earlier.operation.id;
    if was_found_late(earlier) {
        return Code::Conflict.problem(
            cashier::refund_repeated_late(id),
            cashier::REFUND_REPEATED_LATE_REMEDY,
        );
    }
    Code::Busy.problem(
        cashier::refund_repeated(id),
        cashier::REFUND_REPEATED_REMEDY,
    )
}

/// Another reversal stands in the way; `detail` makes the message from its id.
fn undecided<'e>(detail: impl FnOnce(&'e str) -> String, entry: &'e ActiveReversal) -> Problem {
    let remedy = if entry.record.set_aside {
        cashier::UNDECIDED_REMEDY
    } else {
        cashier::AWAIT_REMEDY
    };
    Code::Busy.problem(detail(&entry.record.operation.id), remedy)
}

fn unfinished(id: &str) -> Problem {
    Code::Busy.problem(cashier::unfinished(id), cashier::AWAIT_END_REMEDY)
}

fn without_money(id: &str) -> Problem {
    Problem::unprocessable(cashier::without_money(id), cashier::CHECK_OPERATIONS_REMEDY)
}

fn more_than_left(amount: Kopecks, left: Kopecks) -> Problem {
    Code::MoreThanLeft.problem(
        cashier::more_than_left(amount, left),
        cashier::MORE_THAN_LEFT_REMEDY,
    )
}
