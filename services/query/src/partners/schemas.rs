//! JSON Schemas of the topic's keys and values, from the catalogue.
//!
//! Draft 7, which AsyncAPI builds on. Objects stay open: readers ignore what they do not know.

use serde_json::{Map, Value, json};
use tandem_model::catalogue::Metric;
use tandem_model::route::Chain;
use tandem_model::row::SessionState;
use tandem_model::summary::{Schema, TABLES, VERSION};
use tandem_model::{Breakdown, Stored};

/// The name of a schema among the components: of a key or of a value.
pub(super) fn name(schema: Schema, part: &str) -> String {
    let kind = schema.kind();
    let (first, rest) = kind.split_at(1);
    format!("{}{rest}{part}", first.to_uppercase())
}

/// A reference to it.
pub(super) fn reference(schema: Schema, part: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{}", name(schema, part))})
}

/// All of them, by name.
pub(super) fn components() -> Map<String, Value> {
    let mut components = Map::new();
    for schema in Schema::ALL {
        components.insert(name(schema, "Key"), key(schema));
        components.insert(name(schema, "Value"), value(schema));
    }
    components.insert("Metrics".to_owned(), metrics());
    components
}

fn key(schema: Schema) -> Value {
    let mut members = vec![
        ("v", version()),
        ("type", json!({"const": schema.kind(), "description": "What the message is about."})),
    ];
    match schema {
        Schema::Session => members.push(("session_id", session_id())),
        Schema::Row => members.extend([
            ("session_id", session_id()),
            ("table", json!({"type": "string", "examples": TABLES.map(|table| table.name()),
                "description": "`total`: since the session's beginning. `trend_1m`, `trend_5m`: per bucket of that length."})),
            ("breakdown", json!({"type": "string", "examples": published_breakdowns(),
                "description": "Split by what; `room` is the session as a whole."})),
            ("key", json!({"type": "string", "minLength": 1, "description":
                "The key within the breakdown; `room` in `room`. `~other` stands for keys beyond the first 1,000 (`item`: 5,000)."})),
            ("bucket", milliseconds("Start of the bucket; 0 in `total`.")),
        ]),
        Schema::Marker => members.push(("partition", whole("The partition, of topic and event log alike."))),
    }
    object(&format!("Key of a {}. The same row has the same bytes.", schema.kind()), members)
}

fn value(schema: Schema) -> Value {
    let members = match schema {
        Schema::Session => session_members(),
        Schema::Row => vec![("metrics", json!({"$ref": "#/components/schemas/Metrics"}))],
        Schema::Marker => vec![
            (
                "log",
                json!({"type": "string", "pattern": "^[0-9a-f]{32}$", "description":
                "Identity of the event log: one that was created anew has another."}),
            ),
            ("next", whole("Offset in the event log after the beat.")),
        ],
    };
    let about = match schema {
        Schema::Session => {
            "A session as it is: what its last accepted `session_start` said (`null` where that is not known), and its state."
        }
        Schema::Row => "A row of figures as it is: absolute and complete.",
        Schema::Marker => "The end of a transaction: all rows of this partition are now as of `beat`.",
    };
    let mut all = vec![("v", version())];
    all.extend(members);
    if schema != Schema::Marker {
        all.push(("version", whole("Offset in the event log of the last record that changed the row: the greater of two is the newer, within one `generation`.")));
    }
    all.extend(origin());
    object(about, all)
}

/// What every value says of where it comes from.
fn origin() -> Vec<(&'static str, Value)> {
    vec![
        (
            "generation",
            whole("How many event logs stood under this name before this one. Rows of a greater one win."),
        ),
        ("partition", whole("The partition, of topic and event log alike.")),
        ("beat", milliseconds("The beat as of which this was published.")),
        (
            "chain",
            json!({"enum": Chain::ALL.map(Chain::name), "description": "The chain that published it."}),
        ),
        (
            "epoch",
            json!({"type": "integer", "minimum": 1, "description":
            "The decision under which that chain was the active one. Never falls within a partition."}),
        ),
        ("definitions", whole("The version of the metrics' definitions.")),
    ]
}

fn session_members() -> Vec<(&'static str, Value)> {
    let text = |about: &str| json!({"type": ["string", "null"], "description": about});
    let states = [SessionState::Live, SessionState::Final, SessionState::Corrected].map(SessionState::name);
    let number = |about: &str| json!({"type": ["integer", "null"], "minimum": 0, "description": about});
    vec![
        ("anchor_id", text("The anchor.")),
        ("room_id", text("The room.")),
        ("title", text("The title.")),
        ("category", text("The category.")),
        ("started_at", number("`ts` of that `session_start`, in milliseconds since the epoch.")),
        ("ended_at", number("`ts` of the last accepted `session_end`, in milliseconds since the epoch.")),
        (
            "status",
            json!({"enum": states,
            "description": "`live` while figures may change; `final`; `corrected` where a refund or presale balance came after that."}),
        ),
        ("anchor_name", text("The anchor's name.")),
        ("anchor_fans", number("Followers of the anchor when it started.")),
        ("content_type", text("The type of content.")),
        ("region", text("The session's region.")),
        ("merchant_id", text("The merchant.")),
        ("brand", text("The brand.")),
    ]
}

fn metrics() -> Value {
    let property = |stored: &Stored| {
        let metric = Metric::Stored(*stored);
        let only = match (stored.is_room_only(), stored.has_trend()) {
            (true, true) => " Only in breakdown `room`.",
            (true, false) => " Only in breakdown `room` of `total`.",
            _ => "",
        };
        let description = format!("{} · {}: {}.{only}", metric.en(), metric.zh(), metric.formula());
        let property = json!({"type": "integer", "minimum": 0, "description": description,
            "x-unit": metric.unit().name(), "x-kind": metric.kind().name(), "x-definition": metric.definition()});
        (metric.id().to_owned(), property)
    };
    let required: Vec<&str> =
        Stored::ALL.iter().filter(|stored| !stored.is_room_only()).map(|stored| stored.id()).collect();
    json!({
        "type": "object",
        "description": "All stored metrics that a row of this table and breakdown has, zeros included. Ratios are \
            computed from them by the formulas in `/v1/catalog/metrics`.",
        "properties": Stored::ALL.iter().map(property).collect::<Map<_, _>>(),
        "required": required,
    })
}

/// The breakdowns of published rows.
pub(crate) fn published_breakdowns() -> Vec<&'static str> {
    std::iter::once(Breakdown::Room).chain(Breakdown::PUBLIC).map(Breakdown::name).collect()
}

fn object(description: &str, members: Vec<(&str, Value)>) -> Value {
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({"type": "object", "description": description, "properties": properties, "required": required})
}

fn version() -> Value {
    json!({"const": VERSION, "description": "The version of the form."})
}

fn session_id() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$", "description": "The session."})
}

fn whole(description: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": description})
}

fn milliseconds(description: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "x-unit": "ms",
        "description": format!("{description} Milliseconds since the epoch.")})
}
