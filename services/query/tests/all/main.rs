//! A query node over in-memory stores, fed by the real fold: what readers get to see.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod world;

mod anchors;
mod comparing;
mod consistency;
mod copies;
mod deadlines;
mod definitions;
mod degraded;
mod described;
mod difference;
mod exports;
mod figures;
mod lists;
mod operators;
mod parameters;
mod partners;
mod past;
mod rankings;
mod scoped_lists;
mod scoped_looks;
mod scopes;
mod tokens;
