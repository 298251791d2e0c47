//! How long did anybody wait, how many requests failed, how slow were the others?

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tandem_model::route::Chain;

use crate::history::{Entry, History, Outcome};

/// A part of a run, in microseconds since it began: `from <= time < to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Where it begins.
    pub from_us: u64,
    /// Where it ends.
    pub to_us: u64,
}

impl Window {
    /// Whether a moment lies in it.
    pub const fn has(&self, us: u64) -> bool {
        self.from_us <= us && us < self.to_us
    }
}

/// The longest time a client was without a fresh answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Whose it was.
    pub client: u32,
    /// When it began, in microseconds since the run began.
    pub from_us: u64,
    /// How long it was, in microseconds.
    pub lasted_us: u64,
}

/// The longest gap of any reader between two fresh answers within `window`; its two ends count as
/// answers. Who writes besides is no reader: their reads wait for their writes. `None` without
/// readers.
pub fn longest_gap(history: &History, window: Window) -> Option<Gap> {
    let mut last: BTreeMap<u32, u64> = BTreeMap::new();
    let mut longest: Option<Gap> = None;
    let mut note = |client: u32, from_us: u64, to_us: u64| {
        let gap = Gap { client, from_us, lasted_us: to_us.saturating_sub(from_us) };
        if longest.is_none_or(|longest| gap.lasted_us > longest.lasted_us) {
            longest = Some(gap);
        }
    };
    let writers: BTreeSet<u32> =
        history.entries.iter().filter(|entry| !entry.is_read()).map(|entry| entry.client).collect();
    for entry in history.entries.iter().filter(|entry| !writers.contains(&entry.client)) {
        // Who has no answer at all counts, too.
        let before = last.entry(entry.client).or_insert(window.from_us);
        if entry.outcome == Outcome::Good && window.has(entry.answered_us) {
            note(entry.client, *before, entry.answered_us);
            *before = entry.answered_us;
        }
    }
    for (client, before) in last {
        note(client, before, window.to_us);
    }
    longest
}

/// Requests by what came of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Reports asked for.
    pub reads: u64,
    /// Fresh reports.
    pub good: u64,
    /// Of these from chains a and b.
    pub by_chain: [u64; 2],
    /// Reports that were older than the token, and said so.
    pub stale: u64,
    /// Sessions nobody had read yet.
    pub unknown: u64,
    /// 503.
    pub unavailable: u64,
    /// Other refusals.
    pub failed: u64,
    /// No answer.
    pub no_answer: u64,
    /// Bodies of events sent, repeats included.
    pub writes: u64,
    /// Bodies that had to be sent again.
    pub writes_failed: u64,
}

impl Totals {
    /// Reads that brought less than the client may expect.
    pub const fn errors(&self) -> u64 {
        self.unavailable + self.failed + self.no_answer
    }

    /// Errors per million reads; 0 without reads.
    pub const fn errors_ppm(&self) -> u64 {
        match (self.errors() * 1_000_000).checked_div(self.reads) {
            Some(ppm) => ppm,
            None => 0,
        }
    }
}

/// The requests that came to their end within `window`: one that was under way when a fault began
/// is the fault's, whatever became of it.
pub fn totals(history: &History, window: Window) -> Totals {
    let mut totals = Totals::default();
    for entry in history.entries.iter().filter(|entry| window.has(entry.answered_us)) {
        if !entry.is_read() {
            totals.writes += 1;
            totals.writes_failed += u64::from(entry.outcome != Outcome::Good);
            continue;
        }
        totals.reads += 1;
        match entry.outcome {
            Outcome::Good => {
                totals.good += 1;
                if let Some(chain) = entry.chain {
                    totals.by_chain[usize::from(chain == Chain::B)] += 1;
                }
            }
            Outcome::Stale => totals.stale += 1,
            Outcome::Unknown => totals.unknown += 1,
            Outcome::Unavailable => totals.unavailable += 1,
            Outcome::Failed => totals.failed += 1,
            Outcome::NoAnswer => totals.no_answer += 1,
        }
    }
    totals
}

/// How long answered reads took, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// How many there were.
    pub samples: u64,
    /// Half took no longer.
    pub p50_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// How long the reads sent within `window` took, whatever came of them. `None` without any.
pub fn latency(history: &History, window: Window) -> Option<Latency> {
    let is_asked = |entry: &&Entry| entry.is_read() && window.has(entry.sent_us);
    let mut times: Vec<u64> = history.entries.iter().filter(is_asked).map(Entry::took_us).collect();
    times.sort_unstable();
    let max_us = *times.last()?;
    // The smallest time that so many in a hundred did not exceed.
    let at = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
    Some(Latency { samples: times.len() as u64, p50_us: at(50), p99_us: at(99), max_us })
}
