//! The store of one chain: rows and dead letters.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tandem_model::rejected::Rejected;
use tandem_model::retention::Retention;
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{Calendar, Changes, Cut, EditionPart, PartitionId, SessionId, SessionRow, Step};
use tandem_storage::{
    DeadLetterQuery, DeadLetters, Editions, Place, Repair, RepairOrder, RepairState, Replacement, Result,
    RowStore, Select, SessionQuery, SessionRows, StoreError,
};

use crate::connection::Connection;
use crate::counters::{Counters, Counts};
use crate::identity::{self, LogIdentity};
use crate::known::Known;
use crate::mutation::Expiries;
use crate::statements::Statements;
use crate::{Settings, schema};

/// [`RowStore`] and [`DeadLetters`] of one chain on a CQL store. Cheap to clone; clones are the
/// same store.
///
/// What is written is acknowledged by as many replicas as the settings' consistency says, so it
/// survives our process and, with several replicas, any one machine. With a single replica and
/// `commitlog_sync: periodic` (the servers' default) the last seconds may be lost with the
/// machine, also of what [`durable`](RowStore::durable) reports. That is noticed with the next
/// change: see [`apply`](RowStore::apply)'s error `Damaged`.
#[derive(Clone)]
pub struct ScyllaStore(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) connection: Connection,
    pub(crate) statements: Statements,
    pub(crate) keyspace: String,
    pub(crate) settings: Settings,
    pub(crate) expiries: Expiries,
    pub(crate) log: LogIdentity,
    pub(crate) calendar: Calendar,
    pub(crate) known: Known,
    /// Per partition the beats that are kept, ascending: `ts` and offset. Filled when first
    /// needed; bounded by [`crate::beats`].
    pub(crate) beats: Mutex<BTreeMap<PartitionId, VecDeque<(u64, u64)>>>,
    /// Per partition the progress that was acknowledged to us.
    pub(crate) acknowledged: Mutex<BTreeMap<PartitionId, u64>>,
    /// The bucket that was noted last, so that it need not be noted again.
    pub(crate) edition_buckets: Mutex<BTreeMap<(PartitionId, Step), i64>>,
    pub(crate) counters: Counters,
}

impl ScyllaStore {
    /// Opens the store to write rows computed from `log` in this calendar, and notes both in it: compute's
    /// way.
    ///
    /// # Errors
    ///
    /// `Refused` when the store holds rows of another log of this generation or of a later
    /// generation, or of another time zone, when its schema is not the one this program needs, and when the server does
    /// not let us in; `Unavailable` when no server can be reached.
    pub async fn note_log(settings: &Settings, log: LogIdentity, calendar: &Calendar) -> Result<Self> {
        let connection = Connection::new(settings).await?;
        schema::check(settings, &connection).await?;
        identity::note(&connection, &settings.keyspace, log, calendar).await?;
        Self::new(connection, settings, log, calendar.clone()).await
    }

    /// Opens the store to read what compute wrote: a query node's way.
    ///
    /// # Errors
    ///
    /// As [`note_log`](Self::note_log); `Unavailable` too while no compute process has ever
    /// noted a log.
    pub async fn open(settings: &Settings) -> Result<Self> {
        let connection = Connection::new(settings).await?;
        schema::check(settings, &connection).await?;
        let noted = identity::read(&connection, &settings.keyspace).await?;
        let (log, calendar) = noted.ok_or_else(|| {
            StoreError::Unavailable(format!(
                "keyspace {} is empty: no compute process has worked with it yet",
                settings.keyspace
            ))
        })?;
        Self::new(connection, settings, log, calendar).await
    }

