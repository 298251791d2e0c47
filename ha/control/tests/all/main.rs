//! The control API and its followers, over TCP.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod api;
mod group;
mod node;
mod remote;
