//! The page's server, on loopback. It gives the page's files, one event stream, and a handful of named
//! actions; it is no open proxy to the till API.
//!
//! The page can make payments, simulated as they are, so it follows the till API's rules: `Host` must
//! be ours (no other name may be made to point here), `Origin`, if a browser sends one, too (no other
//! site's page may act). Whatever runs on this machine as any user may use the demo; there is nothing
//! to steal.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Json, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Router, serve as serve_http};
use reqwest::Method;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::{Stream, StreamExt};

use super::DemoError;
use super::buyer::{Decision, Network, Taken};
use super::feed;
use super::table::Table;
use super::world::{Parts, World};
use crate::client::http::CallError;
use crate::texts::newcomer;

/// Open event streams, that is pages.
const MAX_PAGES: usize = 8;

/// A sale with a long receipt is far smaller.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// Between two looks at whether the daemon still lives.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// How long the service's sessions live.
const SESSION_LIFE: Duration = Duration::from_secs(60);

/// How long they live when the page wants to see them end.
const SHORT_SESSION_LIFE: Duration = Duration::from_secs(5);

/// What a page of ours may load and do: its own files, its own calls, and pictures that it drew.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page's place, held until the page is served.
#[derive(Debug)]
pub struct Page {
    listener: TcpListener,
    address: SocketAddr,
}

/// Takes the page's port.
pub async fn bind(address: SocketAddr) -> Result<Page, DemoError> {
    if !address.ip().is_loopback() {
        return Err(DemoError::NotLoopback(address));
    }
    let failed = |source: std::io::Error| {
        let taken = source.kind() == std::io::ErrorKind::AddrInUse;
        if taken {
            DemoError::Taken(address)
        } else {
            DemoError::Listen { address, source }
        }
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Page { listener, address })
}

/// Serves the page until it is dropped, or until the daemon dies.
///
/// # Errors
/// [`DemoError::NotAsItShould`] when a vital part of the daemon died, [`DemoError::Io`].
pub async fn serve(page: Page, world: &World) -> Result<(), DemoError> {
    let Page { listener, address } = page;
    announce(address)?;
    let app = router(Arc::clone(world.parts()), address);
    tokio::select! {
        outcome = serve_http(listener, app).into_future() => outcome.map_err(DemoError::Io),
        () = watch(world) => Err(DemoError::NotAsItShould("the daemon died, see the lines above".to_owned())),
    }
}

fn announce(address: SocketAddr) -> Result<(), DemoError> {
    let mut out = Table::new(std::io::stdout().lock());
    out.line(&format!("http://{address}/"))?;
    out.line(newcomer::OPEN_PAGE)
}

async fn watch(world: &World) {
    while !world.failed() {
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}

#[derive(Clone)]
struct Shared {
    parts: Arc<Parts>,
    pages: Arc<Semaphore>,
}

fn router(parts: Arc<Parts>, address: SocketAddr) -> Router {
    let shared = Shared {
        parts,
        pages: Arc::new(Semaphore::new(MAX_PAGES)),
    };
    Router::new()
        .route(
            "/",
            get(|| async { asset("text/html; charset=utf-8", include_str!("demo.html")) }),
        )
        .route(
            "/demo.css",
            get(|| async { asset("text/css; charset=utf-8", include_str!("demo.css")) }),
        )
        .route(
            "/demo.js",
            get(|| async { asset("text/javascript; charset=utf-8", include_str!("demo.js")) }),
        )
        .route("/events", get(events))
        .route("/display/frame.png", get(frame))
        .route("/api/sales/{id}", put(begin_sale))
        .route("/api/operations", get(operations))
        .route("/api/operations/{id}", get(operation))
        .route("/api/operations/{id}/abort", post(abort))
        .route("/api/health", get(health))
        .route("/scan", post(scan))
        .route("/phone/qr", get(buyer_qr))
        .route("/phone/join", post(join))
        .route("/phone/decide", post(decide))
        .route("/network", post(set_network))
        .route("/sessions", post(set_sessions))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(shared)
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            guard(address, request, next)
        }))
}

