//! The thread that asks Kafka now and then how things are: where the log ends, whether it answers at
//! all, whether it is still the same log, and whether a writer that died stands in the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tandem_storage::{Result, StoreError};
use uuid::Uuid;

use crate::append::Appender;
use crate::ends::{Ends, Pulse};
use crate::identity::{self, Entry};
use crate::lookup::Lookup;
use crate::reader::Reader;
use crate::{Identity, Settings};

/// How often the log is asked whether it is still the one it was.
const IDENTITY_EVERY: Duration = Duration::from_secs(30);
/// Kafka's end may lie that far behind the last readable record, for markers of transactions: more
/// than that is records that were not fetched yet.
const MARKERS: u64 = 64;
/// A transaction that hides what comes after it for so long has lost its writer, most likely. If it
/// has not, its writer is fenced and does it again.
const STUCK_AFTER: Duration = Duration::from_secs(3);
/// Not all gateways come to the rescue at once, in milliseconds.
const STUCK_SPREAD_MS: u64 = 1_000;
/// A rescue that was in vain (the writer is none of ours) is not tried again before.
const HEAL_EVERY: Duration = Duration::from_secs(10);

/// What the thread looks at, and whom it tells.
pub(crate) struct Watched {
    pub(crate) settings: Settings,
    pub(crate) identity: Identity,
    pub(crate) ends: Arc<Ends>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) reader: Arc<Reader>,
    pub(crate) appender: Option<Arc<Appender>>,
    pub(crate) lookup: Arc<Lookup>,
}

/// Keeps the thread going; dropping it ends it.
pub(crate) struct Watch {
    is_over: Arc<AtomicBool>,
    thread: Thread,
}

impl Watch {
    pub(crate) fn start(watched: Watched) -> Result<Self> {
        // Only who appends can help.
        let helper = watched.appender.is_some().then(|| Lookup::uncommitted(&watched.settings, "watch"));
        let spread = Uuid::new_v4().as_u128() as u64 % STUCK_SPREAD_MS;
        let watcher = Watcher {
            partitions: (0..watched.identity.partitions).collect(),
            before: vec![0; watched.identity.partitions as usize],
            uncommitted: helper.transpose()?,
            stuck: Stuck::default(),
            stuck_after: STUCK_AFTER + Duration::from_millis(spread),
            watched,
        };
        let is_over = Arc::new(AtomicBool::new(false));
        let ends_with = is_over.clone();
        let thread = std::thread::Builder::new()
            .name("kafka-watch".to_owned())
            .spawn(move || watcher.run(&ends_with))
            .map_err(|error| StoreError::Unavailable(format!("starting a thread: {error}")))?;
        Ok(Self { is_over, thread: thread.thread().clone() })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

struct Watcher {
    watched: Watched,
    partitions: Vec<u32>,
    /// The ends as they were last.
    before: Vec<u64>,
    /// Sees where the log would end if all transactions were committed.
    uncommitted: Option<Lookup>,
    stuck: Stuck,
    stuck_after: Duration,
}

impl Watcher {
    fn run(mut self, is_over: &AtomicBool) {
        let interval = Duration::from_millis(self.watched.settings.ends_interval_ms);
        let mut identified = Instant::now();
        while !is_over.load(Ordering::Acquire) {
            let Watched { settings, lookup, pulse, ends, .. } = &self.watched;
            let found = lookup.ends(&settings.events_topic, &self.partitions);
            let is_news = pulse.note(found.as_ref().map(drop).map_err(Clone::clone));
            if is_news {
                match &found {
                    Ok(_) => tracing::info!("Kafka answers again"),
                    Err(error) => tracing::warn!(%error, "Kafka does not answer"),
                }
                // Whoever waits for the log to grow should find out.
                ends.wake();
            }
            if let Ok(found) = found {
                self.raise(&found);
                self.rescue(&found);
                self.before = found;
                if identified.elapsed() > IDENTITY_EVERY {
                    identified = Instant::now();
                    self.identify();
                }
            }
            std::thread::park_timeout(interval);
        }
    }

    /// Notes the ends as Kafka says them. Those of partitions that are read here are known better:
    /// there they count only where the reader is far behind.
    fn raise(&self, found: &[u64]) {
        let Watched { ends, reader, .. } = &self.watched;
        ends.raise((0..).zip(self.before.iter().zip(found)).filter_map(|(partition, (before, found))| {
            match reader.is_read(partition) {
                true if *before <= ends.of(partition) + MARKERS => None,
                true => Some((partition, *before)),
                false => Some((partition, *found)),
            }
        }));
    }

    /// Looks for a transaction that nobody ends, and ends it if it is one of ours.
    fn rescue(&mut self, found: &[u64]) {
        let (Some(appender), Some(uncommitted)) = (&self.watched.appender, &self.uncommitted) else { return };
        let stands_still = |partition: &u32| found[*partition as usize] == self.before[*partition as usize];
        let still: Vec<u32> = self.partitions.iter().copied().filter(stands_still).collect();
        // As long as everything moves there is nothing to look for.
        let hidden: Vec<u32> = match still.is_empty() {
            true => Vec::new(),
            false => match uncommitted.ends(&self.watched.settings.events_topic, &still) {
                Ok(written) => {
                    let written = still.iter().zip(written);
                    written
                        .filter(|(partition, end)| *end > found[**partition as usize])
                        .map(|(p, _)| *p)
                        .collect()
                }
                Err(_) => return,
            },
        };
        if self.stuck.note(&hidden, Instant::now(), self.stuck_after) {
            tracing::warn!(partitions = ?hidden, "a transaction hides what comes after it: taking the slots over");
            appender.heal();
        }
    }

    fn identify(&self) {
        let Watched { settings, identity, pulse, lookup, .. } = &self.watched;
        match identity::read(lookup, settings) {
            Ok(Some(Entry { identity: found, .. })) if found.log_id != identity.log_id => {
                pulse.damage(StoreError::Damaged(format!(
                    "{} was created anew (generation {} instead of {}): restart this process",
                    settings.events_topic, found.generation, identity.generation
                )));
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the log's identity was not read"),
        }
    }
}

/// Partitions whose end stands still though more was written, and since when.
#[derive(Default)]
struct Stuck {
    since: Vec<(u32, Instant)>,
    healed: Option<Instant>,
}

impl Stuck {
    /// Notes those of this moment; answers whether it is time to do something.
    fn note(&mut self, hidden: &[u32], now: Instant, stuck_after: Duration) -> bool {
        self.since.retain(|(partition, _)| hidden.contains(partition));
        for partition in hidden {
            if self.since.iter().all(|(known, _)| known != partition) {
                self.since.push((*partition, now));
            }
        }
        let is_due = self.since.iter().any(|(_, since)| now.duration_since(*since) >= stuck_after)
            && self.healed.is_none_or(|healed| now.duration_since(healed) >= HEAL_EVERY);
        if is_due {
            self.healed = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_done_where_an_end_stands_still_for_long_and_not_too_often() {
        let (mut stuck, start) = (Stuck::default(), Instant::now());
        let mut at = |seconds: u64, hidden: &[u32]| {
            stuck.note(hidden, start + Duration::from_secs(seconds), STUCK_AFTER)
        };
        assert!(!at(0, &[1]) && !at(2, &[1]));
        assert!(!at(3, &[2]) && !at(4, &[1, 2]), "1 had moved");
        assert!(at(6, &[1, 2]));
        assert!(!at(7, &[1, 2]) && !at(15, &[1, 2]), "give it time");
        assert!(at(16, &[1]));
        assert!(!at(40, &[]) && !at(41, &[1]));
    }
}
