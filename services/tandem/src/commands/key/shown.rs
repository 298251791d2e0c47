//! What people read of keys. Nothing of it is secret.

use comfy_table::{Table, presets};
use tandem_identity::{KeyLife, KeySet, KeySummary};

use crate::terminal::utc;

/// The keys as a table: of one tenant, or all.
pub(super) fn keys(keys: &KeySet, tenant: Option<&str>, now_ms: u64) -> String {
    let mut table = Table::new();
    let header = ["key", "tenant", "application", "kind", "may", "created", "state"];
    table.load_preset(presets::NOTHING).set_header(header);
    for key in keys.keys().filter(|key| tenant.is_none_or(|tenant| tenant == &*key.tenant)) {
        table.add_row([
            format!("tdm_{}_…", key.id),
            key.tenant.to_string(),
            key.application.to_string(),
            key.kind.name().to_owned(),
            may(&key),
            utc(key.life.created_ms),
            state(key.life, now_ms),
        ]);
    }
    match table.is_empty() {
        true => "There are no keys.".to_owned(),
        false => table.trim_fmt(),
    }
}

fn may(key: &KeySummary) -> String {
    match (key.may.read, key.may.write) {
        (true, true) => "read, write",
        (true, false) => "read",
        _ => "write",
    }
    .to_owned()
}

fn state(life: KeyLife, now_ms: u64) -> String {
    match (life.revoked_ms, life.expires_ms) {
        (Some(revoked), _) if revoked <= now_ms => format!("revoked {}", utc(revoked)),
        (_, Some(expires)) if expires <= now_ms => format!("expired {}", utc(expires)),
        (Some(revoked), _) => format!("live until {}", utc(revoked)),
        (None, Some(expires)) => format!("live until {}", utc(expires)),
        (None, None) => "live".to_owned(),
    }
}
