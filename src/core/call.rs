//! What the core asks of the service and what it may get back: plain values, so that the core and its tests know
//! nothing of HTTP.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::secret::Secret;
use crate::model::money::Kopecks;
use crate::model::operation::{Card, Receipt, Shows};

/// How a session with the buyer is opened.
#[derive(Clone, Debug)]
pub enum SessionMode {
    /// With the code that the scanner read.
    ConsumerQr(Secret),
    /// With a confirmation code.
    StaticQr,
    /// With a QR for this sale.
    DynamicQr,
}

/// What logs and metrics call `POST payments`.
pub const PAY: &str = "pay";

/// One request to the service.
#[derive(Clone)]
pub enum Call {
    /// `POST demandPayment`. Moves no money.
    OpenSession(SessionMode),
    /// `GET consumerStatus`. Moves no money.
    ConsumerStatus {
        /// From [`Reply::Session`].
        session: String,
    },
    /// `POST payments`. May move money.
    Pay {
        /// From [`Reply::Session`].
        session: String,
        /// Ours, unique for ever.
        order_number: String,
        /// Kopecks.
        sum: Kopecks,
        /// The sale's shift.
        shift: String,
        /// What is sold.
        receipt: Receipt,
        /// The service may hold the answer until the buyer has confirmed: it is awaited so long, and
        /// `timeout` bounds connecting and writing alone.
        answer_within: Duration,
    },
    /// `GET payments/{id}`. Moves no money.
    Payment {
        /// The service's number.
        payment_id: i64,
    },
    /// `POST payments/{id}/reversals`. May move money.
    Reverse {
        /// Of the operation that is reversed.
        payment_id: i64,
        /// Ours, unique for ever, the reversal's own.
        order_number: String,
        /// Kopecks.
        sum: Kopecks,
        /// The reversal's shift.
        shift: String,
        /// The sale's receipt, when all of it is reversed; else one line «Отмена оплаты».
        receipt: Option<Receipt>,
    },
    /// `GET paymentReports` for each of `shifts`, until every wanted number is found. Moves no money.
    LookUp {
        /// Shifts, the likeliest first.
        shifts: Vec<String>,
        /// Order numbers of ours.
        order_numbers: Vec<String>,
        /// Order numbers of ours that the reports must hold: without one of them they prove no absence.
        witnesses: Vec<String>,
    },
    /// `GET paymentReports` of one shift, only to see whether the service answers.
    Probe {
        /// Today's.
        shift: String,
    },
}

impl Call {
    /// Whether the request itself can move money, so that a missing answer leaves doubt.
    #[must_use]
    pub fn moves_money(&self) -> bool {
        matches!(self, Call::Pay { .. } | Call::Reverse { .. })
    }

    /// A fixed name for logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Call::OpenSession(_) => "demand_payment",
            Call::ConsumerStatus { .. } => "consumer_status",
            Call::Pay { .. } => PAY,
            Call::Payment { .. } => "payment",
            Call::Reverse { .. } => "reverse",
            Call::LookUp { .. } => "look_up",
            Call::Probe { .. } => "probe",
        }
    }
}

/// Sessions and receipts stay out of logs.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Status of a payment at the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentStatus {
    /// Status 0: the buyer has yet to confirm, or the money is on its way.
    InProgress,
    /// Status 1: the money has moved.
    Ok,
    /// Status 2: the buyer has declined.
    Decline,
    /// Status 3: the buyer lacks the money.
    NotEnough,
    /// Status 4: nobody has confirmed in time.
    Timeout,
    /// Status 5: the service or a reversal has cancelled it.
    TechnicalCancelling,
    /// A number that nobody documented: never final, never paid.
    Unknown(i64),
}

impl PaymentStatus {
    /// 2, 3, 4 or 5: the payment took no money and never will.
    #[must_use]
    pub fn took_nothing(self) -> bool {
        matches!(
            self,
            PaymentStatus::Decline
                | PaymentStatus::NotEnough
                | PaymentStatus::Timeout
                | PaymentStatus::TechnicalCancelling
        )
    }
}

/// Direction of an operation at the service (`paymentType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentType {
    /// Type 1: a buyer pays.
    Sale,
    /// Type 2: of no sale of a till's.
    Purchase,
    /// Type 3: money of a sale goes back to its buyer.
    ReversalOfSale,
    /// Type 4: money of a refund goes back to the shop.
    ReversalOfPurchase,
    /// A number that nobody documented.
    Unknown(i64),
}

