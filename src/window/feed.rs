//! A window's line to the daemon: pictures of its size, or the word that there is no connection.
//!
//! The daemon sends the number of the present picture at least every second. A number that is new is
//! followed by a call for the picture; one that comes late, of a scene that is over, is dropped. Silence,
//! a cut line or a picture that does not come end in «no connection», so that no stale code stands.
//! The other way the window reports to the daemon whether it can be seen.

use std::pin::Pin;
use std::time::Duration;

use reqwest::Method;
use tokio::sync::watch;
use tokio::time::Instant;

use super::picture::Picture;
use oplati::base::error_chain::with_causes;
use oplati::client::http::{CallError, Loopback};
use oplati::config::PixelSize;
use oplati::devices::display::{Hidden, IDLE_HEADER, NUMBER_HEADER, SCENE};

/// Without a sign of life for so long there is no connection.
const SILENCE: Duration = Duration::from_secs(3);
/// So long the scene before stays while the next one's picture is on its way.
const STALE: Duration = Duration::from_secs(1);
/// The daemon takes five seconds at most for a picture.
const PICTURE: Duration = Duration::from_secs(6);
/// The event that holds the window's number.
const WINDOW: &str = "window";
/// Before another try; doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// What the feed sends to a window.
#[derive(Debug)]
pub(super) enum News {
    Picture(Picture),
    /// What stands is over, and what follows is on its way: show nothing.
    Stale,
    /// Show «no connection»; why, English.
    Lost(String),
}

/// Why a conversation ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("{}", with_causes(.0))]
    Call(#[from] CallError),
    #[error("the daemon ended the connection")]
    Closed,
    #[error("the daemon is silent")]
    Silent,
    #[error("the picture does not come")]
    NoPicture,
    #[error("the daemon refuses a picture with status {0}")]
    Refused(u16),
    #[error("the daemon does not take the window's word, with status {0}")]
    ReportRefused(u16),
    #[error("the picture is not understood")]
    Unreadable,
}

/// What the window reports of itself.
#[derive(Clone, Debug)]
pub(super) struct WindowState {
    /// The picture's size, `None` without a window.
    pub(super) sizes: watch::Receiver<Option<PixelSize>>,
    /// Why the buyer does not see it.
    pub(super) hidden: watch::Receiver<Option<Hidden>>,
}

/// Asks for pictures of the size that the window has, as long as it has one; ends with the window.
pub(super) async fn follow(http: &Loopback, window: WindowState, send: impl Fn(News)) {
    let WindowState { mut sizes, hidden } = window;
    let mut pause = FIRST_PAUSE;
    loop {
        let wanted = *sizes.borrow_and_update();
        let Some(size) = wanted else {
            if sizes.changed().await.is_err() {
                return;
            }
            continue;
        };
        let shown = || pause = FIRST_PAUSE;
        let ended = tokio::select! {
            changed = sizes.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            ended = converse(http, size, hidden.clone(), &send, shown) => ended,
        };
        send(News::Lost(ended.to_string()));
        let waited = tokio::time::timeout(pause, sizes.changed()).await;
        pause = (pause * 2).min(MAX_PAUSE);
        if waited.is_ok_and(|changed| changed.is_err()) {
            return;
        }
    }
}

type Loading<'a> = Pin<Box<dyn Future<Output = Result<(u64, Picture), Ended>> + 'a>>;
type Reporting<'a> = Pin<Box<dyn Future<Output = Result<(), Ended>> + 'a>>;

/// The end of what is under way, if something is.
async fn end_of<T>(under_way: Option<&mut Pin<Box<dyn Future<Output = T> + '_>>>) -> T {
    match under_way {
        Some(under_way) => under_way.await,
        None => std::future::pending().await,
    }
}

