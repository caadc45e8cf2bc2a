//! What happened, for technicians and for programs that watch: an operation's steps, the log's end,
//! figures.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::extract::{invalid, not_found, path_id, query};
use super::routes::{PathId, off_disk, read};
use crate::base::regular_file::off_thread;
use crate::model::archive::OperationStep;
use crate::model::problem::{Code, Problem};
use crate::texts::cashier;

/// Most lines of the log at once.
const MAX_LINES: usize = 500;
const USUAL_LINES: usize = 100;

/// What happened to an operation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Steps {
    /// Oldest first, the newest thousand.
    steps: Vec<OperationStep>,
}

/// Every step of an operation, with its time and duration.
#[utoipa::path(get, path = "/v1/operations/{id}/steps", params(("id" = String, Path, max_length = 65, pattern = "^~?[A-Za-z0-9][A-Za-z0-9._-]*$", description = "Its identifier")),
    responses((status = 200, body = Steps, description = "Oldest first"),
        (status = "4XX", body = Problem, content_type = "application/problem+json", description = "invalid, not_found")))]
pub(super) async fn get_steps(State(api): State<Api>, id: PathId) -> Result<Json<Steps>, Problem> {
    let id = path_id(id)?;
    let steps = read(&api, move |archive| archive.steps(&id)).await?;
    let steps = steps.ok_or_else(|| not_found(cashier::NO_OPERATION))?;
    Ok(Json(Steps { steps }))
}

/// How much of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// 1 to 500, usually 100.
    #[param(minimum = 1, maximum = 500)]
    lines: Option<usize>,
}

/// The end of terminal.log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogTail {
    /// Oldest first; the till program's lines, too.
    lines: Vec<String>,
}

/// The end of terminal.log, as it stands.
#[utoipa::path(get, path = "/v1/log", params(LogQuery), responses((status = 200, body = LogTail, description = "The last lines"),
    (status = "4XX", body = Problem, content_type = "application/problem+json", description = "invalid, not_found: there is no log")))]
pub(super) async fn get_log(
    State(api): State<Api>,
    wanted: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Json<LogTail>, Problem> {
    let lines = query(wanted)?.lines.unwrap_or(USUAL_LINES);
    if !(1..=MAX_LINES).contains(&lines) {
        return Err(invalid(&cashier::range(1, "lines", MAX_LINES, lines)));
    }
    let path = Arc::clone(&api.till.log);
    let tail = off_disk(&api, move || crate::log::tail(&path, lines)).await;
    let tail = tail.map_err(|_| Problem::temporarily_unavailable())?;
    let lines = tail.map_err(|error| {
        Code::NotFound.problem(
            cashier::log_unreadable(error),
            cashier::LOG_UNREADABLE_REMEDY,
        )
    })?;
    Ok(Json(LogTail { lines }))
}

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", responses((status = 200, content_type = "text/plain; version=0.0.4", description = "The text format of Prometheus")))]
pub(super) async fn get_metrics(State(api): State<Api>) -> Result<Response, Problem> {
    let (watch, metrics) = (Arc::clone(&api.till.watch), Arc::clone(&api.till.metrics));
    let text = off_thread(move || metrics.text(&watch.health(), &watch.devices()));
    let text = text.await.map_err(|_| Problem::temporarily_unavailable())?;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
