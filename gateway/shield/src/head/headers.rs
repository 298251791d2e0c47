//! Headers: whether they go with the browser that the user agent names, and their form.

use std::hash::Hasher;

use http::header::{ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, HeaderMap};
use http::{Method, Version};
use siphasher::sip::SipHasher13;

use crate::seen::Seen;

/// How many headers are looked at.
const HEADERS_MAX: usize = 64;

/// What does not go with a browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// How many things.
    pub(crate) count: u32,
    /// The first of them; empty where there is none.
    pub(crate) first: &'static str,
}

impl Faults {
    fn add(&mut self, is_fault: bool, what: &'static str) {
        if is_fault {
            if self.count == 0 {
                self.first = what;
            }
            self.count += 1;
        }
    }

    /// Of a request whose user agent is a browser's; none for everything else. What browsers send
    /// over TLS only is not asked for, since we may stand behind somebody who ends it.
    pub(crate) fn of(seen: &Seen<'_>, agent: &[u8]) -> Self {
        let mut faults = Self::default();
        if !agent.starts_with(b"Mozilla/5.0 (") || is_view(agent) || seen.method == Method::OPTIONS {
            return faults;
        }
        let headers = seen.headers;
        faults.add(seen.version < Version::HTTP_11, "HTTP/1.0");
        faults.add(!headers.contains_key(ACCEPT), "no accept");
        faults.add(!headers.contains_key(ACCEPT_LANGUAGE), "no accept-language");
        faults.add(!headers.contains_key(ACCEPT_ENCODING), "no accept-encoding");
        faults.add(encoding_before_accept(headers), "accept-encoding stands before accept");
        let is_false_hint = headers.contains_key("sec-ch-ua") && !is_chrome(agent);
        faults.add(is_false_hint, "hints of Chrome from another browser");
        faults.add(is_other_platform(headers, agent), "another platform in the hints");
        faults
    }
}

/// Whether it is a view within an application of a telephone, which sends what that likes.
fn is_view(agent: &[u8]) -> bool {
    let end = agent.iter().position(|byte| *byte == b')').unwrap_or(0);
    agent[..end].ends_with(b"; wv")
}

