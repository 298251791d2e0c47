//! Lines as text: JSON by hand, because the odd ways to write it matter here.

use std::fmt::Write;

use bytes::Bytes;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};

/// A field and the JSON of its value.
pub(super) type Pair = (&'static str, String);

/// The plain form of an object.
pub(super) fn object(pairs: &[Pair]) -> Bytes {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    Bytes::from(format!("{{{}}}", pairs.join(",")))
}

/// The same object in an unusual form: any order, spaces, escaped names, fields given twice (the
/// last counts), fields nobody knows.
pub(super) fn odd_object(pairs: &[Pair], rng: &mut SmallRng) -> Bytes {
    let mut members: Vec<String> = pairs.iter().map(|(name, value)| member(name, value, rng)).collect();
    members.shuffle(rng);
    if rng.random_bool(0.2)
        && let Some((name, _)) = pairs.choose(rng)
    {
        members.insert(0, format!("\"{name}\":[false]"));
    }
    for (name, value) in UNKNOWN_FIELDS {
        if rng.random_bool(0.15) {
            let at = rng.random_range(0..=members.len());
            members.insert(at, format!("\"{name}\":{value}"));
        }
    }
    let space = if rng.random() { " " } else { "" };
    Bytes::from(format!("{space}{{{}{space}}}{space}", members.join(",")))
}

const UNKNOWN_FIELDS: [(&str, &str); 5] = [
    ("surprise", "{\"a\":[1,{\"type\":\"leave\"}],\"ts\":null}"),
    ("", "null"),
    ("Type", "\"enter\""),
    ("number", "-1.5e-7"),
    ("x\\\"y", "[[[[[[[[]]]]]]]]"),
];

fn member(name: &str, value: &str, rng: &mut SmallRng) -> String {
    let name = if rng.random_bool(0.1) { escaped(name) } else { format!("\"{name}\"") };
    let space = if rng.random_bool(0.2) { " \t" } else { "" };
    format!("{space}{name}{space}:{space}{value}{space}")
}

/// A string; now and then with every character escaped.
pub(super) fn string(text: &str, odd: bool) -> String {
    if odd { escaped(text) } else { serde_json::Value::from(text).to_string() }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::from("\"");
    for unit in text.encode_utf16() {
        let _ = write!(escaped, "\\u{unit:04x}");
    }
    escaped + "\""
}