/// Refuses foreign callers and dresses every answer.
async fn guard(address: SocketAddr, request: Request, next: Next) -> Response {
    let mut response = if is_ours(address, request.headers()) {
        next.run(request).await
    } else {
        problem(StatusCode::FORBIDDEN, newcomer::ONLY_ITSELF)
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether `Host` is this machine with our port, and `Origin`, if there is one, too.
fn is_ours(address: SocketAddr, headers: &HeaderMap) -> bool {
    let port = address.port();
    let names = ["127.0.0.1", "[::1]", "localhost"].map(|name| format!("{name}:{port}"));
    let one = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        (values.next(), values.next().is_none())
    };
    let host_is_ours = match one(header::HOST) {
        (Some(host), true) => names
            .iter()
            .any(|name| host.as_bytes().eq_ignore_ascii_case(name.as_bytes())),
        _ => false,
    };
    let origin_is_ours = match one(header::ORIGIN) {
        (None, _) => true,
        (Some(origin), true) => names
            .iter()
            .any(|name| origin.as_bytes() == format!("http://{name}").as_bytes()),
        (Some(_), false) => false,
    };
    host_is_ours && origin_is_ours
}

fn asset(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, content_type)], text)
}

/// The same shape as the till API's problems, so that the page shows both alike.
fn problem(status: StatusCode, detail: &str) -> Response {
    let body = serde_json::json!({ "detail": detail }).to_string();
    (
        status,
        [(header::CONTENT_TYPE, "application/problem+json")],
        body,
    )
        .into_response()
}

async fn events(State(shared): State<Shared>) -> Response {
    let Ok(place) = shared.pages.try_acquire_owned() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, newcomer::TOO_MANY_PAGES);
    };
    Sse::new(stream_of(shared.parts, place))
        .keep_alive(KeepAlive::default())
        .into_response()
}

fn stream_of(
    parts: Arc<Parts>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    feed::open(parts).map(move |message| {
        // The place is given back when the stream is dropped.
        let _held = &place;
        Ok(Event::default().event(message.event).data(message.data))
    })
}

impl Shared {
    /// Passes an answer of the daemon on as it is.
    async fn pass_on(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Response {
        let answer = match self.parts.till.call(method, path, body).await {
            Ok(answer) => answer,
            Err(error) => return lost(&error),
        };
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let content_type = answer.content_type.as_deref().unwrap_or("application/json");
        let content_type = HeaderValue::from_str(content_type)
            .unwrap_or(HeaderValue::from_static("application/json"));
        (status, [(header::CONTENT_TYPE, content_type)], answer.body).into_response()
    }
}

fn lost(error: &CallError) -> Response {
    tracing::warn!(error = %crate::base::error_chain::with_causes(error), "Demo call failed");
    problem(StatusCode::BAD_GATEWAY, newcomer::PART_SILENT)
}

/// Answers an action of the buyer; what the service refuses, the phone shows.
fn acted<T: IntoResponse>(outcome: Result<T, CallError>, refusal: &str) -> Response {
    match outcome {
        Ok(answer) => answer.into_response(),
        Err(CallError::Refused { .. }) => problem(StatusCode::CONFLICT, refusal),
        Err(error) => lost(&error),
    }
}

/// The same for what has no answer of its own.
fn done(outcome: Result<(), CallError>, refusal: &str) -> Response {
    acted(outcome.map(|()| StatusCode::NO_CONTENT), refusal)
}

async fn frame(State(shared): State<Shared>) -> Response {
    shared
        .pass_on(Method::GET, "/display/frame.png", None)
        .await
}

async fn begin_sale(State(shared): State<Shared>, Path(id): Path<String>, body: Bytes) -> Response {
    on_operation(&id, async |id| {
        shared
            .pass_on(Method::PUT, &format!("/v1/sales/{id}"), Some(body.to_vec()))
            .await
    })
    .await
}

async fn operation(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    on_operation(&id, async |id| {
        shared
            .pass_on(Method::GET, &format!("/v1/operations/{id}"), None)
            .await
    })
    .await
}

async fn abort(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    on_operation(&id, async |id| {
        shared
            .pass_on(Method::POST, &format!("/v1/operations/{id}/abort"), None)
            .await
    })
    .await
}

/// The id becomes part of another address: only what the till API calls an identifier may.
async fn on_operation(id: &str, act: impl AsyncFnOnce(&str) -> Response) -> Response {
    let is_id = !id.is_empty()
        && id.len() <= 64
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-~".contains(&byte));
    if is_id {
        act(id).await
    } else {
        problem(StatusCode::BAD_REQUEST, newcomer::BAD_ID)
    }
}

async fn operations(State(shared): State<Shared>) -> Response {
    shared
        .pass_on(Method::GET, "/v1/operations?limit=10", None)
        .await
}

async fn health(State(shared): State<Shared>) -> Response {
    shared.pass_on(Method::GET, "/v1/health", None).await
}

#[derive(Deserialize)]
struct Scan {
    text: String,
}

async fn scan(State(shared): State<Shared>, Json(scan): Json<Scan>) -> Response {
    match shared.parts.scanner.scan(&scan.text) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            tracing::warn!(error = %crate::base::error_chain::with_causes(&error), "Virtual scanner did not scan");
            problem(StatusCode::CONFLICT, newcomer::NOT_SCANNED)
        }
    }
}

