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
//! has too old, comes from the row store. One that fails, that lost everything, or that stands
//! still is left out, and the answer says so (`degraded`); where the row store fails instead, the
//! hot store's answer has to do. Neither holds a read up for long where the other one can answer:
//! see `health.rs`. Waiting for a token is asking again every few
//! milliseconds: the wait is bounded by [`tandem_model::headers::WAIT_MS_MAX`], and it is rare.
//!
//! # For whom
//!
//! What the asker's scope leaves out is left out here, for every call: a session outside of it is one
//! that does not exist, with the same answer after the same looks. See `sight.rs`.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use tandem_model::catalogue::DEFINITIONS;
use tandem_model::partition::partition_of;
use tandem_model::row::SessionState;
use tandem_model::{Cut, PartitionId, SessionId, Token};
use tandem_storage::{HotSession, Select, SessionRows, StoreError};
use tokio::time::{Instant, sleep};

use crate::Query;
use crate::answer::Failure;
use crate::asker::Asker;
use crate::definitions::{self, InForce};
use crate::health::{HOT_LOOK, ROWS_LOOK};
use crate::request::Call;
use crate::sight;
use crate::wire::Meta;

/// How often to look whether the chain has reached a token.
const POLL: Duration = Duration::from_millis(5);

/// A session, read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// The rows asked for, as far as they may be shown.
    pub(crate) rows: Arc<SessionRows>,
    /// The prefix of its partition that they reflect.
    pub(crate) cut: Cut,
    /// Whether that is less than the client has seen.
    pub(crate) is_stale: bool,
    /// The stores that failed on the way.
    pub(crate) degraded: Vec<&'static str>,
}

/// The stores that answers are read from, under the names they have in `degraded`.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    Hot,
    Rows,
}

impl Source {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Source::Hot => "hot",
            Source::Rows => "rows",
        }
    }
}

/// What the hot store says of a session.
enum Hot {
    /// The session and the prefix of the log that it is.
    Here(Found),
    /// The same, but the row store has been farther for a while.
    Behind(Found),
    /// It is there, without this session.
    Absent,
    /// It lost everything, or never had anything.
    Empty,
    /// It did not answer.
    Away,
}

/// What the row store says of a session.
enum Rows {
    /// The session and the prefix of the log that it is.
    Here(Found),
    /// There is no such session in this prefix.
    Unknown(Cut),
    /// It has not reached what is needed.
    NotYet(Cut),
}

struct Found {
    rows: Arc<SessionRows>,
    cut: Cut,
}

/// What is looked for, and for whom.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    partition: PartitionId,
    id: &'a str,
    select: &'a Select,
    asker: &'a Asker,
    /// Whether the asker may look for it without a glance at whose it is.
    is_seen: bool,
}

/// The best answer that is older than the client's token, and what else an attempt came across.
#[derive(Default)]
struct Attempt {
    degraded: Vec<&'static str>,
    older: Option<Found>,
    error: Option<StoreError>,
}

impl Attempt {
    fn keep(&mut self, found: Found) {
        if self.older.as_ref().is_none_or(|known| known.cut.next < found.cut.next) {
            self.older = Some(found);
        }
    }

    fn reading(self, Found { rows, cut }: Found, is_stale: bool) -> Reading {
        Reading { rows, cut, is_stale, degraded: self.degraded }
    }
}

impl Query {
    /// A session with all its totals: from the hot store if it can answer.
    pub(crate) async fn totals(&self, call: &Call, id: &str) -> Result<Reading, Failure> {
        self.known(call, id, self.read(call, id, true, &Select::Totals).await).await
    }

    /// A session with the rows selected, from the row store.
    pub(crate) async fn session(&self, call: &Call, id: &str, select: &Select) -> Result<Reading, Failure> {
        self.known(call, id, self.read(call, id, false, select).await).await
    }

    /// What was read, of which is known how its metrics are defined.
    async fn known(
        &self,
        call: &Call,
        id: &str,
        reading: Result<Reading, Failure>,
    ) -> Result<Reading, Failure> {
        if let Ok(reading) = &reading {
            call.asker.note_seen(id);
            self.know_definitions(reading.cut.clock).await;
        }
        reading
    }

