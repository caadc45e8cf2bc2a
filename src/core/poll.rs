//! How often the service is asked while a person acts.
//!
//! Two designs were weighed. A fixed interval is simple, but the interval that feels prompt (half a
//! second) asks 360 times in three minutes, and the one that is cheap (two seconds) keeps every
//! buyer waiting a second at the counter. A schedule that follows the buyer wins: nobody confirms in
//! the first seconds (the phone has to show the request first), most do between 9 and 21 s, and
//! the few who take longer have lost their phone, so another second does not matter to them.
//!
//! | since the buyer was invited | until the buyer joins | until the buyer confirms |
//! |---|---|---|
//! | under 1.5 s | 1.5 s | 1.5 s |
//! | 1.5 s to 4 s | 1.5 s | 2.5 s |
//! | 4 s to 9 s | 1.5 s | 1 s |
//! | 9 s to 20 or 21 s | 1.5 s | 0.28 s |
//! | to 40 s | 2 s | 1 s |
//! | later | 2 s | 2 s |
//!
//! Intervals run from question to question, so that a slow line does not slow the schedule. Where the
//! buyer joins first, both waits are on one clock, which began with the QR or the code on the display:
//! who has joined late holds the phone in his hand and confirms soon.
//!
//! For buyers with a median of 12 s, log-normal with σ 0.6, the median delay from the confirmation to
//! its answer, and the mean number of requests of both waits together, by the line's round trip (the
//! service is asked half a round trip after the question leaves; the test below computes them):
//!
//! | round trip | mode 0 | joined at 0.3 | at 0.5 | at 0.7 of the buyer's time |
//! |---|---|---|---|---|
//! | 30 ms | 0.23 s, 24.5 | 0.24 s, 24.7 | 0.24 s, 22.1 | 0.25 s, 17.5 |
//! | 100 ms | 0.27 s, 24.4 | 0.27 s, 24.4 | 0.27 s, 21.8 | 0.28 s, 17.3 |
//!
//! A sale has one request for each second of `waitBuyer` at most, however its waits are cut and
//! however many fail: the interval stretches once the rest of the budget would not last at the
//! slowest pace.
//!
//! After a failed poll the next follows within a second, since the buyer may be confirming just now.

use std::time::Duration;

/// The interval at the end of the schedule.
const SLOWEST: Duration = Duration::from_secs(2);
/// Between an answer and the next question, however slow the line.
const LEAST_PAUSE: Duration = Duration::from_millis(50);
/// From a failed question to the next.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What the buyer is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Take up the QR or the code on the display.
    Joining,
    /// Confirm the payment on the phone.
    Confirmation,
}

impl Awaited {
    /// From one question to the next, `waited` after the buyer was invited.
    #[must_use]
    pub fn interval(self, waited: Duration) -> Duration {
        let millis = match (self, waited.as_millis()) {
            (Awaited::Joining, 0..20_000) | (Awaited::Confirmation, 0..1_500) => 1_500,
            (Awaited::Confirmation, 1_500..4_000) => 2_500,
            (Awaited::Confirmation, 4_000..9_000 | 21_000..40_000) => 1_000,
            (Awaited::Confirmation, 9_000..21_000) => 280,
            (Awaited::Joining | Awaited::Confirmation, _) => return SLOWEST,
        };
        Duration::from_millis(millis)
    }
}

/// Polls of one wait for the buyer.
#[derive(Clone, Debug)]
pub struct Poll {
    awaited: Awaited,
    invited_at: Duration,
    asked_at: Duration,
    /// When to ask next.
    pub next_at: Duration,
    /// The first of the failures in a row.
    pub failing_since: Option<Duration>,
}

impl Poll {
    /// A wait that begins now, of a buyer who was invited at `invited_at`; the first question follows
    /// after an interval.
    #[must_use]
    pub fn begin(awaited: Awaited, invited_at: Duration, now: Duration) -> Poll {
        Poll {
            awaited,
            invited_at,
            asked_at: now,
            next_at: now + awaited.interval(now.saturating_sub(invited_at)),
            failing_since: None,
        }
    }

