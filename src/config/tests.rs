use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::base::text::assert_has;

fn root_with(text: impl AsRef<[u8]>) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let path = Paths::below(root.path()).config();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    root
}

fn bad(text: &str) -> String {
    load(root_with(text).path())
        .map(|_| ())
        .unwrap_err()
        .to_string()
}

fn warnings(text: &str) -> Vec<String> {
    let loaded = load(root_with(text).path()).unwrap();
    loaded.warnings.iter().map(ToString::to_string).collect()
}

fn is_unreadable(root: &tempfile::TempDir, why: &str) {
    let error = load(root.path()).unwrap_err();
    assert!(
        matches!(&error, ConfigError::Unreadable { source, .. } if source.to_string() == why),
        "{error:?}"
    );
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let root = root_with("");
    let path = Paths::below(root.path()).config();
    std::fs::remove_file(&path).unwrap();
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, name, rustix::fs::Mode::RUSR).unwrap();
    for _ in 0..2 {
        is_unreadable(&root, "not a regular file");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    }
}

#[test]
fn a_link_that_leads_nowhere_is_no_missing_file() {
    let root = root_with("");
    let path = Paths::below(root.path()).config();
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("elsewhere.conf", &path).unwrap();
    is_unreadable(&root, "a link that leads nowhere");
}

#[test]
fn a_missing_file_means_the_seeds_defaults() {
    let root = tempfile::tempdir().unwrap();
    let loaded = load(root.path()).unwrap();
    assert_eq!(
        loaded.source,
        Source::Defaults(Paths::below(root.path()).config())
    );
    let main = &loaded.config.main;
    assert_eq!(
        (main.url.as_str(), main.timeout, main.mode),
        (
            "http://localhost",
            Duration::from_secs(10),
            Mode::ConsumerQr
        )
    );
    assert_eq!(
        (main.wait_buyer, main.settle, main.journal_days),
        (Duration::from_secs(180), Duration::from_secs(30), 400)
    );
    assert_eq!(
        (main.poll_payment, main.poll_session),
        (Duration::from_secs(5), Duration::from_secs(2))
    );
    assert_eq!(
        (main.wallet_name.as_str(), main.reconcile_at),
        ("О!плати", None)
    );
    assert_eq!(
        (main.reg_num.as_deref(), loaded.config.till.listen),
        (None, None)
    );
    assert_eq!(
        loaded.config.till.socket,
        root.path().join("run/oplati/till.sock")
    );
    assert!(loaded.lines.iter().all(|line| line.origin == "default"));
    assert!(loaded.warnings.is_empty());
}

#[test]
fn the_seeds_example_with_everything_set() {
    let text = "\u{feff}[Main]\r\n; Адрес сервера\r\nurl = https://cashboxapi.o-plati.by/\r\ntimeout = 3\r\nregNum = OPL000011111\r\nmode = 2\r\npassword = hunter2\r\n[Scanner]\r\ndevice = serial:/dev/ttyACM0@115200,8E1, keyboard:/dev/input/event3\r\nlayout = ru\r\nshare = yes\r\nbuyerCode = https://a, OPL\r\n[Display]\r\ndevice = png:/run/x@y.png@1024x600, web, drm:HDMI-A-1\r\nlanguage = be\r\nshopName = Магазин «Ромашка»\r\nrotate = 90\r\n[Till]\r\nlisten = 127.0.0.1:8016\r\nsocket = my/till.sock\r\n";
    let root = root_with(text);
    let loaded = load(root.path()).unwrap();
    assert_eq!(loaded.warnings, []);
    let Config {
        main,
        scanner,
        display,
        till,
    } = loaded.config;
    assert_eq!(main.url, "https://cashboxapi.o-plati.by");
    assert_eq!(
        (main.mode, main.reg_num.as_deref()),
        (Mode::DynamicQr, Some("OPL000011111"))
    );
    assert_eq!(main.password, Some(Secret::new("hunter2")));
    let line = SerialLine {
        path: PathBuf::from("/dev/ttyACM0"),
        settings: Some(LineSettings {
            baud: 115_200,
            data_bits: 8,
            parity: Parity::Even,
            stop_bits: 1,
        }),
    };
    let keyboard = ScannerDevice::Keyboard {
        path: PathBuf::from("/dev/input/event3"),
    };
    assert_eq!(scanner.devices, [ScannerDevice::Serial(line), keyboard]);
    assert_eq!(scanner.buyer_code, ["https://a", "OPL"]);
    let png = DisplayDevice::Png {
        path: PathBuf::from("/run/x@y.png"),
        size: PixelSize::new(1024, 600),
    };
    assert_eq!(
        display.devices,
        [
            png,
            DisplayDevice::Web,
            DisplayDevice::Drm {
                connector: Some("HDMI-A-1".into())
            }
        ]
    );
    assert_eq!((display.language, display.rotate), (Language::Be, 90));
    assert_eq!(till.socket, root.path().join("my/till.sock"));
    let shown = format!("{:?}", loaded.lines);
    assert!(!shown.contains("hunter2") && shown.contains("***") && shown.contains("oplati.conf:7"));
}

