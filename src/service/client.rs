//! One call, from the token to the outcome.
//!
//! Two HTTP clients: polls and reports share kept-alive connections; requests that can move money
//! use a fresh connection each. An HTTP library may repeat a request by itself when a kept-alive
//! connection turns out dead before the first byte of an answer, and what it thinks unsent may have
//! been read by the other side. On a fresh connection there is nothing to repeat.
//!
//! Time-outs: `timeout` bounds a request whole. Connecting gets at most half of it, and at most 5 s:
//! a handshake takes three round trips, and one that takes longer will not carry a payment either.
//! It must end before the request does, or a dead line would look like a lost answer, though nothing
//! was sent.
//!
//! Certificates are the system's, and are read only for an `https:` address: the bare machine on
//! which the demo runs may have none.

mod stream;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Mutex;

use super::call::{Answer, Call, Failure, PaymentInfo, Reply, SessionMode, TokenProblem};
use super::classify::{classify, error_detail, token_problem};
use super::token::{self, Prepared, TokenError};
use super::wire::{self, ErrorBody, PaymentContent};
use crate::causes::with_causes;
use crate::secret::Secret;

/// Longest time that connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// A probe is all in all this short: a cashier waits for it.
const PROBE: Duration = Duration::from_secs(2);
/// Largest body of a report; a hundred thousand rows have some 25 MB.
const MAX_REPORT: usize = 64 * 1024 * 1024;
/// Largest body of any other answer.
const MAX_BODY: usize = 1024 * 1024;
/// Kept-alive connections that nobody uses.
const IDLE: Duration = Duration::from_secs(60);

/// How the service is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address, as configured.
    pub url: String,
    /// Registration number.
    pub reg_num: String,
    /// Password mode instead of a token.
    pub password: Option<Secret>,
    /// Bound of one call.
    pub timeout: Duration,
    /// token.conf.
    pub token_path: PathBuf,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The HTTP library refuses, for want of certificates for example.
    #[error("cannot prepare HTTPS; it needs the system's certificates (package ca-certificates)")]
    Build(#[source] reqwest::Error),
    /// A header value that HTTP does not allow.
    #[error("{0} holds characters that an HTTP header cannot carry")]
    Header(&'static str),
}

/// One call's end. When it is here, the call's connection is closed or free again.
#[derive(Debug)]
pub struct Exchange {
    /// The outcome.
    pub answer: Answer,
    /// From the first step to the outcome.
    pub elapsed: Duration,
    /// The service's `Date`, to compare clocks.
    pub server_date: Option<Timestamp>,
}

/// The client. Shared behind an `Arc`.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    base: String,
    /// For calls that move no money.
    asking: reqwest::Client,
    /// For those that do.
    moving: reqwest::Client,
    /// The token, once known; the lock also lets only one ask for it.
    token: Mutex<Option<Secret>>,
}

/// What came back over HTTP.
struct Raw {
    status: u16,
    body: Vec<u8>,
    date: Option<Timestamp>,
}

