//! The options of the backends, section by section as their adapters take them. The adapters check
//! what goes beyond kind and range; a test holds names, presets and ranges here against theirs.

use super::option::{Opt, Role, Section};

const MINUTE_MS: u64 = 60_000;
const DAY_S: u64 = 86_400;
const MIB: u64 = 1 << 20;
const EXPIRY_S_MAX: u64 = 630_720_000;

pub(super) const LOG: Section = Section {
    path: "log",
    about: "The event log on Kafka, which both chains follow, and the topic of summaries.",
    roles: &[Role::Compute, Role::Query, Role::Gateway, Role::Metronome, Role::Schema, Role::Verify],
    options: &[
        Opt::texts(
            "brokers",
            &["127.0.0.1:9092"],
            (1, 32),
            "`host:port` of some brokers; the others are found.",
        ),
        Opt::choice(
            "security",
            &["plaintext", "sasl_plaintext", "ssl", "sasl_ssl"],
            "plaintext",
            "How brokers are spoken to: plaintext, or sasl_plaintext (user and password, mechanism PLAIN, \
             unencrypted: for a network that encrypts by itself). This build has no TLS.",
        ),
        Opt::text("user", "", "The user to log in as, with sasl_plaintext."),
        Opt::secret("password", "The user's password."),
        Opt::text("events_topic", "dwd.live", "The topic of events."),
        Opt::text("summaries_topic", "dws.live", "The topic of summary rows for partner teams."),
        Opt::text("receipts_topic", "tandem.receipts", "The topic of receipts (idempotency keys)."),
        Opt::text("meta_topic", "tandem.meta", "The topic that says which log this is."),
        Opt::text(
            "prefix",
            "tandem",
            "Begins the names of transactions and consumer groups. Two installations on one cluster need two, and \
             topics of their own.",
        ),
        Opt::integer(
            "partitions",
            12,
            (1, 1_024),
            "partitions",
            "Partitions of the events and of the summaries. Fixed for the life of the log: it decides which session \
             lives where.",
        ),
        Opt::text(
            "time_zone",
            "Asia/Shanghai",
            "The time zone of the boards, by its name in the IANA database: where hours, days, weeks and months begin. \
             Fixed for the life of the log, which `tandem schema apply` begins, so that both chains count alike.",
        ),
        Opt::integer("replicas", 3, (1, 9), "copies", "Copies of every partition."),
        Opt::integer(
            "in_sync_replicas",
            2,
            (1, 9),
            "copies",
            "How many copies must have a record before it counts, at most `replicas`. With 1, the loss of a broker \
             loses acknowledged events.",
        ),
        Opt::integer(
            "events_retention_s",
            30 * DAY_S,
            (3_600, u32::MAX as u64),
            "seconds",
            "How long events are kept; 0: for ever. `tandem verify`, time travel and a chain that starts from nothing \
             reach back as far as that.",
        )
        .or_zero(),
        Opt::integer(
            "receipts_retention_s",
            26 * 3_600,
            (90_000, u32::MAX as u64),
            "seconds",
            "How long receipts are kept: an idempotency key holds for a day.",
        ),
        Opt::integer(
            "slots",
            8,
            (1, 64),
            "",
            "Appends are spread over that many transactional ids, which all gateways share; also the partitions of \
             the receipts. An id is used by one gateway at a time, so there should be at least twice as many as \
             gateways. Fixed once receipts were written.",
        ),
        Opt::integer(
            "append_timeout_ms",
            10_000,
            (100, MINUTE_MS),
            "milliseconds",
            "How long an append may take, its waiting included.",
        ),
        Opt::integer(
            "transaction_timeout_ms",
            10_000,
            (1_000, MINUTE_MS),
            "milliseconds",
            "After how long Kafka ends a transaction whose writer died. Until then (or until somebody takes the \
             writer's slot over, which is the usual case) nothing that was appended after it can be read.",
        ),
        Opt::integer(
            "append_waiting_bytes_max",
            64 * MIB,
            (MIB, 1_024 * MIB),
            "bytes",
            "How much of appends may wait in one process; what comes beyond waits until `append_timeout_ms`.",
        ),
        Opt::choice(
            "compression",
            &["none", "lz4", "gzip", "snappy"],
            "lz4",
            "How events are compressed.",
        ),
        Opt::integer(
            "request_timeout_ms",
            5_000,
            (100, MINUTE_MS),
            "milliseconds",
            "How long a look at Kafka may take before it counts as unavailable.",
        ),
        Opt::integer(
            "read_ahead_bytes",
            8 * MIB,
            (64 << 10, 256 * MIB),
            "bytes",
            "How much is read ahead of what was asked for, per partition that is read.",
        ),
        Opt::integer(
            "fetch_wait_ms",
            100,
            (1, 10_000),
            "milliseconds",
            "How long the broker holds a request for events when there are none. Events that come are sent at once. \
             Lower costs requests, higher delays the first read from another place.",
        ),
        Opt::integer(
            "ends_interval_ms",
            1_000,
            (10, MINUTE_MS),
            "milliseconds",
            "How often the log's ends are asked for.",
        ),
        Opt::integer(
            "receipts_max",
            2_000_000,
            (1_000, 100_000_000),
            "receipts",
            "How many receipts are remembered, at about 60 bytes each; the oldest are forgotten first, and a key that \
             is sent again after that counts again.",
        ),
        Opt::integer(
            "session_timeout_ms",
            6_000,
            (1_000, 1_800_000),
            "milliseconds",
            "After how long without a sign of life a member of a consumer group loses its partitions. The broker must \
             allow it (group.min.session.timeout.ms, 6000 there unless set).",
        ),
    ],
};

