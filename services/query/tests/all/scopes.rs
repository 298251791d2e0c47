//! Who sees what: within a scope, and outside of it as if there were nothing.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use tandem_model::partition::partition_of;
use tandem_model::scope::Grants;
use tandem_model::{Changes, Cut, PartitionId, Scope, SessionChange, SessionId, SessionRow, headers};
use tandem_storage::Select;
use tandem_storage::faulty::Fault;

use crate::world::{Answer, BEGIN, BEGIN_MS, PARTITIONS, World};

/// A session of anchor a1, sold for m1, with viewers by channel c1 and by none.
const ONE: &str = "s-1";
/// Of a2, for m2, by channels c1 and c2.
const TWO: &str = "s-2";
/// Whose `session_start` is not known; by channel c1.
pub(crate) const BARE: &str = "s-3";

/// Every call about one session, and whether somebody who sees its items, or its channels, may make
/// it.
pub(crate) const CALLS: [(&str, bool, bool); 23] = [
    ("/v1/sessions/{id}", true, true),
    ("/v1/sessions/{id}/report", true, true),
    ("/v1/sessions/{id}/report?breakdowns=", true, true),
    ("/v1/sessions/{id}/report?breakdowns=item", true, false),
    ("/v1/sessions/{id}/report?breakdowns=channel&metrics=views", false, true),
    ("/v1/sessions/{id}/report?breakdowns=source", false, false),
    ("/v1/sessions/{id}/report?breakdowns=item,channel", false, false),
    ("/v1/sessions/{id}/report?at=1732190580000", true, true),
    ("/v1/sessions/{id}/report?at=1732190580000&breakdowns=item", true, false),
    ("/v1/sessions/{id}/report?at=1732190580000&breakdowns=channel", false, true),
    ("/v1/sessions/{id}/explain?from=1732190580000", false, false),
    ("/v1/sessions/{id}/explain?from=1732190580000&metrics=views", false, false),
    ("/v1/sessions/{id}/trend", false, false),
    ("/v1/sessions/{id}/trend?by=item&metrics=views,gmv_fen", true, false),
    ("/v1/sessions/{id}/trend?by=channel&step=10s", false, true),
    ("/v1/sessions/{id}/trend?by=source", false, false),
    ("/v1/sessions/{id}/compare?with=s-9", false, false),
    ("/v1/sessions/s-9/compare?with={id}", false, false),
    ("/v1/sessions/{id}/compare?breakdowns=fan", false, false),
    ("/v1/sessions/{id}/rejected", false, false),
    ("/v1/sessions/{id}/rejected?limit=1", false, false),
    ("/v1/sessions/{id}/trend?from=5&to=5", false, false),
    ("/v1/sessions/{id}/mood", false, false),
];

/// Calls that are for operators only.
const OPERATORS: [&str; 5] =
    ["/v1/deadletters", "/v1/log/0", "/v1/log/99", "/v1/rows?limit=2", "/v1/partitions"];

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn scope(anchors: &[&str], merchants: &[&str], channels: &[&str]) -> Scope {
    let (anchors, merchants, channels) = (set(anchors), set(merchants), set(channels));
    Scope::Granted(Grants { anchors, merchants, channels, tables: set(&["dws_session"]) })
}

pub(crate) async fn world() -> World {
    let mut world = World::new();
    world.beat(BEGIN).await;
    world.start_of(ONE, BEGIN_MS + 1_000, "a1", Some("m1")).await;
    world.start_of(TWO, BEGIN_MS + 2_000, "a2", Some("m2")).await;
    // Everybody's in these tests: what they compare with.
    world.start_of("s-9", BEGIN_MS + 3_000, "a9", None).await;
    for (session, channels) in [(ONE, &["c1", ""][..]), (TWO, &["c1", "c2"]), (BARE, &["c1"])] {
        for (index, channel) in channels.iter().enumerate() {
            let user = format!("u{index}");
            let mut enter = json!({"type": "enter", "user_id": user, "source": "billboard"});
            if !channel.is_empty() {
                enter["channel"] = json!(channel);
            }
            world.event(session, BEGIN_MS + 10_000 * (1 + index as u64), enter).await;
            let order = json!({"type": "order_paid", "user_id": user, "order_id": format!("o{index}"),
                "item_id": format!("i{index}"), "amount_fen": 9_900, "quantity": 2});
            world.event(session, BEGIN_MS + 61_000, order).await;
        }
        world.event(session, BEGIN_MS - 3_600_000, json!({"type": "like", "user_id": "u1"})).await;
    }
    world.beat(BEGIN + 180).await;
    world.flush().await;
    world
}

