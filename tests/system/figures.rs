//! What a server should answer, and whether it does: figure by figure, on both chains.
//!
//! A figure that is not expected is expected to be 0, and so is every figure of a key or bucket
//! that is not expected: nothing may be there that should not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tandem_model::catalogue::{EXACT_USERS_MAX, Kind, Metric, STORED, Value as Computed};
use tandem_model::route::Chain;
use tandem_model::time::Window;
use tandem_model::{Breakdown, Stored, Table, Values};
use tandem_plain::Figures;

use crate::api::{Api, CHAINS};

/// Trends with more points than this are left to `tandem verify`: a single event before the first
/// beat may be years away from the others.
const POINTS_MAX: u64 = 20_000;

/// What is expected of sessions, by id.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) sessions: BTreeMap<String, Session>,
    /// Whether they say what only the room has (gauges, quality) in trends, too.
    pub(crate) has_room_trend: bool,
}

/// What is expected of one session.
#[derive(Debug)]
pub(crate) struct Session {
    /// Of the room.
    total: Values,
    breakdowns: BTreeMap<Breakdown, BTreeMap<String, Values>>,
    /// Of the room, by the start of the bucket; whatever buckets are not there are zeros.
    trend_5m: BTreeMap<u64, Values>,
}

impl Session {
    /// From a file's `{"metrics": …, "quality": …, "breakdowns": …, "trend5m": …}`.
    pub(crate) fn from_json(session: &Value) -> Self {
        let mut total = values(&session["metrics"]);
        for (one, other) in total.iter_mut().zip(values(&session["quality"])) {
            *one += other;
        }
        for gauge in [Stored::OnlineViewers, Stored::OnlinePeak] {
            total[gauge as usize] = session[gauge.id()].as_u64().expect("a gauge");
        }
        let keys = |keys: &Value| object(keys).map(|(key, row)| (key.clone(), values(row))).collect();
        let breakdowns = object(&session["breakdowns"])
            .map(|(name, of)| (Breakdown::from_name(name).expect("a breakdown"), keys(of)))
            .collect();
        let trend_5m = object(&session["trend5m"])
            .map(|(bucket, row)| (bucket.parse().expect("the start of a bucket"), values(row)))
            .collect();
        Self { total, breakdowns, trend_5m }
    }

    /// The starts of the five minutes in which something happened.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = u64> {
        self.trend_5m.keys().copied()
    }

    /// Sums of the five minutes that begin from `from` on and before `to`.
    pub(crate) fn between(&self, from: u64, to: u64) -> Values {
        let mut sums = [0; STORED];
        for values in self.trend_5m.range(from..to).map(|(_, values)| values) {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        sums
    }

    /// The totals, by breakdown and key.
    pub(crate) fn totals(&self) -> impl Iterator<Item = (&'static str, &str, &Values)> {
        let split = self.breakdowns.iter().flat_map(|(breakdown, keys)| {
            keys.iter().map(|(key, values)| (breakdown.name(), key.as_str(), values))
        });
        std::iter::once((Breakdown::Room.name(), Breakdown::Room.name(), &self.total)).chain(split)
    }

    /// From the plain method.
    pub(crate) fn from_plain(figures: &Figures) -> Self {
        let mut session = Self { total: [0; STORED], breakdowns: BTreeMap::new(), trend_5m: BTreeMap::new() };
        for (key, (values, _)) in &figures.rows {
            match (key.table, key.breakdown) {
                (_, Breakdown::RawSource) => {}
                (Table::Total, Breakdown::Room) => session.total = *values,
                (Table::Total, breakdown) => {
                    session.breakdowns.entry(breakdown).or_default().insert(key.key.to_string(), *values);
                }
                (Table::Trend(Window::FiveMinutes), Breakdown::Room) => {
                    session.trend_5m.insert(key.bucket, *values);
                }
                _ => {}
            }
        }
        session
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().expect("an object").iter()
}

/// A row of figures; every name in it must be known.
fn values(row: &Value) -> Values {
    let mut values = [0; STORED];
    for (name, value) in object(row) {
        let stored = Stored::ALL.iter().find(|stored| stored.id() == name);
        let stored = stored.unwrap_or_else(|| panic!("{name} is not known"));
        values[*stored as usize] = value.as_u64().unwrap_or_else(|| panic!("{name} is {value}"));
    }
    values
}

/// Fails at the first figure of either chain, read as far as `token`, that is not as expected.
pub(crate) async fn check(api: &Api, token: &str, expected: &Expected) {
    for chain in CHAINS {
        let reader = Reader { api, chain, token };
        check_list(&reader, expected).await;
        for (id, session) in &expected.sessions {
            check_report(&reader, id, session).await;
            check_trends(&reader, id, session, expected.has_room_trend).await;
        }
    }
}

/// Reads one chain.
struct Reader<'a> {
    api: &'a Api,
    chain: Chain,
    token: &'a str,
}

