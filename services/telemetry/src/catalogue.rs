//! Every metric of every role.
//!
//! `tandem_<part>_<what>_<unit>`; counters end in `_total`. What Prometheus knows of any process
//! has the names that it has everywhere (`process_…`).

use crate::metric::{Kind, Metric, metrics};

use Kind::{Counted, Counter, Gauge, Histogram, Level};

/// Bounds for calls that should take milliseconds, in seconds.
const SECONDS: Kind =
    Histogram(&[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
/// Two chains.
const CHAINS: usize = 2;
/// Partitions of a log, twice: both chains may run in one process.
const PARTITIONS: usize = 256 * CHAINS;
/// Calls of all ports, for both chains and for none.
const CALLS: usize = 256;
/// Paths that are told apart, by status.
const ROUTES: usize = 512;

metrics! {
    /// When this process started, in seconds since the epoch.
    PROCESS_START = Gauge, "process_start_time_seconds", "seconds", [], 1;
    /// Processor time this process has used, user and system.
    PROCESS_CPU = Counter, "process_cpu_seconds_total", "seconds", [], 1;
    /// Memory this process has in use (resident).
    PROCESS_MEMORY = Gauge, "process_resident_memory_bytes", "bytes", [], 1;
    /// Files and sockets this process has open.
    PROCESS_FDS = Gauge, "process_open_fds", "files", [], 1;
    /// Files and sockets this process may have open.
    PROCESS_FDS_MAX = Gauge, "process_max_fds", "files", [], 1;
    /// Threads of this process.
    PROCESS_THREADS = Gauge, "process_threads", "threads", [], 1;

    /// Always 1; the labels say what runs here.
    BUILD = Gauge, "tandem_build_info", "", ["version", "role"], 1;
    /// 1 if a check of /readyz holds, 0 if not. `all` is what /readyz answers.
    HEALTH = Gauge, "tandem_health_ready", "", ["check"], 64;

    /// The offset up to which the row store has the partition: every record below it is in.
    COMPUTE_NEXT = Gauge, "tandem_compute_next_offset", "offset", ["chain", "partition"], PARTITIONS;
    /// The offset after the last record of the partition in the log, as compute sees it.
    COMPUTE_END = Gauge, "tandem_compute_log_end_offset", "offset", ["chain", "partition"], PARTITIONS;
    /// How far the row store is behind the end of the log, in offsets; a few of them may hold no record.
    COMPUTE_LAG = Gauge, "tandem_compute_lag_records", "records", ["chain", "partition"], PARTITIONS;
    /// The partition's clock in the row store: the last beat, in seconds since the epoch. Absent before the first.
    COMPUTE_CLOCK = Gauge, "tandem_compute_clock_seconds", "seconds", ["chain", "partition"], PARTITIONS;
    /// How old the row store's figures are: wall clock minus the partition's clock. Up to a second and a
    /// flush is normal. Absent before the first beat, and in a replay.
    COMPUTE_FRESHNESS = Gauge, "tandem_compute_freshness_seconds", "seconds", ["chain", "partition"], PARTITIONS;
    /// Records folded since the start, those of a recovery not counted.
    COMPUTE_RECORDS = Counter, "tandem_compute_records_total", "records", ["chain", "partition"], PARTITIONS;
    /// Rows written to the row store since the start.
    COMPUTE_ROWS = Counter, "tandem_compute_rows_written_total", "rows", ["chain", "partition"], PARTITIONS;
    /// Repairs since the start, by how they ended: done (computed again from the log), failed (a store refused some
    /// of it for good).
    COMPUTE_REPAIRS = Counter, "tandem_compute_repairs_total", "repairs", ["chain", "partition", "outcome"], 2 * PARTITIONS;
    /// Events that made the computation fail and are in quarantine, as of when the partition was begun.
    COMPUTE_QUARANTINED = Gauge, "tandem_compute_quarantined_events", "events", ["chain", "partition"], PARTITIONS;
    /// 1 for what the partition is doing, 0 for the rest: elsewhere (another process works on it), recovering,
    /// following, stalled (a store is away), restarting, stopped, failed (needs somebody).
    COMPUTE_PHASE = Gauge, "tandem_compute_phase", "", ["chain", "partition", "phase"], 7 * PARTITIONS;
    /// Where the snapshot ended that the partition started from; 0 without one.
    COMPUTE_RESTORED = Gauge, "tandem_compute_restored_offset", "offset", ["chain", "partition"], PARTITIONS;
    /// 1 while the hot store is written, 0 while it is away and the row store answers instead.
    COMPUTE_HOT = Gauge, "tandem_compute_hot_store_present", "", ["chain", "partition"], PARTITIONS;
    /// The offset up to which the hot store has the partition. Absent while it is away.
    COMPUTE_HOT_NEXT = Gauge, "tandem_compute_hot_next_offset", "offset", ["chain", "partition"], PARTITIONS;
    /// Sessions that are still to be put into the hot store since it was begun.
    COMPUTE_HOT_MISSING = Gauge, "tandem_compute_hot_missing_sessions", "sessions", ["chain", "partition"], PARTITIONS;
    /// Sessions the fold keeps in memory, as of the last snapshot: live, closed (final, still taking follow-ups)
    /// or over (only the mark is left).
    FOLD_SESSIONS = Gauge, "tandem_fold_sessions", "sessions", ["chain", "partition", "state"], 3 * PARTITIONS;
    /// Viewers of live sessions the fold keeps in memory, as of the last snapshot.
    FOLD_VIEWERS = Gauge, "tandem_fold_viewers", "viewers", ["chain", "partition"], PARTITIONS;
    /// Rows of figures the fold counts in memory, as of the last snapshot.
    FOLD_CELLS = Gauge, "tandem_fold_cells", "rows", ["chain", "partition"], PARTITIONS;
    /// Event ids the fold remembers to find duplicates, as of the last snapshot.
    FOLD_EVENT_IDS = Gauge, "tandem_fold_event_ids", "events", ["chain", "partition"], PARTITIONS;

    /// 1 for what the partition's publisher is doing, 0 for the rest: standby (the other chain's turn), waiting
    /// (would publish, but can't or must not yet), recovering, publishing, stopped, failed.
    DWS_STATE = Gauge, "tandem_dws_state", "", ["chain", "partition", "state"], 6 * PARTITIONS;
    /// The last beat known to be published, by whichever chain, in seconds since the epoch. Absent before the first.
    DWS_BEAT = Gauge, "tandem_dws_beat_seconds", "seconds", ["chain", "partition"], PARTITIONS;
    /// The offset after the last beat that is published.
    DWS_NEXT = Gauge, "tandem_dws_next_offset", "offset", ["chain", "partition"], PARTITIONS;
    /// The epoch it publishes, or last published, under; 0 before.
    DWS_EPOCH = Gauge, "tandem_dws_epoch", "epochs", ["chain", "partition"], PARTITIONS;
    /// Transactions committed by this process.
    DWS_TRANSACTIONS = Counter, "tandem_dws_transactions_total", "transactions", ["chain", "partition"], PARTITIONS;
    /// Messages in those transactions, markers included.
    DWS_MESSAGES = Counter, "tandem_dws_messages_total", "messages", ["chain", "partition"], PARTITIONS;
    /// How often another writer took the partition over while this one was at work: once per switch is normal.
    DWS_FENCED = Counter, "tandem_dws_fenced_total", "times", ["chain", "partition"], PARTITIONS;
    /// How often the partition was begun here.
    DWS_BEGUN = Counter, "tandem_dws_begun_total", "times", ["chain", "partition"], PARTITIONS;

    /// Time of calls to the log and the stores, from call to answer, failed ones included. Its count is the calls.
    STORE_SECONDS = SECONDS, "tandem_store_call_duration_seconds", "seconds", ["chain", "store", "call"], CALLS;
    /// Calls to the log and the stores that failed, by kind: unavailable, timeout, damaged, lost, refused; fenced and
    /// unknown (of summaries); dropped (nobody waited for the answer any more).
    STORE_ERRORS = Counted, "tandem_store_errors_total", "calls", ["chain", "store", "call", "kind"], 7 * CALLS;
    /// Calls to the log and the stores that are under way.
    STORE_RUNNING = Level, "tandem_store_calls_running", "calls", ["chain", "store", "call"], CALLS;
    /// What calls that succeeded brought or fetched: records (log), rows (rows, hot), letters (dead_letters),
    /// parts (editions), messages (summaries).
    STORE_ITEMS = Counted, "tandem_store_items_total", "items", ["chain", "store", "call"], CALLS;
    /// Bytes that calls that succeeded brought or fetched: of records (log) and of snapshots.
    STORE_BYTES = Counted, "tandem_store_bytes_total", "bytes", ["chain", "store", "call"], CALLS;

    /// Requests answered, by path template (`other` where nothing is) and status.
    QUERY_REQUESTS = Counted, "tandem_query_requests_total", "requests", ["chain", "route", "status"], ROUTES;
    /// Time from a request's head to its answer's head.
    QUERY_SECONDS = SECONDS, "tandem_query_request_duration_seconds", "seconds", ["chain", "route"], 128;
    /// Requests that a query node is answering.
    QUERY_RUNNING = Level, "tandem_query_requests_running", "requests", ["chain"], CHAINS;

    /// Reads that the chains were asked for. Those answered with others' answers are not among them.
    GATEWAY_READS = Counter, "tandem_gateway_reads_total", "reads", [], 1;
    /// Reads answered with the answer to an equal one that was under way.
    GATEWAY_SHARED = Counter, "tandem_gateway_reads_shared_total", "reads", [], 1;
    /// Reads answered from memory.
    GATEWAY_FROM_MEMORY = Counter, "tandem_gateway_reads_from_memory_total", "reads", [], 1;
    /// Reads asked of the other chain too, because the first was slow.
    GATEWAY_HEDGES = Counter, "tandem_gateway_hedges_total", "reads", [], 1;
    /// Hedges whose answer came first.
    GATEWAY_HEDGES_WON = Counter, "tandem_gateway_hedges_won_total", "reads", [], 1;
    /// Hedges that the budget did not allow.
    GATEWAY_HEDGES_REFUSED = Counter, "tandem_gateway_hedges_refused_total", "reads", [], 1;
    /// Reads asked of the other chain because the first failed or was behind the token.
    GATEWAY_FAILOVERS = Counter, "tandem_gateway_failovers_total", "reads", [], 1;
    /// Reads that were not asked of the other chain after a failure, because it could not take more.
    GATEWAY_FAILOVERS_REFUSED = Counter, "tandem_gateway_failovers_refused_total", "reads", [], 1;
    /// Reads that went to the other chain than the route names, because that one was in trouble.
    GATEWAY_REROUTED = Counter, "tandem_gateway_reads_rerouted_total", "reads", [], 1;
    /// Reads that waited on a chain when it was found to be in trouble, and were asked of the other one.
    GATEWAY_MOVED = Counter, "tandem_gateway_reads_moved_total", "reads", [], 1;
    /// Copies of reads sent to a chain to see how it is: the standby's share, and trials of one in trouble.
    GATEWAY_COPIES = Counter, "tandem_gateway_copies_total", "reads", [], 1;
    /// Routes that a chain's answers named before control did.
    GATEWAY_ROUTES_LEARNT = Counter, "tandem_gateway_routes_learnt_total", "routes", [], 1;
    /// Reads that had to wait until a chain reached the token.
    GATEWAY_WAITED = Counter, "tandem_gateway_reads_waited_total", "reads", [], 1;
    /// Reads answered with older data than the token, and marked so.
    GATEWAY_STALE = Counter, "tandem_gateway_reads_stale_total", "reads", [], 1;
    /// Reads answered with 503 by the gateway.
    GATEWAY_UNAVAILABLE = Counter, "tandem_gateway_reads_unavailable_total", "reads", [], 1;
    /// Streams that are open.
    GATEWAY_STREAMS = Gauge, "tandem_gateway_streams", "streams", [], 1;
    /// Orders to repair that this gateway passed on and a chain has kept.
    GATEWAY_REPAIRS_ORDERED = Counter, "tandem_gateway_repairs_ordered_total", "repairs", [], 1;
    /// Requests refused because they were malformed or ambiguous, by what was wrong with them. Whoever sends
    /// many of them has a broken client, or is looking for a way to smuggle requests.
    GATEWAY_VIOLATIONS = Counter, "tandem_gateway_violations_total", "requests", ["violation"], 64;
    /// Clients' connections closed before their end, by why: stalled (the client did not take its answers), reset
    /// (it took back more requests than it let be answered).
    GATEWAY_CLOSED = Counter, "tandem_gateway_connections_closed_total", "connections", ["reason"], 2;
    /// Requests that were not let in or not taken because of who asks, by reason: unknown (a key nobody has),
    /// ended (a key that has expired or was revoked), token, signature, replayed, replays_full (no room to
    /// remember a signed request), body (not the signed one), foreign (events of somebody else's sessions).
    GATEWAY_CALLERS_REFUSED = Counter, "tandem_gateway_callers_refused_total", "requests", ["reason"], 8;
    /// Times that keys of tenants or of tokens were loaded, by outcome: ok, or failed (those before stay in use).
    GATEWAY_KEY_LOADS = Counter, "tandem_gateway_key_loads_total", "times", ["outcome"], 2;
    /// Questions put to a chain, hedges and repeats included.
    GATEWAY_ASKED = Counter, "tandem_gateway_chain_asked_total", "questions", ["chain"], CHAINS;
    /// Questions a chain answered with 5xx or not at all.
    GATEWAY_ERRORS = Counter, "tandem_gateway_chain_errors_total", "questions", ["chain"], CHAINS;
    /// Questions a chain did not answer in time; these are errors, too.
    GATEWAY_TIMEOUTS = Counter, "tandem_gateway_chain_timeouts_total", "questions", ["chain"], CHAINS;
    /// Questions for which a chain had not read as far as the token.
    GATEWAY_BEHIND = Counter, "tandem_gateway_chain_behind_total", "questions", ["chain"], CHAINS;
    /// Questions a chain took longer for than the hedge delay.
    GATEWAY_SLOW = Counter, "tandem_gateway_chain_slow_total", "questions", ["chain"], CHAINS;
    /// Times a chain was found to be in trouble, so that reads go to the other one.
    GATEWAY_TRIPS = Counter, "tandem_gateway_chain_trips_total", "times", ["chain"], CHAINS;
    /// 1 for what the breaker of a chain is doing, 0 for the rest: closed (the chain gets reads), open (it gets
    /// none), probation (it gets trials).
    GATEWAY_BREAKER = Gauge, "tandem_gateway_chain_breaker", "", ["chain", "state"], 3 * CHAINS;
    /// How long a read waits for a chain before the other one is asked as well.
    GATEWAY_HEDGE_DELAY = Gauge, "tandem_gateway_chain_hedge_delay_seconds", "seconds", ["chain"], CHAINS;
    /// Questions put to a query node.
    GATEWAY_NODE_ASKED = Counter, "tandem_gateway_node_asked_total", "questions", ["chain", "node"], 128;
    /// Questions that failed at a query node, or were given up on while it hung.
    GATEWAY_NODE_FAILURES = Counter, "tandem_gateway_node_failures_total", "questions", ["chain", "node"], 128;
    /// Questions to a query node whose asker went away before there was an answer.
    GATEWAY_NODE_DROPPED = Counter, "tandem_gateway_node_dropped_total", "questions", ["chain", "node"], 128;
    /// 1 while a query node sits out after a failure.
    GATEWAY_NODE_OUT = Gauge, "tandem_gateway_node_out", "", ["chain", "node"], 128;
    /// 1 if a chain says that it is ready, as the gateway sees it; 0 also where it does not answer.
    GATEWAY_CHAIN_READY = Gauge, "tandem_gateway_chain_ready", "", ["chain"], CHAINS;
    /// Requests that a rate limit decided about, by rule: allowed, limited (429), shadow_limited (would have been, were the
    /// rule not in shadow mode).
    GATEWAY_LIMIT_DECISIONS = Counter, "tandem_gateway_limit_decisions_total", "requests", ["rule", "decision"], 3 * 32;
    /// Keys and addresses that the limits forgot while they still owed something, for lack of room: raise limit_keys.
    GATEWAY_LIMIT_EVICTIONS = Counter, "tandem_gateway_limit_evictions_total", "keys", [], 1;
    /// Memory of what the limits know of keys and addresses, taken at the start.
    GATEWAY_LIMIT_BYTES = Gauge, "tandem_gateway_limit_bytes", "bytes", [], 1;
    /// Keys of shared limits that have a lease.
    GATEWAY_LEASES = Gauge, "tandem_gateway_leases", "keys", [], 1;
    /// Gateways that share limits, as their store counted them last.
    GATEWAY_LEASE_GATEWAYS = Gauge, "tandem_gateway_lease_gateways", "gateways", [], 1;
    /// Questions for units of shared limits, by how they ended: answered, failed.
    GATEWAY_LEASE_QUESTIONS = Counter, "tandem_gateway_lease_questions_total", "questions", ["outcome"], 2;
    /// Units of shared limits that were granted to this gateway.
    GATEWAY_LEASE_UNITS = Counter, "tandem_gateway_lease_units_total", "units", [], 1;
    /// Requests about shared limits that were let through by this gateway's own share, by why: unheard (the store had not
    /// said anything lately), no_room (too many keys at once).
    GATEWAY_LEASE_FROM_SHARE = Counter, "tandem_gateway_lease_from_share_total", "requests", ["why"], 2;
    /// Verdicts of the shield, by action: allow, tag, slow, challenge, limit (429), deny (403). They are carried out where
    /// tandem_gateway_shield_enforced is 1.
    GATEWAY_SHIELD_VERDICTS = Counter, "tandem_gateway_shield_verdicts_total", "requests", ["action"], 6;
    /// The same by what would be done if rules that only observe had a say.
    GATEWAY_SHIELD_WOULD_BE = Counter, "tandem_gateway_shield_would_be_total", "requests", ["action"], 6;
    /// How often a rule of the shield spoke: counted, or only observed.
    GATEWAY_SHIELD_RULES = Counter, "tandem_gateway_shield_rule_spoke_total", "requests", ["rule", "how"], 2 * 32;
    /// 1 where the shield's verdicts are carried out, 0 where they are only observed.
    GATEWAY_SHIELD_ENFORCED = Gauge, "tandem_gateway_shield_enforced", "", [], 1;
    /// Addresses, credentials and forms of headers that the shield remembers.
    GATEWAY_SHIELD_KEYS = Gauge, "tandem_gateway_shield_keys", "keys", [], 1;
    /// Memory of what the shield remembers.
    GATEWAY_SHIELD_BYTES = Gauge, "tandem_gateway_shield_bytes", "bytes", [], 1;
    /// What the shield forgot for lack of room.
    GATEWAY_SHIELD_EVICTIONS = Counter, "tandem_gateway_shield_evictions_total", "keys", [], 1;
    /// Claims to be a known crawler that the shield had no room to look into.
    GATEWAY_SHIELD_CLAIMS_DROPPED = Counter, "tandem_gateway_shield_claims_dropped_total", "claims", [], 1;
    /// Claims to be a known crawler that were looked into, by what came of it: confirmed, denied, unknown (nobody could
    /// say; it will be asked again).
    GATEWAY_SHIELD_CLAIMS = Counter, "tandem_gateway_shield_claims_total", "claims", ["outcome"], 3;
    /// Networks that the shield knows: of crawlers, and blocked ones.
    GATEWAY_SHIELD_NETWORKS = Gauge, "tandem_gateway_shield_networks", "networks", ["list"], 2;
    /// Lists of networks that crawlers' operators publish and that could not be fetched.
    GATEWAY_SHIELD_FETCHES_FAILED = Counter, "tandem_gateway_shield_fetches_failed_total", "lists", [], 1;
    /// TLS handshakes by how they ended: done, failed (nothing in common, nonsense, a client that left), late (given up
    /// because they took too long), refused (too many were under way).
    GATEWAY_HANDSHAKES = Counter, "tandem_gateway_tls_handshakes_total", "handshakes", ["outcome"], 4;
    /// Times that changed certificates were looked at, by outcome: ok, or failed (those before stay in use).
    GATEWAY_CERTIFICATE_LOADS = Counter, "tandem_gateway_certificate_loads_total", "times", ["outcome"], 2;
    /// Configurations that were read while it ran, by outcome: applied, or refused as a whole (the one before stays).
    GATEWAY_CONFIG_LOADS = Counter, "tandem_gateway_config_loads_total", "times", ["outcome"], 2;
    /// Options that were changed in the configuration and only take effect at the next start. The log names them.
    GATEWAY_CONFIG_PENDING = Gauge, "tandem_gateway_config_restart_options", "options", [], 1;
    /// How many reads may be asked of the chains at one time, as learnt from how they answer.
    GATEWAY_READS_LIMIT = Gauge, "tandem_gateway_reads_limit", "reads", [], 1;
    /// Reads that are asked of the chains right now.
    GATEWAY_READS_IN_FLIGHT = Gauge, "tandem_gateway_reads_in_flight", "reads", [], 1;
    /// Reads that wait for room, for some milliseconds at the most.
    GATEWAY_READS_QUEUED = Gauge, "tandem_gateway_reads_queued", "reads", [], 1;
    /// Reads that were let through to the chains, by class: operator, live (screens of sessions on air), ordinary,
    /// export, unsigned.
    GATEWAY_READS_ADMITTED = Counter, "tandem_gateway_reads_admitted_total", "reads", ["class"], 5;
    /// Reads that were sent away with 503 because more was asked for than can be done, by class and reason: cap (as
    /// many as reads_max were under way), full (nobody of less importance waited), class (room for more important ones
    /// only), late (no room while it waited).
    GATEWAY_SHED = Counter, "tandem_gateway_shed_total", "reads", ["class", "reason"], 20;
    /// Reads that were not answered within the time their clients allowed (Tandem-Timeout-Ms).
    GATEWAY_DEADLINES = Counter, "tandem_gateway_deadlines_expired_total", "reads", [], 1;
    /// The epoch of the route that is used here; 0 before one is known. A gateway may have learnt of it from an answer.
    ROUTE_EPOCH = Gauge, "tandem_route_epoch", "epochs", [], 1;
    /// 1 for the chain that the route used here names, 0 for the other.
    ROUTE_ACTIVE = Gauge, "tandem_route_active", "", ["chain"], CHAINS;
    /// 1 for how the digests of both chains compare at the newest beat both have, 0 for the rest: equal,
    /// indeterminate (nothing to compare yet), different.
    PARITY = Gauge, "tandem_parity", "", ["verdict"], 3;
    /// The beat up to which every partition has been compared, in seconds since the epoch. Absent before the first.
    PARITY_BEAT = Gauge, "tandem_parity_beat_seconds", "seconds", [], 1;
    /// What is wrong after the third vote and not mended yet, by whom it names (a, b or both) and how it showed:
    /// computed (in digests), stored (in a store).
    PARITY_FINDINGS = Gauge, "tandem_parity_findings", "findings", ["wrong", "level"], 6;
    /// Rounds of the slow scan through all sessions in all stores that came to their end.
    PARITY_ROUNDS = Counter, "tandem_parity_scan_rounds_total", "rounds", [], 1;
    /// When the last of them did, in seconds since the epoch. Absent before the first.
    PARITY_ROUND = Gauge, "tandem_parity_scan_last_round_seconds", "seconds", [], 1;
    /// Sessions that the scan compared in all stores; one counts each time.
    PARITY_SESSIONS = Counter, "tandem_parity_scan_sessions_total", "sessions", [], 1;
    /// Third votes taken: rows recomputed from the log to name the wrong chain.
    PARITY_VOTES = Counter, "tandem_parity_votes_total", "votes", [], 1;

    /// Bodies of events, by what became of them: accepted (malformed lines in them or not), repeated (had been
    /// accepted before, by Idempotency-Key), refused (the sender's fault), busy (no room, or its first sending is under way), failed (the log's or ours).
    INGEST_BODIES = Counter, "tandem_ingest_bodies_total", "bodies", ["outcome"], 5;
    /// Lines taken in as events.
    INGEST_EVENTS = Counter, "tandem_ingest_events_total", "lines", [], 1;
    /// Those of them that were marked as suspect on the way in, since the shield doubts their sender.
    INGEST_SUSPECT = Counter, "tandem_ingest_suspect_events_total", "lines", [], 1;
    /// Lines taken in as beats, of a replay.
    INGEST_BEATS = Counter, "tandem_ingest_beats_total", "lines", [], 1;
    /// Lines that are no events; kept as dead letters, and named to their sender.
    INGEST_MALFORMED = Counter, "tandem_ingest_malformed_lines_total", "lines", [], 1;
    /// Bodies that are being taken, waiting for the log mostly.
    INGEST_WAITING = Gauge, "tandem_ingest_bodies_waiting", "bodies", [], 1;
    /// How many bodies may be taken at one time.
    INGEST_WAITING_MAX = Gauge, "tandem_ingest_bodies_waiting_max", "bodies", [], 1;

    /// Beats written to all partitions.
    METRONOME_BEATS = Counter, "tandem_metronome_beats_total", "beats", [], 1;
    /// Beats whose writing failed; they may be in the log all the same.
    METRONOME_FAILED = Counter, "tandem_metronome_beats_failed_total", "beats", [], 1;
    /// Seconds without a beat because the wall clock was not to be trusted: stepped, or far off the control node's.
    METRONOME_REFUSED = Counter, "tandem_metronome_beats_refused_total", "beats", [], 1;
    /// The last beat that was written, in seconds since the epoch. Absent before the first.
    METRONOME_LAST = Gauge, "tandem_metronome_last_beat_seconds", "seconds", [], 1;
    /// How far this machine's clock is ahead of the control node's. Absent while that is not known.
    METRONOME_OFFSET = Gauge, "tandem_metronome_clock_offset_seconds", "seconds", [], 1;

    /// The epoch of the newest decision.
    CONTROL_EPOCH = Gauge, "tandem_control_epoch", "epochs", [], 1;
    /// 1 for the chain that serves by the newest decision, 0 for the other.
    CONTROL_ACTIVE = Gauge, "tandem_control_active", "", ["chain"], CHAINS;
    /// 1 where this node leads the control group, 0 where it follows.
    CONTROL_LEADS = Gauge, "tandem_control_leads", "", [], 1;
    /// The term of the control group, as this node knows it: rises with every election.
    CONTROL_TERM = Gauge, "tandem_control_term", "terms", [], 1;
    /// Members of the control group, as this node knows them: voter, learner.
    CONTROL_MEMBERS = Gauge, "tandem_control_members", "members", ["kind"], 2;
    /// Decisions in the group's log that this node has applied, those from before its start included.
    CONTROL_DECISIONS = Counter, "tandem_control_decisions_total", "decisions", [], 1;
    /// The place of the group's log up to which this node has committed entries.
    CONTROL_COMMITTED = Gauge, "tandem_control_committed_index", "entries", [], 1;
    /// The place of the group's log up to which this node has applied entries: what it decides by.
    CONTROL_APPLIED = Gauge, "tandem_control_applied_index", "entries", [], 1;
}

/// The table of all metrics, for `docs/metrics.md`.
pub fn markdown() -> String {
    let mut table = "# Metrics\n\n\
        Every role has an admin port with `/metrics` (Prometheus), `/healthz` and `/readyz`. This table is made \
        from the definitions (`services/telemetry/src/catalogue.rs`); a test keeps it in step.\n\n\
        A label has few values: `chain` is a, b or empty (what both share), `partition` counts from 0. No label \
        ever holds a session, a user or a key. What exceeds a metric's bound of series is summed up under \
        `otel_metric_overflow=\"true\"`.\n\n\
        | metric | type | unit | labels | meaning |\n|---|---|---|---|---|\n"
        .to_owned();
    for Metric { name, kind, unit, labels, help, .. } in ALL {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = kind.exposed();
        table.push_str(&format!("| `{name}` | {kind} | {unit} | {} | {help} |\n", labels.join(" ")));
    }
    table
}
