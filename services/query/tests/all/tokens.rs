//! No reader goes back: tokens, waiting, stale answers, and stores that fail.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tandem_model::Token;
use tandem_storage::StoreError;
use tandem_storage::faulty::{Fault, Outcome};

use crate::world::{BEGIN, BEGIN_MS, World, foreign_token};

const REPORT: &str = "/v1/sessions/s1/report";

#[tokio::test]
async fn an_answer_names_its_cut_and_joins_the_client_s_token() {
    let world = World::with_session().await;
    let cut = world.cut("s1").await;
    let mut token = Token::new(tandem_storage::EventLog::id(&*world.log));
    token.advance(tandem_model::PartitionId(17), 5);
    let answer = world.get_with(REPORT, &[("tandem-token", &token.encode()), ("tandem-route", "7:a")]).await;
    let meta = &answer.json()["meta"];
    assert_eq!(meta["epoch"], 7);
    let found = Token::decode(meta["token"].as_str().unwrap()).unwrap();
    let mine = Token::decode(&world.token("s1", cut.next)).unwrap();
    token.join(&mine);
    assert_eq!(found, token);
    // The session last changed before the last beat; the answer reaches to the beat all the same.
    assert_eq!(meta["as_of"], cut.clock);
}

#[tokio::test]
async fn answers_name_the_newest_route_that_any_gateway_told() {
    let world = World::with_session().await;
    let answer = world.get_with(REPORT, &[]).await;
    assert_eq!((&answer.json()["meta"]["epoch"], answer.header("tandem-route")), (&json!(0), ""));
    // What is told, and what the answer names then.
    let cases = [
        ("7:a", "7:a"),
        ("8:b", "8:b"),
        ("7:a", "8:b"),
        ("8:a", "8:b"),
        ("", "8:b"),
        ("9", "8:b"),
        ("9:c", "8:b"),
        ("9007199254740992:a", "8:b"),
        ("-9:a", "8:b"),
        ("9:a", "9:a"),
    ];
    for (told, named) in cases {
        let answer = world.get_with(REPORT, &[("tandem-route", told)]).await;
        let (epoch, _) = named.split_once(':').unwrap();
        assert_eq!((answer.status, answer.header("tandem-route")), (200, named), "{told}");
        assert_eq!(answer.json()["meta"]["epoch"].to_string(), epoch, "{told}");
    }
    // Whatever the answer says, and to whoever tells nothing.
    for path in ["/v1/sessions/unknown", "/internal/v1/status", "/v1/nowhere", "/v1/catalog/metrics"] {
        assert_eq!(world.get_with(path, &[]).await.header("tandem-route"), "9:a", "{path}");
    }
}

#[tokio::test]
async fn a_chain_that_is_behind_says_so() {
    let world = World::with_session().await;
    let token = world.token("s1", world.cut("s1").await.next + 1);
    for path in [
        REPORT,
        "/v1/sessions/s1",
        "/v1/sessions/s1/trend",
        "/v1/sessions/s1/rejected",
        "/v1/sessions",
        "/v1/deadletters",
        "/v1/rows",
        "/v1/partitions",
        "/v1/sessions/s1/compare?with=s9",
    ] {
        let answer = world.get_with(path, &[("tandem-token", &token)]).await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "behind-token"), "{path}");
        assert_eq!(answer.header("retry-after"), "1", "{path}");
        assert_eq!(answer.header("tandem-chain"), "a", "{path}");
    }
    // What depends on no figures does not wait for any.
    for path in ["/v1/catalog/metrics", "/v1/log/0"] {
        let answer = world.get_with(path, &[("tandem-token", &token)]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("tandem-token"), token, "{path}");
    }
}

