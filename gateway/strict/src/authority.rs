//! Hosts: RFC 3986, 3.2, less what has no place in a `Host` header.

use std::net::Ipv6Addr;

use crate::Violation;

/// Longest name or address, in bytes: no name in the DNS is longer.
const HOST_BYTES_MAX: usize = 255;

/// A host and perhaps a port, as they were spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub host: &'a str,
    /// The port, if one was named.
    pub port: Option<u16>,
}

impl Authority<'_> {
    /// Whether both mean the same: capitals don't matter, and no port is `port_default`.
    pub fn means(&self, other: &Authority<'_>, port_default: u16) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.unwrap_or(port_default) == other.port.unwrap_or(port_default)
    }
}

/// Reads the value of a `Host` header, or the `:authority` of HTTP/2.
///
/// Names have letters, digits, `-`, `.`, `_` and `~`. Percent-encodings and the other characters
/// that RFC 3986 would allow in a name are refused: no real name has them, and `,` or `;` can hide a
/// second one. So is an empty host, an empty port and port 0.
///
/// # Errors
///
/// [`Violation::HostUser`] for anything with `@`, [`Violation::Host`] for the rest.
pub fn check_host(value: &[u8]) -> Result<Authority<'_>, Violation> {
    if value.contains(&b'@') {
        return Err(Violation::HostUser);
    }
    let text = str::from_utf8(value).map_err(|_| Violation::Host)?;
    let (host, port) = if text.starts_with('[') {
        let end = text.find(']').ok_or(Violation::Host)?;
        text[1..end].parse::<Ipv6Addr>().map_err(|_| Violation::Host)?;
        text.split_at(end + 1)
    } else {
        let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        if !is_name(name) {
            return Err(Violation::Host);
        }
        (name, port)
    };
    Ok(Authority { host, port: read_port(port)? })
}

fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let labels = name.strip_suffix('.').unwrap_or(name);
    name.len() <= HOST_BYTES_MAX
        && name.bytes().all(is_allowed)
        && labels.split('.').all(|label| !label.is_empty())
}

/// Reads `:8080`, or nothing.
fn read_port(text: &str) -> Result<Option<u16>, Violation> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.strip_prefix(':').ok_or(Violation::Host)?;
    // `parse` alone would take a plus sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Violation::Host);
    }
    match digits.parse() {
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err(Violation::Host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        for (good, host, port) in [
            ("tandem", "tandem", None),
            ("a.example", "a.example", None),
            ("A.Example.:80", "A.Example.", Some(80)),
            ("10.0.0.1:65535", "10.0.0.1", Some(65535)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::7]:8443", "[2001:db8::7]", Some(8443)),
            ("my_service-1~x", "my_service-1~x", None),
        ] {
            assert_eq!(check_host(good.as_bytes()), Ok(Authority { host, port }), "{good}");
        }
        let long = "a".repeat(256);
        for bad in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+80",
            "a:8o",
            "a:80:80",
            "a b",
            "a,b",
            "a;b",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a%2eb",
            "a..b",
            ".a",
            ".",
            "[::1",
            "::1",
            "[::1]80",
            "[::1%25eth0]",
            "[1.2.3.4]",
            "[v1.x]",
            "\u{e4}.example",
            "a\0",
            "a\tb",
            "http://a",
            &long,
        ] {
            assert_eq!(check_host(bad.as_bytes()), Err(Violation::Host), "{bad}");
        }
        for user in ["me@a", "me:secret@a:80", "@a", "a@"] {
            assert_eq!(check_host(user.as_bytes()), Err(Violation::HostUser), "{user}");
        }
        assert_eq!(check_host(b"\xff"), Err(Violation::Host));
    }

    #[test]
    fn the_same_host_may_be_spelt_in_two_ways() {
        let means = |one: &str, other: &str| {
            let other = check_host(other.as_bytes()).unwrap();
            check_host(one.as_bytes()).unwrap().means(&other, 80)
        };
        assert!(means("a.example", "A.EXAMPLE:80"));
        assert!(!means("a.example", "a.example:8080"));
        assert!(!means("a.example", "b.example"));
    }
}
