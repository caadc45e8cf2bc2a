//! Displays on serial ports: QR boxes and pole displays, each as its profile states.
//!
//! - `port`: bytes on their way, with bounds · `qr_box`: boxes that draw codes by themselves
//! - `line_display`: the dialects of pole displays · `lines`: scenes in two lines of twenty columns ·
//!   `code_page`: letters into bytes
//!
//! Facts are those of public documents, named in each profile's `sources`; most displays never answer,
//! so that only DSP-800 proves that anybody listens.

mod code_page;
mod line_display;
mod lines;
mod port;
mod qr_box;

use std::path::Path;

use super::panel::{Capabilities, Driver, Panel, PanelError, ScenePanel};
use super::render::Theme;
use crate::config::SerialLine;
use crate::core::scene::Scene;
use crate::devices::discovery::sysfs;
use crate::devices::profile::DisplayProfile;

use port::{Port, Step};

/// A display on a serial port, open or not.
#[derive(Clone, Debug)]
pub(super) struct SerialPanelDriver {
    line: SerialLine,
    profile: DisplayProfile,
    theme: Theme,
    identity: Option<String>,
}

impl SerialPanelDriver {
    pub(super) fn new(
        line: SerialLine,
        profile: DisplayProfile,
        theme: &Theme,
    ) -> SerialPanelDriver {
        SerialPanelDriver {
            line,
            profile,
            theme: theme.clone(),
            identity: None,
        }
    }
}

impl Driver for SerialPanelDriver {
    fn node(&self) -> String {
        self.line.path.display().to_string()
    }

    fn profile(&self) -> Option<String> {
        Some(self.profile.id.clone())
    }

    fn identity(&self) -> Option<String> {
        self.identity.clone()
    }

    fn capabilities(&self) -> Option<Capabilities> {
        Some(capabilities(&self.profile))
    }

    fn open(&mut self) -> Result<Panel, PanelError> {
        let settings = self.line.settings.unwrap_or(self.profile.line);
        let mut port = Port::open(&self.line.path, &settings)?;
        port.send(&ready(&self.profile))?;
        self.identity = sysfs::identity_at(Path::new("/"), &self.line.path);
        let driver = self.clone();
        Ok(Panel::Scenes(Box::new(SerialPanel { port, driver })))
    }
}

/// A display that is open.
struct SerialPanel {
    port: Port,
    driver: SerialPanelDriver,
}

impl ScenePanel for SerialPanel {
    fn capabilities(&self) -> Capabilities {
        capabilities(&self.driver.profile)
    }

    fn show(&mut self, scene: &Scene) -> Result<&'static str, PanelError> {
        let SerialPanelDriver {
            profile,
            theme,
            line,
            identity: _,
        } = &self.driver;
        let unable = || {
            let node = line.path.display();
            PanelError::Failed(format!("{node}: {} is not shown", scene.name()))
        };
        let (steps, shows) = steps(profile, scene, theme).ok_or_else(unable)?;
        self.port.send(&steps)?;
        Ok(shows)
    }

    fn can_be_watched(&self) -> bool {
        true
    }

    fn watch(&mut self) -> Result<super::panel::Watched, PanelError> {
        self.port.watch()?;
        Ok(super::panel::Watched::Same)
    }

    fn firmware(&mut self) -> Option<String> {
        self.port.firmware()
    }
}

fn capabilities(profile: &DisplayProfile) -> Capabilities {
    profile
        .qr_box
        .as_ref()
        .map_or(Capabilities::Lines, |qr_box| {
            // No box is known to take control characters, and some end a command with one.
            let control = (0..0x20_u8).map(|byte| char::from(byte).to_string());
            Capabilities::QrBox {
                payload_max: qr_box.limit().into(),
                payload_without: qr_box
                    .payload_without
                    .iter()
                    .cloned()
                    .chain(control)
                    .collect(),
            }
        })
}

/// What follows the opening.
fn ready(profile: &DisplayProfile) -> Vec<Step> {
    match (&profile.qr_box, &profile.pole) {
        (Some(qr_box), _) => qr_box::ready(qr_box),
        (None, Some(pole)) => line_display::ready(pole),
        (None, None) => Vec::new(),
    }
}

/// What shows a scene, and which one stands there then.
fn steps(
    profile: &DisplayProfile,
    scene: &Scene,
    theme: &Theme,
) -> Option<(Vec<Step>, &'static str)> {
    match (&profile.qr_box, &profile.pole) {
        (Some(qr_box), _) => {
            let picture = qr_box::picture(qr_box, scene, &theme.wallet_name)?;
            Some((vec![picture.step], picture.shows))
        }
        (None, Some(pole)) => {
            let lines = lines::lines(scene, theme, pole);
            Some((line_display::shown(pole, &lines), scene.name()))
        }
        (None, None) => None,
    }
}

/// What does not come out as in a profile's vectors, English. `ready` stands for what follows the
/// opening; a scene is that of the samples, in Russian.
pub fn failures(profile: &DisplayProfile) -> Vec<String> {
    let vectors = profile.vectors.iter().enumerate();
    let failed = vectors.filter_map(|(index, vector)| {
        let place = format!("[[vector]] {} ({})", index + 1, vector.scene);
        let samples = Scene::samples();
        let scene = samples.iter().find(|scene| scene.name() == vector.scene);
        let sent = match scene {
            Some(scene) => steps(profile, scene, &Theme::default()).map(|(steps, _)| steps),
            None if vector.scene == "ready" => Some(ready(profile)),
            None => {
                let known: Vec<&str> = samples.iter().map(Scene::name).collect();
                return Some(format!(
                    "{place}: ready or a scene of {} is allowed",
                    known.join(" ")
                ));
            }
        };
        let sent: Vec<u8> = sent
            .into_iter()
            .flatten()
            .flat_map(|step| step.bytes)
            .collect();
        let expected = vector.bytes.fixed().unwrap_or_default();
        (sent != expected)
            .then(|| format!("{place}: {} is sent and not {}", hex(&sent), hex(&expected)))
    });
    failed.collect()
}

fn hex(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(" ")
}

#[cfg(test)]
mod tests;
