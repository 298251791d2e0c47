//! The gateway: reads, chains, nodes, the route, and whether both chains agree.

use tandem_model::route::{Chain, Route};

use super::{named, seconds};
use crate::{Samples, Telemetry, catalogue};

/// What the gateway counted about reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Reads that the chains were asked for.
    pub requests: u64,
    /// Answered with the answer to an equal one that was under way.
    pub shared: u64,
    /// Answered from memory.
    pub from_memory: u64,
    /// Streams that are open.
    pub streams: u64,
    /// Asked of the other chain too because the first was slow.
    pub hedges: u64,
    /// Hedges whose answer came first.
    pub hedges_won: u64,
    /// Hedges that the budget did not allow.
    pub hedges_refused: u64,
    /// Asked of the other chain because the first failed or was behind.
    pub failovers: u64,
    /// Not asked of the other chain after a failure, because it could not take more.
    pub failovers_refused: u64,
    /// Gone to the other chain than the route names, because that one was in trouble.
    pub rerouted: u64,
    /// Asked of the other chain because the one they waited on was found to be in trouble.
    pub moved: u64,
    /// Copies sent to a chain to see how it is.
    pub copies: u64,
    /// Routes that answers named before control did.
    pub routes_learnt: u64,
    /// Had to wait until a chain reached the token.
    pub waited: u64,
    /// Answered with older data than the token.
    pub stale: u64,
    /// Answered with 503 by the gateway.
    pub unavailable: u64,
    /// Orders to repair, no reads, that a chain has kept.
    pub repairs_ordered: u64,
    /// Connections closed because the client did not take its answers.
    pub connections_stalled: u64,
    /// Connections closed because the client took back too many requests.
    pub connections_reset: u64,
    /// What was counted about who asks.
    pub callers: Callers,
    /// What was counted about chains a and b.
    pub chains: [ChainReads; 2],
}

/// What the gateway counted about who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Callers {
    /// Requests that were refused for it, with the reason.
    pub refused: [(&'static str, u64); 8],
    /// Times that keys were taken into use.
    pub loaded: u64,
    /// Times that they could not be.
    pub load_failed: u64,
}

/// What the gateway counted about one chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainReads {
    /// Asked, hedges and repeats included.
    pub asked: u64,
    /// Answered with 5xx, or not at all.
    pub errors: u64,
    /// Did not answer in time.
    pub timeouts: u64,
    /// Had not read as far as the token.
    pub behind: u64,
    /// Slower than the hedge delay.
    pub slow: u64,
    /// Found to be in trouble.
    pub trips: u64,
    /// What its breaker is doing.
    pub breaker: Breaker,
    /// How long a read waits for it before the other chain is asked as well, in microseconds.
    pub hedge_delay_us: u64,
}

named! {
    /// Whether a chain gets reads.
    #[derive(Default)]
    Breaker {
        /// It does.
        #[default]
        Closed = "closed",
        /// It gets none.
        Open = "open",
        /// It gets trials.
        Probation = "probation",
    }
}

/// What the gateway counted about one query node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReads {
    /// Its address, as configured.
    pub node: String,
    /// Questions put to it.
    pub asked: u64,
    /// Questions that failed, or were given up on while it hung.
    pub failures: u64,
    /// Questions whose asker went away.
    pub dropped: u64,
    /// Whether it sits out right now.
    pub is_out: bool,
}

named! {
    /// How the digests of both chains compare.
    Verdict {
        /// They agree.
        Equal = "equal",
        /// There is nothing to compare yet.
        Indeterminate = "indeterminate",
        /// They differ.
        Different = "different",
    }
}

/// How both chains stand, as a gateway sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The verdict about all partitions.
    pub verdict: Verdict,
    /// The beat up to which every partition has been compared, in milliseconds since the epoch.
    pub beat: Option<u64>,
    /// Whether chains a and b say that they are ready.
    pub is_ready: [bool; 2],
}

