//! Sessions: the list, and each one's attributes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tandem_model::partition::partition_of;
use tandem_model::row::SessionState;
use tandem_model::{PartitionId, SessionId, SessionRow};
use tandem_storage::{Select, SessionQuery};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{Failure, json};
use crate::request::{Call, Named, Parameters, given};
use crate::schemas::StateName;
use crate::wire::Meta;
use crate::{Query, cursor};

/// How many entries a page of a list holds at most.
pub(crate) const LIMIT_MAX: u64 = 1_000;
/// And how many when nothing is said.
pub(crate) const LIMIT: u64 = 100;

/// One live broadcast (场次). What its last accepted `session_start` said; `null` where that is
/// not known.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Session<'a> {
    /// Its id.
    id: &'a str,
    #[schema(required)]
    anchor_id: Option<&'a str>,
    #[schema(required)]
    room_id: Option<&'a str>,
    #[schema(required)]
    title: Option<&'a str>,
    #[schema(required)]
    category: Option<&'a str>,
    /// `ts` of that `session_start`, in milliseconds.
    #[schema(required)]
    started_at: Option<u64>,
    /// `ts` of the last accepted `session_end`, in milliseconds.
    #[schema(required)]
    ended_at: Option<u64>,
    /// `live` while figures may change, `final` once the lateness bound has passed, `corrected`
    /// when a refund or presale balance came after that.
    #[schema(value_type = StateName)]
    status: SessionState,
    #[schema(required)]
    anchor_name: Option<&'a str>,
    /// Followers of the anchor when it started.
    #[schema(required)]
    anchor_fans: Option<u64>,
    #[schema(required)]
    content_type: Option<&'a str>,
    #[schema(required)]
    region: Option<&'a str>,
    #[schema(required)]
    merchant_id: Option<&'a str>,
    #[schema(required)]
    brand: Option<&'a str>,
}

impl<'a> Session<'a> {
    /// The session `id` with this row.
    pub(crate) fn new(id: &'a str, row: &'a SessionRow) -> Self {
        let attributes = row.attributes.as_ref();
        Self {
            id,
            anchor_id: attributes.map(|known| known.anchor_id.as_str()),
            room_id: attributes.map(|known| known.room_id.as_str()),
            title: attributes.map(|known| known.title.as_str()),
            category: attributes.map(|known| known.category.as_str()),
            started_at: attributes.map(|known| known.started_at),
            ended_at: row.ended_at,
            status: row.state,
            anchor_name: attributes.map(|known| known.anchor_name.as_str()),
            anchor_fans: attributes.map(|known| known.anchor_fans),
            content_type: attributes.map(|known| known.content_type.as_str()),
            region: attributes.map(|known| known.region.as_str()),
            merchant_id: attributes.and_then(|known| known.merchant_id.as_deref()),
            brand: attributes.and_then(|known| known.brand.as_deref()),
        }
    }
}

/// One session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionAnswer<'a> {
    session: Session<'a>,
    /// About the answer.
    meta: &'a Meta,
}

/// One session's attributes.
///
/// What its last accepted `session_start` said, and how far it has come. A session exists from its
/// first event on; before its `session_start` most of it is `null`.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id.", example = "s-20241121-0001")),
    responses((status = 200, description = "The session.", body = SessionAnswer)),
)]
pub(crate) async fn session(
    State(query): State<Arc<Query>>,
    call: Call,
    Named(id): Named,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Failure> {
    let reading = query.session(&call, &id, &Select::Session).await?;
    let meta = query.meta_of(&call, &reading);
    Ok(json(&SessionAnswer { session: Session::new(&id, &reading.rows.session), meta: &meta }, &meta))
}

/// For calls without parameters: any is one too many.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParameters {}

/// Which sessions to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionsParameters {
    /// Only this anchor's.
    anchor_id: Option<String>,
    /// Only in this state.
    #[param(value_type = Option<StateName>)]
    status: Option<String>,
    /// Only sessions that started at or after this moment, in milliseconds. A session whose
    /// `session_start` is not known yet counts by its first accepted event.
    #[param(value_type = Option<u64>, example = 1_732_190_400_000_u64)]
    from: Option<String>,
    /// Only sessions that started before this moment, in milliseconds.
    #[param(value_type = Option<u64>)]
    to: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before, with the same other parameters.
    cursor: Option<String>,
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionsAnswer<'a> {
    /// Newest first; those that started at the same moment in the order of their ids.
    sessions: Vec<Session<'a>>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
    /// About the answer.
    meta: &'a Meta,
}

/// Sessions, newest first.
///
/// Paging is by place, not by count: sessions that begin meanwhile neither repeat nor hide
/// others.
///
/// Only sessions that the key sees, as if there were no others. For a merchant's or an advertiser's key
/// they have to be looked for among all sessions of the range of time; where those are too many (2,000
/// for an advertiser's, 10,000 for a merchant's), it is a 400 `bad-parameter`: narrow the range with
/// `from` and `to`.
#[utoipa::path(
    get,
    path = "/v1/sessions",
    tag = "sessions",
    params(SessionsParameters),
    responses((status = 200, description = "A page of sessions.", body = SessionsAnswer)),
)]
pub(crate) async fn sessions(
    State(query): State<Arc<Query>>,
    call: Call,
    Parameters(parameters): Parameters<SessionsParameters>,
) -> Result<Response, Failure> {
    let states = [SessionState::Live, SessionState::Final, SessionState::Corrected];
    let limit = given("limit", &parameters.limit).integer(1, LIMIT_MAX)?.unwrap_or(LIMIT) as usize;
    let wanted = SessionQuery {
        anchor_id: given("anchor_id", &parameters.anchor_id).id()?.map(str::to_owned),
        state: given("status", &parameters.status).one_of(states, SessionState::name)?,
        from: given("from", &parameters.from).moment()?,
        to: given("to", &parameters.to).moment()?,
        after: cursor::session(given("cursor", &parameters.cursor))?,
        // One more tells whether there is a next page.
        limit: limit + 1,
    };
    let (complete, is_stale) = query.positions(&call).await?;
    let mut found = query.listed(&call.asker, &wanted).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);

    let meta = query.meta_of_list(&call, &complete, versions(&query, &found), is_stale).await?;
    let last = found.last().filter(|_| has_more);
    let answer = SessionsAnswer {
        sessions: found.iter().map(|(id, row)| Session::new(id.as_str(), row)).collect(),
        next_cursor: last.map(|(id, row)| cursor::after_session(row.sort_ts(), id)),
        meta: &meta,
    };
    Ok(json(&answer, &meta))
}

/// Of each session of a list its partition and the position after its version.
pub(crate) fn versions(query: &Query, found: &[(SessionId, SessionRow)]) -> Vec<(PartitionId, u64)> {
    let partitions = query.log.partitions();
    found.iter().map(|(id, row)| (partition_of(id.as_str().as_bytes(), partitions), row.offset + 1)).collect()
}
