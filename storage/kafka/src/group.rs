//! Who owns which partition, by a consumer group.
//!
//! The group is used for membership only. Records are read by clients of their own from positions of
//! our own (they stand in the snapshots and stores), so this consumer fetches nothing and commits
//! nothing: everything it is assigned is paused.
//!
//! **A rebalance waits for nobody.** Telling the process what it owns is all that happens; whoever
//! works on a partition that was taken away finds out a little later, and until then two processes
//! work on it. That is harmless: stores keep the farther of two writers, row by row. Waiting until work
//! is put down would be the harmful thing, since one slow process would hold up the whole group.
//!
//! **Kafka away.** Whoever can't reach Kafka for `session_timeout_ms` has lost its partitions as far as
//! the group is concerned. While Kafka is away as a whole nobody else can get them, either, and
//! dropping all work to take it up again would only cost time. So what is lost while no broker answers
//! is kept until the next assignment says who owns what. What is lost otherwise (this process was
//! stopped and others have taken over) is given up at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use tandem_model::PartitionId;
use tandem_storage::Ownership;
use tokio::sync::{oneshot, watch};

use crate::client::{self, Context};
use crate::{Error, Settings};

/// How long the consumer is listened to at once.
const LISTEN: Duration = Duration::from_millis(100);
/// The pause before a consumer that is beyond repair is replaced.
const REPLACE_AFTER: Duration = Duration::from_secs(1);
/// How long leaving is waited for.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time a member may seem to sleep; its thread listens ten times a second.
const POLL_INTERVAL_MS_MAX: u64 = 60_000;

/// A member of the consumer group of a chain.
pub struct Group {
    owned: Arc<Owned>,
    is_over: Arc<AtomicBool>,
    left: Option<oneshot::Receiver<()>>,
}

impl Group {
    /// Joins the group `<prefix>.<chain>`. Needs no broker now; until Kafka has answered, nothing is
    /// owned.
    ///
    /// # Errors
    ///
    /// When the settings can't be.
    pub fn join(settings: &Settings, chain: &str) -> Result<Self, Error> {
        settings.check().map_err(|error| Error::Settings(error.to_string()))?;
        let group = format!("{}.{chain}", settings.prefix);
        let mut config = client::consumer(settings, "member");
        config
            .set("group.id", &group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", settings.session_timeout_ms.to_string())
            .set("heartbeat.interval.ms", (settings.session_timeout_ms / 6).max(100).to_string())
            .set("max.poll.interval.ms", settings.session_timeout_ms.max(POLL_INTERVAL_MS_MAX).to_string())
            .set("auto.offset.reset", "latest")
            // Should it ever fetch, then little.
            .set("queued.max.messages.kbytes", "64");
        let owned = Arc::new(Owned { state: Mutex::default(), sender: watch::Sender::new(Arc::default()) });
        let is_over = Arc::new(AtomicBool::new(false));
        let (leave, left) = oneshot::channel();
        let member = Member {
            config,
            topic: settings.events_topic.clone(),
            group,
            owned: owned.clone(),
            is_over: is_over.clone(),
        };
        // The first one here, so that settings that can't be are found out now.
        let consumer = member.consumer().map_err(|error| client::open_failed("joining a group", &error))?;
        std::thread::Builder::new()
            .name("kafka-group".to_owned())
            .spawn(move || {
                member.run(consumer);
                let _ = leave.send(());
            })
            .map_err(|error| Error::Unavailable(format!("starting a thread: {error}")))?;
        Ok(Self { owned, is_over, left: Some(left) })
    }

    /// Leaves the group, so that others get its partitions at once. Dropping it does the same, but
    /// waits for nothing.
    pub async fn leave(mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(left) = self.left.take() {
            // Without a broker there is nobody to say goodbye to.
            let _ = tokio::time::timeout(LEAVE_TIMEOUT, left).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
    }
}

impl Ownership for Group {
    fn owned(&self) -> watch::Receiver<Arc<BTreeSet<PartitionId>>> {
        self.owned.sender.subscribe()
    }
}

/// The thread that listens to the consumer.
struct Member {
    config: ClientConfig,
    topic: String,
    group: String,
    owned: Arc<Owned>,
    is_over: Arc<AtomicBool>,
}

impl Member {
    fn consumer(&self) -> Result<BaseConsumer<Listener>, KafkaError> {
        let listener = Listener { context: Context::new(&self.group), owned: self.owned.clone() };
        let consumer = BaseConsumer::from_config_and_context(&self.config, listener)?;
        consumer.subscribe(&[&self.topic])?;
        Ok(consumer)
    }

    fn run(&self, mut consumer: BaseConsumer<Listener>) {
        while !self.is_over.load(Ordering::Acquire) {
            match consumer.poll(LISTEN) {
                // Records are none of its business; the client mends other errors by itself.
                None | Some(Ok(_)) => {}
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                    tracing::error!(group = self.group, %error, "joining the group anew");
                    std::thread::sleep(REPLACE_AFTER);
                    match self.consumer() {
                        Ok(another) => consumer = another,
                        Err(error) => tracing::error!(group = self.group, %error, "joining failed"),
                    }
                }
                Some(Err(error)) => tracing::debug!(group = self.group, %error, "consumer group"),
            }
        }
        // Dropping it leaves the group.
    }
}

/// What the process owns.
struct Owned {
    state: Mutex<State>,
    sender: watch::Sender<Arc<BTreeSet<PartitionId>>>,
}

#[derive(Default)]
struct State {
    assigned: BTreeSet<PartitionId>,
    /// Lost while Kafka was away: kept until somebody says whose they are.
    kept: BTreeSet<PartitionId>,
    /// When no broker could be reached last, since the last assignment.
    away: Option<Instant>,
}

/// What the group says.
enum Event {
    Assigned(BTreeSet<PartitionId>),
    Revoked(BTreeSet<PartitionId>),
    /// Taken without asking.
    Lost(BTreeSet<PartitionId>),
    /// No broker can be reached.
    Away,
}

impl State {
    fn apply(&mut self, event: Event) {
        match event {
            Event::Assigned(partitions) => {
                self.assigned.extend(partitions);
                self.kept.clear();
                self.away = None;
            }
            Event::Revoked(partitions) => self.assigned.retain(|one| !partitions.contains(one)),
            Event::Lost(partitions) => {
                self.assigned.retain(|one| !partitions.contains(one));
                if self.away.is_some() {
                    self.kept.extend(partitions);
                }
            }
            Event::Away => self.away = Some(Instant::now()),
        }
    }

