//! Who may come in. One operator key for now; tenants' keys take their place beside it.

use std::hint::black_box;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The id of the key, not the key: it scopes idempotency keys and may stand in logs. It stays
    /// when the key itself is changed.
    pub(crate) id: &'static str,
    /// Whether everything is allowed.
    pub(crate) is_operator: bool,
}

/// All keys.
pub(crate) struct Keys {
    operator: Vec<u8>,
}

impl Keys {
    pub(crate) fn new(operator: &str) -> Self {
        Self { operator: operator.as_bytes().to_vec() }
    }

    /// Whose key `presented` is.
    pub(crate) fn caller(&self, presented: &[u8]) -> Option<Caller> {
        is_equal(presented, &self.operator).then_some(Caller { id: "operator", is_operator: true })
    }
}

/// Compares in a time that depends on the length of `presented` alone, which its sender knows: how
/// much of a guess was right can't be measured.
fn is_equal(presented: &[u8], expected: &[u8]) -> bool {
    let mut difference = presented.len() ^ expected.len();
    for (index, byte) in presented.iter().enumerate() {
        let other = expected.get(index % expected.len().max(1)).copied().unwrap_or(0);
        difference |= usize::from(black_box(byte ^ other));
    }
    black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_key_is_the_key() {
        let keys = Keys::new("abcdef");
        assert!(keys.caller(b"abcdef").is_some_and(|caller| caller.is_operator));
        for wrong in [&b""[..], b"a", b"abcde", b"abcdeF", b"abcdefg", b"abcdefabcdef", b"ABCDEF"] {
            assert_eq!(keys.caller(wrong), None, "{wrong:?}");
        }
    }
}
