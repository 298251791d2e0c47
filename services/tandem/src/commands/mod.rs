//! The subcommands: their options and what they print. The work is done elsewhere.

pub mod bench;
pub mod config;
pub mod definition;
pub mod drill;
pub mod export;
pub mod ingest;
pub mod key;
pub mod operate;
pub mod poison;
pub mod repair;
pub mod role;
pub mod schema;
pub mod shield;
pub mod status;
pub mod up;
pub mod verify;
