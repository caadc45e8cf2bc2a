//! A buyer pays, in each mode.

use std::fs::File;
use std::io::Write as _;
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{
    PATIENCE, Sim, Till, assert_holds, refused, serial_port, wait_for, wait_until,
};

const PAYS: &str = "join=50ms,confirm=50ms,outcome=done";

/// A scanner on a pseudo-terminal.
pub struct Scanner {
    master: File,
    pub node: String,
    _slave: File,
}

impl Scanner {
    pub fn plug() -> Scanner {
        let (master, node, slave) = serial_port();
        Scanner {
            master,
            node,
            _slave: slave,
        }
    }

    pub fn read(&mut self, code: &str) {
        self.send(format!("{code}\r\n").as_bytes());
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.master.write_all(bytes).unwrap();
    }
}

/// The text of the QR code on a picture, if one is there.
pub fn qr_on(path: &std::path::Path) -> Option<String> {
    let picture = image::open(path).ok()?.to_luma8();
    let mut prepared = rqrr::PreparedImage::prepare(picture);
    prepared
        .detect_grids()
        .first()?
        .decode()
        .ok()
        .map(|(_, text)| text)
}

#[test]
fn mode_0_a_scan_on_the_serial_port_pays_and_goods_do_not() {
    let mut scanner = Scanner::plug();
    let sim = Sim::start(Some(PAYS));
    let till = Till::with_scanner(&sim.url, 0, &format!("serial:{}@9600", scanner.node));
    wait_until("the scanner", || {
        till.get("/v1/devices").1["devices"][0]["state"] == "connected"
    });
    assert_eq!(till.begin("s-1", 1999).0, 201);
    till.until("s-1", &["awaiting_scan"]);
    scanner.read("4810268003455");
    wait_until("the word on goods", || {
        till.operation("s-1")["message"] == "Это не код О!плати"
    });
    scanner.read("https://getapp.o-plati.by/c/AB12CD34");
    let operation = till.until_final("s-1");
    assert_holds(&operation, json!({"state": "done", "left": 1999}));
    assert_eq!(sim.balance(), 1999);
    assert!(
        !till.log().contains("AB12CD34"),
        "a whole code is in the log"
    );
    scanner.read("https://getapp.o-plati.by/c/AB12CD34");
    assert_eq!(
        sim.payments().len(),
        1,
        "a scan that nobody awaits pays nothing"
    );
}

#[test]
fn mode_1_shows_a_code_and_mode_2_a_qr_that_a_camera_reads() {
    let sim = Sim::start(None);
    let till = Till::started(&sim.url, 1, "[Display]\ndevice = png:buyer.png@800x480\n");
    till.begin("c-1", 700);
    let operation = till.until("c-1", &["awaiting_buyer"]);
    let code = operation["shows"]["code"].as_str().unwrap().to_owned();
    assert!(operation["message"].as_str().unwrap().contains(&code));
    sim.control("POST", "/sim/buyer/join", json!({"code": code}));
    till.until("c-1", &["awaiting_confirmation"]);
    sim.confirm();
    assert_eq!(till.until_final("c-1")["state"], "done");

    let mut sale = crate::harness::sale("2", 5999);
    sale["mode"] = json!(2);
    assert_eq!(till.put("/v1/sales/q-1", sale).0, 201);
    let operation = till.until("q-1", &["awaiting_buyer"]);
    assert_eq!(operation["message"], "Отсканируйте QR-код для оплаты");
    let read = wait_for("the code on the display", || qr_on(&till.path("buyer.png")));
    assert_eq!(operation["shows"]["qr"], json!(read));
    sim.control("POST", "/sim/buyer/join", json!({"qr": read}));
    till.until("q-1", &["awaiting_confirmation"]);
    wait_until("the end of the code on the display", || {
        qr_on(&till.path("buyer.png")).is_none()
    });
    sim.decline();
    let operation = till.until_final("q-1");
    assert_holds(&operation, json!({"state": "declined", "shows": null}));
    assert_eq!(sim.balance(), 700);
}

