//! The calls about anchors.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use tandem_model::calendar::Span;
use tandem_model::catalogue::Metric;
use tandem_model::row::SessionState;
use tandem_model::{Breakdown, Cut, SessionId, SessionRow, Stored, Table};
use tandem_storage::{Part, Select, SessionQuery, SessionRows};
use utoipa::IntoParams;

use super::answers::{Anchor, AnchorDay, AnchorHistory, AnchorSession, AnchorSessions, Sorted, SummedUsers};
use super::history::{Day, History};
use super::range::Range;
use crate::answer::{Failure, json};
use crate::figures::{Figures, Selection};
use crate::gathering::cuts_of;
use crate::report::room_values;
use crate::request::{Call, Named, Parameters, given};
use crate::schemas::{MetricName, StateName};
use crate::sessions::{Session, versions};
use crate::{Query, cursor};

/// How many sessions one history adds up at most.
const SESSIONS_MAX: usize = 1_000;
/// How many sessions a page with figures holds at most.
const LIMIT_MAX: u64 = 100;
/// And how many when nothing is said.
const LIMIT: u64 = 20;
/// What is told of each session when nothing is said.
const LISTED: [Metric; 4] = [
    Metric::Stored(Stored::Views),
    Metric::Stored(Stored::Viewers),
    Metric::Stored(Stored::Orders),
    Metric::Stored(Stored::GmvFen),
];

/// Which days.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AnchorParameters {
    /// Only sessions that started at or after this moment, in milliseconds; at most 93 days before `to`. When
    /// absent, 30 days before `to`.
    #[param(value_type = Option<u64>, example = 1_732_190_400_000_u64)]
    from: Option<String>,
    /// Only sessions that started before this moment, in milliseconds. When absent, 30 days after `from`; when
    /// both are, the end of the present day.
    #[param(value_type = Option<u64>, minimum = 1)]
    to: Option<String>,
    /// Only these metrics, separated by commas; all when absent.
    #[param(style = Form, explode = false, value_type = Option<Vec<MetricName>>, example = json!(["views", "gmv_fen"]))]
    metrics: Option<String>,
}

/// Which of an anchor's sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AnchorSessionsParameters {
    /// Only in this state.
    #[param(value_type = Option<StateName>)]
    status: Option<String>,
    /// Only sessions that started at or after this moment, in milliseconds.
    #[param(value_type = Option<u64>, example = 1_732_190_400_000_u64)]
    from: Option<String>,
    /// Only sessions that started before this moment, in milliseconds.
    #[param(value_type = Option<u64>)]
    to: Option<String>,
    /// Only these metrics, separated by commas; `views`, `viewers`, `orders` and `gmv_fen` when absent.
    #[param(style = Form, explode = false, value_type = Option<Vec<MetricName>>, example = json!(["views", "gmv_fen"]))]
    metrics: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 100, default = 20)]
    limit: Option<String>,
    /// `next_cursor` of the page before, with the same other parameters.
    cursor: Option<String>,
}

