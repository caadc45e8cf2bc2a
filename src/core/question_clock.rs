//! When the service may be asked again: the one place that keeps the clock of every payment and every
//! session.
//!
//! The service's rule is one question for the status of a payment in 5 seconds; for sessions none is
//! known, and its own module asks every 3 seconds (recorded). Whoever wants to ask, the sale, an entry of
//! the queue or a look-up of an order number, asks here first, so that an abort or a look-up cannot
//! come between two polls.
//!
//! Two designs were weighed. Counting from question to question keeps the pace exact on this side, but
//! what the service sees is the distance of two arrivals, and a slow question before a quick one arrives
//! closer than it left. Counting from the end of a question to the next costs one round trip for each
//! and keeps the rule wherever the time was lost; it wins. A question that provably never left does not
//! count. A restart forgets what was asked, at most one pause for each payment.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::core::call::{Answer, Failure};
use crate::core::event::RequestId;

/// Longest wait after a 429 without `Retry-After`; the first is a payment's pause, and they double.
const MAX_HOLD_OFF: Duration = Duration::from_secs(60);
/// Longest `Retry-After` that is obeyed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// Whose status is asked for. `Debug` shows no session: its number is as good as a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A payment or a reversal, by its order number.
    Order(String),
    /// A payment of another till, of which only the service's number is known.
    Payment(i64),
    /// A session with a buyer.
    Session(String),
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Order(number) => write!(f, "Order {number}"),
            Subject::Payment(payment_id) => write!(f, "Payment {payment_id}"),
            Subject::Session(_) => f.write_str("Session"),
        }
    }
}

/// The clock of every payment and session that was asked for lately.
#[derive(Debug)]
pub(super) struct QuestionClock {
    payment_pause: Duration,
    session_pause: Duration,
    /// A question that takes longer than this keeps nobody from asking again.
    max_question: Duration,
    /// When each may be asked for again. What is in the past is forgotten.
    free_at: BTreeMap<Subject, Duration>,
    /// Whom each is for, and when it left.
    under_way: BTreeMap<RequestId, (Vec<Subject>, Duration)>,
    /// The service has asked for patience until then.
    held_off_until: Duration,
    hold_off: Duration,
}

impl QuestionClock {
    /// A clock that knows of no question. `payment_pause` is `pollPayment`, `session_pause`
    /// `pollSession`, `max_question` how long one HTTP request may take.
    pub(super) fn new(
        payment_pause: Duration,
        session_pause: Duration,
        max_question: Duration,
    ) -> QuestionClock {
        QuestionClock {
            payment_pause,
            session_pause,
            max_question,
            free_at: BTreeMap::new(),
            under_way: BTreeMap::new(),
            held_off_until: Duration::ZERO,
            hold_off: payment_pause,
        }
    }

    fn pause(&self, subject: &Subject) -> Duration {
        match subject {
            Subject::Session(_) => self.session_pause,
            Subject::Order(_) | Subject::Payment(_) => self.payment_pause,
        }
    }

    /// The first moment at which a question for all of `subjects` may leave. One that is under way is
    /// waited for, but not without end: a look-up of several reports may hang for minutes.
    pub(super) fn free_at(&self, subjects: &[Subject]) -> Duration {
        let rested = subjects.iter().filter_map(|one| self.free_at.get(one));
        let asked = subjects.iter().flat_map(|one| {
            let of = self.under_way.values();
            let of = of.filter(move |(asked, _)| asked.contains(one));
            of.map(move |(_, asked_at)| *asked_at + self.max_question + self.pause(one))
        });
        asked
            .chain(rested.copied())
            .fold(self.held_off_until, Duration::max)
    }

    /// Until when nothing may be asked, because the service has answered 429.
    pub(super) fn held_off_until(&self, now: Duration) -> Option<Duration> {
        Some(self.held_off_until).filter(|until| *until > now)
    }

    /// How long that is from now on.
    pub(super) fn held_off_for(&self, now: Duration) -> Option<Duration> {
        self.held_off_until(now).map(|until| until - now)
    }

    /// The question leaves.
    pub(super) fn asked(&mut self, request: RequestId, subjects: Vec<Subject>, now: Duration) {
        self.under_way.insert(request, (subjects, now));
    }

