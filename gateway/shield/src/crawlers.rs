//! Who may call himself a known crawler.
//!
//! A user agent only claims. What confirms it is the name of the address, looked up both ways: the
//! address must have a name with an end that the crawler's operator gave, and that name must lead
//! back to the address (whoever holds an address decides its name, but not whither other people's
//! names lead). Or the address lies in a network that the operator published. Both are looked up by
//! the slow loop; here is only what decides.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use crate::head::{Where, Words};

const DATA: &str = include_str!("crawlers.toml");
/// Longest name of a host, in bytes.
const HOST_BYTES_MAX: usize = 253;

/// A crawler, and how to know it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crawler {
    /// Its name, as in [`crate::Claim`].
    pub name: Arc<str>,
    /// What its user agents have, in small letters.
    agent: Vec<String>,
    /// Ends of its hosts' names, each with the dot before it. Empty where only networks are
    /// published.
    pub hosts: Vec<String>,
    /// Where its networks are published, if they are.
    pub published: Option<String>,
}

#[derive(Deserialize)]
struct File {
    crawlers: Vec<Crawler>,
}

struct Known {
    crawlers: Vec<Crawler>,
    words: Words,
    /// Whose each word is.
    owners: Vec<usize>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let File { crawlers } = toml::from_str(DATA).expect("a test reads the data that come with the crate");
    let words = || crawlers.iter().enumerate().flat_map(|(owner, c)| c.agent.iter().map(move |w| (owner, w)));
    let owners = words().map(|(owner, _)| owner).collect();
    let machine = Words::new(words().map(|(_, word)| word.as_str()), Where::Beginning);
    let words = machine.expect("a test reads the data that come with the crate");
    Known { crawlers, words, owners }
});

/// All crawlers whose claims can be confirmed.
pub fn known() -> &'static [Crawler] {
    &KNOWN.crawlers
}

/// The crawler with this name.
pub fn by_name(name: &str) -> Option<&'static Crawler> {
    known().iter().find(|crawler| &*crawler.name == name)
}

/// Which crawler a user agent claims to be, if any of the known ones.
pub fn claimed(agent: &[u8]) -> Option<&'static Crawler> {
    let found = KNOWN.words.find(agent)?;
    known().get(KNOWN.owners[found.index])
}

impl Crawler {
    /// Whether a host's name is one of its operator's: below one of the ends, not the end itself.
    pub fn owns(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        host.len() <= HOST_BYTES_MAX
            && self.hosts.iter().any(|end| {
                let start = host.len().checked_sub(end.len());
                start.is_some_and(|start| {
                    start > 0 && host.as_bytes()[start..].eq_ignore_ascii_case(end.as_bytes())
                })
            })
    }

    /// Whether an address is its operator's: `reverse_name` is the name of the address, and
    /// `forward_addresses` are those that this name leads to.
    pub fn confirmed(&self, address: IpAddr, reverse_name: &str, forward_addresses: &[IpAddr]) -> bool {
        let normal = |address: IpAddr| address.to_canonical();
        self.owns(reverse_name) && forward_addresses.iter().any(|forward| normal(*forward) == normal(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_are_read_and_every_crawler_can_be_confirmed() {
        for crawler in known() {
            assert!(!crawler.hosts.is_empty() || crawler.published.is_some(), "{}", crawler.name);
            assert!(crawler.hosts.iter().all(|host| host.starts_with('.')), "{}", crawler.name);
            assert_eq!(by_name(&crawler.name), Some(crawler));
        }
    }

    #[test]
    fn user_agents_claim() {
        let cases = [
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Some("googlebot")),
            ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", Some("bingbot")),
            ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", Some("yandex")),
            ("Mozilla/5.0 (Windows NT 10.0) Chrome/120 Safari/537.36", None),
            ("notagooglebot", None),
            ("", None),
        ];
        for (agent, expected) in cases {
            assert_eq!(claimed(agent.as_bytes()).map(|crawler| &*crawler.name), expected, "{agent}");
        }
    }

    #[test]
    fn an_address_is_confirmed_by_a_name_that_leads_back() {
        let address = IpAddr::from([66, 249, 66, 1]);
        let other = IpAddr::from([203, 0, 113, 9]);
        let cases = [
            ("crawl-66-249-66-1.googlebot.com", vec![address], true),
            ("crawl-66-249-66-1.googlebot.com.", vec![other, address], true),
            ("Crawl.GoogleBot.Com", vec![address], true),
            // The name is a lie: it leads elsewhere.
            ("crawl-66-249-66-1.googlebot.com", vec![other], false),
            ("crawl-66-249-66-1.googlebot.com", vec![], false),
            // Not their domain.
            ("crawl.googlebot.com.example.org", vec![address], false),
            ("evilgooglebot.com", vec![address], false),
            ("googlebot.com", vec![address], false),
            (".googlebot.com", vec![address], false),
            ("é.com", vec![address], false),
            ("", vec![address], false),
        ];
        let googlebot = by_name("googlebot").unwrap();
        for (name, forward, expected) in cases {
            assert_eq!(googlebot.confirmed(address, name, &forward), expected, "{name} {forward:?}");
        }
        let wrapped = "::ffff:66.249.66.1".parse().unwrap();
        assert!(googlebot.confirmed(wrapped, "a.googlebot.com", &[address]));
    }
}
