//! Keys of tenants: their form, and the file that holds what is needed to check them.

mod base62;
mod entries;
mod form;
mod set;

pub use entries::{KeyFileError, KeyKind};
pub use form::{Key, KeyFormError, signing_key};
pub use set::{FILE_BYTES_MAX, KeyLife, KeySet, KeySummary, LIVE_KEYS_MAX, TenantSummary};

pub(crate) use form::PREFIX;
pub(crate) use set::{Secret, Tenant};
