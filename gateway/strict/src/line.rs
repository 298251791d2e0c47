//! Lines: collected over reads, ended by CRLF and by nothing else.

use crate::Violation;

/// The line that is being received. It keeps what has come of it, at most as many bytes as it is
/// told may come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    kept: Vec<u8>,
    has_cr: bool,
}

/// What reading on has brought.
pub(crate) enum Step {
    /// All bytes are read, and the line is not at its end.
    Partial,
    /// The line is at its end, after so many bytes.
    Whole(usize),
}

impl Line {
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty() && !self.has_cr
    }

    /// Reads on until the line ends or `bytes` do. The line may have `bytes_max` bytes without its
    /// end, more are `too_long`. Then `whole` gives it out.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        bytes_max: usize,
        too_long: Violation,
    ) -> Result<Step, Violation> {
        let text = match self.has_cr {
            true => 0,
            false => bytes.iter().position(|byte| is_control(*byte)).unwrap_or(bytes.len()),
        };
        if self.kept.len() + text > bytes_max {
            return Err(too_long);
        }
        match &bytes[text..] {
            [b'\n', ..] if self.has_cr => Ok(Step::Whole(1)),
            [_, ..] if self.has_cr => Err(Violation::BareCr),
            [b'\r', b'\n', ..] => Ok(Step::Whole(text + 2)),
            [b'\r', _, ..] => Err(Violation::BareCr),
            [b'\n', ..] => Err(Violation::BareLf),
            [b'\r'] => {
                self.kept.extend_from_slice(&bytes[..text]);
                self.has_cr = true;
                Ok(Step::Partial)
            }
            [_, ..] => Err(Violation::ControlCharacter),
            [] => {
                self.kept.extend_from_slice(bytes);
                Ok(Step::Partial)
            }
        }
    }

    /// Gives the whole line, without its end, to `judge`, and begins the next one. `last` is what the
    /// last reading took.
    pub(crate) fn whole<T>(&mut self, last: &[u8], judge: impl FnOnce(&[u8]) -> T) -> T {
        if self.is_empty() {
            return judge(&last[..last.len() - 2]);
        }
        if !self.has_cr {
            self.kept.extend_from_slice(&last[..last.len() - 2]);
        }
        let judged = judge(&self.kept);
        self.kept.clear();
        self.has_cr = false;
        judged
    }

    /// Gives back what memory it holds.
    pub(crate) fn rest(&mut self) {
        self.kept = Vec::new();
    }
}

/// Whether a byte has no place within a line. A tabulator has.
fn is_control(byte: u8) -> bool {
    byte < 0x20 && byte != b'\t' || byte == 0x7f
}
