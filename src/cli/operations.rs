//! `oplati operations`, `abort`, `queue`.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::output::table;
use super::till::{Till, TillError};
use super::{CliError, Context};
use crate::base::exit_code;
use crate::journal::{Journal, Reader};
use crate::model::archive::Archive as _;
use crate::model::operation::{Kind, Operation, Outcome, QueueItem, word};
use crate::texts::technician;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only of this shift, such as 24112026
    #[arg(long)]
    shift: Option<String>,
    /// Only in this state, such as done
    #[arg(long)]
    state: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    /// Only older than this operation
    #[arg(long)]
    before: Option<String>,
    /// All of them, page by page
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// Most operations of one page.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum QueueVerb {
    /// Try an entry now
    Retry {
        /// The entry, such as ~1
        id: String,
    },
    /// Close a set-aside entry by hand
    Settle {
        /// The entry, such as ~1
        id: String,
        /// What has happened, as the merchant's account shows it
        #[arg(long)]
        outcome: SettledAs,
        /// Why, for the journal
        #[arg(long)]
        reason: String,
    },
}

/// As the API calls it.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum SettledAs {
    /// The money went back, or there was nothing to bring back
    CarriedOut,
    /// It did not go back
    NotCarriedOut,
}

impl From<SettledAs> for Outcome {
    fn from(settled: SettledAs) -> Outcome {
        match settled {
            SettledAs::CarriedOut => Outcome::CarriedOut,
            SettledAs::NotCarriedOut => Outcome::NotCarriedOut,
        }
    }
}

#[derive(Deserialize)]
struct Page {
    operations: Vec<Operation>,
    before: Option<String>,
}

#[derive(Deserialize)]
struct Queue {
    items: Vec<QueueItem>,
}

pub(super) async fn list(context: &Context, args: ListArgs) -> Result<u8, CliError> {
    let till = Till::of(context)?;
    let mut before = args.before.clone();
    loop {
        let next = list_page(context, &till, &args, before.as_deref()).await?;
        match next {
            Some(next) if args.all => before = Some(next),
            Some(next) => {
                let more = context.language.text(technician::OPERATIONS_MORE);
                context.output.note(&format!("{more} --before {next}"));
                return Ok(exit_code::OK);
            }
            None => return Ok(exit_code::OK),
        }
    }
}

/// Prints one page; where the next one begins.
async fn list_page(
    context: &Context,
    till: &Till,
    args: &ListArgs,
    before: Option<&str>,
) -> Result<Option<String>, CliError> {
    let limit = if args.all { PAGE } else { args.limit };
    let mut path = format!("/v1/operations?limit={limit}");
    for (name, value) in [
        ("shift", args.shift.as_deref()),
        ("state", args.state.as_deref()),
        ("before", before),
    ] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", escape(value)));
        }
    }
    let value: serde_json::Value = till.ask(Method::GET, &path, None).await?;
    if context.output.json {
        context.print_json(&value)?;
    }
    let page: Page = serde_json::from_value(value).map_err(TillError::Unreadable)?;
    if !context.output.json {
        let rows: Vec<Vec<String>> = page.operations.iter().map(row).collect();
        let say = |text| context.language.text(text);
        let headings = [
            say(technician::HEADING_TIME),
            say(technician::HEADING_OPERATION),
            say(technician::HEADING_KIND),
            say(technician::HEADING_STATE),
            say(technician::HEADING_AMOUNT),
            say(technician::HEADING_MESSAGE),
        ];
        context.print(&table(&headings, &rows))?;
    }
    Ok(page.before)
}

fn row(operation: &Operation) -> Vec<String> {
    let undo = operation
        .undo
        .map(|undo| format!(" [undo {}]", word(undo)))
        .unwrap_or_default();
    vec![
        time(operation.created_at),
        operation.id.clone(),
        word(operation.kind),
        word(operation.state),
        amount(operation),
        format!("{}{undo}", operation.message),
    ]
}

