//! Colours, shapes and letters, the same in every picture.

use plotters::prelude::{Color, FontTransform, IntoFont, Polygon, RGBColor, ShapeStyle, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub(super) const WHITE: RGBColor = RGBColor(255, 255, 255);
pub(super) const INK: RGBColor = RGBColor(34, 34, 34);
pub(super) const FAINT: RGBColor = RGBColor(221, 221, 221);
pub(super) const QUIET: RGBColor = RGBColor(102, 102, 102);

/// How a contender is drawn. The colours are Okabe and Ito's, which colour-blind people can tell apart; the shapes tell
/// the same in grey.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    pub(super) colour: RGBColor,
    /// Corners of the marker, and how far it is turned, in degrees.
    corners: u16,
    turned: f64,
    pub(super) width: u32,
}

const fn look(colour: (u8, u8, u8), corners: u16, turned: f64, width: u32) -> Look {
    Look { colour: RGBColor(colour.0, colour.1, colour.2), corners, turned, width }
}

const KNOWN: [(&str, Look); 7] = [
    ("direct", look((153, 153, 153), 4, 0.0, 2)),
    ("plain", look((34, 34, 34), 4, 45.0, 2)),
    ("floor", look((0, 158, 115), 5, 0.0, 2)),
    ("nginx", look((230, 159, 0), 3, 0.0, 2)),
    ("only-router", look((86, 180, 233), 3, 180.0, 2)),
    ("every-layer", look((0, 114, 178), 24, 0.0, 3)),
    ("baseline", look((204, 121, 167), 6, 0.0, 2)),
];
const OTHERS: [Look; 4] = [
    look((213, 94, 0), 5, 180.0, 2),
    look((148, 103, 189), 4, 0.0, 2),
    look((127, 79, 36), 3, 0.0, 2),
    look((90, 90, 140), 4, 45.0, 2),
];

/// Everyone looks the same in all pictures; `number` tells those apart that are not known by name.
pub(super) fn look_of(name: &str, number: usize) -> Look {
    let known = KNOWN.iter().find(|(known, _)| *known == name);
    known.map_or(OTHERS[number % OTHERS.len()], |(_, look)| *look)
}

impl Look {
    pub(super) fn line(&self) -> ShapeStyle {
        self.colour.stroke_width(self.width)
    }

    /// A shape around a point, in pixels.
    pub(super) fn marker(&self) -> Polygon<(i32, i32)> {
        let radius = 3.0 + f64::from(self.width);
        let corner = |number: u16| {
            let angle = f64::from(number) * 360.0 / f64::from(self.corners) + self.turned - 90.0;
            let (sin, cos) = angle.to_radians().sin_cos();
            #[expect(clippy::cast_possible_truncation, reason = "a few pixels")]
            let pixel = |value: f64| (value * radius).round() as i32;
            (pixel(cos), pixel(sin))
        };
        Polygon::new((0..self.corners).map(corner).collect::<Vec<_>>(), self.colour.filled())
    }
}

pub(super) const LEFT: Pos = Pos { h_pos: HPos::Left, v_pos: VPos::Center };
pub(super) const RIGHT: Pos = Pos { h_pos: HPos::Right, v_pos: VPos::Center };
pub(super) const MIDDLE: Pos = Pos { h_pos: HPos::Center, v_pos: VPos::Center };

pub(super) fn text(size: i32, colour: RGBColor, anchor: Pos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour).pos(anchor)
}

/// Reads from below to above.
pub(super) fn upwards(size: i32, colour: RGBColor) -> TextStyle<'static> {
    let font = ("sans-serif", size).into_font().transform(FontTransform::Rotate270);
    font.color(&colour).pos(MIDDLE)
}
