//! The technician's way in: the token typed into the page at `/`, or a link of `oplati open`, become
//! a cookie.
//!
//! - **Calls by cookie** must come from our own page. What changes something needs our `Origin`.
//!   Browsers send no `Origin` with a same-origin `GET`; there `Sec-Fetch-Site: same-origin` counts,
//!   which means the same and which no page can set. A header of the page's own would have done, too,
//!   but pictures and event streams cannot carry one.
//! - **The form is sent by the page's script**, because a plain form under `Referrer-Policy:
//!   no-referrer` sends `Origin: null`. So the token is in a body, never in an address.
//! - **A link's code is in the fragment**: browsers never send it, so no log has it; the page removes
//!   it from the history at once, and it works once within a minute. A code in the path would have
//!   needed no script, but a preview or a prefetch of the link would use it up.
//! - Browsers share cookies between the ports of one host: the name holds our port, and who runs a
//!   server on the till could read the cookie. It could read the browser's memory as well.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};
use utoipa::ToSchema;

use super::Api;
use super::access::Caller;
use super::extract::{invalid, json};
use crate::base::lock::lock;
use crate::base::random;
use crate::base::secret::Secret;
use crate::model::problem::{Code, Problem};
use crate::texts::cashier;

/// A session ends after 12 hours, whatever happens in it.
const SESSION: Duration = Duration::from_secs(12 * 3600);
/// A link's code is good for a minute.
const LINK: Duration = Duration::from_secs(60);
/// Sessions, and codes, at the same time; one more ends the oldest.
const MAX: usize = 16;
/// What a wrong token costs; one is examined at a time.
const WRONG_TOKEN_DELAY: Duration = Duration::from_secs(1);
/// Attempts that wait for that.
const MAX_ATTEMPTS: usize = 4;

/// Random texts, each good until a moment.
#[derive(Debug, Default)]
struct ExpiringTokens(VecDeque<(Secret, Instant)>);

impl ExpiringTokens {
    fn add(&mut self, now: Instant, life: Duration) -> Option<Secret> {
        let secret = random()?;
        self.0.retain(|(_, end)| *end > now);
        while self.0.len() >= MAX {
            self.0.pop_front();
        }
        self.0.push_back((secret.clone(), now + life));
        Some(secret)
    }

    /// All are compared, each in the same time.
    fn has(&self, given: &str, now: Instant) -> bool {
        let alive = self.0.iter().filter(|(_, end)| *end > now);
        alive.fold(false, |found, (pass, _)| found | is_same(given, pass))
    }

    /// When it ends; `None` when it has.
    fn end_of(&self, given: &str, now: Instant) -> Option<Instant> {
        let ends = self
            .0
            .iter()
            .filter(|(pass, end)| *end > now && is_same(given, pass));
        ends.map(|(_, end)| *end).next()
    }

    fn take(&mut self, given: &str, now: Instant) -> bool {
        let found = self.has(given, now);
        self.0.retain(|(pass, _)| !is_same(given, pass));
        found
    }
}

/// Who is in by the page. In memory: a restart ends all sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    door: Option<(SocketAddr, Secret)>,
    sessions: Mutex<ExpiringTokens>,
    links: Mutex<ExpiringTokens>,
    /// Notified whenever a session may have ended before its time.
    ended: watch::Sender<()>,
    attempts: Semaphore,
    examiner: tokio::sync::Mutex<()>,
}

impl Sessions {
    /// Of the TCP door, with its token; `None` when nobody listens there.
    pub(super) fn new(door: Option<(SocketAddr, Secret)>) -> Sessions {
        Sessions {
            door,
            sessions: Mutex::default(),
            links: Mutex::default(),
            ended: watch::Sender::new(()),
            attempts: Semaphore::new(MAX_ATTEMPTS),
            examiner: tokio::sync::Mutex::new(()),
        }
    }

    /// Whether the cookie is one of ours.
    pub(super) fn knows(&self, headers: &HeaderMap, now: Instant) -> bool {
        self.cookie(headers)
            .is_some_and(|cookie| lock(&self.sessions).has(cookie, now))
    }

    /// Waits until the session of a call by cookie is over; for other callers, for ever. A stream must
    /// not outlive what let it in.
    pub(super) fn until_over(
        self: &Arc<Self>,
        headers: &HeaderMap,
    ) -> impl Future<Output = ()> + Send + use<> {
        let by_cookie = !headers.contains_key(header::AUTHORIZATION);
        let cookie = by_cookie.then(|| self.cookie(headers)).flatten();
        let cookie = cookie.map(|cookie| Secret::new(cookie.to_owned()));
        let (sessions, mut ended) = (Arc::clone(self), self.ended.subscribe());
        async move {
            let Some(cookie) = cookie else {
                return std::future::pending().await;
            };
            loop {
                let end = lock(&sessions.sessions).end_of(cookie.expose(), Instant::now());
                let Some(end) = end else { return };
                tokio::select! {
                    () = tokio::time::sleep_until(end.into()) => {}
                    changed = ended.changed() => if changed.is_err() { return },
                }
            }
        }
    }

    fn name(&self) -> String {
        let port = self.door.as_ref().map_or(0, |(address, _)| address.port());
        format!("oplati-{port}")
    }

