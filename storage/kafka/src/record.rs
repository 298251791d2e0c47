//! Records as messages.
//!
//! The value is the line as it was sent, so that whoever reads the topic finds plain JSON, and
//! whoever writes to it need know nothing of us. The beginning of a line that was refused carries
//! the reason beside it, in a header whose name tells the version:
//!
//! ```text
//! tandem.refused.1: {"problem":"missing","field":"ts","session_id":"s1","line_bytes":73}
//! ```
//!
//! Anybody may write to the topic, so nothing in it may stop us: a message without a value is an
//! empty line, one over the length of a line is cut as ingest would cut it, and a header that can't
//! be read counts as none. The fold then counts what it finds there as malformed.
//!
//! The key is the session's id where the line names one: then whoever leaves the choice of the
//! partition to Kafka's default comes to the same.

use bytes::{Bytes, BytesMut};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use serde::{Deserialize, Serialize};
use tandem_model::event::Field;
use tandem_model::malformed::{Malformed, Problem};
use tandem_model::record::{LINE_BYTES_MAX, Refusal};
use tandem_model::{PartitionId, Record, SessionId, decode};
use tandem_storage::{Result, StoreError};

/// The header of a refused line.
const REFUSED: &str = "tandem.refused.1";
/// Longest value of a record, in bytes: well below what a broker takes by default.
const VALUE_BYTES_MAX: usize = 900_000;
/// Values are gathered in pieces of memory of this size, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// A record, ready to be sent.
pub(crate) struct Outgoing {
    pub(crate) partition: PartitionId,
    pub(crate) key: Option<SessionId>,
    pub(crate) value: Bytes,
    refusal: Option<String>,
}

impl Outgoing {
    /// The message of `record`.
    ///
    /// # Errors
    ///
    /// When it is too large for a message.
    pub(crate) fn new(partition: PartitionId, record: Record) -> Result<Self> {
        let Record { value, malformed } = record;
        if value.len() > VALUE_BYTES_MAX {
            let length = value.len();
            return Err(StoreError::Refused(format!(
                "a record of {length} bytes is too large for Kafka: {VALUE_BYTES_MAX} at most"
            )));
        }
        let (key, refusal) = match malformed {
            None => (decode::session_of(&value), None),
            Some(refusal) => {
                let text = Reason::encode(&refusal);
                (refusal.reason.session_id, Some(text))
            }
        };
        Ok(Self { partition, key, value, refusal })
    }

    pub(crate) fn headers(&self) -> Option<OwnedHeaders> {
        let refusal = self.refusal.as_ref()?;
        Some(OwnedHeaders::new_with_capacity(1).insert(Header { key: REFUSED, value: Some(refusal) }))
    }
}

/// Takes records out of messages, gathering their values: librdkafka wants its memory back.
#[derive(Default)]
pub(crate) struct Incoming {
    piece: BytesMut,
}

impl Incoming {
    pub(crate) fn record(&mut self, message: &BorrowedMessage<'_>) -> Record {
        self.decode(message.payload(), message.headers().and_then(refusal))
    }

    fn decode(&mut self, payload: Option<&[u8]>, refusal: Option<Refusal>) -> Record {
        let payload = payload.unwrap_or_default();
        match refusal {
            Some(refusal) => Record { value: self.gather(payload), malformed: Some(Box::new(refusal)) },
            // It would be found out later, too, but need not take the room until then.
            None if payload.len() > LINE_BYTES_MAX => {
                let reason = decode::decode(payload).err().unwrap_or(Malformed {
                    problem: Problem::LineTooLong,
                    field: None,
                    session_id: None,
                });
                Record::refused(&Bytes::copy_from_slice(payload), reason)
            }
            None => Record::line(self.gather(payload)),
        }
    }

    fn gather(&mut self, value: &[u8]) -> Bytes {
        if self.piece.capacity() < value.len() {
            self.piece = BytesMut::with_capacity(PIECE_BYTES.max(value.len()));
        }
        self.piece.extend_from_slice(value);
        self.piece.split().freeze()
    }
}

fn refusal<H: Headers>(headers: &H) -> Option<Refusal> {
    let header = headers.iter().find(|header| header.key == REFUSED)?;
    Reason::decode(header.value?)
}

/// A refusal as it is written: names as in answers.
#[derive(Serialize, Deserialize)]
struct Reason {
    problem: Problem,
    field: Option<String>,
    session_id: Option<SessionId>,
    line_bytes: u64,
}

