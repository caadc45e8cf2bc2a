//! The seam between the API and the daemon: commands to the core's thread, reads from the journal,
//! notices to listeners. The API owns no state of its own.
//!
//! Reads go to the journal and not to the core, so that nothing reaches a till before it is durable,
//! and so that a core that waits for its disk does not stop anybody from looking.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::api::notices::EventLog;
use crate::base::secret::Secret;
use crate::devices::display::DisplayMirror;
use crate::metrics::Metrics;
use crate::model::archive::Archive;
use crate::model::device::{Device, InteractiveTest};
use crate::model::health::Health;
use crate::model::operation::{Operation, OperationRequest, QueueItem, Verdict};
use crate::model::problem::Problem;
use crate::report::Reconciliation;

/// How the core answers one command.
pub type Answer<T> = oneshot::Sender<Result<T, Problem>>;

/// What a till may ask of the core. Each is answered exactly once.
#[derive(Debug)]
pub enum Command {
    /// A `PUT`; `true` = made now, `false` = it stood already.
    Begin {
        /// Checked by the core.
        id: String,
        requested: OperationRequest,
        answer: Answer<(bool, Operation)>,
    },
    /// `POST /v1/operations/{id}/abort`.
    Abort {
        id: String,
        answer: Answer<Operation>,
    },
    /// `POST /v1/scans`; the operation that used the code, if one did.
    Scan {
        /// 1 to 4096 characters, not yet checked.
        text: Secret,
        answer: Answer<Option<String>>,
    },
    /// A report holds what was reported to the till as not carried out: it is asked for once more.
    Recheck {
        /// The entry that concluded so, or the sale that has none.
        id: String,
        /// The number of a further payment under that of the sale.
        second: Option<i64>,
    },
    /// The service has given a valid answer past the core, to a reconciliation.
    ServiceAnswered,
    /// `POST /v1/devices/{name}/test`.
    Test {
        name: String,
        /// With a person; else only what is known.
        interactive: Option<InteractiveTest>,
        answer: Answer<Device>,
    },
    /// `DELETE /v1/devices/{name}/test`.
    StopTest {
        name: String,
        answer: Answer<Device>,
    },
    /// `POST /v1/queue/{id}/retry`.
    Retry {
        id: String,
        answer: Answer<QueueItem>,
    },
    /// `POST /v1/queue/{id}/settle`.
    Settle {
        id: String,
        /// Why, and what has happened.
        verdict: Verdict,
        answer: Answer<QueueItem>,
    },
}

/// What watches the daemon's parts.
pub trait Watch: Send + Sync {
    /// All of it, now.
    fn health(&self) -> Health;
    /// Every configured device.
    fn devices(&self) -> Vec<Device>;
    /// What every call of the core gets now, because the core itself could not answer: it stays with a write to a
    /// journal that is damaged, which nothing but a new start mends.
    fn refusal(&self) -> Option<Problem> {
        None
    }
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
pub struct ApiDeps {
    /// To the core, bounded.
    pub commands: mpsc::Sender<Command>,
    /// Reads of the journal; they block briefly.
    pub archive: Arc<dyn Archive>,
    pub watch: Arc<dyn Watch>,
    /// Compares a shift with the service.
    pub reconciles: Arc<dyn Reconciles>,
    pub notices: Arc<EventLog>,
    /// What the buyer sees.
    pub frame: Arc<DisplayMirror>,
    pub metrics: Arc<Metrics>,
    /// Where terminal.log is.
    pub log: Arc<Path>,
}
