//! The journal, the room on its disk, and the queue.

use std::path::Path;

use super::environment::Environment;
use super::texts;
use crate::base::error_chain::with_causes;
use crate::journal::{Inspected, JournalError, Trouble, inspect};
use crate::model::check::{Check, Group, Text, Verdict};
use crate::model::health::ReasonCode;
use crate::texts::technician;

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
    let title = technician::JOURNAL_WHOLE;
    Check::pass("journal.whole", Group::Journal, title, detail)
}

/// Without it, the daemon's numbers of what it holds are none.
fn daemon_has_journal(ground: &Environment) -> bool {
    let answered = ground.daemon.health_and_devices();
    let is_ok = answered.and_then(|(health, _)| health.pointer("/journal/ok")?.as_bool());
    is_ok == Some(true)
}

fn daemons_word(ground: &Environment) -> Check {
    let Some((health, _)) = ground.daemon.health_and_devices() else {
        let detail = technician::JOURNAL_DAEMON_IS_SILENT;
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
        return whole(technician::journal_daemon_writes(count));
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
        whole(detail).ended(Verdict::Fail, Some(give_rights(&ground.paths.journal())))
    } else if ground.daemon.has_reason(ReasonCode::JournalLocked) {
        whole(detail).ended(Verdict::Fail, Some(end_holder(ground)))
    } else {
        whole(detail).ended(Verdict::Fail, Some(check_disk()))
    }
}

fn own_look(ground: &Environment, looked: Result<Inspected, JournalError>) -> Check {
    let path = ground.paths.journal();
    match looked {
        Ok(Inspected::Absent) => whole(texts::of(&path, &technician::NOT_THERE_YET)),
        Ok(Inspected::Empty) => whole(texts::of(&path, &technician::JOURNAL_EMPTY)),
        Ok(Inspected::Whole(count)) => {
            whole(texts::of(&path, &technician::journal_operations(count)))
        }
        Ok(Inspected::TooLarge(bytes)) => {
            let mb = bytes >> 20;
            whole(texts::of(&path, &technician::journal_too_large(mb)))
                .ended(Verdict::Skipped, None)
        }
        Err(error @ (JournalError::Damaged { .. } | JournalError::Quarantined { .. })) => {
            let detail = technician::journal_damaged(with_causes(&error));
            let is_aside = matches!(error, JournalError::Quarantined { .. });
            let remedy = if is_aside {
                put_back(ground)
            } else {
                put_aside(ground)
            };
            whole(detail).ended(Verdict::Fail, Some(remedy))
        }
        Err(JournalError::Prepare { source, .. })
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            let detail = texts::of(&path, &technician::JOURNAL_RUN_WITH_SUDO);
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
    technician::journal_put_copy_and_start(&folder, &path)
}

/// The daemon has met the damage while it ran.
fn restart(ground: &Environment) -> Text {
    let path = ground.paths.journal();
    let (path, folder) = (path.display(), path.with_file_name("journal.damaged"));
    let folder = folder.display();
    technician::journal_restart_and_put_copy(&folder, &path)
}

/// The daemon has put the journal aside.
fn put_back(ground: &Environment) -> Text {
    let path = ground.paths.journal();
    let (path, folder) = (path.display(), path.with_file_name("journal.damaged"));
    let folder = folder.display();
    technician::journal_put_copy_and_restart(&folder, &path)
}

/// The log and its index have rights of their own.
fn give_rights(journal: &Path) -> Text {
    technician::journal_give_rights(journal.display())
}

fn end_holder(ground: &Environment) -> Text {
    let path = ground.paths.journal();
    let path = path.display();
    technician::journal_end_holder(&path)
}

fn check_disk() -> Text {
    technician::JOURNAL_CHECK_DISK
}

/// What a file system that fails reports of its room is worth nothing, and nothing is gained by making some.
fn disk_fails(ground: &Environment, looked: Option<&Result<Inspected, JournalError>>) -> bool {
    if let Some(Err(error @ (JournalError::Unread { .. } | JournalError::Prepare { .. }))) = looked
    {
        return error.trouble() == Trouble::Disk;
    }
    ground.daemon.has_reason(ReasonCode::JournalDisk)
}

fn room(ground: &Environment, disk_fails: bool) -> Check {
    let title = technician::JOURNAL_ROOM;
    let check = |detail| Check::pass("journal.room", Group::Journal, title, detail);
    let path = ground.paths.journal();
    let folder = path.parent().unwrap_or(&ground.root);
    let Ok(facts) = rustix::fs::statvfs(folder) else {
        let detail = texts::of(folder, &technician::JOURNAL_NOT_SEEN);
        return check(detail).ended(Verdict::Skipped, None);
    };
    if disk_fails {
        let detail = texts::of(folder, &technician::JOURNAL_DISK_FAILS);
        return check(detail).ended(Verdict::Skipped, None);
    }
    let free = facts.f_bavail.saturating_mul(facts.f_frsize);
    let mb = free >> 20;
    let detail = texts::of(folder, &technician::journal_free(mb));
    let remedy = || Some(technician::JOURNAL_MAKE_ROOM);
    // No inodes left is full, too; some file systems count none.
    if free < MIN_ROOM || (facts.f_files > 0 && facts.f_favail == 0) {
        check(detail).ended(Verdict::Fail, remedy())
    } else if ground.daemon.has_reason(ReasonCode::JournalFull) {
        check(detail).ended(Verdict::Fail, Some(technician::JOURNAL_QUOTA))
    } else if free < LITTLE_ROOM {
        check(detail).ended(Verdict::Warn, remedy())
    } else {
        check(detail)
    }
}

fn queue(ground: &Environment) -> Check {
    let title = technician::JOURNAL_QUEUE;
    let depth = ground
        .daemon
        .health_and_devices()
        .and_then(|(health, _)| health.get("queue_depth")?.as_u64());
    let Some(depth) = depth else {
        let detail = technician::ONLY_DAEMON_KNOWS;
        return Check::pass("journal.queue", Group::Journal, title, detail)
            .ended(Verdict::Skipped, None);
    };
    if depth == 0 && !daemon_has_journal(ground) {
        let detail = technician::JOURNAL_QUEUE_UNKNOWN;
        return Check::pass("journal.queue", Group::Journal, title, detail)
            .ended(Verdict::Skipped, None);
    }
    let detail = technician::journal_queue_depth(depth);
    let check = Check::pass("journal.queue", Group::Journal, title, detail);
    if depth == 0 {
        check
    } else {
        check.warn(technician::JOURNAL_QUEUE_REMEDY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_attributes_that_keep_a_file_as_it_is_are_taken_off() {
        let remedy = give_rights(Path::new("/journal.sqlite3"));
        for text in [remedy.ru, remedy.en] {
            assert!(text.contains("chattr -i -a /journal.sqlite3*"), "{text}");
        }
    }
}
