//! A scene becomes a frame: one pure function for every size.
//!
//! Two designs were weighed: fixed layouts for known screens, which look best on those and break on
//! the next one, and proportions with fitted type. Proportions win: every text is fitted into its
//! share of the frame, so that no size clips or overlaps, and the gallery test shows them all.

mod idle;

use std::sync::Arc;

use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};

use crate::config::{Config, Language, PixelSize, WALLET_NAME};
use crate::core::scene::{QrPayload, Scene};
use crate::devices::display::font::{Align, Fitted, Weight, fit, fit_digits, paint};
use crate::devices::display::frame::{Area, Frame};
use crate::devices::display::icon::{self, Icon};
use crate::devices::display::logo::Logo;
use crate::devices::display::messages::{amount, messages, to_pay};
pub(super) use crate::devices::display::qr::Placed;
use crate::devices::display::qr::{Modules, RenderError};
use crate::model::money::Kopecks;

/// However much text there is, a sign is seen.
const MIN_SIGN_PX: u32 = 32;
/// Of the row that shows that the till waits.
const PROGRESS_BARS: u32 = 3;
/// Below this many pixels a module the text yields to the code.
const COMFORTABLE_MODULE_PX: u32 = 3;

const NIGHT: Rgb888 = Rgb888::new(16, 42, 67);
const PAPER: Rgb888 = Rgb888::new(255, 255, 255);
const INK: Rgb888 = Rgb888::new(19, 33, 51);
const QUIET_INK: Rgb888 = Rgb888::new(82, 98, 117);
const ACCENT: Rgb888 = Rgb888::new(0, 99, 178);
const SKY: Rgb888 = Rgb888::new(94, 190, 255);
// To the colour-blind one is bluish and the other brownish; white is at least 6:1 on each.
const GREEN: Rgb888 = Rgb888::new(0, 102, 84);
const RED: Rgb888 = Rgb888::new(158, 44, 12);
const AMBER: Rgb888 = Rgb888::new(122, 78, 0);
const SLATE: Rgb888 = Rgb888::new(56, 70, 88);
const PALE: Rgb888 = Rgb888::new(213, 224, 236);

/// What the shop chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    /// The language of the buyer.
    pub language: Language,
    /// The name of the shop, for the idle scene.
    pub shop_name: Option<String>,
    /// The picture above that name.
    pub logo: Option<Arc<Logo>>,
    /// How the display is turned: 0, 90, 180 or 270 degrees clockwise.
    pub rotate: u16,
    /// What the wallet is called, 1 to 32 characters.
    pub wallet_name: String,
}

impl Default for Theme {
    fn default() -> Theme {
        Theme {
            language: Language::default(),
            shop_name: None,
            logo: None,
            rotate: 0,
            wallet_name: WALLET_NAME.to_owned(),
        }
    }
}

impl Theme {
    /// As oplati.conf sets it, with the picture that it names, if that could be read.
    pub fn of(config: &Config, logo: Option<Arc<Logo>>) -> Theme {
        let settings = &config.display;
        Theme {
            wallet_name: config.main.wallet_name.clone(),
            language: settings.language,
            shop_name: settings.shop_name.clone(),
            logo,
            rotate: settings.rotate,
        }
    }
}

/// How much room the words beside a code have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// Thousandths of the long side.
    Beside(u32),
    /// The code stands alone.
    Absent,
}

/// From the one that looks best to the one that is read best.
pub(super) const WORDS: [Words; 3] = [Words::Beside(380), Words::Beside(280), Words::Absent];

/// A scene before it is turned.
#[derive(Debug)]
pub(super) struct Drawn {
    pub(super) frame: Frame,
    /// Where its code is, if it has one.
    pub(super) code: Option<Placed>,
}

/// Draws a scene as it looks at first. Only a QR code can fail, which has no room.
pub fn render(scene: &Scene, size: PixelSize, theme: &Theme) -> Result<Frame, RenderError> {
    super::readback::render_verified(scene, size, theme, 0).map(|(frame, _)| frame)
}

