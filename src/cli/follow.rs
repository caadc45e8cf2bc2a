//! A till program's part of an operation: begin it, follow it to its end, abort it on Ctrl-C.
//! The daemon may be restarted meanwhile: what was begun is asked for again, never begun twice.

use std::time::{Duration, Instant};

use qrcode::QrCode;
use reqwest::Method;
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::till::{Till, TillError};
use super::{CliError, Context};
use crate::base::exit_code;
use crate::model::operation::{Kind, Operation, Shows, State, word};
use crate::texts::technician;

/// Seconds that one question waits for a change.
const WAIT_S: u64 = 10;
/// How long contact may be lost before the operation is left to the daemon.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two tries to find the daemon again.
const RECONNECT_INTERVAL: Duration = Duration::from_millis(500);
/// How often the clock beside the message moves.
const CLOCK: Duration = Duration::from_secs(1);

/// Begins the operation `id` with a `PUT` below `collection`, such as `/v1/sales`, follows it, and
/// answers with the exit code that shows its outcome.
pub(super) async fn carry_out(
    context: &Context,
    collection: &str,
    id: &str,
    body: Value,
) -> Result<u8, CliError> {
    crate::core::validate::id(id).map_err(|problem| CliError::Usage(problem.detail))?;
    let till = Till::of(context)?;
    // Before anything begins: whoever stops us from now on means the operation as well.
    let mut stop = Stop::listen().map_err(TillError::Run)?;
    let path = format!("{collection}/{id}");
    let begun = tokio::select! {
        begun = persist(&till, Method::PUT, &path, Some(&body)) => begun,
        () = stop.received() => return abort(context, &till, (collection, id), &mut stop).await,
    };
    let begun = begun.inspect_err(|error| warn_of_begun(context, id, error))?;
    report(context, &begun);
    let operation = tokio::select! {
        operation = follow(context, &till, begun) => operation?,
        () = stop.received() => return abort(context, &till, (collection, id), &mut stop).await,
    };
    finish(context, &operation)
}

/// An identifier for who gives none, unlikely enough to meet another: the time and the process.
pub(super) fn new_id() -> String {
    format!(
        "cli-{}-{}",
        crate::base::clock::wall().as_millisecond(),
        std::process::id()
    )
}

/// Ctrl-C, Ctrl-\, `kill`, and the terminal's end.
pub(super) struct Stop([Signal; 4]);

impl Stop {
    pub(super) fn listen() -> std::io::Result<Stop> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::quit(),
        ];
        let [interrupt, terminate, hangup, quit] = kinds.map(signal);
        Ok(Stop([interrupt?, terminate?, hangup?, quit?]))
    }

    pub(super) async fn received(&mut self) {
        let Stop([interrupt, terminate, hangup, quit]) = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            _ = quit.recv() => {}
        }
    }
}

