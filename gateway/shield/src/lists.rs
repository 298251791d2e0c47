//! Lists that the slow loop brings: networks of verified crawlers, networks to be blocked.

use std::net::IpAddr;
use std::sync::Arc;

mod file;

pub use file::{ListsError, NETWORKS_TEXT_BYTES_MAX};

/// Most networks in each list.
pub const NETWORKS_MAX: usize = 100_000;

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    /// The leading bits, the others 0, with IPv4 in the dress of IPv6.
    bits: u128,
    /// How many count, of 128.
    prefix: u8,
}

/// It is no network: an address, `/`, and 0 to 32 or 0 to 128 bits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network: an address, `/` and its bits (0 to 32, IPv6 0 to 128)")]
pub struct NetworkError(pub String);

/// Networks as the slow loop knows them; they replace the ones before.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    /// Published networks of crawlers, each with the crawler's name.
    pub verified: Vec<(Network, Arc<str>)>,
    /// Networks whose requests without a valid credential are refused.
    pub blocked: Vec<Network>,
}

/// An address that claims to be a crawler, and of which it isn't known whether it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The address.
    pub address: IpAddr,
    /// The crawler's name, as in the data of [`crate::crawlers`].
    pub crawler: Arc<str>,
    /// When it was claimed first, in milliseconds since 1970.
    pub since_ms: u64,
}

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn mask(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0)
}

impl Network {
    /// The network of an address, of `prefix` bits (of 32 for IPv4, of 128 for IPv6; more count as
    /// all).
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        let prefix = if address.is_ipv4() { 96 + prefix.min(32) } else { prefix.min(128) };
        Self { bits: to_bits(address) & mask(prefix), prefix }
    }

    /// Reads `192.0.2.0/24`; an address alone is a network of one.
    ///
    /// # Errors
    ///
    /// When it is no network.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.to_owned());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), |text| text.trim().parse::<u8>().map_err(|_| wrong()))?;
        if prefix > most { Err(wrong()) } else { Ok(Self::new(address, prefix)) }
    }

    /// The same for the same network, and different for others.
    pub(crate) fn to_bytes(self) -> [u8; 17] {
        let mut bytes = [self.prefix; 17];
        bytes[1..].copy_from_slice(&self.bits.to_be_bytes());
        bytes
    }

    /// Whether the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        to_bits(address) & mask(self.prefix) == self.bits
    }
}

/// Networks to be looked up: one search by length of prefix that occurs, so some ten at most.
#[derive(Debug)]
pub(crate) struct Networks<T> {
    /// By prefix, the longest first; each list sorted by its bits.
    by_prefix: Vec<(u8, Vec<(u128, T)>)>,
}

impl<T> Default for Networks<T> {
    fn default() -> Self {
        Self { by_prefix: Vec::new() }
    }
}

impl<T> Networks<T> {
    pub(crate) fn new(networks: impl Iterator<Item = (Network, T)>) -> Self {
        let mut by_prefix = std::collections::BTreeMap::<u8, Vec<(u128, T)>>::new();
        for (network, value) in networks.take(NETWORKS_MAX) {
            by_prefix.entry(network.prefix).or_default().push((network.bits, value));
        }
        for list in by_prefix.values_mut() {
            list.sort_by_key(|(bits, _)| *bits);
        }
        Self { by_prefix: by_prefix.into_iter().rev().collect() }
    }

    /// What is kept with the narrowest network of an address.
    pub(crate) fn find(&self, address: IpAddr) -> Option<&T> {
        let bits = to_bits(address);
        self.by_prefix.iter().find_map(|(prefix, list)| {
            let wanted = bits & mask(*prefix);
            let index = list.binary_search_by_key(&wanted, |(bits, _)| *bits).ok()?;
            Some(&list[index].1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_its_prefix_says() {
        let cases = [
            ("192.0.2.0/24", "192.0.2.200", true),
            ("192.0.2.0/24", "192.0.3.1", false),
            ("192.0.2.0/24", "::ffff:192.0.2.9", true),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("2001:db8::/32", "2001:db8:9::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ];
        for (network, address, expected) in cases {
            let address = address.parse().unwrap();
            assert_eq!(Network::parse(network).unwrap().contains(address), expected, "{network} {address}");
        }
        for wrong in ["", "a", "192.0.2.0/33", "192.0.2.0/-1", "2001:db8::/129", "192.0.2/24", "1.2.3.4/"] {
            assert_eq!(Network::parse(wrong), Err(NetworkError(wrong.to_owned())));
        }
    }

    #[test]
    fn the_narrowest_network_is_found() {
        let named = |text| (Network::parse(text).unwrap(), text);
        let networks =
            Networks::new(["10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "::/0"].map(named).into_iter());
        let find = |address: &str| networks.find(address.parse().unwrap()).copied();
        assert_eq!(find("10.1.1.9"), Some("10.1.1.0/24"));
        assert_eq!(find("10.1.2.9"), Some("10.1.0.0/16"));
        assert_eq!(find("10.2.2.9"), Some("10.0.0.0/8"));
        assert_eq!(find("2001:db8::1"), Some("::/0"));
    }
}
