//! Where requests come from. The ranges only keep kinds of networks apart; whose they really are
//! means nothing here. All IPv6 is out of the documentation prefix 2001:db8::/32.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::chance::Chance;

/// A line of a home: IPv4 for most, a /64 of its own for the others.
pub(crate) fn home(chance: &mut Chance) -> IpAddr {
    if chance.percent(65) {
        let first = *chance.pick(&[36, 58, 113, 121, 183, 222]);
        v4(first, chance)
    } else {
        v6(0x1000 + u16::try_from(chance.below(0x800)).unwrap_or(0), chance)
    }
}

/// The `index`th address behind which a carrier puts hundreds of people.
pub(crate) fn carrier(index: u64) -> IpAddr {
    let [.., high, low] = index.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(117, 136, high, low))
}

/// The one address of a tenant's office.
pub(crate) fn office(tenant: usize) -> IpAddr {
    let tenant = u8::try_from(tenant % 250).unwrap_or(0);
    IpAddr::V4(Ipv4Addr::new(101, 200, tenant, 17))
}

/// A server in a data centre.
pub(crate) fn server(chance: &mut Chance) -> IpAddr {
    let first = *chance.pick(&[39, 47, 119]);
    v4(first, chance)
}

/// A line of a home, abroad and at home, that somebody rents out without its owner knowing it
/// (residential proxies).
pub(crate) fn proxy(chance: &mut Chance) -> IpAddr {
    if chance.percent(70) {
        let first = *chance.pick(&[5, 41, 58, 102, 113, 177, 181, 189, 222]);
        v4(first, chance)
    } else {
        v6(0x2000 + u16::try_from(chance.below(0x2000)).unwrap_or(0), chance)
    }
}

/// An address in another /64 each time, out of one /48.
pub(crate) fn hopping(site: u16, chance: &mut Chance) -> IpAddr {
    v6(0x5000 + (site & 0xfff), chance)
}

/// A machine of Google's crawler, out of the range it publishes.
pub(crate) fn google(chance: &mut Chance) -> IpAddr {
    let host = u8::try_from(chance.between(1, 30)).unwrap_or(1);
    IpAddr::V4(Ipv4Addr::new(66, 249, 66, host))
}

/// A machine of Bing's crawler, out of the range it publishes.
pub(crate) fn bing(chance: &mut Chance) -> IpAddr {
    let host = u8::try_from(chance.between(1, 60)).unwrap_or(1);
    IpAddr::V4(Ipv4Addr::new(157, 55, 39, host))
}

/// Whether a crawler's machine stands there: what reverse and forward names would confirm.
pub(crate) fn is_crawler(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if matches!(v4.octets(), [66, 249, 66, _] | [157, 55, 39, _]))
}

fn v4(first: u8, chance: &mut Chance) -> IpAddr {
    let [.., b, c, d] = chance.next().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(first, b, c, d.clamp(1, 254)))
}

fn v6(site: u16, chance: &mut Chance) -> IpAddr {
    let word = chance.next().to_be_bytes();
    let part = |index: usize| u16::from_be_bytes([word[index], word[index + 1]]);
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, site, part(0), part(2), part(4), part(6), 0x17))
}
