//! Drills on systems of ours: the stands, and the series of runs that commands ask for.

mod embedded;
mod series;

pub use embedded::Embedded;
pub use series::{Kept, Plan, keep, keep_junit, kept, run_one};
