//! What people begin and bring to its end: each tale leads one kind of operation to one of its ends, if the
//! service, the line and the machine let it.

use std::time::Duration;

use oplati::core::event::Event;
use oplati::core::record::{EntryRequest, Record};
use oplati::money::Kopecks;
use oplati::operation::{Kind, Operation, State, Undo};
use oplati::service::call::PaymentStatus;

use crate::plan::{Endpoint, Fate};
use crate::world::{Check, World};

/// What is cancelled, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undoing {
    Cancel,
    Annul,
    CancelRefund,
}

/// What a person does about an entry that is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    Nothing,
    Retry,
    /// It is asked for anew.
    Again,
    /// The money goes back in the merchant's account, and that is said.
    ByHand,
    /// Nothing was done, and that is said.
    Leave,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tale {
    /// The buyer comes, joins and pays.
    Paid,
    /// He decides otherwise, or the service does.
    Unpaid(PaymentStatus),
    NobodyComes,
    NobodyConfirms,
    AbortedBefore,
    AbortedAfter,
    /// The reversal does not leave at once, and the buyer pays.
    AbortedTooLate,
    /// The reversal is refused, and the buyer pays.
    AbortedAndRefused,
    /// The first session with the buyer cannot be opened.
    NoSession(Fate),
    NoScene,
    /// `POST payments` fares so, and what may be there is looked for.
    PayFares(Fate),
    /// Its answer is lost, and no report comes until the cashier has gone; the buyer decides meanwhile.
    Released(PaymentStatus),
    /// It is carried out long after its answer was lost, or after it was refused.
    PaidLate(bool),
    /// As released, and what brings it back is refused.
    ReleasedAndSetAside(Remedy),
    /// The service says 5 and later 1.
    PaidAfterAll,
    Card,
    CardNobodyComes,
    CardAborted,
    CardFails(Fate),
    CardNoScene,
    /// A part, then the rest.
    Refunded,
    RefundedElsewhere,
    RefundAborted,
    RefundFares(Fate),
    /// It is carried out long after its answer was lost.
    RefundLate,
    /// No report comes for more than an hour, after such a fate.
    RefundSetAside(Fate, Remedy),
    Cancelled(Undoing),
    /// A refund, its cancellation, and a refund again.
    RefundedAnew,
    CancelAborted(Undoing),
    CancelFares(Undoing, Fate),
    CancelSetAside(Undoing, Remedy),
}

