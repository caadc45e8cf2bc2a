//! HTTP over the Unix socket and loopback TCP, with bounds on everything a caller can hold open.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::serve::{Listener, ListenerExt as _};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::Api;
use super::access::Door;
use super::hangup::Line;
use super::session::Sessions;
use super::till::Till;
use crate::secret::Secret;

/// A caller's headers must be here in this time.
const HEADERS: Duration = Duration::from_secs(10);
/// A caller's headers may be this large.
const MAX_HEADERS: usize = 16 * 1024;
/// Callers at the same time, for each door; more of them wait.
const MAX_CONNECTIONS: usize = 64;
/// At the end calls get this time to finish.
const FAREWELL: Duration = Duration::from_secs(3);

/// Where callers come in.
#[derive(Debug)]
pub struct Listeners {
    /// The socket.
    pub unix: tokio::net::UnixListener,
    /// Loopback, with the token that it takes.
    pub tcp: Option<(tokio::net::TcpListener, Secret)>,
}

/// Serves until `stop` says true; then calls get a moment to finish.
pub async fn serve(till: Till, listeners: Listeners, stop: watch::Receiver<bool>) {
    let door = listeners.tcp.as_ref().and_then(|(listener, token)| {
        let address = listener.local_addr().ok()?;
        Some((address, token.clone()))
    });
    let sessions = Arc::new(Sessions::new(door));
    let api = Api {
        till,
        stop: stop.clone(),
        places: super::events::Places::new(),
        easel: super::page::Easel::new(),
        sessions: Arc::clone(&sessions),
    };
    let mut tasks = JoinSet::new();
    let router = super::router(api.clone(), Door::Socket);
    tasks.spawn(serve_door(listeners.unix, router, stop.clone()));
    if let Some((listener, token)) = listeners.tcp {
        let port = listener.local_addr().map_or(0, |address| address.port());
        let router = super::router(
            api,
            Door::Tcp {
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
        tasks.spawn(serve_door(listener, router, stop));
    }
    while tasks.join_next().await.is_some() {}
}

/// Lets callers in; a failed accept is waited out by the listener itself.
async fn serve_door<L>(mut listener: L, router: Router, mut stop: watch::Receiver<bool>)
where
    L: Listener<Io: AsFd>,
{
    let mut connections = Connections::new(router, stop.clone());
    while !*stop.borrow() {
        let permit = connections.permit().await;
        tokio::select! {
            _ = stop.changed() => break,
            (stream, _) = listener.accept() => connections.take(stream, permit),
        }
    }
    connections.finish().await;
}

/// The callers of one door.
struct Connections {
    router: Router,
    stop: watch::Receiver<bool>,
    free: Arc<Semaphore>,
    tasks: JoinSet<()>,
}

impl Connections {
    fn new(router: Router, stop: watch::Receiver<bool>) -> Connections {
        Connections {
            router,
            stop,
            free: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            tasks: JoinSet::new(),
        }
    }

    /// A place for one more; the stop does not wait for it.
    async fn permit(&mut self) -> Option<OwnedSemaphorePermit> {
        let mut stop = self.stop.clone();
        tokio::select! {
            _ = stop.changed() => None,
            permit = Arc::clone(&self.free).acquire_owned() => permit.ok(),
        }
    }

    fn take(
        &mut self,
        stream: impl AsyncRead + AsyncWrite + AsFd + Unpin + Send + 'static,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        while self.tasks.try_join_next().is_some() {}
        let (router, mut stop) = (self.router.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let _permit = permit;
            let line = Line::of(&stream);
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                router.clone().oneshot(request.map(Body::new))
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS)
                // Who has said all still hears the answer.
                .half_close(true)
                .max_buf_size(MAX_HEADERS)
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let gone = async {
                match &line {
                    Ok(line) => line.gone().await,
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
                _ = stop.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "A caller's connection ended early");
            }
        });
    }

    async fn finish(mut self) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            tracing::debug!("Calls are cut off at the end");
        }
    }
}
