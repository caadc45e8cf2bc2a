//! One look at the service for the technician's bench: name, connection, certificate, clocks, token.
//!
//! It reads a report, which moves no money, with the token that is there; it never asks for one, and
//! it is not the daemon's client, whose connections and token it leaves alone.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::classify::{Credential, token_problem};
use super::client::exchange::{is_fresh, server_date};
use super::client::{Settings, connection};
use super::token;
use super::wire::{self, ErrorBody};
use crate::base::error_chain::with_causes;
use crate::base::secret::Secret;
use crate::core::call::TokenProblem;

/// Most of an error's body that is read.
const MAX_BODY: usize = 64 * 1024;
/// ASN.1 tags (X.690 8.1.2): what a certificate's beginning is made of.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Why the service was not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// Its name is unknown.
    Name(String),
    /// Nobody takes the connection.
    Connect(String),
    /// Its certificate has expired.
    Expired,
    /// Its certificate is not valid yet: the till's clock is usually what is wrong.
    NotYetValid,
    /// Nobody whom this machine trusts has signed its certificate.
    UnknownIssuer,
    /// Its certificate is an authority's own, which is no server's, trusted or not.
    AuthorityItself,
    /// Its certificate is another server's.
    OtherName,
    /// Another failure of TLS.
    Tls(String),
    /// Connected, but no answer.
    NoAnswer(String),
    /// An answer that a cache on the way has kept.
    Cached(String),
    /// The machine's certificates cannot be read, or a setting does not fit into a request.
    Client(String),
}

/// The token of token mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFile {
    /// The till works with a password.
    Password,
    /// There is none yet: it is asked for at the first payment.
    Absent,
    /// It is there.
    Present,
    /// It cannot be read or holds no token; English.
    Bad(String),
    /// Only the daemon's user may read it.
    Hidden,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct ServiceDiagnosis {
    /// Addresses of the name.
    pub addresses: Vec<SocketAddr>,
    /// How long the name was looked up, found or not.
    pub lookup: Duration,
    pub answer: Result<Answered, Unreachable>,
    /// The addresses that were asked in vain before the one whose good answer this is.
    pub others: Vec<(IpAddr, Result<Answered, Unreachable>)>,
    pub token: TokenFile,
}

/// An answer of the service.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    /// Whole request, connecting included.
    pub elapsed: Duration,
    /// Its clock.
    pub date: Option<Timestamp>,
    /// End of its certificate; `None` without TLS.
    pub certificate_until: Option<Timestamp>,
    /// It talks as the service does, in JSON: a page of the shop's router or of another server does not.
    pub is_service: bool,
    /// What it thinks of the token, if one was sent.
    pub token_problem: Option<TokenProblem>,
}

/// Looks once. Takes at most `patience`.
pub async fn look(settings: &Settings, shift: &str, patience: Duration) -> ServiceDiagnosis {
    let (token, file) = present_token(settings);
    let mut look = ServiceDiagnosis {
        addresses: Vec::new(),
        lookup: Duration::ZERO,
        answer: Err(Unreachable::NoAnswer(format!(
            "no answer within {} ms",
            patience.as_millis()
        ))),
        others: Vec::new(),
        token: file,
    };
    let began = Instant::now();
    let resolved = tokio::time::timeout(patience, resolve(&settings.url)).await;
    look.lookup = began.elapsed();
    let host = match resolved {
        Ok(Ok((host, addresses))) => {
            look.addresses = addresses;
            host
        }
        Ok(Err(error)) => {
            look.answer = Err(error);
            return look;
        }
        Err(_) => {
            look.answer = Err(Unreachable::Name("no answer of the name server".to_owned()));
            return look;
        }
    };
    let left = patience.saturating_sub(began.elapsed());
    let question = Question {
        settings,
        host: &host,
        token: token.as_ref(),
        shift,
    };
    let answers = question.ask_all(&look.addresses, left).await;
    (look.answer, look.others) = chosen(answers, look.answer);
    look
}

impl Answered {
    /// Whether the daemon takes it for the service's.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.is_service && self.status < 500
    }
}

type Answers = Vec<(IpAddr, Result<Answered, Unreachable>)>;

/// The answer that counts, as the daemon goes on from an address that disappoints: the last one if it is good, and then
/// the others too; else the first that came, else why the first did not.
fn chosen(
    mut answers: Answers,
    nobody: Result<Answered, Unreachable>,
) -> (Result<Answered, Unreachable>, Answers) {
    match answers.pop() {
        Some((_, Ok(last))) if last.is_good() => (Ok(last), answers),
        Some(last) => {
            answers.push(last);
            let came = answers.iter().position(|(_, answer)| answer.is_ok());
            (answers.swap_remove(came.unwrap_or(0)).1, Vec::new())
        }
        None => (nobody, answers),
    }
}

