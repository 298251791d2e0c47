//! Sessions side by side: their figures, how far they differ, which is best, what is usual; and their
//! series laid over each other.
//!
//! # Figures at a minute
//!
//! With `at` every session is shown as of the same time since its start. Sums then come from
//! the trend's minutes, so they are exact at the precision of a minute: every minute that begins
//! before the moment counts, those before the start included. Distinct users can't be added up
//! over minutes (the same viewer is in many), and what was refused has no minute at all: those
//! metrics are `null` and named in `not_at`, with all that are computed from them. Reading
//! them as of a moment needs a replay from the log.
//!
//! | what | where |
//! |---|---|
//! | one session cut to a moment | `sides.rs` |
//! | values, differences, best and worst | `shown.rs` |
//! | by the keys of breakdowns | `split.rs` |
//! | the anchor's median, the category's percentile | `usual.rs` |

mod shown;
mod sides;
mod split;
mod usual;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tandem_model::catalogue::Metric;
use tandem_model::row::SessionState;
use tandem_model::time::{DAY_MS, Window};
use tandem_model::{Breakdown, Cut, PartitionId, SessionId, SessionRow};
use tandem_storage::{Select, SessionQuery};
use utoipa::{IntoParams, ToSchema};

use self::shown::{Differences, Marks, Shown, marks};
use self::sides::{Side, check_minutes, is_told_at, select};
use self::split::{Split, check_keys};
use self::usual::{Others, Usual};
use crate::answer::{Failure, json};
use crate::buckets::{Points, Series, check_points, count};
use crate::figures::Selection;
use crate::reading::Reading;
use crate::request::{Call, Given, Named, Parameters, given};
use crate::schemas::{AlignName, BreakdownName, MetricName};
use crate::sessions::Session;
use crate::wire::Meta;
use crate::{Query, sight};

pub(crate) use shown::{Difference, difference};
pub(crate) use split::ComparedKey;

/// How many sessions stand side by side, the first included.
const SESSIONS_MAX: usize = 10;
/// The farthest moment since the start that can be asked for, in milliseconds.
const AT_MS_MAX: u64 = 366 * DAY_MS;

/// What to compare with, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CompareParameters {
    /// The other sessions' ids, separated by commas; up to 9, each once. When absent, the session before this
    /// one of the same anchor, if there is one; while this one is on air, at the same minute since the start.
    #[param(style = Form, explode = false, value_type = Option<Vec<String>>, example = json!(["s2", "s3"]))]
    with: Option<String>,
    /// Only these metrics, separated by commas; all when absent.
    #[param(style = Form, explode = false, value_type = Option<Vec<MetricName>>, example = json!(["views", "gmv_fen"]))]
    metrics: Option<String>,
    /// Also by these breakdowns, separated by commas; none when absent.
    #[param(style = Form, explode = false, value_type = Option<Vec<BreakdownName>>, example = json!(["source"]))]
    breakdowns: Option<String>,
    /// `start` (when absent) counts minutes from each session's own start, `clock` leaves them
    /// where they are.
    #[param(value_type = Option<AlignName>, default = "start")]
    align: Option<String>,
    /// Figures as of this long after each session's start, in milliseconds; the present ones when
    /// absent.
    #[param(value_type = Option<u64>, maximum = 31_622_400_000_u64, example = 600_000)]
    at: Option<String>,
}

/// Sessions side by side.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Comparison<'a> {
    #[schema(value_type = AlignName)]
    align: &'static str,
    /// How long after their start the sessions are shown, in milliseconds; `null` for the present.
    #[schema(required)]
    at_ms: Option<u64>,
    /// The metrics that can't be told as of a moment, and are `null` therefore.
    #[schema(value_type = Vec<MetricName>)]
    not_at: Vec<&'static str>,
    /// The first is the one in the path; the others follow as they were named.
    sessions: Vec<Compared<'a>>,
    /// What is usual beside the first session's figures, at the same moment.
    usual: Usual<'a>,
    /// Per session its minutes, under its id; up to the moment where one is asked for.
    series: Vec<Series<'a>>,
    /// About the answer: the earliest of the sessions' moments, the liveliest of their states.
    meta: &'a Meta,
}

