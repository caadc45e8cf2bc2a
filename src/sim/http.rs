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
use super::service::{Call, Response};
use super::{SimError, Simulator};

/// Largest body that is read.
const MAX_BODY: usize = 256 * 1024;
/// Callers at the same time; more of them wait.
const MAX_CONNECTIONS: usize = 256;
const HEADERS: Duration = Duration::from_secs(30);
/// At the end connections get this time.
const FAREWELL: Duration = Duration::from_millis(500);

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
    if tokio::time::timeout(FAREWELL, all).await.is_err() {
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
    let (fault, response) = simulator.answer(&call);
    match fault {
        None => Ok(whole(&response)),
        Some(fault) => troubled(fault, &response).await,
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

fn random() -> Option<String> {
    use std::fmt::Write as _;
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").ok()?;
    }
    Some(text)
}

async fn troubled(fault: Fault, response: &Response) -> Result<hyper::Response<Body>, Closed> {
    match fault.r#do {
        Trouble::LoseRequest | Trouble::LoseAnswer => Err(Closed),
        Trouble::Delay => {
            tokio::time::sleep(fault.delay()).await;
            Ok(whole(response))
        }
        Trouble::Error | Trouble::ErrorWithEffect => Ok(whole(&Response {
            status: fault.status,
            body: b"<html>Bad gateway</html>".to_vec(),
        })),
        Trouble::Garbage => Ok(whole(&Response {
            status: 200,
            body: b"{\"what\": [1, 2".to_vec(),
        })),
        Trouble::Cut => Ok(broken(response, 0)),
        Trouble::HalfBody => Ok(broken(response, response.body.len() / 2)),
    }
}

fn head(status: u16, length: usize) -> hyper::http::response::Builder {
    hyper::Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("content-length", length)
}

fn whole(response: &Response) -> hyper::Response<Body> {
    let body = Full::new(Bytes::from(response.body.clone()));
    let body = body.map_err(|never: Infallible| match never {}).boxed();
    head(response.status, response.body.len())
        .body(body)
        .unwrap_or_default_body()
}

/// Promises the whole body and sends its first bytes.
fn broken(response: &Response, bytes: usize) -> hyper::Response<Body> {
    let part = response.body.get(..bytes).unwrap_or_default().to_vec();
    let frames = vec![Ok(Frame::data(Bytes::from(part))), Err(Closed)];
    let body = StreamBody::new(tokio_stream::iter(frames)).boxed();
    head(response.status, response.body.len().max(bytes + 1))
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
