//! Lines over two axes, one for each contender, with the names at the right.

use plotters::prelude::{
    Color, DrawingBackend, EmptyElement, IntoDrawingArea, PathElement, SVGBackend, Text,
};

use super::axis::Axis;
use super::style::{FAINT, INK, LEFT, MIDDLE, QUIET, RIGHT, WHITE, look_of, text, upwards};

const SIZE: (u32, u32) = (900, 500);
const LEFT_EDGE: i32 = 90;
const RIGHT_EDGE: i32 = 710;
const TOP: i32 = 80;
const FLOOR: i32 = 430;
const LEGEND_ROW: i32 = 26;

pub(super) struct Lines {
    pub(super) title: String,
    pub(super) better: String,
    pub(super) across: Axis,
    pub(super) up: Axis,
    pub(super) curves: Vec<Line>,
    /// Points that were measured have a shape; many in a row do not.
    pub(super) markers: bool,
}

pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

impl Lines {
    pub(super) fn draw(&self) -> anyhow::Result<String> {
        let mut svg = String::new();
        self.draw_on(SVGBackend::with_string(&mut svg, SIZE))
            .map_err(|error| anyhow::anyhow!("cannot draw {}: {error}", self.title))?;
        Ok(svg)
    }

    fn draw_on<DB: DrawingBackend>(&self, backend: DB) -> Result<(), Error>
    where
        DB::ErrorType: 'static,
    {
        let area = backend.into_drawing_area();
        area.fill(&WHITE)?;
        area.draw(&Text::new(self.title.clone(), (24, 28), text(20, INK, LEFT)))?;
        area.draw(&Text::new(self.better.clone(), (24, 54), text(14, QUIET, LEFT)))?;
        for (position, label) in &self.across.marks {
            let x = self.x(*position);
            area.draw(&PathElement::new([(x, TOP), (x, FLOOR)], FAINT.stroke_width(1)))?;
            area.draw(&Text::new(label.clone(), (x, FLOOR + 16), text(13, QUIET, MIDDLE)))?;
        }
        for (position, label) in &self.up.marks {
            let y = self.y(*position);
            area.draw(&PathElement::new([(LEFT_EDGE, y), (RIGHT_EDGE, y)], FAINT.stroke_width(1)))?;
            area.draw(&Text::new(label.clone(), (LEFT_EDGE - 8, y), text(13, QUIET, RIGHT)))?;
        }
        let middle = i32::midpoint(LEFT_EDGE, RIGHT_EDGE);
        let axis = self.across.label.clone();
        area.draw(&Text::new(axis, (middle, FLOOR + 44), text(14, INK, MIDDLE)))?;
        let axis = self.up.label.clone();
        area.draw(&Text::new(axis, (26, i32::midpoint(TOP, FLOOR)), upwards(14, INK)))?;
        let frame = [(LEFT_EDGE, TOP), (LEFT_EDGE, FLOOR), (RIGHT_EDGE, FLOOR)];
        area.draw(&PathElement::new(frame, INK.stroke_width(1)))?;
        for (row, (number, line)) in (0_i32..).zip(self.curves.iter().enumerate()) {
            let look = look_of(&line.name, number);
            let points: Vec<_> =
                line.points.iter().map(|(x, y)| (self.x(*x), self.y(*y))).collect();
            area.draw(&PathElement::new(points.clone(), look.line()))?;
            for point in points.into_iter().filter(|_| self.markers) {
                area.draw(&(EmptyElement::at(point) + look.marker()))?;
            }
            let y = TOP + 8 + row * LEGEND_ROW;
            let sample = [(RIGHT_EDGE + 18, y), (RIGHT_EDGE + 46, y)];
            area.draw(&PathElement::new(sample, look.line()))?;
            if self.markers {
                area.draw(&(EmptyElement::at((RIGHT_EDGE + 32, y)) + look.marker()))?;
            }
            let name = line.name.clone();
            area.draw(&Text::new(name, (RIGHT_EDGE + 56, y), text(14, INK, LEFT)))?;
        }
        area.present()?;
        Ok(())
    }

    fn x(&self, position: f64) -> i32 {
        place(position, &self.across, LEFT_EDGE, RIGHT_EDGE)
    }

    fn y(&self, position: f64) -> i32 {
        place(position, &self.up, FLOOR, TOP)
    }
}

/// The pixel of a position on an axis that goes from `first` to `last`; what lies outside is at the edge.
fn place(position: f64, axis: &Axis, first: i32, last: i32) -> i32 {
    let share = ((position - axis.from) / (axis.to - axis.from)).clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, reason = "within the picture")]
    let pixels = (f64::from(last - first) * share).round() as i32;
    first + pixels
}
