//! Keyspaces of their own, and stores on them.

use std::sync::atomic::{AtomicU32, Ordering};

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use tandem_model::{Calendar, LogId, PartitionId};
use tandem_scylla::{LogIdentity, ScyllaStore, Settings, schema};
use tandem_storage::{RowStore, StoreError};

pub(crate) const LOG: LogIdentity = LogIdentity { id: LogId([0x5a; 16]), generation: 0, partitions: 16 };

/// Settings for a keyspace that nobody else has.
pub(crate) fn settings(name: &str) -> Settings {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Settings {
        addresses: vec![super::address()],
        keyspace: format!("t_{name}_{}_{number}", std::process::id()),
        replicas: 1,
        // Servers of tests share two cores with everything else.
        request_timeout_ms: 20_000,
        turn_timeout_ms: 20_000,
        settle_ms_max: 10_000,
        ..Settings::default()
    }
}

/// The same with the schema in it.
pub(crate) async fn fresh(name: &str) -> Settings {
    let settings = settings(name);
    schema::apply(&settings).await.expect("schema");
    settings
}

pub(crate) async fn open(settings: &Settings) -> ScyllaStore {
    ScyllaStore::note_log(settings, LOG, &Calendar::default()).await.expect("open")
}

/// Past the store, for what only an accident does.
pub(crate) async fn raw(settings: &Settings) -> Session {
    SessionBuilder::new().known_nodes(&settings.addresses).build().await.expect("connect")
}

/// Drops the keyspace: a server keeps memory and files for each.
pub(crate) async fn gone(settings: &Settings) {
    let text = format!("DROP KEYSPACE IF EXISTS {}", settings.keyspace);
    raw(settings).await.query_unpaged(text, ()).await.expect("drop");
}

pub(crate) async fn progress(store: &ScyllaStore, partition: u32) -> u64 {
    store.progress(PartitionId(partition)).await.expect("progress").map_or(0, |cut| cut.next)
}

pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    match outcome {
        Err(StoreError::Refused(text)) => text,
        other => panic!("{other:?}"),
    }
}
