//! `auto`: the buyer's screen without being named.
//!
//! Two designs were weighed: to take whatever shows a picture, and to take only what cannot be the
//! cashier's. A till whose cashier sees a QR code in place of the till program is worse than one whose
//! buyer sees nothing, and the buyer has the page `/display` and, in a desktop, `oplati display
//! --window`: the second wins. So a screen is taken
//! - from a graphics card when two monitors or more are connected to the machine and no desktop is
//!   there, installed or running: whoever opens the card first has all of it, and a desktop that starts
//!   later would not come up. It is the smallest of the external ones, the last one among equals;
//! - from a framebuffer when no DRM driver is behind it and the firmware has not made it: a small
//!   screen on SPI, a vendor's own.
//!
//! Everything else is left for oplati.conf to name, and looked at again, since nodes may come late.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use super::outputs::{Output, desktop, framebuffers, outputs, uptime};
use super::{DrmDriver, FbDriver};
use crate::devices::display::panel::{Driver, Panel, PanelError};

/// A desktop that starts with the machine shows by then that it is there, seconds.
const DESKTOP_TIME: u64 = 60;

/// What is taken, or that nothing is, and why; English.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    Drm { connector: String, why: String },
    Framebuffer { node: PathBuf, why: String },
    Nothing { why: String },
}

fn choose(root: &Path) -> Choice {
    let nothing = match external(root) {
        Ok(output) => {
            let why = format!(
                "the smallest external monitor of several, and no desktop holds {}",
                output.card.display()
            );
            return Choice::Drm {
                connector: output.name,
                why,
            };
        }
        Err(why) => why,
    };
    let own = framebuffers(root)
        .into_iter()
        .find(|fb| !fb.is_drm && !fb.is_firmware());
    match own {
        Some(fb) => Choice::Framebuffer {
            why: format!("a screen of its own ({}); {nothing}", fb.name),
            node: fb.node,
        },
        None => Choice::Nothing { why: nothing },
    }
}

/// The monitor that is not the cashier's, or why there is none.
fn external(root: &Path) -> Result<Output, String> {
    let connected: Vec<Output> = outputs(root)
        .into_iter()
        .filter(|output| output.is_connected)
        .collect();
    match connected.as_slice() {
        [] => return Err("no monitor at a graphics card".to_owned()),
        [only] => {
            return Err(format!(
                "{} is the only monitor and therefore the cashier's; name it in oplati.conf if it is the buyer's (device = drm:{})",
                only.name, only.name
            ));
        }
        _ => {}
    }
    if let Some(why) = desktop(root) {
        return Err(format!(
            "{why}: run oplati display --window in its session, or name a connector in oplati.conf"
        ));
    }
    if uptime(root).is_some_and(|seconds| seconds < DESKTOP_TIME) {
        return Err("the machine has just started, and a desktop may be about to".to_owned());
    }
    let external = connected.into_iter().filter(|output| !output.is_internal());
    // A monitor that does not report its size is larger than one that does: buyers' screens are made
    // for machines and report it.
    let smallest = external.enumerate().min_by_key(|(index, output)| {
        let pixels = output
            .pixels
            .map(|size| u64::from(size.width) * u64::from(size.height));
        let area = output.area_cm2.unwrap_or(u32::MAX);
        (area, pixels.unwrap_or(u64::MAX), Reverse(*index))
    });
    smallest
        .map(|(_, output)| output)
        .ok_or_else(|| "all monitors are built in; name the buyer's in oplati.conf".to_owned())
}

/// Chooses each time it is opened.
pub(in crate::devices::display) struct AutoDriver {
    root: PathBuf,
    chosen: Option<Box<dyn Driver>>,
    /// The choice that was logged, so that it is logged once.
    logged: Option<Choice>,
}

impl AutoDriver {
    pub(in crate::devices::display) fn new(root: &Path) -> AutoDriver {
        AutoDriver {
            root: root.to_owned(),
            chosen: None,
            logged: None,
        }
    }

    fn log_once(&mut self, choice: &Choice) {
        if self.logged.as_ref() == Some(choice) {
            return;
        }
        match choice {
            Choice::Drm { connector, why } => {
                tracing::info!(%connector, %why, "auto takes a monitor for the buyer");
            }
            Choice::Framebuffer { node, why } => {
                tracing::info!(node = %node.display(), %why, "auto takes a framebuffer for the buyer");
            }
            Choice::Nothing { why } => {
                tracing::info!(%why, "auto takes no screen for the buyer; the page /display is served");
            }
        }
        self.logged = Some(choice.clone());
    }
}

impl Driver for AutoDriver {
    fn node(&self) -> String {
        let chosen = self.chosen.as_ref().map(|driver| driver.node());
        chosen.map_or_else(|| "auto".to_owned(), |node| format!("auto: {node}"))
    }