/// What each address is asked.
#[derive(Clone, Copy)]
struct Question<'a> {
    settings: &'a Settings,
    host: &'a str,
    token: Option<&'a Secret>,
    shift: &'a str,
}

impl Question<'_> {
    /// One address after the other until one gives a good answer. Each has half of the time that is left, the last one
    /// all of it: one that is dead or silent leaves some to the next.
    async fn ask_all(self, addresses: &[SocketAddr], patience: Duration) -> Answers {
        let began = Instant::now();
        let mut answers = Answers::new();
        for (index, address) in addresses.iter().enumerate() {
            let is_last = index + 1 == addresses.len();
            let left = patience.saturating_sub(began.elapsed());
            let share = if is_last { left } else { left / 2 };
            let answer = self.ask_at(*address, share).await;
            let is_good = matches!(&answer, Ok(answered) if answered.is_good());
            answers.push((address.ip(), answer));
            if is_good {
                break;
            }
        }
        answers
    }

    /// The name is looked up once: a slow name server would be waited for again.
    async fn ask_at(self, address: SocketAddr, left: Duration) -> Result<Answered, Unreachable> {
        let client = connection::builder(&self.settings.url)
            .tls_info(true)
            .connect_timeout(left / 2)
            .resolve_to_addrs(self.host, &[address])
            .build()
            .map_err(|error| Unreachable::Client(with_causes(&error)))?;
        let asked = ask(&client, self.settings, self.token, self.shift);
        tokio::time::timeout(left, asked).await.unwrap_or_else(|_| {
            let ms = left.as_millis();
            Err(Unreachable::NoAnswer(format!("no answer within {ms} ms")))
        })
    }
}

/// Reads, and only reads: what was left behind beside token.conf is the daemon's to put right.
pub(super) fn present_token(settings: &Settings) -> (Option<Secret>, TokenFile) {
    use std::io::ErrorKind;
    if settings.password.is_some() {
        return (None, TokenFile::Password);
    }
    let bytes = match token::content(&settings.token_path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let file = if token::is_dangling_link(&settings.token_path) {
                TokenFile::Bad("a link that leads nowhere".to_owned())
            } else {
                TokenFile::Absent
            };
            return (None, file);
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return (None, TokenFile::Hidden);
        }
        Err(error) => return (None, TokenFile::Bad(error.to_string())),
    };
    match token::check(&bytes) {
        Ok(token) => (Some(token), TokenFile::Present),
        Err(what) => (None, TokenFile::Bad(what.to_owned())),
    }
}

/// The host of an address, and its addresses.
async fn resolve(url: &str) -> Result<(String, Vec<SocketAddr>), Unreachable> {
    let bad = || Unreachable::Name("the address is not understood".to_owned());
    let url = reqwest::Url::parse(url).map_err(|_| bad())?;
    let host = url.host_str().ok_or_else(bad)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().ok_or_else(bad)?;
    let found = tokio::net::lookup_host((host, port)).await;
    let found: Vec<SocketAddr> = found
        .map_err(|error| Unreachable::Name(error.to_string()))?
        .take(8)
        .collect();
    Ok((host.to_owned(), found))
}

async fn ask(
    client: &reqwest::Client,
    settings: &Settings,
    token: Option<&Secret>,
    shift: &str,
) -> Result<Answered, Unreachable> {
    let url = format!(
        "{}{}",
        connection::base(&settings.url),
        wire::PAYMENT_REPORTS
    );
    let url = connection::with_query(&url, wire::SHIFT, shift);
    let mut request = client
        .get(url)
        .header(wire::HEADER_REG_NUM, &settings.reg_num);
    let secrets = [
        (wire::HEADER_TOKEN, token),
        (wire::HEADER_PASSWORD, settings.password.as_ref()),
    ];
    for (name, secret) in secrets {
        let Some(secret) = secret else { continue };
        let value = connection::header_value(secret.expose(), name)
            .map_err(|_| Unreachable::Client(format!("{name} cannot be sent")))?;
        request = request.header(name, value);
    }
    let began = Instant::now();
    let mut response = request
        .send()
        .await
        .map_err(|error| unreached(&error.without_url()))?;
    let elapsed = began.elapsed();
    is_fresh(response.headers(), elapsed)
        .map_err(|failure| Unreachable::Cached(failure.detail().to_owned()))?;
    let date = server_date(response.headers());
    let certificate_until = response
        .extensions()
        .get::<reqwest::tls::TlsInfo>()
        .and_then(reqwest::tls::TlsInfo::peer_certificate)
        .and_then(not_after);
    let status = response.status().as_u16();
    let mut problem = None;
    let body = beginning(&mut response).await;
    let is_service = match body.trim_ascii_start().first() {
        Some(first) => matches!(first, b'{' | b'['),
        // Who is not let in may get an empty body.
        None => matches!(status, 401 | 403),
    };
    if status >= 300 {
        let credential = match (token, &settings.password) {
            (_, Some(_)) => Some(Credential::Password),
            (Some(_), None) => Some(Credential::Token),
            (None, None) => None,
        };
        // A request without a credential shows nothing about one.
        problem = credential
            .zip(ErrorBody::read(&body))
            .and_then(|(credential, error)| token_problem(status, &error, credential));
    }
    Ok(Answered {
        status,
        elapsed,
        date,
        certificate_until,
        is_service,
        token_problem: problem,
    })
}