/// Drawn from; what needs luck stands more than once.
pub const TALES: &[Tale] = &[
    Tale::Unpaid(PaymentStatus::Decline),
    Tale::Unpaid(PaymentStatus::NotEnough),
    Tale::Unpaid(PaymentStatus::NotEnough),
    Tale::Unpaid(PaymentStatus::TechnicalCancelling),
    Tale::Unpaid(PaymentStatus::Timeout),
    Tale::NobodyComes,
    Tale::NobodyConfirms,
    Tale::NobodyConfirms,
    Tale::AbortedBefore,
    Tale::AbortedAfter,
    Tale::AbortedTooLate,
    Tale::AbortedTooLate,
    Tale::AbortedAndRefused,
    Tale::AbortedAndRefused,
    Tale::NoSession(Fate::NotSent),
    Tale::NoSession(Fate::NotSent),
    Tale::NoSession(Fate::Refused),
    Tale::NoSession(Fate::TokenNeeded),
    Tale::NoSession(Fate::TokenExists),
    Tale::NoSession(Fate::Garbage),
    Tale::NoSession(Fate::Garbage),
    Tale::NoScene,
    Tale::NoScene,
    Tale::PayFares(Fate::AnswerLost),
    Tale::PayFares(Fate::RequestLost),
    Tale::PayFares(Fate::Refused),
    Tale::PayFares(Fate::TokenNeeded),
    Tale::PayFares(Fate::PaidTwice),
    Tale::PayFares(Fate::PaidTwice),
    Tale::Released(PaymentStatus::Ok),
    Tale::Released(PaymentStatus::Decline),
    Tale::PaidLate(true),
    Tale::PaidLate(true),
    Tale::PaidLate(false),
    Tale::ReleasedAndSetAside(Remedy::Retry),
    Tale::ReleasedAndSetAside(Remedy::Again),
    Tale::ReleasedAndSetAside(Remedy::ByHand),
    Tale::ReleasedAndSetAside(Remedy::Leave),
    Tale::PaidAfterAll,
    Tale::Card,
    Tale::Card,
    Tale::CardNobodyComes,
    Tale::CardAborted,
    Tale::CardFails(Fate::NotSent),
    Tale::CardFails(Fate::Refused),
    Tale::CardFails(Fate::Refused),
    Tale::CardFails(Fate::TokenNeeded),
    Tale::CardFails(Fate::TokenNeeded),
    Tale::CardFails(Fate::TokenExists),
    Tale::CardFails(Fate::Garbage),
    Tale::CardFails(Fate::Garbage),
    Tale::CardNoScene,
    Tale::CardNoScene,
    Tale::Refunded,
    Tale::RefundedElsewhere,
    Tale::RefundAborted,
    Tale::RefundAborted,
    Tale::RefundFares(Fate::NotSent),
    Tale::RefundFares(Fate::RequestLost),
    Tale::RefundFares(Fate::AnswerLost),
    Tale::RefundFares(Fate::Refused),
    Tale::RefundFares(Fate::TokenNeeded),
    Tale::RefundFares(Fate::TokenExists),
    Tale::RefundLate,
    Tale::RefundLate,
    Tale::RefundSetAside(Fate::RequestLost, Remedy::Leave),
    Tale::RefundSetAside(Fate::AnswerLost, Remedy::Leave),
    Tale::RefundSetAside(Fate::AnswerLost, Remedy::Leave),
    Tale::RefundSetAside(Fate::AnswerLost, Remedy::Retry),
    Tale::Cancelled(Undoing::Cancel),
    Tale::Cancelled(Undoing::Annul),
    Tale::RefundedAnew,
    Tale::CancelAborted(Undoing::Cancel),
    Tale::CancelAborted(Undoing::Annul),
    Tale::CancelAborted(Undoing::CancelRefund),
    Tale::CancelFares(Undoing::Cancel, Fate::TokenNeeded),
    Tale::CancelFares(Undoing::Annul, Fate::TokenNeeded),
    Tale::CancelFares(Undoing::CancelRefund, Fate::TokenNeeded),
    Tale::CancelFares(Undoing::CancelRefund, Fate::TokenNeeded),
    Tale::CancelFares(Undoing::Cancel, Fate::TokenExists),
    Tale::CancelFares(Undoing::Annul, Fate::TokenExists),
    Tale::CancelFares(Undoing::Annul, Fate::TokenExists),
    Tale::CancelFares(Undoing::CancelRefund, Fate::TokenExists),
    Tale::CancelFares(Undoing::CancelRefund, Fate::TokenExists),
    Tale::CancelFares(Undoing::Cancel, Fate::AnswerLost),
    Tale::CancelFares(Undoing::Annul, Fate::RequestLost),
    Tale::CancelFares(Undoing::CancelRefund, Fate::AnswerLost),
    Tale::CancelSetAside(Undoing::Cancel, Remedy::Nothing),
    Tale::CancelSetAside(Undoing::Annul, Remedy::Retry),
    Tale::CancelSetAside(Undoing::CancelRefund, Remedy::Retry),
    Tale::CancelSetAside(Undoing::Cancel, Remedy::Again),
    Tale::CancelSetAside(Undoing::Annul, Remedy::Again),
    Tale::CancelSetAside(Undoing::CancelRefund, Remedy::Again),
    Tale::CancelSetAside(Undoing::Cancel, Remedy::ByHand),
    Tale::CancelSetAside(Undoing::Annul, Remedy::ByHand),
    Tale::CancelSetAside(Undoing::CancelRefund, Remedy::ByHand),
    Tale::CancelSetAside(Undoing::CancelRefund, Remedy::ByHand),
    Tale::CancelSetAside(Undoing::Cancel, Remedy::Leave),
    Tale::CancelSetAside(Undoing::Annul, Remedy::Leave),
    Tale::CancelSetAside(Undoing::CancelRefund, Remedy::Leave),
];

