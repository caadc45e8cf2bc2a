//! What people are told when the journal does not serve them: callers, and those who look at health.

use crate::base::error_chain::with_causes;
use crate::journal::{JournalError, Trouble};
use crate::model::problem::{Code, Problem};
use crate::texts::cashier;

/// The line for health, with the one action that helps, Russian.
pub fn reason(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Full => cashier::JOURNAL_FULL_REASON,
        Trouble::Quota => cashier::JOURNAL_QUOTA_REASON,
        Trouble::Disk => cashier::JOURNAL_DISK_REASON,
        Trouble::Rights => cashier::JOURNAL_RIGHTS_REASON,
        Trouble::Locked => cashier::JOURNAL_LOCKED_REASON,
        Trouble::Reserve => cashier::JOURNAL_RESERVE_REASON,
        Trouble::Gone => cashier::JOURNAL_GONE_REASON,
        Trouble::Damaged => cashier::JOURNAL_DAMAGED_REASON,
        Trouble::Other => cashier::JOURNAL_OTHER_REASON,
    }
}

/// The answer to a creation.
#[must_use]
pub fn refusal(trouble: Trouble) -> Problem {
    let remedy = match trouble {
        Trouble::Full => cashier::JOURNAL_FULL_REMEDY,
        Trouble::Quota => cashier::JOURNAL_QUOTA_REMEDY,
        Trouble::Disk => cashier::JOURNAL_DISK_REMEDY,
        Trouble::Rights => cashier::JOURNAL_RIGHTS_REMEDY,
        Trouble::Locked => cashier::JOURNAL_LOCKED_REMEDY,
        Trouble::Reserve => cashier::JOURNAL_RESERVE_REMEDY,
        Trouble::Gone => cashier::JOURNAL_GONE_REMEDY,
        Trouble::Damaged => cashier::JOURNAL_DAMAGED_REMEDY,
        Trouble::Other => cashier::JOURNAL_OTHER_REMEDY,
    };
    let detail = match trouble {
        Trouble::Damaged => cashier::JOURNAL_DAMAGED,
        Trouble::Full
        | Trouble::Quota
        | Trouble::Disk
        | Trouble::Rights
        | Trouble::Locked
        | Trouble::Reserve
        | Trouble::Gone
        | Trouble::Other => cashier::JOURNAL_NOT_WRITABLE,
    };
    Code::Storage.problem(detail, remedy)
}

/// A reading that failed.
pub(super) fn unreadable(error: &JournalError) -> Problem {
    log_unreadable(error);
    if error.trouble() == Trouble::Damaged {
        return refusal(Trouble::Damaged);
    }
    Problem::journal_unreadable()
}

/// A reading that nobody waits for.
pub(super) fn log_unreadable(error: &JournalError) {
    tracing::error!(error = %with_causes(error), "The journal cannot be read");
}