    /// A request ended; of one that was no question nothing is noted but the service's plea for
    /// patience.
    pub(super) fn ended(&mut self, request: RequestId, answer: &Answer, now: Duration) {
        match answer {
            Err(Failure::TooManyRequests { retry_after, .. }) => {
                let wait = retry_after.unwrap_or(self.hold_off).min(MAX_RETRY_AFTER);
                self.held_off_until = self.held_off_until.max(now + wait);
                self.hold_off = (self.hold_off * 2).min(MAX_HOLD_OFF);
            }
            Ok(_) => self.hold_off = self.payment_pause,
            Err(_) => {}
        }
        self.free_at.retain(|_, at| *at > now);
        let Some((subjects, _)) = self.under_way.remove(&request) else {
            return;
        };
        if matches!(answer, Err(Failure::NotSent { .. })) {
            return;
        }
        for subject in subjects {
            let pause = self.pause(&subject);
            self.free_at.insert(subject, now + pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::call::Reply;

    const SECOND: Duration = Duration::from_secs(1);

    fn clock() -> QuestionClock {
        QuestionClock::new(5 * SECOND, 2 * SECOND, 10 * SECOND)
    }

    fn order(number: &str) -> Vec<Subject> {
        vec![Subject::Order(number.to_owned())]
    }

    fn too_many(retry_after: Option<Duration>) -> Answer {
        Err(Failure::TooManyRequests {
            retry_after,
            detail: "HTTP 429".into(),
        })
    }

    #[test]
    fn a_payment_rests_from_the_end_of_one_question_to_the_next() {
        let mut clock = clock();
        assert_eq!(clock.free_at(&order("a")), Duration::ZERO);
        clock.asked(1, order("a"), SECOND);
        assert_eq!(
            clock.free_at(&order("a")),
            16 * SECOND,
            "one that is under way is waited for, but not without end"
        );
        assert_eq!(clock.free_at(&order("b")), Duration::ZERO);
        clock.ended(1, &Ok(Reply::Alive), 3 * SECOND);
        assert_eq!(clock.free_at(&order("a")), 8 * SECOND);
        let session = vec![Subject::Session("s".into())];
        clock.asked(2, session.clone(), 3 * SECOND);
        clock.ended(2, &Ok(Reply::Alive), 4 * SECOND);
        assert_eq!(clock.free_at(&session), 6 * SECOND);
    }

    #[test]
    fn what_never_left_counts_for_nothing() {
        let mut clock = clock();
        let refused = Err(Failure::NotSent {
            detail: "refused".into(),
        });
        clock.asked(1, order("a"), Duration::ZERO);
        clock.ended(1, &Ok(Reply::Alive), SECOND);
        clock.asked(2, order("a"), 6 * SECOND);
        clock.ended(2, &refused, 6 * SECOND);
        assert_eq!(clock.free_at(&order("a")), Duration::ZERO);
    }

    #[test]
    fn patience_that_the_service_asks_for_holds_for_every_question() {
        let mut clock = clock();
        clock.ended(1, &too_many(Some(30 * SECOND)), SECOND);
        assert_eq!(clock.free_at(&order("a")), 31 * SECOND);
        clock.ended(2, &too_many(Some(3600 * SECOND)), SECOND);
        assert_eq!(clock.free_at(&[]), 601 * SECOND, "within reason");
    }

    #[test]
    fn without_a_time_the_patience_doubles_until_an_answer_comes() {
        let mut clock = clock();
        let mut now = Duration::ZERO;
        for wait in [5, 10, 20, 40, 60, 60] {
            clock.ended(1, &too_many(None), now);
            now += wait * SECOND;
            assert_eq!(clock.free_at(&[]), now);
        }
        clock.ended(1, &Ok(Reply::Alive), now);
        clock.ended(1, &too_many(None), now);
        assert_eq!(clock.free_at(&[]), now + 5 * SECOND);
    }

    #[test]
    fn what_was_asked_long_ago_is_forgotten() {
        let mut clock = clock();
        for number in 0..1000 {
            let now = SECOND * u32::try_from(number).unwrap();
            clock.asked(number, order(&number.to_string()), now);
            clock.ended(
                number,
                &Ok(Reply::Alive),
                SECOND * u32::try_from(number).unwrap(),
            );
        }
        assert!(clock.free_at.len() <= 6, "{}", clock.free_at.len());
    }
}
