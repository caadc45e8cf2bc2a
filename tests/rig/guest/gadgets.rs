//! Scanners as USB gadgets on a dummy controller, which the kernel's class drivers meet like any other.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::devices::{Layout, Scanner, pace, reach};
use crate::wait_for;

const GADGET: &str = "/sys/kernel/config/usb_gadget/scanner";

fn put(file: &str, content: &[u8]) {
    let path = Path::new(GADGET).join(file);
    fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A gadget with one function, made anew for each scanner.
fn describe(vid: u16, pid: u16, function: &str, settings: &[(&str, &[u8])]) {
    clear();
    for folder in ["strings/0x409", "configs/c.1/strings/0x409"] {
        fs::create_dir_all(Path::new(GADGET).join(folder)).unwrap();
    }
    put("idVendor", format!("{vid:#06x}").as_bytes());
    put("idProduct", format!("{pid:#06x}").as_bytes());
    put("strings/0x409/serialnumber", b"SN0001");
    put("strings/0x409/manufacturer", b"Maker");
    put("strings/0x409/product", b"Reader");
    add(function, settings);
}

/// One more function of the gadget.
fn add(function: &str, settings: &[(&str, &[u8])]) {
    let function_path = Path::new(GADGET).join("functions").join(function);
    fs::create_dir_all(&function_path).unwrap();
    for (file, content) in settings {
        put(&format!("functions/{function}/{file}"), content);
    }
    std::os::unix::fs::symlink(
        function_path,
        Path::new(GADGET).join("configs/c.1").join(function),
    )
    .unwrap();
}

/// configfs is taken apart link by link.
pub fn clear() {
    if !Path::new(GADGET).exists() {
        return;
    }
    let _ = fs::write(Path::new(GADGET).join("UDC"), "\n");
    for function in ["hid.0", "hid.1", "acm.0"] {
        let _ = fs::remove_file(Path::new(GADGET).join("configs/c.1").join(function));
        let _ = fs::remove_dir(Path::new(GADGET).join("functions").join(function));
    }
    for folder in [
        "configs/c.1/strings/0x409",
        "configs/c.1",
        "strings/0x409",
        "",
    ] {
        let _ = fs::remove_dir(Path::new(GADGET).join(folder));
    }
}

fn connect() {
    let controller = fs::read_dir("/sys/class/udc")
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    put("UDC", controller.file_name().as_encoded_bytes());
}

fn disconnect() {
    put("UDC", b"\n");
}

/// The gadget's own end, once there is one.
fn gadget_end(path: &str) -> File {
    wait_for(path, || {
        File::options().read(true).write(true).open(path).ok()
    })
}

pub struct GadgetPos {
    layout: Layout,
    end: Option<File>,
}

impl GadgetPos {
    pub fn new(layout: Layout) -> GadgetPos {
        GadgetPos { layout, end: None }
    }
}

impl Scanner for GadgetPos {
    fn kind(&self) -> &'static str {
        match self.layout {
            Layout::Honeywell => "HID POS, USB gadget, layout A",
            Layout::Newland => "HID POS, USB gadget, layout B",
        }
    }

    fn setting(&self) -> String {
        format!("hid:{}", self.link().display())
    }

    fn link(&self) -> PathBuf {
        Path::new("/dev/oplati").join(self.layout.ids(true).2)
    }

    fn plug(&mut self) {
        if !Path::new(GADGET).exists() {
            let (vid, pid, _) = self.layout.ids(true);
            let settings: [(&str, &[u8]); 4] = [
                ("protocol", b"0"),
                ("subclass", b"0"),
                ("report_length", b"64"),
                ("report_desc", self.layout.descriptor()),
            ];
            describe(vid, pid, "hid.0", &settings);
        }
        connect();
        self.end = Some(gadget_end("/dev/hidg0"));
    }

    fn unplug(&mut self) {
        self.end = None;
        disconnect();
    }

    fn scan(&mut self, code: &[u8]) {
        for report in self.layout.reports(code) {
            self.end.as_mut().unwrap().write_all(&report).unwrap();
        }
    }

    fn half(&mut self) {
        let report = self.layout.reports(&[b'H'; 100])[0];
        self.end.as_mut().unwrap().write_all(&report).unwrap();
    }
}

/// A boot keyboard (HID specification, appendix E.6), without LEDs.
const KEYBOARD: &[u8] = b"\x05\x01\x09\x06\xa1\x01\x05\x07\x19\xe0\x29\xe7\x15\x00\x25\x01\x75\x01\
    \x95\x08\x81\x02\x95\x01\x75\x08\x81\x01\x95\x06\x75\x08\x15\x00\x25\x65\x05\x07\x19\x00\x29\x65\
    \x81\x00\xc0";
