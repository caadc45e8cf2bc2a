//! What the buyer is to see: meaning, not looks.

use std::fmt;

use crate::model::money::Kopecks;
use crate::texts::newcomer;

/// Text of a QR code; `Debug` shows its length and tail only.
#[derive(Clone, PartialEq, Eq)]
pub struct QrPayload(String);

impl QrPayload {
    /// Takes the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> QrPayload {
        QrPayload(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for QrPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::base::secret::tail(&self.0))
    }
}

/// One scene. Its `Debug` shows no code whole, since scenes are logged with the core's effects.
#[derive(Clone, PartialEq, Eq)]
pub enum Scene {
    /// Nobody pays: the shop's name.
    Idle,
    /// Mode 0: show your code.
    ScanMe,
    /// Mode 2: scan this.
    Qr {
        /// Text of the code.
        payload: QrPayload,
        /// Kopecks; a card costs nothing.
        amount: Option<Kopecks>,
    },
    /// Mode 1: type this.
    Code {
        /// Digits.
        code: String,
        /// Kopecks; a card costs nothing.
        amount: Option<Kopecks>,
    },
    /// Confirm on your phone.
    PleaseConfirm {
        /// Kopecks.
        amount: Kopecks,
    },
    /// Something is being looked up.
    Checking,
    /// Paid.
    Paid {
        /// Kopecks.
        amount: Kopecks,
    },
    /// Declined by the buyer.
    Declined,
    /// The purse has too little.
    NotEnoughMoney,
    /// Nobody came, or nobody confirmed.
    TimeIsUp,
    /// Cancelled by the shop.
    Cancelled,
    /// Money went back.
    Refunded {
        /// Kopecks.
        amount: Kopecks,
    },
    /// The loyalty card was found.
    CardFound {
        /// What the buyer calls it.
        name: String,
    },
    /// Whether money moved is being found out.
    NotCompleted,
    /// No connection, no money moved.
    NoConnection,
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Scene::Qr { payload, amount } => {
                write!(f, " {payload:?}, {}", amount.unwrap_or(Kopecks::ZERO))
            }
            Scene::Code { code, amount } => {
                let amount = amount.unwrap_or(Kopecks::ZERO);
                write!(f, " {}, {amount}", crate::base::secret::tail(code))
            }
            Scene::PleaseConfirm { amount }
            | Scene::Paid { amount }
            | Scene::Refunded { amount } => {
                write!(f, " {amount}")
            }
            Scene::CardFound { .. }
            | Scene::Idle
            | Scene::ScanMe
            | Scene::Checking
            | Scene::Declined
            | Scene::NotEnoughMoney
            | Scene::TimeIsUp
            | Scene::Cancelled
            | Scene::NotCompleted
            | Scene::NoConnection => Ok(()),
        }
    }
}

impl Scene {
    /// A QR for the buyer.
    #[must_use]
    pub fn qr(payload: String, amount: Option<Kopecks>) -> Scene {
        Scene::Qr {
            payload: QrPayload(payload),
            amount,
        }
    }

    /// A confirmation code for the buyer.
    #[must_use]
    pub fn code(code: String, amount: Option<Kopecks>) -> Scene {
        Scene::Code { code, amount }
    }

    /// A short English name for logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Scene::Idle => "idle",
            Scene::ScanMe => "scan_me",
            Scene::Qr { amount: None, .. } => "card_qr",
            Scene::Qr { .. } => "qr",
            Scene::Code { amount: None, .. } => "card_code",
            Scene::Code { .. } => "code",
            Scene::PleaseConfirm { .. } => "please_confirm",
            Scene::Checking => "checking",
            Scene::Paid { .. } => "paid",
            Scene::Declined => "declined",
            Scene::NotEnoughMoney => "not_enough_money",
            Scene::TimeIsUp => "time_is_up",
            Scene::Cancelled => "cancelled",
            Scene::Refunded { .. } => "refunded",
            Scene::CardFound { .. } => "card_found",
            Scene::NotCompleted => "not_completed",
            Scene::NoConnection => "no_connection",
        }
    }

    /// Whether its picture moves, so that the buyer sees that something goes on.
    #[must_use]
    pub fn moves(&self) -> bool {
        matches!(self, Scene::PleaseConfirm { .. } | Scene::Checking)
    }

    /// One of each, for galleries and tests.
    #[must_use]
    pub fn samples() -> Vec<Scene> {
        let amount = Kopecks(123_456);
        let payload = "https://getapp.o-plati.by/map/?app_link=9f3b8a6e1c7d4f20b5a1d8e3c6f90712";
        vec![
            Scene::Idle,
            Scene::ScanMe,
            Scene::qr(payload.to_owned(), Some(amount)),
            Scene::code("482915".to_owned(), Some(amount)),
            Scene::PleaseConfirm { amount },
            Scene::Checking,
            Scene::Paid { amount },
            Scene::Declined,
            Scene::NotEnoughMoney,
            Scene::TimeIsUp,
            Scene::Cancelled,
            Scene::Refunded { amount },
            Scene::CardFound {
                name: newcomer::SAMPLE_CARD.to_owned(),
            },
            Scene::NotCompleted,
            Scene::NoConnection,
            // For a card, which costs nothing.
            Scene::qr(payload.to_owned(), None),
            Scene::code("482915".to_owned(), None),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_code_whole() {
        let qr = format!(
            "{:?}",
            Scene::qr(
                "https://getapp.o-plati.by/SECRET/7Q".into(),
                Some(Kopecks(1234))
            )
        );
        assert_eq!(qr, "qr 35 characters, …T/7Q, 12.34");
        let code = format!("{:?}", Scene::code("482915".into(), Some(Kopecks(1))));
        assert_eq!(code, "code 6 characters, 0.01");
        assert_eq!(
            format!(
                "{:?}",
                Scene::CardFound {
                    name: "Анна".into()
                }
            ),
            "card_found"
        );
    }
}
