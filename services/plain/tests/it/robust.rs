//! Whatever stands in a log: no panic, and the same again.

use bytes::Bytes;
use proptest::prelude::*;
use tandem_model::{PartitionId, PseudonymKey, Record};
use tandem_plain::{Plain, nasty};

fn apply(records: &[Record], partitions: u32) -> Plain {
    let mut plain = Plain::new(PartitionId(0), partitions, PseudonymKey::new([0; 16])).without_rejected();
    for (offset, record) in records.iter().enumerate() {
        plain.apply(offset as u64, record);
    }
    plain
}

proptest! {
    #[test]
    fn any_bytes_are_a_malformed_line(values in proptest::collection::vec(any::<Vec<u8>>(), 0..20), partitions in 0_u32..4) {
        let records: Vec<_> = values.into_iter().map(|value| Record::line(Bytes::from(value))).collect();
        let plain = apply(&records, partitions);
        prop_assert_eq!(plain.partition_row().malformed_events, records.len() as u64);
        prop_assert_eq!(plain.sessions().count(), 0);
    }

    #[test]
    fn lines_with_bytes_changed_or_cut_off(seed in 0_u64..7, at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let spoil = |(index, line): (usize, Bytes)| {
            let mut line = line.to_vec();
            let at = at.index(line.len());
            if index % 2 == 0 { line[at] = with } else { line.truncate(at) }
            Record::line(Bytes::from(line))
        };
        let records: Vec<_> = nasty::generate(seed).into_iter().enumerate().map(spoil).collect();
        let plain = apply(&records, 1);
        prop_assert!(plain.rejected().is_empty());
        prop_assert_eq!(plain.digests(), apply(&records, 1).digests());
    }
}

#[test]
fn a_seed_is_a_log() {
    for seed in 0..20 {
        assert_eq!(nasty::generate(seed), nasty::generate(seed));
        let lines = nasty::generate(seed);
        assert_eq!(nasty::log(&lines, seed, 3), nasty::log(&lines, seed, 3));
    }
}

/// Offsets at the very end of what fits, a clock and sums as high as they can be.
#[test]
fn the_highest_offsets_and_times() {
    let lines = nasty::Run { start_ms: tandem_model::time::INT_MAX, ..nasty::Run::of(5) }.lines();
    let mut plain = Plain::new(PartitionId(0), 1, PseudonymKey::new([0; 16]));
    for line in lines {
        plain.apply(u64::MAX, &Record::line(line));
    }
    assert!(plain.clock() > 0);
    let _ = plain.digests();
}
