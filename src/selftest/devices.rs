//! Every configured scanner and display, by the three levels of a self-test that UnifiedPOS knows: internal
//! (what can be told without the device), external (the device as it is) and interactive (a person
//! looks or reads, see [`super::closed_loop`]).
//!
//! A device that the daemon has is its to tell of: two who have a port open take each other's bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::ground::{Daemon, Ground};
use crate::config::{Config, DisplayDevice, ScannerDevice};
use crate::discover::{access, sysfs};
use crate::display::{Look, Scene, picture_size, proof};
use crate::model::check::{Check, Group, Text, Verdict};
use crate::profile::Registry;
use crate::scanner::DeviceState;
use crate::scanner::find::Knowledge;

/// What is known of a device, as the API tells it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Facts {
    /// `scanner1`.
    pub name: String,
    /// `scanner` or `display`.
    pub kind: String,
    /// As in health.
    pub state: String,
    /// Profile id.
    pub profile: Option<String>,
    /// What the device says of itself: maker, product, serial number, release.
    #[serde(default)]
    pub identity: Option<String>,
    /// Its answer to a firmware query.
    #[serde(default)]
    pub firmware: Option<String>,
    /// The node.
    pub node: Option<String>,
    /// The last thing that went wrong, English.
    pub last_error: Option<String>,
    /// Named counts since the device is as it is.
    #[serde(default)]
    pub recent: std::collections::BTreeMap<String, u64>,
}

pub(super) fn devices(ground: &Ground) -> Vec<Check> {
    let mut checks: Vec<Check> = match &ground.daemon {
        Daemon::Runs { devices, .. } => devices
            .iter()
            .filter_map(|device| Facts::deserialize(device).ok())
            .flat_map(|facts| of(&facts))
            .collect(),
        Daemon::Closed => vec![unseen(
            "служба не пускает этого пользователя, запустите с sudo",
            "the daemon does not let this user, run with sudo",
        )],
        Daemon::Silent(_) => vec![unseen(
            "служба их держит, но не отвечает",
            "the daemon has them, but does not answer",
        )],
        Daemon::Stopped => match &ground.settings {
            Ok(loaded) => {
                let (registry, _) = Registry::load(&ground.paths.profiles());
                let knowledge = Knowledge {
                    registry: Arc::new(registry),
                    profile: loaded.config.scanner.profile.clone(),
                    layout: loaded.config.scanner.layout,
                    root: PathBuf::from("/"),
                    claims: Arc::default(),
                };
                look_around(&knowledge, &loaded.config)
            }
            Err(_) => vec![unseen(
                "oplati.conf не читается",
                "oplati.conf cannot be read",
            )],
        },
    };
    checks.push(match &ground.daemon {
        Daemon::Runs { frame, devices, .. } => frame_of_daemon(frame, devices),
        Daemon::Closed | Daemon::Silent(_) | Daemon::Stopped => own_frame(ground),
    });
    checks
}

fn unseen(ru: &str, en: &str) -> Check {
    Check::pass(
        "device.external",
        Group::Devices,
        Text::new("Устройства", "Devices"),
        Text::new(ru, en),
    )
    .ended(Verdict::Skipped, None)
}

/// Without the daemon: what opening would meet.
#[must_use]
pub fn look_around(knowledge: &Knowledge, config: &Config) -> Vec<Check> {
    let scanners = config.scanner.devices.iter().enumerate();
    let scanners = scanners.map(|(index, device)| {
        let looked = knowledge.look(device);
        let is_optional = *device == ScannerDevice::Auto && looked.state == DeviceState::Missing;
        Facts {
            name: format!("scanner{}", index + 1),
            kind: "scanner".to_owned(),
            state: if is_optional {
                "none"
            } else {
                looked.state.word()
            }
            .to_owned(),
            profile: looked.profile,
            identity: sysfs::identity_at(&knowledge.root, &looked.node),
            firmware: None,
            node: Some(looked.node.display().to_string()),
            last_error: looked.why,
            recent: std::collections::BTreeMap::new(),
        }
    });
    let displays = config.display.devices.iter().enumerate();
    let displays = displays.map(|(index, device)| {
        let (node, state, why) = display(device);
        Facts {
            name: format!("display{}", index + 1),
            kind: "display".to_owned(),
            state: state.to_owned(),
            profile: None,
            identity: node
                .as_ref()
                .and_then(|node| sysfs::identity_at(&knowledge.root, Path::new(node))),
            firmware: None,
            node,
            last_error: why,
            recent: std::collections::BTreeMap::new(),
        }
    });
    scanners
        .chain(displays)
        .flat_map(|facts| of(&facts))
        .collect()
}

