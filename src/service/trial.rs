//! A trial of the service's protocol, for a merchant who wants to know which of this program's
//! assumptions hold at his till: one session that nobody pays, and questions that move no money.
//!
//! Like [`super::diagnose`] it is not the daemon's client: it reads the token that is there, never asks for
//! one, and looks at the shape of answers that the client need not know.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;
use serde_json::value::RawValue;

use super::classify::{self, Credential, classify};
use super::client::exchange::{Raw, lost, not_sent, read_body};
use super::client::resolver::Resolver;
use super::client::{ClientError, Settings, connection, hide};
use super::diagnose::{TokenFile, present_token};
use super::wire::{self, ErrorBody, WirePayment};
use crate::base::secret::Secret;
use crate::core::call::{Call, Failure, Received, Reply, SessionMode};
use crate::model::operation::Shows;

/// Largest body of an answer that is looked at, in bytes.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// A payment that no till has: the greatest number of 32 bits, which every service can read.
const UNKNOWN_PAYMENT: i64 = 2_147_483_647;
/// Most characters of a type or a scheme that are reported.
const MAX_REPORTED: usize = 32;

/// Why there is no trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// Token mode, but no token can be sent.
    #[error("there is no token to be sent")]
    NoToken(TokenFile),
    /// The HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A session that was opened.
#[derive(Debug)]
pub struct OpenedSession {
    /// For [`Trial::has_joined`].
    pub id: Secret,
    /// JSON type of `sessionId`: `integer`, `string`.
    pub id_type: &'static str,
    /// Text of the QR.
    pub qr: Secret,
    /// Scheme of that text, such as `o-plati`; empty where it is no address.
    pub scheme: String,
}

/// How an error was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorShape {
    pub status: u16,
    /// Whether it is read as the service's refusal.
    pub is_refusal: bool,
    /// The error's fields with their JSON types; `empty` for empty texts.
    pub fields: String,
}

/// How a report was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportShape {
    Array {
        rows: usize,
        /// Rows that are no payment infos as this program knows them.
        unreadable: usize,
    },
    /// 404 with the service's own error.
    NotFound,
}

/// The service, reached with the till's token or password.
#[derive(Debug)]
pub struct Trial {
    http: reqwest::Client,
    base: String,
    timeout: Duration,
    credential: Credential,
    secrets: Vec<Secret>,
}

impl Trial {
    /// Prepares it; nothing is sent.
    ///
    /// # Errors
    /// [`TrialError`], also in token mode without a token that can be read.
    pub fn new(settings: &Settings) -> Result<Trial, TrialError> {
        let (token, file) = present_token(settings);
        let (name, credential, secret) = match (token, &settings.password) {
            (_, Some(password)) => (
                wire::HEADER_PASSWORD,
                Credential::Password,
                password.clone(),
            ),
            (Some(token), None) => (wire::HEADER_TOKEN, Credential::Token, token),
            (None, None) => return Err(TrialError::NoToken(file)),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (wire::HEADER_REG_NUM, settings.reg_num.as_str()),
            (name, secret.expose()),
        ] {
            let value = connection::header_value(value, name)?;
            headers.insert(connection::header_name(name)?, value);
        }
        let http = connection::unpooled(
            &settings.url,
            settings.timeout,
            &headers,
            &Resolver::of_system(),
        );
        Ok(Trial {
            http: http.map_err(ClientError::Build)?,
            base: connection::base(&settings.url),
            timeout: settings.timeout,
            credential,
            secrets: vec![secret],
        })
    }

    /// What the till shows who it is with.
    pub fn credential(&self) -> Credential {
        self.credential
    }

    /// `POST demandPayment` with a dynamic QR. Moves no money; takes at most `timeout`.
    ///
    /// # Errors
    /// [`Failure`], without secrets.
    pub async fn open_session(&mut self) -> Result<OpenedSession, Failure> {
        let body = wire::DemandPayment {
            payment_mode: wire::MODE_DYNAMIC_QR,
            consumer_qr: None,
        };
        let url = format!("{}{}", self.base, wire::DEMAND_PAYMENT);
        let request = super::client::with_body(self.http.post(url), &body)?;
        let raw = self.exchange(request).await?;
        let call = Call::OpenSession(SessionMode::DynamicQr);
        let reply = classify(&call, &raw.answer(self.credential));
        let Reply::Session {
            session,
            shows: Some(Shows::Qr(qr)),
        } = reply.map_err(|failure| self.without_secrets(failure))?
        else {
            return Err(not_understood());
        };
        let (id, qr) = (Secret::new(session), Secret::new(qr));
        self.secrets.extend([id.clone(), qr.clone()]);
        let fields: BTreeMap<String, Value> =
            serde_json::from_slice(&raw.body).map_err(|_| not_understood())?;
        let scheme = qr
            .expose()
            .split_once("://")
            .map_or("", |(scheme, _)| scheme);
        Ok(OpenedSession {
            id_type: json_type(fields.get(wire::SESSION_ID)),
            scheme: wire::clean(scheme, MAX_REPORTED),
            id,
            qr,
        })
    }

