//! One value at a time: text in, typed value out, or what is allowed instead.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use jiff::civil::Time;

use super::ini;
use super::paths::Paths;
use super::settings::{
    DisplayDevice, Language, PixelSize, ScannerDevice, SerialDisplay, SerialLine, Share,
};
use crate::model::line::{BAUDS, Layout, LineSettings, Parity};
use crate::model::operation::Mode;

/// Of a picture whose size is not given.
const USUAL_SIZE: PixelSize = PixelSize::new(800, 480);
/// Most devices of one kind.
const MAX_DEVICES: usize = 8;

/// Longest name of the wallet, in characters: what a headline of the smallest picture can hold.
const MAX_WALLET_NAME: usize = 32;

/// How much of a device's place a message repeats, in characters.
const MAX_SHOWN_PART: usize = 200;

/// What is allowed, as the message states it.
pub(super) type Allowed = String;

pub(super) fn url(text: &str) -> Result<String, Allowed> {
    let allowed = || {
        "http:// or https:// with a host, optionally a port and a path, such as https://cashboxapi.o-plati.by".to_owned()
    };
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or_else(allowed)?;
    let authority = rest.split('/').next().unwrap_or_default();
    let fine = |c: char| {
        c.is_ascii_graphic() && !matches!(c, '?' | '#' | '@' | '\\' | '"' | '<' | '>' | '%')
    };
    if authority.is_empty()
        || authority.starts_with(':')
        || !text.chars().all(fine)
        || text.contains("/..")
        || text.len() > 255
    {
        return Err(allowed());
    }
    let port = if authority.ends_with(']') {
        None
    } else {
        authority.rsplit_once(':').map(|(_, port)| port)
    };
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return Err(allowed());
    }
    // As the HTTP client reads it: what it cannot read would be met at the first sale only.
    let parsed = reqwest::Url::parse(text).map_err(|_| allowed())?;
    if !parsed.host_str().is_some_and(is_host) {
        return Err(allowed());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Whether a name can be asked for: the client's parser takes empty labels, and labels of any length.
fn is_host(host: &str) -> bool {
    if host.starts_with('[') {
        return true;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| (1..=63).contains(&label.len());
    host.len() <= 253 && host.split('.').all(is_label)
}

/// Whether the secrets of this address stay on this machine or are encrypted.
pub(super) fn is_private(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return true;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = if authority.starts_with('[') {
        authority
            .split(']')
            .next()
            .map(|host| host.trim_start_matches('['))
            .unwrap_or_default()
    } else {
        authority.split(':').next().unwrap_or_default()
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

pub(super) fn number(text: &str, range: &RangeInclusive<u32>, unit: &str) -> Result<u32, Allowed> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    let (least, most) = (range.start(), range.end());
    number.ok_or_else(|| format!("a whole number from {least} to {most}{unit}"))
}

pub(super) fn reg_num(text: &str) -> Result<Option<String>, Allowed> {
    let digits = text.strip_prefix("OPL").filter(|digits| digits.len() == 9);
    if digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())) {
        return Ok(Some(text.to_owned()));
    }
    Err("OPL and nine digits, such as OPL000011111".to_owned())
}

pub(super) fn mode(text: &str) -> Result<Mode, Allowed> {
    let number = text
        .parse::<u8>()
        .ok()
        .and_then(|number| Mode::try_from(number).ok());
    number.ok_or_else(|| "0, 1, 2".to_owned())
}

/// Text for a header or a picture: something, not too much, no control characters.
pub(super) fn plain(text: &str, most: usize) -> Result<String, Allowed> {
    if text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(format!(
            "at most {most} characters without control characters"
        ));
    }
    Ok(text.to_owned())
}

/// The wallet's name, without the white space around it. Characters that nobody sees, and those that turn the
/// direction of what follows, are refused: on a buyer's screen they can only mislead.
pub(super) fn wallet_name(text: &str) -> Result<String, Allowed> {
    let name = text.trim();
    let is_printable = |c: char| !crate::base::text::is_unsafe(c) && c != '\u{fffd}';
    if !(1..=MAX_WALLET_NAME).contains(&name.chars().count()) || !name.chars().all(is_printable) {
        return Err(format!("1 to {MAX_WALLET_NAME} printable characters"));
    }
    Ok(name.to_owned())
}

/// `off`, or a time of the day with two digits each.
pub(super) fn reconcile_at(text: &str) -> Result<Option<Time>, Allowed> {
    let allowed = || "off, or HH:MM from 00:00 to 23:59, Europe/Minsk, such as 04:30".to_owned();
    if text == "off" {
        return Ok(None);
    }
    let two = |digits: &str| {
        let is_pair = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_pair.then(|| digits.parse::<i8>().ok()).flatten()
    };
    let (hour, minute) = text.split_once(':').ok_or_else(allowed)?;
    let (Some(hour), Some(minute)) = (two(hour), two(minute)) else {
        return Err(allowed());
    };
    Time::new(hour, minute, 0, 0)
        .map(Some)
        .map_err(|_| allowed())
}

