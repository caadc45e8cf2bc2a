//! The bundle for support.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::{CONF, PAYS, TOKEN};
use crate::harness::{Sim, Till};

#[test]
fn a_bundle_needs_the_name_of_a_file() {
    let till = Till::new("http://localhost", 0, "");
    for name in ["-", ""] {
        let mut verb = till.verb(&["selftest", "--save", name]);
        let output = verb.current_dir(till.folder.path()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{stderr}");
        assert!(stderr.contains("the name of a file is needed"), "{stderr}");
    }
    assert!(!till.path("-").exists());
}

#[test]
fn a_bundle_takes_the_place_of_a_file_only() {
    let till = Till::new("http://127.0.0.1:9", 2, "");
    let place = till.path("place");
    std::os::unix::fs::symlink("/dev/null", &place).unwrap();
    for path in [&place, &till.path("run")] {
        std::fs::create_dir_all(till.path("run")).unwrap();
        let output = till
            .verb(&["selftest", "--save"])
            .arg(path)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(74), "{output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains("name a new file"), "{stderr}");
    }
    assert!(place.is_symlink());
}

#[test]
fn the_bundle_of_a_till_with_a_mistake_in_its_settings_holds_no_secret() {
    let till = Till::new("http://127.0.0.1:9", 2, "");
    let conf = std::fs::read_to_string(till.path(CONF)).unwrap();
    let wrong = "[Main]\ntimeout = abc\npassword = Kotipes\npasword = Sobaki\n";
    std::fs::write(till.path(CONF), conf.replace("[Main]\n", wrong)).unwrap();
    let log = till.path("linuxcash/logs/current/terminal.log");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::write(log, "till: said Kotipes aloud\n").unwrap();
    let path = till.path("bundle.tar");
    let mut command = till.verb(&["selftest", "--save"]);
    assert_eq!(command.arg(&path).output().unwrap().status.code(), Some(2));
    let bundle = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
    assert!(bundle.contains("said *** aloud"));
    for secret in ["Kotipes", "Sobaki"] {
        assert!(!bundle.contains(secret), "{secret}");
    }
}

#[test]
fn the_bundle_holds_no_secret() {
    let sim = Sim::start(Some(PAYS));
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 1200);
    till.until_final("s-1");
    let token = std::fs::read_to_string(till.path(TOKEN)).unwrap();
    let bearer = std::fs::read_to_string(till.path("run/oplati/till.token")).unwrap();
    let (password, payload) = (
        "Kot_i_pes-7",
        "https://getapp.o-plati.by/map/?app_link=0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    );
    let planted = [
        token.trim(),
        bearer.trim(),
        password,
        payload,
        "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    ];
    // In the settings, and in the log by a till program that knows no restraint.
    till.kill();
    let conf = std::fs::read_to_string(till.path(CONF)).unwrap();
    let conf = conf.replace(
        "[Main]\n",
        &format!("[Main]\npassword = {password}\n; был {password}, код {payload}\n"),
    );
    std::fs::write(till.path(CONF), conf).unwrap();
    till.start();
    let mut log = File::options()
        .append(true)
        .open(till.path("linuxcash/logs/current/terminal.log"))
        .unwrap();
    for secret in planted {
        writeln!(log, "till: {secret}\ntoken={secret} password: {secret}\n{{\"consumerQr\":\"{secret}\"}}\nAuthorization: Bearer {secret}").unwrap();
    }
    let path = till.path("bundle.tar");
    let output = till
        .verb(&["selftest", "--save"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(
        output.status.code().is_some_and(|code| code <= 2),
        "{output:?}"
    );
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let has = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    for secret in planted {
        assert!(!has(secret), "{secret} is in the bundle");
    }
    assert!(has("regNum = OPL000011111") && has("\"checks\"") && has("till: "));
    let listed = Command::new("tar").arg("-tf").arg(&path).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&listed.stdout),
        "report.json\noplati.conf\nterminal.log\ndevices.txt\n"
    );
}
