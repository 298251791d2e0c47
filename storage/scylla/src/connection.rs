//! A connection to the cluster: how it is made, and how requests are bounded.
//!
//! # ScyllaDB and Cassandra
//!
//! The same plain CQL works on both; here is all that differs:
//!
//! - **Read repair.** Where replicas disagree, both servers bring them together with what was
//!   *read*, which can be a part of a batch: another reader may then see a session's new header
//!   beside old rows of another part. Cassandra keeps whole batches together with
//!   `read_repair = 'NONE'`, so `rows` has that there. ScyllaDB has no such option. What remains
//!   there: with several replicas, while a write is under way or after one that failed, and
//!   until it is repeated, a reader that needs several queries for one answer.
//! - **Shards.** The driver sends a request to the shard that has it, where there are shards.
//! - **Batches.** The limits of both (5 and 50 KiB; 128 and 1,024 KiB) are for batches of several
//!   partitions, which we never send. What bounds a single-partition batch is half of a commit log
//!   segment: 16 MiB by default on both.
//! - **Tablets.** ScyllaDB before 2025.4 knows no lightweight transactions in keyspaces with
//!   tablets: see the setting `keyspace_options`.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::client::{Compression, PoolSize};
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::response::query_result::QueryRowsResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::batch::BatchValues;
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::Batch;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::unprepared::Statement;
use tandem_storage::{Result, StoreError};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::failure;
use crate::settings::{Consistency, Settings};

/// How often an idle connection is looked at, and how long that may take, before it counts as
/// broken: a server that hangs is noticed in twice this time at most.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// How many further nodes a slow read is sent to.
const SPECULATIONS: usize = 1;

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Scylla,
    Cassandra,
}

/// What a statement is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
    /// A lightweight transaction.
    Condition,
}

/// A session of the driver, with bounds.
pub(crate) struct Connection {
    session: Session,
    pub(crate) product: Product,
    /// Reads and writes do not take each other's turns.
    reading: Semaphore,
    writing: Semaphore,
    turn_timeout: Duration,
    read_profile: ExecutionProfileHandle,
    write_profile: ExecutionProfileHandle,
}

impl Connection {
    /// Connects to the cluster, whatever keyspaces it has.
    pub(crate) async fn new(settings: &Settings) -> Result<Self> {
        settings.check()?;
        let write_profile = profile(settings, Use::Write).into_handle();
        let read_profile = profile(settings, Use::Read).into_handle();
        let connections = NonZeroUsize::new(settings.connections).unwrap_or(NonZeroUsize::MIN);
        let mut builder = SessionBuilder::new()
            .known_nodes(&settings.addresses)
            .default_execution_profile_handle(write_profile.clone())
            .connection_timeout(Duration::from_millis(settings.connect_timeout_ms))
            .keepalive_interval(KEEPALIVE)
            .keepalive_timeout(KEEPALIVE)
            .keyspaces_to_fetch([&settings.keyspace])
            .pool_size(PoolSize::PerShard(connections))
            .compression(settings.compress.then_some(Compression::Lz4));
        if !settings.user.is_empty() {
            builder = builder.user(&settings.user, settings.password.as_deref().unwrap_or_default());
        }
        // The driver bounds each connection, but not what it then asks to know the cluster: a server
        // that accepts and does not answer (out of memory, paused) would hold us for ever.
        let nodes = u64::try_from(settings.addresses.len()).unwrap_or(u64::MAX);
        let bound_ms = settings.connect_timeout_ms.saturating_mul(nodes) + 2 * settings.request_timeout_ms;
        let session = tokio::time::timeout(Duration::from_millis(bound_ms), Box::pin(builder.build()))
            .await
            .map_err(|_| {
                StoreError::Unavailable(format!(
                    "connecting to {}: a server took the connection but did not say within {bound_ms} ms what the \
                     cluster looks like: it is overloaded or hangs",
                    settings.addresses.join(", ")
                ))
            })?
            .map_err(|error| failure::of_connecting(&settings.addresses, &error))?;
        let is_sharded =
            session.get_cluster_state().get_nodes_info().iter().any(|node| node.sharder().is_some());
        Ok(Self {
            session,
            product: if is_sharded { Product::Scylla } else { Product::Cassandra },
            reading: Semaphore::new(settings.requests_max),
            writing: Semaphore::new(settings.requests_max),
            turn_timeout: Duration::from_millis(settings.turn_timeout_ms),
            read_profile,
            write_profile,
        })
    }

    /// Prepares a statement. All of ours may be done twice, so the driver may repeat them.
    pub(crate) async fn prepare(&self, text: &str, what_for: Use) -> Result<PreparedStatement> {
        let mut statement = self
            .session
            .prepare(Statement::new(text))
            .await
            .map_err(|error| failure::of_prepare("preparing a statement", &error))?;
        // Repeating a condition that was met the first time would find it not met.
        statement.set_is_idempotent(what_for != Use::Condition);
        let profile = if what_for == Use::Read { &self.read_profile } else { &self.write_profile };
        statement.set_execution_profile_handle(Some(profile.clone()));
        Ok(statement)
    }

