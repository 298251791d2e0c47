//! Calls that are answered elsewhere (by gateway and ingest) or hold no JSON of ours, described
//! here so that one document covers the whole port.

#![allow(dead_code, reason = "these only carry descriptions")]

pub(crate) mod definitions;
pub(crate) mod shield;

use serde::Serialize;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::schemas::{ChainName, ClockName};

/// Where events come in.
pub(crate) const EVENTS: &str = "/v1/events";

/// Where operators order repairs.
pub(crate) const REPAIRS: &str = "/v1/repairs";

/// Where operators say what is to happen with an event.
pub(crate) const VERDICTS: &str = "/v1/verdicts";

/// Where reports keep themselves up to date.
pub(crate) const STREAM: &str = "/v1/sessions/{id}/stream";

/// Where several reports do.
pub(crate) const STREAMS: &str = "/v1/stream";

/// Where tables are exported.
pub(crate) const EXPORT: &str = "/v1/export/{table}";

/// Whether a call is a read of figures, or of what belongs to them.
pub(crate) fn is_read(path: &str) -> bool {
    path != EVENTS && !is_operators(path)
}

/// Whether a call is one of operators, that the gateway answers by itself.
pub(crate) fn is_operators(path: &str) -> bool {
    matches!(path, REPAIRS | VERDICTS | definitions::PATH | shield::PATH)
}

/// Whether a call needs no key, and has no token.
pub(crate) fn is_public(path: &str) -> bool {
    matches!(path, "/v1/openapi.json" | "/v1/asyncapi.json" | "/v1/docs" | "/v1/status")
}

/// How to take the events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsParameters {
    /// `replay` lets `beat` lines move time; operators only.
    #[param(value_type = Option<ClockName>)]
    clock: Option<String>,
}

/// What became of a body.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventsAnswer {
    /// Lines that are events and are now in the log.
    accepted: u64,
    /// Lines that are beats and are now in every partition.
    beats: u64,
    /// Lines that are neither: 0 here, or the answer would be a 422.
    malformed: u64,
    meta: EventsMeta,
}

/// About an answer to events.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventsMeta {
    /// Send it back in the `Tandem-Token` header, and your own events are in what you read.
    token: String,
}

/// Some lines are no events. A problem with further members.
#[derive(Serialize, ToSchema)]
pub(crate) struct MalformedEvents {
    /// `urn:tandem:problem:malformed-events`
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    /// Lines that are events and are now in the log.
    accepted: u64,
    /// Lines that are beats and are now in every partition.
    beats: u64,
    /// Lines that are neither.
    malformed: u64,
    /// The first 100 of them.
    errors: Vec<LineError>,
    meta: EventsMeta,
}

/// Either of the two reasons for a 422, told apart by their `type`.
pub(crate) struct RefusedEvents;

impl PartialSchema for RefusedEvents {
    fn schema() -> RefOr<Schema> {
        let malformed = Ref::from_schema_name(MalformedEvents::name());
        AnyOfBuilder::new().item(malformed).item(Ref::from_schema_name("Problem")).into()
    }
}

impl ToSchema for RefusedEvents {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((MalformedEvents::name().into_owned(), MalformedEvents::schema()));
        MalformedEvents::schemas(schemas);
    }
}

/// A line that is no event.
#[derive(Serialize, ToSchema)]
pub(crate) struct LineError {
    /// Its number in the body, from 1; blank lines count.
    line: u64,
    /// The field that is wrong, where it is a field.
    #[schema(required)]
    field: Option<String>,
    /// What is wrong, for programs.
    reason: String,
    /// What is wrong, for people.
    detail: String,
}

