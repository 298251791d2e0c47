//! Who there is.

use std::fmt;

use tandem_model::route::Chain;

/// Most control nodes.
pub(crate) const CONTROLS_MAX: usize = 5;
/// Most gateways.
pub(crate) const GATEWAYS_MAX: usize = 3;
/// Most clients.
pub(crate) const CLIENTS_MAX: usize = 8;
/// How many places there are at most.
pub(crate) const PLACES: usize = CLIENTS_START + CLIENTS_MAX;

const CHAINS_START: usize = CONTROLS_MAX;
const GATEWAYS_START: usize = CHAINS_START + 2;
const LIVE: usize = GATEWAYS_START + GATEWAYS_MAX;
const OPERATOR: usize = LIVE + 1;
const CLIENTS_START: usize = OPERATOR + 1;

/// A process, or a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A control node, from 0.
    Control(usize),
    /// A chain: compute, stores and query nodes as one.
    Chain(Chain),
    /// A gateway, from 0.
    Gateway(usize),
    /// The broker of the published changes.
    Live,
    /// Who operates all this.
    Operator,
    /// A client, from 0.
    Client(usize),
}

impl Place {
    /// Its number among all places, below [`PLACES`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Place::Control(number) => number,
            Place::Chain(chain) => CHAINS_START + chain as usize,
            Place::Gateway(number) => GATEWAYS_START + number,
            Place::Live => LIVE,
            Place::Operator => OPERATOR,
            Place::Client(number) => CLIENTS_START + number,
        }
    }

    /// A set that holds just this one.
    pub(crate) const fn bit(self) -> u32 {
        1 << self.index()
    }
}

/// Everybody in a set, in words.
pub(crate) fn names(set: u32) -> String {
    let controls = (0..CONTROLS_MAX).map(Place::Control);
    let gateways = (0..GATEWAYS_MAX).map(Place::Gateway);
    let servers =
        controls.chain(Chain::ALL.map(Place::Chain)).chain(gateways).chain([Place::Live, Place::Operator]);
    let all = servers.chain((0..CLIENTS_MAX).map(Place::Client));
    let names: Vec<String> =
        all.filter(|place| set & place.bit() != 0).map(|place| place.to_string()).collect();
    names.join(" ")
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Control(number) => write!(formatter, "control-{}", number + 1),
            Place::Chain(chain) => write!(formatter, "chain-{chain}"),
            Place::Gateway(number) => write!(formatter, "gateway-{}", number + 1),
            Place::Live => formatter.write_str("live-topic"),
            Place::Operator => formatter.write_str("operator"),
            Place::Client(number) => write!(formatter, "client-{}", number + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_places_share_a_number() {
        let mut all = vec![Place::Live, Place::Operator];
        all.extend((0..CONTROLS_MAX).map(Place::Control));
        all.extend(Chain::ALL.map(Place::Chain));
        all.extend((0..GATEWAYS_MAX).map(Place::Gateway));
        all.extend((0..CLIENTS_MAX).map(Place::Client));
        let seen = all.iter().fold(0, |seen, place| seen | place.bit());
        assert_eq!(seen.count_ones() as usize, PLACES);
        assert_eq!(all.len(), PLACES);
        assert_eq!(names(Place::Control(1).bit() | Place::Live.bit()), "control-2 live-topic");
        assert_eq!(names(u32::MAX).split(' ').count(), PLACES);
    }
}
