//! A log, a topic, a control group and publishers of both chains. All in memory, but for the topic,
//! which may be another one: the tests against real servers use this file, too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tandem_compute::SeededFault;
use tandem_compute::publish::{Parts, Pins, Publisher, Routes, Settings};
use tandem_fold::Fold;
use tandem_model::route::{Chain, Route};
use tandem_model::summary::Message;
use tandem_model::{LogId, PartitionId, PseudonymKey, Record};
use tandem_storage::faulty::{Faulty, Plan};
use tandem_storage::memory::{MemoryEventLog, MemorySnapshotStore, MemorySummaryTopic};
use tandem_storage::{
    Append, Appended, EventLog, Ownership, Snapshot, SnapshotStore, StoreError, StoredReceipt, SummaryTopic,
};
use tokio::sync::watch;

pub(crate) const PARTITIONS: u32 = 2;
pub(crate) const KEY: PseudonymKey = PseudonymKey::new([9; 16]);
/// How long anything that must happen may take; far more than it needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn partitions() -> impl Iterator<Item = PartitionId> {
    (0..PARTITIONS).map(PartitionId)
}

/// What was decided, and what each chain's processes have heard of it.
pub(crate) struct Group {
    truth: Mutex<Route>,
    heard: [watch::Sender<Route>; 2],
}

impl Group {
    pub(crate) fn new() -> Arc<Self> {
        let first = Route { active: Chain::A, epoch: 1, reason: "first".to_owned() };
        let unknown = Route { epoch: 0, ..first.clone() };
        let heard = [watch::Sender::new(unknown.clone()), watch::Sender::new(unknown)];
        Arc::new(Self { truth: Mutex::new(first), heard })
    }

    pub(crate) fn active(&self) -> Chain {
        self.truth.lock().active
    }

    /// Decides; nobody hears of it yet.
    pub(crate) fn switch(&self) {
        let mut truth = self.truth.lock();
        *truth = Route { active: truth.active.other(), epoch: truth.epoch + 1, reason: "test".to_owned() };
    }

    /// Lets everybody hear what was decided.
    pub(crate) fn tell_all(&self) {
        for chain in Chain::ALL {
            self.tell(chain);
        }
    }

    /// Lets a chain's processes hear what was decided.
    pub(crate) fn tell(&self, chain: Chain) {
        let truth = self.truth.lock().clone();
        self.heard[chain as usize].send_if_modified(|heard| {
            let is_new = heard.epoch < truth.epoch;
            if is_new {
                *heard = truth;
            }
            is_new
        });
    }
}

struct Heard {
    group: Arc<Group>,
    chain: Chain,
}

#[async_trait]
impl Routes for Heard {
    fn known(&self) -> watch::Receiver<Route> {
        self.group.heard[self.chain as usize].subscribe()
    }

    async fn current(&self) -> Result<Route, String> {
        Ok(self.group.truth.lock().clone())
    }
}

/// Partitions that a process believes to own.
pub(crate) struct Owned(watch::Sender<Arc<BTreeSet<PartitionId>>>);

impl Owned {
    pub(crate) fn all() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(Arc::new(partitions().collect()))))
    }

    pub(crate) fn set(&self, owned: impl IntoIterator<Item = PartitionId>) {
        self.0.send_replace(Arc::new(owned.into_iter().collect()));
    }
}

impl Ownership for Owned {
    fn owned(&self) -> watch::Receiver<Arc<BTreeSet<PartitionId>>> {
        self.0.subscribe()
    }
}

/// One compute process, as far as publishing goes.
pub(crate) struct Process {
    pub(crate) chain: Chain,
    pub(crate) owned: Arc<Owned>,
    /// Disturbs its calls to the topic.
    pub(crate) plan: Arc<Plan>,
    pub(crate) publisher: Publisher,
    pub(crate) pins: Pins,
}

/// Reads a topic as partners do.
#[async_trait]
pub(crate) trait Reader: Send + Sync {
    /// All committed messages of a partition, in their order.
    async fn messages(&self, partition: PartitionId) -> Vec<Message>;
}

#[async_trait]
impl Reader for MemorySummaryTopic {
    async fn messages(&self, partition: PartitionId) -> Vec<Message> {
        MemorySummaryTopic::messages(self, partition)
    }
}

pub(crate) struct World {
    pub(crate) log: Arc<MemoryEventLog>,
    pub(crate) topic: Arc<dyn SummaryTopic>,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) group: Arc<Group>,
    pub(crate) snapshots: [Arc<MemorySnapshotStore>; 2],
    /// Faults in the publishers of chains a and b.
    pub(crate) seeded_fault: [SeededFault; 2],
    folds: Vec<Fold>,
}

impl World {
    pub(crate) fn new(hole: u64) -> Self {
        let topic = Arc::new(MemorySummaryTopic::new(PARTITIONS));
        Self::on(hole, topic.clone(), topic)
    }

