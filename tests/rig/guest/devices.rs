//! Scanners as the kernel's drivers meet them: virtual input and HID devices, and a USB bridge that the
//! host plugs. Those that are USB gadgets are in `gadgets`.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use evdev::uinput::VirtualDevice;
use evdev::{AttributeSet, BusType, EventType, InputEvent, InputId, KeyCode};
use oplati::devices::scanner::keyboard::keymap::key_of;

use crate::host::Host;
use crate::wait_for;

/// A scanner that can be plugged in and out.
pub trait Scanner {
    fn kind(&self) -> &'static str;
    /// For `[Scanner] device`.
    fn setting(&self) -> String;
    /// The stable name that udev gives.
    fn link(&self) -> PathBuf;
    fn plug(&mut self);
    fn unplug(&mut self);
    /// Reads a code.
    fn scan(&mut self, code: &[u8]);
    /// Begins to, and stops half-way.
    fn half(&mut self);
}

/// Where a scanner's name leads, once udev has made it.
pub fn node(scanner: &dyn Scanner) -> PathBuf {
    let link = scanner.link();
    wait_for(&format!("{}", link.display()), || {
        fs::canonicalize(&link).ok()
    })
}

/// Scanners take 1 to 19 ms for a character; the kernel keeps some ten characters for a reader that has
/// no processor at the moment, and drops the rest.
pub fn pace() {
    std::thread::sleep(std::time::Duration::from_millis(4));
}

/// Nobody holds a code before a scanner that was just plugged in within the time that two keys take; what
/// is typed as soon may be the rest of a code, and is none.
pub fn reach() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}

// ---- a keyboard by uinput

pub struct Uinput {
    pub vid: u16,
    pub pid: u16,
    /// Its profile, by which udev names it.
    pub profile: &'static str,
    pub device: Option<VirtualDevice>,
}

impl Uinput {
    pub fn scanner() -> Uinput {
        Uinput::of(0x05e0, 0x1200, "zebra")
    }

    pub fn of(vid: u16, pid: u16, profile: &'static str) -> Uinput {
        Uinput {
            vid,
            pid,
            profile,
            device: None,
        }
    }

    pub fn strike(&mut self, key: u16, pressed: bool) {
        let event = InputEvent::new(EventType::KEY.0, key, i32::from(pressed));
        self.device.as_mut().unwrap().emit(&[event]).unwrap();
    }

    pub fn type_text(&mut self, code: &[u8]) {
        for byte in code {
            let (key, shift) = key_of(char::from(*byte)).unwrap();
            if shift {
                self.strike(42, true);
            }
            self.strike(key, true);
            self.strike(key, false);
            if shift {
                self.strike(42, false);
            }
            pace();
        }
    }
}

impl Scanner for Uinput {
    fn kind(&self) -> &'static str {
        "keyboard, uinput"
    }

    fn setting(&self) -> String {
        format!("keyboard:{}", self.link().display())
    }

    fn link(&self) -> PathBuf {
        Path::new("/dev/oplati").join(self.profile)
    }

    fn plug(&mut self) {
        let mut keys = AttributeSet::<KeyCode>::new();
        for key in 1..=248 {
            keys.insert(KeyCode::new(key));
        }
        let device = VirtualDevice::builder()
            .unwrap()
            .name("Reader keys")
            .input_id(InputId::new(BusType::BUS_USB, self.vid, self.pid, 1))
            .with_keys(&keys)
            .unwrap()
            .build()
            .unwrap();
        self.device = Some(device);
    }

    fn unplug(&mut self) {
        self.device = None;
    }

    fn scan(&mut self, code: &[u8]) {
        reach();
        self.type_text(code);
        self.strike(28, true);
        self.strike(28, false);
    }

    fn half(&mut self) {
        self.type_text(b"HALF");
    }
}

// ---- HID POS by uhid

/// How reports are laid out.
#[derive(Clone, Copy)]
pub enum Layout {
    /// Length, AIM identifier, data from byte 5.
    Honeywell,
    /// Length, data from byte 2.
    Newland,
}

