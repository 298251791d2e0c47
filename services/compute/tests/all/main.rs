//! A chain's compute on in-memory stores that fail, forget and restart.

mod hot;
mod moving;
mod poison;
mod repairs;
mod restarts;
mod world;
