//! A model of the payment service, as bad as one may be without breaking what money rests on: it
//! never moves more than was paid, and what it has carried out stays so.
//!
//! It has a clock of its own, which neither a jump of the till's clock nor the till's sleep moves.
//!
//! It serves two crates: the simulation, and the tests of the core inside the library, which take it in with
//! `#[path]` (`src/core/tests/mod.rs`). It lives with the simulation: an integration test cannot see what the library
//! compiles for its own tests alone, and most of the model's ways are the simulation's. So it calls the library
//! `oplati`, and names its own files by `self` and `super`.

pub mod bodies;
pub mod quirks;
mod reports;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use oplati::core::call::{
    Answer, Call, Failure, PaymentInfo, PaymentStatus, PaymentType, Reply, SessionMode,
};
use oplati::model::money::Kopecks;
use oplati::model::operation::{Card, Shows};

use self::quirks::{NEVER_S, Quirks};

/// Order numbers of another till begin so.
pub const ELSEWHERE: &str = "elsewhere-";
/// The shift of another till; only it knows its name.
const FOREIGN_SHIFT: &str = "elsewhere";
/// Order numbers of what a person does in the merchant's account begin so.
pub const BY_HAND: &str = "by-hand-";
/// So far a clock of its own may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// What the first session's QR or code shows.
const FIRST_SESSION: usize = 123_456;
/// A payment that nobody confirms ends by itself after this time.
const CONFIRM: Duration = Duration::from_secs(300);

/// What is entered into the ledger.
pub struct Line<'a> {
    pub payment_type: PaymentType,
    pub status: PaymentStatus,
    pub sum: Kopecks,
    pub order_number: &'a str,
    pub shift: &'a str,
    /// What it reverses.
    pub target: Option<i64>,
}

/// An operation in the ledger.
#[derive(Clone, Debug)]
pub struct Payment {
    pub info: PaymentInfo,
    pub target: Option<i64>,
    /// It was cancelled because we asked for it.
    pub cancelled_by_us: bool,
    pub shift: String,
    pub made_at: Duration,
}

/// A session with a buyer.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    pub opened_at: Duration,
    /// Stands in its QR or its code.
    number: usize,
    pub ready: bool,
    /// Its payment was made: it takes no second one.
    used: bool,
}

/// The service.
#[derive(Debug, Default)]
pub struct Service {
    pub quirks: Quirks,
    began: Timestamp,
    pub ledger: BTreeMap<i64, Payment>,
    pub sessions: BTreeMap<String, Session>,
    /// Requests that take effect after their connection was closed.
    pub late: Vec<(Duration, Call)>,
    /// Numbers of what was made by a second copy of one request.
    pub copies: BTreeSet<i64>,
    /// Nobody confirms any more what is pending.
    buyers_are_gone: bool,
}

fn refused(detail: &str) -> Answer {
    Err(Failure::Refused {
        message: None,
        detail: detail.into(),
    })
}

impl Service {
    pub fn of(quirks: Quirks, began: Timestamp) -> Service {
        Service {
            quirks,
            began,
            ..Service::default()
        }
    }

    pub fn wall(&self, mono: Duration) -> Timestamp {
        let since = SignedDuration::try_from(mono).unwrap_or_default();
        self.began.checked_add(since).unwrap_or(self.began)
    }

    /// The time that its answers state.
    pub fn date(&self, mono: Duration) -> Timestamp {
        let ahead = if self.quirks.own_day {
            AHEAD
        } else {
            SignedDuration::ZERO
        };
        let wall = self.wall(mono);
        wall.checked_add(ahead).unwrap_or(wall)
    }

