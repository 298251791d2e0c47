//! Repairs of chains whose compute runs in this process.

use async_trait::async_trait;
use tandem_compute::{RepairError, Repairer};
use tandem_gateway::{RepairOrdered, RepairRefused, RepairRequest, Repairs};
use tandem_ingest::wall_ms;
use tandem_model::PartitionId;

/// Chains a and b.
pub(super) struct InProcess(pub(super) [Repairer; 2]);

#[async_trait]
impl Repairs for InProcess {
    async fn repair(&self, request: RepairRequest) -> Result<RepairOrdered, RepairRefused> {
        let RepairRequest { chain, partition, session_id, reason } = request;
        let partition = partition.map(PartitionId);
        let ordered = self.0[chain as usize].repair(partition, session_id, &reason, wall_ms()).await;
        match ordered {
            Ok(partitions) => Ok(RepairOrdered {
                chain,
                partitions: partitions.into_iter().map(|partition| partition.0).collect(),
            }),
            Err(error @ RepairError::NoSuchPartition(..)) => Err(RepairRefused::Unknown(error.to_string())),
            Err(RepairError::Store(error)) => {
                tracing::warn!(%chain, %error, "a repair was not ordered");
                Err(RepairRefused::Unavailable(
                    "the chain's row store does not take the order right now".to_owned(),
                ))
            }
        }
    }
}