impl Client {
    /// Prepares the client; nothing is sent.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new(settings: Settings) -> Result<Client, ClientError> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header_name(wire::HEADER_REG_NUM)?,
            header_value(&settings.reg_num, "regNum")?,
        );
        if let Some(password) = &settings.password {
            let value = header_value(password.expose(), "password")?;
            headers.insert(header_name(wire::HEADER_PASSWORD)?, value);
        }
        let build = |keep: usize| {
            builder(&settings.url)
                .default_headers(headers.clone())
                .user_agent(concat!("oplati/", env!("CARGO_PKG_VERSION")))
                .tcp_nodelay(true)
                .connect_timeout(CONNECT.min(settings.timeout / 2))
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(keep)
                .build()
                .map_err(ClientError::Build)
        };
        let base = base(&settings.url);
        let (asking, moving) = (build(2)?, build(0)?);
        Ok(Client {
            settings,
            base,
            asking,
            moving,
            token: Mutex::new(None),
        })
    }

    /// Performs one call for `operation` and reports its outcome. Never fails to report. Takes at
    /// most `timeout`, a look-up so long for each shift, and as much again when the token has to be
    /// asked for first.
    pub async fn call(&self, call: &Call, operation: &str) -> Exchange {
        let began = Instant::now();
        let mut server_date = None;
        let answer = match self.token(operation).await {
            Ok(token) => self
                .perform(call, token.as_ref(), operation, &mut server_date)
                .await
                .map_err(|failure| self.without_secrets(failure, call, token.as_ref())),
            Err(failure) => Err(failure),
        };
        Exchange {
            answer,
            elapsed: began.elapsed(),
            server_date,
        }
    }

    /// The service may repeat what it was told: its words go to people and logs, our secrets do not.
    fn without_secrets(&self, failure: Failure, call: &Call, token: Option<&Secret>) -> Failure {
        let told = match call {
            Call::OpenSession(SessionMode::ConsumerQr(code)) => Some(code.expose()),
            Call::ConsumerStatus { session } | Call::Pay { session, .. } => Some(session.as_str()),
            Call::OpenSession(SessionMode::StaticQr | SessionMode::DynamicQr)
            | Call::Payment { .. }
            | Call::Reverse { .. }
            | Call::LookUp { .. }
            | Call::Probe { .. } => None,
        };
        let secrets: Vec<&str> = [token, self.settings.password.as_ref()]
            .into_iter()
            .flatten()
            .map(Secret::expose)
            .chain(told)
            .collect();
        hide(failure, &secrets)
    }

    async fn perform(
        &self,
        call: &Call,
        token: Option<&Secret>,
        operation: &str,
        date: &mut Option<Timestamp>,
    ) -> Answer {
        if let Call::LookUp {
            shifts,
            order_numbers,
        } = call
        {
            return self
                .look_up(call, shifts, order_numbers, token, operation, date)
                .await;
        }
        let request = self.request(call)?;
        let raw = self.exchange(request, call, token, operation).await?;
        *date = raw.date.or(*date);
        classify(call, raw.status, &raw.body)
    }

    /// Asks shift after shift until everything wanted is found. Absence needs every report whole;
    /// what is found is found, whatever another report says.
    async fn look_up(
        &self,
        call: &Call,
        shifts: &[String],
        order_numbers: &[String],
        token: Option<&Secret>,
        operation: &str,
        date: &mut Option<Timestamp>,
    ) -> Answer {
        let mut found: Vec<PaymentInfo> = Vec::new();
        let mut failure = None;
        for shift in shifts {
            let request = self.report(shift);
            let answer = match self.exchange(request, call, token, operation).await {
                Ok(raw) => {
                    *date = raw.date.or(*date);
                    classify(call, raw.status, &raw.body)
                }
                Err(failure) => Err(failure),
            };
            match answer {
                Ok(Reply::Found(rows)) => found.extend(rows),
                Ok(_) => {}
                Err(new) => failure = Some(new),
            }
            let wanted = |number: &&String| !found.iter().any(|info| info.order_number == **number);
            if order_numbers.iter().filter(wanted).count() == 0 {
                return Ok(Reply::Found(found));
            }
        }
        failure.map_or(Ok(Reply::Found(found)), Err)
    }

    fn report(&self, shift: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{}", self.base, wire::PAYMENT_REPORTS);
        self.asking.get(with_query(&url, wire::SHIFT, shift))
    }

    fn request(&self, call: &Call) -> Result<reqwest::RequestBuilder, Failure> {
        let url = |path: &str| format!("{}{path}", self.base);
        Ok(match call {
            Call::OpenSession(mode) => {
                let (payment_mode, consumer_qr) = match mode {
                    SessionMode::ConsumerQr(code) => (1, Some(code.expose())),
                    SessionMode::StaticQr => (2, None),
                    SessionMode::DynamicQr => (3, None),
                };
                let body = wire::DemandPayment {
                    payment_mode,
                    consumer_qr,
                };
                with_body(self.asking.post(url(wire::DEMAND_PAYMENT)), &body)?
            }
            Call::ConsumerStatus { session } => self.asking.get(with_query(
                &url(wire::CONSUMER_STATUS),
                wire::SESSION_ID,
                session,
            )),
            Call::Pay {
                session,
                order_number,
                sum,
                shift,
                receipt,
                answer_within: _,
            } => {
                let reg_num = &self.settings.reg_num;
                let content = PaymentContent {
                    sum: *sum,
                    order_number,
                    session: Some(session),
                    shift,
                    reg_num,
                    receipt: Some(receipt),
                };
                with_body(self.moving.post(url(wire::PAYMENTS)), &payment(&content)?)?
            }
            Call::Payment { payment_id } => self
                .asking
                .get(url(&format!("{}/{payment_id}", wire::PAYMENTS))),
            Call::Reverse {
                payment_id,
                order_number,
                sum,
                shift,
                receipt,
            } => {
                let reg_num = &self.settings.reg_num;
                let receipt = receipt.as_ref();
                let content = PaymentContent {
                    sum: *sum,
                    order_number,
                    session: None,
                    shift,
                    reg_num,
                    receipt,
                };
                let path = format!("{}/{payment_id}/{}", wire::PAYMENTS, wire::REVERSALS);
                with_body(self.moving.post(url(&path)), &payment(&content)?)?
            }
            Call::LookUp { shifts, .. } => self.report(shifts.first().map_or("", String::as_str)),
            Call::Probe { shift } => self.report(shift),
        })
    }

    /// Sends, waits, reads, and logs one line.
    async fn exchange(
        &self,
        request: reqwest::RequestBuilder,
        call: &Call,
        token: Option<&Secret>,
        operation: &str,
    ) -> Result<Raw, Failure> {
        let timeout = if matches!(call, Call::Probe { .. }) {
            PROBE
        } else {
            self.settings.timeout
        };
        let request = match token {
            Some(token) => request.header(wire::HEADER_TOKEN, sensitive(token)?),
            None => request,
        };
        let most = if matches!(call, Call::LookUp { .. } | Call::Probe { .. }) {
            MAX_REPORT
        } else {
            MAX_BODY
        };
        self.send(request, timeout, most, operation).await
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        timeout: Duration,
        most: usize,
        operation: &str,
    ) -> Result<Raw, Failure> {
        let request = request
            .build()
            .map_err(|error| not_sent(&error.without_url()))?;
        let (method, path) = (request.method().clone(), shown_path(request.url()));
        let client = if request.method() == reqwest::Method::POST {
            &self.moving
        } else {
            &self.asking
        };
        let began = Instant::now();
        let outcome = match tokio::time::timeout(timeout, receive(client, request, most)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Lost {
                detail: format!("no answer within {} ms", timeout.as_millis()),
                protocol: false,
            }),
        };
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &outcome {
            Ok(raw) => {
                tracing::info!(%method, path, status = raw.status, elapsed_ms, operation, "Request");
            }
            Err(failure) => {
                let error = failure.detail();
                tracing::warn!(%method, path, error, elapsed_ms, operation, "Request failed");
            }
        }
        outcome
    }

    /// The token of token mode; asked for at first contact, by one call while others wait.
    async fn token(&self, operation: &str) -> Result<Option<Secret>, Failure> {
        if self.settings.password.is_some() {
            return Ok(None);
        }
        let mut known = self.token.lock().await;
        if known.is_none() {
            *known = match token::read(&self.settings.token_path)
                .map_err(|error| token_failure(&error))?
            {
                Some(token) => Some(token),
                None => Some(self.ask_for_token(operation).await?),
            };
        }
        Ok(known.clone())
    }

    async fn ask_for_token(&self, operation: &str) -> Result<Secret, Failure> {
        let prepared =
            Prepared::make(&self.settings.token_path).map_err(|error| token_failure(&error))?;
        let request = with_body(
            self.moving.post(format!("{}{}", self.base, wire::TOKENS)),
            &serde_json::Map::new(),
        )?;
        let unsent = |failure: Failure| Failure::NotSent {
            detail: format!("no token: {}", failure.detail()),
        };
        let raw = self
            .send(request, self.settings.timeout, MAX_BODY, operation)
            .await
            .map_err(unsent)?;
        if raw.status != 200 {
            return Err(refused_token(&raw));
        }
        let no_token = |what: &str| Failure::NotSent {
            detail: format!("no token: the answer to POST tokens holds {what}"),
        };
        let answer: wire::TokenAnswer = wire::object(&raw.body).map_err(|_| no_token("none"))?;
        let token = token::check(answer.token.as_bytes())
            .map_err(|what| no_token(&format!("one that is {what}")))?;
        match prepared.keep(&token) {
            Ok(()) => tracing::info!("The token was received and kept"),
            Err(error) => {
                tracing::error!(error = %with_causes(&error), "The token was received but cannot be kept; it lasts until the next start");
            }
        }
        Ok(token)
    }
}