/// Events in, one JSON object per line.
///
/// At most 8 MiB and 50,000 lines of 64 KiB; blank lines are ignored. What an event is made of says the
/// shape `Event`. With an `Idempotency-Key` the same body counts once, however
/// often it is sent within 24 hours, and gets its first answer again. Lines that are no events
/// are named in a 422; the good lines of the same body are kept all the same.
#[utoipa::path(
    post,
    path = "/v1/events",
    tag = "events",
    params(
        EventsParameters,
        ("Idempotency-Key" = Option<String>, Header, description = "Yours, unique per body: makes it safe to send the body again."),
    ),
    request_body(
        content = String,
        content_type = "application/x-ndjson",
        description = "One event per line.",
        example = "{\"type\":\"enter\",\"event_id\":\"e1\",\"ts\":1732190400000,\"session_id\":\"s1\",\"user_id\":\"u1\",\"source\":\"recommend\"}",
    ),
    responses(
        (status = 200, description = "All lines are in the log.", body = EventsAnswer, headers(
            ("Idempotency-Replayed" = String, description = "`true` where this is the first answer again."),
        )),
        (status = 422, description = "`urn:tandem:problem:malformed-events`: some lines are no events; the others are kept. \
            `urn:tandem:problem:idempotency-key-reused`: the key belongs to another body, nothing was kept.",
            body = RefusedEvents, content_type = "application/problem+json"),
    ),
)]
pub(crate) fn post_events() {}

/// How the system is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    /// Which chain serves.
    route: Route,
    /// What moves time: `live` (a metronome) or `replay` (the events' own).
    clock: String,
    log: Log,
    /// Chain a, then chain b.
    chains: Vec<ChainState>,
    /// Whether both chains say the same.
    parity: Parity,
    /// Counters of the gateway that answered.
    #[schema(value_type = Object)]
    gateway: (),
}

/// Which chain serves, by decision of the control group.
#[derive(Serialize, ToSchema)]
pub(crate) struct Route {
    #[schema(value_type = ChainName)]
    active: String,
    /// Rises by one with every decision.
    epoch: u64,
    /// Why it was decided.
    reason: String,
}

/// The event log.
#[derive(Serialize, ToSchema)]
pub(crate) struct Log {
    /// Its identity: a log that was created anew has another one.
    id: String,
    partitions: u32,
}

/// One chain.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChainState {
    #[schema(value_type = ChainName)]
    chain: String,
    /// Whether it answers reads.
    ready: bool,
    /// Stores that it can't use right now; its answers come without them.
    degraded: Vec<String>,
    partitions: Vec<PartitionState>,
    /// The clock of its slowest partition, in milliseconds; `null` before the first beat.
    #[schema(required)]
    as_of: Option<u64>,
    /// How far that lies behind the wall clock, in milliseconds; `null` in a replay.
    #[schema(required)]
    freshness_ms: Option<u64>,
    /// The latest repair of each partition that ever had one.
    repairs: Vec<RepairState>,
}

/// How the latest order to compute rows of a partition again stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct RepairState {
    partition: u32,
    /// `ordered` (or under way), `done` or `failed`.
    state: String,
    /// When it was ordered, in milliseconds.
    ordered_ms: u64,
    /// Only this session. With an operator's key, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    /// Why it was ordered. With an operator's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Why it failed. With an operator's key, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// How far a chain is in one partition.
#[derive(Serialize, ToSchema)]
pub(crate) struct PartitionState {
    partition: u32,
    /// The first offset it has not read.
    next: u64,
    /// Its clock there, in milliseconds.
    clock: u64,
    /// Events for sessions that were over for more than 30 days.
    late_events: u64,
    /// Malformed lines that name no session.
    malformed_events: u64,
    /// Beats that did not rise.
    ignored_beats: u64,
    /// Records it has still to read, at most.
    lag_records: u64,
}

/// Whether both chains hold the same rows: by the digests of the newest beat that both have, and
/// by a slow scan of what their stores hold.
#[derive(Serialize, ToSchema)]
pub(crate) struct Parity {
    /// `equal`, `different`, or `indeterminate` where there is nothing to compare.
    verdict: String,
    /// Every partition was compared at this beat or a later one.
    #[schema(required)]
    beat: Option<u64>,
    partitions: Vec<PartitionParity>,
    /// How the first finding showed: `computed` (digests differ) or `stored` (a store holds something
    /// else than was computed); `null` where nothing was found.
    #[schema(required)]
    level: Option<String>,
    /// Whom the third vote, recomputed from the log, names: `a`, `b` or `both`; `null` where nobody.
    #[schema(required)]
    wrong: Option<String>,
    /// What was found wrong. With an operator's key with session, row and figures.
    #[schema(value_type = Vec<Object>)]
    findings: Vec<()>,
    /// How the scan of the stores gets on; `null` where nobody scans.
    #[schema(value_type = Object, nullable = true, required = true)]
    scan: Option<()>,
}

