//! The picture: reads per tenth of a second by outcome and chain, with what happened when.

use std::fmt::Write;

use super::escape::Escaped;
use super::{Bucket, Report};

const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 28.0;

/// An inline SVG. Colours are the page's.
pub(super) fn picture(report: &Report) -> String {
    let buckets = &report.buckets;
    let total = |bucket: &Bucket| bucket.a + bucket.b + bucket.stale + bucket.errors;
    let most = f64::from(buckets.iter().map(total).max().unwrap_or(0).max(1));
    let lasted_us = (buckets.len().max(1) as u64 * report.bucket_us) as f64;
    let (plot_width, plot_height) = (WIDTH - LEFT - 4.0, HEIGHT - TOP - BOTTOM);
    let x = |us: u64| LEFT + plot_width * (us as f64 / lasted_us).min(1.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Reads per {} ms by outcome and chain\">",
        report.bucket_us / 1_000
    );
    for strike in &report.strikes {
        let (from, to) = (x(strike.from_us), x(strike.to_us.unwrap_or(report.marks.ended_us)));
        // Writing to a string does not fail.
        let _ = write!(
            svg,
            "<rect class=\"fault\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{plot_height}\"/>",
            (to - from).max(1.0)
        );
    }
    for part in 0..=2 {
        let share = f64::from(part) / 2.0;
        let y = TOP + plot_height * (1.0 - share);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.0}</text>",
            LEFT - 6.0,
            y + 4.0,
            most * share
        );
    }
    bars(&mut svg, report, most, plot_height, x);
    seconds(&mut svg, lasted_us, x);
    marks(&mut svg, report, x);
    svg.push_str("</svg>");
    svg
}

fn bars(svg: &mut String, report: &Report, most: f64, plot_height: f64, x: impl Fn(u64) -> f64) {
    for (index, bucket) in report.buckets.iter().enumerate() {
        let from_us = index as u64 * report.bucket_us;
        let (left, right) = (x(from_us), x(from_us + report.bucket_us));
        let mut y = TOP + plot_height;
        let parts = [("a", bucket.a), ("b", bucket.b), ("stale", bucket.stale), ("errors", bucket.errors)];
        for (class, count) in parts.into_iter().filter(|(_, count)| *count > 0) {
            let height = plot_height * f64::from(count) / most;
            y -= height;
            let width = (right - left).max(0.5);
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{left:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\"/>"
            );
        }
    }
}

fn seconds(svg: &mut String, lasted_us: f64, x: impl Fn(u64) -> f64) {
    let lasted_s = lasted_us / 1e6;
    let step = [1_u64, 2, 5, 10, 20, 30, 60, 120, 300, 600]
        .into_iter()
        .find(|step| lasted_s / *step as f64 <= 12.0)
        .unwrap_or(3_600);
    for second in (0..=lasted_s as u64).step_by(step as usize) {
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{second} s</text>",
            x(second * 1_000_000),
            HEIGHT - 8.0
        );
    }
}

fn marks(svg: &mut String, report: &Report, x: impl Fn(u64) -> f64) {
    let mut marks: Vec<(u64, String, &str)> = Vec::new();
    for strike in &report.strikes {
        marks.push((strike.from_us, strike.fault.to_string(), "begins"));
        marks.extend(strike.to_us.map(|to_us| (to_us, "healed".to_owned(), "ends")));
    }
    for decision in &report.decisions {
        marks.push((decision.at_us, format!("epoch {}: {}", decision.epoch, decision.active), "decision"));
    }
    marks.sort_by_key(|(at_us, ..)| *at_us);
    // Both chains struck in one moment are one mark.
    marks.dedup_by(|one, other| one.1 == other.1 && x(one.0) - x(other.0) < 4.0);
    for (index, (at_us, text, class)) in marks.iter().enumerate() {
        let at = x(*at_us);
        // Neighbours on two lines, so that they can be read; at the right border, to the left.
        let y = if index % 2 == 0 { 16.0 } else { 34.0 };
        let (anchor, text_at) = if at > WIDTH * 0.8 { ("end", at - 4.0) } else { ("start", at + 4.0) };
        let _ = write!(
            svg,
            "<line class=\"mark {class}\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <text class=\"note\" x=\"{text_at:.1}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>",
            y - 10.0,
            HEIGHT - BOTTOM,
            Escaped(text)
        );
    }
}
