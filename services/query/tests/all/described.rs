//! The OpenAPI document: every answer that runs is as it says, strictly.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{BEGIN, BEGIN_MS, World};

/// What is described and answered elsewhere, or has no parameters.
const ELSEWHERE: [&str; 12] = [
    // Is no JSON: see `exports.rs`.
    "/v1/export/{table}",
    "/v1/sessions/{id}/stream",
    "/v1/stream",
    "/v1/events",
    "/v1/repairs",
    "/v1/verdicts",
    "/v1/definitions",
    "/v1/shield/verdicts/{request_id}",
    "/v1/status",
    "/v1/openapi.json",
    "/v1/asyncapi.json",
    "/v1/docs",
];

fn document() -> Value {
    tandem_query::openapi()
}

/// What a reference stands for.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.map_or(value, |pointer| document.pointer(pointer).unwrap())
}

/// Shapes may gain members for users; here a member that is not described is an error.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("properties") && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn check(document: &Value, schema: &Value, instance: &Value, what: &str) {
    let mut components = document["components"].clone();
    close(&mut components);
    let mut root = schema.clone();
    root["components"] = components;
    let validator = jsonschema::draft202012::new(&root).unwrap_or_else(|error| panic!("{what}: {error}"));
    let errors: Vec<_> =
        validator.iter_errors(instance).map(|error| format!("{error} at {}", error.instance_path)).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}\n{instance:#}");
}

/// The path of the document that a request's path is an instance of.
fn template(document: &Value, path: &str) -> String {
    let path = path.split('?').next().unwrap();
    let is_instance = |template: &str| {
        template.split('/').count() == path.split('/').count()
            && template
                .split('/')
                .zip(path.split('/'))
                .all(|(one, other)| one.starts_with('{') || one == other)
    };
    let paths = document["paths"].as_object().unwrap();
    paths.keys().find(|template| is_instance(template)).unwrap_or_else(|| panic!("{path}")).clone()
}

#[tokio::test]
async fn every_answer_is_as_the_document_says() {
    let mut world = World::with_session().await;
    world.event("s2", BEGIN_MS + 240_000, json!({"type": "enter", "user_id": "u1"})).await;
    world.append("s2", "no json").await;
    world.event("s1", BEGIN_MS + 240_000, json!({"type": "session_end"})).await;
    world.beat(BEGIN + 1_000).await;
    let refund = json!({"type": "order_refunded", "user_id": "u1", "order_id": "o1", "amount_fen": 1});
    world.event("s1", BEGIN_MS + 900_000, refund).await;
    world.flush().await;
    let document = document();
    let mut called = BTreeSet::new();
    for path in [
        "/v1/sessions",
        "/v1/sessions?limit=1",
        "/v1/sessions/s1",
        "/v1/sessions/s2",
        "/v1/sessions/s1/report",
        "/v1/sessions/s2/report?metrics=views&breakdowns=",
        "/v1/sessions/s1/trend",
        "/v1/sessions/s1/trend?by=source&step=5m&metrics=views",
        "/v1/sessions/s1/compare?with=s2",
        "/v1/sessions/s1/compare?with=s2&at=60000&align=clock",
        "/v1/sessions/s1/compare?with=s2&breakdowns=source,item",
        "/v1/sessions/s2/compare?at=60000",
        "/v1/sessions/s1/rejected?limit=1",
        "/v1/sessions/s1/report?at=1732190640000",
        "/v1/sessions/s1/explain?from=1732190640000",
        "/v1/sessions/s1/explain?from=1732190580000&to=1732190640000&metrics=net_gmv_fen,viewers",
        "/v1/anchors/anchor-of-s1",
        "/v1/anchors/anchor-of-s1?from=1732190400000&metrics=views,viewers,refunds,net_gmv_fen",
        "/v1/anchors/anchor-of-s1/sessions?limit=1",
        "/v1/rankings",
        "/v1/rankings/session.gmv",
        "/v1/rankings/session.gpm?period=month&limit=1&fan_tier=micro",
        "/v1/rankings/anchor.influence/subjects/anchor-of-s1?period=week",
        "/v1/rankings/item.gmv/subjects/nobody",
        "/v1/deadletters",
        "/v1/catalog/metrics",
        "/v1/catalog/difference?metric=aov_fen&formula=gmv_fen/buyers",
        "/v1/catalog/difference?metric=net_gmv_fen&formula=gmv_fen%2Bgift_fen-refund_fen&limit=1",
        "/v1/catalog/tables",
        "/v1/log/0",
        "/v1/log/1",
        "/v1/log/2",
        "/v1/rows",
        "/v1/rows?limit=1",
        "/v1/partitions",
    ] {
        let answer = world.ok(path).await;
        let template = template(&document, path);
        let described = &document["paths"][&template]["get"]["responses"]["200"];
        check(&document, &described["content"]["application/json"]["schema"], &answer, path);
        for header in ["Tandem-Token", "Tandem-Chain"] {
            assert!(described["headers"][header].is_object(), "{path}: {header}");
        }
        called.insert(template);
    }
    assert_eq!(world.ok("/v1/sessions/s1").await["session"]["status"], "corrected");
    // Nothing that is described and answered here was left out.
    called.extend(ELSEWHERE.map(str::to_owned));
    let all: BTreeSet<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(called, all);
}

