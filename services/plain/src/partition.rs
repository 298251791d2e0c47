//! One partition of the log, record by record (rules 1, 2 and 5).

use std::collections::{BTreeMap, BTreeSet};

use tandem_model::decode::decode;
use tandem_model::definition::{self, Definition, Definitions};
use tandem_model::digest::{self, Digests};
use tandem_model::event::{Event, Line};
use tandem_model::malformed::{Malformed, Problem};
use tandem_model::partition::partition_of;
use tandem_model::rejected::{Reason, Rejected, RejectedEvent};
use tandem_model::row::PartitionRow;
use tandem_model::time::MINUTE_MS;
use tandem_model::{PartitionId, Record, Row, Rules, SessionId, Verdicts};

use crate::counts;
use crate::rows::Figures;
use crate::session::Session;

/// The figures of one partition, computed plainly.
pub struct Plain {
    partition: PartitionId,
    partitions: u32,
    rules: Rules,
    row: PartitionRow,
    sessions: BTreeMap<SessionId, Session>,
    /// Those that beats still concern: they are not final.
    live: BTreeSet<SessionId>,
    keeps_rejected: bool,
    verdicts: Verdicts,
    definitions: Definitions,
    rejected: Vec<Rejected>,
}

impl Plain {
    /// A partition of which nothing was read yet.
    pub fn new(partition: PartitionId, partitions: u32, rules: impl Into<Rules>) -> Self {
        Self {
            partition,
            partitions: partitions.max(1),
            rules: rules.into(),
            row: PartitionRow::default(),
            sessions: BTreeMap::new(),
            live: BTreeSet::new(),
            keeps_rejected: true,
            verdicts: Verdicts::default(),
            definitions: Definitions::default(),
            rejected: Vec::new(),
        }
    }

    /// The same, but without the list of rejected events: for logs that are too long for it.
    #[must_use]
    pub fn without_rejected(mut self) -> Self {
        self.keeps_rejected = false;
        self
    }

    /// The same, where these verdicts are known. They stand in the log behind what they are about,
    /// so whoever computes plainly looks for them first ([`Verdicts::note`] each).
    #[must_use]
    pub fn with_verdicts(mut self, verdicts: Verdicts) -> Self {
        self.verdicts = verdicts;
        self
    }

    /// Applies the record at `offset`. Records come in the order of the log (rule 1).
    pub fn apply(&mut self, offset: u64, record: &Record) {
        // Verdicts are about events: a definition stands, whatever they say.
        let quarantine = self.verdicts.quarantine(offset).filter(|_| !Definition::is_one(&record.value));
        if let Some(quarantine) = quarantine {
            let session_id = quarantine.session_id.clone();
            return self
                .malformed(offset, Malformed { problem: Problem::Quarantined, field: None, session_id });
        }
        match &record.malformed {
            Some(refusal) => self.malformed(offset, refusal.reason.clone()),
            None => match decode(&record.value) {
                Ok(Line::Beat { ts }) => self.beat(offset, ts),
                Ok(Line::Event(event)) => self.event(offset, &event),
                // What it says is known already; one about what comes after it says nothing.
                Ok(Line::Verdict(verdict)) if verdict.offset < offset => {}
                Ok(Line::Verdict(_)) => self.bad_control(offset),
                Ok(Line::Definition(definition)) => {
                    let is_here = self.partition == definition::PARTITION;
                    if !is_here || self.definitions.note(&definition, self.row.clock).is_err() {
                        self.bad_control(offset);
                    }
                }
                Err(malformed) => self.malformed(offset, malformed),
            },
        }
    }

    /// `ts` of the last beat that counted, 0 before the first.
    pub fn clock(&self) -> u64 {
        self.row.clock
    }

    /// The partition's own row.
    pub fn partition_row(&self) -> PartitionRow {
        self.row
    }

    /// The figures of a session; nothing if there is no row of it.
    pub fn session(&self, id: &str) -> Option<Figures> {
        self.sessions.get(id).map(Session::figures)
    }

    /// All sessions there are rows of, in the order of their ids.
    pub fn sessions(&self) -> impl Iterator<Item = &SessionId> {
        self.sessions.keys()
    }

