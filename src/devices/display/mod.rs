//! The buyer's displays: a scene goes in, every display shows it.
//!
//! - [`Scene`]: what is to be seen, the core's word · [`messages`]: what is to be read
//! - [`frame`], [`font`], [`icon`], [`logo`], [`qr`]: how it is painted · [`mod@render`]: how it is laid out ·
//!   [`readback`]: whether a code can be read
//! - [`panel`]: what an output is · `png`, [`live`], [`serial`], [`screen`]: its kinds · `worker`: a
//!   display's thread
//!
//! Each display has a thread with a queue of one: the newest scene wins, and a display that hangs
//! delays nobody, not even by being asked.

pub(crate) mod font;
pub mod frame;
pub(crate) mod icon;
pub(crate) mod live;
pub mod logo;
pub(crate) mod messages;
pub(crate) mod panel;
mod png;
pub(crate) mod qr;
pub mod readback;
pub(crate) mod render;
pub mod screen;
pub(crate) mod serial;
mod worker;

use std::convert::Infallible;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::base::lock::lock;
use crate::config::{DisplayDevice, PixelSize, SerialDisplay};
use crate::core::scene::Scene;
use crate::devices::profile::Registry;
use crate::texts::cashier;

use live::LivePicture;
use panel::Driver;
use png::PngFile;
use screen::{AutoDriver, DrmDriver, FbDriver};
use serial::SerialPanelDriver;
use worker::{Facts, Slot, Worker};

pub(crate) use live::{DisplayMirror, Viewer, Watching};
pub use live::{Hidden, IDLE_HEADER, NUMBER_HEADER, SCENE};
pub(crate) use panel::{Capabilities, Refusal};
pub use qr::RenderError;
pub use render::{Theme, render};

/// Of the picture in the browser and the API when no display has another.
const USUAL_SIZE: PixelSize = PixelSize::new(800, 480);
/// Between two looks whether all is shown.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// A scene that a display neither shows nor refuses for so long: it hangs.
const HANG_TIMEOUT: Duration = Duration::from_secs(5);
/// All displays together have this long to become idle at the end: one that hangs must not hold the daemon.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// How one display is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DisplayState {
    /// `display1`.
    pub name: String,
    /// `connected`, `missing`, `busy`, `no_permission`, `failed`, `none`; of windows also `covered` and `dark`.
    pub state: &'static str,
    /// The file, the node, or the page's path.
    pub node: String,
    /// The profile by which it is spoken to.
    pub profile: Option<String>,
    /// What the device reports of itself: maker, product, serial number, release.
    pub identity: Option<String>,
    /// Its answer to a firmware query, where its profile has one.
    pub firmware: Option<String>,
    /// The scene that stands on it.
    pub shows: Option<&'static str>,
    /// The last thing that went wrong, English.
    pub last_error: Option<String>,
    /// What a person can do about its state, Russian.
    pub remedy: Option<String>,
    /// Frames shown.
    pub frames: u64,
    /// Times it was opened after the first.
    pub reconnects: u64,
    /// Codes shown although no decoder read them.
    pub unproven: u64,
    /// The last code's module, micrometres, where the display reports its size.
    pub module_um: Option<u32>,
}

/// Smaller modules are hard for cameras, micrometres.
const MIN_MODULE_UM: u32 = 500;

impl DisplayState {
    /// What a person should know beside its state, Russian.
    pub fn advice(&self) -> Vec<String> {
        let name = &self.name;
        let mut advice = Vec::new();
        if let Some(um) = self.module_um.filter(|um| *um < MIN_MODULE_UM) {
            let size = format!("{},{:02}", um / 1000, um % 1000 / 10);
            advice.push(cashier::module_reason(name, size));
        }
        if self.unproven > 0 {
            advice.push(cashier::unproven_reason(self.unproven, name));
        }
        advice
    }
}

/// All displays.
#[derive(Debug)]
pub struct Displays {
    /// The picture of the API, whose thread has no place in oplati.conf.
    picture: Screen,
    screens: Vec<Screen>,
    live: Arc<DisplayMirror>,
}

/// One display.
#[derive(Debug)]
struct Screen {
    name: String,
    facts: Arc<Mutex<Facts>>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A thread of its own.
    Rendered {
        slot: Arc<Slot>,
        thread: Mutex<Option<Running>>,
    },
    /// The browser page, which shows the picture of the API.
    Web,
    /// The windows of `oplati display --window`, which show it too.
    Windows,
}

