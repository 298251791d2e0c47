//! Example answers for the document. A test checks them against their schemas.

use serde_json::{Value, json};

/// The example for the call at `path`.
pub(crate) fn answer(path: &str) -> Option<Value> {
    Some(match path {
        "/v1/catalog/metrics" => json!({
            "definitions": 1,
            "metrics": [{"id": "gpm_fen", "zh": "千次观看成交金额", "en": "GMV per thousand views", "unit": "fen",
                "group": "transaction", "kind": "computed", "formula": "1000·gmv_fen/views", "definition": 1,
                "room_only": false, "trend": true}],
            "breakdowns": [{"id": "item", "zh": "商品", "en": "Item", "keys": null, "keys_max": 5_000}],
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
                {"session": session(), "metrics": {"views": 50, "viewers": null}, "difference": null},
                {"session": session(), "metrics": {"views": 45, "viewers": null}, "difference":
                    {"views": {"absolute": -5, "relative": -0.1}, "viewers": {"absolute": null, "relative": null}}},
            ],
            "series": [{"key": "s-20241121-0001", "points": [
                {"t": 1_732_190_400_000_u64, "minute": 0, "views": 50, "viewers": 41}]}],
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
        _ => return None,
    })
}

fn session() -> Value {
    json!({"id": "s-20241121-0001", "anchor_id": "a-1", "room_id": "r-1", "title": "Winter coats", "category": "clothing",
        "started_at": 1_732_190_400_000_u64, "ended_at": null, "status": "live", "anchor_name": "Lin", "anchor_fans": 120_000,
        "content_type": "sale", "region": "Zhejiang", "merchant_id": null, "brand": null})
}

fn meta() -> Value {
    json!({"chain": "a", "epoch": 7, "as_of": 1_732_190_412_000_u64, "token": "AQEBAQEBAQEBAQEBAQEBAQEBAQABAN0Q6w",
        "state": "live", "definitions": 1, "stale": false, "degraded": []})
}
