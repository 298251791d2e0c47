//! Which chain serves.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the two complete chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chain {
    /// Chain a.
    A,
    /// Chain b.
    B,
}

impl Chain {
    /// Both chains.
    pub const ALL: [Chain; 2] = [Chain::A, Chain::B];

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Chain::A => Chain::B,
            Chain::B => Chain::A,
        }
    }

    /// Its name in the API: `a` or `b`.
    pub const fn name(self) -> &'static str {
        match self {
            Chain::A => "a",
            Chain::B => "b",
        }
    }

    /// The chain with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chain| chain.name() == name)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A decision of the control group: from `epoch` on, reads go to `active`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The chain that serves.
    pub active: Chain,
    /// Rises by one with every decision; the first is 1.
    pub epoch: u64,
    /// Why it was decided, for people.
    pub reason: String,
}
