//! `tandem schema`: the topics as they should be.

use crate::{Error, Identity, Settings};

/// What `tandem schema apply` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The topics that were missing and are there now.
    pub created: Vec<String>,
    /// Which log it is now.
    pub identity: Identity,
    /// What differs still, and what to do about it.
    pub status: Status,
}

/// What is there, what should be, and what differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The topics: events, receipts, summaries, meta.
    pub topics: Vec<TopicStatus>,
    /// Which log it is; none before the first `apply`.
    pub identity: Option<Identity>,
    /// What concerns no single topic, a sentence each that says what to do.
    pub problems: Vec<String>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicStatus {
    /// Its name.
    pub name: String,
    /// How it should be.
    pub wanted: TopicShape,
    /// How it is; none where it is missing.
    pub found: Option<TopicShape>,
    /// What differs, a sentence each that says what to do; none if it may be used as it is.
    pub problems: Vec<String>,
}

/// How a topic is or should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicShape {
    /// How many partitions.
    pub partitions: u32,
    /// How many copies of each.
    pub replicas: u16,
    /// How many copies must have a record before it counts.
    pub in_sync_replicas: u16,
    /// Kafka's `cleanup.policy`.
    pub cleanup: String,
    /// Kafka's `retention.ms`; -1: for ever.
    pub retention_ms: i64,
}

impl Status {
    /// Whether nothing is missing and nothing differs.
    pub fn is_good(&self) -> bool {
        self.identity.is_some()
            && self.problems.is_empty()
            && self.topics.iter().all(|topic| topic.found.is_some() && topic.problems.is_empty())
    }
}

/// Creates the topics that are missing and writes down which log it is. Changes nothing that is
/// there. Doing it twice, or from two processes at once, is the same as doing it once.
///
/// # Errors
///
/// When Kafka can't be reached or refuses, and when the topic of events has another number of
/// partitions than it must have.
pub async fn apply(settings: &Settings) -> Result<Applied, Error> {
    let _ = settings;
    Err(Error::Unavailable("not built yet".to_owned()))
}

/// Looks at the topics and changes nothing.
///
/// # Errors
///
/// When Kafka can't be reached or refuses.
pub async fn status(settings: &Settings) -> Result<Status, Error> {
    let _ = settings;
    Err(Error::Unavailable("not built yet".to_owned()))
}
