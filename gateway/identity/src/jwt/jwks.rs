//! The keys that sign tokens: a JSON Web Key Set (RFC 7517, 8037).
//!
//! Of each key only one algorithm is taken, the one its type and curve stand for: a token can't choose
//! another. Keys of types that are not taken (RSA, say) are left out, since issuers publish sets for
//! many; what claims to be of a type that is taken and is broken makes the whole set refused.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use serde::Deserialize;

use super::Header;
use crate::refusal::TokenFault;

/// Largest set, in bytes.
const JWKS_BYTES_MAX: usize = 256 * 1024;
/// Most keys in a set.
const JWKS_KEYS_MAX: usize = 64;
/// Longest id of a key, in bytes.
const KEY_ID_BYTES_MAX: usize = 256;

/// Keys by `kid`.
#[derive(Debug, Default)]
pub struct Jwks {
    keys: HashMap<String, PublicKey>,
}

#[derive(Debug)]
struct PublicKey {
    algorithm: Algorithm,
    key: UnparsedPublicKey<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    EdDsa,
    Es256,
}

impl Algorithm {
    fn of(name: &str) -> Option<Self> {
        match name {
            // RFC 9864 gives it a name of its own.
            "EdDSA" | "Ed25519" => Some(Algorithm::EdDsa),
            "ES256" => Some(Algorithm::Es256),
            _ => None,
        }
    }
}

/// Why a set of keys was refused, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// It is too large, or has too many keys.
    #[error("a set of keys has at most {JWKS_KEYS_MAX} keys in {} KiB", JWKS_BYTES_MAX >> 10)]
    TooLarge,
    /// It is no set.
    #[error("this is no JSON Web Key Set: {0}")]
    Syntax(String),
    /// It has no key that could be used.
    #[error("it holds no key for EdDSA (Ed25519) or ES256 (P-256) with a `kid`")]
    Empty,
    /// A key is not sound.
    #[error("key {id:?}: {what}")]
    Key {
        /// Its id.
        id: String,
        /// What is wrong.
        what: &'static str,
    },
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    for_: Option<String>,
    key_ops: Option<Vec<String>>,
    x: Option<String>,
    y: Option<String>,
    d: Option<serde::de::IgnoredAny>,
}

impl Jwks {
    /// The keys in `text`.
    ///
    /// # Errors
    ///
    /// When it is no set, holds no key that is taken, or a broken one.
    pub fn parse(text: &[u8]) -> Result<Self, JwksError> {
        if text.len() > JWKS_BYTES_MAX {
            return Err(JwksError::TooLarge);
        }
        let set: Set = serde_json::from_slice(text).map_err(|error| JwksError::Syntax(error.to_string()))?;
        if set.keys.len() > JWKS_KEYS_MAX {
            return Err(JwksError::TooLarge);
        }
        let mut keys = HashMap::new();
        for jwk in set.keys {
            let Some(id) = jwk.kid.clone() else { continue };
            let refused = |what| JwksError::Key { id: id.clone(), what };
            let Some(key) = jwk.public_key().map_err(refused)? else { continue };
            if keys.insert(id.clone(), key).is_some() {
                return Err(refused("stands there twice"));
            }
        }
        if keys.is_empty() { Err(JwksError::Empty) } else { Ok(Self { keys }) }
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has none, as before it was first loaded.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn verify(&self, header: &Header, signed: &[u8], signature: &[u8]) -> Result<(), TokenFault> {
        let algorithm = Algorithm::of(&header.alg).ok_or(TokenFault::Algorithm)?;
        if header.crit.is_some() {
            return Err(TokenFault::Critical);
        }
        let id = header.kid.as_deref().filter(|id| id.len() <= KEY_ID_BYTES_MAX);
        let id = id.ok_or(TokenFault::NoKeyId)?;
        let key = self.keys.get(id).ok_or(TokenFault::UnknownKeyId)?;
        if key.algorithm != algorithm {
            return Err(TokenFault::OtherAlgorithm);
        }
        key.key.verify(signed, signature).map_err(|_| TokenFault::Signature)
    }
}

impl Jwk {
    /// The key, where it is one that signs tokens in a way that is taken.
    fn public_key(&self) -> Result<Option<PublicKey>, &'static str> {
        let is_for_signing = self.for_.as_deref().is_none_or(|for_| for_ == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        let algorithm = match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => Algorithm::EdDsa,
            ("EC", Some("P-256")) => Algorithm::Es256,
            _ => return Ok(None),
        };
        if !is_for_signing {
            return Ok(None);
        }
        if self.d.is_some() {
            return Err("is a private key: publish the public one, and make a new pair");
        }
        if self.kid.as_ref().is_some_and(|id| id.len() > KEY_ID_BYTES_MAX) {
            return Err("has too long a `kid`");
        }
        if self.alg.as_deref().is_some_and(|name| Algorithm::of(name) != Some(algorithm)) {
            return Err("has an `alg` that is not that of its type");
        }
        let x = coordinate(self.x.as_deref()).ok_or("needs `x`, 32 bytes in base64url")?;
        let key = match algorithm {
            Algorithm::EdDsa => UnparsedPublicKey::new(&ED25519, x),
            Algorithm::Es256 => {
                let y = coordinate(self.y.as_deref()).ok_or("needs `y`, 32 bytes in base64url")?;
                // Both coordinates stand behind a 4: the uncompressed form (SEC 1, 2.3.3).
                let point = [&[4][..], &x, &y].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            }
        };
        Ok(Some(PublicKey { algorithm, key }))
    }
}

fn coordinate(text: Option<&str>) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text?).ok()?;
    (bytes.len() == 32).then_some(bytes)
}
