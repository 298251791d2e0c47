//! Replays and explanations against the fold that runs over everything.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod cuts;
mod purity;
mod table;
