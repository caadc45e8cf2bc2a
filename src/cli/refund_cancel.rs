//! `oplati refund`, `cancel`, `annul`, `card`.

use clap::Args;
use jiff::SignedDuration;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::follow::{carry_out, new_id};
use super::till::{Till, TillError};
use super::{CliError, Context};
use crate::config;
use crate::model::money::Kopecks;
use crate::model::operation::{Kind, Operation, State};
use crate::model::problem::Problem;
use crate::texts::{cashier, technician};

#[derive(Debug, Args)]
pub(super) struct RefundArgs {
    /// The sale's identifier
    sale: String,
    /// Roubles, such as 12.34; without it all that is left
    #[arg(value_parser = Kopecks::from_person)]
    amount: Option<Kopecks>,
    /// The refund's identifier; else a new one
    #[arg(long)]
    id: Option<String>,
    /// Receipt number; else the identifier
    #[arg(long)]
    receipt: Option<String>,
    /// What comes back
    #[arg(long, default_value = cashier::REFUND_ITEM)]
    name: String,
    /// Also when the same sum of the same sale was refunded within the hour
    #[arg(long)]
    again: bool,
}

#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    /// The sale or refund that is undone
    operation: String,
    /// The cancellation's identifier; else a new one
    #[arg(long)]
    id: Option<String>,
    /// The till's shift in which the money goes back; else the till's present one
    #[arg(long)]
    shift: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct CardArgs {
    /// The operation's identifier; else a new one
    #[arg(long)]
    id: Option<String>,
    /// The payment type's number in the till; else as configured, else 1
    #[arg(long)]
    valutcode: Option<u32>,
}

pub(super) async fn refund(context: &Context, args: RefundArgs) -> Result<u8, CliError> {
    crate::core::validate::id(&args.sale).map_err(|problem| CliError::Usage(problem.detail))?;
    let amount = match args.amount {
        Some(amount) => amount,
        None => {
            let path = format!("/v1/operations/{}", args.sale);
            let sale: Operation = Till::of(context)?.ask(Method::GET, &path, None).await?;
            let left = sale.left.unwrap_or(sale.amount);
            // As a cancellation would be answered: the daemon would only blame the sum of nothing.
            if left == Kopecks::ZERO {
                let by = undone_by(context, &args.sale).await?;
                let problem = Problem::already_undone(&args.sale, by.as_deref());
                return Err(TillError::from(problem).into());
            }
            left
        }
    };
    let id = args.id.unwrap_or_else(new_id);
    if !args.again
        && let Some(same) = same_refund(context, &args.sale, amount, &id).await?
    {
        return Err(CliError::Usage(already(context, &same)));
    }
    let number = args.receipt.unwrap_or_else(|| id.clone());
    let request = json!({
        "sale": args.sale,
        "amount": amount,
        "receipt": {"number": number, "items": [{"name": args.name, "cost": amount}]},
    });
    carry_out(context, "/v1/refunds", &id, request).await
}

/// Operations of an hour are fewer.
const MAX_LOOKED_AT: usize = 500;
const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[derive(Deserialize)]
struct Page {
    operations: Vec<Operation>,
}

/// A refund of the same sale and sum within the hour that has moved money, or may have: a person whose answer was lost
/// tries once more.
async fn same_refund(
    context: &Context,
    sale: &str,
    amount: Kopecks,
    id: &str,
) -> Result<Option<Operation>, CliError> {
    let newest = newest(context).await?;
    let now = crate::base::clock::wall();
    let is_same = |operation: &Operation| {
        let is_refund = operation.kind == Kind::Refund && operation.of.as_deref() == Some(sale);
        let may_have_moved = operation.state == State::Done || !operation.state.is_final();
        let is_recent = now.duration_since(operation.updated_at) < HOUR;
        // The same identifier is the same refund.
        let is_another = operation.id != id;
        is_refund && may_have_moved && is_recent && is_another && operation.amount == amount
    };
    Ok(newest.into_iter().find(is_same))
}

/// The newest reversal of a sale that has moved money, or may have.
async fn undone_by(context: &Context, sale: &str) -> Result<Option<String>, CliError> {
    let has_taken = |operation: &Operation| {
        operation.of.as_deref() == Some(sale)
            && !matches!(operation.state, State::Failed | State::Cancelled)
    };
    let found = newest(context).await?.into_iter().find(has_taken);
    Ok(found.map(|operation| operation.id))
}

async fn newest(context: &Context) -> Result<Vec<Operation>, CliError> {
    let path = format!("/v1/operations?limit={MAX_LOOKED_AT}");
    let page: Page = Till::of(context)?.ask(Method::GET, &path, None).await?;
    Ok(page.operations)
}

fn already(context: &Context, same: &Operation) -> String {
    let at = crate::base::zone::local_zone()
        .to_datetime(same.created_at)
        .strftime("%H:%M");
    let (id, amount, message) = (&same.id, same.amount, &same.message);
    let text = context.language.text(technician::REFUND_AGAIN);
    format!("{amount}, {at}, {id}: {message}. {text}")
}

pub(super) async fn cancel(
    context: &Context,
    args: CancelArgs,
    annul: bool,
) -> Result<u8, CliError> {
    let id = args.id.unwrap_or_else(new_id);
    let mut request = json!({"operation": args.operation, "annul": annul});
    if let (Some(shift), Some(fields)) = (args.shift, request.as_object_mut()) {
        fields.insert("shift".to_owned(), shift.into());
    }
    carry_out(context, "/v1/cancellations", &id, request).await
}

pub(super) async fn card(context: &Context, args: CardArgs) -> Result<u8, CliError> {
    let configured = config::load_as_caller(&context.root)?.config.main.valutcode;
    let valutcode = args.valutcode.or(configured).unwrap_or(1);
    let id = args.id.unwrap_or_else(new_id);
    let request = json!({"valutcode": valutcode, "cardNumberType": 5});
    carry_out(context, "/v1/cards", &id, request).await
}