/// An id of the same length in the same partition that names nothing.
pub(crate) fn twin(id: &str) -> String {
    let partition = partition_of(id.as_bytes(), PARTITIONS);
    let mut twins = (b'a'..=b'z').map(|letter| format!("x-{}", char::from(letter)));
    twins.find(|twin| partition_of(twin.as_bytes(), PARTITIONS) == partition).unwrap()
}

/// Everything a caller can see of an answer, with the id as `…`.
fn told(answer: &Answer, id: &str) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (answer.status, headers.collect(), answer.text.replace(id, "…"))
}

/// Asserts that this and one that does not exist are answered alike.
async fn check_alike(world: &World, path: &str, id: &str, sent: &[(&str, &str)], status: u16) {
    let twin = twin(id);
    let answer = world.get_with(&path.replace("{id}", id), sent).await;
    let none = world.get_with(&path.replace("{id}", &twin), sent).await;
    assert_eq!(told(&answer, id), told(&none, &twin), "{path} {id} {sent:?}");
    assert_eq!(answer.status, status, "{path} {id} {sent:?}: {answer:?}");
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sees {
    Whole,
    Items,
    Channels,
    Nothing,
}

/// Scopes, and what they show of each session.
pub(crate) fn scopes() -> Vec<(Scope, [Sees; 3])> {
    use Sees::{Channels, Items, Nothing, Whole};
    vec![
        (Scope::All, [Whole, Whole, Whole]),
        (Scope::Granted(Grants::default()), [Nothing, Nothing, Nothing]),
        (scope(&[], &[], &[]), [Nothing, Nothing, Nothing]),
        (scope(&["a1", "a9"], &[], &[]), [Whole, Nothing, Nothing]),
        (scope(&["a7", "m1", "c1"], &[], &[]), [Nothing, Nothing, Nothing]),
        (scope(&["a9"], &["m1"], &[]), [Items, Nothing, Nothing]),
        (scope(&["a9"], &[], &["c1"]), [Channels, Channels, Nothing]),
        (scope(&["a9"], &[], &["c2", "c3"]), [Nothing, Channels, Nothing]),
        (scope(&["a9", "a2"], &["m1"], &["c7"]), [Items, Whole, Nothing]),
    ]
}

#[tokio::test]
async fn every_call_shows_what_the_scope_shows_and_else_what_there_is_not() {
    let world = world().await;
    let document = tandem_query::openapi();
    let paths = document["paths"].as_object().unwrap().iter();
    let mut described: BTreeSet<&str> =
        paths.filter(|(_, item)| item.get("get").is_some()).map(|(path, _)| path.as_str()).collect();
    for (path, items, channels) in CALLS {
        let template = path.split('?').next().unwrap().replace("s-9", "{id}");
        described.remove(template.as_str());
        for (scope, sees) in scopes() {
            let text = scope.encode();
            for (id, sees) in [ONE, TWO, BARE].into_iter().zip(sees) {
                let may = match sees {
                    Sees::Nothing => {
                        let is_bad = path.contains("from=5");
                        let status = if is_bad { 400 } else { 404 };
                        check_alike(&world, path, id, &[(headers::SCOPE, &text)], status).await;
                        continue;
                    }
                    Sees::Whole => true,
                    Sees::Items => items || (has_channels(&scope) && path.contains("channel")),
                    Sees::Channels => channels,
                };
                let answer = world.get_as(&scope, &path.replace("{id}", id)).await;
                let what = format!("{path} {id} {scope:?}: {answer:?}");
                match (may, path) {
                    (_, "/v1/sessions/{id}/mood") => assert_eq!(answer.problem(), "not-found", "{what}"),
                    (_, "/v1/sessions/{id}/trend?from=5&to=5") => {
                        assert_eq!(answer.problem(), "bad-parameter", "{what}");
                    }
                    (true, _) => assert_eq!(answer.status, 200, "{what}"),
                    (false, _) => {
                        assert_eq!((answer.status, answer.problem().as_str()), (403, "forbidden"), "{what}");
                    }
                }
            }
        }
    }
    for path in OPERATORS {
        described.remove(path.split('?').next().unwrap().replace("/0", "/{partition}").as_str());
        for (scope, _) in scopes() {
            let answer = world.get_as(&scope, path).await;
            match scope {
                Scope::All => assert!(matches!(answer.status, 200 | 404), "{path}: {answer:?}"),
                Scope::Granted(_) => assert_eq!(answer.problem(), "forbidden", "{path}: {answer:?}"),
            }
        }
    }
    for path in ["/v1/catalog/metrics", "/v1/catalog/tables", "/v1/rankings"] {
        described.remove(path);
        for (scope, _) in scopes() {
            assert_eq!(world.get_as(&scope, path).await.status, 200, "{path}");
        }
    }
    // Boards show what is public: to everybody the same.
    for path in ["/v1/rankings/session.views?at=1000", "/v1/rankings/session.views/subjects/s-1?at=1000"] {
        let all = world.ok(path).await;
        for (scope, _) in scopes() {
            assert_eq!(world.get_as(&scope, path).await.json(), all, "{path}");
        }
    }
    described.remove("/v1/rankings/{board}");
    described.remove("/v1/rankings/{board}/subjects/{id}");
    // Lists have tests of their own; the rest is public, and some of it answered elsewhere.
    let elsewhere = [
        "/v1/sessions/{id}/stream",
        "/v1/stream",
        "/v1/status",
        "/v1/openapi.json",
        "/v1/asyncapi.json",
        "/v1/docs",
        "/v1/shield/verdicts/{request_id}",
    ];
    // Anchors and exports, too: see `anchors.rs`, `exports.rs`.
    let lists = [
        "/v1/sessions",
        "/v1/catalog/difference",
        "/v1/anchors/{id}",
        "/v1/anchors/{id}/sessions",
        "/v1/export/{table}",
    ];
    for path in lists.into_iter().chain(elsewhere) {
        described.remove(path);
    }
    assert_eq!(described, BTreeSet::new(), "a described call is not checked here");
}

pub(crate) fn has_channels(scope: &Scope) -> bool {
    matches!(scope, Scope::Granted(grants) if !grants.channels.is_empty())
}

#[tokio::test]
async fn without_a_scope_there_is_nothing_but_what_is_public() {
    let world = world().await;
    for path in
        ["/v1/catalog/metrics", "/v1/catalog/tables", "/v1/openapi.json", "/v1/docs", "/internal/v1/status"]
    {
        assert_eq!(world.send_just(Method::GET, path, &[]).await.status, 200, "{path}");
    }
    let list = world.send_just(Method::GET, "/v1/sessions", &[]).await;
    assert_eq!((list.status, &list.json()["sessions"]), (200, &json!([])));
    for (path, _, _) in CALLS.iter().filter(|(path, ..)| !path.contains("from=5")) {
        let answer = world.send_just(Method::GET, &path.replace("{id}", ONE), &[]).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
    for path in OPERATORS {
        assert_eq!(world.send_just(Method::GET, path, &[]).await.status, 403, "{path}");
    }
    // What can't be read is refused, not taken for another one.
    let all = Scope::All.encode();
    for wrong in [&[""][..], &["nonsense"], &[&all, &all]] {
        let sent: Vec<_> = wrong.iter().map(|text| (headers::SCOPE, *text)).collect();
        let answer = world.send_just(Method::GET, "/v1/sessions", &sent).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-request"), "{wrong:?}");
    }
}

#[tokio::test]
async fn with_tokens_and_without_stores_somebody_else_s_session_is_none_either() {
    let mut world = world().await;
    // A session may be farther than its partition, and the hot store farther than the rows.
    let beyond = world.cut(TWO).await.next + 1_000;
    push_beyond(&world, TWO, beyond).await;
    world.event(TWO, BEGIN_MS + 62_000, json!({"type": "like", "user_id": "u1"})).await;
    for changes in world.fold().await {
        world.write_hot(&changes).await;
    }
    let next = world.cut(TWO).await.next;
    let (reached, ahead, between) =
        (world.token(TWO, next), world.token(TWO, next + 1_000_000), world.token(TWO, beyond - 1));
    for scope in [scope(&["a1", "a9"], &[], &[]), scope(&["a9"], &["m1"], &[]), scope(&["a9"], &[], &["c3"])]
    {
        let text = scope.encode();
        for path in [
            "/v1/sessions/{id}",
            "/v1/sessions/{id}/report",
            "/v1/sessions/{id}/trend",
            "/v1/sessions/s-9/compare?with={id}",
        ] {
            for (token, is_stale, status) in [
                (None, false, 404),
                (Some(&reached), false, 404),
                (Some(&reached), true, 404),
                (Some(&between), false, 503),
                (Some(&between), true, 503),
                (Some(&ahead), false, 503),
                (Some(&ahead), true, 503),
            ] {
                let mut sent = vec![(headers::SCOPE, text.as_str())];
                sent.extend(token.map(|token| (headers::TOKEN, token.as_str())));
                sent.extend(is_stale.then_some((headers::STALE, "1")));
                check_alike(&world, path, TWO, &sent, status).await;
            }
        }
        let sent = [(headers::SCOPE, text.as_str())];
        world.plans.rows.add(Fault::unavailable());
        check_alike(&world, "/v1/sessions/{id}/report", TWO, &sent, 503).await;
        world.plans.hot.add(Fault::unavailable());
        check_alike(&world, "/v1/sessions/{id}/report", TWO, &sent, 503).await;
        world.plans.rows.clear();
        check_alike(&world, "/v1/sessions/{id}/report", TWO, &sent, 404).await;
        world.plans.hot.clear();
    }
}

/// Puts a session's row at a cut beyond its partition's progress, as a store may have it between two
/// writes.
async fn push_beyond(world: &World, id: &str, next: u64) {
    let rows = world.stores.rows.session(id, &Select::Session).await.unwrap().unwrap();
    let other = PartitionId((rows.partition.0 + 1) % PARTITIONS);
    let partition_row = world.stores.rows.partition_row(other).await.unwrap().unwrap();
    let change = SessionChange {
        session_id: SessionId::new(id).unwrap(),
        session: Some(SessionRow { offset: next - 1, ..rows.session }),
        rows: Vec::new(),
    };
    // Only the progress of the named partition moves with it.
    let changes = Changes {
        partition: other,
        cut: Cut { next, clock: rows.cut.clock },
        partition_row,
        sessions: vec![change],
        rejected: Vec::new(),
        beats: Vec::new(),
        editions: Vec::new(),
    };
    world.stores.rows.apply(&changes).await.unwrap();
}

#[tokio::test]
async fn what_was_shown_once_comes_from_the_hot_store_and_is_checked_all_the_same() {
    let mut world = world().await;
    let path = format!("/v1/sessions/{ONE}/report");
    let (mine, other) = (scope(&["a1"], &[], &[]), scope(&["a2"], &[], &[]));
    let hot_looks = || world.plans.hot.calls("session");
    assert_eq!(world.get_as(&mine, &path).await.status, 200);
    assert_eq!(hot_looks(), 0, "whose it is is not known yet");
    for round in 1..4 {
        assert_eq!(world.get_as(&mine, &path).await.status, 200);
        assert_eq!(hot_looks(), round);
    }
    assert_eq!(world.get_as(&other, &path).await.status, 404);
    assert_eq!(hot_looks(), 3);
    // It passes to another anchor: from there on it is his, and nobody else's.
    world.start_of(ONE, BEGIN_MS + 100_000, "a2", None).await;
    world.flush().await;
    let (answer, none) = (world.get_as(&mine, &path).await, twin(ONE));
    let path_of_none = format!("/v1/sessions/{none}/report");
    assert_eq!(told(&answer, ONE), told(&world.get_as(&mine, &path_of_none).await, &none));
    assert_eq!(answer.status, 404);
    assert_eq!(world.get_as(&other, &path).await.status, 200);
    // The hot store alone would still show it to who had it.
    let changes = {
        world.start_of(ONE, BEGIN_MS + 101_000, "a1", None).await;
        world.fold().await
    };
    for changes in &changes {
        world.write_rows(changes).await;
    }
    let token = world.token(ONE, world.cut(ONE).await.next);
    let sent = [(headers::SCOPE, other.encode()), (headers::TOKEN, token)];
    let sent = sent.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(world.get_with(&path, &sent).await.status, 404, "with a token that knows of it");
    assert_eq!(world.get_as(&mine, &path).await.status, 200);
    // Nor does the token tell how far it has come since.
    for changes in &changes {
        world.write_hot(changes).await;
    }
    push_beyond(&world, ONE, world.cut(ONE).await.next + 1_000).await;
    let text = other.encode();
    check_alike(&world, "/v1/sessions/{id}/report", ONE, &[(headers::SCOPE, &text)], 404).await;
}

async fn ok_as(world: &World, scope: &Scope, path: &str) -> Value {
    let answer = world.get_as(scope, path).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

fn keys(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_merchant_reads_items_and_an_advertiser_his_channels() {
    let world = world().await;
    let whole = world.ok("/v1/sessions/s-2/report").await;
    let merchant = scope(&[], &["m2"], &[]);
    let advertiser = scope(&[], &[], &["c2", "c9"]);
    let both = scope(&[], &["m2"], &["c1", "c9"]);
    // Twice: from the row store, and from the hot one.
    for _ in 0..2 {
        let report = ok_as(&world, &merchant, "/v1/sessions/s-2/report").await;
        assert_eq!((&report["session"], &report["meta"]), (&whole["session"], &whole["meta"]));
        assert_eq!((&report["metrics"], &report["distinct"]), (&json!({}), &json!({})));
        assert_eq!(report["breakdowns"], json!({"item": whole["breakdowns"]["item"]}));
        assert_eq!(keys(&report["breakdowns"]["item"]), ["i0", "i1"]);

        let report = ok_as(&world, &advertiser, "/v1/sessions/s-2/report?metrics=views").await;
        assert_eq!(report["breakdowns"].as_object().unwrap().len(), 1);
        let channels = &report["breakdowns"]["channel"];
        assert_eq!((keys(channels), &channels[0]["metrics"]), (vec!["c2"], &json!({"views": 1})));

        let report = ok_as(&world, &both, "/v1/sessions/s-2/report").await;
        assert_eq!(keys(&report["breakdowns"]["item"]), ["i0", "i1"]);
        assert_eq!(keys(&report["breakdowns"]["channel"]), ["c1"]);
    }
    // The trend spans the session, with the series that are his.
    let whole = world.ok("/v1/sessions/s-2/trend?by=channel&metrics=views").await;
    assert_eq!(keys(&whole["series"]), ["c1", "c2"]);
    let trend = ok_as(&world, &advertiser, "/v1/sessions/s-2/trend?by=channel&metrics=views").await;
    assert_eq!(trend["series"], json!([whole["series"][1]]));
    let whole = world.ok("/v1/sessions/s-2/trend?by=item&metrics=gmv_fen").await;
    let trend = ok_as(&world, &both, "/v1/sessions/s-2/trend?by=item&metrics=gmv_fen").await;
    assert_eq!(trend["series"], whole["series"]);
    let trend = ok_as(&world, &both, "/v1/sessions/s-2/trend?by=channel&metrics=views").await;
    assert_eq!(keys(&trend["series"]), ["c1"]);
    // What else there is is refused, with what there is to ask for.
    for (scope, allowed) in
        [(&merchant, json!(["item"])), (&advertiser, json!(["channel"])), (&both, json!(["item", "channel"]))]
    {
        let refused = world.get_as(scope, "/v1/sessions/s-2/report?breakdowns=fan").await;
        assert_eq!((refused.status, &refused.json()["allowed"]), (403, &allowed), "{refused:?}");
    }
}

#[tokio::test]
async fn an_anchor_sees_his_session_as_an_operator_does() {
    let world = world().await;
    let anchor = scope(&["a2", "a9"], &[], &["c5"]);
    for (path, ..) in CALLS {
        let path = path.replace("{id}", TWO);
        for _ in 0..2 {
            let (whole, mine) = (world.get(&path).await, world.get_as(&anchor, &path).await);
            assert_eq!(told(&mine, "-"), told(&whole, "-"), "{path}");
        }
    }
}
