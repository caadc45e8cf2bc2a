//! What devices count, beyond a restart, and since when they are as they are.
//!
//! A table of the journal was thought of: it would be durable at once. But a counter must never stand in the
//! way of a payment, neither by a lock nor by a full disk, and nothing is lost if it is wrong by
//! the last seconds before a power cut. So it is a small file of its own beside the journal,
//! replaced whole a few seconds after a change and at the end. A damaged one is set aside, and
//! counting begins anew.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::state_file::{self, Durable};
use crate::config::Config;
use crate::model::device::Device;
use crate::model::operation::rfc3339_ms;

/// The setting that takes whatever is found.
const AUTO: &str = "Auto";

/// What is kept of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    /// As oplati.conf names it: what counts for `scanner1` does not count for another scanner that gets
    /// this name later.
    setting: String,
    counters: BTreeMap<String, u64>,
    last_error: Option<String>,
    last_error_at: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    devices: BTreeMap<String, Tally>,
}

/// A device as it was looked at last.
#[derive(Debug)]
struct Seen {
    state: String,
    since: Timestamp,
    last_error: Option<String>,
    last_error_at: Option<String>,
    /// Its counters of this start when the state began.
    at_since: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct Inner {
    /// From before this start.
    before: BTreeMap<String, Tally>,
    seen: BTreeMap<String, Seen>,
    /// As the file has it.
    saved: BTreeMap<String, Tally>,
}

/// Counters of all devices.
#[derive(Debug, Default)]
pub(super) struct DeviceCounters {
    path: PathBuf,
    settings: BTreeMap<String, String>,
    inner: Mutex<Inner>,
    /// Whether the file could not be written, which is logged once; held while it is.
    fails: Mutex<bool>,
}

impl DeviceCounters {
    /// Goes on from where the last process stopped, as far as the devices are the same.
    pub(super) fn open(path: PathBuf, settings: BTreeMap<String, String>) -> DeviceCounters {
        let kept: Kept = state_file::read(&path, "The devices' counters");
        let mut saved = kept.devices;
        saved.retain(|name, tally| setting(&settings, name) == Some(tally.setting.as_str()));
        let inner = Inner {
            before: saved.clone(),
            seen: BTreeMap::new(),
            saved,
        };
        DeviceCounters {
            path,
            settings,
            inner: Mutex::new(inner),
            fails: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was counted before this start, and since when the device is so.
    pub(super) fn complete(&self, devices: &mut [Device], now: Timestamp) {
        let mut inner = self.lock();
        for device in devices {
            let Inner { before, seen, .. } = &mut *inner;
            let seen = seen.entry(device.name.clone()).or_insert_with(|| Seen {
                state: device.state.clone(),
                since: now,
                last_error: None,
                last_error_at: None,
                at_since: BTreeMap::new(),
            });
            if seen.state != device.state {
                seen.state.clone_from(&device.state);
                seen.since = now;
                seen.at_since.clone_from(&device.counters);
            }
            let since = |(name, count): (&String, &u64)| {
                let then = seen.at_since.get(name).copied().unwrap_or_default();
                (name.clone(), count.saturating_sub(then))
            };
            device.recent = device.counters.iter().map(since).collect();
            if device.last_error.is_some() && seen.last_error != device.last_error {
                seen.last_error.clone_from(&device.last_error);
                seen.last_error_at = Some(rfc3339_ms::text(now));
            }
            device.since = Some(rfc3339_ms::text(seen.since));
            device.last_error_at.clone_from(&seen.last_error_at);
            let Some(before) = before.get(&device.name) else {
                continue;
            };
            for (name, count) in &mut device.counters {
                let earlier = before.counters.get(name).copied().unwrap_or_default();
                *count = count.saturating_add(earlier);
            }
            if device.last_error.is_none() {
                device.last_error.clone_from(&before.last_error);
                device.last_error_at.clone_from(&before.last_error_at);
            }
        }
    }

    fn setting(&self, name: &str) -> Option<&str> {
        setting(&self.settings, name)
    }

    /// What the file should hold; `devices` are complete. Of one that is not among them, as when its part has
    /// stopped already, it keeps what it has.
    fn present(&self, devices: &[Device]) -> BTreeMap<String, Tally> {
        let now = devices.iter().filter_map(|device| {
            let tally = Tally {
                setting: self.setting(&device.name)?.to_owned(),
                counters: device.counters.clone(),
                last_error: device.last_error.clone(),
                last_error_at: device.last_error_at.clone(),
            };
            Some((device.name.clone(), tally))
        });
        let mut present = self.lock().saved.clone();
        present.extend(now);
        present
    }

    /// Whether something has changed since the file was written. Does not touch the disk.
    pub(super) fn is_behind(&self, devices: &[Device]) -> bool {
        let present = self.present(devices);
        self.lock().saved != present
    }

    /// Writes what has changed, if anything has. One at a time, each with what `look` finds then: nothing
    /// older replaces what is newer.
    pub(super) fn save(&self, look: impl FnOnce() -> Vec<Device>) {
        let mut fails = self.fails.lock().unwrap_or_else(PoisonError::into_inner);
        let present = self.present(&look());
        if self.lock().saved == present {
            return;
        }
        let kept = Kept { devices: present };
        // It is not waited for until it is on the disk: see above.
        let written = state_file::replace(&self.path, &kept, Durable::Eventually);
        let failed_before = std::mem::replace(&mut *fails, written.is_err());
        match written {
            Ok(()) => self.lock().saved = kept.devices,
            Err(error) if !failed_before => {
                tracing::warn!(%error, path = %self.path.display(), "The devices' counters are not saved");
            }
            Err(_) => {}
        }
    }
}

/// Each device's name with what oplati.conf has of it.
pub(super) fn settings(config: &Config) -> BTreeMap<String, String> {
    let scanners = config.scanner.devices.iter().enumerate();
    let scanners =
        scanners.map(|(index, device)| (format!("scanner{}", index + 1), format!("{device:?}")));
    let displays = config.display.devices.iter().enumerate();
    let displays =
        displays.map(|(index, device)| (format!("display{}", index + 1), format!("{device:?}")));
    scanners.chain(displays).collect()
}

/// `auto` makes scanners of its own, whose names no setting has.
fn setting<'a>(settings: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    let named = settings.get(name);
    let own = || settings.values().find(|setting| *setting == AUTO);
    named.or_else(own).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn device(scans: u64, state: &str, last_error: Option<&str>) -> Device {
        Device {
            name: "scanner1".into(),
            kind: "scanner".into(),
            state: state.into(),
            since: None,
            profile: None,
            identity: None,
            firmware: None,
            node: None,
            shows: None,
            last_error: last_error.map(str::to_owned),
            last_error_at: None,
            counters: BTreeMap::from([("scans".into(), scans)]),
            recent: BTreeMap::new(),
            test: None,
        }
    }

    fn counters(path: &Path, setting: &str) -> DeviceCounters {
        let settings = BTreeMap::from([("scanner1".into(), setting.into())]);
        DeviceCounters::open(path.to_owned(), settings)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn counters_go_on_after_a_restart_for_the_same_device_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("devices.json");
        let first = counters(&path, "a");
        let mut devices = [device(7, "connected", Some("cut off"))];
        first.complete(&mut devices, at(100));
        first.save(|| devices.to_vec());
        let second = counters(&path, "a");
        let mut devices = [device(2, "connected", None)];
        second.complete(&mut devices, at(200));
        assert_eq!(devices[0].counters["scans"], 9);
        assert_eq!(devices[0].last_error.as_deref(), Some("cut off"));
        assert_eq!(
            devices[0].last_error_at.as_deref(),
            Some("1970-01-01T00:01:40.000Z")
        );
        second.save(|| devices.to_vec());
        second.save(Vec::new);
        let third = counters(&path, "a");
        let mut devices = [device(0, "connected", None)];
        third.complete(&mut devices, at(250));
        assert_eq!(
            devices[0].counters["scans"], 9,
            "a stopped part loses nothing"
        );
        let other = counters(&path, "b");
        let mut devices = [device(1, "connected", None)];
        other.complete(&mut devices, at(300));
        assert_eq!(devices[0].counters["scans"], 1);
        assert!(devices[0].last_error.is_none());
    }

    #[test]
    fn the_time_of_a_state_is_that_of_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let counters = counters(&folder.path().join("devices.json"), "a");
        for (state, now, since) in [
            ("connected", 10, "00:00:10"),
            ("connected", 20, "00:00:10"),
            ("missing", 30, "00:00:30"),
            ("missing", 31, "00:00:30"),
        ] {
            let mut devices = [device(0, state, None)];
            counters.complete(&mut devices, at(now));
            let shown = devices[0].since.clone().unwrap();
            assert!(shown.contains(since), "{shown}");
        }
    }

    #[test]
    fn what_was_counted_before_the_device_came_back_is_not_recent() {
        let folder = tempfile::tempdir().unwrap();
        let counters = counters(&folder.path().join("devices.json"), "a");
        for (state, scans, recent) in [
            ("connected", 3, 3),
            ("missing", 3, 0),
            ("connected", 4, 0),
            ("connected", 6, 2),
        ] {
            let mut devices = [device(scans, state, None)];
            counters.complete(&mut devices, at(10));
            assert_eq!(devices[0].recent["scans"], recent, "{state} {scans}");
            assert_eq!(devices[0].counters["scans"], scans);
        }
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_counting_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("devices.json");
        for damaged in ["", "{", "[1]", "\u{0}"] {
            fs::write(&path, damaged).unwrap();
            let begun = counters(&path, "a");
            assert!(begun.lock().before.is_empty());
            let aside = folder.path().join("devices.json.damaged");
            assert_eq!(fs::read_to_string(aside).unwrap(), damaged);
        }
    }
}