pub(super) const ROWS: Section = Section {
    path: "chains.{chain}.rows",
    about: "The CQL store of the chain: ScyllaDB, or Apache Cassandra 4.1 and later.",
    roles: &[Role::Compute, Role::Query, Role::Schema, Role::Verify],
    options: &[
        Opt::texts(
            "addresses",
            &["127.0.0.1:9042"],
            (1, 32),
            "`host:port` of some nodes; the others are found.",
        ),
        Opt::text(
            "keyspace",
            "tandem",
            "The keyspace of this chain: 1 to 48 characters out of a-z 0-9 _, a letter first. Two chains on one \
             cluster need two.",
        ),
        Opt::text(
            "datacenter",
            "",
            "The data center whose nodes are asked; empty: any. Needed where there are several.",
        ),
        Opt::text("user", "", "The user to log in as; empty: without."),
        Opt::secret("password", "The user's password."),
        Opt::integer(
            "replicas",
            3,
            (1, 9),
            "copies",
            "Copies of everything in each data center, used by `tandem schema apply` when it creates the keyspace. \
             With fewer than 3 the loss of a machine loses rows.",
        ),
        Opt::counts(
            "replicas_by_datacenter",
            (1, 9),
            "The same for single data centers, by their names; where one is named, only the named ones hold copies.",
        ),
        Opt::text(
            "keyspace_options",
            "",
            "Appended to CREATE KEYSPACE, as CQL. ScyllaDB with tablets before 2025.4 needs \
             `AND tablets = {'enabled': false}`, as the schema's lock is a lightweight transaction.",
        ),
        Opt::choice(
            "consistency",
            &["one", "local_one", "quorum", "local_quorum", "all"],
            "local_quorum",
            "How many copies answer before a read or write counts. Anything below a quorum may show a reader older \
             rows than it saw.",
        ),
        Opt::integer(
            "connect_timeout_ms",
            5_000,
            (1, MINUTE_MS),
            "milliseconds",
            "How long making a connection may take.",
        ),
        Opt::integer(
            "request_timeout_ms",
            5_000,
            (1, 600_000),
            "milliseconds",
            "How long a request may take, its repetitions on other nodes included. What takes longer may have been \
             done or not.",
        ),
        Opt::integer(
            "turn_timeout_ms",
            5_000,
            (1, MINUTE_MS),
            "milliseconds",
            "How long a request may wait for its turn before it is refused as unavailable.",
        ),
        Opt::integer(
            "requests_max",
            32,
            (1, 8_192),
            "requests",
            "Requests under way at once for writing, and as many for reading. Together with batch_bytes_max it bounds \
             what the server has to hold of ours at once: a small one dies of too much.",
        ),
        Opt::integer(
            "speculative_after_ms",
            100,
            (0, MINUTE_MS),
            "milliseconds",
            "A read that has no answer after this long is sent to a second node as well; 0: never. Writes are not.",
        ),
        Opt::integer("connections", 1, (1, 16), "", "Connections to each shard (Cassandra: to each node)."),
        Opt::flag(
            "compress",
            false,
            "Whether requests and answers are compressed with LZ4. Worth it where the network costs more than the \
             processor.",
        ),
        Opt::integer(
            "batch_bytes_max",
            128 * 1_024,
            (1_024, 8 * MIB),
            "bytes",
            "Largest batch. A session's change that is larger is written in parts; readers wait meanwhile. Must stay \
             below half of the server's commit log segment.",
        ),
        Opt::integer("page_rows", 5_000, (10, 100_000), "rows", "Rows of one page of an answer."),
        Opt::integer(
            "settle_ms_max",
            1_000,
            (0, MINUTE_MS),
            "milliseconds",
            "How long a reader waits for a session that is being written in parts, or changes while it is read.",
        ),
        Opt::integer(
            "known_sessions_max",
            100_000,
            (1_000, 10_000_000),
            "sessions",
            "Sessions remembered as known; about 200 bytes each. Those beyond are looked up when they change.",
        ),
        Opt::integer(
            "ten_seconds_expiry_s",
            48 * 3_600,
            (0, EXPIRY_S_MAX),
            "seconds",
            "How long 10 s rows are kept after they were written; 0: for ever.",
        ),
        Opt::integer("minute_expiry_s", 90 * DAY_S, (0, EXPIRY_S_MAX), "seconds", "The same for 1 min rows."),
        Opt::integer(
            "total_expiry_s",
            400 * DAY_S,
            (0, EXPIRY_S_MAX),
            "seconds",
            "The same for 5 min rows, totals, sessions and their lists.",
        ),
        Opt::integer(
            "dead_letter_expiry_s",
            30 * DAY_S,
            (0, EXPIRY_S_MAX),
            "seconds",
            "The same for dead letters.",
        ),
    ],
};

