//! The adapters against real servers: every suite of `storage/api`, and what only a real server
//! can show. One binary, so that the servers start once.

mod bench;
mod kafka;
mod objects;
mod redis;
mod scylla;
mod services;
mod summaries;
