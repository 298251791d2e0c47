//! How it grows, drawn: both axes logarithmic.

use std::fmt::Write;

use super::Scale;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 200.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 50.0;

/// A line: its name, its colour, its value in milliseconds.
type Line = (&'static str, &'static str, fn(&Scale) -> Option<f64>);

const LINES: [Line; 8] = [
    ("28 boards of a day", "#1b6ca8", |scale| Some(scale.edition_ms)),
    ("slowest board", "#4aa3df", |scale| Some(scale.slowest_ms)),
    ("change of 1 %", "#7a9e3a", |scale| Some(scale.change_ms)),
    ("top 100, p50", "#c2571a", |scale| Some(scale.top.p50_ms)),
    ("own rank, p50", "#8e3b8e", |scale| Some(scale.own.p50_ms)),
    ("top 100 by gateway, p99", "#e0a030", |scale| Some(scale.served.top.p99_ms)),
    ("own rank by gateway, p99", "#b04a4a", |scale| Some(scale.served.own.p99_ms)),
    ("Redis ZREVRANK, p50", "#888888", |scale| scale.redis.map(|redis| redis.rank.p50_ms)),
];

/// The picture, as SVG.
pub(super) fn draw(scales: &[Scale]) -> String {
    let values = || LINES.iter().flat_map(|(_, _, of)| scales.iter().filter_map(of));
    let decade = |value: f64| value.max(1e-6).log10();
    let (low, high) =
        (values().map(decade).fold(f64::MAX, f64::min), values().map(decade).fold(f64::MIN, f64::max));
    let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
    let sizes = || scales.iter().map(|scale| decade(scale.subjects as f64));
    let (first, last) = (sizes().fold(f64::MAX, f64::min), sizes().fold(f64::MIN, f64::max));
    let x = |subjects: u64| {
        let part = if last > first { (decade(subjects as f64) - first) / (last - first) } else { 0.5 };
        LEFT + part * (WIDTH - LEFT - RIGHT)
    };
    let y = |ms: f64| HEIGHT - BOTTOM - (decade(ms) - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-size=\"14\">Boards: milliseconds by number of subjects</text>\n"
    );
    for power in low as i32..=high as i32 {
        let (ms, place) = (10_f64.powi(power), y(10_f64.powi(power)));
        let end = WIDTH - RIGHT;
        let _ = writeln!(svg, "<path d=\"M{LEFT} {place:.1}H{end}\" stroke=\"#ddd\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{ms}</text>",
            LEFT - 8.0,
            place + 4.0
        );
    }
    for scale in scales {
        let (place, below) = (x(scale.subjects), HEIGHT - BOTTOM + 20.0);
        let _ = writeln!(
            svg,
            "<text x=\"{place:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>",
            scale.subjects
        );
    }
    let mut labels: Vec<f64> = Vec::new();
    for (name, colour, of) in LINES {
        let points: Vec<(f64, f64)> =
            scales.iter().filter_map(|scale| Some((x(scale.subjects), y(of(scale)?)))).collect();
        let Some((right, mut place)) = points.last().copied() else { continue };
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (x, y) in &points {
            let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        // Names that would lie on each other stand below each other.
        while labels.iter().any(|other| (other - place).abs() < 14.0) {
            place += 14.0;
        }
        labels.push(place);
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            right + 10.0,
            place + 4.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}