/// One of the sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Compared<'a> {
    session: Session<'a>,
    #[schema(schema_with = crate::schemas::compared_metrics)]
    metrics: Shown<'a>,
    /// Per metric the difference from the first session: absolute, and relative to the first
    /// session's value (`null` where that is 0 or undefined). `null` for the first itself.
    #[schema(schema_with = crate::schemas::differences)]
    difference: Option<Differences<'a>>,
    /// The metrics in which the session is the `best` or the `worst` one: of refunds, unfollows and what is
    /// doubtful less is better. Sessions that share a value share its mark.
    #[schema(schema_with = crate::schemas::marks)]
    marks: Marks,
    /// Per breakdown that was asked for the keys of all the sessions, the same in each.
    #[schema(schema_with = crate::schemas::compared_breakdowns)]
    breakdowns: Split<'a>,
}

/// Sessions side by side.
///
/// Each session's figures are one consistent cut of their own. The key must see all of each session,
/// not a part. Beside the first session's figures stands what is usual: the median of the anchor's own
/// sessions before it, and where it stands among the category's.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/compare",
    tag = "figures",
    params(("id" = String, Path, description = "The first session's id.", example = "s1"), CompareParameters),
    responses((status = 200, description = "The sessions side by side.", body = Comparison)),
)]
pub(crate) async fn compare(
    State(query): State<Arc<Query>>,
    call: Call,
    Named(id): Named,
    Parameters(parameters): Parameters<CompareParameters>,
) -> Result<Response, Failure> {
    let selection = Selection::of(given("metrics", &parameters.metrics))?;
    let breakdowns = given("breakdowns", &parameters.breakdowns);
    let breakdowns = breakdowns.several(&Breakdown::PUBLIC, Breakdown::name)?.unwrap_or_default();
    let aligns = ["start", "clock"];
    let align = given("align", &parameters.align).one_of(aligns, |name| name)?.unwrap_or("start");
    let mut at_ms = given("at", &parameters.at).integer(0, AT_MS_MAX)?;
    let mut ids = ids(&id, given("with", &parameters.with))?;
    if ids.len() == 1 {
        let (last, moment) = query.last_time(&call, &id).await?;
        ids.extend(last);
        at_ms = at_ms.or(moment);
    }

    // One after the other: there are few, and none is on the hot path.
    let select = select(&breakdowns, at_ms.is_some());
    let mut readings = Vec::with_capacity(ids.len());
    for id in &ids {
        let reading = query.session(&call, id, &select).await?;
        sight::check(call.asker.view(&reading.rows.session), &[Breakdown::Room])?;
        readings.push(reading);
    }

    for (id, reading) in ids.iter().zip(&readings).filter(|_| at_ms.is_some()) {
        check_minutes(id, reading, query.stores.rows.retention())?;
    }
    let sides: Vec<Side<'_>> = readings.iter().map(|reading| Side::new(reading, at_ms)).collect();
    let points = sides.iter().map(|side| count(&side.span, Window::Minute)).fold(0, u64::saturating_add);
    check_points(points, "compare fewer sessions, or take an earlier `at`")?;

    // Before what is usual is read: it must not be older than what the client has seen either.
    let (complete, is_behind) = query.positions(&call).await?;
    let first = &readings[0];
    let others = query.others(&ids[0], &first.rows.session, at_ms, first.cut.clock).await?;
    let meta = meta(&query, &call, &readings, Beside { others: &others, complete: &complete, is_behind });

    let selection = query.in_force(meta.as_of).selection(selection);
    let metrics = &selection.room;
    let is_told = |metric: Metric| at_ms.is_none() || is_told_at(metric);
    let shown: Vec<Shown<'_>> = sides.iter().map(|side| Shown::new(metrics, &side.values, is_told)).collect();
    let splits = Split::of(&sides, &breakdowns, &selection.keyed, is_told);
    check_keys(&splits)?;
    let trended: Vec<Metric> = metrics.iter().copied().filter(|metric| metric.has_trend()).collect();
    let usual = others.usual(&shown[0], at_ms);
    let rest = shown.iter().zip(marks(&shown)).zip(splits);
    let answer = Comparison {
        align,
        at_ms,
        not_at: metrics.iter().filter(|metric| !is_told(**metric)).map(|metric| metric.id()).collect(),
        sessions: rest
            .enumerate()
            .map(|(index, ((figures, marks), breakdowns))| Compared {
                session: Session::new(&ids[index], &readings[index].rows.session),
                metrics: figures.clone(),
                difference: (index > 0).then(|| Differences::new(&shown[0], figures)),
                marks,
                breakdowns,
            })
            .collect(),
        usual,
        series: (0..sides.len())
            .map(|index| {
                let side = &sides[index];
                let points = Points {
                    rows: side.minutes,
                    metrics: &trended,
                    window: Window::Minute,
                    span: side.span.clone(),
                    origin: (align == "start").then_some(Window::Minute.bucket(side.start)),
                };
                Series { key: &ids[index], points }
            })
            .collect(),
        meta: &meta,
    };
    Ok(json(&answer, &meta))
}

