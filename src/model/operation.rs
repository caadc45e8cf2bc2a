//! An operation as the till sees it: the one resource of the API, the record of the journal and the
//! subject of the core. The names are the contract of the till API, letter for letter.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::money::Kopecks;

/// What is done with the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A receipt is paid.
    Sale,
    /// Money of a sale goes back for returned goods.
    Refund,
    /// What is left of a sale is reversed.
    Cancel,
    /// A refund is reversed.
    CancelRefund,
    /// A cancel whose receipt was closed already.
    Annul,
    /// The buyer is identified for the loyalty card.
    Card,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Journalled, nothing sent.
    New,
    /// A request is under way, or a reversal is being carried out; nobody is waited for.
    InProgress,
    /// The scanner is armed for the buyer's code.
    AwaitingScan,
    /// The QR or the code is on the display, the buyer has not joined.
    AwaitingBuyer,
    /// The payment exists, the buyer has yet to confirm.
    AwaitingConfirmation,
    /// A request that may have moved money got no answer; being looked up.
    InDoubt,
    /// A cancellation that waits for the connection.
    Queued,
    /// Carried out.
    Done,
    /// The buyer refused.
    Declined,
    /// The purse has too little.
    NotEnoughMoney,
    /// Nobody came, or nobody confirmed, in time.
    Expired,
    /// Cancelled by the till or the service.
    Cancelled,
    /// Not carried out; `undo` shows whether money may have moved.
    Failed,
}

impl State {
    /// Whether nothing will change any more.
    pub fn is_final(self) -> bool {
        match self {
            State::New
            | State::InProgress
            | State::AwaitingScan
            | State::AwaitingBuyer
            | State::AwaitingConfirmation
            | State::InDoubt
            | State::Queued => false,
            State::Done
            | State::Declined
            | State::NotEnoughMoney
            | State::Expired
            | State::Cancelled
            | State::Failed => true,
        }
    }
}

/// Whether what may have moved money is being brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// In the queue.
    Pending,
    /// Seen undone, or conclusively never carried out.
    Done,
    /// A person must look: refused for good.
    SetAside,
}

/// How the buyer and the till find each other; the seed's `mode` 0, 1, 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Mode {
    /// 0: the cashier scans the buyer's QR code.
    #[default]
    ConsumerQr,
    /// 1: the buyer scans the shop's static QR and types the confirmation code.
    StaticQr,
    /// 2: the buyer scans a QR made for this sale.
    DynamicQr,
}

impl From<Mode> for u8 {
    fn from(mode: Mode) -> u8 {
        match mode {
            Mode::ConsumerQr => 0,
            Mode::StaticQr => 1,
            Mode::DynamicQr => 2,
        }
    }
}

impl TryFrom<u8> for Mode {
    type Error = String;

    fn try_from(number: u8) -> Result<Mode, String> {
        match number {
            0 => Ok(Mode::ConsumerQr),
            1 => Ok(Mode::StaticQr),
            2 => Ok(Mode::DynamicQr),
            other => Err(format!("mode {other} is not 0, 1 or 2")),
        }
    }
}

/// What stands on the display for the buyer to take: in memory and in the journal only while the
/// operation lives.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shows {
    /// Text of the dynamic QR.
    Qr(String),
    /// Confirmation code, digits.
    Code(String),
}

/// Shows no content.
impl std::fmt::Debug for Shows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shows::Qr(text) => write!(f, "Qr({} characters)", text.chars().count()),
            Shows::Code(text) => write!(f, "Code({} digits)", text.chars().count()),
        }
    }
}

/// Error codes of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The service could not be reached or did not answer.
    NoConnection,
    /// A token was issued before, or the till works in password mode.
    TokenExists,
    /// The token was reset, or the till is not registered.
    TokenNeeded,
    /// The service refused.
    ServiceRejected,
    /// The service's answer breaks the protocol.
    ServiceProtocol,
    /// The request cannot be carried out as it is.
    Invalid,
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OperationError {
    /// For programs.
    pub code: ErrorCode,
    /// For the cashier, Russian; the operation's `message`.
    pub message: String,
    /// For support, English, at most 300 characters.
    pub detail: String,
    /// One action that helps, Russian.
    pub remedy: String,
}

