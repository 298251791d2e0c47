//! What the tests share: a nasty log, a chain that reads it, and the plain method beside it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tandem_compute::{Compute, Hot, Settings, Status};
use tandem_model::partition::partition_of;
use tandem_model::rejected::Rejected;
use tandem_model::route::Chain;
use tandem_model::row::SessionState;
use tandem_model::{PartitionId, PseudonymKey, Record, RowKey, Values, Verdicts};
use tandem_plain::Plain;
use tandem_storage::memory::MemoryEventLog;
use tandem_storage::{All, Append, ChainStores, DeadLetterQuery, EventLog, Ownership, Select};
use tokio::sync::watch;

pub(crate) const PARTITIONS: u32 = 2;
pub(crate) const KEY: PseudonymKey = PseudonymKey::new([9; 16]);

pub(crate) fn settings(chain: Chain) -> Settings {
    Settings {
        batch_bytes: match chain {
            Chain::A => 2_000,
            Chain::B => 700,
        },
        flush_interval: Duration::from_millis(1),
        snapshot_interval: Duration::from_millis(3),
        hot_timeout: Duration::from_millis(100),
        repair_rows_max: 300,
        ..Settings::of(chain)
    }
}

/// A chain that has all partitions.
pub(crate) fn start(chain: Chain, log: &Arc<MemoryEventLog>, stores: &ChainStores) -> Compute {
    start_for(chain, log, stores, Arc::new(All::of(PARTITIONS)))
}

/// A chain that has the partitions it owns.
pub(crate) fn start_for(
    chain: Chain,
    log: &Arc<MemoryEventLog>,
    stores: &ChainStores,
    ownership: Arc<dyn Ownership>,
) -> Compute {
    Compute::start(settings(chain), Arc::clone(log) as Arc<dyn EventLog>, stores.clone(), KEY, ownership)
        .expect("threads")
}

/// Partitions handed out by the test.
pub(crate) struct Hands(watch::Sender<Arc<BTreeSet<PartitionId>>>);

impl Hands {
    pub(crate) fn holding(partitions: &[u32]) -> Arc<Self> {
        let hands = Self(watch::Sender::default());
        hands.take(partitions);
        Arc::new(hands)
    }

    pub(crate) fn take(&self, partitions: &[u32]) {
        self.0.send_replace(Arc::new(partitions.iter().copied().map(PartitionId).collect()));
    }
}

impl Ownership for Hands {
    fn owned(&self) -> watch::Receiver<Arc<BTreeSet<PartitionId>>> {
        self.0.subscribe()
    }
}

