//! The real program against the shapes that were recorded from the real service (the rows marked R
//! in protocol.md), retyped with invented numbers.
//!
//! - `http`: the connection · `rules`: what a request must be · `ledger`: what the service knows ·
//!   `service`: the stand-in, which a test steers
//! - `sales`, `refusals`, `held`, `sessions`, `pace`, `tokens`: what is played
//! - `strictness`: the stand-in itself, against requests that are wrong
//!
//! The stand-in checks every request by itself: names, types, headers, and that no question comes
//! closer to the one before than `pollPayment` and `pollSession` allow. A test fails at its end
//! when the till broke one of these rules.

mod held;
mod http;
mod ledger;
mod pace;
mod refusals;
mod rules;
mod sales;
mod service;
mod sessions;
mod strictness;
mod tokens;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{PATIENCE, Till, wait_until};
use service::Service;

/// `[Main]` with short times; `changes` name what a test needs otherwise, `more` is further sections.
fn settings(service: &Service, mode: u8, changes: &[(&str, &str)], more: &str) -> String {
    let mode = mode.to_string();
    let mut main = BTreeMap::from([
        ("url", service.url.as_str()),
        ("regNum", rules::REG_NUM),
        ("mode", &mode),
        ("timeout", "2"),
        ("settle", "1"),
        ("waitBuyer", "60"),
        ("pollPayment", "1"),
        ("pollSession", "1"),
    ]);
    main.extend(changes.iter().copied());
    let mut text = String::from("[Main]\n");
    for (name, value) in main {
        text.push_str(&format!("{name} = {value}\n"));
    }
    text + more
}

/// A till whose daemon runs.
fn till(service: &Service, mode: u8, changes: &[(&str, &str)]) -> Till {
    started(&settings(service, mode, changes, ""))
}

/// The same with a display, whose picture is the file `buyer.png`.
fn till_with_display(service: &Service, mode: u8, changes: &[(&str, &str)]) -> Till {
    let display = "[Display]\ndevice = png:buyer.png@480x320\n";
    started(&settings(service, mode, changes, display))
}

fn started(conf: &str) -> Till {
    let mut till = Till::configured(conf);
    till.start();
    till
}

/// The power fails, and comes back after `meanwhile`.
fn restart(service: &Service, till: &mut Till, meanwhile: impl FnOnce()) {
    till.kill();
    service.plan(|plan| plan.restarts += 1);
    meanwhile();
    till.start();
}

/// The buyer's own code is read.
fn scan(till: &Till, text: &str) {
    let (status, answer) = till.post("/v1/scans", json!({ "text": text }));
    assert_eq!(status, 200, "{answer}");
    assert!(!answer["used_by"].is_null(), "nobody took the code");
}

/// Begins a sale and brings it to the request for money, whatever the mode.
fn begin(till: &Till, id: &str, amount: i64) {
    let (status, operation) = till.begin(id, amount);
    assert_eq!(status, 201, "{operation}");
    if operation["mode"] == 0 {
        until(till, id, "awaiting_scan");
        scan(till, &format!("https://getapp.o-plati.by/c/ZX{id}41"));
    }
}

/// Waits for something while a sale goes on; who waits in vain reads how it stands.
fn watch<T>(till: &Till, id: &str, what: &str, mut look: impl FnMut(&Value) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let operation = till.operation(id);
        if let Some(seen) = look(&operation) {
            return seen;
        }
        assert!(
            operation["finished_at"].is_null(),
            "{id} ended instead of {what}: {operation}"
        );
        assert!(Instant::now() < deadline, "{what} never came: {operation}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for a state on the way.
fn until(till: &Till, id: &str, state: &str) -> Value {
    watch(till, id, state, |operation| {
        (operation["state"] == state).then(|| operation.clone())
    })
}

/// Waits for the end, which must be this one.
fn ends(till: &Till, id: &str, state: &str) -> Value {
    let operation = watch(till, id, "an end", |operation| {
        (!operation["finished_at"].is_null()).then(|| operation.clone())
    });
    assert_eq!(operation["state"], state, "{operation}");
    no_line_is_empty(till, &operation);
    operation
}

/// Waits until the buyer can see the code of this session.
fn until_shown(till: &Till, id: &str, qr: &str) {
    watch(till, id, "the session's code", |operation| {
        (operation["shows"]["qr"] == qr).then_some(())
    });
}

/// The scene on the only display.
fn scene(till: &Till) -> Value {
    let devices = till.get("/v1/devices").1;
    let devices = devices["devices"].as_array().unwrap();
    let found = devices.iter().find(|device| device["name"] == "display1");
    found.unwrap()["shows"].clone()
}

/// What happened to an operation.
fn steps(till: &Till, id: &str) -> Vec<Value> {
    let (status, answer) = till.get(&format!("/v1/operations/{id}/steps"));
    assert_eq!(status, 200, "{answer}");
    answer["steps"].as_array().unwrap().clone()
}

/// Nobody ever reads a line in which something is missing.
fn no_line_is_empty(till: &Till, operation: &Value) {
    let id = operation["id"].as_str().unwrap();
    for text in texts(operation) {
        is_a_line(&text, operation);
    }
    for step in steps(till, id) {
        is_a_line(step["what"].as_str().unwrap(), &step);
    }
}

fn is_a_line(text: &str, place: &Value) {
    let text = text.trim();
    let gaps = ["\"\"", ": :", ":  ", "; ;", ", ,", "()", "«»"];
    let is_whole = !text.is_empty()
        && !text.ends_with([':', ',', ';'])
        && !text.starts_with([':', ',', ';'])
        && !gaps.iter().any(|gap| text.contains(gap));
    assert!(is_whole, "a line with nothing in it: {text:?} in {place}");
}

/// Every text of a JSON value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// All kept events, up to one with this text.
fn events_until(till: &Till, text: &str) -> String {
    let mut stream = UnixStream::connect(till.path("run/oplati/till.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = "GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 1\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let (mut seen, mut chunk) = (String::new(), [0; 4096]);
    while !seen.contains(text) {
        assert!(Instant::now() < deadline, "{text} never came: {seen}");
        let count = stream.read(&mut chunk).unwrap();
        assert_ne!(count, 0, "the events ended before {text}");
        seen.push_str(&String::from_utf8_lossy(&chunk[..count]));
    }
    seen
}

/// Waits until some time has passed since a moment of the service.
fn until_past(moment: Instant, time: Duration) {
    wait_until("a moment", || moment.elapsed() >= time);
}
