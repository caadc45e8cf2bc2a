//! The window and its monitor.
//!
//! Two designs were weighed for X11: a full-screen window that the window manager manages, and one that
//! it does not even see (override-redirect), placed on the monitor's pixels. The second wins: no window
//! manager ever gives it the focus, decorates, minimises or moves it, it works where there is no window
//! manager at all, and what the cashier types goes to the till program, always. On Wayland only the
//! compositor places windows: there it is full-screen, and most compositors give it the focus once, when
//! it comes.
//!
//! The main thread belongs to the window system; `oplati-feed` talks to the daemon and takes signals.

use std::num::NonZeroU32;
use std::path::Path;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use softbuffer::{Context as Pixels, Surface};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use winit::application::ApplicationHandler;
use winit::dpi::{PhysicalPosition, PhysicalSize};
use winit::event::WindowEvent;
use winit::event_loop::{
    ActiveEventLoop, ControlFlow, EventLoop, EventLoopProxy, OwnedDisplayHandle,
};
use winit::monitor::MonitorHandle;
use winit::platform::wayland::WindowAttributesExtWayland;
use winit::platform::x11::{ActiveEventLoopExtX11 as _, WindowAttributesExtX11};
use winit::raw_window_handle::{HasWindowHandle as _, RawWindowHandle};
use winit::window::{Fullscreen, Window, WindowAttributes, WindowId};

use super::error::WindowError;
use super::feed::{self, News, WindowState};
use super::note;
use super::outputs::{self, Monitor, NoMonitor, Wanted};
use super::picture::{Picture, size_for};
use super::sight::Sight;
use super::x11::{Painter, XServer};
use oplati::base::error_chain::with_causes;
use oplati::base::exit_code;
use oplati::client::http::Loopback;
use oplati::config::{self, DisplayDevice, DisplaySettings, PixelSize};
use oplati::core::scene::Scene;
use oplati::devices::display::{Hidden, Theme, render};

/// How often monitors are looked at.
const MONITORS_INTERVAL: Duration = Duration::from_secs(1);

/// What wakes the main thread.
#[derive(Debug)]
enum Wake {
    News(News),
    /// A signal: the exit code.
    End(u8),
}

/// Shows the window until the session ends.
///
/// # Errors
/// [`WindowError`] when there is no desktop session, no such monitor, or no window in oplati.conf.
pub(super) fn run(root: &Path, wanted: Wanted) -> Result<u8, WindowError> {
    // The defaults name `auto`: whether this window is wanted, the daemon knows.
    let config = config::load_as_caller(root)?.config;
    if !accepts_windows(&config.display) {
        if wanted.autostart {
            note(&WindowError::NotWanted.to_string());
            return Ok(exit_code::OK);
        }
        return Err(WindowError::NotWanted);
    }
    if !has_desktop() {
        return Err(WindowError::NoDesktop(
            "neither WAYLAND_DISPLAY nor DISPLAY is set".to_owned(),
        ));
    }
    let no_desktop = |error: &dyn std::error::Error| WindowError::NoDesktop(with_causes(error));
    let event_loop = EventLoop::<Wake>::with_user_event()
        .build()
        .map_err(|error| no_desktop(&error))?;
    let http = Loopback::over_socket(&config.till.socket).map_err(WindowError::Client)?;
    let (sizes, size) = watch::channel(None);
    let (hidden, is_hidden) = watch::channel(None);
    let state = WindowState {
        sizes: size,
        hidden: is_hidden,
    };
    let feed = start_feed(http, state, event_loop.create_proxy())?;
    let mut app = App {
        wanted,
        // The logo is of the idle scene, which the daemon draws.
        look: Theme::of(&config, None),
        server: None,
        pixels: Pixels::new(event_loop.owned_display_handle())
            .map_err(|error| no_desktop(&error))?,
        sizes,
        hidden,
        sight: Sight::default(),
        feed,
        feed_ended: false,
        stage: None,
        has_stood: false,
        showing: Showing::Nothing,
        noted: String::new(),
        outcome: Ok(exit_code::OK),
    };
    let ran = event_loop.run_app(&mut app);
    if let Err(error) = ran
        && app.outcome.is_ok()
    {
        // The session is over, and its display with it.
        note(&with_causes(&error));
    }
    app.outcome
}

/// With `auto` the daemon takes windows as well as what is plugged in.
fn accepts_windows(display: &DisplaySettings) -> bool {
    let mut devices = display.devices.iter();
    devices.any(|device| matches!(device, DisplayDevice::Window | DisplayDevice::Auto))
}

