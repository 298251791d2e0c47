//! The boards: who stands where, each declared once.
//!
//! A board's score follows from [`Score`] alone; what evaluates it knows the kinds of scores and no
//! board. So adding a board is one entry in [`BOARDS`].

use super::{Stored, Unit};
use crate::time::DAY_MS;

/// Whom a board lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// An anchor, over all sessions.
    Anchor,
    /// A session.
    Session,
    /// An item, over all sessions.
    Item,
    /// The session's category.
    Category,
    /// The session's brand.
    Brand,
    /// The session's merchant.
    Merchant,
    /// The viewer's region.
    Region,
    /// The viewer's region and the session's category, as `region:category`.
    RegionCategory,
}

impl Subject {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Subject::Anchor => "anchor",
            Subject::Session => "session",
            Subject::Item => "item",
            Subject::Category => "category",
            Subject::Brand => "brand",
            Subject::Merchant => "merchant",
            Subject::Region => "region",
            Subject::RegionCategory => "region:category",
        }
    }

    /// Whether a session counts for it that never said what it is: without a `session_start`.
    pub const fn needs_no_start(self) -> bool {
        matches!(self, Subject::Session | Subject::Item | Subject::Region)
    }
}

/// What boards are put together by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BoardGroup {
    /// Anchors as they stand.
    Anchor,
    /// Anchors as they grow.
    Growth,
    /// Sessions.
    Session,
    /// Items.
    Item,
    /// Categories, brands, merchants.
    Commerce,
    /// Regions of viewers.
    Region,
}

impl BoardGroup {
    /// All of them, in the order of the catalogue.
    pub const ALL: [BoardGroup; 6] = [
        BoardGroup::Anchor,
        BoardGroup::Growth,
        BoardGroup::Session,
        BoardGroup::Item,
        BoardGroup::Commerce,
        BoardGroup::Region,
    ];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            BoardGroup::Anchor => "anchor",
            BoardGroup::Growth => "growth",
            BoardGroup::Session => "session",
            BoardGroup::Item => "item",
            BoardGroup::Commerce => "commerce",
            BoardGroup::Region => "region",
        }
    }
}

/// How a score follows from the figures of a subject in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// The sum of these, added up.
    Sum(&'static [Stored]),
    /// The highest of this gauge.
    Peak(Stored),
    /// `factor` · `of` / `per`.
    Rate {
        /// A constant factor.
        factor: u64,
        /// What is divided.
        of: Stored,
        /// What it is divided by.
        per: Stored,
    },
    /// Of the anchor's latest session: fans at its start, and how they changed up to the period's end.
    Fans,
    /// `of` / `per` of the [`GROWTH_DAYS`] before the edition, minus the same of the days before those.
    RateChange {
        /// What is divided.
        of: Stored,
        /// What it is divided by.
        per: Stored,
    },
    /// This, of the [`GROWTH_DAYS`] before the edition, by the same of the days before those, minus 1.
    Growth(Stored),
    /// The sum of this for anchors whose first session started at most [`NEWCOMER_MS`] before the edition.
    Newcomers(Stored),
    /// The category's share of the region's, by its share of all.
    Preference(Stored),
    /// The index of twelve indicators, see [`super::influence`].
    Index,
}

/// The length of the windows of growth, in whole calendar days.
pub const GROWTH_DAYS: usize = 7;
/// How long an anchor is a newcomer, in milliseconds.
pub const NEWCOMER_MS: u64 = 30 * DAY_MS;

/// Below this a subject is not listed: the score would say more about chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Smallest {
    /// Of what there must be so much.
    pub of: Stored,
    /// So much.
    pub count: u64,
}

/// A board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its id, as in paths.
    pub id: &'static str,
    /// Its Chinese name.
    pub zh: &'static str,
    /// Its English name.
    pub en: &'static str,
    /// What it stands with.
    pub group: BoardGroup,
    /// Whom it lists.
    pub subject: Subject,
    /// What the score counts in.
    pub unit: Unit,
    /// How it is computed.
    pub score: Score,
    /// The smallest sample, if it needs one; where the score compares windows, in each that is divided by.
    pub smallest: Option<Smallest>,
    /// The version of its definition.
    pub definition: u32,
}

