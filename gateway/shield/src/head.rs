//! The first stage: what the head of a request shows by itself, for less than a microsecond.

mod agents;
mod words;

pub use agents::{AgentKind, Agents};
pub(crate) use words::Words;
