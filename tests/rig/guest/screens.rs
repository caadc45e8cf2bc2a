//! Screens of two kinds of graphics cards, looked at from outside: QEMU's photographs are compared to
//! the pixel or read by a foreign decoder.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use drm::Device as _;
use drm::buffer::DrmFourcc;
use drm::control::Device as _;
use oplati::config::PixelSize;
use oplati::core::scene;
use oplati::devices::display::{Theme, render};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serde_json::{Value, json};

use crate::host::Host;
use crate::till::Till;
use crate::wait_for;

pub type Scene = fn(&Host) -> String;

/// In this order: nobody has set a mode on the second framebuffer until the first scene does, and auto
/// wants the machine to have run for a minute.
pub const ALL: [(&str, Scene); 7] = [
    ("screen fb, no mode set", fb_without_a_mode),
    ("screen fb, text console", fb_under_the_console),
    ("screen drm, two cards", drm_on_both),
    ("screen drm, another master", drm_with_another_master),
    ("screen drm, another monitor", drm_with_another_monitor),
    ("screen fb, card comes back", fb_that_vanishes),
    ("screen auto, second monitor", auto_takes_the_second),
];

/// A card, by the kernel's names.
struct Screen {
    /// Of the device in QEMU.
    id: &'static str,
    card: PathBuf,
    connector: String,
    framebuffer: PathBuf,
    device: PathBuf,
    size: PixelSize,
}

/// `bochs` or `virtio`, which begins the driver's name as well.
fn screen(id: &'static str) -> Screen {
    let class = Path::new("/sys/class/drm");
    let names = || {
        let entries = fs::read_dir(class).unwrap().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap())
    };
    let is_driver = |name: &String| {
        let driver = fs::read_link(class.join(name).join("device/driver"));
        driver.is_ok_and(|driver| {
            driver
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(id)
        })
    };
    let card = wait_for(id, || {
        names().find(|name| name.starts_with("card") && !name.contains('-') && is_driver(name))
    });
    let connector = names()
        .find_map(|name| Some(name.strip_prefix(&format!("{card}-"))?.to_owned()))
        .unwrap();
    let device = fs::canonicalize(class.join(&card).join("device")).unwrap();
    let framebuffer = wait_for("its framebuffer", || {
        let framebuffers = fs::read_dir(device.join("graphics"))
            .ok()?
            .flatten()
            .next()?;
        Some(Path::new("/dev").join(framebuffers.file_name()))
    });
    let modes = fs::read_to_string(class.join(format!("{card}-{connector}/modes"))).unwrap();
    let (width, height) = modes.lines().next().unwrap().split_once('x').unwrap();
    Screen {
        id,
        card: Path::new("/dev/dri").join(card),
        connector,
        framebuffer,
        device,
        size: PixelSize::new(width.parse().unwrap(), height.parse().unwrap()),
    }
}

impl Screen {
    /// Waits until the idle scene stands there, each pixel of it.
    fn is_idle(&self, host: &Host) -> String {
        self.is_idle_at(host, self.size)
    }

    fn is_idle_at(&self, host: &Host, size: PixelSize) -> String {
        let frame = render(&scene::Scene::Idle, size, &Theme::default()).unwrap();
        let digest = digest(frame.pixels());
        let PixelSize { width, height } = size;
        host.ask(&format!("screen-is {} {width}x{height} {digest}", self.id))
    }

    /// Waits until this code is read from it; `-` for none.
    fn reads(&self, host: &Host, payload: &str) -> String {
        host.ask(&format!("screen-reads {} {payload}", self.id))
    }
}

fn digest(bytes: &[u8]) -> String {
    let mut sum = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    sum.stdin.take().unwrap().write_all(bytes).unwrap();
    let sum_line = sum.wait_with_output().unwrap().stdout;
    String::from_utf8_lossy(&sum_line)
        .split(' ')
        .next()
        .unwrap()
        .to_owned()
}

/// With a buyer who only looks.
fn till(device: &str) -> Till {
    Till::with(
        "device = none",
        &format!("device = {device}"),
        "outcome=silent",
    )
}

/// Begins a sale in mode 2; gives the code that the buyer shall see.
fn show_code(till: &Till, id: &str) -> String {
    let sale = json!({"amount": 1999, "mode": 2, "receipt": {"number": id, "items": [{"name": "Хлеб", "cost": 1999}]}});
    let begun = till.ask("PUT", &format!("/v1/sales/{id}"), &sale);
    assert!(begun["id"] == id, "{begun}");
    wait_for("the code", || {
        let operation = till.ask("GET", &format!("/v1/operations/{id}"), &Value::Null);
        Some(operation["shows"]["qr"].as_str()?.to_owned())
    })
}

