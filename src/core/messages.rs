//! What the cashier reads: one Russian line for every state, the original module's where it has them.

use crate::core::call::{Failure, PaymentStatus, Received, TokenProblem};
use crate::core::record::StopReason;
use crate::model::operation::{ErrorCode, Kind, Mode, OperationError, Outcome, State};
use crate::texts::{cashier, original};

/// How the library of TLS begins each error about a certificate that it does not take: the line is well then.
const BAD_CERTIFICATE: &str = "invalid peer certificate";

/// The line of an entry that a person closed, saying what has happened.
#[must_use]
pub fn settled(kind: Kind, outcome: Outcome) -> &'static str {
    match (kind, outcome) {
        (Kind::Refund, Outcome::CarriedOut) => cashier::SETTLED_REFUND_MADE,
        (Kind::Refund, Outcome::NotCarriedOut) => cashier::SETTLED_REFUND_NOT_MADE,
        (Kind::CancelRefund, Outcome::CarriedOut) => cashier::SETTLED_CANCEL_REFUND_MADE,
        (Kind::CancelRefund, Outcome::NotCarriedOut) => cashier::SETTLED_CANCEL_REFUND_NOT_MADE,
        (Kind::Sale | Kind::Cancel | Kind::Annul | Kind::Card, Outcome::CarriedOut) => {
            cashier::SETTLED_CANCEL_MADE
        }
        (Kind::Sale | Kind::Cancel | Kind::Annul | Kind::Card, Outcome::NotCarriedOut) => {
            cashier::SETTLED_CANCEL_NOT_MADE
        }
    }
}

/// The line for a state of an operation with a buyer.
#[must_use]
pub fn of_buyer(kind: Kind, state: State, mode: Mode) -> &'static str {
    match (kind, state) {
        (Kind::Card, State::AwaitingBuyer) if mode == Mode::DynamicQr => cashier::CARD_QR,
        (Kind::Card, State::Done) => cashier::CARD_DONE,
        (Kind::Card, State::Expired) => cashier::CARD_EXPIRED,
        (Kind::Card, State::Cancelled) => cashier::CARD_CANCELLED,
        (Kind::Card, State::Failed) => cashier::CARD_FAILED,
        _ => of_state(state, mode),
    }
}

/// The line for a state of a refund or a cancellation.
#[must_use]
pub fn of_entry(kind: Kind, state: State) -> &'static str {
    let in_doubt = state == State::InDoubt;
    match (kind, state.is_final()) {
        (Kind::Refund, _) if in_doubt => original::NO_CONNECTION,
        (Kind::Refund, _) if state == State::Done => cashier::REFUND_DONE,
        (Kind::Refund, true) => cashier::REFUND_FAILED,
        (Kind::Refund, false) => cashier::REFUND_RUNNING,
        (Kind::CancelRefund, _) if state == State::Done => cashier::CANCEL_REFUND_DONE,
        (Kind::CancelRefund, false) => cashier::CANCEL_REFUND_RUNNING,
        (Kind::Annul, _) if state == State::Done => cashier::ANNUL_DONE,
        (Kind::Annul, false) => cashier::ANNUL_RUNNING,
        (Kind::Sale | Kind::Cancel | Kind::Card, _) if state == State::Done => cashier::CANCEL_DONE,
        (Kind::Sale | Kind::Cancel | Kind::Card, false) => cashier::CANCEL_RUNNING,
        (Kind::Sale | Kind::Cancel | Kind::Card | Kind::CancelRefund | Kind::Annul, true) => {
            cashier::CANCEL_FAILED
        }
    }
}

/// A refund that the service ended without moving money.
#[must_use]
pub fn refund_denied(status: PaymentStatus, detail: &str) -> OperationError {
    let message = match status {
        PaymentStatus::NotEnough => cashier::REFUND_NOT_ENOUGH,
        PaymentStatus::Decline
        | PaymentStatus::Timeout
        | PaymentStatus::TechnicalCancelling
        | PaymentStatus::InProgress
        | PaymentStatus::Ok
        | PaymentStatus::Unknown(_) => cashier::REFUND_DENIED,
    };
    OperationError {
        code: ErrorCode::ServiceRejected,
        message: message.to_owned(),
        detail: support_text(detail),
        remedy: cashier::REFUND_DENIED_REMEDY.to_owned(),
    }
}

/// A refund that never left.
#[must_use]
pub fn refund_not_sent(detail: &str) -> OperationError {
    let error = no_connection(detail);
    let remedy = if error.remedy == cashier::BAD_CERTIFICATE_REMEDY {
        error.remedy
    } else {
        cashier::REFUND_NOT_SENT_REMEDY.to_owned()
    };
    OperationError { remedy, ..error }
}

