//! A small log with the stores of two chains in memory; chain b is then changed in one place.

use std::sync::Arc;

use bytes::Bytes;
use tandem_model::row::BeatDigest;
use tandem_model::{Changes, Cut, PseudonymKey, Record, Row, SessionChange, Stored};
use tandem_plain::Plain;
use tandem_storage::memory::{
    MemoryDeadLetters, MemoryEditions, MemoryEventLog, MemoryHotStore, MemoryRowStore, MemorySnapshotStore,
};
use tandem_storage::{Append, ChainStores, EventLog};

use super::*;

const KEY: PseudonymKey = PseudonymKey::new([3; 16]);
const PARTITION: PartitionId = PartitionId(0);

fn records() -> Vec<Record> {
    let line = |text: String| Record::line(Bytes::from(text));
    let event = |id: u32, session: &str, kind: &str, ts: u64| {
        line(format!(
            r#"{{"event_id":"e{id}","type":"{kind}","ts":{ts},"session_id":"{session}","user_id":"u{}","text":"t"}}"#,
            id % 3
        ))
    };
    let mut records = vec![Record::beat(1_000)];
    for id in 0..40 {
        let session = if id % 2 == 0 { "s1" } else { "s2" };
        let kind = if id < 6 { "enter" } else { "comment" };
        records.push(event(id, session, kind, 1_000_000 + u64::from(id) * 700));
        if id % 10 == 9 {
            records.push(Record::beat(1_000 + u64::from(id)));
        }
    }
    records.push(event(7, "s2", "comment", 1_001_000));
    records.push(line("nonsense".to_owned()));
    records.push(event(99, "s1", "comment", 5));
    records.push(Record::beat(1_100));
    records
}

fn stores() -> ChainStores {
    ChainStores {
        rows: Arc::new(MemoryRowStore::default()),
        hot: Arc::new(MemoryHotStore::new(10)),
        snapshots: Arc::new(MemorySnapshotStore::default()),
        dead_letters: Arc::new(MemoryDeadLetters::default()),
        editions: Arc::new(MemoryEditions::default()),
    }
}

/// What a right chain holds after the log, with the digests of its last beat.
fn right() -> Changes {
    let mut plain = Plain::new(PARTITION, 1, KEY);
    let records = records();
    for (offset, record) in (0..).zip(&records) {
        plain.apply(offset, record);
    }
    let sessions = plain.sessions().map(|id| {
        let figures = plain.session(id.as_str()).expect("a session that was listed");
        let rows = figures.rows.into_iter().map(|(key, (values, offset))| Row { key, values, offset });
        SessionChange { session_id: id.clone(), session: Some(figures.session), rows: rows.collect() }
    });
    let last = BeatDigest {
        partition: PARTITION,
        ts: plain.clock(),
        offset: records.len() as u64 - 1,
        digests: plain.digests(),
    };
    Changes {
        partition: PARTITION,
        cut: Cut { next: records.len() as u64, clock: plain.clock() },
        partition_row: plain.partition_row(),
        sessions: sessions.collect(),
        rejected: plain.rejected().to_vec(),
        beats: vec![last],
        editions: Vec::new(),
    }
}

async fn report(b: &Changes) -> Report {
    let log = Arc::new(MemoryEventLog::new(1));
    let records = records().into_iter().map(|record| (PARTITION, record)).collect();
    log.append(Append { records, receipt: None }).await.unwrap();
    let chains = [stores(), stores()];
    for (stores, changes) in chains.iter().zip([&right(), b]) {
        stores.dead_letters.append(&changes.rejected).await.unwrap();
        stores.rows.apply(changes).await.unwrap();
    }
    verify(&Direct::new(log, chains, KEY), &Progress::hidden()).await.unwrap()
}

#[tokio::test]
async fn two_right_chains_hold() {
    let report = report(&right()).await;
    assert!(report.holds(), "{}", report.text());
    assert_eq!(report.records, records().len() as u64);
    let [a, b] = report.chains;
    assert_eq!(a, b);
    assert_eq!((a.sessions, a.rejected, a.digests, a.differences), (2, 3, 1, 0));
    assert!(a.rows > 20, "{}", report.text());
}

#[tokio::test]
async fn one_wrong_figure_is_found_and_named() {
    let mut wrong = right();
    let row = &mut wrong.sessions[1].rows[0];
    row.values[Stored::Comments as usize] += 1;
    let report = report(&wrong).await;
    assert!(!report.holds());
    assert_eq!((report.chains[0].differences, report.chains[1].differences), (0, 1));
    let text = report.first[0].to_string();
    for part in ["chain b", "session s2", "table total", "breakdown room", "key room", "metric comments"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test]
async fn whatever_else_is_wrong_is_found_too() {
    type Change = fn(&mut Changes);
    let changes: [(&str, Change, &str); 9] = [
        ("offset", |changes| changes.sessions[0].rows[2].offset += 1, "metric offset"),
        ("row missing", |changes| _ = changes.sessions[0].rows.remove(1), "found none"),
        (
            "session row",
            |changes| changes.sessions[0].session.as_mut().unwrap().first_ts = None,
            "field first_ts",
        ),
        ("session missing", |changes| _ = changes.sessions.remove(0), "found no such session"),
        ("partition row", |changes| changes.partition_row.beats += 1, "field beats"),
        ("digest", |changes| changes.beats[0].digests.0[4] ^= 1, "digest of table session"),
        ("rejected missing", |changes| _ = changes.rejected.remove(0), "rejected event at offset"),
        ("rejected changed", |changes| changes.rejected[0].clock += 1, "rejected event at offset"),
        ("beyond the log", |changes| changes.cut.next += 5, "its position"),
    ];
    for (what, change, text) in changes {
        let mut wrong = right();
        change(&mut wrong);
        let report = report(&wrong).await;
        assert!(!report.holds(), "{what}");
        assert_eq!(report.chains[0].differences, 0, "{what}: {}", report.text());
        assert!(report.text().contains(text), "{what}: {}", report.text());
    }
}

#[tokio::test]
async fn a_chain_that_stopped_early_is_right_as_far_as_it_is() {
    let mut behind = right();
    behind.sessions.clear();
    behind.rejected.clear();
    behind.beats.clear();
    behind.partition_row = Default::default();
    behind.cut = Cut::default();
    let report = report(&behind).await;
    assert!(report.holds(), "{}", report.text());
    assert_eq!(report.chains[1].sessions, 0);
}
