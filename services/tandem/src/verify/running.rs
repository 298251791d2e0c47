//! A running system, read over HTTP with the operator's key.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use http::HeaderValue;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tandem_model::calendar::Calendar;
use tandem_model::rejected::Rejected;
use tandem_model::retention::Retention;
use tandem_model::route::Chain;
use tandem_model::row::BeatDigest;
use tandem_model::{PartitionId, PseudonymKey, Record, SessionId};
use tandem_query::wire::{LogPage, PartitionsPage, RowsPage, SessionDump};

use super::subject::{PartitionClaim, SessionClaim, SessionsPage, Subject};
use crate::client::{CHAIN, Client};
use crate::failure::Failure;
use crate::status::Status;

/// How many sessions are asked for at once.
const SESSIONS: u32 = 10;
/// How many bytes of records are asked for at once.
const LOG_BYTES: u32 = 4 * 1024 * 1024;
/// How long a server that is overloaded or being restarted is waited for.
const WAIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// A running system.
pub struct Running {
    client: Client,
    partitions: u32,
    calendar: Calendar,
}

/// What is read of the list of boards.
#[derive(Deserialize)]
struct Boards {
    time_zone: String,
}

impl Running {
    /// Looks whether the system is there.
    ///
    /// # Errors
    ///
    /// When there is no key, or no answer.
    pub async fn connect(client: Client) -> Result<Self, Failure> {
        if !client.has_key() {
            return Err(Failure::configuration(anyhow!(
                "verify reads everything, so it needs the operator's key: set TANDEM_KEY to the key that \
                 `tandem up` printed or was given"
            )));
        }
        let status = Status::read(&client).await.map_err(Failure::failed)?;
        let mut running = Self { client, partitions: status.log.partitions, calendar: Calendar::default() };
        let Boards { time_zone } = running.read("/v1/rankings", None).await?;
        running.calendar = Calendar::new(&time_zone).map_err(|error| {
            Failure::failed(anyhow!("the server's boards are in a time zone that is not known here: {error}"))
        })?;
        Ok(running)
    }

    /// About how many records there are to read.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn records(&self) -> Result<u64, Failure> {
        let status = Status::read(&self.client).await.map_err(Failure::failed)?;
        let chains = status.chains.iter();
        Ok(chains.map(|chain| chain.partitions.iter().map(|part| part.next).sum()).max().unwrap_or(0))
    }

    /// Reads from one chain, and waits for one that can't answer right now.
    async fn read<T: DeserializeOwned>(&self, path: &str, chain: Option<Chain>) -> Result<T, Failure> {
        let headers: Vec<_> =
            chain.iter().map(|chain| (CHAIN, HeaderValue::from_static(chain.name()))).collect();
        let began = Instant::now();
        loop {
            match self.client.get_json(path, &headers).await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_retryable() && began.elapsed() < WAIT => {
                    tokio::time::sleep(PAUSE).await
                }
                Err(error) => return Err(Failure::failed(error)),
            }
        }
    }
}

impl Subject for Running {
    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Not given out by any server.
    fn pseudonym_key(&self) -> Option<PseudonymKey> {
        None
    }

    async fn progress(&self, chain: Chain) -> Result<Vec<u64>, Failure> {
        let began = Instant::now();
        loop {
            let status: Status = self.read(crate::status::PATH, None).await?;
            let known =
                status.chains.iter().find(|known| known.chain == chain).map(|known| &known.partitions);
            // A chain that is busy may have been too slow for the status.
            match known.filter(|partitions| partitions.len() == self.partitions as usize) {
                Some(reached) => return Ok(reached.iter().map(|partition| partition.next).collect()),
                None if began.elapsed() < WAIT => tokio::time::sleep(PAUSE).await,
                None => {
                    return Err(Failure::failed(anyhow!(
                        "chain {chain} does not answer, so it can't be verified: see `tandem status`"
                    )));
                }
            }
        }
    }

    async fn beats(&self, _: Chain) -> Result<Vec<BeatDigest>, Failure> {
        Ok(Vec::new())
    }

    async fn partition_rows(&self, chain: Chain) -> Result<Vec<PartitionClaim>, Failure> {
        let page: PartitionsPage = self.read("/v1/partitions", Some(chain)).await?;
        let claims = page.partitions.iter();
        Ok(claims
            .map(|dump| PartitionClaim { next: dump.cut.next, row: dump.row.unwrap_or_default() })
            .collect())
    }

    async fn retention(&self, chain: Chain) -> Result<Retention, Failure> {
        let page: RowsPage = self.read("/v1/rows?limit=1", Some(chain)).await?;
        Ok(page.retention)
    }

    async fn sessions(&self, chain: Chain, after: Option<SessionId>) -> Result<SessionsPage, Failure> {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        let page: RowsPage = self.read(&format!("/v1/rows?limit={SESSIONS}{after}"), Some(chain)).await?;
        let next_after = page.next_after.as_deref().map(|id| {
            SessionId::new(id).ok_or_else(|| Failure::failed(anyhow!("the server named {id:?} as a session")))
        });
        let sessions = page.sessions.into_iter().map(claim).collect();
        Ok(SessionsPage { sessions, next_after: next_after.transpose()? })
    }

    async fn records(&self, partition: PartitionId, from: u64) -> Result<Vec<(u64, Record)>, Failure> {
        let path = format!("/v1/log/{partition}?from={from}&bytes={LOG_BYTES}");
        let page: LogPage = self.read(&path, None).await?;
        let records = page.records.into_iter().map(|record| {
            let offset = record.offset;
            let record = record.into_record();
            record.map(|record| (offset, record)).ok_or_else(|| {
                Failure::failed(anyhow!("the record at offset {offset} of partition {partition} has no line"))
            })
        });
        records.collect()
    }

    async fn rejected(&self, _: Chain, _: PartitionId, _: Option<u64>) -> Result<Vec<Rejected>, Failure> {
        Ok(Vec::new())
    }

    async fn parity(&self) -> Result<Option<String>, Failure> {
        let status: Status = self.read(crate::status::PATH, None).await?;
        Ok(Some(status.parity.verdict))
    }
}

fn claim(dump: SessionDump) -> SessionClaim {
    SessionClaim {
        session_id: dump.session_id,
        partition: PartitionId(dump.partition),
        cut: dump.cut,
        session: dump.session,
        rows: dump.rows.into_iter().map(|row| row.0).collect(),
    }
}
