//! The calls of the till API.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, oneshot};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::access::Caller;
use super::extract::{
    device_name, invalid, json, json_or_nothing, new_id, not_found, path_id, query,
};
use super::notices::{Notice, NoticeKind};
use super::seats::Sitter;
use super::till::{Answer, Command};
use crate::base::regular_file::{FILE_TIMEOUT, off_thread};
use crate::base::secret::Secret;
use crate::core::buyer_code::MAX_CODE_CHARACTERS;
use crate::core::validate;
use crate::devices::device_test::{MAX_SCANS, USUAL_SCANS};
use crate::model::archive::{Archive, OperationsQuery};
use crate::model::device::{Device, InteractiveTest};
use crate::model::health::{Health, HealthStatus};
use crate::model::operation::{
    CancellationRequest, CardRequest, Operation, OperationRequest, Outcome, QueueItem,
    RefundRequest, SaleRequest, State as OperationState, Verdict,
};
use crate::model::problem::{Code, Problem};
use crate::report::Reconciliation;
use crate::texts::cashier;

/// How long the core may think; beyond that its disk hangs.
const CORE_ANSWERS: Duration = Duration::from_secs(10);
/// An identifier as it came.
pub(super) type PathId = Result<Path<String>, PathRejection>;

/// Longest `wait`.
const MAX_WAIT_S: u64 = 60;
/// Longest shift, and longest reason of a person.
const MAX_SHIFT_CHARACTERS: usize = 32;
const MAX_REASON_CHARACTERS: usize = 300;
/// Most operations of one page, and their usual number.
const MAX_LIMIT: u32 = 500;
const USUAL_LIMIT: u32 = 50;

/// Asks the core and waits for its answer, within bounds.
async fn ask<T>(api: &Api, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Problem> {
    if let Some(problem) = api.till.watch.refusal() {
        return Err(problem);
    }
    let (answer, answered) = oneshot::channel();
    let stuck = || Code::Storage.problem(cashier::JOURNAL_SILENT, cashier::JOURNAL_SILENT_REMEDY);
    let asked = async {
        api.till
            .commands
            .send(command(answer))
            .await
            .map_err(|_| Problem::temporarily_unavailable())?;
        answered
            .await
            .map_err(|_| Problem::temporarily_unavailable())?
    };
    tokio::time::timeout(CORE_ANSWERS, asked)
        .await
        .map_err(|_| stuck())?
}

/// Reads the journal without holding up the other callers.
pub(super) async fn read<T: Send + 'static>(
    api: &Api,
    read: impl FnOnce(&dyn Archive) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let archive = Arc::clone(&api.till.archive);
    let read = off_disk(api, move || read(&*archive)).await;
    read.unwrap_or_else(|error| {
        tracing::error!(%error, "The journal is not read");
        Err(Problem::journal_unreadable())
    })
}

/// Does what touches files in a thread of its own; those that hang do not take the threads of calls that touch none.
pub(super) async fn off_disk<T: Send + 'static>(
    api: &Api,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<T> {
    let place = Arc::clone(&api.disk_reads).acquire_owned();
    let place = tokio::time::timeout(FILE_TIMEOUT, place).await;
    let place = place
        .map_err(std::io::Error::from)?
        .map_err(std::io::Error::other)?;
    off_thread(move || {
        let _place = place;
        work()
    })
    .await
}

/// Begins a sale.
#[utoipa::path(put, path = "/v1/sales/{id}", request_body = SaleRequest,
    params(("id" = String, Path, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", description = "The till's identifier: 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit. Identifiers are for ever: put a date or a UUID into them, never a receipt's number alone. An equal PUT whose operation ended longer than a day ago is 409 conflict")),
    responses((status = 201, body = Operation, description = "Begun"),
        (status = 200, body = Operation, description = "It stands already, with the same content"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "No operation was made: invalid, busy, conflict, too_large, amount_mismatch"),
        (status = "5XX", body = Problem, content_type = "application/problem+json", description = "No operation was made: temporarily_unavailable (with Retry-After), not_configured, storage")))]
pub(super) async fn put_sale(put: PutRequest) -> Result<Response, Problem> {
    begin(put, OperationRequest::Sale).await
}

/// What a till puts: under its identifier, a request.
type PutRequest = (State<Api>, PathId, HeaderMap, Body);

