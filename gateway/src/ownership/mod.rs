//! Whose sessions the events of a body are: a tenant sends events of its own sessions only.
//!
//! A session belongs to the anchor that its `session_start` names. For each session in a body:
//!
//! | the session | what is asked of the sender |
//! |---|---|
//! | is known | its anchor is among the sender's |
//! | is not known | a `session_start` of it stands in the same body, and names an anchor of the sender's |
//! | either | no `session_start` of it in the body names somebody else's anchor |
//!
//! So nobody takes over a session by starting it again under an anchor of his own. Bad lines count, too:
//! where they name a session, they would show among its rejected events.
//!
//! One line that is not allowed and the whole body is refused, with the lines named: nothing of it is
//! kept, so the sender can leave them out and send the rest as it was. A session of somebody else and one
//! that nobody has are told in the same words.
//!
//! # Who knows whose a session is
//! The chains do. What this gateway has found to be a sender's own it remembers for a minute, for that
//! key only: how fast an answer comes tells nobody about the sessions of others.
//!
//! # What it does not cover
//! Two tenants that start a session of one id at the same moment, before the chains show either: ids
//! are one space for all, so senders should take ids that others do not guess. That an id is taken can be
//! seen by trying to start it.

mod lines;
mod memory;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, try_join_all};
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tandem_identity::Caller;
use tandem_model::problem::Problem;
use tandem_model::{SessionId, Token};

use self::lines::{Lines, TooMany, sessions_of};
use self::memory::Memory;
use crate::chains::ChainRouter;
use crate::headers::{PREFER, TOKEN};

/// Most sessions in one body of a tenant.
pub(crate) const SESSIONS_MAX: usize = 1_000;
/// How many chains' answers are waited for at one time, for one body.
const LOOKS_AT_ONCE: usize = 16;
/// How long all of them may take.
const LOOKS_TIMEOUT: Duration = Duration::from_secs(5);
/// How many refused lines are named.
const ERRORS_MAX: usize = 100;
/// Bodies over this are read off the async threads, in bytes.
const INLINE_BYTES_MAX: usize = 64 * 1024;

/// Who owns what, as far as this gateway remembers.
#[derive(Default)]
pub(crate) struct Ownership {
    memory: Memory,
}

/// What was found out about the sessions of a body whose sender may write to them: their anchors.
pub(crate) struct Owned(Vec<(SessionId, Arc<str>)>);

/// What a body says of a session.
type Entry = (SessionId, Lines);

#[derive(Deserialize)]
struct Page {
    session: Described,
}

#[derive(Deserialize)]
struct Described {
    anchor_id: Option<String>,
}

impl Ownership {
    /// Whether all events of `body` may be sent by `caller`; asks the chains where that is not known.
    ///
    /// # Errors
    ///
    /// What to answer where they may not, or where nobody knows.
    pub(crate) async fn check(
        &self,
        chains: &Arc<ChainRouter>,
        caller: &Caller,
        body: &Bytes,
        token: Option<&Token>,
    ) -> Result<Owned, Problem> {
        let sessions = read_off_thread(body.clone()).await?;
        // Whoever names an anchor of somebody else is refused before anybody is asked.
        let is_foreign = |lines: &Lines| !lines.starts.iter().all(|anchor| caller.scope.owns(anchor));
        let mut refused: Vec<&Entry> = sessions.iter().filter(|entry| is_foreign(&entry.1)).collect();
        let mut owned = Owned(Vec::new());
        if refused.is_empty() {
            let is_unknown = |entry: &&Entry| {
                let anchor = self.memory.anchor_of(&caller.key_id, &entry.0);
                // Grants may have become fewer since.
                !anchor.is_some_and(|anchor| caller.scope.owns(&anchor))
            };
            let unknown: Vec<&Entry> = sessions.iter().filter(is_unknown).collect();
            let looking = anchors_of(chains, &unknown, token);
            let anchors = tokio::time::timeout(LOOKS_TIMEOUT, looking).await;
            let anchors = anchors.unwrap_or_else(|_| Err(nobody_knows()))?;
            let is_own = |entry: &Entry, anchor: Option<&str>| match anchor {
                Some(anchor) => caller.scope.owns(anchor),
                None => !entry.1.starts.is_empty(),
            };
            for (entry, anchor) in unknown.into_iter().zip(anchors) {
                match (is_own(entry, anchor.as_deref()), anchor) {
                    (false, _) => refused.push(entry),
                    (true, Some(anchor)) => owned.0.push((entry.0.clone(), anchor.into())),
                    // Under which of several it is started, the chains will know.
                    (true, None) if entry.1.starts.len() == 1 => {
                        let anchor = entry.1.starts.iter().next().map(|anchor| anchor.as_str().into());
                        owned.0.extend(anchor.map(|anchor| (entry.0.clone(), anchor)));
                    }
                    (true, None) => {}
                }
            }
        }
        if refused.is_empty() { Ok(owned) } else { Err(not_yours(&refused)) }
    }

