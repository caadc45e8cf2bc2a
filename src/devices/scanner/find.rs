//! From a line of oplati.conf to an open device: where it is now, which profile holds, and what to report
//! when it is not as it should be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::DeviceState;
use super::hid::HidSource;
use super::keyboard::KeyboardSource;
use super::serial::SerialSource;
use super::source::Source;
use crate::base::lock::lock;
use crate::config::{ScannerDevice, ScannerSettings};
use crate::devices::discovery::report_descriptor::{Unfit, is_barcode_scanner, layouts};
use crate::devices::discovery::{Candidate, access, sysfs};
use crate::devices::mode::Mode;
use crate::devices::profile::Registry;
use crate::devices::profile::schema::Profile;
use crate::model::line::{Layout, LineSettings};

/// What is known about all devices, shared by the scanners' threads.
#[derive(Clone, Debug)]
pub struct DeviceLocator {
    pub registry: Arc<Registry>,
    /// `[Scanner] profile`.
    pub profile: Option<String>,
    /// `[Scanner] layout`, if it is set.
    pub layout: Option<Layout>,
    /// Where sysfs and the nodes are; `/` but in tests.
    pub root: PathBuf,
    /// Devices that scanners have: [`Candidate::claim`], and whose it is.
    pub claims: Arc<Mutex<BTreeMap<String, String>>>,
}

/// What a scanner looks for.
#[derive(Clone, Debug)]
pub enum Target {
    /// As oplati.conf names it.
    Named(ScannerDevice),
    /// Any device that can be nothing but a scanner and is not another's.
    Any,
}

impl Target {
    /// The node and the mode that oplati.conf names; `None` for whatever is plugged in.
    pub(super) fn named(&self) -> Option<(&Path, Mode)> {
        match self {
            Target::Named(device) => named(device),
            Target::Any => None,
        }
    }
}

fn named(device: &ScannerDevice) -> Option<(&Path, Mode)> {
    match device {
        ScannerDevice::Serial(line) => Some((&line.path, Mode::Serial)),
        ScannerDevice::Hid { path } => Some((path, Mode::HidPos)),
        ScannerDevice::Keyboard { path } => Some((path, Mode::Keyboard)),
        ScannerDevice::Auto => None,
    }
}

/// An open device.
pub(super) struct Opened {
    pub source: Box<dyn Source>,
    pub node: PathBuf,
    pub profile: String,
    pub mode: Mode,
    /// What sysfs knows of it.
    pub candidate: Option<Candidate>,
    /// For keyboards: how many nodes it has.
    pub nodes: usize,
}

/// What a look at a device shows; `Connected` means that it could be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The node, or as oplati.conf has it.
    pub node: PathBuf,
    /// The profile that would hold.
    pub profile: Option<String>,
    pub state: DeviceState,
    /// The reason of the state, English.
    pub why: Option<String>,
}

/// Why there is none: the state and the reason, English.
pub(super) type NotOpened = (DeviceState, String);

impl DeviceLocator {
    /// One for the devices of this machine, with what `[Scanner]` sets for them.
    pub fn new(registry: Arc<Registry>, settings: &ScannerSettings) -> DeviceLocator {
        DeviceLocator {
            registry,
            profile: settings.profile.clone(),
            layout: settings.layout,
            // Nodes and sysfs are the machine's, wherever the files are.
            root: PathBuf::from("/"),
            claims: Arc::default(),
        }
    }

    /// Opens what `target` means for the scanner `name`.
    pub(super) fn open(&self, name: &str, target: &Target) -> Result<Opened, NotOpened> {
        let Some((path, mode)) = target.named() else {
            return self.open_any(name);
        };
        let line = match target {
            Target::Named(ScannerDevice::Serial(line)) => line.settings.as_ref(),
            Target::Named(_) | Target::Any => None,
        };
        let (node, candidate) = self.node(path, mode)?;
        self.claim(name, claim_of(&node, candidate.as_ref()))?;
        let opened = self.open_node(node, candidate, mode, line);
        if opened.is_err() {
            self.release(name);
        }
        opened
    }

