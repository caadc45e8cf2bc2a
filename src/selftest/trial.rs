//! The trial of the service's protocol as checks: what is assumed, and whether it was seen, not seen, or
//! differs. Pays nothing; opens one session.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::clock::Now;
use crate::core::call::Failure;
use crate::core::shift;
use crate::model::check::{Check, Group, Text, Verdict};
use crate::service::Credential;
use crate::service::diagnose::TokenFile;
use crate::service::trial::{ErrorShape, OpenedSession, ReportShape, Trial, TrialError};

/// How long the QR is shown and the session asked for.
const SHOW_TIMEOUT: Duration = Duration::from_secs(20);
/// Least pause between two questions for one session. The service's own rule is unknown.
const MIN_SESSION_POLL_INTERVAL: Duration = Duration::from_secs(2);
/// From a shift to the next.
const SHIFT: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// The scheme of recorded QR texts.
const RECORDED_SCHEME: &str = "o-plati";

/// Tries what can be tried without money. `show` gets the text of the QR, once. Takes half a minute
/// where the service answers, and ends early when `stopped` ends or a buyer joins.
pub async fn run(
    trial: &mut Trial,
    now: Now,
    show: impl FnOnce(&str),
    stopped: impl Future<Output = ()>,
) -> Vec<Check> {
    let opened = trial.open_session().await;
    let mut checks = vec![access(trial.credential(), opened.as_ref().err())];
    match &opened {
        Ok(session) => {
            checks.extend([session_id(session), scheme(session)]);
            show(session.qr.expose());
            checks.push(watch(trial, session, stopped).await);
        }
        Err(_) => checks.extend(without_session()),
    }
    checks.push(unknown_payment(trial.unknown_payment().await));
    let tomorrow = now.wall + SHIFT;
    let today = trial.report(&shift::of_day(now.wall)).await;
    let empty = trial.report(&shift::of_day(tomorrow)).await;
    checks.extend([report(&today), rows(&today), empty_report(&empty)]);
    checks
}

/// There is nothing to try with.
pub fn impossible(error: &TrialError) -> Check {
    let (ru, en) = match error {
        TrialError::NoToken(TokenFile::Absent) => (
            "токена ещё нет, а проверка его не запрашивает".to_owned(),
            "there is no token yet, and the trial asks for none".to_owned(),
        ),
        TrialError::NoToken(TokenFile::Hidden) => (
            "token.conf читает только служба".to_owned(),
            "only the daemon reads token.conf".to_owned(),
        ),
        TrialError::NoToken(TokenFile::Bad(what)) => (
            format!("token.conf испорчен: {what}"),
            format!("token.conf is damaged: {what}"),
        ),
        TrialError::NoToken(TokenFile::Password | TokenFile::Present) | TrialError::Client(_) => {
            let what = crate::base::error_chain::with_causes(error);
            (format!("запрос не составить: {what}"), what)
        }
    };
    let remedy = match error {
        TrialError::NoToken(TokenFile::Absent) => Text::new(
            "Запустите службу, выполните oplati reconcile и повторите: токен придёт при первом обращении",
            "Start the daemon, run oplati reconcile, and repeat: the token comes with the first contact",
        ),
        TrialError::NoToken(TokenFile::Hidden) => Text::new(
            "Запустите с sudo: sudo oplati selftest --trial",
            "Run with sudo: sudo oplati selftest --trial",
        ),
        TrialError::NoToken(_) | TrialError::Client(_) => Text::new(
            "Выполните oplati selftest: он назовёт, что исправить",
            "Run oplati selftest: it names what to mend",
        ),
    };
    let title = Text::new("Пробный сеанс", "Trial session");
    Check::pass("trial.access", Group::Service, title, Text::new(ru, en))
        .ended(Verdict::Fail, Some(remedy))
}

fn check(id: &'static str, ru: &str, en: &str, detail: Text) -> Check {
    Check::pass(id, Group::Service, Text::new(ru, en), detail)
}

fn seen(ru: impl AsRef<str>, en: impl AsRef<str>) -> Text {
    Text::new(
        format!("видно: {}", ru.as_ref()),
        format!("seen: {}", en.as_ref()),
    )
}

fn not_seen(ru: impl AsRef<str>, en: impl AsRef<str>) -> Text {
    Text::new(
        format!("не видно: {}", ru.as_ref()),
        format!("not seen: {}", en.as_ref()),
    )
}

fn differs(ru: impl AsRef<str>, en: impl AsRef<str>) -> Text {
    Text::new(
        format!("иначе: {}", ru.as_ref()),
        format!("differs: {}", en.as_ref()),
    )
}

/// What differs is for whoever keeps this program in step with the service.
fn is_different(check: Check) -> Check {
    let remedy = Text::new(
        "Сообщите эту строку разработчикам oplati",
        "Send this line to the developers of oplati",
    );
    check.ended(Verdict::Warn, Some(remedy))
}

fn is_not_seen(check: Check) -> Check {
    check.ended(Verdict::Skipped, None)
}

