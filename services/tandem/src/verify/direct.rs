//! What is stored, read directly: the data folder of a system that is stopped, or real backends,
//! whether the system runs or not.
//!
//! Nothing here waits for a quiet moment: each thing that is read comes with the prefix of the log
//! it stands for, also while it is written to.

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use tandem_embedded::Data;
use tandem_kafka::{KafkaLog, Purpose};
use tandem_model::calendar::Calendar;
use tandem_model::rejected::Rejected;
use tandem_model::retention::Retention;
use tandem_model::route::Chain;
use tandem_model::row::BeatDigest;
use tandem_model::{PartitionId, PseudonymKey, Record, Rules, SessionId};
use tandem_scylla::ScyllaStore;
use tandem_storage::{
    ChainStores, DeadLetterQuery, DeadLetters, EventLog, Place, RowStore, Select, StoreError,
};

use super::subject::{PartitionClaim, SessionClaim, SessionsPage, Subject};
use crate::config::VerifyConfig;
use crate::failure::Failure;
use crate::system;

/// How many sessions are read at once.
const SESSIONS: usize = 10;
/// How many bytes of records are read at once.
const LOG_BYTES: usize = 4 * 1024 * 1024;
/// How many rejected events are read at once.
const REJECTED: usize = 1_000;

/// A log and the rows of chains a and b.
pub struct Direct {
    log: Arc<dyn EventLog>,
    chains: [Rows; 2],
    key: Option<PseudonymKey>,
    calendar: Calendar,
    /// Holds the folder's lock.
    _data: Option<Data>,
}

/// What is read of a chain.
struct Rows {
    rows: Arc<dyn RowStore>,
    dead_letters: Arc<dyn DeadLetters>,
}

impl From<ChainStores> for Rows {
    fn from(stores: ChainStores) -> Self {
        Self { rows: stores.rows, dead_letters: stores.dead_letters }
    }
}

impl Direct {
    /// Opens the data in `folder`.
    ///
    /// # Errors
    ///
    /// When there is none, it is damaged, or a running process has it.
    pub async fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.to_owned();
        let opened = tokio::task::spawn_blocking(move || Data::open_existing(&path)).await;
        let data = opened
            .map_err(|error| Failure::failed(anyhow!(error)))?
            .map_err(|error| Failure::configuration(anyhow!(error).context("can't open the data")))?;
        let chains = Chain::ALL.map(|chain| system::stores(&data, chain).clone().into());
        let log = data.log.clone();
        let Rules { key, calendar } = data.rules();
        Ok(Self { log, chains, key: Some(key), calendar, _data: Some(data) })
    }

    /// A log with the stores of chains a and b.
    pub fn new(log: Arc<dyn EventLog>, chains: [ChainStores; 2], rules: impl Into<Rules>) -> Self {
        let Rules { key, calendar } = rules.into();
        Self { log, chains: chains.map(Rows::from), key: Some(key), calendar, _data: None }
    }

    /// Connects to Kafka and to the row stores of both chains.
    ///
    /// # Errors
    ///
    /// When one of them is away or refuses, or when a chain's rows are of another log.
    pub async fn connect(config: VerifyConfig) -> Result<Self, Failure> {
        let log = KafkaLog::open(config.log, Purpose::Read).await.map_err(|error| {
            let is_away = matches!(error, tandem_kafka::Error::Unavailable(_));
            let error = anyhow!(error).context("the event log ([log])");
            if is_away { Failure::failed(error) } else { Failure::configuration(error) }
        })?;
        let [a, b] = &config.rows;
        let a = rows_of(Chain::A, a, &log).await?;
        let b = rows_of(Chain::B, b, &log).await?;
        let (key, calendar) = (config.pseudonym_key, log.identity().calendar.clone());
        Ok(Self { log: Arc::new(log), chains: [a, b], key, calendar, _data: None })
    }

    /// About how many records there are to read.
    pub fn records(&self) -> u64 {
        self.log.ends().borrow().iter().sum()
    }

    fn stores(&self, chain: Chain) -> &Rows {
        &self.chains[chain as usize]
    }

    fn ids(&self) -> impl Iterator<Item = PartitionId> {
        (0..self.log.partitions()).map(PartitionId)
    }
}

impl Subject for Direct {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    fn pseudonym_key(&self) -> Option<PseudonymKey> {
        self.key
    }