    /// A wait for a buyer who has joined already: the first question is due at once.
    #[must_use]
    pub fn begin_now(now: Duration) -> Poll {
        Poll {
            next_at: now,
            ..Poll::begin(Awaited::Joining, now, now)
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
        let waited = self.asked_at.saturating_sub(self.invited_at);
        self.plan(self.awaited.interval(waited), now, left, budget);
    }

    /// No usable answer came; `left` and `budget` as for [`Poll::answered`].
    pub fn failed(&mut self, now: Duration, left: Duration, budget: u32) {
        self.failing_since.get_or_insert(now);
        self.plan(AFTER_FAILURE, now, left, budget);
    }

    fn plan(&mut self, pause: Duration, now: Duration, left: Duration, budget: u32) {
        let scarce = left > SLOWEST * budget;
        let stretched = if scarce {
            left / budget.max(1)
        } else {
            Duration::ZERO
        };
        self.next_at = (self.asked_at + pause.max(stretched)).max(now + LEAST_PAUSE);
    }

    /// When the wait is given up, if no poll is answered until then: `patience` after the first
    /// failure in a row, even while a poll is under way.
    #[must_use]
    pub fn gives_up_at(&self, patience: Duration) -> Option<Duration> {
        self.failing_since.map(|since| since + patience)
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

    /// What a sale of one buyer came to.
    #[derive(Clone, Copy)]
    struct Played {
        requests: u32,
        /// From the confirmation until its answer is here.
        delay: Duration,
    }

    /// The wait of a sale in three minutes.
    const WAIT: Duration = Duration::from_secs(180);

    /// Asks until what happens `at` is answered; the service looks half of `rtt` after the question
    /// leaves. Answers when the answer is here.
    fn ask(poll: &mut Poll, at: Duration, rtt: Duration, requests: &mut u32) -> Duration {
        loop {
            let asked = poll.next_at;
            *requests += 1;
            poll.asked(asked);
            if asked + rtt / 2 >= at {
                return asked + rtt;
            }
            let left = WAIT.saturating_sub(asked + rtt);
            poll.answered(asked + rtt, left, 180_u32.saturating_sub(*requests));
        }
    }

    /// A buyer takes `seconds`, the share `joining` of it until he joins.
    fn play(seconds: f64, joining: f64, rtt: Duration) -> Played {
        let mut requests = 0;
        let joins = Duration::from_secs_f64(seconds * joining);
        let mut now = Duration::ZERO;
        if !joins.is_zero() {
            let mut poll = Poll::begin(Awaited::Joining, Duration::ZERO, now);
            // The payment exists half a round trip after it was sent, and is answered after a whole one.
            now = ask(&mut poll, joins, rtt, &mut requests) + rtt;
        }
        let confirms = now - (rtt / 2).min(now) + Duration::from_secs_f64(seconds) - joins;
        let mut poll = Poll::begin(Awaited::Confirmation, Duration::ZERO, now);
        let seen = ask(&mut poll, confirms, rtt, &mut requests);
        let delay = seen - confirms;
        Played { requests, delay }
    }

    #[test]
    fn most_buyers_wait_less_than_a_third_of_a_second() {
        let buyers = buyers();
        for rtt in [1, 30, 60, 100].map(Duration::from_millis) {
            for joining in [0.0, 0.3, 0.5, 0.7] {
                let play = |seconds: &f64| play(*seconds, joining, rtt);
                let played: Vec<_> = buyers.iter().map(play).collect();
                let mut delays: Vec<_> = played.iter().map(|played| played.delay).collect();
                delays.sort();
                let median = delays[delays.len() / 2];
                let requests: u32 = played.iter().map(|played| played.requests).sum();
                let mean = f64::from(requests) / 2000.0;
                let case = format!("{rtt:?}, joined at {joining}: {median:?}, {mean:.1} requests");
                assert!(median <= Duration::from_millis(300), "{case}");
                assert!(mean <= 25.0, "{case}");
            }
        }
    }

    /// Questions in three minutes of a buyer who joins after `joins` and then does nothing; `fails`
    /// says which of them get no answer.
    fn silent(joins: Duration, fails: impl Fn(u32) -> bool) -> u32 {
        let mut requests = 0;
        let mut poll = Poll::begin(Awaited::Joining, Duration::ZERO, Duration::ZERO);
        let mut joined = false;
        while poll.next_at < WAIT {
            let now = poll.next_at;
            requests += 1;
            poll.asked(now);
            let (left, budget) = (WAIT - now, 180_u32.saturating_sub(requests));
            if fails(requests) {
                poll.failed(now, left, budget);
            } else if now >= joins && !joined {
                joined = true;
                poll = Poll::begin(Awaited::Confirmation, Duration::ZERO, now);
            } else {
                poll.answered(now, left, budget);
            }
        }
        requests
    }

    #[test]
    fn three_silent_minutes_stay_within_the_budget_however_many_polls_fail() {
        for joins in [0, 3, 9, 21, 60, 999].map(Duration::from_secs) {
            for (what, requests) in [
                ("none fails", silent(joins, |_| false)),
                ("all fail", silent(joins, |_| true)),
                ("every other fails", silent(joins, |n| n % 2 == 0)),
                ("the later ones fail", silent(joins, |n| n > 60)),
            ] {
                assert!(requests <= 180, "{joins:?}, {what}: {requests} requests");
            }
        }
    }

    #[test]
    fn the_interval_stretches_when_the_budget_runs_low() {
        let mut poll = Poll::begin(Awaited::Confirmation, Duration::ZERO, Duration::ZERO);
        poll.asked(Duration::from_secs(5));
        poll.answered(Duration::from_secs(5), Duration::from_secs(100), 20);
        assert_eq!(poll.next_at, Duration::from_secs(10));
    }

    #[test]
    fn after_a_failure_the_next_poll_follows_within_a_second() {
        let plenty = (Duration::from_secs(80), 80);
        let mut poll = Poll::begin(Awaited::Confirmation, Duration::ZERO, Duration::ZERO);
        poll.asked(Duration::from_secs(100));
        poll.failed(Duration::from_secs(100), plenty.0, plenty.1);
        assert!(poll.next_at <= Duration::from_secs(101));
        poll.asked(Duration::from_secs(101));
        poll.failed(Duration::from_secs(102), plenty.0, plenty.1);
        assert!(poll.next_at <= Duration::from_secs(103));
        assert_eq!(
            poll.failing_for(Duration::from_secs(110)),
            Duration::from_secs(10)
        );
        poll.answered(Duration::from_secs(111), Duration::from_secs(60), 60);
        assert_eq!(poll.failing_for(Duration::from_secs(120)), Duration::ZERO);
    }
}
