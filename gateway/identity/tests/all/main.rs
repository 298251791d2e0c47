//! Tests of the whole crate.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod purity;
mod vectors;
