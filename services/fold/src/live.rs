//! What only a session that is not final needs: its viewers, its open buckets, and what one event
//! adds where.

use serde::{Deserialize, Serialize};
use tandem_model::event::{Event, Viewer};
use tandem_model::{Calendar, Stored, Table};

use crate::Map;
use crate::attribution::{ATTRIBUTED_BREAKDOWNS, Attribution, REGION, Remembered};
use crate::cells::{Cells, Change};
use crate::count::{Bits, Count, Sums};
use crate::distinct::{Fresh, Seen};
use crate::keys::{KeyNumber, Keys, ROOM_KEY};
use crate::presence::{Online, Presence};
use crate::windows::{Buckets, ViewerIndex};

/// The tables that are cut into buckets.
const BUCKETED: [Table; Table::ALL.len() - 1] = {
    let [_, bucketed @ ..] = Table::ALL;
    bucketed
};

/// What only a session that is not final needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Live {
    pub(crate) ts_max: Option<u64>,
    viewer_by_pseudonym: Map<u128, ViewerIndex>,
    pub(crate) viewers: Vec<ViewerState>,
    /// Distinct counts of the totals, by item.
    seen_with_item: Map<(ViewerIndex, KeyNumber), Bits>,
    /// Of every table but the totals, in the order of [`Table::ALL`]: a bucket lies within one of
    /// each table after it.
    pub(crate) windows: [Buckets; BUCKETED.len()],
    online: Online,
    last_sample: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ViewerState {
    remembered: Remembered,
    presence: Presence,
    /// Distinct counts of the totals.
    seen: Seen,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            ts_max: None,
            viewer_by_pseudonym: Map::default(),
            viewers: Vec::new(),
            seen_with_item: Map::default(),
            windows: BUCKETED.map(Buckets::new),
            online: Online::default(),
            last_sample: 0,
        }
    }

    /// Samples who is there at a beat, into the totals and the buckets of that moment.
    pub(crate) fn sample(
        &mut self,
        clock: u64,
        totals: &mut Cells,
        calendar: &Calendar,
        change: &mut Change<'_>,
    ) {
        let sample = self.online.sample(clock);
        // Without anybody there now and before, all of its rows say 0 already.
        if sample == 0 && self.last_sample == 0 {
            return;
        }
        self.last_sample = sample;
        totals.sample(sample, change);
        for window in &mut self.windows {
            if sample > 0 {
                window.at(clock, calendar).cells.sample(sample, change);
            } else if let Some(cells) = window.cells_if_open(clock, calendar) {
                cells.sample(sample, change);
            }
        }
    }

    /// Works out what an event adds where, and takes it into the viewer's state.
    pub(crate) fn addition(
        &mut self,
        event: &Event<'_>,
        count: &Count<'_>,
        viewer: Option<(&Viewer<'_>, u128)>,
        item: Option<KeyNumber>,
        keys: &mut Keys,
        session_id: &str,
    ) -> Addition {
        let Some((viewer, pseudonym)) = viewer else {
            return Addition::new(count, 0, None, None, item);
        };
        let viewers = &mut self.viewers;
        let number = *self.viewer_by_pseudonym.entry(pseudonym).or_insert_with(|| {
            viewers.push(ViewerState::default());
            (viewers.len() - 1) as ViewerIndex
        });
        let state = &mut self.viewers[number as usize];
        let watch_ms = state.presence.take(&event.kind, event.ts, &mut self.online);
        let attribution = state.remembered.attribute(viewer, &event.kind, keys, session_id);
        Addition::new(count, watch_ms, Some(number), Some(attribution), item)
    }

    /// Adds it to the bucket of `ts` in every window, and to the totals.
    pub(crate) fn add(
        &mut self,
        ts: u64,
        addition: &Addition,
        totals: &mut Cells,
        calendar: &Calendar,
        change: &mut Change<'_>,
    ) {
        let Some((viewer, attribution)) = addition.viewer.zip(addition.attribution) else {
            for window in &mut self.windows {
                addition.add_to(&mut window.at(ts, calendar).cells, &Fresh::NOTHING, 0, change);
            }
            addition.add_to(totals, &Fresh::NOTHING, 0, change);
            return;
        };
        // Who was seen in a bucket was seen in every longer one around it, and in the totals.
        let mut bits = addition.distinct;
        let mut item_bits = if addition.item.is_some() { bits } else { 0 };
        for window in &mut self.windows {
            let bucket = window.at(ts, calendar);
            let mut fresh = Fresh::NOTHING;
            if bits != 0 {
                let table = bucket.cells.table();
                fresh = bucket.seen.entry(viewer).or_default().note(&asked(table, &attribution), bits);
                // The calendar does not know of every key, so it can't tell for the totals.
                if fresh == Fresh::NOTHING && matches!(table, Table::Trend(_)) {
                    bits = 0;
                }
            }
            item_bits = note_item(&mut bucket.seen_with_item, viewer, addition.item, item_bits);
            addition.add_to(&mut bucket.cells, &fresh, item_bits, change);
        }
        let seen = &mut self.viewers[viewer as usize].seen;
        let fresh = if bits != 0 { seen.note(&attribution, bits) } else { Fresh::NOTHING };
        item_bits = note_item(&mut self.seen_with_item, viewer, addition.item, item_bits);
        addition.add_to(totals, &fresh, item_bits, change);
    }
}

