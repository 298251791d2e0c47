//! One session: from its first record to the day it is over.

use serde::{Deserialize, Serialize};
use tandem_model::catalogue::{FAN, GUEST, SOURCES, UNKNOWN};
use tandem_model::digest::Digests;
use tandem_model::event::{Event, Kind, Viewer};
use tandem_model::row::SessionState;
use tandem_model::time::{LATENESS_MS, SILENCE_MS, Window};
use tandem_model::{Breakdown, Row, SessionChange, SessionId, SessionRow, Stored, Table};

use crate::Map;
use crate::attribution::{ATTRIBUTED_BREAKDOWNS, Attribution, Remembered};
use crate::cells::{Cells, Change};
use crate::count::{Bits, Count, Sums};
use crate::dedup::AcceptedIds;
use crate::distinct::{Fresh, Seen};
use crate::keys::{KeyNumber, Keys, ROOM_KEY};
use crate::presence::{Online, Presence};
use crate::windows::{Buckets, ViewerIndex};

/// A session's working set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    id: SessionId,
    row: SessionRow,
    pub(crate) accepted_ids: AcceptedIds,
    keys: Keys,
    totals: Cells,
    /// There until the session is final.
    live: Option<Box<Live>>,
    /// Whether `row` changed since it was last taken.
    #[serde(skip)]
    is_row_changed: bool,
    /// Rows of buckets that were closed since changes were last taken.
    #[serde(skip)]
    closed_rows: Vec<Row>,
    /// Whether it stands in the fold's list of changed sessions.
    #[serde(skip)]
    pub(crate) is_listed: bool,
}

/// What only a session that is not final needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Live {
    ts_max: Option<u64>,
    viewer_by_pseudonym: Map<u128, ViewerIndex>,
    viewers: Vec<ViewerState>,
    /// Distinct counts of the totals, by item.
    seen_with_item: Map<(ViewerIndex, KeyNumber), Bits>,
    windows: [Buckets; Window::ALL.len()],
    online: Online,
    last_sample: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct ViewerState {
    remembered: Remembered,
    presence: Presence,
    /// Distinct counts of the totals.
    seen: Seen,
}

impl Session {
    /// A session that begins with the record at `offset`.
    pub(crate) fn new(id: SessionId, offset: u64, digests: &mut Digests) -> Self {
        let row = SessionRow { offset, ..SessionRow::default() };
        digests.replace_session(id.as_str(), None, &row);
        Self {
            keys: Keys::new(id.as_str()),
            id,
            row,
            accepted_ids: AcceptedIds::default(),
            totals: Cells::new(Table::Total, 0),
            live: Some(Box::new(Live {
                ts_max: None,
                viewer_by_pseudonym: Map::default(),
                viewers: Vec::new(),
                seen_with_item: Map::default(),
                windows: Window::ALL.map(Buckets::new),
                online: Online::default(),
                last_sample: 0,
            })),
            is_row_changed: true,
            closed_rows: Vec::new(),
            is_listed: false,
        }
    }

    pub(crate) const fn is_final(&self) -> bool {
        self.live.is_none()
    }

    /// Counts an event that was refused, for one of the columns of refused events.
    pub(crate) fn refuse(&mut self, column: Stored, offset: u64, digests: &mut Digests) {
        let mut sums = Sums::NONE;
        sums.push(column, 1);
        let mut change = Change { offset, keys: &self.keys, digests };
        self.totals.add(ROOM_KEY, &sums, 0, &mut change);
    }

    /// Counts an accepted event.
    pub(crate) fn accept(
        &mut self,
        event: &Event<'_>,
        count: &Count<'_>,
        pseudonym: Option<u128>,
        offset: u64,
        digests: &mut Digests,
    ) {
        self.note_attributes(event, offset, digests);
        self.count_raw_source(event, offset, digests);
        let item = count.item_id.map(|item| self.keys.claim(Breakdown::Item, item, self.id.as_str()));
        let viewer = event.viewer.as_ref().zip(pseudonym);
        match &mut self.live {
            Some(live) => {
                live.ts_max = live.ts_max.max(Some(event.ts));
                let addition = live.addition(event, count, viewer, item, &mut self.keys, self.id.as_str());
                let mut change = Change { offset, keys: &self.keys, digests };
                live.add(event.ts, &addition, &mut self.totals, &mut change);
            }
            None => {
                let attribution = event.viewer.as_ref().map(|viewer| self.own_attribution(viewer));
                let addition = Addition::new(count, 0, None, attribution, item);
                let mut change = Change { offset, keys: &self.keys, digests };
                addition.add_to(&mut self.totals, &Fresh::NOTHING, 0, &mut change);
                self.change_row(offset, digests, |row| row.state = SessionState::Corrected);
            }
        }
    }

