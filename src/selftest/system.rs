//! User, groups and udev rules: what the package sets up, and what of it has an effect.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::texts;
use crate::devices::discovery::{access, sysfs};
use crate::devices::profile::{Registry, udev};
use crate::model::check::{Check, Group, Text, Verdict};
use crate::texts::technician;

/// User and group of the daemon.
const DAEMON: &str = "oplati";
/// Group of those who may use the API.
const TILL: &str = "oplati-till";
/// Where udev reads rules, the strongest first.
const RULES: [&str; 3] = [
    "etc/udev/rules.d",
    "usr/lib/udev/rules.d",
    "lib/udev/rules.d",
];
const RULES_FILE: &str = "60-oplati.rules";
/// Most of passwd and group that is read.
const MAX_LINES: usize = 65_536;

/// Who the daemon is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    name: String,
    uid: u32,
    groups: Vec<u32>,
}

impl Identity {
    /// The one who runs it, who is the owner of its socket; else the package's user; else, on a machine
    /// without the package, whoever asks.
    pub(super) fn of_daemon(ground: &Environment) -> Identity {
        let accounts = Accounts::read(&ground.root);
        let runs = ground
            .daemon
            .is_there()
            .then(|| std::fs::metadata(ground.socket()).ok())
            .flatten();
        let uid = runs
            .map(|socket| socket.uid())
            .or_else(|| accounts.user(DAEMON).map(|user| user.uid));
        match uid {
            Some(uid) => accounts.identity(uid),
            None => {
                let mut own = accounts.identity(rustix::process::geteuid().as_raw());
                own.groups.push(rustix::process::getegid().as_raw());
                let more = rustix::process::getgroups().unwrap_or_default();
                own.groups.extend(more.iter().map(|group| group.as_raw()));
                own
            }
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn may_read(&self, meta: &Metadata) -> bool {
        self.may(meta, 0o4)
    }

    pub(super) fn may_write(&self, meta: &Metadata) -> bool {
        self.may(meta, 0o2)
    }

    /// The first folder on the way to `path`, links followed, that does not let the daemon pass.
    pub(super) fn stopped_at(&self, path: &Path) -> Option<PathBuf> {
        let real = std::fs::canonicalize(path).ok()?;
        let mut folders: Vec<&Path> = real.ancestors().skip(1).collect();
        folders.reverse();
        let bars =
            |folder: &&&Path| std::fs::metadata(folder).is_ok_and(|meta| !self.may(&meta, 0o1));
        folders
            .iter()
            .find(bars)
            .map(|folder| (**folder).to_owned())
    }

    /// As the kernel decides (`path_resolution(7)`), access lists aside.
    fn may(&self, meta: &Metadata, right: u32) -> bool {
        let shift = if self.uid == 0 {
            return true;
        } else if meta.uid() == self.uid {
            6
        } else if self.groups.contains(&meta.gid()) {
            3
        } else {
            0
        };
        (meta.mode() >> shift) & right == right
    }
}

/// A line of passwd.
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

/// passwd and group below the root, or the machine's when there are none.
struct Accounts {
    users: Vec<User>,
    /// Name, number, members.
    groups: Vec<(String, u32, Vec<String>)>,
}

impl Accounts {
    fn read(root: &Path) -> Accounts {
        let lines = |name: &str| -> Vec<Vec<String>> {
            let own = std::fs::read_to_string(root.join("etc").join(name));
            let text = own.or_else(|_| std::fs::read_to_string(Path::new("/etc").join(name)));
            text.unwrap_or_default()
                .lines()
                .take(MAX_LINES)
                .map(|line| line.split(':').map(str::to_owned).collect())
                .collect()
        };
        let number = |fields: &[String], at: usize| fields.get(at)?.parse::<u32>().ok();
        let users = lines("passwd").into_iter().filter_map(|fields| {
            Some(User {
                name: fields.first()?.clone(),
                uid: number(&fields, 2)?,
                gid: number(&fields, 3)?,
            })
        });
        let groups = lines("group").into_iter().filter_map(|fields| {
            let members = fields.get(3)?.split(',').map(str::to_owned).collect();
            Some((fields.first()?.clone(), number(&fields, 2)?, members))
        });
        Accounts {
            users: users.collect(),
            groups: groups.collect(),
        }
    }

    fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    fn group(&self, name: &str) -> Option<u32> {
        let found = self.groups.iter().find(|(group, ..)| group == name);
        found.map(|(_, gid, _)| *gid)
    }

    fn identity(&self, uid: u32) -> Identity {
        let user = self.users.iter().find(|user| user.uid == uid);
        let name = user.map_or_else(|| uid.to_string(), |user| user.name.clone());
        let mut groups: Vec<u32> = self
            .groups
            .iter()
            .filter(|(_, _, members)| members.contains(&name))
            .map(|(_, gid, _)| *gid)
            .collect();
        groups.extend(user.map(|user| user.gid));
        Identity { name, uid, groups }
    }
}

/// Whether an installed system is looked at, and not a folder of files.
fn is_installed(ground: &Environment) -> bool {
    ground.root == Path::new("/") || ground.root.join("etc/passwd").exists()
}

pub(super) fn users(ground: &Environment) -> Vec<Check> {
    let title = technician::SYSTEM_USER;
    let check = |detail| Check::pass("users.daemon", Group::Users, title.clone(), detail);
    if !is_installed(ground) {
        let detail = technician::SYSTEM_NO_SYSTEM;
        return vec![check(detail).ended(Verdict::Skipped, None)];
    }
    let accounts = Accounts::read(&ground.root);
    let reinstall = || Some(technician::SYSTEM_REINSTALL);
    let mut checks = Vec::new();
    let group = accounts.group(DAEMON);
    checks.push(match (accounts.user(DAEMON), group) {
        (None, _) => check(technician::system_no_user(DAEMON)).ended(Verdict::Fail, reinstall()),
        (_, None) => {
            check(technician::system_no_device_group(DAEMON)).ended(Verdict::Fail, reinstall())
        }
        (Some(user), Some(gid)) if !accounts.identity(user.uid).groups.contains(&gid) => {
            let command = format!("usermod -aG {DAEMON} {DAEMON} && systemctl restart oplati");
            check(technician::system_user_not_in_group(DAEMON))
                .fail(technician::settings_run(&command))
        }
        (Some(_), Some(_)) => check(Text::same(DAEMON)),
    });
    let till = technician::SYSTEM_TILL_GROUP;
    let till = |detail| Check::pass("users.till", Group::Users, till, detail);
    checks.push(match accounts.group(TILL) {
        Some(_) => till(Text::same(TILL)),
        None => till(technician::system_no_till_group(TILL)).ended(Verdict::Fail, reinstall()),
    });
    checks
}

pub(super) fn udev(ground: &Environment) -> Vec<Check> {
    let title = technician::SYSTEM_RULES;
    let check = |detail| Check::pass("udev.rules", Group::Udev, title.clone(), detail);
    let (registry, _) = Registry::load(&ground.paths.profiles());
    let reload = "udevadm control --reload && udevadm trigger";
    let install = format!("oplati devices udev-rules > /etc/udev/rules.d/{RULES_FILE} && {reload}");
    let remedy = Some(technician::system_run_install(&install));
    let found: Option<PathBuf> = RULES
        .iter()
        .map(|folder| ground.root.join(folder).join(RULES_FILE))
        .find(|path| path.exists());
    let Some(path) = found else {
        let detail = technician::system_no_rules(RULES_FILE);
        let absent = check(detail);
        return vec![if is_installed(ground) {
            absent.ended(Verdict::Warn, remedy)
        } else {
            absent.ended(Verdict::Skipped, None)
        }];
    };
    let installed = std::fs::read_to_string(&path).unwrap_or_default();
    let mut checks = vec![if installed == udev::rules(&registry) {
        check(texts::path(&path))
    } else {
        check(texts::of(&path, &technician::SYSTEM_OTHER_RULES)).ended(Verdict::Warn, remedy)
    }];
    checks.extend(effects(ground, &registry, reload));
    checks
}

/// Whether the rules have done their work for what is plugged in.
fn effects(ground: &Environment, registry: &Registry, reload: &str) -> Vec<Check> {
    let machine = Path::new("/");
    let accounts = Accounts::read(&ground.root);
    let group = accounts.group(DAEMON);
    let named = sysfs::candidates(machine).into_iter().filter(|candidate| {
        registry
            .fit(candidate)
            .is_some_and(|fit| fit.has_udev_rule(candidate.mode))
    });
    let mut checks = Vec::new();
    for candidate in named {
        let Ok(meta) = std::fs::metadata(&candidate.node) else {
            continue;
        };
        let has_group = Some(meta.gid()) == group && meta.mode() & 0o060 == 0o060;
        let links = access::links(machine, &candidate.node);
        let has_name = links.iter().any(|link| link.starts_with("/dev/oplati"));
        let check = Check::pass(
            "udev.effect",
            Group::Udev,
            technician::SYSTEM_RULES_HAVE_EFFECT,
            Text::same(format!(
                "{}: {:04o} {}",
                candidate.node.display(),
                meta.mode() & 0o7777,
                meta.gid()
            )),
        )
        .of(candidate.node.display().to_string());
        checks.push(if has_group && has_name {
            check
        } else {
            check.fail(technician::system_run_reload(reload))
        });
    }
    checks
}
