//! `drm[:CONNECTOR]`: a screen of a graphics card, in the resolution that its monitor prefers.
//!
//! Two designs were weighed. Atomic commits change several planes at once, without tearing, and must
//! be given planes and properties that differ between drivers; the legacy calls SETCRTC and DIRTYFB
//! are carried out by every driver, old vendor kernels and those that speak atomic alike. A still
//! picture on one plane gains nothing from atomic: legacy wins. For the same reason one buffer wins
//! over two: a refresh of the monitor that meets a half-written picture is followed by a whole one.
//!
//! The card has one master, the first process that opens it. There is no asking whether a desktop
//! holds it without trying to become master, and nothing takes it from a master: whoever is not the
//! master closes the card at once and comes back later. After the end the kernel shows its text
//! console again where it has one; a code never stays.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use drm::buffer::{Buffer as _, DrmFourcc};
use drm::control::dumbbuffer::DumbBuffer;
use drm::control::{
    ClipRect, Device as _, Mode, ModeTypeFlags, ResourceHandles, connector, crtc, framebuffer,
};
use drm::{Device as _, DriverCapability};
use rustix::io::Errno;

use super::outputs::{Output, outputs};
use super::pixels::Format;
use crate::config::PixelSize;
use crate::devices::discovery::access::holder;
use crate::devices::discovery::uevent::Uevents;
use crate::devices::display::frame::Frame;
use crate::devices::display::panel::{Driver, Millimetres, Panel, PanelError, PixelPanel, Watched};

/// Frames have at most this many pixels a side.
const MAX_PIXELS: u16 = 3840;

/// One connector of the machine, by its name or the first one with a monitor.
#[derive(Debug)]
pub(in crate::devices::display) struct DrmDriver {
    connector: Option<String>,
    /// Where it was found last.
    found: Option<String>,
    root: PathBuf,
}

impl DrmDriver {
    /// `connector` as `HDMI-A-1`, in letters of either case.
    pub(in crate::devices::display) fn new(connector: Option<String>, root: &Path) -> DrmDriver {
        DrmDriver {
            connector,
            found: None,
            root: root.to_owned(),
        }
    }

    /// Connectors that may be meant, the best first.
    fn candidates(&self) -> Result<Vec<Output>, PanelError> {
        let all = outputs(&self.root);
        if all.is_empty() {
            return Err(PanelError::Missing(
                "no graphics card with a DRM driver".to_owned(),
            ));
        }
        let names: Vec<String> = all.iter().map(|output| output.name.clone()).collect();
        let meant = |output: &Output| match &self.connector {
            // Whether a monitor is there, only the card reports: what sysfs has may be old.
            Some(name) => output.name.eq_ignore_ascii_case(name),
            None => output.is_connected,
        };
        let found: Vec<Output> = all.into_iter().filter(meant).collect();
        if found.is_empty() {
            let names = names.join(", ");
            return Err(PanelError::Missing(match &self.connector {
                Some(name) => format!("no connector {name}; there are {names}"),
                None => format!("no monitor at any of {names}"),
            }));
        }
        Ok(found)
    }
}

impl Driver for DrmDriver {
    fn node(&self) -> String {
        let name = self.found.as_deref().or(self.connector.as_deref());
        name.map_or_else(|| "drm".to_owned(), |name| format!("drm:{name}"))
    }