    /// The effect of a request that arrived, and its answer.
    pub fn effect(&mut self, call: &Call, mono: Duration) -> Answer {
        match call {
            Call::OpenSession(mode) => Ok(self.open_session(mode, mono)),
            Call::ConsumerStatus { session } => self.consumer_status(session, mono),
            Call::Pay {
                session,
                order_number,
                sum,
                shift,
                ..
            } => self.pay(session, order_number, *sum, shift, mono),
            Call::Payment { payment_id } => match self.ledger.get(payment_id) {
                Some(payment) if self.quirks.reversal_unknown && payment.target.is_some() => {
                    refused("unknown payment")
                }
                Some(payment) => Ok(Reply::Payment(payment.info.clone())),
                None => refused("unknown payment"),
            },
            Call::Reverse {
                payment_id,
                order_number,
                sum,
                shift,
                ..
            } => self.reverse(*payment_id, order_number, *sum, shift, mono),
            Call::LookUp {
                shifts,
                order_numbers,
                witnesses,
            } => self.look_up(shifts, order_numbers, witnesses, mono),
            Call::Probe { .. } => Ok(Reply::Alive),
        }
    }

    fn open_session(&mut self, mode: &SessionMode, mono: Duration) -> Reply {
        let session = format!("s{}", self.sessions.len());
        let number = FIRST_SESSION + self.sessions.len();
        let opened = Session {
            opened_at: mono,
            number,
            ready: matches!(mode, SessionMode::ConsumerQr(_)),
            used: false,
        };
        self.sessions.insert(session.clone(), opened);
        let shows = match mode {
            SessionMode::ConsumerQr(_) => None,
            SessionMode::StaticQr => Some(Shows::Code(number.to_string())),
            SessionMode::DynamicQr => Some(Shows::Qr(format!("o-plati://o-cashpay/dyn/{number}"))),
        };
        Reply::Session { session, shows }
    }

    fn consumer_status(&self, session: &str, mono: Duration) -> Answer {
        let Some(session) = self.living(session, mono) else {
            return Err(Failure::SessionOver {
                detail: "166".into(),
            });
        };
        let ready = session.ready;
        // Every other buyer has a card.
        let card = (ready && session.number % 2 == 0).then(|| Card {
            number: "1".into(),
            name: "c".into(),
        });
        Ok(Reply::Consumer { ready, card })
    }

    fn pay(
        &mut self,
        session: &str,
        order_number: &str,
        sum: Kopecks,
        shift: &str,
        mono: Duration,
    ) -> Answer {
        if self.is_used(order_number) {
            return refused("used order number");
        }
        let session = self.sessions.get_mut(session);
        let was_used = session.is_some_and(|one| std::mem::replace(&mut one.used, true));
        if was_used && !self.quirks.takes_used_numbers {
            return refused("the session has its payment");
        }
        let line = Line {
            payment_type: PaymentType::Sale,
            status: PaymentStatus::InProgress,
            sum,
            order_number,
            shift,
            target: None,
        };
        Ok(Reply::Payment(self.enter(&line, mono)))
    }

    /// The session, if it has not ended.
    fn living(&self, session: &str, mono: Duration) -> Option<&Session> {
        let life = match self.quirks.session_life_s {
            0 => Duration::MAX,
            seconds => Duration::from_secs(seconds),
        };
        let session = self.sessions.get(session)?;
        (mono - session.opened_at < life).then_some(session)
    }

    /// Whether the buyer has decided about the payment of that number, or nobody knows one.
    pub fn is_decided(&self, order_number: &str) -> bool {
        let pending = |payment: &Payment| {
            payment.info.order_number == order_number
                && payment.target.is_none()
                && payment.info.status == PaymentStatus::InProgress
        };
        !self.ledger.values().any(pending)
    }

    /// Whether something under that number is pending that will be decided by itself.
    pub fn is_decided_later(&self, order_number: &str) -> bool {
        self.ledger.values().any(|row| {
            let waits = match row.target {
                Some(_) => self.quirks.slow_reversals_s != NEVER_S,
                None => !self.quirks.pending_for_ever || !self.buyers_are_gone,
            };
            row.info.order_number == *order_number
                && row.info.status == PaymentStatus::InProgress
                && waits
        })
    }

