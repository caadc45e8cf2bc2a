//! Connections that carry one request, for what may move money.
//!
//! An HTTP library may repeat a request by itself when a kept-alive connection turns out dead before the first byte of
//! an answer, and what it thinks unsent may have been read by the other side. That is done by the part of the library
//! that owns a pool. Here there is none: one connection is made, hyper's HTTP/1 codec is run over it, one request is
//! handed to it, and both are gone with the answer. Nothing is left that could send a second time.
//!
//! Two designs were weighed for who makes the connection: the pooling client with its pool switched off, as every
//! request was sent before, and the library's connector used directly. The first cannot open a connection before the
//! request is there, and says only that an attempt failed. With the second the connection exists by itself, so it can
//! be opened in advance (see [`preconnect`](super::preconnect)), and a request that was not taken from it comes back:
//! whether something was written is known and not inferred. Name, order of addresses, racing of the two families and
//! TLS stay the libraries'.
//!
//! The codec runs within the future of whoever sends, without a task of its own: no other thread has to be woken, and
//! who gives up closes the connection.

use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::http::{Extensions, Request, Response, Uri};
use hyper_util::client::legacy::connect::{Connection as _, HttpConnector};
use hyper_util::rt::TokioIo;
use reqwest::header::{HOST, HeaderMap, HeaderValue};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::ServiceExt as _;

use super::connection::{Tls, Watch, all_headers, connect_timeout};
use super::exchange::not_sent;
use super::resolver::SharedResolver;
use crate::core::call::Failure;

/// Bytes of a request, the head and the JSON.
pub(super) type Sendable = Request<Full<Bytes>>;

/// With or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

type Codec = http1::Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

/// Makes connections to the service.
pub(in crate::service) struct Dialer {
    tcp: HttpConnector<SharedResolver>,
    /// Of an `https:` address.
    tls: Option<TlsConnector>,
    /// Scheme, name and port; `None` where the address has none.
    origin: Option<Uri>,
    headers: HeaderMap,
    timeout: Duration,
}

/// An open connection that has carried nothing.
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    codec: Codec,
    /// The socket below it, to look at.
    socket: OwnedFd,
    pub peer: Option<SocketAddr>,
    /// What the answer carries of it.
    facts: Extensions,
    pub opened_at: Instant,
}

/// Why a connection has brought no answer.
pub(super) enum Unanswered {
    /// It was dead before it took anything of the request, which is here again.
    NotTaken(Box<Sendable>, String),
    /// It took the request.
    Lost(String),
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").finish_non_exhaustive()
    }
}

impl Dialer {
    /// Prepares connections to the service at `url`; `headers` go with each request.
    pub(in crate::service) fn new(
        url: &str,
        timeout: Duration,
        headers: &HeaderMap,
        resolver: SharedResolver,
        tls: &Tls,
    ) -> Dialer {
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout(timeout)));
        let watch = Watch::of_request(timeout);
        tcp.set_keepalive(Some(watch.idle));
        tcp.set_keepalive_interval(Some(watch.interval));
        tcp.set_keepalive_retries(Some(watch.probes));
        tcp.set_tcp_user_timeout(Some(watch.user_timeout));
        Dialer {
            tcp,
            tls: tls
                .config()
                .map(|config| TlsConnector::from(Arc::clone(config))),
            origin: origin(url),
            headers: all_headers(headers),
            timeout,
        }
    }

    /// Opens a connection, TLS included. Takes as long as connecting may.
    ///
    /// # Errors
    /// [`Failure::NotSent`].
    pub(super) async fn dial(&self) -> Result<Connection, Failure> {
        let limit = connect_timeout(self.timeout);
        match tokio::time::timeout(limit, self.connect()).await {
            Ok(connected) => connected.map_err(|error| not_sent(&*error)),
            Err(_) => Err(Failure::NotSent {
                detail: format!("no connection within {} ms", limit.as_millis()),
            }),
        }
    }

    async fn connect(&self) -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
        let origin = self.origin.clone().ok_or("the address has no host")?;
        let tcp = self.tcp.clone().oneshot(origin.clone()).await?;
        let mut facts = Extensions::new();
        tcp.connected().get_extras(&mut facts);
        let tcp = tcp.into_inner();
        let (peer, socket) = (tcp.peer_addr().ok(), tcp.as_fd().try_clone_to_owned()?);
        let stream = self.secured(tcp, &origin).await?;
        let (sender, codec) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Connection {
            sender,
            codec,
            socket,
            peer,
            facts,
            opened_at: Instant::now(),
        })
    }

    async fn secured(
        &self,
        tcp: TcpStream,
        origin: &Uri,
    ) -> Result<Box<dyn Stream>, Box<dyn std::error::Error + Send + Sync>> {
        let Some(tls) = &self.tls else {
            return Ok(Box::new(tcp));
        };
        let host = origin.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())?;
        Ok(Box::new(tls.connect(name, tcp).await?))
    }

    /// A request as it goes over the wire.
    ///
    /// # Errors
    /// [`Failure::NotSent`] for what is none.
    pub(super) fn sendable(&self, request: &reqwest::Request) -> Result<Sendable, Failure> {
        let (url, body) = (request.url(), request.body());
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let authority = self.origin.as_ref().and_then(Uri::authority);
        let host = authority.map_or("", |authority| authority.as_str());
        let bytes = body.and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let mut sendable = Request::builder()
            .method(request.method())
            .uri(target)
            .body(Full::new(Bytes::copy_from_slice(bytes)))
            .map_err(|error| not_sent(&error))?;
        let host = HeaderValue::from_str(host).map_err(|error| not_sent(&error))?;
        let headers = sendable.headers_mut();
        headers.clone_from(&self.headers);
        for (name, value) in request.headers() {
            headers.insert(name, value.clone());
        }
        headers.insert(HOST, host);
        Ok(sendable)
    }
}

