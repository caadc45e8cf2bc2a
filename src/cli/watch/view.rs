//! Events as lines that can be read out over the phone: time, what it is about, what happened.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use super::super::output::printable;
use super::super::ui_language::{UiLanguage, device_state};
use crate::model::money::Kopecks;
use crate::texts::technician::{self, Text};

/// Width of the second column, in either language.
const ABOUT: usize = 10;

/// Requests that were the same as the last printed one.
#[derive(Debug)]
struct Same {
    /// Operation, call and outcome.
    request: String,
    more: u64,
    least_ms: u64,
    most_ms: u64,
    last_at: String,
}

/// Turns events into lines. A sale that waits asks the service every second: the same request with the
/// same outcome is printed once, and counted until something else happens.
#[derive(Debug)]
pub(super) struct View {
    language: UiLanguage,
    same: Option<Same>,
    /// The newest operation event: identifier and time.
    operation: Option<(String, String)>,
}

impl View {
    pub(super) fn new(language: UiLanguage) -> View {
        View {
            language,
            same: None,
            operation: None,
        }
    }

    /// The lines that are due now.
    pub(super) fn lines(&mut self, event: &str, data: &Value) -> Vec<String> {
        if event == "request" && self.is_the_same(data) {
            return Vec::new();
        }
        let mut lines: Vec<String> = self.rest().into_iter().collect();
        if event == "request" {
            self.same = Some(Same {
                request: identity(data),
                more: 0,
                least_ms: u64::MAX,
                most_ms: 0,
                last_at: String::new(),
            });
        }
        let at = self.time_of(event, data);
        let (about, what) = self.describe(event, data);
        lines.push(line(&at, &about, &what));
        lines
    }

    /// What was counted and not yet shown.
    pub(super) fn rest(&mut self) -> Option<String> {
        let same = self.same.take().filter(|same| same.more > 0)?;
        let (more, least, most) = (same.more, same.least_ms, same.most_ms);
        let what = self
            .language
            .text(technician::view_more_of_the_same(least, more, most));
        Some(line(&same.last_at, "", &what))
    }

    fn is_the_same(&mut self, data: &Value) -> bool {
        let Some(same) = &mut self.same else {
            return false;
        };
        if same.request != identity(data) {
            return false;
        }
        let ms = number(data, "ms");
        same.more += 1;
        same.least_ms = same.least_ms.min(ms);
        same.most_ms = same.most_ms.max(ms);
        same.last_at = text(data, "at");
        true
    }

    /// When it happened, as far as the event states it; else now.
    fn time_of(&mut self, event: &str, data: &Value) -> String {
        match event {
            "operation" => {
                let at = text(data, "updated_at");
                self.operation = Some((text(data, "id"), at.clone()));
                at
            }
            "request" | "scene" | "scan" => text(data, "at"),
            "device" => newest(data),
            // It is shown together with its operation; `since` is its beginning.
            "queue" => match &self.operation {
                Some((id, at)) if *id == text(data, "id") => at.clone(),
                Some(_) | None if number(data, "tries") == 0 => text(data, "since"),
                Some(_) | None => String::new(),
            },
            _ => String::new(),
        }
    }

    fn describe(&self, event: &str, data: &Value) -> (Cow<'static, str>, String) {
        let say = |text| self.language.text(text);
        match event {
            "operation" => (say(technician::HEADING_OPERATION), self.operation(data)),
            "request" => (say(technician::ABOUT_REQUEST), self.request(data)),
            "scene" => (
                say(technician::ABOUT_SCENE),
                self.language.text_of_word(&SCENES, &text(data, "scene")),
            ),
            "scan" => (say(technician::ABOUT_SCAN), self.scan(data)),
            "device" => (say(technician::HEADING_DEVICE), self.device(data)),
            "queue" => (say(technician::ABOUT_QUEUE), self.queue(data)),
            "reset" => {
                let missed = say(technician::VIEW_EVENTS_MISSED);
                (say(technician::ABOUT_DAEMON), missed.into_owned())
            }
            _ => (say(technician::ABOUT_DAEMON), self.health(data)),
        }
    }

