//! `oplati sale`: a till program in one command.

use clap::Args;
use serde_json::json;

use super::follow::{carry_out, new_id};
use super::{CliError, Context};
use crate::model::money::Kopecks;
use crate::texts::cashier;

#[derive(Debug, Args)]
pub(super) struct SaleArgs {
    /// Roubles, such as 12.34
    #[arg(value_parser = Kopecks::from_person)]
    amount: Kopecks,
    /// 0 scan the buyer's QR, 1 static QR with a code, 2 dynamic QR; else as configured
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=2))]
    mode: Option<u8>,
    /// The operation's identifier; else a new one
    #[arg(long)]
    id: Option<String>,
    /// Receipt number; else the identifier
    #[arg(long)]
    receipt: Option<String>,
    /// What is sold
    #[arg(long, default_value = cashier::SALE_ITEM)]
    name: String,
}

pub(super) async fn run(context: &Context, args: SaleArgs) -> Result<u8, CliError> {
    let id = args.id.unwrap_or_else(new_id);
    let number = args.receipt.unwrap_or_else(|| id.clone());
    let mut request = json!({
        "amount": args.amount,
        "receipt": {"number": number, "items": [{"name": args.name, "cost": args.amount}]},
    });
    if let (Some(mode), Some(fields)) = (args.mode, request.as_object_mut()) {
        fields.insert("mode".to_owned(), mode.into());
    }
    carry_out(context, "/v1/sales", &id, request).await
}
