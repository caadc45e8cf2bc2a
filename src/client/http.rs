//! How the demo talks to its own daemon and to its own simulator: plain HTTP that never leaves the
//! machine, as a till program does it. The daemon is reached over its Unix socket, which needs neither
//! a free port nor a token; the simulator over its loopback port.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Method};
use serde::de::DeserializeOwned;

use super::sse::Parser;

pub use super::sse::Message;

/// The bound of one call; the longest is a sale's `PUT`, which may probe the service first.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest silence of an event stream; the daemon sends a heartbeat far more often.
const STREAM_SILENCE: Duration = Duration::from_secs(90);

/// The largest answer that is taken: a display's frame is far smaller.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No connection, no answer, a cut answer.
    #[error("no answer to {path}")]
    NoAnswer {
        /// What was asked for.
        path: String,
        /// What the connection met.
        #[source]
        source: reqwest::Error,
    },
    /// The answer is larger than anything that is asked for here.
    #[error("the answer to {path} is over {MAX_ANSWER_BYTES} bytes")]
    TooLarge {
        /// What was asked for.
        path: String,
    },
    /// An answer that is not a success.
    #[error("{path} was answered with status {status}: {detail}")]
    Refused {
        /// What was asked for.
        path: String,
        /// Of HTTP.
        status: u16,
        /// The beginning of the answer.
        detail: String,
    },
    /// An answer that is not what was asked for.
    #[error("the answer to {path} cannot be read")]
    Unreadable {
        /// What was asked for.
        path: String,
        /// Where it is wrong.
        #[source]
        source: serde_json::Error,
    },
}

impl CallError {
    /// Whether nobody was reached, so that nothing can have happened.
    pub(crate) fn is_connect(&self) -> bool {
        matches!(self, CallError::NoAnswer { source, .. } if source.is_connect())
    }
}

/// One server on this machine.
#[derive(Clone, Debug)]
pub struct Loopback {
    http: Client,
    base: String,
    patience: Duration,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Of HTTP.
    pub status: u16,
    /// As the server sent it.
    pub(crate) content_type: Option<String>,
    /// All that the server sent.
    pub headers: reqwest::header::HeaderMap,
    /// At most 8 MiB.
    pub body: Vec<u8>,
}

impl Loopback {
    /// A server on a loopback port.
    pub(crate) fn over_tcp(address: SocketAddr) -> Result<Loopback, CallError> {
        Ok(Loopback {
            http: build(Client::builder())?,
            base: format!("http://{address}"),
            patience: CALL_TIMEOUT,
        })
    }

    /// A server on a Unix socket. Nothing is sent yet.
    ///
    /// # Errors
    /// [`CallError::Client`].
    pub fn over_socket(socket: &Path) -> Result<Loopback, CallError> {
        Ok(Loopback {
            http: build(Client::builder().unix_socket(socket))?,
            base: "http://localhost".to_owned(),
            patience: CALL_TIMEOUT,
        })
    }

    /// The same server, for calls that may take so long.
    #[must_use]
    pub(crate) fn patient(&self, patience: Duration) -> Loopback {
        Loopback {
            patience,
            ..self.clone()
        }
    }

    /// Performs one call and takes any status.
    ///
    /// # Errors
    /// [`CallError::NoAnswer`] and [`CallError::TooLarge`].
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, CallError> {
        let no_answer = |source| CallError::NoAnswer {
            path: path.to_owned(),
            source,
        };
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .timeout(self.patience);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let mut response = request.send().await.map_err(no_answer)?;
        let status = response.status().as_u16();
        let content_type = content_type(&response);
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if body.len().saturating_add(chunk.len()) > MAX_ANSWER_BYTES {
                return Err(CallError::TooLarge {
                    path: path.to_owned(),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            content_type,
            headers,
            body,
        })
    }

    /// Performs one call that must succeed, and reads its answer.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<T, CallError> {
        let answer = self
            .call(
                method,
                path,
                body.map(|value| value.to_string().into_bytes()),
            )
            .await?;
        if !(200..300).contains(&answer.status) {
            let detail = beginning(&answer.body);
            return Err(CallError::Refused {
                path: path.to_owned(),
                status: answer.status,
                detail,
            });
        }
        serde_json::from_slice(&answer.body).map_err(|source| CallError::Unreadable {
            path: path.to_owned(),
            source,
        })
    }

