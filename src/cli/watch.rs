//! `oplati watch` and `oplati scan`.

mod view;

use std::io::{BufRead, Read as _};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use view::View;

use super::till::{Till, TillError};
use super::ui_language::UiLanguage;
use super::{CliError, Context};
use crate::base::exit_code;
use crate::client::sse::Message;
use crate::devices::scanner::text::{Aim, decode};
use crate::texts::technician;

const EVENTS: &str = "/v1/events";
const EVERYTHING: &str = "/v1/events?also=request,scene";

/// Between two tries to find the daemon again.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(1);

/// Prints events until Ctrl-C, of one kind or of all; a restart of the daemon is waited for.
pub(super) async fn run(context: &Context, only: Option<&str>) -> Result<u8, CliError> {
    let till = Till::of(context)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(TillError::Run)?;
    let path = only.map_or(EVERYTHING, |_| EVENTS);
    let mut events = till.events(path, None).await?;
    let mut last: Option<String> = None;
    let mut started = started_at(&till).await;
    let mut printer = Printer {
        context,
        only,
        view: View::new(context.language),
    };
    context.remark(technician::WATCH_BEGINS);
    loop {
        let message = tokio::select! {
            _ = interrupt.recv() => {
                printer.rest()?;
                return Ok(exit_code::OK);
            }
            message = events.next() => message,
        };
        if let Ok(Some(message)) = message {
            if let Some(count) = missed(last.as_deref(), message.id.as_deref()) {
                context.output.note(&gap(context.language, count));
            }
            last = message.id.clone().or(last);
            printer.event(&message)?;
            continue;
        }
        printer.rest()?;
        context.remark(technician::WATCH_LOST);
        let lost = Instant::now();
        events = loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(exit_code::OK),
                () = tokio::time::sleep(RECONNECT_INTERVAL) => {}
            }
            if let Ok(again) = till.events(path, last.as_deref()).await {
                break again;
            }
        };
        let before = std::mem::replace(&mut started, started_at(&till).await);
        let restarted = started.is_none() || started != before;
        if restarted {
            // Its ids are of another count.
            last = None;
        }
        context
            .output
            .note(&back(context.language, restarted, lost.elapsed()));
    }
}

/// Puts events on the screen.
struct Printer<'a> {
    context: &'a Context,
    only: Option<&'a str>,
    view: View,
}

impl Printer<'_> {
    fn event(&mut self, message: &Message) -> Result<(), CliError> {
        if self.only.is_some_and(|only| only != message.event) {
            return Ok(());
        }
        let data: Value = serde_json::from_str(&message.data).unwrap_or_default();
        if self.context.output.json {
            let line = json!({"event": message.event, "data": data}).to_string();
            return self.context.print(&line);
        }
        for line in self.view.lines(&message.event, &data) {
            self.context.print(&line)?;
        }
        Ok(())
    }

    /// What was counted so far.
    fn rest(&mut self) -> Result<(), CliError> {
        let line = self.view.rest();
        line.map_or(Ok(()), |line| self.context.print(&line))
    }
}

/// Events between two ids that increase by one, if there are any.
fn missed(last: Option<&str>, id: Option<&str>) -> Option<u64> {
    let (last, id): (u64, u64) = (last?.parse().ok()?, id?.parse().ok()?);
    id.checked_sub(last)?
        .checked_sub(1)
        .filter(|count| *count > 0)
}

fn gap(language: UiLanguage, count: u64) -> String {
    language.text(technician::watch_missed(count)).into_owned()
}

/// What distinguishes one process of the daemon from the next.
async fn started_at(till: &Till) -> Option<String> {
    let health: Result<Value, TillError> = till.ask(Method::GET, "/v1/health", None).await;
    Some(health.ok()?.get("started_at")?.as_str()?.to_owned())
}

fn back(language: UiLanguage, restarted: bool, lost: Duration) -> String {
    let seconds = lost.as_secs();
    let text = if restarted {
        technician::watch_restarted(seconds)
    } else {
        technician::watch_back(seconds)
    };
    language.text(text).into_owned()
}

/// Most bytes of a code that is handed in: none that a scanner reads is as long.
const MAX_CODE_BYTES: u64 = 16 * 1024;

/// A line of standard input. Programs hand on what their scanner gave, in whatever coding.
fn code_of(input: &mut impl BufRead) -> Result<String, CliError> {
    let mut line = Vec::new();
    input
        .take(MAX_CODE_BYTES)
        .read_until(b'\n', &mut line)
        .map_err(|source| CliError::File {
            path: "standard input".into(),
            source,
        })?;
    decode(&line, Aim::Keep)
        .map(|code| code.expose().to_owned())
        .ok_or_else(|| CliError::Data("there is no code on standard input".to_owned()))
}

/// Hands in a code.
pub(super) async fn scan(context: &Context, text: String) -> Result<u8, CliError> {
    let text = if text == "-" {
        code_of(&mut std::io::stdin().lock())?
    } else {
        text
    };
    let till = Till::of(context)?;
    let answer: Value = till
        .ask(Method::POST, "/v1/scans", Some(json!({"text": text})))
        .await?;
    let say = |text| context.language.text(text);
    context.print_either(&answer, || {
        match answer.get("used_by").and_then(Value::as_str) {
            Some(id) => format!("{} {id}", say(technician::WATCH_CODE_TAKEN)),
            None => say(technician::WATCH_CODE_NOT_TAKEN).into_owned(),
        }
    })?;
    Ok(exit_code::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_any_coding_is_taken_and_none_is_an_error() {
        let code = |mut bytes: &[u8]| code_of(&mut bytes);
        assert_eq!(code(b"OPL-1\r\nnext").unwrap(), "OPL-1");
        assert_eq!(code(b"\xcd\xe0\n").unwrap(), "На");
        for none in [b"".as_slice(), b"\n", b"\x00\n"] {
            let error = code(none).unwrap_err();
            assert_eq!(error.exit_code(), exit_code::DATA);
        }
        assert_eq!(code(b"\xff").unwrap(), "я");
    }

    #[test]
    fn a_gap_between_ids_is_counted() {
        for (last, id, count) in [
            (Some("7"), Some("8"), None),
            (Some("7"), Some("7"), None),
            (Some("7"), Some("10"), Some(2)),
            (Some("7"), Some("3"), None),
            (None, Some("3"), None),
            (Some("x"), Some("3"), None),
            (Some("7"), None, None),
        ] {
            assert_eq!(missed(last, id), count, "{last:?} {id:?}");
        }
    }
}
