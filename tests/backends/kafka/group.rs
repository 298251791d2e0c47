//! Who owns what, by a consumer group.

use std::collections::BTreeSet;
use std::time::Duration;

use tandem_kafka::{Group, Settings};
use tandem_model::PartitionId;
use tandem_storage::Ownership;
use tokio::sync::watch;
use tokio::time::timeout;

use super::settings;

const PATIENCE: Duration = Duration::from_secs(60);

type Owned = watch::Receiver<std::sync::Arc<BTreeSet<PartitionId>>>;

async fn until(watches: &mut [Owned], is_so: impl Fn(&[BTreeSet<PartitionId>]) -> bool) {
    let waiting = async {
        loop {
            let owned: Vec<BTreeSet<PartitionId>> =
                watches.iter_mut().map(|watch| (**watch.borrow_and_update()).clone()).collect();
            if is_so(&owned) {
                return;
            }
            let changes = watches.iter_mut().map(|watch| Box::pin(watch.changed()));
            let (changed, ..) = futures::future::select_all(changes).await;
            changed.expect("the member is there");
        }
    };
    timeout(PATIENCE, waiting).await.expect("the group agrees");
}

/// Whether all of four partitions are owned, each once, and nobody has none.
fn is_shared(owned: &[BTreeSet<PartitionId>]) -> bool {
    let all: BTreeSet<PartitionId> = owned.iter().flatten().copied().collect();
    let sum: usize = owned.iter().map(BTreeSet::len).sum();
    all.len() == 4 && sum == 4 && owned.iter().all(|one| !one.is_empty())
}

async fn four_partitions() -> Settings {
    let settings = Settings { partitions: 4, ..settings() };
    tandem_kafka::schema::apply(&settings).await.expect("topics");
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_shared_and_taken_over_when_somebody_leaves() {
    let settings = four_partitions().await;
    let first = Group::join(&settings, "a").expect("joined");
    let mut one = [first.owned()];
    until(&mut one, is_shared).await;
    let second = Group::join(&settings, "a").expect("joined");
    // The other chain has a group of its own, and all partitions.
    let other = Group::join(&settings, "b").expect("joined");
    let mut two = [first.owned(), second.owned()];
    until(&mut two, is_shared).await;
    until(&mut [other.owned()], is_shared).await;

    let left = first.owned();
    first.leave().await;
    assert!(left.borrow().is_empty(), "whoever leaves owns nothing");
    until(&mut [second.owned()], is_shared).await;
    drop(second);
    let third = Group::join(&settings, "a").expect("joined");
    until(&mut [third.owned()], is_shared).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_a_broker_owns_nothing_and_can_be_left() {
    let settings = Settings { brokers: vec!["127.0.0.1:1".to_owned()], ..settings() };
    let group = Group::join(&settings, "a").expect("needs no broker");
    let owned = group.owned();
    assert!(owned.borrow().is_empty());
    timeout(PATIENCE, group.leave()).await.expect("in time");
}
