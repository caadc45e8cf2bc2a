//! What people are told when the journal does not serve them: callers, and those who look at health.

use crate::base::error_chain::with_causes;
use crate::journal::{JournalError, Trouble};
use crate::model::problem::{Code, Problem};

/// The line for health, with the one action that helps, Russian.
pub fn reason(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Full => "Журнал не записывается: освободите место на диске",
        Trouble::Disk => {
            "Журнал не записывается, диск неисправен или доступен только для чтения: проверьте его (dmesg)"
        }
        Trouble::Rights => "Журнал не записывается: верните службе права на его файлы",
        Trouble::Locked => {
            "Журнал не записывается, его удерживает другая программа: завершите её (fuser -v journal.sqlite3)"
        }
        Trouble::Reserve => {
            "Журнал не записывается, на месте journal.sqlite3.reserve не файл: уберите его"
        }
        Trouble::Gone => "Журнал удалён или заменён во время работы: верните прежний файл на место",
        Trouble::Damaged => {
            "Журнал операций повреждён: перезапустите службу, она отложит его в journal.damaged, и верните исправную копию, либо обратитесь в поддержку"
        }
        Trouble::Other => "Журнал не записывается: проверьте диск кассы и terminal.log",
    }
}

/// What a creation hears.
#[must_use]
pub fn refusal(trouble: Trouble) -> Problem {
    let remedy = match trouble {
        Trouble::Full => "Освободите место на диске кассы",
        Trouble::Disk => "Проверьте диск кассы: dmesg",
        Trouble::Rights => "Верните службе права на файлы журнала",
        Trouble::Locked => {
            "Завершите программу, которая удерживает журнал: fuser -v journal.sqlite3"
        }
        Trouble::Reserve => "Уберите то, что лежит на месте journal.sqlite3.reserve",
        Trouble::Gone => "Верните прежний файл журнала на место",
        Trouble::Damaged => "Перезапустите службу oplati: она отложит журнал в journal.damaged",
        Trouble::Other => "Проверьте диск кассы и журнал terminal.log",
    };
    let detail = match trouble {
        Trouble::Damaged => DAMAGED,
        Trouble::Full
        | Trouble::Disk
        | Trouble::Rights
        | Trouble::Locked
        | Trouble::Reserve
        | Trouble::Gone
        | Trouble::Other => "Журнал операций не записывается, новые операции невозможны",
    };
    Problem::new(Code::Storage, detail, remedy)
}

const DAMAGED: &str = "Журнал операций повреждён, новые операции невозможны";

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
