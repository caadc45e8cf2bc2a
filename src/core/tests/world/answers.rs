//! What becomes of requests, and what answer the core gets.

use std::time::Duration;

use super::World;
use crate::core::call::{Answer, Call, Failure, Received, Reply, TokenProblem};
use crate::core::event::Event;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    NotSent,
    RequestLost,
    AnswerLost,
    /// The connection breaks now, the effect comes so many seconds later.
    Late(u64),
    Refused,
    /// Delivered twice: the first copy is carried out, and the second one's refusal is the answer.
    CopyRefused,
    /// The same, but the first copy takes effect so many seconds later.
    LateCopyRefused(u64),
    TokenNeeded,
    /// Carried out, and answered by a token error: what stands before the service has refused the answer's way back.
    TokenAfterEffect,
}

fn lost() -> Failure {
    Failure::Lost {
        detail: "reset".into(),
        received: Received::Nothing,
    }
}

fn refused() -> Failure {
    Failure::Refused {
        message: Some("нельзя".into()),
        detail: "X".into(),
    }
}

impl World {
    /// Ends the oldest request.
    pub(crate) fn answer(&mut self, fate: Fate) {
        if self.pending.is_empty() {
            return;
        }
        let (request, call) = self.pending.remove(0);
        let answer = self.answer_of(call, fate);
        self.event(Event::Answered { request, answer });
    }

    /// What becomes of a request, and what answer the core gets.
    fn answer_of(&mut self, call: Call, fate: Fate) -> Answer {
        let takes_effect = [Fate::AnswerLost, Fate::CopyRefused, Fate::TokenAfterEffect];
        if takes_effect.contains(&fate) {
            drop(self.service.effect(&call, self.now));
        }
        match fate {
            Fate::Answered => self.service.effect(&call, self.now),
            Fate::NotSent => {
                // What never left is no question.
                for key in self.asked_for(&call) {
                    self.asked_at.remove(&key);
                }
                Err(Failure::NotSent {
                    detail: "connection refused".into(),
                })
            }
            Fate::RequestLost | Fate::AnswerLost => Err(lost()),
            Fate::Late(seconds) => {
                if call.moves_money() {
                    self.delay(call, seconds);
                }
                Err(lost())
            }
            Fate::Refused | Fate::CopyRefused => Err(refused()),
            Fate::LateCopyRefused(seconds) => {
                self.delay(call, seconds);
                Err(refused())
            }
            Fate::TokenNeeded | Fate::TokenAfterEffect => Err(Failure::Token {
                problem: TokenProblem::Needed,
                detail: "reset".into(),
            }),
        }
    }

    /// The request arrives so many seconds later.
    fn delay(&mut self, call: Call, seconds: u64) {
        let at = self.now.mono + Duration::from_secs(seconds);
        self.service.late.push((at, call));
    }

    /// Ticks and answers until nothing is under way at this instant.
    pub(crate) fn settle(&mut self) {
        for _ in 0..200 {
            self.run_due();
            if self.pending.is_empty() {
                return;
            }
            self.answer(Fate::Answered);
        }
        panic!("requests never end: {:?}", self.pending);
    }

    /// As [`World::pass`], but every request is answered as it comes.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now.mono + time;
        loop {
            self.settle();
            match self.core.next_wakeup() {
                Some((at, _)) if at <= end => self.jump_to(at.max(self.now.mono)),
                _ => break,
            }
        }
        self.jump_to(end);
        self.settle();
    }

    /// The held answer comes: the payment as it stands.
    pub(crate) fn let_go(&mut self) {
        let (request, call) = self.held.remove(0);
        let Call::Pay { order_number, .. } = &call else {
            panic!("{call:?} is held")
        };
        let answer = Ok(Reply::Payment(
            self.service.payment_of(order_number).unwrap(),
        ));
        self.event(Event::Answered { request, answer });
    }

    /// The connection of the held answer breaks.
    pub(crate) fn cut_held(&mut self) {
        let (request, _) = self.held.remove(0);
        let answer = Err(lost());
        self.event(Event::Answered { request, answer });
    }
}
