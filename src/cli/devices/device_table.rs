//! What the daemon knows of its devices, as a table that fits a terminal of 100 columns.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::output::{printable, table, wrapped};
use super::super::ui_language::{UiLanguage, device_state};
use crate::texts::technician;

/// Columns of the lines below a device's row.
const WIDTH: usize = 100;
const INDENT: &str = "    ";

/// A device as the daemon reports it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Attended {
    name: String,
    kind: String,
    state: String,
    since: Option<String>,
    profile: Option<String>,
    identity: Option<String>,
    firmware: Option<String>,
    node: Option<String>,
    last_error: Option<String>,
    last_error_at: Option<String>,
    counters: BTreeMap<String, u64>,
}

/// A row for each device; below it what is too long for a column.
pub(super) fn devices_table(language: UiLanguage, devices: &[Attended]) -> String {
    let say = |text| language.text(text);
    let headings = [
        say(technician::HEADING_NAME),
        say(technician::HEADING_STATE),
        say(technician::HEADING_SINCE_CONNECTED),
        say(technician::HEADING_SCANS),
        say(technician::HEADING_DISCARDED),
        say(technician::HEADING_UNENDED),
        say(technician::HEADING_FRAMES),
        say(technician::HEADING_RECONNECTS),
    ];
    let rows: Vec<Vec<String>> = devices.iter().map(|device| row(language, device)).collect();
    let rows = table(&headings, &rows);
    let mut rows = rows.lines();
    let mut lines: Vec<String> = rows.next().map(str::to_owned).into_iter().collect();
    for (row, device) in rows.zip(devices) {
        lines.push(row.to_owned());
        lines.extend(below(language, device));
    }
    lines.join("\n")
}

fn row(language: UiLanguage, device: &Attended) -> Vec<String> {
    let count = |name: &str| {
        let count = device.counters.get(name);
        count.map_or_else(|| "—".to_owned(), u64::to_string)
    };
    let since = device.since.as_deref().and_then(short_time);
    vec![
        device.name.clone(),
        device_state(language, &device.state),
        since.unwrap_or_else(|| "—".to_owned()),
        count("scans"),
        count("discarded"),
        count("unterminated"),
        count("frames"),
        count("reconnects"),
    ]
}

fn below(language: UiLanguage, device: &Attended) -> Vec<String> {
    let mut lines = Vec::new();
    let place = [&device.node, &device.profile];
    let place: Vec<&str> = place.into_iter().flatten().map(String::as_str).collect();
    if !place.is_empty() {
        lines.extend(below_row(&place.join("  ")));
    }
    lines.extend(device.identity.iter().flat_map(|text| below_row(text)));
    if let Some(firmware) = &device.firmware {
        let word = language.text(technician::CHECKS_FIRMWARE);
        lines.extend(below_row(&format!("{word}: {firmware}")));
    }
    if let Some(error) = &device.last_error {
        let at = device.last_error_at.as_deref().and_then(short_time);
        let at = at.map(|at| format!(" {at}")).unwrap_or_default();
        let word = language.text(technician::HEADING_LAST_ERROR);
        lines.extend(below_row(&format!("{word}{at}: {error}")));
    }
    lines
}

/// `25.11 13:05`, of this machine.
fn short_time(at: &str) -> Option<String> {
    let at: Timestamp = at.parse().ok()?;
    let time = crate::base::zone::local_zone().to_datetime(at);
    Some(time.strftime("%d.%m %H:%M").to_string())
}

/// Indented lines.
fn below_row(text: &str) -> Vec<String> {
    let lines = wrapped(&printable(text), WIDTH - INDENT.len());
    lines.iter().map(|line| format!("{INDENT}{line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_columns_and_long_texts_wrap_within_100() {
        let error = format!(
            "cannot open\u{1b} {} {}",
            "/dev/x ".repeat(30),
            "y".repeat(250)
        );
        let devices: Vec<Attended> = serde_json::from_value(serde_json::json!([
            {"name": "scanner1", "kind": "scanner", "state": "no_permission", "since": "2024-11-24T12:00:00.500Z", "profile": "newland-hr22",
                "node": "/dev/oplati/left", "identity": "Newland HR22, SN 1", "firmware": format!("V1 {}", "z".repeat(250)), "last_error": error, "last_error_at": "2024-11-24T12:00:01Z",
                "counters": {"scans": 1_234_567, "discarded": 4, "unterminated": 2, "reconnects": 31}},
            {"name": "display1", "kind": "display", "state": "connected", "profile": null, "node": null, "last_error": null,
                "counters": {"frames": 77, "reconnects": 0}}]))
        .unwrap();
        for (language, words) in [
            (
                UiLanguage::Russian,
                [
                    "нет прав",
                    "чтений",
                    "Newland HR22, SN 1",
                    "прошивка: V1",
                    "последняя ошибка 24.11 ",
                ],
            ),
            (
                UiLanguage::English,
                [
                    "no permission",
                    "scans",
                    "Newland HR22, SN 1",
                    "firmware: V1",
                    "last error 24.11 ",
                ],
            ),
        ] {
            let text = devices_table(language, &devices);
            for line in text.lines() {
                assert!(line.chars().count() <= 100, "{line}");
                assert!(!line.contains(char::is_control), "{line}");
            }
            for word in words {
                assert!(text.contains(word), "{word}\n{text}");
            }
            assert!(text.matches('y').count() >= 250, "{text}");
            let display = text.lines().last().unwrap();
            let cells: Vec<&str> = display.split_whitespace().collect();
            assert_eq!(cells[3..], ["—", "—", "—", "77", "0"], "{text}");
        }
    }
}