    async fn new(
        connection: Connection,
        settings: &Settings,
        log: LogIdentity,
        calendar: Calendar,
    ) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            statements: Box::pin(Statements::new(&connection, &settings.keyspace, settings.page_rows))
                .await?,
            connection,
            keyspace: settings.keyspace.clone(),
            expiries: Expiries::new(settings),
            known: Known::new(settings.known_sessions_max),
            settings: settings.clone(),
            log,
            calendar,
            beats: Mutex::default(),
            acknowledged: Mutex::default(),
            edition_buckets: Mutex::default(),
            counters: Counters::default(),
        })))
    }

    /// The log whose rows this is.
    pub fn identity(&self) -> LogIdentity {
        self.0.log
    }

    /// The calendar of its rows of hours and days.
    pub fn calendar(&self) -> &Calendar {
        &self.0.calendar
    }

    /// Whether the store answers, and still holds rows of the log it was opened for: for health
    /// checks.
    ///
    /// # Errors
    ///
    /// `Refused` when another log was noted since: this process must be restarted.
    pub async fn check(&self) -> Result<()> {
        let noted = identity::read(&self.0.connection, &self.0.keyspace).await?;
        match noted {
            Some((noted, _)) if noted == self.0.log => Ok(()),
            Some((noted, _)) => Err(StoreError::Refused(format!(
                "keyspace {} holds rows of {noted} by now, this process works with {}: restart it",
                self.0.keyspace, self.0.log
            ))),
            None => Err(StoreError::Refused(format!(
                "keyspace {} was emptied while this process worked with it: restart it",
                self.0.keyspace
            ))),
        }
    }

    /// What the store has done since it was opened: for metrics.
    pub fn counts(&self) -> Counts {
        let metrics = self.0.connection.metrics();
        Counts {
            known_sessions: self.0.known.len() as u64,
            driver_retries: metrics.get_retries_num(),
            driver_timeouts: metrics.get_request_timeouts(),
            driver_connections: metrics.get_total_connections(),
            ..self.0.counters.counts()
        }
    }
}

#[async_trait]
impl RowStore for ScyllaStore {
    async fn apply(&self, changes: &Changes) -> Result<()> {
        self.0.apply(changes).await
    }

    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>> {
        Ok(self.0.partition(partition).await?.map(|(progress, _)| progress))
    }

    async fn durable(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.progress(partition).await
    }

    async fn session(&self, id: &str, select: &Select) -> Result<Option<SessionRows>> {
        self.0.session(id, select).await
    }

    async fn sessions(&self, query: &SessionQuery) -> Result<Vec<(SessionId, SessionRow)>> {
        self.0.sessions(query).await
    }

    async fn session_ids(&self, after: Option<&str>, limit: usize) -> Result<Vec<SessionId>> {
        self.0.session_ids(after, limit).await
    }

    async fn partition_row(&self, partition: PartitionId) -> Result<Option<PartitionRow>> {
        Ok(self.0.partition(partition).await?.map(|(_, row)| row))
    }

    async fn beats(&self, partition: PartitionId, limit: usize) -> Result<Vec<BeatDigest>> {
        self.0.beats(partition, limit).await
    }

    fn retention(&self) -> Retention {
        Retention::Tiers
    }

    async fn order_repair(&self, order: &RepairOrder) -> Result<()> {
        self.0.order_repair(order).await
    }

    async fn repair(&self, partition: PartitionId) -> Result<Option<Repair>> {
        self.0.repair(partition).await
    }

    async fn end_repair(&self, order: &RepairOrder, ending: &RepairState) -> Result<()> {
        self.0.end_repair(order, ending).await
    }

    async fn replace(&self, replacement: &Replacement) -> Result<()> {
        self.0.replace(replacement).await
    }
}

#[async_trait]
impl DeadLetters for ScyllaStore {
    async fn append(&self, rejected: &[Rejected]) -> Result<()> {
        self.0.append_letters(rejected).await
    }

    async fn revise(&self, place: Place, letter: Option<&Rejected>, at: u64) -> Result<()> {
        self.0.revise_letter(place, letter, at).await
    }

    async fn list(&self, query: &DeadLetterQuery) -> Result<Vec<Rejected>> {
        self.0.list_letters(query).await
    }
}

#[async_trait]
impl Editions for ScyllaStore {
    async fn keep(&self, parts: &[EditionPart], at: u64) -> Result<()> {
        self.0.keep_editions(parts, at).await
    }

    async fn parts(
        &self,
        partition: PartitionId,
        step: Step,
        from: u64,
        limit: usize,
    ) -> Result<Vec<EditionPart>> {
        self.0.edition_parts(partition, step, from, limit).await
    }

    async fn last_part(&self, partition: PartitionId, step: Step, to: u64) -> Result<Option<EditionPart>> {
        self.0.last_edition_part(partition, step, to).await
    }
}
