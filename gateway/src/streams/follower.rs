//! One client's view of one report.

use std::sync::Arc;

use bytes::Bytes;
use tandem_model::Token;
use tokio::sync::watch;

use super::feed::{News, Reading, State};
use super::open::Leave;
use super::seen::{Mark, Seen};
use crate::answer::Answer;

/// Follows a report for one client.
pub(super) struct Follower {
    /// The session's id, as the client wrote it.
    pub(super) session: Arc<str>,
    target: String,
    followed: watch::Receiver<State>,
    /// What it had before, until it was told something.
    token: Option<Token>,
    told: Option<Arc<Reading>>,
    /// The reading that was looked at last.
    looked_at: Option<Arc<Reading>>,
    _leave: Option<Leave>,
}

/// What there is to tell.
pub(super) enum Telling {
    /// The report, or what changed in it.
    Told(Kind, Bytes),
    /// That there is nothing more to come.
    Over(Bytes),
}

/// What is told of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// All of it.
    Report,
    /// What changed in it.
    Change,
}

impl Kind {
    /// Its name in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::Report => "report",
            Kind::Change => "change",
        }
    }
}

impl Follower {
    /// Follows `followed`, the report at `target`, for somebody who has `seen`.
    pub(super) fn new(
        session: Arc<str>,
        target: String,
        followed: watch::Receiver<State>,
        seen: &Seen,
        leave: Option<Leave>,
    ) -> Self {
        let told = seen.last.as_ref().and_then(|last| followed.borrow().at(last, &target));
        Self { session, target, followed, token: seen.token.clone(), told, looked_at: None, _leave: leave }
    }

    /// What there is to tell now; it counts as told.
    pub(super) fn news(&mut self) -> Option<Telling> {
        let reading = match &*self.followed.borrow_and_update() {
            State::Read(reading, _) => Arc::clone(reading),
            State::Over(answer) => return Some(Telling::Over(problem_in(answer))),
        };
        if self.looked_at.as_ref().is_some_and(|before| Arc::ptr_eq(before, &reading)) {
            return None;
        }
        self.looked_at = Some(Arc::clone(&reading));
        let whole = || Some((Kind::Report, reading.whole.clone()));
        let (kind, data) = match &self.told {
            Some(told) => match reading.since(told) {
                News::None => None,
                News::Change(change) => Some((Kind::Change, change)),
                News::Whole => whole(),
            },
            None if self.token.as_ref().is_none_or(|token| reading.covers(token)) => whole(),
            // It has seen more than this: later.
            None => None,
        }?;
        self.told = Some(reading);
        self.token = None;
        Some(Telling::Told(kind, data))
    }

    /// Waits until there may be something to tell; false where there never will be.
    pub(super) async fn changed(&mut self) -> bool {
        self.followed.changed().await.is_ok()
    }

    /// How far what was told was read.
    pub(super) fn told(&self) -> Option<&Token> {
        self.told.as_ref().map(|told| &told.token)
    }

    /// Names what was told.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.told.as_ref().map(|told| told.mark(&self.target))
    }
}

/// The problem in an answer.
pub(super) fn problem_in(answer: &Answer) -> Bytes {
    match serde_json::from_slice::<&serde_json::value::RawValue>(answer.body()) {
        // Without line ends, which would end an event.
        Ok(_) if !answer.body().contains(&b'\n') => answer.body().clone(),
        _ => {
            let value = serde_json::from_slice::<serde_json::Value>(answer.body()).unwrap_or_default();
            value.to_string().into()
        }
    }
}