    /// What was not counted, in log order; empty after [`Plain::without_rejected`].
    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    /// The digests of all rows as they are now, summed up afresh.
    pub fn digests(&self) -> Digests {
        let mut digests = Digests::default();
        digests.set_partition(&self.row);
        for (id, session) in &self.sessions {
            digests.replace_session(id.as_str(), None, session.row());
            for (key, values, offset) in session.rows().iter() {
                let row = Row { key: key.clone(), values, offset };
                digests.add(row.key.table, digest::of_row(id.as_str(), &row));
            }
        }
        digests
    }

    /// Rule 2: only a beat that rises moves time; then every session samples its gauges and may
    /// become final.
    fn beat(&mut self, offset: u64, ts: u64) {
        self.row.offset = offset;
        if ts <= self.row.clock {
            self.row.ignored_beats = self.row.ignored_beats.saturating_add(1);
            return;
        }
        let is_new_minute = ts / MINUTE_MS > self.row.clock / MINUTE_MS;
        self.row.clock = ts;
        self.row.beats = self.row.beats.saturating_add(1);
        let sessions = &mut self.sessions;
        self.live.retain(|id| {
            sessions.get_mut(id).is_some_and(|session| {
                session.beat(ts, offset);
                session.is_live()
            })
        });
        if is_new_minute {
            self.sessions.values_mut().for_each(|session| session.forget(ts));
        }
    }

    /// Rule 3: an event counts, or is refused for its session or, once that is over, for the
    /// partition.
    fn event(&mut self, offset: u64, event: &Event<'_>) {
        // Decoding has checked the id, so there always is one.
        let Some(id) = SessionId::new(&event.session_id) else { return };
        if !self.is_here(&id) {
            return self.misplaced(offset);
        }
        if self.is_over(&id) {
            self.row.late_events = self.row.late_events.saturating_add(1);
            self.row.offset = offset;
            return self.reject(offset, None, Reason::Late, Some(event));
        }
        let clock = self.row.clock;
        let session = self.open(&id, offset);
        match session.refuses(event, clock) {
            None => session.accept(event, offset),
            Some(reason) => {
                session.count_refused(&reason, offset);
                self.reject(offset, Some(id), reason, Some(event));
            }
        }
    }

    /// Rule 1: a session lives in exactly one partition.
    fn misplaced(&mut self, offset: u64) {
        self.malformed(offset, Malformed { problem: Problem::Misplaced, field: None, session_id: None });
    }

    fn bad_control(&mut self, offset: u64) {
        self.malformed(offset, Malformed { problem: Problem::BadControl, field: None, session_id: None });
    }

    /// Rule 5: a malformed line counts for the session it names, if that is one of this partition
    /// and not over; else for the partition.
    fn malformed(&mut self, offset: u64, malformed: Malformed) {
        let named = malformed.session_id.clone();
        let counted = named.filter(|id| self.is_here(id) && !self.is_over(id));
        let reason = Reason::Malformed(malformed);
        match &counted {
            Some(id) => self.open(id, offset).count_refused(&reason, offset),
            None => {
                self.row.malformed_events = self.row.malformed_events.saturating_add(1);
                self.row.offset = offset;
            }
        }
        self.reject(offset, counted, reason, None);
    }

    fn reject(
        &mut self,
        offset: u64,
        session_id: Option<SessionId>,
        reason: Reason,
        event: Option<&Event<'_>>,
    ) {
        if self.keeps_rejected {
            let event = event.map(|event| self.rejected_event(event));
            let (partition, clock) = (self.partition, self.row.clock);
            self.rejected.push(Rejected { partition, offset, clock, session_id, reason, event });
        }
    }

    fn rejected_event(&self, event: &Event<'_>) -> RejectedEvent {
        RejectedEvent {
            event_id: event.event_id.to_string(),
            event_type: event.kind.event_type().name().to_owned(),
            ts: event.ts,
            user: event.viewer.as_ref().map(|viewer| self.rules.key.of(&viewer.user_id)),
            would_add: counts::would_add(event),
        }
    }

    fn is_here(&self, id: &SessionId) -> bool {
        partition_of(id.as_str().as_bytes(), self.partitions) == self.partition
    }

    fn is_over(&self, id: &SessionId) -> bool {
        self.sessions.get(id).is_some_and(|session| session.is_over(self.row.clock))
    }

    /// The session, which exists from the first record on that counts for it.
    fn open(&mut self, id: &SessionId, offset: u64) -> &mut Session {
        self.sessions.entry(id.clone()).or_insert_with(|| {
            self.live.insert(id.clone());
            Session::new(offset, self.rules.calendar.clone())
        })
    }
}
