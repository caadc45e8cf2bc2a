//! When a person who acts is asked for.
//!
//! The service allows one question for a payment in `pollPayment` seconds (`question_clock` keeps
//! it), so only one choice is left: when the first question leaves; every later one follows as soon as
//! it may. What each schedule of that rate costs was computed for 100 000 buyers: log-normal, σ 0.6,
//! from the existence of the payment until the confirmation, with a median of 12 s (who confirms
//! without having joined before), of 6 s and 3.6 s (who have joined before, and hold the phone in
//! their hands), and of 40 s (the slow ones). Median and mean of the delay from the confirmation to its
//! answer in seconds, and questions for one sale, at a pause of 5 s and a round trip of 60 ms; the test
//! below computes them and fails when another schedule becomes the best:
//!
//! | first question, then each | 12 s | 6 s | 3.6 s | 40 s |
//! |---|---|---|---|---|
//! | at once, 5 s | 2.55 2.56 4.3 | 2.39 2.46 2.9 | 2.53 2.50 2.3 | 2.56 2.56 11.0 |
//! | after 2.5 s, 5 s | 2.57 2.56 3.8 | 2.75 2.65 2.4 | 2.66 2.56 1.9 | 2.56 2.56 10.5 |
//! | after 3.5 s, 5 s | 2.59 2.57 3.6 | 2.54 2.55 2.2 | 1.99 2.31 1.6 | 2.56 2.56 10.3 |
//! | **after 4 s, 5 s** | **2.58 2.57 3.5** | **2.41 2.50 2.1** | **2.09 2.29 1.5** | **2.56 2.56 10.2** |
//! | after 5 s, 5 s | 2.55 2.56 3.3 | 2.38 2.46 1.9 | 2.49 2.48 1.3 | 2.56 2.56 10.0 |
//! | after 7.5 s, 5 s | 2.59 2.58 2.9 | 3.10 3.01 1.5 | 4.16 3.93 1.1 | 2.56 2.56 9.5 |
//! | after 5 s, 7 s | 3.63 3.59 2.8 | 3.02 3.34 1.8 | 2.67 2.96 1.3 | 3.56 3.56 7.6 |
//! | after 5 s, 5 s growing by half | 3.76 4.55 2.9 | 2.57 2.94 1.8 | 2.52 2.59 1.3 | 9.39 12.33 5.2 |
//!
//! Nearly all of the delay is half a pause, and no trick with other calls gets round the rule. What the
//! first question can save is the buyer who is quick: 4 s after the payment exists is best over the four
//! kinds of buyers together, and one question less than at once. With other pauses the best moment
//! moves less than they do (10 s: 6.5 s, 20 s: 9 s, 60 s: 15 s), see [`first_question_after`].
//!
//! After a question that never left the next follows within a second, since the line may be back.

use std::time::Duration;

use crate::core::call::Failure;

/// From a question that failed to the next, if the clock of questions allows it.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The longest wait for the first question, however long the pause between questions is.
const MAX_FIRST_QUESTION_DELAY: Duration = Duration::from_secs(15);

/// How long after a payment exists its status is asked for first; `pause` is `pollPayment`.
#[must_use]
pub fn first_question_after(pause: Duration) -> Duration {
    let five = Duration::from_secs(5);
    let delay = if pause <= five {
        pause * 4 / 5
    } else {
        five * 4 / 5 + (pause - five) * 2 / 5
    };
    delay.min(MAX_FIRST_QUESTION_DELAY)
}

/// Questions of one wait for a person.
#[derive(Clone, Debug)]
pub struct Poll {
    /// When to ask next; the clock of questions may put it later.
    pub next_at: Duration,
    /// The first of the failures in a row.
    pub failing_since: Option<Duration>,
}

impl Poll {
    /// A wait whose first question leaves at `first_at`.
    #[must_use]
    pub fn begin(first_at: Duration) -> Poll {
        Poll {
            next_at: first_at,
            failing_since: None,
        }
    }

    /// An answer came: the next question follows as soon as it may.
    pub fn answered(&mut self, now: Duration) {
        self.failing_since = None;
        self.next_at = now;
    }

    /// No usable answer came. A plea for patience is no failure, and ends those before it: the service lives, and
    /// states when it may be asked again.
    pub fn failed(&mut self, failure: Option<&Failure>, now: Duration) {
        if matches!(failure, Some(Failure::TooManyRequests { .. })) {
            return self.answered(now);
        }
        self.failing_since.get_or_insert(now);
        self.next_at = now + RETRY_INTERVAL;
    }

    /// When the wait is given up, if no question is answered until then: `patience` after the first
    /// failure in a row, even while a question is under way.
    #[must_use]
    pub fn gives_up_at(&self, patience: Duration) -> Option<Duration> {
        self.failing_since.map(|since| since + patience)
    }

    /// Whether every question has failed for `patience`.
    #[must_use]
    pub fn has_failed(&self, patience: Duration, now: Duration) -> bool {
        self.gives_up_at(patience).is_some_and(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::float_arithmetic,
        reason = "statistics of human reaction times, no money"
    )]
    use super::*;
    use crate::core::call::Received;

