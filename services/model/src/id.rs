//! Identifiers, labels and texts as the contract limits them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest id and longest label, in characters.
pub const ID_CHARS_MAX: usize = 64;
/// Longest text, in characters.
pub const TEXT_CHARS_MAX: usize = 4096;

/// Whether `text` is an id: 1 to 64 characters out of `A-Z a-z 0-9 . _ : -`.
pub fn is_id(text: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-'))
}

/// Whether `text` is a label: 1 to 64 characters.
pub fn is_label(text: &str) -> bool {
    !text.is_empty() && has_chars_at_most(text, ID_CHARS_MAX)
}

/// Whether `text` is a text: 0 to 4,096 characters.
pub fn is_text(text: &str) -> bool {
    has_chars_at_most(text, TEXT_CHARS_MAX)
}

fn has_chars_at_most(text: &str, chars_max: usize) -> bool {
    // Bytes bound characters from above, so short strings need no count.
    text.len() <= chars_max || text.chars().nth(chars_max).is_none()
}

/// The id of one live broadcast (场次). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Arc<str>", into = "Arc<str>")]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// The id in `text`, or nothing when `text` is not an id.
    pub fn new(text: &str) -> Option<Self> {
        is_id(text).then(|| Self(Arc::from(text)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<Arc<str>> for SessionId {
    type Error = &'static str;

    fn try_from(text: Arc<str>) -> Result<Self, Self::Error> {
        if is_id(&text) { Ok(Self(text)) } else { Err("not a session id") }
    }
}

impl From<SessionId> for Arc<str> {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl std::borrow::Borrow<str> for SessionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_limited_in_length_and_alphabet() {
        for good in ["a", "A.b_c:d-9", &"x".repeat(64)] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "ä", "~other", &"x".repeat(65)] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn labels_and_texts_count_characters_not_bytes() {
        assert!(is_label(&"直".repeat(64)));
        assert!(!is_label(&"直".repeat(65)));
        assert!(!is_label(""));
        assert!(is_text(""));
        assert!(is_text(&"播".repeat(4096)));
        assert!(!is_text(&"播".repeat(4097)));
    }
}
