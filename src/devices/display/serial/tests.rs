//! Displays on real pseudo-terminals, through the threads of displays.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::{DisplayDevice, SerialDisplay};
use crate::devices::display::Displays;
use crate::devices::profile::Registry;
use crate::devices::testing::{Pty, TEST_TIMEOUT, wait_until};
use crate::model::money::Kopecks;

fn serial(path: &Path, profile: &str) -> DisplayDevice {
    DisplayDevice::Serial(SerialDisplay {
        line: SerialLine {
            path: path.to_owned(),
            settings: None,
        },
        profile: Some(profile.to_owned()),
    })
}

fn profile(id: &str) -> DisplayProfile {
    Registry::built_in().display(id).unwrap().clone()
}

/// The bytes of one scene, and of the opening.
fn bytes_of(id: &str, scene: &Scene) -> Vec<u8> {
    let (steps, _) = steps(&profile(id), scene, &Theme::default()).unwrap();
    steps.into_iter().flat_map(|step| step.bytes).collect()
}

fn ready_of(id: &str) -> Vec<u8> {
    let steps = ready(&profile(id)).into_iter();
    steps.flat_map(|step| step.bytes).collect()
}

fn started(devices: &[DisplayDevice]) -> Displays {
    Displays::start(devices, &Theme::default()).unwrap()
}

fn wait_until_shown(displays: &Displays, scene: &str) {
    wait_until(scene, || displays.state()[0].shows == Some(scene));
}

#[test]
fn every_built_in_vector_comes_out() {
    for profile in Registry::built_in().displays() {
        assert_eq!(failures(profile), Vec::<String>::new(), "{}", profile.id);
        let scenes: Vec<&str> = profile
            .vectors
            .iter()
            .map(|one| one.scene.as_str())
            .collect();
        for needed in ["ready", "qr", "paid"] {
            assert!(scenes.contains(&needed), "{} has no {needed}", profile.id);
        }
    }
}

/// What a box sends later answers other commands.
#[test]
fn the_firmware_that_a_box_reports_is_known_and_a_silent_box_works_as_well() {
    let mut pty = Pty::open();
    let displays = started(&[serial(&pty.node, "mertech-qr-pay")]);
    pty.expect(&ready_of("mertech-qr-pay"));
    let scene = Scene::Paid { amount: Kopecks(1) };
    displays.show(&scene).unwrap();
    pty.expect(&bytes_of("mertech-qr-pay", &scene));
    wait_until_shown(&displays, "paid");
    assert_eq!(displays.state()[0].firmware, None);
    pty.write(b"\x02\xf0\x03V1.07 \x03\x1b");
    let firmware = || displays.state()[0].firmware.clone();
    wait_until("the firmware", || firmware().is_some());
    assert_eq!(firmware().as_deref(), Some("V1.07"));
    displays.stop();
}

#[test]
fn a_wrong_vector_is_reported() {
    let mut lying = profile("pole-utc");
    "no-such".clone_into(&mut lying.vectors[0].scene);
    lying.vectors[1].bytes = "1F".to_owned().try_into().unwrap();
    let reported = failures(&lying);
    assert!(
        reported[0].contains("ready or a scene of idle scan_me"),
        "{reported:?}"
    );
    assert!(reported[1].contains("is sent and not 1F"), "{reported:?}");
}

/// Every profile by the bytes of its vectors, on a real port, read a few bytes at a time.
#[test]
fn every_display_gets_exactly_its_bytes_however_slowly_it_reads() {
    let samples = Scene::samples();
    for profile in Registry::built_in().displays() {
        // It must be answered; it has a test of its own.
        if profile.id == "pole-dsp800" {
            continue;
        }
        let mut pty = Pty::open();
        let displays = started(&[serial(&pty.node, &profile.id)]);
        let vector = |name: &str| {
            let mut vectors = profile.vectors.iter();
            let vector = vectors.find(|one| one.scene == name).unwrap();
            vector.bytes.fixed().unwrap()
        };
        pty.expect(&vector("ready"));
        for name in ["qr", "paid"] {
            let scene = samples.iter().find(|scene| scene.name() == name).unwrap();
            displays.show(scene).unwrap();
            let expected = vector(name);
            for (index, pair) in expected.chunks(3).enumerate() {
                assert_eq!(
                    pty.read(pair.len()),
                    pair,
                    "{} {name} at {index}",
                    profile.id
                );
            }
            wait_until_shown(&displays, scene.name());
        }
        let state = displays.state().remove(0);
        assert_eq!(state.state, "connected");
        assert_eq!(state.profile.as_deref(), Some(profile.id.as_str()));
        assert_eq!(state.node, pty.node.display().to_string());
        displays.stop();
        pty.expect(&bytes_of(&profile.id, &Scene::Idle));
        assert!(
            pty.read_some(1, Duration::ZERO).is_empty(),
            "{}",
            profile.id
        );
    }
}

