//! Type: DejaVu Sans, regular and bold, anti-aliased, fitted into boxes and never clipped.
#![expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "glyph outlines are measured in fractions of a pixel; results are rounded outward and checked when painted"
)]

use std::sync::OnceLock;

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};
use embedded_graphics::pixelcolor::Rgb888;

use crate::display::frame::{Area, Frame};

/// Smallest type that is tried, pixels.
const LEAST_PX: u32 = 7;
/// Distance of two lines in parts of the type's height.
const LEADING: f32 = 1.18;

/// Weight of the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// For instructions.
    Regular,
    /// For what counts.
    Bold,
}

/// Where a line begins in its box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// At the left edge.
    Left,
    /// In the middle.
    Centre,
}

/// Text laid out for a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// Size of the type, pixels.
    pub px: u32,
    /// From top to bottom.
    pub lines: Vec<String>,
    /// Height of all lines, pixels.
    pub height: u32,
}

fn font(weight: Weight) -> Option<&'static FontRef<'static>> {
    static REGULAR: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    static BOLD: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    let (cell, bytes): (_, fn() -> &'static [u8]) = match weight {
        Weight::Regular => (&REGULAR, dejavu::sans::regular),
        Weight::Bold => (&BOLD, dejavu::sans::bold),
    };
    cell.get_or_init(|| FontRef::try_from_slice(bytes()).ok())
        .as_ref()
}

/// Whether the type has this character.
#[must_use]
pub fn has(character: char, weight: Weight) -> bool {
    font(weight).is_some_and(|font| font.glyph_id(character).0 != 0)
}

/// Width of a line in pixels, rounded up.
#[must_use]
pub fn width(text: &str, px: u32, weight: Weight) -> u32 {
    let Some(font) = font(weight) else { return 0 };
    let font = font.as_scaled(PxScale::from(px as f32));
    let mut pen = 0.0;
    let mut last = None;
    for character in text.chars() {
        let glyph = font.glyph_id(character);
        pen += last.map_or(0.0, |last| font.kern(last, glyph)) + font.h_advance(glyph);
        last = Some(glyph);
    }
    pen.ceil() as u32
}

fn line_height(px: u32) -> u32 {
    (px as f32 * LEADING).ceil() as u32
}

/// Breaks at spaces; `None` when a word alone is too wide.
fn wrap(text: &str, px: u32, weight: Weight, most: u32) -> Option<Vec<String>> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if width(word, px, weight) > most {
            return None;
        }
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), px, weight) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    Some(lines)
}

fn lay_out(
    text: &str,
    px: u32,
    weight: Weight,
    w: u32,
    h: u32,
    most_lines: usize,
) -> Option<Fitted> {
    let lines = wrap(text, px, weight, w)?;
    let height = line_height(px) * u32::try_from(lines.len()).ok()?;
    (lines.len() <= most_lines && height <= h).then_some(Fitted { px, lines, height })
}

/// The largest layout of `text` in a box, up to `most_px`. A word that does not fit even in the
/// smallest type is broken anywhere, so that nothing is ever clipped.
#[must_use]
pub fn fit(text: &str, weight: Weight, w: u32, h: u32, most_px: u32, most_lines: usize) -> Fitted {
    let (mut low, mut high) = (LEAST_PX, most_px.max(LEAST_PX));
    let mut best = None;
    while low <= high {
        let middle = u32::midpoint(low, high);
        match lay_out(text, middle, weight, w, h, most_lines) {
            Some(fitted) => {
                best = Some(fitted);
                low = middle + 1;
            }
            None => high = middle - 1,
        }
    }
    best.unwrap_or_else(|| broken_anywhere(text, weight, w, h))
}

fn broken_anywhere(text: &str, weight: Weight, w: u32, h: u32) -> Fitted {
    let mut lines = vec![String::new()];
    for character in text.chars() {
        let Some(line) = lines.last_mut() else { break };
        let longer = format!("{line}{character}");
        if width(&longer, LEAST_PX, weight) <= w || line.is_empty() {
            *line = longer;
        } else {
            lines.push(character.to_string());
        }
    }
    lines.truncate((h / line_height(LEAST_PX)).max(1) as usize);
    let height = line_height(LEAST_PX) * u32::try_from(lines.len()).unwrap_or(1);
    Fitted {
        px: LEAST_PX,
        lines,
        height,
    }
}

/// Paints a layout, its lines in the middle of the box's height.
pub fn paint(
    frame: &mut Frame,
    fitted: &Fitted,
    weight: Weight,
    area: Area,
    align: Align,
    colour: Rgb888,
) {
    let mut top = area.y + area.h.saturating_sub(fitted.height) / 2;
    for line in &fitted.lines {
        let indent = match align {
            Align::Left => 0,
            Align::Centre => area.w.saturating_sub(width(line, fitted.px, weight)) / 2,
        };
        paint_line(
            frame,
            line,
            fitted.px,
            weight,
            (area.x + indent, top),
            colour,
        );
        top += line_height(fitted.px);
    }
}

fn paint_line(
    frame: &mut Frame,
    text: &str,
    px: u32,
    weight: Weight,
    at: (u32, u32),
    colour: Rgb888,
) {
    let Some(font) = font(weight) else { return };
    let scaled = font.as_scaled(PxScale::from(px as f32));
    let spare = (line_height(px) as f32 - scaled.height()) / 2.0;
    let baseline = at.1 as f32 + spare + scaled.ascent();
    let (mut pen, mut last) = (at.0 as f32, None);
    for character in text.chars() {
        let glyph = scaled.glyph_id(character);
        pen += last.map_or(0.0, |last| scaled.kern(last, glyph));
        let placed = glyph.with_scale_and_position(PxScale::from(px as f32), point(pen, baseline));
        if let Some(outline) = font.outline_glyph(placed) {
            let bounds = outline.px_bounds();
            let (left, top) = (bounds.min.x as i64, bounds.min.y as i64);
            outline.draw(|x, y, share| {
                let share = (share.clamp(0.0, 1.0) * 255.0) as u8;
                frame.mix(left + i64::from(x), top + i64::from(y), colour, share);
            });
        }
        pen += scaled.h_advance(glyph);
        last = Some(glyph);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_weights_have_every_letter_that_is_needed() {
        let needed = "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдеёжзийклмнопрстуфхцчшщъыьэюяЎўІіЁё№«»—–…’0123456789.,!?%-+\u{a0}ABCXYZabcxyz";
        for weight in [Weight::Regular, Weight::Bold] {
            let missing: String = needed.chars().filter(|c| !has(*c, weight)).collect();
            assert_eq!(missing, "", "{weight:?}");
        }
    }

    proptest! {
        #[test]
        fn a_fitted_text_stays_in_its_box(text in "[А-Яа-яЎўІі№« »—!A-Za-z]{0,120}", w in 60_u32..2000, h in 20_u32..800, px in 8_u32..400, lines in 1_usize..4) {
            let fitted = fit(&text, Weight::Bold, w, h, px, lines);
            prop_assert!(fitted.height <= h.max(line_height(LEAST_PX)));
            for line in &fitted.lines {
                prop_assert!(width(line, fitted.px, Weight::Bold) <= w, "{line:?} at {} px in {w}", fitted.px);
            }
        }
    }
}
