//! Daemon and command line load nothing of a desktop; the buyer's window is a program of its own that does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::{Till, assert_has};

/// How the names of a desktop's libraries begin.
const LIBRARIES_OF_A_DESKTOP: [&str; 3] = ["libX", "libxcb", "libwayland"];

fn of_a_desktop(name: &str) -> bool {
    LIBRARIES_OF_A_DESKTOP
        .iter()
        .any(|begin| name.starts_with(begin))
}

/// A till without a service, whose display is a window.
fn till() -> Till {
    Till::new(
        "http://127.0.0.1:9",
        2,
        "[Scanner]\ndevice = none\n[Display]\ndevice = window",
    )
}

/// Where the loader of programs writes what it looks for, found or not, in this process and all that it starts.
fn watch(command: &mut Command, file: &Path) {
    command.env("LD_DEBUG", "libs").env("LD_DEBUG_OUTPUT", file);
    for session in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        command.env_remove(session);
    }
}

/// What the loader has looked for in the process of this number.
fn wanted_libraries(file: &Path, process: u32) -> BTreeSet<String> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{process}"));
    let said = std::fs::read_to_string(PathBuf::from(name)).unwrap();
    let wanted = said.lines().filter_map(|line| {
        let (_, rest) = line.split_once("find library=")?;
        rest.split_whitespace().next().map(str::to_owned)
    });
    let wanted: BTreeSet<String> = wanted.collect();
    assert!(wanted.contains("libc.so.6"), "{said}");
    wanted
}

/// The libraries in the memory of a process.
fn loaded_libraries(process: u32) -> BTreeSet<String> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let paths = maps.lines().filter_map(|line| line.split_once('/'));
    paths
        .filter_map(|(_, path)| path.rsplit('/').next())
        .filter(|name| name.contains(".so"))
        .map(str::to_owned)
        .collect()
}

/// Runs a verb to its end: its exit code, its remarks, and what was looked for in its own process.
fn run_watched(till: &Till, mut command: Command) -> (i32, String, BTreeSet<String>) {
    let file = till.path("libraries");
    watch(&mut command, &file);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let process = child.id();
    let output = child.wait_with_output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
        wanted_libraries(&file, process),
    )
}

#[track_caller]
fn assert_none_of_a_desktop(libraries: &BTreeSet<String>) {
    let found: Vec<&String> = libraries.iter().filter(|name| of_a_desktop(name)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_daemon_loads_nothing_of_a_desktop() {
    let mut till = till();
    let file = till.path("libraries");
    let mut daemon = till.verb(&["daemon"]);
    watch(&mut daemon, &file);
    let child = daemon
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = child.id();
    till.adopt(child);
    assert_eq!(till.ask("GET", "/v1/devices", json!(null)).0, 200);
    let loaded = loaded_libraries(process);
    assert!(loaded.contains("libc.so.6"), "{loaded:?}");
    assert_none_of_a_desktop(&loaded);
    assert_none_of_a_desktop(&wanted_libraries(&file, process));
}

#[test]
fn a_verb_loads_nothing_of_a_desktop() {
    let till = till();
    let (code, _, libraries) = run_watched(&till, till.verb(&["--version"]));
    assert_eq!(code, 0);
    assert_none_of_a_desktop(&libraries);
}

#[test]
fn a_window_whose_program_is_missing_is_told_with_where_it_is() {
    let till = till();
    let alone = till.path("oplati");
    std::fs::copy(env!("CARGO_BIN_EXE_oplati"), &alone).unwrap();
    let mut command = Command::new(&alone);
    command.env("LC_ALL", "C.UTF-8");
    command.arg("--root").arg(till.folder.path());
    command.args(["display", "--window"]);
    let (code, said, libraries) = run_watched(&till, command);
    assert_eq!(code, 69, "{said}");
    assert_has(
        &said,
        [
            "oplati-window",
            "package artix-oplati",
            "cargo build --release --features window",
        ],
    );
    assert_none_of_a_desktop(&libraries);
}

/// And the window does, so that the other tests would notice.
#[cfg(feature = "window")]
#[test]
fn the_window_loads_libraries_of_a_desktop_and_who_looks_after_it_does_not() {
    let till = till();
    let mut verb = till.verb(&["display", "--window"]);
    verb.env("LC_ALL", "C.UTF-8");
    let (code, said, libraries) = run_watched(&till, verb);
    assert_eq!(code, 69, "{said}");
    assert_has(&said, ["there is no desktop session", "cashier"]);
    assert_none_of_a_desktop(&libraries);
    let mut help = Command::new(env!("CARGO_BIN_EXE_oplati-window"));
    help.arg("--help");
    let (code, _, libraries) = run_watched(&till, help);
    assert_eq!(code, 0);
    assert!(
        libraries.iter().any(|name| of_a_desktop(name)),
        "{libraries:?}"
    );
}