#[tokio::test]
async fn only_the_partition_that_an_answer_uses_matters() {
    let world = World::with_session().await;
    let mut other = Token::new(tandem_storage::EventLog::id(&*world.log));
    let own = tandem_model::partition::partition_of(b"s1", crate::world::PARTITIONS);
    for partition in (0..crate::world::PARTITIONS).map(tandem_model::PartitionId).filter(|one| *one != own) {
        other.advance(partition, 1_000_000);
    }
    let headers = [("tandem-token", other.encode())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(world.get_with(REPORT, &headers).await.status, 200);
    assert_eq!(world.get_with("/v1/sessions", &headers).await.status, 503);
}

#[tokio::test]
async fn a_request_waits_for_its_token() {
    let mut world = World::with_session().await;
    let token = world.token("s1", world.cut("s1").await.next + 1);
    world.event("s1", BEGIN_MS + 200_000, json!({"type": "like", "user_id": "u1"})).await;
    for path in [REPORT, "/v1/sessions/s1/trend", "/v1/sessions"] {
        let short = world.get_with(path, &[("tandem-token", &token), ("tandem-wait-ms", "20")]).await;
        assert_eq!(short.status, 503, "{path}");
    }
    let changes = world.fold().await;
    let headers = [("tandem-token", token.as_str()), ("tandem-wait-ms", "300")];
    let later = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        for changes in &changes {
            world.write_rows(changes).await;
            world.write_hot(changes).await;
        }
    };
    let (report, trend, list, ()) = tokio::join!(
        world.get_with(REPORT, &headers),
        world.get_with("/v1/sessions/s1/trend?metrics=likes", &headers),
        world.get_with("/v1/sessions", &headers),
        later,
    );
    assert_eq!(report.json()["metrics"]["likes"], 1);
    assert_eq!(trend.json()["series"][0]["points"][3]["likes"], 1);
    assert_eq!(list.status, 200);
}

#[tokio::test]
async fn a_stale_answer_says_so_and_leaves_the_token_alone() {
    let world = World::with_session().await;
    let cut = world.cut("s1").await;
    let token = world.token("s1", cut.next + 1);
    let headers = [("tandem-token", token.as_str()), ("tandem-stale", "1")];
    for path in [REPORT, "/v1/sessions/s1", "/v1/sessions/s1/trend", "/v1/sessions", "/v1/deadletters"] {
        let answer = world.get_with(path, &headers).await;
        assert_eq!(answer.status, 200, "{path}");
        let meta = &answer.json()["meta"];
        assert_eq!((&meta["stale"], meta["token"].as_str()), (&json!(true), Some(token.as_str())), "{path}");
        assert_eq!(answer.header("tandem-token"), token, "{path}");
    }
    // One that need not be stale is not.
    let reached = world.token("s1", cut.next);
    let answer = world.get_with(REPORT, &[("tandem-token", &reached), ("tandem-stale", "1")]).await;
    assert_eq!(answer.json()["meta"]["stale"], false);
    // What is not there may be beyond what we have read.
    let unknown = world.get_with("/v1/sessions/s1-unknown", &[("tandem-stale", "1")]).await;
    assert_eq!(unknown.problem(), "unknown-session");
    let ahead = world.token("s1-unknown", 1_000);
    let headers = [("tandem-token", ahead.as_str()), ("tandem-stale", "1")];
    assert_eq!(world.get_with("/v1/sessions/s1-unknown", &headers).await.problem(), "behind-token");
}

#[tokio::test]
async fn a_token_that_is_not_ours_is_refused() {
    let world = World::with_session().await;
    let mut damaged = world.token("s1", 1);
    damaged.replace_range(5..6, if damaged.as_bytes()[5] == b'A' { "B" } else { "A" });
    for (token, word) in [
        (foreign_token(), "anew"),
        (damaged, "damaged"),
        ("!".to_owned(), "damaged"),
        (String::new(), "damaged"),
    ] {
        let answer = world.get_with(REPORT, &[("tandem-token", &token)]).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-token"), "{token}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(word), "{answer:?}");
    }
    let answer = world.get_with(REPORT, &[("tandem-wait-ms", "soon")]).await;
    assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-request"));
}

