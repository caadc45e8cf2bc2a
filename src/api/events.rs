//! Server-sent events: the till's, and the buyer's page's heartbeat.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::Api;
use super::notices::Notice;
use crate::problem::{Code, Problem};

/// Between two signs of life on a silent stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Between two heartbeats of the buyer's page; it shows «no connection» after three missed ones.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Events that may wait for a slow listener; beyond that it is cut off and comes back.
const BACKLOG: usize = 1024;

/// Listeners at the same time: a stream never ends by itself, and must not take the places of calls.
const MAX_LISTENERS: usize = 16;
/// The same for the buyer's page, which needs no token.
const MAX_PAGES: usize = 8;

/// Places for listeners.
#[derive(Clone, Debug)]
pub(super) struct Places {
    events: Arc<Semaphore>,
    pages: Arc<Semaphore>,
}

impl Places {
    pub(super) fn new() -> Places {
        Places {
            events: Arc::new(Semaphore::new(MAX_LISTENERS)),
            pages: Arc::new(Semaphore::new(MAX_PAGES)),
        }
    }
}

fn full() -> Problem {
    Problem::new(
        Code::TemporarilyUnavailable,
        "Слишком много слушателей событий",
        "Закройте лишние окна и программы",
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

/// Operations, scans, devices, queue and health as they change; `Last-Event-ID` resumes.
#[utoipa::path(get, path = "/v1/events", responses((status = 503, body = Problem, content_type = "application/problem+json", description = "temporarily_unavailable: too many listeners"), (status = 200, content_type = "text/event-stream", description = "Events operation, scan, device, queue, health with increasing ids")))]
pub(super) async fn get_events(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Stream, Problem> {
    let place = Arc::clone(&api.places.events).try_acquire_owned();
    let place = place.map_err(|_| full())?;
    let after = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let (missed, mut following) = api.till.notices.subscribe(after);
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let mut stop = api.stop;
    tokio::spawn(async move {
        let _place = place;
        for notice in missed {
            if sender.send(Ok(event_of(&notice))).await.is_err() {
                return;
            }
        }
        loop {
            let notice = tokio::select! {
                _ = stop.changed() => return,
                () = sender.closed() => return,
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

/// The number of the scene, when it changes and as a heartbeat.
#[utoipa::path(get, path = "/display/events", responses((status = 200, content_type = "text/event-stream", description = "Events scene, with the scene's number")))]
pub(super) async fn get_display_events(State(api): State<Api>) -> Result<Stream, Problem> {
    let place = Arc::clone(&api.places.pages).try_acquire_owned();
    let place = place.map_err(|_| full())?;
    let mut scenes = api.till.frame.scenes();
    let (sender, receiver) = mpsc::channel(4);
    let mut stop = api.stop;
    tokio::spawn(async move {
        let _place = place;
        loop {
            let number = *scenes.borrow_and_update();
            let event = Event::default().event("scene").data(number.to_string());
            if sender.send(Ok(event)).await.is_err() {
                return;
            }
            tokio::select! {
                _ = stop.changed() => return,
                () = sender.closed() => return,
                changed = scenes.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(HEARTBEAT) => {}
            }
        }
    });
    Ok(stream(receiver))
}
