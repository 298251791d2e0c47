//! All sections, and the options of our own roles. Those of the backends are in `backends.rs`.

use super::backends;
use super::option::{Opt, Role, Section};

const MINUTE_MS: u64 = 60_000;
const MIB: u64 = 1 << 20;

/// Every section there is, in the order of the reference.
pub(super) const SECTIONS: &[Section] = &[
    backends::LOG,
    OPERATOR,
    PSEUDONYMS,
    CONTROL,
    GATEWAY,
    backends::SHARED_LIMITS,
    GATEWAY_ADMISSION,
    GATEWAY_SHIELD,
    GATEWAY_TLS,
    GATEWAY_JWT,
    METRONOME,
    PUBLISH,
    COMPUTE,
    QUERY,
    backends::ROWS,
    backends::HOT,
    backends::SNAPSHOTS,
];

const ADMIN: &str = "Where health and metrics are shown: GET /healthz (alive), /readyz (would answer \
correctly now) and /metrics (Prometheus). Not for the public: without a key. Port 0 takes a free one, \
which is printed.";

const OPERATOR: Section = Section {
    path: "operator",
    about: "Who may do everything.",
    roles: &[Role::Compute, Role::Gateway, Role::Control, Role::Metronome, Role::Switch],
    options: &[Opt::secret(
        "key",
        "The operator's key: clients send it as `Authorization: Bearer KEY`, and the processes show it to the \
         control node. 1 to 256 characters out of A-Z a-z 0-9 - . _ ~ + / =. The variable TANDEM_KEY sets it, too.",
    )
    .required("")],
};

const PSEUDONYMS: Section = Section {
    path: "pseudonyms",
    about: "How viewers are called outside the log.",
    roles: &[Role::Compute, Role::Verify],
    options: &[Opt::secret(
        "key",
        "The key of viewers' pseudonyms: 32 hexadecimal digits (`openssl rand -hex 16`), the same for both chains \
         and for ever: with another one every viewer would get a second pseudonym. `tandem verify` compares \
         rejected events only where it has it.",
    )
    .required("")],
};

const CONTROL: Section = Section {
    path: "control",
    about: "Who decides which chain serves: a group of control nodes.",
    roles: &[Role::Compute, Role::Gateway, Role::Control, Role::Metronome, Role::Switch],
    options: &[
        Opt::urls(
            "nodes",
            &["http://127.0.0.1:8090"],
            (1, 7),
            "Where the control nodes are, in the order of their numbers: the first one is number 1. Three survive \
             the loss of one, five of two; with one alone nobody decides while it is away, and reads go on. All \
             processes should have the same list.",
        ),
        Opt::integer(
            "id",
            1,
            (1, 1_000),
            "",
            "The number of this control node, its own for good: one that was removed from the group is not used \
             again.",
        )
        .only_for(&[Role::Control]),
        Opt::flag(
            "join",
            false,
            "The group is there already, and this node is new in it: `tandem control members add` lets it in. Only \
             looked at while the folder is empty.",
        )
        .only_for(&[Role::Control]),
        Opt::address(
            "listen",
            "127.0.0.1:8090",
            "Where this control node listens, without TLS. Port 0 takes a free one, which is printed.",
        )
        .only_for(&[Role::Control]),
        Opt::path(
            "data",
            "The folder that holds the group's log, one for each control node. It must outlive the process: one \
             that has lost it must come back under a new number.",
        )
        .required("control")
        .only_for(&[Role::Control]),
        Opt::urls("chain_a", &["http://127.0.0.1:8081"], (1, 64), "The query nodes of chain a, to look at.")
            .only_for(&[Role::Control]),
        Opt::urls("chain_b", &["http://127.0.0.1:8082"], (1, 64), "The query nodes of chain b, to look at.")
            .only_for(&[Role::Control]),
        Opt::address("admin", "127.0.0.1:9090", ADMIN).only_for(&[Role::Control]),
    ],
};

