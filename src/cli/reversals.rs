//! `oplati refund`, `cancel`, `annul`, `card`.

use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::conversation::{carry_out, new_id};
use super::till::Till;
use super::{CliError, Context};
use crate::config;
use crate::money::Kopecks;
use crate::operation::Operation;

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
    #[arg(long, default_value = "Возврат")]
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    /// The sale or refund that is undone
    operation: String,
    /// The cancellation's identifier; else a new one
    #[arg(long)]
    id: Option<String>,
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
            sale.left.unwrap_or(sale.amount)
        }
    };
    let id = args.id.unwrap_or_else(new_id);
    let number = args.receipt.unwrap_or_else(|| id.clone());
    let request = json!({
        "sale": args.sale,
        "amount": amount,
        "receipt": {"number": number, "items": [{"name": args.name, "cost": amount}]},
    });
    carry_out(context, "/v1/refunds", &id, request).await
}

pub(super) async fn cancel(
    context: &Context,
    args: CancelArgs,
    annul: bool,
) -> Result<u8, CliError> {
    let id = args.id.unwrap_or_else(new_id);
    let request = json!({"operation": args.operation, "annul": annul});
    carry_out(context, "/v1/cancellations", &id, request).await
}

pub(super) async fn card(context: &Context, args: CardArgs) -> Result<u8, CliError> {
    let configured = config::load_as_caller(&context.root)?.config.main.valutcode;
    let valutcode = args.valutcode.or(configured).unwrap_or(1);
    let id = args.id.unwrap_or_else(new_id);
    let request = json!({"valutcode": valutcode, "cardNumberType": 5});
    carry_out(context, "/v1/cards", &id, request).await
}
