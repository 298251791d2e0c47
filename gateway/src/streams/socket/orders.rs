//! What a client may say, and how often: pure.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

/// So many messages, answers to pings among them, may come at once.
const BURST: u32 = 64;
/// And one more each time this has passed.
const ONE_MORE_EVERY: Duration = Duration::from_millis(125);

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Order {
    /// To follow these sessions too.
    Subscribe {
        /// Their ids.
        sessions: Vec<String>,
        /// The id of the last event, to go on there.
        id: Option<String>,
    },
    /// Not to follow them any more.
    Unsubscribe {
        /// Their ids.
        sessions: Vec<String>,
    },
}

impl Order {
    /// Reads a message; why its sender is let go where it is none.
    pub(super) fn parse(text: &str, is_several: bool) -> Result<Self, &'static str> {
        if !is_several {
            return Err("a stream of one session takes no messages: open /v1/stream for several");
        }
        serde_json::from_str(text)
            .map_err(|_| "that is no message of tandem.v1: send subscribe or unsubscribe, with sessions")
    }
}

/// How fast a client may talk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    left: u32,
    since: Instant,
}

impl Pace {
    /// For a client that has said nothing.
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST, since: now }
    }

    /// Whether it may say one more thing now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.since).as_millis() / ONE_MORE_EVERY.as_millis();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(earned).min(BURST);
        // What is left of the time counts for the next one.
        self.since = if self.left == BURST { now } else { self.since + ONE_MORE_EVERY * earned };
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_a_flood_does_not() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        assert!((0..BURST).all(|_| pace.take(now)));
        assert!(!pace.take(now));
        now += ONE_MORE_EVERY;
        assert!(pace.take(now) && !pace.take(now));
        for _ in 0..1_000 {
            now += ONE_MORE_EVERY;
            assert!(pace.take(now), "a steady client may go on for ever");
        }
        for step in 0..4 {
            now += ONE_MORE_EVERY / 4;
            assert_eq!(pace.take(now), step == 3, "parts of the time add up");
        }
        now += Duration::from_secs(3_600);
        assert_eq!((0..1_000).filter(|_| pace.take(now)).count(), BURST as usize);
    }

    #[test]
    fn only_what_is_meant_is_taken() {
        let subscribe = r#"{"type":"subscribe","sessions":["a","b"],"id":"x"}"#;
        let sessions = vec!["a".to_owned(), "b".to_owned()];
        let expected = Order::Subscribe { sessions: sessions.clone(), id: Some("x".to_owned()) };
        assert_eq!(Order::parse(subscribe, true), Ok(expected));
        let unsubscribe = r#"{"type":"unsubscribe","sessions":["a","b"]}"#;
        assert_eq!(Order::parse(unsubscribe, true), Ok(Order::Unsubscribe { sessions }));
        assert!(Order::parse(subscribe, false).is_err());
        for bad in [
            "",
            "subscribe",
            "[]",
            r#"{"type":"Subscribe","sessions":[]}"#,
            r#"{"type":"subscribe"}"#,
            r#"{"type":"subscribe","sessions":"a"}"#,
            r#"{"type":"subscribe","sessions":["a"],"more":1}"#,
            r#"{"type":"unsubscribe","sessions":["a"],"id":"x"}"#,
        ] {
            assert!(Order::parse(bad, true).is_err(), "{bad}");
        }
    }
}
