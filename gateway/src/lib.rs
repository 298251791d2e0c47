//! The gateway: one port for everything, in front of two chains.
//!
//! A request passes a stack of small layers (`stack.rs` puts them together in one place) and
//! ends at one of three things: the ingest for events, the chain router for reads, or the
//! gateway's own answers (status, health).
//!
//! What the gateway relies on: both chains say the same, so any read may go to either. What it
//! guarantees: a client never sees older data than its token says; a chain that fails, hangs or
//! lags costs a read some milliseconds, not an error; every wait and every queue is bounded, and
//! what does not fit is answered with 503 and `Retry-After`.

mod admission;
mod answer;
mod auth;
mod bodies;
mod callers;
mod chains;
mod client_address;
mod conditional;
mod config;
mod cors;
mod counters;
mod definitions;
mod events;
mod header_limits;
mod headers;
mod health;
mod limits;
mod orders;
mod ownership;
mod panics;
mod places;
mod pool;
mod repairs;
mod request_id;
mod routes;
mod server;
mod sharing;
mod shield;
mod stack;
mod status;
mod streams;
mod strict;
mod tls;
mod verdicts;

#[cfg(test)]
mod testing;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use tandem_control::Control;
use tandem_failover::Symptoms;
use tandem_identity::{JwtRules, KeySet};
use tandem_ingest::Ingest;
use tandem_limits::{LeaseCounts, RuleCounts, RuleSet, SharedQuota};
use tandem_model::route::Route;
use tandem_parity::ParityReport;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::BoxError;
use tower::util::BoxCloneSyncService;

pub use admission::AdmissionConfig;
pub use chains::{BreakerState, ChainView, RouteSource};
pub use client_address::{Network, NetworkError, TrustedProxies};
pub use config::{ClockMode, ConfigError, GatewayConfig};
pub use counters::{
    CallerCounts, ChainCounts, ChainsCounts, ConnectionCounts, Counts, ReadCounts, ReloadCounts, TlsCounts,
};
pub use limits::{LimitsConfig, LimitsConfigError};
pub use pool::{NodeCounts, Pool, PoolConfig, PoolError};
pub use server::{Drained, PortLimits, serve_http};
pub use shield::{ExplainedReason, ExplainedVerdict, ShieldConfig, ShieldMode};
pub use status::Agreement;
pub use tandem_admission::{Class, Reason};
pub use tandem_parity::Verdict;
pub use tls::{CertificateError, ServerCertificate, Tls};

/// What the query nodes of one chain look like from here.
///
/// It is always ready, and a dropped future stops the work behind it.
pub type ChainService = BoxCloneSyncService<http::Request<Bytes>, http::Response<Bytes>, BoxError>;

/// The gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<stack::Shared>,
}

