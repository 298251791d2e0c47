//! Looking at a topic now and then: where it ends, what stands at a place, all of it.
//!
//! Beside the reader that follows the log, and for topics nobody follows. A look is exact: it tells
//! everything that was readable when it began.
//!
//! Where a partition ends, Kafka says as its *last stable offset*. Below it may stand, after the
//! last readable record, markers of transactions and records of transactions that were given up, so
//! whether there is a readable record can only be found out by reading. A client of its own does
//! that, which waits for nothing at the end (`fetch.wait.max.ms`) and is told where the end is
//! (`enable.partition.eof`).

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tandem_storage::{Result, StoreError};

use crate::Settings;
use crate::client::{self, Context};

/// How long a broker holds a request for records when there are none, in milliseconds.
const WAIT_MS: u64 = 5;
/// How long a poll takes at most, so that a deadline is kept.
const POLL: Duration = Duration::from_millis(100);

/// A client for looks. Every call blocks: call it from a thread that may.
pub(crate) struct Lookup {
    consumer: BaseConsumer<Context>,
    /// What is assigned belongs to one look at a time.
    reading: Mutex<()>,
    timeout: Duration,
}

/// From where to read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    /// The first record there is.
    Beginning,
    /// An offset, which must not lie before the first record.
    Offset(u64),
}

impl Lookup {
    pub(crate) fn new(settings: &Settings, name: &str) -> Result<Self> {
        Self::with_isolation(settings, name, "read_committed")
    }

    /// One that also sees what is not committed yet.
    pub(crate) fn uncommitted(settings: &Settings, name: &str) -> Result<Self> {
        Self::with_isolation(settings, name, "read_uncommitted")
    }

    fn with_isolation(settings: &Settings, name: &str, isolation: &str) -> Result<Self> {
        let mut config = client::consumer(settings, name);
        config
            .set("isolation.level", isolation)
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", WAIT_MS.to_string())
            .set("queued.max.messages.kbytes", "4096");
        let consumer = BaseConsumer::from_config_and_context(&config, Context::new(name))
            .map_err(|error| client::failed("creating a client", &error))?;
        Ok(Self { consumer, reading: Mutex::new(()), timeout: settings.request_timeout() })
    }

    /// An error of an operation with this client, in words.
    pub(crate) fn failed(&self, what: &str, error: &KafkaError) -> StoreError {
        // What the client said by itself is heard only by whoever polls it.
        if let Some(_reading) = self.reading.try_lock() {
            let _ = self.consumer.poll(Duration::ZERO);
        }
        self.consumer.context().failed(what, error)
    }

    /// What the cluster says of a topic, or of all topics.
    pub(crate) fn metadata(&self, topic: Option<&str>) -> Result<Metadata> {
        self.consumer
            .fetch_metadata(topic, self.timeout)
            .map_err(|error| self.failed("asking for the topics", &error))
    }

    /// Per partition the offset below which everything readable lies, as of now.
    pub(crate) fn ends(&self, topic: &str, partitions: &[u32]) -> Result<Vec<u64>> {
        self.offsets(topic, partitions, Offset::End, "asking for the ends")
    }

    /// Per partition the first offset that retention has left.
    pub(crate) fn beginnings(&self, topic: &str, partitions: &[u32]) -> Result<Vec<u64>> {
        self.offsets(topic, partitions, Offset::Beginning, "asking for the beginnings")
    }

    fn offsets(&self, topic: &str, partitions: &[u32], which: Offset, what: &str) -> Result<Vec<u64>> {
        let what = format!("{what} of {topic}");
        let failed = |error| self.failed(&what, &error);
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition_offset(topic, *partition as i32, which).map_err(failed)?;
        }
        // In the protocol, the end and the beginning are moments like others; and one request asks
        // for many partitions, which `fetch_watermarks` does not.
        let found = self.consumer.offsets_for_times(list, self.timeout).map_err(failed)?;
        let offset = |partition: &u32| {
            let element = found
                .find_partition(topic, *partition as i32)
                .ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition))?;
            element.error()?;
            match element.offset() {
                Offset::Offset(offset) => Ok(offset as u64),
                // An empty partition has no offset at any moment.
                _ => Ok(0),
            }
        };
        partitions.iter().map(|partition| offset(partition).map_err(failed)).collect()
    }

    /// Hands every readable record from `from` on to `take`, until that breaks off or everything
    /// was handed over that was readable when this began.
    pub(crate) fn read(
        &self,
        topic: &str,
        partition: u32,
        from: From,
        deadline: Instant,
        mut take: impl FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let what = format!("reading {topic}, partition {partition}");
        let late = || StoreError::Unavailable(format!("{what}: no answer in time"));
        let _reading = self.reading.try_lock_until(deadline).ok_or_else(late)?;
        let offset = match from {
            From::Beginning => Offset::Beginning,
            From::Offset(offset) => Offset::Offset(offset as i64),
        };
        let mut list = TopicPartitionList::new();
        let failed = |error: &KafkaError| self.consumer.context().failed(&what, error);
        list.add_partition_offset(topic, partition as i32, offset).map_err(|error| failed(&error))?;
        self.consumer.assign(&list).map_err(|error| failed(&error))?;
        let outcome = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Err(failed(&KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut)));
            }
            match self.consumer.poll(left.min(POLL)) {
                Some(Ok(message)) if take(&message).is_break() => break Ok(()),
                Some(Ok(_)) => {}
                Some(Err(KafkaError::PartitionEOF(_))) => break Ok(()),
                Some(Err(error)) if is_out_of_range(&error) => {
                    let from = if let From::Offset(offset) = from { offset } else { 0 };
                    break Err(self.out_of_range(topic, partition, from));
                }
                // A broker that is away may come back until the deadline.
                Some(Err(error)) if !is_missing(&error) && failed(&error).is_retryable() => {}
                Some(Err(error)) => break Err(failed(&error)),
                None => {}
            }
        };
        // Also throws away what was fetched beyond.
        self.consumer.unassign().map_err(|error| failed(&error))?;
        outcome
    }

    /// Finds words for why there is no offset `from`.
    pub(crate) fn out_of_range(&self, topic: &str, partition: u32, from: u64) -> StoreError {
        let bounds = self.beginnings(topic, &[partition]).and_then(|beginnings| {
            let ends = self.ends(topic, &[partition])?;
            Ok((beginnings[0], ends[0]))
        });
        match bounds {
            Err(error) => error,
            Ok((beginning, end)) => StoreError::Damaged(if from < beginning {
                format!(
                    "{topic}, partition {partition}: offset {from} was asked for, but the log's retention ended \
                     before: the first record it still has is at {beginning}"
                )
            } else {
                format!(
                    "{topic}, partition {partition}: offset {from} was asked for, but the log ends at {end}: it \
                     was cut, or created anew under the same name"
                )
            }),
        }
    }

    /// The offset of the first readable record at or after `from`, if there is one now.
    pub(crate) fn first_from(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        deadline: Instant,
    ) -> Result<Option<u64>> {
        let mut first = None;
        self.read(topic, partition, From::Offset(from), deadline, |message| {
            first = Some(message.offset() as u64);
            ControlFlow::Break(())
        })?;
        Ok(first)
    }
}

/// Whether the topic or partition is not there: waiting does not help.
pub(crate) fn is_missing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition)
    )
}

/// Whether the partition has no such offset.
pub(crate) fn is_out_of_range(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::NoOffset)
    )
}
