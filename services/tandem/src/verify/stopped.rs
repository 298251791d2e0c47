//! The data of a system that is stopped, or any log with the stores of two chains.

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use tandem_embedded::Data;
use tandem_model::rejected::Rejected;
use tandem_model::route::Chain;
use tandem_model::row::BeatDigest;
use tandem_model::{PartitionId, PseudonymKey, Record, SessionId};
use tandem_storage::{ChainStores, DeadLetterQuery, EventLog, Place, Select, StoreError};

use super::subject::{PartitionClaim, SessionClaim, SessionsPage, Subject};
use crate::failure::Failure;
use crate::system;

/// How many sessions are read at once.
const SESSIONS: usize = 10;
/// How many bytes of records are read at once.
const LOG_BYTES: usize = 4 * 1024 * 1024;
/// How many rejected events are read at once.
const REJECTED: usize = 1_000;

/// A stopped system.
pub struct Stopped {
    log: Arc<dyn EventLog>,
    chains: [ChainStores; 2],
    key: PseudonymKey,
    /// Holds the folder's lock.
    _data: Option<Data>,
}

impl Stopped {
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
        let chains = Chain::ALL.map(|chain| system::stores(&data, chain).clone());
        let log = data.log.clone();
        Ok(Self { log, chains, key: data.pseudonym_key, _data: Some(data) })
    }

    /// A log with the stores of chains a and b that nobody writes to meanwhile.
    pub fn new(log: Arc<dyn EventLog>, chains: [ChainStores; 2], key: PseudonymKey) -> Self {
        Self { log, chains, key, _data: None }
    }

    /// About how many records there are to read.
    pub fn records(&self) -> u64 {
        self.log.ends().borrow().iter().sum()
    }

    fn stores(&self, chain: Chain) -> &ChainStores {
        &self.chains[chain as usize]
    }

    fn ids(&self) -> impl Iterator<Item = PartitionId> {
        (0..self.log.partitions()).map(PartitionId)
    }
}

impl Subject for Stopped {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn pseudonym_key(&self) -> Option<PseudonymKey> {
        Some(self.key)
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
            // The clock is the last beat's moment.
            let clock = rows.partition_row(id).await.map_err(failed)?.unwrap_or_default().clock;
            beats.extend(rows.beats(id, clock, 1).await.map_err(failed)?);
        }
        Ok(beats)
    }

    async fn partition_rows(&self, chain: Chain) -> Result<Vec<PartitionClaim>, Failure> {
        let rows = &self.stores(chain).rows;
        let mut claims = Vec::new();
        for id in self.ids() {
            let next = rows.progress(id).await.map_err(failed)?.unwrap_or_default().next;
            let row = rows.partition_row(id).await.map_err(failed)?.unwrap_or_default();
            claims.push(PartitionClaim { next, row });
        }
        Ok(claims)
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

fn failed(error: StoreError) -> Failure {
    Failure::failed(anyhow!(error).context("can't read the data"))
}
