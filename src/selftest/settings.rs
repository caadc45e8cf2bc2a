//! oplati.conf, the files beside it, and the log.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::environment::Environment;
use super::system::Identity;
use super::texts;
use crate::base::error_chain::with_causes;
use crate::config::{Loaded, Source};
use crate::devices::display::logo::Logo;
use crate::devices::profile::Registry;
use crate::model::check::{Check, Group, Text, Verdict};
use crate::report::Template;
use crate::texts::technician;

/// Rights of group and others.
const OTHERS: u32 = 0o077;

pub(super) fn configuration(ground: &Environment) -> Vec<Check> {
    let title = || technician::SETTINGS_FILE;
    let check = |detail| Check::pass("config.read", Group::Configuration, title(), detail);
    let loaded = match &ground.settings {
        Ok(loaded) => loaded,
        Err(error) => {
            let remedy = technician::SETTINGS_MEND_LINE;
            let failed = check(Text::same(with_causes(error)));
            return vec![failed.ended(Verdict::Fail, Some(remedy))];
        }
    };
    let mut checks = vec![match &loaded.source {
        Source::File(path) => check(texts::path(path)),
        Source::Defaults(path) => check(texts::of(path, &technician::SETTINGS_ABSENT))
            .warn(technician::SETTINGS_CONFIGURE),
    }];
    checks.extend(loaded.warnings.iter().map(|warning| {
        check(Text::same(warning.to_string())).warn(technician::SETTINGS_MEND_NAME)
    }));
    checks.push(reg_num(loaded));
    checks.extend(companions(ground, loaded));
    checks
}

fn reg_num(loaded: &Loaded) -> Check {
    let title = technician::SETTINGS_REG_NUM;
    let check = |detail| Check::pass("config.reg_num", Group::Configuration, title, detail);
    match &loaded.config.main.reg_num {
        Some(number) => check(Text::same(number.clone())),
        None => check(technician::SETTINGS_NOT_SET).fail(technician::SETTINGS_PUT_REG_NUM),
    }
}

/// Profiles, the logo and the report's template.
fn companions(ground: &Environment, loaded: &Loaded) -> Vec<Check> {
    let (registry, errors) = Registry::load(&ground.paths.profiles());
    let mut faults: Vec<String> = errors.iter().map(|error| with_causes(error)).collect();
    let config = &loaded.config;
    if let Err(error) = registry.check_use(&config.scanner, &config.display) {
        faults.push(with_causes(&error));
    }
    let profiles = Check::pass(
        "config.profiles",
        Group::Configuration,
        technician::SETTINGS_PROFILES,
        Text::same(registry.all().count().to_string()),
    );
    let mut checks = vec![with_fault(
        profiles,
        faults.first().cloned(),
        technician::SETTINGS_MEND_PROFILE,
    )];
    let template = Check::pass(
        "config.template",
        Group::Configuration,
        technician::SETTINGS_TEMPLATE,
        texts::path(&ground.paths.report_template()),
    );
    let fault = Template::load(&ground.paths.report_template()).err();
    checks.push(with_fault(
        template,
        fault.map(|error| with_causes(&error)),
        technician::SETTINGS_RESTORE_TEMPLATE,
    ));
    if let Some(path) = &config.display.logo {
        let logo = Check::pass(
            "config.logo",
            Group::Configuration,
            technician::SETTINGS_LOGO,
            texts::path(path),
        );
        let fault = Logo::read(path).err().map(|error| with_causes(&error));
        checks.push(with_fault(logo, fault, technician::SETTINGS_MEND_LOGO));
    }
    checks
}

fn with_fault(check: Check, fault: Option<String>, remedy: Text) -> Check {
    match fault {
        None => check,
        Some(fault) => Check {
            detail: Text::same(fault),
            ..check
        }
        .warn(remedy),
    }
}

pub(super) fn files(ground: &Environment) -> Vec<Check> {
    let paths = &ground.paths;
    let who = Identity::of_daemon(ground);
    let has_password = ground
        .settings
        .as_ref()
        .is_ok_and(|loaded| loaded.config.main.password.is_some());
    let folder = paths.config();
    let folder = folder.parent().unwrap_or(&ground.root);
    let mut checks = vec![
        kept(&paths.config(), &who, has_password),
        kept(&paths.token(), &who, true),
        kept(&paths.journal(), &who, true),
        writable("files.folder", Group::Files, folder, &who),
    ];
    if let Ok(loaded) = &ground.settings {
        checks.push(kept_from_others(&loaded.config.till.token_file));
    }
    checks
}

fn about(path: &Path) -> Text {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    technician::settings_rights(&name)
}

