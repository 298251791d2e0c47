//! Events that were not counted: of one session, and all of them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use tandem_model::rejected::{Reason, Rejected};
use tandem_model::row::SessionState;
use tandem_model::{Breakdown, Cut, PartitionId, Stored};
use tandem_storage::{DeadLetterQuery, Place, Select};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{Failure, json};
use crate::reading::numbered;
use crate::request::{Call, Named, OperatorCall, Parameters, given};
use crate::schemas::ReasonName;
use crate::sessions::{LIMIT, LIMIT_MAX};
use crate::wire::Meta;
use crate::{Query, cursor, sight};

/// Which events to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RejectedParameters {
    /// Only those refused for this reason.
    #[param(value_type = Option<ReasonName>)]
    reason: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before, with the same other parameters.
    cursor: Option<String>,
}

/// A page of events that were not counted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RejectedAnswer<'a> {
    /// In the order of the log, partition by partition.
    rejected: Vec<Item<'a>>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
    /// About the answer.
    meta: &'a Meta,
}

/// An event that was not counted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rejected)]
pub(crate) struct Item<'a> {
    #[schema(value_type = ReasonName)]
    reason: &'static str,
    /// Malformed ones only: what is wrong.
    #[schema(required)]
    detail: Option<Detail>,
    /// Where it stands in the log.
    partition: u32,
    /// Where it stands in the partition.
    offset: u64,
    /// The partition's clock when it came, in milliseconds; 0 before the first beat.
    clock: u64,
    /// When it happened, in milliseconds; `null` for malformed ones.
    #[schema(required)]
    ts: Option<u64>,
    #[schema(required)]
    event_id: Option<&'a str>,
    #[serde(rename = "type")]
    #[schema(required)]
    event_type: Option<&'a str>,
    /// The viewer's pseudonym.
    #[schema(required)]
    user: Option<String>,
    /// What it would have added to the session's sums, distinct users counted as 1.
    #[schema(schema_with = crate::schemas::would_add)]
    would_add: WouldAdd<'a>,
    /// The session it counts for; `null` where it counts for the whole partition.
    #[schema(required)]
    session_id: Option<&'a str>,
}

/// What is wrong with a line that is no event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Detail {
    /// Stable, for programs: `missing`, `bad_id`, …
    problem: &'static str,
    /// The field it is wrong with, where it is a field.
    #[schema(required)]
    field: Option<&'static str>,
    /// The same for people.
    sentence: String,
}

impl<'a> Item<'a> {
    fn new(rejected: &'a Rejected) -> Self {
        let detail = match &rejected.reason {
            Reason::Malformed(malformed) => Some(Detail {
                problem: malformed.problem.name(),
                field: malformed.field.map(|field| field.name()),
                sentence: malformed.to_string(),
            }),
            Reason::Late | Reason::Future | Reason::Duplicate => None,
        };
        let event = rejected.event.as_ref();
        Self {
            reason: rejected.reason.name(),
            detail,
            partition: rejected.partition.0,
            offset: rejected.offset,
            clock: rejected.clock,
            ts: event.map(|event| event.ts),
            event_id: event.map(|event| event.event_id.as_str()),
            event_type: event.map(|event| event.event_type.as_str()),
            user: event.and_then(|event| event.user).map(|user| format!("{user:032x}")),
            would_add: WouldAdd(event.map_or(&[], |event| &event.would_add)),
            session_id: rejected.session_id.as_ref().map(|id| id.as_str()),
        }
    }
}

#[derive(Debug)]
struct WouldAdd<'a>(&'a [(Stored, u64)]);

impl Serialize for WouldAdd<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (stored, value) in self.0 {
            map.serialize_entry(stored.id(), value)?;
        }
        map.end()
    }
}

