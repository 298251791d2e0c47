//! How far both chains are, as one observer reads it.

use std::collections::BTreeMap;

use tandem_model::route::Chain;

use crate::chains::Chains;
use crate::observation::Progress;
use crate::settings::Settings;

/// Partitions beyond are left out.
const PARTITIONS_MAX: u32 = 4_096;

/// The record of one observer about both chains' progress.
#[derive(Clone, Debug, Default)]
pub(super) struct Record(Chains<ChainRecord>);

#[derive(Clone, Debug, Default)]
struct ChainRecord {
    heard_ms: Option<u64>,
    degraded_since_ms: Option<u64>,
    partitions: BTreeMap<u32, Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    heard_ms: u64,
    beat_ms: u64,
    /// The highest beat seen, and when it was first seen: a chain that was emptied and reads again
    /// has not moved until it is beyond.
    highest_ms: u64,
    moved_ms: u64,
    /// Since when the other chain is seen beyond that beat, and far beyond this chain's.
    passed_ms: Option<u64>,
    lagging_ms: Option<u64>,
    unread_records: u64,
}

impl Record {
    pub(super) fn note(&mut self, now_ms: u64, progress: &Progress, settings: &Settings) {
        if progress.partition >= PARTITIONS_MAX {
            return;
        }
        let chain = self.0.of_mut(progress.chain);
        chain.heard_ms = Some(now_ms);
        let is_degraded = progress.is_hot_degraded || progress.is_rows_degraded;
        chain.degraded_since_ms = if is_degraded { chain.degraded_since_ms.or(Some(now_ms)) } else { None };
        let beat_ms = progress.beat_ms;
        let place = chain.partitions.entry(progress.partition).or_insert(Place {
            heard_ms: now_ms,
            beat_ms,
            highest_ms: beat_ms,
            moved_ms: now_ms,
            passed_ms: None,
            lagging_ms: None,
            unread_records: progress.unread_records,
        });
        if beat_ms > place.highest_ms {
            (place.highest_ms, place.moved_ms) = (beat_ms, now_ms);
            place.passed_ms = None;
        }
        place.heard_ms = now_ms;
        place.beat_ms = beat_ms;
        place.unread_records = progress.unread_records;
        let noted = *place;
        if let Some(other) = self.0.of_mut(progress.chain.other()).partitions.get_mut(&progress.partition) {
            other.measure(now_ms, &noted, settings);
            let other = *other;
            if let Some(place) = self.0.of_mut(progress.chain).partitions.get_mut(&progress.partition) {
                place.measure(now_ms, &other, settings);
            }
        }
    }

    /// Whether beats stand still while the other chain is two beats on.
    pub(super) fn stuck(&self, now_ms: u64, chain: Chain, settings: &Settings) -> Option<bool> {
        let two_beats_ms = settings.beat_every_ms.saturating_mul(2);
        self.compare(now_ms, chain, settings, |place, other| {
            now_ms.saturating_sub(place.moved_ms) >= settings.stuck_after_ms
                && has_lasted(now_ms, place.passed_ms, settings)
                && other.beat_ms >= place.beat_ms.saturating_add(two_beats_ms)
        })
    }

    /// Whether the chain is far behind the other.
    pub(super) fn lagging(&self, now_ms: u64, chain: Chain, settings: &Settings) -> Option<bool> {
        self.compare(now_ms, chain, settings, |place, _| has_lasted(now_ms, place.lagging_ms, settings))
    }

    /// Whether it is so in any partition; nothing unless both chains were read just now.
    fn compare(
        &self,
        now_ms: u64,
        chain: Chain,
        settings: &Settings,
        is_so: impl Fn(&Place, &Place) -> bool,
    ) -> Option<bool> {
        let is_fresh = |heard_ms: u64| now_ms.saturating_sub(heard_ms) <= settings.fresh_ms;
        let (own, other) = (self.0.of(chain), self.0.of(chain.other()));
        if !is_fresh(own.heard_ms?) || !is_fresh(other.heard_ms?) {
            return None;
        }
        let pairs = own.partitions.iter().filter_map(|(number, place)| {
            let other = other.partitions.get(number)?;
            (is_fresh(place.heard_ms) && is_fresh(other.heard_ms)).then_some((place, other))
        });
        let said: Vec<bool> = pairs.map(|(place, other)| is_so(place, other)).collect();
        (!said.is_empty()).then(|| said.contains(&true))
    }

    /// Whether a store of the chain has been lost for a while.
    pub(super) fn degraded(&self, now_ms: u64, chain: Chain, settings: &Settings) -> Option<bool> {
        let record = self.0.of(chain);
        if now_ms.saturating_sub(record.heard_ms?) > settings.fresh_ms {
            return None;
        }
        let lost_ms = record.degraded_since_ms.map(|since_ms| now_ms.saturating_sub(since_ms));
        Some(lost_ms.is_some_and(|lost_ms| lost_ms >= settings.degraded_after_ms))
    }

    /// What is known of a chain per partition: the beat, the unread records, whether just now.
    pub(super) fn places(
        &self,
        now_ms: u64,
        chain: Chain,
        settings: &Settings,
    ) -> impl Iterator<Item = (u32, u64, u64, bool)> {
        self.0.of(chain).partitions.iter().map(move |(number, place)| {
            let is_fresh = now_ms.saturating_sub(place.heard_ms) <= settings.fresh_ms;
            (*number, place.beat_ms, place.unread_records, is_fresh)
        })
    }
}

impl Place {
    /// Notes how far the other chain is.
    fn measure(&mut self, now_ms: u64, other: &Place, settings: &Settings) {
        let since = |is_so: bool, before: Option<u64>| is_so.then(|| before.unwrap_or(now_ms));
        self.passed_ms = since(other.highest_ms > self.highest_ms, self.passed_ms);
        let is_far = other.beat_ms >= self.beat_ms.saturating_add(settings.lag_ms_max);
        self.lagging_ms = since(is_far, self.lagging_ms);
    }
}

/// Whether a chain had time to follow the other. After both stood still for long (the log was away)
/// the one that finds its way back first is far ahead at once: that says nothing about the other,
/// which gets as much time as it would have had if beats had come all the while.
fn has_lasted(now_ms: u64, since_ms: Option<u64>, settings: &Settings) -> bool {
    let needed_ms = settings.stuck_after_ms.saturating_sub(settings.beat_every_ms);
    since_ms.is_some_and(|since_ms| now_ms.saturating_sub(since_ms) >= needed_ms)
}
