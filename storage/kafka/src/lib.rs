//! The event log on Kafka, who owns which partition, and the topic of summaries.

mod error;
mod group;
mod identity;
mod log;
pub mod schema;
mod settings;

pub use error::Error;
pub use group::Group;
pub use identity::Identity;
pub use log::{KafkaLog, Purpose};
pub use settings::{Compression, Security, Settings};
