//! The calls for boards.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts as RequestParts;
use serde::Deserialize;
use tandem_boards::{FanTier, Filter, Moved, Place, Standing as Worked};
use tandem_model::calendar::Period;
use tandem_model::catalogue::{BOARDS, Board};
use tandem_model::problem::Problem;
use tandem_model::row::SessionState;
use tandem_model::{Cut as Prefix, Step};
use tokio::sync::MutexGuard;
use utoipa::IntoParams;

use super::answers::{
    AT_MAX, Boards, MOVED_MAX, MovedSubject, Parts, RankedSubject, Ranking, RankingRow, Score, Standing,
};
use super::edition::{Cut, Edition, Moment, State as EditionState};
use super::gathered::{Gathered, at_length, cut_at, prefixes as prefixes_of};
use super::standings::Asked;
use crate::answer::{Failure, json};
use crate::reading::numbered;
use crate::request::{Call, Given, Named, Parameters, given};
use crate::sessions::{LIMIT, LIMIT_MAX, NoParameters};
use crate::wire::Meta;
use crate::{Query, cursor};

/// How long a label in a filter may be.
const LABEL_CHARS_MAX: usize = 64;

/// Which period of a board, and which sessions count.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RankingParameters {
    /// `hour`, `day` (when absent), `week` (from Monday) or `month`, in the time zone of the boards.
    #[param(value_type = Option<String>, pattern = "^(hour|day|week|month)$", default = "day", example = "hour")]
    period: Option<String>,
    /// The period that this moment lies in, in milliseconds; the present one when absent.
    #[param(value_type = Option<u64>, maximum = 4_110_912_000_000_u64, example = 1_732_190_400_000_u64)]
    at: Option<String>,
    /// The edition cut first at or after the five seconds that this moment lies in, in milliseconds; the newest
    /// when absent. Those of every five seconds are kept for an hour, the first of each minute for a day, the closed
    /// one and its corrections always. Without `at` the period is the one of that moment.
    #[param(value_type = Option<u64>, maximum = 9_007_199_254_740_991_u64)]
    edition: Option<String>,
    /// Only sessions of this category.
    #[param(max_length = 64, example = "beauty")]
    category: Option<String>,
    /// Only sessions of anchors of this size: `nano`, `micro`, `mid`, `macro` or `mega`.
    #[param(value_type = Option<String>, pattern = "^(nano|micro|mid|macro|mega)$", example = "mid")]
    fan_tier: Option<String>,
    /// Only sessions of this type of content.
    #[param(max_length = 64, example = "sale")]
    content_type: Option<String>,
    /// Only sessions of this region.
    #[param(max_length = 64, example = "zhejiang")]
    region: Option<String>,
    /// How many rows at most.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before, with the same other parameters.
    cursor: Option<String>,
}

/// The same, for one subject.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SubjectParameters {
    /// `hour`, `day` (when absent), `week` (from Monday) or `month`, in the time zone of the boards.
    #[param(value_type = Option<String>, pattern = "^(hour|day|week|month)$", default = "day", example = "hour")]
    period: Option<String>,
    /// The period that this moment lies in, in milliseconds; the present one when absent.
    #[param(value_type = Option<u64>, maximum = 4_110_912_000_000_u64, example = 1_732_190_400_000_u64)]
    at: Option<String>,
    /// The edition cut first at or after the five seconds that this moment lies in, in milliseconds; the newest
    /// when absent. Those of every five seconds are kept for an hour, the first of each minute for a day, the closed
    /// one and its corrections always. Without `at` the period is the one of that moment.
    #[param(value_type = Option<u64>, maximum = 9_007_199_254_740_991_u64)]
    edition: Option<String>,
    /// Only sessions of this category.
    #[param(max_length = 64, example = "beauty")]
    category: Option<String>,
    /// Only sessions of anchors of this size: `nano`, `micro`, `mid`, `macro` or `mega`.
    #[param(value_type = Option<String>, pattern = "^(nano|micro|mid|macro|mega)$", example = "mid")]
    fan_tier: Option<String>,
    /// Only sessions of this type of content.
    #[param(max_length = 64, example = "sale")]
    content_type: Option<String>,
    /// Only sessions of this region.
    #[param(max_length = 64, example = "zhejiang")]
    region: Option<String>,
}

