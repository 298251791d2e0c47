//! What boards are made of, handed out at cuts through the log ([`tandem_model::edition`]).
//!
//! Nothing is noted per event: a row's version says whether it changed since a cut. What leaves the
//! working set between two cuts (sessions that become final, hours and days that close) is kept
//! until the next cut of a minute.

use serde::{Deserialize, Serialize};
use tandem_model::row::Attributes;
use tandem_model::{Definition, EditionPart, EditionSession, PartitionId, Row, SessionId, Step};

use crate::cells::Cells;
use crate::keys::Keys;
use crate::session::Session;

/// The cuts of one partition.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Editions {
    five_seconds: LastCut,
    minute: LastCut,
    /// What left the working set since the minute's cut.
    parted: Vec<Parted>,
    /// Sessions of records that a verdict is about, with the offset of the verdict, which lies beyond the last
    /// cut, and the clock when the record came.
    judged: Vec<(u64, u64, SessionId)>,
    /// Definitions since the last cut.
    defined: Vec<Definition>,
}

/// Where the last cut of a step was.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct LastCut {
    /// None before the first.
    slot: Option<u64>,
    /// Offset after its beat.
    next: u64,
}

/// What a session had when it left, or a part of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Parted {
    pub(crate) session_id: SessionId,
    pub(crate) keys: Keys,
    /// Its hours and days.
    pub(crate) cells: Vec<Cells>,
    /// What it said of itself, and the version of that.
    pub(crate) attributes: Option<(Attributes, u64)>,
}

impl Parted {
    fn rows_since(&self, offset: u64) -> Vec<Row> {
        let mut rows = Vec::new();
        for cells in &self.cells {
            cells.rows_since(offset, &self.keys, &mut rows);
        }
        rows
    }
}

impl Editions {
    /// Where what leaves the working set goes.
    pub(crate) const fn parted(&mut self) -> &mut Vec<Parted> {
        &mut self.parted
    }

    /// Takes note of a session that the verdict at offset `at` is about, which may still be to come; its record
    /// came when the clock stood at `came_at`.
    pub(crate) fn note_judged(&mut self, at: u64, came_at: u64, session_id: SessionId) {
        self.judged.push((at, came_at, session_id));
    }

    /// Takes note of a definition that holds.
    pub(crate) fn note_defined(&mut self, definition: Definition) {
        self.defined.push(definition);
    }

    /// The parts that are cut at the beat at `offset`, if it is a cut; `sessions` are those that
    /// were live until this beat.
    pub(crate) fn cut<'s>(
        &mut self,
        partition: PartitionId,
        ts: u64,
        offset: u64,
        sessions: impl Iterator<Item = &'s Session>,
    ) -> Vec<EditionPart> {
        let is_due = |step: Step, last: &LastCut| last.slot.is_none_or(|slot| step.slot(ts) > slot);
        if !is_due(Step::FiveSeconds, &self.five_seconds) {
            return Vec::new();
        }
        let is_minute = is_due(Step::Minute, &self.minute);
        let (since, since_minute) = (self.five_seconds.next, self.minute.next);
        let from = if is_minute { since_minute } else { since };
        let mut said = Vec::new();
        let mut changed = Vec::new();
        let mut take = |session_id: &SessionId, attributes: Option<(&Attributes, u64)>, rows: Vec<Row>| {
            if let Some((attributes, _)) = attributes.filter(|(_, version)| *version >= since) {
                said.push(EditionSession {
                    session_id: session_id.clone(),
                    attributes: Some(attributes.clone()),
                    rows: Vec::new(),
                    came_at: 0,
                });
            }
            if !rows.is_empty() {
                let session_id = session_id.clone();
                changed.push(EditionSession { session_id, attributes: None, rows, came_at: 0 });
            }
        };
        for one in &self.parted {
            let attributes = one.attributes.as_ref().map(|(attributes, version)| (attributes, *version));
            take(&one.session_id, attributes, one.rows_since(from));
        }
        for session in sessions {
            take(session.id(), session.attributes(), session.calendar_rows_since(from));
        }
        let part = |step: Step, from, sessions| {
            let sessions = merged(sessions);
            let (slot, definitions) = (step.slot(ts), Vec::new());
            EditionPart { partition, step, slot, ts, from, next: offset + 1, sessions, definitions }
        };
        let mut parts = Vec::new();
        if !said.is_empty() {
            parts.push(part(Step::Sessions, since, said));
        }
        let judged = self.judged.extract_if(.., |(at, ..)| *at < offset);
        let judged: Vec<_> = judged
            .map(|(_, came_at, session_id)| {
                let (attributes, rows) = (None, Vec::new());
                EditionSession { session_id, attributes, rows, came_at }
            })
            .collect();
        if !judged.is_empty() {
            parts.push(part(Step::Judged, since, judged));
        }
        if !self.defined.is_empty() {
            let definitions = std::mem::take(&mut self.defined);
            parts.push(EditionPart { definitions, ..part(Step::Defined, since, Vec::new()) });
        }
        if is_minute {
            let mut recent = changed.clone();
            for session in &mut recent {
                session.rows.retain(|row| row.offset >= since);
            }
            recent.retain(|session| !session.rows.is_empty());
            parts.push(part(Step::FiveSeconds, since, recent));
            parts.push(part(Step::Minute, since_minute, changed));
            self.minute = LastCut { slot: Some(Step::Minute.slot(ts)), next: offset + 1 };
            self.parted = Vec::new();
        } else {
            parts.push(part(Step::FiveSeconds, since, changed));
        }
        self.five_seconds = LastCut { slot: Some(Step::FiveSeconds.slot(ts)), next: offset + 1 };
        parts
    }
}

/// In the order of ids, each once: a session may have left with one hour and still count the next.
fn merged(mut sessions: Vec<EditionSession>) -> Vec<EditionSession> {
    sessions.sort_by(|left, right| left.session_id.cmp(&right.session_id));
    sessions.dedup_by(|next, kept| {
        let is_same = next.session_id == kept.session_id;
        if is_same {
            // What left before it is older.
            kept.attributes = next.attributes.take().or(kept.attributes.take());
            kept.came_at = kept.came_at.min(next.came_at);
            kept.rows.append(&mut next.rows);
        }
        is_same
    });
    for session in &mut sessions {
        session.rows.sort_by(|left, right| left.key.cmp(&right.key));
    }
    sessions
}
