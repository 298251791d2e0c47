//! All time is virtual and all chance is the seed's: the source holds nothing else.

use tandem_purity::check_source;

/// What may not occur, and why.
const BANNED: [(&str, &str); 12] = [
    ("SystemTime", "time is virtual"),
    ("Instant", "time is virtual"),
    ("std::time", "time is virtual"),
    ("std::thread", "one thing at a time"),
    ("Mutex", "one thing at a time"),
    ("async ", "one thing at a time"),
    ("std::fs", "no I/O"),
    ("std::net", "no I/O"),
    ("std::env", "a run is its scenario"),
    ("HashMap", "its order is random"),
    ("HashSet", "its order is random"),
    ("rand::rng()", "chance is the seed's"),
];

#[test]
fn the_source_holds_neither_time_nor_chance_of_its_own() {
    check_source(env!("CARGO_MANIFEST_DIR"), 26, &BANNED);
}
