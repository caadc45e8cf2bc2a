//! A display's thread: takes the newest scene, opens the display, shows the scene, and looks whether
//! it still stands there.
//!
//! A display that is not there is looked for again with growing pauses, and at once when there is
//! something new to show. A display that hangs hangs alone.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::DisplayState;
use super::panel::{Capabilities, Driver, Panel, PanelError, PixelPanel, Refusal, Watched};
use super::readback::{Picture, Proven, Readback};
use super::render::Theme;
use crate::base::lock::lock;
use crate::core::scene::Scene;

/// Pause after a first failure; doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// How often an open display is looked at, and a picture that moves is drawn anew.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// How often it is looked at while nobody is served.
const IDLE_WATCH_INTERVAL: Duration = Duration::from_secs(3);

/// Where a thread finds its next scene: a queue of one, the newest wins.
#[derive(Debug, Default)]
pub(super) struct Slot {
    next: Mutex<Next>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Next {
    scene: Option<Scene>,
    stop: bool,
}

/// What a thread wakes for.
enum Woken {
    Scene(Scene),
    Stop,
    Time,
}

impl Slot {
    /// Never waits.
    pub(super) fn put(&self, scene: Scene) {
        lock(&self.next).scene = Some(scene);
        self.changed.notify_one();
    }

    /// What is shown last is the idle scene, so that no code stays.
    pub(super) fn stop(&self) {
        lock(&self.next).stop = true;
        self.changed.notify_one();
    }

    /// `timeout`: without one there is nothing to look after.
    fn next(&self, timeout: Option<Duration>) -> Woken {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let mut next = lock(&self.next);
        loop {
            if next.stop {
                return Woken::Stop;
            }
            if let Some(scene) = next.scene.take() {
                return Woken::Scene(scene);
            }
            let Some(until) = until else {
                let woken = self.changed.wait(next);
                next = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Woken::Time;
            }
            let woken = self.changed.wait_timeout(next, wait);
            next = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What is known of a display.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// As in health; `None` until something was shown or went wrong.
    pub(super) state: Option<&'static str>,
    /// All else that is published of it.
    pub(super) published: DisplayState,
    /// Known before it is open, or since it was.
    pub(super) capabilities: Option<Capabilities>,
    /// Since when a scene waits to be shown.
    pub(super) asked: Option<Instant>,
}

/// A display's thread, before it runs.
pub(super) struct Worker {
    pub(super) name: String,
    pub(super) theme: Theme,
    pub(super) driver: Box<dyn Driver>,
    pub(super) slot: Arc<Slot>,
    pub(super) facts: Arc<Mutex<Facts>>,
    pub(super) proven: Proven,
}

/// What should stand on the display.
struct Wanted {
    scene: Scene,
    /// Moments since the scene came; what moves is drawn by it.
    animation_step: u32,
    shown: bool,
}

impl Worker {
    /// Until it is stopped.
    pub(super) fn run(mut self) {
        let mut panel: Option<Panel> = None;
        let mut wanted: Option<Wanted> = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let timeout = match &panel {
                Some(panel) => watch_interval(panel, wanted.as_ref()),
                None => Some(pause),
            };
            match self.slot.next(timeout) {
                Woken::Stop => return self.end(panel),
                Woken::Scene(scene) => {
                    wanted = Some(Wanted {
                        scene,
                        animation_step: 0,
                        shown: false,
                    });
                }
                Woken::Time => {
                    if let Some(wanted) = &mut wanted {
                        wanted.animation_step = wanted.animation_step.wrapping_add(1);
                    }
                }
            }
            if panel.is_none() {
                panel = self.open();
                pause = (pause * 2).min(MAX_PAUSE);
                if let Some(wanted) = &mut wanted {
                    wanted.shown = false;
                }
            }
            let (Some(open), Some(wanted)) = (&mut panel, &mut wanted) else {
                continue;
            };
            match self.attend(open, wanted) {
                Ok(()) => pause = FIRST_PAUSE,
                Err(error) => {
                    panel = None;
                    self.note_failure(&error);
                }
            }
        }
    }

    fn end(mut self, panel: Option<Panel>) {
        let Some(mut panel) = panel else { return };
        if let Err(error) = self.show(&mut panel, &Scene::Idle, 0) {
            tracing::debug!(device = %self.name, %error, "No idle scene at the end");
        }
    }

    fn open(&mut self) -> Option<Panel> {
        let opened = self.driver.open();
        let mut facts = lock(&self.facts);
        facts.published.node = self.driver.node();
        facts.published.profile = self.driver.profile();
        facts.published.identity = self.driver.identity();
        facts.published.firmware = None;
        match opened {
            Ok(panel) => {
                // Another monitor may be there now.
                facts.published.module_um = None;
                facts.capabilities = Some(capabilities(&panel));
                Some(panel)
            }
            Err(error) => {
                drop(facts);
                self.note_failure(&error);
                None
            }
        }
    }

    fn attend(&mut self, panel: &mut Panel, wanted: &mut Wanted) -> Result<(), PanelError> {
        if wanted.shown {
            let watched = match panel {
                Panel::Pixels(pixels) => pixels.watch()?,
                Panel::Scenes(scenes) => {
                    let watched = scenes.watch()?;
                    if let Some(firmware) = scenes.firmware() {
                        tracing::info!(device = %self.name, firmware, "Display's firmware");
                        lock(&self.facts).published.firmware = Some(firmware);
                    }
                    watched
                }
            };
            if watched == Watched::Same && !moves(panel, &wanted.scene) {
                return Ok(());
            }
        }
        let shows = self.show(panel, &wanted.scene, wanted.animation_step)?;
        self.note_success(shows, wanted.shown);
        wanted.shown = true;
        Ok(())
    }

    /// The name of the scene that stands there then.
    fn show(
        &mut self,
        panel: &mut Panel,
        scene: &Scene,
        animation_step: u32,
    ) -> Result<&'static str, PanelError> {
        // Another display shows the code; here it would be a blur or nothing, and any words about a
        // code would send the buyer to the wrong place.
        let refusal = capabilities(panel).refuses(scene);
        let scene = if refusal.is_some() {
            &Scene::Idle
        } else {
            scene
        };
        if let Some(refusal) = refusal {
            self.note_refusal(&refusal);
        }
        match panel {
            Panel::Scenes(scenes) => scenes.show(scene),
            Panel::Pixels(pixels) => {
                let picture = Picture {
                    scene,
                    size: pixels.size(),
                    theme: &self.theme,
                    animation_step,
                };
                let readback = self.proven.show(&picture, |frame| pixels.show(frame))?;
                if let Some(readback) = readback {
                    self.note_readback(readback, pixels.as_ref());
                }
                Ok(scene.name())
            }
        }
    }

