//! What the log is filled with: the made-up events of `tandem bench events`, with their times
//! changed so that they come as live traffic would.
//!
//! - [`recorded`]: a file, pressed together until its events come at the live rate, and moved so
//!   that it ends a while ago. Spread over its three hours, a short file would hardly fill a bucket,
//!   and beats would be most of what there is.
//! - [`Live`]: rooms that go on for as long as is asked, each event as old as it is told to be.

use bytes::Bytes;
use tandem_ingest::replay::{Item, Replay};
use tandem_model::Record;
use tandem_model::time::{MINUTE_MS, SECOND_MS};

use crate::commands::bench::events;

/// Lines of one body: about a megabyte, which is what senders are told to send.
const BODY_LINES: usize = 4_000;
/// The last beat of a recorded file stands eleven minutes after its last event; live traffic comes
/// after that.
const BEFORE_NOW_MS: u64 = 12 * MINUTE_MS;
/// Live rooms.
const ROOMS: u32 = 20;
/// Lines that live traffic is made of; after these it begins again, with other ids.
const LIVE_LINES_MAX: u32 = 60_000;

const TS: &str = "\"ts\":";
const SESSION: &str = "\"session_id\":\"";
const EVENT: &str = "\"event_id\":\"";

/// Bodies with `events` events of `sessions` sessions and the beats between them, which come at
/// `rate` a second and end before `now_ms`.
pub(super) fn recorded(sessions: u32, events: u32, rate: u64, now_ms: u64) -> Vec<Bytes> {
    let lines = events::lines(sessions, events, 1);
    let times = || lines.iter().filter_map(|line| ts(line));
    let (first, last) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let (span, wanted) = ((last - first).max(1), u64::from(events) * SECOND_MS / rate.max(1));
    let end = now_ms - BEFORE_NOW_MS;

    let (mut bodies, mut body, mut count) = (Vec::new(), Vec::new(), 0);
    let mut emit = |item: Item<'_>| {
        match item {
            Item::Line(line) => body.extend_from_slice(line),
            Item::Beat(second) => body.extend_from_slice(&Record::beat(second).value),
        }
        body.push(b'\n');
        count += 1;
        if count == BODY_LINES {
            count = 0;
            bodies.push(Bytes::from(std::mem::take(&mut body)));
        }
    };
    let mut replay = Replay::new();
    for line in &lines {
        let moved = |ts: u64| end - (last - ts) * wanted / span;
        replay.push(with_ts(line, ts(line).map_or(end, moved)).as_bytes(), &mut emit);
    }
    replay.finish(&mut emit);
    bodies.extend((!body.is_empty()).then(|| body.into()));
    bodies
}

/// Live traffic without an end.
pub(super) struct Live {
    lines: Vec<String>,
    next: usize,
    round: u64,
}

impl Live {
    /// Traffic that repeats itself, but for its ids, after 20 s at `rate` events a second.
    pub(super) fn new(rate: u64) -> Self {
        let count = u32::try_from(rate * 20).unwrap_or(u32::MAX).clamp(1_000, LIVE_LINES_MAX);
        let mut lines = events::lines(ROOMS, count, 7);
        // These rooms stay open.
        lines.retain(|line| !line.contains("\"session_end\""));
        for line in &mut lines {
            *line = line.replacen(SESSION, &format!("{SESSION}live-"), 1);
        }
        Self { lines, next: 0, round: 0 }
    }

    /// The next `count` events, which happened at `ts`.
    pub(super) fn take(&mut self, count: u64, ts: u64, body: &mut Vec<u8>) {
        for _ in 0..count {
            let line = with_ts(&self.lines[self.next], ts);
            body.extend_from_slice(line.replacen(EVENT, &format!("{EVENT}{}-", self.round), 1).as_bytes());
            self.next = (self.next + 1) % self.lines.len();
            self.round += u64::from(self.next == 0);
        }
    }

    /// What comes in `seconds` at `rate` a second, with a beat at each, from second `from` on.
    pub(super) fn seconds(&mut self, from: u64, seconds: u64, rate: u64) -> Vec<Bytes> {
        let (mut bodies, mut body, mut count) = (Vec::new(), Vec::new(), 0);
        for second in from..from + seconds {
            body.extend_from_slice(&Record::beat(second).value);
            body.push(b'\n');
            self.take(rate, second * SECOND_MS, &mut body);
            count += rate as usize;
            if count >= BODY_LINES {
                count = 0;
                bodies.push(Bytes::from(std::mem::take(&mut body)));
            }
        }
        bodies.extend((!body.is_empty()).then(|| body.into()));
        bodies
    }
}

/// The digits behind `"ts":`, which our lines have once.
fn ts_at(line: &str) -> Option<std::ops::Range<usize>> {
    let start = line.find(TS)? + TS.len();
    let length = line[start..].bytes().take_while(u8::is_ascii_digit).count();
    Some(start..start + length)
}

fn ts(line: &str) -> Option<u64> {
    line[ts_at(line)?].parse().ok()
}

fn with_ts(line: &str, ts: u64) -> String {
    let Some(at) = ts_at(line) else { return line.to_owned() };
    format!("{}{ts}{}", &line[..at.start], &line[at.end..])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tandem_model::decode::decode;
    use tandem_model::event::Line;

    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn decoded(bodies: &[Bytes]) -> (Vec<(String, u64)>, Vec<u64>) {
        let (mut events, mut beats) = (Vec::new(), Vec::new());
        for line in bodies.iter().flat_map(|body| body.split(|byte| *byte == b'\n')) {
            match decode(line) {
                Ok(Line::Event(event)) => {
                    events.push((format!("{} {}", event.session_id, event.event_id), event.ts));
                }
                Ok(Line::Beat { ts }) => beats.push(ts),
                Ok(line @ (Line::Verdict(_) | Line::Definition(_))) => panic!("{line:?}"),
                Err(_) => assert!(line.is_empty(), "{}", String::from_utf8_lossy(line)),
            }
        }
        (events, beats)
    }

    #[test]
    fn a_file_comes_at_the_rate_and_ends_in_the_past() {
        let (events, beats) = decoded(&recorded(5, 10_000, 500, NOW_MS));
        assert_eq!(events.len(), 10_000);
        assert!(beats.is_sorted());
        assert!(*beats.last().unwrap() < NOW_MS);
        // 20 s of events, and the last beat.
        assert!((15..=25).contains(&beats.len()), "{}", beats.len());
        assert!(events.iter().all(|(_, ts)| *ts <= NOW_MS - BEFORE_NOW_MS));
    }

    #[test]
    fn live_traffic_goes_on_and_repeats_no_id() {
        let mut live = Live::new(100);
        let bodies = live.seconds(1_800_000_000, 30, 100);
        let (events, beats) = decoded(&bodies);
        assert_eq!((events.len(), beats.len()), (3_000, 30));
        let ids: HashSet<_> = events.iter().map(|(id, _)| id).collect();
        // The made-up events have repetitions of their own, some 1.5 %.
        assert!(ids.len() > 2_800, "{}", ids.len());
        assert_eq!(events.last().unwrap().1, 1_800_000_029_000);
    }
}
