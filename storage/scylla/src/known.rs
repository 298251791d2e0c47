//! Sessions whose headers we know, so that writing them needs no look first.
//!
//! Bounded: what was not used for long is forgotten and looked up again. What is remembered may be
//! behind the store, when another process wrote the session meanwhile; timestamps see to it that
//! this does no harm.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tandem_model::row::SessionState;
use tandem_model::{SessionId, SessionRow};

use crate::mutation::sort_key;

/// What we know of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The offset up to which the store has it.
    pub(crate) next: u64,
    /// Where it is listed.
    pub(crate) place: Place,
}

/// Where a session is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) sort_ts: i64,
    pub(crate) state: SessionState,
    pub(crate) anchor_id: Option<Arc<str>>,
}

impl Place {
    pub(crate) fn of(row: &SessionRow) -> Self {
        Self {
            sort_ts: sort_key(row),
            state: row.state,
            anchor_id: row.attributes.as_ref().map(|attributes| Arc::from(attributes.anchor_id.as_str())),
        }
    }
}

/// Headers by session, at most about `sessions_max` of them.
pub(crate) struct Known {
    inner: Mutex<Inner>,
    half: usize,
}

#[derive(Default)]
struct Inner {
    /// Used since the last turn.
    recent: HashMap<SessionId, Header>,
    /// Used before it; those that are not used until the next are forgotten.
    earlier: HashMap<SessionId, Header>,
}

impl Known {
    pub(crate) fn new(sessions_max: usize) -> Self {
        Self { inner: Mutex::default(), half: sessions_max / 2 }
    }

    pub(crate) fn get(&self, id: &SessionId) -> Option<Header> {
        let mut inner = self.inner.lock();
        if let Some(header) = inner.recent.get(id) {
            return Some(header.clone());
        }
        let header = inner.earlier.remove(id)?;
        self.insert(&mut inner, id.clone(), header.clone());
        Some(header)
    }

    /// Notes a session's header; never back behind what is known.
    pub(crate) fn note(&self, id: SessionId, header: Header) {
        let mut inner = self.inner.lock();
        let known = inner.recent.get(&id).or_else(|| inner.earlier.get(&id));
        if known.is_none_or(|known| known.next <= header.next) {
            inner.earlier.remove(&id);
            self.insert(&mut inner, id, header);
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        *self.inner.lock() = Inner::default();
    }

    fn insert(&self, inner: &mut Inner, id: SessionId, header: Header) {
        if inner.recent.len() >= self.half {
            inner.earlier = std::mem::take(&mut inner.recent);
        }
        inner.recent.insert(id, header);
    }

    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        let inner = self.inner.lock();
        inner.recent.len() + inner.earlier.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_storage::suite::fixtures::session_id;

    fn header(next: u64) -> Header {
        Header { next, place: Place::of(&SessionRow::default()) }
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let known = Known::new(20);
        let used = session_id("used");
        known.note(used.clone(), header(1));
        for number in 0..1_000 {
            known.note(session_id(&format!("s-{number}")), header(number));
            assert_eq!(known.get(&used), Some(header(1)));
            assert!(known.len() <= 20);
        }
        assert_eq!(known.get(&session_id("s-0")), None);
        assert_eq!(known.get(&session_id("s-999")), Some(header(999)));
    }

    #[test]
    fn it_never_goes_back() {
        let known = Known::new(20);
        let id = session_id("s");
        known.note(id.clone(), header(5));
        known.note(id.clone(), header(3));
        assert_eq!(known.get(&id), Some(header(5)));
    }
}
