//! What can be wrong with a log on Kafka, as far as somebody acts on it.

use tandem_storage::StoreError;

/// Why a log can't be opened, or its topics not be looked at or created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A setting that can't be.
    #[error("{0}")]
    Settings(String),
    /// Kafka can't be reached, or did not answer in time. Trying again can help.
    #[error("Kafka is unavailable: {0}")]
    Unavailable(String),
    /// A topic is not there.
    #[error("there is no topic {topic}: run `tandem schema apply`")]
    NoTopic {
        /// Which one.
        topic: String,
    },
    /// Nothing says which log the topic of events is.
    #[error("topic {meta_topic} does not say which log {topic} is: run `tandem schema apply`")]
    NoIdentity {
        /// The topic of events.
        topic: String,
        /// The topic that should say so.
        meta_topic: String,
    },
    /// A topic has another number of partitions than it must have.
    #[error(
        "topic {topic} has {found} partitions instead of {wanted}: the number decides which session lives where \
         and can't be changed; restore the topic, or delete it and run `tandem schema apply` for a new, empty log"
    )]
    Partitions {
        /// Which one.
        topic: String,
        /// How many it has.
        found: u32,
        /// How many it must have.
        wanted: u32,
    },
    /// There is another number of slots than the configuration says.
    #[error(
        "topic {topic} has {found} partitions, one for each slot, but the configuration says slots = {wanted}: set slots = {found}"
    )]
    Slots {
        /// The topic of receipts.
        topic: String,
        /// How many slots there are.
        found: u32,
        /// How many the configuration says.
        wanted: u32,
    },
    /// What the meta topic holds can't be understood.
    #[error(
        "topic {meta_topic} holds what this version can't read ({reason}): use the version that wrote it"
    )]
    Unreadable {
        /// The topic.
        meta_topic: String,
        /// What is wrong.
        reason: String,
    },
    /// Kafka refuses, and will refuse again.
    #[error("Kafka refused: {0}")]
    Refused(String),
}

impl Error {
    /// What an operation of a store meant for opening a log.
    pub(crate) fn of_store(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(text) | StoreError::Timeout(text) => Error::Unavailable(text),
            StoreError::Refused(text) | StoreError::Damaged(text) | StoreError::Lost(text) => {
                Error::Refused(text)
            }
        }
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(reason) => StoreError::Unavailable(reason),
            Error::Unreadable { .. } => StoreError::Damaged(error.to_string()),
            Error::Settings(_)
            | Error::NoTopic { .. }
            | Error::NoIdentity { .. }
            | Error::Partitions { .. }
            | Error::Slots { .. }
            | Error::Refused(_) => StoreError::Refused(error.to_string()),
        }
    }
}
