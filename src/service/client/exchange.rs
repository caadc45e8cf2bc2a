//! One request, from its bytes to the answer's, and its line in the log.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{AGE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};

use super::connection::{POOL_IDLE_TIMEOUT, connect_timeout, header_value};
use super::dialer::Unanswered;
use super::order::{Blame, Errand, watching};
use super::{Client, MAX_BODY, MAX_REPORT, SentCall, ServerDate, is_of_another};
use crate::base::error_chain::with_causes;
use crate::base::lock::lock;
use crate::base::secret::Secret;
use crate::core::call::{Call, Failure, Received};
use crate::service::classify::{Credential, HttpAnswer};
use crate::service::wire;

/// Longest patience that `Retry-After` may ask for: a till that keeps still for hours because of a
/// clock or a typing error is no help to anybody.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);
/// An answer may be older than its question by so much, since `Age` is in whole seconds.
const AGE_TOLERANCE: Duration = Duration::from_secs(1);

/// What came back over HTTP.
pub(in crate::service) struct Raw {
    pub status: u16,
    pub body: Vec<u8>,
    pub date: Option<ServerDate>,
    pub retry_after: Option<Duration>,
    /// Who has answered.
    pub from: Option<IpAddr>,
}

impl Raw {
    pub(in crate::service) fn answer(&self, credential: Credential) -> HttpAnswer<'_> {
        HttpAnswer {
            status: self.status,
            body: &self.body,
            retry_after: self.retry_after,
            credential,
        }
    }
}

/// Bounds of one exchange.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// From connecting to the last byte of the answer.
    pub time: Duration,
    /// Of the answer's body.
    pub bytes: usize,
    pub errand: Errand,
    /// Whether the request may go over the connection that is open before it is needed.
    pub is_expected: bool,
}

/// What a call asks for.
pub(super) fn errand_of(call: &Call) -> Errand {
    match call {
        Call::Pay { .. } | Call::Reverse { .. } => Errand::Money,
        Call::OpenSession(_) => Errand::Opening,
        Call::ConsumerStatus { .. }
        | Call::Payment { .. }
        | Call::LookUp { .. }
        | Call::Probe { .. } => Errand::Question,
    }
}

impl Client {
    fn bounds(&self, call: &Call) -> Bounds {
        let timeout = self.settings.timeout;
        let time = match call {
            // Connecting, then the answer; writing is bounded by the connection itself.
            Call::Pay { answer_within, .. } => connect_timeout(timeout) + *answer_within,
            Call::OpenSession(_)
            | Call::ConsumerStatus { .. }
            | Call::Payment { .. }
            | Call::Reverse { .. }
            | Call::LookUp { .. }
            | Call::Probe { .. } => timeout,
        };
        let bytes = match call {
            Call::LookUp { .. } | Call::Probe { .. } => MAX_REPORT,
            Call::OpenSession(_)
            | Call::ConsumerStatus { .. }
            | Call::Pay { .. }
            | Call::Payment { .. }
            | Call::Reverse { .. } => MAX_BODY,
        };
        Bounds {
            time,
            bytes,
            errand: errand_of(call),
            is_expected: matches!(call, Call::OpenSession(_) | Call::Pay { .. }),
        }
    }

    /// Sends, waits, reads, and logs one line.
    pub(super) async fn exchange(
        &self,
        request: reqwest::RequestBuilder,
        sent: SentCall<'_>,
    ) -> Result<Raw, Failure> {
        let request = match sent.token {
            Some(token) => request.header(wire::HEADER_TOKEN, sensitive(token)?),
            None => request,
        };
        self.send(request, self.bounds(sent.call), sent.operation)
            .await
    }

    /// Sends a request, and waits for the head of its answer. A used connection is only for questions, and only where
    /// none has been in doubt for as long as one is kept; `is_expected` as in [`Bounds`].
    pub(super) async fn answer_to(
        &self,
        request: reqwest::Request,
        is_expected: bool,
    ) -> Result<reqwest::Response, Failure> {
        let is_doubtful = || lock(&self.doubtful_until).is_some_and(|until| Instant::now() < until);
        if request.method() == reqwest::Method::GET && !is_doubtful() {
            return self.asking.execute(request).await.map_err(unanswered);
        }
        let mut sendable = self.dialer.sendable(&request)?;
        let timeout = self.settings.timeout;
        if let Some(ready) = is_expected.then(|| self.preconnect.take(timeout)).flatten() {
            match ready.send(sendable).await {
                Err(Unanswered::NotTaken(back, error)) => {
                    tracing::debug!(
                        error,
                        "The connection that was open in advance took nothing"
                    );
                    sendable = *back;
                }
                answered => return answered.map_err(Failure::from),
            }
        }
        let connection = self.dialer.dial().await?;
        connection.send(sendable).await.map_err(Failure::from)
    }