/// A refund that left and was not found. It may come to light yet, and holds its part of the sale for an hour.
#[must_use]
pub fn refund_absent() -> OperationError {
    OperationError {
        remedy: cashier::REFUND_ABSENT_REMEDY.to_owned(),
        ..no_connection("the refund was conclusively absent")
    }
}

/// A refund whose answer is lost.
#[must_use]
pub fn refund_in_doubt(detail: &str) -> OperationError {
    OperationError {
        code: ErrorCode::NoConnection,
        message: original::NO_CONNECTION.to_owned(),
        detail: support_text(detail),
        remedy: cashier::REFUND_IN_DOUBT_REMEDY.to_owned(),
    }
}

/// A refund that was not sent, since its sale's money has gone back otherwise.
#[must_use]
pub fn nothing_left_to_refund(sale: &str) -> OperationError {
    OperationError {
        code: ErrorCode::Invalid,
        message: cashier::REFUND_NEEDLESS.to_owned(),
        detail: format!("an earlier reversal of {sale} was found carried out"),
        remedy: cashier::CHECK_OPERATIONS_REMEDY.to_owned(),
    }
}

/// A reversal that waits for a person; `message` is the operation's own.
#[must_use]
pub fn set_aside(message: &str, detail: &str) -> OperationError {
    let remedy = if message == cashier::SECOND_PAYMENT {
        cashier::SECOND_PAYMENT_REMEDY
    } else {
        cashier::SET_ASIDE_REMEDY
    };
    OperationError {
        code: ErrorCode::ServiceRejected,
        message: message.to_owned(),
        detail: support_text(detail),
        remedy: remedy.to_owned(),
    }
}

/// The line for a state that speaks for itself.
#[must_use]
pub fn of_state(state: State, mode: Mode) -> &'static str {
    match state {
        State::New | State::InProgress => cashier::ASKING_SERVICE,
        State::AwaitingScan => cashier::AWAITING_SCAN,
        State::AwaitingBuyer => match mode {
            Mode::DynamicQr => original::SCAN_QR,
            Mode::StaticQr | Mode::ConsumerQr => cashier::AWAITING_CODE,
        },
        State::AwaitingConfirmation => cashier::AWAITING_CONFIRMATION,
        State::InDoubt => cashier::IN_DOUBT,
        State::Queued => original::CANCEL_QUEUED,
        State::Done => cashier::DONE,
        State::Declined => cashier::DECLINED,
        State::NotEnoughMoney => cashier::NOT_ENOUGH_MONEY,
        State::Expired => cashier::EXPIRED,
        State::Cancelled => cashier::CANCELLED,
        State::Failed => cashier::FAILED,
    }
}

/// The final state that an ending leads to.
#[must_use]
pub fn ended(ending: StopReason) -> State {
    match ending {
        StopReason::Abort => State::Cancelled,
        StopReason::Expiry => State::Expired,
    }
}

/// No answer: the original module's words.
#[must_use]
pub fn no_connection(detail: &str) -> OperationError {
    OperationError {
        code: ErrorCode::NoConnection,
        message: original::NO_CONNECTION.to_owned(),
        detail: support_text(detail),
        remedy: if detail.contains(BAD_CERTIFICATE) {
            cashier::BAD_CERTIFICATE_REMEDY.to_owned()
        } else {
            cashier::NO_CONNECTION_REMEDY.to_owned()
        },
    }
}

/// What a failed request means to the cashier.
#[must_use]
pub fn of_failure(failure: &Failure) -> OperationError {
    let (code, message, remedy) = match failure {
        Failure::NotSent { detail }
        | Failure::Lost {
            detail,
            received: Received::Nothing | Received::Status,
        } => return no_connection(detail),
        // Its line is well.
        Failure::TooManyRequests { .. } => (
            ErrorCode::NoConnection,
            original::NO_CONNECTION,
            cashier::TOO_MANY_REQUESTS_REMEDY,
        ),
        Failure::SessionOver { .. } => (
            ErrorCode::ServiceRejected,
            cashier::SESSION_OVER,
            cashier::SESSION_OVER_REMEDY,
        ),
        Failure::Lost {
            received: Received::Malformed,
            ..
        } => (
            ErrorCode::ServiceProtocol,
            cashier::WRONG_ANSWER,
            cashier::WRONG_ANSWER_REMEDY,
        ),
        Failure::Refused { message, .. } => (
            ErrorCode::ServiceRejected,
            message.as_deref().unwrap_or(cashier::REFUSED),
            cashier::REFUSED_REMEDY,
        ),
        Failure::Token { problem, detail } => of_token_problem(*problem, detail),
    };
    OperationError {
        code,
        message: message.to_owned(),
        detail: support_text(failure.detail()),
        remedy: remedy.to_owned(),
    }
}