#[test]
fn displays_on_serial_ports_have_one_profile_or_one_each() {
    let profiles = |device: &str, profile: &str| {
        let text = format!("[Display]\ndevice = {device}\nprofile = {profile}\n");
        let devices = load(root_with(&text).path())
            .unwrap()
            .config
            .display
            .devices;
        let serial = devices.into_iter().filter_map(|device| {
            let DisplayDevice::Serial(display) = device else {
                return None;
            };
            Some((display.line.settings, display.profile))
        });
        serial.collect::<Vec<_>>()
    };
    let of = |id: &str| (None, Some(id.to_owned()));
    let two = "serial:/dev/a, web, serial:/dev/b";
    assert_eq!(profiles(two, "x"), [of("x"), of("x")]);
    assert_eq!(profiles(two, "x, y"), [of("x"), of("y")]);
    assert_eq!(profiles(two, ""), [(None, None), (None, None)]);
    let fast = profiles("serial:/dev/a@115200,7E2", "x");
    assert_eq!(
        fast[0].0.map(|line| (line.baud, line.data_bits)),
        Some((115_200, 7))
    );
    let message = bad(&format!("[Display]\ndevice = {two}\nprofile = x, y, z\n"));
    assert_has(&message, ["oplati.conf:3", "or 2 of them"]);
    let message = bad("[Display]\nprofile = Bad!\n");
    assert!(message.contains("a-z 0-9 -"), "{message}");
}

#[test]
fn each_bad_value_is_named_with_its_place_and_what_is_allowed() {
    let message = bad(
        "[Main]\nmode = 7\ntimeout = 0\nregNum = 11111\npassword = пароль\n[Till]\nlisten = 0.0.0.0:80\n",
    );
    for part in [
        "oplati.conf:2: [Main] mode = 7: allowed: 0, 1, 2",
        "oplati.conf:3",
        "1 to 300",
        "oplati.conf:4",
        "OPL000011111",
        "oplati.conf:7",
        "loopback",
    ] {
        assert!(message.contains(part), "{part} is missing in:\n{message}");
    }
    assert!(message.contains("password = ***") && !message.contains("пароль"));
}

#[test]
fn an_address_that_the_client_cannot_call_is_refused() {
    for wrong in [
        "http://[::1",
        "http://]",
        "http://256.1.1.1",
        "http://1.2.3.4.5",
        "http://.",
        "http://a_b..c",
        "http://..",
        "http://[::1]x",
        "http://[zz]",
        "https://h:8o/",
    ] {
        let message = bad(&format!("[Main]\nurl = {wrong}\n"));
        assert!(
            message.contains("oplati.conf:2: [Main] url = "),
            "{wrong}: {message}"
        );
    }
    for right in [
        "http://[::1]:8016",
        "http://127.0.0.1",
        "https://till_1.shop.by/cashbox",
        "https://h.",
    ] {
        load(root_with(format!("[Main]\nurl = {right}\n")).path()).expect(right);
    }
}

