//! What partner teams read directly: its descriptions, and messages against their schemas.

use serde_json::{Value, json};
use tandem_model::catalogue::DEFINITIONS;
use tandem_model::route::Chain;
use tandem_model::summary::{Marker, Message, Schema, is_published};
use tandem_model::{Changes, Stored};
use tandem_query::{Cql, Partners, Query};
use tandem_storage::EventLog;
use tower::ServiceExt;

use crate::world::{Answer, BEGIN, BEGIN_MS, World};

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// A validator of one schema of the document. Closed, it takes no member that is not described.
fn validator(document: &Value, schema: &Value, is_closed: bool) -> jsonschema::Validator {
    fn close(schema: &mut Value) {
        match schema {
            Value::Object(members) => {
                if members.get("type") == Some(&json!("object")) {
                    members.insert("additionalProperties".to_owned(), json!(false));
                }
                members.values_mut().for_each(close);
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }
    let mut root = json!({"allOf": [schema], "components": document["components"]});
    if is_closed {
        close(&mut root["components"]["schemas"]);
    }
    jsonschema::draft7::new(&root).unwrap()
}

struct Described {
    key: jsonschema::Validator,
    value: jsonschema::Validator,
    headers: jsonschema::Validator,
}

fn described(document: &Value, schema: Schema) -> Described {
    let message = &document["components"]["messages"][schema.kind()];
    Described {
        key: validator(document, &message["bindings"]["kafka"]["key"], true),
        value: validator(document, &message["payload"], true),
        headers: validator(document, &message["headers"], true),
    }
}

fn value_of(message: &Message) -> Value {
    message.value.as_ref().map_or(Value::Null, |value| serde_json::from_slice(value).unwrap())
}

/// What the publisher would send of these changes.
fn messages(world: &World, changes: &Changes) -> Vec<Message> {
    let marker = Marker {
        log: world.log.id(),
        generation: 0,
        partition: changes.partition,
        cut: changes.cut,
        chain: Chain::B,
        epoch: 3,
        definitions: DEFINITIONS,
    };
    let mut messages = Vec::new();
    for change in &changes.sessions {
        messages.extend(change.session.iter().map(|row| marker.session_message(&change.session_id, row)));
        let rows = change.rows.iter().filter(|row| is_published(&row.key));
        messages.extend(rows.map(|row| marker.row_message(&change.session_id, row)));
    }
    messages.push(marker.message());
    messages
}

#[tokio::test]
async fn every_message_is_as_the_document_says() {
    let document = tandem_query::asyncapi();
    let mut world = World::new();
    world.beat(BEGIN).await;
    let enter = |source: &str| json!({"type": "enter", "user_id": "u1", "source": source, "is_fan": true, "channel": "taobao"});
    world.event("s1", BEGIN_MS + 1_000, enter("billboard")).await;
    world.beat(BEGIN + 60).await;
    let mut all: Vec<Changes> = world.fold().await;
    world.start("s1", BEGIN_MS + 61_000).await;
    let order = json!({"type": "order_paid", "user_id": "u1", "order_id": "o1", "item_id": "i \" 1",
        "amount_fen": 9_900, "quantity": 2});
    world.event("s1", BEGIN_MS + 62_000, order).await;
    world.event("s1", BEGIN_MS + 63_000, json!({"type": "session_end"})).await;
    world.beat(BEGIN + 10_000).await;
    all.extend(world.fold().await);

    let mut count = 0;
    let kinds = Schema::ALL.map(|schema| (schema, described(&document, schema)));
    for message in all.iter().flat_map(|changes| messages(&world, changes)) {
        let key: Value = serde_json::from_slice(&message.key).unwrap();
        let value = value_of(&message);
        for (schema, described) in &kinds {
            let is_it = *schema == message.schema;
            assert_eq!(described.key.is_valid(&key), is_it, "{schema:?}: {key}");
            let headers = json!({"content-type": "application/json", "schema": message.schema.name()});
            assert_eq!(described.headers.is_valid(&headers), is_it, "{schema:?}");
            if is_it {
                assert!(described.value.is_valid(&value), "{value:#}");
                assert_eq!(described.value.is_valid(&Value::Null), *schema != Schema::Marker);
                // A schema that takes anything would have taken this, too.
                for member in value.as_object().unwrap().keys() {
                    let mut less = value.clone();
                    less.as_object_mut().unwrap().remove(member);
                    assert!(!described.value.is_valid(&less), "{schema:?} without {member}");
                }
            }
        }
        count += 1;
    }
    assert!(count > 25, "{count}");
}

#[test]
fn the_document_is_sound() {
    let document = tandem_query::asyncapi();
    assert_eq!(document["asyncapi"], "3.0.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for schema in Schema::ALL {
        let message = &document["components"]["messages"][schema.kind()];
        let described = described(&document, schema);
        for example in message["examples"].as_array().unwrap() {
            assert!(described.value.is_valid(&example["payload"]), "{example:#}");
            assert!(described.headers.is_valid(&example["headers"]), "{example:#}");
        }
    }
    let metrics = document["components"]["schemas"]["Metrics"]["properties"].as_object().unwrap();
    assert_eq!(metrics.len(), Stored::ALL.len());
    assert_eq!(metrics["gmv_fen"]["x-unit"], "fen");
}

/// A router over a world's stores that offers what `partners` says.
async fn tables(world: &World, partners: Partners) -> Value {
    let query = Query::new(Chain::B, world.log.clone(), world.stores.clone()).offering(partners);
    let request = http::Request::get("/v1/catalog/tables").body(axum::body::Body::empty()).unwrap();
    let response = tandem_query::router(query).oneshot(request).await.unwrap();
    Answer::of(response).await.json()
}

#[tokio::test]
async fn tables_are_listed_with_their_columns_and_rules() {
    let world = World::new();
    // As the adapter describes them; what is not public is not shown.
    let cql_table = |name: &str, is_public: bool| {
        json!({"name": name, "meaning": "m", "is_public": is_public, "partition_key": ["session_id"],
            "clustering_key": [], "kept": "for ever", "columns": [{"name": "session_id", "cql_type": "text",
            "kind": "partition_key", "unit": null, "meaning": "the session"}]})
    };
    let tables_json = json!([cql_table("rows", true), cql_table("schema_lock", false)]);
    let cql = Cql { keyspace: "tandem_b".to_owned(), tables: serde_json::from_value(tables_json).unwrap() };
    let partners = Partners { topic: Some("dws.other".to_owned()), cql: Some(cql) };
    let answer = tables(&world, partners).await;
    assert_eq!((&answer["topic"]["name"], &answer["topic"]["offered"]), (&json!("dws.other"), &json!(true)));
    assert_eq!(answer["topic"]["partitions"], 3);
    assert_eq!((&answer["cql"]["chain"], &answer["cql"]["keyspace"]), (&json!("b"), &json!("tandem_b")));
    let names: Vec<_> =
        answer["cql"]["tables"].as_array().unwrap().iter().map(|table| &table["name"]).collect();
    assert_eq!(names, [&json!("rows")]);
    assert!(answer["cql"]["tables"][0].get("is_public").is_none());
    for part in ["topic", "cql"] {
        for rule in ["reader_must", "may_change", "stays", "not_promised"] {
            assert!(!answer[part]["rules"][rule].as_array().unwrap().is_empty(), "{part} {rule}");
        }
    }
    // Every column of figures says its unit and meaning; a breakdown has no gauges.
    let total = &answer["topic"]["tables"][0];
    assert_eq!((&total["name"], &total["bucket_ms"]), (&json!("total"), &Value::Null));
    let columns = |breakdown: usize| total["breakdowns"][breakdown]["columns"].as_array().unwrap().clone();
    assert_eq!(columns(0).len(), Stored::ALL.len());
    let has = |columns: &[Value], id: &str| columns.iter().any(|column| column["id"] == id);
    assert!(has(&columns(0), "online_peak") && !has(&columns(1), "online_peak"));
    assert!(columns(0).iter().all(|column| column["unit"].is_string() && column["meaning"].is_string()));

    let answer = tables(&world, Partners::default()).await;
    assert_eq!((&answer["topic"]["offered"], &answer["cql"]), (&json!(false), &Value::Null));
}

#[tokio::test]
async fn the_document_is_served() {
    let answer = World::new().get("/v1/asyncapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.json(), tandem_query::asyncapi());
}

/// The text for people holds the same rules, word for word.
#[tokio::test]
async fn the_rules_for_people_are_the_same() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/partners.md");
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cql = Cql { keyspace: "tandem_b".to_owned(), tables: Vec::new() };
    let answer = tables(&World::new(), Partners { topic: None, cql: Some(cql) }).await;
    for part in ["topic", "cql"] {
        for rule in ["reader_must", "may_change", "stays", "not_promised"] {
            for sentence in answer[part]["rules"][rule].as_array().unwrap() {
                assert!(text.contains(&format!("- {}", sentence.as_str().unwrap())), "{sentence}");
            }
        }
    }
    for name in tandem_model::summary::TABLES.map(|table| table.name()) {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
}
