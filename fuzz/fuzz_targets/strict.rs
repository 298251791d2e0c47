//! Any connection is judged without a panic, and in the same way however it is cut into reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem_strict::{Guard, Limits, Refusal};

fuzz_target!(|input: (&[u8], [u8; 4])| {
    let (connection, sizes) = input;
    let whole = outcome([connection]);
    assert_eq!(outcome(connection.chunks(1)), whole);
    let mut rest = connection;
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        let (piece, after) = rest.split_at((usize::from(*size) + 1).min(rest.len()));
        pieces.push(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    assert_eq!(outcome(pieces), whole);
});

/// How many bytes pass, how many heads, and the verdict.
fn outcome<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (usize, u64, Option<Refusal>) {
    let mut guard = Guard::new(Limits::default());
    let (mut passed, mut before) = (0, 0);
    for piece in pieces {
        let progress = guard.read(piece);
        assert!(progress.clear <= piece.len());
        if progress.clear > 0 {
            passed = before + progress.clear;
        }
        before += piece.len();
        if progress.refusal.is_some() {
            return (passed, guard.heads(), progress.refusal);
        }
    }
    (passed, guard.heads(), None)
}
