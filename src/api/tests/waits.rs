//! Waiting for an operation to change: its state, or its version.

use super::*;
use crate::base::text::assert_has;

#[tokio::test]
async fn a_wait_ends_with_the_change_and_not_before() {
    let bench = Bench::new().await;
    bench.holds("w", State::AwaitingBuyer);
    let change = async {
        // Other operations' events do not end the wait.
        bench.publish_change("other");
        tokio::task::yield_now().await;
        bench.shelf.lock()[0].state = State::Done;
        loop {
            bench.publish_change("w");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        answer = bench.trusted("GET", "/v1/operations/w?wait=60&after=awaiting_buyer", "") => {
            assert_eq!(answer.json()["state"], "done");
        }
        () = change => {}
    }
    let answer = bench.trusted("GET", "/v1/operations/w?wait=60", "").await;
    // A final state is not waited for.
    assert_eq!(answer.json()["state"], "done");
}

#[tokio::test]
async fn a_wait_for_a_version_ends_with_a_change_that_leaves_the_state() {
    let bench = Bench::new().await;
    bench.holds("w", State::AwaitingScan);
    let change = async {
        // A change is published, but the version is the same: the wait goes on.
        bench.publish_change("w");
        tokio::task::yield_now().await;
        bench.shelf.lock()[0].version = 2;
        loop {
            bench.publish_change("w");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        answer = bench.trusted("GET", "/v1/operations/w?wait=60&after=1", "") => {
            let operation = answer.json();
            assert_eq!((&operation["state"], &operation["version"]), (&json!("awaiting_scan"), &json!(2)));
        }
        () = change => {}
    }
    // Any other version than the present one is not waited for, be it newer.
    for after in ["1", "0", "3", "18446744073709551615"] {
        let path = format!("/v1/operations/w?wait=60&after={after}");
        assert_eq!(bench.trusted("GET", &path, "").await.json()["version"], 2);
    }
}

#[tokio::test]
async fn what_after_may_be_is_reported_with_its_name() {
    let bench = Bench::new().await;
    bench.holds("w", State::Done);
    let description = bench.trusted("GET", "/v1/openapi.json", "").await.json();
    let states = description["components"]["schemas"]["State"]["enum"].clone();
    for bad in [
        "",
        "paid",
        "Done",
        "-1",
        "%2B1",
        "1.0",
        "1e3",
        "18446744073709551616",
        "%00",
    ] {
        let path = format!("/v1/operations/w?wait=1&after={bad}");
        let answer = bench.trusted("GET", &path, "").await;
        let problem = answer.json();
        assert_eq!(
            (answer.status, &problem["code"]),
            (400, &json!("invalid")),
            "{bad}"
        );
        let detail = problem["detail"].as_str().unwrap();
        assert_has(detail, ["after: ", "версия (десятичное число)"]);
        for state in states.as_array().unwrap() {
            assert!(
                detail.contains(state.as_str().unwrap()),
                "{state}: {detail}"
            );
        }
    }
}

#[test]
fn calls_that_wait_for_a_disk_leave_a_thread_to_health() {
    use crate::api::server::MAX_DISK_READS;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_DISK_READS + 1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let bench = Bench::new().await;
        let shelf = bench.shelf.clone();
        let (let_go, is_let_go) = std::sync::mpsc::channel::<()>();
        let (held, is_held) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _hangs = shelf.lock();
            held.send(()).unwrap();
            let _ = is_let_go.recv();
        });
        is_held.recv().unwrap();
        let mut callers = Vec::new();
        for _ in 0..2 * MAX_DISK_READS {
            let mut caller = UnixStream::connect(&bench.socket).await.unwrap();
            let request = b"GET /v1/operations/w HTTP/1.1\r\nHost: x\r\n\r\n";
            caller.write_all(request).await.unwrap();
            callers.push(caller);
        }
        let answer = bench.trusted("GET", "/v1/health", "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        drop(let_go);
    });
}
