//! What is plugged in: serial ports, HID raw nodes and keyboards, as sysfs lists them.
//!
//! - [`sysfs`]: reads a sysfs below a root that is passed in · [`access`]: rights, holders, symlinks ·
//!   [`uevent`]: the kernel's and udev's word that something came or went · [`port`]: opens a serial port
//!   that is named · [`identity`]: what a device reports of itself · [`report_descriptor`]: what it declares of its
//!   reports
//!
//! sysfs and not udev's database: it is there before udev has run and without udev at all. To find out,
//! nothing is opened and nothing is written; an unknown port may be a scale or a modem.

pub(crate) mod access;
pub(crate) mod identity;
pub(crate) mod port;
pub mod report_descriptor;
pub(crate) mod sysfs;
pub(crate) mod uevent;

use std::path::PathBuf;

use crate::devices::mode::Mode;

/// A node that may be a scanner's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The node in `/dev`, such as `/dev/ttyACM0`.
    pub node: PathBuf,
    /// How it speaks through this node.
    pub mode: Mode,
    /// The vendor number of USB, or what the virtual device pretends.
    pub vid: Option<u16>,
    /// The product number of USB.
    pub pid: Option<u16>,
    /// The maker as the device reports it, cleaned of control characters, as are the next two.
    pub maker: Option<String>,
    /// The product as the device reports it.
    pub product: Option<String>,
    /// The serial number as the device reports it; cheap devices all have the same.
    pub serial: Option<String>,
    /// USB: the release that the maker gave the device (`bcdDevice`), such as `1.00`.
    pub release: Option<String>,
    /// The physical device in sysfs: nodes of one device have the same.
    pub device: PathBuf,
    /// Where it is plugged in, such as `1-2.3`; stays through replugs into the same socket.
    pub port: Option<String>,
    /// The kernel's driver, such as `cdc_acm`.
    pub driver: Option<String>,
    /// HID raw nodes: the report descriptor.
    pub descriptor: Vec<u8>,
}

impl Candidate {
    /// A node of which nothing else is known yet.
    pub fn new(node: PathBuf, mode: Mode, device: PathBuf) -> Candidate {
        Candidate {
            node,
            mode,
            vid: None,
            pid: None,
            maker: None,
            product: None,
            serial: None,
            release: None,
            device,
            port: None,
            driver: None,
            descriptor: Vec::new(),
        }
    }

    /// `1eab:0d06`, if it is known.
    pub fn ids(&self) -> Option<String> {
        Some(format!("{:04x}:{:04x}", self.vid?, self.pid?))
    }

    /// One physical device in one of its modes. By its place and not by its serial number: cheap
    /// scanners all have the same.
    pub fn claim(&self) -> String {
        format!("{} {}", self.mode.word(), self.device.display())
    }
}
