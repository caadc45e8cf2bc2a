//! `oplati reconcile` and `oplati report`.

use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::output::table;
use super::till::Till;
use super::{CliError, Context};
use crate::exit;
use crate::report::{Difference, Reconciliation, Total};

#[derive(Debug, Args)]
pub(super) struct ShiftArgs {
    /// Shift such as 24112026; else today in Belarus
    shift: Option<String>,
}

async fn ask(context: &Context, args: ShiftArgs) -> Result<Reconciliation, CliError> {
    let today = || crate::core::shift::of_day(crate::clock::wall());
    let shift = args.shift.unwrap_or_else(today);
    let till = Till::of(context)?;
    let body = json!({"shift": shift});
    Ok(till
        .ask_long(Method::POST, "/v1/reconciliations", Some(body))
        .await?)
}

/// Totals and differences; the exit code tells whether there are any.
pub(super) async fn reconcile(context: &Context, args: ShiftArgs) -> Result<u8, CliError> {
    let found = ask(context, args).await?;
    let code = if found.differences.is_empty() {
        exit::OK
    } else {
        exit::NOT_DONE
    };
    if context.output.json {
        context.output.value(&found).map_err(CliError::Write)?;
        return Ok(code);
    }
    let say = |russian, english| context.tongue.say(russian, english);
    let row = |title: &str, till: Total, service: Total| {
        vec![
            title.to_owned(),
            till.count.to_string(),
            till.amount.to_string(),
            service.count.to_string(),
            service.amount.to_string(),
        ]
    };
    let rows = vec![
        row(
            say("продажи", "sales"),
            found.till.sales,
            found.service.sales,
        ),
        row(
            say("возвраты", "refunds"),
            found.till.refunds,
            found.service.refunds,
        ),
        row(
            say("отмены", "cancellations"),
            found.till.cancellations,
            found.service.cancellations,
        ),
        row(
            say("отмены возвратов", "cancelled refunds"),
            found.till.cancelled_refunds,
            found.service.cancelled_refunds,
        ),
        vec![
            say("итого", "net").to_owned(),
            String::new(),
            found.till.net.to_string(),
            String::new(),
            found.service.net.to_string(),
        ],
    ];
    let headings = [
        say("вид", "kind"),
        say("касса", "till"),
        say("сумма", "amount"),
        say("сервис", "service"),
        say("сумма", "amount"),
    ];
    let mut text = table(&headings, &rows);
    if found.differences.is_empty() {
        text.push_str(say("\nРасхождений нет", "\nNo differences"));
    } else {
        let rows: Vec<Vec<String>> = found.differences.iter().map(difference).collect();
        let headings = [
            say("расхождение", "difference"),
            say("операция", "operation"),
            say("оплата", "payment"),
            say("касса", "till"),
            say("сервис", "service"),
        ];
        text.push_str("\n\n");
        text.push_str(&table(&headings, &rows));
    }
    context.output.line(&text).map_err(CliError::Write)?;
    if found.more_differences > 0 {
        let more = say("ещё расхождений:", "more differences:");
        context
            .output
            .note(&format!("{more} {}", found.more_differences));
    }
    Ok(code)
}

fn difference(difference: &Difference) -> Vec<String> {
    let side = |side: &Option<crate::report::Side>| {
        side.as_ref().map_or_else(
            || "-".to_owned(),
            |side| format!("{} {}", side.amount, side.state),
        )
    };
    vec![
        difference.what.words().to_owned(),
        difference
            .operation
            .clone()
            .unwrap_or_else(|| "-".to_owned()),
        difference
            .payment_id
            .map_or_else(|| "-".to_owned(), |id| id.to_string()),
        side(&difference.till),
        side(&difference.service),
    ]
}

/// The lines that a till prints.
pub(super) async fn print(context: &Context, args: ShiftArgs) -> Result<u8, CliError> {
    let found = ask(context, args).await?;
    if context.output.json {
        context
            .output
            .value(&json!({"lines": found.lines}))
            .map_err(CliError::Write)?;
        return Ok(exit::OK);
    }
    let text = found.lines.join("\n");
    context.output.line(&text).map_err(CliError::Write)?;
    Ok(exit::OK)
}
