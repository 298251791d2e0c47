//! Idempotency keys: what one looks like, which are under way, and how long receipts stay.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tandem_model::time::DAY_MS;
use tandem_storage::EventLog;
use tokio::sync::watch;

use crate::error::IngestError;

/// How long a receipt is kept, in milliseconds.
pub const KEPT_MS: u64 = DAY_MS;
/// Longest key, in characters.
const KEY_CHARS_MAX: usize = 255;
/// How often old receipts are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(10 * 60);

/// The key in an `Idempotency-Key` header: a structured-field string (RFC 9651), as the IETF draft
/// has it, or the bare key, as most clients send it. Both forms mean the same key.
///
/// # Errors
///
/// When it is neither, or not 1 to 255 characters long.
pub fn parse_key(header: &str) -> Result<String, IngestError> {
    let text = header.trim_matches([' ', '\t']);
    let key = match text.strip_prefix('"') {
        Some(rest) => unquote(rest).ok_or(IngestError::BadKey)?,
        None if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') => text.to_owned(),
        None => return Err(IngestError::BadKey),
    };
    if (1..=KEY_CHARS_MAX).contains(&key.len()) { Ok(key) } else { Err(IngestError::BadKey) }
}

/// The string whose opening quote is already off, if it ends with its closing quote.
fn unquote(rest: &str) -> Option<String> {
    let mut key = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(key),
            '\\' => match characters.next()? {
                escaped @ ('"' | '\\') => key.push(escaped),
                _ => return None,
            },
            plain @ ' '..='~' => key.push(plain),
            _ => return None,
        }
    }
}

/// The keys whose first request is still under way in this process, bounded.
#[derive(Clone, Debug)]
pub(crate) struct UnderWay {
    keys: Arc<Mutex<HashSet<(String, String)>>>,
    keys_max: usize,
}

/// Holds a key until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    keys: Arc<Mutex<HashSet<(String, String)>>>,
    key: (String, String),
}

impl UnderWay {
    pub(crate) fn new(keys_max: usize) -> Self {
        Self { keys: Arc::default(), keys_max }
    }

    pub(crate) fn hold(&self, scope: &str, key: &str) -> Result<Held, IngestError> {
        let mut keys = self.keys.lock();
        let key = (scope.to_owned(), key.to_owned());
        if keys.contains(&key) {
            return Err(IngestError::UnderWay);
        }
        if keys.len() >= self.keys_max {
            return Err(IngestError::Busy);
        }
        keys.insert(key.clone());
        Ok(Held { keys: Arc::clone(&self.keys), key })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.keys.lock().remove(&self.key);
    }
}

/// Forgets receipts older than [`KEPT_MS`], every ten minutes, until `stop` holds true or its
/// sender is gone. `now_ms` is the wall clock in milliseconds.
pub async fn forget_receipts(
    log: Arc<dyn EventLog>,
    mut stop: watch::Receiver<bool>,
    now_ms: impl Fn() -> u64 + Send,
) {
    loop {
        if let Err(error) = log.forget_receipts(now_ms().saturating_sub(KEPT_MS)).await {
            tracing::warn!(%error, "old receipts could not be forgotten; trying again later");
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(FORGET_EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_bare_keys_are_the_same_key() {
        let good = [
            ("abc", "abc"),
            ("\"abc\"", "abc"),
            ("  \"abc\" ", "abc"),
            ("\"a b\"", "a b"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            (r"a\b", r"a\b"),
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ];
        for (header, key) in good {
            assert_eq!(parse_key(header).unwrap(), key, "{header}");
        }
        assert!(parse_key(&"x".repeat(255)).is_ok());
        assert!(parse_key(&format!("\"{}\"", "x".repeat(255))).is_ok());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = "x".repeat(256);
        let bad =
            ["", "\"\"", "\"", "\"a", "a\"", "a b", "\"a\"b", "\"a\";p=1", r#""a\n""#, "\"ä\"", "ä", &long];
        for header in bad {
            assert!(matches!(parse_key(header), Err(IngestError::BadKey)), "{header}");
        }
    }

    #[test]
    fn a_key_is_held_once_and_the_number_is_bounded() {
        let under_way = UnderWay::new(2);
        let first = under_way.hold("s", "k").unwrap();
        assert!(matches!(under_way.hold("s", "k"), Err(IngestError::UnderWay)));
        let _other_scope = under_way.hold("t", "k").unwrap();
        assert!(matches!(under_way.hold("s", "l"), Err(IngestError::Busy)));
        drop(first);
        assert!(under_way.hold("s", "k").is_ok());
    }
}