/// Shows what the gateway counts.
pub fn gateway(telemetry: &Telemetry, reads: impl Fn() -> Reads + Send + Sync + 'static) {
    use catalogue::*;
    telemetry.source(move |samples| {
        let reads = reads();
        for (metric, value) in [
            (&GATEWAY_READS, reads.requests),
            (&GATEWAY_SHARED, reads.shared),
            (&GATEWAY_FROM_MEMORY, reads.from_memory),
            (&GATEWAY_HEDGES, reads.hedges),
            (&GATEWAY_HEDGES_WON, reads.hedges_won),
            (&GATEWAY_HEDGES_REFUSED, reads.hedges_refused),
            (&GATEWAY_FAILOVERS, reads.failovers),
            (&GATEWAY_FAILOVERS_REFUSED, reads.failovers_refused),
            (&GATEWAY_REROUTED, reads.rerouted),
            (&GATEWAY_MOVED, reads.moved),
            (&GATEWAY_COPIES, reads.copies),
            (&GATEWAY_ROUTES_LEARNT, reads.routes_learnt),
            (&GATEWAY_WAITED, reads.waited),
            (&GATEWAY_STALE, reads.stale),
            (&GATEWAY_UNAVAILABLE, reads.unavailable),
            (&GATEWAY_STREAMS, reads.streams),
            (&GATEWAY_REPAIRS_ORDERED, reads.repairs_ordered),
        ] {
            samples.set(metric, &[], value as f64);
        }
        samples.set(&GATEWAY_CLOSED, &["stalled"], reads.connections_stalled as f64);
        samples.set(&GATEWAY_CLOSED, &["reset"], reads.connections_reset as f64);
        let callers = reads.callers;
        for (reason, count) in callers.refused.into_iter().filter(|(reason, _)| !reason.is_empty()) {
            samples.set(&GATEWAY_CALLERS_REFUSED, &[reason], count as f64);
        }
        for (outcome, count) in [("ok", callers.loaded), ("failed", callers.load_failed)] {
            samples.set(&GATEWAY_KEY_LOADS, &[outcome], count as f64);
        }
        for (chain, reads) in Chain::ALL.iter().zip(reads.chains) {
            for (metric, value) in [
                (&GATEWAY_ASKED, reads.asked),
                (&GATEWAY_ERRORS, reads.errors),
                (&GATEWAY_TIMEOUTS, reads.timeouts),
                (&GATEWAY_BEHIND, reads.behind),
                (&GATEWAY_SLOW, reads.slow),
                (&GATEWAY_TRIPS, reads.trips),
            ] {
                samples.set(metric, &[chain.name()], value as f64);
            }
            samples.set_one_of(&GATEWAY_BREAKER, &[chain.name()], Breaker::NAMES, reads.breaker.name());
            samples.set(&GATEWAY_HEDGE_DELAY, &[chain.name()], reads.hedge_delay_us as f64 / 1e6);
        }
    });
}

/// Shows how many requests were refused, by the name of what was wrong with them.
pub fn gateway_violations<I: IntoIterator<Item = (&'static str, u64)>>(
    telemetry: &Telemetry,
    violations: impl Fn() -> I + Send + Sync + 'static,
) {
    telemetry.source(move |samples| {
        for (violation, count) in violations() {
            samples.set(&catalogue::GATEWAY_VIOLATIONS, &[violation], count as f64);
        }
    });
}

/// What a gateway counted about TLS and its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Door {
    /// Handshakes that were done, failed, took too long, and were refused.
    pub handshakes: [u64; 4],
    /// Changed certificates that were taken into use, and that were not.
    pub certificates: [u64; 2],
    /// Configurations that were taken into use, and that were refused.
    pub configurations: [u64; 2],
    /// Options that were changed and wait for the next start.
    pub restart_options: u64,
}

/// Shows what a gateway counted about TLS and its configuration.
pub fn gateway_door(telemetry: &Telemetry, door: impl Fn() -> Door + Send + Sync + 'static) {
    use catalogue::*;
    telemetry.source(move |samples| {
        let door = door();
        for (outcome, count) in ["done", "failed", "late", "refused"].into_iter().zip(door.handshakes) {
            samples.set(&GATEWAY_HANDSHAKES, &[outcome], count as f64);
        }
        for (outcome, count) in ["ok", "failed"].into_iter().zip(door.certificates) {
            samples.set(&GATEWAY_CERTIFICATE_LOADS, &[outcome], count as f64);
        }
        for (outcome, count) in ["applied", "refused"].into_iter().zip(door.configurations) {
            samples.set(&GATEWAY_CONFIG_LOADS, &[outcome], count as f64);
        }
        samples.set(&GATEWAY_CONFIG_PENDING, &[], door.restart_options as f64);
    });
}

