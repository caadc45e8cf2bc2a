//! `fb:PATH`: a framebuffer, of any format and stride.
//!
//! The kernel's text console may have the same memory. To silence it (`KD_GRAPHICS`) was weighed
//! against painting anew: silence needs a right that the daemon's user has not, blinds the cashier's
//! console where both have one framebuffer, and stays after a crash. Painting anew wins: where a
//! console has the screen, the picture is written again at each look, so that text stays half a second
//! at most. The cursor's blinking is switched off meanwhile where the system lets us.
//!
//! Behind most framebuffers of today there is a DRM driver. It refuses a change of modes with EBUSY
//! while a desktop is the card's master: what is written then is seen by nobody.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::ioctl::{self, Fixed, Palette, Variable};
use super::outputs;
use super::pixels::{self, Format};
use crate::config::PixelSize;
use crate::devices::display::frame::Frame;
use crate::devices::display::panel::{Driver, Millimetres, Panel, PanelError, PixelPanel, Watched};

/// Frames have at most this many pixels a side.
const MAX_PIXELS: u32 = 3840;
/// `FB_TYPE_PACKED_PIXELS`: whole pixels side by side.
const PACKED: u32 = 0;
// FB_VISUAL_*.
const PSEUDOCOLOR: u32 = 3;
const DIRECTCOLOR: u32 = 4;
const STATIC_PSEUDOCOLOR: u32 = 5;
/// Below the root folder.
const CURSOR_BLINK: &str = "sys/class/graphics/fbcon/cursor_blink";

#[derive(Debug)]
pub(in crate::devices::display) struct FbDriver {
    path: PathBuf,
    root: PathBuf,
}

impl FbDriver {
    pub(in crate::devices::display) fn new(path: PathBuf, root: &Path) -> FbDriver {
        FbDriver {
            path,
            root: root.to_owned(),
        }
    }
}

impl Driver for FbDriver {
    fn node(&self) -> String {
        self.path.display().to_string()
    }

    fn open(&mut self) -> Result<Panel, PanelError> {
        let panel = FbPanel::open(&self.path, &self.root)?;
        Ok(Panel::Pixels(Box::new(panel)))
    }
}

/// Where pictures go.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Layout {
    size: PixelSize,
    format: Format,
    /// Bytes from a row to the next.
    stride: usize,
    /// Of the first visible pixel, bytes from the start of the memory.
    start: u64,
}

impl Layout {
    fn of(variable: &Variable, fixed: &Fixed) -> Result<Layout, String> {
        let Variable { width, height, .. } = *variable;
        if !(1..=MAX_PIXELS).contains(&width) || !(1..=MAX_PIXELS).contains(&height) {
            return Err(format!(
                "{width}x{height} pixels; 1 to {MAX_PIXELS} a side are supported"
            ));
        }
        if fixed.kind != PACKED {
            return Err(format!(
                "memory of type {} is not supported, packed pixels are",
                fixed.kind
            ));
        }
        let format = format(variable, fixed)?;
        let pixel = u32::try_from(format.bytes()).unwrap_or(4);
        // Rows may be longer than their pixels, so the stride is always the kernel's own.
        let stride = match fixed.line_length {
            0 => variable.virtual_width.max(width).saturating_mul(pixel),
            reported => reported,
        };
        if u64::from(stride) < u64::from(width) * u64::from(pixel) {
            return Err(format!(
                "rows of {stride} bytes do not hold {width} pixels of {pixel} bytes"
            ));
        }
        let start = u64::from(variable.y_offset) * u64::from(stride)
            + u64::from(variable.x_offset) * u64::from(pixel);
        let end = start + u64::from(stride) * u64::from(height);
        if fixed.memory_length > 0 && end > u64::from(fixed.memory_length) + u64::from(stride) {
            return Err(format!(
                "a picture of {end} bytes in {} bytes of memory",
                fixed.memory_length
            ));
        }
        Ok(Layout {
            size: PixelSize::new(width, height),
            format,
            stride: usize::try_from(stride).unwrap_or(usize::MAX),
            start,
        })
    }
}

