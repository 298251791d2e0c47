//! The open buckets of a session: of its trends (rule 6), and the hours and days of the calendar.

use serde::{Deserialize, Serialize};
use tandem_model::time::LATENESS_MS;
use tandem_model::{Calendar, Row, Table};

use crate::Map;
use crate::cells::Cells;
use crate::count::Bits;
use crate::distinct::Seen;
use crate::keys::{KeyNumber, Keys};

/// The number of a viewer within their session.
pub(crate) type ViewerIndex = u32;

/// One bucket of one table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) cells: Cells,
    pub(crate) seen: Map<ViewerIndex, Seen>,
    pub(crate) seen_with_item: Map<(ViewerIndex, KeyNumber), Bits>,
}

/// The open buckets of one table, by their start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Buckets {
    table: Table,
    /// Ascending. Few: accepted events lie within 15 minutes of the clock.
    open: Vec<Bucket>,
}

/// The start of the bucket of `table` that `ts` lies in.
fn start(table: Table, ts: u64, calendar: &Calendar) -> u64 {
    match table {
        Table::Total => 0,
        Table::Trend(window) => window.bucket(ts),
        Table::Calendar(span) => calendar.start(span, ts),
    }
}

/// The first millisecond after the bucket of `table` that begins at `start`.
fn end(table: Table, start: u64, calendar: &Calendar) -> u64 {
    match table {
        Table::Total => u64::MAX,
        Table::Trend(window) => start + window.length_ms(),
        Table::Calendar(span) => calendar.end(span, start),
    }
}

impl Buckets {
    pub(crate) fn new(table: Table) -> Self {
        Self { table, open: Vec::new() }
    }

    /// The bucket that `ts` lies in.
    pub(crate) fn at(&mut self, ts: u64, calendar: &Calendar) -> &mut Bucket {
        let start = start(self.table, ts, calendar);
        // Nearly always the newest one.
        let place = match self.open.last() {
            Some(last) if last.cells.bucket() == start => self.open.len() - 1,
            _ => match self.open.binary_search_by_key(&start, |bucket| bucket.cells.bucket()) {
                Ok(place) => place,
                Err(place) => {
                    let cells = Cells::new(self.table, start);
                    let bucket = Bucket { cells, seen: Map::default(), seen_with_item: Map::default() };
                    self.open.insert(place, bucket);
                    place
                }
            },
        };
        &mut self.open[place]
    }

    /// The cells of the bucket that `ts` lies in, if it is open.
    pub(crate) fn cells_if_open(&mut self, ts: u64, calendar: &Calendar) -> Option<&mut Cells> {
        let start = start(self.table, ts, calendar);
        self.open
            .iter_mut()
            .rev()
            .find(|bucket| bucket.cells.bucket() == start)
            .map(|bucket| &mut bucket.cells)
    }

    pub(crate) const fn table(&self) -> Table {
        self.table
    }

    /// Gives up the buckets that no accepted event can fall into any more, after taking what
    /// changed in them. Answers their cells.
    pub(crate) fn close(
        &mut self,
        clock: u64,
        calendar: &Calendar,
        keys: &Keys,
        rows: &mut Vec<Row>,
    ) -> impl Iterator<Item = Cells> {
        let table = self.table;
        let is_open =
            |bucket: &Bucket| end(table, bucket.cells.bucket(), calendar).saturating_add(LATENESS_MS) > clock;
        // Nearly always none.
        let closed = match self.open.first() {
            Some(first) if !is_open(first) => self.open.partition_point(|bucket| !is_open(bucket)),
            _ => 0,
        };
        self.open.drain(..closed).map(move |mut bucket| {
            bucket.cells.take_changed(keys, rows);
            bucket.cells
        })
    }

    /// The rows that were changed by the record at `offset` or one after it.
    pub(crate) fn rows_since(&self, offset: u64, keys: &Keys, rows: &mut Vec<Row>) {
        for bucket in self.open.iter().filter(|bucket| bucket.cells.has_changed_since(offset)) {
            bucket.cells.rows_since(offset, keys, rows);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bucket> {
        self.open.iter()
    }

    /// How many cells changed since they were last taken.
    pub(crate) fn changed(&self) -> usize {
        self.open.iter().map(|bucket| bucket.cells.changed()).sum()
    }

    /// All open ones count as changed.
    pub(crate) fn mark(&mut self) {
        self.open.iter_mut().for_each(|bucket| bucket.cells.mark());
    }

    pub(crate) fn take_changed(&mut self, keys: &Keys, rows: &mut Vec<Row>) {
        for bucket in &mut self.open {
            bucket.cells.take_changed(keys, rows);
        }
    }

    /// Builds what a snapshot leaves out.
    pub(crate) fn index(&mut self, keys: &Keys) {
        self.open.iter_mut().for_each(|bucket| bucket.cells.index(keys));
    }
}
