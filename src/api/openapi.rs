//! The API's own description, made from the code and committed, so that a change of the contract is
//! seen in review.

use axum::Json;
use utoipa::OpenApi;

use super::inspect::{LogTail, Steps};
use super::routes::{
    After, Devices, OperationsPage, Queue, ReconciliationRequest, ScanAnswer, ScanRequest,
    SettleRequest, TestRequest,
};
use super::session::{Link, SessionRequest};
use super::{events, inspect, page, routes, session};
use crate::api::till::{Device, DeviceTest, Health};
use crate::operation::{
    CancellationRequest, CardRequest, Operation, QueueItem, RefundRequest, SaleRequest,
};
use crate::problem::Problem;
use crate::report::Reconciliation;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "oplati till API",
        description = "Payments with the О!плати wallet for till programs. Over the Unix socket without a token; over loopback TCP with `Authorization: Bearer …`. Money is integer kopecks, times are RFC 3339 in UTC with milliseconds.",
        license(name = "MIT")
    ),
    paths(
        routes::put_sale,
        routes::put_refund,
        routes::put_cancellation,
        routes::put_card,
        routes::get_operation,
        routes::get_operations,
        inspect::get_steps,
        routes::abort,
        routes::post_scan,
        routes::post_reconciliation,
        routes::get_queue,
        routes::retry,
        routes::settle,
        routes::get_devices,
        routes::post_test,
        routes::delete_test,
        routes::get_health,
        routes::get_frame,
        inspect::get_log,
        inspect::get_metrics,
        session::post_session,
        session::delete_session,
        session::post_link,
        events::get_events,
        page::get_page,
        page::get_frame,
        events::get_display_events
    ),
    components(schemas(
        Operation,
        After,
        SaleRequest,
        RefundRequest,
        CancellationRequest,
        CardRequest,
        QueueItem,
        Problem,
        Health,
        Device,
        Devices,
        DeviceTest,
        TestRequest,
        OperationsPage,
        Steps,
        LogTail,
        Queue,
        ScanAnswer,
        ScanRequest,
        SettleRequest,
        SessionRequest,
        Link,
        Reconciliation,
        ReconciliationRequest
    ))
)]
struct Description;

/// `GET /v1/openapi.json`.
pub(super) async fn get_description() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where each reference leads to is there.
    fn dangling(value: &serde_json::Value, whole: &serde_json::Value) -> Vec<String> {
        match value {
            serde_json::Value::Object(fields) => {
                let target = fields.get("$ref").and_then(|target| target.as_str());
                let is_there =
                    |target: &&str| whole.pointer(target.trim_start_matches('#')).is_some();
                let own = target.filter(|target| !is_there(target)).map(str::to_owned);
                let below = fields.values().flat_map(|field| dangling(field, whole));
                own.into_iter().chain(below).collect()
            }
            serde_json::Value::Array(items) => items
                .iter()
                .flat_map(|item| dangling(item, whole))
                .collect(),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => Vec::new(),
        }
    }

    #[test]
    fn every_schema_that_is_named_is_described() {
        let whole = serde_json::to_value(Description::openapi()).unwrap();
        assert_eq!(dangling(&whole, &whole), Vec::<String>::new());
    }

    #[test]
    fn the_committed_description_is_the_present_one() {
        let path = std::path::Path::new(file!()).with_file_name("openapi.json");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let present = Description::openapi().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("OPLATI_BLESS").is_some() {
            std::fs::write(&path, &present).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == present,
            "the API changed; refresh with: OPLATI_BLESS=1 cargo test committed_description"
        );
    }
}
