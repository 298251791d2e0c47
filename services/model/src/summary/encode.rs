//! Rows and markers as messages.
//!
//! Members always come in the same order and without white space: the same row has the same key,
//! byte for byte, whichever chain writes it. Compaction depends on that.

use bytes::Bytes;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Marker, Message, Schema, VERSION, metrics};
use crate::row::{Row, RowKey, SessionRow};
use crate::{PartitionId, SessionId};

#[derive(Serialize)]
struct SessionKey<'a> {
    v: u32,
    r#type: &'static str,
    session_id: &'a str,
}

#[derive(Serialize)]
struct FiguresKey<'a> {
    v: u32,
    r#type: &'static str,
    session_id: &'a str,
    table: &'static str,
    breakdown: &'static str,
    key: &'a str,
    bucket: u64,
}

#[derive(Serialize)]
struct MarkerKey {
    v: u32,
    r#type: &'static str,
    partition: u32,
}

/// What every value says of where it comes from.
#[derive(Serialize)]
struct Origin {
    version: u64,
    generation: u32,
    partition: u32,
    beat: u64,
    chain: &'static str,
    epoch: u64,
    definitions: u32,
}

/// The members are those of a session in the API.
#[derive(Serialize)]
struct SessionValue<'a> {
    v: u32,
    anchor_id: Option<&'a str>,
    room_id: Option<&'a str>,
    title: Option<&'a str>,
    category: Option<&'a str>,
    started_at: Option<u64>,
    ended_at: Option<u64>,
    status: &'static str,
    anchor_name: Option<&'a str>,
    anchor_fans: Option<u64>,
    content_type: Option<&'a str>,
    region: Option<&'a str>,
    merchant_id: Option<&'a str>,
    brand: Option<&'a str>,
    #[serde(flatten)]
    origin: Origin,
}

#[derive(Serialize)]
struct FiguresValue<'a> {
    v: u32,
    metrics: Figures<'a>,
    #[serde(flatten)]
    origin: Origin,
}

struct Figures<'a>(&'a Row);

impl Serialize for Figures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Row { key, values, .. } = self.0;
        let mut map = serializer.serialize_map(None)?;
        for stored in metrics(key.table, key.breakdown) {
            map.serialize_entry(stored.id(), &values[stored as usize])?;
        }
        map.end()
    }
}

