//! The topic of summaries in memory, with writers that are really fenced.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tandem_model::PartitionId;
use tandem_model::summary::{Marker, Message};

use crate::{PublishError, Result, StoreError, SummaryTopic, SummaryWriter};

/// A [`SummaryTopic`] for tests: it keeps every message.
pub struct MemorySummaryTopic {
    partitions: Arc<Vec<Mutex<Partition>>>,
}

#[derive(Default)]
struct Partition {
    /// Which writer may publish: each has a number, the last one counts.
    writer: u64,
    transactions: Vec<Transaction>,
}

/// What was published at once.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Transaction {
    messages: Vec<Message>,
    marker: Marker,
}

struct Writer {
    number: u64,
    partition: PartitionId,
    partitions: Arc<Vec<Mutex<Partition>>>,
    is_over: bool,
}

impl MemorySummaryTopic {
    /// An empty topic.
    pub fn new(partitions: u32) -> Self {
        Self { partitions: Arc::new((0..partitions).map(|_| Mutex::default()).collect()) }
    }

    /// All messages of `partition`, markers included, in their order.
    pub fn messages(&self, partition: PartitionId) -> Vec<Message> {
        let partition = self.partitions[partition.0 as usize].lock();
        let whole = |one: &Transaction| one.messages.iter().cloned().chain([one.marker.message()]).collect();
        partition.transactions.iter().flat_map(|one| -> Vec<Message> { whole(one) }).collect()
    }

    fn partition(&self, partition: PartitionId) -> Result<&Mutex<Partition>> {
        let known = self.partitions.get(partition.0 as usize);
        known.ok_or_else(|| StoreError::Refused(format!("the topic has no partition {partition}")))
    }
}

#[async_trait]
impl SummaryTopic for MemorySummaryTopic {
    async fn begin(&self, partition: PartitionId) -> Result<(Box<dyn SummaryWriter>, Option<Marker>)> {
        let mut state = self.partition(partition)?.lock();
        state.writer += 1;
        let partitions = Arc::clone(&self.partitions);
        let writer = Writer { number: state.writer, partition, partitions, is_over: false };
        Ok((Box::new(writer), state.transactions.last().map(|last| last.marker.clone())))
    }

    async fn last(&self, partition: PartitionId) -> Result<Option<Marker>> {
        let state = self.partition(partition)?.lock();
        Ok(state.transactions.last().map(|last| last.marker.clone()))
    }
}

#[async_trait]
impl SummaryWriter for Writer {
    async fn publish(
        &mut self,
        marker: &Marker,
        messages: Vec<Message>,
    ) -> std::result::Result<(), PublishError> {
        let mut state = self.partitions[self.partition.0 as usize].lock();
        if self.is_over || state.writer != self.number {
            self.is_over = true;
            return Err(PublishError::Fenced);
        }
        state.transactions.push(Transaction { messages, marker: marker.clone() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn passes_the_suite() {
        let topic = Arc::new(MemorySummaryTopic::new(3));
        let read = async |partition| topic.messages(partition);
        crate::suite::summaries(Arc::clone(&topic) as _, read).await;
    }
}
