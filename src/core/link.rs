//! What is known of the way to the service: whether it answers, whether it takes the token, what time it has, and
//! when it may be asked again.

use std::time::Duration;

use crate::base::clock::{Now, ServiceClock};
use crate::core::call::{Answer, Failure, TokenProblem};
use crate::core::event::{RequestId, Settings};
use crate::core::question_clock::{QuestionClock, Subject};
use crate::model::operation::ErrorCode;
use crate::model::problem::Problem;

/// A probe that is older is not waited for any more: another one is sent.
const MAX_PROBE_AGE: Duration = Duration::from_secs(5);

/// The way to the service. See the module's documentation.
#[derive(Debug)]
pub(super) struct Link {
    questions: QuestionClock,
    timeout: Duration,
    down: Option<ErrorCode>,
    /// The probe of an admission that is under way, and when it left.
    probe: Option<(RequestId, Duration)>,
    token_problem: Option<TokenProblem>,
    clock: Option<ServiceClock>,
    /// A valid answer has come in this process.
    has_answered: bool,
}

/// What the end of a request shows of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contact {
    /// Nothing came, or a plea for patience.
    None,
    /// The service has answered.
    Answered,
    /// The service has answered again.
    BackAgain,
}

impl Link {
    pub(super) fn new(settings: &Settings) -> Link {
        Link {
            questions: QuestionClock::new(
                settings.poll_payment,
                settings.poll_session,
                settings.timeout,
            ),
            timeout: settings.timeout,
            down: None,
            probe: None,
            token_problem: None,
            clock: None,
            has_answered: false,
        }
    }

    /// A request has ended. "Down […] ends with any valid answer."
    pub(super) fn ended(&mut self, request: RequestId, answer: &Answer, now: Duration) -> Contact {
        self.questions.ended(request, answer, now);
        self.probe.take_if(|(probe, _)| *probe == request);
        match answer {
            Err(
                Failure::NotSent { .. } | Failure::Lost { .. } | Failure::TooManyRequests { .. },
            ) => return Contact::None,
            Err(Failure::Token { problem, .. }) => self.token_problem = Some(*problem),
            Err(Failure::Refused { .. } | Failure::SessionOver { .. }) => {}
            Ok(_) => self.token_problem = None,
        }
        self.answered()
    }

    /// A valid answer has come, to a request of the core's or to another one.
    pub(super) fn answered(&mut self) -> Contact {
        self.has_answered = true;
        if self.down.take().is_some() {
            Contact::BackAgain
        } else {
            Contact::Answered
        }
    }

    /// "Down begins with a `no_connection`", or with an answer that is none of the service's.
    pub(super) fn went_down(&mut self, code: ErrorCode) {
        self.down = Some(code);
    }

    /// Why nothing is begun without a probe, if the service was not there at last.
    pub(super) fn down(&self) -> Option<ErrorCode> {
        self.down
    }

    /// An admission's probe leaves.
    pub(super) fn probe_left(&mut self, request: RequestId, now: Duration) {
        self.probe = Some((request, now));
    }

    /// The probe of an admission that is under way, and whose answer may still be waited for. It counts however late;
    /// but one that hangs must not keep others from asking.
    pub(super) fn probe(&self, now: Duration) -> Option<RequestId> {
        let (request, left_at) = self.probe?;
        (now.saturating_sub(left_at) < MAX_PROBE_AGE).then_some(request)
    }

    /// What keeps the service from taking the token, by its last answer.
    pub(super) fn token_problem(&self) -> Option<TokenProblem> {
        self.token_problem
    }

    pub(super) fn note_clock(&mut self, clock: ServiceClock) {
        self.clock = Some(clock);
    }

    pub(super) fn clock(&self) -> Option<ServiceClock> {
        self.clock
    }

    /// Whether a valid answer has come in this process.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Whether the service has the same time as the till.
    pub(super) fn confirms_clock(&self, now: Now) -> bool {
        self.clock.is_some_and(|clock| clock.confirms(now))
    }