/// Reads what the till requests, and asks the core for it.
async fn begin<T: serde::de::DeserializeOwned>(
    (State(api), id, headers, body): PutRequest,
    requested: fn(T) -> OperationRequest,
) -> Result<Response, Problem> {
    let id = new_id(id)?;
    let requested = requested(json(&headers, body).await?);
    let (made, operation) = ask(&api, |answer| Command::Begin {
        id,
        requested,
        answer,
    })
    .await?;
    let status = if made {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(operation)).into_response())
}

/// Gives money of a sale back.
#[utoipa::path(put, path = "/v1/refunds/{id}", request_body = RefundRequest,
    params(("id" = String, Path, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", description = "The till's identifier: 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit. Identifiers are for ever: put a date or a UUID into them, never a receipt's number alone. An equal PUT whose operation ended longer than a day ago is 409 conflict")),
    responses((status = 201, body = Operation, description = "Begun"),
        (status = 200, body = Operation, description = "It stands already, with the same content"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "No operation was made: invalid, not_found, busy, conflict, more_than_left, already_undone, return_receipt_unavailable, amount_mismatch"),
        (status = "5XX", body = Problem, content_type = "application/problem+json", description = "No operation was made: temporarily_unavailable (with Retry-After), not_configured, storage")))]
pub(super) async fn put_refund(put: PutRequest) -> Result<Response, Problem> {
    begin(put, OperationRequest::Refund).await
}

/// Undoes a sale or a refund.
#[utoipa::path(put, path = "/v1/cancellations/{id}", request_body = CancellationRequest,
    params(("id" = String, Path, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", description = "The till's identifier: 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit. Identifiers are for ever: put a date or a UUID into them, never a receipt's number alone. An equal PUT whose operation ended longer than a day ago is 409 conflict")),
    responses((status = 201, body = Operation, description = "Begun, or queued behind what waits already"),
        (status = 200, body = Operation, description = "It stands already, with the same content"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "No operation was made: invalid, not_found, busy, conflict, already_undone"),
        (status = "5XX", body = Problem, content_type = "application/problem+json", description = "No operation was made: not_configured, storage")))]
pub(super) async fn put_cancellation(put: PutRequest) -> Result<Response, Problem> {
    begin(put, OperationRequest::Cancellation).await
}

/// Identifies the buyer for the loyalty card, in the configured mode.
#[utoipa::path(put, path = "/v1/cards/{id}", request_body = CardRequest,
    params(("id" = String, Path, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", description = "The till's identifier: 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit. Identifiers are for ever: put a date or a UUID into them, never a receipt's number alone. An equal PUT whose operation ended longer than a day ago is 409 conflict")),
    responses((status = 201, body = Operation, description = "Begun"),
        (status = 200, body = Operation, description = "It stands already, with the same content"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "No operation was made: invalid, busy, conflict"),
        (status = "5XX", body = Problem, content_type = "application/problem+json", description = "No operation was made: temporarily_unavailable (with Retry-After), not_configured, storage")))]
pub(super) async fn put_card(put: PutRequest) -> Result<Response, Problem> {
    begin(put, OperationRequest::Card).await
}

/// Waiting for a change.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// Seconds, 0 to 60: answer as soon as the state or the version is not `after`, else after this time.
    #[param(maximum = 60)]
    wait: Option<u64>,
    /// A state, or a version as a decimal number; without it the answer waits for a final state.
    after: Option<After>,
}

/// What a caller knows of an operation already.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "нужна версия (десятичное число) или состояние: new, in_progress, awaiting_scan, awaiting_buyer, awaiting_confirmation, in_doubt, queued, done, declined, not_enough_money, expired, cancelled, failed"
)]
pub(super) enum After {
    /// `version` of an operation, 0 to 18446744073709551615.
    Version(#[serde(deserialize_with = "decimal")] u64),
    /// `state` of an operation.
    State(OperationState),
}

impl After {
    /// Whether the operation is as the caller knows it.
    fn is_present(self, operation: &Operation) -> bool {
        match self {
            After::Version(version) => operation.version == version,
            After::State(state) => operation.state == state,
        }
    }
}

/// A number in a query, of digits alone: no sign.
fn decimal<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or_else(|| serde::de::Error::custom(cashier::NEEDS_DECIMAL))
}

