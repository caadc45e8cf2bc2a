//! What people begin and bring to its end: each tale leads one kind of operation to one of its ends, if the
//! service, the line and the machine let it.

use std::time::Duration;

use oplati::core::call::PaymentStatus;
use oplati::core::event::Event;
use oplati::core::record::{Record, ReversalRequest};
use oplati::model::operation::{Kind, State, Undo};

use crate::plan::{Endpoint, RequestFate};
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
    /// The money goes back in the merchant's account, and the entry is closed as carried out.
    ByHand,
    /// Nothing was done, and the entry is closed as not carried out.
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
    /// The reversal is refused in that way, and the buyer pays.
    AbortedAndRefused(RequestFate),
    /// The first session with the buyer cannot be opened.
    NoSession(RequestFate),
    NoScene,
    /// `POST payments` fares so, and what may be there is looked for.
    PayFares(RequestFate),
    /// Its answer is lost, and no report comes until the cashier has gone; the buyer decides meanwhile.
    Released(PaymentStatus),
    /// It is carried out long after its answer was lost, or after it was refused.
    PaidLate(bool),
    /// As released, and what brings it back is refused.
    ReleasedAndSetAside(Remedy),
    /// The service answers 5 and later 1.
    PaidAfterAll,
    Card,
    CardNobodyComes,
    CardAborted,
    CardFails(RequestFate),
    CardNoScene,
    /// A part, then the rest.
    Refunded,
    RefundedElsewhere,
    RefundAborted,
    RefundFares(RequestFate),
    /// It is carried out long after its answer was lost.
    RefundLate,
    /// No report comes for more than an hour, after such a fate.
    RefundSetAside(RequestFate, Remedy),
    Cancelled(Undoing),
    /// A refund, its cancellation, and a refund again.
    RefundedAnew,
    /// Of a sale whose refused cancellation turns out to be carried out before the refund leaves.
    RefundOfUndone,
    CancelAborted(Undoing),
    CancelFares(Undoing, RequestFate),
    CancelSetAside(Undoing, Remedy),
    /// As set aside, and closed by a person as not carried out before a copy of the request is carried out.
    CancelClosedTooEarly(Undoing),
}

