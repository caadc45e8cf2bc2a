//! The payment service, its certificate and its clock, as the self-test finds them.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use serde_json::json;

use super::{TOKEN, report_of, selftest};
use crate::harness::{Till, assert_holds};

/// A server of TLS with a certificate of `tests/blackbox/tls`, made with openssl: an authority, and two
/// certificates of localhost, of which one ended in 2021.
fn tls_server(certificate: &'static [u8]) -> u16 {
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(
        include_bytes!("../tls/server.key.der").to_vec(),
    );
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![certificate.into()], key.into())
    .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            let mut request = [0; 4096];
            if tls.read(&mut request).is_ok_and(|length| length > 0) {
                let _ = tls.write_all(
                    b"HTTP/1.1 401 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
                );
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    port
}

#[test]
fn a_certificate_is_reported_with_its_end_and_an_expired_one_found() {
    let trusted = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/blackbox/tls/ca.pem");
    let look = |certificate| {
        let port = tls_server(certificate);
        let till = Till::new(&format!("https://localhost:{port}"), 2, "");
        let mut command = till.verb(&["selftest", "--json"]);
        report_of(command.env("SSL_CERT_FILE", trusted))
    };
    let report = look(include_bytes!("../tls/good.der"));
    let certificate = report.of("service.certificate");
    assert_holds(
        certificate,
        json!({"result": "pass", "detail": "действует до 01.01.2120"}),
    );
    let report = look(include_bytes!("../tls/expired.der"));
    report.finds(
        "certificate expired",
        "service.certificate",
        "fail",
        "timedatectl",
    );
    let port = tls_server(include_bytes!("../tls/good.der"));
    let till = Till::new(&format!("https://localhost:{port}"), 2, "");
    selftest(&till).finds("issuer unknown", "service.reach", "fail", "ca-certificates");
}

/// A service whose clock is off by so many seconds.
fn service_at(offset: i64) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let now = oplati::base::clock::wall() + jiff::SignedDuration::from_secs(offset);
            let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT");
            let _ = write!(
                stream,
                "HTTP/1.1 401 No\r\nDate: {date}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
            );
        }
    });
    url
}

#[test]
fn a_skewed_clock_is_found() {
    for (offset, result) in [(600, "warn"), (-2 * 86_400, "fail")] {
        let till = Till::new(&service_at(offset), 2, "");
        selftest(&till).finds(
            &format!("clock {offset} s off"),
            "service.clock",
            result,
            "timedatectl set-ntp true",
        );
    }
    let till = Till::new(&service_at(0), 2, "");
    assert_eq!(selftest(&till).of("service.clock")["result"], "pass");
}

#[test]
fn a_service_that_hangs_holds_nothing_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let till = Till::new(&format!("http://{}", listener.local_addr().unwrap()), 2, "");
    let report = selftest(&till);
    report.finds("service hangs", "service.reach", "fail", "интернет кассы");
    assert_eq!(report.of("config.read")["result"], "pass");
    println!(
        "all checks with a service that hangs: {} ms",
        report.json["elapsed_ms"]
    );
}

#[test]
fn another_server_that_answers_is_not_the_service() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (mut stream, status) in listener.incoming().flatten().zip(["200 OK", "404 No"]) {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let page = "<!doctype html><title>Wi-Fi</title>";
            let length = page.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
        }
    });
    let till = Till::new(&url, 2, "");
    for fault in ["a login page", "a wrong url"] {
        selftest(&till).finds(fault, "service.reach", "fail", "url в oplati.conf");
    }
}

/// Each call is answered in time, all of them are not.
#[test]
fn a_daemon_that_answers_slowly_leaves_time_for_the_checks() {
    let till = Till::new("http://127.0.0.1:9", 2, "");
    let socket = till.path("run/oplati/till.sock");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|length| length > 0) {
                    std::thread::sleep(std::time::Duration::from_millis(1200));
                    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    selftest(&till).finds("a slow daemon", "api.socket", "fail", "systemctl restart");
}

#[test]
fn a_token_that_the_service_does_not_take_is_no_good_token() {
    let till = Till::new(&service_at(0), 2, "");
    std::fs::write(till.path(TOKEN), "abc\n").unwrap();
    selftest(&till).finds(
        "token not taken",
        "service.token",
        "warn",
        "регистрацию кассы",
    );
}
