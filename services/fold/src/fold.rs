//! One partition: its clock, its sessions, its log position.

use std::collections::{BTreeSet, VecDeque};

use hashbrown::hash_map::EntryRef;
use serde::{Deserialize, Serialize};
use tandem_model::decode::{decode, session_of};
use tandem_model::definition::{self, Definition, Definitions};
use tandem_model::digest::Digests;
use tandem_model::event::{Event, Line};
use tandem_model::malformed::{Malformed, Problem};
use tandem_model::partition::partition_of;
use tandem_model::rejected::{Reason, Rejected, RejectedEvent};
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::time::{FOLLOW_UP_MS, FUTURE_MS, LATENESS_MS};
use tandem_model::{
    Changes, Cut, EditionPart, PartitionId, Record, Rules, SessionChange, SessionId, Stored, Verdict,
    Verdicts,
};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::Map;
use crate::count::count;
use crate::editions::Editions;
use crate::session::Session;
use crate::snapshot::Parked;

/// The state of one partition after a prefix of its log.
pub struct Fold {
    pub(crate) setting: Setting,
    pub(crate) state: State,
    /// What changed since changes were last taken.
    changed: Changed,
    /// How far the log was applied then.
    taken_next: u64,
    /// The verdicts as they are now, where those that were applied are not all of them any more.
    revised: Option<Verdicts>,
}

/// What does not come out of the log.
pub(crate) struct Setting {
    pub(crate) rules: Rules,
    /// Keeps clients from choosing event ids that collide.
    id_seed: u64,
}

/// What a snapshot holds.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) partition: PartitionId,
    pub(crate) partitions: u32,
    next: u64,
    row: PartitionRow,
    digests: Digests,
    pub(crate) live: Map<SessionId, Session>,
    /// Final sessions that still accept follow-ups.
    closed: Map<SessionId, Parked>,
    /// When they are over, in that order.
    over_at: VecDeque<(u64, SessionId)>,
    /// Hashes of the ids of sessions that are over.
    over: Map<u128, ()>,
    /// What was known of records that do not count; it was known when they were applied.
    verdicts: Verdicts,
    /// What the log says of metrics' definitions, where that stands in this partition.
    definitions: Definitions,
    editions: Editions,
}

#[derive(Default)]
struct Changed {
    /// Sessions with changes, each once.
    sessions: Vec<SessionId>,
    /// Changes of sessions that are over by now.
    parting: Vec<SessionChange>,
    rejected: Vec<Rejected>,
    beats: Vec<BeatDigest>,
    editions: Vec<EditionPart>,
}

/// What a fold keeps in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Sessions that are not final.
    pub live_sessions: usize,
    /// Final sessions that still accept follow-ups.
    pub closed_sessions: usize,
    /// Sessions of which only the mark is left that they are over.
    pub over_sessions: usize,
    /// Viewers of live sessions.
    pub viewers: usize,
    /// Rows of figures being counted in live sessions.
    pub cells: usize,
    /// Remembered event ids of live sessions.
    pub event_ids: usize,
}

impl Fold {
    /// The state of `partition` (of `partitions`) before the first record.
    pub fn new(partition: PartitionId, partitions: u32, rules: impl Into<Rules>) -> Self {
        let state = State {
            partition,
            partitions,
            next: 0,
            row: PartitionRow::default(),
            digests: Digests::default(),
            live: Map::default(),
            closed: Map::default(),
            over_at: VecDeque::new(),
            over: Map::default(),
            verdicts: Verdicts::default(),
            definitions: Definitions::default(),
            editions: Editions::default(),
        };
        Self::with_state(state, rules.into())
    }

    pub(crate) fn with_state(state: State, rules: Rules) -> Self {
        // Not a user id, so its pseudonym is nobody's.
        let id_seed = rules.key.of("\0event ids") as u64;
        let setting = Setting { rules, id_seed };
        let taken_next = state.next;
        Self { setting, state, changed: Changed::default(), taken_next, revised: None }
    }

    /// The prefix of the log that was applied.
    pub fn cut(&self) -> Cut {
        Cut { next: self.state.next, clock: self.state.row.clock }
    }

