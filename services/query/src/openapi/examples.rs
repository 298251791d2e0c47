//! Examples for the document: answers, parameters. A test checks them against their schemas.

use serde_json::{Value, json};
use tandem_model::problem::KINDS;

use super::problems;
use crate::described;

/// A token. A real one is of the log that it was given out for.
pub(super) const TOKEN: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQABAN0Q6w";

/// The beginning of a stream.
pub(super) const STREAM: &str = "retry: 500\n\n\
    event: report\n\
    id: AQEBAQEBAQEBAQEBAQEBAQEBAQABAN0Q6w\n\
    data: {\"session\":{\"id\":\"s-20241121-0001\",\"status\":\"live\"},\"metrics\":{\"views\":123}}\n\n\
    event: change\n\
    id: AQEBAQEBAQEBAQEBAQEBAQEBAQABAN4Q2A\n\
    data: {\"metrics\":{\"views\":124}}\n\n\
    :\n\n";

/// The beginning of a part of an export.
pub(super) const CSV: &str =
    "session_id,breakdown,key,views,version,log_partition\r\ns-20241121-0001,room,room,123,41,0\r\n";

/// The same as JSON lines.
pub(super) const LINES: &str = "{\"session_id\":\"s-20241121-0001\",\"breakdown\":\"room\",\"key\":\"room\",\"views\":123,\
    \"version\":41,\"log_partition\":0}\n";

/// What a parameter may be, where its handler does not say it.
pub(super) fn parameter(path: &str, name: &str) -> Value {
    match name {
        "metric" => json!("aov_fen"),
        "formula" => json!("(gmv_fen-refund_fen)/orders"),
        "edition" => json!(1_732_190_405_000_u64),
        "anchor_id" => json!("a-1"),
        "status" => json!("live"),
        "from" if path == "/v1/log/{partition}" => json!(41),
        "from" | "to" if path == "/v1/sessions/{id}/explain" => json!("1732190400000"),
        "at" if path == "/v1/sessions/{id}/report" => json!("1732190400000"),
        "from" => json!(1_732_190_400_000_u64),
        "to" => json!(1_732_194_000_000_u64),
        "limit" => json!(20),
        "cursor"
            if matches!(path, "/v1/sessions" | "/v1/catalog/difference")
                || path.starts_with("/v1/anchors") =>
        {
            json!("czEuMTczMjE5MDQwMDAwMC5zLTIwMjQxMTIxLTAwMDE")
        }
        "cursor" if path == described::EXPORT => {
            json!("eDEuMDAwMDAwMDAwMDAwMDAwMC4uLjE3MzIxOTA0MDAwMDAucy0x")
        }
        "table" => json!("dws_total"),
        "cursor" if path.starts_with("/v1/rankings") => json!("cjEuMTczMjE5MDQwNTAwMC4xMDA"),
        "cursor" => json!("cDEuMC40MQ"),
        "step" => json!("5m"),
        "by" => json!("source"),
        "reason" => json!("late"),
        "align" => json!("start"),
        "partition" => json!(0),
        "bytes" => json!(65_536),
        "after" => json!("s-20241121-0001"),
        "clock" => json!("replay"),
        "Idempotency-Key" => json!("\"batch-7\""),
        "Last-Event-ID" | "last_event_id" | "token" => json!(TOKEN),
        _ => Value::Null,
    }
}

/// The problem of a body of which one line is no event.
pub(super) fn malformed_events() -> Value {
    let mut problem = problem("malformed-events");
    problem["accepted"] = json!(2);
    problem["beats"] = json!(0);
    problem["malformed"] = json!(1);
    problem["errors"] = json!([{"line": 2, "field": "ts", "reason": "missing", "detail": "`ts` is missing"}]);
    problem["meta"] = json!({"token": TOKEN});
    problem
}

/// A problem of this kind.
pub(super) fn problem(kind: &str) -> Value {
    let known = KINDS.iter().find(|(name, ..)| *name == kind);
    known.map_or(Value::Null, |(name, status, title)| problems::example(name, *status, title))
}

