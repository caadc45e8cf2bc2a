//! The settings by name: what each allows, and its default.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Time;

use crate::base::secret::Secret;
pub use crate::model::line::{Layout, LineSettings, Parity};
use crate::model::operation::Mode;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelSize {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

impl PixelSize {
    /// So many pixels wide and high.
    pub const fn new(width: u32, height: u32) -> PixelSize {
        PixelSize { width, height }
    }
}

/// `[Main]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MainSettings {
    /// Address of the service, without a slash at the end.
    pub url: String,
    /// Bound of one request.
    pub timeout: Duration,
    /// Registration number of the till; without it payments are refused.
    pub reg_num: Option<String>,
    /// For sales that name none.
    pub mode: Mode,
    /// Password mode instead of a token.
    pub password: Option<Secret>,
    /// The payment type's number in the till program.
    pub valutcode: Option<u32>,
    /// Bound of every wait for a person.
    pub wait_buyer: Duration,
    /// How long after a lost request the service may still carry it out.
    pub settle: Duration,
    /// How long the journal keeps finished operations.
    pub journal_days: u32,
    /// Least pause between two questions for the status of one payment or reversal, 1 to 60 s. The service's own
    /// rule is 5 s (R).
    pub poll_payment: Duration,
    /// Least pause between two questions whether the buyer has joined one session, 1 to 10 s. The service's rule is
    /// not known (A).
    pub poll_session: Duration,
    /// The wallet's name on the buyer's screens, 1 to 32 characters.
    pub wallet_name: String,
    /// When the shift of the day before is reconciled by itself, Europe/Minsk; `None`: never.
    pub reconcile_at: Option<Time>,
}

/// A scanner of `[Scanner] device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannerDevice {
    /// Whatever is found.
    Auto,
    /// A serial port.
    Serial(SerialLine),
    /// A HID POS node.
    Hid {
        /// The device's node below /dev.
        path: PathBuf,
    },
    /// A keyboard's event node.
    Keyboard {
        /// The device's node below /dev.
        path: PathBuf,
    },
}

/// `PATH[@BAUD[,8N1]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialLine {
    /// Node or a symlink to it.
    pub path: PathBuf,
    /// Without them, those of the device's profile.
    pub settings: Option<LineSettings>,
}

/// Whether codes that are not for О!плати go on to the till program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// They do not.
    #[default]
    No,
    /// Keyboard scanners by a virtual keyboard, others by a pseudo-terminal.
    Yes,
    /// HID POS scanners by a virtual keyboard as well.
    Keyboard,
}

/// `[Scanner]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScannerSettings {
    /// In the order of the file.
    pub devices: Vec<ScannerDevice>,
    /// Profile id.
    pub profile: Option<String>,
    /// For keyboard scanners; without it, that of the device's profile.
    pub layout: Option<Layout>,
    /// Codes that are not for О!плати go on to the till program.
    pub share: Share,
    /// Prefixes of buyers' codes.
    pub buyer_code: Vec<String>,
}

/// A display of `[Display] device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisplayDevice {
    /// Whatever is found.
    Auto,
    /// A screen.
    Drm {
        /// Connector, if one is named.
        connector: Option<String>,
    },
    /// A frame buffer.
    Framebuffer {
        /// The device's node below /dev.
        path: PathBuf,
    },
    /// Windows of `oplati display --window`.
    Window,
    /// A QR box or pole display.
    Serial(SerialDisplay),
    /// A file.
    Png {
        /// Replaced with each scene.
        path: PathBuf,
        /// Of the picture.
        size: PixelSize,
    },
    /// The browser page.
    Web,
}

impl DisplayDevice {
    pub(super) fn serial(&self) -> Option<&SerialDisplay> {
        let DisplayDevice::Serial(display) = self else {
            return None;
        };
        Some(display)
    }

    pub(super) fn serial_mut(&mut self) -> Option<&mut SerialDisplay> {
        let DisplayDevice::Serial(display) = self else {
            return None;
        };
        Some(display)
    }
}

/// A QR box or pole display on a serial port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialDisplay {
    /// The port.
    pub line: SerialLine,
    /// Profile id: without one, nobody knows how to speak to it.
    pub profile: Option<String>,
}

/// The buyer's language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// Russian.
    #[default]
    Ru,
    /// Belarusian.
    Be,
    /// English.
    En,
}

/// `[Display]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DisplaySettings {
    /// In the order of the file.
    pub devices: Vec<DisplayDevice>,
    /// Profile ids: one for all displays on serial ports, or one for each in the order of the file.
    pub profiles: Vec<String>,
    /// Of the buyer.
    pub language: Language,
    /// On the idle scene.
    pub shop_name: Option<String>,
    /// A PNG for the idle scene.
    pub logo: Option<PathBuf>,
    /// 0, 90, 180, 270 degrees clockwise.
    pub rotate: u16,
}

/// `[Till]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TillSettings {
    /// Unix socket of the API.
    pub socket: PathBuf,
    /// TCP as well, loopback only.
    pub listen: Option<SocketAddr>,
    /// Bearer token for TCP.
    pub token_file: PathBuf,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[Main]`.
    pub main: MainSettings,
    /// `[Scanner]`.
    pub scanner: ScannerSettings,
    /// `[Display]`.
    pub display: DisplaySettings,
    /// `[Till]`.
    pub till: TillSettings,
}
