//! Connections that are open before they are needed.
//!
//! A new connection costs two or three round trips before the first byte of a request can leave: on a line with 40 ms
//! one way a buyer whose code was read waits an eighth of a second for nothing. While a sale is open, and its session
//! or its payment is yet to come, a connection for it is held open, TLS done; two where the payment follows the session
//! at once, since a second one could not be made in that time. Each carries one request and is gone, as any other that
//! may move money.
//!
//! What must never happen is that a line that was dead before becomes a lost answer, which is a doubt about money,
//! where a new connection would have shown that nothing was sent. So
//!
//! - each is renewed before it is as old as what a front end or a router forgets ([`MAX_AGE`]);
//! - their end is noticed when it comes, and asked for at the kernel once more right before one is used;
//! - a line that is silent is probed each second and given up after two;
//! - whatever one did not take of a request goes over a new connection ([`Unanswered::NotTaken`](super::dialer));
//! - who doubts the connections, or the address that they lead to, closes them as well;
//! - only a session and its payment use them: they follow an answer of the service or carry no money. A reversal that
//!   comes out of an idle hour has a new one.
//!
//! A front end that takes connections and closes them is not asked without end: one that ended without having served
//! counts as one that did not come about, and the pause before the next grows.
//!
//! They are closed when no request is expected, so that an idle till holds none.

use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Client;
use super::connection::Watch;
use super::dialer::{Connection, Dialer};
use super::order::note_first;
use crate::base::lock::lock;

/// An older one is replaced: the shortest time after which front ends close what has sent nothing is 30 s.
const MAX_AGE: Duration = Duration::from_secs(15);
/// After a connection that did not come about; twice as long after each further one.
const MIN_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Longest pause between two attempts.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(16);

/// Why another connection is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    /// There are fewer than are wanted.
    Missing,
    /// One has aged in peace.
    Aged,
    /// The other end has closed one.
    Ended,
}

/// Holds the connections.
#[derive(Default)]
pub(super) struct Preconnect {
    /// The oldest first.
    pub(super) ready: Mutex<Vec<Connection>>,
    wanted: watch::Sender<usize>,
    /// One was taken or closed.
    gone: Notify,
}

impl std::fmt::Debug for Preconnect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preconnect").finish_non_exhaustive()
    }
}

impl Client {
    /// How many requests for a session or a payment follow as soon as a buyer acts: for so many a connection is held
    /// open.
    pub fn expect_requests(&self, count: usize) {
        let wanted = &self.preconnect.wanted;
        wanted.send_if_modified(|wanted| std::mem::replace(wanted, count) != count);
    }

    /// Holds as many connections open as are wanted. Ends with the runtime.
    pub async fn keep_preconnected(&self) {
        let preconnect = &self.preconnect;
        let mut wanted = preconnect.wanted.subscribe();
        while let Ok(count) = wanted
            .wait_for(|wanted| *wanted > 0)
            .await
            .map(|count| *count)
        {
            preconnect.keep_only(count);
            tokio::select! {
                _ = wanted.wait_for(|wanted| *wanted != count) => {}
                () = preconnect.keep(count, &self.dialer) => {}
            }
            if *wanted.borrow() == 0 {
                preconnect.close();
            }
        }
    }
}

impl Preconnect {
    async fn keep(&self, count: usize, dialer: &Dialer) {
        let mut pause = MIN_RETRY_INTERVAL;
        loop {
            match self.until_wanting(count).await {
                Want::Missing => {}
                Want::Aged => pause = MIN_RETRY_INTERVAL,
                Want::Ended => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_RETRY_INTERVAL);
                }
            }
            match dialer.dial().await {
                Ok(connection) => {
                    connection.watch(&Watch::of_preconnected());
                    lock(&self.ready).push(connection);
                    // What has aged has served until the next one was there.
                    self.keep_only(count);
                }
                Err(failure) => {
                    tracing::debug!(error = failure.detail(), "No connection in advance");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_RETRY_INTERVAL);
                }
            }
        }
    }

    /// Until there are fewer than `count`, or one has aged or ended.
    async fn until_wanting(&self, count: usize) -> Want {
        loop {
            let oldest = {
                let ready = lock(&self.ready);
                if ready.len() < count {
                    return Want::Missing;
                }
                ready
                    .first()
                    .map_or(MAX_AGE, |oldest| oldest.opened_at.elapsed())
            };
            let until_aged = tokio::time::sleep(MAX_AGE.saturating_sub(oldest));
            tokio::select! {
                biased;
                () = self.until_one_ends() => return Want::Ended,
                () = self.gone.notified() => {}
                () = until_aged => return Want::Aged,
            }
        }
    }

    /// Until the end of one has come, which is dropped then.
    async fn until_one_ends(&self) {
        std::future::poll_fn(|context| {
            let mut ready = lock(&self.ready);
            let before = ready.len();
            ready.retain_mut(|connection| connection.poll_end(context).is_pending());
            if ready.len() < before {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }

    /// The oldest that lives, if there is one.
    pub(super) fn take(&self, timeout: Duration) -> Option<Connection> {
        loop {
            let connection = {
                let mut ready = lock(&self.ready);
                if ready.is_empty() {
                    return None;
                }
                ready.remove(0)
            };
            self.gone.notify_one();
            if connection.opened_at.elapsed() < MAX_AGE * 2 && connection.is_quiet() {
                connection.watch(&Watch::of_request(timeout));
                note_first(connection.peer.as_slice());
                return Some(connection);
            }
            tracing::debug!("A connection that was open in advance has ended");
        }
    }

    /// The newest `count`.
    fn keep_only(&self, count: usize) {
        let mut ready = lock(&self.ready);
        let surplus = ready.len().saturating_sub(count);
        ready.drain(..surplus);
    }

    /// Where they lead, or whether they still do, is in doubt; or nobody needs them.
    pub(super) fn close(&self) {
        lock(&self.ready).clear();
        self.gone.notify_one();
    }
}
