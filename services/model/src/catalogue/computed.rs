//! The metrics that are computed when read (rule 9: from the sums, `null` without a divisor).

use std::fmt;

use super::{Group, Stored, Unit};
use crate::row::Values;

/// A metric computed from stored ones.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names are those of `Metric`")]
pub struct Computed {
    pub id: &'static str,
    pub zh: &'static str,
    pub en: &'static str,
    pub unit: Unit,
    pub group: Group,
    pub formula: Formula,
    pub definition: u32,
}

/// How a computed metric follows from stored ones.
#[derive(Debug)]
pub enum Formula {
    /// `factor` · `numerator` / the sum of `divisor`.
    Ratio {
        /// A constant factor.
        factor: u64,
        /// What is divided.
        numerator: Stored,
        /// What it is divided by, added up.
        divisor: &'static [Stored],
    },
    /// The first minus the second; may be negative.
    Difference(Stored, Stored),
    /// The first minus the second, not below 0.
    Excess(Stored, Stored),
}

/// The value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// An exact integer.
    Integer(i128),
    /// A quotient of exact integers.
    Fraction(f64),
    /// Undefined: the divisor is 0.
    Null,
}

impl Formula {
    /// The stored metrics it needs.
    pub fn inputs(&self) -> impl Iterator<Item = Stored> {
        let (first, rest): (Stored, &[Stored]) = match self {
            Formula::Ratio { numerator, divisor, .. } => (*numerator, divisor),
            Formula::Difference(first, second) | Formula::Excess(first, second) => {
                (*first, std::slice::from_ref(second))
            }
        };
        std::iter::once(first).chain(rest.iter().copied())
    }

    /// Its value.
    pub fn value(&self, values: &Values) -> Value {
        let stored = |stored: Stored| i128::from(values[stored as usize]);
        match self {
            Formula::Ratio { factor, numerator, divisor } => {
                let divisor: i128 = divisor.iter().copied().map(stored).sum();
                match divisor {
                    0 => Value::Null,
                    _ => Value::Fraction((i128::from(*factor) * stored(*numerator)) as f64 / divisor as f64),
                }
            }
            Formula::Difference(first, second) => Value::Integer(stored(*first) - stored(*second)),
            Formula::Excess(first, second) => Value::Integer((stored(*first) - stored(*second)).max(0)),
        }
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Formula::Ratio { factor, numerator, divisor } => {
                if *factor != 1 {
                    write!(formatter, "{factor}·")?;
                }
                let divisor: Vec<_> = divisor.iter().map(|stored| stored.id()).collect();
                match divisor.as_slice() {
                    [one] => write!(formatter, "{}/{one}", numerator.id()),
                    several => write!(formatter, "{}/({})", numerator.id(), several.join("+")),
                }
            }
            Formula::Difference(first, second) => write!(formatter, "{}-{}", first.id(), second.id()),
            Formula::Excess(first, second) => write!(formatter, "max({}-{}, 0)", first.id(), second.id()),
        }
    }
}

const fn ratio(factor: u64, numerator: Stored, divisor: &'static [Stored]) -> Formula {
    Formula::Ratio { factor, numerator, divisor }
}

macro_rules! computed {
    ($($id:literal $zh:literal $en:literal $unit:ident $group:ident $formula:expr, v $definition:literal;)+) => {
        /// All computed metrics.
        pub static COMPUTED: &[Computed] = &[$(Computed {
            id: $id,
            zh: $zh,
            en: $en,
            unit: Unit::$unit,
            group: Group::$group,
            formula: $formula,
            definition: $definition,
        }),+];
    };
}

computed! {
    "watch_ms_avg" "人均观看时长" "Average watch time" Milliseconds Visit ratio(1, Stored::WatchMs, &[Stored::Viewers]), v 1;
    "enter_rate" "进入率" "Enter rate" Ratio Visit ratio(1, Stored::Viewers, &[Stored::ExposedViewers]), v 1;
    "interaction_rate" "互动率" "Interaction rate" Ratio Interaction ratio(1, Stored::InteractingUsers, &[Stored::Viewers]), v 1;
    "item_click_rate" "商品点击率" "Item click rate" Ratio Conversion ratio(1, Stored::ItemClicks, &[Stored::ItemExposures]), v 1;
    "guide_rate" "引导率" "Guide rate" Ratio Conversion ratio(1, Stored::ItemClickUsers, &[Stored::Viewers]), v 1;
    "fan_rate" "转粉率" "Fan rate" Ratio Conversion ratio(1, Stored::NewFans, &[Stored::Viewers]), v 1;
    "net_gmv_fen" "净成交金额" "Net GMV" Fen Transaction Formula::Difference(Stored::GmvFen, Stored::RefundFen), v 1;
    "conversion_rate" "成交转化率" "Conversion rate" Ratio Transaction ratio(1, Stored::Buyers, &[Stored::Viewers]), v 1;
    "aov_fen" "笔单价" "Average order value" Fen Transaction ratio(1, Stored::GmvFen, &[Stored::Orders]), v 1;
    "gpm_fen" "千次观看成交金额" "GMV per thousand views" Fen Transaction ratio(1000, Stored::GmvFen, &[Stored::Views]), v 1;
    "open_deposits" "未付尾款笔数" "Open deposits" Count Transaction Formula::Excess(Stored::Deposits, Stored::Balances), v 1;
    "late_share" "迟到占比" "Late share" Ratio Quality ratio(1, Stored::LateEvents, &[Stored::Events, Stored::LateEvents]), v 1;
    "suspect_share" "可疑观看占比" "Suspect share" Ratio Quality ratio(1, Stored::SuspectViews, &[Stored::Views]), v 1;
}