/// A card has none.
fn amount(operation: &Operation) -> String {
    match operation.kind {
        Kind::Card => "-".to_owned(),
        Kind::Sale | Kind::Refund | Kind::Cancel | Kind::CancelRefund | Kind::Annul => {
            operation.amount.to_string()
        }
    }
}

fn time(at: jiff::Timestamp) -> String {
    crate::base::zone::local_zone()
        .to_datetime(at)
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

pub(super) async fn abort(context: &Context, id: &str) -> Result<u8, CliError> {
    let till = Till::of(context)?;
    let path = format!("/v1/operations/{}/abort", escape(id));
    let operation: Operation = till.ask(Method::POST, &path, None).await?;
    context.print_either(&operation, || operation.message.clone())?;
    Ok(exit_code::OK)
}

pub(super) async fn queue(context: &Context, what: Option<QueueVerb>) -> Result<u8, CliError> {
    let till = Till::of(context)?;
    let items = match what {
        None => {
            till.ask::<Queue>(Method::GET, "/v1/queue", None)
                .await?
                .items
        }
        Some(QueueVerb::Retry { id }) => {
            vec![
                till.ask(
                    Method::POST,
                    &format!("/v1/queue/{}/retry", escape(&id)),
                    None,
                )
                .await?,
            ]
        }
        Some(QueueVerb::Settle {
            id,
            outcome,
            reason,
        }) => {
            let path = format!("/v1/queue/{}/settle", escape(&id));
            let outcome = Outcome::from(outcome);
            let verdict = json!({"reason": reason, "outcome": outcome});
            vec![till.ask(Method::POST, &path, Some(verdict)).await?]
        }
    };
    show_queue(context, &items)?;
    Ok(exit_code::OK)
}

/// What the journal holds while nobody serves it: whether money of buyers is still to be brought back.
pub(super) fn queue_offline(context: &Context) -> Result<u8, CliError> {
    let path = context.paths.journal();
    if !path.exists() {
        show_queue(context, &[])?;
        return Ok(exit_code::OK);
    }
    // Brings forward what an older version or a crash left, as the daemon does at its start.
    let journal = Journal::open(&path)?;
    let waiting = journal.unfinished()?;
    let items = Reader::open(&path)?
        .queue()
        .map_err(|problem| CliError::Offline(problem.detail))?;
    show_queue(context, &items)?;
    if waiting > items.len() {
        context.remark(technician::OPERATIONS_UNFINISHED);
    }
    journal.close();
    Ok(if waiting == 0 {
        exit_code::OK
    } else {
        exit_code::TEMPFAIL
    })
}

fn show_queue(context: &Context, items: &[QueueItem]) -> Result<(), CliError> {
    if context.output.json {
        return context.print_json(&json!({"items": items}));
    }
    let say = |text| context.language.text(text);
    if items.is_empty() {
        return context.print(&say(technician::OPERATIONS_QUEUE_EMPTY));
    }
    let rows: Vec<Vec<String>> = items.iter().map(|item| queue_row(context, item)).collect();
    let headings = [
        say(technician::HEADING_UNDOING),
        say(technician::HEADING_OF),
        say(technician::HEADING_AMOUNT),
        say(technician::HEADING_SINCE),
        say(technician::HEADING_TRIES),
        say(technician::HEADING_NEXT_TRY),
        say(technician::HEADING_REASON),
    ];
    context.print(&table(&headings, &rows))
}

fn queue_row(context: &Context, item: &QueueItem) -> Vec<String> {
    let next = match (item.set_aside, item.next_try) {
        (true, _) => context
            .language
            .text(technician::OPERATIONS_WAITS_FOR_PERSON)
            .into_owned(),
        (false, Some(at)) => time(at),
        (false, None) => String::new(),
    };
    vec![
        item.id.clone(),
        item.of.clone(),
        item.amount.to_string(),
        time(item.since),
        item.tries.to_string(),
        next,
        item.last_error.clone().unwrap_or_default(),
    ]
}

/// For paths and queries.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
