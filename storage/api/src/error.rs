//! What can go wrong with a store, as far as callers act on it.

/// Why a call to a port failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The store can't be reached or refuses for now; nothing was done. Trying again can help.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// No answer in time; it may have been done or not. Trying again can help and does no harm.
    #[error("store did not answer in time: {0}")]
    Timeout(String),
    /// What the store holds is damaged; says where. Trying again does not help.
    #[error("store is damaged: {0}")]
    Damaged(String),
    /// The store lost what it had acknowledged. Trying again does not help; beginning again at what
    /// the store now holds does: the log has the rest.
    #[error("store lost what it had acknowledged: {0}")]
    Lost(String),
    /// The caller asked for something that can't be; our own fault.
    #[error("store refused: {0}")]
    Refused(String),
}

impl StoreError {
    /// Whether doing the same again can help.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, StoreError::Unavailable(_) | StoreError::Timeout(_))
    }
}