    /// One device is one scanner's: read by two, each code would come twice.
    fn claim(&self, name: &str, claim: String) -> Result<(), NotOpened> {
        let mut claims = lock(&self.claims);
        if let Some(whose) = claims.get(&claim).filter(|whose| *whose != name) {
            let why = format!("oplati.conf names this device for {whose} already");
            return Err((DeviceState::Failed(why.clone()), why));
        }
        claims.insert(claim, name.to_owned());
        Ok(())
    }

    /// Whether the device has got more nodes since it was opened: a keyboard's come one by one.
    pub(super) fn has_more_nodes(&self, opened: &(Option<Candidate>, usize)) -> bool {
        let (candidate, nodes) = opened;
        candidate.as_ref().is_some_and(|one| {
            one.mode == Mode::Keyboard && sysfs::typing_nodes(&self.root, one).len() > *nodes
        })
    }

    /// Gives the scanner's device back.
    pub(super) fn release(&self, name: &str) {
        lock(&self.claims).retain(|_, whose| whose != name);
    }

    /// What `auto` may take and nobody has.
    pub fn unclaimed(&self) -> Vec<Candidate> {
        let takes = |candidate: &Candidate| {
            self.registry
                .fit(candidate)
                .is_some_and(|fit| fit.may_take_unasked(candidate.mode))
        };
        let mut candidates = sysfs::candidates(&self.root);
        candidates.retain(takes);
        let claims = lock(&self.claims);
        // Several nodes of one keyboard are one scanner.
        let mut seen: BTreeSet<String> = claims.keys().cloned().collect();
        candidates.retain(|candidate| seen.insert(candidate.claim()));
        candidates
    }

    fn open_any(&self, name: &str) -> Result<Opened, NotOpened> {
        let mut failed = None;
        for candidate in self.unclaimed() {
            let claim = candidate.claim();
            {
                let mut claims = lock(&self.claims);
                if claims.contains_key(&claim) {
                    continue;
                }
                claims.insert(claim.clone(), name.to_owned());
            }
            match self.open_candidate(&candidate) {
                Ok(opened) => return Ok(opened),
                Err(error) => {
                    lock(&self.claims).remove(&claim);
                    failed = Some(error);
                }
            }
        }
        let other = || self.misused(|_| true);
        let nothing = "no scanner that a profile knows is plugged in".to_owned();
        let failed = failed.or_else(other);
        Err(failed.unwrap_or((DeviceState::Missing, nothing)))
    }

    fn open_candidate(&self, candidate: &Candidate) -> Result<Opened, NotOpened> {
        let (node, found) = self.node(&candidate.node, candidate.mode)?;
        self.open_node(node, found, candidate.mode, None)
    }

    fn open_node(
        &self,
        node: PathBuf,
        candidate: Option<Candidate>,
        mode: Mode,
        line: Option<&LineSettings>,
    ) -> Result<Opened, NotOpened> {
        match mode {
            Mode::Serial => self.open_serial(node, candidate, line),
            Mode::HidPos => self.open_hid(candidate),
            Mode::Keyboard => self.open_keyboard(node, candidate),
        }
    }

    /// The profile that oplati.conf names, else the one that fits, else the usual one of the mode.
    fn profile_for(&self, candidate: Option<&Candidate>, mode: Mode) -> Option<&Profile> {
        let named = self.profile.as_deref().and_then(|id| self.registry.get(id));
        let fit = || candidate.and_then(|one| self.registry.fit(one));
        named.or_else(|| fit().map(|fit| fit.profile)).or_else(|| {
            self.registry.get(match mode {
                Mode::Serial => "generic-serial",
                Mode::HidPos => "generic-hid-pos",
                Mode::Keyboard => "generic-keyboard",
            })
        })
    }