    fn open(&mut self) -> Result<Panel, PanelError> {
        let choice = choose(&self.root);
        self.log_once(&choice);
        let mut driver: Box<dyn Driver> = match choice {
            Choice::Drm { connector, .. } => Box::new(DrmDriver::new(Some(connector), &self.root)),
            Choice::Framebuffer { node, .. } => Box::new(FbDriver::new(node, &self.root)),
            Choice::Nothing { why } => {
                self.chosen = None;
                return Err(PanelError::Nothing(why));
            }
        };
        let opened = driver.open();
        self.chosen = Some(driver);
        opened.map_err(|error| match error {
            // Nobody named it, so nobody misses it.
            PanelError::Taken { .. } => PanelError::Nothing(format!(
                "{error}: run oplati display --window in the desktop's session"
            )),
            PanelError::Missing(what) => PanelError::Nothing(what),
            PanelError::Busy { .. }
            | PanelError::Nothing(_)
            | PanelError::NoPermission(_)
            | PanelError::Unwritable(_)
            | PanelError::Failed(_) => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::outputs::tests::Tree;
    use super::*;

    fn why(tree: &Tree) -> String {
        let choice = choose(tree.path());
        let Choice::Nothing { why } = choice else {
            panic!("{choice:?}");
        };
        why
    }

    fn connector(tree: &Tree) -> String {
        let choice = choose(tree.path());
        let Choice::Drm { connector, .. } = choice else {
            panic!("{choice:?}");
        };
        connector
    }

    #[test]
    fn an_only_monitor_is_the_cashiers() {
        let tree = Tree::new();
        assert_eq!(why(&tree), "no monitor at a graphics card");
        tree.output("card0-HDMI-A-1", "connected", 20);
        tree.output("card0-DP-1", "disconnected", 10);
        tree.framebuffer(0, "inteldrmfb", true);
        let why = why(&tree);
        assert!(why.contains("HDMI-A-1 is the only monitor"), "{why}");
        assert!(why.contains("device = drm:HDMI-A-1"), "{why}");
    }

    #[test]
    fn of_several_the_smallest_external_one_is_the_buyers() {
        let tree = Tree::new();
        tree.output("card0-eDP-1", "connected", 15);
        tree.output("card0-HDMI-A-1", "connected", 50);
        assert_eq!(connector(&tree), "HDMI-A-1");
        tree.output("card0-HDMI-A-2", "connected", 18);
        assert_eq!(connector(&tree), "HDMI-A-2");
        tree.output("card1-VGA-1", "connected", 0);
        assert_eq!(connector(&tree), "HDMI-A-2");
        // Alike in all: the last one.
        tree.output("card0-HDMI-A-3", "connected", 18);
        assert_eq!(connector(&tree), "HDMI-A-3");
    }

    #[test]
    fn desktops_keep_their_cards() {
        let tree = Tree::new();
        tree.output("card0-HDMI-A-1", "connected", 50);
        tree.output("card0-HDMI-A-2", "connected", 18);
        tree.write("proc/uptime", b"12.00 3.00\n");
        assert!(why(&tree).contains("just started"));
        tree.write("proc/uptime", b"61.00 3.00\n");
        assert_eq!(connector(&tree), "HDMI-A-2");
        tree.write("tmp/.X11-unix/X0", b"");
        assert!(why(&tree).contains("oplati display --window"));
        tree.write("etc/systemd/system/display-manager.service", b"");
        assert!(why(&tree).contains("display manager"));
    }

    #[test]
    fn a_framebuffer_is_taken_where_nothing_else_stands_behind_it() {
        let tree = Tree::new();
        tree.output("card0-HDMI-A-1", "connected", 50);
        tree.framebuffer(0, "inteldrmfb", true);
        tree.framebuffer(1, "EFI VGA", false);
        assert!(why(&tree).contains("only monitor"));
        tree.framebuffer(2, "fb_ili9341", false);
        let choice = choose(tree.path());
        let Choice::Framebuffer { node, why } = choice else {
            panic!("{choice:?}");
        };
        assert_eq!(node, tree.path().join("dev/fb2"));
        assert!(why.contains("fb_ili9341"), "{why}");
    }

    #[test]
    fn nothing_is_not_missed_and_what_comes_late_is_found() {
        let tree = Tree::new();
        let mut driver = AutoDriver::new(tree.path());
        let error = driver.open().err().unwrap();
        assert_eq!((error.word(), driver.node().as_str()), ("none", "auto"));
        tree.framebuffer(1, "fb_ili9341", false);
        // Its node is not there yet.
        let error = driver.open().err().unwrap();
        assert_eq!(error.word(), "none");
        assert!(driver.node().ends_with("dev/fb1"), "{}", driver.node());
        // And then it is a file, which nobody can show pictures on.
        tree.write("dev/fb1", b"");
        assert_eq!(driver.open().err().unwrap().word(), "failed");
    }
}
