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
use crate::texts::technician;

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
    let detail = match error {
        TrialError::NoToken(TokenFile::Absent) => technician::TRIAL_NO_TOKEN,
        TrialError::NoToken(TokenFile::Hidden) => technician::TRIAL_TOKEN_HIDDEN,
        TrialError::NoToken(TokenFile::Bad(what)) => technician::service_token_damaged(what),
        TrialError::NoToken(TokenFile::Password | TokenFile::Present) | TrialError::Client(_) => {
            let what = crate::base::error_chain::with_causes(error);
            technician::trial_no_request(what)
        }
    };
    let remedy = match error {
        TrialError::NoToken(TokenFile::Absent) => technician::TRIAL_GET_TOKEN,
        TrialError::NoToken(TokenFile::Hidden) => technician::TRIAL_RUN_WITH_SUDO,
        TrialError::NoToken(_) | TrialError::Client(_) => technician::TRIAL_RUN_SELFTEST,
    };
    let title = technician::TRIAL_TITLE;
    Check::pass("trial.access", Group::Service, title, detail).ended(Verdict::Fail, Some(remedy))
}

fn check(id: &'static str, title: Text, detail: Text) -> Check {
    Check::pass(id, Group::Service, title, detail)
}

fn seen(what: &Text) -> Text {
    what.within(|what| technician::trial_seen(what))
}

fn not_seen(what: &Text) -> Text {
    what.within(|what| technician::trial_not_seen(what))
}

fn differs(what: &Text) -> Text {
    what.within(|what| technician::trial_differs(what))
}

/// What differs is for whoever keeps this program in step with the service.
fn is_different(check: Check) -> Check {
    let remedy = technician::TRIAL_TELL_DEVELOPERS;
    check.ended(Verdict::Warn, Some(remedy))
}

fn is_not_seen(check: Check) -> Check {
    check.ended(Verdict::Skipped, None)
}

fn access(credential: Credential, failure: Option<&Failure>) -> Check {
    let title = match credential {
        Credential::Token => technician::TRIAL_TOKEN_ACCEPTED,
        Credential::Password => technician::TRIAL_PASSWORD_ACCEPTED,
    };
    let check = |detail| check("trial.access", title.clone(), detail);
    let Some(failure) = failure else {
        return check(seen(&technician::TRIAL_SESSION_OPENED));
    };
    let detail = failure.detail();
    let remedy = if matches!(failure, Failure::Token { .. }) {
        technician::TRIAL_CHECK_TOKEN
    } else {
        technician::TRIAL_RUN_SELFTEST
    };
    let detail = if matches!(failure, Failure::NotSent { .. }) {
        not_seen(&technician::trial_service_not_reached(detail))
    } else {
        differs(&technician::trial_session_not_opened(detail))
    };
    check(detail).ended(Verdict::Fail, Some(remedy))
}

const SESSION_ID: Text = technician::TRIAL_SESSION_ID;
const SCHEME: Text = technician::TRIAL_SCHEME;
const STATUS: Text = technician::TRIAL_CONSUMER_STATUS;

fn without_session() -> [Check; 3] {
    [
        ("trial.session_id", SESSION_ID),
        ("trial.qr", SCHEME),
        ("trial.consumer_status", STATUS),
    ]
    .map(|(id, title)| {
        let why = not_seen(&technician::TRIAL_NO_SESSION);
        is_not_seen(check(id, title, why))
    })
}

fn session_id(session: &OpenedSession) -> Check {
    let check = |detail| check("trial.session_id", SESSION_ID, detail);
    let id_type = session.id_type;
    if id_type == "integer" {
        check(seen(&Text::same(id_type)))
    } else {
        is_different(check(differs(&Text::same(id_type))))
    }
}

fn scheme(session: &OpenedSession) -> Check {
    let check = |detail| check("trial.qr", SCHEME, detail);
    let scheme = format!("{}://…", session.scheme);
    match session.scheme.as_str() {
        RECORDED_SCHEME => check(seen(&Text::same(scheme))),
        "" => is_different(check(differs(&technician::TRIAL_NO_ADDRESS))),
        _ => is_different(check(differs(&Text::same(scheme)))),
    }
}

/// Asks for the session while its QR is shown.
async fn watch(trial: &Trial, session: &OpenedSession, stopped: impl Future<Output = ()>) -> Check {
    let check = |detail| check("trial.consumer_status", STATUS, detail);
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
    let came = if has_joined {
        technician::TRIAL_BUYER_JOINED
    } else {
        technician::TRIAL_NOBODY_JOINED
    };
    match failure {
        Some(failure) => is_different(check(differs(&technician::trial_answers_and_failure(
            answers,
            failure.detail(),
        )))),
        None if answers == 0 => is_not_seen(check(not_seen(&technician::TRIAL_STOPPED))),
        None => check(seen(
            &came.within(|came| technician::trial_watched(answers, came)),
        )),
    }
}

