//! Attackers that rules may be tuned with. Each says what it does and why nobody would miss it.
//!
//! None of them changes its ways when it is refused: the traffic is fixed before anybody judges it.

mod open;
mod readers;
mod replay;
mod stolen;

pub(crate) use open::{NaiveScraper, RotatingAddresses, RotatingAgents};
pub(crate) use readers::{Siphon, StolenToken};
pub(crate) use replay::Replayer;
pub(crate) use stolen::{LowAndSlow, StolenKey, Victim};
