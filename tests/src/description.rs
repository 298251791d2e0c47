//! The server's OpenAPI document, and whether an answer is as it says.
//!
//! Stricter than a client has to be: a member that is not described is a failure here, so that
//! the document can't fall behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::api::Answer;

/// Where a schema stands: method and template of the path, status, media type.
type Place = (String, String, String, &'static str);

/// An OpenAPI document.
pub struct Description {
    document: Value,
    /// The components, closed against what is not described.
    components: Value,
    validators: Mutex<HashMap<Place, Arc<Validator>>>,
}

impl Description {
    /// Reads one.
    pub fn new(document: Value) -> Self {
        assert_eq!(document["openapi"], "3.1.0");
        let mut components = document["components"].clone();
        close(&mut components);
        Self { document, components, validators: Mutex::default() }
    }

    /// Fails where the answer to a request that reads or writes is not as described.
    pub fn check(&self, method: &Method, path: &str, answer: &Answer) {
        let media = match answer.header("content-type").split(';').next().unwrap_or_default() {
            "application/json" => "application/json",
            "application/problem+json" => "application/problem+json",
            "text/html" if answer.status == 200 => return,
            // Files: that there is one is described, not what is in it.
            media @ ("text/csv" | "application/x-ndjson" | "application/vnd.apache.parquet") => {
                let template = self.template(path).unwrap_or_default();
                let response =
                    &self.document["paths"][&template]["get"]["responses"][answer.status.to_string()];
                assert!(response["content"][media].is_object(), "{path}: {media} is not described");
                let headers = response["headers"].as_object().expect("headers are described");
                for (name, _) in headers.iter().filter(|(_, header)| self.is_required(header)) {
                    assert!(answer.headers.contains_key(name), "{path}: {name} is missing");
                }
                return;
            }
            other => panic!("{path}: an answer of type {other}: {answer:?}"),
        };
        let method = method.as_str().to_lowercase();
        let template = self.template(path).unwrap_or_default();
        let operation = &self.document["paths"][&template][&method];
        if operation.is_null() {
            // What is not described can't be done; without a key not even that is said, and of what can
            // be read in two ways nothing is said. The shield may have said something before.
            assert!(
                matches!(answer.status, 400 | 401 | 403 | 404 | 405 | 429),
                "{method} {path}: {answer:?}"
            );
            return;
        }
        let status = answer.status.to_string();
        let response = &operation["responses"][&status];
        let place = response["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        let response = place.and_then(|place| self.document.pointer(place)).unwrap_or(response);
        let schema = &response["content"][media]["schema"];
        assert!(schema.is_object(), "{method} {path}: {status} as {media} is not described");
        let validator = self.validator((method, template, status, media), schema);
        let instance = answer.json();
        // Whether is quicker to say than why, and answers are large.
        if validator.is_valid(&instance) {
            return;
        }
        let errors: Vec<_> = validator
            .iter_errors(&instance)
            .map(|error| format!("{error} at {}", error.instance_path))
            .collect();
        panic!("{path}: not as described: {errors:#?}");
    }

    fn is_required(&self, header: &Value) -> bool {
        let place = header["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        place.and_then(|place| self.document.pointer(place)).unwrap_or(header)["required"] == true
    }

    /// Compiled once per place.
    fn validator(&self, place: Place, schema: &Value) -> Arc<Validator> {
        let mut known = self.validators.lock().expect("no test fails while it holds it");
        let validator = known.entry(place).or_insert_with_key(|place| {
            let mut root = schema.clone();
            root["components"] = self.components.clone();
            let validator = jsonschema::draft202012::new(&root);
            Arc::new(validator.unwrap_or_else(|error| panic!("{place:?}: {error}")))
        });
        Arc::clone(validator)
    }

    /// The described path that `path` is an instance of.
    fn template(&self, path: &str) -> Option<String> {
        let path = path.split('?').next().unwrap_or_default();
        let is_instance = |template: &&String| {
            template.split('/').count() == path.split('/').count()
                && template
                    .split('/')
                    .zip(path.split('/'))
                    .all(|(one, other)| one.starts_with('{') || one == other)
        };
        let paths = self.document["paths"].as_object().expect("a document has paths");
        paths.keys().find(is_instance).cloned()
    }

    /// The described paths that can be read.
    pub fn readable(&self) -> Vec<String> {
        let paths = self.document["paths"].as_object().expect("a document has paths");
        paths.iter().filter(|(_, item)| item["get"].is_object()).map(|(path, _)| path.clone()).collect()
    }

    /// The described paths of which none of `read` is an instance.
    pub fn missing(&self, read: &[String]) -> Vec<String> {
        let read: Vec<_> = read.iter().filter_map(|path| self.template(path)).collect();
        self.readable().into_iter().filter(|path| !read.contains(path)).collect()
    }
}

/// Makes members that are not described an error, where the document leaves it open.
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
