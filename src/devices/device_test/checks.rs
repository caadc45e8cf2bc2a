//! What can be told of a device without a person: by the three levels of a self-test that UnifiedPOS knows, internal
//! (what is known of it), external (the device as it is) and interactive, which is left for a person.

use std::path::Path;

use crate::devices::discovery::access;
use crate::model::check::{Check, Group, Text, Verdict};
use crate::model::device::Device;

/// The checks of one device.
pub fn of(facts: &Device) -> Vec<Check> {
    vec![internal(facts), external(facts), interactive(facts)]
}

fn internal(facts: &Device) -> Check {
    let node = facts.node.clone().unwrap_or_default();
    let profile = facts.profile.clone().unwrap_or_default();
    let said = |firmware: &str| {
        let firmware = facts
            .firmware
            .as_ref()
            .map(|said| format!("{firmware} {said}"));
        let place = format!("{node} {profile}").trim().to_owned();
        let parts = [Some(place), facts.identity.clone(), firmware];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    };
    let check = Check::pass(
        "device.internal",
        Group::Devices,
        Text::new("Настройка и профиль", "Setting and profile"),
        Text::new(said("прошивка"), said("firmware")),
    )
    .of(&facts.name);
    let count = |name: &str| facts.recent.get(name).copied().unwrap_or_default();
    let (scans, discarded) = (count("scans"), count("discarded"));
    // Some noise is normal; one spoilt code in twenty is a bad cable or a wrong setting.
    if discarded >= 3 && discarded.saturating_mul(20) > scans {
        return Check {
            detail: Text::new(
                format!("с подключения прочитано {scans}, испорчено {discarded}"),
                format!("since it was connected {scans} read, {discarded} spoilt"),
            ),
            ..check
        }
        .warn(
            "Проверьте кабель, скорость порта и профиль сканера: oplati selftest --interactive",
            "Check cable, line speed and profile of the scanner: oplati selftest --interactive",
        );
    }
    if count("unproven") > 0 {
        let unproven = count("unproven");
        return Check {
            detail: Text::new(
                format!("кодов, которые не прочитала проверка: {unproven}"),
                format!("codes that no decoder read: {unproven}"),
            ),
            ..check
        }
        .warn(
            "Нужен дисплей больше: код на этом слишком мелкий",
            "A larger display is needed: the code is too small on this one",
        );
    }
    check
}

fn external(facts: &Device) -> Check {
    let is_scanner = facts.kind == "scanner";
    let title = if is_scanner {
        Text::new("Сканер подключён", "Scanner is connected")
    } else {
        Text::new("Дисплей подключён", "Display is connected")
    };
    let node = facts.node.clone().unwrap_or_default();
    let why = facts.last_error.clone().unwrap_or_default();
    let check = |ru: &str, en: &str| {
        let with_why = |word: &str| {
            let text = format!("{node}: {word}");
            if why.is_empty() {
                text
            } else {
                format!("{text} ({why})")
            }
        };
        Check::pass(
            "device.external",
            Group::Devices,
            title.clone(),
            Text::new(with_why(ru), with_why(en)),
        )
        .of(&facts.name)
    };
    match facts.state.as_str() {
        "connected" => Check {
            detail: Text::new(format!("{node}: работает"), format!("{node}: works")),
            ..check("", "")
        },
        "none" => check("ни один не подключён", "none is plugged in").ended(Verdict::Skipped, None),
        "unknown" => check(
            "знает только работающая служба",
            "only the running daemon knows",
        )
        .ended(Verdict::Skipped, None),
        state => {
            let (ru, en, remedy) = fault(state, facts, &node);
            check(ru, en).ended(Verdict::Fail, Some(remedy))
        }
    }
}

