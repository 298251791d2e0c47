//! Fields of a header or of trailers: RFC 9110, 5, and RFC 9112, 5.

use crate::Violation;

/// A field's name and its value without the white space around it.
///
/// # Errors
///
/// What is wrong with the line.
pub(crate) fn split(line: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    if matches!(line, [b' ' | b'\t', ..]) {
        return Err(Violation::ObsFold);
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Violation::FieldName)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if matches!(name, [.., b' ' | b'\t']) {
        return Err(Violation::SpaceBeforeColon);
    }
    if name.is_empty() || !name.iter().all(|byte| is_token_byte(*byte)) {
        return Err(Violation::FieldName);
    }
    if looks_like_framing(name) {
        return Err(Violation::FieldLookAlike);
    }
    Ok((name, trim(value)))
}

/// Some gateways to programs make `_` of `-`: then `content_length` is a second length.
fn looks_like_framing(name: &[u8]) -> bool {
    let is_like = |framing: &[u8]| {
        let same =
            |(one, other): (&u8, &u8)| one.eq_ignore_ascii_case(other) || (*one, *other) == (b'_', b'-');
        name.len() == framing.len() && name.iter().zip(framing).all(same)
    };
    name.contains(&b'_') && (is_like(b"content-length") || is_like(b"transfer-encoding"))
}

/// White space here is space and tabulator, no more.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// RFC 9110, 5.6.2.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    // Looked up: every name of every field is judged byte by byte.
    TOKEN_BYTES[usize::from(byte)]
}

const TOKEN_BYTES: [bool; 256] = {
    let mut is_token = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        is_token[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut index = 0;
    while index < others.len() {
        is_token[others[index] as usize] = true;
        index += 1;
    }
    is_token
};

/// Reads a `Content-Length`. Leading zeros are refused, since some read them as octal, and more than
/// 19 digits, since some overflow.
pub(crate) fn length(value: &[u8]) -> Result<u64, Violation> {
    let is_plain = match value {
        [] | [b'0', _, ..] => false,
        digits => digits.len() <= 19 && digits.iter().all(u8::is_ascii_digit),
    };
    let text = str::from_utf8(value).ok().filter(|_| is_plain);
    text.and_then(|text| text.parse().ok()).ok_or(Violation::Length)
}

/// Reads a `Transfer-Encoding`: it must be `chunked`, in any capitals.
pub(crate) fn coding(value: &[u8]) -> Result<(), Violation> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = value.split(|byte| *byte == b',').map(trim);
    let is_coding = |coding: &[u8]| !coding.is_empty() && coding.iter().all(|byte| is_token_byte(*byte));
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let last = codings.next_back().unwrap_or_default();
    // Other codings first, then chunked, once: that is HTTP, but none of ours.
    match is_chunked(last) && codings.all(|coding| is_coding(coding) && !is_chunked(coding)) {
        true => Err(Violation::CodingNotImplemented),
        false => Err(Violation::Coding),
    }
}

/// Whether a field may not be a trailer: what frames, routes, authenticates or describes the body has
/// to be known before it (RFC 9110, 6.5.1). `name` in any capitals.
pub(crate) fn is_forbidden_trailer(name: &[u8]) -> bool {
    const FORBIDDEN: [&[u8]; 34] = [
        b"age",
        b"authorization",
        b"cache-control",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"cookie",
        b"date",
        b"expect",
        b"expires",
        b"host",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"idempotency-key",
        b"keep-alive",
        b"location",
        b"max-forwards",
        b"pragma",
        b"prefer",
        b"proxy-authorization",
        b"proxy-connection",
        b"range",
        b"set-cookie",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"vary",
        b"x-forwarded-for",
    ];
    let is_own = name.get(..7).is_some_and(|begin| begin.eq_ignore_ascii_case(b"tandem-"));
    is_own || FORBIDDEN.iter().any(|forbidden| forbidden.eq_ignore_ascii_case(name))
}
