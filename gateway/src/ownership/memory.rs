//! Which sessions were found to be whose, for a short while: so that a sender of a live session costs
//! the chains one question a minute.
//!
//! Two halves, of which the older is thrown away: bounded in size and in time without a list of what was
//! used last.

use std::collections::HashMap;
use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tandem_model::SessionId;
use tokio::time::Instant;

/// Most sessions in one half.
const HALF_MAX: usize = 25_000;
/// How long one half is filled. What is known is at most twice as old.
const HALF_AGE: Duration = Duration::from_secs(30);

/// By the id of a key and the session: the anchor that the session belongs to.
type Half = HashMap<(Arc<str>, SessionId), Arc<str>>;

/// Sessions with their anchors, for each key apart.
#[derive(Default)]
pub(super) struct Memory(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    young: Half,
    old: Half,
    begun: Option<Instant>,
}

impl Memory {
    /// The anchor that the session was found to belong to when this key asked.
    pub(super) fn anchor_of(&self, key_id: &Arc<str>, session: &SessionId) -> Option<Arc<str>> {
        let mut halves = self.0.lock();
        halves.age();
        let wanted = (Arc::clone(key_id), session.clone());
        halves.young.get(&wanted).or_else(|| halves.old.get(&wanted)).cloned()
    }

    /// Notes what was found.
    pub(super) fn note(&self, key_id: &Arc<str>, session: SessionId, anchor: Arc<str>) {
        let mut halves = self.0.lock();
        halves.age();
        halves.young.insert((Arc::clone(key_id), session), anchor);
    }
}

impl Halves {
    fn age(&mut self) {
        let now = Instant::now();
        let begun = *self.begun.get_or_insert(now);
        if now.duration_since(begun) >= 2 * HALF_AGE {
            *self = Self { begun: Some(now), ..Self::default() };
        } else if now.duration_since(begun) >= HALF_AGE || self.young.len() >= HALF_MAX {
            self.old = take(&mut self.young);
            self.begun = Some((begun + HALF_AGE).min(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_the_keys_own_and_grows_old() {
        let memory = Memory::default();
        let [key, other, anchor]: [Arc<str>; 3] = ["key".into(), "other".into(), "a1".into()];
        let session = |text: &str| SessionId::new(text).unwrap();
        let known = |key: &Arc<str>, text: &str| memory.anchor_of(key, &session(text));
        memory.note(&key, session("s1"), Arc::clone(&anchor));
        assert_eq!(known(&key, "s1"), Some(anchor.clone()));
        assert_eq!((known(&other, "s1"), known(&key, "s2")), (None, None));
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(19)).await;
            assert_eq!(known(&key, "s1"), Some(anchor.clone()), "looking at it keeps it no longer");
        }
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(known(&key, "s1"), None);
        memory.note(&key, session("s1"), Arc::clone(&anchor));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(known(&key, "s1"), None);
    }

    #[test]
    fn it_is_bounded() {
        let memory = Memory::default();
        let key: Arc<str> = "key".into();
        for index in 0..3 * HALF_MAX {
            memory.note(&key, SessionId::new(&index.to_string()).unwrap(), Arc::clone(&key));
        }
        let halves = memory.0.lock();
        assert!(halves.young.len() + halves.old.len() <= 2 * HALF_MAX);
    }
}
