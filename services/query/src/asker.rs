//! Who asks: the scope that the gateway sent with a read, decoded.
//!
//! Without the header a caller sees only what is public. What the header holds is ours (the gateway
//! takes off what clients send), so one that can't be read is a mistake and is refused, not taken for
//! another one.
//!
//! # What it costs
//! An operator's scope is one comparison. A small scope is decoded quicker than it would be found; a
//! large one (an MCN with hundreds of anchors) is decoded once and kept.
//!
//! # What was shown before
//! Whose a session is, a node learns by reading it. That must not take longer for somebody else's
//! session than for none, so the first look on behalf of a scope is one at the session's own row: see
//! [`sight`](crate::sight). [`Asker::has_seen`] remembers, without locks and in bounded memory, what
//! that look has shown, and spares it the next time. It is only a hint: what is read is checked again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use parking_lot::Mutex;
use tandem_model::problem::Problem;
use tandem_model::row::SessionRow;
use tandem_model::scope::{Grants, View};
use tandem_model::{Scope, headers};

/// Scopes whose header is shorter are not kept, in bytes.
const KEPT_BYTES_MIN: usize = 256;
/// How many decoded scopes are kept; then all are forgotten at once.
const KEPT_MAX: usize = 64;
/// How many sessions that were shown are remembered, over all scopes: 128 KiB.
const SEEN_MAX: usize = 16_384;

/// One caller, as far as the gateway told.
#[derive(Clone)]
pub(crate) struct Asker {
    inner: Arc<Inner>,
    seen: Arc<Seen>,
}

struct Inner {
    scope: Scope,
    /// Stands for the scope in what is remembered.
    mark: u64,
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Asker").field(&self.inner.scope).finish()
    }
}

impl Asker {
    /// What was granted; nothing where everything is.
    pub(crate) fn grants(&self) -> Option<&Grants> {
        match &self.inner.scope {
            Scope::All => None,
            Scope::Granted(grants) => Some(grants),
        }
    }

    /// How much of a session with this row is shown, as far as the row tells: see [`Scope::view`].
    pub(crate) fn view(&self, session: &SessionRow) -> View<'_> {
        self.inner.scope.view(session.attributes.as_ref())
    }

    /// Whether a whole DWS table may be read, whosoever the sessions are.
    pub(crate) fn has_table(&self, name: &str) -> bool {
        self.inner.scope.has_table(name)
    }

    /// The DWS tables that were granted by name.
    pub(crate) fn tables(&self) -> Vec<&str> {
        self.grants().into_iter().flat_map(|grants| &grants.tables).map(String::as_str).collect()
    }

    /// Whether no session at all can be seen, whatever there is.
    pub(crate) fn sees_no_session(&self) -> bool {
        self.grants().is_some_and(|grants| {
            grants.anchors.is_empty() && grants.merchants.is_empty() && grants.channels.is_empty()
        })
    }

    /// Stands for the scope in what is remembered.
    pub(crate) fn mark(&self) -> u64 {
        self.inner.mark
    }

    /// Refuses whoever is no operator.
    pub(crate) fn check_operator(&self) -> Result<(), Problem> {
        match self.grants() {
            None => Ok(()),
            Some(_) => Err(Problem::forbidden(
                "only an operator's key may read this: ask for the sessions that are yours",
            )),
        }
    }

    /// Whether it is known without a look that the session may be read on behalf of this asker.
    pub(crate) fn has_seen(&self, id: &str) -> bool {
        self.grants().is_none() || self.seen.has(self.inner.mark, id)
    }

    /// Notes that the session was shown.
    pub(crate) fn note_seen(&self, id: &str) {
        if self.grants().is_some() {
            self.seen.note(self.inner.mark, id);
        }
    }
}

/// Everybody who asks.
pub(crate) struct Askers {
    operator: Asker,
    /// An operator's scope as it stands in its header.
    operator_text: String,
    nobody: Asker,
    kept: Mutex<HashMap<Box<[u8]>, Asker>>,
}

impl Default for Askers {
    fn default() -> Self {
        let seen = Arc::new(Seen::new());
        let asker = |scope: Scope| Asker::new(scope, 0, &seen);
        Self {
            operator: asker(Scope::All),
            operator_text: Scope::All.encode(),
            nobody: asker(Scope::Granted(Grants::default())),
            kept: Mutex::default(),
        }
    }
}

impl Asker {
    fn new(scope: Scope, mark: u64, seen: &Arc<Seen>) -> Self {
        Self { inner: Arc::new(Inner { scope, mark }), seen: Arc::clone(seen) }
    }
}

