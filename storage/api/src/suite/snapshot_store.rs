//! What a snapshot store promises.

use bytes::Bytes;
use tandem_model::PartitionId;

use crate::{Snapshot, SnapshotStore};

/// Checks a fresh store.
pub async fn snapshot_store(store: &dyn SnapshotStore) {
    let [first, second] = [PartitionId(0), PartitionId(11)];
    let snapshot = |next: u64, byte: u8, len: usize| Snapshot { next, bytes: vec![byte; len].into() };
    assert!(store.list(first).await.expect("list").is_empty());
    assert_eq!(store.load(first, 7).await.expect("load"), None);
    store.prune(first, 3, None).await.expect("pruning nothing is no error");

    let empty = Snapshot { next: 0, bytes: Bytes::new() };
    store.put(first, empty.clone()).await.expect("put");
    for (next, len) in [(900, 10), (1_000, 3_000_000), (u64::MAX, 1)] {
        store.put(first, snapshot(next, 1, len)).await.expect("put");
    }
    store.put(second, snapshot(1_000, 2, 5)).await.expect("put");

    assert_eq!(store.list(first).await.expect("list"), [u64::MAX, 1_000, 900, 0]);
    assert_eq!(store.load(first, 0).await.expect("load"), Some(empty));
    assert_eq!(store.load(first, 1_000).await.expect("load"), Some(snapshot(1_000, 1, 3_000_000)));
    assert_eq!(store.load(second, 1_000).await.expect("load"), Some(snapshot(1_000, 2, 5)));
    assert_eq!(store.load(first, 1_001).await.expect("load"), None);
    assert_eq!(store.load(second, 900).await.expect("load"), None);

    // One at the same place is replaced, whole.
    store.put(first, snapshot(1_000, 3, 4)).await.expect("put");
    assert_eq!(store.load(first, 1_000).await.expect("load"), Some(snapshot(1_000, 3, 4)));
    assert_eq!(store.list(first).await.expect("list").len(), 4);

    // Whoever stands at 950 goes on from 900.
    for _ in 0..2 {
        store.prune(first, 1, Some(950)).await.expect("prune");
        assert_eq!(store.list(first).await.expect("list"), [u64::MAX, 900]);
    }
    store.put(first, snapshot(1_000, 3, 4)).await.expect("put");
    store.prune(first, 3, Some(899)).await.expect("nothing to pin is no error");
    assert_eq!(store.list(first).await.expect("list"), [u64::MAX, 1_000, 900]);

    for pinned in [None, Some(1_000), Some(0)] {
        store.prune(first, 2, pinned).await.expect("prune");
        assert_eq!(store.list(first).await.expect("list"), [u64::MAX, 1_000]);
    }
    assert_eq!(store.load(first, 900).await.expect("load"), None);
    assert_eq!(store.list(second).await.expect("list"), [1_000], "other partitions keep theirs");
    store.prune(second, 0, None).await.expect("prune");
    assert!(store.list(second).await.expect("list").is_empty());
}
