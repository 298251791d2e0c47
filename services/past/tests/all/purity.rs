//! Replays read no clock and do no I/O, like the fold.

use tandem_purity::check_source;

const BANNED: [(&str, &str); 11] = [
    ("f64", "figures are integers"),
    ("SystemTime", "the moment is an argument"),
    ("Instant", "the moment is an argument"),
    ("std::fs", "no I/O"),
    ("std::net", "no I/O"),
    ("std::io", "no I/O"),
    ("println", "no I/O"),
    ("async ", "no async"),
    ("Mutex", "no threads"),
    ("rand::", "no randomness"),
    ("std::collections::HashMap", "its order is random"),
];

#[test]
fn the_source_holds_nothing_impure() {
    check_source(env!("CARGO_MANIFEST_DIR"), 4, &BANNED);
}
