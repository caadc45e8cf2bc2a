//! How often the service is asked while a person acts.
//!
//! Two designs were weighed. A fixed interval is simple, but the interval that feels prompt (half a
//! second) asks 360 times in three minutes, and the one that is cheap (two seconds) keeps every
//! buyer waiting a second at the counter. A schedule that follows the buyer wins: nobody confirms in
//! the first seconds (the phone has to show the request first), most do between 5 and 20 s, and
//! the few who take longer have lost their phone, so another second does not matter to them.
//!
//! | since the wait began | interval |
//! |---|---|
//! | under 5 s | 1.5 s |
//! | 5 s to 20 s | 0.38 s |
//! | 20 s to 40 s | 0.9 s |
//! | 40 s to 60 s | 1.5 s |
//! | later | 2 s |
//!
//! Intervals run from question to question, so that a slow line does not slow the schedule. For
//! buyers with a median of 12 s, log-normal with σ 0.6, on a line of 30 ms, the confirmation is seen
//! 0.27 s after it in the median, with 24 requests on average (the test below computes both). A sale has
//! one request for each second of `waitBuyer` at most, however its waits are cut: the interval
//! stretches once the rest of the budget would not last at the slowest pace.
//!
//! After a failed poll the next follows within a second, since the buyer may be confirming just now.

use std::time::Duration;

/// The interval at the end of the schedule.
const SLOWEST: Duration = Duration::from_secs(2);
/// Between an answer and the next question, however slow the line.
const LEAST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause after a failed poll.
const AFTER_FAILURE: Duration = Duration::from_millis(800);

/// The pause before the next poll, `waited` after the wait began.
#[must_use]
pub fn interval(waited: Duration) -> Duration {
    let millis = match waited.as_millis() {
        0..5_000 => 1_500,
        5_000..20_000 => 380,
        20_000..40_000 => 900,
        40_000..60_000 => 1_500,
        _ => return SLOWEST,
    };
    Duration::from_millis(millis)
}

/// Polls of one wait for the buyer.
#[derive(Clone, Debug)]
pub struct Poll {
    began: Duration,
    asked_at: Duration,
    /// When to ask next.
    pub next_at: Duration,
    /// The first of the failures in a row.
    pub failing_since: Option<Duration>,
}

impl Poll {
    /// A wait that begins now; the first question follows at once after the first interval.
    #[must_use]
    pub fn begin(now: Duration) -> Poll {
        Poll {
            began: now,
            asked_at: now,
            next_at: now + interval(Duration::ZERO),
            failing_since: None,
        }
    }

    /// A wait whose first question is due at once: the buyer has acted already.
    #[must_use]
    pub fn begin_now(now: Duration) -> Poll {
        Poll {
            next_at: now,
            ..Poll::begin(now)
        }
    }

    /// The question leaves.
    pub fn asked(&mut self, now: Duration) {
        self.asked_at = now;
    }

    /// An answer came: plan the next question. `left` is the time until the deadline, `budget` the
    /// number of requests that the sale may still make until then.
    pub fn answered(&mut self, now: Duration, left: Duration, budget: u32) {
        self.failing_since = None;
        let scarce = left > SLOWEST * budget;
        let stretched = if scarce {
            left / budget.max(1)
        } else {
            Duration::ZERO
        };
        let pause = interval(self.asked_at.saturating_sub(self.began)).max(stretched);
        self.next_at = (self.asked_at + pause).max(now + LEAST_PAUSE);
    }

    /// No usable answer came.
    pub fn failed(&mut self, now: Duration) {
        self.failing_since.get_or_insert(now);
        self.next_at = now + AFTER_FAILURE;
    }

    /// How long every poll has failed.
    #[must_use]
    pub fn failing_for(&self, now: Duration) -> Duration {
        self.failing_since
            .map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::float_arithmetic,
        reason = "statistics of human reaction times, no money"
    )]
    use super::*;

    /// Seconds that simulated buyers take: quantiles of the log-normal law, median 12 s, σ 0.6.
    fn buyers() -> Vec<f64> {
        // Inverts the normal law by bisection over its series, good to 1e-9.
        fn phi(x: f64) -> f64 {
            let (mut term, mut sum) = (x, x);
            for n in 1..120 {
                term *= x * x / f64::from(2 * n + 1);
                sum += term;
            }
            0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
        }
        (0..2000)
            .map(|n| {
                let (wanted, mut low, mut high) = ((f64::from(n) + 0.5) / 2000.0, -5.0, 5.0);
                for _ in 0..60 {
                    let middle = f64::midpoint(low, high);
                    if phi(middle) < wanted {
                        low = middle
                    } else {
                        high = middle
                    }
                }
                12.0 * (0.6 * low).exp()
            })
            .collect()
    }

    /// Of one poll on a shop's line.
    const ROUND_TRIP: Duration = Duration::from_millis(30);

    /// Requests made and delay until the confirmation is seen; each request takes `rtt`.
    fn play(confirmed_after: Duration, rtt: Duration) -> (u32, Duration) {
        let wait = Duration::from_secs(180);
        let mut poll = Poll::begin(Duration::ZERO);
        let mut requests = 0;
        while poll.next_at < wait {
            let asked = poll.next_at;
            requests += 1;
            if asked >= confirmed_after {
                return (requests, asked + rtt - confirmed_after);
            }
            poll.asked(asked);
            poll.answered(asked + rtt, wait.saturating_sub(asked), 180 - requests);
        }
        (requests, Duration::ZERO)
    }

    #[test]
    fn most_buyers_wait_less_than_a_third_of_a_second() {
        let played: Vec<_> = buyers()
            .into_iter()
            .map(|s| play(Duration::from_secs_f64(s), ROUND_TRIP))
            .collect();
        let mut delays: Vec<_> = played.iter().map(|(_, delay)| *delay).collect();
        delays.sort();
        let median = delays[delays.len() / 2];
        let mean = f64::from(played.iter().map(|(requests, _)| requests).sum::<u32>()) / 2000.0;
        assert!(
            median <= Duration::from_millis(300),
            "the median delay is {median:?}"
        );
        assert!(mean <= 25.0, "{mean} requests on average");
    }

    #[test]
    fn three_silent_minutes_stay_within_the_budget() {
        let (requests, _) = play(Duration::from_secs(999), Duration::ZERO);
        assert!(requests <= 180, "{requests} requests");
    }

    #[test]
    fn the_interval_stretches_when_the_budget_runs_low() {
        let mut poll = Poll::begin(Duration::ZERO);
        poll.asked(Duration::from_secs(5));
        poll.answered(Duration::from_secs(5), Duration::from_secs(100), 20);
        assert_eq!(poll.next_at, Duration::from_secs(10));
    }

    #[test]
    fn after_a_failure_the_next_poll_follows_within_a_second() {
        let mut poll = Poll::begin(Duration::ZERO);
        poll.failed(Duration::from_secs(100));
        assert!(poll.next_at <= Duration::from_secs(101));
        poll.failed(Duration::from_secs(102));
        assert_eq!(
            poll.failing_for(Duration::from_secs(110)),
            Duration::from_secs(10)
        );
        poll.answered(Duration::from_secs(111), Duration::from_secs(60), 60);
        assert_eq!(poll.failing_for(Duration::from_secs(120)), Duration::ZERO);
    }
}
