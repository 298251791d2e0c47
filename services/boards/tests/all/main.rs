//! Boards over the fold's own rows, held against a recomputation from the events. One binary.

mod agreement;
mod events;
mod oracle;
mod purity;