impl Message {
    /// The key of a session.
    pub fn session_key(id: &SessionId) -> Bytes {
        json(&SessionKey { v: VERSION, r#type: Schema::Session.kind(), session_id: id.as_str() })
    }

    /// The key of a row of a session's figures.
    pub fn row_key(id: &SessionId, key: &RowKey) -> Bytes {
        json(&FiguresKey {
            v: VERSION,
            r#type: Schema::Row.kind(),
            session_id: id.as_str(),
            table: key.table.name(),
            breakdown: key.breakdown.name(),
            key: &key.key,
            bucket: key.bucket,
        })
    }

    /// The key of a partition's marker.
    pub fn marker_key(partition: PartitionId) -> Bytes {
        json(&MarkerKey { v: VERSION, r#type: Schema::Marker.kind(), partition: partition.0 })
    }

    /// That the row under `key` is withdrawn.
    pub fn withdrawn(schema: Schema, key: Bytes) -> Self {
        Self { schema, key, value: None }
    }
}

impl Marker {
    /// A session's own row, as of this marker.
    pub fn session_message(&self, id: &SessionId, row: &SessionRow) -> Message {
        let known = row.attributes.as_ref();
        let value = SessionValue {
            v: VERSION,
            anchor_id: known.map(|known| known.anchor_id.as_str()),
            room_id: known.map(|known| known.room_id.as_str()),
            title: known.map(|known| known.title.as_str()),
            category: known.map(|known| known.category.as_str()),
            started_at: known.map(|known| known.started_at),
            ended_at: row.ended_at,
            status: row.state.name(),
            anchor_name: known.map(|known| known.anchor_name.as_str()),
            anchor_fans: known.map(|known| known.anchor_fans),
            content_type: known.map(|known| known.content_type.as_str()),
            region: known.map(|known| known.region.as_str()),
            merchant_id: known.and_then(|known| known.merchant_id.as_deref()),
            brand: known.and_then(|known| known.brand.as_deref()),
            origin: self.origin(row.offset),
        };
        Message { schema: Schema::Session, key: Message::session_key(id), value: Some(json(&value)) }
    }

    /// A row of a session's figures, as of this marker.
    pub fn row_message(&self, id: &SessionId, row: &Row) -> Message {
        let value = FiguresValue { v: VERSION, metrics: Figures(row), origin: self.origin(row.offset) };
        Message { schema: Schema::Row, key: Message::row_key(id, &row.key), value: Some(json(&value)) }
    }

    /// The marker itself.
    pub fn message(&self) -> Message {
        let key = Message::marker_key(self.partition);
        Message { schema: Schema::Marker, key, value: Some(json(&self.form())) }
    }

    fn origin(&self, version: u64) -> Origin {
        Origin {
            version,
            generation: self.generation,
            partition: self.partition.0,
            beat: self.cut.clock,
            chain: self.chain.name(),
            epoch: self.epoch,
            definitions: self.definitions,
        }
    }
}

fn json<T: Serialize>(value: &T) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("messages hold only plain data with text as keys"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{ROOM, STORED};
    use crate::route::Chain;
    use crate::row::Table;
    use crate::time::Window;
    use crate::{Breakdown, Cut, LogId, Stored};

    fn marker() -> Marker {
        Marker {
            log: LogId([0xab; 16]),
            generation: 2,
            partition: PartitionId(3),
            cut: Cut { next: 42, clock: 5_000 },
            chain: Chain::B,
            epoch: 7,
            definitions: 1,
        }
    }

    fn row(table: Table, breakdown: Breakdown, bucket: u64) -> Row {
        let mut values = [0; STORED];
        values[Stored::Views as usize] = 17;
        Row { key: RowKey { table, breakdown, key: ROOM.into(), bucket }, values, offset: 9 }
    }

    fn text(bytes: &Bytes) -> String {
        String::from_utf8(bytes.to_vec()).expect("JSON")
    }

    #[test]
    fn keys_are_canonical() {
        let id = SessionId::new("s:1").expect("an id");
        assert_eq!(text(&Message::session_key(&id)), r#"{"v":1,"type":"session","session_id":"s:1"}"#);
        assert_eq!(text(&Message::marker_key(PartitionId(3))), r#"{"v":1,"type":"marker","partition":3}"#);
        let mut row = row(Table::Trend(Window::Minute), Breakdown::Channel, 60_000);
        row.key.key = "a\"b 直".into();
        assert_eq!(
            text(&Message::row_key(&id, &row.key)),
            r#"{"v":1,"type":"row","session_id":"s:1","table":"trend_1m","breakdown":"channel","key":"a\"b 直","bucket":60000}"#
        );
    }

    #[test]
    fn a_marker_comes_back_and_nothing_else_is_one() {
        let marker = marker();
        let value = marker.message().value.expect("a value");
        assert_eq!(Marker::parse(&value).expect("a marker"), marker);
        assert_eq!(
            text(&value),
            "{\"v\":1,\"log\":\"abababababababababababababababab\",\"generation\":2,\"partition\":3,\"beat\":5000,\
             \"next\":42,\"chain\":\"b\",\"epoch\":7,\"definitions\":1}"
        );
        let newer = text(&value).replace("\"v\":1", "\"v\":2");
        assert_eq!(Marker::parse(newer.as_bytes()), Err(super::super::MarkerError::Version(2)));
        for wrong in ["", "{}", "null", "{\"v\":1}", &text(&value).replace("abab", "abax")] {
            assert!(Marker::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        // What a later build adds within the version is ignored.
        let more = text(&value).replace("\"v\":1", "\"v\":1,\"more\":[1]");
        assert_eq!(Marker::parse(more.as_bytes()).expect("a marker"), marker);
    }

    #[test]
    fn a_row_has_the_metrics_its_kind_has() {
        let id = SessionId::new("s").expect("an id");
        let count = |table, breakdown| {
            let message = marker().row_message(&id, &row(table, breakdown, 0));
            let value: serde_json::Value =
                serde_json::from_slice(&message.value.expect("a value")).expect("JSON");
            assert_eq!(value["metrics"]["views"], 17);
            assert_eq!((&value["version"], &value["beat"]), (&9.into(), &5_000.into()));
            value["metrics"].as_object().expect("an object").len()
        };
        let minute = Table::Trend(Window::Minute);
        assert_eq!(count(Table::Total, Breakdown::Room), STORED);
        assert_eq!(count(minute, Breakdown::Room), STORED - 4);
        let shared = Stored::ALL.iter().filter(|stored| !stored.is_room_only()).count();
        assert_eq!(count(Table::Total, Breakdown::Item), shared);
        assert_eq!(count(minute, Breakdown::Item), shared);
    }

    #[test]
    fn markers_rise() {
        let before = marker();
        let next = Marker { cut: Cut { next: 43, clock: 6_000 }, ..marker() };
        assert!(next.may_follow(&before) && !before.may_follow(&next) && !before.may_follow(&before));
        assert!(!Marker { epoch: 6, ..next.clone() }.may_follow(&before));
        let new_log = Marker { log: LogId([1; 16]), cut: Cut { next: 1, clock: 9 }, ..marker() };
        assert!(!new_log.may_follow(&before));
        assert!(Marker { generation: 3, ..new_log }.may_follow(&before));
    }
}
