//! A device as people see it: its state, its counters, its newest test.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::model::check::Check;

/// One device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeviceHealth {
    /// `scanner1`, `display1`, in the order of oplati.conf.
    pub name: String,
    /// `connected`, `missing`, `busy`, `no_permission`, `wrong_mode`, `failed`, `none`; of the buyer's window also
    /// `covered` (another window stays above it) and `dark` (screen saver or power saving stays on).
    pub state: String,
    /// A display: the scene that stands on it.
    pub shows: Option<String>,
}

/// One device in full, `GET /v1/devices`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// `scanner1`, `display1`, in the order of oplati.conf.
    pub name: String,
    /// `scanner` or `display`.
    pub kind: String,
    /// As in health.
    pub state: String,
    /// The device's profile id, if one applies.
    pub profile: Option<String>,
    /// What the device says of itself since it was opened: maker, product, serial number, release.
    pub identity: Option<String>,
    /// Its answer to a firmware query, where its profile has one.
    pub firmware: Option<String>,
    /// Path of the node, as configured.
    pub node: Option<String>,
    /// A display: the scene that stands on it.
    pub shows: Option<String>,
    /// RFC 3339: since when its state is so.
    pub since: Option<String>,
    /// The last thing that went wrong, English, also before the daemon's start.
    pub last_error: Option<String>,
    /// RFC 3339: when that was met.
    pub last_error_at: Option<String>,
    /// Named counts, also of the time before the daemon's start.
    pub counters: std::collections::BTreeMap<String, u64>,
    /// The same counts of the time since `since` alone: what was mended counts no more.
    pub recent: std::collections::BTreeMap<String, u64>,
    /// The newest test since the start; null before the first.
    #[serde(deserialize_with = "without_test")]
    pub test: Option<DeviceTest>,
}

/// A test with a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InteractiveTest {
    /// Where a scanner's codes are shown; the first that can, if none is named.
    pub display: Option<String>,
    /// Readings in a row, 1 to 50.
    pub scans: usize,
}

/// How a test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestState {
    /// Under way.
    Running,
    /// Over.
    Done,
}

/// The newest test of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeviceTest {
    /// How it is.
    pub state: TestState,
    /// With a person.
    pub interactive: bool,
    /// Steps done.
    pub step: usize,
    /// Of so many.
    pub of: usize,
    /// One line for the technician, Russian.
    pub says: String,
    /// The same line in English.
    pub says_english: String,
    /// What was found: `id`, `group`, `subject`, `result`, `title`, `detail`, `remedy`; texts are Russian, `english` holds the three in English.
    #[schema(value_type = Vec<Object>)]
    pub checks: Vec<Check>,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339; null while it runs.
    pub finished_at: Option<String>,
}

/// Who reads a device back wants to know how it is; its test comes with an answer of its own.
fn without_test<'de, D: Deserializer<'de>>(test: D) -> Result<Option<DeviceTest>, D::Error> {
    IgnoredAny::deserialize(test).map(|IgnoredAny| None)
}
