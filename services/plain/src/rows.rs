//! The rows of one session: totals and trends, bounded keys, exact distinct users.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tandem_model::catalogue::{OVERFLOW, ROOM, STORED};
use tandem_model::time::{LATENESS_MS, Window};
use tandem_model::{Breakdown, Calendar, RowKey, SessionRow, Stored, Table, Values};

use crate::counts::Amount;

/// All rows of a session, as they are after the last record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// The session's own row.
    pub session: SessionRow,
    /// Its figures, each with the offset of the last record that changed it.
    pub rows: BTreeMap<RowKey, (Values, u64)>,
}

/// The rows while they grow.
pub(crate) struct Rows {
    /// Where hours and days begin.
    calendar: Calendar,
    cells: BTreeMap<RowKey, Cell>,
    /// The keys that have a place in their breakdown (rule 7).
    keys: BTreeMap<Breakdown, BTreeSet<Arc<str>>>,
    /// Who was counted where (rule 10), by the end of the bucket, so that closed buckets can go.
    users: BTreeMap<(u64, RowKey, Stored), BTreeSet<u32>>,
}

/// One row: only columns that are not 0, since most are; and its version.
struct Cell {
    columns: Vec<(Stored, u64)>,
    offset: u64,
}

impl Rows {
    pub(crate) fn new(calendar: Calendar) -> Self {
        Self { calendar, cells: BTreeMap::new(), keys: BTreeMap::new(), users: BTreeMap::new() }
    }

    /// Rule 6: the row of `key` in `table` that `ts` falls into.
    pub(crate) fn key(&self, table: Table, breakdown: Breakdown, key: &Arc<str>, ts: u64) -> RowKey {
        let bucket = match table {
            Table::Total => 0,
            Table::Trend(window) => window.bucket(ts),
            Table::Calendar(span) => self.calendar.start(span, ts),
        };
        RowKey { table, breakdown, key: key.clone(), bucket }
    }

    /// Rule 7: the first keys in log order get a row of their own, what comes after counts under
    /// `~other`, which takes no place.
    pub(crate) fn claim(&mut self, breakdown: Breakdown, key: &str) -> Arc<str> {
        let keys = self.keys.entry(breakdown).or_default();
        if let Some(known) = keys.get(key) {
            return known.clone();
        }
        if key == OVERFLOW || keys.len() >= breakdown.keys_max() {
            return Arc::from(OVERFLOW);
        }
        let key: Arc<str> = Arc::from(key);
        keys.insert(key.clone());
        key
    }

    /// Adds to one row; the row exists from then on, also if nothing was to add.
    pub(crate) fn add(&mut self, key: RowKey, adds: &[(Stored, Amount)], user: Option<u32>, offset: u64) {
        let cell = self.cells.entry(key.clone()).or_insert_with(|| Cell::new(offset));
        for (stored, amount) in adds {
            match amount {
                Amount::Sum(amount) => {
                    cell.set(*stored, cell.value(*stored).saturating_add(*amount), offset);
                }
                Amount::User => {
                    let users = self
                        .users
                        .entry((bucket_end(&self.calendar, &key), key.clone(), *stored))
                        .or_default();
                    users.extend(user);
                    cell.set(*stored, users.len() as u64, offset);
                }
            }
        }
    }

    /// Rule 8: a sample of the gauges at a beat. In a bucket without events nobody online is no
    /// news, so no row is made for it.
    pub(crate) fn sample(&mut self, online: u64, clock: u64, offset: u64) {
        let room: Arc<str> = Arc::from(ROOM);
        for table in Table::ALL {
            let key = self.key(table, Breakdown::Room, &room, clock);
            if online > 0 || self.cells.contains_key(&key) {
                let cell = self.cells.entry(key).or_insert_with(|| Cell::new(offset));
                let peak = cell.value(Stored::OnlinePeak).max(online);
                cell.set(Stored::OnlineViewers, online, offset);
                cell.set(Stored::OnlinePeak, peak, offset);
            }
        }
    }

    /// Drops who was counted in buckets that no event can reach any more (rule 3), to save
    /// memory: an event at the bucket's last millisecond would be late.
    pub(crate) fn close_buckets(&mut self, clock: u64) {
        let first_open = clock.saturating_sub(LATENESS_MS).saturating_add(1);
        self.users.retain(|(end, _, _), _| *end >= first_open);
    }

    /// Drops who was counted anywhere: no follow-up counts distinct users.
    pub(crate) fn close(&mut self) {
        self.users.clear();
    }

    /// All rows with all their columns.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&RowKey, Values, u64)> {
        self.cells.iter().map(|(key, cell)| {
            let mut values = [0; STORED];
            for (stored, value) in &cell.columns {
                values[*stored as usize] = *value;
            }
            (key, values, cell.offset)
        })
    }
}

impl Cell {
    fn new(offset: u64) -> Self {
        Self { columns: Vec::new(), offset }
    }

    fn value(&self, stored: Stored) -> u64 {
        self.columns.iter().find(|(column, _)| *column == stored).map_or(0, |(_, value)| *value)
    }

    /// Sets a column; only a change of the value makes a new version.
    fn set(&mut self, stored: Stored, value: u64, offset: u64) {
        if self.value(stored) == value {
            return;
        }
        self.offset = offset;
        match self.columns.iter_mut().find(|(column, _)| *column == stored) {
            Some((_, old)) => *old = value,
            None => self.columns.push((stored, value)),
        }
    }
}

/// The first millisecond after the row's bucket; never, for a total.
fn bucket_end(calendar: &Calendar, key: &RowKey) -> u64 {
    match key.table {
        Table::Total => u64::MAX,
        Table::Trend(window) => key.bucket.saturating_add(Window::length_ms(window)),
        Table::Calendar(span) => calendar.end(span, key.bucket),
    }
}
