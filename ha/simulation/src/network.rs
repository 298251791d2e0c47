//! The network between all places: delay, loss, doubles, late ones, cut links.

use rand::Rng;
use rand::rngs::SmallRng;

use crate::place::Place;

/// How the network is while nothing special happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quality {
    /// Messages take 1 ms to so many.
    pub(crate) delay_ms_max: u64,
    /// So many of 1,000 get lost.
    pub(crate) loss_permille: u32,
    /// So many of 1,000 come twice.
    pub(crate) double_permille: u32,
    /// So many of 1,000 come much later than those after them.
    pub(crate) straggler_permille: u32,
}

/// Links that are cut or slow, one way: from any of some places to any of others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    pub(crate) id: u64,
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// What it takes longer, in milliseconds; absent when nothing comes through.
    pub(crate) slower_ms: Option<u64>,
}

/// The network.
pub(crate) struct Network {
    pub(crate) quality: Quality,
    troubles: Vec<Trouble>,
}

/// Latest arrival of a straggler, in milliseconds.
const STRAGGLER_MS_MAX: u64 = 400;

impl Network {
    pub(crate) fn new(quality: Quality) -> Self {
        Self { quality, troubles: Vec::new() }
    }

    pub(crate) fn begin(&mut self, trouble: Trouble) {
        self.troubles.push(trouble);
    }

    pub(crate) fn end(&mut self, id: u64) {
        self.troubles.retain(|trouble| trouble.id != id);
    }

    /// Everything is well from now on.
    pub(crate) fn calm(&mut self) {
        self.troubles.clear();
        self.quality =
            Quality { loss_permille: 0, double_permille: 0, straggler_permille: 0, ..self.quality };
    }

    /// How long a message takes, if it arrives; and its double, if there is one.
    pub(crate) fn delays(&self, rng: &mut SmallRng, from: Place, to: Place) -> [Option<u64>; 2] {
        let (from, to) = (from.bit(), to.bit());
        let mut slower_ms = 0;
        for trouble in &self.troubles {
            if trouble.from & from != 0 && trouble.to & to != 0 {
                match trouble.slower_ms {
                    None => return [None; 2],
                    Some(ms) => slower_ms += ms,
                }
            }
        }
        let quality = &self.quality;
        let chance = rng.random_range(0..1_000_u32);
        let delay_ms = slower_ms + rng.random_range(1..=quality.delay_ms_max);
        let lost = quality.loss_permille;
        let doubled = lost + quality.double_permille;
        let late = doubled + quality.straggler_permille;
        if chance >= late {
            [Some(delay_ms), None]
        } else if chance >= doubled {
            [Some(delay_ms + rng.random_range(20..=STRAGGLER_MS_MAX)), None]
        } else if chance >= lost {
            [Some(delay_ms), Some(delay_ms + rng.random_range(1..=STRAGGLER_MS_MAX))]
        } else {
            [None; 2]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_one_way_cut_is_one_way_and_ends() {
        let quality =
            Quality { delay_ms_max: 5, loss_permille: 0, double_permille: 0, straggler_permille: 0 };
        let mut network = Network::new(quality);
        let mut rng = SmallRng::seed_from_u64(1);
        let (one, other) = (Place::Control(0), Place::Gateway(2));
        network.begin(Trouble { id: 7, from: one.bit(), to: other.bit(), slower_ms: None });
        assert_eq!(network.delays(&mut rng, one, other), [None; 2]);
        assert!(network.delays(&mut rng, other, one)[0].is_some());
        network.begin(Trouble { id: 8, from: other.bit(), to: one.bit(), slower_ms: Some(100) });
        assert!(network.delays(&mut rng, other, one)[0] > Some(100));
        network.end(7);
        assert!(network.delays(&mut rng, one, other)[0].is_some());
    }
}