const GATEWAY: Section = Section {
    path: "gateway",
    about: "The port for everybody.",
    roles: &[Role::Gateway],
    options: &[
        Opt::address(
            "listen",
            "127.0.0.1:8080",
            "Where it listens, without TLS. Port 0 takes a free one, which is printed.",
        ),
        Opt::address("admin", "127.0.0.1:9080", ADMIN),
        Opt::urls("chain_a", &["http://127.0.0.1:8081"], (1, 64), "The query nodes of chain a."),
        Opt::urls("chain_b", &["http://127.0.0.1:8082"], (1, 64), "The query nodes of chain b."),
        Opt::choice(
            "clock",
            &["live", "replay"],
            "live",
            "What moves time: a metronome, or `tandem ingest --replay`, which then must be the only one (start no \
             metronome).",
        ),
        Opt::path(
            "keys",
            "The file of tenants and their keys, as `tandem key create` makes it. It is looked at each second and \
             taken into use when it has changed; one that is wrong is refused as a whole, and what was in use stays. \
             Nobody but its owner and group may read it. Where it is not set, only the operator's key opens.",
        ),
        Opt::path(
            "route_memory",
            "A file that remembers the last route, for a start while the control node is away. Where it is not set, \
             such a start begins with chain a.",
        ),
        Opt::integer(
            "hedge_delay_ms",
            50,
            (1, MINUTE_MS),
            "milliseconds",
            "The longest that a read waits before the other chain is asked as well. It is twice the 99th percentile \
             of what the chain usually takes, within both bounds; this one while that is not known. Lower hides slow \
             chains sooner and costs more double work, up to a budget of 10 %.",
        )
        .live(),
        Opt::integer(
            "hedge_delay_min_ms",
            5,
            (1, MINUTE_MS),
            "milliseconds",
            "The shortest that it waits. Of no effect where it is longer than the longest.",
        )
        .live(),
        Opt::integer(
            "standby_percent",
            1,
            (0, 10),
            "of 100 reads",
            "How many reads are copied to the chain that does not serve, so that its health is known and its caches \
             are warm.",
        )
        .live(),
        Opt::integer(
            "answer_kept_ms",
            250,
            (0, 1_000),
            "milliseconds",
            "How long an answer serves others who ask the same, counted from its question; at 0 only those share it who \
             ask while the question is under way. Nobody gets an answer that is older than the token they send.",
        )
        .live(),
        Opt::integer(
            "answers_bytes_max",
            64 * MIB,
            (0, 65_536 * MIB),
            "bytes",
            "Most memory for such answers.",
        )
        .live(),
        Opt::texts(
            "cors_origins",
            &[],
            (0, 64),
            "Origins of web pages that may call from a browser, such as `https://live.example`; `*` alone for all.",
        )
        .live(),
        Opt::integer(
            "upstream_timeout_ms",
            2_000,
            (1, MINUTE_MS),
            "milliseconds",
            "How long one chain may take for one answer.",
        )
        .live(),
        Opt::integer(
            "connect_timeout_ms",
            250,
            (1, MINUTE_MS),
            "milliseconds",
            "How long a connection to a query node may take to be made. Nodes are near: one that takes longer is gone.",
        ),
        Opt::integer(
            "answer_bytes_max",
            256 * MIB,
            (64 * 1024, 4_096 * MIB),
            "bytes",
            "Largest answer that is taken from a query node.",
        ),
        Opt::integer(
            "body_bytes_max",
            8 * MIB,
            (1, 8 * MIB),
            "bytes",
            "Largest body of events that is taken.",
        )
        .live(),
        Opt::integer(
            "header_timeout_ms",
            30_000,
            (1, 10 * MINUTE_MS),
            "milliseconds",
            "How long a client may take to send a request's header, and how long a connection may idle between two.",
        )
        .live(),
        Opt::integer(
            "body_timeout_ms",
            30_000,
            (1, 10 * MINUTE_MS),
            "milliseconds",
            "How long a client may take to send a body; less when it sends under 1 KiB/s for more than 5 s.",
        )
        .live(),
        Opt::integer(
            "send_timeout_ms",
            30_000,
            (1_000, 10 * MINUTE_MS),
            "milliseconds",
            "How long a client may take to take an answer, and a second more for each 4 KiB; then the connection is closed.",
        )
        .live(),
        Opt::integer(
            "drain_ms",
            10_000,
            (0, 10 * MINUTE_MS),
            "milliseconds",
            "How long requests under way may go on after a stop has begun.",
        )
        .live(),
        Opt::integer(
            "connections_max",
            10_000,
            (1, MIB),
            "",
            "Most connections at one time; one more is refused.",
        )
        .live(),
        Opt::integer(
            "reads_max",
            4_096,
            (1, MIB),
            "",
            "Most reads at one time, of all classes together; one more is answered with 503. How many are worth it is \
             learnt, and usually far fewer: see [gateway.admission].",
        )
        .live(),
        Opt::integer(
            "streams_max",
            10_000,
            (1, MIB),
            "",
            "Most streams at one time; one more is answered with 503. Each needs a connection.",
        )
        .live(),
        Opt::integer(
            "streams_per_tenant_max",
            1_000,
            (1, MIB),
            "",
            "Most streams of one tenant at one time; one more is answered with 429.",
        )
        .live(),
        Opt::integer(
            "stream_sessions_max",
            32,
            (1, 256),
            "",
            "Most sessions that one stream of `/v1/stream` follows. Each counts as a stream.",
        )
        .live(),
        Opt::integer(
            "bodies_max",
            32,
            (1, MIB),
            "",
            "Most bodies at one time; one more is answered with 503.",
        )
        .live(),
        Opt::path(
            "limits",
            "A file of rate limits in TOML: who may ask how much. It is looked at every two seconds; what is wrong in \
             it is logged and changes nothing. Where it is not set, limits far above what anybody needs are in force.",
        )
        .live(),
        Opt::integer(
            "limit_keys",
            131_072,
            (16, 64 * MIB),
            "keys",
            "For how many keys, tenants and addresses at one time it is known what they asked for; 33 bytes each, taken \
             at the start. Where there are more, those who asked the least start anew.",
        ),
        Opt::integer(
            "trusted_hops",
            0,
            (0, 16),
            "proxies",
            "How many proxies stand in front of it and append to X-Forwarded-For. Only right where nobody can reach it \
             around them. 0: addresses are those of connections.",
        )
        .live(),
        Opt::texts(
            "trusted_proxies",
            &[],
            (0, 64),
            "Networks of proxies that are believed about X-Forwarded-For, like 10.0.0.0/8. Instead of trusted_hops.",
        )
        .live(),
        Opt::flag(
            "share_limits",
            false,
            "Whether limits that are marked `shared` are one limit for all gateways, over the Redis of [shared_limits]. \
             Else each gateway keeps to its part.",
        ),
        Opt::integer(
            "gateways",
            1,
            (1, 1_024),
            "gateways",
            "How many gateways there are, for their parts of shared limits as long as Redis has not counted them.",
        ),
    ],
};

