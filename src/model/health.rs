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
