//! What one client is told, whatever it is told by: the reports it follows, and the end.
//!
//! Nothing queues here. Each report is looked at when the client can take something, and what is told is the
//! difference between then and what it was told last. Reports take turns.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::select_all;
use tandem_model::Token;

use super::ends::{Ends, Why};
use super::follower::{Follower, Kind, Telling};
use super::open::Leave;
use super::seen::{Last, Seen};

/// The reports that one client follows.
pub(super) struct Screen {
    followers: Vec<Follower>,
    /// Sessions that can't be followed, and why.
    refused: VecDeque<(Arc<str>, Bytes)>,
    /// Whose turn it is.
    turn: usize,
    is_several: bool,
    /// All that the client has seen.
    seen: Option<Token>,
    ends: Ends,
    /// Tells it from others.
    number: u64,
    _leave: Leave,
}

/// Something to tell.
#[derive(Debug)]
pub(super) enum Event {
    /// Of a report.
    Told {
        /// Of which session, where there may be several.
        session: Option<Arc<str>>,
        /// What it is.
        kind: Kind,
        /// Where the client is with it.
        id: String,
        /// JSON.
        data: Bytes,
    },
    /// There is nothing more to come of a session.
    Over {
        /// Which, where there may be several.
        session: Option<Arc<str>>,
        /// The problem, in JSON.
        problem: Bytes,
    },
    /// There is nothing more to come at all.
    Bye {
        /// Why.
        why: Why,
        /// Where the client is.
        id: Option<String>,
        /// After how many milliseconds to come back.
        return_ms: Option<u64>,
    },
}

impl Screen {
    /// Of one session, or of as many as there are.
    pub(super) fn new(is_several: bool, seen: &Seen, ends: Ends, number: u64, leave: Leave) -> Self {
        Self {
            followers: Vec::new(),
            refused: VecDeque::new(),
            turn: 0,
            is_several,
            seen: seen.token.clone(),
            ends,
            number,
            _leave: leave,
        }
    }

    /// One more to follow.
    pub(super) fn follow(&mut self, follower: Follower) {
        self.followers.push(follower);
    }

    /// One more to follow, by somebody who has `seen`.
    pub(super) fn follow_seen(&mut self, follower: Follower, seen: &Seen) {
        match (&mut self.seen, &seen.token) {
            (Some(before), Some(more)) if before.log == more.log => before.join(more),
            (before, Some(more)) => *before = Some(more.clone()),
            (_, None) => {}
        }
        self.followers.push(follower);
    }

    /// One that can't be followed.
    pub(super) fn refuse(&mut self, session: Arc<str>, problem: Bytes) {
        self.refused.push_back((session, problem));
    }

    /// Whether this session is not followed any more. Its followers' leave is given back.
    pub(super) fn leave(&mut self, session: &str) -> bool {
        let before = self.followers.len();
        self.followers.retain(|follower| &*follower.session != session);
        self.followers.len() < before
    }

    /// Whether this session is followed.
    pub(super) fn follows(&self, session: &str) -> bool {
        self.followers.iter().any(|follower| &*follower.session == session)
    }

    /// How many sessions are followed.
    pub(super) fn len(&self) -> usize {
        self.followers.len()
    }

    /// Whether several sessions may be followed.
    pub(super) fn is_several(&self) -> bool {
        self.is_several
    }

    /// What comes next. May be dropped and called again at any time; not after a goodbye.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.news() {
                return event;
            }
            let why = tokio::select! {
                biased;
                why = self.ends.wait() => why,
                is_there = changed(&mut self.followers) => match is_there {
                    true => continue,
                    // A fault of ours; whoever comes back finds it mended.
                    false => Why::Changed,
                },
            };
            return self.bye(why);
        }
    }

    fn news(&mut self) -> Option<Event> {
        if let Some((session, problem)) = self.refused.pop_front() {
            return Some(Event::Over { session: self.named(&session), problem });
        }
        let count = self.followers.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let Some(telling) = self.followers[at].news() else { continue };
            let session = self.named(&self.followers[at].session);
            return Some(match telling {
                Telling::Over(problem) => {
                    self.followers.remove(at);
                    Event::Over { session, problem }
                }
                Telling::Told(kind, data) => {
                    self.turn = at + 1;
                    self.note(at);
                    let id = self.id().unwrap_or_default();
                    Event::Told { session, kind, id, data }
                }
            });
        }
        None
    }

    fn bye(&self, why: Why) -> Event {
        let has_told = self.followers.iter().any(|follower| follower.told().is_some());
        let id = if has_told || self.is_several { self.id() } else { None };
        Event::Bye { why, id, return_ms: why.return_ms(self.number) }
    }

    /// Notes what one follower was told.
    fn note(&mut self, at: usize) {
        let Some(told) = self.followers[at].told() else { return };
        match &mut self.seen {
            Some(seen) if seen.log == told.log => seen.join(told),
            seen => *seen = Some(told.clone()),
        }
    }

    /// All that the client has seen, as the id of an event.
    fn id(&self) -> Option<String> {
        let token = self.seen.clone()?;
        let marks = self.is_several.then(|| self.followers.iter().filter_map(Follower::mark).collect());
        Some(Last { token, marks }.encode())
    }

    fn named(&self, session: &Arc<str>) -> Option<Arc<str>> {
        self.is_several.then(|| Arc::clone(session))
    }
}

/// Waits until there may be something to tell of one of them; false where there never will be.
async fn changed(followers: &mut [Follower]) -> bool {
    match followers {
        [] => std::future::pending().await,
        [one] => one.changed().await,
        several => select_all(several.iter_mut().map(|follower| Box::pin(follower.changed()))).await.0,
    }
}
