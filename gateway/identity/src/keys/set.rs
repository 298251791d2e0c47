//! All keys and tenants, ready to be asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ring::hmac;
use subtle::ConstantTimeEq;
use tandem_model::Scope;
use tandem_model::scope::{BYTES_MAX as SCOPE_BYTES_MAX, Grants};
use toml::value::Datetime;

use super::entries::{Entries, KeyEntry, KeyFileError, KeyKind, May, TenantEntry};
use super::form::is_id;
use crate::caller::{Caller, Credential, Permissions};
use crate::hexadecimal::from_hexadecimal;
use crate::names::is_name;
use crate::when::from_datetime;

/// Largest file of keys, in bytes.
pub const FILE_BYTES_MAX: usize = 16 << 20;
/// How many keys of an application may live at one time: the old one and the one that takes its place.
pub const LIVE_KEYS_MAX: usize = 2;
const TENANTS_MAX: usize = 20_000;
const KEYS_MAX: usize = 50_000;

/// All keys and tenants of one file.
#[derive(Debug, Default)]
pub struct KeySet {
    tenants: BTreeMap<Arc<str>, Tenant>,
    keys: HashMap<Arc<str>, Entry>,
    /// In the order of the file.
    order: Vec<Arc<str>>,
}

/// A tenant, ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) name: Arc<str>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) scope: Arc<Scope>,
}

#[derive(Debug)]
struct Entry {
    caller: Caller,
    secret: Secret,
    life: KeyLife,
}

/// What a secret is checked with. Not shown by `Debug`.
pub(crate) enum Secret {
    /// The SHA-256 of a bearer key's secret.
    Sha256([u8; 32]),
    /// What requests are signed with.
    Signing(hmac::Key),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// When a key can be used, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLife {
    /// Since when it is there.
    pub created_ms: u64,
    /// When it ends by itself.
    pub expires_ms: Option<u64>,
    /// When somebody ended it.
    pub revoked_ms: Option<u64>,
}

impl KeyLife {
    /// Whether it can be used at `now_ms`.
    pub fn is_live(&self, now_ms: u64) -> bool {
        !self.is_revoked(now_ms) && !self.is_expired(now_ms)
    }

    /// When it ends, as far as that is known; nothing where it does not.
    pub(crate) fn ends_ms(&self) -> Option<u64> {
        self.revoked_ms.into_iter().chain(self.expires_ms).min()
    }

    pub(crate) fn is_revoked(&self, now_ms: u64) -> bool {
        self.revoked_ms.is_some_and(|revoked| revoked <= now_ms)
    }

    pub(crate) fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expires| expires <= now_ms)
    }
}

/// A key, for listings: nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySummary {
    /// Its id; keys begin with `tdm_` and this.
    pub id: Arc<str>,
    /// Whose it is.
    pub tenant: Arc<str>,
    /// Of which program.
    pub application: Arc<str>,
    /// What it is for.
    pub kind: KeyKind,
    /// What it may do.
    pub may: Permissions,
    /// When it can be used.
    pub life: KeyLife,
}

/// A tenant, for listings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSummary {
    /// Its name.
    pub name: Arc<str>,
    /// What it was granted.
    pub grants: Arc<Grants>,
}

impl KeySet {
    /// The keys in the file `text`; `now_ms` says which of them live.
    ///
    /// # Errors
    ///
    /// When anything in it is wrong: it is refused as a whole, and the entry is named.
    pub fn parse(text: &[u8], now_ms: u64) -> Result<Self, KeyFileError> {
        if text.len() > FILE_BYTES_MAX {
            return Err(KeyFileError::TooLarge);
        }
        let text = std::str::from_utf8(text).map_err(|_| KeyFileError::NotText)?;
        let entries: Entries =
            toml::from_str(text).map_err(|error| KeyFileError::Syntax(located(text, &error)))?;
        for (what, count, most) in
            [("tenants", entries.tenants.len(), TENANTS_MAX), ("keys", entries.keys.len(), KEYS_MAX)]
        {
            if count > most {
                return Err(KeyFileError::TooMany { what, most });
            }
        }
        let mut set = Self::default();
        for entry in &entries.tenants {
            set.add_tenant(entry)?;
        }
        for entry in &entries.keys {
            set.add_key(entry).map_err(|what| KeyFileError::Key { id: entry.id.clone(), what })?;
        }
        set.check_live(now_ms)?;
        Ok(set)
    }