/// What the service reports of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentInfo {
    /// The service's number.
    pub payment_id: i64,
    /// Direction.
    pub payment_type: PaymentType,
    /// Kopecks.
    pub sum: Kopecks,
    /// Where it stands.
    pub status: PaymentStatus,
    /// Ours, if it is ours.
    pub order_number: String,
    /// By the service's clock.
    pub created: Option<Timestamp>,
    /// By the service's clock, once paid.
    pub paid: Option<Timestamp>,
    /// `paidDate` as written, for the slip.
    pub paid_text: String,
    /// Masked purse.
    pub purse: Option<String>,
}

/// A valid answer. `Debug` shows no session: its number is as good as a key.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// To [`Call::OpenSession`].
    Session {
        /// For the next calls.
        session: String,
        /// What the display shows; `None` for the consumer's QR.
        shows: Option<Shows>,
    },
    /// To [`Call::ConsumerStatus`].
    Consumer {
        /// The buyer has joined.
        ready: bool,
        /// The first loyalty card, if any came.
        card: Option<Card>,
    },
    /// To [`Call::Pay`], [`Call::Payment`], [`Call::Reverse`].
    Payment(PaymentInfo),
    /// To [`Call::LookUp`]: the wanted operations that the reports hold. Every report that was needed
    /// came whole, so that what is not found is absent; a broken one is a [`Failure`].
    Found(Vec<PaymentInfo>),
    /// To [`Call::LookUp`]: reports that came, but lack what they must hold, or have rows that cannot be
    /// read. What is found is found; what is not found may be there all the same.
    Partial {
        /// The wanted operations that the reports hold, never all of them.
        found: Vec<PaymentInfo>,
        /// English, for support: why the reports prove no absence.
        detail: String,
    },
    /// To [`Call::Probe`].
    Alive,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Session { shows, .. } => write!(f, "Session {shows:?}"),
            Reply::Consumer { ready, .. } => write!(f, "Consumer ready: {ready}"),
            Reply::Payment(info) => write!(f, "Payment {info:?}"),
            Reply::Found(found) => write!(f, "Found {found:?}"),
            Reply::Partial { found, detail } => write!(f, "Partial {found:?}: {detail}"),
            Reply::Alive => f.write_str("Alive"),
        }
    }
}

/// Why there is no valid answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Provably nothing left this machine: name, connect, TLS, or no token to send it with.
    NotSent {
        /// English, for support.
        detail: String,
    },
    /// The service refused with a valid error body: nothing moved.
    Refused {
        /// Its Russian words for people, if any.
        message: Option<String>,
        /// English facts with codes, for support.
        detail: String,
    },
    /// The service wants a token problem solved first: nothing moved.
    Token {
        /// Which of the two.
        problem: TokenProblem,
        /// English, for support.
        detail: String,
    },
    /// The session has ended: 400 with `internalCode` 166 to `consumerStatus`, recorded of the real
    /// service. Nobody will join it any more.
    SessionOver {
        /// English, for support.
        detail: String,
    },
    /// 429: the service asks for patience. Of a request that can move money this proves as little as a lost answer
    /// does.
    TooManyRequests {
        /// `Retry-After`, if it came with one.
        retry_after: Option<Duration>,
        /// English, for support.
        detail: String,
    },
    /// Anything else: the request may have taken effect.
    Lost {
        /// English, for support.
        detail: String,
        /// How much of an answer came.
        received: Received,
    },
}

/// How much of an answer came to a request that may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// None, or not the whole of it: the line may be broken.
    Nothing,
    /// A status that shows neither effect nor refusal, such as 5xx: the line is well.
    Status,
    /// A 200 whose body breaks the protocol: the line is well.
    Malformed,
}

impl Failure {
    /// English, for support.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Failure::NotSent { detail }
            | Failure::Refused { detail, .. }
            | Failure::Token { detail, .. }
            | Failure::SessionOver { detail }
            | Failure::TooManyRequests { detail, .. }
            | Failure::Lost { detail, .. } => detail,
        }
    }

    /// Whether the service, or something on the way to it, has answered at all.
    #[must_use]
    pub fn was_answered(&self) -> bool {
        match self {
            Failure::NotSent { .. }
            | Failure::Lost {
                received: Received::Nothing,
                ..
            } => false,
            Failure::Refused { .. }
            | Failure::Token { .. }
            | Failure::SessionOver { .. }
            | Failure::TooManyRequests { .. }
            | Failure::Lost {
                received: Received::Status | Received::Malformed,
                ..
            } => true,
        }
    }
}

/// The seed's two token errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenProblem {
    /// "Токен уже существует или касса работает в режиме пароля".
    Exists,
    /// "Необходимо получить новый токен в кассовом ПО либо касса не зарегистрирована …".
    Needed,
    /// Our own disk: token.conf cannot be read, or not be written, so that none is asked for.
    NoPlace,
    /// token.conf is there and holds no token that can be read. It may be the only one that was ever issued.
    Damaged,
}

/// The outcome of one request, reported exactly once.
pub type Answer = Result<Reply, Failure>;