impl Reason {
    fn encode(refusal: &Refusal) -> String {
        let Malformed { problem, field, session_id } = refusal.reason.clone();
        let field = field.map(|field| field.name().to_owned());
        let reason = Self { problem, field, session_id, line_bytes: refusal.line_bytes };
        serde_json::to_string(&reason).expect("it holds only plain data")
    }

    fn decode(text: &[u8]) -> Option<Refusal> {
        let Self { problem, field, session_id, line_bytes } = serde_json::from_slice(text).ok()?;
        let field = match field {
            Some(name) => Some(Field::from_name(&name)?),
            None => None,
        };
        Some(Refusal { reason: Malformed { problem, field, session_id }, line_bytes })
    }
}

#[cfg(test)]
mod tests {
    use tandem_model::record::MALFORMED_BYTES_MAX;

    use super::*;

    fn round(record: Record) -> (Option<SessionId>, Record) {
        let outgoing = Outgoing::new(PartitionId(1), record).unwrap();
        let refusal = outgoing.headers().as_ref().and_then(refusal);
        (outgoing.key, Incoming::default().decode(Some(&outgoing.value), refusal))
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let session = SessionId::new("s:1").unwrap();
        let line = Record::line(Bytes::from_static(br#"{"session_id":"s:1","type":"enter"}"#));
        assert_eq!(round(line.clone()), (Some(session.clone()), line));
        let beat = Record::beat(7);
        assert_eq!(round(beat.clone()), (None, beat));
        for session_id in [None, Some(session)] {
            let reason = Malformed {
                problem: Problem::Missing,
                field: Some(Field::Ts),
                session_id: session_id.clone(),
            };
            let refused = Record::refused(&Bytes::from(vec![b'x'; 10_000]), reason);
            assert_eq!(round(refused.clone()), (session_id, refused));
        }
    }

    #[test]
    fn the_header_is_what_the_documentation_says() {
        let reason =
            Malformed { problem: Problem::Missing, field: Some(Field::Ts), session_id: SessionId::new("s1") };
        let line = Bytes::from(vec![b'x'; 73]);
        let outgoing = Outgoing::new(PartitionId(0), Record::refused(&line, reason)).unwrap();
        assert_eq!(
            outgoing.refusal.as_deref(),
            Some(r#"{"problem":"missing","field":"ts","session_id":"s1","line_bytes":73}"#)
        );
    }

    #[test]
    fn what_others_write_is_a_line_whatever_it_is() {
        let mut incoming = Incoming::default();
        assert_eq!(incoming.decode(None, None), Record::line(Bytes::new()));
        assert!(decode::decode(b"").is_err(), "which the fold counts as malformed");
        let strange = OwnedHeaders::new()
            .insert(Header { key: "other", value: Some("1") })
            .insert(Header { key: REFUSED, value: Some("{}") })
            .insert(Header { key: REFUSED, value: None::<&str> });
        assert_eq!(refusal(&strange), None);
        let good = r#"{"problem":"not_json","field":null,"session_id":null,"line_bytes":1}"#;
        let second = OwnedHeaders::new()
            .insert(Header { key: "other", value: None::<&str> })
            .insert(Header { key: REFUSED, value: Some(good) });
        assert!(refusal(&second).is_some());

        let mut long = br#"{"session_id":"s1","text":""#.to_vec();
        long.resize(LINE_BYTES_MAX, b'x');
        long.extend_from_slice(br#""}"#);
        let record = incoming.decode(Some(&long), None);
        let refusal = record.malformed.expect("refused");
        assert_eq!(record.value, &long[..MALFORMED_BYTES_MAX]);
        assert_eq!((refusal.reason.problem, refusal.line_bytes), (Problem::LineTooLong, long.len() as u64));
        assert_eq!(refusal.reason.session_id, SessionId::new("s1"));
        let longest = vec![b' '; LINE_BYTES_MAX];
        assert_eq!(incoming.decode(Some(&longest), None), Record::line(longest.into()));
    }

    #[test]
    fn values_share_pieces_and_none_is_another() {
        let mut incoming = Incoming::default();
        let values: Vec<Vec<u8>> = (0..3_000_usize).map(|n| vec![n as u8; n % 97]).collect();
        let records: Vec<Record> = values.iter().map(|value| incoming.decode(Some(value), None)).collect();
        for (value, record) in values.iter().zip(records) {
            assert_eq!(record.value, value);
        }
    }

    #[test]
    fn what_does_not_fit_into_a_message_is_refused() {
        let large = Record::line(Bytes::from(vec![b'x'; VALUE_BYTES_MAX + 1]));
        assert!(matches!(Outgoing::new(PartitionId(0), large), Err(StoreError::Refused(_))));
    }
}
