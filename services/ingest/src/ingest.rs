//! A body of events into the log, all of it in one append.
//!
//! Taking a body runs in a task of its own: a sender that hangs up does not stop it half way, so
//! the idempotency key stays held until its outcome is known. The number of bodies at one time is
//! bounded; one more is answered at once with "try again".

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tandem_model::definition::{self, Definition};
use tandem_model::event::Line;
use tandem_model::malformed::{Malformed, Problem};
use tandem_model::partition::partition_of;
use tandem_model::record::partition_of_refused;
use tandem_model::time::SECOND_MS;
use tandem_model::verdict::Ruling;
use tandem_model::{PartitionId, Record, Token, Verdict};
use tandem_storage::{Append, EventLog, Receipt, StoreError, StoredReceipt};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::accepted::{Accepted, LINE_ERRORS_MAX, LineError};
use crate::counts::{Counters, IngestCounts};
use crate::error::IngestError;
use crate::idempotency::{KEPT_MS, UnderWay};
use crate::{lines, suspect};

/// Largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// Most lines in a body; blank ones do not count.
pub const LINES_MAX: usize = 50_000;
/// How many bodies are taken at one time: together at most half a gigabyte.
const BODIES_MAX: usize = 64;
/// Bodies over this are decoded off the async threads, in bytes: about a millisecond of work.
const INLINE_BYTES_MAX: usize = 64 * 1024;
/// How long a failed append counts against [`Ingest::is_writable`].
const FAILURE_COUNTS_FOR: Duration = Duration::from_secs(5);
/// How long the log may take to answer [`Ingest::is_writable`].
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Takes events in. Cheap to share behind an [`Arc`].
pub struct Ingest {
    inner: Arc<Inner>,
    bodies: Arc<Semaphore>,
}

struct Inner {
    log: Arc<dyn EventLog>,
    under_way: UnderWay,
    failed_at: Mutex<Option<Instant>>,
    counters: Counters,
}

/// What comes with a body.
#[derive(Clone, Debug, Default)]
pub struct Post {
    /// Whose idempotency keys: the id of the API key, not the key itself.
    pub scope: String,
    /// Whether `beat` lines may move time.
    pub replay: bool,
    /// The idempotency key, as [`crate::parse_key`] gives it.
    pub idempotency_key: Option<String>,
    /// The wall clock, in milliseconds since the epoch.
    pub now_ms: u64,
    /// What the sender has read before; becomes part of the answer.
    pub token: Option<Token>,
    /// Whether it is doubted that the viewers of these events are people: they are marked as suspect.
    pub suspect: bool,
}

