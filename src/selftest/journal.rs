//! The journal, the room on its disk, and the queue.

use super::environment::Environment;
use super::texts;
use crate::base::error_chain::with_causes;
use crate::journal::{Inspected, JournalError, Trouble, inspect};
use crate::model::check::{Check, Group, Text, Verdict};
use crate::model::health::ReasonCode;

/// Less than this ends sales soon: the journal sets aside room for an operation's end, and logs grow.
const MIN_ROOM: u64 = 16 * 1024 * 1024;
/// Less than this wants a person.
const LITTLE_ROOM: u64 = 200 * 1024 * 1024;

pub(super) fn journal(ground: &Environment) -> Vec<Check> {
    let looked = (!ground.daemon.is_there()).then(|| inspect(&ground.paths.journal()));
    let disk_fails = disk_fails(ground, looked.as_ref());
    let whole = match looked {
        Some(looked) => own_look(ground, looked),
        None => daemons_word(ground),
    };
    vec![whole, room(ground, disk_fails), queue(ground)]
}

fn whole(detail: Text) -> Check {
    let title = Text::new("Журнал операций цел", "The journal is whole");
    Check::pass("journal.whole", Group::Journal, title, detail)
}

/// Without it, the daemon's numbers of what it holds are none.
fn daemon_has_journal(ground: &Environment) -> bool {
    let told = ground.daemon.told();
    let is_ok = told.and_then(|(health, _)| health.pointer("/journal/ok")?.as_bool());
    is_ok == Some(true)
}

fn daemons_word(ground: &Environment) -> Check {
    let Some((health, _)) = ground.daemon.told() else {
        let detail = Text::new("служба не отвечает", "the daemon does not answer");
        return whole(detail).ended(Verdict::Skipped, None);
    };
    let is_ok = health
        .pointer("/journal/ok")
        .and_then(serde_json::Value::as_bool);
    let count = health
        .pointer("/journal/operations")
        .and_then(serde_json::Value::as_u64);
    let count = count.unwrap_or_default();
    if is_ok == Some(true) {
        return whole(Text::new(
            format!("служба пишет в него, операций: {count}"),
            format!("the daemon writes it, operations: {count}"),
        ));
    }
    let aside = ground.paths.journal().with_file_name("journal.damaged");
    let reason = health
        .pointer("/reasons/0")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let detail = Text::new(reason, "the daemon cannot use it; payments are refused");
    if std::fs::read_dir(&aside).is_ok_and(|mut kept| kept.next().is_some()) {
        whole(detail).ended(Verdict::Fail, Some(put_back(ground)))
    } else if ground.daemon.has_reason(ReasonCode::JournalDamaged) {
        whole(detail).ended(Verdict::Fail, Some(restart(ground)))
    } else if ground.daemon.has_reason(ReasonCode::JournalRights) {
        whole(detail).ended(Verdict::Fail, Some(give_rights(ground)))
    } else if ground.daemon.has_reason(ReasonCode::JournalLocked) {
        whole(detail).ended(Verdict::Fail, Some(end_holder(ground)))
    } else {
        whole(detail).ended(Verdict::Fail, Some(check_disk()))
    }
}

fn own_look(ground: &Environment, looked: Result<Inspected, JournalError>) -> Check {
    let path = ground.paths.journal();
    match looked {
        Ok(Inspected::Absent) => whole(texts::of(&path, "ещё нет", "not there yet")),
        Ok(Inspected::Empty) => whole(texts::of(&path, "ещё пуст", "still empty")),
        Ok(Inspected::Whole(count)) => whole(texts::of(
            &path,
            &format!("операций: {count}"),
            &format!("operations: {count}"),
        )),
        Ok(Inspected::TooLarge(bytes)) => {
            let mb = bytes >> 20;
            whole(texts::of(
                &path,
                &format!("{mb} МБ, служба проверит его при запуске"),
                &format!("{mb} MB, the daemon looks at it when it starts"),
            ))
            .ended(Verdict::Skipped, None)
        }
        Err(error @ (JournalError::Damaged { .. } | JournalError::Aside { .. })) => {
            let told = Text::new(
                format!("журнал повреждён: {}", with_causes(&error)),
                with_causes(&error),
            );
            let is_aside = matches!(error, JournalError::Aside { .. });
            let remedy = if is_aside {
                put_back(ground)
            } else {
                put_aside(ground)
            };
            whole(told).ended(Verdict::Fail, Some(remedy))
        }
        Err(JournalError::Prepare { source, .. })
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            let detail = texts::of(&path, "запустите с sudo", "run with sudo");
            whole(detail).ended(Verdict::Skipped, None)
        }
        Err(error) => {
            whole(Text::same(with_causes(&error))).ended(Verdict::Fail, Some(check_disk()))
        }
    }
}

/// The daemon has not met the damage yet.
fn put_aside(ground: &Environment) -> Text {
    let path = ground.paths.journal();
    let (path, folder) = (path.display(), path.with_file_name("journal.damaged"));
    let folder = folder.display();
    Text::new(
        format!(
            "Верните исправную копию журнала на место {path} и выполните systemctl start oplati. Копии нет — запустите службу: она отложит журнал в {folder}; уберите эту папку, выполните systemctl restart oplati и проверьте незавершённые оплаты в личном кабинете О!плати"
        ),
        format!(
            "Put a good copy of the journal in the place of {path} and run systemctl start oplati. Without one start the daemon, which moves the journal into {folder}; move that folder away, run systemctl restart oplati and check unfinished payments in the merchant's account"
        ),
    )
}

