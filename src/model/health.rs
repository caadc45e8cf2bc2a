//! How the daemon is: `GET /v1/health`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::device::DeviceHealth;

/// `GET /v1/health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    /// Whether sales work.
    pub status: HealthStatus,
    /// What a person should know, Russian, the gravest first; an addition to the contract.
    pub reasons: Vec<String>,
    /// What each of `reasons` is about, in the same order, for programs; more codes may come; an addition to the contract.
    pub reason_codes: Vec<ReasonCode>,
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

/// One of `reasons`, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// For programs.
    pub code: ReasonCode,
    /// For people, Russian.
    pub text: String,
}

impl Reason {
    /// A reason in these words.
    #[must_use]
    pub fn new(code: ReasonCode, text: impl Into<String>) -> Reason {
        Reason {
            code,
            text: text.into(),
        }
    }
}

/// What a reason is about. The words for it may change, the code does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The journal cannot be opened, or lies aside, damaged.
    JournalClosed,
    /// The journal's disk does not answer.
    JournalStalled,
    /// The journal's disk is full.
    JournalFull,
    /// The journal's disk is out of order, or read-only.
    JournalDisk,
    /// The journal's files may not be written.
    JournalRights,
    /// Another program holds the journal.
    JournalLocked,
    /// Something else lies in the place of the journal's reserve.
    JournalReserve,
    /// The journal was removed or replaced.
    JournalGone,
    /// The journal is damaged.
    JournalDamaged,
    /// The journal cannot be written for another reason.
    JournalFailed,
    /// The payment service has asked to wait.
    ServiceBusy,
    /// The payment service answers, but not as it should.
    ServiceProtocol,
    /// There is no connection to the payment service.
    ServiceUnreachable,
    /// `regNum` is not set.
    NotConfigured,
    /// The till's clock is behind the journal's last entry.
    ClockBehind,
    /// The till's clock differs from the payment service's.
    ClockWrong,
    /// An operation that is not over was begun with another `url` or `regNum`.
    OtherAccount,
    /// Reversals wait in the queue.
    ReversalsQueued,
    /// Reversals wait for a person's decision.
    ReversalsSetAside,
    /// Operations were carried out otherwise than was reported to the till.
    OperationsToReview,
    /// The payment service has long given no answer whether operations were carried out.
    OperationsOverdue,
    /// oplati.conf, or a file that it names, cannot be used in part.
    Configuration,
    /// The payment service does not know the token.
    TokenNeeded,
    /// The payment service has issued the token already.
    TokenExists,
    /// The token cannot be kept.
    TokenNoPlace,
    /// token.conf is damaged.
    TokenDamaged,
    /// Shifts differ from the payment service's.
    ShiftsDiffer,
    /// A shift is overdue for reconciliation.
    ShiftOverdue,
    /// terminal.log cannot be written.
    LogFailed,
    /// A device does not work.
    Device,
    /// Codes on a display are too small, or were not proven to be readable.
    DisplayUnreadable,
    /// No display shows the code that a buyer needs.
    CodeHidden,
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
