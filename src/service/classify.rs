//! What an answer means. The one question behind it all: may money have moved?

use super::call::{Answer, Call, Failure, PaymentInfo, PaymentType, Reply, TokenProblem};
use super::report;
use super::wire::{self, ErrorBody, WireError};
use crate::causes::with_causes;
use crate::operation::{Card, Shows};
use crate::problem::seed;

/// Refusals come as 4xx, but these are said by gateways and proxies, or ask for patience: what they
/// say of the request's effect is not the service's word.
const NO_REFUSAL: [u16; 6] = [401, 403, 407, 408, 425, 429];

/// Reads the answer to `call`: an HTTP status and a whole body.
///
/// # Errors
/// [`Failure`]: what the missing answer means for the money.
pub fn classify(call: &Call, status: u16, body: &[u8]) -> Answer {
    if status == 200 {
        return read(call, body).map_err(|error| Failure::Lost {
            detail: wire::clean(&with_causes(&error), 300),
            protocol: true,
        });
    }
    let error = ErrorBody::read(body);
    let detail = error_detail(status, error.as_ref());
    // Above and below 4xx the words are worth reading, but they refuse nothing.
    let Some(error) = error.filter(|_| (400..500).contains(&status)) else {
        return Err(Failure::Lost {
            detail,
            protocol: false,
        });
    };
    if let Some(problem) = token_problem(&error) {
        return Err(Failure::Token { problem, detail });
    }
    if NO_REFUSAL.contains(&status) {
        return Err(Failure::Lost {
            detail,
            protocol: false,
        });
    }
    Err(Failure::Refused {
        message: error.message(),
        detail,
    })
}

/// For support: the status, and the service's own words if it said any.
pub(super) fn error_detail(status: u16, error: Option<&ErrorBody>) -> String {
    match error {
        Some(error) => wire::clean(&format!("HTTP {status}: {}", error.detail()), 300),
        None => format!("HTTP {status}"),
    }
}

/// The seed's two token errors, by the service's words or its code.
pub(super) fn token_problem(error: &ErrorBody) -> Option<TokenProblem> {
    let message = error.message().unwrap_or_default();
    let is =
        |words: &str, code: &str| message.trim() == words || error.internal_code() == Some(code);
    if is(seed::TOKEN_EXISTS, wire::CODE_TOKEN_EXISTS) {
        Some(TokenProblem::Exists)
    } else if is(seed::TOKEN_NEEDED, wire::CODE_TOKEN_NEEDED) {
        Some(TokenProblem::Needed)
    } else {
        None
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
                super::call::SessionMode::ConsumerQr(_) => None,
                super::call::SessionMode::StaticQr => Some(Shows::Code(
                    session.code.ok_or_else(|| foreign("no confirmationCode"))?,
                )),
                super::call::SessionMode::DynamicQr => Some(Shows::Qr(
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
            let cards = answer.cards.unwrap_or_default();
            let card = cards.into_iter().next().map(|card| Card {
                number: wire::clean(&card.number, 64),
                name: wire::clean(card.name.as_deref().unwrap_or_default(), 128),
            });
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
        Call::LookUp { order_numbers, .. } => Ok(Reply::Found(report::find(body, order_numbers)?)),
        Call::Probe { .. } => report::find(body, &[]).map(|_| Reply::Alive),
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
    use crate::money::Kopecks;
    use proptest::prelude::*;

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

    const ERROR: &str = r#"{"code": "X", "userMessage": {"lang_ru": "Нельзя"}}"#;

    fn info(order: &str, sum: &str, kind: u8) -> String {
        format!(
            r#"{{"paymentId": 1, "paymentType": {kind}, "sum": {sum}, "status": 1, "createdDate": "2026-11-24T10:00:00+03:00", "orderNumber": "{order}"}}"#
        )
    }

    #[test]
    fn answered_only_when_number_sum_and_type_are_ours() {
        assert!(classify(&pay(), 200, info("n-1", "1.5", 1).as_bytes()).is_ok());
        for foreign in [
            info("n-2", "1.5", 1),
            info("n-1", "1.51", 1),
            info("n-1", "1.5", 3),
            "{}".into(),
            String::new(),
        ] {
            let answer = classify(&pay(), 200, foreign.as_bytes());
            assert!(
                matches!(answer, Err(Failure::Lost { protocol: true, .. })),
                "{foreign}"
            );
        }
    }

    #[test]
    fn an_array_of_the_right_values_is_no_answer_of_the_service() {
        let time = "2026-11-24T10:00:00+03:00";
        let paid = format!(r#"[1, 1, 1.5, 1, "{time}", "{time}", "n-1", null]"#);
        let answer = classify(&pay(), 200, paid.as_bytes());
        assert!(
            matches!(answer, Err(Failure::Lost { protocol: true, .. })),
            "{answer:?}"
        );
        let refusal = br#"["X", null, "no such page", null]"#;
        let answer = classify(&pay(), 404, refusal);
        assert!(matches!(answer, Err(Failure::Lost { .. })), "{answer:?}");
    }

    #[test]
    fn refused_only_with_the_services_own_body() {
        for status in [400, 404, 409, 422] {
            assert!(
                matches!(
                    classify(&pay(), status, ERROR.as_bytes()),
                    Err(Failure::Refused {
                        message: Some(_),
                        ..
                    })
                ),
                "{status}"
            );
            assert!(
                matches!(
                    classify(&pay(), status, b"<html>"),
                    Err(Failure::Lost { .. })
                ),
                "{status}"
            );
        }
        for status in [
            100, 201, 204, 302, 401, 403, 407, 408, 425, 429, 500, 502, 503, 504,
        ] {
            assert!(
                matches!(
                    classify(&pay(), status, ERROR.as_bytes()),
                    Err(Failure::Lost { .. })
                ),
                "{status}"
            );
        }
    }

    #[test]
    fn the_services_words_stay_for_support_whatever_the_status() {
        let body = br#"{"code": "DB", "devMessage": "no base"}"#;
        let answer = classify(&pay(), 500, body);
        assert!(
            matches!(&answer, Err(Failure::Lost { detail, protocol: false }) if detail == "HTTP 500: \"DB\" / no base"),
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
            let answer = classify(&call, 200, body.as_bytes()).unwrap();
            let Reply::Consumer { ready: true, card } = answer else {
                panic!("{answer:?}")
            };
            assert_eq!(card.map(|card| card.number).as_deref(), expected);
        }
        assert!(classify(&call, 200, br#"{"isConsumerReady": 1}"#).is_err());
    }

    #[test]
    fn both_token_errors_are_known_by_words_and_by_code() {
        for (words, code, problem) in [
            (seed::TOKEN_EXISTS, "TOKEN_EXISTS", TokenProblem::Exists),
            (seed::TOKEN_NEEDED, "TOKEN_NEEDED", TokenProblem::Needed),
        ] {
            for body in [
                serde_json::json!({"userMessage": {"lang_ru": words}}),
                serde_json::json!({"internalCode": code}),
            ] {
                let answer = classify(&pay(), 401, body.to_string().as_bytes());
                assert!(
                    matches!(answer, Err(Failure::Token { problem: seen, .. }) if seen == problem)
                );
            }
        }
    }

    proptest! {
        #[test]
        fn no_garbage_is_an_answer(status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(classify(&pay(), status, &body).is_err());
        }
    }
}