impl Askers {
    /// Who sent these headers.
    ///
    /// # Errors
    ///
    /// When what stands there is no scope, or there are several.
    pub(crate) fn asker(&self, headers: &HeaderMap) -> Result<Asker, Problem> {
        let mut sent = headers.get_all(headers::SCOPE).iter();
        let Some(value) = sent.next() else { return Ok(self.nobody.clone()) };
        let text = value.as_bytes();
        if sent.next().is_some() {
            return Err(bad_scope());
        }
        if text == self.operator_text.as_bytes() {
            return Ok(self.operator.clone());
        }
        if text.len() < KEPT_BYTES_MIN {
            return self.decode(text);
        }
        if let Some(known) = self.kept.lock().get(text) {
            return Ok(known.clone());
        }
        let asker = self.decode(text)?;
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(text.into(), asker.clone());
        Ok(asker)
    }

    fn decode(&self, text: &[u8]) -> Result<Asker, Problem> {
        let scope = std::str::from_utf8(text).ok().and_then(|text| Scope::decode(text).ok());
        let seen = &self.operator.seen;
        scope.map(|scope| Asker::new(scope, seen.hasher.hash_one(text), seen)).ok_or_else(bad_scope)
    }
}

fn bad_scope() -> Problem {
    Problem::bad_request(format!("the header `{}` must be one scope", headers::SCOPE))
}

/// Which sessions were shown to whom: a table of fixed size in which the newer takes the place of the
/// older. The hash is keyed at random, so nobody can aim at a place. Two that fall together cost a
/// look, or spare one: what is read is checked either way.
struct Seen {
    hasher: RandomState,
    places: Box<[AtomicU64]>,
}

impl Seen {
    fn new() -> Self {
        Self { hasher: RandomState::new(), places: (0..SEEN_MAX).map(|_| AtomicU64::new(0)).collect() }
    }

    fn place(&self, mark: u64, id: &str) -> (&AtomicU64, u64) {
        let hash = self.hasher.hash_one((mark, id));
        // 0 stands for nothing.
        (&self.places[hash as usize % SEEN_MAX], hash | 1)
    }

    fn has(&self, mark: u64, id: &str) -> bool {
        let (place, hash) = self.place(mark, id);
        place.load(Ordering::Relaxed) == hash
    }

    fn note(&self, mark: u64, id: &str) {
        let (place, hash) = self.place(mark, id);
        place.store(hash, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn granted(anchors: impl IntoIterator<Item = String>) -> Scope {
        Scope::Granted(Grants { anchors: anchors.into_iter().collect(), ..Grants::default() })
    }

    fn headers_with(texts: &[String]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for text in texts {
            headers.append(headers::SCOPE, HeaderValue::try_from(text).unwrap());
        }
        headers
    }

    #[test]
    fn a_scope_is_what_its_header_says_and_nothing_is_nobody() {
        let askers = Askers::default();
        let asker = |texts: &[String]| askers.asker(&headers_with(texts));
        assert_eq!(asker(&[]).unwrap().grants(), Some(&Grants::default()));
        assert!(asker(&[Scope::All.encode()]).unwrap().grants().is_none());
        // Small and large ones, the latter twice: decoded and kept.
        for count in [0, 1, 3, 300, 300] {
            let scope = granted((0..count).map(|number| format!("a{number}")));
            let found = asker(&[scope.encode()]).unwrap();
            assert_eq!(found.inner.scope, scope);
        }
        assert_eq!(askers.kept.lock().len(), 1);
        for wrong in
            [vec![String::new()], vec!["!".to_owned()], vec![Scope::All.encode(), Scope::All.encode()]]
        {
            let problem = asker(&wrong).unwrap_err();
            assert_eq!((problem.status, problem.detail.contains("tandem-scope")), (400, true), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let askers = Askers::default();
        for number in 0..3 * KEPT_MAX {
            let scope = granted((0..100).map(|anchor| format!("a{number}-{anchor}")));
            assert_eq!(askers.asker(&headers_with(&[scope.encode()])).unwrap().inner.scope, scope);
            assert!(askers.kept.lock().len() <= KEPT_MAX);
        }
    }

    #[test]
    fn what_was_shown_to_one_was_not_shown_to_another() {
        let askers = Askers::default();
        let asker =
            |anchor: &str| askers.asker(&headers_with(&[granted([anchor.to_owned()]).encode()])).unwrap();
        let (one, other) = (asker("a1"), asker("a2"));
        assert!(!one.has_seen("s1"));
        one.note_seen("s1");
        assert!(one.has_seen("s1") && asker("a1").has_seen("s1"));
        assert!(!one.has_seen("s2") && !other.has_seen("s1"));
        let operator = askers.asker(&headers_with(&[Scope::All.encode()])).unwrap();
        assert!(operator.has_seen("anything"));
    }
}
