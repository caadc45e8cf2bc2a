//! What a caller is told when the journal does not serve it.

use crate::causes::with_causes;
use crate::journal::JournalError;
use crate::problem::{Code, Problem};

pub(super) fn unreadable(error: &JournalError) -> Problem {
    tracing::error!(error = %with_causes(error), "The journal cannot be read");
    Problem::new(
        Code::Storage,
        "Журнал операций не читается",
        "Проверьте диск кассы",
    )
}

/// A creation whose write failed.
pub(super) fn unwritable(error: &JournalError) -> Problem {
    if error.is_full() {
        return no_room();
    }
    Problem::new(
        Code::Storage,
        "Журнал операций не записывается, новые операции невозможны",
        "Проверьте диск кассы и журнал terminal.log",
    )
}

pub(super) fn no_room() -> Problem {
    Problem::new(
        Code::Storage,
        "Журнал операций не записывается, новые операции невозможны",
        "Освободите место на диске кассы",
    )
}
