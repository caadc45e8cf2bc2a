//! What becomes of requests: the network's part, and the ills of single parts of the service.

use std::time::Duration;

use oplati::base::clock::ServiceClock;
use oplati::core::call::{
    Answer, Call, Failure, PaymentInfo, PaymentStatus, PaymentType, Received, Reply, TokenProblem,
};
use oplati::core::event::Event;
use oplati::core::record::Record;
use oplati::model::money::Kopecks;
use oplati::model::operation::State;
use oplati::service::{HttpAnswer, classify};

use crate::plan::{Endpoint, RequestFate};
use crate::service::bodies::{EMPTY_REFUSAL, ERROR_BODY, body};
use crate::world::{Check, Held, Trouble, World};

/// So long at most a request may hang and have its effect only then.
const MAX_HANG: Duration = Duration::from_secs(3600);

impl World<'_> {
    /// From now on a part of the service answers so: for so long, and so many requests.
    pub(crate) fn trouble(
        &mut self,
        endpoint: Endpoint,
        fate: RequestFate,
        time: Duration,
        times: u64,
    ) {
        let until = self.now.mono.saturating_add(time);
        self.troubles.push(Trouble {
            endpoint,
            fate,
            until,
            times,
        });
    }

    /// What its part of the service makes of a request, if that is ill.
    fn ill_fate(&mut self, call: &Call) -> Option<RequestFate> {
        let (now, endpoint) = (self.now.mono, Endpoint::of(call));
        self.troubles.retain(|one| one.until > now && one.times > 0);
        let trouble = self
            .troubles
            .iter_mut()
            .find(|one| one.endpoint == endpoint)?;
        trouble.times -= 1;
        Some(trouble.fate)
    }

    pub(crate) fn answer(&mut self, newest: bool, fate: RequestFate) -> Check {
        if self.pending.is_empty() {
            return Ok(());
        }
        let index = if newest { self.pending.len() - 1 } else { 0 };
        let (request, call, sent) = self.pending.remove(index);
        let is_well = matches!(fate, RequestFate::Answered | RequestFate::Twice);
        let ill = if is_well { self.ill_fate(&call) } else { None };
        let fate = ill.unwrap_or(fate);
        // No connection lives for hours: what hung so long was carried out long ago.
        let real = self.real;
        self.real = real.min(sent.at + MAX_HANG);
        let answer = self.fate_of(&call, fate);
        self.real = real;
        if self.traces {
            println!("          answer to {call:?}: {answer:?}");
        }
        if answer.as_ref().err().is_none_or(Failure::was_answered) {
            self.send_time()?;
        }
        self.note_asked(&call, &answer);
        self.note_refused(&call, fate, &answer);
        // Sessions end, and who asks for patience lives: neither makes a sale fail, but for a session that
        // nobody opens within `timeout`.
        let opens = matches!(call, Call::OpenSession(_));
        self.troubled |= match &answer {
            Ok(_) | Err(Failure::SessionOver { .. }) => false,
            Err(Failure::TooManyRequests { .. }) => opens,
            Err(_) => true,
        };
        if self.service.quirks.holds_answers
            && fate == RequestFate::Answered
            && let (
                Call::Pay {
                    answer_within,
                    order_number,
                    ..
                },
                Ok(_),
            ) = (&call, &answer)
            && !self.service.is_decided(order_number)
        {
            let until = self.now.mono + *answer_within;
            self.held.push(Held {
                request,
                call,
                until,
            });
            return Ok(());
        }
        if matches!(
            answer,
            Err(Failure::Lost { .. } | Failure::Refused { .. } | Failure::TooManyRequests { .. })
        ) {
            self.note_closed(&call);
        }
        if fate == RequestFate::Twice {
            self.event(Event::Answered {
                request,
                answer: answer.clone(),
            })?;
        }
        self.event(Event::Answered { request, answer })
    }

    /// Every answer has a `Date`.
    fn send_time(&mut self) -> Check {
        let clock = ServiceClock::new(self.service.date(self.real), self.now.mono);
        self.event(Event::ServiceClock(clock))
    }

    /// Held answers whose buyer has decided come, and those that took too long are given up.
    pub(crate) fn answer_held(&mut self) -> Check {
        loop {
            let service = &self.service;
            let now = self.now.mono;
            let ready = self.held.iter().position(|held| {
                held.until <= now
                    || matches!(&held.call, Call::Pay { order_number, .. }
                        if service.is_decided(order_number))
            });
            let Some(held) = ready.map(|index| self.held.remove(index)) else {
                return Ok(());
            };
            let Call::Pay { order_number, .. } = &held.call else {
                continue;
            };
            if held.until <= now {
                self.counts.note("held answer given up");
                self.break_held(&held)?;
                continue;
            }
            self.counts.note("held answer comes");
            let order_number = order_number.clone();
            let info = self.service.payment_of(&order_number);
            let paid = info
                .as_ref()
                .is_some_and(|info| info.status == PaymentStatus::Ok);
            let waited_for = self.waits_for(&order_number);
            let answer = info.map(Reply::Payment).ok_or_else(|| Failure::Lost {
                detail: "lost".into(),
                received: Received::Nothing,
            });
            let (request, crashes) = (held.request, self.counts.crashes);
            self.event(Event::Answered { request, answer })?;
            // A process that dies in this very step finds it out after its restart.
            if paid && waited_for && crashes == self.counts.crashes {
                self.check_held(&order_number)?;
            }
        }
    }

    /// Every connection whose answer is held breaks.
    pub(crate) fn cut_held(&mut self) -> Check {
        for held in std::mem::take(&mut self.held) {
            self.counts.note("held answer cut");
            self.break_held(&held)?;
        }
        Ok(())
    }

    fn break_held(&mut self, held: &Held) -> Check {
        self.note_closed(&held.call);
        let request = held.request;
        let answer = Err(Failure::Lost {
            detail: "reset".into(),
            received: Received::Nothing,
        });
        self.event(Event::Answered { request, answer })
    }

    /// A buyer scans a code that the display has shown, the oldest that lives; over a line that is well
    /// the sale notices him.
    pub(crate) fn join_oldest(&mut self) -> Check {
        let waits = |record: &&Record| record.operation().state == State::AwaitingBuyer;
        let waiting = self.records.values().find(waits);
        let Some(id) = waiting.map(|record| record.operation().id.clone()) else {
            return Ok(());
        };
        let well = self.now.mono >= self.outage_until && self.now.mono >= self.hold_off_until;
        if !well || !self.service.join_oldest(&self.shown, self.real) {
            return Ok(());
        }
        self.counts.note("buyer joins the oldest session");
        let armed = !self.hand.borrow().next.is_empty()
            || self.crash_before_effect.is_some()
            || !self.troubles.is_empty();
        self.store.disarm();
        self.advance(Duration::from_secs(5))?;
        match self.records.get(&id) {
            Some(record) if !armed && record.operation().state == State::AwaitingBuyer => {
                Err(format!("{id} does not notice the buyer who has joined"))
            }
            _ => Ok(()),
        }
    }

    /// A gateway's words are no refusal, whatever they are taken for.
    fn note_refused(&mut self, call: &Call, fate: RequestFate, answer: &Answer) {
        let of_gateway = matches!(fate, RequestFate::Error | RequestFate::AnswerLost);
        if let Call::Pay { order_number, .. } = call
            && matches!(answer, Err(Failure::Refused { .. }))
            && !of_gateway
        {
            self.refused.insert(order_number.clone());
        }
    }

    pub(crate) fn note_closed(&mut self, call: &Call) {
        if let Call::Pay { order_number, .. } | Call::Reverse { order_number, .. } = call {
            self.closed_at.insert(order_number.clone(), self.now.mono);
        }
    }

    /// Whether a request under that number may still be on its way.
    pub(crate) fn may_arrive(&self, order_number: &str) -> bool {
        let closed_at = self.closed_at.get(order_number);
        self.is_under_way(order_number)
            || closed_at.is_some_and(|closed| self.now.mono < *closed + self.settings.settle)
    }

    /// Whether the connection of a payment under that number lives.
    fn is_under_way(&self, order_number: &str) -> bool {
        let held = self.held.iter().map(|held| &held.call);
        let mut calls = self.pending.iter().map(|(_, call, _)| call).chain(held);
        calls.any(|call| matches!(call, Call::Pay { order_number: of, .. } if *of == *order_number))
    }

    pub(crate) fn fate_of(&mut self, call: &Call, fate: RequestFate) -> Answer {
        if let Some(fault) = name_of(fate, call) {
            self.counts.note(fault);
        }
        let real = self.real;
        match fate {
            RequestFate::Answered | RequestFate::Twice => self.service.effect(call, real),
            RequestFate::NotSent => Err(Failure::NotSent {
                detail: "connection refused".into(),
            }),
            RequestFate::RequestLost => lost(Received::Nothing),
            RequestFate::Error => classify(call, &HttpAnswer::new(503, ERROR_BODY)),
            RequestFate::AnswerLost => {
                drop(self.service.effect(call, real));
                if self.random.one_in(2) {
                    lost(Received::Nothing)
                } else {
                    classify(call, &HttpAnswer::new(500, ERROR_BODY))
                }
            }
            RequestFate::Garbage => {
                drop(self.service.effect(call, real));
                lost(Received::Malformed)
            }
            RequestFate::Cut => self.cut(call),
            RequestFate::Late(seconds) => {
                self.comes_late(call, seconds);
                lost(Received::Nothing)
            }
            RequestFate::TooMany(seconds) => self.asks_for_patience(seconds),
            RequestFate::PaidTwice => {
                drop(self.service.carry_out_twice(call, real));
                lost(Received::Nothing)
            }
            RequestFate::DoneTwice => self.service.carry_out_twice(call, real),
            RequestFate::DeliveredTwice => self.service.effect_twice(call, real),
            RequestFate::Foreign => self.answers_another(call),
            refusal => self.refused_as(call, refusal),
        }
    }

    /// Refusals, of which some are not true.
    fn refused_as(&mut self, call: &Call, fate: RequestFate) -> Answer {
        match fate {
            RequestFate::CopyRefused | RequestFate::TokenAfterEffect => {
                drop(self.service.effect(call, self.real));
            }
            RequestFate::LateCopy(seconds) => self.comes_late(call, seconds),
            _ => {}
        }
        match fate {
            RequestFate::CopyRefused | RequestFate::LateCopy(_) => {
                classify(call, &HttpAnswer::new(400, EMPTY_REFUSAL))
            }
            RequestFate::TokenNeeded | RequestFate::TokenAfterEffect => {
                shut_out(TokenProblem::Needed)
            }
            RequestFate::TokenExists => shut_out(TokenProblem::Exists),
            _ => Err(Failure::Refused {
                message: None,
                detail: "no".into(),
            }),
        }
    }

    /// The request takes effect when its connection is long closed.
    fn comes_late(&mut self, call: &Call, seconds: u64) {
        if call.moves_money() {
            let at = self.real + Duration::from_secs(seconds);
            self.service.late.push((at, call.clone()));
        }
    }

    /// The answer ends in its middle.
    fn cut(&mut self, call: &Call) -> Answer {
        match self
            .service
            .effect(call, self.real)
            .map(|reply| body(&reply))
        {
            Ok(Some(whole)) => {
                let end = self.random.below(whole.len() as u64) as usize;
                classify(call, &HttpAnswer::new(200, &whole.as_bytes()[..end]))
            }
            Ok(None) => lost(Received::Malformed),
            refused @ Err(_) => refused.map(|_| Reply::Alive),
        }
    }

    fn asks_for_patience(&mut self, seconds: u64) -> Answer {
        let retry_after = (seconds > 0).then(|| Duration::from_secs(seconds));
        let wait = retry_after.unwrap_or(Duration::from_secs(60));
        self.hold_off_until = self.hold_off_until.max(self.now.mono + wait);
        Err(Failure::TooManyRequests {
            retry_after,
            detail: "HTTP 429".into(),
        })
    }

    /// The service answers about another's payment.
    fn answers_another(&mut self, call: &Call) -> Answer {
        match self.service.effect(call, self.real) {
            Ok(Reply::Payment(info)) => {
                let foreign = Reply::Payment(self.estrange(info));
                self.read_or_direct(call, foreign)
            }
            Ok(Reply::Found(rows)) => {
                let rows = rows.into_iter().map(|info| self.estrange(info)).collect();
                self.read_or_direct(call, Reply::Found(rows))
            }
            answer => answer,
        }
    }

    /// Another's number, sum or direction; of a payment that is paid.
    fn estrange(&mut self, mut info: PaymentInfo) -> PaymentInfo {
        info.status = PaymentStatus::Ok;
        match self.random.below(3) {
            0 => info.order_number = "another".into(),
            1 => info.sum = Kopecks(info.sum.0 + 1),
            _ => info.payment_type = PaymentType::Purchase,
        }
        info
    }

    /// As it comes over the wire, or past the client, so that the core itself must see it.
    fn read_or_direct(&mut self, call: &Call, reply: Reply) -> Answer {
        match body(&reply).filter(|_| self.random.one_in(2)) {
            Some(body) => classify(call, &HttpAnswer::new(200, body.as_bytes())),
            None => Ok(reply),
        }
    }
}

