//! Nobody pays: the shop's name, its logo, and that the wallet is welcome.

use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};

use super::{INK, NIGHT, PALE, PAPER, QUIET_INK, SKY, Sheet, Theme, hint_px};
use crate::config::PixelSize;
use crate::core::scene::Scene;
use crate::devices::display::font::Weight;
use crate::devices::display::frame::{Area, Frame};
use crate::devices::display::messages::messages;

/// With a logo the ground is white, as logos are drawn for; without one it is dark and calm.
pub(super) fn idle(size: PixelSize, theme: &Theme) -> Frame {
    let logo = theme.logo.as_deref();
    let (ground, ink, quiet) = match logo {
        Some(_) => (PAPER, INK, QUIET_INK),
        None => (NIGHT, Rgb888::WHITE, PALE),
    };
    let mut sheet = Sheet::new(size, ground);
    let messages = messages(&Scene::Idle, theme);
    let named = theme
        .shop_name
        .as_deref()
        .filter(|name| !name.trim().is_empty());
    let (name_share, name_px) = match logo {
        Some(_) => (220, sheet.unit(120)),
        None => (450, sheet.unit(200)),
    };
    let name = named.unwrap_or(&messages.title);
    let name = sheet.across(name, Weight::Bold, name_share, name_px, 3);
    let hint_most = hint_px(name.px).min(sheet.unit(78));
    let hint = sheet.across(&messages.hint, Weight::Regular, 200, hint_most, 3);
    let (gap, thickness) = (
        sheet.unit(if logo.is_some() { 45 } else { 80 }),
        sheet.unit(10).max(2),
    );
    let texts = name.height + hint.height + 2 * gap + thickness;
    let picture = logo.map(|logo| {
        let room = sheet.inner_height().saturating_sub(texts + gap);
        logo.fitted(sheet.inner_width(), room.min(sheet.unit(480)))
    });
    let picture_height = picture.as_ref().map_or(0, |picture| picture.height() + gap);
    let mut top = size.height.saturating_sub(texts + picture_height) / 2;
    if let Some(picture) = picture {
        picture.paint(&mut sheet.frame, (size.width - picture.width()) / 2, top);
        top += picture_height;
    }
    let rule = sheet.put(&name, Weight::Bold, top, ink) + gap;
    let width = sheet.unit(240);
    sheet.frame.fill(
        Area::new((size.width - width) / 2, rule, width, thickness),
        SKY,
    );
    sheet.put(&hint, Weight::Regular, rule + thickness + gap, quiet);
    sheet.frame
}
