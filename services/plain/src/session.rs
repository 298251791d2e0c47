//! One session: what it accepts and when it ends (rules 3, 4, 7, 11).

use std::collections::BTreeMap;

use tandem_model::catalogue::ROOM;
use tandem_model::event::{self, Event, Kind};
use tandem_model::rejected::Reason;
use tandem_model::row::SessionState;
use tandem_model::time::{FOLLOW_UP_MS, FUTURE_MS, LATENESS_MS, SILENCE_MS};
use tandem_model::{Breakdown, Calendar, SessionRow, Stored, Table};

use crate::counts::{self, Amount};
use crate::rows::{Figures, Rows};
use crate::viewers::{Seen, Viewers, attribution_of_follow_up, is_listed};

/// A session with everything that is remembered of it.
pub(crate) struct Session {
    row: SessionRow,
    rows: Rows,
    viewers: Viewers,
    /// Accepted event ids with their `ts` (rule 4).
    ids: BTreeMap<String, u64>,
    highest_ts: Option<u64>,
    /// The clock of the beat at which it became final.
    final_since: Option<u64>,
}

impl Session {
    /// A session that `offset` is the first record of.
    pub(crate) fn new(offset: u64, calendar: Calendar) -> Self {
        Self {
            row: SessionRow { offset, ..SessionRow::default() },
            rows: Rows::new(calendar),
            viewers: Viewers::default(),
            ids: BTreeMap::new(),
            highest_ts: None,
            final_since: None,
        }
    }

    pub(crate) fn figures(&self) -> Figures {
        let rows = self.rows.iter().map(|(key, values, offset)| (key.clone(), (values, offset)));
        Figures { session: self.row.clone(), rows: rows.collect() }
    }

    pub(crate) fn row(&self) -> &SessionRow {
        &self.row
    }

    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    fn is_final(&self) -> bool {
        self.final_since.is_some()
    }

    /// Rule 3: 30 days after it became final nothing reaches a session any more.
    pub(crate) fn is_over(&self, clock: u64) -> bool {
        self.final_since.is_some_and(|since| clock >= since.saturating_add(FOLLOW_UP_MS))
    }

    /// Rule 3: why a well-formed event is not accepted, checked in the order future, late,
    /// duplicate. Before the first beat nothing is late or future.
    pub(crate) fn refuses(&self, event: &Event<'_>, clock: u64) -> Option<Reason> {
        let is_future = clock > 0 && event.ts > clock.saturating_add(FUTURE_MS);
        let is_late =
            is_past(event.ts, clock) || (self.is_final() && !event.kind.event_type().is_follow_up());
        if is_future {
            Some(Reason::Future)
        } else if is_late {
            Some(Reason::Late)
        } else if self.remembers(&event.event_id, clock) {
            Some(Reason::Duplicate)
        } else {
            None
        }
    }

    /// Rule 4: an accepted id is remembered until its `ts` would be late.
    fn remembers(&self, event_id: &str, clock: u64) -> bool {
        self.ids.get(event_id).is_some_and(|ts| !is_past(*ts, clock))
    }

    /// Counts a record that was not accepted: in the session's total alone.
    pub(crate) fn count_refused(&mut self, reason: &Reason, offset: u64) {
        let stored = match reason {
            Reason::Late => Stored::LateEvents,
            Reason::Future => Stored::FutureEvents,
            Reason::Duplicate => Stored::DuplicateEvents,
            Reason::Malformed(_) => Stored::MalformedEvents,
        };
        let room = self.rows.claim(Breakdown::Room, ROOM);
        let total = self.rows.key(Table::Total, Breakdown::Room, &room, 0);
        self.rows.add(total, &[(stored, Amount::Sum(1))], None, offset);
    }

    /// Folds an accepted event into the figures.
    pub(crate) fn accept(&mut self, event: &Event<'_>, offset: u64) {
        self.ids.insert(event.event_id.to_string(), event.ts);
        if self.is_final() { self.follow_up(event, offset) } else { self.live(event, offset) }
    }

    /// An event while the session is live: totals and trends, with what the viewer's enters said.
    fn live(&mut self, event: &Event<'_>, offset: u64) {
        self.highest_ts = self.highest_ts.max(Some(event.ts));
        self.note(event, offset);
        let seen = event.viewer.as_ref().map(|viewer| self.viewers.apply(event, viewer));
        self.count(event, seen.as_ref(), &Table::ALL, offset);
    }

    /// Rule 3, follow-ups: totals only, no presence, nothing inherited.
    fn follow_up(&mut self, event: &Event<'_>, offset: u64) {
        self.update_row(offset, |row| row.state = SessionState::Corrected);
        let seen = event.viewer.as_ref().map(|viewer| Seen {
            user: 0, // no follow-up counts users
            attribution: attribution_of_follow_up(viewer),
            watch_ms: 0,
        });
        self.count(event, seen.as_ref(), &[Table::Total], offset);
    }

