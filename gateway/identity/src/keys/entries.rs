//! The file of keys as it is written: TOML, one table for each tenant and each key.
//!
//! ```toml
//! [[tenants]]
//! name = "mcn-one"
//! anchors = ["a17", "a18"]
//!
//! [[keys]]
//! id = "4gfFC3LygHa"
//! tenant = "mcn-one"
//! application = "screen"
//! may = ["read"]
//! sha256 = "…"
//! created_at = 2026-11-22T21:00:00Z
//! ```
//!
//! Unknown names are refused, so that a mistyped `expires_at` does not make a key that lasts for ever.

use std::collections::BTreeSet;

use serde::Deserialize;
use tandem_model::scope::Grants;
use toml::value::Datetime;

use super::set::LIVE_KEYS_MAX;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// It is sent along.
    Bearer,
    /// It signs requests, and is never sent.
    Signing,
}

impl KeyKind {
    /// Its name in listings.
    pub const fn name(self) -> &'static str {
        match self {
            KeyKind::Bearer => "bearer",
            KeyKind::Signing => "signing",
        }
    }
}

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Entries {
    pub(super) tenants: Vec<TenantEntry>,
    pub(super) keys: Vec<KeyEntry>,
}

/// Somebody, and what may be seen of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantEntry {
    pub(super) name: String,
    #[serde(default)]
    anchors: BTreeSet<String>,
    #[serde(default)]
    merchants: BTreeSet<String>,
    #[serde(default)]
    channels: BTreeSet<String>,
    #[serde(default)]
    tables: BTreeSet<String>,
}

impl TenantEntry {
    pub(super) fn grants(&self) -> Grants {
        Grants {
            anchors: self.anchors.clone(),
            merchants: self.merchants.clone(),
            channels: self.channels.clone(),
            tables: self.tables.clone(),
        }
    }
}

/// A key, without what opens it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyEntry {
    pub(super) id: String,
    pub(super) tenant: String,
    pub(super) application: String,
    pub(super) may: Vec<May>,
    /// Of a bearer key: the SHA-256 of its secret, in hexadecimal digits.
    pub(super) sha256: Option<String>,
    /// Of a signing key: what signatures are checked with, in hexadecimal digits.
    pub(super) signing_key: Option<String>,
    pub(super) created_at: Datetime,
    pub(super) expires_at: Option<Datetime>,
    pub(super) revoked_at: Option<Datetime>,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum May {
    Read,
    Write,
}

/// Why a file of keys was refused, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// It is too large.
    #[error("the file of keys is over {} MiB", super::FILE_BYTES_MAX >> 20)]
    TooLarge,
    /// It is not text.
    #[error("the file of keys is not UTF-8 text")]
    NotText,
    /// It is no TOML, or has other names and types.
    #[error("{0}")]
    Syntax(String),
    /// Too many entries.
    #[error("there are more than {most} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// A tenant is not sound.
    #[error("tenant {name:?}: {what}")]
    Tenant {
        /// Its name.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// A key is not sound.
    #[error("key {id:?}: {what}")]
    Key {
        /// Its id.
        id: String,
        /// What is wrong.
        what: String,
    },
    /// More keys of an application live than may.
    #[error(
        "application {application:?} of tenant {tenant:?} has {count} keys that are neither revoked nor \
         expired; {LIVE_KEYS_MAX} are allowed, so that one can take the place of the other"
    )]
    Live {
        /// Whose.
        tenant: String,
        /// Of which program.
        application: String,
        /// How many.
        count: usize,
    },
}
