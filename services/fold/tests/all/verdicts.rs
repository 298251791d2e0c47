//! Verdicts in the log: wherever they stand, and whatever they say, the fold ends with what the
//! plain method gives that knew all of them before.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_fold::Fold;
use tandem_model::digest::Digests;
use tandem_model::{PartitionId, SessionId, Verdict, Verdicts};
use tandem_plain::Plain;

use crate::table::{self, KEY, Log, PARTITIONS, Stored};

const SEEDS: u64 = 150;

/// The log with verdicts in it: about good records, bad ones, beats, other verdicts, and nothing.
fn with_verdicts(log: &Log, rng: &mut SmallRng) -> Log {
    let session = |rng: &mut SmallRng| match rng.random_range(0..3) {
        0 => None,
        1 => SessionId::new("of-nobody"),
        _ => log.iter().filter_map(|(_, record)| tandem_model::decode::session_of(&record.value)).nth(3),
    };
    let mut mixed = Log::new();
    let mut offsets: Vec<u64> = Vec::new();
    let mut shift = 0;
    for (offset, record) in log {
        if rng.random_bool(0.02) {
            let about = match rng.random_range(0..10) {
                // Often the same record again.
                0..3 => offsets.last().copied(),
                3..9 => mixed.get(rng.random_range(0..=mixed.len())).map(|(offset, _)| *offset),
                _ => Some(offset + shift + rng.random_range(0..5)),
            };
            let about = about.unwrap_or(0);
            offsets.push(about);
            let verdict = match rng.random_bool(0.7) {
                true => Verdict::quarantine(about, session(rng), "a test"),
                false => Verdict::release(about, "a test"),
            };
            mixed.push((offset + shift, verdict.to_record()));
            shift += 1;
        }
        mixed.push((offset + shift, record.clone()));
    }
    mixed
}

/// Folds as a chain does that goes back when it has to. `horizon` is how far ahead it looks then.
fn go(partition: PartitionId, log: &Log, batch: usize, horizon: usize) -> (Fold, Stored, u32) {
    let mut known = Verdicts::default();
    let mut rounds = 0;
    loop {
        rounds += 1;
        let mut fold = table::fold(partition).knowing(&known).expect("it has applied nothing");
        let mut stored = Stored::default();
        for (index, (offset, record)) in log.iter().enumerate() {
            fold.apply(*offset, record);
            if let Some(revised) = fold.revised() {
                known = revised.clone();
                for (offset, record) in log.iter().skip(index).take(horizon) {
                    Verdict::of(record).map(|verdict| known.note(*offset, &verdict));
                }
                break;
            }
            if index % batch == 0 {
                stored.apply(fold.take_changes());
                if index % (batch * 7) == 0 {
                    fold = Fold::restore(&fold.snapshot(), partition, PARTITIONS, KEY).expect("our own");
                }
            }
        }
        if fold.revised().is_none() {
            stored.apply(fold.take_changes());
            return (fold, stored, rounds);
        }
    }
}

#[test]
fn what_is_in_quarantine_counts_nowhere_and_what_is_released_does() {
    let (mut quarantined, mut released, mut rounds_max) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut rng = SmallRng::seed_from_u64(seed);
        for (partition, log) in table::logs(seed) {
            let log = with_verdicts(&log, &mut rng);
            let mut known = Verdicts::default();
            for (offset, record) in &log {
                Verdict::of(record).map(|verdict| known.note(*offset, &verdict));
            }
            let mut plain = Plain::new(partition, PARTITIONS, KEY).with_verdicts(known.clone());
            log.iter().for_each(|(offset, record)| plain.apply(*offset, record));
            let horizon = if seed % 2 == 0 { 0 } else { usize::MAX };
            let (fold, stored, rounds) = go(partition, &log, 1 + (seed as usize * 5) % 60, horizon);
            let context = format!("seed {seed}, partition {partition}");
            assert_eq!(stored.rejected, plain.rejected(), "{context}");
            assert_eq!(stored.digests(), plain.digests(), "{context}");
            assert_eq!(fold.digests(), plain.digests(), "{context}");
            assert_eq!(fold.verdicts().contradiction(&known, u64::MAX), None, "{context}");
            quarantined += known.quarantined();
            released += known.iter().filter(|(_, known)| known.quarantine.is_none()).count();
            rounds_max = rounds_max.max(rounds);
        }
    }
    assert!(quarantined > 400 && released > 25, "{quarantined} {released}");
    assert!(rounds_max > 3, "chains had to go back");
}

#[test]
fn a_fold_that_has_counted_a_record_takes_no_other_verdict_about_it() {
    let (partition, log) = table::logs(1).into_iter().next().expect("there is one");
    let mut fold = table::fold(partition);
    log.iter().take(10).for_each(|(offset, record)| fold.apply(*offset, record));
    fold.take_changes();
    let about = log[4].0;
    let mut known = Verdicts::default();
    known.note(log[30].0, &Verdict::quarantine(about, None, ""));
    known.note(log[40].0, &Verdict::quarantine(log[20].0, None, ""));
    assert_eq!(fold.knowing(&known).err(), Some(about));
    assert_ne!(Digests::default(), table::run(partition, &log, 9).0.digests());
}