#[test]
fn what_an_address_should_not_hold_is_not_repeated() {
    for (wrong, shown) in [
        ("http://bob:S3cret@h", "http://***@h"),
        ("http://bob:S3/c?r#et@h/x", "http://***@h/x"),
        ("https://h/?token=S3cret", "https://h/?***"),
        ("https://h/#S3cret", "https://h/#***"),
        ("bob:S3cret@h", "***@h"),
        ("h?to=http://S3cret", "h?***"),
    ] {
        let message = bad(&format!("[Main]\nurl = {wrong}\n"));
        assert!(
            message.contains(&format!("[Main] url = {shown}: allowed")),
            "{message}"
        );
        assert!(
            !message.contains("S3") && !message.contains("et@"),
            "{message}"
        );
    }
}

#[test]
fn a_broken_head_is_an_error_that_keeps_other_sections_as_they_are() {
    let message = bad("[Scanner]\ndevice = auto\n[Display] ; buyer\ndevice = png:/run/x.png\n");
    assert!(!message.contains(":4:"), "{message}");
    assert_has(
        &message,
        ["oplati.conf:3: section = [Display] ; buyer: allowed: [Main]"],
    );
}

#[test]
fn what_is_odd_is_reported_beside_what_is_wrong() {
    let message = bad("[Main]\nregnum = OPL000011111\nmode = 7\n[Display\n");
    let places: Vec<usize> = [":2: unknown key", ":3: [Main] mode", ":4: section"]
        .iter()
        .map(|part| message.find(part).expect(part))
        .collect();
    assert!(places.is_sorted(), "{message}");
}

#[test]
fn mistakes_that_nobody_sees_are_named() {
    let message = bad("[Main]\nregNum = \u{41e}PL000011111\nurl = \u{200b}https://h\n");
    assert!(message.contains("U+041E (\u{41e})") && message.contains("= <U+200B>https://h"));
    let warned = warnings(
        "[Main]\nr\u{435}gNum = OPL000011111\n[Scanner]\ndevice = serial:/dev/ttyACM0 ; left\n[Till]\nsocket = /run/till.sock # till\n",
    );
    assert_has(&warned[0], ["nearest is regNum; character 2 is U+0435"]);
    assert_has(&warned[1], [":4: [Scanner] device: ; and what follows"]);
    assert_has(&warned[2], [":6: [Till] socket: # and what follows"]);
}

#[test]
fn the_wrong_part_of_a_list_is_named_and_what_is_cut_has_a_mark() {
    let right = "serial:/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0@9600";
    let message = bad(&format!(
        "[Scanner]\ndevice = {right}, hid:/dev/hidraw0, keybord:/dev/input/event3\n"
    ));
    assert_has(
        &message,
        ["…: allowed: ", "wrong is keybord:/dev/input/event3"],
    );
    let message = bad("[Scanner]\ndevice = serial:/dev/serial/by-id/usb-A@Home-if00\n");
    assert_has(&message, ["Home-if00 is not", "usb-A@Home-if00@9600"]);
    load(root_with("[Scanner]\ndevice = serial:/dev/serial/by-id/usb-A@Home-if00@9600\n").path())
        .unwrap();
}

#[test]
fn a_port_of_a_scanner_and_a_display_is_reported_with_both_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (port, link) = (folder.path().join("port"), folder.path().join("link"));
    std::fs::write(&port, "").unwrap();
    std::os::unix::fs::symlink(&port, &link).unwrap();
    for other in [&port, &link] {
        let message = bad(&format!(
            "[Scanner]\ndevice = hid:/dev/hidraw0, serial:{}@9600\n[Display]\ndevice = web, serial:{}\n",
            port.display(),
            other.display()
        ));
        assert_has(&message, [":2: [Scanner] device", "line 4 gives"]);
        assert_has(&message, [":4: [Display] device", "line 2 gives"]);
    }
    load(
        root_with("[Scanner]\ndevice = serial:/dev/a\n[Display]\ndevice = serial:/dev/b\n").path(),
    )
    .unwrap();
}