fn access(credential: Credential, failure: Option<&Failure>) -> Check {
    let (ru, en) = match credential {
        Credential::Token => ("Токен принят", "The token is accepted"),
        Credential::Password => ("Пароль принят", "The password is accepted"),
    };
    let check = |detail| check("trial.access", ru, en, detail);
    let Some(failure) = failure else {
        return check(seen("сеанс открыт", "a session was opened"));
    };
    let detail = failure.detail();
    let remedy = if matches!(failure, Failure::Token { .. }) {
        Text::new(
            "Проверьте токен и регистрацию кассы в личном кабинете О!плати",
            "Check token and registration of the till in the merchant's account",
        )
    } else {
        Text::new(
            "Выполните oplati selftest: он назовёт, что исправить",
            "Run oplati selftest: it names what to mend",
        )
    };
    let detail = if matches!(failure, Failure::NotSent { .. }) {
        not_seen(
            format!("сервер недоступен ({detail})"),
            format!("the service cannot be reached ({detail})"),
        )
    } else {
        differs(
            format!("сеанс не открыт ({detail})"),
            format!("no session was opened ({detail})"),
        )
    };
    check(detail).ended(Verdict::Fail, Some(remedy))
}

const SESSION_ID: (&str, &str) = ("sessionId — целое число", "sessionId is an integer");
const SCHEME: (&str, &str) = (
    "Текст QR-кода — o-plati://…",
    "The text of the QR is o-plati://…",
);
const STATUS: (&str, &str) = ("consumerStatus отвечает", "consumerStatus answers");

fn without_session() -> [Check; 3] {
    [
        ("trial.session_id", SESSION_ID),
        ("trial.qr", SCHEME),
        ("trial.consumer_status", STATUS),
    ]
    .map(|(id, (ru, en))| {
        let why = not_seen("нет сеанса", "there is no session");
        is_not_seen(check(id, ru, en, why))
    })
}

fn session_id(session: &OpenedSession) -> Check {
    let check = |detail| check("trial.session_id", SESSION_ID.0, SESSION_ID.1, detail);
    let told = session.id_type;
    if told == "integer" {
        check(seen(told, told))
    } else {
        is_different(check(differs(told, told)))
    }
}

fn scheme(session: &OpenedSession) -> Check {
    let check = |detail| check("trial.qr", SCHEME.0, SCHEME.1, detail);
    let told = format!("{}://…", session.scheme);
    match session.scheme.as_str() {
        RECORDED_SCHEME => check(seen(&told, &told)),
        "" => is_different(check(differs("не адрес", "no address"))),
        _ => is_different(check(differs(&told, &told))),
    }
}

/// Asks for the session while its QR is shown.
async fn watch(trial: &Trial, session: &OpenedSession, stopped: impl Future<Output = ()>) -> Check {
    let check = |detail| check("trial.consumer_status", STATUS.0, STATUS.1, detail);
    let until = Instant::now() + SHOW_TIMEOUT;
    let mut stopped = std::pin::pin!(stopped);
    let (mut answers, mut failure, mut has_joined) = (0, None, false);
    loop {
        let next = Instant::now() + MIN_SESSION_POLL_INTERVAL;
        tokio::select! {
            () = &mut stopped => break,
            () = tokio::time::sleep_until(next.min(until)) => {}
        }
        if next > until {
            break;
        }
        match trial.has_joined(session).await {
            Ok(joined) => {
                answers += 1;
                has_joined = joined;
            }
            Err(why) => failure = Some(why),
        }
        if has_joined {
            break;
        }
    }
    let (came, nobody) = if has_joined {
        ("покупатель подключился", "a buyer joined")
    } else {
        ("никто не подключился", "nobody joined")
    };
    match failure {
        Some(failure) => is_different(check(differs(
            format!("ответов {answers}, затем {}", failure.detail()),
            format!("{answers} answers, then {}", failure.detail()),
        ))),
        None if answers == 0 => is_not_seen(check(not_seen(
            "остановлено раньше",
            "it was stopped before",
        ))),
        None => check(seen(
            format!("ответов {answers}, {came}"),
            format!("{answers} answers, {nobody}"),
        )),
    }
}

fn unknown_payment(shape: Result<ErrorShape, Failure>) -> Check {
    let check = |detail| {
        check(
            "trial.unknown_payment",
            "Неизвестная оплата отклоняется",
            "An unknown payment is refused",
            detail,
        )
    };
    match shape {
        Ok(shape) => {
            let told = format!("HTTP {}; {}", shape.status, shape.fields);
            if shape.is_refusal {
                check(seen(&told, &told))
            } else {
                is_different(check(differs(&told, &told)))
            }
        }
        Err(failure) => is_not_seen(check(not_seen(failure.detail(), failure.detail()))),
    }
}