    fn operation(&self, data: &Value) -> String {
        let say = |text| self.language.text(text);
        let amount = data.get("amount").cloned().unwrap_or_default();
        let amount = serde_json::from_value::<Kopecks>(amount);
        let amount = match amount {
            // A card has none.
            Ok(amount) if text(data, "kind") != "card" => format!("{amount}  "),
            Ok(_) | Err(_) => String::new(),
        };
        let mut what = format!(
            "{} {}  {amount}{}",
            self.language.text_of_word(&KINDS, &text(data, "kind")),
            text(data, "id"),
            self.language.text_of_word(&STATES, &text(data, "state"))
        );
        if let Some(ms) = took(data) {
            let (after, unit) = (say(technician::VIEW_AFTER), say(technician::VIEW_MS));
            what.push_str(&format!(" {after} {ms} {unit}"));
        }
        match text(data, "undo").as_str() {
            "pending" => what.push_str(&say(technician::VIEW_UNDO_PENDING)),
            "done" => what.push_str(&say(technician::VIEW_UNDO_DONE)),
            "set_aside" => what.push_str(&say(technician::VIEW_UNDO_SET_ASIDE)),
            _ => {}
        }
        let error = data.get("error").cloned().unwrap_or_default();
        // What the cashier sees is Russian.
        let message = match self.language {
            UiLanguage::Russian => text(data, "message"),
            UiLanguage::English => text(&error, "code"),
        };
        if !message.is_empty() {
            what.push_str(&format!(": {message}"));
        }
        what
    }

    fn request(&self, data: &Value) -> String {
        let operation = text(data, "operation");
        format!(
            "{operation}{}{}: {}, {} {}",
            if operation.is_empty() { "" } else { "  " },
            self.language.text_of_word(&CALLS, &text(data, "call")),
            self.language
                .text_of_word(&OUTCOMES, &text(data, "outcome")),
            number(data, "ms"),
            self.language.text(technician::VIEW_MS)
        )
    }

    fn scan(&self, data: &Value) -> String {
        let used = match text(data, "used_by") {
            id if id.is_empty() => self
                .language
                .text(technician::VIEW_NOBODY_WAITED)
                .into_owned(),
            id => format!("→ {id}"),
        };
        format!("{}  {}  {used}", text(data, "device"), text(data, "tail"))
    }

    fn device(&self, data: &Value) -> String {
        let state = device_state(self.language, &text(data, "state"));
        let mut what = format!("{}  {state}", text(data, "name"));
        let error = text(data, "last_error");
        if text(data, "state") != "connected" && !error.is_empty() {
            what.push_str(&format!(": {error}"));
        }
        let test = data.get("test").cloned().unwrap_or_default();
        let word = self.language.text(technician::VIEW_TEST);
        let message = text(
            &test,
            match self.language {
                UiLanguage::Russian => "says",
                UiLanguage::English => "says_english",
            },
        );
        let finished_at = text(&test, "finished_at");
        if text(&test, "state") == "running" {
            let (step, of) = (number(&test, "step"), number(&test, "of"));
            what.push_str(&format!("  {word} {step}/{of}: {message}"));
        } else if !finished_at.is_empty() && newest(data) == finished_at {
            what.push_str(&format!("  {word}: {message}"));
            if let Some(detail) = self.found(&test) {
                what.push_str(&format!("; {detail}"));
            }
        }
        what
    }

    /// The gravest finding of a test with a person: its message at the end names none.
    fn found(&self, test: &Value) -> Option<String> {
        if test.get("interactive") != Some(&Value::Bool(true)) {
            return None;
        }
        let gravity = |check: &&Value| match text(check, "result").as_str() {
            "pass" => 0,
            "skipped" => 1,
            "warn" => 2,
            _ => 3,
        };
        let check = test.get("checks")?.as_array()?.iter().max_by_key(gravity)?;
        let texts = match self.language {
            UiLanguage::Russian => check,
            UiLanguage::English => check.get("english")?,
        };
        Some(text(texts, "detail"))
    }

    fn queue(&self, data: &Value) -> String {
        let say = |text| self.language.text(text);
        let mut what = format!(
            "{} {} {}  {} {}",
            text(data, "id"),
            say(technician::VIEW_REVERSES),
            text(data, "of"),
            say(technician::HEADING_TRIES),
            number(data, "tries")
        );
        if data.get("set_aside") == Some(&Value::Bool(true)) {
            what.push_str(&say(technician::VIEW_WAITS_FOR_PERSON));
        }
        let error = text(data, "last_error");
        if !error.is_empty() {
            what.push_str(&format!(": {error}"));
        }
        what
    }

    fn health(&self, data: &Value) -> String {
        let say = |text| self.language.text(text);
        let status = match text(data, "status").as_str() {
            "ok" => say(technician::HEALTH_OK).into_owned(),
            "degraded" => say(technician::HEALTH_DEGRADED).into_owned(),
            "blocked" => say(technician::HEALTH_BLOCKED).into_owned(),
            other => other.to_owned(),
        };
        let reasons = data.get("reasons").and_then(Value::as_array);
        let reasons = reasons.into_iter().flatten().filter_map(Value::as_str);
        let reasons: Vec<String> = reasons.map(printable).collect();
        if reasons.is_empty() {
            status
        } else {
            format!("{status}: {}", reasons.join("; "))
        }
    }
}

