//! `oplati devices`: what is plugged in, the rules for udev, and a profile for what is unknown.
//!
//! The list reads the machine itself, since it must help when the daemon does not run; what the daemon
//! knows of its devices stands beside it when it does.

mod device_table;
mod identify;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::output::table;
use super::till::Till;
use super::{CliError, Context};
use crate::base::error_chain::with_causes;
use crate::base::exit_code;
use crate::devices::discovery::{Candidate, access, sysfs};
use crate::devices::matcher::Why;
use crate::devices::mode::Mode;
use crate::devices::profile::registry::{AnyProfile, Origin};
use crate::devices::profile::schema::Status;
use crate::devices::profile::{Registry, udev};
use crate::texts::technician;

use device_table::{Attended, devices_table};
pub(super) use identify::IdentifyArgs;

#[derive(Debug, Subcommand)]
pub(super) enum DevicesVerb {
    /// What is plugged in, which profile fits and why, who has it
    List,
    /// Find an unknown scanner, read a test code with it, and write a profile for it
    Identify(IdentifyArgs),
    /// Print a udev rule that names whatever is plugged into a port
    Bind {
        /// The node, such as /dev/ttyUSB0
        port: PathBuf,
        /// The name below /dev/oplati: a-z 0-9 -
        id: String,
    },
    /// All profiles, with what a technician should know
    Profiles,
    /// Print the udev rules of all profiles
    UdevRules,
}

/// One node, as the list shows it.
#[derive(Debug, Serialize)]
struct Listed {
    node: PathBuf,
    setting: String,
    ids: Option<String>,
    name: Option<String>,
    /// `scanner` or `display`, where a profile names it.
    kind: Option<&'static str>,
    profile: Option<String>,
    why: Option<Cow<'static, str>>,
    access: Cow<'static, str>,
    holder: Option<String>,
    links: Vec<PathBuf>,
}

pub(super) async fn run(context: &Context, verb: Option<DevicesVerb>) -> Result<u8, CliError> {
    match verb.unwrap_or(DevicesVerb::List) {
        DevicesVerb::List => list(context).await,
        DevicesVerb::Identify(args) => identify::run(context, &args),
        DevicesVerb::Bind { port, id } => bind(context, &port, &id),
        DevicesVerb::Profiles => profiles(context),
        DevicesVerb::UdevRules => {
            let rules = udev::rules(&registry(context));
            print(context, rules.trim_end())
        }
    }
}

/// All profiles; a bad file is reported and left out.
fn registry(context: &Context) -> Registry {
    let (registry, errors) = Registry::load(&context.paths.profiles());
    for error in errors {
        context.output.note(&with_causes(&error));
    }
    registry
}

async fn list(context: &Context) -> Result<u8, CliError> {
    let registry = registry(context);
    let root = Path::new("/");
    let nodes: Vec<Listed> = sysfs::candidates(root)
        .iter()
        .map(|candidate| listed(context, &registry, root, candidate))
        .collect();
    let device_table = device_table(context).await;
    if context.output.json {
        let value = serde_json::json!({"nodes": nodes, "devices": device_table});
        return print_json(context, &value);
    }
    let say = |text| context.language.text(text);
    let text = if nodes.is_empty() {
        say(technician::LIST_NOTHING).into_owned()
    } else {
        nodes_table(context, &nodes)
    };
    print(context, &text)?;
    let heading = match &device_table {
        Some(devices) if !devices.is_empty() => say(technician::LIST_DAEMON),
        Some(_) => say(technician::LIST_NO_DEVICES),
        None => say(technician::LIST_DAEMON_IS_SILENT),
    };
    print(context, &heading)?;
    if let Some(devices) = device_table.filter(|devices| !devices.is_empty()) {
        return print(context, &devices_table(context.language, &devices));
    }
    Ok(exit_code::OK)
}

