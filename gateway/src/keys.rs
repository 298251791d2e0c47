//! Who may come in. One operator key for now; tenants' keys take their place beside it.

use tandem_control::OperatorKey;

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
    operator: OperatorKey,
}

impl Keys {
    pub(crate) fn new(operator: &str) -> Self {
        Self { operator: OperatorKey::new(operator) }
    }

    /// Whose key `presented` is.
    pub(crate) fn caller(&self, presented: &[u8]) -> Option<Caller> {
        self.operator.matches(presented).then_some(Caller { id: "operator", is_operator: true })
    }
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
