//! The tables and their columns. A metric that joins the catalogue becomes a column by itself.

use tandem_model::catalogue::Metric;
use tandem_model::{Breakdown, Stored, Table};

use crate::record::{Cell, Record};

/// A table of summary data (DWS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dws {
    /// A row per session: what is known of it.
    Session,
    /// Rows of figures.
    Figures(Table),
}

impl Dws {
    /// All of them.
    pub const ALL: [Dws; 1 + Table::ALL.len()] = all();

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Dws::Session => "dws_session",
            Dws::Figures(table) => match table.index() {
                0 => "dws_total",
                1 => "dws_trend_10s",
                2 => "dws_trend_1m",
                3 => "dws_trend_5m",
                4 => "dws_hour",
                _ => "dws_day",
            },
        }
    }

    /// The table with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// What a row of it is.
    pub const fn meaning(self) -> &'static str {
        match self {
            Dws::Session => {
                "One row per session: what its last accepted `session_start` said, and how far it has come."
            }
            Dws::Figures(Table::Total) => {
                "One row per session, breakdown and key: the figures since the session's beginning."
            }
            Dws::Figures(Table::Trend(_)) => {
                "One row per session, breakdown, key and bucket in which something counted: the figures of that bucket."
            }
            Dws::Figures(Table::Calendar(_)) => {
                "One row per session, breakdown, key and stretch of the calendar, in the time zone of the boards, in which \
                 something counted: the figures of that stretch."
            }
        }
    }

    /// What makes a row: the columns that no two rows have in common.
    pub fn key(self) -> Vec<&'static str> {
        match self {
            Dws::Session => vec!["session_id"],
            Dws::Figures(Table::Total) => vec!["session_id", "breakdown", "key"],
            Dws::Figures(_) => vec!["session_id", "breakdown", "key", "bucket"],
        }
    }

    /// Its columns, in their order.
    pub fn columns(self) -> Vec<Column> {
        let sources = match self {
            Dws::Session => SESSION.to_vec(),
            Dws::Figures(table) => {
                let mut sources = vec![Source::SessionId, Source::Breakdown, Source::Key];
                if table != Table::Total {
                    sources.push(Source::Bucket);
                }
                let counted = Stored::ALL.iter().filter(|stored| table == Table::Total || stored.has_trend());
                sources.extend(counted.map(|stored| Source::Metric(*stored)));
                sources.extend([Source::Version, Source::Partition]);
                sources
            }
        };
        sources.into_iter().map(|source| Column { source }).collect()
    }
}

const fn all() -> [Dws; 1 + Table::ALL.len()] {
    let mut all = [Dws::Session; 1 + Table::ALL.len()];
    let mut index = 0;
    while index < Table::ALL.len() {
        all[1 + index] = Dws::Figures(Table::ALL[index]);
        index += 1;
    }
    all
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    source: Source,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number from 0 on: 64 bits.
    Whole,
    /// A moment: milliseconds since the epoch (UTC); in Parquet a timestamp.
    Moment,
}

impl Kind {
    /// Its name in the catalogue.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Whole => "integer",
            Kind::Moment => "timestamp_ms",
        }
    }
}

/// Where the cells of a column come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    SessionId,
    AnchorId,
    RoomId,
    Title,
    Category,
    StartedAt,
    EndedAt,
    Status,
    AnchorName,
    AnchorFans,
    ContentType,
    Region,
    MerchantId,
    Brand,
    Breakdown,
    Key,
    Bucket,
    Metric(Stored),
    Version,
    Partition,
}

const SESSION: [Source; 16] = [
    Source::SessionId,
    Source::AnchorId,
    Source::RoomId,
    Source::Title,
    Source::Category,
    Source::StartedAt,
    Source::EndedAt,
    Source::Status,
    Source::AnchorName,
    Source::AnchorFans,
    Source::ContentType,
    Source::Region,
    Source::MerchantId,
    Source::Brand,
    Source::Version,
    Source::Partition,
];

