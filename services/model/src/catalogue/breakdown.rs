//! The breakdowns: by what a session's figures are split.

use serde::{Deserialize, Serialize};

/// The one key of [`Breakdown::Room`].
pub const ROOM: &str = "room";
/// Where an attribute is known from nowhere.
pub const UNKNOWN: &str = "unknown";
/// Where a source is not one of [`SOURCES`].
pub const OTHER: &str = "other";
/// Where a breakdown already holds as many keys as it may. It takes none of their places.
pub const OVERFLOW: &str = "~other";

/// The 13 traffic sources, then `other` and `unknown`.
pub const SOURCES: [&str; 15] = [
    "follow",
    "recommend",
    "ads",
    "shop",
    "search",
    "item_page",
    "live_square",
    "short_video",
    "share",
    "message",
    "private_domain",
    "activity",
    "external",
    OTHER,
    UNKNOWN,
];

/// Followed before the event.
pub const FAN: &str = "fan";
/// Followed during the session.
pub const NEW_FAN: &str = "new_fan";
/// Neither.
pub const GUEST: &str = "guest";
/// The keys of [`Breakdown::Fan`].
pub const FANS: [&str; 4] = [FAN, NEW_FAN, GUEST, UNKNOWN];

/// A breakdown (DWS dimension).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Breakdown {
    /// The session as a whole; its one key is `room`.
    Room,
    /// By item.
    Item,
    /// By app or site.
    Channel,
    /// By traffic source.
    Source,
    /// By relation to the anchor.
    Fan,
    /// By province or country.
    Region,
    /// By device family.
    Device,
    /// By source as it was sent, for sources that count under `other`. Internal: holds `events`
    /// (accepted events that carry it) as a total only, shown beside the key `other`.
    RawSource,
}

impl Breakdown {
    /// All breakdowns, in the order of their discriminants.
    pub const ALL: [Breakdown; 8] = [
        Breakdown::Room,
        Breakdown::Item,
        Breakdown::Channel,
        Breakdown::Source,
        Breakdown::Fan,
        Breakdown::Region,
        Breakdown::Device,
        Breakdown::RawSource,
    ];

    /// The breakdowns a user can ask for: all but `room` (always there) and the internal one.
    pub const PUBLIC: [Breakdown; 6] = [
        Breakdown::Item,
        Breakdown::Channel,
        Breakdown::Source,
        Breakdown::Fan,
        Breakdown::Region,
        Breakdown::Device,
    ];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Breakdown::Room => "room",
            Breakdown::Item => "item",
            Breakdown::Channel => "channel",
            Breakdown::Source => "source",
            Breakdown::Fan => "fan",
            Breakdown::Region => "region",
            Breakdown::Device => "device",
            Breakdown::RawSource => "raw_source",
        }
    }

    /// Its Chinese and its English title.
    pub const fn titles(self) -> (&'static str, &'static str) {
        match self {
            Breakdown::Room => ("直播间", "The session as a whole"),
            Breakdown::Item => ("商品", "Item"),
            Breakdown::Channel => ("渠道", "Channel"),
            Breakdown::Source => ("流量来源", "Traffic source"),
            Breakdown::Fan => ("粉丝关系", "Relation to the anchor"),
            Breakdown::Region => ("地域", "Region"),
            Breakdown::Device => ("设备", "Device"),
            Breakdown::RawSource => ("原始来源", "Source as sent"),
        }
    }

    /// The public breakdown with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::PUBLIC.into_iter().find(|breakdown| breakdown.name() == name)
    }

    /// Whether the hours and days of the calendar are split by it: what boards ask for.
    pub const fn in_calendar(self) -> bool {
        matches!(self, Breakdown::Room | Breakdown::Item | Breakdown::Region)
    }

    /// How many keys it holds per session (rule 7); what comes after counts under [`OVERFLOW`].
    pub const fn keys_max(self) -> usize {
        match self {
            Breakdown::Item => 5_000,
            _ => 1_000,
        }
    }
}
