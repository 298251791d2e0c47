//! The thread that takes over what the client has fetched.
//!
//! Each partition has a queue of its own in the client, bounded there; a window that is full is not
//! filled further, its queue fills up, and the client stops fetching for that partition alone. The
//! queues call the thread when something comes, so it sleeps while there is nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tandem_storage::{Result, StoreError};

use super::{IDLE, Shared, Trouble};
use crate::client::{self, Context};
use crate::lookup;
use crate::record::Incoming;

/// How many records are taken over at once at most, so that no partition waits long.
const ROUND: usize = 2_000;
/// How long the thread sleeps when nobody calls it.
const SLEEP: Duration = Duration::from_millis(100);
/// How often it looks for partitions that nobody reads any more.
const RELEASE_EVERY: Duration = Duration::from_secs(1);

/// Starts the thread; it ends once `shared.is_over`.
pub(super) fn start(shared: Arc<Shared>) -> Result<()> {
    let settings = &shared.settings;
    let mut config = client::consumer(settings, "reader");
    // Half of what is read ahead lies in the client, half in the window.
    let queued_kib = (settings.read_ahead_bytes / 2 / 1_024).max(1);
    config
        .set("fetch.wait.max.ms", settings.fetch_wait_ms.to_string())
        .set("queued.min.messages", "1000000")
        .set("queued.max.messages.kbytes", queued_kib.to_string())
        .set("max.partition.fetch.bytes", (queued_kib * 1_024).min(4 << 20).to_string());
    let consumer = BaseConsumer::from_config_and_context(&config, Context::new("reader"))
        .map_err(|error| client::failed("creating a client", &error))?;
    let fetcher = Fetcher {
        shared,
        consumer: Arc::new(consumer),
        followed: BTreeMap::new(),
        incoming: Incoming::default(),
        round: Vec::new(),
    };
    std::thread::Builder::new()
        .name("kafka-reader".to_owned())
        .spawn(move || fetcher.run())
        .map(drop)
        .map_err(|error| StoreError::Unavailable(format!("starting a thread: {error}")))
}

struct Fetcher {
    shared: Arc<Shared>,
    consumer: Arc<BaseConsumer<Context>>,
    followed: BTreeMap<u32, Followed>,
    incoming: Incoming,
    /// What is being taken over; kept for its memory.
    round: Vec<(u64, tandem_model::Record)>,
}

/// A partition that is being fetched.
struct Followed {
    queue: PartitionQueue<Context>,
    /// The window's place it is fetched for.
    place: u64,
}

impl Fetcher {
    fn run(mut self) {
        *self.shared.thread.lock() = Some(std::thread::current());
        let mut released = Instant::now();
        while !self.shared.is_over.load(Ordering::Acquire) {
            let mut has_more = false;
            for number in 0..self.shared.partitions.len() as u32 {
                has_more |= self.serve(number);
            }
            if released.elapsed() > RELEASE_EVERY {
                released = Instant::now();
                for partition in &self.shared.partitions {
                    partition.window.lock().release(IDLE);
                }
            }
            // Records come through the partitions' own queues; this is what the client says.
            let _ = self.consumer.poll(Duration::ZERO);
            if !has_more {
                std::thread::park_timeout(SLEEP);
            }
        }
        // The queues go before the client.
        self.followed.clear();
    }

    /// Does what there is to do for a partition; answers whether there is more at once.
    fn serve(&mut self, number: u32) -> bool {
        let shared = self.shared.clone();
        let partition = &shared.partitions[number as usize];
        let (is_wanted, place, next, is_full) = {
            let window = partition.window.lock();
            // The other half lies in the client.
            let is_full = window.is_full(shared.settings.read_ahead_bytes / 2);
            (window.is_wanted, window.place, window.next, is_full)
        };
        let outcome = match self.followed.get(&number) {
            None if !is_wanted => return false,
            Some(_) if !is_wanted => self.leave(number),
            Some(followed) if followed.place == place => {
                if is_full {
                    return false;
                }
                return self.take_over(number, place);
            }
            _ => self.go_to(number, next, place),
        };
        if let Err(error) = outcome {
            let what = format!("reading {}, partition {number}", shared.settings.events_topic);
            self.trouble(number, place, Trouble::Failed(client::failed(&what, &error)));
        }
        false
    }