/// What a gateway's rate limits decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// By rule.
    pub rules: Vec<LimitRule>,
    /// Keys that were forgotten for lack of room.
    pub evictions: u64,
    /// Memory of what is known of keys, in bytes.
    pub bytes: u64,
    /// Keys of shared limits that have a lease.
    pub leases: u64,
    /// Gateways that share limits.
    pub gateways: u64,
    /// Questions for units that were answered, and that failed.
    pub questions: [u64; 2],
    /// Units granted.
    pub units: u64,
    /// Let through by the own share: nothing was heard, and no room.
    pub from_share: [u64; 2],
}

/// What one rule decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitRule {
    /// Its name.
    pub name: String,
    /// Let through.
    pub allowed: u64,
    /// Refused.
    pub limited: u64,
    /// Would have been refused.
    pub shadow_limited: u64,
}

/// Shows what the gateway's rate limits decided.
pub fn gateway_limits(telemetry: &Telemetry, limits: impl Fn() -> Limits + Send + Sync + 'static) {
    use catalogue::*;
    telemetry.source(move |samples| {
        let limits = limits();
        for rule in &limits.rules {
            for (decision, count) in [
                ("allowed", rule.allowed),
                ("limited", rule.limited),
                ("shadow_limited", rule.shadow_limited),
            ] {
                samples.set(&GATEWAY_LIMIT_DECISIONS, &[&rule.name, decision], count as f64);
            }
        }
        for (metric, value) in [
            (&GATEWAY_LIMIT_EVICTIONS, limits.evictions),
            (&GATEWAY_LIMIT_BYTES, limits.bytes),
            (&GATEWAY_LEASES, limits.leases),
            (&GATEWAY_LEASE_GATEWAYS, limits.gateways),
            (&GATEWAY_LEASE_UNITS, limits.units),
        ] {
            samples.set(metric, &[], value as f64);
        }
        for (outcome, count) in ["answered", "failed"].into_iter().zip(limits.questions) {
            samples.set(&GATEWAY_LEASE_QUESTIONS, &[outcome], count as f64);
        }
        for (why, count) in ["unheard", "no_room"].into_iter().zip(limits.from_share) {
            samples.set(&GATEWAY_LEASE_FROM_SHARE, &[why], count as f64);
        }
    });
}