/// A session's events that were not counted.
///
/// Late, from the future, sent twice, or malformed: with the reason, the place in the log, and
/// what they would have added. The key must see all of the session, not a part.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/rejected",
    tag = "quality",
    params(("id" = String, Path, description = "The session's id.", example = "s-20241121-0001"), RejectedParameters),
    responses((status = 200, description = "A page of events.", body = RejectedAnswer)),
)]
pub(crate) async fn rejected(
    State(query): State<Arc<Query>>,
    call: Call,
    Named(id): Named,
    Parameters(parameters): Parameters<RejectedParameters>,
) -> Result<Response, Failure> {
    let (wanted, limit) = wanted(&parameters)?;
    let reading = query.session(&call, &id, &Select::Session).await?;
    // They are of the whole session: of users, not of items or channels.
    sight::check(call.asker.view(&reading.rows.session), &[Breakdown::Room])?;
    let meta = query.meta_of(&call, &reading);
    let wanted = DeadLetterQuery { session_id: Some(id), ..wanted };
    let page = page(&query, wanted, limit, &[(reading.rows.partition, reading.cut)]).await?;
    Ok(page.answer(&meta))
}

/// All events that were not counted, for operators.
///
/// Of all sessions and of none: also lines that name no session. Partition by partition, in the order
/// of the log; users only as pseudonyms.
#[utoipa::path(
    get,
    path = "/v1/deadletters",
    tag = "operators",
    params(RejectedParameters),
    responses((status = 200, description = "A page of events.", body = RejectedAnswer)),
)]
pub(crate) async fn dead_letters(
    State(query): State<Arc<Query>>,
    OperatorCall(call): OperatorCall,
    Parameters(parameters): Parameters<RejectedParameters>,
) -> Result<Response, Failure> {
    let (wanted, limit) = wanted(&parameters)?;
    let (cuts, is_stale) = query.positions(&call).await?;
    let cuts = numbered(&cuts);
    let meta = query.meta(&call, &cuts, SessionState::Live, is_stale);
    Ok(page(&query, wanted, limit, &cuts).await?.answer(&meta))
}

fn wanted(parameters: &RejectedParameters) -> Result<(DeadLetterQuery, usize), Failure> {
    let limit = given("limit", &parameters.limit).integer(1, LIMIT_MAX)?.unwrap_or(LIMIT) as usize;
    let wanted = DeadLetterQuery {
        session_id: None,
        reason: given("reason", &parameters.reason).one_of(Reason::NAMES, |name| name)?,
        after: cursor::place(given("cursor", &parameters.cursor))?,
        // One more tells whether there is a next page.
        limit: limit + 1,
    };
    Ok((wanted, limit))
}

struct Page {
    rejected: Vec<Rejected>,
    next_cursor: Option<String>,
}

impl Page {
    fn answer(&self, meta: &Meta) -> Response {
        let rejected = self.rejected.iter().map(Item::new).collect();
        json(&RejectedAnswer { rejected, next_cursor: self.next_cursor.clone(), meta }, meta)
    }
}

/// The next `limit` dead letters below the cuts. What stands beyond a partition's cut is there
/// already, but does not belong to the answer: the list goes on in the next partition.
async fn page(
    query: &Query,
    mut wanted: DeadLetterQuery,
    limit: usize,
    cuts: &[(PartitionId, Cut)],
) -> Result<Page, Failure> {
    let mut rejected: Vec<Rejected> = Vec::new();
    // Each round but the last leaves a partition behind.
    while rejected.len() <= limit {
        let found = query.stores.dead_letters.list(&wanted).await?;
        let is_all = found.len() < wanted.limit;
        let below = |one: &Rejected| {
            cuts.iter().any(|(partition, cut)| *partition == one.partition && one.offset < cut.next)
        };
        let beyond = found.iter().find(|one| !below(one)).map(|one| one.partition);
        rejected.extend(found.into_iter().take_while(below));
        match beyond {
            Some(partition) => wanted.after = Some(Place { partition, offset: u64::MAX }),
            None if is_all => break,
            None => {}
        }
    }
    let has_more = rejected.len() > limit;
    rejected.truncate(limit);
    let last = rejected.last().filter(|_| has_more);
    let next_cursor =
        last.map(|one| cursor::after_place(Place { partition: one.partition, offset: one.offset }));
    Ok(Page { rejected, next_cursor })
}
