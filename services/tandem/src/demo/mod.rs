//! Traffic that looks like live commerce: a handful of studios that go on and off air, viewers
//! who come by 13 sources, look, chat and buy, and the small mishaps of real life.
//!
//! It is a simulation by discrete events. [`Demo`] holds the studios; a studio's [`broadcast`]
//! holds a queue of steps in event time (somebody arrives, an item is explained); each step
//! writes lines and queues further steps. What was written goes through [`delivery`], which
//! delays, repeats and misdates a few lines as phones and networks do. No clock and no I/O in
//! here: [`drive`] brings both. Equal seed and equal start give equal lines.
//!
//! Rates follow a published study of a large live platform: per 1,000 room clicks at most about
//! 40 comments, 36 likes and 15 gifts. Orders, prices and stays are plausible, not measured.
//!
//! Bounded: [`broadcast::PRESENT_MAX`] viewers per studio, a queue of a few steps for each of
//! them, and a delivery that holds lines for half a minute at most.

pub mod broadcast;
mod cast;
mod delivery;
pub mod drive;
mod line;
mod shelf;
mod shopping;
mod viewer;
mod words;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use broadcast::Broadcast;
use cast::{STUDIOS, Studio};
use delivery::Delivery;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;

/// When the studios go on air for the first time, after the start: four at once, so that there
/// is something to see, the others soon.
const FIRST_STARTS_MS: [u64; STUDIOS.len()] =
    [0, SECOND_MS, 2 * SECOND_MS, 3 * SECOND_MS, MINUTE_MS, 3 * MINUTE_MS];

/// All studios, and what is under way from them.
pub struct Demo {
    random: SmallRng,
    slots: Vec<Slot>,
    delivery: Delivery,
}

/// A studio, on air or not.
struct Slot {
    studio: &'static Studio,
    broadcast: Option<Broadcast>,
    next_start_ms: u64,
}

impl Demo {
    /// Studios that begin to go on air at `start_ms` (event time, milliseconds).
    pub fn new(seed: u64, start_ms: u64) -> Self {
        let slots = STUDIOS.iter().zip(FIRST_STARTS_MS).map(|(studio, after_ms)| Slot {
            studio,
            broadcast: None,
            next_start_ms: start_ms + after_ms,
        });
        Self { random: SmallRng::seed_from_u64(seed), slots: slots.collect(), delivery: Delivery::default() }
    }

    /// Everything that arrives up to `now_ms`, in the order of arrival: one event per line.
    pub fn advance(&mut self, now_ms: u64) -> Vec<Bytes> {
        for slot in &mut self.slots {
            slot.advance(now_ms, &mut self.random, &mut self.delivery);
        }
        self.delivery.take_until(now_ms)
    }

    /// Takes all studios off air: whatever is still under way, and the ends of the sessions. A
    /// demo that just stopped would leave sessions that stay live for a day.
    pub fn close(&mut self, now_ms: u64) -> Vec<Bytes> {
        let mut lines = self.delivery.take_until(u64::MAX);
        for slot in &mut self.slots {
            lines.extend(slot.broadcast.take().map(|mut broadcast| broadcast.end(now_ms)));
        }
        lines
    }
}

impl Slot {
    fn advance(&mut self, now_ms: u64, random: &mut SmallRng, delivery: &mut Delivery) {
        // A broadcast and a pause take minutes, so this ends after as many rounds as fit in.
        loop {
            match &mut self.broadcast {
                None if self.next_start_ms > now_ms => return,
                None => {
                    self.broadcast = Some(Broadcast::new(self.studio, self.next_start_ms, random.random()))
                }
                Some(broadcast) => match broadcast.advance(now_ms, delivery) {
                    None => return,
                    Some(ended_ms) => {
                        self.broadcast = None;
                        self.next_start_ms = ended_ms + random.random_range(40 * SECOND_MS..2 * MINUTE_MS);
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use tandem_model::catalogue::SOURCES;
    use tandem_model::decode::decode;
    use tandem_model::event::{EventType, Kind, Line};

    use super::*;

    const START_MS: u64 = 1_732_190_400_000;

    fn lines(seed: u64, minutes: u64) -> Vec<Bytes> {
        let mut demo = Demo::new(seed, START_MS);
        let mut lines = Vec::new();
        for tick in 1..=minutes * 240 {
            lines.extend(demo.advance(START_MS + tick * 250));
        }
        lines.extend(demo.close(START_MS + minutes * MINUTE_MS));
        lines
    }

    #[test]
    fn it_is_well_formed_varied_and_calibrated() {
        let minutes = 45;
        let lines = lines(1, minutes);
        let mut types = BTreeMap::new();
        let (mut likes, mut suspects, mut sources) = (0, 0, BTreeSet::new());
        let (mut started, mut ended) = (BTreeSet::new(), BTreeSet::new());
        for line in &lines {
            let event = match decode(line) {
                Ok(Line::Event(event)) => event,
                other => panic!("{other:?}: {}", String::from_utf8_lossy(line)),
            };
            *types.entry(event.kind.event_type()).or_insert(0_u64) += 1;
            match &event.kind {
                Kind::SessionStart(_) => _ = started.insert(event.session_id.to_string()),
                Kind::SessionEnd => _ = ended.insert(event.session_id.to_string()),
                Kind::Like { count } => likes += count,
                _ => {}
            }
            if let Some(viewer) = &event.viewer {
                suspects += u64::from(viewer.suspect);
                sources.extend(viewer.source.as_ref().map(|source| source.to_string()));
            }
        }
        for event_type in EventType::ALL.iter().filter(|event_type| **event_type != EventType::Beat) {
            assert!(types.contains_key(event_type), "no {}", event_type.name());
        }
        assert!(SOURCES[..13].iter().all(|source| sources.contains(*source)), "{sources:?}");
        assert!(started.len() > STUDIOS.len(), "new sessions begin: {started:?}");
        assert_eq!(started, ended, "all sessions are ended at the close");
        assert!(suspects > 0);

        let per_second = lines.len() as u64 / (minutes * 60);
        assert!((150..=450).contains(&per_second), "{per_second} events/s: {types:?}");
        let per_mille = |count: u64| count * 1_000 / types[&EventType::Enter];
        assert!((20..=42).contains(&per_mille(types[&EventType::Comment])), "{types:?}");
        assert!((18..=38).contains(&per_mille(likes)), "{likes} likes, {types:?}");
        assert!((6..=16).contains(&per_mille(types[&EventType::Gift])), "{types:?}");
        assert!((3..=60).contains(&per_mille(types[&EventType::OrderPaid])), "{types:?}");
    }

    #[test]
    fn a_few_events_come_twice_and_a_few_with_a_wrong_clock() {
        let (mut ids, mut duplicates, mut strays) = (BTreeSet::new(), 0, 0);
        let mut newest = 0;
        let lines = lines(2, 20);
        for line in &lines {
            let Ok(Line::Event(event)) = decode(line) else { panic!("malformed") };
            duplicates +=
                usize::from(!ids.insert((event.session_id.to_string(), event.event_id.to_string())));
            let is_stray = newest > 0 && event.ts.abs_diff(newest) > 5 * MINUTE_MS;
            strays += usize::from(is_stray);
            if !is_stray {
                newest = newest.max(event.ts);
            }
        }
        assert!((1..lines.len() / 100).contains(&duplicates), "{duplicates}");
        assert!((1..lines.len() / 100).contains(&strays), "{strays}");
    }

    #[test]
    fn the_seed_decides_everything() {
        assert_eq!(lines(7, 2), lines(7, 2));
        assert_ne!(lines(7, 2), lines(8, 2));
    }
}
