//! What is remembered, in fixed sizes.

mod address;
mod history;
mod ids;
mod pair;
mod recent;
mod table;

pub(crate) use address::{Address, ShapeState};
pub(crate) use history::{History, Strangeness};
pub(crate) use ids::Budget;
pub(crate) use pair::{Doings, Pair, VisitKind};
pub(crate) use table::{Hashes, Table};
