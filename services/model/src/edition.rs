//! Editions: cuts through the whole log that boards are worked out at.
//!
//! A cut stands at the first beat at or after each multiple of [`EDITION_MS`]. Beats reach every
//! partition, so the cuts of all partitions together are one cut through the log, the same for
//! whoever reads it. At each the fold says what of the rows of hours and days changed since the
//! cut before: a part. Parts are absolute: applied in order, they lead to the rows as they were at
//! each cut. Those of whole minutes lead there in larger steps, for moments longer past.

use crate::definition::Definition;
use crate::id::SessionId;
use crate::position::PartitionId;
use crate::row::{Attributes, Row};
use crate::time::{DAY_MS, MINUTE_MS, SECOND_MS};

/// A cut is the first beat at or after a multiple of this, in milliseconds.
pub const EDITION_MS: u64 = 5 * SECOND_MS;

/// What a part holds, and from which cut to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// What sessions said of themselves since the cut before. Only where one did.
    Sessions,
    /// Sessions about whose records a verdict stands between the cut before and this one: their rows,
    /// also of what was closed by then, may be others since. Only where there is one; without rows.
    Judged,
    /// Definitions of metrics that the log took in between the cut before and this one
    /// ([`crate::definition`]). Only where there is one; without sessions.
    Defined,
    /// Rows since the cut before.
    FiveSeconds,
    /// Rows since the first cut of the minute before.
    Minute,
}

/// What changed in one partition from one cut to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditionPart {
    /// The partition.
    pub partition: PartitionId,
    /// What it holds.
    pub step: Step,
    /// The multiple of [`Step::length_ms`] that the cut stands for: of several that it passed, the
    /// last.
    pub slot: u64,
    /// `ts` of the beat it was cut at.
    pub ts: u64,
    /// Offset of the first record in it.
    pub from: u64,
    /// Offset after the last, which is the beat.
    pub next: u64,
    /// Sessions that changed, in the order of their ids.
    pub sessions: Vec<EditionSession>,
    /// In the order of the log. Only in [`Step::Defined`], none elsewhere.
    pub definitions: Vec<Definition>,
}

/// What changed of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditionSession {
    /// The session.
    pub session_id: SessionId,
    /// What it says of itself now; only in [`Step::Sessions`].
    pub attributes: Option<Attributes>,
    /// Its rows of hours and days that changed, absolute; none in [`Step::Sessions`] and
    /// [`Step::Judged`].
    pub rows: Vec<Row>,
    /// The clock when the first record came that a verdict is about, in milliseconds: what was cut before
    /// is as it was. Only in [`Step::Judged`], 0 elsewhere.
    pub came_at: u64,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 5] = [Step::Sessions, Step::Judged, Step::Defined, Step::FiveSeconds, Step::Minute];

    /// From one cut to the next, in milliseconds.
    pub const fn length_ms(self) -> u64 {
        match self {
            Step::Sessions | Step::Judged | Step::Defined | Step::FiveSeconds => EDITION_MS,
            Step::Minute => MINUTE_MS,
        }
    }

    /// The slot of the cut at a beat of this `ts`.
    pub const fn slot(self, ts: u64) -> u64 {
        ts - ts % self.length_ms()
    }

    /// How long editions of this step can be asked for, in milliseconds of the log's clock; always
    /// where absent.
    pub const fn kept_ms(self) -> Option<u64> {
        match self {
            Step::Sessions | Step::Judged | Step::Defined => None,
            Step::FiveSeconds => Some(60 * MINUTE_MS),
            Step::Minute => Some(DAY_MS),
        }
    }

    /// How long parts of this step are kept, at least, in milliseconds of the log's clock. Longer than
    /// editions: one of a day is put together from the parts since that day began (which may have 25
    /// hours, and events that lie ahead), one within a minute from those since the minute began.
    pub const fn parts_kept_ms(self) -> Option<u64> {
        match self {
            Step::Sessions | Step::Judged | Step::Defined => None,
            Step::FiveSeconds => Some(2 * 60 * MINUTE_MS),
            Step::Minute => Some(2 * DAY_MS + 2 * 60 * MINUTE_MS),
        }
    }

    /// Its name in stores.
    pub const fn name(self) -> &'static str {
        match self {
            Step::Sessions => "sessions",
            Step::Judged => "judged",
            Step::Defined => "defined",
            Step::FiveSeconds => "5s",
            Step::Minute => "1m",
        }
    }
}

impl EditionPart {
    /// Whether it is still of use when the log's clock has come to `clock`.
    pub fn is_kept(&self, clock: u64) -> bool {
        self.step.parts_kept_ms().is_none_or(|kept| self.slot.saturating_add(kept) >= clock)
    }
}
