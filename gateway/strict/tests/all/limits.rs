//! Limits: at them and one over.

use tandem_strict::{Guard, Limits, Violation};

const LIMITS: Limits = Limits {
    target_bytes_max: 10,
    fields_max: 3,
    field_bytes_max: 30,
    header_bytes_max: 50,
    extension_bytes_max: 4,
};

/// The verdict, read at once and byte by byte.
fn verdict(connection: &str) -> Result<(), (&'static str, u16)> {
    let at_once = Guard::new(LIMITS).read(connection.as_bytes()).refusal;
    let mut guard = Guard::new(LIMITS);
    let by_byte = connection.bytes().find_map(|byte| guard.read(&[byte]).refusal);
    assert_eq!(at_once, by_byte, "{connection:?}");
    at_once.map_or(Ok(()), |refusal| Err((refusal.violation.name(), refusal.violation.status())))
}

fn refused(violation: Violation) -> Result<(), (&'static str, u16)> {
    Err((violation.name(), violation.status()))
}

#[test]
fn targets() {
    let get = |target: &str| verdict(&format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n"));
    assert_eq!(get("/23456789a"), Ok(()));
    assert_eq!(get("/23456789ab"), refused(Violation::TargetTooLong));
    // It need not come to an end.
    assert_eq!(verdict(&format!("GET /{}", "x".repeat(100))), refused(Violation::TargetTooLong));
    assert_eq!(Violation::TargetTooLong.status(), 414);
}

#[test]
fn fields() {
    let with = |lines: &str| verdict(&format!("GET / HTTP/1.1\r\nhost: x\r\n{lines}\r\n"));
    assert_eq!(with("a: b\r\nc: d\r\n"), Ok(()));
    assert_eq!(with("a: b\r\nc: d\r\ne: f\r\n"), refused(Violation::FieldsTooMany));
    assert_eq!(with(&format!("a: {}\r\n", "x".repeat(27))), Ok(()));
    assert_eq!(with(&format!("a: {}\r\n", "x".repeat(28))), refused(Violation::FieldTooLong));
    assert_eq!(with(&format!("a:{}\r\n", " ".repeat(29))), refused(Violation::FieldTooLong));
    let (line, rest) = (format!("a: {}\r\n", "x".repeat(22)), "y".repeat(15));
    assert_eq!(with(&format!("{line}b: {rest}\r\n")), Ok(()));
    assert_eq!(with(&format!("{line}b: {rest}y\r\n")), refused(Violation::HeaderTooLong));
    assert_eq!(Violation::FieldsTooMany.status(), 431);
}

#[test]
fn trailers_and_chunk_extensions() {
    let chunked = |body: &str| {
        verdict(&format!("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{body}"))
    };
    assert_eq!(chunked("0\r\na: b\r\nc: d\r\ne: f\r\n\r\n"), Ok(()));
    assert_eq!(chunked("0\r\na: b\r\nc: d\r\ne: f\r\ng: h\r\n\r\n"), refused(Violation::FieldsTooMany));
    assert_eq!(chunked(&format!("0\r\na: {}", "x".repeat(28))), refused(Violation::FieldTooLong));
    // `abc` and the CR are counted; over all chunks.
    assert_eq!(chunked("1;abc\r\nx\r\n0\r\n\r\n"), Ok(()));
    assert_eq!(chunked("1;abcd\r\nx\r\n0\r\n\r\n"), refused(Violation::ChunkExtensionTooLong));
    assert_eq!(chunked("1;abc\r\nx\r\n1;a\r\n"), refused(Violation::ChunkExtensionTooLong));
}
