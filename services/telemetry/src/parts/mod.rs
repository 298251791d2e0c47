//! How each part of a role stands, as plain values, and the metrics these become.
//!
//! One function per part: `parts::compute(&telemetry, Chain::A, …, move || …)`. The closure is
//! called at each scrape and hands out what the part says of itself. The types here belong to
//! nobody else, so no part depends on us nor we on it; whoever wires a role fills them in.

mod compute;
mod control;
mod gateway;
mod ingest;
mod metronome;
mod parity;
mod process;
mod publisher;

pub use compute::{ComputePartition, ComputePhase, Usage, compute};
pub use control::{ControlState, control};
pub use gateway::{
    Admission, Agreement, Breaker, Callers, ChainReads, Crawlers, Door, LimitRule, Limits, NodeReads, Reads,
    Shield, Verdict, agreement, gateway, gateway_admission, gateway_crawlers, gateway_door, gateway_limits,
    gateway_nodes, gateway_shield, gateway_violations, route,
};
pub use ingest::{IngestCounts, ingest};
pub use metronome::{MetronomeState, metronome};
pub use parity::{ParityState, parity};
pub(crate) use process::process;
pub use publisher::{PublisherPartition, PublisherState, publisher};

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch, as seconds.
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// The wall clock, in milliseconds since the epoch.
fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// An enumeration whose values are label values.
macro_rules! named {
    ($(#[$meta:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $($(#[$doc])* $variant),+
        }

        impl $type {
            const NAMES: &[&'static str] = &[$($name),+];

            /// Its name, as in the label.
            pub const fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name),+
                }
            }
        }
    };
}
use named;