    /// Opens an event stream, after the event `last` if one is named.
    ///
    /// # Errors
    /// [`CallError::NoAnswer`] and [`CallError::Refused`].
    pub async fn listen(&self, path: &str, last: Option<&str>) -> Result<Stream, CallError> {
        let no_answer = |source| CallError::NoAnswer {
            path: path.to_owned(),
            source,
        };
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let mut response = request.send().await.map_err(no_answer)?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            // A problem is one small piece.
            let body = response.chunk().await.ok().flatten().unwrap_or_default();
            return Err(CallError::Refused {
                path: path.to_owned(),
                status,
                detail: beginning(&body),
            });
        }
        Ok(Stream {
            response,
            parser: Parser::default(),
            path: path.to_owned(),
        })
    }
}

/// An open event stream.
#[derive(Debug)]
pub struct Stream {
    response: reqwest::Response,
    parser: Parser,
    path: String,
}

impl Stream {
    /// The next message; `None` when the server closed the stream. May be dropped while it waits
    /// without losing anything.
    ///
    /// # Errors
    /// [`CallError::NoAnswer`] when the stream broke or fell silent.
    pub async fn next(&mut self) -> Result<Option<Message>, CallError> {
        loop {
            if let Some(message) = self.parser.next_message() {
                return Ok(Some(message));
            }
            let chunk = self.response.chunk().await;
            match chunk.map_err(|source| CallError::NoAnswer {
                path: self.path.clone(),
                source,
            })? {
                Some(bytes) => self.parser.push(&bytes),
                None => return Ok(None),
            }
        }
    }
}

/// Of an answer, for a person.
fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let printable = text.chars().filter(|c| !c.is_control());
    printable.take(300).collect()
}

fn content_type(response: &reqwest::Response) -> Option<String> {
    Some(
        response
            .headers()
            .get("content-type")?
            .to_str()
            .ok()?
            .to_owned(),
    )
}

/// The TLS part is never used, but the client insists on one; it gets the crate's own provider here,
/// since without it the client would look for a process-wide one and panic.
fn build(builder: ClientBuilder) -> Result<Client, CallError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CallError::Client(error.into()))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    builder
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CALL_TIMEOUT)
        .read_timeout(STREAM_SILENCE)
        .build()
        .map_err(|error| CallError::Client(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::{get, put};

    fn in_runtime<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(work)
    }

    fn router() -> Router {
        Router::new()
            .route("/echo", put(|body: String| async move { body }))
            .route(
                "/refused",
                get(|| async { (StatusCode::CONFLICT, "busy\n") }),
            )
            .route(
                "/stream",
                get(|| async { "event: a\ndata: 1\n\ndata: 2\n\n" }),
            )
    }

    #[test]
    fn a_socket_and_a_port_are_called_alike() {
        in_runtime(async {
            let folder = tempfile::tempdir().unwrap();
            let socket = folder.path().join("till.sock");
            let unix = tokio::net::UnixListener::bind(&socket).unwrap();
            let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = tcp.local_addr().unwrap();
            tokio::spawn(async move { axum::serve(unix, router()).await });
            tokio::spawn(async move { axum::serve(tcp, router()).await });
            for server in [
                Loopback::over_socket(&socket).unwrap(),
                Loopback::over_tcp(address).unwrap(),
            ] {
                let sent = serde_json::json!({"сумма": 1234});
                let back: serde_json::Value =
                    server.ask(Method::PUT, "/echo", Some(&sent)).await.unwrap();
                assert_eq!(back, sent);
                let refused = server
                    .ask::<serde_json::Value>(Method::GET, "/refused", None)
                    .await
                    .unwrap_err();
                assert_eq!(
                    refused.to_string(),
                    "/refused was answered with status 409: busy"
                );
                let mut stream = server.listen("/stream", None).await.unwrap();
                assert_eq!(
                    stream.next().await.unwrap().unwrap(),
                    Message {
                        event: "a".into(),
                        data: "1".into(),
                        id: None,
                    }
                );
                assert_eq!(stream.next().await.unwrap().unwrap().data, "2");
                assert!(stream.next().await.unwrap().is_none());
            }
        });
    }

    #[test]
    fn nobody_there_is_an_error() {
        in_runtime(async {
            let folder = tempfile::tempdir().unwrap();
            let server = Loopback::over_socket(&folder.path().join("absent.sock")).unwrap();
            assert!(matches!(
                server.call(Method::GET, "/", None).await,
                Err(CallError::NoAnswer { .. })
            ));
        });
    }
}