/// Usages of the keyboard page (HID Usage Tables, chapter 10), the first of each row.
const USAGES: [(u8, &str, &str); 4] = [
    (
        0x04,
        "abcdefghijklmnopqrstuvwxyz",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    ),
    (0x1e, "1234567890", "!@#$%^&*()"),
    (0x2c, " -=[]\\", " _+{}|"),
    (0x33, ";'`,./", ":\"~<>?"),
];

pub struct GadgetKeyboard {
    interfaces: usize,
    pub ends: Vec<File>,
    /// The interface that it types on.
    pub types_on: usize,
}

impl GadgetKeyboard {
    pub fn new() -> GadgetKeyboard {
        GadgetKeyboard::with(1)
    }

    /// One device with several keyboards, as some scanners are.
    pub fn with(interfaces: usize) -> GadgetKeyboard {
        GadgetKeyboard {
            interfaces,
            ends: Vec::new(),
            types_on: 0,
        }
    }

    fn strike(&mut self, modifiers: u8, usage: u8) {
        for report in [[modifiers, 0, usage, 0, 0, 0, 0, 0], [0; 8]] {
            self.ends[self.types_on].write_all(&report).unwrap();
        }
    }

    fn type_text(&mut self, code: &[u8]) {
        for byte in code {
            let sign = char::from(*byte);
            let place = |row: &str| row.chars().position(|one| one == sign);
            let (usage, shift) = USAGES
                .iter()
                .find_map(|(first, plain, shifted)| {
                    let (at, shift) = match place(plain) {
                        Some(at) => (at, false),
                        None => (place(shifted)?, true),
                    };
                    Some((first + u8::try_from(at).unwrap(), shift))
                })
                .unwrap();
            self.strike(if shift { 2 } else { 0 }, usage);
            pace();
        }
    }
}

impl Scanner for GadgetKeyboard {
    fn kind(&self) -> &'static str {
        "keyboard, USB gadget"
    }

    fn setting(&self) -> String {
        "keyboard:/dev/oplati/zebra".to_owned()
    }

    fn link(&self) -> PathBuf {
        "/dev/oplati/zebra".into()
    }

    fn plug(&mut self) {
        if !Path::new(GADGET).exists() {
            let settings: [(&str, &[u8]); 4] = [
                ("protocol", b"1"),
                ("subclass", b"1"),
                ("report_length", b"8"),
                ("report_desc", KEYBOARD),
            ];
            describe(0x05e0, 0x1200, "hid.0", &settings);
            if self.interfaces == 2 {
                add("hid.1", &settings);
            }
        }
        connect();
        let ends = 0..self.interfaces;
        self.ends = ends
            .map(|at| gadget_end(&format!("/dev/hidg{at}")))
            .collect();
    }

    fn unplug(&mut self) {
        self.ends.clear();
        disconnect();
    }

    fn scan(&mut self, code: &[u8]) {
        reach();
        self.type_text(code);
        self.strike(0, 0x28);
    }

    fn half(&mut self) {
        self.type_text(b"HALF");
    }
}

pub struct GadgetAcm {
    ids: (u16, u16),
    end: Option<File>,
}

impl GadgetAcm {
    pub fn new() -> GadgetAcm {
        GadgetAcm {
            ids: (0x1eab, 0x0e06),
            end: None,
        }
    }

    /// Of a maker that no profile knows.
    pub fn unknown() -> GadgetAcm {
        GadgetAcm {
            ids: (0x7777, 0x0001),
            end: None,
        }
    }
}

impl Scanner for GadgetAcm {
    fn kind(&self) -> &'static str {
        "CDC-ACM, USB gadget"
    }

    fn setting(&self) -> String {
        "serial:/dev/oplati/newland".to_owned()
    }

    fn link(&self) -> PathBuf {
        "/dev/oplati/newland".into()
    }

    fn plug(&mut self) {
        if !Path::new(GADGET).exists() {
            describe(self.ids.0, self.ids.1, "acm.0", &[]);
        }
        connect();
        let end = gadget_end("/dev/ttyGS0");
        let mut modes = rustix::termios::tcgetattr(&end).unwrap();
        modes.make_raw();
        rustix::termios::tcsetattr(&end, rustix::termios::OptionalActions::Now, &modes).unwrap();
        self.end = Some(end);
    }

    fn unplug(&mut self) {
        self.end = None;
        disconnect();
    }

    fn scan(&mut self, code: &[u8]) {
        let end = self.end.as_mut().unwrap();
        end.write_all(&[code, b"\r\n"].concat()).unwrap();
    }

    fn half(&mut self) {
        self.end.as_mut().unwrap().write_all(b"HALF").unwrap();
    }
}