    /// The payment of that number as it stands.
    pub fn payment_of(&self, order_number: &str) -> Option<PaymentInfo> {
        let of = |payment: &&Payment| {
            payment.info.order_number == order_number && payment.target.is_none()
        };
        self.ledger
            .values()
            .find(of)
            .map(|payment| payment.info.clone())
    }

    fn is_used(&self, order_number: &str) -> bool {
        !self.quirks.takes_used_numbers
            && self
                .ledger
                .values()
                .any(|payment| payment.info.order_number == order_number)
    }

    /// Gives back what was paid, or cancels what is pending.
    pub fn reverse(
        &mut self,
        id: i64,
        order: &str,
        sum: Kopecks,
        shift: &str,
        at: Duration,
    ) -> Answer {
        if self.is_used(order) {
            return refused("used order number");
        }
        let (before, wall) = (self.reversing(id), self.wall(at));
        let quirks = self.quirks.clone();
        let Some(payment) = self.ledger.get_mut(&id) else {
            return refused("unknown payment");
        };
        if payment.info.status == PaymentStatus::InProgress && quirks.overtaken {
            payment.info.status = PaymentStatus::Ok;
            payment.info.paid = Some(wall);
        }
        if payment.info.status == PaymentStatus::InProgress && !quirks.refuses_pending {
            payment.info.status = PaymentStatus::TechnicalCancelling;
            payment.cancelled_by_us = true;
            return Ok(Reply::Payment(payment.info.clone()));
        }
        if payment.info.status != PaymentStatus::Ok {
            return refused("not reversible");
        }
        if before + sum.0 > payment.info.sum.0 {
            return refused("more than was paid");
        }
        let of_refund = payment.info.payment_type == PaymentType::ReversalOfSale;
        let own = payment.shift.clone();
        let files_with_sale = quirks.sale_shift && own != FOREIGN_SHIFT;
        let line = Line {
            payment_type: if of_refund {
                PaymentType::ReversalOfPurchase
            } else {
                PaymentType::ReversalOfSale
            },
            status: if of_refund && quirks.empty_purses {
                PaymentStatus::NotEnough
            } else if quirks.slow_reversals_s > 0 {
                PaymentStatus::InProgress
            } else {
                PaymentStatus::Ok
            },
            sum,
            order_number: order,
            shift: if files_with_sale { &own } else { shift },
            target: Some(id),
        };
        let info = self.enter(&line, at);
        // What is filed with its sale has that shift, whatever the day.
        if let Some(row) = self
            .ledger
            .get_mut(&info.payment_id)
            .filter(|_| files_with_sale)
        {
            row.shift = own;
        }
        Ok(Reply::Payment(info))
    }

    /// What it counts as reversed or being reversed of an operation, less what was reversed of that in turn.
    fn reversing(&self, id: i64) -> i64 {
        if self.quirks.counts_no_pending {
            return self.reversed(id);
        }
        self.given_back(id, &[PaymentStatus::Ok, PaymentStatus::InProgress])
    }

    /// Kopecks of an operation that were reversed, less what was reversed of that in turn.
    pub fn reversed(&self, id: i64) -> i64 {
        self.given_back(id, &[PaymentStatus::Ok])
    }

    fn given_back(&self, id: i64, counts: &[PaymentStatus]) -> i64 {
        self.ledger
            .values()
            .filter(|payment| payment.target == Some(id) && counts.contains(&payment.info.status))
            .map(|payment| payment.info.sum.0 - self.reversed(payment.info.payment_id))
            .sum()
    }

    /// Adds a line to the ledger, as it was made at that time.
    pub fn enter(&mut self, line: &Line<'_>, made_at: Duration) -> PaymentInfo {
        let payment_id = 1000 + i64::try_from(self.ledger.len()).unwrap();
        let wall = self.wall(made_at);
        let info = PaymentInfo {
            payment_id,
            payment_type: line.payment_type,
            sum: line.sum,
            status: line.status,
            order_number: line.order_number.to_owned(),
            created: Some(wall),
            paid: (line.status == PaymentStatus::Ok).then_some(wall),
            paid_text: String::new(),
            purse: None,
        };
        let payment = Payment {
            info: info.clone(),
            target: line.target,
            cancelled_by_us: false,
            shift: self.filed_under(line.shift, wall),
            made_at,
        };
        self.ledger.insert(payment_id, payment);
        info
    }

