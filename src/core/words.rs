//! What the cashier reads: one Russian line for every state, the seed's words where it has them.

use crate::core::call::{Failure, Heard, PaymentStatus, TokenProblem};
use crate::core::record::StopReason;
use crate::model::operation::{ErrorCode, Kind, Mode, OperationError, Outcome, State};
use crate::model::problem::seed;

/// Said when a code that is no buyer's was read while a sale was armed.
pub const NOT_A_BUYERS_CODE: &str = "Это не код О!плати";
/// While an existing payment is being reversed because the cashier aborted, or time was up.
pub const CANCELLING: &str = "Отмена…";
/// The code was sent, but no answer came: it may be read again.
pub const SCAN_AGAIN: &str = "Нет ответа сервера. Отсканируйте QR-код покупателя ещё раз";
/// The session ended before the buyer was found.
pub const SESSION_OVER: &str = "Время ожидания клиента истекло";
/// The same, and the buyer may show the code once more.
pub const SESSION_OVER_SCAN_AGAIN: &str =
    "Время ожидания клиента истекло. Отсканируйте QR-код покупателя ещё раз";
/// The buyer has no loyalty card in the wallet.
pub const NO_CARD: &str = "Карта не найдена";
/// An abort that came too late.
pub const PAID_FIRST: &str = "Оплата прошла раньше отмены";
/// A cancellation that was told as not made, and was.
pub const CANCELLED_LATE: &str = "Отмена выполнена позже, чем сообщено: деньги возвращены";
/// The same of a refund: what the buyer had been given back went to the shop again.
pub const REFUND_CANCELLED_LATE: &str =
    "Отмена возврата выполнена позже, чем сообщено: деньги у магазина";
/// A refund that was conclusively absent, and was made all the same.
pub const REFUNDED_LATE: &str = "Возврат выполнен позже, чем сообщено: деньги у покупателя";
/// A refund of which the service has carried out more than one copy.
pub const REFUNDED_TWICE: &str =
    "Возврат выполнен больше одного раза: у покупателя больше, чем надо";
/// A second payment that a reconciliation shows under the number of a sale.
pub const SECOND_PAYMENT: &str =
    "По чеку прошла ещё одна оплата. Проверьте её в личном кабинете О!плати и верните";
/// A refund whose fate a person must find out.
pub const REFUND_SET_ASIDE: &str =
    "Результат возврата неизвестен. Проверьте возврат в личном кабинете О!плати";
/// An undoing that found nothing to undo.
pub const NOTHING_TO_UNDO: &str = "Оплата не проводилась, отменять нечего";
/// An undoing that a person must look at.
pub const SET_ASIDE: &str = "Сервер отказал в отмене. Проверьте оплату в личном кабинете О!плати";
/// An undoing whose reversal the service neither carries out nor ends.
pub const NOT_FINISHED: &str =
    "Сервер не завершает отмену. Проверьте оплату в личном кабинете О!плати";
/// An undoing whose place another one has taken.
pub const REPEATED: &str = "Отмена начата заново";
/// token.conf cannot be read or written.
pub const NO_PLACE_FOR_TOKEN: &str =
    "Файл token.conf недоступен: токен не прочитать и не сохранить";
/// token.conf holds no token that can be read.
pub const TOKEN_DAMAGED: &str = "Файл token.conf повреждён: токен в нём не прочитать";
/// What to do about it, without destroying the only token.
const MEND_TOKEN_FILE: &str = "Не удаляйте token.conf: верните его из копии или оставьте в нём одну строку с токеном и повторите операцию";
/// What to do about token.conf where the disk stands in the way.
const FREE_THE_DISK: &str =
    "Освободите место на диске кассы, проверьте права на папку token.conf и повторите операцию";
/// How the library of TLS begins whatever it says of a certificate that it does not take: the line is well then.
const BAD_CERTIFICATE: &str = "invalid peer certificate";
const CHECK_CERTIFICATE: &str =
    "Сертификат сервера не принят: проверьте дату и время кассы, затем oplati selftest";
/// The journal cannot be written: the outcome is unknown to the till.
pub const CHECK_IN_ACCOUNT: &str =
    "Не удалось сохранить результат. Проверьте оплату в личном кабинете О!плати";

