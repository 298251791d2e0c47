//! What parts say of themselves, as telemetry shows it. For `up` and for every role: one line per
//! part.
//!
//! The parts do not know telemetry, nor it them; here is where both are known. What is handed over
//! is a handle that lives as long as the admin port does.

use tandem_compute::publish::{State, Status as PublisherStatus};
use tandem_compute::{Hot, Phase, Status};
use tandem_control::View;
use tandem_gateway::{
    AdmissionCounts, BreakerState, CallerCounts, ClockMode, Gateway, LimitCounts, Pool, ShieldMode, Verdict,
};
use tandem_gateway::{Class, Reason};
use tandem_ingest::{Ingest, MetronomeCounts};
use tandem_model::route::{Chain, Route};
use tandem_model::time::SECOND_MS;
use tandem_parity::{Culprit, Level, ParityReport};
use tandem_storage::EventLog;
use tandem_telemetry::{Health, Telemetry, parts};
use tokio::sync::watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::roles::crawlers::{ClaimCounts, Networks};

/// How the compute of `chain` stands: [`tandem_compute::Compute::statuses`].
pub fn compute(
    telemetry: &Telemetry,
    chain: Chain,
    clock: ClockMode,
    log: &dyn EventLog,
    statuses: &[watch::Receiver<Status>],
) {
    let (ends, statuses) = (log.ends(), statuses.to_vec());
    parts::compute(telemetry, chain, clock == ClockMode::Live, move || {
        // Positions first: an end that is read later lies behind none of them.
        let statuses: Vec<Status> = statuses.iter().map(|status| status.borrow().clone()).collect();
        let ends = ends.borrow();
        statuses.iter().map(|status| partition(status, &ends)).collect()
    });
}

fn partition(status: &Status, ends: &[u64]) -> parts::ComputePartition {
    let usage = &status.usage;
    parts::ComputePartition {
        partition: status.partition,
        phase: match status.phase {
            Phase::Elsewhere => parts::ComputePhase::Elsewhere,
            Phase::Recovering => parts::ComputePhase::Recovering,
            Phase::Following => parts::ComputePhase::Following,
            Phase::Stalled(_) => parts::ComputePhase::Stalled,
            Phase::Restarting(_) => parts::ComputePhase::Restarting,
            Phase::Stopped => parts::ComputePhase::Stopped,
            Phase::Failed(_) => parts::ComputePhase::Failed,
        },
        cut: status.cut,
        reached: status.reached,
        log_end: ends.get(status.partition.0 as usize).copied().unwrap_or(0),
        hot: match status.hot {
            Hot::Following { cut, missing } => Some((cut, missing)),
            Hot::Away { .. } => None,
        },
        records: status.records,
        rows: status.rows,
        restored_from: status.restored_from,
        repairs: [status.repairs_done, status.repairs_failed],
        quarantined: status.quarantined,
        usage: parts::Usage {
            live_sessions: usage.live_sessions,
            closed_sessions: usage.closed_sessions,
            over_sessions: usage.over_sessions,
            viewers: usage.viewers,
            cells: usage.cells,
            event_ids: usage.event_ids,
        },
    }
}

/// Whether every partition of a compute process is where it should be: for its readiness. That a
/// chain is behind is not its process's fault; a lag is a metric.
pub fn check_compute(health: &Health, statuses: &[watch::Receiver<Status>]) {
    let statuses = statuses.to_vec();
    health.check("compute", move || {
        let wrong = statuses.iter().find_map(|status| {
            let status = status.borrow();
            let reason = match &status.phase {
                Phase::Following | Phase::Elsewhere => return None,
                Phase::Recovering => "is recovering",
                Phase::Stopped => "has stopped",
                Phase::Stalled(reason) | Phase::Restarting(reason) | Phase::Failed(reason) => reason,
            };
            Some(format!("partition {}: {reason}", status.partition))
        });
        std::future::ready(wrong.map_or(Ok(()), Err))
    });
}

