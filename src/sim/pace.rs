//! How closely a till asks: questions that come closer than the service allows are violations. They are
//! reported on standard error when they happen and listed in the state.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;

/// A question that comes so much too early is in time: the network is not exact.
const TOLERANCE: Duration = Duration::from_millis(50);

/// Violations that the state lists, the newest ones.
const MAX_LISTED: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    /// `GET payments/{id}` of that payment.
    Payment(i64),
    /// `GET consumerStatus` of the session with that serial number.
    Session(u64),
}

/// One question that came too early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Violation {
    /// `payment` or `consumer_status`.
    call: &'static str,
    /// The payment's number, or the session's serial number in the order of opening.
    of: String,
    /// When, since the simulator's start.
    at_ms: u128,
    /// Since the question before.
    after_ms: u128,
    /// What is allowed.
    least_ms: u128,
}

/// The newest question for each payment and session, and what came too early.
#[derive(Debug, Default)]
pub(super) struct Pace {
    newest: BTreeMap<Asked, Duration>,
    pub violations: VecDeque<Violation>,
}

impl Pace {
    /// Takes a question that came at `at`; answers how long it came too early.
    ///
    /// An early one counts as the newest, unless it is `turned_away`.
    pub(super) fn ask(
        &mut self,
        asked: Asked,
        least: Duration,
        at: Duration,
        turned_away: bool,
    ) -> Option<Duration> {
        let after = self
            .newest
            .get(&asked)
            .map(|newest| at.saturating_sub(*newest));
        let early = after.filter(|after| *after + TOLERANCE < least);
        if early.is_none() || !turned_away {
            self.newest.insert(asked.clone(), at);
        }
        let after = early?;
        let (call, of) = match asked {
            Asked::Payment(id) => ("payment", id.to_string()),
            Asked::Session(number) => ("consumer_status", number.to_string()),
        };
        let violation = Violation {
            call,
            of,
            at_ms: at.as_millis(),
            after_ms: after.as_millis(),
            least_ms: least.as_millis(),
        };
        tracing::warn!(
            call = violation.call, of = %violation.of, after_ms = violation.after_ms,
            least_ms = violation.least_ms, "Violation: asked again too early"
        );
        if self.violations.len() == MAX_LISTED {
            self.violations.pop_front();
        }
        self.violations.push_back(violation);
        Some(least - after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn closer_questions_are_violations_and_a_hairs_breadth_is_not() {
        let mut pace = Pace::default();
        let mut ask = |asked, at| pace.ask(asked, ms(5000), ms(at), false);
        assert_eq!(ask(Asked::Payment(1), 0), None);
        assert_eq!(ask(Asked::Payment(2), 10), None, "another payment");
        assert_eq!(ask(Asked::Session(1), 10), None, "a session of that number");
        assert_eq!(ask(Asked::Payment(1), 4950), None, "the tolerance");
        assert_eq!(ask(Asked::Payment(1), 9000), Some(ms(950)));
        assert_eq!(ask(Asked::Payment(1), 14_000), None);
        let listed = serde_json::to_value(&pace.violations).unwrap();
        let expected = serde_json::json!([{"call": "payment", "of": "1", "at_ms": 9000, "after_ms": 4050, "least_ms": 5000}]);
        assert_eq!(listed, expected);
    }

    #[test]
    fn what_is_turned_away_does_not_count_as_asked() {
        let mut pace = Pace::default();
        let mut ask = |at| pace.ask(Asked::Payment(1), ms(5000), ms(at), true);
        assert_eq!(ask(0), None);
        assert_eq!(ask(4000), Some(ms(1000)));
        assert_eq!(ask(5000), None);
    }

    #[test]
    fn no_rule_has_no_violations() {
        let mut pace = Pace::default();
        let mut ask = |at| pace.ask(Asked::Payment(1), Duration::ZERO, ms(at), false);
        assert_eq!((ask(0), ask(0), ask(1)), (None, None, None));
    }
}
