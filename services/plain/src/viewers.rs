//! The viewers of one session: what their events inherit (rule 7) and whether they are there
//! (rule 8).

use std::collections::{BTreeMap, BTreeSet};

use tandem_model::catalogue::{FAN, GUEST, NEW_FAN, OTHER, SOURCES, UNKNOWN};
use tandem_model::event::{self, Event, Kind};
use tandem_model::time::PRESENCE_MS;

/// All viewers that were seen in accepted events.
#[derive(Default)]
pub(crate) struct Viewers {
    by_id: BTreeMap<String, Viewer>,
    /// The last sign of life of every present viewer, to count those of the last 90 s.
    present: BTreeSet<(u64, u32)>,
}

/// What has to be remembered of a viewer.
struct Viewer {
    /// Stands for the user id in sets: smaller.
    index: u32,
    /// What the enters so far said, each field as it was said last.
    entered: Carried,
    /// Whether a `follow` was accepted; an `unfollow` does not undo it.
    followed: bool,
    /// Entered, and did not leave since.
    present: bool,
    /// The highest `ts` of any sign of life, also over a leave.
    last_sign: Option<u64>,
}

/// The attributes an event can carry.
#[derive(Clone, Default)]
struct Carried {
    source: Option<String>,
    channel: Option<String>,
    is_fan: Option<bool>,
    region: Option<String>,
    device: Option<String>,
}

/// Under which keys an event counts.
pub(crate) struct Attribution {
    pub(crate) channel: String,
    pub(crate) source: String,
    pub(crate) fan: &'static str,
    pub(crate) region: String,
    pub(crate) device: String,
}

/// What the viewers' state says of an event.
pub(crate) struct Seen {
    pub(crate) user: u32,
    pub(crate) attribution: Attribution,
    pub(crate) watch_ms: u64,
}

impl Viewers {
    /// Applies an accepted event of a session that is not final.
    pub(crate) fn apply(&mut self, event: &Event<'_>, of_event: &event::Viewer<'_>) -> Seen {
        let index = u32::try_from(self.by_id.len()).unwrap_or(u32::MAX);
        let viewer = self.by_id.entry(of_event.user_id.to_string()).or_insert_with(|| Viewer::new(index));
        let own = Carried::by(of_event);
        match event.kind {
            Kind::Enter => viewer.entered = own.clone().or(&viewer.entered),
            Kind::Follow => viewer.followed = true,
            _ => {}
        }
        let attribution = own.or(&viewer.entered).attribution(viewer.followed);
        let watch_ms = viewer.sign_of_life(event, &mut self.present);
        Seen { user: viewer.index, attribution, watch_ms }
    }

    /// Rule 8: who entered, did not leave, and gave a sign at most 90 s before `clock`, or later.
    pub(crate) fn online(&self, clock: u64) -> u64 {
        self.present.range((clock.saturating_sub(PRESENCE_MS), 0)..).count() as u64
    }
}

/// Rule 3: to a follow-up nothing is inherited, what it doesn't carry is `unknown`.
pub(crate) fn attribution_of_follow_up(of_event: &event::Viewer<'_>) -> Attribution {
    Carried::by(of_event).attribution(false)
}

impl Viewer {
    fn new(index: u32) -> Self {
        Self { index, entered: Carried::default(), followed: false, present: false, last_sign: None }
    }

    /// Rule 8: notes a sign of life and gives the watch time it adds.
    fn sign_of_life(&mut self, event: &Event<'_>, present: &mut BTreeSet<(u64, u32)>) -> u64 {
        if !self.present && event.kind != Kind::Enter {
            return 0;
        }
        let since_last = self.last_sign.and_then(|last| event.ts.checked_sub(last));
        // An enter that begins a presence adds nothing; an enter of a present viewer is a sign
        // like any other.
        let watch_ms = match since_last {
            Some(ms) if self.present && ms <= PRESENCE_MS => ms,
            _ => 0,
        };
        if let Some(last) = self.last_sign {
            present.remove(&(last, self.index));
        }
        let last = self.last_sign.map_or(event.ts, |last| last.max(event.ts));
        self.last_sign = Some(last);
        self.present = event.kind != Kind::Leave;
        if self.present {
            present.insert((last, self.index));
        }
        watch_ms
    }
}

impl Carried {
    fn by(viewer: &event::Viewer<'_>) -> Self {
        Self {
            source: viewer.source.as_deref().map(str::to_owned),
            channel: viewer.channel.as_deref().map(str::to_owned),
            is_fan: viewer.is_fan,
            region: viewer.region.as_deref().map(str::to_owned),
            device: viewer.device.as_deref().map(str::to_owned),
        }
    }

    /// Rule 7, field by field: its own, where absent the other's.
    fn or(self, other: &Self) -> Self {
        Self {
            source: self.source.or_else(|| other.source.clone()),
            channel: self.channel.or_else(|| other.channel.clone()),
            is_fan: self.is_fan.or(other.is_fan),
            region: self.region.or_else(|| other.region.clone()),
            device: self.device.or_else(|| other.device.clone()),
        }
    }

    /// Rule 7: what is known from nowhere is `unknown`, a source that is not listed `other`.
    fn attribution(self, followed: bool) -> Attribution {
        let unknown = || UNKNOWN.to_owned();
        let source = match self.source {
            None => unknown(),
            Some(listed) if is_listed(&listed) => listed,
            Some(_) => OTHER.to_owned(),
        };
        let fan = match (self.is_fan, followed) {
            (None, _) => UNKNOWN,
            (Some(true), _) => FAN,
            (Some(false), true) => NEW_FAN,
            (Some(false), false) => GUEST,
        };
        Attribution {
            channel: self.channel.unwrap_or_else(unknown),
            source,
            fan,
            region: self.region.unwrap_or_else(unknown),
            device: self.device.unwrap_or_else(unknown),
        }
    }
}

/// Whether a source counts under its own name.
pub(crate) fn is_listed(source: &str) -> bool {
    SOURCES.contains(&source)
}
