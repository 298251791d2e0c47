//! Viewers outside the log: only ever a keyed pseudonym.

use siphasher::sip128::{Hasher128, SipHasher24};

/// The key of the pseudonyms; one for both chains, so that their rows agree.
#[derive(Clone, Copy)]
pub struct PseudonymKey([u8; 16]);

impl PseudonymKey {
    /// A key from 16 secret bytes.
    pub const fn new(secret: [u8; 16]) -> Self {
        Self(secret)
    }

    /// The pseudonym of `user_id`: SipHash-2-4 with 128 bits of output (Aumasson and Bernstein,
    /// 2012), a keyed pseudo-random function, so it can't be turned back without the key.
    pub fn of(&self, user_id: &str) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        std::hash::Hasher::write(&mut hasher, user_id.as_bytes());
        hasher.finish128().as_u128()
    }
}

impl std::fmt::Debug for PseudonymKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PseudonymKey(…)")
    }
}
