//! How a session stands in a Redis hash, and how it is read back.
//!
//! Redis keeps a small hash as one piece of memory without an overhead per field worth speaking
//! of, as long as no value is longer than its `hash-max-listpack-value`. So fields are short: a
//! row's name is its breakdown as one byte and its key, nothing of what is the same in every
//! total; its value is that of [`tandem_storage::codec`].

use std::sync::Arc;

use redis::{Cmd, Value};
use tandem_model::{Breakdown, Cut, LogId, PartitionId, Row, RowKey, SessionId, SessionRow, Table};
use tandem_storage::{SessionRows, StoreError, codec};

// One byte each: a row's field has two at least.
const INCARNATION: &[u8] = b"i";
const NEXT: &[u8] = b"n";
const CLOCK: &[u8] = b"c";
const HEADER: &[u8] = b"h";

/// The fields of a partition's state that readers look at, in the order of [`State::read`].
pub(crate) const STATE_FIELDS: [&str; 5] = ["log", "generation", "incarnation", "next", "clock"];

/// The session's own row as arguments.
pub(crate) fn push_header(row: &SessionRow, command: &mut Cmd) {
    command.arg(HEADER).arg(codec::encode(row));
}

/// A row of totals as arguments. `scratch` spares allocations.
pub(crate) fn push_row(row: &Row, scratch: &mut Vec<u8>, command: &mut Cmd) {
    scratch.clear();
    scratch.push(row.key.breakdown as u8);
    scratch.extend_from_slice(row.key.key.as_bytes());
    command.arg(&scratch[..]);
    scratch.clear();
    codec::encode_values(&row.values, row.offset, scratch);
    command.arg(&scratch[..]);
}

/// Which of a session's rows have a place here.
pub(crate) fn totals(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter().filter(|row| row.key.table == Table::Total)
}

/// Which log a store is for, as the state names it.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) id: String,
    pub(crate) generation: String,
}

impl Log {
    pub(crate) fn new(id: LogId, generation: u32) -> Self {
        Self { id: id.to_string(), generation: generation.to_string() }
    }
}

/// What readers need of a partition's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) incarnation: Vec<u8>,
    pub(crate) progress: Cut,
}

impl State {
    /// Reads the answer for [`STATE_FIELDS`]. None where there is no state, or that of another log.
    pub(crate) fn read(answer: Value, log: &Log) -> Result<Option<Self>, StoreError> {
        let fields: [Value; 5] = array(answer)?
            .try_into()
            .map_err(|_| damaged("the state's answer has another number of fields than asked for"))?;
        let [Value::BulkString(id), Value::BulkString(generation), incarnation, next, clock] = fields else {
            return Ok(None);
        };
        if id != log.id.as_bytes() || generation != log.generation.as_bytes() {
            return Ok(None);
        }
        let progress = Cut { next: number(&bytes(next)?)?, clock: number(&bytes(clock)?)? };
        Ok(Some(Self { incarnation: bytes(incarnation)?, progress }))
    }

    /// Whether what was read between `self` and `after`, in this order, belongs to `self`: nobody
    /// began anew, and the server did not become one that knows less.
    pub(crate) fn holds_until(&self, after: Option<&Self>) -> bool {
        after.is_some_and(|after| {
            after.incarnation == self.incarnation && after.progress.next >= self.progress.next
        })
    }
}

/// Reads the answer for all of a session's fields. None where it is absent: not there, or left
/// behind by another incarnation.
pub(crate) fn session(
    answer: Value,
    partition: PartitionId,
    session_id: &str,
    incarnation: &[u8],
) -> Result<Option<SessionRows>, StoreError> {
    let mut cut = Cut::default();
    let mut header = None;
    let mut is_current = false;
    let mut fields = Vec::new();
    let mut values = array(answer)?.into_iter();
    fields.reserve(values.len() / 2);
    while let (Some(field), Some(value)) = (values.next(), values.next()) {
        let (field, value) = (bytes(field)?, bytes(value)?);
        match &field[..] {
            INCARNATION => is_current = value == incarnation,
            NEXT => cut.next = number(&value)?,
            CLOCK => cut.clock = number(&value)?,
            HEADER => header = Some(value),
            _ => fields.push((field, value)),
        }
    }
    if !is_current {
        return Ok(None);
    }
    let header = header.ok_or_else(|| damaged("a session is without its own row"))?;
    // A field sorts as its row's key does, and is cheaper to move about than a row.
    fields.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    let rows = fields.iter().map(|(field, value)| row(field, value)).collect::<Result<_, _>>()?;
    let session_id = SessionId::new(session_id).ok_or_else(|| damaged("a session's id is none"))?;
    let session = codec::decode(&header).map_err(|malformed| damaged(malformed.0))?;
    Ok(Some(SessionRows { session_id, partition, cut, session, rows }))
}

