//! Logs that go to the edges of the rules: made up from a seed, for property tests.
//!
//! Everything that matters comes from small pools (sessions, users, items, ids), so that things
//! meet: duplicates, re-entering viewers, refunds of ended sessions. Times sit on the edges the
//! rules have: the lateness bound, bucket borders, 90 s between two signs of life, the moments a
//! session becomes final and over. [`Run`] says how a run is shaped; each seed has another shape,
//! so that some runs are mostly dull and a rare thing can be seen there by itself.
//!
//! | lines | how |
//! |---|---|
//! | events | `event.rs`: every type, from the table of fields in `fields.rs` |
//! | malformed lines | `malformed.rs`: every [`tandem_model::malformed::Problem`] a line can have |
//! | beats | here: mostly with time, some not rising, some after a gap of up to 31 days |
//! | floods | `flood.rs`: more keys than fit, more users than are counted exactly, sums that saturate |
//! | the log of it all | `log.rs` |

mod event;
mod fields;
mod flood;
mod json;
mod log;
mod malformed;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tandem_model::time::{DAY_MS, FOLLOW_UP_MS, INT_MAX, LATENESS_MS, MINUTE_MS, SECOND_MS, SILENCE_MS};

pub use flood::Flood;
pub use log::log;

/// The shape of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// What the lines are drawn from.
    pub seed: u64,
    /// How many lines it has, a flood not counted.
    pub lines: usize,
    /// How many sessions there are.
    pub sessions: u32,
    /// How many viewers there are.
    pub users: u32,
    /// Where time starts.
    pub start_ms: u64,
    /// How far time moves from line to line, on average.
    pub step_ms: u64,
    /// How many lines come before the first beat may.
    pub lines_before_beats: usize,
    /// How likely a line is a beat.
    pub beats: f64,
    /// How likely a beat comes after a gap, or at an edge.
    pub gaps: f64,
    /// How likely an event's `ts` is a stray or on an edge.
    pub strays: f64,
    /// How likely a line is one of the earlier ones again.
    pub repeats: f64,
    /// How likely an event has an id that was used before.
    pub used_ids: f64,
    /// How likely a line is malformed.
    pub malformed: f64,
    /// How likely an event carries an attribute that is optional.
    pub carried: f64,
    /// How likely an event is a `session_end`.
    pub ends: f64,
    /// How likely a line is written in an unusual way: escapes, unknown and ignored fields.
    pub odd: f64,
    /// A lot of one thing, near the beginning.
    pub flood: Option<Flood>,
}

/// The lines of the run of `seed`, beats included. No line is blank or holds a line end.
pub fn generate(seed: u64) -> Vec<Bytes> {
    Run::of(seed).lines()
}

impl Run {
    /// The shape that belongs to `seed`. About one seed in 30 has a flood.
    pub fn of(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let lines = rng.random_range(50..=600);
        Self {
            seed,
            lines,
            sessions: pick(&mut rng, &[1, 1, 2, 3, 6]),
            users: pick(&mut rng, &[1, 2, 5, 12, 40]),
            start_ms: start_ms(&mut rng),
            step_ms: pick(&mut rng, &[0, 50, 700, 2_000, 8_000, 30_000]),
            lines_before_beats: pick(&mut rng, &[0, 0, 5, 30, lines / 2, lines]),
            beats: pick(&mut rng, &[0.03, 0.1, 0.3]),
            gaps: pick(&mut rng, &[0.0, 0.03, 0.1, 0.3]),
            strays: pick(&mut rng, &[0.0, 0.05, 0.2, 0.5]),
            repeats: pick(&mut rng, &[0.0, 0.05, 0.2]),
            used_ids: pick(&mut rng, &[0.0, 0.05, 0.3]),
            malformed: pick(&mut rng, &[0.0, 0.05, 0.2]),
            carried: pick(&mut rng, &[0.1, 0.4, 0.8]),
            ends: pick(&mut rng, &[0.0, 0.005, 0.02, 0.05]),
            odd: pick(&mut rng, &[0.0, 0.1, 0.4]),
            flood: Flood::of(seed),
        }
    }

    /// The lines of this run.
    pub fn lines(&self) -> Vec<Bytes> {
        let mut maker = Maker::new(self);
        // early, before the session can have ended
        let flood_at = maker.rng.random_range(0..20);
        for index in 0..self.lines {
            if let Some(flood) = self.flood
                && index == flood_at
            {
                maker.flood(flood);
            }
            let line = maker.line(index);
            maker.lines.push(line);
        }
        maker.lines
    }
}

/// Mostly these years; sometimes so early that bounds reach below 0, or so late that they reach
/// over the highest integer.
fn start_ms(rng: &mut SmallRng) -> u64 {
    match rng.random_range(0..12) {
        0 => 0,
        1 => INT_MAX - rng.random_range(0..2 * DAY_MS),
        2 => rng.random_range(0..20 * MINUTE_MS),
        _ => 1_760_000_000_000 + rng.random_range(0..100 * DAY_MS),
    }
}