    const BUYERS: u32 = 100_000;
    const RTT: f64 = 0.06;

    /// Seconds that buyers take: quantiles of the log-normal law with σ 0.6, shortest first.
    fn buyers(median: f64) -> Vec<f64> {
        // Φ, by its series, good to 1e-9 within ±5.
        fn phi(x: f64) -> f64 {
            let (mut term, mut sum) = (x, x);
            for n in 1..120 {
                term *= x * x / f64::from(2 * n + 1);
                sum += term;
            }
            0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
        }
        // Walks along the law once instead of inverting it for each buyer.
        let (mut x, mut quantiles) = (-5.0, Vec::new());
        let (mut below, step) = (phi(x), 1e-3);
        for n in 0..BUYERS {
            let wanted = (f64::from(n) + 0.5) / f64::from(BUYERS);
            while below < wanted && x < 5.0 {
                x += step;
                below = phi(x);
            }
            quantiles.push(median * (0.6 * x).exp());
        }
        quantiles
    }

    /// First question, distance of the next, and by what the distance grows each time.
    #[derive(Clone, Copy, Debug)]
    struct Schedule(f64, f64, f64);

    const CHOSEN: Schedule = Schedule(4.0, 5.0, 1.0);
    const OTHERS: [Schedule; 12] = [
        Schedule(0.0, 5.0, 1.0),
        Schedule(1.0, 5.0, 1.0),
        Schedule(2.5, 5.0, 1.0),
        Schedule(3.0, 5.0, 1.0),
        Schedule(3.5, 5.0, 1.0),
        Schedule(4.5, 5.0, 1.0),
        Schedule(5.0, 5.0, 1.0),
        Schedule(6.0, 5.0, 1.0),
        Schedule(7.5, 5.0, 1.0),
        Schedule(10.0, 5.0, 1.0),
        Schedule(5.0, 7.0, 1.0),
        Schedule(5.0, 5.0, 1.5),
    ];

    /// Median and mean delay, and mean number of questions.
    fn cost(schedule: Schedule, buyers: &[f64]) -> (f64, f64, f64) {
        let Schedule(first, pause, growth) = schedule;
        let mut questions = 0_u32;
        let mut delays: Vec<f64> = buyers
            .iter()
            .map(|confirms| {
                // The service looks half a round trip after the question left.
                let (mut asked, mut next) = (first, pause);
                questions += 1;
                while asked + RTT / 2.0 < *confirms {
                    asked += next + RTT;
                    next *= growth;
                    questions += 1;
                }
                asked + RTT - confirms
            })
            .collect();
        let count = f64::from(BUYERS);
        let mean = delays.iter().sum::<f64>() / count;
        delays.sort_by(f64::total_cmp);
        (delays[delays.len() / 2], mean, f64::from(questions) / count)
    }

    #[test]
    fn no_schedule_of_the_allowed_rate_is_better() {
        let laws = [12.0, 6.0, 3.6, 40.0].map(buyers);
        let costs = |schedule: Schedule| laws.each_ref().map(|law| cost(schedule, law));
        let print = |schedule: Schedule| {
            let costs = costs(schedule)
                .map(|(median, mean, questions)| format!("{median:.2} {mean:.2} {questions:.1}"));
            println!("{schedule:?}: {}", costs.join(" | "));
        };
        // The sum of the mean delays of all four kinds of buyers, who count alike.
        let delay = |schedule| costs(schedule).iter().map(|cost| cost.1).sum::<f64>();
        print(CHOSEN);
        let chosen = delay(CHOSEN);
        for other in OTHERS {
            print(other);
            let better = chosen - delay(other);
            assert!(better <= 0.0, "{other:?} is better by {better:.3} s in sum");
        }
        let pause = Duration::from_secs(5);
        assert!((first_question_after(pause).as_secs_f64() - CHOSEN.0).abs() < 1e-9);
        let (median, _, _) = cost(CHOSEN, &laws[0]);
        assert!((2.4..2.7).contains(&median), "{median}");
    }

    #[test]
    fn a_failure_is_followed_by_the_next_question_within_a_second() {
        let second = Duration::from_secs(1);
        let lost = Failure::Lost {
            detail: "reset".into(),
            received: Received::Nothing,
        };
        let mut poll = Poll::begin(second);
        poll.failed(Some(&lost), 10 * second);
        assert_eq!(poll.next_at, 11 * second);
        poll.failed(None, 12 * second);
        assert!(!poll.has_failed(10 * second, 19 * second));
        assert!(poll.has_failed(10 * second, 20 * second));
        poll.answered(21 * second);
        assert_eq!((poll.next_at, poll.failing_since), (21 * second, None));
    }

    #[test]
    fn a_plea_for_patience_is_no_failure() {
        let second = Duration::from_secs(1);
        let mut poll = Poll::begin(second);
        poll.failed(None, 9 * second);
        let patience = Failure::TooManyRequests {
            retry_after: None,
            detail: "HTTP 429".into(),
        };
        poll.failed(Some(&patience), 10 * second);
        assert!(!poll.has_failed(10 * second, 100 * second));
    }
}