fn row(field: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let (breakdown, key) = field.split_first().ok_or_else(|| damaged("a row has no name"))?;
    let breakdown = *Breakdown::ALL
        .get(usize::from(*breakdown))
        .ok_or_else(|| damaged("a row is of no known breakdown"))?;
    let key = std::str::from_utf8(key).map_err(|_| damaged("a row's key is not UTF-8"))?;
    let (values, offset) = codec::decode_values(value).map_err(|malformed| damaged(malformed.0))?;
    Ok(Row { key: RowKey { table: Table::Total, breakdown, key: Arc::from(key), bucket: 0 }, values, offset })
}

fn array(answer: Value) -> Result<Vec<Value>, StoreError> {
    match answer {
        Value::Array(values) => Ok(values),
        _ => Err(damaged("an answer is no list")),
    }
}

fn bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(damaged("a field is no string")),
    }
}

fn number(bytes: &[u8]) -> Result<u64, StoreError> {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| damaged("an offset or clock is no number"))
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("redis: {what}; did something else write under our key prefix?"))
}

#[cfg(test)]
mod tests {
    use tandem_storage::suite::fixtures;

    use super::*;

    fn bulk(bytes: impl Into<Vec<u8>>) -> Value {
        Value::BulkString(bytes.into())
    }

    /// The fields of a session as the server would answer them, in the order in which they were set.
    fn answer(session: &SessionRows, incarnation: &str) -> Vec<Value> {
        let mut command = Cmd::new();
        command.arg(INCARNATION).arg(incarnation);
        command.arg(NEXT).arg(session.cut.next).arg(CLOCK).arg(session.cut.clock);
        let mut scratch = Vec::new();
        for row in totals(&session.rows).collect::<Vec<_>>().into_iter().rev() {
            push_row(row, &mut scratch, &mut command);
        }
        push_header(&session.session, &mut command);
        command
            .args_iter()
            .map(|argument| match argument {
                redis::Arg::Simple(bytes) => bulk(bytes),
                _ => unreachable!("no cursor was asked for"),
            })
            .collect()
    }

    fn read(values: Vec<Value>, incarnation: &str) -> Result<Option<SessionRows>, StoreError> {
        session(Value::Array(values), PartitionId(0), "s", incarnation.as_bytes())
    }

    #[test]
    fn a_session_comes_back_in_order_and_only_in_its_incarnation() {
        let mut whole = fixtures::session_rows("s", u64::MAX - 1, 1 << 60);
        whole.rows.push(fixtures::row(Table::Total, Breakdown::RawSource, "浙江", 0, 1 << 53));
        let values = answer(&whole, "77");
        assert_eq!(read(values.clone(), "77").expect("read"), Some(whole));
        assert_eq!(read(values, "78").expect("read"), None);
        assert_eq!(read(Vec::new(), "78").expect("read"), None);
    }

    #[test]
    fn what_is_not_ours_is_damage_and_no_panic() {
        let whole = fixtures::session_rows("s", 10, 10);
        let values = answer(&whole, "77");
        // Every field once cut short, once as another type, once gone.
        for index in 0..values.len() {
            for other in [bulk("\u{1}"), bulk([255, 255]), Value::Nil, Value::Int(7)] {
                let mut broken = values.clone();
                broken[index] = other;
                let _ = read(broken, "77");
            }
        }
        let is_row_name = |value: &Value| *value == bulk(HEADER);
        let header = values.iter().position(is_row_name).expect("it has its own row");
        let mut headless = values.clone();
        headless.drain(header..header + 2);
        assert!(matches!(read(headless, "77"), Err(StoreError::Damaged(_))));
        assert!(matches!(read(vec![Value::Nil], "77"), Ok(None)));
    }

    #[test]
    fn a_state_of_another_log_is_none() {
        let log = Log::new(LogId([7; 16]), 3);
        let fields =
            [bulk(log.id.clone()), bulk("3"), bulk("77"), bulk("18446744073709551615"), bulk("12")].to_vec();
        let state = State { incarnation: b"77".to_vec(), progress: Cut { next: u64::MAX, clock: 12 } };
        let read = |fields: Vec<Value>| State::read(Value::Array(fields), &log);
        assert_eq!(read(fields.clone()).expect("read"), Some(state.clone()));
        for (index, other) in [(0, bulk("8")), (1, bulk("2")), (0, Value::Nil), (1, Value::Nil)] {
            let mut fields = fields.clone();
            fields[index] = other;
            assert_eq!(read(fields).expect("read"), None);
        }
        assert!(read(fields[1..].to_vec()).is_err());

        assert!(state.holds_until(Some(&state)));
        let later = State { progress: Cut { next: u64::MAX, clock: 12 }, ..state.clone() };
        let earlier = State { progress: Cut { next: 5, clock: 12 }, ..state.clone() };
        let other = State { incarnation: b"78".to_vec(), ..state.clone() };
        assert!(state.holds_until(Some(&later)) && earlier.holds_until(Some(&state)));
        assert!(!state.holds_until(Some(&earlier)) && !state.holds_until(Some(&other)));
        assert!(!state.holds_until(None));
    }
}