    /// Counts an accepted event: for the room and, if it has a viewer, in every breakdown
    /// (rule 7).
    fn count(&mut self, event: &Event<'_>, seen: Option<&Seen>, tables: &[Table], offset: u64) {
        let mut adds = counts::own(event);
        adds.push((Stored::Events, Amount::Sum(1)));
        adds.extend(seen.map(|seen| (Stored::WatchMs, Amount::Sum(seen.watch_ms))));
        let user = seen.map(|seen| seen.user);
        for (breakdown, key) in keys(event, seen) {
            let key = self.rows.claim(breakdown, key);
            let adds: Vec<_> =
                adds.iter().copied().filter(|(stored, _)| belongs(*stored, breakdown)).collect();
            for table in tables.iter().filter(|table| table.has(breakdown)) {
                let row = self.rows.key(*table, breakdown, &key, event.ts);
                self.rows.add(row, &adds, user, offset);
            }
        }
        self.count_raw_source(event.viewer.as_ref(), offset);
    }

    /// Rule 7: a source that is not listed is kept and counted as it was sent; in the total alone.
    fn count_raw_source(&mut self, viewer: Option<&event::Viewer<'_>>, offset: u64) {
        let sent = viewer.and_then(|viewer| viewer.source.as_deref());
        if let Some(source) = sent.filter(|source| !is_listed(source)) {
            let key = self.rows.claim(Breakdown::RawSource, source);
            let total = self.rows.key(Table::Total, Breakdown::RawSource, &key, 0);
            self.rows.add(total, &[(Stored::Events, Amount::Sum(1))], None, offset);
        }
    }

    /// What the session's own row learns from an accepted event: the first `ts`, the attributes
    /// of the last start (rule 11), the `ts` of the last end, all in log order.
    fn note(&mut self, event: &Event<'_>, offset: u64) {
        if self.row.first_ts.is_none() {
            self.update_row(offset, |row| row.first_ts = Some(event.ts));
        }
        match &event.kind {
            Kind::SessionStart(start) => {
                self.update_row(offset, |row| row.attributes = Some(start.attributes(event.ts)));
            }
            Kind::SessionEnd => self.update_row(offset, |row| row.ended_at = Some(event.ts)),
            _ => {}
        }
    }

    fn update_row(&mut self, offset: u64, update: impl FnOnce(&mut SessionRow)) {
        let before = self.row.clone();
        update(&mut self.row);
        if self.row != before {
            self.row.offset = offset;
        }
    }

    /// Rule 2, at a beat that rises: gauges are sampled, then the session may become final.
    pub(crate) fn beat(&mut self, clock: u64, offset: u64) {
        if self.is_final() {
            return;
        }
        self.rows.sample(self.viewers.online(clock), clock, offset);
        if self.has_ended(clock) {
            self.update_row(offset, |row| row.state = SessionState::Final);
            self.final_since = Some(clock);
            // Nothing is inherited, present or counted once any more.
            self.viewers = Viewers::default();
            self.rows.close();
        }
    }

    /// Rule 3: ten minutes after the last end or, without one, a day after the highest `ts`. A
    /// session that accepted nothing never ends.
    fn has_ended(&self, clock: u64) -> bool {
        match (self.row.ended_at, self.highest_ts) {
            (Some(ended_at), _) => clock >= ended_at.saturating_add(LATENESS_MS),
            (None, Some(highest)) => clock >= highest.saturating_add(SILENCE_MS),
            (None, None) => false,
        }
    }

    /// Whether beats still concern it.
    pub(crate) fn is_live(&self) -> bool {
        !self.is_final()
    }

    /// Drops what can't be asked for any more, to save memory; no figure depends on it.
    pub(crate) fn forget(&mut self, clock: u64) {
        self.ids.retain(|_, ts| !is_past(*ts, clock));
        self.rows.close_buckets(clock);
    }
}

/// Rule 3: whether `ts` is older than the clock by more than ten minutes. At clock 0, before the
/// first beat, nothing is.
fn is_past(ts: u64, clock: u64) -> bool {
    ts < clock.saturating_sub(LATENESS_MS)
}

/// Rule 7: the keys an accepted event counts under.
fn keys<'a>(event: &'a Event<'_>, seen: Option<&'a Seen>) -> Vec<(Breakdown, &'a str)> {
    let mut keys = vec![(Breakdown::Room, ROOM)];
    let Some(Seen { attribution, .. }) = seen else { return keys };
    keys.extend(counts::item(event).map(|item| (Breakdown::Item, item)));
    keys.extend([
        (Breakdown::Channel, attribution.channel.as_str()),
        (Breakdown::Source, attribution.source.as_str()),
        (Breakdown::Fan, attribution.fan),
        (Breakdown::Region, attribution.region.as_str()),
        (Breakdown::Device, attribution.device.as_str()),
    ]);
    keys
}

/// Quality is the room's alone (section 2); watch time never counts under an item (rule 8).
fn belongs(stored: Stored, breakdown: Breakdown) -> bool {
    match breakdown {
        Breakdown::Room => true,
        Breakdown::Item => !stored.is_room_only() && stored != Stored::WatchMs,
        _ => !stored.is_room_only(),
    }
}
