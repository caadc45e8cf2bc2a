//! Answers out of a cache on the way.

use super::*;

/// An answer that lay in a cache for so many seconds.
fn aged(age: &str, body: &str) -> String {
    let age = format!("\r\nAge: {age}\r\nDate: Tue, 24 Nov 2026 07:00:01 GMT\r\n\r\n");
    http(200, body).replace("\r\n\r\n", &age)
}

#[tokio::test]
async fn no_request_wants_an_answer_out_of_a_cache() {
    let service = answering([http(200, &paid())]).await;
    for call in [pay(), Call::Payment { payment_id: 7 }, look_up()] {
        drop(service.client.call(&call, "s").await);
    }
    let mut date = None;
    let read = service
        .client
        .each_reported("24112026", &mut date, |_| true);
    drop(read.await);
    let requests = service.requests.lock().unwrap().clone();
    assert!(requests.len() >= 4);
    for request in requests {
        let head = request.to_lowercase();
        assert!(
            head.contains("\r\ncache-control: no-cache\r\n"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_older_than_its_question_has_not_come() {
    let row = paid();
    let report = format!("[{row}]");
    let probe = Call::Probe {
        shift: "24112026".into(),
    };
    let status = Call::Payment { payment_id: 7 };
    let session = Call::ConsumerStatus {
        session: "31149".into(),
    };
    let ready = r#"{"isConsumerReady": true, "loyaltyCards": []}"#;
    for (call, body) in [
        (look_up(), report.as_str()),
        (look_up(), "[]"),
        (probe, "[]"),
        (status, &row),
        (session, ready),
    ] {
        for (age, is_believed) in [("0", true), ("1", true), ("3", false), ("86400", false)] {
            let service = answering([aged(age, body)]).await;
            let exchange = service.client.call(&call, "s").await;
            let answer = &exchange.answer;
            assert_eq!(answer.is_ok(), is_believed, "{call:?} {age}: {answer:?}");
            assert_eq!(
                exchange.server_date.is_some(),
                is_believed,
                "{call:?} {age}"
            );
            if let Err(failure) = answer {
                assert!(!failure.was_answered(), "{failure:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_report_row_by_row_out_of_a_cache_has_not_come() {
    let service = answering([aged("3", "[]")]).await;
    let mut date = None;
    let read = service
        .client
        .each_reported("24112026", &mut date, |_| true);
    assert!(matches!(
        read.await,
        Err(NoReport::Failed(Failure::Lost { .. }))
    ));
    assert_eq!(date, None);
}

/// Nobody keeps answers to `POST`; whatever somebody on the way adds, they are of this request.
#[tokio::test]
async fn a_payment_is_answered_whatever_age_its_answer_has() {
    let service = answering([aged("3", &paid())]).await;
    assert!(service.client.call(&pay(), "s").await.answer.is_ok());
}
