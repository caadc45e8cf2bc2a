//! `oplati devices identify`: an unknown scanner is found by unplugging and plugging it, reads a test
//! code from the screen, and gets a profile of its own.
//!
//! Nothing is written to a node whose kind is not known: a serial port is opened and listened to, at
//! the speeds that scanners have, until the test code comes out whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use clap::Args;

use super::{CliError, Context, registry};
use crate::base::exit_code;
use crate::config::{ScannerDevice, ScannerSettings, SerialLine};
use crate::devices::discovery::report_descriptor::is_barcode_scanner;
use crate::devices::discovery::{Candidate, sysfs};
use crate::devices::matcher::{Fit, Why};
use crate::devices::mode::Mode;
use crate::devices::profile::Registry;
use crate::devices::profile::schema::{
    Keyboard, Kind, Match, Profile, SCHEMA, Serial, Status, Vector,
};
use crate::devices::scanner::find::{DeviceLocator, Target};
use crate::devices::scanner::keyboard::keymap::{Held, character, key_of};
use crate::devices::scanner::{DeviceState, ScannerEvent, ScannerHandle, Settings, start};
use crate::model::line::{Layout, LineSettings};
use crate::texts::technician;

/// Speeds that are tried on a serial port, the likeliest first.
const SPEEDS: [u32; 5] = [9600, 115_200, 19_200, 38_400, 57_600];
/// How long a device may take from the plug to its last node.
const PLUG_SETTLES: Duration = Duration::from_millis(1500);
/// Between two looks at what is plugged in.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(crate) struct IdentifyArgs {
    /// The scanner's node, instead of unplugging and plugging it
    #[arg(long, value_name = "PATH")]
    node: Option<PathBuf>,
    /// The profile's id; made from what the device says of itself if not given
    #[arg(long)]
    id: Option<String>,
    /// How long each wait for a person may take, seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
}

/// What was found out.
#[derive(Debug)]
struct Finding {
    candidate: Candidate,
    baud: u32,
    layout: Layout,
}

pub(in crate::cli) fn run(context: &Context, args: &IdentifyArgs) -> Result<u8, CliError> {
    let registry = Arc::new(registry(context));
    let patience = Duration::from_secs(args.wait);
    let say = |text| context.output.note(&context.language.text(text));
    let found = match &args.node {
        Some(node) => at_node(node)?,
        None => plugged(context, patience)?,
    };
    if found.is_empty() {
        say(technician::IDENTIFY_NOTHING_NEW);
        return Ok(exit_code::NOT_DONE);
    }
    for candidate in &found {
        let description = describe(context, &registry, candidate);
        context.output.note(&description);
    }
    let code = test_code()?;
    let qr = qrcode::QrCode::new(&code).map_err(|error| CliError::Data(error.to_string()))?;
    context.output.qr(context.language, &qr);
    say(technician::IDENTIFY_READ_CODE);
    let Some(finding) = read_test_code(context, &registry, found, &code, patience)? else {
        say(technician::IDENTIFY_NO_CODE);
        return Ok(exit_code::NOT_DONE);
    };
    let known = registry.fit(&finding.candidate);
    if let Some(known) = known.filter(|fit| args.id.is_none() && is_enough(fit, &finding)) {
        say(technician::identify_known(&known.profile.id));
        return print_setting(context, &finding, None);
    }
    let by_name = must_be_named(&finding.candidate, known.map(|fit| fit.why));
    let id = write_profile(context, args, &finding, &code, by_name)?;
    print_setting(context, &finding, by_name.then_some(id.as_str()))
}

/// Whether only oplati.conf can name the profile that holds: the device's numbers show nothing of it, or
/// another profile has them already.
fn must_be_named(candidate: &Candidate, known: Option<Why>) -> bool {
    candidate.ids().is_none()
        || is_bridge(candidate)
        || matches!(known, Some(Why::GenericBridge | Why::Exact))
}

