//! What screens a machine has, by sysfs: nothing is opened for it, since whoever opens a graphics card
//! first is its master. A root folder is taken, so that tests have a tree of their own.

use std::path::{Path, PathBuf};

use crate::config::PixelSize;
use crate::devices::discovery::sysfs::{bytes, entries, text};

/// A connector of a graphics card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// `/dev/dri/card0`.
    pub(super) card: PathBuf,
    /// `HDMI-A-1`: the kernel gives no name twice, not even on two cards.
    pub(super) name: String,
    pub(super) is_connected: bool,
    /// Of the first mode, which is the preferred one.
    pub(super) pixels: Option<PixelSize>,
    /// Visible area in square centimetres, from the EDID.
    pub(super) area_cm2: Option<u32>,
}

impl Output {
    /// A screen that is built in: the cashier's, where there is another one.
    pub(super) fn is_internal(&self) -> bool {
        ["eDP", "LVDS", "DSI"]
            .iter()
            .any(|kind| self.name.starts_with(kind))
    }
}

/// All connectors, ordered by card and name.
pub(super) fn outputs(root: &Path) -> Vec<Output> {
    let class = root.join("sys/class/drm");
    let mut found: Vec<Output> = entries(&class)
        .into_iter()
        .filter_map(|entry| output(root, &class.join(&entry), &entry))
        .collect();
    found.sort_by_key(|output| {
        let card = output.card.as_os_str().len();
        (card, output.card.clone(), output.name.clone())
    });
    found
}