    /// Remembers what was found, once the body was taken.
    pub(crate) fn remember(&self, caller: &Caller, owned: Owned) {
        for (session, anchor) in owned.0 {
            self.memory.note(&caller.key_id, session, anchor);
        }
    }
}

async fn read_off_thread(body: Bytes) -> Result<Vec<Entry>, Problem> {
    let read = if body.len() <= INLINE_BYTES_MAX {
        sessions_of(&body, SESSIONS_MAX)
    } else {
        let reading = tokio::task::spawn_blocking(move || sessions_of(&body, SESSIONS_MAX));
        reading.await.map_err(|error| {
            tracing::error!(%error, "a body was not read");
            Problem::internal("reading the body failed on our side; it has been logged")
        })?
    };
    read.map_err(|TooMany| {
        let detail = format!("the body has events of over {SESSIONS_MAX} sessions: send it in smaller parts");
        Problem::too_large(detail)
    })
}

/// The anchor of each of these sessions, some at a time.
async fn anchors_of(
    chains: &Arc<ChainRouter>,
    sessions: &[&Entry],
    token: Option<&Token>,
) -> Result<Vec<Option<String>>, Problem> {
    let mut anchors = Vec::with_capacity(sessions.len());
    for some in sessions.chunks(LOOKS_AT_ONCE) {
        let looks: Vec<BoxFuture<'static, Result<Option<String>, Problem>>> = some
            .iter()
            .map(|(session, _)| anchor_of(Arc::clone(chains), question(session, token)).boxed())
            .collect();
        anchors.extend(try_join_all(looks).await?);
    }
    Ok(anchors)
}

/// The anchor that a session belongs to; nothing where there is no such session, or it has none yet.
async fn anchor_of(chains: Arc<ChainRouter>, question: Parts) -> Result<Option<String>, Problem> {
    let answer = chains.answer(&question).await;
    match answer.status() {
        StatusCode::OK => {
            let page: Page = serde_json::from_slice(answer.body()).map_err(|error| {
                tracing::error!(%error, "a chain's session is unreadable");
                nobody_knows()
            })?;
            Ok(page.session.anchor_id)
        }
        StatusCode::NOT_FOUND => Ok(None),
        _ => Err(nobody_knows()),
    }
}

/// Reads a session with an operator's eyes, and not as it was before the sender's own events.
fn question(session: &SessionId, token: Option<&Token>) -> Parts {
    let mut request = Request::new(());
    let target = format!("/v1/sessions/{}", session.as_str());
    *request.uri_mut() = target.parse().expect("ids have only characters that a path may have");
    request.extensions_mut().insert(Caller::operator());
    request.headers_mut().insert(PREFER, HeaderValue::from_static("fresh"));
    if let Some(token) = token {
        let token = HeaderValue::try_from(token.encode()).expect("base64url makes a header");
        request.headers_mut().insert(TOKEN, token);
    }
    request.into_parts().0
}

fn nobody_knows() -> Problem {
    Problem::unavailable(
        "whose these sessions are can't be read right now; nothing was taken: try again in a moment",
    )
}

/// `refused` in the order of their first lines.
fn not_yours(refused: &[&Entry]) -> Problem {
    let lines: u64 = refused.iter().map(|(_, lines)| lines.count).sum();
    let errors: Vec<_> = refused
        .iter()
        .take(ERRORS_MAX)
        .map(|(session, lines)| {
            json!({
                "line": lines.first,
                "lines": lines.count,
                "field": "session_id",
                "session_id": session.as_str(),
                "reason": "not_your_session",
                "detail": "you have no such session",
            })
        })
        .collect();
    Problem::forbidden(format!(
        "{lines} of the lines belong to sessions that you do not have; `errors` names each session with its first \
         line. Nothing of this body was taken: send it without these lines. A session becomes yours by its \
         session_start, which names an anchor of yours and is sent before or with its other events"
    ))
    .with("errors", errors)
}

#[cfg(test)]
mod tests;
