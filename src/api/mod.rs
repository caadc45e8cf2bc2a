//! The till API: HTTP/1.1 and JSON over the Unix socket, and over loopback TCP with a token.
//!
//! - [`till`]: the seam to the daemon · [`notices`]: events · [`listen`]: sockets and the token file
//! - `access`: who may call · `extract`, `body`: reading requests and writing problems · `leftover`: what of them nobody reads
//! - `session`, `technician`: the technician's way in, and the page
//! - `seats`: who is connected, and who has to go · `hangup`: callers that are gone · `patient`: those that do not read · `pace`: those that ask too fast
//! - `routes`, `events`, `inspect`, `page`: the calls · `openapi`: their description · [`server`]: HTTP itself

mod access;
mod body;
mod events;
mod extract;
mod hangup;
mod inspect;
mod leftover;
pub mod listen;
pub mod notices;
mod openapi;
mod pace;
mod page;
mod pages;
mod patient;
mod routes;
mod seats;
pub mod server;
mod session;
mod technician;
pub mod till;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::{get, post, put};
use tokio::sync::watch;

use crate::texts::cashier;
use access::{Transport, guard};
use extract::{invalid, not_found};
use till::ApiDeps;

/// What every call has at hand.
#[derive(Clone)]
struct Api {
    till: ApiDeps,
    stop: watch::Receiver<bool>,
    places: events::StreamLimits,
    waiting_reads: Arc<tokio::sync::Semaphore>,
    disk_reads: Arc<tokio::sync::Semaphore>,
    easel: page::RenderLimit,
    sessions: Arc<session::Sessions>,
}

fn router(api: Api, door: Transport) -> Router {
    let wrong_method = || async {
        let mut problem = invalid(cashier::METHOD);
        problem.status = 405;
        problem.into_response()
    };
    Router::new()
        .route("/v1/sales/{id}", put(routes::put_sale))
        .route("/v1/refunds/{id}", put(routes::put_refund))
        .route("/v1/cancellations/{id}", put(routes::put_cancellation))
        .route("/v1/cards/{id}", put(routes::put_card))
        .route("/v1/operations", get(routes::get_operations))
        .route("/v1/operations/{id}", get(routes::get_operation))
        .route("/v1/operations/{id}/steps", get(inspect::get_steps))
        .route("/v1/operations/{id}/abort", post(routes::abort))
        .route("/v1/scans", post(routes::post_scan))
        .route("/v1/reconciliations", post(routes::post_reconciliation))
        .route("/v1/queue", get(routes::get_queue))
        .route("/v1/queue/{id}/retry", post(routes::retry))
        .route("/v1/queue/{id}/settle", post(routes::settle))
        .route("/v1/devices", get(routes::get_devices))
        .route(
            "/v1/devices/{name}/test",
            post(routes::post_test).delete(routes::delete_test),
        )
        .route("/v1/health", get(routes::get_health))
        .route("/v1/log", get(inspect::get_log))
        .route("/metrics", get(inspect::get_metrics))
        .route("/v1/events", get(events::get_events))
        .route("/v1/display.png", get(routes::get_frame))
        .route("/v1/openapi.json", get(openapi::get_description))
        .route("/v1/links", post(session::post_link))
        .route(
            "/v1/session",
            post(session::post_session).delete(session::delete_session),
        )
        .route("/", get(technician::get_page))
        .route("/technician.css", get(technician::get_style))
        .route("/technician.js", get(technician::get_script))
        .route("/display", get(page::get_page))
        .route("/display/frame.png", get(page::get_frame))
        .route("/display/events", get(events::get_display_events))
        .route("/display/window", post(events::post_window))
        .method_not_allowed_fallback(wrong_method)
        .fallback(|| async { not_found(cashier::NO_ADDRESS).into_response() })
        .layer(from_fn_with_state(door, guard))
        .with_state(api)
}