    fn open(&mut self) -> Result<Panel, PanelError> {
        let mut first_error = None;
        for output in self.candidates()? {
            match DrmPanel::open(&output) {
                Ok(panel) => {
                    self.found = Some(output.name);
                    return Ok(Panel::Pixels(Box::new(panel)));
                }
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        Err(first_error.unwrap_or_else(|| PanelError::Missing("no monitor".to_owned())))
    }
}

/// An open graphics card.
#[derive(Debug)]
struct Card {
    file: File,
    node: PathBuf,
}

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

impl Card {
    /// Opens it as its master.
    fn open(node: &Path) -> Result<Card, PanelError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(node)
            .map_err(|error| PanelError::of_io(&node.display().to_string(), &error))?;
        let card = Card {
            file,
            node: node.to_owned(),
        };
        card.master()?;
        Ok(card)
    }

    /// Stays the master, or becomes it again if nobody is: the kernel lets those who were it before.
    fn master(&self) -> Result<(), PanelError> {
        self.acquire_master_lock()
            .map_err(|error| match errno(&error) {
                Some(Errno::ACCESS | Errno::PERM | Errno::BUSY | Errno::INVAL) => self.taken(),
                Some(Errno::NOTTY) => {
                    PanelError::Failed(format!("{} is no graphics card", self.node.display()))
                }
                _ => self.failed(&error),
            })
    }

    fn taken(&self) -> PanelError {
        PanelError::Taken {
            what: self.node.display().to_string(),
            holder: holder(&self.node),
        }
    }

    /// A call for masters only shows by its error that we are none any more.
    fn failed(&self, error: &io::Error) -> PanelError {
        match errno(error) {
            Some(Errno::ACCESS | Errno::PERM) => self.taken(),
            _ => PanelError::of_io(&self.node.display().to_string(), error),
        }
    }

    /// The connector of this name, asked anew.
    fn connector(
        &self,
        resources: &ResourceHandles,
        name: &str,
    ) -> Result<connector::Info, PanelError> {
        for handle in resources.connectors() {
            let known = self
                .get_connector(*handle, false)
                .map_err(|error| self.failed(&error))?;
            if known.to_string() == name {
                let asked = self.get_connector(*handle, true);
                return asked.map_err(|error| self.failed(&error));
            }
        }
        Err(PanelError::Missing(format!(
            "{}: no connector {name}",
            self.node.display()
        )))
    }

    /// What feeds the connector: what does so already, else what can and feeds no other one.
    fn feeder(
        &self,
        resources: &ResourceHandles,
        wanted: &connector::Info,
    ) -> Result<crtc::Handle, PanelError> {
        let fed = |info: &connector::Info| {
            let encoder = self.get_encoder(info.current_encoder()?).ok()?;
            encoder.crtc()
        };
        let others: Vec<crtc::Handle> = resources
            .connectors()
            .iter()
            .filter(|handle| **handle != wanted.handle())
            .filter_map(|handle| fed(&self.get_connector(*handle, false).ok()?))
            .collect();
        let possible = wanted.encoders().iter().flat_map(|handle| {
            let encoder = self.get_encoder(*handle).ok();
            encoder.map_or_else(Vec::new, |encoder| {
                resources.filter_crtcs(encoder.possible_crtcs())
            })
        });
        let free = fed(wanted)
            .into_iter()
            .chain(possible)
            .find(|crtc| !others.contains(crtc));
        free.ok_or_else(|| {
            PanelError::Failed(format!(
                "{wanted}: the card feeds as many screens as it can already"
            ))
        })
    }
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw_os_error)
}

/// The preferred mode, else the first one that is not too large: kernels list the best ones first.
fn best<T>(modes: &[T], facts: impl Fn(&T) -> ((u16, u16), bool)) -> Option<&T> {
    let fits = |mode: &&T| {
        let ((width, height), _) = facts(mode);
        (1..=MAX_PIXELS).contains(&width) && (1..=MAX_PIXELS).contains(&height)
    };
    let fitting = || modes.iter().filter(fits);
    fitting()
        .find(|mode| facts(mode).1)
        .or_else(|| fitting().next())
}

fn best_mode(info: &connector::Info) -> Result<Mode, PanelError> {
    if info.state() == connector::State::Disconnected {
        return Err(PanelError::Missing(format!("no monitor at {info}")));
    }
    let facts = |mode: &Mode| {
        let preferred = mode.mode_type().contains(ModeTypeFlags::PREFERRED);
        (mode.size(), preferred)
    };
    let mode = best(info.modes(), facts);
    mode.copied().ok_or_else(|| {
        PanelError::Failed(format!(
            "{info}: the monitor has no mode of at most {MAX_PIXELS} pixels a side"
        ))
    })
}

