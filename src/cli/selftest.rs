//! `oplati selftest`: the checks, the closed loop with a person, and the bundle for support.

mod interactive;
mod offline;
mod prompt;
mod trial;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::output::{printable, wrapped};
use super::ui_language::UiLanguage;
use super::{CliError, Context};
use crate::base::clock::Clock;
use crate::model::check::{Check, Group, Text, Verdict, exit_code};
use crate::selftest::{Environment, bundle};
use crate::texts::technician;

/// Below a check's title.
const INDENT: &str = "           ";
/// A narrower terminal breaks the lines by itself.
const MIN_ROOM: usize = 20;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all is well, 1 there are warnings, 2 something does not work, 130 stopped while a person was asked"
)]
pub(super) struct SelftestArgs {
    /// Also show codes on every display, to be read with every scanner
    #[arg(long)]
    interactive: bool,
    /// Readings in a row of each scanner
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=50), value_name = "N")]
    scans: u8,
    /// Write everything that support asks for into FILE, a tar archive without any secret
    #[arg(long, value_name = "FILE", value_parser = named_file)]
    save: Option<PathBuf>,
    /// Instead of the checks: open one session with the service, pay nothing, and print which
    /// assumptions about its protocol hold; asks first
    #[arg(long, conflicts_with_all = ["interactive", "scans", "save"])]
    trial: bool,
    /// Do not ask before the trial
    #[arg(long, requires = "trial")]
    yes: bool,
}

/// The standard output has the checks already.
fn named_file(text: &str) -> Result<PathBuf, String> {
    match text {
        "" | "-" => Err("the name of a file is needed".to_owned()),
        _ => Ok(PathBuf::from(text)),
    }
}

