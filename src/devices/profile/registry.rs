//! All profiles: the built-in ones, and those of the shop in `etc/oplati/devices.d`, which replace
//! built-in ones of the same id.
//!
//! A damaged file of the shop is reported and left out; the others hold. Two profiles that claim the same
//! device equally well are a mistake that no order of files may hide: the later file is left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::display::DisplayProfile;
use super::schema::{Match, Profile};
use crate::base::regular_file;
use crate::config::{DisplayDevice, DisplaySettings, ScannerSettings};

/// Name and text of each built-in file.
const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/profiles.rs"));
/// Largest file that is read.
const MAX_FILE: usize = 64 * 1024;
/// Most files of a shop.
const MAX_FILES: usize = 200;

/// A profile that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}: {reason}", path.display())]
    Bad {
        path: PathBuf,
        /// Line, key, value and what is allowed.
        reason: String,
    },
}

impl ProfileError {
    /// The file or folder that is left out.
    pub fn path(&self) -> &Path {
        match self {
            ProfileError::Read { path, .. } | ProfileError::Bad { path, .. } => path,
        }
    }
}

/// oplati.conf names a profile that cannot be used there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[{section}] profile{}: {reason}; known are {known}", id.as_ref().map(|id| format!(" = {id}")).unwrap_or_default())]
pub struct UnknownProfile {
    /// `Scanner` or `Display`.
    pub section: &'static str,
    /// The profile as oplati.conf has it; `None` where it names none.
    pub id: Option<String>,
    /// Why it cannot be used, English.
    pub reason: &'static str,
    /// All ids that can stand there.
    pub known: String,
}

/// Where a profile comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    BuiltIn,
    File(PathBuf),
}

/// A profile of either kind; both share one space of ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AnyProfile {
    Scanner(Box<Profile>),
    Display(Box<DisplayProfile>),
}

impl AnyProfile {
    pub fn id(&self) -> &str {
        match self {
            AnyProfile::Scanner(profile) => &profile.id,
            AnyProfile::Display(profile) => &profile.id,
        }
    }

    pub fn name(&self) -> String {
        let (vendor, model) = match self {
            AnyProfile::Scanner(profile) => (&profile.vendor, &profile.model),
            AnyProfile::Display(profile) => (&profile.vendor, &profile.model),
        };
        format!("{vendor} {model}")
    }

    pub fn matches(&self) -> &[Match] {
        match self {
            AnyProfile::Scanner(profile) => &profile.matches,
            AnyProfile::Display(profile) => &profile.matches,
        }
    }

    /// The section of oplati.conf that can name it.
    fn section(&self) -> &'static str {
        match self {
            AnyProfile::Scanner(_) => "Scanner",
            AnyProfile::Display(_) => "Display",
        }
    }

    fn validate(&self) -> Result<(), String> {
        match self {
            AnyProfile::Scanner(profile) => profile.validate(),
            AnyProfile::Display(profile) => profile.validate(),
        }
    }
}

/// All profiles by id.
#[derive(Clone, Debug)]
pub struct Registry {
    profiles: BTreeMap<String, (AnyProfile, Origin)>,
}

impl Registry {
    /// The built-in profiles.
    pub fn built_in() -> Registry {
        let mut registry = Registry {
            profiles: BTreeMap::new(),
        };
        for (name, text) in BUILT_IN {
            // A test reads every built-in file; one that is bad all the same is not worth a panic.
            match parse(Path::new(name), text) {
                Ok(profile) => {
                    let id = profile.id().to_owned();
                    registry.profiles.insert(id, (profile, Origin::BuiltIn));
                }
                Err(error) => tracing::error!(%error, "A built-in profile cannot be used"),
            }
        }
        registry
    }

    /// The built-in ones and those of the folder, which may be missing; with what was wrong there.
    pub(crate) fn load(folder: &Path) -> (Registry, Vec<ProfileError>) {
        let mut registry = Registry::built_in();
        let mut errors = Vec::new();
        let files = match files(folder) {
            Ok(files) => files,
            Err(error) => return (registry, vec![error]),
        };
        for path in files {
            if let Err(error) = registry.add(&path) {
                errors.push(error);
            }
        }
        (registry, errors)
    }

