//! The command line: verbs, their arguments, and their exit codes.
//!
//! Results go to standard output, everything else to standard error. Verbs that need a till talk to
//! the daemon over its socket, as any till program does, and know nothing that the API does not publish.

mod check;
mod configure;
mod devices;
mod display;
mod follow;
mod open;
mod operations;
mod output;
mod refund_cancel;
mod report;
mod sale;
mod selftest;
mod sim;
mod till;
mod ui_language;
mod watch;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::base::exit_code;
use crate::config::Paths;
use crate::log::Stderr;
use crate::texts::technician;
use crate::{daemon, demo, log};

use output::Output;
use till::TillError;
use ui_language::UiLanguage;

/// Where the root stands that no option names.
const ROOT_VARIABLE: &str = "OPLATI_ROOT";

/// Payments with the О!плати wallet at a shop till.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES)]
pub struct Cli {
    /// Root of all files
    #[arg(
        long,
        global = true,
        env = ROOT_VARIABLE,
        default_value = "/",
        value_name = "DIR"
    )]
    root: PathBuf,
    /// Results as JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 ended otherwise than done; 64 wrong arguments; 65 input that cannot be used;\n69 the daemon does not run, or for a window: there is no desktop session; 70 a mistake in this program; 74 input or output failed; 75 try again later,\nor queued; 77 the rights do not suffice; 78 bad configuration; 130 interrupted";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the service
    Daemon,
    /// See a buyer pay in each mode, without hardware or account
    Demo {
        /// Play one sale in each mode on the terminal and check that all ended well
        #[arg(long)]
        once: bool,
        /// Address of the page, 127.0.0.1:8017 if not given; port 0 picks one
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: Option<SocketAddr>,
    },
    /// Check the configuration and print every setting with its origin
    Check,
    /// Change settings of oplati.conf and leave all else in it as it is
    Configure(configure::ConfigureArgs),
    /// Take a payment and wait for its end
    Sale(sale::SaleArgs),
    /// Give money of a sale back, and wait for its end
    Refund(refund_cancel::RefundArgs),
    /// Undo a sale or a refund
    Cancel(refund_cancel::CancelArgs),
    /// Undo a sale whose receipt was closed
    Annul(refund_cancel::CancelArgs),
    /// Find the buyer's loyalty card
    Card(refund_cancel::CardArgs),
    /// Stop waiting for the buyer of an operation
    Abort {
        /// The operation
        id: String,
    },
    /// Print a link to the technician's page that works once within a minute
    Open,
    /// Compare a shift with the service's report
    Reconcile(report::ShiftArgs),
    /// Print the report of a shift as a till prints it
    Report(report::ShiftArgs),
    /// List operations, newest first
    Operations(operations::ListArgs),
    /// Show what waits in the queue; try or close an entry
    #[command(args_conflicts_with_subcommands = true)]
    Queue {
        /// Read the journal itself, while the daemon does not run; exit code 75 when something waits
        #[arg(long)]
        offline: bool,
        #[command(subcommand)]
        what: Option<operations::QueueVerb>,
    },
    /// Print operations, scans, devices and health as they change
    Watch,
    /// Hand in a code, or without TEXT print scans as they come
    Scan {
        /// The code; - reads one line from standard input
        text: Option<String>,
    },
    /// What is plugged in; find out about an unknown scanner; udev rules
    Devices {
        #[command(subcommand)]
        what: Option<devices::DevicesVerb>,
    },
    /// What works at this till, what does not, and what to do
    Selftest(selftest::SelftestArgs),
    /// Save what the buyer sees, or draw a QR code or text into a picture; show the buyer's window
    Display(display::DisplayArgs),
    /// Run the simulated payment service
    Sim(sim::SimArgs),
}

/// What every verb has at hand.
struct Context {
    paths: Paths,
    root: PathBuf,
    output: Output,
    language: UiLanguage,
}