    fn note_readback(&self, readback: Readback, panel: &dyn PixelPanel) {
        let mut facts = lock(&self.facts);
        facts.published.module_um = panel
            .millimetres()
            .and_then(|visible| readback.module_um(panel.size(), visible));
        if !readback.is_read {
            facts.published.unproven += 1;
            facts.published.last_error =
                Some("no decoder reads the QR code that is shown".to_owned());
            tracing::error!(device = %self.name, "No decoder reads the QR code that is shown");
        }
    }

    fn note_refusal(&self, refusal: &Refusal) {
        let mut facts = lock(&self.facts);
        let message = refusal.to_string();
        if facts.published.last_error.as_deref() != Some(&message) {
            tracing::warn!(device = %self.name, error = %message, "A scene is not shown here");
        }
        facts.published.last_error = Some(message);
    }

    fn note_success(&self, shows: &'static str, again: bool) {
        let mut facts = lock(&self.facts);
        facts.published.frames += 1;
        facts.asked = None;
        facts.published.shows = Some(shows);
        facts.published.remedy = None;
        match facts.state.replace("connected") {
            Some("connected") => {}
            None => {
                tracing::info!(device = %self.name, node = %facts.published.node, "Display works")
            }
            Some(_) => {
                facts.published.reconnects += 1;
                tracing::info!(device = %self.name, node = %facts.published.node, "Display works again");
            }
        }
        if !again {
            tracing::debug!(device = %self.name, scene = shows, "Scene shown");
        }
    }

    fn note_failure(&self, error: &PanelError) {
        let mut facts = lock(&self.facts);
        let message = error.to_string();
        facts.asked = None;
        let before = facts.state.replace(error.word());
        if before != Some(error.word()) || facts.published.last_error.as_deref() != Some(&message) {
            if matches!(error, PanelError::Nothing(_)) {
                tracing::debug!(device = %self.name, error = %message, "No display is taken");
            } else {
                tracing::warn!(device = %self.name, state = error.word(), error = %message, "Display cannot be used");
            }
        }
        facts.published.shows = None;
        facts.published.remedy = Some(error.remedy());
        facts.published.last_error = Some(message);
    }
}

/// After what time an open display needs something although nothing new is to be shown; `None`: it needs nothing.
fn watch_interval(panel: &Panel, wanted: Option<&Wanted>) -> Option<Duration> {
    let can_be_watched = match panel {
        Panel::Pixels(pixels) => pixels.can_be_watched(),
        Panel::Scenes(scenes) => scenes.can_be_watched(),
    };
    let moves = wanted.is_some_and(|wanted| moves(panel, &wanted.scene));
    let is_idle = wanted.is_none_or(|wanted| wanted.scene == Scene::Idle);
    if moves || can_be_watched && !is_idle {
        return Some(WATCH_INTERVAL);
    }
    can_be_watched.then_some(IDLE_WATCH_INTERVAL)
}

fn moves(panel: &Panel, scene: &Scene) -> bool {
    scene.moves() && matches!(panel, Panel::Pixels(_))
}

fn capabilities(panel: &Panel) -> Capabilities {
    match panel {
        Panel::Pixels(pixels) => Capabilities::Pixels {
            size: pixels.size(),
            millimetres: pixels.millimetres(),
        },
        Panel::Scenes(scenes) => scenes.capabilities(),
    }
}