fn output(root: &Path, folder: &Path, entry: &str) -> Option<Output> {
    let (card, name) = entry.split_once('-')?;
    card.strip_prefix("card").filter(|rest| is_number(rest))?;
    let is_connected = text(&folder.join("status"))? == "connected";
    let modes = text(&folder.join("modes")).unwrap_or_default();
    Some(Output {
        card: root.join("dev/dri").join(card),
        name: name.to_owned(),
        is_connected,
        pixels: modes.lines().next().and_then(mode),
        area_cm2: bytes(&folder.join("edid")).and_then(|edid| area(&edid)),
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `1920x1080`, or `1920x1080i`.
fn mode(line: &str) -> Option<PixelSize> {
    let (width, height) = line.trim_end_matches('i').split_once('x')?;
    Some(PixelSize::new(width.parse().ok()?, height.parse().ok()?))
}

/// Bytes 21 and 22 of an EDID are the picture's size in centimetres (VESA E-EDID, 3.6.2); a projector
/// has none.
fn area(edid: &[u8]) -> Option<u32> {
    if !edid.starts_with(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]) {
        return None;
    }
    let (width, height) = (edid.get(21)?, edid.get(22)?);
    Some(u32::from(*width) * u32::from(*height)).filter(|area| *area > 0)
}

/// A framebuffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Framebuffer {
    /// `/dev/fb0`.
    pub(super) node: PathBuf,
    /// As its driver calls itself.
    pub(super) name: String,
    /// Whether a DRM driver stands behind it and shows it on all of its screens alike.
    pub(super) is_drm: bool,
}

impl Framebuffer {
    /// The only screen of a machine whose graphics have no driver: what the firmware left.
    pub(super) fn is_firmware(&self) -> bool {
        ["EFI VGA", "VESA VGA", "VGA16 VGA", "simple"].contains(&self.name.as_str())
            || self.name.starts_with("OFfb")
    }
}

/// All framebuffers in order.
pub(super) fn framebuffers(root: &Path) -> Vec<Framebuffer> {
    let class = root.join("sys/class/graphics");
    let found = entries(&class).into_iter().filter_map(|entry| {
        entry.strip_prefix("fb").filter(|rest| is_number(rest))?;
        Some(Framebuffer {
            node: root.join("dev").join(&entry),
            name: text(&class.join(&entry).join("name"))?,
            is_drm: class.join(&entry).join("device/drm").is_dir(),
        })
    });
    found.collect()
}

/// Number of the text console that is in front, from 1.
pub(super) fn console(root: &Path) -> Option<u32> {
    let active = text(&root.join("sys/class/tty/tty0/active"))?;
    active.strip_prefix("tty")?.parse().ok()
}

/// Why a desktop may want the graphics cards, though it does not hold them yet; English.
pub(super) fn desktop(root: &Path) -> Option<String> {
    for unit in [
        "etc/systemd/system/display-manager.service",
        "run/systemd/system/display-manager.service",
    ] {
        if root.join(unit).symlink_metadata().is_ok() {
            return Some("a display manager is installed".to_owned());
        }
    }
    let socket = entries(&root.join("tmp/.X11-unix")).into_iter().next()?;
    Some(format!("an X server runs ({socket})"))
}

/// Seconds since the machine was started.
pub(super) fn uptime(root: &Path) -> Option<u64> {
    let text = text(&root.join("proc/uptime"))?;
    text.split('.').next()?.parse().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    pub(crate) use crate::devices::discovery::sysfs::tests::Tree;

    /// The screens of a machine that is made of files.
    impl Tree {
        /// With a picture of so many centimetres; 0 for one that does not report it.
        pub(crate) fn output(&self, name: &str, status: &str, cm: u8) {
            let folder = format!("sys/class/drm/{name}");
            self.write(
                &format!("{folder}/status"),
                format!("{status}\n").as_bytes(),
            );
            self.write(&format!("{folder}/modes"), b"1024x600\n800x600\n");
            let mut edid = vec![0; 128];
            edid[..8].copy_from_slice(&[0, 255, 255, 255, 255, 255, 255, 0]);
            (edid[21], edid[22]) = (cm, cm);
            self.write(&format!("{folder}/edid"), if cm == 0 { b"" } else { &edid });
        }

        pub(crate) fn framebuffer(&self, number: u32, name: &str, is_drm: bool) {
            let folder = format!("sys/class/graphics/fb{number}");
            self.write(&format!("{folder}/name"), format!("{name}\n").as_bytes());
            if is_drm {
                self.write(&format!("{folder}/device/drm/card0/dev"), b"226:0\n");
            }
        }
    }

    #[test]
    fn outputs_and_framebuffers_are_read_in_order() {
        let tree = Tree::new();
        tree.output("card10-DP-1", "connected", 0);
        tree.output("card2-HDMI-A-1", "connected", 20);
        tree.output("card2-eDP-1", "disconnected", 0);
        tree.write("sys/class/drm/card2/dev", b"226:2\n");
        tree.write("sys/class/drm/renderD128/dev", b"226:128\n");
        tree.write("sys/class/drm/version", b"drm 1.1.0\n");
        tree.framebuffer(10, "inteldrmfb", true);
        tree.framebuffer(2, "fb_ili9341", false);
        tree.write("sys/class/graphics/fbcon/cursor_blink", b"1\n");
        tree.write("sys/class/tty/tty0/active", b"tty7\n");
        let found = outputs(tree.path());
        let names: Vec<_> = found.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(names, ["HDMI-A-1", "eDP-1", "DP-1"]);
        let expected = Output {
            card: tree.path().join("dev/dri/card2"),
            name: "HDMI-A-1".to_owned(),
            is_connected: true,
            pixels: Some(PixelSize::new(1024, 600)),
            area_cm2: Some(400),
        };
        assert_eq!(found[0], expected);
        assert!(found[1].is_internal() && !found[1].is_connected);
        assert_eq!(found[2].area_cm2, None);
        let found = framebuffers(tree.path());
        let short: Vec<_> = found
            .iter()
            .map(|fb| (fb.name.as_str(), fb.is_drm))
            .collect();
        assert_eq!(short, [("fb_ili9341", false), ("inteldrmfb", true)]);
        assert_eq!(console(tree.path()), Some(7));
        assert_eq!(uptime(tree.path()), Some(1234));
    }

    #[test]
    fn an_empty_machine_and_garbage_are_nothing() {
        assert!(outputs(Path::new("/nonexistent")).is_empty());
        assert!(framebuffers(Path::new("/nonexistent")).is_empty());
        assert_eq!(desktop(Path::new("/nonexistent")), None);
        let tree = Tree::new();
        tree.write("sys/class/drm/card-HDMI-A-1/status", b"connected");
        tree.write("sys/class/drm/cardx-DP-1/status", b"connected");
        tree.write("sys/class/drm/card0-VGA-1/status", &[0xff; 9000]);
        tree.write("sys/class/drm/card0-VGA-1/modes", b"axb\n\n");
        tree.write("sys/class/drm/card0-VGA-1/edid", &[0xff; 30]);
        let found = outputs(tree.path());
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].is_connected, found[0].pixels, found[0].area_cm2),
            (false, None, None)
        );
    }

    #[test]
    fn desktops_are_known_by_their_traces() {
        let tree = Tree::new();
        assert_eq!(desktop(tree.path()), None);
        tree.write("tmp/.X11-unix/X0", b"");
        assert_eq!(desktop(tree.path()).unwrap(), "an X server runs (X0)");
        tree.write("etc/systemd/system/display-manager.service", b"");
        assert_eq!(
            desktop(tree.path()).unwrap(),
            "a display manager is installed"
        );
    }
}