/// One operation.
#[utoipa::path(get, path = "/v1/operations/{id}", params(("id" = String, Path, max_length = 65, pattern = "^~?[A-Za-z0-9][A-Za-z0-9._-]*$", description = "Its identifier"), WaitQuery),
    responses((status = 200, body = Operation, description = "As it stands"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "invalid, not_found")))]
pub(super) async fn get_operation(
    State(api): State<Api>,
    Extension(sitter): Extension<Sitter>,
    id: PathId,
    wait: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<Json<Operation>, Problem> {
    let id = path_id(id)?;
    let WaitQuery { wait, after } = query(wait)?;
    let wait = wait.unwrap_or_default();
    if wait > MAX_WAIT_S {
        return Err(invalid(&cashier::range_seconds(
            0, "wait", MAX_WAIT_S, wait,
        )));
    }
    // Listening begins before reading: no change falls between.
    let (_, mut notices) = api.till.notices.subscribe(None);
    let mut operation = find(&api, &id).await?;
    let waits = |operation: &Operation| match after {
        Some(after) => after.is_present(operation),
        None => !operation.state.is_final(),
    };
    // "The operation keeps its state, `message` says that the outcome must be checked": who waits gets it, once.
    let must_check = |operation: &Operation| operation.message == cashier::CHECK_IN_ACCOUNT;
    let was_known = must_check(&operation);
    let end = tokio::time::Instant::now() + Duration::from_secs(wait);
    let mut stop = api.stop.clone();
    let _waits = (wait > 0).then(|| sitter.waits());
    while waits(&operation) && (was_known || !must_check(&operation)) {
        tokio::select! {
            () = tokio::time::sleep_until(end) => break,
            _ = stop.changed() => break,
            () = sitter.must_go() => break,
            notice = notices.recv() => match notice {
                Ok(notice) if !concerns(&notice, &id) => continue,
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => break,
            },
        }
        let _turn = api.waiting_reads.acquire().await;
        operation = find(&api, &id).await?;
    }
    Ok(Json(operation))
}

/// Whether an operation may read otherwise from now on: by its own change, or since its journal fails.
fn concerns(notice: &Notice, id: &str) -> bool {
    notice.kind == NoticeKind::Health
        || notice.data.get("id").and_then(|id| id.as_str()) == Some(id)
}

async fn find(api: &Api, id: &str) -> Result<Operation, Problem> {
    let wanted = id.to_owned();
    let found = read(api, move |archive| archive.operation(&wanted)).await?;
    found.ok_or_else(|| not_found(cashier::NO_OPERATION))
}

/// Which operations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Only of this shift.
    shift: Option<String>,
    /// Only in this state.
    state: Option<OperationState>,
    /// 1 to 500, usually 50.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Only older than this operation.
    #[param(max_length = 65, pattern = "^~?[A-Za-z0-9][A-Za-z0-9._-]*$")]
    before: Option<String>,
}

/// A page of operations.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OperationsPage {
    /// Newest first.
    operations: Vec<Operation>,
    /// For the next page; null when this is the last.
    before: Option<String>,
}

/// Operations, newest first.
#[utoipa::path(get, path = "/v1/operations", params(PageQuery),
    responses((status = 200, body = OperationsPage, description = "A page"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "invalid, not_found")))]
pub(super) async fn get_operations(
    State(api): State<Api>,
    page: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<OperationsPage>, Problem> {
    let PageQuery {
        shift,
        state,
        limit,
        before,
    } = query(page)?;
    let limit = limit.unwrap_or(USUAL_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(invalid(&cashier::range(1, "limit", MAX_LIMIT, limit)));
    }
    if let Some(before) = &before {
        validate::id(before.strip_prefix('~').unwrap_or(before))?;
    }
    // One more than asked for shows whether there is another page.
    let wanted = OperationsQuery {
        shift,
        state,
        limit: limit + 1,
        before,
    };
    let mut operations = read(&api, move |archive| archive.operations(&wanted)).await?;
    let more = operations.len() > limit as usize;
    operations.truncate(limit as usize);
    let before = operations
        .last()
        .filter(|_| more)
        .map(|operation| operation.id.clone());
    Ok(Json(OperationsPage { operations, before }))
}

/// The cashier stops waiting.
#[utoipa::path(post, path = "/v1/operations/{id}/abort", params(("id" = String, Path, max_length = 65, pattern = "^~?[A-Za-z0-9][A-Za-z0-9._-]*$", description = "Its identifier")),
    responses((status = 200, body = Operation, description = "As it stands: a final one is unchanged"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "not_found, busy")))]
