//! Signs that are understood without reading and without colours.
//!
//! They are drawn with straight primitives four times as fine, then shrunk, which gives smooth edges.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "drawing in thousandths of a side of at most 3840 pixels"
)]

use embedded_graphics::Drawable as _;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::{
    Circle, Primitive as _, PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, RoundedRectangle,
    StrokeAlignment,
};

use crate::config::PixelSize;
use crate::devices::display::frame::Frame;

/// How much finer the drawing is; large signs have smooth edges with less.
const FINENESS: u32 = 4;
const FINENESS_OF_LARGE: u32 = 2;
const LARGE_PX: u32 = 400;

/// A sign; the scenes that have it give it its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    Tick,
    Cross,
    Minus,
    Clock,
    Slash,
    Back,
    /// Your phone, with a QR on it.
    PhoneCode,
    /// Your phone, with a tick on it.
    PhoneTick,
    /// Wait: lit one after the other, by half seconds.
    Dots(u32),
    Card,
    Exclamation,
    NoLine,
}

/// Pen on a square of a thousand by a thousand.
struct Pen<'a> {
    frame: &'a mut Frame,
    side: u32,
    colour: Rgb888,
}

impl Pen<'_> {
    fn px(&self, thousandths: i32) -> i32 {
        (i64::from(thousandths) * i64::from(self.side) / 1000) as i32
    }

    fn at(&self, x: i32, y: i32) -> Point {
        Point::new(self.px(x), self.px(y))
    }

    fn extent(&self, thousandths: i32) -> u32 {
        self.px(thousandths).unsigned_abs()
    }

    /// A stroke with round ends: every pixel that is near enough to a line of the path. (Thick lines
    /// of the drawing library overflow at this fineness.)
    fn stroke(&mut self, points: &[(i32, i32)], width: i32) {
        let radius = i64::from(self.px(width)) / 2;
        for pair in points.windows(2) {
            let [from, to] = pair else { continue };
            let (from, to) = (self.at(from.0, from.1), self.at(to.0, to.1));
            let reach =
                |a: i32, b: i32| (i64::from(a.min(b)) - radius, i64::from(a.max(b)) + radius);
            let ((left, right), (top, bottom)) = (reach(from.x, to.x), reach(from.y, to.y));
            for y in top.max(0)..=bottom {
                for x in left.max(0)..=right {
                    if is_near((x, y), from, to, radius) {
                        self.frame.set(x as u32, y as u32, self.colour);
                    }
                }
            }
        }
    }

    fn dot(&mut self, x: i32, y: i32, radius: i32, colour: Rgb888) {
        let circle = Circle::with_center(self.at(x, y), self.extent(2 * radius));
        let Ok(()) = circle
            .into_styled(PrimitiveStyle::with_fill(colour))
            .draw(self.frame);
    }

    fn ring(&mut self, x: i32, y: i32, radius: i32, width: i32) {
        let style = PrimitiveStyleBuilder::new()
            .stroke_color(self.colour)
            .stroke_width(self.extent(width))
            .stroke_alignment(StrokeAlignment::Inside)
            .build();
        let Ok(()) = Circle::with_center(self.at(x, y), self.extent(2 * radius))
            .into_styled(style)
            .draw(self.frame);
    }

    fn outline(&mut self, left: i32, top: i32, right: i32, bottom: i32, width: i32) {
        let size = Size::new(self.extent(right - left), self.extent(bottom - top));
        let shape = RoundedRectangle::with_equal_corners(
            Rectangle::new(self.at(left, top), size),
            Size::new_equal(self.extent(70.min((right - left) / 5))),
        );
        let style = PrimitiveStyleBuilder::new()
            .stroke_color(self.colour)
            .stroke_width(self.extent(width))
            .stroke_alignment(StrokeAlignment::Inside)
            .build();
        let Ok(()) = shape.into_styled(style).draw(self.frame);
    }

    fn block(&mut self, left: i32, top: i32, side: i32) {
        let area = Rectangle::new(
            self.at(left, top),
            Size::new(self.extent(side), self.extent(side)),
        );
        let Ok(()) = area
            .into_styled(PrimitiveStyle::with_fill(self.colour))
            .draw(self.frame);
    }
}