fn print(context: &Context, text: &str) -> Result<u8, CliError> {
    context.output.line(text).map_err(CliError::Write)?;
    Ok(exit_code::OK)
}

fn print_json(context: &Context, value: &serde_json::Value) -> Result<u8, CliError> {
    context.output.value(value).map_err(CliError::Write)?;
    Ok(exit_code::OK)
}

async fn device_table(context: &Context) -> Option<Vec<Attended>> {
    #[derive(Deserialize)]
    struct Page {
        devices: Vec<Attended>,
    }
    let till = Till::of(context).ok()?;
    let page: Page = till.ask(Method::GET, "/v1/devices", None).await.ok()?;
    Some(page.devices)
}

fn listed(context: &Context, registry: &Registry, root: &Path, candidate: &Candidate) -> Listed {
    // A display's own numbers are exact: nothing fits better.
    let known = match registry.fit_display(candidate) {
        Some(profile) => Some(("display", &profile.id, Why::Exact)),
        None => registry
            .fit(candidate)
            .map(|fit| ("scanner", &fit.profile.id, fit.why)),
    };
    let links = access::links(root, &candidate.node);
    let stable = links.first().unwrap_or(&candidate.node);
    Listed {
        node: candidate.node.clone(),
        setting: format!("{}:{}", candidate.mode.word(), stable.display()),
        ids: candidate.ids(),
        name: candidate.name(),
        kind: known.map(|(kind, _, _)| kind),
        profile: known.map(|(_, id, _)| id.clone()),
        why: known.map(|(_, _, why)| context.language.text(why.text())),
        access: if access::is_allowed(&candidate.node) {
            context.language.text(technician::LIST_ACCESS)
        } else {
            context.language.text(technician::LIST_NO_ACCESS)
        },
        holder: access::holder(&candidate.node),
        links,
    }
}

fn nodes_table(context: &Context, nodes: &[Listed]) -> String {
    let say = |text| context.language.text(text);
    let headings = [
        say(technician::HEADING_NODE),
        Cow::Borrowed("vid:pid"),
        say(technician::HEADING_DEVICE),
        say(technician::HEADING_KIND),
        say(technician::HEADING_PROFILE),
        say(technician::HEADING_WHY),
        say(technician::HEADING_ACCESS),
        say(technician::HEADING_HOLDER),
        say(technician::HEADING_SETTING),
    ];
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "—".to_owned());
    let rows: Vec<Vec<String>> = nodes
        .iter()
        .map(|node| {
            vec![
                node.node.display().to_string(),
                text(&node.ids),
                text(&node.name),
                kind_in(context, node.kind).into_owned(),
                text(&node.profile),
                node.why.as_deref().unwrap_or("—").to_owned(),
                node.access.to_string(),
                text(&node.holder),
                node.setting.clone(),
            ]
        })
        .collect();
    table(&headings, &rows)
}

