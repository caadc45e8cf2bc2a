//! Time zones, each by its file and not by its name: looking a name up walks all zones that the machine knows, which a
//! start has no time for.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use jiff::tz::{Offset, TimeZone};

use super::lock::lock;

const MINSK: &str = "Europe/Minsk";
/// Where a machine keeps its zones, unless `TZDIR` has it otherwise.
const FOLDERS: [&str; 2] = ["/usr/share/zoneinfo", "/etc/zoneinfo"];
/// Larger than any zone.
const MAX_ZONE_BYTES: u64 = 64 * 1024;
/// So often a zone that was changed under the daemon is noticed.
const ZONE_PERIOD: Duration = Duration::from_secs(300);

/// The zone of the service and its shifts. Belarus keeps UTC+3 the whole year since 2011; where a machine has no time
/// zone data, this holds.
pub fn minsk() -> TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    let of_machine = || zone_of_file(&minsk_file()?);
    let or_fixed = || of_machine().unwrap_or_else(|| TimeZone::fixed(Offset::constant(3)));
    ZONE.get_or_init(or_fixed).clone()
}

/// Whether the machine has time zone data. Without it only shifts are right: other times are shown in UTC.
pub fn has_time_zones() -> bool {
    minsk_file().is_some()
}

/// The till's own zone, for people.
pub fn local_zone() -> TimeZone {
    static LOCAL: Mutex<Option<(Instant, TimeZone)>> = Mutex::new(None);
    let mut known = lock(&LOCAL);
    if let Some((read_at, zone)) = &*known
        && read_at.elapsed() < ZONE_PERIOD
    {
        return zone.clone();
    }
    // A zone that is set for this process alone may be in any of three forms.
    let of_machine = || {
        let is_own = std::env::var_os("TZ").is_some();
        (!is_own).then(|| zone_of_file(Path::new("/etc/localtime")))?
    };
    let zone = of_machine().unwrap_or_else(TimeZone::system);
    *known = Some((Instant::now(), zone.clone()));
    zone
}

fn minsk_file() -> Option<PathBuf> {
    let folders = match std::env::var_os("TZDIR") {
        Some(own) => vec![PathBuf::from(own)],
        None => FOLDERS.map(PathBuf::from).to_vec(),
    };
    let mut files = folders.into_iter().map(|folder| folder.join(MINSK));
    files.find(|file| file.is_file())
}

fn zone_of_file(path: &Path) -> Option<TimeZone> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    // A named pipe would be waited for.
    if !path.is_file() {
        return None;
    }
    let mut data = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(MAX_ZONE_BYTES).read_to_end(&mut data).ok()?;
    TimeZone::tzif(&name, &data).ok()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn belarus_is_three_hours_ahead_with_time_zone_data_and_without() {
        let winter: Timestamp = "2026-01-24T09:00:00Z".parse().unwrap();
        for zone in [minsk(), TimeZone::fixed(Offset::constant(3))] {
            assert_eq!(zone.to_datetime(winter).hour(), 12);
        }
    }

    #[test]
    fn what_is_no_zone_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("zone");
        std::fs::write(&file, "no zone").unwrap();
        assert!(zone_of_file(&file).is_none());
        assert!(zone_of_file(folder.path()).is_none());
    }
}