/// What the shield of a gateway found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shield {
    /// Whether its verdicts are carried out.
    pub is_enforced: bool,
    /// Verdicts, by action.
    pub actions: Vec<(&'static str, u64)>,
    /// Verdicts, by what would be done if rules that only observe had a say.
    pub would_be: Vec<(&'static str, u64)>,
    /// How often a rule spoke: its name, and with a say, and observing.
    pub rules: Vec<(&'static str, u64, u64)>,
    /// Addresses, credentials and forms of headers that are remembered.
    pub keys: u64,
    /// Their memory, in bytes.
    pub bytes: u64,
    /// Those forgotten for lack of room.
    pub evictions: u64,
    /// Claims to be a known crawler that there was no room to look into.
    pub claims_dropped: u64,
}

/// Shows what the shield of a gateway found.
pub fn gateway_shield(telemetry: &Telemetry, shield: impl Fn() -> Shield + Send + Sync + 'static) {
    use catalogue::*;
    telemetry.source(move |samples| {
        let shield = shield();
        for (metric, counts) in
            [(&GATEWAY_SHIELD_VERDICTS, &shield.actions), (&GATEWAY_SHIELD_WOULD_BE, &shield.would_be)]
        {
            for (action, count) in counts {
                samples.set(metric, &[action], *count as f64);
            }
        }
        for (rule, counted, observed) in &shield.rules {
            samples.set(&GATEWAY_SHIELD_RULES, &[rule, "counted"], *counted as f64);
            samples.set(&GATEWAY_SHIELD_RULES, &[rule, "observed"], *observed as f64);
        }
        for (metric, value) in [
            (&GATEWAY_SHIELD_ENFORCED, u64::from(shield.is_enforced)),
            (&GATEWAY_SHIELD_KEYS, shield.keys),
            (&GATEWAY_SHIELD_BYTES, shield.bytes),
            (&GATEWAY_SHIELD_EVICTIONS, shield.evictions),
            (&GATEWAY_SHIELD_CLAIMS_DROPPED, shield.claims_dropped),
        ] {
            samples.set(metric, &[], value as f64);
        }
    });
}

/// How crawlers are known at a gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crawlers {
    /// Claims that were looked into: confirmed, denied, unknown.
    pub claims: [u64; 3],
    /// Networks that are known: of crawlers, blocked.
    pub networks: [u64; 2],
    /// Published lists that could not be fetched.
    pub fetches_failed: u64,
}

/// Shows how crawlers are known at a gateway.
pub fn gateway_crawlers(telemetry: &Telemetry, crawlers: impl Fn() -> Crawlers + Send + Sync + 'static) {
    use catalogue::*;
    telemetry.source(move |samples| {
        let crawlers = crawlers();
        for (outcome, claims) in ["confirmed", "denied", "unknown"].into_iter().zip(crawlers.claims) {
            samples.set(&GATEWAY_SHIELD_CLAIMS, &[outcome], claims as f64);
        }
        for (list, networks) in ["crawlers", "blocked"].into_iter().zip(crawlers.networks) {
            samples.set(&GATEWAY_SHIELD_NETWORKS, &[list], networks as f64);
        }
        samples.set(&GATEWAY_SHIELD_FETCHES_FAILED, &[], crawlers.fetches_failed as f64);
    });
}

/// What a gateway did about load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// How many reads may be under way, how many are, and how many wait.
    pub reads: [u64; 3],
    /// Let through, by class.
    pub admitted: Vec<(&'static str, u64)>,
    /// Sent away, by class and reason.
    pub shed: Vec<(&'static str, &'static str, u64)>,
    /// Not answered in the time that was allowed.
    pub deadlines_expired: u64,
}

/// Shows what a gateway does about load.
pub fn gateway_admission(telemetry: &Telemetry, admission: impl Fn() -> Admission + Send + Sync + 'static) {
    use catalogue::*;
    telemetry.source(move |samples| {
        let admission = admission();
        let gauges = [&GATEWAY_READS_LIMIT, &GATEWAY_READS_IN_FLIGHT, &GATEWAY_READS_QUEUED];
        for (metric, value) in gauges.into_iter().zip(admission.reads) {
            samples.set(metric, &[], value as f64);
        }
        for (class, count) in admission.admitted {
            samples.set(&GATEWAY_READS_ADMITTED, &[class], count as f64);
        }
        for (class, reason, count) in admission.shed {
            samples.set(&GATEWAY_SHED, &[class, reason], count as f64);
        }
        samples.set(&GATEWAY_DEADLINES, &[], admission.deadlines_expired as f64);
    });
}

/// Shows what the gateway knows of the query nodes of `chain`.
pub fn gateway_nodes(
    telemetry: &Telemetry,
    chain: Chain,
    nodes: impl Fn() -> Vec<NodeReads> + Send + Sync + 'static,
) {
    use catalogue::*;
    telemetry.source(move |samples| {
        for node in nodes() {
            let labels = [chain.name(), node.node.as_str()];
            samples.set(&GATEWAY_NODE_ASKED, &labels, node.asked as f64);
            samples.set(&GATEWAY_NODE_FAILURES, &labels, node.failures as f64);
            samples.set(&GATEWAY_NODE_DROPPED, &labels, node.dropped as f64);
            samples.set(&GATEWAY_NODE_OUT, &labels, f64::from(u8::from(node.is_out)));
        }
    });
}

/// Shows which route is used here: by a gateway, or by a publisher.
pub fn route(telemetry: &Telemetry, route: impl Fn() -> Route + Send + Sync + 'static) {
    telemetry.source(move |samples| {
        let route = route();
        samples.set(&catalogue::ROUTE_EPOCH, &[], route.epoch as f64);
        for chain in Chain::ALL {
            let active = f64::from(u8::from(chain == route.active));
            samples.set(&catalogue::ROUTE_ACTIVE, &[chain.name()], active);
        }
    });
}

/// Shows how both chains stand. They have to be asked, so it takes a future.
pub fn agreement<F: Future<Output = Agreement> + Send + 'static>(
    telemetry: &Telemetry,
    agreement: impl Fn() -> F + Send + Sync + 'static,
) {
    telemetry.source_async(move || {
        let comparing = agreement();
        async move {
            let mut samples = Samples::default();
            let Agreement { verdict, beat, is_ready } = comparing.await;
            samples.set_one_of(&catalogue::PARITY, &[], Verdict::NAMES, verdict.name());
            if let Some(beat) = beat {
                samples.set(&catalogue::PARITY_BEAT, &[], seconds(beat));
            }
            for (chain, is_ready) in Chain::ALL.iter().zip(is_ready) {
                let ready = f64::from(u8::from(is_ready));
                samples.set(&catalogue::GATEWAY_CHAIN_READY, &[chain.name()], ready);
            }
            samples
        }
    });
}