    fn owned(&self) -> BTreeSet<PartitionId> {
        self.assigned.union(&self.kept).copied().collect()
    }
}

impl Owned {
    fn apply(&self, event: Event) {
        let mut state = self.state.lock();
        state.apply(event);
        let owned = state.owned();
        // Inside the lock, so that the last word is the last.
        self.sender.send_if_modified(|before| {
            let is_new = **before != owned;
            if is_new {
                *before = Arc::new(owned);
            }
            is_new
        });
    }
}

/// Hears what the consumer is told.
struct Listener {
    context: Context,
    owned: Arc<Owned>,
}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.owned.apply(Event::Away);
        }
        self.context.error(error, reason);
    }
}

impl ConsumerContext for Listener {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: BTreeSet<PartitionId> = list
            .elements()
            .iter()
            .filter_map(|element| u32::try_from(element.partition()).ok().map(PartitionId))
            .collect();
        let is_cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let (outcome, event) = if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            tracing::info!(?partitions, "partitions assigned");
            // From the end, so that no committed position is looked for; there is none.
            let outcome = list.set_all_offsets(Offset::End).and_then(|()| match is_cooperative {
                true => consumer.incremental_assign(list),
                false => consumer.assign(list),
            });
            (outcome.and_then(|()| consumer.pause(list)), Event::Assigned(partitions))
        } else {
            let is_lost = consumer.assignment_lost();
            tracing::info!(?partitions, is_lost, "partitions taken away");
            let outcome = match is_cooperative {
                true => consumer.incremental_unassign(list),
                false => consumer.unassign(),
            };
            (outcome, if is_lost { Event::Lost(partitions) } else { Event::Revoked(partitions) })
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "consumer group");
        }
        self.owned.apply(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<PartitionId> {
        numbers.into_iter().map(PartitionId).collect()
    }

    fn after(events: impl IntoIterator<Item = Event>) -> BTreeSet<PartitionId> {
        let mut state = State::default();
        events.into_iter().for_each(|event| state.apply(event));
        state.owned()
    }

    #[test]
    fn assignments_add_up() {
        use Event::{Assigned, Revoked};
        assert_eq!(after([Assigned(set([0, 1])), Assigned(set([2])), Revoked(set([0]))]), set([1, 2]));
    }

    #[test]
    fn what_others_took_is_gone_and_what_nobody_could_take_is_kept() {
        use Event::{Assigned, Away, Lost};
        assert_eq!(after([Assigned(set([0, 1])), Lost(set([0, 1]))]), set([]));
        assert_eq!(after([Assigned(set([0, 1])), Away, Lost(set([0, 1]))]), set([0, 1]));
        assert_eq!(after([Assigned(set([0, 1])), Away, Lost(set([0, 1])), Assigned(set([1]))]), set([1]));
        assert_eq!(after([Assigned(set([0])), Away, Lost(set([0])), Assigned(set([]))]), set([]));
        assert_eq!(after([Away, Assigned(set([0])), Lost(set([0]))]), set([]), "it had come back");
    }
}