    async fn read(
        &self,
        call: &Call,
        id: &str,
        is_hot_asked: bool,
        select: &Select,
    ) -> Result<Reading, Failure> {
        if SessionId::new(id).is_none() {
            return Err(Failure::unknown_session(id, &call.token));
        }
        let partition = partition_of(id.as_bytes(), self.log.partitions());
        self.look_for_repair(partition);
        if self.health.is_repairing(partition) {
            return Err(Failure::repairing());
        }
        let asker = &call.asker;
        let wanted = Wanted { partition, id, select, asker, is_seen: asker.has_seen(id) };
        let is_hot_asked = is_hot_asked && wanted.is_seen;
        let is_reached = |cut: Cut| call.token.is_reached_by(partition, cut.next);
        loop {
            let is_last = Instant::now() >= call.deadline;
            let mut attempt = Attempt::default();
            let mut is_empty = false;
            // What the hot store has, good enough for the client, if the row store has no more.
            let mut spare = None;
            if is_hot_asked {
                match self.look_hot(wanted).await {
                    Hot::Here(found) if is_reached(found.cut) => return Ok(attempt.reading(found, false)),
                    Hot::Here(found) => attempt.keep(found),
                    Hot::Behind(found) => {
                        attempt.degraded.push(Source::Hot.name());
                        match is_reached(found.cut) {
                            true => spare = Some(found),
                            false => attempt.keep(found),
                        }
                    }
                    Hot::Absent => {}
                    Hot::Empty => is_empty = true,
                    Hot::Away => attempt.degraded.push(Source::Hot.name()),
                }
            }
            // Rows that are too old to be sent need not be read.
            let needed = if is_last && call.takes_stale { None } else { Some(&call.token) };
            let has_other = spare.is_some() || attempt.older.is_some();
            let rows = self.look_rows(wanted, needed, has_other).await;
            if let Ok(Rows::Here(Found { cut, .. }) | Rows::Unknown(cut) | Rows::NotYet(cut)) = &rows
                && is_empty
                && cut.next > 0
            {
                attempt.degraded.push(Source::Hot.name());
            }
            match rows {
                Ok(Rows::Here(found)) if is_reached(found.cut) => return Ok(attempt.reading(found, false)),
                Ok(Rows::Here(found)) => attempt.keep(found),
                Ok(Rows::Unknown(cut)) if is_reached(cut) => {
                    return Err(Failure::unknown_session(id, &joined(call, [(partition, cut)])));
                }
                Ok(Rows::Unknown(_) | Rows::NotYet(_)) => {}
                Err(error) => {
                    attempt.degraded.push(Source::Rows.name());
                    attempt.error = Some(error);
                }
            }
            if let Some(found) = spare {
                return Ok(attempt.reading(found, false));
            }
            if is_last {
                return match (attempt.older.take(), attempt.error.take()) {
                    (Some(found), _) if call.takes_stale => Ok(attempt.reading(found, true)),
                    (None, Some(error)) => Err(error.into()),
                    _ => Err(Failure::behind()),
                };
            }
            sleep(POLL).await;
        }
    }

    /// Looks now and then whether a partition is being repaired; beside the read, which does not
    /// wait for it.
    pub(crate) fn look_for_repair(&self, partition: PartitionId) {
        if self.health.is_repair_look_due(partition) {
            let (stores, health) = (self.stores.clone(), Arc::clone(&self.health));
            tokio::spawn(async move {
                if let Ok(order) = health.rows.call(ROWS_LOOK, stores.rows.repair_order(partition)).await {
                    health.note_repair(partition, order.is_some());
                }
            });
        }
    }

