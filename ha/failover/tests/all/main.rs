//! What is decided when, and what never. One binary, to link once.

mod cases;
mod noise;
mod properties;
mod purity;
mod world;

/// A number from the environment.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}
