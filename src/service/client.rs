//! One call, from the token to the outcome.
//!
//! Polls and reports share kept-alive connections of an HTTP client's pool. A request that can move money has a
//! connection of its own that carries nothing before and nothing after it, made without that client (see `dialer`).
//!
//! Time-outs: `timeout` bounds every request whole but `POST payments`, whose answer the service may hold until the
//! buyer has confirmed. There it bounds connecting and writing; the answer is awaited as long as the call allows and
//! the connection lives (see `connection`). Connecting gets at most half of `timeout`, and at most 5 s: a handshake
//! takes three round trips, and one that takes longer will not carry a payment either. It must end before the request
//! does, or a dead line would look like a lost answer, though nothing was sent.
//!
//! - `connection`: how connections are set up and watched · `dialer`: one that carries one request ·
//!   `preconnect`: one that is open before it is needed · `exchange`: one request, from bytes to bytes
//! - `stream`: a shift's report of any length · `resolver`: the service's name and its addresses
//! - `order`: which address is tried first

pub(super) mod connection;
mod dialer;
pub(super) mod exchange;
mod order;
mod preconnect;
pub(super) mod resolver;
mod stream;

pub use stream::NoReport;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use tokio::sync::Mutex;

use super::classify::{self, Credential, HttpAnswer, classify};
use super::report::{Report, Wanted};
use super::token::{self, Prepared, TokenError};
use super::wire::{self, PaymentContent};
use crate::base::error_chain::with_causes;
use crate::base::secret::Secret;
use crate::core::call::{Answer, Call, Failure, Received, SessionMode, TokenProblem};
use connection::{Tls, base, header_name, header_value, with_query};
use dialer::Dialer;
use exchange::{Bounds, Raw};
use order::Errand;
use preconnect::Preconnect;
use resolver::{Resolver, SharedResolver};

/// Largest body of a report, in bytes; a hundred thousand rows have some 25 MB.
const MAX_REPORT: usize = 64 * 1024 * 1024;
/// Largest body of any other answer, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// How the service is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address, as configured.
    pub url: String,
    pub reg_num: String,
    /// Password mode instead of a token.
    pub password: Option<Secret>,
    /// Bound of one call; of `POST payments` it bounds connecting and writing.
    pub timeout: Duration,
    pub token_path: PathBuf,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There are none that TLS could trust.
    #[error("cannot prepare HTTPS; it needs the system's certificates (package ca-certificates)")]
    Certificates(#[source] rustls::Error),
    /// The HTTP library refuses.
    #[error("cannot prepare HTTPS; it needs the system's certificates (package ca-certificates)")]
    Build(#[source] reqwest::Error),
    /// A header value that HTTP does not allow.
    #[error("{0} holds characters that an HTTP header cannot carry")]
    Header(&'static str),
}

/// One call's end. When it is here, the call's connection is closed or free again.
#[derive(Debug)]
pub struct Exchange {
    pub answer: Answer,
    /// From the first step to the outcome.
    pub elapsed: Duration,
    /// The service's newest `Date`, to compare clocks.
    pub server_date: Option<ServerDate>,
}

/// A `Date` of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerDate {
    pub date: Timestamp,
    /// When it came.
    pub received: Instant,
}

/// The client. Shared behind an `Arc`.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    base: String,
    /// For calls that move no money.
    asking: reqwest::Client,
    /// For those that do.
    dialer: Dialer,
    preconnect: Preconnect,
    /// Of both.
    resolver: Arc<Resolver>,
    /// Until then each request has a connection of its own.
    doubtful_until: StdMutex<Option<Instant>>,
    /// The address that has answered last, to which the connections that are kept lead.
    answered_last: StdMutex<Option<IpAddr>>,
    /// The token, once known; the lock also lets only one ask for it.
    token: Mutex<Option<Secret>>,
}

/// A call on its way.
#[derive(Clone, Copy)]
struct SentCall<'a> {
    call: &'a Call,
    /// Of token mode.
    token: Option<&'a Secret>,
    /// What it is for.
    operation: &'a str,
}

impl Client {
    /// Prepares the client; nothing is sent.
    pub fn new(settings: Settings) -> Result<Client, ClientError> {
        Client::with_resolver(settings, Resolver::of_system())
    }

