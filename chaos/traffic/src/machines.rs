//! Programs that have every right: steady, and much faster than people.

mod applications;
mod public;

pub(crate) use applications::{Dashboard, EventSender, ExportScript, Partner, SmallApplication};
pub(crate) use public::{Crawler, Probe};
