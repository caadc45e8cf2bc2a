//! What is known to be impossible when the till asks: RFC 9457 problems.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::texts::{cashier, original};

/// Fixed codes of problems; each has one status and one title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 400, or 422 where the content is understood but not allowed.
    Invalid,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 409: another buyer, or a target that is not final.
    Busy,
    /// 409: same id, other content.
    Conflict,
    /// 413.
    TooLarge,
    /// 422: the items do not add up.
    AmountMismatch,
    /// 422.
    MoreThanLeft,
    /// 422.
    AlreadyUndone,
    /// 422.
    ReturnReceiptUnavailable,
    /// 503 with Retry-After.
    TemporarilyUnavailable,
    /// 503.
    NotConfigured,
    /// 507.
    Storage,
}

/// `Retry-After` of 503 `temporarily_unavailable` where the service has named no time.
const RETRY_AFTER_S: u64 = 5;

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// For programs.
    pub code: Code,
    /// The code's fixed English name.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// The line for the cashier, Russian.
    pub detail: String,
    /// One action that helps, Russian.
    pub remedy: String,
    /// Seconds after which another try makes sense, for `Retry-After`.
    #[serde(skip)]
    pub retry_after_s: Option<u64>,
}

impl Code {
    /// A problem of this code with its usual status.
    pub fn problem(self, detail: impl Into<String>, remedy: impl Into<String>) -> Problem {
        let (status, title) = match self {
            Code::Invalid => (400, "Invalid request"),
            Code::Unauthorized => (401, "Unauthorized"),
            Code::Forbidden => (403, "Forbidden"),
            Code::NotFound => (404, "Not found"),
            Code::Busy => (409, "Busy"),
            Code::Conflict => (409, "Conflict"),
            Code::TooLarge => (413, "Too large"),
            Code::AmountMismatch => (422, "Amount mismatch"),
            Code::MoreThanLeft => (422, "More than left"),
            Code::AlreadyUndone => (422, "Already undone"),
            Code::ReturnReceiptUnavailable => (422, "Return receipt unavailable"),
            Code::TemporarilyUnavailable => (503, "Temporarily unavailable"),
            Code::NotConfigured => (503, "Not configured"),
            Code::Storage => (507, "Storage"),
        };
        Problem {
            code: self,
            title,
            status,
            detail: detail.into(),
            remedy: remedy.into(),
            retry_after_s: (self == Code::TemporarilyUnavailable).then_some(RETRY_AFTER_S),
        }
    }
}

impl Problem {
    /// Understood, but not allowed: 422 `invalid`.
    pub fn unprocessable(detail: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem {
            status: 422,
            ..Code::Invalid.problem(detail, remedy)
        }
    }

    /// Nothing is left of a sale or refund; `by` what has undone it, where that is known.
    pub fn already_undone(operation: &str, by: Option<&str>) -> Problem {
        let detail = match by {
            Some(by) => cashier::already_undone_by(by, operation),
            None => cashier::already_undone(operation),
        };
        Code::AlreadyUndone.problem(detail, cashier::CHECK_OPERATIONS_REMEDY)
    }

    /// The journal holds no operation of that id.
    pub fn no_operation() -> Problem {
        Code::NotFound.problem(cashier::NO_OPERATION, cashier::NO_OPERATION_REMEDY)
    }

    /// The connection is down or the queue is not empty.
    pub fn temporarily_unavailable() -> Problem {
        Code::TemporarilyUnavailable.problem(original::UNAVAILABLE, cashier::UNAVAILABLE_REMEDY)
    }

    /// A request for operations that the journal does not answer: what became of a payment, only the merchant's account
    /// shows.
    pub fn journal_unreadable() -> Problem {
        Code::Storage.problem(
            cashier::JOURNAL_UNREADABLE,
            cashier::JOURNAL_UNREADABLE_REMEDY,
        )
    }

    /// The service has answered 429: nothing is sent to it for `wait`.
    pub fn service_asks_to_wait(wait: Duration) -> Problem {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Problem {
            retry_after_s: Some(seconds),
            ..Code::TemporarilyUnavailable.problem(
                original::UNAVAILABLE,
                cashier::unavailable_seconds_remedy(seconds),
            )
        }
    }
}
