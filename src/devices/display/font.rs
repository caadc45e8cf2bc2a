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

use crate::devices::display::frame::{Area, Frame};

/// Smallest type that is tried, pixels.
const MIN_PX: u32 = 7;
/// Distance of two lines in parts of the type's height.
const LEADING: f32 = 1.18;
/// Height of a digit in parts of the type's height: 1493 of 2384 units of DejaVu Sans; measured by a test.
const DIGIT_HEIGHT: f32 = 0.626;
/// Distance of two lines of digits, with a quarter of a digit between them.
const DIGITS_LEADING: f32 = 0.80;
/// Longer texts are cut before they are measured: names come from outside.
const MAX_CHARACTERS: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Regular,
    Bold,
}

/// Where a line begins in its box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
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
    line_px: u32,
    baseline_px: u32,
}

/// What a line is made of, which decides how high it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    /// Capitals with marks above (Ё, Ў) and letters that reach below the line.
    Letters,
    /// Digits: nothing above their height, nothing below the line, so that they can be far larger.
    Digits,
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
pub fn has(character: char, weight: Weight) -> bool {
    font(weight).is_some_and(|font| font.glyph_id(character).0 != 0)
}

/// Width of a line in pixels, rounded up.
pub fn width(text: &str, px: u32, weight: Weight) -> u32 {
    (unit_width(text, weight) * px as f32).ceil() as u32
}

/// Width of a line in type of one pixel.
fn unit_width(text: &str, weight: Weight) -> f32 {
    let Some(font) = font(weight) else { return 0.0 };
    let font = font.as_scaled(PxScale::from(1.0));
    let mut pen = 0.0;
    let mut last = None;
    for character in text.chars() {
        let glyph = font.glyph_id(character);
        pen += last.map_or(0.0, |last| font.kern(last, glyph)) + font.h_advance(glyph);
        last = Some(glyph);
    }
    pen
}

fn line_height(px: u32, script: Script) -> u32 {
    let leading = match script {
        Script::Letters => LEADING,
        Script::Digits => DIGITS_LEADING,
    };
    (px as f32 * leading).ceil() as u32
}

/// From the top of a line down to its baseline.
fn baseline(px: u32, script: Script, weight: Weight) -> u32 {
    let height = line_height(px, script) as f32;
    let Some(font) = font(weight) else { return 0 };
    let font = font.as_scaled(PxScale::from(px as f32));
    let below = match script {
        Script::Letters => (height - font.height()) / 2.0 - font.descent(),
        Script::Digits => (height - px as f32 * DIGIT_HEIGHT) / 2.0,
    };
    (height - below).round() as u32
}

/// What can be painted of a text that comes from outside: no control characters, `?` for what the
/// type lacks, and not more than a display could ever show.
fn readable(text: &str, weight: Weight) -> String {
    let visible = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_CHARACTERS);
    visible
        .map(|c| if has(c, weight) { c } else { '?' })
        .collect()
}

/// Words and their widths in type of one pixel: measured once, whatever number of sizes is tried.
fn measured(text: &str, weight: Weight) -> Vec<(&str, f32)> {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| (word, unit_width(word, weight)))
        .collect()
}

/// Breaks at spaces; `None` when a word alone is too wide.
fn wrap(words: &[(&str, f32)], space: f32, px: u32, most: u32) -> Option<Vec<String>> {
    // A pixel for rounding: lines are measured again, whole, when they are painted.
    let most = (most.saturating_sub(1)) as f32 / px.max(1) as f32;
    let mut lines: Vec<String> = Vec::new();
    let mut reached = 0.0;
    for (word, width) in words {
        if *width > most {
            return None;
        }
        match lines.last_mut() {
            Some(line) if reached + space + width <= most => {
                line.push(' ');
                line.push_str(word);
                reached += space + width;
            }
            Some(_) | None => {
                lines.push((*word).to_owned());
                reached = *width;
            }
        }
    }
    Some(lines)
}

/// The largest layout of `text` in a box, up to `most_px`. A word that does not fit even in the
/// smallest type is broken anywhere, and what has no room ends in `…`: nothing is ever clipped.
pub fn fit(text: &str, weight: Weight, w: u32, h: u32, most_px: u32, most_lines: usize) -> Fitted {
    let text = readable(text, weight);
    let fitted = largest(&text, Script::Letters, weight, (w, h), most_px, most_lines);
    fitted.unwrap_or_else(|| broken_anywhere(&text, weight, w, h))
}

/// Like [`fit`] for digits, which need no room above and below and so get larger.
pub fn fit_digits(text: &str, weight: Weight, w: u32, h: u32, most_lines: usize) -> Fitted {
    let text = readable(text, weight);
    let fitted = largest(
        &text,
        Script::Digits,
        weight,
        (w, h),
        h.saturating_mul(2),
        most_lines,
    );
    fitted.unwrap_or_else(|| broken_anywhere(&text, weight, w, h))
}

