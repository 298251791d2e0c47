//! Sessions side by side by the keys of breakdowns. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tandem_model::catalogue::{Metric, STORED};
use tandem_model::problem::Problem;
use tandem_model::{Breakdown, Values};
use utoipa::ToSchema;

use super::shown::{Differences, Shown};
use super::sides::Side;
use crate::buckets::POINTS_MAX;
use crate::figures::rank;

/// One key of a breakdown, in one of the sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComparedKey<'a> {
    /// The key; zeros stand where the session does not have it.
    key: &'a str,
    #[schema(schema_with = crate::schemas::compared_metrics)]
    metrics: Shown<'a>,
    /// Per metric the difference from the same key in the first session; `null` in the first itself.
    #[schema(schema_with = crate::schemas::differences)]
    difference: Option<Differences<'a>>,
}

/// The breakdowns of one session, each with the keys of all.
#[derive(Debug)]
pub(super) struct Split<'a>(Vec<(Breakdown, Vec<ComparedKey<'a>>)>);

impl<'a> Split<'a> {
    /// Of each session.
    pub(super) fn of(
        sides: &[Side<'a>],
        breakdowns: &[Breakdown],
        metrics: &'a [Metric],
        is_told: impl Fn(Metric) -> bool + Copy,
    ) -> Vec<Self> {
        let mut splits: Vec<Self> = sides.iter().map(|_| Self(Vec::new())).collect();
        for &breakdown in breakdowns {
            let all: Vec<BTreeMap<&str, Values>> = sides.iter().map(|side| side.split(breakdown)).collect();
            let keys: BTreeSet<&str> = all.iter().flat_map(|keys| keys.keys().copied()).collect();
            let mut keys: Vec<&str> = keys.into_iter().collect();
            // Stable, so keys that the catalogue does not list keep the order of their bytes.
            keys.sort_by_key(|key| rank(breakdown, key));
            let shown = |side: &BTreeMap<&str, Values>, key: &str| {
                Shown::new(metrics, side.get(key).unwrap_or(&[0; STORED]), is_told)
            };
            for (index, (split, side)) in splits.iter_mut().zip(&all).enumerate() {
                let rows = keys.iter().map(|&key| {
                    let metrics = shown(side, key);
                    let difference = (index > 0).then(|| Differences::new(&shown(&all[0], key), &metrics));
                    ComparedKey { key, metrics, difference }
                });
                split.0.push((breakdown, rows.collect()));
            }
        }
        splits
    }

    fn figures(&self) -> u64 {
        let of = |row: &ComparedKey<'_>| row.metrics.values.len() as u64;
        self.0.iter().flat_map(|(_, rows)| rows).map(of).sum()
    }
}

impl Serialize for Split<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (breakdown, rows) in &self.0 {
            map.serialize_entry(breakdown.name(), rows)?;
        }
        map.end()
    }
}

/// Refuses an answer of too many figures.
pub(super) fn check_keys(splits: &[Split<'_>]) -> Result<(), Problem> {
    let figures: u64 = splits.iter().map(Split::figures).sum();
    if figures <= POINTS_MAX {
        return Ok(());
    }
    let sentence = format!(
        "by these breakdowns that would be {figures} figures, more than the {POINTS_MAX} an answer may hold: \
         name fewer `metrics`, sessions or `breakdowns`"
    );
    Err(Problem::bad_parameter(sentence).with("parameter", "breakdowns"))
}