/// The board and the subject of a path.
#[derive(Debug)]
pub(crate) struct BoardNames(String, String);

impl<S: Send + Sync> FromRequestParts<S> for BoardNames {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut RequestParts, state: &S) -> Result<Self, Infallible> {
        // What is no text at all names nothing.
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        Ok(path
            .map(|Path((board, subject))| Self(board, subject))
            .unwrap_or(Self(String::new(), String::new())))
    }
}

/// All boards.
///
/// What each means, whom it lists, how its score is computed, and from which sample on somebody is listed.
#[utoipa::path(
    get,
    path = "/v1/rankings",
    tag = "boards",
    responses((status = 200, description = "The boards.", body = Boards)),
)]
pub(crate) async fn boards(
    State(query): State<Arc<Query>>,
    call: Call,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Failure> {
    let meta = query.meta(&call, &[], SessionState::Live, false);
    Ok(json(&Boards::new(BOARDS, query.rankings.calendar().zone(), &meta), &meta))
}

/// The top of a board in one period.
///
/// Everything that counted in the period, exactly, as of one edition: a new one is cut every five seconds
/// until ten minutes after the period's end, when it is closed. Filters narrow the sessions that count and
/// combine freely. Boards are public: every key sees the same.
///
/// A verdict that comes after the close makes a corrected edition, which lists in `moved` who stands elsewhere
/// since, or for other reasons; `edition` with the moment of the close still gives the closed one.
#[utoipa::path(
    get,
    path = "/v1/rankings/{board}",
    tag = "boards",
    params(("board" = String, Path, description = "The board's id.", example = "session.gmv"), RankingParameters),
    responses((status = 200, description = "The top of the board.", body = Ranking)),
)]
pub(crate) async fn ranking(
    State(query): State<Arc<Query>>,
    call: Call,
    Named(board): Named,
    Parameters(parameters): Parameters<RankingParameters>,
) -> Result<Response, Failure> {
    let board = known(&board)?;
    let RankingParameters { period, at, edition, category, fan_tier, content_type, region, .. } = &parameters;
    let wanted = Wanted::of([period, at, edition, category, fan_tier, content_type, region])?;
    let limit = given("limit", &parameters.limit).integer(1, LIMIT_MAX)?.unwrap_or(LIMIT) as usize;
    let after = cursor::rank(given("cursor", &parameters.cursor))?;
    let (edition, from) = match after {
        None => (wanted.edition, 0),
        // Pages go on in the edition that they began in.
        Some((edition, place)) => (Some(edition), place as usize),
    };
    wanted.foresee(&query, board);
    let mut look = wanted.look(&query, &call, edition).await?;
    let Stands { standing, before, moved } = look.standings(&query, board, &wanted.filter).await?;
    let places = standing.rows(&look.gathered.facts, from, limit);
    let ids: Vec<&str> = places.iter().map(|place| place.subject.id.as_str()).collect();
    let listed_periods = look.listed_periods(&query, board, &wanted.filter, &ids);
    let Look { gathered, cut, .. } = &look;
    let facts = &gathered.facts;
    let row = |(place, listed_periods): (Place, u32)| {
        let previous = before.as_ref().and_then(|before| before.rank(facts, &place.subject.id));
        RankingRow::new(place, previous, listed_periods)
    };
    let rows: Vec<_> = places.into_iter().zip(listed_periods).map(row).collect();
    let next = from + rows.len();
    let meta = look.meta(&query, &call);
    let answer = Ranking {
        board: board.id,
        period: cut.period.name(),
        from: cut.from,
        to: cut.to,
        edition: cut.edition,
        listed: standing.listed(),
        next_cursor: (next < standing.listed()).then(|| cursor::after_rank(cut.edition.at, next as u64)),
        rows,
        moved_count: moved.as_ref().map(Vec::len),
        moved: moved.map(|moved| moved.iter().take(MOVED_MAX).filter_map(MovedSubject::new).collect()),
        meta: &meta,
    };
    Ok(json(&answer, &meta))
}

