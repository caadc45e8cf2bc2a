//! The technician's page: three fixed files, which hold nothing of the till. What it shows it asks
//! for by its cookie (`session`).

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// `GET /`.
pub(super) async fn get_page() -> Response {
    file("text/html; charset=utf-8", include_str!("technician.html"))
}

/// `GET /technician.css`.
pub(super) async fn get_style() -> Response {
    file("text/css; charset=utf-8", include_str!("technician.css"))
}

/// `GET /technician.js`.
pub(super) async fn get_script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        include_str!("technician.js"),
    )
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 2] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ),
    ];
    (headers, text).into_response()
}
