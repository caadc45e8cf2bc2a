//! A name with several addresses, not all of which lead to the service.

use std::net::{Ipv4Addr, SocketAddr};

use super::*;
use crate::core::call::Answer;

/// So long an address may be silent.
const TIMEOUT: Duration = Duration::from_millis(700);

/// A service at 127.0.0.1, and what stands at 127.0.0.2, the first address of its name.
struct Pair {
    service: Scripted,
    first: Scripted,
    client: Client,
    _folder: tempfile::TempDir,
}

async fn pair(first: Behaviour, answers: &[String]) -> Pair {
    let answers = answers.iter().cloned().map(Behaviour::Answer).collect();
    let service = scripted(answers).await;
    let (_, port) = service.url.rsplit_once(':').unwrap();
    let at_first = scripted_at(&format!("127.0.0.2:{port}"), vec![first]).await;
    let (client, folder) = client_of(&service.url, vec![2, 1]);
    Pair {
        service,
        first: at_first,
        client,
        _folder: folder,
    }
}

/// A client of a name with these addresses in 127.0.0.0/24.
fn client_of(url: &str, addresses: Vec<u8>) -> (Client, tempfile::TempDir) {
    let addresses = local(&addresses);
    let lookup = move |_: &str| Ok(addresses.clone());
    client_that_asks((url, TIMEOUT), lookup, Duration::from_secs(60))
}

fn local(last: &[u8]) -> Vec<SocketAddr> {
    let address = |last: &u8| SocketAddr::from((Ipv4Addr::new(127, 0, 0, *last), 0));
    last.iter().map(address).collect()
}

fn probe() -> Call {
    Call::Probe {
        shift: "24112026".into(),
    }
}

/// What an address that is not the service does with a request.
fn disappointments() -> Vec<Behaviour> {
    vec![
        Behaviour::Answer(http(503, "")),
        Behaviour::Answer(http(200, "<html>")),
        Behaviour::Answer(http(404, "<html>")),
        Behaviour::Close(String::new()),
        Behaviour::Close("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[".into()),
        Behaviour::Silence,
    ]
}

impl Pair {
    async fn asks(&self, call: &Call) -> Answer {
        self.client.call(call, "s").await.answer
    }

    /// How often each was asked.
    fn asked(&self) -> (usize, usize) {
        (self.first.asked(), self.service.asked())
    }
}

