//! What another definition of a computed metric would change, and for whom: both definitions side by side,
//! over the same rows.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tandem_model::catalogue::{COMPUTED, Computed, FORMULA_CHARS_MAX, Formula};
use tandem_model::problem::Problem;
use tandem_model::scope::View;
use tandem_model::{Breakdown, Table};
use tandem_storage::{Part, Select, SessionQuery};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{Failure, json};
use crate::compare::{Difference, difference};
use crate::figures::Number;
use crate::gathering::cuts_of;
use crate::report::room_values;
use crate::request::{Call, Given, Parameters, given};
use crate::schemas::ComputedName;
use crate::sessions::{Session, versions};
use crate::wire::Meta;
use crate::{Query, cursor};

/// How many sessions a page holds at most.
const LIMIT_MAX: u64 = 500;
/// And how many when nothing is said.
const LIMIT: u64 = 100;

/// Which definition, and for which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DifferenceParameters {
    /// The metric: one that is computed when read.
    #[param(value_type = ComputedName, required = true)]
    metric: Option<String>,
    /// How it would be defined, from stored metrics: `(gmv_fen-refund_fen)/orders`, `1000·gmv_fen/viewers`,
    /// `max(deposits-balances, 0)`. In the unit of the metric, a quotient if it is one. In an address `+` is
    /// written `%2B`.
    #[param(value_type = String, required = true)]
    formula: Option<String>,
    /// Only this anchor's sessions.
    anchor_id: Option<String>,
    /// Only sessions that started at or after this moment, in milliseconds.
    #[param(value_type = Option<u64>, example = 1_732_190_400_000_u64)]
    from: Option<String>,
    /// Only sessions that started before this moment, in milliseconds.
    #[param(value_type = Option<u64>)]
    to: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 500, default = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before, with the same other parameters.
    cursor: Option<String>,
}

/// What another definition would change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DefinitionDifference<'a> {
    #[schema(value_type = ComputedName)]
    metric: &'static str,
    unit: &'static str,
    /// The version of the definition in force.
    definition: u32,
    /// The definition in force.
    in_force: String,
    /// The other one, in the form that the catalogue writes formulas in.
    candidate: String,
    /// Newest first, also those for which nothing would change.
    sessions: Vec<SessionDifference<'a>>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
    /// About the answer.
    meta: &'a Meta,
}

/// What would change for one session as a whole. Both values are of the same rows, of one moment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionDifference<'a> {
    session: Session<'a>,
    /// By the definition in force.
    #[schema(schema_with = crate::schemas::nullable_number)]
    in_force: Number,
    /// By the other one.
    #[schema(schema_with = crate::schemas::nullable_number)]
    candidate: Number,
    difference: Difference,
}

