//! The keys of one breakdown in one session, numbered in log order and bounded (rule 7).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tandem_model::Breakdown;
use tandem_model::catalogue::{FANS, OVERFLOW, SOURCES};
use tandem_model::digest;

use crate::Map;

/// The number of a key within its breakdown and session.
pub(crate) type KeyIndex = u16;

/// The keys of one breakdown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Keys {
    breakdown: Breakdown,
    names: Vec<Arc<str>>,
    /// `~other` has a number, but takes none of the places.
    overflow: Option<KeyIndex>,
    #[serde(skip)]
    numbers: Map<Arc<str>, KeyIndex>,
    #[serde(skip)]
    seeds: Vec<u128>,
}

impl Keys {
    pub(crate) fn new(breakdown: Breakdown, session_id: &str) -> Self {
        let known: &[&str] = match breakdown {
            Breakdown::Source => &SOURCES,
            Breakdown::Fan => &FANS,
            _ => &[],
        };
        let mut keys = Self {
            breakdown,
            names: known.iter().map(|name| Arc::from(*name)).collect(),
            overflow: None,
            numbers: Map::default(),
            seeds: Vec::new(),
        };
        keys.index(session_id);
        keys
    }

    /// Builds what a snapshot leaves out.
    pub(crate) fn index(&mut self, session_id: &str) {
        self.numbers = self.names.iter().cloned().zip(0..).collect();
        self.seeds = self.names.iter().map(|name| digest::seed(session_id, self.breakdown, name)).collect();
    }

    /// The number of `name`, which takes a place if there is one left.
    pub(crate) fn claim(&mut self, name: &str, session_id: &str) -> KeyIndex {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let taken = self.names.len() - usize::from(self.overflow.is_some());
        if name == OVERFLOW || taken >= self.breakdown.keys_max() {
            if let Some(overflow) = self.overflow {
                return overflow;
            }
            let number = self.add(OVERFLOW, session_id);
            self.overflow = Some(number);
            return number;
        }
        self.add(name, session_id)
    }

    fn add(&mut self, name: &str, session_id: &str) -> KeyIndex {
        let number = self.names.len() as KeyIndex;
        let name: Arc<str> = Arc::from(name);
        self.seeds.push(digest::seed(session_id, self.breakdown, &name));
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }

    pub(crate) fn name(&self, number: KeyIndex) -> &Arc<str> {
        &self.names[usize::from(number)]
    }

    pub(crate) fn seed(&self, number: KeyIndex) -> u128 {
        self.seeds[usize::from(number)]
    }

    /// The number of a source as it was sent; none for a source that is not listed.
    pub(crate) fn listed_source(name: &str) -> Option<KeyIndex> {
        SOURCES.iter().position(|source| *source == name).map(|position| position as KeyIndex)
    }
}

/// The keys of all breakdowns of one session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AllKeys(Vec<Keys>);

impl AllKeys {
    pub(crate) fn new(session_id: &str) -> Self {
        let mut all =
            Self(Breakdown::ALL.iter().map(|breakdown| Keys::new(*breakdown, session_id)).collect());
        let room = all.of_mut(Breakdown::Room).claim(tandem_model::catalogue::ROOM, session_id);
        debug_assert_eq!(room, ROOM_KEY);
        all
    }

    pub(crate) fn index(&mut self, session_id: &str) {
        self.0.iter_mut().for_each(|keys| keys.index(session_id));
    }

    pub(crate) fn of(&self, breakdown: Breakdown) -> &Keys {
        &self.0[breakdown as usize]
    }

    pub(crate) fn of_mut(&mut self, breakdown: Breakdown) -> &mut Keys {
        &mut self.0[breakdown as usize]
    }
}

/// The number of the one key of `room`.
pub(crate) const ROOM_KEY: KeyIndex = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overflow_takes_no_place() {
        let mut keys = Keys::new(Breakdown::Channel, "s");
        let sent = keys.claim(OVERFLOW, "s");
        for number in 0..1_000 {
            assert_ne!(keys.claim(&format!("c{number}"), "s"), sent);
        }
        assert_eq!(keys.claim("one too many", "s"), sent);
        assert_ne!(keys.claim("c999", "s"), sent);
        assert_eq!(&**keys.name(sent), OVERFLOW);
    }
}
