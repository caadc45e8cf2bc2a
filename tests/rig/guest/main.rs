//! The hardware rig's tests: every kind of scanner, and screens, on the kernel's real drivers, under udev with the
//! package's rules, with the daemon as its own user. Runs as the guest's first program, see
//! `tests/rig/run`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "a test that meets something else than it expects shall fail"
)]

mod devices;
mod firmware;
mod gadgets;
mod host;
mod scenes;
mod screens;
#[path = "../../blackbox/terminal_qr.rs"]
mod terminal_qr;
mod till;
mod unit;
mod walk;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use devices::{Ftdi, Layout, Scanner, Uhid, Uinput};
use gadgets::{GadgetAcm, GadgetKeyboard, GadgetPos};
use host::Host;

/// Of every wait; emulation on a busy machine is slow.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Looks until it is there.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what}: waited for in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Under the unit, only what opens a device in a way that the kinds of scanners do not.
fn is_of_this_guest(scene: &str) -> bool {
    let opens = [
        "codes of 1 to 2900 bytes, exact",
        "typed on for the till, exact",
        "a scanner that reports its firmware",
        "screen fb, text console",
        "screen drm, two cards",
    ];
    !till::is_unit() || opens.contains(&scene)
}

/// Plays a scene and reports how it ended; returns whether all was as expected.
fn plays(host: &Host, name: &str, scene: &mut dyn FnMut() -> String) -> bool {
    let began = Instant::now();
    match catch_unwind(AssertUnwindSafe(scene)) {
        Ok(report) => {
            host.send(&format!(
                "{name:<34} {report}  ({:.1} s)",
                began.elapsed().as_secs_f32()
            ));
            true
        }
        Err(reason) => {
            let text = reason.downcast_ref::<String>().cloned();
            let text = text.or(reason.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            host.send(&format!(
                "{name:<34} FAILED: {}",
                text.unwrap_or_default().replace('\n', " ")
            ));
            scenes::send_log(host);
            false
        }
    }
}

fn main() {
    let Ok(conf) = std::fs::read_to_string("/rig.conf") else {
        println!("This runs in the guest of the hardware rig: see tests/rig/run");
        return;
    };
    let value = |key: &str| {
        let mut lines = conf.lines().filter_map(|line| line.split_once('='));
        lines
            .find(|(name, _)| *name == key)
            .map_or("", |(_, value)| value)
    };
    let replugs: usize = value("replugs").parse().unwrap();
    let only = value("only");
    let host = Host::open();
    let scanners: Vec<Box<dyn Scanner + '_>> = vec![
        Box::new(Uinput::scanner()),
        Box::new(Uhid::new(Layout::Honeywell)),
        Box::new(Uhid::new(Layout::Newland)),
        Box::new(GadgetKeyboard::new()),
        Box::new(GadgetPos::new(Layout::Honeywell)),
        Box::new(GadgetPos::new(Layout::Newland)),
        Box::new(GadgetAcm::new()),
        Box::new(Ftdi { host: &host }),
    ];
    let (mut passed, mut failed) = (0, 0);
    let mut count = |name: &str, scene: &mut dyn FnMut() -> String| match name
        .contains(only)
        .then(|| plays(&host, name, scene))
    {
        Some(true) => passed += 1,
        Some(false) => failed += 1,
        None => {}
    };
    let place = if till::is_unit() {
        "under the package's unit"
    } else {
        "scanner"
    };
    host.send(&format!(
        "{place:<34} latency, and back after a replug: median/most ms"
    ));
    for mut scanner in scanners {
        // A virtual device is back in no time.
        let rounds = if scanner.kind() == "HID POS, uhid, layout A" && !till::is_unit() {
            replugs.max(1000)
        } else {
            replugs
        };
        count(scanner.kind(), &mut || {
            scenes::each_kind(scanner.as_mut(), rounds)
        });
        gadgets::clear();
    }
    for (name, scene) in scenes::OTHERS {
        if is_of_this_guest(name) {
            count(name, &mut || scene());
            gadgets::clear();
        }
    }
    count("a technician's walk", &mut || {
        walk::from_wrong_mode_and_reset_token_to_a_paid_sale()
    });
    for (name, scene) in screens::ALL {
        if is_of_this_guest(name) {
            count(name, &mut || scene(&host));
        }
    }
    if till::is_unit() {
        count("the package's unit holds", &mut || unit::holds());
    }
    host.send(&format!("DONE {passed} passed, {failed} failed"));
}