    fn add(&mut self, path: &Path) -> Result<(), ProfileError> {
        let profile = parse(path, &read(path)?)?;
        let bad = |reason| ProfileError::Bad {
            path: path.to_owned(),
            reason,
        };
        for (other, _) in self.profiles.values() {
            if other.id() == profile.id() {
                if std::mem::discriminant(other) != std::mem::discriminant(&profile) {
                    return Err(bad(format!(
                        "id = {:?} is a built-in profile of the other kind: choose another id",
                        profile.id()
                    )));
                }
            } else if let Some(claim) = common_claim(profile.matches(), other.matches()) {
                return Err(bad(format!(
                    "[[match]] {claim} is also in profile {:?}: a device must fit one profile best; give this one the id {:?} to replace that",
                    other.id(),
                    other.id()
                )));
            }
        }
        let id = profile.id().to_owned();
        let entry = (profile, Origin::File(path.to_owned()));
        if self.profiles.insert(id.clone(), entry).is_some() {
            tracing::info!(profile = %id, file = %path.display(), "A built-in profile is replaced");
        }
        Ok(())
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &AnyProfile> {
        self.profiles.values().map(|(profile, _)| profile)
    }

    pub(crate) fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.all().filter_map(|profile| match profile {
            AnyProfile::Scanner(profile) => Some(profile.as_ref()),
            AnyProfile::Display(_) => None,
        })
    }

