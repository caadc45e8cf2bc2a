//! A model of the payment service, as bad as one may be without breaking what money rests on: it
//! never moves more than was paid, and a refusal with its own words moved nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use oplati::money::Kopecks;
use oplati::operation::{Card, Shows};
use oplati::service::call::{
    Answer, Call, Failure, PaymentInfo, PaymentStatus, PaymentType, Reply, SessionMode,
};

use crate::random::Random;

/// Order numbers of another till begin so.
pub const ELSEWHERE: &str = "elsewhere-";
/// A payment that nobody confirms ends by itself after this time.
const CONFIRM: Duration = Duration::from_secs(300);
/// A reversal that is pending for so many seconds is pending for ever.
const NEVER_S: u64 = 1_000_000_000;

/// What the service does otherwise than one would hope.
#[derive(Clone, Debug, Default)]
pub struct Quirks {
    /// A reversal of a pending payment is refused.
    pub refuses_pending: bool,
    /// A reversal of a pending payment comes just after the buyer has paid.
    pub overtaken: bool,
    /// A used order number is taken again.
    pub takes_used_numbers: bool,
    /// Reports tell of an operation only so many seconds after it was made.
    pub lag_s: u64,
    /// Reports leave out what is pending.
    pub hides_pending: bool,
    /// Buyers have spent what was refunded to them.
    pub empty_purses: bool,
    /// Its clock is five minutes ahead, and near midnight it files what it is told under its own day.
    pub own_day: bool,
    /// Reports end after so many rows, as if there were no more.
    pub rows: Option<usize>,
    /// A reversal is pending for so many seconds before it is carried out.
    pub slow_reversals_s: u64,
    /// What was pending then fails every other time.
    pub failing_reversals: bool,
    /// `POST payments` is answered only when the buyer has decided.
    pub holds_answers: bool,
    /// A session lives for so many seconds; 0: for ever.
    pub session_life_s: u64,
}

impl Quirks {
    /// Their names, for the counts.
    pub fn names(&self) -> Vec<&'static str> {
        let named = [
            (
                self.refuses_pending,
                "service refuses to reverse what is pending",
            ),
            (self.overtaken, "buyer overtakes the reversal"),
            (self.takes_used_numbers, "service takes used order numbers"),
            (self.lag_s > 0, "reports lag"),
            (self.hides_pending, "reports leave out what is pending"),
            (self.empty_purses, "purse too empty to give a refund back"),
            (self.own_day, "service files under its own day"),
            (self.rows.is_some(), "reports end too early"),
            (
                (1..NEVER_S).contains(&self.slow_reversals_s),
                "reversals are pending first",
            ),
            (
                self.slow_reversals_s == NEVER_S,
                "reversals stay pending for ever",
            ),
            (self.failing_reversals, "pending reversals fail at times"),
            (self.holds_answers, "service holds the answer to a payment"),
            (self.session_life_s > 0, "sessions end"),
        ];
        let met = named.into_iter().filter(|(met, _)| *met);
        met.map(|(_, name)| name).collect()
    }
}

/// An operation in the ledger.
#[derive(Clone, Debug)]
pub struct Payment {
    pub info: PaymentInfo,
    pub target: Option<i64>,
    shift: String,
    made_at: Duration,
}

/// A session with a buyer.
#[derive(Clone, Copy, Debug)]
struct Session {
    opened_at: Duration,
    /// Stands in its QR or its code.
    number: usize,
    ready: bool,
    /// Its payment was made: it takes no second one.
    used: bool,
}

/// The service. It has a clock of its own, which no jump of the till's moves.
#[derive(Debug, Default)]
pub struct Service {
    pub quirks: Quirks,
    began: Timestamp,
    pub ledger: BTreeMap<i64, Payment>,
    sessions: BTreeMap<String, Session>,
    /// Requests that take effect after their connection was closed.
    pub late: Vec<(Duration, Call)>,
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

    fn wall(&self, mono: Duration) -> Timestamp {
        let since = SignedDuration::try_from(mono).unwrap_or_default();
        self.began.checked_add(since).unwrap_or(self.began)
    }

