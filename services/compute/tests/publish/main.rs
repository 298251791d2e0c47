//! Publishing of summaries: each change once, whoever publishes, whatever fails on the way.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod chaos;
mod oracle;
mod pinned;
mod switches;
mod world;