    fn filed_under(&self, shift: &str, wall: Timestamp) -> String {
        let ahead = wall.checked_add(AHEAD);
        let zone = TimeZone::fixed(Offset::constant(3));
        let today = zone.to_datetime(ahead.unwrap_or(wall)).date();
        let is_near = Date::strptime("%d%m%Y", shift)
            .is_ok_and(|filed| (today - filed).get_days().abs() <= 1);
        if self.quirks.own_day && is_near {
            today.strftime("%d%m%Y").to_string()
        } else {
            shift.to_owned()
        }
    }

    /// Another till of the shop has sold something; the number of its payment.
    pub fn sell_elsewhere(&mut self, sum: Kopecks, mono: Duration) -> i64 {
        let line = Line {
            payment_type: PaymentType::Sale,
            status: PaymentStatus::Ok,
            sum,
            order_number: &format!("{ELSEWHERE}{}", self.ledger.len()),
            shift: FOREIGN_SHIFT,
            target: None,
        };
        self.enter(&line, mono).payment_id
    }

    /// A person gives money back in the merchant's account.
    pub fn reverse_by_hand(&mut self, id: i64, sum: Kopecks, mono: Duration) -> bool {
        let Some(payment) = self.ledger.get(&id) else {
            return false;
        };
        let left = payment.info.sum.0 - self.reversing(id);
        if payment.info.status != PaymentStatus::Ok || sum.0 > left {
            return false;
        }
        let line = Line {
            payment_type: if payment.info.payment_type == PaymentType::Sale {
                PaymentType::ReversalOfSale
            } else {
                PaymentType::ReversalOfPurchase
            },
            status: PaymentStatus::Ok,
            sum,
            order_number: &format!("{BY_HAND}{}", self.ledger.len()),
            shift: FOREIGN_SHIFT,
            target: Some(id),
        };
        self.enter(&line, mono);
        true
    }

    /// The delayed requests that arrive by that time, in their order.
    pub fn take_due(&mut self, mono: Duration) -> Vec<Call> {
        let is_due = |(at, _): &mut (Duration, Call)| *at <= mono;
        let due = self.late.extract_if(.., is_due);
        due.map(|(_, call)| call).collect()
    }

    /// What was delayed arrives, and what was pending is decided.
    pub fn arrive(&mut self, mono: Duration) {
        for call in self.take_due(mono) {
            let _ = self.effect(&call, mono);
        }
        let slow = Duration::from_secs(self.quirks.slow_reversals_s);
        for payment in self.ledger.values_mut() {
            let pending = payment.info.status == PaymentStatus::InProgress;
            if pending && payment.target.is_some() && payment.made_at + slow <= mono {
                let fails = self.quirks.failing_reversals && payment.info.payment_id % 2 == 0;
                payment.info.status = if fails {
                    PaymentStatus::TechnicalCancelling
                } else {
                    PaymentStatus::Ok
                };
                continue;
            }
            let forgotten = payment.target.is_none()
                && !self.quirks.pending_for_ever
                && payment.made_at + CONFIRM <= mono;
            if forgotten && payment.info.status == PaymentStatus::InProgress {
                payment.info.status = PaymentStatus::Timeout;
            }
        }
    }

    /// The request is delivered twice; its second copy's answer is what comes.
    pub fn effect_twice(&mut self, call: &Call, mono: Duration) -> Answer {
        drop(self.effect(call, mono));
        let before: BTreeSet<i64> = self.ledger.keys().copied().collect();
        let answer = self.effect(call, mono);
        let new = self.ledger.keys().filter(|id| !before.contains(id));
        self.copies.extend(new.copied());
        answer
    }

