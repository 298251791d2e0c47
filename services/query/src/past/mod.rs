//! Reports as they were, and why two of them differ: one session is replayed from the log.
//!
//! What is computed is pure and stands in `tandem-past`; here are the log, the waiting, the memory.
//!
//! - `at.rs`: what `at`, `from`, `to` may be, and which cut that is.
//! - `work.rs`: the way through the log, beside the request.
//! - `desk.rs`: who waits for it, how many there may be, and what is kept of it.
//!
//! # Why the request does not wait long
//! A replay reads the partition from the session's beginning, which takes as long as that is. A gateway
//! takes a question without an answer for a failure of the chain after half a second. So whoever asks
//! waits for [`desk::WAIT`], then is told to ask again; the replay goes on meanwhile.

mod at;
mod desk;
mod work;

use tandem_model::partition::partition_of;
use tandem_model::problem::Problem;

use crate::answer::Failure;
use crate::reading::Reading;
use crate::request::{Call, Given};
use crate::{Query, sight};

pub(crate) use at::At;
pub(crate) use desk::{Answer, Desk, Question, What};

impl Query {
    /// What a parameter says about the partition of session `id`.
    ///
    /// # Errors
    ///
    /// See [`At::of`].
    pub(crate) fn at(&self, given: Given<'_>, id: &str) -> Result<Option<At>, Problem> {
        At::of(given, self.log.id(), partition_of(id.as_bytes(), self.log.partitions()))
    }

    /// What the log says of the session that was read now: at `to`, or between `from` and there. Both
    /// are not beyond what was read ([`At::check`]).
    ///
    /// # Errors
    ///
    /// When it takes long, or the log can't be read that far back.
    pub(crate) async fn past(&self, live: &Reading, from: Option<At>, to: At) -> Result<Answer, Problem> {
        let (session_id, partition) = (live.rows.session_id.clone(), live.rows.partition);
        let what = match from {
            None => What::Reading(to),
            Some(from) => What::Difference { from, to },
        };
        let question = Question { session_id, partition, what };
        self.desk.ask(&self.log, &question, live.cut.next).await
    }

    /// The session that was read now, as it was then. Who may see what of it is decided as of now.
    ///
    /// # Errors
    ///
    /// Those of [`Query::past`]; and when it was not there yet, for this asker.
    pub(crate) async fn then(&self, call: &Call, live: Reading, at: At) -> Result<Reading, Failure> {
        let id = live.rows.session_id.as_str();
        let rows = match self.past(&live, None, at).await? {
            Answer::Session(rows) => sight::then(&call.asker, &live.rows.session, rows),
            Answer::Unknown | Answer::Explained(_) => None,
        };
        let Some(rows) = rows else { return Err(unknown_then(call, id)) };
        Ok(Reading { cut: rows.cut, rows, is_stale: false, degraded: live.degraded })
    }
}

/// There was no such session then. That says nothing about how far anybody has read.
pub(crate) fn unknown_then(call: &Call, id: &str) -> Failure {
    Failure::unknown_session(id, &call.token)
}
