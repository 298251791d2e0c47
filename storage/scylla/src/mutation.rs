//! A session's change as batches of statements.
//!
//! All of a session stands in one CQL partition of one table. A batch that stays within one is, on
//! each replica, one mutation: written to the commit log as one record and put into memory in one
//! step, so that no query, and no restart, sees half of it. (`UNLOGGED` only means that no batch
//! log is kept, which batches over several partitions would need.) So a flush of a session is
//! atomic, its header included, for the price of one write.
//!
//! What is too large for one mutation is written in parts. The first says in the header where the
//! change leads (`writing_next`), the last moves the header there (`cut_next`). Whoever reads the
//! session in between sees `writing_next` ahead of `cut_next` and waits; see [`crate::read`].

use scylla::serialize::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use scylla::statement::prepared::PreparedStatement;
use tandem_model::catalogue::STORED;
use tandem_model::time::Window;
use tandem_model::{Changes, PartitionId, Row, SessionChange, SessionRow, Table};

use crate::Settings;
use crate::cells::Cells;
use crate::position::{before, row_timestamp, timestamp, to_cql, to_sorted};
use crate::statements::Statements;

/// The protocol counts statements of a batch in 16 bits.
const STATEMENTS_MAX: usize = 60_000;
/// A statement's own bytes in a batch: kind, id, number of values.
const STATEMENT_BYTES: usize = 21;
/// A value's own bytes: its length.
const VALUE_BYTES: usize = 4;

/// One statement's values.
pub(crate) enum Entry<'a> {
    /// Everything of earlier generations goes.
    Forget { id: &'a str, timestamp: i64 },
    /// A change that comes in parts begins.
    Mark { id: &'a str, next: u64, timestamp: i64, expiry_s: i32 },
    /// A row of figures.
    Row { id: &'a str, row: &'a Row, timestamp: i64, expiry_s: i32 },
    /// The header: the cut, and the session's own row where it changed.
    Header { change: &'a SessionChange, cut: Cut, timestamp: i64, expiry_s: i32 },
}

/// What a header says of its cut.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    generation: u32,
    log_partition: u32,
    cut: tandem_model::Cut,
}

/// How long what is written lives, in seconds; 0: for ever.
#[derive(Clone, Copy)]
pub(crate) struct Expiries {
    ten_seconds: i32,
    minute: i32,
    pub(crate) total: i32,
    pub(crate) dead_letter: i32,
}

impl Expiries {
    pub(crate) fn new(settings: &Settings) -> Self {
        // Checked by the settings: at most 20 years.
        let seconds = |seconds: u32| i32::try_from(seconds).unwrap_or(i32::MAX);
        Self {
            ten_seconds: seconds(settings.ten_seconds_expiry_s),
            minute: seconds(settings.minute_expiry_s),
            total: seconds(settings.total_expiry_s),
            dead_letter: seconds(settings.dead_letter_expiry_s),
        }
    }

    const fn of(self, table: Table) -> i32 {
        match table {
            Table::Trend(Window::TenSeconds) => self.ten_seconds,
            Table::Trend(Window::Minute) => self.minute,
            Table::Trend(Window::FiveMinutes) | Table::Total | Table::Calendar(_) => self.total,
        }
    }
}

/// The entries of each batch, in the order in which they must be written.
pub(crate) fn parts<'a>(
    changes: &Changes,
    change: &'a SessionChange,
    generation: u32,
    forgets: bool,
    expiries: Expiries,
    bytes_max: usize,
) -> Vec<Vec<Entry<'a>>> {
    let id = change.session_id.as_str();
    let at_cut = timestamp(generation, changes.cut.next);
    let cut = Cut { generation, log_partition: changes.partition.0, cut: changes.cut };
    let header = Entry::Header { change, cut, timestamp: at_cut, expiry_s: expiries.total };
    let forget = forgets.then(|| Entry::Forget { id, timestamp: before(generation) });
    let rows = change.rows.iter().map(|row| Entry::Row {
        id,
        row,
        timestamp: row_timestamp(generation, row.offset),
        expiry_s: expiries.of(row.key.table),
    });
    let mark = Entry::Mark { id, next: changes.cut.next, timestamp: at_cut, expiry_s: expiries.total };
    split(forget, rows, mark, header, bytes_max)
}

