//! The AsyncAPI 3.0 document of the topic of summaries.

use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};
use tandem_model::catalogue::{DEFINITIONS, ROOM, STORED};
use tandem_model::route::Chain;
use tandem_model::row::Table;
use tandem_model::summary::{self, Marker, Message, Schema, TOPIC};
use tandem_model::time::Window;
use tandem_model::{Breakdown, Cut, LogId, PartitionId, Row, RowKey, SessionId, SessionRow, Stored};

use super::schemas::{components, reference};
use super::words::{TOPIC_MAY_CHANGE, TOPIC_NOT_PROMISED, TOPIC_READER, TOPIC_STAYS};

const CHANNEL: &str = "summaries";

/// The description of the topic of summaries, AsyncAPI 3.0.
pub fn asyncapi() -> Value {
    let refers = |schema: Schema| json!({"$ref": format!("#/channels/{CHANNEL}/messages/{}", schema.kind())});
    let channel_messages: Map<String, Value> = Schema::ALL
        .into_iter()
        .map(|schema| {
            let refers = json!({"$ref": format!("#/components/messages/{}", schema.kind())});
            (schema.kind().to_owned(), refers)
        })
        .collect();
    let messages: Map<String, Value> =
        Schema::ALL.into_iter().map(|schema| (schema.kind().to_owned(), message(schema))).collect();
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:tandem:dws.live",
        "info": {
            "title": "Tandem: summaries of live commerce",
            "version": summary::VERSION.to_string(),
            "description": description(),
            "tags": [{"name": "partners", "description": "For teams that read Tandem's figures in bulk."}],
        },
        "defaultContentType": summary::CONTENT_TYPE.1,
        "channels": {
            CHANNEL: {
                "address": TOPIC,
                "title": "Rows as they change",
                "description": "Written once, by whichever chain is active, in transactions that end with a \
                    `marker`. As many partitions as the event log; a session's rows stand in the partition of its \
                    events. Compacted: the latest message per key stays.",
                "messages": channel_messages,
                "bindings": {"kafka": {"topic": TOPIC,
                    "topicConfiguration": {"cleanup.policy": ["compact"]}, "bindingVersion": "0.5.0"}},
            },
        },
        "operations": {
            "publishSummaries": {
                "action": "send",
                "channel": {"$ref": format!("#/channels/{CHANNEL}")},
                "title": "Publish what changed",
                "summary": "At each beat of a partition, in one transaction: the rows that changed, then the marker.",
                "messages": Schema::ALL.map(refers),
            },
        },
        "components": {"messages": messages, "schemas": components()},
    })
}

fn description() -> String {
    let list = |title: &str, sentences: &[&str]| {
        let lines: String = sentences.iter().map(|sentence| format!("- {sentence}\n")).collect();
        format!("**{title}**\n\n{lines}\n")
    };
    [
        "The figures of live sessions as messages: a session's state, its totals, and its trends by 1 and 5 minutes, as \
         a whole and by each breakdown. Users appear nowhere.\n\n"
            .to_owned(),
        list("A reader must", TOPIC_READER),
        list("May change within this version", TOPIC_MAY_CHANGE),
        list("Does not change within it", TOPIC_STAYS),
        list("Not promised", TOPIC_NOT_PROMISED),
    ]
    .concat()
}

fn message(schema: Schema) -> Value {
    let (title, about) = match schema {
        Schema::Session => (
            "A session",
            "Sent when the session itself changed: it started, ended, became final or corrected.",
        ),
        Schema::Row => ("A row of figures", "Sent when one of its figures changed."),
        Schema::Marker => ("The end of a transaction", "All rows of the partition are as of its beat."),
    };
    // A marker is never withdrawn.
    let payload = match schema {
        Schema::Marker => reference(schema, "Value"),
        _ => {
            json!({"oneOf": [reference(schema, "Value"), {"type": "null", "description": "Withdrawn: drop the row."}]})
        }
    };
    let (content_type, json_type) = summary::CONTENT_TYPE;
    json!({
        "name": schema.kind(),
        "title": title,
        "summary": about,
        "contentType": json_type,
        "headers": {
            "type": "object",
            "properties": {
                content_type: {"const": json_type},
                summary::SCHEMA_HEADER: {"const": schema.name(), "description": "The form of key and value, and its version."},
            },
            "required": [content_type, summary::SCHEMA_HEADER],
        },
        "payload": payload,
        "bindings": {"kafka": {"key": reference(schema, "Key"), "bindingVersion": "0.5.0"}},
        "examples": examples(schema),
    })
}

/// Made by what makes the messages, so that they are as messages are.
fn examples(schema: Schema) -> Value {
    let marker = Marker {
        log: LogId([0x4f; 16]),
        generation: 0,
        partition: PartitionId(3),
        cut: Cut { next: 41_877, clock: 1_732_190_412_000 },
        chain: Chain::A,
        epoch: 7,
        definitions: DEFINITIONS,
    };
    let id = SessionId::new("s-20241121-0001").expect("an id");
    let mut values = [0; STORED];
    (values[Stored::Views as usize], values[Stored::Viewers as usize]) = (123, 98);
    let row = |table, breakdown, key: &str, bucket| {
        let key = RowKey { table, breakdown, key: key.into(), bucket };
        marker.row_message(&id, &Row { key, values, offset: 41_870 })
    };
    let minute = Table::Trend(Window::Minute);
    let messages: Vec<(&str, Message)> = match schema {
        Schema::Session => {
            let session = SessionRow { first_ts: Some(1), offset: 41_001, ..SessionRow::default() };
            vec![("noStartYet", marker.session_message(&id, &session))]
        }
        Schema::Row => vec![
            ("theRoomsTotal", row(Table::Total, Breakdown::Room, ROOM, 0)),
            ("aMinuteOfASource", row(minute, Breakdown::Source, "recommend", 1_732_190_400_000)),
        ],
        Schema::Marker => vec![("theEnd", marker.message())],
    };
    messages
        .iter()
        .map(|(name, message)| {
            let payload = message.value.as_deref().and_then(|value| serde_json::from_slice(value).ok());
            let headers = json!({summary::CONTENT_TYPE.0: summary::CONTENT_TYPE.1,
                summary::SCHEMA_HEADER: message.schema.name()});
            let key = String::from_utf8_lossy(&message.key);
            json!({"name": name, "summary": format!("Key: {key}"), "headers": headers, "payload": payload.unwrap_or(Value::Null)})
        })
        .collect()
}

/// `GET /v1/asyncapi.json`
pub(crate) async fn document() -> Response {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| Bytes::from(asyncapi().to_string()));
    ([(CONTENT_TYPE, "application/json")], text.clone()).into_response()
}
