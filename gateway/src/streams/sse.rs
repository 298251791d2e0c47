//! A stream as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use http_body_util::{BodyExt, StreamBody as Streamed};
use hyper::body::Frame;
use tandem_model::Token;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::feed::{News, Reading, State};
use super::{Leave, StreamBody};
use crate::answer::Answer;

/// A line that says nothing comes at least so often: whoever hears less knows that the connection is gone.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);
const HEARTBEAT: &[u8] = b":\n\n";
/// How long a stream may last.
const LIFE: Duration = Duration::from_secs(3_600);
/// After a goodbye clients come back after so long, each at its own moment, in milliseconds.
const RETURN_MS: std::ops::Range<u64> = 500..3_000;

/// What one client is told.
pub(super) struct Events {
    followed: watch::Receiver<State>,
    is_draining: watch::Receiver<bool>,
    /// What it had before, until it was told something.
    token: Option<Token>,
    told: Option<Arc<Reading>>,
    heartbeat: Instant,
    until: Instant,
    is_new: bool,
    is_over: bool,
    _leave: Leave,
}

impl Events {
    pub(super) fn new(
        mut followed: watch::Receiver<State>,
        is_draining: watch::Receiver<bool>,
        last: Option<Token>,
        token: Option<Token>,
        leave: Leave,
    ) -> Self {
        let told = last.as_ref().and_then(|last| followed.borrow_and_update().at(last));
        let now = Instant::now();
        let (heartbeat, until) = (now + HEARTBEAT_EVERY, now + LIFE);
        Self {
            followed,
            is_draining,
            token,
            told,
            heartbeat,
            until,
            is_new: true,
            is_over: false,
            _leave: leave,
        }
    }

    pub(super) fn into_body(self) -> StreamBody {
        let frames = stream::unfold(self, |mut events| async move {
            let bytes = events.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(bytes)), events))
        });
        Streamed::new(frames).boxed_unsync()
    }

    /// What comes next; nothing after the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        loop {
            if let Some(news) = self.news() {
                self.heartbeat = Instant::now() + HEARTBEAT_EVERY;
                return Some(news);
            }
            let is_over = tokio::select! {
                biased;
                // Whoever drains is never dropped before its streams.
                _ = self.is_draining.wait_for(|is_draining| *is_draining) => true,
                changed = self.followed.changed() => {
                    if changed.is_ok() {
                        continue;
                    }
                    true
                }
                () = sleep_until(self.until) => true,
                () = sleep_until(self.heartbeat) => false,
            };
            if is_over {
                self.is_over = true;
                return Some(self.goodbye());
            }
            self.heartbeat += HEARTBEAT_EVERY;
            return Some(Bytes::from_static(HEARTBEAT));
        }
    }

    /// What there is to tell now.
    fn news(&mut self) -> Option<Bytes> {
        let reading = match &*self.followed.borrow_and_update() {
            State::Read(reading, _) => Arc::clone(reading),
            State::Over(answer) => {
                self.is_over = true;
                return Some(over(answer));
            }
        };
        // The head of the stream: what the client should do when it loses it.
        let head = if std::mem::take(&mut self.is_new) { retry(RETURN_MS.start) } else { Vec::new() };
        let whole = || Some(("report", reading.whole.clone()));
        let event = match &self.told {
            Some(told) => match reading.since(told) {
                News::None => None,
                News::Change(change) => Some(("change", change)),
                News::Whole => whole(),
            },
            None if self.token.as_ref().is_none_or(|token| reading.covers(token)) => whole(),
            // It has seen more than this: later.
            None => None,
        };
        let Some((name, data)) = event else { return (!head.is_empty()).then(|| head.into()) };
        let token = self.seen(&reading);
        self.told = Some(reading);
        let mut bytes = BytesMut::with_capacity(head.len() + data.len() + token.len() + 32);
        bytes.put_slice(&head);
        bytes.put_slice(format!("event: {name}\nid: {token}\ndata: ").as_bytes());
        // Our JSON has no line ends in it.
        bytes.put_slice(&data);
        bytes.put_slice(b"\n\n");
        Some(bytes.freeze())
    }

    /// The id of an event: all that the client has seen with it.
    fn seen(&self, reading: &Reading) -> String {
        let mut seen = reading.token.clone();
        if let Some(token) = &self.token {
            seen.join(token);
        }
        seen.encode()
    }

    fn goodbye(&self) -> Bytes {
        let span = RETURN_MS.end - RETURN_MS.start;
        // Any number that differs from client to client will do.
        let own = std::ptr::from_ref(self) as u64 >> 4;
        let token = self.told.as_ref().map(|told| self.seen(told));
        let id = token.map(|token| format!("id: {token}\n")).unwrap_or_default();
        let mut bytes = retry(RETURN_MS.start + own.wrapping_mul(0x9E37_79B9_7F4A_7C15) % span);
        bytes.extend(format!("event: goodbye\n{id}data: {{}}\n\n").bytes());
        bytes.into()
    }
}

fn retry(ms: u64) -> Vec<u8> {
    format!("retry: {ms}\n\n").into_bytes()
}

/// The end, with its reason: coming back is of no use.
fn over(answer: &Answer) -> Bytes {
    let reason = serde_json::from_slice::<serde_json::Value>(answer.body()).unwrap_or_default();
    format!("event: error\ndata: {reason}\n\n").into()
}
