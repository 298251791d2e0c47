//! Anchors over days: totals, days, and what lies between them.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};
use tandem_model::calendar::Span;
use tandem_model::catalogue::Kind;
use tandem_model::scope::Grants;
use tandem_model::time::{DAY_MS, INT_MAX, MINUTE_MS};
use tandem_model::{Calendar, Scope, Stored, headers};
use tandem_plain::nasty;
use tandem_storage::{Append, EventLog};

use crate::world::{Answer, BEGIN_MS, PARTITIONS, World};

/// Midnight in Shanghai in the night after [`BEGIN_MS`].
const MIDNIGHT: u64 = 1_732_204_800_000;
const YEAR: &str = "from=1730000000000&to=1735000000000";

/// `s1` from an hour before midnight to half an hour after it, refunded two days later; `s2` at noon.
async fn nights(calendar: Calendar) -> World {
    let mut world = World::within(calendar);
    let enter = |user: &str| json!({"type": "enter", "user_id": user});
    let begin = MIDNIGHT - 60 * MINUTE_MS;
    world.beat(begin / 1_000).await;
    world.start_of("s1", begin, "a1", None).await;
    for (user, minutes) in [("u1", 1), ("u2", 2), ("u1", 61), ("u3", 62)] {
        let ts = begin + minutes * MINUTE_MS;
        world.beat(ts / 1_000).await;
        world.event("s1", ts, enter(user)).await;
    }
    let order = json!({"type": "order_paid", "user_id": "u3", "order_id": "o1", "item_id": "i1",
        "amount_fen": 9_900, "quantity": 1});
    world.event("s1", begin + 63 * MINUTE_MS, order).await;
    world.event("s1", begin, enter("late")).await;
    world.event("s1", begin + 64 * MINUTE_MS, json!({"type": "session_end"})).await;
    let noon = MIDNIGHT + 12 * 60 * MINUTE_MS;
    world.beat(noon / 1_000).await;
    world.start_of("s2", noon, "a1", None).await;
    world.event("s2", noon + 1_000, enter("u1")).await;
    world.start_of("s9", noon, "a9", None).await;
    let after = MIDNIGHT + 2 * DAY_MS;
    world.beat(after / 1_000).await;
    let refund = json!({"type": "order_refunded", "user_id": "u3", "order_id": "o1", "item_id": "i1",
        "amount_fen": 9_000});
    world.event("s1", after, refund).await;
    world.flush().await;
    world
}

fn by_day<'a>(history: &'a Value, metric: &str) -> Vec<(&'a str, u64, u64)> {
    let days = history["days"].as_array().unwrap().iter();
    let days = days.filter(|day| day["sessions"] != 0);
    days.map(|day| {
        let of = |value: &Value| value.as_u64().unwrap();
        (day["date"].as_str().unwrap(), of(&day["sessions"]), of(&day["metrics"][metric]))
    })
    .collect()
}

#[tokio::test]
async fn a_night_s_session_is_on_both_days_and_a_refund_after_it_on_none() {
    let world = nights(Calendar::default()).await;
    let history = world.ok(&format!("/v1/anchors/a1?{YEAR}")).await;
    assert_eq!(history["anchor"], json!({"id": "a1", "name": "Lin", "fans": 12_000, "category": "clothing"}));
    assert_eq!((&history["sessions"], &history["time_zone"]), (&json!(2), &json!("Asia/Shanghai")));
    assert_eq!(by_day(&history, "views"), [("2024-11-21", 1, 2), ("2024-11-22", 2, 3)]);
    // u1 was there on both days; in two sessions he is two.
    assert_eq!(by_day(&history, "viewers"), [("2024-11-21", 1, 2), ("2024-11-22", 2, 3)]);
    assert_eq!((&history["totals"]["viewers"], &history["repeated"]["viewers"]), (&json!(4), &json!(1)));
    assert_eq!(history["distinct"]["viewers"], json!({"value": 4, "exact": true}));
    assert_eq!(by_day(&history, "refund_fen"), [("2024-11-21", 1, 0), ("2024-11-22", 2, 0)]);
    let follow_ups = &history["follow_ups"];
    assert_eq!((&follow_ups["refund_fen"], &follow_ups["net_gmv_fen"]), (&json!(9_000), &json!(-9_000)));
    assert_eq!((&follow_ups["views"], &follow_ups["events"]), (&json!(0), &json!(1)));
    assert_eq!(history["totals"]["net_gmv_fen"], 900);
    assert_eq!(history["refused"]["late_events"], 1);
    assert_eq!(history["totals"]["conversion_rate"], 0.25);
}