pub(super) fn run(context: &Context, args: &SelftestArgs) -> Result<u8, CliError> {
    let clock = Clock::start();
    let began = Instant::now();
    let ground = Arc::new(Environment::collect(&context.root, clock.now()));
    if args.trial {
        return try_service(context, &ground, args.yes, began);
    }
    let mut checks = crate::selftest::run(&ground);
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    // Who reads no more of it still wants the bundle, and the exit code.
    let mut printed = if context.output.json {
        Ok(())
    } else {
        print_checks(context, &checks)
    };
    let mut was_stopped = false;
    if args.interactive && printed.is_ok() {
        let (more, stopped) = interactive::run(context, &ground, usize::from(args.scans))?;
        if !context.output.json {
            printed = print_checks(context, &more);
        }
        checks.retain(|check| check.id != "device.interactive" || !is_answered(check, &more));
        checks.extend(more);
        was_stopped = stopped;
    }
    let code = if was_stopped {
        crate::base::exit_code::INTERRUPTED
    } else {
        exit_code(&checks)
    };
    if let Some(path) = &args.save {
        let report = report(&ground, &checks, code, elapsed_ms);
        bundle::save(path, &ground, &report).map_err(|source| CliError::File {
            path: path.clone(),
            source,
        })?;
        context.output.note(&format!(
            "{}: {}",
            context.language.text(technician::SELFTEST_SAVED),
            path.display()
        ));
    }
    let printed = printed.and_then(|()| {
        if context.output.json {
            let report = report(&ground, &checks, code, elapsed_ms);
            return context.print_json(&report);
        }
        sum_up(context, &checks, elapsed_ms)
    });
    match printed {
        Err(CliError::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(code),
        printed => printed.map(|()| code),
    }
}

/// The trial alone, printed as the checks are.
fn try_service(
    context: &Context,
    ground: &Environment,
    is_agreed: bool,
    began: Instant,
) -> Result<u8, CliError> {
    let Some((checks, was_stopped)) = trial::run(context, ground, is_agreed)? else {
        return Ok(crate::base::exit_code::INTERRUPTED);
    };
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let code = if was_stopped {
        crate::base::exit_code::INTERRUPTED
    } else {
        exit_code(&checks)
    };
    if context.output.json {
        let report = report(ground, &checks, code, elapsed_ms);
        context.print_json(&report)?;
    } else {
        print_checks(context, &checks)?;
        sum_up(context, &checks, elapsed_ms)?;
    }
    Ok(code)
}

fn is_answered(check: &Check, more: &[Check]) -> bool {
    more.iter().any(|other| other.subject == check.subject)
}

fn report(ground: &Environment, checks: &[Check], code: u8, elapsed_ms: u64) -> serde_json::Value {
    json!({
        "at": crate::model::operation::rfc3339_ms::text(ground.now.wall),
        "version": env!("CARGO_PKG_VERSION"),
        "elapsed_ms": elapsed_ms,
        "exit": code,
        "checks": checks,
        "health": ground.daemon.health_and_devices().map(|(health, _)| health),
        "devices": ground.daemon.health_and_devices().map(|(_, devices)| devices),
    })
}

fn print_checks(context: &Context, checks: &[Check]) -> Result<(), CliError> {
    let shown = |text: &Text| printable(context.language.text_ref(text));
    let width = context.output.width();
    let mut lines = Vec::new();
    for group in Group::ALL {
        let mut of_group = checks
            .iter()
            .filter(|check| check.group == group)
            .peekable();
        if of_group.peek().is_some() {
            lines.push(shown(&group.title()));
        }
        for check in of_group {
            lines.extend(lines_of(context.language, check, width));
        }
    }
    context.print(&lines.join("\n"))
}

/// A check's lines: what was found, and below it what does not fit and what to do.
fn lines_of(language: UiLanguage, check: &Check, width: Option<usize>) -> Vec<String> {
    let subject = check.subject.as_deref();
    let subject = subject
        .map(|subject| format!("{subject}: "))
        .unwrap_or_default();
    let title = language.text_ref(&check.title);
    // Several faults of oplati.conf are several lines.
    let mut detail = language.text_ref(&check.detail).lines();
    let first = detail.next().unwrap_or_default();
    let remedy = check
        .remedy
        .iter()
        .map(|remedy| format!("→ {}", language.text_ref(remedy)));
    let texts = std::iter::once(format!("{subject}{title}: {first}"))
        .chain(detail.map(str::to_owned))
        .chain(remedy);
    let room = width.map_or(usize::MAX, |columns| {
        columns.saturating_sub(INDENT.len()).max(MIN_ROOM)
    });
    let mut lines: Vec<String> = texts
        .flat_map(|text| wrapped(&printable(&text), room))
        .map(|line| format!("{INDENT}{line}"))
        .collect();
    if let Some(first) = lines.first_mut() {
        let text = first.trim_start();
        *first = format!("  {} {text}", word(language, check.result));
    }
    lines
}

/// All of one width, so that titles stand in a column.
fn word(language: UiLanguage, verdict: Verdict) -> Cow<'static, str> {
    match verdict {
        Verdict::Pass => language.text(technician::SELFTEST_OK),
        Verdict::Skipped => "[  --  ]".into(),
        Verdict::Warn => language.text(technician::SELFTEST_WARN),
        Verdict::Fail => language.text(technician::SELFTEST_FAIL),
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
    let line = technician::selftest_sum(failed, elapsed_ms, passed, skipped, warned);
    let line = context.language.text(line);
    context.print(&format!("\n{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_the_terminal_goes_on_below_its_title() {
        let detail = Text::same("a = 1: nonsense\nb = 2: nonsense");
        let remedy = Text::same("сделайте то и это ".repeat(20));
        let check = Check::pass(
            "config.valid",
            Group::Configuration,
            Text::same("Valid"),
            detail,
        )
        .of("oplati.conf")
        .ended(Verdict::Fail, Some(remedy));
        let lines = lines_of(UiLanguage::English, &check, Some(80));
        assert_eq!(lines[0], "  [ FAIL ] oplati.conf: Valid: a = 1: nonsense");
        assert_eq!(lines[1], "           b = 2: nonsense");
        assert!(lines[2].starts_with("           → сделайте"));
        assert!(lines.len() > 6);
        for line in &lines {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert_eq!(lines_of(UiLanguage::English, &check, None).len(), 3);
        assert!(lines_of(UiLanguage::English, &check, Some(1)).len() > 10);
    }
}