const GATEWAY_TLS: Section = Section {
    path: "gateway.tls",
    about: "TLS beside the plain port: the same is served there, by HTTP/2 and HTTP/1.1, with TLS 1.2 and 1.3. It is \
            spoken where a certificate and its key are set.",
    roles: &[Role::Gateway],
    options: &[
        Opt::address(
            "listen",
            "127.0.0.1:8443",
            "Where it listens with TLS. Port 0 takes a free one, which is printed.",
        ),
        Opt::path(
            "certificate",
            "The certificate in PEM, the server's own first, then those of its issuers. It is looked at each second \
             and shown to new connections when it or its key has changed; a pair that is wrong is refused, and what \
             was shown before stays.",
        )
        .live(),
        Opt::path(
            "key",
            "Its private key in PEM. Nobody but its owner and group may read it.",
        )
        .live(),
        Opt::texts(
            "more",
            &[],
            (0, 16),
            "Folders with a `tls.crt` and a `tls.key` each, as orchestrators mount them: certificates for other names. A \
             client is shown the first that is good for the name it asks for, else the one above.",
        )
        .live(),
    ],
};

const GATEWAY_ADMISSION: Section = Section {
    path: "gateway.admission",
    about: "Who goes first when more is asked for than can be done: screens of sessions on air, then other reads, \
            exports, and those who show no key; inside a class who has the least under way. How much can be done is \
            learnt while it is. Operators and events are not held up.",
    roles: &[Role::Gateway],
    options: &[
        Opt::flag("enabled", true, "Whether this is done at all; else only reads_max holds.").live(),
        Opt::integer(
            "limit_initial",
            64,
            (1, MIB),
            "reads",
            "The limit to begin with. After some seconds of overload it makes no difference.",
        )
        .live(),
        Opt::integer(
            "limit_min",
            4,
            (1, MIB),
            "reads",
            "The limit is never lower. At most limit_initial; reads_max lowers both.",
        )
        .live(),
        Opt::integer(
            "wait_ms",
            4,
            (0, 1_000),
            "milliseconds",
            "How long a read waits for room under overload; then it is answered with 503. Longer lets fewer be sent \
             away, and everybody wait.",
        )
        .live(),
        Opt::integer(
            "burst_wait_ms",
            20,
            (0, 1_000),
            "milliseconds",
            "The same in a burst: while for less than 100 ms somebody has been waiting. At least wait_ms.",
        )
        .live(),
    ],
};

