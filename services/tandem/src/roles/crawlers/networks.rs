//! Networks of crawlers, and blocked ones: from a file, and from where crawlers' operators publish them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow};
use parking_lot::Mutex;
use serde::Deserialize;
use tandem_gateway::Gateway;
use tandem_shield::{Lists, NETWORKS_MAX, NETWORKS_TEXT_BYTES_MAX, Network, crawlers};

use crate::config::shield_networks;
use crate::fetch::{client, fetch};
use crate::roles::rules::{Files, follow};

/// How often what is published is fetched again; Google, for one, changes its lists by the day.
const FETCH_EVERY: Duration = Duration::from_secs(12 * 3_600);
/// How soon again where something could not be fetched.
const AGAIN_AFTER: Duration = Duration::from_secs(10 * 60);
const FETCH_TIMEOUT: Duration = Duration::from_secs(20);

/// What is known of networks; whatever changes takes the rest along into the shield.
#[derive(Default)]
pub(crate) struct Networks {
    known: Mutex<Known>,
    failed: AtomicU64,
}

#[derive(Default)]
struct Known {
    file: Lists,
    published: BTreeMap<Arc<str>, Vec<Network>>,
}

impl Networks {
    /// How many are known to be crawlers', how many are blocked, and how often lists could not be fetched.
    pub(crate) fn counts(&self) -> [u64; 3] {
        let known = self.known.lock();
        let published: usize = known.published.values().map(Vec::len).sum();
        let counts = [known.file.verified.len() + published, known.file.blocked.len()];
        let [crawlers, blocked] = counts.map(|count| count as u64);
        [crawlers, blocked, self.failed.load(Ordering::Relaxed)]
    }

    fn change(&self, gateway: &Gateway, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.lock();
        change(&mut known);
        let mut lists = known.file.clone();
        for (name, networks) in &known.published {
            lists.verified.extend(networks.iter().map(|network| (*network, Arc::clone(name))));
        }
        gateway.replace_shield_lists(lists);
    }
}

/// Keeps the shield of `gateway` as the file of networks has it, as long as it is polled.
pub(crate) async fn follow_networks(gateway: Gateway, files: Files, networks: Arc<Networks>) -> Infallible {
    let put_in_force = |lists| networks.change(&gateway, |known| known.file = lists);
    follow("networks of the shield", files, shield_networks, put_in_force).await
}

/// Fetches what crawlers' operators publish, now and again, as long as it is polled. What can't be fetched
/// stays as it was.
pub(crate) async fn fetch_networks(gateway: Gateway, networks: Arc<Networks>) -> Infallible {
    loop {
        let mut is_whole = true;
        for crawler in crawlers::known() {
            let Some(url) = &crawler.published else { continue };
            match fetched(url).await {
                Ok(found) => networks.change(&gateway, |known| {
                    known.published.insert(Arc::clone(&crawler.name), found);
                }),
                Err(error) => {
                    is_whole = false;
                    networks.failed.fetch_add(1, Ordering::Relaxed);
                    let error = format!("{error:#}");
                    tracing::warn!(crawler = %crawler.name, url, error, "a crawler's networks can't be fetched");
                }
            }
        }
        tokio::time::sleep(if is_whole { FETCH_EVERY } else { AGAIN_AFTER }).await;
    }
}

async fn fetched(url: &str) -> anyhow::Result<Vec<Network>> {
    let text = fetch(&client(FETCH_TIMEOUT)?, url, NETWORKS_TEXT_BYTES_MAX).await?;
    published(&text)
}

/// What crawlers' operators publish, in the form that Google began with.
#[derive(Deserialize)]
struct Published {
    prefixes: Vec<Prefix>,
}

#[derive(Deserialize)]
struct Prefix {
    #[serde(rename = "ipv4Prefix")]
    v4: Option<String>,
    #[serde(rename = "ipv6Prefix")]
    v6: Option<String>,
}

/// Reads a published list.
fn published(text: &[u8]) -> anyhow::Result<Vec<Network>> {
    let Published { prefixes } = serde_json::from_slice(text).context("it is no list of prefixes")?;
    let texts = prefixes.iter().flat_map(|prefix| [&prefix.v4, &prefix.v6]).flatten();
    let networks: Result<Vec<_>, _> = texts.map(|text| Network::parse(text)).collect();
    match networks? {
        // An empty list would deny everybody: that is a fault over there.
        none if none.is_empty() => Err(anyhow!("it has no networks")),
        many if many.len() > NETWORKS_MAX => Err(anyhow!("it has more than {NETWORKS_MAX} networks")),
        networks => Ok(networks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_list_is_read_or_refused() {
        let text = br#"{"creationTime": "2024-11-20T15:00:00", "prefixes": [
            {"ipv6Prefix": "2001:4860:4801:10::/64"}, {"ipv4Prefix": "192.178.5.0/27"}]}"#;
        let expected = ["2001:4860:4801:10::/64", "192.178.5.0/27"].map(|text| Network::parse(text).unwrap());
        assert_eq!(published(text).unwrap(), expected);
        for wrong in
            [&b"<html>"[..], b"{}", br#"{"prefixes": []}"#, br#"{"prefixes": [{"ipv4Prefix": "x"}]}"#]
        {
            assert!(published(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }
}