/// Node, state and reason of a display that nobody has.
fn display(device: &DisplayDevice) -> (Option<String>, &'static str, Option<String>) {
    let node = |path: &Path| {
        let shown = Some(path.display().to_string());
        let Ok(real) = std::fs::canonicalize(path) else {
            return (shown, "missing", Some("no such node".to_owned()));
        };
        if let Some(holder) = access::holder(&real) {
            return (shown, "busy", Some(format!("{holder} has it open")));
        }
        if access::is_allowed(&real) {
            (shown, "connected", None)
        } else {
            (shown, "no_permission", None)
        }
    };
    match device {
        DisplayDevice::Serial(display) => node(&display.line.path),
        DisplayDevice::Framebuffer { path } => node(path),
        DisplayDevice::Png { path, .. } => {
            let folder = path.parent().unwrap_or(path);
            let shown = Some(path.display().to_string());
            if folder.is_dir() {
                (shown, "connected", None)
            } else {
                (shown, "missing", Some("no such folder".to_owned()))
            }
        }
        DisplayDevice::Drm { connector } => {
            let connector = connector.as_deref().unwrap_or("drm");
            (Some(connector.to_owned()), "unknown", None)
        }
        DisplayDevice::Auto => (Some("auto".to_owned()), "unknown", None),
        DisplayDevice::Window => (Some("window".to_owned()), "unknown", None),
        DisplayDevice::Web => (Some("/display".to_owned()), "unknown", None),
    }
}

/// The checks of one device.
#[must_use]
pub fn of(facts: &Facts) -> Vec<Check> {
    vec![internal(facts), external(facts), interactive(facts)]
}

fn internal(facts: &Facts) -> Check {
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
        .ended(
            Verdict::Warn,
            Some(Text::new(
                "Проверьте кабель, скорость порта и профиль сканера: oplati selftest --interactive",
                "Check cable, line speed and profile of the scanner: oplati selftest --interactive",
            )),
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
        .ended(
            Verdict::Warn,
            Some(Text::new(
                "Нужен дисплей больше: код на этом слишком мелкий",
                "A larger display is needed: the code is too small on this one",
            )),
        );
    }
    check
}

