//! Whole-system tests: they start the real `tandem` as a process of its own, and talk to it as a
//! user would, over HTTP and the command line.
//!
//! | what is shown | where |
//! |---|---|
//! | real broadcasts give the expected figures on both chains, also through five kills | `real_input.rs` |
//! | boards over real broadcasts, the same on both chains and after a kill | `boards.rs` |
//! | boards and comparisons are what SQL says of the events themselves | `sql.rs` |
//! | nasty events give the plain method's figures on both chains | `nasty_input.rs` |
//! | `tandem verify` finds a row that was changed behind a chain's back | `verify.rs` |
//! | the contract's answers, good and bad | `contract.rs`, `events.rs`, `idempotency.rs` |
//! | the description is sound, and every answer is as it says, whatever is asked | `described.rs`, `properties.rs` |
//! | pages of other origins may call where that is configured | `cors.rs` |
//! | a client written from the pages about keys and signatures gets along | `pages.rs` |
//! | the shield blocks scanners, disturbs nobody, and says why | `shield.rs` |
//! | tables come as files that DuckDB and pandas open, the same from both chains | `exports.rs` |
//! | what was read can be read again, and what changed since adds up | `past.rs` |
//! | streams stay and go on; figures that stand still are sent once | `streams.rs` |
//! | hundreds of streams are held, half of them WebSockets; thousands in `tests/long` | `held.rs` |
//! | no reader goes backwards, everybody reads their own writes | `tokens.rs` |
//! | `tandem up` with its demo, and a second start on the same data | `demo.rs` |
//! | drills: nothing lost, doubled or backwards, whatever breaks | `drills.rs` |
//! | no line and no token makes anything panic | `mutations.rs` |
//!
//! What the tests stand on: the library of this package (the program, its user, every answer being
//! as OpenAPI says), `server.rs` (a running `tandem up`), `figures.rs` (what is expected, and the
//! comparison), `input.rs` (where events come from), `proxy.rs` (kills at a chosen byte).
//!
//! Nothing here sleeps to wait for something: conditions are polled, each with a deadline that is
//! far beyond what is needed. Nothing asserts how fast anything is.

#![allow(clippy::print_stdout, reason = "a failing test shows what was printed, a passing one nothing")]

use tandem_tests::{api, program};

mod boards;
mod contract;
mod cors;
mod definitions;
mod demo;
mod described;
mod drills;
mod duckdb;
mod events;
mod exports;
mod figures;
mod held;
mod idempotency;
mod input;
mod mutations;
mod nasty_input;
mod pages;
mod past;
mod properties;
mod proxy;
mod real_input;
mod server;
mod shield;
mod sql;
mod streams;
mod tokens;
mod verify;
#[path = "../backends/virtualenv.rs"]
mod virtualenv;