fn lost(received: Received) -> Answer {
    Err(Failure::Lost {
        detail: "lost".into(),
        received,
    })
}

fn shut_out(problem: TokenProblem) -> Answer {
    Err(Failure::Token {
        problem,
        detail: "reset".into(),
    })
}

/// As the table names it.
fn name_of(fate: RequestFate, call: &Call) -> Option<&'static str> {
    Some(match fate {
        RequestFate::Answered => return None,
        RequestFate::NotSent => "not sent",
        RequestFate::RequestLost => "request lost",
        RequestFate::AnswerLost => "answer lost, or 5xx with effect",
        RequestFate::Garbage => "garbage",
        RequestFate::Cut if matches!(call, Call::LookUp { .. }) => "report cut",
        RequestFate::Cut => "answer cut",
        RequestFate::Error => "5xx without effect",
        RequestFate::Late(_) => "late effect",
        RequestFate::Refused => "refused",
        RequestFate::TokenNeeded | RequestFate::TokenExists => "token error",
        RequestFate::TokenAfterEffect => "carried out, answered by a token error",
        RequestFate::CopyRefused => "copy carried out, ours refused",
        RequestFate::LateCopy(_) => "ours refused, a copy carried out later",
        RequestFate::PaidTwice => "carried out twice, answer lost",
        RequestFate::DoneTwice => "carried out twice",
        RequestFate::DeliveredTwice => "delivered twice",
        RequestFate::TooMany(_) => "too many requests",
        RequestFate::Twice => "answered twice",
        RequestFate::Foreign => "another's answer",
    })
}
