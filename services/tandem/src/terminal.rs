//! What people read: results on stdout, remarks and complaints on stderr.
//!
//! A reader who has gone away (`tandem status | head -1`) is no error of ours, so nothing here
//! fails or panics when a pipe is closed.

use std::fmt::Display;
use std::io::{BufRead, IsTerminal, Read, Write};

use anyhow::anyhow;

use crate::failure::Failure;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 100;

/// Writes a line of the result to stdout.
pub fn say(line: impl Display) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Writes a remark that is not part of the result to stderr.
pub fn remark(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Asks whether to go on, unless `is_yes`. Where nobody can answer, the answer must be given before.
///
/// # Errors
///
/// When the answer is no, or nobody can give one.
pub fn confirm(is_yes: bool, question: &str) -> Result<(), Failure> {
    if is_yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(anyhow!("{question} Nobody is here to answer: say --yes to go on")));
    }
    let _ = write!(std::io::stderr().lock(), "{question} [y/N] ");
    let mut answer = String::new();
    let is_read = std::io::stdin().lock().take(ANSWER_BYTES_MAX).read_line(&mut answer).is_ok();
    match is_read && matches!(answer.trim(), "y" | "Y" | "yes") {
        true => Ok(()),
        false => Err(Failure::failed(anyhow!("not done"))),
    }
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

/// A moment in event time (milliseconds since the epoch) for people, in UTC.
pub fn utc(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of a day since the epoch (Howard Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms", `civil_from_days`).
const fn date(days: u64) -> (u64, u64, u64) {
    // Years that begin in March, in eras of 400 years that begin in the year 0.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + if month <= 2 { 1 } else { 0 }, month, day)
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

    #[test]
    fn moments_are_shown_in_utc() {
        let cases = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399_000, "2000-02-28 23:59:59 UTC"),
            (951_782_400_999, "2000-02-29 00:00:00 UTC"),
            (1_732_190_400_000, "2024-11-21 12:00:00 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00:00 UTC"),
        ];
        for (ms, text) in cases {
            assert_eq!(utc(ms), text);
        }
    }
}
