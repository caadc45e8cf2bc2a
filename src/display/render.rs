//! A scene becomes a frame: one pure function for every size.
//!
//! Two designs were weighed: fixed layouts for known screens, which look best on those and break on
//! the next one, and proportions with fitted type. Proportions win: every text is fitted into its
//! share of the frame, so that no size clips or overlaps, and the gallery test shows them all.

use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};

use crate::config::{Language, PixelSize};
use crate::display::frame::{Area, Frame};
use crate::display::qr::{Modules, RenderError};
use crate::display::scene::{QrPayload, Scene};
use crate::display::symbol::{self, Symbol};
use crate::display::typeface::{Align, Weight, fit, paint};
use crate::display::words::{amount, to_pay, words};
use crate::money::Kopecks;

/// Below this many pixels a module the text yields to the code.
const COMFORTABLE_MODULE_PX: u32 = 3;

const NIGHT: Rgb888 = Rgb888::new(16, 42, 67);
const PAPER: Rgb888 = Rgb888::new(255, 255, 255);
const INK: Rgb888 = Rgb888::new(19, 33, 51);
const QUIET_INK: Rgb888 = Rgb888::new(82, 98, 117);
const ACCENT: Rgb888 = Rgb888::new(0, 99, 178);
const GREEN: Rgb888 = Rgb888::new(0, 104, 71);
const RED: Rgb888 = Rgb888::new(150, 36, 26);
const AMBER: Rgb888 = Rgb888::new(122, 78, 0);
const SLATE: Rgb888 = Rgb888::new(56, 70, 88);
const PALE: Rgb888 = Rgb888::new(213, 224, 236);

/// What the shop chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Of the buyer.
    pub language: Language,
    /// On the idle scene.
    pub shop_name: Option<String>,
    /// 0, 90, 180, 270 degrees clockwise.
    pub rotate: u16,
}

/// Draws a scene.
///
/// # Errors
/// [`RenderError`] when its QR does not fit; no other scene fails.
pub fn render(scene: &Scene, size: PixelSize, look: &Look) -> Result<Frame, RenderError> {
    let upright = match look.rotate {
        90 | 270 => PixelSize {
            width: size.height,
            height: size.width,
        },
        _ => size,
    };
    let frame = match scene {
        Scene::Qr { payload, amount } => qr(payload, *amount, upright, look)?,
        Scene::Code { code, amount } => confirmation_code(code, *amount, upright, look),
        Scene::Idle => idle(upright, look),
        Scene::ScanMe
        | Scene::PleaseConfirm { .. }
        | Scene::Checking
        | Scene::Paid { .. }
        | Scene::Declined
        | Scene::NotEnoughMoney
        | Scene::TimeIsUp
        | Scene::Cancelled
        | Scene::Refunded { .. }
        | Scene::CardFound { .. }
        | Scene::NotCompleted
        | Scene::NoConnection => message(scene, upright, look),
    };
    Ok(frame.rotated(look.rotate))
}

/// Whether a QR fits a display of this size at all.
///
/// # Errors
/// [`RenderError`].
pub fn qr_fits(payload: &QrPayload, size: PixelSize) -> Result<(), RenderError> {
    Modules::encode(payload.text())?
        .module_px(size.width.min(size.height))
        .map(|_| ())
}

/// Margins and proportions of one frame.
struct Sheet {
    frame: Frame,
    size: PixelSize,
    margin: u32,
    ground: Rgb888,
}

impl Sheet {
    fn new(size: PixelSize, ground: Rgb888) -> Sheet {
        let margin = size.width.min(size.height) / 16;
        Sheet {
            frame: Frame::filled(size, ground),
            size,
            margin,
            ground,
        }
    }

    fn inner_width(&self) -> u32 {
        self.size.width - 2 * self.margin
    }

    /// A band across the frame, `from` and `to` in thousandths of the height.
    fn band(&self, from: u32, to: u32) -> Area {
        let height = self.size.height - 2 * self.margin;
        let (top, bottom) = (height * from / 1000, height * to / 1000);
        Area {
            x: self.margin,
            y: self.margin + top,
            w: self.inner_width(),
            h: bottom - top,
        }
    }

    fn text(
        &mut self,
        text: &str,
        weight: Weight,
        area: Area,
        most_lines: usize,
        align: Align,
        colour: Rgb888,
    ) {
        let fitted = fit(text, weight, area.w, area.h, area.h, most_lines);
        paint(&mut self.frame, &fitted, weight, area, align, colour);
    }