    /// One on this topic, which `reader` reads.
    pub(crate) fn on(hole: u64, topic: Arc<dyn SummaryTopic>, reader: Arc<dyn Reader>) -> Self {
        let fold = |partition| Fold::new(partition, PARTITIONS, KEY);
        Self {
            seeded_fault: [SeededFault::NONE, SeededFault::NONE],
            log: Arc::new(MemoryEventLog::with_holes(PARTITIONS, hole)),
            topic,
            reader,
            group: Group::new(),
            snapshots: [Arc::default(), Arc::default()],
            folds: partitions().map(fold).collect(),
        }
    }

    pub(crate) fn start(&self, chain: Chain, settings: &Settings) -> Process {
        self.start_on(chain, settings, self.log.clone())
    }

    /// The same, reading another log.
    pub(crate) fn start_on(&self, chain: Chain, settings: &Settings, log: Arc<dyn EventLog>) -> Process {
        let (owned, plan, pins) = (Owned::all(), Arc::new(Plan::new()), Pins::unknown());
        let parts = Parts {
            chain,
            log,
            snapshots: self.snapshots[chain as usize].clone(),
            topic: Arc::new(Faulty::new(self.topic.clone(), plan.clone())),
            routes: Arc::new(Heard { group: self.group.clone(), chain }),
            ownership: owned.clone(),
            rules: KEY.into(),
            pins: pins.clone(),
            seeded_fault: self.seeded_fault[chain as usize].clone(),
        };
        let publisher = Publisher::start(settings.clone(), parts).unwrap();
        Process { chain, owned, plan, publisher, pins }
    }

    pub(crate) async fn append(&self, records: Vec<(PartitionId, Record)>) {
        self.log.append(Append { records, receipt: None }).await.unwrap();
    }

    /// A snapshot of everything the log holds now, for `chain`.
    pub(crate) async fn snapshot(&mut self, chain: Chain) {
        for (partition, fold) in partitions().zip(&mut self.folds) {
            for (offset, record) in self.log.read(partition, fold.cut().next, usize::MAX).await.unwrap() {
                fold.apply(offset, &record);
            }
            fold.take_changes();
            if fold.cut().next > 0 {
                let snapshot = Snapshot { next: fold.cut().next, bytes: fold.snapshot().into() };
                self.snapshots[chain as usize].put(partition, snapshot).await.unwrap();
            }
        }
    }

    /// Waits until the topic holds the last beat of every partition.
    pub(crate) async fn published(&self) {
        for partition in partitions() {
            let expected = super::oracle::last_beat(self, partition).await;
            let reached = async {
                // A topic that is away comes back.
                while self.topic.last(partition).await.ok().flatten().map(|marker| marker.cut) != expected {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            if tokio::time::timeout(PATIENCE, reached).await.is_err() {
                let last = self.topic.last(partition).await;
                panic!("{partition}: published up to {last:?}, expected {expected:?}");
            }
        }
    }
}

/// Settings under which a test's few records come in many transactions.
pub(crate) fn settings() -> Settings {
    Settings {
        batch_bytes: 4_000,
        beats_max: 5,
        rows_max: 400,
        read_pause_ms: 0,
        retry_pause_ms_max: 8,
        standby_look_ms: 5,
        ..Settings::default()
    }
}

/// A log whose retention has passed its beginning.
pub(crate) struct Trimmed {
    log: Arc<MemoryEventLog>,
    /// Per partition the first offset that is left.
    begins: Vec<u64>,
}

impl Trimmed {
    pub(crate) fn new(log: Arc<MemoryEventLog>, begins: Vec<u64>) -> Self {
        Self { log, begins }
    }
}

#[async_trait]
impl EventLog for Trimmed {
    fn id(&self) -> LogId {
        self.log.id()
    }

    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    async fn append(&self, append: Append) -> tandem_storage::Result<Appended> {
        self.log.append(append).await
    }

    async fn read(
        &self,
        partition: PartitionId,
        from: u64,
        bytes_max: usize,
    ) -> tandem_storage::Result<Vec<(u64, Record)>> {
        if from < self.begins[partition.0 as usize] {
            return Err(StoreError::Damaged(format!("{from} is gone")));
        }
        self.log.read(partition, from, bytes_max).await
    }

    fn ends(&self) -> watch::Receiver<Arc<[u64]>> {
        self.log.ends()
    }

    async fn receipt(&self, scope: &str, key: &str) -> tandem_storage::Result<Option<StoredReceipt>> {
        self.log.receipt(scope, key).await
    }

    async fn forget_receipts(&self, written_before_ms: u64) -> tandem_storage::Result<()> {
        self.log.forget_receipts(written_before_ms).await
    }
}
