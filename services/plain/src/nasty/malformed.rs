//! Lines that are no events, in every way a line can be none.

use bytes::Bytes;
use rand::Rng;
use tandem_model::event::{EventType, Field};
use tandem_model::malformed::Problem;
use tandem_model::record::LINE_BYTES_MAX;

use super::fields::{Shape, Spec, specs};
use super::json::{self, Pair};
use super::{Maker, pick};

/// What can be wrong with a line, the costly one less often.
const PROBLEMS: [Problem; 25] = [
    Problem::NotJson,
    Problem::NotJson,
    Problem::NotAnObject,
    Problem::NotAnObject,
    Problem::LineTooLong,
    Problem::Missing,
    Problem::Missing,
    Problem::NotAString,
    Problem::NotAString,
    Problem::NotAnInteger,
    Problem::NotAnInteger,
    Problem::NotABoolean,
    Problem::NotABoolean,
    Problem::NotAFraction,
    Problem::NotAFraction,
    Problem::BadId,
    Problem::BadId,
    Problem::BadLabel,
    Problem::BadLabel,
    Problem::TextTooLong,
    Problem::TextTooLong,
    Problem::UnknownType,
    Problem::UnknownType,
    Problem::BadBeat,
    Problem::BadBeat,
];

impl Maker<'_> {
    pub(super) fn malformed(&mut self) -> Bytes {
        match pick(&mut self.rng, &PROBLEMS) {
            Problem::NotJson => self.not_json(),
            Problem::NotAnObject => {
                let line = pick(
                    &mut self.rng,
                    &["null", "1", " -0.5 ", "\"session_id\"", "[]", "[{\"ts\":1}]", "true"],
                );
                Bytes::from(line)
            }
            Problem::LineTooLong => self.too_long(),
            Problem::Missing => {
                let null = self.rng.random();
                self.spoiled(
                    |spec| spec.required,
                    |pair| if null { pair.1 = "null".into() } else { pair.0 = "absent" },
                )
            }
            Problem::NotAString => {
                let value = pick(&mut self.rng, &["1", "true", "[]", "{\"a\":\"b\"}", "-0.5"]);
                self.spoiled(|spec| matches!(spec.shape, Shape::Id | Shape::Label | Shape::Text), set(value))
            }
            Problem::NotAnInteger => {
                let value = pick(
                    &mut self.rng,
                    &["-1", "1.0", "1e3", "\"5\"", "9007199254740992", "18446744073709551616", "true", "[]"],
                );
                self.spoiled(|spec| spec.shape == Shape::Int, set(value))
            }
            Problem::NotABoolean => {
                let value = pick(&mut self.rng, &["0", "1", "\"true\"", "[]"]);
                self.spoiled(|spec| spec.shape == Shape::Bool, set(value))
            }
            Problem::NotAFraction => {
                let value = pick(&mut self.rng, &["2", "1.0001", "-0.1", "\"0.5\"", "true", "1e300"]);
                self.spoiled(|spec| spec.shape == Shape::Fraction, set(value))
            }
            Problem::BadId => {
                let long = json::string(&"x".repeat(65), false);
                let value =
                    pick(&mut self.rng, &["\"\"", "\"a b\"", "\"ä\"", "\"~other\"", "\"a\\u0000\"", &long]);
                self.spoiled(|spec| spec.shape == Shape::Id, set(value))
            }
            Problem::BadLabel => {
                let long = json::string(&"直".repeat(65), false);
                let value = pick(&mut self.rng, &["\"\"", &long]);
                self.spoiled(|spec| spec.shape == Shape::Label, set(value))
            }
            Problem::TextTooLong => {
                let long = json::string(&"播".repeat(4097), false);
                self.spoiled(|spec| spec.shape == Shape::Text, set(&long))
            }
            Problem::UnknownType => {
                let value = pick(&mut self.rng, &["\"\"", "\"Enter\"", "\"enter \"", "\"purchase\""]);
                let mut pairs = self.some_event(EventType::Enter);
                pairs[0].1 = value.to_owned();
                self.write(pairs, EventType::Enter)
            }
            // the others are not a matter of the line alone, see `log.rs`
            Problem::BadBeat
            | Problem::BeatNotAllowed
            | Problem::Misplaced
            | Problem::Quarantined
            | Problem::BadControl
            | Problem::ControlNotAllowed => self.bad_beat(),
        }
    }

    /// A good event with one field spoiled.
    fn spoiled(&mut self, fits: impl Fn(&Spec) -> bool, spoil: impl FnOnce(&mut Pair)) -> Bytes {
        let types: Vec<EventType> = EventType::ALL
            .iter()
            .copied()
            .filter(|event_type| *event_type != EventType::Beat && specs(*event_type).iter().any(&fits))
            .collect();
        let event_type = pick(&mut self.rng, &types);
        let fitting: Vec<Field> =
            specs(event_type).iter().filter(|spec| fits(spec)).map(|spec| spec.field).collect();
        let field = pick(&mut self.rng, &fitting).name();
        let mut pairs = self.some_event(event_type);
        match pairs.iter_mut().find(|(name, _)| *name == field) {
            Some(pair) => spoil(pair),
            None => {
                let mut pair = (field, String::new());
                spoil(&mut pair);
                pairs.push(pair);
            }
        }
        self.write(pairs, event_type)
    }

    fn some_event(&mut self, event_type: EventType) -> Vec<Pair> {
        let session = self.rng.random_range(0..self.sessions.len());
        self.pairs(event_type, session, self.now_ms)
    }

    /// Not JSON, or not in UTF-8; never blank, for blank lines are no lines.
    fn not_json(&mut self) -> Bytes {
        let pairs = self.some_event(EventType::Enter);
        let good = json::object(&pairs);
        match self.rng.random_range(0..8) {
            0 => good.slice(..self.rng.random_range(1..good.len())),
            1 => [&good[..], b"}"].concat().into(),
            2 => [&good[..], &good[..]].concat().into(),
            3 => Bytes::from_static(b"{\"session_id\":\"s0\",\"type\":\"\xff\xfe\"}"),
            4 => Bytes::from_static(b"\xef\xbb\xbf{\"session_id\":\"s0\"}"),
            5 => Bytes::from_static(b"{\"session_id\":\"s0\",\"text\":\"\\ud800\"}"),
            6 => Bytes::from_static(b"{\"session_id\":\"s0\",\"ts\":1e999,'x':NaN}"),
            _ => [b"{\"session_id\":\"s0\",\"x\":", "[".repeat(300).as_bytes()].concat().into(),
        }
    }

    /// A good event but for its length: the longest that may be, or one byte or more over that.
    fn too_long(&mut self) -> Bytes {
        let mut pairs = self.some_event(EventType::Comment);
        pairs.push(("padding", "\"\"".to_owned()));
        let length = json::object(&pairs).len();
        let over = pick(&mut self.rng, &[0, 1, 1, 5_000]);
        let padding = "y".repeat((LINE_BYTES_MAX + over).saturating_sub(length));
        if let Some(pair) = pairs.last_mut() {
            pair.1 = json::string(&padding, false);
        }
        json::object(&pairs)
    }

    /// A beat that is no whole second, or says two different things; some name a session.
    fn bad_beat(&mut self) -> Bytes {
        let second = self.now_ms / 1000;
        let (beat, ts) = pick(
            &mut self.rng,
            &[
                (second, second * 1000 + 1),
                (second + 1, second * 1000),
                (0, second * 1000 + 1000),
                (second, 0),
            ],
        );
        let mut pairs = vec![("type", "\"beat\"".into()), ("beat", beat.to_string()), ("ts", ts.to_string())];
        if self.rng.random() {
            pairs.push(("session_id", "\"s0\"".into()));
        }
        json::object(&pairs)
    }
}

fn set(value: &str) -> impl FnOnce(&mut Pair) {
    let value = value.to_owned();
    move |pair| pair.1 = value
}