    /// The effect of a request that arrived, and its answer.
    pub fn effect(&mut self, call: &Call, mono: Duration) -> Answer {
        match call {
            Call::OpenSession(mode) => {
                let session = format!("s{}", self.sessions.len());
                let by_code = matches!(mode, SessionMode::ConsumerQr(_));
                let number = 100_000 + self.sessions.len();
                let opened = Session {
                    opened_at: mono,
                    number,
                    ready: by_code,
                    used: false,
                };
                self.sessions.insert(session.clone(), opened);
                let shows = match mode {
                    SessionMode::ConsumerQr(_) => None,
                    SessionMode::StaticQr => Some(Shows::Code(number.to_string())),
                    SessionMode::DynamicQr => {
                        Some(Shows::Qr(format!("o-plati://o-cashpay/dyn/{number}")))
                    }
                };
                Ok(Reply::Session { session, shows })
            }
            Call::ConsumerStatus { session } => {
                if !self.lives(session, mono) {
                    return Err(Failure::SessionOver {
                        detail: "166".into(),
                    });
                }
                let ready = self.sessions.get(session).is_some_and(|one| one.ready);
                let card = ready.then(|| Card {
                    number: "1".into(),
                    name: "c".into(),
                });
                Ok(Reply::Consumer { ready, card })
            }
            Call::Pay {
                session,
                order_number,
                sum,
                shift,
                ..
            } => {
                if self.is_used(order_number) {
                    return refused("used order number");
                }
                let session = self.sessions.get_mut(session);
                if session.is_some_and(|one| std::mem::replace(&mut one.used, true)) {
                    return refused("the session has its payment");
                }
                let (kind, status) = (PaymentType::Sale, PaymentStatus::InProgress);
                let entry = self.enter(kind, status, *sum, order_number, shift, None, mono);
                Ok(Reply::Payment(entry))
            }
            Call::Payment { payment_id } => match self.ledger.get(payment_id) {
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
                ..
            } => {
                let wanted = |info: &PaymentInfo| order_numbers.contains(&info.order_number);
                let reports = shifts.iter().flat_map(|shift| self.report(shift, mono));
                Ok(Reply::Found(reports.filter(wanted).collect()))
            }
            Call::Probe { .. } => Ok(Reply::Alive),
        }
    }