/// A file that the daemon must read and, if it holds a secret, nobody else.
fn kept(path: &Path, who: &Identity, is_secret: bool) -> Check {
    let check = |detail| Check::pass("files.rights", Group::Files, about(path), detail);
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) => return unseen(check(texts::path(path)), path, &error),
    };
    if let Some(folder) = who.stopped_at(path) {
        return barred(check(texts::path(path)), who, &folder);
    }
    let owner = who.name();
    let detail = described(path, &meta);
    if !who.may_read(&meta) {
        let remedy = technician::settings_run_chown(owner, path.display());
        return check(detail).fail(remedy);
    }
    if is_secret && meta.mode() & OTHERS != 0 {
        let command = format!("chmod 600 {}", path.display());
        return check(detail).warn(technician::settings_secret_is_open(&command));
    }
    check(detail)
}

/// A folder on the way lets the daemon not pass.
fn barred(check: Check, who: &Identity, folder: &Path) -> Check {
    let (owner, shown) = (who.name(), folder.display());
    Check {
        detail: technician::settings_folder_closed(owner, &shown),
        ..check
    }
    .fail(technician::settings_run_chmod(&shown))
}

/// The bearer token: for its group, too, but for nobody else.
fn kept_from_others(path: &Path) -> Check {
    let check = |detail| Check::pass("files.till_token", Group::Files, about(path), detail);
    match std::fs::metadata(path) {
        Err(error) => unseen(check(texts::path(path)), path, &error),
        Ok(meta) if meta.mode() & 0o007 != 0 => {
            let command = format!("chmod o= {}", path.display());
            check(described(path, &meta)).warn(technician::settings_token_is_open(&command))
        }
        Ok(meta) => check(described(path, &meta)),
    }
}

fn described(path: &Path, meta: &Metadata) -> Text {
    let mode = meta.permissions().mode() & 0o7777;
    let (owner, group) = (meta.uid(), meta.gid());
    Text::same(format!("{}: {mode:04o} {owner}:{group}", path.display()))
}

fn unseen(check: Check, path: &Path, error: &std::io::Error) -> Check {
    use std::io::ErrorKind;
    let why = if error.kind() == ErrorKind::NotFound {
        technician::NOT_THERE_YET
    } else if error.kind() == ErrorKind::PermissionDenied {
        technician::SETTINGS_NOT_SEEN
    } else {
        technician::SETTINGS_UNREADABLE
    };
    Check {
        detail: texts::of(path, &why),
        ..check
    }
    .ended(Verdict::Skipped, None)
}

/// A folder in which the daemon makes files. Known by its rights: nothing is written.
fn writable(id: &'static str, group: Group, path: &Path, who: &Identity) -> Check {
    let check = |detail| Check::pass(id, group, about(path), detail);
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) => return unseen(check(texts::path(path)), path, &error),
    };
    if let Some(folder) = who.stopped_at(path) {
        return barred(check(texts::path(path)), who, &folder);
    }
    if who.may_write(&meta) && !is_read_only(path) {
        return check(described(path, &meta));
    }
    let (owner, shown) = (who.name(), path.display());
    let remedy = if is_read_only(path) {
        no_writing_disk()
    } else {
        let command = format!("chown {owner} {shown} && chmod u+rwx {shown}");
        technician::settings_run(&command)
    };
    check(described(path, &meta)).ended(Verdict::Fail, Some(remedy))
}

fn no_writing_disk() -> Text {
    technician::SETTINGS_DISK_READ_ONLY
}

fn is_read_only(path: &Path) -> bool {
    rustix::fs::statvfs(path)
        .is_ok_and(|facts| facts.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

pub(super) fn log(ground: &Environment) -> Vec<Check> {
    let path = ground.paths.log();
    let who = Identity::of_daemon(ground);
    let title = technician::SETTINGS_LOG;
    let check = |detail| Check::pass("log.writable", Group::Log, title, detail);
    let meta = match std::fs::metadata(&path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // The daemon makes it: then it is its folder that counts.
            let folder = path.parent().unwrap_or(&ground.root);
            return vec![writable("log.writable", Group::Log, folder, &who)];
        }
        Err(error) => return vec![unseen(check(texts::path(&path)), &path, &error)],
    };
    if let Some(folder) = who.stopped_at(&path) {
        return vec![barred(check(texts::path(&path)), &who, &folder)];
    }
    let check = check(described(path.as_path(), &meta));
    // No right helps on such a disk.
    if is_read_only(&path) {
        return vec![check.ended(Verdict::Fail, Some(no_writing_disk()))];
    }
    vec![if !meta.is_file() {
        let shown = path.display();
        let remedy = technician::settings_log_no_file(&shown);
        check.ended(Verdict::Fail, Some(remedy))
    } else if who.may_write(&meta) {
        check
    } else {
        let command = format!("chown {} {1} && chmod u+rw {1}", who.name(), path.display());
        check.fail(technician::settings_log_not_writable(&command))
    }]
}
