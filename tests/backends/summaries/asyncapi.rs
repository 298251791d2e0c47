//! The AsyncAPI document: before AsyncAPI's own validator, and against what stands in a topic.
//!
//! The validator is `@asyncapi/parser` from npm, in a folder that the first run makes and later ones
//! use again. Where Node.js or the package can't be had that test says so and passes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use tandem_kafka::KafkaSummaries;
use tandem_model::route::Chain;
use tandem_model::summary::Schema;
use tandem_tests::services::Services;

use super::chaos::records;
use super::topic::{TopicReader, prepared};
use super::world::{PARTITIONS, World, partitions, settings};
use crate::virtualenv::run;

const PACKAGE: &str = "@asyncapi/parser@3.6.3";
/// Prints every complaint of the validator that is an error or a warning.
const PROGRAM: &str = "
const { Parser } = require('@asyncapi/parser');
const text = require('fs').readFileSync(process.argv[2], 'utf8');
new Parser().parse(text).then(({ document, diagnostics }) => {
  const grave = diagnostics.filter((one) => one.severity <= 1);
  console.log(JSON.stringify({
    isDocument: document !== undefined,
    grave: grave.map((one) => `${one.severity} ${one.code} ${one.path.join('/')}: ${one.message}`),
    messages: document ? document.messages().all().map((one) => one.name()).sort() : [],
  }));
});
";

fn folder() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("asyncapi-3.6.3");
    let complete = folder.join("complete");
    if !complete.exists() {
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let options = ["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"];
        run(Command::new("npm").args(options).arg(&folder).arg(PACKAGE))?;
        std::fs::write(folder.join("check.js"), PROGRAM).map_err(|error| error.to_string())?;
        std::fs::write(&complete, []).map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

fn check(folder: &Path, name: &str, document: &Value) -> Value {
    let file = folder.join(name);
    std::fs::write(&file, document.to_string()).expect("written");
    let output =
        run(Command::new("node").arg(folder.join("check.js")).arg(&file)).expect("the validator runs");
    serde_json::from_slice(&output.stdout).expect("what the program prints")
}

#[test]
fn the_document_is_valid() {
    let folder = match folder() {
        Ok(folder) => folder,
        Err(why) => return println!("skipped: no validator: {why}"),
    };
    let document = tandem_query::asyncapi();
    let found = check(&folder, "asyncapi.json", &document);
    assert_eq!(found["grave"], json!([]), "{found:#}");
    assert_eq!(found["isDocument"], true);
    assert_eq!(found["messages"], json!(["marker", "row", "session"]));

    // It is a validator: what is wrong is found.
    let mut wrong = document.clone();
    wrong["operations"]["publishSummaries"]["action"] = "shout".into();
    assert_ne!(check(&folder, "wrong.json", &wrong)["grave"], json!([]));
    let mut wrong = document;
    wrong["channels"]["summaries"]["messages"]["row"]["$ref"] = "#/components/messages/nobody".into();
    assert_ne!(check(&folder, "wrong.json", &wrong)["grave"], json!([]));
}

/// A validator of one schema of the document.
fn validator(document: &Value, schema: &Value) -> jsonschema::Validator {
    let root = json!({"allOf": [schema], "components": document["components"]});
    jsonschema::draft7::new(&root).expect("a schema")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_published_is_as_the_document_says() {
    let kafka = prepared(&Services::shared().addresses().kafka, PARTITIONS).await;
    let topic = KafkaSummaries::new(kafka.clone()).expect("settings that work");
    let world = World::on(0, Arc::new(topic), Arc::new(TopicReader(kafka)));
    world.append(records(61)).await;
    let process = world.start(Chain::A, &settings());
    world.group.tell(Chain::A);
    world.published().await;
    process.publisher.stop().await;

    let document = tandem_query::asyncapi();
    let validators = Schema::ALL.map(|schema| {
        let message = &document["components"]["messages"][schema.kind()];
        let key = validator(&document, &message["bindings"]["kafka"]["key"]);
        (schema, (key, validator(&document, &message["payload"])))
    });
    let validators: BTreeMap<_, _> = validators.into_iter().collect();
    let mut counts: BTreeMap<Schema, usize> = BTreeMap::new();
    for partition in partitions() {
        for message in world.reader.messages(partition).await {
            let (key_validator, value_validator) = &validators[&message.schema];
            let key: Value = serde_json::from_slice(&message.key).expect("a key is JSON");
            let value = message.value.as_ref().expect("nothing is withdrawn");
            let value: Value = serde_json::from_slice(value).expect("a value is JSON");
            assert!(key_validator.is_valid(&key), "{key}");
            assert!(value_validator.is_valid(&value), "{value}");
            *counts.entry(message.schema).or_default() += 1;
        }
    }
    assert!(Schema::ALL.iter().all(|schema| counts.get(schema) > Some(&1)), "{counts:?}");
}