/// Until it ends, for whatever reason.
async fn converse(
    http: &Loopback,
    size: PixelSize,
    mut hidden: watch::Receiver<Option<Hidden>>,
    send: &impl Fn(News),
    mut shown: impl FnMut(),
) -> Ended {
    let path = format!(
        "/display/events?window_width={}&window_height={}",
        size.width, size.height
    );
    let mut stream = match tokio::time::timeout(SILENCE, http.listen(&path, None)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return error.into(),
        Err(_) => return Ended::Silent,
    };
    let mut state = Progress::new(Instant::now());
    let mut loading: Option<Loading> = None;
    let mut window: Option<String> = None;
    // What the daemon knows: a window that has just come counts as seen.
    let mut reported = None;
    let mut reporting: Option<Reporting> = None;
    loop {
        let now_hidden = *hidden.borrow_and_update();
        if let Some(number) = window.as_deref()
            && reporting.is_none()
            && now_hidden != reported
        {
            reported = now_hidden;
            reporting = Some(Box::pin(report(http, number.to_owned(), now_hidden)));
        }
        if loading.is_none() && state.is_behind() {
            loading = Some(Box::pin(fetch(http, size)));
        }
        tokio::select! {
            message = stream.next() => match message {
                Ok(Some(message)) if message.event == WINDOW => window = Some(message.data),
                Ok(Some(message)) => state.receive(&message.data, Instant::now()),
                Ok(None) => return Ended::Closed,
                Err(error) => return error.into(),
            },
            changed = hidden.changed() => if changed.is_err() {
                return Ended::Closed;
            },
            ended = end_of(reporting.as_mut()) => {
                reporting = None;
                if let Err(ended) = ended {
                    return ended;
                }
            }
            loaded = end_of(loading.as_mut()) => {
                loading = None;
                match loaded {
                    Ok((number, picture)) => if state.take(number) {
                        shown();
                        send(News::Picture(picture));
                    },
                    Err(ended) => return ended,
                }
            }
            () = tokio::time::sleep_until(state.received_at + SILENCE) => return Ended::Silent,
            () = tokio::time::sleep_until(state.current_at + STALE), if state.is_stale() && state.shown.is_some() => {
                state.shown = None;
                send(News::Stale);
            }
            () = tokio::time::sleep_until(state.current_at + PICTURE), if state.is_stale() => return Ended::NoPicture,
        }
    }
}

/// The window's number, and whether it can be seen.
async fn report(http: &Loopback, number: String, hidden: Option<Hidden>) -> Result<(), Ended> {
    let mut path = format!("/display/window?number={number}");
    if let Some(hidden) = hidden {
        path.push_str("&hidden=");
        path.push_str(hidden.word());
    }
    let answer = http.call(Method::POST, &path, None).await?;
    match answer.status {
        204 => Ok(()),
        status => Err(Ended::ReportRefused(status)),
    }
}

async fn fetch(http: &Loopback, size: PixelSize) -> Result<(u64, Picture), Ended> {
    let path = format!(
        "/display/frame.png?width={}&height={}",
        size.width, size.height
    );
    let answer = http.call(Method::GET, &path, None).await?;
    if answer.status != 200 {
        return Err(Ended::Refused(answer.status));
    }
    let number = answer.headers.get(NUMBER_HEADER);
    let number = number.and_then(|number| number.to_str().ok()?.parse().ok());
    let is_idle = answer
        .headers
        .get(IDLE_HEADER)
        .is_some_and(|idle| idle == "1");
    let mut picture = Picture::of_png(&answer.body, size).map_err(|_| Ended::Unreadable)?;
    picture.is_idle = is_idle;
    Ok((number.ok_or(Ended::Unreadable)?, picture))
}

/// What was received and what is shown.
#[derive(Debug)]
struct Progress {
    newest: Option<u64>,
    shown: Option<u64>,
    received_at: Instant,
    /// When what is shown was last known to be of the present scene.
    current_at: Instant,
}

impl Progress {
    fn new(now: Instant) -> Progress {
        Progress {
            newest: None,
            shown: None,
            received_at: now,
            current_at: now,
        }
    }

    fn receive(&mut self, number: &str, now: Instant) {
        self.received_at = now;
        if !self.is_stale() {
            self.current_at = now;
        }
        self.newest = number.parse().ok().max(self.newest);
    }

    /// Whether a picture that came is shown: not when its scene is over.
    fn take(&mut self, number: u64) -> bool {
        let scene = |number: u64| number / SCENE;
        if self
            .newest
            .is_some_and(|newest| scene(number) < scene(newest))
        {
            return false;
        }
        self.shown = Some(number);
        self.newest = self.newest.max(Some(number));
        true
    }

    fn is_behind(&self) -> bool {
        self.newest != self.shown
    }

    /// Whether a scene that is over, or nothing yet, is shown.
    fn is_stale(&self) -> bool {
        let scene = |number: Option<u64>| number.map(|number| number / SCENE);
        scene(self.newest) != scene(self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_picture_of_a_scene_that_is_over_is_not_shown() {
        let now = Instant::now();
        let mut state = Progress::new(now);
        assert!(!state.is_behind());
        state.receive("1000000", now);
        assert!(state.is_behind() && state.is_stale());
        state.receive("2000000", now);
        assert!(!state.take(1_000_000) && state.is_behind());
        assert!(state.take(2_000_000) && !state.is_behind());
        // Another moment of the same scene: behind, but nothing stale.
        state.receive("2000001", now);
        assert!(state.is_behind() && !state.is_stale());
        assert!(state.take(2_000_000) && state.is_behind());
        // A picture that is newer than the last word is shown, and the word that follows is known.
        assert!(state.take(3_000_000));
        state.receive("3000000", now);
        assert!(!state.is_behind());
        state.receive("no number", now);
        assert!(!state.is_behind());
    }
}
