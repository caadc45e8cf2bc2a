//! HTTP over the Unix socket and loopback TCP, with bounds on everything a caller can hold open.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::Request;
use axum::serve::{Listener, ListenerExt as _};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::Api;
use super::access::Transport;
use super::hangup::{Line, Lookout};
use super::leftover;
use super::pace::Pace;
use super::patient::{Patient, WRITE_TIMEOUT};
use super::seats::{Seat, Seats};
use super::session::Sessions;
use super::till::ApiDeps;
use crate::base::secret::Secret;

/// A caller's headers must be here in this time.
const HEADERS: Duration = Duration::from_secs(10);
/// A caller's headers may be this large.
const MAX_HEADERS: usize = 16 * 1024;
/// A waiting call that has to go for another caller gets this time to take its early answer.
const EARLY_ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Waiting calls look into the journal so many at a time: a change that many wait for keeps no acting call from it.
const MAX_WAITING_READS: usize = 2;
/// So many calls look into files at a time: on a disk that does not answer each keeps a thread, and health needs one.
pub(super) const MAX_DISK_READS: usize = 64;
/// At the end calls get this time to finish.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Where callers come in.
#[derive(Debug)]
pub struct Listeners {
    pub unix: tokio::net::UnixListener,
    /// Loopback, with the token that it takes.
    pub tcp: Option<(tokio::net::TcpListener, Secret)>,
}

/// Serves until `stop` is true; then calls get a moment to finish.
pub async fn serve(till: ApiDeps, listeners: Listeners, stop: watch::Receiver<bool>) {
    let door = listeners.tcp.as_ref().and_then(|(listener, token)| {
        let address = listener.local_addr().ok()?;
        Some((address, token.clone()))
    });
    let sessions = Arc::new(Sessions::new(door));
    let api = Api {
        till,
        stop: stop.clone(),
        places: super::events::StreamLimits::new(),
        waiting_reads: Arc::new(Semaphore::new(MAX_WAITING_READS)),
        disk_reads: Arc::new(Semaphore::new(MAX_DISK_READS)),
        easel: super::page::RenderLimit::new(),
        sessions: Arc::clone(&sessions),
    };
    let mut tasks = JoinSet::new();
    let router = super::router(api.clone(), Transport::Socket);
    tasks.spawn(serve_door(listeners.unix, router, true, stop.clone()));
    if let Some((listener, token)) = listeners.tcp {
        let port = listener.local_addr().map_or(0, |address| address.port());
        let router = super::router(
            api,
            Transport::Tcp {
                port,
                token,
                sessions,
            },
        );
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY");
            }
        });
        tasks.spawn(serve_door(listener, router, false, stop));
    }
    while tasks.join_next().await.is_some() {}
}

/// Lets callers in; a failed accept is waited out by the listener itself.
async fn serve_door<L>(
    mut listener: L,
    router: Router,
    is_trusted: bool,
    mut stop: watch::Receiver<bool>,
) where
    L: Listener<Io: AsFd>,
{
    let mut connections = Connections::new(router, stop.clone());
    while !*stop.borrow() {
        tokio::select! {
            _ = stop.changed() => break,
            (stream, _) = listener.accept() => connections.take(stream, is_trusted),
        }
        // However many come at once, what each of them sends is read as it comes.
        tokio::task::yield_now().await;
    }
    connections.finish().await;
}

/// The callers of one door.
struct Connections {
    router: Router,
    stop: watch::Receiver<bool>,
    seats: Seats,
    lookout: Arc<Lookout>,
    tasks: JoinSet<()>,
}

impl Connections {
    fn new(router: Router, stop: watch::Receiver<bool>) -> Connections {
        Connections {
            router,
            stop,
            seats: Seats::new(),
            lookout: Arc::default(),
            tasks: JoinSet::new(),
        }
    }

    fn take(
        &mut self,
        stream: impl AsyncRead + AsyncWrite + AsFd + Unpin + Send + 'static,
        is_trusted: bool,
    ) {
        while self.tasks.try_join_next().is_some() {}
        let Some(seat) = self.seats.take(is_trusted) else {
            return tracing::warn!("Every place is taken by calls that are being answered");
        };
        let converse = converse(
            stream,
            seat,
            self.router.clone(),
            Arc::clone(&self.lookout),
            self.stop.clone(),
        );
        self.tasks.spawn(converse);
    }

    async fn finish(mut self) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSE_TIMEOUT, all).await.is_err() {
            tracing::debug!("Calls are cut off at the end");
        }
    }
}

/// One caller, until it goes or has to.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + AsFd + Unpin + Send + 'static,
    seat: Seat,
    router: Router,
    lookout: Arc<Lookout>,
    mut stop: watch::Receiver<bool>,
) {
    let line = Line::of(&stream);
    let sitter = seat.sitter();
    let caller = sitter.clone();
    let pace = Arc::new(Mutex::new(Pace::default()));
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (parts, body) = request.into_parts();
        let (body, leftover) = leftover::lend(body);
        let mut request = Request::from_parts(parts, body);
        request.extensions_mut().insert(caller.clone());
        let (caller, router, pace) = (caller.clone(), router.clone(), Arc::clone(&pace));
        async move {
            let pause = pace.lock().await.pause(Instant::now());
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let _acts = caller.acts();
            let answer = router.oneshot(request).await;
            let leaves = caller.leaves();
            leftover.throw_away().await;
            drop(leaves);
            pace.lock().await.answered(Instant::now());
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        // Who has sent everything still gets the answer.
        .half_close(true)
        .max_buf_size(MAX_HEADERS)
        .serve_connection(TokioIo::new(Patient::new(stream, WRITE_TIMEOUT)), service);
    tokio::pin!(connection);
    let gone = async {
        match &line {
            Ok(line) => line.gone(&lookout).await,
            Err(error) => {
                tracing::debug!(%error, "Who hangs up is not noticed");
                std::future::pending().await
            }
        }
    };
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        // "A caller that goes is noticed at once and frees its place."
        () = gone => return,
        () = sitter.must_go() => {
            if !sitter.is_trusted() {
                return;
            }
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(EARLY_ANSWER_TIMEOUT, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "A caller's connection ended early");
    }
}
