//! Rows and digests depend on the log's prefix alone: not on batches, restarts, snapshots or what
//! other partitions do.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_fold::Fold;
use tandem_model::time::Window;
use tandem_model::{RowKey, SessionId, Stored as Column, Table, Values};

use crate::table::{self, KEY, PARTITIONS, Stored};

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_batch_split_gives_the_same(seed in 0_u64..1_000_000, batch in 1_usize..400) {
        for (partition, log) in table::logs(seed) {
            let (one, one_by_one) = table::run(partition, &log, 1);
            let (all, at_once) = table::run(partition, &log, batch);
            prop_assert_eq!(one.digests(), all.digests());
            prop_assert_eq!(one_by_one, at_once);
        }
    }

    /// Killed anywhere, restored from any earlier snapshot, replayed: the same rows and digests,
    /// also at each beat.
    #[test]
    fn any_snapshot_and_restart_gives_the_same(seed in 0_u64..1_000_000, cuts in any::<u64>()) {
        let mut random = SmallRng::seed_from_u64(cuts);
        for (partition, log) in table::logs(seed) {
            let (fold, expected) = table::run(partition, &log, 50);
            let snapshot_at = random.random_range(0..=log.len());
            let killed_at = random.random_range(snapshot_at..=log.len());

            let mut first = table::fold(partition);
            let mut stored = Stored::default();
            apply(&mut first, &log[..snapshot_at]);
            stored.apply(first.take_changes());
            let bytes = first.snapshot();
            // These reach the stores, but no snapshot: they come again.
            apply(&mut first, &log[snapshot_at..killed_at]);
            drop(first);

            let mut second = Fold::restore(&bytes, partition, PARTITIONS, KEY).expect("our own snapshot");
            for records in log[snapshot_at..].chunks(37) {
                apply(&mut second, records);
                stored.apply(second.take_changes());
            }
            prop_assert_eq!(second.digests(), fold.digests());
            prop_assert_eq!(stored, expected);
        }
    }

    /// One shell may hold several partitions, in any order of their records.
    #[test]
    fn any_interleaving_of_partitions_gives_the_same(seed in 0_u64..1_000_000, order in any::<u64>()) {
        let logs = table::logs(seed);
        let mut random = SmallRng::seed_from_u64(order);
        let mut folds: BTreeMap<_, _> =
            logs.keys().map(|id| (*id, (table::fold(*id), Stored::default(), 0_usize))).collect();
        loop {
            let waiting: Vec<_> =
                folds.iter().filter(|(id, (_, _, done))| *done < logs[id].len()).map(|(id, _)| *id).collect();
            let Some(id) = waiting.get(random.random_range(0..waiting.len().max(1))) else { break };
            let (fold, stored, done) = folds.get_mut(id).expect("listed");
            let (offset, record) = &logs[id][*done];
            fold.apply(*offset, record);
            *done += 1;
            if random.random_range(0..9) == 0 || *done == logs[id].len() {
                stored.apply(fold.take_changes());
            }
        }
        for (id, (fold, stored, _)) in folds {
            let (alone, expected) = table::run(id, &logs[&id], 64);
            prop_assert_eq!(fold.digests(), alone.digests());
            prop_assert_eq!(stored, expected);
        }
    }

    #[test]
    fn fine_buckets_add_up_to_coarse_ones(seed in 0_u64..1_000_000) {
        for (partition, log) in table::logs(seed) {
            let (_, stored) = table::run(partition, &log, 64);
            let [fine, middle, coarse] = Window::ALL.map(|window| added_up(&stored, window));
            prop_assert_eq!(&fine, &middle);
            prop_assert_eq!(&middle, &coarse);
        }
    }

    /// Whatever bytes a snapshot holds, restoring it is a fold or an error.
    #[test]
    fn a_damaged_snapshot_is_refused_or_harmless(seed in 0_u64..1_000, at in any::<usize>(), with in any::<u8>()) {
        let (partition, log) = table::logs(seed).pop_first().expect("a partition");
        let (fold, _) = table::run(partition, &log, 64);
        let mut bytes = fold.snapshot();
        let at = at % bytes.len();
        bytes.truncate(at);
        bytes.push(with);
        let _ = Fold::restore(&bytes, partition, PARTITIONS, KEY);
    }
}

fn apply(fold: &mut Fold, records: &[(u64, tandem_model::Record)]) {
    records.iter().for_each(|(offset, record)| fold.apply(*offset, record));
}

/// All sums of a window's rows, added up to five minutes. Gauges and distinct counts do not add
/// up, and sums that stopped at their bound do not either.
fn added_up(stored: &Stored, window: Window) -> BTreeMap<(SessionId, RowKey), Values> {
    let mut sums: BTreeMap<(SessionId, RowKey), Values> = BTreeMap::new();
    for ((session, key), (values, _)) in &stored.rows {
        if key.table != Table::Trend(window) {
            continue;
        }
        let coarse = RowKey {
            table: Table::Trend(Window::FiveMinutes),
            bucket: Window::FiveMinutes.bucket(key.bucket),
            ..key.clone()
        };
        let sum = sums.entry((session.clone(), coarse)).or_insert([0; tandem_model::catalogue::STORED]);
        for column in Column::ALL {
            if column.kind() == tandem_model::catalogue::Kind::Sum {
                let column = *column as usize;
                sum[column] = sum[column].saturating_add(values[column]);
            }
        }
    }
    sums
}