    /// A beat: gauges are sampled, then the session may become final, then buckets close.
    /// Answers whether it became final.
    pub(crate) fn beat(&mut self, clock: u64, offset: u64, digests: &mut Digests) -> bool {
        let Some(live) = &mut self.live else { return false };
        let sample = live.online.sample(clock);
        // Without anybody there now and before, all of its rows say 0 already.
        if sample > 0 || live.last_sample > 0 {
            live.last_sample = sample;
            let mut change = Change { offset, keys: &self.keys, digests };
            self.totals.sample(sample, &mut change);
            for window in &mut live.windows {
                if sample > 0 {
                    window.at(clock).cells.sample(sample, &mut change);
                } else if let Some(cells) = window.cells_if_open(clock) {
                    cells.sample(sample, &mut change);
                }
            }
        }
        let ends_at = match self.row.ended_at {
            Some(ended_at) => Some(ended_at + LATENESS_MS),
            None => live.ts_max.map(|ts_max| ts_max + SILENCE_MS),
        };
        let becomes_final = ends_at.is_some_and(|ends_at| clock >= ends_at);
        let horizon = if becomes_final { u64::MAX } else { clock };
        for window in &mut live.windows {
            window.close(horizon, &self.keys, &mut self.closed_rows);
        }
        self.accepted_ids.purge(clock);
        if becomes_final {
            self.live = None;
            self.change_row(offset, digests, |row| row.state = SessionState::Final);
        }
        becomes_final
    }

    /// Whether anything changed since changes were last taken.
    pub(crate) fn has_changed(&self) -> bool {
        self.is_row_changed || self.changed() > 0
    }

    fn changed(&self) -> usize {
        let trends =
            self.live.as_ref().map_or(0, |live| live.windows.iter().map(Buckets::changed).sum::<usize>());
        self.closed_rows.len() + self.totals.changed() + trends
    }

    /// Everything that an event can still change counts as changed.
    pub(crate) fn mark(&mut self) {
        self.is_row_changed = true;
        self.totals.mark();
        if let Some(live) = &mut self.live {
            live.windows.iter_mut().for_each(Buckets::mark);
        }
    }

    /// What changed since changes were last taken.
    pub(crate) fn take_change(&mut self) -> SessionChange {
        let changed = self.changed();
        let mut rows = std::mem::take(&mut self.closed_rows);
        rows.reserve_exact(changed - rows.len());
        self.totals.take_changed(&self.keys, &mut rows);
        if let Some(live) = &mut self.live {
            for window in &mut live.windows {
                window.take_changed(&self.keys, &mut rows);
            }
        }
        let session = std::mem::take(&mut self.is_row_changed).then(|| self.row.clone());
        self.is_listed = false;
        SessionChange { session_id: self.id.clone(), session, rows }
    }

    /// Builds what a snapshot leaves out.
    pub(crate) fn index(&mut self) {
        self.keys.index(self.id.as_str());
        self.totals.index(&self.keys);
        if let Some(live) = &mut self.live {
            live.windows.iter_mut().for_each(|window| window.index(&self.keys));
        }
    }

    /// How many viewers and cells it holds.
    pub(crate) fn usage(&self) -> (usize, usize) {
        let live = self.live.as_ref();
        let viewers = live.map_or(0, |live| live.viewers.len());
        let trend_cells: usize = live
            .map(|live| live.windows.iter().flat_map(Buckets::iter).map(|bucket| bucket.cells.len()).sum())
            .unwrap_or(0);
        (viewers, self.totals.len() + trend_cells)
    }

