//! What a key looks like: `tdm_<id>_<secret><check>`.
//!
//! - `tdm_` makes it known to whoever finds it: people, and scanners for secrets in repositories.
//! - The id (11 letters and digits, 64 random bits) names the key; it is no secret.
//! - The secret is 43 letters and digits: 256 random bits.
//! - The check (6 letters and digits) is the CRC-32 of all before it: a key that was cut or mistyped
//!   is told at once, and a scanner is sure of what it found. It protects nothing.
//!
//! # Why a fast hash
//! Of a bearer key the file holds the SHA-256 of the secret. Slow hashes (Argon2 and the like) are for
//! what people make up, where somebody with the hash could try all likely passwords. Nobody can try a
//! share worth naming of 2^256 secrets, however fast each try is. And a slow hash on each request would be
//! a gift to whoever wants to keep us busy with wrong keys.

use std::fmt;

use ring::hmac;

use super::base62::{digits, encode, is_base62};
use crate::sha256;

/// What each key begins with.
pub(crate) const PREFIX: &str = "tdm_";
const ID_CHARS: usize = 11;
const SECRET_CHARS: usize = 43;
const CHECK_CHARS: usize = 6;
/// What a signing key is derived for. Another use gets another text.
const SIGNING: &[u8] = b"tandem signing key v1";

/// A key in full, as its owner has it. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    id: String,
    secret: String,
}

/// Why a text is no key. It says nothing of which keys there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFormError {
    /// It looks otherwise.
    #[error("a key looks like tdm_<id>_<secret>")]
    Shape,
    /// The check at its end does not fit.
    #[error("the key is mistyped or cut: its last characters do not fit the others")]
    Check,
}

impl Key {
    /// A key out of 40 random bytes, which nobody else may know.
    pub fn from_random(random: &[u8; 40]) -> Self {
        let (id, secret) = random.split_at(8);
        Self { id: encode(id, ID_CHARS), secret: encode(secret, SECRET_CHARS) }
    }

    /// The key in `text`.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, KeyFormError> {
        let rest = text.strip_prefix(PREFIX).ok_or(KeyFormError::Shape)?;
        let (id, rest) = rest.split_once('_').ok_or(KeyFormError::Shape)?;
        if !is_id(id) || !is_base62(rest) {
            return Err(KeyFormError::Shape);
        }
        let (secret, check) = rest.split_at_checked(SECRET_CHARS).ok_or(KeyFormError::Check)?;
        let key = Self { id: id.to_owned(), secret: secret.to_owned() };
        if check.as_bytes() == key.check() { Ok(key) } else { Err(KeyFormError::Check) }
    }

    /// What names it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key as its owner sends it.
    pub fn to_text(&self) -> String {
        let check: String = self.check().map(char::from).iter().collect();
        format!("{PREFIX}{}_{}{check}", self.id, self.secret)
    }

    /// What is kept of a bearer key.
    pub fn secret_sha256(&self) -> [u8; 32] {
        sha256(self.secret.as_bytes())
    }

    /// What is kept of a signing key: see [`signing_key`].
    pub fn signing_key(&self) -> [u8; 32] {
        signing_key(&self.secret)
    }

    fn check(&self) -> [u8; CHECK_CHARS] {
        let mut crc = crc32fast::Hasher::new();
        for part in [PREFIX, &self.id, "_", &self.secret] {
            crc.update(part.as_bytes());
        }
        digits(crc.finalize())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({PREFIX}{}_…)", self.id)
    }
}

/// Whether a key may be called so.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == ID_CHARS && is_base62(text)
}

/// What requests are signed with: HMAC-SHA256 under the secret (its 43 characters) of a fixed text.
///
/// To check an HMAC one needs what it was made with: so whoever reads it in the file can sign, which
/// is why the file must not be readable for others. What can't be had from it is the secret itself.
pub fn signing_key(secret: &str) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut out = [0; 32];
    out.copy_from_slice(hmac::sign(&key, SIGNING).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn random() -> impl Strategy<Value = [u8; 40]> {
        proptest::collection::vec(any::<u8>(), 40).prop_map(|bytes| bytes.try_into().unwrap())
    }

    proptest! {
        #[test]
        fn a_key_is_read_as_it_was_written(random in random()) {
            let key = Key::from_random(&random);
            let text = key.to_text();
            prop_assert_eq!(text.len(), 4 + 11 + 1 + 43 + 6);
            prop_assert_eq!(Key::parse(&text), Ok(key.clone()));
            let shown = format!("{key:?}");
            prop_assert!(shown.contains(key.id()) && !shown.contains(&key.secret[..4]));
        }

        #[test]
        fn one_wrong_character_is_noticed(random in random(), place in 16_usize..65, other in "[0-9A-Za-z]") {
            let text = Key::from_random(&random).to_text();
            let mut wrong = text.clone();
            wrong.replace_range(place..=place, &other);
            prop_assume!(wrong != text);
            prop_assert_eq!(Key::parse(&wrong), Err(KeyFormError::Check));
        }

        #[test]
        fn any_text_is_a_key_or_not(text in "(tdm_)?[a-z0-9_é]{0,70}") {
            _ = Key::parse(&text);
        }
    }

    #[test]
    fn what_is_no_key_is_told_from_what_is_cut() {
        let text = Key::from_random(&[7; 40]).to_text();
        for wrong in ["", "tdm_", "tdm__", "secret", &text[1..], &text.replacen('_', "-", 1)] {
            assert_eq!(Key::parse(wrong), Err(KeyFormError::Shape), "{wrong}");
        }
        for cut in [&text[..text.len() - 1], &text[..40], &format!("{text}0")] {
            assert_eq!(Key::parse(cut), Err(KeyFormError::Check), "{cut}");
        }
        assert_eq!(Key::parse(&format!("{}é", &text[..64])), Err(KeyFormError::Shape));
    }

    #[test]
    fn what_is_kept_of_a_key_differs_by_kind() {
        let key = Key::from_random(&[7; 40]);
        assert_ne!(key.secret_sha256(), key.signing_key());
        assert_eq!(key.secret_sha256(), sha256(key.secret.as_bytes()));
    }
}
