//! From the bytes of a line to an [`Event`](crate::event::Event), or to the reason why not.
//!
//! The line is read once, without a tree: every known field lands in a slot that remembers what
//! was seen there; unknown fields are skipped. Only when the `type` is known are the slots of
//! that type checked, so a field the type does not have may hold anything. A field that occurs
//! twice counts as it stood last.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::event::{Event, EventType, Field, Kind, Line, Scene, Shelf, Start, Text, Viewer};
use crate::id::{SessionId, is_id, is_label, is_text};
use crate::malformed::{Malformed, Problem};
use crate::record::LINE_BYTES_MAX;
use crate::time::{INT_MAX, SECOND_MS};

/// Decodes one line (without its line end).
///
/// # Errors
///
/// The first thing that is wrong with it, and the session it names where it is a JSON object
/// with a valid `session_id`.
pub fn decode(line: &[u8]) -> Result<Line<'_>, Malformed> {
    if let Some(beat) = usual_beat(line) {
        return Ok(beat);
    }
    let mut slots = Slots::new();
    slots.read(line)?;
    let session_id = slots.session_id();
    let malformed = |(field, problem)| Malformed { problem, field, session_id: session_id.clone() };
    if line.len() > LINE_BYTES_MAX {
        return Err(malformed((None, Problem::LineTooLong)));
    }
    slots.line().map_err(|(field, problem)| malformed((Some(field), problem)))
}

/// The session that a line names: set where it is a JSON object with a valid `session_id`.
pub fn session_of(line: &[u8]) -> Option<SessionId> {
    let mut slots = Slots::new();
    slots.read(line).ok()?;
    slots.session_id()
}