    fn open_serial(
        &self,
        node: PathBuf,
        candidate: Option<Candidate>,
        line: Option<&LineSettings>,
    ) -> Result<Opened, NotOpened> {
        // Who opened the port before us and did not lock it would go on taking bytes of each code.
        if candidate.is_some() {
            refuse_held(&node)?;
        }
        let profile = self.profile_for(candidate.as_ref(), Mode::Serial);
        let mut settings = profile.map(Profile::serial).unwrap_or_default();
        if let Some(line) = line {
            settings.baud = line.baud;
            settings.data_bits = line.data_bits;
            settings.parity = line.parity;
            settings.stop_bits = line.stop_bits;
        }
        Ok(Opened {
            source: Box::new(SerialSource::open(&node, &settings)?),
            profile: id_of(profile),
            mode: Mode::Serial,
            nodes: 1,
            candidate,
            node,
        })
    }

    fn open_hid(&self, candidate: Option<Candidate>) -> Result<Opened, NotOpened> {
        let Some(mut candidate) = candidate else {
            let why = "the node is no HID device's".to_owned();
            return Err((DeviceState::Failed(why.clone()), why));
        };
        // A composite device has several nodes, and the name may lead to any of them.
        if !is_barcode_scanner(&candidate.descriptor) {
            let scanner = sysfs::candidates(&self.root).into_iter().find(|other| {
                other.mode == Mode::HidPos
                    && other.device == candidate.device
                    && is_barcode_scanner(&other.descriptor)
            });
            candidate = scanner.unwrap_or(candidate);
        }
        let profile = self.profile_for(Some(&candidate), Mode::HidPos);
        let settings = profile.map(Profile::hid).unwrap_or_default();
        let source = HidSource::open(&candidate.node, &candidate.descriptor, &settings)?;
        Ok(Opened {
            source: Box::new(source),
            profile: id_of(profile),
            mode: Mode::HidPos,
            nodes: 1,
            node: candidate.node.clone(),
            candidate: Some(candidate),
        })
    }

    fn open_keyboard(
        &self,
        node: PathBuf,
        candidate: Option<Candidate>,
    ) -> Result<Opened, NotOpened> {
        let candidate = candidate.or_else(|| sysfs::keyboard_with(&self.root, &node));
        let nodes = match &candidate {
            Some(candidate) => sysfs::typing_nodes(&self.root, candidate),
            // A device with few keys: the administrator knows what it is.
            None => vec![node.clone()],
        };
        let profile = self.profile_for(candidate.as_ref(), Mode::Keyboard);
        let mut settings = profile.map(Profile::keyboard).unwrap_or_default();
        if let Some(layout) = self.layout {
            settings.layout = layout;
        }
        Ok(Opened {
            source: Box::new(KeyboardSource::open(&nodes, settings)?),
            profile: id_of(profile),
            mode: Mode::Keyboard,
            nodes: nodes.len(),
            candidate,
            node,
        })
    }

    /// What opening would meet, without opening: the node, the profile that would hold, and how it is.
    pub fn look(&self, device: &ScannerDevice) -> Located {
        let Some((path, mode)) = named(device) else {
            return self.look_for_any();
        };
        match self.node(path, mode) {
            Ok((node, candidate)) => self.look_at(node, candidate.as_ref(), mode),
            Err((state, why)) => Located {
                node: path.to_owned(),
                profile: None,
                state,
                why: Some(why),
            },
        }
    }

    fn look_for_any(&self) -> Located {
        if let Some(candidate) = self.unclaimed().first() {
            return self.look_at(candidate.node.clone(), Some(candidate), candidate.mode);
        }
        let (state, why) = self.misused(|_| true).unzip();
        Located {
            node: PathBuf::from("auto"),
            profile: None,
            state: state.unwrap_or_default(),
            why,
        }
    }

    fn look_at(&self, node: PathBuf, candidate: Option<&Candidate>, mode: Mode) -> Located {
        let (state, why) = if mode == Mode::Serial
            && let Err((state, why)) = refuse_held(&node)
        {
            (state, Some(why))
        } else if access::is_allowed(&node) {
            (DeviceState::Connected, None)
        } else {
            let why = "the node does not let this user".to_owned();
            (DeviceState::NoPermission, Some(why))
        };
        Located {
            profile: Some(id_of(self.profile_for(candidate, mode))),
            node,
            state,
            why,
        }
    }

