//! Lines as they stand in a log.

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_model::decode::decode;
use tandem_model::event::{Field, Line};
use tandem_model::malformed::{Malformed, Problem};
use tandem_model::partition::partition_of;
use tandem_model::record::partition_of_refused;
use tandem_model::{PartitionId, Record};

/// The same lines as they would stand in a log of `partitions` partitions, in the order in which
/// they were written.
///
/// Beats go to every partition, events to their session's. Malformed lines are refused at the
/// door; some are left for the reader to refuse, as if somebody else had written them. Some
/// records stand in a wrong partition, some beats were refused because their sender may not move
/// time.
pub fn log(lines: &[Bytes], seed: u64, partitions: u32) -> Vec<(PartitionId, Record)> {
    let mut rng = SmallRng::seed_from_u64(seed ^ 0x6c6f_6721);
    let partitions = partitions.max(1);
    let misplaced = if rng.random() { 0.02 } else { 0.0 };
    let mut log = Vec::new();
    for line in lines {
        let records = records(line, partitions, &mut rng);
        for (partition, record) in records {
            if rng.random_bool(misplaced) {
                log.push((PartitionId(rng.random_range(0..partitions)), record.clone()));
            }
            log.push((partition, record));
        }
    }
    log
}

fn records(line: &Bytes, partitions: u32, rng: &mut SmallRng) -> Vec<(PartitionId, Record)> {
    let refused = |reason| {
        let record = Record::refused(line, reason);
        vec![(partition_of_refused(&record, partitions), record)]
    };
    match decode(line) {
        Ok(Line::Beat { .. }) if rng.random_bool(0.03) => {
            let problem = Problem::BeatNotAllowed;
            refused(Malformed { problem, field: Some(Field::Type), session_id: None })
        }
        Ok(Line::Beat { .. }) => {
            (0..partitions).map(|partition| (PartitionId(partition), Record::line(line.clone()))).collect()
        }
        Ok(Line::Event(event)) => {
            let partition = partition_of(event.session_id.as_bytes(), partitions);
            vec![(partition, Record::line(line.clone()))]
        }
        Ok(Line::Verdict(_) | Line::Definition(_)) => {
            vec![(partition_of(line, partitions), Record::line(line.clone()))]
        }
        Err(reason) if rng.random_bool(0.8) => refused(reason),
        Err(reason) => refused(reason)
            .into_iter()
            .map(|(partition, _)| (partition, Record::line(line.clone())))
            .collect(),
    }
}
