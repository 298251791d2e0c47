//! A world of requests: who sends them, with which headers, from where.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![allow(dead_code, reason = "not every test needs everybody")]

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, Method, Version};
use tandem_shield::{Memory, Outcome, Rules, Seen, Shield, Verdict, Who};

/// When it all begins, in milliseconds since 1970.
pub(crate) const NOW_MS: u64 = 1_700_000_000_000;
/// A browser.
pub(crate) const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                          Chrome/126.0.0.0 Safari/537.36";
/// An application's program.
pub(crate) const APP: &str = "TandemShop/3.2 okhttp/4.12.0";

/// A key of the tenant's.
pub(crate) const KEY: Who<'static> = Who::Key { id: "k1", tenant: "t1" };
/// A person of the tenant's application.
pub(crate) const TOKEN: Who<'static> = Who::Token { id: "person-1", tenant: "t1" };
/// A signing key of the tenant's.
pub(crate) const SIGNED: Who<'static> = Who::Signed { id: "s1", tenant: "t1" };

/// A shield with the rules that come with the crate.
pub(crate) fn shield() -> Shield {
    Shield::new(Rules::default(), Memory::default(), [11, 12])
}

/// The address with this number.
pub(crate) fn address(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + number))
}

/// Somebody who sends requests.
pub(crate) struct Sender<'a> {
    pub(crate) shield: &'a Shield,
    pub(crate) who: Who<'a>,
    pub(crate) address: IpAddr,
    pub(crate) agent: &'a str,
}

impl Sender<'_> {
    /// Sends a request that is answered with `status` if the shield lets it through.
    pub(crate) fn send(&self, now_ms: u64, target: &str, status: u16) -> Verdict {
        let mut headers = HeaderMap::new();
        headers.insert("host", "tandem.example".parse().unwrap());
        if !self.agent.is_empty() {
            headers.insert("user-agent", self.agent.parse().unwrap());
        }
        if self.agent.starts_with("Mozilla") {
            headers.insert("accept", "*/*".parse().unwrap());
            headers.insert("accept-encoding", "gzip, br".parse().unwrap());
            headers.insert("accept-language", "de".parse().unwrap());
        }
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let verdict = self.shield.judge(&Seen {
            now_ms,
            address: self.address,
            who: self.who,
            method: &Method::GET,
            path,
            query,
            headers: &headers,
            version: Version::HTTP_11,
            fingerprint: None,
        });
        let is_ours = verdict.action.is_refusal() || !self.who.caller().is_known();
        let status = if verdict.action.is_refusal() { 429 } else { status };
        self.shield.answered(&verdict.ticket, Outcome { status, ours: is_ours, replayed: false });
        verdict
    }

    /// Asks for the report of a session.
    pub(crate) fn report(&self, now_ms: u64, session: u64, status: u16) -> Verdict {
        self.send(now_ms, &format!("/v1/sessions/live-{session}/report"), status)
    }
}