fn has_desktop() -> bool {
    ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn start_feed(
    http: Loopback,
    state: WindowState,
    proxy: EventLoopProxy<Wake>,
) -> Result<JoinHandle<()>, WindowError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(WindowError::Run)?;
    let started = std::thread::Builder::new()
        .name("oplati-feed".to_owned())
        .spawn(move || {
            // The window is gone when nobody listens.
            let send = |wake: Wake| drop(proxy.send_event(wake));
            runtime.block_on(async {
                tokio::select! {
                    code = signalled() => send(Wake::End(code)),
                    () = feed::follow(&http, state, |news| send(Wake::News(news))) => {}
                }
            });
        });
    started.map_err(WindowError::Run)
}

/// The exit code for the signal that came: the end of the session is a good end.
async fn signalled() -> u8 {
    let wait = async |kind: SignalKind| match signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => exit_code::OK,
        () = wait(SignalKind::hangup()) => exit_code::OK,
        () = wait(SignalKind::interrupt()) => exit_code::INTERRUPTED,
        () = wait(SignalKind::quit()) => exit_code::INTERRUPTED,
    }
}

/// What is to be seen.
enum Showing {
    /// Plain black, for the moment until a picture comes.
    Nothing,
    Picture(Picture),
    /// «No connection», once it is drawn.
    Lost(Option<Picture>),
}

/// A window on its monitor.
struct Stage {
    monitor: Monitor,
    window: Rc<Window>,
    canvas: Canvas,
}

/// How pixels get onto the monitor.
enum Canvas {
    Surface(Surface<OwnedDisplayHandle, Rc<Window>>),
    /// On an X server whose pixels softbuffer does not know, such as one of 16 bits.
    Painter(Painter),
}

struct App {
    wanted: Wanted,
    look: Theme,
    /// On X11.
    server: Option<XServer>,
    pixels: Pixels<OwnedDisplayHandle>,
    /// To the feed: the picture's size, `None` without a window.
    sizes: watch::Sender<Option<PixelSize>>,
    /// To the feed: why the buyer does not see the window.
    hidden: watch::Sender<Option<Hidden>>,
    sight: Sight,
    feed: JoinHandle<()>,
    feed_ended: bool,
    stage: Option<Stage>,
    /// Whether there ever was a window: a monitor that is gone since is waited for.
    has_stood: bool,
    showing: Showing,
    /// The last note, which is not repeated.
    noted: String,
    outcome: Result<u8, WindowError>,
}

impl ApplicationHandler<Wake> for App {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        self.look_at_monitors(event_loop);
    }

    fn user_event(&mut self, event_loop: &ActiveEventLoop, wake: Wake) {
        match wake {
            Wake::End(code) => {
                self.outcome = Ok(code);
                event_loop.exit();
            }
            Wake::News(News::Picture(picture)) => {
                self.noted.clear();
                self.show(Showing::Picture(picture));
                self.come_forward();
            }
            Wake::News(News::Stale) => self.show(Showing::Nothing),
            Wake::News(News::Lost(reason)) => {
                self.note_once(format!("no connection: {reason}"));
                self.show(Showing::Lost(None));
            }
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, id: WindowId, event: WindowEvent) {
        let is_ours = |stage: &Stage| stage.window.id() == id;
        if !self.stage.as_ref().is_some_and(is_ours) {
            return;
        }
        #[allow(
            clippy::wildcard_enum_match_arm,
            reason = "a foreign enum of many events that grows; the buyer's input is none of ours"
        )]
        match event {
            WindowEvent::CloseRequested => event_loop.exit(),
            WindowEvent::Resized(size) => self.resize(size),
            // A compositing manager on X11 keeps each window whole: there only darkness can be seen.
            WindowEvent::Occluded(is_covered) => self.sight.note_covered(is_covered),
            WindowEvent::RedrawRequested => {
                if let Err(error) = self.paint() {
                    self.note_once(format!("the window cannot be painted: {error}"));
                }
            }
            _ => {}
        }
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        // Without it a code could stand for ever. Its last word may still be on its way.
        if self.feed.is_finished() && std::mem::replace(&mut self.feed_ended, true) {
            self.outcome = Err(WindowError::FeedDied);
            return event_loop.exit();
        }
        let is_time = match event_loop.control_flow() {
            ControlFlow::WaitUntil(time) => time <= Instant::now(),
            ControlFlow::Wait | ControlFlow::Poll => true,
        };
        if is_time {
            self.look_at_monitors(event_loop);
            self.look_at_sight();
            self.stay_visible();
            event_loop.set_control_flow(ControlFlow::WaitUntil(Instant::now() + MONITORS_INTERVAL));
        }
    }
}