/// The same for one partition.
#[derive(Serialize, ToSchema)]
pub(crate) struct PartitionParity {
    partition: u32,
    #[schema(required)]
    beat: Option<u64>,
    verdict: String,
    /// The tables that differ.
    tables: Vec<String>,
}

/// What is to be computed again from the log. Not both a partition and a session.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepairOrder {
    /// The chain whose rows are wrong.
    #[schema(value_type = ChainName)]
    chain: String,
    /// Only this partition; not together with a session.
    #[schema(maximum = 4_294_967_295_u64)]
    partition: Option<u32>,
    /// Only this session.
    #[schema(max_length = 64, pattern = "^[A-Za-z0-9._:-]+$")]
    session_id: Option<String>,
    /// Why, for people: 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500, pattern = "\\S", example = "its rows were lost with a disk")]
    reason: String,
}

/// What was ordered.
#[derive(Serialize, ToSchema)]
pub(crate) struct RepairOrdered {
    #[schema(value_type = ChainName)]
    chain: String,
    /// The partitions it is about.
    partitions: Vec<u32>,
}

/// Rows of one chain computed again from the beginning of the log, for operators.
///
/// All of the chain, or one partition, or one session. It begins within seconds and goes on after a
/// restart; readers of what it is about get the other chain meanwhile. How it stands is shown by
/// `/v1/status`.
#[utoipa::path(
    post,
    path = "/v1/repairs",
    tag = "operators",
    request_body(content = RepairOrder, content_type = "application/json", description = "What to compute again.",
        example = json!({"chain": "b", "partition": 2, "reason": "its rows were lost with a disk"})),
    responses((status = 202, description = "The order is kept.", body = RepairOrdered)),
)]
pub(crate) fn post_repairs() {}

/// What is to happen with an event.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerdictOrder {
    /// Where the event stands in the log.
    #[schema(maximum = 4_294_967_295_u64)]
    partition: u32,
    /// Where the event stands in the partition.
    offset: u64,
    ruling: RulingName,
    /// Why, for people: 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500, pattern = "\\S", example = "mended in this version")]
    reason: String,
}

/// `quarantine`: it does not count; `release`: it counts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RulingName {
    Quarantine,
    Release,
}

/// A verdict that stands in the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerdictSpoken {
    partition: u32,
    offset: u64,
    ruling: RulingName,
    /// The verdict's own offset: answers that have read beyond it heed it.
    at: u64,
}

/// Whether an event in the log counts, for operators.
///
/// An event at which the computation fails is put into quarantine by a record in the log: it counts on
/// neither chain and stands in `/v1/deadletters` as `quarantined`. Released, it counts at its own place
/// on both chains; where it fails again, it is in quarantine again. Both chains compute its partition
/// again meanwhile.
#[utoipa::path(
    post,
    path = "/v1/verdicts",
    tag = "operators",
    request_body(content = VerdictOrder, content_type = "application/json", description = "The event, and what is to happen.",
        example = json!({"partition": 2, "offset": 53712, "ruling": "release", "reason": "mended in this version"})),
    responses((status = 202, description = "The verdict stands in the log.", body = VerdictSpoken)),
)]
pub(crate) fn post_verdicts() {}