    /// Ours; of two, neither.
    fn cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.name();
        let mut ours = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|part| part.trim().split_once('='))
            .filter(|(other, _)| *other == name);
        let (_, value) = ours.next()?;
        ours.next().is_none().then_some(value)
    }

    /// Examines what was given. What is wrong is slowed down for all, and reported without its value.
    async fn enter(&self, key: &Key) -> Result<Secret, Problem> {
        let busy = |_| {
            Code::TemporarilyUnavailable
                .problem(cashier::TOO_MANY_ENTRIES, cashier::TOO_MANY_ENTRIES_REMEDY)
        };
        let _attempt = self.attempts.try_acquire().map_err(busy)?;
        let _examiner = self.examiner.lock().await;
        let now = Instant::now();
        let right = match (key, &self.door) {
            (Key::Token(given), Some((_, token))) => is_same(given.trim(), token),
            (Key::Code(given), Some(_)) => lock(&self.links).take(given, now),
            (Key::Token(_) | Key::Code(_), None) => false,
        };
        if !right {
            let (what, remedy) = key.refusal();
            tracing::warn!("A way in to the technician's page was refused: wrong token or code");
            tokio::time::sleep(WRONG_TOKEN_DELAY).await;
            return Err(Code::Unauthorized.problem(what, remedy));
        }
        let session = lock(&self.sessions).add(now, SESSION);
        self.ended.send_replace(());
        session.ok_or_else(Problem::temporarily_unavailable)
    }
}

enum Key {
    Token(String),
    Code(String),
}

impl Key {
    fn refusal(&self) -> (&'static str, &'static str) {
        match self {
            Key::Token(_) => (cashier::WRONG_KEY, cashier::WRONG_KEY_REMEDY),
            Key::Code(_) => (cashier::USED_LINK, cashier::USED_LINK_REMEDY),
        }
    }
}

/// 256 bits; `None` when the system has no randomness.
fn random() -> Option<Secret> {
    random::hex::<32>().ok().map(Secret::new)
}

/// Takes the same time wherever the first difference is.
pub(super) fn is_same(given: &str, secret: &Secret) -> bool {
    let (given, secret) = (given.as_bytes(), secret.expose().as_bytes());
    let difference = given
        .iter()
        .zip(secret)
        .fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == secret.len() && difference == 0
}

/// Exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionRequest {
    /// Of the token file.
    token: Option<String>,
    /// Of a link.
    code: Option<String>,
}

/// Opens a session of the technician's page.
#[utoipa::path(post, path = "/v1/session", request_body = SessionRequest,
    responses((status = 204, description = "Open for 12 hours, by an HttpOnly cookie; over TCP only, with our own Origin"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "invalid, unauthorized, forbidden"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "temporarily_unavailable: too many attempts")))]
pub(super) async fn post_session(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if caller != Caller::Anybody {
        return Err(invalid(cashier::SESSION_ONLY_FROM_PAGE));
    }
    let key = match json(&headers, body).await? {
        SessionRequest {
            token: Some(token),
            code: None,
        } => Key::Token(token),
        SessionRequest {
            token: None,
            code: Some(code),
        } => Key::Code(code),
        SessionRequest { .. } => return Err(invalid(cashier::SESSION_ONE_KEY)),
    };
    let session = api.sessions.enter(&key).await?;
    set_cookie(&api.sessions, session.expose(), SESSION)
}

/// Ends the session.
#[utoipa::path(delete, path = "/v1/session", responses((status = 204, description = "Ended")))]
pub(super) async fn delete_session(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(cookie) = api.sessions.cookie(&headers) {
        lock(&api.sessions.sessions).take(cookie, Instant::now());
        api.sessions.ended.send_replace(());
    }
    set_cookie(&api.sessions, "", Duration::ZERO)
}

fn set_cookie(sessions: &Sessions, value: &str, life: Duration) -> Result<Response, Problem> {
    let name = sessions.name();
    let seconds = life.as_secs();
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    let cookie = HeaderValue::from_str(&text).map_err(|_| Problem::temporarily_unavailable())?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// A way in to the technician's page.
#[derive(Serialize, ToSchema)]
pub(super) struct Link {
    /// With a code that works once.
    url: String,
    /// Seconds that it works.
    expires_in_s: u64,
}

/// Makes a link to the technician's page.
#[utoipa::path(post, path = "/v1/links",
    responses((status = 200, body = Link, description = "Works once within a minute"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "forbidden: a session makes no other"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "not_configured: nobody listens on TCP")))]
pub(super) async fn post_link(State(api): State<Api>) -> Result<Json<Link>, Problem> {
    let Some((address, _)) = &api.sessions.door else {
        return Err(Code::NotConfigured.problem(
            cashier::PAGE_NOT_CONFIGURED,
            cashier::PAGE_NOT_CONFIGURED_REMEDY,
        ));
    };
    let code = lock(&api.sessions.links).add(Instant::now(), LINK);
    let code = code.ok_or_else(Problem::temporarily_unavailable)?;
    Ok(Json(Link {
        url: format!("http://{address}/#code={}", code.expose()),
        expires_in_s: LINK.as_secs(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_after_twelve_hours() {
        let (now, mut passes) = (Instant::now(), ExpiringTokens::default());
        let pass = passes.add(now, SESSION).unwrap();
        let end = now + Duration::from_secs(12 * 3600);
        let before = end.checked_sub(Duration::from_millis(1)).unwrap();
        assert!(passes.has(pass.expose(), before));
        assert_eq!(passes.end_of(pass.expose(), before), Some(end));
        assert!(!passes.has(pass.expose(), end));
        assert_eq!(passes.end_of(pass.expose(), end), None);
    }

    #[test]
    fn passes_end_in_time_and_are_bounded() {
        let (now, mut passes) = (Instant::now(), ExpiringTokens::default());
        let first = passes.add(now, LINK).unwrap();
        assert!(passes.has(first.expose(), now + LINK - Duration::from_millis(1)));
        assert!(!passes.has(first.expose(), now + LINK));
        for _ in 0..MAX {
            passes.add(now, LINK).unwrap();
        }
        assert!(!passes.has(first.expose(), now) && passes.0.len() == MAX);
    }
}