    fn symbol(&mut self, symbol: Symbol, area: Area, ink: Rgb888) {
        let side = area.h.min(area.w);
        let at = (area.x + (area.w - side) / 2, area.y + (area.h - side) / 2);
        symbol::paint(&mut self.frame, symbol, side, at, ink, self.ground);
    }
}

fn idle(size: PixelSize, look: &Look) -> Frame {
    let mut sheet = Sheet::new(size, NIGHT);
    let words = words(&Scene::Idle, look.language);
    let name = look.shop_name.as_deref().unwrap_or(words.title);
    let area = sheet.band(230, 560);
    sheet.text(name, Weight::Bold, area, 3, Align::Centre, Rgb888::WHITE);
    let rule = sheet.band(640, 640);
    let (width, height) = (size.width / 7, (size.height / 120).max(2));
    let x = (size.width - width) / 2;
    sheet.frame.fill(
        Area {
            x,
            y: rule.y,
            w: width,
            h: height,
        },
        Rgb888::new(94, 190, 255),
    );
    let area = sheet.band(700, 790);
    sheet.text(words.hint, Weight::Regular, area, 2, Align::Centre, PALE);
    sheet.frame
}

/// Looks of a scene that is a sign with words.
struct Message {
    symbol: Symbol,
    ground: Rgb888,
    ink: Rgb888,
    quiet: Rgb888,
    extra: Option<String>,
}

fn message_of(scene: &Scene, language: Language) -> Message {
    let light = |symbol, extra| Message {
        symbol,
        ground: PAPER,
        ink: INK,
        quiet: QUIET_INK,
        extra,
    };
    let dark = |symbol, ground, extra| Message {
        symbol,
        ground,
        ink: Rgb888::WHITE,
        quiet: Rgb888::new(235, 240, 246),
        extra,
    };
    let money = |kopecks: &Kopecks| Some(amount(*kopecks, language));
    match scene {
        Scene::ScanMe => light(Symbol::PhoneCode, None),
        Scene::PleaseConfirm { amount } => light(Symbol::PhoneTick, money(amount)),
        Scene::Checking | Scene::Idle | Scene::Qr { .. } | Scene::Code { .. } => {
            light(Symbol::Dots, None)
        }
        Scene::CardFound { name } => light(Symbol::Card, Some(name.clone())),
        Scene::Paid { amount } => dark(Symbol::Tick, GREEN, money(amount)),
        Scene::Refunded { amount } => dark(Symbol::Back, GREEN, money(amount)),
        Scene::Declined => dark(Symbol::Cross, RED, None),
        Scene::NotEnoughMoney => dark(Symbol::Minus, RED, None),
        Scene::TimeIsUp => dark(Symbol::Clock, SLATE, None),
        Scene::Cancelled => dark(Symbol::Bar, SLATE, None),
        Scene::NotCompleted => dark(Symbol::Exclamation, AMBER, None),
        Scene::NoConnection => dark(Symbol::NoLine, SLATE, None),
    }
}

fn message(scene: &Scene, size: PixelSize, look: &Look) -> Frame {
    let Message {
        symbol,
        ground,
        ink,
        quiet,
        extra,
    } = message_of(scene, look.language);
    let mut sheet = Sheet::new(size, ground);
    let words = words(scene, look.language);
    let sign = if ground == PAPER { ACCENT } else { ink };
    let bands = match (size.width >= size.height, extra.is_some()) {
        (true, true) => [(30, 370), (430, 590), (610, 800), (850, 950)],
        (true, false) => [(60, 470), (550, 730), (0, 0), (790, 900)],
        (false, true) => [(130, 380), (450, 560), (580, 680), (730, 800)],
        (false, false) => [(160, 470), (540, 680), (0, 0), (710, 800)],
    };
    let [sign_band, title_band, extra_band, hint_band] =
        bands.map(|(from, to)| sheet.band(from, to));
    sheet.symbol(symbol, sign_band, sign);
    sheet.text(words.title, Weight::Bold, title_band, 2, Align::Centre, ink);
    if let Some(extra) = extra {
        sheet.text(&extra, Weight::Bold, extra_band, 1, Align::Centre, ink);
    }
    sheet.text(
        words.hint,
        Weight::Regular,
        hint_band,
        2,
        Align::Centre,
        quiet,
    );
    sheet.frame
}

