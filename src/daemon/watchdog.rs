//! What systemd's watchdog gets: that the threads live which a till depends on.
//!
//! The core comes by every few seconds in any case, and wakes the others that have something to show or to look after:
//! a timer of their own would wake them as often again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::systemd;
use crate::base::clock::Clock;

/// How often the other threads are woken at most.
const MIN_WAKE_INTERVAL: Duration = Duration::from_secs(4);
/// One that is silent for so long is stuck: half of the unit's `WatchdogSec`.
const MAX_SILENCE: Duration = Duration::from_secs(30);

/// The core notifies systemd, and only while the thread that serves tills lives, too: a daemon that nobody can call is
/// started anew.
#[derive(Clone, Debug)]
pub(super) struct Watchdog {
    clock: Clock,
    /// When the HTTP thread lived last, in milliseconds of the process's own clock.
    http: Arc<AtomicU64>,
    /// When the others were woken last.
    woken: Arc<AtomicU64>,
    wakes_http: Arc<Notify>,
    /// For the process's own thread, which looks after the parts.
    pub wakes_main: Arc<Notify>,
}

impl Watchdog {
    pub(super) fn new(clock: Clock) -> Watchdog {
        Watchdog {
            clock,
            http: Arc::default(),
            woken: Arc::default(),
            wakes_http: Arc::default(),
            wakes_main: Arc::default(),
        }
    }

    /// Runs in the HTTP thread, as long as it does.
    pub(super) async fn beat(self) {
        loop {
            self.http.store(milliseconds(self.now()), Ordering::Relaxed);
            self.wakes_http.notified().await;
        }
    }

    fn wake_others(&self, now: Duration) {
        let last = Duration::from_millis(self.woken.load(Ordering::Relaxed));
        if now.saturating_sub(last) >= MIN_WAKE_INTERVAL {
            self.woken.store(milliseconds(now), Ordering::Relaxed);
            self.wakes_http.notify_one();
            self.wakes_main.notify_one();
        }
    }

    fn now(&self) -> Duration {
        self.clock.now().mono
    }

    /// Whether everybody lives whom the core does not see.
    fn is_served(&self, now: Duration) -> bool {
        let last = Duration::from_millis(self.http.load(Ordering::Relaxed));
        now.saturating_sub(last) < MAX_SILENCE
    }

    /// Called at the core's own turns: a stuck core must be restarted.
    pub(super) fn notify(&self) {
        let now = self.now();
        self.wake_others(now);
        if !self.is_served(now) {
            return tracing::error!("The HTTP thread is stuck: the watchdog is not fed");
        }
        if let Err(error) = systemd::notify(systemd::State::Watchdog) {
            tracing::trace!(%error, "No watchdog");
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_serves_no_more_is_seen() {
        let watchdog = Watchdog::new(Clock::start());
        watchdog.http.store(u64::MAX, Ordering::Relaxed);
        let beating = tokio::spawn(watchdog.clone().beat());
        while watchdog.http.load(Ordering::Relaxed) == u64::MAX {
            tokio::task::yield_now().await;
        }
        beating.abort();
        let last = Duration::from_millis(watchdog.http.load(Ordering::Relaxed));
        assert!(last <= watchdog.now());
        assert!(watchdog.is_served(last + MAX_SILENCE - Duration::from_millis(1)));
        assert!(!watchdog.is_served(last + MAX_SILENCE));
    }
}