/// The line of an entry that a person closed, saying what has happened.
#[must_use]
pub fn settled(kind: Kind, outcome: Outcome) -> &'static str {
    match (kind, outcome) {
        (Kind::Refund, Outcome::CarriedOut) => "Возврат закрыт вручную: деньги у покупателя",
        (Kind::Refund, Outcome::NotCarriedOut) => "Возврат закрыт вручную: деньги не возвращены",
        (Kind::CancelRefund, Outcome::CarriedOut) => {
            "Отмена возврата закрыта вручную: деньги у магазина"
        }
        (Kind::CancelRefund, Outcome::NotCarriedOut) => {
            "Отмена возврата закрыта вручную: деньги остались у покупателя"
        }
        (Kind::Sale | Kind::Cancel | Kind::Annul | Kind::Card, Outcome::CarriedOut) => {
            "Отмена закрыта вручную: деньги у покупателя"
        }
        (Kind::Sale | Kind::Cancel | Kind::Annul | Kind::Card, Outcome::NotCarriedOut) => {
            "Отмена закрыта вручную: деньги не возвращены"
        }
    }
}

/// The line for a state of an operation with a buyer.
#[must_use]
pub fn of_buyer(kind: Kind, state: State, mode: Mode) -> &'static str {
    match (kind, state) {
        (Kind::Card, State::AwaitingBuyer) if mode == Mode::DynamicQr => {
            "Отсканируйте QR-код для получения карты"
        }
        (Kind::Card, State::Done) => "Карта найдена",
        (Kind::Card, State::Expired) => "Время ожидания покупателя истекло",
        (Kind::Card, State::Cancelled) => "Получение карты отменено",
        (Kind::Card, State::Failed) => "Карта не получена",
        _ => of_state(state, mode),
    }
}

/// The line for a state of a refund or a cancellation.
#[must_use]
pub fn of_entry(kind: Kind, state: State) -> &'static str {
    let in_doubt = state == State::InDoubt;
    match (kind, state.is_final()) {
        (Kind::Refund, _) if in_doubt => seed::NO_CONNECTION,
        (Kind::Refund, _) if state == State::Done => "Возврат выполнен",
        (Kind::Refund, true) => "Возврат не выполнен",
        (Kind::Refund, false) => "Выполняется возврат",
        (Kind::CancelRefund, _) if state == State::Done => "Возврат отменён",
        (Kind::CancelRefund, false) => "Выполняется отмена возврата",
        (Kind::Annul, _) if state == State::Done => "Чек аннулирован",
        (Kind::Annul, false) => "Выполняется аннулирование чека",
        (Kind::Sale | Kind::Cancel | Kind::Card, _) if state == State::Done => "Оплата отменена",
        (Kind::Sale | Kind::Cancel | Kind::Card, false) => "Выполняется отмена оплаты",
        (Kind::Sale | Kind::Cancel | Kind::Card | Kind::CancelRefund | Kind::Annul, true) => {
            "Отмена не выполнена"
        }
    }
}

/// A refund that the service ended without moving money.
#[must_use]
pub fn refund_denied(status: PaymentStatus, detail: &str) -> OperationError {
    let message = match status {
        PaymentStatus::NotEnough => "Возврат не выполнен: недостаточно средств у магазина",
        PaymentStatus::Decline
        | PaymentStatus::Timeout
        | PaymentStatus::TechnicalCancelling
        | PaymentStatus::InProgress
        | PaymentStatus::Ok
        | PaymentStatus::Unknown(_) => "Возврат не выполнен: сервер О!плати отказал",
    };
    OperationError {
        code: ErrorCode::ServiceRejected,
        message: message.to_owned(),
        detail: support_text(detail),
        remedy: "Повторите возврат; если повторится, верните деньги другим способом".to_owned(),
    }
}

/// A refund that never left.
#[must_use]
pub fn refund_not_sent(detail: &str) -> OperationError {
    let error = no_connection(detail);
    let remedy = if error.remedy == CHECK_CERTIFICATE {
        error.remedy
    } else {
        "Проверьте связь с интернетом и повторите возврат".to_owned()
    };
    OperationError { remedy, ..error }
}

