//! One of something for each chain.

use serde::{Deserialize, Serialize};
use tandem_model::route::Chain;

/// One value for chain a, one for chain b.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chains<T> {
    /// That of chain a.
    pub a: T,
    /// That of chain b.
    pub b: T,
}

impl<T> Chains<T> {
    /// That of `chain`.
    pub const fn of(&self, chain: Chain) -> &T {
        match chain {
            Chain::A => &self.a,
            Chain::B => &self.b,
        }
    }

    /// That of `chain`, to change it.
    pub const fn of_mut(&mut self, chain: Chain) -> &mut T {
        match chain {
            Chain::A => &mut self.a,
            Chain::B => &mut self.b,
        }
    }
}