    /// The node behind a name, and what sysfs knows of it. A known scanner that speaks otherwise than
    /// the setting states explains why there is none.
    fn node(&self, path: &Path, wanted: Mode) -> Result<(PathBuf, Option<Candidate>), NotOpened> {
        let Ok(node) = std::fs::canonicalize(path) else {
            let missing = || (DeviceState::Missing, "no such node".to_owned());
            let other = self.misused(|mode| mode != wanted);
            return Err(other.unwrap_or_else(missing));
        };
        let candidate = sysfs::candidate_at(&self.root, &node);
        let Some(other) = candidate.as_ref().filter(|one| one.mode != wanted) else {
            return Ok((node, candidate));
        };
        // A device has several nodes, and udev's name may lead to any of them.
        let twin = sysfs::candidates(&self.root).into_iter().find(|one| {
            one.mode == wanted && one.device == other.device && speaks(one) == Some(wanted)
        });
        if let Some(twin) = twin {
            return Ok((twin.node.clone(), Some(twin)));
        }
        // The same name leads to another node when the scanner's mode was changed.
        let is = speaks(other).unwrap_or(other.mode);
        let why = format!("{} is a {} node", other.node.display(), is.word());
        Err((DeviceState::WrongMode { is }, why))
    }

    /// A scanner that nobody has and that is in a mode that `is_wrong` names as wrong.
    fn misused(&self, is_wrong: impl Fn(Mode) -> bool) -> Option<NotOpened> {
        let candidates = sysfs::candidates(&self.root);
        let claims = lock(&self.claims);
        let is_free = |one: &Candidate| {
            let mut devices = claims.keys().filter_map(|claim| claim.split_once(' '));
            !devices.any(|(_, device)| Path::new(device) == one.device)
        };
        // A device that speaks rightly on another node has no name from udev yet.
        let is_right = |device: &Path| {
            let mut nodes = candidates.iter().filter(|one| one.device == device);
            nodes.any(|one| speaks(one).is_some_and(|mode| !is_wrong(mode)))
        };
        let mut free = candidates
            .iter()
            .filter(|one| is_free(one) && !is_right(&one.device));
        free.find_map(|one| {
            let is = speaks(one).filter(|mode| is_wrong(*mode))?;
            let id = self.registry.scanner_id(one)?;
            let node = one.node.display();
            let why = format!("{node} is a {id} scanner in mode {}", is.word());
            Some((DeviceState::WrongMode { is }, why))
        })
    }
}

/// A port that another process has open is busy.
fn refuse_held(node: &Path) -> Result<(), NotOpened> {
    let Some(holder) = access::holder(node) else {
        return Ok(());
    };
    let why = format!("{holder} has the port open");
    let holder = Some(holder);
    Err((DeviceState::Busy { holder }, why))
}

/// What a device is claimed by; one that sysfs does not know, by its node.
fn claim_of(node: &Path, candidate: Option<&Candidate>) -> String {
    candidate.map_or_else(|| node.display().to_string(), Candidate::claim)
}

/// How a device really speaks: the HID node of a keyboard is a keyboard's.
fn speaks(candidate: &Candidate) -> Option<Mode> {
    match (candidate.mode, layouts(&candidate.descriptor)) {
        (Mode::HidPos, Err(Unfit::Keyboard)) => Some(Mode::Keyboard),
        (Mode::HidPos, Err(Unfit::NoScanner)) => None,
        (mode, Ok(_) | Err(_)) => Some(mode),
    }
}