/// A refund that left and was not found. It may come to light yet, and holds its part of the sale for an hour.
#[must_use]
pub fn refund_absent() -> OperationError {
    OperationError {
        remedy:
            "Проверьте возврат в личном кабинете О!плати; если его там нет, повторите его через час"
                .to_owned(),
        ..no_connection("the refund was conclusively absent")
    }
}

/// A refund whose answer is lost.
#[must_use]
pub fn refund_in_doubt(detail: &str) -> OperationError {
    OperationError {
        code: ErrorCode::NoConnection,
        message: seed::NO_CONNECTION.to_owned(),
        detail: support_text(detail),
        remedy:
            "Не повторяйте возврат: программа сама узнаёт результат. Посмотреть: oplati operations"
                .to_owned(),
    }
}

/// A refund that was not sent, since its sale's money has gone back otherwise.
#[must_use]
pub fn nothing_left_to_refund(sale: &str) -> OperationError {
    OperationError {
        code: ErrorCode::Invalid,
        message: "Возврат не выполнен: деньги уже возвращены покупателю".to_owned(),
        detail: format!("an earlier reversal of {sale} was found carried out"),
        remedy: "Проверьте список операций".to_owned(),
    }
}

/// A reversal that waits for a person; `message` is the operation's own.
#[must_use]
pub fn set_aside(message: &str, detail: &str) -> OperationError {
    let remedy = if message == SECOND_PAYMENT {
        "Если прошли обе оплаты, верните лишнюю: oplati queue retry. Если нет, закройте запись: oplati queue settle"
    } else {
        "Проверьте оплату в личном кабинете О!плати, затем: oplati queue settle"
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
        State::New | State::InProgress => "Обращение к серверу О!плати",
        State::AwaitingScan => "Отсканируйте QR-код покупателя",
        State::AwaitingBuyer => match mode {
            Mode::DynamicQr => seed::SCAN_QR,
            Mode::StaticQr | Mode::ConsumerQr => "Сообщите покупателю код подтверждения",
        },
        State::AwaitingConfirmation => "Ожидание подтверждения покупателем",
        State::InDoubt => "Проверяем оплату",
        State::Queued => seed::CANCEL_QUEUED,
        State::Done => "Оплата выполнена",
        State::Declined => "Покупатель отклонил оплату",
        State::NotEnoughMoney => "Недостаточно средств у покупателя",
        State::Expired => "Время ожидания оплаты истекло",
        State::Cancelled => "Оплата отменена",
        State::Failed => "Оплата не выполнена",
    }
}

/// The line for the confirmation code.
#[must_use]
pub fn tell_code(code: &str) -> String {
    format!("Сообщите покупателю код подтверждения: {code}")
}

/// The final state that an ending leads to.
#[must_use]
pub fn ended(ending: StopReason) -> State {
    match ending {
        StopReason::Abort => State::Cancelled,
        StopReason::Expiry => State::Expired,
    }
}

/// No answer: the seed's words.
#[must_use]
pub fn no_connection(detail: &str) -> OperationError {
    OperationError {
        code: ErrorCode::NoConnection,
        message: seed::NO_CONNECTION.to_owned(),
        detail: support_text(detail),
        remedy: if detail.contains(BAD_CERTIFICATE) {
            CHECK_CERTIFICATE.to_owned()
        } else {
            "Проверьте связь с интернетом и повторите оплату".to_owned()
        },
    }
}