pub(super) fn password(text: &str) -> Result<String, Allowed> {
    if text.len() > 128 || !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err("at most 128 ASCII letters, digits and signs".to_owned());
    }
    Ok(text.to_owned())
}

/// One of these words.
fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Allowed> {
    let meant = words.iter().find(|(word, _)| *word == text);
    let all = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>();
    meant
        .map(|(_, value)| *value)
        .ok_or_else(|| all().join(", "))
}

pub(super) fn share(text: &str) -> Result<Share, Allowed> {
    let (yes, no, keyboard) = (Share::Yes, Share::No, Share::Keyboard);
    one_of(text, &[("yes", yes), ("no", no), ("keyboard", keyboard)])
}

pub(super) fn layout(text: &str) -> Result<Option<Layout>, Allowed> {
    one_of(text, &[("us", Layout::Us), ("ru", Layout::Ru)]).map(Some)
}

pub(super) fn language(text: &str) -> Result<Language, Allowed> {
    let (ru, be, en) = (Language::Ru, Language::Be, Language::En);
    one_of(text, &[("ru", ru), ("be", be), ("en", en)])
}

pub(super) fn rotate(text: &str) -> Result<u16, Allowed> {
    one_of(text, &[("0", 0), ("90", 90), ("180", 180), ("270", 270)])
}

pub(super) fn listen(text: &str) -> Result<Option<SocketAddr>, Allowed> {
    let allowed = || "a loopback address and port: 127.0.0.1:PORT or [::1]:PORT".to_owned();
    let address: SocketAddr = text.parse().map_err(|_| allowed())?;
    // Under another loopback address every call would be refused for its `Host`.
    let is_ours = address.ip() == Ipv4Addr::LOCALHOST || address.ip() == Ipv6Addr::LOCALHOST;
    (is_ours && address.port() != 0)
        .then_some(Some(address))
        .ok_or_else(allowed)
}

pub(super) fn list(text: &str) -> Vec<&str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

/// Profile ids are file names without their ending.
pub(super) fn profile(text: &str) -> Result<Option<String>, Allowed> {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.len() > 64 || !text.bytes().all(fine) {
        return Err("a profile id of a-z 0-9 -".to_owned());
    }
    Ok(Some(text.to_owned()))
}

/// One id for all of `count` displays on serial ports, or one for each.
pub(super) fn display_profiles(text: &str, count: usize) -> Result<Vec<String>, Allowed> {
    let allowed = || match count {
        0 | 1 => "a profile id of a-z 0-9 -".to_owned(),
        _ => format!(
            "a profile id of a-z 0-9 - for all serial: displays, or {count} of them, separated by commas, in their order"
        ),
    };
    let ids = list(text);
    if ids.len() > 1 && ids.len() != count {
        return Err(allowed());
    }
    let ids = ids.into_iter().map(|id| profile(id).ok().flatten());
    ids.collect::<Option<Vec<_>>>().ok_or_else(allowed)
}

/// Commas separate devices, and also the line settings of a serial port from its speed.
fn split_devices(text: &str) -> Vec<String> {
    let mut devices: Vec<String> = Vec::new();
    for part in list(text) {
        match devices.last_mut() {
            Some(last) if is_line_settings(part) && last.contains('@') => {
                last.push(',');
                last.push_str(part);
            }
            Some(_) | None => devices.push(part.to_owned()),
        }
    }
    devices
}

fn is_line_settings(text: &str) -> bool {
    matches!(
        text.as_bytes(),
        [b'7' | b'8', b'N' | b'E' | b'O', b'1' | b'2']
    )
}

fn serial(text: &str, paths: &Paths) -> Option<SerialLine> {
    let (path, line) = text
        .rsplit_once('@')
        .map_or((text, None), |(path, line)| (path, Some(line)));
    if path.is_empty() {
        return None;
    }
    let settings = match line {
        None => None,
        Some(line) => Some(line_settings(line)?),
    };
    Some(SerialLine {
        path: paths.written(path),
        settings,
    })
}

/// `115200` or `115200,8N1`.
fn line_settings(text: &str) -> Option<LineSettings> {
    let (baud, form) = text.split_once(',').unwrap_or((text, "8N1"));
    let baud = baud.parse().ok()?;
    let [data_bits, parity, stop_bits] = form.as_bytes() else {
        return None;
    };
    if !BAUDS.contains(&baud) || !is_line_settings(form) {
        return None;
    }
    let parity = match parity {
        b'E' => Parity::Even,
        b'O' => Parity::Odd,
        _ => Parity::None,
    };
    Some(LineSettings {
        baud,
        data_bits: data_bits - b'0',
        parity,
        stop_bits: stop_bits - b'0',
    })
}

