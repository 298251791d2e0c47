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
/// - **No durability.** It may be emptied, or forget single sessions, at any time.
#[async_trait]
pub trait HotStore: Send + Sync {
    /// Applies changes to the sessions that are there and then notes `changes.cut` as the
    /// partition's progress; answers which sessions of `changes` are absent.
    async fn apply(&self, changes: &Changes) -> Result<Vec<SessionId>>;

    /// Puts a session in, whole; `rows` holds all its totals. Ignored where the store has the
    /// session at the same cut or beyond.
    async fn put(&self, session: SessionRows) -> Result<()>;

    /// A session with its totals.
    async fn session(&self, id: &str) -> Result<Option<Arc<SessionRows>>>;

    /// The prefix of the log that all present sessions of `partition` reflect; none after a loss.
    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>>;
}
