//! Writing events as lines.

use bytes::Bytes;
use tandem_model::event::EventType;

/// A line under construction: fields in the order they are added.
pub(super) struct Line {
    text: String,
}

impl Line {
    /// The fields every event has.
    pub(super) fn new(event_type: EventType, session_id: &str, event_id: u64, ts: u64) -> Self {
        let line = Self { text: String::with_capacity(256) };
        line.text("event_id", &format!("e{event_id}"))
            .text("type", event_type.name())
            .int("ts", ts)
            .text("session_id", session_id)
    }

    /// Adds a string.
    pub(super) fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.text.push_str(&serde_json::Value::from(value).to_string());
        self
    }

    /// Adds a string if there is one.
    pub(super) fn text_optional(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds an integer.
    pub(super) fn int(mut self, name: &str, value: u64) -> Self {
        self.name(name);
        self.text.push_str(&value.to_string());
        self
    }

    /// Adds a boolean.
    pub(super) fn boolean(mut self, name: &str, value: bool) -> Self {
        self.name(name);
        self.text.push_str(if value { "true" } else { "false" });
        self
    }

    /// Adds a fraction given in hundredths.
    pub(super) fn hundredths(mut self, name: &str, value: u32) -> Self {
        self.name(name);
        self.text.push_str(&format!("{}.{:02}", value / 100, value % 100));
        self
    }

    /// The whole line.
    pub(super) fn finish(mut self) -> Bytes {
        self.text.push('}');
        Bytes::from(self.text)
    }

    fn name(&mut self, name: &str) {
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json_objects() {
        let line = Line::new(EventType::Like, "s", 7, 5)
            .text("a", "say \"直播\"\n")
            .text_optional("b", None)
            .boolean("c", true)
            .hundredths("d", 97)
            .finish();
        let text = r#"{"event_id":"e7","type":"like","ts":5,"session_id":"s","a":"say \"直播\"\n","c":true,"d":0.97}"#;
        assert_eq!(line, text);
    }
}
