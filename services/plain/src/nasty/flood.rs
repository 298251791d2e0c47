//! A lot of one thing, beyond a bound.

use tandem_model::catalogue::OVERFLOW;
use tandem_model::event::{EventType, Field};
use tandem_model::time::INT_MAX;

use super::json::{self, Pair};
use super::{Maker, pick};

/// What there is a lot of, in one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// Over 1,000 keys in every breakdown that is open: channel, source as sent, region, device.
    Keys,
    /// Over 5,000 items, clicked by over 4,096 users.
    Items,
    /// Over 4,096 users that enter.
    Users,
    /// Over 2,048 times the highest integer: sums saturate.
    Sums,
}

impl Flood {
    /// About one seed in 30 has one; those that cost most are the rarest.
    pub(super) fn of(seed: u64) -> Option<Self> {
        match seed % 256 {
            7 | 71 | 135 | 199 => Some(Flood::Keys),
            31 | 159 => Some(Flood::Sums),
            63 => Some(Flood::Items),
            127 => Some(Flood::Users),
            _ => None,
        }
    }

    const fn lines(self) -> usize {
        match self {
            Flood::Keys => 1_040,
            Flood::Items => 5_120,
            Flood::Users => 4_220,
            Flood::Sums => 2_120,
        }
    }
}

impl Maker<'_> {
    pub(super) fn flood(&mut self, flood: Flood) {
        for number in 0..flood.lines() {
            let line = if self.chance(0.01) { self.event() } else { self.flooding(flood, number) };
            self.lines.push(line);
        }
    }

    /// One line of it, in the first session and at the same moment as the others.
    fn flooding(&mut self, flood: Flood, number: usize) -> bytes::Bytes {
        let event_type = match flood {
            Flood::Keys => pick(&mut self.rng, &[EventType::Enter, EventType::Share, EventType::PageView]),
            Flood::Items => EventType::ItemClick,
            Flood::Users => EventType::Enter,
            Flood::Sums => EventType::Like,
        };
        let mut pairs = self.pairs(event_type, 0, self.now_ms);
        // a used id would count once only, and the bound be missed
        put(&mut pairs, Field::EventId, format!("\"flood{number}\""));
        let key = if number % 100 == 50 { OVERFLOW.to_owned() } else { format!("k{number}") };
        let key = json::string(&key, false);
        match flood {
            Flood::Keys => {
                for field in [Field::Channel, Field::Source, Field::Region, Field::Device] {
                    put(&mut pairs, field, key.clone());
                }
            }
            Flood::Items => {
                put(&mut pairs, Field::ItemId, format!("\"k{number}\""));
                put(&mut pairs, Field::UserId, format!("\"v{number}\""));
            }
            Flood::Users => put(&mut pairs, Field::UserId, format!("\"v{number}\"")),
            Flood::Sums => put(&mut pairs, Field::Count, INT_MAX.to_string()),
        }
        self.write(pairs, event_type)
    }
}

fn put(pairs: &mut Vec<Pair>, field: Field, value: String) {
    pairs.retain(|(name, _)| *name != field.name());
    pairs.push((field.name(), value));
}