impl Ingest {
    /// Takes events into `log`.
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        let inner = Inner {
            log,
            under_way: UnderWay::new(BODIES_MAX),
            failed_at: Mutex::new(None),
            counters: Counters::default(),
        };
        Self { inner: Arc::new(inner), bodies: Arc::new(Semaphore::new(BODIES_MAX)) }
    }

    /// The log that events go into.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.inner.log
    }

    /// Appends the lines of `body`: good ones as they are, bad ones with the reason. A key that
    /// was used for the same body gets the first answer again.
    ///
    /// Dropping the future does not stop what has begun.
    ///
    /// # Errors
    ///
    /// When nothing was taken; after [`IngestError::Log`] and [`IngestError::Internal`] it may
    /// have been.
    pub async fn post(&self, body: Bytes, post: Post) -> Result<Accepted, IngestError> {
        let refused = |error| {
            let outcome = Err(error);
            self.inner.counters.count(&outcome);
            outcome
        };
        if body.len() > BODY_BYTES_MAX {
            return refused(IngestError::TooManyBytes);
        }
        let Ok(slot) = Arc::clone(&self.bodies).try_acquire_owned() else {
            return refused(IngestError::Busy);
        };
        let inner = Arc::clone(&self.inner);
        let taking = tokio::spawn(async move {
            let _slot = slot;
            let outcome = inner.take(body, post).await;
            // Here: the caller may have gone.
            inner.counters.count(&outcome);
            outcome
        });
        taking.await.unwrap_or_else(|error| refused(IngestError::Internal(error.to_string())))
    }

    /// Writes a verdict about an event behind it in the log. Answers where it stands; nothing where
    /// there is no such event: about beats and verdicts there are none.
    ///
    /// # Errors
    ///
    /// When an event can't be taken out, since the log's beginning is gone. When the log does not answer
    /// well; the verdict may stand there or not, and again does no harm.
    pub async fn rule(&self, partition: PartitionId, verdict: &Verdict) -> Result<Option<u64>, IngestError> {
        let end = self.inner.log.ends().borrow().get(partition.0 as usize).copied().unwrap_or(0);
        let records = match verdict.offset < end {
            true => self.inner.log.read(partition, verdict.offset, 1).await,
            false => return Ok(None),
        };
        let records = records.map_err(|error| self.inner.failed(error))?;
        let Some((_, record)) = records.first().filter(|(offset, _)| *offset == verdict.offset) else {
            return Ok(None);
        };
        let line = tandem_model::decode::decode(&record.value);
        if record.malformed.is_none()
            && matches!(line, Ok(Line::Beat { .. } | Line::Verdict(_) | Line::Definition(_)))
        {
            return Ok(None);
        }
        // Before what is in quarantine already, chains keep a snapshot; before anything else they need not.
        if verdict.ruling == Ruling::Quarantine
            && let Err(StoreError::Damaged(_)) = self.inner.log.read(partition, 0, 1).await
        {
            return Err(IngestError::BeginningGone);
        }
        let records = vec![(partition, verdict.to_record())];
        let appended = self.inner.log.append(Append { records, receipt: None }).await;
        let appended = appended.map_err(|error| self.inner.failed(error))?;
        Ok(appended.next.first().map(|(_, next)| next.saturating_sub(1)))
    }

    /// Writes a definition of a metric into the log. Answers where it stands.
    ///
    /// # Errors
    ///
    /// When the log does not answer well; the definition may stand there or not, and again does no harm.
    pub async fn define(&self, definition: &Definition) -> Result<u64, IngestError> {
        let records = vec![(definition::PARTITION, definition.to_record())];
        let appended = self.inner.log.append(Append { records, receipt: None }).await;
        let appended = appended.map_err(|error| self.inner.failed(error))?;
        Ok(appended.next.first().map_or(0, |(_, next)| next.saturating_sub(1)))
    }

    /// What has been counted since the start.
    pub fn counts(&self) -> IngestCounts {
        self.inner.counters.read(BODIES_MAX - self.bodies.available_permits(), BODIES_MAX)
    }

    /// Whether an append is likely to succeed: the log answers, and no append failed just now.
    pub async fn is_writable(&self) -> bool {
        let failed_at = *self.inner.failed_at.lock();
        if failed_at.is_some_and(|failed_at| failed_at.elapsed() < FAILURE_COUNTS_FOR) {
            return false;
        }
        let probe = self.inner.log.receipt("tandem", "readiness probe");
        matches!(tokio::time::timeout(PROBE_TIMEOUT, probe).await, Ok(Ok(_)))
    }
}

impl Inner {
    async fn take(&self, body: Bytes, post: Post) -> Result<Accepted, IngestError> {
        let Some(key) = &post.idempotency_key else {
            let prepared = prepare_off_thread(body, &post, self.log.partitions()).await?;
            return self.append(prepared, None).await;
        };
        let _held = self.under_way.hold(&post.scope, key)?;
        let fingerprint = fingerprint(&body, post.replay);
        let stored = self.log.receipt(&post.scope, key).await.map_err(|error| self.failed(error))?;
        // The log forgets by the hour, the promise is to the day: an old receipt is none.
        let stored = stored.filter(|stored| stored.receipt.written_ms.saturating_add(KEPT_MS) > post.now_ms);
        if let Some(stored) = stored {
            return first_answer(stored, fingerprint);
        }
        let prepared = prepare_off_thread(body, &post, self.log.partitions()).await?;
        let receipt = Receipt {
            scope: post.scope.clone(),
            key: key.clone(),
            fingerprint,
            answer: serde_json::to_vec(&prepared.accepted).expect("an answer holds only plain data").into(),
            written_ms: post.now_ms,
        };
        match self.append(prepared, Some(receipt)).await {
            // It may have been done all the same; then the receipt is there and has the answer.
            Err(IngestError::Log(error)) if error.is_retryable() => {
                match self.log.receipt(&post.scope, key).await {
                    Ok(Some(stored)) if stored.receipt.fingerprint == fingerprint => {
                        first_answer(stored, fingerprint).map(|answer| Accepted { replayed: false, ..answer })
                    }
                    _ => Err(IngestError::Log(error)),
                }
            }
            outcome => outcome,
        }
    }

