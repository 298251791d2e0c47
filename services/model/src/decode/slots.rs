//! Reading a line once: what was seen in each known field, whatever it is.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::event::Field;
use crate::id::SessionId;
use crate::malformed::{Malformed, Problem};

/// What was seen in a field.
#[derive(Clone, Copy, Default)]
pub(super) enum Slot<'a> {
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
pub(super) struct Slots<'a> {
    seen: [Slot<'a>; Field::ALL.len()],
    /// Aside, so that slots own nothing and cost nothing to make and to drop.
    pub(super) unescaped: Vec<String>,
}
impl<'a> Slots<'a> {
    pub(super) fn new() -> Self {
        Self { seen: [Slot::Absent; Field::ALL.len()], unescaped: Vec::new() }
    }

    pub(super) fn read(&mut self, line: &'a [u8]) -> Result<(), Malformed> {
        let not = |problem| Malformed { problem, field: None, session_id: None };
        let text = std::str::from_utf8(line).map_err(|_| not(Problem::NotJson))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let is_object = deserializer.deserialize_any(TopVisitor(self)).map_err(|_| not(Problem::NotJson))?;
        deserializer.end().map_err(|_| not(Problem::NotJson))?;
        if is_object { Ok(()) } else { Err(not(Problem::NotAnObject)) }
    }

    pub(super) fn session_id(&self) -> Option<SessionId> {
        match self.seen[Field::SessionId as usize] {
            Slot::Text(text) => SessionId::new(text),
            Slot::Unescaped(place) => SessionId::new(&self.unescaped[place]),
            _ => None,
        }
    }

    pub(super) const fn seen(&self, field: Field) -> Slot<'a> {
        self.seen[field as usize]
    }
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
