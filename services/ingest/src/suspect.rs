//! The mark of an event whose sender the shield doubts.

use bytes::Bytes;
use tandem_model::record::LINE_BYTES_MAX;

/// What is put at the end of a line: a field that stands twice counts as it stood last, so nothing
/// else of the line is touched.
const MARK: &[u8] = br#","suspect":true}"#;

/// A line that is an event, with `suspect` true; nothing where that would make it too long to be one.
pub(crate) fn marked(line: &[u8]) -> Option<Bytes> {
    let open = line.trim_ascii_end().strip_suffix(b"}")?;
    (open.len() + MARK.len() <= LINE_BYTES_MAX).then(|| [open, MARK].concat().into())
}

#[cfg(test)]
mod tests {
    use tandem_model::decode::decode;
    use tandem_model::event::Line;

    use super::*;

    fn line(more: &str) -> String {
        format!(r#"{{"event_id":"e","type":"enter","ts":1,"session_id":"s","user_id":"u"{more}}} "#)
    }

    #[test]
    fn a_marked_line_is_the_same_event_from_a_suspect() {
        for more in ["", r#","suspect":false"#, r#","suspect":null"#, r##","text":"}""##] {
            let line = line(more);
            let marked = marked(line.as_bytes()).unwrap();
            let (Ok(Line::Event(before)), Ok(Line::Event(mut after))) =
                (decode(line.as_bytes()), decode(&marked))
            else {
                panic!("both are events: {line}")
            };
            let viewer = after.viewer.as_mut().unwrap();
            assert!(std::mem::take(&mut viewer.suspect), "{line}");
            assert_eq!(before, after);
        }
    }

    #[test]
    fn a_line_that_would_be_too_long_stays_as_it_is() {
        let fitting = |spare: usize| {
            let room = LINE_BYTES_MAX - line("").trim_end().len() - r#","x":"""#.len() - spare;
            line(&format!(r#","x":"{}""#, "x".repeat(room))).trim_end().to_owned()
        };
        assert_eq!(marked(fitting(MARK.len() - 2).as_bytes()), None);
        let longest = marked(fitting(MARK.len() - 1).as_bytes()).unwrap();
        assert_eq!(longest.len(), LINE_BYTES_MAX);
        assert!(matches!(decode(&longest), Ok(Line::Event(_))));
    }
}
