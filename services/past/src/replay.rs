//! One session, folded again.

use std::collections::BTreeMap;

use tandem_fold::Fold;
use tandem_model::catalogue::STORED;
use tandem_model::decode::decode;
use tandem_model::digest::{Digests, of_row};
use tandem_model::event::Line;
use tandem_model::rejected::Rejected;
use tandem_model::{
    Breakdown, Cut, PartitionId, Record, Row, RowKey, Rules, SessionId, SessionRow, Table, Values, Verdicts,
};

/// After so many records the fold's changes are taken: it gathers them until then.
const TAKE_EVERY: u32 = 4_096;

/// A session as it stood at a cut.
#[derive(Clone, Debug, PartialEq)]
pub struct Then {
    /// The prefix of the log.
    pub cut: Cut,
    /// Its own row.
    pub session: SessionRow,
    /// Its totals, in the order of their keys; or its hours and days ([`Replay::of_hours_and_days`]).
    pub rows: Vec<Row>,
}

impl Then {
    /// The totals of the session as a whole; zeros before the first.
    pub fn room(&self) -> Values {
        let row = self.rows.iter().find(|row| is_room(&row.key));
        row.map_or([0; STORED], |row| row.values)
    }

    /// The digest of everything here, 128 bits: equal for equal figures, whichever chain is asked.
    pub fn digest(&self, session_id: &SessionId) -> u128 {
        let mut digests = Digests::default();
        for row in &self.rows {
            digests.add(row.key.table, of_row(session_id.as_str(), row));
        }
        digests.replace_session(session_id.as_str(), None, &self.session);
        digests.0.into_iter().fold(0, u128::wrapping_add)
    }
}

/// What became of one record.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The totals of the session as a whole after it.
    pub(crate) room: Values,
    /// Whether it was refused.
    pub(crate) is_refused: bool,
}

/// A session's replay, under way.
pub struct Replay {
    session_id: SessionId,
    verdicts: Verdicts,
    fold: Fold,
    /// How many records were applied since changes were taken.
    pending: u32,
    session: Option<SessionRow>,
    rows: BTreeMap<RowKey, (Values, u64)>,
    room: Values,
    keeps: fn(&RowKey) -> bool,
}

impl Replay {
    /// A replay of `session_id`, which lives in `partition` (of `partitions`), by whoever knows these
    /// verdicts. None of the log was applied.
    pub fn new(
        session_id: SessionId,
        partition: PartitionId,
        partitions: u32,
        rules: impl Into<Rules>,
        verdicts: Verdicts,
    ) -> Self {
        let fold = Fold::new(partition, partitions, rules).knowing(&verdicts);
        Self {
            session_id,
            fold: fold.expect("a fold that has applied nothing contradicts nothing"),
            verdicts,
            pending: 0,
            session: None,
            rows: BTreeMap::new(),
            room: [0; STORED],
            keeps: |key| key.table == Table::Total,
        }
    }

    /// The same, which gives the session's rows of hours and days in the place of its totals.
    #[must_use]
    pub fn of_hours_and_days(self) -> Self {
        Self { keeps: |key| matches!(key.table, Table::Calendar(_)), ..self }
    }

    /// Applies the record at `offset`, if it concerns the session. In the order of the log, from a place
    /// on that [`crate::Survey::start`] allows.
    pub fn apply(&mut self, offset: u64, record: &Record) {
        if self.concerns(offset, record) {
            self.fold.apply(offset, record);
            self.pending += 1;
            if self.pending >= TAKE_EVERY {
                self.take();
            }
        }
    }

    /// The same; says what became of the record, where it concerns the session.
    pub(crate) fn step(&mut self, offset: u64, record: &Record) -> Option<Step> {
        if !self.concerns(offset, record) {
            return None;
        }
        self.fold.apply(offset, record);
        let rejected = self.take();
        Some(Step { room: self.room, is_refused: rejected.iter().any(|one| one.offset == offset) })
    }

    /// The clock: `ts` of the last beat that was applied, in milliseconds.
    pub fn clock(&self) -> u64 {
        self.fold.cut().clock
    }

    /// The session, where everything below `next` was applied; none where it does not exist yet.
    pub fn then(&mut self, next: u64) -> Option<Then> {
        self.take();
        let row = |(key, (values, offset)): (&RowKey, &(Values, u64))| Row {
            key: key.clone(),
            values: *values,
            offset: *offset,
        };
        Some(Then {
            cut: Cut { next, clock: self.clock() },
            session: self.session.clone()?,
            rows: self.rows.iter().map(row).collect(),
        })
    }

    /// The totals of the session as a whole.
    pub(crate) fn room(&mut self) -> Values {
        self.take();
        self.room
    }

    /// Whether the record has to do with the session: the beats, its own, and what is refused in its
    /// name. Whatever else a fold would count leaves no trace in the session's rows.
    fn concerns(&self, offset: u64, record: &Record) -> bool {
        let is_ours = |id: Option<&SessionId>| id == Some(&self.session_id);
        if let Some(quarantine) = self.verdicts.quarantine(offset) {
            return is_ours(quarantine.session_id.as_ref());
        }
        match &record.malformed {
            Some(refusal) => is_ours(refusal.reason.session_id.as_ref()),
            None => match decode(&record.value) {
                Ok(Line::Beat { .. }) => true,
                // They count nothing; what a verdict says is known already.
                Ok(Line::Verdict(_) | Line::Definition(_)) => false,
                Ok(Line::Event(event)) => event.session_id == self.session_id.as_str(),
                Err(malformed) => is_ours(malformed.session_id.as_ref()),
            },
        }
    }

    fn take(&mut self) -> Vec<Rejected> {
        self.pending = 0;
        let changes = self.fold.take_changes();
        for change in changes.sessions.into_iter().filter(|change| change.session_id == self.session_id) {
            if change.session.is_some() {
                self.session = change.session;
            }
            for row in change.rows {
                if is_room(&row.key) {
                    self.room = row.values;
                }
                if !(self.keeps)(&row.key) {
                    continue;
                }
                self.rows.insert(row.key, (row.values, row.offset));
            }
        }
        changes.rejected
    }
}

fn is_room(key: &RowKey) -> bool {
    key.table == Table::Total && key.breakdown == Breakdown::Room
}
