//! A connection that is open before it is needed.
//!
//! A new connection costs two or three round trips before the first byte of a request can leave: on a line with 40 ms
//! one way a buyer whose code was read waits an eighth of a second for nothing. While a sale is open, and its session
//! or its payment is yet to come, one connection is held open, TLS done. It carries one request and is gone, as any
//! other that may move money.
//!
//! What must never happen is that a line that was dead before becomes a lost answer, which is a doubt about money,
//! where a new connection would have shown that nothing was sent. So
//!
//! - it is renewed before it is as old as what a front end or a router forgets ([`MAX_AGE`]);
//! - its end is noticed when it comes, and asked for at the kernel once more right before it is used;
//! - a line that is silent is probed each second and given up after two;
//! - whatever it did not take of a request goes over a new connection ([`Unanswered::NotTaken`](super::dialer));
//! - who doubts the connections, or the address that they lead to, closes it as well;
//! - only a session and its payment use it: they follow an answer of the service or carry no money. A reversal that
//!   comes out of an idle hour has a new one.
//!
//! It is closed when no request is expected, so that an idle till holds no connection.

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

/// Holds the connection.
#[derive(Default)]
pub(super) struct Preconnect {
    pub(super) ready: Mutex<Option<Connection>>,
    wanted: watch::Sender<bool>,
    /// It was taken or closed.
    gone: Notify,
}

impl std::fmt::Debug for Preconnect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preconnect").finish_non_exhaustive()
    }
}

impl Client {
    /// Whether a session or a payment is to be expected: then a connection for it is held open.
    pub fn expect_request(&self, is_expected: bool) {
        let wanted = &self.preconnect.wanted;
        wanted.send_if_modified(|wanted| std::mem::replace(wanted, is_expected) != is_expected);
    }

    /// Holds a connection open while one is wanted. Ends with the runtime.
    pub async fn keep_preconnected(&self) {
        let preconnect = &self.preconnect;
        let mut wanted = preconnect.wanted.subscribe();
        while wanted.wait_for(|wanted| *wanted).await.is_ok() {
            tokio::select! {
                _ = wanted.wait_for(|wanted| !*wanted) => {}
                () = preconnect.keep(&self.dialer) => {}
            }
            preconnect.close();
        }
    }
}

impl Preconnect {
    async fn keep(&self, dialer: &Dialer) {
        let mut pause = MIN_RETRY_INTERVAL;
        loop {
            match dialer.dial().await {
                Ok(connection) => {
                    connection.watch(&Watch::of_preconnected());
                    *lock(&self.ready) = Some(connection);
                    pause = MIN_RETRY_INTERVAL;
                    // What ages serves until the next one is there.
                    let _ = tokio::time::timeout(MAX_AGE, self.until_gone()).await;
                }
                Err(failure) => {
                    tracing::debug!(error = failure.detail(), "No connection in advance");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_RETRY_INTERVAL);
                }
            }
        }
    }

    /// Until it was taken, or its end has come.
    async fn until_gone(&self) {
        let ended = std::future::poll_fn(|context| {
            let mut ready = lock(&self.ready);
            let polled = ready
                .as_mut()
                .map(|connection| connection.poll_end(context));
            match polled {
                Some(Poll::Pending) => Poll::Pending,
                Some(Poll::Ready(())) => {
                    *ready = None;
                    Poll::Ready(())
                }
                None => Poll::Ready(()),
            }
        });
        tokio::pin!(ended);
        loop {
            tokio::select! {
                () = &mut ended => return,
                // An older notice may be of one that was gone before.
                () = self.gone.notified() => if lock(&self.ready).is_none() { return },
            }
        }
    }

    /// The connection, if there is one that lives.
    pub(super) fn take(&self, timeout: Duration) -> Option<Connection> {
        let connection = lock(&self.ready).take()?;
        self.gone.notify_one();
        if connection.opened_at.elapsed() > MAX_AGE * 2 || !connection.is_quiet() {
            tracing::debug!("A connection that was open in advance has ended");
            return None;
        }
        connection.watch(&Watch::of_request(timeout));
        note_first(connection.peer.as_slice());
        Some(connection)
    }

    /// Where it leads, or whether it still does, is in doubt; or nobody needs it.
    pub(super) fn close(&self) {
        if lock(&self.ready).take().is_some() {
            self.gone.notify_one();
        }
    }
}
