//! Which fields a type has, and values for them: the contract's table once more, since the
//! decoder's own must not be what it is tested with.

use rand::Rng;
use tandem_model::catalogue::{OTHER, OVERFLOW, SOURCES, UNKNOWN};
use tandem_model::event::{EventType, Field};
use tandem_model::time::INT_MAX;

use super::{Maker, json, pick};

/// What a field holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Id,
    Label,
    Text,
    Int,
    Bool,
    Fraction,
}

/// A field of a type.
#[derive(Clone, Copy)]
pub(super) struct Spec {
    pub(super) field: Field,
    pub(super) shape: Shape,
    pub(super) required: bool,
}

const fn required(field: Field, shape: Shape) -> Spec {
    Spec { field, shape, required: true }
}

const fn optional(field: Field, shape: Shape) -> Spec {
    Spec { field, shape, required: false }
}

/// The fields of a type beside `type` itself; `beat` is not made here.
pub(super) fn specs(event_type: EventType) -> Vec<Spec> {
    use Shape::{Bool, Fraction, Id, Int, Label, Text};
    let mut specs =
        vec![required(Field::EventId, Id), required(Field::Ts, Int), required(Field::SessionId, Id)];
    if event_type.is_viewer_event() {
        specs.extend([
            required(Field::UserId, Id),
            optional(Field::Source, Label),
            optional(Field::Channel, Label),
            optional(Field::IsFan, Bool),
            optional(Field::Region, Label),
            optional(Field::Device, Label),
            optional(Field::Suspect, Bool),
        ]);
    }
    specs.extend(match event_type {
        EventType::SessionStart => vec![
            required(Field::AnchorId, Id),
            required(Field::RoomId, Id),
            required(Field::Title, Text),
            required(Field::Category, Label),
            required(Field::AnchorName, Text),
            required(Field::AnchorFans, Int),
            required(Field::ContentType, Label),
            required(Field::Region, Label),
            optional(Field::MerchantId, Id),
            optional(Field::Brand, Label),
        ],
        EventType::Comment => vec![required(Field::Text, Text), optional(Field::Topic, Label)],
        EventType::Like => vec![optional(Field::Count, Int)],
        EventType::Gift => vec![required(Field::AmountFen, Int)],
        EventType::ItemList | EventType::ItemDelist | EventType::ItemExplain => vec![
            required(Field::ItemId, Id),
            optional(Field::ItemTitle, Text),
            optional(Field::Category, Label),
            optional(Field::PriceFen, Int),
        ],
        EventType::ItemExposure | EventType::ItemClick | EventType::CartAdd => {
            vec![required(Field::ItemId, Id)]
        }
        EventType::OrderPaid => vec![
            optional(Field::ItemId, Id),
            required(Field::OrderId, Id),
            required(Field::AmountFen, Int),
            required(Field::Quantity, Int),
        ],
        EventType::OrderRefunded | EventType::PresaleDeposit | EventType::PresaleBalance => {
            vec![optional(Field::ItemId, Id), required(Field::OrderId, Id), required(Field::AmountFen, Int)]
        }
        EventType::Scene => vec![
            required(Field::Label, Label),
            required(Field::Confidence, Fraction),
            optional(Field::SnapshotUrl, Text),
            optional(Field::ReplayMs, Int),
        ],
        _ => vec![],
    });
    specs
}

/// Labels with everything that is special about some, or hard to write.
const LABELS: [&str; 12] =
    ["taobao", "tmall", "weibo", "a", "直播", "😀", "a\"b\\c", " ", "~other", "unknown", "\u{0}\n\t", "null"];
const TEXTS: [&str; 5] = ["", "好看", "say \"hi\"\\\n", "😀😀", "x"];

impl Maker<'_> {
    /// A good value, as JSON.
    pub(super) fn value(&mut self, spec: Spec) -> String {
        let text = match spec.field {
            Field::Source => self.source(),
            Field::ItemId => format!("i{}", self.rng.random_range(0..4)),
            Field::OrderId => format!("o{}", self.rng.random_range(0..50)),
            _ => match spec.shape {
                Shape::Int => return self.int(spec.field).to_string(),
                Shape::Bool => return self.rng.random::<bool>().to_string(),
                Shape::Fraction => {
                    return pick(&mut self.rng, &["0", "1", "0.25", "1.0", "1e-3", "0.9999999"]).to_owned();
                }
                Shape::Id => pick(&mut self.rng, &["a", "A.b_c:d-9", &"x".repeat(64)]).to_owned(),
                Shape::Label if self.chance(0.01) => "直".repeat(64),
                Shape::Label => pick(&mut self.rng, &LABELS).to_owned(),
                Shape::Text if self.chance(0.01) => "播".repeat(4096),
                Shape::Text => pick(&mut self.rng, &TEXTS).to_owned(),
            },
        };
        self.string(&text)
    }

    pub(super) fn string(&mut self, text: &str) -> String {
        let odd = self.chance(self.run.odd / 4.0);
        json::string(text, odd)
    }

    fn source(&mut self) -> String {
        match self.rng.random_range(0..10) {
            0 => OVERFLOW,
            1 => OTHER,
            2 => UNKNOWN,
            3 => "tiktok",
            4 => "Follow",
            5 => pick(&mut self.rng, &LABELS),
            _ => pick(&mut self.rng, &SOURCES),
        }
        .to_owned()
    }

    fn int(&mut self, field: Field) -> u64 {
        match self.rng.random_range(0..20) {
            0 => 0,
            1 => INT_MAX,
            2 => 1,
            _ if field == Field::Quantity || field == Field::Count => self.rng.random_range(0..5),
            _ => self.rng.random_range(0..100_000),
        }
    }
}
