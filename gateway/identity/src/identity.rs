//! From the head of a request to who sent it.
//!
//! # Time
//! A guess must not be helped by how long the answer takes. So the operator's key is compared as a hash,
//! in constant time; a tenant's key is looked up by its id, which is no secret, and an id that is not
//! there costs the same hash and the same comparison, against a secret that nobody has. That an operator's
//! key does not begin as keys of tenants do is no secret either: then those are not compared with it.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Uri};
use ring::hmac;
use subtle::ConstantTimeEq;

use crate::caller::Caller;
use crate::jwt::{JwtRules, is_token};
use crate::keys::{Key, KeyLife, KeySet, PREFIX, Secret};
use crate::refusal::{Refusal, SignatureFault, TokenFault};
use crate::replays::Nonce;
use crate::sha256;
use crate::signature::{Parameters, SCHEME, canonical_request};

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its target.
    pub uri: &'a Uri,
    /// Its headers.
    pub headers: &'a HeaderMap,
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// Who.
    pub caller: Caller,
    /// Of a signed request: what else must hold.
    pub signed: Option<Signed>,
    /// When what was shown ends by itself, in milliseconds since the epoch; nothing where it does not.
    pub until_ms: Option<u64>,
}

/// What must hold of a signed request before anything of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// [`Replays`](crate::Replays) must take it.
    pub nonce: Nonce,
    /// The body must have this SHA-256.
    pub body_sha256: [u8; 32],
}

/// The operator's key.
#[derive(Clone, Copy, Debug)]
struct Operator {
    sha256: [u8; 32],
    /// Whether it begins as keys of tenants do.
    is_like_key: bool,
}

impl Operator {
    fn new(key: &str) -> Self {
        Self { sha256: sha256(key.as_bytes()), is_like_key: key.starts_with(PREFIX) }
    }

    fn has(&self, credential: &[u8]) -> bool {
        if credential.starts_with(PREFIX.as_bytes()) && !self.is_like_key {
            return false;
        }
        self.sha256.ct_eq(&sha256(credential)).into()
    }
}

/// Everything that is known about who may ask. Cheap to clone; what is loaded anew takes the place of
/// the old in a clone.
#[derive(Clone, Debug)]
pub struct Identity {
    operator: Operator,
    keys: Arc<KeySet>,
    jwt: Option<JwtRules>,
    nobody: Arc<Secret>,
}

impl Identity {
    /// Nobody but the operator.
    pub fn new(operator_key: &str) -> Self {
        Self {
            operator: Operator::new(operator_key),
            keys: Arc::default(),
            jwt: None,
            nobody: Arc::new(Secret::Signing(hmac::Key::new(hmac::HMAC_SHA256, &[0; 32]))),
        }
    }

    /// The same with this operator's key.
    #[must_use]
    pub fn with_operator(self, operator_key: &str) -> Self {
        Self { operator: Operator::new(operator_key), ..self }
    }

    /// The same with these keys.
    #[must_use]
    pub fn with_keys(self, keys: Arc<KeySet>) -> Self {
        Self { keys, ..self }
    }

    /// The same with these rules for tokens.
    #[must_use]
    pub fn with_jwt(self, jwt: Option<JwtRules>) -> Self {
        Self { jwt, ..self }
    }

