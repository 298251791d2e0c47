//! Who asks, as this gateway knows it right now: what may be replaced while it runs, and what stays.
//!
//! The decision itself is `tandem-identity`'s. Here are the clock, the memory of signed requests, which
//! outlives every change of keys, and the counts.

use std::sync::Arc;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use parking_lot::{Mutex, RwLock};
use tandem_identity::{
    Caller, Credential, Head, Identified, Identity, JwtRules, KeySet, Refusal, Replayed, Replays, Signed,
};
use tandem_ingest::wall_ms;
use tandem_model::problem::Problem;
use tokio::sync::{Notify, watch};

use crate::auth::Known;
use crate::counters::Counters;

/// Everybody who may ask.
pub(crate) struct Callers {
    identity: RwLock<Identity>,
    replays: Mutex<Replays>,
    token_key_missed: Notify,
    /// Changes with everything that is taken into use.
    changes: watch::Sender<()>,
    known: Known,
    counters: Arc<Counters>,
}

/// The SHA-256 that the body of a signed request must have. In the extensions of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignedBody(pub(crate) [u8; 32]);

/// What somebody showed, as far as it is asked for again: by streams, which outlive it. In the
/// extensions of the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// A token of somebody else's making, as a header. Of keys the id is enough.
    token: Option<HeaderValue>,
    /// When it ends by itself, in milliseconds since the epoch.
    pub(crate) until_ms: Option<u64>,
}

/// How it is with somebody who was let in before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As it was.
    Same,
    /// It may read, and not the same as before.
    Changed,
    /// It may not read any more.
    Over,
}

/// A copy of its own: the original holds on to the whole header of its request.
fn owned(value: &HeaderValue) -> HeaderValue {
    let mut copy = HeaderValue::from_bytes(value.as_bytes()).expect("it was a header before");
    copy.set_sensitive(true);
    copy
}

/// Why somebody is not let in.
#[derive(Debug)]
pub(crate) struct NotLetIn {
    /// The answer.
    pub(crate) reason: Problem,
    /// Whose signature it was that came a second time.
    pub(crate) replayed: Option<Box<Caller>>,
}

impl Callers {
    /// The operator alone, until keys are taken into use.
    pub(crate) fn new(operator_key: &str, counters: Arc<Counters>) -> Self {
        Self {
            identity: RwLock::new(Identity::new(operator_key)),
            replays: Mutex::default(),
            token_key_missed: Notify::new(),
            changes: watch::Sender::new(()),
            known: Known::default(),
            counters,
        }
    }

    pub(crate) fn use_keys(&self, keys: Arc<KeySet>) {
        let mut identity = self.identity.write();
        *identity = identity.clone().with_keys(keys);
        drop(identity);
        self.changes.send_replace(());
        self.counters.callers.loaded.add_one();
    }

    /// Takes this operator's key into use, in the place of the one before.
    pub(crate) fn use_operator(&self, operator_key: &str) {
        let mut identity = self.identity.write();
        *identity = identity.clone().with_operator(operator_key);
    }

    pub(crate) fn use_tokens(&self, rules: JwtRules) {
        let mut identity = self.identity.write();
        *identity = identity.clone().with_jwt(Some(rules));
        drop(identity);
        self.changes.send_replace(());
        self.counters.callers.loaded.add_one();
    }

    /// What was good not long ago.
    pub(crate) const fn known(&self) -> &Known {
        &self.known
    }

    pub(crate) async fn token_key_missed(&self) {
        self.token_key_missed.notified().await;
    }

    /// Changes whenever other keys, or other rules for tokens, are taken into use.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// How it is now with somebody who was let in before.
    pub(crate) fn standing(&self, caller: &Caller, shown: &Shown) -> Standing {
        let now_ms = wall_ms();
        let identity = self.identity.read().clone();
        let found = match (caller.how, &shown.token) {
            (Credential::Operator, _) => return Standing::Same,
            (Credential::Key | Credential::Signature, _) => identity.holder(&caller.key_id, now_ms),
            (Credential::Jwt, None) => return Standing::Over,
            (Credential::Jwt, Some(token)) => {
                let headers = http::HeaderMap::from_iter([(AUTHORIZATION, token.clone())]);
                let (method, uri) = (http::Method::GET, http::Uri::from_static("/"));
                let head = Head { method: &method, uri: &uri, headers: &headers };
                identity.identify(head, now_ms).map(|found| found.caller)
            }
        };
        match found {
            Ok(now) if now == *caller => Standing::Same,
            Ok(now) if now.may.read => Standing::Changed,
            Ok(_) | Err(_) => Standing::Over,
        }
    }

    /// Who sent a request; of a signed one also what its body must be.
    ///
    /// # Errors
    ///
    /// Why somebody is not let in.
    pub(crate) fn identify(&self, head: Head<'_>) -> Result<(Caller, Shown, Option<SignedBody>), NotLetIn> {
        let now_ms = wall_ms();
        // Cheap to clone: so a change of keys waits for no signature.
        let identity = self.identity.read().clone();
        let Identified { caller, signed, until_ms } = identity.identify(head, now_ms).map_err(|refusal| {
            self.count(refusal);
            NotLetIn { reason: Problem::unauthorized(refusal.to_string()), replayed: None }
        })?;
        let token = head.headers.get(AUTHORIZATION).filter(|_| caller.how == Credential::Jwt);
        let shown = Shown { token: token.map(owned), until_ms };
        let Some(Signed { nonce, body_sha256 }) = signed else { return Ok((caller, shown, None)) };
        let taken = self.replays.lock().take(nonce, now_ms);
        let counters = &self.counters.callers;
        match taken {
            Ok(()) => Ok((caller, shown, Some(SignedBody(body_sha256)))),
            Err(again @ (Replayed::Again | Replayed::Stale)) => {
                counters.replayed.add_one();
                let reason = Problem::unauthorized(again.to_string());
                // One that comes late may be slow or have a wrong clock; one that comes twice is not the sender's.
                let replayed = (again == Replayed::Again).then(|| Box::new(caller));
                Err(NotLetIn { reason, replayed })
            }
            Err(full @ Replayed::Full) => {
                counters.replays_full.add_one();
                Err(NotLetIn { reason: Problem::unavailable(full.to_string()), replayed: None })
            }
        }
    }

    fn count(&self, refusal: Refusal) {
        if refusal.is_unknown_token_key() {
            self.token_key_missed.notify_one();
        }
        let counters = &self.counters.callers;
        match refusal {
            Refusal::Missing => {}
            Refusal::Several | Refusal::Scheme | Refusal::Form(_) | Refusal::Unknown => {
                counters.unknown.add_one();
            }
            Refusal::Expired | Refusal::Revoked => counters.ended.add_one(),
            Refusal::Token(_) => counters.tokens.add_one(),
            Refusal::Signature(_) => counters.signatures.add_one(),
        }
    }
}
