//! Series of buckets with no gaps: what the rows do not hold is zero.

use std::ops::Range;

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use tandem_model::catalogue::{Metric, STORED};
use tandem_model::problem::Problem;
use tandem_model::time::Window;
use tandem_model::{Row, Stored, Values};
use utoipa::ToSchema;

use crate::figures::Figures;

/// The most points an answer holds, over all its series. Nearly all trends are far below it; a
/// single stray timestamp before the first beat could ask for a hundred million.
pub(crate) const POINTS_MAX: u64 = 200_000;

/// The buckets from that of the first to that of the last accepted event of a session, by its
/// own rows of one window: their starts, from the first to one step behind the last. A gauge
/// alone is no event: beats sample the online viewers after the last one, too.
pub(crate) fn span(room: &[Row], window: Window) -> Range<u64> {
    let mut buckets =
        room.iter().filter(|row| row.values[Stored::Events as usize] > 0).map(|row| row.key.bucket);
    match buckets.next() {
        Some(first) => first..buckets.next_back().unwrap_or(first) + window.length_ms(),
        None => 0..0,
    }
}

/// The part of a span whose buckets overlap `from..to`.
pub(crate) fn clip(span: Range<u64>, window: Window, from: Option<u64>, to: Option<u64>) -> Range<u64> {
    let start = from.map_or(span.start, |from| span.start.max(window.bucket(from)));
    // A bucket overlaps when it begins before `to`.
    let end = to.map_or(span.end, |to| span.end.min(to.next_multiple_of(window.length_ms())));
    start..end.max(start)
}

/// How many buckets a span has.
pub(crate) const fn count(span: &Range<u64>, window: Window) -> u64 {
    (span.end - span.start) / window.length_ms()
}

/// Refuses an answer of too many points.
pub(crate) fn check_points(points: u64, advice: &str) -> Result<(), Problem> {
    if points <= POINTS_MAX {
        return Ok(());
    }
    let sentence =
        format!("that would be {points} points, more than the {POINTS_MAX} an answer may hold: {advice}");
    Err(Problem::bad_parameter(sentence).with("points", points).with("points_max", POINTS_MAX))
}

/// One series: a key and its points.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Series<'a> {
    /// The key of the breakdown, `room`, or in comparisons the session's id.
    pub(crate) key: &'a str,
    #[schema(schema_with = crate::schemas::points)]
    pub(crate) points: Points<'a>,
}

/// The points of one series, zeros included.
#[derive(Debug)]
pub(crate) struct Points<'a> {
    /// The series' rows within the span, in the order of their buckets.
    pub(crate) rows: &'a [Row],
    /// Which metrics.
    pub(crate) metrics: &'a [Metric],
    /// The step.
    pub(crate) window: Window,
    /// The starts of the buckets.
    pub(crate) span: Range<u64>,
    /// The bucket that minutes are counted from, if they are.
    pub(crate) origin: Option<u64>,
}

impl Serialize for Points<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        static NOTHING: Values = [0; STORED];
        let mut rows = self.rows.iter().skip_while(|row| row.key.bucket < self.span.start).peekable();
        let mut seq = serializer.serialize_seq(Some(count(&self.span, self.window) as usize))?;
        for t in self.span.clone().step_by(self.window.length_ms() as usize) {
            let row = rows.next_if(|row| row.key.bucket == t);
            let values = row.map_or(&NOTHING, |row| &row.values);
            let minute =
                self.origin.map(|origin| (t as i64 - origin as i64) / Window::Minute.length_ms() as i64);
            seq.serialize_element(&Point { t, minute, figures: Figures { metrics: self.metrics, values } })?;
        }
        seq.end()
    }
}

struct Point<'a> {
    t: u64,
    minute: Option<i64>,
    figures: Figures<'a>,
}

impl Serialize for Point<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("t", &self.t)?;
        if let Some(minute) = self.minute {
            map.serialize_entry("minute", &minute)?;
        }
        self.figures.write(&mut map)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_keeps_the_buckets_that_overlap() {
        let minute = Window::Minute;
        let check = |from, to, expected: Range<u64>| {
            assert_eq!(clip(120_000..300_000, minute, from, to), expected, "{from:?} {to:?}");
        };
        check(None, None, 120_000..300_000);
        check(Some(0), Some(1_000_000), 120_000..300_000);
        check(Some(179_999), Some(180_001), 120_000..240_000);
        check(Some(180_000), Some(240_000), 180_000..240_000);
        check(Some(600_000), None, 600_000..600_000);
        check(None, Some(60_000), 120_000..120_000);
    }

    #[test]
    fn an_answer_is_bounded() {
        assert!(check_points(POINTS_MAX, "").is_ok());
        let problem = check_points(POINTS_MAX + 1, "narrow it").unwrap_err();
        assert!(problem.detail.contains("narrow it"), "{}", problem.detail);
    }
}