#[test]
fn a_file_in_utf_16_without_its_mark_is_named() {
    let text: Vec<u8> = "; a\n[Main]\nmode = 1\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let error = load(root_with(text).path()).unwrap_err();
    assert!(
        matches!(error, ConfigError::Nul { line: 2, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("UTF-16"));
}

#[test]
fn values_out_of_bounds_are_refused() {
    for line in [
        "[Main]\nurl = ftp://x",
        "[Main]\nurl = http://",
        "[Main]\nurl = http://h:99999",
        "[Main]\nurl = http://u@h/",
        "[Main]\nurl = http://h/a/../b",
        "[Main]\ntimeout = 301",
        "[Main]\ntimeout = 1.5",
        "[Main]\nwaitBuyer = 9",
        "[Main]\nsettle = 601",
        "[Main]\njournalDays = 0",
        "[Main]\nvalutcode = -1",
        "[Main]\npollPayment = 0",
        "[Main]\npollPayment = 61",
        "[Main]\npollSession = 0",
        "[Main]\npollSession = 11",
        "[Main]\npollSession = 2s",
        "[Main]\nwalletName = Опл\u{202e}ати",
        "[Main]\nwalletName = \u{200b}",
        "[Main]\nwalletName = 012345678901234567890123456789012",
        "[Main]\nreconcileAt = on",
        "[Main]\nreconcileAt = 24:00",
        "[Main]\nreconcileAt = 4:30",
        "[Main]\nreconcileAt = 04:60",
        "[Main]\nreconcileAt = +4:30",
        "[Main]\nreconcileAt = 04:30:00",
        "[Scanner]\ndevice = serial:",
        "[Scanner]\ndevice = serial:/dev/ttyS0@9601",
        "[Scanner]\ndevice = auto, hid:/dev/hidraw0",
        "[Scanner]\ndevice = usb:1",
        "[Scanner]\nshare = да",
        "[Scanner]\nlayout = de",
        "[Display]\ndevice = png:/a@319x240",
        "[Display]\ndevice = png:/a@3841x10",
        "[Display]\ndevice = png:/tmp/",
        "[Display]\ndevice = drm:",
        "[Display]\ndevice = web, web",
        "[Scanner]\ndevice = hid:/dev/hidraw0, hid:/dev/hidraw0",
        "[Display]\nlanguage = de",
        "[Display]\nrotate = 45",
        "[Display]\nprofile = ../x",
        "[Till]\nlisten = 127.0.0.1:0",
        "[Till]\nlisten = 127.0.0.2:8016",
        "[Till]\nlisten = 8016",
    ] {
        let message = bad(line);
        assert!(
            message.contains("oplati.conf:2: ") && message.contains("allowed"),
            "{line}: {message}"
        );
    }
}

#[test]
fn pauses_the_wallets_name_and_the_daily_check() {
    let text = "[Main]\npollPayment = 60\npollSession = 1\nwalletName =  Оплати \u{a0}\nreconcileAt = 04:30\n";
    let main = load(root_with(text).path()).unwrap().config.main;
    assert_eq!(
        (main.poll_payment, main.poll_session),
        (Duration::from_secs(60), Duration::from_secs(1))
    );
    assert_eq!(main.wallet_name, "Оплати");
    assert_eq!(main.reconcile_at, Some(jiff::civil::time(4, 30, 0, 0)));
    let of = |text: &str| {
        let loaded = load(root_with(format!("[Main]\n{text}\n")).path());
        loaded.unwrap().config.main
    };
    assert_eq!(
        of("reconcileAt = 00:00").reconcile_at,
        Some(jiff::civil::Time::midnight())
    );
    assert_eq!(of("reconcileAt = off").reconcile_at, None);
    assert_eq!(of("walletName =").wallet_name, "О!плати");
    let longest = "Ж".repeat(32);
    assert_eq!(of(&format!("walletName = {longest}")).wallet_name, longest);
}

#[test]
fn unknown_names_get_the_nearest_known_one() {
    assert_has(
        &warnings("[Main]\nmod = 1\n")[0],
        ["oplati.conf:2: unknown key mod in [Main]; the nearest is mode"],
    );
    assert!(warnings("[Main]\nregnum = x\n")[0].contains("the nearest is regNum"));
    assert!(warnings("[Scaner]\ndevice = none\n")[0].contains("[Scanner]"));
    assert!(warnings("mode = 1\n")[0].contains("before any [Section]"));
}

#[test]
fn doubled_keys_are_named_and_the_last_one_wins() {
    let root = root_with("[Main]\nmode = 1\nmode = 2\n");
    let loaded = load(root.path()).unwrap();
    assert_eq!(loaded.config.main.mode, Mode::DynamicQr);
    assert_has(
        &loaded.warnings[0].to_string(),
        ["oplati.conf:2: mode stands again in line 3"],
    );
}

#[test]
fn plain_http_beyond_this_machine_is_a_warning() {
    assert!(warnings("[Main]\nurl = http://192.168.0.9\n")[0].contains("https"));
    for private in [
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]:80",
        "https://cashboxapi.o-plati.by",
    ] {
        assert_eq!(
            warnings(&format!("[Main]\nurl = {private}\n")),
            Vec::<String>::new()
        );
    }
}

#[test]
fn a_comment_may_be_in_any_coding_and_nothing_else() {
    let root =
        root_with(b"; \xc0\xe4\xf0\xe5\xf1\n[Main]\n  # \xff\r\nmode = 2\n\xef\xbb\xbf; \xc0");
    let loaded = load(root.path()).unwrap();
    assert_eq!(
        (loaded.config.main.mode, loaded.warnings),
        (Mode::DynamicQr, vec![])
    );
    assert!(
        loaded
            .lines
            .iter()
            .any(|line| line.origin == "oplati.conf:4")
    );
    // UTF-16, a section, a line that means nothing.
    for bad in [
        &b"\xff\xfe;\0\n\0"[..],
        b"[\xc0]\n",
        b"\xc0\n",
        b"\xc0; x\n",
    ] {
        let error = load(root_with(bad).path()).unwrap_err();
        assert!(
            matches!(error, ConfigError::NotUtf8 { line: 1, .. }),
            "{error}"
        );
    }
}

#[test]
fn unreadable_files_are_named() {
    let root = root_with(b"[Main]\nurl = \xd0\xff\n");
    let message = load(root.path()).unwrap_err().to_string();
    assert_has(&message, ["oplati.conf:2: not UTF-8 at byte 14", "CP1251"]);
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(Paths::below(root.path()).config()).unwrap();
    assert!(matches!(
        load(root.path()),
        Err(ConfigError::Unreadable { .. })
    ));
    assert!(matches!(
        load(root_with(vec![b'\n'; 300_000]).path()),
        Err(ConfigError::TooLarge { .. })
    ));
}

proptest! {
    #[test]
    fn no_file_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = load(root_with(bytes).path());
    }

    #[test]
    fn no_value_panics(key in 0_usize..64, value in "\\PC{0,60}") {
        let all: Vec<(&str, &str)> = KNOWN.iter().flat_map(|(section, keys)| keys.iter().map(move |key| (*section, *key))).collect();
        let (section, name) = all[key % all.len()];
        let text = format!("[{section}]\n{name} = {value}\n");
        let _ = bind(&text, Path::new("oplati.conf"), &Paths::below(Path::new("/")));
    }
}
