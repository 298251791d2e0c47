//! The stored metrics: one line each, in the order of the columns.

use serde::{Deserialize, Serialize};

use super::{Group, Kind, Unit};

macro_rules! stored {
    ($($variant:ident $id:literal $zh:literal $en:literal $unit:ident $group:ident $kind:ident $formula:literal v $definition:literal;)+) => {
        /// A stored metric; its discriminant is its column.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Stored {
            $(#[doc = concat!("`", $id, "`: ", $formula)] $variant),+
        }

        impl Stored {
            /// All stored metrics, in the order of the columns.
            pub const ALL: &'static [Stored] = &[$(Stored::$variant),+];

            /// Its id, as in answers and in column names.
            pub const fn id(self) -> &'static str {
                match self { $(Stored::$variant => $id),+ }
            }

            /// Its Chinese name.
            pub const fn zh(self) -> &'static str {
                match self { $(Stored::$variant => $zh),+ }
            }

            /// Its English name.
            pub const fn en(self) -> &'static str {
                match self { $(Stored::$variant => $en),+ }
            }

            /// What it counts in.
            pub const fn unit(self) -> Unit {
                match self { $(Stored::$variant => Unit::$unit),+ }
            }

            /// What it tells about.
            pub const fn group(self) -> Group {
                match self { $(Stored::$variant => Group::$group),+ }
            }

            /// How it comes about.
            pub const fn kind(self) -> Kind {
                match self { $(Stored::$variant => Kind::$kind),+ }
            }

            /// How it is defined, for people.
            pub const fn formula(self) -> &'static str {
                match self { $(Stored::$variant => $formula),+ }
            }

            /// The version of its definition.
            pub const fn definition(self) -> u32 {
                match self { $(Stored::$variant => $definition),+ }
            }
        }
    };
}

