//! What people read: results on stdout, remarks and complaints on stderr.
//!
//! A reader who has gone away (`tandem status | head -1`) is no error of ours, so nothing here
//! fails or panics when a pipe is closed.

use std::fmt::Display;
use std::io::Write;

/// Writes a line of the result to stdout.
pub fn say(line: impl Display) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Writes a remark that is not part of the result to stderr.
pub fn remark(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Says what went wrong, once, at the edge.
pub fn complain(failure: impl Display) {
    remark(format_args!("tandem: {failure}"));
}

/// A number with commas between thousands, for people.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `count` and what it counts, in the right form: `1 event`, `2,000 events`.
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (84_482, "84,482"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(counted(1, "event"), "1 event");
        assert_eq!(counted(2_000, "event"), "2,000 events");
    }
}