    /// All rows of an answer at once: one look, as of one moment.
    pub(crate) async fn read(
        &self,
        doing: &str,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryRowsResult> {
        let _turn = self.turn(&self.reading).await?;
        let answer = Box::pin(self.session.execute_unpaged(statement, values)).await;
        let answer = answer.map_err(|error| failure::of_request(doing, &error))?;
        answer.into_rows_result().map_err(|error| unreadable(doing, &error))
    }

    /// One page of an answer: one look, as of one moment.
    pub(crate) async fn read_page(
        &self,
        doing: &str,
        statement: &PreparedStatement,
        values: impl SerializeRow,
        from: PagingState,
    ) -> Result<(QueryRowsResult, PagingStateResponse)> {
        let _turn = self.turn(&self.reading).await?;
        let answer = Box::pin(self.session.execute_single_page(statement, values, from)).await;
        let (answer, next) = answer.map_err(|error| failure::of_request(doing, &error))?;
        Ok((answer.into_rows_result().map_err(|error| unreadable(doing, &error))?, next))
    }

    /// One write.
    pub(crate) async fn write(
        &self,
        doing: &str,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<()> {
        let _turn = self.turn(&self.writing).await?;
        let answer = Box::pin(self.session.execute_unpaged(statement, values)).await;
        answer.map(|_| ()).map_err(|error| failure::of_request(doing, &error))
    }

    /// Several writes into one CQL partition: one mutation on each replica.
    pub(crate) async fn write_batch(
        &self,
        doing: &str,
        batch: &Batch,
        values: impl BatchValues,
    ) -> Result<()> {
        let _turn = self.turn(&self.writing).await?;
        let answer = Box::pin(self.session.batch(batch, values)).await;
        answer.map(|_| ()).map_err(|error| failure::of_request(doing, &error))
    }

    /// Changes the schema, and waits until all nodes have it.
    pub(crate) async fn define(&self, doing: &str, text: &str) -> Result<()> {
        let mut statement = Statement::new(text);
        // Nodes may take long to agree.
        statement.set_request_timeout(Some(Duration::from_secs(120)));
        let answer = Box::pin(self.session.query_unpaged(statement, ())).await;
        answer.map(|_| ()).map_err(|error| failure::of_request(doing, &error))
    }

    /// How often the driver saw errors, retries and timeouts, and how long requests took.
    pub(crate) fn metrics(&self) -> Arc<scylla::observability::metrics::Metrics> {
        self.session.get_metrics()
    }

    async fn turn<'a>(&self, turns: &'a Semaphore) -> Result<SemaphorePermit<'a>> {
        let refused = || {
            StoreError::Unavailable(format!(
                "more requests to the CQL store are under way than `requests_max` allows, for {} ms",
                self.turn_timeout.as_millis()
            ))
        };
        let turn = tokio::time::timeout(self.turn_timeout, turns.acquire()).await.map_err(|_| refused())?;
        turn.map_err(|_| refused())
    }
}

/// Does all of them, a few at a time, until one fails; answers in the order given.
pub(crate) async fn all<T>(calls: Vec<BoxFuture<'_, Result<T>>>, at_once: usize) -> Result<Vec<T>> {
    stream::iter(calls).buffered(at_once.max(1)).try_collect().await
}

/// An answer that is not what the statement asks for.
pub(crate) fn unreadable(doing: &str, error: &impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("{doing}: the server's answer can't be read: {error}"))
}

fn profile(settings: &Settings, what_for: Use) -> ExecutionProfile {
    use scylla::frame::types::Consistency as Cql;
    let consistency = match settings.consistency {
        Consistency::One => Cql::One,
        Consistency::LocalOne => Cql::LocalOne,
        Consistency::Quorum => Cql::Quorum,
        Consistency::LocalQuorum => Cql::LocalQuorum,
        Consistency::All => Cql::All,
    };
    let mut balancing = DefaultPolicy::builder().token_aware(true);
    if !settings.datacenter.is_empty() {
        balancing = balancing.prefer_datacenter(settings.datacenter.clone());
    }
    let is_speculative = what_for == Use::Read && settings.speculative_after_ms > 0;
    ExecutionProfile::builder()
        .consistency(consistency)
        .request_timeout(Some(Duration::from_millis(settings.request_timeout_ms)))
        .load_balancing_policy(balancing.build())
        .speculative_execution_policy(is_speculative.then(|| {
            Arc::new(SimpleSpeculativeExecutionPolicy {
                max_retry_count: SPECULATIONS,
                retry_interval: Duration::from_millis(settings.speculative_after_ms),
            }) as Arc<_>
        }))
        .build()
}