stored! {
    Exposures "exposures" "曝光次数" "Exposures" Count Visit Sum "number of exposure events" v 1;
    ExposedViewers "exposed_viewers" "曝光人数" "Exposed viewers" Users Visit Distinct "distinct users of exposure events" v 1;
    Views "views" "观看次数" "Views" Count Visit Sum "number of enter events" v 1;
    Viewers "viewers" "观看人数" "Viewers" Users Visit Distinct "distinct users of enter events" v 1;
    PageViews "page_views" "页面浏览次数" "Page views" Count Visit Sum "number of page_view events" v 1;
    OnlineViewers "online_viewers" "实时在线人数" "Online viewers" Users Visit GaugeLast "viewers present at the last beat: entered, did not leave, last sign of life at most 90 s before it" v 1;
    OnlinePeak "online_peak" "最高在线人数" "Peak online viewers" Users Visit GaugePeak "highest online_viewers of any beat" v 1;
    WatchMs "watch_ms" "观看时长" "Watch time" Milliseconds Visit Sum "time between signs of life of present viewers, gaps over 90 s left out" v 1;
    Comments "comments" "评论次数" "Comments" Count Interaction Sum "number of comment events" v 1;
    Commenters "commenters" "评论人数" "Commenters" Users Interaction Distinct "distinct users of comment events" v 1;
    Likes "likes" "点赞次数" "Likes" Count Interaction Sum "sum of count of like events" v 1;
    Shares "shares" "分享次数" "Shares" Count Interaction Sum "number of share events" v 1;
    Gifts "gifts" "打赏次数" "Gifts" Count Interaction Sum "number of gift events" v 1;
    GiftFen "gift_fen" "打赏金额" "Gift amount" Fen Interaction Sum "sum of amount_fen of gift events" v 1;
    InteractingUsers "interacting_users" "互动人数" "Interacting users" Users Interaction Distinct "distinct users of comment, like, share, gift and follow events" v 1;
    NewFans "new_fans" "新增粉丝数" "New fans" Users Conversion Distinct "distinct users of follow events" v 1;
    Unfollows "unfollows" "取消关注次数" "Unfollows" Count Conversion Sum "number of unfollow events" v 1;
    ItemExposures "item_exposures" "商品曝光次数" "Item exposures" Count Conversion Sum "number of item_exposure events" v 1;
    ItemClicks "item_clicks" "商品点击次数" "Item clicks" Count Conversion Sum "number of item_click events" v 1;
    ItemClickUsers "item_click_users" "商品点击人数" "Item click users" Users Conversion Distinct "distinct users of item_click events" v 1;
    CartAdds "cart_adds" "加购次数" "Cart additions" Count Conversion Sum "number of cart_add events" v 1;
    Orders "orders" "成交订单数" "Orders" Count Transaction Sum "number of order_paid events (order lines)" v 1;
    Buyers "buyers" "成交人数" "Buyers" Users Transaction Distinct "distinct users of order_paid events" v 1;
    Units "units" "成交件数" "Units" Count Transaction Sum "sum of quantity of order_paid events" v 1;
    GmvFen "gmv_fen" "成交金额" "GMV" Fen Transaction Sum "sum of amount_fen of order_paid events" v 1;
    Refunds "refunds" "退款笔数" "Refunds" Count Transaction Sum "number of order_refunded events" v 1;
    RefundFen "refund_fen" "退款金额" "Refund amount" Fen Transaction Sum "sum of amount_fen of order_refunded events" v 1;
    Deposits "deposits" "预售定金笔数" "Presale deposits" Count Transaction Sum "number of presale_deposit events" v 1;
    DepositFen "deposit_fen" "预售定金金额" "Presale deposit amount" Fen Transaction Sum "sum of amount_fen of presale_deposit events" v 1;
    Balances "balances" "预售尾款笔数" "Presale balances" Count Transaction Sum "number of presale_balance events" v 1;
    BalanceFen "balance_fen" "预售尾款金额" "Presale balance amount" Fen Transaction Sum "sum of amount_fen of presale_balance events" v 1;
    Events "events" "计入事件数" "Accepted events" Count Quality Sum "number of accepted events" v 1;
    LateEvents "late_events" "迟到事件数" "Late events" Count Quality Sum "number of late events" v 1;
    FutureEvents "future_events" "超前事件数" "Future events" Count Quality Sum "number of events too far ahead of the clock" v 1;
    DuplicateEvents "duplicate_events" "重复事件数" "Duplicate events" Count Quality Sum "number of events whose id was already accepted" v 1;
    MalformedEvents "malformed_events" "格式错误事件数" "Malformed events" Count Quality Sum "number of malformed lines that name the session" v 1;
    SuspectViews "suspect_views" "可疑观看次数" "Suspect views" Count Quality Sum "number of enter events with suspect" v 1;
}

/// How many stored metrics there are: the width of a row.
pub const STORED: usize = Stored::ALL.len();

/// The distinct counts among them, in the order of the columns.
pub const DISTINCT: [Stored; distinct_count()] = distinct();

const fn distinct_count() -> usize {
    let (mut count, mut index) = (0, 0);
    while index < STORED {
        if matches!(Stored::ALL[index].kind(), Kind::Distinct) {
            count += 1;
        }
        index += 1;
    }
    count
}

const fn distinct() -> [Stored; distinct_count()] {
    let mut found = [Stored::ALL[0]; distinct_count()];
    let (mut count, mut index) = (0, 0);
    while index < STORED {
        if matches!(Stored::ALL[index].kind(), Kind::Distinct) {
            found[count] = Stored::ALL[index];
            count += 1;
        }
        index += 1;
    }
    found
}

impl Stored {
    /// The stored metric with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|stored| stored.id() == id)
    }

    /// Whether only the session as a whole has it: gauges and quality.
    pub const fn is_room_only(self) -> bool {
        matches!(self.kind(), Kind::GaugeLast | Kind::GaugePeak) || matches!(self.group(), Group::Quality)
    }

    /// Whether it exists per bucket of time. What was refused has no bucket: its own may be long
    /// closed or not yet open.
    pub const fn has_trend(self) -> bool {
        !matches!(
            self,
            Stored::LateEvents | Stored::FutureEvents | Stored::DuplicateEvents | Stored::MalformedEvents
        )
    }
}
