//! Lists and their pages: sessions, and what was not counted.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{BEGIN, BEGIN_MS, World};

fn ids(list: &Value) -> Vec<String> {
    let sessions = list["sessions"].as_array().unwrap();
    sessions.iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

async fn world_of(count: u64) -> World {
    let mut world = World::new();
    world.beat(BEGIN).await;
    for number in 0..count {
        // Two start at each moment.
        world.start(&format!("s{number:02}"), BEGIN_MS + number / 2 * 1_000).await;
    }
    world.flush().await;
    world
}

#[tokio::test]
async fn sessions_come_newest_first_and_pages_neither_repeat_nor_skip() {
    let mut world = world_of(12).await;
    let whole = ids(&world.ok("/v1/sessions").await);
    let expected: Vec<_> =
        [10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1].iter().map(|number| format!("s{number:02}")).collect();
    assert_eq!(whole, expected);
    assert_eq!(world.ok("/v1/sessions").await["next_cursor"], json!(null));

    let mut found = Vec::new();
    let mut path = "/v1/sessions?limit=5".to_owned();
    loop {
        let page = world.ok(&path).await;
        found.extend(ids(&page));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/sessions?limit=5&cursor={cursor}");
        // Meanwhile another one begins, on top.
        let id = format!("new-{}", found.len());
        world.start(&id, BEGIN_MS + 60_000).await;
        world.flush().await;
    }
    assert_eq!(found, expected);
    // A last page that is full has nothing after it.
    let page = world.ok(&format!("/v1/sessions?limit=12&to={}", BEGIN_MS + 60_000)).await;
    assert_eq!((ids(&page).len(), &page["next_cursor"]), (12, &json!(null)));
}

#[tokio::test]
async fn sessions_are_filtered() {
    let mut world = world_of(6).await;
    world.event("s00", BEGIN_MS + 1_000, json!({"type": "session_end"})).await;
    world.event("by-event", BEGIN_MS + 1_000, json!({"type": "enter", "user_id": "u"})).await;
    world.beat(BEGIN + 700).await;
    world.flush().await;
    let from = BEGIN_MS + 1_000;
    for (query, expected) in [
        ("anchor_id=anchor-of-s03".to_owned(), vec!["s03"]),
        ("anchor_id=nobody".to_owned(), vec![]),
        ("status=final".to_owned(), vec!["s00"]),
        ("status=live&limit=2".to_owned(), vec!["s04", "s05"]),
        (format!("from={from}"), vec!["s04", "s05", "by-event", "s02", "s03"]),
        (format!("from={from}&to={}", from + 1), vec!["by-event", "s02", "s03"]),
        (format!("to={from}"), vec!["s00", "s01"]),
    ] {
        assert_eq!(ids(&world.ok(&format!("/v1/sessions?{query}")).await), expected, "{query}");
    }
}

#[tokio::test]
async fn a_session_s_refused_events_tell_why_and_what_they_would_have_added() {
    let world = World::with_session().await;
    let answer = world.ok("/v1/sessions/s1/rejected").await;
    let rejected = answer["rejected"].as_array().unwrap();
    assert_eq!(rejected.len(), 2, "{answer}");
    let (late, malformed) = (&rejected[0], &rejected[1]);
    assert_eq!(late["reason"], "late");
    assert_eq!(late["type"], "like");
    assert_eq!(late["ts"], BEGIN_MS - 3_600_000);
    assert_eq!(late["clock"], (BEGIN + 180) * 1_000);
    assert_eq!(late["would_add"]["likes"], 1);
    assert_eq!(late["session_id"], "s1");
    let user = late["user"].as_str().unwrap();
    assert!(user.len() == 32 && user.bytes().all(|byte| byte.is_ascii_hexdigit()), "{user}");
    assert_eq!(malformed["reason"], "malformed");
    assert_eq!(malformed["detail"]["field"], "ts");
    assert_eq!(malformed["detail"]["problem"], "not_an_integer");
    assert_eq!(
        (&malformed["ts"], &malformed["user"], &malformed["would_add"]),
        (&json!(null), &json!(null), &json!({}))
    );
    let only = world.ok("/v1/sessions/s1/rejected?reason=malformed").await;
    assert_eq!(only["rejected"].as_array().unwrap().len(), 1);
    assert_eq!(world.get("/v1/sessions/nobody/rejected").await.status, 404);
}

#[tokio::test]
async fn dead_letters_are_paged_over_all_partitions() {
    let mut world = World::new();
    for number in 0..20 {
        let session = format!("s{number}");
        world.event(&session, BEGIN_MS, json!({"type": "enter", "user_id": "u"})).await;
        world.append(&session, &format!("{{\"session_id\":\"{session}\"}}")).await;
    }
    world.append("elsewhere", "no json").await;
    world.flush().await;
    let mut places = Vec::new();
    let mut sessions = BTreeSet::new();
    let mut path = "/v1/deadletters?limit=4".to_owned();
    loop {
        let page = world.ok(&path).await;
        for one in page["rejected"].as_array().unwrap() {
            places.push((one["partition"].as_u64().unwrap(), one["offset"].as_u64().unwrap()));
            sessions.insert(one["session_id"].to_string());
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/deadletters?limit=4&cursor={cursor}");
    }
    assert_eq!(places.len(), 21);
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(sessions.len(), 21, "one names no session");
}

#[tokio::test]
async fn what_lies_beyond_the_cut_is_not_listed_yet() {
    let mut world = World::new();
    for number in 0..9 {
        world.event(&format!("s{number}"), BEGIN_MS, json!({"type": "enter", "user_id": "u"})).await;
    }
    world.flush().await;
    for number in 0..9 {
        world.append(&format!("s{number}"), &format!("{{\"session_id\":\"s{number}\"}}")).await;
    }
    // The dead letters are written before the rows; only one partition's rows follow.
    let changes = world.fold().await;
    for changes in &changes {
        world.stores.dead_letters.append(&changes.rejected).await.unwrap();
    }
    assert_eq!(world.ok("/v1/deadletters?limit=1").await["rejected"], json!([]));
    assert_eq!(world.ok("/v1/sessions/s0/rejected").await["rejected"], json!([]));
    world.write_rows(&changes[2]).await;
    let listed = world.ok("/v1/deadletters").await;
    assert_eq!(listed["rejected"].as_array().unwrap().len(), changes[2].rejected.len());
    assert!(!changes[2].rejected.is_empty() && !changes[0].rejected.is_empty(), "the test needs both");
}