/// A monitor with our picture's memory.
struct DrmPanel {
    card: Card,
    connector: connector::Handle,
    /// As in the kernel.
    name: String,
    crtc: crtc::Handle,
    mode: Mode,
    buffer: DumbBuffer,
    framebuffer: framebuffer::Handle,
    millimetres: Option<Millimetres>,
    format: Format,
    /// Whether the card shows the buffer.
    is_lit: bool,
    /// Of plugged monitors; without it a swap within half a second is not noticed.
    hotplug: Option<Uevents>,
}

impl DrmPanel {
    fn open(output: &Output) -> Result<DrmPanel, PanelError> {
        let card = Card::open(&output.card)?;
        // Listens before it asks, so that no change falls between.
        let hotplug = Uevents::open().ok();
        let no_memory = !matches!(
            card.get_driver_capability(DriverCapability::DumbBuffer),
            Ok(1..)
        );
        if no_memory {
            let node = output.card.display();
            return Err(PanelError::Failed(format!(
                "{node}: the driver has no simple buffers"
            )));
        }
        let resources = card
            .resource_handles()
            .map_err(|error| card.failed(&error))?;
        let connector = card.connector(&resources, &output.name)?;
        let mode = best_mode(&connector)?;
        let crtc = card.feeder(&resources, &connector)?;
        let (width, height) = mode.size();
        let buffer = card
            .create_dumb_buffer((width.into(), height.into()), DrmFourcc::Xrgb8888, 32)
            .map_err(|error| card.failed(&error))?;
        let framebuffer = card
            .add_framebuffer(&buffer, 24, 32)
            .map_err(|error| card.failed(&error))?;
        let format = Format::xrgb8888().map_err(|error| PanelError::Failed(error.to_string()))?;
        Ok(DrmPanel {
            connector: connector.handle(),
            name: output.name.clone(),
            crtc,
            mode,
            buffer,
            framebuffer,
            millimetres: connector.size().and_then(|(width, height)| {
                (width > 0 && height > 0).then_some(Millimetres { width, height })
            }),
            format,
            is_lit: false,
            hotplug,
            card,
        })
    }

    /// Whether the monitor is the one for which the panel was opened.
    fn look_at_monitor(&self) -> Result<(), PanelError> {
        // A socket that fails is treated as one that got an event.
        let changed = self
            .hotplug
            .as_ref()
            .is_some_and(|ear| ear.drain_about(&["drm"]).unwrap_or(true));
        let connector = self
            .card
            .get_connector(self.connector, changed)
            .map_err(|error| self.card.failed(&error))?;
        let mode = best_mode(&connector)?;
        if changed && mode != self.mode {
            return Err(PanelError::Missing(format!(
                "another monitor at {}",
                self.name
            )));
        }
        Ok(())
    }

    fn write(&mut self, frame: &Frame) -> io::Result<()> {
        let stride = usize::try_from(self.buffer.pitch()).unwrap_or_default();
        let mut memory = self.card.map_dumb_buffer(&mut self.buffer)?;
        self.format.frame(frame, stride, &mut memory);
        Ok(())
    }

    fn light(&mut self) -> io::Result<()> {
        if !self.is_lit {
            self.card.set_crtc(
                self.crtc,
                Some(self.framebuffer),
                (0, 0),
                &[self.connector],
                Some(self.mode),
            )?;
            self.is_lit = true;
        }
        // The kernel refuses an empty list.
        let (width, height) = self.mode.size();
        let all = ClipRect::new(0, 0, width, height);
        match self.card.dirty_framebuffer(self.framebuffer, &[all]) {
            // The driver reads the memory by itself.
            Err(error) if errno(&error) == Some(Errno::NOSYS) => Ok(()),
            other => other,
        }
    }
}

