//! The operator's key: who shows it may do everything.

use std::fmt;
use std::hint::black_box;

use http::HeaderValue;

/// A key that is sent as a bearer token. Not shown by `Debug`.
#[derive(Clone)]
pub struct OperatorKey(String);

impl OperatorKey {
    /// The key in `text`, which whoever configures it has checked to be a bearer token.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Compares in a time that depends on the length of `presented` alone, which its sender knows:
    /// how much of a guess was right can't be measured.
    pub fn matches(&self, presented: &[u8]) -> bool {
        let expected = self.0.as_bytes();
        let mut difference = presented.len() ^ expected.len();
        for (index, byte) in presented.iter().enumerate() {
            let other = expected.get(index % expected.len().max(1)).copied().unwrap_or(0);
            difference |= usize::from(black_box(byte ^ other));
        }
        black_box(difference) == 0
    }

    /// The value of an `Authorization` header that shows it; none where it holds what a header
    /// can't.
    pub fn bearer(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OperatorKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_key_is_the_key_and_it_is_not_shown() {
        let key = OperatorKey::new("abcdef");
        assert!(key.matches(b"abcdef"));
        for wrong in [&b""[..], b"a", b"abcde", b"abcdeF", b"abcdefg", b"abcdefabcdef", b"ABCDEF"] {
            assert!(!key.matches(wrong), "{wrong:?}");
        }
        assert!(!OperatorKey::new("").matches(b"x"));
        assert_eq!(format!("{key:?} {:?}", key.bearer().unwrap()), "OperatorKey(…) Sensitive");
    }
}
