//! Figures, steps and the log's end: what the daemon reports of itself, against what was done to it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Sim, Till, assert_has, refused, sale, wait_for, wait_until};
use crate::sales::Scanner;

const PAYS: &str = "join=50ms,confirm=50ms,outcome=done";
const CODE: &str = "https://getapp.o-plati.by/c/AB12CD34";

/// The text format of Prometheus, taken at its word: a family is announced before its samples and all of
/// them follow, every series is there once, histograms are complete.
#[derive(Debug, Default)]
struct Exposition {
    /// By name and labels, sorted: `oplati_operations_total{kind="sale",outcome="done"}`.
    samples: BTreeMap<String, f64>,
}

impl Exposition {
    fn of(text: &str) -> Exposition {
        assert!(text.ends_with('\n'), "the last line ends, too");
        let mut exposition = Exposition::default();
        let mut families: BTreeMap<&str, &str> = BTreeMap::new();
        let (mut helped, mut family, mut kind) = ("", "", "");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(is_name(name) && !help.trim().is_empty(), "{line}");
                helped = name;
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                (family, kind) = rest.split_once(' ').unwrap();
                assert_eq!(helped, family, "HELP stands before TYPE");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(families.insert(family, kind).is_none(), "twice: {line}");
                let is_total = family.ends_with("_total");
                assert_eq!(kind == "counter", is_total, "{line}");
            } else {
                exposition.sample(line, family, kind);
            }
        }
        for (name, kind) in families {
            if kind == "histogram" {
                exposition.histograms(name);
            }
        }
        exposition
    }

    fn sample(&mut self, line: &str, family: &str, kind: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
            None => (series, ""),
        };
        let suffix = name.strip_prefix(family);
        let suffix = suffix.unwrap_or("not of the family that was announced last");
        let suffixes: &[&str] = match kind {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(suffixes.contains(&suffix), "{line}");
        assert!(is_name(name), "{line}");
        let mut names = BTreeSet::new();
        let mut sorted = Vec::new();
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (label_name, quoted) = label.split_once('=').unwrap();
            assert!(is_name(label_name) && names.insert(label_name), "{line}");
            let inner = quoted.strip_prefix('"').and_then(|q| q.strip_suffix('"'));
            assert!(!inner.unwrap().contains(['"', '\\', '\n']), "{line}");
            sorted.push(label);
        }
        sorted.sort_unstable();
        let value: f64 = value.parse().unwrap();
        assert!(value.is_finite() && value >= 0.0, "{line}");
        let key = format!("{name}{{{}}}", sorted.join(","));
        assert!(self.samples.insert(key, value).is_none(), "twice: {line}");
    }

    /// Buckets grow with their bounds, and the last one is the count.
    fn histograms(&self, name: &str) {
        let mut series: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        let prefix = format!("{name}_bucket{{");
        for (key, value) in &self.samples {
            let Some(labels) = key.strip_prefix(&prefix) else {
                continue;
            };
            let labels = labels.strip_suffix('}').unwrap().split(',');
            let (le, others): (Vec<_>, Vec<_>) = labels.partition(|l| l.starts_with("le="));
            let bound = le[0].trim_start_matches("le=").trim_matches('"');
            let bound = bound.replace("+Inf", "inf").parse().unwrap();
            let buckets = series.entry(others.join(",")).or_default();
            buckets.push((bound, *value));
        }
        for (labels, mut buckets) in series {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(
                buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1),
                "{name} {labels}: {buckets:?}"
            );
            let (bound, most) = buckets.last().copied().unwrap();
            assert!(bound.is_infinite(), "{name} {labels} has no +Inf");
            let count = self.get(&format!("{name}_count{{{labels}}}")).unwrap();
            assert_eq!(most.to_bits(), count.to_bits(), "{name} {labels}");
            let sum = self.get(&format!("{name}_sum{{{labels}}}")).unwrap();
            // What took less than a millisecond adds nothing.
            assert!(sum >= 0.0, "{name} {labels}");
            assert!(count > 0.0 || sum <= 0.0, "{name} {labels}");
        }
    }

    fn get(&self, series: &str) -> Option<f64> {
        self.samples.get(series).copied()
    }

    /// A whole number; 0 if the series is not there.
    fn count(&self, series: &str) -> u64 {
        let value = self.get(series).unwrap_or_default();
        format!("{value}").parse().unwrap()
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// An answer's head and body, as text.
fn get_text(till: &Till, path: &str) -> (String, String) {
    let mut stream = UnixStream::connect(till.path("run/oplati/till.sock")).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn metrics(till: &Till) -> Exposition {
    let (head, body) = get_text(till, "/metrics");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    Exposition::of(&body)
}

fn device(till: &Till) -> Value {
    till.get("/v1/devices").1["devices"][0].clone()
}

fn until_device(till: &Till, state: &str) {
    wait_until(state, || device(till)["state"] == state);
}

fn requests(call: &str, outcome: &str) -> String {
    format!("oplati_request_duration_seconds_count{{call=\"{call}\",outcome=\"{outcome}\"}}")
}

/// A sale that a code read by the scanner pays.
fn scanned_sale(till: &Till, scanner: &mut Scanner, id: &str) {
    let mut requested = sale(id, 1999);
    requested["mode"] = json!(0);
    assert_eq!(till.put(&format!("/v1/sales/{id}"), requested).0, 201);
    till.until(id, &["awaiting_scan"]);
    scanner.read(CODE);
    assert_eq!(till.until_final(id)["state"], "done");
}

/// Two paid sales, a refund, a code that the service does not know, and a payment whose request is lost.
fn play(till: &Till, sim: &Sim, scanner: &mut Scanner) {
    scanned_sale(till, scanner, "scanned");
    till.begin("shown", 500);
    assert_eq!(till.until_final("shown")["state"], "done");
    let refund = json!({"sale": "shown", "amount": 200, "receipt": {"number": "v", "items": [{"name": "Хлеб", "cost": 200}]}});
    assert_eq!(till.put("/v1/refunds/back", refund).0, 201);
    assert_eq!(till.until_final("back")["state"], "done");
    // A code that the service does not know.
    let mut requested = sale("refused", 100);
    requested["mode"] = json!(0);
    assert_eq!(till.put("/v1/sales/refused", requested).0, 201);
    till.until("refused", &["awaiting_scan"]);
    scanner.read("https://getapp.o-plati.by/c/AB-12");
    let refused = requests("demand_payment", "refused");
    wait_until("the refusal", || metrics(till).count(&refused) == 1);
    till.abort("refused");
    till.until_final("refused");
    sim.fault(json!({"on": "payments", "do": "lose_request"}));
    till.begin("lost", 100);
    assert_eq!(till.until_final("lost")["state"], "failed");
    till.until_queue_is_empty();
}

/// How often each series of operations must be counted, as the journal has them: the daemon's own reversals, too.
fn ended(till: &Till) -> BTreeMap<String, u64> {
    let page = till.get("/v1/operations?limit=500").1;
    let mut ended: BTreeMap<String, u64> = BTreeMap::new();
    for operation in page["operations"].as_array().unwrap() {
        let series = format!(
            "oplati_operations_total{{kind={},outcome={}}}",
            operation["kind"], operation["state"]
        );
        *ended.entry(series).or_default() += 1;
    }
    ended
}

#[test]
fn metrics_show_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("port");
    let mut scanner = Scanner::plug();
    std::os::unix::fs::symlink(&scanner.node, &link).unwrap();
    let sim = Sim::start(Some(PAYS));
    let till = Till::with_scanner(&sim.url, 2, &format!("serial:{}", link.display()));
    until_device(&till, "connected");
    play(&till, &sim, &mut scanner);
    let ended = ended(&till);
    // An entry leaves the queue a moment before its end is counted.
    let metrics_now = wait_for("every end to be counted", || {
        let metrics_now = metrics(&till);
        let mut ends = ended.iter();
        ends.all(|(series, count)| metrics_now.count(series) == *count)
            .then_some(metrics_now)
    });
    assert_eq!(
        ended[r#"oplati_operations_total{kind="sale",outcome="done"}"#],
        2
    );
    for (series, count) in &ended {
        assert_eq!(metrics_now.count(series), *count, "{series}");
    }
    let counted = metrics_now.samples.keys();
    let counted = counted.filter(|key| key.starts_with("oplati_operations_total"));
    assert_eq!(counted.count(), ended.len());
    for (call, outcome, count) in [
        ("pay", "answered", 2),
        ("demand_payment", "refused", 1),
        ("pay", "lost", 1),
        ("reverse", "answered", 1),
    ] {
        let series = requests(call, outcome);
        assert_eq!(metrics_now.count(&series), count, "{series}");
    }
    assert_eq!(
        metrics_now.count("oplati_scan_to_request_seconds_count{}"),
        2
    );
    assert_eq!(
        metrics_now.count("oplati_confirmation_to_done_seconds_count{}"),
        2
    );
    assert!(metrics_now.count("oplati_journal_write_duration_seconds_count{}") >= 5);
    assert_eq!(metrics_now.count("oplati_queue_depth{}"), 0);
    assert_eq!(metrics_now.count("oplati_service_up{}"), 1);
    assert_eq!(
        metrics_now.count("oplati_journal_operations{}"),
        ended.values().sum::<u64>()
    );
    a_replug_is_counted(&till, &link, scanner);
}

/// The scanner is unplugged, and comes back under the same name.
fn a_replug_is_counted(till: &Till, link: &Path, scanner: Scanner) {
    let metrics_now = metrics(till);
    let of_scanner = |name: &str| format!("{name}{{device=\"scanner1\",kind=\"scanner\"}}");
    let up = of_scanner("oplati_device_up");
    let reconnects = of_scanner("oplati_device_reconnects_total");
    assert_eq!(
        (
            metrics_now.count(&of_scanner("oplati_device_scans_total")),
            metrics_now.get(&up),
            metrics_now.get(&reconnects)
        ),
        (2, Some(1.0), Some(0.0))
    );
    std::fs::remove_file(link).unwrap();
    drop(scanner);
    wait_until("the loss", || device(till)["state"] != "connected");
    assert_eq!(metrics(till).get(&up), Some(0.0));
    let scanner = Scanner::plug();
    std::os::unix::fs::symlink(&scanner.node, link).unwrap();
    until_device(till, "connected");
    let metrics_now = metrics(till);
    assert_eq!(
        (metrics_now.get(&up), metrics_now.get(&reconnects)),
        (Some(1.0), Some(1.0))
    );
}

#[test]
fn the_queue_has_a_depth_while_the_line_is_dead() {
    let sim = Sim::start_with(None, &["--answer", "pending"]);
    let till = Till::started(&sim.url, 2, "");
    till.begin_joined(&sim, "s-1", 100);
    sim.fault(json!({"on": "any", "do": "lose_request", "times": 0}));
    till.until_final("s-1");
    wait_for("the queue", || {
        let queue = till.get("/v1/queue").1;
        (!queue["items"].as_array()?.is_empty()).then_some(())
    });
    let metrics_now = metrics(&till);
    assert_eq!(metrics_now.count("oplati_queue_depth{}"), 1);
    assert_eq!(
        metrics_now.count(r#"oplati_health_status{status="blocked"}"#),
        1,
        "{metrics_now:?}"
    );
    assert_eq!(metrics_now.count("oplati_service_up{}"), 0);
}

#[test]
fn counters_of_devices_survive_restarts_and_power_cuts() {
    let mut scanner = Scanner::plug();
    let conf = |baud: u32| format!("[Scanner]\ndevice = serial:{}@{baud}\n", scanner.node);
    let (same, other) = (conf(9600), conf(19200));
    let mut till = Till::started("http://localhost:9", 2, &same);
    let scans = |till: &Till| device(till)["counters"]["scans"].clone();
    let until_scans = |till: &Till, count: u64| {
        wait_until(&format!("{count} scans"), || scans(till) == count);
    };
    until_device(&till, "connected");
    for count in 1..=3 {
        scanner.read("4810268003455");
        until_scans(&till, count);
    }
    // Stopped as systemd does it.
    till.daemon().signal(Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
    till.start();
    assert_eq!(scans(&till), 3);
    until_device(&till, "connected");
    scanner.read("4810268003455");
    until_scans(&till, 4);
    let kept = till.path("linuxcash/cash/paysystems/oplati/devices.json");
    wait_for("the count in the file", || {
        let text = std::fs::read_to_string(&kept).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        (value["devices"]["scanner1"]["counters"]["scans"] == 4).then_some(())
    });
    till.kill();
    till.start();
    assert_eq!(scans(&till), 4);
    // Another setting is another scanner.
    till.kill();
    let path = till.path("linuxcash/cash/paysystems/oplati/oplati.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(&same, &other)).unwrap();
    till.start();
    assert_eq!(scans(&till), 0);
}

#[test]
fn an_operation_shows_every_step_and_how_long_it_took() {
    let sim = Sim::start(None);
    let till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    let mut seen = vec!["awaiting_buyer".to_owned(), "awaiting_confirmation".into()];
    till.until("s-1", &["awaiting_buyer"]);
    sim.join();
    till.until("s-1", &["awaiting_confirmation"]);
    sim.confirm();
    let operation = till.until_final("s-1");
    assert_eq!(operation["state"], "done");
    seen.push("done".into());
    let (status, answer) = till.get("/v1/operations/s-1/steps");
    assert_eq!(status, 200);
    let steps = answer["steps"].as_array().unwrap();
    assert_eq!(
        (&steps[0]["state"], &steps[0]["ms"]),
        (&json!("new"), &json!(0)),
        "{answer}"
    );
    let mut states = steps.iter().map(|step| step["state"].as_str().unwrap());
    for state in &seen {
        assert!(states.any(|shown| shown == state), "{state}: {answer}");
    }
    let at = |step: &Value| step["at"].as_str().unwrap().parse::<jiff::Timestamp>();
    for pair in steps.windows(2) {
        let took = at(&pair[1])
            .unwrap()
            .duration_since(at(&pair[0]).unwrap())
            .as_millis();
        assert!(took >= 0, "{answer}");
        assert_eq!(pair[1]["ms"], json!(took), "{answer}");
        assert!(!pair[1]["what"].as_str().unwrap().is_empty(), "{answer}");
    }
    assert_eq!(steps[0]["at"], operation["created_at"]);
    assert_eq!(steps.last().unwrap()["at"], operation["finished_at"]);
    refused(till.get("/v1/operations/s-2/steps"), 404, "not_found");
}

#[test]
fn the_end_of_the_log_is_returned_within_bounds_and_without_secrets() {
    let mut scanner = Scanner::plug();
    let sim = Sim::start(Some(PAYS));
    let till = Till::with_scanner(&sim.url, 2, &format!("serial:{}", scanner.node));
    until_device(&till, "connected");
    scanned_sale(&till, &mut scanner, "s-1");
    // The till program writes into the same file.
    let log = till.path("linuxcash/logs/current/terminal.log");
    let mut file = std::fs::File::options().append(true).open(&log).unwrap();
    file.write_all("\u{1b}[31mЧек\u{7} закрыт\n".as_bytes())
        .unwrap();
    for bad in ["0", "501", "-1", "x", ""] {
        refused(till.get(&format!("/v1/log?lines={bad}")), 400, "invalid");
    }
    let lines = |path: &str| {
        let (status, answer) = till.get(path);
        assert_eq!(status, 200, "{answer}");
        let lines = answer["lines"].as_array().unwrap().clone();
        let text = |line: Value| line.as_str().unwrap().to_owned();
        lines.into_iter().map(text).collect::<Vec<String>>()
    };
    assert_eq!(lines("/v1/log?lines=1").len(), 1);
    let all = lines("/v1/log?lines=500");
    assert!(lines("/v1/log").len() <= 100);
    let lines = all.join("\n");
    assert_has(&lines, ["Чек", "закрыт", "s-1"]);
    assert!(
        !lines.contains(|c: char| c.is_control() && c != '\n'),
        "{lines}"
    );
    let token = till.path("linuxcash/cash/paysystems/oplati/token.conf");
    let token = std::fs::read_to_string(token).unwrap();
    let figures = get_text(&till, "/metrics").1;
    let steps = till.get("/v1/operations/s-1/steps").1.to_string();
    for secret in [token.trim(), "AB12CD34"] {
        assert!(!secret.is_empty());
        assert!(!lines.contains(secret) && !figures.contains(secret) && !steps.contains(secret));
    }
    std::fs::remove_file(&log).unwrap();
    let (status, _) = till.get("/v1/log?lines=1");
    assert!([200, 404].contains(&status), "{status}");
}

#[test]
fn oplati_devices_is_a_table_in_either_tongue() {
    let mut scanner = Scanner::plug();
    let till = Till::with_scanner("http://localhost:9", 2, &format!("serial:{}", scanner.node));
    until_device(&till, "connected");
    scanner.read("4810268003455");
    wait_until("the scan", || device(&till)["counters"]["scans"] == 1);
    for (locale, heading, words) in [
        (
            "ru_RU.UTF-8",
            "Служба:",
            ["имя", "состояние", "чтений", "подключено"],
        ),
        (
            "en_US.UTF-8",
            "The daemon:",
            ["name", "state", "scans", "connected"],
        ),
    ] {
        let out = till
            .verb(&["devices"])
            .env("LC_ALL", locale)
            .output()
            .unwrap();
        let out = String::from_utf8(out.stdout).unwrap();
        let (_, table) = out.split_once(heading).unwrap();
        for word in words {
            assert!(table.contains(word), "{word}\n{table}");
        }
        let row = table.lines().find(|line| line.starts_with("scanner1"));
        let cells: Vec<&str> = row.unwrap().split_whitespace().collect();
        // Name, state, day, time, scans, discarded, unended, frames, reconnects.
        assert_eq!(cells[4..], ["1", "0", "0", "—", "0"], "{table}");
        assert!(
            table.lines().all(|line| line.chars().count() <= 100),
            "{table}"
        );
    }
}