/// How publishing for `chain` stands: [`tandem_compute::publish::Publisher::statuses`].
pub fn publisher(telemetry: &Telemetry, chain: Chain, statuses: &[watch::Receiver<PublisherStatus>]) {
    let statuses = statuses.to_vec();
    parts::publisher(telemetry, chain, move || {
        statuses
            .iter()
            .map(|status| {
                let status = status.borrow();
                parts::PublisherPartition {
                    partition: status.partition,
                    state: match status.state {
                        State::Standby => parts::PublisherState::Standby,
                        State::Waiting(_) => parts::PublisherState::Waiting,
                        State::Recovering => parts::PublisherState::Recovering,
                        State::Publishing => parts::PublisherState::Publishing,
                        State::Stopped => parts::PublisherState::Stopped,
                        State::Failed(_) => parts::PublisherState::Failed,
                    },
                    epoch: status.epoch,
                    beat: status.beat,
                    next: status.next,
                    transactions: status.transactions,
                    messages: status.messages,
                    fenced: status.fenced,
                    begun: status.begun,
                }
            })
            .collect()
    });
}

/// What the rate limits of a gateway decided.
fn limits(telemetry: &Telemetry, gateway: &Gateway) {
    let gateway = gateway.clone();
    parts::gateway_limits(telemetry, move || {
        let LimitCounts { rules, evictions, bytes, leases } = gateway.limits();
        let rules = rules.into_iter().map(|counts| parts::LimitRule {
            name: counts.rule,
            allowed: counts.allowed,
            limited: counts.limited,
            shadow_limited: counts.shadow_limited,
        });
        parts::Limits {
            rules: rules.collect(),
            evictions,
            bytes: bytes as u64,
            leases: leases.keys,
            gateways: leases.gateways.into(),
            questions: [leases.answered, leases.failed],
            units: leases.granted,
            from_share: [leases.from_share, leases.no_room],
        }
    });
}

/// What the shield of a gateway found.
fn shield(telemetry: &Telemetry, gateway: &Gateway) {
    let gateway = gateway.clone();
    parts::gateway_shield(telemetry, move || {
        let counts = gateway.shield();
        let named = |actions: [(tandem_shield::Action, u64); 6]| {
            actions.iter().map(|(action, count)| (action.name(), *count)).collect()
        };
        parts::Shield {
            is_enforced: gateway.shield_mode() == ShieldMode::Enforce,
            actions: named(counts.actions),
            would_be: named(counts.would_be),
            rules: counts.rules.iter().map(|rule| (rule.rule, rule.fired, rule.observed)).collect(),
            keys: counts.keys as u64,
            bytes: counts.bytes as u64,
            evictions: counts.evictions,
            claims_dropped: counts.claims_dropped,
        }
    });
}

/// How crawlers are known at a gateway.
pub(crate) fn crawlers(telemetry: &Telemetry, claims: &Arc<ClaimCounts>, networks: &Arc<Networks>) {
    let (claims, networks) = (Arc::clone(claims), Arc::clone(networks));
    parts::gateway_crawlers(telemetry, move || {
        let [crawlers, blocked, fetches_failed] = networks.counts();
        parts::Crawlers { claims: claims.read(), networks: [crawlers, blocked], fetches_failed }
    });
}

/// What a gateway counts about TLS and its configuration; `pending` is how many options wait for a restart.
pub fn door(telemetry: &Telemetry, gateway: &Gateway, pending: Arc<AtomicU64>) {
    let gateway = gateway.clone();
    parts::gateway_door(telemetry, move || {
        let counts = gateway.counts();
        let (tls, reloads) = (counts.tls, counts.reloads);
        parts::Door {
            handshakes: [tls.done, tls.failed, tls.late, tls.refused],
            certificates: [tls.loaded, tls.load_failed],
            configurations: [reloads.applied, reloads.refused],
            restart_options: pending.load(Ordering::Relaxed),
        }
    });
}

