//! Exports: tables part by part, whole sessions and pieces of large ones, within a scope.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tandem_model::scope::Grants;
use tandem_model::{Scope, headers};

use crate::scopes;
use crate::world::{Answer, BEGIN, BEGIN_MS, World};

const TABLES: [&str; 7] =
    ["dws_session", "dws_total", "dws_trend_10s", "dws_trend_1m", "dws_trend_5m", "dws_hour", "dws_day"];

/// The rows of a part in JSON lines.
fn rows(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let rows: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answer.header("tandem-export-rows"), rows.len().to_string());
    rows
}

/// All parts of an export, following the links.
async fn parts(world: &World, scope: &Scope, path: &str) -> Vec<Answer> {
    let (mut path, mut parts) = (path.to_owned(), Vec::new());
    loop {
        let answer = world.get_as(scope, &path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let next = answer.header("tandem-export-next").to_owned();
        let link = answer.header("link").to_owned();
        parts.push(answer);
        if next.is_empty() {
            assert_eq!(link, "");
            return parts;
        }
        assert!(link.contains(&format!("cursor={next}>; rel=\"next\"")), "{link}");
        link[1..].split('>').next().unwrap().clone_into(&mut path);
    }
}

#[tokio::test]
async fn a_table_is_all_rows_of_all_sessions() {
    let world = scopes::world().await;
    let report = world.ok("/v1/sessions/s-2/report").await;
    let parts_of = |table: &str| format!("/v1/export/{table}?format=json");
    let sessions = rows(&world.get(&parts_of("dws_session")).await);
    let ids: Vec<&str> = sessions.iter().map(|row| row["session_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["s-3", "s-9", "s-2", "s-1"], "in the order of the list of sessions");
    assert_eq!(sessions[2]["anchor_id"], "a2");
    let totals = rows(&world.get(&parts_of("dws_total")).await);
    let of = |breakdown: &str, key: &str| {
        let is_it =
            |row: &&Value| row["session_id"] == "s-2" && row["breakdown"] == breakdown && row["key"] == key;
        totals.iter().find(is_it).unwrap_or_else(|| panic!("{breakdown} {key}"))
    };
    for metric in ["views", "viewers", "gmv_fen", "orders", "late_events"] {
        assert_eq!(of("room", "room")[metric], report["metrics"][metric], "{metric}");
    }
    for row in report["breakdowns"]["channel"].as_array().unwrap() {
        let found = of("channel", row["key"].as_str().unwrap());
        assert_eq!(found["views"], row["metrics"]["views"]);
        assert_eq!(found["online_viewers"], Value::Null, "that is not counted by channel");
    }
    // Trends add up to totals.
    let views = |rows: &[Value]| -> u64 {
        let room = rows.iter().filter(|row| row["breakdown"] == "room");
        room.map(|row| row["views"].as_u64().unwrap()).sum()
    };
    for table in TABLES.iter().filter(|table| **table != "dws_session") {
        assert_eq!(views(&rows(&world.get(&parts_of(table)).await)), views(&totals), "{table}");
    }
    // Filters.
    let one = rows(&world.get("/v1/export/dws_total?format=json&anchor_id=a2&breakdowns=room,item").await);
    let split: BTreeSet<&str> = one.iter().map(|row| row["breakdown"].as_str().unwrap()).collect();
    assert_eq!(split, BTreeSet::from(["item", "room"]));
    assert!(one.iter().all(|row| row["session_id"] == "s-2"));
    assert_eq!(rows(&world.get("/v1/export/dws_total?format=json&to=1000").await), Vec::<Value>::new());
}

#[tokio::test]
async fn a_part_says_what_it_is() {
    let world = World::with_session().await;
    let document = tandem_query::openapi();
    let described = &document["paths"]["/v1/export/{table}"]["get"]["responses"]["200"];
    for (format, media_type) in [("csv", "text/csv"), ("json", "application/x-ndjson")] {
        let path = format!("/v1/export/dws_total?format={format}&breakdowns=room");
        let answer = world.get(&path).await;
        assert!(answer.header("content-type").starts_with(media_type), "{answer:?}");
        assert!(described["content"][media_type].is_object());
        assert_eq!(answer.header("repr-digest"), tandem_exports::repr_digest(answer.text.as_bytes()));
        assert_eq!(answer.header("tandem-export-first-row"), "0");
        let provenance = answer.header("tandem-provenance");
        let log = tandem_storage::EventLog::id(&*world.log);
        let expected = format!("log=\"{log}\", positions=(\"0:");
        assert!(provenance.starts_with(&expected) && provenance.ends_with("stale=?0"), "{provenance}");
        // Whoever gives the same figures, whenever, names them alike.
        let again = world.get(&path).await;
        assert_eq!(again.header("etag"), answer.header("etag"));
        let own =
            |name: &&http::HeaderName| name.as_str() != "cache-control" && name.as_str() != "content-type";
        let described: BTreeMap<String, &Value> = described["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, header)| (name.to_lowercase(), header))
            .collect();
        for name in answer.headers.keys().filter(own).filter(|name| name.as_str() != "content-length") {
            assert!(described.contains_key(name.as_str()), "{name} is not described");
        }
    }
    let parquet = &described["content"]["application/vnd.apache.parquet"];
    assert!(parquet.is_object());
    // The columns are those that the catalogue names.
    let catalogue = world.ok("/v1/catalog/tables").await;
    let tables = catalogue["exports"].as_array().unwrap();
    assert_eq!(tables.iter().map(|table| table["name"].as_str().unwrap()).collect::<Vec<_>>(), TABLES);
    for table in tables {
        let path = format!("/v1/export/{}", table["name"].as_str().unwrap());
        let columns =
            table["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap());
        let head = world.get(&path).await.text.lines().next().unwrap().to_owned();
        assert_eq!(head, columns.collect::<Vec<_>>().join(","));
    }
}

/// More rows than a part of JSON lines holds.
async fn large(world: &mut World, session: &str, from: u64) {
    for number in 0..1_100 {
        let ts = BEGIN_MS + from + number * 10;
        let click = json!({"type": "item_click", "user_id": "u1", "item_id": format!("i{from}-{number}")});
        world.event(session, ts, click).await;
    }
}

#[tokio::test]
async fn a_large_session_comes_in_pieces_of_one_cut() {
    let mut world = World::new();
    world.beat(BEGIN).await;
    for (number, session) in ["s-1", "s-2", "s-3"].into_iter().enumerate() {
        world.start_of(session, BEGIN_MS + 1_000 + number as u64, "a1", None).await;
    }
    for part in 0..5 {
        large(&mut world, "s-2", 10_000 + part * 20_000).await;
    }
    world.beat(BEGIN + 180).await;
    world.flush().await;
    let path = "/v1/export/dws_total?format=json";
    let all = parts(&world, &Scope::All, path).await;
    let shape: Vec<(usize, &str)> =
        all.iter().map(|part| (rows(part).len(), part.header("tandem-export-first-row"))).collect();
    assert!(
        shape.len() == 4 && shape[1] == (4_096, "0") && shape[2].1 == "4096" && shape[3].1 == "0",
        "{shape:?}"
    );
    let keys: Vec<String> = all
        .iter()
        .flat_map(rows)
        .map(|row| format!("{} {} {}", row["session_id"], row["breakdown"], row["key"]))
        .collect();
    let distinct: BTreeSet<&String> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len(), "no row twice");
    let items = keys.iter().filter(|key| key.starts_with("\"s-2\" \"item\"")).count();
    assert_eq!(items, 5_000 + 1, "as many as are kept apart, and the rest");

    // It changes while somebody is in the middle of it: they get what they began with.
    let cursor = all[1].header("tandem-export-next").to_owned();
    world
        .event(
            "s-2",
            BEGIN_MS + 181_000,
            json!({"type": "item_click", "user_id": "u1", "item_id": "i10000-0"}),
        )
        .await;
    world.beat(BEGIN + 190).await;
    world.flush().await;
    let piece = world.get(&format!("{path}&cursor={cursor}")).await;
    assert_eq!(piece.text, all[2].text);
    // Another node has not kept it.
    let other = World::beside(&world, world.stores.clone());
    let refused = other.get(&format!("{path}&cursor={cursor}")).await;
    assert_eq!((refused.status, refused.problem().as_str()), (409, "conflict"), "{refused:?}");
    assert_eq!(refused.json()["session_id"], "s-2");
    // But what has not changed, it has as well.
    let anew = other.get(&format!("{path}&cursor={}", all[0].header("tandem-export-next"))).await;
    let next = format!("{path}&cursor={}", anew.header("tandem-export-next"));
    assert_eq!(world.get(&next).await.text, other.get(&next).await.text);
}

#[tokio::test]
async fn parts_are_whole_sessions_and_stay_while_others_come() {
    let mut world = World::new();
    world.beat(BEGIN).await;
    for number in 0..150 {
        world.start_of(&format!("s-{number}"), BEGIN_MS + 1_000 + number, "a1", None).await;
    }
    world.beat(BEGIN + 60).await;
    world.flush().await;
    let path = "/v1/export/dws_total?format=json&breakdowns=room";
    let all = parts(&world, &Scope::All, path).await;
    assert_eq!(all.iter().map(|part| rows(part).len()).collect::<Vec<_>>(), [64, 64, 22]);
    // A session that begins meanwhile is in no later part, and moves nothing.
    world.start_of("s-new", BEGIN_MS + 61_000, "a1", None).await;
    world.beat(BEGIN + 62).await;
    world.flush().await;
    let second = world.get(&format!("{path}&cursor={}", all[0].header("tandem-export-next"))).await;
    assert_eq!(second.text, all[1].text);
    // A cursor is of one export: with other parameters it is none.
    for other in
        [path.replace("json", "csv"), path.replace("room", "item"), path.replace("dws_total", "dws_day")]
    {
        let refused = world.get(&format!("{other}&cursor={}", all[0].header("tandem-export-next"))).await;
        assert_eq!((refused.status, refused.problem().as_str()), (400, "bad-parameter"), "{other}");
    }
    assert_eq!(world.get("/v1/export/dws_mood").await.status, 404);
    for wrong in ["format=xlsx", "breakdowns=mood", "limit=5", "cursor=eDEu", "from=soon"] {
        assert_eq!(world.get(&format!("/v1/export/dws_total?{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_granted_table_is_whole_and_others_are_what_the_key_sees() {
    let world = scopes::world().await;
    let partner = Scope::Granted(Grants { tables: ["dws_total".to_owned()].into(), ..Grants::default() });
    let path = "/v1/export/dws_total?format=json";
    assert_eq!(world.get_as(&partner, path).await.text, world.get(path).await.text);
    let refused = world.get_as(&partner, "/v1/export/dws_day").await;
    assert_eq!(
        (refused.status, refused.json()["allowed"].clone()),
        (403, json!(["dws_total"])),
        "{refused:?}"
    );
    let nobody = world.send_just(http::Method::GET, path, &[]).await;
    assert_eq!(nobody.status, 403);
    assert_eq!(world.get_as(&Scope::Granted(Grants::default()), path).await.status, 403);

    // Of each session exactly the rows that the reports show.
    for (scope, sees) in scopes::scopes() {
        let has_grants = matches!(&scope, Scope::Granted(grants)
            if !grants.anchors.is_empty() || !grants.merchants.is_empty() || !grants.channels.is_empty());
        if !has_grants {
            continue;
        }
        let answer = world.get_with(path, &[(headers::SCOPE, &scope.encode())]).await;
        let shown = rows(&answer);
        for (session, sees) in ["s-1", "s-2", "s-3"].into_iter().zip(sees) {
            let of = shown.iter().filter(|row| row["session_id"] == session);
            let split: BTreeSet<&str> = of.clone().map(|row| row["breakdown"].as_str().unwrap()).collect();
            let what = format!("{session} {scope:?} {split:?}");
            match sees {
                scopes::Sees::Whole => assert!(split.contains("room") && split.contains("source"), "{what}"),
                scopes::Sees::Items => assert!(split.contains("item") && !split.contains("room"), "{what}"),
                scopes::Sees::Channels => assert_eq!(split, BTreeSet::from(["channel"]), "{what}"),
                scopes::Sees::Nothing => assert_eq!(split, BTreeSet::new(), "{what}"),
            }
            if let Scope::Granted(grants) = &scope
                && sees == scopes::Sees::Channels
            {
                assert!(
                    of.clone().all(|row| grants.channels.contains(row["key"].as_str().unwrap())),
                    "{what}"
                );
            }
        }
    }
}