fn kind_in(context: &Context, kind: Option<&'static str>) -> Cow<'static, str> {
    match kind {
        Some("display") => context.language.text(technician::LIST_DISPLAY),
        Some(_) => context.language.text(technician::LIST_SCANNER),
        None => "—".into(),
    }
}

/// One profile, as the list shows it.
#[derive(Debug, Serialize)]
struct ProfileLine {
    id: String,
    kind: &'static str,
    name: String,
    status: Status,
    origin: String,
    note: Option<String>,
}

fn profiles(context: &Context) -> Result<u8, CliError> {
    let registry = registry(context);
    let lines: Vec<ProfileLine> = registry
        .all()
        .map(|profile| {
            let (kind, status, note) = match profile {
                AnyProfile::Scanner(one) => ("scanner", one.status, one.note.clone()),
                AnyProfile::Display(one) => ("display", one.status, one.note.clone()),
            };
            let origin = match registry.origin(profile.id()) {
                Some(Origin::File(path)) => path.display().to_string(),
                Some(Origin::BuiltIn) | None => context
                    .language
                    .text(technician::LIST_BUILT_IN)
                    .into_owned(),
            };
            ProfileLine {
                id: profile.id().to_owned(),
                kind,
                name: profile.name(),
                status,
                origin,
                note,
            }
        })
        .collect();
    if context.output.json {
        let value = serde_json::json!({"profiles": lines});
        return print_json(context, &value);
    }
    let say = |text| context.language.text(text);
    let headings = [
        say(technician::HEADING_PROFILE),
        say(technician::HEADING_KIND),
        say(technician::HEADING_DEVICE),
        say(technician::HEADING_STATUS),
        say(technician::HEADING_ORIGIN),
        say(technician::HEADING_NOTE),
    ];
    let rows: Vec<Vec<String>> = lines
        .into_iter()
        .map(|line| {
            let status = match line.status {
                Status::Tested => say(technician::LIST_TESTED),
                Status::Reported => say(technician::LIST_REPORTED),
                Status::Untested => say(technician::LIST_UNTESTED),
            };
            vec![
                line.id,
                kind_in(context, Some(line.kind)).into_owned(),
                line.name,
                status.into_owned(),
                line.origin,
                line.note.unwrap_or_else(|| "—".to_owned()),
            ]
        })
        .collect();
    print(context, &table(&headings, &rows))
}

fn bind(context: &Context, port: &Path, id: &str) -> Result<u8, CliError> {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.is_empty() || id.len() > 32 || !id.bytes().all(fine) {
        return Err(CliError::Usage(format!(
            "{id:?} is no name: 1 to 32 of a-z 0-9 - are allowed"
        )));
    }
    let root = Path::new("/");
    let Some(candidate) = sysfs::candidate_at(root, port) else {
        return Err(CliError::Data(format!(
            "{} is no serial port, HID or keyboard node that is plugged in; see oplati devices list",
            port.display()
        )));
    };
    let Some(place) = id_path(root, &candidate) else {
        return Err(CliError::Data(format!(
            "{} has no place on a bus (ID_PATH) that a rule could name",
            port.display()
        )));
    };
    let place = match candidate.mode {
        Mode::Keyboard => whole_device(&place),
        Mode::Serial | Mode::HidPos => place,
    };
    let rule = udev::local_rule(candidate.mode, &place, id);
    print(context, rule.trim_end())?;
    let (word, path) = (candidate.mode.word(), format!("/dev/oplati/{id}"));
    let what_next = technician::list_rule_next(id, path, word);
    context.output.note(&context.language.text(what_next));
    Ok(exit_code::OK)
}

/// The place as udev's `path_id` names it, from udev's database.
fn id_path(root: &Path, candidate: &Candidate) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let device = std::fs::metadata(&candidate.node).ok()?.rdev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let entry = root.join(format!("run/udev/data/c{major}:{minor}"));
    let known = std::fs::read_to_string(entry).unwrap_or_default();
    let path = known
        .lines()
        .find_map(|line| line.strip_prefix("E:ID_PATH="));
    let fine = |path: &&str| {
        !path.is_empty()
            && path
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-:._+@".contains(&byte))
    };
    path.filter(fine).map(str::to_owned)
}

/// A keyboard scanner may type on a node of any of its interfaces, the last part of a USB place: `:1.0`.
fn whole_device(place: &str) -> String {
    match place.rsplit_once(':') {
        Some((device, interface)) if place.contains("usb-") && interface.contains('.') => {
            format!("{device}:*")
        }
        Some(_) | None => place.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyboard_is_bound_with_all_its_interfaces() {
        let place = "pci-0000:00:14.0-usb-0:2.1:1.0";
        assert_eq!(whole_device(place), "pci-0000:00:14.0-usb-0:2.1:*");
        assert_eq!(
            whole_device("platform-i8042-serio-0"),
            "platform-i8042-serio-0"
        );
        assert_eq!(whole_device("pci-0000:00:14.0"), "pci-0000:00:14.0");
    }
}
