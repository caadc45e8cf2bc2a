//! The buyer's displays: a scene goes in, every display shows it.
//!
//! - [`scene`]: what is to be seen · [`words`]: what is to be read
//! - [`frame`], [`typeface`], [`symbol`], [`qr`]: how it is painted · [`mod@render`]: how it is laid out
//! - `output`: where it goes
//!
//! Each display has a thread with a queue of one: the newest scene wins, and a display that hangs
//! delays nobody, not even by being asked.

pub mod frame;
mod output;
pub mod qr;
pub mod render;
pub mod scene;
pub mod symbol;
pub mod typeface;
pub mod words;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::causes::with_causes;

use crate::config::PixelSize;

pub use output::LiveFrame;
pub use qr::RenderError;
pub use render::{Look, render};
pub use scene::{QrPayload, Scene};

/// Of the picture in the browser and the API when no display says otherwise.
const USUAL_SIZE: PixelSize = PixelSize {
    width: 800,
    height: 480,
};
/// Pause after a first failure, and after each that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MOST_PAUSE: Duration = Duration::from_secs(2);
/// All displays together have this long to become idle at the end: one that hangs must not hold the daemon.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A file that is replaced.
    Png {
        /// `display1`.
        name: String,
        /// Which.
        path: PathBuf,
        /// Of the picture.
        size: PixelSize,
    },
    /// The browser page.
    Web {
        /// `display1`.
        name: String,
    },
}

/// How one display is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayState {
    /// `display1`.
    pub name: String,
    /// `connected`, `missing` (no page is open) or `failed`.
    pub state: &'static str,
    /// The file, or the page's path.
    pub node: Option<String>,
    /// The last thing that went wrong, English.
    pub last_error: Option<String>,
    /// Frames shown.
    pub frames: u64,
}

/// All displays.
#[derive(Debug)]
pub struct Displays {
    screens: Vec<Screen>,
    live: Arc<LiveFrame>,
}

/// Where a thread finds its next scene.
#[derive(Debug, Default)]
struct Slot {
    next: Mutex<Next>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Next {
    scene: Option<Scene>,
    stop: bool,
}

#[derive(Debug, Default)]
struct Facts {
    last_error: Option<String>,
    failed: bool,
    frames: u64,
}

#[derive(Debug)]
struct Screen {
    output: Option<Output>,
    size: PixelSize,
    slot: Arc<Slot>,
    facts: Arc<Mutex<Facts>>,
    thread: Mutex<Option<Running>>,
}

/// A thread, and how its end is noticed: then the other side of `ended` is gone.
#[derive(Debug)]
struct Running {
    handle: JoinHandle<()>,
    ended: mpsc::Receiver<Infallible>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Displays {
    /// Starts a thread for each output, and one for the picture of the API.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub fn start(outputs: Vec<Output>, look: &Look) -> std::io::Result<Displays> {
        let live = Arc::new(LiveFrame::default());
        let sizes = outputs.iter().find_map(|output| match output {
            Output::Png { size, .. } => Some(*size),
            Output::Web { .. } => None,
        });
        let live_size = sizes.unwrap_or(USUAL_SIZE);
        let mut screens = Vec::new();
        let to_live = live.clone();
        let show_live = move |number, png: Vec<u8>| {
            to_live.set(number, png);
            Ok(())
        };
        screens.push(Screen::start(
            "live".to_owned(),
            None,
            live_size,
            look,
            show_live,
        )?);
        for output in outputs {
            match &output {
                Output::Png { name, path, size } => {
                    let (name, path, size) = (name.clone(), path.clone(), *size);
                    let show = move |_, png: Vec<u8>| {
                        output::replace(&path, &png).map_err(|error| with_causes(&error))
                    };
                    screens.push(Screen::start(name, Some(output), size, look, show)?);
                }
                // The page shows the picture of the API: no thread of its own.
                Output::Web { .. } => screens.push(Screen::idle(output, live_size)),
            }
        }
        Ok(Displays { screens, live })
    }

    /// Shows a scene everywhere. Never waits.
    ///
    /// # Errors
    /// [`RenderError`] when the scene is a QR that fits no display at all; it is not shown then.
    pub fn show(&self, scene: &Scene) -> Result<(), RenderError> {
        if let Scene::Qr { payload, .. } = scene {
            let configured = || self.screens.iter().filter(|screen| screen.output.is_some());
            let any = configured().next().is_some();
            let screens = self
                .screens
                .iter()
                .filter(|screen| screen.output.is_some() || !any);
            let mut refusal = None;
            for screen in screens {
                match render::qr_fits(payload, screen.size) {
                    Ok(()) => {
                        refusal = None;
                        break;
                    }
                    Err(error) => refusal = Some(error),
                }
            }
            if let Some(error) = refusal {
                return Err(error);
            }
        }
        for screen in &self.screens {
            lock(&screen.slot.next).scene = Some(scene.clone());
            screen.slot.changed.notify_one();
        }
        Ok(())
    }

    /// What the buyer sees, for the API.
    #[must_use]
    pub fn live(&self) -> Arc<LiveFrame> {
        self.live.clone()
    }

    /// How every configured display is.
    #[must_use]
    pub fn state(&self) -> Vec<DisplayState> {
        self.screens
            .iter()
            .filter_map(|screen| screen.state(&self.live))
            .collect()
    }