    async fn append(&self, prepared: Prepared, receipt: Option<Receipt>) -> Result<Accepted, IngestError> {
        let Prepared { records, mut accepted } = prepared;
        if records.is_empty() && receipt.is_none() {
            return Ok(accepted);
        }
        let appended =
            self.log.append(Append { records, receipt }).await.map_err(|error| self.failed(error))?;
        *self.failed_at.lock() = None;
        accepted.next = appended.next;
        Ok(accepted)
    }

    fn failed(&self, error: StoreError) -> IngestError {
        tracing::warn!(%error, "the event log refused");
        *self.failed_at.lock() = Some(Instant::now());
        IngestError::Log(error)
    }
}

fn first_answer(stored: StoredReceipt, fingerprint: u128) -> Result<Accepted, IngestError> {
    if stored.receipt.fingerprint != fingerprint {
        return Err(IngestError::KeyReused);
    }
    let accepted: Accepted = serde_json::from_slice(&stored.receipt.answer)
        .map_err(|error| IngestError::Internal(format!("a receipt is unreadable: {error}")))?;
    Ok(Accepted { next: stored.appended.next, replayed: true, ..accepted })
}

fn fingerprint(body: &[u8], replay: bool) -> u128 {
    xxh3_128_with_seed(body, u64::from(replay))
}

/// A body, ready for the log.
#[derive(Debug)]
struct Prepared {
    records: Vec<(PartitionId, Record)>,
    accepted: Accepted,
}

async fn prepare_off_thread(body: Bytes, post: &Post, partitions: u32) -> Result<Prepared, IngestError> {
    let (replay, doubted) = (post.replay, post.suspect);
    let mut prepared = if body.len() <= INLINE_BYTES_MAX {
        prepare(&body, replay, doubted, partitions)?
    } else {
        tokio::task::spawn_blocking(move || prepare(&body, replay, doubted, partitions))
            .await
            .map_err(|error| IngestError::Internal(error.to_string()))??
    };
    prepared.accepted.token_sent = post.token.as_ref().map(Token::encode);
    Ok(prepared)
}

fn prepare(body: &Bytes, replay: bool, doubted: bool, partitions: u32) -> Result<Prepared, IngestError> {
    let mut records = Vec::new();
    let mut accepted = Accepted::default();
    let mut lines_seen = 0;
    for (index, physical) in body.split(|byte| *byte == b'\n').enumerate() {
        let Some(line) = lines::content(physical) else { continue };
        lines_seen += 1;
        if lines_seen > LINES_MAX {
            return Err(IngestError::TooManyLines);
        }
        let reason = match tandem_model::decode::decode(line) {
            Ok(Line::Event(event)) => {
                let partition = partition_of(event.session_id.as_bytes(), partitions);
                let is_marked = doubted && event.viewer.is_some_and(|viewer| !viewer.suspect);
                let marked = if is_marked { suspect::marked(line) } else { None };
                accepted.suspect += u64::from(marked.is_some());
                records.push((partition, Record::line(marked.unwrap_or_else(|| body.slice_ref(line)))));
                accepted.events += 1;
                continue;
            }
            Ok(Line::Beat { ts }) if replay => {
                let beat = Record::beat(ts / SECOND_MS);
                records.extend((0..partitions).map(|partition| (PartitionId(partition), beat.clone())));
                accepted.beats += 1;
                continue;
            }
            Ok(Line::Beat { .. }) => {
                let session_id = tandem_model::decode::session_of(line);
                Malformed { problem: Problem::BeatNotAllowed, field: None, session_id }
            }
            // Those are ours alone: who sends them is refused, whatever they say.
            Ok(Line::Verdict(_) | Line::Definition(_))
            | Err(Malformed { problem: Problem::BadControl, .. }) => {
                Malformed { problem: Problem::ControlNotAllowed, field: None, session_id: None }
            }
            Err(malformed) => malformed,
        };
        accepted.malformed += 1;
        if accepted.errors.len() < LINE_ERRORS_MAX {
            accepted.errors.push(LineError::new(index as u64 + 1, &reason));
        }
        let refused = Record::refused(&body.slice_ref(line), reason);
        records.push((partition_of_refused(&refused, partitions), refused));
    }
    Ok(Prepared { records, accepted })
}

#[cfg(test)]
mod tests;