/// Asks until there is an answer: `PUT` and abort are idempotent, so a lost answer is asked for again.
/// Who finds nobody at the first try gets the error at once.
async fn persist(
    till: &Till,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Operation, TillError> {
    let began = Instant::now();
    let mut met_somebody = false;
    loop {
        match till.ask(method.clone(), path, body.cloned()).await {
            Err(TillError::Lost(_)) if began.elapsed() < RECONNECT_TIMEOUT => met_somebody = true,
            Err(TillError::NotRunning { .. })
                if met_somebody && began.elapsed() < RECONNECT_TIMEOUT => {}
            answer => return answer,
        }
        tokio::time::sleep(RECONNECT_INTERVAL).await;
    }
}

/// The answer was lost, but the operation may run: its name is the way to find it.
fn warn_of_begun(context: &Context, id: &str, error: &TillError) {
    if matches!(
        error,
        TillError::Lost(_) | TillError::Unreadable(_) | TillError::NotRunning { .. }
    ) {
        let text = context.language.text(technician::FOLLOW_BEGUN);
        context.output.note(&format!("{text} {id}"));
    }
}

/// Waits for the end and reports every change on the way.
async fn follow(context: &Context, till: &Till, begun: Operation) -> Result<Operation, CliError> {
    let mut operation = begun;
    let began = Instant::now();
    let mut lost_since: Option<Instant> = None;
    while !operation.state.is_final() && !is_queued(&operation) {
        match changed(context, till, &operation, began).await {
            Ok(next) => {
                lost_since = None;
                if next.message != operation.message {
                    report(context, &next);
                }
                operation = next;
            }
            Err(error) if error.is_passing() => {
                let since = *lost_since.get_or_insert_with(Instant::now);
                if since.elapsed() > RECONNECT_TIMEOUT {
                    context.remark(technician::FOLLOW_CONTACT_LOST);
                    return Err(error.into());
                }
                tokio::time::sleep(RECONNECT_INTERVAL).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(operation)
}

/// A cancellation in the queue may wait for days: nobody stands there so long.
fn is_queued(operation: &Operation) -> bool {
    operation.state == State::Queued
}

/// The operation at its next change, or as it stands after a while; meanwhile a clock runs for who
/// watches.
async fn changed(
    context: &Context,
    till: &Till,
    operation: &Operation,
    began: Instant,
) -> Result<Operation, TillError> {
    let after = word(operation.state);
    let path = format!(
        "/v1/operations/{}?wait={WAIT_S}&after={after}",
        operation.id
    );
    let answer = till.ask::<Operation>(Method::GET, &path, None);
    tokio::pin!(answer);
    loop {
        tokio::select! {
            answer = &mut answer => {
                context.output.clear_status();
                return answer;
            }
            () = tokio::time::sleep(CLOCK) => {
                let unit = context.language.text(technician::FOLLOW_SECONDS);
                context.output.status(&format!("          … {} {unit}", began.elapsed().as_secs()));
            }
        }
    }
}

/// Ctrl-C: the cashier's abort. A second one leaves the rest to the daemon.
async fn abort(
    context: &Context,
    till: &Till,
    (collection, id): (&str, &str),
    stop: &mut Stop,
) -> Result<u8, CliError> {
    if let Some(word) = Reversal::of(collection) {
        return leave(context, till, id, word).await;
    }
    context.output.clear_status();
    context.remark(technician::FOLLOW_ABORTING);
    let path = format!("/v1/operations/{id}/abort");
    let ended = async {
        let aborted = persist(till, Method::POST, &path, None).await?;
        follow(context, till, aborted).await
    };
    let operation = tokio::select! {
        operation = ended => operation.inspect_err(|_| {
            let text = context.language.text(technician::FOLLOW_ABORT_NOT_CONFIRMED);
            context.output.note(&format!("{text} {id}"));
        })?,
        () = stop.received() => {
            context.remark(technician::FOLLOW_ABORT_GOES_ON);
            return Ok(exit_code::INTERRUPTED);
        }
    };
    finish(context, &operation)?;
    Ok(exit_code::INTERRUPTED)
}

/// What gives money back and is owed to somebody: it goes on without whoever asked for it.
#[derive(Clone, Copy)]
enum Reversal {
    Refund,
    Cancellation,
}

impl Reversal {
    fn of(collection: &str) -> Option<Reversal> {
        match collection {
            "/v1/refunds" => Some(Reversal::Refund),
            "/v1/cancellations" => Some(Reversal::Cancellation),
            _ => None,
        }
    }
}

/// Ctrl-C of a refund or cancellation: what has not left is not begun, and the rest goes on. One line states which.
async fn leave(
    context: &Context,
    till: &Till,
    id: &str,
    reversal: Reversal,
) -> Result<u8, CliError> {
    context.output.clear_status();
    let path = format!("/v1/operations/{id}/abort");
    let aborted = till.ask::<Operation>(Method::POST, &path, None).await;
    let say = |text| context.language.text(text);
    let ended = |state| matches!(state, State::Cancelled | State::Failed);
    let is_undone = aborted
        .as_ref()
        .is_ok_and(|operation| ended(operation.state));
    let is_unknown = matches!(aborted, Err(TillError::Problem { status: 404, .. }));
    context.output.note(&match reversal {
        Reversal::Refund if is_undone || is_unknown => say(technician::FOLLOW_NOTHING_REFUNDED),
        Reversal::Refund => say(technician::FOLLOW_REFUND_GOES_ON),
        Reversal::Cancellation if is_undone || is_unknown => {
            say(technician::FOLLOW_NOTHING_CANCELLED)
        }
        Reversal::Cancellation => say(technician::FOLLOW_CANCELLATION_GOES_ON),
    });
    Ok(exit_code::INTERRUPTED)
}

/// The exit code shows the outcome of the money, also when nobody reads the result.
fn finish(context: &Context, operation: &Operation) -> Result<u8, CliError> {
    if let Some(error) = &operation.error {
        context.output.note(&error.remedy);
    }
    let printed = print(context, operation);
    if is_queued(operation) {
        return Ok(exit_code::TEMPFAIL);
    }
    if operation.state != State::Done {
        return Ok(exit_code::NOT_DONE);
    }
    printed.map(|()| exit_code::OK)
}

fn print(context: &Context, operation: &Operation) -> Result<(), CliError> {
    if context.output.json {
        return context.print_json(operation);
    }
    let Operation {
        message,
        amount,
        id,
        card,
        ..
    } = operation;
    if let Some(card) = card {
        return context.print(&format!("{message}: {} {} ({id})", card.number, card.name));
    }
    // A card has no amount.
    if operation.kind == Kind::Card {
        return context.print(&format!("{message} ({id})"));
    }
    let payment = operation
        .payment_id
        .map(|id| format!(", № {id}"))
        .unwrap_or_default();
    context.print(&format!("{message}: {amount}{payment} ({id})"))
}

fn report(context: &Context, operation: &Operation) {
    let time = crate::base::zone::local_zone()
        .to_datetime(operation.updated_at)
        .strftime("%H:%M:%S")
        .to_string();
    context
        .output
        .note(&format!("{time}  {}", operation.message));
    // Whoever tries once more now may give the money back twice.
    if (operation.kind, operation.state) == (Kind::Refund, State::InDoubt) {
        context.remark(technician::FOLLOW_REFUND_IN_DOUBT);
    }
    if let Some(Shows::Qr(text)) = &operation.shows
        && context.output.is_watched()
        && let Ok(code) = QrCode::new(text.as_bytes())
    {
        context.output.qr(context.language, &code);
    }
}