/// The ids side by side; the first alone where no others are named.
fn ids(first: &str, with: Given<'_>) -> Result<Vec<String>, Failure> {
    let rule = format!("1 to {} ids of other sessions, separated by commas, each once", SESSIONS_MAX - 1);
    let mut ids = vec![first.to_owned()];
    for id in with.text().into_iter().flat_map(|text| text.split(',')) {
        if SessionId::new(id).is_none() || ids.iter().any(|known| known == id) || ids.len() == SESSIONS_MAX {
            return Err(with.problem(&rule).into());
        }
        ids.push(id.to_owned());
    }
    Ok(ids)
}

impl Query {
    /// The session before this one of the same anchor, and for one that is on air how long it has been.
    async fn last_time(&self, call: &Call, id: &str) -> Result<(Option<String>, Option<u64>), Failure> {
        let reading = self.session(call, id, &Select::Session).await?;
        let session: &SessionRow = &reading.rows.session;
        // Before anything is read on behalf of somebody who may not compare.
        sight::check(call.asker.view(session), &[Breakdown::Room])?;
        let Some(known) = &session.attributes else { return Ok((None, None)) };
        let wanted = SessionQuery {
            anchor_id: Some(known.anchor_id.clone()),
            to: Some(known.started_at),
            limit: 1,
            ..SessionQuery::default()
        };
        let last = self.stores.rows.sessions(&wanted).await?.pop().map(|(id, _)| id.as_str().to_owned());
        let is_live = session.state == SessionState::Live;
        let moment = reading.cut.clock.saturating_sub(known.started_at).min(AT_MS_MAX);
        Ok((last, is_live.then_some(moment)))
    }
}

/// What was read beside the sessions, from other partitions, too.
struct Beside<'a> {
    others: &'a Others,
    /// How far every partition was complete before.
    complete: &'a [Cut],
    is_behind: bool,
}

fn meta(query: &Query, call: &Call, readings: &[Reading], beside: Beside<'_>) -> Meta {
    let mut cuts: Vec<_> = readings.iter().map(|reading| (reading.rows.partition, reading.cut)).collect();
    cuts.extend(beside.others.all().map(|session| {
        let PartitionId(partition) = session.partition;
        let cut = beside.complete.get(partition as usize).copied().unwrap_or_default();
        (session.partition, Cut { next: cut.next.max(session.cut.next), ..cut })
    }));
    let stale = readings.iter().any(|reading| reading.is_stale)
        || (beside.is_behind && beside.others.all().next().is_some());
    let states = readings.iter().map(|reading| reading.rows.session.state);
    // Whatever may still change makes the whole answer one that may.
    let state = states.min_by_key(|state| match state {
        SessionState::Live => 0,
        SessionState::Corrected => 1,
        SessionState::Final => 2,
    });
    let mut meta = query.meta(call, &cuts, state.unwrap_or_default(), stale);
    for reading in readings {
        for name in &reading.degraded {
            if !meta.degraded.iter().any(|known| known == name) {
                meta.degraded.push((*name).to_owned());
            }
        }
    }
    meta
}