fn of_token_problem(
    problem: TokenProblem,
    detail: &str,
) -> (ErrorCode, &'static str, &'static str) {
    match problem {
        TokenProblem::Exists => (
            ErrorCode::TokenExists,
            original::TOKEN_EXISTS,
            cashier::TOKEN_EXISTS_REMEDY,
        ),
        // A 401 or 403 alone does not show that the token was reset, and a token that is deleted for nothing is issued
        // no second time.
        TokenProblem::Needed => (
            ErrorCode::TokenNeeded,
            original::TOKEN_NEEDED,
            if detail.contains(original::TOKEN_NEEDED) {
                cashier::TOKEN_NEEDED_REMEDY
            } else {
                cashier::TOKEN_REFUSED_REMEDY
            },
        ),
        TokenProblem::NoPlace => (
            ErrorCode::TokenNeeded,
            cashier::NO_PLACE_FOR_TOKEN,
            cashier::NO_PLACE_FOR_TOKEN_REMEDY,
        ),
        TokenProblem::Damaged => (
            ErrorCode::TokenNeeded,
            cashier::TOKEN_DAMAGED,
            cashier::TOKEN_DAMAGED_REMEDY,
        ),
    }
}

/// What a report that did not come means to who reconciles: no payment is to be repeated.
#[must_use]
pub fn of_missing_report(failure: &Failure) -> OperationError {
    let error = of_failure(failure);
    let remedy = match failure {
        Failure::NotSent { .. }
        | Failure::Lost {
            received: Received::Nothing,
            ..
        } if error.remedy == cashier::BAD_CERTIFICATE_REMEDY => {
            cashier::BAD_CERTIFICATE_REMEDY.to_owned()
        }
        Failure::NotSent { .. }
        | Failure::Lost {
            received: Received::Nothing,
            ..
        } => cashier::REPORT_NO_CONNECTION_REMEDY.to_owned(),
        // Its line is well.
        Failure::Lost {
            received: Received::Status,
            ..
        } => cashier::REPORT_NOT_READY_REMEDY.to_owned(),
        Failure::TooManyRequests { retry_after, .. } => {
            let when = retry_after
                .map(|wait| cashier::report_too_many_requests_seconds(wait.as_secs().max(1)));
            let when = when.unwrap_or_else(|| cashier::REPORT_TOO_MANY_REQUESTS_MINUTES.to_owned());
            cashier::report_too_many_requests_remedy(when)
        }
        Failure::Lost {
            received: Received::Malformed,
            ..
        } => cashier::REPORT_WRONG_ANSWER_REMEDY.to_owned(),
        Failure::Refused { .. } | Failure::SessionOver { .. } => {
            cashier::REPORT_REFUSED_REMEDY.to_owned()
        }
        Failure::Token { .. } => error.remedy,
    };
    OperationError { remedy, ..error }
}

/// Foreign words made fit for a message: no control characters, at most 300 characters.
#[must_use]
pub fn support_text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_words_are_letter_for_letter() {
        assert_eq!(
            of_state(State::AwaitingBuyer, Mode::DynamicQr),
            "Отсканируйте QR-код для оплаты"
        );
        let lost = Failure::Lost {
            detail: "reset".into(),
            received: Received::Nothing,
        };
        assert_eq!(of_failure(&lost).message, "Ошибка обращения к серверу");
    }

    #[test]
    fn a_certificate_that_is_not_taken_is_no_matter_of_the_internet() {
        let detail = "client error (Connect): invalid peer certificate: Expired".to_owned();
        let error = of_failure(&Failure::NotSent { detail });
        assert_eq!(error.message, original::NO_CONNECTION);
        assert!(error.remedy.contains("дату и время"), "{}", error.remedy);
        let detail = "client error (Connect): network is unreachable".to_owned();
        let error = of_failure(&Failure::NotSent { detail });
        assert!(error.remedy.contains("интернет"), "{}", error.remedy);
    }

    #[test]
    fn a_report_that_did_not_come_advises_to_repeat_no_payment() {
        let detail = || "x".to_owned();
        let lost = |received| Failure::Lost {
            detail: detail(),
            received,
        };
        for failure in [
            Failure::NotSent { detail: detail() },
            Failure::TooManyRequests {
                retry_after: None,
                detail: detail(),
            },
            Failure::Refused {
                message: None,
                detail: detail(),
            },
            lost(Received::Nothing),
            lost(Received::Status),
            lost(Received::Malformed),
        ] {
            let remedy = of_missing_report(&failure).remedy;
            assert!(
                remedy.to_lowercase().contains("повторите сверку") && !remedy.contains("оплату"),
                "{remedy}"
            );
        }
    }

    #[test]
    fn foreign_words_are_bounded_and_have_no_controls() {
        let text = support_text(&format!("a\u{1b}[31m\n{}", "я".repeat(500)));
        assert_eq!(text.chars().count(), 300);
        assert!(text.starts_with("a[31mя"));
    }
}
