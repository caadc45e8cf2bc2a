//! Every configured scanner and display, by the three levels of a self-test that UnifiedPOS knows: internal
//! (what can be reported without the device), external (the device as it is) and interactive (a person
//! looks or reads, see [`crate::devices::device_test`]).
//!
//! A device that the daemon has, only the daemon reports: two who have a port open take each other's bytes.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::environment::{Daemon, Environment};
use crate::config::{Config, DisplayDevice, ScannerDevice};
use crate::core::scene::Scene;
use crate::devices::device_test::checks;
use crate::devices::discovery::{access, sysfs};
use crate::devices::display::{Theme, picture_size, readback};
use crate::devices::profile::Registry;
use crate::devices::scanner::DeviceState;
use crate::devices::scanner::find::DeviceLocator;
use crate::model::check::{Check, Group, Text, Verdict};
use crate::model::device::Device;
use crate::texts::technician;

pub(super) fn devices(ground: &Environment) -> Vec<Check> {
    let mut checks: Vec<Check> = match &ground.daemon {
        Daemon::Runs { devices, .. } => devices
            .iter()
            .filter_map(|device| Device::deserialize(device).ok())
            .flat_map(|facts| checks::of(&facts))
            .collect(),
        Daemon::Closed => vec![unseen(technician::DEVICES_DAEMON_IS_CLOSED)],
        Daemon::Silent(_) | Daemon::Elsewhere(_) => {
            vec![unseen(technician::DEVICES_DAEMON_IS_SILENT)]
        }
        Daemon::Stopped => match &ground.settings {
            Ok(loaded) => {
                let (registry, _) = Registry::load(&ground.paths.profiles());
                let locator = DeviceLocator::new(Arc::new(registry), &loaded.config.scanner);
                look_around(&locator, &loaded.config)
            }
            Err(_) => vec![unseen(technician::SETTINGS_NOT_READ)],
        },
    };
    checks.push(match &ground.daemon {
        Daemon::Runs { frame, devices, .. } => frame_of_daemon(frame, devices),
        Daemon::Closed | Daemon::Silent(_) | Daemon::Elsewhere(_) | Daemon::Stopped => {
            own_frame(ground)
        }
    });
    checks
}

fn unseen(why: Text) -> Check {
    Check::pass(
        "device.external",
        Group::Devices,
        technician::GROUP_DEVICES,
        why,
    )
    .ended(Verdict::Skipped, None)
}

/// Without the daemon: what opening would meet.
pub fn look_around(locator: &DeviceLocator, config: &Config) -> Vec<Check> {
    let scanners = config.scanner.devices.iter().enumerate();
    let scanners = scanners.map(|(index, device)| {
        let looked = locator.look(device);
        let is_optional = *device == ScannerDevice::Auto && looked.state == DeviceState::Missing;
        Device {
            name: format!("scanner{}", index + 1),
            kind: "scanner".to_owned(),
            state: if is_optional {
                "none"
            } else {
                looked.state.word()
            }
            .to_owned(),
            profile: looked.profile,
            identity: sysfs::identity_at(&locator.root, &looked.node),
            node: Some(looked.node.display().to_string()),
            last_error: looked.why,
            ..Device::default()
        }
    });
    let displays = config.display.devices.iter().enumerate();
    let displays = displays.map(|(index, device)| {
        let (node, state, why) = display(device);
        Device {
            name: format!("display{}", index + 1),
            kind: "display".to_owned(),
            state: state.to_owned(),
            identity: node
                .as_ref()
                .and_then(|node| sysfs::identity_at(&locator.root, Path::new(node))),
            node,
            last_error: why,
            ..Device::default()
        }
    });
    scanners
        .chain(displays)
        .flat_map(|facts| checks::of(&facts))
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

fn frame_check(detail: Text) -> Check {
    let title = technician::DEVICES_PICTURE;
    Check::pass("display.frame", Group::Devices, title, detail)
}

fn bad_frame(what: Text) -> Check {
    frame_check(what).fail(technician::DEVICES_RESTART_DAEMON)
}

/// The frame that stands there is a picture, and a code on it can be read.
fn frame_of_daemon(png: &[u8], devices: &[serde_json::Value]) -> Check {
    let Ok(picture) = image::load_from_memory_with_format(png, image::ImageFormat::Png) else {
        return bad_frame(technician::DEVICES_PICTURE_UNREADABLE);
    };
    let picture = picture.to_luma8();
    let (width, height) = picture.dimensions();
    let first = picture.pixels().next().copied();
    if picture.pixels().all(|pixel| Some(*pixel) == first) {
        return bad_frame(technician::DEVICES_PICTURE_EMPTY);
    }
    let shows_code = devices.iter().any(|device| {
        let shows = device.get("shows").and_then(serde_json::Value::as_str);
        matches!(shows, Some("qr" | "card_qr"))
    });
    let mut prepared = rqrr::PreparedImage::prepare(picture);
    let codes = prepared.detect_grids();
    if shows_code && !codes.is_empty() && codes.iter().all(|code| code.decode().is_err()) {
        return bad_frame(technician::DEVICES_CODE_UNREADABLE);
    }
    frame_check(Text::same(format!("{width}×{height}")))
}

/// A code of the usual length, drawn as this till would and read back.
fn own_frame(ground: &Environment) -> Check {
    let settings = ground.settings.as_ref().ok();
    let config = settings.map(|loaded| &loaded.config);
    let size = picture_size(config.map_or(&[], |config| &config.display.devices));
    let look = config.map_or_else(Theme::default, |config| Theme::of(config, None));
    let code = "https://getapp.o-plati.by/map/?app_link=0123456789abcdef0123456789abcdef";
    match readback::render_verified(&Scene::qr(code.to_owned(), None), size, &look, 0) {
        Ok((_, Some(readback))) if readback.is_read => {
            let shown = format!("{}×{}", size.width, size.height);
            frame_check(technician::devices_code_was_read(&shown))
        }
        Ok(_) | Err(_) => frame_check(technician::DEVICES_CODE_HAS_NO_ROOM)
            .fail(technician::DEVICES_LARGER_PICTURE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::discovery::report_descriptor::tests::KEYBOARD_LIKE;
    use crate::devices::discovery::sysfs::tests::{KEYS, Tree};

    #[test]
    fn a_scanner_that_was_reset_to_a_keyboard_is_found_and_its_remedy_named() {
        let tree = Tree::new();
        tree.usb("1-2", "0c2e", "0b81", "");
        tree.keyboard("1-2", "event3", KEYS);
        tree.hidraw("1-2", "hidraw3", "00000C2E:00000B81", KEYBOARD_LIKE);
        let root = tempfile::tempdir().unwrap();
        let mut config = crate::config::load(root.path()).unwrap().config;
        let locator = DeviceLocator {
            root: tree.path().to_owned(),
            ..DeviceLocator::new(Arc::new(Registry::built_in()), &config.scanner)
        };
        config.display.devices.clear();
        for device in [
            ScannerDevice::Auto,
            ScannerDevice::Hid {
                path: "/nonexistent/oplati/honeywell".into(),
            },
        ] {
            config.scanner.devices = vec![device];
            let checks = look_around(&locator, &config);
            let found = checks.iter().find(|check| check.result == Verdict::Fail);
            let found = found.unwrap_or_else(|| panic!("nothing found: {checks:?}"));
            assert_eq!(found.id, "device.external");
            assert!(found.detail.ru.contains("не в том режиме"), "{found:?}");
            let remedy = found.remedy.as_ref().unwrap();
            assert!(remedy.ru.contains("USB-COM") && remedy.ru.contains("HID POS"));
        }
    }
}
