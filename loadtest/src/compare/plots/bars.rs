//! Bars from left to right, one for each contender, each with its figure beside it.

use anyhow::Context;
use plotters::prelude::{DrawingBackend, IntoDrawingArea, Rectangle, SVGBackend, Text};

use super::axis::Axis;
use super::style::{FAINT, INK, LEFT, MIDDLE, QUIET, RIGHT, WHITE, look_of, text};
use plotters::prelude::{Color, PathElement};

const WIDTH: u32 = 900;
const TOP: i32 = 76;
const ROW: i32 = 40;
const BAR: i32 = 24;
const BOTTOM: i32 = 56;
const NAMES: i32 = 150;
/// What stands beside the longest bar has to fit.
const FIGURES: i32 = 250;

/// Bars of figures that differ by more than this are drawn to a logarithm, or the short ones could not be seen.
const LINEAR_UP_TO: f64 = 50.0;

pub(super) struct Bars {
    pub(super) title: String,
    pub(super) better: String,
    pub(super) label: String,
    pub(super) rows: Vec<Bar>,
}

pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) figure: String,
}

impl Bars {
    pub(super) fn draw(&self) -> anyhow::Result<String> {
        let rows = i32::try_from(self.rows.len()).context("few bars")?;
        let height = TOP + rows * ROW + BOTTOM;
        let mut svg = String::new();
        let size = (WIDTH, u32::try_from(height).context("a height")?);
        self.draw_on(SVGBackend::with_string(&mut svg, size), TOP + rows * ROW)
            .map_err(|error| anyhow::anyhow!("cannot draw {}: {error}", self.title))?;
        Ok(svg)
    }

    fn draw_on<DB: DrawingBackend>(
        &self,
        backend: DB,
        floor: i32,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
    where
        DB::ErrorType: 'static,
    {
        let area = backend.into_drawing_area();
        area.fill(&WHITE)?;
        area.draw(&Text::new(self.title.clone(), (24, 28), text(20, INK, LEFT)))?;
        area.draw(&Text::new(self.better.clone(), (24, 54), text(14, QUIET, LEFT)))?;
        let axis = self.axis();
        let pixels = f64::from(WIDTH.cast_signed() - NAMES - FIGURES);
        #[expect(clippy::cast_possible_truncation, reason = "within the picture")]
        let across = |position: f64| {
            NAMES + (pixels * (position - axis.from) / (axis.to - axis.from)).round() as i32
        };
        for (position, label) in &axis.marks {
            let x = across(*position);
            area.draw(&PathElement::new([(x, TOP - 4), (x, floor)], FAINT.stroke_width(1)))?;
            area.draw(&Text::new(label.clone(), (x, floor + 14), text(13, QUIET, MIDDLE)))?;
        }
        let middle = NAMES + (WIDTH.cast_signed() - NAMES - FIGURES) / 2;
        area.draw(&Text::new(axis.label.clone(), (middle, floor + 38), text(14, INK, MIDDLE)))?;
        for (row, (number, bar)) in (0_i32..).zip(self.rows.iter().enumerate()) {
            let y = TOP + row * ROW + ROW / 2;
            let end = across(if self.is_logarithmic() { bar.value.log10() } else { bar.value });
            let style = look_of(&bar.name, number).colour.filled();
            area.draw(&Text::new(bar.name.clone(), (NAMES - 12, y), text(15, INK, RIGHT)))?;
            area.draw(&Rectangle::new([(NAMES, y - BAR / 2), (end, y + BAR / 2)], style))?;
            area.draw(&Text::new(bar.figure.clone(), (end + 10, y), text(14, INK, LEFT)))?;
        }
        area.draw(&PathElement::new([(NAMES, TOP - 4), (NAMES, floor)], INK.stroke_width(1)))?;
        area.present()?;
        Ok(())
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.rows.iter().map(|bar| bar.value)
    }

    fn largest(&self) -> f64 {
        self.values().fold(0.0, f64::max)
    }

    fn smallest(&self) -> f64 {
        self.values().fold(f64::INFINITY, f64::min)
    }

    fn is_logarithmic(&self) -> bool {
        self.largest() > self.smallest() * LINEAR_UP_TO
    }

    fn axis(&self) -> Axis {
        if self.is_logarithmic() {
            let label = format!("{}, logarithmic", self.label);
            // A bar has to have a length, also the shortest.
            Axis::logarithmic(&label, self.smallest() / 2.0, self.largest())
        } else {
            Axis::linear(&self.label, self.largest())
        }
    }
}
