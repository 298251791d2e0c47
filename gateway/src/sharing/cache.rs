//! Answers that serve for a moment longer, in bounded memory.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::Key;
use super::stored::Stored;

/// Answers by what was asked. The oldest go when there is no room.
#[derive(Debug)]
pub(super) struct Cache {
    bytes_max: usize,
    bytes: usize,
    by_key: HashMap<Key, Entry>,
    /// In the order of their coming. Those that were replaced are in it, too, until it is their turn.
    queue: VecDeque<(u64, Instant, Key)>,
    number: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    until: Instant,
    stored: Arc<Stored>,
}

impl Cache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, by_key: HashMap::new(), queue: VecDeque::new(), number: 0 }
    }

    /// What still serves at `now`.
    pub(super) fn get(&self, key: &Key, now: Instant) -> Option<Arc<Stored>> {
        self.by_key.get(key).filter(|entry| now < entry.until).map(|entry| Arc::clone(&entry.stored))
    }

    /// Keeps an answer `until` then, unless a newer one is there: the other chain may have been a
    /// moment ahead.
    pub(super) fn insert(&mut self, key: Key, stored: Arc<Stored>, until: Instant, now: Instant) {
        while let Some((_, until, _)) = self.queue.front()
            && *until <= now
        {
            self.drop_oldest();
        }
        let standing = self.by_key.get(&key).filter(|entry| now < entry.until);
        if until <= now || standing.is_some_and(|entry| !stored.is_as_new_as(&entry.stored)) {
            return;
        }
        self.number += 1;
        self.bytes += stored.bytes();
        let number = self.number;
        self.queue.push_back((number, until, key.clone()));
        if let Some(replaced) = self.by_key.insert(key, Entry { number, until, stored }) {
            self.bytes -= replaced.stored.bytes();
        }
        self.shrink();
    }

    /// Takes no more memory than this from now on.
    pub(super) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.bytes > self.bytes_max || self.queue.len() > 2 * self.by_key.len() + 16 {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((number, _, key)) = self.queue.pop_front() else { return };
        if self.by_key.get(&key).is_some_and(|entry| entry.number == number)
            && let Some(entry) = self.by_key.remove(&key)
        {
            self.bytes -= entry.stored.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;
    use std::sync::LazyLock;
    use std::time::Duration;

    use bytes::Bytes;
    use http::Response;

    use super::super::Same;
    use super::*;

    fn key(target: usize) -> Key {
        key_in(target, 1)
    }

    fn key_in(target: usize, epoch: u64) -> Key {
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let class = tandem_admission::Class::Ordinary;
        Key::new(&HASHER, Same { target: target.to_string(), audience: None, epoch, only: None, class })
    }

    fn of(bytes: usize) -> Arc<Stored> {
        Arc::new(Stored::new(Response::new(Bytes::from(vec![b'x'; bytes]))))
    }

    #[test]
    fn memory_is_bounded_and_what_is_old_goes_first() {
        let (start, mut cache) = (Instant::now(), Cache::new(100_000));
        let until = start + Duration::from_secs(1);
        for number in 0..1_000 {
            cache.insert(key(number), of(1_000), until, start);
            // The same again and again takes no more room.
            cache.insert(key(number), of(1_000), until, start);
            assert!(cache.bytes <= 100_000 && cache.queue.len() <= 3 * 100, "{cache:?}");
        }
        assert!(cache.get(&key(0), start).is_none() && cache.get(&key(999), start).is_some());
        let count = cache.by_key.len();
        assert_eq!(cache.bytes, cache.by_key.values().map(|entry| entry.stored.bytes()).sum::<usize>());
        assert!((20..100).contains(&count), "{count}");
        cache.insert(key(5), of(200_000), until, start);
        assert!(cache.bytes <= 100_000, "one that is too large is not kept");
    }

    #[test]
    fn nothing_serves_longer_than_it_may() {
        let (start, mut cache) = (Instant::now(), Cache::new(100_000));
        let after = |ms| start + Duration::from_millis(ms);
        cache.insert(key(1), of(10), after(250), start);
        assert!(cache.get(&key(1), after(249)).is_some());
        assert!(cache.get(&key(1), after(250)).is_none());
        assert!(cache.get(&key_in(1, 2), after(1)).is_none(), "a decision begins anew");
        cache.insert(key(2), of(10), after(500), after(300));
        assert!(!cache.by_key.contains_key(&key(1)), "what is over goes");
        cache.insert(key(3), of(10), after(300), after(300));
        assert!(cache.get(&key(3), after(299)).is_none(), "over before it came");
    }
}