#[tokio::test]
async fn in_another_zone_the_same_night_is_one_day() {
    let zone = "America/New_York";
    let world = nights(Calendar::new(zone).unwrap()).await;
    let history = world.ok(&format!("/v1/anchors/a1?{YEAR}&metrics=views,refunds")).await;
    assert_eq!(history["time_zone"], zone);
    assert_eq!(by_day(&history, "views"), [("2024-11-21", 2, 5)]);
    assert_eq!((&history["totals"]["views"], &history["repeated"]), (&json!(5), &json!({})));
}

#[tokio::test]
async fn a_range_holds_whole_sessions_and_says_which_it_is() {
    let world = nights(Calendar::default()).await;
    let path = format!("/v1/anchors/a1?from={}&to={MIDNIGHT}&metrics=views", MIDNIGHT - DAY_MS);
    let history = world.ok(&path).await;
    assert_eq!((&history["from"], &history["to"]), (&json!(MIDNIGHT - DAY_MS), &json!(MIDNIGHT)));
    // The day after the range is there since the session reached it.
    assert_eq!(by_day(&history, "views"), [("2024-11-21", 1, 2), ("2024-11-22", 1, 2)]);
    assert_eq!(history["totals"], json!({"views": 4}));
    // Without a range: thirty days up to the end of the present one.
    let history = world.ok("/v1/anchors/a1?metrics=views").await;
    assert_eq!(history["days"].as_array().unwrap().len(), 30);
    assert_eq!((&history["to"], &history["totals"]["views"]), (&json!(MIDNIGHT + 3 * DAY_MS), &json!(5)));
    // An anchor is there also where there is nothing in the range.
    let empty = world.ok("/v1/anchors/a1?from=0&metrics=views").await;
    assert_eq!((&empty["sessions"], &empty["totals"]["views"]), (&json!(0), &json!(0)));
    for wrong in ["from=5&to=5", "from=0&to=9000000000", "from=x", "to=0", "metrics=none", "limit=1"] {
        let answer = world.get(&format!("/v1/anchors/a1?{wrong}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-parameter"), "{wrong}");
    }
}

#[tokio::test]
async fn too_many_sessions_are_refused_and_not_left_out() {
    let mut world = World::new();
    for number in 0..1_001_u64 {
        world.start_of(&format!("s{number}"), BEGIN_MS + number, "a1", None).await;
    }
    world.flush().await;
    let answer = world.get(&format!("/v1/anchors/a1?{YEAR}")).await;
    assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-parameter"), "{answer:?}");
    let fewer = world.ok(&format!("/v1/anchors/a1?from={}&to={}", BEGIN_MS + 1, BEGIN_MS + 2_000)).await;
    assert_eq!(fewer["sessions"], 1_000);
}