/// Secrets shorter than this stand for nothing: hiding them would garble the service's words.
const SHORTEST_HIDDEN: usize = 4;

fn hide(mut failure: Failure, secrets: &[&str]) -> Failure {
    let hide = |text: &mut String| {
        for secret in secrets
            .iter()
            .filter(|secret| secret.len() >= SHORTEST_HIDDEN)
        {
            *text = text.replace(secret, "***");
        }
    };
    match &mut failure {
        Failure::Refused { message, detail } => {
            hide(detail);
            message.iter_mut().for_each(hide);
        }
        Failure::NotSent { detail }
        | Failure::Token { detail, .. }
        | Failure::SessionOver { detail }
        | Failure::TooManyRequests { detail, .. }
        | Failure::Lost { detail, .. } => hide(detail),
    }
    failure
}

fn refused_token(raw: &Raw) -> Failure {
    let error = ErrorBody::read(&raw.body);
    let detail = error_detail(raw.status, error.as_ref());
    match error.as_ref().and_then(token_problem) {
        Some(problem) => Failure::Token { problem, detail },
        None => Failure::NotSent {
            detail: wire::clean(&format!("no token: {detail}"), 300),
        },
    }
}

/// Each wants a person: a damaged file the merchant's account, the others this machine's disk.
fn token_failure(error: &TokenError) -> Failure {
    tracing::error!(error = %with_causes(error), "No token");
    let detail = with_causes(error);
    let problem = match error {
        TokenError::Damaged { .. } => TokenProblem::Needed,
        TokenError::Unreadable { .. } | TokenError::Unwritable { .. } => TokenProblem::NoPlace,
    };
    Failure::Token { problem, detail }
}