fn unknown_payment(shape: Result<ErrorShape, Failure>) -> Check {
    let check = |detail| {
        check(
            "trial.unknown_payment",
            technician::TRIAL_UNKNOWN_PAYMENT,
            detail,
        )
    };
    match shape {
        Ok(shape) => {
            let answered = format!("HTTP {}; {}", shape.status, shape.fields);
            if shape.is_refusal {
                check(seen(&Text::same(answered)))
            } else {
                is_different(check(differs(&Text::same(answered))))
            }
        }
        Err(failure) => is_not_seen(check(not_seen(&Text::same(failure.detail().to_owned())))),
    }
}

fn report(today: &Result<ReportShape, Failure>) -> Check {
    let check = |detail| check("trial.report", technician::TRIAL_REPORT, detail);
    match today {
        Ok(ReportShape::Array { rows, .. }) => check(seen(&technician::trial_rows(rows))),
        Ok(ReportShape::NotFound) => is_not_seen(check(not_seen(&technician::TRIAL_NOT_FOUND))),
        Err(failure) => is_different(check(differs(&Text::same(failure.detail().to_owned())))),
    }
}

fn rows(today: &Result<ReportShape, Failure>) -> Check {
    let check = |detail| check("trial.report_rows", technician::TRIAL_REPORT_ROWS, detail);
    match today {
        Ok(ReportShape::Array { rows, unreadable }) if *unreadable > 0 => is_different(check(
            differs(&technician::trial_rows_unreadable(rows, unreadable)),
        )),
        Ok(ReportShape::Array { rows, .. }) if *rows > 0 => {
            check(seen(&technician::trial_rows_all(rows)))
        }
        Ok(_) | Err(_) => is_not_seen(check(not_seen(&technician::TRIAL_ROWS_NONE))),
    }
}

fn empty_report(tomorrow: &Result<ReportShape, Failure>) -> Check {
    let check = |detail| check("trial.empty_report", technician::TRIAL_EMPTY_REPORT, detail);
    match tomorrow {
        Ok(ReportShape::Array { rows: 0, .. }) => check(seen(&technician::TRIAL_EMPTY_ARRAY)),
        Ok(ReportShape::NotFound) => check(seen(&Text::same("HTTP 404"))),
        Ok(ReportShape::Array { rows, .. }) => {
            is_different(check(differs(&technician::trial_rows_tomorrow(rows))))
        }
        Err(failure) => is_different(check(differs(&Text::same(failure.detail().to_owned())))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::core::call::Received;

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
            received: Received::Nothing,
        }
    }

    fn assert_check(check: &Check, verdict: Verdict, detail: &str) {
        assert_eq!((check.result, &*check.detail.en), (verdict, detail));
        assert!(!check.detail.ru.is_empty() && !check.title.ru.is_empty());
    }

    #[test]
    fn each_assumption_of_a_session_is_seen_or_differs() {
        use Verdict::{Fail, Pass, Warn};
        assert_check(&session_id(&session("integer", "")), Pass, "seen: integer");
        assert_check(&session_id(&session("string", "")), Warn, "differs: string");
        assert_check(&scheme(&session("", "o-plati")), Pass, "seen: o-plati://…");
        assert_check(&scheme(&session("", "https")), Warn, "differs: https://…");
        assert_check(&scheme(&session("", "")), Warn, "differs: no address");
        let opened = access(Credential::Token, None);
        assert_check(&opened, Pass, "seen: a session was opened");
        let refused = access(Credential::Password, Some(&lost()));
        assert_check(&refused, Fail, "differs: no session was opened (HTTP 500)");
    }

    #[test]
    fn each_assumption_of_a_report_is_seen_not_seen_or_differs() {
        use Verdict::{Pass, Skipped, Warn};
        let array = |rows, unreadable| Ok(ReportShape::Array { rows, unreadable });
        assert_check(&report(&array(2, 0)), Pass, "seen: 2 rows");
        assert_check(&report(&Err(lost())), Warn, "differs: HTTP 500");
        assert_check(&rows(&array(2, 1)), Warn, "differs: 1 of 2 are not");
        assert_check(&rows(&array(2, 0)), Pass, "seen: all 2");
        assert_check(&rows(&array(0, 0)), Skipped, "not seen: there are none");
        assert_check(&empty_report(&array(0, 0)), Pass, "seen: an empty array");
        let not_found = empty_report(&Ok(ReportShape::NotFound));
        assert_check(&not_found, Pass, "seen: HTTP 404");
        let not_empty = empty_report(&array(1, 0));
        assert_check(&not_empty, Warn, "differs: tomorrow's shift has 1 rows");
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
        assert_check(&refused, Pass, "seen: HTTP 404; code: string");
        let other = unknown_payment(error(false));
        assert_check(&other, Warn, "differs: HTTP 404; code: string");
        let none = unknown_payment(Err(lost()));
        assert_check(&none, Skipped, "not seen: HTTP 500");
    }
}