    /// Kept connections lead to an answerer that is not the service, or hide that no new one comes about: until all of
    /// them are closed, each request has one of its own.
    pub(super) fn doubt_connections(&self) {
        *lock(&self.doubtful_until) = Some(Instant::now() + POOL_IDLE_TIMEOUT);
        self.preconnect.close();
    }

    /// What answers otherwise than the service does, a router's login page, a proxy or a front end that was left
    /// behind, is not the service: its clock is not the service's, its connection is not used again, the name is
    /// looked up anew, and another address is tried first.
    pub(super) fn note_answerer(
        &self,
        is_another: bool,
        errand: Errand,
        from: Option<IpAddr>,
        date: &mut Option<ServerDate>,
    ) {
        if !is_another {
            if let Some(address) = from {
                self.resolver.restore(address, errand);
            }
            return;
        }
        *date = None;
        self.resolver.doubt();
        self.doubt_connections();
        if let Some(address) = from {
            self.resolver.set_back(address, errand, Blame::Certain);
        }
    }

    /// A request has no answer; `first` is the address that was tried first for its connection, if it needed a new one.
    ///
    /// A payment's answer may be held until the buyer has confirmed, and so may prove nothing about who was asked,
    /// though it has not come in all its time. It counts all the same: where it is wrong, another address of the
    /// service does as well.
    pub(super) fn note_unanswered(&self, failure: &Failure, errand: Errand, first: Option<IpAddr>) {
        if is_of_another(failure) {
            return self.note_answerer(true, errand, first, &mut None);
        }
        let is_unsent = matches!(failure, Failure::NotSent { .. });
        // Any other request shows as well whether a connection comes about.
        let errand = if is_unsent { Errand::Question } else { errand };
        if is_unsent {
            self.resolver.doubt();
        }
        let is_set_back = match (first, *lock(&self.answered_last)) {
            (Some(address), _) => self.resolver.set_back(address, errand, Blame::Certain),
            // No connection was tried where the name was not found.
            (None, Some(address)) if !is_unsent => {
                self.resolver.set_back(address, errand, Blame::Likely)
            }
            (None, _) => false,
        };
        if is_unsent || is_set_back {
            self.doubt_connections();
        }
    }

    /// Who has answered; the address that was tried first is another where no connection to it came about.
    pub(super) fn note_answered(&self, first: Option<IpAddr>, from: Option<IpAddr>) {
        if let (Some(first), Some(from)) = (first, from)
            && first != from
        {
            self.resolver
                .set_back(first, Errand::Question, Blame::Certain);
        }
        *lock(&self.answered_last) = from;
    }

    pub(super) async fn send(
        &self,
        request: reqwest::RequestBuilder,
        bounds: Bounds,
        operation: &str,
    ) -> Result<Raw, Failure> {
        let request = request
            .build()
            .map_err(|error| not_sent(&error.without_url()))?;
        let (method, path) = (request.method().clone(), shown_path(request.url()));
        let began = Instant::now();
        let receiving = self.receive(request, bounds);
        let (received, first) = watching(tokio::time::timeout(bounds.time, receiving)).await;
        let outcome = match received {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Lost {
                detail: format!("no answer within {} ms", bounds.time.as_millis()),
                received: Received::Nothing,
            }),
        };
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &outcome {
            Ok(raw) => {
                self.note_answered(first, raw.from);
                tracing::info!(%method, path, status = raw.status, elapsed_ms, operation, "Request");
            }
            Err(failure) => {
                self.note_unanswered(failure, bounds.errand, first);
                let error = failure.detail();
                tracing::warn!(%method, path, error, elapsed_ms, operation, "Request failed");
            }
        }
        outcome
    }

    async fn receive(&self, request: reqwest::Request, bounds: Bounds) -> Result<Raw, Failure> {
        let asked = (request.method() == reqwest::Method::GET).then(Instant::now);
        let response = self.answer_to(request, bounds.is_expected).await?;
        if let Some(asked) = asked {
            is_fresh(response.headers(), asked.elapsed())?;
        }
        read_body(response, bounds.bytes).await
    }
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Failure {
        match unanswered {
            Unanswered::NotTaken(_, detail) => Failure::NotSent {
                detail: wire::clean(&detail, 300),
            },
            Unanswered::Lost(detail) => Failure::Lost {
                detail: wire::clean(&detail, 300),
                received: Received::Nothing,
            },
        }
    }
}

