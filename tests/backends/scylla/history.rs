//! A made-up log whose state at every cut is known, to hold a store against.

use std::collections::{BTreeMap, BTreeSet};

use tandem_model::row::{PartitionRow, SessionState};
use tandem_model::time::Window;
use tandem_model::{
    Breakdown, Changes, Cut, PartitionId, Row, RowKey, SessionChange, SessionId, SessionRow, Table,
};
use tandem_storage::suite::fixtures;

pub(crate) const PARTITION: PartitionId = PartitionId(3);

/// A log of `end` records. Record `n` changes some rows of one session to `n`, all columns, and
/// now and then the session's own row.
#[derive(Clone, Copy)]
pub(crate) struct History {
    pub(crate) end: u64,
    pub(crate) sessions: u64,
    pub(crate) keys: u64,
}

impl History {
    pub(crate) fn id(self, session: u64) -> SessionId {
        fixtures::session_id(&format!("s-{session}"))
    }

    fn session_of(self, offset: u64) -> u64 {
        mixed(offset) % self.sessions
    }

    fn rows_of(self, offset: u64) -> Vec<RowKey> {
        let number = mixed(offset ^ 0x55) % self.keys;
        let minute = Window::Minute.length_ms();
        let key =
            |table, breakdown, key: String, bucket| RowKey { table, breakdown, key: key.into(), bucket };
        let trend = Table::Trend(Window::Minute);
        vec![
            key(Table::Total, Breakdown::Room, "room".to_owned(), 0),
            key(Table::Total, Breakdown::Item, format!("item-{number}"), 0),
            key(trend, Breakdown::Room, "room".to_owned(), number * minute),
            key(trend, Breakdown::Source, format!("source-{}", number % 3), number * minute),
        ]
    }

    fn starts(self, offset: u64) -> bool {
        mixed(offset ^ 0xaa).is_multiple_of(23)
    }

    pub(crate) fn cut(self, next: u64) -> Cut {
        Cut { next, clock: next * 10 }
    }

    /// A session's own row at a cut; none before its first record.
    pub(crate) fn session_at(self, session: u64, next: u64) -> Option<SessionRow> {
        let own = |offset: &u64| self.session_of(*offset) == session;
        let first = (0..next).find(own)?;
        let start = (0..next).rev().filter(own).find(|offset| self.starts(*offset));
        Some(match start {
            Some(start) => {
                let state = [SessionState::Live, SessionState::Final, SessionState::Corrected];
                fixtures::started(start * 86_400_000, "anchor", state[start as usize % 3], start)
            }
            None => SessionRow { first_ts: Some(1), offset: first, ..SessionRow::default() },
        })
    }

    /// A session's rows at a cut, in the order of their keys.
    pub(crate) fn rows_at(self, session: u64, next: u64) -> Vec<Row> {
        let mut rows = BTreeMap::new();
        for offset in (0..next).filter(|offset| self.session_of(*offset) == session) {
            rows.extend(self.rows_of(offset).into_iter().map(|key| (key, offset)));
        }
        let row = |(key, offset): (RowKey, u64)| {
            let row = fixtures::row(key.table, key.breakdown, &key.key, key.bucket, offset);
            Row { key, ..row }
        };
        rows.into_iter().map(row).collect()
    }

    /// What a writer that stands at `from` flushes at `to`.
    pub(crate) fn changes(self, from: u64, to: u64) -> Changes {
        let changed: BTreeSet<u64> = (from..to).map(|offset| self.session_of(offset)).collect();
        let sessions = changed.into_iter().map(|session| {
            let own = self.session_at(session, to);
            let is_new = self.session_at(session, from) != own;
            SessionChange {
                session_id: self.id(session),
                session: own.filter(|_| is_new),
                rows: self.rows_at(session, to).into_iter().filter(|row| row.offset >= from).collect(),
            }
        });
        let mut sessions: Vec<_> = sessions.collect();
        sessions.sort_by(|left, right| left.session_id.cmp(&right.session_id));
        Changes {
            partition: PARTITION,
            cut: self.cut(to),
            partition_row: PartitionRow { clock: to * 10, offset: to - 1, ..PartitionRow::default() },
            sessions,
            rejected: Vec::new(),
            beats: Vec::new(),
            editions: Vec::new(),
        }
    }
}

/// Numbers that look like chance and are the same every time: SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