impl Layout {
    pub fn descriptor(self) -> &'static [u8] {
        match self {
            Layout::Honeywell => {
                b"\x05\x8c\x09\x02\xa1\x01\x85\x02\x09\x12\xa1\x02\x15\x00\x26\xff\x00\
                  \x75\x08\x95\x01\x05\x01\x09\x3b\x81\x02\
                  \x95\x03\x05\x8c\x09\xfb\x09\xfc\x09\xfd\x81\x02\
                  \x95\x38\x09\xfe\x82\x02\x01\
                  \x06\x66\xff\x95\x02\x09\x04\x81\x02\
                  \x05\x8c\x25\x01\x75\x01\x95\x01\x09\xff\x81\x02\x75\x07\x81\x03\xc0\xc0"
            }
            Layout::Newland => {
                b"\x05\x8c\x09\x02\xa1\x01\x85\x02\x09\x12\xa1\x02\x15\x00\x26\xff\x00\
                  \x75\x08\x95\x01\x05\x01\x09\x3b\x81\x02\
                  \x05\x8c\x95\x38\x09\xfe\x82\x02\x01\
                  \x06\x66\xff\x95\x05\x09\x04\x81\x02\
                  \x05\x8c\x25\x01\x75\x01\x95\x01\x09\xff\x81\x02\x75\x07\x81\x03\xc0\xc0"
            }
        }
    }

    pub fn reports(self, code: &[u8]) -> Vec<[u8; 64]> {
        self.reports_with(code, b"]Q1")
    }

    /// With this AIM identifier, where the layout has one.
    pub fn reports_with(self, code: &[u8], aim: &[u8; 3]) -> Vec<[u8; 64]> {
        let parts: Vec<&[u8]> = code.chunks(56).collect();
        let last = parts.len() - 1;
        let report = |(index, part): (usize, &&[u8])| {
            let mut report = [0; 64];
            report[0] = 2;
            report[1] = u8::try_from(part.len()).unwrap();
            let start = match self {
                Layout::Honeywell => {
                    report[2..5].copy_from_slice(aim);
                    5
                }
                Layout::Newland => 2,
            };
            report[start..start + part.len()].copy_from_slice(part);
            report[63] = u8::from(index != last);
            report
        };
        parts.iter().enumerate().map(report).collect()
    }

    /// Vendor, product and profile, for a virtual device and for a gadget.
    pub fn ids(self, gadget: bool) -> (u16, u16, &'static str) {
        match (self, gadget) {
            (Layout::Honeywell, false) => (0x05f9, 0x1234, "datalogic"),
            (Layout::Honeywell, true) => (0x0c2e, 0x0907, "honeywell"),
            (Layout::Newland, false) => (0x1eab, 0x0d10, "newland"),
            (Layout::Newland, true) => (0x1eab, 0x0e10, "newland"),
        }
    }
}

pub struct Uhid {
    pub layout: Layout,
    pub ids: (u16, u16, &'static str),
    pub descriptor: Vec<u8>,
    pub device: Option<File>,
}

impl Uhid {
    pub fn new(layout: Layout) -> Uhid {
        Uhid {
            layout,
            ids: layout.ids(false),
            descriptor: layout.descriptor().to_vec(),
            device: None,
        }
    }

    pub fn send(&mut self, report: &[u8]) {
        // UHID_INPUT2: type, size, data (linux/uhid.h).
        let mut event = 12_u32.to_ne_bytes().to_vec();
        event.extend(u16::try_from(report.len()).unwrap().to_ne_bytes());
        event.extend(report);
        self.device.as_mut().unwrap().write_all(&event).unwrap();
    }
}

impl Scanner for Uhid {
    fn kind(&self) -> &'static str {
        match self.layout {
            Layout::Honeywell => "HID POS, uhid, layout A",
            Layout::Newland => "HID POS, uhid, layout B",
        }
    }

    fn setting(&self) -> String {
        format!("hid:/dev/oplati/{}", self.ids.2)
    }

    fn link(&self) -> PathBuf {
        Path::new("/dev/oplati").join(self.ids.2)
    }

    fn plug(&mut self) {
        let descriptor = &self.descriptor;
        let (vid, pid, _) = self.ids;
        // UHID_CREATE2: name, phys, uniq, sizes and numbers, descriptor.
        let mut event = 11_u32.to_ne_bytes().to_vec();
        let mut name = [0; 128 + 64 + 64];
        name[..6].copy_from_slice(b"Reader");
        event.extend(name);
        event.extend(u16::try_from(descriptor.len()).unwrap().to_ne_bytes());
        event.extend(3_u16.to_ne_bytes());
        for number in [u32::from(vid), u32::from(pid), 0, 0] {
            event.extend(number.to_ne_bytes());
        }
        event.extend(descriptor);
        let mut device = File::options()
            .read(true)
            .write(true)
            .open("/dev/uhid")
            .unwrap();
        device.write_all(&event).unwrap();
        self.device = Some(device);
    }

    fn unplug(&mut self) {
        self.device = None;
    }

    fn scan(&mut self, code: &[u8]) {
        for report in self.layout.reports(code) {
            self.send(&report);
        }
    }

    fn half(&mut self) {
        let reports = self.layout.reports(&[b'H'; 100]);
        self.send(&reports[0]);
    }
}

// ---- a USB bridge of the host

pub struct Ftdi<'a> {
    pub host: &'a Host,
}

impl Scanner for Ftdi<'_> {
    fn kind(&self) -> &'static str {
        "FTDI bridge, bound by its place"
    }

    fn setting(&self) -> String {
        "serial:/dev/oplati/left@9600".to_owned()
    }

    fn link(&self) -> PathBuf {
        "/dev/oplati/left".into()
    }

    fn plug(&mut self) {
        self.host.ask("serial-plug");
    }

    fn unplug(&mut self) {
        self.host.ask("serial-unplug");
    }

    fn scan(&mut self, code: &[u8]) {
        let bytes = [code, b"\r"].concat();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.host.ask(&format!("serial-send {hex}"));
    }

    fn half(&mut self) {
        self.host.ask("serial-send 48414c46");
    }
}