/// Whether a point is at most `radius` from the line between two others; in whole numbers, which
/// stay below 2^60 on a canvas of 8000 pixels, more than the largest one has.
fn is_near((x, y): (i64, i64), from: Point, to: Point, radius: i64) -> bool {
    let (ax, ay) = (x - i64::from(from.x), y - i64::from(from.y));
    let (dx, dy) = (
        i64::from(to.x) - i64::from(from.x),
        i64::from(to.y) - i64::from(from.y),
    );
    let (along, length) = (ax * dx + ay * dy, dx * dx + dy * dy);
    if along <= 0 {
        return ax * ax + ay * ay <= radius * radius;
    }
    if along >= length {
        let (bx, by) = (ax - dx, ay - dy);
        return bx * bx + by * by <= radius * radius;
    }
    let across = ax * dy - ay * dx;
    across * across <= radius * radius * length
}

/// Paints a sign of `side` pixels with its upper left corner at a place, on a flat ground.
pub fn paint(
    frame: &mut Frame,
    icon: Icon,
    side: u32,
    at: (u32, u32),
    ink: Rgb888,
    ground: Rgb888,
) {
    let fineness = if side < LARGE_PX {
        FINENESS
    } else {
        FINENESS_OF_LARGE
    };
    let fine = side * fineness;
    let mut canvas = Frame::filled(PixelSize::new(fine, fine), ground);
    let mut pen = Pen {
        frame: &mut canvas,
        side: fine,
        colour: ink,
    };
    match icon {
        Icon::Tick | Icon::Cross | Icon::Minus | Icon::Back | Icon::Exclamation => {
            pen.dot(500, 500, 490, ink);
            pen.colour = ground;
            in_disc(&mut pen, icon);
        }
        Icon::Clock => {
            pen.ring(500, 500, 490, 85);
            pen.stroke(&[(500, 230), (500, 520), (680, 640)], 85);
        }
        Icon::Slash => {
            pen.ring(500, 500, 490, 95);
            pen.stroke(&[(200, 200), (800, 800)], 95);
        }
        Icon::PhoneCode | Icon::PhoneTick => phone(&mut pen, icon),
        Icon::Dots(animation_step) => {
            for (dot, x) in (0..3).zip([180, 500, 820]) {
                let lit = dot == animation_step % 3;
                pen.dot(x, 500, if lit { 130 } else { 95 }, ink);
            }
        }
        Icon::Card => {
            pen.outline(40, 200, 960, 800, 70);
            pen.stroke(&[(90, 390), (910, 390)], 110);
            pen.stroke(&[(190, 640), (430, 640)], 70);
        }
        Icon::NoLine => {
            for (x, height) in [(160, 200), (390, 360), (620, 520), (850, 680)] {
                pen.stroke(&[(x, 840), (x, 880 - height)], 110);
            }
            pen.colour = ground;
            pen.stroke(&[(120, 120), (900, 900)], 190);
            pen.colour = ink;
            pen.stroke(&[(120, 120), (900, 900)], 90);
        }
    }
    frame.shrink_in(&canvas, fineness, at.0, at.1);
}

fn in_disc(pen: &mut Pen<'_>, icon: Icon) {
    match icon {
        Icon::Cross => {
            pen.stroke(&[(330, 330), (670, 670)], 110);
            pen.stroke(&[(670, 330), (330, 670)], 110);
        }
        Icon::Minus => pen.stroke(&[(270, 500), (730, 500)], 120),
        Icon::Back => {
            pen.stroke(&[(730, 500), (280, 500)], 100);
            pen.stroke(&[(450, 320), (270, 500), (450, 680)], 100);
        }
        Icon::Exclamation => {
            pen.stroke(&[(500, 230), (500, 560)], 115);
            pen.stroke(&[(500, 750), (500, 751)], 125);
        }
        Icon::Tick
        | Icon::Clock
        | Icon::Slash
        | Icon::PhoneCode
        | Icon::PhoneTick
        | Icon::Dots(_)
        | Icon::Card
        | Icon::NoLine => pen.stroke(&[(265, 520), (430, 685), (740, 345)], 115),
    }
}

fn phone(pen: &mut Pen<'_>, icon: Icon) {
    pen.outline(220, 20, 780, 980, 65);
    pen.stroke(&[(430, 895), (570, 895)], 36);
    if icon == Icon::PhoneTick {
        return pen.stroke(&[(360, 470), (465, 575), (650, 370)], 80);
    }
    for (x, y) in [(345, 270), (545, 270), (345, 470)] {
        pen.outline(x, y, x + 130, y + 130, 38);
    }
    for (x, y) in [(545, 470), (625, 470), (585, 510), (545, 550), (625, 550)] {
        pen.block(x, y, 42);
    }
}