/// A loyalty card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Card {
    /// Its number.
    pub number: String,
    /// What the buyer calls it.
    pub name: String,
}

/// What a receipt prints about the payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Slip {
    /// The service's number of the payment.
    pub payment_id: i64,
    /// When it was paid, by the service's clock, as the service wrote it (RFC 3339).
    pub paid_at: String,
    /// Kopecks.
    #[schema(value_type = i64)]
    pub amount: Kopecks,
    /// The buyer's purse, masked by the service.
    pub purse: Option<String>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Operation {
    /// The till's identifier; those that begin with `~` are the daemon's own.
    pub id: String,
    /// Grows with every journalled change of this operation, 1 when it is made; 0 in what was journalled
    /// before versions were counted. `after` of `GET /v1/operations/{id}` takes it.
    #[serde(default)]
    #[schema(required = true)]
    pub version: u64,
    /// What is done.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Kopecks.
    #[schema(value_type = i64)]
    pub amount: Kopecks,
    /// 0, 1, 2.
    #[schema(value_type = u8, maximum = 2)]
    pub mode: Mode,
    /// The shift it belongs to at the service.
    pub shift: String,
    /// Our order number at the service.
    pub order_number: String,
    /// The service's number, once known.
    pub payment_id: Option<i64>,
    /// The operation that this one undoes or refunds.
    pub of: Option<String>,
    /// Kopecks that can still be reversed; null where it does not apply.
    #[schema(value_type = Option<i64>)]
    pub left: Option<Kopecks>,
    /// Kopecks that reversals which were found late have taken beyond what was left; absent where that is none.
    /// What is given back to `left` pays this first.
    #[serde(default, skip_serializing_if = "Kopecks::is_zero")]
    #[schema(value_type = Option<i64>)]
    pub overdrawn: Kopecks,
    /// Whether money that may have moved is being brought back.
    pub undo: Option<Undo>,
    /// What the buyer's display shows of it now.
    pub shows: Option<Shows>,
    /// The one line for the cashier, Russian.
    pub message: String,
    /// Why it failed; or why it waits for a person, or a refund is in doubt, as long as it is so.
    pub error: Option<OperationError>,
    /// The buyer's loyalty card.
    pub card: Option<Card>,
    /// What the receipt prints.
    pub slip: Option<Slip>,
    /// RFC 3339, UTC, milliseconds.
    #[serde(with = "rfc3339_ms")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// RFC 3339, UTC, milliseconds.
    #[serde(with = "rfc3339_ms")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// RFC 3339, UTC, milliseconds; null until final.
    #[serde(with = "rfc3339_ms::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
}

impl Operation {
    /// Whether nothing can be reversed of it any more; also where `left` does not apply.
    #[must_use]
    pub fn has_nothing_left(&self) -> bool {
        self.left.is_none_or(|left| left.is_zero())
    }
}

/// One thing sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// As on the receipt, 1 to 256 characters.
    #[schema(min_length = 1, max_length = 256)]
    pub name: String,
    /// Decimal text above zero with at most three decimals, such as `1.000`.
    #[schema(pattern = r"^(?!0+(\.0+)?$)[0-9]{1,9}(\.[0-9]{1,3})?$")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<String>,
    /// Kopecks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 100_000_000)]
    pub price: Option<Kopecks>,
    /// Kopecks for all of it.
    #[schema(value_type = i64, minimum = 0, maximum = 100_000_000)]
    pub cost: Kopecks,
    /// Goods unless said.
    #[serde(default)]
    pub kind: ItemKind,
    /// Digits, 1 to 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9]{1,64}$")]
    pub barcode: Option<String>,
}