impl Reader<'_> {
    async fn read(&self, path: &str) -> Value {
        self.api.read_from(self.chain, path, self.token).await
    }
}

async fn check_list(reader: &Reader<'_>, expected: &Expected) {
    let mut listed = BTreeSet::new();
    let mut path = "/v1/sessions?limit=5".to_owned();
    loop {
        let page = reader.read(&path).await;
        let ids = page["sessions"].as_array().expect("a list");
        listed.extend(ids.iter().map(|session| session["id"].as_str().expect("an id").to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/sessions?limit=5&cursor={cursor}");
    }
    assert_eq!(listed, expected.sessions.keys().cloned().collect(), "chain {}: sessions", reader.chain);
}

async fn check_report(reader: &Reader<'_>, id: &str, expected: &Session) {
    let report = reader.read(&format!("/v1/sessions/{id}/report")).await;
    let what = format!("chain {}, {id}", reader.chain);
    check_metrics(&report["metrics"], &expected.total, |_| true, &what);
    check_distinct(&report["distinct"], &expected.total, &what);
    for breakdown in Breakdown::PUBLIC {
        let what = format!("{what}, {}", breakdown.name());
        let none = BTreeMap::new();
        let expected = expected.breakdowns.get(&breakdown).unwrap_or(&none);
        let rows = report["breakdowns"][breakdown.name()].as_array().expect("all breakdowns");
        let mut seen = BTreeSet::new();
        for row in rows {
            let key = row["key"].as_str().expect("a key");
            let what = format!("{what} {key}");
            assert!(seen.insert(key), "{what}: twice");
            let expected = expected.get(key).unwrap_or(&[0; STORED]);
            check_metrics(&row["metrics"], expected, |metric| !metric.is_room_only(), &what);
            check_distinct(&row["distinct"], expected, &what);
        }
        let missing: Vec<_> = expected.keys().filter(|key| !seen.contains(key.as_str())).collect();
        assert!(missing.is_empty(), "{what}: missing {missing:?}");
    }
}

/// The 5-minute trend is as expected, and both finer ones add up to it.
async fn check_trends(reader: &Reader<'_>, id: &str, expected: &Session, has_room_trend: bool) {
    let what = |window: Window| format!("chain {}, {id}, {}", reader.chain, window.name());
    let is_checked = |metric: Metric| metric.has_trend() && (has_room_trend || !metric.is_room_only());
    let (Some(begin), Some(end)) = (expected.trend_5m.keys().next(), expected.trend_5m.keys().next_back())
    else {
        return assert!(
            points(reader, id, Window::FiveMinutes).await.is_empty(),
            "{}",
            what(Window::FiveMinutes)
        );
    };
    let has_room = |window: Window| (end - begin) / window.length_ms() < POINTS_MAX;
    if !has_room(Window::FiveMinutes) {
        return;
    }
    let coarse = points(reader, id, Window::FiveMinutes).await;
    let ends = (coarse.keys().next(), coarse.keys().next_back());
    assert_eq!(ends, (Some(begin), Some(end)), "{}", what(Window::FiveMinutes));
    for (start, point) in &coarse {
        let what = format!("{} at {start}", what(Window::FiveMinutes));
        let expected = expected.trend_5m.get(start).unwrap_or(&[0; STORED]);
        check_metrics(point, expected, is_checked, &what);
    }
    if !has_room_trend {
        check_room_trend(&coarse, &expected.total, &what(Window::FiveMinutes));
    }
    for window in [Window::Minute, Window::TenSeconds].into_iter().filter(|window| has_room(*window)) {
        let fine = points(reader, id, window).await;
        for stored in Stored::ALL.iter().filter(|stored| stored.has_trend() && stored.kind() == Kind::Sum) {
            let of = |point: &Value| point[stored.id()].as_u64().expect("a sum");
            let mut sums: BTreeMap<u64, u64> = coarse.keys().map(|start| (*start, 0)).collect();
            for (start, point) in &fine {
                let sum = sums.get_mut(&Window::FiveMinutes.bucket(*start)).expect("a coarse bucket");
                *sum = sum.saturating_add(of(point));
            }
            let coarse: BTreeMap<u64, u64> =
                coarse.iter().map(|(start, point)| (*start, of(point))).collect();
            assert_eq!(sums, coarse, "{}: {}", what(window), stored.id());
        }
    }
}

/// Without figures for what only the room has: over all buckets it comes to the total.
fn check_room_trend(points: &BTreeMap<u64, Value>, total: &Values, what: &str) {
    for stored in Stored::ALL.iter().filter(|stored| stored.is_room_only() && stored.has_trend()) {
        let of = points.values().map(|point| point[stored.id()].as_u64().expect("a figure"));
        let found = match stored.kind() {
            Kind::GaugePeak => of.max().unwrap_or(0),
            // The last sample falls into no bucket that is shown where everybody has left by then.
            Kind::GaugeLast => continue,
            _ => of.sum(),
        };
        assert_eq!(found, total[*stored as usize], "{what}: {} over all buckets", stored.id());
    }
}

/// The room's trend by the start of the bucket; without gaps.
async fn points(reader: &Reader<'_>, id: &str, window: Window) -> BTreeMap<u64, Value> {
    let path = format!("/v1/sessions/{id}/trend?step={}", window.name());
    let trend = reader.read(&path).await;
    assert_eq!(trend["step_ms"], window.length_ms());
    let series = trend["series"].as_array().expect("a list");
    let [room] = &series[..] else { panic!("{path}: {} series", series.len()) };
    assert_eq!(room["key"], "room");
    let points = room["points"].as_array().expect("a list");
    let points: Vec<_> =
        points.iter().map(|point| (point["t"].as_u64().expect("a moment"), point.clone())).collect();
    for pair in points.windows(2) {
        assert_eq!(pair[0].0 + window.length_ms(), pair[1].0, "{path}: a gap");
    }
    points.into_iter().collect()
}

fn check_metrics(answer: &Value, expected: &Values, has: impl Fn(Metric) -> bool, what: &str) {
    for metric in Metric::all().filter(|metric| has(*metric)) {
        let (id, answer) = (metric.id(), &answer[metric.id()]);
        match metric.value(expected) {
            Computed::Integer(expected) => {
                let answer = answer.as_u64().map(i128::from).or(answer.as_i64().map(i128::from));
                assert_eq!(answer, Some(expected), "{what}: {id}");
            }
            Computed::Fraction(expected) => {
                let answer = answer.as_f64().unwrap_or_else(|| panic!("{what}: {id} is {answer}"));
                // Reading a decimal number may be off by its last bit.
                assert!(
                    (answer - expected).abs() <= expected.abs() * 1e-14,
                    "{what}: {id} is {answer}, not {expected}"
                );
            }
            Computed::Null => assert!(answer.is_null(), "{what}: {id} is {answer}, not null"),
        }
    }
}

fn check_distinct(answer: &Value, expected: &Values, what: &str) {
    for stored in Stored::ALL.iter().filter(|stored| stored.kind() == Kind::Distinct) {
        let (id, expected) = (stored.id(), expected[*stored as usize]);
        assert_eq!(answer[id]["value"], expected, "{what}: distinct {id}");
        assert_eq!(answer[id]["exact"], expected <= EXACT_USERS_MAX, "{what}: exact {id}");
    }
}
