//! Equal reads share one question to the chains, and its answer serves for a moment.
//!
//! When a session goes viral, thousands ask for the same report in the same second. Here they become
//! one question: whoever asks while it is under way waits for the same answer, and whoever asks within
//! a moment after it gets it from memory ([`cache`]). The first caller may hang up, the others still
//! get it; when all have hung up, the question is dropped.
//!
//! # Nobody goes back
//! The question carries no token, so its answer says itself what it has read. A caller whose token has
//! seen more of that than the answer does not take it, and asks alone, with the token: the chain
//! router waits, looks at the other chain, or says what is missing. The others get the answer with the
//! join of both tokens, in header and body ([`stored`]).
//!
//! # Who shares with whom
//! Equal is what has the same path and query, the same scope, the same epoch, and the same chains that
//! may be asked ([`Same`]). Reads of a chain by name, what operators verify the system by (log, rows,
//! partitions), and whatever has no sound token are never shared.

mod cache;
mod stored;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared as SharedFuture, WeakShared};
use http::request::Parts;
use http::{HeaderValue, Request};
use parking_lot::Mutex;
use tandem_admission::Class;
use tandem_identity::Caller;
use tandem_model::Token;
use tandem_model::route::Chain;
use tokio::time::Instant;

use self::cache::Cache;
use self::stored::Stored;
use crate::admission::{Priority, priority_of};
use crate::answer::Answer;
use crate::chains::ChainRouter;
use crate::counters::Counters;
use crate::headers::{CHAIN, TOKEN};

/// What many ask at once: figures, and what they mean. Everything else is exact to the moment.
const SHARED: [&str; 2] = ["/v1/sessions", "/v1/catalog"];

/// Shares what is asked of a [`ChainRouter`].
pub(crate) struct Sharing {
    router: Arc<ChainRouter>,
    counters: Arc<Counters>,
    questions: Mutex<Questions>,
    cache: Mutex<Cache>,
    /// How long an answer serves, counted from the question, in microseconds.
    kept_us: AtomicU64,
    /// Nobody outside knows which reads have the same hash.
    hasher: RandomState,
}

/// What makes two reads the same. Cheap to clone, and hashed once: it is looked up time and again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    hash: u64,
    same: Arc<Same>,
}

impl Key {
    fn new(hasher: &RandomState, same: Same) -> Self {
        Self { hash: hasher.hash_one(&same), same: Arc::new(same) }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.hash);
    }
}

/// What is the same of two reads that are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Same {
    target: String,
    /// The scope of those who may see the answer; none for what is public.
    audience: Option<HeaderValue>,
    epoch: u64,
    /// The one chain that may be asked, where the other is known to be wrong.
    only: Option<Chain>,
    /// Nobody is sent away because somebody of less importance asked first.
    class: Class,
}

/// A question under way, as those hold it who wait for it.
type Question = SharedFuture<BoxFuture<'static, Arc<Stored>>>;
/// The same, as the list holds it: it keeps no question alive.
type WeakQuestion = WeakShared<BoxFuture<'static, Arc<Stored>>>;

/// Questions under way, by what they ask.
#[derive(Default)]
struct Questions {
    by_key: HashMap<Key, (u64, WeakQuestion)>,
    number: u64,
}

impl Sharing {
    /// In front of `router`. An answer serves for `kept` from its question on, not at all where that
    /// is 0; all that is kept takes no more than `bytes_max`.
    pub(crate) fn new(
        router: Arc<ChainRouter>,
        counters: Arc<Counters>,
        kept: Duration,
        bytes_max: usize,
    ) -> Self {
        let cache = Mutex::new(Cache::new(bytes_max));
        let kept_us = AtomicU64::new(kept.as_micros() as u64);
        let hasher = RandomState::new();
        Self { router, counters, questions: Mutex::default(), cache, kept_us, hasher }
    }

    /// Keeps answers like this from now on.
    pub(crate) fn configure(&self, kept: Duration, bytes_max: usize) {
        self.kept_us.store(kept.as_micros() as u64, Ordering::Relaxed);
        self.cache.lock().set_bytes_max(bytes_max);
    }

