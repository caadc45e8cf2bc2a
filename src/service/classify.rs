//! What an answer means. The one question behind it all: may money have moved?

use std::time::Duration;

use super::report::{self, Report, Wanted};
use super::wire::{self, ErrorBody, WireError};
use crate::base::error_chain::with_causes;
use crate::core::call::{
    Answer, Call, Failure, PaymentInfo, PaymentType, Received, Reply, TokenProblem,
};
use crate::model::operation::Shows;
use crate::texts::original;

/// Refusals come as 4xx, but these are sent by gateways and proxies, too: what they state of the request's effect is
/// not the service's word.
const NO_REFUSAL: [u16; 5] = [401, 403, 407, 408, 425];

/// How the till shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The token of token.conf: who is not let in has lost it.
    Token,
    /// The password of oplati.conf.
    Password,
}

/// What came back over HTTP, whole.
#[derive(Clone, Copy, Debug)]
pub struct HttpAnswer<'a> {
    /// HTTP status.
    pub status: u16,
    /// All of it.
    pub body: &'a [u8],
    /// `Retry-After`, if it came with one.
    pub retry_after: Option<Duration>,
    /// What the request was sent with.
    pub credential: Credential,
}

impl<'a> HttpAnswer<'a> {
    /// An answer without `Retry-After` to a till in token mode.
    pub fn new(status: u16, body: &'a [u8]) -> HttpAnswer<'a> {
        HttpAnswer {
            status,
            body,
            retry_after: None,
            credential: Credential::Token,
        }
    }
}

/// Reads the answer to `call`.
///
/// # Errors
/// [`Failure`]: what the missing answer means for the money.
pub fn classify(call: &Call, answer: &HttpAnswer<'_>) -> Answer {
    if let Call::LookUp {
        order_numbers,
        witnesses,
        ..
    } = call
    {
        let wanted = Wanted {
            order_numbers,
            witnesses,
        };
        return Ok(read_report(answer, wanted)?.conclude(wanted));
    }
    if let Call::Probe { .. } = call {
        return read_report(answer, Wanted::default()).map(|_| Reply::Alive);
    }
    if answer.status == 200 {
        return read(call, answer.body).map_err(|error| broken(&error));
    }
    match failure(answer) {
        Failure::Refused { detail, .. }
            if matches!(call, Call::ConsumerStatus { .. }) && is_session_over(answer) =>
        {
            Err(Failure::SessionOver { detail })
        }
        failure @ (Failure::NotSent { .. }
        | Failure::Refused { .. }
        | Failure::Token { .. }
        | Failure::SessionOver { .. }
        | Failure::TooManyRequests { .. }
        | Failure::Lost { .. }) => Err(failure),
    }
}

/// A 429 without the service's own words is obeyed for so long at most.
const MAX_RETRY_AFTER_OF_ANOTHER: Duration = Duration::from_secs(5);

/// What an answer other than 200 means, whatever was asked.
pub(super) fn failure(answer: &HttpAnswer<'_>) -> Failure {
    let status = answer.status;
    let error = ErrorBody::read(answer.body);
    let detail = error_detail(status, error.as_ref());
    if status == 429 {
        // What stands before the service may have sent it, and is moved or left behind sooner than it asks.
        let most = match error {
            Some(_) => Duration::MAX,
            None => MAX_RETRY_AFTER_OF_ANOTHER,
        };
        let retry_after = answer.retry_after.map(|wait| wait.min(most));
        return Failure::TooManyRequests {
            retry_after,
            detail,
        };
    }
    let received = Received::Status;
    // Above and below 4xx the words are worth reading, but they refuse nothing.
    let Some(error) = error.filter(|_| (400..500).contains(&status)) else {
        return Failure::Lost { detail, received };
    };
    if let Some(problem) = token_problem(status, &error, answer.credential) {
        return Failure::Token { problem, detail };
    }
    if NO_REFUSAL.contains(&status) {
        return Failure::Lost { detail, received };
    }
    Failure::Refused {
        message: error.message(),
        detail,
    }
}

/// Recorded of the service: from its end on, a session is answered so for ever.
fn is_session_over(answer: &HttpAnswer<'_>) -> bool {
    let code = ErrorBody::read(answer.body).and_then(|error| error.internal_code());
    answer.status == 400 && code.as_deref() == Some(wire::CODE_SESSION_OVER)
}

/// Looks for operations in the answer to `GET paymentReports`. A shift that the service does not know
/// has no operations: 404 with the service's own words is an empty report.
pub(super) fn read_report(answer: &HttpAnswer<'_>, wanted: Wanted<'_>) -> Result<Report, Failure> {
    if answer.status == 200 {
        return report::find(answer.body, wanted).map_err(|error| broken(&error));
    }
    let failure = failure(answer);
    if answer.status == 404 && matches!(failure, Failure::Refused { .. }) {
        return Ok(Report::default());
    }
    Err(failure)
}

/// A 200 that breaks the protocol.
pub(super) fn broken(error: &WireError) -> Failure {
    Failure::Lost {
        detail: wire::clean(&with_causes(error), 300),
        received: Received::Malformed,
    }
}

/// For support: the status, and the service's own words if it sent any.
fn error_detail(status: u16, error: Option<&ErrorBody>) -> String {
    let detail = error.map(|error| error.detail(status));
    match detail.filter(|detail| !detail.is_empty()) {
        Some(detail) => wire::clean(&format!("HTTP {status}: {detail}"), 300),
        None => format!("HTTP {status}"),
    }
}

/// The seed's two token errors: by the service's words, in whatever field they come, and by 401 or 403
/// to a till in token mode, of which only the token is open to doubt.
pub(super) fn token_problem(
    status: u16,
    error: &ErrorBody,
    credential: Credential,
) -> Option<TokenProblem> {
    if error.contains(original::TOKEN_EXISTS) {
        Some(TokenProblem::Exists)
    } else if error.contains(original::TOKEN_NEEDED) {
        Some(TokenProblem::Needed)
    } else {
        let is_shut_out = matches!(status, 401 | 403) && credential == Credential::Token;
        is_shut_out.then_some(TokenProblem::Needed)
    }
}

fn foreign(what: &str) -> WireError {
    WireError::Field {
        field: "answer",
        what: what.to_owned(),
    }
}

fn read(call: &Call, body: &[u8]) -> Result<Reply, WireError> {
    match call {
        Call::OpenSession(mode) => {
            let session = wire::read_session(body)?;
            let shows = match mode {
                crate::core::call::SessionMode::ConsumerQr(_) => None,
                crate::core::call::SessionMode::StaticQr => Some(Shows::Code(
                    session.code.ok_or_else(|| foreign("no confirmationCode"))?,
                )),
                crate::core::call::SessionMode::DynamicQr => Some(Shows::Qr(
                    session.qr.ok_or_else(|| foreign("no dynamicQR"))?,
                )),
            };
            Ok(Reply::Session {
                session: session.id,
                shows,
            })
        }
        Call::ConsumerStatus { .. } => {
            let answer: wire::ConsumerAnswer = wire::object(body)?;
            let card = answer.card();
            if card.is_none() && answer.has_cards() {
                tracing::warn!("The buyer's loyalty cards do not match the protocol");
            }
            Ok(Reply::Consumer {
                ready: answer.ready,
                card,
            })
        }
        Call::Pay { .. } | Call::Payment { .. } | Call::Reverse { .. } => {
            let info = wire::read_payment(body)?;
            if !is_ours(call, &info) {
                return Err(foreign("it speaks of another operation"));
            }
            Ok(Reply::Payment(info))
        }
        Call::LookUp { .. } | Call::Probe { .. } => Err(foreign("it is a report")),
    }
}

/// Whether number, sum and direction are those that were asked for. The reversal of a pending
/// payment may be answered with that payment itself.
fn is_ours(call: &Call, info: &PaymentInfo) -> bool {
    match call {
        Call::Pay {
            order_number, sum, ..
        } => {
            info.order_number == *order_number
                && info.sum == *sum
                && info.payment_type == PaymentType::Sale
        }
        Call::Payment { payment_id } => info.payment_id == *payment_id,
        Call::Reverse {
            payment_id,
            order_number,
            sum,
            ..
        } => {
            let reversal = matches!(
                info.payment_type,
                PaymentType::ReversalOfSale | PaymentType::ReversalOfPurchase
            );
            info.payment_id == *payment_id
                || (reversal && info.order_number == *order_number && info.sum == *sum)
        }
        Call::OpenSession(_)
        | Call::ConsumerStatus { .. }
        | Call::LookUp { .. }
        | Call::Probe { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::validate::tests::request;
    use crate::model::money::Kopecks;
    use proptest::prelude::*;

    fn answer_to(call: &Call, status: u16, body: &[u8]) -> Answer {
        classify(call, &HttpAnswer::new(status, body))
    }

    fn pay() -> Call {
        Call::Pay {
            session: "s".into(),
            order_number: "n-1".into(),
            sum: Kopecks(150),
            shift: "24112026".into(),
            receipt: request(150).receipt,
            answer_within: std::time::Duration::from_secs(5),
        }
    }

    /// Whether there is an `n-1` in a shift that has these rows for certain.
    fn look_up(witnesses: Vec<String>) -> Call {
        Call::LookUp {
            shifts: vec!["24112026".into()],
            order_numbers: vec!["n-1".into()],
            witnesses,
        }
    }

    fn is_nonsense(answer: &Answer) -> bool {
        matches!(answer, Err(Failure::Lost { received, .. }) if *received == Received::Malformed)
    }

    const ERROR: &str = r#"{"code": "X", "userMessage": {"lang_ru": "Нельзя"}}"#;

    /// The service may write the code as it writes `sessionId`.
    #[test]
    fn a_confirmation_code_of_another_type_is_in_no_error() {
        let call = Call::OpenSession(crate::core::call::SessionMode::StaticQr);
        let body = br#"{"sessionId": 31149, "confirmationCode": 482913}"#;
        if let Err(failure) = answer_to(&call, 200, body) {
            assert!(!failure.detail().contains("482913"), "{}", failure.detail());
        }
    }

    fn info(order: &str, sum: &str, kind: u8) -> String {
        format!(
            r#"{{"paymentId": 1, "paymentType": {kind}, "sum": {sum}, "status": 1, "createdDate": "2026-11-24T10:00:00+03:00", "orderNumber": "{order}"}}"#
        )
    }

    #[test]
    fn answered_only_when_number_sum_and_type_are_ours() {
        assert!(answer_to(&pay(), 200, info("n-1", "1.5", 1).as_bytes()).is_ok());
        for foreign in [
            info("n-2", "1.5", 1),
            info("n-1", "1.51", 1),
            info("n-1", "1.5", 3),
            "{}".into(),
            String::new(),
        ] {
            let answer = answer_to(&pay(), 200, foreign.as_bytes());
            assert!(is_nonsense(&answer), "{foreign}");
        }
    }

    #[test]
    fn an_array_of_the_right_values_is_no_answer_of_the_service() {
        let time = "2026-11-24T10:00:00+03:00";
        let paid = format!(r#"[1, 1, 1.5, 1, "{time}", "{time}", "n-1", null]"#);
        let answer = answer_to(&pay(), 200, paid.as_bytes());
        assert!(is_nonsense(&answer), "{answer:?}");
        let refusal = br#"["X", null, "no such page", null]"#;
        let answer = answer_to(&pay(), 404, refusal);
        assert!(matches!(answer, Err(Failure::Lost { .. })), "{answer:?}");
    }

    #[test]
    fn refused_only_with_the_services_own_body() {
        for status in [400, 404, 409, 422] {
            assert!(
                matches!(
                    answer_to(&pay(), status, ERROR.as_bytes()),
                    Err(Failure::Refused {
                        message: Some(_),
                        ..
                    })
                ),
                "{status}"
            );
            assert!(
                matches!(
                    answer_to(&pay(), status, b"<html>"),
                    Err(Failure::Lost { .. })
                ),
                "{status}"
            );
        }
        for status in [100, 201, 204, 302, 407, 408, 425, 500, 502, 503, 504] {
            assert!(
                matches!(
                    answer_to(&pay(), status, ERROR.as_bytes()),
                    Err(Failure::Lost { .. })
                ),
                "{status}"
            );
        }
    }

    #[test]
    fn the_services_words_stay_for_support_whatever_the_status() {
        let body = br#"{"code": "DB", "devMessage": "no base"}"#;
        let answer = answer_to(&pay(), 500, body);
        assert!(
            matches!(&answer, Err(Failure::Lost { detail, received: Received::Status }) if detail == "HTTP 500: DB / no base"),
            "{answer:?}"
        );
    }

    #[test]
    fn a_buyer_without_cards_has_none() {
        let call = Call::ConsumerStatus {
            session: "s".into(),
        };
        for (cards, expected) in [
            ("", None),
            (r#", "loyaltyCards": null"#, None),
            (r#", "loyaltyCards": []"#, None),
            (
                r#", "loyaltyCards": [{"number": "7", "name": null}]"#,
                Some("7"),
            ),
        ] {
            let body = format!(r#"{{"isConsumerReady": true{cards}}}"#);
            let answer = answer_to(&call, 200, body.as_bytes()).unwrap();
            let Reply::Consumer { ready: true, card } = answer else {
                panic!("{answer:?}")
            };
            assert_eq!(card.map(|card| card.number).as_deref(), expected);
        }
        assert!(answer_to(&call, 200, br#"{"isConsumerReady": 1}"#).is_err());
    }

    #[test]
    fn a_session_that_is_over_is_neither_refused_nor_lost() {
        let status = Call::ConsumerStatus {
            session: "31149".into(),
        };
        let recorded = r#"{"code": "400", "internalCode": "166", "devMessage": "RegNum OPL000011111: Превышено время ожидания клиента.", "userMessage": {"lang_ru": "Превышено время ожидания клиента.", "lang_en": "Превышено время ожидания клиента."}}"#;
        let is_over = |call: &Call, status, body: &str| {
            matches!(
                answer_to(call, status, body.as_bytes()),
                Err(Failure::SessionOver { .. })
            )
        };
        assert!(is_over(&status, 400, recorded));
        assert!(is_over(&status, 400, r#"{"internalCode": 166}"#));
        assert!(!is_over(&status, 400, &recorded.replace("166", "16")));
        assert!(!is_over(&status, 400, &recorded.replace("166", "")));
        assert!(!is_over(&status, 404, recorded));
        assert!(!is_over(&pay(), 400, recorded), "it answers another call");
    }

    #[test]
    fn a_request_for_patience_is_one_whatever_was_asked_and_whatever_its_text() {
        let look_up = look_up(Vec::new());
        let probe = Call::Probe {
            shift: "24112026".into(),
        };
        for call in [pay(), look_up, probe, Call::Payment { payment_id: 1 }] {
            for body in ["", "<html>", ERROR] {
                let is_ours = body == ERROR;
                for (asked, obeyed) in [
                    (None, None),
                    (Some(4), Some(4)),
                    (Some(600), Some(if is_ours { 600 } else { 5 })),
                ] {
                    let answer = HttpAnswer {
                        retry_after: asked.map(Duration::from_secs),
                        ..HttpAnswer::new(429, body.as_bytes())
                    };
                    let answer = classify(&call, &answer);
                    let obeyed = obeyed.map(Duration::from_secs);
                    assert!(
                        matches!(answer, Err(Failure::TooManyRequests { retry_after, .. }) if retry_after == obeyed),
                        "{call:?}: {answer:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_refusal_without_words_for_people_has_its_facts_for_support() {
        let recorded = r#"{"code": "400", "internalCode": "", "devMessage": "RegNum OPL000011111: Продавец не сформировал требование об оплате!", "userMessage": {"lang_ru": "", "lang_en": ""}}"#;
        let answer = answer_to(&pay(), 400, recorded.as_bytes());
        let Err(failure @ Failure::Refused { message: None, .. }) = &answer else {
            panic!("{answer:?}")
        };
        assert_eq!(
            failure.detail(),
            "HTTP 400: RegNum OPL000011111: Продавец не сформировал требование об оплате!"
        );
        let shown = crate::core::messages::of_failure(failure);
        assert!(!shown.message.trim().is_empty() && !shown.remedy.is_empty());
        let bare = answer_to(&pay(), 400, br#"{"code": "400"}"#);
        assert!(
            matches!(&bare, Err(Failure::Refused { message: None, detail }) if detail == "HTTP 400")
        );
    }

    #[test]
    fn a_final_status_may_come_with_the_first_answer() {
        use crate::core::call::PaymentStatus;
        for (status, expected) in [
            (0, PaymentStatus::InProgress),
            (1, PaymentStatus::Ok),
            (3, PaymentStatus::NotEnough),
        ] {
            let body =
                info("n-1", "1.50", 1).replace(r#""status": 1"#, &format!(r#""status": {status}"#));
            let answer = answer_to(&pay(), 200, body.as_bytes());
            assert!(
                matches!(&answer, Ok(Reply::Payment(info)) if info.status == expected),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn an_unknown_shift_is_an_empty_report_and_nothing_else_is() {
        let look_up = look_up(Vec::new());
        let probe = Call::Probe {
            shift: "24112026".into(),
        };
        assert_eq!(
            answer_to(&look_up, 404, ERROR.as_bytes()),
            Ok(Reply::Found(Vec::new()))
        );
        assert_eq!(answer_to(&probe, 404, ERROR.as_bytes()), Ok(Reply::Alive));
        for (status, body) in [(404, "<html>"), (404, ""), (400, ERROR), (410, ERROR)] {
            assert!(answer_to(&look_up, status, body.as_bytes()).is_err());
        }
        let payment = answer_to(&Call::Payment { payment_id: 1 }, 404, ERROR.as_bytes());
        assert!(matches!(payment, Err(Failure::Refused { .. })));
    }

    #[test]
    fn absence_is_no_answer_where_a_row_cannot_be_read() {
        let look_up = look_up(Vec::new());
        let nameless = info("n-2", "1", 1).replace(r#""n-2""#, "null");
        let absent = answer_to(&look_up, 200, format!("[{nameless}]").as_bytes());
        assert!(
            matches!(&absent, Ok(Reply::Partial { found, .. }) if found.is_empty()),
            "{absent:?}"
        );
        let body = format!("[{nameless}, {}]", info("n-1", "1E+0", 1));
        let found = answer_to(&look_up, 200, body.as_bytes());
        assert!(
            matches!(&found, Ok(Reply::Found(found)) if found.len() == 1),
            "{found:?}"
        );
    }

    #[test]
    fn absence_is_no_answer_where_a_witness_is_missing() {
        let look_up = look_up(vec!["w-1".into()]);
        let witness = format!("[{}]", info("w-1", "1", 1));
        let whole = answer_to(&look_up, 200, witness.as_bytes());
        assert_eq!(whole, Ok(Reply::Found(Vec::new())));
        for (status, body) in [(200, "[]"), (404, ERROR)] {
            let cut = answer_to(&look_up, status, body.as_bytes());
            assert!(matches!(&cut, Ok(Reply::Partial { .. })), "{cut:?}");
        }
    }

    #[test]
    fn both_token_errors_are_known_by_their_words_whatever_the_field_and_the_mode() {
        for (words, problem) in [
            (original::TOKEN_EXISTS, TokenProblem::Exists),
            (original::TOKEN_NEEDED, TokenProblem::Needed),
        ] {
            let text = format!("RegNum OPL000011111: {words}");
            for body in [
                serde_json::json!({"userMessage": {"lang_ru": words.to_uppercase(), "lang_en": ""}}),
                serde_json::json!({"userMessage": {"lang_ru": "", "lang_en": text}}),
                serde_json::json!({"internalCode": "", "devMessage": text}),
            ] {
                let body = body.to_string();
                for credential in [Credential::Token, Credential::Password] {
                    for status in [400, 401, 409] {
                        let answer = HttpAnswer {
                            credential,
                            ..HttpAnswer::new(status, body.as_bytes())
                        };
                        let answer = classify(&pay(), &answer);
                        assert!(
                            matches!(answer, Err(Failure::Token { problem: seen, .. }) if seen == problem),
                            "{body}: {answer:?}"
                        );
                    }
                }
            }
        }
        let invented = answer_to(&pay(), 409, br#"{"internalCode": "TOKEN_EXISTS"}"#);
        assert!(matches!(invented, Err(Failure::Refused { .. })));
    }

    #[test]
    fn who_is_shut_out_in_token_mode_needs_a_token_and_in_password_mode_knows_nothing() {
        for status in [401, 403] {
            for (credential, body, is_token) in [
                (Credential::Token, ERROR, true),
                (Credential::Token, "<html>", false),
                (Credential::Token, "", false),
                (Credential::Password, ERROR, false),
            ] {
                let answer = HttpAnswer {
                    credential,
                    ..HttpAnswer::new(status, body.as_bytes())
                };
                let answer = classify(&pay(), &answer);
                let seen = match &answer {
                    Err(Failure::Token { problem, detail }) => {
                        assert!(detail.contains("Нельзя"), "its own words stay: {detail}");
                        *problem == TokenProblem::Needed
                    }
                    Err(Failure::Lost { .. }) => false,
                    _ => panic!("{answer:?}"),
                };
                assert_eq!(seen, is_token, "{status} {credential:?} {body}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_garbage_is_an_answer(status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(answer_to(&pay(), status, &body).is_err());
        }
    }
}