/// The daemon has met the damage while it ran.
fn restart(ground: &Environment) -> Text {
    let path = ground.paths.journal();
    let (path, folder) = (path.display(), path.with_file_name("journal.damaged"));
    let folder = folder.display();
    Text::new(
        format!(
            "Выполните systemctl restart oplati: служба отложит журнал в {folder}; затем верните исправную копию на место {path} и перезапустите её ещё раз"
        ),
        format!(
            "Run systemctl restart oplati: the daemon moves the journal into {folder}; then put a good copy in the place of {path} and restart it once more"
        ),
    )
}

/// The daemon has put the journal aside.
fn put_back(ground: &Environment) -> Text {
    let path = ground.paths.journal();
    let (path, folder) = (path.display(), path.with_file_name("journal.damaged"));
    let folder = folder.display();
    Text::new(
        format!(
            "Верните исправную копию журнала на место {path} и выполните systemctl restart oplati. Копии нет — уберите {folder} и проверьте незавершённые оплаты в личном кабинете О!плати"
        ),
        format!(
            "Put a good copy of the journal in the place of {path} and run systemctl restart oplati. Without one move {folder} away and check unfinished payments in the merchant's account"
        ),
    )
}

/// The log and its index have rights of their own.
fn give_rights(ground: &Environment) -> Text {
    let path = ground.paths.journal();
    let path = path.display();
    Text::new(
        format!(
            "Верните службе её файлы: chown oplati:oplati-till {path}* && chmod 600 {path}*, а при lsattr с буквой i: chattr -i {path}*. Служба продолжит сама"
        ),
        format!(
            "Give the daemon its files back: chown oplati:oplati-till {path}* && chmod 600 {path}*, and if lsattr shows an i: chattr -i {path}*. It goes on by itself"
        ),
    )
}

fn end_holder(ground: &Environment) -> Text {
    let path = ground.paths.journal();
    let path = path.display();
    Text::new(
        format!(
            "Завершите программу, которая держит журнал: fuser -v {path}*. Служба продолжит сама"
        ),
        format!(
            "End the program that holds the journal: fuser -v {path}*. The daemon goes on by itself"
        ),
    )
}

fn check_disk() -> Text {
    Text::new(
        "Проверьте диск кассы (df -h, dmesg), затем выполните systemctl restart oplati",
        "Check the till's disk (df -h, dmesg), then run systemctl restart oplati",
    )
}

/// What a file system that fails tells of its room is worth nothing, and nothing is gained by making some.
fn disk_fails(ground: &Environment, looked: Option<&Result<Inspected, JournalError>>) -> bool {
    if let Some(Err(error @ (JournalError::Unread { .. } | JournalError::Prepare { .. }))) = looked
    {
        return error.trouble() == Trouble::Disk;
    }
    ground.daemon.has_reason(ReasonCode::JournalDisk)
}

fn room(ground: &Environment, disk_fails: bool) -> Check {
    let title = Text::new("Место на диске", "Room on the disk");
    let check = |detail| Check::pass("journal.room", Group::Journal, title, detail);
    let path = ground.paths.journal();
    let folder = path.parent().unwrap_or(&ground.root);
    let Ok(facts) = rustix::fs::statvfs(folder) else {
        let detail = texts::of(folder, "не видно", "cannot be seen");
        return check(detail).ended(Verdict::Skipped, None);
    };
    if disk_fails {
        let detail = texts::of(folder, "диск неисправен", "the disk fails");
        return check(detail).ended(Verdict::Skipped, None);
    }
    let free = facts.f_bavail.saturating_mul(facts.f_frsize);
    let mb = free >> 20;
    let detail = texts::of(
        folder,
        &format!("свободно {mb} МБ"),
        &format!("{mb} MB free"),
    );
    let remedy = || {
        Some(Text::new(
            "Освободите место на диске кассы: df -h, du -xh / | sort -h",
            "Make room on the till's disk: df -h, du -xh / | sort -h",
        ))
    };
    // No inodes left is full, too; some file systems count none.
    if free < MIN_ROOM || (facts.f_files > 0 && facts.f_favail == 0) {
        check(detail).ended(Verdict::Fail, remedy())
    } else if free < LITTLE_ROOM {
        check(detail).ended(Verdict::Warn, remedy())
    } else {
        check(detail)
    }
}

fn queue(ground: &Environment) -> Check {
    let title = Text::new("Очередь отмен", "Queue of cancellations");
    let depth = ground
        .daemon
        .told()
        .and_then(|(health, _)| health.get("queue_depth")?.as_u64());
    let Some(depth) = depth else {
        let detail = Text::new(
            "знает только работающая служба",
            "only the running daemon knows",
        );
        return Check::pass("journal.queue", Group::Journal, title, detail)
            .ended(Verdict::Skipped, None);
    };
    if depth == 0 && !daemon_has_journal(ground) {
        let detail = Text::new(
            "неизвестно: служба не пользуется журналом",
            "unknown: the daemon cannot use the journal",
        );
        return Check::pass("journal.queue", Group::Journal, title, detail)
            .ended(Verdict::Skipped, None);
    }
    let detail = Text::new(format!("ждут: {depth}"), format!("waiting: {depth}"));
    let check = Check::pass("journal.queue", Group::Journal, title, detail);
    if depth == 0 {
        check
    } else {
        check.warn(
            "Восстановите связь с сервером; что ждёт — oplati queue",
            "Bring the connection back; what waits: oplati queue",
        )
    }
}
