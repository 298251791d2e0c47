//! Physical lines of a source, one at a time, with a bound on their length.

use std::io::{self, BufRead};

use tandem_model::record::LINE_BYTES_MAX;

/// A line up to this goes to the server as it is, in bytes, though anything over 64 KiB is
/// malformed: so the server still sees whose session it names. Of a longer line only the
/// beginning is sent, which is malformed too. A body and the few lines a replay holds back stay
/// below what a server takes, whatever their lengths.
const LINE_BYTES_KEPT_MAX: usize = 1024 * 1024;

/// Reads lines into one buffer.
#[derive(Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    number: u64,
}

impl Lines {
    /// The next line without its LF, and its number from 1; nothing at the end.
    pub(super) fn next<'a>(&'a mut self, reader: &mut dyn BufRead) -> io::Result<Option<(u64, &'a [u8])>> {
        self.buffer.clear();
        let mut is_cut = false;
        loop {
            let available = match reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = available.iter().position(|byte| *byte == b'\n');
            let is_at_end = available.is_empty();
            let content = &available[..end.unwrap_or(available.len())];
            let room = LINE_BYTES_KEPT_MAX - self.buffer.len();
            is_cut |= content.len() > room;
            self.buffer.extend_from_slice(&content[..content.len().min(room)]);
            let used = content.len() + usize::from(end.is_some());
            reader.consume(used);
            if is_at_end && self.buffer.is_empty() {
                return Ok(None);
            }
            if is_at_end || end.is_some() {
                break;
            }
        }
        if is_cut {
            // Just enough to be over the limit.
            self.buffer.truncate(LINE_BYTES_MAX + 1);
        }
        self.number += 1;
        Ok(Some((self.number, &self.buffer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<(u64, Vec<u8>)> {
        // A small buffer, so that lines span several reads.
        let mut reader = io::BufReader::with_capacity(7, text);
        let mut lines = Lines::default();
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next(&mut reader).unwrap() {
            all.push((number, line.to_vec()));
        }
        all
    }

    #[test]
    fn lines_end_with_lf_and_the_last_may_lack_it() {
        let text = b"first line\n\nthird\r\nlast";
        let expected: Vec<(u64, Vec<u8>)> =
            vec![(1, b"first line".into()), (2, b"".into()), (3, b"third\r".into()), (4, b"last".into())];
        assert_eq!(all(text), expected);
        assert_eq!(all(b""), vec![]);
        assert_eq!(all(b"\n"), vec![(1, vec![])]);
    }

    #[test]
    fn a_very_long_line_is_cut_and_the_next_one_is_whole() {
        let long = [vec![b'x'; LINE_BYTES_KEPT_MAX + 100], b"\nnext\n".to_vec()].concat();
        let lines = all(&long);
        assert_eq!(lines[0].1.len(), LINE_BYTES_MAX + 1);
        assert_eq!(lines[1], (2, b"next".to_vec()));
        let kept = [vec![b'x'; 100_000], b"\n".to_vec()].concat();
        assert_eq!(all(&kept)[0].1.len(), 100_000);
    }
}