fn pick<T: Copy>(rng: &mut SmallRng, choices: &[T]) -> T {
    *choices.choose(rng).expect("choices are written out")
}

/// A run in the making.
struct Maker<'a> {
    run: &'a Run,
    rng: SmallRng,
    lines: Vec<Bytes>,
    /// Where time is.
    now_ms: u64,
    /// The highest beat so far.
    clock: u64,
    /// `ts` of the event before.
    last_ts: u64,
    /// How many ids were used.
    ids: u64,
    sessions: Vec<Past>,
    /// Beats around an edge that are still to come, last first.
    planned: Vec<u64>,
}

/// What was sent of a session so far: enough to guess when it ends.
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    /// `ts` of the last end.
    end: Option<u64>,
    /// The highest `ts` that is no stray.
    highest: Option<u64>,
    /// The first beat at which it was probably final.
    final_since: Option<u64>,
}

impl Past {
    fn final_from(self) -> Option<u64> {
        let after_end = self.end.map(|end| end + LATENESS_MS);
        after_end.or_else(|| self.highest.map(|highest| highest + SILENCE_MS))
    }

    /// The next moment at which something becomes of it.
    fn next_edge(self) -> Option<u64> {
        self.final_since.map(|since| since + FOLLOW_UP_MS).or_else(|| self.final_from())
    }
}

impl<'a> Maker<'a> {
    fn new(run: &'a Run) -> Self {
        Self {
            run,
            // another stream than the one the shape was drawn from
            rng: SmallRng::seed_from_u64(run.seed ^ 0x6c69_6e65_7321),
            lines: Vec::new(),
            now_ms: run.start_ms,
            clock: 0,
            last_ts: run.start_ms,
            ids: 0,
            sessions: vec![Past::default(); run.sessions.max(1) as usize],
            planned: Vec::new(),
        }
    }

    fn line(&mut self, index: usize) -> Bytes {
        if let Some(ts) = self.planned.pop_if(|_| self.rng.random()) {
            return self.beat(ts);
        }
        // time waits while an edge is near, so that something happens on both sides of it
        if self.planned.is_empty() {
            self.now_ms = (self.now_ms + self.rng.random_range(0..=2 * self.run.step_ms)).min(INT_MAX);
        }
        if index >= self.run.lines_before_beats && self.chance(self.run.beats) {
            let ts = self.next_beat();
            self.beat(ts)
        } else if self.chance(self.run.malformed) {
            self.malformed()
        } else if self.chance(self.run.repeats) && !self.lines.is_empty() {
            self.repeated()
        } else {
            self.event()
        }
    }

    /// A line that was sent before: lately, so that its id is still known, or at any time.
    fn repeated(&mut self) -> Bytes {
        let count = self.lines.len();
        let first = if self.rng.random() { count.saturating_sub(20) } else { 0 };
        self.lines[self.rng.random_range(first..count)].clone()
    }

    fn next_beat(&mut self) -> u64 {
        match self.rng.random_range(0..20) {
            0 => self.clock,
            1 => self.clock.saturating_sub(self.rng.random_range(0..10 * MINUTE_MS)),
            _ if self.chance(self.run.gaps) => self.edge_of_time(),
            _ => self.now_ms,
        }
    }

    /// A moment at which something ends; here a second before it, then at it and after it.
    fn edge_of_time(&mut self) -> u64 {
        let session = pick(&mut self.rng, &self.sessions);
        let edge = match self.rng.random_range(0..8) {
            0 => self.clock + 31 * DAY_MS,
            1 => self.clock + self.rng.random_range(1..6) * 60 * MINUTE_MS,
            2 => self.clock + LATENESS_MS,
            3 => self.clock + self.rng.random_range(1..600) * SECOND_MS,
            _ => session.next_edge().unwrap_or(self.now_ms),
        };
        let edge = edge.max(SECOND_MS).next_multiple_of(SECOND_MS);
        self.planned = vec![edge + SECOND_MS, edge];
        edge - SECOND_MS
    }

    fn beat(&mut self, ts: u64) -> Bytes {
        let second = ts.min(INT_MAX) / SECOND_MS;
        self.clock = self.clock.max(second * SECOND_MS);
        self.now_ms = self.now_ms.max(self.clock);
        for session in &mut self.sessions {
            if session.final_since.is_none() && session.final_from().is_some_and(|from| from <= self.clock) {
                session.final_since = Some(self.clock);
            }
        }
        json::object(&[
            ("type", "\"beat\"".into()),
            ("beat", second.to_string()),
            ("ts", (second * SECOND_MS).to_string()),
        ])
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability.clamp(0.0, 1.0))
    }
}
