//! What the journal returns to readers.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::operation::{Operation, QueueItem, State};
use crate::model::problem::Problem;

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

/// What the journal returns to readers.
pub trait Archive: Send + Sync {
    /// One operation.
    fn operation(&self, id: &str) -> Result<Option<Operation>, Problem>;

    /// What happened to an operation, oldest first, the newest thousand; `None` for an unknown one.
    fn steps(&self, id: &str) -> Result<Option<Vec<OperationStep>>, Problem>;

    /// Newest first, at most `limit`.
    ///
    /// # Errors
    /// [`Problem`] `storage` when the journal cannot be read, `not_found` for an unknown `before`.
    fn operations(&self, query: &OperationsQuery) -> Result<Vec<Operation>, Problem>;

    /// Oldest first.
    fn queue(&self) -> Result<Vec<QueueItem>, Problem>;
}