fn external(facts: &Facts) -> Check {
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
    let fail = |ru: &str, en: &str, remedy: Text| check(ru, en).ended(Verdict::Fail, Some(remedy));
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
        "missing" => fail("не подключено", "not there", missing(is_scanner, &node)),
        "busy" => fail(
            "занято другой программой",
            "another program has it",
            busy(facts),
        ),
        "no_permission" => fail("нет прав", "no permission", no_permission(&node)),
        "covered" => fail(
            "закрыто другим окном",
            "another window covers it",
            Text::new(
                "Закройте или уберите с монитора покупателя программу, окно которой остаётся поверх окна О!плати",
                "Close the program whose window stays above the buyer's window, or move it off that monitor",
            ),
        ),
        "dark" => fail(
            "экран погашен",
            "the screen is dark",
            Text::new(
                "Отключите на кассе заставку и энергосбережение экрана: xset s off -dpms",
                "Turn the session's screen saver and power saving off: xset s off -dpms",
            ),
        ),
        "wrong_mode" => fail(
            "сканер не в том режиме",
            "the scanner is in the wrong mode",
            Text::new(
                "Прочитайте сканером код режима «USB-COM» или «HID POS» из его инструкции; что сейчас подключено и что вписать в oplati.conf — oplati devices",
                "Read the code \"USB-COM\" or \"HID POS\" of the scanner's manual; what is plugged in and what to write into oplati.conf: oplati devices",
            ),
        ),
        _ => fail(
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

fn busy(facts: &Facts) -> Text {
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

fn interactive(facts: &Facts) -> Check {
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

fn frame_check(detail: Text) -> Check {
    let title = Text::new("Картинка покупателя", "The buyer's picture");
    Check::pass("display.frame", Group::Devices, title, detail)
}

fn bad_frame(ru: &str, en: &str) -> Check {
    frame_check(Text::new(ru, en)).ended(
        Verdict::Fail,
        Some(Text::new(
            "Перезапустите службу: systemctl restart oplati; повторилось — oplati selftest --save и в поддержку",
            "Restart the daemon: systemctl restart oplati; if it happens again: oplati selftest --save, and to support",
        )),
    )
}

/// The frame that stands there is a picture, and a code on it can be read.
fn frame_of_daemon(png: &[u8], devices: &[serde_json::Value]) -> Check {
    let Ok(picture) = image::load_from_memory_with_format(png, image::ImageFormat::Png) else {
        return bad_frame("картинка не читается", "the picture cannot be read");
    };
    let picture = picture.to_luma8();
    let (width, height) = picture.dimensions();
    let first = picture.pixels().next().copied();
    if picture.pixels().all(|pixel| Some(*pixel) == first) {
        return bad_frame("картинка пуста", "the picture is empty");
    }
    let shows_code = devices.iter().any(|device| {
        let shows = device.get("shows").and_then(serde_json::Value::as_str);
        matches!(shows, Some("qr" | "card_qr"))
    });
    let mut prepared = rqrr::PreparedImage::prepare(picture);
    let codes = prepared.detect_grids();
    if shows_code && !codes.is_empty() && codes.iter().all(|code| code.decode().is_err()) {
        return bad_frame(
            "код на картинке не читается",
            "the code on the picture cannot be read",
        );
    }
    frame_check(Text::same(format!("{width}×{height}")))
}

/// A code of the usual length, drawn as this till would and read back.
fn own_frame(ground: &Ground) -> Check {
    let settings = ground.settings.as_ref().ok();
    let config = settings.map(|loaded| &loaded.config);
    let size = picture_size(config.map_or(&[], |config| &config.display.devices));
    let look = config.map_or_else(Look::default, |config| Look::of(config, None));
    let code = "https://getapp.o-plati.by/map/?app_link=0123456789abcdef0123456789abcdef";
    match proof::painted(&Scene::qr(code.to_owned(), None), size, &look, 0) {
        Ok((_, Some(proof))) if proof.is_read => {
            let shown = format!("{}×{}", size.width, size.height);
            frame_check(Text::new(
                format!("{shown}: пробный код прочитан"),
                format!("{shown}: a trial code was read"),
            ))
        }
        Ok(_) | Err(_) => frame_check(Text::new(
            "пробный код не помещается или не читается",
            "a trial code has no room or cannot be read",
        ))
        .ended(
            Verdict::Fail,
            Some(Text::new(
                "Задайте больший размер картинки в [Display] device",
                "Give the picture in [Display] device a larger size",
            )),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::sysfs::tests::{KEYS, Tree};
    use crate::scanner::hid::tests::KEYBOARD;

    #[test]
    fn a_scanner_that_was_reset_to_a_keyboard_is_found_and_its_remedy_named() {
        let tree = Tree::new();
        tree.usb("1-2", "0c2e", "0b81", "");
        tree.keyboard("1-2", "event3", KEYS);
        tree.hidraw("1-2", "hidraw3", "00000C2E:00000B81", KEYBOARD);
        let knowledge = Knowledge {
            registry: Arc::new(Registry::built_in()),
            profile: None,
            layout: None,
            root: tree.path().to_owned(),
            claims: Arc::default(),
        };
        let root = tempfile::tempdir().unwrap();
        let mut config = crate::config::load(root.path()).unwrap().config;
        config.display.devices.clear();
        for device in [
            ScannerDevice::Auto,
            ScannerDevice::Hid {
                path: "/nonexistent/oplati/honeywell".into(),
            },
        ] {
            config.scanner.devices = vec![device];
            let checks = look_around(&knowledge, &config);
            let found = checks.iter().find(|check| check.result == Verdict::Fail);
            let found = found.unwrap_or_else(|| panic!("nothing found: {checks:?}"));
            assert_eq!(found.id, "device.external");
            assert!(found.detail.ru.contains("не в том режиме"), "{found:?}");
            let remedy = found.remedy.as_ref().unwrap();
            assert!(remedy.ru.contains("USB-COM") && remedy.ru.contains("HID POS"));
        }
    }

    #[test]
    fn a_page_or_window_that_is_not_open_wants_no_cable() {
        for (node, remedy) in [("/display", "/display"), ("window", "display --window")] {
            let facts = Facts {
                kind: "display".to_owned(),
                state: "missing".to_owned(),
                node: Some(node.to_owned()),
                ..Facts::default()
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
            let facts = Facts {
                kind: "scanner".to_owned(),
                state: state.to_owned(),
                ..Facts::default()
            };
            let check = external(&facts);
            assert_eq!(check.result, verdict, "{state}");
            assert_eq!(check.remedy.is_some(), verdict == Verdict::Fail, "{state}");
        }
    }
}
