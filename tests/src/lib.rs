//! What the whole-system tests share: a handle on the real servers they run against.
//!
//! The servers themselves are started by the program of this package, `tandem-services`.

pub mod services;
