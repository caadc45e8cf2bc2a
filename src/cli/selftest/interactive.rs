//! The closed loop on the terminal: through the daemon when it runs, with the same modules when not.

use std::io::BufRead as _;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::till::{self, Till, TillError};
use super::super::words::Tongue;
use super::super::{CliError, Context};
use super::stopped;
use crate::selftest::{Check, Daemon, Ground, Group, Text, Verdict};

/// Between two looks at a test that goes on.
const LOOK: Duration = Duration::from_millis(200);

pub(super) fn run(
    context: &Context,
    ground: &Ground,
    scans: usize,
) -> Result<Vec<Check>, CliError> {
    match &ground.daemon {
        Daemon::Runs { devices, .. } => till::block_on(async {
            let till = Till::of(context)?;
            through_daemon(context, &till, devices, scans).await
        }),
        Daemon::Stopped => stopped::run(context, ground, scans),
        Daemon::Closed | Daemon::Silent(_) => Ok(Vec::new()),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

async fn through_daemon(
    context: &Context,
    till: &Till,
    devices: &[Value],
    scans: usize,
) -> Result<Vec<Check>, CliError> {
    let names = |kind: &'static str| {
        devices
            .iter()
            .filter(move |device| {
                text(device, "kind") == kind && text(device, "state") == "connected"
            })
            .map(|device| text(device, "name").to_owned())
    };
    let mut checks = Vec::new();
    for display in names("display") {
        let mut has_codes = false;
        for scanner in names("scanner") {
            let wish = json!({"interactive": true, "display": display, "scans": scans});
            match follow(context, till, &scanner, wish, None).await {
                Ok(found) => {
                    has_codes = true;
                    checks.extend(found);
                }
                // This display shows no codes.
                Err(CliError::Till(TillError::Problem { status: 422, .. })) => break,
                Err(error) => {
                    has_codes = true;
                    checks.push(refused(&scanner, error)?);
                }
            }
        }
        if !has_codes {
            let wish = json!({"interactive": true});
            match follow(context, till, &display, wish, Some(read_line)).await {
                Ok(found) => checks.extend(found),
                Err(error) => checks.push(refused(&display, error)?),
            }
        }
    }
    Ok(checks)
}

/// What the daemon does not do now, for a buyer or another test is there: a finding like others.
fn refused(device: &str, error: CliError) -> Result<Check, CliError> {
    let CliError::Till(TillError::Problem { detail, remedy, .. }) = error else {
        return Err(error);
    };
    let title = Text::new("Проверка с человеком", "Test with a person");
    let check = Check::pass(
        "device.interactive",
        Group::Devices,
        title,
        Text::same(detail),
    );
    let remedy = Some(Text::same(remedy));
    Ok(check.of(device).ended(Verdict::Warn, remedy))
}

/// Asks a person for a line; standard input that has ended is an empty one.
pub(super) fn read_line() -> String {
    let mut line = String::new();
    // A person's terminal that fails has said nothing.
    drop(std::io::stdin().lock().read_line(&mut line));
    line.trim().to_owned()
}

async fn follow(
    context: &Context,
    till: &Till,
    device: &str,
    wish: Value,
    mut ask: Option<fn() -> String>,
) -> Result<Vec<Check>, CliError> {
    let path = format!("/v1/devices/{device}/test");
    let begun: Value = till.ask(Method::POST, &path, Some(wish)).await?;
    let mut told = test_of(&begun);
    let mut said = String::new();
    loop {
        let says = text(&told, "says");
        if says != said {
            said = says.to_owned();
            context.output.note(&super::super::output::printable(&said));
        }
        if text(&told, "state") == "done" {
            return Ok(checks_of(device, &told));
        }
        // Once: a wrong answer is judged only after a while, and nothing else is wanted meanwhile.
        if let Some(ask) = ask.take() {
            let line = ask();
            let wish = json!({"text": if line.is_empty() { "-" } else { &line }});
            let _: Value = till.ask(Method::POST, "/v1/scans", Some(wish)).await?;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = tokio::signal::ctrl_c() => {
                let _: Value = till.ask(Method::DELETE, &path, None).await?;
            }
        }
        let all: Value = till.ask(Method::GET, "/v1/devices", None).await?;
        let found = all.get("devices").and_then(Value::as_array);
        let found = found.and_then(|all| all.iter().find(|one| text(one, "name") == device));
        told = found.map(test_of).unwrap_or_default();
        if told.is_null() {
            return Ok(Vec::new());
        }
    }
}

fn test_of(device: &Value) -> Value {
    device.get("test").cloned().unwrap_or_default()
}

/// Checks as the daemon told them, which is in Russian.
fn checks_of(device: &str, test: &Value) -> Vec<Check> {
    let told = test.get("checks").and_then(Value::as_array);
    told.into_iter()
        .flatten()
        .map(|check| {
            let result = match text(check, "result") {
                "pass" => Verdict::Pass,
                "warn" => Verdict::Warn,
                "skipped" => Verdict::Skipped,
                _ => Verdict::Fail,
            };
            let remedy = check.get("remedy").and_then(Value::as_str);
            let id = [
                "scanner.reading",
                "scanner.speed",
                "scanner.terminator",
                "display.read",
            ]
            .into_iter()
            .find(|id| text(check, "id") == *id);
            Check::pass(
                id.unwrap_or("device.interactive"),
                Group::Devices,
                Text::same(text(check, "title")),
                Text::same(text(check, "detail")),
            )
            .of(device)
            .ended(result, remedy.map(Text::same))
        })
        .collect()
}

/// What is said once, for who follows.
pub(super) fn note(context: &Context, text: &Text) {
    let said = match context.tongue {
        Tongue::Russian => &text.ru,
        Tongue::English => &text.en,
    };
    context.output.note(said);
}