/// The example for the call at `path`.
pub(super) fn answer(path: &str) -> Option<Value> {
    Some(match path {
        "/v1/catalog/metrics" => json!({
            "definitions": 1,
            "metrics": [{"id": "gpm_fen", "zh": "千次观看成交金额", "en": "GMV per thousand views", "unit": "fen",
                "group": "transaction", "kind": "computed", "formula": "1000·gmv_fen/views", "definition": 1,
                "room_only": false, "trend": true}],
            "breakdowns": [{"id": "item", "zh": "商品", "en": "Item", "keys": null, "keys_max": 5_000}],
            "meta": meta(),
        }),
        "/v1/catalog/difference" => json!({
            "metric": "aov_fen",
            "unit": "fen",
            "definition": 1,
            "in_force": "gmv_fen/orders",
            "candidate": "(gmv_fen-refund_fen)/orders",
            "sessions": [{"session": session(), "in_force": 9_900.0, "candidate": 9_405.0,
                "difference": {"absolute": -495.0, "relative": -0.05}}],
            "next_cursor": null,
            "meta": meta(),
        }),
        "/v1/sessions" => json!({"sessions": [session()], "next_cursor": null, "meta": meta()}),
        "/v1/sessions/{id}" => json!({"session": session(), "meta": meta()}),
        "/v1/sessions/{id}/report" => json!({
            "session": session(),
            "metrics": {"views": 123, "viewers": 98, "gmv_fen": 990_000, "gpm_fen": 8_048_780.487_804_878, "aov_fen": null},
            "distinct": {"viewers": {"value": 98, "exact": true}},
            "breakdowns": {"source": [
                {"key": "recommend", "metrics": {"views": 100, "viewers": 80},
                 "distinct": {"viewers": {"value": 80, "exact": true}}},
                {"key": "other", "metrics": {"views": 23, "viewers": 18},
                 "distinct": {"viewers": {"value": 18, "exact": true}}, "raw": [{"value": "billboard", "events": 31}]},
            ]},
            "meta": meta(),
        }),
        "/v1/sessions/{id}/trend" => json!({
            "session_id": "s-20241121-0001",
            "step_ms": 300_000,
            "series": [{"key": "recommend", "points": [
                {"t": 1_732_190_400_000_u64, "views": 17, "gmv_fen": 9_900},
                {"t": 1_732_190_700_000_u64, "views": 0, "gmv_fen": 0},
            ]}],
            "meta": meta(),
        }),
        "/v1/sessions/{id}/compare" => json!({
            "align": "start",
            "at_ms": 60_000,
            "not_at": ["viewers"],
            "sessions": [
                {"session": session(), "metrics": {"views": 50, "viewers": null}, "difference": null,
                    "marks": {"views": "best"}, "breakdowns": {}},
                {"session": session(), "metrics": {"views": 45, "viewers": null}, "difference":
                    {"views": {"absolute": -5, "relative": -0.1}, "viewers": {"absolute": null, "relative": null}},
                    "marks": {"views": "worst"}, "breakdowns": {}},
            ],
            "usual": {"median_of": 12, "median": {"views": 41.5, "viewers": null},
                "percentile": {"views": 0.71, "viewers": null}, "reason": null},
            "series": [{"key": "s-20241121-0001", "points": [
                {"t": 1_732_190_400_000_u64, "minute": 0, "views": 50, "viewers": 41}]}],
            "meta": meta(),
        }),
        "/v1/sessions/{id}/explain" => json!({
            "session_id": "s-20241121-0001",
            "from": reading(1_732_190_400_000, 9_001, "5f1c09a3b2d4e6775f1c09a3b2d4e677"),
            "to": reading(1_732_190_412_000, 9_243, "0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
            "differences": [
                {"metric": "views", "from": 121, "to": 123, "difference": 2, "parts": [
                    {"cause": "new_events", "difference": 1, "records": 1, "samples": [{"partition": 2, "offset": 9_107,
                        "what": "enter", "event_id": "e-18", "ts": 1_732_190_405_000_u64, "added": 1}]},
                    {"cause": "late_arrivals", "difference": 1, "records": 1, "samples": [{"partition": 2, "offset": 9_042,
                        "what": "enter", "event_id": "e-17", "ts": 1_732_190_399_000_u64, "added": 1}]}]},
                {"metric": "gpm_fen", "from": 8_181_818.181_818_182, "to": 8_048_780.487_804_878,
                    "difference": -133_037.694_013_304, "of": ["gmv_fen", "views"]},
            ],
            "meta": meta(),
        }),
        "/v1/sessions/{id}/rejected" | "/v1/deadletters" => json!({
            "rejected": [{"reason": "late", "detail": null, "partition": 0, "offset": 41, "clock": 1_732_190_412_000_u64,
                "ts": 1_732_189_000_000_u64, "event_id": "e-17", "type": "order_paid",
                "user": "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "would_add": {"orders": 1, "gmv_fen": 9_900},
                "session_id": "s-20241121-0001"}],
            "next_cursor": null,
            "meta": meta(),
        }),
        described::EVENTS => json!({"accepted": 3, "beats": 0, "malformed": 0, "meta": {"token": TOKEN}}),
        described::REPAIRS => json!({"chain": "b", "partitions": [2]}),
        described::VERDICTS => json!({"partition": 2, "offset": 53_712, "ruling": "release", "at": 54_001}),
        described::definitions::PATH => {
            json!({"metric": "aov_fen", "version": 2, "formula": "(gmv_fen-refund_fen)/orders",
            "from": 1_732_190_520_000_u64, "partition": 0, "at": 54_002})
        }
        described::shield::PATH => json!({
            "request_id": "5f1c09a3b2d4e677-1042", "at_ms": 1_732_190_412_345_u64, "address": "192.0.2.7",
            "caller": "nobody", "method": "GET", "path": "/v1/.env", "action": "deny", "would_be": "deny",
            "enforced": true, "score": 110,
            "reasons": [{"rule": "honeypot", "points": 60, "observed": false,
                "evidence": "it asked 2 times for what only attackers ask for"}],
        }),
        "/v1/catalog/tables" => tables(),
        "/v1/log/{partition}" => json!({
            "records": [{"offset": 41,
                "line": "{\"type\":\"like\",\"event_id\":\"e1\",\"ts\":1732190400000,\"session_id\":\"s-20241121-0001\",\"user_id\":\"u1\"}"}],
            "next": 42,
            "end": 9_243,
            "meta": meta(),
        }),
        "/v1/rows" => json!({
            "sessions": [{
                "session_id": "s-20241121-0001",
                "partition": 2,
                "cut": {"next": 53_713, "clock": 1_732_190_412_000_u64},
                "session": {"attributes": null, "ended_at": null, "first_ts": 1_732_190_400_000_u64, "state": "live",
                    "offset": 53_712},
                "rows": [["total", "room", "room", 0, 53_712, {"views": 123, "viewers": 98}]],
            }],
            "next_after": "s-20241121-0001",
            "retention": "everything",
            "meta": meta(),
        }),
        "/v1/partitions" => json!({
            "partitions": [
                {"partition": 0, "cut": {"next": 369, "clock": 1_732_190_412_000_u64}, "row": {
                    "clock": 1_732_190_412_000_u64, "beats": 369, "ignored_beats": 0, "malformed_events": 0,
                    "late_events": 0, "offset": 368}},
                {"partition": 1, "cut": {"next": 0, "clock": 0}, "row": null},
            ],
            "meta": meta(),
        }),
        "/v1/rankings" => json!({
            "boards": [{"id": "session.gpm", "zh": "场次千次观看成交榜", "en": "GMV per thousand views of sessions",
                "group": "session", "subject": "session", "unit": "fen", "direction": "descending",
                "formula": "1000 · Σ gmv_fen / Σ views", "smallest_sample": {"metric": "views", "count": 100},
                "filters": ["category", "fan_tier", "content_type", "region"],
                "periods": ["hour", "day", "week", "month"], "definition": 1}],
            "time_zone": "Asia/Shanghai",
            "meta": meta(),
        }),
        "/v1/rankings/{board}" => ranking(json!({
            "listed": 1_204,
            "rows": [{"rank": 1, "previous_rank": 3, "listed_periods": 4, "subject": {"id": "s-20241121-0001", "name": "Winter coats"},
                "score": 990_000, "parts": {"gmv_fen": 990_000}}],
            "next_cursor": "cjEuMTczMjE5MDQwNTAwMC4x",
            "moved_count": null,
            "moved": null,
        })),
        "/v1/rankings/{board}/subjects/{id}" => ranking(json!({
            "listed": true, "of": 1_204, "rank": 17, "previous_rank": null, "listed_periods": 1,
            "subject": {"id": "s-20241121-0001", "name": "Winter coats"}, "score": 990_000,
            "parts": {"gmv_fen": 990_000}, "percentile": 0.986_710_963, "to_next": 1_200.0, "moved": null,
        })),
        "/v1/anchors/{id}" => anchor(),
        "/v1/anchors/{id}/sessions" => json!({
            "sessions": [{"session": session(), "metrics": {"views": 123, "viewers": 98, "orders": 1, "gmv_fen": 9_900}}],
            "next_cursor": null,
            "meta": meta(),
        }),
        "/v1/status" => status(),
        "/v1/openapi.json" => {
            json!({"openapi": "3.1.0", "info": {"title": "Tandem", "version": "1"}, "paths": {}})
        }
        "/v1/asyncapi.json" => {
            json!({"asyncapi": "3.0.0", "info": {"title": "Tandem: summaries", "version": "1"}})
        }
        "/v1/docs" => json!("<!doctype html><html lang=\"en\">…</html>"),
        _ => return None,
    })
}

/// A reading of which another one is the difference.
fn reading(as_of: u64, next: u64, digest: &str) -> Value {
    json!({"as_of": as_of, "partition": 2, "next": next, "state": "live", "definitions": 1, "digest": digest})
}

/// An answer about one period of a board.
fn ranking(rest: Value) -> Value {
    let mut answer = json!({
        "board": "session.gmv", "period": "hour", "from": 1_732_190_400_000_u64, "to": 1_732_194_000_000_u64,
        "edition": {"at": 1_732_190_405_000_u64, "state": "live"}, "meta": meta(),
    });
    if let (Value::Object(answer), Value::Object(rest)) = (&mut answer, rest) {
        answer.extend(rest);
    }
    answer
}

/// One session, over midnight; a viewer stayed, and an order was refunded in the week after.
fn anchor() -> Value {
    let day = |date: &str, from: u64, metrics: Value| json!({"date": date, "from": from, "to": from + 86_400_000, "sessions": 1, "metrics": metrics});
    json!({
        "anchor": {"id": "a-1", "name": "Lin", "fans": 120_000, "category": "clothing"},
        "from": 1_732_118_400_000_u64,
        "to": 1_732_204_800_000_u64,
        "time_zone": "Asia/Shanghai",
        "sessions": 1,
        "totals": {"views": 123, "viewers": 98, "refund_fen": 9_900, "late_events": 2},
        "distinct": {"viewers": {"value": 98, "exact": true}},
        "days": [
            day("2024-11-21", 1_732_118_400_000, json!({"views": 100, "viewers": 80, "refund_fen": 0})),
            day("2024-11-22", 1_732_204_800_000, json!({"views": 23, "viewers": 19, "refund_fen": 0})),
        ],
        "follow_ups": {"views": 0, "refund_fen": 9_900},
        "refused": {"late_events": 2},
        "repeated": {"viewers": 1},
        "meta": meta(),
    })
}

fn status() -> Value {
    json!({
        "route": {"active": "a", "epoch": 7, "reason": "chain b was behind"},
        "clock": "live",
        "log": {"id": "8ee0d0741504431bbc4d0733b49d3626", "partitions": 1},
        "chains": [{
            "chain": "a", "ready": true, "degraded": [], "as_of": 1_732_190_412_000_u64, "freshness_ms": 187,
            "partitions": [{"partition": 0, "next": 369, "clock": 1_732_190_412_000_u64, "late_events": 0,
                "malformed_events": 0, "ignored_beats": 0, "lag_records": 0}],
            "repairs": [{"partition": 0, "state": "done", "ordered_ms": 1_732_190_300_000_u64}],
        }],
        "parity": {
            "verdict": "equal", "beat": 1_732_190_412_000_u64, "level": null, "wrong": null, "findings": [],
            "partitions": [{"partition": 0, "beat": 1_732_190_412_000_u64, "verdict": "equal", "tables": []}],
            "scan": {"rounds": 154, "sessions_compared": 1_642},
        },
        "gateway": {"requests": 121, "failovers": 0},
    })
}

fn tables() -> Value {
    let rules = |what: &str| {
        json!({"reader_must": [what], "may_change": ["columns may be added"], "stays": ["names and units"],
            "not_promised": ["the order of messages across partitions"]})
    };
    json!({
        "definitions": 1,
        "topic": {
            "name": "dws.live", "offered": true, "version": 1, "partitions": 4, "asyncapi": "/v1/asyncapi.json",
            "messages": [{"type": "row", "schema": "dws.live/row/1", "meaning": "a row of a session's figures",
                "key": ["v", "type", "session_id", "table", "breakdown", "key", "bucket"]}],
            "tables": [{"name": "total", "bucket_ms": null, "breakdowns": [{"name": "room", "columns": [
                {"id": "views", "unit": "count", "meaning": "Views · 观看次数: number of enter events", "definition": 1}]}]}],
            "rules": rules("ignore what it does not know"),
        },
        "cql": null,
        "exports": [{"name": "dws_total", "meaning": "one row per session, breakdown and key",
            "key": ["session_id", "breakdown", "key"], "formats": ["csv", "json", "parquet"], "columns": [
                {"name": "views", "kind": "integer", "is_nullable": false, "unit": "count", "meaning": "number of enter events"}]}],
        "meta": meta(),
    })
}

fn session() -> Value {
    json!({"id": "s-20241121-0001", "anchor_id": "a-1", "room_id": "r-1", "title": "Winter coats", "category": "clothing",
        "started_at": 1_732_190_400_000_u64, "ended_at": null, "status": "live", "anchor_name": "Lin", "anchor_fans": 120_000,
        "content_type": "sale", "region": "Zhejiang", "merchant_id": null, "brand": null})
}

fn meta() -> Value {
    json!({"chain": "a", "epoch": 7, "as_of": 1_732_190_412_000_u64, "token": TOKEN,
        "state": "live", "definitions": 1, "stale": false, "degraded": []})
}
