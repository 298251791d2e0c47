//! The oracle: what must hold of a history, whatever happened in between.
//!
//! It knows nothing of how answers come about. It decodes tokens by the outside contract, counts
//! what was sent, and compares. Three questions:
//!
//! | module | question |
//! |---|---|
//! | `sessions` | did any client ever go backwards: token, epoch, figures, moment? |
//! | `counting` | is what was acknowledged there, once, on both chains, and nothing that was never sent? |
//! | `waiting` | how long did anybody wait, how many requests failed, how slow were the others? |

mod counting;
mod sessions;
mod waiting;

use serde::{Deserialize, Serialize};

pub use counting::{Counted, Final, counted};
pub use sessions::backwards;
pub use waiting::{Gap, Latency, Totals, Window, latency, longest_gap, totals};

/// How many violations of a kind are told in full; all are counted.
pub const TOLD_MAX: usize = 20;

/// Things that must not be: how many, and the first few in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violations {
    /// All of them.
    pub count: u64,
    /// The first [`TOLD_MAX`].
    pub told: Vec<String>,
}

impl Violations {
    pub(crate) fn add(&mut self, told: impl FnOnce() -> String) {
        self.count += 1;
        if self.told.len() < TOLD_MAX {
            self.told.push(told());
        }
    }

    /// Whether there are none.
    pub const fn is_none(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests;
