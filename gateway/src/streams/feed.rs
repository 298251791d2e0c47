//! One report that is read again and again, for all who follow it.
//!
//! Whoever follows the same report with the same scope shares one feed: one read every quarter of a
//! beat, through the same door as every other read ([`crate::sharing`]). A read that fails changes
//! nothing: the chains switch, stall, and come back, and the streams stay. The feed goes forward only,
//! since it sends its own token along. It ends when nobody follows it any more.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderValue;
use http::request::Parts;
use http::{Request, StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::Value;
use tandem_identity::Caller;
use tandem_model::Token;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::changes;
use super::seen::{Last, Mark};
use crate::answer::Answer;
use crate::headers::{PREFER, TOKEN};
use crate::sharing::Sharing;

/// How often a report is read: figures come with a flush, every 10 to 15 ms, and move with the beat.
const READ_EVERY: Duration = Duration::from_millis(250);
/// So many reports before the newest are kept, for those who resume: some seconds.
const KEPT_REPORTS: usize = 16;

/// One reading of the report.
#[derive(Debug)]
pub(super) struct Reading {
    /// How far it was read.
    pub(super) token: Token,
    /// The report as it came.
    pub(super) whole: Bytes,
    report: Value,
    /// What is new in it since the reading before; nothing where that can't be told.
    change: Option<Bytes>,
    /// Whether that is worth telling.
    is_news: bool,
    /// Counts the readings of this feed.
    number: u64,
    /// Says how far it was read, in short.
    mark: Mark,
}

impl Reading {
    /// The reading in an answer, after `before`; nothing where the answer is no report.
    pub(super) fn of(answer: &Answer, before: Option<&Self>) -> Option<Self> {
        let token = Token::decode(answer.headers().get(TOKEN)?.to_str().ok()?).ok()?;
        let whole = answer.body().clone();
        let report = serde_json::from_slice(&whole).ok()?;
        let change = before.and_then(|before| changes::between(&before.report, &report));
        let is_news = change.as_ref().is_none_or(is_news);
        let number = before.map_or(0, |before| before.number + 1);
        let mark = xxh3_64(token.encode().as_bytes());
        Some(Self { token, whole, report, change: change.map(bytes), is_news, number, mark })
    }

    /// What is new in it for somebody who has `before`.
    pub(super) fn since(&self, before: &Self) -> News {
        if before.number + 1 == self.number {
            return match &self.change {
                Some(_) if !self.is_news => News::None,
                Some(change) => News::Change(change.clone()),
                None => News::Whole,
            };
        }
        match changes::between(&before.report, &self.report) {
            Some(change) if !is_news(&change) => News::None,
            Some(change) => News::Change(bytes(change)),
            None => News::Whole,
        }
    }

    /// Whether who has this has seen all that `token` has seen of it.
    pub(super) fn covers(&self, token: &Token) -> bool {
        token.log == self.token.log
            && self.token.next.iter().all(|(partition, next)| token.is_reached_by(*partition, *next))
    }

    /// Names this reading of the report at `target` among all readings of all reports, but for the chance
    /// of one in 2^64.
    pub(super) fn mark(&self, target: &str) -> Mark {
        xxh3_64_with_seed(target.as_bytes(), self.mark)
    }

    /// Whether this was read just as far as `token`, as far as it matters here.
    fn is_at(&self, token: &Token) -> bool {
        token.log == self.token.log
            && self.token.next.iter().all(|(partition, next)| token.next.get(partition) == Some(next))
    }
}

/// Whether a change tells more than who has read the same again, a few records farther.
fn is_news(change: &Value) -> bool {
    let Some(change) = change.as_object() else { return true };
    let is_new = |meta: &Value| {
        meta.as_object().is_none_or(|meta| meta.keys().any(|name| name != "token" && name != "chain"))
    };
    change.iter().any(|(name, value)| name != "meta" || is_new(value))
}

fn bytes(value: Value) -> Bytes {
    Bytes::from(serde_json::to_vec(&value).expect("a value of JSON makes JSON"))
}

/// What is to be told of a reading.
pub(super) enum News {
    /// Nothing.
    None,
    /// What changed.
    Change(Bytes),
    /// All of it: something vanished.
    Whole,
}

/// What followers see.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// The newest reading, and those before it.
    Read(Arc<Reading>, VecDeque<Arc<Reading>>),
    /// It can't be read any more: the caller may not, say.
    Over(Answer),
}

