//! The buyer's page and its pictures, which the windows of `oplati display --window` take too.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::Semaphore;
use utoipa::IntoParams;

use super::Api;
use super::access::Caller;
use super::extract::{invalid, query};
use crate::base::random;
use crate::config::{self, PixelSize};
use crate::devices::display::live::{IDLE_HEADER, NUMBER_HEADER};
use crate::model::problem::{Code, Problem};
use crate::texts::cashier;

/// A picture of a size of its own must be drawn in this time, waiting for others included.
const RENDER_TIMEOUT: Duration = Duration::from_secs(5);

/// Pictures of sizes of their own are drawn one after the other, so that pages, which need no token,
/// take one processor at most.
#[derive(Clone, Debug)]
pub(super) struct RenderLimit(Arc<Semaphore>);

impl RenderLimit {
    pub(super) fn new() -> RenderLimit {
        RenderLimit(Arc::new(Semaphore::new(1)))
    }
}

const PAGE: &str = include_str!("display.html");

/// The page. Its own script and style alone may run, by a number that is new each time.
#[utoipa::path(get, path = "/display", responses((status = 200, content_type = "text/html", description = "The buyer's page")))]
pub(super) async fn get_page(State(api): State<Api>) -> Result<Response, Problem> {
    let failed = || Code::Storage.problem(cashier::NO_PAGE, cashier::REPEAT_IN_A_MINUTE_REMEDY);
    let nonce = random::hex::<16>().map_err(|_| failed())?;
    let policy = format!(
        "default-src 'none'; img-src data:; connect-src 'self'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    let policy = HeaderValue::from_str(&policy).map_err(|_| failed())?;
    let headers: [(HeaderName, HeaderValue); 2] = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    // The name last: nothing is looked for in it.
    let page = PAGE.replace("NONCE", &nonce);
    let page = page.replacen("WALLET", &as_text(api.till.frame.wallet_name()), 1);
    Ok((headers, page).into_response())
}

/// A text that means nothing but itself within an element of HTML.
fn as_text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Of which size.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FrameQuery {
    /// Pixels; with `height`: a picture drawn in this size, 320x240 to 3840x2160, either way round.
    width: Option<u32>,
    /// Pixels.
    height: Option<u32>,
}

/// The picture.
#[utoipa::path(get, path = "/display/frame.png", params(FrameQuery),
    responses((status = 200, content_type = "image/png", description = "What the buyer sees", headers(
            ("oplati-picture" = u64, description = "The picture's number, as /display/events sends it"),
            ("oplati-idle" = u8, description = "1 where nothing but the idle scene stands there, else 0"))),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "invalid: no such size"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "temporarily_unavailable: too many pictures are asked for")))]
pub(super) async fn get_frame(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    size: Result<Query<FrameQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let (number, png) = match query(size)? {
        FrameQuery {
            width: None,
            height: None,
        } => api.till.frame.png(),
        FrameQuery { width, height } => {
            let size = pixel_size(width, height)?;
            let drawn = draw(&api, size).await?;
            if caller == Caller::Trusted {
                api.till.frame.note_window_frame();
            }
            drawn
        }
    };
    let is_idle = u8::from(api.till.frame.is_idle(number));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/png")),
        (
            HeaderName::from_static(NUMBER_HEADER),
            HeaderValue::from(number),
        ),
        (
            HeaderName::from_static(IDLE_HEADER),
            HeaderValue::from(u16::from(is_idle)),
        ),
    ];
    Ok((headers, png.to_vec()).into_response())
}

/// Within the bounds of every display.
pub(super) fn pixel_size(width: Option<u32>, height: Option<u32>) -> Result<PixelSize, Problem> {
    let (Some(width), Some(height)) = (width, height) else {
        return Err(invalid(cashier::SIZE_BOTH));
    };
    let text = format!("{width}x{height}");
    config::pixel_size(&text).ok_or_else(|| invalid(&cashier::size(&text)))
}

async fn draw(api: &Api, size: PixelSize) -> Result<(u64, Arc<[u8]>), Problem> {
    let drawing = async {
        let place = Arc::clone(&api.easel.0).acquire_owned().await.ok()?;
        let live = api.till.frame.clone();
        let task = tokio::task::spawn_blocking(move || {
            // Held to the end of the work, even when the caller is gone.
            let _place = place;
            live.sized(size)
        });
        task.await.ok()
    };
    let busy = || {
        Code::TemporarilyUnavailable.problem(
            cashier::TOO_MANY_PICTURES,
            cashier::TOO_MANY_PICTURES_REMEDY,
        )
    };
    let drawn = tokio::time::timeout(RENDER_TIMEOUT, drawing).await;
    let drawn = drawn.ok().flatten().ok_or_else(busy)?;
    drawn.map_err(|error| {
        tracing::error!(%error, "A picture is not drawn");
        busy()
    })
}
