//! What the parts of one client's connection tell each other: the reader that judges its bytes
//! ([`super::guarded`]), the stack that answers its requests, and the loop that may close it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tandem_strict::Refusal;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::counters::Counters;

/// How many requests a client may take back before it has been answered as many more. Screens that
/// are left take theirs back, a few at a time.
const TAKEN_BACK_FREE: u64 = 100;
/// How fast an answer must be taken at least, in bytes per second, once the client has begun.
const SEND_BYTES_PER_SECOND_MIN: u32 = 4 * 1024;

/// One connection on the public port.
pub(crate) struct Edge {
    counters: Arc<Counters>,
    refusal: OnceLock<Refusal>,
    refused: Notify,
    is_upgraded: AtomicBool,
    /// What is done with the connection once it is no longer HTTP.
    rest: Mutex<Option<BoxFuture<'static, ()>>>,
    answered: AtomicU64,
    taken_back: AtomicU64,
    is_abused: Notify,
    send_timeout: Duration,
    sending: Mutex<Sending>,
}

/// Answers that the client has not taken.
#[derive(Default)]
struct Sending {
    next: u64,
    /// By when each is to be taken. As many as requests can be open at one time.
    until: Vec<(u64, Instant)>,
}

impl Edge {
    pub(crate) fn new(counters: Arc<Counters>, send_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            counters,
            refusal: OnceLock::new(),
            refused: Notify::new(),
            is_upgraded: AtomicBool::new(false),
            rest: Mutex::default(),
            answered: AtomicU64::new(0),
            taken_back: AtomicU64::new(0),
            is_abused: Notify::new(),
            send_timeout,
            sending: Mutex::default(),
        })
    }

    /// Something is wrong with a request: it is counted, and whoever answers that request learns it.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        if self.refusal.set(refusal).is_ok() {
            tracing::debug!(violation = refusal.violation.name(), "a request is refused");
            self.counters.violations.of(refusal.violation).add_one();
            self.refused.notify_waiters();
        }
    }

    /// Why the request with this number is refused, if it is.
    pub(crate) fn refusal(&self, request: u64) -> Option<Refusal> {
        self.refusal.get().copied().filter(|refusal| refusal.request == request)
    }

    /// Waits until the request with this number is refused, which may be never.
    pub(crate) async fn until_refused(&self, request: u64) -> Refusal {
        loop {
            let refused = self.refused.notified();
            if let Some(refusal) = self.refusal(request) {
                return refusal;
            }
            refused.await;
        }
    }

    /// The connection is no longer HTTP: its bytes are not judged from here on.
    pub(crate) fn upgrade(&self) {
        self.is_upgraded.store(true, Ordering::Release);
    }

    pub(crate) fn is_upgraded(&self) -> bool {
        self.is_upgraded.load(Ordering::Acquire)
    }

    /// What is to be done with the connection once it is no longer HTTP.
    pub(crate) fn go_on_with(&self, rest: BoxFuture<'static, ()>) {
        *self.rest.lock() = Some(rest);
    }

    pub(crate) fn take_rest(&self) -> Option<BoxFuture<'static, ()>> {
        self.rest.lock().take()
    }

    /// Counts a request that begins, until what it gives is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Begun {
        Begun { edge: Arc::clone(self), is_answered: false }
    }

    fn take_back(&self) {
        let taken_back = self.taken_back.fetch_add(1, Ordering::Relaxed) + 1;
        if taken_back > TAKEN_BACK_FREE + self.answered.load(Ordering::Relaxed) {
            self.is_abused.notify_one();
        }
    }

    /// The body of an answer, watched until the client has taken it.
    pub(crate) fn watched(self: &Arc<Self>, body: Bytes) -> Bytes {
        if body.is_empty() {
            return body;
        }
        let patience = self.send_timeout + Duration::from_secs(body.len() as u64) / SEND_BYTES_PER_SECOND_MIN;
        let mut sending = self.sending.lock();
        let id = sending.next;
        sending.next += 1;
        sending.until.push((id, Instant::now() + patience));
        Bytes::from_owner(Sent { body, id, edge: Arc::clone(self) })
    }

    /// Waits until the connection must be closed: the client doesn't take its answers, or takes back
    /// its requests. Both are counted.
    pub(crate) async fn until_abused(&self) {
        loop {
            // Looking now and then is enough, and costs an idle connection next to nothing.
            tokio::select! {
                () = self.is_abused.notified() => {
                    self.counters.connections.reset.add_one();
                    return;
                }
                () = tokio::time::sleep(self.send_timeout / 4) => {}
            }
            let now = Instant::now();
            if self.sending.lock().until.iter().any(|(_, until)| *until <= now) {
                self.counters.connections.stalled.add_one();
                return;
            }
        }
    }
}

