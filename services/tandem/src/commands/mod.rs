//! The subcommands: their options and what they print. The work is done elsewhere.

pub mod bench;
pub mod ingest;
pub mod status;
pub mod up;
pub mod verify;