fn abort(till: &Till, id: &str) {
    till.ask("POST", &format!("/v1/operations/{id}/abort"), &Value::Null);
}

/// Idle, a code, its end, and the daemon's end.
fn show_all(host: &Host, screen: &Screen, setting: &str) -> Till {
    let till = till(setting);
    till.until("display1", "connected");
    screen.is_idle(host);
    let payload = show_code(&till, "q-1");
    screen.reads(host, &payload);
    abort(&till, "q-1");
    screen.reads(host, "-");
    screen.is_idle(host);
    till
}

fn fb_without_a_mode(host: &Host) -> String {
    let screen = screen("virtio");
    let setting = format!("fb:{}", screen.framebuffer.display());
    let till = show_all(host, &screen, &setting);
    // The code does not outlive the daemon, and the idle scene does.
    let payload = show_code(&till, "q-2");
    screen.reads(host, &payload);
    drop(till);
    screen.is_idle(host);
    // Nobody can help a crash; the next start does, before anything else is shown.
    let crashed = self::till(&setting);
    let payload = show_code(&crashed, "q-3");
    screen.reads(host, &payload);
    crashed.crash();
    screen.reads(host, &payload);
    let again = self::till(&setting);
    screen.is_idle(host);
    drop(again);
    format!("{}, {}x{}", setting, screen.size.width, screen.size.height)
}

fn fb_under_the_console(host: &Host) -> String {
    let screen = screen("bochs");
    let visible = usize::try_from(screen.size.width * screen.size.height * 4).unwrap();
    let look = || {
        let mut bytes = vec![0; visible];
        let mut framebuffer = File::open(&screen.framebuffer).unwrap();
        framebuffer.read_exact(&mut bytes).unwrap();
        bytes
    };
    // Moving the cursor, scrolling, and colours.
    let write = || {
        let text = "\x1b[?25h\x1b[1;31mtext of the console\x1b[0m\n".repeat(60);
        fs::write("/dev/tty1", text).unwrap();
    };
    let till = show_all(
        host,
        &screen,
        &format!("fb:{}", screen.framebuffer.display()),
    );
    // The package's rules let the daemon still the cursor.
    let blinks = || fs::read_to_string("/sys/class/graphics/fbcon/cursor_blink").unwrap();
    assert_eq!(blinks().trim(), "0");
    let idle = look();
    let mut times_seen = 0;
    for _ in 0..5 {
        wait_for("text on the screen", || {
            write();
            (look() != idle).then_some(())
        });
        times_seen += 1;
        wait_for("the picture instead", || (look() == idle).then_some(()));
    }
    screen.is_idle(host);
    let payload = show_code(&till, "q-2");
    screen.reads(host, &payload);
    write();
    screen.reads(host, &payload);
    drop(till);
    screen.reads(host, "-");
    assert_eq!(blinks().trim(), "1");
    format!("text seen {times_seen} times, and gone")
}

fn drm_on_both(host: &Host) -> String {
    let mut shown = Vec::new();
    for id in ["bochs", "virtio"] {
        let screen = screen(id);
        // Names are taken in letters of either case.
        let setting = format!("drm:{}", screen.connector.to_lowercase());
        let till = show_all(host, &screen, &setting);
        let node = till.device("display1")["node"].as_str().unwrap().to_owned();
        assert_eq!(node, format!("drm:{}", screen.connector));
        // The console cannot write on it at all.
        let payload = show_code(&till, "q-2");
        screen.reads(host, &payload);
        fs::write("/dev/tty1", "text of the console\n".repeat(60)).unwrap();
        screen.reads(host, &payload);
        abort(&till, "q-2");
        screen.is_idle(host);
        let payload = show_code(&till, "q-3");
        screen.reads(host, &payload);
        drop(till);
        screen.reads(host, "-");
        shown.push(format!(
            "{node} {}x{}",
            screen.size.width, screen.size.height
        ));
    }
    shown.join(", ")
}

/// A card as another program has it.
struct Card(OwnedFd);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

impl Card {
    fn open(screen: &Screen) -> Card {
        let file = File::options().read(true).write(true).open(&screen.card);
        Card(file.unwrap().into())
    }

    /// A white screen.
    fn show(&self) {
        let resources = self.resource_handles().unwrap();
        let connector = self.get_connector(resources.connectors()[0], true).unwrap();
        let mode = connector.modes()[0];
        let (width, height) = mode.size();
        let mut buffer = self
            .create_dumb_buffer((width.into(), height.into()), DrmFourcc::Xrgb8888, 32)
            .unwrap();
        self.map_dumb_buffer(&mut buffer).unwrap().fill(0xff);
        let framebuffer = self.add_framebuffer(&buffer, 24, 32).unwrap();
        self.set_crtc(
            resources.crtcs()[0],
            Some(framebuffer),
            (0, 0),
            &[connector.handle()],
            Some(mode),
        )
        .unwrap();
    }
}