/// What a failed request means to the cashier.
#[must_use]
pub fn of_failure(failure: &Failure) -> OperationError {
    let error = |code, message: &str, detail: &str, remedy: &str| OperationError {
        code,
        message: message.to_owned(),
        detail: support_text(detail),
        remedy: remedy.to_owned(),
    };
    match failure {
        Failure::NotSent { detail }
        | Failure::Lost {
            detail,
            heard: Heard::Nothing | Heard::Status,
        } => no_connection(detail),
        // Its line is well.
        Failure::TooManyRequests { detail, .. } => error(
            ErrorCode::NoConnection,
            seed::NO_CONNECTION,
            detail,
            "Сервер О!плати просит подождать: повторите оплату через несколько минут",
        ),
        Failure::SessionOver { detail } => error(
            ErrorCode::ServiceRejected,
            SESSION_OVER,
            detail,
            "Повторите операцию",
        ),
        Failure::Lost {
            detail,
            heard: Heard::Nonsense,
        } => error(
            ErrorCode::ServiceProtocol,
            "Сервер О!плати ответил неверно",
            detail,
            "Проверьте, не требует ли роутер входа на своей странице, и повторите оплату; если повторится, обратитесь в поддержку О!плати",
        ),
        Failure::Refused { message, detail } => error(
            ErrorCode::ServiceRejected,
            message
                .as_deref()
                .unwrap_or("Сервер О!плати отказал в операции"),
            detail,
            "Выполните указание сервера или выберите другой вид оплаты",
        ),
        Failure::Token {
            problem: TokenProblem::Exists,
            detail,
        } => error(
            ErrorCode::TokenExists,
            seed::TOKEN_EXISTS,
            detail,
            "Сбросьте токен в личном кабинете О!плати и повторите операцию",
        ),
        Failure::Token {
            problem: TokenProblem::Needed,
            detail,
        } => {
            // A 401 or 403 alone does not say that the token was reset, and a token that is deleted for nothing
            // is issued no second time.
            let remedy = if detail.contains(seed::TOKEN_NEEDED) {
                "Удалите файл token.conf, перезапустите программу и повторите операцию"
            } else {
                "Повторите операцию; если повторится, проверьте кассу и токен в личном кабинете О!плати и, только если токен там сброшен, удалите token.conf"
            };
            error(ErrorCode::TokenNeeded, seed::TOKEN_NEEDED, detail, remedy)
        }
        Failure::Token {
            problem: TokenProblem::NoPlace,
            detail,
        } => error(
            ErrorCode::TokenNeeded,
            NO_PLACE_FOR_TOKEN,
            detail,
            FREE_THE_DISK,
        ),
        Failure::Token {
            problem: TokenProblem::Damaged,
            detail,
        } => error(
            ErrorCode::TokenNeeded,
            TOKEN_DAMAGED,
            detail,
            MEND_TOKEN_FILE,
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
            heard: Heard::Nothing,
            ..
        } if error.remedy == CHECK_CERTIFICATE => CHECK_CERTIFICATE.to_owned(),
        Failure::NotSent { .. }
        | Failure::Lost {
            heard: Heard::Nothing,
            ..
        } => "Проверьте связь с интернетом и повторите сверку".to_owned(),
        // Its line is well.
        Failure::Lost {
            heard: Heard::Status,
            ..
        } => "Сервер О!плати не готов: повторите сверку через несколько минут".to_owned(),
        Failure::TooManyRequests { retry_after, .. } => {
            let when = retry_after.map(|wait| format!("{} с", wait.as_secs().max(1)));
            let when = when.unwrap_or_else(|| "несколько минут".to_owned());
            format!("Сервер О!плати просит подождать: повторите сверку через {when}")
        }
        Failure::Lost {
            heard: Heard::Nonsense,
            ..
        } => {
            "Проверьте, не требует ли роутер входа на своей странице, и повторите сверку; если повторится, обратитесь в поддержку О!плати".to_owned()
        }
        Failure::Refused { .. } | Failure::SessionOver { .. } => {
            "Повторите сверку; если повторится, обратитесь в поддержку О!плати".to_owned()
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
            heard: Heard::Nothing,
        };
        assert_eq!(of_failure(&lost).message, "Ошибка обращения к серверу");
    }

    #[test]
    fn a_certificate_that_is_not_taken_is_no_matter_of_the_internet() {
        let detail = "client error (Connect): invalid peer certificate: Expired".to_owned();
        let error = of_failure(&Failure::NotSent { detail });
        assert_eq!(error.message, seed::NO_CONNECTION);
        assert!(error.remedy.contains("дату и время"), "{}", error.remedy);
        let detail = "client error (Connect): network is unreachable".to_owned();
        let error = of_failure(&Failure::NotSent { detail });
        assert!(error.remedy.contains("интернет"), "{}", error.remedy);
    }

    #[test]
    fn a_report_that_did_not_come_advises_to_repeat_no_payment() {
        let detail = || "x".to_owned();
        let lost = |heard| Failure::Lost {
            detail: detail(),
            heard,
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
            lost(Heard::Nothing),
            lost(Heard::Status),
            lost(Heard::Nonsense),
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
