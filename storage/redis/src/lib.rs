//! The hot store on Redis.

mod change;
mod connect;
mod failure;
mod fields;
mod functions;
mod hot;
mod keys;
mod link;
mod settings;

pub use hot::{Access, Hot};
pub use settings::{Mode, Settings};
