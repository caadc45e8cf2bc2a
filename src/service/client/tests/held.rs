//! Answers that the service holds until the buyer has confirmed, and connections that do not live so long.

use super::*;
use crate::base::text::assert_has;

#[tokio::test]
async fn a_held_answer_arrives_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let client = client(&url, folder.path(), None);
    let timeout = client.settings.timeout;
    let service = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await.unwrap();
        tokio::time::sleep(timeout * 2).await;
        stream
            .write_all(http(200, &paid()).as_bytes())
            .await
            .unwrap();
        request
    });
    let exchange = client
        .call(&pay_within(Duration::from_secs(30)), "s-1")
        .await;
    assert!(exchange.answer.is_ok(), "{exchange:?}");
    assert!(exchange.elapsed >= timeout * 2);
    let request = service.await.unwrap().to_lowercase();
    assert_has(&request, ["accept-encoding: identity\r\n"]);
}

#[tokio::test]
async fn only_the_answer_to_a_payment_is_awaited_longer_than_the_timeout() {
    let service = scripted(vec![Behaviour::Silence]).await;
    let timeout = service.client.settings.timeout;
    let reverse = Call::Reverse {
        payment_id: 7,
        order_number: "n-2".into(),
        sum: Kopecks(150),
        shift: "24112026".into(),
        receipt: None,
    };
    for call in [reverse, Call::Payment { payment_id: 7 }] {
        let exchange = service.client.call(&call, "s-1").await;
        assert!(is_lost(&exchange.answer), "{call:?}: {exchange:?}");
        assert!(exchange.elapsed < timeout * 3, "{call:?}: {exchange:?}");
    }
    let within = timeout * 4;
    let exchange = service.client.call(&pay_within(within), "s-1").await;
    assert!(
        is_lost(&exchange.answer) && exchange.elapsed >= within,
        "{exchange:?}"
    );
}

#[tokio::test]
async fn a_connection_that_is_cut_while_the_answer_is_held_is_lost_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let client = client(&url, folder.path(), None);
    let held = client.settings.timeout * 2;
    tokio::spawn(async move {
        for is_reset in [false, true] {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await.unwrap();
            tokio::time::sleep(held).await;
            if is_reset {
                stream.set_zero_linger().unwrap();
            }
        }
    });
    for _ in 0..2 {
        let within = Duration::from_secs(60);
        let exchange = client.call(&pay_within(within), "s-1").await;
        assert!(is_lost(&exchange.answer), "{exchange:?}");
        assert!(exchange.elapsed >= held && exchange.elapsed < within / 2);
    }
}

/// Whether a connection of this process to that port has the keepalive timer (2) running: the column
/// after the queues in /proc/net/tcp.
fn has_keepalive_timer(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let remote = format!(":{port:04X}");
    table.lines().any(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns[2].ends_with(&remote) && columns[5].starts_with("02:")
    })
}

#[tokio::test]
async fn the_moving_connection_notices_that_the_other_end_is_gone() {
    let service = scripted(vec![Behaviour::Silence]).await;
    let call = pay_within(Duration::from_secs(30));
    let paying = service.client.call(&call, "s-1");
    let port: u16 = service.url.rsplit(':').next().unwrap().parse().unwrap();
    let look = async {
        while !has_keepalive_timer(port) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        exchange = paying => panic!("{exchange:?}"),
        () = look => {}
    }
}
