//! The metrics that are computed when read (rule 9: from the sums, `null` without a divisor).

use super::{Formula, Group, Stored, Unit};

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

impl Computed {
    /// Checks whether this metric could be defined so: in the same unit, a quotient if it is one, for the
    /// same rows.
    ///
    /// # Errors
    ///
    /// Why not, for people.
    pub fn admits(&self, candidate: &Formula) -> Result<(), String> {
        let (id, unit) = (self.id, candidate.unit()?);
        if unit != self.unit {
            return Err(format!("{id} is in {}, `{candidate}` in {}", self.unit.name(), unit.name()));
        }
        if candidate.is_quotient() != self.formula.is_quotient() {
            let is = |formula: &Formula| if formula.is_quotient() { "a quotient" } else { "a whole number" };
            return Err(format!("{id} is {}, `{candidate}` {}", is(&self.formula), is(candidate)));
        }
        if self.formula.has_trend() && !candidate.has_trend() {
            return Err(format!("{} is told per bucket of time, what was refused is not", self.id));
        }
        let is_room_only = matches!(self.group, Group::Quality);
        match candidate.inputs().find(|input| input.is_room_only()) {
            Some(input) if !is_room_only => {
                Err(format!("{id} is told of every key, {} only of the session as a whole", input.id()))
            }
            _ => Ok(()),
        }
    }
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
    "watch_ms_avg" "人均观看时长" "Average watch time" Milliseconds Visit Formula::ratio(1, Stored::WatchMs, &[Stored::Viewers]), v 1;
    "enter_rate" "进入率" "Enter rate" Ratio Visit Formula::ratio(1, Stored::Viewers, &[Stored::ExposedViewers]), v 1;
    "interaction_rate" "互动率" "Interaction rate" Ratio Interaction Formula::ratio(1, Stored::InteractingUsers, &[Stored::Viewers]), v 1;
    "item_click_rate" "商品点击率" "Item click rate" Ratio Conversion Formula::ratio(1, Stored::ItemClicks, &[Stored::ItemExposures]), v 1;
    "guide_rate" "引导率" "Guide rate" Ratio Conversion Formula::ratio(1, Stored::ItemClickUsers, &[Stored::Viewers]), v 1;
    "fan_rate" "转粉率" "Fan rate" Ratio Conversion Formula::ratio(1, Stored::NewFans, &[Stored::Viewers]), v 1;
    "net_gmv_fen" "净成交金额" "Net GMV" Fen Transaction Formula::difference(Stored::GmvFen, Stored::RefundFen), v 1;
    "conversion_rate" "成交转化率" "Conversion rate" Ratio Transaction Formula::ratio(1, Stored::Buyers, &[Stored::Viewers]), v 1;
    "aov_fen" "笔单价" "Average order value" Fen Transaction Formula::ratio(1, Stored::GmvFen, &[Stored::Orders]), v 1;
    "gpm_fen" "千次观看成交金额" "GMV per thousand views" Fen Transaction Formula::ratio(1000, Stored::GmvFen, &[Stored::Views]), v 1;
    "open_deposits" "未付尾款笔数" "Open deposits" Count Transaction Formula::excess(Stored::Deposits, Stored::Balances), v 1;
    "late_share" "迟到占比" "Late share" Ratio Quality Formula::ratio(1, Stored::LateEvents, &[Stored::Events, Stored::LateEvents]), v 1;
    "suspect_share" "可疑观看占比" "Suspect share" Ratio Quality Formula::ratio(1, Stored::SuspectViews, &[Stored::Views]), v 1;
}