    fn kept(&self) -> Duration {
        Duration::from_micros(self.kept_us.load(Ordering::Relaxed))
    }

    /// Answers a read.
    pub(crate) async fn answer(self: &Arc<Self>, parts: &Parts) -> Answer {
        let Some(sent) = shareable(parts) else { return self.router.answer(parts).await };
        let key = self.key(parts);
        let kept = self.cache.lock().get(&key, Instant::now());
        if let Some(answer) = kept.and_then(|stored| stored.answer_to(sent.as_ref())) {
            self.counters.reads.from_memory.add_one();
            return answer;
        }
        let (question, is_ours) = self.join(key, parts);
        let stored = question.await;
        match stored.answer_to(sent.as_ref()) {
            Some(answer) => {
                if !is_ours {
                    self.counters.reads.shared.add_one();
                }
                answer
            }
            // It has seen more than that.
            None => self.router.answer(parts).await,
        }
    }

    fn key(&self, parts: &Parts) -> Key {
        let outlook = self.router.outlook();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let audience = parts.extensions.get::<Caller>().map(|caller| caller.scope_header.clone());
        let class = priority_of(parts).class;
        let same = Same { target, audience, epoch: outlook.epoch, only: outlook.only, class };
        Key::new(&self.hasher, same)
    }

    /// The question under way, else a new one; says whether it is new.
    fn join(self: &Arc<Self>, key: Key, parts: &Parts) -> (Question, bool) {
        let mut questions = self.questions.lock();
        let under_way = questions.by_key.get(&key).and_then(|(_, question)| question.upgrade());
        if let Some(question) = under_way {
            return (question, false);
        }
        questions.number += 1;
        let number = questions.number;
        let question = Arc::clone(self).ask(key.clone(), number, bare(parts)).boxed().shared();
        let weak = question.downgrade().expect("it was not polled, so it has not ended");
        questions.by_key.insert(key, (number, weak));
        (question, true)
    }

    async fn ask(self: Arc<Self>, key: Key, number: u64, parts: Parts) -> Arc<Stored> {
        let asked = Instant::now();
        let end = End { sharing: &self, key, number };
        let stored = Arc::new(Stored::new(self.router.answer(&parts).await));
        let kept = self.kept();
        if stored.is_worth_keeping() && !kept.is_zero() {
            let now = Instant::now();
            self.cache.lock().insert(end.key.clone(), Arc::clone(&stored), asked + kept, now);
        }
        drop(end);
        stored
    }
}

/// Takes a question off the list: when it was answered, and when nobody waits for it any more.
struct End<'s> {
    sharing: &'s Sharing,
    key: Key,
    number: u64,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut questions = self.sharing.questions.lock();
        if questions.by_key.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            questions.by_key.remove(&self.key);
        }
    }
}

/// The token of a read that may be shared, if it has one; nothing for one that may not.
#[allow(clippy::option_option, reason = "both mean something, and nobody keeps it")]
fn shareable(parts: &Parts) -> Option<Option<Token>> {
    let is_for_many = SHARED.iter().any(|prefix| parts.uri.path().starts_with(prefix));
    if !is_for_many || parts.headers.contains_key(CHAIN) {
        return None;
    }
    let mut tokens = parts.headers.get_all(TOKEN).iter();
    let Some(text) = tokens.next() else { return Some(None) };
    // What is wrong with it is for the router and the chains to say.
    let token = Token::decode(text.to_str().ok()?).ok()?;
    tokens.next().is_none().then_some(Some(token))
}

/// The same read without what is the caller's own.
fn bare(parts: &Parts) -> Parts {
    let (mut bare, ()) = Request::new(()).into_parts();
    bare.uri = parts.uri.clone();
    if let Some(caller) = parts.extensions.get::<Caller>() {
        bare.extensions.insert(caller.clone());
    }
    // Others may wait for it who have more time.
    bare.extensions.insert(Priority { deadline: None, ..priority_of(parts) });
    bare
}

#[cfg(test)]
mod tests;
