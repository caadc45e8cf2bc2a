//! A service behind a name: where it is asked for, and where it is found when it has moved.

use std::net::{Ipv4Addr, SocketAddr};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A client of a service with a name, and how often that was looked up: the first address leads nowhere.
fn client_of_moved(url: &str) -> (Client, Arc<AtomicUsize>, tempfile::TempDir) {
    client_of(url, 2)
}

/// The same; the first look-up answers 127.0.0.`first`.
fn client_of(url: &str, first: u8) -> (Client, Arc<AtomicUsize>, tempfile::TempDir) {
    let lookups = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lookups);
    let lookup = move |name: &str| {
        assert_eq!(name, "pay.test");
        let last = if count.fetch_add(1, Ordering::SeqCst) == 0 {
            first
        } else {
            1
        };
        Ok(vec![SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))])
    };
    let (client, folder) = client_that_asks((url, Duration::from_secs(10)), lookup, MINUTE);
    (client, lookups, folder)
}

#[tokio::test]
async fn a_connection_that_failed_looks_the_name_up_anew() {
    let service = answering([http(200, "[]")]).await;
    let (client, lookups, _folder) = client_of_moved(&service.url);
    let looked_up = || lookups.load(Ordering::SeqCst);
    let probe = Call::Probe {
        shift: "24112026".into(),
    };
    let answer = client.call(&probe, "s").await.answer;
    assert!(matches!(answer, Err(Failure::NotSent { .. })), "{answer:?}");
    assert_eq!(looked_up(), 1);
    assert_eq!(client.call(&probe, "s").await.answer, Ok(Reply::Alive));
    assert_eq!(looked_up(), 2);
    // Those that move money have connections of their own, and the same addresses.
    drop(client.call(&pay(), "s").await);
    assert_eq!((looked_up(), service.asked()), (2, 2));
}

#[tokio::test]
async fn what_answers_otherwise_than_the_service_is_looked_for_elsewhere() {
    let page = "HTTP/1.1 503 Busy\r\nDate: Tue, 24 Nov 2020 07:00:01 GMT\r\nContent-Length: 6\r\n\r\n<html>";
    let service = answering([page.to_owned(), http(200, "[]")]).await;
    let (client, lookups, _folder) = client_of(&service.url, 1);
    let probe = Call::Probe {
        shift: "24112026".into(),
    };
    let exchange = client.call(&probe, "s").await;
    assert!(is_lost(&exchange.answer), "{:?}", exchange.answer);
    assert!(exchange.server_date.is_none(), "{:?}", exchange.server_date);
    // It kept its connection, which nobody uses any more.
    assert_eq!(client.call(&probe, "s").await.answer, Ok(Reply::Alive));
    assert_eq!(service.connections.load(Ordering::SeqCst), 2);
    assert_eq!(lookups.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_report_of_something_else_gives_no_time() {
    let other = |line: &str, body: &str| {
        format!(
            "HTTP/1.1 {line}\r\nDate: Tue, 24 Nov 2020 07:00:01 GMT\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let service = answering([
        other("503 Busy", "<html>"),
        other("200 OK", "<html>"),
        other("200 OK", "{\"error\":1}"),
        other("200 OK", "[{\"orderNumber\":7}]"),
    ])
    .await;
    let (client, lookups, _folder) = client_of(&service.url, 1);
    for is_report in [false, false, false, true] {
        let mut date = None;
        let read = client.each_reported("24112026", &mut date, |_| true).await;
        assert!(read.is_err(), "{read:?}");
        assert_eq!(date.is_some(), is_report, "{read:?}: {date:?}");
    }
    assert_eq!(lookups.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_report_that_meets_no_connection_looks_the_name_up_anew() {
    let service = answering([http(200, "[]")]).await;
    let (client, lookups, _folder) = client_of_moved(&service.url);
    for is_there in [false, true] {
        let mut date = None;
        let read = client.each_reported("24112026", &mut date, |_| true).await;
        assert_eq!(read.is_ok(), is_there, "{read:?}");
    }
    assert_eq!(lookups.load(Ordering::SeqCst), 2);
}
