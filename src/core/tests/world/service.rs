//! The service and its buyers.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::World;
use crate::base::clock::Now;
use crate::core::call::{
    Answer, Call, Failure, PaymentInfo, PaymentStatus, PaymentType, Reply, SessionMode,
};
use crate::core::record::Record;
use crate::model::money::Kopecks;
use crate::model::operation::{Card, Shows};

/// An operation in the service's ledger.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub info: PaymentInfo,
    pub target: Option<i64>,
    pub shift: String,
}

/// A session with a buyer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    ready: bool,
    opened_at: Duration,
}

/// The service, as far as the core can tell.
#[derive(Default)]
pub(crate) struct Service {
    pub ledger: BTreeMap<i64, Payment>,
    pub(super) sessions: BTreeMap<String, Session>,
    /// How long a session lives; `None`: for ever.
    pub session_life: Option<Duration>,
    /// Answers to `POST payments` are held until the test lets them go.
    pub holds_answers: bool,
    pub late: Vec<(Duration, Call)>,
    /// `POST payments` received, by order number: must never exceed one.
    pub pays: BTreeMap<String, u32>,
    pub reverses_pending: bool,
    pub card: Option<Card>,
    /// Reports end after so many rows.
    pub rows: Option<usize>,
    /// A purse that is too empty to give a refund back.
    pub purse_is_empty: bool,
    /// Reversals of what is paid stay pending.
    pub leaves_pending: bool,
    /// What fails, without effect.
    pub fails: Option<fn(&Service, &Call) -> Option<Failure>>,
}

impl Service {
    pub(super) fn effect(&mut self, call: &Call, now: Now) -> Answer {
        let wall = now.wall;
        let refused = |detail: &str| {
            Err(Failure::Refused {
                message: None,
                detail: detail.into(),
            })
        };
        if let Some(failure) = self.fails.and_then(|fails| fails(self, call)) {
            return Err(failure);
        }
        match call {
            Call::OpenSession(mode) => {
                let session = format!("s{}", self.sessions.len());
                let opened = Session {
                    ready: matches!(mode, SessionMode::ConsumerQr(_)),
                    opened_at: now.mono,
                };
                let number = 123_456 + self.sessions.len();
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
                let Some(found) = self.sessions.get(session) else {
                    return refused("no such session");
                };
                let age = now.mono - found.opened_at;
                if self.session_life.is_some_and(|life| age >= life) {
                    return Err(Failure::SessionOver {
                        detail: "166".into(),
                    });
                }
                let ready = found.ready;
                Ok(Reply::Consumer {
                    ready,
                    card: self.card.clone().filter(|_| ready),
                })
            }
            Call::Pay {
                order_number,
                sum,
                shift,
                ..
            } => Ok(Reply::Payment(self.enter(
                PaymentType::Sale,
                *sum,
                order_number,
                shift,
                None,
                wall,
            ))),
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
            } => self.reverse(*payment_id, order_number, *sum, shift, wall),
            Call::LookUp {
                shifts,
                order_numbers,
                witnesses,
            } => Ok(self.report(shifts, order_numbers, witnesses)),
            Call::Probe { .. } => Ok(Reply::Alive),
        }
    }

    /// What the client reads from the shifts' reports.
    fn report(&self, shifts: &[String], order_numbers: &[String], witnesses: &[String]) -> Reply {
        let rows = || {
            let rows = self.ledger.values().filter(|p| shifts.contains(&p.shift));
            rows.take(self.rows.unwrap_or(usize::MAX)).map(|p| &p.info)
        };
        let is_there = |number: &String| rows().any(|info| info.order_number == *number);
        let wanted = rows().filter(|info| order_numbers.contains(&info.order_number));
        let found = wanted.cloned().collect();
        if order_numbers.iter().all(is_there) || witnesses.iter().all(is_there) {
            return Reply::Found(found);
        }
        Reply::Partial {
            found,
            detail: "the report is not whole".into(),
        }
    }

    fn reverse(
        &mut self,
        id: i64,
        order: &str,
        sum: Kopecks,
        shift: &str,
        wall: Timestamp,
    ) -> Answer {
        let reverses_pending = self.reverses_pending;
        let refused = |detail: &str| {
            Err(Failure::Refused {
                message: None,
                detail: detail.into(),
            })
        };
        let before: i64 = self.reversed(id);
        let Some(payment) = self.ledger.get_mut(&id) else {
            return refused("unknown payment");
        };
        match payment.info.status {
            PaymentStatus::InProgress if reverses_pending => {
                payment.info.status = PaymentStatus::TechnicalCancelling;
                Ok(Reply::Payment(payment.info.clone()))
            }
            PaymentStatus::Ok => {
                let all = payment.info.sum;
                if before + sum.0 > all.0 {
                    return refused("more than was paid");
                }
                let of_refund = payment.info.payment_type == PaymentType::ReversalOfSale;
                let direction = if of_refund {
                    PaymentType::ReversalOfPurchase
                } else {
                    PaymentType::ReversalOfSale
                };
                let broke = of_refund && self.purse_is_empty;
                let mut info = self.enter(direction, sum, order, shift, Some(id), wall);
                info.status = if broke {
                    PaymentStatus::NotEnough
                } else if self.leaves_pending {
                    PaymentStatus::InProgress
                } else {
                    PaymentStatus::Ok
                };
                info.paid = Some(wall);
                if let Some(entry) = self.ledger.get_mut(&info.payment_id) {
                    entry.info = info.clone();
                }
                Ok(Reply::Payment(info))
            }
            PaymentStatus::InProgress
            | PaymentStatus::Decline
            | PaymentStatus::NotEnough
            | PaymentStatus::Timeout
            | PaymentStatus::TechnicalCancelling
            | PaymentStatus::Unknown(_) => refused("not reversible"),
        }
    }

    /// Kopecks of a payment that went back, less what of that came forth again.
    pub(crate) fn reversed(&self, id: i64) -> i64 {
        self.ledger
            .values()
            .filter(|payment| {
                payment.target == Some(id) && payment.info.status == PaymentStatus::Ok
            })
            .map(|payment| payment.info.sum.0 - self.reversed(payment.info.payment_id))
            .sum()
    }

    fn enter(
        &mut self,
        payment_type: PaymentType,
        sum: Kopecks,
        order: &str,
        shift: &str,
        target: Option<i64>,
        wall: Timestamp,
    ) -> PaymentInfo {
        let payment_id = 1000 + i64::try_from(self.ledger.len()).unwrap();
        let info = PaymentInfo {
            payment_id,
            payment_type,
            sum,
            status: PaymentStatus::InProgress,
            order_number: order.to_owned(),
            created: Some(wall),
            paid: None,
            paid_text: wall.to_string(),
            purse: None,
        };
        self.ledger.insert(
            payment_id,
            Payment {
                info: info.clone(),
                target,
                shift: shift.to_owned(),
            },
        );
        info
    }
}