/// Appends the nasty log of `seed` in pieces.
pub(crate) async fn append(log: &MemoryEventLog, seed: u64) {
    let lines = tandem_plain::nasty::generate(seed);
    let records = tandem_plain::nasty::log(&lines, seed, PARTITIONS);
    for piece in records.chunks(90) {
        let append = Append { records: piece.to_vec(), receipt: None };
        log.append(append).await.expect("memory");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// When the first round of [`append_live`] begins, in seconds: later than any nasty log.
const LIVE: u64 = 4_000_000_000;

fn beat(second: u64) -> impl Iterator<Item = (PartitionId, Record)> {
    (0..PARTITIONS).map(move |id| (PartitionId(id), Record::beat(second)))
}

/// Appends the beat with which `round` begins.
pub(crate) async fn append_beat(log: &MemoryEventLog, round: u64) {
    let append = Append { records: beat(LIVE + round * 60).collect(), receipt: None };
    log.append(append).await.expect("memory");
}

/// Appends a minute of sessions that go on, `round` by `round`.
pub(crate) async fn append_live(log: &MemoryEventLog, round: u64) {
    let second = LIVE + round * 60;
    let mut records: Vec<_> = beat(second).collect();
    for number in 0..40 {
        let (session, user, ts) = (format!("live-{}", number % 8), number % 5, second * 1_000 + number);
        let kind = ["enter", "like", "item_click", "comment"][(number / 8 % 4) as usize];
        let line = format!(
            "{{\"event_id\":\"{round}-{number}\",\"type\":\"{kind}\",\"ts\":{ts},\"session_id\":\"{session}\",\
             \"user_id\":\"u{user}\",\"item_id\":\"i{user}\",\"text\":\"hi\"}}"
        );
        records.push((partition_of(session.as_bytes(), PARTITIONS), Record::line(line.into())));
    }
    records.extend(beat(second + 1));
    for piece in records.chunks(9) {
        let append = Append { records: piece.to_vec(), receipt: None };
        log.append(append).await.expect("memory");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until a partition is as wanted.
pub(crate) async fn until(compute: &Compute, partition: u32, wanted: impl Fn(&Status) -> bool) {
    let mut status = compute.statuses()[partition as usize].clone();
    let waited =
        tokio::time::timeout(Duration::from_secs(60), status.wait_for(|status| wanted(status))).await;
    assert!(waited.is_ok(), "it stays like this: {:?}", compute.status()[partition as usize]);
}

/// Waits until `compute` has read the whole log.
pub(crate) async fn caught_up(compute: &Compute, log: &MemoryEventLog) {
    let ends = log.ends().borrow().clone();
    for (partition, end) in (0..).zip(ends.iter()) {
        until(compute, partition, |status| status.reached >= *end).await;
    }
}

/// Waits until the hot store of every partition stands where the row store does, filled.
pub(crate) async fn hot_filled(compute: &Compute) {
    for partition in 0..PARTITIONS {
        until(compute, partition, |status| status.hot == Hot::Following { cut: status.cut, missing: 0 })
            .await;
    }
}

/// Every row, session and rejected event is what the plain method says; the hot store holds the
/// same totals, where it holds a session at all.
pub(crate) async fn check(log: &MemoryEventLog, stores: &ChainStores, context: &str) {
    for partition in (0..PARTITIONS).map(PartitionId) {
        let plain = plain(log, partition).await;
        let row = stores.rows.partition_row(partition).await.expect("memory").unwrap_or_default();
        assert_eq!(row, plain.partition_row(), "{context}");
        for id in plain.sessions() {
            let expected = plain.session(id.as_str()).expect("listed");
            let found =
                stores.rows.session(id.as_str(), &Select::All).await.expect("memory").expect("the session");
            assert_eq!(found.session, expected.session, "{context}, {id}");
            let rows: Vec<(RowKey, (Values, u64))> =
                found.rows.into_iter().map(|row| (row.key, (row.values, row.offset))).collect();
            assert_eq!(rows, expected.rows.into_iter().collect::<Vec<_>>(), "{context}, {id}");
            let look = stores.hot.session(partition, id.as_str()).await.expect("memory");
            // A hot store that its writer has left for a while stands still, and says so.
            let progress = stores.rows.progress(partition).await.expect("memory");
            assert!(look.progress <= progress, "{context}: the hot store is ahead");
            if let Some(hot) = look.session.filter(|_| look.progress == progress) {
                let totals = stores.rows.session(id.as_str(), &Select::Totals).await.expect("memory");
                let totals = totals.expect("the session");
                assert_eq!((&hot.session, &hot.rows), (&totals.session, &totals.rows), "{context}, {id}");
            }
        }
        let query = DeadLetterQuery { limit: 1_000_000, ..DeadLetterQuery::default() };
        let letters: Vec<Rejected> = stores.dead_letters.list(&query).await.expect("memory");
        let letters: Vec<_> = letters.into_iter().filter(|letter| letter.partition == partition).collect();
        assert_eq!(letters, plain.rejected(), "{context}");
    }
}

/// The hot store holds every live session, and there are some.
pub(crate) async fn check_all_hot(log: &MemoryEventLog, stores: &ChainStores, context: &str) {
    let mut live = 0;
    for partition in (0..PARTITIONS).map(PartitionId) {
        let plain = plain(log, partition).await;
        for id in plain.sessions() {
            if plain.session(id.as_str()).expect("listed").session.state == SessionState::Live {
                let look = stores.hot.session(partition, id.as_str()).await.expect("memory");
                assert!(look.session.is_some(), "{context}: {id} is not there");
                live += 1;
            }
        }
    }
    assert!(live > 0, "{context}: the log has no live session");
}

async fn plain(log: &MemoryEventLog, partition: PartitionId) -> Plain {
    let verdicts = tandem_storage::verdicts(log, partition, Verdicts::default(), 0).await.expect("memory");
    let mut plain = Plain::new(partition, PARTITIONS, KEY).with_verdicts(verdicts);
    let mut from = 0;
    loop {
        let records = log.read(partition, from, 1 << 20).await.expect("memory");
        let Some((last, _)) = records.last() else { return plain };
        from = last + 1;
        records.iter().for_each(|(offset, record)| plain.apply(*offset, record));
    }
}
