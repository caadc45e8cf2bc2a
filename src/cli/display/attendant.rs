//! Looks after the window, which is a program of its own: `oplati-window`, beside this one.
//!
//! Xlib ends its whole process with exit code 1 when the X server goes, and no setting of it in safe Rust
//! keeps it from that. The end of the session is a good end all the same.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::super::{CliError, Context, TillError};
use super::WindowArgs;
use crate::base::exit_code;
use crate::texts::technician;

/// The window's program; it stands in the folder of this one.
const PROGRAM: &str = "oplati-window";

/// What Xlib ends a process with; no window of ours does.
const EXIT_CODE_OF_XLIB: i32 = 1;

/// Runs the window to its end.
///
/// # Errors
/// When its program is not there, or there can be no process for it.
pub(super) fn attend(context: &Context, wanted: &WindowArgs) -> Result<u8, CliError> {
    let own = std::env::current_exe().map_err(TillError::Run)?;
    let program = own.with_file_name(PROGRAM);
    let started = Command::new(&program)
        .args(arguments(&context.root, wanted))
        .spawn();
    let mut window = started.map_err(|error| {
        if error.kind() == ErrorKind::NotFound {
            CliError::NoWindowProgram(program)
        } else {
            TillError::Run(error).into()
        }
    })?;
    hand_on_signals(&window)?;
    let ended = window.wait().map_err(TillError::Run)?;
    Ok(exit_code(context, ended))
}

/// As `src/window/main.rs` reads them.
fn arguments(root: &Path, wanted: &WindowArgs) -> Vec<OsString> {
    let mut arguments = vec!["--root".into(), root.into()];
    if wanted.autostart {
        arguments.push("--autostart".into());
    }
    if let Some(output) = &wanted.output {
        arguments.extend(["--".into(), output.into()]);
    }
    arguments
}

fn exit_code(context: &Context, ended: ExitStatus) -> u8 {
    match ended.code() {
        Some(EXIT_CODE_OF_XLIB) => {
            context.output.note("the desktop session is over");
            exit_code::OK
        }
        Some(code) if code == i32::from(exit_code::UNAVAILABLE) => {
            context.remark(technician::DISPLAY_NO_DESKTOP);
            exit_code::UNAVAILABLE
        }
        Some(code) => u8::try_from(code).unwrap_or(exit_code::SOFTWARE),
        None => {
            let signal = ended.signal().unwrap_or_default();
            context
                .output
                .note(&format!("the window was ended by signal {signal}"));
            exit_code::SOFTWARE
        }
    }
}

fn hand_on_signals(window: &Child) -> Result<(), CliError> {
    let pid = i32::try_from(window.id()).ok().and_then(Pid::from_raw);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(TillError::Run)?;
    // Before the thread: a signal that comes first would end this process alone.
    let (mut terminate, mut hangup, mut interrupt) = {
        let _within = runtime.enter();
        let listen = |kind| signal(kind).map_err(TillError::Run);
        (
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
            listen(SignalKind::interrupt())?,
        )
    };
    let hand_on = async move {
        loop {
            let signal = tokio::select! {
                _ = terminate.recv() => Signal::TERM,
                _ = hangup.recv() => Signal::HUP,
                _ = interrupt.recv() => Signal::INT,
            };
            if let Some(Err(error)) = pid.map(|pid| kill_process(pid, signal)) {
                tracing::debug!(%error, "The window gets no signals");
            }
        }
    };
    std::thread::Builder::new()
        .name("oplati-signals".to_owned())
        .spawn(move || runtime.block_on(hand_on))
        .map_err(TillError::Run)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What the desktop-entry specification asks of an autostart file.
    #[test]
    fn the_autostart_file_is_valid_and_starts_what_this_program_knows() {
        let text = include_str!("../../../debian/oplati-display.desktop");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("[Desktop Entry]"));
        let mut entry = BTreeMap::new();
        for line in lines {
            let (key, value) = line.split_once('=').unwrap();
            assert_eq!((key.trim(), value.trim()), (key, value), "no blanks");
            assert!(entry.insert(key, value).is_none(), "{key} stands once");
        }
        for key in ["Name", "Comment"] {
            for name in [key.to_owned(), format!("{key}[ru]"), format!("{key}[be]")] {
                assert!(!entry[name.as_str()].is_empty());
            }
        }
        assert_eq!((entry["Type"], entry["Terminal"]), ("Application", "false"));
        assert_eq!(entry["TryExec"], "oplati");
        let command: Vec<&str> = entry["Exec"].split(' ').collect();
        assert_eq!(command.first(), Some(&entry["TryExec"]));
        let cli = <crate::cli::Cli as clap::Parser>::try_parse_from(command).unwrap();
        let crate::cli::Verb::Display(args) = cli.verb else {
            panic!("another verb");
        };
        let window = args.window().unwrap();
        assert_eq!(
            window,
            WindowArgs {
                output: None,
                autostart: true
            }
        );
        assert_eq!(
            arguments(Path::new("/"), &window),
            ["--root", "/", "--autostart"]
        );
    }
}
