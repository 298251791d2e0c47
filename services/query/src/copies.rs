//! What one store of this chain holds of a session: for whoever compares the stores of both chains.
//!
//! Reads of users go to the store that answers best; these go to the one that is named, and to no
//! other, so that a wrong copy can't hide behind a right one. Never reached through the gateway.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use tandem_model::SessionId;
use tandem_model::partition::partition_of;
use tandem_model::problem::Problem;
use tandem_model::row::SessionState;
use tandem_storage::{Select, SessionQuery, SessionRows};

use crate::Query;
use crate::answer::Failure;
use crate::reading::{Source, farther};
use crate::request::{Named, Parameters, given};
use crate::wire::{FigureRow, SessionCopy, SessionDump, SessionIds};

/// How many ids a page holds at most, and when nothing is said.
const IDS_MAX: u64 = 1_000;

/// Which sessions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdsParameters {
    /// Only greater ids.
    after: Option<String>,
    /// How many at most.
    limit: Option<String>,
    /// `live`: only sessions that are not final, newest first instead of by id.
    state: Option<String>,
}

/// `GET /internal/v1/sessions`: ids of sessions, as the row store lists them.
pub(crate) async fn ids(
    State(query): State<Arc<Query>>,
    Parameters(parameters): Parameters<IdsParameters>,
) -> Result<axum::Json<SessionIds>, Failure> {
    let after = given("after", &parameters.after).id()?;
    let limit = given("limit", &parameters.limit).integer(1, IDS_MAX)?.unwrap_or(IDS_MAX) as usize;
    let state = given("state", &parameters.state);
    let ids = match state.text() {
        None => query.stores.rows.session_ids(after, limit).await?,
        Some("live") => {
            let live = SessionQuery { state: Some(SessionState::Live), limit, ..SessionQuery::default() };
            query.stores.rows.sessions(&live).await?.into_iter().map(|(id, _)| id).collect()
        }
        Some(_) => return Err(state.problem("`live`, or absent").into()),
    };
    Ok(axum::Json(SessionIds { ids }))
}

/// Which copy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CopyParameters {
    /// `hot` or `rows`.
    store: Option<String>,
}

/// `GET /internal/v1/copies/{session}`: what one store holds of a session, as of one cut.
pub(crate) async fn copy(
    State(query): State<Arc<Query>>,
    Named(id): Named,
    Parameters(parameters): Parameters<CopyParameters>,
) -> Result<axum::Json<SessionCopy>, Failure> {
    let Some(id) = SessionId::new(&id) else {
        return Err(Problem::bad_parameter("this can't be a session's id").into());
    };
    let partition = partition_of(id.as_str().as_bytes(), query.log.partitions());
    let store = given("store", &parameters.store);
    // The progress first: see the head of `reading.rs`.
    let (progress, session) = match store.text() {
        Some(name) if name == Source::Hot.name() => {
            let look = query.stores.hot.session(partition, id.as_str()).await?;
            (look.progress, look.session.map(Arc::unwrap_or_clone))
        }
        Some(name) if name == Source::Rows.name() => {
            let progress = query.stores.rows.progress(partition).await?;
            (progress, query.stores.rows.session(id.as_str(), &Select::All).await?)
        }
        _ => return Err(store.problem("`hot` or `rows`").into()),
    };
    let cut = session.as_ref().map(|session| farther(session.cut, progress));
    let dump = |SessionRows { session_id, session, rows, .. }| SessionDump {
        session_id,
        partition: partition.0,
        cut: cut.unwrap_or_default(),
        session,
        rows: rows.into_iter().map(FigureRow).collect(),
    };
    Ok(axum::Json(SessionCopy {
        partition: partition.0,
        cut: cut.or(progress).unwrap_or_default(),
        retention: query.stores.rows.retention(),
        session: session.map(dump),
    }))
}
