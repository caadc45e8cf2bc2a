//! Server-sent events: the till's, and the buyer's page's heartbeat.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;

use super::Api;
use super::access::Caller;
use super::extract::{invalid, not_found, query};
use super::notices::{Missed, Notice, TraceKind};
use super::page::pixel_size;
use super::pages::{PagePlace, Pages};
use super::seats::Sitter;
use crate::devices::display::{Hidden, Viewer, Watching};
use crate::model::problem::{Code, Problem};
use crate::texts::cashier;

/// Between two signs of life on a silent stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Between two heartbeats of the buyer's page and windows, which show «no connection» after three
/// missed ones.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A page that takes no event for so long is asleep; it is cut off and comes back.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Events that may wait for a slow listener; beyond that it is cut off and comes back.
const BACKLOG: usize = 1024;

/// Listeners at the same time: each costs memory for what it has not taken yet.
const MAX_LISTENERS: usize = 256;
/// The same for windows: pages must not take their places.
const MAX_WINDOWS: usize = 4;

/// How many may listen at a time.
#[derive(Clone, Debug)]
pub(super) struct StreamLimits {
    events: Arc<Semaphore>,
    pages: Pages,
    windows: Arc<Semaphore>,
}

impl StreamLimits {
    pub(super) fn new() -> StreamLimits {
        StreamLimits {
            events: Arc::new(Semaphore::new(MAX_LISTENERS)),
            pages: Pages::default(),
            windows: Arc::new(Semaphore::new(MAX_WINDOWS)),
        }
    }
}

fn full() -> Problem {
    Code::TemporarilyUnavailable.problem(
        cashier::TOO_MANY_LISTENERS,
        cashier::TOO_MANY_LISTENERS_REMEDY,
    )
}

type Stream = Sse<axum::response::sse::KeepAliveStream<ReceiverStream<Result<Event, Infallible>>>>;

fn stream(receiver: mpsc::Receiver<Result<Event, Infallible>>) -> Stream {
    Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

fn event_of(notice: &Notice) -> Event {
    Event::default()
        .id(notice.id.to_string())
        .event(notice.kind.word())
        .data(notice.data.to_string())
}

fn events_of(missed: &Missed) -> impl Iterator<Item = Event> {
    let reset = |last: u64| Event::default().id(last.to_string()).event("reset");
    let reset = missed.lost.map(|last| reset(last).data("{}"));
    let events = missed.events.iter().map(|notice| event_of(notice));
    reset.into_iter().chain(events)
}

/// What else is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// `request`, `scene` or both, comma-separated: requests to the service and scenes of the buyer, as
    /// long as one listens; they have no id, and are not resumed.
    also: Option<String>,
}

fn traced(also: Option<&str>) -> Result<Vec<TraceKind>, Problem> {
    let words = also.into_iter().flat_map(|also| also.split(','));
    words
        .map(|word| TraceKind::of_word(word).ok_or_else(|| invalid(cashier::ALSO)))
        .collect()
}

/// Operations, scans, devices, queue and health as they change; `Last-Event-ID` resumes. The first event is
/// `reset` when what was missed since then can no longer be sent: read everything anew.
#[utoipa::path(get, path = "/v1/events", params(EventsQuery), responses((status = 400, body = Problem, content_type = "application/problem+json", description = "invalid"), (status = 503, body = Problem, content_type = "application/problem+json", description = "temporarily_unavailable: too many listeners"), (status = 200, content_type = "text/event-stream", description = "Events operation, scan, device, queue, health with increasing ids; reset first when what was missed can no longer be sent")))]
pub(super) async fn get_events(
    State(api): State<Api>,
    Extension(sitter): Extension<Sitter>,
    headers: HeaderMap,
    wanted: Result<Query<EventsQuery>, QueryRejection>,
) -> Result<Stream, Problem> {
    let wanted = traced(query(wanted)?.also.as_deref())?;
    let place = Arc::clone(&api.places.events).try_acquire_owned();
    let place = place.map_err(|_| full())?;
    let after = headers.get("last-event-id").map(|id| {
        let number = id.to_str().ok().and_then(|id| id.parse().ok());
        // One that is none of ours is never sent: what it stands for cannot be known.
        number.unwrap_or(u64::MAX)
    });
    let over = api.sessions.until_over(&headers);
    let mut traces = api.till.notices.traces();
    let (missed, mut following) = api.till.notices.subscribe(after);
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let mut stop = api.stop;
    tokio::spawn(async move {
        let _listens = (place, sitter.waits());
        tokio::pin!(over);
        for event in events_of(&missed) {
            if sender.send(Ok(event)).await.is_err() {
                return;
            }
        }
        loop {
            let notice = tokio::select! {
                _ = stop.changed() => return,
                () = sender.closed() => return,
                () = sitter.must_go() => return,
                () = &mut over => return,
                trace = traces.recv(), if !wanted.is_empty() => {
                    if let Ok(trace) = trace
                        && wanted.contains(&trace.kind)
                    {
                        let event = Event::default()
                            .event(trace.kind.word())
                            .data(trace.data.to_string());
                        if sender.try_send(Ok(event)).is_err() {
                            return;
                        }
                    }
                    continue;
                }
                notice = following.recv() => notice,
            };
            match notice {
                Ok(notice) if sender.try_send(Ok(event_of(&notice))).is_ok() => {}
                Ok(_)
                | Err(
                    broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed,
                ) => return,
            }
        }
    });
    Ok(stream(receiver))
}

