//! The group as a whole, in virtual time: members that elect, decide, restart and change.

#![allow(clippy::unwrap_used)]

mod cluster;
mod decisions;
mod disks;
mod members;
mod reads;