/// What a gateway does about load.
fn admission(telemetry: &Telemetry, gateway: &Gateway) {
    let gateway = gateway.clone();
    parts::gateway_admission(telemetry, move || {
        let AdmissionCounts { door, deadlines_expired } = gateway.admission();
        let shed = Class::ALL.into_iter().zip(door.shed).flat_map(|(class, counts)| {
            Reason::ALL
                .into_iter()
                .zip(counts)
                .map(move |(reason, count)| (class.name(), reason.name(), count))
        });
        parts::Admission {
            reads: [door.limit, door.in_flight, door.waiting].map(|count| count as u64),
            admitted: Class::ALL.iter().map(|class| class.name()).zip(door.admitted).collect(),
            shed: shed.collect(),
            deadlines_expired,
        }
    });
}

/// What the gateway counts, which route it uses, and how it sees both chains.
pub fn gateway(telemetry: &Telemetry, gateway: &Gateway) {
    let counting = gateway.clone();
    parts::gateway(telemetry, move || {
        let counts = counting.counts();
        let [a, b] = counting.chains();
        let chains = [(counts.chains.a, a), (counts.chains.b, b)].map(|(chain, view)| parts::ChainReads {
            asked: chain.asked,
            errors: chain.errors,
            timeouts: chain.timeouts,
            behind: chain.behind,
            slow: chain.slow,
            trips: chain.trips,
            breaker: match view.breaker {
                BreakerState::Closed => parts::Breaker::Closed,
                BreakerState::Open => parts::Breaker::Open,
                BreakerState::Probation => parts::Breaker::Probation,
            },
            hedge_delay_us: view.hedge_delay_us,
        });
        let reads = counts.reads;
        parts::Reads {
            requests: reads.requests,
            shared: reads.shared,
            from_memory: reads.from_memory,
            streams: counting.streams() as u64,
            hedges: reads.hedges,
            hedges_won: reads.hedges_won,
            hedges_refused: reads.hedges_refused,
            failovers: reads.failovers,
            failovers_refused: reads.failovers_refused,
            rerouted: reads.rerouted,
            moved: reads.moved,
            copies: reads.copies,
            routes_learnt: reads.routes_learnt,
            waited: reads.waited,
            stale: reads.stale,
            unavailable: reads.unavailable,
            repairs_ordered: counts.repairs_ordered,
            connections_stalled: counts.connections.stalled,
            connections_reset: counts.connections.reset,
            callers: callers(counts.callers),
            chains,
        }
    });
    let judging = gateway.clone();
    parts::gateway_violations(telemetry, move || judging.violations().collect::<Vec<_>>());
    limits(telemetry, gateway);
    shield(telemetry, gateway);
    admission(telemetry, gateway);
    let routed = gateway.clone();
    parts::route(telemetry, move || routed.route());
    let comparing = gateway.clone();
    parts::agreement(telemetry, move || {
        let gateway = comparing.clone();
        async move {
            let agreement = gateway.agreement().await;
            let verdict = match agreement.verdict {
                Verdict::Equal => parts::Verdict::Equal,
                Verdict::Indeterminate => parts::Verdict::Indeterminate,
                Verdict::Different => parts::Verdict::Different,
            };
            parts::Agreement { verdict, beat: agreement.beat, is_ready: agreement.is_ready }
        }
    });
}

fn callers(counts: CallerCounts) -> parts::Callers {
    let refused = [
        ("unknown", counts.unknown),
        ("ended", counts.ended),
        ("token", counts.tokens),
        ("signature", counts.signatures),
        ("replayed", counts.replayed),
        ("replays_full", counts.replays_full),
        ("body", counts.bodies),
        ("foreign", counts.foreign),
    ];
    parts::Callers { refused, loaded: counts.loaded, load_failed: counts.load_failed }
}