/// Drawn from; what needs luck stands more than once.
pub const TALES: &[Tale] = &[
    Tale::Unpaid(PaymentStatus::Decline),
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
    Tale::AbortedAndRefused(RequestFate::Refused),
    Tale::AbortedAndRefused(RequestFate::Refused),
    Tale::NoSession(RequestFate::NotSent),
    Tale::CancelSetAside(Undoing::CancelRefund, Remedy::Again),
    Tale::NoSession(RequestFate::Refused),
    Tale::NoSession(RequestFate::TokenNeeded),
    Tale::NoSession(RequestFate::TokenExists),
    Tale::NoSession(RequestFate::Garbage),
    Tale::NoSession(RequestFate::Garbage),
    Tale::NoScene,
    Tale::NoScene,
    Tale::PayFares(RequestFate::AnswerLost),
    Tale::PayFares(RequestFate::RequestLost),
    Tale::PayFares(RequestFate::Refused),
    Tale::PayFares(RequestFate::TokenNeeded),
    Tale::PayFares(RequestFate::PaidTwice),
    Tale::PayFares(RequestFate::DoneTwice),
    Tale::Released(PaymentStatus::Ok),
    Tale::Released(PaymentStatus::Decline),
    Tale::PaidLate(true),
    Tale::PaidLate(false),
    Tale::ReleasedAndSetAside(Remedy::Retry),
    Tale::ReleasedAndSetAside(Remedy::Again),
    Tale::ReleasedAndSetAside(Remedy::Again),
    Tale::ReleasedAndSetAside(Remedy::ByHand),
    Tale::ReleasedAndSetAside(Remedy::ByHand),
    Tale::ReleasedAndSetAside(Remedy::Leave),
    Tale::PaidAfterAll,
    Tale::Card,
    Tale::Card,
    Tale::Card,
    Tale::CardNobodyComes,
    Tale::CardAborted,
    Tale::CardFails(RequestFate::NotSent),
    Tale::CardFails(RequestFate::Refused),
    Tale::CardFails(RequestFate::Refused),
    Tale::CardFails(RequestFate::TokenNeeded),
    Tale::CardFails(RequestFate::TokenExists),
    Tale::CardFails(RequestFate::Garbage),
    Tale::CardFails(RequestFate::Garbage),
    Tale::CardNoScene,
    Tale::CardNoScene,
    Tale::Refunded,
    Tale::RefundedElsewhere,
    Tale::RefundAborted,
    Tale::RefundFares(RequestFate::NotSent),
    Tale::RefundFares(RequestFate::RequestLost),
    Tale::RefundFares(RequestFate::Refused),
    Tale::RefundFares(RequestFate::TokenNeeded),
    Tale::RefundFares(RequestFate::TokenExists),
    Tale::RefundFares(RequestFate::DoneTwice),
    Tale::RefundFares(RequestFate::DoneTwice),
    Tale::RefundLate,
    Tale::RefundSetAside(RequestFate::RequestLost, Remedy::Leave),
    Tale::RefundSetAside(RequestFate::AnswerLost, Remedy::Leave),
    Tale::RefundSetAside(RequestFate::AnswerLost, Remedy::Retry),
    Tale::Cancelled(Undoing::Annul),
    Tale::RefundedAnew,
    Tale::CancelAborted(Undoing::Cancel),
    Tale::CancelAborted(Undoing::Annul),
    Tale::CancelAborted(Undoing::CancelRefund),
    Tale::CancelFares(Undoing::Cancel, RequestFate::TokenNeeded),
    Tale::CancelFares(Undoing::Annul, RequestFate::TokenNeeded),
    Tale::CancelFares(Undoing::CancelRefund, RequestFate::TokenNeeded),
    Tale::CancelFares(Undoing::Cancel, RequestFate::TokenExists),
    Tale::CancelFares(Undoing::Annul, RequestFate::TokenExists),
    Tale::CancelFares(Undoing::CancelRefund, RequestFate::TokenExists),
    Tale::CancelFares(Undoing::Cancel, RequestFate::AnswerLost),
    Tale::CancelFares(Undoing::Annul, RequestFate::RequestLost),
    Tale::CancelFares(Undoing::CancelRefund, RequestFate::AnswerLost),
    Tale::CancelSetAside(Undoing::Cancel, Remedy::Nothing),
    Tale::CancelSetAside(Undoing::Annul, Remedy::Retry),
    Tale::CancelSetAside(Undoing::CancelRefund, Remedy::Retry),
    Tale::CancelSetAside(Undoing::Cancel, Remedy::Again),
    Tale::CancelSetAside(Undoing::Annul, Remedy::Again),
    Tale::CancelSetAside(Undoing::Annul, Remedy::Again),
    Tale::CancelSetAside(Undoing::CancelRefund, Remedy::Again),
    Tale::CancelSetAside(Undoing::Cancel, Remedy::ByHand),
    Tale::CancelSetAside(Undoing::Annul, Remedy::ByHand),
    Tale::CancelSetAside(Undoing::Annul, Remedy::ByHand),
    Tale::CancelSetAside(Undoing::CancelRefund, Remedy::ByHand),
    Tale::CancelSetAside(Undoing::CancelRefund, Remedy::ByHand),
    Tale::CancelSetAside(Undoing::Cancel, Remedy::Leave),
    Tale::CancelSetAside(Undoing::Annul, Remedy::Leave),
    Tale::CancelSetAside(Undoing::CancelRefund, Remedy::Leave),
];

pub(crate) const MOMENT: Duration = Duration::from_secs(1);
const HOUR_S: u64 = 3600;
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// What a refund gives back.
pub(crate) const PART: i64 = 40;

