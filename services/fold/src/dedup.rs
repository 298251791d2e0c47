//! Which event ids were accepted (rule 4).

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
    /// Whether an event of this id was accepted and is still remembered at `clock`.
    pub(crate) fn contains(&self, id: u128, clock: u64) -> bool {
        // Whether it is remembered depends on the clock alone, not on when we last purged.
        self.ts_by_id.get(&id).is_some_and(|ts| is_remembered(*ts, clock))
    }

    pub(crate) fn insert(&mut self, id: u128, ts: u64) {
        self.ts_by_id.insert(id, ts);
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