#[tokio::test]
async fn an_unknown_session_is_unknown_up_to_a_cut() {
    let mut world = World::with_session().await;
    let answer = world.get("/v1/sessions/nobody/report").await;
    assert_eq!((answer.status, answer.problem().as_str()), (404, "unknown-session"));
    let token = Token::decode(answer.header("tandem-token")).unwrap();
    let cut = world.cut("nobody").await;
    assert_eq!(token, Token::decode(&world.token("nobody", cut.next)).unwrap());
    for id in ["a%20b", "%FF", "%E7%9B%B4", &"x".repeat(65), "~other"] {
        let answer = world.get(&format!("/v1/sessions/{id}/report")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (404, "unknown-session"), "{id}");
    }
    // From its first event on it is there.
    world.event("nobody", BEGIN_MS + 240_000, json!({"type": "exposure", "user_id": "u1"})).await;
    world.flush().await;
    world.ok("/v1/sessions/nobody/report").await;
}

#[tokio::test]
async fn the_hot_store_may_be_behind_or_empty() {
    let mut world = World::with_session().await;
    world.event("s1", BEGIN_MS + 200_000, json!({"type": "like", "user_id": "u1"})).await;
    for changes in world.fold().await {
        world.write_rows(&changes).await;
    }
    // Behind: fine for who has seen no more, else the row store answers.
    assert_eq!(world.ok(REPORT).await["metrics"]["likes"], 0);
    let token = world.token("s1", world.cut("s1").await.next);
    let answer = world.get_with(REPORT, &[("tandem-token", &token)]).await;
    assert_eq!(answer.json()["metrics"]["likes"], 1);
    assert_eq!(answer.json()["meta"]["degraded"], json!([]));
}

#[tokio::test]
async fn one_store_is_enough_and_none_is_an_answer_too() {
    let world = World::with_session().await;
    world.warm().await;
    world.plans.rows.add(Fault::unavailable());
    assert_eq!(world.ok(REPORT).await["metrics"]["views"], 4);
    let trend = world.get("/v1/sessions/s1/trend").await;
    assert_eq!((trend.status, trend.problem().as_str()), (503, "unavailable"));
    assert_eq!(trend.header("retry-after"), "1");
    // Older than the token, but all there is.
    let token = world.token("s1", world.cut("s1").await.next + 1);
    let stale = world.get_with(REPORT, &[("tandem-token", &token), ("tandem-stale", "1")]).await;
    assert_eq!(stale.json()["meta"]["degraded"], json!(["rows"]));
    world.plans.hot.add(Fault::unavailable());
    assert_eq!(world.get(REPORT).await.problem(), "unavailable");
    world.plans.rows.clear();
    assert_eq!(world.ok(REPORT).await["meta"]["degraded"], json!(["hot"]));
    world.plans.rows.add(Fault::new(Outcome::FailBefore(StoreError::Damaged("block 7".to_owned()))));
    let damaged = world.get("/v1/sessions/s1/trend").await;
    assert_eq!((damaged.status, damaged.problem().as_str()), (500, "internal"));
}

#[tokio::test]
async fn a_list_s_token_covers_what_the_list_showed() {
    let mut world = World::with_session().await;
    let list = world.ok("/v1/sessions").await;
    let mut token = Token::decode(list["meta"]["token"].as_str().unwrap()).unwrap();
    let cut = world.cut("s1").await;
    token.join(&Token::decode(&world.token("s1", cut.next)).unwrap());
    assert_eq!(token.encode(), list["meta"]["token"].as_str().unwrap(), "nothing to add");
    assert_eq!(list["meta"]["as_of"], cut.clock);
    world.beat(BEGIN + 300).await;
    world.flush().await;
    let answer = world.send(Method::HEAD, "/v1/sessions", &[("tandem-token", &token.encode())]).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_ne!(answer.header("tandem-token"), token.encode());
}
