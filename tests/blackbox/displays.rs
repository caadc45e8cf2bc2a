//! Displays on serial ports through sales of the real program: a pole display and a QR box.

use std::fs::File;
use std::io::Read as _;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::{Sim, Till, assert_has, assert_holds, sale, serial_port, wait_until};

/// A display's end of a port, and all that came there.
struct Display {
    node: String,
    came: Arc<Mutex<Vec<u8>>>,
    _slave: File,
}

impl Display {
    fn plug() -> Display {
        let (master, node, slave) = serial_port();
        let came: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (mut master, receives) = (master, came.clone());
        // Ends with the slave.
        std::thread::spawn(move || {
            let mut bytes = [0; 7];
            while let Ok(count @ 1..) = master.read(&mut bytes) {
                receives.lock().unwrap().extend(&bytes[..count]);
            }
        });
        Display {
            node,
            came,
            _slave: slave,
        }
    }

    /// Waits until the last that came is this.
    fn ends_with(&self, what: &str, bytes: &[u8]) {
        wait_until(what, || self.came.lock().unwrap().ends_with(bytes));
    }

    fn never_had(&self, bytes: &[u8]) {
        let came = self.came.lock().unwrap();
        assert!(!came.windows(bytes.len()).any(|part| part == bytes));
    }
}

const CLEARED: &[u8] = b"\x02\xf0\x03CLS\x03";

/// Both lines as a display with the Epson commands gets them; letters in CP866.
fn pole(upper: &str, lower: &str) -> Vec<u8> {
    let encoded = |line: &str| -> Vec<u8> {
        assert_eq!(line.chars().count(), 20, "{line}");
        let byte = |letter| match letter {
            'А'..='п' => u32::from(letter) - 0x410 + 0x80,
            'р'..='я' => u32::from(letter) - 0x440 + 0xe0,
            _ => u32::from(letter),
        };
        line.chars()
            .map(|letter| u8::try_from(byte(letter)).unwrap())
            .collect()
    };
    [
        b"\x1f\x24\x01\x01",
        encoded(upper).as_slice(),
        b"\x1f\x24\x01\x02",
        &encoded(lower),
    ]
    .concat()
}

fn display(till: &Till, name: &str) -> Value {
    let answer = till.get("/v1/devices").1;
    let devices = answer["devices"].as_array().unwrap();
    devices
        .iter()
        .find(|device| device["name"] == name)
        .unwrap()
        .clone()
}

fn shows(till: &Till, name: &str, scene: &str) {
    wait_until(&format!("{scene} on {name}"), || {
        display(till, name)["shows"] == scene
    });
}