/// An error's body; of a report its beginning is enough.
async fn beginning(response: &mut reqwest::Response) -> Vec<u8> {
    let is_success = response.status().as_u16() < 300;
    let is_enough =
        |body: &[u8]| body.len() > MAX_BODY || (is_success && !body.trim_ascii_start().is_empty());
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if is_enough(&body) {
            break;
        }
    }
    body
}

fn unreached(error: &reqwest::Error) -> Unreachable {
    use rustls::CertificateError as Bad;
    let detail = with_causes(error);
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. })) => {
            Unreachable::Expired
        }
        Some(rustls::Error::InvalidCertificate(
            Bad::NotValidYet | Bad::NotValidYetContext { .. },
        )) => Unreachable::NotYetValid,
        Some(rustls::Error::InvalidCertificate(Bad::UnknownIssuer)) => Unreachable::UnknownIssuer,
        Some(rustls::Error::InvalidCertificate(
            Bad::NotValidForName | Bad::NotValidForNameContext { .. },
        )) => Unreachable::OtherName,
        Some(rustls::Error::InvalidCertificate(Bad::Other(why)))
            // The library that examines certificates has no type for it here.
            if format!("{why:?}").contains("CaUsedAsEndEntity") =>
        {
            Unreachable::AuthorityItself
        }
        Some(error) => Unreachable::Tls(error.to_string()),
        None if error.is_connect() => Unreachable::Connect(detail),
        None => Unreachable::NoAnswer(detail),
    }
}

/// The error of TLS, which lies in an error of input and output somewhere below.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The end of a certificate's validity (RFC 5280 4.1.2.5), out of its DER.
fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = element(der)?;
    let (SEQUENCE, mut rest, _) = element(certificate)? else {
        return None;
    };
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    // serialNumber, signature, issuer
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (SEQUENCE, validity, _) = element(rest)? else {
        return None;
    };
    let (_, _, after) = element(validity)?;
    let (tag, text, _) = element(after)?;
    let text = std::str::from_utf8(text).ok()?;
    // Two digits of a year below 50 are of this century (RFC 5280 4.1.2.5.1).
    let text = match tag {
        UTC_TIME if text.get(..2)?.parse::<u8>().ok()? < 50 => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let at = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(at).ok()
}

