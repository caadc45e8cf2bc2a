//! Takes values out of the lines of oplati.conf, and collects everything that is to be reported.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ini::{self, Entry, Oddity, What};
use super::names::{unknown, without_secrets};
use super::values::{self, Allowed};
use super::{BadValue, Config, DisplayDevice, ScannerDevice, SettingLine, Warning, hints};

/// Takes values out of the entries and collects everything that is to be reported.
pub(super) struct Binder<'a> {
    pub(super) path: &'a Path,
    pub(super) entries: Vec<Entry>,
    pub(super) warnings: Vec<Warning>,
    pub(super) bad: Vec<BadValue>,
    pub(super) lines: Vec<SettingLine>,
}

/// One section, whose settings are taken one after the other.
pub(super) struct Section<'a, 'b> {
    binder: &'a mut Binder<'b>,
    name: &'static str,
}

impl Section<'_, '_> {
    /// The value of that key, or the default; an empty value is an unset one.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        default_text: &str,
        default: T,
        read: impl Fn(&str) -> Result<T, Allowed>,
    ) -> T {
        self.binder
            .take(self.name, key, (default_text, default), read)
    }

    /// The value of a key that is usually unset.
    pub(super) fn take_if_set<T: Default>(
        &mut self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, Allowed>,
    ) -> T {
        self.take(key, "", T::default(), read)
    }

    /// A time in whole seconds.
    pub(super) fn seconds(
        &mut self,
        key: &'static str,
        default: u32,
        allowed: RangeInclusive<u32>,
    ) -> Duration {
        let read = |text: &str| values::number(text, &allowed, " (seconds)");
        let seconds = self.take(key, &default.to_string(), default, read);
        Duration::from_secs(seconds.into())
    }
}

impl<'b> Binder<'b> {
    pub(super) fn section(&mut self, name: &'static str) -> Section<'_, 'b> {
        Section { binder: self, name }
    }

    /// The last entry of that name, or the default; an empty value is an unset one.
    fn take<T>(
        &mut self,
        section: &'static str,
        key: &'static str,
        (default_text, default): (&str, T),
        read: impl Fn(&str) -> Result<T, Allowed>,
    ) -> T {
        let entry = self
            .entries
            .iter()
            .rev()
            .find(|entry| entry.section == section && entry.key == key);
        let Some(entry) = entry.filter(|entry| !entry.value.is_empty()) else {
            let (value, origin) = (default_text.to_owned(), "default".to_owned());
            self.lines.push(SettingLine {
                section,
                key,
                value,
                origin,
            });
            return default;
        };
        let shown = ini::cut(&without_secrets(key, &entry.value));
        match read(&entry.value) {
            Ok(value) => {
                let hints = hints::of_taken_value(key, &entry.value).into_iter();
                self.warnings.extend(hints.map(|hint| Warning {
                    path: self.path.to_owned(),
                    line: entry.line,
                    what: format!("[{section}] {key}: {hint}"),
                }));
                let file = self.path.file_name().unwrap_or_default().to_string_lossy();
                let origin = format!("{file}:{}", entry.line);
                self.lines.push(SettingLine {
                    section,
                    key,
                    value: shown,
                    origin,
                });
                value
            }
            Err(allowed) => {
                let (path, line) = (self.path.to_owned(), entry.line);
                let hints = hints::of_value(key, &entry.value);
                let allowed = [vec![allowed], hints].concat().join("; ");
                let key = format!("[{section}] {key}");
                self.bad.push(BadValue {
                    path,
                    line,
                    key,
                    value: shown,
                    allowed,
                });
                default
            }
        }
    }

    /// A line that means nothing is odd; where it hides what others mean, it is an error.
    pub(super) fn note(&mut self, oddity: Oddity) {
        let line = oddity.line;
        let error = |key: &str, value: String, allowed: &str| BadValue {
            path: self.path.to_owned(),
            line,
            key: key.to_owned(),
            value,
            allowed: allowed.to_owned(),
        };
        match oddity.what {
            What::BrokenHead(value) => self.bad.push(error(
                "section",
                value,
                "[Main], [Scanner], [Display], [Till], each alone on its line; a comment stands on a line of its own",
            )),
            What::OneLine => self.bad.push(error(
                "line ends",
                "CR".to_owned(),
                "LF or CRLF; with CR alone the file is one line",
            )),
            What::LinesInComment => {
                let what = "a comment goes on behind a CR: lines end in LF or CRLF";
                self.warnings.push(self.warning(line, what.to_owned()));
            }
            What::NoSetting => {
                let what = "neither [Section] nor key = value";
                self.warnings.push(self.warning(line, what.to_owned()));
            }
        }
    }

    pub(super) fn warn_at(&mut self, section: &str, key: &str, what: &str) {
        let line = self.line_of(section, key);
        self.warnings.push(self.warning(line, what.to_owned()));
    }

    fn warning(&self, line: usize, what: String) -> Warning {
        let path = self.path.to_owned();
        Warning { path, line, what }
    }

    /// Whether the file holds it.
    pub(super) fn is_set(&self, section: &str, key: &str) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.section == section && entry.key == key)
    }

    pub(super) fn line_of(&self, section: &str, key: &str) -> usize {
        let same = |entry: &&Entry| entry.section == section && entry.key == key;
        let entry = self.entries.iter().rev().find(same);
        entry.map_or(1, |entry| entry.line)
    }

    /// A port that a scanner and a display share serves one of them, and whichever it is, the other one's state shows
    /// nothing of the reason. A link to the other's node is the same port.
    pub(super) fn refuse_shared_ports(&mut self, config: &Config) {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let displays = config.display.devices.iter();
        let displays = displays.filter_map(DisplayDevice::serial);
        let displays: Vec<PathBuf> = displays.map(|one| real(&one.line.path)).collect();
        let shared = config
            .scanner
            .devices
            .iter()
            .find_map(|device| match device {
                ScannerDevice::Serial(line) => {
                    displays.contains(&real(&line.path)).then_some(&line.path)
                }
                ScannerDevice::Auto
                | ScannerDevice::Hid { .. }
                | ScannerDevice::Keyboard { .. } => None,
            });
        let Some(port) = shared else {
            return;
        };
        for (section, other) in [("Scanner", "Display"), ("Display", "Scanner")] {
            let allowed = format!(
                "a port of its own: line {} gives this one to the {}",
                self.line_of(other, "device"),
                other.to_lowercase()
            );
            self.bad.push(BadValue {
                path: self.path.to_owned(),
                line: self.line_of(section, "device"),
                key: format!("[{section}] device"),
                value: ini::cut(&port.display().to_string()),
                allowed,
            });
        }
    }

    pub(super) fn warn_unknown(&mut self) {
        for entry in &self.entries {
            if let Some(what) = unknown(&entry.section, &entry.key) {
                self.warnings.push(self.warning(entry.line, what));
            }
        }
    }

    pub(super) fn warn_doubled(&mut self) {
        for (index, entry) in self.entries.iter().enumerate() {
            let same = |other: &&Entry| other.section == entry.section && other.key == entry.key;
            let later = self.entries.iter().skip(index + 1).find(same);
            if let Some(later) = later {
                let what = format!(
                    "{} stands again in line {}, which wins",
                    ini::cut(&entry.key),
                    later.line
                );
                self.warnings.push(self.warning(entry.line, what));
            }
        }
    }
}
