//! What exactly is signed.
//!
//! Ten fields or more, each on a line of its own, without a line feed at the end:
//!
//! ```text
//! tandem-hmac-sha256-v1
//! <key id>
//! <timestamp>
//! <nonce>
//! <METHOD>
//! <path>
//! <query>            empty, or ? and the parameters sorted by name
//! <names of the signed headers, with ; between them>
//! <name>:<value>     a line for each of them, in this order
//! <sha256 of the body>
//! ```
//!
//! No two requests give one text: no field can hold a line feed, the number of header lines stands
//! before them, a signed header must stand in the request exactly once, and path and query are taken as
//! they are sent, without decoding. Parameters are sorted by name, and those of one name keep their order,
//! which may mean something; so requests that differ only in the order of different parameters are one.

use http::header::{HOST, HeaderName};
use http::{HeaderMap, Method, Uri};

use super::Parameters;
use crate::hexadecimal::to_hexadecimal;

/// Headers that change what a request means here: where one of them is sent, it must be signed.
pub const SIGNED_WHEN_PRESENT: [&str; 5] =
    ["content-encoding", "idempotency-key", "prefer", "tandem-chain", "tandem-token"];

/// The first line. Another form gets another one.
const VERSION: &str = "tandem-hmac-sha256-v1";

/// Why a request has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// A signed header is not there, or several times, or there are two different hosts.
    #[error("each header named in `headers` must be sent, and once only")]
    Header,
    /// A header that means something is not signed.
    #[error(
        "these headers must be signed where they are sent: content-encoding, idempotency-key, prefer, \
         tandem-chain, tandem-token"
    )]
    Unsigned,
}

/// The text that is signed.
///
/// # Errors
///
/// When a signed header does not stand there exactly once, or one that must be signed is not.
pub fn canonical_request(
    parameters: &Parameters,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Vec<u8>, CanonicalError> {
    let names = &parameters.headers;
    let is_signed = |name: &str| names.iter().any(|signed| signed == name);
    if SIGNED_WHEN_PRESENT.iter().any(|name| headers.contains_key(*name) && !is_signed(name)) {
        return Err(CanonicalError::Unsigned);
    }
    let timestamp = parameters.timestamp_s.to_string();
    let query = uri.query().map(sorted).unwrap_or_default();
    let joined = names.join(";");
    let mut text = Vec::with_capacity(512);
    let fields = [
        VERSION,
        &parameters.key,
        &timestamp,
        &parameters.nonce,
        method.as_str(),
        uri.path(),
        &query,
        &joined,
    ];
    for field in fields {
        text.extend_from_slice(field.as_bytes());
        text.push(b'\n');
    }
    for name in names {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        text.extend_from_slice(value_of(name, uri, headers)?);
        text.push(b'\n');
    }
    text.extend_from_slice(to_hexadecimal(&parameters.body_sha256).as_bytes());
    Ok(text)
}

/// `?` and the parameters, sorted by name (what stands before the first `=`).
fn sorted(query: &str) -> String {
    let mut parameters: Vec<&str> = query.split('&').collect();
    // The sort is stable.
    parameters.sort_by_key(|parameter| parameter.split('=').next().unwrap_or_default());
    format!("?{}", parameters.join("&"))
}

/// The value of a header that stands there once. In HTTP/2 the host is part of the target.
fn value_of<'a>(name: &str, uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a [u8], CanonicalError> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| CanonicalError::Header)?;
    let authority =
        if name == HOST { uri.authority().map(|authority| authority.as_str().as_bytes()) } else { None };
    let mut values = headers.get_all(&name).iter().map(|value| value.as_bytes().trim_ascii());
    match (values.next(), values.next(), authority) {
        (Some(value), None, None) => Ok(value),
        (Some(value), None, Some(authority)) if value == authority => Ok(value),
        (None, None, Some(authority)) => Ok(authority),
        _ => Err(CanonicalError::Header),
    }
}
