//! What is fuzzed: each function takes any bytes, and holds when it returns. The fuzzer and the smoke
//! test of `tests/run` share it.

use std::path::Path;
use std::time::Duration;

use oplati::core::call::{Call, Failure, PaymentStatus, Reply, SessionMode};
use oplati::core::validate;
use oplati::devices::discovery::report_descriptor::layouts;
use oplati::devices::profile::schema::{Keyboard, Terminator};
use oplati::devices::scanner::frame::{Frame, Framer, Framing};
use oplati::devices::scanner::hid::assemble::Assembler;
use oplati::devices::scanner::keyboard::decode::Decoder;
use oplati::devices::scanner::text;
use oplati::model::line::Layout;
use oplati::model::money::{Kopecks, MAX_AMOUNT};
use oplati::model::operation::{
    CancellationRequest, CardRequest, OperationRequest, RefundRequest, SaleRequest,
};
use oplati::report::{Facts, Reconciliation, Template, Totals};
use oplati::service::{HttpAnswer, classify};

/// A target.
pub type Target = fn(&[u8]);

/// All of them, by the name of their corpus.
#[allow(dead_code, reason = "each fuzz target uses one of them")]
pub const ALL: [(&str, Target); 7] = [
    ("wire", wire),
    ("framing", framing),
    ("hid", hid),
    ("keys", keys),
    ("configuration", configuration),
    ("template", template),
    ("bodies", bodies),
];

