//! Why a request is not let in, in words for whoever sent it.
//!
//! None of them says whether a key id exists: until somebody has shown the secret, an unknown key, a
//! revoked one and a wrong secret are one and the same. That a key has expired or was revoked is said
//! to those who have shown it.

use crate::keys::KeyFormError;
use crate::signature::CanonicalError;

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It shows nothing.
    #[error("send your key in the header `Authorization: Bearer <key>`, or sign the request")]
    Missing,
    /// It shows several things.
    #[error("send one Authorization header, not several")]
    Several,
    /// The header is something else.
    #[error("the Authorization header must be `Bearer <key or token>` or `Tandem-HMAC-SHA256 <parameters>`")]
    Scheme,
    /// A key of ours by its looks, but none.
    #[error("{0}: check it, or ask the operator for one")]
    Form(KeyFormError),
    /// A key that nobody has, or the wrong secret.
    #[error("this key is not known: check it, or ask the operator for one")]
    Unknown,
    /// Its time is over.
    #[error("this key has expired: ask the operator for a new one")]
    Expired,
    /// Somebody ended it.
    #[error("this key was revoked: ask the operator for a new one")]
    Revoked,
    /// A token that is not taken.
    #[error("this token is not taken: {0}")]
    Token(TokenFault),
    /// A signature that is not taken.
    #[error("this signature is not taken: {0}")]
    Signature(SignatureFault),
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is over its limit.
    #[error("it is too long")]
    TooLong,
    /// It is not three parts of base64url, two of them JSON.
    #[error("it is not three parts of base64url with JSON in the first two")]
    Shape,
    /// It is signed in a way that is not taken.
    #[error("it must be signed with EdDSA or ES256")]
    Algorithm,
    /// It demands what we do not know.
    #[error("its header names extensions in `crit`, and none is known here")]
    Critical,
    /// It does not name its key.
    #[error("its header must name the key in `kid`")]
    NoKeyId,
    /// Nobody knows that key, perhaps not yet.
    #[error("the key that signed it is not known: if it is new, try again in a minute")]
    UnknownKeyId,
    /// It names another algorithm than the key's.
    #[error("its `alg` is not that of its key")]
    OtherAlgorithm,
    /// The signature does not fit.
    #[error("its signature does not fit")]
    Signature,
    /// Its claims are not what they must be.
    #[error("its claims must be `iss`, `aud`, `sub`, `exp` and the tenant, each of its type")]
    Claims,
    /// It was made by somebody else.
    #[error("its `iss` is not the issuer that is configured here")]
    Issuer,
    /// It was made for somebody else.
    #[error("its `aud` does not name this system")]
    Audience,
    /// Its time is over.
    #[error("it has expired: get a new one")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet: check the clocks")]
    NotYet,
    /// Nobody is called so.
    #[error("its tenant is not known here")]
    Tenant,
}

/// Why a signature is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The header is not a list of the six parameters.
    #[error(
        "the header must hold key, timestamp, nonce, headers, body and signature, each once, as `name=value` \
         with commas between them"
    )]
    Parameters,
    /// One of them is not what it must be.
    #[error("the parameter `{0}` is malformed")]
    Parameter(&'static str),
    /// What is signed can't be written down.
    #[error("{0}")]
    Canonical(#[from] CanonicalError),
    /// The clocks differ, or it was sent too late.
    #[error("its timestamp is more than 60 s off: check the clock, and sign each request anew")]
    Stale,
    /// The key is not known, or something was signed otherwise.
    #[error(
        "it does not fit: check the key, and that exactly what is sent was signed (docs/signing.md says how, \
         with test vectors)"
    )]
    Mismatch,
}

impl From<TokenFault> for Refusal {
    fn from(fault: TokenFault) -> Self {
        Refusal::Token(fault)
    }
}

impl From<SignatureFault> for Refusal {
    fn from(fault: SignatureFault) -> Self {
        Refusal::Signature(fault)
    }
}
