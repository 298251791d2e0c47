//! Editions: the parts of all cuts lead to the rows of hours and days as they were at each cut.

use std::collections::BTreeMap;

use tandem_fold::Fold;
use tandem_model::row::Attributes;
use tandem_model::{EditionPart, PartitionId, RowKey, SessionId, Step, Table, Values};

use crate::table::{KEY, Log, PARTITIONS, Stored, fold, logs};

type Rows = BTreeMap<(SessionId, RowKey), (Values, u64)>;

/// What a reader of parts has.
#[derive(Default)]
struct Reader {
    rows: Rows,
    next: u64,
    slot: Option<u64>,
}

impl Reader {
    fn apply(&mut self, part: &EditionPart) {
        assert!(part.from <= self.next, "{part:?} leaves a gap after {}", self.next);
        assert!(self.slot.is_none_or(|slot| slot < part.slot));
        (self.next, self.slot) = (part.next, Some(part.slot));
        for session in &part.sessions {
            assert!(session.attributes.is_none() && !session.rows.is_empty());
            for row in &session.rows {
                assert!((part.from..part.next).contains(&row.offset), "it did not change in {part:?}");
                self.rows.insert((session.session_id.clone(), row.key.clone()), (row.values, row.offset));
            }
        }
    }
}

fn calendar_rows(stored: &Stored) -> Rows {
    let is_calendar = |key: &RowKey| matches!(key.table, Table::Calendar(_));
    stored
        .rows
        .iter()
        .filter(|((_, key), _)| is_calendar(key))
        .map(|(key, row)| (key.clone(), *row))
        .collect()
}

fn attributes(stored: &Stored) -> BTreeMap<SessionId, Attributes> {
    let of = |(id, row): (&SessionId, &tandem_model::SessionRow)| Some((id.clone(), row.attributes.clone()?));
    stored.sessions.iter().filter_map(of).collect()
}

/// All parts of a log whose changes are taken after every `batch` records; with a restart from a
/// snapshot after every `restart`th batch.
fn parts(partition: PartitionId, log: &Log, batch: usize, restart: usize) -> Vec<EditionPart> {
    let mut fold = fold(partition);
    let mut parts = Vec::new();
    for (number, records) in (1..).zip(log.chunks(batch)) {
        records.iter().for_each(|(offset, record)| fold.apply(*offset, record));
        parts.extend(fold.take_changes().editions);
        if number % restart == 0 {
            fold = Fold::restore(&fold.snapshot(), partition, PARTITIONS, KEY).expect("its own snapshot");
        }
    }
    parts
}

#[test]
fn parts_lead_to_the_rows_at_each_cut() {
    let mut minutes = 0;
    for seed in 0..150 {
        for (partition, log) in logs(seed) {
            let mut fold = fold(partition);
            let mut stored = Stored::default();
            let (mut five_seconds, mut minute) = (Reader::default(), Reader::default());
            let mut said = BTreeMap::new();
            for (offset, record) in &log {
                fold.apply(*offset, record);
                let changes = fold.take_changes();
                let editions = changes.editions.clone();
                let clock = stored.partition.clock;
                stored.apply(changes);
                let is_due = stored.partition.clock > clock
                    && (clock == 0
                        || Step::FiveSeconds.slot(stored.partition.clock) > Step::FiveSeconds.slot(clock));
                assert_eq!(editions.iter().any(|part| part.step == Step::FiveSeconds), is_due);
                for part in &editions {
                    assert_eq!((part.ts, part.next), (stored.partition.clock, offset + 1));
                    assert_eq!(part.slot, part.step.slot(part.ts));
                    match part.step {
                        Step::FiveSeconds => five_seconds.apply(part),
                        Step::Minute => minute.apply(part),
                        Step::Sessions => {
                            assert!(!part.sessions.is_empty());
                            for session in &part.sessions {
                                assert!(session.rows.is_empty());
                                said.insert(session.session_id.clone(), session.attributes.clone().unwrap());
                            }
                        }
                    }
                }
                if is_due {
                    assert_eq!(five_seconds.rows, calendar_rows(&stored), "seed {seed}");
                    assert_eq!(said, attributes(&stored), "seed {seed}");
                }
                if editions.iter().any(|part| part.step == Step::Minute) {
                    assert_eq!(minute.rows, calendar_rows(&stored), "seed {seed}");
                    minutes += 1;
                }
            }
        }
    }
    assert!(minutes > 300, "only {minutes} cuts of a minute");
}

#[test]
fn parts_do_not_show_batches_or_restarts() {
    for seed in 0..60 {
        for (partition, log) in logs(seed) {
            let expected = parts(partition, &log, 1, usize::MAX);
            assert_eq!(parts(partition, &log, 7, usize::MAX), expected);
            assert_eq!(parts(partition, &log, usize::MAX, usize::MAX), expected);
            assert_eq!(parts(partition, &log, 3, 2), expected);
        }
    }
}
