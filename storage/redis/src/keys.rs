//! The names of keys. All keys of one log partition share one hash tag, so that a cluster keeps
//! them on one node and one call may touch several of them.

use tandem_model::PartitionId;
use tandem_model::route::Chain;

/// What the keys of one chain begin with.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
    chain: Chain,
}

impl Keys {
    pub(crate) fn new(prefix: &str, chain: Chain) -> Self {
        Self { prefix: prefix.to_owned(), chain }
    }

    /// Who may write the partition, and how far it is.
    pub(crate) fn state(&self, partition: PartitionId) -> String {
        format!("{{{}:{}:{partition}}}:state", self.prefix, self.chain)
    }

    /// One session.
    pub(crate) fn session(&self, partition: PartitionId, id: &str) -> String {
        format!("{{{}:{}:{partition}}}:s:{id}", self.prefix, self.chain)
    }

    /// One session on its way in. `token` is used once, so no two puts share a key.
    pub(crate) fn staging(&self, partition: PartitionId, token: u64) -> String {
        format!("{{{}:{}:{partition}}}:p:{token:016x}", self.prefix, self.chain)
    }
}
