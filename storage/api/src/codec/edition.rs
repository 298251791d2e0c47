//! Parts of editions as bytes: without partition, step and slot, which stand in the key.

use tandem_model::row::Attributes;
use tandem_model::{EditionPart, EditionSession, PartitionId, Row, SessionId, Step};

use super::{
    Malformed, Result, VERSION, decode, decode_row_key, decode_values, encode, encode_row_key, encode_values,
    read_varint, versioned, write_varint,
};

/// Writes a part.
pub fn encode_edition(part: &EditionPart) -> Vec<u8> {
    let mut out = vec![VERSION];
    for number in [part.ts, part.from, part.next, part.sessions.len() as u64] {
        write_varint(number, &mut out);
    }
    for session in &part.sessions {
        write_bytes(session.session_id.as_str().as_bytes(), &mut out);
        let attributes = session.attributes.as_ref().map(encode).unwrap_or_default();
        write_bytes(&attributes, &mut out);
        if part.step == Step::Judged {
            write_varint(session.came_at, &mut out);
        }
        write_varint(session.rows.len() as u64, &mut out);
        let mut field = Vec::new();
        for row in &session.rows {
            field.clear();
            // The session's id stands above.
            encode_row_key("", &row.key, &mut field);
            write_bytes(&field, &mut out);
            field.clear();
            encode_values(&row.values, row.offset, &mut field);
            write_bytes(&field, &mut out);
        }
    }
    if part.step == Step::Defined {
        write_bytes(&encode(&part.definitions), &mut out);
    }
    out
}

/// Reads what [`encode_edition`] wrote.
pub fn decode_edition(bytes: &[u8], partition: PartitionId, step: Step, slot: u64) -> Result<EditionPart> {
    let mut rest = versioned(bytes)?;
    let [ts, from, next] = [read_varint(&mut rest)?, read_varint(&mut rest)?, read_varint(&mut rest)?];
    // Numbers of things are not believed before the things are there.
    let count = read_varint(&mut rest)?;
    let mut sessions = Vec::new();
    for _ in 0..count {
        sessions.push(session(step, &mut rest)?);
    }
    let definitions = match step {
        Step::Defined => decode(read_bytes(&mut rest)?)?,
        _ => Vec::new(),
    };
    if !rest.is_empty() {
        return Err(Malformed("a part of an edition is too long"));
    }
    Ok(EditionPart { partition, step, slot, ts, from, next, sessions, definitions })
}

fn session(step: Step, rest: &mut &[u8]) -> Result<EditionSession> {
    let id = std::str::from_utf8(read_bytes(rest)?).ok().and_then(SessionId::new);
    let session_id = id.ok_or(Malformed("a part of an edition names no session"))?;
    let attributes = match read_bytes(rest)? {
        [] => None,
        bytes => Some(decode::<Attributes>(bytes)?),
    };
    let came_at = if step == Step::Judged { read_varint(rest)? } else { 0 };
    let count = read_varint(rest)?;
    let mut rows = Vec::new();
    for _ in 0..count {
        let key = decode_row_key(read_bytes(rest)?, 0)?;
        let (values, offset) = decode_values(read_bytes(rest)?)?;
        rows.push(Row { key, values, offset });
    }
    Ok(EditionSession { session_id, attributes, rows, came_at })
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn read_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    const SHORT: Malformed = Malformed("a part of an edition is cut off");
    let length = usize::try_from(read_varint(rest)?).map_err(|_| SHORT)?;
    let (bytes, after) = rest.split_at_checked(length).ok_or(SHORT)?;
    *rest = after;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};
    use tandem_model::calendar::Span;
    use tandem_model::catalogue::STORED;
    use tandem_model::{Breakdown, RowKey, Table};

    use super::*;

    const PLACE: (PartitionId, Step, u64) = (PartitionId(3), Step::Minute, 60_000);

    fn read(bytes: &[u8]) -> Result<EditionPart> {
        decode_edition(bytes, PLACE.0, PLACE.1, PLACE.2)
    }

    fn part() -> EditionPart {
        let row = |span, breakdown, key: &str, value| Row {
            key: RowKey { table: Table::Calendar(span), breakdown, key: key.into(), bucket: 1 << 40 },
            values: [value; STORED],
            offset: 9,
        };
        let session = |id: &str, attributes, rows| EditionSession {
            session_id: SessionId::new(id).expect("an id"),
            attributes,
            rows,
            came_at: 0,
        };
        let attributes = crate::suite::fixtures::session_row(7).attributes;
        EditionPart {
            partition: PLACE.0,
            step: PLACE.1,
            slot: PLACE.2,
            ts: 61_000,
            from: 4,
            next: 12,
            sessions: vec![
                session("a", attributes, Vec::new()),
                session(
                    "b",
                    None,
                    vec![
                        row(Span::Hour, Breakdown::Room, "room", 0),
                        row(Span::Day, Breakdown::Item, "货", u64::MAX),
                    ],
                ),
            ],
            definitions: Vec::new(),
        }
    }

    #[test]
    fn parts_come_back() {
        let mut bytes = encode_edition(&part());
        assert_eq!(read(&bytes), Ok(part()));
        let mut judged = EditionPart { step: Step::Judged, ..part() };
        judged.sessions[0].came_at = 1_732_190_400_000;
        assert_eq!(decode_edition(&encode_edition(&judged), PLACE.0, Step::Judged, PLACE.2), Ok(judged));
        let defined = EditionPart {
            step: Step::Defined,
            sessions: Vec::new(),
            definitions: crate::suite::fixtures::definitions(3),
            ..part()
        };
        let read_defined = |bytes: &[u8]| decode_edition(bytes, PLACE.0, Step::Defined, PLACE.2);
        assert_eq!(read_defined(&encode_edition(&defined)), Ok(defined));
        let empty = EditionPart { sessions: Vec::new(), ..part() };
        assert_eq!(read(&encode_edition(&empty)), Ok(empty));
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "cut to {length}");
        }
        bytes.push(0);
        assert!(read(&bytes).is_err());
    }

    #[test]
    fn any_bytes_are_an_answer_or_an_error() {
        let mut random = SmallRng::seed_from_u64(3);
        let whole = encode_edition(&part());
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..random.random_range(1..4) {
                let place = random.random_range(1..bytes.len());
                bytes[place] = random.random();
            }
            let _ = read(&bytes);
        }
    }
}