/// A session's report that keeps itself up to date: as server-sent events, or as a WebSocket.
///
/// Takes the parameters of the report. Event `report` holds the whole report, as the call of that name
/// answers it. Event `change` has the shape of a report and holds only what is new since the event before:
/// put each member of an object in its place, each row of a list with `key` into the row with that key (or
/// add it), anything else as it stands; `null` is a value. Each event's `id` is a token. Come back with the
/// last one in `Last-Event-ID`, as browsers do by themselves, or in `last_event_id`, and you go on there, on either
/// chain and through any gateway: with the changes since, or with the whole report, never with less than you have
/// seen. With a `Tandem-Token` alone the whole report comes first, once it is not older than that.
/// A line that says nothing comes every 10 s. `goodbye`: this gateway closes, an hour is over, or your key may see
/// something else now (`reason`: `closing`, `hour`, `changed`); come back after the time that `retry` names.
/// `error`: a problem, and there is nothing more to come; so it is when your key is revoked or your token ends.
///
/// With `Upgrade: websocket` (RFC 6455, version 13, over HTTP/1.1) the connection becomes a WebSocket that speaks
/// `tandem.v1`: text frames with one JSON object each, `{"type": "report" | "change", "id": …, "data": …}`,
/// `{"type": "error", "problem": …}`, and at the end
/// `{"type": "bye", "reason": …, "id": …, "retry_ms": …}` with code 1012, or 1008 where coming back is of no use. The
/// server pings every 10 s and lets go whom it has not heard for 30 s. A browser, which can set no header here,
/// shows its key or token as a sub-protocol: `new WebSocket(url, ["tandem.v1", "tandem.key." + key])`. Pages of
/// other origins need to be allowed, as for all calls.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/stream",
    tag = "figures",
    params(
        ("id" = String, Path, description = "The session's id.", example = "s-20241121-0001"),
        crate::report::ReportParameters,
        ("token" = Option<String>, Query, description = "As the header `Tandem-Token`, where that can't be set."),
        ("last_event_id" = Option<String>, Query, description = "As `Last-Event-ID`, where that can't be set. The header counts where there are both."),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event you got."),
    ),
    responses(
        (status = 101, description = "The connection is a WebSocket from here on."),
        (status = 200, description = "Events without end.", body = String, content_type = "text/event-stream"),
    ),
)]
pub(crate) fn stream() {}

/// The reports of several sessions that keep themselves up to date, over one connection.
///
/// For screens with several sessions. Takes the parameters of the report, which hold for each of them. As the
/// stream of one session, but that each event says whose it is: `{"session": …, "data": …}`, or
/// `{"session": …, "problem": …}` in an event `error`, after which nothing more comes of that session; the others go
/// on. One `id` says where you are with all of them. Each session counts as a stream of your tenant.
///
/// Over a WebSocket the messages have `session` besides, and sessions come and go: send
/// `{"type": "subscribe", "sessions": ["s1", "s2"], "id": …}` (the `id` of the last message of another connection, to go
/// on there) or `{"type": "unsubscribe", "sessions": ["s1"]}`. Each session is answered by
/// `{"type": "subscribed" | "unsubscribed", "session": …}` or `{"type": "error", "session": …, "problem": …}`.
#[utoipa::path(
    get,
    path = "/v1/stream",
    tag = "figures",
    params(
        ("sessions" = Option<Vec<String>>, Query, style = Form, explode = false, description = "The sessions' ids, with commas between them: 32 at most, unless the operator says otherwise. A WebSocket may begin without any.", example = json!(["s-20241121-0001", "s-20241121-0002"])),
        crate::report::ReportParameters,
        ("token" = Option<String>, Query, description = "As the header `Tandem-Token`, where that can't be set."),
        ("last_event_id" = Option<String>, Query, description = "As `Last-Event-ID`, where that can't be set. The header counts where there are both."),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event you got."),
    ),
    responses(
        (status = 101, description = "The connection is a WebSocket from here on."),
        (status = 200, description = "Events without end.", body = String, content_type = "text/event-stream"),
    ),
)]
pub(crate) fn streams() {}

/// How the system is.
///
/// Both chains, how far each has read, how fresh its figures are, and whether both say the same. It
/// needs no key; with an operator's it says more.
#[utoipa::path(
    get,
    path = "/v1/status",
    tag = "system",
    responses((status = 200, description = "The state of both chains.", body = Status)),
)]
pub(crate) fn status() {}

/// This document.
///
/// OpenAPI 3.1, of this very version of the server.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    tag = "system",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object)),
)]
pub(crate) fn document() {}

/// The topic of summaries, for partner teams.
///
/// AsyncAPI 3.0: the messages of the Kafka topic `dws.live` with the schemas of their keys and values.
/// What a reader must do and what may change stands in `/v1/catalog/tables`.
#[utoipa::path(
    get,
    path = "/v1/asyncapi.json",
    tag = "system",
    responses((status = 200, description = "AsyncAPI 3.0.", body = Object)),
)]
pub(crate) fn summaries() {}

/// This document as a page to read.
///
/// One file that fetches nothing: it can be kept and read without a network.
#[utoipa::path(
    get,
    path = "/v1/docs",
    tag = "system",
    responses((status = 200, description = "HTML.", body = String, content_type = "text/html")),
)]
pub(crate) fn page() {}
