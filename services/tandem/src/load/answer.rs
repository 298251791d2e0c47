//! What a server answers to a body, as far as a loader needs it.

use serde::Deserialize;

/// What became of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Posted {
    /// Lines that are events.
    #[serde(rename = "accepted")]
    pub events: u64,
    /// Lines that are beats.
    #[serde(default)]
    pub beats: u64,
    /// Lines that are neither.
    #[serde(default)]
    pub malformed: u64,
    /// The first of those.
    #[serde(default)]
    pub errors: Vec<RefusedBodyLine>,
}

/// A line of a body that is no event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RefusedBodyLine {
    /// Its number in the body, from 1.
    pub line: u64,
    /// What is wrong with it, for people.
    pub detail: String,
}

/// A line of a file that is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLine {
    /// Its number in the file, from 1.
    pub number: Option<u64>,
    /// What is wrong with it, for people.
    pub detail: String,
}
