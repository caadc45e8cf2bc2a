//! What was recorded of the real service is how this one answers, and each option departs from it in
//! its own point alone.

use std::time::Duration;

use super::*;

/// A service whose sessions end at once unless their buyer is there from the start.
fn with_dead_sessions() -> Bench {
    Bench::with(Rules {
        session_life: Duration::ZERO,
        ..Rules::default()
    })
}

#[test]
fn a_session_that_nobody_joined_ends_for_ever() {
    let bench = with_dead_sessions();
    let session = bench.demand(3)["sessionId"].as_i64().unwrap();
    let over = "Превышено время ожидания клиента.";
    for _ in 0..3 {
        let answer = bench.consumer(session);
        assert_eq!(answer.0, 400);
        is_error(&answer, "166", over);
    }
    let late = bench.post("/sim/buyer/join", json!({"session": session.to_string()}));
    assert_eq!(late.0, 409, "nobody joins it any more");
    is_error(
        &bench.post("payments", payment("n-1", session)),
        "166",
        over,
    );
    assert_eq!(bench.get("/sim/state", &[]).1["sessions"][0]["over"], true);
    // A new life is that of new sessions.
    bench.post("/sim/service", json!({"life_ms": 60_000}));
    assert_eq!(bench.consumer(session).0, 400);
    let session = bench.session();
    bench.post("/sim/service", json!({"life_ms": 0}));
    assert_eq!(bench.consumer(session).1["isConsumerReady"], true);
    assert_eq!(Rules::default().session_life, Duration::from_secs(60));
}

#[test]
fn a_second_payment_in_a_session_is_refused_without_a_word_for_people() {
    let bench = Bench::new();
    let session = bench.session();
    let (_, info) = bench.post("payments", payment("n-1", session));
    bench.confirm();
    let second = bench.post("payments", payment("n-1", session));
    assert_eq!(second.0, 400);
    is_error(&second, "", "");
    assert_eq!(second.1["userMessage"]["lang_en"], "");
    let dev = second.1["devMessage"].as_str().unwrap();
    assert!(
        dev.ends_with("Продавец не сформировал требование об оплате!"),
        "{dev}"
    );
    // The first one has been paid all the same.
    let path = format!("payments/{}", info["paymentId"]);
    assert_eq!(bench.get(&path, &[]).1["status"], 1);
}

#[test]
fn sessions_are_integers_and_are_taken_back_in_any_form() {
    let bench = Bench::new();
    let session = bench.session();
    assert_eq!(bench.consumer(session).0, 200);
    assert_eq!(bench.post("payments", payment("n-1", session)).0, 200);
    let session = bench.session().to_string();
    assert_eq!(bench.post("payments", payment("n-2", session)).0, 200);
    bench.post("/sim/service", json!({"session_ids": "string"}));
    let body = bench.demand(2);
    let session = body["sessionId"].as_str().unwrap();
    bench.post("/sim/buyer/join", json!({"session": session}));
    assert_eq!(bench.post("payments", payment("n-3", session)).0, 200);
}

#[test]
fn the_number_of_the_till_alone_may_ask_how_things_stand() {
    let bench = Bench::new();
    let session = bench.session();
    let (_, info) = bench.post("payments", payment("n-1", session));
    let ask = |path: &str, token: Option<&str>| {
        let query = [("sessionId", session.to_string())];
        let query: Vec<_> = query
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        let query = if path.starts_with("payments") {
            &[]
        } else {
            query.as_slice()
        };
        let change = |headers: &mut BTreeMap<String, String>| {
            headers.remove("token");
            if let Some(token) = token {
                headers.insert("token".into(), token.into());
            }
        };
        bench.raw("GET", path, query, None, change).0
    };
    let path = format!("payments/{}", info["paymentId"]);
    assert_eq!((ask(&path, None), ask("consumerStatus", None)), (200, 200));
    assert_eq!(ask(&path, Some("wrong")), 401);
    assert_eq!(ask("paymentReports", None), 401);
}

#[test]
fn a_receipt_may_be_paid_partly_by_other_means() {
    let bench = Bench::new();
    let mut body = payment("n-1", bench.session());
    body["sum"] = json!("10.5");
    body["details"]["title"] = json!("Чек");
    body["details"]["tenders"] = json!([{"type": 1}, {"type": 3}, {"type": 99}]);
    body["details"]["taxes"] = json!([{"name": "НДС"}]);
    body["details"]["modifiers"] = json!([]);
    let (status, info) = bench.post("payments", body);
    assert_eq!((status, info["sum"].to_string()), (200, "10.5".to_owned()));
    bench.confirm();
    // A part goes back with the whole receipt.
    let part = json!({"sum": 3, "orderNumber": "r-1", "details": details(15.5)});
    let path = format!("payments/{}/reversals", info["paymentId"]);
    assert_eq!(bench.post(&path, part).0, 200);
    assert_eq!(bench.balance(), 750);
}

