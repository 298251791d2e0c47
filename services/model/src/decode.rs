//! From the bytes of a line to an [`Event`], or to the reason why not.
//!
//! The line is read once, without a tree: every known field lands in a slot that remembers what
//! was seen there; unknown fields are skipped. Only when the `type` is known are the slots of
//! that type checked, so a field the type does not have may hold anything. A field that occurs
//! twice counts as it stood last.

mod slots;

use std::borrow::Cow;

use self::slots::{Slot, Slots};
use crate::definition::Definition;
use crate::event::{Event, EventType, Field, Kind, Line, Scene, Shelf, Start, Text, Viewer};
use crate::id::{SessionId, is_id, is_label, is_text};
use crate::malformed::{Malformed, Problem};
use crate::record::LINE_BYTES_MAX;
use crate::time::{INT_MAX, SECOND_MS};
use crate::verdict::{self, Verdict};

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
    if verdict::is_control(line) {
        let bad = || Malformed { problem: Problem::BadControl, field: None, session_id: None };
        if Definition::is_one(line) {
            return Definition::decode(line).map(|one| Line::Definition(Box::new(one))).ok_or_else(bad);
        }
        return Verdict::decode(line).map(|verdict| Line::Verdict(Box::new(verdict))).ok_or_else(bad);
    }
    let mut slots = Slots::new();
    slots.read(line)?;
    let malformed = |field, problem| Malformed { problem, field, session_id: slots.session_id() };
    if line.len() > LINE_BYTES_MAX {
        return Err(malformed(None, Problem::LineTooLong));
    }
    slots.line().map_err(|(field, problem)| malformed(Some(field), problem))
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
impl<'a> Slots<'a> {
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

#[cfg(test)]
mod tests;
