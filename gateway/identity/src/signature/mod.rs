//! Signed requests: HMAC-SHA256 over what is sent, so that the secret itself is not.
//!
//! `docs/signing.md` is the description for those who write clients; a test holds its vectors against
//! this code. The header:
//!
//! ```text
//! Authorization: Tandem-HMAC-SHA256 key=<id>, timestamp=<seconds>, nonce=<nonce>,
//!     headers=<name;name>, body=<sha256>, signature=<hmac>
//! ```
//!
//! The body's hash is in the header, and so under the signature, before the body has come: who asks is
//! known from the head alone. Whoever reads the body must check it against the hash before he uses it.

mod canonical;

use http::{HeaderMap, Method, Uri};
use ring::hmac;

use crate::SKEW_MS;
use crate::hexadecimal::{from_hexadecimal, to_hexadecimal};
use crate::refusal::SignatureFault;
use crate::replays::NONCE_CHARS;

pub use canonical::{CanonicalError, SIGNED_WHEN_PRESENT, canonical_request};

/// The scheme of the Authorization header.
pub const SCHEME: &str = "Tandem-HMAC-SHA256";
/// Digits of a timestamp: enough until the year 5138.
const TIMESTAMP_DIGITS_MAX: usize = 11;
/// Most headers under a signature.
const HEADERS_MAX: usize = 16;

/// What stands in the header of a signed request, but for the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// The id of the key.
    pub key: String,
    /// When it was signed, in seconds since the epoch.
    pub timestamp_s: u64,
    /// What makes it unlike any other.
    pub nonce: String,
    /// The signed headers: lower case, sorted, `host` among them.
    pub headers: Vec<String>,
    /// The SHA-256 of the body.
    pub body_sha256: [u8; 32],
}

impl Parameters {
    /// The parameters, and the signature, in the value of an Authorization header behind its scheme.
    pub(crate) fn parse(text: &str) -> Result<(Self, [u8; 32]), SignatureFault> {
        const NAMES: [&str; 6] = ["key", "timestamp", "nonce", "headers", "body", "signature"];
        let mut values: [Option<&str>; 6] = [None; 6];
        for parameter in text.split(',') {
            let (name, value) =
                parameter.trim_matches([' ', '\t']).split_once('=').ok_or(SignatureFault::Parameters)?;
            let index = NAMES.iter().position(|known| *known == name).ok_or(SignatureFault::Parameters)?;
            if values[index].replace(value).is_some() {
                return Err(SignatureFault::Parameters);
            }
        }
        let [Some(key), Some(timestamp), Some(nonce), Some(headers), Some(body), Some(signature)] = values
        else {
            return Err(SignatureFault::Parameters);
        };
        let wrong = SignatureFault::Parameter;
        let is_key = (1..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_nonce = NONCE_CHARS.contains(&nonce.len())
            && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let parsed = Self {
            key: if is_key { key.to_owned() } else { return Err(wrong("key")) },
            timestamp_s: seconds(timestamp).ok_or(wrong("timestamp"))?,
            nonce: if is_nonce { nonce.to_owned() } else { return Err(wrong("nonce")) },
            headers: header_names(headers).ok_or(wrong("headers"))?,
            body_sha256: from_hexadecimal(body).ok_or(wrong("body"))?,
        };
        Ok((parsed, from_hexadecimal(signature).ok_or(wrong("signature"))?))
    }

    /// Whether the clock of whoever signed and ours agree, or nearly so.
    pub(crate) fn is_fresh(&self, now_ms: u64) -> bool {
        let signed_ms = self.timestamp_s.saturating_mul(1_000);
        now_ms.abs_diff(signed_ms) <= SKEW_MS
    }
}

/// Digits without a zero in front: one form for each number.
fn seconds(text: &str) -> Option<u64> {
    let is_number = (1..=TIMESTAMP_DIGITS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0');
    if is_number { text.parse().ok() } else { None }
}

/// Names in lower case, sorted, each once, `host` among them.
fn header_names(text: &str) -> Option<Vec<String>> {
    let names: Vec<String> = text.split(';').map(str::to_owned).collect();
    let is_name = |name: &String| {
        !name.is_empty()
            && name != "authorization"
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let is_sorted = names.windows(2).all(|pair| pair[0] < pair[1]);
    let is_good = names.len() <= HEADERS_MAX
        && names.iter().all(is_name)
        && is_sorted
        && names.iter().any(|name| name == "host");
    is_good.then_some(names)
}

/// Signs a request: the value of its Authorization header. For clients in this program, and for tests.
///
/// # Errors
///
/// When it can't be written down in its canonical form.
pub fn sign(
    signing_key: &[u8; 32],
    parameters: &Parameters,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<String, CanonicalError> {
    let canonical = canonical_request(parameters, method, uri, headers)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, signing_key);
    let signature = to_hexadecimal(hmac::sign(&key, &canonical).as_ref());
    let Parameters { key, timestamp_s, nonce, headers, body_sha256 } = parameters;
    Ok(format!(
        "{SCHEME} key={key}, timestamp={timestamp_s}, nonce={nonce}, headers={}, body={}, signature={signature}",
        headers.join(";"),
        to_hexadecimal(body_sha256)
    ))
}

#[cfg(test)]
mod tests;