fn id_of(profile: Option<&Profile>) -> String {
    profile
        .map(|profile| profile.id.clone())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SerialLine;
    use crate::devices::discovery::report_descriptor::tests::{HONEYWELL_LIKE, KEYBOARD_LIKE};
    use crate::devices::discovery::sysfs::tests::{KEYS, Tree};

    fn locator(tree: &Tree) -> DeviceLocator {
        let registry = Arc::new(Registry::built_in());
        DeviceLocator {
            root: tree.path().to_owned(),
            ..DeviceLocator::new(registry, &ScannerSettings::default())
        }
    }

    fn state(locator: &DeviceLocator, device: ScannerDevice) -> DeviceState {
        match locator.open("scanner1", &Target::Named(device)) {
            Ok(opened) => panic!("{} was opened", opened.node.display()),
            Err((state, _)) => state,
        }
    }

    fn hid() -> ScannerDevice {
        ScannerDevice::Hid {
            path: "/nonexistent/oplati/honeywell".into(),
        }
    }

    /// A Honeywell whose product number no profile knows, as a keyboard.
    fn reset_scanner() -> Tree {
        let tree = Tree::new();
        tree.usb("1-2", "0c2e", "0b81", "");
        tree.keyboard("1-2", "event3", KEYS);
        tree.hidraw("1-2", "hidraw3", "00000C2E:00000B81", KEYBOARD_LIKE);
        tree
    }

    #[test]
    fn a_scanner_that_was_reset_is_in_the_wrong_mode_and_not_missing() {
        let tree = reset_scanner();
        let wrong = DeviceState::WrongMode { is: Mode::Keyboard };
        for device in [hid(), ScannerDevice::Auto] {
            assert_eq!(state(&locator(&tree), device), wrong);
        }
        // A keyboard is what the setting states: it has another name.
        let path = "/nonexistent/event9".into();
        let keyboard = ScannerDevice::Keyboard { path };
        assert_eq!(state(&locator(&tree), keyboard), DeviceState::Missing);
    }

    #[test]
    fn a_device_that_another_scanner_has_is_not_opened_twice() {
        let tree = Tree::new();
        let node = tree.path().join("ttyX");
        let link = tree.path().join("left");
        std::fs::write(&node, "").unwrap();
        std::os::unix::fs::symlink(&node, &link).unwrap();
        let locator = locator(&tree);
        let target = |path: &Path| {
            let path = path.to_owned();
            Target::Named(ScannerDevice::Keyboard { path })
        };
        locator.claim("scanner1", claim_of(&node, None)).unwrap();
        let Err((state, why)) = locator.open("scanner2", &target(&link)) else {
            panic!("it was opened");
        };
        assert!(matches!(state, DeviceState::Failed(_)), "{state:?}");
        assert!(why.contains("scanner1"), "{why}");
        // Given back, it is anybody's; one that cannot be opened is kept by nobody.
        locator.release("scanner1");
        for name in ["scanner2", "scanner1"] {
            let Err((_, why)) = locator.open(name, &target(&link)) else {
                panic!("a plain file was opened");
            };
            assert!(!why.contains("already"), "{why}");
        }
    }

    #[test]
    fn what_another_scanner_has_explains_nothing() {
        let tree = reset_scanner();
        let locator = locator(&tree);
        let others = sysfs::candidates(tree.path())[1].claim();
        let claims = Arc::clone(&locator.claims);
        claims.lock().unwrap().insert(others, "scanner2".into());
        assert_eq!(state(&locator, hid()), DeviceState::Missing);
    }

    #[test]
    fn a_device_without_its_name_that_is_right_on_another_node_is_awaited() {
        let tree = reset_scanner();
        tree.hidraw("1-2", "hidraw4", "00000C2E:00000B81", HONEYWELL_LIKE);
        assert_eq!(state(&locator(&tree), hid()), DeviceState::Missing);
    }

    #[test]
    fn a_name_that_leads_to_another_node_of_the_device_is_followed() {
        let tree = reset_scanner();
        let dev = tree.path().join("dev");
        std::fs::create_dir_all(dev.join("input")).unwrap();
        for node in ["hidraw3", "input/event3"] {
            std::fs::write(dev.join(node), "").unwrap();
        }
        let path = dev.join("hidraw3");
        let keyboard = ScannerDevice::Keyboard { path: path.clone() };
        // It was found and opened; a plain file is no keyboard.
        let found = state(&locator(&tree), keyboard);
        assert!(matches!(found, DeviceState::Failed(_)), "{found:?}");
        let line = SerialLine {
            path,
            settings: None,
        };
        let wrong = DeviceState::WrongMode { is: Mode::Keyboard };
        let serial = ScannerDevice::Serial(line);
        assert_eq!(state(&locator(&tree), serial), wrong);
    }
}
