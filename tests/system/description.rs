//! The server's OpenAPI document, and whether an answer is as it says.
//!
//! Stricter than a client has to be: a member that is not described is a failure here, so that
//! the document can't fall behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::api::Answer;

/// Where a schema stands: the path's template, the status, the media type.
type Place = (String, String, &'static str);

/// An OpenAPI document.
pub(crate) struct Description {
    document: Value,
    /// The components, closed against what is not described.
    components: Value,
    validators: Mutex<HashMap<Place, Arc<Validator>>>,
}

impl Description {
    pub(crate) fn new(document: Value) -> Self {
        assert_eq!(document["openapi"], "3.1.0");
        let mut components = document["components"].clone();
        close(&mut components);
        Self { document, components, validators: Mutex::default() }
    }

    /// Fails where the answer to reading `path` is not as described.
    pub(crate) fn check(&self, path: &str, answer: &Answer) {
        let media = match answer.header("content-type").split(';').next().unwrap_or_default() {
            "application/json" => "application/json",
            "application/problem+json" => "application/problem+json",
            "text/html" if answer.status == 200 => return,
            other => panic!("{path}: an answer of type {other}: {answer:?}"),
        };
        // What is not described can't be there.
        let Some(template) = self.template(path) else {
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
            answer.problem(404, "not-found");
            return;
        };
        let status = answer.status.to_string();
        let schema =
            &self.document["paths"][&template]["get"]["responses"][&status]["content"][media]["schema"];
        assert!(schema.is_object(), "{path}: {status} as {media} is not described");
        let validator = self.validator((template, status, media), schema);
        let instance = answer.json();
        let errors: Vec<_> = validator
            .iter_errors(&instance)
            .map(|error| format!("{error} at {}", error.instance_path))
            .collect();
        assert!(errors.is_empty(), "{path}: not as described: {errors:#?}");
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
    pub(crate) fn readable(&self) -> Vec<String> {
        let paths = self.document["paths"].as_object().expect("a document has paths");
        paths.iter().filter(|(_, item)| item["get"].is_object()).map(|(path, _)| path.clone()).collect()
    }

    /// The described paths of which none of `read` is an instance.
    pub(crate) fn missing(&self, read: &[String]) -> Vec<String> {
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
