//! Helpers: runs a log through folds and keeps what comes out, as a store would.

use std::collections::BTreeMap;

use tandem_fold::Fold;
use tandem_model::digest::Digests;
use tandem_model::rejected::Rejected;
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{
    Changes, PartitionId, PseudonymKey, Record, RowKey, SessionId, SessionRow, Values, digest,
};

pub(crate) const PARTITIONS: u32 = 3;
pub(crate) const KEY: PseudonymKey = PseudonymKey::new([7; 16]);

/// The log of one partition: offsets with gaps, as a real log has them.
pub(crate) type Log = Vec<(u64, Record)>;

/// A log of several partitions, each record with the offset it has in its own.
pub(crate) fn logs(seed: u64) -> BTreeMap<PartitionId, Log> {
    let lines = tandem_plain::nasty::generate(seed);
    let mut logs: BTreeMap<PartitionId, Log> =
        (0..PARTITIONS).map(|id| (PartitionId(id), Log::new())).collect();
    for (index, (partition, record)) in
        tandem_plain::nasty::log(&lines, seed, PARTITIONS).into_iter().enumerate()
    {
        let log = logs.get_mut(&partition).expect("a partition of this log");
        let next = log.last().map_or(0, |(offset, _)| offset + 1);
        log.push((next + u64::from(index % 17 == 0), record));
    }
    logs
}

pub(crate) fn fold(partition: PartitionId) -> Fold {
    Fold::new(partition, PARTITIONS, KEY)
}

/// Everything a chain's stores would hold of one partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stored {
    pub(crate) sessions: BTreeMap<SessionId, SessionRow>,
    pub(crate) rows: BTreeMap<(SessionId, RowKey), (Values, u64)>,
    pub(crate) partition: PartitionRow,
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) beats: Vec<BeatDigest>,
}

impl Stored {
    pub(crate) fn apply(&mut self, changes: Changes) {
        self.partition = changes.partition_row;
        self.rejected.extend(changes.rejected);
        self.beats.extend(changes.beats);
        for change in changes.sessions {
            if let Some(session) = change.session {
                self.sessions.insert(change.session_id.clone(), session);
            }
            for row in change.rows {
                let before = self.rows.insert((change.session_id.clone(), row.key), (row.values, row.offset));
                assert!(
                    before.is_none_or(|(_, offset)| offset < row.offset),
                    "a change without a newer version"
                );
            }
        }
    }

    /// The digests, summed afresh over the rows as stored.
    pub(crate) fn digests(&self) -> Digests {
        let mut digests = Digests::default();
        for ((session, key), (values, offset)) in &self.rows {
            let row = tandem_model::Row { key: key.clone(), values: *values, offset: *offset };
            digests.add(key.table, digest::of_row(session.as_str(), &row));
        }
        for (id, session) in &self.sessions {
            digests.replace_session(id.as_str(), None, session);
        }
        digests.set_partition(&self.partition);
        digests
    }
}

/// Folds `log`, taking changes after every `batch` records.
pub(crate) fn run(partition: PartitionId, log: &Log, batch: usize) -> (Fold, Stored) {
    let mut fold = fold(partition);
    let mut stored = Stored::default();
    for records in log.chunks(batch) {
        for (offset, record) in records {
            fold.apply(*offset, record);
        }
        stored.apply(fold.take_changes());
    }
    (fold, stored)
}
