//! Metrics and health of a role, on a port of its own: `/metrics`, `/healthz`, `/readyz`.
//!
//! - **One definition.** Every metric stands once, in [`catalogue`]: name, kind, unit, labels and
//!   what it means. The scrape, the table in `docs/metrics.md` and the tests come from there.
//! - **Parts do not know us.** A part that knows how it stands (compute, gateway, metronome, …)
//!   hands out plain values, and whoever wires the role tells us where to get them ([`parts`]).
//!   They are asked once per scrape, so the values of one scrape belong together: a lag is never
//!   computed from two moments.
//! - **Ports are measured from outside** ([`measured`]): calls, their time, their errors. No
//!   adapter has a line about it.
//! - **Bounded.** Labels have few values (chain, partition, port, call, …), never an id that users
//!   choose; what exceeds a metric's bound all the same is summed up under
//!   `otel_metric_overflow="true"`.
//!
//! Metrics are on the admin port only. The gateway's public port is open to the world: what it
//! would tell there (rates, lags, which chain is slow) is of use to an attacker and to nobody
//! else, and a scrape must work when the public port is full.
//!
//! OpenTelemetry keeps the numbers, so that they can also be pushed to a collector; its names are
//! switched off (no suffixes added, no scope labels), since a name that stands in an alert should
//! stand in the source like that.

pub mod admin;
pub mod catalogue;
mod health;
pub mod measured;
mod metric;
pub mod parts;
mod registry;
pub mod requests;

pub use health::{Health, HealthReport};
pub use metric::{Kind, Metric};
pub use registry::{Samples, Telemetry, TelemetryError};

#[cfg(test)]
mod tests;
