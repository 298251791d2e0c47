//! What lies between the processes of a stand, and what can be done to it.

use std::net::SocketAddr;
use std::sync::Arc;

use tandem_chaos::fault::Fault;
use tandem_chaos::stand::{Injected, StandError};
use tandem_model::route::Chain;

use super::fleet::Who;
use super::hosts::Namespace;

/// The ways between the processes, the servers and whoever drills. Dropping them closes all.
pub(super) trait Ways: Send + Sync {
    /// What faults are made of, for the name of the stand.
    fn name(&self) -> &'static str;

    /// The network in which a process lives; that of the machine where absent.
    fn home(&self, _who: Who) -> Option<Arc<Namespace>> {
        None
    }

    /// Where we find what listens at `address`.
    fn reached_from_here(&self, address: SocketAddr) -> SocketAddr {
        address
    }

    /// Where gateways and control nodes find the query nodes of chains a and b.
    fn queries(&self) -> [SocketAddr; 2];

    /// Where a gateway finds the control nodes.
    fn controls(&self, gateway: usize) -> Vec<SocketAddr>;

    /// Where the processes of a chain find its stores.
    fn stores(&self, chain: Chain) -> Doors;

    /// How often somebody asked something of the query node of a chain since the start, answered or
    /// not.
    fn asked(&self, chain: Chain) -> u64;

    /// Why a fault can't be done here, if it can't.
    fn cannot(&self, fault: Fault) -> Option<&'static str>;

    /// Begins a fault of the ways, of `chain` where it is a chain's: all its parts, in force when
    /// this returns. They end when they are dropped.
    ///
    /// # Errors
    ///
    /// When it is none of the ways, or could not be begun; then nothing is disturbed.
    fn begin(&self, fault: Fault, chain: Option<Chain>) -> Result<Held, StandError>;

    /// Cuts a control node off from everybody; nothing where that can't be done here.
    ///
    /// # Errors
    ///
    /// When it could not be begun; then nothing is disturbed.
    fn isolate(&self, _control: usize) -> Result<Held, StandError> {
        Ok(Vec::new())
    }
}

/// The parts of a fault in force.
pub(super) type Held = Vec<Box<dyn Injected>>;

/// Where the processes of a chain find its stores, where that is not the place that the operator's
/// file names.
#[derive(Clone, Debug, Default)]
pub(super) struct Doors {
    pub(super) compute_rows: Option<SocketAddr>,
    pub(super) query_rows: Option<SocketAddr>,
    pub(super) compute_hot: Option<SocketAddr>,
    pub(super) query_hot: Option<SocketAddr>,
}