impl Gateway {
    /// A gateway in front of `chains` (a, then b), following `control` and writing to `ingest`.
    ///
    /// # Errors
    ///
    /// When the configuration can't work.
    pub fn new(
        config: GatewayConfig,
        chains: [ChainService; 2],
        control: Arc<dyn Control>,
        ingest: Arc<Ingest>,
        clock: ClockMode,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { shared: Arc::new(stack::Shared::new(config, chains, &*control, ingest, clock)) })
    }

    /// Serves HTTP/1.1 and HTTP/2 (with prior knowledge) until `shutdown` is done, then lets what
    /// is under way come to its end, within the configured time.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Drained {
        self.serve_ports(listener, None, shutdown).await
    }

    /// The same with a second port, where the same is spoken over TLS. `tls` may be changed meanwhile.
    pub async fn serve_ports(
        &self,
        listener: TcpListener,
        tls: Option<(TcpListener, Arc<Tls>)>,
        shutdown: impl Future<Output = ()>,
    ) -> Drained {
        let serving = server::serve(Arc::clone(&self.shared), listener, tls, shutdown);
        tokio::select! {
            drained = serving => drained,
            never = self.shared.chains.watch() => match never {},
        }
    }

    /// Shows in the status what whoever compares the chains finds. Only the first call counts.
    pub fn show_parity(&self, reports: watch::Receiver<ParityReport>) {
        _ = self.shared.parity.set(reports);
    }

    /// Takes these keys of tenants into use, in the place of those before. Requests under way are not
    /// touched.
    pub fn use_keys(&self, keys: Arc<KeySet>) {
        self.shared.callers.use_keys(keys);
    }

    /// Takes these rules for tokens into use, in the place of those before.
    pub fn use_tokens(&self, rules: JwtRules) {
        self.shared.callers.use_tokens(rules);
    }

    /// Puts another configuration in force while requests and streams go on, as a whole or not at all. New connections have the new limits of connections. What is taken at the
    /// start stays: the number of keys that are limited, and the leases of shared limits.
    ///
    /// # Errors
    ///
    /// When the configuration can't work: nothing has changed then.
    pub fn replace_config(&self, config: GatewayConfig) -> Result<(), ConfigError> {
        self.shared.replace_config(config)?;
        self.shared.counters.reloads.applied.add_one();
        Ok(())
    }

    /// Counts a configuration that was refused, here or before it came here.
    pub fn note_refused_config(&self) {
        self.shared.counters.reloads.refused.add_one();
    }

    /// Counts certificates that were taken into use, or could not be.
    pub fn note_certificates(&self, is_loaded: bool) {
        let counters = &self.shared.counters.tls;
        if is_loaded { counters.loaded.add_one() } else { counters.load_failed.add_one() }
    }

    /// Counts keys that could not be taken into use.
    pub fn note_load_failure(&self) {
        self.shared.counters.callers.load_failed.add_one();
    }

    /// Waits until somebody shows a token whose key is not known here: loading the keys anew may help.
    pub async fn token_key_missed(&self) {
        self.shared.callers.token_key_missed().await;
    }

    /// What has been counted since the start.
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.shared.streams.count()
    }

    /// How many requests were refused since the start because they were malformed or ambiguous, by the
    /// name of what was wrong with them.
    pub fn violations(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.shared.counters.violations()
    }

    /// Puts other limits in place of those in force; what is known of callers stays.
    pub fn replace_limits(&self, rules: RuleSet) {
        self.shared.limits.limiter.replace(rules);
    }

    /// Shares the limits that are marked so with all gateways of `store`, as long as it is polled.
    /// `name` tells this gateway from the others.
    pub async fn share_limits(&self, store: Arc<dyn SharedQuota>, name: String) -> Infallible {
        limits::share(Arc::clone(&self.shared.limits), store, name).await
    }

    /// What the limits decided since the start.
    pub fn limits(&self) -> LimitCounts {
        let limiter = &self.shared.limits.limiter;
        LimitCounts {
            rules: limiter.counts(),
            evictions: limiter.evictions(),
            bytes: limiter.bytes(),
            leases: limiter.leases().counts(),
        }
    }

    /// Puts other rules of the shield in place of those in force; what it remembers stays.
    pub fn replace_shield_rules(&self, rules: tandem_shield::Rules) {
        self.shared.guard.replace_rules(rules);
    }

    /// Puts other networks of crawlers, and blocked ones, in the place of those the shield knows.
    pub fn replace_shield_lists(&self, lists: tandem_shield::Lists) {
        self.shared.guard.take_lists(lists);
    }

    /// Addresses whose callers say that they are known crawlers: each is handed out once within ten minutes, to
    /// be looked into.
    pub fn crawler_claims(&self) -> Vec<tandem_shield::Claim> {
        self.shared.guard.claims()
    }

    /// Says what came of looking into a claim; that holds for a day.
    pub fn confirm_crawler(&self, claim: &tandem_shield::Claim, is_confirmed: bool) {
        self.shared.guard.confirm(claim, is_confirmed);
    }

    /// What the shield found since the start.
    pub fn shield(&self) -> tandem_shield::Counts {
        self.shared.guard.counts()
    }

    /// What becomes of the shield's verdicts right now.
    pub fn shield_mode(&self) -> ShieldMode {
        self.shared.guard.mode()
    }

    /// What was done about load since the start, and how it is now.
    pub fn admission(&self) -> AdmissionCounts {
        let (door, deadlines_expired) = self.shared.gate.counts();
        AdmissionCounts { door, deadlines_expired }
    }

    /// The newest route that is known here: from control, or learnt from answers.
    pub fn route(&self) -> Route {
        self.shared.chains.route()
    }

    /// How the chains are, as this gateway's own reads show it: a, then b.
    pub fn chains(&self) -> [ChainView; 2] {
        self.shared.chains.views()
    }

    /// What this gateway's reads met since the last call, by chain: what its control group is to be
    /// told, as `observer`, every [`tandem_failover::Settings::report_every_ms`]. There is one
    /// listener: each call begins the counts anew.
    pub fn symptoms(&self, observer: &str) -> Vec<Symptoms> {
        self.shared.chains.symptoms(observer)
    }

    /// How both chains stand right now; asks them, which takes up to half a second.
    pub async fn agreement(&self) -> Agreement {
        status::agreement(&self.shared).await
    }
}

/// What was done about load since the start, and how it is now.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionCounts {
    /// Who was let through to the chains, and who was not.
    pub door: tandem_admission::Counts,
    /// Reads that were not answered within the time that their clients allowed.
    pub deadlines_expired: u64,
}

/// What the limits decided since the start.
#[derive(Clone, Debug)]
pub struct LimitCounts {
    /// By rule.
    pub rules: Vec<RuleCounts>,
    /// Keys that were forgotten while they still owed something, for lack of room.
    pub evictions: u64,
    /// The memory of what is known of keys, in bytes.
    pub bytes: usize,
    /// About shared limits.
    pub leases: LeaseCounts,
}
