//! `oplati selftest`: the checks, the closed loop with a person, and the bundle for support.

mod interactive;
mod stopped;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::output::printable;
use super::words::Tongue;
use super::{CliError, Context};
use crate::clock::Clock;
use crate::selftest::check::exit_code;
use crate::selftest::{Check, Ground, Group, Text, Verdict, bundle};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all is well, 1 there are warnings, 2 something does not work"
)]
pub(super) struct SelftestArgs {
    /// Also show codes on every display, to be read with every scanner
    #[arg(long)]
    interactive: bool,
    /// Readings in a row of each scanner
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=50), value_name = "N")]
    scans: u8,
    /// Write everything that support asks for into FILE, a tar archive without any secret
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

pub(super) fn run(context: &Context, args: &SelftestArgs) -> Result<u8, CliError> {
    let clock = Clock::start();
    let began = Instant::now();
    let ground = Arc::new(Ground::survey(&context.root, clock.now()));
    let mut checks = crate::selftest::run(&ground);
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    if !context.output.json {
        tell(context, &checks)?;
    }
    if args.interactive {
        let more = interactive::run(context, &ground, usize::from(args.scans))?;
        if !context.output.json {
            tell(context, &more)?;
        }
        checks.retain(|check| check.id != "device.interactive" || !is_answered(check, &more));
        checks.extend(more);
    }
    let code = exit_code(&checks);
    if let Some(path) = &args.save {
        let report = report(&ground, &checks, elapsed_ms);
        bundle::save(path, &ground, &report).map_err(|source| CliError::File {
            path: path.clone(),
            source,
        })?;
        context.output.note(&format!(
            "{}: {}",
            context.tongue.say("Записано", "Saved"),
            path.display()
        ));
    }
    if context.output.json {
        let report = report(&ground, &checks, elapsed_ms);
        context.output.value(&report).map_err(CliError::Write)?;
    } else {
        sum_up(context, &checks, elapsed_ms)?;
    }
    Ok(code)
}

fn is_answered(check: &Check, more: &[Check]) -> bool {
    more.iter().any(|other| other.subject == check.subject)
}

fn report(ground: &Ground, checks: &[Check], elapsed_ms: u64) -> serde_json::Value {
    json!({
        "at": crate::operation::rfc3339_ms::text(ground.now.wall),
        "version": env!("CARGO_PKG_VERSION"),
        "elapsed_ms": elapsed_ms,
        "exit": exit_code(checks),
        "checks": checks,
        "health": ground.daemon.told().map(|(health, _)| health),
        "devices": ground.daemon.told().map(|(_, devices)| devices),
    })
}

/// A text in the language of the environment.
fn said(tongue: Tongue, text: &Text) -> &str {
    match tongue {
        Tongue::Russian => &text.ru,
        Tongue::English => &text.en,
    }
}

fn tell(context: &Context, checks: &[Check]) -> Result<(), CliError> {
    let said = |text: &Text| printable(said(context.tongue, text));
    let mut lines = Vec::new();
    for group in Group::ALL {
        let mut of_group = checks
            .iter()
            .filter(|check| check.group == group)
            .peekable();
        if of_group.peek().is_some() {
            lines.push(said(&group.title()));
        }
        for check in of_group {
            let subject = check
                .subject
                .as_deref()
                .map(|subject| format!("{subject}: "));
            let subject = printable(&subject.unwrap_or_default());
            // Several faults of oplati.conf are several lines.
            let mut detail = crate::cli::selftest::said(context.tongue, &check.detail)
                .lines()
                .map(printable);
            lines.push(format!(
                "  {} {subject}{}: {}",
                word(context.tongue, check.result),
                said(&check.title),
                detail.next().unwrap_or_default()
            ));
            lines.extend(detail.map(|more| format!("           {more}")));
            if let Some(remedy) = &check.remedy {
                lines.push(format!("           → {}", said(remedy)));
            }
        }
    }
    context
        .output
        .line(&lines.join("\n"))
        .map_err(CliError::Write)
}

/// All of one width, so that titles stand in a column.
fn word(tongue: Tongue, verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => tongue.say("[  да  ]", "[  ok  ]"),
        Verdict::Skipped => tongue.say("[  --  ]", "[  --  ]"),
        Verdict::Warn => tongue.say("[ вним.]", "[ warn ]"),
        Verdict::Fail => tongue.say("[ОШИБКА]", "[ FAIL ]"),
    }
}

fn sum_up(context: &Context, checks: &[Check], elapsed_ms: u64) -> Result<(), CliError> {
    let count = |verdict| {
        checks
            .iter()
            .filter(|check| check.result == verdict)
            .count()
    };
    let (passed, warned) = (count(Verdict::Pass), count(Verdict::Warn));
    let (failed, skipped) = (count(Verdict::Fail), count(Verdict::Skipped));
    let line = match context.tongue {
        Tongue::Russian => format!(
            "Исправно: {passed}, внимание: {warned}, ошибок: {failed}, пропущено: {skipped}; {elapsed_ms} мс"
        ),
        Tongue::English => format!(
            "{passed} passed, {warned} warnings, {failed} failed, {skipped} skipped; {elapsed_ms} ms"
        ),
    };
    context
        .output
        .line(&format!("\n{line}"))
        .map_err(CliError::Write)
}
