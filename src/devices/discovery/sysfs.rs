//! `/sys/class/{tty,hidraw,input}`. Every file is a hostile device's word: sizes are bounded, texts
//! cleaned.

use std::path::{Path, PathBuf};

use super::Candidate;
use crate::devices::mode::Mode;

/// Longest attribute that is read; a report descriptor has at most 4096 bytes (`HID_MAX_DESCRIPTOR_SIZE`
/// of the kernel).
const MAX_ATTRIBUTE: usize = 4096;
/// Longest name that is kept.
const MAX_NAME: usize = 80;
/// Most nodes of one class.
const MAX_NODES: usize = 512;

/// `KEY_Q`..`KEY_P`, `KEY_ENTER` and `KEY_SPACE`: what types codes has these, and a power button, a
/// mouse or a jack has not.
const TYPING_KEYS: [usize; 6] = [16, 17, 18, 25, 28, 57];

/// From `KEY_ESC` to `KEY_SPACE`, the keypad, `KEY_102ND` and keypad Enter: whatever has one of these may
/// type a part of a code.
const TYPED_KEYS: [std::ops::RangeInclusive<usize>; 4] = [1..=57, 71..=83, 86..=86, 96..=96];

/// Name of the virtual keyboards that this program makes: they are no scanners.
pub const OWN_KEYBOARD: &str = "oplati shared";

/// Everything below `root` (`/` or a copy for tests) that may be a scanner, ordered by node.
pub fn candidates(root: &Path) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (class, read) in [
        ("tty", tty as fn(&Path, &Path, &str) -> Option<Candidate>),
        ("hidraw", hidraw),
        ("input", input),
    ] {
        let folder = root.join("sys/class").join(class);
        let names = entries(&folder).into_iter();
        found.extend(names.filter_map(|name| read(root, &folder.join(&name), &name)));
    }
    found
}

/// The candidate whose node this is; symlinks are resolved.
pub fn candidate_at(root: &Path, node: &Path) -> Option<Candidate> {
    let node = std::fs::canonicalize(node).ok()?;
    candidates(root).into_iter().find(|one| one.node == node)
}

/// What the device whose node this is reports of itself.
pub fn identity_at(root: &Path, node: &Path) -> Option<String> {
    candidate_at(root, node)?.identity()
}

/// The keyboard that an event node with few keys belongs to.
pub fn keyboard_with(root: &Path, node: &Path) -> Option<Candidate> {
    let entry = root.join("sys/class/input").join(node.file_name()?);
    let device = std::fs::canonicalize(entry.join("device")).ok()?;
    candidates(root)
        .into_iter()
        .find(|one| one.mode == Mode::Keyboard && device.starts_with(&one.device))
}

fn tty(root: &Path, entry: &Path, name: &str) -> Option<Candidate> {
    let device = std::fs::canonicalize(entry.join("device")).ok()?;
    let driver = driver(&device);
    // The four ports that the kernel lists whether they are there or not have type 0.
    if text(&entry.join("type")).is_some_and(|kind| kind == "0") {
        return None;
    }
    Some(with_usb(Candidate {
        driver,
        ..Candidate::new(root.join("dev").join(name), Mode::Serial, device)
    }))
}

