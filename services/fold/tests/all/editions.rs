//! Editions: the parts of all cuts lead to the rows of hours and days as they were at each cut.

use std::collections::BTreeMap;

use tandem_fold::Fold;
use tandem_model::definition;
use tandem_model::row::{Attributes, PartitionRow};
use tandem_model::{
    Definition, EditionPart, PartitionId, Record, RowKey, SessionId, Step, Table, Values, Verdict, Verdicts,
};

use tandem_plain::Plain;

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
                        Step::Judged | Step::Defined => panic!("nobody said anything: {part:?}"),
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

/// Whom a verdict is about is told at the first cut behind it, whatever it says; and once.
#[test]
fn sessions_that_were_judged_are_told_at_the_cut_behind_the_verdict() {
    let event = |id: &str, session: &str| {
        Record::line(
            format!(
                r#"{{"event_id":"{id}","type":"like","ts":1000,"session_id":"{session}","user_id":"u"}}"#
            )
            .into(),
        )
    };
    let session = |id: &str| SessionId::new(id).expect("an id");
    let partition = tandem_model::partition::partition_of(b"s1", PARTITIONS);
    let log: Vec<Record> = vec![
        Record::beat(1),
        event("e1", "s1"),
        event("e2", "s1"),
        Record::beat(6),
        Verdict::quarantine(1, Some(session("s1")), "").to_record(),
        Verdict::quarantine(2, Some(session("s9")), "").to_record(),
        Record::beat(7),
        Record::beat(11),
        Verdict::release(1, "").to_record(),
        Record::beat(12),
        Record::beat(20),
    ];
    let mut known = Verdicts::default();
    for (offset, record) in (0..).zip(&log) {
        Verdict::of(record).map(|verdict| known.note(offset, &verdict));
    }
    let judged = |batch: usize| {
        let mut fold = fold(partition).knowing(&known).expect("it has applied nothing");
        let mut judged = Vec::new();
        for records in log.iter().zip(0..).collect::<Vec<_>>().chunks(batch) {
            records.iter().for_each(|(record, offset)| fold.apply(*offset, record));
            judged.extend(fold.take_changes().editions.into_iter().filter(|part| part.step == Step::Judged));
            fold = Fold::restore(&fold.snapshot(), partition, PARTITIONS, KEY).expect("its own snapshot");
        }
        let told = judged.iter().map(|part| {
            let ids = part.sessions.iter().map(|one| (one.session_id.to_string(), one.came_at));
            (part.slot, part.ts, part.next, ids.collect::<Vec<_>>())
        });
        told.collect::<Vec<_>>()
    };
    // Of two verdicts about one record the later one holds, and is told.
    let expected = [
        (10_000, 11_000, 8, vec![("s9".to_owned(), 1_000)]),
        (20_000, 20_000, 11, vec![("s1".to_owned(), 1_000)]),
    ];
    assert_eq!(judged(usize::MAX), expected);
    assert_eq!(judged(1), expected);
    assert_eq!(judged(4), expected);
}

/// A definition that holds is told at the first cut behind it, once; one that does not is a malformed record.
#[test]
fn definitions_are_told_at_the_cut_behind_them() {
    let definition = |version, from| Definition {
        metric: "aov_fen".to_owned(),
        version,
        formula: "(gmv_fen-refund_fen)/orders".to_owned(),
        from,
        reason: "a test".to_owned(),
    };
    let log: Vec<Record> = vec![
        Record::beat(10),
        definition(2, 69_999).to_record(),
        definition(2, 70_000).to_record(),
        definition(2, 70_000).to_record(),
        Record::beat(15),
        Record::line(br#"{"tandem":"define","metric":"aov_fen"}"#.to_vec().into()),
        Record::beat(20),
        // Nobody can say that it does not count.
        definition(3, 80_000).to_record(),
        Verdict::quarantine(7, None, "a try").to_record(),
        definition(4, 90_000).to_record(),
        Record::beat(31),
    ];
    let mut known = Verdicts::default();
    assert!(known.note(8, &Verdict::quarantine(7, None, "a try")));
    let told = |partition: PartitionId, batch: usize| {
        let mut fold = fold(partition).knowing(&known).expect("it has applied nothing");
        let (mut told, mut refused, mut row) = (Vec::new(), Vec::new(), PartitionRow::default());
        for records in log.iter().zip(0..).collect::<Vec<_>>().chunks(batch) {
            records.iter().for_each(|(record, offset)| fold.apply(*offset, record));
            let changes = fold.take_changes();
            refused.extend(changes.rejected.into_iter().map(|one| one.offset));
            row = changes.partition_row;
            let defined = changes.editions.into_iter().filter(|part| part.step == Step::Defined);
            told.extend(defined.map(|part| (part.slot, part.from, part.next, part.definitions)));
            fold = Fold::restore(&fold.snapshot(), partition, PARTITIONS, KEY).expect("its own snapshot");
        }
        let mut plain = Plain::new(partition, PARTITIONS, KEY).with_verdicts(known.clone());
        log.iter().zip(0..).for_each(|(record, offset)| plain.apply(offset, record));
        assert_eq!(row, plain.partition_row(), "computed plainly");
        (told, refused)
    };
    let here = vec![
        (15_000, 1, 5, vec![definition(2, 70_000)]),
        (30_000, 7, 11, vec![definition(3, 80_000), definition(4, 90_000)]),
    ];
    for batch in [1, 4, usize::MAX] {
        assert_eq!(told(definition::PARTITION, batch), (here.clone(), vec![1, 3, 5]), "by {batch}");
        let elsewhere = (Vec::new(), vec![1, 2, 3, 5, 7, 9]);
        assert_eq!(told(PartitionId(1), batch), elsewhere, "by {batch}");
    }
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
