//! Figures for Prometheus: counted where things happen, written when somebody asks.
//!
//! A crate for this would bring a registry, labels made at run time, and floating point; what is counted
//! here is known beforehand, its labels have few values, and times are whole microseconds. So the text
//! format, which is a page long, is written by hand. One lock holds all of it: it is taken some
//! tens of times for a payment, for less than a microsecond.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::core::call::{Answer, Failure};
use crate::model::device::Device;
use crate::model::health::{Health, HealthStatus};
use crate::model::operation::{Kind, State, word};

/// Upper bounds of the buckets of times on the network and with people, microseconds.
const LONG_TIME_BUCKETS: &[u64] = &[
    10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
    30_000_000,
];
/// Of times within this machine.
const SHORT: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
];

/// Counts of observations below bounds, and their sum.
#[derive(Clone, Debug)]
struct Histogram {
    bounds: &'static [u64],
    /// One for each bound; what is above the last is in `count` alone.
    below: Vec<u64>,
    count: u64,
    sum_us: u64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Histogram {
        Histogram {
            bounds,
            below: vec![0; bounds.len()],
            count: 0,
            sum_us: 0,
        }
    }

    fn observe(&mut self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        for (bound, below) in self.bounds.iter().zip(&mut self.below) {
            *below += u64::from(us <= *bound);
        }
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// `labels` is empty, or `name="value",…`.
    fn write(&self, text: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        for (bound, below) in self.bounds.iter().zip(&self.below) {
            let le = seconds(*bound);
            line(
                text,
                &format!("{name}_bucket{{{labels}{comma}le=\"{le}\"}}"),
                below,
            );
        }
        line(
            text,
            &format!("{name}_bucket{{{labels}{comma}le=\"+Inf\"}}"),
            &self.count,
        );
        let braced = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{labels}}}")
        };
        line(text, &format!("{name}_sum{braced}"), &seconds(self.sum_us));
        line(text, &format!("{name}_count{braced}"), &self.count);
    }
}

/// Microseconds as seconds, without a needless zero.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn line(text: &mut String, name: &str, value: &impl std::fmt::Display) {
    // A string takes everything.
    let _ = writeln!(text, "{name} {value}");
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// How a request ended, for a label.
pub fn outcome(answer: &Answer) -> &'static str {
    match answer {
        Ok(_) => "answered",
        Err(Failure::Refused { .. }) => "refused",
        Err(Failure::SessionOver { .. }) => "session_over",
        Err(Failure::TooManyRequests { .. }) => "too_many_requests",
        Err(Failure::NotSent { .. }) => "not_sent",
        Err(Failure::Lost { .. }) => "lost",
        Err(Failure::Token { .. }) => "token",
    }
}

#[derive(Debug)]
struct Figures {
    operations: BTreeMap<(String, String), u64>,
    requests: BTreeMap<(&'static str, &'static str), Histogram>,
    scan_to_request: Histogram,
    confirmation_to_done: Histogram,
    journal_write: Histogram,
}

/// Everything that is counted since the start.
#[derive(Debug)]
pub struct Metrics(Mutex<Figures>);

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics(Mutex::new(Figures {
            operations: BTreeMap::new(),
            requests: BTreeMap::new(),
            scan_to_request: Histogram::new(SHORT),
            confirmation_to_done: Histogram::new(LONG_TIME_BUCKETS),
            journal_write: Histogram::new(SHORT),
        }))
    }
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn ended(&self, kind: Kind, state: State) {
        let labels = (word(kind), word(state));
        *self.lock().operations.entry(labels).or_default() += 1;
    }

    /// A request to the service ended.
    pub fn requested(&self, call: &'static str, outcome: &'static str, time: Duration) {
        let mut figures = self.lock();
        let requests = &mut figures.requests;
        let histogram = requests.entry((call, outcome));
        histogram
            .or_insert_with(|| Histogram::new(LONG_TIME_BUCKETS))
            .observe(time);
    }

    /// From a buyer's code to the request that it let out.
    pub fn scan_led_to_request(&self, time: Duration) {
        self.lock().scan_to_request.observe(time);
    }

    /// From the moment of payment, by the service's clock, until `done` could be sent to the till.
    pub fn confirmation_became_done(&self, time: Duration) {
        self.lock().confirmation_to_done.observe(time);
    }

    /// A transaction of the journal.
    pub fn journal_written(&self, time: Duration) {
        self.lock().journal_write.observe(time);
    }

    /// All of it, in the text format of Prometheus.
    pub fn text(&self, health: &Health, devices: &[Device]) -> String {
        let mut text = String::new();
        write_health(&mut text, health);
        write_devices(&mut text, devices);
        self.lock().write(&mut text);
        text
    }
}