    /// Who sent a request.
    ///
    /// # Errors
    ///
    /// When that is not shown, or not as it must be.
    pub fn identify(&self, head: Head<'_>, now_ms: u64) -> Result<Identified, Refusal> {
        let mut all = head.headers.get_all(AUTHORIZATION).iter();
        let header = all.next().ok_or(Refusal::Missing)?;
        if all.next().is_some() {
            return Err(Refusal::Several);
        }
        let (scheme, credential) = split_scheme(header.as_bytes()).ok_or(Refusal::Scheme)?;
        if scheme.eq_ignore_ascii_case(b"Bearer") {
            let (caller, until_ms) = self.bearer(credential, now_ms)?;
            return Ok(Identified { caller, signed: None, until_ms });
        }
        if scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) {
            let text = std::str::from_utf8(credential).map_err(|_| SignatureFault::Parameters)?;
            return self.signature(text, head, now_ms);
        }
        Err(Refusal::Scheme)
    }

    /// Whose key `id` is now, for somebody who has shown its secret before.
    ///
    /// # Errors
    ///
    /// When it is nobody's any more.
    pub fn holder(&self, id: &str, now_ms: u64) -> Result<Caller, Refusal> {
        let (caller, _, life) = self.keys.key(id).ok_or(Refusal::Unknown)?;
        check_life(life, now_ms)?;
        Ok(caller.clone())
    }

    /// Who shows this, and when it ends by itself.
    fn bearer(&self, credential: &[u8], now_ms: u64) -> Result<(Caller, Option<u64>), Refusal> {
        if self.operator.has(credential) {
            return Ok((Caller::operator(), None));
        }
        let text = std::str::from_utf8(credential).map_err(|_| Refusal::Unknown)?;
        if text.starts_with(PREFIX) {
            let key = Key::parse(text).map_err(Refusal::Form)?;
            return self.key(&key, now_ms);
        }
        match &self.jwt {
            Some(rules) if is_token(text) => {
                let (caller, until_ms) = rules.caller(text, &self.keys, now_ms)?;
                Ok((caller, Some(until_ms)))
            }
            _ => Err(Refusal::Unknown),
        }
    }

    fn key(&self, key: &Key, now_ms: u64) -> Result<(Caller, Option<u64>), Refusal> {
        let presented = key.secret_sha256();
        match self.keys.key(key.id()) {
            Some((caller, secret @ Secret::Sha256(_), life)) if secret.is_sha256(&presented) => {
                check_life(life, now_ms)?;
                Ok((caller.clone(), life.ends_ms()))
            }
            Some((_, Secret::Sha256(_), _)) => Err(Refusal::Unknown),
            // Nobody, or a key that signs and must not be sent: the same comparison, for nothing.
            _ => {
                std::hint::black_box(bool::from(self.operator.sha256.ct_eq(&presented)));
                Err(Refusal::Unknown)
            }
        }
    }

    fn signature(&self, text: &str, head: Head<'_>, now_ms: u64) -> Result<Identified, Refusal> {
        let (parameters, signature) = Parameters::parse(text)?;
        if !parameters.is_fresh(now_ms) {
            return Err(SignatureFault::Stale.into());
        }
        let canonical = canonical_request(&parameters, head.method, head.uri, head.headers)
            .map_err(SignatureFault::Canonical)?;
        let found =
            self.keys.key(&parameters.key).filter(|(_, secret, _)| matches!(secret, Secret::Signing(_)));
        let secret = found.map_or(&*self.nobody, |(_, secret, _)| secret);
        let is_genuine = match secret {
            Secret::Signing(key) => hmac::verify(key, &canonical, &signature).is_ok(),
            Secret::Sha256(_) => false,
        };
        let Some((caller, _, life)) = found.filter(|_| is_genuine) else {
            return Err(SignatureFault::Mismatch.into());
        };
        check_life(life, now_ms)?;
        let nonce = Nonce::new(Arc::clone(&caller.key_id), parameters.timestamp_s, &parameters.nonce);
        let signed = Signed { nonce, body_sha256: parameters.body_sha256 };
        Ok(Identified { caller: caller.clone(), signed: Some(signed), until_ms: life.ends_ms() })
    }
}

/// Whether a value of the Authorization header shows what can't be guessed and is cheap to check: a
/// key of ours, or a signature. All others are tokens, the operator's key, or nothing.
pub fn is_strong(header: &[u8]) -> bool {
    let Some((scheme, credential)) = split_scheme(header) else { return false };
    scheme.eq_ignore_ascii_case(SCHEME.as_bytes())
        || scheme.eq_ignore_ascii_case(b"Bearer") && credential.starts_with(PREFIX.as_bytes())
}

impl Refusal {
    /// Whether loading the keys of tokens anew might help.
    pub fn is_unknown_token_key(self) -> bool {
        self == Refusal::Token(TokenFault::UnknownKeyId)
    }
}

fn check_life(life: KeyLife, now_ms: u64) -> Result<(), Refusal> {
    if life.is_revoked(now_ms) {
        return Err(Refusal::Revoked);
    }
    if life.is_expired(now_ms) {
        return Err(Refusal::Expired);
    }
    Ok(())
}

/// The scheme, and what stands behind the spaces after it.
fn split_scheme(header: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, credential) = header.split_at(end);
    Some((scheme, credential.trim_ascii()))
}

#[cfg(test)]
mod tests;