async fn receive(
    client: &reqwest::Client,
    request: reqwest::Request,
    most: usize,
) -> Result<Raw, Failure> {
    let lost = |error: reqwest::Error| Failure::Lost {
        detail: wire::clean(&with_causes(&error.without_url()), 300),
        protocol: false,
    };
    let mut response = match client.execute(request).await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return Err(not_sent(&error.without_url())),
        Err(error) => return Err(lost(error)),
    };
    let status = response.status().as_u16();
    let date = server_date(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > most {
            return Err(Failure::Lost {
                detail: format!("the answer is larger than {most} bytes"),
                protocol: true,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Raw { status, body, date })
}

fn not_sent(error: &reqwest::Error) -> Failure {
    Failure::NotSent {
        detail: wire::clean(&with_causes(error), 300),
    }
}

fn payment<'a>(content: &PaymentContent<'a>) -> Result<wire::Payment<'a>, Failure> {
    wire::Payment::new(content).map_err(|error| Failure::NotSent {
        detail: with_causes(&error),
    })
}

fn with_body(
    request: reqwest::RequestBuilder,
    body: &impl serde::Serialize,
) -> Result<reqwest::RequestBuilder, Failure> {
    let body = serde_json::to_vec(body).map_err(|error| Failure::NotSent {
        detail: error.to_string(),
    })?;
    Ok(request.header(CONTENT_TYPE, "application/json").body(body))
}

/// Session ids and shifts are foreign text.
pub(super) fn with_query(url: &str, name: &str, value: &str) -> String {
    let mut text = format!("{url}?{name}=");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The path for the log; of the query only the shift, since a session id is as good as a key.
fn shown_path(url: &reqwest::Url) -> String {
    let shift = url.query_pairs().find(|(name, _)| name == wire::SHIFT);
    match shift {
        Some((name, shift)) => format!("{}?{name}={}", url.path(), wire::clean(&shift, 32)),
        None => url.path().to_owned(),
    }
}

/// The service's clock, of its answer.
pub(super) fn server_date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(date)
        .ok()
}

/// What holds for every request to the service: no redirect, no proxy, nothing sent twice.
pub(super) fn builder(url: &str) -> reqwest::ClientBuilder {
    // Another part of the process may have chosen a provider before: either will do.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = reqwest::Client::builder();
    // A machine without certificates can still talk to a service without TLS.
    let builder = if url.to_ascii_lowercase().starts_with("http:") {
        builder.tls_certs_only([])
    } else {
        builder
    };
    builder
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .http1_only()
}

/// What every call's address begins with.
pub(super) fn base(url: &str) -> String {
    let trimmed = url.trim_end_matches('/');
    let trimmed = trimmed.strip_suffix(wire::BASE).unwrap_or(trimmed);
    format!("{trimmed}{}{}", wire::BASE, wire::POS)
}

fn header_name(name: &'static str) -> Result<HeaderName, ClientError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| ClientError::Header(name))
}

pub(super) fn header_value(text: &str, what: &'static str) -> Result<HeaderValue, ClientError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| ClientError::Header(what))?;
    value.set_sensitive(true);
    Ok(value)
}

fn sensitive(token: &Secret) -> Result<HeaderValue, Failure> {
    header_value(token.expose(), "token").map_err(|error| Failure::NotSent {
        detail: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
