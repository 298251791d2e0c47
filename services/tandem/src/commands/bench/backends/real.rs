//! Real servers, as a configuration names them: topics, keyspaces and keys that nobody else has, and
//! their removal.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use tandem_compute::publish::Pins;
use tandem_kafka::{KafkaLog, Purpose};
use tandem_model::PartitionId;
use tandem_model::route::Chain;
use tandem_objects::Objects;
use tandem_redis::{Hot, Mode};
use tandem_scylla::{LogIdentity, ScyllaStore};
use tandem_storage::{ChainStores, SnapshotStore, StoreError};

use super::site::Site;
use crate::config::{ComputeConfig, Role, RoleConfig};
use crate::failure::Failure;
use crate::roles::configured;
use crate::servers;
use crate::terminal::remark;

/// What is used of the servers. Made before anything is created, so that all of it can be removed.
pub(super) struct Place {
    /// What all names of ours begin with.
    pub(super) name: String,
    /// Chain a, and b where both are asked for.
    pub(super) chains: Vec<ComputeConfig>,
}

impl Place {
    /// What `file` says of servers, with names of our own.
    pub(super) fn new(file: &Path, partitions: u32, is_both: bool) -> Result<Self, Failure> {
        let number =
            getrandom::u32().map_err(|error| anyhow!("the machine gives no random numbers: {error}"))?;
        let name = format!("tandem_bench_{number:08x}");
        let chains = Chain::ALL.into_iter().take(if is_both { 2 } else { 1 });
        let chains = chains.map(|chain| {
            let RoleConfig::Compute(mut config) = configured(Role::Compute, file, Some(chain))? else {
                return Err(anyhow!("the configuration of compute is not that of compute").into());
            };
            if config.hot.mode != Mode::Single {
                let what = "the benchmark measures a single Redis: set [chains.a.hot] mode = \"single\"";
                return Err(Failure::configuration(anyhow!(what)));
            }
            let log = &mut config.log;
            log.events_topic = format!("{name}.events");
            log.summaries_topic = format!("{name}.summaries");
            log.receipts_topic = format!("{name}.receipts");
            log.meta_topic = format!("{name}.meta");
            (log.prefix, log.partitions) = (name.clone(), partitions);
            config.rows.keyspace = format!("{name}_{chain}");
            config.hot.key_prefix.clone_from(&name);
            config.compute.pins = Pins::none();
            Ok(*config)
        });
        let chains = chains.collect::<Result<_, Failure>>()?;
        Ok(Self { name, chains })
    }

    fn log(&self) -> &tandem_kafka::Settings {
        &self.chains[0].log
    }

    /// Creates topics and tables, and opens everything.
    pub(super) async fn open(&self) -> Result<Site, Failure> {
        let of_log = |error: tandem_kafka::Error| {
            Failure::failed(anyhow!(error).context("the event log (Kafka, [log])"))
        };
        tandem_kafka::schema::apply(self.log()).await.map_err(of_log)?;
        let open = async |purpose| KafkaLog::open(self.log().clone(), purpose).await.map_err(of_log);
        let (writer, reader) = (open(Purpose::Append("bench".to_owned())).await?, open(Purpose::Read).await?);
        let mut chains = Vec::new();
        for config in &self.chains {
            let stores = Box::pin(stores(config, &writer)).await?;
            chains.push((config.compute.clone(), stores));
        }
        let key = self.chains[0].pseudonym_key;
        Ok(Site { writer: Arc::new(writer), reader: Arc::new(reader), chains, key, data: None })
    }

    /// Removes all that [`open`](Self::open) created and what came after. What can't be removed is
    /// said, with its name.
    pub(super) async fn remove(&self, site: Option<&Site>) {
        let said = |what: String, outcome: anyhow::Result<()>| {
            if let Err(error) = outcome {
                remark(format_args!("{what} could not be removed: {error:#}"));
            }
        };
        for (_, stores) in site.iter().flat_map(|site| &site.chains) {
            for partition in 0..self.log().partitions {
                let removed = stores.snapshots.prune(PartitionId(partition), 0, None).await;
                said(format!("snapshots of partition {partition}"), removed.map_err(Into::into));
            }
        }
        for config in &self.chains {
            let (rows, hot) = (&config.rows, &config.hot);
            said(format!("keyspace {}", rows.keyspace), Box::pin(servers::drop_keyspace(rows)).await);
            said(format!("keys {{{}:*", hot.key_prefix), servers::remove_keys(hot).await);
        }
        said(format!("topics {}.*", self.log().prefix), servers::remove_topics(self.log()).await);
    }
}

async fn stores(config: &ComputeConfig, log: &KafkaLog) -> Result<ChainStores, Failure> {
    use tandem_storage::EventLog;
    let chain = config.chain;
    let failed = |section: &'static str| {
        move |error: StoreError| {
            Failure::failed(anyhow!(error).context(format!("[chains.{chain}.{section}]")))
        }
    };
    let identity = LogIdentity { id: log.id(), generation: log.generation(), partitions: log.partitions() };
    tandem_scylla::schema::apply(&config.rows).await.map_err(failed("rows"))?;
    let rows = ScyllaStore::note_log(&config.rows, identity, &log.identity().calendar).await;
    let rows = rows.map_err(failed("rows"))?;
    let hot = Hot::open(config.hot.clone(), chain, log.id(), log.generation()).await;
    let snapshots = Objects::open(&config.snapshots, chain, log.id())
        .with_context(|| format!("[chains.{chain}.snapshots]"))
        .map_err(Failure::configuration)?;
    snapshots.list(PartitionId(0)).await.map_err(failed("snapshots"))?;
    Ok(ChainStores {
        rows: Arc::new(rows.clone()),
        hot: Arc::new(hot.map_err(failed("hot"))?),
        snapshots: Arc::new(snapshots),
        dead_letters: Arc::new(rows.clone()),
        editions: Arc::new(rows),
    })
}