/// An answer out of a cache that is older than its question, which left `since`, has not come: what it shows was so
/// once, neither is nor is absent now, and its `Date` is of then.
///
/// # Errors
/// [`Failure::Lost`], with [`Received::Nothing`].
pub(in crate::service) fn is_fresh(headers: &HeaderMap, since: Duration) -> Result<(), Failure> {
    let ages = headers.get_all(AGE).iter();
    let ages = ages.filter_map(|age| whole_seconds(age.to_str().ok()?));
    match ages.max() {
        Some(age) if age > since + AGE_TOLERANCE => Err(Failure::Lost {
            detail: format!("an answer out of a cache, {} s old", age.as_secs()),
            received: Received::Nothing,
        }),
        Some(_) | None => Ok(()),
    }
}

/// Why a question has no answer.
fn unanswered(error: reqwest::Error) -> Failure {
    if error.is_connect() {
        not_sent(&error.without_url())
    } else {
        lost(error)
    }
}

/// The rest of an answer whose head has come, at most `most` bytes of it.
pub(in crate::service) async fn read_body(
    mut response: reqwest::Response,
    most: usize,
) -> Result<Raw, Failure> {
    let status = response.status().as_u16();
    let from = response.remote_addr().as_ref().map(SocketAddr::ip);
    // The body may take its time.
    let received = Instant::now();
    let date = server_date(response.headers()).map(|date| ServerDate { date, received });
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > most {
            return Err(Failure::Lost {
                detail: format!("the answer is larger than {most} bytes"),
                received: Received::Malformed,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Raw {
        status,
        body,
        date,
        retry_after,
        from,
    })
}

pub(in crate::service) fn lost(error: reqwest::Error) -> Failure {
    Failure::Lost {
        detail: wire::clean(&with_causes(&error.without_url()), 300),
        received: Received::Nothing,
    }
}

pub(in crate::service) fn not_sent(error: &dyn std::error::Error) -> Failure {
    Failure::NotSent {
        detail: wire::clean(&with_causes(error), 300),
    }
}

/// The path for the log; of the query only the shift, since a session id is as good as a key.
pub(super) fn shown_path(url: &reqwest::Url) -> String {
    let shift = url.query_pairs().find(|(name, _)| name == wire::SHIFT);
    match shift {
        Some((name, shift)) => format!("{}?{name}={}", url.path(), wire::clean(&shift, 32)),
        None => url.path().to_owned(),
    }
}

/// The service's clock, of its answer.
pub(in crate::service) fn server_date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(DATE)?.to_str().ok()?;
    http_date(date)
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a time by the service's clock, which the answer's own `Date` states,
/// or else ours. At most ten minutes; one that cannot be read is none.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = if let Some(seconds) = whole_seconds(text) {
        seconds
    } else {
        let now = server_date(headers).unwrap_or_else(crate::base::clock::wall);
        let until = http_date(text)?.duration_since(now);
        Duration::try_from(until).unwrap_or_default()
    };
    Some(asked.min(MAX_RETRY_AFTER))
}

/// A number of seconds; more of them than a number holds are too many as well.
fn whole_seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

/// The token as the value of its header.
pub(super) fn sensitive(token: &Secret) -> Result<HeaderValue, Failure> {
    header_value(token.expose(), "token").map_err(|error| Failure::NotSent {
        detail: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_old_as_its_oldest_age() {
        let since = Duration::from_millis(1500);
        for (ages, is_believed) in [
            (&[][..], true),
            (&["0"], true),
            (&["2"], true),
            (&[" 3 "], false),
            (&["0", "3"], false),
            (&["99999999999999999999999"], false),
            (&["-3"], true),
            (&["soon"], true),
        ] {
            let values = ages.iter().map(|age| (AGE, HeaderValue::from_static(age)));
            let mut headers = HeaderMap::new();
            for (name, value) in values {
                headers.append(name, value);
            }
            assert_eq!(is_fresh(&headers, since).is_ok(), is_believed, "{ages:?}");
        }
    }

    #[test]
    fn patience_is_read_in_seconds_and_as_a_time_and_bounded() {
        let date = "Tue, 24 Nov 2026 07:00:00 GMT";
        for (text, expected) in [
            ("0", Some(0)),
            ("7", Some(7)),
            (" 30 ", Some(30)),
            ("86400", Some(600)),
            ("99999999999999999999999", Some(600)),
            ("Tue, 24 Nov 2026 07:00:20 GMT", Some(20)),
            ("Tue, 24 Nov 2026 06:00:00 GMT", Some(0)),
            ("Wed, 25 Nov 2026 07:00:00 GMT", Some(600)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, HeaderValue::from_static(date));
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            let seconds = retry_after(&headers).map(|asked| asked.as_secs());
            assert_eq!(seconds, expected, "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
        // Without the service's clock, by ours.
        let mut headers = HeaderMap::new();
        let until = (crate::base::clock::wall() + Duration::from_secs(100))
            .strftime("%a, %d %b %Y %H:%M:%S GMT")
            .to_string();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(&until).unwrap());
        let asked = retry_after(&headers).unwrap().as_secs();
        assert!((90..=100).contains(&asked), "{asked}");
    }
}
