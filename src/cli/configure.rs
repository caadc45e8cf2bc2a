//! `oplati configure`.

use clap::Args;

use super::{CliError, Context};
use crate::base::exit_code;
use crate::config::edit::{Change, EditError, Edited, edit};
use crate::texts::technician;

#[derive(Debug, Args)]
pub(super) struct ConfigureArgs {
    /// Section.key=value, such as Main.mode=2; - reads one a line from standard input, for a password
    #[arg(value_name = "SETTING")]
    settings: Vec<String>,
    /// Write nothing, only say whether the values are allowed
    #[arg(long = "try")]
    try_only: bool,
}

/// Most lines that are read: more settings there are not.
const MAX_BYTES: u64 = 64 * 1024;

pub(super) fn run(context: &Context, args: &ConfigureArgs) -> Result<u8, CliError> {
    let mut changes: Vec<Change> = Vec::new();
    for setting in &args.settings {
        if setting == "-" {
            for line in input()?.lines().filter(|line| !line.trim().is_empty()) {
                changes.push(line.parse()?);
            }
        } else {
            changes.push(setting.parse()?);
        }
    }
    let edited = edit(&context.root, &changes, args.try_only)?;
    let path = context.paths.config();
    let result = match (args.try_only, edited) {
        (true, _) => context.language.text(technician::CONFIGURE_ALLOWED),
        (false, Edited::Closed) => context
            .language
            .text(technician::CONFIGURE_WRITTEN_AND_CLOSED),
        (false, Edited::Changed) => context.language.text(technician::CONFIGURE_WRITTEN),
        (false, Edited::Unchanged) => context.language.text(technician::CONFIGURE_UNCHANGED),
    };
    let text = format!("{}: {result}", path.display());
    context.print(&text)?;
    Ok(exit_code::OK)
}

fn input() -> Result<String, CliError> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::io::stdin().take(MAX_BYTES).read_to_string(&mut text);
    read.map_err(|source| CliError::File {
        path: "standard input".into(),
        source,
    })?;
    Ok(text)
}

/// The exit code of an edit that was not made.
pub(super) fn exit_code(error: &EditError) -> u8 {
    match error {
        EditError::Unknown(_) => exit_code::USAGE,
        EditError::Control(_) | EditError::NotAllowed(_) => exit_code::DATA,
        EditError::Config(_) => exit_code::CONFIG,
        EditError::ForeignLink { .. } => exit_code::NOPERM,
        EditError::Write { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            exit_code::NOPERM
        }
        EditError::Busy { .. } => exit_code::TEMPFAIL,
        EditError::Write { .. } => exit_code::IO,
    }
}
