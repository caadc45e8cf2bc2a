//! `oplati open`: a link to the technician's page.

use reqwest::Method;

use super::till::Till;
use super::{CliError, Context};
use crate::base::exit_code;
use crate::texts::technician;

/// Prints a link that works once within a minute; opens nothing by itself.
pub(super) async fn run(context: &Context) -> Result<u8, CliError> {
    let till = Till::of(context)?;
    let link: serde_json::Value = till.ask(Method::POST, "/v1/links", None).await?;
    if context.output.json {
        context.print_json(&link)?;
        return Ok(exit_code::OK);
    }
    let url = link.get("url").and_then(|url| url.as_str());
    context.print(url.unwrap_or_default())?;
    context.remark(technician::OPEN_LINK);
    Ok(exit_code::OK)
}