    fn lives(&self, session: &str, mono: Duration) -> bool {
        let life = match self.quirks.session_life_s {
            0 => Duration::MAX,
            seconds => Duration::from_secs(seconds),
        };
        self.sessions
            .get(session)
            .is_some_and(|one| mono - one.opened_at < life)
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

    /// What it tells of a shift.
    pub fn report(&self, shift: &str, mono: Duration) -> Vec<PaymentInfo> {
        let lag = Duration::from_secs(self.quirks.lag_s);
        let told = |payment: &&Payment| {
            payment.shift == shift
                && payment.made_at + lag <= mono
                && !(self.quirks.hides_pending && payment.info.status == PaymentStatus::InProgress)
        };
        let rows = self.ledger.values().filter(told);
        rows.map(|payment| payment.info.clone())
            .take(self.quirks.rows.unwrap_or(usize::MAX))
            .collect()
    }

    /// What it tells of every shift.
    pub fn reported(&self, mono: Duration) -> Vec<PaymentInfo> {
        let shifts: BTreeSet<&str> = self.ledger.values().map(|p| p.shift.as_str()).collect();
        shifts
            .into_iter()
            .flat_map(|shift| self.report(shift, mono))
            .collect()
    }

    fn is_used(&self, order_number: &str) -> bool {
        !self.quirks.takes_used_numbers
            && self
                .ledger
                .values()
                .any(|payment| payment.info.order_number == order_number)
    }

    fn reverse(&mut self, id: i64, order: &str, sum: Kopecks, shift: &str, at: Duration) -> Answer {
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
        match payment.info.status {
            PaymentStatus::InProgress if !quirks.refuses_pending => {
                payment.info.status = PaymentStatus::TechnicalCancelling;
                Ok(Reply::Payment(payment.info.clone()))
            }
            PaymentStatus::Ok => {
                if before + sum.0 > payment.info.sum.0 {
                    return refused("more than was paid");
                }
                let of_refund = payment.info.payment_type == PaymentType::ReversalOfSale;
                let done = if quirks.slow_reversals_s > 0 {
                    PaymentStatus::InProgress
                } else {
                    PaymentStatus::Ok
                };
                let (direction, status) = match (of_refund, quirks.empty_purses) {
                    (true, true) => (PaymentType::ReversalOfPurchase, PaymentStatus::NotEnough),
                    (true, false) => (PaymentType::ReversalOfPurchase, done),
                    (false, _) => (PaymentType::ReversalOfSale, done),
                };
                let info = self.enter(direction, status, sum, order, shift, Some(id), at);
                Ok(Reply::Payment(info))
            }
            _ => refused("not reversible"),
        }
    }

    /// Kopecks of an operation that were reversed or are being reversed, less what was reversed of
    /// that in turn.
    fn reversing(&self, id: i64) -> i64 {
        let counts = [PaymentStatus::Ok, PaymentStatus::InProgress];
        self.ledger
            .values()
            .filter(|payment| payment.target == Some(id) && counts.contains(&payment.info.status))
            .map(|payment| payment.info.sum.0 - self.reversed(payment.info.payment_id))
            .sum()
    }

    /// Kopecks of an operation that were reversed, less what was reversed of that in turn.
    pub fn reversed(&self, id: i64) -> i64 {
        self.ledger
            .values()
            .filter(|payment| payment.target == Some(id))
            .filter(|payment| payment.info.status == PaymentStatus::Ok)
            .map(|payment| payment.info.sum.0 - self.reversed(payment.info.payment_id))
            .sum()
    }

    #[allow(clippy::too_many_arguments, reason = "one line of a ledger")]
    fn enter(
        &mut self,
        payment_type: PaymentType,
        status: PaymentStatus,
        sum: Kopecks,
        order: &str,
        shift: &str,
        target: Option<i64>,
        made_at: Duration,
    ) -> PaymentInfo {
        let (payment_id, wall) = (1000 + self.ledger.len() as i64, self.wall(made_at));
        let info = PaymentInfo {
            payment_id,
            payment_type,
            sum,
            status,
            order_number: order.to_owned(),
            created: Some(wall),
            paid: (status == PaymentStatus::Ok).then_some(wall),
            paid_text: String::new(),
            purse: None,
        };
        let payment = Payment {
            info: info.clone(),
            target,
            shift: self.filed_under(shift, wall),
            made_at,
        };
        self.ledger.insert(payment_id, payment);
        info
    }

    fn filed_under(&self, shift: &str, wall: Timestamp) -> String {
        let ahead = wall.checked_add(SignedDuration::from_mins(5));
        let zone = TimeZone::fixed(Offset::constant(3));
        let today = zone.to_datetime(ahead.unwrap_or(wall)).date();
        let is_near =
            Date::strptime("%d%m%Y", shift).is_ok_and(|told| (today - told).get_days().abs() <= 1);
        if self.quirks.own_day && is_near {
            today.strftime("%d%m%Y").to_string()
        } else {
            shift.to_owned()
        }
    }

    /// Another till of the shop has sold something; the number of its payment.
    pub fn sell_elsewhere(&mut self, sum: Kopecks, mono: Duration) -> i64 {
        let order = format!("{ELSEWHERE}{}", self.ledger.len());
        let (kind, status) = (PaymentType::Sale, PaymentStatus::Ok);
        let info = self.enter(kind, status, sum, &order, "elsewhere", None, mono);
        info.payment_id
    }

    /// What was delayed arrives, and what was pending is decided.
    pub fn arrive(&mut self, mono: Duration) {
        let (due, rest) = std::mem::take(&mut self.late)
            .into_iter()
            .partition::<Vec<_>, _>(|(at, _)| *at <= mono);
        self.late = rest;
        for (_, call) in due {
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
            let forgotten = payment.target.is_none() && payment.made_at + CONFIRM <= mono;
            if forgotten && payment.info.status == PaymentStatus::InProgress {
                payment.info.status = PaymentStatus::Timeout;
            }
        }
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
                !one.ready && was_shown(one) && self.lives(id, mono + Duration::from_secs(5))
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

    /// As its buyers and its network happen to be.
    pub fn random_quirks(random: &mut Random) -> Quirks {
        let mut quirks = Quirks::default();
        if random.one_in(2) {
            quirks.refuses_pending = random.one_in(3);
            quirks.overtaken = random.one_in(5);
            quirks.takes_used_numbers = random.one_in(3);
            quirks.lag_s = if random.one_in(3) {
                random.below(700)
            } else {
                0
            };
            quirks.hides_pending = random.one_in(4);
            quirks.empty_purses = random.one_in(5);
            quirks.own_day = random.one_in(3);
            quirks.rows = random.one_in(6).then(|| random.below(4) as usize);
            quirks.slow_reversals_s = match random.below(16) {
                0..3 => 1 + random.below(900),
                3 => NEVER_S,
                _ => 0,
            };
            quirks.failing_reversals = random.one_in(2);
        }
        // As recorded, and as other services may be.
        quirks.holds_answers = random.one_in(2);
        quirks.session_life_s = random.pick(&[0, 60, 60, 60, 7, 25, 90]);
        quirks
    }
}