const GATEWAY_SHIELD: Section = Section {
    path: "gateway.shield",
    about: "How hostile traffic is told from people and applications, and met. `tandem shield explain` says why a \
            request was met as it was.",
    roles: &[Role::Gateway],
    options: &[
        Opt::choice(
            "mode",
            &["off", "observe", "enforce"],
            "observe",
            "What becomes of its verdicts: observe counts and explains them and lets everybody pass.",
        )
        .live(),
        Opt::path(
            "rules",
            "A file of rules in TOML: what each signal is worth, from how many points on what is done. It needs to say \
             only what differs from the rules that come with the gateway. It is looked at every two seconds; what is \
             wrong in it is logged and changes nothing.",
        )
        .live(),
        Opt::path(
            "networks",
            "A file of networks in TOML: `blocked`, and under `[crawlers]` those of known crawlers by name. It is \
             looked at like the rules.",
        ),
        Opt::flag(
            "verify_crawlers",
            true,
            "Whether those who say that they are known crawlers are looked up in the DNS, beside their requests.",
        ),
        Opt::texts(
            "resolvers",
            &[],
            (0, 8),
            "Servers of the DNS to ask, like 192.0.2.53:53. Those of this machine where there are none.",
        ),
        Opt::flag(
            "fetch_networks",
            false,
            "Whether networks that crawlers' operators publish are fetched from there, twice a day.",
        ),
        Opt::integer(
            "slow_ms",
            500,
            (1, 10_000),
            "milliseconds",
            "How long a request waits that is to be slowed down.",
        )
        .live(),
        Opt::integer(
            "slowed_max",
            1_024,
            (1, MIB),
            "requests",
            "Most requests that are held back so at one time; one more is answered with 429.",
        )
        .live(),
        Opt::integer(
            "explained_max",
            4_096,
            (0, MIB),
            "verdicts",
            "How many verdicts can be explained afterwards, the newest.",
        ),
        Opt::secret(
            "secret",
            "What proofs of work are signed with, 64 hexadecimal digits: the same at all gateways, so that one takes \
             what another asked for. Where it is not set, each has its own, anew at each start.",
        ),
    ],
};

const GATEWAY_JWT: Section = Section {
    path: "gateway.jwt",
    about: "Tokens (JWT, signed with EdDSA or ES256) that are taken in the place of keys. None is while nothing is set \
            here; issuer, audience and one place of the keys belong together. The tenants are those of the file of keys.",
    roles: &[Role::Gateway],
    options: &[
        Opt::text("issuer", "", "What `iss` must be."),
        Opt::text("audience", "", "What `aud` must be, or hold."),
        Opt::text("tenant_claim", "tenant", "Which claim names the tenant."),
        Opt::path(
            "jwks",
            "A file with the public keys of the issuer, as a JSON Web Key Set. It is looked at each second.",
        ),
        Opt::text(
            "jwks_url",
            "",
            "Where the issuer publishes them: https, or http at this machine. It is asked every five minutes, and for \
             keys that are not known at most once a minute; while it is away, the keys before stay in use.",
        ),
    ],
};

const METRONOME: Section = Section {
    path: "metronome",
    about: "What moves time: a beat a second into every partition. Two may run; what does not rise is ignored.",
    roles: &[Role::Metronome],
    options: &[
        Opt::address("admin", "127.0.0.1:9070", ADMIN),
        Opt::integer(
            "clock_difference_ms_max",
            5_000,
            (100, 60 * MINUTE_MS),
            "milliseconds",
            "A metronome whose clock lies farther from the control node's does not beat: a clock an hour ahead would \
             make an hour of events late on both chains.",
        ),
        Opt::integer(
            "clock_check_ms",
            10_000,
            (100, 10 * MINUTE_MS),
            "milliseconds",
            "How often the clocks are compared. In between, steps of the own clock show against the machine's steady \
             one, also while the control node is away.",
        ),
    ],
};