/// Of an event's keys those that `table` is split by. The others are all the same, so a viewer who
/// comes by another way is not one more entry for nothing.
fn asked(table: Table, attribution: &Attribution) -> Attribution {
    match table {
        Table::Total | Table::Trend(_) => *attribution,
        Table::Calendar(_) => {
            let mut asked = [ROOM_KEY; ATTRIBUTED_BREAKDOWNS.len()];
            asked[REGION] = attribution[REGION];
            asked
        }
    }
}

/// Notes `bits` of a viewer with an item, and answers which are new.
fn note_item(
    seen: &mut Map<(ViewerIndex, KeyNumber), Bits>,
    viewer: ViewerIndex,
    item: Option<KeyNumber>,
    bits: Bits,
) -> Bits {
    match item {
        Some(item) if bits != 0 => {
            let had = seen.entry((viewer, item)).or_insert(0);
            let new = bits & !*had;
            *had |= bits;
            new
        }
        _ => 0,
    }
}

/// What one event adds to each table.
pub(crate) struct Addition {
    /// To every breakdown but `item` and `room`.
    sums: Sums,
    /// To `item`: the same without the time watched.
    item_sums: Sums,
    /// To `room`: the same, and quality.
    room_sums: Sums,
    distinct: Bits,
    viewer: Option<ViewerIndex>,
    /// None for events without a viewer: they count under `room` only.
    attribution: Option<Attribution>,
    item: Option<KeyNumber>,
}

impl Addition {
    pub(crate) fn new(
        count: &Count<'_>,
        watch_ms: u64,
        viewer: Option<ViewerIndex>,
        attribution: Option<Attribution>,
        item: Option<KeyNumber>,
    ) -> Self {
        let mut sums = count.sums;
        sums.push(Stored::WatchMs, watch_ms);
        let mut room_sums = sums;
        room_sums.push(Stored::Events, 1);
        room_sums.push(Stored::SuspectViews, count.suspect_views);
        Self { sums, item_sums: count.sums, room_sums, distinct: count.distinct, viewer, attribution, item }
    }

    pub(crate) fn add_to(
        &self,
        cells: &mut Cells,
        fresh: &Fresh,
        fresh_with_item: Bits,
        change: &mut Change<'_>,
    ) {
        cells.add(ROOM_KEY, &self.room_sums, fresh.room, change);
        match (&self.attribution, cells.table()) {
            (None, _) => {}
            (Some(attribution), Table::Calendar(_)) => {
                cells.add(attribution[REGION], &self.sums, fresh.attributed[REGION], change);
            }
            (Some(attribution), Table::Total | Table::Trend(_)) => {
                for (key, fresh) in attribution.iter().zip(fresh.attributed) {
                    cells.add(*key, &self.sums, fresh, change);
                }
            }
        }
        if let Some(item) = self.item {
            cells.add(item, &self.item_sums, fresh_with_item, change);
        }
    }
}
