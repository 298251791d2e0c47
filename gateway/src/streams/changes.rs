//! What changed between two reports: pure, and the same for every transport.
//!
//! A change has the shape of a report and holds only what is new in it. Whoever has the report before
//! it puts it in place member by member:
//!
//! - an object: each member of the change likewise, the others stay;
//! - a list of rows with a `key`, as in a breakdown: each row of the change into the row with its key, or
//!   as a new row. The order of rows is that of a report;
//! - anything else: as it stands. `null` is a value (a ratio without a divisor).
//!
//! Nothing ever vanishes from a report, but for corrections that say that something was counted wrongly;
//! then there is no change that tells it, and the whole report comes again.

use serde_json::{Map, Value};

/// What `after` has that `before` has not: `None` where something vanished, `{}` where nothing changed.
pub(super) fn between(before: &Value, after: &Value) -> Option<Value> {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => members(before, after).map(Value::Object),
        _ => Some(after.clone()),
    }
}

fn members(before: &Map<String, Value>, after: &Map<String, Value>) -> Option<Map<String, Value>> {
    if before.keys().any(|name| !after.contains_key(name)) {
        return None;
    }
    let mut changed = Map::new();
    for (name, value) in after {
        match before.get(name) {
            Some(same) if same == value => {}
            Some(Value::Object(before)) if value.is_object() => {
                let inner = value.as_object().and_then(|after| members(before, after))?;
                changed.insert(name.clone(), Value::Object(inner));
            }
            Some(Value::Array(before))
                if are_rows(before) && value.as_array().is_some_and(|rows| are_rows(rows)) =>
            {
                let inner = value.as_array().and_then(|after| rows(before, after))?;
                changed.insert(name.clone(), Value::Array(inner));
            }
            _ => _ = changed.insert(name.clone(), value.clone()),
        }
    }
    Some(changed)
}

/// The rows that changed, each with its key and what is new in it.
fn rows(before: &[Value], after: &[Value]) -> Option<Vec<Value>> {
    // Both are in the order of a report, in which keys that stay keep theirs.
    let mut standing = before.iter().peekable();
    let mut changed = Vec::new();
    for row in after {
        let Some(same) = standing.next_if(|before| key(before) == key(row)) else {
            changed.push(row.clone());
            continue;
        };
        if same == row {
            continue;
        }
        let (Value::Object(before), Value::Object(after)) = (same, row) else { return None };
        let mut inner = members(before, after)?;
        inner.insert("key".to_owned(), key(row)?.into());
        changed.push(Value::Object(inner));
    }
    // One that was not met has vanished, or stands elsewhere.
    standing.next().is_none().then_some(changed)
}

fn are_rows(values: &[Value]) -> bool {
    values.iter().all(|value| key(value).is_some())
}

fn key(row: &Value) -> Option<&str> {
    row.get("key")?.as_str()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// As the page for clients says it.
    fn put(into: &mut Value, change: &Value) {
        match (into, change) {
            (Value::Object(into), Value::Object(change)) => {
                for (name, value) in change {
                    put(into.entry(name.clone()).or_insert(Value::Null), value);
                }
            }
            (Value::Array(into), Value::Array(change)) if are_rows(into) && are_rows(change) => {
                for row in change {
                    match into.iter_mut().find(|standing| key(standing) == key(row)) {
                        Some(standing) => put(standing, row),
                        None => into.push(row.clone()),
                    }
                }
                into.sort_by(|one, other| key(one).cmp(&key(other)));
            }
            (into, change) => *into = change.clone(),
        }
    }

    fn report() -> impl Strategy<Value = Value> {
        let figures =
            || prop::collection::btree_map("[a-d]", prop_oneof![Just(None), (0_u64..3).prop_map(Some)], 0..4);
        let rows =
            prop::collection::btree_map("[a-f]", (figures(), prop::collection::vec(0_u64..3, 0..2)), 0..5);
        (figures(), prop::collection::btree_map("[x-z]", rows, 0..3), 0_u64..2).prop_map(
            |(metrics, breakdowns, at)| {
                let rows = breakdowns.into_iter().map(|(name, rows)| {
                    let rows = rows
                        .into_iter()
                        .map(|(key, (metrics, raw))| json!({"key": key, "metrics": metrics, "raw": raw}));
                    (name, rows.collect())
                });
                let breakdowns: Map<String, Value> = rows.collect();
                json!({"metrics": metrics, "breakdowns": breakdowns, "meta": {"as_of": at}})
            },
        )
    }

    /// Whether every member and row of `before` is in `after`.
    fn nothing_vanishes(before: &Value, after: &Value) -> bool {
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => before
                .iter()
                .all(|(name, value)| after.get(name).is_some_and(|after| nothing_vanishes(value, after))),
            (Value::Array(before), Value::Array(after)) if are_rows(before) && are_rows(after) => before
                .iter()
                .all(|row| after.iter().any(|other| key(other) == key(row) && nothing_vanishes(row, other))),
            _ => true,
        }
    }

    proptest! {
        #[test]
        fn a_change_put_into_the_report_before_gives_the_report_after(before in report(), after in report()) {
            match between(&before, &after) {
                Some(change) => {
                    let mut found = before.clone();
                    put(&mut found, &change);
                    prop_assert_eq!(found, after);
                }
                None => prop_assert!(!nothing_vanishes(&before, &after)),
            }
        }

        #[test]
        fn what_is_the_same_is_not_told(report in report()) {
            prop_assert_eq!(between(&report, &report), Some(json!({})));
        }
    }

    #[test]
    fn only_what_is_new_is_told() {
        let before = json!({"metrics": {"views": 1, "likes": 2}, "breakdowns": {"source": [
            {"key": "ads", "metrics": {"views": 1, "rate": null}}, {"key": "shop", "metrics": {"views": 0}}]}});
        let after = json!({"metrics": {"views": 2, "likes": 2}, "breakdowns": {"source": [
            {"key": "ads", "metrics": {"views": 1, "rate": 0.5}}, {"key": "follow", "metrics": {"views": 1}},
            {"key": "shop", "metrics": {"views": 0}}]}});
        let expected = json!({"metrics": {"views": 2}, "breakdowns": {"source": [
            {"metrics": {"rate": 0.5}, "key": "ads"}, {"key": "follow", "metrics": {"views": 1}}]}});
        assert_eq!(between(&before, &after), Some(expected));
        assert_eq!(between(&after, &before), None, "a row vanished");
    }
}