const PUBLISH: Section = Section {
    path: "publish",
    about: "Summary rows for partner teams, published by the active chain. Both chains must say the same here.",
    roles: &[Role::Compute],
    options: &[
        Opt::flag(
            "enabled",
            true,
            "Whether summaries are published at all. Both chains must agree: where it is on, snapshots that the \
             publisher still needs are kept.",
        ),
        Opt::integer(
            "batch_bytes",
            256 * 1024,
            (1_024, 64 * MIB),
            "bytes",
            "How much of the log is read at a time; the beats in it share a transaction, so this bounds one while \
             catching up.",
        ),
        Opt::integer("beats_max", 60, (1, 3_600), "beats", "Most beats in one transaction."),
        Opt::integer(
            "rows_max",
            20_000,
            (1, 10_000_000),
            "rows",
            "A transaction that holds this many takes no further beat.",
        ),
        Opt::integer(
            "read_pause_ms",
            50,
            (0, MINUTE_MS),
            "milliseconds",
            "Least time between two reads of the log: many small reads cost more than few larger ones.",
        ),
        Opt::integer(
            "retry_pause_ms_max",
            2_000,
            (1, 10 * MINUTE_MS),
            "milliseconds",
            "Longest pause before the topic, the log or the control node is tried again.",
        ),
        Opt::integer(
            "standby_look_ms",
            10_000,
            (1, 60 * MINUTE_MS),
            "milliseconds",
            "How often a chain that is not active looks how far the topic is.",
        ),
    ],
};

const COMPUTE: Section = Section {
    path: "chains.{chain}.compute",
    about: "The compute of the chain. Several processes share its partitions. The chains differ on purpose: rows may \
            not depend on any of this.",
    roles: &[Role::Compute],
    options: &[
        Opt::address("admin", "127.0.0.1:9060", ADMIN),
        Opt::integer(
            "batch_bytes",
            0,
            (1_024, 64 * MIB),
            "bytes",
            "How much of the log is folded between two looks at the clock.",
        )
        .preset_of(512 * 1024, 192 * 1024),
        Opt::integer(
            "flush_interval_ms",
            0,
            (1, 10_000),
            "milliseconds",
            "Least time between two flushes to the stores: what changes in between is written once. Higher saves \
             writes and shows events later.",
        )
        .preset_of(50, 75),
        Opt::integer(
            "snapshot_interval_ms",
            0,
            (100, 60 * MINUTE_MS),
            "milliseconds",
            "Longest time between two snapshots. Higher: a longer replay after a restart.",
        )
        .preset_of(30_000, 45_000),
        Opt::integer(
            "snapshot_records",
            0,
            (100, 1_000_000_000),
            "records",
            "Most records between two snapshots: bounds the replay where the log is loaded fast.",
        )
        .preset_of(150_000, 100_000),
        Opt::integer("snapshots_kept", 2, (1, 1_000), "", "How many snapshots are kept per partition."),
        Opt::integer(
            "hot_timeout_ms",
            1_000,
            (10, MINUTE_MS),
            "milliseconds",
            "Longest time that one call to the hot store may take. After one that takes longer the chain goes on \
             without the hot store until that can be begun anew.",
        ),
        Opt::text(
            "seeded_fault",
            "",
            "For drills only: an event that contains this text makes the computation of this process fail, so that \
             it is put into quarantine; empty: nothing does.",
        ),
    ],
};

const QUERY: Section = Section {
    path: "chains.{chain}.query",
    about: "A query node of the chain. For gateways only: it asks nobody for a key.",
    roles: &[Role::Query],
    options: &[
        Opt::address(
            "listen",
            "127.0.0.1:8081",
            "Where it listens, without TLS. Port 0 takes a free one, which is printed.",
        ),
        Opt::address("admin", "127.0.0.1:9081", ADMIN),
        Opt::integer(
            "boards_bytes_max",
            256 * MIB,
            (MIB, 64 * 1024 * MIB),
            "bytes",
            "What boards that were worked out may take together, beside the rows they are made of. A board of a million \
             subjects takes 60 to 200 MB, and one that found no room is worked out again for each who asks.",
        ),
        Opt::integer(
            "connections_max",
            10_000,
            (1, MIB),
            "",
            "Most connections at one time; one more is refused.",
        ),
        Opt::integer(
            "drain_ms",
            10_000,
            (0, 10 * MINUTE_MS),
            "milliseconds",
            "How long requests under way may go on after a stop has begun.",
        ),
    ],
};
