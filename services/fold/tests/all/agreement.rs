//! Figure by figure, the fold says what the plain method says.

use tandem_model::PartitionId;
use tandem_plain::Plain;

use crate::table::{self, KEY, Log, PARTITIONS, Stored};

/// How many logs the test command checks; `TANDEM_SEEDS` asks for more, from `TANDEM_SEED` on.
const SEEDS: u64 = 2_000;

#[test]
fn with_the_plain_method_over_thousands_of_nasty_logs() {
    let from = asked("TANDEM_SEED").unwrap_or(0);
    for seed in from..from + asked("TANDEM_SEEDS").unwrap_or(SEEDS) {
        for (partition, log) in table::logs(seed) {
            // Odd batch sizes, another one for each log.
            let (fold, stored) = table::run(partition, &log, 1 + (seed as usize * 7) % 113);
            compare(seed, partition, &log, &stored);
            assert_eq!(fold.digests(), stored.digests(), "seed {seed}: digests follow the rows");
        }
    }
}

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn compare(seed: u64, partition: PartitionId, log: &Log, stored: &Stored) {
    let mut plain = Plain::new(partition, PARTITIONS, KEY);
    for (offset, record) in log {
        plain.apply(*offset, record);
    }
    let context = format!("seed {seed}, partition {partition}");
    assert_eq!(stored.partition, plain.partition_row(), "{context}");
    let mut rows = 0;
    for id in plain.sessions() {
        let figures = plain.session(id.as_str()).expect("listed");
        assert_eq!(stored.sessions.get(id), Some(&figures.session), "{context}, session {id}");
        rows += figures.rows.len();
        for (key, (values, offset)) in figures.rows {
            let found = stored.rows.get(&(id.clone(), key.clone()));
            assert!(found.is_some(), "{context}, session {id}: no row {key:?}, expected {values:?}");
            let found = found.expect("checked");
            for (column, expected) in tandem_model::Stored::ALL.iter().zip(values) {
                let value = found.0[*column as usize];
                assert_eq!(value, expected, "{context}, session {id}: {} of {key:?}", column.id());
            }
            assert_eq!(found.1, offset, "{context}, session {id}: offset of {key:?}");
        }
    }
    assert_eq!(stored.sessions.len(), plain.sessions().count(), "{context}: sessions");
    assert_eq!(stored.rows.len(), rows, "{context}: rows nobody expected");
    assert_eq!(stored.rejected, plain.rejected(), "{context}: rejected");
    assert_eq!(stored.digests(), plain.digests(), "{context}: digests");
}