/// What another definition of a metric would change, and for whom.
///
/// Before a definition is changed: the one in force and another one side by side, for every session that the
/// key sees as a whole, each as one consistent cut. Nothing is changed by asking, and what is stored is the
/// same for both: only metrics that are computed when read can be asked about.
///
/// Sessions of which the key sees only a part are left out, so a page may hold fewer than `limit`.
#[utoipa::path(
    get,
    path = "/v1/catalog/difference",
    tag = "catalogue",
    params(DifferenceParameters),
    responses((status = 200, description = "Both definitions for a page of sessions.", body = DefinitionDifference)),
)]
pub(crate) async fn definition_difference(
    State(query): State<Arc<Query>>,
    call: Call,
    Parameters(parameters): Parameters<DifferenceParameters>,
) -> Result<Response, Failure> {
    let computed = metric(given("metric", &parameters.metric))?;
    let candidate = formula(computed, given("formula", &parameters.formula))?;
    let limit = given("limit", &parameters.limit).integer(1, LIMIT_MAX)?.unwrap_or(LIMIT) as usize;
    let wanted = SessionQuery {
        anchor_id: given("anchor_id", &parameters.anchor_id).id()?.map(str::to_owned),
        state: None,
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
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.map(|(id, row)| cursor::after_session(row.sort_ts(), id));
    let mut shown = versions(&query, &found);
    let ids = found.into_iter().map(|(id, _)| (id, TOTAL_ROW.clone())).collect();
    let mut sessions = query.gather(ids).await?;
    // As of now: what was listed may have passed to somebody else since.
    sessions.retain(|session| call.asker.view(&session.session) == View::Whole);
    shown.extend(cuts_of(&sessions));
    let meta = query.meta_of_list(&call, &complete, shown, is_stale).await?;
    let computed = query.in_force(meta.as_of).computed(computed);
    let listed = sessions.iter().map(|session| {
        let totals = room_values(&session.rows);
        let (in_force, candidate) = (computed.formula.value(totals), candidate.value(totals));
        SessionDifference {
            session: Session::new(session.session_id.as_str(), &session.session),
            in_force: Number(in_force),
            candidate: Number(candidate),
            difference: difference(in_force, candidate),
        }
    });
    let answer = DefinitionDifference {
        metric: computed.id,
        unit: computed.unit.name(),
        definition: computed.definition,
        in_force: computed.formula.to_string(),
        candidate: candidate.to_string(),
        sessions: listed.collect(),
        next_cursor,
        meta: &meta,
    };
    Ok(json(&answer, &meta))
}

/// The totals of a session as a whole.
static TOTAL_ROW: LazyLock<Select> = LazyLock::new(|| {
    Select::Parts(vec![Part { table: Table::Total, breakdown: Breakdown::Room, buckets: 0..u64::MAX }])
});

fn metric(given: Given<'_>) -> Result<&'static Computed, Problem> {
    let computed = given.one_of(COMPUTED.iter(), |computed| computed.id)?;
    computed.ok_or_else(|| given.problem("a metric that is computed when read: see /v1/catalog/metrics"))
}

fn formula(metric: &Computed, given: Given<'_>) -> Result<Formula, Problem> {
    let rule = format!("a formula of stored metrics, of 1 to {FORMULA_CHARS_MAX} characters");
    let text = given.text().filter(|text| !text.is_empty()).ok_or_else(|| given.problem(rule))?;
    // In an address an unescaped `+` is a blank.
    let hint = if text.contains(' ') { "; in an address `+` is %2B" } else { "" };
    let refused =
        |reason| Problem::bad_parameter(format!("`formula` can't define {}: {reason}{hint}", metric.id));
    let formula: Formula = text.parse().map_err(refused)?;
    metric.admits(&formula).map_err(refused)?;
    Ok(formula)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(metric_id: &str, text: &str) -> String {
        let metric = metric(given("metric", &Some(metric_id.to_owned()))).expect("known");
        formula(metric, given("formula", &Some(text.to_owned()))).expect_err(text).detail
    }

    #[test]
    fn a_definition_has_the_form_of_the_one_in_force() {
        for computed in COMPUTED {
            let text = Some(computed.formula.to_string());
            assert_eq!(formula(computed, given("formula", &text)), Ok(computed.formula), "{}", computed.id);
        }
        let cases = [
            ("aov_fen", "", "of 1 to 300 characters"),
            ("aov_fen", "gmv", "`gmv` is no stored metric"),
            ("aov_fen", "gmv_fen-refund_fen", "aov_fen is a quotient"),
            ("aov_fen", "orders/viewers", "aov_fen is in fen, `orders/viewers` in ratio"),
            ("net_gmv_fen", "likes", "net_gmv_fen is in fen, `likes` in count"),
            ("interaction_rate", "suspect_views/viewers", "only of the session as a whole"),
            ("interaction_rate", "likes shares/viewers", "%2B"),
        ];
        for (metric, text, reason) in cases {
            let refusal = refusal(metric, text);
            assert!(refusal.contains(reason), "{metric} as {text}: {refusal}");
        }
        assert!(metric(given("metric", &Some("views".to_owned()))).is_err(), "stored");
        assert!(metric(given("metric", &None)).is_err());
    }
}