/// Draws a scene as it looks before the display is turned; `animation_step` counts half seconds. `None` when a
/// code with such words would have modules that are not comfortable to read.
pub(super) fn render_unrotated(
    scene: &Scene,
    size: PixelSize,
    theme: &Theme,
    animation_step: u32,
    words: Words,
) -> Result<Option<Drawn>, RenderError> {
    let size = match theme.rotate {
        90 | 270 => PixelSize::new(size.height, size.width),
        _ => size,
    };
    let frame = match scene {
        Scene::Qr { payload, amount } => return qr(payload, *amount, size, theme, words),
        Scene::Code { code, amount } => confirmation_code(code, *amount, size, theme),
        Scene::Idle => idle::idle(size, theme),
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
        | Scene::NoConnection => message(scene, size, theme, animation_step),
    };
    Ok(Some(Drawn { frame, code: None }))
}

/// Whether a QR fits a display of this size at all.
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
}

impl Sheet {
    fn new(size: PixelSize, ground: Rgb888) -> Sheet {
        let margin = size.width.min(size.height) / 16;
        Sheet {
            frame: Frame::filled(size, ground),
            size,
            margin,
        }
    }

    fn inner_width(&self) -> u32 {
        self.size.width - 2 * self.margin
    }

    fn inner_height(&self) -> u32 {
        self.size.height - 2 * self.margin
    }

    /// Thousandths of the short side: what lengths are measured in, so that frames of one shape look alike.
    fn unit(&self, thousandths: u32) -> u32 {
        self.size.width.min(self.size.height) * thousandths / 1000
    }

    /// Fits a text across the frame into `height` thousandths of its height.
    fn across(
        &self,
        text: &str,
        weight: Weight,
        height: u32,
        most_px: u32,
        most_lines: usize,
    ) -> Fitted {
        fit(
            text,
            weight,
            self.inner_width(),
            self.inner_height() * height / 1000,
            most_px,
            most_lines,
        )
    }

    /// Paints a layout across the frame and gives where it ends.
    fn put(&mut self, fitted: &Fitted, weight: Weight, top: u32, colour: Rgb888) -> u32 {
        let area = Area::new(self.margin, top, self.inner_width(), fitted.height);
        paint(&mut self.frame, fitted, weight, area, Align::Centre, colour);
        top + fitted.height
    }
}

/// An instruction is smaller than the title above it, by a ratio that the eye takes for intended.
fn hint_px(title_px: u32) -> u32 {
    title_px * 640 / 1000
}

/// Looks of a scene that is a sign with words.
struct Message {
    icon: Icon,
    ground: Rgb888,
    ink: Rgb888,
    quiet: Rgb888,
    extra: Option<String>,
}

fn message_of(scene: &Scene, language: Language, animation_step: u32) -> Message {
    let light = |icon, extra| Message {
        icon,
        ground: PAPER,
        ink: INK,
        quiet: QUIET_INK,
        extra,
    };
    let dark = |icon, ground, extra| Message {
        icon,
        ground,
        ink: Rgb888::WHITE,
        quiet: Rgb888::new(235, 240, 246),
        extra,
    };
    let money = |kopecks: &Kopecks| Some(amount(*kopecks, language));
    match scene {
        Scene::ScanMe => light(Icon::PhoneCode, None),
        Scene::PleaseConfirm { amount } => light(Icon::PhoneTick, money(amount)),
        Scene::Checking | Scene::Idle | Scene::Qr { .. } | Scene::Code { .. } => {
            light(Icon::Dots(animation_step), None)
        }
        Scene::CardFound { name } => light(Icon::Card, Some(name.clone())),
        Scene::Paid { amount } => dark(Icon::Tick, GREEN, money(amount)),
        Scene::Refunded { amount } => dark(Icon::Back, GREEN, money(amount)),
        Scene::Declined => dark(Icon::Cross, RED, None),
        Scene::NotEnoughMoney => dark(Icon::Minus, RED, None),
        Scene::TimeIsUp => dark(Icon::Clock, SLATE, None),
        Scene::Cancelled => dark(Icon::Slash, SLATE, None),
        Scene::NotCompleted => dark(Icon::Exclamation, AMBER, None),
        Scene::NoConnection => dark(Icon::NoLine, SLATE, None),
    }
}

