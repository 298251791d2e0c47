//! The formula of `anchor.influence`: open, in integers, and the same for everybody.
//!
//! Twelve indicators. Each gives an anchor 0 to 1,000 points, by where their value lies between
//! nothing and the indicator's full mark: `points = ⌊√(1,000,000 · min(value, full) / full)⌋`. The
//! root lets small anchors be told apart as well as large ones. The score is the weighted mean of the
//! points, `Σ weight · points / Σ weight`, so 0 to 1,000.
//!
//! A rate of few is chance. So each rate is taken as if [`PRIOR`] more had been there who did nothing:
//! `of / (per + PRIOR)`. How far the figures carry the score is said beside it: confidence is
//! `viewers / (viewers + PRIOR)`.
//!
//! Why no percentile among all anchors: then a score would change because others did, and nobody could
//! work out their own from their own figures. Why no machine learning: nobody could at all.

use super::Stored;

/// The version of weights and full marks; rises when either changes.
pub const VERSION: u32 = 1;
/// How many are added to what a rate is divided by.
pub const PRIOR: u64 = 100;
/// The most points an indicator gives.
pub const POINTS_MAX: u64 = 1_000;

/// One indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indicator {
    /// Its id, as in `parts`.
    pub id: &'static str,
    /// Its Chinese name.
    pub zh: &'static str,
    /// Its English name.
    pub en: &'static str,
    /// What it looks at.
    pub value: IndicatorValue,
    /// What it weighs.
    pub weight: u64,
}

/// What an indicator looks at, per period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndicatorValue {
    /// A sum, and what gives full marks on a day.
    Sum {
        /// The sum.
        of: Stored,
        /// Full marks per day of the period (an hour is a 24th of one).
        full_per_day: u64,
    },
    /// The highest of a gauge.
    Peak {
        /// The gauge.
        of: Stored,
        /// Full marks.
        full: u64,
    },
    /// A rate, and what gives full marks, in thousandths.
    Rate {
        /// What is divided.
        of: Stored,
        /// What it is divided by, [`PRIOR`] more.
        per: Stored,
        /// Full marks, in thousandths.
        full_permille: u64,
    },
}

const fn sum(of: Stored, full_per_day: u64) -> IndicatorValue {
    IndicatorValue::Sum { of, full_per_day }
}

const fn rate(of: Stored, per: Stored, full_permille: u64) -> IndicatorValue {
    IndicatorValue::Rate { of, per, full_permille }
}

const fn indicator(
    id: &'static str,
    zh: &'static str,
    en: &'static str,
    value: IndicatorValue,
    weight: u64,
) -> Indicator {
    Indicator { id, zh, en, value, weight }
}

/// The indicators, with their weights.
pub const INDICATORS: [Indicator; 12] = [
    indicator("reach", "触达", "Reach", sum(Stored::Viewers, 1_000_000), 12),
    indicator("traffic", "流量", "Traffic", sum(Stored::Views, 3_000_000), 6),
    indicator("stay", "停留", "Time watched", sum(Stored::WatchMs, 180_000_000_000), 10),
    indicator(
        "peak",
        "峰值",
        "Peak online",
        IndicatorValue::Peak { of: Stored::OnlinePeak, full: 100_000 },
        8,
    ),
    indicator("talk", "评论", "Comments", sum(Stored::Comments, 200_000), 5),
    indicator("spread", "分享", "Shares", sum(Stored::Shares, 50_000), 5),
    indicator(
        "interaction",
        "互动率",
        "Interaction rate",
        rate(Stored::InteractingUsers, Stored::Viewers, 300),
        10,
    ),
    indicator("fan_growth", "涨粉", "New fans", sum(Stored::NewFans, 50_000), 10),
    indicator("fan_rate", "转粉率", "Fan rate", rate(Stored::NewFans, Stored::Viewers, 100), 8),
    indicator("sales", "成交", "GMV", sum(Stored::GmvFen, 5_000_000_000), 14),
    indicator("conversion", "转化率", "Conversion rate", rate(Stored::Buyers, Stored::Viewers, 100), 8),
    indicator("guidance", "引导率", "Guide rate", rate(Stored::ItemClickUsers, Stored::Viewers, 500), 4),
];

/// What all indicators weigh together.
pub const WEIGHT: u64 = {
    let (mut sum, mut index) = (0, 0);
    while index < INDICATORS.len() {
        sum += INDICATORS[index].weight;
        index += 1;
    }
    sum
};

impl Indicator {
    /// What it looks at, for people.
    pub fn formula(&self) -> String {
        match self.value {
            IndicatorValue::Sum { of, full_per_day } => {
                format!("Σ {} of {full_per_day} per day of the period", of.id())
            }
            IndicatorValue::Peak { of, full } => format!("highest {} of {full}", of.id()),
            IndicatorValue::Rate { of, per, full_permille } => {
                format!("Σ {} / (Σ {} + {PRIOR}) of {full_permille} ‰", of.id(), per.id())
            }
        }
    }
}

/// The whole formula, for people.
pub(super) fn formula() -> String {
    let parts: Vec<_> =
        INDICATORS.iter().map(|one| format!("{} · {} ({})", one.weight, one.id, one.formula())).collect();
    format!(
        "Σ weight · points / {WEIGHT}, points = ⌊√(1,000,000 · min(value, full) / full)⌋: {}; version {VERSION}",
        parts.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_add_up_to_100_and_ids_are_unique() {
        assert_eq!(WEIGHT, 100);
        let mut ids: Vec<_> = INDICATORS.iter().map(|one| one.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), INDICATORS.len());
    }
}