#[test]
fn a_pole_and_a_box_go_through_sales_in_modes_1_and_2() {
    let (line, qr_box) = (Display::plug(), Display::plug());
    let sim = Sim::start(None);
    let mut till = Till::started(
        &sim.url,
        1,
        &format!(
            "[Display]\ndevice = serial:{}, serial:{}@115200,8N1\nprofile = pole-epson-table-7, mertech-qr-pay\n",
            line.node, qr_box.node
        ),
    );
    line.ends_with(
        "the welcome",
        &pole(" Добро пожаловать!  ", "  Оплата: О!плати   "),
    );
    a_sale_by_code(&till, &sim, &line, &qr_box);
    let qr = a_sale_by_qr(&till, &sim, &line, &qr_box);
    line.never_had(qr.as_bytes());
    assert!(!till.log().contains(&qr), "a whole code is in the log");
    till.daemon().signal(rustix::process::Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
    qr_box.ends_with("an empty box", CLEARED);
}

/// In mode 1, paid.
fn a_sale_by_code(till: &Till, sim: &Sim, line: &Display, qr_box: &Display) {
    till.begin("c-1", 700);
    let operation = till.until("c-1", &["awaiting_buyer"]);
    let code = operation["shows"]["code"].as_str().unwrap().to_owned();
    let upper = format!("Код О!плати{code:>9}");
    line.ends_with("the code", &pole(&upper, "К оплате    7,00 руб"));
    // A box has no digits: it stays empty, shows why, and claims nothing.
    shows(till, "display1", "code");
    shows(till, "display2", "idle");
    let device = display(till, "display2");
    assert_holds(
        &device,
        json!({"state": "connected", "profile": "mertech-qr-pay"}),
    );
    assert_has(
        device["last_error"].as_str().unwrap(),
        ["a confirmation code"],
    );
    sim.control("POST", "/sim/buyer/join", json!({"code": code}));
    till.until("c-1", &["awaiting_confirmation"]);
    line.ends_with(
        "the request",
        &pole(" Подтвердите оплату ", "К оплате    7,00 руб"),
    );
    sim.confirm();
    assert_eq!(till.until_final("c-1")["state"], "done");
    line.ends_with(
        "the end",
        &pole("ОПЛАЧЕНО    7,00 руб", "Спасибо за покупку! "),
    );
    qr_box.ends_with("the picture of success", b"\x02\xf0\x03correct\x03");
}

/// In mode 2, declined; answers what the buyer scanned.
fn a_sale_by_qr(till: &Till, sim: &Sim, line: &Display, qr_box: &Display) -> String {
    let mut second = sale("2", 5999);
    second["mode"] = json!(2);
    assert_eq!(till.put("/v1/sales/q-1", second).0, 201);
    let operation = till.until("q-1", &["awaiting_buyer"]);
    let qr = operation["shows"]["qr"].as_str().unwrap().to_owned();
    let length = u8::try_from(qr.len()).unwrap();
    let shown = [
        b"\x02\xf2\x02\x00".as_slice(),
        &[length],
        qr.as_bytes(),
        b"\x02\xf2\x03",
    ]
    .concat();
    qr_box.ends_with("the code to scan", &shown);
    line.ends_with(
        "the word on it",
        &pole("Отсканируйте QR-код ", "К оплате   59,99 руб"),
    );
    shows(till, "display2", "qr");
    let health = till.health();
    let listed = health["devices"].as_array().unwrap();
    assert!(
        listed
            .iter()
            .any(|one| one["name"] == "display1" && one["shows"] == "qr"),
        "{health}"
    );
    sim.control("POST", "/sim/buyer/join", json!({"qr": qr}));
    till.until("q-1", &["awaiting_confirmation"]);
    qr_box.ends_with("the end of the code", CLEARED);
    sim.decline();
    assert_eq!(till.until_final("q-1")["state"], "declined");
    qr_box.ends_with("the picture of failure", b"\x02\xf0\x03mistake\x03");
    line.ends_with(
        "the end",
        &pole("  Оплата отклонена  ", " Деньги не списаны  "),
    );
    qr
}

const SMALL: &str = r#"
schema = 1
id = "small-box"
kind = "display"
vendor = "Shop"
model = "Small"
status = "untested"
sources = ["read from the device"]
[line]
baud = 115200
[qr_box]
payload_max = 20
clear = "'clear' 0A"
qr = "'qr ' {payload} 0A"
paid = "'paid' 0A"
failed = "'failed' 0A"
"#;

/// A till with a box of the shop's own profile, which takes 20 bytes.
fn with_small_box(sim: &Sim, qr_box: &Display, others: &str) -> Till {
    let mut till = Till::new(
        &sim.url,
        2,
        &format!(
            "[Display]\ndevice = serial:{}{others}\nprofile = small-box\n",
            qr_box.node
        ),
    );
    let folder = till.path("etc/oplati/devices.d");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("small-box.toml"), SMALL).unwrap();
    assert_eq!(till.run(&["check"]).0, 0);
    till.start();
    till
}