fn format(variable: &Variable, fixed: &Fixed) -> Result<Format, String> {
    let bits = variable.bits_per_pixel;
    let colours = [variable.red, variable.green, variable.blue].map(pixels::Channel::from);
    let [red, _, blue] = colours;
    let made = match (bits, fixed.visual) {
        (8, STATIC_PSEUDOCOLOR) => {
            return Err("a palette that cannot be changed is not supported".to_owned());
        }
        (8, PSEUDOCOLOR) => Format::rgb332(),
        (8, _) if variable.grayscale == 1 || red.length == 0 => Ok(Format::grey()),
        (_, PSEUDOCOLOR | STATIC_PSEUDOCOLOR) => {
            return Err(format!(
                "a palette of {bits} bits is not supported, one of 8 is"
            ));
        }
        // Some kernels report 16 bits while their rows have four bytes a pixel: the rows are right.
        (16, _)
            if fixed.line_length
                == variable.virtual_width.max(variable.width).saturating_mul(4) =>
        {
            let swapped = blue.offset > red.offset;
            let places = if swapped { [0, 8, 16] } else { [16, 8, 0] };
            let colours = places.map(|offset| pixels::Channel { offset, length: 8 });
            Format::new(32, colours, pixels::Channel::default())
        }
        _ => Format::new(bits, colours, variable.alpha.into()),
    };
    made.map_err(|error| error.to_string())
}

/// Millimetres where the kernel knows them.
fn millimetres(variable: &Variable) -> Option<Millimetres> {
    let sensible = |value: u32| (1..10_000).contains(&value);
    let Variable {
        width_mm,
        height_mm,
        ..
    } = *variable;
    (sensible(width_mm) && sensible(height_mm)).then_some(Millimetres {
        width: width_mm,
        height: height_mm,
    })
}

/// A framebuffer that is open.
#[derive(Debug)]
struct FbPanel {
    file: File,
    path: PathBuf,
    root: PathBuf,
    /// Of the device.
    number: u32,
    reported: Variable,
    layout: Layout,
    /// The picture's bytes, all rows; empty before the first one.
    shown: Vec<u8>,
    /// What was set before ours.
    palette: Option<Palette>,
    /// Set back at the end.
    cursor_blinked: bool,
}

impl FbPanel {
    fn open(path: &Path, root: &Path) -> Result<FbPanel, PanelError> {
        let node = path.display().to_string();
        let io = |error: &std::io::Error| PanelError::of_io(&node, error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            // A FIFO or a tty under this name must not hold us up.
            .custom_flags(
                (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY)
                    .bits()
                    .cast_signed(),
            )
            .open(path)
            .map_err(|error| io(&error))?;
        let number = rustix::fs::minor(file.metadata().map_err(|error| io(&error))?.rdev());
        let reported = ioctl::variable(&file).map_err(|error| refused(&node, error))?;
        let is_set = ioctl::force(&file, reported);
        if is_set == Err(Errno::BUSY) {
            return Err(taken(&node));
        }
        // Others refuse as well, and show their pictures all the same.
        let _ = ioctl::wake(&file);
        let reported = ioctl::variable(&file).map_err(|error| refused(&node, error))?;
        let fixed = ioctl::fixed(&file).map_err(|error| refused(&node, error))?;
        let layout = Layout::of(&reported, &fixed)
            .map_err(|what| PanelError::Failed(format!("{node}: {what}")))?;
        let mut panel = FbPanel {
            file,
            path: path.to_owned(),
            root: root.to_owned(),
            number,
            reported,
            layout,
            shown: Vec::new(),
            palette: None,
            cursor_blinked: false,
        };
        panel
            .colour(&fixed)
            .map_err(|error| refused(&node, error))?;
        panel.still_cursor();
        Ok(panel)
    }

    /// Sets the palette, or the colours' tables, that the format needs.
    fn colour(&mut self, fixed: &Fixed) -> rustix::io::Result<()> {
        let mut ours = match fixed.visual {
            PSEUDOCOLOR => Palette(pixels::palette().map(|colours| colours.to_vec())),
            DIRECTCOLOR => {
                let Variable {
                    red, green, blue, ..
                } = self.reported;
                let longest = red.length.max(green.length).max(blue.length);
                let ramp = pixels::straight(longest);
                // Shorter colours use the first entries of the tables only.
                let of = |length: u32| {
                    let mut table = pixels::straight(length);
                    table.resize(ramp.len(), u16::MAX);
                    table
                };
                Palette([of(red.length), of(green.length), of(blue.length)])
            }
            _ => return Ok(()),
        };
        let Palette([red, ..]) = &ours;
        self.palette = Palette::of(&self.file, red.len()).ok();
        ours.set(&self.file)
    }

    /// Whether the text console in front is on this screen.
    fn has_console(&self) -> bool {
        let console = outputs::console(&self.root);
        console.is_some_and(|console| ioctl::framebuffer_of(&self.file, console) == Ok(self.number))
    }

    fn still_cursor(&mut self) {
        if !self.has_console() {
            return;
        }
        let switch = self.root.join(CURSOR_BLINK);
        if std::fs::read(&switch).is_ok_and(|state| state.starts_with(b"1")) {
            self.cursor_blinked = std::fs::write(&switch, "0").is_ok();
            if !self.cursor_blinked {
                tracing::info!(
                    node = %self.path.display(),
                    "The text console is on this screen, and its cursor blinks there; the kernel's parameter vt.global_cursor_default=0 takes it away"
                );
            }
        }
    }

    fn write(&self) -> Result<(), PanelError> {
        // The last row may end with its last pixel.
        let width = usize::try_from(self.layout.size.width).unwrap_or_default();
        let padding = self
            .layout
            .stride
            .saturating_sub(width * self.layout.format.bytes());
        let length = self.shown.len().saturating_sub(padding);
        let bytes = self.shown.get(..length).unwrap_or_default();
        self.file
            .write_all_at(bytes, self.layout.start)
            .map_err(|error| PanelError::of_io(&self.path.display().to_string(), &error))
    }
}

fn taken(node: &str) -> PanelError {
    PanelError::Taken {
        what: node.to_owned(),
        holder: None,
    }
}

fn refused(node: &str, error: Errno) -> PanelError {
    match error {
        Errno::NOTTY => PanelError::Failed(format!("{node} is no framebuffer")),
        Errno::BUSY => taken(node),
        other => PanelError::of_io(node, &other.into()),
    }
}

impl PixelPanel for FbPanel {
    fn size(&self) -> PixelSize {
        self.layout.size
    }

