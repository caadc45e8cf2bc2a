//! HTTP for the simulator.
//!
//! A library's server answers correctly, and this one must be able not to: hyper lets a service fail
//! instead of answering, which closes the connection without a byte, and lets a body fail half-way,
//! which closes it in the middle. So no server of our own is needed for lost answers and half bodies.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::faults::{Fault, Trouble};
use super::service::{Call, Random, Response};
use super::{Answered, SimError, Simulator};

/// Largest body that is read.
const MAX_BODY: usize = 256 * 1024;
/// Callers at the same time; more of them wait.
const MAX_CONNECTIONS: usize = 256;
/// The longest hold that nobody bounded.
const MAX_HOLD: Duration = Duration::from_secs(3600);
const HEADERS: Duration = Duration::from_secs(30);
/// At the end connections get this time.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// The connection closes.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
struct Closed;

type Body = BoxBody<Bytes, Closed>;

/// Serves the protocol and the control API until `shutdown` ends.
///
/// # Errors
/// [`SimError::Accept`] when no caller can be accepted any more.
pub async fn serve(
    listener: TcpListener,
    simulator: Arc<Simulator>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), SimError> {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut tasks = tokio::task::JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        while tasks.try_join_next().is_some() {}
        let permit = Arc::clone(&free).acquire_owned();
        let (stream, permit) = tokio::select! {
            () = shutdown.as_mut() => break,
            accepted = async { (permit.await, listener.accept().await) } => match accepted {
                (permit, Ok((stream, _))) => (stream, permit),
                (_, Err(error)) => return Err(SimError::Accept(error)),
            },
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        let simulator = Arc::clone(&simulator);
        tasks.spawn(async move {
            let _permit = permit;
            let service =
                hyper::service::service_fn(move |request| handle(Arc::clone(&simulator), request));
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = served.await {
                tracing::debug!(%error, "Connection of the simulator");
            }
        });
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(CLOSE_TIMEOUT, all).await.is_err() {
        tracing::debug!("Connections of the simulator are cut off");
    }
    Ok(())
}

async fn handle(
    simulator: Arc<Simulator>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Body>, Closed> {
    let Some(call) = read(request).await else {
        return Ok(whole(&Response::json(
            413,
            &serde_json::json!({"code": "413", "devMessage": "the body is too large or broken"}),
        )));
    };
    let answered = simulator.answer(&call);
    match answered.fault {
        None => Ok(whole(&settled(&simulator, answered).await?)),
        Some(fault) => troubled(&simulator, &call, fault, answered).await,
    }
}

async fn read(request: hyper::Request<Incoming>) -> Option<Call> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY)
        .collect()
        .await
        .ok()?
        .to_bytes()
        .to_vec();
    let headers = head.headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    let base = reqwest::Url::parse("http://localhost").ok()?;
    let url = base.join(&head.uri.to_string()).ok()?;
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    Some(Call {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query,
        headers: headers.collect(),
        body,
        random: random()?,
    })
}

fn random() -> Option<Random> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(Random::of(bytes))
}

async fn settled(simulator: &Simulator, answered: Answered) -> Result<Response, Closed> {
    simulator.settled(answered).await.ok_or(Closed)
}

async fn troubled(
    simulator: &Arc<Simulator>,
    call: &Call,
    fault: Fault,
    answered: Answered,
) -> Result<hyper::Response<Body>, Closed> {
    let delay = fault.delay();
    let plain = |status, body: &[u8]| Response {
        status,
        body: body.to_vec(),
        retry_after: None,
        made: None,
    };
    match fault.r#do {
        Trouble::LoseRequest | Trouble::LoseAnswer => Err(Closed),
        Trouble::Delay => {
            let response = settled(simulator, answered).await?;
            tokio::time::sleep(delay).await;
            Ok(whole(&response))
        }
        Trouble::Hold => {
            let forever = delay.is_zero();
            tokio::time::sleep(if forever { MAX_HOLD } else { delay }).await;
            Err(Closed)
        }
        Trouble::CutHeld => {
            let settled = tokio::time::timeout(delay, settled(simulator, answered)).await;
            settled
                .map_err(|_| Closed)?
                .map(|response| whole(&response))
        }
        Trouble::Copy => {
            let (copier, call) = (Arc::clone(simulator), call.clone());
            // A task of its own: the second copy comes even if the caller has gone by then.
            let second = tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                copier.repeat(&call)
            });
            let second = second.await.ok().flatten().unwrap_or(answered);
            Ok(whole(&settled(simulator, second).await?))
        }
        Trouble::Error | Trouble::ErrorWithEffect => Ok(whole(&Response {
            retry_after: (fault.ms > 0).then_some(fault.ms.div_ceil(1000)),
            ..plain(fault.status, b"<html>Bad gateway</html>")
        })),
        Trouble::Garbage => {
            settled(simulator, answered).await?;
            Ok(whole(&plain(200, b"{\"what\": [1, 2")))
        }
        Trouble::Cut => Ok(broken(&settled(simulator, answered).await?, 0)),
        Trouble::HalfBody => {
            let response = settled(simulator, answered).await?;
            Ok(broken(&response, response.body.len() / 2))
        }
    }
}

fn head(response: &Response, length: usize) -> hyper::http::response::Builder {
    let head = hyper::Response::builder()
        .status(response.status)
        .header("content-type", "application/json")
        .header("content-length", length);
    match response.retry_after {
        Some(seconds) => head.header("retry-after", seconds),
        None => head,
    }
}

fn whole(response: &Response) -> hyper::Response<Body> {
    let body = Full::new(Bytes::from(response.body.clone()));
    let body = body.map_err(|never: Infallible| match never {}).boxed();
    head(response, response.body.len())
        .body(body)
        .unwrap_or_default_body()
}

/// Promises the whole body and sends its first bytes.
fn broken(response: &Response, bytes: usize) -> hyper::Response<Body> {
    let part = response.body.get(..bytes).unwrap_or_default().to_vec();
    let frames = vec![Ok(Frame::data(Bytes::from(part))), Err(Closed)];
    let body = StreamBody::new(tokio_stream::iter(frames)).boxed();
    head(response, response.body.len().max(bytes + 1))
        .body(body)
        .unwrap_or_default_body()
}

trait OrDefaultBody {
    fn unwrap_or_default_body(self) -> hyper::Response<Body>;
}

impl OrDefaultBody for Result<hyper::Response<Body>, hyper::http::Error> {
    fn unwrap_or_default_body(self) -> hyper::Response<Body> {
        self.unwrap_or_else(|_| {
            let empty = Full::new(Bytes::new())
                .map_err(|never: Infallible| match never {})
                .boxed();
            hyper::Response::new(empty)
        })
    }
}