    pub(crate) fn displays(&self) -> impl Iterator<Item = &DisplayProfile> {
        self.all().filter_map(|profile| match profile {
            AnyProfile::Display(profile) => Some(profile.as_ref()),
            AnyProfile::Scanner(_) => None,
        })
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Profile> {
        self.profiles().find(|profile| profile.id == id)
    }

    pub(crate) fn display(&self, id: &str) -> Option<&DisplayProfile> {
        self.displays().find(|profile| profile.id == id)
    }

    pub(crate) fn origin(&self, id: &str) -> Option<&Origin> {
        self.profiles.get(id).map(|(_, origin)| origin)
    }

    /// Whether the profiles that oplati.conf names are there, and of the kind that is needed. A display
    /// on a serial port is never guessed: it needs one.
    pub(crate) fn check_use(
        &self,
        scanner: &ScannerSettings,
        display: &DisplaySettings,
    ) -> Result<(), UnknownProfile> {
        let unknown = |section: &'static str, id: Option<&String>, other_kind: &'static str| {
            let ids = self.all().filter(|one| one.section() == section);
            let is_there = id.is_none_or(|id| self.profiles.contains_key(id));
            Err(UnknownProfile {
                section,
                id: id.cloned(),
                reason: if is_there {
                    other_kind
                } else {
                    "there is no such profile"
                },
                known: ids.map(AnyProfile::id).collect::<Vec<_>>().join(" "),
            })
        };
        let mut named = scanner.profile.iter();
        if let Some(id) = named.find(|id| self.get(id).is_none()) {
            return unknown("Scanner", Some(id), "that is a display's profile");
        }
        let mut named = display.profiles.iter();
        if let Some(id) = named.find(|id| self.display(id).is_none()) {
            return unknown("Display", Some(id), "that is a scanner's profile");
        }
        let is_nameless = |device: &DisplayDevice| matches!(device, DisplayDevice::Serial(serial) if serial.profile.is_none());
        if display.devices.iter().any(is_nameless) {
            let reason = "a serial: display needs one, since how it speaks cannot be guessed";
            return unknown("Display", None, reason);
        }
        Ok(())
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, ProfileError> {
    let failed = |source| ProfileError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        // Editors leave such files beside the one that is open, half written or links to nowhere.
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    files.sort();
    if files.len() > MAX_FILES {
        return Err(ProfileError::Bad {
            path: folder.to_owned(),
            reason: format!("{} files: at most {MAX_FILES} are read", files.len()),
        });
    }
    Ok(files)
}

fn read(path: &Path) -> Result<String, ProfileError> {
    let failed = |source| ProfileError::Read {
        path: path.to_owned(),
        source,
    };
    regular_file::read_text(path, MAX_FILE).map_err(failed)
}

/// Reads one file; its name must be its id.
pub(crate) fn parse(path: &Path, text: &str) -> Result<AnyProfile, ProfileError> {
    let bad = |reason: String| ProfileError::Bad {
        path: path.to_owned(),
        reason,
    };
    let profile = typed(text).map_err(bad)?;
    profile.validate().map_err(bad)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let id = profile.id();
    if name != id {
        return Err(bad(format!(
            "id = {id:?}: the file must be named {id}.toml"
        )));
    }
    Ok(profile)
}

/// `kind` decides what else may stand in the file.
fn typed(text: &str) -> Result<AnyProfile, String> {
    #[derive(serde::Deserialize)]
    struct Head {
        kind: Option<String>,
    }
    let message = |error: toml::de::Error| error.to_string();
    let head: Head = toml::from_str(text).map_err(message)?;
    let profile = match head.kind.as_deref() {
        Some("display") => toml::from_str(text).map(AnyProfile::Display),
        Some("scanner") | None => toml::from_str(text).map(AnyProfile::Scanner),
        Some(kind) => {
            let what = "scanner or display is allowed";
            return Err(format!("kind = {kind:?}: {what}"));
        }
    };
    profile.map_err(message)
}

/// What both claim equally well.
fn common_claim(one: &[Match], other: &[Match]) -> Option<String> {
    let overlap = |a: &Match, b: &Match| {
        if a.vid != b.vid || a.mode != b.mode || a.generic_bridge != b.generic_bridge {
            return false;
        }
        match (a.pid, b.pid) {
            (None, None) => true,
            (Some(a_pid), Some(b_pid)) => {
                let (a_mask, b_mask) = (a.pid_mask, b.pid_mask);
                // An exact id is a better claim than a pattern.
                let mask = a_mask.unwrap_or(0xffff) & b_mask.unwrap_or(0xffff);
                a_mask.is_some() == b_mask.is_some() && (a_pid ^ b_pid) & mask == 0
            }
            (Some(_), None) | (None, Some(_)) => false,
        }
    };
    let mut pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
    let (claim, _) = pairs.find(|(a, b)| overlap(a, b))?;
    let hex = |id: Option<u16>| id.map_or_else(|| "any".to_owned(), |id| format!("{id:04x}"));
    Some(format!(
        "{} {}:{}",
        claim.mode.word(),
        hex(claim.vid),
        hex(claim.pid)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_sound_and_claims_what_no_other_claims() {
        let mut profiles: Vec<AnyProfile> = Vec::new();
        for (name, text) in BUILT_IN {
            let profile = parse(Path::new(name), text).unwrap();
            for other in &profiles {
                let common = common_claim(profile.matches(), other.matches());
                assert_eq!(common, None, "{name}");
                assert_ne!(other.id(), profile.id());
            }
            let proves = match &profile {
                AnyProfile::Scanner(scanner) => !scanner.vectors.is_empty(),
                AnyProfile::Display(display) => !display.vectors.is_empty(),
            };
            assert!(proves, "{name} proves nothing");
            profiles.push(profile);
        }
        let registry = Registry::built_in();
        assert_eq!(registry.all().count(), BUILT_IN.len());
        assert!(registry.profiles().count() >= 10 && registry.displays().count() >= 10);
    }

    const SHOPS: &str = r#"
schema = 1
id = "own"
kind = "scanner"
vendor = "Shop"
model = "Own"
status = "untested"
sources = ["read from the device"]
[[match]]
mode = "serial"
vid = 0x1234
pid = 0x5678
[serial]
baud = 19200
"#;

    #[test]
    fn the_shops_files_are_added_and_replace() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("own.toml"), SHOPS).unwrap();
        let text = SHOPS
            .replace("\"own\"", "\"generic-serial\"")
            .replace("0x5678", "0x5679");
        std::fs::write(folder.path().join("generic-serial.toml"), text).unwrap();
        std::fs::write(folder.path().join("README"), "not a profile").unwrap();
        std::fs::write(folder.path().join(".own.toml"), "half a prof").unwrap();
        std::os::unix::fs::symlink("me@till.4711", folder.path().join(".#own.toml")).unwrap();
        let (registry, errors) = Registry::load(folder.path());
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(registry.get("own").unwrap().serial().baud, 19_200);
        assert_eq!(registry.get("generic-serial").unwrap().vendor, "Shop");
        assert_eq!(
            registry.origin("own"),
            Some(&Origin::File(folder.path().join("own.toml")))
        );
        assert!(Registry::load(Path::new("/nonexistent")).1.is_empty());
    }

    const DISPLAY: &str = r#"
schema = 1
id = "own"
kind = "display"
vendor = "Shop"
model = "Own"
status = "untested"
sources = ["read from the device"]
[qr_box]
clear = "0C"
qr = "{length:u8} {payload}"
payload_max = 100
paid = "'paid'"
failed = "'failed'"
"#;

    #[test]
    fn displays_of_the_shop_are_added_and_replace_and_share_the_ids_of_scanners() {
        let folder = tempfile::tempdir().unwrap();
        let write = |id: &str, text: String| {
            std::fs::write(folder.path().join(format!("{id}.toml")), text).unwrap();
        };
        for id in ["own", "pole-utc", "newland"] {
            write(id, DISPLAY.replace("\"own\"", &format!("{id:?}")));
        }
        let claim = "[[match]]\nmode = \"serial\"\nvid = 0x05e0\npid = 0x1701\n";
        let text = DISPLAY.replace("\"own\"", "\"zebra-too\"");
        write("zebra-too", text + claim);
        let (registry, errors) = Registry::load(folder.path());
        let own = registry.display("own").unwrap();
        assert_eq!((own.vendor.as_str(), own.line.baud), ("Shop", 9600));
        assert_eq!(registry.display("pole-utc").unwrap().vendor, "Shop");
        assert!(registry.get("newland").is_some() && registry.get("own").is_none());
        let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(
            messages.len() == 2
                && messages[0].contains("profile of the other kind")
                && messages[1].contains("is also in profile \"zebra\""),
            "{messages:?}"
        );
    }

    #[test]
    fn a_bad_display_is_reported_with_what_is_allowed() {
        for (from, to, reason) in [
            (
                "\"display\"",
                "\"printer\"",
                "scanner or display is allowed",
            ),
            (
                "payload_max = 100",
                "payload_max = 300",
                "have no room in its length",
            ),
            ("payload_max = 100", "payload_max = 3", "20 to 2953"),
            ("\"0C\"", "\"C\"", "two hexadecimal digits"),
            ("\"0C\"", "\"\"", "clear: 1 to 4096 bytes"),
            ("{payload}", "", "qr: {payload}"),
            ("failed =", "fails =", "unknown field `fails`"),
            ("[qr_box]", "[line]\nbaud = 7\n[qr_box]", "baud = 7: one of"),
            (
                "[qr_box]",
                "[pole]\ndialect = \"utc\"\ncode_page = \"ascii\"\n[qr_box]",
                "exactly one of",
            ),
            (
                "[qr_box]",
                "[[match]]\nmode = \"serial\"\nvid = 0x0403\ngeneric_bridge = true\n[qr_box]",
                "vid and pid only",
            ),
        ] {
            let text = DISPLAY.replace(from, to);
            assert_ne!(text, DISPLAY, "{from}");
            let error = parse(Path::new("own.toml"), &text).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert!(parse(Path::new("own.toml"), DISPLAY).is_ok());
    }

    #[test]
    fn a_bad_file_is_reported_with_its_place_and_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let named = |id: &str| SHOPS.replace("\"own\"", &format!("{id:?}"));
        let changed = |id: &str, from, to| {
            let text = named(id);
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        };
        let bad = [
            (
                "colour",
                named("colour") + "colour = 1\n",
                "unknown field `colour`",
            ),
            (
                "speed",
                changed("speed", "19200", "12"),
                "baud = 12: one of",
            ),
            ("name", SHOPS.to_owned(), "the file must be named own.toml"),
            (
                "nosource",
                changed("nosource", "\"read from the device\"", ""),
                "sources",
            ),
            (
                "loose",
                changed("loose", "pid = 0x5678", ""),
                "vid and pid are needed",
            ),
            ("twice", named("twice"), "is also in profile"),
            (
                "version",
                changed("version", "schema = 1", "schema = 2"),
                "this version reads 1",
            ),
        ];
        std::fs::write(folder.path().join("own.toml"), SHOPS).unwrap();
        for (name, text, _) in &bad {
            std::fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        }
        let (registry, errors) = Registry::load(folder.path());
        assert!(registry.get("own").is_some());
        assert_eq!(errors.len(), bad.len());
        for (name, _, reason) in bad {
            let message = errors
                .iter()
                .map(ToString::to_string)
                .find(|message| message.contains(&format!("{name}.toml")))
                .unwrap();
            assert!(message.contains(reason), "{message}");
        }
    }
}