    /// `GET consumerStatus`. Takes at most `timeout`.
    ///
    /// # Errors
    /// [`Failure`], without secrets.
    pub async fn has_joined(&self, session: &OpenedSession) -> Result<bool, Failure> {
        let url = format!("{}{}", self.base, wire::CONSUMER_STATUS);
        let url = connection::with_query(&url, wire::SESSION_ID, session.id.expose());
        let raw = self.exchange(self.http.get(url)).await?;
        let call = Call::ConsumerStatus {
            session: session.id.expose().to_owned(),
        };
        match classify(&call, &raw.answer(self.credential)) {
            Ok(Reply::Consumer { ready, .. }) => Ok(ready),
            Ok(_) => Err(not_understood()),
            Err(failure) => Err(self.without_secrets(failure)),
        }
    }

    /// `GET payments/{id}` for a payment that no till has. Takes at most `timeout`.
    ///
    /// # Errors
    /// [`Failure`] when no answer came.
    pub async fn unknown_payment(&self) -> Result<ErrorShape, Failure> {
        let url = format!("{}{}/{UNKNOWN_PAYMENT}", self.base, wire::PAYMENTS);
        let raw = self.exchange(self.http.get(url)).await?;
        let is_refusal = matches!(
            classify::failure(&raw.answer(self.credential)),
            Failure::Refused { .. }
        );
        Ok(ErrorShape {
            status: raw.status,
            is_refusal: is_refusal && ErrorBody::read(&raw.body).is_some(),
            fields: error_fields(&raw.body),
        })
    }

    /// `GET paymentReports`. Takes at most `timeout`.
    ///
    /// # Errors
    /// [`Failure`] when no answer came, or none that is a report.
    pub async fn report(&self, shift: &str) -> Result<ReportShape, Failure> {
        let url = format!("{}{}", self.base, wire::PAYMENT_REPORTS);
        let url = connection::with_query(&url, wire::SHIFT, shift);
        let raw = self.exchange(self.http.get(url)).await?;
        let read = classify::read_report(
            &raw.answer(self.credential),
            super::report::Wanted::default(),
        );
        read.map_err(|failure| self.without_secrets(failure))?;
        if raw.status != 200 {
            return Ok(ReportShape::NotFound);
        }
        let rows: Vec<&RawValue> =
            serde_json::from_slice(&raw.body).map_err(|_| not_understood())?;
        let is_readable = |row: &&&RawValue| {
            let row = WirePayment::parse(row.get().as_bytes());
            row.and_then(WirePayment::read).is_ok()
        };
        Ok(ReportShape::Array {
            rows: rows.len(),
            unreadable: rows.len() - rows.iter().filter(is_readable).count(),
        })
    }

    async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<Raw, Failure> {
        let asked = async {
            match request.send().await {
                Ok(response) => read_body(response, MAX_BODY).await,
                Err(error) if error.is_connect() => Err(not_sent(&error.without_url())),
                Err(error) => Err(lost(error)),
            }
        };
        let late = || Failure::Lost {
            detail: format!("no answer within {} ms", self.timeout.as_millis()),
            received: Received::Nothing,
        };
        let answer = tokio::time::timeout(self.timeout, asked).await;
        answer.unwrap_or_else(|_| Err(late()))
    }

    fn without_secrets(&self, failure: Failure) -> Failure {
        let secrets: Vec<&str> = self.secrets.iter().map(Secret::expose).collect();
        hide(failure, &secrets)
    }
}

fn not_understood() -> Failure {
    Failure::Lost {
        detail: "the answer does not match the protocol".to_owned(),
        received: Received::Malformed,
    }
}

fn json_type(value: Option<&Value>) -> &'static str {
    match value {
        None => "absent",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(number)) if number.is_f64() => "number",
        Some(Value::Number(_)) => "integer",
        Some(Value::String(text)) if text.trim().is_empty() => "empty",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    }
}

/// The error's fields and their types: `code: string, internalCode: empty, …`; never their values, which
/// may be a merchant's.
fn error_fields(body: &[u8]) -> String {
    let fields: Result<BTreeMap<String, Value>, _> = serde_json::from_slice(body);
    let Ok(fields) = fields else {
        return if body.trim_ascii().is_empty() {
            "no body".to_owned()
        } else {
            "no JSON object".to_owned()
        };
    };
    wire::ERROR_FIELDS
        .map(|path| {
            let mut names = path.split('.');
            let first = names.next().and_then(|name| fields.get(name));
            let value = names.fold(first, |value, name| value?.get(name));
            format!("{path}: {}", json_type(value))
        })
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errors_shape_is_reported_without_its_values() {
        let recorded = r#"{"code": "400", "internalCode": "", "devMessage": "RegNum OPL000011111: x", "userMessage": {"lang_ru": "", "lang_en": null}}"#;
        assert_eq!(
            error_fields(recorded.as_bytes()),
            "code: string, internalCode: empty, devMessage: string, userMessage.lang_ru: empty, userMessage.lang_en: null"
        );
        assert_eq!(error_fields(b" "), "no body");
        assert_eq!(error_fields(b"<html>"), "no JSON object");
        assert_eq!(error_fields(b"[1]"), "no JSON object");
    }
}