impl State {
    /// The kept reading of the report at `target` that somebody has who got `last`.
    pub(super) fn at(&self, last: &Last, target: &str) -> Option<Arc<Reading>> {
        let Self::Read(newest, before) = self else { return None };
        let is_told = |reading: &&Arc<Reading>| match &last.marks {
            Some(marks) => marks.contains(&reading.mark(target)),
            None => reading.is_at(&last.token),
        };
        std::iter::once(newest).chain(before).find(is_told).cloned()
    }
}

/// Names a feed: what is read, in which scope.
type Key = (String, HeaderValue);

/// All feeds.
#[derive(Default)]
pub(super) struct Feeds {
    by_key: Mutex<HashMap<Key, watch::Sender<State>>>,
}

impl Feeds {
    /// Follows a report that was read just now as `first`.
    pub(super) fn follow(
        self: &Arc<Self>,
        reads: &Arc<Sharing>,
        target: &Uri,
        caller: &Caller,
        first: Reading,
    ) -> watch::Receiver<State> {
        let key: Key = (target.to_string(), caller.scope_header.clone());
        let mut by_key = self.by_key.lock();
        if let Some(feed) = by_key.get(&key) {
            return feed.subscribe();
        }
        let (sender, receiver) = watch::channel(State::Read(Arc::new(first), VecDeque::new()));
        by_key.insert(key.clone(), sender.clone());
        let (feeds, reads, mut parts) = (Arc::clone(self), Arc::clone(reads), parts(target, caller));
        // Rather late than old.
        parts.headers.insert(PREFER, HeaderValue::from_static("fresh"));
        tokio::spawn(async move {
            tokio::select! {
                () = read_on(&reads, parts, &sender) => { feeds.by_key.lock().remove(&key); }
                () = feeds.nobody_follows(&key, &sender) => {}
            }
        });
        receiver
    }

    /// Done once nobody follows, and nobody can begin to: it is off the list.
    async fn nobody_follows(&self, key: &Key, sender: &watch::Sender<State>) {
        loop {
            sender.closed().await;
            let mut by_key = self.by_key.lock();
            if sender.receiver_count() == 0 {
                by_key.remove(key);
                return;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.by_key.lock().len()
    }
}

/// A read of the report at `target`.
pub(super) fn parts(target: &Uri, caller: &Caller) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.uri = target.clone();
    parts.extensions.insert(caller.clone());
    parts
}

/// Reads until there is nothing more to read.
async fn read_on(reads: &Arc<Sharing>, mut parts: Parts, sender: &watch::Sender<State>) {
    let mut ticks = tokio::time::interval(READ_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let State::Read(newest, mut before) = sender.borrow().clone() else { return };
        let token = newest.token.encode();
        parts.headers.insert(TOKEN, HeaderValue::try_from(token).expect("base64url makes a header"));
        let answer = reads.answer(&parts).await;
        if answer.status() != StatusCode::OK {
            if answer.status().is_client_error() {
                _ = sender.send_replace(State::Over(answer));
                return;
            }
            continue;
        }
        let Some(reading) = Reading::of(&answer, Some(&newest)) else { continue };
        let is_news = reading.is_news;
        before.push_front(newest);
        before.truncate(KEPT_REPORTS);
        // Also what is no news is kept: it may be what somebody's token waits for.
        sender.send_if_modified(|state| {
            *state = State::Read(Arc::new(reading), before);
            is_news
        });
    }
}
