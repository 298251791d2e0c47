//! What a read within a scope asks of the stores: that is what its answer's time depends on.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tandem_model::retention::Retention;
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{Breakdown, Changes, Cut, PartitionId, Scope, SessionId, SessionRow, Table};
use tandem_storage::faulty::{self, ChainPlans};
use tandem_storage::{ChainStores, Part, Result, RowStore, Select, SessionQuery, SessionRows};

use crate::scopes::{BARE, CALLS, has_channels, scopes, twin, world};
use crate::world::World;

/// Notes how sessions are looked for.
struct Noted {
    rows: Arc<dyn RowStore>,
    looks: Mutex<Vec<Select>>,
}

#[async_trait]
impl RowStore for Noted {
    async fn apply(&self, changes: &Changes) -> Result<()> {
        self.rows.apply(changes).await
    }

    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.rows.progress(partition).await
    }

    async fn durable(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.rows.durable(partition).await
    }

    async fn session(&self, id: &str, select: &Select) -> Result<Option<SessionRows>> {
        self.looks.lock().push(select.clone());
        self.rows.session(id, select).await
    }

    async fn sessions(&self, query: &SessionQuery) -> Result<Vec<(SessionId, SessionRow)>> {
        self.rows.sessions(query).await
    }

    async fn session_ids(&self, after: Option<&str>, limit: usize) -> Result<Vec<SessionId>> {
        self.rows.session_ids(after, limit).await
    }

    async fn partition_row(&self, partition: PartitionId) -> Result<Option<PartitionRow>> {
        self.rows.partition_row(partition).await
    }

    async fn beats(&self, partition: PartitionId, limit: usize) -> Result<Vec<BeatDigest>> {
        self.rows.beats(partition, limit).await
    }

    fn retention(&self) -> Retention {
        self.rows.retention()
    }
}

/// What takes time are looks into stores: for somebody else's session there are as many of them as for
/// none, and they ask for as little, whatever is asked.
#[tokio::test]
async fn somebody_else_s_session_costs_the_same_looks_as_none() {
    let world = world().await;
    let noted = Arc::new(Noted { rows: world.stores.rows.clone(), looks: Mutex::default() });
    let hot = ChainPlans::default();
    let stores = ChainStores { rows: noted.clone(), ..faulty::chain_stores(world.stores.clone(), &hot) };
    let node = World::beside(&world, stores);
    let channels =
        Select::Parts(vec![Part { table: Table::Total, breakdown: Breakdown::Channel, buckets: 0..1 }]);
    for (scope, _) in scopes().into_iter().filter(|(scope, _)| *scope != Scope::All) {
        let least = if has_channels(&scope) { channels.clone() } else { Select::Session };
        for (path, ..) in CALLS.iter().filter(|(path, ..)| !path.contains("compare")) {
            let is_read = !path.contains("mood") && !path.contains("from=5");
            // Asked twice: what is remembered of the first time is nothing.
            for id in [BARE, &twin(BARE), BARE, &twin(BARE)] {
                assert!(node.get_as(&scope, &path.replace("{id}", id)).await.status >= 400, "{path}");
                let looks = std::mem::take(&mut *noted.looks.lock());
                let expected = if is_read { vec![least.clone()] } else { Vec::new() };
                assert_eq!(looks, expected, "{path} {scope:?} {id}");
            }
        }
    }
    assert_eq!(hot.hot.calls("session"), 0);
}