#[tokio::test]
async fn after_an_address_that_disappoints_a_question_the_next_is_asked() {
    for behaviour in disappointments() {
        let pair = pair(behaviour.clone(), &[http(200, "[]")]).await;
        assert!(is_lost(&pair.asks(&probe()).await), "{behaviour:?}");
        for _ in 0..3 {
            let answer = pair.asks(&probe()).await;
            assert_eq!(answer, Ok(Reply::Alive), "{behaviour:?}");
        }
        assert_eq!(pair.asked(), (1, 3), "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_payment_goes_to_the_address_that_has_not_disappointed_and_leaves_once() {
    for behaviour in disappointments() {
        let pair = pair(behaviour.clone(), &[http(200, &paid())]).await;
        let session = Call::OpenSession(SessionMode::DynamicQr);
        assert!(is_lost(&pair.asks(&session).await), "{behaviour:?}");
        assert!(pair.asks(&pay()).await.is_ok(), "{behaviour:?}");
        assert_eq!(pair.asked(), (1, 1), "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_payment_that_is_lost_is_looked_for_elsewhere_and_never_repeated() {
    for behaviour in disappointments() {
        let report = http(200, &format!("[{}]", paid()));
        let pair = pair(behaviour.clone(), &[report]).await;
        assert!(is_lost(&pair.asks(&pay()).await), "{behaviour:?}");
        let found = pair.asks(&look_up()).await;
        assert!(
            matches!(found, Ok(Reply::Found(_))),
            "{behaviour:?}: {found:?}"
        );
        assert_eq!(pair.asked(), (1, 1), "{behaviour:?}");
        let payments = |at: &Scripted| {
            let requests = at.requests.lock().unwrap();
            requests
                .iter()
                .filter(|request| request.starts_with("POST"))
                .count()
        };
        assert_eq!((payments(&pair.first), payments(&pair.service)), (1, 0));
    }
}

#[tokio::test]
async fn after_a_payment_without_an_answer_the_next_goes_elsewhere_though_questions_are_answered() {
    let probed = Behaviour::Answer(http(200, "[]"));
    let service = scripted(vec![Behaviour::Answer(http(200, &paid()))]).await;
    let (_, port) = service.url.rsplit_once(':').unwrap();
    let script = vec![probed.clone(), Behaviour::Silence, probed];
    let first = scripted_at(&format!("127.0.0.2:{port}"), script).await;
    let (client, _folder) = client_of(&service.url, vec![2, 1]);
    assert_eq!(client.call(&probe(), "s").await.answer, Ok(Reply::Alive));
    assert!(is_lost(&client.call(&pay(), "s").await.answer));
    // As by a question that was under way there meanwhile.
    let at_first = std::net::IpAddr::from([127, 0, 0, 2]);
    client.note_answerer(false, Errand::Question, Some(at_first), &mut None);
    assert!(client.call(&pay(), "s").await.answer.is_ok());
    assert_eq!((first.asked(), service.asked()), (2, 1));
}

#[tokio::test]
async fn a_lone_address_stays_first_whatever_becomes_of_a_payment() {
    let answers = vec![Behaviour::Silence, Behaviour::Answer(http(200, "[]"))];
    let service = scripted(answers).await;
    let (client, _folder) = client_of(&service.url, vec![1]);
    assert!(is_lost(&client.call(&pay(), "s").await.answer));
    for _ in 0..2 {
        assert_eq!(client.call(&probe(), "s").await.answer, Ok(Reply::Alive));
    }
    let opened = service.connections.load(Ordering::SeqCst);
    assert_eq!((service.asked(), opened), (3, 2), "one is kept as ever");
}

#[tokio::test]
async fn a_report_row_by_row_puts_the_address_behind_too() {
    for behaviour in disappointments() {
        if matches!(behaviour, Behaviour::Silence) {
            // A whole report may take two minutes.
            continue;
        }
        let pair = pair(behaviour.clone(), &[http(200, "[]")]).await;
        for is_there in [false, true] {
            let mut date = None;
            let read = pair.client.each_reported("24112026", &mut date, |_| true);
            assert_eq!(read.await.is_ok(), is_there, "{behaviour:?}");
        }
    }
}

#[tokio::test]
async fn a_name_with_other_addresses_each_time_leads_to_the_service_all_the_same() {
    let bad = Behaviour::Answer(http(503, ""));
    let good = scripted(vec![Behaviour::Answer(http(200, "[]"))]).await;
    let (_, port) = good.url.rsplit_once(':').unwrap();
    let mut all_bad = Vec::new();
    for last in [2, 3] {
        let at = format!("127.0.0.{last}:{port}");
        all_bad.push(scripted_at(&at, vec![bad.clone()]).await);
    }
    let lookups = AtomicUsize::new(0);
    let in_turn = move |_: &str| match lookups.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => Ok(local(&[2, 1])),
        _ => Ok(local(&[3, 1])),
    };
    let (client, _folder) = client_that_asks((&good.url, TIMEOUT), in_turn, Duration::ZERO);
    for is_good in [false, false, true, true, true, true] {
        let answer = client.call(&probe(), "s").await.answer;
        assert_eq!(answer.is_ok(), is_good, "{answer:?}");
    }
    assert!(all_bad.iter().all(|bad| bad.asked() == 1));
}

#[tokio::test]
async fn the_token_is_asked_for_elsewhere_too() {
    let token = http(200, r#"{"token": "fresh-1"}"#);
    let pair = pair(Behaviour::Answer(http(503, "")), &[token, http(200, "[]")]).await;
    std::fs::remove_file(pair._folder.path().join("token.conf")).unwrap();
    assert!(pair.asks(&probe()).await.is_err());
    assert_eq!(pair.asks(&probe()).await, Ok(Reply::Alive));
    assert_eq!(pair.asked(), (1, 2));
}

#[tokio::test]
async fn a_failed_handshake_puts_the_address_behind() {
    let pair = pair(Behaviour::Close("no TLS here".into()), &[http(200, "[]")]).await;
    let url = pair.service.url.replace("http:", "https:");
    let (client, _folder) = client_of(&url, vec![2, 1]);
    for _ in 0..2 {
        let answer = client.call(&probe(), "s").await.answer;
        assert!(matches!(answer, Err(Failure::NotSent { .. })), "{answer:?}");
    }
    let opened = |at: &Scripted| at.connections.load(Ordering::SeqCst);
    assert_eq!((opened(&pair.first), opened(&pair.service)), (1, 1));
}

#[tokio::test]
async fn an_address_that_goes_bad_while_it_is_kept_is_left_at_once() {
    let page = Behaviour::Answer(http(200, "<html>"));
    let good = Behaviour::Answer(http(200, "[]"));
    for bad in [page, Behaviour::Close(String::new())] {
        let service = scripted(vec![good.clone()]).await;
        let (_, port) = service.url.rsplit_once(':').unwrap();
        let first = format!("127.0.0.2:{port}");
        let first = scripted_at(&first, vec![good.clone(), bad.clone()]).await;
        let (client, _folder) = client_of(&service.url, vec![2, 1]);
        for is_good in [true, false, true, true] {
            let answer = client.call(&probe(), "s").await.answer;
            assert_eq!(answer.is_ok(), is_good, "{bad:?}: {answer:?}");
        }
        assert_eq!((first.asked(), service.asked()), (2, 2), "{bad:?}");
    }
}

#[tokio::test]
async fn where_no_new_connection_comes_about_the_kept_one_does_not_hide_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // One connection, which it keeps.
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        while read_request(&mut stream).await.is_some() {
            stream.write_all(http(200, "[]").as_bytes()).await.unwrap();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let client = client(&url, folder.path(), None);
    assert_eq!(client.call(&probe(), "s").await.answer, Ok(Reply::Alive));
    assert_eq!(client.call(&probe(), "s").await.answer, Ok(Reply::Alive));
    for call in [pay(), probe(), probe()] {
        let answer = client.call(&call, "s").await.answer;
        assert!(
            matches!(answer, Err(Failure::NotSent { .. })),
            "{call:?}: {answer:?}"
        );
    }
}