/// The daemon's own descriptor of the card, as the system's session keeper has those that it gives out.
fn borrowed(till: &Till, screen: &Screen) -> Card {
    let pid = i32::try_from(till.pid()).unwrap();
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let number = descriptors
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|open| open == screen.card))
        .find_map(|entry| entry.file_name().to_str()?.parse().ok())
        .unwrap();
    let process = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    Card(pidfd_getfd(process, number, PidfdGetfdFlags::empty()).unwrap())
}

fn drm_with_another_master(host: &Host) -> String {
    let screen = screen("bochs");
    let desktop = Card::open(&screen);
    desktop.show();
    let till = till(&format!("drm:{}", screen.connector));
    let busy = till.until("display1", "busy");
    let busy_error = busy["last_error"].as_str().unwrap().to_owned();
    let health = till.ask("GET", "/v1/health", &Value::Null);
    assert!(
        health["reasons"]
            .to_string()
            .contains("oplati display --window"),
        "{health}"
    );
    let payload = show_code(&till, "q-1");
    screen.reads(host, "-");
    drop(desktop);
    till.until("display1", "connected");
    screen.reads(host, &payload);
    // As at a switch of terminals: the right is taken away, and somebody else shows something.
    let ours = borrowed(&till, &screen);
    ours.release_master_lock().unwrap();
    let desktop = Card::open(&screen);
    desktop.show();
    till.until("display1", "busy");
    screen.reads(host, "-");
    drop(ours);
    drop(desktop);
    till.until("display1", "connected");
    screen.reads(host, &payload);
    // Taken away and left to nobody: it is taken back without a word.
    let ours = borrowed(&till, &screen);
    ours.release_master_lock().unwrap();
    wait_for("the right, taken back", || {
        // Another one is refused while there is a master.
        let other = Card::open(&screen);
        other.acquire_master_lock().is_err().then_some(())
    });
    drop(ours);
    till.until("display1", "connected");
    screen.reads(host, &payload);
    busy_error
}

fn drm_with_another_monitor(host: &Host) -> String {
    let screen = screen("virtio");
    let till = till(&format!("drm:{}", screen.connector));
    screen.is_idle(host);
    host.ask("monitor off");
    till.until("display1", "missing");
    let payload = show_code(&till, "q-1");
    host.ask("monitor 800x480");
    till.until("display1", "connected");
    screen.reads(host, &payload);
    abort(&till, "q-1");
    let (first, second) = ((800, 480), (1280, 720));
    let size = |(width, height)| PixelSize::new(width, height);
    screen.is_idle_at(host, size(first));
    // Exchanged so fast that nobody sees it missing.
    host.ask("monitor 1280x720");
    screen.is_idle_at(host, size(second));
    till.until("display1", "connected");
    let counters = till.device("display1")["counters"].clone();
    format!(
        "{}x{}, unplugged, 800x480, 1280x720; {counters}",
        screen.size.width, screen.size.height
    )
}

fn fb_that_vanishes(host: &Host) -> String {
    let screen = screen("bochs");
    let till = till(&format!("fb:{}", screen.framebuffer.display()));
    till.until("display1", "connected");
    fs::write(screen.device.join("remove"), "1").unwrap();
    till.until("display1", "missing");
    let payload = show_code(&till, "q-1");
    fs::write("/sys/bus/pci/rescan", "1").unwrap();
    till.until("display1", "connected");
    screen.reads(host, &payload);
    format!("{} came back", screen.framebuffer.display())
}

fn auto_takes_the_second(host: &Host) -> String {
    let screen = screen("virtio");
    let seconds = || -> u64 {
        let uptime = fs::read_to_string("/proc/uptime").unwrap();
        uptime.split('.').next().unwrap().parse().unwrap()
    };
    let fresh = seconds() < 50;
    let till = till("auto");
    if fresh {
        let none = till.until("display1", "none");
        assert!(
            none["last_error"]
                .as_str()
                .unwrap()
                .contains("just started"),
            "{none}"
        );
        let health = till.ask("GET", "/v1/health", &Value::Null);
        assert!(
            !health["reasons"].to_string().contains("display1"),
            "{health}"
        );
        wait_for("half a minute", || (seconds() > 35).then_some(()));
    }
    let device = till.until("display1", "connected");
    assert_eq!(device["node"], format!("auto: drm:{}", screen.connector));
    let payload = show_code(&till, "q-1");
    screen.reads(host, &payload);
    device["node"].as_str().unwrap().to_owned()
}
