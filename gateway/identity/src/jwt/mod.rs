//! Tokens of somebody else's making: JWT (RFC 7519), signed with EdDSA or ES256.
//!
//! What the recommendations for them (RFC 8725) come down to here: the key decides on the algorithm, not
//! the token; `none` and everything symmetric is unknown; issuer, audience and end are always checked; a
//! token speaks for one tenant, which must be in the file of keys.
//!
//! # What a token may
//! It sees what its tenant sees. Where it holds `grants`, it sees only what stands in both: what is not
//! named there is not granted. It may read, or what `permissions` says (`read`, `write`).

mod jwks;

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tandem_model::Scope;
use tandem_model::scope::Grants;

use crate::SKEW_MS;
use crate::caller::{Caller, Credential, Permissions};
use crate::keys::{KeySet, Tenant};
use crate::names::is_name;
use crate::refusal::TokenFault;

pub use jwks::{Jwks, JwksError};

/// Longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Longest `sub`, in characters.
const SUBJECT_CHARS_MAX: usize = 255;

/// Which tokens are taken.
#[derive(Clone, Debug)]
pub struct JwtRules {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must be or hold.
    pub audience: String,
    /// Which claim names the tenant.
    pub tenant_claim: String,
    /// Which keys sign them.
    pub keys: Arc<Jwks>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    azp: Option<String>,
    client_id: Option<String>,
    permissions: Option<Vec<String>>,
    grants: Option<Grants>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Whether `text` looks like a token: three parts with dots between them.
pub(crate) fn is_token(text: &str) -> bool {
    text.split('.').count() == 3
}

impl JwtRules {
    /// Who shows this token, and until when it is taken, in milliseconds since the epoch.
    pub(crate) fn caller(
        &self,
        token: &str,
        keys: &KeySet,
        now_ms: u64,
    ) -> Result<(Caller, u64), TokenFault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Shape)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenFault::Shape)?;
        let header: Header = from_base64(header)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenFault::Shape)?;
        self.keys.verify(&header, signed.as_bytes(), &signature)?;
        // Nothing of it was looked at before it was known to be genuine.
        let claims: Value = from_base64(claims)?;
        let tenant = claims.get(&self.tenant_claim).and_then(Value::as_str).ok_or(TokenFault::Claims)?;
        let tenant = tenant.to_owned();
        let claims: Claims = serde_json::from_value(claims).map_err(|_| TokenFault::Claims)?;
        self.check(&claims, now_ms)?;
        let tenant = keys.tenant(&tenant).ok_or(TokenFault::Tenant)?;
        // As text it may be anything; as a number of milliseconds it is never less than 0.
        let until_ms = (claims.exp * 1_000.0) as u64;
        let caller = claims.into_caller(tenant)?;
        Ok((caller, until_ms.saturating_add(SKEW_MS)))
    }

    fn check(&self, claims: &Claims, now_ms: u64) -> Result<(), TokenFault> {
        if claims.iss != self.issuer {
            return Err(TokenFault::Issuer);
        }
        let is_for_us = match &claims.aud {
            Audience::One(audience) => *audience == self.audience,
            Audience::Several(audiences) => audiences.contains(&self.audience),
        };
        if !is_for_us {
            return Err(TokenFault::Audience);
        }
        let (now_s, skew_s) = (now_ms as f64 / 1_000.0, SKEW_MS as f64 / 1_000.0);
        if claims.exp + skew_s <= now_s {
            return Err(TokenFault::Expired);
        }
        let begins = [claims.nbf, claims.iat];
        match begins.into_iter().flatten().any(|begin| begin > now_s + skew_s) {
            true => Err(TokenFault::NotYet),
            false => Ok(()),
        }
    }
}

impl Claims {
    fn into_caller(self, tenant: &Tenant) -> Result<Caller, TokenFault> {
        let is_visible = self.sub.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible || !(1..=SUBJECT_CHARS_MAX).contains(&self.sub.len()) {
            return Err(TokenFault::Claims);
        }
        let may = match &self.permissions {
            None => Permissions { read: true, ..Permissions::default() },
            Some(named) if named.iter().all(|name| matches!(name.as_str(), "read" | "write")) => {
                let has = |wanted: &str| named.iter().any(|name| name == wanted);
                Permissions { read: has("read"), write: has("write"), operate: false }
            }
            Some(_) => return Err(TokenFault::Claims),
        };
        let scope = match &self.grants {
            None => Arc::clone(&tenant.scope),
            Some(narrower) => Arc::new(Scope::Granted(common(&tenant.grants, narrower))),
        };
        let application = [self.azp, self.client_id].into_iter().flatten().find(|name| is_name(name));
        let application = application.unwrap_or_else(|| "jwt".to_owned());
        // Neither a tenant's name nor an id of a key has a colon.
        let key_id = format!("jwt:{}:{}", tenant.name, self.sub);
        let names = (Arc::clone(&tenant.name), application.into());
        Ok(Caller::of_tenant(key_id, names, scope, may, Credential::Jwt))
    }
}

/// What both grant.
fn common(one: &Grants, other: &Grants) -> Grants {
    let both = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.intersection(other).cloned().collect();
    Grants {
        anchors: both(&one.anchors, &other.anchors),
        merchants: both(&one.merchants, &other.merchants),
        channels: both(&one.channels, &other.channels),
        tables: both(&one.tables, &other.tables),
    }
}

fn from_base64<T: DeserializeOwned>(text: &str) -> Result<T, TokenFault> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenFault::Shape)?;
    serde_json::from_slice(&json).map_err(|_| TokenFault::Shape)
}

#[cfg(test)]
pub(crate) mod tests;