/// The service's answers: the first byte chooses call and status, the rest is the body.
pub fn wire(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let status = [200, 400, 401, 404, 429, 500, 302, 204][usize::from(choice >> 5)];
    let pay = || Call::Pay {
        session: "s".into(),
        order_number: "n-1".into(),
        sum: Kopecks(150),
        shift: "24112026".into(),
        receipt: serde_json::from_str(r#"{"number": "1", "items": []}"#).unwrap(),
        answer_within: std::time::Duration::from_secs(5),
    };
    let call = match choice & 7 {
        0 => Call::OpenSession(SessionMode::DynamicQr),
        1 => Call::OpenSession(SessionMode::StaticQr),
        2 => Call::ConsumerStatus {
            session: "s".into(),
        },
        3 | 4 => pay(),
        5 => Call::Payment { payment_id: 1 },
        6 => Call::LookUp {
            shifts: vec!["24112026".into()],
            order_numbers: vec!["n-1".into()],
            witnesses: Vec::new(),
        },
        _ => Call::Reverse {
            payment_id: 1,
            order_number: "n-1".into(),
            sum: Kopecks(150),
            shift: "24112026".into(),
            receipt: None,
        },
    };
    match classify(&call, &HttpAnswer::new(status, body)) {
        // Nothing but a 200 that speaks of our payment is an answer to it.
        Ok(Reply::Payment(info)) if matches!(call, Call::Pay { .. }) => {
            assert_eq!(status, 200);
            assert_eq!(
                (info.order_number.as_str(), info.sum),
                ("n-1", Kopecks(150))
            );
            assert!(!matches!(info.status, PaymentStatus::Unknown(1)));
        }
        // A shift that the service does not know has no operations.
        Ok(Reply::Found(found)) if status == 404 => assert_eq!(found, []),
        Ok(_) => assert_eq!(status, 200),
        Err(Failure::Refused { .. }) => assert!(matches!(status, 400 | 404)),
        Err(Failure::SessionOver { .. }) => {
            assert!(status == 400 && matches!(call, Call::ConsumerStatus { .. }));
        }
        Err(Failure::TooManyRequests { .. }) => assert_eq!(status, 429),
        Err(_) => assert_ne!(status, 429),
    }
}

/// A scanner's line: pieces of any length, with pauses.
pub fn framing(data: &[u8]) {
    let terminator = match data.first().map_or(0, |byte| byte % 3) {
        0 => Terminator::Line,
        1 => Terminator::Crlf,
        _ => Terminator::Quiet,
    };
    let mut framer = Framer::new(Framing {
        terminator,
        ..Framing::default()
    });
    let mut now = Duration::ZERO;
    let mut frames = Vec::new();
    for piece in data.chunks(7) {
        let pause = u64::from(piece.first().copied().unwrap_or_default());
        now += Duration::from_millis(pause);
        // A long pause is seen, unless the reader is busy: then the bytes wait.
        if pause % 2 == 0 {
            frames.extend(framer.handle_timeout(now));
        }
        frames.extend(framer.push(piece, now));
    }
    frames.extend(framer.handle_timeout(now + Duration::from_secs(1)));
    let whole = |frame: &Frame| frame.code.len() + frame.end.len();
    assert!(frames.iter().map(whole).sum::<usize>() <= data.len());
    for frame in frames {
        assert!(frame.code.len() <= 4096);
        if let Some(code) = text::decode(&frame.code, text::Aim::Strip) {
            assert!(!code.expose().is_empty());
        }
    }
}

/// A HID POS device: the length of its descriptor, the descriptor, and reports of 64 bytes.
pub fn hid(data: &[u8]) {
    let Some((length, rest)) = data.split_first() else {
        return;
    };
    let (descriptor, reports) = rest.split_at(usize::from(*length).min(rest.len()));
    let Ok(layouts) = layouts(descriptor) else {
        return;
    };
    let mut assembler = Assembler::new(layouts, Duration::from_millis(500), true);
    let mut now = Duration::ZERO;
    for report in reports.chunks(64) {
        let pause = u64::from(report.last().copied().unwrap_or_default());
        now += Duration::from_millis(pause * 4);
        let ended = (pause % 2 == 0).then(|| assembler.handle_timeout(now));
        let whole = assembler.push(report, now);
        for code in ended.flatten().into_iter().chain(whole) {
            assert!(!code.is_empty() && code.len() <= 4096);
        }
    }
    if let Some(at) = assembler.poll_timeout() {
        assembler.handle_timeout(at);
    }
    assert_eq!(assembler.poll_timeout(), None);
}

/// A keyboard scanner: key, value and pause of each event; value 3 stands for lost events.
pub fn keys(data: &[u8]) {
    let layout = if data.len().is_multiple_of(2) {
        Layout::Us
    } else {
        Layout::Ru
    };
    let mut decoder = Decoder::new(Keyboard {
        layout,
        ..Keyboard::default()
    });
    let mut now = Duration::ZERO;
    for event in data.chunks_exact(2) {
        let [key, how] = event else { return };
        now += Duration::from_millis(4 * u64::from(how >> 2));
        let ended = (how & 4 == 0).then(|| decoder.handle_timeout(now));
        let typed = match how & 3 {
            3 => {
                decoder.dropped(now);
                None
            }
            value => decoder.push(u16::from(*key), i32::from(value), now),
        };
        for one in ended.flatten().into_iter().chain(typed) {
            assert!(one.text.is_none_or(|text| text.len() <= 4096));
            for (key, _) in &one.strokes {
                let last = one.strokes.iter().rev().find(|(other, _)| other == key);
                assert!(
                    last.is_some_and(|(_, pressed)| !pressed),
                    "a key stays down"
                );
            }
        }
    }
    decoder.handle_timeout(now + Duration::from_secs(1));
    assert_eq!(decoder.poll_timeout(), None);
}

/// oplati.conf.
pub fn configuration(data: &[u8]) {
    match oplati::config::read(data, Path::new("/")) {
        Ok(loaded) => {
            let main = &loaded.config.main;
            assert!((1..=300).contains(&main.timeout.as_secs()));
            assert!((10..=3600).contains(&main.wait_buyer.as_secs()));
            assert!((1..=60).contains(&main.poll_payment.as_secs()));
            assert!((1..=10).contains(&main.poll_session.as_secs()));
            assert!((1..=32).contains(&main.wallet_name.chars().count()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// oplat.xml.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(template) = Template::parse(text) else {
        return;
    };
    let reconciliation = Reconciliation {
        shift: "24112026".into(),
        till: Totals::default(),
        service: Totals::default(),
        differences: Vec::new(),
        more_differences: 0,
        settled: Vec::new(),
        lines: Vec::new(),
    };
    let facts = Facts {
        reg_num: "OPL000011111".into(),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    let lines = template.render(&reconciliation, &facts);
    assert!(lines.iter().all(|line| line.chars().count() <= 48));
}

/// Bodies of the till API: the first byte chooses the call.
pub fn bodies(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let requested = match choice & 3 {
        0 => serde_json::from_slice::<SaleRequest>(body).map(OperationRequest::Sale),
        1 => serde_json::from_slice::<RefundRequest>(body).map(OperationRequest::Refund),
        2 => {
            serde_json::from_slice::<CancellationRequest>(body).map(OperationRequest::Cancellation)
        }
        _ => serde_json::from_slice::<CardRequest>(body).map(OperationRequest::Card),
    };
    let Ok(requested) = requested else { return };
    if validate::request(&requested, Some(7)).is_ok()
        && let OperationRequest::Sale(sale) = &requested
    {
        let sum: i64 = sale.receipt.items.iter().map(|item| item.cost.0).sum();
        assert_eq!(sum, sale.amount.0);
        assert!((1..=MAX_AMOUNT.0).contains(&sale.amount.0));
    }
}
