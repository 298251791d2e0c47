//! However a connection is cut into reads, the verdict is the same, and so is what passes.

use proptest::prelude::*;
use tandem_strict::{Guard, Limits, Refusal};

use crate::table::{GOOD, REFUSED};

/// What passes of a connection that comes in pieces: how many bytes, how many heads, the verdict.
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

#[test]
fn every_row_cut_anywhere() {
    let refused = REFUSED.iter().flat_map(|(_, connections)| connections.iter().copied());
    for connection in refused.chain(GOOD.iter().map(|(_, connection)| *connection)) {
        let bytes = connection.as_bytes();
        let whole = outcome([bytes]);
        assert_eq!(outcome(bytes.chunks(1)), whole, "{connection:?}");
        for cut in 0..=bytes.len() {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(outcome([first, second]), whole, "{connection:?} cut at {cut}");
        }
    }
}

proptest! {
    #[test]
    fn anything_cut_anywhere(
        pieces in prop::collection::vec(piece(), 0..12),
        sizes in prop::collection::vec(1_usize..40, 1..8),
    ) {
        let bytes = pieces.concat();
        let mut rest = bytes.as_slice();
        let mut cut = Vec::new();
        for size in sizes.iter().cycle() {
            let (first, second) = rest.split_at((*size).min(rest.len()));
            cut.push(first);
            rest = second;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(outcome(cut), outcome([bytes.as_slice()]));
    }
}

/// A piece of a connection: whole requests, parts of them, noise.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let rows: Vec<&str> = REFUSED.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
    let good: Vec<&str> = GOOD.iter().map(|(_, connection)| *connection).collect();
    let words = [
        "GET ",
        "POST ",
        "/v1/x",
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
        "host: x\r\n",
        "content-length: 3\r\n",
        "transfer-encoding: chunked\r\n",
        "\r\n",
        "\r",
        "\n",
        "abc",
        "5\r\n",
        "0\r\n",
        ";a=b",
        "PRI * HTTP/2.0\r\n\r\n",
    ];
    prop_oneof![
        2 => prop::sample::select(rows).prop_map(|row| row.as_bytes().to_vec()),
        8 => prop::sample::select(good).prop_map(|row| row.as_bytes().to_vec()),
        8 => prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ]
}
