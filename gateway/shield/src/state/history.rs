//! Where a credential comes from by habit: its networks and user agents.
//!
//! The first 64 requests of a credential make its habits. A network that comes later is a stranger
//! until it has been coming for a day. Credentials that come from many networks by habit (a key
//! within an application of telephones) have none, and nobody is a stranger to them.

use super::recent::Recent;

/// Requests that make habits.
const LEARNING: u32 = 64;
/// After so long a network that goes on coming is no stranger any more.
const SETTLED_S: u32 = 24 * 3_600;
/// And after so many requests.
const SETTLED_REQUESTS: u16 = 20;
/// Networks and user agents that are remembered; who has more of them by habit has no habits.
const PLACES: usize = 12;
/// So many networks of strangers, without much that was not found, are an application's users.
const STRANGERS_MAX: u32 = 24;
const WINDOW_MS: u64 = 3_600_000;

const VISITS: usize = 0;
const MISSING: usize = 1;

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    name: u32,
    /// In seconds since 1970, as is the last: a place has 16 bytes, and there are many.
    first_s: u32,
    last_s: u32,
    requests: u16,
    is_home: bool,
}

/// How far a request is out of its credential's habits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strangeness {
    /// It is not, or there are none.
    #[default]
    None,
    /// The network is new.
    Network,
    /// The network and the user agent are new.
    Both,
}

/// See the head of this file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct History {
    requests: u32,
    networks: [Place; PLACES],
    agents: [Place; PLACES],
    has_many_networks: bool,
    has_many_agents: bool,
    /// One bit by network of a stranger.
    strangers: u64,
    /// Visits of strangers, all together.
    of_strangers: Recent<2, WINDOW_MS>,
    /// One bit by network, of the hour that runs and the one before in which it came.
    lately: [u64; 2],
    lately_turn: Recent<0, WINDOW_MS>,
}

impl History {
    /// A request from a network with a user agent, both by their hashes: how strange it is.
    pub(crate) fn see(&mut self, network: u64, agent: u64, now_ms: u64) -> Strangeness {
        if self.lately_turn.advance(now_ms) {
            self.lately = [0, self.lately[0]];
        }
        self.lately[0] |= 1 << (network % 64);
        let is_learning = self.requests < LEARNING;
        self.requests = self.requests.saturating_add(1);
        let (knows_network, is_full) = settle(&mut self.networks, network, now_ms, is_learning);
        self.has_many_networks |= is_full;
        let (knows_agent, is_full) = settle(&mut self.agents, agent, now_ms, is_learning);
        self.has_many_agents |= is_full;
        if knows_network || self.has_many_networks {
            return Strangeness::None;
        }
        self.strangers |= 1 << (network % 64);
        let (visits, missing) = self.of_strangers(now_ms);
        if self.strangers.count_ones() > STRANGERS_MAX && missing * 10 < visits.max(1) {
            self.has_many_networks = true;
            return Strangeness::None;
        }
        if knows_agent || self.has_many_agents { Strangeness::Network } else { Strangeness::Both }
    }

    /// From how many networks it came within an hour or two, about and at most 64, for whoever comes
    /// from this one; 0 where this one is a habit, whose owner does not pay for others.
    pub(crate) fn networks_of_late(&self, network: u64) -> u32 {
        let name = short(network);
        if self.networks.iter().any(|place| place.name == name && place.is_home) {
            return 0;
        }
        (self.lately[0] | self.lately[1]).count_ones()
    }

    /// A first visit of a stranger was answered, perhaps with nothing.
    pub(crate) fn stranger_visited(&mut self, is_missing: bool, now_ms: u64) {
        self.of_strangers.add(VISITS, now_ms);
        if is_missing {
            self.of_strangers.add(MISSING, now_ms);
        }
    }

    /// First visits of all strangers within an hour, and how many found nothing.
    pub(crate) fn of_strangers(&self, now_ms: u64) -> (u32, u32) {
        (self.of_strangers.count(VISITS, now_ms), self.of_strangers.count(MISSING, now_ms))
    }
}

