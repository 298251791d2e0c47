//! [`Measured`] as the topic of summaries.

use async_trait::async_trait;
use tandem_model::PartitionId;
use tandem_model::summary::{Marker, Message};
use tandem_storage::{PublishError, Result, SummaryTopic, SummaryWriter};

use super::{ErrorKind, Load, Measured, Meters};

impl ErrorKind for PublishError {
    fn kind(&self) -> &'static str {
        match self {
            PublishError::Fenced => "fenced",
            PublishError::Unavailable(_) => "unavailable",
            PublishError::Unknown(_) => "unknown",
            PublishError::Refused(_) => "refused",
        }
    }
}

#[async_trait]
impl<T: SummaryTopic + ?Sized> SummaryTopic for Measured<T> {
    async fn begin(&self, partition: PartitionId) -> Result<(Box<dyn SummaryWriter>, Option<Marker>)> {
        let (inner, marker) = self.meters.run("begin", self.inner.begin(partition), |_| Load::NONE).await?;
        Ok((Box::new(Writer { inner, meters: self.meters.clone() }), marker))
    }

    async fn last(&self, partition: PartitionId) -> Result<Option<Marker>> {
        self.meters.run("last", self.inner.last(partition), |_| Load::NONE).await
    }
}

struct Writer {
    inner: Box<dyn SummaryWriter>,
    meters: Meters,
}

#[async_trait]
impl SummaryWriter for Writer {
    async fn publish(
        &mut self,
        marker: &Marker,
        messages: Vec<Message>,
    ) -> std::result::Result<(), PublishError> {
        let load = Load::items(messages.len());
        self.meters.run("publish", self.inner.publish(marker, messages), |()| load).await
    }
}
