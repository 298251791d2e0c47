//! Who is asking.
//!
//! Pure: the head of a request and the time come in, a [`Caller`] or a [`Refusal`] comes out. Files,
//! sockets and clocks are the shell's; what it loads it hands in as bytes, and swaps the whole
//! [`Identity`] when something changes.
//!
//! | file | what |
//! |---|---|
//! | `identity.rs` | which credential a request shows, and what comes of it |
//! | `caller.rs` `refusal.rs` | the two outcomes |
//! | `keys/` | the form of a key, and the file that holds all of them |
//! | `jwt/` | tokens of somebody else's making, and the keys that sign them |
//! | `signature/` | requests that are signed, and what exactly is signed |
//! | `replays.rs` | signed requests that were taken already |
//!
//! # What holds
//! - Nothing that is kept here opens anything, but for the signing keys: of a bearer key only a hash
//!   is known.
//! - No refusal says whether a key id exists: whoever has not shown the secret hears the same words,
//!   after the same work.
//! - A token may narrow what its tenant sees, never widen it.
//! - Everything is bounded, whatever is sent.

mod caller;
mod hexadecimal;
mod identity;
mod jwt;
mod keys;
mod names;
mod refusal;
mod replays;
mod signature;
mod when;

pub use caller::{Caller, Credential, Permissions};
pub use hexadecimal::{from_hexadecimal, to_hexadecimal};
pub use identity::{Head, Identified, Identity, Signed, is_strong};
pub use jwt::{Jwks, JwksError, JwtRules};
pub use keys::{
    FILE_BYTES_MAX, Key, KeyFileError, KeyFormError, KeyKind, KeyLife, KeySet, KeySummary, LIVE_KEYS_MAX,
    TenantSummary, signing_key,
};
pub use names::is_name;
pub use refusal::{Refusal, SignatureFault, TokenFault};
pub use replays::{NONCES_MAX, NONCES_PER_KEY_MAX, Nonce, Replayed, Replays};
pub use signature::{CanonicalError, Parameters, SCHEME, SIGNED_WHEN_PRESENT, canonical_request, sign};
pub use when::{from_datetime, to_text};

/// How far a clock of a client may be off ours, in milliseconds, either way.
pub const SKEW_MS: u64 = 60_000;

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(bytes);
    hash.finish()
}

/// A SHA-256 of what comes in parts.
#[derive(Clone)]
pub struct Sha256(ring::digest::Context);

impl Sha256 {
    /// Of nothing yet.
    #[allow(clippy::new_without_default, reason = "a hash of nothing is no default of anything")]
    pub fn new() -> Self {
        Self(ring::digest::Context::new(&ring::digest::SHA256))
    }

    /// Adds a part.
    pub fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// The hash of all parts.
    pub fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}
