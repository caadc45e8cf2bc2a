//! A shift's report of any length, read as it comes: a hundred thousand rows must not lie in memory.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::exchange::{is_fresh, lost, not_sent, read_body, sensitive, server_date, shown_path};
use super::order::{Errand, watching};
use super::{Client, MAX_BODY, ServerDate, is_of_another, unsent};
use crate::core::call::{Call, Failure, PaymentInfo, Received};
use crate::service::report::Unreadable;
use crate::service::{classify, report, wire};

/// What the log calls it.
const OPERATION: &str = "reconciliation";
/// A whole shift's report may take so long.
const REPORT_TIMEOUT: Duration = Duration::from_secs(120);
/// Pieces of a report that may wait for their reader.
const PIECES: usize = 4;

/// Why there is no whole report.
#[derive(Debug)]
pub enum NoReport {
    /// It did not come, or not whole.
    Failed(Failure),
    /// It came, and cannot be read.
    Unreadable(Unreadable),
}

impl From<Failure> for NoReport {
    fn from(failure: Failure) -> NoReport {
        NoReport::Failed(failure)
    }
}

impl Client {
    /// Reads a shift's report row by row, in bounded memory. `each` runs on a thread of its own and returns whether to
    /// go on; `date` is the service's, where it is the service that has answered.
    ///
    /// # Errors
    /// [`NoReport`]: what was seen of it proves nothing.
    pub async fn each_reported(
        &self,
        shift: &str,
        date: &mut Option<ServerDate>,
        mut each: impl FnMut(PaymentInfo) -> bool + Send + 'static,
    ) -> Result<(), NoReport> {
        let probe = Call::Probe {
            shift: shift.to_owned(),
        };
        let token = self.token(OPERATION).await;
        let token = token.map_err(|failure| unsent(&probe, failure))?;
        let mut request = self.report(shift);
        if let Some(token) = &token {
            request = request.header(wire::HEADER_TOKEN, sensitive(token)?);
        }
        let (chunks, pieces) = tokio::sync::mpsc::channel(PIECES);
        let reader =
            tokio::task::spawn_blocking(move || report::each_row(Pieces::of(pieces), &mut each));
        let path = request
            .try_clone()
            .and_then(|request| request.build().ok())
            .map(|request| shown_path(request.url()))
            .unwrap_or_default();
        let began = Instant::now();
        let mut from = None;
        let passing = self.pass_on(request, chunks, date, &mut from);
        let (sent, first) = watching(tokio::time::timeout(REPORT_TIMEOUT, passing)).await;
        let sent = sent.unwrap_or_else(|_| Err(late()));
        let read = reader.await.map_err(|_| Failure::Lost {
            detail: "reading the report failed".to_owned(),
            received: Received::Nothing,
        })?;
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &sent {
            // A bad row is one of a report still.
            Ok(()) => {
                let is_another = read.as_ref().is_err_and(|error| error.row.is_none());
                self.note_answered(first, from);
                self.note_answerer(is_another, Errand::Question, from, date);
            }
            Err(failure) if failure.was_answered() => {
                self.note_answerer(is_of_another(failure), Errand::Question, from, date);
            }
            Err(failure) => self.note_unanswered(failure, Errand::Question, from.or(first)),
        }
        match sent {
            Ok(()) => {
                tracing::info!(
                    method = "GET",
                    path,
                    status = 200,
                    elapsed_ms,
                    operation = OPERATION,
                    "Request"
                );
                read.map_err(NoReport::Unreadable)
            }
            Err(failure) => {
                let error = failure.detail();
                tracing::warn!(
                    method = "GET",
                    path,
                    error,
                    elapsed_ms,
                    operation = OPERATION,
                    "Request failed"
                );
                Err(NoReport::Failed(self.without_secrets(
                    failure,
                    &probe,
                    token.as_ref(),
                )))
            }
        }
    }

    /// Hands the body on piece by piece; a broken one reaches the reader as an error.
    async fn pass_on(
        &self,
        request: reqwest::RequestBuilder,
        chunks: tokio::sync::mpsc::Sender<Result<Vec<u8>, ()>>,
        date: &mut Option<ServerDate>,
        from: &mut Option<IpAddr>,
    ) -> Result<(), Failure> {
        let request = request
            .build()
            .map_err(|error| not_sent(&error.without_url()))?;
        let asked = Instant::now();
        let mut response = self.answer_to(request, false).await?;
        *from = response.remote_addr().as_ref().map(SocketAddr::ip);
        is_fresh(response.headers(), asked.elapsed())?;
        let received = Instant::now();
        *date = server_date(response.headers()).map(|date| ServerDate { date, received });
        if response.status() != reqwest::StatusCode::OK {
            let raw = read_body(response, MAX_BODY).await?;
            classify::read_report(&raw.answer(self.credential()), report::Wanted::default())?;
            // A shift that the service does not know is an empty one.
            drop(chunks.send(Ok(b"[]".to_vec())).await);
            return Ok(());
        }
        loop {
            match tokio::time::timeout(self.settings.timeout, response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    if chunks.send(Ok(chunk.to_vec())).await.is_err() {
                        // The reader has had enough, and returns why.
                        return Ok(());
                    }
                }
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => {
                    drop(chunks.send(Err(())).await);
                    return Err(lost(error));
                }
                Err(_) => {
                    drop(chunks.send(Err(())).await);
                    return Err(Failure::Lost {
                        detail: "the report stopped in the middle".to_owned(),
                        received: Received::Nothing,
                    });
                }
            }
        }
    }
}

fn late() -> Failure {
    let limit = REPORT_TIMEOUT.as_secs();
    Failure::Lost {
        detail: format!("the report did not come within {limit} s"),
        received: Received::Nothing,
    }
}

/// A body that comes in pieces, for a reader that waits for them.
struct Pieces {
    pieces: tokio::sync::mpsc::Receiver<Result<Vec<u8>, ()>>,
    piece: std::io::Cursor<Vec<u8>>,
}

impl Pieces {
    fn of(pieces: tokio::sync::mpsc::Receiver<Result<Vec<u8>, ()>>) -> Pieces {
        Pieces {
            pieces,
            piece: std::io::Cursor::default(),
        }
    }
}

impl std::io::Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.piece.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.pieces.blocking_recv() {
                Some(Ok(piece)) => self.piece = std::io::Cursor::new(piece),
                Some(Err(())) => return Err(std::io::ErrorKind::ConnectionReset.into()),
                None => return Ok(0),
            }
        }
    }
}
