//! The operator's key.

use std::fmt;

/// How long a key may be, in characters.
const CHARS_MAX: usize = 256;
/// How long a key of ours is: 26 characters of 62 are 154 bits.
const RANDOM_CHARS: usize = 26;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key that can be sent as a bearer token. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

/// Why a text can't be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key must be 1 to {CHARS_MAX} characters out of A-Z a-z 0-9 - . _ ~ + / =: check --key and TANDEM_KEY"
)]
pub struct NotAKey;

impl Key {
    /// The key in `text`: what RFC 6750 allows as a bearer token.
    ///
    /// # Errors
    ///
    /// When it holds anything else, is empty or too long.
    pub fn new(text: &str) -> Result<Self, NotAKey> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        let is_key = (1..=CHARS_MAX).contains(&text.len()) && text.bytes().all(is_allowed);
        if is_key { Ok(Self(text.to_owned())) } else { Err(NotAKey) }
    }

    /// A key nobody can guess.
    ///
    /// # Errors
    ///
    /// When the operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut text = String::with_capacity(RANDOM_CHARS);
        while text.len() < RANDOM_CHARS {
            let mut bytes = [0_u8; 64];
            getrandom::fill(&mut bytes)?;
            // Six bits each; 62 and 63 are thrown away, so that all characters are equally likely.
            let characters = bytes.iter().filter_map(|byte| BASE62.get(usize::from(byte & 63)));
            text.extend(characters.take(RANDOM_CHARS - text.len()).map(|byte| char::from(*byte)));
        }
        Ok(Self(text))
    }

    /// The key as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bearer_tokens() {
        for good in ["k", "secret", "a-b.c_d~e+f/g=", &"x".repeat(256)] {
            assert!(Key::new(good).is_ok(), "{good}");
        }
        for bad in ["", "two words", "schlüssel", "a\nb", &"x".repeat(257)] {
            assert_eq!(Key::new(bad), Err(NotAKey), "{bad}");
        }
    }

    #[test]
    fn random_keys_are_keys_and_differ() {
        let (one, other) = (Key::random().unwrap(), Key::random().unwrap());
        assert_eq!(one.as_str().len(), RANDOM_CHARS);
        assert!(one.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one, other);
        assert_eq!(format!("{one:?}"), "Key(…)");
    }
}