pub(super) async fn abort(State(api): State<Api>, id: PathId) -> Result<Json<Operation>, Problem> {
    let id = path_id(id)?;
    ask(&api, |answer| Command::Abort { id, answer })
        .await
        .map(Json)
}

/// A code from elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScanRequest {
    /// 1 to 4096 characters.
    #[schema(min_length = 1, max_length = 4096)]
    text: String,
}

/// Who took the code.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScanAnswer {
    /// The operation that used it; null when it was nobody's.
    used_by: Option<String>,
}

/// Hands in a code that another scanner, or the cashier's hand, read.
#[utoipa::path(post, path = "/v1/scans", request_body = ScanRequest,
    responses((status = 200, body = ScanAnswer, description = "Taken"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "invalid")))]
pub(super) async fn post_scan(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ScanAnswer>, Problem> {
    let ScanRequest { text } = json(&headers, body).await?;
    // A scanner's line end, or what a hand has copied beside the code.
    let text = text.trim();
    let length = text.chars().count();
    if !(1..=MAX_CODE_CHARACTERS).contains(&length) {
        return Err(invalid(&cashier::code_length(length, MAX_CODE_CHARACTERS)));
    }
    let text = Secret::new(text);
    let used_by = ask(&api, |answer| Command::Scan { text, answer }).await?;
    Ok(Json(ScanAnswer { used_by }))
}

/// Which shift.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReconciliationRequest {
    /// 1 to 32 characters, such as 24112026.
    #[schema(min_length = 1, max_length = 32)]
    shift: String,
}

/// Compares a shift of the journal with the service's report.
#[utoipa::path(post, path = "/v1/reconciliations", request_body = ReconciliationRequest,
    responses((status = 200, body = Reconciliation, description = "Totals, every difference by name, and the report's lines"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "invalid, busy"),
        (status = "5XX", body = Problem, content_type = "application/problem+json", description = "temporarily_unavailable, not_configured, storage")))]
pub(super) async fn post_reconciliation(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Reconciliation>, Problem> {
    let ReconciliationRequest { shift } = json(&headers, body).await?;
    validate::text("shift", &shift, MAX_SHIFT_CHARACTERS)
        .map_err(|problem| invalid(&problem.detail))?;
    api.till.reconciles.reconcile(shift).await.map(Json)
}

/// The queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Queue {
    /// Oldest first.
    items: Vec<QueueItem>,
}

/// Undoings that wait.
#[utoipa::path(get, path = "/v1/queue", responses((status = 200, body = Queue, description = "Oldest first")))]
pub(super) async fn get_queue(State(api): State<Api>) -> Result<Json<Queue>, Problem> {
    let items = read(&api, |archive| archive.queue()).await?;
    Ok(Json(Queue { items }))
}

/// Tries an undoing now.
#[utoipa::path(post, path = "/v1/queue/{id}/retry", params(("id" = String, Path, max_length = 65, pattern = "^~?[A-Za-z0-9][A-Za-z0-9._-]*$", description = "The entry")),
    responses((status = 200, body = QueueItem, description = "It is tried"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "not_found; 409 busy or conflict, naming what stands in the way; 422 already_undone")))]
pub(super) async fn retry(State(api): State<Api>, id: PathId) -> Result<Json<QueueItem>, Problem> {
    let id = path_id(id)?;
    ask(&api, |answer| Command::Retry { id, answer })
        .await
        .map(Json)
}

/// Why a person closes an entry.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SettleRequest {
    /// 1 to 300 characters, journalled.
    #[schema(min_length = 1, max_length = 300)]
    reason: String,
    /// Required: `carried_out`: the reversal was carried out, or there was nothing to reverse;
    /// `not_carried_out`: it was not. The books follow it: what is left of the sale, and whether it is
    /// undone.
    #[schema(required = true, nullable = false)]
    outcome: Option<Outcome>,
}

/// Closes a set-aside undoing.
#[utoipa::path(post, path = "/v1/queue/{id}/settle", request_body = SettleRequest, params(("id" = String, Path, max_length = 65, pattern = "^~?[A-Za-z0-9][A-Za-z0-9._-]*$", description = "The entry")),
    responses((status = 200, body = QueueItem, description = "Closed"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "not_found, busy, invalid")))]
