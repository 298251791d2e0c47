//! Whether those who say that they are known crawlers are: looked into beside the requests, never while
//! one waits. By the names of their addresses, both ways, and by the networks that their operators
//! publish.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use tandem_gateway::Gateway;
use tandem_shield::{Claim, crawlers};

mod dns;
mod networks;

pub(super) use dns::Dns;
pub(crate) use networks::Networks;
pub(super) use networks::{fetch_networks, follow_networks};

/// How often it is looked whether there is somebody to look into.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many are looked into at one time.
const AT_ONCE: usize = 8;
/// How long all questions about one may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most names of one address that are followed: whoever holds it decides how many it has.
const NAMES_MAX: usize = 4;

/// Names of addresses, and addresses of names. What there is not is an empty list.
#[async_trait]
pub(super) trait Names: Send + Sync {
    /// The names of an address.
    ///
    /// # Errors
    ///
    /// When nobody could be asked, or did not know.
    async fn names_of(&self, address: IpAddr) -> anyhow::Result<Vec<String>>;

    /// The addresses of a name.
    ///
    /// # Errors
    ///
    /// When nobody could be asked, or did not know.
    async fn addresses_of(&self, name: &str) -> anyhow::Result<Vec<IpAddr>>;
}

/// What came of looking into a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The address is the crawler's.
    Confirmed,
    /// It is somebody else's.
    Denied,
    /// Nobody could say; it will be asked again.
    Unknown,
}

/// How often each came of it.
#[derive(Debug, Default)]
pub(crate) struct ClaimCounts {
    confirmed: AtomicU64,
    denied: AtomicU64,
    unknown: AtomicU64,
}

impl ClaimCounts {
    fn count(&self, found: Found) {
        let counter = match found {
            Found::Confirmed => &self.confirmed,
            Found::Denied => &self.denied,
            Found::Unknown => &self.unknown,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Confirmed, denied, unknown.
    pub(crate) fn read(&self) -> [u64; 3] {
        [&self.confirmed, &self.denied, &self.unknown].map(|counter| counter.load(Ordering::Relaxed))
    }
}

/// Looks into the claims that the shield of `gateway` hears, as long as it is polled.
pub(super) async fn look_into_claims(
    gateway: Gateway,
    names: impl Names,
    counts: Arc<ClaimCounts>,
) -> Infallible {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let looking = futures::stream::iter(gateway.crawler_claims()).map(|claim| {
            let (names, counts, gateway) = (&names, &counts, &gateway);
            async move {
                let found = tokio::time::timeout(PATIENCE, look_into(names, &claim)).await;
                let found = found.unwrap_or(Found::Unknown);
                counts.count(found);
                tracing::debug!(address = %claim.address, crawler = %claim.crawler, ?found, "a claim was looked into");
                match found {
                    Found::Confirmed => gateway.confirm_crawler(&claim, true),
                    Found::Denied => gateway.confirm_crawler(&claim, false),
                    Found::Unknown => {}
                }
            }
        });
        looking.buffer_unordered(AT_ONCE).collect::<()>().await;
    }
}

async fn look_into(names: &impl Names, claim: &Claim) -> Found {
    let Some(crawler) = crawlers::by_name(&claim.crawler) else { return Found::Unknown };
    if !is_public(claim.address) {
        // No crawler comes from here, and nobody outside is told who does.
        return Found::Denied;
    }
    if crawler.hosts.is_empty() {
        // Only its networks are published; this address is not in what is known of them.
        return Found::Unknown;
    }
    let Ok(found) = names.names_of(claim.address).await else { return Found::Unknown };
    // Only names that would confirm it are followed, so that nobody makes us ask for others.
    for name in found.iter().filter(|name| crawler.owns(name)).take(NAMES_MAX) {
        match names.addresses_of(name).await {
            Ok(addresses) if crawler.confirmed(claim.address, name, &addresses) => return Found::Confirmed,
            Ok(_) => {}
            Err(_) => return Found::Unknown,
        }
    }
    Found::Denied
}

/// Whether an address can be somebody's in the internet: not this machine's, nor one of a private network.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast())
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests;
