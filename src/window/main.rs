//! `oplati-window`: the buyer's picture on a monitor of the cashier's desktop session. `oplati display --window` starts
//! it and looks after it; people have no need to.
//!
//! - `app`: the window · `outputs`: on which monitor · `feed`: its line to the daemon · `picture`: its pixels ·
//!   `sight`: whether it can be seen · `x11`: the session there · `error`: why it ends
//!
//! It is a program of its own because tiny-xlib, which softbuffer is built on, loads libX11 and what that needs before
//! `main`, in every program that it is linked into. The daemon needs no desktop and shall load nothing of one.
//!
//! Two designs were weighed: a second program of this package, whose crates are optional and belong to the feature
//! `window`; and a package of its own in a workspace. The package keeps the crates apart by itself: nothing of `oplati`
//! could name one of them by mistake. But it has a manifest, a version and a list of lints of its own, each of which
//! must be kept equal, and every command of cargo must say which of the two it means. The feature wins: `cargo build`
//! makes `oplati` alone, without these crates, and `--features window` makes both. What it leaves open,
//! `tests/architecture.rs` holds: the crates are optional, and only the files of this folder name them.

mod app;
mod error;
mod feed;
mod outputs;
mod picture;
mod sight;
mod x11;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use oplati::base::charset::write_line;
use oplati::base::error_chain::with_causes;
use oplati::base::exit_code;
use oplati::log::{self, Stderr};
use rustix::process::{Signal, set_parent_process_death_signal};

use error::WindowError;
use outputs::Wanted;

/// The buyer's window, as `oplati display --window` starts it.
#[derive(Debug, Parser)]
#[command(name = "oplati-window", version, about)]
struct Args {
    /// Root of all files
    #[arg(long, default_value = "/", value_name = "DIR")]
    root: PathBuf,
    /// As the session starts it: ends at once where oplati.conf names no window, waits for the monitor,
    /// and never covers the only one
    #[arg(long)]
    autostart: bool,
    /// The monitor, by its name; without it the second one, if there is one
    output: Option<String>,
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return exit_code::print_usage(&error).into(),
    };
    let ended = run(args).unwrap_or_else(|error| {
        note(&format!("oplati: {}", with_causes(&error)));
        error.exit_code()
    });
    ended.into()
}

fn run(args: Args) -> Result<u8, WindowError> {
    log::init(Stderr::Warnings, None)?;
    follow_parent();
    let wanted = Wanted {
        name: args.output,
        autostart: args.autostart,
    };
    app::run(&args.root, wanted)
}

/// The window does not outlive whoever looks after it.
fn follow_parent() {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        tracing::debug!(target: "oplati::window", %error, "The window is not notified of its parent's end");
    }
}

/// A remark; who has closed standard error does not want it.
fn note(text: &str) {
    drop(write_line(&mut std::io::stderr().lock(), text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
