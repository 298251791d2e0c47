//! What goes over the wire between a query node and Tandem's own programs: the gateway, the
//! control group, `tandem verify`. Both sides use these types, so neither can drift. What a chain
//! says of itself is in [`tandem_model::status`], where the gateway can use it, too.
//!
//! Rows are lossless and compact: `[table, breakdown, key, bucket, offset, {column: value}]`,
//! zeros left out. Columns go by name, so a reader of another version notices a column that it
//! does not know instead of taking it for another.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::de::{Deserializer, Error};
use serde::ser::{SerializeMap, SerializeTuple, Serializer};
use serde::{Deserialize, Serialize};
use tandem_model::catalogue::STORED;
use tandem_model::record::Refusal;
use tandem_model::retention::Retention;
use tandem_model::route::Chain;
use tandem_model::row::{PartitionRow, SessionState};
use tandem_model::{Breakdown, Cut, Record, Row, RowKey, SessionId, SessionRow, Stored, Table};
use utoipa::ToSchema;

use crate::schemas::{ChainName, StateName};

/// What every answer says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"chain": "a", "epoch": 7, "as_of": 1_732_190_412_000_u64, "token": "AQEBAQ…",
    "state": "live", "definitions": 1, "stale": false, "degraded": []}))]
pub struct Meta {
    /// The chain that answered.
    #[schema(value_type = ChainName)]
    pub chain: Chain,
    /// The epoch of the newest route.
    pub epoch: u64,
    /// Event time up to which the answer is complete: the clock of its cut, in milliseconds; the
    /// earliest where several partitions are involved, 0 where no figures are.
    pub as_of: u64,
    /// Send it back in the `Tandem-Token` header to never see anything older.
    pub token: String,
    /// How far the session has come; `live` for answers that may always change.
    #[schema(value_type = StateName)]
    pub state: SessionState,
    /// The version of the metrics' definitions, of those that hold at `as_of`: see `/v1/catalog/metrics`.
    pub definitions: u32,
    /// Whether the answer is older than the token that came with the request.
    pub stale: bool,
    /// Parts of the chain that could not be used; the figures are right all the same. Only with `definitions`
    /// a metric may have been defined anew just now, and the answer not know it yet.
    pub degraded: Vec<String>,
}

/// Raw records: `GET /v1/log/{partition}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPage {
    /// In order.
    pub records: Vec<LogRecord>,
    /// Where to go on: the `from` of the next call.
    pub next: u64,
    /// The offset after the last record there is.
    pub end: u64,
    /// About the answer.
    pub meta: Meta,
}

/// One record: its line as text, or in base64 where it is no UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogRecord {
    /// Where it stands.
    pub offset: u64,
    /// The line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub line: Option<String>,
    /// The line in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub line_base64: Option<String>,
    /// Why it was refused, where the writer refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, nullable = false, required = false)]
    pub malformed: Option<Refusal>,
}

impl LogRecord {
    /// The record at `offset`, for the wire.
    pub fn new(offset: u64, record: &Record) -> Self {
        let (line, line_base64) = match std::str::from_utf8(&record.value) {
            Ok(line) => (Some(line.to_owned()), None),
            Err(_) => (None, Some(BASE64.encode(&record.value))),
        };
        Self { offset, line, line_base64, malformed: record.malformed.as_deref().cloned() }
    }

    /// The record as it stands in the log; nothing when it holds no line.
    pub fn into_record(self) -> Option<Record> {
        let value = match (self.line, self.line_base64) {
            (Some(line), _) => Bytes::from(line),
            (None, Some(encoded)) => Bytes::from(BASE64.decode(encoded).ok()?),
            (None, None) => return None,
        };
        Some(Record { value, malformed: self.malformed.map(Box::new) })
    }
}

/// Sessions with everything a chain holds of them: `GET /v1/rows`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowsPage {
    /// In the order of their ids.
    pub sessions: Vec<SessionDump>,
    /// The `after` of the next call; `null` after the last session.
    #[schema(required = true)]
    pub next_after: Option<String>,
    /// Which buckets of trends the chain keeps: `everything`, or `tiers` (10 s for 2 days, 1 min for
    /// 90 days, 5 min for 400 days, counted from their end by the log's clock).
    #[schema(value_type = String, example = "tiers")]
    pub retention: Retention,
    /// About the answer.
    pub meta: Meta,
}

/// Everything a chain holds of one session, as of one cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionDump {
    /// Which.
    #[schema(value_type = String)]
    pub session_id: SessionId,
    /// The partition it lives in.
    pub partition: u32,
    /// The prefix of the log that the rows reflect: all of it, nothing beyond.
    #[schema(value_type = Object)]
    pub cut: Cut,
    /// The session's own row; its `offset` is its version.
    #[schema(value_type = Object)]
    pub session: SessionRow,
    /// The rows of figures.
    #[schema(schema_with = crate::schemas::rows)]
    pub rows: Vec<FigureRow>,
}

