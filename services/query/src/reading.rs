//! Reading from the stores so that an answer is one consistent cut, and never older than what
//! the client has seen.
//!
//! # Which cut an answer is
//!
//! A session's rows carry the prefix `F` they were written at; they are not written again when
//! the log moves on without them. The store's progress `P` says how far every session is
//! complete. We read `P` first and the rows after it:
//!
//! - `F < P`: everything up to `P` was visible before the rows were read, so the rows did not
//!   change between `F` and `P`. They did not change after `P` either, or `F` would be beyond
//!   it. They are exactly what the log says at `P`.
//! - `F ≥ P`: the rows are exactly what the log says at `F`, as they were written there.
//!
//! So the cut is the farther of the two. Read the other way round, `P` could vouch for a change
//! that the rows do not have yet.
//!
//! # Where it is read
//!
//! Reports come from the hot store, where one look-up answers them; what it does not have, or
//! has too old, comes from the row store. Waiting for a token is asking again every few
//! milliseconds: the wait is bounded by [`tandem_model::headers::WAIT_MS_MAX`], and it is rare.

use std::sync::Arc;
use std::time::Duration;

use tandem_model::partition::partition_of;
use tandem_model::row::SessionState;
use tandem_model::{Cut, PartitionId, SessionId, Token, catalogue};
use tandem_storage::{HotSession, Select, SessionRows, StoreError};
use tokio::time::{Instant, sleep};

use crate::Query;
use crate::answer::Failure;
use crate::request::Call;
use crate::wire::Meta;

/// How often to look whether the chain has reached a token.
const POLL: Duration = Duration::from_millis(5);

/// A session, read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// The rows asked for.
    pub(crate) rows: Arc<SessionRows>,
    /// The prefix of its partition that they reflect.
    pub(crate) cut: Cut,
    /// Whether that is less than the client has seen.
    pub(crate) is_stale: bool,
    /// The stores that failed on the way.
    pub(crate) degraded: Vec<&'static str>,
}

#[derive(Clone, Copy)]
enum Source {
    Hot,
    Rows,
}

impl Source {
    const fn name(self) -> &'static str {
        match self {
            Source::Hot => "hot",
            Source::Rows => "rows",
        }
    }
}

/// What a store said of a session: its rows, if it has it, as of a cut.
struct Seen {
    rows: Option<Arc<SessionRows>>,
    cut: Cut,
}

impl Query {
    /// A session with all its totals: from the hot store if it can answer.
    pub(crate) async fn totals(&self, call: &Call, id: &str) -> Result<Reading, Failure> {
        self.read(call, id, &[Source::Hot, Source::Rows], &Select::Totals).await
    }

    /// A session with the rows selected, from the row store.
    pub(crate) async fn session(&self, call: &Call, id: &str, select: &Select) -> Result<Reading, Failure> {
        self.read(call, id, &[Source::Rows], select).await
    }

    async fn read(
        &self,
        call: &Call,
        id: &str,
        sources: &[Source],
        select: &Select,
    ) -> Result<Reading, Failure> {
        if SessionId::new(id).is_none() {
            return Err(Failure::unknown_session(id, &call.token));
        }
        let partition = partition_of(id.as_bytes(), self.log.partitions());
        loop {
            let is_last = Instant::now() >= call.deadline;
            let mut degraded = Vec::new();
            let mut error = None;
            let mut older: Option<(Arc<SessionRows>, Cut)> = None;
            for &source in sources {
                // Rows that are too old to be sent need not be read.
                let needed = if is_last && call.takes_stale { None } else { Some(&call.token) };
                match self.look(source, partition, id, select, needed).await {
                    Ok(Some(Seen { rows, cut })) if call.token.is_reached_by(partition, cut.next) => {
                        return match rows {
                            Some(rows) => Ok(Reading { rows, cut, is_stale: false, degraded }),
                            None => Err(Failure::unknown_session(id, &joined(call, [(partition, cut)]))),
                        };
                    }
                    Ok(Some(Seen { rows: Some(rows), cut })) => {
                        if older.as_ref().is_none_or(|(_, known)| known.next < cut.next) {
                            older = Some((rows, cut));
                        }
                    }
                    Ok(_) => {}
                    Err(failed) => {
                        degraded.push(source.name());
                        error = Some(failed);
                    }
                }
            }
            if is_last {
                return match (older, error) {
                    (Some((rows, cut)), _) if call.takes_stale => {
                        Ok(Reading { rows, cut, is_stale: true, degraded })
                    }
                    (None, Some(error)) => Err(error.into()),
                    _ => Err(Failure::behind()),
                };
            }
            sleep(POLL).await;
        }
    }

