//! Who asks, as this gateway knows it right now: what may be replaced while it runs, and what stays.
//!
//! The decision itself is `tandem-identity`'s. Here are the clock, the memory of signed requests, which
//! outlives every change of keys, and the counts.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tandem_identity::{
    Caller, Head, Identified, Identity, JwtRules, KeySet, Refusal, Replayed, Replays, Signed,
};
use tandem_ingest::wall_ms;
use tandem_model::problem::Problem;
use tokio::sync::Notify;

use crate::counters::Counters;

/// Everybody who may ask.
pub(crate) struct Callers {
    identity: RwLock<Identity>,
    replays: Mutex<Replays>,
    token_key_missed: Notify,
    counters: Arc<Counters>,
}

/// The SHA-256 that the body of a signed request must have. In the extensions of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignedBody(pub(crate) [u8; 32]);

impl Callers {
    /// The operator alone, until keys are taken into use.
    pub(crate) fn new(operator_key: &str, counters: Arc<Counters>) -> Self {
        Self {
            identity: RwLock::new(Identity::new(operator_key)),
            replays: Mutex::default(),
            token_key_missed: Notify::new(),
            counters,
        }
    }

    pub(crate) fn use_keys(&self, keys: Arc<KeySet>) {
        let mut identity = self.identity.write();
        *identity = identity.clone().with_keys(keys);
        self.counters.callers.loaded.add_one();
    }

    pub(crate) fn use_tokens(&self, rules: JwtRules) {
        let mut identity = self.identity.write();
        *identity = identity.clone().with_jwt(Some(rules));
        self.counters.callers.loaded.add_one();
    }

    pub(crate) async fn token_key_missed(&self) {
        self.token_key_missed.notified().await;
    }

    /// Who sent a request; of a signed one also what its body must be.
    ///
    /// # Errors
    ///
    /// The answer to whoever is not let in.
    pub(crate) fn identify(&self, head: Head<'_>) -> Result<(Caller, Option<SignedBody>), Problem> {
        let now_ms = wall_ms();
        // Cheap to clone: so a change of keys waits for no signature.
        let identity = self.identity.read().clone();
        let Identified { caller, signed } = identity.identify(head, now_ms).map_err(|refusal| {
            self.count(refusal);
            Problem::unauthorized(refusal.to_string())
        })?;
        let Some(Signed { nonce, body_sha256 }) = signed else { return Ok((caller, None)) };
        let taken = self.replays.lock().take(nonce, now_ms);
        taken.map_err(|replayed| {
            let counters = &self.counters.callers;
            let detail = replayed.to_string();
            match replayed {
                Replayed::Again | Replayed::Stale => {
                    counters.replayed.add_one();
                    Problem::unauthorized(detail)
                }
                Replayed::Full => {
                    counters.replays_full.add_one();
                    Problem::unavailable(detail)
                }
            }
        })?;
        Ok((caller, Some(SignedBody(body_sha256))))
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