/// What an item is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A thing.
    #[default]
    Goods,
    /// A service.
    Service,
}

/// The till's receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The till's number, 1 to 64 characters.
    #[schema(min_length = 1, max_length = 64)]
    pub number: String,
    /// The till's shift, 1 to 32 characters. If absent: the date in Belarus, and for a refund the shift of the newest
    /// sale, if that named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 32)]
    pub shift: Option<String>,
    /// 1 to 1000 items that add up to the amount and `paid_otherwise` together.
    #[schema(min_items = 1, max_items = 1000)]
    pub items: Vec<Item>,
    /// Printed above, at most 1024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub header: Option<String>,
    /// Printed below, at most 1024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub footer: Option<String>,
    /// Kopecks of this receipt that the buyer pays by cash, card or other means, 0 to 100 000 000; 0 if absent.
    #[serde(default, skip_serializing_if = "Kopecks::is_zero")]
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 100_000_000)]
    pub paid_otherwise: Kopecks,
}

impl Receipt {
    /// What the items cost together, in kopecks; `None` beyond 64 bits.
    pub fn total(&self) -> Option<Kopecks> {
        let mut costs = self.items.iter().map(|item| item.cost);
        costs.try_fold(Kopecks::ZERO, Kopecks::checked_add)
    }
}

/// What `PUT /v1/sales/{id}` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaleRequest {
    /// Kopecks, 1 to 100 000 000.
    #[schema(value_type = i64, minimum = 1, maximum = 100_000_000)]
    pub amount: Kopecks,
    /// What is sold.
    pub receipt: Receipt,
    /// Instead of the configured mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u8>, maximum = 2)]
    pub mode: Option<Mode>,
}

/// What `PUT /v1/refunds/{id}` takes: exactly one of `sale` and `payment_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundRequest {
    /// The sale's identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    pub sale: Option<String>,
    /// The service's number of the sale, for example one that another till made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub payment_id: Option<i64>,
    /// Kopecks, at most what is left of the sale.
    #[schema(value_type = i64, minimum = 1, maximum = 100_000_000)]
    pub amount: Kopecks,
    /// What comes back; its items add up to the amount.
    pub receipt: Receipt,
}

/// What `PUT /v1/cancellations/{id}` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancellationRequest {
    /// The sale or refund that is undone.
    #[schema(max_length = 65, pattern = "^~?[A-Za-z0-9][A-Za-z0-9._-]*$")]
    pub operation: String,
    /// The receipt was closed already.
    #[serde(default)]
    pub annul: bool,
    /// The till's shift in which the money goes back, 1 to 32 characters. If absent: the shift of the newest sale, if
    /// that named one, else the date in Belarus when it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 32)]
    pub shift: Option<String>,
}

/// What `PUT /v1/cards/{id}` takes: the parameters of the till's `COMMAND_CARD`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CardRequest {
    /// The payment type's number in the till.
    pub valutcode: u32,
    /// 5: the card comes from the processing.
    #[serde(rename = "cardNumberType")]
    #[schema(minimum = 5, maximum = 5)]
    pub card_number_type: u32,
}

/// What a till asks for with a `PUT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationRequest {
    /// `PUT /v1/sales/{id}`.
    Sale(SaleRequest),
    /// `PUT /v1/refunds/{id}`.
    Refund(RefundRequest),
    /// `PUT /v1/cancellations/{id}`.
    Cancellation(CancellationRequest),
    /// `PUT /v1/cards/{id}`.
    Card(CardRequest),
}