/// What keeps a device from working, Russian and English, and what helps.
fn fault(state: &str, facts: &Device, node: &str) -> (&'static str, &'static str, Text) {
    match state {
        "missing" => (
            "не подключено",
            "not there",
            missing(facts.kind == "scanner", node),
        ),
        "busy" => (
            "занято другой программой",
            "another program has it",
            busy(facts),
        ),
        "no_permission" => ("нет прав", "no permission", no_permission(node)),
        "covered" => (
            "закрыто другим окном",
            "another window covers it",
            Text::new(
                "Закройте или уберите с монитора покупателя программу, окно которой остаётся поверх окна О!плати",
                "Close the program whose window stays above the buyer's window, or move it off that monitor",
            ),
        ),
        "dark" => (
            "экран погашен",
            "the screen is dark",
            Text::new(
                "Отключите на кассе заставку и энергосбережение экрана: xset s off -dpms",
                "Turn the session's screen saver and power saving off: xset s off -dpms",
            ),
        ),
        "wrong_mode" => (
            "сканер не в том режиме",
            "the scanner is in the wrong mode",
            Text::new(
                "Прочитайте сканером код режима «USB-COM» или «HID POS» из его инструкции; что сейчас подключено и что вписать в oplati.conf — oplati devices",
                "Read the code \"USB-COM\" or \"HID POS\" of the scanner's manual; what is plugged in and what to write into oplati.conf: oplati devices",
            ),
        ),
        _ => (
            "неисправно",
            "out of order",
            Text::new(
                "Выключите и включите устройство; не помогло — oplati devices и лог terminal.log",
                "Turn the device off and on; if that does not help: oplati devices, and terminal.log",
            ),
        ),
    }
}

fn missing(is_scanner: bool, node: &str) -> Text {
    // No cable leads to these: a program has to show them.
    if node == "/display" {
        Text::new(
            "Откройте на дисплее покупателя в браузере страницу /display этой кассы; адрес — [Till] listen в oplati.conf",
            "Open this till's page /display in the browser of the buyer's display; its address is [Till] listen of oplati.conf",
        )
    } else if node == "window" {
        Text::new(
            "Запустите на столе кассира: oplati display --window",
            "Run in the cashier's desktop session: oplati display --window",
        )
    } else if is_scanner {
        Text::new(
            "Проверьте кабель; подключён — впишите в [Scanner] device путь, который печатает oplati devices",
            "Check the cable; if it is plugged in, put the path that oplati devices prints into [Scanner] device",
        )
    } else {
        Text::new(
            "Проверьте кабель и питание дисплея и путь в [Display] device",
            "Check cable and power of the display, and the path in [Display] device",
        )
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
    // The daemon names only what the system said; this user may see more.
    let seen = || access::holder(Path::new(facts.node.as_deref()?));
    match holder.map(str::to_owned).or_else(seen) {
        Some(holder) => Text::new(
            format!("Остановите программу {holder}: устройство нужно службе одной"),
            format!("Stop the program {holder}: the daemon needs the device alone"),
        ),
        None => Text::new(
            "Остановите программу, которая держит устройство: sudo oplati devices назовёт её",
            "Stop the program that has the device: sudo oplati devices names it",
        ),
    }
}

fn no_permission(node: &str) -> Text {
    let known = "udevadm control --reload && udevadm trigger";
    Text::new(
        format!(
            "Выполните: {known}. Права не появились (переходник USB–COM, незнакомый сканер) — oplati devices bind {node} scanner"
        ),
        format!(
            "Run: {known}. If the rights do not come (a USB bridge, an unknown scanner): oplati devices bind {node} scanner"
        ),
    )
}

fn interactive(facts: &Device) -> Check {
    Check::pass(
        "device.interactive",
        Group::Devices,
        Text::new("Проверка с человеком", "Test with a person"),
        Text::new(
            "не проводилась: oplati selftest --interactive",
            "not done: oplati selftest --interactive",
        ),
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
            let told = external(&facts).remedy.unwrap();
            assert!(told.ru.contains(remedy) && !told.ru.contains("кабель"));
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
