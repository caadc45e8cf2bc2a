//! Who gets in by the technician's page.

use super::*;

impl Bench {
    fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn enter(&self, body: &str) -> Answer {
        let origin = self.origin();
        let headers = [
            ("Origin", origin.as_str()),
            ("Content-Type", "application/json"),
        ];
        self.tcp("POST", "/v1/session", &headers, body).await
    }

    async fn cookie(&self) -> String {
        cookie(&self.enter(&format!("{{\"token\":\"{TOKEN}\"}}")).await)
    }

    async fn over_socket(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = UnixStream::connect(&self.socket).await.unwrap();
        let mut all = vec![("Host", "localhost"), ("Connection", "close")];
        all.extend(headers);
        converse(&mut stream, method, path, &all, "").await
    }
}

fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, 204, "{answer:?}");
    let line = answer
        .head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Max-Age=43200", "Path=/"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!line.contains(TOKEN));
    line.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_cookie_counts_for_our_own_page_alone() {
    let bench = Bench::new().await;
    let (cookie, origin) = (bench.cookie().await, bench.origin());
    let cookie = ("Cookie", cookie.as_str());
    let cases = [
        ("GET", vec![("Sec-Fetch-Site", "same-origin")], 200),
        ("GET", vec![("Origin", origin.as_str())], 200),
        ("GET", vec![], 403),
        ("GET", vec![("Sec-Fetch-Site", "same-site")], 403),
        ("GET", vec![("Sec-Fetch-Site", "cross-site")], 403),
        ("GET", vec![("Sec-Fetch-Site", "none")], 403),
        ("GET", vec![("Origin", "null")], 403),
        ("GET", vec![("Origin", "http://127.0.0.1:1")], 403),
        ("POST", vec![("Sec-Fetch-Site", "same-origin")], 403),
        ("POST", vec![("Origin", "http://evil.example")], 403),
    ];
    for (method, mut headers, status) in cases {
        let path = match method {
            "GET" => "/v1/operations",
            _ => "/v1/operations/a/abort",
        };
        headers.push(cookie);
        let answer = bench.tcp(method, path, &headers, "").await;
        assert_eq!(answer.status, status, "{method} {headers:?}");
    }
    let own = [cookie, ("Origin", origin.as_str())];
    let abort = "/v1/operations/a/abort";
    assert_eq!(bench.tcp("POST", abort, &own, "").await.status, 200);
    assert_eq!(bench.tcp("POST", "/v1/links", &own, "").await.status, 403);
    // A wrong token is not mended by a cookie.
    let both = [own[0], own[1], ("Authorization", "Bearer wrong")];
    assert_eq!(bench.tcp("POST", abort, &both, "").await.status, 401);
    // Two of them are none, and so is an invented one.
    for text in [format!("{0}; {0}", cookie.1), format!("{}0", cookie.1)] {
        let headers = [("Cookie", text.as_str()), own[1]];
        assert_eq!(bench.tcp("POST", abort, &headers, "").await.status, 401);
    }
    let out = bench.tcp("DELETE", "/v1/session", &own, "").await;
    assert!(out.status == 204 && out.has("Max-Age=0"));
    assert_eq!(bench.tcp("POST", abort, &own, "").await.status, 401);
}

#[tokio::test]
async fn only_the_token_from_our_own_page_opens_a_session() {
    let bench = Bench::new().await;
    let right = format!("{{\"token\":\"{TOKEN}\"}}");
    let json = ("Content-Type", "application/json");
    for headers in [
        vec![json],
        vec![json, ("Sec-Fetch-Site", "same-origin")],
        vec![json, ("Origin", "null")],
        vec![json, ("Origin", "http://evil.example")],
    ] {
        let answer = bench.tcp("POST", "/v1/session", &headers, &right).await;
        assert!(
            answer.status == 403 && !answer.has("set-cookie"),
            "{headers:?}"
        );
    }
    let wrong = bench.enter("{\"token\":\"wrong-but-secret\"}").await;
    assert!(wrong.status == 401 && !wrong.has("set-cookie"));
    assert!(!wrong.body.contains("secret"));
    assert_eq!(bench.enter("{}").await.status, 400);
    let in_url = bench
        .tcp("GET", &format!("/v1/operations?token={TOKEN}"), &[], "")
        .await;
    assert_eq!(in_url.status, 401);
    // The socket has no sessions.
    let socket = bench.over_socket("POST", "/v1/session", &[json]).await;
    assert!(socket.status == 400 && !socket.has("set-cookie"));
}

#[tokio::test]
async fn attempts_at_the_same_time_are_bounded() {
    let bench = Bench::new().await;
    let wrong = "{\"token\":\"wrong\"}";
    let (a, b, c, d, e) = tokio::join!(
        bench.enter(wrong),
        bench.enter(wrong),
        bench.enter(wrong),
        bench.enter(wrong),
        bench.enter(wrong)
    );
    let mut all = [a, b, c, d, e].map(|answer| answer.status);
    all.sort_unstable();
    assert_eq!(all, [401, 401, 401, 401, 503]);
}

#[tokio::test]
async fn a_link_works_once() {
    let bench = Bench::new().await;
    assert_eq!(bench.tcp("POST", "/v1/links", &[], "").await.status, 401);
    let link = bench.over_socket("POST", "/v1/links", &[]).await.json();
    let url = link["url"].as_str().unwrap();
    let (page, code) = url.split_once("/#code=").unwrap();
    assert!(page == bench.origin() && link["expires_in_s"] == 60);
    let body = format!("{{\"code\":\"{code}\"}}");
    cookie(&bench.enter(&body).await);
    assert_eq!(bench.enter(&body).await.status, 401);
}

#[tokio::test]
async fn the_page_is_strict_and_not_stored() {
    let bench = Bench::new().await;
    for path in ["/", "/technician.css", "/technician.js"] {
        let page = bench.tcp("GET", path, &[], "").await;
        assert!(
            page.status == 200 && page.has("cache-control: no-store"),
            "{path}"
        );
        assert!(
            page.has("default-src 'none'") && page.has("script-src 'self'") && !page.has("unsafe")
        );
        assert!(!page.body.contains(TOKEN));
        let strange = [("Sec-Fetch-Site", "cross-site")];
        assert_eq!(bench.tcp("GET", path, &strange, "").await.status, 403);
        let foreign = [("Host", "evil.example")];
        assert_eq!(bench.tcp("GET", path, &foreign, "").await.status, 403);
    }
}