#[test]
fn a_code_too_long_for_the_box_ends_the_sale_unless_another_display_has_it() {
    let (sim, qr_box) = (Sim::start(None), Display::plug());
    let till = with_small_box(&sim, &qr_box, "");
    qr_box.ends_with("the box", b"clear\n");
    till.begin("s-1", 100);
    let operation = till.until_final("s-1");
    assert_holds(
        &operation,
        json!({"state": "failed", "error": {"code": "invalid"}}),
    );
    assert_eq!(
        operation["message"],
        "QR-код не помещается на дисплей покупателя"
    );
    let detail = operation["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("the display takes 20"), "{detail}");
    assert_eq!(sim.balance(), 0);
    drop(till);

    let sim = Sim::start(None);
    let till = with_small_box(&sim, &qr_box, ", png:buyer.png@800x480");
    till.begin("s-2", 100);
    till.until("s-2", &["awaiting_buyer"]);
    shows(&till, "display2", "qr");
    shows(&till, "display1", "idle");
    let device = display(&till, "display1");
    assert_has(
        device["last_error"].as_str().unwrap(),
        ["the display takes 20"],
    );
    qr_box.never_had(b"qr ");
}

#[test]
fn the_code_of_a_daemon_that_was_killed_is_cleared_away() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "[Display]\ndevice = png:buyer.png@480x320\n");
    let picture = || std::fs::read(till.path("buyer.png")).ok();
    assert!(picture().is_none());
    till.start();
    shows(&till, "display1", "idle");
    let idle = std::fs::read(till.path("buyer.png")).unwrap();
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_buyer"]);
    shows(&till, "display1", "qr");
    let clear = |till: &Till| {
        let output = till.verb(&["display", "--clear"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        std::fs::read(till.path("buyer.png")).unwrap()
    };
    assert_ne!(clear(&till), idle, "a daemon that runs keeps its displays");
    till.kill();
    assert_ne!(std::fs::read(till.path("buyer.png")).unwrap(), idle);
    assert_eq!(clear(&till), idle);
}

#[test]
fn a_serial_display_without_a_right_profile_stops_daemon_and_check() {
    let sim = Sim::start(None);
    for (profile, reason) in [
        ("", "[Display] profile: a serial: display needs one"),
        (
            "profile = no-such\n",
            "[Display] profile = no-such: there is no such profile",
        ),
        (
            "profile = generic-serial\n",
            "[Display] profile = generic-serial: that is a scanner's profile",
        ),
    ] {
        let display = format!("[Display]\ndevice = serial:/dev/ttyUSB7\n{profile}");
        let till = Till::new(&sim.url, 0, &display);
        for verb in ["daemon", "check"] {
            let (code, _, stderr) = till.run(&[verb]);
            assert_eq!(code, 78, "{verb}: {stderr}");
            assert!(stderr.contains(reason), "{stderr}");
            assert!(!stderr.contains("known are cino"), "{stderr}");
            assert_has(&stderr, ["mertech-qr-pay"]);
        }
    }
    let display = "[Display]\ndevice = serial:/dev/a, serial:/dev/b, serial:/dev/c\nprofile = pole-utc, pole-utc\n";
    let output = Till::new(&sim.url, 0, display)
        .verb(&["check"])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr.contains("or 3 of them"), "{stderr}");
}

#[test]
fn a_missing_display_is_reported_and_delays_no_sale() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let till = Till::started(
        &sim.url,
        2,
        "[Display]\ndevice = serial:gone/tty\nprofile = pole-utc\n",
    );
    till.begin("s-1", 100);
    assert_eq!(till.until_final("s-1")["state"], "done");
    wait_until("the state", || {
        display(&till, "display1")["state"] == "missing"
    });
    let health = till.health();
    assert_has(&health["reasons"].to_string(), ["Проверьте кабель"]);
    let (_, listed, _) = till.run(&["devices", "profiles"]);
    assert_has(&listed, ["mertech-qr-pay", "newland"]);
}
