//! Who is there (rule 8).

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use tandem_model::event::Kind;
use tandem_model::time::{PRESENCE_MS, SECOND_MS};

/// One viewer's presence.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Presence {
    present: bool,
    /// `ts` of the latest sign of life; never goes back, not even over a `leave`.
    last_sign: Option<u64>,
}

/// How many viewers are online.
///
/// A present viewer whose last sign came at `ts` is online at every beat up to `ts` + 90 s. So
/// viewers are counted by the last second at which they are online, and a beat only takes away
/// those whose second has passed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Online {
    /// Seconds before this one have been taken away.
    from_second: u64,
    /// Viewers by the last second at which they are online: the next [`NEAR`] seconds.
    near: VecDeque<u32>,
    /// Those beyond; only before the first beat may timestamps lie that far ahead.
    far: BTreeMap<u64, u32>,
    count: u64,
}

/// Holds the lateness to come: 5 minutes ahead of the clock and 90 seconds of presence.
const NEAR: u64 = 512;

impl Presence {
    /// Takes in a viewer's event, and answers how long they were watching up to it, in
    /// milliseconds.
    pub(crate) fn take(&mut self, kind: &Kind<'_>, ts: u64, online: &mut Online) -> u64 {
        let enters = matches!(kind, Kind::Enter);
        if !self.present && !enters {
            return 0;
        }
        // The enter that begins a presence counts no time before it.
        let watch_ms = match self.last_sign {
            Some(last_sign) if self.present => {
                ts.checked_sub(last_sign).filter(|gap_ms| *gap_ms <= PRESENCE_MS).unwrap_or(0)
            }
            _ => 0,
        };
        if self.present {
            online.remove(self.last_sign);
        }
        self.last_sign = self.last_sign.max(Some(ts));
        self.present = !matches!(kind, Kind::Leave);
        if self.present {
            online.add(self.last_sign);
        }
        watch_ms
    }
}

impl Online {
    fn add(&mut self, last_sign: Option<u64>) {
        if let Some(second) = self.counted_second(last_sign) {
            *self.at(second) += 1;
            self.count += 1;
        }
    }

    fn remove(&mut self, last_sign: Option<u64>) {
        if let Some(second) = self.counted_second(last_sign) {
            *self.at(second) -= 1;
            self.count -= 1;
        }
    }

    /// The last second at which a viewer with this last sign is online, if it has not passed.
    fn counted_second(&self, last_sign: Option<u64>) -> Option<u64> {
        last_sign.map(|ts| (ts + PRESENCE_MS) / SECOND_MS).filter(|second| *second >= self.from_second)
    }

    fn at(&mut self, second: u64) -> &mut u32 {
        let ahead = second - self.from_second;
        if ahead >= NEAR {
            return self.far.entry(second).or_insert(0);
        }
        let place = ahead as usize;
        if self.near.len() <= place {
            self.near.resize(place + 1, 0);
        }
        &mut self.near[place]
    }

    /// How many viewers are online at the beat at `ts`. Beats must rise.
    pub(crate) fn sample(&mut self, ts: u64) -> u64 {
        let second = ts / SECOND_MS;
        let passed = (second - self.from_second).min(self.near.len() as u64) as usize;
        self.count -= self.near.drain(..passed).map(u64::from).sum::<u64>();
        self.from_second = second;
        // What was far may be near now, or have passed.
        while let Some(entry) = self.far.first_entry().filter(|entry| *entry.key() < second + NEAR) {
            let (at, viewers) = entry.remove_entry();
            if at < second {
                self.count -= u64::from(viewers);
            } else {
                *self.at(at) += viewers;
            }
        }
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_is_online_until_90_seconds_after_the_last_sign() {
        let (mut presence, mut online) = (Presence::default(), Online::default());
        presence.take(&Kind::Enter, 10_500, &mut online);
        assert_eq!(online.sample(11_000), 1);
        assert_eq!(presence.take(&Kind::Heartbeat, 20_500, &mut online), 10_000);
        assert_eq!(online.sample(110_000), 1);
        assert_eq!(online.sample(111_000), 0);
        // A sign beyond 90 s counts no time, but brings the viewer back.
        assert_eq!(presence.take(&Kind::Heartbeat, 110_501, &mut online), 0);
        assert_eq!(online.sample(112_000), 1);
        assert_eq!(presence.take(&Kind::Leave, 110_500, &mut online), 0);
        assert_eq!(online.sample(113_000), 0);
        // After the leave the last sign stays, and nothing but an enter is a sign.
        assert_eq!(presence.take(&Kind::Heartbeat, 112_000, &mut online), 0);
        assert_eq!(presence.take(&Kind::Enter, 111_000, &mut online), 0);
        assert_eq!(presence.take(&Kind::Heartbeat, 112_000, &mut online), 1_000);
        assert_eq!(online.sample(114_000), 1);
    }
}