pub(super) async fn settle(
    State(api): State<Api>,
    id: PathId,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<QueueItem>, Problem> {
    let id = path_id(id)?;
    let SettleRequest { reason, outcome } = json(&headers, body).await?;
    validate::text("reason", &reason, MAX_REASON_CHARACTERS)
        .map_err(|problem| invalid(&problem.detail))?;
    // Nobody but the person who looked can say it, and money hangs on it: nothing is taken for granted.
    let Some(outcome) = outcome else {
        return Err(invalid(cashier::OUTCOME_NEEDED));
    };
    let verdict = Verdict { reason, outcome };
    ask(&api, |answer| Command::Settle {
        id,
        verdict,
        answer,
    })
    .await
    .map(Json)
}

/// All devices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Devices {
    /// Scanners first, each kind in the order of oplati.conf.
    devices: Vec<Device>,
}

/// Devices with state and counters.
#[utoipa::path(get, path = "/v1/devices", responses((status = 200, body = Devices, description = "Every configured device")))]
pub(super) async fn get_devices(State(api): State<Api>) -> Json<Devices> {
    Json(Devices {
        devices: api.till.watch.devices(),
    })
}

/// Which test.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TestRequest {
    /// With a person who reads codes off a display; usually not.
    #[serde(default)]
    interactive: bool,
    /// Of an interactive test of a scanner: where the codes are shown; usually the first display that can.
    display: Option<String>,
    /// Of an interactive test: readings in a row, 1 to 50, usually 10.
    #[schema(minimum = 1, maximum = 50)]
    scans: Option<usize>,
}

/// Tests a device. A plain test is over at once; an interactive one goes on by `device` events, takes the
/// codes that the scanner reads and, for a display alone, the digits that `POST /v1/scans` hands in.
#[utoipa::path(post, path = "/v1/devices/{name}/test", request_body = TestRequest, params(("name" = String, Path, max_length = 32, pattern = "^[A-Za-z0-9]+$", description = "Such as scanner1")),
    responses((status = 200, body = Device, description = "The device with its test"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "invalid, not_found, busy")))]
pub(super) async fn post_test(
    State(api): State<Api>,
    name: PathId,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Device>, Problem> {
    let name = device_name(name)?;
    let TestRequest {
        interactive,
        display,
        scans,
    } = json_or_nothing(&headers, body).await?;
    let scans = scans.unwrap_or(USUAL_SCANS);
    if !(1..=MAX_SCANS).contains(&scans) {
        return Err(invalid(&cashier::range(1, "scans", MAX_SCANS, scans)));
    }
    let interactive = interactive.then_some(InteractiveTest { display, scans });
    ask(&api, |answer| Command::Test {
        name,
        interactive,
        answer,
    })
    .await
    .map(Json)
}

/// Stops the interactive test of a device, if one runs.
#[utoipa::path(delete, path = "/v1/devices/{name}/test", params(("name" = String, Path, max_length = 32, pattern = "^[A-Za-z0-9]+$", description = "Such as scanner1")),
    responses((status = 200, body = Device, description = "The device with its test"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "not_found")))]
pub(super) async fn delete_test(
    State(api): State<Api>,
    name: PathId,
) -> Result<Json<Device>, Problem> {
    let name = device_name(name)?;
    ask(&api, |answer| Command::StopTest { name, answer })
        .await
        .map(Json)
}

/// What everybody may know.
#[derive(Debug, Serialize)]
struct ShortHealth {
    status: HealthStatus,
    version: &'static str,
}

/// Whether sales work.
#[utoipa::path(get, path = "/v1/health", responses((status = 200, body = Health, description = "Without a token: status and version only")))]
pub(super) async fn get_health(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let watch = Arc::clone(&api.till.watch);
    let health = off_thread(move || watch.health()).await;
    let health = health.map_err(|_| Problem::temporarily_unavailable())?;
    Ok(match caller {
        Caller::Trusted => Json(health).into_response(),
        Caller::Anybody => Json(ShortHealth {
            status: health.status,
            version: health.version,
        })
        .into_response(),
    })
}

/// What the buyer sees now.
#[utoipa::path(get, path = "/v1/display.png", operation_id = "get_display", responses((status = 200, content_type = "image/png", description = "A PNG")))]
pub(super) async fn get_frame(State(api): State<Api>) -> Response {
    let (_, png) = api.till.frame.png();
    ([(header::CONTENT_TYPE, "image/png")], png.to_vec()).into_response()
}