#[test]
fn a_display_that_is_unplugged_half_way_shows_its_scene_again_after_the_replug() {
    for id in ["mertech-qr-pay", "pole-epson-table-7", "pole-cd5220"] {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("display");
        let mut pty = Pty::open();
        std::os::unix::fs::symlink(&pty.node, &link).unwrap();
        let displays = started(&[serial(&link, id)]);
        pty.expect(&ready_of(id));
        let scene = Scene::qr(
            "https://getapp.o-plati.by/7Q".to_owned(),
            Some(Kopecks(1999)),
        );
        displays.show(&scene).unwrap();
        let whole = bytes_of(id, &scene);
        pty.expect(&whole[..whole.len() / 2]);
        drop(pty);
        wait_until("the loss", || displays.state()[0].state == "missing");
        let state = displays.state().remove(0);
        assert_eq!((state.shows, state.remedy.is_some()), (None, true));
        let mut again = Pty::open();
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&again.node, &link).unwrap();
        again.expect(&ready_of(id));
        again.expect(&whole);
        wait_until_shown(&displays, "qr");
        assert_eq!(displays.state()[0].reconnects, 1);
        displays.stop();
    }
}

/// Answers a DSP-800's commands, each by the next of `answers`, and gives what came.
fn answer(pty: &mut Pty, count: usize, mut answers: impl Iterator<Item = u8>) -> Vec<u8> {
    let (mut came, mut frame) = (Vec::new(), Vec::new());
    while came.len() < count {
        let byte = pty.read(1)[0];
        came.push(byte);
        match byte {
            0x04 => frame = vec![byte],
            0x17 if frame.starts_with(&[0x04, 0x01]) => {
                frame.clear();
                if let Some(answer) = answers.next() {
                    pty.write(&[answer]);
                }
            }
            _ if !frame.is_empty() => frame.push(byte),
            _ => {}
        }
    }
    came
}

#[test]
fn dsp_800_is_spoken_to_step_by_step_as_it_answers() {
    let mut pty = Pty::open();
    let displays = started(&[serial(&pty.node, "pole-dsp800")]);
    let ready = ready_of("pole-dsp800");
    let always = std::iter::repeat(0x06);
    assert_eq!(answer(&mut pty, ready.len(), always.clone()), ready);
    displays.show(&Scene::Declined).unwrap();
    let declined = bytes_of("pole-dsp800", &Scene::Declined);
    assert_eq!(answer(&mut pty, declined.len(), always.clone()), declined);
    wait_until_shown(&displays, "declined");
    // The first command is refused once, and repeated.
    displays.show(&Scene::TimeIsUp).unwrap();
    let time_is_up = bytes_of("pole-dsp800", &Scene::TimeIsUp);
    let repeated = [&time_is_up[..5], &time_is_up].concat();
    let answers = [0x15].into_iter().chain(always);
    assert_eq!(answer(&mut pty, repeated.len(), answers), repeated);
    wait_until_shown(&displays, "time_is_up");
}