/// Without a name and a password that the address may carry: a request has them as a header.
fn origin(url: &str) -> Option<Uri> {
    let mut url = reqwest::Url::parse(url).ok()?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.as_str().parse().ok()
}

impl Connection {
    /// Hands over the one request, and waits for the head of its answer.
    ///
    /// # Errors
    /// [`Unanswered`]: only [`Unanswered::NotTaken`] may be sent elsewhere.
    pub(super) async fn send(self, request: Sendable) -> Result<reqwest::Response, Unanswered> {
        let Connection {
            mut sender,
            codec,
            facts,
            ..
        } = self;
        let mut codec = Some(codec);
        let answer = sender.try_send_request(request);
        tokio::pin!(answer);
        let answer = std::future::poll_fn(|context| {
            drive(&mut codec, context);
            answer.as_mut().poll(context)
        });
        match answer.await {
            Ok(response) => {
                let (mut head, body) = response.into_parts();
                head.extensions.extend(facts);
                let body = Rest {
                    body,
                    codec,
                    sender: Some(sender),
                };
                let response = Response::from_parts(head, reqwest::Body::wrap(body));
                Ok(reqwest::Response::from(response))
            }
            Err(mut error) => {
                let detail = crate::base::error_chain::with_causes(error.error());
                Err(match error.take_message() {
                    Some(request) => Unanswered::NotTaken(Box::new(request), detail),
                    None => Unanswered::Lost(detail),
                })
            }
        }
    }

    /// Whether the codec has noticed its end; whoever asks is woken when it does.
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.codec).poll(context).map(drop)
    }

    /// How closely its other end is watched from now on.
    pub(super) fn watch(&self, watch: &Watch) {
        watch.apply(&self.socket);
    }

    /// Whether nothing has come, neither an end nor an error nor bytes that nobody asked for, by the kernel's own
    /// word.
    pub(super) fn is_quiet(&self) -> bool {
        use rustix::net::{RecvFlags, recv};
        let mut byte = [0; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let quiet = matches!(
            recv(&self.socket, &mut byte, flags),
            Err(rustix::io::Errno::AGAIN)
        );
        quiet && !self.sender.is_closed()
    }
}

/// Lets the codec work. Its end and its errors reach those who wait for what it carries.
fn drive(codec: &mut Option<Codec>, context: &mut Context<'_>) {
    if let Some(running) = codec
        && Pin::new(running).poll(context).is_ready()
    {
        *codec = None;
    }
}

/// The body of an answer, with what reads it from the connection.
struct Rest {
    body: Incoming,
    codec: Option<Codec>,
    sender: Option<http1::SendRequest<Full<Bytes>>>,
}

impl Body for Rest {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        drive(&mut self.codec, context);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() {
            // Nothing else will be sent: the codec says good-bye, as TLS has it.
            self.sender = None;
            drive(&mut self.codec, context);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
