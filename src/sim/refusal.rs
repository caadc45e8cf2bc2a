//! What the service does not do, in its own words. `internalCode` is a small decimal number or empty;
//! but for 166, which was recorded, the numbers are this simulator's own and mean nothing elsewhere.

use serde_json::json;

use super::service::Response;

/// A refusal as the service words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    internal_code: &'static str,
    /// For support; `devMessage` puts the till before it.
    dev_message: String,
    /// Russian, for people; empty where the recorded service has no text for them.
    message: &'static str,
    /// Whole seconds for `Retry-After`.
    retry_after: Option<u64>,
}

impl Refusal {
    fn new(
        status: u16,
        internal_code: &'static str,
        dev: impl Into<String>,
        message: &'static str,
    ) -> Refusal {
        Refusal {
            status,
            internal_code,
            dev_message: dev.into(),
            message,
            retry_after: None,
        }
    }

    pub(super) fn bad(dev: impl Into<String>) -> Refusal {
        Refusal::new(400, "1", dev, "Неверный запрос")
    }

    pub(super) fn no_such_call() -> Refusal {
        Refusal::new(404, "2", "no such call", "Нет такого запроса")
    }

    pub(super) fn full(what: &str) -> Refusal {
        Refusal::new(503, "3", format!("too many {what}"), "Сервис занят")
    }

    /// Known by its words alone: no public source shows a code of it.
    pub(super) fn token_exists() -> Refusal {
        let words = "Токен уже существует или касса работает в режиме пароля";
        Refusal::new(
            400,
            "",
            "a token was issued already, or the till works with a password",
            words,
        )
    }

    /// Known by its words alone, as the other one.
    pub(super) fn token_needed() -> Refusal {
        let words = "Необходимо получить новый токен в кассовом ПО либо касса не зарегистрирована в личном кабинете юр. лица";
        Refusal::new(401, "", "no such token", words)
    }

    pub(super) fn unknown_consumer() -> Refusal {
        let words = "QR-код покупателя не распознан";
        Refusal::new(400, "4", "consumerQR is unknown", words)
    }

    pub(super) fn unknown_session() -> Refusal {
        Refusal::new(400, "5", "no such session", "Сессия не найдена")
    }

    /// Recorded.
    pub(super) fn session_over() -> Refusal {
        let words = "Превышено время ожидания клиента.";
        Refusal::new(400, "166", words, words)
    }

    /// Recorded, for a second payment in one session.
    pub(super) fn session_used() -> Refusal {
        Refusal::new(400, "", "Продавец не сформировал требование об оплате!", "")
    }

    pub(super) fn not_joined() -> Refusal {
        let words = "Покупатель не подключился";
        Refusal::new(400, "6", "the consumer has not joined", words)
    }

    pub(super) fn order_used() -> Refusal {
        let words = "Номер заказа уже использован";
        Refusal::new(400, "7", "orderNumber was used before", words)
    }

    pub(super) fn unknown_payment() -> Refusal {
        Refusal::new(404, "8", "no such payment", "Операция не найдена")
    }

    pub(super) fn not_paid() -> Refusal {
        Refusal::new(
            400,
            "9",
            "the payment took no money",
            "Операция не проведена",
        )
    }

    pub(super) fn more_than_left() -> Refusal {
        Refusal::new(400, "10", "more than is left of it", "Сумма больше остатка")
    }

    pub(super) fn too_soon(retry_after: u64) -> Refusal {
        Refusal {
            retry_after: Some(retry_after),
            ..Refusal::new(429, "", "too many requests", "")
        }
    }

    /// The answer to the till of that number.
    pub(super) fn response(self, reg_num: &str) -> Response {
        let english = if self.message.is_empty() {
            ""
        } else {
            self.dev_message.as_str()
        };
        let body = json!({
            "code": self.status.to_string(),
            "internalCode": self.internal_code,
            "devMessage": format!("RegNum {reg_num}: {}", self.dev_message),
            "userMessage": {"lang_ru": self.message, "lang_en": english},
        });
        Response {
            retry_after: self.retry_after,
            ..Response::json(self.status, &body)
        }
    }
}
