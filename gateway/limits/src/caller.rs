//! Who asks, for what: all that a limit may depend on.

use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// What kind of caller it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerKind {
    /// Showed no key: only public pages are open to it.
    Anonymous,
    /// Has a key of some tenant.
    Tenant,
    /// Has an operator's key.
    Operator,
}

impl CallerKind {
    /// All of them.
    pub const ALL: [CallerKind; 3] = [CallerKind::Anonymous, CallerKind::Tenant, CallerKind::Operator];
}

/// What is asked for, by what it costs us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteClass {
    /// A small read: a list, a session's head, a catalogue.
    Read,
    /// A whole report, trend or comparison.
    Report,
    /// Rows in bulk.
    Export,
    /// A stream that stays open.
    Stream,
    /// Events.
    Write,
    /// A public page: status, descriptions.
    Page,
    /// What only operators do: repairs, verdicts, looks into the log.
    Operate,
    /// No route: a key, token or signature that was not taken, whatever was asked for. It counts for
    /// the address it comes from, as a request of nobody.
    Failure,
}

impl RouteClass {
    /// All of them.
    pub const ALL: [RouteClass; 8] = [
        RouteClass::Read,
        RouteClass::Report,
        RouteClass::Export,
        RouteClass::Stream,
        RouteClass::Write,
        RouteClass::Page,
        RouteClass::Operate,
        RouteClass::Failure,
    ];
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// What kind of caller it is.
    pub kind: CallerKind,
    /// The id of its key.
    pub key: Option<&'a str>,
    /// Whose key that is.
    pub tenant: Option<&'a str>,
    /// Where it comes from.
    pub address: IpAddr,
}

/// The network of an address: the first `ipv4_prefix` or `ipv6_prefix` bits of it, the rest 0. IPv4
/// in the dress of IPv6 (`::ffff:192.0.2.1`) is IPv4.
///
/// The first byte tells both kinds apart.
pub fn network(address: IpAddr, ipv4_prefix: u8, ipv6_prefix: u8) -> [u8; 17] {
    let mut bytes = [0; 17];
    match normal(address) {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(ipv4_prefix.min(32))).unwrap_or(0);
            bytes[0] = 4;
            bytes[1..5].copy_from_slice(&(address.to_bits() & mask).to_be_bytes());
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(ipv6_prefix.min(128))).unwrap_or(0);
            bytes[0] = 6;
            bytes[1..].copy_from_slice(&(address.to_bits() & mask).to_be_bytes());
        }
    }
    bytes
}

/// The address itself: IPv4 where IPv6 only wraps it.
pub fn normal(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 => v4,
    }
}

/// Where nobody knows where a request comes from: all such are one.
pub const NOWHERE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_what_the_prefix_says() {
        let cases = [
            ("192.0.2.77", 32, 64, "192.0.2.77", true),
            ("192.0.2.77", 24, 64, "192.0.2.1", true),
            ("192.0.2.77", 32, 64, "192.0.2.78", false),
            ("192.0.2.77", 24, 64, "192.0.3.77", false),
            ("::ffff:192.0.2.77", 32, 64, "192.0.2.77", true),
            ("::ffff:192.0.2.77", 32, 64, "::ffff:192.0.2.78", false),
            ("2001:db8:1:2::1", 32, 64, "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", 32, 64, "2001:db8:1:3::1", false),
            ("2001:db8:1:2::1", 32, 56, "2001:db8:1:3::1", true),
            ("2001:db8:1:2::1", 32, 56, "2001:db8:1:102::1", false),
            ("2001:db8:1:2::1", 32, 48, "2001:db8:1:102::1", true),
            ("2001:db8:1:2::1", 32, 48, "2001:db8:2:2::1", false),
            ("192.0.2.1", 0, 0, "203.0.113.1", true),
            ("192.0.2.1", 0, 0, "2001:db8::1", false),
            ("0.0.0.6", 32, 64, "::6", false),
        ];
        for (one, v4, v6, other, are_equal) in cases {
            let network = |text: &str| network(text.parse().unwrap(), v4, v6);
            assert_eq!(network(one) == network(other), are_equal, "{one} and {other} at /{v4}, /{v6}");
        }
    }
}
