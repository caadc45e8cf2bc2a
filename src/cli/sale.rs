//! `oplati sale`: a till program in one command.

use std::time::{Duration, Instant};

use clap::Args;
use qrcode::QrCode;
use qrcode::render::unicode;
use reqwest::Method;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::till::{Till, TillError};
use super::{CliError, Context};
use crate::exit;
use crate::money::Kopecks;
use crate::operation::{Operation, Shows, State};

/// Seconds that one question waits for a change.
const WAIT_S: u64 = 10;
/// How long contact may be lost before the sale is left to the daemon.
const LOST: Duration = Duration::from_secs(30);
/// Between two tries to find the daemon again.
const AGAIN: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct SaleArgs {
    /// Roubles, such as 12.34
    #[arg(value_parser = Kopecks::from_person)]
    amount: Kopecks,
    /// 0 scan the buyer's QR, 1 static QR with a code, 2 dynamic QR; else as configured
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=2))]
    mode: Option<u8>,
    /// The operation's identifier; else a new one
    #[arg(long)]
    id: Option<String>,
    /// Receipt number
    #[arg(long, default_value = "1")]
    receipt: String,
    /// What is sold
    #[arg(long, default_value = "Продажа")]
    name: String,
}

pub(super) async fn run(context: &Context, args: SaleArgs) -> Result<u8, CliError> {
    let till = Till::of(context)?;
    let id = args.id.unwrap_or_else(new_id);
    crate::core::validate::id(&id).map_err(|problem| CliError::Usage(problem.detail))?;
    // Before the sale begins: whoever stops us from now on means the sale as well.
    let mut stop = Stop::listen().map_err(TillError::Run)?;
    let mut request = json!({
        "amount": args.amount,
        "receipt": {"number": args.receipt, "items": [{"name": args.name, "cost": args.amount}]},
    });
    if let (Some(mode), Some(fields)) = (args.mode, request.as_object_mut()) {
        fields.insert("mode".to_owned(), mode.into());
    }
    let begun: Operation = till
        .ask(Method::PUT, &format!("/v1/sales/{id}"), Some(request))
        .await
        .inspect_err(|error| warn_of_begun_sale(context, &id, error))?;
    tell(context, &begun);
    let operation = tokio::select! {
        operation = follow(context, &till, begun) => operation?,
        () = stop.received() => return abort(context, &till, &id, &mut stop).await,
    };
    finish(context, &operation)
}

/// Ctrl-C, `kill`, and the terminal's end.
struct Stop([Signal; 3]);

impl Stop {
    fn listen() -> std::io::Result<Stop> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Stop([interrupt?, terminate?, hangup?]))
    }

    async fn received(&mut self) {
        let Stop([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// The answer was lost, but the sale may run: its name is the way to find it.
fn warn_of_begun_sale(context: &Context, id: &str, error: &TillError) {
    if matches!(error, TillError::Lost(_) | TillError::Unreadable(_)) {
        let text = context.tongue.say(
            "Продажа могла начаться; посмотреть: oplati operations, отменить: oplati abort",
            "The sale may have begun; look with oplati operations, stop it with oplati abort",
        );
        context.output.note(&format!("{text} {id}"));
    }
}

/// Waits for the end and tells every change on the way.
async fn follow(context: &Context, till: &Till, begun: Operation) -> Result<Operation, CliError> {
    let mut operation = begun;
    let mut lost_since: Option<Instant> = None;
    while !operation.state.is_final() {
        let state = serde_json::to_value(operation.state).unwrap_or_default();
        let after = state.as_str().unwrap_or_default();
        let path = format!(
            "/v1/operations/{}?wait={WAIT_S}&after={after}",
            operation.id
        );
        match till.ask::<Operation>(Method::GET, &path, None).await {
            Ok(next) => {
                lost_since = None;
                if next.state != operation.state || next.message != operation.message {
                    tell(context, &next);
                }
                operation = next;
            }
            Err(error) => {
                let since = *lost_since.get_or_insert_with(Instant::now);
                if since.elapsed() > LOST {
                    let text = context.tongue.say(
                        "Связь со службой потеряна. Чем закончилась оплата, покажет: oplati operations",
                        "Contact with the daemon was lost. How the payment ended: oplati operations",
                    );
                    context.output.note(text);
                    return Err(error.into());
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
    Ok(operation)
}

/// Ctrl-C: the cashier's abort. A second one leaves the rest to the daemon.
async fn abort(context: &Context, till: &Till, id: &str, stop: &mut Stop) -> Result<u8, CliError> {
    context
        .output
        .note(context.tongue.say("Отмена…", "Aborting…"));
    let aborted: Operation = till
        .ask(Method::POST, &format!("/v1/operations/{id}/abort"), None)
        .await?;
    let operation = tokio::select! {
        operation = follow(context, till, aborted) => operation?,
        () = stop.received() => {
            context.output.note(context.tongue.say(
                "Отмена продолжается; посмотреть: oplati operations",
                "The abort goes on; look with: oplati operations",
            ));
            return Ok(exit::INTERRUPTED);
        }
    };
    finish(context, &operation)?;
    Ok(exit::INTERRUPTED)
}

/// The exit code tells the outcome of the money, also when nobody reads the result.
fn finish(context: &Context, operation: &Operation) -> Result<u8, CliError> {
    if let Some(error) = &operation.error {
        context.output.note(&error.remedy);
    }
    let printed = print(context, operation);
    if operation.state != State::Done {
        return Ok(exit::NOT_DONE);
    }
    printed.map(|()| exit::OK).map_err(CliError::Write)
}

fn print(context: &Context, operation: &Operation) -> std::io::Result<()> {
    if context.output.json {
        return context.output.value(operation);
    }
    let Operation {
        message,
        amount,
        id,
        ..
    } = operation;
    let payment = operation
        .payment_id
        .map(|id| format!(", № {id}"))
        .unwrap_or_default();
    context
        .output
        .line(&format!("{message}: {amount}{payment} ({id})"))
}

fn tell(context: &Context, operation: &Operation) {
    let time = jiff::tz::TimeZone::system()
        .to_datetime(operation.updated_at)
        .strftime("%H:%M:%S")
        .to_string();
    context
        .output
        .note(&format!("{time}  {}", operation.message));
    if let Some(Shows::Qr(text)) = &operation.shows
        && context.output.is_watched()
        && let Ok(code) = QrCode::new(text.as_bytes())
    {
        let picture = code
            .render::<unicode::Dense1x2>()
            .dark_color(unicode::Dense1x2::Light)
            .light_color(unicode::Dense1x2::Dark)
            .build();
        context.output.note(&picture);
    }
}

/// Unlikely enough to meet another: the time and the process.
fn new_id() -> String {
    format!(
        "cli-{}-{}",
        crate::clock::wall().as_millisecond(),
        std::process::id()
    )
}
