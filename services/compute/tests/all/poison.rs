//! Events that make the fold fail: on one chain or on both, at any moment, released and not.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_compute::{Compute, Phase, QUARANTINED_MAX, SeededFault, Settings};
use tandem_model::malformed::Problem;
use tandem_model::rejected::{Reason, Rejected};
use tandem_model::route::Chain;
use tandem_model::{LogId, PartitionId, Record, Verdict, Verdicts};
use tandem_storage::memory::{self, MemoryEventLog};
use tandem_storage::{
    All, Append, Appended, BEATS_KEPT, ChainStores, DeadLetterQuery, EventLog, StoreError, StoredReceipt,
};
use tokio::sync::watch;

use crate::world::{KEY, PARTITIONS, append, append_live, caught_up, check, settings, until};

/// A log whose retention has passed its beginning.
struct Trimmed {
    log: Arc<MemoryEventLog>,
    /// Per partition the first offset that is left.
    begins: Mutex<[u64; PARTITIONS as usize]>,
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
        if from < self.begins.lock()[partition.0 as usize] {
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

/// Both chains on one log.
struct World {
    trimmed: Arc<Trimmed>,
    log: Arc<MemoryEventLog>,
    stores: [ChainStores; 2],
    faults: [SeededFault; 2],
    chains: [Option<Compute>; 2],
}

impl World {
    async fn new(faults: [&str; 2]) -> Self {
        let log = Arc::new(MemoryEventLog::with_holes(PARTITIONS, 2));
        let mut world = Self {
            trimmed: Arc::new(Trimmed { log: log.clone(), begins: Mutex::default() }),
            log,
            stores: [memory::chain_stores(), memory::chain_stores()],
            faults: faults.map(SeededFault::at),
            chains: [None, None],
        };
        Chain::ALL.into_iter().for_each(|chain| world.start(chain));
        append(&world.log, 7).await;
        world
    }

    fn start(&mut self, chain: Chain) {
        let at = chain as usize;
        let settings = Settings { seeded_fault: self.faults[at].clone(), ..settings(chain) };
        let all = Arc::new(All::of(PARTITIONS));
        let log: Arc<dyn EventLog> = self.trimmed.clone();
        self.chains[at] =
            Some(Compute::start(settings, log, self.stores[at].clone(), KEY, all).expect("threads"));
    }

    /// Another build: with or without a fault.
    async fn release(&mut self, chain: Chain, fault: &str) {
        self.stop(chain).await;
        self.faults[chain as usize] = SeededFault::at(fault);
        self.start(chain);
    }

    async fn stop(&mut self, chain: Chain) {
        if let Some(compute) = self.chains[chain as usize].take() {
            compute.stop().await;
        }
    }

    fn chain(&self, chain: Chain) -> &Compute {
        self.chains[chain as usize].as_ref().expect("it runs")
    }

    /// Both have read everything, verdicts that came on the way included, hold what the plain
    /// method gives, and have the same digests at every beat that is kept.
    async fn check(&self, context: &str) {
        loop {
            let before = self.log.ends().borrow().clone();
            for chain in Chain::ALL {
                caught_up(self.chain(chain), &self.log).await;
            }
            if *self.log.ends().borrow() == before {
                break;
            }
        }
        for chain in Chain::ALL {
            check(&self.log, &self.stores[chain as usize], &format!("{context}, chain {chain}")).await;
        }
        for partition in (0..PARTITIONS).map(PartitionId) {
            let [a, b] = &self.stores;
            let [a, b] = [&a.rows, &b.rows].map(|rows| rows.beats(partition, BEATS_KEPT));
            assert_eq!(a.await.expect("memory"), b.await.expect("memory"), "{context}");
        }
    }

    async fn verdicts(&self) -> Vec<(PartitionId, Verdicts)> {
        let mut all = Vec::new();
        for partition in (0..PARTITIONS).map(PartitionId) {
            let known = tandem_storage::verdicts(&*self.log, partition, Verdicts::default(), 0).await;
            all.push((partition, known.expect("memory")));
        }
        all
    }

    /// How many records are in quarantine, by the log.
    async fn quarantined(&self) -> usize {
        self.verdicts().await.iter().map(|(_, known)| known.quarantined()).sum()
    }

    async fn letters(&self, chain: Chain) -> Vec<Rejected> {
        let query = DeadLetterQuery { limit: 1_000_000, ..DeadLetterQuery::default() };
        let all = self.stores[chain as usize].dead_letters.list(&query).await.expect("memory");
        let is_quarantined = |one: &Rejected| matches!(&one.reason, Reason::Malformed(malformed) if malformed.problem == Problem::Quarantined);
        all.into_iter().filter(is_quarantined).collect()
    }

    async fn say(&self, partition: PartitionId, verdict: Verdict) {
        let records = vec![(partition, verdict.to_record())];
        self.log.append(Append { records, receipt: None }).await.expect("memory");
    }

    /// Releases everything that is in quarantine.
    async fn release_all(&self) {
        for (partition, known) in self.verdicts().await {
            for (offset, _) in known.iter().filter(|(_, known)| known.quarantine.is_some()) {
                self.say(partition, Verdict::release(offset, "mended")).await;
            }
        }
    }
}

/// An event of the second live round.
const POISON: &str = r#""event_id":"2-17""#;

#[tokio::test(flavor = "multi_thread")]
async fn both_leave_it_out_at_the_same_place_and_go_on() {
    let world = World::new([POISON, POISON]).await;
    for round in 1..5 {
        append_live(&world.log, round).await;
    }
    world.check("both fail").await;
    assert_eq!(world.quarantined().await, 1);
    for chain in Chain::ALL {
        let letters = world.letters(chain).await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        assert_eq!(letters[0].session_id.as_ref().map(|id| id.as_str()), Some("live-1"));
        let quarantined: usize = world.chain(chain).status().iter().map(|status| status.quarantined).sum();
        assert_eq!(quarantined, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_counted_it_goes_back_and_a_release_lets_both_count_it() {
    for faulty in Chain::ALL {
        let faults = Chain::ALL.map(|chain| if chain == faulty { POISON } else { "" });
        let mut world = World::new(faults).await;
        append_live(&world.log, 1).await;
        world.check("before").await;
        assert_eq!(world.quarantined().await, 0);
        // The other one is far beyond it before anything is said.
        world.stop(faulty).await;
        for round in 2..4 {
            append_live(&world.log, round).await;
        }
        caught_up(world.chain(faulty.other()), &world.log).await;
        assert!(world.letters(faulty.other()).await.is_empty());
        world.start(faulty);
        append_live(&world.log, 4).await;
        world.check("one fails").await;
        assert_eq!(world.quarantined().await, 1);
        assert_eq!(world.letters(faulty.other()).await.len(), 1);

        // Released too early, it is in quarantine again.
        world.release_all().await;
        append_live(&world.log, 5).await;
        let mut status = world.chain(faulty).statuses().to_vec();
        for status in &mut status {
            status.wait_for(|status| status.phase == Phase::Following).await.expect("it runs");
        }
        let again = async {
            while world.quarantined().await == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), again).await.expect("in quarantine again");
        world.check("released too early").await;

        world.release(faulty, "").await;
        world.release_all().await;
        append_live(&world.log, 6).await;
        world.check("released").await;
        assert_eq!(world.quarantined().await, 0);
        for chain in Chain::ALL {
            assert!(world.letters(chain).await.is_empty(), "it counts now");
        }
    }
}

/// Then snapshots are what chains go back to, and the one before a quarantine is kept for its release.
#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_the_log_need_not_be_there() {
    for faulty in Chain::ALL {
        let faults = Chain::ALL.map(|chain| if chain == faulty { POISON } else { "" });
        let mut world = World::new(faults).await;
        append_live(&world.log, 1).await;
        world.check("before").await;
        for chain in Chain::ALL {
            // In order, with a last snapshot.
            world.stop(chain).await;
            world.start(chain);
        }
        let ends = world.log.ends().borrow().clone();
        world.trimmed.begins.lock().copy_from_slice(&ends);
        append_live(&world.log, 2).await;
        let quarantined = async {
            while world.quarantined().await == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), quarantined).await.expect("in quarantine");
        world.check("one fails").await;
        for round in 3..9 {
            append_live(&world.log, round).await;
        }
        world.check("later").await;
        world.release(faulty, "").await;
        world.release_all().await;
        append_live(&world.log, 9).await;
        world.check("released").await;
        assert_eq!(world.quarantined().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_matter_when_processes_end() {
    for seed in 0..12 {
        let mut rng = SmallRng::seed_from_u64(seed);
        // Each build fails at something else.
        let faults = [r#"-17""#, r#"-23""#];
        let mut world = World::new(faults).await;
        for round in 1..8 {
            append_live(&world.log, round).await;
            let chain = Chain::ALL[rng.random_range(0..2)];
            if rng.random_bool(0.6) {
                world.release(chain, faults[chain as usize]).await;
            }
            if rng.random_bool(0.2) {
                world.release_all().await;
            }
        }
        world.check(&format!("seed {seed}")).await;
        for chain in Chain::ALL {
            world.release(chain, "").await;
        }
        world.release_all().await;
        world.check(&format!("seed {seed}, released")).await;
        assert_eq!(world.letters(Chain::A).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_at_everything_stops_before_it_throws_everything_away() {
    let world = World::new([r#""type":"like""#, ""]).await;
    for round in 1..12 {
        append_live(&world.log, round).await;
    }
    for partition in 0..PARTITIONS {
        until(world.chain(Chain::A), partition, |status| {
            matches!(&status.phase, Phase::Failed(reason) if reason.contains("go back to the one before"))
        })
        .await;
    }
    for (_, known) in world.verdicts().await {
        assert_eq!(known.quarantined(), QUARANTINED_MAX);
    }
    // The other chain has gone back for each, and is well.
    caught_up(world.chain(Chain::B), &world.log).await;
    check(&world.log, &world.stores[1], "the other chain").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_build_could_count_is_not_thrown_away() {
    let mut world = World::new(["", ""]).await;
    for round in 1..4 {
        append_live(&world.log, round).await;
    }
    world.check("before").await;
    world.stop(Chain::A).await;
    for partition in (0..PARTITIONS).map(PartitionId) {
        world.stores[0].snapshots.prune(partition, 0, None).await.expect("memory");
    }
    world.faults[0] = SeededFault::at(POISON);
    world.start(Chain::A);
    let partition = tandem_model::partition::partition_of(b"live-1", PARTITIONS);
    until(world.chain(Chain::A), partition.0, |status| {
        matches!(&status.phase, Phase::Failed(reason) if reason.contains("which was counted before"))
    })
    .await;
    assert_eq!(world.quarantined().await, 0);
    check(&world.log, &world.stores[0], "the figures stay").await;
    world.release(Chain::A, "").await;
    world.check("gone back to the build before").await;
}