/// A name as it is kept: 0 stands for a free place.
fn short(name: u64) -> u32 {
    ((name >> 32) as u32).max(1)
}

/// Notes a request at its place: whether the place is home, and whether there are too many homes.
fn settle(places: &mut [Place; PLACES], name: u64, now_ms: u64, is_learning: bool) -> (bool, bool) {
    let name = short(name);
    let now_s = u32::try_from(now_ms / 1_000).unwrap_or(u32::MAX);
    if let Some(place) = places.iter_mut().find(|place| place.name == name) {
        place.requests = place.requests.saturating_add(1);
        place.last_s = place.last_s.max(now_s);
        let age_s = now_s.saturating_sub(place.first_s);
        place.is_home |= age_s >= SETTLED_S && place.requests >= SETTLED_REQUESTS;
        return (place.is_home, false);
    }
    let new = Place { name, requests: 1, first_s: now_s, last_s: now_s, is_home: is_learning };
    // Homes go last, and among equals whoever has not come for the longest time goes first.
    let least = places.iter_mut().min_by_key(|place| (place.is_home, place.last_s));
    let least = least.expect("there are places");
    let is_full = least.is_home && is_learning;
    if is_learning || !least.is_home {
        *least = new;
    }
    (is_learning, is_full)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_700_000_000_000;
    const HOME: u64 = 1 << 40;
    const OFFICE: u64 = 2 << 40;
    const ELSEWHERE: u64 = 3 << 40;
    const APP: u64 = 4 << 40;
    const OTHER_APP: u64 = 5 << 40;

    fn settled() -> History {
        let mut history = History::default();
        for request in 0..100 {
            history.see(if request % 2 == 0 { HOME } else { OFFICE }, APP, NOW_MS + request);
        }
        history
    }

    #[test]
    fn habits_are_what_came_first() {
        let mut history = settled();
        let now_ms = NOW_MS + 1_000;
        assert_eq!(history.see(HOME, APP, now_ms), Strangeness::None);
        assert_eq!(history.see(OFFICE, OTHER_APP, now_ms), Strangeness::None);
        assert_eq!(history.see(ELSEWHERE, APP, now_ms), Strangeness::Network);
        let mut history = settled();
        assert_eq!(history.see(ELSEWHERE, OTHER_APP, now_ms), Strangeness::Both);
    }

    #[test]
    fn networks_of_late_are_counted_for_whoever_is_not_at_home() {
        let mut history = settled();
        for network in 3..23_u64 {
            history.see(network << 40 | network, APP, NOW_MS + 1_000 + network);
        }
        // The habits are two names with the same bit here, number 0.
        assert_eq!(history.networks_of_late(HOME), 0);
        assert_eq!(history.networks_of_late(3 << 40), 21);
        for windows in [2, 4] {
            history.see(ELSEWHERE, APP, NOW_MS + windows * WINDOW_MS);
        }
        assert_eq!(history.networks_of_late(ELSEWHERE), 1);
    }

    #[test]
    fn who_keeps_coming_is_no_stranger_after_a_day() {
        let mut history = settled();
        let hour_ms = 3_600_000;
        let strange = (0..30).map(|hour| history.see(ELSEWHERE, APP, NOW_MS + hour * hour_ms));
        let strange: Vec<_> = strange.collect();
        assert!(strange[..24].iter().all(|strange| *strange == Strangeness::Network));
        assert!(strange[25..].iter().all(|strange| *strange == Strangeness::None));
    }

    #[test]
    fn nobody_is_a_stranger_to_the_key_of_an_application_of_telephones() {
        let mut history = History::default();
        for phone in 0..1_000_u64 {
            let network = phone.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let strange = history.see(network, network, NOW_MS + phone);
            assert!(phone < 13 || strange == Strangeness::None);
        }
        // The same, with habits of one network from before.
        let mut history = settled();
        for phone in 0..1_000_u64 {
            let strange = history.see(phone.wrapping_mul(0x9e37_79b9_7f4a_7c15), APP, NOW_MS + phone);
            assert!(phone < 100 || strange == Strangeness::None, "{phone}");
        }
    }
}
