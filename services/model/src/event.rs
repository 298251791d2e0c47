//! Events as the contract's section 1 defines them, after decoding.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::definition::Definition;
use crate::row::Attributes;
use crate::verdict::Verdict;

/// A string out of a line: borrowed unless it was written with escapes.
pub type Text<'a> = Cow<'a, str>;

/// A line that is well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "nearly every line is an event; a box would cost each of them")]
pub enum Line<'a> {
    /// Something happened in a session.
    Event(Event<'a>),
    /// Time moves on to `ts`, a whole second.
    Beat {
        /// Milliseconds since the epoch.
        ts: u64,
    },
    /// What is to happen with a record before.
    Verdict(Box<Verdict>),
    /// By which formula a metric is computed from when on.
    Definition(Box<Definition>),
}

/// Something that happened in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Unique within the session.
    pub event_id: Text<'a>,
    /// When it happened, in milliseconds since the epoch.
    pub ts: u64,
    /// The broadcast.
    pub session_id: Text<'a>,
    /// Who did it; set on viewer events only.
    pub viewer: Option<Viewer<'a>>,
    /// What happened.
    pub kind: Kind<'a>,
}

/// The viewer of a viewer event, and what the event itself says of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer<'a> {
    /// The viewer as the sender names them; not for publishing.
    pub user_id: Text<'a>,
    /// How the viewer came in.
    pub source: Option<Text<'a>>,
    /// The app or site.
    pub channel: Option<Text<'a>>,
    /// Whether the viewer followed the anchor before the event.
    pub is_fan: Option<bool>,
    /// Province or country.
    pub region: Option<Text<'a>>,
    /// Device family.
    pub device: Option<Text<'a>>,
    /// Whether somebody doubts that this is a person.
    pub suspect: bool,
}