/// A thread, and how its end is noticed: then the other side of `ended` is gone.
#[derive(Debug)]
struct Running {
    handle: JoinHandle<()>,
    ended: mpsc::Receiver<Infallible>,
}

/// Of the picture in the browser and the API: the first PNG file's.
pub fn picture_size(devices: &[DisplayDevice]) -> PixelSize {
    let size = devices.iter().find_map(|device| match device {
        DisplayDevice::Png { size, .. } => Some(*size),
        DisplayDevice::Auto
        | DisplayDevice::Drm { .. }
        | DisplayDevice::Framebuffer { .. }
        | DisplayDevice::Window
        | DisplayDevice::Serial(_)
        | DisplayDevice::Web => None,
    });
    size.unwrap_or(USUAL_SIZE)
}

impl Displays {
    /// As [`Displays::start_with`], with the built-in profiles.
    pub fn start(devices: &[DisplayDevice], theme: &Theme) -> std::io::Result<Displays> {
        Displays::start_with(devices, theme, &Registry::built_in())
    }

    /// Starts a thread for each display of `[Display] device`, named in its order, and one for the
    /// picture of the API. It fails when the system has no more threads, and when a display names a profile that
    /// `profiles` lacks ([`Registry::check_use`] reports that better, and before).
    pub fn start_with(
        devices: &[DisplayDevice],
        theme: &Theme,
        profiles: &Registry,
    ) -> std::io::Result<Displays> {
        let accepts_windows = devices
            .iter()
            .any(|device| matches!(device, DisplayDevice::Window | DisplayDevice::Auto));
        let live = Arc::new(DisplayMirror::new(theme.clone(), accepts_windows));
        let picture = LivePicture {
            frame: live.clone(),
            size: picture_size(devices),
        };
        let picture = Screen::render_verified("live".to_owned(), Box::new(picture), theme)?;
        let mut screens = Vec::new();
        for (index, device) in devices.iter().enumerate() {
            let name = format!("display{}", index + 1);
            screens.push(Screen::start(name, device, theme, profiles)?);
        }
        Ok(Displays {
            picture,
            screens,
            live,
        })
    }

    /// Shows a scene everywhere. Never waits. It is refused, and not shown, when it is a QR that no display of this
    /// till can show, since it is too long or too dense for each. A display that is missing, or a till whose displays
    /// show no codes at all, is no reason: the till program has the code as well.
    pub fn show(&self, scene: &Scene) -> Result<(), Refusal> {
        if let Some(refusal) = self.refusal(scene) {
            return Err(refusal);
        }
        self.live.put(scene.clone());
        for screen in self.all() {
            screen.put(scene);
        }
        Ok(())
    }

