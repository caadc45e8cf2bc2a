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

/// Rights of group and others.
const OTHERS: u32 = 0o077;

pub(super) fn configuration(ground: &Environment) -> Vec<Check> {
    let title = || Text::new("Файл oplati.conf", "The file oplati.conf");
    let check = |detail| Check::pass("config.read", Group::Configuration, title(), detail);
    let loaded = match &ground.settings {
        Ok(loaded) => loaded,
        Err(error) => {
            let remedy = Text::new(
                "Исправьте названную строку: oplati check печатает, что разрешено",
                "Mend the line that is named: oplati check prints what is allowed",
            );
            let failed = check(Text::same(with_causes(error)));
            return vec![failed.ended(Verdict::Fail, Some(remedy))];
        }
    };
    let mut checks = vec![match &loaded.source {
        Source::File(path) => check(texts::path(path)),
        Source::Defaults(path) => check(texts::of(
            path,
            "нет, действуют значения по умолчанию",
            "absent, the defaults hold",
        ))
        .warn(
            "Настройте модуль: dpkg-reconfigure artix-oplati",
            "Configure the module: dpkg-reconfigure artix-oplati",
        ),
    }];
    checks.extend(loaded.warnings.iter().map(|warning| {
        check(Text::same(warning.to_string())).warn(
            "Исправьте имя в названной строке",
            "Mend the name in the line that is named",
        )
    }));
    checks.push(reg_num(loaded));
    checks.extend(companions(ground, loaded));
    checks
}

fn reg_num(loaded: &Loaded) -> Check {
    let title = Text::new(
        "Регистрационный номер кассы",
        "Registration number of the till",
    );
    let check = |detail| Check::pass("config.reg_num", Group::Configuration, title, detail);
    match &loaded.config.main.reg_num {
        Some(number) => check(Text::same(number.clone())),
        None => check(Text::new("не задан", "not set")).fail(
                "Впишите regNum в раздел [Main] файла oplati.conf и перезапустите службу: systemctl restart oplati",
                "Put regNum into [Main] of oplati.conf and restart the daemon: systemctl restart oplati",
            ),
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
        Text::new("Профили устройств", "Device profiles"),
        Text::same(registry.all().count().to_string()),
    );
    let mut checks = vec![with_fault(
        profiles,
        faults.first().cloned(),
        "Исправьте профиль в /etc/oplati/devices.d или строку profile в oplati.conf",
        "Mend the profile in /etc/oplati/devices.d, or profile in oplati.conf",
    )];
    let template = Check::pass(
        "config.template",
        Group::Configuration,
        Text::new(
            "Шаблон отчёта oplat.xml",
            "Template of the report, oplat.xml",
        ),
        texts::path(&ground.paths.report_template()),
    );
    let fault = Template::load(&ground.paths.report_template()).err();
    checks.push(with_fault(
        template,
        fault.map(|error| with_causes(&error)),
        "Верните шаблон из пакета: apt-get install --reinstall artix-oplati",
        "Bring the package's template back: apt-get install --reinstall artix-oplati",
    ));
    if let Some(path) = &config.display.logo {
        let logo = Check::pass(
            "config.logo",
            Group::Configuration,
            Text::new("Логотип", "Logo"),
            texts::path(path),
        );
        let fault = Logo::read(path).err().map(|error| with_causes(&error));
        checks.push(with_fault(
            logo,
            fault,
            "Положите PNG по этому пути или уберите logo из oplati.conf",
            "Put a PNG there, or remove logo from oplati.conf",
        ));
    }
    checks
}

fn with_fault(check: Check, fault: Option<String>, ru: &str, en: &str) -> Check {
    match fault {
        None => check,
        Some(fault) => Check {
            detail: Text::same(fault),
            ..check
        }
        .warn(ru, en),
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
    Text::new(format!("Права на {name}"), format!("Rights of {name}"))
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
        let (ru, en) = (
            format!(
                "Выполните: chown {owner} {0} && chmod u+rw {0}",
                path.display()
            ),
            format!("Run: chown {owner} {0} && chmod u+rw {0}", path.display()),
        );
        return check(detail).fail(ru, en);
    }
    if is_secret && meta.mode() & OTHERS != 0 {
        let command = format!("chmod 600 {}", path.display());
        return check(detail).warn(
            format!("Файл с секретом открыт другим. Выполните: {command}"),
            format!("A file with a secret is open to others. Run: {command}"),
        );
    }
    check(detail)
}

/// A folder on the way lets the daemon not pass.
fn barred(check: Check, who: &Identity, folder: &Path) -> Check {
    let (owner, shown) = (who.name(), folder.display());
    Check {
        detail: Text::new(
            format!("пользователь {owner} не проходит через папку {shown}"),
            format!("the user {owner} cannot pass through the folder {shown}"),
        ),
        ..check
    }
    .fail(
        format!("Выполните: chmod o+x {shown}"),
        format!("Run: chmod o+x {shown}"),
    )
}

/// The bearer token: for its group, too, but for nobody else.
fn kept_from_others(path: &Path) -> Check {
    let check = |detail| Check::pass("files.till_token", Group::Files, about(path), detail);
    match std::fs::metadata(path) {
        Err(error) => unseen(check(texts::path(path)), path, &error),
        Ok(meta) if meta.mode() & 0o007 != 0 => {
            let command = format!("chmod o= {}", path.display());
            check(described(path, &meta)).warn(
                format!("Токен API открыт всем. Выполните: {command}"),
                format!("The API's token is open to everybody. Run: {command}"),
            )
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
    let (ru, en) = if error.kind() == ErrorKind::NotFound {
        ("ещё нет", "not there yet")
    } else if error.kind() == ErrorKind::PermissionDenied {
        (
            "не видно этому пользователю, запустите с sudo",
            "not to be seen by this user, run with sudo",
        )
    } else {
        ("не читается", "cannot be read")
    };
    Check {
        detail: texts::of(path, ru, en),
        ..check
    }
    .ended(Verdict::Skipped, None)
}

/// A folder in which the daemon makes files. Told by its rights: nothing is written.
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
        Text::new(format!("Выполните: {command}"), format!("Run: {command}"))
    };
    check(described(path, &meta)).ended(Verdict::Fail, Some(remedy))
}

fn no_writing_disk() -> Text {
    Text::new(
        "Диск смонтирован только для чтения: проверьте его (dmesg) и перезагрузите кассу",
        "The disk is mounted read-only: check it (dmesg) and restart the till",
    )
}

fn is_read_only(path: &Path) -> bool {
    rustix::fs::statvfs(path)
        .is_ok_and(|facts| facts.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

pub(super) fn log(ground: &Environment) -> Vec<Check> {
    let path = ground.paths.log();
    let who = Identity::of_daemon(ground);
    let title = Text::new("Лог terminal.log", "The log terminal.log");
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
        let remedy = Text::new(
            format!("На месте лога не файл: уберите {shown}, служба создаст лог сама"),
            format!(
                "There is no file in the log's place: move {shown} away, the daemon makes the log"
            ),
        );
        check.ended(Verdict::Fail, Some(remedy))
    } else if who.may_write(&meta) {
        check
    } else {
        let command = format!("chown {} {1} && chmod u+rw {1}", who.name(), path.display());
        check.fail(
            format!("Служба не может писать лог. Выполните: {command}"),
            format!("The daemon cannot write the log. Run: {command}"),
        )
    }]
}