impl World<'_> {
    pub(crate) fn tale(&mut self, tale: Tale) -> Check {
        if !self.make_ready()? {
            return Ok(());
        }
        match tale {
            Tale::Card => {
                let id = self.begin_card()?;
                self.invite(&id)?;
                self.await_end(&id)
            }
            Tale::CardNobodyComes => self.nobody_comes(Kind::Card),
            Tale::CardAborted => self.abort_early(Kind::Card),
            Tale::CardFails(fate) => self.no_session(Kind::Card, fate),
            Tale::CardNoScene => self.no_scene(Kind::Card),
            Tale::Cancelled(undoing) => self.cancel_and(undoing, |world, id| world.await_end(&id)),
            Tale::CancelAborted(undoing) => {
                self.cancel_and(undoing, |world, id| world.abort_acknowledged(&id))
            }
            Tale::CancelFares(undoing, fate) => {
                self.cancel_ill(undoing, fate, 1, |world, id| world.await_end(&id))
            }
            Tale::CancelSetAside(undoing, remedy) => {
                self.cancel_ill(undoing, RequestFate::Refused, 4, |world, id| {
                    world.live_until(MINUTE, |world| world.is_set_aside(&id))?;
                    world.end_troubles();
                    world.remedy(&id, remedy)
                })
            }
            Tale::CancelClosedTooEarly(undoing) => self.cancel_closed_too_early(undoing),
            other => self.tale_of_sale(other),
        }
    }

    fn tale_of_sale(&mut self, tale: Tale) -> Check {
        match tale {
            Tale::Paid => self.sell().map(drop),
            Tale::Unpaid(status) => self.sale_until_payment()?.map_or(Ok(()), |id| {
                self.buyer_decides(status)?;
                self.await_end(&id)
            }),
            Tale::NobodyComes => self.nobody_comes(Kind::Sale),
            Tale::NobodyConfirms => self.sale_until_payment()?.map_or(Ok(()), |id| {
                let wait = self.settings.wait_buyer + self.settings.timeout;
                self.live_until(wait, |world| world.is_final(&id))
            }),
            Tale::AbortedBefore => self.abort_early(Kind::Sale),
            Tale::AbortedAfter => self.sale_until_payment()?.map_or(Ok(()), |id| {
                self.abort(&id)?;
                self.await_end(&id)
            }),
            Tale::AbortedTooLate => self.aborted_too_late(),
            Tale::AbortedAndRefused(fate) => self.aborted_and_refused(fate),
            Tale::NoSession(fate) => self.no_session(Kind::Sale, fate),
            Tale::NoScene => self.no_scene(Kind::Sale),
            Tale::PayFares(fate) => {
                self.trouble(Endpoint::Pay, fate, MINUTE, 1);
                self.sell().map(drop)
            }
            Tale::Released(status) => self.released(status).map(drop),
            Tale::PaidLate(is_lost) => self.paid_late(is_lost),
            Tale::ReleasedAndSetAside(remedy) => self.released_and_set_aside(remedy),
            Tale::PaidAfterAll => self.paid_after_all(),
            other => self.tale_of_refund(other),
        }
    }

    fn tale_of_refund(&mut self, tale: Tale) -> Check {
        match tale {
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
            Tale::RefundOfUndone => self.refund_of_undone(),
            other => unreachable!("{other:?} has been played before"),
        }
    }

    fn cancel_closed_too_early(&mut self, undoing: Undoing) -> Check {
        let late = 90 + self.random.below(600);
        let fate = RequestFate::LateCopy(late);
        self.cancel_ill(undoing, fate, 1, |world, id| {
            world.live_until(MINUTE, |world| world.is_set_aside(&id))?;
            world.end_troubles();
            // Where no report ever shows the copy, nothing could show it afterwards.
            if world.is_set_aside(&id) && !world.is_blind_for_ever() {
                world.counts.note("closed before its copy is carried out");
                world.settle_at_once(&id)?;
                world.advance(Duration::from_secs(late))?;
            }
            Ok(())
        })
    }

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
        self.trouble(Endpoint::Reverse, RequestFate::NotSent, MINUTE, 1);
        self.abort(&id)?;
        self.advance(Duration::ZERO)?;
        self.buyer_decides(PaymentStatus::Ok)?;
        self.await_end(&id)
    }

    fn aborted_and_refused(&mut self, fate: RequestFate) -> Check {
        let Some(id) = self.sale_until_payment()? else {
            return Ok(());
        };
        self.trouble(Endpoint::Reverse, fate, MINUTE, u64::MAX);
        self.abort(&id)?;
        self.buyer_decides(PaymentStatus::Ok)?;
        self.await_end(&id)
    }

    fn no_session(&mut self, kind: Kind, fate: RequestFate) -> Check {
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

    /// The sale that ended as failed while its payment may be there.
    fn released(&mut self, status: PaymentStatus) -> Result<Option<String>, String> {
        self.trouble(Endpoint::Pay, RequestFate::AnswerLost, MINUTE, 1);
        self.trouble(Endpoint::Report, RequestFate::Error, MINUTE, u64::MAX);
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
            RequestFate::Late(late)
        } else {
            RequestFate::LateCopy(late)
        };
        self.trouble(Endpoint::Pay, fate, MINUTE, 1);
        let id = self.begin_sale()?;
        self.invite(&id)?;
        self.advance(Duration::from_secs(late + 1))?;
        self.buyer_decides(PaymentStatus::Ok)?;
        self.advance(Duration::from_secs(900))
    }

    fn released_and_set_aside(&mut self, remedy: Remedy) -> Check {
        self.trouble(Endpoint::Pay, RequestFate::AnswerLost, MINUTE, 1);
        self.trouble(Endpoint::Report, RequestFate::Error, MINUTE / 2, u64::MAX);
        self.trouble(
            Endpoint::Reverse,
            RequestFate::Refused,
            10 * MINUTE,
            u64::MAX,
        );
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
                if entry.request == ReversalRequest::Own
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
            self.advance(MINUTE)?;
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

    fn refund_of_undone(&mut self) -> Check {
        self.with_paid_sale(|world, sale| {
            world.trouble(Endpoint::Reverse, RequestFate::LateCopy(30), MINUTE, 1);
            let cancellation = world.cancel(&sale, false)?;
            world.live_until(MINUTE, |world| world.is_set_aside(&cancellation))?;
            world.end_troubles();
            if world.is_set_aside(&cancellation) {
                world.refund(&sale, PART)?;
                // It is journalled, and leaves no more before the power fails. When it is back, it is time to ask
                // for the refused reversal again.
                world.crash(11 * 60)?;
                world.advance(10 * MINUTE)?;
            }
            Ok(())
        })
    }

    fn refund_late(&mut self) -> Check {
        self.with_paid_sale(|world, sale| {
            let settle = world.settings.settle.as_secs();
            let fate = RequestFate::Late(settle + 60 + world.random.below(60));
            world.trouble(Endpoint::Reverse, fate, MINUTE, 1);
            let id = world.refund(&sale, PART)?;
            world.live_until(world.settings.settle + MINUTE, |world| world.is_final(&id))?;
            world.advance(Duration::from_secs(900))
        })
    }

    fn refund_set_aside(&mut self, fate: RequestFate, remedy: Remedy) -> Check {
        self.with_paid_sale(|world, sale| {
            world.trouble(Endpoint::Reverse, fate, MINUTE, 1);
            world.trouble(
                Endpoint::Report,
                RequestFate::Refused,
                90 * MINUTE,
                u64::MAX,
            );
            let id = world.refund(&sale, PART)?;
            // Mostly the till sleeps through the hour: it counts by the civil clock as well.
            if !world.random.one_in(4) {
                world.advance(MINUTE / 4)?;
                world.suspend(HOUR_S)?;
            }
            world.live_until(70 * MINUTE, |world| {
                world.is_set_aside(&id) || world.is_final(&id)
            })?;
            world.end_troubles();
            world.remedy(&id, remedy)
        })
    }
}