/// Tag, content and what follows of the first element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let digits = usize::from(*first & 0x7f);
        if digits > 4 {
            return None;
        }
        let (bytes, rest) = rest.split_at_checked(digits)?;
        let length = bytes
            .iter()
            .fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use proptest::prelude::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Takes no connection, and refuses none: its backlog is full. It lives as long as what is returned.
    fn dead_at(address: SocketAddr) -> (OwnedFd, Vec<OwnedFd>) {
        let socket = |flags| {
            rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap()
        };
        let listener = socket(SocketFlags::CLOEXEC);
        rustix::net::bind(&listener, &address).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let callers = (0..4).map(|_| {
            let caller = socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
            let connected = rustix::net::connect(&caller, &address);
            assert_eq!(connected.unwrap_err(), rustix::io::Errno::INPROGRESS);
            caller
        });
        let callers = callers.collect();
        (listener, callers)
    }

    fn settings(port: u16) -> Settings {
        Settings {
            url: format!("http://pay.test:{port}"),
            reg_num: "OPL000011111".into(),
            password: Some(Secret::new("secret")),
            timeout: Duration::from_secs(10),
            token_path: "/nowhere".into(),
        }
    }

    #[tokio::test]
    async fn where_the_first_address_is_dead_the_second_is_asked() {
        let service = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let living = service.local_addr().unwrap();
        let dead = SocketAddr::from(([127, 0, 0, 2], living.port()));
        let _dead = dead_at(dead);
        tokio::spawn(async move {
            let (mut caller, _) = service.accept().await.unwrap();
            let _ = caller.read(&mut [0; 4096]).await.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]";
            caller.write_all(answer).await.unwrap();
            // It stays until the caller has read it.
            let _ = caller.read_to_end(&mut Vec::new()).await;
        });
        let settings = settings(living.port());
        let answers = ask_both(&settings, dead, living).await;
        let (answer, others) = chosen(answers, Err(Unreachable::Expired));
        assert!(answer.unwrap().is_good());
        assert!(
            matches!(&others[..], [(at, Err(Unreachable::Connect(_)))] if *at == dead.ip()),
            "{others:?}"
        );
    }

    async fn ask_both(settings: &Settings, first: SocketAddr, second: SocketAddr) -> Answers {
        let question = Question {
            settings,
            host: "pay.test",
            token: None,
            shift: "24112026",
        };
        let patience = Duration::from_secs(3);
        let addresses = [first, second];
        let asked = question.ask_all(&addresses, patience);
        let asked = tokio::time::timeout(patience + patience / 10, asked).await;
        asked.expect("in time")
    }

    /// Answers every caller so, or nobody.
    async fn standing_at(address: SocketAddr, answer: Option<&'static str>) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut callers = Vec::new();
            loop {
                let (mut caller, _) = listener.accept().await.unwrap();
                let _ = caller.read(&mut [0; 4096]).await.unwrap();
                if let Some(answer) = answer {
                    caller.write_all(answer.as_bytes()).await.unwrap();
                }
                callers.push(caller);
            }
        });
        address
    }

    #[tokio::test]
    async fn where_the_first_address_answers_wrongly_the_second_is_asked() {
        let good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]";
        for wrong in [
            Some("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"),
            Some("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"),
            None,
        ] {
            let living = standing_at(SocketAddr::from(([127, 0, 0, 1], 0)), Some(good)).await;
            let first = SocketAddr::from(([127, 0, 0, 2], living.port()));
            let first = standing_at(first, wrong).await;
            let settings = settings(living.port());
            let answers = ask_both(&settings, first, living).await;
            let (answer, others) = chosen(answers, Err(Unreachable::Expired));
            assert!(answer.unwrap().is_good(), "{wrong:?}");
            assert_eq!(others[0].0, first.ip(), "{wrong:?}");
            // Asked the other way round, nothing is wrong.
            assert_eq!(ask_both(&settings, living, first).await.len(), 1);
            // Where nobody is the service, what came is reported.
            let answers = ask_both(&settings, first, first).await;
            let (answer, others) = chosen(answers, Err(Unreachable::Expired));
            assert_eq!((answer.is_ok(), others.len()), (wrong.is_some(), 0));
        }
    }

    #[tokio::test]
    async fn an_answer_out_of_a_cache_is_reported_as_one() {
        let old = "HTTP/1.1 200 OK\r\nAge: 99999\r\nContent-Length: 2\r\n\r\n[]";
        let proxy = standing_at(SocketAddr::from(([127, 0, 0, 1], 0)), Some(old)).await;
        let answers = ask_both(&settings(proxy.port()), proxy, proxy).await;
        let (answer, _) = chosen(answers, Err(Unreachable::Expired));
        let why = answer.unwrap_err();
        assert!(
            matches!(&why, Unreachable::Cached(detail) if detail.contains("99999 s")),
            "{why:?}"
        );
    }

    #[test]
    fn the_end_of_a_certificate_is_read() {
        // SEQUENCE { SEQUENCE { [0] {2}, 1, SEQ {}, SEQ {}, SEQ { UTCTime, UTCTime } } }
        let times = b"\x17\x0d240128000000Z\x17\x0d340125123456Z";
        let mut inner = b"\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x00\x30\x00\x30\x1e".to_vec();
        inner.extend(times);
        let mut der = vec![0x30, u8::try_from(inner.len() + 2).unwrap(), 0x30];
        der.push(u8::try_from(inner.len()).unwrap());
        der.extend(&inner);
        let until = not_after(&der).unwrap();
        assert_eq!(until.to_string(), "2034-01-25T12:34:56Z");
        for cut in 0..der.len() {
            assert_eq!(not_after(&der[..cut]), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_borne(der in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = not_after(&der);
        }
    }
}