const fn least(of: Stored, count: u64) -> Option<Smallest> {
    Some(Smallest { of, count })
}

/// What [`Score::Preference`] needs of the category in the region, beside what the board needs of the
/// region as a whole.
pub const PREFERENCE_SMALLEST: Smallest = Smallest { of: Stored::Orders, count: 10 };

macro_rules! boards {
    ($($id:literal $zh:literal $en:literal $group:ident $subject:ident $unit:ident ($score:expr) $smallest:expr;)+) => {
        /// All boards, in the order of the catalogue.
        pub const BOARDS: &[Board] = &[$(Board {
            id: $id,
            zh: $zh,
            en: $en,
            group: BoardGroup::$group,
            subject: Subject::$subject,
            unit: Unit::$unit,
            score: $score,
            smallest: $smallest,
            definition: 1,
        }),+];
    };
}

use Stored::{
    Buyers, Comments, DepositFen, Gifts, GmvFen, InteractingUsers, ItemClicks, ItemExposures, Likes, NewFans,
    OnlinePeak, Orders, Shares, Units, Viewers, Views, WatchMs,
};

const fn rate(of: Stored, per: Stored) -> Score {
    Score::Rate { factor: 1, of, per }
}

boards! {
    "anchor.influence" "主播影响力榜" "Influence" Anchor Anchor Ratio (Score::Index) None;
    "anchor.gmv" "主播成交榜" "GMV of anchors" Anchor Anchor Fen (Score::Sum(&[GmvFen])) None;
    "anchor.watch_time" "主播观看时长榜" "Watch time of anchors" Anchor Anchor Milliseconds (Score::Sum(&[WatchMs])) None;
    "anchor.viewers" "主播观看人数榜" "Viewers of anchors" Anchor Anchor Users (Score::Sum(&[Viewers])) None;
    "anchor.interaction_rate" "主播互动率榜" "Interaction rate of anchors" Anchor Anchor Ratio (rate(InteractingUsers, Viewers)) least(Viewers, 100);
    "anchor.fans" "主播粉丝榜" "Fans of anchors" Anchor Anchor Users (Score::Fans) None;
    "growth.new_fans" "涨粉榜" "New fans" Growth Anchor Users (Score::Sum(&[NewFans])) None;
    "growth.fan_rate_7d" "转粉率提升榜" "Change of the fan rate in 7 days" Growth Anchor Ratio (Score::RateChange { of: NewFans, per: Viewers }) least(Viewers, 100);
    "growth.gmv_7d" "成交增长榜" "Growth of GMV in 7 days" Growth Anchor Ratio (Score::Growth(GmvFen)) least(Viewers, 100);
    "growth.viewers_7d" "观看增长榜" "Growth of viewers in 7 days" Growth Anchor Ratio (Score::Growth(Viewers)) least(Viewers, 100);
    "growth.rising" "新锐主播榜" "Rising anchors" Growth Anchor Fen (Score::Newcomers(GmvFen)) None;
    "session.gmv" "场次成交榜" "GMV of sessions" Session Session Fen (Score::Sum(&[GmvFen])) None;
    "session.views" "场次观看榜" "Views of sessions" Session Session Count (Score::Sum(&[Views])) None;
    "session.online_peak" "场次在线峰值榜" "Peak online viewers of sessions" Session Session Users (Score::Peak(OnlinePeak)) None;
    "session.conversion_rate" "场次转化率榜" "Conversion rate of sessions" Session Session Ratio (rate(Buyers, Viewers)) least(Viewers, 100);
    "session.gpm" "场次千次观看成交榜" "GMV per thousand views of sessions" Session Session Fen (Score::Rate { factor: 1000, of: GmvFen, per: Views }) least(Views, 100);
    "session.interactions" "场次互动榜" "Interactions of sessions" Session Session Count (Score::Sum(&[Comments, Likes, Shares, Gifts])) None;
    "item.gmv" "商品成交榜" "GMV of items" Item Item Fen (Score::Sum(&[GmvFen])) None;
    "item.units" "商品销量榜" "Units of items" Item Item Count (Score::Sum(&[Units])) None;
    "item.deposit" "商品预售榜" "Presale deposits of items" Item Item Fen (Score::Sum(&[DepositFen])) None;
    "item.click_rate" "商品点击率榜" "Click rate of items" Item Item Ratio (rate(ItemClicks, ItemExposures)) least(ItemExposures, 100);
    "category.gmv" "类目成交榜" "GMV of categories" Commerce Category Fen (Score::Sum(&[GmvFen])) None;
    "category.conversion_rate" "类目转化率榜" "Conversion rate of categories" Commerce Category Ratio (rate(Buyers, Viewers)) least(Viewers, 100);
    "brand.gmv" "品牌成交榜" "GMV of brands" Commerce Brand Fen (Score::Sum(&[GmvFen])) None;
    "merchant.new_fans" "商家涨粉榜" "New fans of merchants" Commerce Merchant Users (Score::Sum(&[NewFans])) None;
    "region.gmv" "地域成交榜" "GMV of regions" Region Region Fen (Score::Sum(&[GmvFen])) None;
    "region.viewers" "地域观看人数榜" "Viewers of regions" Region Region Users (Score::Sum(&[Viewers])) None;
    "region.preference" "地域偏好榜" "Preference of regions for categories" Region RegionCategory Ratio (Score::Preference(GmvFen)) least(Orders, 100);
}

