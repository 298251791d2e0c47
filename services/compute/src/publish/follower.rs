//! The fold of one partition, beat by beat: what changed between one marker and the next.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use tandem_fold::Fold;
use tandem_model::summary::{Marker, Message, Schema, is_published};
use tandem_model::{Changes, Cut, Record, Row, RowKey, SessionId, SessionRow, Values};

/// A fold, and what changed in it up to the last beat it passed.
pub(super) struct Follower {
    fold: Fold,
    gathered: Transaction,
    /// Sessions of which what is published may be wrong.
    corrected: BTreeSet<SessionId>,
    /// What of them is published.
    published: Published,
}

/// What changed from one place in the log to a beat: the rows as they are at that beat.
#[derive(Default)]
pub(super) struct Transaction {
    /// Up to and with this beat; nothing yet where `next` is 0.
    pub(super) cut: Cut,
    beats: u32,
    sessions: BTreeMap<SessionId, Changed>,
    rows: usize,
    /// What is to be withdrawn where it is not among them.
    published: Published,
}

/// Keys of rows of some sessions.
#[derive(Clone, Default)]
pub(super) struct Published(BTreeMap<SessionId, BTreeSet<RowKey>>);

#[derive(Default)]
struct Changed {
    session: Option<SessionRow>,
    rows: BTreeMap<RowKey, (Values, u64)>,
}

impl Follower {
    pub(super) fn new(fold: Fold) -> Self {
        Self {
            fold,
            gathered: Transaction::default(),
            corrected: BTreeSet::new(),
            published: Published::default(),
        }
    }

    /// The same, where what is published of some sessions may be wrong: all their rows come with the
    /// next beat, and what is `published` and should not be is withdrawn. `fold` has not folded yet
    /// what is in question, and has them marked.
    pub(super) fn correcting(fold: Fold, corrected: BTreeSet<SessionId>, published: Published) -> Self {
        Self { corrected, published, ..Self::new(fold) }
    }

    pub(super) const fn fold(&self) -> &Fold {
        &self.fold
    }

    /// How far the log was folded.
    pub(super) fn cut(&self) -> Cut {
        self.fold.cut()
    }

    /// Folds a record whose changes are published already.
    pub(super) fn skip(&mut self, offset: u64, record: &Record) -> ControlFlow<()> {
        self.fold.apply(offset, record);
        self.flow()
    }

    /// Forgets what changed so far: it is published already, and right.
    pub(super) fn forget(&mut self) {
        let mut changes = self.fold.take_changes();
        if self.corrected.is_empty() {
            self.gathered = Transaction::default();
            return;
        }
        changes.sessions.retain(|change| self.corrected.contains(&change.session_id));
        self.gathered.take_in(changes);
    }

    fn flow(&self) -> ControlFlow<()> {
        if self.fold.revised().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Folds a record. Where it is a beat that counts, what changed up to it can be taken.
    pub(super) fn apply(&mut self, offset: u64, record: &Record) -> ControlFlow<()> {
        let clock = self.fold.cut().clock;
        self.fold.apply(offset, record);
        if self.fold.cut().clock > clock {
            self.gathered.add(self.fold.take_changes());
        }
        self.flow()
    }

    /// What changed up to the last beat, if there was one since this was last taken.
    pub(super) fn take(&mut self) -> Option<Transaction> {
        if self.gathered.beats == 0 {
            return None;
        }
        self.corrected.clear();
        let published = std::mem::take(&mut self.published);
        Some(Transaction { published, ..std::mem::take(&mut self.gathered) })
    }

    /// Whether the next beat should go into another transaction.
    pub(super) const fn is_full(&self, beats_max: u32, rows_max: usize) -> bool {
        self.gathered.beats > 0 && (self.gathered.beats >= beats_max || self.gathered.rows >= rows_max)
    }
}

impl Transaction {
    fn add(&mut self, changes: Changes) {
        self.cut = changes.cut;
        self.beats += 1;
        self.take_in(changes);
    }

    fn take_in(&mut self, changes: Changes) {
        for change in changes.sessions {
            let published = change.rows.into_iter().filter(|row| is_published(&row.key)).peekable();
            let mut published = published;
            if change.session.is_none() && published.peek().is_none() {
                continue;
            }
            let changed = self.sessions.entry(change.session_id).or_default();
            if change.session.is_some() {
                self.rows += usize::from(changed.session.is_none());
                changed.session = change.session;
            }
            for Row { key, values, offset } in published {
                self.rows += usize::from(changed.rows.insert(key, (values, offset)).is_none());
            }
        }
    }

    /// The rows as messages, sessions before their figures, in the order of their keys.
    pub(super) fn messages(&self, marker: &Marker) -> Vec<Message> {
        let mut messages = Vec::with_capacity(self.rows);
        for (id, changed) in &self.sessions {
            messages.extend(changed.session.as_ref().map(|row| marker.session_message(id, row)));
            messages.extend(changed.rows.iter().map(|(key, (values, offset))| {
                marker.row_message(id, &Row { key: key.clone(), values: *values, offset: *offset })
            }));
        }
        for (id, keys) in &self.published.0 {
            let now = self.sessions.get(id);
            if now.is_none() {
                messages.push(Message::withdrawn(Schema::Session, Message::session_key(id)));
            }
            let gone = keys.iter().filter(|key| now.is_none_or(|now| !now.rows.contains_key(*key)));
            messages.extend(gone.map(|key| Message::withdrawn(Schema::Row, Message::row_key(id, key))));
        }
        messages
    }
}

impl Published {
    /// Takes in what came of a fold, as far as it is of these sessions.
    pub(super) fn add(&mut self, changes: Changes, of: &BTreeSet<SessionId>) {
        for change in changes.sessions {
            if of.contains(&change.session_id) {
                let keys = change.rows.into_iter().map(|row| row.key).filter(is_published);
                self.0.entry(change.session_id).or_default().extend(keys);
            }
        }
    }
}
