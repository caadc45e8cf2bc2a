//! `oplati display`: what the buyer sees, saved, or a scene of one's own drawn into a picture; or the
//! buyer's window in the cashier's session. The window is a program of its own, `oplati-window` (`src/window/`);
//! `attendant` looks after its process.

mod attendant;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use reqwest::Method;

use super::output::save;
use super::till::Till;
use super::{CliError, Context};
use crate::base::error_chain::with_causes;
use crate::base::exit_code;
use crate::base::unix_socket;
use crate::config::{self, PixelSize};
use crate::core::scene::Scene;
use crate::devices::display::logo::Logo;
use crate::devices::display::{Displays, Theme, render};
use crate::devices::profile::Registry;
use crate::model::money::Kopecks;

#[derive(Debug, Args)]
pub(super) struct DisplayArgs {
    /// Draw a QR code with this text, or a scene by its name, such as paid; without it: what the buyer sees now
    what: Option<String>,
    /// The picture
    #[arg(long, default_value = "display.png", value_name = "FILE")]
    save: PathBuf,
    /// Pixels, for a scene that is drawn
    #[arg(long, default_value = "800x480", value_name = "WxH")]
    size: String,
    /// Roubles, such as 12.34, for scenes with an amount
    #[arg(long, default_value = "12.34", value_parser = Kopecks::from_person)]
    amount: Kopecks,
    /// Show the buyer's picture full-screen on a monitor of this desktop session, by its name; without
    /// OUTPUT on the second one, if there is one
    #[arg(long, value_name = "OUTPUT", num_args = 0..=1, default_missing_value = "", conflicts_with = "what")]
    window: Option<String>,
    /// As the session starts it: ends at once where oplati.conf names no window, waits for the monitor,
    /// and never covers the only one
    #[arg(long, requires = "window")]
    autostart: bool,
    /// Take what stands on the displays of oplati.conf away, while the daemon does not run: after it was
    /// killed, a buyer's code may have stayed there
    #[arg(long, conflicts_with_all = ["what", "window"])]
    clear: bool,
}

impl DisplayArgs {
    /// The window that is asked for, if one is.
    pub(super) fn window(&self) -> Option<WindowArgs> {
        let name = self.window.as_ref()?;
        Some(WindowArgs {
            output: (!name.is_empty()).then(|| name.clone()),
            autostart: self.autostart,
        })
    }
}

/// The displays of a daemon that died are cleared in this time, or left.
const CLEARED_WITHIN: Duration = Duration::from_secs(3);

/// Which window.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WindowArgs {
    /// A monitor's name; without it: one that is not the cashier's.
    output: Option<String>,
    /// Started with the session.
    autostart: bool,
}

/// Shows the window until it ends.
pub(super) fn show_window(context: &Context, args: &WindowArgs) -> Result<u8, CliError> {
    attendant::attend(context, args)
}

/// Shows the idle scene on every display of oplati.conf, as the daemon does when it ends in order. A daemon
/// that answers is left alone: its displays are not stale.
fn clear(context: &Context) -> Result<u8, CliError> {
    let config = config::load(&context.root)?.config;
    if unix_socket::is_listened_at(&config.till.socket) {
        context
            .output
            .note("oplati: the daemon runs and keeps its displays itself");
        return Ok(exit_code::OK);
    }
    // A bad file of the shop's stops nobody here: the daemon names it.
    let (registry, _) = Registry::load(&context.paths.profiles());
    let logo = config.display.logo.as_deref();
    let logo = logo.and_then(|path| Logo::read(path).ok().map(Arc::new));
    let look = Theme::of(&config, logo);
    let displays = Displays::start_with(&config.display.devices, &look, &registry);
    let displays = displays.map_err(|source| CliError::File {
        path: "the displays".into(),
        source,
    })?;
    // The end alone draws nothing on a display that was not opened yet.
    if let Err(refusal) = displays.show(&Scene::Idle) {
        context.output.note(&format!("oplati: {refusal}"));
    }
    displays.wait_until_shown(CLEARED_WITHIN);
    displays.stop();
    Ok(exit_code::OK)
}

pub(super) async fn run(context: &Context, args: DisplayArgs) -> Result<u8, CliError> {
    if args.clear {
        return clear(context);
    }
    let png = match &args.what {
        None => {
            Till::of(context)?
                .raw(Method::GET, "/v1/display.png", None)
                .await?
        }
        Some(what) => draw(context, what, &args)?,
    };
    let file = |source| CliError::File {
        path: args.save.clone(),
        source,
    };
    save(&args.save, &png).map_err(file)?;
    if args.save != Path::new("-") {
        let saved = args.save.display().to_string();
        context.output.line(&saved).map_err(CliError::Write)?;
    }
    Ok(exit_code::OK)
}

fn draw(context: &Context, what: &str, args: &DisplayArgs) -> Result<Vec<u8>, CliError> {
    if what.is_empty() {
        let needed = "the text of a QR code, or a scene's name, such as paid";
        return Err(CliError::Usage(needed.to_owned()));
    }
    let size = pixel_size(&args.size)?;
    let config = config::load(&context.root)?.config;
    let logo = config.display.logo.as_deref();
    let logo = logo
        .map(|path| Logo::read(path).map(Arc::new))
        .transpose()
        .map_err(|error| CliError::Data(with_causes(&error)))?;
    let look = Theme {
        rotate: 0,
        ..Theme::of(&config, logo)
    };
    let named = Scene::samples()
        .into_iter()
        .find(|scene| scene.name() == what);
    let scene = named.unwrap_or_else(|| Scene::qr(what.to_owned(), Some(args.amount)));
    let frame = render(&scene, size, &look).map_err(|error| CliError::Data(error.to_string()))?;
    frame
        .png()
        .map_err(|error| CliError::Data(error.to_string()))
}

fn pixel_size(text: &str) -> Result<PixelSize, CliError> {
    let wrong = || CliError::Usage(format!("{text:?}: 320x240 to 3840x2160, either way round"));
    config::pixel_size(text).ok_or_else(wrong)
}