/// Where one subject stands on a board.
///
/// Anyone's rank, also far below the top, with the distance to the next higher score. Who is not listed
/// gets the same answer as who does not exist.
#[utoipa::path(
    get,
    path = "/v1/rankings/{board}/subjects/{id}",
    tag = "boards",
    params(
        ("board" = String, Path, description = "The board's id.", example = "session.gmv"),
        ("id" = String, Path, description = "The subject's id.", example = "s-20241121-0001"),
        SubjectParameters,
    ),
    responses((status = 200, description = "Where it stands.", body = Standing)),
)]
pub(crate) async fn subject(
    State(query): State<Arc<Query>>,
    call: Call,
    BoardNames(board, id): BoardNames,
    Parameters(parameters): Parameters<SubjectParameters>,
) -> Result<Response, Failure> {
    let board = known(&board)?;
    let SubjectParameters { period, at, edition, category, fan_tier, content_type, region } = &parameters;
    let wanted = Wanted::of([period, at, edition, category, fan_tier, content_type, region])?;
    wanted.foresee(&query, board);
    let mut look = wanted.look(&query, &call, wanted.edition).await?;
    let Stands { standing, before, moved } = look.standings(&query, board, &wanted.filter).await?;
    let own = standing.own(&look.gathered.facts, &id);
    let listed_periods =
        own.place.is_some().then(|| look.listed_periods(&query, board, &wanted.filter, &[&id])[0]);
    let Look { gathered, cut, .. } = &look;
    let meta = look.meta(&query, &call);
    let (rank, subject, score, parts) = match own.place {
        Some(place) => {
            (Some(place.rank), place.subject.into(), Some(Score(place.score)), Some(Parts(place.parts)))
        }
        None => (None, RankedSubject::unknown(id.clone()), None, None),
    };
    let answer = Standing {
        board: board.id,
        period: cut.period.name(),
        from: cut.from,
        to: cut.to,
        edition: cut.edition,
        listed: rank.is_some(),
        of: standing.listed(),
        rank,
        previous_rank: before.and_then(|before| before.rank(&gathered.facts, &id)),
        listed_periods,
        subject,
        score,
        parts,
        percentile: own.percentile,
        to_next: own.to_next,
        moved: moved.iter().flatten().filter_map(MovedSubject::new).find(|one| one.is_of(&id)),
        meta: &meta,
    };
    Ok(json(&answer, &meta))
}

fn known(id: &str) -> Result<&'static Board, Problem> {
    Board::from_id(id)
        .ok_or_else(|| Problem::not_found("there is no such board: `/v1/rankings` lists all of them"))
}

/// Which period, which edition, which sessions.
struct Wanted {
    period: Period,
    at: Option<u64>,
    edition: Option<u64>,
    filter: Filter,
}

impl Wanted {
    /// From the parameters, in the order of their fields.
    fn of(parameters: [&Option<String>; 7]) -> Result<Self, Problem> {
        let [period, at, edition, category, fan_tier, content_type, region] = parameters;
        let filter = Filter {
            category: label(given("category", category))?,
            fan_tier: given("fan_tier", fan_tier).one_of(FanTier::ALL, FanTier::name)?,
            content_type: label(given("content_type", content_type))?,
            region: label(given("region", region))?,
        };
        Ok(Self {
            period: given("period", period).one_of(Period::ALL, Period::name)?.unwrap_or(Period::Day),
            at: given("at", at).integer(0, AT_MAX)?,
            edition: given("edition", edition).moment()?,
            filter,
        })
    }

    /// Who looks at the newest edition of the present period will look at the next one, too.
    fn foresee(&self, query: &Query, board: &'static Board) {
        let Self { period, at, edition, filter } = self;
        if at.is_none() && edition.is_none() {
            query.rankings.want(&query.stores, query.log.partitions(), board, *period, filter);
        }
    }

