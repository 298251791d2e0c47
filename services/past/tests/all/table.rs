//! Helpers: nasty logs with verdicts in them, and what the stores of a chain hold that reads them.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::SmallRng;
use tandem_fold::Fold;
use tandem_model::{
    PartitionId, PseudonymKey, Record, RowKey, SessionId, SessionRow, Table, Values, Verdict, Verdicts,
};

pub(crate) const PARTITIONS: u32 = 3;
pub(crate) const KEY: PseudonymKey = PseudonymKey::new([7; 16]);

/// The log of one partition: offsets with gaps, as a real log has them.
pub(crate) type Log = Vec<(u64, Record)>;

/// The logs of the run of `seed`; with verdicts about some of their records, if asked for.
pub(crate) fn logs(seed: u64, rng: &mut SmallRng, has_verdicts: bool) -> BTreeMap<PartitionId, Log> {
    let lines = tandem_plain::nasty::generate(seed);
    let mut logs: BTreeMap<PartitionId, Log> =
        (0..PARTITIONS).map(|id| (PartitionId(id), Log::new())).collect();
    for (index, (partition, record)) in
        tandem_plain::nasty::log(&lines, seed, PARTITIONS).into_iter().enumerate()
    {
        let log = logs.get_mut(&partition).unwrap();
        let next = log.last().map_or(0, |(offset, _)| offset + 1);
        if has_verdicts && !log.is_empty() && rng.random_bool(0.03) {
            let (about, judged) = &log[rng.random_range(0..log.len())];
            let session = tandem_model::decode::session_of(&judged.value);
            let verdict = match rng.random_bool(0.7) {
                true => Verdict::quarantine(*about, session, "a test"),
                false => Verdict::release(*about, "a test"),
            };
            log.push((next, verdict.to_record()));
        }
        let next = log.last().map_or(0, |(offset, _)| offset + 1);
        log.push((next + u64::from(index % 17 == 0), record));
    }
    logs
}

/// The totals that a chain holds, as it goes on.
pub(crate) struct Live {
    pub(crate) fold: Fold,
    pub(crate) sessions: BTreeMap<SessionId, SessionRow>,
    pub(crate) rows: BTreeMap<(SessionId, RowKey), (Values, u64)>,
}

impl Live {
    /// A chain that has read everything below `next` and heard what is said there.
    pub(crate) fn at(partition: PartitionId, log: &Log, next: u64) -> Self {
        let mut known = Verdicts::default();
        let below = || log.iter().filter(|(offset, _)| *offset < next);
        for (offset, record) in below() {
            Verdict::of(record).map(|verdict| known.note(*offset, &verdict));
        }
        let fold = Fold::new(partition, PARTITIONS, KEY).knowing(&known).unwrap();
        let mut live = Self { fold, sessions: BTreeMap::new(), rows: BTreeMap::new() };
        for (offset, record) in below() {
            live.fold.apply(*offset, record);
        }
        for change in live.fold.take_changes().sessions {
            if let Some(session) = change.session {
                live.sessions.insert(change.session_id.clone(), session);
            }
            for row in change.rows.into_iter().filter(|row| row.key.table == Table::Total) {
                live.rows.insert((change.session_id.clone(), row.key), (row.values, row.offset));
            }
        }
        live
    }
}
