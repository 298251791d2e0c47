//! Drills on systems of ours: the stands, and the series of runs that commands ask for.

mod decided;
mod embedded;
mod processes;
mod series;

pub use embedded::Embedded;
pub use processes::{Between, Options as ProcessOptions, Processes, guard};
pub use series::{Kept, Place, Plan, keep, keep_junit, kept, run_one};