impl Board {
    /// The board with this id.
    pub fn from_id(id: &str) -> Option<&'static Board> {
        BOARDS.iter().find(|board| board.id == id)
    }

    /// How the score is computed, for people.
    pub fn formula(&self) -> String {
        let sum = |of: Stored| format!("Σ {}", of.id());
        match self.score {
            Score::Sum(of) => of.iter().map(|of| sum(*of)).collect::<Vec<_>>().join(" + "),
            Score::Peak(of) => format!("highest {}", of.id()),
            Score::Rate { factor: 1, of, per } => format!("{} / {}", sum(of), sum(per)),
            Score::Rate { factor, of, per } => format!("{factor} · {} / {}", sum(of), sum(per)),
            Score::Fans => "of the session with the latest session_start in or before the period: anchor_fans + new_fans \
                            − unfollows up to the period's end"
                .to_owned(),
            Score::RateChange { of, per } => format!(
                "{of} / {per} of the last {GROWTH_DAYS} days − {of} / {per} of the {GROWTH_DAYS} days before",
                of = of.id(),
                per = per.id()
            ),
            Score::Growth(of) => format!(
                "{of} of the last {GROWTH_DAYS} days / {of} of the {GROWTH_DAYS} days before − 1",
                of = of.id()
            ),
            Score::Newcomers(of) => format!(
                "{} of anchors whose first session started at most {} days before the edition",
                sum(of),
                NEWCOMER_MS / DAY_MS
            ),
            Score::Preference(of) => format!(
                "(the category's share of the region's {of}) / (its share of all {of}), from {} {} of the category in \
                 the region on",
                PREFERENCE_SMALLEST.count,
                PREFERENCE_SMALLEST.of.id(),
                of = of.id()
            ),
            Score::Index => super::influence::formula(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_28_boards_in_6_groups_and_every_id_is_its_own() {
        assert_eq!(BOARDS.len(), 28);
        for board in BOARDS {
            assert_eq!(Board::from_id(board.id), Some(board));
            assert!(!board.formula().is_empty());
        }
        for group in BoardGroup::ALL {
            assert!(BOARDS.iter().any(|board| board.group == group), "{}", group.name());
        }
    }
}
