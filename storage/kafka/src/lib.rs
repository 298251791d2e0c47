//! The event log on Kafka, who owns which partition, and the topic of summaries.

mod append;
mod client;
mod ends;
mod error;
mod group;
mod identity;
mod log;
mod lookup;
mod reader;
mod receipts;
mod record;
pub mod schema;
mod settings;
mod summaries;
mod watch;

pub use error::Error;
pub use group::Group;
pub use identity::Identity;
pub use log::{KafkaLog, Purpose};
pub use settings::{Compression, Security, Settings};
pub use summaries::KafkaSummaries;
