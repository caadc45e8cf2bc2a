//! What one open page gets: the till's events, changes of the buyer's display, the service's
//! payments as the phone sees them, and lines of the log, in one stream. One and not four, since a
//! browser opens at most six connections to a server, and two open pages would use them all up.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::buyer::Payment;
use super::world::Parts;
use crate::client::sse::Message;

/// Messages that wait for a slow page; beyond that its sources wait.
const QUEUE: usize = 256;

/// Between two looks at the log's end and at the service's ledger.
const LOOK_INTERVAL: Duration = Duration::from_millis(150);

/// Before a broken stream of the daemon is opened again.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// Of a log that exists already, a new page gets at most this much.
const LOG_TAIL_BYTES: u64 = 32 * 1024;

/// Of one line, a page gets at most this many characters.
const LINE_CHARACTERS: usize = 1000;

/// Starts a page's stream; it ends when the receiver is dropped.
pub fn open(parts: Arc<Parts>) -> ReceiverStream<Message> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let sources = async {
            tokio::join!(
                forward(&parts, "/v1/events", None, &sender),
                forward(&parts, "/display/events", Some("display"), &sender),
                watch_service(&parts, &sender),
                follow_log(&parts.log, &sender),
            )
        };
        tokio::select! {
            _ = sources => {}
            () = sender.closed() => {}
        }
    });
    ReceiverStream::new(receiver)
}

/// The page is gone, and its stream ends.
struct PageClosed;

async fn send(page: &mpsc::Sender<Message>, event: &str, data: String) -> Result<(), PageClosed> {
    let message = Message {
        event: event.to_owned(),
        data,
        id: None,
    };
    page.send(message).await.map_err(|_| PageClosed)
}

/// Passes an event stream of the daemon on, under another name if one is given. After each opening
/// the page gets `reset` to read everything anew.
async fn forward(
    parts: &Parts,
    path: &str,
    name: Option<&str>,
    page: &mpsc::Sender<Message>,
) -> Result<(), PageClosed> {
    loop {
        if let Ok(mut stream) = parts.till.listen(path, None).await {
            send(page, "sync", "{}".to_owned()).await?;
            while let Ok(Some(message)) = stream.next().await {
                send(page, name.unwrap_or(&message.event), message.data).await?;
            }
        }
        tokio::time::sleep(REOPEN_AFTER).await;
    }
}

/// Sends the newest sale's payment and the state of the line whenever one of them changed. They are asked for,
/// since a service notifies nobody.
async fn watch_service(parts: &Parts, page: &mpsc::Sender<Message>) -> Result<(), PageClosed> {
    let mut sent = None;
    loop {
        if let (Ok(payments), Ok(network)) =
            (parts.buyer.payments().await, parts.buyer.network().await)
        {
            let newest = payments.into_iter().find(Payment::is_sale);
            let data = serde_json::json!({ "payment": newest, "network": network }).to_string();
            if sent.as_ref() != Some(&data) {
                sent = Some(data.clone());
                send(page, "service", data).await?;
            }
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

async fn follow_log(path: &Path, page: &mpsc::Sender<Message>) -> Result<(), PageClosed> {
    let mut tail = Tail::default();
    loop {
        for line in tail.read(path) {
            let data = serde_json::json!({ "line": line }).to_string();
            send(page, "log", data).await?;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Where a reader of the log is.
#[derive(Debug, Default)]
struct Tail {
    offset: Option<u64>,
    rest: Vec<u8>,
}

impl Tail {
    /// The whole lines since the last time. A file that became shorter is read from its start, one
    /// that is missing has no lines. Small reads of a file that was just written: they do not block.
    fn read(&mut self, path: &Path) -> Vec<String> {
        let Ok(length) = std::fs::metadata(path).map(|metadata| metadata.len()) else {
            return Vec::new();
        };
        let fresh = self.offset.is_none();
        let mut offset = self
            .offset
            .unwrap_or_else(|| length.saturating_sub(LOG_TAIL_BYTES));
        if offset > length {
            (offset, self.rest) = (0, Vec::new());
        }
        let Ok(bytes) = read_at(path, offset) else {
            return Vec::new();
        };
        self.offset = Some(offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX)));
        self.rest.extend_from_slice(&bytes);
        let whole = self
            .rest
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |last| last + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        // A line that does not end is no line of a log.
        if self.rest.len() > usize::try_from(LOG_TAIL_BYTES).unwrap_or(usize::MAX) {
            self.rest.clear();
        }
        let skip = usize::from(fresh && offset > 0);
        let text = String::from_utf8_lossy(&lines);
        text.lines()
            .skip(skip)
            .map(|line| line.chars().take(LINE_CHARACTERS).collect())
            .collect()
    }
}

fn read_at(path: &Path, offset: u64) -> std::io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn lines_come_whole_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminal.log");
        let mut tail = Tail::default();
        assert!(tail.read(&path).is_empty(), "no file, no lines");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all("раз\nдв".as_bytes()).unwrap();
        assert_eq!(tail.read(&path), ["раз"]);
        file.write_all("а\nтри\n".as_bytes()).unwrap();
        assert_eq!(tail.read(&path), ["два", "три"]);
        assert!(tail.read(&path).is_empty());
    }

    #[test]
    fn a_shortened_file_is_read_from_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminal.log");
        let mut tail = Tail::default();
        std::fs::write(&path, "a long first line\nrest").unwrap();
        assert_eq!(tail.read(&path), ["a long first line"]);
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(tail.read(&path), ["new"]);
    }

    #[test]
    fn a_new_page_gets_the_end_of_a_long_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminal.log");
        let text: String = (0..10_000)
            .map(|number| format!("line {number}\n"))
            .collect();
        std::fs::write(&path, text).unwrap();
        let lines = Tail::default().read(&path);
        assert_eq!(lines.last().unwrap(), "line 9999");
        assert!(
            lines.iter().all(|line| line.starts_with("line ")),
            "the first line is whole"
        );
        assert!(lines.len() < 10_000);
    }

    #[test]
    fn an_endless_line_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminal.log");
        let mut tail = Tail::default();
        std::fs::write(&path, "").unwrap();
        assert!(tail.read(&path).is_empty());
        std::fs::write(&path, vec![b'x'; 100_000]).unwrap();
        for _ in 0..10 {
            assert!(tail.read(&path).is_empty());
        }
        assert!(tail.rest.len() <= 32 * 1024);
    }
}
