//! The shape of an event, as far as a schema can tell it. What decides is the model's own decoder; a
//! test keeps both in step.

use serde_json::{Value, json};
use tandem_model::id::{ID_CHARS_MAX, TEXT_CHARS_MAX};
use tandem_model::time::INT_MAX;

/// Types of viewer events and what each must have besides `event_id`, `ts`, `session_id`, `user_id`.
const OF_VIEWERS: [(&str, &[&str]); 18] = [
    ("exposure", &[]),
    ("enter", &[]),
    ("heartbeat", &[]),
    ("leave", &[]),
    ("page_view", &[]),
    ("comment", &["text"]),
    ("like", &[]),
    ("share", &[]),
    ("gift", &["amount_fen"]),
    ("follow", &[]),
    ("unfollow", &[]),
    ("item_exposure", &["item_id"]),
    ("item_click", &["item_id"]),
    ("cart_add", &["item_id"]),
    ("order_paid", &["order_id", "amount_fen", "quantity"]),
    ("order_refunded", &["order_id", "amount_fen"]),
    ("presale_deposit", &["order_id", "amount_fen"]),
    ("presale_balance", &["order_id", "amount_fen"]),
];
/// The same of the others, without `user_id`.
const OF_SESSIONS: [(&str, &[&str]); 6] = [
    (
        "session_start",
        &[
            "anchor_id",
            "room_id",
            "title",
            "category",
            "anchor_name",
            "anchor_fans",
            "content_type",
            "region",
        ],
    ),
    ("session_end", &[]),
    ("item_list", &["item_id"]),
    ("item_delist", &["item_id"]),
    ("item_explain", &["item_id"]),
    ("scene", &["label", "confidence"]),
];

/// A body of events.
pub(super) fn lines() -> Value {
    json!({
        "type": "string",
        "format": "tandem-events",
        "description": "Lines that end with LF, each one `Event`.",
        "contentMediaType": "application/x-ndjson",
        "contentSchema": {"$ref": "#/components/schemas/Event"},
    })
}

/// One event.
pub(super) fn event() -> Value {
    let types: Vec<&str> = OF_VIEWERS.iter().chain(&OF_SESSIONS).map(|(name, _)| *name).collect();
    let of_viewers: Vec<&str> = OF_VIEWERS.iter().map(|(name, _)| *name).collect();
    let mut rules = vec![rule(json!({"enum": of_viewers}), &["user_id"])];
    let with_more = OF_VIEWERS.iter().chain(&OF_SESSIONS).filter(|(_, fields)| !fields.is_empty());
    rules.extend(with_more.map(|(name, fields)| rule(json!({"const": name}), fields)));
    let id = |what: &str| {
        json!({"type": "string", "description": what, "minLength": 1, "maxLength": ID_CHARS_MAX,
            "pattern": "^[A-Za-z0-9._:-]+$"})
    };
    let label = |what: &str| json!({"type": "string", "description": what, "minLength": 1, "maxLength": ID_CHARS_MAX});
    let text = |what: &str| json!({"type": "string", "description": what, "maxLength": TEXT_CHARS_MAX});
    let int = |what: &str| json!({"type": "integer", "description": what, "minimum": 0, "maximum": INT_MAX});
    let boolean = |what: &str| json!({"type": "boolean", "description": what});
    json!({
        "type": "object",
        "description": "Something that happened in a session. A field that its type does not have is ignored, \
            whatever it holds; `null` means absent.",
        "required": ["event_id", "type", "ts", "session_id"],
        "properties": {
            "event_id": id("Unique within the session; an event that is sent again counts once."),
            "type": {"type": "string", "enum": types, "description": "What happened."},
            "ts": int("When it happened, in milliseconds."),
            "session_id": id("The session."),
            "user_id": id("Who did it, on events of viewers. It is published only as a pseudonym."),
            "source": label("How the viewer came in: one of the sources of breakdown `source`."),
            "channel": label("The app or site."),
            "is_fan": boolean("Whether the viewer followed the anchor before the event."),
            "region": label("Province or country: of the viewer, on `session_start` of the session."),
            "device": label("Device family."),
            "suspect": boolean("Whether somebody doubts that this is a person."),
            "item_id": id("The item. On events of orders and presales it may be left out."),
            "item_title": text("The item's title, on events of the shelf."),
            "price_fen": int("The item's price, on events of the shelf."),
            "order_id": id("The order."),
            "amount_fen": int("Money."),
            "quantity": int("How many pieces."),
            "count": int("Likes at once; 1 when absent."),
            "text": text("What the comment says."),
            "topic": label("The comment's topic, where it is known."),
            "anchor_id": id("Whose session it is."),
            "anchor_name": text("The anchor's name."),
            "anchor_fans": int("Followers of the anchor."),
            "room_id": id("The room."),
            "title": text("The session's title."),
            "category": label("The session's category, or the item's."),
            "content_type": label("The kind of session."),
            "merchant_id": id("The merchant it sells for."),
            "brand": label("The brand it is for."),
            "label": label("What was recognised in a scene."),
            "confidence": {"type": "number", "minimum": 0, "maximum": 1, "description": "How sure that is."},
            "snapshot_url": text("A picture of the scene."),
            "replay_ms": int("Where the scene is in the recording."),
        },
        "allOf": rules,
        "additionalProperties": true,
    })
}

fn rule(of_type: Value, fields: &[&str]) -> Value {
    let known: serde_json::Map<String, Value> =
        fields.iter().map(|field| ((*field).to_owned(), json!({}))).collect();
    json!({"if": {"properties": {"type": of_type}}, "then": {"required": fields, "properties": known}})
}

#[cfg(test)]
mod tests {
    use tandem_model::decode::decode;
    use tandem_model::event::EventType;

    use super::*;

    #[test]
    fn what_the_shape_demands_is_what_the_decoder_demands() {
        let schema = event();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let everything = json!({
            "event_id": "e1", "ts": 1_000, "session_id": "s1", "user_id": "u1", "item_id": "i1", "order_id": "o1",
            "amount_fen": 1, "quantity": 1, "text": "hello", "anchor_id": "a1", "anchor_name": "n", "anchor_fans": 1,
            "room_id": "r1", "title": "t", "category": "c", "content_type": "x", "region": "y", "label": "z",
            "confidence": 0.5,
        });
        let types = schema["properties"]["type"]["enum"].as_array().unwrap();
        assert_eq!(types.len() + 1, EventType::ALL.len(), "all but beats");
        for name in types {
            let mut whole = everything.clone();
            whole["type"] = name.clone();
            assert!(decode(whole.to_string().as_bytes()).is_ok() && validator.is_valid(&whole), "{name}");
            for field in everything.as_object().unwrap().keys() {
                let mut less = whole.clone();
                less.as_object_mut().unwrap().remove(field);
                let is_taken = decode(less.to_string().as_bytes()).is_ok();
                assert_eq!(validator.is_valid(&less), is_taken, "{name} without {field}");
            }
        }
    }
}