/// Who listens.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ViewerQuery {
    /// A window of `oplati display --window`, over the socket only: its width in pixels.
    window_width: Option<u32>,
    /// Its height.
    window_height: Option<u32>,
}

/// The number of the picture, when it changes and as a heartbeat: the millions count scenes, the rest
/// pictures of a scene that moves.
#[utoipa::path(get, path = "/display/events", params(ViewerQuery),
    responses((status = 200, content_type = "text/event-stream", description = "Events scene, with the picture's number; before them, for a window, one event window with its own number"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "invalid: no such size of a window"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "forbidden: windows come over the socket"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "temporarily_unavailable: too many windows; not_configured: oplati.conf names no window")))]
pub(super) async fn get_display_events(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(sitter): Extension<Sitter>,
    viewer: Result<Query<ViewerQuery>, QueryRejection>,
) -> Result<Stream, Problem> {
    let watching = enter(&api, caller, &query(viewer)?)?;
    let mut numbers = api.till.frame.numbers();
    let (sender, receiver) = mpsc::channel(4);
    let mut stop = api.stop;
    let window = watching.1.window();
    tokio::spawn(async move {
        let (place, _watching) = watching;
        let _waits = sitter.waits();
        if let Some(number) = window {
            let event = Event::default().event("window").data(number.to_string());
            if sender.send(Ok(event)).await.is_err() {
                return;
            }
        }
        loop {
            let number = *numbers.borrow_and_update();
            let event = Event::default().event("scene").data(number.to_string());
            if sender.send_timeout(Ok(event), SEND_TIMEOUT).await.is_err() {
                return;
            }
            tokio::select! {
                _ = stop.changed() => return,
                () = sender.closed() => return,
                () = sitter.must_go() => return,
                () = place.must_go() => return,
                changed = numbers.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(HEARTBEAT) => {}
            }
        }
    });
    Ok(stream(receiver))
}

/// The place of a page or of a window.
enum ViewerPlace {
    Page(PagePlace),
    /// Only held.
    Window(
        #[expect(dead_code, reason = "it is free again when it is dropped")] OwnedSemaphorePermit,
    ),
}

impl ViewerPlace {
    /// Waits until another needs it; for a window, for ever.
    async fn must_go(&self) {
        match self {
            ViewerPlace::Page(place) => place.must_go().await,
            ViewerPlace::Window(_) => std::future::pending().await,
        }
    }
}

/// A place, and the count in health.
fn enter(
    api: &Api,
    caller: Caller,
    query: &ViewerQuery,
) -> Result<(ViewerPlace, Watching), Problem> {
    let (place, viewer) = match query {
        ViewerQuery {
            window_width: None,
            window_height: None,
        } => (ViewerPlace::Page(api.places.pages.enter()), Viewer::Page),
        ViewerQuery {
            window_width,
            window_height,
        } => {
            if caller != Caller::Trusted {
                return Err(Code::Forbidden
                    .problem(cashier::WINDOW_ONLY_BY_SOCKET, cashier::OPEN_WINDOW_REMEDY));
            }
            let size = pixel_size(*window_width, *window_height)?;
            let place = Arc::clone(&api.places.windows).try_acquire_owned();
            let place = ViewerPlace::Window(place.map_err(|_| full())?);
            (place, Viewer::Window(size))
        }
    };
    let watching = api.till.frame.enter(viewer).ok_or_else(|| {
        Code::NotConfigured.problem(
            cashier::WINDOW_NOT_CONFIGURED,
            cashier::WINDOW_NOT_CONFIGURED_REMEDY,
        )
    })?;
    Ok((place, watching))
}

/// What a window has met of itself.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WindowQuery {
    /// As event `window` of its `/display/events` sent it.
    number: u64,
    /// Why the buyer does not see it; without it: it is seen.
    hidden: Option<Hidden>,
}

/// A window of `oplati display --window` reports whether it can be seen.
#[utoipa::path(post, path = "/display/window", params(WindowQuery),
    responses((status = 204, description = "It is noted"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "invalid"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "not_found: no such window is connected")))]
pub(super) async fn post_window(
    State(api): State<Api>,
    window: Result<Query<WindowQuery>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let WindowQuery { number, hidden } = query(window)?;
    if api.till.frame.note_hidden(number, hidden) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(not_found(cashier::NO_WINDOW))
    }
}
