//! The closed loop on the terminal: through the daemon when it runs, with the same modules when not.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::till::{self, Till, TillError};
use super::super::ui_language::UiLanguage;
use super::super::{CliError, Context};
use super::offline;
use super::prompt::{Person, Typed};
use crate::model::check::{Check, Group, Text, Verdict};
use crate::selftest::{Daemon, Environment};
use crate::texts::technician;

/// Between two looks at a test that goes on.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// The daemon may take so long to end a test.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// What was found, and whether the person has stopped it.
pub(super) fn run(
    context: &Context,
    ground: &Environment,
    scans: usize,
) -> Result<(Vec<Check>, bool), CliError> {
    let mut person = Person::attend().map_err(TillError::Run)?;
    let checks = match &ground.daemon {
        Daemon::Runs { devices, .. } => till::block_on(async {
            let till = Till::of(context)?;
            through_daemon(context, &till, devices, scans, &mut person).await
        })?,
        Daemon::Stopped => offline::run(context, ground, scans, &mut person)?,
        Daemon::Closed => vec![untried(
            technician::INTERACTIVE_DAEMON_IS_CLOSED,
            technician::INTERACTIVE_RUN_WITH_SUDO,
        )],
        Daemon::Silent(_) | Daemon::Elsewhere(_) => vec![untried(
            technician::INTERACTIVE_DAEMON_IS_SILENT,
            technician::INTERACTIVE_RESTART_DAEMON,
        )],
    };
    Ok((checks, person.has_stopped()))
}

fn title() -> Text {
    technician::CHECKS_INTERACTIVE
}

/// A test that cannot be.
pub(super) fn untried(why: Text, remedy: Text) -> Check {
    Check::pass("device.interactive", Group::Devices, title(), why)
        .ended(Verdict::Skipped, Some(remedy))
}

/// What is missing for codes to be shown and read.
pub(super) fn missing(displays: &[String], scanners: &[String]) -> Option<Check> {
    if displays.is_empty() {
        return Some(untried(
            technician::INTERACTIVE_NO_DISPLAY,
            technician::INTERACTIVE_NO_DISPLAY_REMEDY,
        ));
    }
    scanners.is_empty().then(|| {
        untried(
            technician::INTERACTIVE_NO_SCANNER,
            technician::INTERACTIVE_NO_SCANNER_REMEDY,
        )
    })
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

async fn through_daemon(
    context: &Context,
    till: &Till,
    devices: &[Value],
    scans: usize,
    person: &mut Person,
) -> Result<Vec<Check>, CliError> {
    let names = |kind: &str| -> Vec<String> {
        let fit = devices
            .iter()
            .filter(|device| text(device, "kind") == kind && text(device, "state") == "connected");
        fit.map(|device| text(device, "name").to_owned()).collect()
    };
    let (displays, scanners) = (names("display"), names("scanner"));
    let mut checks: Vec<Check> = missing(&displays, &scanners).into_iter().collect();
    for display in &displays {
        let mut has_codes = false;
        for scanner in &scanners {
            if person.has_stopped() {
                return Ok(checks);
            }
            let requested = json!({"interactive": true, "display": display, "scans": scans});
            let asked = Asked {
                device: scanner,
                is_typed: false,
            };
            match follow(context, till, asked, requested, person).await {
                Ok(found) => {
                    has_codes = true;
                    checks.extend(found);
                }
                // This display shows no codes.
                Err(CliError::Till(TillError::Problem { status: 422, .. })) => break,
                Err(error) => {
                    has_codes = true;
                    checks.push(refused(scanner, error)?);
                }
            }
        }
        if !has_codes && !person.has_stopped() {
            let requested = json!({"interactive": true});
            let asked = Asked {
                device: display,
                is_typed: true,
            };
            match follow(context, till, asked, requested, person).await {
                Ok(found) => checks.extend(found),
                Err(error) => checks.push(refused(display, error)?),
            }
        }
    }
    Ok(checks)
}

/// What the daemon does not do now, for a buyer or another test is there: a finding like others.
fn refused(device: &str, error: CliError) -> Result<Check, CliError> {
    let CliError::Till(TillError::Problem {
        status,
        detail,
        remedy,
    }) = error
    else {
        return Err(error);
    };
    // The daemon's problems are in Russian.
    let (english, english_remedy) = match status {
        409 => (
            "another test or a payment is under way".to_owned(),
            "Wait for its end, or stop it, and do this again",
        ),
        status => (
            format!("the daemon refused the test with status {status}"),
            "Do the test again; if that does not help: oplati selftest --save FILE, for support",
        ),
    };
    Ok(Check::pass(
        "device.interactive",
        Group::Devices,
        title(),
        Text::new(detail, english),
    )
    .of(device)
    .warn(Text::new(remedy, english_remedy)))
}

/// What a test is asked of.
#[derive(Clone, Copy)]
struct Asked<'a> {
    device: &'a str,
    /// A person types what the display shows.
    is_typed: bool,
}