    fn with_resolver(settings: Settings, resolver: Arc<Resolver>) -> Result<Client, ClientError> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header_name(wire::HEADER_REG_NUM)?,
            header_value(&settings.reg_num, "regNum")?,
        );
        if let Some(password) = &settings.password {
            let value = header_value(password.expose(), "password")?;
            headers.insert(header_name(wire::HEADER_PASSWORD)?, value);
        }
        let base = base(&settings.url);
        let (url, timeout) = (&settings.url, settings.timeout);
        let tls = Tls::of(url)?;
        let asking = connection::asking(url, timeout, &headers, &resolver, &tls);
        let asking = asking.map_err(ClientError::Build)?;
        let shared = SharedResolver(Arc::clone(&resolver));
        let dialer = Dialer::new(url, timeout, &headers, shared, &tls);
        Ok(Client {
            settings,
            base,
            asking,
            dialer,
            preconnect: Preconnect::default(),
            resolver,
            doubtful_until: StdMutex::default(),
            answered_last: StdMutex::default(),
            token: Mutex::new(None),
        })
    }

    /// `timeout` of the settings: what every call but a payment's answer is bounded by.
    pub fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    /// The process ends: no request waits for the service's name any more.
    pub fn end_lookups(&self) {
        self.resolver.end();
    }

    /// Performs one call for `operation` and reports its outcome. Never fails to report. Takes at
    /// most `timeout`, a payment its `answer_within` and the time for connecting, a look-up `timeout`
    /// for each shift; and `timeout` more when the token has to be asked for first.
    pub async fn call(&self, call: &Call, operation: &str) -> Exchange {
        let began = Instant::now();
        let mut server_date = None;
        let answer = match self.token(operation).await {
            Ok(token) => {
                let sent = SentCall {
                    call,
                    token: token.as_ref(),
                    operation,
                };
                let answer = self.perform(sent, &mut server_date).await;
                answer.map_err(|failure| self.without_secrets(failure, call, token.as_ref()))
            }
            Err(failure) => Err(unsent(call, failure)),
        };
        Exchange {
            answer,
            elapsed: began.elapsed(),
            server_date,
        }
    }

    /// Reads an answer, and notes whether it is the service's; only then its `Date` is taken as the time.
    fn read<T>(
        &self,
        raw: &Raw,
        errand: Errand,
        date: &mut Option<ServerDate>,
        read: impl FnOnce(&HttpAnswer<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let read = read(&raw.answer(self.credential()));
        let is_another = read.as_ref().is_err_and(is_of_another);
        let mut server_date = raw.date;
        self.note_answerer(is_another, errand, raw.from, &mut server_date);
        *date = server_date.or(*date);
        read
    }

    /// The service may repeat what was sent to it: its words go to people and logs, our secrets do not.
    fn without_secrets(&self, failure: Failure, call: &Call, token: Option<&Secret>) -> Failure {
        let sent = match call {
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
            .chain(sent)
            .collect();
        hide(failure, &secrets)
    }

    async fn perform(&self, sent: SentCall<'_>, date: &mut Option<ServerDate>) -> Answer {
        if let Call::LookUp {
            shifts,
            order_numbers,
            witnesses,
        } = sent.call
        {
            let wanted = Wanted {
                order_numbers,
                witnesses,
            };
            return self.look_up(sent, shifts, wanted, date).await;
        }
        let request = self.request(sent.call)?;
        let raw = self.exchange(request, sent).await?;
        let errand = exchange::errand_of(sent.call);
        self.read(&raw, errand, date, |answer| classify(sent.call, answer))
    }

    /// Asks shift after shift until everything wanted is found. Absence needs every report whole; what is found is
    /// found, whatever another report shows.
    async fn look_up(
        &self,
        sent: SentCall<'_>,
        shifts: &[String],
        wanted: Wanted<'_>,
        date: &mut Option<ServerDate>,
    ) -> Answer {
        let mut report = Report::default();
        let mut failure = None;
        for shift in shifts {
            let request = self.report(shift);
            let read = match self.exchange(request, sent).await {
                Ok(raw) => self.read(&raw, Errand::Question, date, |answer| {
                    classify::read_report(answer, wanted)
                }),
                Err(failure) => Err(failure),
            };
            match read {
                Ok(more) => report.add(more),
                Err(new) => failure = Some(new),
            }
            if report.has_all_paid(wanted.order_numbers) {
                break;
            }
        }
        match failure {
            Some(failure) if !report.has_all_alive(wanted.order_numbers) => Err(failure),
            _ => Ok(report.conclude(wanted)),
        }
    }

    fn credential(&self) -> Credential {
        match self.settings.password {
            Some(_) => Credential::Password,
            None => Credential::Token,
        }
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
                    SessionMode::ConsumerQr(code) => (wire::MODE_CONSUMER_QR, Some(code.expose())),
                    SessionMode::StaticQr => (wire::MODE_STATIC_QR, None),
                    SessionMode::DynamicQr => (wire::MODE_DYNAMIC_QR, None),
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
                with_body(self.asking.post(url(wire::PAYMENTS)), &payment(&content)?)?
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
                with_body(self.asking.post(url(&path)), &payment(&content)?)?
            }
            Call::LookUp { shifts, .. } => self.report(shifts.first().map_or("", String::as_str)),
            Call::Probe { shift } => self.report(shift),
        })
    }

    /// The token of token mode; asked for at first contact, by one call while others wait.
    async fn token(&self, operation: &str) -> Result<Option<Secret>, Failure> {
        if self.settings.password.is_some() {
            return Ok(None);
        }
        let mut known = self.token.lock().await;
        if known.is_none() {
            let read = token::within_time(&self.settings.token_path, token::read).await;
            *known = match read.map_err(|error| token_failure(&error))? {
                Some(token) => Some(token),
                None => Some(self.ask_for_token(operation).await?),
            };
        }
        Ok(known.clone())
    }

    async fn ask_for_token(&self, operation: &str) -> Result<Secret, Failure> {
        let path = &self.settings.token_path;
        let prepared = token::within_time(path, Prepared::make).await;
        let prepared = prepared.map_err(|error| token_failure(&error))?;
        let request = with_body(
            self.asking.post(format!("{}{}", self.base, wire::TOKENS)),
            &serde_json::Map::new(),
        )?;
        let bounds = Bounds {
            time: self.settings.timeout,
            bytes: MAX_BODY,
            errand: Errand::Opening,
            is_expected: false,
        };
        let raw = self.send(request, bounds, operation).await?;
        let answer: wire::TokenAnswer = self.read(&raw, Errand::Opening, &mut None, |answer| {
            if answer.status == 200 {
                wire::object(answer.body).map_err(|error| classify::broken(&error))
            } else {
                Err(classify::failure(answer))
            }
        })?;
        let token = token::check(answer.token.as_bytes()).map_err(|what| Failure::NotSent {
            detail: format!("no token: the answer to POST tokens holds one that is {what}"),
        })?;
        let received = token.clone();
        match token::within_time(path, move |_| prepared.keep(&received)).await {
            Ok(()) => tracing::info!("The token was received and kept"),
            Err(error) => {
                tracing::error!(error = %with_causes(&error), "The token was received but cannot be kept; it lasts until the next start");
            }
        }
        Ok(token)
    }
}