    /// What one store says. Nothing where the hot store does not have the session, or where the
    /// row store has not reached `needed`.
    async fn look(
        &self,
        source: Source,
        partition: PartitionId,
        id: &str,
        select: &Select,
        needed: Option<&Token>,
    ) -> Result<Option<Seen>, StoreError> {
        match source {
            Source::Hot => {
                let HotSession { progress, session } = self.stores.hot.session(partition, id).await?;
                Ok(session.map(|rows| Seen { cut: farther(rows.cut, progress), rows: Some(rows) }))
            }
            Source::Rows => {
                let progress = self.stores.rows.progress(partition).await?;
                let next = progress.unwrap_or_default().next;
                if needed.is_some_and(|token| !token.is_reached_by(partition, next)) {
                    return Ok(None);
                }
                let rows = self.stores.rows.session(id, select).await?.map(Arc::new);
                let cut = match &rows {
                    Some(rows) => farther(rows.cut, progress),
                    None => progress.unwrap_or_default(),
                };
                Ok(Some(Seen { rows, cut }))
            }
        }
    }

    /// How far every partition is complete, at least as far as the token; and whether that had
    /// to be given up.
    pub(crate) async fn positions(&self, call: &Call) -> Result<(Vec<Cut>, bool), Failure> {
        loop {
            let is_last = Instant::now() >= call.deadline;
            let cuts = self.progress().await?;
            let is_reached = (0_u32..)
                .zip(&cuts)
                .all(|(partition, cut)| call.token.is_reached_by(PartitionId(partition), cut.next));
            if is_reached || (is_last && call.takes_stale) {
                return Ok((cuts, !is_reached));
            }
            if is_last {
                return Err(Failure::behind());
            }
            sleep(POLL).await;
        }
    }

    /// How far every partition is complete right now.
    pub(crate) async fn progress(&self) -> Result<Vec<Cut>, StoreError> {
        let mut cuts = Vec::new();
        for partition in 0..self.log.partitions() {
            cuts.push(self.stores.rows.progress(PartitionId(partition)).await?.unwrap_or_default());
        }
        Ok(cuts)
    }

    /// What an answer about one session says of itself.
    pub(crate) fn meta_of(&self, call: &Call, reading: &Reading) -> Meta {
        let cuts = [(reading.rows.partition, reading.cut)];
        let state = reading.rows.session.state;
        let degraded = reading.degraded.iter().map(|name| (*name).to_owned()).collect();
        Meta { degraded, ..self.meta(call, &cuts, state, reading.is_stale) }
    }

    /// What an answer from these cuts says of itself. A stale one leaves the client's token as
    /// it is: what it holds is still what the client has seen.
    pub(crate) fn meta(
        &self,
        call: &Call,
        cuts: &[(PartitionId, Cut)],
        state: SessionState,
        stale: bool,
    ) -> Meta {
        let token = if stale { call.token.clone() } else { joined(call, cuts.iter().copied()) };
        Meta {
            chain: self.chain,
            epoch: call.epoch,
            as_of: cuts.iter().map(|(_, cut)| cut.clock).min().unwrap_or(0),
            token: token.encode(),
            state,
            definitions: catalogue::DEFINITIONS,
            stale,
            degraded: Vec::new(),
        }
    }
}

/// The farther of a session's own cut and the store's progress; see the head.
pub(crate) fn farther(session: Cut, progress: Option<Cut>) -> Cut {
    match progress {
        Some(progress) if progress.next > session.next => progress,
        _ => session,
    }
}

/// Cuts with the partitions they are of.
pub(crate) fn numbered(cuts: &[Cut]) -> Vec<(PartitionId, Cut)> {
    (0_u32..).map(PartitionId).zip(cuts.iter().copied()).collect()
}

fn joined(call: &Call, cuts: impl IntoIterator<Item = (PartitionId, Cut)>) -> Token {
    let mut token = call.token.clone();
    for (partition, cut) in cuts {
        // A partition without records needs no place in the token.
        if cut.next > 0 {
            token.advance(partition, cut.next);
        }
    }
    token
}