/// What one store of a chain holds of one session: `GET /internal/v1/copies/{session}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCopy {
    /// The partition the session lives in.
    pub partition: u32,
    /// The prefix of the log that the store reflects, for this session.
    pub cut: Cut,
    /// Which buckets of trends the chain keeps.
    pub retention: Retention,
    /// The session; none where the store does not have it.
    pub session: Option<SessionDump>,
}

/// Ids of sessions: `GET /internal/v1/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionIds {
    /// The ids.
    pub ids: Vec<SessionId>,
}

/// The partitions' own rows: `GET /v1/partitions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionsPage {
    /// In order.
    pub partitions: Vec<PartitionDump>,
    /// About the answer.
    pub meta: Meta,
}

/// A partition's own row, as of one cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionDump {
    /// Which.
    pub partition: u32,
    /// The prefix of the log that the row reflects.
    #[schema(value_type = Object)]
    pub cut: Cut,
    /// The row; `null` where the chain has not begun the partition.
    #[schema(value_type = Object, nullable = true, required = true)]
    pub row: Option<PartitionRow>,
}

/// A row of figures as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigureRow(pub Row);

impl Serialize for FigureRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Row { key, values, offset } = &self.0;
        let mut tuple = serializer.serialize_tuple(6)?;
        tuple.serialize_element(key.table.name())?;
        tuple.serialize_element(key.breakdown.name())?;
        tuple.serialize_element(&key.key)?;
        tuple.serialize_element(&key.bucket)?;
        tuple.serialize_element(offset)?;
        tuple.serialize_element(&NonZero(values))?;
        tuple.end()
    }
}

struct NonZero<'a>(&'a [u64; STORED]);

impl Serialize for NonZero<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (stored, value) in Stored::ALL.iter().zip(self.0).filter(|(_, value)| **value != 0) {
            map.serialize_entry(stored.id(), value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for FigureRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        type Parts = (String, String, Arc<str>, u64, u64, BTreeMap<String, u64>);
        let (table, breakdown, key, bucket, offset, columns) = Parts::deserialize(deserializer)?;
        let named = |what, name: &str| D::Error::custom(format!("no {what} is named `{name}`"));
        let table = Table::ALL.into_iter().find(|known| known.name() == table);
        let table = table.ok_or_else(|| D::Error::custom("unknown table"))?;
        let breakdown = Breakdown::ALL
            .into_iter()
            .find(|known| known.name() == breakdown)
            .ok_or_else(|| named("breakdown", &breakdown))?;
        let mut values = [0; STORED];
        for (column, value) in columns {
            let stored = Stored::from_id(&column).ok_or_else(|| named("column", &column))?;
            values[stored as usize] = value;
        }
        Ok(Self(Row { key: RowKey { table, breakdown, key, bucket }, values, offset }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_model::malformed::{Malformed, Problem};
    use tandem_model::time::Window;

    #[test]
    fn rows_survive_the_way() {
        for table in Table::ALL {
            let mut values = [0; STORED];
            values[Stored::GmvFen as usize] = u64::MAX;
            values[STORED - 1] = 3;
            let key =
                RowKey { table, breakdown: Breakdown::RawSource, key: "直\"播".into(), bucket: 60_000 };
            let row = FigureRow(Row { key, values, offset: 9 });
            let text = serde_json::to_string(&row).unwrap();
            assert_eq!(serde_json::from_str::<FigureRow>(&text).unwrap(), row, "{text}");
        }
        let minute = Table::Trend(Window::Minute).name();
        let unknown = format!("[\"{minute}\",\"room\",\"room\",0,1,{{\"smiles\":1}}]");
        let error = serde_json::from_str::<FigureRow>(&unknown).unwrap_err();
        assert!(error.to_string().contains("smiles"), "{error}");
    }

    #[test]
    fn records_survive_the_way_whatever_they_hold() {
        let reason = Malformed { problem: Problem::NotJson, field: None, session_id: None };
        let records = [
            Record::line(Bytes::from_static(b"{\"a\":\"\\u0000\"}")),
            Record::line(Bytes::from_static(b"\xff\x00")),
            Record::line(Bytes::new()),
            Record::refused(&Bytes::from_static(b"\xfe"), reason),
        ];
        for record in records {
            let text = serde_json::to_string(&LogRecord::new(7, &record)).unwrap();
            let back: LogRecord = serde_json::from_str(&text).unwrap();
            assert_eq!(back.into_record(), Some(record), "{text}");
        }
    }
}