/// A request that has begun. Dropped without an answer, it was taken back.
pub(crate) struct Begun {
    edge: Arc<Edge>,
    is_answered: bool,
}

impl Begun {
    pub(crate) fn answered(mut self) {
        self.is_answered = true;
        self.edge.answered.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.is_answered {
            self.edge.take_back();
        }
    }
}

/// A body that is being sent. Hyper drops it once its last byte is with the system, or nobody wants
/// it any more.
struct Sent {
    body: Bytes,
    id: u64,
    edge: Arc<Edge>,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.edge.sending.lock().until.retain(|(id, _)| *id != self.id);
    }
}

/// Where a request came in: part of its extensions on the public port.
#[derive(Clone)]
pub(crate) struct Arrival {
    pub(crate) edge: Arc<Edge>,
    /// Which request of its connection it is, counted from 1.
    pub(crate) request: u64,
    /// Whether a guard has judged it: it came by HTTP/1.
    pub(crate) is_guarded: bool,
}

#[cfg(test)]
mod tests {
    use tandem_strict::Violation;

    use super::*;

    fn edge() -> Arc<Edge> {
        Edge::new(Arc::default(), Duration::from_secs(30))
    }

    #[tokio::test]
    async fn a_refusal_reaches_the_request_that_it_is_about() {
        let edge = edge();
        let other = {
            let edge = Arc::clone(&edge);
            tokio::spawn(async move { edge.until_refused(1).await })
        };
        let own = {
            let edge = Arc::clone(&edge);
            tokio::spawn(async move { edge.until_refused(2).await })
        };
        tokio::task::yield_now().await;
        let refusal = Refusal { violation: Violation::ChunkSize, request: 2, in_body: true };
        edge.refuse(refusal);
        // The first one stands.
        edge.refuse(Refusal { request: 1, ..refusal });
        assert_eq!(own.await.unwrap(), refusal);
        assert!(!other.is_finished());
        other.abort();
        let counted: Vec<_> = edge.counters.violations().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("chunk-size", 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_are_not_taken_end_the_connection() {
        let begun = Instant::now();
        let edge = edge();
        let taken = edge.watched(Bytes::from_static(b"taken"));
        let part = taken.slice(1..2);
        drop(taken);
        let large = edge.watched(Bytes::from(vec![0; 40 * 1024]));
        assert_eq!(edge.sending.lock().until.len(), 2);
        drop(part);
        edge.until_abused().await;
        // 30 s, and 10 s for its size, looked at every 7.5 s.
        assert_eq!(begun.elapsed().as_secs(), 45);
        assert_eq!(edge.counters.read().connections.stalled, 1);
        drop(large);
        assert!(edge.sending.lock().until.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_taken_back_end_the_connection_and_answers_make_up_for_them() {
        let edge = edge();
        for _ in 0..50 {
            edge.begin().answered();
        }
        for _ in 0..TAKEN_BACK_FREE + 50 {
            drop(edge.begin());
        }
        let waiting = tokio::time::timeout(Duration::from_secs(300), edge.until_abused());
        assert!(waiting.await.is_err());
        drop(edge.begin());
        edge.until_abused().await;
        assert_eq!(edge.counters.read().connections.reset, 1);
    }
}