#[test]
fn a_dsp_800_that_is_silent_or_refuses_is_reported_and_taken_again_when_it_answers() {
    for (wrong, reason) in [
        (None, "no answer (06 or 15)"),
        (Some(0x15), "refused a command"),
    ] {
        let mut pty = Pty::open();
        let displays = started(&[serial(&pty.node, "pole-dsp800")]);
        let clear = &ready_of("pole-dsp800")[..6];
        let times = if wrong.is_some() { 3 } else { 1 };
        let came = answer(
            &mut pty,
            clear.len() * times,
            std::iter::repeat_n(wrong, times).flatten(),
        );
        assert_eq!(came, clear.repeat(times));
        wait_until("the failure", || displays.state()[0].state == "failed");
        let error = displays.state()[0].last_error.clone().unwrap();
        assert!(error.contains(reason), "{error}");
        displays.show(&Scene::Declined).unwrap();
        let whole = [clear, &bytes_of("pole-dsp800", &Scene::Declined)].concat();
        // It is switched on; attempts of before may still lie in the line.
        let mut came = Vec::new();
        wait_until("the scene", || {
            let more = pty.read_some(1, Duration::ZERO);
            came.extend(&more);
            if more == [0x17] {
                pty.write(&[0x06]);
            }
            came.ends_with(&whole)
        });
        wait_until("the state", || displays.state()[0].state == "connected");
    }
}

#[test]
fn a_code_too_long_for_the_box_goes_to_the_next_display_or_is_refused() {
    let mut pty = Pty::open();
    let qr_box = serial(&pty.node, "mertech-qr-pay");
    let long = Scene::qr("x".repeat(256), Some(Kopecks(1)));
    let displays = started(std::slice::from_ref(&qr_box));
    let refusal = displays.show(&long).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the QR code has 256 bytes, the display takes 255"
    );
    drop(displays);
    let folder = tempfile::tempdir().unwrap();
    let size = crate::config::PixelSize::new(800, 480);
    let path = folder.path().join("buyer.png");
    let picture = DisplayDevice::Png { path, size };
    for other in [picture, DisplayDevice::Web] {
        let displays = started(&[qr_box.clone(), other]);
        assert_eq!(displays.show(&long), Ok(()));
        wait_until("the refusal", || {
            let state = displays.state().remove(0);
            state.last_error.is_some() && state.shows.is_some()
        });
        let state = displays.state().remove(0);
        assert_eq!((state.shows, state.state), (Some("idle"), "connected"));
        assert!(state.last_error.unwrap().contains("takes 255"));
    }
    // A pole display shows no code at all, and so is no way out.
    let pole = Pty::open();
    let displays = started(&[qr_box, serial(&pole.node, "pole-epson")]);
    assert_eq!(displays.show(&long), Err(refusal));
    drop(displays);
    // With a pole display alone the till program has the code.
    let displays = started(&[serial(&pole.node, "pole-epson")]);
    assert_eq!(displays.show(&long), Ok(()));
    let all = pty.read_some(4096, TEST_TIMEOUT);
    assert!(!all.windows(3).any(|part| part == b"xxx"));
}

#[test]
fn control_characters_in_a_code_never_reach_a_box() {
    let Some(capabilities) = SerialPanelDriver::new(
        SerialLine {
            path: "/nonexistent".into(),
            settings: None,
        },
        profile("bonrix-qr-35"),
        &Theme::default(),
    )
    .capabilities() else {
        panic!("a box is known before it is open");
    };
    for bad in ["a\nb", "a**b", "a\u{2}b", &"x".repeat(2954)] {
        let refusal = capabilities
            .refuses(&Scene::qr(bad.to_owned(), None))
            .unwrap();
        assert!(refusal.is_of_payload());
    }
    assert_eq!(
        capabilities.refuses(&Scene::qr("https://x.by/ж".to_owned(), None)),
        None
    );
    assert!(
        capabilities
            .refuses(&Scene::code("1234".to_owned(), None))
            .is_some()
    );
}

#[test]
fn the_line_of_oplati_conf_overrides_that_of_the_profile() {
    use crate::model::line::LineSettings;
    let speed = |settings: Option<LineSettings>| {
        let mut pty = Pty::open();
        let line = SerialLine {
            path: pty.node.clone(),
            settings,
        };
        let mut driver = SerialPanelDriver::new(line, profile("mertech-qr-pay"), &Theme::default());
        let opened = driver.open();
        assert!(opened.is_ok());
        pty.expect(&ready_of("mertech-qr-pay"));
        let modes = rustix::termios::tcgetattr(&pty.master).unwrap();
        modes.output_speed()
    };
    let slow = LineSettings {
        baud: 19_200,
        ..LineSettings::default()
    };
    assert_eq!((speed(None), speed(Some(slow))), (115_200, 19_200));
}
