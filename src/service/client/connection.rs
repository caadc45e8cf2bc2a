//! How connections are set up and watched.
//!
//! A connection whose other end has vanished without a word looks alive for ever. While data is on its
//! way, `TCP_USER_TIMEOUT` ends it; while an answer is awaited nothing is, so keepalive probes are sent.
//! On Linux `TCP_USER_TIMEOUT` then bounds their silence, too: a dead connection is noticed at the
//! first probe after `timeout`, long before a held answer would be given up.
//!
//! TLS has one configuration for all connections, and with it one memory of sessions, which the next connection
//! resumes.
//!
//! Certificates are the system's, and are read only for an `https:` address: the bare machine on
//! which the demo runs may have none.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use rustix::net::sockopt;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;

use super::ClientError;
use super::resolver::{Resolver, SharedResolver};
use crate::service::wire;

const USER_AGENT_TEXT: &str = concat!("oplati/", env!("CARGO_PKG_VERSION"));
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
/// Of a connection that is open before it is needed: between two keepalive probes, and before the first.
const PRECONNECT_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// Without an answer to them it is dead.
const PRECONNECT_USER_TIMEOUT: Duration = Duration::from_secs(2);

/// Part of `timeout` that connecting may take.
pub(super) fn connect_timeout(timeout: Duration) -> Duration {
    CONNECT_TIMEOUT.min(timeout / 2)
}

/// How closely a connection is watched while nothing is on its way.
pub(super) struct Watch {
    /// Silence before the first keepalive probe.
    pub idle: Duration,
    /// Between two probes.
    pub interval: Duration,
    /// Unanswered probes that end it, where the next does not decide.
    pub probes: u32,
    /// How long something may be unacknowledged.
    pub user_timeout: Duration,
}

impl Watch {
    /// Of a connection that carries a request.
    pub(super) fn of_request(timeout: Duration) -> Watch {
        Watch {
            idle: KEEPALIVE_IDLE,
            interval: KEEPALIVE_INTERVAL,
            probes: MAX_KEEPALIVE_PROBES,
            user_timeout: timeout,
        }
    }

    /// Of one that waits for its request: that its line is dead must be known before.
    pub(super) fn of_preconnected() -> Watch {
        Watch {
            idle: PRECONNECT_KEEPALIVE_INTERVAL,
            interval: PRECONNECT_KEEPALIVE_INTERVAL,
            probes: MAX_KEEPALIVE_PROBES,
            user_timeout: PRECONNECT_USER_TIMEOUT,
        }
    }

    /// A kernel that refuses watches as it did before.
    pub(super) fn apply(&self, socket: &OwnedFd) {
        let milliseconds = u32::try_from(self.user_timeout.as_millis()).unwrap_or(u32::MAX);
        let applied = sockopt::set_tcp_keepidle(socket, self.idle)
            .and_then(|()| sockopt::set_tcp_keepintvl(socket, self.interval))
            .and_then(|()| sockopt::set_tcp_keepcnt(socket, self.probes))
            .and_then(|()| sockopt::set_tcp_user_timeout(socket, milliseconds));
        if let Err(error) = applied {
            tracing::debug!(%error, "A connection is watched as before");
        }
    }
}

/// TLS for an `https:` address. Certificates are the system's.
pub(super) struct Tls(Option<Arc<ClientConfig>>);

impl Tls {
    /// # Errors
    /// [`ClientError::Certificates`].
    pub(super) fn of(url: &str) -> Result<Tls, ClientError> {
        install_crypto();
        if is_plain(url) {
            return Ok(Tls(None));
        }
        let config = ClientConfig::builder().with_platform_verifier();
        let mut config = config
            .map_err(ClientError::Certificates)?
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls(Some(Arc::new(config))))
    }

    pub(super) fn config(&self) -> Option<&Arc<ClientConfig>> {
        self.0.as_ref()
    }
}

/// A machine without certificates can still talk to a service without TLS.
fn is_plain(url: &str) -> bool {
    url.to_ascii_lowercase().starts_with("http:")
}

/// Another part of the process may have chosen a provider before: either will do.
fn install_crypto() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// For calls that move no money.
pub(super) fn asking(
    url: &str,
    timeout: Duration,
    headers: &HeaderMap,
    resolver: &Arc<Resolver>,
    tls: &Tls,
) -> reqwest::Result<reqwest::Client> {
    let builder = builder(url);
    let builder = match tls.config() {
        Some(config) => builder.tls_backend_preconfigured(ClientConfig::clone(config)),
        None => builder,
    };
    common(builder, timeout, headers)
        .dns_resolver(SharedResolver(Arc::clone(resolver)))
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .build()
}

/// A client that uses no connection twice, for a trial.
pub(in crate::service) fn unpooled(
    url: &str,
    timeout: Duration,
    headers: &HeaderMap,
    resolver: &Arc<Resolver>,
) -> reqwest::Result<reqwest::Client> {
    common(builder(url), timeout, headers)
        .dns_resolver(SharedResolver(Arc::clone(resolver)))
        .pool_max_idle_per_host(0)
        .build()
}

fn common(
    builder: reqwest::ClientBuilder,
    timeout: Duration,
    headers: &HeaderMap,
) -> reqwest::ClientBuilder {
    builder
        .default_headers(headers.clone())
        .user_agent(USER_AGENT_TEXT)
        .tcp_nodelay(true)
        .connect_timeout(connect_timeout(timeout))
}

/// What holds for every request to the service: no redirect, no proxy, nothing sent twice.
pub(in crate::service) fn builder(url: &str) -> reqwest::ClientBuilder {
    install_crypto();
    let builder = reqwest::Client::builder();
    let builder = if is_plain(url) {
        builder.tls_certs_only([])
    } else {
        builder
    };
    builder
        .default_headers(common_headers())
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .http1_only()
}

/// An answer that is not packed, since what cannot be unpacked would be a lost one, and none out of a cache on the way.
fn common_headers() -> HeaderMap {
    HeaderMap::from_iter([
        (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ])
}

/// What a request carries that is sent without the library's client, beside its own; the same as with it.
pub(super) fn all_headers(headers: &HeaderMap) -> HeaderMap {
    let mut all = common_headers();
    all.insert(ACCEPT, HeaderValue::from_static("*/*"));
    all.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_TEXT));
    all.extend(headers.clone());
    all
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