/// `none`, or devices of one kind as `read` knows them; `auto` stands alone.
fn devices<T: PartialEq>(
    text: &str,
    allowed: impl Fn() -> Allowed,
    read: impl Fn(&str, Option<&str>) -> Option<T>,
) -> Result<Vec<T>, Allowed> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let parts = split_devices(text);
    let several = parts.len() > 1 && parts.iter().any(|part| part == "auto");
    if parts.len() > MAX_DEVICES || several {
        return Err(allowed());
    }
    let device = |part: &String| {
        let (kind, rest) = match part.split_once(':') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (part.as_str(), None),
        };
        read(kind, rest).ok_or_else(|| wrong_part(part, parts.len(), allowed()))
    };
    let devices: Vec<T> = parts.iter().map(device).collect::<Result<_, _>>()?;
    let twice = (1..devices.len()).any(|end| {
        let (before, rest) = devices.split_at(end);
        rest.first().is_some_and(|device| before.contains(device))
    });
    if twice {
        return Err(format!("each device once; {}", allowed()));
    }
    Ok(devices)
}

/// What is allowed, with the part of a list that is not, and with what an `@` in a path means.
fn wrong_part(part: &str, count: usize, allowed: Allowed) -> Allowed {
    let mut message = allowed;
    if count > 1 {
        message.push_str(&format!("; wrong is {}", ini::cut_to(part, MAX_SHOWN_PART)));
    }
    let behind = part
        .strip_prefix("serial:")
        .and_then(|line| line.rsplit_once('@'));
    if let Some((_, line)) = behind.filter(|(_, line)| line_settings(line).is_none()) {
        message.push_str(&format!(
            "; behind the last @ stands a speed, which {} is not: a path with @ needs its speed, such as {}@9600",
            ini::cut(line),
            ini::cut_to(part, MAX_SHOWN_PART)
        ));
    }
    message
}

pub(super) fn scanners(text: &str, paths: &Paths) -> Result<Vec<ScannerDevice>, Allowed> {
    let allowed = || {
        format!(
            "auto, none, or up to {MAX_DEVICES} of serial:PATH[@BAUD[,8N1]] hid:PATH keyboard:PATH, separated by commas; speeds {BAUDS:?}"
        )
    };
    let path = |text: &str| paths.written(text);
    devices(text, allowed, |kind, rest| match (kind, rest) {
        ("auto", None) => Some(ScannerDevice::Auto),
        ("serial", Some(line)) => serial(line, paths).map(ScannerDevice::Serial),
        ("hid", Some(node)) if !node.is_empty() => Some(ScannerDevice::Hid { path: path(node) }),
        ("keyboard", Some(node)) if !node.is_empty() => {
            Some(ScannerDevice::Keyboard { path: path(node) })
        }
        _ => None,
    })
}

pub(super) fn displays(text: &str, paths: &Paths) -> Result<Vec<DisplayDevice>, Allowed> {
    let allowed = || {
        format!(
            "auto, none, or up to {MAX_DEVICES} of drm[:CONNECTOR] fb:PATH window serial:PATH[@BAUD[,8N1]] png:PATH[@WxH] web, separated by commas; pictures from 320x240 to 3840x2160, either way round"
        )
    };
    devices(text, allowed, |kind, rest| match (kind, rest) {
        ("auto", None) => Some(DisplayDevice::Auto),
        ("window", None) => Some(DisplayDevice::Window),
        ("web", None) => Some(DisplayDevice::Web),
        ("drm", connector) if connector != Some("") => Some(DisplayDevice::Drm {
            connector: connector.map(str::to_owned),
        }),
        ("fb", Some(node)) if !node.is_empty() => Some(DisplayDevice::Framebuffer {
            path: paths.written(node),
        }),
        ("serial", Some(line)) => serial(line, paths).map(|line| {
            DisplayDevice::Serial(SerialDisplay {
                line,
                profile: None,
            })
        }),
        ("png", Some(rest)) => png(rest, paths),
        _ => None,
    })
}

fn png(text: &str, paths: &Paths) -> Option<DisplayDevice> {
    let (path, size) = match text.rsplit_once('@') {
        Some((path, size)) => (path, pixel_size(size)?),
        None => (text, USUAL_SIZE),
    };
    (!path.is_empty() && !path.ends_with('/')).then(|| DisplayDevice::Png {
        path: paths.written(path),
        size,
    })
}

/// `800x480`: from 320x240 to 3840x2160, either way round.
pub fn pixel_size(text: &str) -> Option<PixelSize> {
    let (width, height) = text.split_once('x')?;
    let size = PixelSize::new(width.parse().ok()?, height.parse().ok()?);
    let (long, short) = (size.width.max(size.height), size.width.min(size.height));
    ((320..=3840).contains(&long) && (240..=2160).contains(&short)).then_some(size)
}