    /// The edition that is asked for; the newest where that is none.
    async fn look<'q>(
        &self,
        query: &'q Query,
        call: &Call,
        edition: Option<u64>,
    ) -> Result<Look<'q>, Failure> {
        let (prefixes, is_stale) = query.positions(call).await?;
        let mut gathered = query.rankings.newest(&query.stores, &prefixes).await?;
        let calendar = query.rankings.calendar();
        let newest = Moment { at: gathered.cut_at(), slot: gathered.slot(), is_past: false };
        let of = |moment: Moment| {
            let at = self.at.unwrap_or(moment.at).min(AT_MAX);
            Cut::new(calendar, self.period, at, moment)
        };
        let mut cut = of(newest);
        let mut cuts = gathered.cuts.clone();
        let mut heard = newest.slot;
        // What is closed needs no look back for its rows: later editions of it hold the same ones.
        if let Some(edition) = edition.filter(|edition| cut.is_closed() || *edition != cut.edition.at) {
            if cut.is_closed() && edition >= cut.edition.at {
                heard = Step::FiveSeconds.slot(edition).min(heard);
            } else {
                cuts = gathered.edition(&query.stores, calendar, edition).await?;
                heard = cuts.iter().map(|cut| cut.slot).min().unwrap_or(0);
                cut = of(Moment { at: cut_at(&cuts), slot: heard, is_past: heard < newest.slot });
            }
        }
        Ok(Look { gathered, cut, heard, prefixes: prefixes_of(&cuts), is_stale })
    }
}

/// One edition of one period.
struct Look<'q> {
    gathered: MutexGuard<'q, Gathered>,
    cut: Cut,
    /// The slot of the edition up to which verdicts count that are about what was closed before.
    heard: u64,
    prefixes: Vec<Prefix>,
    is_stale: bool,
}

/// A board in one edition.
struct Stands {
    standing: Arc<Worked>,
    /// That of the closed edition of the period before.
    before: Option<Arc<Worked>>,
    /// Whom a correction moved, where there is one and that can be told.
    moved: Option<Vec<Moved>>,
}

impl Look<'_> {
    /// The board. From here on the edition says whether it was corrected.
    async fn standings(
        &mut self,
        query: &Query,
        board: &'static Board,
        filter: &Filter,
    ) -> Result<Stands, Failure> {
        let Self { gathered, cut, heard, .. } = self;
        let asked = |cut: Cut, heard| Asked { board, cut, filter: filter.clone(), heard };
        let before = cut.before(query.rankings.calendar());
        let before = before.map(|before| gathered.standing(asked(before, None)));
        let (closed, heard) = (cut.slot, *heard);
        if !cut.is_closed() || !gathered.corrections.has_since(closed, closed) {
            let standing = gathered.standing(asked(*cut, None));
            return Ok(Stands { standing, before, moved: None });
        }
        let mut as_of = None;
        if gathered.corrections.has_since(closed, heard) {
            gathered.look_back(&query.desk, &query.log, closed, heard).await?;
            as_of = Some(heard);
        }
        let standing = gathered.standing(asked(*cut, as_of));
        let Some(corrected_at) = gathered.corrections.last(closed, heard) else {
            return Ok(Stands { standing, before, moved: None });
        };
        let corrected = Edition { at: corrected_at, state: EditionState::Corrected };
        let moved = match gathered.look_back(&query.desk, &query.log, closed, closed).await {
            Ok(()) => {
                let first = gathered.standing(asked(*cut, Some(closed)));
                Some(at_length(|| standing.moved(&first, &gathered.facts)))
            }
            // There is no way to know what it was.
            Err(problem) if problem.status == StatusCode::NOT_FOUND => None,
            Err(problem) => return Err(problem.into()),
        };
        if moved.as_ref().is_some_and(Vec::is_empty) {
            // What was judged counts for nothing here.
            return Ok(Stands { standing, before, moved: None });
        }
        cut.edition = corrected;
        Ok(Stands { standing, before, moved })
    }

    /// For how many periods in a row each of these has been listed.
    fn listed_periods(
        &mut self,
        query: &Query,
        board: &'static Board,
        filter: &Filter,
        ids: &[&str],
    ) -> Vec<u32> {
        self.gathered.listed_periods(board, filter, self.cut, ids, query.rankings.calendar())
    }

    fn meta(&self, query: &Query, call: &Call) -> Meta {
        let state = match self.cut.edition.state {
            EditionState::Live => SessionState::Live,
            EditionState::Closed => SessionState::Final,
            EditionState::Corrected => SessionState::Corrected,
        };
        query.meta(call, &numbered(&self.prefixes), state, self.is_stale)
    }
}

fn label(given: Given<'_>) -> Result<Option<String>, Problem> {
    match given.text() {
        Some(text) if text.chars().count() > LABEL_CHARS_MAX => {
            Err(given.problem(format!("a label of at most {LABEL_CHARS_MAX} characters")))
        }
        text => Ok(text.map(str::to_owned)),
    }
}
