//! The tables as this program knows them: names, keys, columns, meanings. Statements and the
//! description for partner teams derive from here; the migrations lead to it, and a test compares
//! what a server says it has.
//!
//! | table | one CQL partition | its rows |
//! |---|---|---|
//! | `rows` | a session: its own row as static columns | figures, by table, breakdown, bucket, key |
//! | `session_list` | a slot's sessions of a month | newest first |
//! | `session_list_live` | a slot's live sessions | newest first |
//! | `session_list_by_anchor` | an anchor's sessions | newest first |
//! | `session_months` | all months with sessions | newest first |
//! | `session_ids` | a slot's sessions | by id |
//! | `progress` | a log partition | one |
//! | `beats` | a log partition's digests | latest first |
//! | `dead_letters` | 2^18 offsets of a log partition | by offset |
//! | `dead_letters_by_session` | a session's | by place |
//! | `dead_letter_buckets` | all buckets with dead letters | by place |
//! | `editions` | parts of some hours or days of a log partition | by slot |
//! | `edition_buckets` | a log partition's and step's buckets | ascending |
//! | `repairs` | a log partition | the latest order to repair it, and how it stands |
//! | `log_identity`, `schema_versions`, `schema_lock` | one | |
//!
//! What belongs to one log and not to the next has the log's generation in its partition key.
//! `rows` and `progress` have it in a column instead: there a new generation replaces the old.

mod internal;
mod public;

pub(crate) use internal::letter;
pub(crate) use public::header;

use crate::Settings;

/// A table.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) is_public: bool,
    pub(crate) columns: Vec<Column>,
    pub(crate) expiry: Expiry,
}

/// A column.
#[derive(Clone)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) cql_type: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: Option<&'static str>,
    pub(crate) meaning: String,
}

/// What a column is for, in the order in which a table names them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Partition,
    Ascending,
    Descending,
    Static,
    Regular,
}

/// How long a table's rows live after they were written.
#[derive(Clone, Copy)]
pub(crate) enum Expiry {
    Never,
    /// Each row by its `table_name`.
    ByTable,
    Total,
    DeadLetters,
}

impl Kind {
    /// Its name in `system_schema.columns`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Partition => "partition_key",
            Kind::Ascending | Kind::Descending => "clustering",
            Kind::Static => "static",
            Kind::Regular => "regular",
        }
    }
}

impl Expiry {
    /// In words.
    pub(crate) fn words(self, settings: &Settings) -> String {
        let seconds = |seconds: u32| match seconds {
            0 => "for ever".to_owned(),
            _ if seconds.is_multiple_of(86_400) => {
                format!("{} days after it was last written", seconds / 86_400)
            }
            _ => format!("{seconds} seconds after it was last written"),
        };
        match self {
            Expiry::Never => "for ever".to_owned(),
            Expiry::Total => seconds(settings.total_expiry_s),
            Expiry::DeadLetters => seconds(settings.dead_letter_expiry_s),
            Expiry::ByTable => format!(
                "a row of trend_10s {}, of trend_1m {}, any other {}",
                seconds(settings.ten_seconds_expiry_s),
                seconds(settings.minute_expiry_s),
                seconds(settings.total_expiry_s)
            ),
        }
    }
}

/// All of them.
pub(crate) fn tables() -> Vec<Table> {
    let mut tables = public::tables();
    tables.extend(internal::tables());
    tables
}

/// The names of the columns of a kind, in order.
pub(crate) fn names(columns: &[Column], is_wanted: impl Fn(Kind) -> bool) -> Vec<&'static str> {
    columns.iter().filter(|column| is_wanted(column.kind)).map(|column| column.name).collect()
}

fn column(name: &'static str, cql_type: &'static str, kind: Kind, meaning: &str) -> Column {
    Column { name, cql_type, kind, unit: None, meaning: meaning.to_owned() }
}

impl Column {
    fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }
}

/// The generation as the first part of a partition key.
fn generation() -> Column {
    column(
        "generation",
        "int",
        Kind::Partition,
        "which of the logs that stood under this name: that of log_identity",
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use tandem_model::catalogue::Stored;

    #[test]
    fn names_are_unique_and_keys_stand_first() {
        let all = tables();
        let names: BTreeSet<_> = all.iter().map(|table| table.name).collect();
        assert_eq!(names.len(), all.len());
        for table in &all {
            let columns: BTreeSet<_> = table.columns.iter().map(|column| column.name).collect();
            assert_eq!(columns.len(), table.columns.len(), "{}", table.name);
            let rank = |column: &Column| match column.kind {
                Kind::Partition => 0,
                Kind::Ascending | Kind::Descending => 1,
                Kind::Static => 2,
                Kind::Regular => 3,
            };
            assert!(table.columns.is_sorted_by_key(rank), "{}", table.name);
            assert!(table.columns.iter().all(|column| !column.meaning.is_empty()));
        }
    }

    #[test]
    fn every_stored_metric_is_a_column() {
        let all = tables();
        let rows = all.iter().find(|table| table.name == "rows").expect("there");
        for stored in Stored::ALL {
            let column = rows
                .columns
                .iter()
                .find(|column| column.name == stored.id())
                .expect("a column of each metric");
            assert_eq!((column.cql_type, column.unit), ("bigint", Some(stored.unit().name())));
        }
    }
}
