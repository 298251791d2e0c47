//! Which event ids were accepted (rule 4).

use hashbrown::hash_map::Entry;
use serde::{Deserialize, Serialize};
use tandem_model::time::{LATENESS_MS, MINUTE_MS};

use crate::Map;

/// How often ids that no longer count are dropped, in log time.
const PURGE_MS: u64 = 5 * MINUTE_MS;

/// Accepted event ids, as 128-bit hashes under the secret key, with the `ts` of their event.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AcceptedIds {
    ts_by_id: Map<u128, u64>,
    purged_at: u64,
}

impl AcceptedIds {
    /// Whether an event of this id was accepted and is still remembered at `clock`; if not, it is
    /// remembered with `ts` from now on.
    pub(crate) fn is_duplicate(&mut self, id: u128, ts: u64, clock: u64) -> bool {
        match self.ts_by_id.entry(id) {
            // Whether it is remembered depends on the clock alone, not on when we last purged.
            Entry::Occupied(entry) if is_remembered(*entry.get(), clock) => true,
            Entry::Occupied(mut entry) => {
                entry.insert(ts);
                false
            }
            Entry::Vacant(entry) => {
                entry.insert(ts);
                false
            }
        }
    }

    /// Drops what is no longer remembered, now and then.
    pub(crate) fn purge(&mut self, clock: u64) {
        if clock >= self.purged_at + PURGE_MS && !self.ts_by_id.is_empty() {
            self.ts_by_id.retain(|_, ts| is_remembered(*ts, clock));
            if self.ts_by_id.capacity() > 4 * self.ts_by_id.len() {
                self.ts_by_id.shrink_to_fit();
            }
            self.purged_at = clock;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ts_by_id.len()
    }
}

fn is_remembered(ts: u64, clock: u64) -> bool {
    ts + LATENESS_MS >= clock
}
