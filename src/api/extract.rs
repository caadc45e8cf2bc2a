//! Requests are read with care, problems are written by RFC 9457.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Path;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use super::body;
use crate::model::problem::{Code, Problem};
use crate::texts::cashier;

/// Largest body that is read.
pub const MAX_BODY: usize = 256 * 1024;
/// A caller's body must be here in this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest name of a device; longer ones are nobody's.
const MAX_NAME: usize = 32;

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// 400 `invalid`; `what` is Russian and names the place.
pub(super) fn invalid(what: &str) -> Problem {
    let what: String = what.chars().filter(|c| !c.is_control()).take(240).collect();
    Code::Invalid.problem(cashier::invalid(what), cashier::INVALID_REMEDY)
}

/// Reads a JSON body.
pub(super) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > MAX_BODY) {
        return Err(too_large());
    }
    is_json(headers)?;
    let bytes = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY))
        .await
        .map_err(|_| invalid(cashier::BODY_LATE))?
        .map_err(|error| broken_body(&error))?;
    body::parse(&bytes).map_err(|what| invalid(&what))
}

/// JSON is UTF-8 (RFC 8259); a till that names another charset means it.
fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let mut parts = kind.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts
        .filter_map(|part| part.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .all(|(_, charset)| {
            let charset = charset.trim().trim_matches('"');
            ["utf-8", "utf8"]
                .iter()
                .any(|utf8| charset.eq_ignore_ascii_case(utf8))
        });
    if is_json && is_utf8 {
        return Ok(());
    }
    Err(invalid(cashier::CONTENT_TYPE))
}

/// The same where no body at all means that nothing special is wished.
pub(super) async fn json_or_nothing<T: DeserializeOwned + Default>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    if axum::body::HttpBody::is_end_stream(&body) {
        return Ok(T::default());
    }
    json(headers, body).await
}

/// Too long, or cut short on its way.
fn broken_body(error: &axum::Error) -> Problem {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return too_large();
        }
        cause = error.source();
    }
    invalid(cashier::BODY_BROKEN)
}

fn too_large() -> Problem {
    Code::TooLarge.problem(cashier::TOO_LARGE, cashier::TOO_LARGE_REMEDY)
}

pub(super) fn query<T>(
    query: Result<axum::extract::Query<T>, QueryRejection>,
) -> Result<T, Problem> {
    query
        .map(|axum::extract::Query(query)| query)
        .map_err(|error| invalid(&of_query(&error.body_text())))
}

/// `Failed to deserialize query string: limit: invalid digit found in string`.
fn of_query(text: &str) -> String {
    let fault = text
        .split_once("query string: ")
        .map_or(text, |(_, fault)| fault);
    match fault.split_once(": ") {
        Some((name, what)) => body::in_russian(name, what),
        None => body::in_russian("", fault),
    }
}

/// The identifier in a path; the daemon's own begin with `~`.
pub(super) fn path_id(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let id = path_text(path)?;
    crate::core::validate::id(id.strip_prefix('~').unwrap_or(&id))?;
    Ok(id)
}

/// A device's name in a path.
pub(super) fn device_name(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let name = path_text(path)?;
    let is_name = name.len() <= MAX_NAME && name.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_name {
        Ok(name)
    } else {
        Err(Code::NotFound.problem(cashier::BAD_DEVICE_NAME, cashier::BAD_DEVICE_NAME_REMEDY))
    }
}

/// An identifier that a till gives to something new.
pub(super) fn new_id(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let id = path_text(path)?;
    crate::core::validate::id(&id)?;
    Ok(id)
}

fn path_text(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    path.map(|Path(id)| id)
        .map_err(|_| invalid(cashier::PATH_TEXT))
}

pub(super) fn not_found(what: &str) -> Problem {
    Code::NotFound.problem(what, cashier::NOT_FOUND_REMEDY)
}
