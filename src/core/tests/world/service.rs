//! The service and its buyers: the simulation's model, and what the tests of the core alone need of it.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use jiff::Timestamp;

use super::World;
use crate::base::clock::Now;
use crate::core::call::{Answer, Call, Failure, PaymentStatus, PaymentType, Reply};
use crate::core::record::Record;
use crate::core::tests::service::quirks::Quirks;
use crate::core::tests::service::{self as model, Line};
use crate::model::money::Kopecks;
use crate::model::operation::Card;

/// The model, whose time decides nothing by itself.
#[derive(Default)]
pub(crate) struct Service {
    model: model::Service,
    /// `POST payments` received, by order number: must never exceed one.
    pub pays: BTreeMap<String, u32>,
    /// Of every buyer who takes part.
    pub card: Option<Card>,
    /// What fails, without effect.
    pub fails: Option<fn(&Service, &Call) -> Option<Failure>>,
}

impl Deref for Service {
    type Target = model::Service;

    fn deref(&self) -> &model::Service {
        &self.model
    }
}

impl DerefMut for Service {
    fn deref_mut(&mut self) -> &mut model::Service {
        &mut self.model
    }
}

impl Service {
    pub(super) fn new(began: Timestamp) -> Service {
        let quirks = Quirks {
            takes_used_numbers: true,
            counts_no_pending: true,
            ..Quirks::default()
        };
        Service {
            model: model::Service::of(quirks, began),
            ..Service::default()
        }
    }

    /// The effect of a request that arrived, and its answer.
    pub(super) fn effect(&mut self, call: &Call, now: Now) -> Answer {
        if let Some(failure) = self.fails.and_then(|fails| fails(self, call)) {
            return Err(failure);
        }
        let mut answer = self.model.effect(call, now.mono);
        if let Ok(Reply::Consumer { ready, card }) = &mut answer {
            *card = self.card.clone().filter(|_| *ready);
        }
        answer
    }
}

impl World {
    /// The buyer decides about the newest payment that is pending.
    pub(crate) fn buyer(&mut self, status: PaymentStatus) {
        self.service.decide(status, self.now.mono);
    }

    /// Every invited buyer takes part.
    pub(crate) fn join(&mut self) {
        self.service.join();
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
        let line = Line {
            payment_type: PaymentType::Sale,
            status: PaymentStatus::InProgress,
            sum: operation.amount,
            order_number: &operation.order_number,
            shift: &operation.shift,
            target: None,
        };
        self.service.enter(&line, self.now.mono);
        self.buyer(PaymentStatus::Ok);
    }

    /// A copy of a reversal is carried out now.
    pub(crate) fn carry_out_reversal(&mut self, id: i64, order: &str, sum: Kopecks, shift: &str) {
        drop(self.service.reverse(id, order, sum, shift, self.now.mono));
    }

    /// How many sessions were opened.
    pub(crate) fn sessions(&self) -> usize {
        self.service.sessions.len()
    }

    /// Kopecks that came back of the sale `s`.
    pub(crate) fn given_back(&self) -> i64 {
        let paid = self.operation("s").payment_id.unwrap();
        self.service.reversed(paid)
    }

    /// Kopecks that buyers have paid and not got back.
    pub(crate) fn paid_and_kept(&self) -> i64 {
        let payments = self.service.ledger.values();
        payments
            .map(|payment| &payment.info)
            .filter(|info| {
                info.payment_type == PaymentType::Sale && info.status == PaymentStatus::Ok
            })
            .map(|info| info.sum.0 - self.service.reversed(info.payment_id))
            .sum()
    }
}