fn message(scene: &Scene, size: PixelSize, theme: &Theme, animation_step: u32) -> Frame {
    let Message {
        icon,
        ground,
        ink,
        quiet,
        extra,
    } = message_of(scene, theme.language, animation_step);
    let mut sheet = Sheet::new(size, ground);
    let messages = messages(scene, theme);
    let sign = if ground == PAPER { ACCENT } else { ink };
    let portrait = size.height > size.width;
    let (title_share, hint_share) = if portrait { (260, 200) } else { (220, 220) };
    let title = sheet.across(
        &messages.title,
        Weight::Bold,
        title_share,
        sheet.unit(150),
        2,
    );
    let extra = extra.map(|text| sheet.across(&text, Weight::Bold, 220, sheet.unit(190), 1));
    let hint = sheet.across(
        &messages.hint,
        Weight::Regular,
        hint_share,
        hint_px(title.px),
        3,
    );
    let gap = sheet.unit(45);
    let waits = matches!(scene, Scene::PleaseConfirm { .. });
    let bars = if waits { sheet.unit(60) } else { 0 };
    let extra_height = extra.as_ref().map_or(0, |extra| extra.height + gap / 3);
    let texts = title.height + extra_height + hint.height + 2 * gap;
    let side = sheet
        .inner_height()
        .saturating_sub(texts + bars)
        .min(sheet.unit(440))
        .max(MIN_SIGN_PX);
    let top = size.height.saturating_sub(texts + side + bars) / 2;
    icon::paint(
        &mut sheet.frame,
        icon,
        side,
        ((size.width - side) / 2, top),
        sign,
        ground,
    );
    let mut below = sheet.put(&title, Weight::Bold, top + side + gap, ink);
    if let Some(extra) = extra {
        below = sheet.put(&extra, Weight::Bold, below + gap / 3, ink);
    }
    sheet.put(&hint, Weight::Regular, below + gap, quiet);
    if waits {
        progress(&mut sheet, animation_step);
    }
    sheet.frame
}

/// Bars in the lower margin, lit one after the other: the till is waiting, not stuck.
fn progress(sheet: &mut Sheet, animation_step: u32) {
    let (width, height) = (sheet.unit(90), sheet.unit(14).max(3));
    let gap = sheet.unit(30);
    let left = (sheet.size.width - (PROGRESS_BARS * (width + gap) - gap)) / 2;
    let y = sheet.size.height - sheet.margin / 2 - height;
    for bar in 0..PROGRESS_BARS {
        let x = left + bar * (width + gap);
        let lit = bar == animation_step % PROGRESS_BARS;
        let colour = if lit { ACCENT } else { PALE };
        let area = Area::new(x, y, width, height);
        sheet.frame.fill(area, colour);
    }
}

/// Everything else is fitted first and small; the code gets all that remains, to be read at two metres.
fn confirmation_code(code: &str, sum: Option<Kopecks>, size: PixelSize, theme: &Theme) -> Frame {
    let mut sheet = Sheet::new(size, PAPER);
    let messages = messages(&Scene::code(code.to_owned(), sum), theme);
    let title = sheet.across(&messages.title, Weight::Bold, 110, sheet.unit(100), 1);
    let hint = sheet.across(
        &messages.hint,
        Weight::Regular,
        110,
        hint_px(sheet.unit(105)),
        2,
    );
    let sum = sheet.across(
        &sum.map(|sum| amount(sum, theme.language))
            .unwrap_or_default(),
        Weight::Bold,
        140,
        sheet.unit(110),
        1,
    );
    let gap = sheet.unit(30);
    let room = sheet
        .inner_height()
        .saturating_sub(title.height + hint.height + sum.height + 3 * gap);
    let code = fitted_code(code, sheet.inner_width(), room);
    let top = sheet.put(&title, Weight::Bold, sheet.margin, INK) + gap;
    sheet.put(
        &code,
        Weight::Bold,
        top + room.saturating_sub(code.height) / 2,
        ACCENT,
    );
    let below = sheet.put(&hint, Weight::Regular, top + room + gap, QUIET_INK);
    sheet.put(&sum, Weight::Bold, below + gap, INK);
    sheet.frame
}

/// Six digits are read in two threes; one above the other where that makes them much larger.
fn fitted_code(code: &str, w: u32, h: u32) -> Fitted {
    let spaced = match code.split_at_checked(3) {
        Some((first, second)) if code.len() == 6 => format!("{first} {second}"),
        Some(_) | None => code.to_owned(),
    };
    let beside = fit_digits(&spaced, Weight::Bold, w, h, 1);
    let above = fit_digits(&spaced, Weight::Bold, w, h, 2);
    if above.px > beside.px * 5 / 4 {
        above
    } else {
        beside
    }
}