/// The entries that put a session in the place of what is there: everything goes at `forget_at`,
/// and all of it is written at `at`, which comes after.
pub(crate) fn replacing<'a>(
    place: (PartitionId, tandem_model::Cut),
    change: &'a SessionChange,
    generation: u32,
    (forget_at, at): (i64, i64),
    expiries: Expiries,
    bytes_max: usize,
) -> Vec<Vec<Entry<'a>>> {
    let (partition, cut) = place;
    let (id, next) = (change.session_id.as_str(), cut.next);
    let cut = Cut { generation, log_partition: partition.0, cut };
    let header = Entry::Header { change, cut, timestamp: at, expiry_s: expiries.total };
    let rows = change.rows.iter().map(|row| {
        let expiry_s = expiries.of(row.key.table);
        Entry::Row { id, row, timestamp: at, expiry_s }
    });
    let mark = Entry::Mark { id, next, timestamp: at, expiry_s: expiries.total };
    split(Some(Entry::Forget { id, timestamp: forget_at }), rows, mark, header, bytes_max)
}

fn split<'a>(
    forget: Option<Entry<'a>>,
    rows: impl Iterator<Item = Entry<'a>>,
    mark: Entry<'a>,
    header: Entry<'a>,
    bytes_max: usize,
) -> Vec<Vec<Entry<'a>>> {
    let mut parts: Vec<Vec<Entry>> = vec![forget.into_iter().collect()];
    // The header is in the last part, and its mark in the first: room for it is left in each.
    let room = bytes_max.saturating_sub(header.bytes());
    let mut bytes = 0;
    for row in rows {
        let more = row.bytes();
        let part = parts.last_mut().expect("there is always one");
        if !part.is_empty() && (bytes + more > room || part.len() >= STATEMENTS_MAX) {
            parts.push(vec![row]);
            bytes = more;
        } else {
            part.push(row);
            bytes += more;
        }
    }
    if parts.len() > 1 {
        parts[0].push(mark);
    }
    parts.last_mut().expect("there is always one").push(header);
    parts
}

/// A batch of these entries.
pub(crate) fn batch(statements: &Statements, entries: &[Entry<'_>]) -> Batch {
    let statements = entries.iter().map(|entry| BatchStatement::from(entry.statement(statements).clone()));
    Batch::new_with_statements(BatchType::Unlogged, statements.collect())
}

impl Entry<'_> {
    fn statement<'s>(&self, statements: &'s Statements) -> &'s PreparedStatement {
        match self {
            Entry::Forget { .. } => &statements.forget_session,
            Entry::Mark { .. } => &statements.write_mark,
            Entry::Row { .. } => &statements.write_row,
            Entry::Header { change, .. } if change.session.is_some() => &statements.write_header,
            Entry::Header { .. } => &statements.write_cut,
        }
    }

    /// About its length on the wire.
    fn bytes(&self) -> usize {
        STATEMENT_BYTES
            + match self {
                Entry::Forget { id, .. } => id.len() + 2 * VALUE_BYTES + 8,
                Entry::Mark { id, .. } => id.len() + 4 * VALUE_BYTES + 20,
                Entry::Row { id, row, .. } => {
                    let key = &row.key;
                    let texts =
                        id.len() + key.table.name().len() + key.breakdown.name().len() + key.key.len();
                    texts + (STORED + 8) * (VALUE_BYTES + 8)
                }
                Entry::Header { change, .. } => {
                    let attributes = change.session.as_ref().and_then(|session| session.attributes.as_ref());
                    let texts = attributes.map_or(0, |attributes| {
                        attributes.title.len() + attributes.anchor_name.len() + 8 * 4 * 64
                    });
                    change.session_id.as_str().len() + texts + 23 * (VALUE_BYTES + 8)
                }
            }
    }
}

