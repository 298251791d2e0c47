//! From lines to the bodies that are sent.

use std::collections::VecDeque;

use bytes::Bytes;
use tandem_ingest::lines;
use tandem_ingest::replay::{Item, Replay};
use tandem_model::Record;

use super::Beats;
use super::answer::{RefusedBodyLine, RefusedLine};

/// A body is sent when it has so many lines; beats count.
pub const BODY_LINES_MAX: usize = 5_000;
/// A body is sent when it has so many bytes.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What is sent at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The lines, each with its LF.
    pub text: Bytes,
    /// Where each of them stands in the file; beats stand nowhere.
    numbers: Vec<Option<u64>>,
    /// How far the source was read when the body was complete, in bytes as they are packed.
    pub read_bytes: u64,
}

impl Body {
    /// The number of the last line of the file that is in it.
    pub fn last_line(&self) -> Option<u64> {
        self.numbers.iter().rev().find_map(|number| *number)
    }

    /// A refused line of the body, by its place in the file.
    pub(super) fn in_file(&self, refused: &RefusedBodyLine) -> RefusedLine {
        let index = usize::try_from(refused.line).ok().and_then(|line| line.checked_sub(1));
        let number = index.and_then(|index| self.numbers.get(index).copied().flatten());
        RefusedLine { number, detail: refused.detail.clone() }
    }
}

/// Makes bodies out of lines.
pub(super) struct Bodies {
    lines_max: usize,
    text: Vec<u8>,
    numbers: Vec<Option<u64>>,
    beats: Plan,
    beat_lines: u64,
}

enum Plan {
    Live,
    /// With the numbers of the lines that the replay holds back.
    Replay(Box<Replay>, VecDeque<u64>),
}

impl Bodies {
    /// Bodies of at most `lines_max` lines.
    pub(super) fn new(beats: Beats, lines_max: usize) -> Self {
        let beats = match beats {
            Beats::Live => Plan::Live,
            Beats::Replay => Plan::Replay(Box::default(), VecDeque::new()),
        };
        Self { lines_max, text: Vec::new(), numbers: Vec::new(), beats, beat_lines: 0 }
    }

    /// Takes the next line of the file, without its LF.
    pub(super) fn push(&mut self, number: u64, line: &[u8]) {
        let Some(line) = lines::content(line) else { return };
        match &mut self.beats {
            Plan::Live if is_beat_line(line) => self.beat_lines += 1,
            Plan::Live => add(&mut self.text, &mut self.numbers, line, Some(number)),
            Plan::Replay(replay, held) => {
                let (text, numbers) = (&mut self.text, &mut self.numbers);
                let beat_lines = replay.beat_lines();
                // What comes out is never the line that goes in: a replay holds back four.
                replay.push(line, &mut |item| emit(item, held, text, numbers));
                if replay.beat_lines() == beat_lines {
                    held.push_back(number);
                }
            }
        }
    }

    /// Takes the end of the file.
    pub(super) fn finish(&mut self) {
        if let Plan::Replay(replay, held) = &mut self.beats {
            let (text, numbers) = (&mut self.text, &mut self.numbers);
            let summary = std::mem::take(&mut **replay).finish(&mut |item| emit(item, held, text, numbers));
            self.beat_lines = summary.beat_lines;
        }
    }

    /// Whether a body is complete.
    pub(super) fn is_full(&self) -> bool {
        self.numbers.len() >= self.lines_max || self.text.len() >= BODY_BYTES_MAX
    }

    /// Whether there is nothing to send yet.
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The body as it is.
    pub(super) fn take(&mut self, read_bytes: u64) -> Body {
        let text = Bytes::from(std::mem::take(&mut self.text));
        Body { text, numbers: std::mem::take(&mut self.numbers), read_bytes }
    }

    /// How many `beat` lines of the file were skipped; complete after [`Bodies::finish`].
    pub(super) fn beat_lines(&self) -> u64 {
        self.beat_lines
    }
}

fn emit(item: Item<'_>, held: &mut VecDeque<u64>, text: &mut Vec<u8>, numbers: &mut Vec<Option<u64>>) {
    match item {
        Item::Line(line) => add(text, numbers, line, held.pop_front()),
        Item::Beat(second) => add(text, numbers, &Record::beat(second).value, None),
    }
}