/// Whether all sorts of devices have it: bridges are known by their drivers, since makers of chips have
/// more products than any list.
fn is_bridge(candidate: &Candidate) -> bool {
    let driver = candidate.driver.as_deref().unwrap_or_default();
    let bridges = ["ch341", "ch341-uart", "cp210x", "ftdi_sio", "pl2303"];
    candidate.mode == Mode::Serial && bridges.contains(&driver)
}

/// A known profile that reads the device as it was read now.
fn is_enough(fit: &Fit<'_>, finding: &Finding) -> bool {
    let mode = finding.candidate.mode;
    let fits = match mode {
        Mode::Serial => fit.profile.serial().baud == finding.baud,
        Mode::HidPos => true,
        Mode::Keyboard => fit.profile.keyboard().layout == finding.layout,
    };
    fits && fit.may_take_unasked(mode)
}

fn at_node(node: &Path) -> Result<Vec<Candidate>, CliError> {
    let missing = |source| CliError::File {
        path: node.to_owned(),
        source,
    };
    let path = std::fs::canonicalize(node).map_err(missing)?;
    let known = sysfs::candidate_at(Path::new("/"), &path);
    // A pseudo-terminal, for example: it is what its name states, and nothing else is known of it.
    let mode = mode_by_name(&path);
    Ok(vec![known.unwrap_or_else(|| {
        Candidate::new(path, mode, PathBuf::new())
    })])
}

fn mode_by_name(node: &Path) -> Mode {
    let text = node.to_string_lossy();
    if text.contains("hidraw") {
        Mode::HidPos
    } else if text.contains("input") {
        Mode::Keyboard
    } else {
        Mode::Serial
    }
}

