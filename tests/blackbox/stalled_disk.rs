//! A disk that does not answer, or takes nothing more: a file system of its own that is frozen or remounted under the
//! daemon. That takes root and the tools of a Linux machine; elsewhere nothing is tested here.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::harness::{Sim, Till, assert_has, refused, wait_until};

/// A small disk in a file. It answers again when this is dropped, whatever became of the test: what waits for a
/// frozen disk cannot even be killed.
struct Disk {
    at: PathBuf,
    image: tempfile::NamedTempFile,
}

fn done(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Disk {
    /// `None` where no disk can be made.
    fn over(at: &Path) -> Option<Disk> {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(64 * 1024 * 1024).unwrap();
        let is_made = done(Command::new("mkfs.ext4").arg("-q").arg(image.path()))
            && done(
                Command::new("mount")
                    .args(["-o", "loop"])
                    .arg(image.path())
                    .arg(at),
            );
        is_made.then(|| Disk {
            at: at.to_owned(),
            image,
        })
    }

    /// All that a till has lies on it, its settings too.
    fn below(till: &Till) -> Option<Disk> {
        let conf = till.path("linuxcash/cash/paysystems/oplati/oplati.conf");
        let text = std::fs::read(&conf).unwrap();
        let disk = Disk::over(till.folder.path())?;
        std::fs::create_dir_all(conf.parent()?).unwrap();
        std::fs::write(&conf, text).unwrap();
        Some(disk)
    }

    fn freeze(&self) {
        assert!(done(Command::new("fsfreeze").arg("-f").arg(&self.at)));
    }

    /// From now on every access fails with EIO, as on a disk that was pulled; whether that could be done.
    fn shut_down(&self) -> bool {
        let ioctl = "import fcntl, os, struct, sys; \
                     fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
        done(Command::new("python3").args(["-c", ioctl]).arg(&self.at))
    }

    /// Mounts it anew.
    fn bring_back(&self) {
        assert!(done(Command::new("umount").arg("-l").arg(&self.at)));
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop"]).arg(self.image.path());
        assert!(done(mount.arg(&self.at)));
    }

    fn thaw(&self) -> bool {
        done(Command::new("fsfreeze").arg("-u").arg(&self.at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.thaw();
        done(Command::new("umount").arg("-l").arg(&self.at));
    }
}

/// Whether the process has ended, but for threads that wait for the disk: those no signal ends.
fn has_ended(till: &mut Till) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", till.daemon().0.id()));
    let stat = stat.unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

/// It writes into no file on that disk but its log.
fn start(till: &mut Till) {
    let mut daemon = till.verb(&["daemon"]);
    daemon.stdout(Stdio::null()).stderr(Stdio::null());
    let child = daemon.spawn().unwrap();
    till.adopt(child);
}

#[test]
fn a_disk_that_does_not_answer_is_reported_and_keeps_no_daemon_from_ending() {
    let sim = Sim::start(None);
    sim.allow_one_early_question();
    let mut till = Till::new(&sim.url, 2, "");
    let Some(disk) = Disk::below(&till) else {
        return;
    };
    start(&mut till);
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_buyer"]);
    disk.freeze();
    // The buyer comes, and what follows cannot be written: neither into the journal nor into the log.
    sim.join();
    wait_until("the word on the disk", || {
        let health = till.health();
        let reasons = health["reasons"].to_string();
        let is_reported = reasons.contains("Журнал не записывается: диск не отвечает")
            && reasons.contains("terminal.log");
        health["status"] == "blocked" && health["journal"]["ok"] == false && is_reported
    });
    assert_eq!(till.get("/v1/openapi.json").0, 200);
    let message = till.operation("s-1")["message"].to_string();
    assert!(message.contains("личном кабинете"), "{message}");
    till.daemon().signal(Signal::TERM);
    wait_until("the end", || has_ended(&mut till));
    assert!(disk.thaw());
    assert_eq!(till.daemon().exit_code(), Some(0));
    start(&mut till);
    till.until_final("s-1");
    till.kill();
}

#[test]
fn what_was_answered_as_refused_is_not_begun_when_the_disk_answers_again() {
    let sim = Sim::start(None);
    sim.allow_one_early_question();
    let mut till = Till::new(&sim.url, 2, "");
    let Some(disk) = Disk::below(&till) else {
        return;
    };
    start(&mut till);
    disk.freeze();
    let problem = refused(till.begin("s-1", 100), 507, "storage");
    let remedy = problem["remedy"].to_string();
    assert!(remedy.contains("с тем же идентификатором"), "{remedy}");
    assert!(disk.thaw());
    // Either it was never begun, or it is taken back before anything has left.
    wait_until("the end of the freeze", || till.health()["status"] == "ok");
    let (status, operation) = till.get("/v1/operations/s-1");
    if status == 200 {
        assert_eq!(till.until_final("s-1")["state"], "cancelled", "{operation}");
    }
    // The next one is another.
    assert_eq!(till.begin("s-2", 100).0, 201);
    till.kill();
}

#[test]
fn no_rights_are_advised_for_a_log_on_a_disk_that_is_read_only() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    let logs = till.path("linuxcash/logs");
    std::fs::create_dir_all(&logs).unwrap();
    let Some(disk) = Disk::over(&logs) else {
        return;
    };
    till.start();
    wait_until("the log", || !till.log().is_empty());
    // Whoever writes there keeps it writable.
    till.kill();
    let mut mount = Command::new("mount");
    assert!(done(mount.args(["-o", "remount,ro"]).arg(&disk.at)));
    till.start();
    let health = till.health();
    assert_has(&health["reasons"][0].to_string(), ["terminal.log"]);
    let checks = till.checks();
    let log = checks
        .iter()
        .find(|check| check["id"] == "log.writable")
        .unwrap();
    let log_text = log.to_string();
    assert!(
        log_text.contains("dmesg") && !log_text.contains("chmod"),
        "{log_text}"
    );
    till.kill();
}

#[test]
fn a_dead_disk_is_no_damaged_journal() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    sim.allow_one_early_question();
    let mut till = Till::new(&sim.url, 2, "");
    let Some(disk) = Disk::below(&till) else {
        return;
    };
    start(&mut till);
    till.begin("s-1", 100);
    assert_eq!(till.until_final("s-1")["state"], "done");
    assert!(disk.shut_down());
    wait_until("the word on the disk", || {
        let health = till.health();
        let reasons = health["reasons"].to_string();
        assert!(!reasons.contains("повреждён"), "{health}");
        health["status"] == "blocked" && reasons.contains("dmesg")
    });
    let problem = refused(till.begin("s-2", 100), 507, "storage");
    assert!(!problem.to_string().contains("повреждён"), "{problem}");
    let checks = till.checks();
    let check = |id: &str| checks.iter().find(|check| check["id"] == id).unwrap();
    let check_text = check("journal.whole").to_string();
    assert!(check_text.contains("dmesg"), "{check_text}");
    assert_eq!(check("journal.room")["result"], "skipped", "{checks:?}");
    till.daemon().signal(Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
    disk.bring_back();
    start(&mut till);
    let folder = "linuxcash/cash/paysystems/oplati";
    assert!(!till.path(&format!("{folder}/journal.damaged")).exists());
    assert_eq!(till.operation("s-1")["state"], "done");
    till.kill();
}