/// The code as large as it can be beside its words, or alone.
fn qr(
    payload: &QrPayload,
    sum: Option<Kopecks>,
    size: PixelSize,
    theme: &Theme,
    words: Words,
) -> Result<Option<Drawn>, RenderError> {
    let modules = Modules::encode(payload.text())?;
    let mut sheet = Sheet::new(size, PAPER);
    let whole = Area::new(0, 0, size.width, size.height);
    let (square, text) = match words {
        Words::Beside(share) => {
            let (square, text) = split(size, share);
            // Words that cost the code nothing stay, however dense it is.
            let alone = modules.module_px(size.width.min(size.height))?;
            let px = modules.module_px(square.w.min(square.h));
            if !px.is_ok_and(|px| px >= COMFORTABLE_MODULE_PX.min(alone)) {
                return Ok(None);
            }
            (square, Some(text))
        }
        Words::Absent => (whole, None),
    };
    let placed = modules.paint(&mut sheet.frame, square)?;
    if let Some(text) = text {
        qr_text(&mut sheet, text, payload, sum, theme);
    }
    Ok(Some(Drawn {
        frame: sheet.frame,
        code: Some(placed),
    }))
}

/// Code to the left in landscape, on top in portrait; `text_share` in thousandths of the long side.
fn split(size: PixelSize, text_share: u32) -> (Area, Area) {
    let margin = size.width.min(size.height) / 24;
    if size.width >= size.height {
        let text = size.width * text_share / 1000;
        let code = (size.width - text).min(size.height);
        let left = size.width - code;
        (
            Area::new(0, 0, code, size.height),
            Area::new(
                code + margin / 2,
                margin,
                left - margin * 3 / 2,
                size.height - 2 * margin,
            ),
        )
    } else {
        let text = size.height * text_share / 1000;
        let code = (size.height - text).min(size.width);
        (
            Area::new(0, 0, size.width, code),
            Area::new(
                margin,
                code + margin / 2,
                size.width - 2 * margin,
                size.height - code - margin * 3 / 2,
            ),
        )
    }
}

fn qr_text(
    sheet: &mut Sheet,
    area: Area,
    payload: &QrPayload,
    sum: Option<Kopecks>,
    theme: &Theme,
) {
    let language = theme.language;
    let scene = Scene::Qr {
        payload: payload.clone(),
        amount: sum,
    };
    let messages = messages(&scene, theme);
    let align = if sheet.size.width >= sheet.size.height {
        Align::Left
    } else {
        Align::Centre
    };
    let share = |thousandths: u32| area.h * thousandths / 1000;
    // The amount is the largest, the rest follows from it; on a bar the short side bounds all.
    let most = sheet.unit(190);
    let sum = sum.map(|sum| amount(sum, language));
    let sum = sum.map(|sum| fit(&sum, Weight::Bold, area.w, share(240), most, 1));
    let largest = sum.as_ref().map_or(most, |sum| sum.px);
    let label = sum.as_ref().map(|sum| {
        let most = hint_px(sum.px);
        fit(
            &to_pay(language),
            Weight::Regular,
            area.w,
            share(110),
            most,
            1,
        )
    });
    let title = fit(
        &messages.title,
        Weight::Bold,
        area.w,
        share(400),
        largest,
        4,
    );
    let hint_most = hint_px(title.px).max(sheet.unit(40));
    let hint = fit(
        &messages.hint,
        Weight::Regular,
        area.w,
        share(130),
        hint_most,
        2,
    );
    let (near, far) = (sheet.unit(18), sheet.unit(70).min(share(90)));
    let lines = [
        label.map(|label| (label, Weight::Regular, QUIET_INK, near)),
        sum.map(|sum| (sum, Weight::Bold, INK, far)),
        Some((title, Weight::Bold, ACCENT, near)),
        Some((hint, Weight::Regular, QUIET_INK, 0)),
    ];
    let lines = lines.into_iter().flatten();
    let height: u32 = lines
        .clone()
        .map(|(fitted, .., gap)| fitted.height + gap)
        .sum();
    let mut y = area.y + area.h.saturating_sub(height) / 2;
    for (fitted, weight, colour, gap) in lines {
        let place = Area {
            y,
            h: fitted.height,
            ..area
        };
        paint(&mut sheet.frame, &fitted, weight, place, align, colour);
        y += fitted.height + gap;
    }
}

#[cfg(test)]
mod tests;
