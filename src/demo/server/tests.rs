use super::*;
use crate::base::exit_code;
use crate::client::http::Loopback;
use crate::demo::buyer::Buyer;
use crate::demo::scanner::VirtualScanner;
use std::path::Path as FilePath;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// The page's server without a daemon and without a service behind it.
async fn lonely_page() -> SocketAddr {
    let Page { listener, address } = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let nowhere = || Loopback::over_socket(FilePath::new("/nonexistent/till.sock")).unwrap();
    let parts = Parts {
        till: nowhere(),
        buyer: Buyer::of(nowhere()),
        scanner: VirtualScanner::open().unwrap(),
        log: "/nonexistent/terminal.log".into(),
    };
    tokio::spawn(async move { serve_http(listener, router(Arc::new(parts), address)).await });
    address
}

/// Sends head and body as they stand and reads to the end.
async fn exchange(address: SocketAddr, head: &str, body: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!("{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn only_our_own_host_and_origin_are_served() {
    in_runtime(async {
        let address = lonely_page().await;
        let port = address.port();
        let ours = [
            format!("Host: 127.0.0.1:{port}"),
            format!("Host: LOCALHOST:{port}"),
            format!("Host: [::1]:{port}\r\nOrigin: http://localhost:{port}"),
        ];
        let foreign = [
            "Host: evil.example".to_owned(),
            format!("Host: evil.example:{port}"),
            "Host: 127.0.0.1".to_owned(),
            format!("Host: 127.0.0.1:{}", port ^ 1),
            format!("Host: 127.0.0.1:{port}\r\nHost: evil.example"),
            format!("Host: 127.0.0.1:{port}\r\nOrigin: null"),
            format!("Host: 127.0.0.1:{port}\r\nOrigin: https://127.0.0.1:{port}"),
            format!("Host: 127.0.0.1:{port}\r\nOrigin: http://evil.example"),
            format!(
                "Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nOrigin: http://evil.example"
            ),
        ];
        for headers in ours {
            let answer = exchange(address, &format!("GET / HTTP/1.1\r\n{headers}"), "").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{headers}: {answer}");
        }
        for headers in foreign {
            let answer = exchange(address, &format!("GET / HTTP/1.1\r\n{headers}"), "").await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{headers}: {answer}");
            assert!(!answer.contains("<html"), "{headers}");
        }
    });
}

#[test]
fn every_answer_carries_the_strict_policy_and_the_page_obeys_it() {
    in_runtime(async {
        let address = lonely_page().await;
        for path in ["/", "/demo.css", "/demo.js", "/absent"] {
            let answer = exchange(
                address,
                &format!("GET {path} HTTP/1.1\r\nHost: {address}"),
                "",
            )
            .await;
            for header in [
                "content-security-policy: default-src 'none'",
                "nosniff",
                "no-store",
                "no-referrer",
            ] {
                assert!(answer.contains(header), "{path} lacks {header}");
            }
        }
    });
    let page = include_str!("../demo.html");
    assert!(
        !page.contains(" style=") && !page.contains(" onclick="),
        "nothing inline"
    );
    assert!(
        !page.contains("http://") && !page.contains("https://"),
        "nothing from elsewhere"
    );
    assert!(!include_str!("../demo.js").contains("innerHTML"));
}

#[test]
fn foreign_input_is_refused_and_a_missing_daemon_is_reported() {
    in_runtime(async {
        let address = lonely_page().await;
        let json = "Content-Type: application/json";
        for (line, body, status) in [
            ("PUT /api/sales/a%2F..%2Fb", "{}", 400),
            ("GET /api/operations/x%3Fy", "", 400),
            ("POST /scan", r#"{"text": "a\rb"}"#, 409),
            ("POST /scan", r#"{"text": 5}"#, 422),
            ("POST /scan", r#"{"text": "code"}"#, 204),
            ("POST /network", r#"{"network": "sideways"}"#, 422),
            ("POST /sessions", r#"{"short": "a little"}"#, 422),
            ("POST /phone/decide", r#"{"decision": "confirm"}"#, 502),
            ("PUT /api/sales/a-1", "{}", 502),
            ("GET /v1/operations", "", 404),
        ] {
            let head = format!("{line} HTTP/1.1\r\nHost: {address}\r\n{json}");
            let answer = exchange(address, &head, body).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{line} {body}: {answer}"
            );
        }
    });
}

#[test]
fn pages_beyond_the_limit_get_the_refusal() {
    in_runtime(async {
        let address = lonely_page().await;
        let mut pages = Vec::new();
        for _ in 0..MAX_PAGES {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream
                .write_all(format!("GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
                .await
                .unwrap();
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
            pages.push(stream);
        }
        let head = format!("GET /events HTTP/1.1\r\nHost: {address}");
        assert!(
            exchange(address, &head, "")
                .await
                .starts_with("HTTP/1.1 503")
        );
    });
}

#[test]
fn a_taken_port_and_a_public_address_have_their_own_errors() {
    in_runtime(async {
        let page = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let taken = bind(page.address).await.unwrap_err();
        assert_eq!(taken.exit_code(), exit_code::TEMPFAIL);
        assert!(taken.to_string().contains("--listen"), "{taken}");
        let public = bind("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
        assert_eq!(public.exit_code(), exit_code::USAGE);
    });
}

#[test]
fn the_drawn_code_is_the_code() {
    let (size, path) = drawn("https://getapp.o-plati.by/map/?app_link=0123456789").unwrap();
    let mut picture = image::GrayImage::from_pixel(400, 400, image::Luma([255]));
    let pixels = 8;
    for module in path.split('M').filter(|module| !module.is_empty()) {
        let (x, rest) = module.split_once(' ').unwrap();
        let (y, _) = rest.split_once('h').unwrap();
        let (x, y): (u32, u32) = (x.parse().unwrap(), y.parse().unwrap());
        for dx in 0..pixels {
            for dy in 0..pixels {
                picture.put_pixel(40 + x * pixels + dx, 40 + y * pixels + dy, image::Luma([0]));
            }
        }
    }
    assert!(size * 8 + 80 <= 400);
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(400, 400, |x, y| {
        picture
            .get_pixel(u32::try_from(x).unwrap(), u32::try_from(y).unwrap())
            .0[0]
    });
    let (_, text) = prepared.detect_grids()[0].decode().unwrap();
    assert_eq!(text, "https://getapp.o-plati.by/map/?app_link=0123456789");
    assert!(drawn(&"x".repeat(4000)).is_none());
}
