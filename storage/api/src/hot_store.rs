//! The hot store: what readers ask for most, in memory. It may lose everything at any moment.

use std::sync::Arc;

use async_trait::async_trait;
use tandem_model::{Changes, Cut, PartitionId, SessionId};

use crate::{Result, SessionRows};

/// Sessions' own rows and totals ([`crate::Select::Totals`]) of one chain, bounded.
///
/// - **Whole or absent.** A session is there with all its totals, or not at all. A change to an
///   absent session leaves it absent: the caller puts the whole session in, from the row store.
/// - **Order.** As in the row store: a session never goes back.
/// - **Incarnations.** Who writes a partition begins it first, and says with every write in which
///   incarnation, and on which progress it builds. A store that was emptied, or that lost its
///   last writes in a failover, does not stand there: it answers [`Applied::Lost`], changes
///   nothing, and the writer begins again. What an incarnation left behind counts as absent in
///   the next. So a session that missed a change never looks whole.
/// - **No durability.** It may be emptied, or forget single sessions, at any time.
#[async_trait]
pub trait HotStore: Send + Sync {
    /// Begins a new incarnation of `partition`: nothing of it is there, its progress is `cut`.
    /// None where the store stands beyond `cut` already: another writer is ahead, nothing is done.
    async fn begin(&self, partition: PartitionId, cut: Cut) -> Result<Option<Incarnation>>;

    /// Applies changes to the sessions that are there and then notes `changes.cut` as the
    /// partition's progress. `base` is the progress that the caller's last call left behind. A call
    /// that is repeated names the same base as before: a store that stands at `changes.cut` is
    /// where the writer wants it, too.
    async fn apply(&self, incarnation: Incarnation, base: Cut, changes: &Changes) -> Result<Applied>;

    /// Puts a session in, whole; `rows` holds all its totals. Ignored where the store has the
    /// session at the same cut or beyond, and where `incarnation` is over.
    async fn put(&self, incarnation: Incarnation, session: SessionRows) -> Result<()>;

    /// A session with its totals, and the partition's progress at that moment: one look, so that
    /// a session that is there reflects the progress, or more.
    async fn session(&self, partition: PartitionId, id: &str) -> Result<HotSession>;

    /// The prefix of the log that all present sessions of `partition` reflect; none after a loss.
    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>>;
}

/// Names one uninterrupted life of a partition in a hot store; never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(pub u64);

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is done; these sessions of it are absent.
    Done {
        /// In the order of the changes.
        absent: Vec<SessionId>,
    },
    /// The store does not stand where the writer believes; nothing was done that shows.
    Lost,
}

/// One look at a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HotSession {
    /// The partition's progress; none after a loss, and then no session either.
    pub progress: Option<Cut>,
    /// The session, if it is there.
    pub session: Option<Arc<SessionRows>>,
}
