//! The DWS tables as partner teams export them.
//!
//! | what | where |
//! |---|---|
//! | the tables and what their columns mean | `table.rs` |
//! | one row, cell by cell | `record.rs` |
//! | rows as CSV, JSON lines, Parquet | `csv.rs` `lines.rs` `parquet.rs` |
//! | what says that a part arrived whole | `digest.rs` |
//!
//! Everything here is a pure function of rows: both chains make the same bytes of the same rows, so a part
//! can be held against the other chain's by its digest. Where rows come from, and where a part ends, is the
//! query node's business.

mod csv;
mod digest;
mod lines;
mod parquet;
mod record;
mod table;

pub use digest::{digest, repr_digest};
pub use record::{Cell, Record};
pub use table::{Column, Dws, Kind};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with a line of column names. `null` is an empty field, and so is empty text (a title may be):
    /// the other formats tell them apart.
    Csv,
    /// JSON, one object per line.
    Json,
    /// Parquet, compressed with zstd.
    Parquet,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 3] = [Format::Csv, Format::Json, Format::Parquet];

    /// Its name in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Parquet => "parquet",
        }
    }

    /// Its media type (RFC 7111, RFC 4180; the names registered for the other two).
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Json => "application/x-ndjson",
            Format::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// What names of files end in.
    pub const fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Json => "ndjson",
            Format::Parquet => "parquet",
        }
    }

    /// How many rows a part holds at most: about four megabytes of text, which the widest rows do not
    /// double, and some hundred kilobytes of Parquet.
    pub const fn rows_max(self) -> usize {
        match self {
            Format::Csv => 16_384,
            Format::Json => 4_096,
            Format::Parquet => 32_768,
        }
    }
}

/// Why rows could not be written: a fault of ours, whatever they hold.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// As CSV.
    #[error("rows could not be written as CSV: {0}")]
    Csv(String),
    /// As Parquet.
    #[error("rows could not be written as Parquet: {0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
}

/// These rows of a table as one part: a file that stands for itself.
///
/// # Errors
///
/// When the library that writes the format fails.
pub fn encode(table: Dws, format: Format, records: &[Record<'_>]) -> Result<Vec<u8>, EncodeError> {
    match format {
        Format::Csv => csv::encode(table, records),
        Format::Json => Ok(lines::encode(table, records)),
        Format::Parquet => parquet::encode(table, records),
    }
}