fn hidraw(root: &Path, entry: &Path, name: &str) -> Option<Candidate> {
    let device = std::fs::canonicalize(entry.join("device")).ok()?;
    let uevent = text(&device.join("uevent")).unwrap_or_default();
    let value = |key: &str| {
        uevent
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    // HID_ID=0003:00001EAB:00000D10
    let mut ids = value("HID_ID")
        .unwrap_or_default()
        .split(':')
        .skip(1)
        .map(|id| u16::try_from(u32::from_str_radix(id, 16).ok()?).ok());
    let (vid, pid) = (ids.next().flatten(), ids.next().flatten());
    let clean = |key| value(key).map(clean).filter(|text| !text.is_empty());
    Some(with_usb(Candidate {
        vid,
        pid,
        product: clean("HID_NAME"),
        serial: clean("HID_UNIQ"),
        driver: driver(&device),
        descriptor: bytes(&device.join("report_descriptor")).unwrap_or_default(),
        ..Candidate::new(root.join("dev").join(name), Mode::HidPos, device)
    }))
}

fn input(root: &Path, entry: &Path, name: &str) -> Option<Candidate> {
    if !name.starts_with("event") {
        return None;
    }
    let device = std::fs::canonicalize(entry.join("device")).ok()?;
    let keys = text(&device.join("capabilities/key"))?;
    if !TYPING_KEYS.iter().all(|key| has_bit(&keys, *key)) {
        return None;
    }
    let product = text(&device.join("name")).map(|name| clean(&name));
    if product.iter().any(|name| name.starts_with(OWN_KEYBOARD)) {
        return None;
    }
    let id = |file: &str| {
        let text = text(&device.join("id").join(file))?;
        u16::from_str_radix(&text, 16).ok().filter(|id| *id != 0)
    };
    let serial = text(&device.join("uniq")).map(|serial| clean(&serial));
    Some(with_usb(Candidate {
        vid: id("vendor"),
        pid: id("product"),
        product,
        serial: serial.filter(|serial| !serial.is_empty()),
        driver: device.parent().and_then(driver),
        ..Candidate::new(root.join("dev/input").join(name), Mode::Keyboard, device)
    }))
}

/// What the USB device above its interface reports, if there is one.
fn with_usb(mut candidate: Candidate) -> Candidate {
    let usb = candidate
        .device
        .ancestors()
        .find(|folder| folder.join("idVendor").is_file());
    let Some(usb) = usb.map(Path::to_owned) else {
        return candidate;
    };
    let id =
        |file: &str| text(&usb.join(file)).and_then(|text| u16::from_str_radix(&text, 16).ok());
    let named = |file: &str| {
        text(&usb.join(file))
            .map(|text| clean(&text))
            .filter(|text| !text.is_empty())
    };
    candidate.vid = id("idVendor").or(candidate.vid);
    candidate.pid = id("idProduct").or(candidate.pid);
    candidate.maker = named("manufacturer");
    candidate.product = named("product").or(candidate.product);
    candidate.serial = named("serial").or(candidate.serial);
    candidate.release = id("bcdDevice").map(|bcd| format!("{:x}.{:02x}", bcd >> 8, bcd & 0xff));
    candidate.port = usb
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    candidate.device = usb;
    candidate
}

fn driver(device: &Path) -> Option<String> {
    let link = std::fs::read_link(device.join("driver")).ok()?;
    Some(clean(&link.file_name()?.to_string_lossy()))
}

/// The kernel prints key bits as 64-bit words, the highest first.
fn has_bit(words: &str, bit: usize) -> bool {
    let word = words.split_whitespace().rev().nth(bit / 64);
    word.and_then(|word| u64::from_str_radix(word, 16).ok())
        .is_some_and(|word| word >> (bit % 64) & 1 == 1)
}

/// The names in a folder of sysfs, `card2` before `card10`; none where there is no such folder.
pub fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .take(MAX_NODES)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names
}

/// An attribute as it is, cut after 4096 bytes.
pub fn bytes(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut content = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    let limit = u64::try_from(MAX_ATTRIBUTE).ok()?;
    file.take(limit).read_to_end(&mut content).ok()?;
    Some(content)
}

/// An attribute as text, without the space around it.
pub fn text(path: &Path) -> Option<String> {
    let content = bytes(path)?;
    Some(String::from_utf8_lossy(&content).trim().to_owned())
}

fn clean(text: &str) -> String {
    text.trim()
        .chars()
        .filter(|c| !crate::base::text::is_unsafe(*c))
        .take(MAX_NAME)
        .collect()
}