    /// One look into the hot store, within its time.
    async fn look_hot(&self, Wanted { partition, id, select, asker, .. }: Wanted<'_>) -> Hot {
        if self.health.is_mark_due(partition) {
            // Beside the read, which does not wait for it.
            let (stores, health) = (self.stores.clone(), Arc::clone(&self.health));
            tokio::spawn(async move {
                if let Ok(Some(cut)) = health.rows.call(ROWS_LOOK, stores.rows.progress(partition)).await {
                    health.note_rows(partition, cut.next);
                }
            });
        }
        let look = self.health.hot.call(HOT_LOOK, self.stores.hot.session(partition, id)).await;
        let Ok(HotSession { progress, session }) = look else { return Hot::Away };
        match (progress, session) {
            (None, _) => Hot::Empty,
            (Some(_), None) => Hot::Absent,
            (Some(progress), Some(rows)) => {
                let Some(rows) = sight::of(asker, rows, select) else { return Hot::Absent };
                let found = Found { cut: farther(rows.cut, Some(progress)), rows };
                // A session that is farther than the progress was put in, and may stand still, too.
                match self.health.is_behind(partition, progress.next) {
                    true => Hot::Behind(found),
                    false => Hot::Here(found),
                }
            }
        }
    }

    /// One look into the row store: within a bounded time where there is another answer, else as
    /// long as it takes.
    async fn look_rows(
        &self,
        wanted: Wanted<'_>,
        needed: Option<&Token>,
        has_other: bool,
    ) -> Result<Rows, StoreError> {
        let Wanted { partition, id, select, asker, is_seen } = wanted;
        let look = async {
            let progress = self.stores.rows.progress(partition).await?;
            let complete = progress.unwrap_or_default();
            self.health.note_rows(partition, complete.next);
            if needed.is_some_and(|token| !token.is_reached_by(partition, complete.next)) {
                return Ok(Rows::NotYet(complete));
            }
            if !is_seen {
                // Here it ends for a session that is somebody else's, as for one that is not there: with
                // the progress alone in the token, since its own cut may be beyond that.
                let glance = self.stores.rows.session(id, &sight::glance(asker)).await?;
                if glance.and_then(|rows| sight::of(asker, Arc::new(rows), &Select::Session)).is_none() {
                    return Ok(Rows::Unknown(complete));
                }
            }
            let Some(mut rows) = self.stores.rows.session(id, &sight::needed(asker, select)).await? else {
                return Ok(Rows::Unknown(complete));
            };
            let cut = farther(rows.cut, progress);
            // A store frees space when it gets round to it; what is shown, the log decides.
            let retention = self.stores.rows.retention();
            rows.rows.retain(|row| retention.keeps(&row.key, cut.clock));
            // It may have passed to somebody else since.
            Ok(match sight::of(asker, Arc::new(rows), select) {
                Some(rows) => Rows::Here(Found { cut, rows }),
                None => Rows::Unknown(complete),
            })
        };
        match has_other {
            true => self.health.rows.call(ROWS_LOOK, look).await,
            false => look.await,
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
                self.know_definitions(cuts.iter().map(|cut| cut.clock).min().unwrap_or(0)).await;
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
        let partitions = (0..self.log.partitions()).map(PartitionId);
        let cuts = try_join_all(partitions.map(|partition| self.stores.rows.progress(partition))).await?;
        Ok(cuts.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// What an answer about one session says of itself.
    pub(crate) fn meta_of(&self, call: &Call, reading: &Reading) -> Meta {
        let cuts = [(reading.rows.partition, reading.cut)];
        let state = reading.rows.session.state;
        let mut meta = self.meta(call, &cuts, state, reading.is_stale);
        meta.degraded.extend(reading.degraded.iter().map(|name| (*name).to_owned()));
        meta
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
        let as_of = cuts.iter().map(|(_, cut)| cut.clock).min();
        let in_force = as_of.map(|clock| self.in_force(clock));
        let is_in_doubt = in_force.as_ref().is_some_and(InForce::is_in_doubt);
        Meta {
            chain: self.chain,
            epoch: call.epoch,
            as_of: as_of.unwrap_or(0),
            token: token.encode(),
            state,
            definitions: in_force.map_or(DEFINITIONS, |in_force| in_force.version()),
            stale,
            degraded: is_in_doubt.then(|| definitions::DEGRADED.to_owned()).into_iter().collect(),
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