fn largest(
    text: &str,
    script: Script,
    weight: Weight,
    (w, h): (u32, u32),
    most_px: u32,
    most_lines: usize,
) -> Option<Fitted> {
    let (words, space) = (measured(text, weight), unit_width(" ", weight));
    let (mut low, mut high) = (MIN_PX, most_px.max(MIN_PX));
    let mut best = None;
    while low <= high {
        let middle = u32::midpoint(low, high);
        let line_px = line_height(middle, script);
        let lines = wrap(&words, space, middle, w);
        let lines = lines.filter(|lines| {
            lines.len() <= most_lines && lines.len() * line_px as usize <= h as usize
        });
        if let Some(lines) = lines {
            best = Some((middle, lines));
            low = middle + 1;
        } else {
            high = middle - 1;
        }
    }
    best.map(|(px, lines)| placed(px, balanced(&words, space, px, w, lines), script, weight))
}

/// The same number of lines, as even as they can be: no single word is left over for the last one.
fn balanced(
    words: &[(&str, f32)],
    space: f32,
    px: u32,
    most: u32,
    lines: Vec<String>,
) -> Vec<String> {
    let (mut low, mut high, mut even) = (1, most, lines);
    while low <= high {
        let middle = u32::midpoint(low, high);
        match wrap(words, space, px, middle) {
            Some(lines) if lines.len() == even.len() => {
                even = lines;
                high = middle - 1;
            }
            Some(_) | None => low = middle + 1,
        }
    }
    even
}

fn placed(px: u32, lines: Vec<String>, script: Script, weight: Weight) -> Fitted {
    let line_px = line_height(px, script);
    let height = line_px * u32::try_from(lines.len()).unwrap_or(1);
    Fitted {
        px,
        lines,
        height,
        line_px,
        baseline_px: baseline(px, script, weight),
    }
}

fn broken_anywhere(text: &str, weight: Weight, w: u32, h: u32) -> Fitted {
    let room = (h / line_height(MIN_PX, Script::Letters)).max(1) as usize;
    let mut lines = vec![String::new()];
    for character in text.chars() {
        let is_last = lines.len() >= room;
        let Some(line) = lines.last_mut() else { break };
        let longer = format!("{line}{character}");
        if width(&longer, MIN_PX, weight) <= w || line.is_empty() {
            *line = longer;
        } else if !is_last {
            lines.push(character.to_string());
        } else {
            while !line.is_empty() && width(&format!("{line}…"), MIN_PX, weight) > w {
                line.pop();
            }
            line.push('…');
            break;
        }
    }
    placed(MIN_PX, lines, Script::Letters, weight)
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
            (area.x + indent, top + fitted.baseline_px),
            colour,
        );
        top += fitted.line_px;
    }
}

/// Paints one line, from the left end of its baseline.
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
    let (mut pen, mut last) = (at.0 as f32, None);
    for character in text.chars() {
        let glyph = scaled.glyph_id(character);
        pen += last.map_or(0.0, |last| scaled.kern(last, glyph));
        let placed =
            glyph.with_scale_and_position(PxScale::from(px as f32), point(pen, at.1 as f32));
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

    #[test]
    fn digits_are_as_high_as_the_font_states_and_stand_on_the_line() {
        for weight in [Weight::Regular, Weight::Bold] {
            let font = font(weight).unwrap();
            for digit in '0'..='9' {
                let glyph = font
                    .glyph_id(digit)
                    .with_scale_and_position(PxScale::from(1000.0), point(0.0, 0.0));
                let bounds = font.outline_glyph(glyph).unwrap().px_bounds();
                assert!(
                    bounds.min.y >= -(DIGIT_HEIGHT * 1000.0 + 13.0) && bounds.max.y <= 13.0,
                    "{digit} {bounds:?}"
                );
            }
        }
    }

    #[test]
    fn what_has_no_room_ends_in_dots_and_what_has_no_glyph_in_question_marks() {
        let fitted = fit(&"Ж".repeat(500), Weight::Bold, 60, 20, 40, 3);
        assert!(
            fitted.lines.len() == 2 && fitted.lines[1].ends_with('…'),
            "{fitted:?}"
        );
        assert_eq!(
            fit("a\u{7}b漢", Weight::Bold, 600, 60, 40, 1).lines,
            ["a b?"]
        );
        assert_eq!(fit("", Weight::Bold, 600, 60, 40, 1).height, 0);
    }

    #[test]
    fn lines_are_even() {
        let fitted = fit(
            "Откройте О!плати и поднесите код к сканеру",
            Weight::Regular,
            270,
            40,
            15,
            3,
        );
        assert_eq!(
            fitted.lines,
            ["Откройте О!плати и", "поднесите код к сканеру"]
        );
    }

    proptest! {
        #[test]
        fn a_fitted_text_stays_in_its_box(text in "[А-Яа-яЎўІі№« »—!A-Za-z]{0,120}", w in 60_u32..2000, h in 20_u32..800, px in 8_u32..400, lines in 1_usize..4) {
            let fitted = fit(&text, Weight::Bold, w, h, px, lines);
            prop_assert!(fitted.height <= h.max(line_height(MIN_PX, Script::Letters)));
            for line in &fitted.lines {
                prop_assert!(width(line, fitted.px, Weight::Bold) <= w, "{line:?} at {} px in {w}", fitted.px);
            }
        }
    }
}