    /// All keys, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = KeySummary> + '_ {
        self.order.iter().filter_map(|id| self.keys.get(id)).map(|entry| KeySummary {
            id: Arc::clone(&entry.caller.key_id),
            tenant: Arc::clone(&entry.caller.tenant),
            application: Arc::clone(&entry.caller.application),
            kind: match entry.secret {
                Secret::Sha256(_) => KeyKind::Bearer,
                Secret::Signing(_) => KeyKind::Signing,
            },
            may: entry.caller.may,
            life: entry.life,
        })
    }

    /// All tenants, by name.
    pub fn tenants(&self) -> impl Iterator<Item = TenantSummary> + '_ {
        self.tenants.values().map(|tenant| TenantSummary {
            name: Arc::clone(&tenant.name),
            grants: Arc::clone(&tenant.grants),
        })
    }

    pub(crate) fn tenant(&self, name: &str) -> Option<&Tenant> {
        self.tenants.get(name)
    }

    /// The key `id`, where there is one.
    pub(crate) fn key(&self, id: &str) -> Option<(&Caller, &Secret, KeyLife)> {
        self.keys.get(id).map(|entry| (&entry.caller, &entry.secret, entry.life))
    }

    fn add_tenant(&mut self, entry: &TenantEntry) -> Result<(), KeyFileError> {
        let refused = |what: String| KeyFileError::Tenant { name: entry.name.clone(), what };
        if !is_name(&entry.name) || entry.name == "operator" {
            return Err(refused("a name is 1 to 64 of A-Z a-z 0-9 . _ - and not `operator`".to_owned()));
        }
        let grants = entry.grants();
        let scope = Scope::Granted(grants.clone());
        if scope.encode().len() > SCOPE_BYTES_MAX {
            return Err(refused(format!(
                "its grants are over {SCOPE_BYTES_MAX} bytes as a header: split it into several tenants"
            )));
        }
        let name: Arc<str> = entry.name.as_str().into();
        let tenant = Tenant { name: Arc::clone(&name), grants: Arc::new(grants), scope: Arc::new(scope) };
        match self.tenants.insert(name, tenant) {
            None => Ok(()),
            Some(_) => Err(refused("stands there twice".to_owned())),
        }
    }

    fn add_key(&mut self, entry: &KeyEntry) -> Result<(), String> {
        if !is_id(&entry.id) {
            return Err("an id is 11 letters and digits, as `tandem key create` makes them".to_owned());
        }
        let tenant = self.tenants.get(entry.tenant.as_str());
        let tenant = tenant.ok_or_else(|| format!("its tenant {:?} is not in the file", entry.tenant))?;
        if !is_name(&entry.application) {
            return Err("its application must be 1 to 64 of A-Z a-z 0-9 . _ -".to_owned());
        }
        if entry.may.is_empty() {
            return Err("it may do nothing: `may` takes \"read\", \"write\" or both".to_owned());
        }
        let hash = |name: &str, text: &str| {
            from_hexadecimal(text)
                .ok_or_else(|| format!("`{name}` must be 64 hexadecimal digits, in lower case"))
        };
        let (secret, how) = match (&entry.sha256, &entry.signing_key) {
            (Some(text), None) => (Secret::Sha256(hash("sha256", text)?), Credential::Key),
            (None, Some(text)) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &hash("signing_key", text)?);
                (Secret::Signing(key), Credential::Signature)
            }
            _ => return Err("it needs `sha256` or else `signing_key`".to_owned()),
        };
        let life = KeyLife {
            created_ms: moment("created_at", &entry.created_at)?,
            expires_ms: entry.expires_at.as_ref().map(|at| moment("expires_at", at)).transpose()?,
            revoked_ms: entry.revoked_at.as_ref().map(|at| moment("revoked_at", at)).transpose()?,
        };
        let id: Arc<str> = entry.id.as_str().into();
        let names = (Arc::clone(&tenant.name), entry.application.as_str().into());
        let may = permissions(&entry.may);
        let caller = Caller::of_tenant(Arc::clone(&id), names, Arc::clone(&tenant.scope), may, how);
        self.order.push(Arc::clone(&id));
        match self.keys.insert(id, Entry { caller, secret, life }) {
            None => Ok(()),
            Some(_) => Err("stands there twice".to_owned()),
        }
    }

    fn check_live(&self, now_ms: u64) -> Result<(), KeyFileError> {
        let mut live: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for entry in self.keys.values().filter(|entry| entry.life.is_live(now_ms)) {
            *live.entry((&entry.caller.tenant, &entry.caller.application)).or_default() += 1;
        }
        match live.into_iter().find(|(_, count)| *count > LIVE_KEYS_MAX) {
            None => Ok(()),
            Some(((tenant, application), count)) => Err(KeyFileError::Live {
                tenant: tenant.to_owned(),
                application: application.to_owned(),
                count,
            }),
        }
    }
}

impl Secret {
    /// Whether `presented` is the hash of the secret. In constant time.
    pub(crate) fn is_sha256(&self, presented: &[u8; 32]) -> bool {
        match self {
            Secret::Sha256(expected) => expected.ct_eq(presented).into(),
            Secret::Signing(_) => false,
        }
    }
}

pub(crate) fn permissions(may: &[May]) -> Permissions {
    Permissions { read: may.contains(&May::Read), write: may.contains(&May::Write), operate: false }
}

fn moment(name: &str, at: &Datetime) -> Result<u64, String> {
    from_datetime(at).ok_or_else(|| {
        format!("`{name}` must be a date with time and offset after 1970, like 2026-11-22T21:00:00Z")
    })
}

/// TOML's own words and the line, without the source text around it: that holds hashes.
fn located(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| {
        let before = text.as_bytes().get(..span.start).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    });
    match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    }
}

#[cfg(test)]
mod tests;