impl PixelPanel for DrmPanel {
    fn size(&self) -> PixelSize {
        let (width, height) = self.mode.size();
        PixelSize::new(width.into(), height.into())
    }

    fn millimetres(&self) -> Option<Millimetres> {
        self.millimetres
    }

    fn show(&mut self, frame: &Frame) -> Result<(), PanelError> {
        self.write(frame)
            .map_err(|error| self.card.failed(&error))?;
        self.light().map_err(|error| self.card.failed(&error))
    }

    /// Master, monitor and picture are looked at: a switch of terminals takes the first and the last.
    fn can_be_watched(&self) -> bool {
        true
    }

    fn watch(&mut self) -> Result<Watched, PanelError> {
        self.card.master()?;
        self.look_at_monitor()?;
        let crtc = self
            .card
            .get_crtc(self.crtc)
            .map_err(|error| self.card.failed(&error))?;
        if crtc.framebuffer() == Some(self.framebuffer) && crtc.mode().is_some() {
            return Ok(Watched::Same);
        }
        self.is_lit = false;
        Ok(Watched::Repaint)
    }
}

#[cfg(test)]
mod tests {
    use super::super::outputs::tests::Tree;
    use super::*;

    fn error(driver: &mut DrmDriver) -> PanelError {
        driver.open().err().unwrap()
    }

    #[test]
    fn what_is_not_there_is_missing_and_what_there_is_is_listed() {
        let tree = Tree::new();
        let mut driver = DrmDriver::new(Some("HDMI-A-1".to_owned()), tree.path());
        assert_eq!(driver.node(), "drm:HDMI-A-1");
        assert_eq!(
            error(&mut driver),
            PanelError::Missing("no graphics card with a DRM driver".to_owned())
        );
        tree.output("card0-DP-1", "disconnected", 0);
        tree.output("card0-DP-2", "disconnected", 0);
        assert_eq!(
            error(&mut driver),
            PanelError::Missing("no connector HDMI-A-1; there are DP-1, DP-2".to_owned())
        );
        let mut first = DrmDriver::new(None, tree.path());
        assert_eq!(
            error(&mut first),
            PanelError::Missing("no monitor at any of DP-1, DP-2".to_owned())
        );
    }

    #[test]
    fn names_are_taken_in_letters_of_either_case_and_the_first_monitor_without_one() {
        let tree = Tree::new();
        tree.output("card0-DP-1", "disconnected", 0);
        tree.output("card1-HDMI-A-1", "connected", 0);
        let named = |name: Option<&str>| {
            let driver = DrmDriver::new(name.map(str::to_owned), tree.path());
            driver.candidates().unwrap()[0].name.clone()
        };
        assert_eq!(named(Some("dp-1")), "DP-1");
        assert_eq!(named(None), "HDMI-A-1");
    }

    #[test]
    fn a_node_that_is_late_or_no_card_is_an_error_and_no_end() {
        let tree = Tree::new();
        tree.output("card0-DP-1", "connected", 0);
        let mut driver = DrmDriver::new(None, tree.path());
        assert_eq!(error(&mut driver).word(), "missing");
        tree.write("dev/dri/card0", b"a file");
        let error = error(&mut driver);
        assert_eq!(error.word(), "failed");
        assert!(error.to_string().contains("card0"), "{error}");
    }

    #[test]
    fn the_preferred_mode_wins_unless_it_is_too_large() {
        let modes = [(5120, 2880, true), (3840, 2160, false), (1920, 1080, true)];
        let facts = |mode: &(u16, u16, bool)| ((mode.0, mode.1), mode.2);
        assert_eq!(best(&modes, facts), Some(&modes[2]));
        assert_eq!(best(&modes[..2], facts), Some(&modes[1]));
        assert_eq!(best(&modes[..1], facts), None);
        assert_eq!(best(&[], facts), None);
    }
}
