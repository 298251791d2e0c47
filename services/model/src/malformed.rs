//! Why a line is no event.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::Field;
use crate::id::SessionId;

/// A line that is no event: what is wrong, with which field, and whose session it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Malformed {
    /// What is wrong.
    pub problem: Problem,
    /// The field it is wrong with, where it is a field.
    pub field: Option<Field>,
    /// The session it counts for: set where the line is a JSON object whose `session_id` is a
    /// valid id.
    pub session_id: Option<SessionId>,
}

impl std::error::Error for Malformed {}

/// The ways to be malformed. The names are stable: they stand in the log and in answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// The line is not JSON (in UTF-8).
    NotJson,
    /// The line is JSON, but not an object.
    NotAnObject,
    /// The line is over 64 KiB.
    LineTooLong,
    /// A required field is absent or `null`.
    Missing,
    /// A field that must be a string is something else.
    NotAString,
    /// A field that must be an integer from 0 to 2^53 − 1 is something else.
    NotAnInteger,
    /// A field that must be `true` or `false` is something else.
    NotABoolean,
    /// A field that must be a number from 0 to 1 is something else.
    NotAFraction,
    /// A string that is not 1 to 64 characters out of `A-Z a-z 0-9 . _ : -`.
    BadId,
    /// A string that is not 1 to 64 characters long.
    BadLabel,
    /// A string that is over 4,096 characters long.
    TextTooLong,
    /// A `type` that is not one of the known ones.
    UnknownType,
    /// A `beat` whose `ts` is not a whole second, or whose `beat` is not `ts` / 1000.
    BadBeat,
    /// A `beat` from somebody who may not move time.
    BeatNotAllowed,
    /// A record in a partition that is not its session's own.
    Misplaced,
    /// An event that made the computation fail: a verdict in the log says that it does not count.
    Quarantined,
    /// A control record that can't be read, or is about what does not stand before it.
    BadControl,
    /// A control record from somebody who may not write one.
    ControlNotAllowed,
}

impl Problem {
    /// Its stable name, as in answers: `missing`, `bad_id`, …
    pub const fn name(self) -> &'static str {
        match self {
            Problem::NotJson => "not_json",
            Problem::NotAnObject => "not_an_object",
            Problem::LineTooLong => "line_too_long",
            Problem::Missing => "missing",
            Problem::NotAString => "not_a_string",
            Problem::NotAnInteger => "not_an_integer",
            Problem::NotABoolean => "not_a_boolean",
            Problem::NotAFraction => "not_a_fraction",
            Problem::BadId => "bad_id",
            Problem::BadLabel => "bad_label",
            Problem::TextTooLong => "text_too_long",
            Problem::UnknownType => "unknown_type",
            Problem::BadBeat => "bad_beat",
            Problem::BeatNotAllowed => "beat_not_allowed",
            Problem::Misplaced => "misplaced",
            Problem::Quarantined => "quarantined",
            Problem::BadControl => "bad_control",
            Problem::ControlNotAllowed => "control_not_allowed",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Problem::NotJson => "is not JSON",
            Problem::NotAnObject => "is not a JSON object",
            Problem::LineTooLong => "is over 64 KiB",
            Problem::Missing => "is missing",
            Problem::NotAString => "must be a string",
            Problem::NotAnInteger => "must be an integer from 0 to 9007199254740991",
            Problem::NotABoolean => "must be true or false",
            Problem::NotAFraction => "must be a number from 0 to 1",
            Problem::BadId => "must be 1 to 64 characters out of A-Z a-z 0-9 . _ : -",
            Problem::BadLabel => "must be 1 to 64 characters",
            Problem::TextTooLong => "must be at most 4096 characters",
            Problem::UnknownType => "is not a known event type",
            Problem::BadBeat => "must be a whole second, `beat` = `ts` / 1000",
            Problem::BeatNotAllowed => "`beat` is reserved for the metronome and for a replay",
            Problem::Misplaced => "stands in a partition that is not its session's own",
            Problem::Quarantined => "made the computation fail and is in quarantine",
            Problem::BadControl => {
                "is a control record that can't be read, is about nothing before it, or defines what it may not"
            }
            Problem::ControlNotAllowed => "begins as Tandem's own control records do",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(formatter, "`{}` {}", field.name(), self.problem.sentence()),
            None => write!(formatter, "the line {}", self.problem.sentence()),
        }
    }
}
