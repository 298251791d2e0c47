//! Rows: what the fold computes and the stores hold.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::calendar::Span;
use crate::catalogue::{Breakdown, STORED};
use crate::position::PartitionId;
use crate::time::Window;

/// All stored metrics of one row, by column ([`crate::Stored`] as index).
pub type Values = [u64; STORED];

/// Where a row of figures belongs: totals, the trend of one window, or a stretch of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Table {
    /// Since the session's beginning.
    Total,
    /// Per bucket of this window.
    Trend(Window),
    /// Per hour or day of the board time zone: what boards are made of. It has the breakdowns
    /// [`Breakdown::in_calendar`] only.
    Calendar(Span),
}

impl Table {
    /// All tables of figures: the total, the trends, finest first, the calendar.
    pub const ALL: [Table; 6] = [
        Table::Total,
        Table::Trend(Window::TenSeconds),
        Table::Trend(Window::Minute),
        Table::Trend(Window::FiveMinutes),
        Table::Calendar(Span::Hour),
        Table::Calendar(Span::Day),
    ];

    /// Its place in [`Table::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Table::Total => 0,
            Table::Trend(Window::TenSeconds) => 1,
            Table::Trend(Window::Minute) => 2,
            Table::Trend(Window::FiveMinutes) => 3,
            Table::Calendar(Span::Hour) => 4,
            Table::Calendar(Span::Day) => 5,
        }
    }

    /// Its name in stores and in reports of differences.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Total => "total",
            Table::Trend(Window::TenSeconds) => "trend_10s",
            Table::Trend(Window::Minute) => "trend_1m",
            Table::Trend(Window::FiveMinutes) => "trend_5m",
            Table::Calendar(Span::Hour) => "hour",
            Table::Calendar(Span::Day) => "day",
        }
    }

    /// Whether it is split by `breakdown`, the internal one aside.
    pub const fn has(self, breakdown: Breakdown) -> bool {
        match self {
            Table::Total | Table::Trend(_) => true,
            Table::Calendar(_) => breakdown.in_calendar(),
        }
    }
}

/// Which figures of a session a row holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowKey {
    /// Totals or a trend.
    pub table: Table,
    /// Split by what.
    pub breakdown: Breakdown,
    /// The key within the breakdown.
    pub key: Arc<str>,
    /// The start of the bucket, hour or day in milliseconds; 0 in [`Table::Total`].
    pub bucket: u64,
}

/// A row of figures: absolute and complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which figures.
    pub key: RowKey,
    /// All of them.
    pub values: Values,
    /// Its version: the offset of the last record that changed it.
    pub offset: u64,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// Its figures may still change.
    #[default]
    Live,
    /// The lateness bound has passed.
    Final,
    /// Final, and a refund or presale balance came after that.
    Corrected,
}

impl SessionState {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            SessionState::Live => "live",
            SessionState::Final => "final",
            SessionState::Corrected => "corrected",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Live, Self::Final, Self::Corrected].into_iter().find(|state| state.name() == name)
    }
}

/// What a session's last accepted `session_start` said of it (rule 11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the contract's own")]
pub struct Attributes {
    pub anchor_id: String,
    pub room_id: String,
    pub title: String,
    pub category: String,
    pub anchor_name: String,
    pub anchor_fans: u64,
    pub content_type: String,
    pub region: String,
    pub merchant_id: Option<String>,
    pub brand: Option<String>,
    /// `ts` of that `session_start`.
    pub started_at: u64,
}

/// The row of a session itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Set once a `session_start` was accepted.
    pub attributes: Option<Attributes>,
    /// `ts` of the last accepted `session_end`.
    pub ended_at: Option<u64>,
    /// `ts` of the first accepted event, in log order.
    pub first_ts: Option<u64>,
    /// How far it has come.
    pub state: SessionState,
    /// Its version: the offset of the last record that changed it.
    pub offset: u64,
}

impl SessionRow {
    /// What lists of sessions are sorted by: when it started, as far as is known; else 0.
    pub fn sort_ts(&self) -> u64 {
        self.attributes.as_ref().map(|attributes| attributes.started_at).or(self.first_ts).unwrap_or(0)
    }
}

/// The row of a partition: what belongs to no session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionRow {
    /// `ts` of the last beat that counted, 0 before the first.
    pub clock: u64,
    /// Beats that counted.
    pub beats: u64,
    /// Beats that did not rise.
    pub ignored_beats: u64,
    /// Malformed lines that name no session, and records that stand in the wrong partition.
    pub malformed_events: u64,
    /// Events for sessions that were over for more than 30 days.
    pub late_events: u64,
    /// Its version: the offset of the last record that changed it.
    pub offset: u64,
}

/// A partition's digests, per table, after the beat at `ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeatDigest {
    /// The partition.
    pub partition: PartitionId,
    /// `ts` of the beat.
    pub ts: u64,
    /// Offset of the beat.
    pub offset: u64,
    /// See [`crate::digest`].
    pub digests: crate::digest::Digests,
}
