//! Events that are well-formed, if not well-behaved.

use bytes::Bytes;
use rand::Rng;
use tandem_model::event::{EventType, Field};
use tandem_model::time::{
    DAY_MS, FUTURE_MS, INT_MAX, LATENESS_MS, MINUTE_MS, PRESENCE_MS, SECOND_MS, Window,
};

use super::fields::{Spec, specs};
use super::json::{self, Pair};
use super::{Maker, pick};

/// Types, the frequent ones several times.
const TYPES: [EventType; 39] = [
    EventType::Enter,
    EventType::Enter,
    EventType::Enter,
    EventType::Enter,
    EventType::Enter,
    EventType::Heartbeat,
    EventType::Heartbeat,
    EventType::Heartbeat,
    EventType::Heartbeat,
    EventType::Heartbeat,
    EventType::Leave,
    EventType::Leave,
    EventType::Leave,
    EventType::Comment,
    EventType::Comment,
    EventType::Like,
    EventType::Like,
    EventType::Follow,
    EventType::Follow,
    EventType::OrderPaid,
    EventType::OrderPaid,
    EventType::Exposure,
    EventType::PageView,
    EventType::Share,
    EventType::Gift,
    EventType::Unfollow,
    EventType::ItemList,
    EventType::ItemDelist,
    EventType::ItemExplain,
    EventType::ItemExposure,
    EventType::ItemClick,
    EventType::ItemClick,
    EventType::CartAdd,
    EventType::OrderRefunded,
    EventType::OrderRefunded,
    EventType::PresaleDeposit,
    EventType::PresaleBalance,
    EventType::Scene,
    EventType::SessionStart,
];

/// How far an event lies behind `now` at most, if it is no stray.
const LAG_MS: u64 = 20 * SECOND_MS;

impl Maker<'_> {
    pub(super) fn event(&mut self) -> Bytes {
        let session = self.rng.random_range(0..self.sessions.len());
        let event_type = self.event_type(session);
        let ts = self.ts(session);
        self.note(event_type, session, ts);
        let pairs = self.pairs(event_type, session, ts);
        self.write(pairs, event_type)
    }

    /// Remembers what becomes of the session if the event is accepted, as it probably is.
    fn note(&mut self, event_type: EventType, session: usize, ts: u64) {
        let in_time = ts + LATENESS_MS >= self.clock && ts <= self.clock + FUTURE_MS;
        let past = &mut self.sessions[session];
        if past.final_since.is_none() && (self.clock == 0 || in_time) {
            past.highest = past.highest.max(Some(ts));
            if event_type == EventType::SessionEnd {
                past.end = Some(ts);
            }
        }
    }

    /// To a session that has ended mostly what it still accepts.
    fn event_type(&mut self, session: usize) -> EventType {
        let has_ended = self.sessions[session].final_since.is_some();
        if self.chance(self.run.ends) {
            EventType::SessionEnd
        } else if has_ended && self.chance(0.5) {
            pick(&mut self.rng, &[EventType::OrderRefunded, EventType::PresaleBalance])
        } else {
            pick(&mut self.rng, &TYPES)
        }
    }

    fn ts(&mut self, session: usize) -> u64 {
        let ts = if self.chance(self.run.strays) {
            self.stray(session)
        } else if self.rng.random() {
            self.now_ms.saturating_sub(self.rng.random_range(0..LAG_MS))
        } else {
            self.now_ms - self.now_ms % SECOND_MS
        };
        self.last_ts = ts.min(INT_MAX);
        self.last_ts
    }

    /// A moment somewhere else, or on an edge give or take a millisecond.
    fn stray(&mut self, session: usize) -> u64 {
        let window = pick(&mut self.rng, &Window::ALL);
        let edge = match self.rng.random_range(0..12) {
            0 => self.clock.saturating_sub(LATENESS_MS),
            1 => self.clock + FUTURE_MS,
            2 => window.bucket(self.now_ms),
            3 | 4 => self.last_ts + PRESENCE_MS,
            5 => self.last_ts,
            6 => self.clock.saturating_sub(PRESENCE_MS),
            7 => self.sessions[session].end.unwrap_or(self.clock),
            8 => (self.now_ms + 8 * MINUTE_MS).saturating_sub(self.rng.random_range(0..20 * MINUTE_MS)),
            9 => self.now_ms.saturating_sub(self.rng.random_range(0..2 * DAY_MS)),
            10 => self.now_ms + self.rng.random_range(0..2 * DAY_MS),
            // seldom: before the first beat these are accepted and keep the session from ending
            _ if self.chance(0.1) => pick(&mut self.rng, &[0, INT_MAX]),
            _ => self.now_ms,
        };
        (edge + 1).saturating_sub(self.rng.random_range(0..=2))
    }

    /// All fields of an event.
    pub(super) fn pairs(&mut self, event_type: EventType, session: usize, ts: u64) -> Vec<Pair> {
        let mut pairs = vec![("type", json::string(event_type.name(), false))];
        for spec in specs(event_type) {
            let value = match spec.field {
                Field::EventId => self.event_id(),
                Field::Ts => ts.to_string(),
                Field::SessionId => self.session_id(session),
                Field::UserId => self.user_id(),
                _ if spec.required || self.chance(self.run.carried) => self.value(spec),
                _ if self.chance(0.2) => "null".to_owned(),
                _ => continue,
            };
            pairs.push((spec.field.name(), value));
        }
        pairs
    }

    /// New, or one that was used before, by whatever session.
    fn event_id(&mut self) -> String {
        if self.ids > 0 && self.chance(self.run.used_ids) {
            let id = self.rng.random_range(0..self.ids);
            return self.string(&format!("e{id}"));
        }
        self.ids += 1;
        self.string(&format!("e{}", self.ids))
    }

    fn session_id(&mut self, session: usize) -> String {
        // one as long as may be
        let id = if session == 3 { "s".repeat(64) } else { format!("s{session}") };
        self.string(&id)
    }

    fn user_id(&mut self) -> String {
        let user = self.rng.random_range(0..self.run.users.max(1));
        let id = if user == 3 { "u".repeat(64) } else { format!("u{user}") };
        self.string(&id)
    }

    /// The line, plainly or in an unusual way.
    pub(super) fn write(&mut self, mut pairs: Vec<Pair>, event_type: EventType) -> Bytes {
        if !self.chance(self.run.odd) {
            return json::object(&pairs);
        }
        self.add_ignored(&mut pairs, event_type);
        json::odd_object(&pairs, &mut self.rng)
    }

    /// A field this type does not have may hold anything.
    fn add_ignored(&mut self, pairs: &mut Vec<Pair>, event_type: EventType) {
        let own = specs(event_type);
        let foreign: Vec<Field> = Field::ALL
            .iter()
            .copied()
            .filter(|field| *field != Field::Type && own.iter().all(|spec: &Spec| spec.field != *field))
            .collect();
        for _ in 0..self.rng.random_range(0..3) {
            let value = pick(&mut self.rng, &["[]", "{}", "-1", "\"\"", "true", "1e300", "\"x y\""]);
            pairs.push((pick(&mut self.rng, &foreign).name(), value.to_owned()));
        }
    }
}