// What is said of a Redis, whatever it is for.
const REDIS_MODE: Opt = Opt::choice(
    "mode",
    &["single", "sentinel", "cluster"],
    "single",
    "What stands behind the addresses: one server (or anything that looks like one), sentinels, or some nodes \
     of a cluster.",
);
const REDIS_ADDRESSES: Opt = Opt::texts(
    "addresses",
    &["127.0.0.1:6379"],
    (1, 32),
    "`host:port` of the server, the sentinels or the cluster's nodes. With mode single exactly one.",
);
const REDIS_SERVICE_NAME: Opt = Opt::text(
    "service_name",
    "mymaster",
    "With mode sentinel: the name under which the sentinels know the master.",
);
const REDIS_USER: Opt = Opt::text("user", "", "The user to log in as; empty: Redis' own default user.");
const REDIS_PASSWORD: Opt = Opt::secret("password", "The user's password.");
const REDIS_SENTINEL_PASSWORD: Opt =
    Opt::secret("sentinel_password", "With mode sentinel: the password of the sentinels themselves.");
const REDIS_DATABASE: Opt =
    Opt::integer("database", 0, (0, 65_535), "", "The number of the database; a cluster has only 0.");
const REDIS_CONNECT_TIMEOUT_MS: Opt = Opt::integer(
    "connect_timeout_ms",
    1_000,
    (1, MINUTE_MS),
    "milliseconds",
    "How long making a connection may take.",
);