/// What comes when the technician plugs the scanner in.
fn plugged(context: &Context, patience: Duration) -> Result<Vec<Candidate>, CliError> {
    let say = |text| context.output.note(&context.language.text(text));
    say(technician::IDENTIFY_UNPLUG);
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    if read.map_err(CliError::Write)? == 0 {
        return Err(CliError::Usage(
            "a person is needed at the terminal; or name the node with --node".to_owned(),
        ));
    }
    let root = Path::new("/");
    let before: Vec<PathBuf> = nodes(root).into_keys().collect();
    say(technician::IDENTIFY_PLUG);
    let until = Instant::now() + patience;
    let mut first_seen = None;
    while Instant::now() < until {
        let mut new = nodes(root);
        new.retain(|node, _| !before.contains(node));
        // The last node of a device comes some time after its first.
        let since = *first_seen.get_or_insert_with(Instant::now);
        if new.is_empty() {
            first_seen = None;
        } else if since.elapsed() >= PLUG_SETTLES {
            return Ok(new.into_values().collect());
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    Ok(Vec::new())
}

fn nodes(root: &Path) -> BTreeMap<PathBuf, Candidate> {
    let candidates = sysfs::candidates(root).into_iter();
    candidates.map(|one| (one.node.clone(), one)).collect()
}

fn describe(context: &Context, registry: &Registry, candidate: &Candidate) -> String {
    let say = |text| context.language.text(text);
    let fit = match registry.fit(candidate) {
        Some(fit) => format!("{} ({})", fit.profile.id, say(fit.why.text())),
        None => say(technician::IDENTIFY_NO_PROFILE).into_owned(),
    };
    let text = format!(
        "{}  {}  {}  {}: {fit}",
        candidate.node.display(),
        candidate.ids().unwrap_or_default(),
        candidate.name().unwrap_or_default(),
        context.language.text(candidate.mode.words()),
    );
    super::super::output::printable(&text)
}

/// Random, so that an old code is not taken for it; of letters, digits and signs whose keys differ
/// between layouts.
fn test_code() -> Result<String, CliError> {
    let mut bytes = [0_u8; 4];
    getrandom::fill(&mut bytes).map_err(|error| CliError::System {
        what: "random numbers",
        source: error.into(),
    })?;
    let number = u32::from_le_bytes(bytes);
    Ok(format!("OPLATI-Test/{number:08x}?a=1&b=2#Z"))
}

/// Listens on every node until the code comes; serial ports at one speed after the other.
fn read_test_code(
    context: &Context,
    registry: &Arc<Registry>,
    candidates: Vec<Candidate>,
    code: &str,
    patience: Duration,
) -> Result<Option<Finding>, CliError> {
    let until = Instant::now() + patience;
    let share = patience / u32::try_from(SPEEDS.len()).unwrap_or(1);
    let has_serial = candidates.iter().any(|one| one.mode == Mode::Serial);
    for baud in SPEEDS {
        let (events, received) = sync_channel(64);
        let mut listening = Vec::new();
        let mut claims = BTreeSet::new();
        for (index, candidate) in candidates.iter().enumerate() {
            // A HID node that is no scanner sends nothing; a keyboard is opened with all its nodes.
            let is_mute =
                candidate.mode == Mode::HidPos && !is_barcode_scanner(&candidate.descriptor);
            if is_mute || !claims.insert(candidate.claim()) {
                continue;
            }
            let settings = Settings {
                name: index.to_string(),
                target: target(candidate, baud),
                locator: DeviceLocator {
                    layout: Some(Layout::Us),
                    ..DeviceLocator::new(Arc::clone(registry), &ScannerSettings::default())
                },
                share: None,
                events: events.clone(),
            };
            let begun = start(settings).map_err(|source| CliError::System {
                what: "thread",
                source,
            });
            listening.push(begun?);
        }
        // Only serial ports are worth another try.
        let now = Instant::now();
        let turn = if has_serial {
            until.min(now + share)
        } else {
            until
        };
        let read = listen(context, &received, code, turn);
        listening.into_iter().for_each(ScannerHandle::stop);
        if let Some((index, layout)) = read
            && let Some(candidate) = candidates.get(index)
        {
            return Ok(Some(Finding {
                candidate: candidate.clone(),
                baud,
                layout,
            }));
        }
        if Instant::now() >= until {
            return Ok(None);
        }
        if has_serial {
            let other_speed = context.language.text(technician::IDENTIFY_OTHER_SPEED);
            context.output.note(&other_speed);
        }
    }
    Ok(None)
}

fn target(candidate: &Candidate, baud: u32) -> Target {
    let path = candidate.node.clone();
    Target::Named(match candidate.mode {
        Mode::Serial => ScannerDevice::Serial(SerialLine {
            path,
            settings: Some(LineSettings {
                baud,
                ..LineSettings::default()
            }),
        }),
        Mode::HidPos => ScannerDevice::Hid { path },
        Mode::Keyboard => ScannerDevice::Keyboard { path },
    })
}

/// The scanner that read the code, and the layout that it typed it in.
fn listen(
    context: &Context,
    received: &Receiver<ScannerEvent>,
    code: &str,
    until: Instant,
) -> Option<(usize, Layout)> {
    let mut shown = Vec::new();
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        let event = received.recv_timeout(left).ok()?;
        match event {
            ScannerEvent::Scan(scan) => {
                let index: usize = scan.device.parse().ok()?;
                let read = scan.code.expose();
                if read == code {
                    return Some((index, Layout::Us));
                }
                // The US keys that the scanner struck, meant in the Russian layout.
                if read == struck_in_russian(code) {
                    return Some((index, Layout::Ru));
                }
                let other_code = context.language.text(technician::IDENTIFY_OTHER_CODE);
                context.output.note(&other_code);
            }
            ScannerEvent::State { state, .. } if state != DeviceState::Connected => {
                let remedy = state.remedy().unwrap_or_default();
                if !shown.contains(&remedy) {
                    context.output.note(&remedy);
                    shown.push(remedy);
                }
            }
            ScannerEvent::State { .. }
            | ScannerEvent::Unread { .. }
            | ScannerEvent::Trailing { .. } => {}
        }
    }
    None
}

/// What a US decoder reads when a scanner in the Russian layout types `code`: the letters have no key
/// there and are left out or typed as they stand in the US layout; signs are struck on other keys.
fn struck_in_russian(code: &str) -> String {
    let typed = |(key, shift): (u16, bool), layout| {
        let held = Held {
            shift,
            ..Held::default()
        };
        character(key, held, layout)
    };
    let russian = |wanted: char| {
        let mut keys = (2..=57_u16).flat_map(|key| [(key, false), (key, true)]);
        keys.find(|key| typed(*key, Layout::Ru) == Some(wanted))
    };
    let read = |sign: char| typed(russian(sign).or_else(|| key_of(sign))?, Layout::Us);
    code.chars().filter_map(read).collect()
}

fn write_profile(
    context: &Context,
    args: &IdentifyArgs,
    finding: &Finding,
    code: &str,
    by_name: bool,
) -> Result<String, CliError> {
    let id = args.id.clone().unwrap_or_else(|| slug(&finding.candidate));
    let profile = profile(id, finding, code, by_name);
    profile.validate().map_err(CliError::Usage)?;
    let text = toml::to_string(&profile).map_err(|error| CliError::Data(error.to_string()))?;
    let folder = context.paths.profiles();
    let path = folder.join(format!("{}.toml", profile.id));
    let failed = |source| CliError::File {
        path: path.clone(),
        source,
    };
    if path.exists() {
        return Err(CliError::Usage(format!(
            "{} exists; choose another --id, or remove it",
            path.display()
        )));
    }
    std::fs::create_dir_all(&folder).map_err(failed)?;
    std::fs::write(&path, text).map_err(failed)?;
    let written = context.language.text(technician::IDENTIFY_WRITTEN);
    context
        .output
        .note(&format!("{written} {}", path.display()));
    Ok(profile.id)
}

fn slug(candidate: &Candidate) -> String {
    let name = candidate.name().unwrap_or_else(|| "scanner".to_owned());
    let words: Vec<String> = name
        .to_ascii_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let mut slug = words.join("-");
    slug.truncate(40);
    match candidate.ids() {
        _ if slug.is_empty() => "scanner".to_owned(),
        Some(ids) => format!("{slug}-{}", ids.replace(':', "-")),
        None => slug,
    }
}

/// Behind a bridge that all sorts of devices have, a profile is used by its name only: its numbers would
/// take a scale for a scanner. So is one of a device that another profile has the numbers of.
fn profile(id: String, finding: &Finding, code: &str, by_name: bool) -> Profile {
    let candidate = &finding.candidate;
    let mode = candidate.mode;
    let exact = candidate.vid.zip(candidate.pid).filter(|_| !by_name);
    let serial = Serial {
        baud: finding.baud,
        ..Serial::default()
    };
    let keyboard = Keyboard {
        layout: finding.layout,
        ..Keyboard::default()
    };
    let known = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".to_owned());
    let hex: Vec<String> = code.bytes().map(|byte| format!("{byte:02x}")).collect();
    let vector = Vector {
        mode: Mode::Serial,
        descriptor: None,
        hex: vec![format!("{} 0d", hex.join(" "))],
        keys: None,
        codes: vec![code.to_owned()],
    };
    Profile {
        schema: SCHEMA,
        id,
        kind: Kind::Scanner,
        vendor: known(&candidate.maker),
        model: known(&candidate.product),
        status: Status::Untested,
        sources: vec!["a test code was read by oplati devices identify".to_owned()],
        note: None,
        matches: exact
            .map(|(vid, pid)| Match {
                mode,
                vid: Some(vid),
                pid: Some(pid),
                pid_mask: None,
                generic_bridge: false,
            })
            .into_iter()
            .collect(),
        serial: (mode == Mode::Serial).then_some(serial),
        hid: None,
        keyboard: (mode == Mode::Keyboard).then_some(keyboard),
        vectors: (mode == Mode::Serial)
            .then_some(vector)
            .into_iter()
            .collect(),
    }
}

/// The lines for oplati.conf; with the profile where nothing else shows which holds.
fn print_setting(
    context: &Context,
    finding: &Finding,
    profile: Option<&str>,
) -> Result<u8, CliError> {
    let candidate = &finding.candidate;
    let root = Path::new("/");
    let links = crate::devices::discovery::access::links(root, &candidate.node);
    let node = links.first().unwrap_or(&candidate.node);
    let speed = if candidate.mode == Mode::Serial {
        format!("@{}", finding.baud)
    } else {
        String::new()
    };
    let line = format!(
        "device = {}:{}{speed}",
        candidate.mode.word(),
        node.display()
    );
    context.output.line(&line).map_err(CliError::Write)?;
    if let Some(id) = profile {
        let line = format!("profile = {id}");
        context.output.line(&line).map_err(CliError::Write)?;
    }
    Ok(exit_code::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(mode: Mode) -> Finding {
        Finding {
            candidate: Candidate {
                vid: Some(0x1234),
                pid: Some(0xabcd),
                maker: Some("Фирма X & Co".into()),
                product: Some("QR \"Reader\" 2".into()),
                ..Candidate::new("/dev/ttyACM0".into(), mode, PathBuf::new())
            },
            baud: 115_200,
            layout: Layout::Ru,
        }
    }

    #[test]
    fn what_is_written_is_a_sound_profile() {
        for mode in [Mode::Serial, Mode::HidPos, Mode::Keyboard] {
            let finding = finding(mode);
            let id = slug(&finding.candidate);
            assert_eq!(id, "x-co-qr-reader-2-1234-abcd");
            let written = profile(id, &finding, &test_code().unwrap(), false);
            let text = toml::to_string(&written).unwrap();
            let path = PathBuf::from(format!("{}.toml", written.id));
            let read = crate::devices::profile::registry::parse(&path, &text).unwrap();
            assert_eq!(
                crate::devices::scanner::vectors::failures(&written),
                Vec::<String>::new()
            );
            let written = crate::devices::profile::registry::AnyProfile::Scanner(Box::new(written));
            assert_eq!(read, written);
        }
    }

    #[test]
    fn a_scanner_behind_a_bridge_is_not_known_by_the_bridges_numbers() {
        let mut finding = finding(Mode::Serial);
        finding.candidate.vid = Some(0x1a86);
        finding.candidate.pid = Some(0x7523);
        let written = profile("own".to_owned(), &finding, "CODE", true);
        assert!(written.matches.is_empty());
        written.validate().unwrap();
    }

    #[test]
    fn numbers_that_another_profile_has_are_not_claimed_once_more() {
        let candidate = finding(Mode::Keyboard).candidate;
        assert!(must_be_named(&candidate, Some(Why::Exact)));
        for known in [None, Some(Why::Pattern), Some(Why::VendorUsage)] {
            assert!(!must_be_named(&candidate, known), "{known:?}");
        }
    }

    #[test]
    fn a_bridge_is_known_by_its_driver_as_well() {
        let mut candidate = finding(Mode::Serial).candidate;
        for (driver, expected) in [("cdc_acm", false), ("ch341-uart", true), ("cp210x", true)] {
            candidate.driver = Some(driver.to_owned());
            assert_eq!(is_bridge(&candidate), expected, "{driver}");
        }
    }

    #[test]
    fn a_scanner_in_the_russian_layout_is_recognised() {
        let code = "Ab/?1";
        assert_ne!(struck_in_russian(code), code);
        assert_eq!(struck_in_russian("123-4"), "123-4");
    }
}