fn confirmation_code(code: &str, sum: Kopecks, size: PixelSize, look: &Look) -> Frame {
    let mut sheet = Sheet::new(size, PAPER);
    let scene = Scene::code(code.to_owned(), sum);
    let words = words(&scene, look.language);
    let area = sheet.band(20, 150);
    sheet.text(words.title, Weight::Bold, area, 1, Align::Centre, INK);
    let area = sheet.band(190, 640);
    sheet.text(code, Weight::Bold, area, 1, Align::Centre, ACCENT);
    let area = sheet.band(680, 770);
    sheet.text(
        words.hint,
        Weight::Regular,
        area,
        2,
        Align::Centre,
        QUIET_INK,
    );
    let area = sheet.band(830, 980);
    sheet.text(
        &amount(sum, look.language),
        Weight::Bold,
        area,
        1,
        Align::Centre,
        INK,
    );
    sheet.frame
}

/// The code as large as it can be beside its text; where that makes its modules small, the text
/// yields, and where nothing else helps, the code stands alone.
fn qr(
    payload: &QrPayload,
    sum: Kopecks,
    size: PixelSize,
    look: &Look,
) -> Result<Frame, RenderError> {
    let modules = Modules::encode(payload.text())?;
    for text_share in [380, 280] {
        let (code, text) = split(size, text_share);
        if modules
            .module_px(code.w.min(code.h))
            .is_ok_and(|px| px >= COMFORTABLE_MODULE_PX)
        {
            let mut sheet = Sheet::new(size, PAPER);
            modules.paint(&mut sheet.frame, code)?;
            qr_text(&mut sheet, text, payload, sum, look.language);
            return Ok(sheet.frame);
        }
    }
    let mut frame = Frame::filled(size, PAPER);
    modules.paint(
        &mut frame,
        Area {
            x: 0,
            y: 0,
            w: size.width,
            h: size.height,
        },
    )?;
    Ok(frame)
}

/// Code to the left in landscape, on top in portrait; `text_share` in thousandths of the long side.
fn split(size: PixelSize, text_share: u32) -> (Area, Area) {
    let margin = size.width.min(size.height) / 24;
    if size.width >= size.height {
        let text = size.width * text_share / 1000;
        let code = (size.width - text).min(size.height);
        let left = size.width - code;
        (
            Area {
                x: 0,
                y: 0,
                w: code,
                h: size.height,
            },
            Area {
                x: code + margin / 2,
                y: margin,
                w: left - margin * 3 / 2,
                h: size.height - 2 * margin,
            },
        )
    } else {
        let text = size.height * text_share / 1000;
        let code = (size.height - text).min(size.width);
        (
            Area {
                x: 0,
                y: 0,
                w: size.width,
                h: code,
            },
            Area {
                x: margin,
                y: code + margin / 2,
                w: size.width - 2 * margin,
                h: size.height - code - margin * 3 / 2,
            },
        )
    }
}

fn qr_text(sheet: &mut Sheet, area: Area, payload: &QrPayload, sum: Kopecks, language: Language) {
    let scene = Scene::Qr {
        payload: payload.clone(),
        amount: sum,
    };
    let words = words(&scene, language);
    let align = if sheet.size.width >= sheet.size.height {
        Align::Left
    } else {
        Align::Centre
    };
    let part = |from: u32, to: u32| {
        let (top, bottom) = (area.h * from / 1000, area.h * to / 1000);
        Area {
            x: area.x,
            y: area.y + top,
            w: area.w,
            h: bottom - top,
        }
    };
    let bands = match align {
        Align::Left => [
            part(60, 150),
            part(160, 340),
            part(420, 780),
            part(820, 900),
        ],
        Align::Centre => [part(0, 150), part(150, 440), part(500, 830), part(860, 990)],
    };
    let [to_pay_band, amount_band, title_band, hint_band] = bands;
    sheet.text(
        to_pay(language),
        Weight::Regular,
        to_pay_band,
        1,
        align,
        QUIET_INK,
    );
    sheet.text(
        &amount(sum, language),
        Weight::Bold,
        amount_band,
        1,
        align,
        INK,
    );
    sheet.text(words.title, Weight::Bold, title_band, 4, align, ACCENT);
    sheet.text(words.hint, Weight::Regular, hint_band, 2, align, QUIET_INK);
}

#[cfg(test)]
mod tests;
