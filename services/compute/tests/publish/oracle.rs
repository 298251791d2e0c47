//! What a reader must find in the topic, by the plain method.

use std::collections::BTreeMap;

use bytes::Bytes;
use tandem_model::summary::{Marker, Message, Schema, is_published};
use tandem_model::{Cut, PartitionId, Row, RowKey, SessionId, SessionRow, Values, Verdicts};
use tandem_plain::Plain;
use tandem_storage::EventLog;

use super::world::{KEY, PARTITIONS, World, partitions};

/// All published rows of a partition at one moment.
#[derive(Clone, Default, PartialEq)]
struct Rows {
    sessions: BTreeMap<SessionId, SessionRow>,
    figures: BTreeMap<(SessionId, RowKey), (Values, u64)>,
}

impl Rows {
    fn of(plain: &Plain) -> Self {
        let mut rows = Self::default();
        for id in plain.sessions() {
            let figures = plain.session(id.as_str()).expect("listed");
            let published = figures.rows.into_iter().filter(|(key, _)| is_published(key));
            rows.figures.extend(published.map(|(key, row)| ((id.clone(), key), row)));
            rows.sessions.insert(id.clone(), figures.session);
        }
        rows
    }

    /// The messages that bring a reader from `before` to here, under `marker`.
    fn since(&self, before: &Rows, marker: &Marker) -> BTreeMap<Bytes, Bytes> {
        let sessions = self.sessions.iter().filter(|(id, row)| before.sessions.get(*id) != Some(*row));
        let sessions = sessions.map(|(id, row)| marker.session_message(id, row));
        let figures = self.figures.iter().filter(|(key, row)| before.figures.get(*key) != Some(*row));
        let figures = figures.map(|((id, key), (values, offset))| {
            marker.row_message(id, &Row { key: key.clone(), values: *values, offset: *offset })
        });
        let valued = |message: Message| (message.key, message.value.expect("nothing is withdrawn"));
        sessions.chain(figures).map(valued).collect()
    }
}

/// What happened on the way, for tests that want to have seen something.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) transactions: usize,
    pub(crate) rows: usize,
    /// Transactions that hold more than one beat.
    pub(crate) merged: usize,
    /// How often the chain that publishes changed.
    pub(crate) changes: usize,
}

/// Checks the whole topic against the whole log: every transaction holds what changed since the
/// one before, each row once, and nothing else.
pub(crate) async fn check(world: &World, context: &str) -> Seen {
    check_from(world, &[0; PARTITIONS as usize], context).await
}

/// The same where each partition's publishing began at the offset in `begins`: nothing that was
/// last changed before is there.
pub(crate) async fn check_from(world: &World, begins: &[u64], context: &str) -> Seen {
    let mut seen = Seen::default();
    for partition in partitions() {
        let messages = world.reader.messages(partition).await;
        let transactions = messages.split_inclusive(|message| message.schema == Schema::Marker);
        let log = world.log.read(partition, 0, usize::MAX).await.unwrap();
        let mut log = log.iter().peekable();
        let mut plain = plain(world, partition).await;
        while let Some((offset, record)) = log.next_if(|(offset, _)| *offset < begins[partition.0 as usize]) {
            plain.apply(*offset, record);
        }
        let (mut before, mut last): (Rows, Option<Marker>) = (Rows::of(&plain), None);
        for transaction in transactions {
            let (marker, rows) = transaction.split_last().unwrap();
            let marker = Marker::parse(marker.value.as_ref().unwrap()).unwrap();
            let context = format!("{context}, partition {partition}, up to {:?}", marker.cut);
            if let Some(last) = &last {
                assert!(marker.may_follow(last), "{context}: {marker:?} after {last:?}");
                seen.changes += usize::from(marker.chain != last.chain);
            }
            let mut beats = 0;
            while plain.clock() < marker.cut.clock {
                let clock = plain.clock();
                let (offset, record) = log.next().unwrap_or_else(|| panic!("{context}: beyond the log"));
                plain.apply(*offset, record);
                beats += usize::from(plain.clock() > clock);
                let is_there = plain.clock() == marker.cut.clock;
                assert!(!is_there || *offset + 1 == marker.cut.next, "{context}: {offset}");
            }
            let now = Rows::of(&plain);
            let found: BTreeMap<Bytes, Bytes> =
                rows.iter().map(|row| (row.key.clone(), row.value.clone().unwrap())).collect();
            assert_eq!(found.len(), rows.len(), "{context}: a row twice");
            let expected = now.since(&before, &marker);
            for (key, value) in &found {
                let wanted = expected.get(key);
                assert_eq!(Some(value), wanted, "{context}: {key:?} is not as it should be");
            }
            for key in expected.keys() {
                assert!(found.contains_key(key), "{context}: {key:?} is missing");
            }
            seen.transactions += 1;
            seen.rows += rows.len();
            seen.merged += usize::from(beats > 1);
            (before, last) = (now, Some(marker));
        }
        assert_eq!(last.map(|marker| marker.cut), last_beat(world, partition).await, "{context}");
    }
    seen
}

/// Checks what a reader ends with who takes the last message of each key: what the whole log gives,
/// up to the last beat.
pub(crate) async fn check_end(world: &World, context: &str) {
    for partition in partitions() {
        let messages = world.reader.messages(partition).await;
        let mut held: BTreeMap<Bytes, (Bytes, Marker)> = BTreeMap::new();
        for transaction in messages.split_inclusive(|message| message.schema == Schema::Marker) {
            let (marker, rows) = transaction.split_last().unwrap();
            let marker = Marker::parse(marker.value.as_ref().unwrap()).unwrap();
            for row in rows {
                match &row.value {
                    Some(value) => _ = held.insert(row.key.clone(), (value.clone(), marker.clone())),
                    None => assert!(held.remove(&row.key).is_some(), "{context}: withdrawn, and never there"),
                }
            }
        }
        let end = last_beat(world, partition).await.map_or(0, |cut| cut.next);
        let mut plain = plain(world, partition).await;
        for (offset, record) in world.log.read(partition, 0, usize::MAX).await.unwrap() {
            if offset < end {
                plain.apply(offset, &record);
            }
        }
        let rows = Rows::of(&plain);
        assert_eq!(held.len(), rows.sessions.len() + rows.figures.len(), "{context}, {partition}: rows");
        for (key, (value, marker)) in &held {
            let expected = rows.since(&Rows::default(), marker);
            assert_eq!(Some(value), expected.get(key), "{context}, {partition}: {key:?}");
        }
    }
}

async fn plain(world: &World, partition: PartitionId) -> Plain {
    let verdicts = tandem_storage::verdicts(&*world.log, partition, Verdicts::default(), 0).await.unwrap();
    Plain::new(partition, PARTITIONS, KEY).without_rejected().with_verdicts(verdicts)
}

/// The last beat of a partition's log that counts.
pub(crate) async fn last_beat(world: &World, partition: PartitionId) -> Option<Cut> {
    let mut plain = plain(world, partition).await;
    let mut last = None;
    for (offset, record) in world.log.read(partition, 0, usize::MAX).await.unwrap() {
        let clock = plain.clock();
        plain.apply(offset, &record);
        if plain.clock() > clock {
            last = Some(Cut { next: offset + 1, clock: plain.clock() });
        }
    }
    last
}
