//! The adapters against real servers: every suite of `storage/api`, and what only a real server
//! can show. One binary, so that the servers start once.

#![allow(clippy::print_stdout, reason = "a failing test shows what was printed, a passing one nothing")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod bench;
mod kafka;
mod objects;
mod redis;
mod scylla;
mod services;
mod summaries;
mod virtualenv;