/// Begins a test and follows it to its end. Whatever else happens, it does not stay behind: the device
/// would be busy, and the code on its display.
async fn follow(
    context: &Context,
    till: &Till,
    asked: Asked<'_>,
    requested: Value,
    person: &mut Person,
) -> Result<Vec<Check>, CliError> {
    let device = asked.device;
    let path = format!("/v1/devices/{device}/test");
    let begun: Value = till.ask(Method::POST, &path, Some(requested)).await?;
    let enough = person.until_stopped();
    let ended = tokio::select! {
        biased;
        () = enough => Ok(None),
        ended = to_its_end(context, till, asked, &begun, person) => ended,
    };
    let test = match ended {
        Ok(Some(test)) => return Ok(checks_of(device, &test)),
        Ok(None) | Err(_) => {
            let end = till.ask::<Value>(Method::DELETE, &path, None);
            tokio::time::timeout(STOP_TIMEOUT, end).await
        }
    };
    ended?;
    match test {
        Ok(Ok(test)) => {
            let test = test_of(&test);
            note_test(context, &test, &mut String::new());
            Ok(checks_of(device, &test))
        }
        Ok(Err(_)) | Err(_) => {
            let why = technician::INTERACTIVE_STOP_UNANSWERED;
            let remedy = technician::INTERACTIVE_STOP_UNANSWERED_REMEDY;
            let check = untried(why, remedy).of(device);
            Ok(vec![Check {
                result: Verdict::Warn,
                ..check
            }])
        }
    }
}

/// The test as it ended; `None` when nobody is there to answer.
async fn to_its_end(
    context: &Context,
    till: &Till,
    asked: Asked<'_>,
    begun: &Value,
    person: &mut Person,
) -> Result<Option<Value>, CliError> {
    let mut test = test_of(begun);
    let mut noted = String::new();
    let mut is_awaited = asked.is_typed;
    if is_awaited {
        person.ask().map_err(TillError::Run)?;
    }
    loop {
        note_test(context, &test, &mut noted);
        if text(&test, "state") != "running" {
            return Ok(Some(test));
        }
        // Once: a wrong answer is judged only after a while, and nothing else is wanted meanwhile.
        if is_awaited {
            match person.typed() {
                Typed::NotYet => {}
                Typed::Line(line) => {
                    is_awaited = false;
                    let requested = json!({"text": line});
                    let _: Value = till.ask(Method::POST, "/v1/scans", Some(requested)).await?;
                }
                Typed::Nobody => return Ok(None),
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
        let all: Value = till.ask(Method::GET, "/v1/devices", None).await?;
        let found = all.get("devices").and_then(Value::as_array);
        let found = found.and_then(|all| all.iter().find(|one| text(one, "name") == asked.device));
        test = found.map(test_of).unwrap_or_default();
    }
}

/// Shows a test's message when it is new.
fn note_test(context: &Context, test: &Value, noted: &mut String) {
    let name = match context.language {
        UiLanguage::Russian => "says",
        UiLanguage::English => "says_english",
    };
    let message = text(test, name);
    if message != noted {
        message.clone_into(noted);
        context
            .output
            .note(&super::super::output::printable(message));
    }
}

fn test_of(device: &Value) -> Value {
    device.get("test").cloned().unwrap_or_default()
}

/// Checks as the daemon sent them.
fn checks_of(device: &str, test: &Value) -> Vec<Check> {
    let checks = test.get("checks").and_then(Value::as_array);
    checks
        .into_iter()
        .flatten()
        .map(|check| {
            let result = match text(check, "result") {
                "pass" => Verdict::Pass,
                "warn" => Verdict::Warn,
                "skipped" => Verdict::Skipped,
                _ => Verdict::Fail,
            };
            let english = check.get("english").cloned().unwrap_or_default();
            let both = |name| Text::new(text(check, name), text(&english, name));
            let has_remedy = check.get("remedy").is_some_and(Value::is_string);
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
                both("title"),
                both("detail"),
            )
            .of(device)
            .ended(result, has_remedy.then(|| both("remedy")))
        })
        .collect()
}

/// What is shown once, for who follows.
pub(super) fn note(context: &Context, text: &Text) {
    context.output.note(context.language.text_ref(text));
}
