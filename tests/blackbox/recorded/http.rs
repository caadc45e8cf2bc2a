//! As much HTTP/1.1 as a service needs that one till asks: plain TCP, one thread for each
//! connection, nothing of the program under test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

/// Longest head line and body, bytes: a till that sends more is wrong.
const MAX_BYTES: u64 = 256 * 1024;

/// One request as it came.
pub struct Request {
    /// When its head was read, on the clock that does not jump.
    pub at: Instant,
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Names and decoded values.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Null when there is none or it is not JSON.
    pub body: Value,
    /// Bytes of the body.
    pub body_length: usize,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        let mut found = self.headers.iter().filter(|(key, _)| *key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        let mut found = self.query.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

/// What the service does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    Send {
        status: u16,
        /// Further lines of the head, such as `Retry-After: 3`.
        head: Vec<String>,
        body: String,
    },
    /// The connection is closed without a word.
    Close,
}

impl Answer {
    pub fn ok(body: impl Into<String>) -> Answer {
        Answer::of(200, body)
    }

    pub fn of(status: u16, body: impl Into<String>) -> Answer {
        Answer::Send {
            status,
            head: Vec::new(),
            body: body.into(),
        }
    }

    /// The recorded shape of an error; `lang_en` was empty wherever `lang_ru` was.
    pub fn error(status: u16, internal_code: &str, to_developers: &str, to_buyer: &str) -> Answer {
        let body = json!({
            "code": status.to_string(),
            "internalCode": internal_code,
            "devMessage": format!("RegNum OPL000011111: {to_developers}"),
            "userMessage": {"lang_ru": to_buyer, "lang_en": ""},
        });
        Answer::of(status, body.to_string())
    }

    pub fn with(mut self, line: &str) -> Answer {
        if let Answer::Send { head, .. } = &mut self {
            head.push(line.to_owned());
        }
        self
    }

    pub fn status(&self) -> u16 {
        match self {
            Answer::Send { status, .. } => *status,
            Answer::Close => 0,
        }
    }
}

/// Answers every connection until `over`; returns the address for oplati.conf.
pub fn serve<H>(over: Arc<AtomicBool>, handler: H) -> String
where
    H: Fn(&Request, &TcpStream) -> Answer + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let handler = Arc::new(handler);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if over.load(Ordering::SeqCst) {
                break;
            }
            let handler = Arc::clone(&handler);
            std::thread::spawn(move || converse(&stream, &*handler));
        }
    });
    url
}

/// One connection, which a client may keep for further requests.
fn converse(stream: &TcpStream, handler: &dyn Fn(&Request, &TcpStream) -> Answer) {
    let Ok(reading) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(reading);
    while let Some(request) = read(&mut reader) {
        let sent = match handler(&request, stream) {
            Answer::Send { status, head, body } => send(stream, status, &head, &body),
            Answer::Close => false,
        };
        if !sent || request.header("connection") == Some("close") {
            break;
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let first = line(reader)?;
    let at = Instant::now();
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let header = line(reader)?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(Some(0), |(_, value)| value.parse::<u64>().ok())?;
    let mut body = Vec::new();
    reader
        .take(length.min(MAX_BYTES))
        .read_to_end(&mut body)
        .ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let query = pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), decoded(value))
    });
    Some(Request {
        at,
        method,
        path: path.to_owned(),
        query: query.collect(),
        headers,
        body_length: body.len(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}

/// Without its end; `None` when the client has gone.
fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.take(MAX_BYTES).read_line(&mut line).ok()?;
    let line = line.strip_suffix('\n')?;
    Some(line.trim_end_matches('\r').to_owned())
}

/// Percent signs of a query.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let code = code.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn send(mut stream: &TcpStream, status: u16, head: &[String], body: &str) -> bool {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        429 => "Too Many Requests",
        _ => "Error",
    };
    let date = oplati::base::clock::wall().strftime("%a, %d %b %Y %H:%M:%S GMT");
    let mut text = format!("HTTP/1.1 {status} {reason}\r\nDate: {date}\r\n");
    for line in head {
        text.push_str(line);
        text.push_str("\r\n");
    }
    let length = body.len();
    text.push_str("Content-Type: application/json;charset=UTF-8\r\n");
    text.push_str(&format!("Content-Length: {length}\r\n\r\n{body}"));
    stream.write_all(text.as_bytes()).is_ok()
}

/// Whether the other end of a connection has gone, while nothing more is expected of it.
pub fn has_gone(stream: &TcpStream) -> bool {
    let _ = stream.set_nonblocking(true);
    let seen = stream.peek(&mut [0]);
    let _ = stream.set_nonblocking(false);
    match seen {
        Ok(count) => count == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}
