//! What is refused and what is not, read at once.

use std::collections::BTreeSet;

use tandem_strict::{Guard, Limits, Violation};

use crate::table::{GOOD, REFUSED};

#[test]
fn every_row_is_refused_for_its_reason() {
    for (violation, connections) in REFUSED {
        assert!(connections.len() >= 2, "{violation:?} has one spelling only");
        for connection in *connections {
            let mut guard = Guard::new(Limits::default());
            let progress = guard.read(connection.as_bytes());
            let refusal = progress.refusal.unwrap_or_else(|| panic!("{violation:?}: {connection:?} passed"));
            assert_eq!(refusal.violation, *violation, "{connection:?}");
            assert_eq!(refusal.request, 1, "{connection:?}");
            // Of a head that is refused, nothing passes; of a body, what came before.
            assert_eq!(refusal.in_body, guard.heads() == 1, "{connection:?}");
            assert_eq!(refusal.in_body, progress.clear > 0, "{connection:?}");
            // For good, and whoever says that it has become something else.
            guard.pass_through();
            let after = guard.read(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
            assert_eq!((after.clear, after.refusal), (0, Some(refusal)), "{connection:?}");
        }
    }
}

#[test]
fn the_table_has_every_violation_that_is_no_limit() {
    let in_table: BTreeSet<_> = REFUSED.iter().map(|(violation, _)| *violation).collect();
    let limits = BTreeSet::from([
        Violation::TargetTooLong,
        Violation::FieldsTooMany,
        Violation::FieldTooLong,
        Violation::HeaderTooLong,
        Violation::ChunkExtensionTooLong,
    ]);
    let all: BTreeSet<_> = Violation::ALL.iter().copied().collect();
    assert_eq!(&all - &in_table, limits);
    assert!(in_table.is_disjoint(&limits));
}

#[test]
fn good_requests_pass_whole() {
    for (heads, connection) in GOOD {
        let mut guard = Guard::new(Limits::default());
        // Again and again: nothing is left over from one request for the next.
        for round in 1..=3 {
            let progress = guard.read(connection.as_bytes());
            assert_eq!(progress.refusal, None, "{connection:?}");
            assert_eq!(progress.clear, connection.len(), "{connection:?}");
            assert_eq!(guard.heads(), heads * round, "{connection:?}");
            assert!(guard.is_between_requests(), "{connection:?}");
        }
    }
}

#[test]
fn a_later_request_is_named_and_the_earlier_ones_pass() {
    let good = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc";
    let mut guard = Guard::new(Limits::default());
    let progress = guard.read(format!("{good}{good}GET / HTTP/1.1\r\n\r\n{good}").as_bytes());
    let refusal = progress.refusal.unwrap();
    assert_eq!(progress.clear, 2 * good.len());
    assert_eq!((refusal.violation, refusal.request, refusal.in_body), (Violation::HostMissing, 3, false));
}

#[test]
fn a_head_is_held_back_until_it_is_whole() {
    let mut guard = Guard::new(Limits::default());
    let (head, body) = ("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n", "abc");
    assert_eq!(guard.read(&head.as_bytes()[..head.len() - 1]).clear, 0);
    assert!(!guard.is_between_requests());
    assert_eq!(guard.read(b"\n").clear, 1);
    // A body is not.
    for byte in body.bytes() {
        assert_eq!(guard.read(&[byte]).clear, 1);
    }
    assert!(guard.is_between_requests());
}

#[test]
fn http_2_passes_and_only_as_the_beginning() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut guard = Guard::new(Limits::default());
    let (first, second) = preface.split_at(16);
    assert_eq!(guard.read(first).clear, 0);
    let progress = guard.read(&[second, &[0, 0, 0, 4]].concat());
    assert_eq!((progress.clear, progress.refusal), (second.len() + 4, None));
    assert!(guard.is_passing());

    let mut guard = Guard::new(Limits::default());
    assert_eq!(guard.read(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").refusal, None);
    assert_eq!(guard.read(preface).refusal.unwrap().violation, Violation::VersionNotSupported);
    // A method may begin like it.
    for method in ["P", "PR", "PRI", "PUT", "PRINT"] {
        let mut guard = Guard::new(Limits::default());
        let progress = guard.read(format!("{method} / HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
        assert_eq!((guard.heads(), progress.refusal), (1, None), "{method}");
    }
}

#[test]
fn after_an_upgrade_nothing_is_judged() {
    let mut guard = Guard::new(Limits::default());
    let upgrade = b"GET /v1/stream HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    assert_eq!(guard.read(upgrade).clear, upgrade.len());
    guard.pass_through();
    assert_eq!(guard.read(b"\x81\x05hello").clear, 7);
    assert!(guard.is_passing());
}