/// Chrome, and what is made of it; on Apple's telephones it is none, whatever it is called.
fn is_chrome(agent: &[u8]) -> bool {
    has(agent, b"Chrome/") && !has(agent, b"iPhone") && !has(agent, b"iPad")
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// All large browsers send accept first.
fn encoding_before_accept(headers: &HeaderMap) -> bool {
    let mut names = headers.keys().take(HEADERS_MAX);
    let first = names.find(|name| *name == ACCEPT || *name == ACCEPT_ENCODING);
    first.is_some_and(|name| *name == ACCEPT_ENCODING) && headers.contains_key(ACCEPT)
}

fn is_other_platform(headers: &HeaderMap, agent: &[u8]) -> bool {
    let Some(platform) = headers.get("sec-ch-ua-platform") else { return false };
    let expected: &[u8] = match platform.as_bytes() {
        b"\"Windows\"" => b"Windows",
        b"\"macOS\"" => b"Macintosh",
        // A telephone that asks for the pages of desktops says that it is one, and keeps its hint.
        _ => return false,
    };
    !has(agent, expected)
}

/// The form of a request's headers: which there are, in which order, what kind of credential it
/// shows, and how it greeted us. The same for all requests of one program, whatever it calls itself.
///
/// The kind of credential keeps those who pretend to be a browser apart from browsers: people's pages
/// always show one, so what comes in their dress without one, or with a made up key, is not lost among
/// all that is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape(pub(crate) u64);

impl Shape {
    pub(crate) fn of(seen: &Seen<'_>, secret: [u64; 2]) -> Self {
        let mut hasher = SipHasher13::new_with_keys(secret[0], !secret[1]);
        for name in seen.headers.keys().take(HEADERS_MAX) {
            // These come and go with what is asked for and where it went through.
            if !COMING_AND_GOING.contains(&name.as_str()) {
                hasher.write(name.as_str().as_bytes());
                hasher.write_u8(0);
            }
        }
        hasher.write_u8(kind_of_credential(seen.headers));
        hasher.write_u8(u8::from(seen.version >= Version::HTTP_2));
        hasher.write_u64(seen.fingerprint.unwrap_or(0));
        Self(hasher.finish())
    }
}

/// What kind of credential it looks like, whether or not it is taken.
fn kind_of_credential(headers: &HeaderMap) -> u8 {
    let Some(value) = headers.get(AUTHORIZATION) else { return 0 };
    let forms: [&[u8]; 3] = [b"Bearer tdm_", b"Bearer ey", b"Tandem-HMAC-SHA256 "];
    let form = forms.iter().position(|form| value.as_bytes().starts_with(form));
    form.map_or(1, |form| 2 + u8::try_from(form).unwrap_or(0))
}

const COMING_AND_GOING: [&str; 10] = [
    "authorization",
    "content-length",
    "content-type",
    "cookie",
    "if-none-match",
    "referer",
    "traceparent",
    "tracestate",
    "x-forwarded-for",
    "x-request-id",
];

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::seen::Who;

    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                          Chrome/126.0.0.0 Safari/537.36";
    const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
                         Gecko) Version/17.5 Mobile/15E148 Safari/604.1";

    fn with<T>(pairs: &[(&'static str, &str)], check: impl FnOnce(&Seen<'_>) -> T) -> T {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        check(&Seen {
            now_ms: 0,
            address: IpAddr::from([192, 0, 2, 1]),
            who: Who::Nobody,
            method: &Method::GET,
            path: "/v1/status",
            query: None,
            headers: &headers,
            version: Version::HTTP_11,
            fingerprint: None,
        })
    }

    #[test]
    fn faults_are_what_no_browser_does() {
        let language = ("accept-language", "de");
        let (accept, encoding) = (("accept", "*/*"), ("accept-encoding", "gzip"));
        let hints = ("sec-ch-ua", "\"Chromium\"");
        let cases = [
            (CHROME, vec![accept, encoding, language], 0, ""),
            (CHROME, vec![hints, accept, encoding, language], 0, ""),
            (PHONE, vec![accept, language, encoding], 0, ""),
            ("curl/8", vec![], 0, ""),
            ("TandemShop/3.1 (iOS 17)", vec![], 0, ""),
            (CHROME, vec![encoding, accept], 2, "no accept-language"),
            (CHROME, vec![], 3, "no accept"),
            (PHONE, vec![hints, accept, language, encoding], 1, "hints of Chrome from another browser"),
            (
                CHROME,
                vec![("sec-ch-ua-platform", "\"macOS\""), accept, encoding, language],
                1,
                "another platform in the hints",
            ),
        ];
        for (agent, pairs, count, first) in cases {
            let faults = with(&pairs, |seen| Faults::of(seen, agent.as_bytes()));
            assert_eq!(faults, Faults { count, first }, "{agent} {pairs:?}");
        }
    }

    #[test]
    fn the_form_of_headers_knows_their_order_and_not_their_values() {
        let shape = |pairs: &[(&'static str, &str)]| with(pairs, |seen| Shape::of(seen, [1, 2]));
        let one = shape(&[("accept", "a"), ("user-agent", "b")]);
        assert_eq!(one, shape(&[("accept", "c"), ("user-agent", "d")]));
        assert_eq!(one, shape(&[("accept", "c"), ("cookie", "x"), ("user-agent", "d")]));
        assert_ne!(one, shape(&[("user-agent", "b"), ("accept", "a")]));
        assert_ne!(one, shape(&[("accept", "a")]));
        let shows = |value| shape(&[("accept", "a"), ("authorization", value), ("user-agent", "b")]);
        assert_eq!(shows("Bearer tdm_one"), shows("Bearer tdm_other"));
        assert_ne!(one, shows("Bearer tdm_one"));
        assert_ne!(shows("Bearer eyJ"), shows("Bearer tdm_one"));
    }
}