/// Of this machine, to the millisecond; now for what has no time of its own.
fn line(at: &str, about: &str, what: &str) -> String {
    let at = at.parse().unwrap_or_else(|_| crate::base::clock::wall());
    let zone = crate::base::zone::local_zone();
    let time = zone.to_datetime(at).strftime("%H:%M:%S%.3f").to_string();
    format!("{time}  {about:<ABOUT$}  {}", what.trim_end())
}

fn text(data: &Value, name: &str) -> String {
    let text = data.get(name).and_then(Value::as_str);
    text.map(printable).unwrap_or_default()
}

/// When the newest of what a device's event reports happened. A test stays in the events after it.
fn newest(device: &Value) -> String {
    let test = device.get("test").cloned().unwrap_or_default();
    [
        text(device, "since"),
        text(device, "last_error_at"),
        text(&test, "started_at"),
        text(&test, "finished_at"),
    ]
    .into_iter()
    .max_by_key(|at| at.parse::<Timestamp>().ok())
    .unwrap_or_default()
}

fn number(data: &Value, name: &str) -> u64 {
    data.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn identity(data: &Value) -> String {
    ["operation", "call", "outcome"]
        .map(|name| text(data, name))
        .join(" ")
}

/// Of an operation that has ended, milliseconds.
fn took(data: &Value) -> Option<u64> {
    let begun: Timestamp = text(data, "created_at").parse().ok()?;
    let ended: Timestamp = text(data, "finished_at").parse().ok()?;
    u64::try_from(ended.duration_since(begun).as_millis()).ok()
}

const KINDS: [(&str, Text); 6] = [
    ("sale", technician::KIND_SALE),
    ("refund", technician::KIND_REFUND),
    ("cancel", technician::KIND_CANCEL),
    ("cancel_refund", technician::KIND_CANCEL_REFUND),
    ("annul", technician::KIND_ANNUL),
    ("card", technician::KIND_CARD),
];

const STATES: [(&str, Text); 13] = [
    ("new", technician::STATE_NEW),
    ("in_progress", technician::STATE_IN_PROGRESS),
    ("awaiting_scan", technician::STATE_AWAITING_SCAN),
    ("awaiting_buyer", technician::STATE_AWAITING_BUYER),
    (
        "awaiting_confirmation",
        technician::STATE_AWAITING_CONFIRMATION,
    ),
    ("in_doubt", technician::STATE_IN_DOUBT),
    ("queued", technician::STATE_QUEUED),
    ("done", technician::STATE_DONE),
    ("declined", technician::STATE_DECLINED),
    ("not_enough_money", technician::STATE_NOT_ENOUGH_MONEY),
    ("expired", technician::STATE_EXPIRED),
    ("cancelled", technician::STATE_CANCELLED),
    ("failed", technician::STATE_FAILED),
];

const CALLS: [(&str, Text); 7] = [
    ("demand_payment", technician::REQUEST_OPEN),
    ("consumer_status", technician::REQUEST_SESSION),
    ("pay", technician::REQUEST_PAY),
    ("payment", technician::REQUEST_PAYMENT),
    ("reverse", technician::REQUEST_REVERSE),
    ("look_up", technician::REQUEST_REPORT),
    ("probe", technician::REQUEST_PROBE),
];

const OUTCOMES: [(&str, Text); 5] = [
    ("answered", technician::ANSWER_OK),
    ("refused", technician::ANSWER_REFUSED),
    ("not_sent", technician::ANSWER_NOT_SENT),
    ("lost", technician::ANSWER_LOST),
    ("token", technician::ANSWER_TOKEN),
];

const SCENES: [(&str, Text); 17] = [
    ("idle", technician::SCENE_IDLE),
    ("scan_me", technician::SCENE_SCAN_ME),
    ("qr", technician::SCENE_QR),
    ("card_qr", technician::SCENE_CARD_QR),
    ("code", technician::SCENE_CODE),
    ("card_code", technician::SCENE_CARD_CODE),
    ("please_confirm", technician::SCENE_PLEASE_CONFIRM),
    ("checking", technician::SCENE_CHECKING),
    ("paid", technician::SCENE_PAID),
    ("declined", technician::SCENE_DECLINED),
    ("not_enough_money", technician::SCENE_NOT_ENOUGH_MONEY),
    ("time_is_up", technician::SCENE_TIME_IS_UP),
    ("cancelled", technician::SCENE_CANCELLED),
    ("refunded", technician::SCENE_REFUNDED),
    ("card_found", technician::SCENE_CARD_FOUND),
    ("not_completed", technician::SCENE_NOT_COMPLETED),
    ("no_connection", technician::SCENE_NO_CONNECTION),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(call: &str, ms: u64) -> Value {
        json!({"operation": "s-1", "call": call, "outcome": "answered", "ms": ms, "at": "2024-11-24T12:00:00.500Z"})
    }

    #[test]
    fn what_was_missed_is_shown() {
        let lines = View::new(UiLanguage::English).lines("reset", &json!({}));
        assert!(
            lines.concat().contains("some events were missed"),
            "{lines:?}"
        );
    }

    #[test]
    fn the_same_request_is_counted_until_something_else_happens() {
        let mut view = View::new(UiLanguage::English);
        assert_eq!(view.lines("request", &request("payment", 20)).len(), 1);
        for ms in [31, 7, 12] {
            assert!(view.lines("request", &request("payment", ms)).is_empty());
        }
        let lines = view.lines("scene", &json!({"scene": "paid"}));
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].ends_with("… 3 more of the same, 7–31 ms"),
            "{lines:?}"
        );
        assert!(lines[1].ends_with("  screen      \"paid\""), "{lines:?}");
        assert!(view.rest().is_none());
        view.lines("request", &request("payment", 1));
        assert_eq!(view.lines("request", &request("pay", 1)).len(), 1);
    }

    #[test]
    fn every_way_of_an_undoing_has_its_words() {
        for (undo, words) in [
            ("pending", "undo pending"),
            ("done", "undone"),
            ("set_aside", "undo waits for a person"),
        ] {
            let data = json!({"kind": "sale", "id": "s-1", "state": "failed", "undo": undo});
            let lines = View::new(UiLanguage::English).lines("operation", &data);
            assert!(lines[0].ends_with(words), "{lines:?}");
        }
    }

    #[test]
    fn the_end_of_a_test_is_shown_once_in_both_languages() {
        let check = |result: &str, detail: &str, english: &str| json!({"result": result, "detail": detail, "english": {"detail": english}});
        let mut data = json!({"name": "scanner1", "state": "connected", "since": "2024-11-24T12:00:00Z",
            "test": {"state": "done", "interactive": true, "says": "Проверка остановлена",
                "says_english": "The test was stopped",
                "started_at": "2024-11-24T12:01:00Z", "finished_at": "2024-11-24T12:02:00Z",
                "checks": [check("warn", "не до конца", "not to its end"), check("pass", "да", "yes")]}});
        let lines = |language, data: &Value| View::new(language).lines("device", data);
        for (language, words) in [
            (
                UiLanguage::Russian,
                "scanner1  подключено  проверка: Проверка остановлена; не до конца",
            ),
            (
                UiLanguage::English,
                "scanner1  connected  test: The test was stopped; not to its end",
            ),
        ] {
            let shown = lines(language, &data);
            assert_eq!(shown.len(), 1);
            assert!(shown[0].ends_with(words), "{shown:?}");
        }
        // It is the cable now.
        data["since"] = json!("2024-11-24T12:03:00Z");
        let shown = lines(UiLanguage::English, &data);
        assert!(shown[0].ends_with("scanner1  connected"), "{shown:?}");
    }

    #[test]
    fn any_event_is_lines_that_cannot_move_the_cursor() {
        let hostile = "\u{1b}[2J\n\u{9b}";
        let data = json!({"id": hostile, "kind": hostile, "state": hostile, "message": hostile, "device": hostile, "tail": hostile,
            "used_by": hostile, "name": hostile, "last_error": hostile, "of": hostile, "status": hostile, "reasons": [hostile],
            "operation": hostile, "call": hostile, "outcome": hostile, "scene": hostile, "at": hostile, "amount": "x",
            "error": {"code": hostile}, "test": {"state": "running", "says": hostile, "says_english": hostile}, "undo": hostile});
        for event in [
            "operation",
            "request",
            "scene",
            "scan",
            "device",
            "queue",
            "health",
            "new",
        ] {
            for language in [UiLanguage::Russian, UiLanguage::English] {
                for data in [&data, &Value::Null, &json!({})] {
                    let lines = View::new(language).lines(event, data);
                    assert_eq!(lines.len(), 1, "{event}");
                    assert!(!lines[0].contains(char::is_control), "{lines:?}");
                }
            }
        }
    }
}
