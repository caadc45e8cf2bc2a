//! Reconciliation: what the till believes of a shift against what the service reports, and the
//! report that a till prints of it.
//!
//! Two designs were weighed: read both sides into memory and compare two maps, or stream the service's
//! report past the journal's index. A shift may have a hundred thousand operations, and the daemon
//! shares a small machine with the till program, so the second: each row of the report is looked up
//! in the journal as it comes, and one bit for each operation of the shift remembers that it was seen.
//!
//! - `compare`: the two sides · `template`: `oplat.xml`, from totals to printed lines

mod compare;
mod template;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::money::Kopecks;
use crate::texts::cashier;

pub use compare::{Compared, Comparison};
pub use template::{Facts, Template};

/// The template that the package installs.
pub const DEFAULT_TEMPLATE: &str = include_str!("oplat.xml");

/// How many, and how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Total {
    /// How many.
    pub count: u64,
    /// Kopecks.
    #[schema(value_type = i64)]
    pub amount: Kopecks,
}

impl Total {
    fn add(&mut self, amount: Kopecks) {
        self.count += 1;
        self.amount = Kopecks(self.amount.0.saturating_add(amount.0));
    }
}

/// Totals by kind, of operations that moved money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    /// Paid sales.
    pub sales: Total,
    /// Refunds.
    pub refunds: Total,
    /// Cancellations and annulments of sales, and sales that were undone.
    pub cancellations: Total,
    /// Cancellations of refunds.
    pub cancelled_refunds: Total,
    /// Kopecks that the shop has of it.
    #[schema(value_type = i64)]
    pub net: Kopecks,
}

impl Totals {
    fn close(&mut self) {
        let plus = self
            .sales
            .amount
            .0
            .saturating_add(self.cancelled_refunds.amount.0);
        let minus = self
            .refunds
            .amount
            .0
            .saturating_add(self.cancellations.amount.0);
        self.net = Kopecks(plus.saturating_sub(minus));
    }
}

/// What one side says of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Side {
    /// Kopecks.
    #[schema(value_type = i64)]
    pub amount: Kopecks,
    /// The till's state, or the service's status as a number.
    pub state: String,
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Money moved at the service, and the journal does not know the operation.
    UnknownHere,
    /// The journal shows that money moved, and the report does not hold it.
    UnknownThere,
    /// Both know it, with different sums.
    SumDiffers,
    /// Both know it, and do not agree whether money moved.
    StatusDiffers,
}

impl What {
    /// For people, Russian.
    pub fn words(self) -> &'static str {
        match self {
            What::UnknownHere => cashier::DIFFERENCE_UNKNOWN_HERE,
            What::UnknownThere => cashier::DIFFERENCE_UNKNOWN_THERE,
            What::SumDiffers => cashier::DIFFERENCE_SUM,
            What::StatusDiffers => cashier::DIFFERENCE_STATUS,
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Which kind.
    pub what: What,
    /// The till's identifier, if the journal knows it.
    pub operation: Option<String>,
    /// The service's number, if it is known.
    pub payment_id: Option<i64>,
    /// What the journal says.
    pub till: Option<Side>,
    /// What the service says.
    pub service: Option<Side>,
}

/// `POST /v1/reconciliations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reconciliation {
    /// Which shift.
    pub shift: String,
    /// By the journal.
    pub till: Totals,
    /// By the service.
    pub service: Totals,
    /// Each by name, at most 1000.
    pub differences: Vec<Difference>,
    /// How many more there are than are named; an addition to the contract.
    pub more_differences: u64,
    /// Entries of the shift that a person closed.
    pub settled: Vec<String>,
    /// What the till prints, from `oplat.xml`.
    pub lines: Vec<String>,
}

/// Most differences that are named: more are one mistake, and not many.
pub const MAX_DIFFERENCES: usize = 1000;