/// The text of the buyer's QR code, and its dark modules as an SVG path, one unit a module.
async fn buyer_qr(State(shared): State<Shared>) -> Response {
    let drawn = shared
        .parts
        .buyer
        .qr()
        .await
        .map(|text| match drawn(&text) {
            Some((size, path)) => {
                Json(serde_json::json!({ "text": text, "size": size, "path": path }))
                    .into_response()
            }
            None => problem(StatusCode::INTERNAL_SERVER_ERROR, newcomer::CODE_TOO_LONG),
        });
    acted(drawn, newcomer::WALLET_WITHOUT_CODE)
}

fn drawn(text: &str) -> Option<(usize, String)> {
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::M).ok()?;
    let size = code.width();
    let dark = |place: &(usize, qrcode::Color)| place.1 == qrcode::Color::Dark;
    let path = code.into_colors().into_iter().enumerate().filter(dark);
    let path = path
        .map(|(place, _)| format!("M{} {}h1v1h-1z", place % size, place / size))
        .collect();
    Some((size, path))
}

async fn join(State(shared): State<Shared>, Json(taken): Json<Taken>) -> Response {
    let outcome = shared.parts.buyer.join(&taken).await;
    done(outcome, newcomer::WALLET_WITHOUT_PAYMENT)
}

#[derive(Deserialize)]
struct Decided {
    decision: Decision,
}

async fn decide(State(shared): State<Shared>, Json(decided): Json<Decided>) -> Response {
    let outcome = shared.parts.buyer.decide(decided.decision).await;
    done(outcome, newcomer::NOTHING_TO_CONFIRM)
}

#[derive(Deserialize)]
struct Switched {
    network: Network,
}

async fn set_network(State(shared): State<Shared>, Json(switched): Json<Switched>) -> Response {
    let outcome = shared.parts.buyer.set_network(switched.network).await;
    done(outcome, newcomer::NETWORK_NOT_SWITCHED)
}

#[derive(Deserialize)]
struct Lived {
    short: bool,
}

/// Nobody wants to look at a page for a minute until a session ends.
async fn set_sessions(State(shared): State<Shared>, Json(lived): Json<Lived>) -> Response {
    let life = if lived.short {
        SHORT_SESSION_LIFE
    } else {
        SESSION_LIFE
    };
    let outcome = shared.parts.buyer.set_session_life(life).await;
    done(outcome, newcomer::SESSIONS_NOT_CHANGED)
}

#[cfg(test)]
mod tests;
