//! The keys of one session's breakdowns: numbered through, in log order, and bounded (rule 7).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tandem_model::Breakdown;
use tandem_model::catalogue::{FANS, OVERFLOW, ROOM, SOURCES};
use tandem_model::digest;

use crate::Map;

/// The number of a key among all keys of its session: 16 bits hold all that the bounds allow.
pub(crate) type KeyNumber = u16;

/// The number of the one key of `room`.
pub(crate) const ROOM_KEY: KeyNumber = 0;
/// The number of the first of [`SOURCES`]; the others follow.
pub(crate) const SOURCES_FROM: KeyNumber = 1;
/// The number of the first of [`FANS`]; the others follow.
pub(crate) const FANS_FROM: KeyNumber = SOURCES_FROM + SOURCES.len() as KeyNumber;

/// The keys of all breakdowns of one session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Keys {
    keys: Vec<Key>,
    #[serde(skip)]
    breakdowns: [Numbers; Breakdown::ALL.len()],
}

/// One key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) breakdown: Breakdown,
    pub(crate) name: Arc<str>,
    /// See [`digest::seed`].
    #[serde(skip)]
    pub(crate) seed: u128,
}

/// The numbers of one breakdown's keys.
#[derive(Clone, Debug, Default)]
struct Numbers {
    by_name: Map<Arc<str>, KeyNumber>,
    /// `~other` has a number, but takes none of the places.
    overflow: Option<KeyNumber>,
}

impl Keys {
    pub(crate) fn new(session_id: &str) -> Self {
        let mut keys = Self { keys: Vec::new(), breakdowns: Default::default() };
        let fixed = [(Breakdown::Room, &[ROOM][..]), (Breakdown::Source, &SOURCES), (Breakdown::Fan, &FANS)];
        for (breakdown, names) in fixed {
            for name in names {
                keys.claim(breakdown, name, session_id);
            }
        }
        keys
    }

    /// The number of a key, which takes a place if there is one left.
    pub(crate) fn claim(&mut self, breakdown: Breakdown, name: &str, session_id: &str) -> KeyNumber {
        let numbers = &self.breakdowns[breakdown as usize];
        if let Some(number) = numbers.by_name.get(name) {
            return *number;
        }
        let taken = numbers.by_name.len() - usize::from(numbers.overflow.is_some());
        let is_overflow = name == OVERFLOW || taken >= breakdown.keys_max();
        match numbers.overflow {
            Some(number) if is_overflow => number,
            _ => self.add(breakdown, if is_overflow { OVERFLOW } else { name }, session_id),
        }
    }

    fn add(&mut self, breakdown: Breakdown, name: &str, session_id: &str) -> KeyNumber {
        let number = self.keys.len() as KeyNumber;
        let seed = digest::seed(session_id, breakdown, name);
        self.keys.push(Key { breakdown, name: Arc::from(name), seed });
        self.index_last(number);
        number
    }

    fn index_last(&mut self, number: KeyNumber) {
        let key = &self.keys[usize::from(number)];
        let numbers = &mut self.breakdowns[key.breakdown as usize];
        numbers.by_name.insert(Arc::clone(&key.name), number);
        if &*key.name == OVERFLOW {
            numbers.overflow = Some(number);
        }
    }

    /// Builds what a snapshot leaves out.
    pub(crate) fn index(&mut self, session_id: &str) {
        for number in 0..self.keys.len() {
            let key = &mut self.keys[number];
            key.seed = digest::seed(session_id, key.breakdown, &key.name);
            self.index_last(number as KeyNumber);
        }
    }

    pub(crate) fn get(&self, number: KeyNumber) -> &Key {
        &self.keys[usize::from(number)]
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// The number of a source; none for a source that is not listed.
pub(crate) fn listed_source(name: &str) -> Option<KeyNumber> {
    (SOURCES_FROM..).zip(SOURCES).find(|(_, source)| *source == name).map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overflow_takes_no_place() {
        let mut keys = Keys::new("s");
        let mut claim = |name: &str| keys.claim(Breakdown::Channel, name, "s");
        let sent = claim(OVERFLOW);
        for number in 0..1_000 {
            assert_ne!(claim(&format!("c{number}")), sent);
        }
        assert_eq!(claim("one too many"), sent);
        assert_ne!(claim("c999"), sent);
        assert_eq!(&*keys.get(sent).name, OVERFLOW);
    }

    #[test]
    fn the_fixed_keys_have_their_numbers_and_a_snapshot_keeps_them() {
        let mut keys = Keys::new("s");
        let item = keys.claim(Breakdown::Item, "i", "s");
        let bytes = postcard::to_stdvec(&keys).expect("plain data");
        let mut restored: Keys = postcard::from_bytes(&bytes).expect("as written");
        restored.index("s");
        for keys in [&mut keys, &mut restored] {
            assert_eq!(keys.claim(Breakdown::Room, ROOM, "s"), ROOM_KEY);
            assert_eq!(keys.claim(Breakdown::Item, "i", "s"), item);
            for (number, source) in (SOURCES_FROM..).zip(SOURCES) {
                assert_eq!(keys.claim(Breakdown::Source, source, "s"), number);
                assert_eq!(listed_source(source), Some(number));
            }
            for (number, fan) in (FANS_FROM..).zip(FANS) {
                assert_eq!(keys.claim(Breakdown::Fan, fan, "s"), number);
            }
        }
        assert_eq!(listed_source("word of mouth"), None);
    }
}