/// An anchor's figures over days.
///
/// Of the sessions that started in the range, each as a whole: their totals, and the same by calendar day.
/// Days and totals agree exactly. Of each sum, the days and `follow_ups` together are the total; what was
/// refused has no day and stands in `refused`; of each distinct count, the days are more than the total by
/// `repeated`. A session that runs over midnight counts on both days, on each with what happened then.
///
/// For operators and keys that were granted the anchor; for others there is no such anchor. A range of over
/// 93 days or 1,000 sessions is a 400 `bad-parameter`: ask for a shorter one.
#[utoipa::path(
    get,
    path = "/v1/anchors/{id}",
    tag = "anchors",
    params(("id" = String, Path, description = "The anchor's id.", example = "a-1"), AnchorParameters),
    responses((status = 200, description = "The anchor's history.", body = AnchorHistory)),
)]
pub(crate) async fn anchor(
    State(query): State<Arc<Query>>,
    call: Call,
    Named(id): Named,
    Parameters(parameters): Parameters<AnchorParameters>,
) -> Result<Response, Failure> {
    let metrics = Selection::of(given("metrics", &parameters.metrics))?.room;
    let (complete, is_stale) = query.positions(&call).await?;
    let calendar = query.rankings.calendar();
    let clock = complete.iter().map(|cut| cut.clock).max().unwrap_or(0);
    let (from, to) = (given("from", &parameters.from), given("to", &parameters.to));
    let range = Range::of(from, to, calendar, clock)?;
    let newest = query.newest_session(&call, &id, &complete, is_stale).await?;
    let wanted = SessionQuery {
        from: Some(range.from),
        to: Some(range.to),
        limit: SESSIONS_MAX + 1,
        ..of_anchor(&id)
    };
    let found = query.stores.rows.sessions(&wanted).await?;
    if found.len() > SESSIONS_MAX {
        let rule = format!("nearer to `to`: there are over {SESSIONS_MAX} sessions in between");
        return Err(from.problem(rule).into());
    }
    let sessions = query.of_each(&id, &found, &HISTORY_ROWS).await?;
    let mut history = History::default();
    for day in range.days(calendar) {
        history.days.insert(day, Day::default());
    }
    sessions.iter().for_each(|session| history.add(&session.rows));

    let shown = versions(&query, &found).into_iter().chain(cuts_of(&sessions)).collect();
    let meta = query.meta_of_list(&call, &complete, shown, is_stale).await?;
    let metrics = query.in_force(meta.as_of).metrics(metrics);
    let sorted = Sorted::new(&metrics);
    let day = |(start, day): (&u64, &'_ Day)| (*start, *day);
    let days: Vec<(u64, Day)> = history.days.iter().map(day).collect();
    let answer = AnchorHistory {
        anchor: Anchor::new(&id, &newest),
        from: range.from,
        to: range.to,
        time_zone: calendar.zone(),
        sessions: history.sessions,
        totals: Figures { metrics: &metrics, values: &history.totals },
        distinct: SummedUsers { metrics: &metrics, history: &history },
        days: days
            .iter()
            .map(|(start, day)| AnchorDay {
                date: calendar.date_text(*start),
                from: *start,
                to: calendar.end(Span::Day, *start),
                sessions: day.sessions,
                metrics: Figures { metrics: &sorted.by_day, values: &day.values },
            })
            .collect(),
        follow_ups: Figures { metrics: &sorted.follow_ups, values: &history.rest },
        refused: Figures { metrics: &sorted.refused, values: &history.rest },
        repeated: Figures { metrics: &sorted.repeated, values: &history.repeated },
        meta: &meta,
    };
    Ok(json(&answer, &meta))
}

/// An anchor's sessions, newest first, each with some figures.
///
/// Paging is by place, not by count: sessions that begin meanwhile neither repeat nor hide others. Each
/// session's figures are one consistent cut of their own.
///
/// For operators and keys that were granted the anchor; for others there is no such anchor.
#[utoipa::path(
    get,
    path = "/v1/anchors/{id}/sessions",
    tag = "anchors",
    params(("id" = String, Path, description = "The anchor's id.", example = "a-1"), AnchorSessionsParameters),
    responses((status = 200, description = "A page of the anchor's sessions.", body = AnchorSessions)),
)]
pub(crate) async fn anchor_sessions(
    State(query): State<Arc<Query>>,
    call: Call,
    Named(id): Named,
    Parameters(parameters): Parameters<AnchorSessionsParameters>,
) -> Result<Response, Failure> {
    let all: Vec<Metric> = Metric::all().collect();
    let metrics = given("metrics", &parameters.metrics).several(&all, Metric::id)?;
    let metrics = metrics.unwrap_or_else(|| LISTED.to_vec());
    let limit = given("limit", &parameters.limit).integer(1, LIMIT_MAX)?.unwrap_or(LIMIT) as usize;
    let states = [SessionState::Live, SessionState::Final, SessionState::Corrected];
    let wanted = SessionQuery {
        state: given("status", &parameters.status).one_of(states, SessionState::name)?,
        from: given("from", &parameters.from).moment()?,
        to: given("to", &parameters.to).moment()?,
        after: cursor::session(given("cursor", &parameters.cursor))?,
        // One more tells whether there is a next page.
        limit: limit + 1,
        ..of_anchor(&id)
    };
    let (complete, is_stale) = query.positions(&call).await?;
    query.newest_session(&call, &id, &complete, is_stale).await?;
    let mut found = query.stores.rows.sessions(&wanted).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.map(|(id, row)| cursor::after_session(row.sort_ts(), id));
    let sessions = query.of_each(&id, &found, &TOTAL_ROW).await?;
    let shown = versions(&query, &found).into_iter().chain(cuts_of(&sessions)).collect();
    let meta = query.meta_of_list(&call, &complete, shown, is_stale).await?;
    let metrics = query.in_force(meta.as_of).metrics(metrics);
    let listed = sessions.iter().map(|session| AnchorSession {
        session: Session::new(session.session_id.as_str(), &session.session),
        metrics: Figures { metrics: &metrics, values: room_values(&session.rows) },
    });
    Ok(json(&AnchorSessions { sessions: listed.collect(), next_cursor, meta: &meta }, &meta))
}

/// The totals of a session as a whole.
static TOTAL_ROW: LazyLock<Select> = LazyLock::new(|| Select::Parts(vec![room(Table::Total)]));

/// The same, and its days.
static HISTORY_ROWS: LazyLock<Select> =
    LazyLock::new(|| Select::Parts([Table::Total, Table::Calendar(Span::Day)].map(room).to_vec()));

const fn room(table: Table) -> Part {
    Part { table, breakdown: Breakdown::Room, buckets: 0..u64::MAX }
}

fn of_anchor(id: &str) -> SessionQuery {
    SessionQuery { anchor_id: Some(id.to_owned()), ..SessionQuery::default() }
}

impl Query {
    /// The newest session of an anchor whose figures the asker may see.
    ///
    /// # Errors
    ///
    /// When there is none, or it is not for the asker: both are one answer, and of the latter no store is
    /// asked for anything.
    async fn newest_session(
        &self,
        call: &Call,
        id: &str,
        complete: &[Cut],
        is_stale: bool,
    ) -> Result<SessionRow, Failure> {
        let is_granted = call.asker.grants().is_none_or(|grants| grants.anchors.contains(id));
        let mut newest = Vec::new();
        if is_granted && tandem_model::id::is_id(id) {
            newest = self.stores.rows.sessions(&SessionQuery { limit: 1, ..of_anchor(id) }).await?;
        }
        match newest.pop() {
            Some((_, row)) => Ok(row),
            None => {
                let cuts = crate::reading::numbered(complete);
                let meta = self.meta(call, &cuts, SessionState::Live, is_stale);
                Err(Failure::unknown_anchor(id, meta.token))
            }
        }
    }

    /// The rows of an anchor's sessions; one that has passed to another anchor since it was found is not
    /// this one's any more.
    async fn of_each(
        &self,
        anchor_id: &str,
        found: &[(SessionId, SessionRow)],
        select: &Select,
    ) -> Result<Vec<SessionRows>, Failure> {
        let wanted = found.iter().map(|(id, _)| (id.clone(), select.clone())).collect();
        let mut sessions = self.gather(wanted).await?;
        sessions.retain(|session| {
            session.session.attributes.as_ref().is_some_and(|known| known.anchor_id == anchor_id)
        });
        Ok(sessions)
    }
}
