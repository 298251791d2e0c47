//! The guard over whole connections.

mod differential;
mod limits;
mod purity;
mod reading;
mod split;
mod table;
