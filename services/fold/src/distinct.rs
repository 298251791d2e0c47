//! Distinct users, kept with the viewer instead of with the cell.
//!
//! A viewer nearly always comes under one attribution, so one entry says it all: which distinct
//! counts they entered under which keys. A count of a cell rises when none of the viewer's
//! entries with the cell's key has the bit yet.

use serde::{Deserialize, Serialize};

use crate::Map;
use crate::attribution::{ATTRIBUTED, Attribution};
use crate::count::Bits;
use crate::keys::KeyNumber;

/// From this many attributions of one viewer on, entries are kept per key, so that a viewer who
/// changes all the time costs no more than others.
const ATTRIBUTIONS_MAX: usize = 8;

/// What one viewer entered in one table (and bucket).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) enum Seen {
    #[default]
    Nothing,
    /// Under one attribution.
    Once(Attribution, Bits),
    /// Under a few. (Boxed once more: two words less in every entry, for the sake of few.)
    #[allow(clippy::box_collection, reason = "the enum is kept per viewer and bucket; this case is rare")]
    Few(Box<Vec<(Attribution, Bits)>>),
    /// Under many.
    Many(Box<PerKey>),
}

/// Bits per key, for viewers who come under many attributions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PerKey {
    attributed: Map<KeyNumber, Bits>,
    room: Bits,
}

/// Which counts a viewer enters anew, in the room and per attributed breakdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fresh {
    pub(crate) room: Bits,
    pub(crate) attributed: [Bits; ATTRIBUTED],
}

impl Fresh {
    pub(crate) const NOTHING: Self = Self { room: 0, attributed: [0; ATTRIBUTED] };
}

impl Seen {
    /// Notes `bits` under `attribution`, and answers which of them are new where.
    pub(crate) fn note(&mut self, attribution: &Attribution, bits: Bits) -> Fresh {
        match self {
            Seen::Nothing => {
                *self = Seen::Once(*attribution, bits);
                Fresh { room: bits, attributed: [bits; ATTRIBUTED] }
            }
            Seen::Once(known, had) if known == attribution => {
                let new = bits & !*had;
                *had |= bits;
                Fresh { room: new, attributed: [new; ATTRIBUTED] }
            }
            Seen::Once(known, had) => {
                let mut entries = vec![(*known, *had)];
                let fresh = note_among(&mut entries, attribution, bits);
                *self = Seen::Few(Box::new(entries));
                fresh
            }
            Seen::Few(entries) => {
                let fresh = note_among(entries, attribution, bits);
                if entries.len() > ATTRIBUTIONS_MAX {
                    *self = Seen::Many(Box::new(per_key(entries)));
                }
                fresh
            }
            Seen::Many(many) => {
                let fresh_room = bits & !many.room;
                many.room |= bits;
                let mut attributed = [0; ATTRIBUTED];
                for (new, key) in attributed.iter_mut().zip(attribution) {
                    let had = many.attributed.entry(*key).or_insert(0);
                    *new = bits & !*had;
                    *had |= bits;
                }
                Fresh { room: fresh_room, attributed }
            }
        }
    }
}

fn note_among(entries: &mut Vec<(Attribution, Bits)>, attribution: &Attribution, bits: Bits) -> Fresh {
    let mut room = bits;
    let mut attributed = [bits; ATTRIBUTED];
    let mut same = None;
    for (index, (known, had)) in entries.iter().enumerate() {
        room &= !had;
        for place in 0..ATTRIBUTED {
            if known[place] == attribution[place] {
                attributed[place] &= !had;
            }
        }
        if known == attribution {
            same = Some(index);
        }
    }
    match same {
        Some(index) => entries[index].1 |= bits,
        None => entries.push((*attribution, bits)),
    }
    Fresh { room, attributed }
}

fn per_key(entries: &[(Attribution, Bits)]) -> PerKey {
    let mut many = PerKey::default();
    for (attribution, bits) in entries {
        many.room |= bits;
        for key in attribution {
            *many.attributed.entry(*key).or_insert(0) |= bits;
        }
    }
    many
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the representation, a bit is fresh under a key exactly once.
        #[test]
        fn counts_like_a_set(steps in proptest::collection::vec((0_u16..4, 0_u16..3, 1_u8..16), 1..60)) {
            let mut seen = Seen::default();
            let mut set = BTreeSet::new();
            for (first, second, bits) in steps {
                // Numbers of keys are unique over all breakdowns.
                let attribution = [first, 10 + second, 20, 30 + (first ^ second), 47];
                let fresh = seen.note(&attribution, bits);
                for bit in (0..8).map(|shift| 1_u8 << shift).filter(|bit| bits & bit != 0) {
                    prop_assert_eq!(fresh.room & bit != 0, set.insert((usize::MAX, 0, bit)));
                    for (place, key) in attribution.iter().enumerate() {
                        prop_assert_eq!(fresh.attributed[place] & bit != 0, set.insert((place, *key, bit)));
                    }
                }
            }
        }
    }
}