impl Column {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self.source {
            Source::SessionId => "session_id",
            Source::AnchorId => "anchor_id",
            Source::RoomId => "room_id",
            Source::Title => "title",
            Source::Category => "category",
            Source::StartedAt => "started_at",
            Source::EndedAt => "ended_at",
            Source::Status => "status",
            Source::AnchorName => "anchor_name",
            Source::AnchorFans => "anchor_fans",
            Source::ContentType => "content_type",
            Source::Region => "region",
            Source::MerchantId => "merchant_id",
            Source::Brand => "brand",
            Source::Breakdown => "breakdown",
            Source::Key => "key",
            Source::Bucket => "bucket",
            Source::Metric(stored) => stored.id(),
            Source::Version => "version",
            Source::Partition => "log_partition",
        }
    }

    /// What its cells are.
    pub const fn kind(self) -> Kind {
        match self.source {
            Source::StartedAt | Source::EndedAt | Source::Bucket => Kind::Moment,
            Source::AnchorFans | Source::Metric(_) | Source::Version | Source::Partition => Kind::Whole,
            _ => Kind::Text,
        }
    }

    /// Whether a cell may be null.
    pub const fn is_nullable(self) -> bool {
        match self.source {
            Source::SessionId
            | Source::Status
            | Source::Breakdown
            | Source::Key
            | Source::Bucket
            | Source::Version
            | Source::Partition => false,
            Source::Metric(stored) => stored.is_room_only(),
            _ => true,
        }
    }

    /// What it counts in, as in the catalogue of metrics; nothing where it counts nothing.
    pub const fn unit(self) -> Option<&'static str> {
        match self.source {
            Source::Metric(stored) => Some(stored.unit().name()),
            Source::AnchorFans => Some("users"),
            _ => None,
        }
    }

    /// What it means.
    pub fn meaning(self) -> String {
        let text = match self.source {
            Source::SessionId => "The session.",
            Source::AnchorId => "The anchor.",
            Source::RoomId => "The room.",
            Source::Title => "The title.",
            Source::Category => "The category.",
            Source::StartedAt => "`ts` of the last accepted `session_start`.",
            Source::EndedAt => "`ts` of the last accepted `session_end`.",
            Source::Status => {
                "`live` while figures may change; `final`; `corrected` where a refund or presale balance came after that."
            }
            Source::AnchorName => "The anchor's name.",
            Source::AnchorFans => "Followers of the anchor when it started.",
            Source::ContentType => "The type of content.",
            Source::Region => "The session's region.",
            Source::MerchantId => "The merchant.",
            Source::Brand => "The brand.",
            Source::Breakdown => "Split by what; `room` is the session as a whole.",
            Source::Key => {
                "The key within the breakdown; `room` in `room`. `~other` stands for keys beyond the most that are kept apart."
            }
            Source::Bucket => "Start of the bucket, hour or day.",
            Source::Metric(stored) => {
                let metric = Metric::Stored(stored);
                let only = if stored.is_room_only() { " Null but in breakdown `room`." } else { "" };
                return format!("{} · {}: {}.{only}", metric.en(), metric.zh(), metric.formula());
            }
            Source::Version => {
                "Offset in the event log of the last record that changed the row: of two, the greater is the newer."
            }
            Source::Partition => "The partition of the event log that `version` counts in.",
        };
        text.to_owned()
    }

    /// What stands in it of a row.
    pub fn cell<'a>(self, record: &Record<'a>) -> Cell<'a> {
        let attributes = record.session.attributes.as_ref();
        let figures = record.figures;
        match self.source {
            Source::SessionId => Cell::Text(record.session_id),
            Source::AnchorId => attributes.map(|known| &*known.anchor_id).into(),
            Source::RoomId => attributes.map(|known| &*known.room_id).into(),
            Source::Title => attributes.map(|known| &*known.title).into(),
            Source::Category => attributes.map(|known| &*known.category).into(),
            Source::StartedAt => attributes.map(|known| known.started_at).into(),
            Source::EndedAt => record.session.ended_at.into(),
            Source::Status => Cell::Text(record.session.state.name()),
            Source::AnchorName => attributes.map(|known| &*known.anchor_name).into(),
            Source::AnchorFans => attributes.map(|known| known.anchor_fans).into(),
            Source::ContentType => attributes.map(|known| &*known.content_type).into(),
            Source::Region => attributes.map(|known| &*known.region).into(),
            Source::MerchantId => attributes.and_then(|known| known.merchant_id.as_deref()).into(),
            Source::Brand => attributes.and_then(|known| known.brand.as_deref()).into(),
            Source::Breakdown => figures.map(|row| row.key.breakdown.name()).into(),
            Source::Key => figures.map(|row| &*row.key.key).into(),
            Source::Bucket => figures.map(|row| row.key.bucket).into(),
            Source::Metric(stored) => figures
                .filter(|row| is_counted(stored, row.key.breakdown))
                .map(|row| row.values[stored as usize])
                .into(),
            Source::Version => Cell::Whole(figures.map_or(record.session.offset, |row| row.offset)),
            Source::Partition => Cell::Whole(record.partition.0.into()),
        }
    }
}

/// Whether rows of this breakdown have the metric.
fn is_counted(stored: Stored, breakdown: Breakdown) -> bool {
    breakdown == Breakdown::Room || !stored.is_room_only()
}