#[tokio::test]
async fn pages_of_an_anchor_s_sessions_neither_repeat_nor_skip_while_others_begin() {
    let mut world = World::new();
    for number in 0..7_u64 {
        world.start_of(&format!("s{number}"), BEGIN_MS + number, "a1", None).await;
        world.event(&format!("s{number}"), BEGIN_MS + 9, json!({"type": "enter", "user_id": "u"})).await;
    }
    world.flush().await;
    let (mut found, mut path) = (Vec::new(), "/v1/anchors/a1/sessions?limit=3&metrics=views".to_owned());
    loop {
        let page = world.ok(&path).await;
        for one in page["sessions"].as_array().unwrap() {
            assert_eq!(one["metrics"], json!({"views": 1}));
            found.push(one["session"]["id"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/anchors/a1/sessions?limit=3&metrics=views&cursor={cursor}");
        let id = format!("new-{}", found.len());
        world.start_of(&id, BEGIN_MS + 60_000, "a1", None).await;
        world.event(&id, BEGIN_MS + 60_000, json!({"type": "enter", "user_id": "u"})).await;
        world.flush().await;
    }
    assert_eq!(found, ["s6", "s5", "s4", "s3", "s2", "s1", "s0"]);
    let first = world.ok("/v1/anchors/a1/sessions?limit=1").await;
    assert!(first["sessions"][0]["session"]["id"].as_str().unwrap().starts_with("new-"));
    // The same sessions as in the list of all.
    let all = world.ok("/v1/sessions?anchor_id=a1").await;
    let whole = world.ok("/v1/anchors/a1/sessions").await;
    let listed = whole["sessions"].as_array().unwrap().iter().map(|one| one["session"].clone());
    assert_eq!(Value::Array(listed.collect()), all["sessions"]);
}

/// Everything a caller can see of an answer, with the id as `…`.
fn told(answer: &Answer, id: &str) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (answer.status, headers.collect(), answer.text.replace(id, "…"))
}

#[tokio::test]
async fn who_was_not_granted_an_anchor_finds_none_after_the_same_looks() {
    let world = nights(Calendar::default()).await;
    let of = |anchors: &[&str], merchants: &[&str]| {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let (anchors, merchants) = (set(anchors), set(merchants));
        Scope::Granted(Grants { anchors, merchants, ..Grants::default() })
    };
    let (ahead, reached) = (world.token("s1", 1_000_000), world.token("s1", 1));
    for scope in [of(&[], &[]), of(&["a9"], &[]), of(&["a9"], &["m1"])] {
        let text = scope.encode();
        for path in ["/v1/anchors/{id}", "/v1/anchors/{id}/sessions", "/v1/anchors/{id}/sessions?limit=1"] {
            for (token, status) in [(None, 404), (Some(&reached), 404), (Some(&ahead), 503)] {
                let mut sent = vec![(headers::SCOPE, text.as_str())];
                sent.extend(token.map(|token| (headers::TOKEN, token.as_str())));
                let looks = || ["sessions", "session"].map(|call| world.plans.rows.calls(call));
                let before = looks();
                let there = world.send(Method::GET, &path.replace("{id}", "a1"), &sent).await;
                let none = world.send(Method::GET, &path.replace("{id}", "a7"), &sent).await;
                assert_eq!(told(&there, "a1"), told(&none, "a7"), "{path} {scope:?}");
                assert_eq!(there.status, status, "{path} {scope:?}: {there:?}");
                assert_eq!(looks(), before, "no store is asked for what is not granted");
            }
        }
        // What is not there is the same for who may see everything.
        let all = world.get("/v1/anchors/a7").await;
        let none = world.get_as(&scope, "/v1/anchors/a7").await;
        assert_eq!(told(&all, "a7"), told(&none, "a7"));
    }
    let mine = of(&["a1"], &[]);
    for path in [format!("/v1/anchors/a1?{YEAR}"), "/v1/anchors/a1/sessions".to_owned()] {
        let answer = world.get_as(&mine, &path).await;
        assert_eq!((answer.status, &answer.json()), (200, &world.ok(&path).await));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Over nasty logs, in several zones: the totals of an anchor are the sum of the sessions' reports, and
    /// days with what is explained beside them are the totals.
    #[test]
    fn days_and_what_is_explained_are_the_totals_and_those_the_reports(
        seed in any::<u64>(),
        zone in prop_oneof![Just("Asia/Shanghai"), Just("America/New_York"), Just("Australia/Lord_Howe")],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let calendar = Calendar::new(zone).unwrap_or_default();
            let mut world = World::within(calendar.clone());
            let records = nasty::log(&nasty::generate(seed), seed, PARTITIONS);
            world.log.append(Append { records, receipt: None }).await.unwrap();
            world.flush().await;
            for (anchor, sessions) in anchors(&world).await {
                check(&world, &calendar, &anchor, &sessions).await;
            }
        });
    }
}

/// The ids and starts of all sessions, by anchor.
async fn anchors(world: &World) -> BTreeMap<String, Vec<(String, u64)>> {
    let mut found = BTreeMap::<String, Vec<(String, u64)>>::new();
    for session in world.ok("/v1/sessions?limit=1000").await["sessions"].as_array().unwrap() {
        if let Some(anchor) = session["anchor_id"].as_str() {
            let (id, start) = (session["id"].as_str().unwrap(), session["started_at"].as_u64().unwrap());
            found.entry(anchor.to_owned()).or_default().push((id.to_owned(), start));
        }
    }
    found
}

async fn check(world: &World, calendar: &Calendar, anchor: &str, sessions: &[(String, u64)]) {
    let starts = || sessions.iter().map(|(_, start)| *start);
    let (from, last) = (starts().min().unwrap(), starts().max().unwrap());
    // A run may be longer than a range: then the sessions of its beginning.
    let to = (last + 1).min(from + 93 * DAY_MS).clamp(1, INT_MAX);
    let from = from.min(to - 1);
    let history = world.ok(&format!("/v1/anchors/{anchor}?from={from}&to={to}")).await;
    let inside = sessions.iter().filter(|(_, start)| (from..to).contains(start));
    let mut reports = Vec::new();
    for (id, _) in inside {
        reports.push(world.ok(&format!("/v1/sessions/{id}/report?breakdowns=")).await);
    }
    assert_eq!(history["sessions"], reports.len());
    let days = history["days"].as_array().unwrap();
    for day in days {
        let start = day["from"].as_u64().unwrap();
        assert_eq!(calendar.start(Span::Day, start), start);
        assert_eq!(day["to"], calendar.end(Span::Day, start));
    }
    assert!(days.is_sorted_by_key(|day| day["from"].as_u64()), "in order, each once");
    for stored in Stored::ALL {
        let id = stored.id();
        let figure = |value: &Value| u128::from(value[id].as_u64().unwrap());
        let sum = |values: &mut dyn Iterator<Item = u128>| values.sum::<u128>().min(u128::from(u64::MAX));
        let total = figure(&history["totals"]);
        let of_reports = &mut reports.iter().map(|report| figure(&report["metrics"]));
        if matches!(stored.kind(), Kind::GaugeLast | Kind::GaugePeak) {
            assert_eq!(total, of_reports.max().unwrap_or(0), "{anchor} {id}");
            if stored.kind() == Kind::GaugePeak {
                let highest = days.iter().map(|day| figure(&day["metrics"])).max();
                assert_eq!(total, highest.unwrap_or(0), "{anchor} {id}");
            }
            continue;
        }
        assert_eq!(total, sum(of_reports), "{anchor} {id}: the sum of the reports");
        if !stored.has_trend() {
            assert_eq!(figure(&history["refused"]), total, "{anchor} {id}");
            continue;
        }
        let by_day = &mut days.iter().map(|day| figure(&day["metrics"]));
        match stored.kind() {
            Kind::Distinct => {
                let by_day: u128 = by_day.sum();
                assert_eq!(by_day - figure(&history["repeated"]), total, "{anchor} {id}");
            }
            _ => {
                let explained = figure(&history["follow_ups"]);
                let is_follow_up = id == "events" || id.starts_with("refund") || id.starts_with("balance");
                assert!(is_follow_up || explained == 0, "{anchor} {id}: {explained}");
                assert_eq!(sum(&mut by_day.chain([explained])), total, "{anchor} {id}");
            }
        }
    }
}
