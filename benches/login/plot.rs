//! Line charts as SVG: named places below, a logarithmic scale at the left.

use std::fmt::Write;

const WIDTH: f64 = 790.0;
const HEIGHT: f64 = 400.0;
/// Around the drawn area: room for the scale, the names of places, the title and the legend.
const LEFT: f64 = 90.0;
const RIGHT: f64 = 220.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 40.0;
/// Told apart by the colour-blind too (Okabe and Ito).
const COLOURS: [&str; 5] = ["#000000", "#d55e00", "#0072b2", "#009e73", "#cc79a7"];

/// A chart.
pub struct Chart {
    pub title: &'static str,
    /// The places, from left to right.
    pub labels: Vec<String>,
    pub unit: &'static str,
    pub lines: Vec<Line>,
}

/// One line: places, counted from 0, and values above 0.
pub struct Line {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
}

impl Chart {
    /// The text of an SVG file.
    pub fn svg(&self) -> String {
        let (low, high) = self.powers();
        let x =
            |place: f64| LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / (self.labels.len().max(1) as f64);
        let y = |value: f64| {
            let share = (value.log10() - f64::from(low)) / f64::from(high - low);
            HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share
        };
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{}</text>\n\
             <text x=\"{LEFT}\" y=\"40\" fill=\"#555\">{}</text>\n",
            escape(self.title),
            escape(self.unit)
        );
        for power in low..=high {
            let (height, value) = (y(10_f64.powi(power)), scale_name(power));
            // Writing into a `String` does not fail.
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {height:.1}H{}\" stroke=\"#ddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                height + 4.0
            );
        }
        for (place, label) in self.labels.iter().enumerate() {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                x(place as f64),
                HEIGHT - BOTTOM + 20.0,
                escape(label)
            );
        }
        for (number, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let points: Vec<_> = line.drawn().map(|(place, value)| (x(place), y(value))).collect();
            let path: String = points.iter().map(|(x, y)| format!("{x:.1},{y:.1} ")).collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
            );
            for (x, y) in points {
                let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
            }
            let (left, top) = (WIDTH - RIGHT + 14.0, TOP + 20.0 * number as f64);
            let _ = writeln!(
                svg,
                "<path d=\"M{left} {top}h18\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"{}\" y=\"{}\">{}</text>",
                left + 24.0,
                top + 4.0,
                escape(line.name)
            );
        }
        svg + "</svg>\n"
    }

    /// The powers of ten around all values.
    fn powers(&self) -> (i32, i32) {
        let logarithms = || self.lines.iter().flat_map(Line::drawn).map(|(_, value)| value.log10());
        let low = logarithms().fold(f64::INFINITY, f64::min).floor();
        let high = logarithms().fold(f64::NEG_INFINITY, f64::max).ceil();
        if low.is_finite() { (low as i32, (high as i32).max(low as i32 + 1)) } else { (0, 1) }
    }
}

impl Line {
    /// A logarithmic scale has no place for the others.
    fn drawn(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.points.iter().copied().filter(|(_, value)| value.is_finite() && *value > 0.0)
    }
}

fn scale_name(power: i32) -> String {
    match power {
        6.. => format!("{} M", 10_i64.pow(power as u32 - 6)),
        3..6 => format!("{} k", 10_i64.pow(power as u32 - 3)),
        0..3 => format!("{}", 10_i64.pow(power as u32)),
        _ => format!("{}", 10_f64.powi(power)),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