impl Figures {
    fn write(&self, text: &mut String) {
        let name = "oplati_operations_total";
        head(
            text,
            name,
            "counter",
            "Operations that ended since the start, by kind and outcome.",
        );
        for ((kind, outcome), count) in &self.operations {
            let labels = format!("{name}{{kind=\"{kind}\",outcome=\"{outcome}\"}}");
            line(text, &labels, count);
        }
        let name = "oplati_request_duration_seconds";
        head(
            text,
            name,
            "histogram",
            "Requests to the payment service, from the first step to the outcome.",
        );
        for ((call, outcome), histogram) in &self.requests {
            let labels = format!("call=\"{call}\",outcome=\"{outcome}\"");
            histogram.write(text, name, &labels);
        }
        for (name, help, histogram) in [
            (
                "oplati_scan_to_request_seconds",
                "From a buyer's code to the request that it let out.",
                &self.scan_to_request,
            ),
            (
                "oplati_confirmation_to_done_seconds",
                "From the moment of payment, as the service dates it, until done could be sent to the till.",
                &self.confirmation_to_done,
            ),
            (
                "oplati_journal_write_duration_seconds",
                "Transactions of the journal, made durable.",
                &self.journal_write,
            ),
        ] {
            head(text, name, "histogram", help);
            histogram.write(text, name, "");
        }
    }
}

fn write_health(text: &mut String, health: &Health) {
    let name = "oplati_build_info";
    head(text, name, "gauge", "The program, always 1.");
    line(
        text,
        &format!("{name}{{version=\"{}\"}}", health.version),
        &1,
    );
    let name = "oplati_health_status";
    head(
        text,
        name,
        "gauge",
        "1 for the present status: ok, degraded or blocked.",
    );
    for status in [
        HealthStatus::Ok,
        HealthStatus::Degraded,
        HealthStatus::Blocked,
    ] {
        let labels = format!("{name}{{status=\"{}\"}}", word(status));
        line(text, &labels, &u8::from(health.status == status));
    }
    let mut gauge = |name: &str, help: &str, value: u64| {
        head(text, name, "gauge", help);
        line(text, name, &value);
    };
    gauge("oplati_uptime_seconds", "Since the start.", health.uptime_s);
    gauge(
        "oplati_queue_depth",
        "Entries of the queue that block sales.",
        u64::try_from(health.queue_depth).unwrap_or(u64::MAX),
    );
    gauge(
        "oplati_journal_up",
        "1 if the journal can be written.",
        u64::from(health.journal.ok),
    );
    gauge(
        "oplati_journal_operations",
        "Operations that the journal holds.",
        health.journal.operations,
    );
    gauge(
        "oplati_reconciliation_differences",
        "Differences to the service that the daily check has found.",
        health.reconciliation.differences,
    );
    if let Some(reachable) = health.service.reachable {
        gauge(
            "oplati_service_up",
            "1 if the payment service answered last.",
            u64::from(reachable),
        );
    }
}

/// Counters of devices that are published, and for whom: name, help.
const OF_DEVICES: [(&str, &str); 5] = [
    ("scans", "Codes that a scanner handed on."),
    ("discarded", "Codes that a scanner spoilt."),
    ("unterminated", "Codes that only silence has ended."),
    ("frames", "Pictures that a display showed."),
    (
        "reconnects",
        "Times that a device was opened after the first.",
    ),
];

fn write_devices(text: &mut String, devices: &[Device]) {
    let labels = |device: &Device| format!("device=\"{}\",kind=\"{}\"", device.name, device.kind);
    let name = "oplati_device_up";
    head(text, name, "gauge", "1 if the device is connected.");
    for device in devices {
        let labels = format!("{name}{{{}}}", labels(device));
        line(text, &labels, &u8::from(device.state == "connected"));
    }
    for (counter, help) in OF_DEVICES {
        let name = format!("oplati_device_{counter}_total");
        head(text, &name, "counter", help);
        for device in devices {
            if let Some(count) = device.counters.get(counter) {
                line(text, &format!("{name}{{{}}}", labels(device)), count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds() {
        for (us, text) in [
            (0, "0"),
            (100, "0.0001"),
            (1_000_000, "1"),
            (2_500_000, "2.5"),
            (10_000_001, "10.000001"),
        ] {
            assert_eq!(seconds(us), text);
        }
    }

    #[test]
    fn buckets_are_cumulative() {
        let mut histogram = Histogram::new(SHORT);
        for us in [50, 100, 101, 3_000_000] {
            histogram.observe(Duration::from_micros(us));
        }
        let mut text = String::new();
        histogram.write(&mut text, "h", "a=\"b\"");
        for expected in [
            "h_bucket{a=\"b\",le=\"0.0001\"} 2",
            "h_bucket{a=\"b\",le=\"0.00025\"} 3",
            "h_bucket{a=\"b\",le=\"1\"} 3",
            "h_bucket{a=\"b\",le=\"+Inf\"} 4",
            "h_sum{a=\"b\"} 3.000251",
            "h_count{a=\"b\"} 4",
        ] {
            assert!(
                text.lines().any(|line| line == expected),
                "{expected}\n{text}"
            );
        }
    }
}
