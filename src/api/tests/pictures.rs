//! The buyer's pictures in sizes of their own, and who may be a window.

use super::*;

async fn over_socket(bench: &Bench, path: &str) -> Answer {
    over_socket_with(bench, "GET", path).await
}

async fn over_socket_with(bench: &Bench, method: &str, path: &str) -> Answer {
    let mut stream = UnixStream::connect(&bench.socket).await.unwrap();
    let headers = [("Host", "x"), ("Connection", "close")];
    converse(&mut stream, method, path, &headers, "").await
}

#[tokio::test]
async fn a_picture_has_the_size_that_is_asked_for_within_bounds() {
    let bench = Bench::new().await;
    let picture = bench
        .tcp("GET", "/display/frame.png?width=240&height=320", &[], "")
        .await;
    assert_eq!(picture.status, 200);
    assert!(picture.has("content-type: image/png") && picture.has("oplati-picture: 0"));
    assert!(picture.has("cache-control: no-store"));
    for wrong in [
        "width=320",
        "width=319&height=240",
        "width=3841&height=2160",
        "width=2161&height=2161",
        "width=-1&height=240",
        "width=4294967296&height=240",
        "width=&height=",
    ] {
        let path = format!("/display/frame.png?{wrong}");
        assert_eq!(
            bench.tcp("GET", &path, &[], "").await.status,
            400,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn windows_come_over_the_socket_and_only_where_oplati_conf_wants_them() {
    let bench = Bench::new().await;
    let path = "/display/events?window_width=800&window_height=480";
    assert_eq!(bench.tcp("GET", path, &[], "").await.status, 403);
    let unwanted = over_socket(&bench, path).await;
    assert_eq!(unwanted.status, 503);
    assert_eq!(unwanted.json()["code"], "not_configured");
    let word = "/display/window?number=1&hidden=covered";
    assert_eq!(bench.tcp("POST", word, &[], "").await.status, 401);
    let posted = |path: &'static str| over_socket_with(&bench, "POST", path);
    assert_eq!(posted(word).await.status, 404, "no such window");
    let wrong = posted("/display/window?number=1&hidden=gone").await;
    assert_eq!(wrong.status, 400);
    let small = "/display/events?window_width=8&window_height=4";
    assert_eq!(over_socket(&bench, small).await.status, 400);
}
