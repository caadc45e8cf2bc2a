//! The buyer's page: the picture of the display in a browser, and nothing else.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::Api;
use crate::problem::{Code, Problem};

const PAGE: &str = include_str!("display.html");

/// The page. Its own script and style alone may run, by a number that is new each time.
#[utoipa::path(get, path = "/display", responses((status = 200, content_type = "text/html", description = "The buyer's page")))]
pub(super) async fn get_page() -> Result<Response, Problem> {
    let failed = || {
        Problem::new(
            Code::Storage,
            "Страница недоступна",
            "Повторите через минуту",
        )
    };
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| failed())?;
    let mut nonce = String::new();
    for byte in bytes {
        write!(nonce, "{byte:02x}").map_err(|_| failed())?;
    }
    let policy = format!(
        "default-src 'none'; img-src 'self'; connect-src 'self'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    let policy = HeaderValue::from_str(&policy).map_err(|_| failed())?;
    let headers: [(HeaderName, HeaderValue); 2] = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    Ok((headers, PAGE.replace("NONCE", &nonce)).into_response())
}

/// The picture.
#[utoipa::path(get, path = "/display/frame.png", responses((status = 200, content_type = "image/png", description = "What the buyer sees")))]
pub(super) async fn get_frame(state: State<Api>) -> Response {
    super::routes::get_frame(state).await
}