#[test]
fn each_end_of_a_buyer_has_its_state() {
    for (outcome, state) in [
        ("declined", "declined"),
        ("not_enough_money", "not_enough_money"),
    ] {
        let sim = Sim::start(Some(&format!("join=10ms,confirm=10ms,outcome={outcome}")));
        let till = Till::started(&sim.url, 2, "");
        till.begin("s-1", 100);
        assert_eq!(till.until_final("s-1")["state"], state);
        assert_eq!(sim.balance(), 0);
    }
}

#[test]
fn abort_ends_every_wait_and_takes_no_money() {
    for answer in ["held", "pending"] {
        aborts(answer);
    }
}

/// Aborts before and after the buyer joined, with a service that answers payments so.
fn aborts(answer: &str) {
    let sim = Sim::start_with(None, &["--answer", answer]);
    let till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_buyer"]);
    refused(till.begin("s-2", 100), 409, "busy");
    assert_eq!(till.abort("s-1").1["state"], "cancelled");
    till.begin_joined(&sim, "s-3", 300);
    let (_, operation) = till.abort("s-3");
    assert_eq!(operation["message"], "Отмена…");
    let operation = till.until_final("s-3");
    assert_holds(&operation, json!({"state": "cancelled", "undo": "done"}));
    assert_eq!(sim.balance(), 0);
    assert_eq!(till.abort("nobody").0, 404);
}

#[test]
fn a_code_may_be_handed_in_by_the_till() {
    let sim = Sim::start(Some(PAYS));
    let till = Till::started(&sim.url, 0, "");
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_scan"]);
    let (_, answer) = till.post(
        "/v1/scans",
        json!({"text": "https://getapp.o-plati.by/c/XY99"}),
    );
    assert_eq!(answer["used_by"], "s-1");
    assert_eq!(till.until_final("s-1")["state"], "done");
}

/// Waits for the next version of an operation after the one that is known.
fn next_version(till: &Till, id: &str, known: &Value) -> Value {
    let version = known["version"].as_u64().unwrap();
    let path = format!("/v1/operations/{id}?wait=60&after={version}");
    let asked = Instant::now();
    let (status, operation) = till.get(&path);
    assert_eq!(status, 200, "{operation}");
    assert!(
        asked.elapsed() < PATIENCE,
        "the change did not end the wait"
    );
    assert!(
        operation["version"].as_u64().unwrap() > version,
        "{operation}"
    );
    operation
}

#[test]
fn a_refused_code_ends_the_wait_for_another_version_and_so_does_what_follows() {
    let sim = Sim::start(Some(PAYS));
    let till = Till::started(&sim.url, 0, "");
    let (_, begun) = till.begin("s-1", 100);
    assert_eq!(begun["version"], 1);
    let armed = till.until("s-1", &["awaiting_scan"]);
    sim.fault(json!({"on": "demand", "do": "error", "status": 400}));
    let scan = |text: &str| {
        let (_, answer) = till.post("/v1/scans", json!({"text": text}));
        assert_eq!(answer["used_by"], "s-1");
    };
    let refused = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut seen = armed.clone();
            while seen["state"] != "awaiting_scan" || seen["message"] == armed["message"] {
                seen = next_version(&till, "s-1", &seen);
            }
            seen
        });
        scan("https://getapp.o-plati.by/c/OLD1");
        waiting.join().unwrap()
    });
    assert_eq!(refused["state"], armed["state"]);
    scan("https://getapp.o-plati.by/c/NEW1");
    let mut seen = refused;
    while seen["finished_at"].is_null() {
        seen = next_version(&till, "s-1", &seen);
    }
    assert_eq!(seen["state"], "done");
    assert_eq!(till.operation("s-1")["version"], seen["version"]);
}

#[test]
fn a_renewed_session_ends_the_wait_for_another_version() {
    let sim = Sim::start_with(None, &["--life", "4s"]);
    let till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    let first = till.until("s-1", &["awaiting_buyer"]);
    let mut seen = first.clone();
    while seen["state"] != "awaiting_buyer" || seen["shows"] == first["shows"] {
        seen = next_version(&till, "s-1", &seen);
        assert!(seen["finished_at"].is_null(), "{seen}");
    }
}
