//! Tokens: how the client gets one, keeps it, and does without.

use super::*;

#[tokio::test]
async fn the_first_contact_asks_for_the_token_once_and_keeps_it() {
    let token = http(200, r#"{"token": "fresh-1"}"#);
    let service = answering([token, http(200, &paid())]).await;
    let folder = tempfile::tempdir().unwrap();
    let client = client(&service.url, folder.path(), Some(""));
    let call = Call::Payment { payment_id: 7 };
    let (a, b) = tokio::join!(client.call(&call, "a"), client.call(&call, "b"));
    assert!(a.answer.is_ok() && b.answer.is_ok(), "{a:?} {b:?}");
    let seen = service.requests.lock().unwrap().clone();
    assert_eq!(
        seen.iter()
            .filter(|request| request.contains("/pos/tokens"))
            .count(),
        1
    );
    assert!(seen[0].ends_with("\r\n\r\n{}") && !seen[0].to_lowercase().contains("token: "));
    assert!(seen[1].to_lowercase().contains("token: fresh-1"));
    assert_eq!(
        std::fs::read_to_string(folder.path().join("token.conf")).unwrap(),
        "fresh-1\n"
    );
}

#[tokio::test]
async fn token_troubles_send_nothing() {
    let words = crate::texts::original::TOKEN_EXISTS;
    let exists = http(409, &format!(r#"{{"devMessage": "RegNum X: {words}"}}"#));
    let service = answering([exists]).await;
    let folder = tempfile::tempdir().unwrap();
    let answer = answered(&client(&service.url, folder.path(), Some("")), &pay()).await;
    assert!(
        matches!(
            answer,
            Err(Failure::Token {
                problem: TokenProblem::Exists,
                ..
            })
        ),
        "{answer:?}"
    );
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing half-made is left"
    );
    let answer = answered(&client(&service.url, folder.path(), Some(" \n")), &pay()).await;
    assert!(
        matches!(
            answer,
            Err(Failure::Token {
                problem: TokenProblem::Damaged,
                ..
            })
        ),
        "{answer:?}"
    );
    assert_eq!(service.asked(), 1, "a damaged token.conf asks for nothing");
}

#[tokio::test]
async fn a_token_that_cannot_be_one_is_refused_and_leaves_no_file() {
    let service = answering([
        http(200, r#"{"token": "two words"}"#),
        http(403, r#"{"code": "NO_TILL", "devMessage": "no such till"}"#),
        http(429, ""),
    ])
    .await;
    let folder = tempfile::tempdir().unwrap();
    let client = client(&service.url, folder.path(), Some(""));
    let answer = answered(&client, &pay()).await;
    assert!(
        matches!(&answer, Err(Failure::NotSent { detail }) if detail.contains("one that is not one line")),
        "{answer:?}"
    );
    let answer = answered(&client, &pay()).await;
    assert!(
        matches!(&answer, Err(Failure::Token { problem: TokenProblem::Needed, detail }) if detail.contains("NO_TILL / no such till")),
        "who is shut out is not registered: {answer:?}"
    );
    // Patience is asked for: the payment has not left, and a question may be repeated.
    let answer = answered(&client, &pay()).await;
    assert!(matches!(answer, Err(Failure::NotSent { .. })), "{answer:?}");
    let answer = answered(&client, &Call::Payment { payment_id: 7 }).await;
    assert!(
        matches!(answer, Err(Failure::TooManyRequests { .. })),
        "{answer:?}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let seen = service.requests.lock().unwrap().clone();
    assert!(seen.iter().all(|request| request.contains("/pos/tokens")));
}

#[tokio::test]
async fn an_unwritable_folder_asks_for_no_token() {
    let service = answering([http(200, r#"{"token": "t"}"#)]).await;
    let folder = tempfile::tempdir().unwrap();
    let client = client(&service.url, folder.path(), Some(""));
    // A folder in the place of the temporary file cannot be written by anybody, root included.
    std::fs::create_dir(folder.path().join("token.conf.new")).unwrap();
    let answer = answered(&client, &pay()).await;
    assert!(
        matches!(&answer, Err(Failure::Token { problem: TokenProblem::NoPlace, detail }) if detail.contains("token.conf")),
        "{answer:?}"
    );
    assert!(service.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_token_that_cannot_be_kept_is_used_all_the_same() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let client = client(&url, folder.path(), Some(""));
    let path = folder.path().join("token.conf");
    let service = tokio::spawn(async move {
        let mut seen = Vec::new();
        for body in [r#"{"token": "fresh-1"}"#.to_owned(), paid(), paid()] {
            let (mut stream, _) = listener.accept().await.unwrap();
            seen.push(read_request(&mut stream).await.unwrap());
            // Its place is taken meanwhile, so the rename fails.
            let _ = std::fs::create_dir(&path);
            stream.write_all(http(200, &body).as_bytes()).await.unwrap();
        }
        seen
    });
    for _ in 0..2 {
        let answer = answered(&client, &pay()).await;
        assert!(answer.is_ok(), "{answer:?}");
    }
    let seen = service.await.unwrap();
    assert!(seen[0].contains("/pos/tokens"));
    for payment in &seen[1..] {
        assert!(payment.to_lowercase().contains("token: fresh-1"));
    }
}

#[tokio::test]
async fn a_till_with_a_password_that_is_shut_out_has_lost_an_answer() {
    let shut_out = http(401, r#"{"code": "401", "devMessage": "RegNum X: no"}"#);
    let service = answering([shut_out]).await;
    let answer = service.ask(&pay()).await;
    assert!(matches!(answer, Err(Failure::Token { .. })), "{answer:?}");
    let settings = Settings {
        password: Some(Secret::new("pass-word")),
        ..service.client.settings.clone()
    };
    let client = Client::new(settings).unwrap();
    assert!(is_lost(&answered(&client, &pay()).await));
}