impl App {
    fn note_once(&mut self, what: String) {
        if self.noted != what {
            note(&what);
            self.noted = what;
        }
    }

    fn show(&mut self, showing: Showing) {
        self.showing = showing;
        if let Some(stage) = &self.stage {
            stage.window.request_redraw();
        }
    }

    /// Each picture is above whatever was raised since the one before.
    fn come_forward(&mut self) {
        self.stay_visible();
        if let (Some(server), Some(stage)) = (&self.server, &self.stage)
            && let Some(window) = stage.x11_id()
        {
            server.raise(window);
        }
    }

    /// Whether a buyer is to see something now.
    fn is_needed(&self) -> bool {
        matches!(&self.showing, Showing::Picture(picture) if !picture.is_idle)
    }

    /// Reports to the daemon what stands in the buyer's way, before it is called off once more.
    fn look_at_sight(&mut self) {
        let is_dark = self.server.as_ref().is_some_and(XServer::is_dark);
        let hidden = self.sight.look(self.is_needed(), is_dark);
        self.hidden
            .send_if_modified(|reported| std::mem::replace(reported, hidden) != hidden);
    }

    /// Holds screen saver, power saving and other windows off while a buyer is to see something.
    fn stay_visible(&mut self) {
        let is_needed = self.is_needed();
        let (Some(server), Some(stage)) = (&mut self.server, &self.stage) else {
            return;
        };
        server.keep_awake(is_needed);
        if let Some(window) = stage.x11_id().filter(|_| is_needed) {
            server.raise(window);
        }
    }

    /// Opens the window on its monitor, moves it when the monitor changed, takes it away when the monitor
    /// is gone.
    fn look_at_monitors(&mut self, event_loop: &ActiveEventLoop) {
        let handles: Vec<MonitorHandle> = event_loop.available_monitors().collect();
        let monitors = self.monitors(event_loop, &handles);
        match outputs::choose(&monitors, &self.wanted) {
            Ok((chosen, is_only)) => {
                let stands = self.stage.as_ref().map(|stage| &stage.monitor);
                if stands == Some(chosen) {
                    return;
                }
                let place = handles
                    .iter()
                    .zip(&monitors)
                    .find(|(_, other)| *other == chosen);
                let handle = place.map(|(handle, _)| handle.clone());
                self.open(event_loop, chosen.clone(), handle, is_only);
            }
            Err(NoMonitor::Unknown { name, known })
                if !self.has_stood && !self.wanted.autostart =>
            {
                let error = NoMonitor::Unknown { name, known };
                self.outcome = Err(error.into());
                event_loop.exit();
            }
            Err(error) => {
                self.close();
                self.note_once(format!("waiting for a monitor: {error}"));
            }
        }
    }

    fn monitors(
        &mut self,
        event_loop: &ActiveEventLoop,
        handles: &[MonitorHandle],
    ) -> Vec<Monitor> {
        if event_loop.is_x11() && self.server.is_none() {
            self.server = XServer::connect();
        }
        if let Some(list) = self.server.as_ref().and_then(XServer::monitors) {
            return list;
        }
        let primary = event_loop.primary_monitor();
        let monitor = |handle| monitor(handle, primary.as_ref() == Some(handle));
        handles.iter().map(monitor).collect()
    }

    fn close(&mut self) {
        self.stage = None;
        self.sight = Sight::default();
        self.sizes.send_replace(None);
        self.showing = Showing::Nothing;
    }

    fn open(
        &mut self,
        event_loop: &ActiveEventLoop,
        monitor: Monitor,
        handle: Option<MonitorHandle>,
        is_only: bool,
    ) {
        self.close();
        let opened = self.open_stage(event_loop, monitor.clone(), handle);
        let stage = match opened {
            Ok(stage) => stage,
            Err(error) => return self.note_once(format!("no window: {error}")),
        };
        let only = if is_only {
            ": the only monitor, it covers the cashier's windows; Ctrl-C ends it"
        } else {
            ""
        };
        self.note_once(format!(
            "the buyer's display is {} ({}x{}){only}",
            monitor.name, monitor.width, monitor.height
        ));
        let size = stage.window.inner_size();
        self.stage = Some(stage);
        self.has_stood = true;
        self.resize(size);
    }

