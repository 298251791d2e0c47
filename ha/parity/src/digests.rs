//! Do both chains say the same? Pure: two lists of digests in, a verdict out.
//!
//! Chains reach a beat at different moments, so the newest beat that both have is compared.
//! Nothing in common says nothing: the verdict is `indeterminate`, not `different`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tandem_model::status::Beat;

/// How the digests of both chains compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// They agree.
    Equal,
    /// There is nothing to compare.
    Indeterminate,
    /// They differ.
    Different,
}

/// The verdict about all partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parity {
    /// The worst of the partitions'.
    pub verdict: Verdict,
    /// Every partition has been compared at this beat or a later one; absent where one has not.
    pub beat: Option<u64>,
    /// In order.
    pub partitions: Vec<PartitionParity>,
}

/// The verdict about one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionParity {
    /// Which.
    pub partition: u32,
    /// The newest beat that both chains have, in milliseconds since the epoch.
    pub beat: Option<u64>,
    /// The verdict.
    pub verdict: Verdict,
    /// The tables that differ.
    pub tables: Vec<String>,
}

/// Compares both chains' digests, partition by partition.
pub fn compare(a: &[Beat], b: &[Beat], partitions: u32) -> Parity {
    let partitions: Vec<PartitionParity> =
        (0..partitions).map(|partition| compare_partition(a, b, partition)).collect();
    // Different beats indeterminate beats equal; without partitions there is nothing to say.
    let verdict =
        partitions.iter().map(|partition| partition.verdict).max().unwrap_or(Verdict::Indeterminate);
    let beats: Option<Vec<u64>> = partitions.iter().map(|partition| partition.beat).collect();
    Parity { verdict, beat: beats.and_then(|beats| beats.into_iter().min()), partitions }
}

fn compare_partition(a: &[Beat], b: &[Beat], partition: u32) -> PartitionParity {
    let of = |beats| -> BTreeMap<u64, &Beat> { by_ts(beats, partition) };
    let (a, b) = (of(a), of(b));
    let newest = a.iter().rev().find_map(|(ts, left)| Some((*ts, *left, *b.get(ts)?)));
    let Some((ts, left, right)) = newest else {
        return PartitionParity {
            partition,
            beat: None,
            verdict: Verdict::Indeterminate,
            tables: Vec::new(),
        };
    };
    let names: BTreeSet<&String> = left.digests.keys().chain(right.digests.keys()).collect();
    let tables: Vec<String> = names
        .into_iter()
        .filter(|name| left.digests.get(*name) != right.digests.get(*name))
        .cloned()
        .collect();
    // One beat stands in one place of the log: another place means that they read different logs.
    let is_equal = tables.is_empty() && left.offset == right.offset;
    let verdict = if is_equal { Verdict::Equal } else { Verdict::Different };
    PartitionParity { partition, beat: Some(ts), verdict, tables }
}

fn by_ts(beats: &[Beat], partition: u32) -> BTreeMap<u64, &Beat> {
    beats.iter().filter(|beat| beat.partition == partition).map(|beat| (beat.ts, beat)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(partition: u32, ts: u64, total: &str) -> Beat {
        let digests = [("total", total), ("session", "5")];
        let digests = digests.map(|(table, digest)| (table.to_owned(), digest.to_owned()));
        Beat { partition, ts, offset: ts / 100, digests: digests.into() }
    }

    #[test]
    fn the_newest_common_beat_decides() {
        let a = [beat(0, 1_000, "x"), beat(0, 2_000, "y"), beat(0, 3_000, "z")];
        let b = [beat(0, 1_000, "wrong"), beat(0, 2_000, "y")];
        let parity = compare(&a, &b, 1);
        assert_eq!((parity.verdict, parity.beat), (Verdict::Equal, Some(2_000)));
    }

    #[test]
    fn a_difference_names_partition_and_table() {
        let a = [beat(0, 1_000, "x"), beat(1, 2_000, "x")];
        let b = [beat(0, 1_000, "x"), beat(1, 2_000, "y")];
        let parity = compare(&a, &b, 2);
        assert_eq!((parity.verdict, parity.beat), (Verdict::Different, Some(1_000)));
        assert_eq!(parity.partitions[0].verdict, Verdict::Equal);
        assert_eq!(parity.partitions[1].tables, ["total"]);
    }

    #[test]
    fn a_table_or_a_place_that_only_one_has_is_a_difference() {
        let mut b = beat(0, 1_000, "x");
        b.digests.remove("session");
        let parity = compare(&[beat(0, 1_000, "x")], &[b], 1);
        assert_eq!(parity.partitions[0].tables, ["session"]);
        let moved = Beat { offset: 99, ..beat(0, 1_000, "x") };
        assert_eq!(compare(&[beat(0, 1_000, "x")], &[moved], 1).verdict, Verdict::Different);
    }

    #[test]
    fn nothing_in_common_says_nothing() {
        let equal = beat(0, 1_000, "x");
        for (a, b) in [
            (vec![], vec![]),
            (vec![equal.clone()], vec![]),
            (vec![equal.clone()], vec![beat(0, 2_000, "x")]),
        ] {
            let parity = compare(&a, &b, 1);
            assert_eq!((parity.verdict, parity.beat), (Verdict::Indeterminate, None));
        }
        let parity = compare(std::slice::from_ref(&equal), std::slice::from_ref(&equal), 2);
        assert_eq!((parity.verdict, parity.beat), (Verdict::Indeterminate, None));
        assert_eq!(parity.partitions[0].verdict, Verdict::Equal);
    }
}