fn report(today: &Result<ReportShape, Failure>) -> Check {
    let check = |detail| {
        check(
            "trial.report",
            "Отчёт за сегодня — массив",
            "Today's report is an array",
            detail,
        )
    };
    match today {
        Ok(ReportShape::Array { rows, .. }) => {
            check(seen(format!("строк {rows}"), format!("{rows} rows")))
        }
        Ok(ReportShape::NotFound) => is_not_seen(check(not_seen(
            "HTTP 404, сегодня операций нет",
            "HTTP 404, there are no operations today",
        ))),
        Err(failure) => is_different(check(differs(failure.detail(), failure.detail()))),
    }
}

fn rows(today: &Result<ReportShape, Failure>) -> Check {
    let check = |detail| {
        check(
            "trial.report_rows",
            "Строки отчёта читаются",
            "The rows of a report are read",
            detail,
        )
    };
    match today {
        Ok(ReportShape::Array { rows, unreadable }) if *unreadable > 0 => {
            is_different(check(differs(
                format!("не читается {unreadable} из {rows}"),
                format!("{unreadable} of {rows} are not"),
            )))
        }
        Ok(ReportShape::Array { rows, .. }) if *rows > 0 => {
            check(seen(format!("все {rows}"), format!("all {rows}")))
        }
        Ok(_) | Err(_) => is_not_seen(check(not_seen("строк нет", "there are none"))),
    }
}

fn empty_report(tomorrow: &Result<ReportShape, Failure>) -> Check {
    let check = |detail| {
        check(
            "trial.empty_report",
            "Пустая смена — пустой массив или 404",
            "An empty shift is an empty array or 404",
            detail,
        )
    };
    match tomorrow {
        Ok(ReportShape::Array { rows: 0, .. }) => check(seen("пустой массив", "an empty array")),
        Ok(ReportShape::NotFound) => check(seen("HTTP 404", "HTTP 404")),
        Ok(ReportShape::Array { rows, .. }) => is_different(check(differs(
            format!("в завтрашней смене строк {rows}"),
            format!("tomorrow's shift has {rows} rows"),
        ))),
        Err(failure) => is_different(check(differs(failure.detail(), failure.detail()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::core::call::Heard;

    fn session(id_type: &'static str, scheme: &str) -> OpenedSession {
        OpenedSession {
            id: Secret::new("31149"),
            id_type,
            qr: Secret::new("x"),
            scheme: scheme.to_owned(),
        }
    }

    fn lost() -> Failure {
        Failure::Lost {
            detail: "HTTP 500".into(),
            heard: Heard::Nothing,
        }
    }

    fn says(check: &Check, verdict: Verdict, detail: &str) {
        assert_eq!((check.result, check.detail.en.as_str()), (verdict, detail));
        assert!(!check.detail.ru.is_empty() && !check.title.ru.is_empty());
    }

    #[test]
    fn each_assumption_of_a_session_is_seen_or_differs() {
        use Verdict::{Fail, Pass, Warn};
        says(&session_id(&session("integer", "")), Pass, "seen: integer");
        says(&session_id(&session("string", "")), Warn, "differs: string");
        says(&scheme(&session("", "o-plati")), Pass, "seen: o-plati://…");
        says(&scheme(&session("", "https")), Warn, "differs: https://…");
        says(&scheme(&session("", "")), Warn, "differs: no address");
        let opened = access(Credential::Token, None);
        says(&opened, Pass, "seen: a session was opened");
        let refused = access(Credential::Password, Some(&lost()));
        says(&refused, Fail, "differs: no session was opened (HTTP 500)");
    }

    #[test]
    fn each_assumption_of_a_report_is_seen_not_seen_or_differs() {
        use Verdict::{Pass, Skipped, Warn};
        let array = |rows, unreadable| Ok(ReportShape::Array { rows, unreadable });
        says(&report(&array(2, 0)), Pass, "seen: 2 rows");
        says(&report(&Err(lost())), Warn, "differs: HTTP 500");
        says(&rows(&array(2, 1)), Warn, "differs: 1 of 2 are not");
        says(&rows(&array(2, 0)), Pass, "seen: all 2");
        says(&rows(&array(0, 0)), Skipped, "not seen: there are none");
        says(&empty_report(&array(0, 0)), Pass, "seen: an empty array");
        let not_found = empty_report(&Ok(ReportShape::NotFound));
        says(&not_found, Pass, "seen: HTTP 404");
        let not_empty = empty_report(&array(1, 0));
        says(&not_empty, Warn, "differs: tomorrow's shift has 1 rows");
    }

    #[test]
    fn the_answer_to_an_unknown_payment_is_seen_not_seen_or_differs() {
        use Verdict::{Pass, Skipped, Warn};
        let error = |is_refusal| {
            Ok(ErrorShape {
                status: 404,
                is_refusal,
                fields: "code: string".into(),
            })
        };
        let refused = unknown_payment(error(true));
        says(&refused, Pass, "seen: HTTP 404; code: string");
        let other = unknown_payment(error(false));
        says(&other, Warn, "differs: HTTP 404; code: string");
        let none = unknown_payment(Err(lost()));
        says(&none, Skipped, "not seen: HTTP 500");
    }
}
