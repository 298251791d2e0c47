//! [`Faulty`] as a topic of summaries: calls `begin`, `last` and, of its writers, `publish`.

use std::sync::Arc;

use async_trait::async_trait;
use tandem_model::PartitionId;
use tandem_model::summary::{Marker, Message};

use super::{Faulty, Plan};
use crate::{PublishError, Result, StoreError, SummaryTopic, SummaryWriter};

#[async_trait]
impl<T: SummaryTopic + ?Sized> SummaryTopic for Faulty<T> {
    async fn begin(&self, partition: PartitionId) -> Result<(Box<dyn SummaryWriter>, Option<Marker>)> {
        let (inner, last) = self.plan.run("begin", self.inner.begin(partition)).await?;
        Ok((Box::new(FaultyWriter { inner, plan: Arc::clone(&self.plan) }), last))
    }

    async fn last(&self, partition: PartitionId) -> Result<Option<Marker>> {
        self.plan.run("last", self.inner.last(partition)).await
    }
}

struct FaultyWriter {
    inner: Box<dyn SummaryWriter>,
    plan: Arc<Plan>,
}

#[async_trait]
impl SummaryWriter for FaultyWriter {
    async fn publish(
        &mut self,
        marker: &Marker,
        messages: Vec<Message>,
    ) -> std::result::Result<(), PublishError> {
        let call = async { Ok(self.inner.publish(marker, messages).await) };
        match self.plan.run("publish", call).await {
            Ok(outcome) => outcome,
            Err(StoreError::Timeout(reason)) => Err(PublishError::Unknown(reason)),
            Err(error) => Err(PublishError::Unavailable(error.to_string())),
        }
    }
}
