//! One session: from its first record to the day it is over.

use serde::{Deserialize, Serialize};
use tandem_model::catalogue::{FAN, GUEST, SOURCES, UNKNOWN};
use tandem_model::digest::Digests;
use tandem_model::event::{Event, Kind, Viewer};
use tandem_model::row::{Attributes, SessionState};
use tandem_model::time::{LATENESS_MS, SILENCE_MS};
use tandem_model::{Breakdown, Calendar, Row, SessionChange, SessionId, SessionRow, Stored, Table};

use crate::attribution::{ATTRIBUTED_BREAKDOWNS, Attribution};
use crate::cells::{Cells, Change};
use crate::count::{Count, Sums};
use crate::dedup::AcceptedIds;
use crate::distinct::Fresh;
use crate::editions::Parted;
use crate::keys::{Keys, ROOM_KEY};
use crate::live::{Addition, Live};
use crate::windows::Buckets;

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
            live: Some(Box::new(Live::new())),
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
        calendar: &Calendar,
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
                live.add(event.ts, &addition, &mut self.totals, calendar, &mut change);
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

    /// A beat: gauges are sampled, then the session may become final, then buckets close. Hours and
    /// days that do, and what a final session was, go to `parted`. Answers whether it became final.
    pub(crate) fn beat(
        &mut self,
        clock: u64,
        calendar: &Calendar,
        offset: u64,
        digests: &mut Digests,
        parted: &mut Vec<Parted>,
    ) -> bool {
        let Some(live) = &mut self.live else { return false };
        let mut change = Change { offset, keys: &self.keys, digests };
        live.sample(clock, &mut self.totals, calendar, &mut change);
        let ends_at = match self.row.ended_at {
            Some(ended_at) => Some(ended_at + LATENESS_MS),
            None => live.ts_max.map(|ts_max| ts_max + SILENCE_MS),
        };
        let becomes_final = ends_at.is_some_and(|ends_at| clock >= ends_at);
        let horizon = if becomes_final { u64::MAX } else { clock };
        let mut cells = Vec::new();
        for window in &mut live.windows {
            let closed = window.close(horizon, calendar, &self.keys, &mut self.closed_rows);
            cells.extend(closed.filter(|cells| matches!(cells.table(), Table::Calendar(_))));
        }
        if becomes_final || !cells.is_empty() {
            let attributes = self.row.attributes.clone().filter(|_| becomes_final);
            let attributes = attributes.map(|attributes| (attributes, self.row.offset));
            let (session_id, keys) = (self.id.clone(), self.keys.clone());
            parted.push(Parted { session_id, keys, cells, attributes });
        }
        self.accepted_ids.purge(clock);
        if becomes_final {
            self.live = None;
            self.change_row(offset, digests, |row| row.state = SessionState::Final);
        }
        becomes_final
    }

    pub(crate) const fn id(&self) -> &SessionId {
        &self.id
    }

    /// What it says of itself, and the version of that, while it is live.
    pub(crate) fn attributes(&self) -> Option<(&Attributes, u64)> {
        let attributes = self.row.attributes.as_ref().filter(|_| self.live.is_some())?;
        Some((attributes, self.row.offset))
    }

    /// Its rows of hours and days that were changed by the record at `offset` or one after it.
    pub(crate) fn calendar_rows_since(&self, offset: u64) -> Vec<Row> {
        let mut rows = Vec::new();
        for window in self.live.iter().flat_map(|live| &live.windows) {
            if matches!(window.table(), Table::Calendar(_)) {
                window.rows_since(offset, &self.keys, &mut rows);
            }
        }
        rows
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