    fn note_attributes(&mut self, event: &Event<'_>, offset: u64, digests: &mut Digests) {
        if self.row.first_ts.is_none() {
            self.change_row(offset, digests, |row| row.first_ts = Some(event.ts));
        }
        match &event.kind {
            Kind::SessionStart(start) => {
                let attributes = start.attributes(event.ts);
                self.change_row(offset, digests, |row| row.attributes = Some(attributes));
            }
            Kind::SessionEnd => self.change_row(offset, digests, |row| row.ended_at = Some(event.ts)),
            _ => {}
        }
    }

    fn change_row(&mut self, offset: u64, digests: &mut Digests, change: impl FnOnce(&mut SessionRow)) {
        let before = self.row.clone();
        change(&mut self.row);
        if self.row != before {
            self.row.offset = offset;
            digests.replace_session(self.id.as_str(), Some(&before), &self.row);
            self.is_row_changed = true;
        }
    }

    /// A source that is not listed counts under `other`; what it was is counted here.
    fn count_raw_source(&mut self, event: &Event<'_>, offset: u64, digests: &mut Digests) {
        let source = event.viewer.as_ref().and_then(|viewer| viewer.source.as_deref());
        if let Some(source) = source.filter(|source| !SOURCES.contains(source)) {
            let key = self.keys.claim(Breakdown::RawSource, source, self.id.as_str());
            let mut sums = Sums::NONE;
            sums.push(Stored::Events, 1);
            let mut change = Change { offset, keys: &self.keys, digests };
            self.totals.add(key, &sums, 0, &mut change);
        }
    }

    /// The keys of a follow-up: what the event itself carries, nothing inherited.
    fn own_attribution(&mut self, viewer: &Viewer<'_>) -> Attribution {
        let fan = match viewer.is_fan {
            Some(true) => FAN,
            Some(false) => GUEST,
            None => UNKNOWN,
        };
        let source = match viewer.source.as_deref() {
            None => UNKNOWN,
            Some(source) if SOURCES.contains(&source) => source,
            Some(_) => tandem_model::catalogue::OTHER,
        };
        let [channel, region, device] =
            [&viewer.channel, &viewer.region, &viewer.device].map(|own| own.as_deref().unwrap_or(UNKNOWN));
        let mut names = [channel, source, fan, region, device].into_iter();
        ATTRIBUTED_BREAKDOWNS.map(|breakdown| {
            let name = names.next().unwrap_or(UNKNOWN);
            self.keys.claim(breakdown, name, self.id.as_str())
        })
    }
}

impl Live {
    /// Works out what an event adds where, and takes it into the viewer's state.
    fn addition(
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
    fn add(&mut self, ts: u64, addition: &Addition, totals: &mut Cells, change: &mut Change<'_>) {
        let Some((viewer, attribution)) = addition.viewer.zip(addition.attribution) else {
            for window in &mut self.windows {
                addition.add_to(&mut window.at(ts).cells, &Fresh::NOTHING, 0, change);
            }
            addition.add_to(totals, &Fresh::NOTHING, 0, change);
            return;
        };
        // Who was seen in a bucket was seen in every longer one around it, and in the totals.
        let mut bits = addition.distinct;
        let mut item_bits = if addition.item.is_some() { bits } else { 0 };
        for window in &mut self.windows {
            let bucket = window.at(ts);
            let mut fresh = Fresh::NOTHING;
            if bits != 0 {
                fresh = bucket.seen.entry(viewer).or_default().note(&attribution, bits);
                if fresh == Fresh::NOTHING {
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
struct Addition {
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
    fn new(
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

    fn add_to(&self, cells: &mut Cells, fresh: &Fresh, fresh_with_item: Bits, change: &mut Change<'_>) {
        cells.add(ROOM_KEY, &self.room_sums, fresh.room, change);
        if let Some(attribution) = &self.attribution {
            for (key, fresh) in attribution.iter().zip(fresh.attributed) {
                cells.add(*key, &self.sums, fresh, change);
            }
        }
        if let Some(item) = self.item {
            cells.add(item, &self.item_sums, fresh_with_item, change);
        }
    }
}