/// Every event node of the keyboard's physical device that can type, `keyboard`'s own first: a device
/// may type on any of them, and some have digits only.
pub fn typing_nodes(root: &Path, keyboard: &Candidate) -> Vec<PathBuf> {
    let mut nodes = vec![keyboard.node.clone()];
    let folder = root.join("sys/class/input");
    let mut others: Vec<PathBuf> = entries(&folder)
        .into_iter()
        .filter_map(|name| {
            let device = std::fs::canonicalize(folder.join(&name).join("device")).ok()?;
            let is_of_it = device.starts_with(&keyboard.device);
            let keys = text(&device.join("capabilities/key"))?;
            let types = TYPED_KEYS
                .into_iter()
                .flatten()
                .any(|key| has_bit(&keys, key));
            (name.starts_with("event") && is_of_it && types)
                .then(|| root.join("dev/input").join(name))
        })
        .filter(|node| *node != keyboard.node)
        .collect();
    others.sort();
    nodes.extend(others);
    nodes
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A sysfs in a folder, as the kernel lays it out.
    pub(crate) struct Tree(pub tempfile::TempDir);

    impl Tree {
        pub(crate) fn new() -> Tree {
            let tree = Tree(tempfile::tempdir().unwrap());
            for class in ["tty", "hidraw", "input"] {
                std::fs::create_dir_all(tree.path().join("sys/class").join(class)).unwrap();
            }
            tree.write("proc/uptime", b"1234.56 999.9\n");
            tree
        }

        pub(crate) fn path(&self) -> &Path {
            self.0.path()
        }

        pub(crate) fn write(&self, path: &str, content: &[u8]) {
            let path = self.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }

        /// A USB device at a port.
        pub(crate) fn usb(&self, port: &str, vid: &str, pid: &str, serial: &str) {
            let base = format!("sys/devices/pci0/usb1/{port}");
            self.write(&format!("{base}/idVendor"), vid.as_bytes());
            self.write(&format!("{base}/idProduct"), pid.as_bytes());
            self.write(&format!("{base}/manufacturer"), b"Maker\x07 & Sons\n");
            self.write(&format!("{base}/product"), b"Reader\n");
            if !serial.is_empty() {
                self.write(&format!("{base}/serial"), serial.as_bytes());
            }
        }

        fn node(&self, class: &str, name: &str, device: &str) {
            let entry = self.path().join("sys/class").join(class).join(name);
            std::fs::create_dir_all(&entry).unwrap();
            symlink(self.path().join(device), entry.join("device")).unwrap();
        }

        pub(crate) fn tty(&self, port: &str, name: &str) {
            let device = format!("sys/devices/pci0/usb1/{port}/{port}:1.0");
            self.write(&format!("{device}/uevent"), b"DRIVER=cdc_acm\n");
            self.node("tty", name, &device);
        }

        pub(crate) fn hidraw(&self, port: &str, name: &str, ids: &str, descriptor: &[u8]) {
            let device = format!("sys/devices/pci0/usb1/{port}/{port}:1.0/0003:{name}");
            let uevent = format!("HID_ID=0003:{ids}\nHID_NAME=Reader\nHID_UNIQ=\n");
            self.write(&format!("{device}/uevent"), uevent.as_bytes());
            self.write(&format!("{device}/report_descriptor"), descriptor);
            self.node("hidraw", name, &device);
        }

        pub(crate) fn keyboard(&self, port: &str, name: &str, keys: &str) {
            let device = format!("sys/devices/pci0/usb1/{port}/{port}:1.1/input/in{name}");
            self.write(&format!("{device}/capabilities/key"), keys.as_bytes());
            self.write(&format!("{device}/name"), b"Reader keys\n");
            self.node("input", name, &device);
        }
    }

    /// The keys of an ordinary keyboard.
    pub(crate) const KEYS: &str =
        "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe";

    #[test]
    fn each_kind_of_node_is_found_with_what_its_device_reports() {
        let tree = Tree::new();
        tree.usb("1-2", "1eab", "0d06", "SN1");
        tree.tty("1-2", "ttyACM0");
        tree.usb("1-3", "1eab", "0d10", "");
        tree.hidraw("1-3", "hidraw4", "00001EAB:00000D10", b"\x05\x8c");
        tree.usb("1-4", "1eab", "0d03", "");
        tree.keyboard("1-4", "event7", KEYS);
        tree.keyboard("1-4", "event8", "10000 0");
        let found = candidates(tree.path());
        let expected = [
            ("dev/ttyACM0", Mode::Serial, "1eab:0d06", "1-2"),
            ("dev/hidraw4", Mode::HidPos, "1eab:0d10", "1-3"),
            ("dev/input/event7", Mode::Keyboard, "1eab:0d03", "1-4"),
        ];
        assert_eq!(found.len(), expected.len());
        for (one, (node, mode, ids, port)) in found.iter().zip(expected) {
            assert_eq!(one.node, tree.path().join(node));
            assert_eq!(one.mode, mode);
            assert_eq!(one.ids().as_deref(), Some(ids));
            assert_eq!(one.port.as_deref(), Some(port));
        }
        assert_eq!(found[0].maker.as_deref(), Some("Maker & Sons"));
        assert_eq!(found[1].descriptor, b"\x05\x8c");
        assert_eq!(found[0].serial.as_deref(), Some("SN1"));
    }

    #[test]
    fn nodes_of_one_device_belong_together() {
        let tree = Tree::new();
        tree.usb("1-4", "1eab", "0d03", "");
        tree.keyboard("1-4", "event7", KEYS);
        tree.keyboard("1-4", "event9", KEYS);
        // Digits and Enter, and a node with volume keys.
        tree.keyboard("1-4", "event10", "10000ffc");
        tree.keyboard("1-4", "event11", "1000000000000 0");
        tree.usb("1-5", "1eab", "0d03", "");
        tree.keyboard("1-5", "event8", KEYS);
        let found = candidates(tree.path());
        assert_eq!(found[0].claim(), found[2].claim());
        assert_ne!(found[0].claim(), found[1].claim());
        let nodes = typing_nodes(tree.path(), &found[2]);
        let expected =
            ["event9", "event10", "event7"].map(|name| tree.path().join("dev/input").join(name));
        assert_eq!(nodes, expected);
        let digits = tree.path().join("dev/input/event10");
        assert_eq!(keyboard_with(tree.path(), &digits), Some(found[0].clone()));
        let none = Path::new("/dev/input/event99");
        assert_eq!(keyboard_with(tree.path(), none), None);
    }

    #[test]
    fn no_sysfs_is_nothing_and_garbage_is_survived() {
        assert!(candidates(Path::new("/nonexistent")).is_empty());
        let tree = Tree::new();
        tree.usb("1-2", "zzzz", "\u{fffd}", "\n\n");
        tree.tty("1-2", "ttyACM0");
        tree.hidraw("1-2", "hidraw0", ":::", &[0xff; 9000]);
        tree.keyboard("1-2", "event1", "no numbers at all");
        let found = candidates(tree.path());
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].descriptor.len(), MAX_ATTRIBUTE);
        assert_eq!(found[0].ids(), None);
    }
}
