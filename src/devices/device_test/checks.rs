//! What can be reported of a device without a person: by the three levels of a self-test that UnifiedPOS knows,
//! internal (what is known of it), external (the device as it is) and interactive, which is left for a person.

use std::path::Path;

use crate::devices::discovery::access;
use crate::model::check::{Check, Group, Text, Verdict};
use crate::model::device::Device;
use crate::texts::technician;

/// The checks of one device.
pub fn of(facts: &Device) -> Vec<Check> {
    vec![internal(facts), external(facts), interactive(facts)]
}

fn internal(facts: &Device) -> Check {
    let node = facts.node.clone().unwrap_or_default();
    let profile = facts.profile.clone().unwrap_or_default();
    let text = |firmware: &str| {
        let firmware = facts
            .firmware
            .as_ref()
            .map(|answer| format!("{firmware} {answer}"));
        let place = format!("{node} {profile}").trim().to_owned();
        let parts = [Some(place), facts.identity.clone(), firmware];
        Text::same(parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
    };
    let check = Check::pass(
        "device.internal",
        Group::Devices,
        technician::CHECKS_SETTING,
        technician::CHECKS_FIRMWARE.within(text),
    )
    .of(&facts.name);
    let count = |name: &str| facts.recent.get(name).copied().unwrap_or_default();
    let (scans, discarded) = (count("scans"), count("discarded"));
    // Some noise is normal; one spoilt code in twenty is a bad cable or a wrong setting.
    if discarded >= 3 && discarded.saturating_mul(20) > scans {
        return Check {
            detail: technician::checks_spoilt(discarded, scans),
            ..check
        }
        .warn(technician::CHECKS_SPOILT_REMEDY);
    }
    if count("unproven") > 0 {
        let unproven = count("unproven");
        return Check {
            detail: technician::checks_unproven(unproven),
            ..check
        }
        .warn(technician::CHECKS_UNPROVEN_REMEDY);
    }
    check
}

fn external(facts: &Device) -> Check {
    let is_scanner = facts.kind == "scanner";
    let title = if is_scanner {
        technician::CHECKS_SCANNER
    } else {
        technician::CHECKS_DISPLAY
    };
    let node = facts.node.clone().unwrap_or_default();
    let why = facts.last_error.clone().unwrap_or_default();
    let check = |detail: Text| {
        Check::pass("device.external", Group::Devices, title.clone(), detail).of(&facts.name)
    };
    let with_why = |word: &str| {
        Text::same(if why.is_empty() {
            format!("{node}: {word}")
        } else {
            format!("{node}: {word} ({why})")
        })
    };
    match facts.state.as_str() {
        "connected" => check(technician::checks_works(&node)),
        "none" => check(technician::CHECKS_NONE.within(with_why)).ended(Verdict::Skipped, None),
        "unknown" => {
            check(technician::ONLY_DAEMON_KNOWS.within(with_why)).ended(Verdict::Skipped, None)
        }
        state => {
            let (what, remedy) = fault(state, facts, &node);
            check(what.within(with_why)).ended(Verdict::Fail, Some(remedy))
        }
    }
}

/// What keeps a device from working, and what helps.
fn fault(state: &str, facts: &Device, node: &str) -> (Text, Text) {
    match state {
        "missing" => (
            technician::CHECKS_MISSING,
            missing(facts.kind == "scanner", node),
        ),
        "busy" => (technician::CHECKS_BUSY, busy(facts)),
        "no_permission" => (technician::CHECKS_NO_PERMISSION, no_permission(node)),
        "covered" => (
            technician::CHECKS_COVERED,
            technician::CHECKS_COVERED_REMEDY,
        ),
        "dark" => (technician::CHECKS_DARK, technician::CHECKS_DARK_REMEDY),
        "wrong_mode" => (
            technician::CHECKS_WRONG_MODE,
            technician::CHECKS_WRONG_MODE_REMEDY,
        ),
        _ => (technician::CHECKS_FAILED, technician::CHECKS_FAILED_REMEDY),
    }
}

fn missing(is_scanner: bool, node: &str) -> Text {
    // No cable leads to these: a program has to show them.
    if node == "/display" {
        technician::CHECKS_OPEN_PAGE
    } else if node == "window" {
        technician::CHECKS_OPEN_WINDOW
    } else if is_scanner {
        technician::CHECKS_SCANNER_MISSING_REMEDY
    } else {
        technician::CHECKS_DISPLAY_MISSING_REMEDY
    }
}

fn busy(facts: &Device) -> Text {
    // `name (pid) has the port open`, or the system's words.
    let why = facts.last_error.as_deref().unwrap_or_default();
    let holder = why
        .split_once(" has ")
        .map(|(holder, _)| holder)
        .or_else(|| why.split_once(" is held by ").map(|(_, holder)| holder))
        .or_else(|| why.split_once(" is driven by ").map(|(_, holder)| holder));
    // The daemon names only what the system reported; this user may see more.
    let seen = || access::holder(Path::new(facts.node.as_deref()?));
    match holder.map(str::to_owned).or_else(seen) {
        Some(holder) => technician::checks_stop_holder(&holder),
        None => technician::CHECKS_STOP_UNKNOWN_HOLDER,
    }
}

fn no_permission(node: &str) -> Text {
    let known = "udevadm control --reload && udevadm trigger";
    technician::checks_no_permission_remedy(known, node)
}

fn interactive(facts: &Device) -> Check {
    Check::pass(
        "device.interactive",
        Group::Devices,
        technician::CHECKS_INTERACTIVE,
        technician::CHECKS_INTERACTIVE_NOT_DONE,
    )
    .of(&facts.name)
    .ended(Verdict::Skipped, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_or_window_that_is_not_open_wants_no_cable() {
        for (node, remedy) in [("/display", "/display"), ("window", "display --window")] {
            let facts = Device {
                kind: "display".to_owned(),
                state: "missing".to_owned(),
                node: Some(node.to_owned()),
                ..Device::default()
            };
            let remedy_text = external(&facts).remedy.unwrap();
            assert!(remedy_text.ru.contains(remedy) && !remedy_text.ru.contains("кабель"));
        }
    }

    #[test]
    fn every_state_of_a_device_has_its_finding() {
        for (state, verdict) in [
            ("connected", Verdict::Pass),
            ("none", Verdict::Skipped),
            ("missing", Verdict::Fail),
            ("busy", Verdict::Fail),
            ("no_permission", Verdict::Fail),
            ("wrong_mode", Verdict::Fail),
            ("failed", Verdict::Fail),
            ("covered", Verdict::Fail),
            ("dark", Verdict::Fail),
            ("not_supported", Verdict::Fail),
        ] {
            let facts = Device {
                kind: "scanner".to_owned(),
                state: state.to_owned(),
                ..Device::default()
            };
            let check = external(&facts);
            assert_eq!(check.result, verdict, "{state}");
            assert_eq!(check.remedy.is_some(), verdict == Verdict::Fail, "{state}");
        }
    }
}