    /// A question for the status of `subjects` leaves.
    pub(super) fn asked(&mut self, request: RequestId, subjects: Vec<Subject>, now: Duration) {
        self.questions.asked(request, subjects, now);
    }

    /// The first moment at which a question for all of `subjects` may leave; without any, at which anything may.
    pub(super) fn free_at(&self, subjects: &[Subject]) -> Duration {
        self.questions.free_at(subjects)
    }

    /// Until when nothing may be asked, because the service has answered 429.
    pub(super) fn held_off_until(&self, now: Duration) -> Option<Duration> {
        self.questions.held_off_until(now)
    }

    /// Whether the service has asked for more patience than a sale or a refund may wait before its first request:
    /// no answer is "within `timeout`" then.
    pub(super) fn is_held_off_for_long(&self, now: Duration) -> bool {
        let wait = self.questions.held_off_for(now);
        wait.is_some_and(|wait| wait >= self.timeout)
    }

    /// Nothing can be begun now, and why: the service has asked for patience, or is not there.
    pub(super) fn unavailable(&self, now: Duration) -> Problem {
        let wait = self.questions.held_off_for(now);
        wait.map_or_else(
            Problem::temporarily_unavailable,
            Problem::service_asks_to_wait,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::call::{Received, Reply};
    use crate::model::problem::Code;

    const SECOND: Duration = Duration::from_secs(1);

    fn link() -> Link {
        Link {
            questions: QuestionClock::new(SECOND, SECOND, 10 * SECOND),
            timeout: 10 * SECOND,
            down: None,
            probe: None,
            token_problem: None,
            clock: None,
            has_answered: false,
        }
    }

    fn lost() -> Answer {
        Err(Failure::Lost {
            detail: "reset".into(),
            received: Received::Nothing,
        })
    }

    fn token_refused() -> Answer {
        Err(Failure::Token {
            problem: TokenProblem::Needed,
            detail: "reset".into(),
        })
    }

    #[test]
    fn an_outage_ends_with_any_answer_of_the_service() {
        for answer in [Ok(Reply::Alive), token_refused()] {
            let mut link = link();
            assert_eq!(link.ended(1, &answer, SECOND), Contact::Answered);
            link.went_down(ErrorCode::NoConnection);
            assert_eq!(link.ended(2, &lost(), SECOND), Contact::None);
            assert_eq!(link.down(), Some(ErrorCode::NoConnection));
            assert_eq!(link.ended(3, &answer, SECOND), Contact::BackAgain);
            assert_eq!(link.down(), None);
        }
    }

    #[test]
    fn a_token_problem_stays_until_the_token_is_taken() {
        let mut link = link();
        let refused = Err(Failure::Refused {
            message: None,
            detail: "no".into(),
        });
        link.ended(1, &token_refused(), SECOND);
        for answer in [lost(), refused] {
            link.ended(2, &answer, SECOND);
            assert_eq!(link.token_problem(), Some(TokenProblem::Needed));
        }
        link.ended(3, &Ok(Reply::Alive), SECOND);
        assert_eq!(link.token_problem(), None);
    }

    #[test]
    fn a_plea_for_patience_is_long_when_a_sale_may_not_wait_for_it() {
        let mut link = link();
        let busy = |retry_after| {
            Err(Failure::TooManyRequests {
                retry_after: Some(retry_after),
                detail: "429".into(),
            })
        };
        assert_eq!(link.unavailable(SECOND).code, Code::TemporarilyUnavailable);
        for (wait, is_long) in [(9, false), (10, true)] {
            assert_eq!(link.ended(1, &busy(wait * SECOND), SECOND), Contact::None);
            assert_eq!(link.held_off_until(SECOND), Some((wait + 1) * SECOND));
            assert_eq!(link.is_held_off_for_long(SECOND), is_long, "{wait} s");
        }
    }
}
