//! How the service behaves where services may differ. What is recorded of the real one is the default;
//! the rest stands for services that may exist as well.

use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The longest time that can be set.
const MAX_TIME: Duration = Duration::from_secs(24 * 3600);

/// When `POST payments` is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerWhen {
    /// At once, with status 0: the till asks for the end.
    Pending,
    /// At once, with a final status: the buyer decides in the same moment, as the script says.
    Final,
    /// When the buyer has decided, with the final status, as recorded.
    #[default]
    Held,
}

/// What a `sessionId` is in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionIds {
    /// An integer, as recorded.
    #[default]
    Integer,
    /// A text.
    String,
}

/// The behaviour of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// So long a session waits for its buyer; recorded are 57 to 63 s.
    pub session_life: Duration,
    /// When a payment is answered.
    pub answer: AnswerWhen,
    pub session_ids: SessionIds,
    /// Whether an order number that was used before is refused; recorded is that it is not.
    pub unique_numbers: bool,
    /// Two questions for one payment are not to be closer than this; recorded are 5 s.
    pub poll_payment: Duration,
    /// The same for one session. The service's own rule is unknown, 2 s are the till's.
    pub poll_session: Duration,
    /// Whether closer questions are answered with 429 instead of being counted only.
    pub rate_limit: bool,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            session_life: Duration::from_secs(60),
            answer: AnswerWhen::default(),
            session_ids: SessionIds::default(),
            unique_numbers: false,
            poll_payment: Duration::from_secs(5),
            poll_session: Duration::from_secs(2),
            rate_limit: false,
        }
    }
}

/// What the control API returns and takes; in a change, what is absent stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RulesBody {
    life_ms: Option<u64>,
    answer: Option<AnswerWhen>,
    session_ids: Option<SessionIds>,
    unique_numbers: Option<bool>,
    poll_payment_ms: Option<u64>,
    poll_session_ms: Option<u64>,
    rate_limit: Option<bool>,
}

impl Rules {
    /// The rules with the changes made.
    pub(super) fn changed(self, change: &RulesBody) -> Result<Rules, String> {
        let time = |ms: Option<u64>, present: Duration| match ms.map(Duration::from_millis) {
            Some(time) if time > MAX_TIME => Err("at most 24 hours".to_owned()),
            Some(time) => Ok(time),
            None => Ok(present),
        };
        Ok(Rules {
            session_life: time(change.life_ms, self.session_life)?,
            answer: change.answer.unwrap_or(self.answer),
            session_ids: change.session_ids.unwrap_or(self.session_ids),
            unique_numbers: change.unique_numbers.unwrap_or(self.unique_numbers),
            poll_payment: time(change.poll_payment_ms, self.poll_payment)?,
            poll_session: time(change.poll_session_ms, self.poll_session)?,
            rate_limit: change.rate_limit.unwrap_or(self.rate_limit),
        })
    }

    pub(super) fn body(self) -> RulesBody {
        let ms = |time: Duration| u64::try_from(time.as_millis()).ok();
        RulesBody {
            life_ms: ms(self.session_life),
            answer: Some(self.answer),
            session_ids: Some(self.session_ids),
            unique_numbers: Some(self.unique_numbers),
            poll_payment_ms: ms(self.poll_payment),
            poll_session_ms: ms(self.poll_session),
            rate_limit: Some(self.rate_limit),
        }
    }
}

/// Reads `60`, `60s` or `300ms`, at most 24 hours.
///
/// # Errors
/// What is allowed, for people.
pub fn time(text: &str) -> Result<Duration, String> {
    let number = |digits: &str| digits.trim().parse::<u64>().ok();
    let text = text.trim();
    let time = match text.strip_suffix("ms") {
        Some(digits) => number(digits).map(Duration::from_millis),
        None => number(text.strip_suffix('s').unwrap_or(text)).map(Duration::from_secs),
    };
    time.filter(|time| *time <= MAX_TIME)
        .ok_or_else(|| "a time is seconds, as 60 or 60s, or 300ms, at most 24 hours".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_or_refused() {
        for (text, ms) in [("60", 60_000), ("60s", 60_000), ("300ms", 300), ("0", 0)] {
            assert_eq!(time(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "s", "-1", "1.5", "1m", "86401", "99999999999999999999"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_change_leaves_the_rest_as_it_is() {
        let read = |text: &str| serde_json::from_str::<RulesBody>(text).unwrap();
        let changed = Rules::default()
            .changed(&read(r#"{"life_ms": 3000, "answer": "pending"}"#))
            .unwrap();
        assert_eq!(changed.session_life, Duration::from_secs(3));
        assert_eq!(changed.answer, AnswerWhen::Pending);
        assert_eq!(changed.poll_payment, Rules::default().poll_payment);
        assert_eq!(Rules::default().changed(&changed.body()), Ok(changed));
        assert!(
            Rules::default()
                .changed(&read(r#"{"life_ms": 86400001}"#))
                .is_err()
        );
        assert!(serde_json::from_str::<RulesBody>(r#"{"life": 3}"#).is_err());
    }
}