const MOMENT: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// What a refund gives back.
const PART: i64 = 40;
/// Nobody waits for a line that is down for longer than this.
const MAX_OUTAGE_WAIT: Duration = Duration::from_secs(3 * 3600);

impl World<'_> {
    pub(crate) fn tale(&mut self, tale: Tale) -> Check {
        if !self.make_ready()? {
            return Ok(());
        }
        match tale {
            Tale::Paid => self.sell().map(drop),
            Tale::Unpaid(status) => self.sale_until_payment()?.map_or(Ok(()), |id| {
                self.buyer_decides(status)?;
                self.await_end(&id)
            }),
            Tale::NobodyComes => self.nobody_comes(Kind::Sale),
            Tale::CardNobodyComes => self.nobody_comes(Kind::Card),
            Tale::NobodyConfirms => self.sale_until_payment()?.map_or(Ok(()), |id| {
                let wait = self.settings.wait_buyer + self.settings.timeout;
                self.live_until(wait, |world| world.is_final(&id))
            }),
            Tale::AbortedBefore => self.abort_early(Kind::Sale),
            Tale::CardAborted => self.abort_early(Kind::Card),
            Tale::AbortedAfter => self.sale_until_payment()?.map_or(Ok(()), |id| {
                self.abort(&id)?;
                self.await_end(&id)
            }),
            Tale::AbortedTooLate => self.aborted_too_late(),
            Tale::AbortedAndRefused => self.aborted_and_refused(),
            Tale::NoSession(fate) => self.no_session(Kind::Sale, fate),
            Tale::CardFails(fate) => self.no_session(Kind::Card, fate),
            Tale::NoScene => self.no_scene(Kind::Sale),
            Tale::CardNoScene => self.no_scene(Kind::Card),
            Tale::PayFares(fate) => {
                self.trouble(Endpoint::Pay, fate, MINUTE, 1);
                self.sell().map(drop)
            }
            Tale::Released(status) => self.released(status).map(drop),
            Tale::PaidLate(is_lost) => self.paid_late(is_lost),
            Tale::ReleasedAndSetAside(remedy) => self.released_and_set_aside(remedy),
            Tale::PaidAfterAll => self.paid_after_all(),
            Tale::Card => {
                let id = self.begin_card()?;
                self.invite(&id)?;
                self.await_end(&id)
            }
            Tale::Refunded => self.refunded(),
            Tale::RefundedElsewhere => {
                let id = self.refund_payment(1, PART)?;
                self.await_end(&id)
            }
            Tale::RefundAborted => self.with_paid_sale(|world, sale| {
                let id = world.refund(&sale, PART)?;
                world.abort_acknowledged(&id)
            }),
            Tale::RefundFares(fate) => self.with_paid_sale(|world, sale| {
                world.trouble(Endpoint::Reverse, fate, MINUTE, 1);
                let id = world.refund(&sale, PART)?;
                world.await_end(&id)
            }),
            Tale::RefundLate => self.refund_late(),
            Tale::RefundSetAside(fate, remedy) => self.refund_set_aside(fate, remedy),
            Tale::RefundedAnew => self.refunded_anew(),
            Tale::Cancelled(undoing) => self.cancel_and(undoing, |world, id| world.await_end(&id)),
            Tale::CancelAborted(undoing) => {
                self.cancel_and(undoing, |world, id| world.abort_acknowledged(&id))
            }
            Tale::CancelFares(undoing, fate) => {
                self.cancel_ill(undoing, fate, 1, |world, id| world.await_end(&id))
            }
            Tale::CancelSetAside(undoing, remedy) => {
                self.cancel_ill(undoing, Fate::Refused, 4, |world, id| {
                    world.live_until(MINUTE, |world| world.is_set_aside(&id))?;
                    world.end_troubles();
                    world.remedy(&id, remedy)
                })
            }
        }
    }

    // ---- how people go about it ------------------------------------------------------------------

    /// People wait until the line is there, stop what hangs, and let the queue have its time; whether
    /// anything can be begun.
    fn make_ready(&mut self) -> Result<bool, String> {
        self.end_troubles();
        if self.outage_until > self.now.mono + MAX_OUTAGE_WAIT {
            return Ok(false);
        }
        if self.outage_until > self.now.mono {
            self.pass(self.outage_until - self.now.mono + MOMENT)?;
        }
        let skew = self.now.wall.duration_since(self.true_wall());
        if skew.abs() > jiff::SignedDuration::from_mins(2) && self.random.one_in(2) {
            self.set_clock_right();
        }
        self.live_on(MOMENT)?;
        let is_buyers = |operation: &Operation| matches!(operation.kind, Kind::Sale | Kind::Card);
        let open = self.open_operation().filter(|id| {
            let record = self.records.get(id);
            record.is_some_and(|record| is_buyers(record.operation()))
        });
        if let Some(id) = open {
            self.abort(&id)?;
            self.await_end(&id)?;
        }
        self.live_until(MINUTE, |world| {
            world.core().status(world.now).queue_depth == 0
        })?;
        Ok(true)
    }

    /// What the tale made ill is well again.
    pub(crate) fn end_troubles(&mut self) {
        let broken = self.broken;
        let lasts = |endpoint, fate| broken == Some((endpoint, fate));
        self.troubles.retain(|one| lasts(one.endpoint, one.fate));
    }

    pub(crate) fn is_final(&self, id: &str) -> bool {
        self.state(id).is_none_or(State::is_final)
    }

    fn state(&self, id: &str) -> Option<State> {
        self.records.get(id).map(|record| record.operation().state)
    }

    fn is_done(&self, id: &str) -> bool {
        self.state(id) == Some(State::Done)
    }

    pub(crate) fn is_set_aside(&self, id: &str) -> bool {
        let record = self.records.get(id);
        record.is_some_and(|record| matches!(record, Record::Entry(entry) if entry.set_aside))
    }

    /// Lives on second by second until that is so, but not longer.
    pub(crate) fn live_until(
        &mut self,
        most: Duration,
        is_so: impl Fn(&World<'_>) -> bool,
    ) -> Check {
        let end = self.now.mono + most;
        self.live_on(Duration::ZERO)?;
        while !is_so(self) && self.now.mono < end {
            self.live_on(MOMENT)?;
        }
        Ok(())
    }

    fn await_end(&mut self, id: &str) -> Check {
        let id = id.to_owned();
        self.live_until(MINUTE, |world| world.is_final(&id))
    }

    /// The cashier shows what the display shows, the buyer joins.
    fn invite(&mut self, id: &str) -> Check {
        for _ in 0..20 {
            self.live_on(Duration::ZERO)?;
            match self.records.get(id) {
                Some(Record::Sale(sale)) if !sale.payment_sent => match sale.operation.state {
                    state if state.is_final() => return Ok(()),
                    State::AwaitingScan => self.scan()?,
                    State::AwaitingBuyer => self.service.join(),
                    _ => {}
                },
                Some(_) => return Ok(()),
                // It is admitted when the queue and a probe allow it.
                None => {}
            }
            self.live_on(MOMENT)?;
        }
        Ok(())
    }

    /// A sale whose payment the service has, if it comes so far.
    fn sale_until_payment(&mut self) -> Result<Option<String>, String> {
        let id = self.begin_sale()?;
        self.invite(&id)?;
        Ok((!self.is_final(&id)).then_some(id))
    }

    /// A fair sale; its id, if it is done.
    fn sell(&mut self) -> Result<Option<String>, String> {
        let Some(id) = self.sale_until_payment()? else {
            return Ok(None);
        };
        self.buyer_decides(PaymentStatus::Ok)?;
        self.await_end(&id)?;
        Ok(self.is_done(&id).then_some(id))
    }

    /// A sale that is paid and untouched: one that is there, or a new one.
    fn paid_sale(&mut self) -> Result<Option<String>, String> {
        let fresh = self.records.values().find(|record| {
            let operation = record.operation();
            operation.kind == Kind::Sale
                && operation.state == State::Done
                && operation.undo.is_none()
                && operation.left == Some(operation.amount)
                && Some(record.account()) == self.settings.account.as_ref()
                && !self
                    .settled_as
                    .keys()
                    .any(|id| self.is_entry_of(id, &operation.id))
        });
        match fresh.map(|record| record.operation().id.clone()) {
            Some(id) => Ok(Some(id)),
            None => self.sell(),
        }
    }

    pub(crate) fn is_entry_of(&self, entry: &str, of: &str) -> bool {
        let record = self.records.get(entry);
        record.is_some_and(|record| record.operation().of.as_deref() == Some(of))
    }

    fn with_paid_sale(&mut self, act: impl FnOnce(&mut Self, String) -> Check) -> Check {
        match self.paid_sale()? {
            Some(sale) => act(self, sale),
            None => Ok(()),
        }
    }

    /// A refund that is done, of a part of a paid sale.
    fn paid_refund(&mut self) -> Result<Option<String>, String> {
        let Some(sale) = self.paid_sale()? else {
            return Ok(None);
        };
        let id = self.refund(&sale, PART)?;
        self.await_end(&id)?;
        Ok(self.is_done(&id).then_some(id))
    }

    /// What can be cancelled in that way.
    fn target_of(&mut self, undoing: Undoing) -> Result<Option<String>, String> {
        match undoing {
            Undoing::Cancel | Undoing::Annul => self.paid_sale(),
            Undoing::CancelRefund => self.paid_refund(),
        }
    }

    fn cancel_and(
        &mut self,
        undoing: Undoing,
        act: impl FnOnce(&mut Self, String) -> Check,
    ) -> Check {
        let Some(target) = self.target_of(undoing)? else {
            return Ok(());
        };
        let id = self.cancel(&target, undoing == Undoing::Annul)?;
        act(self, id)
    }

    /// The same, with a reversal that fares so.
    fn cancel_ill(
        &mut self,
        undoing: Undoing,
        fate: Fate,
        times: u64,
        act: impl FnOnce(&mut Self, String) -> Check,
    ) -> Check {
        let Some(target) = self.target_of(undoing)? else {
            return Ok(());
        };
        self.trouble(Endpoint::Reverse, fate, MINUTE, times);
        let id = self.cancel(&target, undoing == Undoing::Annul)?;
        act(self, id)
    }

    fn abort_acknowledged(&mut self, id: &str) -> Check {
        if self.acked.contains(id) {
            self.abort(id)?;
        }
        self.await_end(id)
    }

    /// What a person does about an entry that is set aside.
    fn remedy(&mut self, id: &str, remedy: Remedy) -> Check {
        let Some(Record::Entry(entry)) = self.records.get(id) else {
            return Ok(());
        };
        if !entry.set_aside {
            return Ok(());
        }
        let (target, of) = (entry.target.payment_id, entry.operation.of.clone());
        let amount: Kopecks = entry.operation.amount;
        match remedy {
            Remedy::Nothing => Ok(()),
            Remedy::Retry => {
                self.retry(id)?;
                self.await_end(id)
            }
            Remedy::Again => {
                let Some(of) = of else { return Ok(()) };
                let again = self.cancel(&of, false)?;
                self.await_end(&again)
            }
            Remedy::ByHand => {
                if let Some(target) = target
                    && !self.moves_yet_of(id)
                    && self.service.reverse_by_hand(target, amount, self.real)
                {
                    self.counts
                        .note("money given back in the merchant's account");
                    self.settle(id)?;
                }
                Ok(())
            }
            Remedy::Leave => self.settle(id),
        }
    }

    // ---- the tales that take more than a line --------------------------------------------------------

    fn begin(&mut self, kind: Kind) -> Result<String, String> {
        if kind == Kind::Card {
            self.begin_card()
        } else {
            self.begin_sale()
        }
    }

    fn nobody_comes(&mut self, kind: Kind) -> Check {
        let id = self.begin(kind)?;
        let wait = self.settings.wait_buyer + Duration::from_secs(10);
        self.live_until(wait, |world| {
            world.acked.contains(&id) && world.is_final(&id)
        })
    }

    fn abort_early(&mut self, kind: Kind) -> Check {
        let id = self.begin(kind)?;
        self.live_until(6 * MOMENT, |world| world.acked.contains(&id))?;
        self.abort_acknowledged(&id)
    }

    fn aborted_too_late(&mut self) -> Check {
        let Some(id) = self.sale_until_payment()? else {
            return Ok(());
        };
        self.trouble(Endpoint::Reverse, Fate::NotSent, MINUTE, 1);
        self.abort(&id)?;
        self.live_on(Duration::ZERO)?;
        self.buyer_decides(PaymentStatus::Ok)?;
        self.await_end(&id)
    }

    fn aborted_and_refused(&mut self) -> Check {
        let Some(id) = self.sale_until_payment()? else {
            return Ok(());
        };
        self.trouble(Endpoint::Reverse, Fate::Refused, MINUTE, u64::MAX);
        self.abort(&id)?;
        self.buyer_decides(PaymentStatus::Ok)?;
        self.await_end(&id)
    }

    fn no_session(&mut self, kind: Kind, fate: Fate) -> Check {
        self.trouble(Endpoint::Session, fate, MINUTE, u64::MAX);
        let id = self.begin(kind)?;
        self.invite(&id)?;
        self.await_end(&id)
    }

    fn no_scene(&mut self, kind: Kind) -> Check {
        let id = self.begin(kind)?;
        self.live_until(8 * MOMENT, |world| {
            world.state(&id) == Some(State::AwaitingBuyer)
        })?;
        self.troubled = true;
        let reason = "too small".to_owned();
        self.event(Event::SceneRefused { reason })?;
        if !self.is_final(&id) {
            self.abort(&id)?;
        }
        self.await_end(&id)
    }

    /// The sale that was told failed while its payment may be there.
    fn released(&mut self, status: PaymentStatus) -> Result<Option<String>, String> {
        self.trouble(Endpoint::Pay, Fate::AnswerLost, MINUTE, 1);
        self.trouble(Endpoint::Report, Fate::Error, MINUTE, u64::MAX);
        let id = self.begin_sale()?;
        self.invite(&id)?;
        self.buyer_decides(status)?;
        self.live_until(MINUTE, |world| world.is_final(&id))?;
        self.end_troubles();
        self.live_until(2 * MINUTE, |world| !world.is_undone_later(&id))?;
        Ok(Some(id))
    }

    /// Whether its undoing is under way.
    fn is_undone_later(&self, id: &str) -> bool {
        let record = self.records.get(id);
        record.is_some_and(|record| record.operation().undo == Some(Undo::Pending))
    }

    /// The payment is made after everybody has stopped looking for it, and the buyer pays.
    fn paid_late(&mut self, is_lost: bool) -> Check {
        let settle = self.settings.settle.as_secs();
        let late = settle + 60 + self.random.below(60);
        let fate = if is_lost {
            Fate::Late(late)
        } else {
            Fate::LateCopy(late)
        };
        self.trouble(Endpoint::Pay, fate, MINUTE, 1);
        let id = self.begin_sale()?;
        self.invite(&id)?;
        self.live_on(Duration::from_secs(late + 1))?;
        self.buyer_decides(PaymentStatus::Ok)?;
        self.live_on(Duration::from_secs(900))
    }

    fn released_and_set_aside(&mut self, remedy: Remedy) -> Check {
        self.trouble(Endpoint::Pay, Fate::AnswerLost, MINUTE, 1);
        self.trouble(Endpoint::Report, Fate::Error, MINUTE / 2, u64::MAX);
        self.trouble(Endpoint::Reverse, Fate::Refused, 10 * MINUTE, u64::MAX);
        let id = self.begin_sale()?;
        self.invite(&id)?;
        self.buyer_decides(PaymentStatus::Ok)?;
        self.live_until(2 * MINUTE, |world| {
            world
                .own_undoing(&id)
                .is_some_and(|own| world.is_set_aside(&own))
        })?;
        self.end_troubles();
        match self.own_undoing(&id) {
            Some(own) => self.remedy(&own, remedy),
            None => Ok(()),
        }
    }

    fn own_undoing(&self, sale: &str) -> Option<String> {
        self.records.values().find_map(|record| match record {
            Record::Entry(entry)
                if entry.request == EntryRequest::Own
                    && entry.operation.of.as_deref() == Some(sale) =>
            {
                Some(entry.operation.id.clone())
            }
            Record::Entry(_) | Record::Sale(_) => None,
        })
    }

    fn paid_after_all(&mut self) -> Check {
        let Some(id) = self.sale_until_payment()? else {
            return Ok(());
        };
        self.buyer_decides(PaymentStatus::TechnicalCancelling)?;
        self.await_end(&id)?;
        if self.is_final(&id) && self.change_of_mind() {
            self.live_on(MINUTE)?;
            self.reconcile()?;
        }
        Ok(())
    }

    fn refunded(&mut self) -> Check {
        self.with_paid_sale(|world, sale| {
            let part = world.refund(&sale, PART)?;
            world.await_end(&part)?;
            let record = world.records.get(&sale);
            let left = record.and_then(|record| record.operation().left);
            let rest = left.map_or(0, |left| left.0);
            if rest > 0 {
                let rest = world.refund(&sale, rest)?;
                world.await_end(&rest)?;
            }
            Ok(())
        })
    }

    fn refunded_anew(&mut self) -> Check {
        let Some(refund) = self.paid_refund()? else {
            return Ok(());
        };
        let cancellation = self.cancel(&refund, false)?;
        self.await_end(&cancellation)?;
        let sale = self.records.get(&refund);
        let sale = sale.and_then(|record| record.operation().of.clone());
        let Some(sale) = sale.filter(|_| self.is_done(&cancellation)) else {
            return Ok(());
        };
        let anew = self.refund(&sale, PART)?;
        self.await_end(&anew)
    }

    fn refund_late(&mut self) -> Check {
        self.with_paid_sale(|world, sale| {
            let settle = world.settings.settle.as_secs();
            let fate = Fate::Late(settle + 60 + world.random.below(60));
            world.trouble(Endpoint::Reverse, fate, MINUTE, 1);
            let id = world.refund(&sale, PART)?;
            world.live_until(world.settings.settle + MINUTE, |world| world.is_final(&id))?;
            world.live_on(Duration::from_secs(900))
        })
    }

    fn refund_set_aside(&mut self, fate: Fate, remedy: Remedy) -> Check {
        self.with_paid_sale(|world, sale| {
            world.trouble(Endpoint::Reverse, fate, MINUTE, 1);
            world.trouble(Endpoint::Report, Fate::Refused, 90 * MINUTE, u64::MAX);
            let id = world.refund(&sale, PART)?;
            world.live_until(70 * MINUTE, |world| {
                world.is_set_aside(&id) || world.is_final(&id)
            })?;
            world.end_troubles();
            world.remedy(&id, remedy)
        })
    }
}