/// A beat exactly as [`crate::Record::beat`] writes it: every partition has one each second, so
/// it is known at a glance. Any other form goes the long way.
fn usual_beat(line: &[u8]) -> Option<Line<'static>> {
    let rest = line.strip_prefix(br#"{"type":"beat","beat":"#)?;
    let (beat, rest) = usual_integer(rest)?;
    let (ts, rest) = usual_integer(rest.strip_prefix(br#","ts":"#)?)?;
    (rest == b"}" && ts.is_multiple_of(SECOND_MS) && beat == ts / SECOND_MS).then_some(Line::Beat { ts })
}

/// An integer in range and as JSON writes it: no sign, no zero before other digits.
fn usual_integer(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = bytes.split_at(length);
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number <= INT_MAX && (digits[0] != b'0' || length == 1)).then_some((number, rest))
}

type FieldResult<T> = Result<T, (Field, Problem)>;

/// What was seen in a field.
#[derive(Clone, Copy, Default)]
enum Slot<'a> {
    /// Nothing, or `null`.
    #[default]
    Absent,
    Text(&'a str),
    /// A text that was written with escapes: the place of what it says in [`Slots::unescaped`].
    Unescaped(usize),
    /// An integer that is not negative.
    Integer(u64),
    /// Any other number.
    Number(f64),
    Boolean(bool),
    /// An array or an object.
    Other,
}

/// What was seen in each field.
struct Slots<'a> {
    seen: [Slot<'a>; Field::ALL.len()],
    /// Aside, so that slots own nothing and cost nothing to make and to drop.
    unescaped: Vec<String>,
}

impl<'a> Slots<'a> {
    fn new() -> Self {
        Self { seen: [Slot::Absent; Field::ALL.len()], unescaped: Vec::new() }
    }

    fn read(&mut self, line: &'a [u8]) -> Result<(), Malformed> {
        let not = |problem| Malformed { problem, field: None, session_id: None };
        let text = std::str::from_utf8(line).map_err(|_| not(Problem::NotJson))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let is_object = deserializer.deserialize_any(TopVisitor(self)).map_err(|_| not(Problem::NotJson))?;
        deserializer.end().map_err(|_| not(Problem::NotJson))?;
        if is_object { Ok(()) } else { Err(not(Problem::NotAnObject)) }
    }

    fn session_id(&self) -> Option<SessionId> {
        match self.seen[Field::SessionId as usize] {
            Slot::Text(text) => SessionId::new(text),
            Slot::Unescaped(place) => SessionId::new(&self.unescaped[place]),
            _ => None,
        }
    }

    const fn seen(&self, field: Field) -> Slot<'a> {
        self.seen[field as usize]
    }

    fn line(&self) -> FieldResult<Line<'a>> {
        let name = required(Field::Type, self.string(Field::Type)?)?;
        let event_type = EventType::from_name(&name).ok_or((Field::Type, Problem::UnknownType))?;
        if event_type == EventType::Beat {
            return self.beat();
        }
        let event_id = self.id(Field::EventId)?;
        let ts = self.int(Field::Ts)?;
        let session_id = self.id(Field::SessionId)?;
        let viewer = if event_type.is_viewer_event() { Some(self.viewer()?) } else { None };
        let kind = self.kind(event_type)?;
        Ok(Line::Event(Event { event_id, ts, session_id, viewer, kind }))
    }

    fn beat(&self) -> FieldResult<Line<'a>> {
        let ts = self.int(Field::Ts)?;
        let beat = self.int(Field::Beat)?;
        if !ts.is_multiple_of(SECOND_MS) {
            return Err((Field::Ts, Problem::BadBeat));
        }
        if beat != ts / SECOND_MS {
            return Err((Field::Beat, Problem::BadBeat));
        }
        Ok(Line::Beat { ts })
    }

    fn viewer(&self) -> FieldResult<Viewer<'a>> {
        Ok(Viewer {
            user_id: self.id(Field::UserId)?,
            source: self.label_optional(Field::Source)?,
            channel: self.label_optional(Field::Channel)?,
            is_fan: self.boolean_optional(Field::IsFan)?,
            region: self.label_optional(Field::Region)?,
            device: self.label_optional(Field::Device)?,
            suspect: self.boolean_optional(Field::Suspect)?.unwrap_or(false),
        })
    }

    fn kind(&self, event_type: EventType) -> FieldResult<Kind<'a>> {
        Ok(match event_type {
            EventType::SessionStart => Kind::SessionStart(Box::new(Start {
                anchor_id: self.id(Field::AnchorId)?,
                room_id: self.id(Field::RoomId)?,
                title: self.text(Field::Title)?,
                category: self.label(Field::Category)?,
                anchor_name: self.text(Field::AnchorName)?,
                anchor_fans: self.int(Field::AnchorFans)?,
                content_type: self.label(Field::ContentType)?,
                region: self.label(Field::Region)?,
                merchant_id: self.id_optional(Field::MerchantId)?,
                brand: self.label_optional(Field::Brand)?,
            })),
            EventType::SessionEnd => Kind::SessionEnd,
            EventType::Exposure => Kind::Exposure,
            EventType::Enter => Kind::Enter,
            EventType::Heartbeat => Kind::Heartbeat,
            EventType::Leave => Kind::Leave,
            EventType::PageView => Kind::PageView,
            EventType::Comment => {
                Kind::Comment { text: self.text(Field::Text)?, topic: self.label_optional(Field::Topic)? }
            }
            EventType::Like => Kind::Like { count: self.int_optional(Field::Count)?.unwrap_or(1) },
            EventType::Share => Kind::Share,
            EventType::Gift => Kind::Gift { amount_fen: self.int(Field::AmountFen)? },
            EventType::Follow => Kind::Follow,
            EventType::Unfollow => Kind::Unfollow,
            EventType::ItemList => Kind::ItemList(self.shelf()?),
            EventType::ItemDelist => Kind::ItemDelist(self.shelf()?),
            EventType::ItemExplain => Kind::ItemExplain(self.shelf()?),
            EventType::ItemExposure => Kind::ItemExposure { item_id: self.id(Field::ItemId)? },
            EventType::ItemClick => Kind::ItemClick { item_id: self.id(Field::ItemId)? },
            EventType::CartAdd => Kind::CartAdd { item_id: self.id(Field::ItemId)? },
            EventType::OrderPaid => Kind::OrderPaid {
                item_id: self.id_optional(Field::ItemId)?,
                order_id: self.id(Field::OrderId)?,
                amount_fen: self.int(Field::AmountFen)?,
                quantity: self.int(Field::Quantity)?,
            },
            EventType::OrderRefunded => {
                let (item_id, order_id, amount_fen) = self.order()?;
                Kind::OrderRefunded { item_id, order_id, amount_fen }
            }
            EventType::PresaleDeposit => {
                let (item_id, order_id, amount_fen) = self.order()?;
                Kind::PresaleDeposit { item_id, order_id, amount_fen }
            }
            EventType::PresaleBalance => {
                let (item_id, order_id, amount_fen) = self.order()?;
                Kind::PresaleBalance { item_id, order_id, amount_fen }
            }
            EventType::Scene => Kind::Scene(Box::new(Scene {
                label: self.label(Field::Label)?,
                confidence_ppm: self.fraction_ppm(Field::Confidence)?,
                snapshot_url: self.text_optional(Field::SnapshotUrl)?,
                replay_ms: self.int_optional(Field::ReplayMs)?,
            })),
            EventType::Beat => return Err((Field::Type, Problem::BeatNotAllowed)),
        })
    }

    fn order(&self) -> FieldResult<(Option<Text<'a>>, Text<'a>, u64)> {
        Ok((self.id_optional(Field::ItemId)?, self.id(Field::OrderId)?, self.int(Field::AmountFen)?))
    }

    fn shelf(&self) -> FieldResult<Box<Shelf<'a>>> {
        Ok(Box::new(Shelf {
            item_id: self.id(Field::ItemId)?,
            item_title: self.text_optional(Field::ItemTitle)?,
            category: self.label_optional(Field::Category)?,
            price_fen: self.int_optional(Field::PriceFen)?,
        }))
    }

    fn string(&self, field: Field) -> FieldResult<Option<Text<'a>>> {
        match self.seen(field) {
            Slot::Absent => Ok(None),
            Slot::Text(text) => Ok(Some(Cow::Borrowed(text))),
            Slot::Unescaped(place) => Ok(Some(Cow::Owned(self.unescaped[place].clone()))),
            _ => Err((field, Problem::NotAString)),
        }
    }

    fn checked(
        &self,
        field: Field,
        check: fn(&str) -> bool,
        problem: Problem,
    ) -> FieldResult<Option<Text<'a>>> {
        match self.string(field)? {
            Some(text) if !check(&text) => Err((field, problem)),
            other => Ok(other),
        }
    }

    fn id_optional(&self, field: Field) -> FieldResult<Option<Text<'a>>> {
        self.checked(field, is_id, Problem::BadId)
    }

    fn label_optional(&self, field: Field) -> FieldResult<Option<Text<'a>>> {
        self.checked(field, is_label, Problem::BadLabel)
    }

    fn text_optional(&self, field: Field) -> FieldResult<Option<Text<'a>>> {
        self.checked(field, is_text, Problem::TextTooLong)
    }

    fn int_optional(&self, field: Field) -> FieldResult<Option<u64>> {
        match self.seen(field) {
            Slot::Absent => Ok(None),
            Slot::Integer(number) if number <= INT_MAX => Ok(Some(number)),
            _ => Err((field, Problem::NotAnInteger)),
        }
    }

    fn boolean_optional(&self, field: Field) -> FieldResult<Option<bool>> {
        match self.seen(field) {
            Slot::Absent => Ok(None),
            Slot::Boolean(boolean) => Ok(Some(boolean)),
            _ => Err((field, Problem::NotABoolean)),
        }
    }

    fn fraction_ppm(&self, field: Field) -> FieldResult<u32> {
        match self.seen(field) {
            Slot::Absent => Err((field, Problem::Missing)),
            Slot::Integer(number @ 0..=1) => Ok(number as u32 * 1_000_000),
            Slot::Number(number) if (0.0..=1.0).contains(&number) => Ok((number * 1e6) as u32),
            _ => Err((field, Problem::NotAFraction)),
        }
    }

    fn id(&self, field: Field) -> FieldResult<Text<'a>> {
        required(field, self.id_optional(field)?)
    }

    fn label(&self, field: Field) -> FieldResult<Text<'a>> {
        required(field, self.label_optional(field)?)
    }

    fn text(&self, field: Field) -> FieldResult<Text<'a>> {
        required(field, self.text_optional(field)?)
    }

    fn int(&self, field: Field) -> FieldResult<u64> {
        required(field, self.int_optional(field)?)
    }
}

