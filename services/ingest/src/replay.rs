//! The beats of a recorded file: when, between its lines, time moves on.
//!
//! A file has no metronome, so its own timestamps are the clock. Single timestamps lie (a phone
//! with a wrong date); the median of nine neighbours does not. At line *i* the clock is the larger
//! of its last value and the median of the timestamps of lines *i*-4 to *i*+4, and whenever it has
//! reached a whole second later than the last beat, one beat for that second stands before the
//! line. After the last line one more beat stands eleven minutes on, which is beyond the lateness
//! bound: what can become final does.
//!
//! The median looks four lines ahead, so [`Replay`] holds back four lines and no more: a file of
//! any size streams through it. It is pure: lines in, items out.
//!
//! Numbers that no beat can carry (below 0, or beyond 2^53 − 1) still take part in the median, as
//! the integers they are; where the clock itself is such a number, no beat stands.

use std::collections::VecDeque;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tandem_model::time::{INT_MAX, MINUTE_MS, SECOND_MS};

use crate::lines;

/// How many lines before and after a line belong to its window.
const REACH: usize = 4;
/// How far the last beat stands after the clock's last value, in seconds.
const LAST_BEAT_SECONDS: u64 = 11 * MINUTE_MS / SECOND_MS;

/// What a replay sends, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A line of the file, without its line end.
    Line(&'a [u8]),
    /// A beat for this second since the epoch: [`tandem_model::Record::beat`] has its line.
    Beat(u64),
}

/// Works out the beats of a file. Feed it every line, then [`finish`](Replay::finish).
#[derive(Debug, Default)]
pub struct Replay {
    /// Lines not yet given out, oldest first; at most [`REACH`] between two calls.
    waiting: VecDeque<Vec<u8>>,
    /// Timestamps of the window: up to [`REACH`] lines already given out, then those waiting.
    window: VecDeque<Option<i128>>,
    /// How many of `window` belong to lines already given out.
    before: usize,
    clock: Option<i128>,
    last_beat: Option<u64>,
    beat_lines: u64,
    /// A buffer given back, so that a line costs no allocation.
    spare: Vec<u8>,
}

impl Replay {
    /// A replay at the beginning of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next physical line of the file, with or without its line end, and gives out what
    /// is due. Blank lines and `beat` lines vanish.
    pub fn push(&mut self, line: &[u8], emit: &mut impl FnMut(Item<'_>)) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let Some(line) = lines::content(line) else { return };
        let glance = Glance::at(line);
        if glance.is_beat {
            self.beat_lines += 1;
            return;
        }
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.clear();
        buffer.extend_from_slice(line);
        self.waiting.push_back(buffer);
        self.window.push_back(glance.ts);
        if self.waiting.len() > REACH {
            self.give_out(emit);
        }
    }

    /// Gives out what is left after the last line, and the last beat.
    pub fn finish(mut self, emit: &mut impl FnMut(Item<'_>)) -> Summary {
        while !self.waiting.is_empty() {
            self.give_out(emit);
        }
        let last = self.clock.and_then(second_of).and_then(|second| second.checked_add(LAST_BEAT_SECONDS));
        if let Some(second) = last.filter(|second| is_beat_second(*second)) {
            emit(Item::Beat(second));
            self.last_beat = Some(second);
        }
        Summary { beat_lines: self.beat_lines, last_beat: self.last_beat }
    }

    /// How many `beat` lines of the file were skipped so far.
    pub fn beat_lines(&self) -> u64 {
        self.beat_lines
    }

    /// Gives out the oldest waiting line, and before it its beat if one is due.
    fn give_out(&mut self, emit: &mut impl FnMut(Item<'_>)) {
        let Some(line) = self.waiting.pop_front() else { return };
        if let Some(median) = self.median() {
            self.clock = Some(self.clock.map_or(median, |clock| clock.max(median)));
        }
        if let Some(second) = self.clock.and_then(second_of)
            && self.last_beat.is_none_or(|last| second > last)
        {
            emit(Item::Beat(second));
            self.last_beat = Some(second);
        }
        emit(Item::Line(&line));
        self.spare = line;
        self.before += 1;
        if self.before > REACH {
            self.window.pop_front();
            self.before -= 1;
        }
    }

    /// The median of the timestamps in the window; of two middle values the smaller.
    fn median(&self) -> Option<i128> {
        let mut known = [0; 2 * REACH + 1];
        let mut count = 0;
        for ts in self.window.iter().flatten().take(known.len()) {
            known[count] = *ts;
            count += 1;
        }
        let known = &mut known[..count];
        known.sort_unstable();
        known.get(count.saturating_sub(1) / 2).copied()
    }
}

/// What a replay came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// `beat` lines of the file that were skipped.
    pub beat_lines: u64,
    /// The second of the last beat given out, if any was.
    pub last_beat: Option<u64>,
}

/// The second a clock stands in, where a beat can say so.
fn second_of(clock: i128) -> Option<u64> {
    u64::try_from(clock).ok().map(|clock| clock / SECOND_MS).filter(|second| is_beat_second(*second))
}

fn is_beat_second(second: u64) -> bool {
    second <= INT_MAX / SECOND_MS
}

/// What a replay needs to know of a line, well-formed or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Glance {
    /// Its `ts`, where the line is a JSON object with an integer there.
    ts: Option<i128>,
    is_beat: bool,
}

impl Glance {
    fn at(line: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(line) else { return Self::default() };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        match deserializer.deserialize_any(GlanceVisitor) {
            Ok(glance) if deserializer.end().is_ok() => glance,
            _ => Self::default(),
        }
    }
}

/// Reads a line; like the decoder it takes the last of several fields of one name.
struct GlanceVisitor;

impl<'de> Visitor<'de> for GlanceVisitor {
    type Value = Glance;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Glance, A::Error> {
        let mut glance = Glance::default();
        while let Some(name) = map.next_key_seed(NameSeed)? {
            match name {
                Name::Ts => glance.ts = map.next_value_seed(ScalarSeed)?.integer,
                Name::Type => glance.is_beat = map.next_value_seed(ScalarSeed)?.is_beat,
                Name::Other => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(glance)
    }
}

enum Name {
    Ts,
    Type,
    Other,
}

struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Name;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(match name {
            "ts" => Name::Ts,
            "type" => Name::Type,
            _ => Name::Other,
        })
    }
}

/// What a value is, as far as it matters here.
#[derive(Default)]
struct Scalar {
    integer: Option<i128>,
    is_beat: bool,
}

struct ScalarSeed;

impl<'de> DeserializeSeed<'de> for ScalarSeed {
    type Value = Scalar;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ScalarSeed {
    type Value = Scalar;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar { integer: Some(number.into()), is_beat: false })
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar { integer: Some(number.into()), is_beat: false })
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar { integer: None, is_beat: text == "beat" })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::default())
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Scalar, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::default())
    }
}

#[cfg(test)]
mod tests;