#[tokio::test]
async fn every_problem_is_as_the_document_says() {
    let world = World::with_session().await;
    let document = document();
    let ahead = world.token("s1", 1_000_000);
    for (path, token) in [
        ("/v1/sessions?limit=0", None),
        ("/v1/sessions/nobody", None),
        ("/v1/sessions/s1/report", Some(ahead.as_str())),
        ("/v1/sessions", Some("!")),
        ("/v1/sessions/s1/report?at=!", None),
        ("/v1/sessions/s1/report?at=1732190399999", None),
        ("/v1/sessions/s1/explain", None),
        ("/v1/anchors/nobody", None),
        ("/v1/anchors/anchor-of-s1?from=5&to=5", None),
        ("/v1/anchors/nobody/sessions", None),
        ("/v1/rankings/nothing", None),
        ("/v1/rankings/item.gmv?period=year", None),
        ("/v1/rankings/item.gmv?edition=5", None),
        ("/v1/rankings/item.gmv/subjects/i1?limit=5", None),
    ] {
        let headers: Vec<_> = token.map(|token| ("tandem-token", token)).into_iter().collect();
        let answer = world.get_with(path, &headers).await;
        let operation = &document["paths"][template(&document, path)]["get"];
        let described = resolved(&document, &operation["responses"][answer.status.to_string()]);
        let kind = format!("urn:tandem:problem:{}", answer.problem());
        assert!(described["description"].as_str().unwrap().contains(&kind), "{path}: {kind}");
        check(&document, &described["content"]["application/problem+json"]["schema"], &answer.json(), path);
    }
}

#[tokio::test]
async fn every_parameter_that_is_described_is_known_and_no_other() {
    let world = World::with_session().await;
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        if ELSEWHERE.contains(&path.as_str()) {
            continue;
        }
        let concrete = path.replace("{id}", "s1").replace("{partition}", "0");
        for parameter in item["get"]["parameters"].as_array().unwrap() {
            let parameter = resolved(&document, parameter);
            if parameter["in"] == "query" {
                let name = parameter["name"].as_str().unwrap();
                assert!(parameter["description"].is_string(), "{path}: {name}");
                let answer = world.get(&format!("{concrete}?{name}=")).await;
                assert!(!answer.text.contains("unknown parameter"), "{path}: {name}: {answer:?}");
            }
        }
        let answer = world.get(&format!("{concrete}?surely_not=1")).await;
        assert!(answer.text.contains("unknown parameter `surely_not`"), "{path}: {answer:?}");
    }
}

#[test]
fn the_document_is_sound() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 10, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
            for words in ["summary", "description"] {
                assert!(
                    operation[words].as_str().is_some_and(|text| !text.is_empty()),
                    "{method} {path}: {words}"
                );
            }
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{method} {path}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let parameter = resolved(&document, parameter);
                check(
                    &document,
                    &parameter["schema"],
                    &parameter["example"],
                    &format!("{path}: {parameter}"),
                );
            }
            let body = &operation["requestBody"];
            let bodies = body["content"].as_object().into_iter().flatten();
            for (status, response) in operation["responses"].as_object().unwrap() {
                let response = resolved(&document, response);
                assert!(response["headers"]["Tandem-Request-Id"].is_object(), "{method} {path}: {status}");
                let contents = response["content"].as_object().into_iter().flatten();
                // A file of Parquet is no text.
                let is_text = |(media_type, _): &(&String, &Value)| !media_type.ends_with("parquet");
                for (media_type, content) in contents.chain(bodies.clone()).filter(is_text) {
                    let examples = content["examples"].as_object().into_iter().flatten();
                    let examples: Vec<_> = content
                        .get("example")
                        .into_iter()
                        .chain(examples.map(|(_, one)| &one["value"]))
                        .collect();
                    let what = format!("{method} {path}: {status} {media_type}");
                    assert!(!examples.is_empty(), "{what} has no example");
                    for example in examples {
                        check(&document, &content["schema"], example, &what);
                    }
                }
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if let Some(example) = schema.get("example") {
            check(&document, schema, example, name);
        }
    }
}

#[tokio::test]
async fn the_document_and_its_page_are_served() {
    let world = World::new();
    let answer = world.get("/v1/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.json(), document());
    let page = world.get("/v1/docs").await;
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    assert!(page.text.contains("/v1/sessions/{id}/report"));
}