    /// The digests of all rows as they are now.
    pub fn digests(&self) -> Digests {
        let mut digests = self.state.digests;
        digests.set_partition(&self.state.row);
        digests
    }

    /// The verdicts that were applied.
    pub const fn verdicts(&self) -> &Verdicts {
        &self.state.verdicts
    }

    /// The verdicts as they are now, where a record said so about what was applied before. Then
    /// this fold is not what the log gives any more: whoever holds it drops it with its changes,
    /// and folds again from before those records, with these verdicts.
    pub const fn revised(&self) -> Option<&Verdicts> {
        self.revised.as_ref()
    }

    /// The same fold, where more verdicts are known: of records that it has not applied yet.
    ///
    /// # Errors
    ///
    /// The offset of a record that it has applied otherwise.
    pub fn knowing(mut self, verdicts: &Verdicts) -> Result<Self, u64> {
        if let Some(offset) = verdicts.contradiction(&self.state.verdicts, self.state.next) {
            return Err(offset);
        }
        self.state.verdicts = verdicts.clone();
        Ok(self)
    }

    /// Applies the record at `offset`.
    ///
    /// # Panics
    ///
    /// When `offset` lies before what was applied already: the caller would count twice.
    pub fn apply(&mut self, offset: u64, record: &Record) {
        assert!(offset >= self.state.next, "offset {offset} was applied before");
        self.state.next = offset + 1;
        // Nothing can be said about what a control record says but by another one.
        if self.state.verdicts.get(offset).is_some() && Definition::is_one(&record.value) {
            return self.line(offset, record);
        }
        if let Some(known) = self.state.verdicts.get(offset) {
            // Asked without decoding it: that is what may fail.
            let named = known.quarantine.as_ref().map(|quarantine| quarantine.session_id.clone());
            let session_id = named.unwrap_or_else(|| session_of(&record.value));
            if let Some(session_id) = session_id {
                self.state.editions.note_judged(known.at, self.state.row.clock, session_id);
            }
        }
        if let Some(quarantine) = self.state.verdicts.quarantine(offset) {
            let session_id = quarantine.session_id.clone();
            let malformed = Malformed { problem: Problem::Quarantined, field: None, session_id };
            return self.malformed(offset, malformed);
        }
        self.line(offset, record);
    }

    fn line(&mut self, offset: u64, record: &Record) {
        match &record.malformed {
            Some(refusal) => self.malformed(offset, refusal.reason.clone()),
            None => match decode(&record.value) {
                Ok(Line::Event(event)) => self.event(offset, &event),
                Ok(Line::Beat { ts }) => self.beat(offset, ts),
                Ok(Line::Verdict(verdict)) => self.verdict(offset, &verdict),
                Ok(Line::Definition(definition)) => self.definition(offset, *definition),
                Err(malformed) => self.malformed(offset, malformed),
            },
        }
    }

    /// The rows that changed since they were last taken, and all that goes with them.
    pub fn take_changes(&mut self) -> Changes {
        self.taken_next = self.state.next;
        let changed = std::mem::take(&mut self.changed);
        let mut sessions = changed.parting;
        for id in changed.sessions {
            if let Some(session) = self.state.live.get_mut(&id) {
                if session.is_listed {
                    sessions.push(session.take_change());
                }
            } else if let Some(parked) = self.state.closed.get_mut(&id) {
                let session = parked.load();
                if session.is_listed {
                    sessions.push(session.take_change());
                    session.accepted_ids.purge(self.state.row.clock);
                }
                parked.park();
            }
        }
        sessions.sort_unstable_by(|left, right| left.session_id.cmp(&right.session_id));
        Changes {
            partition: self.state.partition,
            cut: self.cut(),
            partition_row: self.state.row,
            sessions,
            rejected: changed.rejected,
            beats: changed.beats,
            editions: changed.editions,
        }
    }