fn add(text: &mut Vec<u8>, numbers: &mut Vec<Option<u64>>, line: &[u8], number: Option<u64>) {
    text.extend_from_slice(line);
    text.push(b'\n');
    numbers.push(number);
}

/// Whether a line says that it is a beat, right or wrong. Read as a tree only where it can be.
fn is_beat_line(line: &[u8]) -> bool {
    let has = |part: &[u8]| line.windows(part.len()).any(|window| window == part);
    // A `\u` could spell it too.
    (has(b"\"beat\"") || has(b"\\u"))
        && serde_json::from_slice::<serde_json::Value>(line)
            .is_ok_and(|value| value.get("type").and_then(|name| name.as_str()) == Some("beat"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(ts: u64) -> Vec<u8> {
        format!(r#"{{"event_id":"e{ts}","type":"enter","ts":{ts},"session_id":"s","user_id":"u"}}"#).into()
    }

    fn bodies(beats: Beats, lines_max: usize, lines: &[Vec<u8>]) -> (Vec<Body>, u64) {
        let mut bodies = Bodies::new(beats, lines_max);
        let mut taken = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            bodies.push(index as u64 + 1, line);
            if bodies.is_full() {
                taken.push(bodies.take(0));
            }
        }
        bodies.finish();
        if !bodies.is_empty() {
            taken.push(bodies.take(0));
        }
        (taken, bodies.beat_lines())
    }

    const BEAT: &[u8] = br#"{"type":"beat","beat":1,"ts":1000}"#;

    #[test]
    fn live_bodies_are_the_lines_without_blank_ones_and_beats() {
        let escaped = br#"{"type":"\u0062eat"}"#;
        let talk = br#"{"type":"comment","text":"\"beat\" it"}"#;
        let lines = [event(1), b"".into(), BEAT.into(), b"\r".into(), escaped.into(), talk.into(), event(2)];
        let (bodies, beat_lines) = bodies(Beats::Live, 2, &lines);
        assert_eq!(beat_lines, 2);
        let texts: Vec<_> = bodies.iter().map(|body| body.text.to_vec()).collect();
        assert_eq!(
            texts,
            [[event(1), talk.to_vec(), b"".to_vec()].join(&b'\n'), [event(2), vec![]].join(&b'\n')]
        );
        assert_eq!(bodies[0].numbers, [Some(1), Some(6)]);
        assert_eq!(bodies[1].last_line(), Some(7));
    }

    #[test]
    fn replayed_bodies_have_beats_among_the_lines_and_know_the_lines_places() {
        let mut lines: Vec<Vec<u8>> = (0..20).map(|index| event(10_000 + index * 500)).collect();
        lines.insert(7, BEAT.to_vec());
        lines.insert(3, b" ".to_vec());
        let (bodies, beat_lines) = bodies(Beats::Replay, 6, &lines);
        assert_eq!(beat_lines, 1);
        let numbers: Vec<_> = bodies.iter().flat_map(|body| body.numbers.clone()).flatten().collect();
        let expected: Vec<u64> = (1..=22).filter(|number| ![4, 9].contains(number)).collect();
        assert_eq!(numbers, expected);
        for body in &bodies {
            // A line may bring its beat with it, so a body may be one longer.
            assert!(body.numbers.len() <= 6 + 5, "{}", body.numbers.len());
            let texts: Vec<_> =
                body.text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
            assert_eq!(texts.len(), body.numbers.len());
            for (text, number) in texts.iter().zip(&body.numbers) {
                match number {
                    Some(number) => assert_eq!(*text, lines[*number as usize - 1]),
                    None => assert!(is_beat_line(text)),
                }
            }
        }
        let last = bodies.last().unwrap();
        assert_eq!(last.numbers.last(), Some(&None), "a last beat after the last line");
        let refused =
            last.in_file(&RefusedBodyLine { line: last.numbers.len() as u64 - 1, detail: "d".into() });
        assert_eq!(refused.number, Some(22));
    }

    #[test]
    fn a_body_is_full_by_lines_or_by_bytes() {
        let mut bodies = Bodies::new(Beats::Live, 3);
        bodies.push(1, &event(1));
        assert!(!bodies.is_full());
        bodies.push(2, &vec![b'x'; BODY_BYTES_MAX]);
        assert!(bodies.is_full());
        assert_eq!(bodies.take(9).read_bytes, 9);
        assert!(bodies.is_empty());
    }
}
