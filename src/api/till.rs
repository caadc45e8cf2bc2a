//! The seam between the API and the daemon: commands to the core's thread, reads from the journal,
//! notices to listeners. The API owns no state of its own.
//!
//! Reads go to the journal and not to the core, so that nothing reaches a till before it is durable,
//! and so that a core that waits for its disk does not stop anybody from looking.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;

use crate::api::notices::Notices;
use crate::base::secret::Secret;
use crate::display::LiveFrame;
use crate::metrics::Metrics;
use crate::model::operation::{Operation, QueueItem, State, Verdict, Wish};
use crate::model::problem::Problem;
use crate::report::Reconciliation;
use crate::selftest::Check;

/// How the core answers one command.
pub type Answer<T> = oneshot::Sender<Result<T, Problem>>;

/// What a till may ask of the core. Each is answered exactly once.
#[derive(Debug)]
pub enum Command {
    /// A `PUT`; `true` = made now, `false` = it stood already.
    Begin {
        /// Checked by the core.
        id: String,
        /// As parsed.
        wish: Wish,
        /// To the till.
        answer: Answer<(bool, Operation)>,
    },
    /// `POST /v1/operations/{id}/abort`.
    Abort {
        /// Which.
        id: String,
        /// To the till.
        answer: Answer<Operation>,
    },
    /// `POST /v1/scans`; the operation that used the code, if one did.
    Scan {
        /// 1 to 4096 characters, not yet checked.
        text: Secret,
        /// To the till.
        answer: Answer<Option<String>>,
    },
    /// A report holds what the till was told as not carried out: it is asked for once more.
    Recheck {
        /// The entry that concluded so, or the sale that has none.
        id: String,
    },
    /// `POST /v1/devices/{name}/test`.
    Test {
        /// Which device.
        name: String,
        /// With a person; else only what is known.
        interactive: Option<InteractiveTest>,
        /// To the till.
        answer: Answer<Device>,
    },
    /// `DELETE /v1/devices/{name}/test`.
    StopTest {
        /// Which device.
        name: String,
        /// To the till.
        answer: Answer<Device>,
    },
    /// `POST /v1/queue/{id}/retry`.
    Retry {
        /// Which.
        id: String,
        /// To the till.
        answer: Answer<QueueItem>,
    },
    /// `POST /v1/queue/{id}/settle`.
    Settle {
        /// Which.
        id: String,
        /// Why, and what has happened.
        verdict: Verdict,
        /// To the till.
        answer: Answer<QueueItem>,
    },
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

/// Which operations a page holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationsQuery {
    /// Only of this shift.
    pub shift: Option<String>,
    /// Only in this state.
    pub state: Option<State>,
    /// 1 to 500.
    pub limit: u32,
    /// Only older than this operation.
    pub before: Option<String>,
}

/// One step of an operation, as it was journalled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OperationStep {
    /// RFC 3339.
    pub at: String,
    /// The operation's state from then on.
    pub state: String,
    /// What happened, English.
    pub what: String,
    /// Milliseconds since the step before; 0 for the first.
    pub ms: u64,
}

/// What the journal tells readers.
pub trait Archive: Send + Sync {
    /// One operation.
    ///
    /// # Errors
    /// [`Problem`] `storage` when the journal cannot be read.
    fn operation(&self, id: &str) -> Result<Option<Operation>, Problem>;

    /// What happened to an operation, oldest first, the newest thousand; `None` for an unknown one.
    ///
    /// # Errors
    /// [`Problem`] `storage` when the journal cannot be read.
    fn steps(&self, id: &str) -> Result<Option<Vec<OperationStep>>, Problem>;

    /// Newest first, at most `limit`.
    ///
    /// # Errors
    /// [`Problem`] `storage` when the journal cannot be read, `not_found` for an unknown `before`.
    fn operations(&self, query: &OperationsQuery) -> Result<Vec<Operation>, Problem>;

    /// Oldest first.
    ///
    /// # Errors
    /// [`Problem`] `storage` when the journal cannot be read.
    fn queue(&self) -> Result<Vec<QueueItem>, Problem>;
}

/// `GET /v1/health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    /// Whether sales work.
    pub status: HealthStatus,
    /// What a person should know, Russian, the gravest first; an addition to the contract.
    pub reasons: Vec<String>,
    /// The payment service.
    pub service: ServiceHealth,
    /// Entries of the queue that block sales.
    pub queue_depth: usize,
    /// Every configured device.
    pub devices: Vec<DeviceHealth>,
    /// The journal.
    pub journal: JournalHealth,
    /// The daily check of `reconcileAt`; an addition to the contract.
    pub reconciliation: ReconciliationHealth,
    /// Of this program.
    pub version: &'static str,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// RFC 3339: when this process started, the same as long as it runs; an addition to the contract.
    pub started_at: String,
}

/// The word for all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// All is well.
    Ok,
    /// Something needs a person but sales work.
    Degraded,
    /// A sale begun now would be refused.
    Blocked,
}

/// The payment service as last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServiceHealth {
    /// Null until the first answer or failure.
    pub reachable: Option<bool>,
    /// RFC 3339: since when it is so.
    pub since: Option<String>,
    /// Milliseconds of the last answer.
    pub latency_ms: Option<u64>,
}

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
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
    pub test: Option<DeviceTest>,
}

/// The journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct JournalHealth {
    /// Whether it can be written.
    pub ok: bool,
    /// How many operations it holds.
    pub operations: u64,
}

/// What the daily check has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReconciliationHealth {
    /// The newest shift, `DDMMYYYY`, up to which all are reconciled or given up after a week; null before the first.
    pub last_shift: Option<String>,
    /// Differences in all of `shifts` together.
    pub differences: u64,
    /// Shifts that differed when they were reconciled last, by whomever; the oldest first, at most 31.
    pub shifts: Vec<ShiftDifferences>,
    /// Why the newest try failed, Russian; null once all that was due is reconciled.
    pub last_error: Option<String>,
}

/// How much a shift differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShiftDifferences {
    /// `DDMMYYYY`.
    pub shift: String,
    /// How many differences, 1 or more.
    pub differences: u64,
}

/// What watches the daemon's parts.
pub trait Watch: Send + Sync {
    /// All of it, now.
    fn health(&self) -> Health;
    /// Every configured device.
    fn devices(&self) -> Vec<Device>;
}

/// Who compares a shift with the service.
pub trait Reconciles: Send + Sync {
    /// One shift; may take a minute or two.
    ///
    /// The problem is `busy` while another runs, `temporarily_unavailable` without the service's
    /// report, `invalid` for a broken template, `storage` when the journal cannot be read.
    fn reconcile(
        &self,
        shift: String,
    ) -> Pin<Box<dyn Future<Output = Result<Reconciliation, Problem>> + Send + '_>>;
}

/// Everything the API reaches.
#[derive(Clone)]
pub struct Till {
    /// To the core, bounded.
    pub commands: mpsc::Sender<Command>,
    /// Reads of the journal; they block briefly.
    pub archive: Arc<dyn Archive>,
    /// Facts about parts.
    pub watch: Arc<dyn Watch>,
    /// Compares a shift with the service.
    pub reconciles: Arc<dyn Reconciles>,
    /// Events for listeners.
    pub notices: Arc<Notices>,
    /// What the buyer sees.
    pub frame: Arc<LiveFrame>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where terminal.log is.
    pub log: Arc<Path>,
}
