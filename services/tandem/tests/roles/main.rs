//! Roles as processes, as far as they need no backend: the control node as a whole, and how the
//! others start, wait, refuse and stop.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod configuration;
mod control;
mod h2spec;
mod process;
mod reload;
mod shutdown;
mod stand;
mod waiting;