/// What happened, with the fields of that type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the contract's own event types and fields")]
pub enum Kind<'a> {
    SessionStart(Box<Start<'a>>),
    SessionEnd,
    Exposure,
    Enter,
    Heartbeat,
    Leave,
    PageView,
    Comment { text: Text<'a>, topic: Option<Text<'a>> },
    Like { count: u64 },
    Share,
    Gift { amount_fen: u64 },
    Follow,
    Unfollow,
    ItemList(Box<Shelf<'a>>),
    ItemDelist(Box<Shelf<'a>>),
    ItemExplain(Box<Shelf<'a>>),
    ItemExposure { item_id: Text<'a> },
    ItemClick { item_id: Text<'a> },
    CartAdd { item_id: Text<'a> },
    OrderPaid { item_id: Option<Text<'a>>, order_id: Text<'a>, amount_fen: u64, quantity: u64 },
    OrderRefunded { item_id: Option<Text<'a>>, order_id: Text<'a>, amount_fen: u64 },
    PresaleDeposit { item_id: Option<Text<'a>>, order_id: Text<'a>, amount_fen: u64 },
    PresaleBalance { item_id: Option<Text<'a>>, order_id: Text<'a>, amount_fen: u64 },
    Scene(Box<Scene<'a>>),
}

/// What a `session_start` says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the contract's own")]
pub struct Start<'a> {
    pub anchor_id: Text<'a>,
    pub room_id: Text<'a>,
    pub title: Text<'a>,
    pub category: Text<'a>,
    pub anchor_name: Text<'a>,
    pub anchor_fans: u64,
    pub content_type: Text<'a>,
    pub region: Text<'a>,
    pub merchant_id: Option<Text<'a>>,
    pub brand: Option<Text<'a>>,
}

impl Start<'_> {
    /// What it says of the session, from `ts`, when it happened (rule 11).
    pub fn attributes(&self, ts: u64) -> Attributes {
        Attributes {
            anchor_id: self.anchor_id.to_string(),
            room_id: self.room_id.to_string(),
            title: self.title.to_string(),
            category: self.category.to_string(),
            anchor_name: self.anchor_name.to_string(),
            anchor_fans: self.anchor_fans,
            content_type: self.content_type.to_string(),
            region: self.region.to_string(),
            merchant_id: self.merchant_id.as_ref().map(ToString::to_string),
            brand: self.brand.as_ref().map(ToString::to_string),
            started_at: ts,
        }
    }
}

/// What an `item_list`, `item_delist` or `item_explain` says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the contract's own")]
pub struct Shelf<'a> {
    pub item_id: Text<'a>,
    pub item_title: Option<Text<'a>>,
    pub category: Option<Text<'a>>,
    pub price_fen: Option<u64>,
}

/// What a `scene` says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the contract's own")]
pub struct Scene<'a> {
    pub label: Text<'a>,
    /// `confidence` in millionths, rounded down.
    pub confidence_ppm: u32,
    pub snapshot_url: Option<Text<'a>>,
    pub replay_ms: Option<u64>,
}

macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "the names are the contract's own")]
        pub enum $name { $($variant),+ }

        impl $name {
            /// All of them, in the contract's order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The name as it stands in a line.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// The one with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

named! {
    /// The event types.
    EventType {
        SessionStart = "session_start",
        SessionEnd = "session_end",
        Exposure = "exposure",
        Enter = "enter",
        Heartbeat = "heartbeat",
        Leave = "leave",
        PageView = "page_view",
        Comment = "comment",
        Like = "like",
        Share = "share",
        Gift = "gift",
        Follow = "follow",
        Unfollow = "unfollow",
        ItemList = "item_list",
        ItemDelist = "item_delist",
        ItemExplain = "item_explain",
        ItemExposure = "item_exposure",
        ItemClick = "item_click",
        CartAdd = "cart_add",
        OrderPaid = "order_paid",
        OrderRefunded = "order_refunded",
        PresaleDeposit = "presale_deposit",
        PresaleBalance = "presale_balance",
        Scene = "scene",
        Beat = "beat",
    }
}

named! {
    /// The fields that some event type has.
    Field {
        EventId = "event_id",
        Type = "type",
        Ts = "ts",
        SessionId = "session_id",
        UserId = "user_id",
        Source = "source",
        Channel = "channel",
        IsFan = "is_fan",
        Region = "region",
        Device = "device",
        Suspect = "suspect",
        ItemId = "item_id",
        AnchorId = "anchor_id",
        RoomId = "room_id",
        Title = "title",
        Category = "category",
        AnchorName = "anchor_name",
        AnchorFans = "anchor_fans",
        ContentType = "content_type",
        MerchantId = "merchant_id",
        Brand = "brand",
        Text = "text",
        Topic = "topic",
        Count = "count",
        AmountFen = "amount_fen",
        ItemTitle = "item_title",
        PriceFen = "price_fen",
        OrderId = "order_id",
        Quantity = "quantity",
        Label = "label",
        Confidence = "confidence",
        SnapshotUrl = "snapshot_url",
        ReplayMs = "replay_ms",
        Beat = "beat",
    }
}

impl EventType {
    /// Whether events of this type carry a viewer.
    pub const fn is_viewer_event(self) -> bool {
        !matches!(
            self,
            EventType::SessionStart
                | EventType::SessionEnd
                | EventType::ItemList
                | EventType::ItemDelist
                | EventType::ItemExplain
                | EventType::Scene
                | EventType::Beat
        )
    }

    /// Whether a session still accepts this type after it became final (rule 3).
    pub const fn is_follow_up(self) -> bool {
        matches!(self, EventType::OrderRefunded | EventType::PresaleBalance)
    }
}

impl Kind<'_> {
    /// The type this kind belongs to.
    pub const fn event_type(&self) -> EventType {
        match self {
            Kind::SessionStart(_) => EventType::SessionStart,
            Kind::SessionEnd => EventType::SessionEnd,
            Kind::Exposure => EventType::Exposure,
            Kind::Enter => EventType::Enter,
            Kind::Heartbeat => EventType::Heartbeat,
            Kind::Leave => EventType::Leave,
            Kind::PageView => EventType::PageView,
            Kind::Comment { .. } => EventType::Comment,
            Kind::Like { .. } => EventType::Like,
            Kind::Share => EventType::Share,
            Kind::Gift { .. } => EventType::Gift,
            Kind::Follow => EventType::Follow,
            Kind::Unfollow => EventType::Unfollow,
            Kind::ItemList(_) => EventType::ItemList,
            Kind::ItemDelist(_) => EventType::ItemDelist,
            Kind::ItemExplain(_) => EventType::ItemExplain,
            Kind::ItemExposure { .. } => EventType::ItemExposure,
            Kind::ItemClick { .. } => EventType::ItemClick,
            Kind::CartAdd { .. } => EventType::CartAdd,
            Kind::OrderPaid { .. } => EventType::OrderPaid,
            Kind::OrderRefunded { .. } => EventType::OrderRefunded,
            Kind::PresaleDeposit { .. } => EventType::PresaleDeposit,
            Kind::PresaleBalance { .. } => EventType::PresaleBalance,
            Kind::Scene(_) => EventType::Scene,
        }
    }
}
