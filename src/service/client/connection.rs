//! How connections are made and watched.
//!
//! Two HTTP clients: polls and reports share kept-alive connections; requests that can move money
//! use a fresh connection each. An HTTP library may repeat a request by itself when a kept-alive
//! connection turns out dead before the first byte of an answer, and what it thinks unsent may have
//! been read by the other side. On a fresh connection there is nothing to repeat.
//!
//! A connection whose other end has vanished without a word looks alive for ever. While data is on its
//! way, `TCP_USER_TIMEOUT` ends it; while an answer is awaited nothing is, so keepalive probes are sent.
//! On Linux `TCP_USER_TIMEOUT` then bounds their silence, too: a dead connection is noticed at the
//! first probe after `timeout`, long before a held answer would be given up.
//!
//! Certificates are the system's, and are read only for an `https:` address: the bare machine on
//! which the demo runs may have none.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};

use super::ClientError;
use super::resolver::{Resolver, SharedResolver};
use crate::service::wire;

/// Longest time that connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Kept-alive connections that nobody uses are closed after this.
pub(super) const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Most kept-alive connections that nobody uses.
const MAX_IDLE_CONNECTIONS: usize = 2;
/// Silence of a connection before the first keepalive probe. Routers forget a quiet connection after
/// minutes at the earliest.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
/// Between two keepalive probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// Unanswered probes after which a connection is dead, where `TCP_USER_TIMEOUT` does not decide.
const MAX_KEEPALIVE_PROBES: u32 = 3;

/// Part of `timeout` that connecting may take.
pub(super) fn connect_timeout(timeout: Duration) -> Duration {
    CONNECT_TIMEOUT.min(timeout / 2)
}

/// For calls that move no money.
pub(super) fn asking(
    url: &str,
    timeout: Duration,
    headers: &HeaderMap,
    resolver: &Arc<Resolver>,
) -> reqwest::Result<reqwest::Client> {
    common(url, timeout, headers)
        .dns_resolver(SharedResolver(Arc::clone(resolver)))
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .build()
}

/// For those that do: never on a used connection, and a dead one is noticed.
pub(in crate::service) fn moving(
    url: &str,
    timeout: Duration,
    headers: &HeaderMap,
    resolver: &Arc<Resolver>,
) -> reqwest::Result<reqwest::Client> {
    common(url, timeout, headers)
        .dns_resolver(SharedResolver(Arc::clone(resolver)))
        .pool_max_idle_per_host(0)
        .tcp_keepalive(KEEPALIVE_IDLE)
        .tcp_keepalive_interval(KEEPALIVE_INTERVAL)
        .tcp_keepalive_retries(MAX_KEEPALIVE_PROBES)
        .tcp_user_timeout(timeout)
        .build()
}

fn common(url: &str, timeout: Duration, headers: &HeaderMap) -> reqwest::ClientBuilder {
    builder(url)
        .default_headers(headers.clone())
        .user_agent(concat!("oplati/", env!("CARGO_PKG_VERSION")))
        .tcp_nodelay(true)
        .connect_timeout(connect_timeout(timeout))
}

/// What holds for every request to the service: no redirect, no proxy, nothing sent twice, an answer that
/// is not packed, since what cannot be unpacked would be a lost one, and none out of a cache on the way.
pub(in crate::service) fn builder(url: &str) -> reqwest::ClientBuilder {
    // Another part of the process may have chosen a provider before: either will do.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = reqwest::Client::builder();
    // A machine without certificates can still talk to a service without TLS.
    let builder = if url.to_ascii_lowercase().starts_with("http:") {
        builder.tls_certs_only([])
    } else {
        builder
    };
    let requests = [
        (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    builder
        .default_headers(HeaderMap::from_iter(requests))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .http1_only()
}

/// What every call's address begins with.
pub(in crate::service) fn base(url: &str) -> String {
    let trimmed = url.trim_end_matches('/');
    let trimmed = trimmed.strip_suffix(wire::BASE).unwrap_or(trimmed);
    format!("{trimmed}{}{}", wire::BASE, wire::POS)
}

/// Session ids and shifts are foreign text.
pub(in crate::service) fn with_query(url: &str, name: &str, value: &str) -> String {
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

/// A secret as the value of a header.
///
/// # Errors
/// [`ClientError::Header`] for characters that HTTP does not allow.
pub(in crate::service) fn header_value(
    text: &str,
    what: &'static str,
) -> Result<HeaderValue, ClientError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| ClientError::Header(what))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A header of the wire.
///
/// # Errors
/// [`ClientError::Header`] for a name that HTTP does not allow.
pub(in crate::service) fn header_name(name: &'static str) -> Result<HeaderName, ClientError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| ClientError::Header(name))
}