    /// Shows the idle scene, so that no stale code stays, and ends all threads. Takes at most
    /// three seconds; a display that hangs longer is left behind with its thread.
    pub fn stop(&self) {
        for screen in &self.screens {
            let mut next = lock(&screen.slot.next);
            next.scene = Some(Scene::Idle);
            next.stop = true;
            drop(next);
            screen.slot.changed.notify_one();
        }
        let deadline = Instant::now() + STOP_LIMIT;
        for screen in &self.screens {
            let Some(thread) = lock(&screen.thread).take() else {
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = thread.ended.recv_timeout(left);
            if ended == Err(RecvTimeoutError::Timeout) {
                tracing::warn!(
                    limit_ms = STOP_LIMIT.as_millis(),
                    "A display hangs and is left behind"
                );
            } else if thread.handle.join().is_err() {
                tracing::error!("A display's thread died");
            }
        }
    }
}

/// Whatever ends the daemon, no code stays on a display.
impl Drop for Displays {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Screen {
    fn idle(output: Output, size: PixelSize) -> Screen {
        Screen {
            output: Some(output),
            size,
            slot: Arc::default(),
            facts: Arc::default(),
            thread: Mutex::new(None),
        }
    }

    fn start(
        name: String,
        output: Option<Output>,
        size: PixelSize,
        look: &Look,
        show: impl FnMut(u64, Vec<u8>) -> Result<(), String> + Send + 'static,
    ) -> std::io::Result<Screen> {
        let (slot, facts): (Arc<Slot>, Arc<Mutex<Facts>>) = Default::default();
        let painter = Painter {
            name: name.clone(),
            size,
            look: look.clone(),
            slot: slot.clone(),
            facts: facts.clone(),
        };
        let (end, ended) = mpsc::channel();
        let handle = std::thread::Builder::new()
            .name(format!("oplati-{name}"))
            .spawn(move || {
                let _held_to_the_end: mpsc::Sender<Infallible> = end;
                painter.run(show);
            })?;
        let thread = Mutex::new(Some(Running { handle, ended }));
        Ok(Screen {
            output,
            size,
            slot,
            facts,
            thread,
        })
    }

    fn state(&self, live: &LiveFrame) -> Option<DisplayState> {
        let facts = lock(&self.facts);
        let (name, node, state) = match self.output.as_ref()? {
            Output::Png { name, path, .. } => {
                let state = if facts.failed { "failed" } else { "connected" };
                (name, path.display().to_string(), state)
            }
            Output::Web { name } => {
                let state = if live.is_watched() {
                    "connected"
                } else {
                    "missing"
                };
                (name, "/display".to_owned(), state)
            }
        };
        Some(DisplayState {
            name: name.clone(),
            state,
            node: Some(node),
            last_error: facts.last_error.clone(),
            frames: facts.frames,
        })
    }
}

/// A display's thread.
struct Painter {
    name: String,
    size: PixelSize,
    look: Look,
    slot: Arc<Slot>,
    facts: Arc<Mutex<Facts>>,
}

impl Painter {
    fn run(self, mut show: impl FnMut(u64, Vec<u8>) -> Result<(), String>) {
        let mut number = 0;
        let mut failed: Option<(Scene, Duration)> = None;
        while let Some((scene, last)) = self.next(&mut failed) {
            number += 1;
            match self.paint(&scene).and_then(|png| show(number, png)) {
                Ok(()) => self.note_success(&scene),
                Err(error) => {
                    let pause = self.note_failure(&scene, &error);
                    failed = Some((scene, pause));
                }
            }
            if last {
                return;
            }
        }
    }

    fn paint(&self, scene: &Scene) -> Result<Vec<u8>, String> {
        let frame = match render(scene, self.size, &self.look) {
            Ok(frame) => frame,
            // Another display shows the code; here it would be a blur, and any words about a code
            // would send the buyer to the wrong place.
            Err(error) => {
                tracing::warn!(device = %self.name, %error, "A code is not shown here");
                lock(&self.facts).last_error = Some(error.to_string());
                render(&Scene::Idle, self.size, &self.look).map_err(|error| error.to_string())?
            }
        };
        frame.png().map_err(|error| with_causes(&error))
    }

    /// The next scene, and whether it is the last one; after a failure the same one again.
    fn next(&self, failed: &mut Option<(Scene, Duration)>) -> Option<(Scene, bool)> {
        let mut next = lock(&self.slot.next);
        loop {
            if let Some(scene) = next.scene.take() {
                *failed = None;
                return Some((scene, next.stop));
            }
            if next.stop {
                return None;
            }
            let Some((scene, pause)) = failed.take() else {
                next = self
                    .slot
                    .changed
                    .wait(next)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (guard, timeout) = self
                .slot
                .changed
                .wait_timeout(next, pause)
                .unwrap_or_else(PoisonError::into_inner);
            next = guard;
            if timeout.timed_out() && next.scene.is_none() {
                return Some((scene, next.stop));
            }
            *failed = Some((scene, pause));
        }
    }

    fn note_success(&self, scene: &Scene) {
        let mut facts = lock(&self.facts);
        facts.frames += 1;
        if std::mem::take(&mut facts.failed) {
            tracing::info!(device = %self.name, "Display works again");
        }
        tracing::debug!(device = %self.name, scene = scene.name(), "Scene shown");
    }

    fn note_failure(&self, scene: &Scene, error: &str) -> Duration {
        let mut facts = lock(&self.facts);
        let before = std::mem::replace(&mut facts.failed, true);
        if !before {
            tracing::warn!(device = %self.name, scene = scene.name(), error, "Display fails");
        }
        facts.last_error = Some(error.to_owned());
        if before { MOST_PAUSE } else { FIRST_PAUSE }
    }
}

#[cfg(test)]
mod tests;