    /// All rows of a session that an event can still change count as changed, whatever their version:
    /// the session's own, its totals, its open buckets. For whoever has to put right what was folded
    /// otherwise from here on.
    pub fn mark(&mut self, id: &SessionId) {
        let session = match self.state.closed.get_mut(id) {
            Some(parked) => Some(parked.load()),
            None => self.state.live.get_mut(id),
        };
        let Some(session) = session else { return };
        session.mark();
        if !session.is_listed {
            session.is_listed = true;
            self.changed.sessions.push(id.clone());
        }
    }

    /// Whether records were applied since changes were last taken.
    pub const fn has_changes(&self) -> bool {
        self.taken_next < self.state.next
    }

    /// The sessions that are not final, listed by id whatever order they are kept in. Looks at
    /// every one of them.
    pub fn live_sessions(&self) -> BTreeSet<SessionId> {
        self.state.live.keys().cloned().collect()
    }

    /// What is kept in memory. Looks at every live session.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage {
            live_sessions: self.state.live.len(),
            closed_sessions: self.state.closed.len(),
            over_sessions: self.state.over.len(),
            ..Usage::default()
        };
        for session in self.state.live.values() {
            let (viewers, cells) = session.usage();
            usage.viewers += viewers;
            usage.cells += cells;
            usage.event_ids += session.accepted_ids.len();
        }
        usage
    }

    fn event(&mut self, offset: u64, event: &Event<'_>) {
        let id: &str = &event.session_id;
        if partition_of(id.as_bytes(), self.state.partitions) != self.state.partition {
            let misplaced = Malformed { problem: Problem::Misplaced, field: None, session_id: None };
            return self.malformed(offset, misplaced);
        }
        let pseudonym = event.viewer.as_ref().map(|viewer| self.setting.rules.key.of(&viewer.user_id));
        let count = count(event);
        let (partition, clock) = (self.state.partition, self.state.row.clock);
        let reject = |session_id: Option<SessionId>, reason| Rejected {
            partition,
            offset,
            clock,
            session_id,
            reason,
            event: Some(RejectedEvent {
                event_id: event.event_id.to_string(),
                event_type: event.kind.event_type().name().to_owned(),
                ts: event.ts,
                user: pseudonym,
                would_add: count.would_add(),
            }),
        };
        if self.is_over(id) {
            self.changed.rejected.push(reject(None, Reason::Late));
            self.state.row.late_events += 1;
            self.state.row.offset = offset;
            return;
        }
        let event_id = xxh3_128_with_seed(event.event_id.as_bytes(), self.setting.id_seed);
        let State { live, closed, digests, .. } = &mut self.state;
        let session = session(live, closed, digests, id, offset);
        let refusal = if clock > 0 && event.ts > clock + FUTURE_MS {
            Some((Reason::Future, Stored::FutureEvents))
        } else if event.ts + LATENESS_MS < clock
            || (session.is_final() && !event.kind.event_type().is_follow_up())
        {
            Some((Reason::Late, Stored::LateEvents))
        } else if session.accepted_ids.is_duplicate(event_id, event.ts, clock) {
            Some((Reason::Duplicate, Stored::DuplicateEvents))
        } else {
            None
        };
        if !session.is_listed {
            session.is_listed = true;
            self.changed.sessions.extend(SessionId::new(id));
        }
        match refusal {
            Some((reason, column)) => {
                session.refuse(column, offset, digests);
                self.changed.rejected.push(reject(SessionId::new(id), reason));
            }
            None => {
                let calendar = &self.setting.rules.calendar;
                session.accept(event, &count, pseudonym, calendar, offset, digests);
            }
        }
    }

    fn malformed(&mut self, offset: u64, malformed: Malformed) {
        let State { partition, partitions, .. } = self.state;
        let counts_for = malformed.session_id.clone().filter(|id| {
            partition_of(id.as_str().as_bytes(), partitions) == partition && !self.is_over(id.as_str())
        });
        match &counts_for {
            Some(id) => {
                let State { live, closed, digests, .. } = &mut self.state;
                let session = session(live, closed, digests, id.as_str(), offset);
                if !session.is_listed {
                    session.is_listed = true;
                    self.changed.sessions.push(id.clone());
                }
                session.refuse(Stored::MalformedEvents, offset, digests);
            }
            None => {
                self.state.row.malformed_events += 1;
                self.state.row.offset = offset;
            }
        }
        self.changed.rejected.push(Rejected {
            partition,
            offset,
            clock: self.state.row.clock,
            session_id: counts_for,
            reason: Reason::Malformed(malformed),
            event: None,
        });
    }

    fn beat(&mut self, offset: u64, ts: u64) {
        self.state.row.offset = offset;
        if ts <= self.state.row.clock {
            self.state.row.ignored_beats += 1;
            return;
        }
        self.state.row.clock = ts;
        self.state.row.beats += 1;
        let mut became_final = Vec::new();
        // In no particular order: a beat does the same to each session, whatever the others do.
        let State { live, digests, editions, .. } = &mut self.state;
        for (id, session) in live {
            if session.beat(ts, &self.setting.rules.calendar, offset, digests, editions.parted()) {
                became_final.push(id.clone());
            }
            if !session.is_listed && session.has_changed() {
                session.is_listed = true;
                self.changed.sessions.push(id.clone());
            }
        }
        let State { live, editions, partition, .. } = &mut self.state;
        self.changed.editions.extend(editions.cut(*partition, ts, offset, live.values()));
        became_final.sort_unstable();
        for id in became_final {
            if let Some(session) = self.state.live.remove(&id) {
                self.state.over_at.push_back((ts + FOLLOW_UP_MS, id.clone()));
                self.state.closed.insert(id, Parked::new(session));
            }
        }
        self.end_sessions(ts);
        let digests = self.digests();
        self.changed.beats.push(BeatDigest { partition: self.state.partition, ts, offset, digests });
    }

    /// Takes note of a verdict. What it is about was applied before, so it can't be heeded here.
    fn verdict(&mut self, offset: u64, verdict: &Verdict) {
        if verdict.offset >= offset {
            let bad = Malformed { problem: Problem::BadControl, field: None, session_id: None };
            return self.malformed(offset, bad);
        }
        let mut verdicts = self.revised.as_ref().unwrap_or(&self.state.verdicts).clone();
        if verdicts.note(offset, verdict) {
            self.revised = Some(verdicts);
        }
    }

    /// Takes in a new definition of a metric. It changes no row: figures are computed by it when read.
    fn definition(&mut self, offset: u64, definition: Definition) {
        let State { partition, row, definitions, editions, .. } = &mut self.state;
        let is_here = *partition == definition::PARTITION;
        if !is_here || definitions.note(&definition, row.clock).is_err() {
            let bad = Malformed { problem: Problem::BadControl, field: None, session_id: None };
            return self.malformed(offset, bad);
        }
        editions.note_defined(definition);
    }

    /// Forgets all of a session but that it is over, 30 days after it became final.
    fn end_sessions(&mut self, clock: u64) {
        while let Some((_, id)) = self.state.over_at.pop_front_if(|(over_at, _)| *over_at <= clock) {
            self.state.over.insert(over_mark(id.as_str()), ());
            if let Some(mut parked) = self.state.closed.remove(&id) {
                let session = parked.load();
                if session.is_listed {
                    self.changed.parting.push(session.take_change());
                }
            }
        }
    }

    /// Whether only the mark is left that a session is over: nothing changes its rows any more.
    pub fn is_over(&self, id: &str) -> bool {
        !self.state.over.is_empty() && self.state.over.contains_key(&over_mark(id))
    }
}

/// The session of this id, live or closed; a new one if it is neither.
fn session<'s>(
    live: &'s mut Map<SessionId, Session>,
    closed: &'s mut Map<SessionId, Parked>,
    digests: &mut Digests,
    id: &str,
    offset: u64,
) -> &'s mut Session {
    if !closed.is_empty()
        && let Some(parked) = closed.get_mut(id)
    {
        return parked.load();
    }
    match live.entry_ref(id) {
        EntryRef::Occupied(entry) => entry.into_mut(),
        EntryRef::Vacant(entry) => {
            let id = SessionId::new(id).expect("decoded ids are ids");
            entry.insert_with_key(id.clone(), Session::new(id, offset, digests))
        }
    }
}

fn over_mark(id: &str) -> u128 {
    xxh3_128_with_seed(id.as_bytes(), 0)
}