/// Whether a gateway can answer reads; and, said beside it, whether it can take events. While the log
/// is away all figures can still be read, so no gateway leaves its load balancer for that.
pub fn check_gateway(health: &Health, gateway: &Gateway, ingest: &Arc<Ingest>) {
    let gateway = gateway.clone();
    health.check("chains", move || {
        let gateway = gateway.clone();
        async move {
            let [a, b] = gateway.agreement().await.is_ready;
            if a || b { Ok(()) } else { Err("neither chain is ready: no figures can be read".to_owned()) }
        }
    });
    let ingest = Arc::clone(ingest);
    health.mention("log", move || {
        let ingest = Arc::clone(&ingest);
        async move {
            if ingest.is_writable().await { Ok(()) } else { Err("the event log can't be written".to_owned()) }
        }
    });
}

/// What the gateway knows of the query nodes of `chain`.
pub fn nodes(telemetry: &Telemetry, chain: Chain, pool: &Pool) {
    let pool = pool.clone();
    parts::gateway_nodes(telemetry, chain, move || {
        let counts = pool.counts().into_iter();
        counts
            .map(|(node, counts)| parts::NodeReads {
                node,
                asked: counts.asked,
                failures: counts.failures,
                dropped: counts.dropped,
                is_out: counts.is_out,
            })
            .collect()
    });
}

/// Which route is followed by whom control tells it: a gateway knows better ([`gateway`]).
pub fn route(telemetry: &Telemetry, route: watch::Receiver<Route>) {
    parts::route(telemetry, move || route.borrow().clone());
}

/// What comparing both chains gives.
pub fn parity(telemetry: &Telemetry, reports: watch::Receiver<ParityReport>) {
    parts::parity(telemetry, move || {
        let report = reports.borrow();
        let count = |wrong: Culprit, level: Level| {
            report.findings.iter().filter(|one| (one.wrong, one.level) == (wrong, level)).count()
        };
        let named = [(Culprit::A, "a"), (Culprit::B, "b"), (Culprit::Both, "both")];
        let levels = [(Level::Computed, "computed"), (Level::Stored, "stored")];
        let findings = named.into_iter().flat_map(|(wrong, name)| {
            levels.map(|(level, level_name)| (name, level_name, count(wrong, level)))
        });
        parts::ParityState {
            findings: findings.collect(),
            rounds: report.scan.rounds,
            last_round_ms: report.scan.last_round_at_ms,
            sessions: report.scan.sessions_compared,
            votes: report.scan.votes,
        }
    });
}

/// How a control node stands.
pub fn control(telemetry: &Telemetry, view: watch::Receiver<View>) {
    parts::control(telemetry, move || {
        let view = view.borrow();
        let voters = view.members.values().filter(|member| member.is_voter).count();
        parts::ControlState {
            active: view.decided.active(),
            epoch: view.decided.epoch(),
            leads: view.standing.is_leader(),
            term: view.standing.term,
            members: [voters, view.members.len() - voters],
            decisions: view.decisions,
            committed: view.standing.committed,
            applied: view.applied,
        }
    });
}

/// What ingest counts.
pub fn ingest(telemetry: &Telemetry, ingest: &Arc<Ingest>) {
    let ingest = Arc::clone(ingest);
    parts::ingest(telemetry, move || {
        let counts = ingest.counts();
        parts::IngestCounts {
            accepted: counts.accepted,
            repeated: counts.repeated,
            refused: counts.refused,
            busy: counts.busy,
            failed: counts.failed,
            events: counts.events,
            suspect: counts.suspect,
            beats: counts.beats,
            malformed: counts.malformed,
            waiting: counts.waiting,
            waiting_max: counts.waiting_max,
        }
    });
}

/// How the metronome stands; `clock_offset_ms` is how far its clock is ahead of the control node's,
/// where there is one that it compares itself with.
pub fn metronome(
    telemetry: &Telemetry,
    counts: watch::Receiver<MetronomeCounts>,
    clock_offset_ms: impl Fn() -> Option<i64> + Send + Sync + 'static,
) {
    parts::metronome(telemetry, move || {
        let counts = *counts.borrow();
        parts::MetronomeState {
            beats: counts.beats,
            failed: counts.failed,
            refused: counts.refused,
            last_ms: counts.last_second.map(|second| second * SECOND_MS),
            clock_offset_ms: clock_offset_ms(),
        }
    });
}