pub(super) const HOT: Section = Section {
    path: "chains.{chain}.hot",
    about: "The Redis of the chain, 7.0 or later.",
    roles: &[Role::Compute, Role::Query],
    options: &[
        REDIS_MODE,
        REDIS_ADDRESSES,
        REDIS_SERVICE_NAME,
        REDIS_USER,
        REDIS_PASSWORD,
        REDIS_SENTINEL_PASSWORD,
        REDIS_DATABASE,
        Opt::text(
            "key_prefix",
            "tandem",
            "What every key begins with, inside the hash tag; 1 to 64 characters out of A-Z a-z 0-9 . _ -. Two \
             installations on one server need two.",
        ),
        REDIS_CONNECT_TIMEOUT_MS,
        Opt::integer(
            "call_timeout_ms",
            2_000,
            (1, MINUTE_MS),
            "milliseconds",
            "How long a call may take, waiting for its turn included.",
        ),
        Opt::integer(
            "session_expiry_s",
            48 * 3_600,
            (60, 30 * DAY_S),
            "seconds",
            "How long a session stays after its last change.",
        ),
        Opt::integer(
            "connections",
            4,
            (1, 64),
            "",
            "Connections to each server, shared by all calls. A large answer holds up only what comes behind it on its \
             connection.",
        ),
        Opt::integer(
            "calls_max",
            1_024,
            (1, 65_536),
            "calls",
            "Calls under way at once; the others wait for their turn.",
        ),
    ],
};

pub(super) const SHARED_LIMITS: Section = Section {
    path: "shared_limits",
    about: "The Redis of limits that all gateways share, 7.0 or later. Needed only with `share_limits`. No request waits \
            for it.",
    roles: &[Role::Gateway],
    options: &[
        REDIS_MODE,
        REDIS_ADDRESSES,
        REDIS_SERVICE_NAME,
        REDIS_USER,
        REDIS_PASSWORD,
        REDIS_SENTINEL_PASSWORD,
        REDIS_DATABASE,
        Opt::text(
            "key_prefix",
            "tandem",
            "What every key begins with; 1 to 64 characters out of A-Z a-z 0-9 . _ -. Two installations on one server \
             need two.",
        ),
        REDIS_CONNECT_TIMEOUT_MS,
        Opt::integer(
            "call_timeout_ms",
            100,
            (1, 140),
            "milliseconds",
            "How long a question may take. Meanwhile each gateway goes on with what it has.",
        ),
    ],
};

pub(super) const SNAPSHOTS: Section = Section {
    path: "chains.{chain}.snapshots",
    about: "Where the chain keeps snapshots of its state. All processes of the chain must reach it.",
    roles: &[Role::Compute],
    options: &[
        Opt::text(
            "url",
            "",
            "`file:///folder`, `s3://bucket` or `s3://bucket/prefix`. Both chains may name the same one: their \
             snapshots stand apart.",
        )
        .required("file:///var/lib/tandem/snapshots"),
        Opt::text(
            "region",
            "",
            "The bucket's region. Where it is not set: AWS_REGION or AWS_DEFAULT_REGION, else us-east-1.",
        )
        .absent(),
        Opt::text(
            "endpoint",
            "",
            "Address of a server that speaks S3 but is not Amazon's: `https://host:port`. Where it is not set: \
             Amazon's for the region.",
        )
        .absent(),
        Opt::flag(
            "allow_http",
            false,
            "Whether the endpoint may be http://, where everybody on the way can read and change snapshots.",
        ),
        Opt::flag(
            "virtual_hosted",
            false,
            "Whether the bucket's name is part of the endpoint's host name rather than of the path.",
        ),
        Opt::integer(
            "timeout_ms",
            15_000,
            (100, 600_000),
            "milliseconds",
            "How long a call may take in all, retries included.",
        ),
        Opt::secret(
            "access_key_id",
            "The access key's id. Where it is not set: what the environment says (AWS_ACCESS_KEY_ID, a web identity, a \
             container's or machine's role).",
        ),
        Opt::secret("secret_access_key", "The access key's secret; given together with the id."),
        Opt::secret("session_token", "The session's token, for keys that are lent for a while."),
    ],
};
