//! The log that both chains follow, and what is true of it: every figure and digest is a function
//! of a place in the log, so that anybody can be checked against it at any time.

use tandem_model::route::Chain;

use crate::trace::mix;

/// Partitions of the log.
pub(crate) const PARTITIONS: usize = 2;
/// Sessions that clients read.
pub(crate) const SESSIONS: u64 = 12;
/// Time between beats, in milliseconds.
pub(crate) const BEAT_MS: u64 = 1_000;
/// Time between batches of events, in milliseconds.
pub(crate) const BATCH_MS: u64 = 25;

/// Per partition the first place that is not read.
pub(crate) type Cut = [u64; PARTITIONS];

/// Whether who is at `cut` has read all that `needed` has.
pub(crate) fn covers(cut: Cut, needed: Cut) -> bool {
    cut.iter().zip(needed).all(|(have, need)| *have >= need)
}

/// The farther of both, per partition.
pub(crate) fn join(left: Cut, right: Cut) -> Cut {
    std::array::from_fn(|partition| left[partition].max(right[partition]))
}

/// The partition that a session's events are in.
pub(crate) fn partition_of(session: u64) -> usize {
    session as usize % PARTITIONS
}

/// The figure of a session, by all events before `offset` of its partition.
pub(crate) fn figure(session: u64, offset: u64) -> u64 {
    mix(session, offset)
}

/// A beat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beat {
    /// Its event time, in milliseconds.
    pub(crate) at_ms: u64,
    /// The first places after it.
    pub(crate) cut: Cut,
}

/// The log.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) end: Cut,
    beats: Vec<Beat>,
}

impl Log {
    /// A batch of events arrives.
    pub(crate) fn grow(&mut self, batch: Cut) {
        for (end, records) in self.end.iter_mut().zip(batch) {
            *end += records;
        }
    }

    /// A beat arrives, in every partition.
    pub(crate) fn beat(&mut self, at_ms: u64) {
        self.grow([1; PARTITIONS]);
        self.beats.push(Beat { at_ms, cut: self.end });
    }

    /// How many beats are before `offset` of a partition.
    pub(crate) fn beats_before(&self, partition: usize, offset: u64) -> usize {
        self.beats.partition_point(|beat| beat.cut[partition] <= offset)
    }

    /// The beat with this number, from 0.
    pub(crate) fn beat_at(&self, number: usize) -> Option<Beat> {
        self.beats.get(number).copied()
    }

    /// The digest of a partition at a beat, recomputed: the third vote.
    pub(crate) fn digest(&self, partition: usize, number: usize) -> Option<u64> {
        Some(mix(partition as u64 + 1, self.beats.get(number)?.cut[partition]))
    }
}

/// The route as somebody knows it. Higher ones are newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) epoch: u64,
    /// How far the control log was applied by who told it.
    pub(crate) index: u64,
    pub(crate) active: Chain,
    pub(crate) is_quarantined: [bool; 2],
    pub(crate) is_drained: [bool; 2],
}

impl News {
    /// What everybody knows who has heard nothing.
    pub(crate) const fn first() -> Self {
        Self { epoch: 1, index: 0, active: Chain::A, is_quarantined: [false; 2], is_drained: [false; 2] }
    }

    /// Takes over what is newer. Says whether the route is another one.
    pub(crate) fn adopt(&mut self, other: News) -> bool {
        let is_new_route = other.epoch > self.epoch;
        if (other.epoch, other.index) > (self.epoch, self.index) {
            *self = other;
        }
        is_new_route
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_are_found_by_place() {
        let mut log = Log::default();
        log.grow([3, 5]);
        log.beat(1_000);
        log.grow([1, 1]);
        log.beat(2_000);
        assert_eq!(log.end, [6, 8]);
        let beats = |offset| log.beats_before(0, offset);
        assert_eq!([beats(3), beats(4), beats(5), beats(6)], [0, 1, 1, 2]);
        assert_ne!(log.digest(0, 0), log.digest(0, 1));
        assert_ne!(figure(1, 5), figure(1, 6));
        assert_eq!(log.digest(0, 2), None);
    }
}