    fn millimetres(&self) -> Option<Millimetres> {
        millimetres(&self.reported)
    }

    fn show(&mut self, frame: &Frame) -> Result<(), PanelError> {
        let height = usize::try_from(self.layout.size.height).unwrap_or_default();
        self.shown
            .resize(self.layout.stride.saturating_mul(height), 0);
        self.layout
            .format
            .frame(frame, self.layout.stride, &mut self.shown);
        self.write()
    }

    fn can_be_watched(&self) -> bool {
        true
    }

    fn watch(&mut self) -> Result<Watched, PanelError> {
        let node = self.path.display().to_string();
        let reported = ioctl::variable(&self.file).map_err(|error| refused(&node, error))?;
        let same = |of: &Variable| (of.width, of.height, of.bits_per_pixel, of.red, of.blue);
        if same(&reported) != same(&self.reported) {
            return Err(PanelError::Missing(format!("{node} has another mode")));
        }
        // The console scrolls by moving the visible area.
        if ioctl::pan(&self.file, reported) == Err(Errno::BUSY) {
            return Err(taken(&node));
        }
        if self.has_console() {
            let _ = ioctl::wake(&self.file);
            self.write()?;
        }
        Ok(Watched::Same)
    }
}

impl Drop for FbPanel {
    fn drop(&mut self) {
        if let Some(palette) = &mut self.palette {
            let _ = palette.set(&self.file);
        }
        if self.cursor_blinked {
            let _ = std::fs::write(self.root.join(CURSOR_BLINK), "1");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::display::screen::ioctl::Bitfield;

    fn field(offset: u32, length: u32) -> Bitfield {
        Bitfield {
            offset,
            length,
            ..Bitfield::default()
        }
    }

    /// 16 bits, 5-6-5.
    fn reported(width: u32, height: u32) -> Variable {
        Variable {
            width,
            height,
            virtual_width: width,
            virtual_height: height,
            bits_per_pixel: 16,
            red: field(11, 5),
            green: field(5, 6),
            blue: field(0, 5),
            ..Variable::default()
        }
    }

    fn fixed(line_length: u32) -> Fixed {
        Fixed {
            line_length,
            visual: 2,
            ..Fixed::default()
        }
    }

    #[test]
    fn the_kernels_stride_is_taken_and_a_wrong_depth_is_seen() {
        // 1366 pixels of 16 bits in rows of 2752 bytes.
        let layout = Layout::of(&reported(1366, 768), &fixed(2752)).unwrap();
        assert_eq!((layout.stride, layout.format.bytes()), (2752, 2));
        // 800 pixels "of 16 bits" in rows of 3200 bytes have 32.
        let layout = Layout::of(&reported(800, 480), &fixed(3200)).unwrap();
        assert_eq!(layout.format, Format::xrgb8888().unwrap());
        // Rows padded to a power of two are no such thing.
        let layout = Layout::of(&reported(800, 480), &fixed(4096)).unwrap();
        assert_eq!(layout.format.bytes(), 2);
        let mut swapped = reported(800, 480);
        (swapped.red, swapped.blue) = (swapped.blue, swapped.red);
        let layout = Layout::of(&swapped, &fixed(3200)).unwrap();
        assert_ne!(layout.format, Format::xrgb8888().unwrap());
    }

    #[test]
    fn the_visible_area_is_found_where_the_console_moved_it() {
        let mut moved = reported(800, 480);
        (moved.x_offset, moved.y_offset) = (3, 480);
        let layout = Layout::of(&moved, &fixed(1600)).unwrap();
        assert_eq!(layout.start, 480 * 1600 + 6);
    }

    #[test]
    fn what_cannot_be_shown_is_reported() {
        let refusal = |variable: &Variable, fixed: &Fixed| Layout::of(variable, fixed).unwrap_err();
        assert!(refusal(&reported(0, 480), &fixed(10)).starts_with("0x480 pixels"));
        assert!(refusal(&reported(5000, 480), &fixed(10_000)).contains("3840"));
        assert!(refusal(&reported(800, 480), &fixed(100)).contains("rows of 100 bytes"));
        let mono = Variable {
            bits_per_pixel: 1,
            ..reported(128, 64)
        };
        assert!(refusal(&mono, &fixed(16)).contains("1 bits per pixel"));
        let planes = Fixed {
            kind: 1,
            ..fixed(1600)
        };
        assert!(refusal(&reported(800, 480), &planes).contains("packed"));
        let small = Fixed {
            memory_length: 1000,
            ..fixed(1600)
        };
        assert!(refusal(&reported(800, 480), &small).contains("1000 bytes of memory"));
        let indexed = Variable {
            bits_per_pixel: 8,
            ..reported(800, 480)
        };
        let rigid = Fixed {
            visual: STATIC_PSEUDOCOLOR,
            ..fixed(800)
        };
        assert!(refusal(&indexed, &rigid).contains("palette"));
    }

    #[test]
    fn eight_bits_are_a_palette_colours_or_grey() {
        let of = |variable: &Variable, visual: u32| {
            let fixed = Fixed {
                visual,
                ..fixed(800)
            };
            Layout::of(variable, &fixed).unwrap().format
        };
        let mut eight = reported(800, 480);
        eight.bits_per_pixel = 8;
        assert_eq!(of(&eight, PSEUDOCOLOR), Format::rgb332().unwrap());
        (eight.red, eight.green, eight.blue) = (field(5, 3), field(2, 3), field(0, 2));
        assert_eq!(of(&eight, 2), Format::rgb332().unwrap());
        eight.grayscale = 1;
        assert_eq!(of(&eight, 2), Format::grey());
    }

    #[test]
    fn millimetres_are_believed_when_they_make_sense() {
        let of = |width_mm, height_mm| {
            millimetres(&Variable {
                width_mm,
                height_mm,
                ..reported(8, 8)
            })
        };
        assert_eq!(
            of(154, 86),
            Some(Millimetres {
                width: 154,
                height: 86
            })
        );
        assert_eq!(of(0, 0), None);
        assert_eq!(of(u32::MAX, u32::MAX), None);
    }

    #[test]
    fn a_plain_file_and_a_missing_one_are_reported_and_kept_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fb0");
        let mut driver = FbDriver::new(path.clone(), folder.path());
        assert_eq!(driver.node(), path.display().to_string());
        assert_eq!(driver.open().err().unwrap().word(), "missing");
        std::fs::write(&path, "notes").unwrap();
        let error = driver.open().err().unwrap();
        assert_eq!(
            error,
            PanelError::Failed(format!("{} is no framebuffer", path.display()))
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"notes");
    }
}