    async fn progress(&self, chain: Chain) -> Result<Vec<u64>, Failure> {
        let mut progress = Vec::new();
        for id in self.ids() {
            let cut = self.stores(chain).rows.progress(id).await.map_err(failed)?;
            progress.push(cut.unwrap_or_default().next);
        }
        Ok(progress)
    }

    async fn beats(&self, chain: Chain) -> Result<Vec<BeatDigest>, Failure> {
        let rows = &self.stores(chain).rows;
        let mut beats = Vec::new();
        for id in self.ids() {
            beats.extend(rows.beats(id, 1).await.map_err(failed)?);
        }
        Ok(beats)
    }

    async fn partition_rows(&self, chain: Chain) -> Result<Vec<PartitionClaim>, Failure> {
        let rows = &self.stores(chain).rows;
        let mut claims = Vec::new();
        for id in self.ids() {
            let next = rows.progress(id).await.map_err(failed)?.unwrap_or_default().next;
            let row = rows.partition_row(id).await.map_err(failed)?.unwrap_or_default();
            // Read after the progress, it is as of that, or as of its own last change if it had one.
            let changed_at = if row == Default::default() { 0 } else { row.offset + 1 };
            claims.push(PartitionClaim { next: next.max(changed_at), row });
        }
        Ok(claims)
    }

    async fn retention(&self, chain: Chain) -> Result<Retention, Failure> {
        Ok(self.stores(chain).rows.retention())
    }

    async fn sessions(&self, chain: Chain, after: Option<SessionId>) -> Result<SessionsPage, Failure> {
        let rows = &self.stores(chain).rows;
        let after = after.as_ref().map(SessionId::as_str);
        let ids = rows.session_ids(after, SESSIONS).await.map_err(failed)?;
        let mut sessions = Vec::new();
        for id in &ids {
            let Some(session) = rows.session(id.as_str(), &Select::All).await.map_err(failed)? else {
                continue;
            };
            sessions.push(SessionClaim {
                session_id: session.session_id,
                partition: session.partition,
                cut: session.cut,
                session: session.session,
                rows: session.rows,
            });
        }
        Ok(SessionsPage { sessions, next_after: ids.last().cloned() })
    }

    async fn records(&self, partition: PartitionId, from: u64) -> Result<Vec<(u64, Record)>, Failure> {
        self.log.read(partition, from, LOG_BYTES).await.map_err(failed)
    }

    async fn rejected(
        &self,
        chain: Chain,
        partition: PartitionId,
        after: Option<u64>,
    ) -> Result<Vec<Rejected>, Failure> {
        let before =
            || partition.0.checked_sub(1).map(|id| Place { partition: PartitionId(id), offset: u64::MAX });
        let after = after.map(|offset| Place { partition, offset }).or_else(before);
        let query = DeadLetterQuery { after, limit: REJECTED, ..DeadLetterQuery::default() };
        let listed = self.stores(chain).dead_letters.list(&query).await.map_err(failed)?;
        Ok(listed.into_iter().filter(|event| event.partition == partition).collect())
    }

    async fn parity(&self) -> Result<Option<String>, Failure> {
        Ok(None)
    }
}

async fn rows_of(chain: Chain, settings: &tandem_scylla::Settings, log: &KafkaLog) -> Result<Rows, Failure> {
    let doing = || format!("the row store of chain {chain} ([chains.{chain}.rows])");
    let store = Box::pin(ScyllaStore::open(settings)).await.map_err(|error| {
        let is_retryable = error.is_retryable();
        let error = anyhow!(error).context(doing());
        if is_retryable { Failure::failed(error) } else { Failure::configuration(error) }
    })?;
    let identity = store.identity();
    if (identity.id, identity.generation) != (log.id(), log.generation()) {
        let error = anyhow!(
            "its rows are of {identity}, but the log is {}, generation {}: the chain's compute has not begun with this \
             log yet, or the configuration names another keyspace",
            log.id(),
            log.generation()
        );
        return Err(Failure::configuration(error.context(doing())));
    }
    let store = Arc::new(store);
    Ok(Rows { rows: store.clone(), dead_letters: store })
}

fn failed(error: StoreError) -> Failure {
    Failure::failed(anyhow!(error).context("can't read the data"))
}
