//! Cells: the rows of figures while they are being counted.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tandem_model::digest::{self, Digests};
use tandem_model::{Row, RowKey, Stored, Table};

use crate::columns::Columns;
use crate::count::{Bits, Sums, columns, weight};
use crate::keys::{Key, KeyNumber, Keys, ROOM_KEY};

/// One row of figures.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cell {
    key: KeyNumber,
    columns: Columns,
    /// Offset of the last record that changed it.
    offset: u64,
    #[serde(skip)]
    coefficient: u128,
    #[serde(skip)]
    is_changed: bool,
}

/// All cells of one table, or of one bucket of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cells {
    table: Table,
    bucket: u64,
    cells: Vec<Cell>,
    /// Per key: its cell's place, plus 1; 0 is none.
    #[serde(skip)]
    places: Vec<u16>,
    /// Places of cells that changed since they were last taken.
    #[serde(skip)]
    changed: Vec<u16>,
}

impl Cells {
    pub(crate) fn new(table: Table, bucket: u64) -> Self {
        Self { table, bucket, cells: Vec::new(), places: Vec::new(), changed: Vec::new() }
    }

    pub(crate) const fn table(&self) -> Table {
        self.table
    }

    pub(crate) const fn bucket(&self) -> u64 {
        self.bucket
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// How many cells changed since they were last taken.
    pub(crate) fn changed(&self) -> usize {
        self.changed.len()
    }

    /// Builds what a snapshot leaves out.
    pub(crate) fn index(&mut self, keys: &Keys) {
        for place in 0..self.cells.len() {
            let key = self.cells[place].key;
            let seed = keys.get(key).seed;
            self.cells[place].coefficient = digest::coefficient(seed, self.table, self.bucket);
            self.set_place(key, place, keys);
        }
    }

    /// Adds to the cell of `key`, which comes to be if it is not there yet.
    pub(crate) fn add(&mut self, key: KeyNumber, sums: &Sums, distinct: Bits, change: &mut Change<'_>) {
        let place = self.place_or_new(key, change);
        let cell = &mut self.cells[place];
        let mut difference = sums.weight();
        for (column, amount) in sums.as_slice() {
            let missing = cell.raise(*column, *amount);
            if missing > 0 {
                difference = difference.wrapping_sub(weight(*column, missing));
            }
        }
        if distinct != 0 {
            for column in columns(distinct) {
                cell.raise(column, 1);
                difference = difference.wrapping_add(weight(column, 1));
            }
        }
        if difference != 0 {
            self.note_change(place, difference, change);
        }
    }

    /// Takes in a sample of `online_viewers`. A sample of 0 makes no room row.
    pub(crate) fn sample(&mut self, online_viewers: u64, change: &mut Change<'_>) {
        let place = match self.place(ROOM_KEY) {
            Some(place) => place,
            None if online_viewers == 0 => return,
            None => self.place_or_new(ROOM_KEY, change),
        };
        let cell = &mut self.cells[place];
        let peak = cell.columns.get(Stored::OnlinePeak).max(online_viewers);
        let difference =
            cell.set(Stored::OnlineViewers, online_viewers).wrapping_add(cell.set(Stored::OnlinePeak, peak));
        if difference != 0 {
            self.note_change(place, difference, change);
        }
    }

    /// All of them count as changed.
    pub(crate) fn mark(&mut self) {
        for (place, cell) in (0..).zip(&mut self.cells) {
            if !std::mem::replace(&mut cell.is_changed, true) {
                self.changed.push(place);
            }
        }
    }

    /// The rows that changed since they were last taken.
    pub(crate) fn take_changed(&mut self, keys: &Keys, rows: &mut Vec<Row>) {
        for place in self.changed.drain(..) {
            let cell = &mut self.cells[usize::from(place)];
            cell.is_changed = false;
            rows.push(cell.row(self.table, self.bucket, keys));
        }
    }

    /// Whether any was changed by the record at `offset` or one after it: no other changes without the
    /// room's.
    pub(crate) fn has_changed_since(&self, offset: u64) -> bool {
        self.place(ROOM_KEY).is_some_and(|place| self.cells[place].offset >= offset)
    }

    /// The rows that were changed by the record at `offset` or one after it.
    pub(crate) fn rows_since(&self, offset: u64, keys: &Keys, rows: &mut Vec<Row>) {
        let changed = self.cells.iter().filter(|cell| cell.offset >= offset);
        rows.extend(changed.map(|cell| cell.row(self.table, self.bucket, keys)));
    }

    fn place(&self, key: KeyNumber) -> Option<usize> {
        let place = self.places.get(usize::from(key)).copied().unwrap_or(0);
        usize::from(place).checked_sub(1)
    }

    fn place_or_new(&mut self, key: KeyNumber, change: &mut Change<'_>) -> usize {
        match self.place(key) {
            Some(place) => place,
            None => self.new_cell(key, change),
        }
    }

    fn new_cell(&mut self, key: KeyNumber, change: &mut Change<'_>) -> usize {
        let coefficient = digest::coefficient(change.keys.get(key).seed, self.table, self.bucket);
        let (place, offset) = (self.cells.len(), change.offset);
        self.cells.push(Cell { key, columns: Columns::default(), offset, coefficient, is_changed: true });
        self.set_place(key, place, change.keys);
        self.changed.push(place as u16);
        let weight = digest::EXISTS.wrapping_add(digest::OFFSET.wrapping_mul(u128::from(offset)));
        change.digests.add(self.table, coefficient.wrapping_mul(weight));
        place
    }

    fn set_place(&mut self, key: KeyNumber, place: usize, keys: &Keys) {
        if self.places.len() <= usize::from(key) {
            self.places.resize(keys.len(), 0);
        }
        self.places[usize::from(key)] = place as u16 + 1;
    }

    fn note_change(&mut self, place: usize, difference: u128, change: &mut Change<'_>) {
        let cell = &mut self.cells[place];
        let step = u128::from(change.offset - cell.offset);
        cell.offset = change.offset;
        let difference = difference.wrapping_add(digest::OFFSET.wrapping_mul(step));
        change.digests.add(self.table, cell.coefficient.wrapping_mul(difference));
        if !cell.is_changed {
            cell.is_changed = true;
            self.changed.push(place as u16);
        }
    }
}

/// What a change to a cell needs to know and to tell.
pub(crate) struct Change<'c> {
    /// Of the record that changes it.
    pub(crate) offset: u64,
    pub(crate) keys: &'c Keys,
    pub(crate) digests: &'c mut Digests,
}

impl Cell {
    fn row(&self, table: Table, bucket: u64, keys: &Keys) -> Row {
        let Key { breakdown, name, .. } = keys.get(self.key);
        let key = RowKey { table, breakdown: *breakdown, key: Arc::clone(name), bucket };
        Row { key, values: self.columns.values(), offset: self.offset }
    }

    /// Adds `amount`. Sums stop at 2^64 − 1; answers how much there was no room for.
    fn raise(&mut self, column: Stored, amount: u64) -> u64 {
        let value = self.columns.get_mut(column);
        match value.checked_add(amount) {
            Some(sum) => {
                *value = sum;
                0
            }
            None => amount - (u64::MAX - std::mem::replace(value, u64::MAX)),
        }
    }

    fn set(&mut self, column: Stored, value: u64) -> u128 {
        let before = std::mem::replace(self.columns.get_mut(column), value);
        let step = u128::from(value).wrapping_sub(u128::from(before));
        digest::WEIGHTS[column as usize].wrapping_mul(step)
    }
}
