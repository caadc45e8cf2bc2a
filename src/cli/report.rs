//! `oplati reconcile` and `oplati report`.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::json;

use super::output::table;
use super::till::Till;
use super::ui_language::UiLanguage;
use super::{CliError, Context};
use crate::base::exit_code;
use crate::core::shift::of_day;
use crate::report::{Difference, Reconciliation, Total};
use crate::texts::technician::{self, Text};

#[derive(Debug, Args)]
pub(super) struct ShiftArgs {
    /// Shift such as 24112026; else today in Belarus
    shift: Option<String>,
    /// The shift of yesterday in Belarus
    #[arg(long, conflicts_with = "shift")]
    yesterday: bool,
}

impl ShiftArgs {
    /// The shift that is meant at this moment.
    fn shift(self, now: Timestamp) -> String {
        // Belarus has no summer time: each day has 24 hours.
        let day = SignedDuration::from_hours(if self.yesterday { 24 } else { 0 });
        let at = now.saturating_sub(day).unwrap_or(now);
        self.shift.unwrap_or_else(|| of_day(at))
    }
}

async fn ask(context: &Context, args: ShiftArgs) -> Result<Reconciliation, CliError> {
    let shift = args.shift(crate::base::clock::wall());
    let till = Till::of(context)?;
    let body = json!({"shift": shift});
    Ok(till
        .ask_long(Method::POST, "/v1/reconciliations", Some(body))
        .await?)
}

/// Totals and differences; the exit code shows whether there are any.
pub(super) async fn reconcile(context: &Context, args: ShiftArgs) -> Result<u8, CliError> {
    let found = ask(context, args).await?;
    let code = if found.differences.is_empty() {
        exit_code::OK
    } else {
        exit_code::NOT_DONE
    };
    if context.output.json {
        context.print_json(&found)?;
        return Ok(code);
    }
    let say = |text| context.language.text(text);
    let mut text = totals(&found, context.language);
    if found.differences.is_empty() {
        text.push_str(&say(technician::REPORT_NO_DIFFERENCES));
    } else {
        text.push_str("\n\n");
        text.push_str(&differences(&found.differences, context.language));
    }
    context.print(&text)?;
    if found.more_differences > 0 {
        let more = say(technician::REPORT_MORE_DIFFERENCES);
        context
            .output
            .note(&format!("{more} {}", found.more_differences));
    }
    Ok(code)
}

/// What till and service count of each kind of operation.
fn totals(found: &Reconciliation, language: UiLanguage) -> String {
    let say = |text| language.text(text);
    let row = |title: Text, till: Total, service: Total| {
        vec![
            say(title).into_owned(),
            till.count.to_string(),
            till.amount.to_string(),
            service.count.to_string(),
            service.amount.to_string(),
        ]
    };
    let rows = vec![
        row(
            technician::REPORT_SALES,
            found.till.sales,
            found.service.sales,
        ),
        row(
            technician::REPORT_REFUNDS,
            found.till.refunds,
            found.service.refunds,
        ),
        row(
            technician::REPORT_CANCELLATIONS,
            found.till.cancellations,
            found.service.cancellations,
        ),
        row(
            technician::REPORT_CANCELLED_REFUNDS,
            found.till.cancelled_refunds,
            found.service.cancelled_refunds,
        ),
        vec![
            say(technician::REPORT_NET).into_owned(),
            String::new(),
            found.till.net.to_string(),
            String::new(),
            found.service.net.to_string(),
        ],
    ];
    let headings = [
        say(technician::HEADING_KIND),
        say(technician::HEADING_TILL),
        say(technician::HEADING_AMOUNT),
        say(technician::HEADING_SERVICE),
        say(technician::HEADING_AMOUNT),
    ];
    table(&headings, &rows)
}

fn differences(differences: &[Difference], language: UiLanguage) -> String {
    let say = |text| language.text(text);
    let rows: Vec<Vec<String>> = differences.iter().map(difference).collect();
    let headings = [
        say(technician::HEADING_DIFFERENCE),
        say(technician::HEADING_OPERATION),
        say(technician::HEADING_PAYMENT),
        say(technician::HEADING_TILL),
        say(technician::HEADING_SERVICE),
    ];
    table(&headings, &rows)
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
    let lines = json!({"lines": found.lines});
    context.print_either(&lines, || found.lines.join("\n"))?;
    Ok(exit_code::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yesterday_is_belarusian() {
        let shift = |yesterday, now: &str| {
            let args = ShiftArgs {
                shift: None,
                yesterday,
            };
            args.shift(now.parse().unwrap())
        };
        let late = "2026-11-30T21:30:00Z";
        assert_eq!(shift(false, late), "01122026");
        assert_eq!(shift(true, late), "30112026");
        let named = ShiftArgs {
            shift: Some("s-7".into()),
            yesterday: false,
        };
        assert_eq!(named.shift(late.parse().unwrap()), "s-7");
    }
}
