//! What is decided when, and what never. One binary, to link once.
//!
//! Broken on purpose, one thing at a time, and what caught it (all done by hand, once):
//!
//! | what was broken | caught by |
//! |---|---|
//! | cool-down dropped | `properties::whatever_is_applied…` |
//! | same-symptom rule dropped | `properties::whatever_is_applied…` |
//! | expected epoch ignored | `cases::somebody_faster_is_noticed` |
//! | one observer is enough | `noise::hours_of_noise…` |
//! | freshness ignored | `properties::old_observations_decide_nothing` |
//! | calm time dropped in the judge, or not growing | `properties::each_illness_makes…` |
//! | chains that were left are returned to at once | `cases::what_is_seen…` |
//! | freeze ignored | `properties::whatever_is_applied…` |
//! | time may go back | `properties::whatever_is_applied…` |
//! | edges of an outage count as errors | `noise::hours_of_noise…` |

mod cases;
mod noise;
mod properties;
mod purity;
mod world;

/// A number from the environment.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}
