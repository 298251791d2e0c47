//! Which sessions a body speaks of, and under which anchors it starts them. Pure.

use std::collections::{BTreeSet, HashMap};

use tandem_ingest::lines;
use tandem_model::SessionId;
use tandem_model::decode::{decode, session_of};
use tandem_model::event::{Kind, Line};

/// What a body says of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    /// The first of its lines, from 1.
    pub(super) first: u64,
    /// How many there are.
    pub(super) count: u64,
    /// The anchors that its `session_start`s name.
    pub(super) starts: BTreeSet<String>,
}

/// More sessions than there may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// The sessions of a body, in the order of their first lines; at most `most`. Lines are cut as the
/// ingest cuts them.
pub(super) fn sessions_of(body: &[u8], most: usize) -> Result<Vec<(SessionId, Lines)>, TooMany> {
    let mut sessions: Vec<(SessionId, Lines)> = Vec::new();
    let mut places: HashMap<SessionId, usize> = HashMap::new();
    for (number, physical) in (1..).zip(body.split(|byte| *byte == b'\n')) {
        let Some(line) = lines::content(physical) else { continue };
        let (session, start) = match decode(line) {
            Ok(Line::Event(event)) => {
                let start = match &event.kind {
                    Kind::SessionStart(start) => Some(start.anchor_id.to_string()),
                    _ => None,
                };
                (SessionId::new(&event.session_id), start)
            }
            Ok(Line::Beat { .. }) => (session_of(line), None),
            Ok(Line::Verdict(_) | Line::Definition(_)) => (None, None),
            Err(malformed) => (malformed.session_id, None),
        };
        let Some(session) = session else { continue };
        let place = *places.entry(session.clone()).or_insert(sessions.len());
        if place == sessions.len() {
            if sessions.len() == most {
                return Err(TooMany);
            }
            sessions.push((session, Lines { first: number, ..Lines::default() }));
        }
        let lines = &mut sessions[place].1;
        lines.count += 1;
        lines.starts.extend(start);
    }
    Ok(sessions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::tests::{enter, start};

    #[test]
    fn sessions_are_found_in_good_lines_and_bad_ones() {
        let body = [
            enter("s1"),
            String::new(),
            start("s2", "a1"),
            start("s2", "a2"),
            r#"{"event_id":"e","type":"enter","ts":"x","session_id":"s3"}"#.to_owned(),
            r#"{"type":"beat","beat":1,"ts":1000}"#.to_owned(),
            r#"{"type":"beat","beat":1,"ts":1000,"session_id":"s4"}"#.to_owned(),
            "nonsense".to_owned(),
            enter("s1"),
        ]
        .join("\r\n");
        let found = sessions_of(body.as_bytes(), 9).unwrap();
        let named: Vec<_> = found
            .iter()
            .map(|(session, lines)| (session.as_str(), lines.first, lines.count, lines.starts.len()))
            .collect();
        assert_eq!(named, [("s1", 1, 2, 0), ("s2", 3, 2, 2), ("s3", 5, 1, 0), ("s4", 7, 1, 0)]);
        assert_eq!(sessions_of(body.as_bytes(), 3), Err(TooMany));
        assert_eq!(sessions_of(b"", 0), Ok(Vec::new()));
    }
}