impl SerializeRow for Entry<'_> {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Result<(), SerializationError> {
        let mut cells = Cells(writer);
        match self {
            Entry::Forget { id, timestamp } => {
                cells.bigint(*timestamp)?;
                cells.text(id)
            }
            Entry::Mark { id, next, timestamp, expiry_s } => {
                cells.text(id)?;
                cells.number(*next)?;
                cells.bigint(*timestamp)?;
                cells.int(*expiry_s)
            }
            Entry::Row { id, row, timestamp, expiry_s } => {
                cells.text(id)?;
                cells.text(row.key.table.name())?;
                cells.text(row.key.breakdown.name())?;
                cells.bigint(to_cql(row.key.bucket))?;
                cells.text(&row.key.key)?;
                cells.number(row.offset)?;
                row.values.iter().try_for_each(|value| cells.number(*value))?;
                cells.bigint(*timestamp)?;
                cells.int(*expiry_s)
            }
            Entry::Header { change, cut, timestamp, expiry_s } => {
                cells.text(change.session_id.as_str())?;
                cells.int(cut.generation as i32)?;
                cells.int(cut.log_partition as i32)?;
                cells.number(cut.cut.next)?;
                cells.number(cut.cut.clock)?;
                cells.number(cut.cut.next)?;
                if let Some(session) = &change.session {
                    session_row(&mut cells, session)?;
                }
                cells.bigint(*timestamp)?;
                cells.int(*expiry_s)
            }
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// What of the session is not there yet was never there, so it is left alone: a null would be a
/// tombstone. A start's merchant and brand can vanish with the next start.
fn session_row(cells: &mut Cells<'_, '_>, session: &SessionRow) -> Result<(), SerializationError> {
    cells.number(session.offset)?;
    cells.text(session.state.name())?;
    cells.number_or_unset(session.first_ts)?;
    cells.number_or_unset(session.ended_at)?;
    let Some(attributes) = &session.attributes else {
        (0..11).for_each(|_| cells.unset());
        return Ok(());
    };
    cells.number(attributes.started_at)?;
    for text in [
        &attributes.anchor_id,
        &attributes.room_id,
        &attributes.title,
        &attributes.category,
        &attributes.anchor_name,
    ] {
        cells.text(text)?;
    }
    cells.number(attributes.anchor_fans)?;
    cells.text(&attributes.content_type)?;
    cells.text(&attributes.region)?;
    cells.text_or_null(attributes.merchant_id.as_deref())?;
    cells.text_or_null(attributes.brand.as_deref())
}

/// What a list sorts a session by.
pub(crate) fn sort_key(row: &SessionRow) -> i64 {
    to_sorted(row.sort_ts())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_storage::suite::fixtures;

    fn split(keys: u64, bytes_max: usize, forgets: bool) -> (Vec<String>, Vec<usize>) {
        let mut changes = fixtures::changes(0, 42, 42);
        changes.sessions = vec![fixtures::change("s", 41, keys)];
        let expiries = Expiries::new(&Settings::default());
        let parts = parts(&changes, &changes.sessions[0], 0, forgets, expiries, bytes_max);
        let kinds = parts.iter().map(|part| {
            let letters = part.iter().map(|entry| match entry {
                Entry::Forget { .. } => 'F',
                Entry::Mark { .. } => 'M',
                Entry::Row { .. } => 'r',
                Entry::Header { .. } => 'H',
            });
            letters.collect()
        });
        let sizes = parts.iter().map(|part| part.iter().map(Entry::bytes).sum());
        (kinds.collect(), sizes.collect())
    }

    #[test]
    fn what_fits_is_one_batch_and_the_rest_begins_with_a_mark_and_ends_with_the_header() {
        assert_eq!(split(2, 1 << 20, false).0, ["rrrrrH"]);
        assert_eq!(split(2, 1 << 20, true).0, ["FrrrrrH"]);
        let (kinds, sizes) = split(10, 6_000, true);
        assert!(kinds.len() > 2);
        assert!(kinds[0].starts_with("Fr") && kinds[0].ends_with("rM"));
        assert!(kinds[1..kinds.len() - 1].iter().all(|kinds| kinds.chars().all(|kind| kind == 'r')));
        assert!(kinds.last().expect("some").ends_with("rH"));
        assert_eq!(kinds.concat().matches('r').count(), 21);
        assert!(sizes.iter().all(|bytes| *bytes <= 6_000), "{sizes:?}");
    }

    #[test]
    fn a_limit_below_one_row_still_writes_rows_one_by_one() {
        let (kinds, _) = split(1, 1, false);
        assert_eq!(kinds, ["rM", "r", "rH"]);
        let (kinds, _) = split(0, 1, true);
        assert_eq!(kinds, ["FM", "rH"]);
    }

    #[test]
    fn rows_expire_by_their_table() {
        let expiries = Expiries::new(&Settings { total_expiry_s: 0, ..Settings::default() });
        assert_eq!(expiries.of(Table::Total), 0);
        assert_eq!(expiries.of(Table::Trend(Window::TenSeconds)), 48 * 3_600);
        assert_eq!(expiries.of(Table::Trend(Window::Minute)), 90 * 86_400);
    }
}