#[tokio::test]
async fn a_held_answer_comes_with_the_end_and_one_date() {
    let bench = Bench::new();
    let (_, begun) = bench.post("payments", payment("n-1", bench.session()));
    let (_, rows) = bench.get("paymentReports", &[("shift", "24112026")]);
    assert_eq!(
        (&rows[0]["status"], &rows[0]["paymentId"]),
        (&json!(0), &begun["paymentId"])
    );
    let held = bench.end_of(&begun);
    tokio::pin!(held);
    let early = tokio::time::timeout(Duration::from_millis(30), held.as_mut()).await;
    assert!(early.is_err(), "the buyer has not decided");
    bench.confirm();
    let (_, info) = held.await;
    assert_eq!(
        (&info["status"], &info["paidDate"]),
        (&json!(1), &info["createdDate"])
    );
    assert!(info.get("pursePublicId").is_none());
    let date = info["createdDate"].as_str().unwrap();
    assert!(date.len() == 29 && date.ends_with("+03:00"), "{date}");
    assert_eq!(date.as_bytes()[19], b'.', "{date}");
    assert!(date.parse::<jiff::Timestamp>().is_ok(), "{date}");
}

#[tokio::test]
async fn the_reversal_of_a_held_payment_ends_its_hold() {
    let bench = Bench::new();
    let (_, begun) = bench.post("payments", payment("n-1", bench.session()));
    let body = json!({"sum": 15.5, "orderNumber": "r-1", "details": details(15.5)});
    let path = format!("payments/{}/reversals", begun["paymentId"]);
    let (held, _) = tokio::join!(bench.end_of(&begun), async { bench.post(&path, body) });
    assert_eq!(held.1["status"], 5);
}

#[tokio::test]
async fn other_services_answer_at_once() {
    for (answer, script, status) in [
        ("pending", json!(null), 0),
        ("final", json!(null), 1),
        ("final", json!("outcome=declined"), 2),
        ("final", json!("outcome=silent"), 4),
    ] {
        let bench = Bench::new();
        bench.post("/sim/service", json!({"answer": answer}));
        let session = bench.session();
        bench.post("/sim/buyer/script", json!({"script": script}));
        let (code, info) = bench.post("payments", payment("n-1", session));
        assert_eq!((code, &info["status"]), (200, &json!(status)), "{answer}");
        let (_, state) = bench.get("/sim/state", &[]);
        assert_eq!(state["requests"][2]["status"], 200, "{answer}: not held");
    }
}

#[test]
fn closer_questions_are_listed_and_turned_away_where_that_is_the_rule() {
    let bench = Bench::new();
    let session = bench.session();
    let (_, info) = bench.post("payments", payment("n-1", session));
    let path = format!("payments/{}", info["paymentId"]);
    bench.consumer(session);
    bench.get(&path, &[]);
    assert_eq!(bench.violations(), json!([]), "each asked once");
    bench.get("paymentReports", &[("shift", "24112026")]);
    bench.get("paymentReports", &[("shift", "24112026")]);
    assert_eq!(
        bench.violations(),
        json!([]),
        "reports are no questions for a payment"
    );
    assert_eq!(bench.consumer(session).0, 200);
    assert_eq!(bench.get(&path, &[]).0, 200);
    let listed = bench.violations();
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(
        (&listed[0]["call"], &listed[0]["least_ms"]),
        (&json!("consumer_status"), &json!(2000))
    );
    assert_eq!(
        (&listed[1]["of"], &listed[1]["least_ms"]),
        (&json!(info["paymentId"].to_string()), &json!(5000))
    );
    bench.post("/sim/service", json!({"rate_limit": true}));
    is_error(&bench.get(&path, &[]), "", "");
    assert_eq!(bench.get(&path, &[]).0, 429);
    bench.post("/sim/service", json!({"poll_payment_ms": 0}));
    assert_eq!(bench.get(&path, &[]).0, 200);
}

#[test]
fn the_rules_are_returned_and_changed_one_by_one() {
    let bench = Bench::new();
    let (status, rules) = bench.get("/sim/service", &[]);
    let expected = json!({
        "life_ms": 60_000, "answer": "held", "session_ids": "integer", "unique_numbers": false,
        "poll_payment_ms": 5000, "poll_session_ms": 2000, "rate_limit": false,
    });
    assert_eq!((status, rules), (200, expected));
    let (_, changed) = bench.post("/sim/service", json!({"answer": "final"}));
    assert_eq!(
        (&changed["answer"], &changed["life_ms"]),
        (&json!("final"), &json!(60_000))
    );
    for bad in [
        json!({"answer": "late"}),
        json!({"live_ms": 1}),
        json!({"life_ms": -1}),
    ] {
        assert_eq!(bench.post("/sim/service", bad).0, 409);
    }
}