/// An entry of the queue: a reversal that is not decided yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueItem {
    /// Its identifier; those that begin with `~` are the daemon's own.
    pub id: String,
    /// The operation that it reverses; empty for a refund of a payment that the journal lacks.
    pub of: String,
    /// Its kind.
    pub kind: Kind,
    /// Kopecks.
    #[schema(value_type = i64)]
    pub amount: Kopecks,
    /// RFC 3339: since when it waits.
    #[serde(with = "rfc3339_ms")]
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Tries so far that did not settle it.
    pub tries: u32,
    /// What the last try met, English.
    pub last_error: Option<String>,
    /// RFC 3339: when it is tried again; null when set aside.
    #[serde(with = "rfc3339_ms::optional")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_try: Option<Timestamp>,
    /// Refused for good: waits for a person, blocks nothing.
    pub set_aside: bool,
}

/// What became of the reversal that a person closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The money that was to go back is with the buyer, or was never taken from there.
    CarriedOut,
    /// It is with the shop.
    NotCarriedOut,
}

/// A person's word on an entry of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is closed: 1 to 300 characters, journalled.
    pub reason: String,
    /// What has happened; the books follow it.
    pub outcome: Outcome,
}

/// The contract's word for a value of one: `sale`, `done`. Empty for what has no word.
pub fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

/// RFC 3339 in UTC with milliseconds, the one form of times in JSON and in the journal.
pub mod rfc3339_ms {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    /// `2026-11-24T06:52:50.123Z`.
    pub fn text(at: Timestamp) -> String {
        format!("{at:.3}")
    }

    /// For `#[serde(with)]`.
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*at))
    }

    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// When the text is no RFC 3339 time.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }

    /// The same for times that may be absent.
    pub mod optional {
        use jiff::Timestamp;
        use serde::{Deserialize, Deserializer, Serializer};

        /// For `#[serde(with)]`.
        pub fn serialize<S: Serializer>(
            at: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => super::serialize(at, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// For `#[serde(with)]`.
        ///
        /// # Errors
        /// When the text is no RFC 3339 time.
        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| text.parse().map_err(serde::de::Error::custom))
                .transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_contracts() {
        let names = |value: serde_json::Value| value.as_str().map(str::to_owned).unwrap();
        assert_eq!(
            names(serde_json::to_value(State::NotEnoughMoney).unwrap()),
            "not_enough_money"
        );
        assert_eq!(
            names(serde_json::to_value(Kind::CancelRefund).unwrap()),
            "cancel_refund"
        );
        assert_eq!(
            names(serde_json::to_value(Undo::SetAside).unwrap()),
            "set_aside"
        );
        assert_eq!(
            serde_json::to_value(Shows::Qr("x".into())).unwrap(),
            serde_json::json!({"qr": "x"})
        );
        assert_eq!(
            serde_json::to_value(Mode::DynamicQr).unwrap(),
            serde_json::json!(2)
        );
        assert!(serde_json::from_str::<Mode>("3").is_err());
    }

    #[test]
    fn a_receipt_without_paid_otherwise_is_one_with_none() {
        let old = r#"{"number": "1", "items": [{"name": "x", "cost": 5, "kind": "goods"}]}"#;
        let old: Receipt = serde_json::from_str(old).unwrap();
        let explicit =
            r#"{"number": "1", "items": [{"name": "x", "cost": 5}], "paid_otherwise": 0}"#;
        assert_eq!(serde_json::from_str::<Receipt>(explicit).unwrap(), old);
        let written = serde_json::to_string(&old).unwrap();
        assert!(!written.contains("paid_otherwise"), "{written}");
        let mixed = Receipt {
            paid_otherwise: Kopecks(3),
            ..old
        };
        let written = serde_json::to_string(&mixed).unwrap();
        assert!(written.contains(r#""paid_otherwise":3"#), "{written}");
        assert_eq!(serde_json::from_str::<Receipt>(&written).unwrap(), mixed);
    }

    #[test]
    fn times_have_milliseconds_and_z() {
        let at: Timestamp = "2026-11-24T06:52:50Z".parse().unwrap();
        assert_eq!(rfc3339_ms::text(at), "2026-11-24T06:52:50.000Z");
    }
}