    fn open_stage(
        &self,
        event_loop: &ActiveEventLoop,
        monitor: Monitor,
        handle: Option<MonitorHandle>,
    ) -> Result<Stage, Box<dyn std::error::Error>> {
        let attributes = attributes(event_loop.is_x11(), &monitor, handle);
        let window = Rc::new(event_loop.create_window(attributes)?);
        window.set_cursor_visible(false);
        let canvas = match (Surface::new(&self.pixels, window.clone()), &self.server) {
            (Ok(surface), _) => Canvas::Surface(surface),
            (Err(error), None) => return Err(error.into()),
            (Err(error), Some(server)) => {
                let id = x11_id(&window).ok_or(error)?;
                Canvas::Painter(server.painter(id)?)
            }
        };
        Ok(Stage {
            monitor,
            window,
            canvas,
        })
    }

    fn resize(&mut self, size: PhysicalSize<u32>) {
        let wanted = size_for(size.width, size.height);
        let is_new = self
            .sizes
            .send_if_modified(|old| old.replace(wanted) != Some(wanted));
        if is_new {
            // A picture of another size is not cut or stretched: the next one comes at once.
            self.showing = match self.showing {
                Showing::Nothing | Showing::Picture(_) => Showing::Nothing,
                Showing::Lost(_) => Showing::Lost(None),
            };
        }
        if let Some(stage) = &self.stage {
            stage.window.request_redraw();
        }
    }

    fn paint(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let Some(stage) = &mut self.stage else {
            return Ok(());
        };
        let size = stage.window.inner_size();
        let (Some(width), Some(height)) =
            (NonZeroU32::new(size.width), NonZeroU32::new(size.height))
        else {
            return Ok(());
        };
        if let Showing::Lost(drawn @ None) = &mut self.showing {
            let size = size_for(size.width, size.height);
            let frame = render(&Scene::NoConnection, size, &self.look)?;
            *drawn = Some(Picture::of_frame(&frame));
        }
        let showing = &self.showing;
        let draw = |pixels: &mut [u32]| match showing {
            Showing::Picture(picture) | Showing::Lost(Some(picture)) => {
                picture.put(pixels, size.width, size.height);
            }
            Showing::Nothing | Showing::Lost(None) => pixels.fill(0),
        };
        match (&mut stage.canvas, &self.server) {
            (Canvas::Surface(surface), _) => {
                surface.resize(width, height)?;
                let mut buffer = surface.buffer_mut()?;
                draw(&mut buffer);
                // Without `pre_present_notify`: on Wayland that would hold the next picture back as long as the
                // monitor sleeps or is covered, and the one before would flash up when it wakes.
                buffer.present()?;
            }
            (Canvas::Painter(painter), Some(server)) => {
                let count = u64::from(size.width) * u64::from(size.height);
                let mut pixels = vec![0; usize::try_from(count)?];
                draw(&mut pixels);
                server.paint(painter, &pixels, u16::try_from(size.width)?)?;
            }
            (Canvas::Painter(_), None) => {}
        }
        Ok(())
    }
}

impl Stage {
    fn x11_id(&self) -> Option<u32> {
        x11_id(&self.window)
    }
}

/// The window's number at the X server; `None` on Wayland.
fn x11_id(window: &Window) -> Option<u32> {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum of every window system there is"
    )]
    match window.window_handle().ok()?.as_raw() {
        RawWindowHandle::Xlib(handle) => u32::try_from(handle.window).ok(),
        RawWindowHandle::Xcb(handle) => Some(handle.window.get()),
        _ => None,
    }
}

fn monitor(handle: &MonitorHandle, is_primary: bool) -> Monitor {
    let (place, size) = (handle.position(), handle.size());
    Monitor {
        name: handle.name().unwrap_or_else(|| "?".to_owned()),
        x: place.x,
        y: place.y,
        width: size.width,
        height: size.height,
        is_primary,
    }
}

fn attributes(is_x11: bool, monitor: &Monitor, handle: Option<MonitorHandle>) -> WindowAttributes {
    let named = Window::default_attributes()
        .with_title("oplati")
        .with_decorations(false)
        .with_active(false);
    if is_x11 {
        let named = WindowAttributesExtX11::with_name(named, "oplati-display", "oplati-display");
        return named
            .with_override_redirect(true)
            .with_position(PhysicalPosition::new(monitor.x, monitor.y))
            .with_inner_size(PhysicalSize::new(monitor.width, monitor.height));
    }
    // The name by which compositors know the autostart file.
    let named = WindowAttributesExtWayland::with_name(named, "oplati-display", "");
    named.with_fullscreen(Some(Fullscreen::Borderless(handle)))
}