/// Why a verb failed, for standard error.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Till(#[from] TillError),
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error(transparent)]
    Edit(#[from] crate::config::edit::EditError),
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
    #[error("{0}")]
    Offline(String),
    #[error("cannot write the result")]
    Write(#[source] std::io::Error),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Data(String),
    /// The program of the buyer's window is not installed.
    #[error("there is no {}", .0.display())]
    NoWindowProgram(PathBuf),
    /// What the system did not give: a thread, random numbers.
    #[error("the system gives no {what}")]
    System {
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write {path}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl CliError {
    fn exit_code(&self) -> u8 {
        match self {
            CliError::Till(error) => error.exit_code(),
            CliError::Config(_) => exit_code::CONFIG,
            CliError::Edit(error) => configure::exit_code(error),
            CliError::NoWindowProgram(_) => exit_code::UNAVAILABLE,
            CliError::System { .. } => exit_code::TEMPFAIL,
            // The reader of a pipe has seen enough.
            CliError::Write(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                exit_code::OK
            }
            CliError::Write(_)
            | CliError::File { .. }
            | CliError::Journal(_)
            | CliError::Offline(_) => exit_code::IO,
            CliError::Usage(_) => exit_code::USAGE,
            CliError::Data(_) => exit_code::DATA,
        }
    }

    /// One action that helps.
    fn hint(&self, language: UiLanguage) -> Option<Cow<'static, str>> {
        match self {
            CliError::Till(error) => error.hint(language),
            CliError::NoWindowProgram(_) => {
                Some(language.text(technician::DISPLAY_NO_WINDOW_PROGRAM))
            }
            CliError::Config(_)
            | CliError::Edit(_)
            | CliError::Journal(_)
            | CliError::Offline(_)
            | CliError::Write(_)
            | CliError::Usage(_)
            | CliError::Data(_)
            | CliError::System { .. }
            | CliError::File { .. } => None,
        }
    }
}

/// Parses the arguments, runs the verb, and reports what went wrong.
#[must_use]
pub fn main() -> ExitCode {
    let _flush = crate::log::FlushOnDrop;
    crate::base::system::unblock_signals();
    let cli = match parsed() {
        Ok(cli) => cli,
        Err(error) => return exit_code::print_usage(&error).into(),
    };
    let context = Context {
        paths: Paths::below(&cli.root),
        root: cli.root,
        output: Output::new(cli.json),
        language: UiLanguage::of_environment(),
    };
    run(&context, cli.verb).into()
}

/// An empty `OPLATI_ROOT` is none, as with most variables; `--root ''` is a mistake.
fn parsed() -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    if std::env::var_os(ROOT_VARIABLE).is_some_and(|root| root.is_empty()) {
        command = command.mut_arg("root", |root| root.env(None::<&str>));
    }
    let matches = command.try_get_matches()?;
    Cli::from_arg_matches(&matches)
}

fn run(context: &Context, verb: Verb) -> u8 {
    if let Err(error) = begin_log(context, &verb) {
        return context.fail(&error, exit_code::CONFIG);
    }
    let outcome = match verb {
        Verb::Daemon => {
            let root = context.root.clone();
            let ended = daemon::run(&daemon::Options { root });
            Ok(context.end(ended, daemon::DaemonError::exit_code))
        }
        Verb::Demo { once, listen } => {
            let ended = demo::run(demo::Options { listen, once });
            Ok(context.end(ended, demo::DemoError::exit_code))
        }
        Verb::Sim(args) => {
            let ended = crate::sim::run(&args.options());
            Ok(context.end(ended, crate::sim::SimError::exit_code))
        }
        Verb::Check => check::run(context),
        Verb::Configure(args) => configure::run(context, &args),
        Verb::Sale(args) => till::block_on(sale::run(context, args)),
        Verb::Refund(args) => till::block_on(refund_cancel::refund(context, args)),
        Verb::Cancel(args) => till::block_on(refund_cancel::cancel(context, args, false)),
        Verb::Annul(args) => till::block_on(refund_cancel::cancel(context, args, true)),
        Verb::Card(args) => till::block_on(refund_cancel::card(context, args)),
        Verb::Reconcile(args) => till::block_on(report::reconcile(context, args)),
        Verb::Report(args) => till::block_on(report::print(context, args)),
        Verb::Abort { id } => till::block_on(operations::abort(context, &id)),
        Verb::Open => till::block_on(open::run(context)),
        Verb::Operations(args) => till::block_on(operations::list(context, args)),
        Verb::Queue { offline: true, .. } => operations::queue_offline(context),
        Verb::Queue { what, .. } => till::block_on(operations::queue(context, what)),
        Verb::Watch => till::block_on(watch::run(context, None)),
        Verb::Scan { text: None } => till::block_on(watch::run(context, Some("scan"))),
        Verb::Scan { text: Some(text) } => till::block_on(watch::scan(context, text)),
        Verb::Devices { what } => till::block_on(devices::run(context, what)),
        Verb::Selftest(args) => selftest::run(context, &args),
        Verb::Display(args) => match args.window() {
            Some(window) => display::show_window(context, &window),
            None => till::block_on(display::run(context, args)),
        },
    };
    outcome.unwrap_or_else(|error| {
        let code = context.fail(&error, error.exit_code());
        if let Some(hint) = error.hint(context.language) {
            context.output.note(&hint);
        }
        code
    })
}

/// Sends warnings to stderr; the daemon writes its file, too. A demonstration has no log of its own.
fn begin_log(context: &Context, verb: &Verb) -> Result<(), log::LogError> {
    if matches!(verb, Verb::Demo { .. }) {
        return Ok(());
    }
    if matches!(verb, Verb::Daemon) {
        // Whatever it inherits: its files stay readable to itself, and its folders closed to others.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        return log::init(Stderr::On, Some(context.paths.log()));
    }
    log::init(Stderr::Warnings, None)
}

impl Context {
    /// A line of the result.
    fn print(&self, text: &str) -> Result<(), CliError> {
        self.output.line(text).map_err(CliError::Write)
    }

    /// The result for programs.
    fn print_json(&self, value: &impl serde::Serialize) -> Result<(), CliError> {
        self.output.value(value).map_err(CliError::Write)
    }

    /// The result: the value for programs, or its line for a person.
    fn print_either(
        &self,
        value: &impl serde::Serialize,
        line: impl FnOnce() -> String,
    ) -> Result<(), CliError> {
        if self.output.json {
            self.print_json(value)
        } else {
            self.print(&line())
        }
    }

    /// A remark in the language of the environment.
    fn remark(&self, text: technician::Text) {
        self.output.note(&self.language.text(text));
    }

    /// The exit code of what runs until it is stopped.
    fn end<E: std::error::Error>(&self, ended: Result<(), E>, code: fn(&E) -> u8) -> u8 {
        ended.map_or_else(|error| self.fail(&error, code(&error)), |()| exit_code::OK)
    }

    fn fail(&self, error: &dyn std::error::Error, code: u8) -> u8 {
        if code != exit_code::OK {
            self.output.note(&format!(
                "oplati: {}",
                crate::base::error_chain::with_causes(error)
            ));
        }
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    /// The package's manual pages and completions are made from the arguments and committed, so that
    /// the package is built without the crates that make them.
    #[test]
    fn the_committed_manual_is_the_present_one() {
        use std::collections::BTreeMap;
        let command = || Cli::command().disable_help_subcommand(true);
        let made = tempfile::tempdir().unwrap();
        clap_mangen::generate_to(command(), made.path()).unwrap();
        for shell in [
            clap_complete::Shell::Bash,
            clap_complete::Shell::Zsh,
            clap_complete::Shell::Fish,
        ] {
            clap_complete::generate_to(shell, &mut command(), "oplati", made.path()).unwrap();
        }
        let files = |folder: &std::path::Path| -> BTreeMap<String, String> {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
            // The version of the program is no change of its manual.
            let unversioned = |text: String| text.replace(env!("CARGO_PKG_VERSION"), "");
            entries
                .map(|entry| {
                    (
                        entry.file_name().into_string().unwrap(),
                        unversioned(read(entry.path())),
                    )
                })
                .collect()
        };
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("debian/manual");
        if std::env::var_os("OPLATI_BLESS").is_some() {
            drop(std::fs::remove_dir_all(&folder));
            std::fs::create_dir_all(&folder).unwrap();
            for entry in std::fs::read_dir(made.path()).unwrap().flatten() {
                std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
            }
        }
        assert!(
            files(&folder) == files(made.path()),
            "the verbs changed; refresh with: OPLATI_BLESS=1 cargo test committed_manual"
        );
    }

    #[test]
    fn verbs_are_read() {
        let cli = Cli::try_parse_from(["oplati", "--root", "/x", "sale", "12,34", "--mode", "2"])
            .unwrap();
        assert!(matches!(cli.verb, Verb::Sale(_)));
        assert_eq!(cli.root, PathBuf::from("/x"));
        for bad in [
            vec!["oplati"],
            vec!["oplati", "sale"],
            vec!["oplati", "sale", "x"],
            vec!["oplati", "sim", "--buyer", "join=1"],
            vec!["oplati", "sim", "--life", "1m"],
            vec!["oplati", "sim", "--answer", "never"],
        ] {
            assert!(Cli::try_parse_from(&bad).is_err(), "{bad:?}");
        }
    }
}