fn required<T>(field: Field, value: Option<T>) -> FieldResult<T> {
    value.ok_or((field, Problem::Missing))
}

/// Reads a whole line into slots; answers whether it is an object.
struct TopVisitor<'s, 'de>(&'s mut Slots<'de>);

impl<'de> Visitor<'de> for TopVisitor<'_, 'de> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(field) = map.next_key_seed(FieldSeed)? {
            match field {
                Some(field) => {
                    self.0.seen[field as usize] = map.next_value_seed(SlotSeed(&mut self.0.unescaped))?
                }
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(false)
    }
}

/// Reads the name of a field.
struct FieldSeed;

impl<'de> DeserializeSeed<'de> for FieldSeed {
    type Value = Option<Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldSeed {
    type Value = Option<Field>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Field::from_name(name))
    }
}

/// Reads the value of a field, whatever it is.
struct SlotSeed<'s>(&'s mut Vec<String>);

impl<'de> DeserializeSeed<'de> for SlotSeed<'_> {
    type Value = Slot<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SlotSeed<'_> {
    type Value = Slot<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the value of a field")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Slot::Text(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        self.0.push(text.to_owned());
        Ok(Slot::Unescaped(self.0.len() - 1))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Slot::Integer(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(number).map_or(Slot::Number(number as f64), Slot::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Slot::Number(number))
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Self::Value, E> {
        Ok(Slot::Boolean(boolean))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Slot::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Slot::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Slot::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> Event<'_> {
        match decode(line.as_bytes()) {
            Ok(Line::Event(event)) => event,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn check(line: &str, problem: Problem, field: Option<Field>, session: Option<&str>) {
        let malformed = decode(line.as_bytes()).expect_err(line);
        assert_eq!(malformed.problem, problem, "{line}");
        assert_eq!(malformed.field, field, "{line}");
        assert_eq!(malformed.session_id.as_ref().map(SessionId::as_str), session, "{line}");
    }

    #[test]
    fn an_event_is_borrowed_from_its_line() {
        let event = event(
            r#"{"event_id":"e1","type":"enter","ts":5,"session_id":"s","user_id":"u","source":null,"channel":"taobao","is_fan":true,"surprise":{"a":[1]}}"#,
        );
        assert_eq!(event.kind, Kind::Enter);
        let viewer = event.viewer.expect("viewer");
        assert!(matches!(viewer.user_id, Cow::Borrowed("u")));
        assert_eq!(
            (viewer.source, viewer.channel.as_deref(), viewer.is_fan),
            (None, Some("taobao"), Some(true))
        );
    }

    #[test]
    fn the_order_of_fields_and_escapes_do_not_matter() {
        let event =
            event(r#"{"count":3,"user_id":"\u0075","session_id":"s","ts":5,"type":"like","event_id":"e"}"#);
        assert_eq!(event.kind, Kind::Like { count: 3 });
        assert_eq!(event.viewer.expect("viewer").user_id, "u");
    }

    #[test]
    fn a_field_its_type_does_not_have_may_hold_anything() {
        let line = r#"{"event_id":"e","type":"session_end","ts":5,"session_id":"s","user_id":[],"amount_fen":"x","is_fan":{}}"#;
        assert_eq!(event(line).viewer, None);
    }

    #[test]
    fn every_way_to_be_malformed_names_problem_field_and_session() {
        check("", Problem::NotJson, None, None);
        check("{", Problem::NotJson, None, None);
        check("[1]", Problem::NotAnObject, None, None);
        check("null", Problem::NotAnObject, None, None);
        check(r#""x""#, Problem::NotAnObject, None, None);
        check(r#"{"session_id":"s"} x"#, Problem::NotJson, None, None);
        check(r#"{"session_id":"s"}"#, Problem::Missing, Some(Field::Type), Some("s"));
        check(r#"{"session_id":"s","type":7}"#, Problem::NotAString, Some(Field::Type), Some("s"));
        check(r#"{"session_id":"s","type":"x"}"#, Problem::UnknownType, Some(Field::Type), Some("s"));
        check(
            r#"{"session_id":"s s","type":"enter","event_id":"e","ts":1}"#,
            Problem::BadId,
            Some(Field::SessionId),
            None,
        );
        let enter = |rest: &str| format!(r#"{{"session_id":"s","type":"enter","event_id":"e",{rest}}}"#);
        check(&enter(r#""ts":1.0,"user_id":"u""#), Problem::NotAnInteger, Some(Field::Ts), Some("s"));
        check(&enter(r#""ts":-1,"user_id":"u""#), Problem::NotAnInteger, Some(Field::Ts), Some("s"));
        check(
            &enter(r#""ts":9007199254740992,"user_id":"u""#),
            Problem::NotAnInteger,
            Some(Field::Ts),
            Some("s"),
        );
        check(&enter(r#""ts":1"#), Problem::Missing, Some(Field::UserId), Some("s"));
        check(&enter(r#""ts":1,"user_id":null"#), Problem::Missing, Some(Field::UserId), Some("s"));
        check(
            &enter(r#""ts":1,"user_id":"u","is_fan":1"#),
            Problem::NotABoolean,
            Some(Field::IsFan),
            Some("s"),
        );
        check(
            &enter(r#""ts":1,"user_id":"u","channel":"""#),
            Problem::BadLabel,
            Some(Field::Channel),
            Some("s"),
        );
        let scene = |value: &str| {
            format!(
                r#"{{"session_id":"s","type":"scene","event_id":"e","ts":1,"label":"l","confidence":{value}}}"#
            )
        };
        check(&scene("1.5"), Problem::NotAFraction, Some(Field::Confidence), Some("s"));
        check(&scene("\"1\""), Problem::NotAFraction, Some(Field::Confidence), Some("s"));
        assert!(decode(scene("0.25").as_bytes()).is_ok());
        check(r#"{"type":"beat","ts":1500,"beat":1}"#, Problem::BadBeat, Some(Field::Ts), None);
        check(r#"{"type":"beat","ts":1000,"beat":2}"#, Problem::BadBeat, Some(Field::Beat), None);
        let long = enter(&format!(r#""ts":1,"user_id":"u","x":"{}""#, "y".repeat(LINE_BYTES_MAX)));
        check(&long, Problem::LineTooLong, None, Some("s"));
        assert_eq!(decode(b"{\"a\":\"\xff\"}").expect_err("not UTF-8").problem, Problem::NotJson);
    }

    #[test]
    fn a_beat_is_a_whole_second() {
        assert_eq!(decode(br#"{"type":"beat","beat":2,"ts":2000}"#), Ok(Line::Beat { ts: 2000 }));
        assert_eq!(decode(br#"{"ts":2000, "type":"beat","beat":2}"#), Ok(Line::Beat { ts: 2000 }));
        let ours = crate::Record::beat(1_732_190_400).value;
        assert_eq!(usual_beat(&ours), Some(Line::Beat { ts: 1_732_190_400_000 }));
        for other in
            ["2,\"ts\":2000}x", "02,\"ts\":2000}", "2,\"ts\":2001}", "3,\"ts\":2000}", ",\"ts\":}", "2"]
        {
            assert_eq!(
                usual_beat(format!("{{\"type\":\"beat\",\"beat\":{other}").as_bytes()),
                None,
                "{other}"
            );
        }
    }
}
