//! The API's own description, made from the code and committed, so that a change of the contract is
//! seen in review.

use axum::Json;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    self, ContentBuilder, Ref, RefOr, Response, ResponseBuilder, schema::Schema,
};
use utoipa::{Modify, OpenApi};

use super::access::is_open;
use super::inspect::{LogTail, Steps};
use super::routes::{
    After, Devices, OperationsPage, Queue, ReconciliationRequest, ScanAnswer, ScanRequest,
    SettleRequest, TestRequest,
};
use super::session::{Link, SessionRequest};
use super::{events, inspect, page, routes, session};
use crate::devices::display::Hidden;
use crate::model::device::{Device, DeviceTest};
use crate::model::health::Health;
use crate::model::operation::{
    CancellationRequest, CardRequest, Operation, QueueItem, RefundRequest, SaleRequest,
};
use crate::model::problem::Problem;
use crate::report::Reconciliation;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "oplati till API",
        description = "Payments with the О!плати wallet for till programs. Over the Unix socket without a token; over loopback TCP with `Authorization: Bearer …`. Money is integer kopecks, times are RFC 3339 in UTC with milliseconds.",
        license(name = "MIT", identifier = "MIT")
    ),
    servers((
        url = "http://127.0.0.1:{port}",
        description = "The port of `[Till] listen`; the same calls go over the Unix socket",
        variables(("port" = (default = "8016", description = "As in oplati.conf")))
    )),
    security(("token" = []), ("session" = []), ()),
    modifiers(&Access),
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
        events::get_display_events,
        events::post_window
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
        Hidden,
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

/// Who may call what, which is known by the path alone and not call by call.
struct Access;

impl Modify for Access {
    fn modify(&self, description: &mut openapi::OpenApi) {
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("token", bearer());
        components.add_security_scheme("session", cookie());
        for (path, item) in &mut description.paths.paths {
            let operations = [
                &mut item.get,
                &mut item.put,
                &mut item.post,
                &mut item.delete,
            ];
            for operation in operations.into_iter().flatten() {
                if is_open(path) {
                    operation.security = Some(vec![SecurityRequirement::default()]);
                }
                let refusals: &[_] = if is_open(path) {
                    &[FORBIDDEN]
                } else {
                    &[UNAUTHORIZED, FORBIDDEN]
                };
                for (status, description) in refusals {
                    let responses = &mut operation.responses.responses;
                    let refused = || problem(description).into();
                    responses
                        .entry((*status).to_owned())
                        .or_insert_with(refused);
                }
            }
        }
        without_token(description);
    }
}

const UNAUTHORIZED: (&str, &str) = ("401", "unauthorized: over TCP, without the token");
const FORBIDDEN: (&str, &str) = ("403", "forbidden: over TCP, a foreign Host or Origin");

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content.build())
        .build()
}

fn bearer() -> SecurityScheme {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let scheme = scheme.description(Some(
        "The line of the token file. Over the Unix socket nothing is needed",
    ));
    SecurityScheme::Http(scheme.build())
}

fn cookie() -> SecurityScheme {
    let what = "Of the technician's page, by `POST /v1/session`; its name ends with the port";
    SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
        "oplati-8016",
        what,
    )))
}

/// Health alone answers without a token, with `status` and `version` only.
fn without_token(description: &mut openapi::OpenApi) {
    let schemas = description
        .components
        .as_mut()
        .map(|components| &mut components.schemas);
    let health = schemas.and_then(|schemas| schemas.get_mut("Health"));
    if let Some(RefOr::T(Schema::Object(health))) = health {
        health.required = vec!["status".to_owned(), "version".to_owned()];
    }
}

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
    fn every_call_has_a_name_of_its_own_and_lists_who_may_not_call() {
        let whole = serde_json::to_value(Description::openapi()).unwrap();
        let paths = whole["paths"].as_object().unwrap();
        let mut names = std::collections::BTreeSet::new();
        for (path, call) in paths
            .iter()
            .flat_map(|(path, calls)| calls.as_object().unwrap().iter().map(move |c| (path, c.1)))
        {
            assert!(names.insert(call["operationId"].to_string()), "{path}");
            assert!(call["responses"]["403"].is_object(), "{path}");
            let asks_for_token = call["responses"]["401"].is_object();
            assert_eq!(asks_for_token, !is_open(path), "{path}");
            assert_eq!(call["security"].is_array(), is_open(path), "{path}");
        }
    }

    #[test]
    fn bounds_are_no_prose() {
        let whole = serde_json::to_value(Description::openapi()).unwrap();
        let schemas = &whole["components"]["schemas"];
        for (place, keys) in [
            ("SaleRequest/properties/amount", &["minimum", "maximum"][..]),
            ("RefundRequest/properties/sale", &["pattern", "maxLength"]),
            (
                "CancellationRequest/properties/shift",
                &["minLength", "maxLength"],
            ),
            ("Receipt/properties/number", &["minLength", "maxLength"]),
            ("Receipt/properties/items", &["minItems", "maxItems"]),
            ("Receipt/properties/footer", &["maxLength"]),
            ("Item/properties/barcode", &["pattern"]),
            ("Item/properties/quantity", &["pattern"]),
            ("ScanRequest/properties/text", &["minLength", "maxLength"]),
            (
                "SettleRequest/properties/reason",
                &["minLength", "maxLength"],
            ),
        ] {
            let field = schemas.pointer(&format!("/{place}")).unwrap();
            for key in keys {
                assert!(field.get(key).is_some(), "{place} has no {key}: {field}");
            }
        }
        assert_eq!(
            schemas["Health"]["required"],
            serde_json::json!(["status", "version"])
        );
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
