//! `oplati watch` and `oplati scan`.

use std::io::BufRead as _;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::output::printable;
use super::till::{Till, TillError};
use super::{CliError, Context};
use crate::exit;

/// Between two tries to find the daemon again.
const AGAIN: Duration = Duration::from_secs(1);

/// Prints events until Ctrl-C, of one kind or of all; a restart of the daemon is waited for.
pub(super) async fn run(context: &Context, only: Option<&str>) -> Result<u8, CliError> {
    let till = Till::of(context)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(TillError::Run)?;
    let mut events = till.events(None).await?;
    let mut last: Option<String> = None;
    context.output.note(context.tongue.say(
        "События по мере появления; выход: Ctrl-C",
        "Events as they come; stop with Ctrl-C",
    ));
    loop {
        let message = tokio::select! {
            _ = interrupt.recv() => return Ok(exit::OK),
            message = events.next() => message,
        };
        if let Ok(Some(message)) = &message {
            last = message.id.clone().or(last);
        }
        match message {
            Ok(Some(message)) if only.is_none_or(|only| only == message.event) => {
                let data: Value = serde_json::from_str(&message.data).unwrap_or_default();
                let line = if context.output.json {
                    json!({"event": message.event, "data": data}).to_string()
                } else {
                    describe(&message.event, &data)
                };
                context.output.line(&line).map_err(CliError::Write)?;
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                context.output.note(context.tongue.say(
                    "Служба остановлена, жду…",
                    "The daemon has stopped, waiting…",
                ));
                events = loop {
                    tokio::select! {
                        _ = interrupt.recv() => return Ok(exit::OK),
                        () = tokio::time::sleep(AGAIN) => {}
                    }
                    if let Ok(again) = till.events(last.as_deref()).await {
                        break again;
                    }
                };
            }
        }
    }
}

/// One line for a phone call with support.
fn describe(event: &str, data: &Value) -> String {
    let text = |name: &str| match data.get(name) {
        Some(Value::String(text)) => printable(text),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let time = jiff::tz::TimeZone::system()
        .to_datetime(crate::clock::wall())
        .strftime("%H:%M:%S")
        .to_string();
    let what = match event {
        "operation" => format!(
            "{} {} {} {}",
            text("id"),
            text("kind"),
            text("state"),
            text("message")
        ),
        "scan" => {
            let used = match text("used_by") {
                id if id.is_empty() => String::new(),
                id => format!(" → {id}"),
            };
            format!("{} {}{used}", text("device"), text("tail"))
        }
        "device" => format!("{} {}", text("name"), text("state")),
        "queue" => format!(
            "{} of {} tries {} {}",
            text("id"),
            text("of"),
            text("tries"),
            text("last_error")
        ),
        _ => format!("{} {}", text("status"), text("reasons")),
    };
    format!("{time}  {event:<9}  {}", what.trim_end())
}

/// Hands in a code.
pub(super) async fn scan(context: &Context, text: String) -> Result<u8, CliError> {
    let text = if text == "-" {
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(TillError::Run)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        text
    };
    let till = Till::of(context)?;
    let answer: Value = till
        .ask(Method::POST, "/v1/scans", Some(json!({"text": text})))
        .await?;
    if context.output.json {
        context.output.value(&answer).map_err(CliError::Write)?;
        return Ok(exit::OK);
    }
    let line = match answer.get("used_by").and_then(Value::as_str) {
        Some(id) => format!(
            "{} {id}",
            context
                .tongue
                .say("Код принят операцией", "The code was taken by")
        ),
        None => context
            .tongue
            .say("Код никто не ждал", "Nobody waited for a code")
            .to_owned(),
    };
    context.output.line(&line).map_err(CliError::Write)?;
    Ok(exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let data = json!({"device": "scanner1", "length": 16, "tail": "16 characters, …AB12", "used_by": "s-1"});
        let line = describe("scan", &data);
        assert!(
            line.ends_with("scan       scanner1 16 characters, …AB12 → s-1"),
            "{line}"
        );
        assert!(!describe("health", &json!({"status": "ok", "reasons": []})).contains('\n'));
    }
}
