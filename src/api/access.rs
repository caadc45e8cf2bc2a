//! Who may call: everybody who can open the socket, and over TCP whoever has the token.
//!
//! A browser on the till may be led to any page; what that page can make the browser do must not
//! reach us. So over TCP `Host` must be ours (a foreign name that points to 127.0.0.1 is not), an
//! `Origin`, if there is one, must be ours, and the token is never taken from a cookie or a URL. The
//! technician's page has a cookie instead (`session`), which counts for our own page's calls alone.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::seats::Sitter;
use super::session::{Sessions, is_same};
use crate::base::secret::Secret;
use crate::model::problem::{Code, Problem};
use crate::texts::cashier;

/// How a connection came.
#[derive(Clone, Debug)]
pub(super) enum Transport {
    /// The Unix socket: the file's mode has checked the caller.
    Socket,
    /// Loopback TCP.
    Tcp {
        /// The port that the daemon listens on.
        port: u16,
        /// What callers must have.
        token: Secret,
        /// Who is in by the technician's page.
        sessions: Arc<Sessions>,
    },
}

/// What the middleware has found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Socket or right token.
    Trusted,
    /// No token: only what is for everybody.
    Anybody,
}

/// Lets a request in, or answers it.
pub(super) async fn guard(
    State(door): State<Transport>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match &door {
        Transport::Socket => Ok(Caller::Trusted),
        Transport::Tcp {
            port,
            token,
            sessions,
        } => check(&request, *port, token, sessions),
    };
    let public = request.uri().path().starts_with("/display");
    let mut response = match caller {
        Ok(caller) => {
            if caller == Caller::Trusted
                && let Some(sitter) = request.extensions().get::<Sitter>()
            {
                sitter.trust();
            }
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    if response.status() == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
    }
    add_headers(response.headers_mut(), public);
    response
}

fn check(
    request: &Request,
    port: u16,
    token: &Secret,
    sessions: &Sessions,
) -> Result<Caller, Problem> {
    let headers = request.headers();
    let text = |name: HeaderName| single_header(headers, name);
    // A whole address in the request's line stands above `Host`.
    let address = request.uri().authority();
    if !text(header::HOST).is_some_and(|host| is_ours(host, port))
        || address.is_some_and(|address| !is_ours(address.as_str(), port))
    {
        return Err(forbidden("Host"));
    }
    if let Some(origin) = text(header::ORIGIN)
        && !origin
            .strip_prefix("http://")
            .is_some_and(|host| is_ours(host, port))
    {
        return Err(forbidden("Origin"));
    }
    let path = request.uri().path();
    if is_open(path) {
        let site = text(HeaderName::from_static("sec-fetch-site")).unwrap_or("none");
        let fine = matches!(site, "same-origin" | "none")
            || (matches!(path, "/" | "/display") && is_navigation(headers));
        return if fine {
            Ok(Caller::Anybody)
        } else {
            Err(forbidden("Sec-Fetch-Site"))
        };
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if path == "/v1/session" && *request.method() == Method::POST {
        return if is_own(headers, changes) {
            Ok(Caller::Anybody)
        } else {
            Err(forbidden("Origin"))
        };
    }
    match text(header::AUTHORIZATION) {
        Some(given) if is_token(given, token) => Ok(Caller::Trusted),
        None if sessions.knows(headers, Instant::now()) => {
            if path != "/v1/links" && is_own(headers, changes) {
                Ok(Caller::Trusted)
            } else {
                Err(forbidden("Origin"))
            }
        }
        None if path == "/v1/health" => Ok(Caller::Anybody),
        Some(_) | None => {
            Err(Code::Unauthorized.problem(cashier::UNAUTHORIZED, cashier::UNAUTHORIZED_REMEDY))
        }
    }
}

/// A header's value; of two, neither: what one part reads, another must not read otherwise.
fn single_header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return Some("?");
    }
    Some(value.to_str().unwrap_or("?"))
}

/// The buyer's page opened by its address, or by a link.
fn is_navigation(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-mode")
        .is_some_and(|mode| mode == "navigate")
}

/// A call of our own page: `check` has refused every other `Origin`; without one a reading call is
/// known by what the browser states about where it comes from.
fn is_own(headers: &HeaderMap, changes: bool) -> bool {
    headers.contains_key(header::ORIGIN)
        || (!changes
            && single_header(headers, HeaderName::from_static("sec-fetch-site"))
                == Some("same-origin"))
}

/// What needs no token: the buyer's page, and the technician's, which holds nothing by itself.
pub(super) fn is_open(path: &str) -> bool {
    matches!(
        path,
        "/" | "/technician.css"
            | "/technician.js"
            | "/display"
            | "/display/frame.png"
            | "/display/events"
    )
}

fn is_ours(host: &str, port: u16) -> bool {
    // Clients leave out the port that HTTP has anyway.
    let (name, given) = match host.rsplit_once(':') {
        Some((name, given)) if !given.ends_with(']') => (name, given),
        Some(_) | None => (host, "80"),
    };
    let ours = ["127.0.0.1", "[::1]", "localhost"];
    given == port.to_string() && ours.iter().any(|ours| name.eq_ignore_ascii_case(ours))
}

/// Takes the same time wherever the first difference is.
fn is_token(given: &str, token: &Secret) -> bool {
    let given = match given.split_at_checked(7) {
        Some((scheme, given)) if scheme.eq_ignore_ascii_case("Bearer ") => given,
        Some(_) | None => return false,
    };
    is_same(given, token)
}

fn forbidden(name: &str) -> Problem {
    Code::Forbidden.problem(cashier::forbidden(name), cashier::FORBIDDEN_REMEDY)
}

fn add_headers(headers: &mut HeaderMap, public: bool) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if public || !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_with_our_port_are_ours() {
        for host in ["127.0.0.1:8016", "[::1]:8016", "localhost:8016"] {
            assert!(is_ours(host, 8016), "{host}");
        }
        for host in [
            "127.0.0.1",
            "127.0.0.1:80",
            "evil.example:8016",
            "localhost.evil:8016",
            "",
            "8016",
            "127.0.0.1:8016:8016",
        ] {
            assert!(!is_ours(host, 8016), "{host}");
        }
    }

    #[test]
    fn a_token_is_compared_whole() {
        let token = Secret::new("abcdef");
        assert!(is_token("Bearer abcdef", &token) && is_token("bearer abcdef", &token));
        for wrong in [
            "Bearer abcde",
            "Bearer abcdefg",
            "Bearer ",
            "abcdef",
            "Basic abcdef",
            "Bearer abcdeF",
        ] {
            assert!(!is_token(wrong, &token), "{wrong}");
        }
    }

    #[test]
    fn only_loopback_names_with_our_port_are_ours() {
        for ours in ["127.0.0.1:8017", "[::1]:8017", "LocalHost:8017"] {
            assert!(is_ours(ours, 8017), "{ours}");
        }
        for foreign in [
            "localhost",
            "localhost:8018",
            "localhost:+8017",
            "evil.example:8017",
            "127.0.0.1.evil:8017",
            "",
        ] {
            assert!(!is_ours(foreign, 8017), "{foreign}");
        }
        assert!(is_ours("localhost", 80) && is_ours("[::1]", 80));
    }
}
