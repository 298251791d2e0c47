//! A query node: answers reads from its chain's stores. It needs the row store to know which log
//! the rows are of; Kafka and Redis may be away.

use std::sync::Arc;

use anyhow::anyhow;
use tandem_gateway::serve_http;
use tandem_kafka::{Identity, KafkaLog, Purpose};
use tandem_model::Calendar;
use tandem_query::{Cql, CqlColumn, CqlTable, Partners, Query, router};
use tandem_redis::Access;
use tandem_scylla::{LogIdentity, ScyllaStore, TableDescription};
use tandem_storage::memory::MemorySnapshotStore;
use tandem_storage::{ChainStores, EventLog};
use tandem_telemetry::measured;
use tandem_telemetry::requests::RequestsLayer;
use tokio::net::TcpListener;

use super::backends::{hot, open_rows};
use super::compute::watch_rows;
use super::stage::{Ending, Stage, bind, local_address};
use crate::config::QueryConfig;
use crate::failure::Failure;

pub(super) async fn run(config: QueryConfig) -> Result<(), Failure> {
    let stage = Stage::begin("query", config.admin).await?;
    let (limits, chain) = (config.limits, config.chain);
    let (listener, rows, query, partners) = match start(&stage, config).await {
        Ok(started) => started,
        Err(ending) => return stage.give_up(ending).await,
    };
    let address = local_address(&listener)?;
    add_checks(&stage, &rows);
    let watching = tokio::spawn(watch_rows(rows, chain, stage.stopper()));
    let pages = router(query.offering(partners)).layer(RequestsLayer::new(&stage.telemetry, chain));
    let serving = tokio::spawn(serve_http(pages, limits, listener, stage.stopped()));
    stage.serves(Some(address));
    stage
        .until_stopped(async {
            _ = serving.await;
            watching.abort();
        })
        .await
}

async fn start(
    stage: &Stage,
    config: QueryConfig,
) -> Result<(TcpListener, ScyllaStore, Query, Partners), Ending> {
    let chain = config.chain;
    let listener = bind(config.listen, "listen").await?;
    let rows = open_rows(stage, chain, &config.rows).await?;
    let noted = rows.identity();
    let calendar = rows.calendar().clone();
    let log = log(config.log.clone(), noted, calendar.clone())?;
    let hot = hot(chain, config.hot, (noted.id, noted.generation), Access::Read).await?;
    tracing::info!(%chain, log = %noted, "answering reads");
    let partners = partners(&config.log, &config.rows);
    let stores = ChainStores {
        rows: Arc::new(rows.clone()),
        hot: Arc::new(hot),
        // Nobody reads snapshots to answer.
        snapshots: Arc::new(MemorySnapshotStore::default()),
        dead_letters: Arc::new(rows.clone()),
        editions: Arc::new(rows.clone()),
    };
    let stores = measured::stores(&stage.telemetry, chain, stores);
    let log = measured::log(&stage.telemetry, Some(chain), log);
    let query = Query::new(chain, log, stores).within(calendar).keeping_boards(config.boards_bytes_max);
    Ok((listener, rows, query, partners))
}

/// The log as the row store knows it: it need not be there now.
fn log(
    settings: tandem_kafka::Settings,
    noted: LogIdentity,
    calendar: Calendar,
) -> Result<Arc<dyn EventLog>, Failure> {
    let identity = Identity {
        log_id: noted.id,
        generation: noted.generation,
        partitions: noted.partitions,
        // Only people read it.
        created_ms: 0,
        calendar,
    };
    let log = KafkaLog::with_identity(settings, identity, Purpose::Read);
    Ok(Arc::new(log.map_err(|error| Failure::configuration(anyhow!(error)))?))
}

/// Ready: the row store answers, and is still of our log. Without the hot store answers are
/// slower, without the log they are the same.
fn add_checks(stage: &Stage, rows: &ScyllaStore) {
    let rows = rows.clone();
    stage.health.check("rows", move || {
        let rows = rows.clone();
        async move { rows.check().await.map_err(|error| error.to_string()) }
    });
}

/// What partner teams may read directly.
fn partners(log: &tandem_kafka::Settings, rows: &tandem_scylla::Settings) -> Partners {
    let tables = tandem_scylla::describe(rows).into_iter().map(table).collect();
    Partners {
        topic: Some(log.summaries_topic.clone()),
        cql: Some(Cql { keyspace: rows.keyspace.clone(), tables }),
    }
}

fn table(described: TableDescription) -> CqlTable {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    let columns = described.columns.into_iter().map(|column| CqlColumn {
        name: column.name.to_owned(),
        cql_type: column.cql_type.to_owned(),
        kind: column.kind.to_owned(),
        is_descending: column.is_descending,
        unit: column.unit.map(str::to_owned),
        meaning: column.meaning,
    });
    CqlTable {
        name: described.name.to_owned(),
        meaning: described.meaning.to_owned(),
        is_public: described.is_public,
        partition_key: owned(described.partition_key),
        clustering_key: owned(described.clustering_key),
        columns: columns.collect(),
        kept: described.kept,
    }
}
