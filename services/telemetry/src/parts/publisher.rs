//! The publisher of summaries (`dws.live`).

use tandem_model::PartitionId;
use tandem_model::route::Chain;

use super::{named, seconds};
use crate::{Telemetry, catalogue};

/// How publishing of one partition stands.
#[derive(Clone, Debug)]
pub struct PublisherPartition {
    /// Which partition.
    pub partition: PartitionId,
    /// What its publisher is doing.
    pub state: PublisherState,
    /// The epoch it publishes, or last published, under; 0 before.
    pub epoch: u64,
    /// The last beat known to be published, in milliseconds since the epoch; 0 before.
    pub beat: u64,
    /// The offset after that beat.
    pub next: u64,
    /// Transactions committed by this process.
    pub transactions: u64,
    /// Messages in them, markers included.
    pub messages: u64,
    /// How often another writer took it over.
    pub fenced: u64,
    /// How often it was begun.
    pub begun: u64,
}

named! {
    /// What the publisher of a partition is doing.
    PublisherState {
        /// Publishing is somebody else's.
        Standby = "standby",
        /// It would publish, but can't or must not yet.
        Waiting = "waiting",
        /// Folds what is published already.
        Recovering = "recovering",
        /// Publishes at each beat.
        Publishing = "publishing",
        /// Ended on purpose.
        Stopped = "stopped",
        /// Ended by a bug of ours.
        Failed = "failed",
    }
}

/// Shows how the publisher of `chain` stands.
pub fn publisher(
    telemetry: &Telemetry,
    chain: Chain,
    partitions: impl Fn() -> Vec<PublisherPartition> + Send + Sync + 'static,
) {
    use catalogue::*;
    telemetry.source(move |samples| {
        for part in partitions() {
            let partition = part.partition.to_string();
            let labels = [chain.name(), partition.as_str()];
            samples.set_one_of(&DWS_STATE, &labels, PublisherState::NAMES, part.state.name());
            if part.beat > 0 {
                samples.set(&DWS_BEAT, &labels, seconds(part.beat));
            }
            for (metric, value) in [
                (&DWS_NEXT, part.next),
                (&DWS_EPOCH, part.epoch),
                (&DWS_TRANSACTIONS, part.transactions),
                (&DWS_MESSAGES, part.messages),
                (&DWS_FENCED, part.fenced),
                (&DWS_BEGUN, part.begun),
            ] {
                samples.set(metric, &labels, value as f64);
            }
        }
    });
}