impl World {
    pub(crate) fn buyer(&mut self, status: PaymentStatus) {
        let wall = self.now.wall;
        let pending = self.service.ledger.values_mut().rev().find(|payment| {
            payment.info.status == PaymentStatus::InProgress && payment.target.is_none()
        });
        if let Some(payment) = pending {
            payment.info.status = status;
            payment.info.paid = (status == PaymentStatus::Ok).then_some(wall);
        }
    }

    pub(crate) fn join(&mut self) {
        self.service
            .sessions
            .values_mut()
            .for_each(|session| session.ready = true);
    }

    /// The buyer joins that session, in the order of their opening.
    pub(crate) fn join_session(&mut self, number: usize) {
        let session = self.service.sessions.get_mut(&format!("s{number}"));
        session.unwrap().ready = true;
    }

    /// How old that session is.
    pub(crate) fn age_of_session(&self, number: usize) -> Duration {
        self.now.mono - self.service.sessions[&format!("s{number}")].opened_at
    }

    /// A copy of the sale's refused payment is carried out now, and its buyer pays.
    pub(crate) fn pay_late(&mut self, id: &str) {
        let Record::Sale(sale) = &self.journal[id] else {
            panic!("{id} is no sale")
        };
        let operation = &sale.operation;
        let (sum, order) = (operation.amount, operation.order_number.clone());
        let (shift, wall) = (operation.shift.clone(), self.now.wall);
        self.service
            .enter(PaymentType::Sale, sum, &order, &shift, None, wall);
        self.buyer(PaymentStatus::Ok);
    }

    /// A copy of a reversal is carried out now.
    pub(crate) fn carry_out_reversal(&mut self, id: i64, order: &str, sum: Kopecks, shift: &str) {
        let wall = self.now.wall;
        drop(self.service.reverse(id, order, sum, shift, wall));
    }

    /// How many sessions were opened.
    pub(crate) fn sessions(&self) -> usize {
        self.service.sessions.len()
    }
}
