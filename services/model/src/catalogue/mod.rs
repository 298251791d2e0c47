//! The catalogue: every metric, every breakdown and every board, declared once.
//!
//! Fold, storage columns, API, OpenAPI and docs derive from what stands here. Adding a stored
//! metric means one line in `stored.rs` and the one rule in the fold that counts it.

pub mod boards;
mod breakdown;
mod computed;
mod formula;
pub mod influence;
mod stored;

pub use boards::{BOARDS, Board};
pub use breakdown::{Breakdown, FAN, FANS, GUEST, NEW_FAN, OTHER, OVERFLOW, ROOM, SOURCES, UNKNOWN};
pub use computed::{COMPUTED, Computed, Value};
pub use formula::{FORMULA_CHARS_MAX, Formula};
pub use stored::{DISTINCT, STORED, Stored};

/// The version of the definitions as a whole: rises when any definition changes.
pub const DEFINITIONS: u32 = 1;

/// Distinct counts up to this many users are exact by definition (rule 10).
pub const EXACT_USERS_MAX: u64 = 4096;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things that happened.
    Count,
    /// Distinct users, or users at one moment.
    Users,
    /// Time, in milliseconds.
    Milliseconds,
    /// Money, in minor units.
    Fen,
    /// A fraction, not per cent.
    Ratio,
}

impl Unit {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Count => "count",
            Unit::Users => "users",
            Unit::Milliseconds => "ms",
            Unit::Fen => "fen",
            Unit::Ratio => "ratio",
        }
    }
}

/// What a metric tells about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Who came and stayed.
    Visit,
    /// Who took part.
    Interaction,
    /// Who got closer to buying.
    Conversion,
    /// Who bought.
    Transaction,
    /// How good the data is; `room` only.
    Quality,
}

impl Group {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Visit => "visit",
            Group::Interaction => "interaction",
            Group::Conversion => "conversion",
            Group::Transaction => "transaction",
            Group::Quality => "quality",
        }
    }
}

/// How a metric comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A sum over events.
    Sum,
    /// Distinct users over events.
    Distinct,
    /// Sampled at beats, the last sample counts; `room` only.
    GaugeLast,
    /// Sampled at beats, the highest sample counts; `room` only.
    GaugePeak,
    /// Computed from stored metrics when read.
    Computed,
}

impl Kind {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Sum => "sum",
            Kind::Distinct => "distinct",
            Kind::GaugeLast | Kind::GaugePeak => "gauge",
            Kind::Computed => "computed",
        }
    }
}

/// One metric as users see it, stored or computed.
#[derive(Clone, Copy, Debug)]
pub enum Metric {
    /// Held in the rows.
    Stored(Stored),
    /// Computed from the rows when read.
    Computed(&'static Computed),
}

impl Metric {
    /// All metrics, in the order of the catalogue: stored ones first.
    pub fn all() -> impl Iterator<Item = Metric> {
        Stored::ALL.iter().copied().map(Metric::Stored).chain(COMPUTED.iter().map(Metric::Computed))
    }

    /// The metric with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::all().find(|metric| metric.id() == id)
    }

    /// Its id, as in answers.
    pub const fn id(self) -> &'static str {
        match self {
            Metric::Stored(stored) => stored.id(),
            Metric::Computed(computed) => computed.id,
        }
    }

    /// Its Chinese name.
    pub const fn zh(self) -> &'static str {
        match self {
            Metric::Stored(stored) => stored.zh(),
            Metric::Computed(computed) => computed.zh,
        }
    }

    /// Its English name.
    pub const fn en(self) -> &'static str {
        match self {
            Metric::Stored(stored) => stored.en(),
            Metric::Computed(computed) => computed.en,
        }
    }

    /// What it counts in.
    pub const fn unit(self) -> Unit {
        match self {
            Metric::Stored(stored) => stored.unit(),
            Metric::Computed(computed) => computed.unit,
        }
    }

    /// What it tells about.
    pub const fn group(self) -> Group {
        match self {
            Metric::Stored(stored) => stored.group(),
            Metric::Computed(computed) => computed.group,
        }
    }

    /// How it comes about.
    pub const fn kind(self) -> Kind {
        match self {
            Metric::Stored(stored) => stored.kind(),
            Metric::Computed(_) => Kind::Computed,
        }
    }

    /// How it is defined, for people.
    pub fn formula(self) -> String {
        match self {
            Metric::Stored(stored) => stored.formula().to_owned(),
            Metric::Computed(computed) => computed.formula.to_string(),
        }
    }

    /// The version of its definition.
    pub const fn definition(self) -> u32 {
        match self {
            Metric::Stored(stored) => stored.definition(),
            Metric::Computed(computed) => computed.definition,
        }
    }

    /// Whether only the session as a whole has it, not its breakdowns.
    pub const fn is_room_only(self) -> bool {
        match self {
            Metric::Stored(stored) => stored.is_room_only(),
            Metric::Computed(computed) => matches!(computed.group, Group::Quality),
        }
    }

    /// Whether it exists per bucket of time, not only as a total.
    pub fn has_trend(self) -> bool {
        match self {
            Metric::Stored(stored) => stored.has_trend(),
            Metric::Computed(computed) => computed.formula.has_trend(),
        }
    }

    /// Its value, from the stored ones.
    pub fn value(self, values: &crate::row::Values) -> Value {
        match self {
            Metric::Stored(stored) => Value::Integer(i128::from(values[stored as usize])),
            Metric::Computed(computed) => computed.formula.value(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_found_by_its_id_and_ids_are_unique() {
        let mut ids: Vec<_> = Metric::all().map(Metric::id).collect();
        for id in &ids {
            assert_eq!(Metric::from_id(id).expect("found").id(), *id);
        }
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn ratios_are_null_without_a_divisor_and_net_gmv_may_be_negative() {
        let mut values = [0; STORED];
        let value = |id: &str, values: &[u64; STORED]| Metric::from_id(id).expect("known").value(values);
        assert_eq!(value("aov_fen", &values), Value::Null);
        assert_eq!(value("late_share", &values), Value::Null);
        values[Stored::RefundFen as usize] = 5;
        values[Stored::Balances as usize] = 2;
        assert_eq!(value("net_gmv_fen", &values), Value::Integer(-5));
        assert_eq!(value("open_deposits", &values), Value::Integer(0));
        values[Stored::GmvFen as usize] = 10;
        values[Stored::Views as usize] = 4;
        assert_eq!(value("gpm_fen", &values), Value::Fraction(2500.0));
        values[Stored::Events as usize] = 3;
        values[Stored::LateEvents as usize] = 1;
        assert_eq!(value("late_share", &values), Value::Fraction(0.25));
    }
}
