//! Where the files are. Only defaults move with `--root`.

use std::path::{Path, PathBuf};

/// Every file of the daemon below its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// Below `root`, usually `/`.
    pub fn below(root: &Path) -> Paths {
        Paths {
            root: root.to_owned(),
        }
    }

    fn settings(&self) -> PathBuf {
        self.root.join("linuxcash/cash/paysystems/oplati")
    }

    pub fn config(&self) -> PathBuf {
        self.settings().join("oplati.conf")
    }

    /// The token, 0600.
    pub fn token(&self) -> PathBuf {
        self.settings().join("token.conf")
    }

    /// The template of the non-cash report.
    pub fn report_template(&self) -> PathBuf {
        self.root.join("linuxcash/cash/reports/oplat.xml")
    }

    /// The shop's own device profiles.
    pub fn profiles(&self) -> PathBuf {
        self.root.join("etc/oplati/devices.d")
    }

    /// Where a till program finds scanners that are shared with it.
    pub fn shared_scanners(&self) -> PathBuf {
        self.root.join("run/oplati/shared")
    }

    pub fn journal(&self) -> PathBuf {
        self.settings().join("journal.sqlite3")
    }

    /// What devices have counted.
    pub fn counters(&self) -> PathBuf {
        self.settings().join("devices.json")
    }

    /// Which shifts the daily check has reconciled, and which of them differ.
    pub fn reconciliations(&self) -> PathBuf {
        self.settings().join("reconciliations.json")
    }

    /// The log that the till program writes too.
    pub fn log(&self) -> PathBuf {
        self.root.join("linuxcash/logs/current/terminal.log")
    }

    /// The API's socket, if oplati.conf names no other.
    pub fn socket(&self) -> PathBuf {
        self.root.join("run/oplati/till.sock")
    }

    /// The API's bearer token, if oplati.conf names no other.
    pub fn till_token(&self) -> PathBuf {
        self.root.join("run/oplati/till.token")
    }

    /// Every file that the daemon itself makes, replaces or reads at a fixed place, with those that lie beside it.
    pub(super) fn own_files(&self) -> Vec<PathBuf> {
        let (token, journal) = (self.token(), self.journal());
        let beside = |ending: &str| {
            let mut name = journal.file_name().unwrap_or_default().to_owned();
            name.push(ending);
            journal.with_file_name(name)
        };
        let mut files: Vec<PathBuf> = ["", "-wal", "-shm", "-journal", ".lock", ".reserve"]
            .map(beside)
            .into();
        for state in [self.counters(), self.reconciliations()] {
            files.extend([state.with_extension("json.new"), state]);
        }
        files.extend([token.with_extension("conf.new"), token]);
        files.extend([self.config(), self.report_template(), self.log()]);
        files
    }

    /// A path that a person wrote: as it stands, a relative one from the root.
    pub fn written(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}
