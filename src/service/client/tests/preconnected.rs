//! A connection that is open before it is needed.

use super::*;

/// What becomes of a connection on which nothing has come yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Idle {
    Stays,
    /// Its other end closes it, and so each that follows.
    AllClosed,
    /// Its other end closes it.
    Closed,
    /// Its other end breaks it off.
    Reset,
    /// A front end is tired of waiting and says so.
    Answered,
}

/// A service that answers each payment, and does to its first connection while it is idle what a test wants.
struct Service {
    url: String,
    /// Requests that came over each connection.
    connections: Arc<StdMutex<Vec<Vec<String>>>>,
    /// Whether the first connection has met its fate.
    is_met: Arc<tokio::sync::Notify>,
}

async fn service(fate: Idle) -> Service {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections: Arc<StdMutex<Vec<Vec<String>>>> = Arc::default();
    let is_met = Arc::new(tokio::sync::Notify::new());
    let (seen, met) = (connections.clone(), is_met.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let number = {
                let mut seen = seen.lock().unwrap();
                seen.push(Vec::new());
                seen.len() - 1
            };
            let (seen, met) = (seen.clone(), met.clone());
            tokio::spawn(async move {
                if fate == Idle::AllClosed || number == 0 && fate != Idle::Stays {
                    if fate == Idle::Reset {
                        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))
                            .unwrap();
                    }
                    if fate == Idle::Answered {
                        let tired = "HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\n\r\n";
                        stream.write_all(tired.as_bytes()).await.unwrap();
                    }
                    drop(stream);
                    return met.notify_one();
                }
                while let Some(request) = read_request(&mut stream).await {
                    seen.lock().unwrap()[number].push(request);
                    let answer = http(200, &paid());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    Service {
        url,
        connections,
        is_met,
    }
}

impl Service {
    /// Requests of each connection.
    fn requests(&self) -> Vec<usize> {
        let connections = self.connections.lock().unwrap();
        connections.iter().map(Vec::len).collect()
    }

    async fn until_connected(&self, count: usize) {
        until(|| self.connections.lock().unwrap().len() >= count).await;
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let looked = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looked)
        .await
        .unwrap();
}

/// A client whose connections are kept as the daemon has them kept.
fn kept(service: &Service) -> (Arc<Client>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let client = Arc::new(client(&service.url, folder.path(), None));
    let keeper = client.clone();
    tokio::spawn(async move { keeper.keep_preconnected().await });
    client.expect_requests(1);
    (client, folder)
}

fn is_ready(client: &Client) -> bool {
    !crate::base::lock::lock(&client.preconnect.ready).is_empty()
}

fn reversal() -> Call {
    Call::Reverse {
        payment_id: 7,
        order_number: "n-1".into(),
        sum: Kopecks(150),
        shift: "24112026".into(),
        receipt: None,
    }
}

#[tokio::test]
async fn a_payment_goes_over_the_connection_that_was_open_and_the_next_one_over_another() {
    let service = service(Idle::Stays).await;
    let (client, _folder) = kept(&service);
    for number in 1..=3 {
        service.until_connected(number).await;
        until(|| is_ready(&client)).await;
        assert!(answered(&client, &pay()).await.is_ok());
        // The next one is opened beside it and has carried nothing.
        assert_eq!(service.requests()[..number], vec![1; number]);
    }
}

#[tokio::test]
async fn a_connection_that_has_ended_while_it_was_idle_takes_no_payment() {
    for fate in [Idle::Closed, Idle::Reset, Idle::Answered] {
        let service = service(fate).await;
        let (client, _folder) = kept(&service);
        service.is_met.notified().await;
        let answer = answered(&client, &pay()).await;
        assert!(
            matches!(&answer, Ok(Reply::Payment(info)) if info.payment_id == 7),
            "{fate:?}: {answer:?}"
        );
        let requests = service.requests();
        assert_eq!(requests[0], 0, "{fate:?}");
        assert_eq!(requests.iter().sum::<usize>(), 1, "{fate:?}");
    }
}

/// The end of an idle connection is seen even where nobody has looked since it came: by the kernel's word.
#[tokio::test]
async fn an_end_that_nobody_has_read_yet_is_noticed() {
    for fate in [Idle::Closed, Idle::Reset, Idle::Answered] {
        let service = service(fate).await;
        let folder = tempfile::tempdir().unwrap();
        // Nobody keeps its connections: what it is handed is never looked at.
        let client = client(&service.url, folder.path(), None);
        let connection = client.dialer.dial().await.unwrap();
        assert!(fate != Idle::Stays);
        service.is_met.notified().await;
        until(|| !connection.is_quiet()).await;
        crate::base::lock::lock(&client.preconnect.ready).push(connection);
        assert!(
            client.preconnect.take(client.timeout()).is_none(),
            "{fate:?}"
        );
        assert!(answered(&client, &pay()).await.is_ok(), "{fate:?}");
    }
}

#[tokio::test]
async fn a_codec_that_was_closed_gives_the_request_back() {
    let service = service(Idle::Closed).await;
    let folder = tempfile::tempdir().unwrap();
    let client = client(&service.url, folder.path(), None);
    let mut connection = client.dialer.dial().await.unwrap();
    std::future::poll_fn(|context| connection.poll_end(context)).await;
    let request = client.request(&pay()).unwrap().build().unwrap();
    let sendable = client.dialer.sendable(&request).unwrap();
    let body = sendable.headers().len();
    match connection.send(sendable).await {
        Err(dialer::Unanswered::NotTaken(back, _)) => assert_eq!(back.headers().len(), body),
        Err(dialer::Unanswered::Lost(why)) => panic!("lost: {why}"),
        Ok(_) => panic!("answered"),
    }
}

#[tokio::test]
async fn a_front_end_that_closes_each_is_asked_ever_more_seldom() {
    let service = service(Idle::AllClosed).await;
    let (client, _folder) = kept(&service);
    let began = Instant::now();
    service.until_connected(3).await;
    assert!(began.elapsed() >= Duration::from_secs(1 + 2));
    assert!(!is_ready(&client));
}

#[tokio::test]
async fn a_connection_is_held_only_while_a_request_is_expected() {
    let service = service(Idle::Stays).await;
    let (client, _folder) = kept(&service);
    until(|| is_ready(&client)).await;
    client.expect_requests(0);
    until(|| !is_ready(&client)).await;
    let opened = service.requests().len();
    assert!(answered(&client, &pay()).await.is_ok());
    assert_eq!(service.requests().len(), opened + 1);
    client.expect_requests(1);
    until(|| is_ready(&client)).await;
}

#[tokio::test]
async fn a_session_and_the_payment_that_follows_at_once_have_one_each() {
    let service = service(Idle::Stays).await;
    let (client, _folder) = kept(&service);
    let held = |count| crate::base::lock::lock(&client.preconnect.ready).len() == count;
    client.expect_requests(2);
    until(|| held(2)).await;
    for _ in 0..2 {
        assert!(answered(&client, &pay()).await.is_ok());
    }
    assert_eq!(service.requests()[..2], [1, 1]);
    until(|| held(2)).await;
    client.expect_requests(1);
    until(|| held(1)).await;
    client.expect_requests(0);
    until(|| held(0)).await;
}

#[tokio::test]
async fn a_reversal_and_a_question_leave_it_alone() {
    let service = service(Idle::Stays).await;
    let (client, _folder) = kept(&service);
    until(|| is_ready(&client)).await;
    let _ = answered(&client, &reversal()).await;
    let _ = answered(&client, &Call::Payment { payment_id: 7 }).await;
    assert_eq!(service.requests(), [0, 1, 1]);
    assert!(is_ready(&client));
}

#[tokio::test]
async fn connections_in_doubt_take_it_along() {
    let service = service(Idle::Stays).await;
    let (client, _folder) = kept(&service);
    until(|| is_ready(&client)).await;
    client.doubt_connections();
    service.until_connected(2).await;
    until(|| is_ready(&client)).await;
    assert!(answered(&client, &pay()).await.is_ok());
    assert_eq!(service.requests()[..2], [0, 1]);
}

#[tokio::test]
async fn a_line_that_never_connects_leaves_nothing_to_be_taken_and_stays_an_unsent_payment() {
    let nobody = nobody().await;
    let folder = tempfile::tempdir().unwrap();
    let client = Arc::new(client(&format!("http://{nobody}"), folder.path(), None));
    let keeper = client.clone();
    tokio::spawn(async move { keeper.keep_preconnected().await });
    client.expect_requests(1);
    let answer = answered(&client, &pay()).await;
    assert!(matches!(answer, Err(Failure::NotSent { .. })), "{answer:?}");
    assert!(!is_ready(&client));
}