impl Client {
    /// What stands in the way of the token that is kept; `None` where there is one, or none yet. The file is read in
    /// a thread that serves nobody, since its disk may hang.
    pub async fn token_file_problem(&self) -> Option<TokenProblem> {
        if self.settings.password.is_some() || self.token.lock().await.is_some() {
            return None;
        }
        let path = self.settings.token_path.clone();
        let read = tokio::task::spawn_blocking(move || token::read(&path)).await;
        match read {
            Ok(Err(error)) => Some(problem_of(&error)),
            Ok(Ok(_)) | Err(_) => None,
        }
    }
}

/// Secrets shorter than this stand for nothing: hiding them would garble the service's words.
const SHORTEST_HIDDEN: usize = 4;

pub(super) fn hide(mut failure: Failure, secrets: &[&str]) -> Failure {
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

/// Whether something else than the service has answered.
fn is_of_another(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Lost {
            received: Received::Malformed | Received::Status,
            ..
        }
    )
}

/// What it means for `call` that there is no token: it never left. A token problem wants a person, and
/// patience that is asked for is given; of a request that can move money that would leave doubt.
fn unsent(call: &Call, failure: Failure) -> Failure {
    match failure {
        Failure::Token { .. } | Failure::NotSent { .. } => failure,
        Failure::TooManyRequests { .. } if !call.moves_money() => failure,
        Failure::Refused { detail, .. }
        | Failure::SessionOver { detail }
        | Failure::TooManyRequests { detail, .. }
        | Failure::Lost { detail, .. } => Failure::NotSent {
            detail: wire::clean(&format!("no token: {detail}"), 300),
        },
    }
}

/// Each wants a person, at this machine's disk: whoever deleted a damaged file would delete the only token.
fn token_failure(error: &TokenError) -> Failure {
    tracing::error!(error = %with_causes(error), "No token");
    Failure::Token {
        problem: problem_of(error),
        detail: with_causes(error),
    }
}

fn problem_of(error: &TokenError) -> TokenProblem {
    match error {
        TokenError::Damaged { .. } => TokenProblem::Damaged,
        TokenError::Unreadable { .. } | TokenError::Unwritable { .. } => TokenProblem::NoPlace,
    }
}

fn payment<'a>(content: &PaymentContent<'a>) -> Result<wire::Payment<'a>, Failure> {
    wire::Payment::new(content).map_err(|error| Failure::NotSent {
        detail: with_causes(&error),
    })
}

pub(super) fn with_body(
    request: reqwest::RequestBuilder,
    body: &impl serde::Serialize,
) -> Result<reqwest::RequestBuilder, Failure> {
    let body = serde_json::to_vec(body).map_err(|error| Failure::NotSent {
        detail: error.to_string(),
    })?;
    Ok(request.header(CONTENT_TYPE, "application/json").body(body))
}

#[cfg(test)]
mod tests;