    /// Two of its machines carry out one request each, and a buyer who pays, pays both.
    pub fn carry_out_twice(&mut self, call: &Call, mono: Duration) -> Answer {
        let takes_used = std::mem::replace(&mut self.quirks.takes_used_numbers, true);
        let answer = self.effect_twice(call, mono);
        self.quirks.takes_used_numbers = takes_used;
        if let Call::Pay { order_number, .. } = call {
            let wall = self.wall(mono);
            let made = self.ledger.values_mut();
            for payment in made.filter(|payment| payment.info.order_number == *order_number) {
                payment.info.status = PaymentStatus::Ok;
                payment.info.paid = Some(wall);
            }
        }
        answer
    }

    /// What the service has cancelled by itself turns out to be paid, if `may_be` of its order number;
    /// whether there was such a payment.
    pub fn change_its_mind(&mut self, mono: Duration, may_be: impl Fn(&str) -> bool) -> bool {
        let wall = self.wall(mono);
        let cancelled = [PaymentStatus::TechnicalCancelling, PaymentStatus::Timeout];
        let payment = self.ledger.values_mut().rev().find(|payment| {
            payment.target.is_none()
                && !payment.cancelled_by_us
                && may_be(&payment.info.order_number)
                && cancelled.contains(&payment.info.status)
        });
        if let Some(payment) = payment {
            payment.info.status = PaymentStatus::Ok;
            payment.info.paid = Some(wall);
            return true;
        }
        false
    }

    /// What gets better does: nobody is asked any more, and no status is odd.
    pub fn heal(&mut self, mono: Duration) {
        self.buyers_are_gone = true;
        let never = self.quirks.slow_reversals_s == NEVER_S;
        self.quirks.heal();
        if self.quirks.for_ever {
            return;
        }
        for payment in self.ledger.values_mut() {
            let is_odd = matches!(payment.info.status, PaymentStatus::Unknown(_));
            let is_stuck = payment.info.status == PaymentStatus::InProgress
                && payment.target.is_some()
                && never;
            if is_odd || is_stuck {
                payment.info.status = PaymentStatus::Timeout;
            }
        }
        self.arrive(mono);
    }

    /// What was paid under that number, and what came back of it: every payment that took money.
    pub fn paid_under(&self, order_number: &str) -> impl Iterator<Item = &Payment> {
        let of = move |payment: &&Payment| {
            payment.info.order_number == order_number
                && payment.target.is_none()
                && payment.info.status == PaymentStatus::Ok
        };
        self.ledger.values().filter(of)
    }

    /// Every invited buyer takes part.
    pub fn join(&mut self) {
        for session in self.sessions.values_mut() {
            session.ready = true;
        }
    }

    /// The buyer joins the oldest session that lives and has nobody yet, of those whose code was shown;
    /// whether there was one.
    pub fn join_oldest(&mut self, shown: &[String], mono: Duration) -> bool {
        let was_shown = |one: &Session| {
            let number = one.number.to_string();
            shown.iter().any(|text| text.ends_with(&number))
        };
        let living: Vec<String> = self
            .sessions
            .iter()
            .filter(|(id, one)| {
                !one.ready
                    && was_shown(one)
                    && self.living(id, mono + Duration::from_secs(5)).is_some()
            })
            .map(|(id, _)| id.clone())
            .collect();
        let oldest = living
            .iter()
            .filter_map(|id| self.sessions.get(id).map(|one| (one.opened_at, id.clone())))
            .min();
        let session = oldest.and_then(|(_, id)| self.sessions.get_mut(&id));
        session.map(|session| session.ready = true).is_some()
    }

    /// The newest pending payment is decided.
    pub fn decide(&mut self, status: PaymentStatus, mono: Duration) {
        let wall = self.wall(mono);
        let pending = self.ledger.values_mut().rev().find(|payment| {
            payment.info.status == PaymentStatus::InProgress && payment.target.is_none()
        });
        if let Some(payment) = pending {
            payment.info.status = status;
            payment.info.paid = (status == PaymentStatus::Ok).then_some(wall);
        }
    }
}