    /// Begins to fetch a partition from `next` on.
    fn go_to(&mut self, number: u32, next: u64, place: u64) -> KafkaResult<()> {
        let topic = &self.shared.settings.events_topic;
        if self.followed.contains_key(&number) {
            self.consumer.incremental_unassign(&self.list(number, Offset::Invalid)?)?;
        }
        if let Some(followed) = self.followed.get_mut(&number) {
            followed.place = place;
        } else {
            // Before it is assigned, so that nothing lands in the common queue.
            let mut queue = self
                .consumer
                .split_partition_queue(topic, number as i32)
                .ok_or(KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownPartition))?;
            let thread = std::thread::current();
            queue.set_nonempty_callback(move || thread.unpark());
            self.followed.insert(number, Followed { queue, place });
        }
        self.consumer.incremental_assign(&self.list(number, Offset::Offset(next as i64))?)
    }

    fn leave(&mut self, number: u32) -> KafkaResult<()> {
        self.consumer.incremental_unassign(&self.list(number, Offset::Invalid)?)?;
        self.followed.remove(&number);
        Ok(())
    }

    fn list(&self, number: u32, offset: Offset) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&self.shared.settings.events_topic, number as i32, offset)?;
        Ok(list)
    }

    /// Takes over a round of records; answers whether there may be more.
    fn take_over(&mut self, number: u32, place: u64) -> bool {
        let Some(followed) = self.followed.get(&number) else { return false };
        let mut trouble = None;
        let mut is_drained = false;
        while self.round.len() < ROUND {
            match followed.queue.poll(Duration::ZERO) {
                None => {
                    is_drained = true;
                    break;
                }
                Some(Ok(message)) => {
                    let record = self.incoming.record(&message);
                    self.round.push((message.offset() as u64, record));
                }
                Some(Err(error)) => {
                    trouble = self.judge(number, &error);
                    if trouble.is_some() {
                        break;
                    }
                }
            }
        }
        let partition = &self.shared.partitions[number as usize];
        if let Some((last, _)) = self.round.last() {
            let end = last + 1;
            if partition.window.lock().fill(place, &mut self.round) {
                self.shared.ends.raise([(number, end)]);
                partition.filled.notify_waiters();
            }
        }
        if let Some(trouble) = trouble {
            self.trouble(number, place, trouble);
            return false;
        }
        !is_drained
    }

    /// What an error of the client means; none if the client goes on by itself.
    fn judge(&self, number: u32, error: &KafkaError) -> Option<Trouble> {
        if lookup::is_out_of_range(error) {
            return Some(Trouble::OutOfRange);
        }
        let what = format!("reading {}, partition {number}", self.shared.settings.events_topic);
        match client::failed(&what, error) {
            failure @ StoreError::Unavailable(_) if lookup::is_missing(error) => {
                Some(Trouble::Failed(failure))
            }
            // The client tries again, and whether Kafka is there others find out.
            StoreError::Unavailable(_) | StoreError::Timeout(_) => None,
            failure @ (StoreError::Damaged(_) | StoreError::Lost(_)) => Some(Trouble::Failed(failure)),
            // Rights may be granted while we run.
            StoreError::Refused(text) => Some(Trouble::Failed(StoreError::Unavailable(text))),
        }
    }

    fn trouble(&mut self, number: u32, place: u64, trouble: Trouble) {
        let partition = &self.shared.partitions[number as usize];
        partition.window.lock().fail(place, trouble);
        partition.filled.notify_waiters();
    }
}