    /// Waits until every display has shown what it was given last, or has failed to, at most so long. One
    /// that is not there is not waited for twice.
    pub fn wait_until_shown(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let waits = |screen: &Screen| {
            let render_verified = matches!(screen.kind, Kind::Rendered { .. });
            render_verified && lock(&screen.facts).asked.is_some()
        };
        while Instant::now() < until && self.all().any(waits) {
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Shows a scene on one display alone, for tests; the next scene for all takes its place. A page or a
    /// window shows the picture of the API, which is then the test's, too. Never waits. What the display cannot show
    /// is refused and not shown; an unknown name shows nothing.
    pub fn show_on(&self, name: &str, scene: &Scene) -> Result<(), Refusal> {
        let Some(screen) = self.screens.iter().find(|screen| screen.name == name) else {
            return Ok(());
        };
        let shows = match screen.kind {
            Kind::Rendered { .. } | Kind::Windows => screen,
            Kind::Web => &self.picture,
        };
        if let Some(refusal) = shows.refuses(scene, &self.live) {
            return Err(refusal);
        }
        if matches!(screen.kind, Kind::Rendered { .. }) {
            screen.put(scene);
        } else {
            self.live.put(scene.clone());
            self.picture.put(scene);
        }
        Ok(())
    }

    /// Whether a display shows QR codes; `None` when there is none of that name.
    pub fn shows_codes(&self, name: &str) -> Option<bool> {
        let screen = self.screens.iter().find(|screen| screen.name == name)?;
        Some(!screen.shows_no_qr() && !screen.is_absent(&self.live))
    }

    /// Every display that could show a code must refuse this one; a pole display shows none, and so
    /// has no say.
    fn refusal(&self, scene: &Scene) -> Option<Refusal> {
        let mut found = None;
        let shown = self.screens.iter().map(|screen| match screen.kind {
            Kind::Rendered { .. } | Kind::Windows => screen,
            Kind::Web => &self.picture,
        });
        let mut asked: Vec<&Screen> = shown.collect();
        if asked.is_empty() {
            asked.push(&self.picture);
        }
        for screen in asked {
            // One that is not there shows nothing, whatever it could.
            if screen.shows_no_qr() || screen.is_absent(&self.live) {
                continue;
            }
            let refusal = screen.refuses(scene, &self.live)?;
            if refusal.is_of_payload() {
                found = Some(refusal);
            }
        }
        found
    }

    fn all(&self) -> impl Iterator<Item = &Screen> {
        std::iter::once(&self.picture).chain(&self.screens)
    }

    /// Whether there are displays, and none of them shows such a scene, whatever is in it.
    pub fn none_shows(&self, scene: &Scene) -> bool {
        let can = |screen: &Screen| {
            let facts = lock(&screen.facts);
            facts.capabilities.as_ref().is_none_or(|capabilities| {
                let codes = matches!(scene, Scene::Qr { .. });
                (!codes || capabilities.shows_qr()) && capabilities.refuses(scene).is_none()
            })
        };
        !self.screens.is_empty() && !self.screens.iter().any(can)
    }

    /// What the buyer sees, for the API.
    pub fn live(&self) -> Arc<DisplayMirror> {
        self.live.clone()
    }

    /// How every configured display is.
    pub fn state(&self) -> Vec<DisplayState> {
        let screens = self.screens.iter();
        screens.map(|screen| screen.state(&self.live)).collect()
    }

    /// Shows the idle scene, so that no stale code stays, and ends all threads. Takes at most
    /// three seconds; a display that hangs longer is left behind with its thread.
    pub fn stop(&self) {
        self.live.put(Scene::Idle);
        for screen in self.all() {
            if let Kind::Rendered { slot, .. } = &screen.kind {
                slot.stop();
            }
        }
        let deadline = Instant::now() + STOP_LIMIT;
        for screen in self.all() {
            let Kind::Rendered { thread, .. } = &screen.kind else {
                continue;
            };
            let Some(thread) = lock(thread).take() else {
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = thread.ended.recv_timeout(left);
            if ended == Err(RecvTimeoutError::Timeout) {
                tracing::warn!(device = %screen.name, limit_ms = STOP_LIMIT.as_millis(), "A display hangs and is left behind");
            } else if thread.handle.join().is_err() {
                tracing::error!(device = %screen.name, "A display's thread died");
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
    /// Gives the worker its next scene; a page or a window has no worker.
    fn put(&self, scene: &Scene) {
        if let Kind::Rendered { slot, .. } = &self.kind {
            lock(&self.facts).asked.get_or_insert_with(Instant::now);
            slot.put(scene.clone());
        }
    }

    fn start(
        name: String,
        device: &DisplayDevice,
        theme: &Theme,
        profiles: &Registry,
    ) -> std::io::Result<Screen> {
        // Nodes and sysfs are the machine's, wherever the files are.
        let machine = Path::new("/");
        let driver: Box<dyn Driver> = match device {
            DisplayDevice::Web => {
                let node = "/display".to_owned();
                return Ok(Screen::not_rendered(name, Kind::Web, node));
            }
            DisplayDevice::Window => {
                let node = "window".to_owned();
                return Ok(Screen::not_rendered(name, Kind::Windows, node));
            }
            DisplayDevice::Png { path, size } => Box::new(PngFile::new(path.clone(), *size)),
            DisplayDevice::Auto => Box::new(AutoDriver::new(machine)),
            DisplayDevice::Drm { connector } => {
                Box::new(DrmDriver::new(connector.clone(), machine))
            }
            DisplayDevice::Framebuffer { path } => Box::new(FbDriver::new(path.clone(), machine)),
            DisplayDevice::Serial(SerialDisplay { line, profile }) => {
                let named = profile.as_deref().and_then(|id| profiles.display(id));
                let profile = named.ok_or_else(|| {
                    std::io::Error::other("a serial: display names no profile that is there")
                })?;
                let profile = profile.clone();
                Box::new(SerialPanelDriver::new(line.clone(), profile, theme))
            }
        };
        Screen::render_verified(name, driver, theme)
    }

    fn not_rendered(name: String, kind: Kind, node: String) -> Screen {
        let mut facts = Facts::default();
        facts.published.node = node;
        Screen {
            name,
            facts: Arc::new(Mutex::new(facts)),
            kind,
        }
    }

    fn render_verified(
        name: String,
        driver: Box<dyn Driver>,
        theme: &Theme,
    ) -> std::io::Result<Screen> {
        let slot: Arc<Slot> = Arc::default();
        let mut facts = Facts {
            capabilities: driver.capabilities(),
            ..Facts::default()
        };
        facts.published.node = driver.node();
        facts.published.profile = driver.profile();
        let facts = Arc::new(Mutex::new(facts));
        let worker = Worker {
            name: name.clone(),
            theme: theme.clone(),
            driver,
            slot: slot.clone(),
            facts: facts.clone(),
            proven: readback::Proven::default(),
        };
        let (end, ended) = mpsc::channel();
        let handle = std::thread::Builder::new()
            .name(format!("oplati-{name}"))
            .spawn(move || {
                let _held_to_the_end: mpsc::Sender<Infallible> = end;
                worker.run();
            })?;
        let thread = Mutex::new(Some(Running { handle, ended }));
        Ok(Screen {
            name,
            facts,
            kind: Kind::Rendered { slot, thread },
        })
    }

    fn shows_no_qr(&self) -> bool {
        let facts = lock(&self.facts);
        facts
            .capabilities
            .as_ref()
            .is_some_and(|can| !can.shows_qr())
    }

    fn is_absent(&self, live: &DisplayMirror) -> bool {
        match self.kind {
            Kind::Rendered { .. } => {
                let state = lock(&self.facts).state;
                state.is_some_and(|state| state != "connected")
            }
            Kind::Windows => live.window_facts().sizes.is_empty(),
            Kind::Web => false,
        }
    }

    /// `None` also as long as nobody knows what the display is like.
    fn refuses(&self, scene: &Scene, live: &DisplayMirror) -> Option<Refusal> {
        if !matches!(self.kind, Kind::Windows) {
            return lock(&self.facts).capabilities.as_ref()?.refuses(scene);
        }
        let mut found = None;
        for size in live.window_facts().sizes {
            let capabilities = Capabilities::Pixels {
                size,
                millimetres: None,
            };
            found = Some(capabilities.refuses(scene)?);
        }
        found
    }

    fn facts(&self, live: &DisplayMirror) -> Facts {
        let mut facts = lock(&self.facts).clone();
        let windows = live.window_facts();
        if matches!(self.kind, Kind::Web) {
            facts.published.unproven = windows.unproven;
            facts.published.remedy =
                (!live.is_watched()).then(|| cashier::DISPLAY_PAGE_REMEDY.to_owned());
        }
        if matches!(self.kind, Kind::Windows) {
            facts.published.shows = windows.shows;
            facts.published.frames = windows.frames;
            facts.published.reconnects = windows.reconnects;
            facts.published.unproven = windows.unproven;
            facts.published.remedy = if windows.sizes.is_empty() {
                Some(cashier::OPEN_WINDOW_REMEDY.to_owned())
            } else {
                windows.hidden.map(Hidden::remedy)
            };
        }
        facts
    }

    fn state(&self, live: &DisplayMirror) -> DisplayState {
        let mut facts = self.facts(live);
        let hangs = facts
            .asked
            .is_some_and(|asked| asked.elapsed() > HANG_TIMEOUT);
        let state = match &self.kind {
            Kind::Rendered { .. } if hangs => {
                facts.published.shows = None;
                facts.published.remedy = Some(cashier::DISPLAY_SILENT_REMEDY.to_owned());
                "failed"
            }
            // Nothing was shown yet, and nothing went wrong.
            Kind::Rendered { .. } => facts.state.unwrap_or("connected"),
            Kind::Web if live.is_watched() => "connected",
            Kind::Windows => {
                let windows = live.window_facts();
                match windows.hidden {
                    _ if windows.sizes.is_empty() => "missing",
                    Some(hidden) => hidden.word(),
                    None => "connected",
                }
            }
            Kind::Web => "missing",
        };
        DisplayState {
            name: self.name.clone(),
            state,
            ..facts.published
        }
    }
}

#[cfg(test)]
mod tests;
